#include "rules/settings.h"
#include "base/check.h"
#include "base/json.h"
#include "rules/members.h"

#define SETTINGS_CONCURRENCY_MAX 1000000
#define SETTINGS_METADATA_BYTES  16384
#define SETTINGS_KEPT_JOBS       1000000
#define SETTINGS_KEPT_BYTES      (UINT64_C(1) << 30)
#define SETTINGS_METRIC_MINUTES  1440
#define SETTINGS_LEAN_EVENTS     10000
#define SETTINGS_DAY_MS          INT64_C(86400000)

static const char *const id_names[ID_KIND_COUNT] = { [IDS_UID] = "uid", [IDS_DECIMAL] = "decimal" };
static const char *const compat_names[COMPAT_COUNT] = { [COMPAT_BULLMQ] = "bullmq" };
static const char *const target_names[TARGET_KIND_COUNT] = { [TARGET_PULL] = "pull", [TARGET_HTTP] = "http" };

void queue_settings_default(struct queue_settings *out)
{
	*out = (struct queue_settings){
		.target = TARGET_PULL,
		.lease_ms = 30000,
		.max_stalls = LIMIT_STALLS,
		.keep_completed = { .count = SETTINGS_KEPT_JOBS, .age_ms = 7 * SETTINGS_DAY_MS, .bytes = SETTINGS_KEPT_BYTES },
		.keep_failed = { .count = SETTINGS_KEPT_JOBS, .age_ms = 30 * SETTINGS_DAY_MS, .bytes = SETTINGS_KEPT_BYTES },
		.metric_minutes = SETTINGS_METRIC_MINUTES,
	};
	http_target_default(&out->http);
	retry_policy_default(&out->retry);
}

/* ---- parts of both kinds of settings ---- */

static bool settings_read_rate(struct json *json, void *out, void *context)
{
	(void)context;
	return rate_read(json, out);
}

static const struct json_field retention_fields[] = {
	{ "count", JSON_F_I64, offsetof(struct retention, count), 0, INT64_MAX, .doc = "At most so many jobs; 0: any number." },
	{ "age_ms", JSON_F_I64, offsetof(struct retention, age_ms), 0, LIMIT_DURATION_MS, .doc = "For at most so long; 0: any time." },
	{ "bytes", JSON_F_I64, offsetof(struct retention, bytes), 0, INT64_MAX, .doc = "At most so many bytes; 0: any size." },
};

static bool settings_read_retention(struct json *json, void *out, void *context)
{
	(void)context;
	struct retention retention = *(struct retention *)out;
	uint64_t present = 0;
	if (json_peek(json) == JSON_STRING) {
		struct str word;
		if (!json_read_str(json, LIMIT_NAME_BYTES, &word))
			return false;
		retention = (struct retention){ .none = str_eq(word, STR("none")) };
		if (!retention.none && !str_eq(word, STR("all")))
			return json_refuse(json, E_INVALID, "Expected \"none\", \"all\", or an object with count, age_ms and bytes.");
	} else if (!json_read_fields(json, retention_fields, ARRAY_COUNT(retention_fields), &retention, NULL, &present)) {
		return false;
	}
	if (present)
		retention.none = false;
	*(struct retention *)out = retention;
	return true;
}

static void settings_put_retention(struct buf *buf, const char *key, const struct retention *retention)
{
	json_put_key(buf, key);
	if (retention->none) {
		buf_add_lit(buf, "\"none\"");
	} else if (!retention->count && !retention->age_ms && !retention->bytes) {
		buf_add_lit(buf, "\"all\"");
	} else {
		buf_add_byte(buf, '{');
		json_put_field_u64(buf, "count", retention->count);
		json_put_field_i64(buf, "age_ms", retention->age_ms);
		json_put_field_u64(buf, "bytes", retention->bytes);
		buf_add_byte(buf, '}');
	}
}

/* ---- a queue's ---- */

static bool settings_read_target(struct json *json, void *out, void *context)
{
	static const char expected[] = "Expected \"pull\" (workers claim) or \"http\" (ruche calls a URL).";
	unsigned kind;
	(void)context;
	if (!json_read_word(json, LIMIT_NAME_BYTES, target_names, TARGET_KIND_COUNT, expected, &kind))
		return false;
	*(enum target_kind *)out = (enum target_kind)kind;
	return true;
}

static bool settings_read_http(struct json *json, void *out, void *context)
{
	(void)context;
	return http_target_read(json, out);
}

