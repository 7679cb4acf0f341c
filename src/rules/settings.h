/* src/rules/settings.h: what an operator may say about a queue and about one group of it. Values, with JSON in and out: the same text
 * in the API, in the configuration and in the store. */
#pragma once
#include "rules/http_target.h"
#include "rules/limit.h"
#include "rules/retry.h"

struct json;
struct buf;

enum target_kind { TARGET_PULL, TARGET_HTTP, TARGET_KIND_COUNT };

/* How ids of jobs that bring none are made: the uid's text, or numbers counted from 1 for each queue. */
enum id_kind { IDS_UID, IDS_DECIMAL, ID_KIND_COUNT };
/* Whose rules a queue keeps: ours, or those of another queue's programs (docs/decisions/2026-11-25-bullmq-and-queue-semantics.md, 2). */
enum compat { COMPAT_NONE, COMPAT_BULLMQ, COMPAT_COUNT };
const char *compat_name(enum compat compat); /* NULL: none */
bool compat_read(struct json *json, enum compat *out); /* "bullmq", or null */

/* Groups of an http queue are third parties: one that hangs must not take every connection. Used when a queue becomes an http queue
 * and says nothing about it. */
#define GROUP_CONCURRENCY_HTTP 32

#define GROUP_WEIGHT_MAX 1000

/* In JSON an object, or "none" (remove at once), or "all" (keep for ever). */
struct retention { /* of final jobs in one class; 0: no bound by that measure; all three zero: keep for ever */
	uint64_t count;
	int64_t age_ms;
	uint64_t bytes;
	bool none; /* remove at once */
};

struct queue_settings {
	enum target_kind target;
	struct http_target http;
	struct retry_policy retry;        /* for jobs that bring none */
	int64_t timeout_ms;               /* of one attempt; 0: none for pull, http.timeout_ms for http */
	int64_t ttl_ms;                   /* default time-to-live; 0: none */
	int64_t lease_ms;                 /* default lease of a claim: 30,000 */
	uint32_t max_stalls;              /* lost leases before the job fails: 1 */
	uint32_t concurrency;             /* active jobs of the queue; 0: no limit */
	struct rate rate;                 /* starts of the queue */
	uint32_t group_concurrency;       /* active jobs of each group; 0: no limit */
	struct rate group_rate;
	struct retention keep_completed;  /* completed and filtered: 7 days, 1,000,000 jobs, 1 GiB */
	struct retention keep_failed;     /* failed, cancelled, expired: 30 days, 1,000,000 jobs, 1 GiB */
	uint32_t events_max;              /* events of the queue that are kept, about; 0: as many as the daemon keeps of all */
	uint32_t metric_minutes;          /* of which it is known how many jobs ended: 1,440; 0: not counted by the minute */
	enum id_kind ids;
	enum compat compat;
	struct str metadata;              /* free JSON object */
	struct limit_names limits;        /* each start takes from them */
	struct str retry_after;           /* http: whom a 429 or Retry-After holds back: group, queue or a limit; empty: the job only */
	int64_t rise_after_ms;            /* the oldest job that has waited so long goes before all; 0: none does */
};
struct group_settings { /* overrides for one group; a field absent in the JSON, or null, falls back to the queue's */
	bool has_concurrency, has_rate, has_limits;
	uint16_t weight;                  /* its share of the queue's starts, as against other groups'; 0: not said, as 1 */
	uint32_t concurrency;
	struct rate rate;
	const struct limit_names *limits; /* has_limits: in the arena of the text that was read */
};

void queue_settings_default(struct queue_settings *out);
/* Reads an object over *out's present values (PATCH semantics, in `http`, `retry`, `keep_…`, `metadata` too; for PUT start from the default). Strings
 * are slices of the text or the arena. Refuses with the field's path; *out is then untouched. A rate is {"max":5,"per_ms":1000}, or null
 * for none. */
bool queue_settings_read(struct json *json, struct queue_settings *out);
void queue_settings_write(const struct queue_settings *settings, struct buf *buf); /* whole object, canonical order */
/* A field: "job" (empty), "group", "queue" or a limit's name into a struct str. */
bool retry_after_read(struct json *json, void *out, void *context);
/* {"concurrency":3,"rate":{"max":5,"per_ms":1000},"limits":["airtable"],"weight":10}, over *out's present values. No limit at all: 0, {"max":0}. */
bool group_settings_read(struct json *json, struct group_settings *out);
void group_settings_write(const struct group_settings *settings, struct buf *buf);
