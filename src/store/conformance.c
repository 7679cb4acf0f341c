#include "store/conformance.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/uid.h"
#include "store/conformance_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR_US INT64_C(3600000000)
#define BASE_US INT64_C(1767225600000000) /* 2026-01-01 */

static struct factory *the_factory;

static int set_up(void **state)
{
	static struct suite suite;
	suite_open(&suite, the_factory);
	*state = &suite;
	return 0;
}

static int tear_down(void **state)
{
	suite_close(*state);
	return 0;
}

/* ---- taking ---- */

static void take_gives_a_higher_term_each_time(void **state)
{
	struct suite *suite = *state;
	uint64_t term = suite->meta.term;
	assert_true(term > 0);
	assert_int_equal(suite->meta.commit_seq, 0);
	assert_int_equal(suite->meta.next_body, 1);
	suite_restart(suite);
	assert_true(suite->meta.term > term);
}

static void take_tells_where_the_store_stands(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	cs->engine_us = 123456789;
	cs->last_uid = 77;
	cs->next_body = 5;
	suite_queue(suite, 9, "default", "short-lived");
	suite_commit(suite);
	cs = suite_begin(suite);
	cs->engine_us = 123456789;
	*change_add(cs, dropped_queues) = 9;
	suite_commit(suite);
	suite_restart(suite);
	assert_int_equal(suite->meta.commit_seq, 2);
	assert_int_equal(suite->meta.last_queue, 9);
	assert_int_equal(suite->meta.engine_us, 123456789);
	assert_int_equal(suite->meta.last_uid, 77);
	assert_int_equal(suite->meta.next_body, 5);
	assert_true(suite->meta.created_us > 0);
}

/* ---- jobs ---- */

static void a_new_job_can_be_read_whole(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 3, "default", "mail");
	struct job_write *write = suite_job(suite, TABLE_NONE, TABLE_LIVE, 1001, 3);
	struct job_definition *definition = suite_definition(suite, write, "sheet-17");
	definition->name = STR("send");
	definition->group = write->row.group = STR("acme");
	definition->tags = STR("[\"a\",\"b\"]");
	definition->trace = STR("{\"traceparent\":\"00\"}");
	definition->target = STR("{\"url\":\"http://x\"}");
	definition->chain = STR("nightly");
	definition->metadata = STR("{\"opts\": {\"attempts\":3}}");
	write->row.label = STR("sheet-17");
	write->row.deferred = STR("it is no use");
	definition->priority = write->row.priority = -3;
	definition->policy = write->row.policy = 2;
	definition->timeout_ms = 500;
	definition->ttl_ms = 900;
	definition->payload = STR("{\"caf\xc3\xa9\": 1}");
	definition->payload_bytes = definition->payload.len;
	write->row.state = JOB_DELAYED;
	write->row.flags = ROW_DUE_WALL | ROW_LIFO;
	write->row.due_us = 99;
	write->row.rank = -5;
	write->row.fence = UINT64_C(0xfedcba9876543210);
	write->row.lease_token = UINT64_MAX;
	suite_commit(suite);
	char expected[4096];
	struct buf text;
	buf_init(&text, 1 << 20);
	struct job_view wanted = { .definition = *definition, .row = write->row, .queue_name = STR("mail"), .namespace_name = STR("default") };
	text_of_view(&text, &wanted);
	snprintf(expected, sizeof(expected), STR_FMT, STR_ARG(buf_str(&text)));
	buf_clear(&text);
	const struct job_view *view = suite_view(suite, 1001);
	assert_non_null(view);
	assert_int_equal(suite->answer.seq, 1);
	text_of_view(&text, view);
	assert_text(buf_str(&text), expected);
	buf_fini(&text);
	struct job_row row;
	assert_true(suite_load(suite, 1001, &row));
	assert_int_equal(row.fence, UINT64_C(0xfedcba9876543210));
	assert_int_equal(row.lease_token, UINT64_MAX);
	assert_int_equal(row.priority, -3);
	assert_text(row.group, "acme");
	assert_text(row.label, "sheet-17");
	assert_text(row.deferred, "it is no use");
	assert_false(suite_load(suite, 1002, &row));
	uint64_t uid = 1001;
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_JOB, .uids = &uid, .uid_count = 1, .with_result = true }));
	assert_text(suite->answer.jobs[0].definition.metadata, ""); /* it comes where the payload comes */
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_DEFINITIONS, .uids = &uid, .uid_count = 1 }));
	assert_text(suite->answer.jobs[0].definition.metadata, "{\"opts\": {\"attempts\":3}}");
	assert_null(suite_view(suite, 1002));
}

static void a_job_goes_from_live_to_done_and_back(void **state)
{
	struct suite *suite = *state;
	struct job_row row;
	suite_begin(suite);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 5, 1), NULL);
	suite_commit(suite);
	suite_begin(suite);
	struct job_write *write = suite_job(suite, TABLE_LIVE, TABLE_LIVE, 5, 1);
	write->row.state = JOB_ACTIVE;
	write->row.worker = STR("w1");
	write->row.attempts_started = 1;
	write->row.lease_ms = 30000;
	suite_commit(suite);
	assert_true(suite_load(suite, 5, &row));
	assert_int_equal(row.state, JOB_ACTIVE);
	assert_text(row.worker, "w1");
	assert_int_equal(row.version, 2);

	suite_begin(suite);
	write = suite_job(suite, TABLE_LIVE, TABLE_DONE, 5, 1);
	suite_result(suite, write, "{\"ok\":true}", "");
	suite_commit(suite);
	assert_true(suite_load(suite, 5, &row));
	assert_int_equal(row.state, JOB_COMPLETED);
	assert_text(suite_view(suite, 5)->result.result, "{\"ok\":true}");
	assert_int_equal(suite_view(suite, 5)->result.result_bytes, 11);

	suite_begin(suite); /* final, changed, the result kept */
	write = suite_job(suite, TABLE_DONE, TABLE_DONE, 5, 1);
	write->row.flags = ROW_CANCEL;
	suite_commit(suite);
	assert_text(suite_view(suite, 5)->result.result, "{\"ok\":true}");
	assert_int_equal(suite_view(suite, 5)->row.flags, ROW_CANCEL);
	suite_begin(suite); /* replaced */
	write = suite_job(suite, TABLE_DONE, TABLE_DONE, 5, 1);
	write->row.state = JOB_FAILED;
	suite_result(suite, write, "", "{\"type\":\"boom\"}");
	suite_commit(suite);
	assert_text(suite_view(suite, 5)->result.result, "");
	assert_text(suite_view(suite, 5)->result.error, "{\"type\":\"boom\"}");

	suite_begin(suite); /* retried */
	suite_job(suite, TABLE_DONE, TABLE_LIVE, 5, 1);
	suite_commit(suite);
	assert_true(suite_load(suite, 5, &row));
	assert_int_equal(row.state, JOB_WAITING);
	assert_text(suite_view(suite, 5)->result.error, "");
	suite_begin(suite);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_DONE, 6, 1), "once");
	suite_commit(suite);
	assert_int_equal(suite_view(suite, 6)->row.state, JOB_COMPLETED);
}

static void add_side_rows(struct suite *suite, uint64_t uid)
{
	struct attempt_row *attempt = change_add(&suite->cs, attempts);
	struct log_row *log = change_add(&suite->cs, logs);
	struct progress_row *progress = change_add(&suite->cs, progress);
	assert_true(attempt && log && progress);
	*attempt = (struct attempt_row){ .uid = uid, .number = 1, .fence = 9, .started_us = 1, .finished_us = 2, .next = JOB_DELAYED, .retry_us = 3,
		                         .worker = STR("w"), .error = STR("{\"type\":\"x\"}"), .exchange = STR("{\"status\":503}") };
	*log = (struct log_row){ uid, 1, 5, STR("hello") };
	*progress = (struct progress_row){ uid, 6, STR("{\"percent\":50}") };
}

static enum err ask_about(struct suite *suite, enum query_kind kind, uint64_t uid)
{
	return suite_ask(suite, &(struct query){ .kind = kind, .uids = &uid, .uid_count = 1 });
}

static void a_deleted_job_takes_all_with_it(void **state)
{
	struct suite *suite = *state;
	enum job_table tables[] = { TABLE_LIVE, TABLE_DONE };
	for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
		suite_begin(suite);
		suite_definition(suite, suite_job(suite, TABLE_NONE, tables[i], 8, 1), "same");
		add_side_rows(suite, 8);
		suite_commit(suite);
		assert_ok(ask_about(suite, QUERY_ATTEMPTS, 8));
		assert_int_equal(suite->answer.attempt_count, 1);
		assert_text(suite->answer.attempts[0].exchange, "{\"status\":503}");
		assert_int_equal(suite->answer.attempts[0].fence, 9);
		assert_ok(ask_about(suite, QUERY_LOGS, 8));
		assert_int_equal(suite->answer.log_count, 1);
		assert_text(suite->answer.logs[0].line, "hello");
		assert_text(suite_view(suite, 8)->progress, "{\"percent\":50}");
		suite_begin(suite);
		suite_job(suite, tables[i], TABLE_NONE, 8, 1);
		add_side_rows(suite, 8); /* in the same change-set: they go, too */
		suite_commit(suite);
		assert_null(suite_view(suite, 8));
		assert_err(ask_about(suite, QUERY_ATTEMPTS, 8), E_JOB_NOT_FOUND);
		assert_err(ask_about(suite, QUERY_LOGS, 8), E_JOB_NOT_FOUND);
	}
	suite_begin(suite);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 8, 1), NULL);
	suite_commit(suite);
	assert_ok(ask_about(suite, QUERY_ATTEMPTS, 8));
	assert_int_equal(suite->answer.attempt_count, 0);
	assert_ok(ask_about(suite, QUERY_LOGS, 8));
	assert_int_equal(suite->answer.log_count, 0);
	assert_text(suite_view(suite, 8)->progress, "");
	suite_begin(suite);
	suite_job(suite, TABLE_NONE, TABLE_NONE, 9, 1); /* came and went in one batch */
	add_side_rows(suite, 9);
	suite_commit(suite);
	assert_null(suite_view(suite, 9));
}

/* ---- keys ---- */

static uint64_t load_key(struct suite *suite, uint32_t queue, const char *id)
{
	struct load_key key = { queue, str_of(id) };
	struct load load = { .keys = &key, .key_count = 1 };
	arena_reset(&suite->arena);
	assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
	return load.key_uids[0];
}

static void keys_are_unique_over_live_and_done(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "a");
	suite_queue(suite, 2, "default", "b");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), "k");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_DONE, 2, 2), "k"); /* another queue's */
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 3, 1), NULL);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 4, 1), NULL); /* no id: as many as you like */
	suite_commit(suite);
	assert_int_equal(load_key(suite, 1, "k"), 1);
	assert_int_equal(load_key(suite, 2, "k"), 2);
	assert_int_equal(load_key(suite, 3, "k"), 0);
	assert_int_equal(load_key(suite, 1, "K"), 0);
	enum job_table holder[] = { TABLE_LIVE, TABLE_DONE };
	for (uint32_t queue = 1; queue <= 2; queue++) {
		suite_begin(suite);
		suite_queue(suite, 9, "default", "never");
		suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 50, queue), "k");
		assert_err(suite_try(suite), E_CONFLICT);
		suite_begin(suite); /* freed and taken again at once */
		suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 10 + queue, queue), "k");
		suite_job(suite, holder[queue - 1], TABLE_NONE, queue, queue);
		suite_commit(suite);
		assert_int_equal(load_key(suite, queue, "k"), 10 + queue);
	}
	suite_begin(suite);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 60, 1), "twin");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 61, 1), "twin");
	assert_err(suite_try(suite), E_CONFLICT);
	assert_null(suite_view(suite, 60));
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_JOB, .queue = STR("never"), .id = STR("k") }), E_QUEUE_NOT_FOUND);
}

static void rows_must_be_where_the_change_set_says(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), NULL);
	suite_commit(suite);
	struct {
		enum job_table before, after;
		uint64_t uid;
	} wrong[] = { { TABLE_LIVE, TABLE_LIVE, 2 }, { TABLE_LIVE, TABLE_DONE, 2 }, { TABLE_DONE, TABLE_LIVE, 1 }, { TABLE_DONE, TABLE_NONE, 1 },
		      { TABLE_LIVE, TABLE_NONE, 2 }, { TABLE_DONE, TABLE_DONE, 1 }, { TABLE_NONE, TABLE_LIVE, 1 } };
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		suite_begin(suite);
		struct job_write *write = suite_job(suite, wrong[i].before, wrong[i].after, wrong[i].uid, 1);
		if (wrong[i].before == TABLE_NONE)
			suite_definition(suite, write, NULL);
		assert_err(suite_try(suite), E_CONFLICT);
	}
	assert_non_null(suite_view(suite, 1));
	assert_int_equal(suite->answer.seq, 1);
}

