#include "http/chunked.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static enum http_refusal read_all(struct http_chunked *chunked, struct str input, struct buf *content, size_t *left, bool *done)
{
	enum http_refusal refusal = HTTP_REFUSE_NOTHING;
	*done = false;
	while (input.len > 0 && !*done && !refusal) {
		struct str piece;
		refusal = http_chunked_read(chunked, &input, &piece, done);
		if (!refusal)
			buf_add(content, piece);
	}
	*left = input.len;
	return refusal;
}

static void bodies_are_taken_apart(void **state)
{
	(void)state;
	static const struct {
		const char *wire, *content;
		size_t left; /* of the wire: the next request's */
	} rows[] = {
		{ "0\r\n\r\n", "", 0 },
		{ "0\r\n\r\nGET", "", 3 },
		{ "3\r\nabc\r\n0\r\n\r\n", "abc", 0 },
		{ "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nX", "abcde", 1 },
		{ "00a;x=\"1;2\"\r\n0123456789\r\n0;last\r\nT: v\r\n\r\n", "0123456789", 0 },
		{ "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", 0 },
		{ "1\r\n0\r\n0\r\n\r\n", "0", 0 },
		{ "0\r\nTransfer-Encodings: 1\r\nHos: 2\r\nX-Content-Length: 3\r\n\r\n", "", 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str wire = str_of(rows[i].wire);
		for (size_t cut = 0; cut <= wire.len; cut++) {
			struct http_chunked chunked = { 0 };
			struct buf content = { .max_bytes = 100 };
			size_t left, more;
			bool done;
			assert_int_equal(read_all(&chunked, (struct str){ wire.ptr, cut }, &content, &left, &done), HTTP_REFUSE_NOTHING);
			more = wire.len - cut + left;
			if (!done) {
				assert_int_equal(left, 0);
				assert_int_equal(read_all(&chunked, str_from(wire, cut), &content, &more, &done), HTTP_REFUSE_NOTHING);
			}
			assert_true(done);
			assert_int_equal(more, rows[i].left);
			assert_true(str_eq(buf_str(&content), str_of(rows[i].content)));
			buf_fini(&content);
		}
	}
}

static void malformed_bodies_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *wire;
		enum http_refusal refusal;
	} rows[] = {
		{ "\r\n", HTTP_REFUSE_CHUNK },
		{ ";a\r\n", HTTP_REFUSE_CHUNK },
		{ "x\r\n", HTTP_REFUSE_CHUNK },
		{ "1 \r\n", HTTP_REFUSE_CHUNK },
		{ " 1\r\n", HTTP_REFUSE_CHUNK },
		{ "1\n", HTTP_REFUSE_CHUNK },
		{ "1\r\r", HTTP_REFUSE_CHUNK },
		{ "1\r\nab", HTTP_REFUSE_CHUNK },
		{ "1\r\na\n", HTTP_REFUSE_CHUNK },
		{ "1\r\na\rb", HTTP_REFUSE_CHUNK },
		{ "1;\x01", HTTP_REFUSE_CHUNK },
		{ "1;\n", HTTP_REFUSE_CHUNK },
		{ "0\r\n\rx", HTTP_REFUSE_CHUNK },
		{ "0\r\n x", HTTP_REFUSE_CHUNK },
		{ "0\r\n:", HTTP_REFUSE_CHUNK },
		{ "0\r\na b", HTTP_REFUSE_CHUNK },
		{ "0\r\na\r", HTTP_REFUSE_CHUNK },
		{ "0\r\na:\x7f", HTTP_REFUSE_CHUNK },
		{ "0\r\nContent-Length: 5\r\n\r\n", HTTP_REFUSE_CHUNK },
		{ "0\r\nA: b\r\nTRANSFER-encoding: chunked\r\n\r\n", HTTP_REFUSE_CHUNK },
		{ "0\r\nhost:x\r\n\r\n", HTTP_REFUSE_CHUNK },
		{ "11111111111111111", HTTP_REFUSE_CHUNK_SIZE },
		{ "ffffffffffffffffff", HTTP_REFUSE_CHUNK_SIZE },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct http_chunked chunked = { 0 };
		struct buf content = { .max_bytes = 100 };
		size_t left;
		bool done;
		assert_int_equal(read_all(&chunked, str_of(rows[i].wire), &content, &left, &done), rows[i].refusal);
		assert_false(done);
		buf_fini(&content);
	}
}

static void a_chunk_says_how_large_it_will_be(void **state)
{
	(void)state;
	struct http_chunked chunked = { 0 };
	struct str piece, size = STR("fffffffffffffff"), line_end = STR("\r\nab");
	bool done;
	assert_int_equal(http_chunked_read(&chunked, &size, &piece, &done), HTTP_REFUSE_NOTHING);
	assert_int_equal(http_chunked_announced(&chunked), 0);
	assert_int_equal(http_chunked_read(&chunked, &line_end, &piece, &done), HTTP_REFUSE_NOTHING);
	assert_int_equal(piece.len, 2);
	assert_int_equal(http_chunked_announced(&chunked), 0xffffffffffffffd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_taken_apart),
		cmocka_unit_test(malformed_bodies_are_refused),
		cmocka_unit_test(a_chunk_says_how_large_it_will_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
