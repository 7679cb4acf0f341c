#include "http/request_head.h"
#include "base/limits.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The table of what must be refused and accepted is in connection_test.c, where the whole way is tried; here stand the values. */

static void values_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *head, *path, *query;
		struct http_head_values values;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "/", "", { HTTP_M_GET, .keep_alive = true, .field_count = 1 } },
		{ "DELETE /a?b=c?d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "/a", "b=c?d", { HTTP_M_DELETE, .field_count = 2 } },
		{ "HEAD /? HTTP/1.0\r\n\r\n", "/", "", { HTTP_M_HEAD, .is_1_0 = true } },
		{ "PUT /a HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 12\r\n\r\n", "/a", "",
		  { HTTP_M_PUT, .is_1_0 = true, .keep_alive = true, .field_count = 2, .content_length = 12 } },
		{ "POST /a HTTP/1.1\r\nHost:\r\nExpect: 100-CONTINUE\r\nTransfer-Encoding: ChUnKeD\r\n\r\n", "/a", "",
		  { HTTP_M_POST, .keep_alive = true, .is_chunked = true, .expects_continue = true, .field_count = 3 } },
		{ "PATCH /a HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "", { HTTP_M_PATCH, .keep_alive = true, .field_count = 1 } },
		{ "OPTIONS /a HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "", { HTTP_M_OPTIONS, .keep_alive = true, .field_count = 1 } },
		{ "M-SEARCH /a HTTP/1.1\r\nHost: x\r\n\r\n", "/a", "", { HTTP_M_OTHER, .keep_alive = true, .field_count = 1 } },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct http_field fields[8];
		struct http_head_values out;
		const struct http_head_values *wanted = &rows[i].values;
		assert_int_equal(http_head_read(str_of(rows[i].head), fields, 8, &out), HTTP_REFUSE_NOTHING);
		assert_int_equal(out.method, wanted->method);
		assert_int_equal(out.is_1_0, wanted->is_1_0);
		assert_int_equal(out.keep_alive, wanted->keep_alive);
		assert_int_equal(out.is_chunked, wanted->is_chunked);
		assert_int_equal(out.expects_continue, wanted->expects_continue);
		assert_int_equal(out.field_count, wanted->field_count);
		assert_int_equal(out.content_length, wanted->content_length);
		assert_true(str_eq((struct str){ rows[i].head + out.path_at, out.path_len }, str_of(rows[i].path)));
		assert_true(str_eq((struct str){ rows[i].head + out.query_at, out.query_len }, str_of(rows[i].query)));
	}
}

/* By our own reading, whatever the parser behind it says: two ways to tell where a body ends are one too many. */
static void a_body_has_one_end(void **state)
{
	static const struct {
		const char *fields;
		enum http_refusal refusal;
	} rows[] = {
		{ "Content-Length: 5\r\nContent-Length: 5\r\n", HTTP_REFUSE_LENGTH },
		{ "Content-Length: 5, 5\r\n", HTTP_REFUSE_LENGTH },
		{ "Content-Length: +5\r\n", HTTP_REFUSE_LENGTH },
		{ "Content-Length: 18446744073709551616\r\n", HTTP_REFUSE_LENGTH },
		{ "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HTTP_REFUSE_ENCODING },
		{ "Transfer-Encoding: gzip, chunked\r\n", HTTP_REFUSE_ENCODING },
		{ "Content-Length: 5\r\n", HTTP_REFUSE_NOTHING },
		{ "Transfer-Encoding: chunked\r\n", HTTP_REFUSE_NOTHING },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct http_field fields[8];
		struct http_head_values out;
		char head[256];
		snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].fields);
		assert_int_equal(http_head_read(str_of(head), fields, 8, &out), rows[i].refusal);
	}
}

static void fields_are_slices_of_the_head(void **state)
{
	(void)state;
	struct str head = STR("GET / HTTP/1.1\r\nHost: x\r\nA:\r\nBee: \t two words \t\r\n\r\n");
	static const char *const pairs[][2] = { { "Host", "x" }, { "A", "" }, { "Bee", "two words" } };
	struct http_field fields[3];
	struct http_head_values out;
	assert_int_equal(http_head_read(head, fields, 3, &out), HTTP_REFUSE_NOTHING);
	assert_int_equal(out.field_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(str_eq((struct str){ head.ptr + fields[i].name_at, fields[i].name_len }, str_of(pairs[i][0])));
		assert_true(str_eq((struct str){ head.ptr + fields[i].value_at, fields[i].value_len }, str_of(pairs[i][1])));
	}
	assert_int_equal(http_head_read(head, fields, 2, &out), HTTP_REFUSE_HEADERS);
}

static void the_end_is_found_however_bytes_come(void **state)
{
	(void)state;
	struct str bytes = STR("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next");
	size_t whole = bytes.len - 9;
	for (size_t step = 1; step < bytes.len; step++) {
		struct http_scan scan = { 0 };
		size_t found = 0;
		for (size_t len = step; found == 0; len += step) {
			if (len > bytes.len)
				len = bytes.len;
			assert_int_equal(http_scan_head(&scan, (struct str){ bytes.ptr, len }, LIMIT_HEADER_BYTES, &found), HTTP_REFUSE_NOTHING);
			assert_true(found == 0 ? len < whole : len >= whole);
		}
		assert_int_equal(found, whole);
		assert_int_equal(scan.start, 2);
		assert_int_equal(scan.lines, 2);
	}
}

static void the_end_must_come_in_time(void **state)
{
	(void)state;
	struct str bytes = STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	struct http_scan scan = { 0 };
	size_t found;
	assert_int_equal(http_scan_head(&scan, bytes, bytes.len, &found), HTTP_REFUSE_NOTHING);
	assert_int_equal(found, bytes.len);
	scan = (struct http_scan){ 0 };
	assert_int_equal(http_scan_head(&scan, bytes, bytes.len - 1, &found), HTTP_REFUSE_HEAD_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(a_body_has_one_end),
		cmocka_unit_test(fields_are_slices_of_the_head),
		cmocka_unit_test(the_end_is_found_however_bytes_come),
		cmocka_unit_test(the_end_must_come_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
