/* src/store/sqlite/load.h: what the engine's thread reads: rows that its memory lacks, and everything at a start. Private to sqlite/. */
#pragma once
#include "store/sqlite/rows.h"
#include "store/store.h"

#define LOAD_STATEMENTS(X)                                                                                                          \
	X(BEGIN, "BEGIN")                                                                                                          \
	X(END, "COMMIT")                                                                                                           \
	X(LIVE, "SELECT p.uid" ROW_COLUMNS(COLUMN_OF_P) DEFINITION_COLUMNS(COLUMN_OF_J)                                            \
	        " FROM live p CROSS JOIN job j ON j.uid = p.uid WHERE p.uid = ?")                                                  \
	X(DONE, "SELECT p.uid" ROW_COLUMNS(COLUMN_OF_P) DEFINITION_COLUMNS(COLUMN_OF_J)                                            \
	        " FROM done p CROSS JOIN job j ON j.uid = p.uid WHERE p.uid = ?")                                                  \
	X(KEY, "SELECT uid FROM job WHERE queue = ? AND id = ?")                                                                   \
	X(IDEMPOTENCY, "SELECT key, request_hash, at_us, answer FROM idempotency WHERE key = ?")                                   \
	X(KEY_BELOW, "SELECT key FROM idempotency WHERE key < ? ORDER BY key DESC LIMIT 1")                                        \
	X(KEY_ABOVE, "SELECT key FROM idempotency WHERE key > ? ORDER BY key LIMIT 1")                                             \
	X(ABOVE, "SELECT parent, child, state, on_failure FROM edge WHERE child = ? ORDER BY parent")                              \
	X(BELOW, "SELECT parent, child, state, on_failure FROM edge WHERE parent = ? ORDER BY child")                              \
	/* By the index live_far, whose last column is the uid, unnamed: first those due at the same instant, then the later ones. */               \
	X(FAR_SAME, "SELECT uid" ROW_COLUMNS(COLUMN_NAME) " FROM live"                                                             \
	            " WHERE flags & 128 AND queue = ?1 AND (flags & 1) = ?2 AND due_us = ?3 AND uid > ?4 ORDER BY uid LIMIT ?5")    \
	X(FAR_LATER, "SELECT uid" ROW_COLUMNS(COLUMN_NAME) " FROM live"                                                            \
	             " WHERE flags & 128 AND queue = ?1 AND (flags & 1) = ?2 AND due_us > ?3 ORDER BY due_us, uid LIMIT ?5")        \
	X(MESSAGE_KEY, "SELECT uid FROM message WHERE namespace = ? AND key = ?")                                                  \
	X(MESSAGE, "SELECT " MESSAGE_COLUMNS " FROM message m WHERE m.uid = ?")                                                    \
	X(DELIVERY, "SELECT uid FROM job WHERE message = ? AND group_key = ? ORDER BY uid DESC LIMIT 1")                           \
	X(BODY_BYTES, "SELECT sum(length(bytes)) FROM body WHERE number = ?")                                                      \
	X(BODY, "SELECT bytes FROM body WHERE number = ? ORDER BY chunk")                                                          \
	X(FINAL, "SELECT finished_us, uid, bytes FROM done WHERE queue = ? AND state = ? ORDER BY finished_us, uid LIMIT ?")
#define X(name, sql) LOAD_##name,
enum load_statement { LOAD_STATEMENTS(X) LOAD_STATEMENT_COUNT };
#undef X

struct loader {
	sqlite3 *db;
	struct sql_statement statements[LOAD_STATEMENT_COUNT];
};

void loader_init(struct loader *loader, sqlite3 *db);
void loader_fini(struct loader *loader); /* finalizes; the connection is the caller's */
/* store.h says what these do. */
MUST_USE enum err loader_load(struct loader *loader, struct load *load, struct arena *arena);
MUST_USE enum err loader_nth_final(struct loader *loader, uint32_t queue, enum job_state state, uint32_t n, int64_t *out_us,
                                   uint64_t *out_uid, uint64_t *out_bytes);
MUST_USE enum err loader_far(struct loader *loader, struct far_page *page, struct arena *arena);
MUST_USE enum err loader_scan(struct loader *loader, const struct scan_visitor *visitor);
