/* sim/history.c: a job's life as its events tell it. Rows are coalesced per change-set and events are not, so what happened in between is seen
 * only here: each event must be possible after the one before, and what they add up to must be what the row says. */
#include "sim/shadow.h"
#include "base/check.h"
#include <stdlib.h>
#include "base/uid.h"

#define IS(state)  (1u << JOB_##state)
#define UNSTARTED  (IS(WAITING) | IS(DELAYED))
#define PARKED_IN  IS(PARKED) /* a successor: it comes without a word, and is told of when it is its turn */
#define CHILDREN   IS(WAITING_CHILDREN)
#define FINAL      (IS(COMPLETED) | IS(FAILED) | IS(CANCELLED) | IS(EXPIRED))
#define SAME       UINT32_MAX
#define GONE       0u

static const struct { /* what it must have been, and what it is then */
	uint32_t from, to;
} history_moves[EVENT_TYPE_COUNT] = {
	[EVENT_ENQUEUED] = { GONE | PARKED_IN, UNSTARTED | CHILDREN },
	[EVENT_ACTIVE] = { IS(WAITING), IS(ACTIVE) },
	[EVENT_COMPLETED] = { IS(ACTIVE), IS(COMPLETED) }, /* rule 2: once, then only after a retry and another start */
	[EVENT_FAILED] = { IS(ACTIVE) | UNSTARTED | CHILDREN, IS(FAILED) },
	[EVENT_RETRYING] = { IS(ACTIVE), UNSTARTED },
	[EVENT_STALLED] = { IS(ACTIVE), IS(WAITING) },
	[EVENT_RELEASED] = { IS(ACTIVE), IS(WAITING) },
	[EVENT_SNOOZED] = { IS(ACTIVE), IS(DELAYED) },
	[EVENT_CANCEL_REQUESTED] = { IS(ACTIVE), SAME },
	[EVENT_PROGRESS] = { IS(ACTIVE), SAME },
	[EVENT_CANCELLED] = { UNSTARTED | IS(ACTIVE) | PARKED_IN | CHILDREN, IS(CANCELLED) },
	[EVENT_SUPERSEDED] = { UNSTARTED | IS(ACTIVE) | PARKED_IN, IS(CANCELLED) },
	[EVENT_EXPIRED] = { UNSTARTED, IS(EXPIRED) },
	[EVENT_RETRIED] = { FINAL, UNSTARTED | CHILDREN }, /* rule 8: the only way back */
	[EVENT_PROMOTED] = { IS(DELAYED), IS(WAITING) },
	[EVENT_WAITING] = { IS(DELAYED) | CHILDREN, UNSTARTED }, /* whoever has waited for children may have a delay before it */
	[EVENT_WAITING_CHILDREN] = { IS(ACTIVE), CHILDREN },
	[EVENT_REPRIORITISED] = { UNSTARTED, SAME },
	[EVENT_MOVED] = { UNSTARTED, SAME },
	[EVENT_RESCHEDULED] = { IS(DELAYED), SAME },
	[EVENT_DELETED] = { UNSTARTED | FINAL | PARKED_IN | CHILDREN | IS(ACTIVE), GONE }, /* a running one by force */
};

static void history_count(struct shadow_queue *queue, enum event_type type)
{
	queue->events.enqueued += type == EVENT_ENQUEUED;
	queue->events.started += type == EVENT_ACTIVE;
	queue->events.ended[JOB_COMPLETED] += type == EVENT_COMPLETED;
	queue->events.ended[JOB_FAILED] += type == EVENT_FAILED;
	queue->events.ended[JOB_CANCELLED] += type == EVENT_CANCELLED || type == EVENT_SUPERSEDED;
	queue->events.ended[JOB_EXPIRED] += type == EVENT_EXPIRED;
}

/* Rules 3 and 4: a lease is lost only after a whole term: since it was granted, since it was last renewed, since the daemon came back. */
static void history_stalled(struct shadow *shadow, struct shadow_job *job, const struct changeset *cs)
{
	shadow->stalls++;
	if (job->row.state != JOB_ACTIVE)
		return; /* granted in this very change-set */
	int64_t since_us = job->row.started_us > shadow->terms_us ? job->row.started_us : shadow->terms_us;
	if (job->renewed_us > since_us)
		since_us = job->renewed_us;
	CHECK(cs->engine_us >= since_us + job->row.lease_ms * 1000);
}

