/* What reaches the disk of a commit, and when; on a VFS that writes down what it is asked, and refuses when told to. */
#include "store/sqlite/gather.h"
#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <unistd.h>
#include <cmocka.h>

#define FRAME_BYTES (24 + 4096)

static char directory[64], path[96];
static sqlite3 *writer, *reader;

/* ---- the VFS below ---- */

static struct {
	int writes, syncs, longest, unsynced; /* of the WAL; writes since its last sync */
	int fail_in;                          /* the nth write of the WAL from now on fails, and all after it; 0: none */
	int fail_code;
} disk;
static sqlite3_io_methods system_methods, disk_methods;

static int disk_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 at)
{
	disk.writes++;
	disk.unsynced++;
	if (bytes > disk.longest)
		disk.longest = bytes;
	if (disk.fail_in && (disk.fail_in == 1 || --disk.fail_in == 1)) {
		system_methods.xWrite(file, data, bytes / 2, at); /* as the system does: some of it is there */
		return disk.fail_code;
	}
	return system_methods.xWrite(file, data, bytes, at);
}

static int disk_sync(sqlite3_file *file, int flags)
{
	disk.syncs++;
	disk.unsynced = 0;
	return system_methods.xSync(file, flags);
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	sqlite3_vfs *system = sqlite3_vfs_find("unix");
	(void)vfs;
	int code = system->xOpen(system, name, file, flags, out_flags);
	if (code || !(flags & SQLITE_OPEN_WAL))
		return code;
	system_methods = disk_methods = *file->pMethods;
	disk_methods.xWrite = disk_write;
	disk_methods.xSync = disk_sync;
	file->pMethods = &disk_methods;
	return SQLITE_OK;
}

static int disk_install(void **state) /* once */
{
	static sqlite3_vfs vfs;
	(void)state;
	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	vfs = *sqlite3_vfs_find("unix");
	vfs.pNext = NULL;
	vfs.zName = "counted";
	vfs.xOpen = disk_open;
	return sqlite3_vfs_register(&vfs, 0);
}

static void disk_count(void)
{
	disk.writes = disk.syncs = disk.longest = 0;
}

/* ---- a database ---- */

static int run_sql(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? SQLITE_OK : sqlite3_extended_errcode(db) & 0xff;
}

static int64_t ask_sql(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t answer = sqlite3_column_int64(stmt, 0);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	return answer;
}

/* Rows of some 4,000 bytes each: one page, one frame. */
static int add_rows(int count)
{
	char sql[200];
	snprintf(sql, sizeof(sql), "INSERT INTO t (x) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT randomblob(4000) FROM n",
	         count);
	return run_sql(writer, sql);
}

