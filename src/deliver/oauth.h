/* src/deliver/oauth.h: access tokens by client credentials (RFC 6749 4.4), one for each endpoint, in memory only. While one is fetched all that
 * need it wait for the same answer. It is fetched anew when it ends, when the endpoint or its secret changed, or when it was forgotten because the
 * other side did not want it any more. One thread. */
#pragma once
#include "base/arena.h"
#include "http/client.h"
#include "rules/http_verdict.h"
#include <sys/queue.h>

#define OAUTH_TIMEOUT_MS   10000
#define OAUTH_ANSWER_BYTES 65536
#define OAUTH_LEAD_S       30  /* a token is given up so long before it ends */
#define OAUTH_LIFE_S       300 /* of one that does not say how long it lasts */
#define OAUTH_BUCKETS      256

struct oauth_wish {
	uint32_t endpoint;      /* number */
	uint64_t version;       /* of its settings */
	struct str token_url, client_id, secret, scope, audience;
	bool in_body;           /* the client shows itself in the form, not by basic authorization */
};
struct oauth_token;
LIST_HEAD(oauth_list, oauth_token);
struct oauth_room {
	struct http_client *client;
	uint64_t seed;
	/* An answer came. why: NULL, or a sentence without its point; then the class says whose fault it was. */
	void (*done)(void *context, const struct oauth_token *token, enum http_class http_class, const char *why);
	void *context;
	struct oauth_list buckets[OAUTH_BUCKETS];
};

void oauth_room_init(struct oauth_room *room, struct http_client *client, uint64_t seed);
void oauth_room_fini(struct oauth_room *room); /* what is fetched is cancelled; zeroed ones are fine */
/* The token, if there is one that lasts; valid until the room is used again. *since_us: when it came, on the monotonic clock. */
bool oauth_find(struct oauth_room *room, const struct oauth_wish *wish, struct str *out, int64_t *since_us);
/* Fetches it, unless that is under way. done will be called with *out, never within this call. E_NOMEM. */
MUST_USE enum err oauth_fetch(struct oauth_room *room, const struct oauth_wish *wish, const struct oauth_token **out);
/* The other side refused this one. */
void oauth_forget(struct oauth_room *room, uint32_t endpoint, struct str token);
