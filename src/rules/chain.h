/* src/rules/chain.h: what a person says of a chain of jobs that repeat, as JSON: its schedule, and what each of its jobs has besides the
 * payload. The same text in the API and in the store; rules/repeat.h then tells the times. */
#pragma once
#include "rules/repeat.h"
#include "rules/retry.h"

struct json;

#define CHAIN_PATTERN_BYTES 255
#define CHAIN_ZONE_BYTES    64

struct chain_schedule {
	int64_t every_ms, offset_ms; /* 0: not said */
	int64_t limit;               /* iterations in all; 0: any number */
	int64_t start_us, end_us;    /* wall time; 0: not said */
	struct str pattern;          /* cron; empty: not said */
	struct str zone;             /* IANA name; empty: UTC */
	bool immediately;
};

struct chain_job { /* as an enqueue takes it */
	struct str name, group;
	struct str tags;             /* JSON */
	struct str target;           /* JSON */
	const struct retry_policy *retry; /* NULL: the queue's */
	uint32_t max_attempts;
	int32_t priority;
	int64_t timeout_ms, ttl_ms;
	bool lifo;
};

/* Refuse in the reader's voice, *out is then of no use. A schedule has either every_ms or a pattern. Tags and target of a job are not looked
 * into: the API's own readers do that before. Strings are slices of the text or in the arena. */
bool chain_schedule_read(struct json *json, struct chain_schedule *out);
bool chain_job_read(struct json *json, struct chain_job *out);

/* The schedule as repeat.h takes it. The seed chooses what H in a pattern stands for. E_INVALID: the problem's field is the schedule's own. */
MUST_USE enum err chain_timing(const struct chain_schedule *schedule, struct str seed, struct repeat *out, struct problem *problem);
