/* src/engine/serve.c: who gets the next job. Within a queue the group whose first job has the lowest priority number goes first, among equals the
 * one whose turn it is (turns.c); limits of queue and group are looked at before each start, so that no commit ever exceeds them. */
#include "engine/engine_priv.h"
#include "base/check.h"
#include "base/mem.h"

#define DELIVERY_LEASE_MARGIN_MS 60000 /* a delivery's verdict always comes; the lease is for the day it does not */
#define DELIVERY_TURN            16    /* deliveries a queue starts before the next queue has its turn */

uint64_t lease_token_hash(struct str token)
{
	uint64_t hash = str_hash(token, 31);
	return hash ? hash : 1; /* 0 is "none" in rows */
}

static int64_t serve_timeout_ms(const struct index *index, const struct job *job)
{
	const struct queue *queue = queue_at(index, job->queue);
	const struct endpoint_settings *endpoint = group_endpoint_settings(index, group_at(index, job->group));
	int64_t timeout_ms = job->timeout_ms ? job->timeout_ms : endpoint ? endpoint->timeout_ms : queue->settings->timeout_ms;
	if (timeout_ms || queue->settings->target != TARGET_HTTP)
		return timeout_ms;
	return queue->settings->http.timeout_ms ? queue->settings->http.timeout_ms : 30000;
}

static enum err serve_lease(struct engine *engine, struct queue *queue, struct job *job, const struct grant_terms *terms)
{
	struct index *index = &engine->index;
	const struct lane *lane = lane_at(index, group_at(index, job->group)->lane);
	int64_t timeout_ms = serve_timeout_ms(index, job);
	uint32_t name, slot;
	enum err err = name_hold(index, terms->worker, &name);
	if (err)
		return err;
	err = pool_take(&index->leases, &slot);
	if (err) {
		name_drop(index, name);
		return err;
	}
	int64_t lease_ms = terms->delivery ? timeout_ms + DELIVERY_LEASE_MARGIN_MS : terms->lease_ms ? terms->lease_ms : queue->settings->lease_ms;
	*lease_at(index, slot) = (struct lease){
		.token = terms->token, .lease_ms = lease_ms, .deadline_us = index->now_us + lease_ms * 1000, .started_us = skew_now_us(index, queue),
		.hard_us = timeout_ms && !terms->delivery ? index->now_us + timeout_ms * 1000 : INT64_MAX,
		.worker = name, .delivery = terms->delivery, .stays = queue->settings->compat && !terms->delivery,
		.rides = terms->rides, .limit_count = terms->rides ? 0 : (uint8_t)lane->limit_count,
	};
	memcpy(lease_at(index, slot)->limits, lane->limits, sizeof(lane->limits));
	job_move(index, job, JOB_ACTIVE);
	job->lease = slot;
	return E_OK;
}

static enum err serve_count_start(struct index *index, uint32_t queue, uint32_t group)
{
	enum err err = queue_start(index, queue);
	err = err ? err : group_start(index, group);
	return err ? err : lane_start(index, group_at(index, group)->lane);
}

static enum err serve_start(struct engine *engine, uint32_t queue_slot, uint32_t slot, enum turn_kind turn, const struct grant_terms *terms)
{
	struct index *index = &engine->index;
	struct queue *queue = queue_at(index, queue_slot);
	struct job *job = job_at(index, slot);
	uint32_t group = job->group, chain;
	int64_t waited_us = index->now_us - job->since_us;
	bool runs = !terms->rides && !deferred_of(index, job).len; /* who only hears that it has failed takes nothing from a rate */
	enum err err = terms->rides ? E_OK : turn_take(engine->open, index, group, turn);
	err = err ? err : job_touch(engine->open, index, slot);
	err = err ? err : chain_leave(engine, slot, &chain);
	err = err ? err : serve_lease(engine, queue, job, terms);
	if (err)
		return err;
	job->fence++;
	job->attempts_started++;
	job->expire_us = 0; /* time-to-live ends with the first start */
	job->flags &= (uint16_t)~ROW_REDONE;
	err = runs ? serve_count_start(index, queue_slot, group) : E_OK;
	err = err ? err : job_place(index, slot);
	err = err ? err : job_event(engine, job, EVENT_ACTIVE, (struct str){ 0 });
	err = err ? err : chain_follow(engine, chain);
	if (!err)
		flow_wait(&queue->flow, index->now_us, waited_us);
	return err;
}

