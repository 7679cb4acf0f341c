/* src/http/server_priv.h: what the server's files share. server.c owns the lists and the turn's end, listener.c lets connections in,
 * connection.c reads requests from one and writes its answers, exchange.c is one request and its answer.
 *
 * All of it lives on the loop's thread. Within a turn of the loop, answers only gather in their connection's output, and the
 * connection is put on the list of those with something to do (dirty); before the loop sleeps or closes handles, http_server_flush
 * settles each of them: one system call writes everything, reading goes on or stops, deadlines are set, ends are ended. */
#pragma once
#include "base/map.h"
#include "base/pool.h"
#include "http/chunked.h"
#include "http/deadline.h"
#include "http/output.h"
#include "http/request_head.h"
#include "net/address.h"

#define HTTP_READ_BYTES     65536   /* the read buffer that all connections share */
#define HTTP_WRITE_SLICE    262144  /* of one connection's output, per turn of the loop */
#define HTTP_WRITE_SLICES   32      /* pieces of one system call */
#define HTTP_UNSENT_MAX     1048576 /* above it a stream is refused bytes, and a client that sends requests is not read */
#define HTTP_BODY_RESERVE   1048576 /* the most that a Content-Length reserves before bytes came */
#define HTTP_SKIP_BYTES     65536   /* a body not wanted: up to it, it is read and dropped, so that the connection goes on */
#define HTTP_DIRECT_READ    32768   /* that much of a body to come: it is read into its place */
#define HTTP_RATE_GRACE_MS  5000    /* before body_rate_bytes counts */
#define HTTP_TICK_MS        100     /* deadlines are kept to this */
#define HTTP_STOPPED_MS     1000    /* how often a client that is not read is looked at */
#define HTTP_LINGER_MS      2000    /* for the client to read our last answer and close */
#define HTTP_ACCEPT_BATCH   64      /* connections accepted per turn and listener */
#define HTTP_EXCHANGE_BYTES 2048    /* an exchange with its first memory: head, fields, what the handler asks */
#define HTTP_EXCHANGES_KEPT 1024

struct http_peer_address {
	struct ip_address ip;
	uint16_t port;
	bool is_unix;
};

struct http_exchange {
	struct http_server *server;
	struct http_connection *connection; /* NULL: it is closed */
	struct http_exchange *next;         /* in the line of its connection, in the order of requests; or among the kept ones */
	struct http_peer_address peer;
	bool dispatched;       /* the handler has it */
	bool answered;         /* the answer is complete */
	bool streaming;        /* between stream_begin and stream_end */
	bool gone;             /* the client went before the answer; on_gone was called */
	bool closes;           /* its answer is the connection's last */
	bool chunks;           /* the stream is chunked */
	bool let_in;           /* by the gate */
	bool known;            /* so is its sender */
	bool wants_continue;   /* 100 Continue is due when the answers before it are through */
	struct http_head_values head;
	char *head_bytes;
	struct http_field *fields;
	struct buf body;
	size_t body_room;          /* counted for it in the server's stats */
	void *context;
	void (*on_gone)(struct http_exchange *exchange, void *context);
	struct http_output output; /* of the answer, while earlier ones are not complete */
	struct arena arena;        /* begins in `memory` */
	_Alignas(16) char memory[];
};

enum http_input {
	HTTP_INPUT_HEAD, /* a request begins, or has begun */
	HTTP_INPUT_BODY,
	HTTP_INPUT_SKIP, /* the rest of a body whose request was answered by its head */
	HTTP_INPUT_NONE  /* nothing more is taken from this client: what it sends is dropped */
};

struct http_connection {
	struct http_server *server;
	struct http_connection *next, **link;             /* all connections */
	struct http_connection *next_dirty, **dirty_link; /* something to do at the turn's end; dirty_link NULL: not in the list */
	struct http_deadline read_due, write_due;

	enum http_input state;
	struct buf input;            /* arrived, not understood yet; empty when the connection is idle */
	struct http_scan scan;
	struct http_chunked chunked;
	uint64_t body_left;          /* of a Content-Length, also of one that is skipped */
	uint64_t body_wire_bytes;    /* of this body, its chunk framing included */
	int64_t body_since_ms;
	struct http_exchange *first, *last; /* the line: answers leave in this order */
	struct http_exchange *receiving;    /* its body is being read: the last of the line; or NULL */
	uint32_t line_count, unanswered;    /* unanswered: dispatched, not answered */

	struct http_output output;
	size_t writing_bytes;        /* handed to uv_write; 0: nothing is */
	size_t unwritten_bytes;      /* of them when write_due was set, to see progress */

	enum http_refusal refusal;   /* to be answered when the line is empty */
	struct http_peer_address peer;
	uint32_t peer_slot;          /* in server->peers, or POOL_NONE */
	bool stopped;                /* not read: too many requests wait, or too much output */
	bool ended;                  /* the client sends no more */
	bool lingering;              /* all is said; waiting for the client to close */
	bool broken;                 /* no memory for an answer: to be closed */
	bool closed;
	struct buf *captured;        /* a connection without a socket (tests, fuzzing): what it would write */
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} socket;
};

