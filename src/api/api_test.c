/* Answers: what the engine and the readers say, as the client reads it; and who gets a grant that nobody waits for any more. */
#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UID_1 "000000000002d" /* 77 */
#define UID_2 "000000000002e"

static void expect(struct scene *scene, int status, const char *body)
{
	if (scene->status != status || !str_eq(scene->body, str_of(body)))
		fail_msg("wanted %d %s\n  got    %d " STR_FMT, status, body, scene->status, STR_ARG(scene->body));
}

static bool says(const struct scene *scene, const char *part)
{
	return scene->body.len && memmem(scene->body.ptr, scene->body.len, part, strlen(part));
}

/* ---- enqueue ---- */

static void enqueued(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\",\"id\":\"a\\\"b\"}"));
	struct request *request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	scene_reply(&scene, request);
	expect(&scene, 201, "{\"uid\":\"" UID_1 "\",\"id\":\"a\\\"b\",\"queue\":\"q\",\"state\":\"waiting\",\"duplicate\":false}");

	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\",\"id\":\"a\"}"));
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .uid = 77, .duplicate = true, .state = JOB_COMPLETED };
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"uid\":\"" UID_1 "\",\"id\":\"a\",\"queue\":\"q\",\"state\":\"completed\",\"duplicate\":true}");

	struct problem problem = { .err = E_STATE, .field = "delay_ms", .detail = "No." };
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\"}"));
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .err = E_STATE, .problem = &problem };
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 409);
	assert_true(says(&scene, "\"status\":409,\"code\":\"illegal_state\",\"detail\":\"No.\",\"field\":\"delay_ms\"}"));
	scene_close(&scene);
}

static void enqueued_many(void **state)
{
	struct scene scene;
	struct problem problem = { .err = E_CONFLICT, .field = "id", .detail = "No." };
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"jobs\":[{\"queue\":\"q\"},{\"queue\":\"q\"}]}"));
	struct request *request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	request->ops[1].result = (struct op_result){ .err = E_CONFLICT, .problem = &problem };
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 200);
	assert_true(str_starts(scene.body, STR("{\"results\":[{\"uid\":\"" UID_1 "\",\"id\":\"" UID_1 "\",\"state\":\"waiting\",\"duplicate\":false},{\"problem\":{\"type\":")));

	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"atomic\":true,\"jobs\":[{\"queue\":\"q\"},{\"queue\":\"q\"}]}"));
	request = scene_request(&scene);
	request->ops[0].result.err = E_CANCELLED;
	request->ops[1].result = (struct op_result){ .err = E_CONFLICT, .problem = &problem };
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 409);
	assert_true(says(&scene, "\"field\":\"jobs[1].id\""));
	scene_close(&scene);
}

/* ---- claims ---- */

static struct claim_result *grants(struct request *request, uint32_t op, uint64_t first_uid, uint32_t count)
{
	struct claim_result *claim = ARENA_NEW(&request->arena, struct claim_result);
	claim->grants = ARENA_ARRAY(&request->arena, struct grant, count + 1);
	claim->count = count;
	claim->token = STR("tok");
	claim->next_due_ms = -1;
	for (uint32_t i = 0; i < count; i++)
		claim->grants[i] = (struct grant){ .uid = first_uid + i, .fence = 9, .attempt = 2, .attempts_made = 1, .max_attempts = 3, .stalls = 1, .priority = 4,
						   .lease_ms = 30000, .timeout_ms = 5, .queue = { STR(""), STR("q") } };
	request->ops[op].result.claim = claim;
	return claim;
}

#define GRANT_REST "\"queue\":\"q\",\"namespace\":\"default\",\"attempt\":2,\"attempts_made\":1,\"max_attempts\":3,\"stalls\":1,\"priority\":4,\"fence\":9," \
	"\"lease_ms\":30000,\"timeout_ms\":5}"
#define CREATED "\"created_at\":\"2024-01-01T00:00:00.000Z\","

static void nothing_to_claim(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"]}"));
	struct request *request = scene_request(&scene);
	struct claim_result *claim = grants(request, 0, 0, 0);
	claim->nothing = "queue_paused";
	claim->next_due_ms = 1500;
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"token\":\"tok\",\"jobs\":[],\"reason\":\"queue_paused\",\"next_due_ms\":1500}");

	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"max\":0}"));
	request = scene_request(&scene);
	claim = grants(request, 0, 0, 0);
	claim->ready = 3;
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"token\":\"tok\",\"jobs\":[],\"reason\":null,\"next_due_ms\":null,\"ready\":3}");
	scene_close(&scene);
}

static void claims_from_memory(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 1 << 20);
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\",\"id\":\"a\",\"name\":\"k\",\"group\":\"g\",\"tags\":[\"t\"],\"payload\":{ \"n\" : 1 }}"));
	struct request *request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	scene_reply(&scene, request);

	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"]}"));
	request = scene_request(&scene);
	grants(request, 0, 77, 1);
	scene_reply(&scene, request);
	assert_int_equal(scene.question_count, 0);
	expect(&scene, 200, "{\"token\":\"tok\",\"jobs\":[{\"uid\":\"" UID_1 "\",\"id\":\"a\",\"name\":\"k\",\"group\":\"g\",\"payload\":{ \"n\" : 1 },\"tags\":[\"t\"],"
	       "\"trace\":null," CREATED GRANT_REST "],\"reason\":null,\"next_due_ms\":null}");

	/* the second one is not in memory, the first one was edited since: both are asked for, in one question */
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"max\":2}"));
	request = scene_request(&scene);
	grants(request, 0, 77, 2)->grants[0].edited_body = 5;
	scene_reply(&scene, request);
	struct question *question = scene_question(&scene);
	assert_true(question->query.kind == QUERY_DEFINITIONS && question->query.uid_count == 2 && question->query.uids[1] == 78);
	struct job_view views[2] = {
		{ .row = { .uid = 77, .flags = ROW_EDITED }, .definition = { .id = STR("a"), .payload = STR("1") }, .edited_payload = STR("2") },
		{ .row = { .uid = 78, .group = STR("h") }, .definition = { .payload = STR("[3]") } },
	};
	question->answer = (struct answer){ .jobs = views, .job_count = 2 };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"token\":\"tok\",\"jobs\":[{\"uid\":\"" UID_1 "\",\"id\":\"a\",\"name\":null,\"group\":null,\"payload\":2,\"tags\":[],\"trace\":null,"
	       CREATED GRANT_REST ",{\"uid\":\"" UID_2 "\",\"id\":\"" UID_2 "\",\"name\":null,\"group\":\"h\",\"payload\":[3],\"tags\":[],\"trace\":null," CREATED GRANT_REST
	       "],\"reason\":null,\"next_due_ms\":null}");
	scene_close(&scene);
}

