/* sim/turns.c: whose turn it is. Two queues of their own: in one, groups with weights and always something to do, whose starts must stay in
 * proportion; in the other jobs of all priorities, none of which may start while one that has waited so much longer may. */
#include "sim/world.h"
#include "base/check.h"

#define FAIR     "fair"
#define RISING   "rising"
#define GROUPS   SHARE_GROUPS

/* ---- those who enqueue there ---- */

static const char *const settings[] = {
	"{\"keep_completed\":\"all\",\"keep_failed\":\"all\",\"lease_ms\":2000,\"max_stalls\":1000,\"concurrency\":3}",
	"{\"keep_completed\":\"all\",\"keep_failed\":\"all\",\"lease_ms\":2000,\"max_stalls\":1000,\"concurrency\":2,\"rise_after_ms\":400}",
};

static void settings_sent(struct world *world, struct actor *actor, struct request *request);

static void settings_send(struct world *world, struct actor *actor, uint64_t which)
{
	struct request *request = world_request(world, 1);
	(void)actor;
	request->ops[0] = (struct op){ .kind = OP_QUEUE_PUT, .queue = { .queue.name = str_of(which ? RISING : FAIR), .settings = str_of(settings[which]),
	                                                               .replace = true } };
	world_send(world, request, (struct actor *)(uintptr_t)which, settings_sent);
}

static void settings_sent(struct world *world, struct actor *actor, struct request *request)
{
	if (request->err) /* until it is certain */
		world_plan(world, 1000, settings_send, NULL, (uint64_t)(uintptr_t)actor);
	else
		CHECK(request->ops[0].result.err == E_OK);
}

static struct str turns_group(struct request *request, uint64_t n)
{
	char *text = arena_printf(&request->arena, "g%llu", (unsigned long long)n);
	CHECK(text);
	return str_of(text);
}

static void turns_heard(struct world *world, struct actor *actor, struct request *request)
{
	(void)actor;
	CHECK(request->err || !request->atomic || request->ops[0].result.err);
	if (request->ops[0].kind == OP_ENQUEUE)
		told_enqueued(&world->shadow, request);
}

static void turns_weigh(struct world *world)
{
	static const char *const weights[] = { "{\"weight\":1}", "{\"weight\":2}", "{\"weight\":5}", "{\"weight\":null}" };
	struct request *request = world_request(world, 1);
	struct op *op = &request->ops[0];
	op->kind = OP_GROUP_PUT;
	op->queue.queue.name = STR(FAIR);
	op->queue.group = turns_group(request, world_below(world, GROUPS));
	op->queue.settings = str_of(weights[world_below(world, ARRAY_COUNT(weights))]);
	world_send(world, request, NULL, turns_heard);
}

/* Starts that are undone: the second operation is bound to be refused. */
static void turns_start_undone(struct world *world)
{
	struct request *request = world_request(world, 2);
	struct op_claim *claim = &request->ops[0].claim;
	request->atomic = true;
	request->ops[0].kind = OP_CLAIM;
	claim->queues = ARENA_ARRAY(&request->arena, struct claim_queue, 2);
	CHECK(claim->queues);
	claim->queues[0].queue.name = STR(FAIR);
	claim->queues[1].queue.name = STR(RISING);
	claim->queue_count = 2;
	claim->max = 1 + (uint32_t)world_below(world, 4);
	claim->group_max = world_chance(world, 500) ? claim->max : 0;
	request->ops[1].kind = OP_DELETE;
	request->ops[1].job.uid = 1;
	world_send(world, request, NULL, turns_heard);
}

static void turns_enqueue(struct world *world)
{
	uint32_t count = 1 + (uint32_t)world_below(world, 6);
	struct request *request = world_request(world, count);
	bool fair = world_chance(world, 600);
	for (uint32_t i = 0; i < count; i++) {
		struct op_enqueue *enqueue = &request->ops[i].enqueue;
		request->ops[i].kind = OP_ENQUEUE;
		enqueue->queue.name = str_of(fair ? FAIR : RISING);
		enqueue->uid = uid_next(&world->maker, world_wall_us(world));
		enqueue->payload = STR("{\"n\":1}");
		enqueue->group = turns_group(request, world_below(world, GROUPS));
		enqueue->priority = fair ? 0 : (int32_t)world_below(world, 3);
	}
	world_send(world, request, NULL, turns_heard);
}

static void turns_act(struct world *world, struct actor *actor, uint64_t argument)
{
	if (world->calm)
		return;
	if (world_chance(world, 40))
		turns_weigh(world);
	else if (world_chance(world, 200))
		turns_start_undone(world);
	else
		turns_enqueue(world);
	world_plan(world, (int64_t)world_below(world, 220000) + 1000, turns_act, actor, argument);
}

void turns_start(struct world *world)
{
	for (uint64_t i = 0; i < ARRAY_COUNT(settings); i++)
		settings_send(world, NULL, i);
	world_plan(world, 1050000, turns_act, NULL, 0);
}

/* ---- what was told ---- */

void told_batch(struct shadow *shadow, const struct op *op)
{
	const struct claim_result *result = op->result.claim;
	CHECK(result->count <= op->claim.group_max);
	for (uint32_t i = 1; i < result->count; i++) {
		const struct shadow_job *first = shadow_find(shadow, result->grants[0].uid), *job = shadow_find(shadow, result->grants[i].uid);
		CHECK(str_eq(result->grants[i].queue.name, result->grants[0].queue.name));
		if (first->row.fence == result->grants[0].fence && job->row.fence == result->grants[i].fence)
			CHECK(!strcmp(first->group, job->group)); /* a batch is of one group */
		shadow->batched++;
	}
}