/* ---- far jobs ---- */

static void add_far(struct suite *suite, enum job_table before, uint64_t uid, uint32_t queue, uint32_t flags, int64_t due_us)
{
	struct job_write *write = suite_job(suite, before, TABLE_LIVE, uid, queue);
	if (before == TABLE_NONE)
		suite_definition(suite, write, NULL);
	write->row.state = JOB_DELAYED;
	write->row.flags = flags;
	write->row.due_us = due_us;
	write->row.group = STR("g");
	write->row.priority = (int32_t)uid;
}

/* The uids of a page as text, with a + when there may be more. */
static void far_is(struct suite *suite, struct far_page page, const char *expected)
{
	char text[256];
	size_t len = 0;
	arena_reset(&suite->arena);
	assert_ok(suite->store->verbs->far(suite->store, &page, &suite->arena));
	for (uint32_t i = 0; i < page.count; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%llu ", (unsigned long long)page.rows[i].uid);
		assert_int_equal(page.rows[i].state, JOB_DELAYED);
		assert_int_equal(page.rows[i].queue, page.queue);
		assert_int_equal(page.rows[i].priority, page.rows[i].uid);
		assert_text(page.rows[i].group, "g");
	}
	snprintf(text + len, sizeof(text) - len, "%s", page.more ? "+" : "");
	assert_string_equal(text, expected);
}

static void far_jobs_come_in_order_and_pages(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	suite_queue(suite, 2, "default", "other");
	add_far(suite, TABLE_NONE, 1, 1, ROW_FAR, 300);
	add_far(suite, TABLE_NONE, 2, 1, ROW_FAR | ROW_LIFO, 100);
	add_far(suite, TABLE_NONE, 3, 1, ROW_FAR, 200);
	add_far(suite, TABLE_NONE, 4, 1, ROW_FAR, 200);
	add_far(suite, TABLE_NONE, 5, 1, ROW_FAR, 200);
	add_far(suite, TABLE_NONE, 6, 1, 0, 150); /* near */
	add_far(suite, TABLE_NONE, 7, 1, ROW_FAR | ROW_DUE_WALL, 120);
	add_far(suite, TABLE_NONE, 8, 2, ROW_FAR, 110);
	suite_commit(suite);
	struct far_page page = { .queue = 1, .after_us = INT64_MIN, .up_to_us = INT64_MAX, .max = 10 };
	far_is(suite, page, "2 3 4 5 1 ");
	far_is(suite, (struct far_page){ .queue = 1, .wall = true, .after_us = INT64_MIN, .up_to_us = INT64_MAX, .max = 10 }, "7 ");
	far_is(suite, (struct far_page){ .queue = 2, .after_us = INT64_MIN, .up_to_us = INT64_MAX, .max = 10 }, "8 ");
	far_is(suite, (struct far_page){ .queue = 3, .after_us = INT64_MIN, .up_to_us = INT64_MAX, .max = 10 }, "");
	page.max = 3;
	far_is(suite, page, "2 3 4 +");
	page.after_us = 200; /* among equals */
	page.after_uid = 3;
	far_is(suite, page, "4 5 1 ");
	page.after_uid = 5;
	far_is(suite, page, "1 ");
	page.after_uid = INT64_MAX;
	far_is(suite, page, "1 ");
	page.after_us = INT64_MIN; /* the first that is due later is the last one */
	page.up_to_us = 50;
	page.max = 10;
	far_is(suite, page, "2 +");
	page.up_to_us = 100;
	far_is(suite, page, "2 3 +");
	page.up_to_us = 300;
	far_is(suite, page, "2 3 4 5 1 ");

	suite_begin(suite);
	suite_job(suite, TABLE_LIVE, TABLE_LIVE, 2, 1);                     /* waits */
	add_far(suite, TABLE_LIVE, 3, 2, ROW_FAR, 200);                    /* moved */
	add_far(suite, TABLE_LIVE, 6, 1, ROW_FAR, 150);                    /* far now */
	suite_job(suite, TABLE_LIVE, TABLE_NONE, 4, 1);                    /* deleted */
	suite_result(suite, suite_job(suite, TABLE_LIVE, TABLE_DONE, 1, 1), "", ""); /* ended */
	suite_commit(suite);
	far_is(suite, page, "6 5 ");
	far_is(suite, (struct far_page){ .queue = 2, .after_us = INT64_MIN, .up_to_us = INT64_MAX, .max = 10 }, "8 3 ");
}

struct far_seen {
	char far[128], whole[128];
};

static enum err see_far(void *context, const struct job_row *row, bool *whole)
{
	struct far_seen *seen = context;
	size_t len = strlen(seen->far);
	assert_int_equal(row->state, JOB_DELAYED);
	snprintf(seen->far + len, sizeof(seen->far) - len, "%llu/%u/%u/%d/%lld ", (unsigned long long)row->uid, row->queue, row->flags, row->priority,
	         (long long)row->due_us);
	*whole = row->due_us < 100;
	return E_OK;
}

static enum err see_whole(void *context, const struct job_row *row)
{
	struct far_seen *seen = context;
	size_t len = strlen(seen->whole);
	assert_true(row->queue != 1 || row->state != JOB_DELAYED || str_eq(row->group, STR("g")));
	snprintf(seen->whole + len, sizeof(seen->whole) - len, "%llu ", (unsigned long long)row->uid);
	return E_OK;
}

static enum err see_queue(void *context, const struct queue_row *row)
{
	(void)context;
	(void)row;
	return E_OK;
}

static void a_scan_asks_before_it_tells_of_far_jobs(void **state)
{
	struct suite *suite = *state;
	struct far_seen seen = { "", "" };
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), NULL);
	add_far(suite, TABLE_NONE, 2, 1, ROW_FAR | ROW_DUE_WALL, 200);
	add_far(suite, TABLE_NONE, 3, 1, ROW_FAR, 50);
	add_far(suite, TABLE_NONE, 4, 1, 0, 500);
	suite_commit(suite);
	struct scan_visitor visitor = { .context = &seen, .queue = see_queue, .job = see_whole, .far = see_far };
	assert_ok(suite->store->verbs->scan(suite->store, &visitor));
	assert_string_equal(seen.far, "2/1/129/2/200 3/1/128/3/50 ");
	assert_string_equal(seen.whole, "1 3 4 ");
	seen = (struct far_seen){ "", "" };
	visitor.far = NULL;
	assert_ok(suite->store->verbs->scan(suite->store, &visitor));
	assert_string_equal(seen.whole, "1 2 3 4 ");
}

/* ---- bodies ---- */

static void add_chunk(struct suite *suite, uint64_t number, uint32_t index, const char *bytes)
{
	struct body_chunk *chunk = change_add(&suite->cs, chunks);
	assert_non_null(chunk);
	*chunk = (struct body_chunk){ number, index, suite_text(suite, "%s", bytes) };
}

static void add_number(struct suite *suite, void *list, uint64_t number)
{
	CHANGE_LIST(uint64_t) *numbers = list;
	uint64_t *item = changeset_grow(&suite->cs.arena, (void **)&numbers->items, &numbers->count, &numbers->capacity, sizeof(*item));
	assert_non_null(item);
	*item = number;
}

static void stage_and_reference(struct suite *suite) /* job 1, whose payload is body 1, in two chunks */
{
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	add_chunk(suite, 1, 0, "[\"first ");
	add_number(suite, &suite->cs.staged, 1);
	suite->cs.next_body = 2;
	suite_commit(suite);
	suite_begin(suite);
	add_chunk(suite, 1, 1, "second\"]");
	add_number(suite, &suite->cs.staged, 1);
	struct job_definition *definition = suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), NULL);
	definition->payload = STR("");
	definition->payload_body = 1;
	definition->payload_bytes = 16;
	add_number(suite, &suite->cs.unstaged, 1);
	suite_commit(suite);
}

static void large_payloads_are_staged_then_referenced(void **state)
{
	struct suite *suite = *state;
	stage_and_reference(suite);
	/* In doubt the suite takes the shard again, which sweeps what was staged: such a change-set is never tried again by an engine. */
	for (uint64_t doubts = 0; suite->unknown > doubts;) {
		doubts = suite->unknown;
		suite_begin(suite);
		suite_job(suite, TABLE_LIVE, TABLE_NONE, 1, 1);
		suite_commit(suite);
		stage_and_reference(suite);
	}
	assert_text(suite_view(suite, 1)->definition.payload, "[\"first second\"]");
	suite_restart(suite); /* sweeps what is staged: not this one */
	assert_text(suite_view(suite, 1)->definition.payload, "[\"first second\"]");

	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_DEFINITIONS, .uids = (uint64_t[]){ 1 }, .uid_count = 1 }));
	assert_text(suite->answer.jobs[0].queue_name, "q");

	suite_begin(suite); /* edited, and a large result */
	add_chunk(suite, 2, 0, "edited");
	struct job_write *write = suite_job(suite, TABLE_LIVE, TABLE_DONE, 1, 1);
	write->row.flags = ROW_EDITED;
	write->row.edited_body = 2;
	add_chunk(suite, 3, 0, "result");
	struct job_result *result = suite_result(suite, write, "", "");
	result->result_body = 3;
	result->result_bytes = 6;
	suite_commit(suite);
	uint64_t uids[] = { 1, 77 };
	assert_text(suite_view(suite, 1)->result.result, "result");
	assert_text(suite->answer.jobs[0].edited_payload, "edited");
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = 2 }));
	assert_int_equal(suite->answer.job_count, 2);
	assert_text(suite->answer.jobs[0].definition.payload, "[\"first second\"]");
	assert_text(suite->answer.jobs[0].edited_payload, "edited");
	assert_text(suite->answer.jobs[0].queue_name, "q"); /* tokens are judged by it, deliveries send it */
	assert_int_equal(suite->answer.jobs[1].definition.uid, 0);
	suite_begin(suite);
	write = suite_job(suite, TABLE_DONE, TABLE_LIVE, 1, 1);
	write->row.flags = ROW_EDITED;
	write->row.edited_body = 2;
	suite_commit(suite);
	suite_begin(suite); /* a dropped body reads as empty; body 3 went with the result */
	add_number(suite, &suite->cs.dropped_bodies, 2);
	write = suite_job(suite, TABLE_LIVE, TABLE_DONE, 1, 1);
	write->row.flags = ROW_EDITED;
	write->row.edited_body = 2;
	result = suite_result(suite, write, "", "");
	result->result_body = 3;
	result->result_bytes = 6;
	suite_commit(suite);
	assert_text(suite_view(suite, 1)->edited_payload, "");
	assert_text(suite->answer.jobs[0].result.result, "");
}

static void bodies_that_nothing_references_are_swept(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	add_chunk(suite, 1, 0, "orphan");
	add_number(suite, &suite->cs.staged, 1);
	suite_commit(suite);
	struct problem problem;
	assert_ok(suite->store->verbs->reopen(suite->store, &problem));
	assert_ok(suite->store->verbs->take(suite->store, &suite->meta));
	suite_begin(suite);
	struct job_definition *definition = suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), NULL);
	definition->payload = STR("");
	definition->payload_body = 1;
	suite_commit(suite);
	assert_text(suite_view(suite, 1)->definition.payload, "");
}

static void a_job_that_finishes(struct suite *suite, uint64_t uid, bool with_bodies)
{
	struct job_write *write = suite_job(suite, TABLE_NONE, TABLE_DONE, uid, 1);
	struct job_definition *definition = suite_definition(suite, write, NULL);
	struct job_result *result = suite_result(suite, write, "", "");
	write->row.state = JOB_COMPLETED;
	write->row.finished_us = 10;
	definition->payload = STR("");
	definition->payload_body = 1;
	write->row.flags = ROW_EDITED;
	write->row.edited_body = 2;
	result->result_body = 3;
	for (uint64_t number = 1; with_bodies && number <= 3; number++)
		add_chunk(suite, number, 0, "body");
}

