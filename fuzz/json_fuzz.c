/* fuzz/json_fuzz.c: any bytes through the JSON reader.
 *
 * json_check and a walk by the pulling half accept the same texts, but for what the envelope alone refuses (NUL in text,
 * numbers that no double holds: never E_MALFORMED). Decoded text is UTF-8, and comes back when written and read again. */
#include "fuzz.h"
#include "base/json.h"
#include "base/limits.h"
#include <math.h>

static void fuzz_text(struct str text) /* written and read again, it is the same */
{
	struct arena arena = { 0 };
	struct buf buf = { .max_bytes = SIZE_MAX };
	struct json json;
	struct str back;
	CHECK(str_is_utf8(text));
	json_put_str(&buf, text);
	CHECK(buf_ok(&buf));
	json_init(&json, buf_str(&buf), &arena, NULL);
	CHECK(json_read_str(&json, text.len, &back));
	CHECK(json_finish(&json));
	CHECK(str_eq(text, back));
	buf_fini(&buf);
	arena_fini(&arena);
}

static bool fuzz_walk(struct json *json)
{
	struct str text;
	uint32_t index, items = 0;
	double number;
	int64_t integer;
	bool yes;
	struct json before = *json;
	switch (json_peek(json)) {
	case JSON_ARRAY:
		if (json_enter_array(json))
			while (json_next_item(json, &index)) {
				CHECK(index == items++);
				fuzz_walk(json);
			}
		return !json->failed;
	case JSON_OBJECT:
		if (json_enter_object(json))
			while (json_next_key(json, &text)) {
				fuzz_text(text);
				fuzz_walk(json);
			}
		return !json->failed;
	case JSON_STRING:
		if (!json_read_str(json, SIZE_MAX, &text))
			return false;
		fuzz_text(text);
		return true;
	case JSON_NUMBER:
		before.problem = NULL;
		if (json_read_i64(&before, INT64_MIN, INT64_MAX, &integer) && integer == (int64_t)(int32_t)integer) {
			CHECK(json_read_double(json, -INFINITY, INFINITY, &number));
			CHECK(number == (double)integer);
			return true;
		}
		return json_read_double(json, -INFINITY, INFINITY, &number);
	case JSON_BOOL:
		return json_read_bool(json, &yes);
	case JSON_NULL:
	case JSON_INVALID:
		return json_read_null(json);
	}
	return false;
}

struct fuzz_inner {
	struct str any;
};
static const struct json_field fuzz_inner_fields[] = { { "any", JSON_F_RAW, offsetof(struct fuzz_inner, any), 0, 0,
							 JSON_F_NULL, NULL, NULL } };

static bool fuzz_read_inner(struct json *json, void *out, void *context)
{
	return json_read_fields(json, fuzz_inner_fields, ARRAY_COUNT(fuzz_inner_fields), out, context, NULL);
}

struct fuzz_record {
	struct str name;
	int32_t i32;
	uint32_t u32;
	int64_t i64, at;
	bool yes;
	struct str raw;
	struct fuzz_inner inner;
};
static const struct json_field fuzz_fields[] = {
	{ "name", JSON_F_STR, offsetof(struct fuzz_record, name), 1, 20, JSON_F_REQUIRED, NULL, NULL },
	{ "i32", JSON_F_I32, offsetof(struct fuzz_record, i32), INT32_MIN, INT32_MAX, 0, NULL, NULL },
	{ "u32", JSON_F_U32, offsetof(struct fuzz_record, u32), 0, UINT32_MAX, 0, NULL, NULL },
	{ "i64", JSON_F_I64, offsetof(struct fuzz_record, i64), -5, 5, JSON_F_NULL, NULL, NULL },
	{ "at", JSON_F_INSTANT, offsetof(struct fuzz_record, at), 0, 0, JSON_F_NULL, NULL, NULL },
	{ "yes", JSON_F_BOOL, offsetof(struct fuzz_record, yes), 0, 0, 0, NULL, NULL },
	{ "raw", JSON_F_RAW, offsetof(struct fuzz_record, raw), 0, 0, 0, NULL, NULL },
	{ "inner", JSON_F_CUSTOM, offsetof(struct fuzz_record, inner), 0, 0, 0, fuzz_read_inner, NULL },
};

static void fuzz_table(struct str text)
{
	struct arena arena = { 0 };
	struct problem problem = { 0 };
	struct fuzz_record record = { 0 };
	struct json json;
	uint64_t present = 0;
	json_init(&json, text, &arena, &problem);
	if (json_read_fields(&json, fuzz_fields, ARRAY_COUNT(fuzz_fields), &record, NULL, &present)) {
		CHECK(present & 1);
		CHECK(record.name.len >= 1);
		CHECK(record.i64 >= -5);
		if (present & UINT64_C(1) << 6)
			CHECK(json_check(record.raw, NULL) == E_OK);
	} else {
		CHECK(problem.err != E_OK);
		CHECK(problem.detail[0]);
		CHECK(str_is_utf8(str_of(problem.field)));
		CHECK(str_is_utf8(str_of(problem.detail)));
	}
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = fuzz_str(data, size);
	struct arena arena = { 0 };
	struct problem problem = { 0 };
	struct json json;
	enum err err = json_check(text, NULL);
	CHECK(err == E_OK || err == E_MALFORMED);
	json_init(&json, text, &arena, &problem);
	if (fuzz_walk(&json) && json_finish(&json))
		CHECK(err == E_OK);
	else if (problem.err == E_MALFORMED)
		CHECK(err == E_MALFORMED);
	else
		CHECK(problem.err == E_INVALID);
	arena_fini(&arena);
	fuzz_table(text);
	return 0;
}