/* ---- judging: events in their order, and the rows before and after ---- */

void turns_read(struct shadow *shadow, uint32_t queue, const struct shadow_job *job, enum event_type type)
{
	const char *name = shadow_queue(shadow, queue)->name;
	if (strcmp(name, FAIR) && strcmp(name, RISING))
		return;
	CHECK(shadow->turn_count < ARRAY_COUNT(shadow->turns));
	bool waited = job->exists && job->row.state == JOB_WAITING;
	shadow->turns[shadow->turn_count++] = (struct shadow_turn){ .queue = queue, .job = job, .type = type, .since_us = waited ? job->row.since_us : 0 };
}

/* No job starts while one may that has waited rise_after_ms longer: one that waits before and after this change-set, untouched. */
static void turns_judge_rise(struct shadow *shadow, const struct shadow_queue *queue, const struct shadow_turn *turn)
{
	if (!turn->since_us || queue->changed_seq == shadow->seq || !queue->rise_us)
		return;
	shadow->risen++;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *other = pool_at(&shadow->jobs, slot);
		if (!other->exists || other->row.state != JOB_WAITING || other->row.queue != turn->queue || other->placed_seq == shadow->seq)
			continue;
		CHECK(other->row.since_us + queue->rise_us > turn->since_us);
	}
}

static uint32_t turns_group_number(const struct shadow_job *job) /* in FAIR; GROUPS: it has none of those */
{
	return job->group[0] == 'g' && job->group[1] >= '0' && job->group[1] < '0' + GROUPS ? (uint32_t)(job->group[1] - '0') : GROUPS;
}

static bool turn_takes(enum event_type type) /* may the job have waited, and waits no more? */
{
	return type != EVENT_ENQUEUED && type != EVENT_DUPLICATE && type != EVENT_PROGRESS;
}

/* Which groups had something to start all through this change-set, more than a claim may ask for, and nothing changed about them. */
static void turns_find_steady(struct shadow *shadow, uint32_t queue, bool steady[GROUPS])
{
	uint32_t taken[GROUPS + 1] = { 0 };
	for (uint32_t i = 0; i < shadow->turn_count; i++)
		if (shadow->turns[i].queue == queue && turn_takes(shadow->turns[i].type))
			taken[turns_group_number(shadow->turns[i].job)]++;
	for (uint32_t i = 0; i < GROUPS; i++) {
		const char key[] = { 'g', (char)('0' + i), 0 };
		struct shadow_group *group = shadow_group(shadow, queue, str_of(key));
		steady[i] = group->waiting_before >= taken[i] + SHARE_BATCH_MAX && group->waiting && !group->odd && group->changed_seq != shadow->seq;
		group->waiting_before = group->odd ? 0 : group->waiting;
	}
}

static uint32_t turns_weight(struct shadow *shadow, uint32_t queue, uint32_t number)
{
	const char key[] = { 'g', (char)('0' + number), 0 };
	uint32_t weight = shadow_group(shadow, queue, str_of(key))->weight;
	return weight ? weight : 1;
}

/* Of two groups that had something to start all the while: starts by weight differ by at most a batch of each. */
static void turns_judge_share(struct shadow *shadow, uint32_t queue, uint32_t mine, uint32_t other)
{
	double weight = turns_weight(shadow, queue, mine), others = turns_weight(shadow, queue, other);
	shadow->shares[mine][other]++;
	shadow->proportions++;
	CHECK(shadow->shares[mine][other] / weight - shadow->shares[other][mine] / others <= SHARE_BATCH_MAX / weight + SHARE_BATCH_MAX / others + 0.01);
}

static void turns_judge_shares(struct shadow *shadow, uint32_t queue)
{
	bool steady[GROUPS];
	turns_find_steady(shadow, queue, steady);
	bool same = shadow->share_life == shadow->life; /* who takes over begins anew */
	shadow->share_life = shadow->life;
	for (uint32_t a = 0; a < GROUPS; a++)
		for (uint32_t b = 0; b < GROUPS; b++)
			if (!same || !steady[a] || !steady[b])
				shadow->shares[a][b] = 0;
	for (uint32_t i = 0; i < shadow->turn_count && same; i++) {
		const struct shadow_turn *turn = &shadow->turns[i];
		uint32_t mine = turns_group_number(turn->job);
		for (uint32_t other = 0; other < GROUPS && mine < GROUPS; other++)
			if (turn->queue == queue && turn->type == EVENT_ACTIVE && other != mine && steady[mine] && steady[other])
				turns_judge_share(shadow, queue, mine, other);
	}
}

void turns_judge(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->queue_count; i++)
		if (!strcmp(shadow->queues[i].name, FAIR))
			turns_judge_shares(shadow, shadow->queues[i].number);
	for (uint32_t i = 0; i < shadow->turn_count; i++)
		if (shadow->turns[i].type == EVENT_ACTIVE)
			turns_judge_rise(shadow, shadow_queue(shadow, shadow->turns[i].queue), &shadow->turns[i]);
	shadow->turn_count = 0;
}
