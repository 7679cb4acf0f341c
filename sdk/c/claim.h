/* sdk/c/claim.h: claimed jobs, also those that come with the end of another. */
#pragma once
#include "answer.h"

struct ruche_claimed {
	struct arena arena;
	struct ruche_job *jobs;
	size_t count;
	const char *reason;
	int64_t next_due_ms;
};

/* Reads a ClaimAnswer; path "" for the whole body, "claim" for that of a completion. */
int claimed_read(struct str json, const char *path, struct ruche_claimed **out, struct ruche_error *error);
/* The call for it, begun and written. */
void claim_begin(struct call *call, struct ruche_client *client, const struct ruche_claim_options *options, struct ruche_error *error);
int claim_send(struct call *call, struct ruche_claimed **out);
