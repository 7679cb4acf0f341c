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
