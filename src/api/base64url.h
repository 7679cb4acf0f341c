/* src/api/base64url.h: bytes as text for tokens and cursors: RFC 4648 §5, without padding. Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define BASE64URL_BYTES(bytes) (((bytes) * 4 + 2) / 3)

/* Writes BASE64URL_BYTES(bytes.len) characters, no NUL. */
void base64url_write(struct str bytes, char *out);
struct str base64url_text(struct arena *arena, struct str bytes); /* ptr NULL: no memory */
/* Only what base64url_write would write: E_INVALID for any other text, also for stray bits at the end. E_NOMEM. */
MUST_USE enum err base64url_parse(struct arena *arena, struct str text, struct str *out);
