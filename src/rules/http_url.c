#include "rules/http_url.h"
#include "base/limits.h"

#define HTTP_HOST_BYTES  253 /* of a name in the DNS */
#define HTTP_LABEL_BYTES 63

static bool http_url_is_name(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static const char *http_url_check_bytes(struct str url)
{
	if (url.len == 0)
		return "The URL is empty.";
	if (url.len > LIMIT_URL_BYTES)
		return "The URL is longer than 8192 bytes.";
	_Static_assert(LIMIT_URL_BYTES == 8192, "the sentence above names the limit");
	for (size_t i = 0; i < url.len; i++) {
		unsigned char c = (unsigned char)url.ptr[i];
		if (c <= ' ' || c == 0x7f)
			return "A URL has no blanks and no control characters; write a blank as %20.";
		if (c >= 0x80)
			return "A URL is ASCII: write other characters percent-encoded, and a host's in punycode (xn--…).";
		if (c == '\\' || c == '"' || c == '<' || c == '>')
			return "A URL has no backslash, quote or angle bracket; percent-encode them.";
	}
	return NULL;
}

static const char *http_url_check_name(struct str host) /* labels between dots; one dot may end it */
{
	size_t label = 0;
	if (host.len > HTTP_HOST_BYTES)
		return "The URL's host is longer than 253 bytes.";
	for (size_t i = 0; i < host.len; i++) {
		if (host.ptr[i] == '.' && label == 0)
			return "The URL's host has an empty part between its dots.";
		if (host.ptr[i] != '.' && !http_url_is_name(host.ptr[i]))
			return "The URL's host has a character that no host name has.";
		label = host.ptr[i] == '.' ? 0 : label + 1;
		if (label > HTTP_LABEL_BYTES)
			return "The URL's host has a part of more than 63 bytes between its dots.";
	}
	return NULL;
}

static const char *http_url_check_ipv6(struct str host) /* "[::1]" */
{
	size_t colons = 0;
	for (size_t i = 1; i + 1 < host.len; i++) {
		if (str_hex_digit(host.ptr[i]) < 0 && host.ptr[i] != ':' && host.ptr[i] != '.')
			return "The URL's host is not an IPv6 address.";
		colons += host.ptr[i] == ':';
	}
	return colons >= 2 && colons <= 7 ? NULL : "The URL's host is not an IPv6 address.";
}

/* Splits "host:port" or "[address]:port"; *port is untouched when there is none. */
static const char *http_url_split_authority(struct str authority, struct str *host, uint16_t *port)
{
	if (str_index(authority, '@') < authority.len)
		return "A URL must not hold credentials (user:password@); send them in a header.";
	bool bracketed = authority.len && authority.ptr[0] == '[';
	size_t end = bracketed ? str_index(authority, ']') + 1 : str_index(authority, ':');
	if (end > authority.len)
		return "The URL's host has a '[' without its ']'.";
	struct str after = str_from(authority, end);
	*host = (struct str){ authority.ptr, end };
	if (host->len == 0)
		return "The URL has no host.";
	if (after.len) {
		uint64_t n;
		if (after.ptr[0] != ':' || after.len > 6 || !str_u64(str_from(after, 1), &n) || n < 1 || n > 65535)
			return "The URL's port must be a number from 1 to 65535.";
		*port = (uint16_t)n;
	}
	return bracketed ? http_url_check_ipv6(*host) : http_url_check_name(*host);
}

static bool http_url_has_scheme(struct str url, struct str scheme)
{
	return url.len >= scheme.len && str_eq_nocase((struct str){ url.ptr, scheme.len }, scheme);
}

const char *http_url_split(struct str url, struct http_url *out)
{
	const char *wrong = http_url_check_bytes(url);
	if (wrong)
		return wrong;
	bool secure = http_url_has_scheme(url, STR("https://"));
	if (!secure && !http_url_has_scheme(url, STR("http://")))
		return "A URL begins with http:// or https://.";
	struct str authority = str_from(url, secure ? 8 : 7);
	size_t end = 0;
	while (end < authority.len && authority.ptr[end] != '/' && authority.ptr[end] != '?' && authority.ptr[end] != '#')
		end++;
	struct http_url parts = { .secure = secure, .port = secure ? 443 : 80, .rest = str_from(authority, end) };
	authority.len = end;
	wrong = http_url_split_authority(authority, &parts.host, &parts.port);
	if (!wrong)
		*out = parts;
	return wrong;
}

struct str http_url_origin(struct str url)
{
	size_t from = 0;
	for (size_t i = 0; i + 2 < url.len && !from; i++)
		if (memcmp(url.ptr + i, "://", 3) == 0)
			from = i + 3;
	size_t end = from;
	while (from && end < url.len && !strchr("/?#", url.ptr[end]))
		end++;
	return (struct str){ url.ptr, end };
}
