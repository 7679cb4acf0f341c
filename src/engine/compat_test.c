/* src/engine/compat_test.c: queues that keep BullMQ's rules: ids, leases, verdicts, order, events; and what natives got with them. */
#include "engine/test_world.h"

static struct world world;

static int set_up(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static struct request *compat_enqueue(const char *queue, const char *id)
{
	struct request *request = enqueue_request(&world, queue, "", id);
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	return request;
}

static uint64_t enqueued(struct request *request)
{
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->err, E_OK);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t uid = request->ops[0].result.uid;
	request_drop(request);
	return uid;
}

static uint64_t number_given(struct request *request)
{
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t number = request->ops[0].result.number;
	request_drop(request);
	return number;
}

static struct request *compat_claim(const char *queue, const char *token)
{
	struct request *request = claim_request(&world, queue, 1, 0);
	request->ops[0].claim.compat = COMPAT_BULLMQ;
	request->ops[0].claim.token = str_of(token);
	return request;
}

static uint64_t claimed(const char *queue, const char *token)
{
	struct request *request = compat_claim(queue, token);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	uint64_t uid = request->ops[0].result.claim->count ? request->ops[0].result.claim->grants[0].uid : 0;
	request_drop(request);
	return uid;
}

/* The job's row as it is on disk. */
static struct job_row row_of(uint64_t uid)
{
	struct load load = { .uids = &uid, .uid_count = 1 };
	struct arena arena = { 0 };
	assert_int_equal(world.store->verbs->load(world.store, &load, &arena), E_OK);
	struct job_row row = load.rows[0];
	row.worker = row.group = row.label = (struct str){ 0 };
	arena_fini(&arena);
	return row;
}

/* All events from that change-set on, a line each, uids and times left out. */
static char events_text[8192];
static const char *events_since(uint64_t seq)
{
	struct reader *reader;
	struct arena arena = { 0 };
	struct answer answer;
	size_t len = 0;
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_EVENTS, .after_seq = seq, .limit = 1000 }, &arena, &answer), E_OK);
	for (uint32_t i = 0; i < answer.event_count; i++) {
		for (struct str lines = answer.events[i].lines; lines.len;) {
			size_t end = str_index(lines, '\n'), blank = str_index(lines, ' ');
			struct str line = { lines.ptr, end }, details = str_from(line, blank + UID_TEXT_BYTES);
			len += (size_t)snprintf(events_text + len, sizeof(events_text) - len, "%.*s" STR_FMT "\n", (int)blank, lines.ptr, STR_ARG(details));
			lines = str_from(lines, end + 1);
		}
	}
	reader_close(reader);
	arena_fini(&arena);
	events_text[len] = '\0';
	return events_text;
}

static uint64_t seq_now(void)
{
	return world.engine->index.committed_seq;
}

/* ---- ids ---- */

static void ids_are_counted_by_the_queue(void **state)
{
	(void)state;
	assert_int_equal(number_given(compat_enqueue("q", "")), 1);
	assert_int_equal(number_given(compat_enqueue("q", "")), 2);
	assert_int_equal(number_given(compat_enqueue("q", "mine")), 0);
	assert_int_equal(world_err(&world, compat_enqueue("q", "3")), E_INVALID);
	assert_int_equal(number_given(compat_enqueue("q", "")), 3);
	assert_int_equal(number_given(compat_enqueue("other", "")), 1);
	world_crash(&world);
	assert_int_equal(number_given(compat_enqueue("q", "")), 4);
	world_settings(&world, "native", "{\"ids\":\"decimal\"}");
	assert_int_equal(number_given(enqueue_request(&world, "native", "", "")), 1);
	assert_int_equal(world_err(&world, enqueue_request(&world, "native", "", "17")), E_INVALID);
	assert_int_equal(world.engine->index.labels.live, 6); /* of the queues in compat mode only */
}

static void a_counted_id_names_its_job(void **state)
{
	(void)state;
	uint64_t uid = enqueued(compat_enqueue("q", ""));
	struct request *request = job_request(&world, OP_EXPLAIN, 0);
	request->ops[0].job.queue.name = STR("q");
	request->ops[0].job.id = STR("1");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.uid, uid);
	request_drop(request);
}

