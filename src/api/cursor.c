#include "api/cursor.h"
#include "base/base64.h"
#include "base/json.h"

void cursor_write(struct buf *out, struct arena *arena, struct str place)
{
	struct str text = place.ptr ? base64url_text(arena, place) : place;
	if (text.ptr)
		json_put_str(out, text);
	else
		out->failed = true; /* no memory: a page without its cursor would look like the last one */
}

void cursor_put_next(struct buf *out, struct arena *arena, const struct str *last)
{
	json_put_key(out, "next_cursor");
	if (last)
		cursor_write(out, arena, *last);
	else
		buf_add_lit(out, "null");
}

enum err cursor_parse(struct str text, struct arena *arena, struct str *out, struct problem *problem)
{
	enum err err = text.len ? base64url_parse(arena, text, out) : E_OK;
	if (!text.len)
		*out = (struct str){ 0 };
	if (err || !str_is_utf8(*out) || memchr(out->ptr ? out->ptr : "", 0, out->len))
		return problem_set(problem, err == E_NOMEM ? err : E_INVALID, "cursor", "This is not a cursor of this list; take next_cursor as it came.");
	return E_OK;
}
