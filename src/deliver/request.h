/* src/deliver/request.h: from a job to the HTTP call that is made for it.
 *
 * A job's own target goes over its queue's: each field that it says wins, headers name by name. The queue's headers go along only to
 * the queue's own origin, or when the queue names no URL: whoever may enqueue must not be able to send an operator's secrets elsewhere.
 *
 * Sent beside them: Content-Type: application/json, User-Agent: ruche/VERSION and Idempotency-Key (the uid) unless the target says
 * otherwise; Ruche-Job (the uid), Ruche-Id (the caller's id), Ruche-Queue, Ruche-Attempt (attempts made, plus one); traceparent and
 * tracestate of the job's trace. GET carries no body; everything else carries the payload's bytes. */
#pragma once
#include "deliver/target.h"
#include "store/query.h"

struct hook;
struct http_tls;
struct call {
	const char *method, *url;
	const char *const *headers;
	uint32_t header_count;
	struct str body;
	const struct http_tls *tls; /* NULL: the usual authorities, no certificate of our own */
	int64_t timeout_ms;
	struct http_policy policy;
	struct str origin;      /* scheme://host:port */
	const struct hook *hook; /* of a delivery to an endpoint (hook.h); NULL: it is none */
};
/* Everything in the call points into the view, the queue's target or the arena. E_NOMEM, or E_INVALID with a problem that says what
 * of the target cannot be used. */
MUST_USE enum err call_build(const struct effect *effect, const struct job_view *view, const struct queue_target *queue,
			     struct arena *arena, struct call *out, struct problem *problem);
