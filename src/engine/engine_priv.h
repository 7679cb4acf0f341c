/* src/engine/engine_priv.h: the engine's own parts. Files of this room include it, nobody else.
 *
 * One step:  settle outcomes → clock → far jobs → timers → stage large bodies → plan, load, apply requests → serve waiters and deliveries →
 *            close and submit. engine.c has the step, each other file one of its parts. */
#pragma once
#include "engine/batch.h"
#include "engine/engine.h"

enum parked_kind { PARKED_CLAIM, PARKED_WAIT };
struct parked { /* a request that waits for work or for a job's end */
	uint32_t heap_position;
	uint32_t before, after;     /* in order of arrival */
	enum parked_kind kind;
	struct request *request;
	uint64_t uid;               /* WAIT */
	struct parked_link *links;  /* CLAIM: one a queue, in the request's arena */
	uint32_t link_count;
};

struct request_state { /* in the request's arena */
	bool replayed_once;     /* applied anew after a refused commit */
	bool staged;            /* its large bodies are in the store, not yet referenced */
	uint32_t stage_op, stage_index; /* how far */
	uint32_t deferrals;     /* how often it was put off for what keep.c has to do */
};

struct request_list {
	struct request *first, *last;
	uint64_t count, bytes;
};

/* How much more may be done for messages: by one request, or in one slice. */
#define EXPAND_INLINE       256      /* deliveries that a request makes at once */
#define EXPAND_INLINE_BYTES 262144   /* of payloads that its filters look at */
#define EXPAND_SLICE        500      /* deliveries */
#define EXPAND_ENDPOINTS    20000    /* looked at */
struct expand_room {
	uint32_t deliveries, endpoints;
	size_t bytes;
	uint32_t looks;      /* for the type that was meant (event_type.c) */
};

struct loaded {
	uint32_t slot;
	const struct job_row *row; /* in the scratch arena */
};

#define GAPS_MAX 8
struct gap { /* no key between both is in the store */
	char *bytes;            /* both keys */
	struct str below, above; /* below empty, above.ptr NULL: there is none */
};
struct gaps {
	struct gap items[GAPS_MAX];
	uint32_t count, next;
	uint64_t *used;         /* hashes of keys that were used since the first of the gaps was read; 0: free */
	uint32_t used_count;
	uint32_t barren;        /* gaps learned for nothing, lately */
	uint32_t looks;
};

struct engine {
	struct engine_config config;
	struct store *store;
	struct index index;
	struct batch *open;
	struct batch *first_flying, *last_flying;
	uint32_t flying;
	struct request_list pending, staging, deferred, replies;
	struct effect *first_effect, *last_effect;
	struct pool parked;
	struct heap parked_by_deadline;
	struct map parked_by_number, parked_by_uid;
	uint32_t parked_waits, first_parked, last_parked;
	struct loaded *loaded;      /* final and far jobs in memory for this step only */
	uint32_t loaded_count, loaded_capacity;
	uint64_t *lost_bodies;      /* staged, and not wanted any more: dropped by a next batch */
	uint32_t lost_count, lost_capacity;
	const struct request *applying; /* parents that it makes are woken at its end */
	struct expand_room room;    /* what it may still do for its messages at once */
	int64_t expand_pause_us;    /* engine time before which no slice is tried: one failed */
	struct end *first_end, *last_end; /* children that ended, while it is worked off what that means */
	bool ending;
	const struct edge_row *above; /* of children that are to be retried, as plan found them; of this step */
	uint32_t above_count;
	const struct message_row *messages; /* that requests of this step name, as plan found them; uid 0: not there */
	uint32_t message_count;
	const struct owner *owners; /* of keys under which they would be sent once more; likewise */
	uint32_t owner_count;
	const struct edge_row *below; /* of jobs that are to be changed with all below them, by parent; likewise */
	uint32_t below_count;
	bool family_stale;          /* retention removed jobs, or there was a restart: those that are waited for may be gone */
	bool family_again;          /* somebody was about to leave memory when he was looked for: once more from the start, when this look has ended */
	uint32_t family_looked, dedups_looked; /* edges and keys looked at since */
	bool line_held, line_seen;  /* a failure may hold those behind it: it did, or there was a restart; one was seen since looking began */
	struct arena scratch;       /* of a step */
	struct problem *recover_problem; /* of the scan under way; or NULL */
	enum err health;
	enum err failing;           /* a commit failed; `failed` of those in flight have told so */
	uint32_t failed;
	bool quiesced, started;
	int64_t boot_us, engine_base_us, boot_base_us;
	enum err full;              /* why nothing is added before full_until_us: no room on disk, or no memory */
	int64_t full_until_us;      /* engine time; 0: there is room */
	bool short_of_room;         /* since the disk was full no change-set that makes jobs was committed: what else there is goes ahead of them */
	int64_t reopen_us;          /* boot time of the next try to reopen */
	int64_t maintain_us;        /* engine time of the next maintenance */
	int64_t far_pause_us;       /* engine time before which no far jobs are looked for: a look failed */
	int64_t trim_us;
	uint64_t trimmed_seq;       /* event rows up to here are gone or going */
	struct { int64_t at_us; uint64_t seq; } samples[64]; /* one a minute or slower: which commit was when */
	uint32_t sample_count;
	uint32_t retain_queue;      /* where retention goes on */
	uint64_t messages_looked;   /* messages up to here were looked at in this round; those that jobs named stayed */
	int64_t messages_us;        /* engine time of the next round */
	uint32_t orphans_from;      /* numbers below were looked at: endpoints that are gone have left no entities */
	uint64_t next_seq, term, next_body, last_uid;
	struct gaps gaps;           /* among the Idempotency-Keys of the store */
	uint64_t resumed_seq;       /* the change-set of recover_resume; 0: to be made, also again, when it was refused */
	bool handing_back;          /* there may be calls of the process that is gone: no new ones begin */
	uint64_t handed_seq;        /* the last change-set in which some of those were handed back; 0: none */
	struct called { int64_t rank; uint64_t uid; } *called; /* those, the last one in line first; NULL: to be looked for */
	uint32_t called_count, called_next;
	struct engine_stats stats;
};

