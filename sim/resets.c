/* sim/resets.c: a queue that is filled with all that a queue remembers (keys, chains, groups' settings, a pause, a penalty), emptied, and made as
 * new; now and then it still has jobs, or all of it is undone. Nobody else works there. */
#include "sim/world.h"
#include "base/check.h"

#define DELETES_MAX 64u
#define SETTINGS    "{\"concurrency\":2,\"limits\":[\"shared\"],\"keep_failed\":{\"count\":1,\"age_ms\":0,\"bytes\":0}}"

static struct {
	bool asked;             /* one request at a time: what stands in a change-set with a reset is its own */
	bool clean;             /* the last one was accepted since the calm began */
	uint64_t judged_before;
	uint32_t jobs_before;   /* when the reset was sent */
} resets;

static struct str resets_text(struct request *request, const char *format, uint64_t n)
{
	char *text = arena_printf(&request->arena, format, (unsigned long long)n);
	CHECK(text);
	return str_of(text);
}

static uint32_t resets_jobs(struct shadow *shadow, uint64_t *uids, uint32_t most)
{
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		const struct shadow_job *job = pool_at(&shadow->jobs, slot);
		if (!job->exists || strcmp(shadow_queue(shadow, job->row.queue)->name, SIM_BLANK_QUEUE) != 0)
			continue;
		if (uids && count < most)
			uids[count] = job->row.uid;
		count++;
	}
	return count;
}

/* ---- what it remembers ---- */

static void resets_enqueue(struct world *world, struct request *request, struct op *op)
{
	struct op_dedup *dedup = ARENA_NEW(&request->arena, struct op_dedup);
	CHECK(dedup);
	dedup->key = resets_text(request, "key-%llu", world_below(world, 3));
	dedup->ttl_ms = world_chance(world, 500) ? 1 + (int64_t)world_below(world, 20000) : 0;
	dedup->keep_last = !dedup->ttl_ms && world_chance(world, 300);
	op->kind = OP_ENQUEUE;
	op->enqueue = (struct op_enqueue){ .queue.name = STR(SIM_BLANK_QUEUE), .uid = uid_next(&world->maker, world_wall_us(world)), .payload = STR("1"),
		                           .dedup = world_chance(world, 500) ? dedup : NULL };
	if (world_chance(world, 300))
		op->enqueue.group = resets_text(request, "g%llu", world_below(world, 3));
	if (world_chance(world, 300))
		op->enqueue.delay_ms = 1 + (int64_t)world_below(world, 2000);
}

static void resets_fill(struct world *world, struct request *request, struct op *op)
{
	struct queue_name queue = { .name = STR(SIM_BLANK_QUEUE) };
	uint64_t uid;
	switch (world_below(world, 12)) {
	case 0: *op = (struct op){ .kind = OP_QUEUE_PUT, .queue = { .queue = queue, .settings = STR(SETTINGS) } }; break;
	case 1: *op = (struct op){ .kind = OP_QUEUE_PAUSE, .queue = { .queue = queue } }; break;
	case 2: *op = (struct op){ .kind = OP_BACK_OFF, .back_off = { .queue = queue, .delay_ms = 60000 } }; break;
	case 3:
		*op = (struct op){ .kind = OP_GROUP_PUT, .queue = { .queue = queue, .group = resets_text(request, "g%llu", world_below(world, 3)),
			                                            .settings = STR("{\"weight\":3,\"concurrency\":1,\"limits\":[]}") } };
		break;
	case 4:
		*op = (struct op){ .kind = OP_GROUP_PAUSE, .queue = { .queue = queue, .group = resets_text(request, "g%llu", world_below(world, 3)) } };
		break;
	case 5:
		*op = (struct op){ .kind = OP_CHAIN_PUT, .chain = { .queue = queue, .key = resets_text(request, "c%llu", world_below(world, 2)),
			                                            .job = STR("{}"), .schedule = STR("{\"every_ms\":700,\"limit\":4}") } };
		break;
	case 6: case 7: /* it leaves its key behind */
		if (resets_jobs(&world->shadow, &uid, 1)) {
			*op = (struct op){ .kind = OP_CANCEL, .job.uid = uid };
			break;
		}
	/* fallthrough */
	default: resets_enqueue(world, request, op);
	}
}

/* ---- the reset ---- */

