/* src/deliver/bundle_verdict.h: what the call of a batch means for each of its messages, as operations of one request, which the engine applies
 * together; those that are handed back come last one first, so that they stand at the head of the line in their order.
 *
 *   it went well         each with a body is completed, {"status","batch","place","external_id"?}: ids are those that the answer has at the endpoint's
 *                        `results`, in order; with more or fewer of them than messages nobody's is known
 *   refused for what     (400, 413, 422) its words say how many it takes: all are handed back, and the engine learns that
 *   one of them is       (4xx) several are handed back, and go again in halves; a single one fails
 *   anything else        each fails by its own policy; whom an answer holds back is held back once
 *
 * The whole exchange is kept with the first message, of the others what was sent of them. What the engine learns of the endpoint (op_hook) stands with
 * the first one as well. */
#pragma once
#include "deliver/bundle.h"
#include "deliver/hook_verdict.h"

struct bundle_end {
	enum { BUNDLE_END_CALLED, BUNDLE_END_UNSENT, BUNDLE_END_FAILED, BUNDLE_END_HALVES, BUNDLE_END_ALONE, BUNDLE_END_RELEASED } kind;
	const struct call *call;           /* CALLED */
	const struct http_outcome *outcome;
	enum http_class http_class;        /* FAILED, HALVES of a single one: why it could not be tried */
	const char *detail;
	bool waited;                       /* RELEASED: for its programs, in vain */
};
/* ops: room for one a part. *out_count: how many there are. E_NOMEM: they are worth nothing. */
MUST_USE enum err bundle_verdicts(const struct bundle *bundle, const struct effect *effect, const struct bundle_end *end, int64_t now_us,
				 struct arena *arena, struct buf *scratch, struct op *ops, uint32_t *out_count);
