/* src/engine/command.h: everything that can be asked of an engine, as values. A request is a list of operations in order, stamped at
 * the door (uids, dice), applied in one batch, answered when all that it could have seen is on disk. Each operation stands alone unless
 * the request is atomic: then the first refusal undoes all and every other one says E_CANCELLED.
 *
 * Ownership: the asker makes a request with everything its operations point to in the request's arena and body buffer, hands it over,
 * and gets it back with the results filled in (strings and arrays of results are in the request's arena too). In between it does not
 * touch it. The engine may keep slices of it until the change-set that holds them is committed, which is before the request returns. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "rules/settings.h"
#include "rules/replay.h"
#include "store/row.h"

#define OP_KINDS(X) /* NAME, name in POST /v1/batch, scope */ \
	X(ENQUEUE, "enqueue", ENQUEUE)                        \
	X(CLAIM, "claim", WORK)                               \
	X(HEARTBEAT, "heartbeat", WORK)                       \
	X(COMPLETE, "complete", WORK)                         \
	X(FAIL, "fail", WORK)                                 \
	X(RELEASE, "release", WORK)                           \
	X(SNOOZE, "snooze", WORK)                             \
	X(PROGRESS, "progress", WORK)                         \
	X(LOG, "log", WORK)                                   \
	X(CANCEL, "cancel", OPERATE)                          \
	X(RETRY, "retry", OPERATE)                            \
	X(PROMOTE, "promote", OPERATE)                        \
	X(REPRIORITISE, "reprioritise", OPERATE)              \
	X(MOVE, "move", OPERATE)                              \
	X(DELETE, "delete", OPERATE)                          \
	X(EDIT, "edit", OPERATE)                              \
	X(RESCHEDULE, "reschedule", OPERATE)                  \
	X(QUEUE_PUT, "queue_put", OPERATE)                    \
	X(QUEUE_PAUSE, "queue_pause", OPERATE)                \
	X(QUEUE_RESUME, "queue_resume", OPERATE)              \
	X(QUEUE_DELETE, "queue_delete", OPERATE)              \
	X(GROUP_PUT, "group_put", OPERATE)                    \
	X(GROUP_DELETE, "group_delete", OPERATE)              \
	X(GROUP_PAUSE, "group_pause", OPERATE)                \
	X(GROUP_RESUME, "group_resume", OPERATE)              \
	X(BACK_OFF, "back_off", WORK)                         \
	X(LIMIT_PUT, "limit_put", OPERATE)                    \
	X(LIMIT_DELETE, "limit_delete", OPERATE)              \
	X(LIMIT_ACQUIRE, "limit_acquire", WORK)               \
	X(LIMIT_RELEASE, "limit_release", WORK)               \
	X(EVENT, "event", ENQUEUE)                            \
	X(EVENTS_TRIM, "events_trim", OPERATE)                \
	X(SWEEP, "sweep", WORK)                               \
	X(QUEUE_RESET, "queue_reset", OPERATE)                \
	X(OPERATION_START, "operation_start", OPERATE)        \
	X(OPERATION_PAUSE, "operation_pause", OPERATE)        \
	X(OPERATION_RESUME, "operation_resume", OPERATE)      \
	X(OPERATION_CANCEL, "operation_cancel", OPERATE)      \
	X(SLICE, NULL, OPERATE)      /* bulk work's own */    \
	X(TOKEN_PUT, NULL, ADMIN)                             \
	X(BARRIER, NULL, READ)       /* answers when everything before it is on disk: what a point read waits for */ \
	X(WAIT, NULL, READ)          /* answers when the job is final, or at the time-out */                         \
	X(AWAIT_CHILDREN, "await_children", WORK)                                             \
	X(DETACH, "detach", OPERATE)                                                          \
	X(CHILDREN_DELETE, "children_delete", OPERATE)                                        \
	X(DEDUP_GET, "dedup_get", READ)                       \
	X(DEDUP_RELEASE, "dedup_release", OPERATE)            \
	X(CHAIN_PUT, "chain_put", OPERATE)                    \
	X(CHAIN_NEXT, "chain_next", WORK)                     \
	X(CHAIN_DELETE, "chain_delete", OPERATE)              \
	X(CHAIN_GET, "chain_get", READ)                       \
	X(CHAINS, "chains", READ)                             \
	X(EXPLAIN, "explain", READ)                           \
	X(QUEUE_GET, "queue_get", READ)                       \
	X(QUEUES, "queues", READ)                             \
	X(GROUPS, "groups", READ)                             \
	X(LIMIT_GET, "limit_get", READ)                       \
	X(LIMITS, "limits", READ)                             \
	X(WITHDRAW, NULL, READ)      /* the asker of a waiting request went away */ \
	X(MESSAGE, "message", ENQUEUE)                        \
	X(MESSAGE_EXPUNGE, NULL, OPERATE)                     \
	X(RESEND, NULL, OPERATE)                              \
	X(ENTITY_DELETE, NULL, OPERATE)                       \
	X(NAMED_PUT, NULL, OPERATE)                           \
	X(NAMED_STATE, NULL, OPERATE)                         \
	X(NAMED_DELETE, NULL, OPERATE)                        \
	X(NAMED_GET, NULL, READ)                              \
	X(NAMEDS, NULL, READ)

