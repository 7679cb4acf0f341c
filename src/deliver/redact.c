#include "deliver/redact.h"
#include "rules/http_header.h"

static size_t redact_index_any(struct str s, const char *bytes)
{
	size_t at = 0;
	while (at < s.len && !strchr(bytes, s.ptr[at]))
		at++;
	return at;
}

static struct str redact_credentials(struct str url, struct buf *out) /* answers what comes after them */
{
	size_t colon = str_index(url, ':');
	struct str scheme = { url.ptr, colon }, rest = str_from(url, colon);
	if (!str_starts(rest, STR("://")))
		return url;
	buf_add(out, scheme);
	buf_add_lit(out, "://");
	rest = str_from(rest, 3);
	struct str authority = { rest.ptr, redact_index_any(rest, "/?#") };
	size_t at = str_index(authority, '@');
	return at < authority.len ? str_from(rest, at + 1) : rest;
}

void redact_url(struct str url, struct buf *out)
{
	struct str rest = redact_credentials(url, out);
	size_t query = str_index(rest, '?');
	buf_add(out, (struct str){ rest.ptr, query });
	rest = str_from(rest, query);
	while (rest.len) { /* at a separator: '?', '&' or '#' */
		buf_add_byte(out, rest.ptr[0]);
		rest = str_from(rest, 1);
		struct str parameter = { rest.ptr, redact_index_any(rest, "&#") };
		size_t equals = str_index(parameter, '=');
		bool secret = equals < parameter.len && http_name_is_secret((struct str){ parameter.ptr, equals });
		buf_add(out, secret ? (struct str){ parameter.ptr, equals + 1 } : parameter);
		if (secret)
			buf_add(out, REDACTED);
		rest = str_from(rest, parameter.len);
	}
}

static size_t redact_match(struct str text, const struct str *values, uint32_t count) /* bytes of the value that the text begins with, or 0 */
{
	size_t longest = 0;
	for (uint32_t i = 0; i < count; i++)
		if (values[i].len > longest && str_starts(text, values[i]))
			longest = values[i].len;
	return longest;
}

enum err redact_values(struct str text, const struct str *values, uint32_t count, struct arena *arena, struct str *out)
{
	struct buf clean = { .max_bytes = text.len * (REDACTED.len + 1) };
	size_t begun = 0;
	for (size_t at = 0; count && at < text.len;) {
		size_t len = redact_match(str_from(text, at), values, count);
		if (!len) {
			at++;
			continue;
		}
		buf_add(&clean, (struct str){ text.ptr + begun, at - begun });
		buf_add(&clean, REDACTED);
		begun = at += len;
	}
	*out = text;
	if (!begun)
		return E_OK;
	buf_add(&clean, str_from(text, begun));
	*out = buf_ok(&clean) ? arena_str(arena, buf_str(&clean)) : (struct str){ NULL, 0 };
	buf_fini(&clean);
	return out->ptr ? E_OK : E_NOMEM;
}
