#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/json.h"
#include "base/limits.h"
#include "rules/dice_test.h"
#include "rules/quoted_test.h"
#include "rules/settings.h"

static struct arena arena; /* of the test that runs */

static int forget(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static bool queue_read(const char *text, struct queue_settings *settings, struct problem *problem)
{
	struct json json;
	json_init(&json, quoted_str(&arena, str_of(text)), &arena, problem);
	return queue_settings_read(&json, settings) && json_finish(&json);
}

static bool group_read(const char *text, struct group_settings *settings, struct problem *problem)
{
	struct json json;
	json_init(&json, quoted_str(&arena, str_of(text)), &arena, problem);
	return group_settings_read(&json, settings) && json_finish(&json);
}

static const char *kept_text(struct buf *buf)
{
	assert_true(buf_ok(buf));
	struct str text = arena_str(&arena, buf_str(buf));
	buf_fini(buf);
	return text.ptr;
}

static const char *queue_written(const struct queue_settings *settings)
{
	struct buf buf;
	buf_init(&buf, 65536); /* what the engine allows */
	queue_settings_write(settings, &buf);
	return kept_text(&buf);
}

static const char *group_written(const struct group_settings *settings)
{
	struct buf buf;
	buf_init(&buf, 65536);
	group_settings_write(settings, &buf);
	return kept_text(&buf);
}

/* ---- a queue's ---- */

#define RETRY_TEXT \
	"{'kind':'exponential','max_attempts':3,'delay_ms':1000,'factor':2,'max_delay_ms':3600000,'jitter':'partial','jitter_ratio':0.2}"
#define KEPT_TEXT(age) "{'count':1000000,'age_ms':" age ",'bytes':1073741824}"
#define DEFAULT_TEXT                                                                                                            \
	"{'target':'pull','http':{'url':'','method':'POST','headers':{},'timeout_ms':30000,'success':null,"    \
	"'retry':null,'final':null},'retry':" RETRY_TEXT ",'timeout_ms':0,'ttl_ms':0,'lease_ms':30000,"                \
	"'max_stalls':1,'concurrency':0,'rate':null,'group_concurrency':0,'group_rate':null,"                            \
	"'keep_completed':" KEPT_TEXT("604800000") ",'keep_failed':" KEPT_TEXT("2592000000") ",'events_max':0,"    \
	"'metric_minutes':1440,'ids':'uid','compat':null,'metadata':{},'limits':[],'retry_after':'job','rise_after_ms':0}"
#define FULL_TEXT                                                                                                               \
	"{'target':'http','http':{'url':'https://a.test:8443/hook','method':'PUT','headers':{'x-key':'k'},"    \
	"'timeout_ms':5000,'success':['200-299'],'retry':['500-599'],'final':[410]},'retry':{'kind':'list',"     \
	"'max_attempts':20,'list_ms':[1000,60000],'max_delay_ms':0,'jitter':'full'},'timeout_ms':1,'ttl_ms':2,"      \
	"'lease_ms':3,'max_stalls':4,'concurrency':5,'rate':{'max':5,'per_ms':1000},'group_concurrency':6,"          \
	"'group_rate':{'max':7,'per_ms':8},'keep_completed':'none','keep_failed':'all','events_max':10000," \
	"'metric_minutes':0,'ids':'decimal','compat':null,'metadata':{'team': 'é'},"                                                                              \
	"'limits':['air table','crm'],'retry_after':'crm','rise_after_ms':9}"
#define COMPAT_TEXT                                                                                                             \
	"{'target':'pull','http':{'url':'','method':'POST','headers':{},'timeout_ms':30000,'success':null,"    \
	"'retry':null,'final':null},'retry':" RETRY_TEXT ",'timeout_ms':0,'ttl_ms':0,'lease_ms':30000,"                \
	"'max_stalls':1,'concurrency':0,'rate':null,'group_concurrency':0,'group_rate':null,"                            \
	"'keep_completed':'all','keep_failed':'all','events_max':10000,'metric_minutes':1440,'ids':'decimal','compat':'bullmq','metadata':{}," \
	"'limits':[],'retry_after':'job','rise_after_ms':0}"

static void test_default(void **state)
{
	(void)state;
	struct queue_settings settings;
	queue_settings_default(&settings);
	assert_string_equal(queue_written(&settings), quoted(&arena, DEFAULT_TEXT));
}

static void test_whole_texts_come_back(void **state)
{
	static const char *const texts[] = { DEFAULT_TEXT, FULL_TEXT, COMPAT_TEXT };
	(void)state;
	for (unsigned from = 0; from < ARRAY_COUNT(texts); from++) { /* whatever was set before */
		for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
			struct queue_settings settings;
			struct problem problem = { 0 };
			queue_settings_default(&settings);
			assert_true(queue_read(texts[from], &settings, NULL));
			assert_true(queue_read("{'metadata':null}", &settings, NULL)); /* or it would be merged */
			if (!queue_read(texts[i], &settings, &problem))
				fail_msg("%s: %s", problem.field, problem.detail);
			assert_string_equal(queue_written(&settings), quoted(&arena, texts[i]));
		}
	}
}