#define X(name, text, scope) OP_##name,
enum op_kind { OP_KINDS(X) OP_KIND_COUNT };
#undef X
enum scope { SCOPE_ENQUEUE = 1, SCOPE_WORK = 2, SCOPE_READ = 4, SCOPE_OPERATE = 8, SCOPE_ADMIN = 16, SCOPE_POLL = 32 }; /* admin includes all */
const char *op_kind_name(enum op_kind kind); /* NULL for those that are not public */
MUST_USE enum err op_kind_parse(struct str name, enum op_kind *out);
const char *operation_action_name(enum op_kind action); /* of bulk work; of a replay: "replay" */
MUST_USE enum err operation_action_parse(struct str name, enum op_kind *out);
enum scope op_kind_scope(enum op_kind kind);

struct queue_name {
	struct str namespace_name; /* empty: "default" */
	struct str name;
};

/* Apart from the id: at most one job owns a key. An enqueue under a key that is owned is refused a job of its own and answers the owner,
 * unless the mode says otherwise. The key is free when its owner ends, or ttl_ms after the enqueue. */
struct op_dedup {
	struct str key;
	int64_t ttl_ms;           /* 0: until the owner ends; with keep_last it means nothing */
	int64_t max_wait_ms;      /* replace, reschedule: the key's job starts to wait at most so long after the first enqueue; 0: no bound */
	bool extend;              /* an ignored enqueue starts ttl_ms anew */
	bool replace;             /* a delayed owner is deleted, and the new job owns the key */
	bool reschedule;          /* a delayed owner is due delay_ms from now */
	bool keep_last;           /* while the owner is active the newest enqueue is kept, parked, and starts when the owner has ended */
	bool latest;              /* an owner that waits is superseded by the new job; one that runs is followed by the newest */
	bool fifo;                /* the new job waits until the owner has ended, and owns the key from now on: jobs run in their order */
};

/* A job beside the one that an operation is about: by uid, or by (queue, id) when that is 0. */
struct job_name {
	uint64_t uid;
	struct queue_name queue;
	struct str id;
	uint64_t found;           /* the engine's: who has the id in the store */
};

struct op_parent { /* of the same namespace; of a queue that keeps other rules, of any whose queue keeps them too */
	uint32_t ref;             /* 1 + place of an earlier enqueue of this request; 0: by uid, or by (queue, id) */
	uint64_t uid;
	struct queue_name queue;
	struct str id;
	enum on_failure on_failure; /* ON_FAILURE_COUNT: as the queue's rules have it */
	uint64_t found;           /* the engine's: who has the id in the store */
};

struct op_past_text {
	const struct op_past_text *next;
	struct str text;
};
struct op_past_child { /* of its children, one that had ended */
	const struct op_past_child *next;
	struct queue_name queue;
	struct str id;
	enum edge_state state;   /* DONE, IGNORED, FAILED */
	struct str value;        /* JSON: its result, or the error object */
};
/* What a job went through in the queue that it comes from. Only in compat queues. */
struct op_past {
	bool ended;              /* in `state`: it is not to run */
	enum job_state state;    /* COMPLETED, FAILED */
	uint32_t attempts_started, attempts_made, stalls;
	bool redone;             /* put back by hand since its last error */
	struct str deferred;     /* it has failed, and only waits to say so: the claim that gets it tells this reason. Empty: it is to run */
	int64_t started_us, finished_us; /* of its last attempt; 0: not said, hence now */
	struct str worker;
	struct str progress;     /* JSON, or empty */
	struct str result;       /* JSON, or empty; at most LIMIT_PAYLOAD_INLINE bytes */
	const struct op_past_text *errors, *last_error; /* JSON, oldest first */
	const struct op_past_text *lines;               /* oldest first */
	const struct op_past_child *children;
	uint32_t error_count, line_count, child_count;
	uint64_t ids;            /* the queue gives no id up to this number any more, nor up to the job's own */
};

/* ENQUEUE. Makes the queue if there is none. A kept (queue, id) answers the first job with `duplicate`. */
struct op_enqueue {
	struct queue_name queue;
	uint64_t uid;           /* stamped */
	struct str id, name, group;
	struct str tags;        /* JSON array of strings, checked; or empty */
	struct str trace;       /* JSON object; or empty */
	struct str target;      /* JSON object, checked by http_target_read; or empty. Its origin is the group when group is empty */
	struct str metadata;    /* JSON object, checked; verbatim. Empty: none */
	struct str payload;     /* JSON, checked; verbatim. Empty reads as null */
	struct str chain;       /* the engine's: key of the chain that makes it */
	const struct retry_policy *retry; /* NULL: the queue's */
	uint32_t max_attempts;  /* 0: the policy's */
	int32_t priority;
	int64_t run_at_us;      /* wall time; 0: not set. In the past: at once */
	int64_t delay_ms;       /* 0: none; not with run_at */
	int64_t timeout_ms, ttl_ms; /* 0: the queue's */
	bool lifo;
	const struct op_dedup *dedup; /* NULL: none */
	enum compat compat;     /* the queue must keep these rules, and is made so; NONE: any */
	bool waits;             /* waiting_children until its children have ended: those of this request, and those that come while it waits */
	struct op_parent *parents; /* who wait for it, or run */
	uint32_t parent_count;
	const struct op_past *past; /* NULL: it has none */
	uint64_t payload_body;  /* the engine's: where a large payload was staged */
	uint64_t message;       /* the engine's: a delivery's message */
};

