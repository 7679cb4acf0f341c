#include "rules/http_header.h"

static const char *const reserved_names[] = {
	"host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer", "expect",
	"traceparent", "tracestate",
};

bool http_header_is_reserved(struct str name)
{
	struct str ours = STR("ruche-");
	for (size_t i = 0; i < ARRAY_COUNT(reserved_names); i++)
		if (str_eq_nocase(name, str_of(reserved_names[i])))
			return true;
	return name.len >= ours.len && str_eq_nocase((struct str){ name.ptr, ours.len }, ours);
}

static bool name_ends(struct str name, struct str end)
{
	return name.len >= end.len && str_eq_nocase(str_from(name, name.len - end.len), end);
}

static bool name_holds(struct str name, struct str part)
{
	for (size_t at = 0; at + part.len <= name.len; at++)
		if (str_eq_nocase((struct str){ name.ptr + at, part.len }, part))
			return true;
	return false;
}

bool http_name_is_secret(struct str name)
{
	if (str_eq_nocase(name, STR("idempotency-key")))
		return false;
	return name_holds(name, STR("authorization")) || name_holds(name, STR("cookie")) || name_holds(name, STR("secret")) ||
	       name_holds(name, STR("token")) || name_holds(name, STR("password")) || name_holds(name, STR("signature")) ||
	       name_ends(name, STR("key")) || str_eq_nocase(name, STR("sig"));
}

static bool is_token(struct str name) /* RFC 9110 5.6.2 */
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return name.len > 0;
}

const char *http_header_name_refusal(struct str name)
{
	_Static_assert(HTTP_HEADER_NAME_BYTES == 256, "the sentence below names the limit");
	if (name.len > HTTP_HEADER_NAME_BYTES)
		return "A header's name has at most 256 bytes.";
	if (!is_token(name))
		return "A header's name is letters, digits and !#$%&'*+-.^_`|~ only.";
	return http_header_is_reserved(name) ? "This header is set by ruche or by HTTP itself; leave it out." : NULL;
}

const char *http_header_value_refusal(struct str value) /* RFC 9110 5.5: no control but the tab */
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "A header's value must not hold line breaks or control characters.";
	}
	return NULL;
}
