/* src/deliver/redact.h: what of an HTTP exchange may be kept. Names tell secrets (rules/http_header.h); their values are replaced. */
#pragma once
#include "base/buf.h"

#define REDACTED STR("(redacted)")

/* The URL without credentials and without the values of query parameters with a secret's name. */
void redact_url(struct str url, struct buf *out);