/* Bodies go with their job, by a deletion and by a range alike: the next one that names them finds nothing. */
static void bodies_go_with_their_job(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	suite_commit(suite);
	for (uint64_t uid = 1; uid <= 4; uid += 2) {
		suite_begin(suite);
		a_job_that_finishes(suite, uid, true);
		suite_commit(suite);
		assert_text(suite_view(suite, uid)->definition.payload, "body");
		suite_begin(suite);
		if (uid == 1) {
			struct range_delete *range = change_add(&suite->cs, ranges);
			assert_non_null(range);
			*range = (struct range_delete){ .queue = 1, .state = JOB_COMPLETED, .up_to_us = 10, .up_to_uid = uid };
		} else {
			suite_job(suite, TABLE_DONE, TABLE_NONE, uid, 1);
		}
		suite_commit(suite);
		assert_null(suite_view(suite, uid));
		suite_begin(suite);
		a_job_that_finishes(suite, uid + 1, false);
		suite_commit(suite);
		const struct job_view *view = suite_view(suite, uid + 1);
		assert_text(view->definition.payload, "");
		assert_text(view->edited_payload, "");
		assert_text(view->result.result, "");
	}
}

/* ---- retention ---- */

static void nth_final(struct suite *suite, uint32_t n, int64_t us, uint64_t uid, uint64_t bytes)
{
	int64_t got_us;
	uint64_t got_uid, got_bytes;
	assert_ok(suite->store->verbs->nth_final(suite->store, 1, JOB_COMPLETED, n, &got_us, &got_uid, &got_bytes));
	assert_int_equal(got_uid, uid);
	assert_int_equal(got_us, us);
	assert_int_equal(got_bytes, bytes);
}

static enum err keep_counts(void *context, const struct queue_counts *counts)
{
	if (counts->queue == 1)
		*(struct queue_counts *)context = *counts;
	return E_OK;
}
static enum err ignore_queue(void *context, const struct queue_row *row)
{
	(void)context, (void)row;
	return E_OK;
}
static enum err ignore_job(void *context, const struct job_row *row)
{
	(void)context, (void)row;
	return E_OK;
}
static struct queue_counts read_counts(struct suite *suite)
{
	struct queue_counts counts = { 0 };
	struct scan_visitor visitor = { .context = &counts, .queue = ignore_queue, .counts = keep_counts, .job = ignore_job };
	assert_ok(suite->store->verbs->scan(suite->store, &visitor));
	return counts;
}

static void ranges_remove_the_oldest_final_jobs(void **state)
{
	struct suite *suite = *state;
	/* uid → finish: 1→30 2→10 3→20 4→20 5→20; a failed one, one of another queue, a live one */
	const int64_t finished[] = { 30, 10, 20, 20, 20, 5, 5 };
	suite_begin(suite);
	for (uint64_t uid = 1; uid <= 7; uid++) {
		struct job_write *write = suite_job(suite, TABLE_NONE, TABLE_DONE, uid, uid == 7 ? 2 : 1);
		suite_definition(suite, write, suite_text(suite, "id-%d", (int)uid).ptr);
		write->row.finished_us = finished[uid - 1];
		write->row.bytes = uid * 10;
		if (uid == 6)
			write->row.state = JOB_FAILED;
		add_side_rows(suite, uid);
	}
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 8, 1), NULL);
	suite_counts(suite, 1, JOB_COMPLETED, 5, 150);
	suite_counts(suite, 1, JOB_FAILED, 1, 60);
	suite_counts(suite, 2, JOB_COMPLETED, 1, 70);
	suite_commit(suite);
	nth_final(suite, 1, 10, 2, 20);
	nth_final(suite, 3, 20, 4, 20 + 30 + 40);
	nth_final(suite, 5, 30, 1, 150);
	nth_final(suite, 6, 0, 0, 0);
	suite_begin(suite);
	struct range_delete *range = change_add(&suite->cs, ranges);
	*range = (struct range_delete){ .queue = 1, .state = JOB_COMPLETED, .up_to_us = 20, .up_to_uid = 4 };
	suite_commit(suite);
	assert_int_equal(range->removed, 3);
	assert_int_equal(range->removed_bytes, 90);
	for (uint64_t uid = 1; uid <= 8; uid++)
		assert_int_equal(suite_view(suite, uid) == NULL, uid >= 2 && uid <= 4);
	assert_int_equal(load_key(suite, 1, "id-3"), 0);
	assert_int_equal(load_key(suite, 1, "id-5"), 5);
	struct queue_counts counts = read_counts(suite);
	assert_int_equal(counts.final[JOB_COMPLETED], 2);
	assert_int_equal(counts.final_bytes[JOB_COMPLETED], 60);
	assert_int_equal(counts.final[JOB_FAILED], 1);
	assert_int_equal(counts.ended[JOB_COMPLETED], 5);
	suite_begin(suite); /* in one change-set: a job leaves by a retry, another becomes final within the range */
	suite_job(suite, TABLE_DONE, TABLE_LIVE, 5, 1);
	suite_job(suite, TABLE_LIVE, TABLE_DONE, 8, 1)->row.finished_us = 25;
	suite_counts(suite, 1, JOB_COMPLETED, 0, 0);
	range = change_add(&suite->cs, ranges);
	*range = (struct range_delete){ .queue = 1, .state = JOB_COMPLETED, .up_to_us = 30, .up_to_uid = 0 };
	suite_commit(suite);
	assert_int_equal(range->removed, 1);
	assert_non_null(suite_view(suite, 5));
	assert_non_null(suite_view(suite, 1));
	assert_null(suite_view(suite, 8));
}

/* ---- the small tables ---- */

static void small_rows_are_put_replaced_and_dropped(void **state)
{
	struct suite *suite = *state;
	for (int round = 0; round < 2; round++) {
		struct changeset *cs = suite_begin(suite);
		suite_queue(suite, 1, "default", round ? "renamed" : "one");
		suite_queue(suite, 2, "other", "one");
		cs->queues.items[0].paused = round;
		*change_add(cs, groups) = (struct group_row){ 1, STR("g'1"), round ? STR("{}") : STR("{\"concurrency\":2}"), !round };
		*change_add(cs, groups) = (struct group_row){ 2, STR("g'1"), STR(""), true };
		*change_add(cs, policies) = (struct policy_row){ 4, round ? STR("{\"b\":1}") : STR("{\"a\":1}") };
		*change_add(cs, tokens) = (struct token_row){ 7, STR("ci"), STR("0123456789abcdef0123456789abcde\0"), STR("rch_ab12"),
			                                      STR("enqueue read"), STR("[\"one\"]"), 5, 6, round };
		*change_add(cs, operations) = (struct operation_row){ 9, STR("retry"), STR("{}"), STR("{\"queue\":\"one\"}"), 3, 4, 1, 10, 11, 12,
			                                              round ? OPERATION_PAUSED : OPERATION_RUNNING, 8, 0 };
		*change_add(cs, operations) = (struct operation_row){ .number = 10, .action = STR("cancel"), .state = OPERATION_DONE };
		suite_commit(suite);
	}
	struct buf text;
	buf_init(&text, 1 << 20);
	suite_dump(suite, &text);
	assert_text(buf_str(&text),
	            "queue number=1 namespace_name='default' name='renamed' settings='{\"lease_ms\":1}' paused=1 created_us=2007 version=2 blocked_us=0\n"
	            "queue number=2 namespace_name='other' name='one' settings='{\"lease_ms\":2}' paused=0 created_us=2007 version=2 blocked_us=0\n"
	            "group queue=1 key='g'1' settings='{}' paused=0 blocked_us=0\n"
	            "group queue=2 key='g'1' settings='' paused=1 blocked_us=0\n"
	            "policy number=4 json='{\"b\":1}'\n"
	            "token number=7 name='ci' hash='0123456789abcdef0123456789abcde' prefix='rch_ab12' scopes='enqueue read' queues='[\"one\"]'"
	            " created_us=5 expires_us=6 revoked_us=1\n"
	            "operation number=9 action='retry' arguments='{}' filter='{\"queue\":\"one\"}' as_of=3 cursor_uid=4 cursor_phase=1 done=10"
	            " skipped=11 failed=12 state=1 created_us=8 finished_us=0\n");
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_OPERATIONS, .limit = 1 })); /* newest first, finished ones too */
	assert_int_equal(suite->answer.operation_count, 1);
	assert_int_equal(suite->answer.operations[0].number, 10);
	struct str cursor = suite_text(suite, STR_FMT, STR_ARG(suite->answer.next_cursor));
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_OPERATIONS, .limit = 1, .cursor = cursor }));
	assert_int_equal(suite->answer.operations[0].number, 9);
	assert_int_equal(suite->answer.next_cursor.len, 0);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_TOKENS }));
	assert_int_equal(suite->answer.token_count, 1);
	assert_int_equal(suite->answer.tokens[0].hash.len, 32);
	assert_int_equal(suite->answer.tokens[0].hash.ptr[31], 0);

	suite_begin(suite); /* a queue goes with its groups and counts; its name is free at once */
	suite_counts(suite, 1, JOB_FAILED, 1, 1);
	*change_add(&suite->cs, dropped_queues) = 1;
	suite_queue(suite, 3, "default", "renamed");
	*change_add(&suite->cs, groups) = (struct group_row){ 2, STR("g'1"), STR("{}"), true };
	*change_add(&suite->cs, groups) = (struct group_row){ .queue = 2, .key = STR("g'1"), .gone = true }; /* of one key the last counts */
	suite_commit(suite);
	buf_clear(&text);
	suite_dump(suite, &text);
	buf_add_byte(&text, '\0');
	assert_null(strstr(text.ptr, "group"));
	assert_null(strstr(text.ptr, "counts"));
	assert_null(strstr(text.ptr, "number=1 "));
	assert_non_null(strstr(text.ptr, "number=3 namespace_name='default' name='renamed'"));
	buf_fini(&text);
}

static void limits_are_put_replaced_and_dropped_with_their_permits(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	*change_add(cs, budgets) = (struct budget_row){ 1, STR("default"), STR("air'table"), STR("{\"concurrency\":5}"), 0 };
	*change_add(cs, budgets) = (struct budget_row){ 2, STR("default"), STR("crm"), STR("{}"), 77 };
	*change_add(cs, budgets) = (struct budget_row){ 3, STR("other"), STR("crm"), STR("{}"), 0 };
	*change_add(cs, permits) = (struct permit_row){ 1, UINT64_MAX - 1, 3, 30000 };
	*change_add(cs, permits) = (struct permit_row){ 1, 7, 1, 30000 };
	*change_add(cs, permits) = (struct permit_row){ 2, 7, 2, 1000 };
	*change_add(cs, permits) = (struct permit_row){ 3, 7, 4, 1000 };
	suite_commit(suite);
	cs = suite_begin(suite); /* of one row the last counts, also after its going */
	*change_add(cs, budgets) = (struct budget_row){ 1, STR("default"), STR("air'table"), STR("{\"concurrency\":6}"), 99 };
	*change_add(cs, budgets) = (struct budget_row){ .number = 2, .gone = true };
	*change_add(cs, budgets) = (struct budget_row){ .number = 9, .gone = true };
	*change_add(cs, permits) = (struct permit_row){ 1, 7, 2, 40000 };
	*change_add(cs, permits) = (struct permit_row){ .budget = 1, .token = UINT64_MAX - 1, .gone = true };
	*change_add(cs, permits) = (struct permit_row){ .budget = 3, .token = 7, .gone = true };
	*change_add(cs, permits) = (struct permit_row){ 3, 7, 5, 2000 };
	suite_commit(suite);
	suite_restart(suite);
	struct buf text;
	buf_init(&text, 1 << 20);
	suite_dump(suite, &text);
	assert_text(buf_str(&text), "budget number=1 namespace_name='default' name='air'table' settings='{\"concurrency\":6}' blocked_us=99\n"
	                            "budget number=3 namespace_name='other' name='crm' settings='{}' blocked_us=0\n"
	                            "permit budget=1 token=7 units=2 lease_ms=40000\npermit budget=3 token=7 units=5 lease_ms=2000\n");
	cs = suite_begin(suite); /* a name may come back under another number */
	*change_add(cs, budgets) = (struct budget_row){ .number = 3, .gone = true };
	*change_add(cs, budgets) = (struct budget_row){ 4, STR("other"), STR("crm"), STR("{}"), 0 };
	suite_commit(suite);
	buf_clear(&text);
	suite_dump(suite, &text);
	assert_text(buf_str(&text), "budget number=1 namespace_name='default' name='air'table' settings='{\"concurrency\":6}' blocked_us=99\n"
	                            "budget number=4 namespace_name='other' name='crm' settings='{}' blocked_us=0\n"
	                            "permit budget=1 token=7 units=2 lease_ms=40000\n");
	buf_fini(&text);
}

static void penalties_stand_with_queues_and_groups(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	suite_queue(suite, 1, "default", "one");
	cs->queues.items[cs->queues.count - 1].blocked_us = 123456;
	*change_add(cs, groups) = (struct group_row){ 1, STR("g"), STR("{}"), false, 654321 };
	suite_commit(suite);
	suite_restart(suite);
	struct buf text;
	buf_init(&text, 1 << 20);
	suite_dump(suite, &text);
	assert_non_null(memmem(text.ptr, text.len, "blocked_us=123456\n", 18));
	assert_non_null(memmem(text.ptr, text.len, "group queue=1 key='g' settings='{}' paused=0 blocked_us=654321\n", 63));
	buf_fini(&text);
}

