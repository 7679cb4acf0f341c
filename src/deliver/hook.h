/* src/deliver/hook.h: from a delivery of a message to the HTTP call that tells its endpoint: the steps of an attempt, in the order of the table.
 *
 *   read       the message, and the endpoint's settings as they were when the attempt began
 *   outdated   order "latest": something newer about the entity was delivered already → filtered
 *   retract    the entity is gone and the endpoint knows it → its retract call; knows it not → filtered
 *   shape      the body, by the endpoint's format: a program's is made first, then the steps begin anew; nothing to send → retract, or filtered
 *   address    URL and method: update_url once the other side's own id is known, {places} filled in
 *   authorise  Authorization, the endpoint's own headers, certificates of both sides
 *   sign       webhook-id, webhook-timestamp, webhook-signature by every live value of the secret
 *
 * Secrets are read from one snapshot for the whole attempt. Values that went into the call are remembered, so that what is kept of the exchange
 * shows them nowhere (redact_values), and lie in the call's arena only. */
#pragma once
#include "deliver/endpoint_cache.h"
#include "deliver/oauth.h"
#include "deliver/program_table.h"
#include "deliver/request.h"
#include "deliver/secret_port.h"
#include "deliver/shaping.h"

#define HOOK_SECRET_AGAIN_MS 2000 /* a secret that is missing is looked for again after this; then after twice as long each time, */
#define HOOK_SECRET_AGAIN_MAX_MS 30000 /* up to this */

struct hook_room { /* what all of them share; one thread */
	struct secret_port secrets;
	struct oauth_room *tokens;
	struct program_table *programs; /* NULL: there are only built-in formats */
	struct endpoint_cache endpoints;
	struct buf text;
};
void hook_room_init(struct hook_room *room, const struct secret_port *secrets, struct oauth_room *tokens);
void hook_room_fini(struct hook_room *room);

struct hook_subject { /* what a delivery is about, however it ends */
	bool meta;                  /* its message is about endpoints */
	bool test;                  /* its message is a test */
	bool slow;                  /* its body took long to make */
	uint64_t message;           /* 0: it was not read */
	struct str type, entity;    /* of the message */
};
struct hook { /* what the verdict needs to know of the call; of the call's arena */
	uint64_t message;
	struct str message_id;      /* "msg_…" */
	struct str entity;          /* empty: none */
	struct str external_id;     /* the path at which the answer has it (json_path.h); empty: none is looked for */
	bool retracts, test;
	bool batch;                 /* of several messages: message_id is "bat_…", the call's own */
	struct str token;           /* the access token that the call carries; empty: none */
	int64_t token_since_us;     /* when it came, on the monotonic clock */
	bool alone;                 /* a 429 holds back only this delivery */
	struct str *secrets;        /* values that stand in the call */
	uint32_t secret_count;
};

/* Of a batch (bundle.h): the bodies of its messages, made one by one, are one call's. */
struct hook_parts {
	struct str id, body;
	bool wrapped;               /* by a program of its own */
};

enum hook_end { HOOK_CALL, HOOK_PROGRAM, HOOK_TOKEN, HOOK_FILTERED, HOOK_FAILED };
struct hook_answer {
	enum hook_end end;
	struct call call;           /* CALL: of the arena */
	struct format_program *program; /* PROGRAM: it makes the body of the input, which is the arena's */
	struct str input;
	struct oauth_wish wish;     /* TOKEN: without this one there is no call; of the arena and the room: to be fetched at once */
	const char *reason;         /* FILTERED: "superseded", "deleted", "nothing": the format made none */
	enum http_class http_class; /* FAILED, with the detail, a sentence without its point */
	char detail[256];
};
/* The view is of a delivery: its definition names a message. shaped: what its program made; NULL: nobody asked yet. E_NOMEM: nothing else is said. */
MUST_USE enum err hook_prepare(struct hook_room *room, const struct effect *effect, const struct job_view *view, const struct shaping *shaped,
			       int64_t now_us, struct arena *arena, struct hook_answer *out);
/* One message's part of a batch. end CALL: call.body is it, and JSON; call.hook is about this message; there is no more of a call. */
MUST_USE enum err hook_prepare_part(struct hook_room *room, const struct effect *effect, const struct job_view *view, int64_t now_us,
				    struct arena *arena, struct hook_answer *out);
/* The call of a batch. view: of its first message, whose payload is not looked at. */
MUST_USE enum err hook_prepare_batch(struct hook_room *room, const struct effect *effect, const struct job_view *view, const struct hook_parts *parts,
				     int64_t now_us, struct arena *arena, struct hook_answer *out);