/* What an event says of the row before it. Only of a row that did not start in this very change-set. */
static void history_judge(const struct shadow_job *job, const struct changeset *cs, enum event_type type, struct shadow *shadow)
{
	const struct job_row *row = &job->row;
	if (type == EVENT_EXPIRED)
		CHECK(!job->started && (!job->exists || (row->expire_us && row->expire_us <= cs->engine_us))); /* only what never started, in its time */
	bool told_early = row->flags & ROW_PARENT; /* where children's failures are told by claims, a delayed parent does not wait to tell */
	if (shadow->ahead_us < shadow->clock_us - cs->wall_us)
		shadow->ahead_us = shadow->clock_us - cs->wall_us;
	int64_t ahead_us = job->exists && shadow_queue(shadow, row->queue)->apart ? shadow->ahead_us : 0;
	if (type == EVENT_WAITING && job->exists && row->state == JOB_DELAYED && !(row->flags & ROW_DUE_WALL) && job->rescheduled_seq != cs->seq)
		CHECK(row->due_us <= cs->engine_us + ahead_us || told_early);
	if (type == EVENT_WAITING && job->exists && row->state == JOB_DELAYED && row->flags & ROW_DUE_WALL && job->rescheduled_seq != cs->seq)
		CHECK(row->due_us <= shadow->clock_us || told_early); /* no clock that anybody has said is there yet */
	if (type == EVENT_RETRYING || type == EVENT_STALLED || type == EVENT_RELEASED || type == EVENT_SNOOZED)
		CHECK(!job->cancel); /* who was asked to stop does not come back */
}

/* Attempts that ended, as its event says: one more, but for a delivery whose endpoint said that it is gone. */
static uint32_t history_made(const struct shadow *shadow, const struct shadow_job *job, struct str details)
{
	const char *at = memmem(details.ptr, details.len, "\"attempts_made\":", 16);
	CHECK(at);
	uint32_t made = (uint32_t)strtoul(at + 16, NULL, 10);
	CHECK(made == job->made + 1 || (made == job->made && hooks_owns(shadow, job)));
	return made;
}

static void history_event(struct shadow *shadow, const struct changeset *cs, struct shadow_job *job, enum event_type type, struct str details)
{
	uint32_t from = history_moves[type].from, to = history_moves[type].to;
	if (type == EVENT_DUPLICATE || type == EVENT_DEDUPLICATED)
		return;
	bool parked_unseen = !job->exists && !job->deleted && !job->may_be && from & PARKED_IN; /* in this very change-set */
	bool possible = (type == EVENT_ENQUEUED && !job->may_be) || (job->may_be & from) != 0 || parked_unseen;
	CHECK(possible || job->moved_seq == cs->seq); /* two queues tell of a move, each for itself: their order is not known */
	if (job->moved_seq == cs->seq)
		job->may_be = UINT32_MAX;
	else if (to != SAME)
		job->may_be = to;
	history_judge(job, cs, type, shadow);
	job->last = type;
	job->last_seq = cs->seq;
	job->cancel = type == EVENT_CANCEL_REQUESTED || (job->cancel && (type == EVENT_PROGRESS || type == EVENT_DUPLICATE));
	job->started += type == EVENT_ACTIVE;
	job->made = type == EVENT_RETRYING ? history_made(shadow, job, details) : job->made + (type == EVENT_COMPLETED);
	if (type == EVENT_RETRYING || type == EVENT_STALLED || type == EVENT_FAILED || type == EVENT_CANCELLED ||
	    type == EVENT_SUPERSEDED) {
		job->tries = job->tries_seq == cs->seq ? job->tries + 1 : 1;
		job->tries_seq = cs->seq;
	}
	switch (type) {
	case EVENT_STALLED:
		job->stalls++;
		history_stalled(shadow, job, cs);
		break;
	case EVENT_RESCHEDULED: job->rescheduled_seq = cs->seq; break;
	case EVENT_REPRIORITISED: job->reprioritised_seq = cs->seq; break;
	case EVENT_COMPLETED: job->ended_seq = cs->seq; break;
	case EVENT_RETRIED:
		job->made = job->stalls = 0;
		job->retried_seq = cs->seq;
		break;
	case EVENT_DELETED:
		job->deleted_seq = cs->seq;
		job->deleted |= !job->exists; /* came and went at once: no row tells of it */
		break;
	default: break;
	}
}

