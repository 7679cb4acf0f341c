/* src/http/server.h: an HTTP/1.1 server on a libuv loop, http-parser underneath. TCP and Unix sockets, keep-alive, pipelining,
 * chunked and Content-Length bodies, `Expect: 100-continue`, HEAD, streamed answers (SSE). Everything happens on the loop's thread.
 *
 * Guarantees: every size and every time has a limit (struct http_limits); what could be understood two ways (both lengths, bare
 * CR or LF, blanks before a colon, folded headers, duplicate Content-Length or Host, a chunk size that overflows) is answered 400
 * and the connection closed; a client that goes away is noticed, also during a long poll (on_gone); answers of pipelined requests leave in the
 * order of their requests; an idle or waiting connection holds no read buffer. A client that only closes its sending half (`nc -N`)
 * counts as gone, yet answers to what it asked still leave.
 *
 * Writing to a socket whose client is gone raises SIGPIPE: http_server_new makes the process ignore it, unless it has a handler. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include <uv.h>

struct http_server;
struct http_exchange; /* one request and its answer */

struct http_limits {
	size_t header_bytes;        /* LIMIT_HEADER_BYTES: 431 above */
	size_t body_bytes;          /* 413 above */
	size_t body_memory;         /* of all bodies together until their answers; those of senders unknown have half of it. 503 above (0: no limit; 256 MiB) */
	int64_t header_ms;          /* from the first byte of a request to the end of its headers: 408 (10,000) */
	int64_t body_idle_ms;       /* without a byte of body (10,000) */
	int64_t body_rate_bytes;    /* least bytes a second once 5 s have passed (1,024) */
	int64_t idle_ms;            /* between requests (75,000) */
	int64_t write_idle_ms;      /* an answer the client does not read (30,000) */
	uint32_t connections;       /* in all: 503 and close above (20,000) */
	uint32_t connections_per_address; /* TCP peers, by address; loopback too (0: no limit; 20,000) */
	uint32_t pipelined;         /* unanswered requests of a connection before it is no longer read (64) */
};
void http_limits_default(struct http_limits *limits);

enum http_method { HTTP_M_GET, HTTP_M_HEAD, HTTP_M_POST, HTTP_M_PUT, HTTP_M_PATCH, HTTP_M_DELETE, HTTP_M_OPTIONS, HTTP_M_OTHER };

/* Called once per request when it has arrived whole (body included). It must sooner or later call http_respond or
 * http_stream_begin … http_stream_end, on the loop's thread; until then the exchange stays valid, also when the client went. */
typedef void http_handler(void *context, struct http_exchange *exchange);

struct http_server *http_server_new(uv_loop_t *loop, const struct http_limits *limits, http_handler *handler, void *context);
/* Looks at heads, so that nobody's body is kept who will be refused anyway. Both with the handler's context. */
struct http_gate {
	/* Called once the head of a request is there that a body follows, before anything of the body is kept. True: it may come. False: the gate has
	 * answered (http_respond, http_respond_str), and the exchange is no longer its own. What comes of the body is dropped: a short one, so that
	 * the connection goes on; else the answer is the connection's last. A client that waits for `100 Continue` gets none. */
	bool (*judge)(void *context, struct http_exchange *exchange);
	/* One that was let in never becomes whole: the handler will not be called for it. It may only be looked at. */
	void (*lost)(void *context, struct http_exchange *exchange);
};
void http_server_set_gate(struct http_server *server, const struct http_gate *gate);
/* "127.0.0.1:8420", "[::1]:8420", "host:0" or "unix:/path" (mode 0660; a stale socket file is replaced, a live one is E_ADDRESS_IN_USE).
 * May be called several times. The problem names the address. */
MUST_USE enum err http_server_listen(struct http_server *server, struct str address, struct problem *problem);
/* Takes over a listening descriptor (socket activation). */
MUST_USE enum err http_server_listen_fd(struct http_server *server, int fd, struct problem *problem);
/* The port of the n-th TCP listener (tests listen on port 0), or 0. */
uint16_t http_server_port(const struct http_server *server, uint32_t n);
/* Stops accepting; idle connections close, running exchanges may finish and are answered with `Connection: close`.
 * drained(context) is called when none is left; http_server_free may then be called. */