static bool settings_read_retry(struct json *json, void *out, void *context)
{
	(void)context;
	return retry_policy_read(json, out);
}

/* Member by member over the present ones; null: none any more. */
static bool settings_read_metadata(struct json *json, void *out, void *context)
{
	(void)context;
	struct str *metadata = out, text;
	enum json_type type = json_peek(json);
	if (!json_read_raw(json, &text))
		return false;
	if (type == JSON_NULL) {
		*metadata = (struct str){ 0 };
		return true;
	}
	if (type != JSON_OBJECT)
		return json_refuse(json, E_INVALID, "Expected an object.");
	struct str merged = members_merge(json->arena, *metadata, text);
	if (!merged.ptr)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (merged.len > SETTINGS_METADATA_BYTES)
		return json_refuse(json, E_INVALID, "The metadata is larger than %d bytes.", SETTINGS_METADATA_BYTES);
	*metadata = merged.len ? merged : (struct str){ 0 };
	return true;
}

static bool settings_read_limits(struct json *json, void *out, void *context)
{
	(void)context;
	return limit_names_read(json, out);
}

bool retry_after_read(struct json *json, void *out, void *context)
{
	(void)context;
	struct str word;
	if (!json_read_str(json, LIMIT_NAME_BYTES, &word))
		return false;
	*(struct str *)out = str_eq(word, STR("job")) ? (struct str){ 0 } : word;
	return word.len > 0 || json_refuse(json, E_INVALID, "Expected \"job\", \"group\", \"queue\" or the name of a limit.");
}

static bool settings_read_ids(struct json *json, void *out, void *context)
{
	static const char expected[] = "Expected \"uid\" (global) or \"decimal\" (counted by the queue).";
	unsigned kind;
	(void)context;
	if (!json_read_word(json, LIMIT_NAME_BYTES, id_names, ID_KIND_COUNT, expected, &kind))
		return false;
	*(enum id_kind *)out = (enum id_kind)kind;
	return true;
}

const char *compat_name(enum compat compat)
{
	CHECK(compat < COMPAT_COUNT);
	return compat_names[compat];
}

bool compat_read(struct json *json, enum compat *out)
{
	unsigned kind;
	*out = COMPAT_NONE;
	if (json_peek(json) == JSON_NULL)
		return json_read_null(json);
	if (!json_read_word(json, LIMIT_NAME_BYTES, compat_names, COMPAT_COUNT, "Expected \"bullmq\" or null.", &kind))
		return false;
	*out = (enum compat)kind;
	return true;
}

static bool settings_read_compat(struct json *json, void *out, void *context)
{
	(void)context;
	return compat_read(json, out);
}

enum { /* places in queue_fields */
	SETTINGS_FIELD_GROUP_CONCURRENCY = 9,
	SETTINGS_FIELD_KEEP_COMPLETED = 11,
	SETTINGS_FIELD_KEEP_FAILED = 12,
	SETTINGS_FIELD_EVENTS_MAX = 13,
	SETTINGS_FIELD_IDS = 15,
};
#define QUEUE_CUSTOM(name, reader, text) { #name, JSON_F_CUSTOM, offsetof(struct queue_settings, name), .read = reader, .doc = text }
#define QUEUE_I64(name, min, max, text)  { #name, JSON_F_I64, offsetof(struct queue_settings, name), min, max, .doc = text }
#define QUEUE_U32(name, min, max, text)  { #name, JSON_F_U32, offsetof(struct queue_settings, name), min, max, .doc = text }