static void an_attempt_that_time_does_not_end_is_explained_without_an_end(void **state)
{
	(void)state;
	uint64_t uid = enqueued(compat_enqueue("q", ""));
	assert_int_equal(claimed("q", "t"), uid);
	struct request *request = job_request(&world, OP_EXPLAIN, uid);
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.explanation->code, EXPLAIN_RUNNING);
	assert_true(request->ops[0].result.explanation->until_us == 0);
	request_drop(request);
}

static void a_refused_commit_takes_the_number_back(void **state)
{
	(void)state;
	assert_int_equal(number_given(compat_enqueue("q", "")), 1);
	world_manual(&world, true);
	struct request *refused = compat_enqueue("q", "");
	world_push(&world, refused);
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, refused));
	assert_int_equal(refused->err, E_STORE_FULL);
	request_drop(refused);
	world_manual(&world, false);
	world_pass(&world, 2000);
	assert_int_equal(number_given(compat_enqueue("q", "")), 2);
	assert_int_equal(world.engine->index.labels.live, 2);
}

static void a_replayed_enqueue_says_the_same_number(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct request *request = compat_enqueue("q", "");
		request->idempotency_key = STR("1:key");
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->replayed, i);
		assert_int_equal(request->ops[0].result.number, 1);
		request_drop(request);
	}
}

/* Numbers, texts and what looks like a number: each comes back from the disk as it was. */
static void labels_are_there_after_a_restart(void **state)
{
	static const char *const ids[] = { "a", "repeat:x:17", "0", "007", "12345678901234567890", "1e3" };
	char room[LABEL_ROOM];
	uint64_t uids[ARRAY_COUNT(ids)];
	(void)state;
	world_settings(&world, "q", "{\"compat\":\"bullmq\",\"ids\":\"uid\"}"); /* so that numbers may be given */
	for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
		uids[i] = enqueued(compat_enqueue("q", ids[i]));
	for (int round = 0; round < 2; round++) {
		const struct index *index = &world.engine->index;
		for (size_t i = 0; i < ARRAY_COUNT(ids); i++)
			assert_true(str_eq(label_of(index, job_at(index, job_find(index, uids[i])), room), str_of(ids[i])));
		world_crash(&world);
	}
	assert_int_equal(world_by_hand(&world, OP_DELETE, uids[0]), E_OK);
	world_step(&world);
	assert_int_equal(world.engine->index.labels.live, ARRAY_COUNT(ids) - 1);
	assert_int_equal(world.engine->index.names.live, ARRAY_COUNT(ids) - 2); /* one deleted, one number */
}

/* A job that is far from its time leaves memory with its label, and comes back with it. */
static void labels_leave_and_return_with_far_jobs(void **state)
{
	(void)state;
	uint64_t uid = 0;
	for (int i = 0; i < 2; i++) {
		struct request *request = compat_enqueue("q", i ? "own" : "");
		request->ops[0].enqueue.delay_ms = 7200000;
		uid = enqueued(request);
	}
	assert_int_equal(world.engine->index.labels.live, 0);
	world_crash(&world);
	uint64_t seq = seq_now();
	assert_int_equal(world_by_hand(&world, OP_PROMOTE, uid), E_OK);
	assert_string_equal(events_since(seq), "promoted {\"job_id\":\"own\"}\n");
	world_pass(&world, 7200000);
	assert_int_equal(world.engine->index.labels.live, 2);
	assert_non_null(strstr(events_since(seq), "waiting {\"job_id\":\"1\",\"from\":\"delayed\"}\n"));
}

/* ---- whose rules ---- */

