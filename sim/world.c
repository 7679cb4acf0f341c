/* sim/world.c: virtual time, the engine's surroundings, and their faults. */
#include "sim/world.h"
#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/mem/disk.h"
#include <stdarg.h>
#include <stdio.h>

#define WALL_START_US INT64_C(1800000000000000)

uint64_t world_dice(struct world *world)
{
	return map_mix(world->dice += 0x9e3779b97f4a7c15u);
}

uint64_t world_below(struct world *world, uint64_t limit)
{
	return limit ? world_dice(world) % limit : 0;
}

bool world_chance(struct world *world, uint32_t permille)
{
	return world_below(world, 1000) < permille;
}

int64_t world_wall_us(const struct world *world)
{
	return WALL_START_US + world->now_us + world->wall_offset_us;
}

void world_note(struct world *world, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	int len = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	world->hash = str_hash((struct str){ text, (size_t)(len < 255 ? len : 255) }, world->hash);
	if (world->trace)
		printf("%12lld %s\n", (long long)world->now_us, text);
}

/* ---- the agenda ---- */

struct plan {
	uint32_t reserved;
	plan_handler *run;
	struct actor *actor;
	uint64_t argument;
};

static void world_place(void *context, uint32_t item, uint32_t position)
{
	(void)context, (void)item, (void)position;
}

void world_plan(struct world *world, int64_t in_us, plan_handler *run, struct actor *actor, uint64_t argument)
{
	uint32_t slot;
	static int64_t ties; /* only an order among equals; part of no decision */
	enum err err = pool_take(&world->plans, &slot);
	CHECK(!err);
	*(struct plan *)pool_at(&world->plans, slot) = (struct plan){ .run = run, .actor = actor, .argument = argument };
	err = heap_push(&world->agenda, world->now_us + in_us, ++ties, slot);
	CHECK(!err);
}

static void world_tell_time(struct world *world)
{
	if (world->shadow.clock_us < world_wall_us(world))
		world->shadow.clock_us = world_wall_us(world);
}

/* ---- requests on their way ---- */

struct request *world_request(struct world *world, uint32_t op_count)
{
	struct request *request = mem_zalloc(sizeof(*request));
	CHECK(request);
	request->number = ++world->request_number;
	request->dice = world_dice(world);
	request->ops = ARENA_ARRAY(&request->arena, struct op, op_count);
	CHECK(request->ops);
	request->op_count = op_count;
	return request;
}

void world_send(struct world *world, struct request *request, struct actor *actor, reply_handler *reply)
{
	struct errand *errand = mem_zalloc(sizeof(*errand));
	CHECK(errand);
	*errand = (struct errand){ .sent_us = world->now_us, .request = request, .actor = actor, .reply = reply,
			             .before = world->out.before, .after = &world->out };
	errand->before->after = errand;
	world->out.before = errand;
	request->owner = errand;
	engine_push(world->engine, request);
	world->step_us = world->now_us;
}

static void world_return(struct world *world, struct request *request)
{
	struct errand *errand = request->owner;
	errand->before->after = errand->after;
	errand->after->before = errand->before;
	world->answers++;
	world_note(world, "answer %llu err=%d op=%d %d uid=%llu", (unsigned long long)request->number, request->err, request->ops[0].kind,
	           request->ops[0].result.err, (unsigned long long)request->ops[0].result.uid);
	told_reply(&world->shadow, request);
	if (errand->reply)
		errand->reply(world, errand->actor, request);
	mem_free(errand);
	arena_fini(&request->arena);
	buf_fini(&request->body);
	mem_free(request);
}

static void world_take(struct world *world)
{
	for (struct request *request = engine_take_replies(world->engine), *next; request; request = next) {
		next = request->link;
		world_return(world, request);
	}
	for (struct effect *effect = engine_take_effects(world->engine), *next; effect; effect = next) {
		next = effect->next;
		if (effect->kind == EFFECT_DELIVER && !rides_deliver(world, effect))
			workers_deliver(world, effect);
		else if (effect->kind == EFFECT_ABORT)
			told_aborted(&world->shadow, effect->uid, effect->fence);
		else if (effect->kind == EFFECT_OPERATION && effect->operation_state == OPERATION_RUNNING)
			clients_bulk(world, effect);
		effect_free(effect);
	}
}