/* One change after another, as PATCH does, and a piece of what is written then. */
static void test_changes(void **state)
{
	static const struct { const char *change, *piece; } rows[] = {
		{ "{}", DEFAULT_TEXT },
		{ "{'concurrency':9}", "'concurrency':9,'rate':null" },
		{ "{'retry':{'max_attempts':8}}", "'max_attempts':8,'delay_ms':1000" },
		{ "{'retry':{'delay_ms':5}}", "'max_attempts':8,'delay_ms':5" },
		{ "{'rate':{'max':5,'per_ms':1000}}", "'concurrency':9,'rate':{'max':5,'per_ms':1000}" },
		{ "{'rate':{'max':5,'per_ms':1000,'window':'fixed'}}", "'rate':{'max':5,'per_ms':1000,'window':'fixed'}" },
		{ "{'rate':{'max':5,'per_ms':1000,'window':'sliding'}}", "'rate':{'max':5,'per_ms':1000}" },
		{ "{'limits':['a','b','c','d']}", "'limits':['a','b','c','d']" },
		{ "{'limits':[]}", "'limits':[]" },
		{ "{'retry_after':'group'}", "'retry_after':'group'" },
		{ "{'retry_after':'job'}", "'retry_after':'job'" },
		{ "{'rise_after_ms':60000}", "'rise_after_ms':60000" },
		{ "{'rise_after_ms':0}", "'rise_after_ms':0" },
		{ "{'rate':null}", "'rate':null" },
		{ "{'rate':{'max':0}}", "'rate':null" },
		{ "{'rate':{'max':0,'per_ms':7}}", "'rate':null" },
		{ "{'group_rate':{'per_ms':1,'max':1000000}}", "'group_rate':{'max':1000000,'per_ms':1}" },
		{ "{'keep_completed':{'count':5}}", "'keep_completed':{'count':5,'age_ms':604800000,'bytes':1073741824}" },
		{ "{'keep_completed':{'age_ms':0,'bytes':0}}", "'keep_completed':{'count':5,'age_ms':0,'bytes':0}" },
		{ "{'keep_completed':'none'}", "'keep_completed':'none'" },
		{ "{'keep_completed':{}}", "'keep_completed':'none'" }, /* says nothing, changes nothing */
		{ "{'keep_completed':{'age_ms':1}}", "'keep_completed':{'count':0,'age_ms':1,'bytes':0}" },
		{ "{'keep_completed':'all'}", "'keep_completed':'all'" },
		{ "{'keep_completed':{'bytes':9223372036854775807}}",
		  "'keep_completed':{'count':0,'age_ms':0,'bytes':9223372036854775807}" },
		{ "{'events_max':10000}", "'events_max':10000,'metric_minutes':1440" },
		{ "{'metric_minutes':100000,'events_max':0}", "'events_max':0,'metric_minutes':100000" },
		{ "{'metadata':{ 'a' : [1, 2.50] }}", "'metadata':{ 'a' : [1, 2.50] }" },
		{ "{'concurrency':1}", "'metadata':{ 'a' : [1, 2.50] }" },
		{ "{'metadata':{ }}", "'metadata':{ 'a' : [1, 2.50] }" },
		{ "{'metadata':{'b':{}}}", "'metadata':{'a':[1, 2.50],'b':{}}" },
		{ "{'metadata':{'a':null}}", "'metadata':{'b':{}}" },
		{ "{'metadata':null}", "'metadata':{}" },
		{ "{'ids':'decimal'}", "'ids':'decimal','compat':null" },
		{ "{'ids':'uid'}", "'ids':'uid','compat':null" },
		{ "{'http':{'url':'http://a.test/'}}", "'http':{'url':'http://a.test/','method':'POST'" },
		{ "{'http':{'method':'GET'}}", "'http':{'url':'http://a.test/','method':'GET'" },
		{ "{'max_stalls':0,'lease_ms':86400000}", "'lease_ms':86400000,'max_stalls':0" },
	};
	(void)state;
	struct queue_settings settings;
	queue_settings_default(&settings);
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		if (!queue_read(rows[i].change, &settings, &problem))
			fail_msg("%s: %s: %s", rows[i].change, problem.field, problem.detail);
		const char *written = queue_written(&settings);
		if (!strstr(written, quoted(&arena, rows[i].piece)))
			fail_msg("%s gives %s", rows[i].change, written);
	}
}