/* What was in memory when the question left stays, whatever is enqueued meanwhile. */
static void memory_moves_on(void **state)
{
	struct scene scene;
	struct request *request;
	struct buf body;
	(void)state;
	scene_open(&scene, true, 1); /* the smallest there is */
	scene_send(&scene, "POST", "/v1/jobs", NULL, STR("{\"queue\":\"q\",\"payload\":\"first\"}"));
	request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	scene_reply(&scene, request);
	struct scene_client waiting = scene.client;
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"max\":2}"));
	request = scene_request(&scene);
	grants(request, 0, 77, 2);
	scene_reply(&scene, request);
	struct question *question = scene_question(&scene);
	assert_int_equal(question->query.uid_count, 1);

	scene.client = (struct scene_client){ .fd = -1, .in = { .max_bytes = 1 << 20 } };
	buf_init(&body, 1 << 20);
	for (int i = 0; i < 40; i++) {
		buf_clear(&body);
		buf_addf(&body, "{\"queue\":\"q\",\"payload\":\"%030000d\"}", i);
		scene_send(&scene, "POST", "/v1/jobs", NULL, buf_str(&body));
		request = scene_request(&scene);
		request->ops[0].result.uid = 1000 + (uint64_t)i;
		scene_reply(&scene, request);
		assert_int_equal(scene.status, 201);
	}
	buf_fini(&body);
	scene_hang_up(&scene);
	buf_fini(&scene.client.in);
	scene.client = waiting;
	struct job_view view = { .row = { .uid = 78 }, .definition = { .payload = STR("\"second\"") } };
	question->answer = (struct answer){ .jobs = &view, .job_count = 1 };
	scene_answer(&scene, question);
	assert_true(says(&scene, "\"payload\":\"first\"") && says(&scene, "\"payload\":\"second\""));
	scene_close(&scene);
}

static void a_deleted_job_is_left_out(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"max\":2}"));
	struct request *request = scene_request(&scene);
	grants(request, 0, 77, 2);
	scene_reply(&scene, request);
	struct question *question = scene_question(&scene);
	struct job_view views[2] = { { .row = { .uid = 0 } }, { .row = { .uid = 78 }, .definition = { .payload = STR("1") } } };
	question->answer = (struct answer){ .jobs = views, .job_count = 2 };
	scene_answer(&scene, question);
	assert_true(says(&scene, "\"jobs\":[{\"uid\":\"" UID_2 "\""));
	scene_close(&scene);
}

static void check_released(struct scene *scene)
{
	struct request *request = scene_request(scene);
	assert_int_equal(request->op_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(request->ops[i].kind, OP_RELEASE);
		assert_true(request->ops[i].lease.uid == 77 + i && request->ops[i].lease.fence == 9 && str_eq(request->ops[i].lease.token, STR("tok")));
	}
	api_reply(scene->api, request);
}

static void who_left_gives_back(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	/* gone while waiting: withdrawn; what was granted all the same is released */
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"max\":2,\"wait_ms\":60000}"));
	struct request *claim = scene_request(&scene);
	scene_hang_up(&scene);
	struct request *withdraw = scene_request(&scene);
	assert_int_equal(withdraw->ops[0].kind, OP_WITHDRAW);
	assert_true(withdraw->ops[0].withdraw == claim->number);
	grants(claim, 0, 77, 2);
	api_reply(scene.api, claim);
	api_reply(scene.api, withdraw);
	check_released(&scene);

	/* gone while the definitions are read */
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"max\":2}"));
	claim = scene_request(&scene);
	grants(claim, 0, 77, 2);
	scene_reply(&scene, claim);
	struct question *question = scene_question(&scene);
	scene_hang_up(&scene);
	assert_int_equal(scene.request_count, 0); /* it no longer waits in the engine */
	api_answer(scene.api, question);
	check_released(&scene);

	/* the definitions cannot be read */
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"max\":2}"));
	claim = scene_request(&scene);
	grants(claim, 0, 77, 2);
	scene_reply(&scene, claim);
	question = scene_question(&scene);
	question->err = E_IO;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 503);
	check_released(&scene);
	scene_close(&scene);
}

static void who_waits_is_told_to_go(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"wait_ms\":60000}"));
	struct request *claim = scene_request(&scene);
	api_quiesce(scene.api);
	struct request *withdraw = scene_request(&scene);
	assert_int_equal(withdraw->ops[0].kind, OP_WITHDRAW);
	claim->err = E_CANCELLED;
	scene_reply(&scene, claim);
	assert_int_equal(scene.status, 503);
	assert_true(says(&scene, "unavailable") && says(&scene, "stopping"));
	api_reply(scene.api, withdraw);
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"wait_ms\":60000}")); /* from now on nobody waits */
	claim = scene_request(&scene);
	assert_true(claim->ops[0].claim.wait_ms == 0);
	grants(claim, 0, 0, 0);
	scene_reply(&scene, claim);
	assert_int_equal(scene.status, 200);
	scene_close(&scene);
}

static void finished_and_claimed(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/leases/" UID_1 "/complete", NULL, STR("{\"token\":\"t\",\"claim\":{\"queues\":[\"q\"]}}"));
	struct request *request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .uid = 77, .state = JOB_COMPLETED };
	grants(request, 1, 0, 0)->nothing = "empty";
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"uid\":\"" UID_1 "\",\"state\":\"completed\",\"claim\":{\"token\":\"tok\",\"jobs\":[],\"reason\":\"empty\",\"next_due_ms\":null}}");

	scene_send(&scene, "POST", "/v1/leases/" UID_1 "/complete", NULL, STR("{\"token\":\"t\",\"claim\":{\"queues\":[\"q\"]}}"));
	request = scene_request(&scene);
	request->ops[0].result.err = E_STALE;
	request->ops[1].result.err = E_CANCELLED;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 409);
	assert_true(says(&scene, "stale_lease"));

	scene_send(&scene, "POST", "/v1/leases/complete", NULL, STR("{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"},{\"uid\":\"" UID_2 "\"}],\"claim\":{\"queues\":[\"q\"]}}"));
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .uid = 77, .state = JOB_COMPLETED };
	request->ops[1].result.err = E_STALE;
	grants(request, 2, 0, 0);
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 200);
	assert_true(str_starts(scene.body, STR("{\"results\":[{\"uid\":\"" UID_1 "\",\"state\":\"completed\"},{\"uid\":\"" UID_2 "\",\"problem\":{")));
	assert_true(says(&scene, "}}],\"claim\":{\"token\":\"tok\",\"jobs\":[],\"reason\":null,\"next_due_ms\":null}}"));

	scene_send(&scene, "POST", "/v1/leases/heartbeat", NULL, STR("{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"}]}"));
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .uid = 77, .state = JOB_ACTIVE, .cancel_requested = true };
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"results\":[{\"uid\":\"" UID_1 "\",\"state\":\"active\",\"cancel_requested\":true}]}");
	scene_close(&scene);
}

