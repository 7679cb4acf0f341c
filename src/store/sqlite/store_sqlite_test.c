/* What only the embedded store has: a file that may be somebody else's, newer, locked or full; views for people; copies while running. */
#include "base/check.h"
#include "base/mem.h"
#include "store/sqlite/ballast.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sql.h"
#include "store/suite.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define assert_ok(call)            assert_string_equal(err_code(call), "ok")
#define assert_err(call, expected) assert_string_equal(err_code(call), err_code(expected))

static char directory[64], path[96];

static void remove_files(const char *file)
{
	const char *const ends[] = { "", "-wal", "-shm", "-journal", ".lock", ".reserve", ".part" };
	char name[160];
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", file, ends[i]);
		unlink(name);
	}
}

static int set_up(void **state)
{
	const char *base = getenv("TMPDIR");
	(void)state;
	snprintf(directory, sizeof(directory), "%.40s/ruche-sqlite-XXXXXX", base ? base : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/ruche.db", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_files(path);
	return rmdir(directory);
}

static enum err open_with(const struct store_sqlite_options *options, struct store **out, struct problem *problem)
{
	*problem = (struct problem){ 0 };
	return store_sqlite_open(options, out, problem);
}

static enum err open_plain(struct store **out, struct problem *problem)
{
	return open_with(&(struct store_sqlite_options){ .path = path, .create = true }, out, problem);
}

static void run_sql(const char *file, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask_sql(const char *file, const char *sql)
{
	sqlite3 *db;
	int64_t answer;
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_ok(sql_read_i64(db, sql, &answer));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return answer;
}

/* ---- opening ---- */

static void a_store_has_one_process(void **state)
{
	struct store *store, *second;
	struct problem problem;
	char pid[32], link[128];
	(void)state;
	assert_ok(open_plain(&store, &problem));
	assert_err(open_plain(&second, &problem), E_STORE_LOCKED);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(problem.detail, pid));
	assert_non_null(strstr(problem.detail, path));
	snprintf(link, sizeof(link), "%s/link.db", directory);
	assert_int_equal(symlink(path, link), 0); /* by another name it is the same file */
	assert_err(open_with(&(struct store_sqlite_options){ .path = link }, &second, &problem), E_STORE_LOCKED);
	assert_int_equal(unlink(link), 0);
	store->verbs->close(store);
	assert_ok(open_plain(&store, &problem));
	store->verbs->close(store);
}

static void foreign_files_are_refused_and_left_alone(void **state)
{
	struct store *store;
	struct problem problem;
	(void)state;
	run_sql(path, "CREATE TABLE customers (name TEXT); INSERT INTO customers VALUES ('x')");
	assert_err(open_plain(&store, &problem), E_STORE_CORRUPT);
	assert_non_null(strstr(problem.detail, "another program"));
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM sqlite_schema"), 1);
	assert_int_equal(ask_sql(path, "SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);
	remove_files(path);
	FILE *file = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fprintf(file, "this is not a database\n");
	fclose(file);
	assert_err(open_plain(&store, &problem), E_STORE_CORRUPT);
	assert_non_null(strstr(problem.detail, path));
}

static void a_newer_format_is_refused(void **state)
{
	struct store *store;
	struct problem problem;
	(void)state;
	assert_ok(open_plain(&store, &problem));
	store->verbs->close(store);
	assert_int_equal(ask_sql(path, "PRAGMA user_version"), schema_migration_count);
	assert_int_equal(ask_sql(path, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM meta"), schema_migration_count);
	run_sql(path, "PRAGMA user_version = 99");
	assert_err(open_plain(&store, &problem), E_STORE_NEWER);
	assert_non_null(strstr(problem.detail, "format 99"));
	assert_int_equal(ask_sql(path, "PRAGMA user_version"), 99);
}

/* A store as format 1 left it, with a delayed job: the way forward marks it, so that the far index knows it. */
static void an_older_format_is_brought_forward(void **state)
{
	struct store *store;
	struct store_meta meta;
	struct problem problem;
	struct arena arena = { 0 };
	char mark[128];
	(void)state;
	run_sql(path, schema_migrations[0]);
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = 1; INSERT INTO meta VALUES (1, '', '')", SCHEMA_APPLICATION_ID);
	run_sql(path, mark);
	run_sql(path, "INSERT INTO queue VALUES (1, 'default', 'q', NULL, 0, 0, 1);"
	              "INSERT INTO job (uid, queue) VALUES (1, 1), (2, 1);"
	              "INSERT INTO live (uid, queue, state, flags, due_us) VALUES (1, 1, 1, 1, 500), (2, 1, 0, 0, 0)");
	assert_ok(open_plain(&store, &problem));
	assert_ok(store->verbs->take(store, &meta));
	struct far_page page = { .queue = 1, .wall = true, .after_us = INT64_MIN, .up_to_us = INT64_MAX, .max = 5 };
	assert_ok(store->verbs->far(store, &page, &arena));
	assert_int_equal(page.count, 1);
	assert_int_equal(page.rows[0].uid, 1);
	assert_int_equal(page.rows[0].flags, ROW_DUE_WALL | ROW_FAR);
	store->verbs->close(store);
	arena_fini(&arena);
	assert_int_equal(ask_sql(path, "PRAGMA user_version"), schema_migration_count);
	assert_int_equal(ask_sql(path, "SELECT flags FROM live WHERE uid = 2"), 0);
}

static void missing_files_and_directories_are_named(void **state)
{
	struct store *store;
	struct problem problem;
	(void)state;
	assert_err(open_with(&(struct store_sqlite_options){ .path = path }, &store, &problem), E_IO);
	assert_non_null(strstr(problem.detail, path));
	assert_int_not_equal(access(path, F_OK), 0);
	assert_err(open_with(&(struct store_sqlite_options){ .path = "/nowhere/at/all/ruche.db", .create = true }, &store, &problem), E_IO);
	assert_non_null(strstr(problem.detail, "/nowhere"));
	assert_err(open_with(&(struct store_sqlite_options){ .path = ":memory:", .create = true }, &store, &problem), E_INVALID);
	assert_err(open_with(&(struct store_sqlite_options){ .path = "", .create = true }, &store, &problem), E_INVALID);
}

static void payloads_are_nobody_elses_business(void **state)
{
	struct store *store;
	struct problem problem;
	struct stat file;
	(void)state;
	assert_ok(open_plain(&store, &problem));
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0600);
	store->verbs->close(store);
}

/* ---- for people ---- */

static enum err factory_open(struct factory *factory, struct store **out, struct problem *problem)
{
	(void)factory;
	return open_plain(out, problem);
}
static void factory_keep(struct factory *factory)
{
	(void)factory;
}
static struct factory plain = { .name = "sqlite", .fresh = factory_keep, .open = factory_open, .discard = factory_keep };

static void add_jobs(struct suite *suite, uint64_t first, uint64_t count, size_t payload_bytes)
{
	char *payload = arena_alloc(&suite->cs.arena, payload_bytes);
	assert_non_null(payload);
	memset(payload, 'x', payload_bytes);
	for (uint64_t uid = first; uid < first + count; uid++) {
		struct job_definition *definition = suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, uid, 1), NULL);
		definition->payload = (struct str){ payload, payload_bytes };
	}
}

static void a_person_can_read_the_file(void **state)
{
	struct suite suite;
	(void)state;
	suite_open(&suite, &plain);
	suite_begin(&suite);
	suite_queue(&suite, 1, "default", "mail");
	suite_definition(&suite, suite_job(&suite, TABLE_NONE, TABLE_LIVE, UINT64_C(1) << 40, 1), "hello")->name = STR("send");
	struct job_write *write = suite_job(&suite, TABLE_NONE, TABLE_DONE, 2, 1);
	suite_definition(&suite, write, NULL);
	write->row.state = JOB_FAILED;
	write->row.outcome = OUTCOME_STALLED;
	write->row.finished_us = INT64_C(1767225600123000);
	struct attempt_row *attempt = change_add(&suite.cs, attempts);
	*attempt = (struct attempt_row){ .uid = 2, .number = 1, .next = JOB_FAILED, .finished_us = INT64_C(1767225600123000) };
	suite_commit(&suite);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM jobs"), 2);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM jobs WHERE uid = '0000100000000' AND id = 'hello' AND queue = 'mail' AND state = 'waiting'"
	                               " AND name = 'send' AND finished_at IS NULL AND payload LIKE '{%'"),
	                 1);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM jobs WHERE state = 'failed' AND outcome = 'stalled'"
	                               " AND finished_at = '2026-01-01T00:00:00.123Z'"),
	                 1);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM attempts WHERE next = 'failed' AND finished_at = '2026-01-01T00:00:00.123Z'"), 1);
	assert_int_equal(ask_sql(path, "SELECT live FROM queues WHERE name = 'mail'"), 1);
	for (int state_number = 0; state_number < JOB_STATE_COUNT; state_number++) { /* the view's names are ours */
		char sql[128];
		snprintf(sql, sizeof(sql), "SELECT name = '%s' FROM state_name WHERE state = %d", job_state_name((enum job_state)state_number), state_number);
		assert_int_equal(ask_sql(path, sql), 1);
	}
	for (int outcome = 1; outcome < JOB_OUTCOME_COUNT; outcome++) {
		char sql[128];
		snprintf(sql, sizeof(sql), "SELECT name = '%s' FROM outcome_name WHERE outcome = %d", job_outcome_name((enum job_outcome)outcome), outcome);
		assert_int_equal(ask_sql(path, sql), 1);
	}
	suite_begin(&suite);
	*change_add(&suite.cs, nameds) = (struct named_row){ .number = 1, .namespace_name = STR("default"), .name = STR("crm"), .text = STR("{}") };
	*change_add(&suite.cs, nameds) = (struct named_row){ .kind = NAMED_SECRET, .number = 2, .namespace_name = STR("default"), .name = STR("crm"),
		                                             .text = STR("sealed") };
	*change_add(&suite.cs, messages) = (struct message_row){ .uid = 900, .namespace_name = STR("default"), .type = STR("ping"),
		                                                 .next_endpoint = MESSAGE_EXPANDED, .deliveries = 1 };
	write = suite_job(&suite, TABLE_NONE, TABLE_LIVE, 901, 1);
	struct job_definition *definition = suite_definition(&suite, write, NULL);
	definition->message = 900;
	definition->group = STR("crm");
	suite_commit(&suite);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM endpoints WHERE name = 'crm' AND state = 'enabled'"), 1);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM secrets WHERE name = 'crm'"), 1);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM messages WHERE id = 'msg_00000000000w4' AND type = 'ping' AND expanded"), 1);
	assert_int_equal(ask_sql(path, "SELECT count(*) FROM deliveries WHERE message = 'msg_00000000000w4' AND endpoint = 'crm' AND state = 'waiting'"), 1);
	suite_close(&suite);
}