/* Thirty-two calls at once to one third party, unless somebody said otherwise. */
static void test_groups_of_an_http_queue(void **state)
{
	static const struct { const char *first, *second; uint32_t group_concurrency; } rows[] = {
		{ "{}", "{}", 0 },
		{ "{'target':'http'}", "{}", 32 },
		{ "{'target':'http','group_concurrency':0}", "{}", 0 },
		{ "{'target':'http','group_concurrency':0}", "{'target':'http'}", 0 }, /* it was one already */
		{ "{'target':'http','group_concurrency':5}", "{}", 5 },
		{ "{'group_concurrency':7}", "{'target':'http'}", 7 },
		{ "{'target':'http'}", "{'group_concurrency':0}", 0 },
		{ "{'target':'http','group_concurrency':0}", "{'target':'pull'}", 0 },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct queue_settings settings;
		queue_settings_default(&settings);
		assert_true(queue_read(rows[i].first, &settings, NULL));
		assert_true(queue_read(rows[i].second, &settings, NULL));
		if (settings.group_concurrency != rows[i].group_concurrency)
			fail_msg("%s %s: %u", rows[i].first, rows[i].second, settings.group_concurrency);
	}
}

/* Made for another queue's programs it keeps everything and counts its ids, unless somebody said otherwise. */
static void test_a_queue_in_compat_mode(void **state)
{
	static const struct { const char *first, *second, *piece; } rows[] = {
		{ "{'compat':'bullmq'}", "{}", COMPAT_TEXT },
		{ "{'compat':'bullmq','ids':'uid'}", "{}", "'metric_minutes':1440,'ids':'uid','compat':'bullmq'" },
		{ "{'compat':'bullmq','keep_failed':{'count':5}}", "{}", "'keep_completed':'all','keep_failed':{'count':5," },
		{ "{'compat':'bullmq'}", "{'keep_completed':'none','compat':'bullmq'}", "'keep_completed':'none','keep_failed':'all'" },
		{ "{'compat':'bullmq'}", "{'compat':null}", "'keep_failed':'all','events_max':10000,'metric_minutes':1440,'ids':'decimal','compat':null" },
		{ "{'compat':'bullmq','events_max':0}", "{}", "'events_max':0,'metric_minutes':1440,'ids':'decimal'" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct queue_settings settings;
		queue_settings_default(&settings);
		assert_true(queue_read(rows[i].first, &settings, NULL));
		assert_true(queue_read(rows[i].second, &settings, NULL));
		const char *written = queue_written(&settings);
		if (!strstr(written, quoted(&arena, rows[i].piece)))
			fail_msg("%s %s gives %s", rows[i].first, rows[i].second, written);
	}
}

static void test_refusals(void **state)
{
	static const struct { const char *text; enum err err; const char *field; } rows[] = {
		{ "", E_MALFORMED, "" },
		{ "[]", E_INVALID, "" },
		{ "{} {}", E_MALFORMED, NULL },
		{ "{'target':'push'}", E_INVALID, "target" },
		{ "{'target':null}", E_INVALID, "target" },
		{ "{'concurency':1}", E_UNKNOWN_FIELD, "concurency" },
		{ "{'concurrency':1,'concurrency':1}", E_INVALID, "concurrency" },
		{ "{'http':{'url':'ftp://a'}}", E_INVALID, "http.url" },
		{ "{'http':{'headers':{'Host':'a'}}}", E_INVALID, "http.headers.Host" },
		{ "{'http':{'final':[1]}}", E_INVALID, "http.final[0]" },
		{ "{'http':{'time_out_ms':1}}", E_UNKNOWN_FIELD, "http.time_out_ms" },
		{ "{'http':null}", E_INVALID, "http" },
		{ "{'retry':{'kind':'list','list_ms':[1,-2]}}", E_INVALID, "retry.list_ms[1]" },
		{ "{'retry':{'kind':'fixed','factor':3}}", E_INVALID, "retry.factor" },
		{ "{'retry':3}", E_INVALID, "retry" },
		{ "{'timeout_ms':-1}", E_INVALID, "timeout_ms" },
		{ "{'timeout_ms':1.0}", E_INVALID, "timeout_ms" },
		{ "{'ttl_ms':315360000001}", E_INVALID, "ttl_ms" },
		{ "{'lease_ms':0}", E_INVALID, "lease_ms" },
		{ "{'lease_ms':86400001}", E_INVALID, "lease_ms" },
		{ "{'max_stalls':-1}", E_INVALID, "max_stalls" },
		{ "{'concurrency':1000001}", E_INVALID, "concurrency" },
		{ "{'group_concurrency':4294967296}", E_INVALID, "group_concurrency" },
		{ "{'rate':5}", E_INVALID, "rate" },
		{ "{'rate':{}}", E_INVALID, "rate.max" },
		{ "{'rate':{'max':5}}", E_INVALID, "rate.per_ms" },
		{ "{'rate':{'per_ms':5}}", E_INVALID, "rate.max" },
		{ "{'rate':{'max':5,'per_ms':0}}", E_INVALID, "rate.per_ms" },
		{ "{'rate':{'max':1000001,'per_ms':1}}", E_INVALID, "rate.max" },
		{ "{'rate':{'max':-5,'per_ms':1}}", E_INVALID, "rate.max" },
		{ "{'rate':{'max':5,'per_s':1}}", E_UNKNOWN_FIELD, "rate.per_s" },
		{ "{'group_rate':'5/s'}", E_INVALID, "group_rate" },
		{ "{'rate':{'max':5,'per_ms':1,'window':'tumbling'}}", E_INVALID, "rate.window" },
		{ "{'limits':'airtable'}", E_INVALID, "limits" },
		{ "{'limits':['a','b','a']}", E_INVALID, "limits[2]" },
		{ "{'limits':['']}", E_INVALID, "limits[0]" },
		{ "{'limits':['a','b','c','d','e']}", E_INVALID, "limits[4]" },
		{ "{'retry_after':''}", E_INVALID, "retry_after" },
		{ "{'retry_after':null}", E_INVALID, "retry_after" },
		{ "{'rise_after_ms':-1}", E_INVALID, "rise_after_ms" },
		{ "{'rise_after_ms':null}", E_INVALID, "rise_after_ms" },
		{ "{'keep_completed':'some'}", E_INVALID, "keep_completed" },
		{ "{'keep_completed':true}", E_INVALID, "keep_completed" },
		{ "{'keep_completed':{'count':-1}}", E_INVALID, "keep_completed.count" },
		{ "{'keep_completed':{'bytes':9223372036854775808}}", E_INVALID, "keep_completed.bytes" },
		{ "{'keep_failed':{'age':1}}", E_UNKNOWN_FIELD, "keep_failed.age" },
		{ "{'keep_failed':null}", E_INVALID, "keep_failed" },
		{ "{'events_max':-1}", E_INVALID, "events_max" },
		{ "{'events_max':10000001}", E_INVALID, "events_max" },
		{ "{'metric_minutes':100001}", E_INVALID, "metric_minutes" },
		{ "{'ids':'counted'}", E_INVALID, "ids" },
		{ "{'compat':'sidekiq'}", E_INVALID, "compat" },
		{ "{'compat':true}", E_INVALID, "compat" },
		{ "{'compat':'bullmq','target':'http'}", E_INVALID, "target" },
		{ "{'metadata':[]}", E_INVALID, "metadata" },
		{ "{'metadata':'x'}", E_INVALID, "metadata" },
		{ "{'metadata':{'a':}}", E_MALFORMED, NULL },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct queue_settings settings;
		queue_settings_default(&settings);
		if (queue_read(rows[i].text, &settings, &problem))
			fail_msg("%s is accepted", rows[i].text);
		if (problem.err != rows[i].err || (rows[i].field && strcmp(problem.field, rows[i].field) != 0) || !problem.detail[0])
			fail_msg("%s: %s: '%s': %s", rows[i].text, err_code(problem.err), problem.field, problem.detail);
	}
}

/* Good fields before a bad one leave no trace either. */
static void test_a_refusal_changes_nothing(void **state)
{
	(void)state;
	struct queue_settings settings;
	queue_settings_default(&settings);
	assert_false(queue_read("{'target':'http','concurrency':5,'retry':{'delay_ms':1},'keep_failed':'none',"
				"'http':{'url':'http://a.test'},'metadata':7}", &settings, NULL));
	assert_string_equal(queue_written(&settings), quoted(&arena, DEFAULT_TEXT));
}

static void test_metadata_limit(void **state)
{
	(void)state;
	for (int extra = 0; extra <= 1; extra++) { /* {"":"…"} is 7 bytes besides the text */
		char *text = arena_printf(&arena, "{'metadata':{'':'%0*d'}}", 16384 - 7 + extra, 0);
		struct problem problem = { 0 };
		struct queue_settings settings;
		queue_settings_default(&settings);
		assert_int_equal(queue_read(text, &settings, &problem), !extra);
		assert_string_equal(problem.field, extra ? "metadata" : "");
	}
}

/* ---- a group's ---- */

static void test_groups(void **state)
{
	static const struct { const char *change, *whole; } rows[] = { /* one after another */
		{ "{}", "{}" },
		{ "{'concurrency':3}", "{'concurrency':3}" },
		{ "{'rate':{'max':5,'per_ms':1000}}", "{'concurrency':3,'rate':{'max':5,'per_ms':1000}}" },
		{ "{'concurrency':0}", "{'concurrency':0,'rate':{'max':5,'per_ms':1000}}" }, /* no limit, unlike its queue */
		{ "{'rate':{'max':0}}", "{'concurrency':0,'rate':{'max':0}}" },
		{ "{'concurrency':null}", "{'rate':{'max':0}}" }, /* as its queue */
		{ "{'limits':['a','b']}", "{'rate':{'max':0},'limits':['a','b']}" },
		{ "{'limits':[]}", "{'rate':{'max':0},'limits':[]}" }, /* none, unlike its queue */
		{ "{'limits':null,'weight':1000}", "{'rate':{'max':0},'weight':1000}" },
		{ "{'weight':1}", "{'rate':{'max':0},'weight':1}" },
		{ "{'weight':null}", "{'rate':{'max':0}}" },
		{ "{'rate':null}", "{}" },
		{ "{'rate':{'per_ms':1,'max':1},'concurrency':1000000}", "{'concurrency':1000000,'rate':{'max':1,'per_ms':1}}" },
	};
	(void)state;
	struct group_settings settings = { 0 };
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct group_settings again = { 0 };
		assert_true(group_read(rows[i].change, &settings, NULL));
		assert_string_equal(group_written(&settings), quoted(&arena, rows[i].whole));
		assert_true(group_read(rows[i].whole, &again, NULL));
		assert_string_equal(group_written(&again), quoted(&arena, rows[i].whole));
	}
}

