/* src/engine/index.h: what the engine keeps in memory: an index of the live rows, rebuilt by one scan. Private to the engine.
 *
 * A job stands in exactly one place, told by its state, and job_attach / job_detach are the only ways in and out of it:
 *
 *   WAITING   its group's `ready` heap by (priority, rank), and its queue's list of waiting jobs by age
 *   DELAYED   its queue's `delayed` heap (engine time) or `delayed_wall` heap (run_at); when it is far, only on disk (engine/far.c)
 *   ACTIVE    the engine's `leases` heap by deadline, with a struct lease; when only a sweep ends that lease, also its queue's `leases`
 *   final     nowhere: it is in memory only while a change-set in flight holds it, or for the step that loaded it
 *
 * and besides, while it waits, has a time-to-live and never started, in the `expiring` heap. Counters (queue, priority, group) move with
 * attach and detach, so that undoing is: detach, put the old image back, attach.
 *
 * Derived places are recomputed by refresh functions after any change: a group stands in its lane's `turns` heap when it has a job that
 * may start, or in the engine's `blocked_groups` heap until its rate lets it; a queue stands in `due` and `due_wall` by its next
 * delayed job, and in the two `far` heaps by the next one that is on disk only. The turns of groups whose starts take from the same limits
 * are one lane; a lane that a limit stops stands in its line. Nothing here is asked for in the order of a hash. */
#pragma once
#include "base/heap.h"
#include "base/map.h"
#include "base/pool.h"
#include "engine/command.h"
#include "rules/chain.h"
#include "rules/endpoint.h"
#include "store/changeset.h"

#define SLOT_NONE  POOL_NONE
#define DIRTY_NONE UINT32_MAX

/* Flags of struct job beyond those kept in rows (store/row.h). */
#define JOB_LIFTED  0x100u /* between job_touch and job_place: stands nowhere, is counted nowhere */
#define JOB_DELETED 0x200u /* gone, kept until the commit that says so */
#define JOB_LISTED  0x400u /* in its queue's list of waiting jobs */
#define JOB_ASIDE   0x800u /* it has an aside */
#define JOB_LABELLED 0x1000u /* its id is at hand */
#define JOB_ROW_FLAGS \
	(ROW_DUE_WALL | ROW_CANCEL | ROW_LIFO | ROW_EDITED | ROW_REDONE | ROW_FAR | ROW_PARENT | ROW_CHILD | ROW_LOST_CHILD | ROW_SNOOZED)

struct job {
	uint64_t uid;
	int64_t rank;
	int64_t due_us;
	int64_t since_us;
	int64_t expire_us;
	int64_t timeout_ms;
	uint64_t version;         /* seq of the change-set that changed it last: in flight while above the committed one */
	uint64_t fence;
	uint64_t edited_body;
	uint32_t queue, group;    /* slots */
	uint32_t heap_position;   /* in the heap of its state */
	uint32_t expire_position;
	uint32_t lease;           /* ACTIVE: slot */
	uint32_t policy;          /* number; 0: the queue's */
	uint32_t older, newer;    /* WAITING: neighbours in its queue's list by age; later: the last ones */
	int32_t priority;
	uint32_t max_attempts;    /* 0: the policy's */
	uint32_t attempts_started;
	uint32_t attempts_made;   /* attempts that ended, well or not; not those that were given back, lost or cost nothing; anew after a retry by hand */
	uint32_t bytes;
	uint32_t dirty;           /* place in the open batch's list, or DIRTY_NONE */
	uint16_t stalls;
	uint16_t flags;
	uint8_t state;            /* enum job_state */
	uint8_t table;            /* enum job_table: where its row stood before the open batch */
};
_Static_assert(sizeof(struct job) <= 144, "a waiting job costs at most 250 bytes with its places in maps and heaps");

struct lease {
	uint64_t token;           /* hash of the token */
	int64_t deadline_us;      /* moved on by heartbeats; memory only */
	int64_t hard_us;          /* timeout_ms after the start, or INT64_MAX */
	int64_t lease_ms;
	int64_t started_us;
	uint32_t worker;          /* slot of struct name */
	uint32_t log_lines;       /* written under it, since the last restart */
	uint32_t position;        /* in its queue's `leases` */
	bool delivery;
	bool rides;               /* under another one's start: counted by nothing that bounds calls (ride.c) */
	bool stays;               /* time does not end it, a sweep does (op_sweep.c) */
	uint8_t limit_count;
	uint32_t limits[LIMITS_A_JOB]; /* slots: those that it counts in, as its lane said at its start */
};

struct name { /* workers' names, shared by their leases */
	uint32_t holders;
	struct str text;
	uint64_t hash;
};

/* What few live jobs have (aside.c). Never changed in place: a change takes a new slot, so that undoing is putting the old one back. A job
 * that has one stays in memory. */
struct aside {
	uint64_t uid;
	uint32_t dedup;        /* slot of the key that it owns or succeeds in */
	uint32_t chain;        /* slot of the chain whose iteration it is */
	uint32_t first_parent; /* edge to its first parent; the others by the edges' own links */
	uint32_t deferred;     /* slot of a name, held: it fails with this reason when it is claimed next */
};
#define ASIDE_NOTHING { .dedup = SLOT_NONE, .chain = SLOT_NONE, .first_parent = SLOT_NONE, .deferred = SLOT_NONE }

