/* Deliveries of messages to endpoints: what third parties receive, what is kept, and what the engine is told. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/uid.h"
#include "deliver/hook_verdict.h"
#include "deliver/house_test.h"
#include "deliver/redact.h"
#include "rules/signature.h"
#include "third_party/third_party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */

#define HERE    "127.0.0.0/8"
#define KEY     "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OLD_KEY "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
#define ED_KEY  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
#define ID      "msg_0000000000004"

static const struct message_row message = {
	.uid = 4, .namespace_name = STR("default"), .type = STR("fiche.updated"), .entity = STR("fiche 42"), .payload = STR("{\"a\":1,\"b\":[2]}")
};

struct scene {
	struct third_party *party;
	struct house *house;
	char endpoint[2048];
};

static void scene_open(struct scene *scene, const struct tp_answer *answers, size_t count)
{
	*scene = (struct scene){ .party = third_party_start(&(struct third_party_config){ .answers = answers, .answer_count = count }) };
	scene->house = house_open(HERE, NULL);
	house_secret(scene->house, "endpoint/crm", KEY, NULL);
}

static void scene_close(struct scene *scene)
{
	house_free(scene->house);
	third_party_stop(scene->party);
}

/* Delivers to an endpoint with these settings; where the settings say no URL it is the party's /hook. */
static const struct told *scene_send(struct scene *scene, const char *settings, const struct house_job *job)
{
	char url[512] = "";
	struct house_job whole = *job;
	if (strncmp(settings, "\"url\"", 5) != 0)
		snprintf(url, sizeof(url), "\"url\":\"%s\"%s", third_party_url(scene->party, "/hook"), *settings ? "," : "");
	snprintf(scene->endpoint, sizeof(scene->endpoint), "{%s%s}", url, settings);
	whole.endpoint = scene->endpoint;
	return house_wait(scene->house, house_deliver(scene->house, &whole));
}

static const struct tp_request *scene_last(struct scene *scene)
{
	return third_party_request(scene->party, third_party_requests(scene->party) - 1);
}

static void assert_header(const struct tp_request *request, const char *name, const char *expected)
{
	char value[1024] = "";
	bool there = tp_request_header(request, name, value, sizeof(value));
	if (!expected && there)
		fail_msg("%s should not be there, but is '%s'", name, value);
	if (expected && (!there || strcmp(value, expected) != 0))
		fail_msg("%s is '%s', not '%s', in:\n%s", name, there ? value : "(absent)", expected, request->head);
}

static void assert_holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no %s in %s", part, text);
}

/* ---- what is sent ---- */

static void test_formats(void **state)
{
	(void)state;
	static const struct {
		const char *format, *content_type, *body, *ce_subject;
	} cases[] = {
		{ "default", "application/json", "{\"type\":\"fiche.updated\",\"timestamp\":\"2024-01-01T00:00:00.000Z\",\"data\":{\"a\":1,\"b\":[2]}}",
		  NULL },
		{ "raw", "application/json", "{\"a\":1,\"b\":[2]}", NULL },
		{ "cloudevents", "application/cloudevents+json",
		  "{\"specversion\":\"1.0\",\"id\":\"" ID "\",\"source\":\"/ruche/default\",\"type\":\"fiche.updated\","
		  "\"time\":\"2024-01-01T00:00:00.000Z\",\"subject\":\"fiche 42\",\"datacontenttype\":\"application/json\",\"data\":{\"a\":1,\"b\":[2]}}",
		  NULL },
		{ "cloudevents-binary", "application/json", "{\"a\":1,\"b\":[2]}", "fiche%2042" },
		{ "form", "application/x-www-form-urlencoded", "a=1&b=%5B2%5D", NULL },
	};
	struct scene scene;
	scene_open(&scene, NULL, 0);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		char settings[64];
		snprintf(settings, sizeof(settings), "\"format\":\"%s\"", cases[i].format);
		const struct told *told = scene_send(&scene, settings, &(struct house_job){ .message = message });
		assert_int_equal(told->kind, OP_COMPLETE);
		assert_int_equal(told->verdict, VERDICT_POLICY);
		assert_string_equal(scene_last(&scene)->body, cases[i].body);
		assert_header(scene_last(&scene), "content-type", cases[i].content_type);
		assert_header(scene_last(&scene), "ce-subject", cases[i].ce_subject);
	}
	scene_close(&scene);
}

static void test_what_stands_beside(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, NULL, 0);
	const struct house_job job = { .message = message, .attempts_made = 2, .edited = "\"mended\"",
				       .trace = "{\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}" };
	const struct told *told = scene_send(&scene, "\"format\":\"raw\",\"method\":\"PATCH\",\"content_type\":\"application/vnd.fiche+json\","
						     "\"headers\":{\"x-team\":\"a\",\"User-Agent\":\"hive\",\"x-none\":\"\"}", &job);
	const struct tp_request *request = scene_last(&scene);
	assert_true(strncmp(request->head, "PATCH /hook HTTP/1.1\r\n", 22) == 0);
	assert_header(request, "webhook-id", ID);
	assert_header(request, "idempotency-key", ID);
	assert_header(request, "ruche-attempt", "3");
	assert_header(request, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	assert_header(request, "content-type", "application/vnd.fiche+json");
	assert_header(request, "user-agent", "hive");
	assert_header(request, "x-team", "a");
	assert_header(request, "x-none", "");
	assert_header(request, "authorization", NULL);
	assert_header(request, "ruche-queue", NULL); /* the house's own affairs */
	assert_string_equal(request->body, "\"mended\"");
	assert_holds(told->exchange, "\"kind\":\"deliver\",\"message\":\"" ID "\",\"request_excerpt\":\"\\\"mended\\\"\",\"request_bytes\":8");
	assert_true(told->has_hook);
	assert_int_equal(told->hook.endpoint, HOUSE_ENDPOINT);
	assert_int_equal(told->hook.blame, BLAME_WELL);
	assert_int_equal(told->hook.message, 4);
	assert_string_equal(told->entity, "fiche 42");
	assert_int_equal(told->hook.entity_state, ENTITY_DELIVERED);
	scene_close(&scene);
}