static void test_group_refusals(void **state)
{
	static const struct { const char *text; enum err err; const char *field; } rows[] = {
		{ "null", E_INVALID, "" },
		{ "{'concurrency':-1}", E_INVALID, "concurrency" },
		{ "{'concurrency':1000001}", E_INVALID, "concurrency" },
		{ "{'concurrency':'3'}", E_INVALID, "concurrency" },
		{ "{'concurrency':nul}", E_MALFORMED, NULL },
		{ "{'concurrency':1,'rate':{'max':5}}", E_INVALID, "rate.per_ms" },
		{ "{'concurrency':1,'rate':[]}", E_INVALID, "rate" },
		{ "{'concurrency':1,'limits':['a','a']}", E_INVALID, "limits[1]" },
		{ "{'concurrency':1,'weight':0}", E_INVALID, "weight" },
		{ "{'concurrency':1,'weight':1001}", E_INVALID, "weight" },
		{ "{'concurrency':1,'weight':'heavy'}", E_INVALID, "weight" },
		{ "{'concurrency':1,'group_rate':null}", E_UNKNOWN_FIELD, "group_rate" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		struct group_settings settings = { 0 };
		if (group_read(rows[i].text, &settings, &problem))
			fail_msg("%s is accepted", rows[i].text);
		if (problem.err != rows[i].err || (rows[i].field && strcmp(problem.field, rows[i].field) != 0) || !problem.detail[0])
			fail_msg("%s: %s: '%s': %s", rows[i].text, err_code(problem.err), problem.field, problem.detail);
		assert_string_equal(group_written(&settings), quoted(&arena, "{}"));
	}
}

/* ---- random settings ---- */

static void random_ranges(struct dice *dice, struct http_range *ranges)
{
	for (int64_t i = 0, count = dice_between(dice, 0, HTTP_STATUS_RANGES); i < count; i++) {
		ranges[i].from = (uint16_t)dice_between(dice, 100, 599);
		ranges[i].to = (uint16_t)dice_number(dice, ranges[i].from, 599);
	}
}

static struct rate random_rate(struct dice *dice)
{
	if (dice_throw(dice) % 3 == 0)
		return (struct rate){ 0 };
	return (struct rate){ .max = (uint32_t)dice_number(dice, 1, LIMIT_RATE_MAX), .per_ms = dice_number(dice, 1, LIMIT_DURATION_MS) };
}

static struct retention random_retention(struct dice *dice)
{
	if (dice_throw(dice) % 4 == 0)
		return (struct retention){ .none = true };
	return (struct retention){ .count = (uint64_t)dice_number(dice, 0, INT64_MAX), .age_ms = dice_number(dice, 0, LIMIT_DURATION_MS),
				   .bytes = (uint64_t)dice_number(dice, 0, INT64_MAX) };
}

static void queue_settings_random(struct dice *dice, struct queue_settings *out)
{
	static const struct str urls[] = { STR(""), STR("http://a"), STR("https://b.test:8443/x?y={z}|[1]#e") };
	static const struct str methods[] = { STR("GET"), STR("POST"), STR("PUT"), STR("PATCH"), STR("DELETE") };
	static const struct str headers[] = { { 0 }, STR("{\"a\":\"\"}"), STR("{ \"X-\\u0041\" : \"\\\"é\\\"\",\n\"b\":\"\\\\\" }") };
	static const struct str metadata[] = { { 0 }, STR("{\"a\":{}}"), STR("{ \"\\u0000\" : [1e400, null] }") };
	queue_settings_default(out);
	out->target = (enum target_kind)dice_between(dice, 0, TARGET_KIND_COUNT - 1);
	out->ids = (enum id_kind)dice_between(dice, 0, ID_KIND_COUNT - 1);
	out->compat = out->target == TARGET_PULL ? (enum compat)dice_between(dice, 0, COMPAT_COUNT - 1) : COMPAT_NONE;
	out->http.url = urls[dice_throw(dice) % ARRAY_COUNT(urls)];
	out->http.method = methods[dice_throw(dice) % ARRAY_COUNT(methods)];
	out->http.headers = headers[dice_throw(dice) % ARRAY_COUNT(headers)];
	out->http.timeout_ms = dice_number(dice, 0, 86400000);
	random_ranges(dice, out->http.policy.success);
	random_ranges(dice, out->http.policy.retry);
	random_ranges(dice, out->http.policy.final);
	out->retry.max_attempts = (uint32_t)dice_number(dice, 1, LIMIT_ATTEMPTS); /* policies have a test of their own */
	out->timeout_ms = dice_number(dice, 0, LIMIT_DURATION_MS);
	out->ttl_ms = dice_number(dice, 0, LIMIT_DURATION_MS);
	out->lease_ms = dice_number(dice, 1, LIMIT_LEASE_MS);
	out->max_stalls = (uint32_t)dice_number(dice, 0, LIMIT_ATTEMPTS);
	out->concurrency = (uint32_t)dice_number(dice, 0, 1000000);
	out->rate = random_rate(dice);
	out->group_concurrency = (uint32_t)dice_number(dice, 0, 1000000);
	out->group_rate = random_rate(dice);
	out->keep_completed = random_retention(dice);
	out->keep_failed = random_retention(dice);
	out->events_max = (uint32_t)dice_number(dice, 0, LIMIT_EVENTS_KEPT);
	out->metric_minutes = (uint32_t)dice_number(dice, 0, LIMIT_METRIC_MINUTES);
	out->metadata = metadata[dice_throw(dice) % ARRAY_COUNT(metadata)];
}

static void assert_same_rate(const struct rate *a, const struct rate *b)
{
	assert_int_equal(a->max, b->max);
	assert_int_equal(a->per_ms, b->per_ms);
}

static void assert_same_retention(const struct retention *a, const struct retention *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->age_ms, b->age_ms);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->none, b->none);
}

