/* Calls against a scripted daemon: what is sent, how answers are read, what goes wrong, and every allocation failing once. */
#include "client.h"
#include "base/limits.h"
#include "base/mem.h"
#include "third_party/third_party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define JOB_JSON                                                                                                                                    \
	"{\"uid\":\"0r4k2m7x9q3zt\",\"id\":\"i\",\"name\":null,\"group\":\"g\",\"payload\":{\"n\":1},\"queue\":\"a\",\"namespace\":\"default\","   \
	"\"attempt\":2,\"attempts_made\":1,\"max_attempts\":3,\"stalls\":0,\"priority\":0,\"fence\":7,\"lease_ms\":30000,\"timeout_ms\":0,\"new\":[1]}"
#define CLAIM_JSON "{\"token\":\"t\",\"jobs\":[" JOB_JSON "],\"reason\":null,\"next_due_ms\":null}"

static const struct ruche_job held = { .uid = "0r4k2m7x9q3zt", .token = "t", .fence = 7 };
static const char *const queues[] = { "a" };
static const struct ruche_claim_options claim_options = { .size = sizeof(claim_options), .queues = queues, .queue_count = 1 };

/* ---- every call: what it sends, and what it makes of the answer ---- */

static int act_enqueue(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_new_job job = { .size = sizeof(job), .queue = "a", .payload = "1" };
	struct ruche_enqueued out;
	int code = ruche_enqueue(client, &job, &out, error);
	if (code)
		return code;
	assert_string_equal(out.uid, "0r4k2m7x9q3zt");
	assert_string_equal(out.id, "\xc3\xa9");
	assert_string_equal(out.state, "waiting");
	assert_int_equal(out.duplicate, 1);
	return code;
}

/* The owner of the dedup key has ended, and is not kept any more. */
static int act_enqueue_deduplicated(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_new_job job = { .size = sizeof(job), .queue = "a", .dedup_json = "{\"key\":\"k\",\"ttl_ms\":5}" };
	struct ruche_enqueued out;
	int code = ruche_enqueue(client, &job, &out, error);
	if (code)
		return code;
	assert_string_equal(out.id, "one");
	assert_string_equal(out.state, "");
	assert_int_equal(out.duplicate, 2);
	return code;
}

static int act_enqueue_many(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_new_job jobs[2] = { { .size = sizeof(jobs[0]), .queue = "a" }, { .size = sizeof(jobs[0]), .queue = "b", .payload = "2" } };
	struct ruche_call_options options = { .size = sizeof(options), .atomic = 1, .idempotency_key = "k" };
	struct ruche_error why;
	struct ruche_answer *answer;
	int code = ruche_enqueue_many(client, jobs, 2, &options, &answer, error);
	if (code)
		return code;
	assert_int_equal(ruche_answer_count(answer), 2);
	assert_int_equal(ruche_answer_item_error(answer, 0, &why), RUCHE_OK);
	const char *uid = ruche_answer_item_text(answer, 0, "uid");
	if (uid)
		assert_string_equal(uid, "u0");
	assert_int_equal(ruche_answer_item_error(answer, 1, &why), RUCHE_BACKLOG_FULL);
	assert_int_equal(ruche_answer_item_error(answer, 2, &why), RUCHE_BAD_ARGUMENT);
	assert_null(ruche_answer_item_text(answer, 2, "uid"));
	ruche_answer_free(answer);
	return uid ? RUCHE_OK : error_no_memory(error);
}

static void check_job(const struct ruche_claimed *claimed)
{
	const struct ruche_job *job = ruche_claimed_job(claimed, 0);
	assert_int_equal(ruche_claimed_count(claimed), 1);
	assert_null(ruche_claimed_job(claimed, 1));
	assert_int_equal(ruche_claimed_next_due_ms(claimed), -1);
	assert_null(ruche_claimed_reason(claimed));
	assert_string_equal(job->uid, "0r4k2m7x9q3zt");
	assert_string_equal(job->token, "t");
	assert_null(job->name);
	assert_string_equal(job->group, "g");
	assert_string_equal(job->payload, "{\"n\":1}");
	assert_int_equal(job->payload_bytes, 7);
	assert_int_equal(job->fence, 7);
	assert_int_equal(job->attempt, 2);
	assert_int_equal(job->lease_ms, 30000);
}

