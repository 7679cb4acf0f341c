/* src/engine/named_test.c: endpoints: put, held, let go, deleted, found again after a restart, and all of it undone. */
#include "engine/test_world.h"

static struct request *named_request(struct world *world, enum op_kind kind, enum named_kind what, const char *name, const char *text)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].named = (struct op_named){ .kind = what, .named.name = str_of(name), .text = str_of(text), .replace = true };
	return request;
}

static enum err put(struct world *world, const char *name, const char *text)
{
	return world_err(world, named_request(world, OP_NAMED_PUT, NAMED_ENDPOINT, name, text));
}

static struct request *state_request(struct world *world, const char *name, enum named_state state)
{
	struct request *request = named_request(world, OP_NAMED_STATE, NAMED_ENDPOINT, name, "");
	request->ops[0].named.state = state;
	return request;
}

static enum err set_state(struct world *world, const char *name, enum named_state state)
{
	return world_err(world, state_request(world, name, state));
}

static struct request *look(struct world *world, const char *name)
{
	struct request *request = named_request(world, OP_NAMED_GET, NAMED_ENDPOINT, name, "");
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	return request;
}

static const struct op_result *send_result(struct world *world, struct request **out, const char *type)
{
	*out = request_new(world, 1);
	(*out)->ops[0].kind = OP_MESSAGE;
	(*out)->ops[0].message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = str_of(type), .payload = STR("{\"n\":1}") };
	assert_ptr_equal(world_ask(world, *out), *out);
	return &(*out)->ops[0].result;
}

static uint64_t send(struct world *world, const char *type) /* deliveries made */
{
	struct request *request;
	const struct op_result *result = send_result(world, &request, type);
	assert_int_equal(result->err, E_OK);
	uint64_t made = result->units;
	request_drop(request);
	return made;
}

#define CRM "{\"url\":\"https://crm.example/\",\"types\":[\"fiche.*\"],\"concurrency\":2,\"timeout_ms\":7000," \
	"\"retry\":{\"kind\":\"fixed\",\"max_attempts\":4,\"delay_ms\":10}}"

/* ---- settings ---- */

static void an_endpoint_is_made_changed_and_deleted(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "crm", CRM), E_OK);
	struct request *request = look(&world, "crm");
	const struct named_info *info = request->ops[0].result.nameds;
	uint32_t number = info->number;
	uint64_t version = info->version;
	assert_int_equal(info->state, NAMED_ENABLED);
	request_drop(request);
	assert_int_equal(put(&world, "crm", CRM), E_OK); /* the same again changes nothing */
	struct request *patch = named_request(&world, OP_NAMED_PUT, NAMED_ENDPOINT, "crm", "{\"timeout_ms\":9000}");
	patch->ops[0].named.replace = false;
	assert_ptr_equal(world_ask(&world, patch), patch);
	info = patch->ops[0].result.nameds;
	assert_true(info->version > version);
	assert_int_equal(info->number, number);
	assert_non_null(strstr(info->text.ptr, "\"timeout_ms\":9000"));
	assert_non_null(strstr(info->text.ptr, "https://crm.example/"));
	request_drop(patch);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, NAMED_ENDPOINT, "crm", "")), E_OK);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_GET, NAMED_ENDPOINT, "crm", "")), E_ENDPOINT_NOT_FOUND);
	assert_int_equal(set_state(&world, "crm", NAMED_PAUSED), E_ENDPOINT_NOT_FOUND);
	assert_int_equal(put(&world, "crm", CRM), E_OK);
	request = look(&world, "crm");
	assert_true(request->ops[0].result.nameds->number > number); /* another one, with a memory of its own */
	request_drop(request);
	world_close(&world);
}

