#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/endpoint.h"
#include "rules/quoted_test.h"

static struct arena arena; /* of the test that runs */

static int forget(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static bool read_over(const char *text, struct endpoint_settings *out, struct problem *problem)
{
	struct json json;
	*problem = (struct problem){ 0 };
	json_init(&json, quoted_str(&arena, str_of(text)), &arena, problem);
	return endpoint_settings_read(&json, out) && json_finish(&json);
}

static struct endpoint_settings settings_of(const char *text)
{
	struct endpoint_settings settings;
	struct problem problem;
	endpoint_settings_default(&settings);
	if (!read_over(text, &settings, &problem))
		fail_msg("%s: %s: %s", text, problem.field, problem.detail);
	return settings;
}

static struct str text_of(const struct endpoint_settings *settings)
{
	struct buf buf = { .max_bytes = 65536 };
	endpoint_settings_write(settings, &buf);
	assert_true(buf_ok(&buf));
	struct str text = arena_str(&arena, buf_str(&buf));
	buf_fini(&buf);
	return text;
}

#define WHOLE                                                                                                                            \
	"{'kind':'push','url':'https://crm.example/things','method':'POST','update_url':'https://crm.example/things/{external_id}',"     \
	"'update_method':'PUT','types':['fiche.*','plan.created'],'channels':['fr'],'filter':{'open':true},'format':'communs',"          \
	"'content_type':null,'headers':{'client_id':{'secret':'connect-id'},'x-team':'a'},'auth':{'kind':'basic','secret':'crm',"        \
	"'user':null},'tls':{'ca':'own-ca','certificate':null,'key':null},'sign':{'kind':'both','secret':'hmac','secret_v1a':'ed',"      \
	"'prefix':'svix'},'timeout_ms':9000,'policy':{'success':null,'retry':[409],'final':['501-503']},'retry':{'kind':'list',"         \
	"'max_attempts':3,'list_ms':[1000,5000],'max_delay_ms':0,'jitter':'none'},'concurrency':3,'rate':{'max':5,'per_ms':1000},"       \
	"'limits':['airtable'],'retry_after':'airtable','order':'latest','fifo_on_failure':'go_on','external_id':'$.data.id',"           \
	"'retract':{'method':'DELETE','url':'https://crm.example/things/{external_id}','body':'none'},'batch':null,"                     \
	"'hold_max':5,'breaker':{'failures':3,'open_ms':1000,'open_ms_max':60000},"       \
	"'slow_down_ms':250,'disable_after_ms':0,'tags':['crm'],'metadata':{'team':'a'}}"

static void what_was_read_is_written(void **state)
{
	(void)state;
	struct endpoint_settings settings = settings_of(WHOLE);
	struct str text = text_of(&settings);
	if (!str_eq(text, quoted_str(&arena, STR(WHOLE))))
		fail_msg(STR_FMT, STR_ARG(text));
	struct endpoint_settings plain = settings_of("{'url':'https://h/'}"), again;
	struct problem problem;
	text = text_of(&plain);
	endpoint_settings_default(&again);
	if (!read_over(text.ptr, &again, &problem)) /* what GET shows, PUT takes */
		fail_msg("%s: %s", problem.field, problem.detail);
	assert_true(str_eq(text_of(&again), text));
}

static void a_batch_is_read_and_written(void **state)
{
	struct problem problem;
	(void)state;
	struct endpoint_settings settings = settings_of("{'url':'https://h/','order':'latest','batch':{'max':10,'wait_ms':50,'wrap':'airtable','results':'$.records[*].id'}}");
	struct str text = text_of(&settings);
	assert_int_equal(settings.batch.max, 10);
	assert_non_null(strstr(text.ptr, "\"batch\":{\"max\":10,\"wait_ms\":50,\"wrap\":\"airtable\",\"results\":\"$.records[*].id\"}"));
	assert_true(read_over("{'batch':null}", &settings, &problem));
	assert_int_equal(settings.batch.max, 0);
}

static void a_patch_keeps_the_rest(void **state)
{
	struct problem problem;
	(void)state;
	struct endpoint_settings settings = settings_of(WHOLE);
	assert_true(read_over("{'auth':{'user':'me'},'metadata':{'team':null,'b':1},'sign':{'prefix':'webhook'},'batch':null,'filter':null}", &settings, &problem));
	assert_true(str_eq(settings.auth.secret, STR("crm")) && str_eq(settings.auth.user, STR("me")));
	assert_true(str_eq(settings.metadata, STR("{\"b\":1}")));
	assert_true(settings.sign.kind == ENDPOINT_SIGN_BOTH && !settings.sign.svix);
	assert_int_equal(settings.batch.max, 0);
	assert_int_equal(settings.filter.len, 0);
	assert_int_equal(settings.timeout_ms, 9000);
}

static void refuses_with_the_field(void **state)
{
	static const struct {
		const char *text, *field, *detail;
	} rows[] = {
		{ "{}", "url", "push needs a URL" },
		{ "{'url':'ftp://h/'}", "url", "http" },
		{ "{'url':'https://{entity}/'}", "url", "host" },
		{ "{'url':'https://h/{x}'}", "url", "{external_id}" },
		{ "{'url':'https://h/{external_id}'}", "order", "latest or fifo" },
		{ "{'url':'https://h/','update_url':'https://h/{external_id}'}", "order", "twice" },
		{ "{'url':'https://h/{external_id}','order':'fifo','external_id':null}", "external_id", "where the answer has it" },
		{ "{'url':'https://h/','kind':'pull'}", "kind", "push" },
		{ "{'kind':'poll','format':'communs'}", "format", "built-in" },
		{ "{'kind':'poll','format':'form'}", "format", "built-in" },
		{ "{'kind':'poll','url':'https://x/'}", "url", "not called" },
		{ "{'url':'https://h/','types':['a b']}", "types[0]", "letters" },
		{ "{'url':'https://h/','types':['a','*','a.*','']}", "types[3]", "1 to 255" },
		{ "{'url':'https://h/','types':['a.*.b']}", "types[0]", "letters" },
		{ "{'url':'https://h/','filter':{'a':{'$gr':1}}}", "filter.a.$gr", "$gt" },
		{ "{'url':'https://h/','format':''}", "format", "" },
		{ "{'url':'https://h/','headers':{'Host':'x'}}", "headers.Host", "itself" },
		{ "{'url':'https://h/','headers':{'webhook-id':'x'}}", "headers.webhook-id", "signature" },
		{ "{'url':'https://h/','headers':{'Svix-Id':'x'}}", "headers.Svix-Id", "signature" },
		{ "{'url':'https://h/','headers':{'Idempotency-Key':'x'}}", "headers.Idempotency-Key", "message's id" },
		{ "{'url':'https://h/','headers':{'x-api-key':'open'}}", "headers.x-api-key", "store it as one" },
		{ "{'url':'https://h/','headers':{'a':'x\\ny'}}", "headers.a", "line breaks" },
		{ "{'url':'https://h/','headers':{'a':'x','A':'y'}}", "headers.A", "twice" },
		{ "{'url':'https://h/','headers':{'a':{'secret':'s p'}}}", "headers.a.secret", "named here" },
		{ "{'url':'https://h/','headers':{'a':{}}}", "headers.a.secret", "required" },
		{ "{'url':'https://h/','auth':{'kind':'bearer'}}", "auth.secret", "Store it first" },
		{ "{'url':'https://h/','auth':{'kind':'oauth2','secret':'s'}}", "auth.token_url", "tokens" },
		{ "{'url':'https://h/','auth':{'kind':'oauth2','secret':'s','token_url':'https://h/t'}}", "auth.client_id", "id" },
		{ "{'url':'https://h/','auth':{'kind':'basic','secret':'s','user':'a:b'}}", "auth.user", "colon" },
		{ "{'url':'https://h/','auth':{'kind':'digest'}}", "auth.kind", "oauth2" },
		{ "{'url':'https://h/','tls':{'certificate':'c'}}", "tls.key", "together" },
		{ "{'url':'https://h/','sign':{'kind':'both'}}", "sign.secret_v1a", "Ed25519" },
		{ "{'url':'https://h/','retry_after':''}", "retry_after", "group" },
		{ "{'url':'https://h/','order':'lifo'}", "order", "fifo" },
		{ "{'url':'https://h/','external_id':'id'}", "external_id", "$" },
		{ "{'url':'https://h/','retract':{}}", "retract.url", "required" },
		{ "{'url':'https://h/','batch':{'max':1}}", "batch.max", "2" },
		{ "{'url':'https://h/','batch':{'max':2},'order':'fifo'}", "batch", "alone" },
		{ "{'url':'https://h/{entity}','batch':{'max':2}}", "url", "several" },
		{ "{'url':'https://h/?t={type}','batch':{'max':2}}", "url", "{type}" },
		{ "{'url':'https://h/','update_url':'https://h/u','batch':{'max':2}}", "update_url", "leave it out" },
		{ "{'url':'https://h/','update_method':'PUT','batch':{'max':2}}", "update_method", "leave it out" },
		{ "{'url':'https://h/','retract':{'url':'https://h/'},'batch':{'max':2}}", "retract", "leave it out" },
		{ "{'url':'https://h/','method':'GET','batch':{'max':2}}", "method", "body" },
		{ "{'url':'https://h/','format':'form','batch':{'max':2}}", "format", "JSON" },
		{ "{'url':'https://h/','format':'cloudevents-binary','batch':{'max':2}}", "format", "JSON" },
		{ "{'url':'https://h/','batch':{'max':2,'wrap':'raw'}}", "batch.wrap", "stored" },
		{ "{'url':'https://h/','breaker':{'open_ms':10,'open_ms_max':5}}", "breaker.open_ms_max", "shorter" },
		{ "{'url':'https://h/','tags':[1]}", "tags[0]", "string" },
		{ "{'url':'https://h/','metadata':[]}", "metadata", "object" },
		{ "{'uri':'https://h/'}", "uri", "url" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct endpoint_settings settings;
		struct problem problem;
		endpoint_settings_default(&settings);
		if (read_over(rows[i].text, &settings, &problem))
			fail_msg("%s was taken", rows[i].text);
		if (strcmp(problem.field, rows[i].field) != 0 || !strstr(problem.detail, rows[i].detail))
			fail_msg("%s: %s: %s", rows[i].text, problem.field, problem.detail);
		assert_int_equal(settings.url.len, 0); /* untouched */
	}
}

static void types_and_channels_choose(void **state)
{
	(void)state;
	struct endpoint_settings some = settings_of("{'url':'https://h/','types':['fiche.*','plan.created','endpoint.failing'],'channels':['fr','eu']}");
	struct endpoint_settings all = settings_of("{'url':'https://h/','types':['*']}"), none = settings_of("{'url':'https://h/'}");
	static const struct {
		const char *type;
		bool some, all;
	} rows[] = {
		{ "fiche.updated", true, true }, { "fiche.a.b", true, true }, { "fiche", false, true }, { "fiches.x", false, true },
		{ "plan.created", true, true }, { "plan.deleted", false, true }, { "endpoint.failing", true, false }, { "endpoint.disabled", false, false },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_int_equal(endpoint_wants_type(&some, str_of(rows[i].type)), rows[i].some);
		assert_int_equal(endpoint_wants_type(&all, str_of(rows[i].type)), rows[i].all);
		assert_false(endpoint_wants_type(&none, str_of(rows[i].type)));
	}
	const struct str french = STR("fr"), other[] = { STR("us"), STR("eu") }, alien = STR("us");
	assert_true(endpoint_wants_channels(&some, NULL, 0));
	assert_true(endpoint_wants_channels(&some, &french, 1));
	assert_true(endpoint_wants_channels(&some, other, 2));
	assert_false(endpoint_wants_channels(&some, &alien, 1));
	assert_true(endpoint_wants_channels(&all, &alien, 1));
}

static bool add_secret(void *context, const char *field, struct str secret)
{
	buf_addf(context, "%s=" STR_FMT " ", field, STR_ARG(secret));
	return !str_eq(secret, STR("ed"));
}

static void secrets_are_visited(void **state)
{
	struct buf buf = { .max_bytes = 1000 };
	(void)state;
	struct endpoint_settings settings = settings_of(WHOLE);
	assert_false(endpoint_each_secret(&settings, &arena, add_secret, &buf));
	assert_true(str_eq(buf_str(&buf), STR("auth.secret=crm tls.ca=own-ca sign.secret=hmac sign.secret_v1a=ed ")));
	buf_clear(&buf);
	settings.sign.kind = ENDPOINT_SIGN_NONE;
	assert_true(endpoint_each_secret(&settings, &arena, add_secret, &buf));
	assert_true(str_eq(buf_str(&buf), STR("auth.secret=crm tls.ca=own-ca headers=connect-id ")));
	buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_was_read_is_written, forget), cmocka_unit_test_teardown(a_patch_keeps_the_rest, forget),
		cmocka_unit_test_teardown(refuses_with_the_field, forget),   cmocka_unit_test_teardown(types_and_channels_choose, forget),
		cmocka_unit_test_teardown(secrets_are_visited, forget),      cmocka_unit_test_teardown(a_batch_is_read_and_written, forget),
	};
	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
