/* src/secret/seal.h: a secret as it stands in the store: JSON {"key": id, "nonce", "sealed"}, AES-256-GCM over {"values": [{"value", "until_at"}…]},
 * bound to "ruche secret 1" NUL namespace NUL name NUL key id: a row that is moved under another name does not open. */
#pragma once
#include "base/buf.h"
#include "secret/key_ring.h"

/* E_INVALID: no values, or one that is empty, too long or not UTF-8; E_TOO_LARGE: more than LIMIT_NAMED_BYTES; E_NOMEM. */
MUST_USE enum err seal_write(const struct ring_key *key, struct str namespace_name, struct str name, const struct secret *secret,
			     const unsigned char nonce[AEAD_NONCE_BYTES], struct buf *out);
/* *out points into the vault. E_SECRET_SEALED: its key is not in the ring; E_INVALID: damaged, or another one's; E_NOMEM. */
MUST_USE enum err seal_read(const struct key_ring *ring, struct str namespace_name, struct str name, struct str sealed, struct vault *vault,
			    struct secret *out);
