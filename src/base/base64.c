#include "base/base64.h"

#define DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
static const char url_digits[] = DIGITS "-_", standard_digits[] = DIGITS "+/";

static char *encode(const char *digits, struct str bytes, char *out)
{
	uint32_t bits = 0, held = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		bits = bits << 8 | (unsigned char)bytes.ptr[i];
		for (held += 8; held >= 6; held -= 6)
			*out++ = digits[bits >> (held - 6) & 63];
	}
	if (held)
		*out++ = digits[bits << (6 - held) & 63];
	return out;
}

/* Room for text.len * 3 / 4 bytes. */
static enum err decode(const char *digits, struct str text, char *out, size_t *len)
{
	uint32_t bits = 0, held = 0;
	*len = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;
		if (!digit)
			return E_INVALID;
		bits = bits << 6 | (uint32_t)(digit - digits);
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[(*len)++] = (char)(bits >> held & 255);
		}
	}
	return held >= 6 || (bits & ((1u << held) - 1)) ? E_INVALID : E_OK;
}

/* ---- base64url ---- */

void base64url_write(struct str bytes, char *out)
{
	(void)encode(url_digits, bytes, out);
}

struct str base64url_text(struct arena *arena, struct str bytes)
{
	char *out = arena_alloc(arena, BASE64URL_BYTES(bytes.len) + 1);
	if (!out)
		return (struct str){ 0 };
	base64url_write(bytes, out);
	return (struct str){ out, BASE64URL_BYTES(bytes.len) };
}

enum err base64url_parse(struct arena *arena, struct str text, struct str *out)
{
	char *bytes = arena_alloc(arena, text.len * 3 / 4 + 1);
	size_t len;
	if (!bytes)
		return E_NOMEM;
	enum err err = decode(url_digits, text, bytes, &len);
	if (!err)
		*out = (struct str){ bytes, len };
	return err;
}

/* ---- standard base64 ---- */

void base64_write(struct str bytes, char *out)
{
	char *end = out + BASE64_BYTES(bytes.len);
	for (out = encode(standard_digits, bytes, out); out < end; out++)
		*out = '=';
}

enum err base64_parse(struct str text, char *out, size_t max_bytes, size_t *len)
{
	if (text.len % 4 == 0)
		for (int i = 0; i < 2 && text.len && text.ptr[text.len - 1] == '='; i++)
			text.len--;
	if (text.len * 3 / 4 > max_bytes)
		return E_TOO_LARGE;
	return decode(standard_digits, text, out, len);
}
