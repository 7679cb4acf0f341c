/* src/rules/settings.h: what an operator may say about a queue and about one group of it. Values, with JSON in and out: the same text
 * in the API, in the configuration and in the store. */
#pragma once
#include "base/arena.h"
#include "rules/http_verdict.h"
#include "rules/rate.h"
#include "rules/retry.h"

struct json;
struct buf;

enum target_kind { TARGET_PULL, TARGET_HTTP };

/* Whom the daemon calls for a job of an http queue. Strings belong to whoever holds the struct (an arena). */
struct http_target {
	struct str url;          /* http or https; empty: each job says its own */
	struct str method;       /* POST */
	struct str headers;      /* a JSON object of name → text, verbatim; reserved names refused (host, content-length, connection, …) */
	int64_t timeout_ms;      /* 0: 30,000 */
	struct http_policy policy;
};

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
	struct retention keep_completed;  /* completed and filtered: 7 days, 100,000 jobs, 1 GiB */
	struct retention keep_failed;     /* failed, cancelled, expired: 30 days, 100,000 jobs, 1 GiB */
	struct str metadata;              /* free JSON object, verbatim */
};
struct group_settings { /* overrides for one group; a field absent in the JSON falls back to the queue's */
	bool has_concurrency, has_rate;
	uint32_t concurrency;
	struct rate rate;
};

void queue_settings_default(struct queue_settings *out);
/* Reads an object over *out's present values (PATCH semantics; for PUT start from the default). Strings are slices of the text or the
 * arena. Refuses with the field's path. */
bool queue_settings_read(struct json *json, struct queue_settings *out);
void queue_settings_write(const struct queue_settings *settings, struct buf *buf); /* whole object, canonical order */
bool group_settings_read(struct json *json, struct group_settings *out);
void group_settings_write(const struct group_settings *settings, struct buf *buf);
/* A job's own target: an object with url, method, headers, timeout_ms over the queue's. Checked (URL form, method token, header names
 * and values, no CR/LF, no reserved names, no credentials in the URL). */
bool http_target_read(struct json *json, struct http_target *out);
/* scheme://host:port of a URL, lower case, default port filled in, into the arena: the default group of a job that brings its own URL.
 * E_INVALID for anything but http and https with a host. */
MUST_USE enum err http_target_origin(struct str url, struct arena *arena, struct str *out);
