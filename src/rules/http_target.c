#include "rules/http_target.h"
#include "base/json.h"
#include "base/limits.h"
#include "rules/http_header.h"
#include "rules/http_url.h"

#define HTTP_TIMEOUT_MAX_MS    86400000
#define HTTP_STATUS_MIN        100
#define HTTP_STATUS_MAX        599

void http_target_default(struct http_target *out)
{
	*out = (struct http_target){ .method = STR("POST"), .timeout_ms = HTTP_TIMEOUT_DEFAULT_MS };
}

/* ---- reading ---- */

static bool http_read_url(struct json *json, void *out, void *context)
{
	(void)context;
	struct str url;
	struct http_url parts;
	if (!json_read_str(json, LIMIT_URL_BYTES, &url))
		return false;
	const char *wrong = url.len ? http_url_split(url, &parts) : NULL;
	if (wrong)
		return json_refuse(json, E_INVALID, "%s", wrong);
	*(struct str *)out = url;
	return true;
}

bool http_method_read(struct json *json, void *out, void *context)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH", "GET", "DELETE" };
	(void)context;
	struct str method;
	if (!json_read_str(json, LIMIT_NAME_BYTES, &method))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
		if (str_eq(method, str_of(methods[i]))) {
			*(struct str *)out = str_of(methods[i]);
			return true;
		}
	}
	return json_refuse(json, E_INVALID, "Expected GET, POST, PUT, PATCH or DELETE, in capitals.");
}

static bool http_read_header(struct json *json, struct str name, const struct str *earlier, uint32_t earlier_count)
{
	struct str value;
	const char *why = http_header_name_refusal(name);
	for (uint32_t i = 0; !why && i < earlier_count; i++)
		if (str_eq_nocase(name, earlier[i]))
			why = "This header is given twice.";
	if (why)
		return json_refuse(json, E_INVALID, "%s", why);
	if (!json_read_str(json, LIMIT_HEADER_BYTES, &value))
		return false;
	why = http_header_value_refusal(value);
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

/* The object is kept as it was written, and walked once to check it. */
static bool http_read_headers(struct json *json, void *out, void *context)
{
	(void)context;
	struct str names[LIMIT_HEADERS], name;
	uint32_t count = 0;
	if (!json_enter_object(json))
		return false;
	const char *begin = json->next - 1; /* the brace */
	while (json_next_key(json, &name)) {
		if (count == LIMIT_HEADERS)
			return json_refuse(json, E_INVALID, "A target has at most %d headers.", LIMIT_HEADERS);
		if (!http_read_header(json, name, names, count))
			return false;
		names[count++] = name;
	}
	if (json->failed)
		return false;
	struct str text = { begin, (size_t)(json->next - begin) };
	if (text.len > LIMIT_HEADER_BYTES)
		return json_refuse(json, E_INVALID, "The headers are larger than %d bytes together.", LIMIT_HEADER_BYTES);
	*(struct str *)out = count ? text : (struct str){ 0 };
	return true;
}

static bool http_parse_range(struct str text, uint64_t *from, uint64_t *to) /* "200-299" or "204" */
{
	size_t dash = str_index(text, '-');
	if (!str_u64((struct str){ text.ptr, dash }, from))
		return false;
	*to = *from;
	return dash == text.len || str_u64(str_from(text, dash + 1), to);
}

static bool http_read_range(struct json *json, struct http_range *out)
{
	uint64_t from, to;
	if (json_peek(json) == JSON_STRING) {
		struct str text;
		if (!json_read_str(json, LIMIT_NAME_BYTES, &text))
			return false;
		if (!http_parse_range(text, &from, &to) || from < HTTP_STATUS_MIN || to > HTTP_STATUS_MAX || from > to)
			return json_refuse(json, E_INVALID, "Expected a status or a range of statuses from %d to %d, such as \"200-299\".",
					   HTTP_STATUS_MIN, HTTP_STATUS_MAX);
	} else {
		int64_t status;
		if (!json_read_i64(json, HTTP_STATUS_MIN, HTTP_STATUS_MAX, &status))
			return false;
		from = to = (uint64_t)status;
	}
	*out = (struct http_range){ (uint16_t)from, (uint16_t)to };
	return true;
}

bool http_ranges_read(struct json *json, void *out, void *context)
{
	(void)context;
	struct http_range ranges[HTTP_STATUS_RANGES] = { 0 };
	uint32_t i, count = 0;
	if (json_peek(json) == JSON_NULL) {
		memset(out, 0, sizeof(ranges));
		return json_read_null(json);
	}
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &i)) {
		if (i == HTTP_STATUS_RANGES)
			return json_refuse(json, E_INVALID, "A list of statuses has at most %d ranges.", HTTP_STATUS_RANGES);
		if (!http_read_range(json, &ranges[i]))
			return false;
		count = i + 1;
	}
	if (!json->failed && count == 0)
		return json_refuse(json, E_INVALID, "A list of statuses must not be empty; null stands for the usual ones.");
	if (json->failed)
		return false;
	memcpy(out, ranges, sizeof(ranges));
	return true;
}

