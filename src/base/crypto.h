/* src/base/crypto.h: the few primitives that signatures and sealed secrets need, over libcrypto. Pure: same bytes in, same bytes out; randomness
 * comes from the caller. All parts are read as one message, in order. E_NOMEM is the only fault. */
#pragma once
#include "base/err.h"

#define SHA256_BYTES          32
#define HMAC_SHA256_BYTES     32
#define ED25519_SEED_BYTES    32
#define ED25519_PUBLIC_BYTES  32
#define ED25519_SIGNED_BYTES  64
#define AEAD_KEY_BYTES        32
#define AEAD_NONCE_BYTES      12
#define AEAD_TAG_BYTES        16

MUST_USE enum err sha256(const struct str *parts, size_t count, unsigned char out[SHA256_BYTES]);
MUST_USE enum err hmac_sha256(struct str key, const struct str *parts, size_t count, unsigned char out[HMAC_SHA256_BYTES]);
MUST_USE enum err ed25519_public(const unsigned char seed[ED25519_SEED_BYTES], unsigned char out[ED25519_PUBLIC_BYTES]);
MUST_USE enum err ed25519_sign(const unsigned char seed[ED25519_SEED_BYTES], struct str message, unsigned char out[ED25519_SIGNED_BYTES]);
/* E_INVALID when the signature is not that key's for the message. */
MUST_USE enum err ed25519_verify(const unsigned char key[ED25519_PUBLIC_BYTES], struct str message, const unsigned char signature[ED25519_SIGNED_BYTES]);

/* AES-256-GCM. A nonce must never be used twice under one key; `bound` is not kept, and must be the same when it is opened. Seals into
 * plain.len + AEAD_TAG_BYTES bytes. Opens into sealed.len - AEAD_TAG_BYTES; E_INVALID: other key, nonce, bound text or bytes, and out is wiped. */
MUST_USE enum err aead_seal(const unsigned char key[AEAD_KEY_BYTES], const unsigned char nonce[AEAD_NONCE_BYTES], struct str bound, struct str plain,
			    unsigned char *out);
MUST_USE enum err aead_open(const unsigned char key[AEAD_KEY_BYTES], const unsigned char nonce[AEAD_NONCE_BYTES], struct str bound, struct str sealed,
			    unsigned char *out);

bool bytes_equal(struct str a, struct str b); /* in a time that does not tell where they differ; their lengths may show */
void bytes_wipe(void *bytes, size_t len);     /* not optimised away */
