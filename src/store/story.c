/* src/store/story.c: random change-sets from a seed, and what a store answers, as text. The teller keeps a model of its own, so
 * that every change-set is one that an engine could have made. */
#include "base/check.h"
#include "base/uid.h"
#include "store/filter.h"
#include "store/suite.h"

#include <stdio.h>
#include <stdlib.h>

#define STORY_JOBS   4000
#define STORY_QUEUES 5

struct story_job {
	uint64_t uid;
	enum job_table table; /* NONE: gone */
	struct job_row row;
	bool touched;         /* in this change-set */
};
struct story {
	struct suite suite;
	uint64_t dice;
	struct story_job jobs[STORY_JOBS];
	uint32_t job_count;
	bool queues[STORY_QUEUES + 1];
	struct uid_maker maker;
	int64_t now_us;
};

static uint32_t roll(struct story *story, uint32_t sides)
{
	story->dice ^= story->dice << 13;
	story->dice ^= story->dice >> 7;
	story->dice ^= story->dice << 17;
	return (uint32_t)((story->dice >> 20) % sides);
}

static const char *const names[] = { "", "mail", "sync", "a b'c" };
static const char *const groups[] = { "", "g1", "g2" };
static const char *const errors[] = { "", "{\"message\":\"Connection refused\"}", "{\"message\":\"timed out\"}" };

/* ---- what happens to one job ---- */

static void story_delay(struct story *story, struct job_row *row)
{
	static const uint32_t kinds[] = { 0, ROW_FAR, ROW_FAR | ROW_DUE_WALL };
	row->state = JOB_DELAYED;
	row->flags = kinds[roll(story, 3)];
	row->due_us = story->now_us + 1000 * (int64_t)roll(story, 5);
}

static void story_enqueue(struct story *story)
{
	struct suite *suite = &story->suite;
	if (story->job_count == STORY_JOBS)
		return;
	struct story_job *job = &story->jobs[story->job_count++];
	uint32_t queue = 1 + roll(story, STORY_QUEUES), name = roll(story, 4), group = roll(story, 3);
	enum job_table table = roll(story, 10) ? TABLE_LIVE : TABLE_DONE;
	char id[32];
	*job = (struct story_job){ .uid = uid_next(&story->maker, story->now_us), .table = table, .touched = true };
	snprintf(id, sizeof(id), "%s-%u", roll(story, 2) ? "order" : "or%der", story->job_count);
	struct job_write *write = suite_job(suite, TABLE_NONE, table, job->uid, queue);
	struct job_definition *definition = suite_definition(suite, write, roll(story, 3) ? id : NULL);
	definition->name = str_of(names[name]);
	definition->group = write->row.group = str_of(groups[group]);
	definition->tags = roll(story, 2) ? STR("[\"red\",\"blue\"]") : STR("");
	definition->created_us = story->now_us;
	if (roll(story, 4) == 0)
		definition->metadata = STR("{\"opts\":{\"a\":1}}");
	if (table == TABLE_LIVE && roll(story, 4) == 0)
		write->row.label = STR("17");
	if (table == TABLE_LIVE && roll(story, 8) == 0)
		write->row.deferred = STR("not again");
	write->row.bytes = definition->payload_bytes;
	write->row.rank = (int64_t)roll(story, 100) - 50;
	if (table == TABLE_DONE) {
		write->row.finished_us = story->now_us;
		suite_counts(suite, queue, write->row.state, 1, (int64_t)write->row.bytes);
	} else if (roll(story, 3) == 0) {
		story_delay(story, &write->row);
	}
	job->row = write->row;
}

static struct job_write *story_write(struct story *story, struct story_job *job, enum job_table after)
{
	struct suite *suite = &story->suite;
	struct job_write *write = suite_job(suite, job->table, after, job->uid, job->row.queue);
	write->row = job->row;
	write->row.version = suite->cs.seq;
	if (job->table == TABLE_DONE) /* leaves its count, and comes back below if it stays */
		suite_counts(suite, job->row.queue, job->row.state, -1, -(int64_t)job->row.bytes);
	job->touched = true;
	job->table = after;
	return write;
}