/* ---- the store between the engine and the disk: commits take time, and fail ---- */

static void world_settle(struct world *world, struct actor *actor, uint64_t argument);

static void seen_submit(struct store *store, struct changeset *cs)
{
	struct world *world = store->wake_context;
	CHECK(world->in_flight_count < ARRAY_COUNT(world->in_flight));
	world->in_flight[world->in_flight_count++] = cs;
	world->inner->verbs->submit(world->inner, cs);
	world_plan(world, (int64_t)world_below(world, 5000) + 50, world_settle, NULL, 0);
}

static uint32_t seen_poll(struct store *store, struct outcome *out, uint32_t max)
{
	struct world *world = store->wake_context;
	return world->inner->verbs->poll(world->inner, out, max);
}

#define SEEN(verb, parameters, arguments)                                    \
	static enum err seen_##verb parameters                               \
	{                                                                    \
		struct world *world = store->wake_context;                   \
		return world->inner->verbs->verb arguments;                  \
	}
SEEN(load, (struct store *store, struct load *load, struct arena *arena), (world->inner, load, arena))
SEEN(nth_final, (struct store *store, uint32_t queue, enum job_state state, uint32_t n, int64_t *us, uint64_t *uid, uint64_t *bytes),
     (world->inner, queue, state, n, us, uid, bytes))
SEEN(far, (struct store *store, struct far_page *page, struct arena *arena), (world->inner, page, arena))
SEEN(scan, (struct store *store, const struct scan_visitor *visitor), (world->inner, visitor))
SEEN(reopen, (struct store *store, struct problem *problem), (world->inner, problem))
#undef SEEN

static enum err seen_take(struct store *store, struct store_meta *out)
{
	struct world *world = store->wake_context;
	enum err err = world->inner->verbs->take(world->inner, out);
	if (!err) {
		world->shadow.terms_us = out->engine_us;
		world->shadow.life++;
		budgets_restart(&world->shadow);
	}
	return err;
}

static const struct store_verbs seen_verbs = {
	.take = seen_take, .submit = seen_submit, .poll = seen_poll, .load = seen_load, .nth_final = seen_nth_final, .far = seen_far,
	.scan = seen_scan, .reopen = seen_reopen,
};

void world_disturb(struct world *world)
{
	world->quiet_us = world->now_us;
}

static void world_forget_in_flight(struct world *world)
{
	world->in_flight_count = 0;
}

/* The oldest commit in flight comes to its end, one way or another. */
static void world_settle_one(struct world *world, enum settle how)
{
	struct changeset *cs = world->in_flight[0];
	bool applied = (how == SETTLE_APPLY || how == SETTLE_APPLY_UNKNOWN) && cs->term == world->disk->meta.term;
	if (applied) {
		world->commits++;
		world_note(world, "commit %llu jobs=%u", (unsigned long long)cs->seq, cs->jobs.count);
		shadow_commit(&world->shadow, cs, world->now_us);
	}
	if (how != SETTLE_APPLY)
		world_disturb(world);
	store_mem_settle(world->inner, 1, how);
	if (applied && how == SETTLE_APPLY) {
		world->in_flight_count--;
		memmove(world->in_flight, world->in_flight + 1, world->in_flight_count * sizeof(world->in_flight[0]));
	} else {
		world_forget_in_flight(world); /* all behind it fail with it */
	}
	if (applied)
		CHECK(world->disk->meta.commit_seq == world->shadow.seq);
}

static void world_settle(struct world *world, struct actor *actor, uint64_t argument)
{
	enum settle how = SETTLE_APPLY;
	(void)actor, (void)argument;
	if (!world->in_flight_count)
		return;
	if (!world->calm && world_chance(world, world->fault_permille)) {
		how = (enum settle)(1 + world_below(world, 3));
		world->refused += how == SETTLE_REFUSE;
		world->unknown += how != SETTLE_REFUSE;
		world_note(world, "fault %d", how);
	}
	world_settle_one(world, how);
	world->step_us = world->now_us;
}

/* ---- daemons come and go ---- */

