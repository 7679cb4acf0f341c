#include "rules/source.h"
#include "base/limits.h"
#include "rules/http_header.h"
#include "rules/source_text.h"

_Static_assert(LIMIT_BODY_MAX >= SOURCE_BODY_BYTES, "the default is one of those that may be said");

void source_settings_default(struct source_settings *out)
{
	*out = (struct source_settings){ .verifier = VERIFIER_COUNT, .body_bytes = SOURCE_BODY_BYTES };
}

/* ---- parts ---- */

static bool read_verifier(struct json *json, void *out, void *context)
{
	struct str word;
	(void)context;
	if (!json_read_str(json, LIMIT_NAME_BYTES, &word))
		return false;
	if (verifier_parse(word, out))
		return json_refuse(json, E_INVALID, "Expected \"standard_webhooks\", \"github\", \"stripe\", \"sentry\", \"basic\", or \"none\" (everybody is "
				   "believed).");
	return true;
}

static bool read_secret(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, LIMIT_NAME_BYTES, secret_reference_refusal);
}

static bool read_text(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, LIMIT_ID_BYTES, source_text_refusal);
}

static bool is_of_type(struct str word)
{
	return !message_type_refusal(word);
}

static const char *type_refusal(struct str text)
{
	const char *why = source_text_refusal(text);
	if (why)
		return why;
	if (message_type_is_ours(text))
		return "Messages of this type are sent by ruche itself: choose another.";
	return source_text_each_word(text, is_of_type) ? NULL : "Beside its places a type is letters, digits, '_', '.' and '-' only.";
}

static bool read_type(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_read_checked(json, out, MESSAGE_TYPE_BYTES, type_refusal);
}

static const char *channel_refusal(struct str channel)
{
	return channel.len ? NULL : "A channel has a name.";
}

static bool read_channels(struct json *json, void *out, void *context)
{
	(void)context;
	return endpoint_words_read(json, out, MESSAGE_CHANNELS, channel_refusal);
}

static const char *kept_header_refusal(struct str name)
{
	return http_name_is_secret(name) ? "By its name this header is a secret, which is not kept." : http_header_name_refusal(name);
}