static void a_queue_keeps_one_set_of_rules(void **state)
{
	(void)state;
	enqueued(compat_enqueue("bull", ""));
	world_enqueue(&world, "native", "");
	assert_int_equal(world_err(&world, compat_enqueue("native", "")), E_COMPAT);
	assert_int_equal(world_err(&world, compat_claim("native", "t")), E_COMPAT);
	assert_int_equal(world_err(&world, claim_request(&world, "bull", 1, 0)), E_COMPAT);
	enqueued(enqueue_request(&world, "bull", "", "")); /* anybody may bring work */
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "bull", "", "{\"compat\":null}")), E_COMPAT);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "native", "", "{\"compat\":\"bullmq\"}")), E_COMPAT);
	assert_int_equal(claimed("fresh", "t"), 0); /* a claim makes it too */
	assert_int_equal(world_err(&world, claim_request(&world, "fresh", 1, 0)), E_COMPAT);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "fresh", "", "{\"compat\":null}")), E_OK);
	assert_int_equal(world_err(&world, claim_request(&world, "fresh", 1, 0)), E_OK);
}

static void nobody_changes_the_rules_under_those_who_wait(void **state)
{
	(void)state;
	struct request *claim = compat_claim("q", "t");
	claim->ops[0].claim.wait_ms = 60000;
	assert_null(world_ask(&world, claim));
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "q", "", "{\"compat\":null}")), E_COMPAT);
	enqueued(compat_enqueue("q", ""));
	assert_true(world_answered(&world, claim));
	request_drop(claim);
}

static void jobs_are_not_moved_between_rules(void **state)
{
	(void)state;
	uint64_t bull = enqueued(compat_enqueue("bull", "")), native = world_enqueue(&world, "native", "");
	struct request *request = job_request(&world, OP_MOVE, bull);
	request->ops[0].job.to.name = STR("native");
	assert_int_equal(world_err(&world, request), E_COMPAT);
	request = job_request(&world, OP_MOVE, native);
	request->ops[0].job.to.name = STR("bull");
	assert_int_equal(world_err(&world, request), E_COMPAT);
}

/* ---- leases and verdicts ---- */

static void tokens_are_judged(void **state)
{
	static const struct {
		const char *claimed, *said; /* claimed NULL: it waits */
		enum op_kind kind;
		enum err err;
	} rows[] = {
		{ "a", "a", OP_HEARTBEAT, E_OK },     { "a", "b", OP_HEARTBEAT, E_STALE }, { "a", "0", OP_COMPLETE, E_OK },
		{ "a", "b", OP_COMPLETE, E_STALE },   { "0", "0", OP_COMPLETE, E_OK },     { "0", "a", OP_COMPLETE, E_NO_LEASE },
		{ NULL, "a", OP_COMPLETE, E_NO_LEASE }, { NULL, "0", OP_COMPLETE, E_STATE }, { NULL, "", OP_PROGRESS, E_OK },
		{ NULL, "", OP_LOG, E_OK },           { "a", "", OP_LOG, E_OK },           { "a", "b", OP_PROGRESS, E_STALE },
		{ NULL, "a", OP_LOG, E_NO_LEASE },    { NULL, "a", OP_RELEASE, E_NO_LEASE },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t uid = enqueued(compat_enqueue("q", ""));
		if (rows[i].claimed)
			assert_int_equal(claimed("q", rows[i].claimed), uid);
		enum err err = world_lease(&world, rows[i].kind, uid, rows[i].said, VERDICT_POLICY, 0);
		if (err != rows[i].err)
			fail_msg("row %zu: %s", i, err_code(err));
		struct request *request = job_request(&world, OP_DELETE, uid);
		request->ops[0].job.force = true;
		assert_int_equal(world_err(&world, request), E_OK);
	}
	uint64_t uid = world_enqueue(&world, "native", "");
	assert_int_equal(world_lease(&world, OP_PROGRESS, uid, "", VERDICT_POLICY, 0), E_INVALID);
}