static void dedup_keys_are_put_replaced_and_dropped(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	suite_queue(suite, 1, "default", "one");
	suite_queue(suite, 2, "default", "two");
	*change_add(cs, dedups) = (struct dedup_row){ 1, STR("sheet'17"), 100, STR("a"), 0, STR(""), 50, 5 };
	*change_add(cs, dedups) = (struct dedup_row){ 1, STR("sheet-18"), 101, STR(""), 102, STR("c"), 0, 6 };
	*change_add(cs, dedups) = (struct dedup_row){ 2, STR("sheet'17"), 103, STR(""), 0, STR(""), 60, 7 };
	suite_commit(suite);
	cs = suite_begin(suite); /* of one key the last counts, also after its going */
	*change_add(cs, dedups) = (struct dedup_row){ .queue = 1, .key = STR("sheet'17"), .gone = true };
	*change_add(cs, dedups) = (struct dedup_row){ 1, STR("sheet'17"), 104, STR("b"), 0, STR(""), 70, 8, DEDUP_LATEST, false };
	*change_add(cs, dedups) = (struct dedup_row){ 1, STR("sheet-18"), 102, STR("c"), 0, STR(""), 0, 9 };
	*change_add(cs, dedups) = (struct dedup_row){ .queue = 1, .key = STR("sheet-18"), .gone = true };
	*change_add(cs, dedups) = (struct dedup_row){ .queue = 1, .key = STR("never"), .gone = true };
	suite_commit(suite);
	suite_restart(suite);
	struct buf text;
	buf_init(&text, 1 << 20);
	suite_dump(suite, &text);
	struct str dedups = str_from(buf_str(&text), (size_t)((char *)memmem(text.ptr, text.len, "dedup", 5) - text.ptr));
	assert_text(dedups, "dedup queue=1 key='sheet'17' owner=104 owner_id='b' next=0 next_id='' until_us=70 since_us=8 flags=1\n"
	                    "dedup queue=2 key='sheet'17' owner=103 owner_id='' next=0 next_id='' until_us=60 since_us=7 flags=0\n");
	cs = suite_begin(suite); /* they go with their queue */
	*change_add(cs, dropped_queues) = 1;
	suite_commit(suite);
	buf_clear(&text);
	suite_dump(suite, &text);
	assert_null(memmem(text.ptr, text.len, "dedup queue=1", 13));
	assert_non_null(memmem(text.ptr, text.len, "dedup queue=2", 13));
	buf_fini(&text);
}

static void edges_are_put_updated_and_dropped(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	suite_queue(suite, 1, "default", "one");
	for (uint64_t uid = 100; uid <= 102; uid++) {
		struct job_write *write = suite_job(suite, TABLE_NONE, TABLE_LIVE, uid, 1);
		suite_definition(suite, write, uid == 100 ? "p" : uid == 101 ? "a" : "b");
		write->row.flags = uid == 100 ? ROW_PARENT : ROW_CHILD;
	}
	*change_add(cs, edges) = (struct edge_row){ 100, 101, EDGE_PENDING, ON_FAILURE_FAIL, 5, 1, STR("a") };
	*change_add(cs, edges) = (struct edge_row){ 100, 102, EDGE_PENDING, ON_FAILURE_HOLD, 6, 1, STR("b") };
	*change_add(cs, edges) = (struct edge_row){ 99, 102, EDGE_PENDING, ON_FAILURE_IGNORE, 7, 1, STR("b") };
	suite_commit(suite);
	cs = suite_begin(suite);
	*change_add(cs, edges) = (struct edge_row){ .parent = 100, .child = 101, .state = EDGE_DONE, .at_us = 8, .value = STR("{\"x\":1}"), .update = true };
	*change_add(cs, edges) = (struct edge_row){ .parent = 98, .child = 101, .state = EDGE_DONE, .at_us = 8, .update = true }; /* never was */
	*change_add(cs, edges) = (struct edge_row){ .parent = 99, .child = 102, .gone = true };
	suite_commit(suite);
	suite_restart(suite);
	struct buf text;
	buf_init(&text, 1 << 20);
	suite_dump(suite, &text);
	struct str edges = str_from(buf_str(&text), (size_t)((char *)memmem(text.ptr, text.len, "edge", 4) - text.ptr));
	assert_text(edges, "edge parent=100 child=102 on_failure=4 at_us=6 queue=1 id='b'\n");
	uint64_t uids[] = { 100 }, children[] = { 101, 102 };
	struct query query = { .kind = QUERY_CHILDREN, .uids = uids, .uid_count = 1, .limit = 1 };
	const struct answer *answer = &suite->answer;
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(answer->child_count, 1);
	assert_int_equal(answer->edge_counts[EDGE_PENDING], 1);
	assert_int_equal(answer->edge_counts[EDGE_DONE], 1);
	assert_int_equal(answer->children[0].edge.child, 101);
	assert_int_equal(answer->children[0].edge.on_failure, ON_FAILURE_FAIL);
	assert_text(answer->children[0].edge.value, "{\"x\":1}");
	assert_text(answer->children[0].edge.id, "a");
	assert_text(answer->children[0].queue_name, "one");
	char cursor[32];
	snprintf(cursor, sizeof(cursor), STR_FMT, STR_ARG(answer->next_cursor));
	query.cursor = str_of(cursor);
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(answer->child_count, 1);
	assert_int_equal(answer->children[0].edge.child, 102);
	assert_int_equal(answer->next_cursor.len, 0);
	query.cursor = STR("");
	query.edge_states = 1u << EDGE_PENDING;
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(answer->children[0].edge.child, 102);
	struct load load = { .children = children, .child_count = 2 };
	assert_int_equal(suite->store->verbs->load(suite->store, &load, &suite->arena), E_OK);
	assert_int_equal(load.edge_count, 2);
	assert_int_equal(load.edges[0].state, EDGE_DONE);
	assert_int_equal(load.edges[1].parent, 100);
	assert_int_equal(load.edges[1].on_failure, ON_FAILURE_HOLD);
	uint64_t parents[] = { 100, 98 };
	struct load below = { .children = children, .child_count = 1, .parents = parents, .parent_count = 2 };
	assert_int_equal(suite->store->verbs->load(suite->store, &below, &suite->arena), E_OK);
	assert_int_equal(below.edge_count, 3); /* above the child, then below the parent */
	uint32_t first = below.edges[1].child == 101 ? 1 : 2;
	assert_int_equal(below.edges[first].child, 101);
	assert_int_equal(below.edges[first].state, EDGE_DONE);
	assert_int_equal(below.edges[3 - first].child, 102);
	suite_begin(suite); /* they go with their parent */
	suite_job(suite, TABLE_LIVE, TABLE_NONE, 100, 1)->row.flags = ROW_PARENT;
	suite_commit(suite);
	assert_int_equal(suite->store->verbs->load(suite->store, &load, &suite->arena), E_OK);
	assert_int_equal(load.edge_count, 0);
	buf_fini(&text);
}

static void chains_are_put_replaced_and_dropped(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	struct str every = STR("{\"every_ms\":5}"), none = STR("{}");
	suite_queue(suite, 1, "default", "one");
	suite_queue(suite, 2, "default", "two");
	*change_add(cs, chains) = (struct chain_row){ 1, STR("nightly'1"), every, none, STR("[1]"), 1000, 3, 1, 100, { 0 } };
	*change_add(cs, chains) = (struct chain_row){ 1, STR("weekly"), every, none, STR("null"), 2000, 0, 1, 101, { 0 } };
	*change_add(cs, chains) = (struct chain_row){ 2, STR("nightly'1"), every, none, STR("null"), -5, 0, 1, 102, { 0 } };
	suite_commit(suite);
	cs = suite_begin(suite); /* of one key the last counts, also after its going */
	*change_add(cs, chains) = (struct chain_row){ .queue = 1, .key = STR("nightly'1"), .gone = true };
	*change_add(cs, chains) = (struct chain_row){ 1, STR("nightly'1"), every, STR("{\"priority\":2}"), STR("[2]"), 1005, 3, 2, 103, STR("{\"a\":1}") };
	*change_add(cs, chains) = (struct chain_row){ 1, STR("weekly"), every, none, STR("null"), 2000, 0, 2, 0, { 0 } };
	*change_add(cs, chains) = (struct chain_row){ .queue = 1, .key = STR("weekly"), .gone = true };
	*change_add(cs, chains) = (struct chain_row){ .queue = 1, .key = STR("never"), .gone = true };
	*change_add(cs, chains) = (struct chain_row){ 2, STR("nightly'1"), every, none, STR("null"), -5, 0, 1, 0, { 0 } };
	suite_commit(suite);
	suite_restart(suite);
	struct buf text;
	buf_init(&text, 1 << 20);
	suite_dump(suite, &text);
	struct str chains = str_from(buf_str(&text), (size_t)((char *)memmem(text.ptr, text.len, "chain", 5) - text.ptr));
	assert_text(chains, "chain queue=1 key='nightly'1' schedule='{\"every_ms\":5}' job='{\"priority\":2}' payload='[2]' slot_ms=1005 offset_ms=3 "
	                    "count=2 pending=103 metadata='{\"a\":1}'\n"
	                    "chain queue=2 key='nightly'1' schedule='{\"every_ms\":5}' job='{}' payload='null' slot_ms=-5 offset_ms=0 count=1 pending=0 "
	                    "metadata=''\n");
	cs = suite_begin(suite); /* they go with their queue */
	*change_add(cs, dropped_queues) = 1;
	suite_commit(suite);
	buf_clear(&text);
	suite_dump(suite, &text);
	assert_null(memmem(text.ptr, text.len, "chain queue=1", 13));
	assert_non_null(memmem(text.ptr, text.len, "chain queue=2", 13));
	buf_fini(&text);
}

static void counts_are_sums_of_deltas(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_counts(suite, 1, JOB_COMPLETED, 5, 500);
	suite_counts(suite, 1, JOB_EXPIRED, 2, 20);
	suite->cs.counts.items[0].enqueued = 7;
	suite->cs.counts.items[0].started = 6;
	suite->cs.counts.items[0].ids = 9;
	suite_commit(suite);
	suite_begin(suite);
	suite_counts(suite, 1, JOB_COMPLETED, -3, -300);
	suite->cs.counts.items[0].enqueued = 1;
	suite->cs.counts.items[0].ids = 2;
	suite_commit(suite);
	struct queue_counts counts = read_counts(suite);
	assert_int_equal(counts.final[JOB_COMPLETED], 2);
	assert_int_equal(counts.final_bytes[JOB_COMPLETED], 200);
	assert_int_equal(counts.final[JOB_EXPIRED], 2);
	assert_int_equal(counts.ended[JOB_COMPLETED], 5);
	assert_int_equal(counts.enqueued, 8);
	assert_int_equal(counts.started, 6);
	assert_int_equal(counts.ids, 11);
}

static void idempotency_records_are_kept_and_expire(void **state)
{
	struct suite *suite = *state;
	struct str keys[] = { STR("1:a"), STR("1:b"), STR("1:missing") };
	struct changeset *cs = suite_begin(suite);
	*change_add(cs, idempotency) = (struct idempotency_row){ keys[0], UINT64_MAX, 100, STR("bin\0ary") };
	*change_add(cs, idempotency) = (struct idempotency_row){ keys[1], 2, 200, STR("") };
	suite_commit(suite);
	for (int round = 0; round < 2; round++) {
		struct load load = { .idempotency = keys, .idempotency_count = 3 };
		arena_reset(&suite->arena);
		assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
		assert_int_equal(load.records[0].key.len, round ? 0 : 3);
		if (!round) {
			assert_int_equal(load.records[0].request_hash, UINT64_MAX);
			assert_int_equal(load.records[0].answer.len, 7);
			assert_memory_equal(load.records[0].answer.ptr, "bin\0ary", 7);
		}
		assert_int_equal(load.records[1].at_us, 200);
		assert_int_equal(load.records[2].key.len, 0);
		suite_begin(suite)->idempotency_before_us = 200;
		suite_commit(suite);
	}
	cs = suite_begin(suite); /* a key used again */
	*change_add(cs, idempotency) = (struct idempotency_row){ keys[1], 3, 300, STR("new") };
	suite_commit(suite);
	struct load load = { .idempotency = keys + 1, .idempotency_count = 1 };
	arena_reset(&suite->arena);
	assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
	assert_int_equal(load.records[0].request_hash, 3);
	assert_text(load.records[0].answer, "new");
}

