/* src/base/crypto.h: the few primitives that signatures need, over libcrypto. Pure: same bytes in, same bytes out; randomness comes from the caller.
 * All parts are read as one message, in order. E_NOMEM is the only fault. */
#pragma once
#include "base/err.h"

#define HMAC_SHA256_BYTES     32
#define ED25519_SEED_BYTES    32
#define ED25519_PUBLIC_BYTES  32
#define ED25519_SIGNED_BYTES  64

MUST_USE enum err hmac_sha256(struct str key, const struct str *parts, size_t count, unsigned char out[HMAC_SHA256_BYTES]);
MUST_USE enum err ed25519_public(const unsigned char seed[ED25519_SEED_BYTES], unsigned char out[ED25519_PUBLIC_BYTES]);
MUST_USE enum err ed25519_sign(const unsigned char seed[ED25519_SEED_BYTES], struct str message, unsigned char out[ED25519_SIGNED_BYTES]);
/* E_INVALID when the signature is not that key's for the message. */
MUST_USE enum err ed25519_verify(const unsigned char key[ED25519_PUBLIC_BYTES], struct str message, const unsigned char signature[ED25519_SIGNED_BYTES]);

bool bytes_equal(struct str a, struct str b); /* in a time that does not tell where they differ; their lengths may show */
void bytes_wipe(void *bytes, size_t len);     /* not optimised away */