/* A key of dedup, apart from the jobs' ids (dedup.c): at most one job of the queue owns it. */
struct dedup {
	uint32_t reserved;        /* the pool's while the slot is free */
	bool live, gone;          /* gone: free again, kept until the commit that says so */
	uint8_t flags;            /* as in its row */
	uint32_t queue;           /* slot */
	uint32_t key;             /* slot of a name, held */
	uint32_t owner_id, next_id; /* likewise; SLOT_NONE: they have no id of the caller's */
	uint32_t position;        /* in dedups_by_until */
	uint64_t hash;
	uint64_t owner, next;     /* uids; next: the parked successor, or 0 */
	int64_t until_us, since_us;
	uint64_t version;         /* seq of the change-set that changed it last */
};

/* The id of a job whose queue's events say it (label.c). It never changes, comes with the job and goes with it: no journal. */
struct label {
	uint64_t uid;
	uint64_t id;           /* the number, or, with the highest bit, a slot of names, held */
};
#define LABEL_ROOM 24

/* A child that its parent waits for (edge.c), or that is resolved in a change-set that is not committed yet. */
#define EDGE_GONE EDGE_STATE_COUNT
struct edge {
	uint32_t reserved;        /* the pool's while the slot is free */
	bool live;
	uint8_t state, on_failure; /* enum edge_state, or EDGE_GONE */
	uint32_t parent, child;   /* slots of kin */
	uint32_t next_child, before_child, next_parent, before_parent;
	uint64_t version;         /* seq of the change-set that changed it last */
};
struct kin { /* a job that has edges in memory, itself in memory or not */
	uint32_t first_child, first_parent; /* edges, newest first */
	uint32_t pending;         /* children that it waits for */
	uint64_t uid;
};

/* What a person said of a chain, read. It never changes: whoever may have to go back to it holds it. */
struct chain_terms {
	uint32_t holders;
	struct str key, schedule, job, payload, metadata; /* in the arena */
	struct chain_job template;
	struct repeat repeat;
	const struct zone *zone;  /* NULL under another queue's rules: a pattern is then whoever works to tell (chain_compat.c) */
	struct arena arena;
};

/* A chain of jobs that repeat (chain.c). Its pending job has an aside, so it stays in memory; not so under another queue's rules. */
struct chain {
	uint32_t reserved;        /* the pool's while the slot is free */
	bool live, gone;          /* gone: deleted, kept until the commit that says so */
	uint32_t queue;           /* slot */
	uint64_t hash;
	struct chain_terms *terms;
	struct repeat_iteration last; /* the newest one */
	uint64_t pending;         /* its uid, while nobody has claimed it; 0: the chain has ended. Under another queue's rules always the newest one's */
	uint64_t version;         /* seq of the change-set that changed it last */
};

/* When it is a group's turn (turns.c): in virtual time, which a start moves on by a stride divided by the group's weight. */
struct turn {
	uint64_t at;              /* below 2^63 */
	uint32_t number;          /* first come first served among equals; 0: it never stood in turns */
	int32_t priority;         /* of the jobs among whose turns it is one */
};

enum group_place { GROUP_NOWHERE, GROUP_IN_TURNS, GROUP_BLOCKED, GROUP_IN_DOUBT };
struct group {
	uint32_t queue;
	struct str key;           /* empty: the jobs without a group */
	uint64_t hash;
	struct heap ready;        /* jobs by (priority, rank) */
	uint32_t active, delayed, jobs; /* in memory: far ones are not counted by group */
	struct turn turn;         /* as its last start, or its coming, left it */
	enum group_place place;
	uint32_t position;
	bool paused, has_row;
	struct group_settings settings;
	struct rate_window window; /* starts_us NULL: not begun */
	uint32_t window_shape;
	int64_t blocked_us;       /* a penalty: nothing starts before; 0: none */
	uint32_t lane;            /* slot */
	uint64_t touched;         /* seq of the last change-set that moved one of its jobs: not freed before that is committed */
	uint32_t endpoint;        /* slot of the named thing whose deliveries it holds, or SLOT_NONE */
	bool idle;                /* needed by nothing now: stands in the index's list of such, until it is freed */
	uint32_t idle_before, idle_after;
	bool doubtful;            /* its endpoint may not answer: its calls count among those of such (doubt.c) */
	uint32_t doubt_before, doubt_after; /* in their line */
};

/* Groups of a queue whose starts take from the same limits (lane.c). Each queue has one for groups without limits of their own; those that
 * have some share others. */
struct lane {
	uint32_t queue;
	bool live;
	uint32_t next;            /* of the same queue */
	uint32_t groups;
	uint32_t limit_count;
	uint32_t limits[LIMITS_A_JOB]; /* slots */
	struct heap turns;        /* groups that may start a job, by (priority of the first, turn): turns.c */
	struct lane_time {        /* of the priority that was served last */
		uint64_t clock;   /* the turn served last: virtual time, as this lane counts it */
		uint64_t lag;     /* so far the queue's is ahead of that: while it was stopped others went on */
		int32_t priority;
	} time;
	uint32_t at;              /* the limit in whose line it stands, or SLOT_NONE */
	uint32_t before, after;   /* there */
	bool woken;               /* the limit had room since it was looked at */
	uint64_t touched;         /* seq of the last change-set that took a group out: not freed before that is committed */
};

/* A named budget of a namespace (limit.c). */
struct limit {
	uint32_t number;
	struct str namespace_name, name; /* name.ptr NULL: a free slot */
	uint64_t hash;
	uint64_t active;          /* jobs that run under it */
	uint64_t held;            /* units of permits */
	struct limit_settings settings;
	struct rate_window window;
	uint32_t window_shape;
	int64_t blocked_us;       /* a penalty; engine time */
	uint32_t position;        /* in blocked_limits: time opens it */
	uint32_t first_lane, last_lane; /* its line: first come first served; who is served goes behind */
	uint64_t touched;         /* seq of the last change-set that moved it: not freed before that is committed */
	bool gone;
};