/* In a batch a claim rides too: its answer stands within the answer of what it rides on. */
static void finished_and_claimed_in_a_batch(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/batch", NULL,
		   STR("{\"ops\":[{\"op\":\"complete\",\"uid\":\"" UID_1 "\",\"token\":\"t\",\"claim\":{\"queues\":[\"q\"]}},"
		       "{\"op\":\"fail\",\"uid\":\"" UID_2 "\",\"token\":\"t\",\"claim\":{\"queues\":[\"q\"]}},"
		       "{\"op\":\"complete\",\"uid\":\"" UID_2 "\",\"token\":\"t\",\"claim\":{\"queues\":[\"q\"]}},{\"op\":\"delete\",\"uid\":\"" UID_2 "\"}]}"));
	struct request *request = scene_request(&scene);
	assert_int_equal(request->op_count, 7);
	assert_false(request->atomic);
	request->ops[0].result = (struct op_result){ .uid = 77, .state = JOB_COMPLETED };
	grants(request, 1, 0, 0)->nothing = "empty";
	request->ops[2].result = (struct op_result){ .uid = 78, .err = E_STALE };
	request->ops[3].result.err = E_CANCELLED;
	request->ops[4].result = (struct op_result){ .uid = 78, .state = JOB_COMPLETED };
	request->ops[5].result.err = E_COMPAT;
	request->ops[6].result = (struct op_result){ .uid = 78 };
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 200);
	assert_true(str_starts(scene.body, STR("{\"results\":[{\"uid\":\"" UID_1 "\",\"state\":\"completed\",\"claim\":{\"token\":\"tok\",\"jobs\":[],"
					       "\"reason\":\"empty\",\"next_due_ms\":null}},{\"uid\":\"" UID_2 "\",\"problem\":{")));
	assert_true(says(&scene, "}},{\"uid\":\"" UID_2 "\",\"state\":\"completed\",\"claim\":{\"problem\":{"));
	assert_true(says(&scene, "\"code\":\"compat_mismatch\""));
	assert_true(says(&scene, "}}},{\"uid\":\"" UID_2 "\",\"deleted\":true}]}"));

	/* Riders are not counted in the place that a refusal names. */
	scene_send(&scene, "POST", "/v1/batch", NULL,
		   STR("{\"atomic\":true,\"ops\":[{\"op\":\"complete\",\"uid\":\"" UID_1 "\",\"token\":\"t\",\"claim\":{\"queues\":[\"q\"]}},"
		       "{\"op\":\"delete\",\"uid\":\"" UID_2 "\"}]}"));
	request = scene_request(&scene);
	for (uint32_t i = 0; i < 3; i++)
		request->ops[i].result.err = i < 2 ? E_CANCELLED : E_JOB_NOT_FOUND;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 404);
	assert_true(says(&scene, "\"field\":\"ops[1]\""));
	scene_close(&scene);
}

/* Whose programs want to know what happened before get it with the grant; a job that never ran comes from memory. */
static void grants_with_history(void **state)
{
	struct scene scene;
	struct str errors[] = { STR_INIT("{\"message\":\"a\"}"), STR_INIT("{\"message\":\"b\"}") };
	struct parent_view parent = { .edge.parent = 78, .id = STR("p"), .queue_name = STR("q"), .namespace_name = STR("n") };
	(void)state;
	scene_open(&scene, true, 1 << 20);
	for (int round = 0; round < 4; round++) { /* first start, second start, progress told before the first start, not enqueued here */
		static const char *const enqueue = "{\"queue\":\"q\",\"payload\":7,\"metadata\":{\"o\": 1},\"compat\":\"bullmq\"}";
		struct request *request;
		if (round < 3) {
			scene_send(&scene, "POST", "/v1/jobs", NULL, str_of(enqueue));
			request = scene_request(&scene);
			request->ops[0].result = (struct op_result){ .uid = 77, .number = 17 };
			scene_reply(&scene, request);
			assert_true(says(&scene, "\"id\":\"17\""));
		}
		if (round == 2) {
			scene_send(&scene, "POST", "/v1/batch", NULL, STR("{\"ops\":[{\"op\":\"progress\",\"uid\":\"" UID_1 "\",\"progress\":50}]}"));
			request = scene_request(&scene);
			request->ops[0].result.uid = 77;
			scene_reply(&scene, request);
		}
		scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"compat\":\"bullmq\"}"));
		request = scene_request(&scene);
		struct grant *grant = grants(request, 0, 77, 1)->grants;
		grant->with_history = true;
		grant->with_parents = round == 1;
		grant->fence = round == 1 ? 2 : 1;
		grant->started_us = 1767225600000000;
		scene_reply(&scene, request);
		if (round == 0) {
			assert_int_equal(scene.question_count, 0);
			assert_true(says(&scene, "\"id\":\"17\"") && says(&scene, "\"metadata\":{\"o\": 1}"));
			assert_true(says(&scene, ",\"started_at\":\"2026-01-01T00:00:00.000Z\",\"progress\":null,\"errors\":[]}"));
			continue;
		}
		struct question *question = scene_question(&scene);
		assert_true(question->query.with_history);
		struct job_view view = { .row.uid = 77, .definition = { .uid = 77, .id = STR("17"), .payload = STR("7"), .metadata = STR("{\"o\": 1}") },
			                 .progress = STR("50"), .errors = errors, .error_count = 2, .parents = &parent, .parent_count = 1 };
		question->answer = (struct answer){ .jobs = &view, .job_count = 1 };
		scene_answer(&scene, question);
		assert_true(says(&scene, "\"metadata\":{\"o\": 1}"));
		assert_true(says(&scene, ",\"progress\":50,\"errors\":[{\"message\":\"a\"},{\"message\":\"b\"}]"));
		assert_int_equal(says(&scene, ",\"parents\":[{\"uid\":\"" UID_2 "\""), round == 1);
	}
	scene_close(&scene);
}