/* ---- lists of requests ---- */
void request_list_add(struct request_list *list, struct request *request);
struct request *request_list_take(struct request_list *list); /* the first, or NULL */
struct request_state *request_state_open(struct request *request); /* NULL: no memory */
void engine_answer_now(struct engine *engine, struct request *request, enum err err); /* without a batch: refused whole */

/* ---- plan.c ---- */
/* Names and loads what the requests need, so that every job they speak of is in memory, or is known not to be. Resolves (queue, id) into
 * op->result.uid. */
MUST_USE enum err plan_load(struct engine *engine, struct request *first, uint32_t count);
void plan_forget(struct engine *engine); /* loaded jobs that nobody changed leave memory */
/* Who has this id now: a job whose change-set is in flight, or `loaded`, which plan found in the store. */
uint64_t plan_uid_of(const struct engine *engine, struct queue_name queue, struct str id, uint64_t loaded);
uint32_t plan_job(struct engine *engine, uint64_t uid); /* slot of a job that exists, or SLOT_NONE */
/* The row of a final job as it is, or is about to be, on disk: what struct job has not. NULL: it ended in the open batch. */
const struct job_row *plan_final_row(const struct engine *engine, const struct job *job);

/* ---- apply.c ---- */
enum applied { APPLIED, APPLIED_PARKED, APPLIED_DEFERRED };
enum applied apply_request(struct engine *engine, struct request *request);
enum applied apply_refuse(struct engine *engine, struct request *request, enum err err); /* whole, before it is begun */
/* A handler changes the open batch or refuses; what it did before refusing is undone by its caller. *park: the request waits. */
typedef enum err op_handler(struct engine *engine, struct request *request, struct op *op, bool *park);
op_handler op_enqueue_apply, op_claim_apply, op_lease_apply, op_job_apply, op_wait_apply, op_explain_apply, op_queue_apply, op_queues_apply,
	op_groups_apply, op_back_off_apply, op_limit_apply, op_operation_apply, op_slice_apply, op_token_apply, op_dedup_apply, op_event_apply, op_sweep_apply,
	op_reset_apply,
	op_chain_apply, op_chains_apply, op_barrier_apply, op_withdraw_apply, op_named_apply, op_nameds_apply, op_message_apply,
	op_expunge_apply, op_resend_apply, op_entity_apply;
enum err refuse(struct request *request, struct op *op, enum err err, const char *field, const char *detail, ...) PRINTF_LIKE(5, 6);

/* ---- job_life.c: what can happen to a job, each with its event; used by handlers and timers alike ---- */
struct ending {
	enum job_outcome outcome;
	struct str result;        /* JSON */
	uint64_t result_body;
	uint64_t result_bytes;
	struct str error;         /* JSON */
	struct str details;       /* of the event; empty: none */
	const struct keep *keep;  /* NULL: as the queue is set */
};
MUST_USE enum err job_event(struct engine *engine, const struct job *job, enum event_type type, struct str details); /* says its id where that is at hand */
struct str life_details_of(struct engine *engine, const char *name, struct str json); /* {"name":json} for an event; ptr NULL: no memory */
MUST_USE enum err life_finish(struct engine *engine, uint32_t slot, enum job_state state, const struct ending *ending);
MUST_USE enum err life_wait(struct engine *engine, uint32_t slot, bool head, enum event_type event, struct str details);
MUST_USE enum err life_delay(struct engine *engine, uint32_t slot, int64_t due_us, bool wall, enum event_type event, struct str details);
/* What a failed attempt leads to, by verdict, policy and limit. */
struct failure {
	enum verdict verdict;
	int64_t delay_us;
	bool costs_nothing;
	struct str error, exchange;
	uint32_t dice;
	const struct keep *keep;
};
void life_set_due(struct index *index, struct job *job, int64_t due_us); /* engine time; between its job_touch and job_place */
MUST_USE enum err life_fail(struct engine *engine, uint32_t slot, const struct failure *failure);
MUST_USE enum err life_stall(struct engine *engine, uint32_t slot, uint32_t max_stalls); /* its lease ran out */
MUST_USE enum err life_time_out(struct engine *engine, uint32_t slot); /* its attempt took longer than timeout_ms */
MUST_USE enum err life_expire(struct engine *engine, uint32_t slot);
/* A newer job takes its place. `failure`: of the attempt that has just ended; NULL: there was none, or it was given back. */
MUST_USE enum err life_supersede(struct engine *engine, uint32_t slot, uint64_t by, const struct failure *failure);
/* A parked successor (of order `latest` where it has stood in line since it came), or a parent that has waited for its children, begins to wait, or
 * its delay does. */