static int act_claim(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_claimed *claimed;
	int code = ruche_claim(client, &claim_options, &claimed, error);
	if (code)
		return code;
	check_job(claimed);
	ruche_claimed_free(claimed);
	return code;
}

static int act_claim_nothing(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_claimed *claimed;
	int code = ruche_claim(client, &claim_options, &claimed, error);
	if (code)
		return code;
	assert_int_equal(ruche_claimed_count(claimed), 0);
	assert_string_equal(ruche_claimed_reason(claimed), "empty");
	assert_int_equal(ruche_claimed_next_due_ms(claimed), 41);
	ruche_claimed_free(claimed);
	return code;
}

static int act_complete(struct ruche_client *client, struct ruche_error *error)
{
	return ruche_complete(client, &held, "[1]", error);
}

static int act_complete_and_claim(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_claimed *claimed;
	int code = ruche_complete_and_claim(client, &held, NULL, &claim_options, &claimed, error);
	if (code)
		return code;
	check_job(claimed);
	ruche_claimed_free(claimed);
	return code;
}

static int act_fail(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_failure failure = { .size = sizeof(failure), .message = "m", .verdict = RUCHE_FINAL };
	return ruche_fail(client, &held, &failure, error);
}

static int act_fail_and_claim(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_claimed *claimed;
	int code = ruche_fail_and_claim(client, &held, NULL, &claim_options, &claimed, error);
	if (!code)
		ruche_claimed_free(claimed);
	return code;
}

static int act_release(struct ruche_client *client, struct ruche_error *error)
{
	return ruche_release(client, &held, error);
}

static int act_snooze(struct ruche_client *client, struct ruche_error *error)
{
	return ruche_snooze(client, &held, 0, error);
}

static int act_heartbeat(struct ruche_client *client, struct ruche_error *error)
{
	int cancel = 0;
	int code = ruche_heartbeat(client, &held, 5000, &cancel, error);
	assert_int_equal(cancel, !code);
	return code;
}

static int act_progress(struct ruche_client *client, struct ruche_error *error)
{
	int cancel = 0;
	int code = ruche_progress(client, &held, "50", &cancel, error);
	assert_int_equal(cancel, 0);
	return code;
}

static int act_log(struct ruche_client *client, struct ruche_error *error)
{
	return ruche_log(client, &held, "\"half\"", error);
}

static int act_batch(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_new_job job = { .size = sizeof(job), .queue = "a" };
	struct ruche_answer *answer = NULL;
	struct ruche_batch *batch;
	int code = ruche_batch_new(client, &batch, error);
	if (code)
		return code;
	code = ruche_batch_enqueue(batch, &job, error);
	if (!code)
		code = ruche_batch_complete(batch, &held, "3", error);
	if (!code)
		code = ruche_batch_fail(batch, &held, NULL, error);
	if (!code)
		code = ruche_batch_add(batch, "{\"op\":\"cancel\",\"uid\":\"u\"}", error);
	if (!code) {
		assert_int_equal(ruche_batch_count(batch), 4);
		code = ruche_batch_send(batch, NULL, &answer, error);
	}
	if (!code)
		assert_int_equal(ruche_answer_count(answer), 1);
	ruche_answer_free(answer);
	ruche_batch_free(batch);
	return code;
}

static int act_get(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_job_info *info;
	int code = ruche_job_get(client, "u/1", RUCHE_WITH_PAYLOAD, &info, error);
	if (code)
		return code;
	assert_string_equal(info->state, "failed");
	assert_int_equal(info->ended, 1);
	assert_string_equal(info->outcome, "final_error");
	assert_string_equal(info->error_json, "{\"message\":\"m\"}");
	assert_string_equal(info->payload, "[]");
	assert_null(info->result_json);
	assert_int_equal(info->attempts_made, 4);
	assert_int_equal(info->json[0], '{');
	ruche_job_info_free(info);
	return code;
}

