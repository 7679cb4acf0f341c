/* ruche.h: libruche, the C client of Ruche: enqueue jobs, claim and run them, wait for them. It speaks the HTTP API of docs/api.md.
 *
 *     struct ruche_client_options options = { .size = sizeof(options) };
 *     struct ruche_new_job job = { .size = sizeof(job) };
 *     struct ruche_client *client;
 *     struct ruche_enqueued enqueued;
 *     struct ruche_error error;
 *     options.url = "http://127.0.0.1:8420";
 *     job.queue = "mail";
 *     job.payload = "{\"to\": \"a@b.fr\"}";
 *     if (ruche_client_new(&options, &client, &error) || ruche_enqueue(client, &job, &enqueued, &error))
 *         fprintf(stderr, "%s [%s]\n", error.sentence, error.name);
 *
 * What holds everywhere:
 *
 * - Functions that can fail answer RUCHE_OK (0), or another code of enum ruche_code and then fill *error, which may be NULL. What they
 *   hand out through a pointer is written on success only.
 * - Structs whose first member is `size` are the caller's: zero them and set size to their sizeof, and the program goes on working with
 *   later versions, which add members at the end. Zero and NULL mean "the usual". They and all they point to are only read, and only
 *   during the call.
 * - Structs that the library makes (jobs, answers, workers, …) are freed with the function named after them; NULL is fine there. Every
 *   pointer that is read out of one lives as long as it does, and is not to be freed by itself.
 * - Text is UTF-8 that ends in NUL. A parameter or member called `…_json`, and payloads, are JSON text; it is checked before it is sent
 *   and kept byte for byte.
 * - Threads: one client serves any number of threads at once (each call uses a connection of its own). Everything else belongs to one
 *   thread at a time, unless its function says otherwise. Do not use a client of the parent in a forked child.
 * - The library installs no signal handler, starts no thread but those of ruche_worker_run, reads no environment, prints nothing and never
 *   ends the process; when there is no memory it answers RUCHE_NO_MEMORY. Its one global act is curl_global_init, once; what is set for
 *   the whole process is set by ruche_use_memory alone. */
#ifndef RUCHE_H
#define RUCHE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RUCHE_PUBLIC __attribute__((visibility("default")))
#else
#define RUCHE_PUBLIC
#endif