static void verdicts_are_the_clients(void **state)
{
	(void)state;
	struct request *request = compat_enqueue("q", "");
	request->ops[0].enqueue.max_attempts = 1;
	uint64_t uid = enqueued(request);
	static const enum verdict verdicts[] = { VERDICT_HEAD, VERDICT_TAIL, VERDICT_DELAY };
	for (size_t i = 0; i < ARRAY_COUNT(verdicts); i++) {
		assert_int_equal(claimed("q", "t"), uid);
		assert_int_equal(world_lease(&world, OP_FAIL, uid, "t", verdicts[i], 50), E_OK);
		assert_int_equal(world_state(&world, uid), verdicts[i] == VERDICT_DELAY ? JOB_DELAYED : JOB_WAITING);
		assert_int_equal(row_of(uid).attempts_made, i + 1);
	}
	world_pass(&world, 100);
	assert_int_equal(claimed("q", "t"), uid);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "t", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(row_of(uid).attempts_made, 4); /* a completion counts too */
	uid = enqueued(compat_enqueue("q", ""));
	assert_int_equal(claimed("q", "t"), uid);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "t", VERDICT_FINAL, 0), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
}

/* ---- order ---- */

static uint64_t enqueue_lifo(int32_t priority, int64_t delay_ms, bool lifo)
{
	struct request *request = compat_enqueue("q", "");
	request->ops[0].enqueue.priority = priority;
	request->ops[0].enqueue.delay_ms = delay_ms;
	request->ops[0].enqueue.lifo = lifo;
	return enqueued(request);
}

static void lifo_counts_without_priority_and_delay_only(void **state)
{
	(void)state;
	uint64_t a = enqueue_lifo(0, 0, false), b = enqueue_lifo(0, 0, true), c = enqueue_lifo(5, 0, false), d = enqueue_lifo(5, 0, true);
	uint64_t late = enqueue_lifo(0, 100, true);
	world_pass(&world, 200);
	const uint64_t order[] = { b, a, late, c, d };
	for (size_t i = 0; i < ARRAY_COUNT(order); i++)
		assert_int_equal(claimed("q", "t"), order[i]);
}

static void reprioritised_jobs_go_first_when_asked(void **state)
{
	uint64_t uids[4];
	(void)state;
	uint64_t a = world_enqueue(&world, "native", ""), b = world_enqueue(&world, "native", ""), c = world_enqueue(&world, "native", "");
	for (int lifo = 0; lifo < 2; lifo++) {
		struct request *request = job_request(&world, OP_REPRIORITISE, lifo ? c : a);
		request->ops[0].job.lifo = lifo;
		assert_int_equal(world_err(&world, request), E_OK);
	}
	assert_int_equal(world_claim(&world, "native", 3, uids), 3);
	assert_int_equal(uids[0], c);
	assert_int_equal(uids[1], b);
	assert_int_equal(uids[2], a);

	/* With a priority too, where one that is enqueued does not. */
	uint64_t first = enqueue_lifo(5, 0, false), second = enqueue_lifo(0, 0, false);
	struct request *request = job_request(&world, OP_REPRIORITISE, second);
	request->ops[0].job.priority = 5;
	request->ops[0].job.lifo = true;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(claimed("q", "t"), second);
	assert_int_equal(claimed("q", "t"), first);
}

/* ---- by hand ---- */

static void something_is_done_in_one_state_only(void **state)
{
	static const enum op_kind kinds[] = { OP_CANCEL, OP_PROMOTE, OP_REPRIORITISE, OP_RESCHEDULE, OP_EDIT, OP_DELETE };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		uint64_t uid = world_enqueue(&world, "q", "");
		struct request *request = job_request(&world, kinds[i], uid);
		request->ops[0].job.only_in_state = true;
		request->ops[0].job.only_state = JOB_FAILED;
		assert_int_equal(world_err(&world, request), E_STATE);
		assert_int_equal(world_state(&world, uid), JOB_WAITING);
	}
	uint64_t uid = world_enqueue(&world, "q", "");
	struct request *request = job_request(&world, OP_DELETE, uid);
	request->ops[0].job.only_in_state = true;
	request->ops[0].job.only_state = JOB_WAITING;
	assert_int_equal(world_err(&world, request), E_OK);
}

static struct str payload_of(uint64_t uid, struct arena *arena)
{
	struct reader *reader;
	struct answer answer;
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_JOB, .uids = &uid, .uid_count = 1, .with_payload = true }, arena, &answer), E_OK);
	reader_close(reader);
	return answer.jobs[0].row.flags & ROW_EDITED ? answer.jobs[0].edited_payload : answer.jobs[0].definition.payload;
}

