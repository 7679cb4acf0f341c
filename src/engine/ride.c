/* src/engine/ride.c: several messages in one call. The first job of an endpoint's group starts as any other; more of the group ride along: they are
 * active under leases of their own, with the token of riders, and count in nothing that bounds calls. Each has its own verdict.
 *
 * How many go in one call:
 *   batch.max         of the settings
 *   health.batch_max  what the other side has said it takes at most: kept in the endpoint's row
 *   health.batch_cap  a call was refused: one of its messages may be bad. They go back to the head of the line in their order, and calls have half
 *                     as many until the bad one stands alone, and fails alone; then as many as before. Memory only: a restart looks anew.
 *
 * Where it was not one message's fault, no single one fails: then ten calls in a row that go well double the size. */
#include "base/mem.h"
#include "engine/engine_priv.h"

#define RIDE_WELL 10

static uint32_t ride_most(const struct endpoint_batch *batch, const struct health *health)
{
	uint32_t most = batch->max ? batch->max : 1;
	return health->batch_max && health->batch_max < most ? (uint32_t)health->batch_max : most;
}

static uint32_t ride_now(const struct endpoint_batch *batch, const struct health *health)
{
	uint32_t most = ride_most(batch, health);
	return health->batch_cap && health->batch_cap < most ? (uint32_t)health->batch_cap : most;
}

uint32_t ride_size(const struct index *index, const struct group *group)
{
	const struct endpoint_settings *settings = group_endpoint_settings(index, group);
	return settings ? ride_now(&settings->batch, &group_endpoint(index, group)->health) : 1;
}

/* Under the order `latest` the newest waits as long as whoever it took the place of: what changes all the time would never go. */
static int64_t ride_since_us(const struct index *index, const struct job *job)
{
	int64_t since_us = dedup_since_us(index, job->uid);
	return since_us < job->since_us ? since_us : job->since_us;
}

/* Who has been started before waits for nobody. */
int64_t ride_gathers_us(const struct index *index, const struct group *group)
{
	const struct endpoint_settings *settings = group_endpoint_settings(index, group);
	if (!settings || !settings->batch.wait_ms || !group->ready.count || group->ready.count >= ride_size(index, group))
		return 0;
	const struct job *first = job_at(index, heap_peek(&group->ready)->item);
	return first->attempts_started ? 0 : ride_since_us(index, first) + settings->batch.wait_ms * 1000;
}

enum err ride_along(struct engine *engine, uint32_t group, struct effect *effect)
{
	struct index *index = &engine->index;
	const struct grant_terms terms = { .token = lease_token_hash(RIDER_TOKEN), .delivery = true, .rides = true };
	uint32_t room = ride_size(index, group_at(index, group)) - 1, ready = group_at(index, group)->ready.count, slot;
	room = room < ready ? room : ready;
	effect->riders = room ? mem_zalloc_array(room, sizeof(*effect->riders)) : NULL;
	if (room && !effect->riders)
		return E_NOMEM;
	while (effect->rider_count < room) {
		enum err err = serve_ride(engine, group, &terms, &slot);
		if (err)
			return err == E_NOT_FOUND ? E_OK : err;
		const struct job *job = job_at(index, slot);
		effect->riders[effect->rider_count++] = (struct effect_rider){
			.uid = job->uid, .fence = job->fence, .edited_body = job->edited_body, .attempt = job->attempts_started,
			.attempts_made = job->attempts_made, .max_attempts = job_max_attempts(index, job),
		};
	}
	return E_OK;
}

/* ---- what a call teaches ---- */

static enum err ride_tell_learnt(struct engine *engine, const struct named *named)
{
	uint32_t queue = group_at(&engine->index, named->group)->queue;
	struct buf text;
	buf_init(&text, LIMIT_NAME_BYTES * 6 + 128);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "endpoint", named->name);
	json_put_field_u64(&text, "batch_max", named->health.batch_max);
	buf_add_byte(&text, '}');
	struct str details = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return details.ptr ? batch_event(engine->open, EVENT_ENDPOINT_CHANGED, queue, 0, details) : E_NOMEM;
}

static enum err ride_learn(struct engine *engine, uint32_t slot, uint32_t learnt)
{
	struct named *named = named_at(&engine->index, slot);
	if (named->health.batch_max && named->health.batch_max <= learnt)
		return E_OK;
	enum err err = named_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	named->health.batch_max = learnt;
	named->health.batch_cap = named->health.batch_well = 0;
	err = named_write(engine, named);
	return err ? err : ride_tell_learnt(engine, named);
}

static void ride_adapt(const struct endpoint_batch *batch, const struct op_hook *hook, struct health *health)
{
	uint32_t now = ride_now(batch, health), half = (hook->batch_size + 1) / 2;
	if (hook->bisect) {
		health->batch_cap = half < now ? half : now;
		health->batch_well = 0;
	} else if (hook->blame == BLAME_WELL) {
		health->batch_well += health->batch_cap && hook->batch_size >= now;
		if (health->batch_well == RIDE_WELL) {
			health->batch_cap = (uint64_t)now * 2;
			health->batch_well = 0;
		}
	} else {
		if (hook->blame == BLAME_RECORD && hook->batch_size == 1)
			health->batch_cap = 0;
		health->batch_well = 0;
	}
	if (health->batch_cap >= ride_most(batch, health))
		health->batch_cap = 0;
}

enum err ride_ended(struct engine *engine, const struct op_hook *hook)
{
	struct index *index = &engine->index;
	uint32_t slot = hook->batch_size ? named_find_number(index, hook->endpoint) : SLOT_NONE;
	struct named *named = slot == SLOT_NONE ? NULL : named_at(index, slot);
	if (!named || !named->endpoint || !named->endpoint->value.batch.max || named->group == SLOT_NONE)
		return E_OK;
	enum err err = health_touch(engine->open, index, slot);
	if (err)
		return err;
	if (hook->batch_learnt)
		err = ride_learn(engine, slot, hook->batch_learnt);
	else
		ride_adapt(&named->endpoint->value.batch, hook, &named->health);
	group_refresh(index, named->group); /* it may gather, or may not need to any more */
	return err;
}
