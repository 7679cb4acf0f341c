/* src/store/sqlite/reader_replay.c: messages that an endpoint is to be sent once more, in the order of their uids, with how far each is. */
#include "base/uid.h"
#include "store/replay_match.h"
#include "store/sqlite/reader.h"

#define REPLAY_WORK_BYTES (64 * 1024 * 1024) /* one payload, and its tree */

static enum err replay_endpoint(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct named_row *out)
{
	enum err err = reader_endpoint(reader, query, arena, out);
	return !err && query->replay->endpoint && query->replay->endpoint != out->number ? E_ENDPOINT_NOT_FOUND : err;
}

static sqlite3_stmt *replay_begin(struct sqlite_reader *reader, const struct query *query, enum err *err)
{
	const struct replay *replay = query->replay;
	uint64_t since = uid_floor(replay->since_us);
	sqlite3_stmt *stmt = reader_statement(reader, replay->entity.len ? READER_REPLAY_OF_ENTITY : READER_REPLAY, err);
	if (*err)
		return NULL;
	sql_bind_u64(stmt, 1, query->cursor_uid + 1 > since ? query->cursor_uid + 1 : since);
	sql_bind_u64(stmt, 2, replay->until_us ? uid_floor(replay->until_us) : INT64_MAX);
	if (replay->entity.len) {
		sql_bind_text(stmt, 3, reader_namespace(query->namespace_name));
		sql_bind_text(stmt, 4, replay->entity);
	}
	return stmt;
}

static enum err replay_payload(struct sqlite_reader *reader, sqlite3_stmt *stmt, const struct message_row *head, struct arena *work, struct str *out)
{
	if (head->payload_body)
		return reader_body(reader, head->payload_body, work, out);
	*out = sql_copy(stmt, MESSAGE_COLUMN_COUNT - 1, work);
	return out->ptr ? E_OK : E_NOMEM;
}

/* The newest delivery there is; uid 0: none. */
static enum err replay_delivery(struct sqlite_reader *reader, uint64_t message, struct str endpoint, uint64_t *out_uid, enum job_state *out_state)
{
	enum err err;
	bool found;
	*out_uid = 0;
	*out_state = JOB_WAITING;
	sqlite3_stmt *stmt = reader_statement(reader, READER_REPLAY_DELIVERY, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, message);
	sql_bind_text(stmt, 2, endpoint);
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	*out_uid = sql_u64(stmt, 0);
	if (sqlite3_column_type(stmt, 1) != SQLITE_NULL)
		*out_state = (enum job_state)sql_i64(stmt, 1);
	return sql_err(sqlite3_reset(stmt));
}

/* Those that were made when it came. */
static enum err replay_kept(struct sqlite_reader *reader, uint64_t message, uint64_t *out)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_REPLAY_KEPT, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, message);
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	*out = sql_u64(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

static enum err replay_look(struct sqlite_reader *reader, struct replay_match *match, sqlite3_stmt *stmt, struct arena *work, struct answer *out)
{
	struct message_row head;
	struct str payload;
	bool wanted;
	uint64_t uid, kept = 0;
	enum job_state state;
	enum err err = message_copy(stmt, false, work, &head);
	err = err ? err : replay_match_head(match, &head, work, &wanted);
	if (!err && wanted && match->filter && !head.only) {
		err = replay_payload(reader, stmt, &head, work, &payload);
		err = err ? err : replay_match_payload(match, payload, work, &wanted);
	}
	if (err || !wanted)
		return err;
	err = replay_delivery(reader, head.uid, match->named.name, &uid, &state);
	if (!err && replay_match_asks_kept(match, &head, uid))
		err = replay_kept(reader, head.uid, &kept);
	if (!err)
		replay_match_add(match, out, head.uid, replay_match_stand(match, &head, uid, state, kept));
	return err;
}

static enum err replay_walk(struct sqlite_reader *reader, struct replay_match *match, sqlite3_stmt *stmt, uint32_t limit, struct answer *out)
{
	struct arena work;
	bool found = false, full = false;
	enum err err = E_OK;
	arena_init(&work, REPLAY_WORK_BYTES);
	while (!err && !full && !(err = sql_step(stmt, &found)) && found) {
		arena_reset(&work);
		err = replay_look(reader, match, stmt, &work, out);
		out->next_uid = sql_u64(stmt, 0);
		full = (limit && out->match_count == limit) || replay_match_is_spent(match);
	}
	if (found)
		sqlite3_reset(stmt);
	arena_fini(&work);
	out->next_phase = found ? 0 : 2;
	return err;
}

enum err reader_replay(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	struct named_row named;
	struct replay_match match;
	uint32_t limit = query->limit ? reader_limit(query) : 0;
	out->next_uid = query->cursor_uid;
	out->next_phase = 2;
	enum err err = replay_endpoint(reader, query, arena, &named);
	err = err ? err : replay_match_init(&match, query, &named, arena);
	out->matches = err ? NULL : ARENA_ARRAY(arena, struct match, limit + 1);
	if (!out->matches || query->cursor_phase >= 2)
		return err ? err : out->matches ? E_OK : E_NOMEM;
	sqlite3_stmt *stmt = replay_begin(reader, query, &err);
	return err ? err : replay_walk(reader, &match, stmt, limit, out);
}
