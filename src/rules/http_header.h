/* src/rules/http_header.h: names and values of HTTP headers that others choose. Pure. */
#pragma once
#include "base/str.h"

#define HTTP_HEADER_NAME_BYTES 256

/* Set by ruche or by HTTP itself: what frames a message, belongs to one connection (RFC 9110 7.6.1), or carries our own ids and traces. */
bool http_header_is_reserved(struct str name);
/* A header or query parameter whose value is a secret, by its name: authorization, cookie, *-key, *secret*, *token*, *password*, *signature*. An
 * Idempotency-Key is none (it names the job). */
bool http_name_is_secret(struct str name);
/* NULL, or a sentence that says why a client may not send this header. */
const char *http_header_name_refusal(struct str name);
const char *http_header_value_refusal(struct str value);
