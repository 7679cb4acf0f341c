/* src/deliver/deliver.h: performs the HTTP calls of http-target jobs, on a thread of its own with libcurl multi, and turns each
 * outcome into a COMPLETE or FAIL request; deliveries of messages to endpoints go by the steps of deliver/hook.h. The thread sees effects
 * come in by mailbox and posts requests through a port.
 *
 * Guarantees: a delivery's verdict is sent exactly once per EFFECT_DELIVER unless it was aborted; a slow or dead host delays nobody
 * else; the URL is judged before, and the address after resolution, at connect time, on every attempt (deliver/guard.h); redirects are not followed;
 * at most LIMIT_RESPONSE_BYTES of an answer are kept and little more is read; secrets in headers are redacted before they are recorded. */
#pragma once
#include "deliver/guard.h"
#include "deliver/secret_port.h"
#include "engine/command.h"
#include "store/query.h"

struct deliver;
struct format_pool;
struct deliver_config {
	struct guard_settings guard; /* copied */
	bool (*is_self)(void *self, const struct ip_address *ip, uint16_t port); /* see struct guard; lasts until after deliver_stop */
	void *self;
	const char *ca_file;         /* NULL: the system's */
	const char *proxy;           /* NULL: none; what goes through it is the proxy's to guard (said at start) */
	uint32_t in_flight_max;      /* as the engine's deliveries_max */
	uint32_t host_connections;   /* kept and open to one host: 64 */
	int64_t connect_ms;          /* 10,000, never above the job's timeout */
};
struct deliver_ports {
	void *context;
	void (*submit)(void *context, struct request *request);           /* any thread; comes back through deliver_reply */
	/* Reads definitions with payloads (QUERY_DEFINITIONS), blocking; called on the deliver thread only. */
	enum err (*definitions)(void *context, const struct query *query, struct arena *arena, struct answer *out);
	uint64_t (*random)(void *context);
	struct secret_port secrets;  /* for deliveries to endpoints */
	struct format_pool *formats; /* as well; it ends after this thread. NULL: formats are those that need no program */
};
MUST_USE enum err deliver_start(const struct deliver_config *config, const struct deliver_ports *ports, struct deliver **out,
				struct problem *problem);
void deliver_effect(struct deliver *deliver, struct effect *effect); /* any thread; takes it (EFFECT_DELIVER, EFFECT_ABORT, EFFECT_NAMED) */
void deliver_reply(struct deliver *deliver, struct request *request); /* any thread; takes the answered request */
/* Lets running calls finish for at most grace_ms, then gives the rest up (their jobs are released: no attempt is consumed), and joins.
 * It waits for the reply to every verdict: the engine still answers meanwhile, and no effect may be on its way any more. */
void deliver_stop(struct deliver *deliver, int64_t grace_ms);
/* Other settings from now on, for calls not yet made. Any thread. E_NOMEM: the old ones stay. */
MUST_USE enum err deliver_guard(struct deliver *deliver, const struct guard_settings *settings);
struct deliver_stats {
	uint64_t started, by_class[HTTP_CLASS_COUNT];
	uint32_t in_flight;
};
void deliver_stats(struct deliver *deliver, struct deliver_stats *out);