MUST_USE enum err life_unpark(struct engine *engine, uint32_t slot);
MUST_USE enum err life_follow(struct engine *engine, uint32_t slot); /* its turn has come: it waits where it has stood in line since it came */
MUST_USE enum err life_await(struct engine *engine, uint32_t slot);  /* an active one waits for its children */
MUST_USE enum err life_delete(struct engine *engine, uint32_t slot);
MUST_USE enum err life_attempt(struct engine *engine, uint32_t slot, struct str error, struct str exchange, enum job_state next, int64_t retry_us);

/* ---- dedup.c ---- */
struct dedup_meeting { /* an enqueue under a key */
	/* SUCCEEDS: it parks until the owner ends. SUPERSEDES: the owner that waited is superseded. FOLLOWS: it comes after `ahead`, and owns the key. */
	enum { DEDUP_FREE, DEDUP_IGNORED, DEDUP_REPLACES, DEDUP_SUCCEEDS, DEDUP_SUPERSEDES, DEDUP_FOLLOWS } kind;
	uint32_t slot;
	uint64_t ahead;
	int64_t since_us; /* engine time since when the key waits to be worked off */
	int64_t rank;     /* `latest`: the place in line that it takes; 0: one of its own */
};
MUST_USE enum err dedup_meet(struct engine *engine, struct op *op, uint32_t queue, struct dedup_meeting *out); /* IGNORED: op->result is whole */
MUST_USE enum err dedup_take(struct engine *engine, struct op *op, struct str id, uint32_t queue, const struct dedup_meeting *meeting,
			    uint32_t job); /* it is there now, with this id */
MUST_USE enum err dedup_ended(struct engine *engine, uint64_t uid, bool deleted); /* this job: the key is passed on, kept or freed */
MUST_USE enum err dedup_free_all(struct engine *engine, uint32_t queue); /* all keys of a queue without jobs */
int64_t dedup_since_us(const struct index *index, uint64_t uid); /* since when it, or who it took the place of, has waited; INT64_MAX: as its row says */
uint64_t dedup_newer(const struct index *index, uint64_t uid); /* the successor for which this one, no longer running, gives way; 0: none */
MUST_USE enum err dedup_pass_back(struct engine *engine, uint64_t uid, uint64_t ahead); /* a key that it owns: it left the line, behind this one */
/* Held keys whose owners are gone, or hold no more, are freed. *again: one is about to leave memory. */
MUST_USE enum err dedup_look(struct engine *engine, bool *more, bool *again);
MUST_USE enum err dedup_due(struct engine *engine, uint32_t slot); /* until_us has come */

/* ---- follow.c: jobs that go one after the other ---- */
MUST_USE enum err follow_begin(struct engine *engine, uint32_t follower, uint64_t ahead); /* slot, uid */
MUST_USE enum err follow_leave(struct engine *engine, const struct job *job); /* it has ended, or goes: who came after it comes after the one before it */

/* ---- family.c: children, and those who wait for them ---- */
MUST_USE enum err family_join(struct engine *engine, struct request *request, struct op *op, uint32_t child); /* parent.c: an enqueue's parents */
MUST_USE enum err family_release(struct engine *engine, const struct request *request); /* its parents that have nobody to wait for */
MUST_USE enum err family_ended(struct engine *engine, const struct job *job, const struct ending *ending);
MUST_USE enum err family_deleted(struct engine *engine, const struct job *job);
MUST_USE enum err family_retried(struct engine *engine, uint64_t uid, bool compat);
MUST_USE enum err family_lost(struct engine *engine, uint32_t slot); /* one that has ROW_LOST_CHILD is handed back: it fails */
MUST_USE enum err family_detach(struct engine *engine, uint64_t parent, uint64_t child, uint32_t *count); /* if it waits for it */
bool family_look(struct engine *engine); /* true: there is more to look at */
void family_look_again(struct engine *engine); /* from the start: an endpoint may hold no more */
/* The parts of it that parent.c and tree.c need: a row of the open change-set; an edge becomes something else, and is written; a flag, and its row. */
struct edge_row *family_row(struct engine *engine, uint64_t parent, uint64_t child, enum edge_state state); /* NULL: no memory */
MUST_USE enum err family_turn(struct engine *engine, uint32_t edge, uint32_t state, struct str value);
MUST_USE enum err family_flag(struct engine *engine, uint32_t job, uint32_t flag);
MUST_USE enum err family_drop_children(struct engine *engine, uint64_t parent); /* it waits for nobody any more */
/* In between, ends are only noted: parents hear of their children's when all that was to be done is done. `err` ends it without that. */
void family_hold(struct engine *engine);
MUST_USE enum err family_let_go(struct engine *engine, enum err err);