struct claim_queue {
	struct queue_name queue;
	uint32_t weight;        /* 0 everywhere: in the order listed; otherwise chances in proportion, the rest as fallback */
};
/* CLAIM. Makes queues that are not there yet, so that workers may start first. wait_ms only when it is the request's only operation. */
struct op_claim {
	struct claim_queue *queues;
	uint32_t queue_count;
	uint32_t max;           /* 0: only tells when something is there */
	uint32_t group_max;     /* a batch: after a first job more of its group, so many in all; then max means nothing. 0: no batch */
	uint32_t group_min;     /* of a batch: groups with fewer waiting jobs are left */
	int64_t group_wait_ms;  /* until their oldest has waited so long */
	int64_t wait_ms;
	int64_t lease_ms;       /* 0: the queue's */
	struct str worker;
	struct str token;       /* the client's lease token, or empty: ours */
	enum compat compat;     /* of all these queues */
	struct rate limiter;    /* in compat mode: what the worker knows of their rate (limiter.c); max 0: nothing */
	bool rides;             /* done only if the operation before it was */
};
struct grant {
	uint64_t uid;
	uint64_t fence;
	uint32_t attempt;       /* attempts_started */
	uint32_t attempts_made, max_attempts, stalls;
	int32_t priority;
	int64_t lease_ms, timeout_ms;
	uint64_t edited_body;
	int64_t started_us;
	struct queue_name queue;
	bool with_history;      /* its errors and progress are to be told too */
	bool with_parents;      /* and whose child it is */
	struct str deferred;    /* it has failed with this reason: whoever got it says so; empty: it is to be run */
};
struct claim_result {
	struct grant *grants;
	uint32_t count;
	struct str token;       /* for all of them */
	const char *nothing;    /* count 0: why, as a code (see EXPLAIN_CODES), e.g. "empty", "queue_paused", "rate", "concurrency" */
	int64_t next_due_ms;    /* count 0: something is due in so long; -1: nothing known */
	uint32_t ready;         /* max 0: jobs that could be claimed now, at least */
	int64_t rate_ttl_ms;    /* count 0, in compat mode: a rate lets nothing start for so long; 0: it does */
};

/* HEARTBEAT, COMPLETE, FAIL, RELEASE, SNOOZE, PROGRESS, LOG, AWAIT_CHILDREN: by the holder of a lease. */
enum verdict {
	VERDICT_POLICY,  /* FAIL: the retry policy decides */
	VERDICT_FINAL,   /* FAIL: never again */
	VERDICT_DELAY,   /* FAIL: again after delay_ms, if attempts are left */
	VERDICT_HEAD,    /* FAIL: again at once, first in line, if attempts are left */
	VERDICT_TAIL,    /* FAIL: again at once, last in line, if attempts are left */
	VERDICT_FILTERED /* COMPLETE: there was nothing to do */
};
/* FAIL, RELEASE, SNOOZE: who shall not start anything for a while: "group" or "queue" of the job, or a limit of its namespace. */
struct back_off {
	struct str scope;
	int64_t delay_ms;
};

/* COMPLETE, FAIL: what becomes of the queue's jobs that ended like this one. */
struct keep {
	bool none;                /* this one is deleted at once; nothing else matters */
	uint64_t count;           /* the newest so many stay; 0: any number */
	int64_t age_ms;           /* and none that is older; 0: any age */
	uint32_t limit;           /* of those that are too old at most so many go; 0: as many as may at once */
};
/* How the attempt of a delivery ended, for its endpoint. */
enum blame { BLAME_NONE, BLAME_WELL, BLAME_RECORD, BLAME_ENDPOINT };
struct op_hook {
	uint32_t endpoint;        /* number, as the effect said */
	enum blame blame;
	bool gone;                /* the other side said that it is gone for good: 410 */
	bool test;                /* touches neither health nor entity */
	bool slow;                /* its body took long to make: fewer at once are as many in a second */
	bool overloaded;          /* a gateway said that who stands behind it does not answer: 502, 504 */
	bool meta;                /* of a message about endpoints: makes no other one */
	struct str about_type, about_entity; /* FAIL: of the message, for people; or empty */
	struct str entity;        /* empty: nothing is kept of it */
	struct str external_id;   /* as found in the answer; empty: none was */
	enum entity_state entity_state;
	uint64_t message;
	uint32_t batch_size;      /* records of the call; 0: not a batch */
	uint32_t batch_learnt;    /* the other side takes at most so many; 0: it did not say */
	bool bisect;              /* the batch was refused: again in halves */
};
struct op_lease {
	uint64_t uid;             /* 0: by (queue, id) */
	struct queue_name queue;
	struct str id;
	struct str token;
	uint64_t fence;           /* 0: not checked beside the token */
	int64_t lease_ms;         /* HEARTBEAT: 0 repeats the present one */
	int64_t delay_ms;         /* SNOOZE, FAIL with VERDICT_DELAY */
	int64_t run_at_us;        /* SNOOZE: or until then, wall time; 0: not set */
	enum verdict verdict;
	struct str body;          /* COMPLETE: result JSON; PROGRESS: JSON; LOG: the line */
	struct str error;         /* FAIL: JSON {type, message, stack, …} */
	struct str exchange;      /* deliveries: attempt_row.exchange */
	bool costs_nothing;       /* FAIL by the daemon's own fault: consumes no attempt */
	bool busy;                /* FAIL of a delivery: the other side asked to wait; the queue's retry_after says who does */
	int64_t busy_ms;          /* so long; 0: it did not say, as long as the policy lets the job wait */
	const struct back_off *back_off; /* NULL: none */
	bool trims;               /* LOG: keeps only the newest keep_lines; an empty line is not added then */
	uint32_t keep_lines;
	const struct keep *keep;  /* COMPLETE, FAIL; NULL: as the queue is set */
	struct job_name *child;   /* AWAIT_CHILDREN: only if this one is among those that it waits for; NULL: any */
	const struct op_hook *hook; /* COMPLETE, FAIL, RELEASE of a delivery of an endpoint; NULL: it is none */
	uint64_t result_body;     /* the engine's: where a large result was staged */
};

