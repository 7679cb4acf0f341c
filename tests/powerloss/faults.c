/* tests/powerloss/faults.c: each operation of the disk, and each allocation, fails once; or fails and keeps failing. Whatever happens, the
 * store never says OK to what is not there, never says "refused" to what is, and goes on when the fault has passed.
 *
 *   faults disk|memory [every]     (without "every", each of the first ones and then ever fewer) */
#include "base/check.h"
#include "base/mem.h"
#include "shim.h"
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMMITS 14

static char directory[64], path[96], copy_path[96];
static uint64_t runs, refused, unknown, failed_opens;

/* ---- files ---- */

static const char *const ends[] = { "", "-wal", "-journal", "-shm" };

static void remove_store(const char *store)
{
	char name[128];
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", store, ends[i]);
		unlink(name);
	}
}

static void copy_file(const char *from, const char *to)
{
	char block[4096];
	FILE *in = fopen(from, "r"), *out = in ? fopen(to, "w") : NULL;
	for (size_t bytes; out && (bytes = fread(block, 1, sizeof(block), in)) > 0;)
		CHECK(fwrite(block, 1, bytes, out) == bytes);
	if (in)
		fclose(in);
	if (out)
		CHECK(fclose(out) == 0);
}

static bool integrity_holds(const char *name)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	CHECK(sqlite3_open(name, &db) == SQLITE_OK);
	CHECK(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK);
	bool holds = sqlite3_step(stmt) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return holds;
}

/* What a daemon would find that is started now, this one having been killed. */
static uint64_t seq_after_a_crash(void)
{
	struct store *store;
	struct store_meta meta;
	struct problem problem = { 0 };
	char from[128], to[128];
	remove_store(copy_path);
	for (size_t i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "%s%s", path, ends[i]);
		snprintf(to, sizeof(to), "%s%s", copy_path, ends[i]);
		copy_file(from, to);
	}
	CHECK(!store_sqlite_open(&(struct store_sqlite_options){ .path = copy_path, .unlocked = true }, &store, &problem));
	CHECK(!store->verbs->take(store, &meta));
	store->verbs->close(store);
	CHECK(integrity_holds(copy_path));
	remove_store(copy_path);
	return meta.commit_seq;
}

/* ---- faults, of the disk and of memory alike ---- */

struct fault {
	enum { DISK, SQLITE_MEMORY, OWN_MEMORY } where;
	enum fault_kind kind; /* DISK */
	bool lasts;
};

static struct {
	uint64_t until; /* counted by all threads */
	bool lasts, failed;
} memory;
static sqlite3_mem_methods system_memory;

static bool memory_fails(void)
{
	uint64_t until = __atomic_load_n(&memory.until, __ATOMIC_RELAXED);
	if (!until)
		return false;
	if (until > 1 || !memory.lasts)
		until = __atomic_sub_fetch(&memory.until, 1, __ATOMIC_RELAXED) + 1;
	if (until != 1)
		return false;
	memory.failed = true;
	return true;
}
static void *memory_malloc(int bytes)
{
	return memory_fails() ? NULL : system_memory.xMalloc(bytes);
}
static void *memory_realloc(void *old, int bytes)
{
	return memory_fails() ? NULL : system_memory.xRealloc(old, bytes);
}

static void fault_arm(const struct fault *fault, uint64_t nth)
{
	memory.failed = false;
	memory.lasts = fault->lasts;
	if (fault->where == DISK)
		shim_fail(fault->kind, nth, fault->lasts);
	else if (fault->where == OWN_MEMORY)
		mem_fail_after(nth, fault->lasts ? MEM_FAIL_ALL : MEM_FAIL_ONE);
	else
		__atomic_store_n(&memory.until, nth, __ATOMIC_RELAXED);
}

static bool fault_heal(const struct fault *fault)
{
	if (fault->where == DISK)
		return shim_heal();
	if (fault->where == OWN_MEMORY)
		return mem_fail_disarm();
	__atomic_store_n(&memory.until, 0, __ATOMIC_RELAXED);
	bool failed = memory.failed;
	memory.failed = false;
	return failed;
}

