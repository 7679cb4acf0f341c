/* bench/store_bench.c: what the embedded store's writer thread costs per job: enqueue (200-byte payload), claim, finish, and, once there
 * is history, removal by retention; then lists while it writes. Two change-sets are kept in flight, as the engine does.
 *
 *   store_bench [--dir DIR] [--jobs N] [--batch 100|1000|4000] [--checkpoint-pages N] [--ids] [--names] [--lists [--keep]]
 *
 * "cpu" is the processor time of the writer thread, "commit" the time from submission to outcome. */
#include "base/check.h"
#include "base/clock.h"
#include "base/uid.h"
#include "store/store.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEPTH 2

static struct {
	const char *directory;
	uint32_t jobs, batch, checkpoint_pages;
	bool ids, names, lists, keep;
} options = { .directory = "/tmp", .jobs = 200000 };

static struct store *store;
static struct store_meta meta;
static sem_t woken;
static char path[256];

static void wake(void *context)
{
	sem_post(context);
}

static void open_store(void)
{
	struct problem problem = { 0 };
	enum err err = store_sqlite_open(&(struct store_sqlite_options){ .path = path, .create = true,
	                                                                            .checkpoint_pages = options.checkpoint_pages }, &store, &problem);
	if (err)
		fprintf(stderr, "%s: %s\n", err_code(err), problem.detail);
	CHECK(!err);
	store->wake = wake;
	store->wake_context = &woken;
	CHECK(!store->verbs->take(store, &meta));
}