/* CANCEL, RETRY, PROMOTE, REPRIORITISE, MOVE, DELETE, DETACH, CHILDREN_DELETE, EDIT, RESCHEDULE, WAIT, EXPLAIN: by uid, or by (queue, id) when uid is 0. */
enum keep_attempts { KEEP_ATTEMPTS_AS_QUEUE, KEEP_ATTEMPTS_NO, KEEP_ATTEMPTS_YES };
struct op_job {
	uint64_t uid;
	struct queue_name queue;  /* with id; for MOVE see to */
	struct str id;
	struct queue_name to;     /* MOVE */
	int32_t priority;         /* REPRIORITISE */
	bool only_in_state;       /* refused unless it is in only_state */
	enum job_state only_state;
	bool force;               /* DELETE: an active one too */
	bool tree;                /* CANCEL, RETRY, DELETE: and all below it; result.count: how many */
	bool tree_too_large;      /* the engine's: more are below it than are looked at */
	bool lifo;                /* RETRY, REPRIORITISE: first in line */
	enum keep_attempts keep_attempts; /* RETRY: attempts_made goes on; as the queue: not, but in compat mode */
	bool reset_started;       /* RETRY: attempts_started begins anew */
	bool has_payload;         /* EDIT, RETRY with an edited payload, kept beside the original */
	struct str payload;
	uint64_t payload_body;    /* the engine's */
	int64_t wait_ms;          /* WAIT */
	int64_t delay_ms;         /* RETRY, MOVE, RESCHEDULE: run after */
	int64_t run_at_us;        /* RESCHEDULE: or then, wall time; 0: not set */
	struct str reason;        /* CANCEL, free text, recorded */
	struct job_name parent;   /* DETACH: who does not wait for it any more; result.count: whether it did */
};

#define EXPLAIN_CODES(X) /* NAME, code */                                                        \
	X(READY, "ready") X(NO_WORKER, "no_worker") X(QUEUE_PAUSED, "queue_paused")               \
	X(GROUP_PAUSED, "group_paused") X(QUEUE_CONCURRENCY, "queue_concurrency")                 \
	X(GROUP_CONCURRENCY, "group_concurrency") X(QUEUE_RATE, "queue_rate") X(GROUP_RATE, "group_rate") \
	X(DELIVERY_SLOTS, "delivery_slots") X(DELAYED, "delayed") X(RETRY_BACKOFF, "retry_backoff")        \
	X(RUNNING, "running") X(CANCELLING, "cancelling") X(FINISHED, "finished") X(EMPTY, "empty") \
	X(CHILDREN, "waiting_children") X(PARKED, "parked") X(LIMIT_CONCURRENCY, "limit_concurrency")       \
	X(LIMIT_RATE, "limit_rate") X(BACKED_OFF, "backed_off") X(GROUP_MIN, "group_min") X(ENDPOINT_PAUSED, "endpoint_paused") \
	X(ENDPOINT_DISABLED, "endpoint_disabled") X(BREAKER_OPEN, "breaker_open") X(DELIVERY_SHARE, "delivery_share") \
	X(SLOWED_DOWN, "slowed_down")
#define X(name, code) EXPLAIN_##name,
enum explain_code { EXPLAIN_CODES(X) EXPLAIN_CODE_COUNT };
#undef X
const char *explain_code_name(enum explain_code code);
struct explanation {
	uint64_t uid;
	enum job_state state;
	enum explain_code code;
	struct str text;          /* a sentence or two: why it is not running, what would change that */
	int64_t until_us;         /* wall time when that is expected to end by itself; 0: unknown */
	uint64_t ahead;           /* waiting jobs that go before it in its group, about */
	uint32_t active, limit;   /* of the group, queue or limit that blocks */
	struct str limit_name;    /* of the limit that blocks; empty: none does */
	struct str worker;        /* RUNNING */
};

