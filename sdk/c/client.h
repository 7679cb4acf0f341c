/* sdk/c/client.h: the client's inside, and one call through it: begin, path, body, send. Many threads may call at once: each call takes
 * an idle connection or makes one, and puts it back. */
#pragma once
#include "http/client.h"
#include "request.h"
#include <pthread.h>

#define CLIENT_IDLE_MAX 64 /* connections kept; more are closed when their call is over */

struct ruche_client {
	char *where;          /* the address as the caller wrote it, for sentences */
	char *base;           /* "http://127.0.0.1:8420", without a slash at the end */
	char *namespace_name; /* or NULL */
	char *token, *user_agent, *ca_file;
	struct http_caller_config config; /* its strings are those above, or tails of them */
	int64_t request_ms;
	size_t answer_max;
	pthread_mutex_t lock; /* of the idle ones */
	struct http_caller *idle[CLIENT_IDLE_MAX];
	uint32_t idle_count;
};

struct call {
	struct ruche_client *client;
	const char *method;
	struct buf path, body; /* the body is sent when it is not empty */
	bool object;           /* the body is an object under way, see call_object */
	const char *idempotency_key;
	int64_t timeout_ms;    /* begins as the client's request_ms */
	const volatile sig_atomic_t *stop; /* may be NULL */
	struct ruche_error *error;
	struct writer writer;  /* of the body */
};

void call_begin(struct call *call, struct ruche_client *client, const char *method, const char *path, struct ruche_error *error);
void call_piece(struct call *call, const char *text); /* percent-encoded */
void call_query(struct call *call, const char *name, const char *value);
void call_object(struct call *call); /* the body begins with a '{'; call_send writes the '}' */
/* Takes what is set there over; atomic stays with the caller. */
int call_take(struct call *call, const struct ruche_call_options *options, struct ruche_call_options *taken);
/* Sends, unless the writer found something wrong, and frees the call's buffers in any case. On RUCHE_OK a 2xx answer came, to be
 * ended with http_answer_fini; out may be NULL. */
int call_send(struct call *call, struct http_answer *out);
/* Instead of call_send: answers what the writer found wrong. */
int call_drop(struct call *call);