static void edit(uint64_t uid, const char *payload)
{
	struct request *request = job_request(&world, OP_EDIT, uid);
	struct arena arena = { 0 };
	request->ops[0].job.has_payload = true;
	request->ops[0].job.payload = str_of(payload);
	assert_int_equal(world_err(&world, request), E_OK);
	assert_true(str_eq(payload_of(uid, &arena), str_of(payload)));
	arena_fini(&arena);
}

/* Whatever its state: and all else of it stays as it was. */
static void a_payload_is_edited(void **state)
{
	(void)state;
	uint64_t uid = enqueued(compat_enqueue("q", ""));
	edit(uid, "[1]");
	assert_int_equal(claimed("q", "t"), uid);
	edit(uid, "[2]");
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "t", VERDICT_POLICY, 0), E_OK);
	struct job_row before = row_of(uid);
	edit(uid, "[3]");
	struct job_row after = row_of(uid);
	assert_int_equal(after.state, JOB_COMPLETED);
	assert_int_equal(after.outcome, before.outcome);
	assert_int_equal(after.started_us, before.started_us);
	assert_int_equal(after.finished_us, before.finished_us);
	assert_int_equal(after.attempts_made, before.attempts_made);
	assert_int_not_equal(after.edited_body, before.edited_body);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_OK);
	assert_int_equal(claimed("q", "t"), uid);
}

/* The end is still on its way to the disk when the edit comes. */
static void a_payload_is_edited_behind_its_jobs_end(void **state)
{
	(void)state;
	uint64_t uid = enqueued(compat_enqueue("q", ""));
	assert_int_equal(claimed("q", "t"), uid);
	world_manual(&world, true);
	struct request *end = lease_request(&world, OP_COMPLETE, uid), *request = job_request(&world, OP_EDIT, uid);
	end->ops[0].lease.token = STR("t");
	request->ops[0].job.has_payload = true;
	request->ops[0].job.payload = STR("[9]");
	world_push(&world, end);
	world_push(&world, request);
	world_settle(&world, SETTLE_APPLY);
	world_settle(&world, SETTLE_APPLY);
	assert_true(world_answered(&world, end));
	assert_true(world_answered(&world, request));
	assert_int_equal(request->ops[0].result.err, E_OK);
	request_drop(end);
	request_drop(request);
	world_manual(&world, false);
	struct job_row row = row_of(uid);
	assert_int_equal(row.state, JOB_COMPLETED);
	assert_int_equal(row.outcome, OUTCOME_SUCCESS);
	assert_true(row.finished_us > 0);
	assert_true(row.flags & ROW_EDITED);
}

static void a_delayed_job_gets_another_time(void **state)
{
	(void)state;
	uint64_t uid = enqueue_lifo(0, 60000, false);
	struct request *request = job_request(&world, OP_RESCHEDULE, uid);
	request->ops[0].job.delay_ms = 1000;
	assert_int_equal(world_err(&world, request), E_OK);
	world_pass(&world, 500);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	request = job_request(&world, OP_RESCHEDULE, uid);
	request->ops[0].job.run_at_us = world.wall_us + 2000000;
	assert_int_equal(world_err(&world, request), E_OK);
	world_pass(&world, 1500);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	world_pass(&world, 1000);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	request = job_request(&world, OP_RESCHEDULE, uid);
	assert_int_equal(world_err(&world, request), E_STATE);
}

static void fail_finally(uint64_t uid)
{
	assert_int_equal(claimed("q", "t"), uid);
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "t", VERDICT_FINAL, 0), E_OK);
}

