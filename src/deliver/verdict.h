/* src/deliver/verdict.h: from an HTTP outcome to the operation that tells the engine: COMPLETE with a result, or FAIL with an error
 * and a verdict; both with the exchange as it is kept.
 *
 *   result     {"status":200,"body":…}: the body as JSON when it came whole and is JSON, else as text of at most
 *              VERDICT_EXCERPT_BYTES with "truncated":true when that is not all; no "body" when it was empty
 *   error      {"type":"http","class":"status_5xx","message":"…","status":503}; no status when none came
 *   exchange   {"url","method","status","class","remote","request_headers","response_headers","response_excerpt","response_bytes",
 *              "truncated","reused","dns_ms","connect_ms","tls_ms","first_byte_ms","total_ms"}, secrets redacted (deliver/redact.h),
 *              bad UTF-8 replaced. Of a delivery to an endpoint also "kind" (deliver, retract), "message", "request_excerpt", "request_bytes"
 *
 * An answer that asks to wait (429, or Retry-After where it is heeded) says so, for those whom the queue's retry_after names.
 * A class that is tried again goes by the job's retry policy, or at Retry-After where the answer says one (408, 425, 429, 502 to 504). What
 * is our own fault (memory, descriptors, the store, a proxy that is not there) costs no attempt and is tried again after
 * VERDICT_OURS_DELAY_MS at first, then after twice as long each time; so is a secret that is missing, after HOOK_SECRET_AGAIN_MS. */
#pragma once
#include "deliver/request.h"
#include "http/client.h"

#define VERDICT_EXCERPT_BYTES  16384
#define VERDICT_OURS_DELAY_MS  1000

enum http_class verdict_class(const struct http_policy *policy, const struct http_outcome *outcome);
/* Fills kind and lease of *op (uid, token and fence included); its slices are in the arena. scratch is any buf, emptied first.
 * call is NULL when none could be built. E_NOMEM: *op is untouched. */
MUST_USE enum err verdict_of_outcome(const struct effect *effect, const struct call *call, const struct http_outcome *outcome,
				     int64_t now_us, struct arena *arena, struct buf *scratch, struct op *op);
/* Without an outcome: the call could not even be tried. `detail` is a sentence. */
MUST_USE enum err verdict_of_trouble(const struct effect *effect, enum http_class http_class, const char *detail, struct arena *arena,
				     struct buf *scratch, struct op *op);
/* Gives the job back untouched. Needs no memory. */
void verdict_release(const struct effect *effect, struct op *op);
