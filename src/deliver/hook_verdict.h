/* src/deliver/hook_verdict.h: what an attempt to tell an endpoint means: the verdict of verdict.h, without any secret that the call carried, and
 * beside it what the engine learns of the endpoint (op_hook): whose fault a failure was, and what the other side calls the thing.
 *
 *   2xx of a retract call, 404, 410    completed, result {"status","retracted":true}
 *   410                                the endpoint is gone: said so, and final
 *   502, 504                           a gateway is overloaded: said so, for the endpoint's slow_down_ms
 *   429; 503 with Retry-After          where more than this delivery is held back: consumes no attempt, unless the delivery is older than
 *                                      HOOK_BUSY_MAX_US, so that it ends */
#pragma once
#include "deliver/hook.h"
#include "deliver/verdict.h"

#define HOOK_BUSY_MAX_US (24 * INT64_C(3600000000))

/* As verdict_of_outcome, for a call with a hook. */
MUST_USE enum err hook_verdict(const struct effect *effect, const struct call *call, const struct http_outcome *outcome, int64_t now_us,
			       struct arena *arena, struct buf *scratch, struct op *op);
/* What else the engine learns of a delivery to an endpoint, however it ended. */
MUST_USE enum err hook_verdict_about(const struct hook_subject *subject, struct arena *arena, struct op *op); /* a verdict is made; E_NOMEM */
/* The parts of it that verdicts of a batch need, too (bundle_verdict.c). */
enum blame hook_blame(enum http_class http_class, int status);
bool hook_shows_secret(const struct hook *hook, struct str text, struct arena *arena); /* also where there is no memory to see */
struct json_node;
bool hook_id_is_usable(const struct json_node *node);
struct op_hook *hook_told(const struct effect *effect, struct arena *arena); /* of its endpoint; NULL: no memory */
/* It is given back: too many bodies that take long to make stand before its own. */
MUST_USE enum err hook_verdict_slow(const struct effect *effect, struct arena *arena, struct op *op);
/* There was nothing to send. */
MUST_USE enum err hook_verdict_filtered(const struct effect *effect, const char *reason, struct arena *arena, struct op *op);
/* As verdict_of_trouble, for a delivery to an endpoint: nobody is blamed. */
MUST_USE enum err hook_verdict_of_trouble(const struct effect *effect, enum http_class http_class, const char *detail, struct arena *arena,
					  struct buf *scratch, struct op *op);