/* ---- signatures ---- */

static void assert_signed(const struct tp_request *request, const char *prefix, const char *key_text)
{
	char name[64], id[64], timestamp[32], signatures[512];
	struct signing_key key;
	struct problem problem = { 0 };
	snprintf(name, sizeof(name), "%s-id", prefix);
	assert_true(tp_request_header(request, name, id, sizeof(id)));
	snprintf(name, sizeof(name), "%s-timestamp", prefix);
	assert_true(tp_request_header(request, name, timestamp, sizeof(timestamp)));
	snprintf(name, sizeof(name), "%s-signature", prefix);
	assert_true(tp_request_header(request, name, signatures, sizeof(signatures)));
	assert_int_equal(signing_key_read(str_of(key_text), &key, &problem), E_OK);
	struct str body = { request->body, request->body_len };
	if (signature_verify(&key, 1, str_of(id), str_of(timestamp), str_of(signatures), body, clock_wall_us() / 1000000, &problem))
		fail_msg("%s with %s: %s", signatures, key_text, problem.detail);
}

static void test_signatures(void **state)
{
	(void)state;
	static const struct {
		const char *sign, *prefix, *keys[3];
		size_t parts; /* signatures in the header */
	} cases[] = {
		{ "", "webhook", { KEY }, 1 },
		{ "\"sign\":{\"secret\":\"two\"}", "webhook", { KEY, OLD_KEY }, 2 },
		{ "\"sign\":{\"secret\":\"two\",\"prefix\":\"svix\"}", "svix", { KEY, OLD_KEY }, 2 },
		{ "\"sign\":{\"kind\":\"v1a\",\"secret\":\"ed\"}", "webhook", { ED_KEY }, 1 },
		{ "\"sign\":{\"kind\":\"both\",\"secret\":\"two\",\"secret_v1a\":\"ed\"}", "webhook", { KEY, OLD_KEY, ED_KEY }, 3 },
		{ "\"sign\":{\"secret\":\"mixed\"}", "webhook", { OLD_KEY }, 1 }, /* the key of the other scheme is passed over */
	};
	struct scene scene;
	scene_open(&scene, NULL, 0);
	house_secret(scene.house, "two", KEY, OLD_KEY);
	house_secret(scene.house, "ed", ED_KEY, NULL);
	house_secret(scene.house, "mixed", ED_KEY, OLD_KEY);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		char name[64], signatures[512];
		const struct told *told = scene_send(&scene, cases[i].sign, &(struct house_job){ .message = message });
		assert_int_equal(told->kind, OP_COMPLETE);
		for (size_t k = 0; k < ARRAY_COUNT(cases[i].keys) && cases[i].keys[k]; k++)
			assert_signed(scene_last(&scene), cases[i].prefix, cases[i].keys[k]);
		snprintf(name, sizeof(name), "%s-signature", cases[i].prefix);
		assert_true(tp_request_header(scene_last(&scene), name, signatures, sizeof(signatures)));
		size_t parts = 1;
		for (const char *at = signatures; (at = strchr(at, ' ')) != NULL; at++)
			parts++;
		assert_int_equal(parts, cases[i].parts);
		assert_null(strstr(told->exchange, signatures));
	}
	scene_send(&scene, "\"sign\":{\"kind\":\"none\"}", &(struct house_job){ .message = message });
	assert_header(scene_last(&scene), "webhook-signature", NULL);
	assert_header(scene_last(&scene), "webhook-id", ID);
	scene_close(&scene);
}

static void test_empty_body_is_null(void **state)
{
	(void)state;
	struct scene scene;
	struct house_job job = { .message = message };
	job.message.payload = STR("{}");
	scene_open(&scene, NULL, 0);
	scene_send(&scene, "\"format\":\"form\"", &job);
	assert_string_equal(scene_last(&scene)->body, "null");
	assert_signed(scene_last(&scene), "webhook", KEY);
	scene_send(&scene, "\"format\":\"form\",\"sign\":{\"kind\":\"none\"}", &job);
	assert_int_equal(scene_last(&scene)->body_len, 0);
	scene_send(&scene, "\"method\":\"GET\"", &job); /* has no body at all */
	assert_int_equal(scene_last(&scene)->body_len, 0);
	assert_signed(scene_last(&scene), "webhook", KEY);
	scene_close(&scene);
}

/* ---- secrets ---- */

static void test_authorization(void **state)
{
	(void)state;
	static const struct {
		const char *auth, *expected;
	} cases[] = {
		{ "\"auth\":{\"kind\":\"basic\",\"user\":\"hive\",\"secret\":\"password\"}", "Basic aGl2ZTpzM2NyZXQtcGFzc3dvcmQ=" },
		{ "\"auth\":{\"kind\":\"basic\",\"secret\":\"pair\"}", "Basic aGl2ZTpzM2NyZXQtcGFzc3dvcmQ=" },
		{ "\"auth\":{\"kind\":\"bearer\",\"secret\":\"password\"},\"headers\":{\"Authorization\":{\"secret\":\"pair\"}}", "Bearer s3cret-password" },
		{ "\"headers\":{\"Authorization\":{\"secret\":\"pair\"}}", "hive:s3cret-password" },
	};
	struct scene scene;
	scene_open(&scene, NULL, 0);
	house_secret(scene.house, "password", "s3cret-password", "s3cret-before");
	house_secret(scene.house, "pair", "hive:s3cret-password", NULL);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		assert_int_equal(scene_send(&scene, cases[i].auth, &(struct house_job){ .message = message })->kind, OP_COMPLETE);
		assert_header(scene_last(&scene), "authorization", cases[i].expected);
	}
	scene_close(&scene);
}