static void story_change(struct story *story, struct story_job *job)
{
	struct suite *suite = &story->suite;
	bool was_live = job->table == TABLE_LIVE;
	uint32_t what = roll(story, 10);
	enum job_table after = what == 0 ? TABLE_NONE : was_live ? (what < 5 ? TABLE_LIVE : TABLE_DONE) : (what < 8 ? TABLE_DONE : TABLE_LIVE);
	struct job_write *write = story_write(story, job, after);
	struct job_row *row = &write->row;
	if (after == TABLE_NONE)
		return;
	row->fence += 1 + roll(story, 3);
	if (after == TABLE_LIVE) {
		row->state = (enum job_state)roll(story, JOB_PARKED + 1);
		row->flags = 0;
		if (row->state == JOB_DELAYED)
			story_delay(story, row);
		row->finished_us = 0;
		row->worker = row->state == JOB_ACTIVE ? suite_text(suite, "worker %u", roll(story, 9)) : STR("");
		if (roll(story, 20) == 0)
			row->queue = 1 + roll(story, STORY_QUEUES);
	} else {
		bool fresh = was_live || roll(story, 2);
		row->state = (enum job_state)(JOB_COMPLETED + roll(story, 4));
		row->flags = 0;
		row->finished_us = story->now_us + roll(story, 50);
		row->bytes += roll(story, 100);
		suite_counts(suite, row->queue, row->state, 1, (int64_t)row->bytes);
		if (fresh && roll(story, 4))
			suite_result(suite, write, roll(story, 2) ? "{\"done\":true}" : "", errors[roll(story, 3)]);
	}
	job->row = *row;
	/* Texts live in the change-set; the model keeps only those that are constant. */
	job->row.worker = STR("");
	if (roll(story, 3) == 0) {
		struct attempt_row *attempt = change_add(&suite->cs, attempts);
		*attempt = (struct attempt_row){ .uid = job->uid, .number = roll(story, 5), .fence = row->fence, .started_us = 1, .finished_us = 2,
			                         .next = row->state, .error = str_of(errors[roll(story, 3)]) };
	}
	if (roll(story, 5) == 0)
		*change_add(&suite->cs, logs) = (struct log_row){ job->uid, 1, story->now_us, suite_text(suite, "at %u", roll(story, 1000)) };
	if (roll(story, 15) == 0)
		*change_add(&suite->cs, log_trims) = (struct log_trim){ job->uid, roll(story, 4), suite->cs.logs.count };
	if (roll(story, 5) == 0)
		*change_add(&suite->cs, progress) = (struct progress_row){ job->uid, story->now_us, suite_text(suite, "%u", roll(story, 100)) };
}

/* ---- what happens besides ---- */

static void story_range(struct story *story)
{
	struct range_delete *range = change_add(&story->suite.cs, ranges);
	*range = (struct range_delete){ .queue = 1 + roll(story, STORY_QUEUES), .state = (enum job_state)(JOB_COMPLETED + roll(story, 4)),
		                        .up_to_us = story->now_us - 3000 + roll(story, 3000), .up_to_uid = roll(story, 2) ? story->maker.last : 0 };
	for (uint32_t i = 0; i < story->job_count; i++) {
		struct story_job *job = &story->jobs[i];
		struct list_key key = { job->row.finished_us, job->uid }, end = { range->up_to_us, range->up_to_uid };
		if (job->table == TABLE_DONE && job->row.queue == range->queue && job->row.state == range->state && list_key_cmp(key, end) <= 0)
			job->table = TABLE_NONE;
	}
}

static void story_besides(struct story *story)
{
	struct suite *suite = &story->suite;
	struct changeset *cs = &suite->cs;
	uint32_t queue = 1 + roll(story, STORY_QUEUES);
	char name[8];
	snprintf(name, sizeof(name), "q%u", queue);
	switch (roll(story, 9)) {
	case 0: suite_queue(suite, queue, "default", name); break;
	case 1: *change_add(cs, groups) = (struct group_row){ queue, str_of(groups[1 + roll(story, 2)]), STR("{}"), roll(story, 2) }; break;
	case 2: *change_add(cs, groups) = (struct group_row){ .queue = queue, .key = STR("g1"), .gone = true }; break;
	case 3: *change_add(cs, policies) = (struct policy_row){ 1 + roll(story, 4), suite_text(suite, "{\"n\":%u}", roll(story, 50)) }; break;
	case 4: *change_add(cs, idempotency) = (struct idempotency_row){ suite_text(suite, "k%u", roll(story, 9)), 1, story->now_us, STR("a") }; break;
	case 5: *change_add(cs, operations) = (struct operation_row){ .number = 1 + roll(story, 5), .action = STR("retry"), .done = roll(story, 9),
			                                              .state = (enum operation_state)roll(story, 4) }; break;
	case 7: *change_add(cs, event_trims) = (struct event_trim){ .queue = queue, .keep = roll(story, 9) }; break;
	case 8: *change_add(cs, metrics) = (struct metric_add){ { queue, roll(story, 5), roll(story, 3), roll(story, 3) }, roll(story, 4) }; break;
	case 6: cs->events_up_to = cs->seq > 20 ? cs->seq - 20 : 0; break;
	}
}

