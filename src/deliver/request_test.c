/* Calls as they are built; and that a failing allocation anywhere is told and leaks nothing. The rest is seen from outside, in
 * deliver_test.c. */
#include "deliver/request.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */

static void test_header_values(void **state)
{
	(void)state;
	static const struct {
		const char *text, *encoded;
	} cases[] = {
		{ "", "" },
		{ "plain-1/2", "plain-1/2" },
		{ "a b", "a b" },
		{ " a", "%20a" },
		{ "a ", "a%20" },
		{ "100%", "100%25" },
		{ "a\r\nX: b", "a%0D%0AX: b" },
		{ "a\tb\x7f", "a%09b%7F" },
		{ "\xc3\xa9t\xc3\xa9", "%C3%A9t%C3%A9" },
		{ "\xff\x01", "%FF%01" },
	};
	struct arena arena = { 0 };
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct str encoded = header_value_encode(&arena, str_of(cases[i].text));
		if (!str_eq(encoded, str_of(cases[i].encoded)))
			fail_msg("%s: " STR_FMT, cases[i].text, STR_ARG(encoded));
	}
	arena_fini(&arena);
}

static void test_header_lists(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		enum err err;
		uint32_t count;
	} cases[] = {
		{ "{}", E_OK, 0 },
		{ "{\"A\":\"1\",\"B\":\"\"}", E_OK, 2 },
		{ "{\"Content-Type\":\"x/y\",\"User-Agent\":\"z\"}", E_OK, 2 },
		{ "[]", E_INVALID, 0 },
		{ "{\"A\":1}", E_INVALID, 0 },
		{ "{\"A\":\"a\\r\\nB: c\"}", E_INVALID, 0 },
		{ "{\"A\":\"a\\nB: c\"}", E_INVALID, 0 },
		{ "{\"A\\r\\nB\":\"c\"}", E_INVALID, 0 },
		{ "{\"A:\":\"c\"}", E_INVALID, 0 },
		{ "{\"A B\":\"c\"}", E_INVALID, 0 },
		{ "{\"\":\"c\"}", E_INVALID, 0 },
		{ "{\"\xc3\xa9\":\"c\"}", E_INVALID, 0 },
		{ "{\"Host\":\"c\"}", E_INVALID, 0 },
		{ "{\"content-length\":\"0\"}", E_INVALID, 0 },
		{ "{\"Transfer-Encoding\":\"chunked\"}", E_INVALID, 0 },
		{ "{\"Ruche-Job\":\"c\"}", E_INVALID, 0 },
		{ "{\"A\":\"1\"} x", E_INVALID, 0 },
		{ "{\"A\":\"1\"", E_INVALID, 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct arena arena = { 0 };
		struct header_list list = { 0 };
		enum err err = header_list_read(str_of(cases[i].json), &arena, &list);
		if (err != cases[i].err || list.count != cases[i].count)
			fail_msg("%s: %s, %u headers", cases[i].json, err_code(err), list.count);
		arena_fini(&arena);
	}
}

/* ---- allocations, one by one ---- */

static const char settings[] =
	"{\"target\":\"http\",\"http\":{\"url\":\"https://API.example/q\",\"headers\":{\"X-Queue\":\"q\"}}}";
static const char target[] = "{\"url\":\"https://api.example:443/own\",\"headers\":{\"X-Own\":\"1\"},\"timeout_ms\":5000}";
static const char trace[] = "{\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}";

static bool call_has(const struct call *call, const char *line)
{
	for (uint32_t i = 0; i < call->header_count; i++)
		if (strcmp(call->headers[i], line) == 0)
			return true;
	return false;
}

static void check_call(const struct call *call)
{
	assert_string_equal(call->method, "POST");
	assert_string_equal(call->url, "https://api.example:443/own");
	assert_true(str_eq(call->origin, STR("https://api.example:443")));
	assert_int_equal(call->timeout_ms, 4000); /* the effect's is shorter */
	assert_true(str_eq(call->body, STR("{\"a\":1}")));
	assert_true(call_has(call, "X-Queue: q")); /* the same origin, though spelt otherwise */
	assert_true(call_has(call, "X-Own: 1"));
	assert_true(call_has(call, "Ruche-Queue: caf%C3%A9"));
	assert_true(call_has(call, "Ruche-Attempt: 3"));
}

static enum err build_once(struct target_cache *cache, const struct shared_text *text)
{
	struct effect effect = { .uid = 77, .attempts_made = 2, .timeout_ms = 4000 };
	struct job_view view = { .queue_name = STR("caf\xc3\xa9") };
	view.definition.target = str_of(target);
	view.definition.trace = str_of(trace);
	view.definition.payload = STR("{\"a\":1}");
	struct arena arena = { 0 };
	struct problem problem;
	struct call call;
	struct queue_target *queue = target_cache_take(cache, 1, text, view.queue_name);
	enum err err = queue ? call_build(&effect, &view, queue, &arena, &call, &problem) : E_NOMEM;
	if (!err)
		check_call(&call);
	queue_target_drop(queue);
	arena_fini(&arena);
	return err;
}

static void test_no_memory(void **state)
{
	(void)state;
	struct shared_text *text = shared_text_new(str_of(settings), 1);
	assert_non_null(text);
	bool refused = true;
	for (uint64_t n = 1; refused; n++) {
		struct target_cache cache = { 0 };
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = build_once(&cache, text);
		refused = mem_fail_disarm();
		assert_int_equal(err, refused ? E_NOMEM : E_OK);
		target_cache_fini(&cache);
	}
	shared_text_drop(text);
}

static void test_cache(void **state)
{
	(void)state;
	struct target_cache cache = { 0 };
	struct shared_text *old = shared_text_new(str_of(settings), 1), *young = shared_text_new(STR("{\"target\":\"http\"}"), 2);
	struct queue_target *first = target_cache_take(&cache, 1, old, STR("q")),
			    *again = target_cache_take(&cache, 1, old, STR("q"));
	assert_ptr_equal(first, again);
	struct queue_target *newer = target_cache_take(&cache, 1, young, STR("q"));
	assert_ptr_not_equal(first, newer);
	assert_string_equal(first->url, "https://API.example/q"); /* still held, still there */
	assert_null(newer->url);
	struct queue_target *neighbour = target_cache_take(&cache, 1 + TARGET_CACHE_SLOTS, young, STR("n"));
	assert_string_equal(neighbour->queue_line, "Ruche-Queue: n");
	queue_target_drop(first);
	queue_target_drop(again);
	queue_target_drop(newer);
	queue_target_drop(neighbour);
	target_cache_fini(&cache);
	shared_text_drop(old);
	shared_text_drop(young);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_values),
		cmocka_unit_test(test_header_lists),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_cache),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