/* An other side that repeats what it was sent shows nothing. */
static void test_echoes_are_redacted(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = {
		{ 200, "X-Echo: client s3cret-\"quoted\" end\r\n",
		  "{\"id\":\"s3cret-\\\"quoted\\\"\",\"seen\":[\"aGl2ZTpzM2NyZXQtcGFzc3dvcmQ=\",\"s3cret-password\"],\"short\":\"tiny\"}" },
		{ 500, NULL, "no s3cret-password, s3cret-password!" },
	};
	static const char settings[] = "\"auth\":{\"kind\":\"basic\",\"user\":\"hive\",\"secret\":\"password\"},"
				       "\"headers\":{\"client\":{\"secret\":\"quoted\"},\"x-short\":{\"secret\":\"tiny\"}}";
	struct scene scene;
	struct house_job job = { .message = message };
	job.message.payload = STR("[\"s3cret-password\"]");
	scene_open(&scene, answers, ARRAY_COUNT(answers));
	house_secret(scene.house, "password", "s3cret-password", NULL);
	house_secret(scene.house, "quoted", "s3cret-\"quoted\"", NULL);
	house_secret(scene.house, "tiny", "tiny", NULL);
	for (size_t i = 0; i < ARRAY_COUNT(answers); i++) {
		const struct told *told = scene_send(&scene, settings, &job);
		assert_header(scene_last(&scene), "client", "s3cret-\"quoted\"");
		assert_header(scene_last(&scene), "x-short", "tiny");
		const char *const texts[] = { told->exchange, told->result, told->error };
		for (size_t k = 0; k < ARRAY_COUNT(texts); k++) {
			assert_null(strstr(texts[k], "s3cret"));
			assert_null(strstr(texts[k], "aGl2ZTpz"));
		}
		assert_holds(told->exchange, "\"client\":\"(redacted)\"");
		assert_holds(told->exchange, "\"data\\\":[\\\"(redacted)\\\"]");
		assert_string_equal(told->external_id, ""); /* the only one there is is a secret */
	}
	scene_close(&scene);
}

static void test_missing_secrets(void **state)
{
	(void)state;
	static const struct {
		const char *settings, *error;
	} cases[] = {
		{ "\"sign\":{\"secret\":\"away\"}", "A secret is missing: there is no \\\"away\\\"." },
		{ "\"auth\":{\"kind\":\"bearer\",\"secret\":\"away\"}", "A secret is missing: there is no \\\"away\\\"." },
		{ "\"headers\":{\"client\":{\"secret\":\"lines\"}}", "\\\"lines\\\" holds line breaks or control characters, which no header can." },
		{ "\"sign\":{\"secret\":\"lines\"}", "no value of \\\"lines\\\" is a key to sign with: whsec_ and base64 are." },
		{ "\"sign\":{\"kind\":\"v1a\"}", "no value of \\\"endpoint/crm\\\" is a key to sign with: whsk_ and base64 are." },
	};
	struct scene scene;
	scene_open(&scene, NULL, 0);
	house_secret(scene.house, "lines", "a\r\nX-Evil: b", NULL);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct told *told = scene_send(&scene, cases[i].settings, &(struct house_job){ .message = message });
		assert_int_equal(told->kind, OP_FAIL);
		assert_true(told->costs_nothing);
		assert_int_equal(told->verdict, VERDICT_DELAY);
		assert_int_equal(told->delay_ms, HOOK_SECRET_AGAIN_MS);
		assert_int_equal(told->hook.blame, BLAME_NONE);
		assert_holds(told->error, "\"class\":\"secret_missing\"");
		assert_holds(told->error, cases[i].error);
	}
	assert_int_equal(third_party_requests(scene.party), 0);
	scene_close(&scene);
}

static void a_secret_that_is_missing_is_looked_for_ever_more_seldom(void **state)
{
	static const struct {
		uint32_t attempt, made;
		int64_t delay_ms;
	} cases[] = { { 1, 0, 2000 }, { 2, 0, 4000 }, { 4, 0, 16000 }, { 5, 0, 30000 }, { 1000000, 0, 30000 }, { 4, 3, 2000 }, { 5, 3, 4000 } };
	struct scene scene;
	(void)state;
	scene_open(&scene, NULL, 0);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct house_job job = { .message = message, .attempt = cases[i].attempt, .attempts_made = cases[i].made };
		assert_int_equal(scene_send(&scene, "\"sign\":{\"secret\":\"away\"}", &job)->delay_ms, cases[i].delay_ms);
	}
	scene_close(&scene);
}

/* ---- access tokens ---- */

#define OAUTH "\"auth\":{\"kind\":\"oauth2\",\"token_url\":\"%s\",\"client_id\":\"hive 1\",\"secret\":\"client\",\"scope\":\"a b\"%s}"

struct token_scene {
	struct scene scene;
	struct third_party *issuer;
	char settings[512];
};

static void token_scene_open(struct token_scene *tokens, const struct tp_answer *answers, size_t count, const struct tp_answer *issued,
			     size_t issued_count, const char *more)
{
	scene_open(&tokens->scene, answers, count);
	house_secret(tokens->scene.house, "client", "s3cret/client", NULL);
	tokens->issuer = third_party_start(&(struct third_party_config){ .answers = issued, .answer_count = issued_count });
	snprintf(tokens->settings, sizeof(tokens->settings), OAUTH, third_party_url(tokens->issuer, "/token"), more);
}

static void token_scene_close(struct token_scene *tokens)
{
	scene_close(&tokens->scene);
	third_party_stop(tokens->issuer);
}

static void test_tokens_are_kept(void **state)
{
	(void)state;
	static const struct tp_answer issued = { 200, NULL, "{\"access_token\":\"token-the-first\",\"token_type\":\"bearer\",\"expires_in\":3600}" };
	static const struct tp_answer echo = { 200, NULL, "{\"you\":\"token-the-first\"}" };
	struct token_scene tokens;
	token_scene_open(&tokens, &echo, 1, &issued, 1, "");
	for (int i = 0; i < 3; i++) {
		const struct told *told = scene_send(&tokens.scene, tokens.settings, &(struct house_job){ .message = message });
		assert_int_equal(told->kind, OP_COMPLETE);
		assert_header(scene_last(&tokens.scene), "authorization", "Bearer token-the-first");
		assert_null(strstr(told->exchange, "token-the-first"));
		assert_null(strstr(told->result, "token-the-first"));
	}
	/* Settings of each delivery have a version of their own here, and newer ones ask anew. */
	assert_int_equal(third_party_requests(tokens.issuer), 3);
	const struct tp_request *request = third_party_request(tokens.issuer, 0);
	assert_true(strncmp(request->head, "POST /token ", 12) == 0);
	assert_string_equal(request->body, "grant_type=client_credentials&scope=a%20b");
	assert_header(request, "content-type", "application/x-www-form-urlencoded");
	assert_header(request, "authorization", "Basic aGl2ZSUyMDE6czNjcmV0JTJGY2xpZW50"); /* hive%201:s3cret%2Fclient */
	token_scene_close(&tokens);
	token_scene_open(&tokens, NULL, 0, &issued, 1, ",\"style\":\"body\",\"audience\":\"x\"");
	scene_send(&tokens.scene, tokens.settings, &(struct house_job){ .message = message });
	request = third_party_request(tokens.issuer, 0);
	assert_string_equal(request->body, "grant_type=client_credentials&scope=a%20b&audience=x&client_id=hive%201&client_secret=s3cret%2Fclient");
	assert_header(request, "authorization", NULL);
	token_scene_close(&tokens);
}

