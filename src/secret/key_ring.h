/* src/secret/key_ring.h: the keys that sealed secrets are under. The key file has a key a line, base64 of 32 bytes; blank lines and those that begin
 * with '#' are passed over. The first key seals, all open. */
#pragma once
#include "base/crypto.h"
#include "secret/secret.h"
#include "secret/vault.h"

#define KEY_RING_MAX 16

struct ring_key {
	unsigned char bytes[AEAD_KEY_BYTES];
	char id[SECRET_KEY_ID_BYTES + 1]; /* the first 8 bytes of its SHA-256, in hex */
};
struct key_ring {
	struct ring_key *keys; /* in the vault */
	uint32_t count;
	struct vault vault;
};

/* A file that is not there is an empty ring. E_CONFIG: others may read it, or it holds something else; E_NOMEM. The problem's field is left empty. */
MUST_USE enum err key_ring_read(const char *path, struct key_ring *out, struct problem *problem);
void key_ring_fini(struct key_ring *ring);
const struct ring_key *key_ring_find(const struct key_ring *ring, struct str id); /* NULL: none */
/* A file with one new key: whole and on disk with its directory, or not there. E_CONFLICT: there is one already; E_STORE_FULL, E_IO. */
MUST_USE enum err key_ring_make(const char *path, struct problem *problem);
