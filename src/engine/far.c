/* src/engine/far.c: delayed jobs whose time is far are on disk only. They leave memory after the commit that says so, and come back when a
 * request names them (plan.c), or, here, as their time comes near: in slices, in the order of their due times, long before they are due.
 *
 *   leaving     a job is written with ROW_FAR when it is due beyond the horizon. Committed, and still so, it goes (job_leave): its queue
 *               counts it, and knows when the next one is due
 *   looking     when that one comes near, the queue's rows with ROW_FAR are read on from the place where reading stopped before. Who is in
 *               memory is passed over, who is within the horizon comes back (job_return), the first one beyond it is the next
 *
 * So no row is forgotten: one that is not in memory lies behind its queue's place and is due no earlier than `next_us`. Run times by the wall
 * clock have places of their own; when that clock jumps ahead, the looking follows at the engine's next step, which is within a second. */
#include "engine/engine_priv.h"
#include "base/check.h"

#define FAR_SLICE        100     /* rows of one look: no 20 ms in a step, even when a disk has to be asked for each */
#define FAR_LOOKS_A_STEP 2
#define FAR_LOOKS_A_CLAIM 10     /* by a clock that is ahead of ours (skew.c) */
#define FAR_PAGES        16      /* to find the next one behind those that are being changed */
#define FAR_PAUSE_US     1000000 /* after a look that failed */

static int64_t far_clock_us(const struct index *index, enum far_clock clock)
{
	return clock == FAR_WALL ? index->wall_us : index->now_us;
}

static enum far_clock far_clock_of(uint32_t flags)
{
	return flags & ROW_DUE_WALL ? FAR_WALL : FAR_ENGINE;
}

/* Looking starts a little later than leaving ends, so that one look brings many back. */
static int64_t far_lead_us(const struct index *index)
{
	return index->horizon_us - index->horizon_us / 16;
}

int64_t far_limit_us(const struct index *index, bool wall)
{
	return far_clock_us(index, wall ? FAR_WALL : FAR_ENGINE) + index->horizon_us;
}

bool job_is_far(const struct index *index, const struct job *job)
{
	const struct queue *queue = queue_at(index, job->queue);
	const struct queue_far *far = &queue->far[far_clock_of(job->flags)];
	if (queue->skew_us)
		return false; /* claims find those that are due by another clock, in memory */
	if (job->flags & ROW_CHILD && follow_is_followed(index, job->uid))
		return false; /* whoever leaves the line puts those behind it here */
	return job->state == JOB_DELAYED && !(job->flags & (JOB_ASIDE | ROW_PARENT)) && job->due_us > far_limit_us(index, job->flags & ROW_DUE_WALL) &&
	       (job->due_us > far->read_us || (job->due_us == far->read_us && job->uid > far->read_uid)) && !dedup_stays_near(index, job->uid);
}

static void far_refresh(struct index *index, uint32_t slot, enum far_clock clock)
{
	struct queue_far *far = &queue_at(index, slot)->far[clock];
	struct heap *heap = &index->far[clock];
	if (!far->jobs) {
		far->next_us = INT64_MAX;
		far->stale = false;
	}
	if (!far->jobs && far->position != HEAP_NOWHERE) {
		heap_remove(heap, far->position);
	} else if (far->jobs && far->position != HEAP_NOWHERE) {
		heap_change(heap, far->position, far->next_us, slot);
	} else if (far->jobs) {
		enum err err = heap_push(heap, far->next_us, slot, slot);
		CHECK(!err); /* reserved by queue_create */
	}
}

void far_add(struct index *index, uint32_t queue, struct priority_entry *entry, uint32_t flags, int64_t due_us)
{
	enum far_clock clock = far_clock_of(flags);
	struct queue_far *far = &queue_at(index, queue)->far[clock];
	far->jobs++;
	entry->far++;
	index->far_jobs++;
	if (due_us < far->next_us)
		far->next_us = due_us;
	far_refresh(index, queue, clock);
}

void far_remove(struct index *index, uint32_t queue, struct priority_entry *entry, uint32_t flags, int64_t due_us)
{
	enum far_clock clock = far_clock_of(flags);
	struct queue_far *far = &queue_at(index, queue)->far[clock];
	far->jobs--;
	entry->far--;
	index->far_jobs--;
	far->stale |= due_us == far->next_us;
	far_refresh(index, queue, clock);
}

uint64_t queue_far_jobs(const struct queue *queue)
{
	return queue->far[FAR_ENGINE].jobs + queue->far[FAR_WALL].jobs;
}

/* ---- looking ---- */

static void far_set_next(struct index *index, uint32_t slot, enum far_clock clock, int64_t next_us, bool stale)
{
	struct queue_far *far = &queue_at(index, slot)->far[clock];
	far->next_us = next_us;
	far->stale = stale;
	far_refresh(index, slot, clock);
}

static enum err far_bring_back(struct index *index, const struct job_row *row)
{
	uint32_t slot;
	enum err err = job_restore(index, row, &slot);
	if (err)
		return err;
	err = job_return(index, slot);
	if (err)
		job_destroy(index, slot);
	return err;
}

