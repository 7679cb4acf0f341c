/* Several messages in one call: what the third party receives, and what the engine is told of each. */
#include "base/mem.h"
#include "deliver/bundle_verdict.h"
#include "deliver/house_test.h"
#include "third_party/third_party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */

#define COUNT 4

struct scene {
	struct third_party *party;
	struct house *house;
	char endpoint[1024];
	struct house_job jobs[COUNT];
};

static void scene_open(struct scene *scene, const struct tp_answer *answer, const char *more)
{
	static const char *const payloads[COUNT] = { "0", "1", "2", "3" }, *const entities[COUNT] = { "e0", "e1", "e2", "e3" };
	*scene = (struct scene){ .party = third_party_start(&(struct third_party_config){ .answers = answer, .answer_count = answer ? 1 : 0 }) };
	scene->house = house_open("127.0.0.0/8", NULL);
	snprintf(scene->endpoint, sizeof(scene->endpoint), "{\"url\":\"%s\",\"format\":\"raw\",\"sign\":{\"kind\":\"none\"},\"batch\":{\"max\":9,\"results\":\"$.ids[*]\"}%s}",
		 third_party_url(scene->party, "/hook"), more);
	for (uint32_t i = 0; i < COUNT; i++)
		scene->jobs[i] = (struct house_job){ .endpoint = scene->endpoint,
			.message = { .uid = 10 + i, .namespace_name = STR("default"), .type = STR("a"), .entity = str_of(entities[i]), .payload = str_of(payloads[i]) } };
}

/* Answers the uid of the first; the others' follow. All have been told of. */
static uint64_t scene_send(struct scene *scene, uint32_t count)
{
	uint64_t uid = house_deliver_batch(scene->house, scene->jobs, count);
	for (uint32_t i = 0; i < count; i++)
		house_wait(scene->house, uid + i);
	return uid;
}

static const struct told *told(struct scene *scene, uint64_t uid)
{
	assert_int_equal(house_told_count(scene->house, uid), 1); /* one verdict each */
	return house_heard(scene->house, uid);
}

static const char *body(struct scene *scene, uint32_t n)
{
	return third_party_request(scene->party, n)->body;
}

static void scene_close(struct scene *scene)
{
	house_free(scene->house);
	third_party_stop(scene->party);
}

static void assert_holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no %s in %s", part, text);
}

static void each_is_told_of_in_one_request(void **state)
{
	static const struct tp_answer ids = { 201, NULL, "{\"ids\":[\"A\",7,null,\"D\"]}" };
	struct scene scene;
	char excerpt[64];
	(void)state;
	scene_open(&scene, &ids, "");
	uint64_t uid = scene_send(&scene, COUNT);
	static const char *const external[COUNT] = { "A", "7", "", "D" };
	assert_string_equal(body(&scene, 0), "[0,1,2,3]");
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct told *one = told(&scene, uid + i);
		assert_int_equal(one->kind, OP_COMPLETE);
		assert_int_equal(one->rides, i > 0);
		assert_int_equal(one->fence, 7000 + uid + i);
		assert_int_equal(one->request, told(&scene, uid)->request);
		assert_int_equal(one->hook.message, 10 + i);
		assert_int_equal(one->hook.blame, i ? BLAME_NONE : BLAME_WELL);
		assert_int_equal(one->hook.batch_size, i ? 0 : COUNT);
		assert_string_equal(one->external_id, external[i]);
		assert_int_equal(one->entity[1], '0' + (int)i);
		snprintf(excerpt, sizeof(excerpt), "\"place\":%u,\"size\":4}", i);
		assert_holds(one->exchange, excerpt);
	}
	assert_holds(told(&scene, uid)->exchange, "\"request_excerpt\":\"[0,1,2,3]\"");
	assert_holds(told(&scene, uid + 2)->exchange, "\"request_excerpt\":\"2\"");
	assert_holds(told(&scene, uid + 3)->result, "\"external_id\":\"D\"");
	scene_close(&scene);
}

