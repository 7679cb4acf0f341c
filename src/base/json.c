#include "base/json.h"
#include "base/check.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define JSON_SHOWN_BYTES  24u /* of a wrong value, in the problem about it */
#define JSON_NUMBER_BYTES 512u

void json_init(struct json *json, struct str text, struct arena *arena, struct problem *problem)
{
	const char *begin = text.ptr ? text.ptr : "";
	json->begin = json->next = begin;
	json->end = begin + text.len;
	json->arena = arena;
	json->problem = problem;
	json->depth = 0;
	json->depth_max = LIMIT_JSON_DEPTH;
	json->failed = false;
	json->fresh = false;
}

/* ---- refusing ---- */

/* "jobs[3].retry" and a last field's name, cut to what fits. */
static void json_path(const struct json *json, const char *last_field, char *out, size_t bytes)
{
	size_t len = 0;
	uint32_t steps = json->depth < JSON_PATH_STEPS ? json->depth : JSON_PATH_STEPS;
	out[0] = '\0';
	for (uint32_t i = 0; i < steps && len < bytes - 1; i++) {
		const struct json_step *step = &json->steps[i];
		int more = 0;
		if (step->key.ptr)
			more = snprintf(out + len, bytes - len, "%s" STR_FMT, len ? "." : "",
					STR_ARG(str_cut(step->key, bytes)));
		else if (step->index != UINT32_MAX)
			more = snprintf(out + len, bytes - len, "[%u]", step->index);
		len += (size_t)more;
	}
	if (last_field && len < bytes - 1)
		snprintf(out + len, bytes - len, "%s%s", len ? "." : "", last_field);
}

static bool json_refuse_list(struct json *json, enum err err, const char *field, const char *format, va_list args)
{
	if (json->failed)
		return false;
	json->failed = true;
	if (json->problem) {
		char path[2 * sizeof(json->problem->field)], detail[2 * sizeof(json->problem->detail)];
		json_path(json, field, path, sizeof(path));
		vsnprintf(detail, sizeof(detail), format, args);
		problem_set(json->problem, err, path, "%s", detail);
	}
	return false;
}

bool json_refuse(struct json *json, enum err err, const char *detail_format, ...)
{
	va_list args;
	va_start(args, detail_format);
	json_refuse_list(json, err, NULL, detail_format, args);
	va_end(args);
	return false;
}

bool json_refuse_field(struct json *json, enum err err, const char *field, const char *detail_format, ...)
{
	va_list args;
	va_start(args, detail_format);
	json_refuse_list(json, err, field, detail_format, args);
	va_end(args);
	return false;
}

static bool json_malformed(struct json *json, const char *at, const char *why)
{
	size_t line = 1, column = 1;
	for (const char *c = json->begin; !json->failed && c < at; c++) {
		column += ((unsigned char)*c & 0xc0) != 0x80; /* characters, not bytes */
		if (*c == '\n') {
			line++;
			column = 1;
		}
	}
	return json_refuse(json, E_MALFORMED, "At byte %zu (line %zu, column %zu): %s.", (size_t)(at - json->begin),
			   line, column, why);
}

static bool json_faulty(struct json *json, const struct json_fault *fault)
{
	return json_malformed(json, fault->at, fault->why);
}

/* ---- what stands next ---- */

static const unsigned char json_types[256] = {
	/* by a value's first byte; one more than the type, 0 is none */
	['n'] = JSON_NULL + 1,   ['t'] = JSON_BOOL + 1,   ['f'] = JSON_BOOL + 1,   ['"'] = JSON_STRING + 1,
	['['] = JSON_ARRAY + 1,  ['{'] = JSON_OBJECT + 1, ['-'] = JSON_NUMBER + 1, ['0'] = JSON_NUMBER + 1,
	['1'] = JSON_NUMBER + 1, ['2'] = JSON_NUMBER + 1, ['3'] = JSON_NUMBER + 1, ['4'] = JSON_NUMBER + 1,
	['5'] = JSON_NUMBER + 1, ['6'] = JSON_NUMBER + 1, ['7'] = JSON_NUMBER + 1, ['8'] = JSON_NUMBER + 1,
	['9'] = JSON_NUMBER + 1,
};

