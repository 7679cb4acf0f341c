/* src/api/cursor.h: where the next page begins, as an opaque word: base64url of whatever the page ended with. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

void cursor_write(struct buf *out, struct arena *arena, struct str place); /* as a JSON string */
/* E_INVALID: not one of ours, with the problem about "cursor". Empty text: the start. */
MUST_USE enum err cursor_parse(struct str text, struct arena *arena, struct str *out, struct problem *problem);
