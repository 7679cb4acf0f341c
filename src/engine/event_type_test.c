/* src/engine/event_type_test.c: the catalogue of event types: kept, listed, archived, deleted; and what it lets through where only listed types are taken. */
#include "engine/test_world.h"
#include "store/mem/disk.h"

static struct request *type_request(struct world *world, enum op_kind kind, const char *name, const char *text)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].named = (struct op_named){ .kind = NAMED_EVENT_TYPE, .named.name = str_of(name), .text = str_of(text), .replace = true };
	return request;
}

static enum err put(struct world *world, const char *name, const char *text)
{
	return world_err(world, type_request(world, OP_NAMED_PUT, name, text));
}

static enum err patch(struct world *world, const char *name, const char *text)
{
	struct request *request = type_request(world, OP_NAMED_PUT, name, text);
	request->ops[0].named.replace = false;
	return world_err(world, request);
}

static enum err delete(struct world *world, const char *name)
{
	return world_err(world, type_request(world, OP_NAMED_DELETE, name, ""));
}

static enum err other(struct world *world, enum named_kind kind, const char *name, const char *text, bool replace)
{
	struct request *request = type_request(world, OP_NAMED_PUT, name, text);
	request->ops[0].named.kind = kind;
	request->ops[0].named.replace = replace;
	return world_err(world, request);
}

static enum err endpoint(struct world *world, const char *name, const char *types)
{
	char text[512];
	snprintf(text, sizeof(text), "{\"url\":\"https://x.example/\",\"types\":%s}", types);
	return other(world, NAMED_ENDPOINT, name, text, true);
}

static struct request *message(struct world *world, const char *type)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_MESSAGE;
	request->ops[0].message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = str_of(type), .payload = STR("{}") };
	return request;
}

/* "a b!": those of a page; with '!' behind those of ruche's own. */
static void assert_listed(struct world *world, const char *after, uint32_t limit, bool archived, const char *wanted)
{
	char text[1024] = "";
	struct request *request = type_request(world, OP_NAMEDS, "", "");
	request->ops[0].named.after = str_of(after);
	request->ops[0].named.limit = limit;
	request->ops[0].named.archived = archived;
	assert_ptr_equal(world_ask(world, request), request);
	for (uint32_t i = 0; i < request->ops[0].result.count; i++) {
		const struct named_info *info = &request->ops[0].result.nameds[i];
		size_t len = strlen(text);
		assert_int_equal(info->kind, NAMED_EVENT_TYPE);
		assert_true(info->namers_known && info->text.len && str_eq(info->named.namespace_name, STR("default")));
		snprintf(text + len, sizeof(text) - len, "%s" STR_FMT "%s", i ? " " : "", STR_ARG(info->named.name), info->built_in ? "!" : "");
	}
	strcat(text, request->ops[0].result.more ? " …" : "");
	request_drop(request);
	assert_string_equal(text, wanted);
}

static void assert_text(struct world *world, const char *name, const char *text, uint64_t named_by, uint64_t wanted_by)
{
	struct request *request = type_request(world, OP_NAMED_GET, name, "");
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	const struct named_info *info = request->ops[0].result.nameds;
	if (text && !str_eq(info->text, str_of(text)))
		fail_msg("'" STR_FMT "'", STR_ARG(info->text));
	assert_int_equal(info->namer_count, named_by);
	assert_int_equal(info->wanted_by, wanted_by);
	request_drop(request);
}

static void assert_refused(struct world *world, struct request *request, enum err err, const char *field, const char *words)
{
	assert_ptr_equal(world_ask(world, request), request);
	const struct op_result *result = &request->ops[0].result;
	assert_int_equal(result->err, err);
	assert_non_null(result->problem);
	assert_string_equal(result->problem->field, field);
	if (!strstr(result->problem->detail, words))
		fail_msg("%s", result->problem->detail);
	request_drop(request);
}

#define OURS "delivery.exhausted! endpoint.disabled! endpoint.failing! endpoint.recovered! endpoint.test!"
#define EMPTY "{\"archived\":false,\"description\":null,\"tags\":[],\"schema\":null,\"example\":null}"
#define SCHEMA "{\"archived\":false,\"description\":\"made\",\"tags\":[],\"schema\":{\"type\" : \"object\"},\"example\":null}"

/* ---- kept ---- */