/* ---- op_job.c ---- */
/* Between job_touch and job_place: what the row of a final job says that struct job does not; it is written again as it was. */
MUST_USE enum err job_keep_row(struct engine *engine, const struct job *job);
MUST_USE enum err job_cancel(struct engine *engine, struct request *request, struct op *op, uint32_t job);
MUST_USE enum err job_retry(struct engine *engine, struct request *request, struct op *op, uint32_t job);

/* ---- tree.c: a job, and all that is below it ---- */
MUST_USE enum err tree_apply(struct engine *engine, struct request *request, struct op *op, uint64_t root);
void tree_sort_below(struct edge_row *rows, uint32_t count); /* as engine->below is to be */

/* ---- op_enqueue.c ---- */
/* Makes the job; nothing speaks against it any more. What enqueue points to must outlive the change-set. */
MUST_USE enum err enqueue_make(struct engine *engine, const struct op_enqueue *enqueue, struct str id, uint32_t queue,
			       const struct dedup_meeting *meeting, uint32_t *out_slot); /* id: empty, none */
MUST_USE enum err enqueue_check_room(const struct engine *engine);
MUST_USE enum err enqueue_check_target(struct request *request, struct op *op, struct str target, const char *field, const struct queue *queue);

/* ---- chain.c ---- */
struct chain_text {
	struct str key, schedule, job, payload, metadata;
	bool told;                /* another queue's rules: limit, end and a pattern's times are not ours to read */
};
/* Reads it; E_INVALID and the like with the field as an operation names it. One holder. */
MUST_USE enum err chain_terms_new(struct engine *engine, const struct chain_text *text, struct chain_terms **out, struct problem *problem);
/* told: by the operation, under another queue's rules: the next job's time where a pattern tells, and its metadata. */
struct chain_told { int64_t next_ms; struct str metadata; };
MUST_USE enum err chain_put(struct engine *engine, uint32_t queue, struct chain_terms *terms, const struct chain_told *told, struct problem *problem,
			    uint32_t *out_slot);
/* The next job after the newest one, which its producer has claimed. *made: false when that is another one, or the next one's id is taken. */
MUST_USE enum err chain_next(struct engine *engine, uint32_t slot, struct str producer, const struct chain_told *told, bool *made);
MUST_USE enum err chain_delete(struct engine *engine, uint32_t slot);
/* A job has been claimed, or has ended without that. Between its job_touch and job_place: it is its chain's no more; *chain is the chain, or
 * SLOT_NONE. After job_place: the chain has its next one, or ends. */
MUST_USE enum err chain_leave(struct engine *engine, uint32_t job, uint32_t *chain);
MUST_USE enum err chain_follow(struct engine *engine, uint32_t chain);
uint64_t engine_uid(struct engine *engine); /* of what the engine makes by itself; it is to become last_uid */

/* ---- chain_compat.c: chains under another queue's rules ---- */
bool chain_is_told(const struct index *index, const struct chain *chain);
/* repeat:KEY:MILLISECONDS; ptr NULL: no memory. */
struct str chain_iteration_id(struct arena *arena, const struct chain_terms *terms, int64_t slot_ms);
enum repeat_verdict chain_told_next(const struct chain *before, const struct chain_terms *terms, bool waits, int64_t told_ms, int64_t now_ms,
				    struct repeat_iteration *out);
/* The id of the first slot from *next on that no kept job has. E_ID_TAKEN, E_SLOTS_BUSY. */
MUST_USE enum err chain_free_slot(struct engine *engine, uint32_t queue, const struct chain_terms *terms, struct repeat_iteration *next,
				  struct str *out_id);
MUST_USE enum err chain_id_taken(struct engine *engine, uint32_t queue, struct str id, uint64_t *out_uid); /* 0: free */
MUST_USE enum err chain_tell_taken(struct engine *engine, uint32_t queue, struct str id, uint64_t uid); /* nothing was made: that job is there */
/* It is the newest job of a chain, and has not ended. */
bool chain_owns(const struct index *index, const struct job *job);
/* In compat queues: the chain that goes on and whose job this is by its id, "repeat:<key>:<slot>"; NULL: of none. */
const struct chain *chain_of_compat(const struct index *index, const struct job *job, int64_t *slot_ms);
/* ---- op_queue.c, op_limit.c: rows, and what other operations and timers do to queues, groups and limits ---- */
MUST_USE enum err queue_write(struct engine *engine, uint32_t slot);
MUST_USE enum err group_write(struct engine *engine, const struct group *group);
/* What a lease's holder said, or a third party's answer: whom it holds back. After the job has left its lease. */
MUST_USE enum err back_off_after(struct engine *engine, struct request *request, struct op *op, uint32_t job);
/* "group", "queue", or a limit of the group's namespace starts nothing for so long: as long as the limit is held back at most, which *delay_us
 * says then. E_LIMIT_NOT_FOUND. */
