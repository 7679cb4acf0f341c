/* src/rules/chain_test.c: what a chain's schedule and job may say, and how they are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "rules/chain.h"

static struct arena arena;

static bool read_schedule(const char *text, struct chain_schedule *out, struct problem *problem)
{
	struct json json;
	*problem = (struct problem){ 0 };
	json_init(&json, str_of(text), &arena, problem);
	return chain_schedule_read(&json, out) && json_finish(&json);
}

static void a_schedule_says_every_or_a_pattern(void **state)
{
	static const struct { const char *text, *field; } refused[] = {
		{ "{}", "every_ms" },
		{ "{\"tz\":\"UTC\"}", "every_ms" },
		{ "{\"every_ms\":0}", "every_ms" },
		{ "{\"every_ms\":5,\"pattern\":\"* * * * *\"}", "pattern" },
		{ "{\"every_ms\":5,\"tz\":\"UTC\"}", "tz" },
		{ "{\"every_ms\":5,\"immediately\":true}", "immediately" },
		{ "{\"every_ms\":5,\"limit\":0}", "limit" },
		{ "{\"every_ms\":5,\"start_at\":\"tomorrow\"}", "start_at" },
		{ "{\"every_mss\":5}", "every_mss" },
	};
	struct chain_schedule schedule;
	struct problem problem;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		assert_false(read_schedule(refused[i].text, &schedule, &problem));
		assert_string_equal(problem.field, refused[i].field);
		assert_true(problem.detail[0] != '\0');
	}
}

static void a_schedule_becomes_a_repetition(void **state)
{
	struct chain_schedule schedule;
	struct problem problem;
	struct repeat repeat;
	(void)state;
	assert_true(read_schedule("{\"every_ms\":60000,\"offset_ms\":5,\"limit\":3,\"start_at\":\"2027-01-01T00:00:00Z\"}", &schedule, &problem));
	assert_int_equal(chain_timing(&schedule, STR("k"), &repeat, &problem), E_OK);
	assert_int_equal(repeat.every_ms, 60000);
	assert_int_equal(repeat.offset_ms, 5);
	assert_int_equal(repeat.limit, 3);
	assert_int_equal(repeat.start_ms, INT64_C(1798761600000));
	assert_true(repeat.end_ms == REPEAT_UNBOUND);
	assert_true(read_schedule("{\"pattern\":\"0 25 * * *\"}", &schedule, &problem));
	assert_int_equal(chain_timing(&schedule, STR("k"), &repeat, &problem), E_INVALID);
	assert_string_equal(problem.field, "pattern");
	assert_true(read_schedule("{\"pattern\":\"0 3 * * 1\",\"tz\":\"Europe/Paris\",\"immediately\":true}", &schedule, &problem));
	assert_int_equal(chain_timing(&schedule, STR("k"), &repeat, &problem), E_OK);
	assert_int_equal(repeat.every_ms, 0);
	assert_true(repeat.immediately);
	assert_int_equal(repeat.cron.hours, 1u << 3);
}

static void a_job_is_what_an_enqueue_takes(void **state)
{
	struct chain_job job;
	struct problem problem = { 0 };
	struct json json;
	(void)state;
	json_init(&json, STR("{\"name\":\"report\",\"group\":\"acme\",\"priority\":3,\"max_attempts\":7,\"retry\":{\"kind\":\"fixed\",\"delay_ms\":9},"
			     "\"timeout_ms\":1,\"ttl_ms\":2,\"tags\":[\"a\"],\"lifo\":true}"), &arena, &problem);
	assert_true(chain_job_read(&json, &job));
	assert_true(str_eq(job.name, STR("report")) && str_eq(job.group, STR("acme")) && str_eq(job.tags, STR("[\"a\"]")));
	assert_int_equal(job.priority, 3);
	assert_int_equal(job.max_attempts, 7);
	assert_int_equal(job.retry->delay_ms, 9);
	assert_int_equal(job.timeout_ms, 1);
	assert_int_equal(job.ttl_ms, 2);
	assert_true(job.lifo);
	json_init(&json, STR("{\"delay_ms\":1}"), &arena, &problem);
	assert_false(chain_job_read(&json, &job)); /* the schedule says when */
	assert_string_equal(problem.field, "delay_ms");
}

static int finish(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schedule_says_every_or_a_pattern),
		cmocka_unit_test(a_schedule_becomes_a_repetition),
		cmocka_unit_test(a_job_is_what_an_enqueue_takes),
	};
	return cmocka_run_group_tests(tests, NULL, finish);
}
