/* src/rules/job.h: the states of a job's life and the moves between them. Values only; everything that happens to a job
 * passes through job_may_become, and the engine's one door (engine/index.c: job_move) CHECKs it. */
#pragma once
#include "base/err.h"

#define JOB_STATES(X) /* a state, its public name, and the states it may become */                                        \
	X(WAITING, "waiting", TO(ACTIVE) | TO(DELAYED) | TO(CANCELLED) | TO(EXPIRED) | TO(FAILED))                         \
	X(DELAYED, "delayed", TO(WAITING) | TO(CANCELLED) | TO(EXPIRED) | TO(FAILED))                                                  \
	X(ACTIVE, "active", TO(WAITING) | TO(DELAYED) | TO(WAITING_CHILDREN) | TO(PARKED) | TO(COMPLETED) | TO(FAILED) | TO(CANCELLED)) \
	X(WAITING_CHILDREN, "waiting_children", TO(WAITING) | TO(DELAYED) | TO(FAILED) | TO(CANCELLED))                   \
	X(PARKED, "parked", TO(WAITING) | TO(DELAYED) | TO(FAILED) | TO(CANCELLED))                                                     \
	X(COMPLETED, "completed", TO(WAITING) | TO(DELAYED) | TO(WAITING_CHILDREN)) /* only by a retry that someone asked for */                 \
	X(FAILED, "failed", TO(WAITING) | TO(DELAYED) | TO(WAITING_CHILDREN))                                                                    \
	X(CANCELLED, "cancelled", TO(WAITING) | TO(DELAYED) | TO(WAITING_CHILDREN))                                                              \
	X(EXPIRED, "expired", TO(WAITING) | TO(DELAYED) | TO(WAITING_CHILDREN))

/* The numbers are stored: append, never reorder. */
#define X(name, text, next) JOB_##name,
enum job_state { JOB_STATES(X) JOB_STATE_COUNT };
#undef X

/* Why a final state is what it is. Stored: append, never reorder. */
#define JOB_OUTCOMES(X)                                                                              \
	X(NONE, "none")                                                                              \
	X(SUCCESS, "success")                                                                        \
	X(FILTERED, "filtered")                /* completed: nothing was to be done */               \
	X(ATTEMPTS_SPENT, "attempts_spent")    /* failed: max_attempts reached */                    \
	X(FINAL_ERROR, "final_error")          /* failed: the worker, or the answer, said never again */ \
	X(STALLED, "stalled")                  /* failed: its lease was lost too often */            \
	X(BY_HAND, "by_hand")                  /* cancelled: somebody asked */                       \
	X(TTL, "ttl")                          /* expired: not started in time */                    \
	X(CHILD_FAILED, "child_failed")        /* failed: a child did, that it cannot do without */  \
	X(SUPERSEDED, "superseded")            /* cancelled: a newer one under its dedup key took its place */
#define X(name, text) OUTCOME_##name,
enum job_outcome { JOB_OUTCOMES(X) JOB_OUTCOME_COUNT };
#undef X

const char *job_state_name(enum job_state state);
MUST_USE enum err job_state_parse(struct str name, enum job_state *out); /* E_INVALID */
const char *job_outcome_name(enum job_outcome outcome);
bool job_state_is_final(enum job_state state);
bool job_may_become(enum job_state from, enum job_state to);
