/* src/engine/keep.c: what an end says of its like: "of the completed ones keep ten". It is done in the change-set of that end: as it is submitted,
 * a range takes the oldest surplus. A range takes only what is committed, and of a queue and state only one is under way at a time, since it
 * is counted when it is done; what cannot go yet goes with a next change-set, at once. Nothing of this is remembered by a restart: the next
 * end says it again. */
#include "engine/engine_priv.h"

static const enum job_state keep_states[] = { JOB_COMPLETED, JOB_FAILED };

static struct keep *keep_of(struct queue *queue, enum job_state state)
{
	return state == JOB_COMPLETED ? &queue->keep_completed : &queue->keep_failed;
}

/* What the ends of the open batch say is noted with their queues. */
static void keep_gather(struct engine *engine)
{
	struct batch *batch = engine->open;
	if (!batch->keeps)
		return;
	batch->keeps = false;
	for (uint32_t i = 0; i < batch->dirty_count; i++) {
		const struct job *job = job_at(&engine->index, batch->dirty[i].slot);
		if (!batch->dirty[i].keep || (job->state != JOB_COMPLETED && job->state != JOB_FAILED))
			continue;
		struct queue *queue = queue_at(&engine->index, job->queue);
		*keep_of(queue, job_state_of(job)) = *batch->dirty[i].keep;
		queue->keep_due |= 1u << job->state;
		line_add(&engine->index, LINE_KEEP, job->queue);
	}
}

bool range_is_under_way(const struct engine *engine, uint32_t queue, enum job_state state)
{
	for (const struct batch *batch = uncommitted_first(engine); batch; batch = uncommitted_after(engine, batch))
		for (uint32_t i = 0; i < batch->cs.ranges.count; i++)
			if (batch->cs.ranges.items[i].queue == queue && batch->cs.ranges.items[i].state == state)
				return true;
	return false;
}

/* Final jobs of the queue that the store has: those of batches under way are not counted yet. */
static uint64_t keep_committed(const struct engine *engine, const struct queue *queue, enum job_state state)
{
	uint64_t count = queue->sent.final[state];
	for (const struct batch *batch = engine->first_flying; batch; batch = batch->next)
		for (uint32_t i = 0; i < batch->cs.counts.count; i++)
			if (batch->cs.counts.items[i].queue == queue->number)
				count -= batch->cs.counts.items[i].final[state];
	return count;
}

struct place { /* in the order of finishing */
	int64_t at_us;
	uint64_t uid;
};

static bool place_is_later(const struct place *a, const struct place *b)
{
	return a->at_us > b->at_us || (a->at_us == b->at_us && a->uid > b->uid);
}

static bool keep_nth(struct engine *engine, const struct queue *queue, enum job_state state, uint64_t n, struct place *out)
{
	uint64_t bytes;
	if (!n || engine->store->verbs->nth_final(engine->store, queue->number, state, (uint32_t)n, &out->at_us, &out->uid, &bytes))
		return false;
	return out->uid != 0;
}

/* Up to where those go that are too old; out of `committed` ones. */
static bool keep_by_age(struct engine *engine, const struct queue *queue, enum job_state state, const struct keep *keep, uint64_t committed,
			struct place *out)
{
	int64_t cutoff_us = skew_now_us(&engine->index, queue) - keep->age_ms * 1000;
	uint64_t most = keep->limit && keep->limit < LIMIT_SLICE_JOBS ? keep->limit : LIMIT_SLICE_JOBS;
	struct place last;
	if (!keep->age_ms || !keep_nth(engine, queue, state, committed ? 1 : 0, out) || out->at_us >= cutoff_us)
		return false;
	if (keep_nth(engine, queue, state, committed < most ? committed : most, &last) && last.at_us < cutoff_us)
		*out = last;
	else
		*out = (struct place){ cutoff_us - 1, UINT64_MAX >> 1 };
	return true;
}