/* Units of a limit that a holder outside has, under a lease of his own. */
struct permit {
	uint32_t limit;           /* slot */
	uint32_t units;           /* 0: given back, kept until the commit that says so */
	uint64_t token;           /* hash */
	int64_t deadline_us, lease_ms;
	uint32_t position;        /* in permits_by_deadline */
	uint64_t touched;
};

/* Settings of an endpoint, read. They never change in place: whoever may have to go back to them holds them. */
struct json_node;
struct endpoint {
	uint32_t holders;
	struct endpoint_settings value; /* in the arena */
	const struct json_node *filter; /* NULL: none */
	struct str *secrets;            /* all that its settings name; its own is not among them */
	uint32_t secret_count;
	struct arena arena;
};
/* What is asked of a source's settings while others are put, read once: there may be thousands. Held as an endpoint's are. */
struct kept_source {
	uint32_t holders;
	struct str type;   /* of the messages that it makes (rules/source_text.h); empty: it makes none */
	struct str secret; /* as its verifier names it; empty: none */
	char bytes[];      /* of both */
};
/* How the third party behind an endpoint does (health.c). Judged when an attempt ends; engine time. */
#define HEALTH_ALLOWED 2          /* calls at once to one of which nothing is known */
struct health {
	uint64_t failures;        /* in a row that are the endpoint's fault */
	uint64_t attempts_failed; /* since failing_since_us */
	uint64_t allowed;         /* calls at once, now */
	uint64_t answered;        /* since the start, or since it was enabled: 0 or 1 */
	uint64_t batch_cap, batch_max; /* messages of one call: now; learnt. 0: as the settings say */
	uint64_t batch_well;      /* calls of batch_cap messages that went well in a row */
	uint64_t unsent, unsent_uid; /* deliveries that were not made, and the first message of which */
	int64_t held_since_us;    /* wall time since when it is paused or disabled; 0: it is not */
	int64_t failing_since_us; /* 0: it is well */
	int64_t open_until_us;    /* the penalty of its breaker, or the last one's; then a probe */
	int64_t asked_until_us;   /* while the breaker is not closed: the penalty that others asked for, and that its end leaves; 0: none */
	uint64_t opens;           /* in a row; 0: its breaker is closed */
	uint64_t slowed;          /* so often in a row calls were held back because a gateway was overloaded */
	int64_t slow_since_us;    /* when they were last; 0: not since the start */
	int64_t slow_until_us;    /* and until when */
	uint64_t warned;          /* that it fails: 0, 1, and at 50 and 90 per cent of the time after which it is disabled */
	uint64_t told;            /* that it fails or is disabled, and not yet that it is well again: 0 or 1 */
};
/* An endpoint, format, source, sealed secret or event type. */
struct named {
	uint32_t number;          /* the pool's while the slot is free */
	uint8_t kind, state;      /* enum named_kind, enum named_state */
	uint8_t reason;           /* place among named_reasons (engine/named.c) */
	bool live, gone;          /* gone: deleted, kept until the commit that says so */
	uint32_t group;           /* ENDPOINT of kind push: slot, kept while the endpoint is there; otherwise SLOT_NONE */
	uint64_t hash, created_seq;
	uint64_t version;         /* seq of the change-set that changed it last */
	int64_t created_us, changed_us;
	struct str namespace_name, name;
	struct shared_text *text; /* whole settings as kept */
	struct endpoint *endpoint; /* ENDPOINT: read from the text, held */
	struct kept_source *source;    /* SOURCE: the same */
	struct health health;
};
/* A message that is still being taken to endpoints. */
struct expansion {
	uint32_t reserved;        /* the pool's while the slot is free */
	bool live;
	uint32_t before, after;   /* in the order in which they came */
	uint32_t namespace_name, type, entity, channels; /* slots of names, held; SLOT_NONE: empty */
	uint32_t next_endpoint, deliveries, only, flags; /* as in its row */
	uint64_t uid, seq;
	uint64_t version;         /* seq of the change-set that changed it last */
};

struct priority_entry {
	uint32_t next;            /* of the same queue */
	uint32_t queue;
	int32_t priority;
	uint64_t live[JOB_STATE_COUNT]; /* in memory */
	uint64_t far;             /* delayed ones on disk only */
	uint64_t clock;           /* the turn served last: virtual time of the queue's groups */
};

struct histogram;
struct flow_second { uint32_t enqueued, started, completed, failed; };
#define FLOW_SECONDS 64
struct queue_flow { /* what happened lately; memory only */
	int64_t second[FLOW_SECONDS];
	struct flow_second count[FLOW_SECONDS];
	struct histogram *wait, *run; /* NULL until something was measured */
};

/* Lines of queues, first come first served: something may start (flagged); jobs of an http queue wait for a free slot; ended jobs are to
 * go as those who ended them said (keep.c). */
enum line { LINE_FLAGGED, LINE_DELIVERY, LINE_KEEP, LINE_COUNT };

struct parked_link { /* a waiting claim in one queue's line */
	struct parked_link *before, *after;
	uint32_t parked, queue;
};

/* Settings never change in place: whoever may have to go back to them holds them. */
struct kept_settings {
	uint32_t holders;
	struct queue_settings value; /* slices point into the text, or the arena */
	struct shared_text *text;
	struct arena arena;
	uint32_t limits[LIMITS_A_JOB]; /* slots of those that the value names */
};