MUST_USE enum err back_off_scope(struct engine *engine, uint32_t group, struct str scope, int64_t *delay_us);
MUST_USE enum err group_hold(struct engine *engine, uint32_t group, int64_t until_us); /* until then, whatever was before; 0: nobody holds it back */
MUST_USE enum err group_end_penalty(struct engine *engine, uint32_t slot); /* it is over: its row goes if nothing else needs it */
MUST_USE enum err permit_end(struct engine *engine, uint32_t slot);
uint64_t queue_job_count(const struct queue *queue);

/* Whole settings, with the names of limits in them, become the group's: into the lane of those, or of its queue. */
MUST_USE enum err group_use_settings(struct engine *engine, uint32_t slot, const struct group_settings *settings, struct problem *problem);

/* ---- source.c: the whole settings that a PUT or PATCH comes to ---- */
MUST_USE enum err source_merge(struct engine *engine, struct request *request, struct op *op, uint32_t present, struct buf *out);

/* ---- event_type.c: the catalogue of types of messages ---- */
#define EVENT_TYPE_LOOKS 10000 /* of one request that says types which are not listed: names looked at, ten for each that is compared */
MUST_USE enum err event_type_merge(struct engine *engine, struct request *request, struct op *op, uint32_t present, struct buf *out);
/* E_OK: the catalogue takes it, or may not be asked. The refusal says which one may have been meant. */
MUST_USE enum err event_type_check_message(struct engine *engine, struct request *request, struct op *op);
MUST_USE enum err event_type_check_endpoint(struct engine *engine, struct request *request, struct op *op, const struct endpoint_settings *wanted,
					    const struct endpoint *present);
/* What a test of that type says; ptr NULL: no memory. */
struct str event_type_example(struct engine *engine, struct request *request, struct queue_name type);
/* Ruche's own after that name, into a list; they have no number. Answers how many. */
uint32_t event_types_built_in(struct str after, const struct named **out);
MUST_USE enum err event_type_tell_built_in(struct request *request, struct queue_name type, struct named_info *out);
uint64_t event_type_wanted_by(const struct index *index, struct queue_name type); /* endpoints */

/* ---- op_named.c ---- */
MUST_USE enum err named_write(struct engine *engine, const struct named *named);
MUST_USE enum err named_effects(struct engine *engine); /* after a restart: all that other threads have to know */
MUST_USE enum err endpoint_hold(struct engine *engine, struct named *named); /* its group goes by its state */
/* namer.c: who names a format, a secret of the store or an event type */
MUST_USE enum err endpoint_list_secrets(struct endpoint *endpoint);
/* How many besides `except` (may be NULL) name it, and the first of them. */
MUST_USE enum err namers_count(struct engine *engine, const struct named *named, const struct named *except, const struct named **first, uint64_t *count);
/* Into a page of formats, secrets or event types, which is in the order of their names; of other kinds nothing is told. */
MUST_USE enum err namers_tell(struct engine *engine, struct request *request, enum named_kind kind, struct str namespace_name, struct named_info *infos,
			      uint32_t count);

/* ---- endpoint_queue.c: the queue of a namespace's endpoints ---- */
bool queue_has_endpoints(const struct index *index, uint32_t queue);
bool queue_is_others(const struct queue *queue); /* of this name, but no endpoint's */
bool queue_is_kept(const struct index *index, struct queue_name name); /* for deliveries, also if it is not there yet */
bool queue_stays_kept(const struct index *index, struct queue_name name); /* whatever it is told: it is, or is a BullMQ program's for now */
MUST_USE enum err queue_refuse_kept(struct request *request, struct op *op, const char *field); /* to those who make or claim jobs */
MUST_USE enum err endpoint_queue_begin(struct engine *engine, struct request *request, struct op *op, uint32_t *out_slot);
MUST_USE enum err endpoint_queue_make(struct engine *engine, uint32_t slot); /* one that is new, or is to be as if it were */
/* What it says of itself, over what such a queue is. Between its queue_touch and queue_write. */
MUST_USE enum err endpoint_queue_settings(struct engine *engine, uint32_t slot, struct str settings, struct problem *problem);

/* ---- health.c: how third parties do, and what follows ---- */
/* An attempt that began then has, and its job has left its lease. */
MUST_USE enum err health_ended(struct engine *engine, const struct op *op, const struct job *job, int64_t began_us);
/* Others than its breaker hold its group back until then, or let it go (0). SLOT_NONE: it is no endpoint's. */
MUST_USE enum err health_asked(struct engine *engine, uint32_t slot, int64_t until_us);
bool health_holds(const struct engine *engine, const struct op_hook *hook); /* it failed since the endpoint is gone: it is kept, to be sent when that is back */
/* Settings are new: an open breaker's pause is over. Between its named_touch and named_write. */
MUST_USE enum err health_retry(struct engine *engine, uint32_t slot);
void health_count_all(struct engine *engine); /* into its stats */
uint64_t health_unsent_told(uint64_t unsent); /* of so many, what the row tells at least */
void health_clear(struct health *health); /* as of one of which nothing is known; what was unsent or learnt stays */
void health_tell(const struct index *index, const struct named *named, struct health_info *out);

