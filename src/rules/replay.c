#include "rules/replay.h"
#include "base/limits.h"
#include "rules/endpoint.h"

#define REPLAY_TEXT_BYTES 64

const char *const replay_stand_words[STANDS_COUNT] = {
#define X(name, text) text,
	REPLAY_STANDS(X)
#undef X
};
static const char *const only_words[REPLAY_ONLY_COUNT] = {
#define X(name, text) text,
	REPLAY_ONLIES(X)
#undef X
};

/* ---- JSON ---- */

static bool read_only_word(struct json *json, void *out, void *context)
{
	struct str word;
	(void)context;
	if (!json_read_str(json, REPLAY_TEXT_BYTES, &word))
		return false;
	for (int i = 0; i < REPLAY_ONLY_COUNT; i++) {
		if (str_eq(word, str_of(only_words[i]))) {
			*(enum replay_only *)out = (enum replay_only)i;
			return true;
		}
	}
	return json_refuse(json, E_INVALID, "Expected missing, missing_or_unknown, failed or all.");
}

static const char *type_refusal(struct str pattern) /* "fiche.updated", "fiche.*", "*" */
{
	if (pattern.len && pattern.ptr[pattern.len - 1] == '*')
		pattern.len--;
	return pattern.len ? message_type_refusal(pattern) : NULL;
}

static bool read_types(struct json *json, void *out, void *context)
{
	struct replay *replay = out;
	uint32_t index;
	(void)context;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == REPLAY_TYPES_MAX)
			return json_refuse(json, E_INVALID, "At most %d types.", REPLAY_TYPES_MAX);
		if (!json_read_str(json, MESSAGE_TYPE_BYTES + 1, &replay->types[index]))
			return false;
		const char *why = replay->types[index].len ? type_refusal(replay->types[index]) : "A type is not empty.";
		if (why)
			return json_refuse(json, E_INVALID, "%s", why);
		replay->type_count = index + 1;
	}
	return !json->failed;
}

#define AT(member) offsetof(struct replay, member)
/* `until` stands second: see replay_read. */
#define COMMON_FIELDS                                                                                                         \
	{ "since", JSON_F_INSTANT, AT(since_us), .flags = JSON_F_REQUIRED },                                                   \
	{ "until", JSON_F_INSTANT, AT(until_us), .flags = JSON_F_NULL },                                                       \
	{ "types", JSON_F_CUSTOM, 0, .flags = JSON_F_NULL, .read = read_types },                                               \
	{ "entity", JSON_F_STR, AT(entity), 1, LIMIT_ID_BYTES, .flags = JSON_F_NULL },                                         \
	{ "only", JSON_F_CUSTOM, AT(only), .read = read_only_word }
static const struct json_field asked_fields[] = { COMMON_FIELDS, { "dry_run", JSON_F_BOOL, AT(dry_run) } };
static const struct json_field kept_fields[] = { COMMON_FIELDS, { "endpoint_number", JSON_F_U32, AT(endpoint), 1, UINT32_MAX, .flags = JSON_F_REQUIRED } };
#undef AT

bool replay_check_span(struct json *json, int64_t since_us, int64_t until_us)
{
	if (!until_us || until_us > since_us)
		return true;
	return json_refuse_field(json, E_INVALID, "until", "It is not after since, so nothing would be meant: give a later instant, or leave it out.");
}

bool replay_read(struct json *json, bool kept, struct replay *out)
{
	uint64_t present;
	*out = (struct replay){ .only = REPLAY_MISSING };
	if (!json_read_fields(json, kept ? kept_fields : asked_fields, kept ? ARRAY_COUNT(kept_fields) : ARRAY_COUNT(asked_fields), out, NULL, &present))
		return false;
	if (out->since_us < 1)
		out->since_us = 1; /* since ever: 0 would read as not said */
	if (present & 2u && out->until_us < 1)
		out->until_us = 1;
	return kept || replay_check_span(json, out->since_us, out->until_us);
}

void replay_write(const struct replay *replay, struct buf *out)
{
	buf_add_byte(out, '{');
	json_put_field_u64(out, "endpoint_number", replay->endpoint);
	json_put_field_instant(out, "since", replay->since_us);
	if (replay->until_us)
		json_put_field_instant(out, "until", replay->until_us);
	if (replay->type_count) {
		json_put_key(out, "types");
		buf_add_byte(out, '[');
		for (uint32_t i = 0; i < replay->type_count; i++) {
			json_put_comma(out);
			json_put_str(out, replay->types[i]);
		}
		buf_add_byte(out, ']');
	}
	if (replay->entity.len)
		json_put_field_str(out, "entity", replay->entity);
	json_put_field_str(out, "only", str_of(only_words[replay->only]));
	buf_add_byte(out, '}');
}

/* ---- which, and what becomes of them ---- */

bool replay_takes_type(const struct replay *replay, struct str type)
{
	for (uint32_t i = 0; i < replay->type_count; i++) {
		struct str pattern = replay->types[i];
		bool open = pattern.ptr[pattern.len - 1] == '*';
		if (open ? str_starts(type, (struct str){ pattern.ptr, pattern.len - 1 }) : str_eq(type, pattern))
			return true;
	}
	return !replay->type_count;
}

enum replay_stand replay_stand_of(enum job_state state)
{
	switch (state) {
	case JOB_COMPLETED: return STANDS_DELIVERED;
	case JOB_FAILED: case JOB_EXPIRED: return STANDS_FAILED;
	case JOB_CANCELLED: return STANDS_CANCELLED;
	default: return STANDS_ON_ITS_WAY;
	}
}

bool replay_sends(enum replay_only only, enum replay_stand stand)
{
	switch (stand) {
	case STANDS_MISSING: return only != REPLAY_FAILED;
	case STANDS_UNKNOWN: return only == REPLAY_ALL || only == REPLAY_MISSING_OR_UNKNOWN;
	case STANDS_FAILED: return only == REPLAY_ALL || only == REPLAY_FAILED;
	case STANDS_DELIVERED: case STANDS_CANCELLED: return only == REPLAY_ALL;
	default: return false;
	}
}