void http_server_drain(struct http_server *server, void (*drained)(void *context), void *context);
void http_server_abort(struct http_server *server); /* closes everything now; run the loop once more before free */
void http_server_free(struct http_server *server);

struct http_server_stats {
	uint64_t requests, refused_parse, refused_limit, timed_out, connections_total;
	uint64_t refused_early; /* by the gate */
	uint64_t body_bytes, unknown_body_bytes; /* room taken by bodies now; of them, those of senders unknown */
	uint32_t connections_now, waiting_now; /* waiting: connections with an unanswered request */
};
void http_server_stats(const struct http_server *server, struct http_server_stats *out);

/* ---- the request ---- */
enum http_method http_method(const struct http_exchange *exchange);
struct str http_path(const struct http_exchange *exchange);                   /* raw, starts with '/', without the query */
struct str http_query(const struct http_exchange *exchange);                  /* raw, without '?' */
struct str http_header(const struct http_exchange *exchange, struct str name); /* any case; empty when absent; the first of several */
struct str http_body(const struct http_exchange *exchange);
/* What Content-Length announces; 0 without one. */
uint64_t http_content_length(const struct http_exchange *exchange);
bool http_is_chunked(const struct http_exchange *exchange); /* its length is not known before it ends */
/* At the gate: the body may have so many bytes, and no more than limits.body_bytes (413 above); is its sender known? Without: not. */
void http_let_body(struct http_exchange *exchange, size_t max_bytes, bool known);
uint64_t http_peer_hash(const struct http_exchange *exchange, uint64_t seed); /* the same for one address: IPv6 by its network of /64, Unix sockets all alike */
struct str http_peer(const struct http_exchange *exchange); /* "127.0.0.1:51234" or "unix" */
/* The body becomes the caller's: *out owns the bytes (buf_fini), http_body is empty from now on. Slices handed out before stay valid. */
void http_take_body(struct http_exchange *exchange, struct buf *out);
/* Small memory that lives as long as the exchange (decoded query, routing). */
struct arena *http_arena(struct http_exchange *exchange);
/* Value of a query parameter, percent-decoded into the arena; *found false when absent; E_BAD_REQUEST on bad escapes or bad UTF-8. */
MUST_USE enum err http_query_param(struct http_exchange *exchange, struct str name, struct str *out, bool *found);
/* Walks the raw parameters: false at the end. *at starts at 0. For refusing unknown ones. */
bool http_query_next(struct http_exchange *exchange, size_t *at, struct str *name, struct str *value);
/* The caller's pointer, and a call when the client goes away before the answer (once; the answer must still be given and is then dropped). */
void http_set_context(struct http_exchange *exchange, void *context, void (*on_gone)(struct http_exchange *exchange, void *context));
void *http_context(const struct http_exchange *exchange);
bool http_client_gone(const struct http_exchange *exchange);

/* ---- the answer ---- */
/* Extra headers are whole lines ("Allow: GET\r\n"). content_type empty: no body. The body buf is taken (emptied). After it the
 * exchange is no longer the caller's. Writes of one loop turn on one connection leave in one system call. A body that failed for
 * want of memory is answered with 503. False: this answer will not arrive, for want of memory or because the connection is gone. */
bool http_respond(struct http_exchange *exchange, int status, struct str content_type, struct str extra_headers, struct buf *body);
/* The same for constant or short text; the bytes are copied. */
bool http_respond_str(struct http_exchange *exchange, int status, struct str content_type, struct str extra_headers, struct str body);
/* Streams: chunked (or until close for HTTP/1.0). write copies; answers false once the client is gone or more than 1 MiB waits
 * unsent: then end it. */
void http_stream_begin(struct http_exchange *exchange, int status, struct str content_type, struct str extra_headers);
bool http_stream_write(struct http_exchange *exchange, struct str bytes);
void http_stream_end(struct http_exchange *exchange);
/* Breaks the connection off instead of answering (a TCP client sees a reset); for receivers that play a broken third party. */
void http_reset(struct http_exchange *exchange);