static void it_is_kept_listed_and_archived(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_listed(&world, "", 0, false, OURS);
	assert_int_equal(patch(&world, "fiche.made", "{}"), E_EVENT_TYPE_NOT_FOUND);
	assert_int_equal(put(&world, "fiche.made", "{\"description\":\"made\",\"schema\":{\"type\" : \"object\"}}"), E_OK);
	assert_int_equal(put(&world, "a", "{}"), E_OK);
	assert_int_equal(put(&world, "zone", "{}"), E_OK);
	assert_int_equal(patch(&world, "zone", "{\"archived\":true}"), E_OK);
	assert_listed(&world, "", 0, false, "a " OURS " fiche.made");
	assert_listed(&world, "", 0, true, "a " OURS " fiche.made zone");
	assert_listed(&world, "", 3, true, "a delivery.exhausted! endpoint.disabled! …");
	assert_listed(&world, "endpoint.disabled", 4, true, "endpoint.failing! endpoint.recovered! endpoint.test! fiche.made …");
	assert_listed(&world, "fiche.made", 4, true, "zone");
	assert_listed(&world, "fiche.made", 4, false, "");
	world_crash(&world);
	assert_listed(&world, "", 0, false, "a " OURS " fiche.made");
	assert_text(&world, "fiche.made", SCHEMA, 0, 0);
	assert_int_equal(world_effects(&world, EFFECT_NAMED), 1); /* "forget all": nobody else has to know of it */
	assert_int_equal(patch(&world, "zone", "{\"archived\":false}"), E_OK);
	assert_text(&world, "zone", EMPTY, 0, 0);
	assert_int_equal(delete(&world, "zone"), E_OK);
	assert_int_equal(delete(&world, "zone"), E_EVENT_TYPE_NOT_FOUND);
	assert_listed(&world, "endpoint.test", 0, true, "fiche.made");
	world_close(&world);
}

static void nonsense_and_our_own_are_refused(void **state)
{
	static char large[LIMIT_NAMED_BYTES + 64], body[LIMIT_NAMED_BYTES];
	struct world world;
	(void)state;
	world_open(&world);
	assert_refused(&world, type_request(&world, OP_NAMED_PUT, "a", "{\"schema\":[]}"), E_INVALID, "schema", "object");
	assert_refused(&world, type_request(&world, OP_NAMED_PUT, "a", "{\"shema\":{}}"), E_UNKNOWN_FIELD, "shema", "did you mean \"schema\"?");
	snprintf(large, sizeof(large), "{\"example\":\"%0*d\"}", LIMIT_NAMED_BYTES, 0);
	assert_refused(&world, type_request(&world, OP_NAMED_PUT, "a", large), E_TOO_LARGE, "", "65536");
	snprintf(body, sizeof(body), "{\"example\":\"%0*d\"}", LIMIT_NAMED_BYTES - 100, 0); /* alone it has room, and then no more */
	assert_int_equal(put(&world, "a", body), E_OK);
	struct request *request = type_request(&world, OP_NAMED_PUT, "a", "{\"schema\":{\"description\":\"0123456789012345678901234567890123456789\"}}");
	request->ops[0].named.replace = false;
	assert_refused(&world, request, E_TOO_LARGE, "", "65536");
	assert_int_equal(patch(&world, "a", "{\"example\":null}"), E_OK);
	assert_text(&world, "a", EMPTY, 0, 0);
	request = type_request(&world, OP_NAMED_PUT, "a", "{}");
	request->ops[0].named.over = NAMED_OVER_NOTHING;
	assert_refused(&world, request, E_CONFLICT, "", "there already");
	assert_refused(&world, type_request(&world, OP_NAMED_PUT, "endpoint.test", "{}"), E_CONFLICT, "type", "itself");
	assert_refused(&world, type_request(&world, OP_NAMED_DELETE, "delivery.exhausted", ""), E_CONFLICT, "type", "itself");
	assert_text(&world, "endpoint.test", NULL, 0, 0);
	world_close(&world);
}

