#include "base/str.h"

int str_cmp(struct str a, struct str b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static unsigned char str_lower(char byte)
{
	unsigned char c = (unsigned char)byte;
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (str_lower(a.ptr[i]) != str_lower(b.ptr[i]))
			return false;
	return true;
}

size_t str_index(struct str s, char byte)
{
	const char *found = s.len ? memchr(s.ptr, byte, s.len) : NULL;
	return found ? (size_t)(found - s.ptr) : s.len;
}

struct str str_trim(struct str s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = str_from(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool str_u64(struct str s, uint64_t *out)
{
	uint64_t n = 0;
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
		if (digit > 9 || __builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, digit, &n))
			return false;
	}
	*out = n;
	return true;
}

bool str_i64(struct str s, int64_t *out)
{
	bool negative = s.len && s.ptr[0] == '-';
	uint64_t n;
	if (!str_u64(negative ? str_from(s, 1) : s, &n) || n > (uint64_t)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

static bool str_is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Table 3-7 of the Unicode standard: the second byte's range is what refuses overlong forms, surrogates and > U+10FFFF. */
size_t str_utf8_step(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < 2)
		return 0;
	if (p[0] < 0xe0)
		return str_is_tail(p[1]) ? 2 : 0;
	unsigned char least = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char most = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < least || p[1] > most || s.len < 3 || !str_is_tail(p[2]))
		return 0;
	if (p[0] < 0xf0)
		return 3;
	return s.len >= 4 && str_is_tail(p[3]) ? 4 : 0;
}

bool str_is_utf8(struct str s)
{
	while (s.len) {
		uint64_t word;
		while (s.len >= sizeof(word)) { /* eight ASCII bytes at a time */
			memcpy(&word, s.ptr, sizeof(word));
			if (word & 0x8080808080808080u)
				break;
			s = str_from(s, sizeof(word));
		}
		if (s.len) {
			size_t step = str_utf8_step(s);
			if (step == 0)
				return false;
			s = str_from(s, step);
		}
	}
	return true;
}

struct str str_cut(struct str s, size_t max_bytes)
{
	if (s.len <= max_bytes)
		return s;
	size_t len = max_bytes;
	while (len > 0 && max_bytes - len < 4 && str_is_tail((unsigned char)s.ptr[len]))
		len--;
	return (struct str){ s.ptr, str_is_tail((unsigned char)s.ptr[len]) ? max_bytes : len };
}

/* Folded multiplication. Both factors are masked with keys made from the seed: with a public constant on either side, a
 * client could choose bytes that make that factor zero, and so aim at one bucket whatever the seed is. */
static uint64_t str_hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t str_hash_key(uint64_t n) /* splitmix64 */
{
	n += 0x9e3779b97f4a7c15u;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
	return n ^ (n >> 31);
}

static uint64_t str_hash_tail(const char *ptr,
			      size_t len) /* at most eight bytes, zero-padded; the length is mixed in apart */
{
	uint64_t word = 0;
	if (len)
		memcpy(&word, ptr, len);
	return word;
}

uint64_t str_hash(struct str s, uint64_t seed)
{
	uint64_t key_a = str_hash_key(seed), key_b = str_hash_key(key_a);
	uint64_t state = key_b ^ s.len;
	while (s.len > 16) {
		uint64_t a, b;
		memcpy(&a, s.ptr, 8);
		memcpy(&b, s.ptr + 8, 8);
		state = str_hash_fold(a ^ key_a, b ^ state);
		s = str_from(s, 16);
	}
	size_t first = s.len < 8 ? s.len : 8;
	uint64_t a = str_hash_tail(s.ptr, first), b = s.len > first ? str_hash_tail(s.ptr + first, s.len - first) : 0;
	return str_hash_fold(str_hash_fold(a ^ key_a, b ^ state) ^ key_b, key_a ^ state);
}
