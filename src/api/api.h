/* src/api/api.h: HTTP to operations and queries, and back to JSON. Lives on the loop thread. It knows no thread, no store and no
 * engine: what it asks leaves through two ports, and comes back through api_reply and api_answer on the same thread.
 *
 * An exchange's life: authenticate (token, scope) → route → decode body or query → request or question → reply → encode → respond. */
#pragma once
#include "base/buf.h"
#include "engine/command.h"
#include "http/server.h"
#include "store/query.h"
#include <uv.h>

struct api;
struct secrets;
struct sockaddr;

/* A format's program on its way to be compiled, or run once, and back; the api's own. */
struct compile {
	void *link, *carrier;       /* the carrier's */
	void *owner;
	struct str program;
	struct str input;           /* JSON to run it over; ptr NULL: it is compiled only */
	enum err err;               /* E_INVALID: it does not compile, or fails on this input; anything else: nobody could tell */
	bool killed;                /* E_INVALID: it went over a bound */
	bool nothing;               /* E_OK: it made nothing of the input */
	struct buf output;          /* E_OK: one JSON value; the owner initialises and frees it */
	int64_t us;                 /* its run */
	char why[400];              /* without capital and point */
};
/* An incoming webhook that was not believed. */
struct distrust {
	struct str namespace_name, source, peer;
	const char *why;            /* a sentence; nothing of what was sent, nor of a secret */
	uint64_t count;             /* how many since it was told last, this one too */
};
struct api_ports {
	void *context;
	void (*submit)(void *context, struct request *request);   /* comes back through api_reply */
	void (*ask)(void *context, struct question *question);    /* comes back through api_answer */
	/* One line a check for /readyz?verbose: appends JSON members to out ("store":{"ok":true,…}); answers whether all are well. */
	bool (*ready)(void *context, struct buf *out);
	void (*metrics)(void *context, struct buf *out);           /* OpenMetrics text of the daemon's own gauges, appended to /metrics */
	void (*random)(void *context, void *out, size_t bytes);    /* for dice, tokens */
	void (*now)(void *context, int64_t *wall_us);
	/* May third parties be called there? Otherwise why not, in a sentence. As at the call itself (deliver/guard.h). origin is scheme, host
	 * and port of the URL; address is the one that stands in it, or NULL: its host is a name. */
	bool (*judge)(void *context, const char *origin, const struct sockaddr *address, char *why, size_t why_bytes);
	void (*compile)(void *context, struct compile *compile);   /* comes back through api_compiled */
	void (*distrusted)(void *context, const struct distrust *distrust); /* at most once a minute a source */
};
struct api_config {
	uv_loop_t *loop;            /* the server's: for timers, and for its thread pool, where large bodies are decoded */
	bool open;                  /* `ruche dev`: no token needed; loopback only */
	size_t body_bytes;          /* the largest body of any route */
	uint8_t maker;              /* of uids */
	uint64_t last_uid;          /* uids start above it */
	size_t definition_cache_bytes; /* of jobs just enqueued, so that claims need no read (8 MiB; 0: none) */
	const char *version;
	int64_t message_age_ms;     /* so long are messages kept at least; 0: for ever */
	uint32_t guesses_max;       /* wrong passwords of one address for a source within a minute, before it waits; 0: any number */
	struct secrets *secrets;    /* open as long as the api is; secrets are sealed here */
};

struct api *api_new(const struct api_config *config, const struct api_ports *ports); /* NULL: no memory */
/* No exchange, request or question of it may be on its way. The loop must run once more: timers are closed there. */
void api_free(struct api *api);
http_handler api_handle; /* context: the api */
/* The same, earlier: a request is routed, its token and everything else of its head judged before any of its body is kept. */
extern const struct http_gate api_gate;
void api_reply(struct api *api, struct request *request);    /* takes the request back */
void api_answer(struct api *api, struct question *question); /* takes the question back */
void api_compiled(struct api *api, struct compile *compile); /* takes it back */
/* EFFECT_NAMED: what sources there are. Those that were told before a reply must be told here before it. E_NOMEM: nothing changed. */
MUST_USE enum err api_named(struct api *api, const struct effect_named *named);
/* Events up to this commit are there: wakes the streams. */
void api_events(struct api *api, uint64_t commit_seq);
/* Ends streams and long polls with a clear answer, so that the server can drain. */
void api_quiesce(struct api *api);
/* Tokens are cached here: asked for at the start (a question) and again after each change. True once the first answer is there. */
bool api_is_ready(const struct api *api);
void api_learn_tokens(struct api *api); /* asks for them anew: after one was made elsewhere (the first start's admin token) */