/* Many at once wait for one answer, and go by it. */
static void test_one_token_for_many(void **state)
{
	(void)state;
	static const struct tp_answer issued = { 200, NULL, "{\"access_token\":\"token-the-first\"}" };
	static const struct tp_step slow[] = { TP_READ, TP_WAIT(150), TP_ANSWER, TP_AGAIN };
	struct token_scene tokens = { 0 };
	uint64_t uids[40];
	char endpoint[1024];
	scene_open(&tokens.scene, NULL, 0);
	house_secret(tokens.scene.house, "client", "s3cret/client", NULL);
	tokens.issuer = third_party_start(&(struct third_party_config){ .scripts = { slow }, .answers = &issued, .answer_count = 1 });
	snprintf(tokens.settings, sizeof(tokens.settings), OAUTH, third_party_url(tokens.issuer, "/token"), "");
	snprintf(endpoint, sizeof(endpoint), "{\"url\":\"%s\",%s}", third_party_url(tokens.scene.party, "/"), tokens.settings);
	const struct house_job job = { .message = message, .endpoint = endpoint, .endpoint_version = 5 };
	for (size_t i = 0; i < ARRAY_COUNT(uids); i++) {
		uids[i] = house_deliver(tokens.scene.house, &job);
		third_party_request(tokens.issuer, 0); /* the first has asked: most of the others come before the answer */
	}
	for (size_t i = 0; i < ARRAY_COUNT(uids); i++)
		assert_int_equal(house_wait(tokens.scene.house, uids[i])->kind, OP_COMPLETE);
	assert_int_equal(third_party_requests(tokens.scene.party), ARRAY_COUNT(uids));
	assert_int_equal(third_party_requests(tokens.issuer), 1);
	token_scene_close(&tokens);
}

/* A token that was good until now is had anew, and the call is made once more; a fresh one is not. */
static void test_refused_tokens(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, NULL }, { 401, NULL, NULL }, { 200, NULL, NULL }, { 401, NULL, NULL } };
	static const struct tp_answer issued[] = { { 200, NULL, "{\"access_token\":\"first\"}" }, { 200, NULL, "{\"access_token\":\"second\"}" },
						   { 200, NULL, "{\"access_token\":\"third\"}" } };
	struct token_scene tokens;
	char endpoint[1024];
	token_scene_open(&tokens, answers, ARRAY_COUNT(answers), issued, ARRAY_COUNT(issued), "");
	snprintf(endpoint, sizeof(endpoint), "{\"url\":\"%s\",%s}", third_party_url(tokens.scene.party, "/"), tokens.settings);
	const struct house_job job = { .message = message, .endpoint = endpoint, .endpoint_version = 5 };
	assert_int_equal(house_wait(tokens.scene.house, house_deliver(tokens.scene.house, &job))->kind, OP_COMPLETE);
	uint64_t uid = house_deliver(tokens.scene.house, &job);
	assert_int_equal(house_wait(tokens.scene.house, uid)->kind, OP_COMPLETE);
	assert_int_equal(house_told_count(tokens.scene.house, uid), 1);
	assert_int_equal(third_party_requests(tokens.scene.party), 3);
	assert_header(third_party_request(tokens.scene.party, 1), "authorization", "Bearer first");
	assert_header(third_party_request(tokens.scene.party, 2), "authorization", "Bearer second");
	const struct told *told = house_wait(tokens.scene.house, house_deliver(tokens.scene.house, &job));
	assert_int_equal(told->kind, OP_FAIL); /* the new one is refused, too */
	assert_int_equal(told->hook.blame, BLAME_ENDPOINT);
	assert_int_equal(third_party_requests(tokens.scene.party), 5);
	assert_int_equal(third_party_requests(tokens.issuer), 3);
	const struct house_job changed = { .message = message, .endpoint = endpoint, .endpoint_version = 6 };
	assert_int_equal(house_wait(tokens.scene.house, house_deliver(tokens.scene.house, &changed))->kind, OP_FAIL);
	assert_int_equal(third_party_requests(tokens.scene.party), 6); /* had for this attempt: there is no better one */
	assert_int_equal(third_party_requests(tokens.issuer), 4);
	token_scene_close(&tokens);
}

static void test_no_token(void **state)
{
	(void)state;
	static const struct tp_answer issued[] = {
		{ 400, NULL, "{\"error\":\"invalid_client\"}" },
		{ 503, NULL, "<html>" },
		{ 200, NULL, "<html>" },
		{ 200, NULL, "{\"access_token\":\"a\\r\\nX: b\"}" },
		{ 200, NULL, "{\"access_token\":\"a\",\"token_type\":\"mac\"}" },
	};
	static const char *const errors[] = { "status 400, invalid_client.", "status 503.", "the answer is not JSON, or longer than 64 KiB.",
					      "the answer has no access_token that could stand in a header.", "the token is not of the type Bearer." };
	struct token_scene tokens;
	token_scene_open(&tokens, NULL, 0, issued, ARRAY_COUNT(issued), "");
	for (size_t i = 0; i < ARRAY_COUNT(errors); i++) {
		const struct told *told = scene_send(&tokens.scene, tokens.settings, &(struct house_job){ .message = message });
		assert_int_equal(told->kind, OP_FAIL);
		assert_int_equal(told->verdict, VERDICT_POLICY);
		assert_false(told->costs_nothing);
		assert_int_equal(told->hook.blame, BLAME_ENDPOINT);
		assert_holds(told->error, "\"class\":\"auth\",\"message\":\"No access token could be had: ");
		assert_holds(told->error, errors[i]);
	}
	struct house_job test = { .message = message };
	test.message.flags = MESSAGE_TEST;
	assert_true(scene_send(&tokens.scene, tokens.settings, &test)->hook.test); /* nobody is blamed for a test that could not be sent */
	assert_int_equal(third_party_requests(tokens.scene.party), 0);
	token_scene_close(&tokens);
}