static void a_retry_keeps_or_resets_what_was_counted(void **state)
{
	(void)state;
	uint64_t uid = enqueued(compat_enqueue("q", ""));
	fail_finally(uid);
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_OK);
	assert_int_equal(row_of(uid).attempts_made, 1); /* as BullMQ does */
	assert_true(row_of(uid).flags & ROW_REDONE);
	fail_finally(uid);
	assert_false(row_of(uid).flags & ROW_REDONE); /* it has run since */
	assert_int_equal(row_of(uid).attempts_started, 2);
	struct request *request = job_request(&world, OP_RETRY, uid);
	request->ops[0].job.keep_attempts = KEEP_ATTEMPTS_NO;
	request->ops[0].job.reset_started = true;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(row_of(uid).attempts_made, 0);
	assert_int_equal(row_of(uid).attempts_started, 0);
	fail_finally(uid);
	uint64_t other = enqueued(compat_enqueue("q", ""));
	request = job_request(&world, OP_RETRY, uid);
	request->ops[0].job.lifo = true;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(claimed("q", "t"), uid);
	assert_int_equal(claimed("q", "t"), other);
}

static void natives_reset_unless_asked(void **state)
{
	uint64_t uids[1];
	(void)state;
	uint64_t uid = world_enqueue(&world, "n", "");
	for (int keeps = 0; keeps < 2; keeps++) {
		assert_int_equal(world_claim(&world, "n", 1, uids), 1);
		assert_int_equal(world_lease(&world, OP_FAIL, uid, "token-1", VERDICT_FINAL, 0), E_OK);
		struct request *request = job_request(&world, OP_RETRY, uid);
		request->ops[0].job.keep_attempts = keeps ? KEEP_ATTEMPTS_YES : KEEP_ATTEMPTS_AS_QUEUE;
		assert_int_equal(world_err(&world, request), E_OK);
		assert_int_equal(row_of(uid).attempts_made, keeps);
	}
}

static void an_active_job_is_deleted_by_force(void **state)
{
	uint64_t uids[1];
	(void)state;
	uint64_t uid = world_enqueue(&world, "q", "g");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_STATE);
	struct request *request = job_request(&world, OP_DELETE, uid);
	request->ops[0].job.force = true;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_JOB_NOT_FOUND);
	assert_int_equal(world.engine->index.leases.live, 0);
	assert_int_equal(world_state(&world, uid), JOB_STATE_COUNT);
}

static void a_forced_deletion_that_is_refused_gives_the_lease_back(void **state)
{
	uint64_t uids[1];
	(void)state;
	uint64_t uid = world_enqueue(&world, "q", "g");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	struct request *request = request_new(&world, 2);
	request->atomic = true;
	request->ops[0].kind = OP_DELETE;
	request->ops[0].job = (struct op_job){ .uid = uid, .force = true };
	request->ops[1].kind = OP_CANCEL;
	request->ops[1].job.uid = 12345;
	assert_int_equal(world_err(&world, request), E_CANCELLED);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
}

static uint32_t log_lines(uint64_t uid)
{
	struct reader *reader;
	struct arena arena = { 0 };
	struct answer answer;
	assert_int_equal(world.store->verbs->reader_open(world.store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &(struct query){ .kind = QUERY_LOGS, .uids = &uid, .uid_count = 1, .limit = 100 }, &arena, &answer), E_OK);
	uint32_t count = answer.log_count;
	reader_close(reader);
	arena_fini(&arena);
	return count;
}

static void log_line(uint64_t uid, const char *line, int keep)
{
	struct request *request = lease_request(&world, OP_LOG, uid);
	request->ops[0].lease.token = (struct str){ 0 };
	request->ops[0].lease.body = str_of(line);
	request->ops[0].lease.trims = keep >= 0;
	request->ops[0].lease.keep_lines = keep < 0 ? 0 : (uint32_t)keep;
	assert_int_equal(world_err(&world, request), E_OK);
}

static void log_lines_are_kept_to_a_number(void **state)
{
	(void)state;
	uint64_t uid = enqueued(compat_enqueue("q", ""));
	for (int i = 0; i < 5; i++)
		log_line(uid, "line", -1);
	assert_int_equal(log_lines(uid), 5);
	log_line(uid, "line", 3);
	assert_int_equal(log_lines(uid), 3);
	log_line(uid, "", 2); /* only trims */
	assert_int_equal(log_lines(uid), 2);
	log_line(uid, "", -1); /* an empty line */
	assert_int_equal(log_lines(uid), 3);
	log_line(uid, "", 0);
	assert_int_equal(log_lines(uid), 0);
}

