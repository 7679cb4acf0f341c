/* src/rules/signature.h: signatures of webhooks as Standard Webhooks 1.0.0 writes them (https://github.com/standard-webhooks/standard-webhooks,
 * spec/standard-webhooks.md): over the bytes id "." timestamp "." body, several in one header with one space between. Pure. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum signing_scheme {
	SIGNING_V1,  /* "v1,": HMAC-SHA256; secrets whsec_ and base64 of 24 to 64 bytes */
	SIGNING_V1A, /* "v1a,": Ed25519; private keys whsk_ and base64 of the seed (32 bytes) or of seed and public key (64), public ones whpk_ */
};

#define SIGNING_KEY_BYTES     64 /* longest secret */
#define SIGNING_KEY_TEXT      (6 + (SIGNING_KEY_BYTES + 2) / 3 * 4)
#define SIGNATURE_TOLERANCE_S 300 /* how far a timestamp may be off, both ways: what the published libraries take */

struct signing_key {
	enum signing_scheme scheme;
	bool public_only; /* whpk_: verifies, cannot sign */
	uint8_t len;      /* v1: of the secret; v1a: 32, the seed or the public key */
	unsigned char bytes[SIGNING_KEY_BYTES];
};

/* A secret without its prefix is a whsec_ one. E_INVALID with the reason in problem->detail (its field is left alone). */
MUST_USE enum err signing_key_read(struct str text, struct signing_key *out, struct problem *problem);
/* The text of a key made of random bytes: 32 for either scheme. */
void signing_key_write(struct buf *out, enum signing_scheme scheme, const unsigned char random[32]);
/* "whpk_…", which receivers of v1a verify with. */
MUST_USE enum err signing_key_write_public(struct buf *out, const struct signing_key *key);

/* The value of webhook-signature: one for each key, in their order: the current key first, those being rotated out after it. at_s is
 * the instant of the attempt. out grows by what it needs, also for the signed bytes, and keeps only the value. E_NOMEM. */
MUST_USE enum err signature_write(struct buf *out, const struct signing_key *keys, size_t count, struct str id, int64_t at_s, struct str body);

/* May these three headers and body be believed? One signature by one of the keys is enough; unknown schemes are passed over. E_INVALID when not,
 * with the reason in problem->detail. now_s is wall time. */
MUST_USE enum err signature_verify(const struct signing_key *keys, size_t count, struct str id, struct str timestamp, struct str signatures,
				   struct str body, int64_t now_s, struct problem *problem);
