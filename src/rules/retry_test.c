#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/json.h"
#include "rules/dice_test.h"
#include "rules/quoted_test.h"
#include "rules/retry.h"

#define MS   INT64_C(1000) /* in microseconds */
#define S    (1000 * MS)
#define CAP  (LIMIT_DURATION_MS * MS)
#define HALF 0x80000000u
#define LAST 0xffffffffu

static const struct retry_policy no_wait = { .kind = BACKOFF_FIXED, .max_attempts = 1 };
static const struct retry_policy fixed = { .kind = BACKOFF_FIXED, .max_attempts = 3, .delay_ms = 1500 };
static const struct retry_policy doubling = { .kind = BACKOFF_EXPONENTIAL, .max_attempts = 9, .delay_ms = 1000, .factor_permille = 2000 };
static const struct retry_policy capped = { .kind = BACKOFF_EXPONENTIAL, .delay_ms = 1000, .factor_permille = 3000, .max_delay_ms = 5000 };
static const struct retry_policy by_half = { .kind = BACKOFF_EXPONENTIAL, .delay_ms = 1, .factor_permille = 1500 };
static const struct retry_policy slowest = { .kind = BACKOFF_EXPONENTIAL, .delay_ms = 1, .factor_permille = 1001 };
static const struct retry_policy flat = { .kind = BACKOFF_EXPONENTIAL, .delay_ms = 7, .factor_permille = 1000 };
static const struct retry_policy nothing_doubled = { .kind = BACKOFF_EXPONENTIAL, .delay_ms = 0, .factor_permille = 2000 };
static const struct retry_policy steepest = { .kind = BACKOFF_EXPONENTIAL, .delay_ms = LIMIT_DURATION_MS - 1, .factor_permille = 100000 };
static const struct retry_policy listed = { .kind = BACKOFF_LIST, .list_count = 3, .list_ms = { 10, 0, 99 } };
static const struct retry_policy listed_capped = { .kind = BACKOFF_LIST, .list_count = 2, .list_ms = { 10, 99 }, .max_delay_ms = 50 };
static const struct retry_policy full = { .kind = BACKOFF_FIXED, .delay_ms = 1000, .jitter = JITTER_FULL };
static const struct retry_policy partial = { .kind = BACKOFF_FIXED, .delay_ms = 1000, .jitter = JITTER_PARTIAL, .jitter_permille = 200 };
static const struct retry_policy partial_none = { .kind = BACKOFF_FIXED, .delay_ms = 1000, .jitter = JITTER_PARTIAL };
static const struct retry_policy partial_all = {
	.kind = BACKOFF_FIXED, .delay_ms = 1000, .jitter = JITTER_PARTIAL, .jitter_permille = 1000,
};
static const struct retry_policy longest_full = { .kind = BACKOFF_FIXED, .delay_ms = LIMIT_DURATION_MS, .jitter = JITTER_FULL };