static void world_boot(struct world *world)
{
	struct engine_config config;
	engine_config_default(&config);
	config.deliveries_max = SIM_DELIVERIES;
	config.handed_back_max = 2;
	config.types_listed = world->shadow.types_listed = world->seed % 3 == 0;
	config.horizon_ms = 1 << world_below(world, 13); /* so that many delays and back-offs are far */
	enum err err = store_mem_share(world->disk, &world->inner);
	CHECK(!err);
	store_mem_set_automatic(world->inner, false);
	world->seen = (struct store){ .verbs = &seen_verbs, .in_flight_max = 1 + (uint32_t)world_below(world, 4), .wake_context = world };
	world->engine = engine_new(&config, &world->seen);
	CHECK(world->engine);
	err = engine_start(world->engine, world->now_us + 1, world_wall_us(world), NULL);
	CHECK(!err);
	world->step_us = world->now_us;
	world_disturb(world);
}

static void world_bury(struct world *world) /* everybody who waits for an answer sees the connection break */
{
	engine_abandon(world->engine, E_CANCELLED);
	world_take(world);
	while (world->out.after != &world->out) { /* in the hands of the store when it died */
		struct request *request = world->out.after->request;
		request->err = E_CANCELLED;
		world_return(world, request);
	}
	engine_free(world->engine);
	world->inner->verbs->close(world->inner);
	world_forget_in_flight(world);
}

static void world_crash(struct world *world, struct actor *actor, uint64_t argument)
{
	(void)actor, (void)argument;
	if (world->calm)
		return;
	world_plan(world, (int64_t)world_below(world, 8000000) + 100000, world_crash, NULL, 0);
	uint64_t survive = world_below(world, world->in_flight_count + 1);
	world->crashes++;
	world_note(world, "crash, %llu in flight survive", (unsigned long long)survive);
	for (uint64_t i = 0; i < survive; i++)
		world_settle_one(world, SETTLE_APPLY);
	world_bury(world);
	shadow_compare_disk(&world->shadow, world->disk, false);
	world->now_us += (int64_t)world_below(world, 2000000);
	world_boot(world);
}

static void world_step(struct world *world);

/* Another daemon takes the shard while this one still has commits in flight: they must all be refused. */
static void world_takeover(struct world *world, struct actor *actor, uint64_t argument)
{
	(void)actor, (void)argument;
	if (world->calm)
		return;
	world_plan(world, (int64_t)world_below(world, 20000000) + 1000000, world_takeover, NULL, 0);
	world->takeovers++;
	world_note(world, "takeover");
	world_step(world); /* what it has been told it knows: after an unknown outcome it takes the shard back */
	struct store *usurper;
	struct store_meta meta;
	enum err err = store_mem_share(world->disk, &usurper);
	CHECK(!err);
	err = usurper->verbs->take(usurper, &meta);
	CHECK(!err);
	uint64_t before = world->disk->meta.commit_seq;
	while (world->in_flight_count)
		world_settle_one(world, SETTLE_APPLY);
	for (int i = 0; i < 10 && engine_health(world->engine) == E_OK; i++) {
		world_tell_time(world);
		engine_step(world->engine, world->now_us + 1, world_wall_us(world));
		world_take(world);
		while (world->in_flight_count)
			world_settle_one(world, SETTLE_APPLY);
	}
	CHECK(world->disk->meta.commit_seq == before);
	world_bury(world);
	usurper->verbs->close(usurper);
	world_boot(world);
}

static void world_jump(struct world *world, struct actor *actor, uint64_t argument)
{
	(void)actor, (void)argument;
	if (world->calm)
		return;
	world_plan(world, (int64_t)world_below(world, 15000000) + 1000000, world_jump, NULL, 0);
	world->jumps++;
	world_disturb(world);
	world->wall_offset_us = ((int64_t)world_below(world, 120) - 60) * 60000000;
	world_note(world, "wall clock jumps to %+lld s", (long long)(world->wall_offset_us / 1000000)); /* and nobody tells the engine */
}

/* The machine is suspended: the boot clock goes on, nobody acts, and what was due meanwhile is late. */
static void world_sleep(struct world *world, struct actor *actor, uint64_t argument)
{
	(void)actor, (void)argument;
	if (world->calm)
		return;
	world_plan(world, (int64_t)world_below(world, 20000000) + 1000000, world_sleep, NULL, 0);
	int64_t span_us = (int64_t)world_below(world, 6000000);
	world->sleeps++;
	world_note(world, "sleeps for %lld ms", (long long)(span_us / 1000));
	world->now_us += span_us;
	world->end_us += span_us;
	world->step_us = world->now_us;
	world_disturb(world);
}