static int act_find(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_job_info *info;
	int code = ruche_job_find(client, "n", "a b", "i?", RUCHE_WITHOUT_RESULT, &info, error);
	if (code)
		return code;
	assert_int_equal(info->ended, 0);
	ruche_job_info_free(info);
	return code;
}

static int act_wait(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_job_info *info;
	int code = ruche_wait(client, "u", 0, &info, error);
	if (code)
		return code;
	assert_string_equal(info->result_json, "{\"a\":1}");
	ruche_job_info_free(info);
	return code;
}

static int act_wait_in_vain(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_job_info *info;
	int code = ruche_wait(client, "u", 0, &info, error);
	assert_int_not_equal(code, RUCHE_OK);
	return code == RUCHE_TIMED_OUT ? RUCHE_OK : code;
}

static int act_cancel(struct ruche_client *client, struct ruche_error *error)
{
	return ruche_cancel(client, "u", "no longer", error);
}

static int act_cancel_silently(struct ruche_client *client, struct ruche_error *error)
{
	return ruche_cancel(client, "u", NULL, error);
}

static int act_call(struct ruche_client *client, struct ruche_error *error)
{
	struct ruche_answer *answer;
	size_t bytes;
	int code = ruche_call(client, "PUT", "/v1/queues/a", "{\"lease_ms\": 5}", NULL, &answer, error);
	if (code)
		return code;
	assert_int_equal(ruche_answer_status(answer), 200);
	assert_string_equal(ruche_answer_json(answer, &bytes), "{\"a\":[{\"b\":\"\\u00e9\"}],\"n\":-3,\"z\":null}");
	assert_int_equal(bytes, 38);
	const char *text = ruche_answer_text(answer, "a.0.b");
	if (text)
		assert_string_equal(text, "\xc3\xa9");
	assert_int_equal(ruche_answer_integer(answer, "n", 9), -3);
	assert_int_equal(ruche_answer_integer(answer, "a", 9), 9);
	assert_null(ruche_answer_text(answer, "z"));
	assert_null(ruche_answer_text(answer, "a.1"));
	ruche_answer_free(answer);
	return text ? RUCHE_OK : error_no_memory(error);
}

