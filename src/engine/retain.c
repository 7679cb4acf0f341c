/* src/engine/retain.c: what is kept, and for how long: final jobs by count, age and bytes; events; idempotency records. All in slices, and
 * only as ranges of final jobs that the store finds by its index: nothing live can be in one. */
#include "engine/engine_priv.h"

#define MAINTAIN_US        1000000
#define MAINTAIN_BUSY_US   50000  /* while there is more to remove than one slice */
#define SLICES_A_ROUND     4
#define EVENTS_A_SLICE     500
#define EVENTS_UNTRIMMED_MIN 100

bool range_covers(const struct engine *engine, const struct job_row *row)
{
	for (const struct batch *batch = uncommitted_first(engine); batch; batch = uncommitted_after(engine, batch))
		for (uint32_t i = 0; i < batch->cs.ranges.count; i++) {
			const struct range_delete *range = &batch->cs.ranges.items[i];
			if (range->queue == row->queue && range->state == row->state &&
			    (row->finished_us < range->up_to_us || (row->finished_us == range->up_to_us && row->uid <= range->up_to_uid)))
				return true;
		}
	return false;
}

/* How many of the oldest must go by count or bytes, at most a slice. */
static uint32_t retain_surplus(const struct retention *keep, uint64_t count, uint64_t bytes)
{
	uint64_t surplus = 0;
	if (keep->none)
		surplus = count;
	if (keep->count && count > keep->count)
		surplus = count - keep->count;
	if (keep->bytes && bytes > keep->bytes && count) {
		uint64_t by_bytes = (bytes - keep->bytes) / (bytes / count + 1) + 1;
		surplus = by_bytes > surplus ? by_bytes : surplus;
	}
	surplus = surplus > count ? count : surplus;
	return surplus > LIMIT_SLICE_JOBS ? LIMIT_SLICE_JOBS : (uint32_t)surplus;
}

/* True when a slice was put into the open batch. */
static bool retain_state(struct engine *engine, uint32_t queue_slot, enum job_state state, const struct retention *keep)
{
	struct queue *queue = queue_at(&engine->index, queue_slot);
	const struct store_verbs *verbs = engine->store->verbs;
	uint64_t count = queue->counts.final[state], uid = 0, bytes;
	uint32_t surplus = retain_surplus(keep, count, queue->counts.final_bytes[state]);
	int64_t at_us = 0, cutoff_us = keep->age_ms ? engine->index.now_us - keep->age_ms * 1000 : INT64_MIN;
	if (!count || (!surplus && !keep->age_ms))
		return false;
	if (surplus && verbs->nth_final(engine->store, queue->number, state, surplus, &at_us, &uid, &bytes))
		return false;
	if (!uid && keep->age_ms && engine->index.now_us < queue->retain_us)
		return false;
	if (!uid && keep->age_ms) { /* by age: the oldest, and if it is too old as many as a slice holds */
		if (verbs->nth_final(engine->store, queue->number, state, 1, &at_us, &uid, &bytes) || !uid || at_us >= cutoff_us)
			return false;
		int64_t last_us;
		uint64_t last_uid;
		if (verbs->nth_final(engine->store, queue->number, state, LIMIT_SLICE_JOBS, &last_us, &last_uid, &bytes))
			return false;
		at_us = last_uid && last_us < cutoff_us ? last_us : cutoff_us;
		uid = last_uid && last_us < cutoff_us ? last_uid : 0;
	} else if (!uid) {
		return false;
	}
	if (range_takes_uncounted(engine, at_us))
		return false; /* with the next round */
	struct range_delete *range = change_add(&engine->open->cs, ranges);
	if (range)
		*range = (struct range_delete){ .queue = queue->number, .state = state, .up_to_us = at_us, .up_to_uid = uid };
	return range != NULL;
}

/* Age is looked at as often as it can matter: a tenth of the shortest one, between a second and a minute. */
static int64_t retain_pause_us(const struct queue_settings *settings)
{
	int64_t age_ms = 600000;
	if (settings->keep_completed.age_ms && settings->keep_completed.age_ms < age_ms)
		age_ms = settings->keep_completed.age_ms;
	if (settings->keep_failed.age_ms && settings->keep_failed.age_ms < age_ms)
		age_ms = settings->keep_failed.age_ms;
	return age_ms < 10000 ? MAINTAIN_US : age_ms * 100;
}

static uint32_t retain_queue(struct engine *engine, uint32_t slot)
{
	struct queue *queue = queue_at(&engine->index, slot);
	const struct queue_settings *settings = queue->settings;
	uint32_t slices = 0;
	for (enum job_state state = 0; state < JOB_STATE_COUNT; state++) {
		const struct retention *keep = state == JOB_COMPLETED ? &settings->keep_completed : &settings->keep_failed;
		if (job_state_is_final(state)) /* counts move when a range settles: one at a time */
			slices += range_is_under_way(engine, queue->number, state) || retain_state(engine, slot, state, keep);
	}
	if (!slices && engine->index.now_us >= queue->retain_us)
		queue->retain_us = engine->index.now_us + retain_pause_us(settings);
	return slices;
}