static void statements_use_their_indexes(void **state)
{
	struct suite suite;
	(void)state;
	suite_open(&suite, &plain);
	suite_close(&suite);
	const struct {
		const char *sql, *index;
	} plans[] = {
		{ "SELECT uid FROM live p WHERE p.queue = 1 AND p.state = 0 AND p.uid >= 1 AND p.uid < 9 ORDER BY p.uid DESC", "live_waiting" },
		{ "SELECT uid FROM live p WHERE p.queue = ?1 AND p.state = ?2 AND p.state <> 0 AND p.uid >= 1 ORDER BY p.uid", "live_state" },
		{ "SELECT uid FROM done p WHERE p.queue = ?1 AND p.state = ?2 AND p.finished_us >= 1 AND (p.finished_us, p.uid) < (?7, ?8)"
		  " ORDER BY p.finished_us DESC, p.uid DESC", "COVERING INDEX done_state" },
		{ "SELECT uid FROM job WHERE name = ? AND uid >= ? AND uid < ? LIMIT 9", "COVERING INDEX job_name" },
		{ "SELECT uid FROM job WHERE queue = ? AND id >= ? AND id < ? LIMIT 9", "COVERING INDEX job_id" },
		{ "SELECT * FROM event WHERE seq > ? AND queue = ? ORDER BY seq", "event_queue" },
		{ "SELECT * FROM live WHERE flags & 128 AND queue = ?1 AND (flags & 1) = ?2 AND due_us = ?3 AND uid > ?4 ORDER BY uid LIMIT ?5",
		  "live_far (queue=? AND <expr>=? AND due_us=? AND rowid>?)" },
		{ "SELECT * FROM live WHERE flags & 128 AND queue = ?1 AND (flags & 1) = ?2 AND due_us > ?3 ORDER BY due_us, uid LIMIT ?5",
		  "live_far (queue=? AND <expr>=? AND due_us>?)" },
		{ "SELECT uid FROM job WHERE message = ? AND group_key = ? ORDER BY uid DESC LIMIT 1", "COVERING INDEX job_message (message=? AND group_key=?)" },
		{ "SELECT m.type FROM message m WHERE m.namespace = ?3 AND m.entity = ?4 AND m.uid >= ?1 AND m.uid < ?2 ORDER BY m.uid",
		  "message_entity (namespace=? AND entity=? AND rowid>? AND rowid<?)" },
		{ "SELECT count(*) FROM job WHERE message = ?1 AND coalesce(tags, '') <> '[]'", "INDEX job_message (message=?)" },
		{ "SELECT 1 FROM job j WHERE j.message = ?", "COVERING INDEX job_message (message=?)" },
		{ "SELECT m.type FROM message m WHERE m.next_endpoint IS NOT NULL ORDER BY m.uid", "message_expand" },
		{ "SELECT m.type FROM message m WHERE m.namespace = ?3 AND m.entity = ?4 AND m.uid >= ?1 AND m.uid < ?2 ORDER BY m.uid DESC",
		  "message_entity (namespace=? AND entity=? AND rowid>? AND rowid<?)" },
		{ "SELECT uid FROM message WHERE namespace = ? AND key = ?", "COVERING INDEX message_key" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(plans); i++) {
		char sql[512];
		sqlite3 *db;
		sqlite3_stmt *stmt;
		snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", plans[i].sql);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
		assert_non_null(strstr((const char *)sqlite3_column_text(stmt, 3), plans[i].index));
		assert_int_equal(sqlite3_step(stmt), SQLITE_DONE); /* one step: no sorting */
		sqlite3_finalize(stmt);
		sqlite3_close(db);
	}
}

/* ---- copies ---- */

struct copying {
	struct store *store;
	char path[128];
	uint64_t told, last;
	bool grew_backwards;
	enum err err;
	struct problem problem;
};

static void copying_progress(void *context, uint64_t done, uint64_t total)
{
	struct copying *copying = context;
	copying->told++;
	copying->grew_backwards |= done < copying->last && done > total;
	copying->last = done;
}

static void *copying_main(void *context)
{
	struct copying *copying = context;
	copying->err = copying->store->verbs->backup(copying->store, copying->path, copying_progress, copying, &copying->problem);
	return NULL;
}

static void a_copy_taken_while_writing_is_consistent(void **state)
{
	struct suite suite;
	pthread_t thread;
	uint64_t uid = 1;
	(void)state;
	suite_open(&suite, &plain);
	for (int n = 0; n < 20; n++, uid += 200) {
		suite_begin(&suite);
		add_jobs(&suite, uid, 200, 1000);
		suite_commit(&suite);
	}
	struct copying copying = { .store = suite.store };
	snprintf(copying.path, sizeof(copying.path), "%s/copy.db", directory);
	assert_int_equal(pthread_create(&thread, NULL, copying_main, &copying), 0);
	for (int n = 0; n < 60; n++, uid += 10) {
		suite_begin(&suite);
		add_jobs(&suite, uid, 10, 1000);
		suite_commit(&suite);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_ok(copying.err);
	assert_true(copying.told > 0);
	assert_false(copying.grew_backwards);
	assert_int_equal(ask_sql(copying.path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
	int64_t seq = ask_sql(copying.path, "SELECT seq FROM shard"), jobs = ask_sql(copying.path, "SELECT count(*) FROM job");
	assert_true(seq >= 20);
	assert_int_equal(jobs, 4000 + (seq - 20) * 10); /* all of some commit and of those before, nothing of a later one */
	assert_int_equal(ask_sql(copying.path, "SELECT count(*) FROM live"), jobs);
	assert_err(suite.store->verbs->backup(suite.store, copying.path, NULL, NULL, &copying.problem), E_CONFLICT);
	assert_non_null(strstr(copying.problem.detail, "exists"));
	assert_err(suite.store->verbs->backup(suite.store, "/nowhere/copy.db", NULL, NULL, &copying.problem), E_IO);
	struct store *copy; /* it is a store */
	assert_ok(open_with(&(struct store_sqlite_options){ .path = copying.path }, &copy, &copying.problem));
	copy->verbs->close(copy);
	remove_files(copying.path);
	suite_close(&suite);
}

static void a_reopening_store_ends_its_copies(void **state)
{
	struct suite suite;
	pthread_t thread;
	struct problem problem;
	(void)state;
	suite_open(&suite, &plain);
	for (uint64_t n = 0; n < 10; n++) {
		suite_begin(&suite);
		add_jobs(&suite, 1 + n * 200, 200, 5000);
		suite_commit(&suite);
	}
	for (int round = 0; round < 5; round++) {
		struct copying copying = { .store = suite.store };
		snprintf(copying.path, sizeof(copying.path), "%s/copy.db", directory);
		assert_int_equal(pthread_create(&thread, NULL, copying_main, &copying), 0);
		assert_ok(suite.store->verbs->reopen(suite.store, &problem));
		assert_ok(suite.store->verbs->take(suite.store, &suite.meta));
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(copying.err == E_OK || copying.err == E_UNAVAILABLE);
		assert_int_equal(access(copying.path, F_OK) == 0, copying.err == E_OK);
		remove_files(copying.path);
	}
	suite_close(&suite);
}

/* ---- room ---- */

static void the_ballast_comes_and_goes(void **state)
{
	struct ballast ballast;
	struct stat file;
	char reserve[160];
	(void)state;
	snprintf(reserve, sizeof(reserve), "%s.reserve", path);
	ballast_init(&ballast, path, 1 << 20);
	assert_true(ballast.aboard);
	assert_int_equal(stat(reserve, &file), 0);
	assert_true(file.st_blocks * 512 >= 1 << 20);
	assert_true(ballast_throw(&ballast));
	assert_int_equal(stat(reserve, &file), 0);
	assert_int_equal(file.st_blocks, 0);
	assert_false(ballast_throw(&ballast));
	assert_true(ballast_restore(&ballast));
	ballast_init(&ballast, path, UINT64_C(1) << 60); /* no room for that */
	assert_false(ballast.aboard);
	assert_false(ballast_restore(&ballast));
	ballast_init(&ballast, path, 0);
	assert_true(ballast_restore(&ballast));
	assert_false(ballast_throw(&ballast));
}

struct reading {
	struct reader *reader;
	bool stop;
	uint64_t answers;
};

static void *reading_main(void *context)
{
	struct reading *reading = context;
	struct arena arena = { 0 };
	struct answer answer;
	while (!__atomic_load_n(&reading->stop, __ATOMIC_RELAXED)) {
		arena_reset(&arena);
		CHECK(!reader_run(reading->reader, &(struct query){ .kind = QUERY_JOBS, .limit = 50 }, &arena, &answer));
		reading->answers++;
	}
	arena_fini(&arena);
	return NULL;
}

static void readers_never_let_the_wal_grow_for_ever(void **state)
{
	struct suite suite;
	struct reading readings[2] = { 0 };
	pthread_t threads[2];
	struct stat wal;
	char wal_path[128];
	(void)state;
	suite_open(&suite, &plain);
	for (int i = 0; i < 2; i++) {
		assert_ok(suite.store->verbs->reader_open(suite.store, &readings[i].reader));
		assert_int_equal(pthread_create(&threads[i], NULL, reading_main, &readings[i]), 0);
	}
	for (uint64_t n = 0; n < 60; n++) { /* some 180 MB through the WAL */
		suite_begin(&suite);
		add_jobs(&suite, 1 + n * 30, 30, 100000);
		suite_commit(&suite);
		arena_fini(&suite.cs.arena);
	}
	for (int i = 0; i < 2; i++) {
		__atomic_store_n(&readings[i].stop, true, __ATOMIC_RELAXED);
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_true(readings[i].answers > 0);
		reader_close(readings[i].reader);
	}
	snprintf(wal_path, sizeof(wal_path), "%s-wal", path);
	assert_int_equal(stat(wal_path, &wal), 0);
	assert_true(wal.st_size <= 64 << 20);
	suite_close(&suite);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_store_has_one_process),
		TEST(foreign_files_are_refused_and_left_alone),
		TEST(a_newer_format_is_refused),
		TEST(an_older_format_is_brought_forward),
		TEST(missing_files_and_directories_are_named),
		TEST(payloads_are_nobody_elses_business),
		TEST(a_person_can_read_the_file),
		TEST(statements_use_their_indexes),
		TEST(a_copy_taken_while_writing_is_consistent),
		TEST(a_reopening_store_ends_its_copies),
		TEST(the_ballast_comes_and_goes),
		TEST(readers_never_let_the_wal_grow_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
