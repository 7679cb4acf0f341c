/* sim/shadow.h: what the rules of design.md §6 say, kept apart from the engine: every committed change-set is applied here too, and each
 * change is judged by rows and events alone. A broken rule is a failed CHECK whose comment names it.
 *
 *   shadow.c    rows: rules 1, 2, 7, 8 and the counts
 *   budgets.c   rows: rule 7 of limits that are shared
 *   history.c   events, in their order: rules 2, 3, 4, 8
 *   turns.c     events and rows: shares by weight, batches, jobs that rise
 *   told.c      what clients were told: rules 1, 2, 9
 *   resets.c    rows: queues that are made as new
 *   shadow_hooks.c  rows: messages and their deliveries
 *   shadow_order.c  rows: deliveries about one entity, where their order counts
 *   watch.c     what ought to have happened by now: rule 5
 *
 * Rule 6 is about chains so far (shadow.c). Rule 10 is that all of this holds while clocks jump and machines sleep. */
#pragma once
#include "base/map.h"
#include "base/pool.h"
#include "rules/endpoint.h"
#include "rules/settings.h"
#include "engine/command.h"
#include "store/changeset.h"

struct mem_disk;
struct engine;

#define SIM_COMPAT_QUEUE "bull" /* keeps BullMQ's rules */
#define SIM_BLANK_QUEUE "blank" /* is made as new again and again: sim/resets.c */
#define SIM_DRIFT_QUEUE "drift" /* keeps those rules too, by clocks of its own: sim/clocks.c */
#define SIM_KEEP         20     /* what each end there says is to be kept */
#define SIM_RATE_MAX     4      /* what all workers there know of its rate: so many start in a window */
#define SIM_RATE_MS      200
#define SIM_BATCH_MAX    4      /* messages of one call, where third parties take several */
#define SIM_STALLS       1      /* beyond so many a job is to fail, as each sweep there says */

struct shadow_job {
	uint32_t reserved;
	struct job_row row;
	char group[16], id[48];
	uint32_t home;            /* the queue that it was enqueued into: its id is unique there */
	bool exists, deleted;
	bool deferred;            /* it has failed, and the next claim tells so */
	bool of_chain;            /* a chain made it */
	uint32_t n;               /* of its message's payload */
	/* history, as events tell it */
	uint32_t may_be;          /* bits of states; several while it is not known whether it waits or is delayed */
	uint32_t started;         /* ever */
	uint32_t made, stalls;    /* since it was retried by hand */
	uint64_t moved_seq, retried_seq, rescheduled_seq, reprioritised_seq, deleted_seq, ended_seq; /* the last change-set that said so */
	uint64_t placed_seq, ranked_seq;
	enum event_type last;     /* what happened last, and in which change-set */
	uint64_t last_seq;
	uint32_t limits;          /* bits of the budgets under which it runs */
	bool unsure;              /* which those are is not known */
	bool cancel;              /* it was asked to stop */
	uint64_t past_seq;        /* it came in that change-set, perhaps with a past */
	uint64_t tries_seq;       /* attempts that ended without success, in that change-set */
	uint32_t tries;
	uint64_t completed_fence; /* the newest lease under which it was completed */
	/* what clients know */
	uint64_t told_fence;      /* of the last completion that was acknowledged */
	uint64_t granted_fence, granted_life;
	int64_t renewed_us;       /* engine time, at least: the last heartbeat that was acknowledged */
	/* rule 5 */
	int64_t ripe_us;          /* virtual time since when it could run; 0: it cannot */
	int64_t final_us;         /* virtual time of its end */
};

struct shadow_rate { /* the last `max` starts */
	uint32_t max, next, count;
	int64_t per_us;
	int64_t starts_us[64];
};

struct shadow_budget {
	uint32_t number;
	char name[16];
	bool gone;
	uint64_t changed_seq;
	uint32_t concurrency, allowance, active, held;
	int64_t blocked_us;
	int64_t unsure_us; /* virtual time of the last start of which it is not known whether it took from it */
	struct shadow_rate rate;
};

struct shadow_permit {
	uint32_t budget;
	uint64_t token;
	uint32_t units; /* 0: none */
};