#define UID   "0r4k2m7x9q3zt"
#define LEASE "{\"token\":\"t\",\"fence\":7"
static const struct act {
	int (*run)(struct ruche_client *client, struct ruche_error *error);
	const char *request, *body;
	struct tp_answer answer;
} acts[] = {
	{ act_enqueue, "POST /v1/jobs ", "{\"queue\":\"a\",\"payload\":1}",
	  { 200, NULL, "{\"uid\":\"" UID "\",\"id\":\"\\u00e9\",\"queue\":\"a\",\"state\":\"waiting\",\"duplicate\":true}" } },
	{ act_enqueue_deduplicated, "POST /v1/jobs ", "{\"queue\":\"a\",\"dedup\":{\"key\":\"k\",\"ttl_ms\":5}}",
	  { 200, NULL, "{\"uid\":\"" UID "\",\"id\":\"one\",\"state\":null,\"duplicate\":true,\"deduplicated\":true}" } },
	{ act_enqueue_many, "POST /v1/jobs ", "{\"atomic\":true,\"jobs\":[{\"queue\":\"a\"},{\"queue\":\"b\",\"payload\":2}]}",
	  { 200, NULL, "{\"results\":[{\"uid\":\"u0\"},{\"problem\":{\"code\":\"backlog_full\",\"detail\":\"D\"}}]}" } },
	{ act_claim, "POST /v1/claims ", "{\"queues\":[\"a\"]}", { 200, NULL, CLAIM_JSON } },
	{ act_claim_nothing, "POST /v1/claims ", "{\"queues\":[\"a\"]}",
	  { 200, NULL, "{\"token\":\"t\",\"jobs\":[],\"reason\":\"empty\",\"next_due_ms\":41}" } },
	{ act_complete, "POST /v1/leases/" UID "/complete ", LEASE ",\"result\":[1]}", { 200, NULL, "{\"uid\":\"" UID "\",\"state\":\"completed\"}" } },
	{ act_complete_and_claim, "POST /v1/leases/" UID "/complete ", LEASE ",\"claim\":{\"queues\":[\"a\"]}}",
	  { 200, NULL, "{\"uid\":\"" UID "\",\"state\":\"completed\",\"claim\":" CLAIM_JSON "}" } },
	{ act_fail, "POST /v1/leases/" UID "/fail ", LEASE ",\"error\":{\"message\":\"m\"},\"verdict\":\"final\"}", { 200, NULL, "{}" } },
	{ act_fail_and_claim, "POST /v1/leases/" UID "/fail ", LEASE ",\"claim\":{\"queues\":[\"a\"]}}", { 200, NULL, "{\"claim\":" CLAIM_JSON "}" } },
	{ act_release, "POST /v1/leases/" UID "/release ", LEASE "}", { 200, NULL, "{}" } },
	{ act_snooze, "POST /v1/leases/" UID "/snooze ", LEASE ",\"delay_ms\":0}", { 200, NULL, "{}" } },
	{ act_heartbeat, "POST /v1/leases/" UID "/heartbeat ", LEASE ",\"lease_ms\":5000}", { 200, NULL, "{\"cancel_requested\":true}" } },
	{ act_progress, "POST /v1/leases/" UID "/progress ", LEASE ",\"progress\":50}", { 200, NULL, "{\"cancel_requested\":false}" } },
	{ act_log, "POST /v1/leases/" UID "/log ", LEASE ",\"line\":\"\\\"half\\\"\"}", { 200, NULL, "{}" } },
	{ act_batch, "POST /v1/batch ",
	  "{\"ops\":[{\"op\":\"enqueue\",\"queue\":\"a\"},{\"op\":\"complete\",\"uid\":\"" UID "\",\"token\":\"t\",\"fence\":7,\"result\":3},"
	  "{\"op\":\"fail\",\"uid\":\"" UID "\",\"token\":\"t\",\"fence\":7},{\"op\":\"cancel\",\"uid\":\"u\"}]}",
	  { 200, NULL, "{\"results\":[{}]}" } },
	{ act_get, "GET /v1/jobs/u%2F1?payload=true ", "",
	  { 200, NULL, "{\"uid\":\"u\",\"state\":\"failed\",\"outcome\":\"final_error\",\"error\":{\"message\":\"m\"},\"payload\":[],\"result\":null,\"attempts_made\":4}" } },
	{ act_find, "GET /v1/queues/a%20b/jobs/i%3F?namespace=n&result=false ", "", { 200, NULL, "{\"uid\":\"u\",\"state\":\"active\"}" } },
	{ act_wait, "GET /v1/jobs/u?wait_ms=0 ", "", { 200, NULL, "{\"uid\":\"u\",\"state\":\"completed\",\"result\":{\"a\":1}}" } },
	{ act_wait_in_vain, "GET /v1/jobs/u?wait_ms=0 ", "", { 200, NULL, "{\"uid\":\"u\",\"state\":\"active\"}" } },
	{ act_cancel, "POST /v1/jobs/u/cancel ", "{\"reason\":\"no longer\"}", { 200, NULL, "{}" } },
	{ act_cancel_silently, "POST /v1/jobs/u/cancel ", "", { 200, NULL, "{}" } },
	{ act_call, "PUT /v1/queues/a ", "{\"lease_ms\": 5}", { 200, NULL, "{\"a\":[{\"b\":\"\\u00e9\"}],\"n\":-3,\"z\":null}" } },
};

static struct ruche_client *client_of(const char *url)
{
	struct ruche_client_options options = { .size = sizeof(options), .url = url, .token = "rch_x" };
	struct ruche_client *client;
	assert_int_equal(ruche_client_new(&options, &client, NULL), RUCHE_OK);
	return client;
}

