/* sim/chains.c: chains under another queue's rules. Who was given the newest job asks for the next one and says when; some ask twice, some never. */
#include "sim/world.h"
#include "base/check.h"
#include <stdio.h>

static void chain_asked(struct world *world, struct actor *actor, struct request *request)
{
	const struct op_result *result = &request->ops[0].result, *again = &request->ops[1].result;
	(void)world, (void)actor;
	if (request->err || request->op_count < 2)
		return;
	CHECK(result->err || again->err || !result->uid || !again->uid); /* one producer, one next job */
}

void chains_granted(struct world *world, uint64_t uid)
{
	const struct shadow_job *job = shadow_find(&world->shadow, uid);
	const char *key = job && !strncmp(job->id, "repeat:", 7) ? job->id + 7 : NULL, *end = key ? strrchr(key, ':') : NULL;
	if (!end || world->calm || world_chance(world, 100))
		return;
	struct request *request = world_request(world, 2);
	request->op_count = 1 + world_chance(world, 200);
	for (uint32_t i = 0; i < request->op_count; i++) {
		request->ops[i].kind = OP_CHAIN_NEXT;
		request->ops[i].chain = (struct op_chain){
			.queue.name = STR(SIM_COMPAT_QUEUE), .key = arena_str(&request->arena, (struct str){ key, (size_t)(end - key) }),
			.producer = arena_str(&request->arena, str_of(job->id)), .iteration = STR("{\"n\":1}"),
			.next_us = world_wall_us(world) + (int64_t)world_below(world, 2000) * 1000,
		};
	}
	world_send(world, request, NULL, chain_asked);
}

/* The put, before it is sent: what those rules need besides. */
void chains_tell(struct world *world, struct op *op)
{
	if (!str_eq(op->chain.queue.name, STR(SIM_COMPAT_QUEUE)))
		return;
	op->chain.compat = COMPAT_BULLMQ;
	op->chain.next_us = world_wall_us(world) + (int64_t)world_below(world, 3000) * 1000;
	if (world_chance(world, 300))
		op->chain.iteration = STR("{\"n\":0}");
}

/* A row that replaces `before`: the job that was the newest has been claimed, is gone, or goes with its chain's end. */
void chains_judge(struct shadow *shadow, const struct shadow_chain *before, const struct chain_row *row)
{
	char id[64];
	const struct shadow_job *old = before->live && before->pending != row->pending ? shadow_find(shadow, before->pending) : NULL;
	const struct shadow_job *newest = shadow_find(shadow, row->pending);
	if (row->gone) {
		CHECK(!old || !old->exists || old->row.state != JOB_DELAYED || old->row.attempts_started);
		return;
	}
	CHECK(row->pending && row->count >= 1);
	CHECK(!old || !old->exists || old->row.attempts_started || job_state_is_final(old->row.state)); /* one that nobody has claimed, at most */
	snprintf(id, sizeof(id), "repeat:" STR_FMT ":%lld", STR_ARG(row->key), (long long)row->slot_ms);
	if (before->live && before->pending == row->pending)
		return;
	CHECK(!newest || !strcmp(newest->id, id)); /* none: replaced in the same commit */
}
