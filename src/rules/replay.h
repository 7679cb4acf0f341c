/* src/rules/replay.h: which messages an endpoint is to be sent once more, or for the first time, and what becomes of each. Values only. */
#pragma once
#include "base/json.h"
#include "rules/job.h"

#define REPLAY_TYPES_MAX 32

/* MISSING: of which no delivery was made; FAILED: whose delivery failed or expired; ALL: whatever became of them, unless they are on their way;
 * MISSING_OR_UNKNOWN: also those whose delivery may have been removed. */
#define REPLAY_ONLIES(X) X(MISSING, "missing") X(FAILED, "failed") X(ALL, "all") X(MISSING_OR_UNKNOWN, "missing_or_unknown")
#define X(name, text) REPLAY_##name,
enum replay_only { REPLAY_ONLIES(X) REPLAY_ONLY_COUNT };
#undef X
struct replay {
	uint32_t endpoint;     /* number; 0: not known yet */
	int64_t since_us, until_us; /* messages that came from then on, and before; until 0: whenever */
	struct str types[REPLAY_TYPES_MAX]; /* as an endpoint's; none: all that it wants */
	uint32_t type_count;
	struct str entity;     /* empty: any */
	enum replay_only only;
	bool dry_run;          /* never kept */
};

/* An object {"since", "until", "types", "entity", "only"}; since is needed. `kept`: with "endpoint_number", as a bulk operation keeps it; otherwise
 * "dry_run" is known too. */
bool replay_read(struct json *json, bool kept, struct replay *out);
bool replay_check_span(struct json *json, int64_t since_us, int64_t until_us); /* until_us 0: open. Refuses `until` when it is not after since */
void replay_write(const struct replay *replay, struct buf *out); /* as kept */
bool replay_takes_type(const struct replay *replay, struct str type);

/* How far a message is on its way to an endpoint. UNKNOWN: there is no delivery, and it may have been removed. */
#define REPLAY_STANDS(X) X(MISSING, "missing") X(FAILED, "failed") X(DELIVERED, "delivered") X(CANCELLED, "cancelled") X(ON_ITS_WAY, "on_its_way") \
	X(UNKNOWN, "unknown")
#define X(name, text) STANDS_##name,
enum replay_stand { REPLAY_STANDS(X) STANDS_COUNT };
#undef X
extern const char *const replay_stand_words[STANDS_COUNT];
enum replay_stand replay_stand_of(enum job_state state); /* of the newest delivery; where there is none, it is MISSING */
bool replay_sends(enum replay_only only, enum replay_stand stand);