/* Who waits for a token is given back at the end, and forgotten when it is aborted. */
static void test_end_while_authorising(void **state)
{
	(void)state;
	static const struct tp_step silent[] = { TP_READ, TP_HANG };
	struct scene scene;
	char endpoint[1024], settings[512];
	scene_open(&scene, NULL, 0);
	house_secret(scene.house, "client", "s3cret/client", NULL);
	struct third_party *issuer = third_party_start(&(struct third_party_config){ .scripts = { silent } });
	snprintf(settings, sizeof(settings), OAUTH, third_party_url(issuer, "/"), "");
	snprintf(endpoint, sizeof(endpoint), "{\"url\":\"%s\",%s}", third_party_url(scene.party, "/"), settings);
	const struct house_job job = { .message = message, .endpoint = endpoint, .endpoint_version = 5 };
	uint64_t aborted = house_deliver(scene.house, &job), kept = house_deliver(scene.house, &job);
	third_party_request(issuer, 0);
	house_abort(scene.house, aborted);
	house_close(scene.house, 60000);
	assert_int_equal(house_heard(scene.house, kept)->kind, OP_RELEASE);
	assert_null(house_heard(scene.house, aborted));
	scene_close(&scene);
	third_party_stop(issuer);
}

/* ---- certificates of both sides ---- */

static char *file_text(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(path, "r");
	assert_non_null(text);
	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

/* The other side wants a certificate, and has one by an authority that nobody else knows. A connection that was opened with ours serves none
 * without. */
static void test_mutual_tls(void **state)
{
	(void)state;
	static const struct {
		const char *tls, *http_class; /* NULL: it goes through */
	} cases[] = {
		{ "{\"ca\":\"ca\",\"certificate\":\"cert\",\"key\":\"key\"}", NULL },
		{ "{\"ca\":\"ca\",\"certificate\":\"cert\",\"key\":\"key\"}", NULL },
		{ "{\"ca\":\"ca\",\"certificate\":\"both\",\"key\":\"both\"}", NULL },
		{ "{\"ca\":\"ca\"}", "tls" },
		{ "{\"certificate\":\"cert\",\"key\":\"key\"}", "tls" },
		{ "{\"ca\":\"ca\",\"certificate\":\"cert\",\"key\":\"other\"}", "tls" },
		{ "{\"ca\":\"no-such\",\"certificate\":\"cert\",\"key\":\"key\"}", "secret_missing" },
		{ "{\"ca\":\"ca\",\"certificate\":\"endpoint/crm\",\"key\":\"key\"}", "tls" },
		{ "{\"ca\":\"ca\",\"certificate\":\"cert\",\"key\":\"key\"}", NULL },
	};
	const char *certificate, *key, *unused;
	char settings[512], url[128], both[32768];
	struct authority *authority = authority_new();
	struct third_party_config config = { .client_authority = authority_file(authority), .tls_max_version = 0x0303 }; /* refusals come within 1.2's handshake */
	authority_issue(authority, &(struct tp_certificate){ .names = { "127.0.0.1" } }, &config.certificate, &config.key);
	authority_issue(authority, &(struct tp_certificate){ .names = { "hive" }, .is_server_false = true }, &certificate, &key);
	static const struct tp_step script[] = { TP_TLS, TP_READ, TP_ANSWER, TP_AGAIN };
	config.scripts[0] = script;
	struct third_party *party = third_party_start(&config);
	struct scene scene;
	scene_open(&scene, NULL, 0);
	char *texts[4] = { file_text(authority_file(authority)), file_text(certificate), file_text(key) };
	authority_issue(authority, &(struct tp_certificate){ .names = { "other" } }, &unused, &key);
	texts[3] = file_text(key);
	snprintf(both, sizeof(both), "%s%s", texts[1], texts[2]);
	static const char *const names[] = { "ca", "cert", "key", "other" };
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		house_secret(scene.house, names[i], texts[i], NULL);
	house_secret(scene.house, "both", both, NULL);
	snprintf(url, sizeof(url), "%s", third_party_https_url(party, "127.0.0.1", "/"));
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		char wanted[64];
		snprintf(settings, sizeof(settings), "\"url\":\"%s\",\"tls\":%s", url, cases[i].tls);
		const struct told *told = scene_send(&scene, settings, &(struct house_job){ .message = message });
		snprintf(wanted, sizeof(wanted), "\"class\":\"%s\"", cases[i].http_class ? cases[i].http_class : "ok");
		if (!strstr(cases[i].http_class ? told->error : told->exchange, wanted))
			fail_msg("case %zu: %s %s", i, told->error, told->exchange);
		assert_null(strstr(told->exchange, "PRIVATE KEY"));
	}
	assert_int_equal(third_party_requests(party), 4);
	scene_close(&scene);
	third_party_stop(party);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		free(texts[i]);
	authority_free(authority);
}

/* ---- entities ---- */

static struct entity_row known(const char *external_id, uint64_t newest, enum entity_state entity_state)
{
	return (struct entity_row){ .endpoint = HOUSE_ENDPOINT, .entity = message.entity, .external_id = str_of(external_id), .message = newest,
				    .state = entity_state };
}