struct op_queue {             /* QUEUE_*, GROUP_*, SWEEP */
	struct queue_name queue;
	struct str group;
	struct str settings;      /* PUT: JSON, as sent: checked and applied over the present ones, or over the defaults when replace */
	bool replace;
	uint32_t limit;           /* QUEUES, GROUPS: page size */
	struct str after;         /* QUEUES: "namespace/name" of the last one seen; GROUPS: key */
	bool paused_too;          /* QUEUE_PUT: has_paused */
	const int32_t *priorities; /* QUEUE_GET: the counts of these, in this order; none: of all that have jobs */
	uint32_t priority_count;
	int64_t interval_ms;      /* SWEEP: not again before so long has passed */
	uint32_t rate_max;        /* QUEUE_GET: rate_ttl_ms if so many may start in a window; 0: as the queue is set */
	uint32_t max_stalls;      /* SWEEP: beyond so many a job is to fail; UINT32_MAX: as the queue is set */
};
struct priority_count {
	int32_t priority;
	uint64_t live[JOB_STATE_COUNT];
};
struct queue_info {
	struct queue_name queue;
	uint32_t number;
	struct str settings;      /* JSON, whole */
	bool paused;
	uint64_t version;
	int64_t created_us;
	uint64_t states[JOB_STATE_COUNT]; /* jobs now in each state, final ones as kept */
	uint64_t prioritised;     /* of those that wait: with a priority above 0 */
	struct priority_count *priorities; /* of live jobs; only QUEUE_GET; as asked, or at most 1,000, lowest first */
	uint32_t priority_count;
	uint32_t groups, groups_ready, waiters;
	int64_t oldest_waiting_us;        /* wall time since when the oldest waiting job waits; 0: none */
	int64_t next_due_us;              /* wall time of the next delayed one; 0: none */
	uint64_t enqueued, started, ended[JOB_STATE_COUNT]; /* ever */
	double enqueued_per_s, started_per_s, completed_per_s, failed_per_s; /* over the last minute */
	int64_t wait_p50_us, wait_p95_us, wait_p99_us; /* of starts, over the last 5 to 10 minutes; -1: none */
	int64_t run_p50_us, run_p95_us, run_p99_us;
	bool has_rate_ttl;        /* in compat mode */
	int64_t rate_ttl_ms;      /* limiter_ttl_ms */
};
struct group_info {
	struct str key;
	struct str settings;      /* JSON overrides, or empty */
	bool paused;
	uint64_t waiting, active, delayed; /* in memory: those that are far are counted by the queue only */
	enum explain_code code;   /* what holds it back, or READY / EMPTY */
};

struct op_back_off {          /* BACK_OFF */
	struct queue_name queue;  /* name empty: a limit's, of this namespace */
	struct str group, limit;
	int64_t delay_ms;         /* nothing starts before that has passed; 0: open again */
};
struct op_limit {             /* LIMIT_*, LIMITS */
	struct queue_name limit;
	struct str settings;      /* PUT: as op_queue's */
	bool replace;
	struct str token;         /* ACQUIRE, RELEASE */
	uint32_t units;           /* ACQUIRE */
	int64_t lease_ms;         /* ACQUIRE: so long without another acquire of the same token */
	uint32_t page;            /* LIMITS: page size */
	struct str after;         /* LIMITS: "namespace/name" of the last one seen */
};
struct limit_info {
	struct queue_name limit;
	struct str settings;      /* JSON, whole */
	uint64_t active, held;    /* jobs that run, units of permits */
	uint32_t lanes;           /* in its line: of so many queues, or sets of groups of them */
	enum explain_code code;   /* READY, or what stops a start now */
	int64_t until_us;         /* wall time when that is over by itself; 0: unknown */
};
struct op_event {             /* EVENT, EVENTS_TRIM */
	struct queue_name queue;
	struct str name;          /* EVENT: what happened, in the caller's words */
	struct str details;       /* EVENT: JSON object, or empty */
	uint64_t keep;            /* EVENTS_TRIM: so many of the queue's newest events stay, at least */
};

struct op_operation {         /* OPERATION_*, SLICE */
	uint64_t number;          /* START: stamped; else which */
	enum op_kind action;      /* CANCEL, RETRY, PROMOTE, REPRIORITISE, MOVE, DELETE; RESEND: a replay */
	struct str arguments;     /* JSON as sent: priority, queue, … */
	struct op_job template;   /* the same, decoded */
	struct str filter;        /* JSON, canonical */
	struct queue_name endpoint; /* START: whose deliveries; name empty: any jobs. It must be there */
	const struct replay *replay; /* of a replay, instead of arguments and filter: which messages, to that endpoint */
	/* SLICE */
	const uint64_t *uids, *versions; /* of jobs; of a replay uids of messages, growing */
	uint64_t *found;          /* the engine's: of a replay, the newest deliveries on disk */
	uint32_t count;
	uint64_t next_uid;
	uint32_t next_phase;
	bool last;
};