struct http_listener {
	struct http_server *server;
	struct http_listener *next;
	uv_poll_t poll;
	int fd;
	uint16_t port;      /* 0: a Unix socket */
	bool paused;        /* no descriptors: until the next tick */
	bool closing;
	char path[ADDRESS_PATH_MAX + 1]; /* ours to unlink, or empty */
	uint64_t device, inode;          /* of the path when we made it */
};

struct http_peer_count { /* connections of one address */
	struct ip_address ip;
	uint32_t connections;
};

struct http_server {
	uv_loop_t *loop;
	struct http_limits limits;
	http_handler *handler;
	void *context;
	struct http_gate gate;  /* zeroed: everybody is let in */
	struct http_listener *listeners, **listeners_last;
	struct http_connection *connections;
	struct http_connection *dirty, **dirty_last;
	struct http_exchange *kept;
	uint32_t kept_count;
	uint32_t exchanges_out; /* in a line, or with the handler */
	struct http_pieces pieces;
	struct http_deadlines deadlines;
	int64_t tick_at_ms;     /* when the timer fires, or HTTP_NEVER */
	struct pool peers;
	struct map peer_map;
	uint64_t peer_seed;
	int reserve_fd;         /* given up for a moment when descriptors run out; -1: none */
	uv_timer_t tick;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t awake;        /* runs while connections are dirty: the loop must not sleep on answers given after our prepare */
	uint32_t handles;       /* of ours that libuv still has */
	bool draining;          /* no new connections; answers are each connection's last */
	bool stopping;          /* draining or aborted */
	bool base_closed;       /* tick, prepare, check and awake are closing */
	bool freed;             /* the owner let go of it */
	int64_t ahead_ms;       /* of the loop's clock: tests move it instead of waiting */
	void (*drained)(void *context);
	void *drained_context;
	struct http_server_stats stats;
	time_t date_s;
	char date_lines[80];    /* "\r\nServer: ruche\r\nDate: …\r\n" */
	size_t date_lines_len;
	char read_buffer[HTTP_READ_BYTES];
};

/* ---- server.c ---- */
int64_t http_server_now_ms(const struct http_server *server);
struct str http_server_date_lines(struct http_server *server);
void http_server_flush(struct http_server *server); /* the end of a turn */
void http_server_tick(struct http_server *server); /* what is due */
void http_server_wants_tick(struct http_server *server, int64_t at_ms);
void http_server_set_due(struct http_connection *connection, struct http_deadline *deadline, enum http_deadline_kind kind);
void http_server_mark_dirty(struct http_connection *connection);
void http_server_unmark_dirty(struct http_connection *connection);
void http_server_handle_closed(struct http_server *server);
void http_server_check_drained(struct http_server *server);
/* May a connection of this address come in? Counts it. *out_slot goes to http_server_leave. */
enum http_refusal http_server_admit(struct http_server *server, const struct http_peer_address *peer, uint32_t *out_slot);
void http_server_leave(struct http_server *server, uint32_t peer_slot);

/* ---- listener.c ---- */
void http_listener_close(struct http_listener *listener);
void http_listener_resume(struct http_listener *listener);

/* ---- connection.c ---- */
/* Takes the descriptor over, whatever happens. */
void http_connection_open(struct http_server *server, int fd, const struct http_peer_address *peer, uint32_t peer_slot);
/* A connection without a socket: what it answers is appended to *captured at each http_server_flush. NULL: no memory. */
struct http_connection *http_connection_open_bare(struct http_server *server, struct buf *captured);
void http_connection_free_bare(struct http_connection *connection); /* after it was closed */
void http_connection_feed(struct http_connection *connection, struct str bytes);
void http_connection_end(struct http_connection *connection); /* the client sends no more */
void http_connection_settle(struct http_connection *connection); /* the turn's end */
void http_connection_due(struct http_connection *connection, enum http_deadline_kind kind);
void http_connection_close(struct http_connection *connection);
void http_connection_reset(struct http_connection *connection);
void http_connection_drain(struct http_connection *connection);
/* The first of the line is answered: it leaves, and what waits behind it moves up. */
void http_connection_advance(struct http_connection *connection);

/* ---- exchange.c ---- */
struct http_exchange *http_exchange_new(struct http_server *server, struct http_connection *connection);
void http_exchange_free(struct http_exchange *exchange);
/* Makes sure that `bytes` of its body are counted. False: all bodies together would be too large. */
MUST_USE bool http_exchange_count_body(struct http_exchange *exchange, uint64_t bytes);
/* Copies the head into the exchange and reads it. */
enum http_refusal http_exchange_read_head(struct http_exchange *exchange, struct str head, uint32_t lines);
void http_exchange_write_continue(struct http_connection *connection);
void http_exchange_write_refusal(struct http_connection *connection, enum http_refusal refusal);
/* The whole 503 for a socket that gets no connection; answers its length. */
size_t http_exchange_refusal_text(struct http_server *server, enum http_refusal refusal, char *out, size_t out_bytes);
