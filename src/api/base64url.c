#include "api/base64url.h"

static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_write(struct str bytes, char *out)
{
	uint32_t bits = 0, held = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		bits = bits << 8 | (unsigned char)bytes.ptr[i];
		for (held += 8; held >= 6; held -= 6)
			*out++ = base64url_digits[bits >> (held - 6) & 63];
	}
	if (held)
		*out = base64url_digits[bits << (6 - held) & 63];
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
	uint32_t bits = 0, held = 0;
	size_t len = 0;
	if (!bytes)
		return E_NOMEM;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = text.ptr[i] ? strchr(base64url_digits, text.ptr[i]) : NULL;
		if (!digit)
			return E_INVALID;
		bits = bits << 6 | (uint32_t)(digit - base64url_digits);
		held += 6;
		if (held >= 8) {
			held -= 8;
			bytes[len++] = (char)(bits >> held & 255);
		}
	}
	if (held >= 6 || (bits & ((1u << held) - 1)))
		return E_INVALID;
	*out = (struct str){ bytes, len };
	return E_OK;
}
