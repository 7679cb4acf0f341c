/* Previews against an engine, readers and a pool that the test plays (scene.h): what is chosen, what has gone meanwhile, what is stopped. */
#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct message_row rows[] = {
	{ .uid = 79, .namespace_name = STR_INIT("default"), .type = STR_INIT("a.c"), .payload = STR_INIT("3") },
	{ .uid = 78, .namespace_name = STR_INIT("default"), .type = STR_INIT("a.b"), .flags = MESSAGE_EXPUNGED },
	{ .uid = 77, .namespace_name = STR_INIT("default"), .type = STR_INIT("a.b"), .entity = STR_INIT("e"), .channels = STR_INIT("[\"c\"]"), .payload = STR_INIT("1") },
	{ .uid = 76, .namespace_name = STR_INIT("default"), .type = STR_INIT("a.b"), .only = 9, .payload = STR_INIT("0") },
};

struct play {
	struct scene scene;
	const char *format, *endpoint; /* their texts; NULL: there is none */
	uint64_t gone;                 /* this message goes before it is read */
	uint32_t runs;                 /* messages that were read */
};

static void answer_request(struct play *play, struct request *request)
{
	static struct named_info info;
	for (uint32_t i = 0; i < request->op_count; i++) {
		struct op *op = &request->ops[i];
		bool format = op->named.kind == NAMED_FORMAT;
		const char *text = format ? play->format : play->endpoint;
		if (op->kind != OP_NAMED_GET)
			continue;
		info = (struct named_info){ .number = 3, .named = op->named.named, .text = str_of(text) };
		op->result.nameds = text ? &info : NULL;
		op->result.err = text ? E_OK : format ? E_FORMAT_NOT_FOUND : E_ENDPOINT_NOT_FOUND;
	}
	scene_reply(&play->scene, request);
}

static void answer_question(struct play *play, struct question *question)
{
	struct answer *answer = &question->answer;
	uint32_t at = 0;
	switch (question->query.kind) {
	case QUERY_MESSAGES:
		assert_false(question->query.with_payload);
		answer->messages = rows;
		answer->message_count = ARRAY_COUNT(rows);
		break;
	case QUERY_MESSAGE:
		while (at < ARRAY_COUNT(rows) && rows[at].uid != question->query.uids[0])
			at++;
		play->runs++;
		answer->messages = rows + at;
		answer->message_count = 1;
		if (at == ARRAY_COUNT(rows) || rows[at].uid == play->gone)
			question->err = E_MESSAGE_NOT_FOUND;
		break;
	default:
		assert_int_equal(question->query.kind, QUERY_ENTITIES);
		assert_int_equal(question->query.endpoint, 3);
		break;
	}
	scene_answer(&play->scene, question);
}

static void ask(struct play *play, const char *path, const char *body)
{
	play->runs = 0;
	play->scene.status = 0;
	scene_send(&play->scene, "POST", path, NULL, str_of(body));
	while (play->scene.request_count || play->scene.question_count) {
		if (play->scene.request_count)
			answer_request(play, scene_request(&play->scene));
		else
			answer_question(play, scene_question(&play->scene));
	}
}