static void story_step(struct story *story)
{
	struct suite *suite = &story->suite;
	struct changeset *cs = suite_begin(suite);
	story->now_us += 1 + roll(story, 3000);
	if (cs->seq == 1)
		for (uint32_t queue = 1; queue <= STORY_QUEUES; queue++)
			suite_queue(suite, queue, queue == STORY_QUEUES ? "other" : "default", suite_text(suite, "q%u", queue).ptr);
	for (uint32_t i = 0; i < story->job_count; i++)
		story->jobs[i].touched = false;
	for (uint32_t n = roll(story, 12); n > 0; n--)
		story_enqueue(story);
	for (uint32_t n = story->job_count ? roll(story, 15) : 0; n > 0; n--) {
		struct story_job *job = &story->jobs[roll(story, story->job_count)];
		if (job->table != TABLE_NONE && !job->touched)
			story_change(story, job);
	}
	if (cs->seq > 1 && roll(story, 3) == 0)
		story_besides(story);
	uint32_t queue = 1 + roll(story, STORY_QUEUES);
	*change_add(cs, events) = (struct event_row){ cs->seq, queue, story->now_us, 1, STR("enqueued x\n") };
	if (roll(story, 8) == 0)
		story_range(story);
	suite_commit(suite);
}

/* ---- questions ---- */

static void tell_list(struct story *story, struct query query, struct buf *out)
{
	query.kind = QUERY_JOBS;
	for (;;) {
		CHECK(!suite_ask(&story->suite, &query));
		for (uint32_t i = 0; i < story->suite.answer.job_count; i++)
			buf_addf(out, " %llu", (unsigned long long)story->suite.answer.jobs[i].row.uid);
		if (!story->suite.answer.next_cursor.len)
			break;
		query.cursor = suite_text(&story->suite, STR_FMT, STR_ARG(story->suite.answer.next_cursor));
	}
	query.kind = QUERY_COUNT;
	CHECK(!suite_ask(&story->suite, &query));
	buf_addf(out, " count %llu\nmatches", (unsigned long long)story->suite.answer.count);
	query.kind = QUERY_MATCHES;
	while (query.cursor_phase < 2) {
		CHECK(!suite_ask(&story->suite, &query));
		for (uint32_t i = 0; i < story->suite.answer.match_count; i++)
			buf_addf(out, " %llu@%llu", (unsigned long long)story->suite.answer.matches[i].uid,
			         (unsigned long long)story->suite.answer.matches[i].version);
		query.cursor_phase = story->suite.answer.next_phase;
		query.cursor_uid = story->suite.answer.next_uid;
	}
	buf_addf(out, "\n");
}

static void tell_far(struct story *story, struct buf *out)
{
	struct suite *suite = &story->suite;
	struct far_page page = { .queue = 1 + roll(story, STORY_QUEUES), .wall = roll(story, 2), .after_us = INT64_MIN, .max = 1 + roll(story, 7),
		                 .up_to_us = roll(story, 2) ? INT64_MAX : story->now_us - roll(story, 100000) };
	buf_addf(out, "far");
	do {
		arena_reset(&suite->arena);
		CHECK(!suite->store->verbs->far(suite->store, &page, &suite->arena));
		for (uint32_t i = 0; i < page.count; i++) {
			buf_addf(out, " %llu@%lld", (unsigned long long)page.rows[i].uid, (long long)page.rows[i].due_us);
			page.after_us = page.rows[i].due_us;
			page.after_uid = page.rows[i].uid;
		}
		buf_addf(out, page.more ? " +" : " .\n");
	} while (page.more);
}

static void story_ask(struct story *story, struct buf *out)
{
	static const char *const ids[] = { "order-1*", "or*", "or%*", "order-7", "nothing*" };
	struct query query = { .limit = 1 + roll(story, 30), .oldest_first = roll(story, 2) };
	struct job_filter *filter = &query.filter;
	char name[8];
	snprintf(name, sizeof(name), "q%u", 1 + roll(story, STORY_QUEUES - 1));
	if (roll(story, 2))
		filter->queue = str_of(name);
	if (roll(story, 2))
		filter->states = 1 + roll(story, STATES_ALL);
	if (roll(story, 3) == 0)
		filter->name = str_of(names[roll(story, 4)]);
	if (roll(story, 4) == 0 && filter->queue.len)
		filter->id = str_of(ids[roll(story, ARRAY_COUNT(ids))]);
	if (roll(story, 5) == 0)
		filter->group = str_of(groups[roll(story, 3)]);
	if (roll(story, 5) == 0)
		filter->tag = STR("blue");
	if (roll(story, 6) == 0)
		filter->error = STR("REFUSED");
	if (roll(story, 5) == 0)
		filter->created_after_us = story->now_us - roll(story, 100000);
	if (roll(story, 6) == 0)
		filter->finished_before_us = story->now_us - roll(story, 50000);
	buf_addf(out, "list");
	tell_list(story, query, out);
	tell_far(story, out);
}