#ifdef __cplusplus
extern "C" {
#endif

RUCHE_PUBLIC const char *ruche_version(void); /* of the library, "0.1.0" */

/* ---- what went wrong ---- */

enum ruche_code { /* numbers never change; a newer library may answer codes that are not here */
	RUCHE_OK = 0,
	/* found here, before or instead of asking the daemon */
	RUCHE_BAD_ARGUMENT = 1,   /* `field` and the sentence say which and why; nothing was sent */
	RUCHE_NO_MEMORY = 2,
	RUCHE_NO_RESOURCE = 3,    /* no thread or descriptor */
	RUCHE_UNREACHABLE = 4,    /* no connection, or it broke: see whether the daemon runs at that address */
	RUCHE_TIMED_OUT = 5,      /* connected, but no whole answer in time; or the wait is over */
	RUCHE_NOT_RUCHE = 6,      /* an answer came that no Ruche gives */
	RUCHE_ANSWER_TOO_LARGE = 7,
	RUCHE_STOPPED = 8,        /* the worker is being stopped */
	/* refused by the daemon: its own codes, see docs/guide.md */
	RUCHE_REFUSED = 100,      /* with a code that this version does not know; `name` has it */
	RUCHE_INVALID_FIELD = 101,
	RUCHE_UNKNOWN_FIELD = 102,
	RUCHE_MALFORMED_JSON = 103,
	RUCHE_BAD_REQUEST = 104,
	RUCHE_TOO_LARGE = 105,
	RUCHE_UNAUTHORIZED = 106,
	RUCHE_FORBIDDEN = 107,
	RUCHE_NOT_FOUND = 108,
	RUCHE_JOB_NOT_FOUND = 109,
	RUCHE_QUEUE_NOT_FOUND = 110,
	RUCHE_METHOD_NOT_ALLOWED = 111,
	RUCHE_STALE_LEASE = 112,
	RUCHE_ILLEGAL_STATE = 113,
	RUCHE_CONFLICT = 114,
	RUCHE_IDEMPOTENCY_MISMATCH = 115,
	RUCHE_UNSUPPORTED_MEDIA_TYPE = 116,
	RUCHE_TOO_MANY_REQUESTS = 117,
	RUCHE_BACKLOG_FULL = 118,
	RUCHE_STORE_FULL = 119,
	RUCHE_OUTCOME_UNKNOWN = 120,
	RUCHE_UNAVAILABLE = 121,
	RUCHE_OUT_OF_MEMORY = 122, /* the daemon's */
	RUCHE_STORE_FAILED = 123,
	RUCHE_UNDONE = 124,        /* "cancelled": another operation of the atomic request was refused */
	RUCHE_INTERNAL = 125,
	RUCHE_LIMIT_NOT_FOUND = 126,
	RUCHE_PARENT_NOT_FOUND = 127,
	RUCHE_CHILDREN_PENDING = 128,
	RUCHE_CHILDREN_FAILED = 129,
	RUCHE_CHAIN_OWNED = 130,
	RUCHE_NO_LEASE = 131,
	RUCHE_COMPAT_MISMATCH = 132,
	RUCHE_CHAIN_NOT_FOUND = 133,
	RUCHE_ID_TAKEN = 134,
	RUCHE_SLOTS_BUSY = 135,
	RUCHE_PARENT_TAKEN = 136,
	RUCHE_SIGNATURE_INVALID = 140,
	RUCHE_ENDPOINT_NOT_FOUND = 141,
	RUCHE_MESSAGE_NOT_FOUND = 142,
	RUCHE_FORMAT_NOT_FOUND = 143,
	RUCHE_SOURCE_NOT_FOUND = 144,
	RUCHE_SECRET_NOT_FOUND = 145,
	RUCHE_SECRET_SEALED = 146,
	RUCHE_NO_ENDPOINT = 147,
	RUCHE_FORMAT_FAILED = 148,
	RUCHE_ENDPOINT_OWNED = 149,
	RUCHE_EVENT_TYPE_NOT_FOUND = 150
};

struct ruche_error {         /* the caller's, of fixed size, so that failing never fails */
	int code;            /* enum ruche_code */
	int http_status;     /* 0: no answer came */
	int may_retry;       /* the same call may succeed later */
	int64_t retry_after_ms; /* what the daemon asked for (Retry-After); 0: it did not say */
	char name[40];       /* stable, for programs and logs: "stale_lease", "unreachable" */
	char field[128];     /* what was wrong, as the API calls it: "jobs[3].delay_ms"; "" when it is none */
	char sentence[400];  /* for a person: what happened and what to do next */
};

/* ---- memory ---- */

/* Where the library's memory comes from instead of malloc, for the whole process; libcurl's too, unless the program has set that up itself
 * before (curl_global_init); not what TLS and the system's own functions take. The functions are called from any thread, several at once;
 * none is called with NULL or with 0 bytes, and NULL of the first two means that there is none. */
struct ruche_memory {
	size_t size;
	void *(*allocate)(void *context, size_t bytes);
	void *(*reallocate)(void *context, void *memory, size_t bytes);
	void (*release)(void *context, void *memory);
	void *context;
};

/* Before any other call but ruche_version, once. RUCHE_BAD_ARGUMENT when it is too late. It is the program's to say, not a library's. */
RUCHE_PUBLIC int ruche_use_memory(const struct ruche_memory *memory, struct ruche_error *error);

/* ---- a client ---- */

struct ruche_client;

struct ruche_client_options {
	size_t size;
	const char *url;            /* "http://HOST:PORT", "https://…" or "unix:/PATH"; NULL: http://127.0.0.1:8420 */
	const char *token;          /* "rch_…"; NULL: none (a daemon started with `ruche dev`) */
	const char *namespace_name; /* of the queues of calls that name none; NULL: the daemon's (default) */
	const char *user_agent;     /* NULL: libruche/VERSION */
	const char *ca_file;        /* PEM, for https; NULL: the system's */
	int64_t connect_ms;         /* for connecting, names and TLS included (1,500) */
	int64_t request_ms;         /* for a whole call, beyond what it asks the daemon to wait (30,000) */
	int64_t answer_max_bytes;   /* larger ones are refused (67,108,864) */
};

/* Connects to nobody yet. options may be NULL. */
RUCHE_PUBLIC int ruche_client_new(const struct ruche_client_options *options, struct ruche_client **out, struct ruche_error *error);
/* No call and no worker may be running on it; jobs and answers may live on. */
RUCHE_PUBLIC void ruche_client_free(struct ruche_client *client);

/* ---- answers: JSON, read by path ("jobs.0.uid") ---- */

struct ruche_answer;

RUCHE_PUBLIC void ruche_answer_free(struct ruche_answer *answer);
RUCHE_PUBLIC int ruche_answer_status(const struct ruche_answer *answer); /* of HTTP: 200, 201, 204 */
/* The whole body; "" when there is none. out_bytes may be NULL. */
RUCHE_PUBLIC const char *ruche_answer_json(const struct ruche_answer *answer, size_t *out_bytes);
/* A string decoded, anything else as JSON text; NULL when it is absent, null, or there is no memory. */
RUCHE_PUBLIC const char *ruche_answer_text(struct ruche_answer *answer, const char *path);
RUCHE_PUBLIC int64_t ruche_answer_integer(struct ruche_answer *answer, const char *path, int64_t otherwise);
/* Of requests with several operations: their results, in the order of the request. */
RUCHE_PUBLIC size_t ruche_answer_count(const struct ruche_answer *answer);
/* Why it was refused, or RUCHE_OK. */
RUCHE_PUBLIC int ruche_answer_item_error(struct ruche_answer *answer, size_t index, struct ruche_error *error);
RUCHE_PUBLIC const char *ruche_answer_item_text(struct ruche_answer *answer, size_t index, const char *path);
RUCHE_PUBLIC int64_t ruche_answer_item_integer(struct ruche_answer *answer, size_t index, const char *path, int64_t otherwise);

struct ruche_call_options { /* may be NULL wherever it is taken */
	size_t size;
	const char *idempotency_key; /* a repeat with it gets the first answer; not together with a claim */
	int64_t timeout_ms;          /* instead of the client's request_ms */
	int atomic;                  /* of several operations: all or none */
};

/* Any call of docs/api.md. path: "/v1/queues/mail?namespace=test", its pieces percent-encoded; body_json: NULL for none. */
RUCHE_PUBLIC int ruche_call(struct ruche_client *client, const char *method, const char *path, const char *body_json,
			    const struct ruche_call_options *options, struct ruche_answer **out, struct ruche_error *error);

/* ---- enqueue ----
 * When the connection breaks, whether the job was taken is unknown (and curl may have sent the request twice): with an `id` or an
 * idempotency key it is safe to enqueue again. */

struct ruche_new_job {
	size_t size;
	const char *queue;          /* needed */
	const char *namespace_name; /* NULL: the client's */
	const char *payload;        /* any JSON; NULL: null */
	const char *id;             /* a repeat of it answers the first job; NULL: one is made */
	const char *name;
	const char *group;
	int64_t priority;           /* 0 runs first */
	int64_t delay_ms;
	const char *run_at;         /* RFC 3339; not with delay_ms */
	int lifo;                   /* first in line of its priority */
	int64_t max_attempts;       /* these three: 0: the queue's */
	int64_t timeout_ms;
	int64_t ttl_ms;
	const char *retry_json;     /* a RetryPolicy, a trace object, an HttpTarget of docs/api.md */
	const char *trace_json;
	const char *http_json;
	const char *const *tags;
	size_t tag_count;
	const char *idempotency_key; /* of ruche_enqueue only: several at once have one in their ruche_call_options */
	const char *dedup_json;     /* {"key": …}: what becomes of it while another job is there under that key; see docs/api.md */
	const char *metadata_json;  /* an object of yours, kept with it and handed to its worker */
	const char *parents_json;   /* [{"uid": …}]: who waits for it, or runs */
	int waits;                  /* for children that are enqueued with it, in the same atomic request, or later */
};

struct ruche_enqueued {
	char uid[16];
	char state[24];
	char id[520];
	int duplicate;  /* 1: the id was there, 2: another job owns the dedup key. This is that job; its state is "" when it is not kept any more */
};

RUCHE_PUBLIC int ruche_enqueue(struct ruche_client *client, const struct ruche_new_job *job, struct ruche_enqueued *out, struct ruche_error *error);
/* At most 20,000, all with the same size. The answer has a result for each: ruche_answer_item_error, then "uid", "id", "state",
 * "duplicate" by ruche_answer_item_text. */
RUCHE_PUBLIC int ruche_enqueue_many(struct ruche_client *client, const struct ruche_new_job *jobs, size_t count,
				    const struct ruche_call_options *options, struct ruche_answer **out, struct ruche_error *error);

/* ---- claim ---- */

struct ruche_job { /* made by the library; members may be added at the end. What is absent is NULL */
	const char *uid;
	const char *token;   /* the lease's */
	int64_t fence;       /* grows with every grant of the job: other systems can refuse late writers by it */
	const char *queue, *namespace_name, *id, *name, *group;
	const char *payload; /* JSON */
	size_t payload_bytes;
	const char *tags_json, *trace_json;
	const char *created_at;
	int64_t attempt;     /* 1 for the first */
	int64_t attempts_made, max_attempts, stalls, priority, lease_ms;
	int64_t timeout_ms;  /* 0: none */
	const char *metadata_json;
	const char *chain;   /* key of the chain that made it */
};

struct ruche_claim_options {
	size_t size;
	const char *const *queues;  /* needed; served in this order */
	size_t queue_count;
	const char *namespace_name; /* NULL: the client's */
	int64_t max;                /* jobs, up to 1,000; 0: 1 */
	int64_t wait_ms;            /* long poll, up to 300,000; 0: answers at once. Not when finishing a job */
	int64_t lease_ms;           /* 0: the queue's */
	const char *worker;         /* who works, for people; NULL: nobody */
	const char *token;          /* lease token; NULL: the daemon makes one */
	int64_t group_max;          /* a batch: at most so many jobs, all of one group; 0: of any groups */
	int64_t group_min;          /* groups with fewer are left until their oldest job has waited group_wait_ms; 0: 1 */
	int64_t group_wait_ms;
};

struct ruche_claimed; /* the jobs of one claim */

RUCHE_PUBLIC int ruche_claim(struct ruche_client *client, const struct ruche_claim_options *options, struct ruche_claimed **out,
			     struct ruche_error *error);
RUCHE_PUBLIC void ruche_claimed_free(struct ruche_claimed *claimed); /* and its jobs; their leases go on */
RUCHE_PUBLIC size_t ruche_claimed_count(const struct ruche_claimed *claimed);
RUCHE_PUBLIC const struct ruche_job *ruche_claimed_job(const struct ruche_claimed *claimed, size_t index); /* NULL beyond the last */
/* When nothing came: why ("empty", "queue_paused", …) or NULL, and in how long something is due or -1. */
RUCHE_PUBLIC const char *ruche_claimed_reason(const struct ruche_claimed *claimed);
RUCHE_PUBLIC int64_t ruche_claimed_next_due_ms(const struct ruche_claimed *claimed);

/* ---- what the holder of a lease says ----
 * Of job only uid, token and fence (0: not checked) are read, so that a program may also keep just these. RUCHE_STALE_LEASE: the lease
 * is over, nothing was changed, drop the work. */

enum ruche_verdict {
	RUCHE_BY_POLICY = 0,  /* the queue's retry policy decides */
	RUCHE_FINAL = 1,      /* never again */
	RUCHE_RETRY_FIRST = 2, RUCHE_RETRY_LAST = 3, /* at once, first or last in line */
	RUCHE_RETRY_AFTER = 4 /* in after_ms */
};

struct ruche_failure {
	size_t size;
	const char *type, *message, *stack;
	int verdict;          /* enum ruche_verdict */
	int64_t after_ms;     /* of RUCHE_RETRY_AFTER */
	const char *back_off; /* who else starts nothing for back_off_ms: "group" or "queue" of the job, or a limit's name; NULL: nobody */
	int64_t back_off_ms;
};

RUCHE_PUBLIC int ruche_complete(struct ruche_client *client, const struct ruche_job *job, const char *result_json, struct ruche_error *error);
RUCHE_PUBLIC int ruche_fail(struct ruche_client *client, const struct ruche_job *job, const struct ruche_failure *failure,
			    struct ruche_error *error);
/* The same, and the next jobs in the same call. A refused completion claims nothing. */
RUCHE_PUBLIC int ruche_complete_and_claim(struct ruche_client *client, const struct ruche_job *job, const char *result_json,
					  const struct ruche_claim_options *next, struct ruche_claimed **out, struct ruche_error *error);
RUCHE_PUBLIC int ruche_fail_and_claim(struct ruche_client *client, const struct ruche_job *job, const struct ruche_failure *failure,
				      const struct ruche_claim_options *next, struct ruche_claimed **out, struct ruche_error *error);
/* Back to the head of the line, at no cost. */
RUCHE_PUBLIC int ruche_release(struct ruche_client *client, const struct ruche_job *job, struct ruche_error *error);
/* Again later, at no cost. */
RUCHE_PUBLIC int ruche_snooze(struct ruche_client *client, const struct ruche_job *job, int64_t delay_ms, struct ruche_error *error);
/* The lease begins anew, with lease_ms or, when that is 0, with what it had. *out_cancel (may be NULL): the job is to be cancelled. */
RUCHE_PUBLIC int ruche_heartbeat(struct ruche_client *client, const struct ruche_job *job, int64_t lease_ms, int *out_cancel,
				 struct ruche_error *error);
RUCHE_PUBLIC int ruche_progress(struct ruche_client *client, const struct ruche_job *job, const char *progress_json, int *out_cancel,
				struct ruche_error *error);
RUCHE_PUBLIC int ruche_log(struct ruche_client *client, const struct ruche_job *job, const char *line, struct ruche_error *error);

/* ---- a batch: operations of any kind, in order, in one call ---- */

struct ruche_batch;

RUCHE_PUBLIC int ruche_batch_new(struct ruche_client *client, struct ruche_batch **out, struct ruche_error *error);
RUCHE_PUBLIC void ruche_batch_free(struct ruche_batch *batch);
RUCHE_PUBLIC void ruche_batch_clear(struct ruche_batch *batch);
RUCHE_PUBLIC size_t ruche_batch_count(const struct ruche_batch *batch);
/* What an add is given is copied; an add that fails leaves the batch as it was. */
RUCHE_PUBLIC int ruche_batch_enqueue(struct ruche_batch *batch, const struct ruche_new_job *job, struct ruche_error *error);
RUCHE_PUBLIC int ruche_batch_complete(struct ruche_batch *batch, const struct ruche_job *job, const char *result_json, struct ruche_error *error);
RUCHE_PUBLIC int ruche_batch_fail(struct ruche_batch *batch, const struct ruche_job *job, const struct ruche_failure *failure,
				  struct ruche_error *error);
/* Any other: {"op": "cancel", "uid": "…"}. */
RUCHE_PUBLIC int ruche_batch_add(struct ruche_batch *batch, const char *operation_json, struct ruche_error *error);
/* At most 20,000 operations. Sends them and keeps them, so that it can be sent again; the answer has a result for each. */
RUCHE_PUBLIC int ruche_batch_send(struct ruche_batch *batch, const struct ruche_call_options *options, struct ruche_answer **out,
				  struct ruche_error *error);

/* ---- looking at jobs, and waiting for them ---- */

struct ruche_job_info { /* made by the library; members may be added at the end. What is absent is NULL */
	const char *uid, *id, *queue, *namespace_name;
	const char *state;         /* "waiting", "delayed", "active", … "completed", "failed", "cancelled", "expired" */
	int ended;
	int cancel_requested;
	const char *outcome;       /* of an ended one: "success", "final_error", … */
	const char *payload, *result_json, *error_json, *progress_json;
	const char *worker;
	int64_t attempts_started, attempts_made, stalls, fence;
	const char *json;          /* all of it */
};

enum ruche_look { RUCHE_WITH_PAYLOAD = 1, RUCHE_WITHOUT_RESULT = 2 }; /* flags */

RUCHE_PUBLIC void ruche_job_info_free(struct ruche_job_info *info);
RUCHE_PUBLIC int ruche_job_get(struct ruche_client *client, const char *uid, unsigned flags, struct ruche_job_info **out,
			       struct ruche_error *error);
/* By the caller's own id. namespace_name NULL: the client's. */
RUCHE_PUBLIC int ruche_job_find(struct ruche_client *client, const char *namespace_name, const char *queue, const char *id, unsigned flags,
				struct ruche_job_info **out, struct ruche_error *error);
/* Until the job has ended; RUCHE_TIMED_OUT after timeout_ms. A daemon that goes away meanwhile is waited for; one that is not there to
 * begin with is told at once. */
RUCHE_PUBLIC int ruche_wait(struct ruche_client *client, const char *uid, int64_t timeout_ms, struct ruche_job_info **out,
			    struct ruche_error *error);
/* Waiting and delayed jobs end at once; the worker of an active one is asked to stop. reason may be NULL. */
RUCHE_PUBLIC int ruche_cancel(struct ruche_client *client, const char *uid, const char *reason, struct ruche_error *error);

/* ---- a worker: claims, runs, reports; as many jobs at once as it has threads ---- */

struct ruche_worker;
struct ruche_task; /* one job that runs, as its handler sees it; valid until the handler returns */

enum ruche_stop {
	RUCHE_GO_ON = 0,
	RUCHE_STOP_CANCELLED = 1,  /* somebody cancelled the job: clean up and return non-zero */
	RUCHE_STOP_LEASE_LOST = 2, /* the job is no longer ours: whatever is reported will be refused */
	RUCHE_STOP_TIMEOUT = 3,    /* the attempt took longer than the job's timeout_ms */
	RUCHE_STOP_SHUTDOWN = 4    /* the worker is to end: return non-zero and the job is handed back at no cost */
};

/* Runs one job, in one of the worker's threads. Unless the task was told otherwise (below), 0 completes the job with a null result and
 * anything else fails the attempt. */
typedef int ruche_handler(struct ruche_task *task, void *context);
/* Told of trouble that the worker deals with by itself: the daemon cannot be reached, a lease was lost, a report was refused. job may be
 * NULL. Called from any of the worker's threads, several at once. */
typedef void ruche_trouble(void *context, const struct ruche_job *job, const struct ruche_error *error);

struct ruche_worker_options {
	size_t size;
	const char *const *queues;  /* needed; served in this order */
	size_t queue_count;
	const char *namespace_name; /* NULL: the client's */
	int64_t concurrency;        /* threads, up to 1,024; 0: 1 */
	int64_t lease_ms;           /* 0: the queue's */
	int64_t heartbeat_ms;       /* how often leases are renewed, and cancels noticed; 0: a third of the lease, at most 5,000 */
	int64_t poll_ms;            /* of one long poll, which a stop waits for, so that no grant is lost; 0: 3,000 */
	int64_t grace_ms;           /* after a stop, for what runs; 0: 30,000 */
	int drain;                  /* end when nothing is left to claim */
	const char *worker;         /* as the daemon shows us, with jobs and among those who work; NULL: HOST:PID */
	ruche_trouble *trouble;     /* may be NULL */
	void *context;              /* of handler and trouble */
};

/* The client must outlive the worker; options and all they point to are copied. */
RUCHE_PUBLIC int ruche_worker_new(struct ruche_client *client, const struct ruche_worker_options *options, ruche_handler *handler,
				  struct ruche_worker **out, struct ruche_error *error);
/* Works until it is stopped or drained, once; all its threads have ended when it returns. Meanwhile `ruche workers` lists it, busy or not, once
 * for each queue; no job depends on that, and what fails of it is not told. A daemon that goes away is waited for, and what
 * ran meanwhile is reported when it is back. What waiting cannot help (a bad token, a bad queue name) ends it with that error. The
 * handlers' threads have the signal mask of the caller. */
RUCHE_PUBLIC int ruche_worker_run(struct ruche_worker *worker, struct ruche_error *error);
/* From any thread, also from a signal handler: no new jobs; what runs may go on for grace_ms. The second call ends the grace. */
RUCHE_PUBLIC void ruche_worker_stop(struct ruche_worker *worker);
RUCHE_PUBLIC void ruche_worker_free(struct ruche_worker *worker); /* not while it runs */

RUCHE_PUBLIC const struct ruche_job *ruche_task_job(const struct ruche_task *task);
RUCHE_PUBLIC struct ruche_client *ruche_task_client(const struct ruche_task *task);
/* Whether and why to stop, enum ruche_stop: a flag, cheap to ask, from any thread. */
RUCHE_PUBLIC int ruche_task_stopping(const struct ruche_task *task);
/* Sleeps for wait_ms or until it should stop. Answers ruche_task_stopping. */
RUCHE_PUBLIC int ruche_task_wait(struct ruche_task *task, int64_t wait_ms);
/* How the job is to end, once the handler returns; the last word holds, whatever the handler returns. */
RUCHE_PUBLIC int ruche_task_complete(struct ruche_task *task, const char *result_json, struct ruche_error *error);
RUCHE_PUBLIC int ruche_task_fail(struct ruche_task *task, const struct ruche_failure *failure, struct ruche_error *error);
RUCHE_PUBLIC int ruche_task_release(struct ruche_task *task, struct ruche_error *error);
RUCHE_PUBLIC int ruche_task_snooze(struct ruche_task *task, int64_t delay_ms, struct ruche_error *error);
/* Sent at once. */
RUCHE_PUBLIC int ruche_task_progress(struct ruche_task *task, const char *progress_json, struct ruche_error *error);
RUCHE_PUBLIC int ruche_task_log(struct ruche_task *task, const char *line, struct ruche_error *error);

#ifdef __cplusplus
}
#endif
#endif