static void what_makes_no_sense_is_refused_with_the_field(void **state)
{
	static const struct {
		const char *text, *field;
		enum err err;
	} cases[] = {
		{ "{}", "url", E_INVALID },
		{ "{\"url\":\"ftp://x/\"}", "url", E_INVALID },
		{ "{\"url\":\"https://x/\",\"format\":\"nope\"}", "format", E_INVALID },
		{ "{\"url\":\"https://x/\",\"limits\":[\"nope\"]}", "limits", E_INVALID },
		{ "{\"url\":\"https://x/\",\"retry_after\":\"nope\"}", "retry_after", E_INVALID },
		{ "{\"url\":\"https://x/\",\"filter\":{\"a\":{\"$nope\":1}}}", "filter.a.$nope", E_INVALID },
		{ "{\"url\":\"https://x/\",\"nope\":1}", "nope", E_UNKNOWN_FIELD },
		{ "{\"url\":\"https://x/{external_id}\"}", "order", E_INVALID },
	};
	struct world world;
	(void)state;
	world_open(&world);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct request *request = named_request(&world, OP_NAMED_PUT, NAMED_ENDPOINT, "crm", cases[i].text);
		assert_ptr_equal(world_ask(&world, request), request);
		assert_int_equal(request->ops[0].result.err, cases[i].err);
		assert_string_equal(request->ops[0].result.problem->field, cases[i].field);
		request_drop(request);
	}
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_GET, NAMED_ENDPOINT, "crm", "")), E_ENDPOINT_NOT_FOUND);
	assert_int_equal(queue_find(&world.engine->index, (struct queue_name){ .name = ENDPOINT_QUEUE }), SLOT_NONE);
	struct request *patch = named_request(&world, OP_NAMED_PUT, NAMED_ENDPOINT, "crm", CRM);
	patch->ops[0].named.replace = false;
	assert_int_equal(world_err(&world, patch), E_ENDPOINT_NOT_FOUND);
	world_close(&world);
}

/* ---- its group and its queue ---- */

static void its_group_is_its_own(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "crm", CRM), E_OK);
	static const enum op_kind kinds[] = { OP_GROUP_PUT, OP_GROUP_DELETE, OP_GROUP_PAUSE, OP_GROUP_RESUME };
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		assert_int_equal(world_err(&world, queue_request(&world, kinds[i], "webhooks", "crm", "{}")), E_ENDPOINT_OWNED);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PAUSE, "webhooks", "other", "")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "webhooks", "", "")), E_CONFLICT);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_RESET, "webhooks", "", "")), E_CONFLICT);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, "webhooks", "", "{\"target\":\"pull\"}")), E_INVALID);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, NAMED_ENDPOINT, "crm", "")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_PAUSE, "webhooks", "crm", "")), E_OK);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, "webhooks", "", "")), E_OK);
	world_close(&world);
}

static const struct effect *last_call(const struct world *world)
{
	const struct effect *last = NULL;
	for (const struct effect *effect = world->effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_DELIVER)
			last = effect;
	return last;
}

static void a_call_is_made_by_the_endpoint_s_settings(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "crm", CRM), E_OK);
	assert_int_equal(send(&world, "fiche.made"), 1);
	const struct effect *effect = last_call(&world);
	assert_non_null(effect);
	assert_int_equal(effect->endpoint_number, 1);
	assert_non_null(strstr(effect->endpoint->bytes, "https://crm.example/"));
	assert_int_equal(effect->timeout_ms, 7000);
	assert_int_equal(effect->max_attempts, 4);
	send(&world, "fiche.made");
	send(&world, "fiche.made");
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 2); /* its concurrency */
	uint64_t uid = effect->uid;
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, NAMED_ENDPOINT, "crm", "")), E_OK);
	struct request *done = request_new(&world, 1);
	done->ops[0].kind = OP_COMPLETE;
	done->ops[0].lease = (struct op_lease){ .uid = uid, .token = DELIVERY_TOKEN, .body = STR("1") };
	assert_int_equal(world_err(&world, done), E_OK);
	effect = last_call(&world);
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 3);
	assert_int_equal(effect->endpoint_number, 0); /* it has none any more */
	assert_null(effect->endpoint);
	world_close(&world);
}

/* ---- held ---- */

static enum explain_code why(struct world *world, uint64_t uid)
{
	struct request *request = job_request(world, OP_EXPLAIN, uid);
	assert_ptr_equal(world_ask(world, request), request);
	enum explain_code code = request->ops[0].result.explanation->code;
	request_drop(request);
	return code;
}

