/* src/http/query.h: percent-escapes and query strings. Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Decodes %XX, and '+' as a blank where plus_is_blank (queries, not paths). *out is a slice of raw when nothing is escaped, else
 * memory of the arena. E_BAD_REQUEST: a bad escape, a NUL, or not UTF-8 when decoded; E_NOMEM. */
MUST_USE enum err http_percent_decode(struct arena *arena, struct str raw, bool plus_is_blank, struct str *out);
/* Appends text so that it may stand as one piece of a path or as a value of a query. */
void http_percent_add(struct buf *out, struct str text);
/* Walks "a=1&b&c=%20": raw names and values; false at the end. Empty parts ("&&") are skipped. *at starts at 0. */
bool http_query_walk(struct str query, size_t *at, struct str *name, struct str *value);