/* A queue's delayed jobs that are on disk only, by the clock of their due times. */
enum far_clock { FAR_ENGINE, FAR_WALL, FAR_CLOCKS };
struct queue_far {
	uint64_t jobs;
	int64_t next_us;          /* none of them is due before; INT64_MAX: none */
	int64_t read_us;          /* the place up to which rows were read: they are in memory, and those due up to there do not leave it */
	uint64_t read_uid;
	uint32_t position;        /* in the index's heap */
	bool stale;               /* next_us may be early: the one that it was is no longer among them */
};

struct queue {
	uint32_t number;
	struct str namespace_name, name;
	uint64_t hash;
	struct kept_settings *kept;
	const struct queue_settings *settings; /* in kept */
	bool paused, deleted;
	uint64_t version;
	int64_t created_us;
	uint32_t lane;            /* the first of its lanes: of groups without limits of their own */
	uint32_t turn;            /* number given last */
	int64_t blocked_us;       /* a penalty; engine time */
	int64_t skew_us;          /* in compat mode: the clock of its programs is ahead of ours; 0: it is ours (skew.c) */
	struct heap delayed, delayed_wall;
	struct heap leases;       /* jobs by the deadline of their lease, where time does not end it */
	uint64_t swept_us;        /* engine time of the last sweep; 0: none since the start */
	uint32_t owed[FAR_CLOCKS]; /* entries of journals that may put a job back into them: whoever comes from disk leaves them room */
	struct queue_far far[FAR_CLOCKS];
	uint32_t due_position, due_wall_position, blocked_position;
	uint32_t active;
	struct rate_window window;
	uint32_t window_shape;
	struct rate limiter;      /* in compat mode: what the claim that is looked at knows of its rate */
	int64_t rank_head, rank_tail; /* last used; the next ones are one further */
	uint32_t oldest, newest;  /* waiting jobs by age */
	uint32_t groups, dedups, chains; /* slots in use */
	uint32_t first_priority, last_priority; /* entries; the one used last */
	struct queue_counts counts, sent; /* now; and as of the last change-set closed */
	uint64_t live[JOB_STATE_COUNT]; /* in memory; queue_far_jobs() more are delayed */
	struct parked_link *first_waiter, *last_waiter;
	uint32_t waiters;
	uint32_t next_in[LINE_COUNT];
	bool in_line[LINE_COUNT];
	uint32_t event_row;       /* while a batch closes: 1 + the place of its row among the events; 0: none */
	int64_t retain_us;        /* when retention looks again */
	uint32_t untrimmed;       /* events since its log was trimmed; UINT32_MAX: nobody knows */
	int64_t metric_minute;    /* of which ends were counted last; 0: none since the start */
	struct keep keep_completed, keep_failed; /* what is to be done while it stands in LINE_KEEP */
	uint32_t keep_due;        /* a bit each state of these that waits */
	struct queue_flow flow;
};

struct policy {
	struct retry_policy value;
	uint64_t hash;
	bool saved;               /* its row is in a change-set */
};

/* (queue, id) of jobs, and Idempotency-Keys of requests, whose change-set is not committed yet: everything older is found in the store. */
struct key {
	uint32_t queue;           /* slot; SLOT_NONE: an Idempotency-Key */
	struct str id;
	uint64_t hash, uid;       /* uid: or the request's hash */
};

/* A bulk operation that has not ended. */
struct running {
	uint32_t reserved;        /* the pool's while the slot is free */
	bool live;
	uint64_t touched_seq;     /* of the batch that changed it last */
	struct operation_row row; /* strings are its own */
};

struct index {
	struct pool operations, jobs, leases, groups, queues, priorities, names, keys, asides, dedups, labels, lanes, limits, permits, edges, kins, chains;
	struct map chains_by_key, dedups_by_key, dedups_by_owner, dedups_by_next, asides_by_uid, labels_by_uid, kins_by_uid;
	struct map jobs_by_uid, groups_by_key, queues_by_name, queues_by_number, priorities_by_key, names_by_text, policies_by_value, keys_by_id;
	struct map limits_by_name, limits_by_number, permits_by_token;
	struct pool nameds, expansions;
	struct map nameds_by_name, nameds_by_number;
	struct { uint32_t *slots; uint32_t count, capacity; } endpoints; /* of all namespaces, by number, gone ones too */
	uint32_t first_expansion, last_expansion;
	uint32_t next_named_number;
	bool meta_known, meta_wanted; /* whether some endpoint names a type of messages about endpoints; unknown after each change (meta.c) */
	struct policy *policies;  /* number - 1 */
	uint32_t policy_count, policy_capacity;
	struct heap leases_by_deadline, expiring, due, due_wall, blocked_groups, blocked_queues, far[FAR_CLOCKS], dedups_by_until;
	struct heap blocked_limits, permits_by_deadline;
	uint32_t first_idle;      /* groups */
	struct { uint32_t first, last, count; } lines[LINE_COUNT];
	uint64_t live_jobs, far_jobs, deliveries; /* live ones in memory; on disk only */
	uint64_t doubtful_calls, doubtful_max; /* of endpoints that may not answer: now; at most, when one more starts */
	uint32_t first_doubtful, last_doubtful; /* groups that wait for one of these to end */
	int64_t horizon_us;       /* delayed jobs that are due later may leave memory */
	uint32_t held_edges;      /* pending ones that wait on after a failure */
	uint32_t follow_edges;    /* pending ones of jobs that go one after the other */
	uint32_t next_queue_number, next_limit_number;
	bool sweep_limits;        /* lanes or limits may be free to go */
	uint64_t text_version;    /* of the settings read last: no two texts have the same */
	uint64_t open_seq;        /* of the open change-set */
	uint64_t committed_seq;
	int64_t now_us, wall_us;  /* of this step */
	int64_t caution_us;       /* engine time saved by the commit before the restart: rates stay shut for one window after it */
};