struct shadow_queue {
	uint32_t number;
	char name[32];
	bool dropped, paused, http, compat;
	bool apart;              /* no worker of sim/workers.c claims there: sim/resets.c, sim/clocks.c */
	uint64_t last_id;        /* of those that it counts */
	uint64_t changed_seq;    /* of its settings or its pause */
	uint32_t concurrency, allowance, group_concurrency;
	struct retention keep_completed, keep_failed;
	struct shadow_rate rate;
	uint32_t limits;         /* bits of budgets */
	int64_t blocked_us, rise_us;
	struct rate group_rate;
	uint32_t active;
	uint64_t final[JOB_STATE_COUNT], final_bytes[JOB_STATE_COUNT];
	struct queue_counts events;  /* of the change-set being judged: enqueued, started, ended */
	uint64_t final_before[JOB_STATE_COUNT], bytes_before[JOB_STATE_COUNT];
	uint64_t left[JOB_STATE_COUNT]; /* final jobs that were retried or deleted in it */
};

struct shadow_group {
	uint32_t queue;
	char key[16];
	bool paused, has_concurrency;
	uint64_t changed_seq;
	uint32_t concurrency, allowance, active;
	bool has_limits;
	uint32_t limits;         /* bits of budgets */
	int64_t blocked_us;
	struct shadow_rate rate;
	uint32_t weight;         /* 0: not said */
	uint32_t led, rode;      /* calls started in the change-set being judged, and those that ride in them */
	bool ended;              /* a call of it, ever */
	uint32_t waiting, odd;   /* jobs; odd: with a priority, of those */
	uint32_t waiting_before; /* at the commit before; 0 when some were odd */
};

struct shadow_chain {
	uint32_t queue;
	char key[16];
	bool live, told;         /* told: under another queue's rules (chains.c) */
	uint64_t changed_seq;
	uint64_t pending, count;
	int64_t slot_ms;
};

struct shadow_dedup {
	uint32_t queue;
	char key[16];
	uint64_t owner, next;
	int64_t until_us;
	bool live, latest, held;
};

struct shadow_started {
	uint32_t queue;
	const struct shadow_job *job;
	int64_t at_us;
	bool deferred;
};

#define SHARE_GROUPS    4 /* "g0" … of one queue: sim/turns.c */
#define SHARE_BATCH_MAX 5 /* the largest batch that anybody asks for */
struct shadow_turn { /* what an event of the queues of sim/turns.c said */
	uint32_t queue;
	const struct shadow_job *job;
	enum event_type type;
	int64_t since_us; /* it had waited since then, before this change-set; 0: it had not */
};

#define SIM_ENDPOINTS   8 /* "h0" … */
#define SIM_ENTITIES    4 /* "e0" … */
#define SHADOW_MESSAGES 16384
#define SHADOW_METAS    1024
enum { HOOK_A, HOOK_B, HOOK_FAILING, HOOK_DISABLED, HOOK_RECOVERED, HOOK_EXHAUSTED, HOOK_TYPES };
#define SIM_DELIVERIES 6 /* calls at once */
#define SIM_TYPES      3 /* of the catalogue: "a", "b", "c" */
struct shadow_type {
	bool there, open, gone;   /* open: there, and not archived. gone: by the change-set of seq */
	uint32_t number;
	uint64_t seq;             /* changed then */
};
struct shadow_endpoint {
	bool live, push, may_miss;
	uint32_t wants;           /* bits of types: a, b, then those of messages about endpoints */
	uint32_t names;           /* bits of the catalogue's types that it names as they are, and since when */
	uint64_t names_since[SIM_TYPES];
	uint32_t number, least;   /* least: of the payload's n */
	uint64_t text, changed_seq; /* hash of its settings; when they became these */
	uint64_t unsent, unsent_uid, unsent_seq; /* as its row tells; the first of them, also after that; the last change-set that told of some */
	enum endpoint_order order;
	bool holds;
	uint64_t done[SIM_ENTITIES]; /* the newest delivery about it that succeeded */
	struct { uint64_t uid, seq; } failed[SIM_ENTITIES]; /* the newest that failed, and when; under `fifo` that holds */
	uint64_t opens, opens_before; /* of its breaker, as its row says; before the change-set that is being judged */
	uint64_t touched_seq;     /* changed by hand, or its state */
	uint64_t written_seq;     /* its row */
	int64_t held_us;          /* its group's penalty, as of the change-set before */
	int64_t asked_us, row_asked_us; /* that others than its breaker asked for: as far as can be seen; as its row says */
	uint64_t warned, told;
	uint32_t state;
	bool by_hand;             /* its state */
	bool tried;               /* something may be known of it */
	uint64_t created_seq;
};
struct shadow_message {
	uint64_t uid, seq, changed_seq;
	uint32_t n, made, count, said; /* made: bits of endpoints */
	uint32_t told;            /* to those that ask: bits of endpoints (polls.c) */
	uint32_t entity;          /* 1 + its number; 0: about none */
	uint32_t next_endpoint;
	uint32_t type;            /* bit of it */
	bool expanded;
	uint32_t again;           /* bits of endpoints: resent, or replayed, beside what its expansion made */
	uint64_t jobs[SIM_ENDPOINTS]; /* the newest delivery to each */
};