static void assert_same_settings(const struct queue_settings *a, const struct queue_settings *b)
{
	assert_int_equal(a->target, b->target);
	assert_true(str_eq(a->http.url, b->http.url));
	assert_true(str_eq(a->http.method, b->http.method));
	assert_true(str_eq(a->http.headers, b->http.headers));
	assert_int_equal(a->http.timeout_ms, b->http.timeout_ms);
	assert_memory_equal(&a->http.policy, &b->http.policy, sizeof(a->http.policy));
	assert_memory_equal(&a->retry, &b->retry, sizeof(a->retry));
	assert_int_equal(a->timeout_ms, b->timeout_ms);
	assert_int_equal(a->ttl_ms, b->ttl_ms);
	assert_int_equal(a->lease_ms, b->lease_ms);
	assert_int_equal(a->max_stalls, b->max_stalls);
	assert_int_equal(a->concurrency, b->concurrency);
	assert_same_rate(&a->rate, &b->rate);
	assert_int_equal(a->group_concurrency, b->group_concurrency);
	assert_same_rate(&a->group_rate, &b->group_rate);
	assert_same_retention(&a->keep_completed, &b->keep_completed);
	assert_same_retention(&a->keep_failed, &b->keep_failed);
	assert_int_equal(a->events_max, b->events_max);
	assert_int_equal(a->metric_minutes, b->metric_minutes);
	assert_int_equal(a->ids, b->ids);
	assert_int_equal(a->compat, b->compat);
	assert_true(str_eq(a->metadata, b->metadata));
}