static void keys_next_to_a_missing_one_are_told(void **state)
{
	struct suite *suite = *state;
	struct str there[] = { STR("1:m"), STR("1:m\x7f"), STR("1:m\xc3\xa9"), STR("2:a") };
	struct str keys[] = { STR("1:"), STR("1:m"), STR("1:m0"), STR("1:m\xc3\xa9!"), STR("2:aa") };
	struct str below[] = { STR(""), STR(""), STR("1:m"), STR("1:m\xc3\xa9"), STR("2:a") };
	struct str above[] = { STR("1:m"), STR(""), STR("1:m\x7f"), STR("2:a"), STR("") };
	struct changeset *cs = suite_begin(suite);
	for (size_t i = 0; i < ARRAY_COUNT(there); i++)
		*change_add(cs, idempotency) = (struct idempotency_row){ there[i], 1, 100, STR("a") };
	suite_commit(suite);
	for (int wanted = 0; wanted < 2; wanted++) {
		struct load load = { .idempotency = keys, .idempotency_count = ARRAY_COUNT(keys), .gaps_wanted = wanted };
		arena_reset(&suite->arena);
		assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
		assert_int_equal(load.records[1].key.len, 3);
		for (size_t i = 0; i < ARRAY_COUNT(keys) && wanted; i++) {
			assert_true(str_eq(load.gaps[i].below, below[i]));
			assert_true(str_eq(load.gaps[i].above, above[i]));
			assert_int_equal(load.gaps[i].above.ptr != NULL, above[i].len != 0);
		}
	}
}

static void attempts_and_log_lines_come_in_order_and_pages(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), "a");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 2, 1), "b");
	suite_commit(suite);
	for (uint32_t n = 1; n <= 7; n++) { /* the counter starts again after a retry by hand */
		suite_begin(suite);
		for (uint64_t uid = 1; uid <= 2; uid++) {
			add_side_rows(suite, uid);
			suite->cs.attempts.items[uid - 1].number = (n - 1) % 3 + 1;
			suite->cs.attempts.items[uid - 1].fence = n;
			suite->cs.logs.items[uid - 1].line = suite_text(suite, "line %u", n);
		}
		suite_commit(suite);
	}
	struct query query = { .kind = QUERY_ATTEMPTS, .queue = STR("q"), .id = STR("b"), .limit = 3 };
	uint32_t seen = 0;
	do {
		assert_ok(suite_ask(suite, &query));
		for (uint32_t i = 0; i < suite->answer.attempt_count; i++) {
			assert_int_equal(suite->answer.attempts[i].fence, ++seen);
			assert_int_equal(suite->answer.attempts[i].uid, 2);
		}
		query.cursor = suite_text(suite, STR_FMT, STR_ARG(suite->answer.next_cursor));
	} while (query.cursor.len);
	assert_int_equal(seen, 7);
	query.kind = QUERY_LOGS;
	seen = 0;
	do {
		char expected[16];
		assert_ok(suite_ask(suite, &query));
		for (uint32_t i = 0; i < suite->answer.log_count; i++) {
			snprintf(expected, sizeof(expected), "line %u", ++seen);
			assert_text(suite->answer.logs[i].line, expected);
		}
		query.cursor = suite_text(suite, STR_FMT, STR_ARG(suite->answer.next_cursor));
	} while (query.cursor.len);
	assert_int_equal(seen, 7);
	query.cursor = STR("x1");
	assert_err(suite_ask(suite, &query), E_INVALID);
	query.cursor = STR("");
	query.id = STR("nobody");
	assert_err(suite_ask(suite, &query), E_JOB_NOT_FOUND);
	query.queue = STR("nowhere");
	assert_err(suite_ask(suite, &query), E_QUEUE_NOT_FOUND);
}

static void log_lines_come_from_either_end(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), "a");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 2, 1), "b");
	for (uint32_t n = 1; n <= 7; n++)
		for (uint64_t uid = 1; uid <= 2; uid++)
			*change_add(&suite->cs, logs) = (struct log_row){ uid, 1, 5, suite_text(suite, "%u", n) };
	suite_commit(suite);
	struct {
		bool newest_first;
		uint64_t skip;
		uint32_t limit;
		const char *expected; /* page by page */
	} pages[] = {
		{ false, 0, 3, "1 2 3 / 4 5 6 / 7 / " }, { true, 0, 3, "7 6 5 / 4 3 2 / 1 / " }, { false, 5, 3, "6 7 / " }, { true, 5, 1, "2 / 1 / " },
		{ false, 7, 3, "/ " }, { true, 8, 3, "/ " }, { true, UINT64_MAX, 3, "/ " }, { true, 0, 7, "7 6 5 4 3 2 1 / " },
	};
	for (size_t i = 0; i < ARRAY_COUNT(pages); i++) {
		struct query query = { .kind = QUERY_LOGS, .queue = STR("q"), .id = STR("b"), .limit = pages[i].limit, .skip = pages[i].skip,
			               .newest_first = pages[i].newest_first };
		struct buf got;
		buf_init(&got, 1 << 16);
		do {
			assert_ok(suite_ask(suite, &query));
			assert_int_equal(suite->answer.count, 7);
			for (uint32_t n = 0; n < suite->answer.log_count; n++)
				buf_addf(&got, STR_FMT " ", STR_ARG(suite->answer.logs[n].line));
			buf_addf(&got, "/ ");
			query.cursor = suite_text(suite, STR_FMT, STR_ARG(suite->answer.next_cursor));
		} while (query.cursor.len);
		assert_text(buf_str(&got), pages[i].expected);
		buf_fini(&got);
	}
}

/* ---- ranges ---- */

/* uid n is of second n. What differs from the order of uids: ranks, priorities, instants. */
static void make_ranges(struct suite *suite)
{
	static const struct {
		enum job_state state;
		int32_t priority;
		int64_t key; /* rank, or the instant that the state goes by */
		uint32_t queue;
	} jobs[] = {
		{ JOB_WAITING, 0, 5, 1 }, { JOB_WAITING, 0, -3, 1 }, { JOB_WAITING, 7, 1, 1 }, { JOB_WAITING, 2, 9, 1 }, { JOB_WAITING, 2, 4, 1 },
		{ JOB_WAITING, 0, 0, 1 }, { JOB_WAITING, 0, 1, 2 }, { JOB_DELAYED, 0, 30, 1 }, { JOB_DELAYED, 3, 10, 1 }, { JOB_DELAYED, 0, 10, 1 },
		{ JOB_ACTIVE, 0, 8, 1 }, { JOB_ACTIVE, 0, 6, 1 }, { JOB_WAITING_CHILDREN, 0, 2, 1 }, { JOB_WAITING_CHILDREN, 0, 1, 1 },
		{ JOB_PARKED, 0, 4, 1 }, { JOB_COMPLETED, 0, 40, 1 }, { JOB_COMPLETED, 0, 20, 1 }, { JOB_COMPLETED, 0, 20, 1 },
		{ JOB_COMPLETED, 0, 10, 2 }, { JOB_FAILED, 0, 50, 1 }, { JOB_CANCELLED, 0, 51, 1 }, { JOB_EXPIRED, 0, 52, 1 },
	};
	suite_begin(suite);
	suite_queue(suite, 1, "default", "a");
	suite_queue(suite, 2, "default", "b");
	suite_queue(suite, 3, "default", "nothing");
	for (size_t n = 0; n < ARRAY_COUNT(jobs); n++) {
		bool final = jobs[n].state >= JOB_COMPLETED;
		uint64_t uid = uid_floor(BASE_US + (int64_t)n * 1000000) + n;
		struct job_write *write = suite_job(suite, TABLE_NONE, final ? TABLE_DONE : TABLE_LIVE, uid, jobs[n].queue);
		suite_definition(suite, write, n % 2 ? suite_text(suite, "id-%d", (int)n).ptr : NULL);
		struct job_row *row = &write->row;
		row->state = jobs[n].state;
		row->priority = jobs[n].priority;
		row->rank = jobs[n].key;
		row->due_us = row->state == JOB_DELAYED ? jobs[n].key : 0;
		row->started_us = row->state == JOB_ACTIVE ? jobs[n].key : 0;
		row->since_us = row->state == JOB_PARKED || row->state == JOB_WAITING_CHILDREN ? jobs[n].key : 0;
		row->finished_us = final ? jobs[n].key : 0;
		if (final)
			suite_counts(suite, row->queue, row->state, 1, (int64_t)row->bytes);
	}
	suite_commit(suite);
}

static void assert_range(struct suite *suite, const char *queue, struct range range, uint64_t total, const char *expected)
{
	struct buf got;
	buf_init(&got, 1 << 16);
	range.what = RANGE_IDS;
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_RANGE, .queue = str_of(queue), .range = range }));
	assert_int_equal(suite->answer.count, total);
	for (uint32_t i = 0; i < suite->answer.job_count; i++) {
		const struct job_view *view = &suite->answer.jobs[i];
		uint64_t n = view->row.uid & 0xff;
		char id[16];
		snprintf(id, sizeof(id), "id-%llu", (unsigned long long)n);
		assert_text(view->definition.id, n % 2 ? id : "");
		buf_addf(&got, "%s%llu", i ? " " : "", (unsigned long long)n);
	}
	assert_text(buf_str(&got), expected);
	range.what = RANGE_NONE;
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_RANGE, .queue = str_of(queue), .range = range }));
	assert_int_equal(suite->answer.count, total);
	assert_int_equal(suite->answer.job_count, 0);
	buf_fini(&got);
}

static void ranges_tell_jobs_by_their_place(void **state)
{
	struct suite *suite = *state;
	make_ranges(suite);
	struct {
		enum range_order order;
		uint64_t total;
		const char *all;
	} orders[] = {
		{ RANGE_WAITING, 3, "1 5 0" }, { RANGE_PRIORITISED, 3, "4 3 2" }, { RANGE_DELAYED, 3, "8 9 7" }, { RANGE_ACTIVE, 2, "11 10" },
		{ RANGE_WAITING_CHILDREN, 2, "13 12" }, { RANGE_PARKED, 1, "14" }, { RANGE_COMPLETED, 3, "16 17 15" }, { RANGE_FAILED, 1, "19" },
		{ RANGE_CANCELLED, 1, "20" }, { RANGE_EXPIRED, 1, "21" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(orders); i++) {
		assert_range(suite, "a", (struct range){ .order = orders[i].order, .to = -1 }, orders[i].total, orders[i].all);
		assert_range(suite, "nothing", (struct range){ .order = orders[i].order, .to = -1 }, 0, "");
	}
	struct {
		struct range range;
		uint64_t total;
		const char *expected;
	} ranges[] = {
		{ { .order = RANGE_WAITING, .to = -1, .descending = true }, 3, "0 5 1" },
		{ { .order = RANGE_COMPLETED, .to = -1, .descending = true }, 3, "15 17 16" },
		{ { .order = RANGE_PRIORITISED, .to = -1, .descending = true }, 3, "2 3 4" },
		{ { .order = RANGE_WAITING, .from = 0, .to = 0 }, 3, "1" },
		{ { .order = RANGE_WAITING, .from = 1, .to = 7 }, 3, "5 0" },
		{ { .order = RANGE_WAITING, .from = 1, .to = 1, .descending = true }, 3, "5" },
		{ { .order = RANGE_DELAYED, .from = -2, .to = -1 }, 3, "9 7" },
		{ { .order = RANGE_DELAYED, .from = -9, .to = -3 }, 3, "8" },
		{ { .order = RANGE_DELAYED, .from = -9, .to = -4 }, 3, "" },
		{ { .order = RANGE_DELAYED, .from = 3, .to = 9 }, 3, "" },
		{ { .order = RANGE_DELAYED, .from = 2, .to = 1 }, 3, "" },
		{ { .order = RANGE_DELAYED, .from = INT64_MAX, .to = INT64_MAX }, 3, "" },
		{ { .order = RANGE_DELAYED, .from = INT64_MIN, .to = INT64_MAX }, 3, "8 9 7" },
		{ { .order = RANGE_DELAYED, .to = -1, .before_us = 30 }, 2, "8 9" },
		{ { .order = RANGE_COMPLETED, .to = -1, .before_us = 21 }, 2, "16 17" },
		{ { .order = RANGE_COMPLETED, .to = -1, .before_us = 20 }, 0, "" },
		{ { .order = RANGE_ACTIVE, .to = -1, .before_us = 7 }, 1, "11" },
		{ { .order = RANGE_PARKED, .to = -1, .before_us = 4 }, 0, "" },
		{ { .order = RANGE_WAITING, .to = -1, .before_us = BASE_US + 2000000 }, 2, "1 0" },
		{ { .order = RANGE_PRIORITISED, .to = 0, .before_us = BASE_US + 4000000 }, 2, "3" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(ranges); i++)
		assert_range(suite, "a", ranges[i].range, ranges[i].total, ranges[i].expected);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_RANGE, .queue = STR("c") }), E_QUEUE_NOT_FOUND);
	suite_begin(suite); /* a moved one stands in its present queue */
	suite_job(suite, TABLE_LIVE, TABLE_LIVE, uid_floor(BASE_US), 2)->row.rank = -9;
	suite_commit(suite);
	assert_range(suite, "a", (struct range){ .order = RANGE_WAITING, .to = -1 }, 2, "1 5");
	assert_range(suite, "b", (struct range){ .order = RANGE_WAITING, .to = -1 }, 2, "0 6");
}