/* ---- the run ---- */

static struct factory mem_factory = { .name = "mem", .fresh = mem_fresh, .open = mem_open, .discard = mem_discard };

static void shim_fresh(struct factory *factory)
{
	(void)factory;
	remove_store(path);
	FILE *file = fopen(path, "w");
	CHECK(file && fclose(file) == 0);
}
static enum err shim_store_open(struct factory *factory, struct store **out, struct problem *problem)
{
	(void)factory;
	return store_sqlite_open(&(struct store_sqlite_options){ .path = path, .vfs = "shim", .unlocked = true, .checkpoint_pages = 25 }, out, problem);
}
static enum err plain_store_open(struct factory *factory, struct store **out, struct problem *problem)
{
	(void)factory;
	return store_sqlite_open(&(struct store_sqlite_options){ .path = path, .unlocked = true }, out, problem);
}
static void keep(struct factory *factory)
{
	(void)factory;
}
static struct factory shim_factory = { .name = "shim", .fresh = shim_fresh, .open = shim_store_open, .discard = keep };
static struct factory plain_factory = { .name = "plain", .fresh = keep, .open = plain_store_open, .discard = keep };

struct trial {
	struct suite disk, model;
	struct work work;
	const struct fault *fault;
	bool failed; /* the fault came */
	uint64_t unknown;
};

static void trial_model_commit(struct trial *trial)
{
	struct work work = trial->work;
	suite_begin(&trial->model);
	work_fill(&work, &trial->model);
	suite_commit(&trial->model);
	trial->work = work;
}

/* The store is in doubt: open it again, as often as that takes, and see what it holds. */
static void trial_reopen(struct trial *trial)
{
	struct store *store = trial->disk.store;
	struct problem problem = { 0 };
	struct store_meta meta;
	for (int attempt = 0;; attempt++) {
		CHECK(attempt < 5);
		if (attempt == 2)
			trial->failed |= fault_heal(trial->fault);
		if (!store->verbs->reopen(store, &problem) && !store->verbs->take(store, &meta))
			break;
		failed_opens++;
	}
	trial->failed |= fault_heal(trial->fault);
	uint64_t before = trial->disk.meta.commit_seq;
	CHECK(meta.commit_seq == before || meta.commit_seq == before + 1);
	trial->disk.meta = meta;
	if (meta.commit_seq == before + 1)
		trial_model_commit(trial);
}

/* Until it is opened again a store in doubt commits nothing, also when the disk is well by now. */
static void trial_insist(struct trial *trial)
{
	struct work work = trial->work;
	struct outcome outcome;
	suite_begin(&trial->disk);
	work_fill(&work, &trial->disk);
	trial->disk.store->verbs->submit(trial->disk.store, &trial->disk.cs);
	suite_wait(&trial->disk, &outcome);
	CHECK(outcome.err == E_OUTCOME_UNKNOWN);
}

static void trial_commit(struct trial *trial)
{
	struct work work = trial->work;
	struct outcome outcome;
	suite_begin(&trial->disk);
	work_fill(&work, &trial->disk);
	trial->disk.store->verbs->submit(trial->disk.store, &trial->disk.cs);
	suite_wait(&trial->disk, &outcome);
	if (outcome.err == E_OK) {
		trial->disk.meta.commit_seq = trial->disk.cs.seq;
		trial->disk.meta.next_body = trial->disk.cs.next_body;
		trial->disk.meta.last_uid = trial->disk.cs.last_uid;
		trial_model_commit(trial);
	} else if (outcome.err == E_OUTCOME_UNKNOWN) {
		unknown++;
		trial->unknown++;
		if (!trial->fault->lasts)
			trial_insist(trial);
		trial_reopen(trial);
	} else {
		CHECK(outcome.err == E_STORE_FULL || outcome.err == E_NOMEM);
		refused++;
		trial->failed |= fault_heal(trial->fault);
		CHECK(seq_after_a_crash() == trial->disk.meta.commit_seq);
	}
}

