/* src/deliver/redact.h: what of an HTTP exchange may be kept. Names tell secrets (rules/http_header.h); their values are replaced. Values that are known to be
 * secrets are replaced anywhere. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define REDACTED STR("(redacted)")

/* The URL without credentials and without the values of query parameters with a secret's name. */
void redact_url(struct str url, struct buf *out);
/* The text without the values, wherever they stand: of those that begin at one place the longest goes. *out is the text itself when it holds none,
 * else of the arena. E_NOMEM. */
MUST_USE enum err redact_values(struct str text, const struct str *values, uint32_t count, struct arena *arena, struct str *out);