static uint64_t newest_job(const struct world *world)
{
	uint64_t newest = 0;
	const struct index *index = &world->engine->index;
	for (uint32_t slot = 0; slot < index->jobs.used; slot++)
		if (job_find(index, job_at(index, slot)->uid) == slot && job_at(index, slot)->uid > newest)
			newest = job_at(index, slot)->uid;
	return newest;
}

static void deliveries_of_a_paused_one_are_held_across_a_restart(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "crm", CRM), E_OK);
	assert_int_equal(set_state(&world, "crm", NAMED_PAUSED), E_OK);
	assert_int_equal(send(&world, "fiche.made"), 1);
	assert_int_equal(why(&world, newest_job(&world)), EXPLAIN_ENDPOINT_PAUSED);
	assert_int_equal(set_state(&world, "crm", NAMED_DISABLED), E_OK);
	assert_int_equal(why(&world, newest_job(&world)), EXPLAIN_ENDPOINT_DISABLED);
	world_crash(&world);
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 0);
	assert_int_equal(why(&world, newest_job(&world)), EXPLAIN_ENDPOINT_DISABLED);
	struct request *request = look(&world, "crm");
	assert_int_equal(request->ops[0].result.nameds->waiting, 1);
	assert_true(str_eq(request->ops[0].result.nameds->reason, STR("by_hand")));
	request_drop(request);
	assert_int_equal(world_err(&world, queue_request(&world, OP_GROUP_RESUME, "webhooks", "crm", "")), E_ENDPOINT_OWNED);
	assert_int_equal(set_state(&world, "crm", NAMED_ENABLED), E_OK);
	assert_int_equal(world_effects(&world, EFFECT_DELIVER), 1);
	assert_int_equal(last_call(&world)->endpoint_number, 1);
	world_close(&world);
}

static void more_than_hold_max_is_only_counted(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "crm", "{\"url\":\"https://x/\",\"types\":[\"*\"],\"hold_max\":2}"), E_OK);
	assert_int_equal(set_state(&world, "crm", NAMED_PAUSED), E_OK);
	for (int i = 0; i < 5; i++)
		send(&world, "a");
	world_crash(&world);
	struct request *request = look(&world, "crm");
	assert_int_equal(request->ops[0].result.nameds->waiting, 2);
	assert_int_equal(request->ops[0].result.nameds->health.unsent, 3);
	request_drop(request);
	world_close(&world);
}

/* Whatever it says, and after a restart. */
static void an_endpoint_takes_the_room_that_it_needs(void **state)
{
	static const char *const texts[] = { "{\"url\":\"https://x/\"}", CRM,
		                             "{\"url\":\"https://x/\",\"filter\":{\"a\":1,\"b\":{\"$gt\":5}},\"headers\":{\"x-a\":{\"secret\":\"s\"}}}" };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		struct world world;
		world_open(&world);
		assert_int_equal(put(&world, "crm", texts[i]), E_OK);
		for (int restarted = 0; restarted < 2; restarted++) {
			const struct index *index = &world.engine->index;
			const struct arena *arena = &named_at(index, named_find_number(index, 1))->endpoint->arena;
			assert_ptr_equal(arena->next, arena->end);
			assert_true(arena_taken(arena) < 4096);
			world_crash(&world);
		}
		world_close(&world);
	}
}

static uint64_t told_unsent(struct world *world, const char *name)
{
	struct request *request = look(world, name);
	uint64_t unsent = request->ops[0].result.nameds->health.unsent;
	request_drop(request);
	return unsent;
}

