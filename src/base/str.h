/* src/base/str.h: a slice of bytes, passed by value for reading. It owns nothing and need not end in NUL. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *ptr;
	size_t len;
};

#define STR(literal)       ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_FMT            "%.*s" /* with STR_ARG: printf("x " STR_FMT, STR_ARG(s)) */
#define STR_ARG(s)         (int)(s).len, (s).ptr
#define MUST_USE           __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)  __attribute__((format(printf, f, a)))
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline struct str str_of(const char *text) /* NULL gives the empty slice */
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline struct str str_from(struct str s, size_t start) /* start beyond the end gives the empty slice */
{
	return start >= s.len ? (struct str){ s.ptr + s.len, 0 } : (struct str){ s.ptr + start, s.len - start };
}

static inline int str_hex_digit(char c) /* 0 to 15 of either case, or -1 */
{
	int letter = (c | 0x20) - 'a';
	return c >= '0' && c <= '9' ? c - '0' : letter >= 0 && letter < 6 ? letter + 10 : -1;
}

/* Byte order, then length: a total order that never depends on a locale. */
int str_cmp(struct str a, struct str b);
/* ASCII letters only; what HTTP header names need. */
bool str_eq_nocase(struct str a, struct str b);
/* Where `byte` stands in s, or s.len. */
size_t str_index(struct str s, char byte);
/* s without leading and trailing spaces and tabs. */
struct str str_trim(struct str s);
/* Decimal digits only, no sign, no blanks; false when empty, otherwise formed or above UINT64_MAX. */
bool str_u64(struct str s, uint64_t *out);
/* An optional '-' and decimal digits. */
bool str_i64(struct str s, int64_t *out);
/* Well-formed UTF-8 (RFC 3629: no overlong form, no surrogate, at most U+10FFFF). */
bool str_is_utf8(struct str s);
/* How many bytes the well-formed character at the start of s has: 1 to 4, or 0 when there is none. */
size_t str_utf8_step(struct str s);
/* The longest start of s that has at most max_bytes and does not cut a character. */
struct str str_cut(struct str s, size_t max_bytes);
/* Not cryptographic, but keyed, so that a client cannot aim at one bucket. Same seed and bytes, same hash. */
uint64_t str_hash(struct str s, uint64_t seed);
