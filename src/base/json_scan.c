#include "base/json_scan.h"
#include "base/limits.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char *json_fault(struct json_fault *fault, const char *at, const char *why)
{
	*fault = (struct json_fault){ .at = at, .why = why };
	return NULL;
}

static inline bool json_is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

const char *json_scan_plain(const char *next, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
	for (; end - next >= 16; next += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)next);
		/* Compared as signed bytes, "below space" is both the controls and all that is not ASCII. */
		__m128i special =
			_mm_or_si128(_mm_cmplt_epi8(bytes, space),
				     _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
		unsigned mask = (unsigned)_mm_movemask_epi8(special);
		if (mask)
			return next + __builtin_ctz(mask);
	}
#else
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
	for (; end - next >= 8; next += 8) {
		uint64_t word;
		memcpy(&word, next, sizeof(word));
		/* A byte's high bit gets set when it is zero after the xor (quote, backslash) or below a space. Borrows may set
		 * bits too many above a true one; such a word is looked at byte by byte below. */
		uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
		uint64_t special = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
				   ((word - ones * ' ') & ~word) | word;
		if (special & highs)
			break;
	}
#endif
	while (next < end && json_is_plain(*next))
		next++;
	return next;
}

int json_scan_hex4(const char *digits)
{
	int a = str_hex_digit(digits[0]), b = str_hex_digit(digits[1]), c = str_hex_digit(digits[2]),
	    d = str_hex_digit(digits[3]);
	return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

/* From a backslash to after its escape; a surrogate pair is one escape. */
static const char *json_scan_escape(const char *next, const char *end, struct json_fault *fault)
{
	if (end - next < 2)
		return json_fault(fault, end, "the text ends within a string");
	switch (next[1]) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return next + 2;
	case 'u':
		break;
	default:
		return json_fault(fault, next, "a backslash must be followed by one of \"\\/bfnrtu");
	}
	int unit = end - next < 6 ? -1 : json_scan_hex4(next + 2);
	if (unit < 0)
		return json_fault(fault, next, "\\u must be followed by four hexadecimal digits");
	if ((unit & 0xf800) != 0xd800)
		return next + 6;
	bool paired = unit < 0xdc00 && end - next >= 12 && next[6] == '\\' && next[7] == 'u';
	int low = paired ? json_scan_hex4(next + 8) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return json_fault(fault, next, "half of a surrogate pair stands alone");
	return next + 12;
}

static const char *json_string_fault(const char *at, const char *end, struct json_fault *fault)
{
	if (at == end)
		return json_fault(fault, at, "the text ends within a string");
	if ((unsigned char)*at < 0x20)
		return json_fault(fault, at, "a control character in a string must be escaped");
	return json_fault(fault, at, "the string is not valid UTF-8");
}

const char *json_scan_string(const char *next, const char *end, bool *out_escaped, struct json_fault *fault)
{
	*out_escaped = false;
	for (;;) {
		next = json_scan_plain(next, end);
		if (next < end && *next == '"')
			return next + 1;
		if (next < end && *next == '\\') {
			*out_escaped = true;
			next = json_scan_escape(next, end, fault);
			if (!next)
				return NULL;
			continue;
		}
		bool wide = next < end && (unsigned char)*next >= 0x80;
		size_t step = wide ? str_utf8_step((struct str){ next, (size_t)(end - next) }) : 0;
		if (step == 0)
			return json_string_fault(next, end, fault);
		next += step;
	}
}

static const char *json_scan_digits(const char *next, const char *end)
{
	while (next < end && json_is_digit(*next))
		next++;
	return next;
}

const char *json_scan_number(const char *next, const char *end, struct json_fault *fault)
{
	next += *next == '-';
	if (next == end || !json_is_digit(*next))
		return json_fault(fault, next, "a digit must follow '-'");
	bool zero = *next == '0';
	next++;
	if (zero && next < end && json_is_digit(*next))
		return json_fault(fault, next, "a number must not begin with 0");
	next = json_scan_digits(next, end);
	if (next < end && *next == '.') {
		const char *digits = next + 1;
		next = json_scan_digits(digits, end);
		if (next == digits)
			return json_fault(fault, next, "a digit must follow the decimal point");
	}
	if (next < end && (*next | 0x20) == 'e') {
		next++;
		next += next < end && (*next == '+' || *next == '-');
		const char *digits = next;
		next = json_scan_digits(digits, end);
		if (next == digits)
			return json_fault(fault, next, "a digit must follow the exponent's 'e'");
	}
	return next;
}

