/* src/engine/namer_test.c: who names a format or a secret, told in lists; what goes with an endpoint and what stays. */
#include "engine/test_world.h"
#include <stdio.h>

static struct request *named_request(struct world *world, enum op_kind kind, enum named_kind what, const char *name, const char *text)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].named = (struct op_named){ .kind = what, .named.name = str_of(name), .text = str_of(text), .replace = true };
	return request;
}

static enum err put(struct world *world, enum named_kind what, const char *name, const char *text)
{
	return world_err(world, named_request(world, OP_NAMED_PUT, what, name, text));
}

static enum err del(struct world *world, enum named_kind what, const char *name)
{
	return world_err(world, named_request(world, OP_NAMED_DELETE, what, name, ""));
}

/* "a: crm dms; b: ;" of a list. */
static void listed(struct world *world, enum named_kind what, const char *wanted)
{
	char text[1024] = "";
	struct request *request = named_request(world, OP_NAMEDS, what, "", "");
	assert_ptr_equal(world_ask(world, request), request);
	for (uint32_t i = 0; i < request->ops[0].result.count; i++) {
		const struct named_info *info = &request->ops[0].result.nameds[i];
		size_t len = strlen(text);
		assert_true(info->namers_known);
		len += (size_t)snprintf(text + len, sizeof(text) - len, STR_FMT ":", STR_ARG(info->named.name));
		for (uint64_t at = 0; at < info->namer_count && at < NAMERS_TOLD; at++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, " %s" STR_FMT, info->namers[at].kind == NAMED_SOURCE ? "in/" : "",
						STR_ARG(info->namers[at].name));
		snprintf(text + len, sizeof(text) - len, ";");
	}
	request_drop(request);
	assert_string_equal(text, wanted);
}

static void names_are_told(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (const char *name = "abcdz"; *name; name++) {
		char text[2] = { *name, '\0' };
		assert_int_equal(put(&world, NAMED_SECRET, text, "{}"), E_OK);
	}
	assert_int_equal(put(&world, NAMED_SECRET, "endpoint/crm", "{}"), E_OK);
	assert_int_equal(put(&world, NAMED_FORMAT, "f", "{\"program\":\".\"}"), E_OK);
	assert_int_equal(put(&world, NAMED_FORMAT, "g", "{\"program\":\".\"}"), E_OK);
	assert_int_equal(put(&world, NAMED_ENDPOINT, "crm", "{\"url\":\"https://x/\",\"format\":\"f\",\"auth\":{\"kind\":\"bearer\",\"secret\":\"a\"},"
			     "\"headers\":{\"x-a\":{\"secret\":\"store:b\"},\"x-b\":{\"secret\":\"b\"},\"x-c\":{\"secret\":\"file:c\"}}}"), E_OK);
	assert_int_equal(put(&world, NAMED_ENDPOINT, "dms", "{\"url\":\"https://x/\",\"format\":\"f\",\"sign\":{\"secret\":\"a\"}}"), E_OK);
	assert_int_equal(put(&world, NAMED_ENDPOINT, "plain", "{\"url\":\"https://x/\",\"sign\":{\"kind\":\"none\"}}"), E_OK);
	assert_int_equal(put(&world, NAMED_SOURCE, "github", "{\"verify\":{\"kind\":\"github\",\"secret\":\"d\"},\"into\":{\"job\":{\"queue\":\"q\"}}}"), E_OK);
	listed(&world, NAMED_SECRET, "a: crm dms;b: crm;c:;d: in/github;endpoint/crm: crm;z:;");
	listed(&world, NAMED_FORMAT, "f: crm dms;g:;");
	world_crash(&world);
	listed(&world, NAMED_SECRET, "a: crm dms;b: crm;c:;d: in/github;endpoint/crm: crm;z:;");
	struct request *request = named_request(&world, OP_NAMED_DELETE, NAMED_FORMAT, "f", "");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_CONFLICT);
	assert_non_null(strstr(request->ops[0].result.problem->detail, "'crm' and 1 more: change that first"));
	request_drop(request);
	assert_int_equal(del(&world, NAMED_FORMAT, "g"), E_OK);
	world_close(&world);
}

static void many_are_counted(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, NAMED_FORMAT, "f", "{\"program\":\".\"}"), E_OK);
	for (int i = 0; i < NAMERS_TOLD + 3; i++) {
		char name[16];
		snprintf(name, sizeof(name), "e%02d", i);
		assert_int_equal(put(&world, NAMED_ENDPOINT, name, "{\"url\":\"https://x/\",\"format\":\"f\"}"), E_OK);
	}
	struct request *request = named_request(&world, OP_NAMED_GET, NAMED_FORMAT, "f", "");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.nameds->namer_count, NAMERS_TOLD + 3);
	request_drop(request);
	world_close(&world);
}

/* The endpoint's own secret goes with it, unless somebody else names it. */
static void an_endpoint_takes_its_secret_along(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(put(&world, NAMED_SECRET, "endpoint/crm", "{}"), E_OK);
		assert_int_equal(put(&world, NAMED_SECRET, "endpoint/other", "{}"), E_OK);
		assert_int_equal(put(&world, NAMED_ENDPOINT, "crm", "{\"url\":\"https://x/\"}"), E_OK);
		if (round == 0)
			assert_int_equal(put(&world, NAMED_ENDPOINT, "dms", "{\"url\":\"https://x/\",\"sign\":{\"secret\":\"store:endpoint/crm\"}}"), E_OK);
		assert_int_equal(del(&world, NAMED_ENDPOINT, "crm"), E_OK);
		assert_int_equal(del(&world, NAMED_SECRET, "endpoint/crm"), round == 0 ? E_OK : E_SECRET_NOT_FOUND);
		assert_int_equal(del(&world, NAMED_SECRET, "endpoint/other"), E_OK);
		if (round == 0)
			assert_int_equal(del(&world, NAMED_ENDPOINT, "dms"), E_OK);
	}
	world_crash(&world);
	assert_int_equal(del(&world, NAMED_SECRET, "endpoint/crm"), E_SECRET_NOT_FOUND);
	world_close(&world);
}

static void only_where_there_is_none(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	for (int round = 0; round < 2; round++) {
		struct request *request = named_request(&world, OP_NAMED_PUT, NAMED_SECRET, "s", "{}");
		request->ops[0].named.over = NAMED_OVER_NOTHING;
		assert_int_equal(world_err(&world, request), round ? E_CONFLICT : E_OK);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_told), cmocka_unit_test(many_are_counted), cmocka_unit_test(an_endpoint_takes_its_secret_along),
		cmocka_unit_test(only_where_there_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
