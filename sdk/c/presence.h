/* sdk/c/presence.h: telling the daemon who works, for `ruche workers`: once for each queue, again three times a minute, and that it went. No job
 * depends on it: what fails ends the round, nobody hears of it, and the next round tries again. A daemon too old for it is one that refuses.
 * One thread at a time speaks: that of ruche_worker_run before there are others and after they have ended, the beat in between. */
#pragma once
#include "client.h"

struct presence {
	struct ruche_client *client;
	const struct ruche_claim_options *claim; /* its queues, their namespace, and the name that jobs say of who runs them */
	char id[128];                            /* unique */
	size_t next;                             /* the queue that is told next */
	size_t known;                            /* of so many the daemon may have heard */
	int64_t call_ms;                         /* a call may take so long */
	int64_t due_us;                          /* when; INT64_MAX: it has not begun. Looked at under the worker's lock */
};

void presence_init(struct presence *presence, struct ruche_client *client, const struct ruche_claim_options *claim, const char *name);
void presence_begin(struct presence *presence); /* tells all queues */
void presence_tell(struct presence *presence);  /* tells the next one: leases are renewed between two */
void presence_leave(struct presence *presence); /* nothing, if the daemon cannot have heard of it */