/* ---- meta.c: messages about endpoints ---- */
enum meta { META_FAILING, META_DISABLED, META_RECOVERED, META_EXHAUSTED };
/* Sent, if some endpoint of its namespace names the type; if that cannot be done, it is not. `now`: its health at that time. */
void meta_send(struct engine *engine, enum meta what, const struct named *endpoint, const struct health *now, const struct op *op, const struct job *job);

/* ---- op_operation.c, replay.c ---- */
MUST_USE enum err operation_open_new(struct engine *engine, const struct operation_row *row); /* bulk work begins; whoever works it off is told */
/* The row's texts, and of when it is. */
MUST_USE enum err replay_describe(struct engine *engine, const struct named *named, const struct replay *replay, struct operation_row *row);
MUST_USE enum err replay_slice(struct engine *engine, struct request *request, struct op_operation *slice, struct operation_row *row);
/* An endpoint is sent to again: what was only counted meanwhile is replayed, and counted no more. */
MUST_USE enum err replay_unsent(struct engine *engine, struct named *named);

/* ---- op_resend.c ---- */
struct owner { /* of a key of order `latest`: whose turn it is, and the message that it takes */
	uint64_t job, message;
};
struct str delivery_id(struct arena *arena, uint64_t message, uint32_t endpoint); /* among the ids in flight; ptr NULL: no memory */
/* The newest delivery: one that is about to be written, or `loaded`; SLOT_NONE: there is none that counts. */
uint32_t delivery_find(const struct engine *engine, const struct message_row *message, const struct named *named, struct str id, uint64_t loaded);
/* Is it about to be made, or being written, by the message's expansion? Nobody can tell yet whether it is there. */
bool delivery_is_unsettled(const struct engine *engine, const struct message_row *message, const struct named *named);
MUST_USE enum err delivery_make_again(struct engine *engine, const struct message_row *message, const struct named *named, struct str id,
				      uint32_t *out_slot);
/* *out: with order `latest` a newer message about its entity is on its way: this one would come too late. `made`: jobs that are not newer. */
MUST_USE enum err delivery_is_overtaken(const struct engine *engine, const struct message_row *message, const struct named *named,
					const uint64_t *made, uint32_t made_count, bool *out);

/* ---- delivery.c, message.c, expand.c ---- */
/* The one place where a delivery is made. `message`: without payload; its texts outlive the change-set. */
MUST_USE enum err delivery_make(struct engine *engine, const struct message_row *message, const struct named *endpoint, bool again,
			       uint32_t *out_job); /* again: not when the message came */
/* Of an order: who has it is whose turn it is. Empty: no order; ptr NULL: no memory. */
struct str delivery_key(struct arena *arena, const struct message_row *message, const struct named *endpoint);
bool endpoint_is_full(const struct index *index, const struct named *named); /* so many are held that one more is only counted */
MUST_USE enum err endpoint_misses(struct engine *engine, uint64_t message, uint32_t slot); /* it is counted */
/* Under the order `latest`: does it come instead of one that is held, or that it follows? */
MUST_USE enum err delivery_replaces(struct engine *engine, const struct message_row *message, const struct named *endpoint, bool *replaces);
MUST_USE enum err delivery_ended(struct engine *engine, const struct op_hook *hook); /* well: what its endpoint was told is remembered */
/* The engine's own, if somebody wants it; otherwise it is not kept. Its texts outlive the change-set. */
MUST_USE enum err message_make(struct engine *engine, struct message_row *row, struct expand_room *room);
const struct message_row *message_loaded(const struct engine *engine, uint64_t uid); /* by plan, without content; NULL: there is none */
struct str message_key_id(struct arena *arena, struct str namespace_name, struct str key); /* among the ids in flight; ptr NULL: no memory */
/* Goes on with a message from the endpoint after row->next_endpoint: deliveries, and the row's cursor. What there is no room for is left; then
 * row->next_endpoint is not MESSAGE_EXPANDED. `payload` is read when a filter asks for it. */
struct expand_payload { /* for filters: one parse for all of them */
	const struct message_row *row;
	bool whole;                /* its payload is there; otherwise it is loaded */
	bool read;
	struct json_node *value;   /* NULL: there is none */
	uint64_t made;             /* the newest delivery */
};
MUST_USE enum err expand_message(struct engine *engine, struct message_row *row, struct expand_payload *payload, struct expand_room *room,
			     uint32_t *matched); /* grows by those that want it */
/* Endpoints from there on that want it, filters aside, as far as there is room to look. */
uint32_t expand_count(struct engine *engine, const struct message_row *row, struct expand_room *room);
bool expand_round(struct engine *engine); /* true: there is more that may be done now */
bool expand_is_due(const struct engine *engine);
bool expand_is_under_way(const struct engine *engine); /* some message is, whether it may go on now or not */

/* ---- retain_messages.c ---- */
#define MESSAGES_FIRST_US INT64_C(60000000) /* after a start they are left alone so long */
bool retain_messages(struct engine *engine); /* true: a slice was put into the open batch */
bool retain_entities(struct engine *engine); /* likewise */
void retain_told(struct engine *engine, const struct changeset *cs); /* committed: how far it came */

