/* src/rules/rate.h: at most `max` starts in any span of `per_ms`: a sliding window kept as a ring of the last `max` start times. Exact,
 * where buckets let up to twice as many through. Or a fixed window, for third parties and programs that count so: it begins with its
 * first start, at most `max` happen in it, and nothing is known of the one before; two that touch may let 2 `max` through in one span.
 * The ring belongs to the caller. */
#pragma once
#include "base/err.h"

struct json;
struct buf;

struct rate {
	uint32_t max;   /* 0: no limit */
	int64_t per_ms;
	bool fixed;
};
/* The ring holds `max` instants; `next` is where the next start is written, hence also the oldest one. */
struct rate_window {
	int64_t *starts_us; /* INT64_MIN: never; of a fixed one NULL */
	uint32_t next;
	uint32_t used;            /* fixed: starts in the window that ends at until_us */
	int64_t until_us;
	int64_t blocked_until_us; /* a penalty ("back off"), or the caution after a restart; 0: none */
};
/* When may the next start happen? now_us when at once. */
int64_t rate_next_us(const struct rate *rate, const struct rate_window *window, int64_t now_us);
/* When may so many happen at once? INT64_MAX: never, they are more than max. */
int64_t rate_next_units_us(const struct rate *rate, const struct rate_window *window, uint32_t units, int64_t now_us);
/* Records a start. Returns the instant it overwrote, for undo with rate_undo. */
int64_t rate_start(const struct rate *rate, struct rate_window *window, int64_t now_us);
void rate_undo(const struct rate *rate, struct rate_window *window, int64_t overwrote_us);
/* When nothing that was started matters any more: 0 when nothing does now. */
int64_t rate_end_us(const struct rate *rate, const struct rate_window *window, int64_t now_us);
bool rate_eq(const struct rate *a, const struct rate *b);

/* {"max":5,"per_ms":1000} or {…,"window":"fixed"}; null, or a max of 0: no limit, which is written as {"max":0}. */
bool rate_read(struct json *json, struct rate *out);
void rate_write(const struct rate *rate, struct buf *buf);
void rate_put(struct buf *buf, const char *key, const struct rate *rate); /* as a member; no limit is null */
