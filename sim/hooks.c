/* sim/hooks.c: those who make endpoints, change, pause and delete them, and those who send messages to them, one by one or many at once. Their
 * deliveries are called like any other (sim/workers.c); what must be true of them is said in sim/shadow_hooks.c. */
#include "sim/world.h"
#include "base/check.h"

#define QUICK "\"retry\":{\"kind\":\"fixed\",\"max_attempts\":3,\"delay_ms\":40}"
#define SHORT ",\"disable_after_ms\":4000"
#define TOUCHY "\"breaker\":{\"failures\":2,\"open_ms\":300,\"open_ms_max\":1000},"
#define BUSY "\"retry_after\":\"queue\",\"slow_down_ms\":50,"
#define HOOKS_MANY 120 /* more messages than a request expands at once */
#define HOOKS_MOOD_US 4000000

static void hooks_heard(struct world *world, struct actor *actor, struct request *request)
{
	(void)actor;
	CHECK(request->err != E_INTERNAL);
	for (uint32_t i = 0; i < request->op_count && !request->err; i++) {
		bool unlisted = world->shadow.types_listed && (request->ops[i].kind == OP_MESSAGE || request->ops[i].kind == OP_NAMED_PUT);
		CHECK(request->ops[i].result.err != E_INTERNAL && (request->ops[i].result.err != E_INVALID || unlisted));
	}
}

static struct str hooks_text(struct request *request, const char *format, uint64_t n)
{
	char *text = arena_printf(&request->arena, format, (unsigned long long)n);
	CHECK(text);
	return str_of(text);
}

static void hooks_name(struct world *world, struct request *request, struct op *op, enum op_kind kind)
{
	op->kind = kind;
	op->named.kind = NAMED_ENDPOINT;
	op->named.named.name = hooks_text(request, "h%llu", world_below(world, SIM_ENDPOINTS));
}

static void hooks_settings(struct world *world, struct request *request, struct op *op)
{
	static const char *const settings[] = {
		"{\"url\":\"https://ops.example/\",\"types\":[\"endpoint.*\",\"delivery.exhausted\"],\"timeout_ms\":2000,"
		TOUCHY QUICK SHORT ",\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"*\"],\"timeout_ms\":2000," TOUCHY QUICK SHORT ",\"hold_max\":0,\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"a\"],\"timeout_ms\":2000," TOUCHY QUICK ",\"hold_max\":0,\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"*\"],\"timeout_ms\":2000," TOUCHY QUICK ",\"hold_max\":3,"
		"\"filter\":{\"n\":{\"$gte\":5}},\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"*\"],\"timeout_ms\":2000,\"breaker\":{\"failures\":1,\"open_ms\":900}," QUICK ",\"hold_max\":0,"
		"\"slow_down_ms\":700,\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"a\"],\"timeout_ms\":2000," TOUCHY BUSY QUICK ",\"hold_max\":0,\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[]," TOUCHY QUICK ",\"concurrency\":%llu}",
		"{\"kind\":\"poll\",\"types\":[\"*\"]," QUICK ",\"concurrency\":%llu}",
		"{\"kind\":\"poll\",\"types\":[\"a\"],\"filter\":{\"n\":{\"$gte\":5}}," QUICK ",\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"*\"],\"timeout_ms\":2000," TOUCHY QUICK ",\"order\":\"latest\",\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"a\"],\"timeout_ms\":2000," TOUCHY QUICK ",\"order\":\"latest\",\"hold_max\":3,"
		"\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"*\"],\"timeout_ms\":2000," TOUCHY QUICK ",\"batch\":{\"max\":4},\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"a\"],\"timeout_ms\":2000," TOUCHY QUICK ","
		"\"batch\":{\"max\":3,\"wait_ms\":90},\"order\":\"latest\",\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"*\"],\"timeout_ms\":2000," TOUCHY QUICK ",\"order\":\"fifo\",\"concurrency\":%llu}",
		"{\"url\":\"https://a.example/\",\"types\":[\"*\"],\"timeout_ms\":2000," TOUCHY QUICK ",\"order\":\"fifo\",\"fifo_on_failure\":\"hold\","
		"\"concurrency\":%llu}",
	};
	op->named.replace = true;
	op->named.text = hooks_text(request, settings[world_below(world, ARRAY_COUNT(settings))], world_below(world, 4));
}