struct op_dedup_key {         /* DEDUP_GET, DEDUP_RELEASE */
	struct queue_name queue;
	struct str key;
	uint64_t uid;             /* only if this job owns it; 0: whoever does */
};

/* CHAIN_PUT, CHAIN_NEXT, CHAIN_DELETE, CHAIN_GET, CHAINS. A chain repeats a job: exactly one of its jobs, the pending one, was not claimed yet.
 * When it is claimed, the next one is made in the same change-set. PUT makes the queue if there is none; a chain that is there already is
 * replaced, its pending job too, unless nothing would change.
 *
 * In a queue that keeps another queue's rules who claimed the newest job asks for the one after it, with NEXT, and says when where a pattern does;
 * limit and end are his to keep. Jobs have the ids repeat:KEY:MILLISECONDS, so none is made twice; a PUT always makes its job anew. */
enum chains_order { CHAINS_BY_KEY, CHAINS_BY_NEXT, CHAINS_BY_NEXT_DOWN };
struct op_chain {
	struct queue_name queue;
	struct str key;
	struct str schedule;      /* JSON: rules/chain.h, chain_schedule_read */
	struct str job;           /* JSON: chain_job_read; its tags and target are checked. Empty reads as {} */
	struct str payload;       /* JSON, checked; at most LIMIT_PAYLOAD_INLINE bytes. Empty reads as null */
	struct str metadata;      /* JSON object, of each job; verbatim. Empty: none */
	struct str iteration;     /* the same of the job that is made now; empty: metadata's. Under compat only */
	int64_t next_us;          /* PUT, NEXT: when it runs, under compat where a pattern tells */
	struct str producer;      /* NEXT: id of the job that was claimed. If another one is the newest, nothing is made */
	enum compat compat;       /* PUT: the queue must keep these rules, and is made so */
	struct str after;         /* CHAINS: key of the last one seen */
	uint32_t limit;           /* CHAINS: page size */
	enum chains_order order;  /* CHAINS: by next time: those at places from … to, both included; to < 0: to the last */
	int64_t from, to;
};
struct chain_info {
	struct queue_name queue;
	struct str key, schedule, job, payload, metadata;
	struct str next_id;       /* of the pending job, where such ids are given */
	int64_t next_us;          /* wall time for which the pending job was made; 0: the chain has ended */
	int64_t offset_ms;        /* every_ms: what its times are beyond the multiples of it */
	uint64_t pending;         /* its uid, or 0 */
	uint64_t count;           /* jobs made since the chain was put; under compat since it was made */
};

/* MESSAGE. Kept, and taken to each endpoint of the namespace that wants it; a key that is known answers the first message with `duplicate`. */
struct op_message {
	uint64_t uid;             /* stamped */
	struct str namespace_name; /* empty: "default" */
	struct str type;
	struct str entity, key;   /* or empty */
	struct str channels;      /* JSON array of texts, checked, at most MESSAGE_CHANNELS; or empty */
	struct str metadata;      /* JSON object, checked; verbatim. Empty: none */
	struct str payload;       /* JSON, checked; verbatim */
	uint64_t payload_body;    /* the engine's: where a large payload was staged */
	uint32_t flags;           /* MESSAGE_DELETED, MESSAGE_META, MESSAGE_TEST */
	struct str only;          /* name of the one endpoint that it is for, whatever that wants; empty: all that want it */
	bool incoming;            /* from a source: of what type is its business */
	bool require_match;       /* refused (E_NO_ENDPOINT) when nobody wants it */
};
/* MESSAGE_EXPUNGE, RESEND. */
struct op_resend {
	uint64_t message;
	struct str endpoint;      /* RESEND: name, in the message's namespace */
};
struct op_entity {            /* ENTITY_DELETE */
	struct queue_name endpoint;
	struct str entity;
};
/* NAMED_PUT, NAMED_STATE, NAMED_DELETE, NAMED_GET, NAMEDS. */
#define NAMED_OVER_NOTHING UINT64_MAX
struct op_named {
	enum named_kind kind;
	struct queue_name named;
	uint32_t number;          /* NAMED_GET: by it, when above 0 */
	struct str text;          /* PUT: JSON, as sent: checked and applied over the present one, or over the defaults when replace */
	bool replace;
	uint64_t over;            /* PUT of what is no endpoint: only over the text with this version (shared_text, as published); 0: over any;
	                           * NAMED_OVER_NOTHING: only if there is none */
	enum named_state state;   /* STATE */
	struct str after;         /* NAMEDS: name of the last one seen */
	uint32_t limit;           /* NAMEDS: page size */
	bool archived;            /* NAMEDS: event types that are archived, too */
};
#define HEALTH_STATES(X) X(OK, "ok") X(FAILING, "failing") X(OPEN, "open") X(PROBING, "probing")
#define X(name, text) HEALTH_##name,
enum health_state { HEALTH_STATES(X) HEALTH_STATE_COUNT };
#undef X
struct health_info {
	enum health_state state;
	uint64_t failures;        /* in a row */
	int64_t failing_since_us; /* wall time, as the next three; 0: it is well */
	int64_t open_until_us;    /* nothing is tried before; 0: not open */
	int64_t slow_until_us;    /* held back because a gateway was overloaded; 0: it is not */
	int64_t disable_us;       /* when it is disabled if nothing succeeds before; 0: never */
	uint64_t unsent;          /* deliveries that were not made because too many were held */
	uint64_t batch_max;       /* messages of one call, as the other side has said; 0: it has not */
};
#define NAMERS_TOLD 20
struct namer {
	enum named_kind kind; /* ENDPOINT, SOURCE */
	struct str name;
};
struct named_info {
	enum named_kind kind;
	uint32_t number;
	struct queue_name named;
	struct str text;          /* JSON, whole; of a secret: empty */
	enum named_state state;
	struct str reason;        /* paused, disabled; or empty */
	int64_t created_us, changed_us;
	uint64_t version;
	/* of endpoints */
	struct health_info health;
	uint64_t waiting, active, delayed; /* deliveries in memory; those that wait are held while it is paused or disabled */
	/* of formats, secrets and event types that were looked at: who names them */
	bool namers_known;
	struct namer *namers;     /* the first NAMERS_TOLD */
	uint64_t namer_count;     /* of all */
	/* of an event type that was looked at, or is in a list: ruche's own has no number */
	bool built_in;
	uint64_t wanted_by;       /* GET: endpoints that want it, whatever they name it by */
};

