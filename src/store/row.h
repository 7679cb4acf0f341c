/* src/store/row.h: what is kept, as values. A job is three things:
 *
 *   definition   written once with the job, never changed: identity, options, payload           table job
 *   row          what scheduling changes: state, rank, attempts, lease; small and dense          table live, or done once final
 *   results      result or error, attempts that failed or went over HTTP, log lines, progress   written when they happen
 *
 * A restart reads only `live`. Instants are microseconds since 1970 UTC; 0 means "not set". Slices belong to whoever handed
 * the struct out: a change-set's arena, a page's arena. */
#pragma once
#include "rules/job.h"

struct job_definition {
	uint64_t uid;
	uint32_t queue;          /* the queue it was enqueued into (a move changes the row's queue, not this) */
	struct str id;           /* the caller's; empty: the uid's text */
	struct str name;
	struct str group;        /* empty: none */
	struct str tags;         /* JSON array of strings, or empty */
	struct str trace;        /* JSON object, or empty */
	struct str target;       /* JSON object: the job's own HTTP target, or empty */
	struct str chain;        /* key of the chain that made it, or empty */
	int64_t created_us;      /* wall time of the enqueue */
	int32_t priority;        /* as asked; the row has the present one */
	uint32_t max_attempts;
	uint32_t policy;         /* number of an interned retry policy; 0: the queue's */
	int64_t timeout_ms;      /* 0: the queue's */
	int64_t ttl_ms;
	struct str metadata;     /* JSON object of the caller's, verbatim, or empty; read where the payload is */
	uint64_t message;        /* a delivery's: the message that it takes to the endpoint whose name is its group; 0: no delivery */
	struct str payload;      /* inline, or empty when payload_body is set */
	uint64_t payload_body;   /* a staged body's number, or 0 */
	uint64_t payload_bytes;
};

#define ROW_DUE_WALL   1u /* due_us is wall time (run_at); otherwise engine time (delay, back-off) */
#define ROW_CANCEL     2u /* cancel asked while active */
#define ROW_LIFO       4u
#define ROW_EDITED     8u /* the payload in force is the edited one (table body, see edited_body) */
#define ROW_REDONE     16u  /* put back by hand since its last attempt */
#define ROW_PARENT     32u  /* has or had children; stays in memory while it is live */
#define ROW_CHILD      64u  /* has or had parents */
#define ROW_LOST_CHILD 8192u /* a child failed that it cannot do without: it can only fail from now on */
#define ROW_SNOOZED    16384u /* DELAYED because its worker asked for it, not after a failure */
#define ROW_FAR        128u /* DELAYED, and far from its due time when it was written: an engine may let go of it, and finds it by store.h's far */

struct job_row {
	uint64_t uid;
	uint32_t queue;
	enum job_state state;
	enum job_outcome outcome;
	uint32_t flags;
	int32_t priority;
	uint32_t policy;
	uint32_t max_attempts;
	uint32_t attempts_started, attempts_made, stalls; /* given out; ended, well or not, since the last retry by hand; lost */
	int64_t rank;            /* order within (queue, group, priority) */
	int64_t due_us;          /* DELAYED */
	int64_t expire_us;       /* engine time before which it must have started; 0: none */
	int64_t timeout_ms;
	uint64_t fence;
	uint64_t version;        /* commit_seq of the last change */
	int64_t since_us;        /* engine time it entered its state */
	int64_t started_us;      /* of the last attempt */
	int64_t finished_us;     /* final */
	uint64_t lease_token;    /* ACTIVE: hash of the token */
	int64_t lease_ms;
	struct str worker;       /* ACTIVE and final: who ran it last */
	struct str group;
	uint64_t edited_body;    /* ROW_EDITED: number of the body with the edited payload */
	uint64_t bytes;          /* what retention counts: payload + result + attempts, roughly */
	struct str label;        /* live, in queues that keep ids at hand: the caller's id once more; empty: none */
	struct str deferred;     /* live: it fails with this reason when it is claimed next; empty: none */
};

/* How a final job ended. */
struct job_result {
	struct str result;       /* JSON, inline; empty when result_body is set or there is none */
	uint64_t result_body;
	uint64_t result_bytes;
	struct str error;        /* JSON {type, message, stack, class, status…}, or empty */
};

/* An ended attempt that says more than its job's row does: a failure, or an HTTP exchange. Attempts are never coalesced. */
struct attempt_row {
	uint64_t uid;
	uint32_t number;         /* attempts_started when it ran: 1, 2, … */
	uint64_t fence;
	int64_t started_us, finished_us;
	enum job_state next;     /* what the job became */
	int64_t retry_us;        /* DELAYED: when it is due */
	struct str worker;
	struct str error;        /* JSON, or empty on success */
	struct str exchange;     /* JSON {url, status, class, request_headers, response_headers, response_excerpt, dns_ms, …}, or empty */
};