/* By its very name it is kept from being deleted; who wants it by another is only counted. Of another namespace nothing counts. */
static void who_wants_it_is_told(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "fiche.made", "{}"), E_OK);
	assert_int_equal(put(&world, "fiche.gone", "{}"), E_OK);
	assert_int_equal(endpoint(&world, "all", "[\"*\"]"), E_OK);
	assert_int_equal(endpoint(&world, "fiches", "[\"fiche.*\",\"endpoint.failing\"]"), E_OK);
	assert_int_equal(endpoint(&world, "one", "[\"fiche.made\",\"note\",\"fiche.made\"]"), E_OK);
	assert_int_equal(endpoint(&world, "two", "[\"fiche.made\"]"), E_OK);
	struct request *request = type_request(&world, OP_NAMED_PUT, "away", "{\"url\":\"https://x.example/\",\"types\":[\"fiche.made\"]}");
	request->ops[0].named.kind = NAMED_ENDPOINT;
	request->ops[0].named.named.namespace_name = STR("team");
	assert_int_equal(world_err(&world, request), E_OK);
	assert_text(&world, "fiche.made", EMPTY, 2, 4);
	assert_text(&world, "fiche.gone", EMPTY, 0, 2);
	assert_text(&world, "endpoint.failing", NULL, 1, 1);
	assert_refused(&world, type_request(&world, OP_NAMED_DELETE, "fiche.made", ""), E_CONFLICT, "", "endpoint 'one' and 1 more: change that first, or archive");
	assert_int_equal(delete(&world, "fiche.gone"), E_OK);
	assert_int_equal(patch(&world, "fiche.made", "{\"archived\":true}"), E_OK);
	request = message(&world, "fiche.made");
	assert_ptr_equal(world_ask(&world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	assert_int_equal(request->ops[0].result.units, 4); /* archived, and delivered all the same */
	request_drop(request);
	world_close(&world);
}

/* ---- only those that are listed ---- */

static void listed_only(struct world *world)
{
	world_open(world);
	world->config.types_listed = world->engine->config.types_listed = true;
	assert_int_equal(put(world, "fiche.created", "{}"), E_OK);
	assert_int_equal(put(world, "fiche.deleted", "{}"), E_OK);
	assert_int_equal(patch(world, "fiche.deleted", "{\"archived\":true}"), E_OK);
}

static void only_listed_messages_come(void **state)
{
	struct world world;
	(void)state;
	listed_only(&world);
	assert_int_equal(world_err(&world, message(&world, "fiche.created")), E_OK);
	assert_refused(&world, message(&world, "fiche.creatd"), E_INVALID, "type", "'fiche.creatd'; did you mean 'fiche.created'?");
	assert_refused(&world, message(&world, "fiche.deleted"), E_INVALID, "type", "archived");
	assert_refused(&world, message(&world, "fiche.deletd"), E_INVALID, "type", "PUT it first"); /* one that is archived is not meant */
	assert_refused(&world, message(&world, "zone"), E_INVALID, "type", "PUT it first");
	assert_refused(&world, message(&world, "endpoint.test"), E_INVALID, "type", "sent by ruche itself");
	struct request *request = message(&world, "github.push");
	request->ops[0].message.incoming = true;
	assert_int_equal(world_err(&world, request), E_OK);
	request = message(&world, "fiche.created");
	request->ops[0].message.namespace_name = STR("team"); /* each has its own catalogue */
	assert_refused(&world, request, E_INVALID, "type", "PUT it first");
	world_close(&world);
}

/* What came under a key is known again, whatever has become of its type since. */
static void a_repeat_is_known_again(void **state)
{
	struct world world;
	(void)state;
	listed_only(&world);
	for (int i = 0; i < 2; i++) {
		struct request *request = message(&world, "fiche.created");
		request->ops[0].message.key = STR("k1");
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->ops[0].result.err, E_OK);
		assert_int_equal(request->ops[0].result.duplicate, i);
		request_drop(request);
		assert_int_equal(patch(&world, "fiche.created", "{\"archived\":true}"), E_OK);
	}
	world_close(&world);
}