/* Third parties are dead for some seconds, now and then, or nearly so. */
bool hooks_is_dead(const struct world *world, uint32_t endpoint)
{
	return !world->calm && map_mix(world->seed ^ map_mix(endpoint + (uint64_t)(world->now_us / HOOKS_MOOD_US) * 1000)) % 3 == 0;
}

/* Whose fault it was. */
void hooks_blame(struct world *world, struct request *request, struct op *op, uint32_t endpoint)
{
	static const enum blame blames[] = { BLAME_NONE, BLAME_RECORD, BLAME_ENDPOINT };
	struct op_hook *hook = ARENA_NEW(&request->arena, struct op_hook);
	CHECK(hook);
	*hook = (struct op_hook){ .endpoint = endpoint, .test = world_chance(world, 20), .meta = hooks_is_meta(&world->shadow, op->lease.uid) };
	if (op->kind == OP_COMPLETE)
		hook->blame = BLAME_WELL;
	else
		hook->blame = hooks_is_dead(world, endpoint) ? BLAME_ENDPOINT : blames[world_below(world, ARRAY_COUNT(blames))];
	hook->gone = hook->blame == BLAME_ENDPOINT && world_chance(world, 30);
	hook->overloaded = hook->blame == BLAME_ENDPOINT && !hook->gone && world_chance(world, 400);
	if (hook->gone)
		op->lease.verdict = VERDICT_FINAL;
	op->lease.hook = hook;
}

static void hooks_change(struct world *world, struct request *request, struct op *op)
{
	uint64_t what = world_below(world, 100);
	if (what < 40) {
		hooks_name(world, request, op, OP_NAMED_PUT);
		hooks_settings(world, request, op);
	} else if (what < 85) {
		hooks_name(world, request, op, OP_NAMED_STATE);
		op->named.state = world_chance(world, 600) ? NAMED_ENABLED : world_chance(world, 500) ? NAMED_PAUSED : NAMED_DISABLED;
	} else {
		hooks_name(world, request, op, OP_NAMED_DELETE);
	}
}

static void hooks_message(struct world *world, struct request *request, struct op *op)
{
	op->kind = OP_MESSAGE;
	op->message.uid = uid_next(&world->maker, world_wall_us(world));
	op->message.type = world_chance(world, 500) ? STR("a") : STR("b");
	op->message.payload = hooks_text(request, "{\"n\":%llu}", world_below(world, 10));
	if (world_chance(world, 200))
		op->message.key = hooks_text(request, "k%llu", world_below(world, 20));
	if (world_chance(world, 600))
		op->message.entity = hooks_text(request, "e%llu", world_below(world, SIM_ENTITIES));
	op->message.require_match = world_chance(world, 50);
}

static void hooks_send(struct world *world)
{
	uint32_t count = world_chance(world, 30) ? HOOKS_MANY : 1 + (uint32_t)world_below(world, 3);
	struct request *request = world_request(world, count + 1);
	request->op_count = count;
	request->atomic = world_chance(world, 500);
	for (uint32_t i = 0; i < count; i++)
		hooks_message(world, request, &request->ops[i]);
	if (request->atomic && world_chance(world, 200)) { /* undone: the last one is bound to be refused */
		request->op_count++;
		request->ops[count].kind = OP_DELETE;
		request->ops[count].job.uid = 1;
	}
	world_send(world, request, NULL, hooks_heard);
}

/* One message once more to one endpoint, whatever became of it there. */
static void hooks_resend(struct world *world)
{
	const struct shadow *shadow = &world->shadow;
	if (!shadow->message_count)
		return;
	uint64_t newest = world_chance(world, 500) ? world_below(world, shadow->message_count < 20 ? shadow->message_count : 20) : 0;
	struct request *request = world_request(world, 1 + (uint32_t)world_below(world, 6)); /* at times one twice at once */
	for (uint32_t i = 0; i < request->op_count; i++) {
		request->ops[i].kind = OP_RESEND;
		request->ops[i].resend = (struct op_resend){
			.message = shadow->messages[newest ? shadow->message_count - newest : world_below(world, shadow->message_count)].uid,
			.endpoint = hooks_text(request, "h%llu", world_below(world, SIM_ENDPOINTS)),
		};
		if (i && world_chance(world, 300))
			request->ops[i].resend = request->ops[0].resend;
	}
	world_send(world, request, NULL, hooks_heard);
}

