/* src/cli/presence.h: telling the daemon who works, for `ruche workers`. No job depends on it: what fails is tried again with the next beat, and
 * nobody hears of it. */
#pragma once
#include "cli/remote.h"

struct presence {
	struct remote *remote;  /* opened; its namespace is the queues' */
	const char *id, *name;  /* unique; as jobs say who runs them. One for several queues is there once for each */
	char *const *queues;
	int queue_count;
	int64_t told_us;        /* 0: not yet */
};

void presence_beat(struct presence *presence, int64_t now_us); /* tells it where it is time to */
void presence_leave(struct presence *presence);                /* nothing, if it was never told */
