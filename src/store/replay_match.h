/* src/store/replay_match.h: does an endpoint want a message, by its settings of now? For stores, which walk the messages. */
#pragma once
#include "rules/endpoint.h"
#include "store/query.h"

#define REPLAY_LOOKED_AT_MAX  20000              /* messages of one answer, and deliveries that were counted for them */
#define REPLAY_PAYLOADS_BYTES (8 * 1024 * 1024)  /* of those, what filters looked at */

struct replay_match {
	const struct query *query;
	struct named_row named;            /* text and names in the arena */
	struct endpoint_settings settings;
	const struct json_node *filter;    /* NULL: none */
	uint32_t looked_at;                /* of REPLAY_LOOKED_AT_MAX */
	size_t looked_bytes;
};

/* `named`: the endpoint's row, its texts in the arena. E_INVALID: its settings cannot be read. E_NOMEM. */
MUST_USE enum err replay_match_init(struct replay_match *match, const struct query *query, const struct named_row *named, struct arena *arena);
bool replay_match_is_spent(const struct replay_match *match); /* the answer has cost enough: it goes on at its cursor */
/* All but the content filter; `head`: without payload. E_NOMEM. */
MUST_USE enum err replay_match_head(struct replay_match *match, const struct message_row *head, struct arena *work, bool *out);
/* The filter; only to be asked when match->filter is set. */
MUST_USE enum err replay_match_payload(struct replay_match *match, struct str payload, struct arena *work, bool *out);
/* uid 0: there is no delivery. One that has ended before there was this endpoint is none of its. `kept`: of the deliveries that were made when the
 * message came, so many are still there; only asked for where replay_match_asks_kept. */
enum replay_stand replay_match_stand(struct replay_match *match, const struct message_row *message, uint64_t uid, enum job_state state, uint64_t kept);
bool replay_match_asks_kept(const struct replay_match *match, const struct message_row *message, uint64_t uid);
/* Counts it, and puts it on the page where it is to be sent. */
void replay_match_add(const struct replay_match *match, struct answer *answer, uint64_t message, enum replay_stand stand);