/* Memory is an index of what is on disk: whenever nothing is on its way they say the same. */
static void world_compare(struct world *world)
{
	struct buf memory, rows;
	if (!engine_is_idle(world->engine) || world->in_flight_count || engine_health(world->engine))
		return;
	buf_init(&memory, 16 << 20);
	buf_init(&rows, 16 << 20);
	engine_dump(world->engine, &memory);
	shadow_dump(&world->shadow, world->disk, world->engine, engine_has_left, &rows);
	CHECK(buf_ok(&memory) && buf_ok(&rows));
	CHECK(str_eq(buf_str(&memory), buf_str(&rows)));
	world->compared++;
	buf_fini(&memory);
	buf_fini(&rows);
}

/* ---- time ---- */

static void world_step(struct world *world)
{
	world_tell_time(world);
	int64_t next_us = engine_step(world->engine, world->now_us + 1, world_wall_us(world));
	world->step_us = next_us == INT64_MAX ? INT64_MAX : next_us - 1;
	if (world->step_us <= world->now_us && next_us != INT64_MAX)
		world->step_us = world->now_us + 1; /* time moves, however little */
	if (world->steps++ % 16 == 0)
		engine_verify(world->engine);
	world_take(world);
	if (world->steps % 32 == 0)
		world_compare(world);
}

static void world_run(struct world *world)
{
	for (;;) {
		const struct heap_entry *first = heap_peek(&world->agenda);
		int64_t plan_us = first ? first->major : INT64_MAX;
		int64_t next_us = world->step_us <= plan_us ? world->step_us : plan_us;
		if (next_us > world->end_us)
			return;
		if (next_us > world->now_us)
			world->now_us = next_us;
		if (world->step_us <= plan_us) {
			world_step(world);
			continue;
		}
		uint32_t slot = first->item;
		struct plan plan = *(struct plan *)pool_at(&world->plans, slot);
		heap_remove(&world->agenda, 0);
		pool_give(&world->plans, slot);
		plan.run(world, plan.actor, plan.argument);
	}
}

uint64_t world_live(struct world *world, uint64_t seed, int64_t span_us, bool trace)
{
	static const uint32_t weather[] = { 15, 5, 1, 0 }; /* a rule about being in time is only seen to hold when all is well for a while */
	*world = (struct world){ .seed = seed, .dice = map_mix(seed + 1), .trace = trace, .end_us = span_us, .fault_permille = weather[seed % 4] };
	world->out.before = world->out.after = &world->out;
	heap_init(&world->agenda, world_place, NULL);
	pool_init(&world->plans, sizeof(struct plan));
	shadow_init(&world->shadow);
	struct store *first;
	enum err err = store_mem_open(&first);
	CHECK(!err);
	world->disk = store_mem_disk(first);
	world_boot(world);
	clients_start(world);
	limits_start(world);
	turns_start(world);
	types_start(world);
	resets_start(world);
	clocks_start(world);
	hooks_start(world);
	polls_start(world);
	workers_start(world);
	watch_start(world);
	if (world->fault_permille)
		world_plan(world, 3000000, world_crash, NULL, 0);
	world_plan(world, 7000000, world_takeover, NULL, 0);
	world_plan(world, 5000000, world_jump, NULL, 0);
	world_plan(world, (int64_t)world_below(world, 12000000), world_sleep, NULL, 0);
	world_run(world);
	world->calm = true;
	world->wall_offset_us = 3600000000 * 2; /* past every run_at that was ever asked for */
	world_note(world, "calm");
	world->step_us = world->now_us;
	world->end_us = world->now_us + 150 * INT64_C(1000000);
	world_disturb(world);
	world_run(world);
	shadow_at_rest(&world->shadow);
	shadow_compare_disk(&world->shadow, world->disk, true);
	CHECK(world->compared);
	shadow_hash(&world->shadow, &world->hash);
	world_bury(world);
	first->verbs->close(first);
	world->jobs = world->shadow.jobs.used;
	shadow_fini(&world->shadow);
	heap_fini(&world->agenda);
	pool_fini(&world->plans);
	return world->hash;
}