/* Goes round the queues, a few slices a round. */
static bool retain_round(struct engine *engine)
{
	struct index *index = &engine->index;
	uint32_t slices = 0;
	if (engine->flying >= engine->store->in_flight_max)
		return true; /* a range leaves in the step that made it: the ids that it frees are not given in its own change-set */
	for (uint32_t n = 0; n < index->queues.used && slices < SLICES_A_ROUND; n++) {
		uint32_t slot = engine->retain_queue++ % index->queues.used;
		const struct queue *queue = queue_at(index, slot);
		if (queue->name.ptr && !queue->deleted && queue_find_number(index, queue->number) == slot)
			slices += retain_queue(engine, slot);
	}
	engine->family_stale |= slices > 0;
	return slices > 0;
}

static bool retain_in_flight(const struct engine *engine) /* of any queue */
{
	for (const struct batch *batch = uncommitted_first(engine); batch; batch = uncommitted_after(engine, batch))
		if (batch->cs.ranges.count)
			return true;
	return false;
}

/* Which commit was newest at an instant: one sample a minute, for trimming by age. */
static void retain_sample(struct engine *engine)
{
	struct index *index = &engine->index;
	int64_t spacing_us = engine->config.event_age_ms * 1000 / 60;
	uint32_t count = engine->sample_count, capacity = ARRAY_COUNT(engine->samples);
	if (count && index->now_us - engine->samples[count - 1].at_us < spacing_us)
		return;
	if (count == capacity) {
		memmove(engine->samples, engine->samples + 1, (capacity - 1) * sizeof(engine->samples[0]));
		count--;
	}
	engine->samples[count].at_us = index->now_us;
	engine->samples[count].seq = index->committed_seq;
	engine->sample_count = count + 1;
}

static bool retain_events(struct engine *engine)
{
	struct index *index = &engine->index;
	uint64_t up_to = index->committed_seq > engine->config.event_rows_max ? index->committed_seq - engine->config.event_rows_max : 0;
	retain_sample(engine);
	for (uint32_t i = 0; i < engine->sample_count; i++)
		if (index->now_us - engine->samples[i].at_us > engine->config.event_age_ms * 1000 && engine->samples[i].seq > up_to)
			up_to = engine->samples[i].seq;
	if (up_to <= engine->trimmed_seq)
		return false;
	if (up_to - engine->trimmed_seq < EVENTS_A_SLICE && index->now_us - engine->trim_us < 60 * INT64_C(1000000))
		return false; /* not worth a commit yet */
	bool more = up_to - engine->trimmed_seq > EVENTS_A_SLICE;
	engine->trimmed_seq = more ? engine->trimmed_seq + EVENTS_A_SLICE : up_to;
	engine->trim_us = index->now_us;
	engine->open->cs.events_up_to = engine->trimmed_seq;
	return more;
}

/* Queues that say how many of their events are kept: a quarter more are there before it is worth a look. */
static bool retain_logs(struct engine *engine)
{
	struct index *index = &engine->index;
	uint32_t trims = 0;
	for (uint32_t slot = 0; slot < index->queues.used && trims < SLICES_A_ROUND; slot++) {
		struct queue *queue = queue_at(index, slot);
		if (!queue->name.ptr || queue->deleted || queue_find_number(index, queue->number) != slot)
			continue;
		uint64_t keep = queue->settings->events_max;
		if (!keep || queue->untrimmed < keep / 4 + EVENTS_UNTRIMMED_MIN)
			continue;
		struct event_trim *trim = change_add(&engine->open->cs, event_trims);
		if (!trim)
			return false;
		*trim = (struct event_trim){ .queue = queue->number, .keep = keep };
		queue->untrimmed = 0;
		trims++;
	}
	return trims > 0;
}

void maintain(struct engine *engine)
{
	struct index *index = &engine->index;
	if (index->now_us < engine->maintain_us || engine_is_full(engine))
		return;
	limits_sweep(index);
	health_count_all(engine);
	bool busy = !retain_in_flight(engine) && family_look(engine);
	busy |= retain_round(engine);
	busy |= retain_events(engine);
	busy |= retain_logs(engine);
	busy |= retain_messages(engine);
	busy |= retain_entities(engine);
	if (!batch_is_empty(engine->open))
		engine->open->cs.idempotency_before_us = index->now_us - engine->config.idempotency_age_ms * 1000;
	engine->maintain_us = index->now_us + (busy ? MAINTAIN_BUSY_US : MAINTAIN_US);
}
