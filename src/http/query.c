#include "http/query.h"

static enum err query_unescape(struct str raw, bool plus_is_blank, char *to, size_t *out_len)
{
	size_t len = 0;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];
		if (c == '%') {
			int high = raw.len - i > 2 ? str_hex_digit(raw.ptr[i + 1]) : -1;
			int low = raw.len - i > 2 ? str_hex_digit(raw.ptr[i + 2]) : -1;
			if (high < 0 || low < 0 || (high | low) == 0)
				return E_BAD_REQUEST;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		to[len++] = c;
	}
	*out_len = len;
	return E_OK;
}

enum err http_percent_decode(struct arena *arena, struct str raw, bool plus_is_blank, struct str *out)
{
	struct str decoded = raw;
	if (str_index(raw, '%') < raw.len || (plus_is_blank && str_index(raw, '+') < raw.len)) {
		char *to = arena_alloc(arena, raw.len);
		if (!to)
			return E_NOMEM;
		decoded.ptr = to;
		enum err err = query_unescape(raw, plus_is_blank, to, &decoded.len);
		if (err)
			return err;
	}
	if (!str_is_utf8(decoded))
		return E_BAD_REQUEST;
	*out = decoded;
	return E_OK;
}

bool http_query_walk(struct str query, size_t *at, struct str *name, struct str *value)
{
	while (*at < query.len) {
		struct str rest = str_from(query, *at);
		struct str part = { rest.ptr, str_index(rest, '&') };
		*at += part.len + 1;
		if (part.len == 0)
			continue;
		size_t equals = str_index(part, '=');
		*name = (struct str){ part.ptr, equals };
		*value = str_from(part, equals + 1);
		return true;
	}
	return false;
}

void http_percent_add(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~*", c)))
			buf_add_byte(out, (char)c);
		else
			buf_add_percent(out, (char)c);
	}
}
