/* src/api/call.h: one HTTP exchange on its way through the API, and what all of them share. Private to the room.
 *
 * A call's life: taken from the free list → routed → token and scope checked → parameters read → (the body comes) → body decoded (a large one on
 * the thread pool) → its request goes to the engine, or its question to a reader; `then` says what follows when it is back → answered,
 * given back. At most one of decoding, request and question is under way at a time; nothing but the decoding leaves the loop's thread.
 * A call without an exchange is an errand of our own: releasing what nobody took, withdrawing who left, learning tokens. */
#pragma once
#include "api/api.h"
#include "api/auth.h"
#include "api/guesses.h"
#include "api/router.h"
#include "api/shelf.h"
#include "api/source_table.h"
#include "base/uid.h"

#define CALL_PARAMS     24    /* query parameters of a route */
#define CALL_ARENA_MAX  ((size_t)256 * 1024 * 1024)
#define ANSWER_MAX      ((size_t)1024 * 1024 * 1024)
#define ANSWER_COPY_MAX (32 * 1024) /* shorter answers are copied to the connection, longer ones handed over */
#define DECODE_HERE_MAX (128 * 1024) /* bodies above it are decoded on the thread pool */
#define CALLS_KEPT      1024
#define DICE_BYTES      1024

struct preview;
struct stream;
struct worker;
struct call {
	struct api *api;
	struct call *next, *previous; /* of the live ones; next in the free list */
	struct call *next_awaiting;   /* of those that wait for the tokens to be learnt */
	struct http_exchange *exchange;
	const struct route *route;
	struct roster *roster;        /* that admitted it; NULL: everything is open */
	const struct token *token;
	struct str pieces[ROUTE_PIECES];
	struct param_value params[CALL_PARAMS];
	struct request request;
	uint32_t op_capacity;
	bool single;                  /* one operation, answered by itself: its refusal is the answer's status */
	bool patient;                 /* its request may be withdrawn */
	bool withdrawn;
	bool gone;                    /* nobody hears its answer any more */
	bool judged;                  /* by its head: nothing but the body is left to look at */
	uint64_t head_hash;           /* of method, path and query: begins an idempotent request's hash */
	char allow[ROUTE_ALLOW_BYTES]; /* E_METHOD: the methods that there are */
	struct question question;
	struct problem problem;
	void (*then)(struct call *call);
	bool (*decode)(struct call *call); /* perhaps on another thread */
	void (*checked)(struct call *call); /* what follows once foreign jobs are excluded (access.c) */
	struct query kept_query;      /* meanwhile */
	uv_work_t work;
	bool decoded;
	struct str *fragments;        /* definitions of the grants that were on the shelf (claims.c) */
	uint64_t number;              /* an operation's or token's (operations.c, tokens.c) */
	struct new_token *wanted_token; /* tokens.c */
	struct stream *stream;        /* events.c */
	struct totals *totals;        /* stats.c */
	struct worker *worker;        /* workers.c */
	struct replay_tally *tally;   /* recover.c */
	struct compile compile;       /* formats.c, preview.c */
	struct preview *preview;      /* preview.c */
	struct reception *reception;  /* incoming.c */
	struct poll *poll;            /* poll.c */
	const char *challenge;        /* of a refused password: WWW-Authenticate */
	int64_t retry_after_s;        /* of a refusal; 0: a second, if it may be tried again at all */
	char token_text[TOKEN_TEXT_BYTES]; /* tokens.c: told once */
	char secret_text[64];         /* endpoints.c: the same */
	struct op *kept_op;           /* endpoints.c: while what is there is asked for */
};

struct api {
	struct api_config config;
	struct api_ports ports;
	struct uid_maker maker;
	unsigned char dice[DICE_BYTES];
	uint32_t dice_left;
	uint64_t last_request;
	struct call *free, *live;
	uint32_t free_count, live_count;
	struct roster *roster, *next_roster; /* next: being learnt */
	bool learning, learn_again, ready, quiescing;
	bool stale;                   /* the last learning failed: the next request tries again */
	struct call *awaiting;        /* the end of learning */
	struct buf scratch;           /* the answer being written */
	struct shelf shelf;
	struct stream *streams;
	struct alarm *alarm;          /* events.c */
	struct workers *workers;      /* workers.c; NULL: nobody told yet */
	uint64_t event_seq;           /* newest commit that may have events */
	struct arena label_arena;
	struct queue_name *labels;    /* by queue number: events tell no names. name.ptr NULL: not asked yet */
	uint32_t label_count;
	bool labelling;
	int64_t started_us;
	uint64_t answers[6];          /* by class of status */
	uint64_t refused_tokens;
	struct polls *polls;          /* poll.c */
	struct source_table sources;  /* of incoming webhooks */
	uint64_t received, received_again, distrusted, unheard; /* incoming.c */
	struct guesses guesses;       /* of passwords; incoming.c */
	uint64_t guess_seed;
	struct buf openapi;           /* written once, when first asked for */
};