static void check_whole(int64_t rows) /* seen by another */
{
	assert_int_equal(ask_sql(reader, "SELECT count(*) FROM t"), rows);
	assert_int_equal(ask_sql(reader, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

static void open_both(const char *parameters)
{
	const char *name = NULL;
	char uri[160];
	assert_string_equal(err_code(gather_over("counted", &name)), "ok");
	snprintf(uri, sizeof(uri), "file:%s%s", path, parameters);
	assert_int_equal(sqlite3_open_v2(uri, &writer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, name), SQLITE_OK);
	assert_int_equal(run_sql(writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
	                                 "CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB)"), SQLITE_OK);
	assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	check_whole(0);
	disk_count();
}

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "%s/ruche-gather-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/t.db", directory);
	return 0;
}

static int tear_down(void **state)
{
	const char *const ends[] = { "", "-wal", "-shm" };
	char name[128];
	(void)state;
	disk.fail_in = 0;
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	assert_int_equal(sqlite3_close(writer), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
	return rmdir(directory);
}

/* ---- what is gathered ---- */

static void a_commit_is_one_write_and_one_sync(void **state)
{
	(void)state;
	open_both("");
	for (int n = 1; n <= 5; n++) {
		disk_count();
		assert_int_equal(add_rows(20), SQLITE_OK);
		assert_int_equal(disk.writes, 1);
		assert_int_equal(disk.syncs, 1);
		assert_int_equal(disk.unsynced, 0);
		assert_true(disk.longest >= 20 * FRAME_BYTES);
		check_whole(20 * n);
	}
}

static void a_large_commit_comes_in_pieces(void **state)
{
	(void)state;
	open_both("");
	assert_int_equal(add_rows(400), SQLITE_OK);
	assert_true(disk.longest < 128 << 10);
	assert_true(disk.writes <= 400 / 31 + 2);
	assert_int_equal(disk.unsynced, 0);
	check_whole(400);
}

static void a_wal_that_starts_again_is_whole(void **state)
{
	(void)state;
	open_both("");
	for (int n = 1; n <= 5; n++) {
		assert_int_equal(add_rows(20), SQLITE_OK);
		assert_int_equal(run_sql(writer, n % 2 ? "PRAGMA wal_checkpoint(RESTART)" : "PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_OK);
		assert_int_equal(disk.unsynced, 0);
		check_whole(20 * n);
	}
}

static void a_transaction_reads_what_it_wrote(void **state)
{
	(void)state;
	open_both("");
	assert_int_equal(run_sql(writer, "PRAGMA cache_size = 20; BEGIN"), SQLITE_OK);
	assert_int_equal(add_rows(300), SQLITE_OK); /* most pages left the cache and stand in the WAL, uncommitted */
	assert_true(disk.writes > 5);
	assert_int_equal(ask_sql(writer, "SELECT sum(length(x)) FROM t"), 300 * 4000);
	assert_int_equal(run_sql(writer, "UPDATE t SET x = zeroblob(4000) WHERE n % 3 = 0"), SQLITE_OK); /* some of those frames anew */
	check_whole(0);
	assert_int_equal(run_sql(writer, "COMMIT"), SQLITE_OK);
	assert_int_equal(disk.unsynced, 0);
	check_whole(300);
	assert_int_equal(ask_sql(reader, "SELECT count(*) FROM t WHERE x = zeroblob(4000)"), 100);
}

static void what_is_rolled_back_leaves_nothing(void **state)
{
	(void)state;
	open_both("");
	assert_int_equal(add_rows(5), SQLITE_OK);
	assert_int_equal(run_sql(writer, "PRAGMA cache_size = 20; BEGIN"), SQLITE_OK);
	assert_int_equal(add_rows(100), SQLITE_OK);
	assert_int_equal(run_sql(writer, "ROLLBACK"), SQLITE_OK);
	disk_count();
	assert_int_equal(add_rows(3), SQLITE_OK);
	assert_int_equal(disk.writes, 1); /* nothing was left to be handed down */
	check_whole(8);
	assert_int_equal(run_sql(writer, "PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_OK);
	check_whole(8);
}

/* ---- a disk that refuses ---- */

static void an_error_fails_the_commit(void **state)
{
	const int codes[] = { SQLITE_FULL, SQLITE_IOERR };
	(void)state;
	open_both("");
	assert_int_equal(add_rows(5), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_COUNT(codes); i++)
		for (int nth = 1; nth <= 2; nth++) { /* of a commit of two pieces */
			disk.fail_code = codes[i];
			assert_int_equal(run_sql(writer, "BEGIN"), SQLITE_OK);
			assert_int_equal(add_rows(40), SQLITE_OK);
			disk.fail_in = nth;
			assert_int_equal(run_sql(writer, "COMMIT"), codes[i]);
			check_whole(5);
			if (!sqlite3_get_autocommit(writer))
				assert_int_equal(run_sql(writer, "ROLLBACK"), SQLITE_OK);
			disk.fail_in = 0;
			assert_int_equal(ask_sql(writer, "SELECT count(*) FROM t"), 5);
		}
	assert_int_equal(add_rows(40), SQLITE_OK); /* well again */
	check_whole(45);
}

/* A statement that needs a page back finds that what was gathered cannot be written. SQLite undoes that statement alone and would go on: nothing
 * of the transaction may be committed any more, although the disk is well by then; but it can be rolled back, which reads what was there before. */
static void a_loss_is_remembered_until_the_end(void **state)
{
	(void)state;
	open_both("");
	assert_int_equal(add_rows(30), SQLITE_OK);
	for (int rolls_back = 0; rolls_back < 2; rolls_back++) {
		assert_int_equal(run_sql(writer, "PRAGMA cache_size = 20; BEGIN"), SQLITE_OK);
		assert_int_equal(add_rows(100), SQLITE_OK);
		disk.fail_code = SQLITE_FULL;
		disk.fail_in = 1;
		assert_int_equal(run_sql(writer, "UPDATE t SET n = n + 100000 WHERE n > 30"), SQLITE_FULL);
		disk.fail_in = 0;
		assert_false(sqlite3_get_autocommit(writer));
		assert_int_equal(run_sql(writer, rolls_back ? "ROLLBACK" : "COMMIT"), rolls_back ? SQLITE_OK : SQLITE_FULL);
		if (!sqlite3_get_autocommit(writer))
			assert_int_equal(run_sql(writer, "ROLLBACK"), SQLITE_OK);
		check_whole(30);
	}
	assert_int_equal(add_rows(5), SQLITE_OK);
	check_whole(35);
}

/* ---- where nothing may wait ---- */

static void disks_that_tear_get_each_write_at_once(void **state)
{
	(void)state;
	open_both("?psow=0"); /* SQLite pads its commits there, and syncs in the middle of them */
	assert_int_equal(add_rows(20), SQLITE_OK);
	assert_true(disk.writes >= 2 * 20);
	check_whole(20);
}

static void names_are_made_once(void **state)
{
	const char *first = NULL, *second = NULL;
	(void)state;
	open_both("");
	assert_string_equal(err_code(gather_over(NULL, &first)), "ok");
	assert_string_equal(err_code(gather_over(NULL, &second)), "ok");
	assert_ptr_equal(first, second);
	assert_string_equal(err_code(gather_over("counted", &second)), "ok");
	assert_string_not_equal(first, second);
	assert_string_not_equal(err_code(gather_over("no such", &second)), "ok");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_commit_is_one_write_and_one_sync),
		TEST(a_large_commit_comes_in_pieces),
		TEST(a_wal_that_starts_again_is_whole),
		TEST(a_transaction_reads_what_it_wrote),
		TEST(what_is_rolled_back_leaves_nothing),
		TEST(an_error_fails_the_commit),
		TEST(a_loss_is_remembered_until_the_end),
		TEST(disks_that_tear_get_each_write_at_once),
		TEST(names_are_made_once),
	};
	return cmocka_run_group_tests(tests, disk_install, NULL);
}
