#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "rules/replay.h"

static enum err read(struct arena *arena, const char *text, bool kept, struct replay *out, struct problem *problem)
{
	struct json json;
	*problem = (struct problem){ 0 };
	json_init(&json, str_of(text), arena, problem);
	return replay_read(&json, kept, out) && json_finish(&json) ? E_OK : problem->err;
}

static void what_is_kept_reads_as_it_was(void **state)
{
	static const char *const texts[] = {
		"{\"endpoint_number\":7,\"since\":\"2026-11-23T08:00:00.000Z\",\"only\":\"missing\"}",
		"{\"endpoint_number\":7,\"since\":\"2026-11-23T08:00:00.000Z\",\"until\":\"2026-11-24T08:00:00.000Z\",\"types\":[\"a\",\"b.*\",\"*\"],"
		"\"entity\":\"f1\",\"only\":\"all\"}",
	};
	struct arena arena;
	(void)state;
	arena_init(&arena, 1 << 16);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		struct replay replay;
		struct problem problem;
		struct buf out;
		buf_init(&out, 4096);
		assert_int_equal(read(&arena, texts[i], true, &replay, &problem), E_OK);
		assert_int_equal(replay.endpoint, 7);
		replay_write(&replay, &out);
		assert_true(str_eq(buf_str(&out), str_of(texts[i])));
		buf_fini(&out);
	}
	arena_fini(&arena);
}

static void nonsense_is_refused_with_its_field(void **state)
{
	static const struct { const char *text, *field; } cases[] = {
		{ "{}", "since" }, { "{\"since\":1}", "since" }, { "{\"since\":\"2026-11-23T08:00:00Z\",\"only\":\"some\"}", "only" },
		{ "{\"since\":\"2026-11-23T08:00:00Z\",\"types\":[\"a b\"]}", "types[0]" }, { "{\"since\":\"2026-11-23T08:00:00Z\",\"types\":[\"a\",\"\"]}", "types[1]" },
		{ "{\"since\":\"2026-11-23T08:00:00Z\",\"entity\":\"\"}", "entity" }, { "{\"since\":\"2026-11-23T08:00:00Z\",\"endpoint_number\":1}", "endpoint_number" },
	};
	struct arena arena;
	(void)state;
	arena_init(&arena, 1 << 16);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct replay replay;
		struct problem problem;
		assert_int_not_equal(read(&arena, cases[i].text, false, &replay, &problem), E_OK);
		assert_string_equal(problem.field, cases[i].field);
	}
	struct replay replay;
	struct problem problem;
	assert_int_equal(read(&arena, "{\"since\":\"2026-11-23T08:00:00Z\",\"until\":null,\"dry_run\":true}", false, &replay, &problem), E_OK);
	assert_true(replay.dry_run);
	assert_int_equal(replay.until_us, 0);
	assert_int_not_equal(read(&arena, "{\"since\":\"1970-01-01T00:00:00Z\",\"until\":\"1970-01-01T00:00:00Z\"}", false, &replay, &problem), E_OK);
	assert_string_equal(problem.field, "until");
	assert_true(replay.since_us > 0 && replay.until_us > 0); /* since ever; and not: for ever */
	assert_int_equal(read(&arena, "{\"since\":\"2026-11-23T08:00:00Z\",\"until\":null,\"dry_run\":true}", false, &replay, &problem), E_OK);
	assert_int_equal(replay.only, REPLAY_MISSING);
	assert_int_not_equal(read(&arena, "{\"since\":\"2026-11-23T08:00:00Z\",\"dry_run\":true}", true, &replay, &problem), E_OK);
	arena_fini(&arena);
}

static void types_narrow_it(void **state)
{
	const struct replay all = { 0 }, some = { .types = { STR("a"), STR("b.*") }, .type_count = 2 };
	(void)state;
	assert_true(replay_takes_type(&all, STR("x")));
	assert_true(replay_takes_type(&some, STR("a")));
	assert_true(replay_takes_type(&some, STR("b.c")));
	assert_false(replay_takes_type(&some, STR("a.c")));
	assert_false(replay_takes_type(&some, STR("b")));
}

static void what_is_sent_again(void **state)
{
	static const struct { enum replay_stand stand; bool missing, failed, all, unknown; } table[] = {
		{ STANDS_MISSING, true, false, true, true }, { STANDS_FAILED, false, true, true, false }, { STANDS_DELIVERED, false, false, true, false },
		{ STANDS_CANCELLED, false, false, true, false }, { STANDS_ON_ITS_WAY, false, false, false, false }, { STANDS_UNKNOWN, false, false, true, true },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		assert_int_equal(replay_sends(REPLAY_MISSING, table[i].stand), table[i].missing);
		assert_int_equal(replay_sends(REPLAY_FAILED, table[i].stand), table[i].failed);
		assert_int_equal(replay_sends(REPLAY_ALL, table[i].stand), table[i].all);
		assert_int_equal(replay_sends(REPLAY_MISSING_OR_UNKNOWN, table[i].stand), table[i].unknown);
	}
	assert_int_equal(replay_stand_of(JOB_COMPLETED), STANDS_DELIVERED);
	assert_int_equal(replay_stand_of(JOB_EXPIRED), STANDS_FAILED);
	assert_int_equal(replay_stand_of(JOB_CANCELLED), STANDS_CANCELLED);
	for (enum job_state live = JOB_WAITING; live <= JOB_PARKED; live++)
		assert_int_equal(replay_stand_of(live), STANDS_ON_ITS_WAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_reads_as_it_was), cmocka_unit_test(nonsense_is_refused_with_its_field),
		cmocka_unit_test(types_narrow_it), cmocka_unit_test(what_is_sent_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