/* A question in the midst of it may fail, and never lies. */
static void trial_ask(struct trial *trial)
{
	struct query query = { .kind = QUERY_JOBS, .limit = 20, .filter.name = STR("work") };
	enum err err = suite_ask(&trial->disk, &query);
	CHECK(!suite_ask(&trial->model, &query));
	if (err)
		return;
	CHECK(trial->disk.answer.job_count == trial->model.answer.job_count);
	for (uint32_t i = 0; i < trial->disk.answer.job_count; i++)
		CHECK(trial->disk.answer.jobs[i].row.version == trial->model.answer.jobs[i].row.version);
}

/* False when the fault never came: there is no nth such operation. */
static bool try_nth(const struct fault *fault, uint64_t nth)
{
	struct trial trial = { .fault = fault };
	struct suite again;
	runs++;
	work_init(&trial.work, 7);
	suite_open(&trial.model, &mem_factory);
	suite_open(&trial.disk, &shim_factory);
	fault_arm(fault, nth);
	for (int n = 0; n < COMMITS; n++) {
		trial_commit(&trial);
		if (fault->where == DISK && n % 3 == 0)
			trial_ask(&trial);
	}
	trial.failed |= fault_heal(fault);
	if (fault->where == DISK && fault->kind == FAULT_SYNC && trial.failed) {
		trial_commit(&trial); /* whatever sync failed, a checkpoint's too: nothing is trusted that was written through that handle */
		CHECK(trial.unknown);
	}
	suite_close(&trial.disk);
	suite_open(&again, &plain_factory);
	CHECK(again.meta.commit_seq == trial.model.meta.commit_seq);
	CHECK(work_hash(&trial.work, &again) == work_hash(&trial.work, &trial.model));
	suite_close(&again);
	CHECK(integrity_holds(path));
	suite_close(&trial.model);
	remove_store(path);
	return trial.failed;
}

/* Opening an existing store, and a new one, fails cleanly, and works the next time. */
static bool try_open_nth(const struct fault *fault, uint64_t nth, bool fresh)
{
	struct store *store;
	struct problem problem = { 0 };
	struct store_meta meta;
	runs++;
	shim_fresh(NULL);
	if (!fresh) {
		struct suite suite;
		suite_open(&suite, &plain_factory);
		suite_begin(&suite);
		suite_commit(&suite);
		suite_close(&suite);
	}
	fault_arm(fault, nth);
	enum err err = shim_store_open(NULL, &store, &problem);
	bool failed = fault_heal(fault);
	if (err) {
		failed_opens++;
		CHECK(failed);
		CHECK(!shim_store_open(NULL, &store, &problem));
	}
	CHECK(!store->verbs->take(store, &meta));
	CHECK(meta.commit_seq == !fresh);
	store->verbs->close(store);
	remove_store(path);
	return failed;
}

/* ---- the reserve ---- */

static enum err reserve_store_open(struct factory *factory, struct store **out, struct problem *problem)
{
	(void)factory;
	return store_sqlite_open(&(struct store_sqlite_options){ .path = path, .vfs = "shim", .unlocked = true, .reserve_bytes = 1 << 20 }, out, problem);
}