static void hooks_start_replay(struct world *world)
{
	struct request *request = world_request(world, 1);
	struct op_operation *operation = &request->ops[0].operation;
	struct replay *replay = ARENA_NEW(&request->arena, struct replay);
	CHECK(replay);
	*replay = (struct replay){ .since_us = 1, .only = (enum replay_only)world_below(world, REPLAY_ONLY_COUNT) };
	if (world_chance(world, 300))
		*replay = (struct replay){ .since_us = world_wall_us(world) - 5000000, .types = { STR("a") }, .type_count = 1, .only = replay->only };
	request->ops[0].kind = OP_OPERATION_START;
	*operation = (struct op_operation){ .number = uid_next(&world->maker, world_wall_us(world)), .action = OP_RESEND, .replay = replay,
		                            .endpoint.name = hooks_text(request, "h%llu", world_below(world, SIM_ENDPOINTS)) };
	if (world->operation_count < ARRAY_COUNT(world->operations))
		world->operations[world->operation_count++] = operation->number; /* paused, resumed and cancelled as others are */
	world_send(world, request, NULL, hooks_heard);
}

/* The next slice of a replay, as the daemon's runner makes it. */
void hooks_replay(struct reader *reader, const struct operation_row *row, struct request *request)
{
	struct answer answer = { .next_phase = 2 };
	struct problem problem;
	struct json json;
	struct replay *replay = ARENA_NEW(&request->arena, struct replay);
	const char *name = memmem(row->filter.ptr, row->filter.len, "\"endpoint\":\"h", 13);
	CHECK(replay && name);
	json_init(&json, row->arguments, &request->arena, &problem);
	CHECK(replay_read(&json, true, replay) && json_finish(&json));
	enum err err = reader_run(reader, &(struct query){ .kind = QUERY_REPLAY, .id = { name + 12, 2 }, .replay = replay, .as_of = row->as_of, .limit = 7,
	                                                   .cursor_uid = row->cursor_uid, .cursor_phase = row->cursor_phase }, &request->arena, &answer);
	CHECK(!err || err == E_ENDPOINT_NOT_FOUND);
	if (err)
		answer = (struct answer){ .next_phase = 2 };
	uint64_t *uids = ARENA_ARRAY(&request->arena, uint64_t, answer.match_count + 1);
	CHECK(uids);
	for (uint32_t i = 0; i < answer.match_count; i++)
		uids[i] = answer.matches[i].uid;
	request->ops[0].kind = OP_SLICE;
	request->ops[0].operation = (struct op_operation){
		.number = row->number, .action = OP_RESEND, .replay = replay, .uids = uids, .count = answer.match_count, .next_uid = answer.next_uid,
		.next_phase = answer.next_phase, .last = answer.next_phase == 2,
	};
}

/* At the end whoever is held is let go, also behind one that failed. */
static void hooks_enable_all(struct world *world)
{
	struct request *request = world_request(world, 2 * SIM_ENDPOINTS);
	for (uint32_t i = 0; i < 2 * SIM_ENDPOINTS; i++) {
		request->ops[i].kind = i % 2 ? OP_NAMED_PUT : OP_NAMED_STATE;
		request->ops[i].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = hooks_text(request, "h%llu", i / 2), .state = NAMED_ENABLED,
			                                   .text = STR("{\"fifo_on_failure\":\"go_on\"}") };
	}
	world_send(world, request, NULL, hooks_heard);
}

static void hooks_act(struct world *world, struct actor *actor, uint64_t argument)
{
	if (world->calm) {
		hooks_enable_all(world);
		world_plan(world, 20000000, hooks_act, actor, argument);
		return;
	}
	if (world_chance(world, 150)) {
		hooks_resend(world);
	} else if (world_chance(world, 80)) {
		hooks_start_replay(world);
	} else if (world_chance(world, 250)) {
		struct request *request = world_request(world, 1);
		hooks_change(world, request, &request->ops[0]);
		world_send(world, request, NULL, hooks_heard);
	} else {
		hooks_send(world);
	}
	world_plan(world, (int64_t)world_below(world, 400000) + 1000, hooks_act, actor, argument);
}

void hooks_start(struct world *world)
{
	struct request *request = world_request(world, SIM_ENDPOINTS);
	for (uint32_t i = 0; i < SIM_ENDPOINTS; i++) {
		request->ops[i].kind = OP_NAMED_PUT;
		request->ops[i].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = hooks_text(request, "h%llu", i) };
		hooks_settings(world, request, &request->ops[i]);
	}
	world_send(world, request, NULL, hooks_heard);
	world_plan(world, 900000, hooks_act, NULL, 0);
}