static bool serve_is_late(const struct index *index, uint32_t slot) /* it expires instead */
{
	const struct job *job = job_at(index, slot);
	return job->expire_us && job->expire_us <= index->now_us;
}

enum err serve_next(struct engine *engine, uint32_t queue_slot, const struct grant_terms *terms, uint32_t *out_slot)
{
	struct index *index = &engine->index;
	struct queue *queue = queue_at(index, queue_slot);
	enum explain_code why;
	int64_t until_us;
	uint32_t group;
	while (queue_next(index, queue_slot, &why, &until_us, &group)) {
		uint32_t slot = turns_risen(index, queue_slot);
		enum turn_kind turn = slot == SLOT_NONE ? TURN_FIRST : TURN_RISEN;
		if (slot == SLOT_NONE)
			slot = heap_peek(&group_at(index, group)->ready)->item;
		if (!serve_is_late(index, slot)) {
			*out_slot = slot;
			return serve_start(engine, queue_slot, slot, turn, terms);
		}
		enum err err = life_expire(engine, slot);
		if (err)
			return err;
	}
	if (until_us && lanes_ready(index, queue, false))
		queue_open_at(index, queue_slot, until_us);
	return E_NOT_FOUND;
}

enum err serve_ride(struct engine *engine, uint32_t group, const struct grant_terms *terms, uint32_t *out_slot)
{
	const struct heap *ready = &group_at(&engine->index, group)->ready;
	while (ready->count) {
		uint32_t slot = heap_peek(ready)->item;
		if (!serve_is_late(&engine->index, slot)) {
			*out_slot = slot;
			return serve_start(engine, group_at(&engine->index, group)->queue, slot, TURN_MORE, terms);
		}
		enum err err = life_expire(engine, slot);
		if (err)
			return err;
	}
	return E_NOT_FOUND;
}

/* ---- batches ---- */

/* The first job of a group that has enough of them, or whose oldest has waited long enough; or who goes before all. */
static uint32_t serve_batch_first(struct engine *engine, uint32_t queue, const struct op_claim *claim, enum turn_kind *turn, int64_t *open_us)
{
	struct index *index = &engine->index;
	uint32_t group, slot = turns_risen(index, queue);
	*turn = slot == SLOT_NONE ? TURN_FIRST : TURN_RISEN;
	if (slot != SLOT_NONE)
		return slot;
	return turns_batch(index, queue, claim->group_min, claim->group_wait_ms * 1000, open_us, &group)
	       ? heap_peek(&group_at(index, group)->ready)->item : SLOT_NONE;
}

/* One more of its group, or, if a job of the group has waited so much longer, that one; if one of another group has, none. */
static uint32_t serve_batch_more(struct engine *engine, uint32_t queue, uint32_t group)
{
	struct index *index = &engine->index;
	uint32_t slot = turn_is_open(index, group) ? heap_peek(&group_at(index, group)->ready)->item : SLOT_NONE;
	uint32_t risen = slot == SLOT_NONE ? SLOT_NONE : turns_risen(index, queue);
	if (risen == SLOT_NONE || !turns_outwait(index, risen, slot))
		return slot;
	return job_at(index, risen)->group == group ? risen : SLOT_NONE;
}