void index_init(struct index *index);
void index_fini(struct index *index);

static inline struct job *job_at(const struct index *index, uint32_t slot) { return pool_at(&index->jobs, slot); }
static inline struct group *group_at(const struct index *index, uint32_t slot) { return pool_at(&index->groups, slot); }
static inline struct queue *queue_at(const struct index *index, uint32_t slot) { return pool_at(&index->queues, slot); }
static inline struct lease *lease_at(const struct index *index, uint32_t slot) { return pool_at(&index->leases, slot); }
static inline int64_t index_wall_us(const struct index *index, int64_t at_us) /* engine time as a person's; 0: never */
{
	return at_us ? index->wall_us + (at_us - index->now_us) : 0;
}
static inline enum job_state job_state_of(const struct job *job) { return (enum job_state)job->state; }

/* ---- jobs (job_place.c) ---- */
uint32_t job_find(const struct index *index, uint64_t uid);      /* slot, also of a deleted one; SLOT_NONE */
MUST_USE enum err job_create(struct index *index, uint64_t uid, uint32_t *out_slot); /* found by uid from now on; attached nowhere */
void job_destroy(struct index *index, uint32_t slot);            /* detached before */
/* Room for one more attach of any kind: after E_OK the next job_attach cannot fail. */
MUST_USE enum err job_reserve(struct index *index, const struct job *job);
MUST_USE enum err job_attach(struct index *index, uint32_t slot); /* into the place of its state, and counted */
void job_detach(struct index *index, uint32_t slot);
void job_attach_sure(struct index *index, uint32_t slot);         /* where capacity was just left: putting back */
/* Makes a job from its row, live or final, found by uid; attached nowhere yet. Opens its group. */
MUST_USE enum err job_restore(struct index *index, const struct job_row *row, uint32_t *out_slot);
MUST_USE enum err queue_sort_waiting(struct index *index, uint32_t queue); /* after a restart: its list by age */
/* Final jobs that the store already counts. */
void job_count_final(struct index *index, const struct job *job, int sign);
int64_t lease_due_us(const struct lease *lease); /* when time ends the attempt; INT64_MAX: it does not */
void lease_renew(struct index *index, const struct job *job); /* its lease begins anew: memory only */

/* ---- asides (aside.c); batch.h has aside_change ---- */
const struct aside *aside_of(const struct index *index, const struct job *job); /* nothing, when it has none */
bool aside_is_nothing(const struct aside *aside);
MUST_USE enum err aside_restore(struct index *index, uint32_t job, const struct aside *wanted); /* after a restart, without a journal */
void aside_drop(struct index *index, const struct job *job); /* it leaves memory */

/* ---- failures that are told later (deferred.c) ---- */
struct str deferred_of(const struct index *index, const struct job *job); /* the reason; empty: none */
MUST_USE enum err deferred_restore(struct index *index, uint32_t job, struct str reason); /* after a restart, without a journal */

/* ---- far jobs (far.c) ---- */
int64_t far_limit_us(const struct index *index, bool wall);
bool job_is_far(const struct index *index, const struct job *job); /* delayed beyond the horizon, and not read back before */
void job_leave(struct index *index, uint32_t slot);               /* committed with ROW_FAR and far: from now on on disk only (job_place.c) */
MUST_USE enum err job_return(struct index *index, uint32_t slot); /* restored: into its place, no longer among the far ones (job_place.c) */
/* Counts one that is on disk only; removes it from the count. */
void far_add(struct index *index, uint32_t queue, struct priority_entry *entry, uint32_t flags, int64_t due_us);
void far_remove(struct index *index, uint32_t queue, struct priority_entry *entry, uint32_t flags, int64_t due_us);
uint64_t queue_far_jobs(const struct queue *queue);

/* ---- keys of dedup (dedup.c) ---- */
uint32_t dedup_find(const struct index *index, uint32_t queue, struct str key); /* slot, or SLOT_NONE */
uint32_t dedup_find_owner(const struct index *index, uint64_t uid);             /* of the key that this job owns */
uint32_t dedup_find_next(const struct index *index, uint64_t uid);              /* of the key whose successor it is */
uint64_t dedup_newest(const struct index *index, uint32_t queue, struct str key); /* its successor, or its owner; 0: nobody owns it */
bool dedup_stays_near(const struct index *index, uint64_t uid); /* it owns a key under which others may come that no plan names: in memory */
MUST_USE enum err dedup_restore(struct index *index, uint32_t queue, const struct dedup_row *row);
void dedup_settle(struct index *index, uint32_t slot); /* leaves memory, if it is gone for good */
void dedup_drop_queue(struct index *index, uint32_t queue);

/* ---- labels (label.c) ---- */
bool label_number(struct str id, uint64_t *out); /* is its text this number again: no zeros in front, not too long? */
MUST_USE enum err label_set(struct index *index, uint32_t job, struct str id); /* once; empty: none */
struct str label_of(const struct index *index, const struct job *job, char room[LABEL_ROOM]); /* its id: the uid's text when it has none */
MUST_USE enum err label_copy(const struct index *index, const struct job *job, struct arena *arena, struct str *out); /* empty when it has none */
void label_drop(struct index *index, const struct job *job); /* it leaves memory */