struct queue_row {
	uint32_t number;         /* ours, from 1 */
	struct str namespace_name;
	struct str name;
	struct str settings;     /* JSON (rules/settings.h) */
	bool paused;
	int64_t created_us;
	uint64_t version;
	int64_t blocked_us;      /* engine time before which nothing starts; 0: none */
};
struct group_row { /* only for groups with overrides, a penalty or paused */
	uint32_t queue;
	struct str key;
	struct str settings;     /* JSON */
	bool paused;
	int64_t blocked_us;
	bool gone;               /* in a change-set: the row goes */
};
struct budget_row { /* a limit: LIMIT is a word of SQL */
	uint32_t number;         /* from 1 */
	struct str namespace_name;
	struct str name;
	struct str settings;     /* JSON (rules/limit.h) */
	int64_t blocked_us;
	bool gone;               /* in a change-set: it goes, and its permits with it */
};
struct permit_row { /* units of a limit that a holder outside has */
	uint32_t budget;
	uint64_t token;          /* hash */
	uint32_t units;
	int64_t lease_ms;
	bool gone;
};
#define DEDUP_LATEST 1u /* the newest job under the key takes the place of its owner */
#define DEDUP_FIFO   2u /* the jobs under it go one after the other; the last one owns it */
#define DEDUP_HELD   4u /* its owner has failed, and holds it all the same */
struct dedup_row { /* a key of a queue, and the job that owns it; apart from the jobs' ids */
	uint32_t queue;
	struct str key;
	uint64_t owner;
	struct str owner_id;     /* the caller's, or empty */
	uint64_t next;           /* the parked successor, or 0 */
	struct str next_id;
	int64_t until_us;        /* engine time when the key is free; 0: when the owner ends */
	int64_t since_us;        /* engine time of the first enqueue that is not worked off yet */
	uint32_t flags;
	bool gone;               /* in a change-set: the row goes */
};
/* What a child's failure means to its parent. Stored: append, never reorder. */
#define ON_FAILURES(X)         \
	X(FAIL, "fail")         /* the parent fails too */                          \
	X(CONTINUE, "continue") /* the parent runs now, without waiting for others */ \
	X(IGNORE, "ignore")     /* as if it had completed, with its error as value */ \
	X(FORGET, "forget")     /* as if it had never been its child */               \
	X(HOLD, "hold")         /* the parent waits until the child is retried, detached or deleted */ \
	X(FOLLOW, "follow")     /* the parent only comes after it, under their key of dedup: nobody asks for this one by name */
#define X(name, text) ON_FAILURE_##name,
enum on_failure { ON_FAILURES(X) ON_FAILURE_COUNT };
#undef X
#define EDGE_STATES(X) X(PENDING, "pending") X(DONE, "done") X(IGNORED, "ignored") X(FAILED, "failed")
#define X(name, text) EDGE_##name,
enum edge_state { EDGE_STATES(X) EDGE_STATE_COUNT };
#undef X
struct edge_row { /* a parent and one of its children */
	uint64_t parent, child;
	enum edge_state state;
	enum on_failure on_failure;
	int64_t at_us;
	uint32_t queue;          /* the child's identity, with id */
	struct str id;           /* the caller's, or empty */
	struct str value;        /* JSON: the result, or the error; empty while DONE: the child's own result, as long as it is kept */
	bool update;             /* in a change-set: state, at_us and value, if the row is there; of on_failure, queue and id nothing is said */
	bool gone;               /* in a change-set: the row goes */
};
struct chain_row { /* jobs that repeat: what each is made of, and how far they are */
	uint32_t queue;
	struct str key;
	struct str schedule;     /* JSON (rules/chain.h) */
	struct str job;          /* JSON: what an iteration has besides its payload */
	struct str payload;      /* JSON */
	int64_t slot_ms;         /* wall time for which the newest iteration was made */
	int64_t offset_ms;       /* of the slots of every_ms */
	uint64_t count;          /* the newest iteration is the count-th */
	uint64_t pending;        /* it, while nobody has claimed it; 0: the chain has ended. Under another queue's rules always it */
	struct str metadata;     /* JSON object of the caller's, or empty */
	bool gone;               /* in a change-set: the row goes */
};
struct policy_row {
	uint32_t number;         /* from 1 */
	struct str json;         /* retry policy */
};

/* Counts of final jobs, kept as sums so that nobody counts rows. */
struct queue_counts {
	uint32_t queue;
	uint64_t final[JOB_STATE_COUNT];       /* jobs in each final state */
	uint64_t final_bytes[JOB_STATE_COUNT];
	uint64_t enqueued, started;            /* ever */
	uint64_t ended[JOB_STATE_COUNT];       /* ever: times a job became final in that state */
	uint64_t ids;                          /* ever: decimal ids that were given */
};

/* Events of one queue in one change-set: lines "<type> <uid text>[ <JSON object>]\n" in order. Public id: "<shard>.<commit_seq>.<n>". */
struct event_row {
	uint64_t seq;
	uint32_t queue;
	int64_t at_us;
	uint32_t count;
	struct str lines;
};

/* Ends of a queue's jobs in a minute since 1970. */
struct metric_row {
	uint32_t queue;
	int64_t minute;
	uint64_t completed, failed;
};

