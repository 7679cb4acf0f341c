/* src/store/sqlite/reader_messages.c: messages, what endpoints were told of entities, and both for a delivery. */
#include "base/uid.h"
#include "store/hold.h"
#include "store/sqlite/reader.h"

#define MESSAGES_LOOKED_AT_MAX 200000 /* rows of one page's scan */

/* ---- an endpoint ---- */

enum err reader_endpoint(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct named_row *out)
{
	enum err err;
	bool found;
	sqlite3_stmt *stmt = reader_statement(reader, READER_ENDPOINT, &err);
	if (err)
		return err;
	sql_bind_text(stmt, 1, reader_namespace(query->namespace_name));
	sql_bind_text(stmt, 2, query->id);
	err = sql_step(stmt, &found);
	if (!found)
		return err ? err : E_ENDPOINT_NOT_FOUND;
	*out = (struct named_row){ .kind = NAMED_ENDPOINT, .number = sql_u32(stmt, 0), .state = (enum named_state)sql_i64(stmt, 1),
				   .created_us = sql_i64(stmt, 2), .created_seq = sql_u64(stmt, 3), .text = sql_copy(stmt, 4, arena),
				   .name = query->id, .namespace_name = reader_namespace(query->namespace_name) };
	err = sql_err(sqlite3_reset(stmt));
	return err || out->text.ptr ? err : E_NOMEM;
}

/* ---- of a delivery ---- */

static enum err entity_read(sqlite3_stmt *stmt, int at, struct arena *arena, struct entity_row *out)
{
	out->external_id = sql_copy(stmt, at, arena);
	out->message = sql_u64(stmt, at + 1);
	out->at_us = sql_i64(stmt, at + 2);
	out->state = (enum entity_state)sql_i64(stmt, at + 3);
	return out->external_id.ptr ? E_OK : E_NOMEM;
}

static enum err delivery_read(sqlite3_stmt *stmt, struct arena *arena, struct job_view *out)
{
	enum err err = message_copy(stmt, true, arena, &out->message);
	out->endpoint = sql_u32(stmt, MESSAGE_COLUMN_COUNT);
	if (err || sqlite3_column_type(stmt, MESSAGE_COLUMN_COUNT + 2) == SQLITE_NULL)
		return err;
	out->entity.endpoint = out->endpoint;
	out->entity.entity = out->message.entity;
	return entity_read(stmt, MESSAGE_COLUMN_COUNT + 1, arena, &out->entity);
}

enum err reader_view_delivery(struct sqlite_reader *reader, struct arena *arena, struct job_view *view)
{
	enum err err = E_OK;
	bool found;
	sqlite3_stmt *stmt = view->definition.message ? reader_statement(reader, READER_DELIVERY, &err) : NULL;
	if (!stmt)
		return err;
	sql_bind_u64(stmt, 1, view->definition.message);
	sql_bind_text(stmt, 2, view->definition.group);
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	err = delivery_read(stmt, arena, view);
	enum err reset = sql_err(sqlite3_reset(stmt));
	if (!err)
		err = reset;
	return err || !view->message.payload_body ? err : reader_body(reader, view->message.payload_body, arena, &view->message.payload);
}

enum err reader_view_hold(struct sqlite_reader *reader, struct arena *arena, struct job_view *view)
{
	enum err err = E_OK;
	bool found;
	sqlite3_stmt *stmt = hold_concerns(view) ? reader_statement(reader, READER_HOLD, &err) : NULL;
	if (!stmt)
		return err;
	sql_bind_text(stmt, 1, view->namespace_name);
	sql_bind_text(stmt, 2, view->row.group);
	err = sql_step(stmt, &found);
	if (!found)
		return err;
	view->held = (enum named_state)sql_i64(stmt, 0);
	err = hold_since(sql_str(stmt, 1), arena, &view->held_since_us);
	enum err reset = sql_err(sqlite3_reset(stmt));
	return err ? err : reset;
}

/* ---- messages ---- */

static enum err message_find(struct sqlite_reader *reader, const struct query *query, uint64_t *out_uid)
{
	enum err err;
	bool found;
	*out_uid = query->uid_count ? query->uids[0] : 0;
	if (query->uid_count)
		return E_OK;
	sqlite3_stmt *stmt = reader_statement(reader, READER_MESSAGE_BY_KEY, &err);
	if (err)
		return err;
	sql_bind_text(stmt, 1, reader_namespace(query->namespace_name));
	sql_bind_text(stmt, 2, query->id);
	err = sql_step(stmt, &found);
	if (!found)
		return err ? err : E_MESSAGE_NOT_FOUND;
	*out_uid = sql_u64(stmt, 0);
	return sql_err(sqlite3_reset(stmt));
}

