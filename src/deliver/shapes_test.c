/* Bodies made by programs: deliveries with the real ruche-jq, whose path is this program's argument. */
#include "base/mem.h"
#include "deliver/hook_verdict.h"
#include "deliver/house_test.h"
#include "third_party/third_party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */

static const char *ruche_jq;

static const struct message_row message = {
	.uid = 4, .namespace_name = STR("default"), .type = STR("fiche.updated"), .entity = STR("f1"), .channels = STR("[\"paris\"]"),
	.metadata = STR("{\"by\":\"ada\"}"), .payload = STR("{\"titre\":\"\xc3\xa9t\xc3\xa9\",\"n\":7}")
};

struct scene {
	struct third_party *party;
	struct format_pool *pool;
	struct house *house;
	char endpoint[1024];
};

static void scene_open(struct scene *scene, const char *helper)
{
	struct problem problem;
	const struct format_pool_config config = { .helper = helper, .helpers = 2, .cpu_ms = 200, .wall_ms = 600000, .idle_ms = 60000 };
	*scene = (struct scene){ .party = third_party_start(&(struct third_party_config){ .answers = NULL }) };
	assert_int_equal(format_pool_start(&config, &scene->pool, &problem), E_OK);
	house_use_formats(scene->pool);
	scene->house = house_open("127.0.0.0/8", NULL);
}

static void scene_close(struct scene *scene)
{
	house_free(scene->house);
	format_pool_stop(scene->pool);
	house_use_formats(NULL);
	third_party_stop(scene->party);
}

static uint64_t scene_deliver(struct scene *scene, const char *more, const struct house_job *job)
{
	struct house_job whole = *job;
	if (!whole.message.uid)
		whole.message = message;
	snprintf(scene->endpoint, sizeof(scene->endpoint),
		 "{\"url\":\"%s\",\"format\":\"f\",\"sign\":{\"kind\":\"none\"},\"tags\":[\"t\"],\"metadata\":{\"plan\":3}%s}",
		 third_party_url(scene->party, "/hook"), more);
	whole.endpoint = scene->endpoint;
	return house_deliver(scene->house, &whole);
}

static const struct told *scene_send(struct scene *scene, const char *more, const struct house_job *job)
{
	return house_wait(scene->house, scene_deliver(scene, more, job));
}

static void program(struct scene *scene, const char *text)
{
	char json[1024];
	snprintf(json, sizeof(json), "{\"program\":\"%s\"}", text);
	house_format(scene->house, "f", json);
}

static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *program, *more, *body;
	} cases[] = {
		{ "{t:.payload.titre}", "", "{\"t\":\"\xc3\xa9t\xc3\xa9\"}" },
		{ ".message", "",
		  "{\"id\":\"msg_0000000000004\",\"type\":\"fiche.updated\",\"timestamp\":\"2024-01-01T00:00:00.000Z\",\"entity\":\"f1\","
		  "\"channels\":[\"paris\"],\"deleted\":false,\"metadata\":{\"by\":\"ada\"}}" },
		{ "[.endpoint, .external_id, .attempt]", "", "[{\"name\":\"crm\",\"tags\":[\"t\"],\"metadata\":{\"plan\":3}},null,3]" },
		{ ".payload.titre", "", "\"\xc3\xa9t\xc3\xa9\"" },
		{ ".payload.titre", ",\"content_type\":\"application/vnd.x+json; v=1\"", "\"\xc3\xa9t\xc3\xa9\"" },
		{ ".payload.titre", ",\"content_type\":\"text/plain\"", "\xc3\xa9t\xc3\xa9" },
		{ ".payload.n", ",\"content_type\":\"text/plain\"", "7" },
	};
	struct scene scene;
	scene_open(&scene, ruche_jq);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		program(&scene, cases[i].program);
		assert_int_equal(scene_send(&scene, cases[i].more, &(struct house_job){ .attempts_made = 2 })->kind, OP_COMPLETE);
		assert_string_equal(third_party_request(scene.party, (uint32_t)i)->body, cases[i].body);
	}
	scene_close(&scene);
}

static void test_nothing(void **state)
{
	(void)state;
	static const char *const programs[] = { "empty", "null" };
	struct scene scene;
	char retract[256];
	struct house_job known = { .entity = { .endpoint = HOUSE_ENDPOINT, .entity = message.entity, .external_id = STR("42"), .message = 3 } };
	scene_open(&scene, ruche_jq);
	snprintf(retract, sizeof(retract), ",\"retract\":{\"url\":\"%s\",\"body\":\"format\"}", third_party_url(scene.party, "/things/{external_id}"));
	for (size_t i = 0; i < ARRAY_COUNT(programs); i++) {
		program(&scene, programs[i]);
		const struct told *told = scene_send(&scene, "", &(struct house_job){ 0 });
		assert_int_equal(told->verdict, VERDICT_FILTERED);
		assert_string_equal(told->result, "{\"reason\":\"nothing\"}");
		assert_int_equal(scene_send(&scene, retract, &(struct house_job){ 0 })->verdict, VERDICT_FILTERED); /* never told of it */
		told = scene_send(&scene, retract, &known);
		assert_int_equal(told->hook.entity_state, ENTITY_RETRACTED);
		assert_true(strncmp(third_party_request(scene.party, (uint32_t)i)->head, "DELETE /things/42 ", 18) == 0);
	}
	known.message = message;
	known.message.flags = MESSAGE_DELETED;
	program(&scene, "{gone:.message.deleted,id:.external_id}");
	assert_int_equal(scene_send(&scene, retract, &known)->hook.entity_state, ENTITY_RETRACTED);
	assert_string_equal(third_party_request(scene.party, 2)->body, "{\"gone\":true,\"id\":\"42\"}");
	scene_close(&scene);
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *program, *error;
	} cases[] = {
		{ "error(\\\"no INSEE code\\\")", "The format made no body: no INSEE code" },
		{ ".payload[]", "The format made no body: " },
		{ "def f: f; f", "the program used more than 200 ms of processor time and was stopped." },
	};
	struct scene scene;
	scene_open(&scene, ruche_jq);
	const struct told *told = scene_send(&scene, "", &(struct house_job){ 0 });
	assert_non_null(strstr(told->error, "no format \\\"f\\\" is there"));
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		program(&scene, cases[i].program);
		told = scene_send(&scene, "", &(struct house_job){ 0 });
		assert_int_equal(told->kind, OP_FAIL);
		assert_int_equal(told->verdict, VERDICT_POLICY);
		assert_int_equal(told->hook.blame, BLAME_NONE);
		assert_true(told->hook.slow || i != 2);
		assert_non_null(strstr(told->error, "\"class\":\"format\""));
		if (!strstr(told->error, cases[i].error))
			fail_msg("no %s in %s", cases[i].error, told->error);
	}
	house_format(scene.house, "f", NULL);
	told = scene_send(&scene, "", &(struct house_job){ 0 });
	assert_non_null(strstr(told->error, "no format \\\"f\\\" is there"));
	assert_int_equal(third_party_requests(scene.party), 0);
	scene_close(&scene);
}