static void many_jobs_are_read_in_the_order_asked(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "a");
	suite_queue(suite, 2, "default", "b");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), "one");
	struct job_write *write = suite_job(suite, TABLE_NONE, TABLE_DONE, 2, 1);
	suite_definition(suite, write, "two");
	suite_result(suite, write, "{\"ok\":true}", "");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 3, 2), "one");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 4, 1), NULL);
	for (uint32_t n = 1; n <= QUERY_ERRORS_MAX + 5; n++)
		*change_add(&suite->cs, attempts) = (struct attempt_row){ .uid = 2, .number = n,
			                                                  .error = n == 7 ? STR("") : suite_text(suite, "{\"n\":%u}", n) };
	suite_commit(suite);
	suite_begin(suite); /* moved: read from where it was enqueued, and from where it is */
	suite_job(suite, TABLE_LIVE, TABLE_LIVE, 4, 2);
	suite_commit(suite);
	char uid[UID_TEXT_BYTES];
	uid_text(4, uid);
	struct str ids[] = { STR("two"), STR("none"), STR("one"), { uid, UID_TEXT_BYTES - 1 }, STR("two") };
	struct query query = { .kind = QUERY_READ, .queue = STR("a"), .ids = ids, .id_count = ARRAY_COUNT(ids) };
	const uint64_t found[] = { 2, 0, 1, 4, 2 };
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.job_count, ARRAY_COUNT(ids));
	for (size_t i = 0; i < ARRAY_COUNT(found); i++)
		assert_int_equal(suite->answer.jobs[i].row.uid, found[i]);
	assert_text(suite->answer.jobs[0].definition.payload, "");
	assert_text(suite->answer.jobs[0].result.result, "");
	assert_int_equal(suite->answer.jobs[0].error_count, 0);
	assert_text(suite->answer.jobs[2].queue_name, "a");
	query.with_payload = query.with_result = query.with_history = true;
	assert_ok(suite_ask(suite, &query));
	assert_text(suite->answer.jobs[0].definition.payload, "{\"n\":2}");
	assert_text(suite->answer.jobs[0].result.result, "{\"ok\":true}");
	assert_int_equal(suite->answer.jobs[0].error_count, QUERY_ERRORS_MAX);
	assert_text(suite->answer.jobs[0].errors[0], "{\"n\":5}"); /* the oldest go; attempts without an error do not count */
	assert_text(suite->answer.jobs[0].errors[1], "{\"n\":6}");
	assert_text(suite->answer.jobs[0].errors[2], "{\"n\":8}");
	assert_text(suite->answer.jobs[0].errors[QUERY_ERRORS_MAX - 1], "{\"n\":105}");
	assert_int_equal(suite->answer.jobs[2].error_count, 0);
	const uint64_t uids[] = { 3, 1, 99, 4 };
	query.uids = uids;
	query.uid_count = ARRAY_COUNT(uids);
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.job_count, 4);
	assert_int_equal(suite->answer.jobs[0].row.uid, 0); /* another queue's */
	assert_int_equal(suite->answer.jobs[1].row.uid, 1);
	assert_int_equal(suite->answer.jobs[2].row.uid, 0);
	assert_int_equal(suite->answer.jobs[3].row.uid, 4);
	query.queue = STR("b");
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.jobs[0].row.uid, 3);
	assert_int_equal(suite->answer.jobs[1].row.uid, 0);
	assert_int_equal(suite->answer.jobs[3].row.uid, 4);
	query.queue = STR("c");
	assert_err(suite_ask(suite, &query), E_QUEUE_NOT_FOUND);
	query = (struct query){ .kind = QUERY_RANGE, .queue = STR("a"), .with_payload = true, .with_result = true, .with_history = true,
		                .range = { .order = RANGE_COMPLETED, .to = -1, .what = RANGE_JOBS } };
	suite_begin(suite);
	suite_counts(suite, 1, JOB_COMPLETED, 1, 1);
	suite_commit(suite);
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.job_count, 1);
	assert_text(suite->answer.jobs[0].definition.payload, "{\"n\":2}");
	assert_text(suite->answer.jobs[0].result.result, "{\"ok\":true}");
	assert_int_equal(suite->answer.jobs[0].error_count, QUERY_ERRORS_MAX);
}

/* A line for each letter of the text; a digit trims to so many. */
static void add_lines(struct suite *suite, uint64_t uid, const char *text)
{
	for (; *text; text++) {
		if (*text >= '0' && *text <= '9')
			*change_add(&suite->cs, log_trims) = (struct log_trim){ uid, (uint32_t)(*text - '0'), suite->cs.logs.count };
		else
			*change_add(&suite->cs, logs) = (struct log_row){ uid, 1, 5, suite_text(suite, "%c", *text) };
	}
}

static void lines_are(struct suite *suite, uint64_t uid, const char *expected)
{
	char text[32] = "";
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_LOGS, .uids = &uid, .uid_count = 1, .limit = 20 }));
	for (uint32_t i = 0; i < suite->answer.log_count; i++)
		text[i] = suite->answer.logs[i].line.ptr[0];
	assert_string_equal(text, expected);
}

static void log_lines_are_trimmed_to_the_newest(void **state)
{
	struct suite *suite = *state;
	static const struct {
		const char *lines, *left;
	} rows[] = { { "abc", "abc" }, { "d2", "cd" }, { "9", "cd" }, { "ef3g", "defg" }, { "1", "g" }, { "0h", "h" }, { "ij1k2", "jk" }, { "0", "" } };
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), NULL);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 2, 1), NULL);
	add_lines(suite, 2, "xyz"); /* nobody else's go */
	suite_commit(suite);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		suite_begin(suite);
		add_lines(suite, 1, rows[i].lines);
		suite_commit(suite);
		lines_are(suite, 1, rows[i].left);
	}
	lines_are(suite, 2, "xyz");
}

static void a_grant_is_told_what_happened_before(void **state)
{
	struct suite *suite = *state;
	const uint64_t uids[] = { 2, 1, 9 };
	struct query query = { .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = 3, .with_history = true };
	suite_begin(suite);
	suite_queue(suite, 1, "default", "q");
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 1, 1), NULL);
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 2, 1), NULL);
	*change_add(&suite->cs, progress) = (struct progress_row){ 2, 5, STR("50") };
	for (uint32_t n = 0; n < QUERY_ERRORS_MAX + 3; n++) {
		struct attempt_row *attempt = change_add(&suite->cs, attempts);
		*attempt = (struct attempt_row){ .uid = 2, .number = n, .error = suite_text(suite, "{\"n\":%u}", n) };
		if (n == 50)
			attempt->error = STR("");
	}
	suite_commit(suite);
	assert_ok(suite_ask(suite, &query));
	const struct job_view *views = suite->answer.jobs;
	assert_text(views[0].progress, "50");
	assert_int_equal(views[0].error_count, QUERY_ERRORS_MAX);
	assert_text(views[0].errors[0], "{\"n\":2}"); /* the oldest fall off */
	assert_text(views[0].errors[QUERY_ERRORS_MAX - 1], "{\"n\":102}");
	assert_int_equal(views[1].error_count, 0);
	assert_int_equal(views[1].progress.len, 0);
	assert_int_equal(views[2].row.uid, 0);
	query.with_history = false;
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.jobs[0].error_count, 0);
	assert_int_equal(suite->answer.jobs[0].progress.len, 0);
}

/* ---- events ---- */

static void events_are_paged_by_change_set_and_trimmed(void **state)
{
	struct suite *suite = *state;
	for (uint32_t n = 1; n <= 6; n++) {
		struct changeset *cs = suite_begin(suite);
		if (n == 1) {
			suite_queue(suite, 1, "default", "a");
			suite_queue(suite, 2, "default", "b");
			suite_queue(suite, 3, "other", "a");
		}
		if (n != 3)
			for (uint32_t queue = 3; queue >= 1; queue--)
				*change_add(cs, events) = (struct event_row){ cs->seq, queue, cs->wall_us, queue, suite_text(suite, "enqueued %u\n", n) };
		suite_commit(suite);
	}
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS, .limit = 4 }));
	assert_int_equal(suite->answer.event_count, 6); /* change-sets 1 and 2: never parted */
	assert_int_equal(suite->answer.events[3].seq, 2);
	assert_int_equal(suite->answer.events[3].queue, 1);
	assert_int_equal(suite->answer.events[5].count, 3);
	assert_int_equal(suite->answer.first_event_seq, 1);
	assert_int_equal(suite->answer.seq, 6);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS, .after_seq = 2 }));
	assert_int_equal(suite->answer.event_count, 9);
	assert_int_equal(suite->answer.events[0].seq, 4);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS, .after_seq = 4, .namespace_name = STR("default") }));
	assert_int_equal(suite->answer.event_count, 4);
	assert_int_equal(suite->answer.events[3].queue, 2);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS, .after_seq = 1, .queue = STR("a"), .namespace_name = STR("other") }));
	assert_int_equal(suite->answer.event_count, 4);
	assert_int_equal(suite->answer.events[0].queue, 3);
	assert_text(suite->answer.events[0].lines, "enqueued 2\n");
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS, .after_seq = 6 }));
	assert_int_equal(suite->answer.event_count, 0);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS, .queue = STR("c") }), E_QUEUE_NOT_FOUND);
	suite_begin(suite)->events_up_to = 3;
	suite_commit(suite);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS }));
	assert_int_equal(suite->answer.first_event_seq, 4);
	assert_int_equal(suite->answer.event_count, 9);
	suite_restart(suite);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS }));
	assert_int_equal(suite->answer.first_event_seq, 4);
}

/* What is told of events after `after_seq`: the first commit of which all are kept, and the commits. */
static void assert_events(struct suite *suite, struct query query, const char *expected)
{
	struct buf got;
	buf_init(&got, 1 << 16);
	query.kind = QUERY_EVENTS;
	assert_ok(suite_ask(suite, &query));
	buf_addf(&got, "%llu:", (unsigned long long)suite->answer.first_event_seq);
	for (uint32_t i = 0; i < suite->answer.event_count; i++)
		buf_addf(&got, " %llu/%u", (unsigned long long)suite->answer.events[i].seq, suite->answer.events[i].queue);
	assert_text(buf_str(&got), expected);
	buf_fini(&got);
}

static void trim_events(struct suite *suite, uint32_t queue, uint64_t keep, uint64_t removed)
{
	struct changeset *cs = suite_begin(suite);
	*change_add(cs, event_trims) = (struct event_trim){ .queue = queue, .keep = keep };
	if (cs->seq == 7)
		*change_add(cs, events) = (struct event_row){ cs->seq, queue, cs->wall_us, 1, STR("deleted x\n") };
	suite_commit(suite);
	assert_int_equal(suite->cs.event_trims.items[0].removed, removed);
	assert_false(suite->cs.event_trims.items[0].more);
}