static void story_ask_range(struct story *story, struct buf *out)
{
	char name[8];
	snprintf(name, sizeof(name), "q%u", 1 + roll(story, STORY_QUEUES - 1));
	struct query query = { .kind = QUERY_RANGE, .queue = str_of(name), .with_history = roll(story, 2) };
	query.range = (struct range){ .order = (enum range_order)roll(story, RANGE_ORDER_COUNT), .what = (enum range_what)roll(story, 3),
		                      .descending = roll(story, 2), .from = (int64_t)roll(story, 20) - 10, .to = (int64_t)roll(story, 30) - 5 };
	if (roll(story, 3) == 0)
		query.range.before_us = story->now_us - roll(story, 50000);
	CHECK(!suite_ask(&story->suite, &query));
	buf_addf(out, "range of %llu:", (unsigned long long)story->suite.answer.count);
	for (uint32_t i = 0; i < story->suite.answer.job_count; i++) {
		const struct job_view *view = &story->suite.answer.jobs[i];
		buf_addf(out, " %llu '" STR_FMT "'", (unsigned long long)view->row.uid, STR_ARG(view->definition.id));
		for (uint32_t n = 0; n < view->error_count; n++)
			buf_addf(out, " " STR_FMT, STR_ARG(view->errors[n]));
	}
	buf_addf(out, "\n");
}

static void story_look(struct story *story, struct buf *out)
{
	struct suite *suite = &story->suite;
	suite_dump(suite, out);
	for (uint32_t i = 0; i < story->job_count; i++) {
		const struct job_view *view = suite_view(suite, story->jobs[i].uid);
		CHECK((view != NULL) == (story->jobs[i].table != TABLE_NONE));
		if (!view)
			continue;
		text_of_view(out, view);
		struct query query = { .kind = QUERY_DEFINITIONS, .uids = &story->jobs[i].uid, .uid_count = 1 };
		CHECK(!suite_ask(suite, &query));
		text_of_view(out, &suite->answer.jobs[0]);
		query.kind = QUERY_ATTEMPTS;
		CHECK(!suite_ask(suite, &query));
		for (uint32_t k = 0; k < suite->answer.attempt_count; k++)
			buf_addf(out, "attempt %u " STR_FMT "\n", suite->answer.attempts[k].number, STR_ARG(suite->answer.attempts[k].error));
		query.kind = QUERY_LOGS;
		CHECK(!suite_ask(suite, &query));
		for (uint32_t k = 0; k < suite->answer.log_count; k++)
			buf_addf(out, "log " STR_FMT "\n", STR_ARG(suite->answer.logs[k].line));
	}
	CHECK(!suite_ask(suite, &(struct query){ .kind = QUERY_METRICS, .queue = STR("q1") }));
	buf_addf(out, "metrics of %llu, %llu:", (unsigned long long)suite->answer.ended[JOB_COMPLETED],
	         (unsigned long long)suite->answer.ended[JOB_FAILED]);
	for (uint32_t i = 0; i < suite->answer.metric_count; i++)
		buf_addf(out, " %lld=%llu", (long long)suite->answer.metrics[i].minute, (unsigned long long)suite->answer.metrics[i].completed);
	buf_addf(out, "\n");
	CHECK(!suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS }));
	buf_addf(out, "events from %llu:", (unsigned long long)suite->answer.first_event_seq);
	for (uint32_t i = 0; i < suite->answer.event_count; i++)
		buf_addf(out, " %llu/%u", (unsigned long long)suite->answer.events[i].seq, suite->answer.events[i].queue);
	buf_addf(out, "\n");
}

void conformance_tell(struct factory *factory, uint64_t seed, uint32_t steps, struct buf *out)
{
	struct story *story = calloc(1, sizeof(*story));
	CHECK(story);
	story->dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	story->now_us = INT64_C(1767225600000000);
	suite_open(&story->suite, factory);
	for (uint32_t step = 1; step <= steps; step++) {
		story_step(story);
		if (step % 10 == 0)
			for (int i = 0; i < 5; i++)
				story_ask(story, out);
		if (step % 5 == 0)
			for (int i = 0; i < 8; i++)
				story_ask_range(story, out);
		if (step % 25 == 0)
			suite_restart(&story->suite);
	}
	story_look(story, out);
	CHECK(buf_ok(out));
	suite_close(&story->suite);
	free(story);
}
