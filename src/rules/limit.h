/* src/rules/limit.h: a limit: a named budget of a namespace that queues, groups and holders of permits share: starts by a rate, and what
 * runs at once. Values, with JSON in and out. */
#pragma once
#include "rules/rate.h"

struct json;
struct buf;

#define LIMITS_A_JOB 4 /* from how many limits one start may take */

struct limit_names { /* which limits the jobs of a queue or group take from: all of them must allow a start */
	struct str names[LIMITS_A_JOB];
	uint32_t count;
};
struct limit_settings {
	struct rate rate;
	uint32_t concurrency;   /* jobs that run and permits that are held; 0: no limit */
	int64_t penalty_ms_max; /* longer penalties are cut to it; 0: none is cut */
};

bool limit_settings_read(struct json *json, struct limit_settings *out); /* one object, over the values present */
void limit_settings_write(const struct limit_settings *settings, struct buf *buf);
bool limit_names_read(struct json *json, struct limit_names *out); /* an array; each name once */
void limit_names_write(const struct limit_names *names, struct buf *buf);
/* Words that say whom a penalty is for: no limit can be named so. */
bool limit_name_is_word(struct str name);