static void events_of_one_queue_are_trimmed(void **state)
{
	struct suite *suite = *state;
	const struct query all = { 0 }, a = { .queue = STR("a") }, b = { .queue = STR("b") }, other = { .namespace_name = STR("other") };
	for (uint32_t n = 1; n <= 5; n++) { /* queue 1: n events in commit n; queue 2: one each */
		struct changeset *cs = suite_begin(suite);
		if (n == 1) {
			suite_queue(suite, 1, "default", "a");
			suite_queue(suite, 2, "default", "b");
			suite_queue(suite, 3, "other", "a");
		}
		*change_add(cs, events) = (struct event_row){ cs->seq, 1, cs->wall_us, n, STR("enqueued x\n") };
		*change_add(cs, events) = (struct event_row){ cs->seq, 2, cs->wall_us, 1, STR("enqueued x\n") };
		suite_commit(suite);
	}
	trim_events(suite, 1, 15, 0); /* as many as there are */
	assert_events(suite, a, "1: 1/1 2/1 3/1 4/1 5/1");
	trim_events(suite, 1, 8, 1 + 2 + 3); /* commits 4 and 5 have 9: at least 8 stay. What comes with the trim stays, too */
	assert_events(suite, a, "4: 4/1 5/1 7/1");
	assert_events(suite, b, "1: 1/2 2/2 3/2 4/2 5/2");
	assert_events(suite, all, "4: 1/2 2/2 3/2 4/1 4/2 5/1 5/2 7/1");
	assert_events(suite, (struct query){ .namespace_name = STR("default"), .after_seq = 4 }, "4: 5/1 5/2 7/1");
	assert_events(suite, other, "1:");
	trim_events(suite, 1, 100, 0);
	assert_events(suite, a, "4: 4/1 5/1 7/1"); /* what was trimmed before is not forgotten */
	trim_events(suite, 2, 0, 5);
	assert_events(suite, b, "6:");
	suite_restart(suite);
	assert_events(suite, a, "4: 4/1 5/1 7/1");
	suite_begin(suite)->events_up_to = 6;
	suite_commit(suite);
	assert_events(suite, a, "7: 7/1");
	suite_begin(suite);
	*change_add(&suite->cs, dropped_queues) = 1;
	*change_add(&suite->cs, dropped_queues) = 2;
	suite_commit(suite);
	suite_begin(suite); /* the number's next owner has nothing of it */
	suite_queue(suite, 2, "default", "b");
	suite_commit(suite);
	assert_events(suite, b, "7:");
	assert_events(suite, all, "7: 7/1");
}

static void events_are_trimmed_in_slices(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	suite_queue(suite, 1, "default", "a");
	for (uint64_t n = 1; n <= LIMIT_TRIM_ROWS + 7; n++) /* no engine writes those of many commits at once: it saves the time */
		*change_add(cs, events) = (struct event_row){ n, 1, cs->wall_us, 2, STR("enqueued x\n") };
	suite_commit(suite);
	for (int round = 0; round < 2; round++) {
		cs = suite_begin(suite);
		*change_add(cs, event_trims) = (struct event_trim){ .queue = 1, .keep = 3 };
		suite_commit(suite);
		assert_int_equal(suite->cs.event_trims.items[0].removed, round ? 2 * 5 : 2 * LIMIT_TRIM_ROWS);
		assert_int_equal(suite->cs.event_trims.items[0].up_to_seq, LIMIT_TRIM_ROWS + (round ? 5 : 0));
		assert_int_equal(suite->cs.event_trims.items[0].more, !round);
	}
}

/* ---- metrics ---- */

static void assert_metrics(struct suite *suite, const char *queue, const char *expected)
{
	struct buf got;
	buf_init(&got, 1 << 16);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_METRICS, .queue = str_of(queue) }));
	buf_addf(&got, "%llu/%llu:", (unsigned long long)suite->answer.ended[JOB_COMPLETED], (unsigned long long)suite->answer.ended[JOB_FAILED]);
	for (uint32_t i = 0; i < suite->answer.metric_count; i++) {
		const struct metric_row *row = &suite->answer.metrics[i];
		buf_addf(&got, " %lld=%llu/%llu", (long long)row->minute, (unsigned long long)row->completed, (unsigned long long)row->failed);
	}
	assert_text(buf_str(&got), expected);
	buf_fini(&got);
}

static void metrics_are_added_up_by_the_minute(void **state)
{
	struct suite *suite = *state;
	struct changeset *cs = suite_begin(suite);
	suite_queue(suite, 1, "default", "a");
	suite_queue(suite, 2, "default", "b");
	*change_add(cs, metrics) = (struct metric_add){ { 1, 100, 3, 0 }, 0 };
	*change_add(cs, metrics) = (struct metric_add){ { 2, 100, 1, 1 }, 0 };
	suite_counts(suite, 1, JOB_COMPLETED, 3, 3);
	suite_commit(suite);
	assert_metrics(suite, "a", "3/0: 100=3/0");
	cs = suite_begin(suite);
	*change_add(cs, metrics) = (struct metric_add){ { 1, 102, 1, 1 }, 0 };
	suite_commit(suite);
	cs = suite_begin(suite); /* the clock went back, and a minute comes twice in one change-set */
	*change_add(cs, metrics) = (struct metric_add){ { 1, 100, 2, 4 }, 0 };
	*change_add(cs, metrics) = (struct metric_add){ { 1, 99, 1, 0 }, 0 };
	*change_add(cs, metrics) = (struct metric_add){ { 1, 99, 1, 0 }, 0 };
	suite_counts(suite, 1, JOB_FAILED, 5, 5);
	suite_commit(suite);
	assert_metrics(suite, "a", "3/5: 99=2/0 100=5/4 102=1/1");
	cs = suite_begin(suite);
	*change_add(cs, metrics) = (struct metric_add){ { 1, 103, 1, 0 }, 101 };
	suite_commit(suite);
	suite_restart(suite);
	assert_metrics(suite, "a", "3/5: 102=1/1 103=1/0");
	assert_metrics(suite, "b", "0/0: 100=1/1");
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_METRICS, .queue = STR("c") }), E_QUEUE_NOT_FOUND);
	cs = suite_begin(suite); /* a queue goes with them, also with those of this change-set */
	*change_add(cs, metrics) = (struct metric_add){ { 1, 104, 1, 0 }, 0 };
	*change_add(cs, dropped_queues) = 1;
	suite_commit(suite);
	suite_begin(suite);
	suite_queue(suite, 1, "default", "a");
	suite_commit(suite);
	assert_metrics(suite, "a", "0/0:");
}

/* ---- lists ---- */

static uint64_t uid_at(int64_t hour, uint64_t n)
{
	return uid_floor(BASE_US + hour * HOUR_US) + n;
}

/* Twelve jobs, one an hour: uid n is of hour n; odd ones in queue a; by thirds waiting, completed, failed; finish in another order. */
static void make_list(struct suite *suite)
{
	suite_begin(suite);
	suite_queue(suite, 1, "default", "a");
	suite_queue(suite, 2, "default", "b");
	suite_queue(suite, 3, "other", "a");
	for (uint64_t n = 0; n < 12; n++) {
		bool final = n % 3;
		struct job_write *write = suite_job(suite, TABLE_NONE, final ? TABLE_DONE : TABLE_LIVE, uid_at((int64_t)n, n), n % 2 ? 1 : 2);
		struct job_definition *definition = suite_definition(suite, write, suite_text(suite, "%s_%llu", n < 6 ? "x" : "x%", (unsigned long long)n).ptr);
		definition->name = n % 4 ? STR("mail") : STR("");
		definition->tags = n % 5 ? STR("[\"blue\", \"caf\\u00e9\"]") : STR("[\"a\\\"b\"]");
		write->row.group = definition->group = n == 7 ? STR("g") : STR("");
		if (!final)
			continue;
		write->row.state = n % 3 == 1 ? JOB_COMPLETED : JOB_FAILED;
		write->row.finished_us = BASE_US + (int64_t)((n * 7) % 12) * HOUR_US;
		if (n % 3 == 2)
			suite_result(suite, write, "", suite_text(suite, "{\"message\":\"Time Out %llu\"}", (unsigned long long)n).ptr);
		suite_counts(suite, write->row.queue, write->row.state, 1, (int64_t)write->row.bytes);
	}
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, uid_at(20, 0), 3), "x_0");
	suite_commit(suite);
}

/* All pages of a list, as the n of its jobs. */
static void assert_list(struct suite *suite, struct query query, const char *expected)
{
	struct buf got;
	buf_init(&got, 1 << 16);
	query.kind = QUERY_JOBS;
	do {
		assert_ok(suite_ask(suite, &query));
		assert_true(suite->answer.job_count <= query.limit || !query.limit);
		for (uint32_t i = 0; i < suite->answer.job_count; i++)
			buf_addf(&got, "%s%llu", got.len ? " " : "", (unsigned long long)(suite->answer.jobs[i].row.uid & 0xff));
		query.cursor = suite_text(suite, STR_FMT, STR_ARG(suite->answer.next_cursor));
	} while (query.cursor.len);
	assert_text(buf_str(&got), expected);
	query.kind = QUERY_COUNT;
	uint64_t count = got.len > 0;
	for (size_t i = 0; i < got.len; i++)
		count += got.ptr[i] == ' ';
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.count, count);
	assert_false(suite->answer.count_is_least);
	buf_fini(&got);
}

static void lists_filter_sort_and_page(void **state)
{
	struct suite *suite = *state;
	make_list(suite);
	uint32_t failed = 1u << JOB_FAILED, completed = 1u << JOB_COMPLETED, waiting = 1u << JOB_WAITING;
	char uid[UID_TEXT_BYTES];
	uid_text(uid_at(5, 5), uid);
	struct str uid_start = { uid, 9 };
	char uid_pattern[16];
	snprintf(uid_pattern, sizeof(uid_pattern), STR_FMT "*", STR_ARG(uid_start));
	struct {
		struct job_filter filter;
		bool oldest_first;
		const char *expected;
	} lists[] = {
		{ { }, false, "11 10 9 8 7 6 5 4 3 2 1 0" },
		{ { }, true, "0 1 2 3 4 5 6 7 8 9 10 11" },
		{ { .queue = STR("a") }, false, "11 9 7 5 3 1" },
		{ { .queue = STR("b") }, true, "0 2 4 6 8 10" },
		{ { .namespace_name = STR("other") }, false, "0" },
		{ { .namespace_name = STR("nobody") }, false, "" },
		{ { .namespace_name = STR("other"), .queue = STR("a"), .id = STR("x_0") }, false, "0" },
		/* final states: by finish; uid→hour: 1→7 2→2 4→4 5→11 7→1 8→8 10→10 11→5 */
		{ { .states = failed }, false, "5 8 11 2" },
		{ { .states = completed }, true, "7 4 1 10" },
		{ { .states = completed | failed }, false, "5 10 8 1 11 4 2 7" },
		{ { .states = completed | failed, .queue = STR("a") }, false, "5 1 11 7" },
		{ { .states = completed | waiting }, false, "10 9 7 6 4 3 1 0" },
		{ { .states = waiting, .queue = STR("a") }, false, "9 3" },
		{ { .states = waiting | failed, .queue = STR("b") }, true, "0 2 6 8" },
		{ { .name = STR("mail") }, false, "11 10 9 7 6 5 3 2 1" },
		{ { .name = STR("mail"), .queue = STR("a"), .states = failed }, false, "5 11" },
		{ { .name = STR("none") }, false, "" },
		{ { .queue = STR("a"), .id = STR("x_3") }, false, "3" },
		{ { .queue = STR("b"), .id = STR("x_3") }, false, "" },
		{ { .queue = STR("a"), .id = STR("x*") }, false, "11 9 7 5 3 1" },
		{ { .queue = STR("a"), .id = STR("x%*") }, true, "7 9 11" },
		{ { .queue = STR("a"), .id = STR("x_*"), .states = completed | failed }, true, "1 5" },
		{ { .queue = STR("a"), .id = { uid, 13 } }, false, "5" },
		{ { .queue = STR("b"), .id = { uid, 13 } }, false, "" },
		{ { .queue = STR("a"), .id = str_of(uid_pattern) }, false, "5" },
		{ { .group = STR("g") }, false, "7" },
		{ { .tag = STR("blue") }, false, "11 9 8 7 6 4 3 2 1" },
		{ { .tag = STR("caf\xc3\xa9"), .states = waiting }, false, "9 6 3" },
		{ { .tag = STR("a\"b") }, false, "10 5 0" },
		{ { .tag = STR("blu") }, false, "" },
		{ { .error = STR("time out") }, false, "5 8 11 2" },
		{ { .error = STR("Out 1"), .queue = STR("a") }, false, "11" },
		{ { .created_after_us = BASE_US + 3 * HOUR_US, .created_before_us = BASE_US + 6 * HOUR_US }, false, "5 4 3" },
		{ { .finished_after_us = BASE_US + 2 * HOUR_US, .finished_before_us = BASE_US + 8 * HOUR_US }, false, "1 11 4 2" },
		{ { .finished_after_us = BASE_US + 8 * HOUR_US, .states = failed | waiting }, true, "8 5" },
		{ { .created_before_us = BASE_US + 5 * HOUR_US, .states = completed | failed }, false, "1 4 2" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		for (uint32_t limit = 0; limit < 6; limit += limit ? 2 : 1)
			assert_list(suite, (struct query){ .filter = lists[i].filter, .oldest_first = lists[i].oldest_first, .limit = limit },
			            lists[i].expected);
	struct query query = { .kind = QUERY_JOBS, .filter.queue = STR("nowhere") };
	assert_err(suite_ask(suite, &query), E_QUEUE_NOT_FOUND);
	query.filter = (struct job_filter){ .id = STR("x_3") };
	assert_err(suite_ask(suite, &query), E_INVALID);
	struct str bad[] = { STR("c"), STR("f1-2"), STR("c-1"), STR("cx"), STR("hello"), STR("c99999999999999999999") };
	query.filter = (struct job_filter){ 0 };
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		query.cursor = bad[i];
		assert_err(suite_ask(suite, &query), E_INVALID);
	}
}

static void lists_show_names_errors_and_progress(void **state)
{
	struct suite *suite = *state;
	make_list(suite);
	suite_begin(suite);
	*change_add(&suite->cs, progress) = (struct progress_row){ uid_at(11, 11), 1, STR("1") };
	suite_commit(suite);
	suite_begin(suite);
	*change_add(&suite->cs, progress) = (struct progress_row){ uid_at(11, 11), 2, STR("2") };
	suite_commit(suite);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_JOBS, .limit = 1 }));
	const struct job_view *view = &suite->answer.jobs[0];
	assert_text(view->queue_name, "a");
	assert_text(view->namespace_name, "default");
	assert_text(view->result.error, "{\"message\":\"Time Out 11\"}");
	assert_text(view->progress, "2");
	assert_text(view->definition.payload, "");
	assert_int_equal(view->definition.payload_bytes > 0, true);
	assert_text(view->definition.id, "x%_11");
}