static void remove_files(void)
{
	const char *const ends[] = { "", "-wal", "-shm", ".lock" };
	char name[300];
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

/* ---- jobs and their change-sets ---- */

static uint64_t *uids;
static uint64_t made;

static const char payload[] =
	"{\"sheet\":\"c0ffee00-1111-2222-3333-444455556666\",\"title\":\"R\xc3\xa9novation de l'\xc3\xa9"
	"cole Jules Ferry\",\"status\":\"in progress\",\"budget\":125000,\"tags\":[\"energy\",\"school\"],\"updated\":\"2026-01-01T00:00:00Z\"}";

enum work { ENQUEUE, CLAIM, FINISH, RETRY_LATER, REMOVE };
static const char *const work_names[] = { "enqueue", "claim", "finish", "fail", "remove" };

static struct str text(struct changeset *cs, const char *format, unsigned long long n)
{
	struct str copy = str_of(arena_printf(&cs->arena, format, n));
	CHECK(copy.ptr);
	return copy;
}

static void add_definition(struct changeset *cs, struct job_write *write)
{
	struct job_definition *definition = ARENA_NEW(&cs->arena, struct job_definition);
	CHECK(definition);
	*definition = (struct job_definition){ .uid = write->row.uid, .queue = 1, .created_us = cs->wall_us, .max_attempts = 3,
		                               .payload = { payload, sizeof(payload) - 1 }, .payload_bytes = sizeof(payload) - 1 };
	if (options.ids)
		definition->id = text(cs, "order-%llu", write->row.uid * UINT64_C(0x9e3779b97f4a7c15) % 1000000007);
	if (options.names)
		definition->name = STR("send-sheet");
	write->definition = definition;
}

static void add_job(struct changeset *cs, enum work work, uint64_t uid)
{
	static const struct job_result done = { .result = { "{\"ok\":true}", 11 }, .result_bytes = 11 };
	struct job_write *write = change_add(cs, jobs);
	CHECK(write);
	*write = (struct job_write){ .before = work == ENQUEUE ? TABLE_NONE : TABLE_LIVE, .after = work == FINISH ? TABLE_DONE : TABLE_LIVE };
	write->row = (struct job_row){ .uid = uid, .queue = 1, .max_attempts = 3, .rank = (int64_t)(uid & 0xffffff), .version = cs->seq,
		                       .since_us = cs->engine_us, .bytes = sizeof(payload) - 1 };
	if (work == ENQUEUE)
		add_definition(cs, write);
	if (work != ENQUEUE) {
		write->row.state = JOB_ACTIVE;
		write->row.attempts_started = 1;
		write->row.fence = uid & 0xffffff;
		write->row.started_us = cs->engine_us;
		write->row.worker = STR("worker-1");
	}
	if (work == CLAIM) {
		write->row.lease_token = UINT64_C(0x1234567812345678);
		write->row.lease_ms = 30000;
	}
	if (work == FINISH) {
		write->row.state = JOB_COMPLETED;
		write->row.outcome = OUTCOME_SUCCESS;
		write->row.attempts_made = 1;
		write->row.finished_us = cs->wall_us;
		write->result = &done;
	}
	if (work == RETRY_LATER) {
		struct attempt_row *attempt = change_add(cs, attempts);
		write->row.state = JOB_DELAYED;
		write->row.due_us = cs->engine_us + 1000;
		CHECK(attempt);
		*attempt = (struct attempt_row){ .uid = uid, .number = 1, .fence = 1, .started_us = cs->wall_us, .finished_us = cs->wall_us,
			                         .next = JOB_DELAYED, .retry_us = cs->engine_us, .worker = STR("worker-1"),
			                         .error = STR("{\"type\":\"Error\",\"message\":\"connect ECONNREFUSED 10.1.2.3:443\"}") };
	}
}

static void add_besides(struct changeset *cs, enum work work, uint32_t count)
{
	struct event_row *event = change_add(cs, events);
	struct queue_counts *counts = change_add(cs, counts);
	size_t line = strlen(work_names[work]) + 1 + UID_TEXT_BYTES;
	char *lines = arena_alloc(&cs->arena, line * count);
	CHECK(event && counts && lines);
	for (uint32_t i = 0; i < count; i++) {
		char *at = lines + i * line;
		memcpy(at, work_names[work], strlen(work_names[work]));
		at[strlen(work_names[work])] = ' ';
		char uid[UID_TEXT_BYTES];
		uid_text(cs->jobs.items[i].row.uid, uid);
		memcpy(at + line - UID_TEXT_BYTES, uid, UID_TEXT_BYTES - 1);
		at[line - 1] = '\n';
	}
	*event = (struct event_row){ cs->seq, 1, cs->wall_us, count, { lines, line * count } };
	if (cs->seq > 2000)
		cs->events_up_to = cs->seq - 2000;
	counts->queue = 1;
	if (work == FINISH) {
		counts->final[JOB_COMPLETED] = counts->ended[JOB_COMPLETED] = count;
		counts->final_bytes[JOB_COMPLETED] = count * (sizeof(payload) - 1);
	}
	if (work == ENQUEUE)
		counts->enqueued = count;
}

static void build(struct changeset *cs, enum work work, const uint64_t *from, uint32_t count)
{
	arena_reset(&cs->arena);
	*cs = (struct changeset){ .arena = cs->arena, .seq = ++meta.commit_seq, .term = meta.term, .engine_us = clock_wall_us(),
		                  .wall_us = clock_wall_us(), .last_uid = made ? uids[made - 1] : 0, .next_body = 1 };
	if (cs->seq == 1) {
		struct queue_row *queue = change_add(cs, queues);
		CHECK(queue);
		*queue = (struct queue_row){ .number = 1, .namespace_name = STR("default"), .name = STR("bench") };
	}
	for (uint32_t i = 0; i < count; i++)
		add_job(cs, work, from[i]);
	add_besides(cs, work, count);
}

static void build_range(struct changeset *cs, uint32_t count)
{
	int64_t at_us;
	uint64_t uid, bytes;
	arena_reset(&cs->arena);
	CHECK(!store->verbs->nth_final(store, 1, JOB_COMPLETED, count, &at_us, &uid, &bytes));
	CHECK(uid);
	*cs = (struct changeset){ .arena = cs->arena, .seq = ++meta.commit_seq, .term = meta.term, .last_uid = uids[made - 1], .next_body = 1 };
	struct range_delete *range = change_add(cs, ranges);
	CHECK(range);
	*range = (struct range_delete){ .queue = 1, .state = JOB_COMPLETED, .up_to_us = at_us, .up_to_uid = uid };
}

/* ---- running ---- */

static double cpu_s(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int64_t *waits_us;
static uint32_t wait_count;

static void settle(int64_t *submitted_us, uint32_t *first, uint32_t *flying)
{
	struct outcome outcome;
	while (!store->verbs->poll(store, &outcome, 1))
		while (sem_wait(&woken))
			;
	CHECK(!outcome.err);
	waits_us[wait_count++] = clock_mono_us() - submitted_us[*first % DEPTH];
	++*first;
	--*flying;
}

static int i64_cmp(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

__attribute__((noinline)) static void run(enum work work, uint32_t batch, uint32_t total)
{
	static struct changeset sets[DEPTH];
	int64_t submitted_us[DEPTH];
	uint32_t first = 0, flying = 0, sent = 0;
	struct uid_maker maker = { made ? uids[made - 1] : 0, 0 };
	wait_count = 0;
	double wall = (double)clock_mono_us(), all = cpu_s(CLOCK_PROCESS_CPUTIME_ID), own = cpu_s(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t done = 0; done < total; done += batch, sent++) {
		uint32_t depth = work == REMOVE ? 1 : DEPTH;
		if (flying == depth)
			settle(submitted_us, &first, &flying);
		if (work == ENQUEUE)
			for (uint32_t i = 0; i < batch; i++)
				uids[made++] = uid_next(&maker, clock_wall_us());
		struct changeset *cs = &sets[sent % DEPTH];
		if (work == REMOVE)
			build_range(cs, batch);
		else
			build(cs, work, work == ENQUEUE ? uids + made - batch : uids + done, batch);
		submitted_us[sent % DEPTH] = clock_mono_us();
		store->verbs->submit(store, cs);
		flying++;
	}
	while (flying)
		settle(submitted_us, &first, &flying);
	wall = (double)clock_mono_us() - wall;
	double cpu = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - all - (cpu_s(CLOCK_THREAD_CPUTIME_ID) - own);
	qsort(waits_us, wait_count, sizeof(*waits_us), i64_cmp);
	size_t middle = wait_count / 2, late = wait_count * 99 / 100;
	printf("%-8s %5u a change-set: %8.0f jobs/s, cpu %5.2f us/job, commit p50 %6.2f ms, p99 %6.2f ms, max %6.2f ms\n", work_names[work], batch,
	       total / (wall / 1e6), cpu * 1e6 / total, (double)waits_us[middle] / 1e3, (double)waits_us[late] / 1e3,
	       (double)waits_us[wait_count - 1] / 1e3);
	fflush(stdout);
}

static void run_batch(uint32_t batch)
{
	uint32_t total = options.jobs / batch * batch;
	if (batch < 1000 && total > 100000)
		total = 100000 / batch * batch;
	snprintf(path, sizeof(path), "%s/store_bench.db", options.directory);
	remove_files();
	made = 0;
	open_store();
	uids = malloc((size_t)(total + 20000 + batch) * sizeof(*uids));
	waits_us = malloc(((size_t)total / batch + 20000) * sizeof(*waits_us));
	CHECK(uids && waits_us);
	run(ENQUEUE, batch, total);
	run(CLAIM, batch, total);
	run(RETRY_LATER, batch, total / 4 / batch * batch);
	run(FINISH, batch, total);
	run(REMOVE, batch < 500 ? batch : 500, total / 2 / 1000 * 1000);
	store->verbs->close(store);
	if (!options.keep)
		remove_files();
	free(uids);
	free(waits_us);
}

/* ---- lists ---- */

static void time_list(struct reader *reader, const char *name, const struct query *query)
{
	struct arena arena = { 0 };
	struct answer answer;
	int64_t times[21];
	for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
		arena_reset(&arena);
		times[i] = clock_mono_us();
		CHECK(!reader_run(reader, query, &arena, &answer));
		times[i] = clock_mono_us() - times[i];
	}
	qsort(times, ARRAY_COUNT(times), sizeof(*times), i64_cmp);
	printf("list %-44s median %7.2f ms, max %7.2f ms, %u rows%s\n", name, (double)times[10] / 1e3, (double)times[20] / 1e3, answer.job_count,
	       answer.scanned_short ? ", cut short" : "");
	fflush(stdout);
	arena_fini(&arena);
}

/* Half a million waiting, half a million final; one in a hundred has another name and failed; 20 queues. */
static void build_lists(void)
{
	static struct changeset cs;
	struct uid_maker maker = { 0, 0 };
	struct outcome outcome;
	for (uint32_t done = 0; done < 1000000; done += 4000) {
		arena_reset(&cs.arena);
		cs = (struct changeset){ .arena = cs.arena, .seq = ++meta.commit_seq, .term = meta.term, .wall_us = clock_wall_us(), .next_body = 1 };
		for (uint32_t queue = 1; cs.seq == 1 && queue <= 20; queue++)
			*change_add(&cs, queues) = (struct queue_row){ .number = queue, .namespace_name = STR("default"), .name = text(&cs, "q%llu", queue) };
		for (uint32_t i = 0; i < 4000; i++) {
			struct job_write *write = change_add(&cs, jobs);
			uint32_t n = done + i, queue = n % 64 < 44 ? 1 : n % 64 < 63 ? 2 + n % 18 : 20;
			bool final = n % 2, failed = final && n % 101 == 0;
			*write = (struct job_write){ .before = TABLE_NONE, .after = final ? TABLE_DONE : TABLE_LIVE,
				                     .row = { .uid = uid_next(&maker, clock_wall_us()), .queue = queue, .bytes = 200, .version = cs.seq,
				                              .state = failed ? JOB_FAILED : final ? JOB_COMPLETED : n % 10 ? JOB_WAITING : JOB_DELAYED,
				                              .finished_us = final ? cs.wall_us - n % 1000 : 0 } };
			add_definition(&cs, write);
			struct job_definition *definition = (struct job_definition *)(uintptr_t)write->definition;
			definition->queue = queue;
			definition->id = text(&cs, "order-%llu", n);
			definition->name = n % 1000 ? STR("send") : STR("rare");
			definition->tags = n % 5000 ? STR("[\"blue\"]") : STR("[\"red\"]");
			if (final) {
				struct queue_counts *counts = NULL;
				for (uint32_t k = 0; k < cs.counts.count; k++)
					if (cs.counts.items[k].queue == queue)
						counts = &cs.counts.items[k];
				if (!counts) {
					counts = change_add(&cs, counts);
					counts->queue = queue;
				}
				counts->final[write->row.state]++;
			}
		}
		store->verbs->submit(store, &cs);
		while (!store->verbs->poll(store, &outcome, 1))
			while (sem_wait(&woken))
				;
		CHECK(!outcome.err);
	}
	arena_fini(&cs.arena);
	cs = (struct changeset){ 0 };
}

static enum err count_job(void *context, const struct job_row *row)
{
	(void)row;
	++*(uint64_t *)context;
	return E_OK;
}
static enum err skip_queue(void *context, const struct queue_row *row)
{
	(void)context, (void)row;
	return E_OK;
}
static enum err skip_counts(void *context, const struct queue_counts *row)
{
	(void)context, (void)row;
	return E_OK;
}

static void run_lists(void)
{
	struct reader *reader;
	snprintf(path, sizeof(path), "%s/store_bench.db", options.directory);
	if (!options.keep)
		remove_files();
	open_store();
	if (meta.commit_seq == 0)
		build_lists();
	uint64_t live = 0;
	int64_t start_us = clock_mono_us();
	struct scan_visitor visitor = { .context = &live, .queue = skip_queue, .counts = skip_counts, .job = count_job };
	CHECK(!store->verbs->scan(store, &visitor));
	printf("scan of %llu live jobs: %.2f s\n", (unsigned long long)live, (double)(clock_mono_us() - start_us) / 1e6);
	CHECK(!store->verbs->reader_open(store, &reader));
	const uint32_t failed = 1u << JOB_FAILED, completed = 1u << JOB_COMPLETED, waiting = 1u << JOB_WAITING;
	struct {
		const char *name;
		struct job_filter filter;
	} lists[] = {
		{ "all", { .states = 0 } },
		{ "one big queue", { .queue = STR("q1") } },
		{ "one small queue", { .queue = STR("q20") } },
		{ "failed", { .states = failed } },
		{ "completed", { .states = completed } },
		{ "waiting", { .states = waiting } },
		{ "failed and waiting", { .states = failed | waiting } },
		{ "failed and waiting of a small queue", { .states = failed | waiting, .queue = STR("q20") } },
		{ "failed of a small queue", { .states = failed, .queue = STR("q20") } },
		{ "active (none)", { .states = 1u << JOB_ACTIVE } },
		{ "frequent name", { .name = STR("send") } },
		{ "rare name", { .name = STR("rare") } },
		{ "rare name, failed, small queue", { .name = STR("rare"), .states = failed, .queue = STR("q20") } },
		{ "frequent name, failed", { .name = STR("send"), .states = failed } },
		{ "id", { .queue = STR("q1"), .id = STR("order-500000") } },
		{ "id prefix, few", { .queue = STR("q1"), .id = STR("order-50000*") } },
		{ "id prefix, many", { .queue = STR("q1"), .id = STR("order-*") } },
		{ "id prefix, 4000", { .queue = STR("q1"), .id = STR("order-500*") } },
		{ "created after a second ago", { .created_after_us = clock_wall_us() - 1000000 } },
		{ "finished before now, completed", { .states = completed, .finished_before_us = clock_wall_us() } },
		{ "finished before 1971", { .finished_before_us = INT64_C(31536000000000) } },
		{ "tag, rare", { .tag = STR("red") } },
		{ "error text (nowhere)", { .error = STR("refused") } },
	};
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
		struct query query = { .kind = QUERY_JOBS, .limit = 100, .filter = lists[i].filter };
		time_list(reader, lists[i].name, &query);
		query.kind = QUERY_COUNT;
		query.count_max = 10000;
		time_list(reader, "  count", &query);
	}
	reader_close(reader);
	store->verbs->close(store);
	if (!options.keep)
		remove_files();
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--dir") == 0)
			options.directory = next, i++;
		else if (strcmp(argv[i], "--jobs") == 0)
			options.jobs = (uint32_t)atoi(next), i++;
		else if (strcmp(argv[i], "--batch") == 0)
			options.batch = (uint32_t)atoi(next), i++;
		else if (strcmp(argv[i], "--checkpoint-pages") == 0)
			options.checkpoint_pages = (uint32_t)atoi(next), i++;
		else if (strcmp(argv[i], "--ids") == 0)
			options.ids = true;
		else if (strcmp(argv[i], "--names") == 0)
			options.names = true;
		else if (strcmp(argv[i], "--lists") == 0)
			options.lists = true;
		else if (strcmp(argv[i], "--keep") == 0)
			options.keep = true;
		else
			return fprintf(stderr, "store_bench: unknown option %s\n", argv[i]), 64;
	}
	CHECK(sem_init(&woken, 0, 0) == 0);
	if (options.lists) {
		run_lists();
		return 0;
	}
	const uint32_t batches[] = { 100, 1000, 4000 };
	for (size_t i = 0; i < ARRAY_COUNT(batches); i++)
		if (!options.batch || options.batch == batches[i])
			run_batch(batches[i]);
	return 0;
}