/* Sweeps, failures that a claim tells, rates that workers bring. */
static void answers_in_compat_mode(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 1 << 20);
	scene_send(&scene, "POST", "/v1/batch", NULL, STR("{\"now_ms\":1767225600000,\"ops\":[{\"op\":\"sweep\",\"queue\":\"q\",\"interval_ms\":1},{\"op\":\"queue_reset\",\"queue\":\"q\"},"
							  "{\"op\":\"release\",\"uid\":\"" UID_1 "\",\"token\":\"t\"},"
							  "{\"op\":\"claim\",\"queues\":[\"q\"],\"compat\":\"bullmq\",\"limiter\":{\"max\":1,\"per_ms\":9}}]}"));
	struct request *request = scene_request(&scene);
	assert_int_equal(request->asked_us, INT64_C(1767225600000000));
	request->ops[0].result.id = STR("[\"1\",\"x\"]");
	request->ops[1].result.more = true;
	request->ops[2].result = (struct op_result){ .uid = 77, .state = JOB_WAITING, .rate_ttl_ms = 5 };
	struct claim_result *claim = grants(request, 3, 77, 0);
	claim->nothing = "queue_rate";
	claim->next_due_ms = -1;
	claim->rate_ttl_ms = 9;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 200);
	assert_true(says(&scene, "{\"results\":[{\"ids\":[\"1\",\"x\"]},{\"name\":\"q\",\"namespace\":\"default\",\"more\":true},"));
	assert_true(says(&scene, "\"state\":\"waiting\",\"rate_ttl_ms\":5}"));
	assert_true(says(&scene, "\"reason\":\"queue_rate\",\"next_due_ms\":null,\"rate_ttl_ms\":9}"));
	scene_send(&scene, "POST", "/v1/claims", NULL, STR("{\"queues\":[\"q\"],\"compat\":\"bullmq\"}"));
	request = scene_request(&scene);
	struct grant *grant = grants(request, 0, 77, 1)->grants;
	grant->with_history = true;
	grant->deferred = STR("it is no use");
	scene_reply(&scene, request);
	struct question *question = scene_question(&scene);
	struct job_view view = { .row.uid = 77, .definition = { .uid = 77, .payload = STR("7") } };
	question->answer = (struct answer){ .jobs = &view, .job_count = 1 };
	scene_answer(&scene, question);
	assert_true(says(&scene, "\"errors\":[],\"deferred\":\"it is no use\"}"));
	scene_close(&scene);
}

/* ---- batches ---- */

static void batches(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 1 << 20);
	scene_send(&scene, "POST", "/v1/batch", NULL, STR("{\"ops\":[{\"op\":\"enqueue\",\"queue\":\"q\",\"payload\":7},{\"op\":\"claim\",\"queues\":[\"q\"]},"
		   "{\"op\":\"cancel\",\"uid\":\"" UID_2 "\"},{\"op\":\"delete\",\"uid\":\"" UID_2 "\"}]}"));
	struct request *request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	grants(request, 1, 77, 1);
	request->ops[2].result.err = E_JOB_NOT_FOUND;
	request->ops[3].result.uid = 78;
	scene_reply(&scene, request);
	assert_int_equal(scene.question_count, 0); /* enqueued and claimed in one call: from memory */
	assert_int_equal(scene.status, 200);
	assert_true(says(&scene, "\"payload\":7"));
	assert_true(says(&scene, "{\"uid\":\"" UID_2 "\",\"problem\":{\"type\":\"urn:ruche:problem:job_not_found\""));
	assert_true(says(&scene, "{\"uid\":\"" UID_2 "\",\"deleted\":true}]}"));

	scene_send(&scene, "POST", "/v1/batch", NULL, STR("{\"atomic\":true,\"ops\":[{\"op\":\"enqueue\",\"queue\":\"q\"},{\"op\":\"cancel\",\"uid\":\"" UID_2 "\"}]}"));
	request = scene_request(&scene);
	request->ops[0].result.err = E_CANCELLED;
	request->ops[1].result.err = E_JOB_NOT_FOUND;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 404);
	assert_true(says(&scene, "\"field\":\"ops[1]\""));
	scene_close(&scene);
}

/* ---- jobs ---- */

static const struct job_view a_job = {
	.definition = { .uid = 77, .id = STR_INIT("a"), .name = STR_INIT("k"), .tags = STR_INIT("[\"t\"]"), .chain = STR_INIT("c"), .created_us = 1767225600000000, .ttl_ms = 9,
			.payload = STR_INIT("{ \"n\":1}"), .payload_bytes = 8 },
	.row = { .uid = 77, .state = JOB_FAILED, .outcome = OUTCOME_ATTEMPTS_SPENT, .flags = ROW_LIFO | ROW_EDITED, .priority = 2, .max_attempts = 3,
		 .attempts_started = 3, .attempts_made = 3, .stalls = 1, .fence = 4, .timeout_ms = 5, .started_us = 1767225601000000,
		 .finished_us = 1767225602000000, .worker = STR_INIT("w"), .group = STR_INIT("g") },
	.result = { .error = STR_INIT("{\"message\":\"m\"}"), .result = STR_INIT("[1]"), .result_bytes = 3 },
	.queue_name = STR_INIT("q"), .namespace_name = STR_INIT("n"), .edited_payload = STR_INIT("2"), .progress = STR_INIT("0.5"),
};
#define A_JOB "{\"uid\":\"" UID_1 "\",\"id\":\"a\",\"queue\":\"q\",\"namespace\":\"n\",\"name\":\"k\",\"group\":\"g\",\"state\":\"failed\",\"outcome\":\"attempts_spent\"," \
	"\"cancel_requested\":false,\"redone\":false,\"priority\":2,\"lifo\":true,\"attempts_started\":3,\"attempts_made\":3,\"max_attempts\":3,\"stalls\":1,\"fence\":4," \
	"\"timeout_ms\":5,\"ttl_ms\":9,\"created_at\":\"2026-01-01T00:00:00.000Z\",\"due_at\":null,\"started_at\":\"2026-01-01T00:00:01.000Z\"," \
	"\"finished_at\":\"2026-01-01T00:00:02.000Z\",\"worker\":\"w\",\"chain\":\"c\",\"tags\":[\"t\"],\"trace\":null,\"http\":null,\"progress\":0.5," \
	"\"error\":{\"message\":\"m\"},\"payload_bytes\":8,\"payload_edited\":true,\"result_bytes\":3"

static struct question *one_job(struct scene *scene, const char *path, struct job_view *view)
{
	scene_send(scene, "GET", path, NULL, STR(""));
	struct request *request = scene_request(scene);
	assert_true(request->ops[0].kind == OP_BARRIER || request->ops[0].kind == OP_WAIT);
	scene_reply(scene, request);
	struct question *question = scene_question(scene);
	question->answer = (struct answer){ .jobs = view, .job_count = 1 };
	return question;
}