/* More ids than messages, or fewer: whose they are nobody knows. */
static void ids_that_do_not_fit_are_nobodys(void **state)
{
	static const struct tp_answer ids = { 200, NULL, "{\"ids\":[1,2,3]}" };
	struct scene scene;
	(void)state;
	scene_open(&scene, &ids, "");
	uint64_t uid = scene_send(&scene, 2);
	assert_string_equal(told(&scene, uid)->external_id, "");
	assert_string_equal(told(&scene, uid)->entity, "e0");
	scene_close(&scene);
}

/* The same messages have the same id, others another one; one alone is an array. */
static void the_id_names_the_messages(void **state)
{
	struct scene scene;
	char ids[4][128];
	(void)state;
	scene_open(&scene, NULL, "");
	scene_send(&scene, 3);
	scene_send(&scene, 3);
	scene_send(&scene, 2);
	scene_send(&scene, 1);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(tp_request_header(third_party_request(scene.party, i), "webhook-id", ids[i], sizeof(ids[i])));
	assert_string_equal(ids[0], ids[1]);
	assert_string_not_equal(ids[0], ids[2]);
	assert_string_not_equal(ids[2], ids[3]);
	assert_int_equal(strncmp(ids[3], "bat_000000000000a_", 18), 0);
	assert_string_equal(body(&scene, 3), "[0]");
	scene_close(&scene);
}

static void refusals(void **state)
{
	static const struct {
		struct tp_answer answer;
		uint32_t sent;
		enum op_kind kind;
		enum blame blame;
		bool bisect, busy;
		uint32_t learnt;
	} cases[] = {
		{ { 422, NULL, "bad" }, 4, OP_RELEASE, BLAME_NONE, true, false, 0 },
		{ { 409, NULL, "at most 2" }, 4, OP_RELEASE, BLAME_NONE, true, false, 0 },
		{ { 422, NULL, "a maximum of 3 records" }, 4, OP_RELEASE, BLAME_NONE, true, false, 3 },
		{ { 413, NULL, "at most 4" }, 4, OP_RELEASE, BLAME_NONE, true, false, 0 },
		{ { 422, NULL, "at most 2" }, 1, OP_FAIL, BLAME_RECORD, false, false, 0 },
		{ { 401, NULL, "" }, 4, OP_FAIL, BLAME_ENDPOINT, false, false, 0 },
		{ { 404, NULL, "" }, 4, OP_FAIL, BLAME_RECORD, false, false, 0 },
		{ { 410, NULL, "" }, 4, OP_FAIL, BLAME_ENDPOINT, false, false, 0 },
		{ { 500, NULL, "at most 2" }, 4, OP_FAIL, BLAME_ENDPOINT, false, false, 0 },
		{ { 429, "Retry-After: 7\r\n", "" }, 4, OP_FAIL, BLAME_NONE, false, true, 0 },
		{ { 502, "", "" }, 4, OP_FAIL, BLAME_ENDPOINT, false, false, 0 },
		{ { 504, "Retry-After: 7\r\n", "" }, 4, OP_FAIL, BLAME_ENDPOINT, false, true, 0 },
	};
	(void)state;
	for (size_t n = 0; n < ARRAY_COUNT(cases); n++) {
		struct scene scene;
		scene_open(&scene, &cases[n].answer, "");
		uint64_t uid = scene_send(&scene, cases[n].sent);
		for (uint32_t i = 0; i < cases[n].sent; i++) {
			const struct told *one = told(&scene, uid + i);
			assert_int_equal(one->kind, cases[n].kind);
			assert_int_equal(one->busy, i ? false : cases[n].busy);
			assert_int_equal(one->delay_ms, cases[n].busy ? 7000 : 0);
			assert_int_equal(one->hook.blame, i ? BLAME_NONE : cases[n].blame);
			assert_int_equal(one->hook.gone, cases[n].answer.status == 410);
			assert_int_equal(one->hook.overloaded, !i && (cases[n].answer.status == 502 || cases[n].answer.status == 504)); /* said once */
			assert_int_equal(one->hook.bisect, i ? false : cases[n].bisect);
			assert_int_equal(one->hook.batch_learnt, i ? 0 : cases[n].learnt);
			assert_int_equal(one->hook.batch_size, i ? 0 : cases[n].sent);
			if (i && cases[n].bisect)
				assert_true(told(&scene, uid + i) < told(&scene, uid + i - 1)); /* the last one first */
		}
		scene_close(&scene);
	}
}

