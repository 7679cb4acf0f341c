/* src/rules/endpoint.h: an endpoint: a third party that wants to be told, and how. Values, with JSON in and out: the same text in the API and in the
 * store. It names formats, limits and secrets; whether those exist is for who knows them. Pure. */
#pragma once
#include "base/json.h"
#include "rules/http_verdict.h"
#include "rules/limit.h"
#include "rules/retry.h"

#define ENDPOINT_TIMEOUT_MS 15000
#define ENDPOINT_TYPES      100 /* event types of one endpoint */
#define ENDPOINT_CHANNELS   10
#define MESSAGE_CHANNELS    5
#define MESSAGE_TYPE_BYTES  255

enum endpoint_kind { ENDPOINT_PUSH, ENDPOINT_POLL, ENDPOINT_KIND_COUNT };
enum endpoint_order { /* of the messages about one entity */
	ENDPOINT_ORDER_NONE,
	ENDPOINT_ORDER_LATEST, /* a newer message replaces one that has not begun */
	ENDPOINT_ORDER_FIFO,
	ENDPOINT_ORDER_COUNT
};
enum endpoint_auth_kind { ENDPOINT_AUTH_NONE, ENDPOINT_AUTH_BASIC, ENDPOINT_AUTH_BEARER, ENDPOINT_AUTH_OAUTH2, ENDPOINT_AUTH_COUNT };
enum endpoint_sign_kind { ENDPOINT_SIGN_NONE, ENDPOINT_SIGN_V1, ENDPOINT_SIGN_V1A, ENDPOINT_SIGN_BOTH, ENDPOINT_SIGN_COUNT };

struct endpoint_auth {
	enum endpoint_auth_kind kind;
	struct str secret;           /* the secret's name; BASIC without a user: it holds "user:password" */
	struct str user;
	struct str token_url, client_id, scope, audience; /* OAUTH2: client credentials (RFC 6749 4.4) */
	bool in_body;                /* OAUTH2: the client's id and secret go in the form, not in Authorization */
};
struct endpoint_tls { /* names of secrets that hold PEM; empty: the system's */
	struct str ca, certificate, key;
};
struct endpoint_sign {
	enum endpoint_sign_kind kind;
	struct str secret;           /* empty: the endpoint's own, "endpoint/" and its name */
	struct str secret_v1a;       /* BOTH: the Ed25519 one */
	bool svix;                   /* headers are named svix-… instead of webhook-… */
};
struct endpoint_retract { /* the call when what was delivered is filtered or deleted; url empty: none */
	struct str method, url;
	bool with_body;              /* the format's body; otherwise none */
};
struct endpoint_batch {
	uint32_t max;                /* messages of one call; 0: no batches */
	int64_t wait_ms;
	struct str wrap;             /* the format that makes the body of {"items":[…]}; empty: the bare array */
	struct str results;          /* the path to one id for each message; empty: none */
};
struct endpoint_breaker {
	uint32_t failures;           /* in a row, before it opens; 0: never */
	int64_t open_ms, open_ms_max;
};
struct endpoint_words { /* of the arena */
	const struct str *words;
	uint32_t count;
};

struct endpoint_settings { /* strings are slices of the text that was read, or of its arena */
	enum endpoint_kind kind;
	struct str url, method;               /* url_template.h */
	struct str update_url, update_method; /* once an external id is known; empty: url, method */
	struct endpoint_words types;          /* "fiche.updated", "fiche.*", or "*": all but those about endpoints themselves */
	struct endpoint_words channels;       /* none: all */
	struct str filter;                    /* match.h; empty: none */
	struct str format, content_type;      /* content_type empty: the format's */
	struct str headers;                   /* JSON object of name → text or {"secret": name}; empty: none */
	struct endpoint_auth auth;
	struct endpoint_tls tls;
	struct endpoint_sign sign;
	int64_t timeout_ms;
	struct http_policy policy;
	struct retry_policy retry;
	uint32_t concurrency;
	struct rate rate;
	struct limit_names limits;
	struct str retry_after;               /* whom an answer that asks to wait holds back: group, queue or a limit; empty: the one delivery */
	enum endpoint_order order;
	bool fifo_holds;                      /* FIFO: a failed one holds back those behind it */
	struct str external_id;               /* json_path.h: of the answer; empty: none is kept */
	struct endpoint_retract retract;
	struct endpoint_batch batch;
	uint32_t hold_max;                    /* deliveries kept while it is paused or disabled; 0: any number */
	struct endpoint_breaker breaker;
	int64_t slow_down_ms;                 /* so long a 502 or 504 holds back whom retry_after names, at first; 0: not at all */
	int64_t disable_after_ms;             /* of failures without a success; 0: never */
	struct str tags, metadata;            /* JSON array of texts; JSON object */
};

void endpoint_settings_default(struct endpoint_settings *out);
/* Reads an object over *out's present values (PATCH; for PUT start from the default), and looks whether the whole makes sense. Refuses with the
 * field's path; *out is then untouched. */
bool endpoint_settings_read(struct json *json, struct endpoint_settings *out);
void endpoint_settings_write(const struct endpoint_settings *settings, struct buf *buf); /* whole object, canonical order */

/* NULL, or a sentence: letters, digits, '_', '.' and '-', at most MESSAGE_TYPE_BYTES. */
const char *message_type_refusal(struct str type);
/* Those that only ruche sends, by name, and what they say. */
#define MESSAGE_TYPES_OURS(X)                                                                                              \
	X("delivery.exhausted", "A delivery ended without success: its attempts are spent, or the answer was final.")       \
	X("endpoint.disabled", "An endpoint is not sent to any more: it failed for too long, or answered that it is gone.") \
	X("endpoint.failing", "Calls of an endpoint fail; told again as the time nears at which it is disabled.")           \
	X("endpoint.recovered", "A call went through to an endpoint that was failing.")                                     \
	X("endpoint.test", "Somebody tries an endpoint out.")
bool message_type_is_ours(struct str type);
bool endpoint_wants_type(const struct endpoint_settings *settings, struct str type);
/* A message's own, as its row has them: a JSON array that was checked when it came, or nothing. */
struct message_channels {
	struct str names[MESSAGE_CHANNELS];
	uint32_t count;
};
MUST_USE enum err message_channels_read(struct str text, struct arena *arena, struct message_channels *out); /* E_NOMEM */
/* channels: those of the message; a message without any goes to all endpoints, an endpoint without any gets all messages. */
bool endpoint_wants_channels(const struct endpoint_settings *settings, const struct str *channels, uint32_t count);
/* Each secret that it names, until visit answers false; answers whether all were visited. `field` is where it stands. */
bool endpoint_each_secret(const struct endpoint_settings *settings, struct arena *arena,
			  bool (*visit)(void *context, const char *field, struct str secret), void *context);

/* ---- also of sources (source.h) and event types (event_type.h) ---- */
const char *secret_reference_refusal(struct str name); /* NULL, or a sentence: may a secret be named so? */
/* null is the empty text. */
bool endpoint_read_checked(struct json *json, struct str *out, size_t max_bytes, const char *(*refusal)(struct str));
bool endpoint_words_read(struct json *json, struct endpoint_words *out, uint32_t max, const char *(*refusal)(struct str));
void endpoint_words_write(const struct endpoint_words *words, struct buf *buf);
bool endpoint_tags_read(struct json *json, struct str *out); /* an array of texts, verbatim */