enum json_type json_peek(struct json *json)
{
	if (json->failed)
		return JSON_INVALID;
	json->next = json_skip_blanks(json->next, json->end);
	unsigned char type = json->next < json->end ? json_types[(unsigned char)*json->next] : 0;
	return type ? (enum json_type)(type - 1) : JSON_INVALID;
}

static const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null", [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object", [JSON_INVALID] = "nothing",
	};
	return names[type];
}

/* Is the next value of this type? If not, the problem says what was wanted instead of what. */
static bool json_expect(struct json *json, enum json_type type, const char *wanted)
{
	enum json_type found = json_peek(json);
	if (found == type)
		return true;
	if (found == JSON_INVALID)
		return json_malformed(json, json->next,
				      json->next == json->end ? "the text ends where a value is expected"
							      : "a value is expected here");
	return json_refuse(json, E_INVALID, "Expected %s, got %s.", wanted, json_type_name(found));
}

/* ---- containers ---- */

static bool json_enter(struct json *json, enum json_type type, const char *wanted)
{
	if (!json_expect(json, type, wanted))
		return false;
	if (json->depth == json->depth_max)
		return json_malformed(json, json->next, "arrays and objects are nested too deep (128 levels at most)");
	if (json->depth < JSON_PATH_STEPS)
		json->steps[json->depth] = (struct json_step){ .index = UINT32_MAX };
	json->depth++;
	json->next++;
	json->fresh = true;
	return true;
}

/* Consumes a separator or the closing bracket. True: an item or a field follows. */
static bool json_continue(struct json *json, char closing, const char *missing)
{
	bool first = json->fresh;
	if (json->failed)
		return false;
	CHECK(json->depth > 0);
	json->fresh = false;
	json->next = json_skip_blanks(json->next, json->end);
	if (json->next < json->end && *json->next == closing) {
		json->next++;
		json->depth--;
		return false;
	}
	if (first)
		return true;
	if (json->next == json->end || *json->next != ',')
		return json_malformed(json, json->next,
				      json->next == json->end ? "the text ends within an array or object" : missing);
	json->next++;
	return true;
}

bool json_enter_array(struct json *json)
{
	return json_enter(json, JSON_ARRAY, "an array");
}

bool json_next_item(struct json *json, uint32_t *out_index)
{
	bool first = json->fresh;
	if (!json_continue(json, ']', "',' or ']' is expected after an item"))
		return false;
	*out_index = first ? 0 : *out_index + 1;
	if (json->depth <= JSON_PATH_STEPS)
		json->steps[json->depth - 1].index = *out_index;
	return true;
}

bool json_enter_object(struct json *json)
{
	return json_enter(json, JSON_OBJECT, "an object");
}

static bool json_take_string(struct json *json, size_t max_bytes, struct str *out);

bool json_next_key(struct json *json, struct str *out_key)
{
	if (!json_continue(json, '}', "',' or '}' is expected after a field's value"))
		return false;
	if (json->depth <= JSON_PATH_STEPS)
		json->steps[json->depth - 1].key.ptr = NULL; /* a fault in the name is one of the object */
	json->next = json_skip_blanks(json->next, json->end);
	if (json->next == json->end || *json->next != '"')
		return json_malformed(json, json->next, "a field's name in double quotes is expected here");
	struct str key;
	if (!json_take_string(json, SIZE_MAX, &key))
		return false;
	json->next = json_skip_blanks(json->next, json->end);
	if (json->next == json->end || *json->next != ':')
		return json_malformed(json, json->next, "':' is expected after a field's name");
	json->next++;
	if (json->depth <= JSON_PATH_STEPS)
		json->steps[json->depth - 1].key = key;
	*out_key = key;
	return true;
}

/* ---- strings ---- */

static char *json_put_utf8(char *out, uint32_t point)
{
	if (point < 0x80) {
		*out++ = (char)point;
	} else if (point < 0x800) {
		*out++ = (char)(0xc0 | point >> 6);
		*out++ = (char)(0x80 | (point & 0x3f));
	} else if (point < 0x10000) {
		*out++ = (char)(0xe0 | point >> 12);
		*out++ = (char)(0x80 | (point >> 6 & 0x3f));
		*out++ = (char)(0x80 | (point & 0x3f));
	} else {
		*out++ = (char)(0xf0 | point >> 18);
		*out++ = (char)(0x80 | (point >> 12 & 0x3f));
		*out++ = (char)(0x80 | (point >> 6 & 0x3f));
		*out++ = (char)(0x80 | (point & 0x3f));
	}
	return out;
}

