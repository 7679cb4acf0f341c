#include "rules/chain.h"
#include "base/json.h"
#include "base/limits.h"

#define AT(member) offsetof(struct chain_schedule, member)
static const struct json_field schedule_fields[] = {
	{ "every_ms", JSON_F_I64, AT(every_ms), 1, LIMIT_DURATION_MS },
	{ "pattern", JSON_F_STR, AT(pattern), 1, CHAIN_PATTERN_BYTES },
	{ "tz", JSON_F_STR, AT(zone), 1, CHAIN_ZONE_BYTES },
	{ "offset_ms", JSON_F_I64, AT(offset_ms), 0, LIMIT_DURATION_MS },
	{ "start_at", JSON_F_INSTANT, AT(start_us) },
	{ "end_at", JSON_F_INSTANT, AT(end_us) },
	{ "limit", JSON_F_I64, AT(limit), 1, INT64_MAX },
	{ "immediately", JSON_F_BOOL, AT(immediately) },
};
#undef AT

bool chain_schedule_read(struct json *json, struct chain_schedule *out)
{
	*out = (struct chain_schedule){ 0 };
	if (!json_read_fields(json, schedule_fields, ARRAY_COUNT(schedule_fields), out, NULL, NULL))
		return false;
	if (!out->every_ms && !out->pattern.len)
		return json_refuse_field(json, E_INVALID, "every_ms", "Say when: every_ms, or a cron pattern.");
	if (out->every_ms && out->pattern.len)
		return json_refuse_field(json, E_INVALID, "pattern", "Say either every_ms or pattern, not both.");
	if (out->every_ms && out->zone.len)
		return json_refuse_field(json, E_INVALID, "tz", "A time zone belongs to a pattern; every_ms counts time as it passes.");
	if (out->every_ms && out->immediately)
		return json_refuse_field(json, E_INVALID, "immediately", "It belongs to a pattern; every_ms starts at once anyway, unless start_at or "
					 "offset_ms say otherwise.");
	return true;
}

#define AT(member) offsetof(struct chain_job, member)
static const struct json_field job_fields[] = {
	{ "name", JSON_F_STR, AT(name), 1, LIMIT_NAME_BYTES },
	{ "group", JSON_F_STR, AT(group), 1, LIMIT_ID_BYTES },
	{ "priority", JSON_F_I32, AT(priority), 0, LIMIT_PRIORITY },
	{ "lifo", JSON_F_BOOL, AT(lifo) },
	{ "max_attempts", JSON_F_U32, AT(max_attempts), 1, LIMIT_ATTEMPTS },
	{ "retry", JSON_F_CUSTOM, AT(retry), .read = retry_policy_read_new },
	{ "timeout_ms", JSON_F_I64, AT(timeout_ms), 1, LIMIT_DURATION_MS },
	{ "ttl_ms", JSON_F_I64, AT(ttl_ms), 1, LIMIT_DURATION_MS },
	{ "tags", JSON_F_RAW, AT(tags) },
	{ "http", JSON_F_RAW, AT(target) },
};
#undef AT

bool chain_job_read(struct json *json, struct chain_job *out)
{
	*out = (struct chain_job){ 0 };
	return json_read_fields(json, job_fields, ARRAY_COUNT(job_fields), out, NULL, NULL);
}

static int64_t chain_bound_ms(int64_t at_us)
{
	return at_us ? at_us / 1000 : REPEAT_UNBOUND;
}

enum err chain_timing(const struct chain_schedule *schedule, struct str seed, struct repeat *out, struct problem *problem)
{
	struct repeat repeat = {
		.every_ms = schedule->every_ms, .offset_ms = schedule->offset_ms, .limit = (uint64_t)schedule->limit,
		.start_ms = chain_bound_ms(schedule->start_us), .end_ms = chain_bound_ms(schedule->end_us), .immediately = schedule->immediately,
	};
	enum err err = schedule->every_ms ? E_OK : cron_parse(schedule->pattern, seed, &repeat.cron, problem);
	if (!err)
		*out = repeat;
	return err;
}
