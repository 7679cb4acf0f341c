/* src/http/client.h: HTTP calls that go out, by libcurl. Two ways in: `http_client` runs many calls at once on a thread that owns it
 * (deliveries); `http_caller` does one call and waits for it (the command line).
 *
 * Both: http and https only, TLS 1.2 or newer with the certificate and the name verified, HTTP/2 where TLS offers it, connections
 * kept and used again, redirects never followed, answers never decompressed, no proxy but the one asked for (the environment is not
 * read), no `Expect: 100-continue`, HTTP/0.9 refused. No signals. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <signal.h>
#include <sys/socket.h>

/* How a call ended, its status apart. ANSWERED: the final status and all headers came, and the body came whole or reached the cap. */
#define HTTP_ENDS(X)                                                                              \
	X(ANSWERED, "answered")                                                                   \
	X(DNS, "dns")               /* the name did not resolve */                                \
	X(CONNECT, "connect")       /* refused, unreachable */                                    \
	X(TLS, "tls")               /* handshake or certificate */                                \
	X(TIMEOUT, "timeout")       /* connecting or answering took too long */                   \
	X(RESET, "reset")           /* the connection broke before the whole answer */            \
	X(PROTOCOL, "protocol")     /* not HTTP, or headers without end */                        \
	X(GUARDED, "guarded")       /* a guard refused the URL, or every address to be tried */     \
	X(BAD_TARGET, "bad_target") /* the URL cannot be used */                                  \
	X(OURS, "ours")             /* memory, descriptors, the CA file: not the other side's fault */
#define X(name, text) HTTP_END_##name,
enum http_end { HTTP_ENDS(X) HTTP_END_COUNT };
#undef X
const char *http_end_name(enum http_end end);
const char *http_client_library(void); /* "7.88.1": of libcurl, as loaded */

/* Response headers as they came, one "Name: value\r\n" after the other, without the status line. */
struct str http_lines_find(struct str lines, struct str name); /* any case; trimmed; empty when absent; the first of several */
bool http_lines_next(struct str lines, size_t *at, struct str *name, struct str *value); /* *at starts at 0; false at the end */

/* ---- many calls at once ---- */

/* May this address be called for this URL? Asked with the real address of every connection before it is made, after the name was resolved;
 * the connection then serves other URLs of the same host and port as well, and is asked about again at each of them after http_client_forget. Says
 * why not in at most why_bytes. */
typedef bool http_guard(void *context, const char *url, const struct sockaddr *address, char *why, size_t why_bytes);

/* May this URL be called? Asked at the start of every call, whatever connection or proxy would carry it; no is an end as the other's. */
typedef bool http_url_guard(void *context, const char *url, char *why, size_t why_bytes);

/* Does this URL go past the proxy? Asked at the start of every call where there is one. */
typedef bool http_past_proxy(void *context, const char *url);

struct http_client_config {
	http_url_guard *url_guard;    /* NULL: every URL may be called */
	http_guard *guard;            /* NULL: everything may be called. Not asked of calls through a proxy: it must guard then */
	http_past_proxy *past_proxy;  /* NULL: no call does */
	void *guard_context;          /* of all three */
	const char *ca_file;          /* NULL: the system's */
	const char *proxy;            /* NULL: none, whatever the environment says */
	uint32_t connections;         /* kept open in all when idle (256) */
	int64_t connect_ms;           /* 10,000 */
};

struct http_outcome { /* valid during the call of done */
	enum http_end end;
	int status;                   /* 0: no status line came. May be set beside a failed end: it broke later */
	struct str headers;           /* of the final answer, at most LIMIT_HEADER_BYTES kept */
	struct str body;              /* at most response_max */
	uint64_t body_bytes;          /* bytes seen, not all of them kept */
	bool truncated;               /* the body was longer than response_max: reading stopped there and the connection was closed */
	const char *why;              /* one line for a person; "" when answered */
	int curl_code;
	char remote[64];              /* "203.0.113.7:443", "[2001:db8::1]:443", or "" when nothing was connected */
	bool reused;                  /* an open connection served again */
	int64_t dns_us, connect_us, tls_us; /* spans; 0 on a connection that was open */
	int64_t first_byte_us, total_us;    /* since the start */
};