static void a_moved_job_is_listed_where_it_is(void **state)
{
	struct suite *suite = *state;
	make_list(suite);
	suite_begin(suite);
	suite_job(suite, TABLE_LIVE, TABLE_LIVE, uid_at(3, 3), 2);
	suite_commit(suite);
	assert_list(suite, (struct query){ .filter = { .queue = STR("b"), .states = 1u << JOB_WAITING } }, "6 3 0");
	assert_list(suite, (struct query){ .filter = { .queue = STR("b"), .name = STR("mail"), .states = 1u << JOB_WAITING } }, "6 3");
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_JOB, .queue = STR("a"), .id = STR("x_3") })); /* its identity stays */
	assert_text(suite->answer.jobs[0].queue_name, "b");
}

static void definitions_come_in_the_order_asked(void **state)
{
	struct suite *suite = *state;
	uint64_t uids[14];
	make_list(suite);
	suite_begin(suite);
	suite_job(suite, TABLE_LIVE, TABLE_LIVE, uid_at(3, 3), 3); /* moved: the queue is the present one */
	suite_commit(suite);
	for (uint64_t n = 0; n < 12; n++)
		uids[n] = uid_at((int64_t)(11 - n), 11 - n);
	uids[12] = 1;
	uids[13] = uids[5];
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = 14 }));
	assert_int_equal(suite->answer.job_count, 14);
	for (uint64_t n = 0; n < 14; n++) {
		const struct job_view *view = &suite->answer.jobs[n];
		bool moved = uids[n] == uid_at(3, 3);
		char payload[64];
		assert_int_equal(view->definition.uid, n == 12 ? 0 : uids[n]);
		assert_int_equal(view->row.uid, view->definition.uid);
		if (n == 12)
			continue;
		snprintf(payload, sizeof(payload), "{\"n\":%llu}", (unsigned long long)uids[n]);
		assert_text(view->definition.payload, payload);
		assert_text(view->queue_name, moved || uids[n] & 1 ? "a" : "b");
		assert_text(view->namespace_name, moved ? "other" : "default");
		assert_int_equal(view->row.queue, moved ? 3 : uids[n] & 1 ? 1 : 2);
	}
}

static void matches_come_in_slices_with_versions(void **state)
{
	struct suite *suite = *state;
	make_list(suite);
	struct {
		struct job_filter filter;
		const char *expected;
	} matches[] = {
		{ { }, "0 3 6 9 / 1 2 4 5 7 8 10 11 /" },
		{ { .states = 1u << JOB_FAILED }, "/ 2 5 8 11 /" },
		{ { .queue = STR("a"), .name = STR("mail") }, "3 9 / 1 5 7 11 /" },
		{ { .queue = STR("a"), .id = STR("x_*") }, "3 / 1 5 /" },
		{ { .finished_after_us = BASE_US + 8 * HOUR_US }, "/ 5 8 10 /" },
		{ { .tag = STR("a\"b") }, "0 / 5 10 /" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(matches); i++)
		for (uint32_t limit = 1; limit < 20; limit += 6) {
			struct query query = { .kind = QUERY_MATCHES, .filter = matches[i].filter, .limit = limit };
			struct buf got;
			buf_init(&got, 1 << 16);
			while (query.cursor_phase < 2) {
				assert_ok(suite_ask(suite, &query));
				for (uint32_t n = 0; n < suite->answer.match_count; n++) {
					buf_addf(&got, "%llu ", (unsigned long long)(suite->answer.matches[n].uid & 0xff));
					assert_int_equal(suite->answer.matches[n].version, 1);
				}
				if (suite->answer.next_phase != query.cursor_phase)
					buf_addf(&got, query.cursor_phase ? "/" : "/ ");
				query.cursor_phase = suite->answer.next_phase;
				query.cursor_uid = suite->answer.next_uid;
			}
			assert_text(buf_str(&got), matches[i].expected);
			assert_ok(suite_ask(suite, &query));
			assert_int_equal(suite->answer.match_count, 0);
			assert_int_equal(suite->answer.next_phase, 2);
			buf_fini(&got);
		}
	struct query query = { .kind = QUERY_COUNT, .count_max = 3 };
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.count, 3);
	assert_true(suite->answer.count_is_least);
	query.filter.tag = STR("a\"b");
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.count, 3);
	assert_false(suite->answer.count_is_least);
}

/* ---- lives and terms ---- */

static void everything_is_there_after_a_restart(void **state)
{
	struct suite *suite = *state;
	struct buf before, after;
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	make_list(suite);
	suite_begin(suite);
	add_side_rows(suite, uid_at(3, 3));
	suite_commit(suite);
	suite_dump(suite, &before);
	suite_restart(suite);
	suite_dump(suite, &after);
	assert_true(before.len > 500);
	assert_true(str_eq(buf_str(&before), buf_str(&after)));
	assert_list(suite, (struct query){ }, "11 10 9 8 7 6 5 4 3 2 1 0");
	assert_ok(ask_about(suite, QUERY_ATTEMPTS, uid_at(3, 3)));
	assert_int_equal(suite->answer.attempt_count, 1);
	buf_fini(&before);
	buf_fini(&after);
}

static void the_older_term_is_refused(void **state)
{
	struct suite *suite = *state;
	struct store *usurper;
	struct store_meta meta;
	struct problem problem = { 0 };
	if (suite->factory->hostile)
		skip();
	suite_begin(suite);
	suite_commit(suite);
	assert_ok(suite->factory->open(suite->factory, &usurper, &problem));
	assert_ok(usurper->verbs->take(usurper, &meta));
	assert_int_equal(meta.commit_seq, 1);
	assert_true(meta.term > suite->meta.term);
	suite_begin(suite);
	suite_queue(suite, 1, "default", "late");
	assert_err(suite_try(suite), E_STALE_TERM);
	suite_begin(suite);
	assert_err(suite_try(suite), E_STALE_TERM);
	suite->cs.term = meta.term; /* the right term, but a seq that is taken */
	struct store *old = suite->store;
	void *context = old->wake_context;
	suite->store = usurper;
	usurper->wake = old->wake;
	usurper->wake_context = context;
	assert_ok(suite_try(suite));
	suite->cs.seq = 2;
	assert_err(suite_try(suite), E_STALE_TERM);
	suite->store = old;
	usurper->verbs->close(usurper);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_EVENTS, .queue = STR("late") }), E_QUEUE_NOT_FOUND);
}

static void several_may_be_in_flight(void **state)
{
	struct suite *suite = *state;
	struct changeset sets[8] = { 0 };
	struct outcome outcome;
	if (suite->factory->hostile)
		skip();
	uint32_t most = suite->store->in_flight_max < 8 ? suite->store->in_flight_max : 8;
	assert_true(most >= 2);
	for (int round = 0; round < 3; round++) {
		/* In the second round the second one conflicts: all behind it fail with it, and the store goes on. */
		for (uint32_t i = 0; i < most; i++) {
			arena_reset(&sets[i].arena);
			sets[i] = (struct changeset){ .arena = sets[i].arena, .seq = suite->meta.commit_seq + 1 + i, .term = suite->meta.term,
				                      .engine_us = 5, .wall_us = 5 };
			struct queue_row *row = change_add(&sets[i], queues);
			*row = (struct queue_row){ .number = i + 1, .namespace_name = STR("default"), .version = sets[i].seq,
				                   .name = suite_text(suite, "q%u", i) };
			if (round == 1 && i == 1)
				*change_add(&sets[i], jobs) = (struct job_write){ .before = TABLE_LIVE, .after = TABLE_LIVE, .row.uid = 99 };
		}
		for (uint32_t i = 0; i < most; i++)
			suite->store->verbs->submit(suite->store, &sets[i]);
		for (uint32_t i = 0; i < most; i++) {
			suite_wait(suite, &outcome);
			assert_ptr_equal(outcome.changeset, &sets[i]);
			assert_err(outcome.err, round == 1 && i >= 1 ? E_CONFLICT : E_OK);
			if (!outcome.err)
				suite->meta.commit_seq = sets[i].seq;
		}
	}
	suite_restart(suite);
	assert_int_equal(suite->meta.commit_seq, 2 * most + 1);
	for (uint32_t i = 0; i < most; i++)
		arena_fini(&sets[i].arena);
}

static void tell_twice(void **state)
{
	struct suite *suite = *state;
	struct buf first, second;
	suite_close(suite); /* the story opens its own */
	for (uint64_t seed = 1; seed <= 3; seed++) {
		buf_init(&first, 256 << 20);
		buf_init(&second, 256 << 20);
		conformance_tell(suite->factory, seed, 60, &first);
		conformance_tell(suite->factory, seed, 60, &second);
		assert_true(str_eq(buf_str(&first), buf_str(&second)));
		buf_fini(&first);
		buf_fini(&second);
	}
	suite_open(suite, the_factory);
}

int conformance_run(struct factory *factory)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(take_gives_a_higher_term_each_time),
		TEST(take_tells_where_the_store_stands),
		TEST(a_new_job_can_be_read_whole),
		TEST(a_job_goes_from_live_to_done_and_back),
		TEST(a_deleted_job_takes_all_with_it),
		TEST(keys_are_unique_over_live_and_done),
		TEST(rows_must_be_where_the_change_set_says),
		TEST(far_jobs_come_in_order_and_pages),
		TEST(a_scan_asks_before_it_tells_of_far_jobs),
		TEST(large_payloads_are_staged_then_referenced),
		TEST(bodies_that_nothing_references_are_swept),
		TEST(bodies_go_with_their_job),
		TEST(ranges_remove_the_oldest_final_jobs),
		TEST(small_rows_are_put_replaced_and_dropped),
		TEST(limits_are_put_replaced_and_dropped_with_their_permits),
		TEST(penalties_stand_with_queues_and_groups),
		TEST(dedup_keys_are_put_replaced_and_dropped),
		TEST(edges_are_put_updated_and_dropped),
		TEST(chains_are_put_replaced_and_dropped),
		TEST(counts_are_sums_of_deltas),
		TEST(idempotency_records_are_kept_and_expire),
		TEST(keys_next_to_a_missing_one_are_told),
		TEST(attempts_and_log_lines_come_in_order_and_pages),
		TEST(log_lines_come_from_either_end),
		TEST(ranges_tell_jobs_by_their_place),
		TEST(many_jobs_are_read_in_the_order_asked),
		TEST(log_lines_are_trimmed_to_the_newest),
		TEST(a_grant_is_told_what_happened_before),
		TEST(events_are_paged_by_change_set_and_trimmed),
		TEST(events_of_one_queue_are_trimmed),
		TEST(events_are_trimmed_in_slices),
		TEST(metrics_are_added_up_by_the_minute),
		TEST(lists_filter_sort_and_page),
		TEST(lists_show_names_errors_and_progress),
		TEST(a_moved_job_is_listed_where_it_is),
		TEST(definitions_come_in_the_order_asked),
		TEST(matches_come_in_slices_with_versions),
		TEST(everything_is_there_after_a_restart),
		TEST(the_older_term_is_refused),
		TEST(several_may_be_in_flight),
		TEST(tell_twice),
	};
	the_factory = factory;
	int failed = cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
	return failed + conformance_webhooks(factory);
}