static void who_has_no_body_is_told_of_alone(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, NULL, ",\"order\":\"latest\"");
	scene.jobs[0].entity = (struct entity_row){ .endpoint = HOUSE_ENDPOINT, .entity = STR("e0"), .message = 99 };
	scene.jobs[1].gone = true;
	scene.jobs[2].message.flags = MESSAGE_EXPUNGED;
	uint64_t uid = scene_send(&scene, COUNT);
	assert_string_equal(body(&scene, 0), "[3]");
	assert_int_equal(told(&scene, uid)->verdict, VERDICT_FILTERED);
	assert_string_equal(told(&scene, uid)->result, "{\"reason\":\"superseded\"}");
	assert_int_equal(told(&scene, uid + 1)->kind, OP_FAIL);
	assert_int_equal(told(&scene, uid + 2)->kind, OP_FAIL);
	assert_int_equal(told(&scene, uid + 3)->kind, OP_COMPLETE);
	assert_int_equal(told(&scene, uid + 3)->hook.blame, BLAME_WELL); /* the first that was sent speaks for the call */
	assert_int_equal(told(&scene, uid + 3)->hook.batch_size, 1);
	uid = scene_send(&scene, 1); /* nothing to send: no call */
	assert_int_equal(told(&scene, uid)->verdict, VERDICT_FILTERED);
	assert_int_equal(third_party_requests(scene.party), 1);
	scene_close(&scene);
}

/* A job of the group that is no message: each goes by itself. */
static void a_stranger_goes_alone(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, NULL, "");
	scene.jobs[1].message.uid = 0;
	uint64_t uid = scene_send(&scene, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(told(&scene, uid + i)->kind, OP_RELEASE);
	assert_true(told(&scene, uid)->hook.bisect);
	assert_int_equal(told(&scene, uid)->hook.batch_size, 2); /* one at a time from now on */
	assert_int_equal(third_party_requests(scene.party), 0);
	scene_close(&scene);
}

static void no_secret_is_kept(void **state)
{
	static const struct tp_answer echo = { 200, NULL, "{\"ids\":[\"1\",\"canary-canary\"]}" };
	struct scene scene;
	(void)state;
	scene_open(&scene, &echo, ",\"auth\":{\"kind\":\"bearer\",\"secret\":\"token\"}");
	house_secret(scene.house, "token", "canary-canary", NULL);
	scene.jobs[1].message.payload = STR("\"canary-canary\"");
	uint64_t uid = scene_send(&scene, 2);
	assert_holds(body(&scene, 0), "canary-canary");
	for (uint32_t i = 0; i < 2; i++) {
		assert_null(strstr(told(&scene, uid + i)->exchange, "canary-canary"));
		assert_null(strstr(told(&scene, uid + i)->result, "canary-canary"));
	}
	assert_string_equal(told(&scene, uid + 1)->external_id, "");
	scene_close(&scene);
}