/* Its settings may be 64 KiB: they are not written with each message. Where a replay begins is exact, how many it is about need not be. */
static void what_is_only_counted_is_rarely_written(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "crm", "{\"url\":\"https://x/\",\"types\":[\"*\"],\"hold_max\":2}"), E_OK);
	assert_int_equal(set_state(&world, "crm", NAMED_PAUSED), E_OK);
	uint32_t slot = named_find_number(&world.engine->index, 1), written = 0;
	uint64_t version = named_at(&world.engine->index, slot)->version;
	uint64_t first = uid_next(&world.maker, world.wall_us); /* stamped before the others, and committed after them */
	for (int i = 0; i < 1001; i++) {
		send(&world, "a");
		written += named_at(&world.engine->index, slot)->version != version;
		version = named_at(&world.engine->index, slot)->version;
	}
	assert_int_equal(told_unsent(&world, "crm"), 999);
	assert_int_equal(written, 31 + 5 * 16);
	struct request *request = request_new(&world, 1);
	request->ops[0].kind = OP_MESSAGE;
	request->ops[0].message = (struct op_message){ .uid = first, .type = STR("a"), .payload = STR("1") };
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(told_unsent(&world, "crm"), 1000);
	send(&world, "a");
	world_crash(&world);
	assert_int_equal(told_unsent(&world, "crm"), 1000);
	assert_int_equal(named_at(&world.engine->index, named_find_number(&world.engine->index, 1))->health.unsent_uid, first);
	assert_int_equal(set_state(&world, "crm", NAMED_ENABLED), E_OK);
	assert_int_equal(told_unsent(&world, "crm"), 0);
	world_close(&world);
}

/* ---- the other kinds ---- */

static void others_are_published(void **state)
{
	struct world world;
	uint32_t told = 0;
	(void)state;
	world_open(&world);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_PUT, NAMED_FORMAT, "communs", "{\"program\":\".\"}")), E_OK);
	assert_int_equal(world_effects(&world, EFFECT_NAMED), 1);
	assert_int_equal(put(&world, "crm", "{\"url\":\"https://x/\",\"format\":\"communs\"}"), E_OK);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, NAMED_FORMAT, "communs", "")), E_CONFLICT);
	world_crash(&world);
	world_step(&world);
	for (const struct effect *effect = world.effects; effect; effect = effect->next) {
		if (effect->kind != EFFECT_NAMED)
			continue;
		assert_int_equal(effect->named.number, told == 2 ? 1 : told); /* before; forget all; the one that is there */
		told += told == 0 && effect->named.number == 1 ? 2 : 1;
	}
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, NAMED_ENDPOINT, "crm", "")), E_OK);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, NAMED_FORMAT, "communs", "")), E_OK);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_GET, NAMED_FORMAT, "communs", "")), E_FORMAT_NOT_FOUND);
	world_close(&world);
}

static enum err put_over(struct world *world, const char *text, uint64_t over)
{
	struct request *request = named_request(world, OP_NAMED_PUT, NAMED_SECRET, "s", text);
	request->ops[0].named.replace = true;
	request->ops[0].named.over = over;
	return world_err(world, request);
}

static uint64_t newest_version(const struct world *world)
{
	uint64_t version = 0;
	for (const struct effect *effect = world->effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_NAMED && effect->named.text)
			version = effect->named.text->version;
	return version;
}

/* What was made of an older text is not put over a newer one. */
static void over_another_text_nothing_is_put(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put_over(&world, "{\"n\":1}", 1), E_CONFLICT); /* there is none */
	assert_int_equal(put_over(&world, "{\"n\":1}", 0), E_OK);
	uint64_t first = newest_version(&world);
	assert_true(first > 0);
	assert_int_equal(put_over(&world, "{\"n\":2}", first), E_OK);
	uint64_t second = newest_version(&world);
	assert_int_not_equal(second, first);
	assert_int_equal(put_over(&world, "{\"n\":3}", first), E_CONFLICT);
	assert_int_equal(newest_version(&world), second);
	assert_int_equal(put_over(&world, "{\"n\":3}", second), E_OK);
	world_close(&world);
}

#define SOURCE "{\"verify\":{\"kind\":\"none\"},\"into\":{\"message\":{\"type\":\"a\"}}}"

static enum err put_source(struct world *world, const char *text, bool replace)
{
	struct request *request = named_request(world, OP_NAMED_PUT, NAMED_SOURCE, "gh", text);
	request->ops[0].named.replace = replace;
	return world_err(world, request);
}

static const char *newest_text(const struct world *world)
{
	const char *text = NULL;
	for (const struct effect *effect = world->effects; effect; effect = effect->next)
		if (effect->kind == EFFECT_NAMED && effect->named.kind == NAMED_SOURCE && effect->named.text)
			text = effect->named.text->bytes;
	return text;
}

