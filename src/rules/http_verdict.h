/* src/rules/http_verdict.h: what an HTTP exchange means for the job that asked for it. Pure: a table of classes. */
#pragma once
#include "base/err.h"

/* How an attempt over HTTP ended. Stored and public: append, never reorder. */
#define HTTP_CLASSES(X) /* name, code, tried again by default */                                            \
	X(OK, "ok", false)                                                                                  \
	X(DNS, "dns", true)                     /* the name did not resolve */                              \
	X(CONNECT, "connect", true)             /* refused, unreachable */                                  \
	X(TLS, "tls", true)                     /* handshake or certificate */                              \
	X(TIMEOUT, "timeout", true)             /* connecting or answering took longer than timeout_ms */   \
	X(RESET, "reset", true)                 /* the connection broke before the whole answer */          \
	X(PROTOCOL, "protocol", true)           /* the answer is not HTTP */                                \
	X(GUARDED, "guarded", false)            /* the address may not be called (SSRF guard) */            \
	X(REDIRECT, "redirect", false)          /* 3xx: never followed */                                   \
	X(STATUS_4XX, "status_4xx", false)                                                                  \
	X(STATUS_BUSY, "status_busy", true)     /* 408, 425, 429: Retry-After is honoured */                \
	X(STATUS_5XX, "status_5xx", true)       /* Retry-After is honoured on 502 to 504 too */             \
	X(BAD_TARGET, "bad_target", false)      /* the URL or a header cannot be used */                    \
	X(OURS, "ours", true)                   /* our own fault (memory, files): consumes no attempt */          \
	X(STATUS_OTHER, "status_other", true)   /* 1xx, above 599, or a 2xx that the policy does not call a success */ \
	X(FORMAT, "format", true)               /* the format made no body: its program failed */           \
	X(SECRET_MISSING, "secret_missing", true) /* a secret named is not there: consumes no attempt */     \
	X(AUTH, "auth", true)                   /* no access token could be had */                          \
	X(ENDPOINT_DELETED, "endpoint_deleted", false) /* there is nobody any more to call */
#define X(name, code, again) HTTP_CLASS_##name,
enum http_class { HTTP_CLASSES(X) HTTP_CLASS_COUNT };
#undef X

const char *http_class_code(enum http_class http_class);

/* Which statuses are a success, and which failures are final: a queue's policy. Empty (all zero): 2xx succeeds, defaults of the table.
 * Where ranges meet, success is asked first, then final, then retry. */
#define HTTP_STATUS_RANGES 8
struct http_range {
	uint16_t from, to; /* both included; from 0: unused, and so are those after it */
};
struct http_policy {
	struct http_range success[HTTP_STATUS_RANGES];
	struct http_range retry[HTTP_STATUS_RANGES]; /* these are tried again whatever the table says */
	struct http_range final[HTTP_STATUS_RANGES]; /* these are never tried again */
};
enum http_class http_class_of_status(const struct http_policy *policy, int status);
/* `status` is that of the answer, 0 without one. A status speaks only for the classes made of it: an answer that broke off (RESET)
 * is tried again whatever its status was. */
bool http_class_retries(const struct http_policy *policy, enum http_class http_class, int status);
/* Retry-After: seconds, or a date in any of the three forms of RFC 9110 5.6.7; now_us is wall time. Answers a wait in microseconds,
 * 0 for a date that is past, capped at 24 h; -1 when absent or malformed. */
int64_t http_retry_after_us(struct str value, int64_t now_us);
