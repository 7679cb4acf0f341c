/* src/rules/repeat.h: chains of jobs that repeat: when does the next iteration run? A template's timing, the iteration before and the present
 * in; the next iteration out. These are the rules of BullMQ's job schedulers: the next iteration is made when the one before is claimed, so
 * there is never more than one that waits; slots that passed meanwhile are dropped.
 *
 * Instants are milliseconds since 1970-01-01 UTC, as in the ids of iterations ("repeat:NAME:MILLISECONDS"). */
#pragma once
#include "rules/cron.h"

#define REPEAT_UNBOUND   INT64_MIN /* of start_ms and end_ms */
#define REPEAT_STEPS_MAX 32        /* how many slots that other jobs occupy are passed over before an operator is told */

struct repeat {
	int64_t every_ms;          /* 0: cron tells */
	int64_t offset_ms;         /* every: slots are multiples of every_ms plus this; 0: plus what the first slot has */
	struct cron cron;
	struct cron_policy policy; /* cron: gaps and folds */
	int64_t start_ms;          /* every: the first slot, unless it has passed; cron: slots come after it */
	int64_t end_ms;            /* no slot comes after it */
	uint64_t limit;            /* iterations in all; 0: any number */
	bool immediately;          /* cron: the first slot is now */
	bool end_is_late;          /* every, as BullMQ has it: a slot after the end stands if it was made before the end */
};

struct repeat_iteration {
	int64_t slot_ms;
	int64_t offset_ms; /* every: of this chain's slots */
	uint64_t count;    /* this is the count-th */
};

enum repeat_verdict {
	REPEAT_NEXT,  /* *out is the next iteration */
	REPEAT_SPENT, /* the limit is reached */
	REPEAT_ENDED, /* the end is reached */
	REPEAT_NEVER, /* the expression has no more instants */
};

/* E_INVALID with the field and the reason when the timing contradicts itself or has ended already. problem may be NULL. */
MUST_USE enum err repeat_check(const struct repeat *repeat, int64_t now_ms, struct problem *problem);

/* every: now; or at start_ms if that is to come; or, with an offset, at the next slot. cron: its next instant after now and start_ms. */
enum repeat_verdict repeat_first(const struct repeat *repeat, const struct zone *zone, int64_t now_ms, struct repeat_iteration *out);
/* `before` was claimed now. every: its slot plus every_ms or, when that has passed, the first slot after now. cron: the next instant after
 * now and after its slot (it may have been promoted). out may be `before`. */
enum repeat_verdict repeat_following(const struct repeat *repeat, const struct zone *zone, const struct repeat_iteration *before,
				     int64_t now_ms, struct repeat_iteration *out);
/* The template is replaced while `before` is the newest iteration; `waits` says that it was not claimed yet and gives way to *out. With the
 * same every_ms its slot is kept, or followed when it was claimed; otherwise the chain begins anew. Counts from 1 again. */
enum repeat_verdict repeat_replaced(const struct repeat *old, const struct repeat *repeat, const struct zone *zone,
				    const struct repeat_iteration *before, bool waits, int64_t now_ms, struct repeat_iteration *out);
/* A job with the iteration's id is there already (a finished one, perhaps): moves on to the next slot, up to REPEAT_STEPS_MAX times.
 * False for cron, which has no other slot to offer, and when the next slot is after the end. */
bool repeat_step(const struct repeat *repeat, struct repeat_iteration *iteration);
