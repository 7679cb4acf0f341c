/* src/store/wish.h: what an endpoint wants, for readers that look for it among messages. By the same rules as a message is taken to endpoints when it
 * comes (engine/expand.c). Pure; everything is in the arena that it was read with. */
#pragma once
#include "base/json_tree.h"
#include "rules/endpoint.h"
#include "store/row.h"

struct wish {
	struct endpoint_settings settings;
	struct json_node *filter; /* NULL: any payload */
	uint32_t endpoint;        /* its number */
	uint64_t created_seq;     /* what came before that is not for it */
};

/* E_INVALID: the settings cannot be read. */
MUST_USE enum err wish_read(struct arena *arena, const struct named_row *endpoint, struct wish *out);
/* By all but the payload. */
MUST_USE enum err wish_takes(const struct wish *wish, const struct message_row *row, struct arena *scratch, bool *out);
/* By what the filter says of it; asked after wish_takes said yes, if that depends on the payload at all. */
bool wish_looks_inside(const struct wish *wish, const struct message_row *row);
MUST_USE enum err wish_takes_payload(const struct wish *wish, struct str payload, struct arena *scratch, bool *out);