static void looking_at_a_job(void **state)
{
	struct scene scene;
	struct job_view view = a_job;
	(void)state;
	scene_open(&scene, true, 0);
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1, &view));
	expect(&scene, 200, A_JOB ",\"result\":[1],\"parents\":[]}");
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1 "?payload=true&result=false&wait_ms=10", &view));
	expect(&scene, 200, A_JOB ",\"metadata\":null,\"payload\":2,\"original_payload\":{ \"n\":1},\"parents\":[]}");
	struct parent_view parents[] = {
		{ .edge = { .parent = 78, .on_failure = ON_FAILURE_IGNORE, .state = EDGE_DONE }, .id = STR("p"), .queue_name = STR("up"), .namespace_name = STR("n") },
		{ .edge = { .parent = 78 } }, /* without an id; its queue is gone */
	};
	view.parents = parents;
	view.parent_count = 2;
	struct question *whole = one_job(&scene, "/v1/jobs/" UID_1 "?result=false", &view);
	assert_true(whole->query.with_parents);
	scene_answer(&scene, whole);
	expect(&scene, 200, A_JOB ",\"parents\":[{\"uid\":\"" UID_2 "\",\"id\":\"p\",\"queue\":\"up\",\"namespace\":\"n\",\"on_failure\":\"ignore\",\"state\":\"done\"},"
	       "{\"uid\":\"" UID_2 "\",\"id\":\"" UID_2 "\",\"queue\":null,\"namespace\":null,\"on_failure\":\"fail\",\"state\":\"pending\"}]}");
	view.parent_count = 0;
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1 "/payload", &view));
	expect(&scene, 200, "2");
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1 "/payload?original", &view));
	expect(&scene, 200, "{ \"n\":1}");
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1 "/result", &view));
	expect(&scene, 200, "[1]");
	view.result.result = (struct str){ 0 };
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1 "/result", &view));
	expect(&scene, 200, "null");
	view.row.state = JOB_ACTIVE;
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1 "/result", &view));
	assert_int_equal(scene.status, 409);
	view.row.state = JOB_DELAYED;
	view.row.due_us = 1767225603000000;
	scene_answer(&scene, one_job(&scene, "/v1/jobs/" UID_1, &view));
	assert_true(says(&scene, "\"outcome\":null") && says(&scene, "\"due_at\":\"2026-01-01T00:00:03.000Z\""));

	scene_send(&scene, "GET", "/v1/jobs?queue=q", NULL, STR(""));
	struct question *question = scene_question(&scene);
	view = a_job;
	question->answer = (struct answer){ .jobs = &view, .job_count = 1, .next_cursor = STR("abc") };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"jobs\":[" A_JOB "}],\"next_cursor\":\"abc\"}");
	scene_close(&scene);
}

static void what_happened_to_it(void **state)
{
	struct scene scene;
	struct attempt_row attempt = { .uid = 77, .number = 1, .fence = 2, .started_us = 1767225600000000, .finished_us = 1767225600250000, .next = JOB_DELAYED,
				       .retry_us = 1767225601000000, .worker = STR_INIT("w"), .error = STR_INIT("{\"message\":\"m\"}"), .exchange = STR_INIT("{\"status\":503}") };
	struct log_row line = { .uid = 77, .attempt = 1, .at_us = 1767225600000000, .line = STR_INIT("a\"b") };
	(void)state;
	scene_open(&scene, true, 0);
	struct question *question = one_job(&scene, "/v1/jobs/" UID_1 "/attempts?limit=5", NULL);
	assert_true(question->query.kind == QUERY_ATTEMPTS && question->query.limit == 5);
	question->answer = (struct answer){ .attempts = &attempt, .attempt_count = 1 };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"attempts\":[{\"number\":1,\"fence\":2,\"started_at\":\"2026-01-01T00:00:00.000Z\",\"finished_at\":\"2026-01-01T00:00:00.250Z\",\"took_ms\":250,"
	       "\"next\":\"delayed\",\"retry_at\":\"2026-01-01T00:00:01.000Z\",\"worker\":\"w\",\"error\":{\"message\":\"m\"},\"exchange\":{\"status\":503}}],\"next_cursor\":null}");
	question = one_job(&scene, "/v1/jobs/" UID_1 "/logs", NULL);
	question->answer = (struct answer){ .logs = &line, .log_count = 1, .count = 5, .next_cursor = STR("2") };
	assert_true(!question->query.newest_first && question->query.skip == 0);
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"logs\":[{\"attempt\":1,\"at\":\"2026-01-01T00:00:00.000Z\",\"line\":\"a\\\"b\"}],\"count\":5,\"next_cursor\":\"2\"}");
	question = one_job(&scene, "/v1/jobs/" UID_1 "/logs?from=3&order=desc&limit=1", NULL);
	assert_true(question->query.newest_first && question->query.skip == 3 && question->query.limit == 1);
	question->err = E_JOB_NOT_FOUND;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 404);

	struct explanation explanation = { .uid = 77, .state = JOB_WAITING, .code = EXPLAIN_QUEUE_PAUSED, .text = STR_INIT("Paused."), .ahead = 3 };
	scene_send(&scene, "GET", "/v1/jobs/" UID_1 "/explain", NULL, STR(""));
	struct request *request = scene_request(&scene);
	request->ops[0].result.explanation = &explanation;
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"uid\":\"" UID_1 "\",\"state\":\"waiting\",\"code\":\"queue_paused\",\"text\":\"Paused.\",\"until_at\":null,"
	       "\"ahead\":3,\"active\":0,\"limit\":0,\"limit_name\":null,\"worker\":null}");
	scene_send(&scene, "DELETE", "/v1/jobs/" UID_1, NULL, STR(""));
	scene_reply(&scene, scene_request(&scene));
	expect(&scene, 204, "");
	scene_close(&scene);
}

/* ---- many of a queue ---- */

/* The question that a request for jobs of a queue leads to. */
static struct question *many_jobs(struct scene *scene, const char *method, const char *path, const char *body)
{
	scene_send(scene, method, path, NULL, str_of(body));
	struct request *request = scene_request(scene);
	assert_int_equal(request->ops[0].kind, OP_BARRIER);
	scene_reply(scene, request);
	struct question *question = scene_question(scene);
	assert_true(str_eq(question->query.queue, STR("q")) && str_eq(question->query.namespace_name, STR("n")));
	return question;
}

static void ranges(void **state)
{
	struct scene scene;
	struct job_view views[2] = { a_job, { .row.uid = 78 } };
	(void)state;
	scene_open(&scene, true, 0);
	struct question *question = many_jobs(&scene, "GET", "/v1/queues/q/range?namespace=n&state=prioritised", "");
	const struct range *range = &question->query.range;
	assert_int_equal(question->query.kind, QUERY_RANGE);
	assert_true(range->order == RANGE_PRIORITISED && range->what == RANGE_IDS && !range->descending && range->from == 0 && range->to == 99);
	assert_true(range->before_us == 0 && !question->query.with_payload && !question->query.with_result && !question->query.with_history);
	question->answer = (struct answer){ .jobs = views, .job_count = 2, .count = 7 };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"total\":7,\"ids\":[{\"uid\":\"" UID_1 "\",\"id\":\"a\"},{\"uid\":\"" UID_2 "\",\"id\":\"" UID_2 "\"}]}");

	question = many_jobs(&scene, "GET", "/v1/queues/q/range?namespace=n&state=failed&from=-3&to=-1&order=desc&what=jobs&parts=payload,errors"
			     "&before=2026-01-01T00:00:00Z", "");
	range = &question->query.range;
	assert_true(range->order == RANGE_FAILED && range->what == RANGE_JOBS && range->descending && range->from == -3 && range->to == -1);
	assert_true(range->before_us == INT64_C(1767225600000000));
	assert_true(question->query.with_payload && !question->query.with_result && question->query.with_history);
	struct str errors[] = { STR("{\"n\":1}"), STR("{\"n\":2}") };
	views[0].errors = errors;
	views[0].error_count = 2;
	question->answer = (struct answer){ .jobs = views, .job_count = 1, .count = 9 };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"total\":9,\"jobs\":[" A_JOB ",\"metadata\":null,\"payload\":2,\"original_payload\":{ \"n\":1},\"errors\":[{\"n\":1},{\"n\":2}]}]}");

	question = many_jobs(&scene, "GET", "/v1/queues/q/range?namespace=n&state=delayed&what=none&from=-5", "");
	assert_true(question->query.range.what == RANGE_NONE && question->query.range.to == -1);
	question->answer.count = 4;
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"total\":4}");
	scene_close(&scene);
}