/* On a full disk enqueues are refused and completions go on, from what was kept in reserve; with room again everything goes on. */
static void try_reserve(void)
{
	static struct factory factory = { .name = "shim", .fresh = shim_fresh, .open = reserve_store_open, .discard = keep };
	struct suite suite;
	char reserve[128];
	snprintf(reserve, sizeof(reserve), "%s.reserve", path);
	suite_open(&suite, &factory);
	for (int cycle = 0; cycle < 5; cycle++) {
		uint64_t uid = 10 * (uint64_t)cycle;
		suite_begin(&suite);
		for (uint64_t n = 1; n <= 3; n++)
			suite_definition(&suite, suite_job(&suite, TABLE_NONE, TABLE_LIVE, uid + n, 1), NULL);
		suite_commit(&suite);
		shim_fill_unless_empty(reserve);
		for (uint64_t n = 1; n <= 3; n++) {
			suite_begin(&suite);
			suite_definition(&suite, suite_job(&suite, TABLE_NONE, TABLE_LIVE, uid + 9, 1), NULL);
			CHECK(suite_try(&suite) == E_STORE_FULL);
			CHECK(seq_after_a_crash() == suite.meta.commit_seq);
			suite_begin(&suite);
			suite_job(&suite, TABLE_LIVE, TABLE_DONE, uid + n, 1);
			suite_commit(&suite);
			CHECK(access(reserve, F_OK) == 0);
		}
		shim_fill_unless_empty(NULL);
	}
	suite_begin(&suite);
	suite_definition(&suite, suite_job(&suite, TABLE_NONE, TABLE_LIVE, 1000, 1), NULL);
	suite_commit(&suite);
	suite_close(&suite);
	remove_store(path);
	CHECK(unlink(reserve) == 0);
	printf("the reserve: 5 cycles of a full disk, completions went on\n");
}

/* ---- questions ---- */

static uint64_t answer_hash(const struct suite *suite, struct buf *text)
{
	buf_clear(text);
	for (uint32_t i = 0; i < suite->answer.job_count; i++)
		text_of_view(text, &suite->answer.jobs[i]);
	for (uint32_t i = 0; i < suite->answer.match_count; i++)
		buf_addf(text, "%llu ", (unsigned long long)suite->answer.matches[i].uid);
	for (uint32_t i = 0; i < suite->answer.attempt_count; i++)
		buf_add(text, suite->answer.attempts[i].error);
	for (uint32_t i = 0; i < suite->answer.event_count; i++)
		buf_add(text, suite->answer.events[i].lines);
	CHECK(buf_ok(text));
	return str_hash(buf_str(text), suite->answer.count);
}

static uint64_t load_hash(const struct load *load)
{
	uint64_t sum = load->key_uids[0];
	for (uint32_t i = 0; i < load->uid_count; i++)
		sum = sum * 31 + load->rows[i].version + load->definitions[i].id.len;
	return sum;
}

/* Answers are right or absent. Each question is asked by a reader that has just begun, and by one that is warm. */
static void sweep_questions(const struct fault *fault)
{
	struct suite suite;
	struct work work;
	struct buf text;
	uint64_t uids[] = { 1001, 1002, 1003, 1004, 77 }, asked = 0;
	struct load_key key = { 1, STR("id1") };
	const struct query queries[] = {
		{ .kind = QUERY_JOBS, .limit = 10 },
		{ .kind = QUERY_JOBS, .limit = 5, .filter = { .queue = STR("a"), .name = STR("work"), .states = 1u << JOB_COMPLETED } },
		{ .kind = QUERY_JOBS, .limit = 5, .filter = { .queue = STR("a"), .id = STR("id*") } },
		{ .kind = QUERY_MATCHES, .cursor_phase = 1, .limit = 3 },
		{ .kind = QUERY_COUNT, .filter.name = STR("work") },
		{ .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = 5 },
		{ .kind = QUERY_ATTEMPTS, .uids = uids, .uid_count = 1 },
		{ .kind = QUERY_EVENTS },
		{ .kind = QUERY_JOB, .uids = uids + 1, .uid_count = 1, .with_payload = true, .with_result = true },
	};
	buf_init(&text, 16 << 20);
	work_init(&work, 7);
	shim_fresh(NULL);
	suite_open(&suite, &plain_factory);
	for (int n = 0; n < COMMITS; n++) {
		suite_begin(&suite);
		work_fill(&work, &suite);
		suite_commit(&suite);
	}
	for (size_t i = 0; i < ARRAY_COUNT(queries); i++)
		for (int warm = 0; warm < 2; warm++) {
			bool failed = true;
			enum err expected = suite_ask(&suite, &queries[i]);
			uint64_t hash = answer_hash(&suite, &text);
			for (uint64_t nth = 1; failed; nth++, asked++) {
				if (!warm) {
					reader_close(suite.reader);
					CHECK(!suite.store->verbs->reader_open(suite.store, &suite.reader));
				}
				fault_arm(fault, nth);
				enum err err = suite_ask(&suite, &queries[i]);
				failed = fault_heal(fault);
				CHECK(err == expected || (failed && err == E_NOMEM));
				CHECK(err || answer_hash(&suite, &text) == hash);
			}
		}
	uint64_t hash = 0;
	bool failed = true;
	for (uint64_t nth = 0; failed; nth++, asked++) { /* the first without a fault */
		struct load load = { .uids = uids, .uid_count = 5, .keys = &key, .key_count = 1, .idempotency = &key.id, .idempotency_count = 1 };
		arena_fini(&suite.arena);
		if (nth)
			fault_arm(fault, nth);
		enum err err = suite.store->verbs->load(suite.store, &load, &suite.arena);
		failed = fault_heal(fault) || !nth;
		CHECK(!err || (nth && failed && err == E_NOMEM));
		if (!nth)
			hash = load_hash(&load);
		CHECK(err || load_hash(&load) == hash);
	}
	suite_close(&suite);
	remove_store(path);
	buf_fini(&text);
	printf("questions: %llu asked while an allocation fails\n", (unsigned long long)asked);
}