static const struct json_field queue_fields[] = {
	QUEUE_CUSTOM(target, settings_read_target, "Who executes: pull (workers claim) or http (ruche calls a URL)."),
	QUEUE_CUSTOM(http, settings_read_http, "Whom to call, for the target http."),
	QUEUE_CUSTOM(retry, settings_read_retry, "The retry policy of jobs that bring none."),
	QUEUE_I64(timeout_ms, 0, LIMIT_DURATION_MS, "Longest run of one attempt; 0: none for pull, http.timeout_ms for http."),
	QUEUE_I64(ttl_ms, 0, LIMIT_DURATION_MS, "A job that has not started by then expires; 0: never."),
	QUEUE_I64(lease_ms, 1, LIMIT_LEASE_MS, "How long a claim lasts without a heartbeat, unless the worker asks for another time."),
	QUEUE_U32(max_stalls, 0, LIMIT_ATTEMPTS, "How many leases a job may lose; one more fails it."),
	QUEUE_U32(concurrency, 0, SETTINGS_CONCURRENCY_MAX, "Active jobs of the queue; 0: no limit."),
	QUEUE_CUSTOM(rate, settings_read_rate, "Starts of the queue; null: no limit."),
	[SETTINGS_FIELD_GROUP_CONCURRENCY] =
	QUEUE_U32(group_concurrency, 0, SETTINGS_CONCURRENCY_MAX, "Active jobs of each group; 0: no limit. A new http queue has 32."),
	QUEUE_CUSTOM(group_rate, settings_read_rate, "Starts of each group; null: no limit."),
	[SETTINGS_FIELD_KEEP_COMPLETED] =
	QUEUE_CUSTOM(keep_completed, settings_read_retention, "How many completed jobs are kept, and how long."),
	[SETTINGS_FIELD_KEEP_FAILED] =
	QUEUE_CUSTOM(keep_failed, settings_read_retention, "How many failed, cancelled and expired jobs are kept, and how long."),
	[SETTINGS_FIELD_EVENTS_MAX] =
	QUEUE_U32(events_max, 0, LIMIT_EVENTS_KEPT, "How many of its events are kept, about; 0: as many as the daemon keeps."),
	QUEUE_U32(metric_minutes, 0, LIMIT_METRIC_MINUTES, "For how many minutes it is known how many jobs ended; 0: not counted."),
	[SETTINGS_FIELD_IDS] =
	QUEUE_CUSTOM(ids, settings_read_ids, "Ids of jobs that bring none: uid, or decimal (1, 2, 3, …)."),
	QUEUE_CUSTOM(compat, settings_read_compat, "null, or bullmq: the rules that BullMQ's programs expect. Only an empty queue changes it."),
	QUEUE_CUSTOM(metadata, settings_read_metadata, "Free; ruche only keeps it. Changed member by member: null removes one."),
	QUEUE_CUSTOM(limits, settings_read_limits, "Limits of the namespace that each start takes from; they exist. At most 4."),
	QUEUE_CUSTOM(retry_after, retry_after_read,
	             "Whom an answer that asks to wait (429, or Retry-After) holds back: job, group, queue, or a limit by its name. For http."),
	QUEUE_I64(rise_after_ms, 0, LIMIT_DURATION_MS, "A job that has waited so long goes before all others, whatever its priority; 0: none does."),
};

/* What the other queue's programs expect of a queue that nobody said anything about. */
static void settings_lean(struct queue_settings *settings, uint64_t present)
{
	if (!(present >> SETTINGS_FIELD_IDS & 1))
		settings->ids = IDS_DECIMAL;
	if (!(present >> SETTINGS_FIELD_KEEP_COMPLETED & 1))
		settings->keep_completed = (struct retention){ 0 };
	if (!(present >> SETTINGS_FIELD_KEEP_FAILED & 1))
		settings->keep_failed = (struct retention){ 0 };
	if (!(present >> SETTINGS_FIELD_EVENTS_MAX & 1))
		settings->events_max = SETTINGS_LEAN_EVENTS;
}

bool queue_settings_read(struct json *json, struct queue_settings *out)
{
	struct queue_settings settings = *out;
	uint64_t present;
	if (!json_read_fields(json, queue_fields, ARRAY_COUNT(queue_fields), &settings, NULL, &present))
		return false;
	bool becomes_http = settings.target == TARGET_HTTP && out->target != TARGET_HTTP;
	if (becomes_http && !(present >> SETTINGS_FIELD_GROUP_CONCURRENCY & 1) && !settings.group_concurrency)
		settings.group_concurrency = GROUP_CONCURRENCY_HTTP;
	if (settings.compat && settings.target == TARGET_HTTP)
		return json_refuse_field(json, E_INVALID, "target", "A queue in compat mode is worked off by its workers: its target is pull.");
	if (settings.compat && !out->compat)
		settings_lean(&settings, present);
	*out = settings;
	return true;
}