static void only_listed_types_are_named(void **state)
{
	struct world world;
	(void)state;
	listed_only(&world);
	assert_int_equal(endpoint(&world, "crm", "[\"fiche.created\",\"fiche.deleted\",\"zone.*\",\"*\",\"endpoint.failing\"]"), E_OK);
	struct request *request = type_request(&world, OP_NAMED_PUT, "crm", "{\"types\":[\"fiche.created\",\"endpoint.failng\"]}");
	request->ops[0].named.kind = NAMED_ENDPOINT;
	request->ops[0].named.replace = false;
	assert_refused(&world, request, E_INVALID, "types[1]", "did you mean 'endpoint.failing'?");
	assert_int_equal(endpoint(&world, "git", "[\"github.push\"]"), E_INVALID);
	assert_int_equal(other(&world, NAMED_SOURCE, "gh", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"message\":{\"type\":\"github.{header:x-github-event}\"}}}",
			       true), E_OK);
	assert_int_equal(endpoint(&world, "git", "[\"github.push\"]"), E_OK);
	assert_int_equal(endpoint(&world, "lab", "[\"gitlab.push\"]"), E_INVALID);
	/* What it has named already is in nobody's way. */
	world.engine->config.types_listed = false;
	assert_int_equal(endpoint(&world, "old", "[\"before\"]"), E_OK);
	world.engine->config.types_listed = true;
	assert_int_equal(other(&world, NAMED_ENDPOINT, "old", "{\"timeout_ms\":9000}", false), E_OK);
	assert_int_equal(endpoint(&world, "old", "[\"before\",\"fiche.created\"]"), E_OK);
	assert_int_equal(endpoint(&world, "old", "[\"before\",\"behind\"]"), E_INVALID);
	world_close(&world);
}

/* Of what a source once became nothing is left, and what was undone never was. */
static void sources_are_known_as_they_are(void **state)
{
	static const char to_lab[] = "{\"into\":{\"message\":{\"type\":\"lab.{header:x}\"}}}", to_hub[] = "{\"into\":{\"message\":{\"type\":\"hub.{header:x}\"}}}";
	struct world world;
	(void)state;
	listed_only(&world);
	assert_int_equal(other(&world, NAMED_SOURCE, "in", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"message\":{\"type\":\"hub.{header:x}\"}}}", true), E_OK);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(endpoint(&world, "crm", "[\"hub.a\"]"), E_OK);
		assert_int_equal(endpoint(&world, "crm", "[\"*\"]"), E_OK);
		struct request *request = request_new(&world, 2);
		request->atomic = true;
		request->ops[0].kind = request->ops[1].kind = OP_NAMED_PUT;
		request->ops[0].named = (struct op_named){ .kind = NAMED_SOURCE, .named.name = STR("in"), .text = { to_lab, sizeof(to_lab) - 1 } };
		request->ops[1].named = (struct op_named){ .kind = NAMED_SOURCE, .named.name = STR("in"), .text = STR("{\"into\":1}") };
		assert_int_not_equal(world_err(&world, request), E_OK);
		assert_int_equal(endpoint(&world, "crm", "[\"lab.a\"]"), E_INVALID);
		assert_int_equal(endpoint(&world, "crm", "[\"hub.a\",\"lab.a\"]"), E_INVALID);
		assert_int_equal(other(&world, NAMED_SOURCE, "in", to_lab, false), E_OK);
		assert_int_equal(endpoint(&world, "crm", "[\"hub.a\"]"), E_INVALID);
		assert_int_equal(endpoint(&world, "crm", "[\"lab.a\"]"), E_OK);
		assert_int_equal(endpoint(&world, "crm", "[\"*\"]"), E_OK);
		assert_int_equal(other(&world, NAMED_SOURCE, "in", "{\"into\":{\"job\":{\"queue\":\"q\"}}}", false), E_OK);
		assert_int_equal(endpoint(&world, "crm", "[\"lab.a\"]"), E_INVALID);
		assert_int_equal(other(&world, NAMED_SOURCE, "in", to_hub, false), E_OK);
		world_crash(&world); /* and once more with what was on disk */
		world.engine->config.types_listed = true;
	}
	struct request *request = type_request(&world, OP_NAMED_DELETE, "in", "");
	request->ops[0].named.kind = NAMED_SOURCE;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(endpoint(&world, "crm", "[\"hub.a\"]"), E_INVALID);
	world_close(&world);
}

/* Whatever stands in the store: a daemon that could not hold it would not start. */
static void a_source_may_say_anything(void **state)
{
	static char text[LIMIT_NAMED_BYTES];
	struct kept_source *source;
	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? ',' : '0';
	text[0] = '[';
	text[1] = ' ';
	text[sizeof(text) - 1] = ']';
	assert_int_equal(kept_source_new((struct str){ text, sizeof(text) }, &source), E_OK);
	assert_int_equal(source->type.len + source->secret.len, 0);
	kept_source_drop(source);
}

