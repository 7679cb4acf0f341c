/* src/deliver/redact.h: what of an HTTP exchange may be kept. Names tell secrets: authorization, cookie, *-key, *secret*, *token*,
 * *password*, *signature*. Their values are replaced; an Idempotency-Key is none (it names the job). */
#pragma once
#include "base/buf.h"

#define REDACTED STR("(redacted)")

bool redact_is_secret(struct str name);
/* The URL without credentials and without the values of query parameters with a secret's name. */
void redact_url(struct str url, struct buf *out);