static const struct {
	const char *path, *body, *format, *endpoint;
	uint64_t gone;
	int status;
	uint32_t runs;
	const char *has, *has_not;
} cases[] = {
	{ "/v1/formats/raw/preview", "{}", NULL, NULL, 0, 200, 3, "\"output\":3}", "\"wanted\"" },
	{ "/v1/formats/raw/preview", "{\"last\":1}", NULL, NULL, 0, 200, 1, "\"previews\":[{\"message\":\"msg_000000000002f\"", "000000000002d" },
	{ "/v1/formats/raw/preview", "{\"last\":2}", NULL, NULL, 79, 200, 2, "\"output\":1}", "000000000002f" },
	{ "/v1/formats/raw/preview", "{\"message\":\"000000000002f\"}", NULL, NULL, 79, 422, 1, "\"field\":\"message\"" },
	{ "/v1/formats/raw/preview", "{\"message\":\"000000000002e\"}", NULL, NULL, 0, 422, 1, "removed on request" },
	{ "/v1/formats/raw/preview?namespace=other", "{\"message\":\"000000000002f\"}", NULL, NULL, 0, 422, 1, "\"field\":\"message\"" },
	{ "/v1/formats/wide/preview", "{}", NULL, NULL, 0, 404, 0, "format_not_found" },
	{ "/v1/formats/wide/preview", "{}", "{\"program\":\"nothing\"}", NULL, 0, 200, 3, "\"filtered\":true,\"us\":7}" },
	{ "/v1/formats/wide/preview", "{}", "{\"program\":\"failing\",\"description\":\"x\"}", NULL, 0, 200, 3, "\"error\":\"syntax error, line 1\",\"us\":7}" },
	{ "/v1/formats/wide/preview", "{}", "{\"program\":\"endless\"}", NULL, 0, 200, 1, "\"stopped\":true", "000000000002d" },
	{ "/v1/formats/wide/preview", "{}", "{\"programm\":1}", NULL, 0, 409, 0, "put it anew" },
	{ "/v1/formats/wide/preview", "{\"program\":\"broken\"}", NULL, NULL, 0, 422, 0, "does not compile" },
	{ "/v1/formats/wide/preview", "{\"program\":\"lost\"}", NULL, NULL, 0, 503, 0, "could not be run" },
	{ "/v1/formats/wide/preview", "{\"program\":\"new\",\"endpoint\":\"crm\"}", NULL, NULL, 0, 422, 0, "\"field\":\"endpoint\"" },
	{ "/v1/formats/wide/preview", "{\"program\":\"new\",\"endpoint\":\"crm\"}", NULL, "{\"url\":\"https://x.example/\",\"types\":[\"a.b\"]}", 0, 200, 1,
	  "\"wanted\":true,\"output\":{\"message\":{\"id\":\"msg_000000000002d\"", "000000000002f" },
	{ "/v1/formats/wide/preview", "{\"program\":\"new\",\"endpoint\":\"crm\"}", NULL, "{\"url\":5}", 0, 409, 0, "\"field\":\"endpoint\"" },
	{ "/v1/endpoints/crm/preview", "{}", NULL, NULL, 0, 404, 0, "endpoint_not_found" },
	{ "/v1/endpoints/crm/preview", "{\"type\":\"a.*\"}", "{\"program\":\".\"}", "{\"url\":\"https://x.example/\",\"types\":[],\"format\":\"wide\"}", 0, 200, 3,
	  "{\"format\":\"wide\",\"stopped\":false", "\"wanted\":true" },
};

static bool has(struct str text, const char *part)
{
	return part && memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void previews(void **state)
{
	struct play play;
	(void)state;
	scene_open(&play.scene, true, 0);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		play.format = cases[i].format;
		play.endpoint = cases[i].endpoint;
		play.gone = cases[i].gone;
		ask(&play, cases[i].path, cases[i].body);
		if (play.scene.status != cases[i].status || play.runs != cases[i].runs || !has(play.scene.body, cases[i].has) || has(play.scene.body, cases[i].has_not))
			fail_msg("%s %s: %d, %u looked at: " STR_FMT, cases[i].path, cases[i].body, play.scene.status, play.runs, STR_ARG(play.scene.body));
	}
	scene_close(&play.scene);
}

/* A daemon that stops does not wait for the rest of them. */
static void given_up_at_the_end(void **state)
{
	struct play play = { 0 };
	(void)state;
	scene_open(&play.scene, true, 0);
	scene_send(&play.scene, "POST", "/v1/formats/raw/preview", NULL, STR("{}"));
	answer_request(&play, scene_request(&play.scene));
	api_quiesce(play.scene.api);
	answer_question(&play, scene_question(&play.scene));
	assert_int_equal(play.scene.status, 503);
	assert_int_equal(play.scene.question_count, 0);
	scene_close(&play.scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(previews), cmocka_unit_test(given_up_at_the_end) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