bool range_takes_uncounted(const struct engine *engine, int64_t up_to_us)
{
	for (const struct batch *batch = uncommitted_first(engine); batch; batch = uncommitted_after(engine, batch))
		if (batch->earliest_finish_us && batch->earliest_finish_us <= up_to_us)
			return true;
	return false;
}

/* True: there is nothing more to do for this state. */
static bool keep_state(struct engine *engine, struct queue *queue, enum job_state state)
{
	const struct keep *keep = keep_of(queue, state);
	uint64_t total = queue->counts.final[state], committed = keep_committed(engine, queue, state);
	uint64_t surplus = keep->count && total > keep->count ? total - keep->count : 0, n = surplus < committed ? surplus : committed;
	struct place by_count, by_age;
	if (range_is_under_way(engine, queue->number, state))
		return false;
	n = n < LIMIT_SLICE_JOBS ? n : LIMIT_SLICE_JOBS;
	bool counted = keep_nth(engine, queue, state, n, &by_count), aged = keep_by_age(engine, queue, state, keep, committed, &by_age);
	if (!counted && !aged)
		return n == surplus; /* else: not committed yet */
	const struct place *up_to = !counted || (aged && place_is_later(&by_age, &by_count)) ? &by_age : &by_count;
	if (range_takes_uncounted(engine, up_to->at_us))
		return false;
	struct range_delete *range = change_add(&engine->open->cs, ranges);
	if (range)
		*range = (struct range_delete){ .queue = queue->number, .state = state, .up_to_us = up_to->at_us, .up_to_uid = up_to->uid,
			                        .expected = counted ? n : 0 };
	engine->family_stale = true; /* some that are waited for may be among them */
	return range && n == surplus;
}

void keep_send(struct engine *engine)
{
	struct index *index = &engine->index;
	keep_gather(engine);
	for (uint32_t rounds = index->lines[LINE_KEEP].count; rounds > 0; rounds--) {
		uint32_t slot = line_take(index, LINE_KEEP);
		struct queue *queue = queue_at(index, slot);
		for (size_t i = 0; i < ARRAY_COUNT(keep_states); i++)
			if (queue->keep_due & 1u << keep_states[i] && keep_state(engine, queue, keep_states[i]))
				queue->keep_due &= ~(1u << keep_states[i]);
		if (queue->keep_due)
			line_add(index, LINE_KEEP, slot);
	}
}

bool keep_is_due(const struct engine *engine)
{
	return engine->open->keeps || engine->index.lines[LINE_KEEP].count > 0;
}

void keep_forget(struct engine *engine)
{
	uint32_t slot;
	while ((slot = line_take(&engine->index, LINE_KEEP)) != SLOT_NONE)
		queue_at(&engine->index, slot)->keep_due = 0;
}

/* ---- what is told meanwhile ---- */

static const struct keep *keep_wanted(const struct engine *engine, uint32_t slot, enum job_state state)
{
	struct queue *queue = queue_at(&engine->index, slot);
	const struct batch *batch = engine->open;
	for (uint32_t i = batch->keeps ? batch->dirty_count : 0; i > 0; i--) {
		const struct job *job = job_at(&engine->index, batch->dirty[i - 1].slot);
		if (batch->dirty[i - 1].keep && job->queue == slot && job_state_of(job) == state)
			return batch->dirty[i - 1].keep;
	}
	return queue->keep_due & 1u << state ? keep_of(queue, state) : NULL;
}

uint64_t keep_told(const struct engine *engine, uint32_t slot, enum job_state state)
{
	const struct queue *queue = queue_at(&engine->index, slot);
	uint64_t count = queue->counts.final[state], leaving = 0;
	for (const struct batch *batch = engine->first_flying; batch; batch = batch->next)
		for (uint32_t i = 0; i < batch->cs.ranges.count; i++)
			if (batch->cs.ranges.items[i].queue == queue->number && batch->cs.ranges.items[i].state == state)
				leaving += batch->cs.ranges.items[i].expected;
	const struct keep *keep = keep_wanted(engine, slot, state);
	count -= leaving < count ? leaving : count;
	return keep && keep->count && keep->count < count ? keep->count : count;
}
