/* src/daemon/first_token.h: the admin token of a store that has none: the configured one, or a fresh one that is shown once. */
#pragma once
#include "engine/command.h"

#define FIRST_TOKEN_BYTES 256

struct first_token {
	char text[FIRST_TOKEN_BYTES];
	bool made; /* it is ours: show it */
	struct request request;
	struct op op;
	unsigned char hash[32];
};
/* Fills the request that keeps it. wanted: the configured token, or "" for a fresh one. */
MUST_USE enum err first_token_make(struct first_token *out, const char *wanted, uint64_t number, int64_t wall_us, struct problem *problem);