static void a_snoozed_job_waits_until_an_instant(void **state)
{
	(void)state;
	uint64_t uid = enqueued(compat_enqueue("q", ""));
	assert_int_equal(claimed("q", "t"), uid);
	struct request *request = lease_request(&world, OP_SNOOZE, uid);
	request->ops[0].lease.token = STR("t");
	request->ops[0].lease.run_at_us = world.wall_us + 1000000;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_DELAYED);
	world_pass(&world, 1100);
	assert_int_equal(claimed("q", "t"), uid);
}

/* ---- settings ---- */

static void an_unchanged_put_writes_nothing(void **state)
{
	(void)state;
	world_settings(&world, "q", "{\"metadata\":{\"a\":1}}");
	world_step(&world);
	uint64_t seq = seq_now();
	world_settings(&world, "q", "{\"metadata\":{\"a\":1},\"concurrency\":0}");
	assert_int_equal(seq_now(), seq);
	world_settings(&world, "q", "{\"metadata\":{\"b\":1}}");
	assert_int_equal(seq_now(), seq + 1);
	world_settings(&world, "made", "{}"); /* a new one is written */
	assert_int_equal(seq_now(), seq + 2);
}

/* ---- events ---- */

static void events_say_the_id(void **state)
{
	(void)state;
	struct request *request = compat_enqueue("q", "");
	request->ops[0].enqueue.name = STR("mail");
	uint64_t uid = enqueued(request), seq = 0;
	assert_string_equal(events_since(seq), "enqueued {\"job_id\":\"1\",\"name\":\"mail\",\"state\":\"waiting\"}\n");
	seq = seq_now();
	assert_int_equal(claimed("q", "t"), uid);
	assert_int_equal(world_lease(&world, OP_PROGRESS, uid, "t", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "t", VERDICT_POLICY, 0), E_OK);
	assert_string_equal(events_since(seq), "active {\"job_id\":\"1\"}\nprogress {\"job_id\":\"1\",\"progress\":true}\n"
					       "completed {\"job_id\":\"1\",\"result\":true}\ndrained\n");
	seq = seq_now();
	assert_int_equal(world_by_hand(&world, OP_RETRY, uid), E_OK);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_OK);
	assert_string_equal(events_since(seq), "retried {\"job_id\":\"1\",\"from\":\"completed\"}\ndeleted {\"job_id\":\"1\",\"from\":\"waiting\"}\n");
}

static void events_of_failures_and_delays(void **state)
{
	(void)state;
	struct request *request = compat_enqueue("q", "x\"y");
	request->ops[0].enqueue.delay_ms = 1000;
	request->ops[0].enqueue.max_attempts = 2;
	uint64_t uid = enqueued(request), seq = 0;
	assert_string_equal(events_since(seq), "enqueued {\"job_id\":\"x\\\"y\",\"state\":\"delayed\",\"due_at\":\"2027-01-15T08:00:01.000Z\"}\n");
	assert_int_equal(world_err(&world, compat_enqueue("q", "x\"y")), E_OK);
	seq = seq_now() - 1;
	assert_string_equal(events_since(seq), "duplicate {\"job_id\":\"x\\\"y\"}\n");
	seq = seq_now();
	world_pass(&world, 1000);
	assert_string_equal(events_since(seq), "waiting {\"job_id\":\"x\\\"y\",\"from\":\"delayed\"}\n");
	assert_int_equal(claimed("q", "t"), uid);
	seq = seq_now();
	assert_int_equal(world_lease(&world, OP_FAIL, uid, "t", VERDICT_FINAL, 0), E_OK);
	assert_string_equal(events_since(seq), "failed {\"job_id\":\"x\\\"y\",\"attempts_made\":1,\"max_attempts\":2,\"error\":{\"message\":\"no\"}}\ndrained\n");
	seq = seq_now();
	assert_int_equal(world_err(&world, compat_enqueue("q", "x\"y")), E_OK); /* of a job that is on disk only */
	assert_string_equal(events_since(seq), "duplicate {\"job_id\":\"x\\\"y\"}\n");
}

