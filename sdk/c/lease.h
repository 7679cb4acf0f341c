/* sdk/c/lease.h: what the holder of a lease says, one call each. */
#pragma once
#include "claim.h"

/* POST /v1/leases/{uid}/{verb}, with token and fence written. */
void lease_begin(struct call *call, struct ruche_client *client, const struct ruche_job *job, const char *verb, struct ruche_error *error);
/* Adds the claim of the next jobs, when there is one, and sends; *out is then the claimed ones. */
int lease_send(struct call *call, const struct ruche_claim_options *next, struct ruche_claimed **out);