struct shadow_delivery { /* about an entity, where the order counts, and not done */
	uint64_t uid, fence;
	uint32_t number, place, entity; /* of the endpoint; its place; as of messages */
	bool latest;                    /* or fifo */
	bool stands;                    /* in line, since it came or took another's place */
	int64_t rank;                   /* there */
};

struct shadow_promise { /* an idempotency key that was acknowledged */
	char key[24];
	uint64_t request_hash, uid;
};

struct shadow {
	struct pool jobs;
	struct map by_uid;
	struct shadow_queue queues[64];
	uint32_t queue_count;
	struct shadow_group groups[256];
	uint32_t group_count;
	struct shadow_dedup dedups[2048];
	uint32_t dedup_count;
	struct shadow_chain chains[64];
	uint32_t chain_count;
	struct shadow_started starts[4096]; /* of the change-set being judged */
	uint32_t start_count;
	struct shadow_budget budgets[32];
	uint32_t budget_count;
	uint32_t unsure;          /* jobs that run under limits nobody knows */
	struct shadow_permit permits[64];
	struct shadow_promise promises[128];
	uint32_t promise_count;
	struct shadow_endpoint endpoints[SIM_ENDPOINTS];
	struct shadow_type types[SIM_TYPES];
	bool types_listed;      /* only those of the catalogue are taken */
	struct shadow_message messages[SHADOW_MESSAGES];
	uint32_t message_count;
	struct shadow_delivery deliveries[4096];
	uint32_t delivery_count;
	uint64_t seq;
	uint64_t life;          /* how often an engine took the shard */
	int64_t engine_us;      /* of the last commit */
	int64_t committed_us;   /* virtual time of the last commit */
	int64_t delivery_us;    /* virtual time of the last delivery's start */
	int64_t terms_us;       /* engine time, at least, at which the present engine gave every lease a full term */
	struct shadow_turn turns[8192]; /* of the change-set being judged */
	uint32_t turn_count;
	uint32_t shares[SHARE_GROUPS][SHARE_GROUPS]; /* starts of the first, since both always had something to start */
	uint64_t share_life;
	uint64_t batched, risen, proportions; /* likewise how often */
	uint32_t changes[HOOK_TYPES]; /* of endpoints, that a message of this type tells of, in the change-set that is being judged; messages that came in it */
	uint32_t metas[HOOK_TYPES];
	uint64_t meta_jobs[SHADOW_METAS]; /* deliveries of such messages; the last ones */
	uint32_t meta_count;
	uint64_t opened, probed, disabled, about, resent, rode, halved, catalogued, outlived;
	uint64_t renewals, stalls, retained, replays, duplicates, ripe, shared, held, deferrals; /* how often what is checked occurred */
	uint64_t resets;        /* of queues; likewise */
	uint64_t clocked;       /* claims that found what was due by a clock of their own; likewise */
	int64_t clock_us;       /* the latest that any clock has said: ours, or one of sim/clocks.c */
	int64_t ahead_us;       /* as far as a clock of theirs was ever ahead of ours, which may have jumped since */
	uint64_t hooked, sliced, superseded, in_place, followed, holding, polled; /* likewise, of messages and their deliveries */
};

void shadow_init(struct shadow *shadow);
void shadow_fini(struct shadow *shadow);
void shadow_commit(struct shadow *shadow, const struct changeset *cs, int64_t now_us);
struct shadow_job *shadow_find(struct shadow *shadow, uint64_t uid); /* NULL: never seen */
struct shadow_job *shadow_open(struct shadow *shadow, uint64_t uid); /* made if never seen */
struct shadow_queue *shadow_queue(struct shadow *shadow, uint32_t number);
struct shadow_group *shadow_group(struct shadow *shadow, uint32_t queue, struct str key);
uint32_t shadow_group_limit(const struct shadow_queue *queue, const struct shadow_group *group); /* 0: none */
int64_t shadow_rate_open_us(const struct shadow_rate *rate); /* engine time from which one more may start */
/* Memory and disk, against the rows that were committed. */
/* As engine_dump writes it; far jobs of which has_left says that memory let go of them are not in it. */
void shadow_dump(struct shadow *shadow, struct mem_disk *disk, const struct engine *engine, bool (*has_left)(const struct engine *, uint64_t uid),
                 struct buf *out);