/* ---- compat.c: queues that keep another queue's rules ---- */
bool job_is_compat(const struct index *index, const struct job *job);
/* Finds or makes the queue, and looks whether it keeps the rules that the asker keeps. */
MUST_USE enum err compat_begin(struct engine *engine, struct request *request, struct op *op, struct queue_name name, enum compat wanted,
			       uint32_t *out_slot);
MUST_USE enum err compat_make(struct engine *engine, uint32_t queue, enum compat wanted); /* with the settings of a new one of these rules */
MUST_USE enum err compat_may_change(struct request *request, struct op *op, const struct queue *queue, enum compat before);
MUST_USE enum err compat_check_lease(struct engine *engine, struct request *request, struct op *op, const struct job *job);
bool compat_head(const struct queue *queue, int32_t priority, bool head);     /* may it go first in line? */
struct str compat_from(const struct job *job);                                /* details of an event: the state that it leaves */
MUST_USE enum err compat_enqueued(struct engine *engine, struct str name, const struct job *job); /* the event */
MUST_USE enum err compat_result_details(struct engine *engine, const struct job *job, struct str result, struct str *out);
MUST_USE enum err compat_drained(struct engine *engine, uint32_t queue); /* tells so, if it is */
/* Ids that the queue counts: an own one must not look like them; a job that brings none gets the next. */
MUST_USE enum err id_check(struct engine *engine, struct request *request, struct op *op, uint32_t queue);
/* The queue's next one; 0 and empty where it counts none. */
MUST_USE enum err id_next(struct engine *engine, uint32_t queue, uint64_t *number, struct str *out_id);
MUST_USE enum err id_give(struct engine *engine, struct op *op, uint32_t queue, struct str *out_id);

/* ---- past.c: jobs that come with what they went through elsewhere; nothing to do for others ---- */
bool past_is_ended(const struct op_enqueue *enqueue);
bool past_has_started(const struct op_enqueue *enqueue); /* it cannot come too late for its first start any more */
MUST_USE enum err past_check(struct request *request, struct op *op, const struct queue *queue);
MUST_USE enum err past_place(struct engine *engine, const struct op_enqueue *enqueue, struct job *job); /* before job_place, which decides where */
MUST_USE enum err past_tell(struct engine *engine, const struct op_enqueue *enqueue, const struct job *job); /* rows beside the job's */
MUST_USE enum err past_defer(struct engine *engine, const struct op_enqueue *enqueue, uint32_t job);
MUST_USE enum err past_children(struct engine *engine, struct request *request, struct op *op, const struct job *job);
MUST_USE enum err past_count_ids(struct engine *engine, const struct op_enqueue *enqueue, uint32_t queue);

/* ---- skew.c: the clock of a compat queue's programs ---- */
void skew_hear(struct engine *engine, const struct request *request, uint32_t queue);
int64_t skew_wall_us(const struct index *index, const struct queue *queue); /* now, as they see it */
int64_t skew_now_us(const struct index *index, const struct queue *queue);  /* of starts and ends: the same, or engine time */
/* A due instant of engine time, which becomes one of theirs when they have a clock of their own. */
void skew_due(const struct index *index, const struct queue *queue, int64_t *due_us, bool *wall);
int64_t skew_wait_ms(const struct engine *engine, const struct op_claim *claim); /* how long it may wait */
MUST_USE enum err skew_promote(struct engine *engine, uint32_t queue); /* before a claim: what is due by their clock begins to wait */

/* ---- deferred.c: failures that are told later, by those who claim the job next ---- */
/* It fails with this reason when it is claimed next. Who waits for children or for his time waits to be claimed from now on, first in line;
 * who runs goes on, and whether that still counts is his affair. */
MUST_USE enum err deferred_fail(struct engine *engine, uint32_t job, struct str reason);
MUST_USE enum err deferred_stall(struct engine *engine, uint32_t job); /* it stalled too often, unless it is a chain's: that goes on */
MUST_USE enum err deferred_set(struct engine *engine, uint32_t job, struct str reason); /* where it stands */
MUST_USE enum err deferred_leave(struct engine *engine, uint32_t job); /* between its job_touch and job_place: it has ended */

/* ---- keep.c ---- */
void keep_send(struct engine *engine); /* into the open batch, which is about to be submitted */
bool keep_is_due(const struct engine *engine);
void keep_forget(struct engine *engine); /* of ends that were undone */
uint64_t keep_told(const struct engine *engine, uint32_t queue, enum job_state state); /* final jobs, less those that are about to go */
bool range_is_under_way(const struct engine *engine, uint32_t queue_number, enum job_state state);
/* Would a range up to there take what is not committed yet, and so was not counted? It ended at the same instant, then. */
bool range_takes_uncounted(const struct engine *engine, int64_t up_to_us);