static bool history_next(struct str *lines, enum event_type *type, uint64_t *uid, struct str *details)
{
	size_t end = str_index(*lines, '\n');
	struct str line = { lines->ptr, end };
	if (!lines->len)
		return false;
	*lines = str_from(*lines, end + 1);
	size_t blank = str_index(line, ' ');
	struct str name = { line.ptr, blank }, text = { line.ptr + blank + 1, UID_TEXT_BYTES - 1 };
	CHECK(blank + UID_TEXT_BYTES <= line.len);
	CHECK(uid_parse(text, uid) == E_OK);
	*details = str_from(line, blank + UID_TEXT_BYTES);
	for (int i = 0; i < EVENT_TYPE_COUNT; i++)
		if (str_eq(name, str_of(event_type_name((enum event_type)i)))) {
			*type = (enum event_type)i;
			return true;
		}
	CHECK(name.len == 0); /* an event of no known type */
	return false;
}

void history_read(struct shadow *shadow, const struct changeset *cs)
{
	for (int pass = 0; pass < 2; pass++) /* who moved, then everything */
		for (uint32_t i = 0; i < cs->events.count; i++) {
			const struct event_row *row = &cs->events.items[i];
			struct str lines = row->lines, details;
			enum event_type type;
			uint64_t uid;
			uint32_t count = 0;
			for (; history_next(&lines, &type, &uid, &details); count++) {
				if (!uid)
					continue; /* of the queue itself */
				struct shadow_job *job = shadow_open(shadow, uid);
				if (pass == 0 && type == EVENT_MOVED)
					job->moved_seq = cs->seq;
				if (pass == 0)
					continue;
				history_count(shadow_queue(shadow, row->queue), type);
				turns_read(shadow, row->queue, job, type);
				history_event(shadow, cs, job, type, details);
			}
			CHECK(count == row->count);
			CHECK(row->seq == cs->seq);
		}
}

/* A new one may have been through something elsewhere, and may have ended there: its events tell only what happened here. */
void history_past(struct shadow_job *job, const struct job_row *row, uint64_t seq)
{
	job->past_seq = seq;
	CHECK(row->attempts_started >= job->started);
	if (!job->started && job_state_is_final(row->state))
		job->may_be |= 1u << row->state;
	job->started = row->attempts_started;
	job->stalls = row->stalls;
}

/* The row against the events: also of a row that was changed twice in one change-set nothing is lost. */
void history_agree(struct shadow_job *job, const struct job_row *row, bool compat)
{
	CHECK(job->may_be & 1u << row->state || (row->state == JOB_PARKED && !job->may_be));
	job->may_be = 1u << row->state;
	CHECK(row->attempts_started == job->started);
	if (job->ended_seq == row->version)
		job->completed_fence = row->fence;
	if (compat) { /* ends count, and a retry by hand forgets none: events alone do not tell how many */
		CHECK(row->attempts_made <= job->started);
		CHECK(row->stalls - job->stalls <= job_state_is_final(row->state));
		job->made = row->attempts_made;
		job->stalls = row->stalls;
	} else if (row->state != JOB_COMPLETED && job_state_is_final(row->state)) { /* the last attempt may have counted */
		CHECK(row->attempts_made - job->made <= 1);
		CHECK(row->stalls - job->stalls <= 1);
		job->made = row->attempts_made;
		job->stalls = row->stalls;
	} else { /* rule 3: neither a crash nor a release consumes an attempt; a lost lease consumes one stall */
		CHECK(row->attempts_made == job->made);
		CHECK(row->stalls == job->stalls);
	}
}
