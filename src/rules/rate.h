/* src/rules/rate.h: at most `max` starts in any span of `per_ms`: a sliding window kept as a ring of the last `max` start times.
 * Exact, where buckets and fixed windows let up to twice as many through. The ring belongs to the caller. */
#pragma once
#include "base/err.h"

struct rate {
	uint32_t max;   /* 0: no limit */
	int64_t per_ms;
};
/* The ring holds `max` instants; `next` is where the next start is written, hence also the oldest one. */
struct rate_window {
	int64_t *starts_us; /* INT64_MIN: never */
	uint32_t next;
	int64_t blocked_until_us; /* a penalty ("back off"), or the caution after a restart; 0: none */
};
/* When may the next start happen? now_us when at once. */
int64_t rate_next_us(const struct rate *rate, const struct rate_window *window, int64_t now_us);
/* Records a start. Returns the instant it overwrote, for undo with rate_undo. */
int64_t rate_start(const struct rate *rate, struct rate_window *window, int64_t now_us);
void rate_undo(const struct rate *rate, struct rate_window *window, int64_t overwrote_us);