/* They become members of the metadata. */
static bool read_headers(struct json *json, void *out, void *context)
{
	const struct endpoint_words *headers = out;
	(void)context;
	if (!endpoint_words_read(json, out, SOURCE_HEADERS, kept_header_refusal))
		return false;
	for (uint32_t i = 0; i < headers->count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (str_eq_nocase(headers->words[i], headers->words[k]))
				return json_refuse(json, E_INVALID, "\"" STR_FMT "\" stands there twice.", STR_ARG(headers->words[i]));
	return true;
}

#define AT(member) offsetof(struct source_settings, member)
static const struct json_field verify_fields[] = {
	{ "kind", JSON_F_CUSTOM, AT(verifier), .flags = JSON_F_REQUIRED, .read = read_verifier, .doc = "How the sender signs." },
	{ "secret", JSON_F_CUSTOM, AT(secret), .read = read_secret, .doc = "The name of the secret that he signs with." },
};

static bool read_verify(struct json *json, void *out, void *context)
{
	struct source_settings *settings = out;
	(void)context;
	settings->secret = (struct str){ 0 };
	if (!json_read_fields(json, verify_fields, ARRAY_COUNT(verify_fields), settings, NULL, NULL))
		return false;
	if (verifier_needs_secret(settings->verifier) && !settings->secret.len)
		return json_refuse_field(json, E_INVALID, "secret", "Which secret? Store it first, then name it here.");
	if (!verifier_needs_secret(settings->verifier) && settings->secret.len)
		return json_refuse_field(json, E_INVALID, "secret", "Everybody is believed: there is nothing to check it by; leave it out.");
	return true;
}

static const struct json_field message_fields[] = {
	{ "type", JSON_F_CUSTOM, AT(type), .flags = JSON_F_REQUIRED, .read = read_type, .doc = "Such as github.{header:x-github-event}." },
	{ "entity", JSON_F_CUSTOM, AT(entity), .read = read_text, .doc = "What it is about, such as $.repository.id; null: nothing." },
	{ "channels", JSON_F_CUSTOM, AT(channels), .read = read_channels, .doc = "Of each message." },
};

static bool read_message(struct json *json, void *out, void *context)
{
	struct source_settings *settings = out;
	(void)context;
	settings->into = SOURCE_INTO_MESSAGE;
	if (!json_read_fields(json, message_fields, ARRAY_COUNT(message_fields), settings, NULL, NULL))
		return false;
	return settings->type.len || json_refuse_field(json, E_INVALID, "type", "A message has a type, such as github.{header:x-github-event}.");
}

static const struct json_field job_fields[] = {
	{ "queue", JSON_F_STR, AT(queue), 1, LIMIT_NAME_BYTES, JSON_F_REQUIRED, .doc = "Of the source's namespace." },
	{ "name", JSON_F_CUSTOM, AT(name), .read = read_text, .doc = "Such as {header:x-github-event}; null: the source's name." },
	{ "group", JSON_F_CUSTOM, AT(group), .read = read_text, .doc = "Such as $.repository.id; null: none." },
};

static bool read_job(struct json *json, void *out, void *context)
{
	struct source_settings *settings = out;
	(void)context;
	settings->into = SOURCE_INTO_JOB;
	return json_read_fields(json, job_fields, ARRAY_COUNT(job_fields), settings, NULL, NULL);
}

static const struct json_field into_fields[] = {
	{ "message", JSON_F_CUSTOM, 0, .read = read_message, .doc = "For all endpoints that want it." },
	{ "job", JSON_F_CUSTOM, 0, .read = read_job, .doc = "For the workers of a queue." },
};

static bool read_into(struct json *json, void *out, void *context)
{
	struct source_settings *settings = out;
	uint64_t present;
	(void)context;
	settings->type = settings->entity = settings->queue = settings->name = settings->group = (struct str){ 0 };
	settings->channels = (struct endpoint_words){ 0 };
	if (!json_read_fields(json, into_fields, ARRAY_COUNT(into_fields), settings, NULL, &present))
		return false;
	return present == 1 || present == 2 || json_refuse(json, E_INVALID, "Expected either a message or a job.");
}

/* ---- the whole ---- */

static const struct json_field source_fields[] = {
	{ "verify", JSON_F_CUSTOM, 0, .read = read_verify, .doc = "Who is believed." },
	{ "id", JSON_F_CUSTOM, AT(id), .read = read_text, .doc = "What the sender calls it, by which it is known again; null: as the verifier knows." },
	{ "headers", JSON_F_CUSTOM, AT(headers), .read = read_headers, .doc = "Those that are kept, in the metadata." },
	{ "into", JSON_F_CUSTOM, 0, .read = read_into, .doc = "What becomes of it." },
	{ "body_bytes", JSON_F_U32, AT(body_bytes), 1, LIMIT_BODY_MAX, .doc = "Larger ones are refused (1 MiB)." },
};

bool source_settings_read(struct json *json, struct source_settings *out)
{
	struct source_settings settings = *out;
	if (!json_read_fields(json, source_fields, ARRAY_COUNT(source_fields), &settings, NULL, NULL))
		return false;
	if (settings.verifier == VERIFIER_COUNT)
		return json_refuse_field(json, E_INVALID, "verify", "Who is believed? Such as {\"kind\":\"github\",\"secret\":\"gh-hook\"}; "
					 "{\"kind\":\"none\"} believes everybody.");
	if (settings.into == SOURCE_INTO_NOTHING)
		return json_refuse_field(json, E_INVALID, "into", "What becomes of it? {\"message\":{\"type\":…}} or {\"job\":{\"queue\":…}}.");
	*out = settings;
	return true;
}

static void put_into(struct buf *buf, const struct source_settings *settings)
{
	json_put_key(buf, settings->into == SOURCE_INTO_MESSAGE ? "message" : "job");
	buf_add_byte(buf, '{');
	if (settings->into == SOURCE_INTO_MESSAGE) {
		json_put_field_str(buf, "type", settings->type);
		json_put_field_text(buf, "entity", settings->entity);
		json_put_key(buf, "channels");
		endpoint_words_write(&settings->channels, buf);
	} else {
		json_put_field_str(buf, "queue", settings->queue);
		json_put_field_text(buf, "name", settings->name);
		json_put_field_text(buf, "group", settings->group);
	}
	buf_add_byte(buf, '}');
}

void source_settings_write(const struct source_settings *settings, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_lit(buf, "{\"verify\":{");
	json_put_field_str(buf, "kind", str_of(verifier_word(settings->verifier)));
	if (settings->secret.len)
		json_put_field_str(buf, "secret", settings->secret);
	buf_add_byte(buf, '}');
	json_put_field_text(buf, "id", settings->id);
	json_put_key(buf, "headers");
	endpoint_words_write(&settings->headers, buf);
	json_put_key(buf, "into");
	buf_add_byte(buf, '{');
	put_into(buf, settings);
	buf_add_byte(buf, '}');
	json_put_field_u64(buf, "body_bytes", settings->body_bytes);
	buf_add_byte(buf, '}');
}