/* Decodes one escape of a text that was scanned, from its backslash; answers the place after it. */
static const char *json_unescape(const char *next, char **out)
{
	static const char plain[128] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
					 ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };
	if (next[1] != 'u') {
		*(*out)++ = plain[(unsigned char)next[1] & 127];
		return next + 2;
	}
	uint32_t unit = (uint32_t)json_scan_hex4(next + 2);
	bool pair = (unit & 0xf800) == 0xd800;
	uint32_t point = pair ? 0x10000 + ((unit - 0xd800) << 10) + ((uint32_t)json_scan_hex4(next + 8) - 0xdc00)
			      : unit;
	*out = json_put_utf8(*out, point);
	return next + (pair ? 12 : 6);
}

static bool json_decode(struct json *json, struct str raw, struct str *out)
{
	char *copy = arena_alloc(json->arena, raw.len); /* decoding never lengthens */
	if (!copy)
		return json_refuse(json, E_NOMEM, "There is not enough memory to read this text.");
	char *put = copy;
	const char *next = raw.ptr, *end = raw.ptr + raw.len;
	while (next < end) {
		const char *escape = memchr(next, '\\', (size_t)(end - next));
		size_t run = (size_t)((escape ? escape : end) - next);
		memcpy(put, next, run);
		put += run;
		next = escape ? json_unescape(escape, &put) : end;
	}
	*out = (struct str){ copy, (size_t)(put - copy) };
	return true;
}

static bool json_too_long(struct json *json, size_t max_bytes)
{
	return json_refuse(json, E_INVALID, "This text is longer than the %zu bytes allowed.", max_bytes);
}

/* A string that stands at json->next, quote first. */
static bool json_take_string(struct json *json, size_t max_bytes, struct str *out)
{
	struct json_fault fault;
	bool escaped;
	const char *first = json->next + 1, *after = json_scan_string(first, json->end, &escaped, &fault);
	if (!after)
		return json_faulty(json, &fault);
	struct str text = { first, (size_t)(after - first) - 1 };
	if (escaped) {
		if (text.len / 6 > max_bytes) /* an escape is at most six bytes for one */
			return json_too_long(json, max_bytes);
		if (!json_decode(json, text, &text))
			return false;
		if (memchr(text.ptr, '\0', text.len))
			return json_refuse(json, E_INVALID, "The character U+0000 is not allowed here.");
	}
	if (text.len > max_bytes)
		return json_too_long(json, max_bytes);
	json->next = after;
	*out = text;
	return true;
}

bool json_read_str(struct json *json, size_t max_bytes, struct str *out)
{
	return json_expect(json, JSON_STRING, "a string") && json_take_string(json, max_bytes, out);
}

bool json_read_word(struct json *json, size_t max_bytes, const char *const *words, unsigned count, const char *expected, unsigned *out)
{
	struct str word;
	if (!json_read_str(json, max_bytes, &word))
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (words[i] && str_eq(word, str_of(words[i]))) {
			*out = i;
			return true;
		}
	}
	return json_refuse(json, E_INVALID, "%s", expected);
}

/* ---- words and numbers ---- */

static bool json_take_word(struct json *json, struct str word)
{
	if ((size_t)(json->end - json->next) < word.len || memcmp(json->next, word.ptr, word.len) != 0)
		return json_malformed(json, json->next, "a value is expected here");
	json->next += word.len;
	return true;
}

bool json_read_null(struct json *json)
{
	return json_expect(json, JSON_NULL, "null") && json_take_word(json, STR("null"));
}

bool json_read_bool(struct json *json, bool *out)
{
	if (!json_expect(json, JSON_BOOL, "true or false"))
		return false;
	bool value = *json->next == 't';
	if (!json_take_word(json, value ? STR("true") : STR("false")))
		return false;
	*out = value;
	return true;
}