/* The next job of a batch, whose group is `group`, or none yet. E_NOT_FOUND: none may start now. */
static enum err serve_batch(struct engine *engine, uint32_t queue, const struct op_claim *claim, const struct grant_terms *terms, uint32_t *group,
                            uint32_t *out_slot)
{
	struct index *index = &engine->index;
	enum explain_code why;
	enum turn_kind turn = TURN_MORE;
	int64_t until_us, open_us = 0;
	uint32_t unused, slot;
	while (queue_next(index, queue, &why, &until_us, &unused)) {
		if (*group == SLOT_NONE)
			slot = serve_batch_first(engine, queue, claim, &turn, &open_us);
		else
			slot = serve_batch_more(engine, queue, *group);
		if (slot == SLOT_NONE)
			break;
		if (!serve_is_late(index, slot)) {
			*group = job_at(index, slot)->group;
			*out_slot = slot;
			return serve_start(engine, queue, slot, turn, terms);
		}
		enum err err = life_expire(engine, slot);
		if (err)
			return err;
	}
	if (open_us)
		queue_open_by(index, queue, open_us);
	else if (until_us && lanes_ready(index, queue_at(index, queue), false))
		queue_open_at(index, queue, until_us);
	return E_NOT_FOUND;
}

/* Does it want no less than another one, for which there was nothing? */
static bool batch_wants_no_less(const struct op_claim *claim, const struct op_claim *other)
{
	return other && claim->group_max && claim->group_min >= other->group_min && claim->group_wait_ms >= other->group_wait_ms &&
	       claim->queue_count == 1;
}

/* ---- claims ---- */

static enum err serve_grant(struct engine *engine, const struct job *job, struct arena *arena, struct grant *out)
{
	struct str deferred = deferred_of(&engine->index, job);
	const struct queue *queue = queue_at(&engine->index, job->queue);
	*out = (struct grant){
		.uid = job->uid, .fence = job->fence, .attempt = job->attempts_started, .attempts_made = job->attempts_made,
		.max_attempts = job_max_attempts(&engine->index, job), .stalls = job->stalls, .priority = job->priority,
		.lease_ms = lease_at(&engine->index, job->lease)->lease_ms, .timeout_ms = serve_timeout_ms(&engine->index, job),
		.edited_body = job->edited_body, .queue = { queue->namespace_name, queue->name },
		.started_us = lease_at(&engine->index, job->lease)->started_us, .with_history = queue->settings->compat != COMPAT_NONE,
		.with_parents = queue->settings->compat && job->flags & ROW_CHILD,
		.deferred = deferred.len ? arena_str(arena, deferred) : deferred,
	};
	return deferred.len && !out->deferred.ptr ? E_NOMEM : E_OK;
}

static struct grant *serve_room(struct request *request, struct claim_result *result, uint32_t *capacity, uint32_t max)
{
	if (result->count < *capacity)
		return &result->grants[result->count];
	uint32_t wanted = *capacity ? *capacity * 4 : 16;
	wanted = wanted > max ? max : wanted;
	struct grant *grants = ARENA_ARRAY(&request->arena, struct grant, wanted);
	if (!grants)
		return NULL;
	if (result->count)
		memcpy(grants, result->grants, result->count * sizeof(*grants));
	result->grants = grants;
	*capacity = wanted;
	return &grants[result->count];
}