static void test_slow(void **state)
{
	(void)state;
	assert_false(shaping_is_slow(NULL));
	assert_false(shaping_is_slow(&(struct shaping){ .end = FORMAT_VALUE, .us = SHAPING_SLOW_US - 1 }));
	assert_true(shaping_is_slow(&(struct shaping){ .end = FORMAT_VALUE, .us = SHAPING_SLOW_US }));
	assert_true(shaping_is_slow(&(struct shaping){ .end = FORMAT_KILLED }));
}

static void test_no_helper(void **state)
{
	(void)state;
	struct scene scene;
	scene_open(&scene, "/nonexistent/ruche-jq");
	program(&scene, ".");
	const struct told *told = scene_send(&scene, "", &(struct house_job){ 0 });
	assert_int_equal(told->kind, OP_FAIL);
	assert_true(told->costs_nothing);
	assert_non_null(strstr(told->error, "\"class\":\"ours\""));
	scene_close(&scene);
}

/* An endless program costs its own deliveries; who waits behind it may be aborted, and is given back at the end. */
static void test_abort_and_end(void **state)
{
	(void)state;
	struct scene scene;
	uint64_t uids[24];
	scene_open(&scene, ruche_jq);
	program(&scene, "def f: f; f");
	for (size_t i = 0; i < ARRAY_COUNT(uids); i++)
		uids[i] = scene_deliver(&scene, "", &(struct house_job){ 0 });
	assert_int_equal(house_wait(scene.house, uids[0])->kind, OP_FAIL); /* all of them are with the pool by now */
	for (size_t i = 12; i < ARRAY_COUNT(uids); i++)
		house_abort(scene.house, uids[i]);
	house_close(scene.house, 0);
	uint32_t released = 0;
	for (size_t i = 0; i < ARRAY_COUNT(uids); i++) {
		const struct told *told = house_heard(scene.house, uids[i]);
		assert_true(told || i >= 12);
		released += told && told->kind == OP_RELEASE;
	}
	assert_true(released > 0);
	scene_close(&scene);
}

/* ---- allocations, one by one ---- */

static enum err ask_once(const struct effect_named *named, const struct shared_text *endpoint)
{
	struct program_table programs = { 0 };
	struct hook_room room;
	struct hook_answer answer;
	const struct effect effect = { .uid = 77, .endpoint_number = HOUSE_ENDPOINT, .endpoint = (struct shared_text *)(uintptr_t)endpoint };
	const struct job_view view = { .definition = { .uid = 77, .message = 4, .group = STR("crm") }, .message = message, .endpoint = HOUSE_ENDPOINT };
	struct arena arena = { 0 };
	hook_room_init(&room, &(struct secret_port){ 0 }, NULL);
	room.programs = &programs;
	enum err err = program_table_put(&programs, named);
	if (!err)
		err = hook_prepare(&room, &effect, &view, NULL, 1700000000000000, &arena, &answer);
	if (!err) {
		assert_int_equal(answer.end, HOOK_PROGRAM);
		assert_true(str_eq(answer.program->text, STR(".payload")));
	}
	arena_fini(&arena);
	hook_room_fini(&room);
	program_table_fini(&programs);
	return err;
}

static void test_no_memory(void **state)
{
	(void)state;
	struct shared_text *text = shared_text_new(STR("{\"program\":\".payload\"}"), 1);
	struct shared_text *endpoint = shared_text_new(STR("{\"url\":\"https://h/\",\"format\":\"f\"}"), 1);
	const struct effect_named named = { .kind = NAMED_FORMAT, .number = 1, .namespace_name = STR("default"), .name = STR("f"), .text = text };
	bool refused = true;
	for (uint64_t n = 1; refused; n++) {
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = ask_once(&named, endpoint);
		refused = mem_fail_disarm();
		assert_int_equal(err, refused ? E_NOMEM : E_OK);
	}
	shared_text_drop(text);
	shared_text_drop(endpoint);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_values),    cmocka_unit_test(test_nothing),       cmocka_unit_test(test_errors),
		cmocka_unit_test(test_no_helper), cmocka_unit_test(test_abort_and_end), cmocka_unit_test(test_no_memory),
	};
	if (argc < 2)
		return 2;
	ruche_jq = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