static void test_waits(void **state)
{
	static const struct { const struct retry_policy *policy; uint32_t attempts_made, dice; int64_t wait_us; } rows[] = {
		{ &no_wait, 1, LAST, 0 },
		{ &fixed, 1, LAST, 1500 * MS },        { &fixed, 2, 0, 1500 * MS },           { &fixed, UINT32_MAX, HALF, 1500 * MS },
		{ &doubling, 1, LAST, 1 * S },         { &doubling, 2, LAST, 2 * S },         { &doubling, 3, 0, 4 * S },
		{ &doubling, 11, 0, 1024 * S },        { &doubling, 29, 0, 268435456 * S },   { &doubling, 30, 0, CAP },
		{ &doubling, 64, 0, CAP },             { &doubling, 1000000, 0, CAP },        { &doubling, UINT32_MAX, 0, CAP },
		{ &doubling, 0, 0, 1 * S }, /* no attempt yet counts as the first */
		{ &capped, 1, 0, 1 * S },              { &capped, 2, 0, 3 * S },              { &capped, 3, 0, 5 * S },
		{ &capped, UINT32_MAX, 0, 5 * S },
		{ &by_half, 1, 0, 1000 },              { &by_half, 2, 0, 1500 },              { &by_half, 4, 0, 3375 },
		{ &by_half, 5, 0, 5062 },              { &by_half, 1000000, 0, CAP },
		{ &slowest, 2, 0, 1001 },              { &slowest, 3, 0, 1002 },              { &slowest, UINT32_MAX, 0, CAP },
		{ &flat, 1, 0, 7 * MS },               { &flat, UINT32_MAX, 0, 7 * MS },
		{ &nothing_doubled, UINT32_MAX, LAST, 0 },
		{ &steepest, 1, 0, CAP - MS },         { &steepest, 2, 0, CAP },              { &steepest, UINT32_MAX, 0, CAP },
		{ &listed, 1, 0, 10 * MS },            { &listed, 2, 0, 0 },                  { &listed, 3, 0, 99 * MS },
		{ &listed, 4, 0, 99 * MS },            { &listed, UINT32_MAX, 0, 99 * MS },
		{ &listed_capped, 1, 0, 10 * MS },     { &listed_capped, 2, 0, 50 * MS },
		{ &full, 1, 0, 0 },                    { &full, 1, HALF, 500000 },            { &full, 1, LAST, 1 * S },
		{ &partial, 1, 0, 800 * MS },          { &partial, 1, HALF, 900 * MS },       { &partial, 1, LAST, 1 * S },
		{ &partial_none, 1, 0, 1 * S },        { &partial_none, 1, LAST, 1 * S },
		{ &partial_all, 1, 0, 0 },             { &partial_all, 1, LAST, 1 * S },
		{ &longest_full, 1, 0, 0 },            { &longest_full, 1, HALF, CAP / 2 },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		int64_t wait_us = retry_wait_us(rows[i].policy, rows[i].attempts_made, rows[i].dice);
		if (wait_us != rows[i].wait_us)
			fail_msg("row %u: %lld", i, (long long)wait_us);
	}
}

static void test_spent(void **state)
{
	static const struct { uint32_t max, made; bool spent; } rows[] = {
		{ 1, 0, false }, { 1, 1, true }, { 1, 2, true }, { 3, 2, false }, { 3, 3, true },
		{ LIMIT_ATTEMPTS, LIMIT_ATTEMPTS - 1, false }, { LIMIT_ATTEMPTS, LIMIT_ATTEMPTS, true }, { UINT32_MAX, UINT32_MAX, true },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		assert_int_equal(retry_is_spent(rows[i].max, rows[i].made), rows[i].spent);
}

/* Every wait of a small span comes up, each as often as the others: of all 2^32 dice, those that give n are at most one more or
 * less than those that give m. The edges of the dice for each n are enough to see that. */
static void test_jitter_is_even(void **state)
{
	(void)state;
	for (int64_t span_us = 1000; span_us <= 3000; span_us += 1000) {
		const struct retry_policy policy = { .kind = BACKOFF_FIXED, .delay_ms = span_us / 1000, .jitter = JITTER_FULL };
		uint64_t low = 0, least = UINT64_MAX, most = 0;
		for (int64_t n = 0; n <= span_us; n++) { /* the first dice that give more than n, by bisection */
			uint64_t from = low, until = UINT64_C(1) << 32;
			while (from < until) {
				uint64_t middle = from + (until - from) / 2;
				if (retry_wait_us(&policy, 1, (uint32_t)middle) <= n)
					from = middle + 1;
				else
					until = middle;
			}
			least = from - low < least ? from - low : least;
			most = from - low > most ? from - low : most;
			low = from;
		}
		assert_int_equal(low, UINT64_C(1) << 32);
		assert_true(most - least <= 1);
	}
}

/* ---- random policies ---- */

static void retry_policy_random(struct dice *dice, struct retry_policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy->kind = (enum backoff_kind)dice_between(dice, 0, BACKOFF_KIND_COUNT - 1);
	policy->jitter = (enum jitter_kind)dice_between(dice, 0, JITTER_KIND_COUNT - 1);
	policy->max_attempts = (uint32_t)dice_number(dice, 1, LIMIT_ATTEMPTS);
	policy->max_delay_ms = dice_number(dice, 0, LIMIT_DURATION_MS);
	if (policy->jitter == JITTER_PARTIAL)
		policy->jitter_permille = (int32_t)dice_number(dice, 0, 1000);
	if (policy->kind != BACKOFF_LIST)
		policy->delay_ms = dice_number(dice, 0, LIMIT_DURATION_MS);
	if (policy->kind == BACKOFF_EXPONENTIAL)
		policy->factor_permille = (int32_t)dice_number(dice, 1000, 100000);
	if (policy->kind == BACKOFF_LIST) {
		policy->list_count = (uint32_t)dice_number(dice, 1, LIMIT_RETRY_LIST);
		for (uint32_t i = 0; i < policy->list_count; i++)
			policy->list_ms[i] = dice_number(dice, 0, LIMIT_DURATION_MS);
	}
}

/* Never negative, never above the cap, never shorter after more attempts (but for lists), and jitter only shortens. */
static void test_waits_are_bounded(void **state)
{
	struct dice dice = { 3 };
	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		struct retry_policy policy;
		retry_policy_random(&dice, &policy);
		uint32_t made = (uint32_t)dice_number(&dice, 1, UINT32_MAX - 1), throw = (uint32_t)dice_throw(&dice);
		struct retry_policy plain = policy;
		plain.jitter = JITTER_NONE;
		int64_t cap_us = policy.max_delay_ms ? policy.max_delay_ms * MS : CAP;
		int64_t wait_us = retry_wait_us(&policy, made, throw), plain_us = retry_wait_us(&plain, made, throw);
		assert_in_range(plain_us, 0, cap_us);
		assert_in_range(wait_us, 0, plain_us);
		assert_int_equal(wait_us, retry_wait_us(&policy, made, throw));
		if (policy.jitter == JITTER_PARTIAL)
			assert_true((__int128)wait_us * 1000 >= (__int128)plain_us * (1000 - policy.jitter_permille));
		if (policy.kind != BACKOFF_LIST)
			assert_true(retry_wait_us(&plain, made + 1, throw) >= plain_us);
	}
}

