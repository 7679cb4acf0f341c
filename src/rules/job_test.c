/* Every move of a job's life, written out once more by hand: a change of the table in job.h must be meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/job.h"

/* One row a state: may it become waiting, delayed, active, waiting_children, parked, completed, failed, cancelled, expired? */
static const char *const moves[JOB_STATE_COUNT] = {
	[JOB_WAITING]          = ".da...fxe",
	[JOB_DELAYED]          = "w.....fxe",
	[JOB_ACTIVE]           = "wd.cpofx.",
	[JOB_WAITING_CHILDREN] = "wd....fx.",
	[JOB_PARKED]           = "wd....fx.",
	[JOB_COMPLETED]        = "wd.c.....",
	[JOB_FAILED]           = "wd.c.....",
	[JOB_CANCELLED]        = "wd.c.....",
	[JOB_EXPIRED]          = "wd.c.....",
};

static void test_moves(void **state)
{
	(void)state;
	for (unsigned from = 0; from < JOB_STATE_COUNT; from++) {
		assert_int_equal(strlen(moves[from]), JOB_STATE_COUNT);
		for (unsigned to = 0; to < JOB_STATE_COUNT; to++) {
			if (job_may_become(from, to) != (moves[from][to] != '.'))
				fail_msg("%s -> %s", job_state_name(from), job_state_name(to));
		}
	}
}

static void test_a_final_job_moves_only_when_asked(void **state)
{
	(void)state;
	for (unsigned from = 0; from < JOB_STATE_COUNT; from++)
		for (unsigned to = 0; to < JOB_STATE_COUNT; to++)
			if (job_state_is_final(from) && job_may_become(from, to))
				assert_true(to == JOB_WAITING || to == JOB_DELAYED || to == JOB_WAITING_CHILDREN);
}

static void test_finality(void **state)
{
	(void)state;
	for (unsigned n = 0; n < JOB_STATE_COUNT; n++)
		assert_int_equal(job_state_is_final(n), n >= JOB_COMPLETED && n <= JOB_EXPIRED);
}

/* Stored numbers and public names: neither may change. */
static void test_numbers_and_names(void **state)
{
	static const char *const states[] = {
		"waiting", "delayed", "active", "waiting_children", "parked", "completed", "failed", "cancelled", "expired",
	};
	static const char *const outcomes[] = {
		"none", "success", "filtered", "attempts_spent", "final_error", "stalled", "by_hand", "ttl", "child_failed", "superseded",
	};
	(void)state;
	for (unsigned n = 0; n < ARRAY_COUNT(states); n++) {
		enum job_state parsed = JOB_STATE_COUNT;
		assert_string_equal(job_state_name(n), states[n]);
		assert_int_equal(job_state_parse(str_of(states[n]), &parsed), E_OK);
		assert_int_equal(parsed, n);
	}
	assert_int_equal(JOB_STATE_COUNT, ARRAY_COUNT(states));
	for (unsigned n = 0; n < ARRAY_COUNT(outcomes); n++)
		assert_string_equal(job_outcome_name(n), outcomes[n]);
	assert_true((unsigned)JOB_OUTCOME_COUNT >= ARRAY_COUNT(outcomes));
}

static void test_unknown_names(void **state)
{
	static const char *const names[] = { "", "Waiting", "waiting ", "wait", "none", "waitingchildren", "paused" };
	(void)state;
	for (unsigned n = 0; n < ARRAY_COUNT(names); n++) {
		enum job_state parsed = JOB_PARKED;
		assert_int_equal(job_state_parse(str_of(names[n]), &parsed), E_INVALID);
		assert_int_equal(parsed, JOB_PARKED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_a_final_job_moves_only_when_asked),
		cmocka_unit_test(test_finality),
		cmocka_unit_test(test_numbers_and_names),
		cmocka_unit_test(test_unknown_names),
	};
	return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