enum err reader_message(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	uint64_t uid;
	enum err err = message_find(reader, query, &uid);
	struct message_row *row = err ? NULL : ARENA_NEW(arena, struct message_row);
	if (!row)
		return err ? err : E_NOMEM;
	sqlite3_stmt *stmt = reader_row(reader, READER_MESSAGE, uid, &err);
	if (!stmt)
		return err ? err : E_MESSAGE_NOT_FOUND;
	err = message_copy(stmt, query->with_payload, arena, row);
	enum err reset = sql_err(sqlite3_reset(stmt));
	if (!err)
		err = reset;
	if (!err && query->with_payload && row->payload_body)
		err = reader_body(reader, row->payload_body, arena, &row->payload);
	out->messages = row;
	out->message_count = 1;
	return err;
}

static sqlite3_stmt *messages_begin(struct sqlite_reader *reader, const struct query *query, enum err *err)
{
	const struct message_filter *filter = &query->message;
	uint64_t below;
	*err = number_cursor_parse(query->cursor, &below);
	sqlite3_stmt *stmt = *err ? NULL : reader_statement(reader, filter->entity.len ? READER_MESSAGES_OF_ENTITY : READER_MESSAGES, err);
	if (!stmt)
		return NULL;
	uint64_t end = filter->created_before_us ? uid_floor(filter->created_before_us) : INT64_MAX;
	sql_bind_u64(stmt, 1, filter->created_after_us ? uid_floor(filter->created_after_us) : 0);
	sql_bind_u64(stmt, 2, below && below < end ? below : end);
	if (filter->entity.len) {
		sql_bind_text(stmt, 3, reader_namespace(filter->namespace_name));
		sql_bind_text(stmt, 4, filter->entity);
	}
	return stmt;
}

/* Without the payloads' bodies: other statements read those when this one is through. */
static enum err messages_page(sqlite3_stmt *stmt, const struct query *query, uint32_t limit, struct arena *arena, struct answer *out)
{
	enum err err = E_OK;
	bool found = false;
	uint64_t last = 0;
	uint32_t looked_at = 0;
	while (!err && !(err = sql_step(stmt, &found)) && found) {
		bool full = out->message_count == limit, matches = message_filter_takes(&query->message, sql_str(stmt, 2), sql_str(stmt, 3));
		if (looked_at++ == MESSAGES_LOOKED_AT_MAX || (full && matches)) {
			out->scanned_short = !full;
			out->next_cursor = number_cursor_text(arena, last);
			err = out->next_cursor.ptr ? E_OK : E_NOMEM;
			break;
		}
		if (matches)
			err = message_copy(stmt, query->with_payload, arena, &out->messages[out->message_count++]);
		last = full ? last : sql_u64(stmt, 0);
	}
	if (found)
		sqlite3_reset(stmt);
	return err;
}

enum err reader_messages(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	uint32_t limit = reader_limit(query);
	sqlite3_stmt *stmt = messages_begin(reader, query, &err);
	if (err)
		return err;
	out->messages = ARENA_ARRAY(arena, struct message_row, limit);
	err = out->messages ? messages_page(stmt, query, limit, arena, out) : E_NOMEM;
	for (uint32_t i = 0; i < out->message_count && query->with_payload && !err; i++)
		if (out->messages[i].payload_body)
			err = reader_body(reader, out->messages[i].payload_body, arena, &out->messages[i].payload);
	return err;
}

/* ---- entities ---- */

enum err reader_entities(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	enum err err;
	bool found = false;
	uint32_t limit = reader_limit(query);
	sqlite3_stmt *stmt = reader_statement(reader, query->id.len ? READER_ENTITY : READER_ENTITIES, &err);
	out->entities = err ? NULL : ARENA_ARRAY(arena, struct entity_row, limit);
	if (!out->entities)
		return err ? err : E_NOMEM;
	sql_bind_i64(stmt, 1, query->endpoint);
	sql_bind_text(stmt, 2, query->id.len ? query->id : query->cursor);
	sql_bind_i64(stmt, 3, (int64_t)limit + 1);
	while (!err && !(err = sql_step(stmt, &found)) && found) {
		if (out->entity_count == limit) {
			out->next_cursor = out->entities[limit - 1].entity;
			break;
		}
		struct entity_row *row = &out->entities[out->entity_count++];
		row->endpoint = query->endpoint;
		row->entity = sql_copy(stmt, 0, arena);
		err = row->entity.ptr ? entity_read(stmt, 1, arena, row) : E_NOMEM;
	}
	if (found)
		sqlite3_reset(stmt);
	return err;
}
