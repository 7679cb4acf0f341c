/* src/http/refusal.h: what the server itself refuses, by table (refusal.def). */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum http_refusal {
	HTTP_REFUSE_NOTHING = 0,
#define X(name, status, code, detail) HTTP_REFUSE_##name,
#include "http/refusal.def"
#undef X
	HTTP_REFUSAL_COUNT
};

int http_refusal_status(enum http_refusal refusal);
/* The problem document, appended. */
void http_refusal_body(enum http_refusal refusal, struct buf *out);
/* "Not Found"; empty for a status without a phrase. */
const char *http_reason(int status);