void shadow_compare_disk(struct shadow *shadow, struct mem_disk *disk, bool at_rest);
void shadow_at_rest(struct shadow *shadow);                                 /* nothing live is left, nothing is kept beyond retention */
void shadow_hash(struct shadow *shadow, uint64_t *hash);

void shadow_start(struct shadow_rate *rate, int64_t at_us);
void shadow_limit(uint32_t limit, uint32_t active, uint32_t *allowance);

/* budgets.c */
void budgets_read(struct shadow *shadow, const struct changeset *cs); /* before queues and groups */
uint32_t budgets_named(struct shadow *shadow, const struct limit_names *names);
void budgets_choose(struct shadow *shadow, struct shadow_job *job);
void budgets_count(struct shadow *shadow, const struct shadow_job *job, int sign); /* it is active, or no more */
void budgets_start(struct shadow *shadow, const struct shadow_job *job, int64_t at_us);
void budgets_judge(struct shadow *shadow);
void chains_judge(struct shadow *shadow, const struct shadow_chain *before, const struct chain_row *row); /* under another queue's rules */
void budgets_restart(struct shadow *shadow); /* an engine has read everything anew */
bool budgets_have_room(struct shadow *shadow, const struct shadow_job *job, int64_t engine_us);
void budgets_dump(struct mem_disk *disk, struct buf *out);

/* history.c: before the rows of the same change-set, and after them */
void history_read(struct shadow *shadow, const struct changeset *cs);
void history_past(struct shadow_job *job, const struct job_row *row, uint64_t seq); /* a new one of a compat queue */
void history_agree(struct shadow_job *job, const struct job_row *row, bool compat);

/* turns.c: each event, in order, before the rows; when they are there; a claim for a batch that was answered */
void turns_read(struct shadow *shadow, uint32_t queue, const struct shadow_job *job, enum event_type type);
void turns_judge(struct shadow *shadow);
void told_batch(struct shadow *shadow, const struct op *op);

/* resets.c: when the rows are there */
void resets_judge(struct shadow *shadow, const struct changeset *cs);

/* shadow_hooks.c */
void hooks_read(struct shadow *shadow, const struct changeset *cs);
uint32_t types_named(const struct endpoint_settings *settings); /* types.c: bits of those that it names as they are */
void types_read(struct shadow *shadow, const struct named_row *row);
void types_judge(struct shadow *shadow, const struct changeset *cs);
void hooks_health(struct shadow *shadow); /* when the rows of jobs are there */
bool hooks_is_meta(const struct shadow *shadow, uint64_t uid); /* a delivery of a message about endpoints */
bool hooks_owns(const struct shadow *shadow, const struct shadow_job *job); /* it is a delivery to an endpoint that is there */
void hooks_at_rest(const struct shadow *shadow);
void hooks_dump(struct mem_disk *disk, uint32_t numbers, struct buf *out); /* of endpoints up to this number */

/* shadow_order.c: when the rows are there */
void order_read(struct shadow *shadow, const struct changeset *cs);

/* told.c */
void told_reply(struct shadow *shadow, const struct request *request);     /* any answer */
void told_enqueued(struct shadow *shadow, const struct request *request);  /* of enqueues only */
void told_completed(struct shadow *shadow, uint64_t uid, uint64_t fence);  /* a completion was accepted */
void told_left(struct shadow *shadow, uint64_t uid, uint64_t fence);       /* a failure, release or snooze was accepted */
void told_aborted(struct shadow *shadow, uint64_t uid, uint64_t fence);    /* a delivery is to stop */
void told_stale(struct shadow *shadow, uint64_t uid, uint64_t fence);      /* refused as stale: it must not hold the lease */
void told_granted(struct shadow *shadow, uint64_t uid, uint64_t fence, bool deferred); /* a claim was answered, or a delivery left */
void told_renewed(struct shadow *shadow, uint64_t uid, uint64_t fence, int64_t asked_us); /* asked_us: engine time, at least */
void told_changed(struct shadow *shadow, uint64_t uid, uint64_t seq);      /* by hand, in that commit or before */
