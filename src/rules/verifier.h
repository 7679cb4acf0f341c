/* src/rules/verifier.h: may an incoming webhook be believed, and which is its id? One way of signing for each kind of sender. Pure.
 *
 *   standard_webhooks  webhook-id, webhook-timestamp, webhook-signature (rules/signature.h); secrets whsec_, whsk_ or whpk_
 *   github             X-Hub-Signature-256: sha256=hex of HMAC-SHA256(body); id X-GitHub-Delivery
 *                      (https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries)
 *   stripe             Stripe-Signature: t=seconds,v1=hex of HMAC-SHA256(t "." body), within 5 minutes; id the body's "id"
 *                      (https://docs.stripe.com/webhooks#verify-manually)
 *   sentry             Sentry-Hook-Signature: hex of HMAC-SHA256(body); id Request-ID
 *                      (https://docs.sentry.io/organization/integrations/integration-platform/webhooks/)
 *   basic              Authorization: Basic; secrets "user:password"
 *   none               everybody is believed */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define VERIFIERS(X) /* name, word, needs a secret */                                                                 \
	X(NONE, "none", false) X(BASIC, "basic", true) X(STANDARD_WEBHOOKS, "standard_webhooks", true) X(GITHUB, "github", true) \
	X(STRIPE, "stripe", true) X(SENTRY, "sentry", true)
#define X(name, word, secret) VERIFIER_##name,
enum verifier { VERIFIERS(X) VERIFIER_COUNT };
#undef X

struct incoming {
	struct str (*header)(const void *headers, const char *name); /* case does not matter; empty: absent */
	const void *headers;
	struct str body;
	int64_t now_s; /* wall time */
};

const char *verifier_word(enum verifier verifier);
bool verifier_needs_secret(enum verifier verifier);
MUST_USE enum err verifier_parse(struct str word, enum verifier *out); /* E_INVALID */
/* Could this be a secret of that kind? E_INVALID with the reason in problem->detail. */
MUST_USE enum err verifier_check_secret(enum verifier verifier, struct str secret, struct problem *problem);
/* One of the secrets is enough, so that they can be rotated. E_SIGNATURE with the reason in problem->detail, which says nothing of the secret; E_NOMEM. */
MUST_USE enum err verifier_verify(enum verifier verifier, const struct str *secrets, size_t count, const struct incoming *incoming,
				  struct problem *problem);
/* What the sender calls it, for finding duplicates; empty when it says nothing. Decoded into the arena. */
struct str verifier_id(enum verifier verifier, const struct incoming *incoming, struct arena *arena);