static const struct json_field http_target_fields[] = {
	{ "url", JSON_F_CUSTOM, offsetof(struct http_target, url), .read = http_read_url,
		.doc = "Where to call: http or https." },
	{ "method", JSON_F_CUSTOM, offsetof(struct http_target, method), .read = http_method_read,
		.doc = "GET, POST, PUT, PATCH or DELETE." },
	{ "headers", JSON_F_CUSTOM, offsetof(struct http_target, headers), .read = http_read_headers,
		.doc = "Header names and their values." },
	{ "timeout_ms", JSON_F_I64, offsetof(struct http_target, timeout_ms), 0, HTTP_TIMEOUT_MAX_MS,
		.doc = "How long a call may take in all; 0: 30 s." },
	{ "success", JSON_F_CUSTOM, offsetof(struct http_target, policy.success), .read = http_ranges_read,
		.doc = "Statuses that complete the job; null: 200-299." },
	{ "retry", JSON_F_CUSTOM, offsetof(struct http_target, policy.retry), .read = http_ranges_read,
		.doc = "Statuses that are tried again besides 408, 425, 429 and 5xx." },
	{ "final", JSON_F_CUSTOM, offsetof(struct http_target, policy.final), .read = http_ranges_read,
		.doc = "Statuses that are never tried again." },
};

bool http_target_read(struct json *json, struct http_target *out)
{
	struct http_target target = *out;
	if (!json_read_fields(json, http_target_fields, ARRAY_COUNT(http_target_fields), &target, NULL, NULL))
		return false;
	*out = target;
	return true;
}

/* ---- writing ---- */

void http_ranges_put(struct buf *buf, const char *key, const struct http_range *ranges)
{
	if (!ranges[0].from) {
		json_put_field_null(buf, key);
		return;
	}
	json_put_key(buf, key);
	buf_add_byte(buf, '[');
	for (unsigned i = 0; i < HTTP_STATUS_RANGES && ranges[i].from; i++) {
		json_put_comma(buf);
		if (ranges[i].from == ranges[i].to)
			buf_add_u64(buf, ranges[i].from);
		else
			buf_addf(buf, "\"%u-%u\"", ranges[i].from, ranges[i].to);
	}
	buf_add_byte(buf, ']');
}

void http_target_write(const struct http_target *target, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	json_put_field_str(buf, "url", target->url);
	json_put_field_str(buf, "method", target->method.len ? target->method : STR("POST"));
	json_put_field_raw(buf, "headers", target->headers.len ? target->headers : STR("{}"));
	json_put_field_i64(buf, "timeout_ms", target->timeout_ms);
	http_ranges_put(buf, "success", target->policy.success);
	http_ranges_put(buf, "retry", target->policy.retry);
	http_ranges_put(buf, "final", target->policy.final);
	buf_add_byte(buf, '}');
}

/* ---- origin ---- */

enum err http_target_origin(struct str url, struct arena *arena, struct str *out)
{
	struct http_url parts;
	if (http_url_split(url, &parts))
		return E_INVALID;
	char *text = arena_printf(arena, "%s://" STR_FMT ":%u", parts.secure ? "https" : "http", STR_ARG(parts.host), parts.port);
	if (!text)
		return E_NOMEM;
	for (char *c = text; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	*out = str_of(text);
	return E_OK;
}