static void test_external_ids(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = {
		{ 201, NULL, "{\"id\":42}" },       { 201, NULL, "{\"id\":\"a b\"}" }, { 200, NULL, "{\"data\":{\"ref\":\"R1\"}}" },
		{ 200, NULL, "{\"id\":{\"no\":1}}" }, { 200, NULL, "no JSON" },          { 500, NULL, "{\"id\":42}" },
	};
	static const struct {
		const char *settings, *external_id;
	} cases[] = { { "", "42" }, { "", "a b" }, { "\"external_id\":\"$.data.ref\"", "R1" }, { "", "" }, { "", "" }, { "", "" } };
	struct scene scene;
	scene_open(&scene, answers, ARRAY_COUNT(answers));
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_string_equal(scene_send(&scene, cases[i].settings, &(struct house_job){ .message = message })->external_id,
				    cases[i].external_id);
	scene_close(&scene);
}

static void test_update_address(void **state)
{
	(void)state;
	struct scene scene;
	char settings[1024];
	scene_open(&scene, NULL, 0);
	snprintf(settings, sizeof(settings), "\"url\":\"%s\",\"update_url\":\"%s\",\"update_method\":\"PUT\",\"order\":\"latest\"",
		 third_party_url(scene.party, "/things?t={type}&e={entity}"), third_party_url(scene.party, "/things/{external_id}"));
	scene_send(&scene, settings, &(struct house_job){ .message = message });
	assert_true(strncmp(scene_last(&scene)->head, "POST /things?t=fiche.updated&e=fiche%2042 ", 42) == 0);
	scene_send(&scene, settings, &(struct house_job){ .message = message, .entity = known("a/1", 3, ENTITY_DELIVERED) });
	assert_true(strncmp(scene_last(&scene)->head, "PUT /things/a%2F1 ", 18) == 0);
	scene_send(&scene, settings, &(struct house_job){ .message = message, .entity = known("a/1", 3, ENTITY_RETRACTED) }); /* made anew */
	assert_true(strncmp(scene_last(&scene)->head, "POST /things?", 13) == 0);
	snprintf(settings, sizeof(settings), "\"url\":\"%s\",\"order\":\"fifo\"", third_party_url(scene.party, "/things/{external_id}"));
	const struct told *told = scene_send(&scene, settings, &(struct house_job){ .message = message });
	assert_int_equal(told->kind, OP_FAIL);
	assert_int_equal(told->verdict, VERDICT_FINAL);
	assert_holds(told->error, "The URL needs {external_id}, and none is known for this delivery.\"");
	scene_close(&scene);
}

static void test_filtered(void **state)
{
	(void)state;
	struct scene scene;
	struct house_job newer = { .message = message, .entity = known("1", 9, ENTITY_DELIVERED) };
	struct house_job deleted = { .message = message };
	deleted.message.flags = MESSAGE_DELETED;
	scene_open(&scene, NULL, 0);
	const struct told *told = scene_send(&scene, "\"order\":\"latest\"", &newer);
	assert_int_equal(told->kind, OP_COMPLETE);
	assert_int_equal(told->verdict, VERDICT_FILTERED);
	assert_string_equal(told->result, "{\"reason\":\"superseded\"}");
	assert_string_equal(told->entity, "");
	assert_true(told->has_hook);
	told = scene_send(&scene, "\"retract\":{\"url\":\"http://127.0.0.1:1/{external_id}\"}", &deleted);
	assert_int_equal(told->verdict, VERDICT_FILTERED);
	assert_string_equal(told->result, "{\"reason\":\"deleted\"}");
	assert_int_equal(third_party_requests(scene.party), 0);
	assert_int_equal(scene_send(&scene, "\"order\":\"fifo\"", &newer)->verdict, VERDICT_POLICY); /* every change is wanted */
	newer.message.flags = MESSAGE_TEST;
	assert_int_equal(scene_send(&scene, "\"order\":\"latest\"", &newer)->verdict, VERDICT_POLICY);
	assert_int_equal(scene_send(&scene, "", &deleted)->verdict, VERDICT_POLICY); /* without a retract call as any other */
	assert_int_equal(third_party_requests(scene.party), 3);
	scene_close(&scene);
}

static void test_retract(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 204, NULL, NULL }, { 404, NULL, "{}" }, { 410, NULL, NULL }, { 500, NULL, NULL } };
	struct scene scene;
	char settings[512];
	struct house_job job = { .message = message, .entity = known("42", 3, ENTITY_DELIVERED) };
	job.message.flags = MESSAGE_DELETED;
	scene_open(&scene, answers, ARRAY_COUNT(answers));
	snprintf(settings, sizeof(settings), "\"retract\":{\"url\":\"%s\"}", third_party_url(scene.party, "/things/{external_id}"));
	for (size_t i = 0; i < 3; i++) {
		char result[64];
		const struct told *told = scene_send(&scene, settings, &job);
		assert_int_equal(told->kind, OP_COMPLETE);
		snprintf(result, sizeof(result), "{\"status\":%d,\"retracted\":true}", answers[i].status);
		assert_string_equal(told->result, result);
		assert_int_equal(told->hook.entity_state, ENTITY_RETRACTED);
		assert_string_equal(told->entity, "fiche 42");
		assert_false(told->hook.gone);
		assert_holds(told->exchange, "\"kind\":\"retract\"");
		assert_true(strncmp(scene_last(&scene)->head, "DELETE /things/42 ", 18) == 0);
		assert_string_equal(scene_last(&scene)->body, "null");
		assert_signed(scene_last(&scene), "webhook", KEY);
	}
	assert_int_equal(scene_send(&scene, settings, &job)->kind, OP_FAIL);
	snprintf(settings, sizeof(settings), "\"format\":\"raw\",\"retract\":{\"url\":\"%s\",\"method\":\"POST\",\"body\":\"format\"}",
		 third_party_url(scene.party, "/gone"));
	scene_send(&scene, settings, &job);
	assert_true(strncmp(scene_last(&scene)->head, "POST /gone ", 11) == 0);
	assert_string_equal(scene_last(&scene)->body, "{\"a\":1,\"b\":[2]}");
	scene_close(&scene);
}

/* ---- what cannot be sent ---- */