/* Kept whole and published; a PATCH keeps what it does not say; nothing new is no change; what makes no sense changes nothing. */
static void a_source_is_kept_whole(void **state)
{
	static const char *const whole[] = {
		"{\"verify\":{\"kind\":\"none\"},\"id\":null,\"headers\":[],\"into\":{\"message\":{\"type\":\"a\",\"entity\":null,\"channels\":[]}},"
		"\"body_bytes\":1048576}",
		"{\"verify\":{\"kind\":\"none\"},\"id\":\"$.id\",\"headers\":[],\"into\":{\"message\":{\"type\":\"a\",\"entity\":null,\"channels\":[]}},"
		"\"body_bytes\":1048576}",
	};
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put_source(&world, SOURCE, false), E_SOURCE_NOT_FOUND);
	assert_int_equal(put_source(&world, "{}", true), E_INVALID);
	assert_int_equal(put_source(&world, SOURCE, true), E_OK);
	assert_memory_equal(newest_text(&world), whole[0], strlen(whole[0]));
	uint32_t told = world_effects(&world, EFFECT_NAMED);
	assert_int_equal(put_source(&world, SOURCE, true), E_OK);
	assert_int_equal(put_source(&world, "{\"id\":\"{\"}", false), E_INVALID);
	assert_int_equal(world_effects(&world, EFFECT_NAMED), told);
	assert_int_equal(put_source(&world, "{\"id\":\"$.id\"}", false), E_OK);
	assert_memory_equal(newest_text(&world), whole[1], strlen(whole[1]));
	world_crash(&world);
	world_step(&world);
	assert_memory_equal(newest_text(&world), whole[1], strlen(whole[1]));
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, NAMED_SOURCE, "gh", "")), E_OK);
	assert_int_equal(put_source(&world, "{\"id\":null}", false), E_SOURCE_NOT_FOUND);
	world_close(&world);
}

/* ---- endpoints that ask ---- */

/* It has no group and gets no deliveries; one that is pushed to may become one, and back. */
static void one_that_asks_has_no_deliveries(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(put(&world, "consumer", "{\"kind\":\"poll\",\"types\":[\"*\"]}"), E_OK);
	assert_int_equal(put(&world, "refused", "{\"kind\":\"poll\",\"url\":\"https://x/\"}"), E_INVALID);
	assert_int_equal(put(&world, "crm", "{\"url\":\"https://x/\",\"types\":[\"*\"]}"), E_OK);
	send(&world, "a");
	struct request *request = look(&world, "consumer");
	assert_int_equal(request->ops[0].result.nameds->waiting + request->ops[0].result.nameds->active, 0);
	request_drop(request);
	assert_int_equal(put(&world, "crm", "{\"kind\":\"poll\",\"types\":[\"*\"]}"), E_OK);
	assert_int_equal(put(&world, "consumer", "{\"url\":\"https://x/\",\"types\":[\"*\"]}"), E_OK);
	world_crash(&world);
	send(&world, "a");
	request = look(&world, "consumer");
	assert_int_equal(request->ops[0].result.nameds->waiting + request->ops[0].result.nameds->active, 1);
	request_drop(request);
	world_close(&world);
}

/* ---- undone ---- */

static struct request *many_changes(struct world *world)
{
	struct request *request = request_new(world, 7);
	static const struct op_named ops[] = {
		{ .kind = NAMED_SOURCE, .named.name = { "gh", 2 }, .text = { SOURCE, sizeof(SOURCE) - 1 }, .replace = true },
		{ .kind = NAMED_SOURCE, .named.name = { "gh", 2 }, .text = { "{\"id\":\"$.id\"}", 13 } },
		{ .kind = NAMED_ENDPOINT, .named.name = { "new", 3 }, .text = { CRM, sizeof(CRM) - 1 }, .replace = true },
		{ .kind = NAMED_ENDPOINT, .named.name = { "crm", 3 }, .text = { "{\"concurrency\":9}", 17 } },
		{ .kind = NAMED_ENDPOINT, .named.name = { "crm", 3 }, .state = NAMED_PAUSED },
		{ .kind = NAMED_ENDPOINT, .named.name = { "old", 3 } },
		{ .kind = NAMED_ENDPOINT, .named.name = { "old", 3 }, .text = { CRM, sizeof(CRM) - 1 }, .replace = true },
	};
	static const enum op_kind kinds[] = { OP_NAMED_PUT, OP_NAMED_PUT, OP_NAMED_PUT, OP_NAMED_PUT, OP_NAMED_STATE, OP_NAMED_DELETE, OP_NAMED_PUT };
	request->atomic = true;
	for (uint32_t i = 0; i < 7; i++) {
		request->ops[i].kind = kinds[i];
		request->ops[i].named = ops[i];
	}
	return request;
}