static void every_call(void **state)
{
	(void)state;
	struct tp_answer answers[ARRAY_COUNT(acts)];
	char value[128];
	for (size_t i = 0; i < ARRAY_COUNT(acts); i++)
		answers[i] = acts[i].answer;
	struct third_party *party = third_party_start(&(struct third_party_config){ .answers = answers, .answer_count = ARRAY_COUNT(answers) });
	struct ruche_client *client = client_of(third_party_url(party, "/"));
	for (uint32_t i = 0; i < ARRAY_COUNT(acts); i++) {
		struct ruche_error error = { 0 };
		assert_int_equal(acts[i].run(client, &error), RUCHE_OK);
		const struct tp_request *request = third_party_request(party, i);
		if (strncmp(request->head, acts[i].request, strlen(acts[i].request)) != 0)
			assert_string_equal(request->head, acts[i].request);
		assert_string_equal(request->body ? request->body : "", acts[i].body);
		assert_true(tp_request_header(request, "authorization", value, sizeof(value)));
		assert_string_equal(value, "Bearer rch_x");
		assert_true(tp_request_header(request, "user-agent", value, sizeof(value)));
		assert_string_equal(value, "libruche/" RUCHE_VERSION);
		assert_int_equal(tp_request_header(request, "idempotency-key", value, sizeof(value)), acts[i].run == act_enqueue_many);
	}
	assert_int_equal(third_party_connections(party), 1);
	ruche_client_free(client);
	third_party_stop(party);
}

/* Every allocation of every call fails once: the call says so, and nothing leaks or breaks. */
static void no_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(acts); i++) {
		struct third_party *party = third_party_start(&(struct third_party_config){ .answers = &acts[i].answer, .answer_count = 1 });
		struct ruche_client_options options = { .size = sizeof(options), .url = third_party_url(party, "/"), .token = "t", .namespace_name = NULL };
		bool refused = true;
		for (uint64_t n = 1; refused; n++) {
			struct ruche_client *client = NULL;
			struct ruche_error error = { 0 };
			assert_true(n < 500);
			mem_fail_after(n, MEM_FAIL_ONE);
			int code = ruche_client_new(&options, &client, &error);
			if (!code)
				code = acts[i].run(client, &error);
			refused = mem_fail_disarm();
			if (code && code != RUCHE_NO_MEMORY)
				fail_msg("act %zu, allocation %llu: %d %s", i, (unsigned long long)n, code, error.sentence);
			assert_true(refused || code == RUCHE_OK);
			ruche_client_free(client);
		}
		third_party_stop(party);
	}
}

/* ---- what goes wrong outside ---- */

static void faults(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_READ, TP_HANG, TP_END }, resets[] = { TP_READ, TP_RESET, TP_END };
	static const struct tp_answer busy[] = { { 503, "Retry-After: 7\r\n", "{\"code\":\"backlog_full\",\"detail\":\"D\",\"status\":503}" } };
	static const struct tp_answer html[] = { { 200, NULL, "<html>" } }, other[] = { { 301, "Location: /x\r\n", NULL } }, list[] = { { 200, NULL, "[1]" } };
	struct {
		struct third_party *party;
		int code;
		int http_status, may_retry;
		int64_t retry_after_ms;
	} rows[] = {
		{ third_party_start(&(struct third_party_config){ .deaf = true }), RUCHE_UNREACHABLE, 0, 1, 0 },
		{ third_party_start(&(struct third_party_config){ .never_accepts = true }), RUCHE_UNREACHABLE, 0, 1, 0 },
		{ third_party_start(&(struct third_party_config){ .scripts = { resets } }), RUCHE_UNREACHABLE, 0, 1, 0 },
		{ third_party_start(&(struct third_party_config){ .scripts = { hangs } }), RUCHE_TIMED_OUT, 0, 1, 0 },
		{ third_party_start(&(struct third_party_config){ .answers = busy, .answer_count = 1 }), RUCHE_BACKLOG_FULL, 503, 1, 7000 },
		{ third_party_start(&(struct third_party_config){ .answers = html, .answer_count = 1 }), RUCHE_NOT_RUCHE, 0, 0, 0 },
		{ third_party_start(&(struct third_party_config){ .answers = list, .answer_count = 1 }), RUCHE_NOT_RUCHE, 0, 0, 0 },
		{ third_party_start(&(struct third_party_config){ .answers = other, .answer_count = 1 }), RUCHE_NOT_RUCHE, 301, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct ruche_client_options options = { .size = sizeof(options), .url = third_party_url(rows[i].party, "/"), .connect_ms = 300, .request_ms = 600 };
		struct ruche_client *client;
		struct ruche_claimed *claimed = NULL;
		struct ruche_error error;
		assert_int_equal(ruche_client_new(&options, &client, &error), RUCHE_OK);
		assert_int_equal(ruche_claim(client, &claim_options, &claimed, &error), rows[i].code);
		assert_null(claimed);
		assert_int_equal(error.code, rows[i].code);
		assert_string_equal(error.name, error_code_name(rows[i].code));
		assert_int_equal(error.http_status, rows[i].http_status);
		assert_int_equal(error.may_retry, rows[i].may_retry);
		assert_int_equal(error.retry_after_ms, rows[i].retry_after_ms);
		assert_true(error.sentence[0]);
		ruche_client_free(client);
		third_party_stop(rows[i].party);
	}
}