/* ---- who waits for whom (edge.c) ---- */
static inline struct edge *edge_at(const struct index *index, uint32_t slot) { return pool_at(&index->edges, slot); }
static inline struct kin *kin_at(const struct index *index, uint32_t slot) { return pool_at(&index->kins, slot); }
static inline uint64_t edge_parent(const struct index *index, uint32_t slot) { return kin_at(index, edge_at(index, slot)->parent)->uid; }
static inline uint64_t edge_child(const struct index *index, uint32_t slot) { return kin_at(index, edge_at(index, slot)->child)->uid; }
uint32_t kin_find(const struct index *index, uint64_t uid);                          /* slot, or SLOT_NONE */
uint32_t edge_find(const struct index *index, uint64_t parent, uint64_t child); /* slot, also of a resolved one; or SLOT_NONE */
uint32_t edges_pending(const struct index *index, uint64_t parent);
MUST_USE enum err edge_restore(struct index *index, const struct edge_row *row);
void edge_settle(struct index *index, uint32_t slot); /* leaves memory, if it is resolved for good */

/* ---- one after the other (follow.c) ---- */
uint64_t follow_ahead(const struct index *index, uint64_t uid);       /* the one that it comes after; 0: it comes after none */
bool follow_is_followed(const struct index *index, uint64_t uid);
bool follow_holds(const struct index *index, uint32_t group);         /* does a failure hold those behind? */
uint32_t follow_next_state(const struct index *index, uint32_t follower, enum job_state state); /* of its edge: the one ahead has ended so */

/* ---- chains (chain.c) ---- */
uint32_t chain_find(const struct index *index, uint32_t queue, struct str key); /* slot, or SLOT_NONE */
MUST_USE enum err chain_restore(struct index *index, uint32_t queue, const struct chain_row *row, struct chain_terms *terms); /* takes the hold */
void chain_settle(struct index *index, uint32_t slot); /* leaves memory, if it is gone for good */
void chain_terms_drop(struct chain_terms *terms);

/* ---- queues, groups (queue_place.c) ---- */
uint32_t queue_find(const struct index *index, struct queue_name name);
uint32_t queue_find_number(const struct index *index, uint32_t number);
MUST_USE enum err queue_create(struct index *index, struct queue_name name, uint32_t *out_slot); /* default settings; number set by the caller or next */
void queue_destroy(struct index *index, uint32_t slot); /* with its groups; no job and no waiter is left */
/* Reads JSON over the present settings (or the defaults), on success swaps them in. */
enum err queue_set_settings(struct index *index, uint32_t slot, struct str json, bool replace, struct problem *problem);
enum err queue_use_text(struct index *index, uint32_t slot, struct str text); /* whole settings, as kept */
void queue_use_settings(struct index *index, uint32_t slot, struct kept_settings *kept); /* takes the caller's hold */
struct kept_settings *kept_settings_hold(struct kept_settings *kept);
void kept_settings_drop(struct kept_settings *kept); /* NULL is fine */
static inline uint32_t group_waiting(const struct group *group) { return group->jobs - group->active - group->delayed; } /* also behind others */
uint32_t group_find(const struct index *index, uint32_t queue, struct str key);
MUST_USE enum err group_open(struct index *index, uint32_t queue, struct str key, uint32_t *out_slot); /* finds or makes */
void group_destroy(struct index *index, uint32_t slot);
/* Frees groups that nothing needs, if what touched them last is committed, or undone: in change-sets up to this one. */
void index_free_idle(struct index *index, uint64_t up_to_seq);
/* Puts the group where it belongs now; flags its queue when something may start. */
void group_refresh(struct index *index, uint32_t slot);
bool group_is_needed(const struct group *group);
void queue_refresh(struct index *index, uint32_t slot);      /* its places in due, due_wall */
void queue_flag(struct index *index, uint32_t slot);         /* to be served in this step */
void line_add(struct index *index, enum line line, uint32_t slot); /* at the end, if it is not in */
uint32_t line_take(struct index *index, enum line line);          /* the first, or SLOT_NONE */
void queue_open_at(struct index *index, uint32_t slot, int64_t at_us); /* flags it then: its rate lets it start again */
void queue_open_by(struct index *index, uint32_t slot, int64_t at_us); /* then, or before */
/* What holds the whole queue back; READY when nothing does. When time ends it, *until_us. */
enum explain_code queue_blocker(struct index *index, uint32_t slot, int64_t *until_us);
/* The group whose job starts next. False: none may, and *why; when time ends that, *until_us, otherwise 0. */
bool queue_next(struct index *index, uint32_t slot, enum explain_code *why, int64_t *until_us, uint32_t *out_group);
bool queue_may_start(struct index *index, uint32_t slot, enum explain_code *why, int64_t *until_us);
uint32_t group_limit(const struct index *index, const struct group *group); /* 0: none */
struct rate group_rate(const struct queue *queue, const struct group *group);
/* What holds the group back; READY when nothing does (its queue aside). */
enum explain_code group_blocker(struct index *index, const struct group *group, int64_t *until_us);
MUST_USE enum err group_start(struct index *index, uint32_t slot); /* records a start in the windows; E_NOMEM */
MUST_USE enum err queue_start(struct index *index, uint32_t slot);
MUST_USE enum err group_use_lane(struct index *index, uint32_t slot, uint32_t lane);
void group_back_to_lane(struct index *index, uint32_t slot, uint32_t lane); /* where it was before: undoing */