static void dump_nameds(struct world *world, struct buf *out) /* only their lines: a restart hands calls back */
{
	struct buf all;
	world_dump(world, &all);
	buf_init(out, 1 << 20);
	for (struct str rest = buf_str(&all); rest.len;) {
		size_t end = str_index(rest, '\n');
		struct str line = { rest.ptr, end };
		if (str_starts(line, STR("named ")))
			buf_add(out, line);
		rest = str_from(rest, end + 1);
	}
	buf_fini(&all);
}

static void two_endpoints(struct world *world)
{
	world_open(world);
	assert_int_equal(put(world, "crm", CRM), E_OK);
	assert_int_equal(put(world, "old", CRM), E_OK);
	assert_int_equal(world_err(world, named_request(world, OP_NAMED_PUT, NAMED_SECRET, "endpoint/old", "{}")), E_OK); /* goes with it */
	assert_int_equal(set_state(world, "old", NAMED_PAUSED), E_OK);
	send(world, "fiche.made");
}

static void a_refused_commit_leaves_all_as_it_was(void **state)
{
	struct world world;
	struct buf before, after;
	(void)state;
	two_endpoints(&world);
	world_dump(&world, &before);
	world_manual(&world, true);
	struct request *request = many_changes(&world);
	world_push(&world, request);
	world_settle(&world, SETTLE_REFUSE);
	assert_true(world_answered(&world, request));
	assert_int_equal(request->err, E_STORE_FULL);
	request_drop(request);
	world_dump(&world, &after);
	assert_true(str_eq(buf_str(&before), buf_str(&after)));
	world_manual(&world, false);
	world_pass(&world, 2000);
	request = many_changes(&world);
	assert_ptr_equal(world_ask(&world, request), request);
	for (uint32_t i = 0; i < request->op_count; i++)
		assert_int_equal(request->ops[i].result.err, E_OK);
	request_drop(request);
	buf_fini(&before);
	buf_fini(&after);
	dump_nameds(&world, &before);
	world_crash(&world);
	dump_nameds(&world, &after);
	assert_true(before.len > 0);
	assert_true(str_eq(buf_str(&before), buf_str(&after)));
	buf_fini(&before);
	buf_fini(&after);
	world_close(&world);
}

static void memory_runs_out(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct world world;
		two_endpoints(&world);
		bool starved = world_starve_request(&world, many_changes(&world), nth);
		world_close(&world);
		if (!starved)
			break;
		assert_true(nth < 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_is_made_changed_and_deleted),
		cmocka_unit_test(what_makes_no_sense_is_refused_with_the_field),
		cmocka_unit_test(its_group_is_its_own),
		cmocka_unit_test(a_call_is_made_by_the_endpoint_s_settings),
		cmocka_unit_test(deliveries_of_a_paused_one_are_held_across_a_restart),
		cmocka_unit_test(more_than_hold_max_is_only_counted), cmocka_unit_test(what_is_only_counted_is_rarely_written),
		cmocka_unit_test(an_endpoint_takes_the_room_that_it_needs),
		cmocka_unit_test(others_are_published), cmocka_unit_test(over_another_text_nothing_is_put),
		cmocka_unit_test(a_source_is_kept_whole), cmocka_unit_test(one_that_asks_has_no_deliveries),
		 cmocka_unit_test(a_refused_commit_leaves_all_as_it_was),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