struct op_result {
	enum err err;             /* E_OK, or why it was refused */
	struct problem *problem;  /* may be NULL; err_sentence(err) then says it */
	uint64_t uid;             /* the job's (ENQUEUE: the first one's when duplicate) */
	union {
		uint64_t fence;
		uint64_t units;     /* LIMIT_RELEASE: given back; MESSAGE: deliveries made by now */
		uint64_t retry_ms;  /* LIMIT_ACQUIRE that is not granted: 1 + the wait; 0: unknown */
		uint64_t number;  /* ENQUEUE: the decimal id that it was given; 0: none. CHAINS: how many there are */
	};
	enum job_state state;     /* after */
	union {
		bool duplicate;
		bool granted;       /* LIMIT_ACQUIRE */
	};
	bool deduplicated;        /* ENQUEUE: by its dedup key: uid and id are the owner's, and state is JOB_STATE_COUNT when it is not kept any more */
	struct str id;            /* ENQUEUE deduplicated, DEDUP_*: the owner's own; empty: the uid's text. CHAIN_PUT, CHAIN_NEXT: of the job made.
	                           * SWEEP: ids of those that it took back, a JSON array */
	uint64_t next;            /* DEDUP_*: the parked successor, or 0. MESSAGE for one endpoint: its delivery, if that was made at once */
	union {
		int64_t until_us;   /* DEDUP_*: wall time when the key is free; 0: when its owner ends */
		int64_t rate_ttl_ms; /* RELEASE in compat mode: nothing of the queue starts for so long, if its worker knows a rate */
	};
	bool cancel_requested;    /* HEARTBEAT, PROGRESS */
	union {
		struct claim_result *claim;
		struct explanation *explanation;
		struct queue_info *queues;      /* QUEUE_GET, QUEUE_PUT: one; QUEUES: count */
		struct group_info *groups;
		struct limit_info *limits;      /* LIMIT_GET, LIMIT_PUT: one; LIMITS: count */
		struct operation_row *operation;
		struct chain_info *chains;      /* CHAIN_PUT, CHAIN_GET: one; CHAINS: count */
		struct named_info *nameds;      /* NAMED_PUT, NAMED_STATE, NAMED_GET: one; NAMEDS: count */
	};
	uint32_t count;           /* EVENTS_TRIM: events that went; MESSAGE: endpoints that want it, as far as it is known */
	bool more;                /* QUEUES, GROUPS, LIMITS, CHAINS, NAMEDS: another page exists. EVENTS_TRIM, QUEUE_RESET: there is more
	                           * to trim.
	                           * MESSAGE: deliveries are still being made */
};

struct op {
	enum op_kind kind;
	union {
		struct op_enqueue enqueue;
		struct op_claim claim;
		struct op_lease lease;
		struct op_job job;
		struct op_queue queue;
		struct op_back_off back_off;
		struct op_limit limit;
		struct op_event event;
		struct op_operation operation;
		struct token_row token;
		struct op_dedup_key dedup_key;
		struct op_chain chain;
		struct op_message message;
		struct op_resend resend;
		struct op_entity entity;
		struct op_named named;
		uint64_t withdraw;    /* number of the request */
	};
	struct op_result result;
};

struct request {
	void *link;               /* for whoever carries it: a mailbox's letter, the engine's lists */
	uint64_t number;          /* unique among the asker's requests; names it for WITHDRAW */
	struct op *ops;
	uint32_t op_count;
	bool atomic;
	int64_t asked_us;         /* wall time by the asker's own clock; 0: not said. Compat queues look at it (skew.c) */
	uint64_t dice;            /* 64 random bits, stamped */
	struct str idempotency_key; /* with the caller's token number in front; empty: none. Not with CLAIM or reads */
	uint64_t request_hash;
	enum err err;             /* the whole request failed: E_BACKLOG, E_STORE_FULL, E_OUTCOME_UNKNOWN, E_IDEMPOTENCY, E_CANCELLED (withdrawn), … */
	bool replayed;            /* the results are those of an earlier request with the same key */
	uint64_t commit_seq;      /* all that it saw or did is in this one or before */
	struct arena arena;
	struct buf body;          /* what the slices of ops point into, when it came over HTTP */
	void *owner;              /* the asker's */
	struct request_state *state; /* the engine's while it holds the request */
};