/* Why nothing came: the first queue's reason unless a later one has a better one than being empty. */
static void serve_explain(struct engine *engine, const struct op_claim *claim, struct claim_result *result)
{
	struct index *index = &engine->index;
	int64_t due_us = INT64_MAX;
	enum explain_code why = EXPLAIN_EMPTY;
	for (uint32_t i = 0; i < claim->queue_count; i++) {
		uint32_t slot = queue_find(index, claim->queues[i].queue);
		int64_t until_us = 0;
		enum explain_code code = EXPLAIN_EMPTY;
		if (slot == SLOT_NONE)
			continue;
		struct queue *queue = queue_at(index, slot);
		if (queue_may_start(index, slot, &code, &until_us)) {
			code = claim->group_max ? EXPLAIN_GROUP_MIN : EXPLAIN_READY;
			until_us = queue->blocked_position == HEAP_NOWHERE ? 0 : index->blocked_queues.entries[queue->blocked_position].major;
		} else if (code == EXPLAIN_EMPTY && queue->live[JOB_WAITING]) {
			const struct job *oldest = job_at(index, queue->oldest);
			code = group_blocker(index, group_at(index, oldest->group), &until_us);
		}
		if (why == EXPLAIN_EMPTY)
			why = code;
		if (until_us && until_us - index->now_us < due_us)
			due_us = until_us - index->now_us;
		int64_t delayed_us = queue_next_due_us(engine, slot, false), wall_us = queue_next_due_us(engine, slot, true);
		int64_t ahead_us = queue->skew_us > 0 ? queue->skew_us : 0;
		if (delayed_us != INT64_MAX && delayed_us - index->now_us - ahead_us < due_us)
			due_us = delayed_us - index->now_us - ahead_us;
		if (wall_us != INT64_MAX && wall_us - skew_wall_us(index, queue) < due_us)
			due_us = wall_us - skew_wall_us(index, queue);
	}
	result->nothing = explain_code_name(why);
	result->next_due_ms = due_us == INT64_MAX ? -1 : due_us < 0 ? 0 : (due_us + 999) / 1000;
}

/* With weights one queue is drawn to go first, in proportion; the others follow in the order listed. */
static uint32_t serve_first_queue(const struct op_claim *claim, uint64_t dice)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < claim->queue_count; i++)
		sum += claim->queues[i].weight;
	if (!sum)
		return 0;
	uint64_t drawn = map_mix(dice) % sum;
	for (uint32_t i = 0; i < claim->queue_count; i++) {
		if (drawn < claim->queues[i].weight)
			return i;
		drawn -= claim->queues[i].weight;
	}
	return 0;
}

static enum err serve_hear(struct engine *engine, const struct op_claim *claim)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < claim->queue_count && !err; i++) {
		uint32_t slot = queue_find(&engine->index, claim->queues[i].queue);
		if (slot == SLOT_NONE)
			continue;
		limiter_hear(queue_at(&engine->index, slot), &claim->limiter);
		err = skew_promote(engine, slot);
	}
	return err;
}

static void serve_tell_rate(struct engine *engine, const struct op_claim *claim, struct claim_result *result)
{
	for (uint32_t i = 0; i < claim->queue_count && !result->rate_ttl_ms && claim->compat; i++) {
		uint32_t slot = queue_find(&engine->index, claim->queues[i].queue);
		const struct queue *queue = slot == SLOT_NONE ? NULL : queue_at(&engine->index, slot);
		uint32_t max = queue ? limiter_rate(queue).max : 0;
		result->rate_ttl_ms = max ? limiter_ttl_ms(&engine->index, queue, max) : 0;
	}
}

static enum err serve_ready(struct engine *engine, const struct op_claim *claim, struct claim_result *result)
{
	for (uint32_t i = 0; i < claim->queue_count; i++) {
		uint32_t slot = queue_find(&engine->index, claim->queues[i].queue);
		enum explain_code why;
		int64_t until_us;
		if (slot != SLOT_NONE && queue_may_start(&engine->index, slot, &why, &until_us))
			result->ready += lanes_ready(&engine->index, queue_at(&engine->index, slot), true);
	}
	if (!result->ready) {
		serve_explain(engine, claim, result);
		serve_tell_rate(engine, claim, result);
	}
	return E_OK;
}

static struct str serve_token(struct request *request, const struct op_claim *claim)
{
	if (claim->token.len)
		return claim->token;
	char *text = arena_alloc(&request->arena, 17);
	uint64_t random = map_mix(request->dice ^ map_mix(request->number));
	for (int i = 0; text && i < 16; i++)
		text[i] = "0123456789abcdef"[random >> (60 - 4 * i) & 15];
	return (struct str){ text, text ? 16 : 0 };
}