static const char *json_scan_word(const char *next, const char *end, struct str word, struct json_fault *fault)
{
	if ((size_t)(end - next) < word.len || memcmp(next, word.ptr, word.len) != 0)
		return json_fault(fault, next, "a value is expected here");
	return next + word.len;
}

static const char *json_scan_scalar(const char *next, const char *end, struct json_fault *fault)
{
	bool escaped;
	switch (*next) {
	case '"':
		return json_scan_string(next + 1, end, &escaped, fault);
	case 't':
		return json_scan_word(next, end, STR("true"), fault);
	case 'f':
		return json_scan_word(next, end, STR("false"), fault);
	case 'n':
		return json_scan_word(next, end, STR("null"), fault);
	case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
		return json_scan_number(next, end, fault);
	default:
		return json_fault(fault, next, "a value is expected here");
	}
}

/* One bit a level tells objects (1) from arrays (0); bits above the depth are stale. */
struct json_levels {
	uint64_t objects[(LIMIT_JSON_ANSWER_DEPTH + 63) / 64];
	uint32_t depth;
};

static inline void json_levels_push(struct json_levels *levels, bool object)
{
	uint64_t bit = UINT64_C(1) << (levels->depth % 64), *word = &levels->objects[levels->depth / 64];
	*word = object ? *word | bit : *word & ~bit;
	levels->depth++;
}

static inline bool json_levels_in_object(const struct json_levels *levels)
{
	uint32_t top = levels->depth - 1;
	return levels->objects[top / 64] >> (top % 64) & 1;
}

static const char *json_scan_key(const char *next, const char *end, struct json_fault *fault) /* to after the colon */
{
	bool escaped;
	next = json_skip_blanks(next, end);
	if (next == end || *next != '"')
		return json_fault(fault, next, "a field's name in double quotes is expected here");
	next = json_scan_string(next + 1, end, &escaped, fault);
	if (!next)
		return NULL;
	next = json_skip_blanks(next, end);
	if (next == end || *next != ':')
		return json_fault(fault, next, "':' is expected after a field's name");
	return next + 1;
}

const char *json_scan_value(const char *next, const char *end, uint32_t depth, struct json_fault *fault)
{
	struct json_levels levels = { .depth = 0 };
	for (;;) { /* each turn: one value begins, then what it closes ends */
		next = json_skip_blanks(next, end);
		if (next == end)
			return json_fault(fault, next, "the text ends where a value is expected");
		if (*next == '{' || *next == '[') {
			bool object = *next == '{';
			if (levels.depth == depth)
				return json_fault(fault, next,
						  "arrays and objects are nested too deep (128 levels at most)");
			json_levels_push(&levels, object);
			next = json_skip_blanks(next + 1, end);
			if (next == end || *next != (object ? '}' : ']')) {
				if (object && !(next = json_scan_key(next, end, fault)))
					return NULL;
				continue;
			}
			levels.depth--;
			next++;
		} else {
			next = json_scan_scalar(next, end, fault);
			if (!next)
				return NULL;
		}
		while (levels.depth > 0) {
			bool object = json_levels_in_object(&levels);
			next = json_skip_blanks(next, end);
			if (next < end && *next == ',')
				break;
			if (next == end || *next != (object ? '}' : ']'))
				return json_fault(fault, next,
						  object ? "',' or '}' is expected after a field's value"
							 : "',' or ']' is expected after an item");
			levels.depth--;
			next++;
		}
		if (levels.depth == 0)
			return next;
		next++; /* the comma */
		if (json_levels_in_object(&levels) && !(next = json_scan_key(next, end, fault)))
			return NULL;
	}
}