static void sockets(void **state)
{
	(void)state;
	struct ruche_client *client = client_of("unix:/nonexistent/ruche.sock");
	struct ruche_error error;
	assert_int_equal(act_complete(client, &error), RUCHE_UNREACHABLE);
	assert_non_null(strstr(error.sentence, "unix:/nonexistent/ruche.sock"));
	ruche_client_free(client);
}

static void answers_have_a_limit(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIM_JSON } };
	struct third_party *party = third_party_start(&(struct third_party_config){ .answers = answers, .answer_count = 1 });
	struct ruche_client_options options = { .size = sizeof(options), .url = third_party_url(party, "/"), .answer_max_bytes = 40 };
	struct ruche_client *client;
	struct ruche_error error;
	assert_int_equal(ruche_client_new(&options, &client, &error), RUCHE_OK);
	assert_int_equal(act_claim(client, &error), RUCHE_ANSWER_TOO_LARGE);
	ruche_client_free(client);
	third_party_stop(party);
}

/* A payload of the depth that an enqueue takes comes back in a claim. */
static void deep_payloads(void **state)
{
	(void)state;
	struct buf text = { .max_bytes = 4096 };
	buf_add_lit(&text, "{\"token\":\"t\",\"jobs\":[{\"uid\":\"u\",\"queue\":\"a\",\"payload\":");
	for (int i = 0; i < LIMIT_JSON_DEPTH - 1; i++)
		buf_add_byte(&text, '[');
	for (int i = 0; i < LIMIT_JSON_DEPTH - 1; i++)
		buf_add_byte(&text, ']');
	buf_add(&text, STR("}]}\0"));
	struct tp_answer answer = { 200, NULL, text.ptr };
	struct third_party *party = third_party_start(&(struct third_party_config){ .answers = &answer, .answer_count = 1 });
	struct ruche_client *client = client_of(third_party_url(party, "/"));
	struct ruche_claimed *claimed;
	assert_int_equal(ruche_claim(client, &claim_options, &claimed, NULL), RUCHE_OK);
	assert_int_equal(ruche_claimed_job(claimed, 0)->payload_bytes, 2 * (LIMIT_JSON_DEPTH - 1));
	ruche_claimed_free(claimed);
	ruche_client_free(client);
	third_party_stop(party);
	buf_fini(&text);
}

/* ---- arguments: refused with the field, and nothing is sent ---- */

