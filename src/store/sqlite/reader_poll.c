/* src/store/sqlite/reader_poll.c: messages for an endpoint that asks, in the order of their commits. Settings and messages are of one snapshot. */
#include "store/sqlite/reader.h"
#include "store/wish.h"

#define POLL_LOOKED_AT_MAX 20000                 /* rows of one page's scan */
#define POLL_FILTERED_MAX  ((size_t)16 * 1024 * 1024) /* bytes of payloads that filters look at meanwhile */

struct poll_scan {
	struct sqlite_reader *reader;
	sqlite3_stmt *stmt;
	struct arena *arena;   /* the answer's */
	struct arena scratch;  /* of one row */
	struct answer *out;
	struct wish wish;
	uint64_t least_uid;
	uint32_t limit, looked_at;
	size_t bytes, filtered;
};

static enum err poll_endpoint(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	out->endpoint = ARENA_NEW(arena, struct named_row);
	return out->endpoint ? reader_endpoint(reader, query, arena, out->endpoint) : E_NOMEM;
}

static enum err poll_payload(struct poll_scan *scan, const struct message_row *row, struct arena *arena, struct str *out)
{
	if (row->payload_body)
		return reader_body(scan->reader, row->payload_body, arena, out);
	*out = sql_str(scan->stmt, MESSAGE_COLUMN_COUNT - 1);
	return E_OK;
}

static enum err poll_wants(struct poll_scan *scan, const struct message_row *row, bool *wanted)
{
	struct str payload;
	enum err err = wish_takes(&scan->wish, row, &scan->scratch, wanted);
	*wanted = *wanted && row->uid >= scan->least_uid;
	if (err || !*wanted || !wish_looks_inside(&scan->wish, row))
		return err;
	scan->filtered += row->payload_bytes;
	err = poll_payload(scan, row, &scan->scratch, &payload);
	return err ? err : wish_takes_payload(&scan->wish, payload, &scan->scratch, wanted);
}

static enum err poll_keep(struct poll_scan *scan)
{
	struct message_row *row = &scan->out->messages[scan->out->message_count++];
	enum err err = message_copy(scan->stmt, true, scan->arena, row);
	scan->bytes += row->payload_bytes;
	return err || !row->payload_body ? err : reader_body(scan->reader, row->payload_body, scan->arena, &row->payload);
}

/* *full: the page has no room for this one, or enough was looked at. */
static enum err poll_row(struct poll_scan *scan, size_t bytes_max, bool *full)
{
	struct answer *out = scan->out;
	struct message_row row;
	bool wanted = false;
	*full = scan->looked_at++ == POLL_LOOKED_AT_MAX || scan->filtered > POLL_FILTERED_MAX;
	enum err err = *full ? E_OK : message_copy(scan->stmt, false, &scan->scratch, &row);
	if (err || *full)
		return err;
	err = poll_wants(scan, &row, &wanted);
	*full = !err && wanted && out->message_count && (out->message_count == scan->limit || scan->bytes + row.payload_bytes > bytes_max);
	if (!err && wanted && !*full)
		err = poll_keep(scan);
	if (!err && !*full) {
		out->next_seq = row.seq;
		out->next_uid = row.uid;
	}
	return err;
}

static enum err poll_scan(struct poll_scan *scan, const struct query *query)
{
	enum err err = E_OK;
	bool found = false, full = false;
	while (!err && !full && !(err = sql_step(scan->stmt, &found)) && found) {
		err = poll_row(scan, query->poll.bytes_max, &full);
		arena_reset(&scan->scratch);
	}
	if (found)
		sqlite3_reset(scan->stmt);
	scan->out->scanned_short = full;
	return err;
}

enum err reader_poll(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	struct poll_scan scan = { .reader = reader, .arena = arena, .out = out, .least_uid = query->poll.least_uid, .limit = reader_limit(query) };
	enum err err = poll_endpoint(reader, query, arena, out);
	if (!err)
		err = wish_read(arena, out->endpoint, &scan.wish);
	if (err || scan.wish.settings.kind != ENDPOINT_POLL || out->endpoint->state != NAMED_ENABLED)
		return err;
	bool resumes = query->poll.resumes;
	scan.stmt = reader_statement(reader, READER_POLL, &err);
	out->messages = err ? NULL : ARENA_ARRAY(arena, struct message_row, scan.limit);
	if (!out->messages)
		return err ? err : E_NOMEM;
	out->next_seq = resumes ? query->poll.after_seq : out->endpoint->created_seq;
	out->next_uid = resumes ? query->poll.after_uid : 0;
	sql_bind_text(scan.stmt, 1, reader_namespace(query->namespace_name));
	sql_bind_u64(scan.stmt, 2, out->next_seq);
	sql_bind_u64(scan.stmt, 3, out->next_uid);
	err = poll_scan(&scan, query);
	arena_fini(&scan.scratch);
	return err;
}