/* Not without end: a request that says thousands of unknown types is told of some only what was meant. */
static void looking_has_an_end(void **state)
{
	struct world world;
	struct request *request;
	uint32_t meant = 0;
	(void)state;
	listed_only(&world);
	request = request_new(&world, 2000);
	for (uint32_t i = 0; i < 2000; i++) {
		request->ops[i].kind = OP_MESSAGE;
		request->ops[i].message = (struct op_message){ .uid = uid_next(&world.maker, world.wall_us), .type = STR("fiche.create") };
	}
	assert_ptr_equal(world_ask(&world, request), request);
	for (uint32_t i = 0; i < 2000; i++) {
		assert_int_equal(request->ops[i].result.err, E_INVALID);
		meant += strstr(request->ops[i].result.problem->detail, "did you mean") != NULL;
	}
	request_drop(request);
	assert_in_range(meant, EVENT_TYPE_LOOKS / 20, EVENT_TYPE_LOOKS / 10);
	world_close(&world);
}

/* ---- tried out ---- */

static void assert_tested(struct world *world, const char *type, const char *said, const char *wanted)
{
	struct request *request = message(world, type);
	const struct message_row *row = NULL;
	request->ops[0].message.flags = MESSAGE_TEST;
	request->ops[0].message.only = STR("crm");
	request->ops[0].message.payload = str_of(said);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	struct mem_disk *disk = store_mem_disk(world->store);
	for (uint32_t i = 0; i < disk->tables[MEM_MESSAGES].count; i++)
		row = disk_row(disk, MEM_MESSAGES, i);
	assert_true(row && str_eq(row->payload, str_of(wanted)) && row->payload_bytes == strlen(wanted));
	request_drop(request);
}

static void a_test_says_the_example(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(endpoint(&world, "crm", "[\"*\"]"), E_OK);
	assert_int_equal(put(&world, "fiche.made", "{\"example\":{\"title\": \"A\"}}"), E_OK);
	assert_int_equal(put(&world, "bare", "{}"), E_OK);
	assert_tested(&world, "fiche.made", NULL, "{\"title\": \"A\"}");
	assert_tested(&world, "fiche.made", "[1]", "[1]");
	assert_tested(&world, "bare", NULL, "{\"test\":true}");
	assert_tested(&world, "endpoint.test", NULL, "{\"test\":true}");
	world_close(&world);
}

/* ---- undone ---- */

static void memory_runs_out(void **state)
{
	static const struct op_named ops[] = {
		{ .kind = NAMED_EVENT_TYPE, .named.name = { "new", 3 }, .text = { "{\"example\":1}", 13 }, .replace = true },
		{ .kind = NAMED_EVENT_TYPE, .named.name = { "new", 3 }, .text = { "{\"archived\":true}", 17 } },
		{ .kind = NAMED_ENDPOINT, .named.name = { "crm", 3 }, .text = { "{\"url\":\"https://x/\",\"types\":[\"new\",\"out\"]}", 42 }, .replace = true },
		{ .kind = NAMED_SOURCE, .named.name = { "any", 3 }, .text = { "{\"into\":{\"job\":{\"queue\":\"q\"}}}", 30 } },
		{ .kind = NAMED_EVENT_TYPE, .named.name = { "fiche.created", 13 } },
	};
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		listed_only(&world);
		assert_int_equal(other(&world, NAMED_SOURCE, "any", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"message\":{\"type\":\"$.type\"}}}", true), E_OK);
		struct request *request = request_new(&world, 5);
		request->atomic = true;
		for (uint32_t i = 0; i < 5; i++) {
			request->ops[i].kind = i < 4 ? OP_NAMED_PUT : OP_NAMED_DELETE;
			request->ops[i].named = ops[i];
		}
		bool starved = world_starve_request(&world, request, nth);
		world_close(&world);
		if (!starved)
			break;
		assert_true(nth < 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_kept_listed_and_archived), cmocka_unit_test(nonsense_and_our_own_are_refused),
		cmocka_unit_test(who_wants_it_is_told),           cmocka_unit_test(only_listed_messages_come),
		cmocka_unit_test(a_repeat_is_known_again),        cmocka_unit_test(only_listed_types_are_named),
		cmocka_unit_test(sources_are_known_as_they_are),  cmocka_unit_test(a_source_may_say_anything),
		cmocka_unit_test(looking_has_an_end),             cmocka_unit_test(a_test_says_the_example),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
