#include "rules/endpoint.h"
#include "rules/http_header.h"
#include "rules/http_target.h"
#include "rules/json_path.h"
#include "rules/match.h"
#include "rules/members.h"
#include "rules/settings.h"
#include "rules/url_template.h"
#include "rules/webhook_body.h"

#define ENDPOINT_TIMEOUT_MAX_MS  86400000
#define ENDPOINT_METADATA_BYTES  16384
#define ENDPOINT_CONCURRENCY_MAX 1000000
#define ENDPOINT_BATCH_MAX       1000
#define ENDPOINT_HOLD_MAX        10000000

static const char *const kind_words[ENDPOINT_KIND_COUNT] = { "push", "poll" };
static const char *const order_words[ENDPOINT_ORDER_COUNT] = { "none", "latest", "fifo" };
static const char *const auth_words[ENDPOINT_AUTH_COUNT] = { "none", "basic", "bearer", "oauth2" };
static const char *const sign_words[ENDPOINT_SIGN_COUNT] = { "none", "v1", "v1a", "both" };
static const char *const style_words[] = { "basic", "body" };
static const char *const prefix_words[] = { "webhook", "svix" };
static const char *const failure_words[] = { "go_on", "hold" };
static const char *const retract_words[] = { "none", "format" };

void endpoint_settings_default(struct endpoint_settings *out)
{
	*out = (struct endpoint_settings){
		.method = STR("POST"),
		.format = STR("default"),
		.sign = { .kind = ENDPOINT_SIGN_V1 },
		.timeout_ms = ENDPOINT_TIMEOUT_MS,
		.concurrency = 10,
		.retry_after = STR("group"),
		.external_id = STR("$.id"),
		.hold_max = 100000,
		.breaker = { .failures = 10, .open_ms = 30000, .open_ms_max = 3600000 },
		.slow_down_ms = 1000,
		.disable_after_ms = 5 * INT64_C(86400000),
	};
	retry_policy_default(&out->retry);
	out->retry.max_attempts = 10;
	out->retry.delay_ms = 5000;
	out->retry.factor_permille = 4000;
	out->retry.max_delay_ms = 12 * INT64_C(3600000);
}

/* ---- words ---- */

#define CHOICE_READER(name, type, words, expected)                                                                    \
	static bool name(struct json *json, void *out, void *context)                                                 \
	{                                                                                                             \
		unsigned chosen;                                                                                      \
		(void)context;                                                                                        \
		if (!json_read_word(json, LIMIT_NAME_BYTES, words, ARRAY_COUNT(words), expected, &chosen))            \
			return false;                                                                                 \
		*(type *)out = (type)chosen;                                                                          \
		return true;                                                                                          \
	}
CHOICE_READER(read_kind, enum endpoint_kind, kind_words, "Expected \"push\" (ruche calls it) or \"poll\" (it asks).")
CHOICE_READER(read_order, enum endpoint_order, order_words,
	      "Expected \"none\", \"latest\" (a newer message about an entity replaces one still pending) or \"fifo\".")
CHOICE_READER(read_auth_kind, enum endpoint_auth_kind, auth_words, "Expected \"none\", \"basic\", \"bearer\" or \"oauth2\".")
CHOICE_READER(read_sign_kind, enum endpoint_sign_kind, sign_words, "Expected \"none\", \"v1\" (HMAC-SHA256), \"v1a\" (Ed25519) or \"both\".")
CHOICE_READER(read_style, bool, style_words, "Expected \"basic\" or \"body\".")
CHOICE_READER(read_prefix, bool, prefix_words, "Expected \"webhook\" or \"svix\".")
CHOICE_READER(read_failure, bool, failure_words, "Expected \"go_on\" or \"hold\".")
CHOICE_READER(read_retract_body, bool, retract_words, "Expected \"none\" or \"format\".")

/* ---- texts ---- */

static bool read_null_text(struct json *json, struct str *out) /* null is the empty text */
{
	if (json_peek(json) != JSON_NULL)
		return false;
	*out = (struct str){ 0 };
	return json_read_null(json);
}

bool endpoint_read_checked(struct json *json, struct str *out, size_t max_bytes, const char *(*refusal)(struct str))
{
	struct str text;
	if (json_peek(json) == JSON_NULL)
		return read_null_text(json, out);
	if (!json_read_str(json, max_bytes, &text))
		return false;
	const char *why = refusal(text);
	if (why)
		return json_refuse(json, E_INVALID, "%s", why);
	*out = text;
	return true;
}

const char *secret_reference_refusal(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("_-./:", c);
		if (!fine)
			return "A secret is named here, never said: letters, digits and _-./: only.";
	}
	return name.len ? NULL : "The name of a secret is empty.";
}

static bool read_secret(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, LIMIT_NAME_BYTES, secret_reference_refusal);
}

