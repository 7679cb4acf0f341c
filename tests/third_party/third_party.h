/* tests/third_party/third_party.h: a scripted other side for tests. It listens on loopback, on a port of its own, and every connection
 * that it accepts is served by a thread that follows a script step by step: well-behaved, slow, silent, rude or broken, byte for byte.
 *
 *     static const struct tp_step refuses[] = { TP_READ, TP_SEND("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), TP_END };
 *     struct third_party *party = third_party_start(&(struct third_party_config){ .scripts = { refuses } });
 *     … third_party_url(party, "/hook") …
 *     third_party_stop(party);
 *
 * Nothing here is timed for a test to be right: a step that waits is there to be slow, and ends at once when the party is stopped. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tp_kind {
	TP_KIND_END,        /* close: FIN */
	TP_KIND_READ,       /* one request, headers and body (Content-Length); recorded. The peer closes: the script ends */
	TP_KIND_READ_HEAD,  /* only up to the blank line */
	TP_KIND_SEND,       /* bytes */
	TP_KIND_REPEAT,     /* bytes, count times (negative: until the peer goes away) */
	TP_KIND_DRIP,       /* bytes, one by one, with `count` ms between */
	TP_KIND_WAIT,       /* count ms */
	TP_KIND_HANG,       /* until the peer goes away; what it sends is thrown away */
	TP_KIND_RESET,      /* close: RST */
	TP_KIND_SHUT,       /* FIN, but goes on reading */
	TP_KIND_TLS,        /* the handshake; from then on bytes go through TLS */
	TP_KIND_ANSWER,     /* the next of config.answers, with Content-Length; the last one repeats */
	TP_KIND_AGAIN,      /* back to the first step after TLS (or the first of all): keep-alive */
};
struct tp_step {
	enum tp_kind kind;
	const char *bytes;
	size_t len;
	int64_t count;
};
#define TP_END              { .kind = TP_KIND_END }
#define TP_READ             { .kind = TP_KIND_READ }
#define TP_READ_HEAD        { .kind = TP_KIND_READ_HEAD }
#define TP_SEND(text)       { .kind = TP_KIND_SEND, .bytes = "" text, .len = sizeof(text) - 1 }
#define TP_REPEAT(text, n)  { .kind = TP_KIND_REPEAT, .bytes = "" text, .len = sizeof(text) - 1, .count = (n) }
#define TP_DRIP(text, ms)   { .kind = TP_KIND_DRIP, .bytes = "" text, .len = sizeof(text) - 1, .count = (ms) }
#define TP_WAIT(ms)         { .kind = TP_KIND_WAIT, .count = (ms) }
#define TP_HANG             { .kind = TP_KIND_HANG }
#define TP_RESET            { .kind = TP_KIND_RESET }
#define TP_SHUT             { .kind = TP_KIND_SHUT }
#define TP_TLS              { .kind = TP_KIND_TLS }
#define TP_ANSWER           { .kind = TP_KIND_ANSWER }
#define TP_AGAIN            { .kind = TP_KIND_AGAIN }

struct tp_answer {
	int status;
	const char *headers; /* whole lines with \r\n, or NULL */
	const char *body;    /* or NULL */
};

#define TP_SCRIPTS 8
struct third_party_config {
	const struct tp_step *scripts[TP_SCRIPTS]; /* of the first connection, the second, …; the last one repeats. NULL: always 200 */
	const struct tp_answer *answers;           /* for TP_ANSWER */
	size_t answer_count;
	bool never_accepts;                        /* the listen queue is full: connections are neither made nor refused */
	bool deaf;                                 /* bound, not listening: connections are refused */
	const char *certificate, *key;             /* PEM files, for TP_TLS */
	int tls_max_version;                       /* TLS1_1_VERSION and so on; 0: any */
	const char *client_authority;              /* PEM file: TLS only with those who show a certificate by it */
	bool refuses_name;                         /* TLS: whatever server name is asked for is not known here (a fatal alert) */
	uint16_t port;                             /* 0: any free one */
	const char *address;                       /* "127.0.0.1" when NULL; "::1" and 127.0.0.x work too */
};

struct third_party;
struct third_party *third_party_start(const struct third_party_config *config); /* ends the program when it cannot */
void third_party_stop(struct third_party *party); /* closes everything, joins, frees */
uint16_t third_party_port(const struct third_party *party);
/* "http://127.0.0.1:port/path"; valid until the party is stopped. */
const char *third_party_url(struct third_party *party, const char *path);
const char *third_party_https_url(struct third_party *party, const char *host, const char *path);

struct tp_request { /* as it came */
	char *head;      /* up to and with the blank line, NUL-terminated */
	char *body;
	size_t body_len;
};
uint32_t third_party_connections(struct third_party *party); /* accepted so far */
uint32_t third_party_requests(struct third_party *party);    /* read so far */
const char *third_party_server_name(struct third_party *party); /* that the last TLS handshake asked for; "" when it named none */
/* The n-th request (from 0), waiting until it is there. Valid until the party is stopped. */
const struct tp_request *third_party_request(struct third_party *party, uint32_t n);
/* The value of a header of it, copied into out; false when absent. */
bool tp_request_header(const struct tp_request *request, const char *name, char *out, size_t out_bytes);

/* ---- an authority of our own, for TLS ---- */
struct authority;
struct tp_certificate {
	const char *names[4];  /* DNS names or IP addresses */
	bool expired;          /* ended yesterday */
	bool not_yet;          /* begins tomorrow */
	bool self_signed;
	bool weak_key;         /* RSA 1024 */
	bool by_other;         /* signed by an authority that nobody trusts */
	bool is_server_false;  /* for clients only */
};
struct authority *authority_new(void); /* in a fresh temporary directory */
void authority_free(struct authority *authority); /* removes the directory */
const char *authority_file(const struct authority *authority); /* PEM, for ca_file */
/* Writes certificate and key as PEM; the paths live as long as the authority. */
void authority_issue(struct authority *authority, const struct tp_certificate *wanted, const char **out_certificate, const char **out_key);
