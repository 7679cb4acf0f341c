/* src/api/cursor.h: where the next page begins, as an opaque word: base64url of whatever the page ended with. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

void cursor_write(struct buf *out, struct arena *arena, struct str place); /* as a JSON string */
/* The member "next_cursor" of a list: the page ended with this; NULL: it was the last one. */
void cursor_put_next(struct buf *out, struct arena *arena, const struct str *last);
/* E_INVALID: not one of ours, with the problem about "cursor". Empty text: the start. */
MUST_USE enum err cursor_parse(struct str text, struct arena *arena, struct str *out, struct problem *problem);