/* ---- effects: hints that leave after the commit; every one can be recomputed from rows ---- */

/* Text shared by threads: freed with its last holder. */
struct shared_text {
	_Atomic uint32_t holders;
	uint64_t version;         /* same version, same text, for one queue */
	size_t len;
	char bytes[];
};
struct shared_text *shared_text_new(struct str s, uint64_t version); /* one holder; NULL: no memory */
struct shared_text *shared_text_hold(struct shared_text *text);
void shared_text_drop(struct shared_text *text); /* NULL is fine */

enum effect_kind {
	EFFECT_DELIVER,   /* call the target of this job; answer with COMPLETE or FAIL */
	EFFECT_ABORT,     /* stop that call: the job was cancelled or its lease is gone; no answer needed, none harmful */
	EFFECT_EVENTS,    /* events up to commit_seq are there to be read */
	EFFECT_OPERATION, /* a bulk operation is there to be worked on (or to be stopped) */
	EFFECT_NAMED,     /* a format, source or secret has this text from now on. number 0: forget all of them, the present ones follow */
};
struct effect_rider { /* a job that runs under another one's start */
	uint64_t uid, fence, edited_body;
	uint32_t attempt, attempts_made, max_attempts;
};
struct effect_named {
	enum named_kind kind;
	uint32_t number;
	struct str namespace_name, name; /* in the effect's own memory */
	struct shared_text *text; /* held; NULL: it is gone */
};
struct effect {
	struct effect *next;
	enum effect_kind kind;
	uint64_t uid;             /* job or operation */
	uint64_t fence;
	uint64_t edited_body;     /* ROW_EDITED */
	uint32_t queue;
	uint32_t attempt, attempts_made, max_attempts;
	int64_t timeout_ms;
	struct shared_text *settings; /* DELIVER: the queue's settings (rules/settings.h), held */
	uint64_t commit_seq;
	enum operation_state operation_state;
	/* DELIVER of an endpoint's delivery */
	uint32_t endpoint_number; /* 0: it is none, or that endpoint is gone */
	struct shared_text *endpoint; /* its settings when the attempt began (rules/endpoint.h), held; NULL: as above */
	struct effect_rider *riders; /* in the effect's own memory */
	uint32_t rider_count;
	struct effect_named named; /* NAMED */
};
/* Makes it EFFECT_NAMED: copies the names, holds the text (NULL: gone). */
MUST_USE enum err effect_set_named(struct effect *effect, enum named_kind kind, uint32_t number, struct queue_name name, struct shared_text *text);
void effect_free(struct effect *effect);
/* The lease tokens of the daemon's own deliveries: of a call, and of those that ride in it. Rows tell them apart by these. */
#define DELIVERY_TOKEN STR("ruche-delivery")
#define RIDER_TOKEN    STR("ruche-rider")
static inline bool lease_token_is_ours(struct str token)
{
	return str_eq(token, DELIVERY_TOKEN) || str_eq(token, RIDER_TOKEN);
}

/* Event types, as they stand in event_row.lines. */
#define EVENT_TYPES(X)                                                                          \
	X(ENQUEUED, "enqueued") X(DUPLICATE, "duplicate") X(ACTIVE, "active") X(COMPLETED, "completed") \
	X(FAILED, "failed") X(RETRYING, "retrying") X(STALLED, "stalled") X(RELEASED, "released")   \
	X(SNOOZED, "snoozed") X(CANCEL_REQUESTED, "cancel_requested") X(CANCELLED, "cancelled")     \
	X(EXPIRED, "expired") X(RETRIED, "retried") X(PROMOTED, "promoted") X(REPRIORITISED, "reprioritised") \
	X(DEDUPLICATED, "deduplicated") X(RESCHEDULED, "rescheduled")                              \
	X(MOVED, "moved") X(DELETED, "deleted") X(WAITING, "waiting") X(PROGRESS, "progress")       \
	X(QUEUE_PAUSED, "queue_paused") X(QUEUE_RESUMED, "queue_resumed") X(QUEUE_CHANGED, "queue_changed") \
	X(BACKED_OFF, "backed_off") X(CHAIN_CHANGED, "chain_changed") X(CUSTOM, "custom") X(DRAINED, "drained") X(WAITING_CHILDREN, "waiting_children") \
	X(MESSAGE, "message") X(SUPERSEDED, "superseded") X(ENDPOINT_CHANGED, "endpoint_changed")   \
	X(ENDPOINT_FAILING, "endpoint_failing") X(ENDPOINT_DISABLED, "endpoint_disabled") X(ENDPOINT_RECOVERED, "endpoint_recovered")
#define X(name, text) EVENT_##name,
enum event_type { EVENT_TYPES(X) EVENT_TYPE_COUNT };
#undef X
const char *event_type_name(enum event_type type);