struct log_row {
	uint64_t uid;
	uint32_t attempt;
	int64_t at_us;
	struct str line;
};

struct token_row {
	uint64_t number;
	struct str name;
	struct str hash;         /* SHA-256 of the token, 32 bytes */
	struct str prefix;       /* first characters, for people: "rch_ab12" */
	struct str scopes;       /* "enqueue work read operate admin", blank-separated subset */
	struct str queues;       /* JSON array of queue names it is limited to, or empty */
	int64_t created_us, expires_us, revoked_us;
};

/* A bulk operation: "retry all that match", durable, worked off in slices. */
struct operation_row {
	uint64_t number;         /* a uid */
	struct str action;       /* retry, cancel, delete, promote, reprioritise, move */
	struct str arguments;    /* JSON: the action's options */
	struct str filter;       /* JSON: as the list takes it */
	uint64_t as_of;          /* commit_seq: rows changed later are skipped and counted */
	uint64_t cursor_uid;     /* all before it are done */
	uint32_t cursor_phase;   /* 0: live table, 1: done table */
	uint64_t done, skipped, failed;
	enum operation_state { OPERATION_RUNNING, OPERATION_PAUSED, OPERATION_DONE, OPERATION_CANCELLED } state;
	int64_t created_us, finished_us;
};

struct idempotency_row {
	struct str key;          /* token number and key */
	uint64_t request_hash;
	int64_t at_us;
	struct str answer;       /* engine/idempotency.c's own encoding */
};

/* ---- webhooks: docs/decisions/2026-11-25-webhooks.md ---- */

/* What has a name in a namespace and a text that says all of it. Stored: append, never reorder. */
#define NAMED_KINDS(X) X(ENDPOINT, "endpoint") X(FORMAT, "format") X(SOURCE, "source") X(SECRET, "secret") X(EVENT_TYPE, "event_type")
#define X(name, text) NAMED_##name,
enum named_kind { NAMED_KINDS(X) NAMED_KIND_COUNT };
#undef X
#define NAMED_STATES(X) X(ENABLED, "enabled") X(PAUSED, "paused") X(DISABLED, "disabled")
#define X(name, text) NAMED_##name,
enum named_state { NAMED_STATES(X) NAMED_STATE_COUNT }; /* of endpoints; the others are enabled */
#undef X
struct named_row {
	enum named_kind kind;
	uint32_t number;         /* from 1, of all kinds together; never used twice */
	struct str namespace_name;
	struct str name;
	struct str text;         /* JSON, whole, canonical (rules/endpoint.h, …); of a secret, sealed */
	enum named_state state;
	struct str reason;       /* paused, disabled: "by_hand", "gone", "failing" */
	struct str health;       /* endpoints: JSON, as engine/op_named.c writes it; empty: well */
	int64_t created_us, changed_us;
	uint64_t created_seq;    /* the commit that brought it: messages of earlier ones are not for it */
	uint64_t version;
	bool gone;               /* in a change-set: the row of this kind and name goes */
};

#define MESSAGE_DELETED  1u /* the entity is gone: retracted where asked for */
#define MESSAGE_META     2u /* about deliveries: its own make none */
#define MESSAGE_TEST     4u /* touches no health, no entity */
#define MESSAGE_EXPUNGED 8u /* its content was removed on request */
#define MESSAGE_EXPANDED UINT32_MAX
#define DELIVERY_AGAIN_TAGS "[\"resent\"]" /* of deliveries that were made later than the others of their message: stored */

struct message_row {
	uint64_t uid;
	uint64_t seq;            /* the commit that brought it */
	struct str namespace_name;
	struct str type;
	struct str entity;       /* or empty */
	struct str key;          /* the sender's, one of a kind in its namespace; or empty */
	struct str channels;     /* JSON array; or empty */
	struct str metadata;     /* JSON object, verbatim; or empty. Read where the payload is */
	struct str payload;      /* JSON, verbatim; empty when payload_body is set */
	uint64_t payload_body;   /* a staged body's number, or 0 */
	uint64_t payload_bytes;
	uint32_t flags;
	uint32_t only;           /* number of the one endpoint that it is for; 0: for all that want it */
	uint32_t next_endpoint;  /* it is expanded up to and with this number; MESSAGE_EXPANDED: wholly */
	uint32_t deliveries;     /* made so far */
	bool update;             /* in a change-set: flags, next_endpoint and deliveries, if the row is there. With MESSAGE_EXPUNGED its content goes,
	                          * and what its deliveries sent and were answered */
};

/* What an endpoint was told of an entity last. Stored: append, never reorder. */
enum entity_state { ENTITY_DELIVERED, ENTITY_RETRACTED };
struct entity_row {
	uint32_t endpoint;       /* number */
	struct str entity;
	struct str external_id;  /* the other side's name for it; in a change-set, empty keeps what is there */
	uint64_t message;        /* the newest that was delivered: a change-set never makes it older */
	int64_t at_us;           /* wall time */
	enum entity_state state;
	bool gone;               /* in a change-set: the row goes */
};