static void client_options(void **state)
{
	(void)state;
	static const struct {
		struct ruche_client_options options;
		const char *field;
	} rows[] = {
		{ { .url = "ftp://x" }, "url" },
		{ { .url = "127.0.0.1:8420" }, "url" },
		{ { .url = "" }, "url" },
		{ { .url = "unix:" }, "url" },
		{ { .url = "http://" }, "url" },
		{ { .url = "http://x/?a" }, "url" },
		{ { .url = "http://x\r\nA: b" }, "url" },
		{ { .token = "a\nb" }, "token" },
		{ { .user_agent = "a\rb" }, "user_agent" },
		{ { .connect_ms = -1 }, "connect_ms" },
		{ { .request_ms = INT64_MAX }, "request_ms" },
		{ { .answer_max_bytes = -1 }, "answer_max_bytes" },
		{ { .namespace_name = "\xff" }, "namespace_name" },
	};
	struct ruche_client *client = NULL;
	struct ruche_error error;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct ruche_client_options options = rows[i].options;
		options.size = sizeof(options);
		assert_int_equal(ruche_client_new(&options, &client, &error), RUCHE_BAD_ARGUMENT);
		assert_string_equal(error.field, rows[i].field);
		assert_null(client);
	}
	assert_int_equal(ruche_client_new(&(struct ruche_client_options){ 0 }, &client, &error), RUCHE_BAD_ARGUMENT);
	assert_string_equal(error.field, "size");
	assert_int_equal(ruche_client_new(NULL, &client, &error), RUCHE_OK);
	ruche_client_free(client);
	ruche_client_free(NULL);
}