static void test_cannot_be_sent(void **state)
{
	(void)state;
	struct scene scene;
	struct house_job expunged = { .message = message }, flat = { .message = message };
	expunged.message.flags = MESSAGE_EXPUNGED;
	flat.message.payload = STR("1");
	scene_open(&scene, NULL, 0);
	const struct told *told = house_wait(scene.house, house_deliver(scene.house, &(struct house_job){ .message = message }));
	assert_int_equal(told->verdict, VERDICT_FINAL);
	assert_string_equal(told->error, "{\"type\":\"http\",\"class\":\"endpoint_deleted\",\"message\":\"The endpoint was deleted: \\\"crm\\\" is gone.\"}");
	told = scene_send(&scene, "", &expunged);
	assert_int_equal(told->verdict, VERDICT_FINAL);
	assert_holds(told->error, "the content of its message was removed on request");
	told = scene_send(&scene, "\"format\":\"form\"", &flat);
	assert_int_equal(told->verdict, VERDICT_POLICY);
	assert_holds(told->error, "\"class\":\"format\",\"message\":\"The format made no body: The format form sends an object's members, "
				  "and this payload is none.\"");
	told = scene_send(&scene, "\"format\":\"communs\"", &flat);
	assert_int_equal(told->verdict, VERDICT_POLICY);
	assert_holds(told->error, "The format made no body: no format \\\"communs\\\" is there.");
	told = scene_send(&scene, "\"what\":1", &flat);
	assert_int_equal(told->verdict, VERDICT_FINAL);
	assert_holds(told->error, "the endpoint's settings cannot be used");
	assert_int_equal(told->hook.endpoint, HOUSE_ENDPOINT);
	assert_int_equal(told->hook.blame, BLAME_NONE);
	assert_int_equal(third_party_requests(scene.party), 0);
	scene_close(&scene);
}

/* ---- verdicts ---- */

static struct str value = STR("s3cret-password");
static const struct hook a_hook = { .message = 4, .message_id = STR(ID), .entity = STR("fiche 42"), .external_id = STR("$.id"), .secrets = &value,
				    .secret_count = 1 };

static enum err judge(const struct http_outcome *outcome, const struct hook *hook, int64_t age_us, struct arena *arena, struct op *op)
{
	const int64_t now_us = uid_time_us(UINT64_C(1) << 50) + age_us;
	const struct effect effect = { .uid = UINT64_C(1) << 50, .fence = 2, .endpoint_number = HOUSE_ENDPOINT };
	const char *const headers[] = { "X-Key: s3cret-password" };
	const struct call call = { .method = "POST", .url = "http://h/", .headers = headers, .header_count = 1, .body = STR("s3cret-password"), .hook = hook };
	struct buf scratch = { .max_bytes = 1 << 20 };
	enum err err = hook_verdict(&effect, &call, outcome, now_us, arena, &scratch, op);
	buf_fini(&scratch);
	return err;
}

static void test_verdicts(void **state)
{
	(void)state;
	static const struct {
		enum http_end end;
		int status;
		const char *headers;
		enum blame blame;
		enum verdict verdict;
		bool gone, busy, costs_nothing, overloaded;
	} cases[] = {
		{ HTTP_END_ANSWERED, 400, "", BLAME_RECORD, VERDICT_FINAL, false, false, false },
		{ HTTP_END_ANSWERED, 401, "", BLAME_ENDPOINT, VERDICT_FINAL, false, false, false },
		{ HTTP_END_ANSWERED, 410, "", BLAME_ENDPOINT, VERDICT_FINAL, true, false, false },
		{ HTTP_END_ANSWERED, 408, "", BLAME_NONE, VERDICT_POLICY, false, false, false },
		{ HTTP_END_ANSWERED, 429, "", BLAME_NONE, VERDICT_POLICY, false, true, true },
		{ HTTP_END_ANSWERED, 429, "Retry-After: 7\r\n", BLAME_NONE, VERDICT_DELAY, false, true, true },
		{ HTTP_END_ANSWERED, 503, "", BLAME_ENDPOINT, VERDICT_POLICY, false, false, false },
		{ HTTP_END_ANSWERED, 503, "Retry-After: 7\r\n", BLAME_ENDPOINT, VERDICT_DELAY, false, true, true },
		{ HTTP_END_ANSWERED, 502, "", BLAME_ENDPOINT, VERDICT_POLICY, false, false, false, true },
		{ HTTP_END_ANSWERED, 504, "Retry-After: 7\r\n", BLAME_ENDPOINT, VERDICT_DELAY, false, true, false, true }, /* a failure as any other */
		{ HTTP_END_ANSWERED, 500, "", BLAME_ENDPOINT, VERDICT_POLICY, false, false, false },
		{ HTTP_END_RESET, 502, "", BLAME_ENDPOINT, VERDICT_POLICY, false, false, false },
		{ HTTP_END_ANSWERED, 302, "", BLAME_ENDPOINT, VERDICT_FINAL, false, false, false },
		{ HTTP_END_TIMEOUT, 0, "", BLAME_ENDPOINT, VERDICT_POLICY, false, false, false },
		{ HTTP_END_GUARDED, 0, "", BLAME_ENDPOINT, VERDICT_FINAL, false, false, false },
		{ HTTP_END_OURS, 0, "", BLAME_NONE, VERDICT_DELAY, false, false, true },
	};
	struct hook alone = a_hook;
	alone.alone = true;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct arena arena = { 0 };
		struct op op;
		const struct http_outcome outcome = { .end = cases[i].end, .status = cases[i].status, .headers = str_of(cases[i].headers), .why = "" };
		assert_int_equal(judge(&outcome, &a_hook, 0, &arena, &op), E_OK);
		assert_int_equal(op.kind, OP_FAIL);
		bool right = op.lease.hook->blame == cases[i].blame && op.lease.verdict == cases[i].verdict && op.lease.hook->gone == cases[i].gone &&
			     op.lease.busy == cases[i].busy && op.lease.costs_nothing == cases[i].costs_nothing &&
			     op.lease.hook->overloaded == cases[i].overloaded;
		if (!right)
			fail_msg("case %zu: blame %d, verdict %d, busy %d, costs nothing %d", i, op.lease.hook->blame, op.lease.verdict, op.lease.busy,
				 op.lease.costs_nothing);
		bool ours = cases[i].end == HTTP_END_OURS;
		assert_int_equal(judge(&outcome, &a_hook, HOOK_BUSY_MAX_US + 1, &arena, &op), E_OK);
		assert_int_equal(op.lease.costs_nothing, ours); /* an old one pays, so that it ends */
		assert_int_equal(judge(&outcome, &alone, 0, &arena, &op), E_OK);
		assert_false(op.lease.busy);
		assert_int_equal(op.lease.costs_nothing, ours);
		arena_fini(&arena);
	}
}