static bool read_url(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, LIMIT_URL_BYTES, url_template_refusal);
}

static bool read_path(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, JSON_PATH_BYTES, json_path_refusal);
}

static bool read_header_text(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, LIMIT_NAME_BYTES, http_header_value_refusal);
}

static bool read_optional_method(struct json *json, void *out, void *context)
{
	return json_peek(json) == JSON_NULL ? read_null_text(json, out) : http_method_read(json, out, context);
}

static const char *type_pattern_refusal(struct str pattern)
{
	if (str_eq(pattern, STR("*")))
		return NULL;
	if (pattern.len > 2 && str_eq(str_from(pattern, pattern.len - 2), STR(".*")))
		pattern.len -= 2;
	return message_type_refusal(pattern);
}

static const char *channel_refusal(struct str channel)
{
	return channel.len ? NULL : "A channel has a name.";
}

bool endpoint_words_read(struct json *json, struct endpoint_words *out, uint32_t max, const char *(*refusal)(struct str))
{
	struct str *words = ARENA_ARRAY(json->arena, struct str, max);
	uint32_t index, count = 0;
	if (!words)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == max)
			return json_refuse(json, E_INVALID, "At most %u of them.", max);
		if (!json_read_str(json, MESSAGE_TYPE_BYTES, &words[index]))
			return false;
		const char *why = refusal(words[index]);
		if (why)
			return json_refuse(json, E_INVALID, "%s", why);
		count = index + 1;
	}
	if (json->failed)
		return false;
	*out = (struct endpoint_words){ words, count };
	return true;
}

static bool read_types(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_words_read(json, out, ENDPOINT_TYPES, type_pattern_refusal);
}

static bool read_channels(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_words_read(json, out, ENDPOINT_CHANNELS, channel_refusal);
}

static bool read_filter(struct json *json, void *out, void *context)
{
	(void)context;
	return json_peek(json) == JSON_NULL ? read_null_text(json, out) : match_read_filter(json, out);
}

bool endpoint_tags_read(struct json *json, struct str *out)
{
	struct str tag;
	uint32_t index;
	json_peek(json);
	const char *begin = json->next;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == LIMIT_TAGS)
			return json_refuse(json, E_INVALID, "At most %d tags.", LIMIT_TAGS);
		if (!json_read_str(json, LIMIT_TAG_BYTES, &tag))
			return false;
	}
	*out = (struct str){ begin, (size_t)(json->next - begin) };
	return !json->failed;
}

static bool read_tags(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_tags_read(json, out);
}

static bool read_metadata(struct json *json, void *out, void *context)
{
	struct str *metadata = out, text;
	enum json_type type = json_peek(json);
	(void)context;
	if (type == JSON_NULL)
		return read_null_text(json, metadata);
	if (!json_read_raw(json, &text))
		return false;
	if (type != JSON_OBJECT)
		return json_refuse(json, E_INVALID, "Expected an object.");
	text = members_merge(json->arena, *metadata, text);
	if (!text.ptr)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (text.len > ENDPOINT_METADATA_BYTES)
		return json_refuse(json, E_INVALID, "The metadata is larger than %d bytes.", ENDPOINT_METADATA_BYTES);
	*metadata = text;
	return true;
}

/* ---- headers ---- */

static const char *own_header_refusal(struct str name) /* those that a delivery carries by itself */
{
	const char *why = http_header_name_refusal(name);
	struct str start = { name.ptr, str_index(name, '-') + 1 };
	if (!why && start.len <= name.len && (str_eq_nocase(start, STR("webhook-")) || str_eq_nocase(start, STR("svix-"))))
		why = "This header belongs to the signature; see sign.";
	return !why && str_eq_nocase(name, STR("idempotency-key")) ? "This header is the message's id; leave it out." : why;
}

static const struct json_field header_secret_fields[] = {
	{ "secret", JSON_F_CUSTOM, .flags = JSON_F_REQUIRED, .read = read_secret, .doc = "The name of the secret whose value is sent." },
};