static void read_many(void **state)
{
	struct scene scene;
	struct job_view views[2] = { [1] = a_job };
	(void)state;
	scene_open(&scene, true, 0);
	struct question *question = many_jobs(&scene, "POST", "/v1/queues/q/jobs/read?namespace=n", "{\"ids\":[\"b\",\"a\"],\"parts\":[\"result\",\"progress\"]}");
	assert_true(question->query.kind == QUERY_READ && question->query.id_count == 2 && question->query.uid_count == 0);
	assert_true(str_eq(question->query.ids[1], STR("a")) && !question->query.with_payload && question->query.with_result);
	question->answer = (struct answer){ .jobs = views, .job_count = 2 };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"jobs\":[null," A_JOB ",\"result\":[1]}]}");

	question = many_jobs(&scene, "POST", "/v1/queues/q/jobs/read?namespace=n", "{\"uids\":[\"" UID_2 "\"]}");
	assert_true(question->query.uid_count == 1 && question->query.uids[0] == 78);
	question->answer = (struct answer){ .jobs = views, .job_count = 1 };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"jobs\":[null]}");

	question = many_jobs(&scene, "POST", "/v1/queues/q/jobs/read?namespace=n", "{\"ids\":[]}");
	question->err = E_QUEUE_NOT_FOUND;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 404);
	scene_close(&scene);
}

static void many_jobs_of_a_token_with_queues(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	scene_as(&scene, scene_token(&scene, "read", "[\"mine\"]"));
	scene_send(&scene, "GET", "/v1/queues/theirs/range?state=waiting", NULL, STR(""));
	assert_int_equal(scene.status, 403);
	scene_send(&scene, "POST", "/v1/queues/theirs/jobs/read", NULL, STR("{\"ids\":[\"a\"]}"));
	assert_int_equal(scene.status, 403);
	scene_send(&scene, "GET", "/v1/queues/mine/range?state=waiting", NULL, STR(""));
	struct request *request = scene_request(&scene);
	assert_int_equal(request->ops[0].kind, OP_BARRIER);
	request->err = E_UNAVAILABLE;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 503);
	scene_close(&scene);
}

/* ---- metrics, workers, events by hand ---- */

static void metrics(void **state)
{
	struct scene scene;
	const int64_t minute = 1767225600000000 / 60000000; /* 2026-01-01T00:00Z */
	struct metric_row rows[] = { { 1, minute, 5, 1 }, { 1, minute + 1, 0, 2 }, { 1, minute + 4, 3, 0 }, { 1, minute + 5, 2, 0 } };
	(void)state;
	scene_open(&scene, true, 0);
	struct question *question = many_jobs(&scene, "GET", "/v1/queues/q/metrics?namespace=n", "");
	assert_int_equal(question->query.kind, QUERY_METRICS);
	question->answer = (struct answer){ .metrics = rows, .metric_count = 4, .ended = { [JOB_COMPLETED] = 30, [JOB_FAILED] = 3 } };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"completed\":{\"count\":30,\"count_before\":28,\"minute_at\":\"2026-01-01T00:05:00.000Z\",\"total\":5,\"points\":[3,0,0,0,5]},"
	       "\"failed\":{\"count\":3,\"count_before\":1,\"minute_at\":\"2026-01-01T00:01:00.000Z\",\"total\":1,\"points\":[1]}}");
	static const struct { const char *places, *points; } stretches[] = {
		{ "&to=0", "\"points\":[3]}" }, { "&from=1&to=2", "\"points\":[0,0]}" }, { "&from=-2", "\"points\":[0,5]}" }, { "&from=3&to=99", "\"points\":[0,5]}" },
		{ "&from=5", "\"points\":[]}" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(stretches); i++) {
		char path[128];
		snprintf(path, sizeof(path), "/v1/queues/q/metrics?namespace=n%s", stretches[i].places);
		question = many_jobs(&scene, "GET", path, "");
		question->answer = (struct answer){ .metrics = rows, .metric_count = 4 };
		scene_answer(&scene, question);
		if (!says(&scene, stretches[i].points))
			fail_msg("%s: " STR_FMT, path, STR_ARG(scene.body));
	}
	question = many_jobs(&scene, "GET", "/v1/queues/q/metrics?namespace=n", "");
	scene_answer(&scene, question);
	assert_true(says(&scene, "\"failed\":{\"count\":0,\"count_before\":0,\"minute_at\":null,\"total\":0,\"points\":[]}}"));
	struct metric_row far[] = { { 1, 1, 1, 0 }, { 1, minute, 1, 0 } }; /* the clock jumped: no endless row of zeros */
	question = many_jobs(&scene, "GET", "/v1/queues/q/metrics?namespace=n&to=0", "");
	question->answer = (struct answer){ .metrics = far, .metric_count = 2 };
	scene_answer(&scene, question);
	assert_true(says(&scene, "\"total\":100000,\"points\":[0]"));
	scene_close(&scene);
}