/* ---- serve.c ---- */
struct grant_terms {
	struct str worker;
	uint64_t token;
	int64_t lease_ms;  /* 0: the queue's */
	bool delivery, rides;
};
/* The next job of the queue becomes active. E_NOT_FOUND: none may start now. */
MUST_USE enum err serve_next(struct engine *engine, uint32_t queue, const struct grant_terms *terms, uint32_t *out_slot);
/* The group's first job becomes active under another one's start, whatever limits say. E_NOT_FOUND: none waits. */
MUST_USE enum err serve_ride(struct engine *engine, uint32_t group, const struct grant_terms *terms, uint32_t *out_slot);
MUST_USE enum err serve_claim(struct engine *engine, struct request *request, struct op *op); /* as many as there are; result->claim */
bool serve_flagged(struct engine *engine); /* waiters and deliveries; true: the batch is full, there is more */
uint64_t lease_token_hash(struct str token);

/* ---- ride.c: several messages in one call ---- */
/* The group's first job was started by this effect: those that go along with it. */
MUST_USE enum err ride_along(struct engine *engine, uint32_t group, struct effect *effect);
MUST_USE enum err ride_ended(struct engine *engine, const struct op_hook *hook); /* what the call teaches of the size of the next ones */

/* ---- park.c ---- */
MUST_USE enum err park_claim(struct engine *engine, struct request *request, struct op *op);
MUST_USE enum err park_wait(struct engine *engine, struct request *request, struct op *op, uint64_t uid);
void unpark(struct engine *engine, uint32_t slot);
void park_hear_ends(struct engine *engine);                        /* of the open batch: answers those who WAIT for them in it */
void park_fire(struct engine *engine);                             /* time-outs */
void park_recall_all(struct engine *engine, struct request_list *out); /* in order of arrival, each with the time it has left */
bool park_withdraw(struct engine *engine, uint64_t number);

/* ---- timers.c ---- */
bool timers_fire(struct engine *engine); /* true: more is due */
int64_t timers_next_us(const struct engine *engine); /* engine time, INT64_MAX: none */

/* ---- far.c ---- */
bool far_round(struct engine *engine);                   /* true: more come near */
void far_catch_up(struct engine *engine, uint32_t queue); /* who is due by the queue's own clock comes back, some at a time */
int64_t far_next_look_us(const struct engine *engine); /* engine time, INT64_MAX: none */
int64_t queue_next_due_us(struct engine *engine, uint32_t slot, bool wall); /* of its delayed jobs, wherever they are; INT64_MAX: none */

/* ---- stage.c ---- */
bool stage_needed(const struct request *request);
void stage_round(struct engine *engine); /* adds chunks to the open batch */
MUST_USE enum err stage_settle(struct engine *engine, struct request *request); /* after apply: referenced bodies are unstaged, others lost */
void stage_refuse(struct engine *engine, struct request *request); /* all its bodies are lost */
void stage_drop_lost(struct engine *engine); /* into the open batch */

/* ---- idempotency.c ---- */
enum idempotency { IDEMPOTENCY_NEW, IDEMPOTENCY_REPLAYED, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_IN_FLIGHT };
enum idempotency idempotency_check(struct engine *engine, struct request *request);
void idempotency_found(struct request *request, const struct idempotency_row *record); /* plan tells what the store has */
MUST_USE enum err idempotency_record(struct engine *engine, struct request *request);

/* ---- gap.c: Idempotency-Keys that surely have no record ---- */
bool gaps_exclude(struct gaps *gaps, struct str key); /* the store has no record of this key; in flight there may be one */
bool gaps_ask(struct gaps *gaps);                     /* of a key that it cannot exclude: is it worth to learn the gap? */
void gaps_use(struct gaps *gaps, struct str key);     /* a record is about to be made */
void gaps_learn(struct engine *engine, const struct load_gap *found);
void gaps_forget(struct gaps *gaps);                  /* what is on disk may be something else now */
void gaps_fini(struct gaps *gaps);

/* ---- retain.c ---- */
void maintain(struct engine *engine);

/* ---- recover.c ---- */
MUST_USE enum err recover(struct engine *engine, struct problem *problem);
/* The first change after it, before anything is served: calls that nobody makes any more are handed back, bulk work is woken. */
MUST_USE enum err recover_resume(struct engine *engine);
MUST_USE enum err recover_hand_back(struct engine *engine); /* a slice of the calls of the process that is gone */
void recover_forget_called(struct engine *engine, bool again); /* again: some of them may be active, still or once more */
bool range_covers(const struct engine *engine, const struct job_row *row); /* a range delete in flight takes it */

/* Change-sets that may still be undone, the oldest first: those in flight, then the open one. NULL: no more. */
static inline const struct batch *uncommitted_first(const struct engine *engine)
{
	return engine->first_flying ? engine->first_flying : engine->open;
}
static inline const struct batch *uncommitted_after(const struct engine *engine, const struct batch *batch)
{
	return batch == engine->open ? NULL : batch->next ? batch->next : engine->open;
}

static inline bool engine_is_full(const struct engine *engine) { return engine->full_until_us > engine->index.now_us; }
static inline bool batch_is_large(const struct batch *batch)
{
	return batch->dirty_count >= LIMIT_BATCH_ROWS || batch->bytes >= LIMIT_BATCH_BYTES;
}