static bool read_header_value(struct json *json, struct str name)
{
	struct str value;
	if (json_peek(json) == JSON_OBJECT)
		return json_read_fields(json, header_secret_fields, ARRAY_COUNT(header_secret_fields), &value, NULL, NULL);
	if (!json_read_str(json, LIMIT_HEADER_BYTES, &value))
		return false;
	if (http_name_is_secret(name))
		return json_refuse(json, E_INVALID, "By its name this is a secret: store it as one, and write {\"secret\": its name} here.");
	const char *why = http_header_value_refusal(value);
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

static bool read_headers(struct json *json, void *out, void *context)
{
	struct str names[LIMIT_HEADERS], name;
	uint32_t count = 0;
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	if (!json_enter_object(json))
		return false;
	while (json_next_key(json, &name)) {
		const char *why = count == LIMIT_HEADERS ? "An endpoint has at most 100 headers." : own_header_refusal(name);
		for (uint32_t i = 0; !why && i < count; i++)
			if (str_eq_nocase(name, names[i]))
				why = "This header is given twice.";
		if (why)
			return json_refuse(json, E_INVALID, "%s", why);
		if (!read_header_value(json, name))
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
_Static_assert(LIMIT_HEADERS == 100, "a sentence above names the limit");

/* ---- parts that are objects ---- */

#define AUTH(member) offsetof(struct endpoint_auth, member)
static const struct json_field auth_fields[] = {
	{ "kind", JSON_F_CUSTOM, AUTH(kind), .read = read_auth_kind, .doc = "none, basic, bearer or oauth2 (client credentials)." },
	{ "secret", JSON_F_CUSTOM, AUTH(secret), .read = read_secret, .doc = "The name of the secret: password, token, or the client's secret." },
	{ "user", JSON_F_CUSTOM, AUTH(user), .read = read_header_text, .doc = "basic: who; null: the secret holds user:password." },
	{ "token_url", JSON_F_CUSTOM, AUTH(token_url), .read = read_url, .doc = "oauth2: where tokens are had." },
	{ "client_id", JSON_F_CUSTOM, AUTH(client_id), .read = read_header_text, .doc = "oauth2" },
	{ "scope", JSON_F_CUSTOM, AUTH(scope), .read = read_header_text, .doc = "oauth2; null: none." },
	{ "audience", JSON_F_CUSTOM, AUTH(audience), .read = read_header_text, .doc = "oauth2; null: none." },
	{ "style", JSON_F_CUSTOM, AUTH(in_body), .read = read_style, .doc = "oauth2: the client shows itself by basic authorization, or in the body." },
};

static bool read_auth(struct json *json, void *out, void *context)
{
	struct endpoint_auth auth = *(struct endpoint_auth *)out;
	(void)context;
	if (!json_read_fields(json, auth_fields, ARRAY_COUNT(auth_fields), &auth, NULL, NULL))
		return false;
	if (auth.kind != ENDPOINT_AUTH_NONE && !auth.secret.len)
		return json_refuse_field(json, E_INVALID, "secret", "Which secret? Store it first, then name it here.");
	if (auth.kind == ENDPOINT_AUTH_OAUTH2 && !auth.token_url.len)
		return json_refuse_field(json, E_INVALID, "token_url", "oauth2 needs the URL where tokens are had.");
	if (auth.kind == ENDPOINT_AUTH_OAUTH2 && !auth.client_id.len)
		return json_refuse_field(json, E_INVALID, "client_id", "oauth2 needs the client's id.");
	if (str_index(auth.user, ':') < auth.user.len)
		return json_refuse_field(json, E_INVALID, "user", "A user of basic authorization has no colon.");
	*(struct endpoint_auth *)out = auth.kind ? auth : (struct endpoint_auth){ 0 };
	return true;
}

#define TLS(member) offsetof(struct endpoint_tls, member)
static const struct json_field tls_fields[] = {
	{ "ca", JSON_F_CUSTOM, TLS(ca), .read = read_secret, .doc = "Secret with the authorities to believe, as PEM; null: the system's." },
	{ "certificate", JSON_F_CUSTOM, TLS(certificate), .read = read_secret, .doc = "Secret with the client's certificate, as PEM." },
	{ "key", JSON_F_CUSTOM, TLS(key), .read = read_secret, .doc = "Secret with its private key, as PEM." },
};

static bool read_tls(struct json *json, void *out, void *context)
{
	struct endpoint_tls tls = *(struct endpoint_tls *)out;
	(void)context;
	if (!json_read_fields(json, tls_fields, ARRAY_COUNT(tls_fields), &tls, NULL, NULL))
		return false;
	if (!tls.certificate.len != !tls.key.len)
		return json_refuse_field(json, E_INVALID, tls.key.len ? "certificate" : "key", "A certificate and its key come together.");
	*(struct endpoint_tls *)out = tls;
	return true;
}

#define SIGN(member) offsetof(struct endpoint_sign, member)
static const struct json_field sign_fields[] = {
	{ "kind", JSON_F_CUSTOM, SIGN(kind), .read = read_sign_kind, .doc = "none, v1 (HMAC-SHA256), v1a (Ed25519) or both." },
	{ "secret", JSON_F_CUSTOM, SIGN(secret), .read = read_secret, .doc = "null: one of its own, made with the endpoint." },
	{ "secret_v1a", JSON_F_CUSTOM, SIGN(secret_v1a), .read = read_secret, .doc = "both: the Ed25519 key." },
	{ "prefix", JSON_F_CUSTOM, SIGN(svix), .read = read_prefix, .doc = "Names of the headers: webhook-… or svix-…." },
};

static bool read_sign(struct json *json, void *out, void *context)
{
	struct endpoint_sign sign = *(struct endpoint_sign *)out;
	(void)context;
	if (!json_read_fields(json, sign_fields, ARRAY_COUNT(sign_fields), &sign, NULL, NULL))
		return false;
	if (sign.kind == ENDPOINT_SIGN_BOTH && !sign.secret_v1a.len)
		return json_refuse_field(json, E_INVALID, "secret_v1a", "To sign in both ways, name the secret with the Ed25519 key.");
	*(struct endpoint_sign *)out = sign;
	return true;
}

static const struct json_field policy_fields[] = {
	{ "success", JSON_F_CUSTOM, offsetof(struct http_policy, success), .read = http_ranges_read, .doc = "Statuses that complete it; null: 200-299." },
	{ "retry", JSON_F_CUSTOM, offsetof(struct http_policy, retry), .read = http_ranges_read, .doc = "Statuses tried again besides 408, 425, 429 and 5xx." },
	{ "final", JSON_F_CUSTOM, offsetof(struct http_policy, final), .read = http_ranges_read, .doc = "Statuses never tried again." },
};

static bool read_policy(struct json *json, void *out, void *context)
{
	struct http_policy policy = *(struct http_policy *)out;
	(void)context;
	if (!json_read_fields(json, policy_fields, ARRAY_COUNT(policy_fields), &policy, NULL, NULL))
		return false;
	*(struct http_policy *)out = policy;
	return true;
}

#define RETRACT(member) offsetof(struct endpoint_retract, member)
static const struct json_field retract_fields[] = {
	{ "method", JSON_F_CUSTOM, RETRACT(method), .read = http_method_read, .doc = "DELETE by default." },
	{ "url", JSON_F_CUSTOM, RETRACT(url), .flags = JSON_F_REQUIRED, .read = read_url, .doc = "Where; usually with {external_id}." },
	{ "body", JSON_F_CUSTOM, RETRACT(with_body), .read = read_retract_body, .doc = "none, or format: what the format makes of the message." },
};

static bool read_retract(struct json *json, void *out, void *context)
{
	struct endpoint_retract retract = { .method = STR("DELETE") };
	(void)context;
	if (json_peek(json) == JSON_NULL) {
		*(struct endpoint_retract *)out = (struct endpoint_retract){ 0 };
		return json_read_null(json);
	}
	if (!json_read_fields(json, retract_fields, ARRAY_COUNT(retract_fields), &retract, NULL, NULL))
		return false;
	*(struct endpoint_retract *)out = retract;
	return true;
}

#define BATCH(member) offsetof(struct endpoint_batch, member)
static const struct json_field batch_fields[] = {
	{ "max", JSON_F_U32, BATCH(max), 2, ENDPOINT_BATCH_MAX, JSON_F_REQUIRED, .doc = "Messages of one call." },
	{ "wait_ms", JSON_F_I64, BATCH(wait_ms), 0, LIMIT_WAIT_MS, .doc = "How long fewer than max wait for more." },
	{ "wrap", JSON_F_CUSTOM, BATCH(wrap), .read = read_header_text, .doc = "The format that makes the body of {\"items\":[…]}; null: the bare array." },
	{ "results", JSON_F_CUSTOM, BATCH(results), .read = read_path, .doc = "Where the answer has one external id for each message." },
};

static bool read_batch(struct json *json, void *out, void *context)
{
	struct endpoint_batch batch = { 0 };
	(void)context;
	if (json_peek(json) == JSON_NULL) {
		*(struct endpoint_batch *)out = batch;
		return json_read_null(json);
	}
	if (!json_read_fields(json, batch_fields, ARRAY_COUNT(batch_fields), &batch, NULL, NULL))
		return false;
	*(struct endpoint_batch *)out = batch;
	return true;
}

#define BREAKER(member) offsetof(struct endpoint_breaker, member)
static const struct json_field breaker_fields[] = {
	{ "failures", JSON_F_U32, BREAKER(failures), 0, LIMIT_ATTEMPTS, .doc = "Failures in a row before it opens; 0: never." },
	{ "open_ms", JSON_F_I64, BREAKER(open_ms), 1, LIMIT_DURATION_MS, .doc = "How long it stays open the first time; then twice as long, and so on." },
	{ "open_ms_max", JSON_F_I64, BREAKER(open_ms_max), 1, LIMIT_DURATION_MS, .doc = "The longest." },
};

static bool read_breaker(struct json *json, void *out, void *context)
{
	struct endpoint_breaker breaker = *(struct endpoint_breaker *)out;
	(void)context;
	if (!json_read_fields(json, breaker_fields, ARRAY_COUNT(breaker_fields), &breaker, NULL, NULL))
		return false;
	if (breaker.open_ms_max < breaker.open_ms)
		return json_refuse_field(json, E_INVALID, "open_ms_max", "The longest is shorter than the first.");
	*(struct endpoint_breaker *)out = breaker;
	return true;
}

/* ---- the whole ---- */

static bool read_retry(struct json *json, void *out, void *context)
{
	(void)context;
	return retry_policy_read(json, out);
}
static bool read_rate(struct json *json, void *out, void *context)
{
	(void)context;
	return rate_read(json, out);
}
static bool read_limits(struct json *json, void *out, void *context)
{
	(void)context;
	return limit_names_read(json, out);
}

#define AT(member) offsetof(struct endpoint_settings, member)
static const struct json_field endpoint_fields[] = {
	{ "kind", JSON_F_CUSTOM, AT(kind), .read = read_kind, .doc = "push (ruche calls it) or poll (it asks, from behind a firewall)." },
	{ "url", JSON_F_CUSTOM, AT(url), .read = read_url, .doc = "Where to call; may have {external_id}, {entity}, {type} and {message} in path and query." },
	{ "method", JSON_F_CUSTOM, AT(method), .read = http_method_read, .doc = "GET, POST, PUT, PATCH or DELETE." },
	{ "update_url", JSON_F_CUSTOM, AT(update_url), .read = read_url, .doc = "Where to call once an external id is known; null: url." },
	{ "update_method", JSON_F_CUSTOM, AT(update_method), .read = read_optional_method, .doc = "How, then; null: method." },
	{ "types", JSON_F_CUSTOM, AT(types), .read = read_types, .doc = "Types of messages that it wants: a type, \"fiche.*\", or \"*\"." },
	{ "channels", JSON_F_CUSTOM, AT(channels), .read = read_channels, .doc = "Channels that it wants; none: all." },
	{ "filter", JSON_F_CUSTOM, AT(filter), .read = read_filter, .doc = "Only messages whose payload matches; null: all." },
	{ "format", JSON_F_STR, AT(format), 1, LIMIT_NAME_BYTES, .doc = "default, raw, cloudevents, cloudevents-binary, form, or a jq program by its name." },
	{ "content_type", JSON_F_CUSTOM, AT(content_type), .read = read_header_text, .doc = "null: the format's." },
	{ "headers", JSON_F_CUSTOM, AT(headers), .read = read_headers, .doc = "Names and values: a text, or {\"secret\": name}." },
	{ "auth", JSON_F_CUSTOM, AT(auth), .read = read_auth, .doc = "How ruche shows who it is." },
	{ "tls", JSON_F_CUSTOM, AT(tls), .read = read_tls, .doc = "Own authorities, and a client's certificate." },
	{ "sign", JSON_F_CUSTOM, AT(sign), .read = read_sign, .doc = "Standard Webhooks signatures." },
	{ "timeout_ms", JSON_F_I64, AT(timeout_ms), 1, ENDPOINT_TIMEOUT_MAX_MS, .doc = "How long a call may take in all." },
	{ "policy", JSON_F_CUSTOM, AT(policy), .read = read_policy, .doc = "Which statuses succeed, are tried again, are final." },
	{ "retry", JSON_F_CUSTOM, AT(retry), .read = read_retry, .doc = "How often, and when again." },
	{ "concurrency", JSON_F_U32, AT(concurrency), 0, ENDPOINT_CONCURRENCY_MAX, .doc = "Calls at once; 0: no limit." },
	{ "rate", JSON_F_CUSTOM, AT(rate), .read = read_rate, .doc = "Calls in a span of time; null: no limit." },
	{ "limits", JSON_F_CUSTOM, AT(limits), .read = read_limits, .doc = "Limits that each call takes from." },
	{ "retry_after", JSON_F_CUSTOM, AT(retry_after), .read = retry_after_read,
		.doc = "Whom a 429, 502, 503 or 504 holds back: job, group (all of this endpoint), queue, or a limit." },
	{ "order", JSON_F_CUSTOM, AT(order), .read = read_order, .doc = "Of messages about one entity: none, latest or fifo." },
	{ "fifo_on_failure", JSON_F_CUSTOM, AT(fifo_holds), .read = read_failure, .doc = "fifo: go_on, or hold those behind a failed one." },
	{ "external_id", JSON_F_CUSTOM, AT(external_id), .read = read_path, .doc = "Where the answer has the third party's own id; null: none is kept." },
	{ "retract", JSON_F_CUSTOM, AT(retract), .read = read_retract, .doc = "The call when what was delivered is filtered or deleted; null: none." },
	{ "batch", JSON_F_CUSTOM, AT(batch), .read = read_batch, .doc = "Several messages in one call; null: each alone." },
	{ "hold_max", JSON_F_U32, AT(hold_max), 0, ENDPOINT_HOLD_MAX, .doc = "Deliveries kept while it is paused or disabled; 0: any number." },
	{ "breaker", JSON_F_CUSTOM, AT(breaker), .read = read_breaker, .doc = "When calls stop for a while because they all fail." },
	{ "slow_down_ms", JSON_F_I64, AT(slow_down_ms), 0, LIMIT_DURATION_MS,
		.doc = "How long a 502 or 504 without Retry-After holds back whom retry_after names; then twice as long, up to breaker.open_ms." },
	{ "disable_after_ms", JSON_F_I64, AT(disable_after_ms), 0, LIMIT_DURATION_MS, .doc = "Disabled after so long without a success; 0: never." },
	{ "tags", JSON_F_CUSTOM, AT(tags), .read = read_tags, .doc = "For finding it." },
	{ "metadata", JSON_F_CUSTOM, AT(metadata), .read = read_metadata, .doc = "Free; formats see it. Changed member by member: null removes one." },
};

static bool uses_external_id(const struct endpoint_settings *settings)
{
	return url_template_has(settings->url, STR("external_id")) || url_template_has(settings->update_url, STR("external_id"));
}

/* One call for several messages: what is about a single one has no place in it. */
static bool check_batch(struct json *json, const struct endpoint_settings *settings)
{
	static const struct str places[] = { STR("external_id"), STR("entity"), STR("type"), STR("message") };
	enum webhook_format format;
	bool known = webhook_format_parse(settings->format, &format);
	if (settings->order == ENDPOINT_ORDER_FIFO)
		return json_refuse_field(json, E_INVALID, "batch", "With the order fifo each message goes alone.");
	for (size_t i = 0; i < ARRAY_COUNT(places); i++)
		if (url_template_has(settings->url, places[i]))
			return json_refuse_field(json, E_INVALID, "url", "A batch is about several messages: its URL has no {" STR_FMT "}.",
						 STR_ARG(places[i]));
	if (settings->update_url.len || settings->update_method.len)
		return json_refuse_field(json, E_INVALID, settings->update_url.len ? "update_url" : "update_method",
					 "A batch makes and changes things in one call: leave it out.");
	if (settings->retract.url.len)
		return json_refuse_field(json, E_INVALID, "retract", "A batch has no calls of its own for what is gone: leave it out.");
	if (str_eq(settings->method, STR("GET")) || str_eq(settings->method, STR("HEAD")))
		return json_refuse_field(json, E_INVALID, "method", "A batch is a body, and this method has none.");
	if (known && (format == WEBHOOK_FORMAT_FORM || format == WEBHOOK_FORMAT_CLOUDEVENTS_BINARY))
		return json_refuse_field(json, E_INVALID, "format", "A batch is an array of JSON bodies, and this format makes none.");
	if (settings->batch.wrap.len && webhook_format_parse(settings->batch.wrap, &format))
		return json_refuse_field(json, E_INVALID, "batch.wrap", "A program wraps a batch: name a format that was stored before.");
	return true;
}

static bool check_whole(struct json *json, const struct endpoint_settings *settings)
{
	enum webhook_format format;
	if (settings->kind == ENDPOINT_PUSH && !settings->url.len)
		return json_refuse_field(json, E_INVALID, "url", "Whom to call? An endpoint of kind push needs a URL.");
	if (settings->kind == ENDPOINT_POLL && (!webhook_format_parse(settings->format, &format) || !webhook_format_is_json(format)))
		return json_refuse_field(json, E_INVALID, "format", "An endpoint of kind poll has one of the built-in formats default, raw and cloudevents.");
	if (settings->kind == ENDPOINT_POLL && (settings->url.len || settings->update_url.len || settings->retract.url.len))
		return json_refuse_field(json, E_INVALID, settings->url.len ? "url" : settings->update_url.len ? "update_url" : "retract",
					 "An endpoint of kind poll is not called: leave it out.");
	if (settings->kind == ENDPOINT_POLL && settings->batch.max)
		return json_refuse_field(json, E_INVALID, "batch", "An endpoint of kind poll asks for as many as it likes; leave it out.");
	if (uses_external_id(settings) && settings->order == ENDPOINT_ORDER_NONE)
		return json_refuse_field(json, E_INVALID, "order",
					 "A URL with {external_id} needs the order latest or fifo: two calls at once would make the thing twice.");
	if (uses_external_id(settings) && !settings->external_id.len)
		return json_refuse_field(json, E_INVALID, "external_id", "A URL has {external_id}: say where the answer has it.");
	return !settings->batch.max || check_batch(json, settings);
}

bool endpoint_settings_read(struct json *json, struct endpoint_settings *out)
{
	struct endpoint_settings settings = *out;
	if (!json_read_fields(json, endpoint_fields, ARRAY_COUNT(endpoint_fields), &settings, NULL, NULL) || !check_whole(json, &settings))
		return false;
	*out = settings;
	return true;
}

/* ---- writing ---- */

static void put_open(struct buf *buf, const char *key)
{
	json_put_key(buf, key);
	buf_add_byte(buf, '{');
}

void endpoint_words_write(const struct endpoint_words *words, struct buf *buf)
{
	buf_add_byte(buf, '[');
	for (uint32_t i = 0; i < words->count; i++) {
		json_put_comma(buf);
		json_put_str(buf, words->words[i]);
	}
	buf_add_byte(buf, ']');
}

static void put_auth(struct buf *buf, const struct endpoint_auth *auth)
{
	put_open(buf, "auth");
	json_put_field_str(buf, "kind", str_of(auth_words[auth->kind]));
	if (auth->kind != ENDPOINT_AUTH_NONE)
		json_put_field_str(buf, "secret", auth->secret);
	if (auth->kind == ENDPOINT_AUTH_BASIC)
		json_put_field_text(buf, "user", auth->user);
	if (auth->kind == ENDPOINT_AUTH_OAUTH2) {
		json_put_field_str(buf, "token_url", auth->token_url);
		json_put_field_str(buf, "client_id", auth->client_id);
		json_put_field_text(buf, "scope", auth->scope);
		json_put_field_text(buf, "audience", auth->audience);
		json_put_field_str(buf, "style", str_of(style_words[auth->in_body]));
	}
	buf_add_byte(buf, '}');
}

static void put_security(struct buf *buf, const struct endpoint_settings *settings)
{
	put_auth(buf, &settings->auth);
	put_open(buf, "tls");
	json_put_field_text(buf, "ca", settings->tls.ca);
	json_put_field_text(buf, "certificate", settings->tls.certificate);
	json_put_field_text(buf, "key", settings->tls.key);
	buf_add_byte(buf, '}');
	put_open(buf, "sign");
	json_put_field_str(buf, "kind", str_of(sign_words[settings->sign.kind]));
	json_put_field_text(buf, "secret", settings->sign.secret);
	json_put_field_text(buf, "secret_v1a", settings->sign.secret_v1a);
	json_put_field_str(buf, "prefix", str_of(prefix_words[settings->sign.svix]));
	buf_add_byte(buf, '}');
}

static void put_steering(struct buf *buf, const struct endpoint_settings *settings)
{
	json_put_field_i64(buf, "timeout_ms", settings->timeout_ms);
	put_open(buf, "policy");
	http_ranges_put(buf, "success", settings->policy.success);
	http_ranges_put(buf, "retry", settings->policy.retry);
	http_ranges_put(buf, "final", settings->policy.final);
	buf_add_byte(buf, '}');
	json_put_key(buf, "retry");
	retry_policy_write(&settings->retry, buf);
	json_put_field_u64(buf, "concurrency", settings->concurrency);
	rate_put(buf, "rate", &settings->rate);
	json_put_key(buf, "limits");
	limit_names_write(&settings->limits, buf);
	json_put_field_str(buf, "retry_after", settings->retry_after.len ? settings->retry_after : STR("job"));
	json_put_field_str(buf, "order", str_of(order_words[settings->order]));
	json_put_field_str(buf, "fifo_on_failure", str_of(failure_words[settings->fifo_holds]));
	json_put_field_text(buf, "external_id", settings->external_id);
}

static void put_retract(struct buf *buf, const struct endpoint_retract *retract)
{
	if (!retract->url.len) {
		json_put_field_null(buf, "retract");
		return;
	}
	put_open(buf, "retract");
	json_put_field_str(buf, "method", retract->method);
	json_put_field_str(buf, "url", retract->url);
	json_put_field_str(buf, "body", str_of(retract_words[retract->with_body]));
	buf_add_byte(buf, '}');
}

static void put_batch(struct buf *buf, const struct endpoint_batch *batch)
{
	if (!batch->max) {
		json_put_field_null(buf, "batch");
		return;
	}
	put_open(buf, "batch");
	json_put_field_u64(buf, "max", batch->max);
	json_put_field_i64(buf, "wait_ms", batch->wait_ms);
	json_put_field_text(buf, "wrap", batch->wrap);
	json_put_field_text(buf, "results", batch->results);
	buf_add_byte(buf, '}');
}

void endpoint_settings_write(const struct endpoint_settings *settings, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	json_put_field_str(buf, "kind", str_of(kind_words[settings->kind]));
	json_put_field_text(buf, "url", settings->url);
	json_put_field_str(buf, "method", settings->method);
	json_put_field_text(buf, "update_url", settings->update_url);
	json_put_field_text(buf, "update_method", settings->update_method);
	json_put_key(buf, "types");
	endpoint_words_write(&settings->types, buf);
	json_put_key(buf, "channels");
	endpoint_words_write(&settings->channels, buf);
	json_put_field_raw(buf, "filter", settings->filter);
	json_put_field_str(buf, "format", settings->format);
	json_put_field_text(buf, "content_type", settings->content_type);
	json_put_field_raw(buf, "headers", settings->headers.len ? settings->headers : STR("{}"));
	put_security(buf, settings);
	put_steering(buf, settings);
	put_retract(buf, &settings->retract);
	put_batch(buf, &settings->batch);
	json_put_field_u64(buf, "hold_max", settings->hold_max);
	put_open(buf, "breaker");
	json_put_field_u64(buf, "failures", settings->breaker.failures);
	json_put_field_i64(buf, "open_ms", settings->breaker.open_ms);
	json_put_field_i64(buf, "open_ms_max", settings->breaker.open_ms_max);
	buf_add_byte(buf, '}');
	json_put_field_i64(buf, "slow_down_ms", settings->slow_down_ms);
	json_put_field_i64(buf, "disable_after_ms", settings->disable_after_ms);
	json_put_field_raw(buf, "tags", settings->tags.len ? settings->tags : STR("[]"));
	json_put_field_raw(buf, "metadata", settings->metadata.len ? settings->metadata : STR("{}"));
	buf_add_byte(buf, '}');
}

/* ---- who wants what ---- */

const char *message_type_refusal(struct str type)
{
	for (size_t i = 0; i < type.len; i++) {
		char c = type.ptr[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-'))
			return "A type is letters, digits, '_', '.' and '-' only, such as fiche.updated.";
	}
	return type.len && type.len <= MESSAGE_TYPE_BYTES ? NULL : "A type has 1 to 255 characters.";
}

bool message_type_is_ours(struct str type)
{
#define X(type, description) type,
	static const char *const ours[] = { MESSAGE_TYPES_OURS(X) };
#undef X
	for (size_t i = 0; i < ARRAY_COUNT(ours); i++)
		if (str_eq(type, str_of(ours[i])))
			return true;
	return false;
}

bool endpoint_wants_type(const struct endpoint_settings *settings, struct str type)
{
	for (uint32_t i = 0; i < settings->types.count; i++) {
		struct str pattern = settings->types.words[i];
		bool open = pattern.ptr[pattern.len - 1] == '*';
		if (pattern.len == 1 && open && message_type_is_ours(type))
			continue;
		if (open ? str_starts(type, (struct str){ pattern.ptr, pattern.len - 1 }) : str_eq(type, pattern))
			return true;
	}
	return false;
}

enum err message_channels_read(struct str text, struct arena *arena, struct message_channels *out)
{
	struct json json;
	uint32_t index;
	out->count = 0;
	if (!text.len)
		return E_OK;
	json_init(&json, text, arena, NULL);
	json_enter_array(&json);
	while (json_next_item(&json, &index) && index < MESSAGE_CHANNELS)
		if (json_read_str(&json, MESSAGE_TYPE_BYTES, &out->names[index]))
			out->count = index + 1;
	return json.failed ? E_NOMEM : E_OK;
}

bool endpoint_wants_channels(const struct endpoint_settings *settings, const struct str *channels, uint32_t count)
{
	if (!settings->channels.count || !count)
		return true;
	for (uint32_t i = 0; i < settings->channels.count; i++)
		for (uint32_t k = 0; k < count; k++)
			if (str_eq(settings->channels.words[i], channels[k]))
				return true;
	return false;
}

static bool each_header_secret(struct str headers, struct arena *arena, bool (*visit)(void *, const char *, struct str), void *context)
{
	struct json json;
	struct str name, secret;
	json_init(&json, headers, arena, NULL);
	if (!headers.len || !json_enter_object(&json))
		return true;
	while (json_next_key(&json, &name)) {
		if (json_peek(&json) != JSON_OBJECT) {
			json_skip(&json);
			continue;
		}
		if (!json_read_fields(&json, header_secret_fields, ARRAY_COUNT(header_secret_fields), &secret, NULL, NULL))
			return false;
		if (!visit(context, "headers", secret))
			return false;
	}
	return !json.failed;
}

bool endpoint_each_secret(const struct endpoint_settings *settings, struct arena *arena,
			  bool (*visit)(void *context, const char *field, struct str secret), void *context)
{
	bool signs = settings->sign.kind != ENDPOINT_SIGN_NONE;
	const struct {
		const char *field;
		struct str secret;
	} named[] = {
		{ "auth.secret", settings->auth.secret },
		{ "tls.ca", settings->tls.ca },
		{ "tls.certificate", settings->tls.certificate },
		{ "tls.key", settings->tls.key },
		{ "sign.secret", signs ? settings->sign.secret : (struct str){ 0 } },
		{ "sign.secret_v1a", settings->sign.kind == ENDPOINT_SIGN_BOTH ? settings->sign.secret_v1a : (struct str){ 0 } },
	};
	for (size_t i = 0; i < ARRAY_COUNT(named); i++)
		if (named[i].secret.len && !visit(context, named[i].field, named[i].secret))
			return false;
	return each_header_secret(settings->headers, arena, visit, context);
}