static void native_events_are_as_they_were(void **state)
{
	uint64_t uids[1];
	(void)state;
	uint64_t uid = world_enqueue(&world, "q", "");
	assert_int_equal(world_claim(&world, "q", 1, uids), 1);
	assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
	assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_OK);
	assert_string_equal(events_since(0), "enqueued\nactive\ncompleted\ndeleted\n");
}

/* ---- memory that runs out ---- */

static struct request *a_life(struct world *own)
{
	struct request *request = request_new(own, 4);
	enqueue_op(own, &request->ops[0], "bull", "")->enqueue.compat = COMPAT_BULLMQ;
	request->ops[0].enqueue.metadata = STR("{\"opts\":{}}");
	enqueue_op(own, &request->ops[1], "bull", "")->enqueue.compat = COMPAT_BULLMQ;
	request->ops[1].enqueue.id = STR("a-long-id-of-its-own");
	request->ops[1].enqueue.delay_ms = 5;
	request->ops[2].kind = OP_CLAIM;
	struct request *claim = claim_request(own, "bull", 1, 0);
	request->ops[2].claim = claim->ops[0].claim;
	request->ops[2].claim.queues = ARENA_ARRAY(&request->arena, struct claim_queue, 1);
	assert_non_null(request->ops[2].claim.queues);
	request->ops[2].claim.queues[0].queue.name = STR("bull");
	request->ops[2].claim.compat = COMPAT_BULLMQ;
	request->ops[2].claim.token = STR("0");
	request_drop(claim);
	static const struct keep keep = { .count = 1 };
	request->ops[3].kind = OP_COMPLETE;
	request->ops[3].lease = (struct op_lease){ .uid = request->ops[0].enqueue.uid, .token = STR("0"), .body = STR("[]"), .keep = &keep };
	return request;
}

static void allocations_fail_one_by_one(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 400; n++) {
		struct world own;
		world_open(&own);
		struct request *request = a_life(&own);
		engine_push(own.engine, request);
		bool failed = world_starve(&own, n, MEM_FAIL_ONE);
		world_pass(&own, 2000);
		assert_true(world_answered(&own, request));
		request_drop(request);
		world_close(&own);
		if (!failed)
			return;
	}
	fail_msg("never came to an end");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(ids_are_counted_by_the_queue),
		TEST(a_counted_id_names_its_job),
		TEST(an_attempt_that_time_does_not_end_is_explained_without_an_end),
		TEST(a_refused_commit_takes_the_number_back),
		TEST(a_replayed_enqueue_says_the_same_number),
		TEST(labels_are_there_after_a_restart),
		TEST(labels_leave_and_return_with_far_jobs),
		TEST(a_queue_keeps_one_set_of_rules),
		TEST(nobody_changes_the_rules_under_those_who_wait),
		TEST(jobs_are_not_moved_between_rules),
		TEST(tokens_are_judged),
		TEST(verdicts_are_the_clients),
		TEST(lifo_counts_without_priority_and_delay_only),
		TEST(reprioritised_jobs_go_first_when_asked),
		TEST(something_is_done_in_one_state_only),
		TEST(a_payload_is_edited),
		TEST(a_payload_is_edited_behind_its_jobs_end),
		TEST(a_delayed_job_gets_another_time),
		TEST(a_retry_keeps_or_resets_what_was_counted),
		TEST(natives_reset_unless_asked),
		TEST(an_active_job_is_deleted_by_force),
		TEST(a_forced_deletion_that_is_refused_gives_the_lease_back),
		TEST(log_lines_are_kept_to_a_number),
		TEST(a_snoozed_job_waits_until_an_instant),
		TEST(an_unchanged_put_writes_nothing),
		TEST(events_say_the_id),
		TEST(events_of_failures_and_delays),
		TEST(native_events_are_as_they_were),
		cmocka_unit_test(allocations_fail_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