void queue_settings_write(const struct queue_settings *settings, struct buf *buf)
{
	CHECK(settings->target < TARGET_KIND_COUNT);
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	json_put_field_str(buf, "target", str_of(target_names[settings->target]));
	json_put_key(buf, "http");
	http_target_write(&settings->http, buf);
	json_put_key(buf, "retry");
	retry_policy_write(&settings->retry, buf);
	json_put_field_i64(buf, "timeout_ms", settings->timeout_ms);
	json_put_field_i64(buf, "ttl_ms", settings->ttl_ms);
	json_put_field_i64(buf, "lease_ms", settings->lease_ms);
	json_put_field_u64(buf, "max_stalls", settings->max_stalls);
	json_put_field_u64(buf, "concurrency", settings->concurrency);
	rate_put(buf, "rate", &settings->rate);
	json_put_field_u64(buf, "group_concurrency", settings->group_concurrency);
	rate_put(buf, "group_rate", &settings->group_rate);
	settings_put_retention(buf, "keep_completed", &settings->keep_completed);
	settings_put_retention(buf, "keep_failed", &settings->keep_failed);
	json_put_field_u64(buf, "events_max", settings->events_max);
	json_put_field_u64(buf, "metric_minutes", settings->metric_minutes);
	json_put_field_str(buf, "ids", str_of(id_names[settings->ids]));
	if (settings->compat)
		json_put_field_str(buf, "compat", str_of(compat_names[settings->compat]));
	else
		json_put_field_null(buf, "compat");
	json_put_field_raw(buf, "metadata", settings->metadata.len ? settings->metadata : STR("{}"));
	json_put_key(buf, "limits");
	limit_names_write(&settings->limits, buf);
	json_put_field_str(buf, "retry_after", settings->retry_after.len ? settings->retry_after : STR("job"));
	json_put_field_i64(buf, "rise_after_ms", settings->rise_after_ms);
	buf_add_byte(buf, '}');
}

/* ---- a group's ---- */

static bool group_read_concurrency(struct json *json, void *out, void *context)
{
	(void)context;
	struct group_settings *settings = out;
	int64_t n = 0;
	bool given = json_peek(json) != JSON_NULL;
	if (given ? !json_read_i64(json, 0, SETTINGS_CONCURRENCY_MAX, &n) : !json_read_null(json))
		return false;
	settings->has_concurrency = given;
	settings->concurrency = (uint32_t)n;
	return true;
}

static bool group_read_rate(struct json *json, void *out, void *context)
{
	(void)context;
	struct group_settings *settings = out;
	struct rate rate = { 0 };
	bool given = json_peek(json) != JSON_NULL;
	if (given ? !rate_read(json, &rate) : !json_read_null(json))
		return false;
	settings->has_rate = given;
	settings->rate = rate;
	return true;
}

static bool group_read_limits(struct json *json, void *out, void *context)
{
	(void)context;
	struct group_settings *settings = out;
	struct limit_names *names = NULL;
	bool given = json_peek(json) != JSON_NULL;
	if (given && !(names = ARENA_NEW(json->arena, struct limit_names)))
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (given ? !limit_names_read(json, names) : !json_read_null(json))
		return false;
	settings->has_limits = given;
	settings->limits = names;
	return true;
}

static bool group_read_weight(struct json *json, void *out, void *context)
{
	(void)context;
	struct group_settings *settings = out;
	int64_t n = 0;
	if (json_peek(json) != JSON_NULL ? !json_read_i64(json, 1, GROUP_WEIGHT_MAX, &n) : !json_read_null(json))
		return false;
	settings->weight = (uint16_t)n;
	return true;
}

static const struct json_field group_fields[] = { /* each reader sets a value and its has_ */
	{ "concurrency", JSON_F_CUSTOM, .read = group_read_concurrency,
		.doc = "Active jobs of the group; 0: no limit; null: the queue's." },
	{ "rate", JSON_F_CUSTOM, .read = group_read_rate,
		.doc = "Starts of the group; max 0: no limit; null: the queue's." },
	{ "limits", JSON_F_CUSTOM, .read = group_read_limits,
		.doc = "Limits that its starts take from instead of the queue's; null: the queue's." },
	{ "weight", JSON_F_CUSTOM, .read = group_read_weight,
		.doc = "Its share of the queue's starts as against other groups', 1 to 1,000; null: 1." },
};

bool group_settings_read(struct json *json, struct group_settings *out)
{
	struct group_settings settings = *out;
	if (!json_read_fields(json, group_fields, ARRAY_COUNT(group_fields), &settings, NULL, NULL))
		return false;
	*out = settings;
	return true;
}

void group_settings_write(const struct group_settings *settings, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	if (settings->has_concurrency)
		json_put_field_u64(buf, "concurrency", settings->concurrency);
	if (settings->has_rate) {
		json_put_key(buf, "rate");
		rate_write(&settings->rate, buf);
	}
	if (settings->has_limits) {
		json_put_key(buf, "limits");
		limit_names_write(settings->limits, buf);
	}
	if (settings->weight)
		json_put_field_u64(buf, "weight", settings->weight);
	buf_add_byte(buf, '}');
}