/* One secret is missing: nobody is called, nobody pays, all hear of it. */
/* Of many large ones so many go as one call should hold; nobody reads the others. */
static void the_large_go_a_few_at_a_time(void **state)
{
	enum { MANY = 20, LARGE = 2 << 20 };
	struct scene scene;
	struct house_job jobs[MANY];
	char *payload = malloc(LARGE + 1);
	(void)state;
	assert_non_null(payload);
	memset(payload, ' ', LARGE);
	payload[0] = '7';
	payload[LARGE] = '\0';
	scene_open(&scene, NULL, "");
	for (uint32_t i = 0; i < MANY; i++) {
		jobs[i] = scene.jobs[0];
		jobs[i].message.uid = 10 + i;
		jobs[i].message.payload = (struct str){ payload, LARGE };
	}
	uint64_t uid = house_deliver_batch(scene.house, jobs, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		house_wait(scene.house, uid + i);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(told(&scene, uid + i)->kind, i < 8 ? OP_COMPLETE : OP_RELEASE);
	assert_int_equal(told(&scene, uid)->hook.batch_size, 8);
	assert_int_equal(third_party_requests(scene.party), 1);
	scene_close(&scene);
	free(payload);
}

/* One that was taken out of a call that is under way may be in another one by now. */
static void nobody_is_taken_out_twice(void **state)
{
	struct effect_rider rider = { .uid = 2, .fence = 1 };
	const struct effect effect = { .kind = EFFECT_DELIVER, .uid = 1, .fence = 1, .riders = &rider, .rider_count = 1 };
	struct bundle *bundle = bundle_new(&effect);
	(void)state;
	assert_true(bundle_forget(bundle, 2, 1));
	assert_false(bundle_forget(bundle, 2, 2));
	assert_false(bundle_is_forgotten(bundle));
	assert_true(bundle_forget(bundle, 1, 0));
	assert_true(bundle_is_forgotten(bundle));
	bundle_free(bundle);
}

/* Whichever of its programs took long, or was waited for in vain: the endpoint hears it, once. */
static void slow_bodies_are_told_of_once(void **state)
{
	static struct shaping slow = { .came = true, .end = FORMAT_VALUE, .us = SHAPING_SLOW_US }, quick = { .came = true, .us = SHAPING_SLOW_US - 1 },
			      away = { .us = SHAPING_SLOW_US };
	static const struct {
		struct shaping *of_part, *wrap;
		bool waited, filtered, gone;
		uint32_t told;
	} cases[] = {
		{ NULL, NULL, false, false, false, 0 },   { &quick, &quick, false, false, false, 0 }, { &away, NULL, false, false, false, 0 },
		{ &slow, NULL, false, false, false, 1 },  { NULL, &slow, false, false, false, 1 },    { &slow, &slow, true, false, false, 1 },
		{ &away, NULL, true, false, false, 1 },   { &slow, NULL, false, true, false, 1 },     { &quick, NULL, false, true, false, 0 },
		{ &slow, NULL, false, true, true, 1 },    { NULL, NULL, true, false, true, 1 },
	};
	struct effect_rider riders[] = { { .uid = 2, .fence = 1 }, { .uid = 3, .fence = 1 } };
	const struct effect effect = { .kind = EFFECT_DELIVER, .uid = 1, .fence = 1, .riders = riders, .rider_count = 2, .endpoint_number = HOUSE_ENDPOINT };
	(void)state;
	for (size_t n = 0; n < ARRAY_COUNT(cases); n++) {
		struct bundle *bundle = bundle_new(&effect);
		struct arena arena = { 0 };
		struct buf scratch = { .max_bytes = 65536 };
		struct op ops[3];
		uint32_t count, slows = 0;
		for (uint32_t i = 0; i < 3; i++) {
			bundle->parts[i].state = cases[n].filtered ? PART_FILTERED : PART_BODY;
			bundle->parts[i].reason = "nothing";
		}
		bundle->parts[1].shaping = cases[n].of_part;
		bundle->wrap = cases[n].wrap;
		if (cases[n].gone)
			bundle->parts[0].state = bundle->parts[2].state = PART_GONE;
		const struct bundle_end end = { .kind = cases[n].filtered ? BUNDLE_END_UNSENT : BUNDLE_END_RELEASED, .waited = cases[n].waited };
		assert_int_equal(bundle_verdicts(bundle, &effect, &end, 1, &arena, &scratch, ops, &count), E_OK);
		assert_int_equal(count, cases[n].gone ? 1 : 3);
		for (uint32_t i = 0; i < count; i++) {
			assert_int_equal(ops[i].kind, cases[n].filtered ? OP_COMPLETE : OP_RELEASE);
			slows += ops[i].lease.hook && ops[i].lease.hook->slow;
		}
		if (slows != cases[n].told)
			fail_msg("case %zu: told %u times", n, slows);
		bundle->parts[1].shaping = bundle->wrap = NULL;
		bundle_free(bundle);
		arena_fini(&arena);
		buf_fini(&scratch);
	}
}

/* A test tells nothing of its endpoint, so it speaks for nobody; neither does it when it could not be sent. */
static void a_test_speaks_for_nobody(void **state)
{
	const struct tp_answer down = { 500, NULL, "" };
	struct scene scene;
	(void)state;
	scene_open(&scene, &down, "");
	scene.jobs[0].message.flags = MESSAGE_TEST;
	uint64_t uid = scene_send(&scene, 3);
	assert_true(told(&scene, uid)->hook.test && !told(&scene, uid + 1)->hook.test);
	assert_int_equal(told(&scene, uid)->hook.blame, BLAME_NONE);
	assert_int_equal(told(&scene, uid + 1)->hook.blame, BLAME_ENDPOINT);
	assert_int_equal(told(&scene, uid + 1)->hook.batch_size, 3);
	uid = scene_send(&scene, 1); /* alone it does: of its own test */
	assert_true(told(&scene, uid)->hook.test && told(&scene, uid)->hook.blame == BLAME_ENDPOINT);
	scene.jobs[0].message.flags |= MESSAGE_EXPUNGED;
	uid = scene_send(&scene, 1);
	assert_true(told(&scene, uid)->hook.test);
	scene_close(&scene);
}

static void what_cannot_be_tried_costs_nothing(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, NULL, ",\"auth\":{\"kind\":\"bearer\",\"secret\":\"nope\"}");
	uint64_t uid = scene_send(&scene, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(told(&scene, uid + i)->kind == OP_FAIL && told(&scene, uid + i)->costs_nothing);
	house_fail_reads(scene.house, E_STORE_FULL, 1);
	uid = scene_send(&scene, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(told(&scene, uid + i)->costs_nothing);
	assert_int_equal(third_party_requests(scene.party), 0);
	scene_close(&scene);
}

/* The daemon stops while a call is under way: all are handed back. */
static void all_are_handed_back_at_the_end(void **state)
{
	static const struct tp_step never[] = { TP_READ, TP_HANG };
	struct scene scene;
	(void)state;
	scene_open(&scene, NULL, "");
	third_party_stop(scene.party);
	scene.party = third_party_start(&(struct third_party_config){ .scripts = { never } });
	snprintf(scene.endpoint, sizeof(scene.endpoint), "{\"url\":\"%s\",\"format\":\"raw\",\"sign\":{\"kind\":\"none\"},\"batch\":{\"max\":9}}",
		 third_party_url(scene.party, "/hook"));
	uint64_t uid = house_deliver_batch(scene.house, scene.jobs, 3);
	house_abort(scene.house, uid + 1);
	house_close(scene.house, 0);
	assert_int_equal(told(&scene, uid)->kind, OP_RELEASE);
	assert_int_equal(told(&scene, uid + 2)->kind, OP_RELEASE);
	assert_int_equal(house_told_count(scene.house, uid + 1), 0); /* nobody's */
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_told_of_in_one_request), cmocka_unit_test(ids_that_do_not_fit_are_nobodys), cmocka_unit_test(the_id_names_the_messages),
		cmocka_unit_test(refusals), cmocka_unit_test(who_has_no_body_is_told_of_alone), cmocka_unit_test(a_stranger_goes_alone),
		cmocka_unit_test(no_secret_is_kept), cmocka_unit_test(nobody_is_taken_out_twice), cmocka_unit_test(slow_bodies_are_told_of_once), cmocka_unit_test(the_large_go_a_few_at_a_time),
		cmocka_unit_test(a_test_speaks_for_nobody), cmocka_unit_test(what_cannot_be_tried_costs_nothing), cmocka_unit_test(all_are_handed_back_at_the_end),
	};
	return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