/* One page: who is within the limit comes back. *found: the first one beyond it is the next. */
static enum err far_take_page(struct index *index, struct queue_far *far, struct far_page *page, int64_t limit_us, const struct job_row **found)
{
	for (uint32_t i = 0; i < page->count; i++) {
		const struct job_row *row = &page->rows[i];
		bool within = row->due_us <= limit_us, known = job_find(index, row->uid) != SLOT_NONE;
		if (!within && !known) {
			*found = row;
			return E_OK;
		}
		enum err err = known ? E_OK : far_bring_back(index, row);
		if (err)
			return err;
		page->after_us = row->due_us;
		page->after_uid = row->uid;
		if (within) {
			far->read_us = row->due_us;
			far->read_uid = row->uid;
		}
	}
	return E_OK;
}

static enum err far_look(struct engine *engine, uint32_t slot, enum far_clock clock)
{
	struct index *index = &engine->index;
	struct queue *queue = queue_at(index, slot);
	struct queue_far *far = &queue->far[clock];
	int64_t limit_us = far_limit_us(index, clock == FAR_WALL) + (queue->skew_us > 0 ? queue->skew_us : 0);
	struct far_page page = { .queue = queue->number, .wall = clock == FAR_WALL, .after_us = far->read_us, .after_uid = far->read_uid,
		                 .up_to_us = limit_us, .max = FAR_SLICE };
	for (int pages = 0; pages < FAR_PAGES; pages++) {
		const struct job_row *found = NULL;
		enum err err = engine->store->verbs->far(engine->store, &page, &engine->scratch);
		err = err ? err : far_take_page(index, far, &page, limit_us, &found);
		if (err)
			return err; /* next_us is at most early */
		if (found || !page.more) {
			far_set_next(index, slot, clock, found ? found->due_us : INT64_MAX, !found);
			return E_OK;
		}
		if (page.after_us <= limit_us) {
			far_set_next(index, slot, clock, page.after_us, false); /* one slice of several */
			return E_OK;
		}
		page.up_to_us = INT64_MAX; /* beyond the horizon are some that memory is changing right now */
	}
	far_set_next(index, slot, clock, page.after_us, true);
	return E_OK;
}

bool far_round(struct engine *engine)
{
	struct index *index = &engine->index;
	uint32_t looks = 0;
	if (index->now_us < engine->far_pause_us)
		return false;
	for (enum far_clock clock = FAR_ENGINE; clock < FAR_CLOCKS; clock++) {
		const struct heap_entry *first;
		while ((first = heap_peek(&index->far[clock])) && first->major <= far_clock_us(index, clock) + far_lead_us(index)) {
			if (looks++ == FAR_LOOKS_A_STEP)
				return true;
			enum err err = far_look(engine, first->item, clock);
			arena_reset(&engine->scratch);
			if (err) {
				engine->far_pause_us = index->now_us + FAR_PAUSE_US;
				return false;
			}
		}
	}
	return false;
}

void far_catch_up(struct engine *engine, uint32_t slot)
{
	struct index *index = &engine->index;
	const struct queue *queue = queue_at(index, slot);
	for (enum far_clock clock = FAR_ENGINE; clock < FAR_CLOCKS; clock++) {
		const struct queue_far *far = &queue->far[clock];
		for (int n = 0; n < FAR_LOOKS_A_CLAIM && far->jobs && far->next_us <= far_clock_us(index, clock) + queue->skew_us; n++) {
			if (!far_look(engine, slot, clock))
				continue;
			engine->far_pause_us = index->now_us + FAR_PAUSE_US; /* the next claim finds them */
			return;
		}
	}
}

int64_t far_next_look_us(const struct engine *engine)
{
	const struct index *index = &engine->index;
	int64_t next_us = INT64_MAX;
	for (enum far_clock clock = FAR_ENGINE; clock < FAR_CLOCKS; clock++) {
		const struct heap_entry *first = heap_peek(&index->far[clock]);
		if (!first || first->major == INT64_MAX)
			continue;
		/* The wall clock may jump; but a step comes each second anyway. */
		int64_t wait_us = first->major - far_lead_us(index) - far_clock_us(index, clock);
		if (index->now_us + wait_us < next_us)
			next_us = index->now_us + wait_us;
	}
	return next_us < engine->far_pause_us ? engine->far_pause_us : next_us;
}

int64_t queue_next_due_us(struct engine *engine, uint32_t slot, bool wall)
{
	enum far_clock clock = wall ? FAR_WALL : FAR_ENGINE;
	const struct queue *queue = queue_at(&engine->index, slot);
	if (queue->far[clock].stale && far_look(engine, slot, clock))
		engine->far_pause_us = engine->index.now_us + FAR_PAUSE_US; /* a little early, then */
	const struct heap_entry *near = heap_peek(wall ? &queue->delayed_wall : &queue->delayed);
	int64_t far_us = queue->far[clock].jobs ? queue->far[clock].next_us : INT64_MAX;
	return near && near->major < far_us ? near->major : far_us;
}