/* ---- taking and giving back ---- */
struct call *call_take(struct api *api, struct http_exchange *exchange); /* NULL: no memory */
void call_give(struct call *call);
int64_t call_now_us(const struct call *call);
void api_random(struct api *api, void *out, size_t bytes); /* bytes <= DICE_BYTES */

/* ---- asking ---- */
/* One more zeroed operation; NULL: no memory (the problem is set), or more than LIMIT_OPS. May be called while decoding. */
struct op *call_op(struct call *call, enum op_kind kind);
/* The usual way: scopes and queues are checked, ids stamped, then the request leaves. */
void call_run(struct call *call);
void call_submit(struct call *call, void (*then)(struct call *call)); /* without checks */
void call_ask(struct call *call, void (*then)(struct call *call));
void call_replied(struct call *call); /* the usual continuation of a request */
/* A new errand with one zeroed operation; NULL: no memory. */
struct call *errand_new(struct api *api, enum op_kind kind, uint32_t count);
void errand_done(struct call *call); /* its usual continuation */

/* ---- answering: each ends the call ---- */
void call_refuse(struct call *call, enum err err); /* with call->problem, if that is about err */
/* Sets the problem and refuses. */
void call_fail(struct call *call, enum err err, const char *field, const char *detail_format, ...) PRINTF_LIKE(4, 5);
void call_respond(struct call *call, int status, struct str content_type, struct str extra_headers, struct buf *body);
void call_respond_empty(struct call *call, int status);
/* Runs the route's encoder over what came back. */
void call_encode(struct call *call);
void call_answered(struct call *call); /* the usual continuation of a question: its problem, or the encoder */
/* The last member of a page: "next_cursor":…} */
void call_put_next_cursor(struct call *call, struct buf *out);
void calls_free(struct api *api);

/* Which of the caller's operations that is: riders are not counted. */
uint32_t call_place(const struct call *call, uint32_t index);
/* {"type":…,"title":…,"status":…,"code":…,"detail":…,"field":…} */
void problem_write(struct buf *out, enum err err, const struct problem *problem);
/* "jobs[3]" before the problem's field. */
void problem_nest(struct problem *problem, const char *list, uint32_t index);

static inline const struct param_value *call_param(const struct call *call, const char *name)
{
	return route_param(call->route, call->params, name);
}

/* ---- access.c: what a token may touch ---- */
/* Scopes of the operations, queues named in them. False: the problem is set. */
MUST_USE bool access_check(struct call *call);
/* Jobs named by uid only: asks where they are when the token is limited to queues, then goes on with `next`; foreign ones are
 * answered as if they were not there. */
void access_resolve(struct call *call, void (*next)(struct call *call));
/* The same for one job, or none (0); call->question.query is kept for after it. */
void access_resolve_one(struct call *call, uint64_t uid, void (*next)(struct call *call));
/* Lists: a limited token must name one of its queues. */
MUST_USE bool access_list(struct call *call, struct queue_name queue);
MUST_USE bool access_unlimited(struct call *call, const char *what);

/* ---- api.c ---- */
/* `decode` touches nothing but the call: a large body is decoded on another thread. call->decoded says how it went. */
void call_decode_by(struct call *call, bool (*decode)(struct call *call), void (*then)(struct call *call));
bool media_is_json(struct str type); /* "application/json", with parameters or as a suffix ("application/cloudevents+json"). None at all passes */

/* ---- poll.c ---- */
MUST_USE enum err polls_init(struct api *api);
void polls_fini(struct api *api);
void polls_wake(struct api *api); /* something was committed */
void polls_heard(struct api *api, const struct request *request); /* it is committed; perhaps with messages */
void polls_quiesce(struct api *api);
void poll_gone(struct call *call);
void poll_drop(struct call *call);

/* ---- incoming.c ---- */
/* By the head of what comes: is there such a source, how much does it receive, and is the password right if that is all it asks for? */
MUST_USE enum err incoming_look(struct call *call, size_t *body_bytes);
void incoming_drop(struct call *call);

/* ---- secrets.c ---- */
enum signing_scheme;
void call_make_secret(struct call *call, enum signing_scheme scheme); /* a new signing key, as call->secret_text */

/* ---- claims.c: what follows a reply that holds claims ---- */
bool call_claims(const struct call *call);
void claims_replied(struct call *call);
void claims_abandon(struct call *call); /* gives back every grant of the reply */
void claims_shelve(struct call *call);  /* enqueues that were acknowledged */
void claim_write(struct buf *out, struct call *call, const struct op *op, uint32_t *at, uint32_t *view);

/* ---- preview.c ---- */
void preview_fini(struct preview *preview); /* its memory; the struct itself is the call's */

/* ---- tokens.c, events.c ---- */
void tokens_learn(struct api *api);
/* Goes on once every change of tokens that was made before is known here. */
void tokens_await(struct call *call, void (*then)(struct call *call));
void events_wake(struct api *api, uint64_t seq);
void events_quiesce(struct api *api);
void events_gone(struct call *call);
MUST_USE enum err events_init(struct api *api);
void events_fini(struct api *api);
void workers_fini(struct api *api);