static void workers_come_and_go(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	uint32_t all = scene_token(&scene, "work read", NULL), mine = scene_token(&scene, "work read", "[\"mine\"]");
	scene_as(&scene, all);
	scene_send(&scene, "PUT", "/v1/workers/w2", NULL, STR("{\"queue\":\"theirs\",\"namespace\":\"n\",\"name\":\"two\",\"kind\":\"events\",\"ttl_ms\":86400000}"));
	assert_int_equal(scene.status, 200);
	assert_true(str_starts(scene.body, STR("{\"id\":\"w2\",\"namespace\":\"n\",\"queue\":\"theirs\",\"name\":\"two\",\"kind\":\"events\",\"address\":\"127.0.0.1:")));
	scene_send(&scene, "PUT", "/v1/workers/w3", NULL, STR("{\"queue\":\"theirs\"}"));
	scene_as(&scene, mine);
	scene_send(&scene, "PUT", "/v1/workers/w1", NULL, STR("{\"queue\":\"mine\"}"));
	assert_int_equal(scene.status, 200);
	assert_true(says(&scene, "\"namespace\":\"default\",\"queue\":\"mine\",\"name\":null,\"kind\":\"worker\"") && says(&scene, "\"ttl_ms\":60000}"));
	static const struct { const char *method, *path, *body; int status; } sent[] = {
		{ "PUT", "/v1/workers/w1", "{\"queue\":\"theirs\"}", 403 }, /* a limited token speaks of its queues only */
		{ "PUT", "/v1/workers/w2", "{\"queue\":\"mine\"}", 403 },
		{ "DELETE", "/v1/workers/w2", NULL, 403 },
		{ "GET", "/v1/workers", NULL, 403 },
		{ "GET", "/v1/workers?queue=theirs", NULL, 403 },
		{ "PUT", "/v1/workers/w1", "{}", 422 },
		{ "PUT", "/v1/workers/w1", "{\"queue\":\"mine\",\"ttl_ms\":0}", 422 },
		{ "PUT", "/v1/workers/w1", "{\"queue\":\"mine\",\"host\":\"a\"}", 422 },
		{ "PUT", "/v1/workers/w%0A", "{\"queue\":\"mine\"}", 422 },
		{ "DELETE", "/v1/workers/nobody", NULL, 204 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(sent); i++) {
		scene_send(&scene, sent[i].method, sent[i].path, NULL, str_of(sent[i].body));
		if (scene.status != sent[i].status)
			fail_msg("%s %s: %d " STR_FMT, sent[i].method, sent[i].path, scene.status, STR_ARG(scene.body));
	}
	scene_send(&scene, "GET", "/v1/workers?queue=mine", NULL, STR(""));
	assert_true(says(&scene, "\"id\":\"w1\"") && !says(&scene, "\"id\":\"w2\""));
	scene_as(&scene, all);
	scene_send(&scene, "GET", "/v1/workers", NULL, STR(""));
	assert_true(says(&scene, "\"id\":\"w1\"") && says(&scene, "\"id\":\"w2\"") && says(&scene, "\"id\":\"w3\""));
	scene_send(&scene, "GET", "/v1/workers?queue=theirs", NULL, STR(""));
	assert_true(!says(&scene, "\"id\":\"w2\"") && says(&scene, "\"id\":\"w3\"")); /* the other namespace's is another queue */
	scene_send(&scene, "GET", "/v1/workers?namespace=n", NULL, STR(""));
	assert_true(says(&scene, "\"id\":\"w2\"") && !says(&scene, "\"id\":\"w3\""));
	scene_send(&scene, "DELETE", "/v1/workers/w2", NULL, STR(""));
	expect(&scene, 204, "");
	scene_send(&scene, "GET", "/v1/workers?namespace=n", NULL, STR(""));
	expect(&scene, 200, "{\"workers\":[]}");
	scene_send(&scene, "PUT", "/v1/workers/w3", NULL, STR("{\"queue\":\"theirs\",\"ttl_ms\":1}"));
	assert_int_equal(scene.status, 200);
	do /* until its millisecond is over */
		scene_send(&scene, "GET", "/v1/workers?queue=theirs", NULL, STR(""));
	while (says(&scene, "\"id\":\"w3\""));
	scene_close(&scene);
}

static void events_by_hand(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/batch", NULL, STR("{\"ops\":[{\"op\":\"event\",\"queue\":\"q\",\"name\":\"cleaned\",\"details\":{ \"n\":1}},"
							  "{\"op\":\"events_trim\",\"queue\":\"q\",\"namespace\":\"n\",\"keep\":7}]}"));
	struct request *request = scene_request(&scene);
	const struct op_event *event = &request->ops[0].event, *trim = &request->ops[1].event;
	assert_true(request->ops[0].kind == OP_EVENT && str_eq(event->name, STR("cleaned")) && str_eq(event->details, STR("{ \"n\":1}")));
	assert_true(request->ops[1].kind == OP_EVENTS_TRIM && trim->keep == 7 && str_eq(trim->queue.namespace_name, STR("n")));
	request->ops[1].result.count = 5000;
	request->ops[1].result.more = true;
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"results\":[{\"queue\":\"q\",\"namespace\":\"default\",\"event\":\"cleaned\"},"
	       "{\"queue\":\"q\",\"namespace\":\"n\",\"count\":5000,\"more\":true}]}");
	scene_send(&scene, "POST", "/v1/batch", "Idempotency-Key: k\r\n", STR("{\"ops\":[{\"op\":\"events_trim\",\"queue\":\"q\",\"keep\":0}]}"));
	request = scene_request(&scene);
	request->replayed = true;
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"results\":[{\"queue\":\"q\",\"namespace\":\"default\",\"count\":null,\"more\":false}]}");
	scene_send(&scene, "GET", "/v1/events?after=$&wait_ms=0", NULL, STR("")); /* as without: from now on */
	assert_true(scene.questions[0]->query.after_seq == INT64_MAX);
	struct question *question = scene_question(&scene);
	question->answer = (struct answer){ .seq = 10, .first_event_seq = 3 };
	scene_answer(&scene, question);
	expect(&scene, 200, "{\"events\":[],\"cursor\":\"0.10\",\"gap\":false}");
	scene_close(&scene);
}

/* ---- queues, bulk work, health ---- */