static void arguments(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	struct ruche_client *client = client_of(third_party_url(party, "/"));
	struct ruche_new_job good = { .size = sizeof(good), .queue = "a" }, keyed = good, jobs[2] = { good, good };
	struct ruche_call_options long_key = { .size = sizeof(long_key) }, atomic = { .size = sizeof(atomic), .atomic = 1 };
	struct ruche_claim_options waits = claim_options;
	struct ruche_job bare = { .token = "t" };
	struct ruche_answer *answer = NULL;
	struct ruche_claimed *claimed = NULL;
	struct ruche_job_info *info = NULL;
	struct ruche_batch *batch;
	struct ruche_error error;
	char key[LIMIT_ID_BYTES + 2];
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	long_key.idempotency_key = key;
	keyed.idempotency_key = "a\nb";
	waits.wait_ms = 1;
#define REFUSED(call, wanted)                                      \
	do {                                                       \
		assert_int_equal((call), RUCHE_BAD_ARGUMENT);      \
		assert_string_equal(error.field, wanted);          \
	} while (0)
	REFUSED(ruche_enqueue(client, NULL, NULL, &error), "queue");
	REFUSED(ruche_enqueue(client, &keyed, NULL, &error), "idempotency_key");
	REFUSED(ruche_enqueue_many(client, jobs, 0, NULL, &answer, &error), "jobs");
	REFUSED(ruche_enqueue_many(client, jobs, 2, &long_key, &answer, &error), "idempotency_key");
	jobs[1].payload = "nope";
	REFUSED(ruche_enqueue_many(client, jobs, 2, NULL, &answer, &error), "jobs[1].payload");
	jobs[1].payload = NULL;
	jobs[1].idempotency_key = "k";
	REFUSED(ruche_enqueue_many(client, jobs, 2, NULL, &answer, &error), "jobs[1].idempotency_key");
	jobs[1].size--;
	REFUSED(ruche_enqueue_many(client, jobs, 2, NULL, &answer, &error), "jobs[1].size");
	REFUSED(ruche_claim(client, NULL, &claimed, &error), "queues");
	REFUSED(ruche_complete(client, NULL, NULL, &error), "uid");
	REFUSED(ruche_complete(client, &bare, NULL, &error), "uid");
	REFUSED(ruche_complete(client, &held, "nope", &error), "result");
	REFUSED(ruche_complete_and_claim(client, &held, NULL, NULL, &claimed, &error), "claim");
	REFUSED(ruche_complete_and_claim(client, &held, NULL, &waits, &claimed, &error), "claim.wait_ms");
	REFUSED(ruche_fail_and_claim(client, &held, NULL, NULL, &claimed, &error), "claim");
	REFUSED(ruche_snooze(client, &held, -1, &error), "delay_ms");
	REFUSED(ruche_heartbeat(client, &held, -1, NULL, &error), "lease_ms");
	REFUSED(ruche_progress(client, &held, NULL, NULL, &error), "progress");
	REFUSED(ruche_log(client, &held, NULL, &error), "line");
	REFUSED(ruche_log(client, &held, "\xff", &error), "line");
	REFUSED(ruche_job_get(client, NULL, 0, &info, &error), "uid");
	REFUSED(ruche_job_get(client, "u", 4, &info, &error), "flags");
	REFUSED(ruche_job_find(client, NULL, "", "i", 0, &info, &error), "queue");
	REFUSED(ruche_job_find(client, NULL, "q", NULL, 0, &info, &error), "id");
	REFUSED(ruche_wait(client, "u", -1, &info, &error), "timeout_ms");
	REFUSED(ruche_wait(client, NULL, 1, &info, &error), "uid");
	REFUSED(ruche_cancel(client, "", NULL, &error), "uid");
	REFUSED(ruche_call(client, "TRACE", "/", NULL, NULL, &answer, &error), "method");
	REFUSED(ruche_call(client, NULL, "/", NULL, NULL, &answer, &error), "method");
	REFUSED(ruche_call(client, "GET", "v1", NULL, NULL, &answer, &error), "path");
	REFUSED(ruche_call(client, "GET", "/a b", NULL, NULL, &answer, &error), "path");
	REFUSED(ruche_call(client, "GET", NULL, NULL, NULL, &answer, &error), "path");
	REFUSED(ruche_call(client, "POST", "/", "{", NULL, &answer, &error), "body_json");
	REFUSED(ruche_call(client, "POST", "/", "{}", &atomic, &answer, &error), "atomic");

	assert_int_equal(ruche_batch_new(client, &batch, &error), RUCHE_OK);
	REFUSED(ruche_batch_send(batch, NULL, &answer, &error), "ops");
	REFUSED(ruche_batch_add(batch, "[]", &error), "operation_json");
	REFUSED(ruche_batch_add(batch, NULL, &error), "operation_json");
	REFUSED(ruche_batch_add(batch, "{}, {}", &error), "operation_json");
	assert_int_equal(ruche_batch_add(batch, "{\"op\": \"queues\"}", &error), RUCHE_OK);
	REFUSED(ruche_batch_complete(batch, &bare, NULL, &error), "uid");
	REFUSED(ruche_batch_enqueue(batch, NULL, &error), "queue");
	keyed.idempotency_key = "k";
	REFUSED(ruche_batch_enqueue(batch, &keyed, &error), "idempotency_key");
	assert_int_equal(ruche_batch_count(batch), 1);
	assert_int_equal(third_party_requests(party), 0);
	assert_int_equal(ruche_batch_send(batch, NULL, &answer, &error), RUCHE_OK); /* what was refused left no trace */
	assert_string_equal(third_party_request(party, 0)->body, "{\"ops\":[{\"op\": \"queues\"}]}");
	ruche_answer_free(answer);
	ruche_batch_clear(batch);
	assert_int_equal(ruche_batch_count(batch), 0);
	ruche_batch_free(batch);
	ruche_batch_free(NULL);
	ruche_answer_free(NULL);
	ruche_claimed_free(NULL);
	ruche_job_info_free(NULL);
	ruche_client_free(client);
	third_party_stop(party);
}

/* Many threads on one client: each call on a connection of its own. */
static void *call_often(void *context)
{
	struct ruche_client *client = context;
	for (int i = 0; i < 50; i++)
		if (act_release(client, NULL))
			return client;
	return NULL;
}

static void threads(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, "{}" } };
	struct third_party *party = third_party_start(&(struct third_party_config){ .answers = answers, .answer_count = 1 });
	struct ruche_client *client = client_of(third_party_url(party, "/"));
	pthread_t thread[4];
	for (size_t i = 0; i < ARRAY_COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, call_often, client), 0);
	for (size_t i = 0; i < ARRAY_COUNT(thread); i++) {
		void *failed;
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(third_party_requests(party), 200);
	assert_true(third_party_connections(party) <= ARRAY_COUNT(thread));
	ruche_client_free(client);
	third_party_stop(party);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call), cmocka_unit_test(no_memory), cmocka_unit_test(faults), cmocka_unit_test(sockets),
		cmocka_unit_test(answers_have_a_limit), cmocka_unit_test(deep_payloads), cmocka_unit_test(client_options), cmocka_unit_test(arguments),
		cmocka_unit_test(threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
