/* src/base/base64.h: bytes as text (RFC 4648): base64url without padding for tokens and cursors, standard base64 for signatures and keys. Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define BASE64URL_BYTES(bytes) (((bytes) * 4 + 2) / 3)
#define BASE64_BYTES(bytes)    (((bytes) + 2) / 3 * 4)

/* Writes BASE64URL_BYTES(bytes.len) characters, no NUL. */
void base64url_write(struct str bytes, char *out);
struct str base64url_text(struct arena *arena, struct str bytes); /* ptr NULL: no memory */
/* Only what base64url_write would write: E_INVALID for any other text, also for stray bits at the end. E_NOMEM. */
MUST_USE enum err base64url_parse(struct arena *arena, struct str text, struct str *out);

/* Writes BASE64_BYTES(bytes.len) characters, padded, no NUL. */
void base64_write(struct str bytes, char *out);
/* At most max_bytes into out, their number into *len. With its padding or without any; E_INVALID for other text, E_TOO_LARGE. */
MUST_USE enum err base64_parse(struct str text, char *out, size_t max_bytes, size_t *len);