/* ---- turns (turns.c) ---- */
static inline struct turn turn_of(const struct heap_entry *entry) /* what a key of the heap says */
{
	return (struct turn){ (uint64_t)(uint32_t)entry->major << 31 | (uint64_t)entry->minor >> 32, (uint32_t)entry->minor, (int32_t)(entry->major >> 32) };
}
struct heap_entry turn_join(struct index *index, uint32_t group, int32_t priority); /* the key with which it comes into its lane's heap */
void turn_move(const struct index *index, struct group *group, uint32_t lane);       /* it leaves its lane for this one */
struct turn lane_turn(const struct index *index, const struct lane *lane);           /* of its first group, as the queue counts; it has one */
bool turn_is_before(const struct turn *a, const struct turn *b);
bool turn_is_open(struct index *index, uint32_t group); /* it may start a job now, its queue aside */
/* The job that has waited so long that it goes before all others; SLOT_NONE: none that may start. The queue may start something. */
uint32_t turns_risen(struct index *index, uint32_t queue);
bool turns_outwait(const struct index *index, uint32_t risen, uint32_t job); /* has it waited so much longer than this one? */
/* Whose turn it is among the groups with `min` waiting jobs, or whose oldest has waited so long. False: *open_us, when one will have, or 0. */
bool turns_batch(struct index *index, uint32_t queue, uint32_t min, int64_t wait_us, int64_t *open_us, uint32_t *out_group);

/* ---- lanes (lane.c) ---- */
static inline struct lane *lane_at(const struct index *index, uint32_t slot) { return pool_at(&index->lanes, slot); }
/* The queue's lane of these limits, made when there is none; the first one made is the queue's own. */
MUST_USE enum err lane_open(struct index *index, uint32_t queue, const uint32_t *limits, uint32_t count, uint32_t *out_slot);
void lanes_destroy(struct index *index, uint32_t queue); /* all of the queue */
void lane_use_limits(struct index *index, uint32_t slot, const uint32_t *limits, uint32_t count);
enum explain_code lane_blocker(struct index *index, const struct lane *lane, int64_t *until_us, uint32_t *out_limit);
/* Which of the queue's groups goes first, among those that may go: the others' lanes join the lines of the limits that stop them. */
bool lanes_first(struct index *index, const struct queue *queue, enum explain_code *why, int64_t *until_us, uint32_t *out_group);
MUST_USE enum err lane_start(struct index *index, uint32_t slot); /* a job of it starts: recorded in the windows of its limits; E_NOMEM */
uint32_t lanes_ready(struct index *index, const struct queue *queue, bool open_only); /* groups in turns */
/* Settings as kept have no names: puts those of the group's own lane there, if it has limits of its own. */
void lane_names(const struct index *index, const struct group *group, struct group_settings *settings, struct limit_names *names);
void lane_leave(struct index *index, uint32_t slot); /* the line that it stands in */

/* ---- limits (limit.c) ---- */
static inline struct limit *limit_at(const struct index *index, uint32_t slot) { return pool_at(&index->limits, slot); }
static inline struct permit *permit_at(const struct index *index, uint32_t slot) { return pool_at(&index->permits, slot); }
uint32_t limit_find(const struct index *index, struct queue_name name); /* slot, also of one that is gone; SLOT_NONE */
/* Names in settings become slots. At a restart one that has no row is a limit without bounds; whoever sets anything is refused it. */
MUST_USE enum err limits_resolve(struct index *index, struct str namespace_name, const struct limit_names *names, uint32_t *out_slots);
MUST_USE enum err limits_check(struct index *index, struct str namespace_name, const struct queue_settings *settings, struct problem *problem);
uint32_t limit_find_number(const struct index *index, uint32_t number);
MUST_USE enum err limit_create(struct index *index, struct queue_name name, uint32_t number, uint32_t *out_slot);
void limit_destroy(struct index *index, uint32_t slot);
/* May so many units start now? READY, or what stops them. */
enum explain_code limit_blocker(struct index *index, const struct limit *limit, uint32_t units, int64_t *until_us);
MUST_USE enum err limit_start(struct index *index, uint32_t slot, uint32_t units); /* recorded in its window; E_NOMEM */
void limit_refresh(struct index *index, uint32_t slot); /* its line hears of room; otherwise when time will make some */
void limits_count(struct index *index, const struct lease *lease, int sign); /* a job under them starts, ends */
void limits_sweep(struct index *index); /* frees lanes and limits that nobody may come back to */
uint32_t permit_find(const struct index *index, uint32_t limit, uint64_t token);
MUST_USE enum err permit_create(struct index *index, uint32_t limit, uint64_t token, uint32_t *out_slot); /* without units */
void permit_set(struct index *index, uint32_t slot, uint32_t units, int64_t deadline_us); /* and counts them */
void permit_destroy(struct index *index, uint32_t slot); /* without units */

/* ---- endpoints, formats, sources, secrets, event types (named.c) ---- */
static inline struct named *named_at(const struct index *index, uint32_t slot) { return pool_at(&index->nameds, slot); }
#define ENDPOINT_QUEUE STR("webhooks") /* of each namespace: deliveries are its jobs */
enum named_reason { NAMED_NO_REASON, NAMED_BY_HAND, NAMED_GONE, NAMED_FAILING, NAMED_UNREADABLE, NAMED_REASON_COUNT };
struct str named_reason_text(const struct named *named);
struct str named_namespace(struct str namespace_name); /* empty: "default" */
uint32_t named_find(const struct index *index, enum named_kind kind, struct queue_name name); /* slot, or SLOT_NONE */
uint32_t named_find_number(const struct index *index, uint32_t number);
/* Whose deliveries the jobs of the group are; NULL: nobody's. */
static inline const struct named *group_endpoint(const struct index *index, const struct group *group)
{
	return group->endpoint == SLOT_NONE ? NULL : named_at(index, group->endpoint);
}
/* Its settings, if they could be read; NULL: none. */
static inline const struct endpoint_settings *group_endpoint_settings(const struct index *index, const struct group *group)
{
	const struct named *named = group_endpoint(index, group);
	return named && named->endpoint ? &named->endpoint->value : NULL;
}
MUST_USE enum err endpoint_new(struct str text, struct endpoint **out, struct problem *problem); /* one holder */
void endpoint_drop(struct endpoint *endpoint); /* NULL is fine */
MUST_USE enum err kept_source_new(struct str text, struct kept_source **out); /* one holder; E_NOMEM */
void kept_source_drop(struct kept_source *source); /* NULL is fine */
MUST_USE enum err named_restore(struct index *index, const struct named_row *row, uint32_t *out_slot);
void named_use(struct named *named, struct shared_text *text, struct endpoint *endpoint, struct kept_source *source); /* takes the holds */
void named_settle(struct index *index, uint32_t slot); /* leaves memory, if it is gone for good */
void nameds_fini(struct index *index);
uint32_t endpoints_from(const struct index *index, uint32_t number); /* place of the first with this number or a higher one */

