/* src/cli/swarm.h: many keep-alive HTTP/1.1 connections on one epoll, as cheap as they can be, for `ruche bench`: the client
 * shares the machine with the daemon that it measures, and what it burns the daemon lacks.
 *
 * One request a connection at a time, bytes written as they are given, answers understood by their status line and
 * Content-Length alone. Single-threaded: a swarm belongs to the thread that opened it. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct swarm;

struct bee { /* one connection */
	int fd;
	uint32_t index;
	bool waiting;       /* a request is out */
	bool blocked;       /* the socket took only a part; EPOLLOUT is armed */
	int64_t sent_us;    /* CLOCK_MONOTONIC, when the request was given */
	struct buf out, in;
	size_t out_sent;
	size_t answer_end;  /* of the answer in `in`, once its head has been read; 0 before */
	size_t body_begin;
	int status;
	uint32_t step;      /* the scenario's own */
	uint64_t tag;
	struct swarm *swarm;
};

/* An answer arrived whole. The body is gone after the call. The handler may send the bee's next request. */
typedef void swarm_handler(void *context, struct bee *bee, int status, struct str body);

/* address: "127.0.0.1:8420", "[::1]:8420" or "unix:/path". token may be empty. */
MUST_USE enum err swarm_open(struct str address, struct str token, uint32_t bees, swarm_handler *handler, void *context,
			     struct swarm **out, struct problem *problem);
void swarm_close(struct swarm *swarm); /* NULL is fine */
struct bee *swarm_bee(struct swarm *swarm, uint32_t index);

/* The first bytes of a request up to its Content-Length, made once: "POST /v1/jobs HTTP/1.1\r\nHost: …\r\nContent-Length: ". */
MUST_USE enum err swarm_head(const struct swarm *swarm, const char *method, const char *path, struct buf *out);
void swarm_send(struct bee *bee, struct str head, struct str body);

/* Turns until no bee waits, swarm_stop was called, or the instant (CLOCK_MONOTONIC) has come. E_TIMEOUT for the instant,
 * E_NETWORK when a connection broke. */
MUST_USE enum err swarm_run(struct swarm *swarm, int64_t until_us, struct problem *problem);
void swarm_stop(struct swarm *swarm);

/* One request and its answer, for set-up and verification: *body is valid until the bee's next request. */
MUST_USE enum err swarm_call(struct swarm *swarm, const char *method, const char *path, struct str request, int *status,
			     struct str *body, struct problem *problem);