static void resets_heard(struct world *world, struct actor *actor, struct request *request)
{
	(void)actor;
	resets.asked = false;
	if (request->err)
		return; /* perhaps it was done */
	uint32_t at = request->op_count;
	bool all_gone = true;
	for (uint32_t i = 0; i < request->op_count; i++) {
		const struct op_result *result = &request->ops[i].result;
		CHECK(result->err != E_INTERNAL && result->err != E_INVALID);
		if (request->ops[i].kind == OP_QUEUE_RESET)
			at = i;
		else if (at == request->op_count)
			all_gone = all_gone && (result->err == E_OK || result->err == E_JOB_NOT_FOUND);
	}
	if (at == request->op_count)
		return;
	enum err err = request->ops[at].result.err;
	bool undone = request->atomic && (request->op_count > at + 1 || !all_gone);
	CHECK(world->shadow.resets == resets.judged_before + (err == E_OK && !undone)); /* what is accepted is on disk, what is not leaves no trace */
	CHECK(err == E_OK || err == E_CONFLICT || err == E_QUEUE_NOT_FOUND || undone || err == E_UNAVAILABLE || err == E_BACKLOG || err == E_STORE_FULL);
	CHECK(err != E_CONFLICT || undone || resets.jobs_before); /* only jobs are in the way */
	CHECK(err != E_CONFLICT || undone || !all_gone || resets.jobs_before > at); /* and these only while they are there */
	resets.clean = world->calm && !undone && (err == E_OK || err == E_QUEUE_NOT_FOUND);
}

static void resets_ask(struct world *world)
{
	uint64_t uids[DELETES_MAX];
	resets.jobs_before = resets_jobs(&world->shadow, uids, DELETES_MAX);
	resets.judged_before = world->shadow.resets;
	uint32_t deletes = resets.jobs_before < DELETES_MAX ? resets.jobs_before : DELETES_MAX;
	if (!world->calm && world_chance(world, 150))
		deletes = 0;
	struct request *request = world_request(world, deletes + 2);
	for (uint32_t i = 0; i < deletes; i++)
		request->ops[i] = (struct op){ .kind = OP_DELETE, .job = { .uid = uids[i], .force = true } };
	request->ops[deletes] = (struct op){ .kind = OP_QUEUE_RESET, .queue.queue.name = STR(SIM_BLANK_QUEUE) };
	request->op_count = deletes + 1;
	if (!world->calm && world_chance(world, 200)) { /* undone: the last one is bound to be refused */
		request->op_count++;
		request->atomic = true;
		request->ops[deletes + 1] = (struct op){ .kind = OP_DELETE, .job.uid = 1 };
	}
	resets.asked = true;
	world_send(world, request, NULL, resets_heard);
}

static void resets_act(struct world *world, struct actor *actor, uint64_t argument)
{
	world_plan(world, (int64_t)world_below(world, 120000) + 1000, resets_act, actor, argument);
	if (resets.asked || (world->calm && resets.clean))
		return;
	if (world->calm || world_chance(world, 200)) {
		resets_ask(world);
		return;
	}
	struct request *request = world_request(world, 1 + (uint32_t)world_below(world, 4));
	for (uint32_t i = 0; i < request->op_count; i++)
		resets_fill(world, request, &request->ops[i]);
	resets.asked = true;
	world_send(world, request, NULL, resets_heard);
}

void resets_start(struct world *world)
{
	memset(&resets, 0, sizeof(resets));
	world_plan(world, 1300000, resets_act, NULL, 0);
}

/* ---- what must be so when it is done ---- */

static void resets_check_queue(struct shadow *shadow, const struct shadow_queue *queue)
{
	CHECK(!queue->paused && !queue->concurrency && !queue->limits && !queue->blocked_us);
	CHECK(!resets_jobs(shadow, NULL, 0));
	for (uint32_t i = 0; i < shadow->dedup_count; i++)
		CHECK(shadow->dedups[i].queue != queue->number || !shadow->dedups[i].live);
	for (uint32_t i = 0; i < shadow->chain_count; i++)
		CHECK(shadow->chains[i].queue != queue->number || !shadow->chains[i].live);
	for (uint32_t i = 0; i < shadow->group_count; i++) {
		const struct shadow_group *group = &shadow->groups[i];
		CHECK(group->queue != queue->number ||
		      (!group->paused && !group->has_concurrency && !group->has_limits && !group->weight && !group->blocked_us));
	}
}

void resets_judge(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->events.count; i++) {
		const struct event_row *row = &cs->events.items[i];
		if (!memmem(row->lines.ptr, row->lines.len, "\"reset\":true", 12))
			continue;
		resets_check_queue(shadow, shadow_queue(shadow, row->queue));
		shadow->resets++;
	}
}