enum err serve_claim(struct engine *engine, struct request *request, struct op *op)
{
	struct op_claim *claim = &op->claim;
	struct claim_result *result = ARENA_NEW(&request->arena, struct claim_result);
	if (!result)
		return E_NOMEM;
	op->result.claim = result;
	result->next_due_ms = -1;
	enum err heard = serve_hear(engine, claim);
	if (heard)
		return heard;
	if (claim->max == 0)
		return serve_ready(engine, claim, result);
	result->token = serve_token(request, claim);
	if (!result->token.ptr)
		return E_NOMEM;
	struct grant_terms terms = { .worker = claim->worker, .token = lease_token_hash(result->token), .lease_ms = claim->lease_ms };
	uint32_t capacity = 0, first = serve_first_queue(claim, request->dice), max = claim->group_max ? claim->group_max : claim->max;
	for (uint32_t n = 0; n < claim->queue_count && !engine->quiesced; n++) {
		uint32_t at = n == 0 ? first : n <= first ? n - 1 : n;
		uint32_t slot = queue_find(&engine->index, claim->queues[at].queue), job, group = SLOT_NONE;
		if (claim->group_max && result->count)
			break; /* a batch is of one group */
		while (slot != SLOT_NONE && result->count < max) {
			struct grant *grant = serve_room(request, result, &capacity, max);
			enum err err = !grant ? E_NOMEM : claim->group_max ? serve_batch(engine, slot, claim, &terms, &group, &job)
			               : serve_next(engine, slot, &terms, &job);
			if (err == E_NOT_FOUND)
				break;
			err = err ? err : serve_grant(engine, job_at(&engine->index, job), &request->arena, grant);
			if (err)
				return err;
			result->count++;
		}
	}
	if (!result->count) {
		serve_explain(engine, claim, result);
		serve_tell_rate(engine, claim, result);
	}
	return E_OK;
}

/* ---- waiters ---- */

static const struct op_claim *serve_claim_of(const struct engine *engine, const struct parked_link *link)
{
	return &((const struct parked *)pool_at(&engine->parked, link->parked))->request->ops[0].claim;
}

/* May a job start, by what this one who waits knows of the rate? When time ends that it may not, *until_us. */
static bool serve_may_start(struct engine *engine, uint32_t slot, const struct parked_link *link, int64_t *until_us)
{
	enum explain_code why;
	limiter_hear(queue_at(&engine->index, slot), &serve_claim_of(engine, link)->limiter);
	return queue_may_start(&engine->index, slot, &why, until_us);
}

static bool serve_waiter(struct engine *engine, uint32_t parked_slot)
{
	struct parked *parked = pool_at(&engine->parked, parked_slot);
	struct request *request = parked->request;
	struct op *op = &request->ops[0];
	struct mark mark = batch_mark(engine->open);
	enum err err = serve_claim(engine, request, op);
	if (!err && !op->result.claim->count && !op->result.claim->ready)
		return false;
	unpark(engine, parked_slot);
	if (err) {
		batch_undo(engine->open, &engine->index, mark);
		op->result = (struct op_result){ .err = err };
	}
	if (err || op->claim.max)
		batch_answer(engine->open, request);
	else
		engine_answer_now(engine, request, E_OK); /* a hint, which needs no commit: the claim that follows finds what is there then */
	return true;
}