/* ---- endpoints that may not answer (doubt.c) ---- */
/* May it not start a call now, though nothing else is in its way? */
static inline bool doubt_holds(const struct index *index, const struct group *group)
{
	return index->doubtful_calls >= index->doubtful_max && group->doubtful;
}
bool doubt_is_due(const struct index *index, const struct group *group); /* by its endpoint's health */
void doubt_refresh(struct index *index, struct group *group); /* counts its calls where they belong now */
void doubt_join(struct index *index, uint32_t slot); /* the line, as the last one; it stands nowhere */
void doubt_leave(struct index *index, const struct group *group); /* it stands in the line */
void doubt_wake(struct index *index, uint64_t free); /* as many as there is room for; `free` calls may start at all */

/* ---- several messages in one call (ride.c) ---- */
uint32_t ride_size(const struct index *index, const struct group *group); /* messages of its next call, at most */
/* Engine time before which its call waits for more messages; 0: it does not. */
int64_t ride_gathers_us(const struct index *index, const struct group *group);

/* ---- messages on their way to endpoints (expansion.c) ---- */
static inline struct expansion *expansion_at(const struct index *index, uint32_t slot) { return pool_at(&index->expansions, slot); }
MUST_USE enum err expansion_create(struct index *index, const struct message_row *row, uint32_t *out_slot); /* the last one */
void expansion_settle(struct index *index, uint32_t slot); /* leaves memory, if it is done for good */

/* ---- windows of rates (window.c) ---- */
/* When may so many start: now_us when at once. INT64_MAX: never. */
int64_t window_next_us(struct index *index, const struct rate *rate, struct rate_window *window, uint32_t *shape, uint32_t units);
MUST_USE enum err window_start(struct index *index, const struct rate *rate, struct rate_window *window, uint32_t *shape, uint32_t units);
bool window_fits(const struct rate *rate, uint32_t shape);

/* ---- rates of queues that keep BullMQ's rules (limiter.c) ---- */
#define LIMITER_NONE (-2) /* no window, no penalty */
void limiter_hear(struct queue *queue, const struct rate *said); /* by whoever claims now; of other queues nothing is heard */
struct rate limiter_rate(const struct queue *queue);             /* max 0: nobody knows one */
enum explain_code limiter_blocker(const struct index *index, struct queue *queue, int64_t *until_us);
void limiter_start(const struct index *index, struct queue *queue);
void limiter_open(struct queue *queue); /* what has started is forgotten */
/* So long nothing starts if `max` may in a window; 0: something may. max 0: so long its window lasts, or a penalty; or LIMITER_NONE. */
int64_t limiter_ttl_ms(const struct index *index, const struct queue *queue, uint32_t max);

const struct retry_policy *job_policy(const struct index *index, const struct job *job);
uint32_t job_max_attempts(const struct index *index, const struct job *job);

/* ---- small tables (intern.c) ---- */
MUST_USE enum err policy_intern(struct index *index, const struct retry_policy *policy, uint32_t *out_number, bool *out_new);
MUST_USE enum err policy_restore(struct index *index, uint32_t number, const struct retry_policy *policy);
MUST_USE enum err name_hold(struct index *index, struct str text, uint32_t *out_slot);
void name_keep(struct index *index, uint32_t slot); /* one holder more of a name that is held */
void name_drop(struct index *index, uint32_t slot);
struct str name_text(const struct index *index, uint32_t slot);
MUST_USE enum err key_add(struct index *index, uint32_t queue, struct str id, uint64_t uid, uint32_t *out_slot);
void key_remove(struct index *index, uint32_t slot);
const struct key *key_find(const struct index *index, uint32_t queue, struct str id); /* of a job that is not deleted; NULL: none */
uint32_t operation_find(const struct index *index, uint64_t number);
MUST_USE enum err operation_add(struct index *index, const struct operation_row *row, uint32_t *out_slot); /* copies the strings */
void operation_remove(struct index *index, uint32_t slot);
const struct priority_entry *priority_find(const struct index *index, uint32_t queue, int32_t priority); /* NULL: no job had it yet */
struct priority_entry *priority_open(struct index *index, uint32_t queue, int32_t priority); /* NULL: no memory */

/* ---- what happened lately (flow.c) ---- */
void flow_count(struct queue_flow *flow, int64_t now_us, enum event_type type);
void flow_wait(struct queue_flow *flow, int64_t now_us, int64_t wait_us);
void flow_run(struct queue_flow *flow, int64_t now_us, int64_t run_us);
void flow_report(const struct queue_flow *flow, int64_t now_us, struct queue_info *out);
void flow_fini(struct queue_flow *flow);