static void queues_and_groups(void **state)
{
	struct scene scene;
	struct queue_info infos[2] = {
		{ .queue = { STR_INIT("n"), STR_INIT("a") }, .settings = STR_INIT("{\"ttl_ms\":1}"), .states = { [JOB_WAITING] = 3 }, .wait_p50_us = 1500, .wait_p95_us = -1,
		  .wait_p99_us = -1, .run_p50_us = -1, .run_p95_us = -1, .run_p99_us = -1, .enqueued = 5, .enqueued_per_s = 0.5 },
		{ .queue = { STR_INIT("n"), STR_INIT("b") }, .enqueued = 2 },
	};
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/v1/queues?limit=2", NULL, STR(""));
	struct request *request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 2, .more = true };
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 200);
	assert_true(str_starts(scene.body, STR("{\"queues\":[{\"name\":\"a\",\"namespace\":\"n\",\"paused\":false,\"states\":{\"waiting\":3,")));
	assert_true(says(&scene, "\"wait_ms\":{\"p50\":1.500,\"p95\":null,\"p99\":null}") && says(&scene, "\"next_cursor\":\"bi9i\"}"));

	scene_send(&scene, "GET", "/v1/queues?namespace=m&limit=2", NULL, STR("")); /* another namespace follows: no further page */
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 2, .more = true };
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"queues\":[],\"next_cursor\":null}");

	scene_send(&scene, "GET", "/v1/stats", NULL, STR("")); /* two pages */
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 1, .more = true };
	scene_reply(&scene, request);
	request = scene_request(&scene);
	assert_true(str_eq(request->ops[0].queue.after, STR("n/a")));
	request->ops[0].result = (struct op_result){ .queues = infos + 1, .count = 1 };
	scene_reply(&scene, request);
	assert_true(says(&scene, "\"queues\":2,") && says(&scene, "\"enqueued\":7,") && says(&scene, "\"version\":\"1.2.3\""));

	infos[0].states[JOB_FAILED] = 5000000; /* counted without looking, however many */
	infos[1].states[JOB_WAITING] = 4;
	scene_send(&scene, "GET", "/v1/jobs/count?queue=a&namespace=n&max=2", NULL, STR(""));
	request = scene_request(&scene);
	assert_true(request->ops[0].kind == OP_QUEUE_GET && str_eq(request->ops[0].queue.queue.name, STR("a")));
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 1 };
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"count\":5000003,\"at_least\":false}");
	scene_send(&scene, "GET", "/v1/jobs/count?namespace=n&state=waiting,active", NULL, STR("")); /* two pages */
	request = scene_request(&scene);
	assert_true(request->ops[0].kind == OP_QUEUES && str_eq(request->ops[0].queue.queue.namespace_name, STR("n")));
	request->ops[0].result = (struct op_result){ .queues = infos, .count = 1, .more = true };
	scene_reply(&scene, request);
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .queues = infos + 1, .count = 1 };
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"count\":7,\"at_least\":false}");
	scene_send(&scene, "GET", "/v1/jobs/count?queue=nobody", NULL, STR(""));
	request = scene_request(&scene);
	request->ops[0].result.err = E_QUEUE_NOT_FOUND;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 404);

	struct group_info group = { .key = STR_INIT("g"), .waiting = 4, .code = EXPLAIN_GROUP_RATE };
	scene_send(&scene, "GET", "/v1/queues/q/groups", NULL, STR(""));
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .groups = &group, .count = 1, .more = true };
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"groups\":[{\"key\":\"g\",\"paused\":false,\"waiting\":4,\"active\":0,\"delayed\":0,\"code\":\"group_rate\",\"settings\":{}}],\"next_cursor\":\"Zw\"}");
	scene_send(&scene, "GET", "/v1/queues/q/groups/h", NULL, STR(""));
	request = scene_request(&scene);
	request->ops[0].result = (struct op_result){ .groups = &group, .count = 1 };
	scene_reply(&scene, request);
	expect(&scene, 200, "{\"key\":\"h\",\"paused\":false,\"waiting\":0,\"active\":0,\"delayed\":0,\"code\":\"empty\",\"settings\":{}}");
	scene_send(&scene, "POST", "/v1/queues/q/pause", NULL, STR(""));
	scene_reply(&scene, scene_request(&scene));
	expect(&scene, 200, "{\"name\":\"q\",\"namespace\":\"default\",\"paused\":true}");
	scene_close(&scene);
}

static void bulk_work(void **state)
{
	struct scene scene;
	struct operation_row row = { .number = 77, .action = STR_INIT("retry"), .filter = STR_INIT("{\"queue\":\"q\"}"), .state = OPERATION_RUNNING, .done = 2,
				     .created_us = 1767225600000000 };
#define A_OPERATION "{\"uid\":\"" UID_1 "\",\"action\":\"retry\",\"filter\":{\"queue\":\"q\"},\"arguments\":{},\"state\":\"running\",\"done\":2,\"skipped\":0,\"failed\":0," \
	"\"created_at\":\"2026-01-01T00:00:00.000Z\",\"finished_at\":null}"
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/operations", NULL, STR("{\"action\":\"retry\",\"filter\":{\"queue\":\"q\"}}"));
	struct request *request = scene_request(&scene);
	assert_true(request->ops[0].operation.number != 0);
	request->ops[0].result.operation = &row;
	scene_reply(&scene, request);
	expect(&scene, 201, A_OPERATION);

	scene_send(&scene, "GET", "/v1/operations/" UID_1, NULL, STR("")); /* on the second page */
	struct question *question = scene_question(&scene);
	question->answer = (struct answer){ .next_cursor = STR("5") };
	scene_answer(&scene, question);
	question = scene_question(&scene);
	assert_true(str_eq(question->query.cursor, STR("5")));
	question->answer = (struct answer){ .operations = &row, .operation_count = 1 };
	scene_answer(&scene, question);
	expect(&scene, 200, A_OPERATION);
	scene_send(&scene, "GET", "/v1/operations/" UID_2, NULL, STR(""));
	question = scene_question(&scene);
	question->answer = (struct answer){ .operations = &row, .operation_count = 1 };
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 404);
	scene_close(&scene);
}

static void health(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/livez", NULL, STR(""));
	expect(&scene, 200, "{\"ok\":true}");
	scene_send(&scene, "GET", "/v1", NULL, STR(""));
	assert_int_equal(scene.status, 200);
	assert_true(str_starts(scene.body, STR("{\"version\":\"1.2.3\",\"api\":[1,1],\"features\":[\"ranges\"")));
	scene_send(&scene, "GET", "/readyz", NULL, STR(""));
	expect(&scene, 200, "{\"ok\":true}");
	scene.sick = true;
	scene_send(&scene, "GET", "/readyz?verbose", NULL, STR(""));
	expect(&scene, 503, "{\"ok\":false,\"checks\":{\"api\":{\"ok\":true},\"store\":{\"ok\":false}}}");
	scene_send(&scene, "GET", "/metrics", NULL, STR(""));
	assert_true(says(&scene, "ruche_api_answers_total{class=\"2xx\"} 3\n") && says(&scene, "ruche_jobs 3\n# EOF\n"));
	scene_send(&scene, "GET", "/v1/openapi.json", NULL, STR(""));
	assert_int_equal(scene.status, 200);
	struct problem problem = { 0 };
	assert_int_equal(json_check(scene.body, &problem), E_OK);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enqueued), cmocka_unit_test(enqueued_many), cmocka_unit_test(nothing_to_claim), cmocka_unit_test(claims_from_memory),
		cmocka_unit_test(memory_moves_on), cmocka_unit_test(a_deleted_job_is_left_out), cmocka_unit_test(who_left_gives_back),
		cmocka_unit_test(who_waits_is_told_to_go), cmocka_unit_test(finished_and_claimed), cmocka_unit_test(finished_and_claimed_in_a_batch),
		cmocka_unit_test(grants_with_history), cmocka_unit_test(answers_in_compat_mode), cmocka_unit_test(batches), cmocka_unit_test(looking_at_a_job),
		cmocka_unit_test(what_happened_to_it), cmocka_unit_test(ranges), cmocka_unit_test(read_many),
		cmocka_unit_test(many_jobs_of_a_token_with_queues), cmocka_unit_test(metrics), cmocka_unit_test(workers_come_and_go),
		cmocka_unit_test(events_by_hand), cmocka_unit_test(queues_and_groups), cmocka_unit_test(bulk_work), cmocka_unit_test(health),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