struct http_tls { /* PEM; empty: as usual */
	struct str ca;                /* trusted instead of the client's */
	struct str identity;          /* a certificate and its key, shown to the other side. One text, since curl compares only what holds the
	                               * certificate before it uses a connection again, and that is no secret */
};
struct http_request { /* everything it points to stays valid and unchanged until done was called or the call was cancelled */
	const char *method;           /* "POST"; GET and HEAD send no body */
	const char *url;
	const char *const *headers;   /* whole lines "Name: value" */
	uint32_t header_count;
	struct str body;
	const struct http_tls *tls;   /* NULL: as usual. Connections are shared only by calls that bring the same */
	int64_t timeout_ms;           /* of the whole call */
	size_t response_max;          /* body bytes kept */
	void (*done)(void *context, const struct http_outcome *outcome); /* within http_client_run; may start and cancel calls */
	void *context;
};

struct http_client;
struct http_ticket; /* a call under way */

struct http_client *http_client_new(const struct http_client_config *config); /* NULL: no memory, or no descriptor */
void http_client_free(struct http_client *client); /* cancels what runs */
/* E_NOMEM: nothing was started, done will not be called. */
MUST_USE enum err http_client_start(struct http_client *client, const struct http_request *request, struct http_ticket **out);
void http_client_cancel(struct http_client *client, struct http_ticket *ticket); /* done will not be called */
/* Waits until something happens, http_client_wake was called or wait_us passed, and does what can be done. */
void http_client_run(struct http_client *client, int64_t wait_us);
void http_client_wake(struct http_client *client); /* any thread */
/* The guard has changed: connections made until now serve no call that starts from now on, save those that always carry one, of which it is asked then. */
void http_client_forget(struct http_client *client);
uint32_t http_client_running(const struct http_client *client);

/* ---- one call, waited for ---- */

struct http_caller; /* keeps its connection from call to call; one thread at a time */
struct http_caller_config {
	const char *unix_socket;      /* connect to this path, whatever host the URL names; NULL: TCP */
	const char *token;            /* sent as `Authorization: Bearer …`; NULL: none */
	const char *ca_file;          /* NULL: the system's */
	const char *user_agent;       /* NULL: none */
	int64_t connect_ms;           /* 0: 10,000 */
};
struct http_call {
	const char *method;           /* NULL: GET, or POST when there is a body */
	const char *url;
	const char *content_type;     /* NULL: application/json; sent only with a body */
	const char *const *headers;   /* more, as whole lines "Name: value" */
	uint32_t header_count;
	struct str body;
	int64_t timeout_ms;           /* of the whole call; 0: none */
	size_t answer_max;            /* body bytes; E_TOO_LARGE above. 0: 64 MiB */
	/* When set, the body of a 2xx answer is handed out as it comes (SSE); false ends the call (E_CANCELLED). Other answers are
	 * collected as usual, so that a refusal can be read. */
	bool (*on_bytes)(void *context, struct str bytes);
	void *context;
	const volatile sig_atomic_t *stop; /* when it becomes non-zero the call ends within a second (E_CANCELLED); may be NULL.
					    * Read atomically: another thread may set it so */
};
struct http_answer {
	int status;
	struct buf body;
	struct buf headers;           /* lines, see http_lines_find */
};

struct http_caller *http_caller_new(const struct http_caller_config *config); /* NULL: no memory. Strings are copied */
void http_caller_free(struct http_caller *caller);
/* E_OK: an answer with any status came; the caller ends it with http_answer_fini. Otherwise *out is untouched and the problem says
 * what happened to which URL: E_NETWORK (also when connecting took too long), E_TIMEOUT (no whole answer in time), E_INVALID (URL),
 * E_TOO_LARGE, E_CANCELLED, E_NOMEM. */
MUST_USE enum err http_caller_call(struct http_caller *caller, const struct http_call *call, struct http_answer *out,
				   struct problem *problem);
void http_answer_fini(struct http_answer *answer);