/* ---- JSON ---- */

static struct arena arena; /* of the test that runs */

static int forget(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static bool retry_read_text(const char *text, struct retry_policy *policy, struct problem *problem)
{
	struct json json;
	json_init(&json, quoted_str(&arena, str_of(text)), &arena, problem);
	return retry_policy_read(&json, policy) && json_finish(&json);
}

static void assert_written(const struct retry_policy *policy, const char *text)
{
	struct buf buf;
	buf_init(&buf, 4096);
	retry_policy_write(policy, &buf);
	buf_add_byte(&buf, '\0');
	assert_true(buf_ok(&buf));
	assert_string_equal(buf.ptr, quoted(&arena, text));
	buf_fini(&buf);
}

#define DEFAULT_TEXT \
	"{'kind':'exponential','max_attempts':3,'delay_ms':1000,'factor':2,'max_delay_ms':3600000,'jitter':'partial','jitter_ratio':0.2}"

/* What is said over the default, and the whole policy that comes of it. */
static void test_reads(void **state)
{
	static const struct { const char *text, *whole; } rows[] = {
		{ "{}", DEFAULT_TEXT },
		{ DEFAULT_TEXT, DEFAULT_TEXT },
		{ "{'max_attempts':1,'factor':1.5,'jitter_ratio':0.125}",
		  "{'kind':'exponential','max_attempts':1,'delay_ms':1000,'factor':1.5,'max_delay_ms':3600000,"
		  "'jitter':'partial','jitter_ratio':0.125}" },
		{ "{'factor':10.050,'jitter':'full'}",
		  "{'kind':'exponential','max_attempts':3,'delay_ms':1000,'factor':10.05,'max_delay_ms':3600000,'jitter':'full'}" },
		{ "{'factor':1.2346,'jitter':'none'}",
		  "{'kind':'exponential','max_attempts':3,'delay_ms':1000,'factor':1.235,'max_delay_ms':3600000,'jitter':'none'}" },
		{ "{'factor':1e1,'jitter_ratio':1}",
		  "{'kind':'exponential','max_attempts':3,'delay_ms':1000,'factor':10,'max_delay_ms':3600000,"
		  "'jitter':'partial','jitter_ratio':1}" },
		{ "{'kind':'fixed','delay_ms':0,'jitter':'none'}",
		  "{'kind':'fixed','max_attempts':3,'delay_ms':0,'max_delay_ms':3600000,'jitter':'none'}" },
		{ "{'kind':'list','list_ms':[1000,60000,0],'jitter':'none','max_delay_ms':0}",
		  "{'kind':'list','max_attempts':3,'list_ms':[1000,60000,0],'max_delay_ms':0,'jitter':'none'}" },
		{ "{'list_ms':[5],'kind':'list'}", /* in any order */
		  "{'kind':'list','max_attempts':3,'list_ms':[5],'max_delay_ms':3600000,'jitter':'partial','jitter_ratio':0.2}" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct retry_policy policy;
		retry_policy_default(&policy);
		if (!retry_read_text(rows[i].text, &policy, &problem))
			fail_msg("%s: %s: %s", rows[i].text, problem.field, problem.detail);
		assert_written(&policy, rows[i].whole);
	}
}

/* One change after another, as PATCH does: what a kind does not use is forgotten, and the default stands in when it is used again. */
static void test_changes(void **state)
{
	static const struct { const char *text, *whole; } rows[] = {
		{ "{'factor':7,'delay_ms':50,'jitter_ratio':0.5}",
		  "{'kind':'exponential','max_attempts':3,'delay_ms':50,'factor':7,'max_delay_ms':3600000,"
		  "'jitter':'partial','jitter_ratio':0.5}" },
		{ "{'kind':'fixed','jitter':'none'}",
		  "{'kind':'fixed','max_attempts':3,'delay_ms':50,'max_delay_ms':3600000,'jitter':'none'}" },
		{ "{'kind':'list','list_ms':[1,2,3]}",
		  "{'kind':'list','max_attempts':3,'list_ms':[1,2,3],'max_delay_ms':3600000,'jitter':'none'}" },
		{ "{'list_ms':[4]}",
		  "{'kind':'list','max_attempts':3,'list_ms':[4],'max_delay_ms':3600000,'jitter':'none'}" },
		{ "{'kind':'exponential','jitter':'partial'}", DEFAULT_TEXT },
	};
	(void)state;
	struct retry_policy policy;
	retry_policy_default(&policy);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_true(retry_read_text(rows[i].text, &policy, NULL));
		assert_written(&policy, rows[i].whole);
	}
	struct retry_policy fresh;
	retry_policy_default(&fresh);
	assert_memory_equal(&policy, &fresh, sizeof(fresh)); /* equal meaning, equal bytes */
}

static void test_refusals(void **state)
{
	static const struct { const char *text; enum err err; const char *field; } rows[] = {
		{ "[]", E_INVALID, "" },
		{ "null", E_INVALID, "" },
		{ "{'kind':'linear'}", E_INVALID, "kind" },
		{ "{'kind':'Fixed'}", E_INVALID, "kind" },
		{ "{'kind':1}", E_INVALID, "kind" },
		{ "{'max_attempts':0}", E_INVALID, "max_attempts" },
		{ "{'max_attempts':1000001}", E_INVALID, "max_attempts" },
		{ "{'max_attempts':2.5}", E_INVALID, "max_attempts" },
		{ "{'max_attempts':null}", E_INVALID, "max_attempts" },
		{ "{'delay_ms':-1}", E_INVALID, "delay_ms" },
		{ "{'delay_ms':315360000001}", E_INVALID, "delay_ms" },
		{ "{'max_delay_ms':315360000001}", E_INVALID, "max_delay_ms" },
		{ "{'factor':0.999}", E_INVALID, "factor" },
		{ "{'factor':100.001}", E_INVALID, "factor" },
		{ "{'factor':1e999}", E_INVALID, "factor" },
		{ "{'factor':'2'}", E_INVALID, "factor" },
		{ "{'kind':'fixed','factor':2}", E_INVALID, "factor" },
		{ "{'jitter':'some'}", E_INVALID, "jitter" },
		{ "{'jitter':true}", E_INVALID, "jitter" },
		{ "{'jitter_ratio':1.001}", E_INVALID, "jitter_ratio" },
		{ "{'jitter_ratio':-0.1}", E_INVALID, "jitter_ratio" },
		{ "{'jitter':'full','jitter_ratio':0.5}", E_INVALID, "jitter_ratio" },
		{ "{'kind':'list'}", E_INVALID, "list_ms" },
		{ "{'kind':'list','list_ms':[]}", E_INVALID, "list_ms" },
		{ "{'kind':'list','list_ms':[1,-1]}", E_INVALID, "list_ms[1]" },
		{ "{'kind':'list','list_ms':[1,'2']}", E_INVALID, "list_ms[1]" },
		{ "{'kind':'list','list_ms':5}", E_INVALID, "list_ms" },
		{ "{'kind':'list','list_ms':[1],'delay_ms':5}", E_INVALID, "delay_ms" },
		{ "{'list_ms':[1]}", E_INVALID, "list_ms" },
		{ "{'kind':'list','list_ms':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33]}",
		  E_INVALID, "list_ms[32]" },
		{ "{'max_attempt':3}", E_UNKNOWN_FIELD, "max_attempt" },
		{ "{'delay_ms':1,'delay_ms':2}", E_INVALID, "delay_ms" },
		{ "{'delay_ms':1,}", E_MALFORMED, "" },
		{ "{'kind':'list','list_ms':[1,", E_MALFORMED, NULL },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct retry_policy policy, before;
		retry_policy_default(&policy);
		before = policy;
		if (retry_read_text(rows[i].text, &policy, &problem))
			fail_msg("%s is accepted", rows[i].text);
		if (problem.err != rows[i].err || (rows[i].field && strcmp(problem.field, rows[i].field) != 0) || !problem.detail[0])
			fail_msg("%s: %s: '%s': %s", rows[i].text, err_code(problem.err), problem.field, problem.detail);
		assert_memory_equal(&policy, &before, sizeof(policy));
	}
}

/* Whatever was there before, a policy that is written and read again is the same, byte for byte. */
static void test_round_trips(void **state)
{
	struct dice dice = { 4 };
	(void)state;
	for (unsigned n = 0; n < 5000; n++) {
		struct retry_policy policy, again;
		struct buf buf;
		retry_policy_random(&dice, &policy);
		retry_policy_random(&dice, &again);
		buf_init(&buf, 4096);
		retry_policy_write(&policy, &buf);
		buf_add_byte(&buf, '\0');
		assert_true(buf_ok(&buf));
		if (!retry_read_text(buf.ptr, &again, NULL))
			fail_msg("%s", buf.ptr);
		assert_memory_equal(&policy, &again, sizeof(policy));
		buf_fini(&buf);
		arena_reset(&arena);
	}
}

static void test_words(void **state)
{
	static const struct {
		const char *policy, *words;
	} rows[] = {
		{ "{\"kind\":\"exponential\",\"max_attempts\":10,\"delay_ms\":1000,\"factor\":2,\"max_delay_ms\":0}", "10 attempts over 8 min 31 s" },
		{ "{\"kind\":\"exponential\",\"max_attempts\":10,\"delay_ms\":5000,\"factor\":4,\"max_delay_ms\":43200000}", "10 attempts over 1 d 7 h" },
		{ "{\"kind\":\"fixed\",\"max_attempts\":1000000,\"delay_ms\":60000}", "1000000 attempts over 694 d 10 h" },
		{ "{\"kind\":\"fixed\",\"max_attempts\":1}", "1 attempt" },
		{ "{\"kind\":\"fixed\",\"max_attempts\":2,\"delay_ms\":0}", "2 attempts over 0 ms" },
		{ "{\"kind\":\"list\",\"max_attempts\":4,\"list_ms\":[5000,300000]}", "4 attempts over 10 min 5 s" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct buf words = { .max_bytes = 100 };
		struct retry_policy policy;
		struct problem problem = { 0 };
		struct json json;
		retry_policy_default(&policy);
		json_init(&json, str_of(rows[i].policy), &arena, &problem);
		if (!retry_policy_read(&json, &policy))
			fail_msg("%s: %s", problem.field, problem.detail);
		retry_words(&policy, &words);
		if (!str_eq(buf_str(&words), str_of(rows[i].words)))
			fail_msg("%s: " STR_FMT, rows[i].policy, STR_ARG(buf_str(&words)));
		buf_fini(&words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_spent),
		cmocka_unit_test(test_jitter_is_even),
		cmocka_unit_test(test_waits_are_bounded),
		cmocka_unit_test_teardown(test_words, forget),
		cmocka_unit_test_teardown(test_reads, forget),
		cmocka_unit_test_teardown(test_changes, forget),
		cmocka_unit_test_teardown(test_refusals, forget),
		cmocka_unit_test_teardown(test_round_trips, forget),
	};
	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