static bool every; /* miss none */

static void sweep(const struct fault *fault, const char *name)
{
	uint64_t nth = 1, opens = 1, thin = every ? UINT64_MAX : fault->where == SQLITE_MEMORY ? 12 : 40;
	while (fault->where != OWN_MEMORY && try_nth(fault, nth)) /* committing asks for none of ours */
		nth += 1 + nth / thin;
	for (int fresh = 0; fresh < 2; fresh++)
		for (uint64_t open = 1; try_open_nth(fault, open, fresh); open += 1 + open / thin)
			opens++;
	printf("%-24s %s: %llu and, while opening, %llu\n", name, fault->lasts ? "and all after it" : "once            ", (unsigned long long)nth,
	       (unsigned long long)opens);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const char *const kinds[FAULT_KIND_COUNT] = { "disk full", "write", "sync", "read", "truncate", "map" };
	bool disk = argc > 1 && strcmp(argv[1], "disk") == 0, allocations = argc > 1 && strcmp(argv[1], "memory") == 0;
	every = argc > 2 && strcmp(argv[2], "every") == 0;
	snprintf(directory, sizeof(directory), "%s/ruche-faults-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/store.db", directory);
	snprintf(copy_path, sizeof(copy_path), "%s/copy.db", directory);
	CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) == SQLITE_OK);
	sqlite3_mem_methods methods = system_memory;
	methods.xMalloc = memory_malloc;
	methods.xRealloc = memory_realloc;
	CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
	shim_install();
	for (int kind = 0; disk && kind < FAULT_KIND_COUNT; kind++)
		for (int lasts = 0; lasts < 2; lasts++)
			sweep(&(struct fault){ DISK, (enum fault_kind)kind, lasts }, kinds[kind]);
	for (int lasts = 0; allocations && lasts < 2; lasts++) {
		sweep(&(struct fault){ SQLITE_MEMORY, FAULT_FULL, lasts }, "SQLite's allocation");
		sweep(&(struct fault){ OWN_MEMORY, FAULT_FULL, lasts }, "our allocation");
	}
	if (disk)
		try_reserve();
	if (allocations) {
		sweep_questions(&(struct fault){ SQLITE_MEMORY, FAULT_FULL, false });
		sweep_questions(&(struct fault){ OWN_MEMORY, FAULT_FULL, false });
		sweep_questions(&(struct fault){ OWN_MEMORY, FAULT_FULL, true });
	}
	CHECK(rmdir(directory) == 0);
	printf("%llu runs: %llu commits refused for sure, %llu in doubt, %llu failed openings; nothing lost, nothing invented\n",
	       (unsigned long long)runs, (unsigned long long)refused, (unsigned long long)unknown, (unsigned long long)failed_opens);
	return 0;
}