static bool json_take_number(struct json *json, struct str *out)
{
	struct json_fault fault;
	const char *first = json->next, *after = json_scan_number(first, json->end, &fault);
	if (!after)
		return json_faulty(json, &fault);
	*out = (struct str){ first, (size_t)(after - first) };
	json->next = after;
	return true;
}

static const char *json_shown_dots(struct str number)
{
	return number.len > JSON_SHOWN_BYTES ? "…" : "";
}

bool json_read_i64(struct json *json, int64_t min, int64_t max, int64_t *out)
{
	struct str number = { 0 };
	int64_t n;
	enum json_type found = json_peek(json);
	if (found != JSON_NUMBER && found != JSON_INVALID)
		return json_refuse(json, E_INVALID, "Expected an integer from %lld to %lld, got %s.", (long long)min,
				   (long long)max, json_type_name(found));
	if (!json_expect(json, JSON_NUMBER, "an integer") || !json_take_number(json, &number))
		return false;
	if (!str_i64(number, &n) || n < min || n > max)
		return json_refuse(json, E_INVALID, "Expected an integer from %lld to %lld, got " STR_FMT "%s.",
				   (long long)min, (long long)max, STR_ARG(str_cut(number, JSON_SHOWN_BYTES)),
				   json_shown_dots(number));
	*out = n;
	return true;
}

/* Up to 15 digits and a power of ten up to 22 are exact as doubles, and so is their one product or quotient. */
static bool json_exact_double(struct str number, double *out)
{
	static const double powers[] = { 1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
					 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
	bool negative = number.ptr[0] == '-'; // NOLINT(clang-analyzer-core.NullDereference): a number has a digit
	size_t decimals = 0, digits = 0;
	bool point = false;
	int64_t n = 0;
	for (size_t i = negative; i < number.len; i++) {
		if (number.ptr[i] == '.') {
			point = true;
			continue;
		}
		if (!json_is_digit(number.ptr[i]) || ++digits > 15)
			return false;
		n = n * 10 + (number.ptr[i] - '0');
		decimals += point;
	}
	double value = (double)n / powers[decimals];
	*out = negative ? -value : value;
	return true;
}

static bool json_number_double(struct json *json, struct str number, double *out)
{
	char text[JSON_NUMBER_BYTES]; /* strtod wants a NUL. It reads '.' since ruche never sets a locale. */
	if (json_exact_double(number, out))
		return true;
	if (number.len >= sizeof(text))
		return json_refuse(json, E_INVALID, "This number has more than the %zu digits allowed.",
				   sizeof(text) - 1);
	memcpy(text, number.ptr, number.len);
	text[number.len] = '\0';
	*out = strtod(text, NULL);
	return true;
}

bool json_read_double(struct json *json, double min, double max, double *out)
{
	struct str number = { 0 };
	double n = 0;
	if (!json_expect(json, JSON_NUMBER, "a number") || !json_take_number(json, &number) ||
	    !json_number_double(json, number, &n))
		return false;
	if (!isfinite(n) || n < min || n > max)
		return json_refuse(json, E_INVALID, "Expected a number from %g to %g, got " STR_FMT "%s.", min, max,
				   STR_ARG(str_cut(number, JSON_SHOWN_BYTES)), json_shown_dots(number));
	*out = n;
	return true;
}

/* ---- whole values ---- */

bool json_read_raw(struct json *json, struct str *out)
{
	struct json_fault fault;
	if (json->failed)
		return false;
	const char *first = json_skip_blanks(json->next, json->end);
	const char *after = json_scan_value(first, json->end, json->depth_max - json->depth, &fault);
	if (!after)
		return json_faulty(json, &fault);
	json->next = after;
	*out = (struct str){ first, (size_t)(after - first) };
	return true;
}

bool json_skip(struct json *json)
{
	struct str ignored;
	return json_read_raw(json, &ignored);
}

bool json_finish(struct json *json)
{
	if (json->failed)
		return false;
	json->next = json_skip_blanks(json->next, json->end);
	return json->next == json->end || json_malformed(json, json->next, "nothing may follow the value");
}

enum err json_check(struct str text, struct problem *problem)
{
	struct problem own;
	struct json json;
	json_init(&json, text, NULL, problem ? problem : &own);
	return json_skip(&json) && json_finish(&json) ? E_OK : json.problem->err;
}
