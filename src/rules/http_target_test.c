#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/json.h"
#include "base/limits.h"
#include "rules/http_header.h"
#include "rules/http_target.h"
#include "rules/quoted_test.h"

static struct arena arena; /* of the test that runs */

static int forget(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static bool target_read(struct str text, struct http_target *target, struct problem *problem)
{
	struct json json;
	json_init(&json, quoted_str(&arena, text), &arena, problem);
	return http_target_read(&json, target) && json_finish(&json);
}

static const char *target_written(const struct http_target *target)
{
	struct buf buf;
	buf_init(&buf, 65536);
	http_target_write(target, &buf);
	assert_true(buf_ok(&buf));
	struct str text = arena_str(&arena, buf_str(&buf));
	buf_fini(&buf);
	return text.ptr;
}

#define REST ",'timeout_ms':30000,'success':null,'retry':null,'final':null}"

/* What is said over the default, and the whole target that comes of it. */
static void test_reads(void **state)
{
	static const struct { const char *text, *whole; } rows[] = {
		{ "{}", "{'url':'','method':'POST','headers':{}" REST },
		{ "{'url':'https://a.test/x'}", "{'url':'https://a.test/x','method':'POST','headers':{}" REST },
		{ "{'url':'https:\\/\\/a.test\\/x'}", "{'url':'https://a.test/x','method':'POST','headers':{}" REST },
		{ "{'url':'','method':'GET'}", "{'url':'','method':'GET','headers':{}" REST },
		{ "{'method':'PATCH'}", "{'url':'','method':'PATCH','headers':{}" REST },
		{ "{'headers':{ 'X-Api-Key' : 's3cret', 'Content-Type':'application/json; charset=utf-8' }}",
		  "{'url':'','method':'POST','headers':{ 'X-Api-Key' : 's3cret', 'Content-Type':'application/json; charset=utf-8' }" REST },
		{ "{'headers':{'x':'a\\tb \\'é\\u00e9\\'','!#$%&\\u0027*+-.^_`|~09Az':''}}",
		  "{'url':'','method':'POST','headers':{'x':'a\\tb \\'é\\u00e9\\'','!#$%&\\u0027*+-.^_`|~09Az':''}" REST },
		{ "{'headers':{ }}", "{'url':'','method':'POST','headers':{}" REST },
		{ "{'timeout_ms':0,'success':['200-299',304],'retry':['500-599'],'final':[410,'501']}",
		  "{'url':'','method':'POST','headers':{},'timeout_ms':0,"
		  "'success':['200-299',304],'retry':['500-599'],'final':[410,501]}" },
		{ "{'final':[100,'599-599',1e2]}", NULL },
		{ "{'final':[400,401,402,403,404,405,406,407]}",
		  "{'url':'','method':'POST','headers':{},'timeout_ms':30000,"
		  "'success':null,'retry':null,'final':[400,401,402,403,404,405,406,407]}" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct http_target target;
		http_target_default(&target);
		if (target_read(str_of(rows[i].text), &target, &problem) != (rows[i].whole != NULL))
			fail_msg("%s: %s: %s", rows[i].text, problem.field, problem.detail);
		if (rows[i].whole)
			assert_string_equal(target_written(&target), quoted(&arena, rows[i].whole));
	}
}

/* A job's own target over its queue's: what it says replaces, what it leaves out stays. */
static void test_over_the_queue(void **state)
{
	(void)state;
	struct http_target target;
	http_target_default(&target);
	struct str queues = STR("{'url':'https://a.test/','headers':{'a':'1'},'timeout_ms':5,'success':[200],'final':[410]}");
	assert_true(target_read(queues, &target, NULL));
	assert_true(target_read(STR("{'url':'https://b.test/','final':null}"), &target, NULL));
	assert_string_equal(target_written(&target),
			    quoted(&arena, "{'url':'https://b.test/','method':'POST','headers':{'a':'1'},'timeout_ms':5,"
					   "'success':[200],'retry':null,'final':null}"));
	assert_true(target_read(STR("{'headers':{}}"), &target, NULL));
	assert_int_equal(target.headers.len, 0);
}

static void test_a_shorter_list_forgets_the_longer(void **state)
{
	(void)state;
	struct http_target target, fresh;
	http_target_default(&target);
	http_target_default(&fresh);
	assert_true(target_read(STR("{'retry':[400,401,402]}"), &target, NULL));
	assert_true(target_read(STR("{'retry':[409]}"), &target, NULL));
	assert_true(target_read(STR("{'retry':[409]}"), &fresh, NULL));
	assert_memory_equal(&target.policy, &fresh.policy, sizeof(fresh.policy));
}

static void test_refusals(void **state)
{
	static const struct { struct str text; enum err err; const char *field; } rows[] = {
		{ STR("'https://a.test'"), E_INVALID, "" },
		{ STR("{'url':5}"), E_INVALID, "url" },
		{ STR("{'url':null}"), E_INVALID, "url" },
		{ STR("{'url':'a.test/x'}"), E_INVALID, "url" },
		{ STR("{'url':'http://u:p@a.test/'}"), E_INVALID, "url" },
		{ STR("{'url':'http://a.test/\\u000a'}"), E_INVALID, "url" },
		{ STR("{'url':'http://a.test/\\u0000'}"), E_INVALID, "url" },
		{ STR("{'method':'post'}"), E_INVALID, "method" },
		{ STR("{'method':'CONNECT'}"), E_INVALID, "method" },
		{ STR("{'method':'POST '}"), E_INVALID, "method" },
		{ STR("{'method':''}"), E_INVALID, "method" },
		{ STR("{'timeout_ms':-1}"), E_INVALID, "timeout_ms" },
		{ STR("{'timeout_ms':86400001}"), E_INVALID, "timeout_ms" },
		{ STR("{'headers':[]}"), E_INVALID, "headers" },
		{ STR("{'headers':{'a':1}}"), E_INVALID, "headers.a" },
		{ STR("{'headers':{'a':null}}"), E_INVALID, "headers.a" },
		{ STR("{'headers':{'a':'x\\r\\nb: y'}}"), E_INVALID, "headers.a" },
		{ STR("{'headers':{'a':'x\\u0000'}}"), E_INVALID, "headers.a" },
		{ STR("{'headers':{'a':'x\\u007f'}}"), E_INVALID, "headers.a" },
		{ STR("{'headers':{'a':'\\u001b'}}"), E_INVALID, "headers.a" },
		{ STR("{'headers':{'':'x'}}"), E_INVALID, NULL },
		{ STR("{'headers':{'a b':'x'}}"), E_INVALID, "headers.a b" },
		{ STR("{'headers':{'a:':'x'}}"), E_INVALID, "headers.a:" },
		{ STR("{'headers':{'a\\r\\nb':'x'}}"), E_INVALID, NULL },
		{ STR("{'headers':{'é':'x'}}"), E_INVALID, "headers.é" },
		{ STR("{'headers':{'X-A':'1','x-a':'2'}}"), E_INVALID, "headers.x-a" },
		{ STR("{'headers':{'a':'1',}}"), E_MALFORMED, NULL },
		{ STR("{'headers':{'a':'1'"), E_MALFORMED, NULL },
		{ STR("{'success':[]}"), E_INVALID, "success" },
		{ STR("{'success':{}}"), E_INVALID, "success" },
		{ STR("{'success':200}"), E_INVALID, "success" },
		{ STR("{'success':[99]}"), E_INVALID, "success[0]" },
		{ STR("{'success':[200,600]}"), E_INVALID, "success[1]" },
		{ STR("{'success':['2xx']}"), E_INVALID, "success[0]" },
		{ STR("{'success':['299-200']}"), E_INVALID, "success[0]" },
		{ STR("{'success':['200-']}"), E_INVALID, "success[0]" },
		{ STR("{'success':['-200']}"), E_INVALID, "success[0]" },
		{ STR("{'success':['']}"), E_INVALID, "success[0]" },
		{ STR("{'success':['200-299-300']}"), E_INVALID, "success[0]" },
		{ STR("{'success':['200 - 299']}"), E_INVALID, "success[0]" },
		{ STR("{'success':['18446744073709551816']}"), E_INVALID, "success[0]" },
		{ STR("{'retry':['500-600']}"), E_INVALID, "retry[0]" },
		{ STR("{'final':[400,401,402,403,404,405,406,407,408]}"), E_INVALID, "final[8]" },
		{ STR("{'final':[410"), E_MALFORMED, NULL },
		{ STR("{'uri':'https://a.test'}"), E_UNKNOWN_FIELD, "uri" },
		{ STR("{'header':{}}"), E_UNKNOWN_FIELD, "header" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct http_target target, before;
		http_target_default(&target);
		before = target;
		if (target_read(rows[i].text, &target, &problem))
			fail_msg(STR_FMT " is accepted", STR_ARG(rows[i].text));
		if (problem.err != rows[i].err || (rows[i].field && strcmp(problem.field, rows[i].field) != 0) || !problem.detail[0])
			fail_msg(STR_FMT ": %s: '%s': %s", STR_ARG(rows[i].text), err_code(problem.err), problem.field, problem.detail);
		assert_memory_equal(&target, &before, sizeof(target));
	}
}

static void test_reserved_headers(void **state)
{
	static const struct { const char *name; bool reserved; } rows[] = {
		{ "host", true }, { "Host", true }, { "CONTENT-LENGTH", true }, { "Transfer-Encoding", true }, { "connection", true },
		{ "Keep-Alive", true }, { "Proxy-Connection", true }, { "Upgrade", true }, { "TE", true }, { "Trailer", true },
		{ "Expect", true },
		{ "ruche-", true }, { "Ruche-Job", true }, { "RUCHE-ANYTHING", true }, { "Traceparent", true }, { "tracestate", true },
		{ "content-type", false }, { "authorization", false }, { "user-agent", false }, { "accept", false },
		{ "x-ruche-job", false },
		{ "ruche", false }, { "hosts", false }, { "hos", false }, { "idempotency-key", false }, { "t", false },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct http_target target;
		struct problem problem = { 0 };
		char *text = arena_printf(&arena, "{'headers':{'%s':'x'}}", rows[i].name);
		http_target_default(&target);
		if (target_read(str_of(text), &target, &problem) == rows[i].reserved)
			fail_msg("%s: %s", rows[i].name, problem.detail);
		assert_int_equal(http_header_is_reserved(str_of(rows[i].name)), rows[i].reserved);
	}
}

static struct str headers_of(unsigned count, unsigned value_bytes) /* {"headers":{"h0":"vvv","h1":… */
{
	struct buf buf;
	buf_init(&buf, 1 << 20);
	buf_add_lit(&buf, "{'headers':{");
	for (unsigned i = 0; i < count; i++) {
		buf_addf(&buf, "%s'h%03u':'", i ? "," : "", i);
		for (unsigned n = 0; n < value_bytes; n++)
			buf_add_byte(&buf, 'v');
		buf_add_byte(&buf, '"');
	}
	buf_add_lit(&buf, "}}");
	assert_true(buf_ok(&buf));
	struct str text = arena_str(&arena, buf_str(&buf));
	buf_fini(&buf);
	return text;
}

static void test_header_limits(void **state)
{
	/* {"h000":"…"} is 11 bytes besides the value */
	static const struct { unsigned count, value_bytes; const char *field; } rows[] = {
		{ LIMIT_HEADERS, 1, NULL },
		{ LIMIT_HEADERS + 1, 1, "headers.h100" },
		{ 1, LIMIT_HEADER_BYTES - 11, NULL },
		{ 1, LIMIT_HEADER_BYTES - 10, "headers" },
		{ 1, LIMIT_HEADER_BYTES + 1, "headers.h000" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct http_target target;
		http_target_default(&target);
		bool ok = target_read(headers_of(rows[i].count, rows[i].value_bytes), &target, &problem);
		if (ok != !rows[i].field || (rows[i].field && strcmp(problem.field, rows[i].field) != 0))
			fail_msg("row %u: '%s': %s", i, problem.field, problem.detail);
	}
}

static void test_origins(void **state)
{
	static const struct { const char *url, *origin; } rows[] = {
		{ "https://Api.Example.COM/v1/Hook?x=Y", "https://api.example.com:443" },
		{ "HTTP://example.com", "http://example.com:80" },
		{ "http://example.com:8080", "http://example.com:8080" },
		{ "http://example.com:0443/", "http://example.com:443" },
		{ "https://[2001:DB8::1]/x", "https://[2001:db8::1]:443" },
		{ "http://example.com#A", "http://example.com:80" },
		{ "", NULL }, { "ftp://example.com", NULL }, { "http://", NULL }, { "http://u@h/", NULL }, { "http://h:0/", NULL },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str origin = STR("untouched");
		enum err err = http_target_origin(str_of(rows[i].url), &arena, &origin);
		assert_int_equal(err, rows[i].origin ? E_OK : E_INVALID);
		if (!str_eq(origin, rows[i].origin ? str_of(rows[i].origin) : STR("untouched")))
			fail_msg("%s: " STR_FMT, rows[i].url, STR_ARG(origin));
	}
}

static void test_no_memory_for_the_origin(void **state)
{
	(void)state;
	struct arena small;
	struct str origin = STR("untouched");
	arena_init(&small, 8);
	assert_int_equal(http_target_origin(STR("http://example.com/"), &small, &origin), E_NOMEM);
	assert_true(str_eq(origin, STR("untouched")));
	arena_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_reads, forget),
		cmocka_unit_test_teardown(test_over_the_queue, forget),
		cmocka_unit_test_teardown(test_a_shorter_list_forgets_the_longer, forget),
		cmocka_unit_test_teardown(test_refusals, forget),
		cmocka_unit_test_teardown(test_reserved_headers, forget),
		cmocka_unit_test_teardown(test_header_limits, forget),
		cmocka_unit_test_teardown(test_origins, forget),
		cmocka_unit_test_teardown(test_no_memory_for_the_origin, forget),
	};
	return cmocka_run_group_tests_name("http_target", tests, NULL, NULL);
}