/* Whatever was there before, settings that are written and read again are the same. */
static void test_round_trips(void **state)
{
	struct dice dice = { 5 };
	(void)state;
	for (unsigned n = 0; n < 3000; n++) {
		struct queue_settings settings, again;
		struct problem problem = { 0 };
		queue_settings_random(&dice, &settings);
		queue_settings_random(&dice, &again);
		again.metadata = (struct str){ 0 }; /* or it would be merged */
		const char *text = queue_written(&settings);
		if (!queue_read(text, &again, &problem))
			fail_msg("%s: %s: %s", text, problem.field, problem.detail);
		assert_same_settings(&settings, &again);
		assert_string_equal(queue_written(&again), text);
		arena_reset(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_default, forget),
		cmocka_unit_test_teardown(test_whole_texts_come_back, forget),
		cmocka_unit_test_teardown(test_changes, forget),
		cmocka_unit_test_teardown(test_groups_of_an_http_queue, forget),
		cmocka_unit_test_teardown(test_a_queue_in_compat_mode, forget),
		cmocka_unit_test_teardown(test_refusals, forget),
		cmocka_unit_test_teardown(test_a_refusal_changes_nothing, forget),
		cmocka_unit_test_teardown(test_metadata_limit, forget),
		cmocka_unit_test_teardown(test_groups, forget),
		cmocka_unit_test_teardown(test_group_refusals, forget),
		cmocka_unit_test_teardown(test_round_trips, forget),
	};
	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
