#include "work.h"
#include "base/check.h"
#include "store/mem/mem.h"

static uint32_t roll(struct work *work, uint32_t sides)
{
	work->dice ^= work->dice << 13;
	work->dice ^= work->dice >> 7;
	work->dice ^= work->dice << 17;
	return (uint32_t)((work->dice >> 20) % sides);
}

void work_init(struct work *work, uint64_t seed)
{
	*work = (struct work){ .dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1, .next_body = 1 };
}

static struct str work_text(struct work *work, struct suite *suite, uint32_t max_bytes)
{
	uint32_t bytes = 1 + roll(work, max_bytes);
	char *text = arena_alloc(&suite->cs.arena, bytes);
	CHECK(text);
	memset(text, 'a' + (int)roll(work, 26), bytes);
	return (struct str){ text, bytes };
}

static uint64_t work_stage(struct work *work, struct suite *suite)
{
	uint64_t number = work->next_body++;
	for (uint32_t index = 0; index < 2; index++) {
		struct body_chunk *chunk = change_add(&suite->cs, chunks);
		CHECK(chunk);
		*chunk = (struct body_chunk){ number, index, work_text(work, suite, 9000) };
	}
	suite->cs.next_body = work->next_body;
	return number;
}

static void work_enqueue(struct work *work, struct suite *suite)
{
	if (work->job_count == WORK_JOBS)
		return;
	struct work_job *job = &work->jobs[work->job_count++];
	*job = (struct work_job){ .uid = 1000 + work->job_count, .table = TABLE_LIVE };
	struct job_write *write = suite_job(suite, TABLE_NONE, TABLE_LIVE, job->uid, 1 + roll(work, 2));
	struct job_definition *definition = suite_definition(suite, write, roll(work, 2) ? suite_text(suite, "id%u", work->job_count).ptr : NULL);
	definition->name = STR("work");
	if (roll(work, 12) == 0) {
		definition->payload_body = work_stage(work, suite);
		definition->payload = STR("");
	} else {
		definition->payload = work_text(work, suite, roll(work, 8) ? 300 : 6000);
	}
	job->row = write->row;
}

static void work_change(struct work *work, struct suite *suite, struct work_job *job)
{
	uint32_t what = roll(work, 12);
	bool live = job->table == TABLE_LIVE;
	enum job_table after = what == 0 ? TABLE_NONE : live ? (what < 6 ? TABLE_LIVE : TABLE_DONE) : (what < 3 ? TABLE_LIVE : TABLE_DONE);
	struct job_write *write = suite_job(suite, job->table, after, job->uid, job->row.queue);
	write->row = job->row;
	write->row.version = suite->cs.seq;
	write->row.fence++;
	write->row.state = after == TABLE_DONE ? JOB_COMPLETED : roll(work, 2) ? JOB_ACTIVE : JOB_DELAYED;
	write->row.finished_us = after == TABLE_DONE ? suite->cs.wall_us : 0;
	if (after == TABLE_DONE && (live || roll(work, 2))) {
		struct job_result *result = suite_result(suite, write, "", "");
		if (roll(work, 10) == 0)
			result->result_body = work_stage(work, suite);
		else
			result->result = work_text(work, suite, 200);
	}
	if (live && after == TABLE_DONE)
		suite_counts(suite, job->row.queue, JOB_COMPLETED, 1, (int64_t)job->row.bytes);
	if (!live && after != TABLE_DONE)
		suite_counts(suite, job->row.queue, JOB_COMPLETED, -1, -(int64_t)job->row.bytes);
	if (after != TABLE_NONE && roll(work, 3) == 0) {
		struct attempt_row *attempt = change_add(&suite->cs, attempts);
		CHECK(attempt);
		*attempt = (struct attempt_row){ .uid = job->uid, .number = 1, .fence = write->row.fence, .error = work_text(work, suite, 400) };
	}
	job->table = after;
	job->row = write->row;
}

static void work_range(struct work *work, struct suite *suite)
{
	struct range_delete *range = change_add(&suite->cs, ranges);
	CHECK(range);
	*range = (struct range_delete){ .queue = 1, .state = JOB_COMPLETED, .up_to_us = suite->cs.wall_us - 20000, .up_to_uid = 0 };
	for (uint32_t i = 0; i < work->job_count; i++)
		if (work->jobs[i].table == TABLE_DONE && work->jobs[i].row.queue == 1 && work->jobs[i].row.finished_us < range->up_to_us)
			work->jobs[i].table = TABLE_NONE;
}

void work_fill(struct work *work, struct suite *suite)
{
	uint64_t touched[WORK_JOBS / 64 + 1] = { 0 };
	struct changeset *cs = &suite->cs;
	if (cs->seq == 1) {
		suite_queue(suite, 1, "default", "a");
		suite_queue(suite, 2, "default", "b");
	}
	uint32_t before = work->job_count;
	for (uint32_t n = roll(work, 5); n > 0; n--)
		work_enqueue(work, suite);
	for (uint32_t n = before ? roll(work, 6) : 0; n > 0; n--) {
		uint32_t i = roll(work, before);
		if (work->jobs[i].table == TABLE_NONE || touched[i / 64] & UINT64_C(1) << i % 64)
			continue;
		touched[i / 64] |= UINT64_C(1) << i % 64;
		work_change(work, suite, &work->jobs[i]);
	}
	struct event_row *event = change_add(cs, events);
	struct idempotency_row *record = change_add(cs, idempotency);
	CHECK(event && record);
	*event = (struct event_row){ cs->seq, 1 + roll(work, 2), cs->wall_us, 1, work_text(work, suite, 300) };
	*record = (struct idempotency_row){ suite_text(suite, "k%u", roll(work, 30)), 1, cs->wall_us, work_text(work, suite, 100) };
	cs->events_up_to = cs->seq > 30 ? cs->seq - 30 : 0;
	if (roll(work, 10) == 0)
		work_range(work, suite);
}

uint64_t work_hash(const struct work *work, struct suite *suite)
{
	static struct buf text;
	if (!text.max_bytes)
		buf_init(&text, 64 << 20);
	buf_clear(&text);
	suite_dump(suite, &text);
	for (uint32_t i = 0; i < work->job_count; i++) {
		const struct job_view *view = suite_view(suite, work->jobs[i].uid);
		if (view)
			text_of_view(&text, view);
		uint64_t uid = work->jobs[i].uid;
		if (view && !suite_ask(suite, &(struct query){ .kind = QUERY_ATTEMPTS, .uids = &uid, .uid_count = 1 }))
			for (uint32_t k = 0; k < suite->answer.attempt_count; k++)
				buf_add(&text, suite->answer.attempts[k].error);
	}
	CHECK(!suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS }));
	for (uint32_t i = 0; i < suite->answer.event_count; i++)
		buf_add(&text, suite->answer.events[i].lines);
	CHECK(buf_ok(&text));
	return str_hash(buf_str(&text), suite->answer.seq);
}

/* ---- the store in memory ---- */

void mem_fresh(struct factory *factory)
{
	struct store *keeper; /* keeps the disk while no other store is open */
	CHECK(!store_mem_open(&keeper));
	factory->context = keeper;
}

enum err mem_open(struct factory *factory, struct store **out, struct problem *problem)
{
	(void)problem;
	return store_mem_share(store_mem_disk(factory->context), out);
}

void mem_discard(struct factory *factory)
{
	struct store *keeper = factory->context;
	keeper->verbs->close(keeper);
}
