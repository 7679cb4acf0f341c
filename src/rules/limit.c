#include "rules/limit.h"
#include "base/json.h"
#include "base/limits.h"

#define LIMIT_CONCURRENCY_MAX 1000000

static bool limit_read_rate(struct json *json, void *out, void *context)
{
	(void)context;
	return rate_read(json, out);
}

#define AT(member) offsetof(struct limit_settings, member)
static const struct json_field limit_fields[] = {
	{ "rate", JSON_F_CUSTOM, AT(rate), .read = limit_read_rate, .doc = "Starts; null: no limit." },
	{ "concurrency", JSON_F_U32, AT(concurrency), 0, LIMIT_CONCURRENCY_MAX, .doc = "Jobs that run and permits that are held; 0: no limit." },
	{ "penalty_ms_max", JSON_F_I64, AT(penalty_ms_max), 0, LIMIT_DURATION_MS, .doc = "Longer penalties are cut to it; 0: none is cut." },
};
#undef AT

bool limit_settings_read(struct json *json, struct limit_settings *out)
{
	struct limit_settings settings = *out;
	if (!json_read_fields(json, limit_fields, ARRAY_COUNT(limit_fields), &settings, NULL, NULL))
		return false;
	*out = settings;
	return true;
}

void limit_settings_write(const struct limit_settings *settings, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	rate_put(buf, "rate", &settings->rate);
	json_put_field_u64(buf, "concurrency", settings->concurrency);
	json_put_field_i64(buf, "penalty_ms_max", settings->penalty_ms_max);
	buf_add_byte(buf, '}');
}

static bool limit_is_named(const struct limit_names *names, struct str name)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (str_eq(names->names[i], name))
			return true;
	return false;
}

bool limit_names_read(struct json *json, struct limit_names *out)
{
	struct limit_names names = { .count = 0 };
	struct str name;
	uint32_t index;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == LIMITS_A_JOB)
			return json_refuse(json, E_INVALID, "A job takes from at most %d limits.", LIMITS_A_JOB);
		if (!json_read_str(json, LIMIT_NAME_BYTES, &name))
			return false;
		if (!name.len || limit_is_named(&names, name))
			return json_refuse(json, E_INVALID, name.len ? "This limit is named twice." : "A limit has a name.");
		names.names[names.count++] = name;
	}
	if (json->failed)
		return false;
	*out = names;
	return true;
}

void limit_names_write(const struct limit_names *names, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_byte(buf, '[');
	for (uint32_t i = 0; i < names->count; i++) {
		json_put_comma(buf);
		json_put_str(buf, names->names[i]);
	}
	buf_add_byte(buf, ']');
}

bool limit_name_is_word(struct str name)
{
	return str_eq(name, STR("job")) || str_eq(name, STR("group")) || str_eq(name, STR("queue"));
}