/* Who lists 410 among the statuses to retry does not take it for a farewell. */
static void test_gone_by_policy(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 410, NULL, NULL } };
	struct scene scene;
	struct house_job about = { .message = message };
	about.message.flags = MESSAGE_META;
	scene_open(&scene, answers, 1);
	const struct told *told = scene_send(&scene, "", &(struct house_job){ .message = message });
	assert_true(told->hook.gone && !told->hook.meta);
	assert_int_equal(told->hook.message, message.uid);
	assert_int_equal(told->hook.about_type.len, message.type.len);
	assert_int_equal(told->hook.about_entity.len, message.entity.len);
	told = scene_send(&scene, "\"policy\":{\"retry\":[\"410\"]}", &about);
	assert_false(told->hook.gone);
	assert_true(told->hook.meta);
	assert_int_equal(told->verdict, VERDICT_POLICY);
	scene_close(&scene);
}

/* ---- allocations, one by one ---- */

static void *hold_it(void *context)
{
	return context;
}

static bool find_it(void *snapshot, struct str namespace_name, struct str reference, int64_t now_us, struct secret_values *out)
{
	(void)snapshot, (void)namespace_name, (void)now_us;
	*out = (struct secret_values){ .values = { str_eq(reference, STR("sign")) ? STR(KEY) : value }, .count = 1 };
	return true;
}

static void drop_it(void *snapshot)
{
	assert_non_null(snapshot);
}

static enum err prepare_once(const struct shared_text *text)
{
	int context;
	struct hook_room room;
	struct hook_answer answer;
	const struct effect effect = { .uid = 77, .endpoint_number = HOUSE_ENDPOINT, .endpoint = (struct shared_text *)(uintptr_t)text };
	const struct job_view view = { .definition = { .uid = 77, .message = 4, .group = STR("crm") }, .message = message, .endpoint = HOUSE_ENDPOINT };
	struct arena arena = { 0 };
	hook_room_init(&room, &(struct secret_port){ &context, hold_it, find_it, drop_it }, NULL);
	enum err err = hook_prepare(&room, &effect, &view, NULL, 1700000000000000, &arena, &answer);
	if (!err) {
		assert_int_equal(answer.end, HOOK_CALL);
		assert_string_equal(answer.call.url, "https://h/fiche.updated");
		assert_int_equal(answer.call.hook->secret_count, 2); /* coded, and as it is; the third is the same again */
	}
	arena_fini(&arena);
	hook_room_fini(&room);
	return err;
}

static void nobody_hears(void *context, const struct oauth_token *token, enum http_class http_class, const char *why)
{
	(void)context, (void)token, (void)http_class, (void)why;
	fail_msg("nothing was sent, so nothing can be answered");
}

static void test_no_memory_for_tokens(void **state)
{
	(void)state;
	const struct oauth_wish wish = { .endpoint = 1, .version = 1, .token_url = STR("http://127.0.0.1:1/"), .client_id = STR("c"), .secret = STR("s") };
	bool refused = true;
	for (uint64_t n = 1; refused; n++) {
		const struct oauth_token *token;
		struct http_client *client = http_client_new(&(struct http_client_config){ .connections = 1, .connect_ms = 1000 });
		struct oauth_room room;
		assert_non_null(client);
		oauth_room_init(&room, client, 1);
		room.done = nobody_hears;
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = oauth_fetch(&room, &wish, &token);
		refused = mem_fail_disarm();
		assert_int_equal(err, refused ? E_NOMEM : E_OK);
		oauth_room_fini(&room);
		http_client_free(client);
	}
}

static void test_no_memory(void **state)
{
	(void)state;
	struct shared_text *text = shared_text_new(
		STR("{\"url\":\"https://h/{type}\",\"format\":\"cloudevents-binary\",\"sign\":{\"secret\":\"sign\"},\"auth\":{\"kind\":\"basic\",\"user\":\"u\","
		    "\"secret\":\"p\"}}"), 1);
	const struct http_outcome outcome = { .end = HTTP_END_ANSWERED, .status = 200, .headers = STR("A: s3cret-password\r\n"),
					      .body = STR("{\"id\":1,\"b\":\"s3cret-password\"}"), .body_bytes = 30, .why = "" };
	bool refused = true;
	for (uint64_t n = 1; refused; n++) {
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = prepare_once(text);
		refused = mem_fail_disarm();
		assert_int_equal(err, refused ? E_NOMEM : E_OK);
	}
	refused = true;
	for (uint64_t n = 1; refused; n++) {
		struct arena arena = { 0 };
		struct op op;
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = judge(&outcome, &a_hook, 0, &arena, &op);
		refused = mem_fail_disarm();
		assert_int_equal(err, refused ? E_NOMEM : E_OK);
		arena_fini(&arena);
	}
	shared_text_drop(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),        cmocka_unit_test(test_what_stands_beside),  cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_empty_body_is_null), cmocka_unit_test(test_authorization),   cmocka_unit_test(test_echoes_are_redacted),
		cmocka_unit_test(test_missing_secrets), cmocka_unit_test(a_secret_that_is_missing_is_looked_for_ever_more_seldom),
		cmocka_unit_test(test_external_ids),       cmocka_unit_test(test_update_address),
		cmocka_unit_test(test_tokens_are_kept), cmocka_unit_test(test_one_token_for_many), cmocka_unit_test(test_refused_tokens),
		cmocka_unit_test(test_no_token),       cmocka_unit_test(test_end_while_authorising), cmocka_unit_test(test_mutual_tls),
		cmocka_unit_test(test_filtered),       cmocka_unit_test(test_retract),             cmocka_unit_test(test_cannot_be_sent),
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_gone_by_policy),       cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_for_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