static bool serve_waiters(struct engine *engine, uint32_t slot)
{
	struct queue *queue = queue_at(&engine->index, slot);
	int64_t until_us;
	const struct op_claim *left = NULL; /* a batch that this queue has not got yet: others may take what there is */
	const struct parked_link *link = queue->first_waiter;
	while (link && serve_may_start(engine, slot, link, &until_us)) {
		const struct op_claim *claim = serve_claim_of(engine, link);
		if (batch_is_large(engine->open))
			return true;
		bool served = !batch_wants_no_less(claim, left) && serve_waiter(engine, link->parked);
		if (!served && !claim->group_max)
			break;
		left = served || batch_wants_no_less(claim, left) ? left : claim;
		link = served ? queue->first_waiter : link->after;
	}
	if (queue->first_waiter && !serve_may_start(engine, slot, queue->first_waiter, &until_us) && until_us)
		queue_open_at(&engine->index, slot, until_us);
	return false;
}

/* ---- deliveries ---- */

static enum err serve_delivery(struct engine *engine, uint32_t slot)
{
	struct queue *queue = queue_at(&engine->index, slot);
	struct grant_terms terms = { .token = lease_token_hash(DELIVERY_TOKEN), .delivery = true };
	struct effect *effect;
	uint32_t job_slot;
	enum err err = serve_next(engine, slot, &terms, &job_slot);
	err = err ? err : batch_effect(engine->open, &effect);
	if (err)
		return err;
	const struct job *job = job_at(&engine->index, job_slot);
	const struct named *endpoint = group_endpoint(&engine->index, group_at(&engine->index, job->group));
	*effect = (struct effect){
		.kind = EFFECT_DELIVER, .uid = job->uid, .fence = job->fence, .edited_body = job->edited_body, .queue = queue->number,
		.attempt = job->attempts_started, .attempts_made = job->attempts_made, .max_attempts = job_max_attempts(&engine->index, job),
		.timeout_ms = serve_timeout_ms(&engine->index, job), .settings = shared_text_hold(queue->kept->text),
		.endpoint_number = endpoint ? endpoint->number : 0, .endpoint = endpoint ? shared_text_hold(endpoint->text) : NULL,
	};
	return endpoint ? ride_along(engine, job->group, effect) : E_OK;
}

/* Round and round the line, a few deliveries a turn, while there are slots. True: the batch is full, there is more. */
static bool serve_deliveries(struct engine *engine)
{
	struct index *index = &engine->index;
	uint32_t slot;
	while (index->deliveries < engine->config.deliveries_max && !engine->quiesced && !engine->handing_back && index->lines[LINE_DELIVERY].count) {
		enum err err = E_OK;
		if (batch_is_large(engine->open))
			return true;
		slot = line_take(index, LINE_DELIVERY);
		if (queue_at(index, slot)->settings->target != TARGET_HTTP)
			continue; /* its settings have changed */
		bool room = true; /* many may ride in each */
		for (int turn = 0; turn < DELIVERY_TURN && !err && room && index->deliveries < engine->config.deliveries_max; turn++) {
			struct mark mark = batch_mark(engine->open);
			err = serve_delivery(engine, slot);
			if (err && err != E_NOT_FOUND)
				batch_undo(engine->open, index, mark);
			room = !batch_is_large(engine->open);
		}
		if (err != E_NOT_FOUND)
			line_add(index, LINE_DELIVERY, slot);
		if (err == E_NOMEM)
			break;
	}
	return false;
}

bool serve_flagged(struct engine *engine)
{
	struct index *index = &engine->index;
	if (engine_is_full(engine))
		return false;
	if (index->first_doubtful != SLOT_NONE && index->deliveries < engine->config.deliveries_max)
		doubt_wake(index, engine->config.deliveries_max - index->deliveries);
	/* Serving a queue may flag it again; flags of this round are worked off once. */
	for (uint32_t rounds = index->lines[LINE_FLAGGED].count; rounds > 0; rounds--) {
		uint32_t slot = line_take(index, LINE_FLAGGED);
		if (queue_at(index, slot)->settings->target == TARGET_HTTP)
			line_add(index, LINE_DELIVERY, slot);
		if (serve_waiters(engine, slot)) {
			queue_flag(index, slot);
			return true;
		}
	}
	return serve_deliveries(engine);
}
