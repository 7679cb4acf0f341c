/* src/rules/http_target.h: whom the daemon calls for a job, and how the answer is judged. Values, with JSON in and out: a queue's
 * `http` settings and a job's own `target` are the same object. Everything is checked when it is said, not when it is used. */
#pragma once
#include "base/arena.h"
#include "rules/http_verdict.h"

struct json;
struct buf;

#define HTTP_TIMEOUT_DEFAULT_MS 30000

/* Strings belong to whoever holds the struct (an arena). */
struct http_target {
	struct str url;          /* http or https; empty: each job says its own */
	struct str method;       /* POST */
	struct str headers;      /* a JSON object of name → text, verbatim; empty: none. Reserved names are refused, see http_target.c */
	int64_t timeout_ms;      /* 0: HTTP_TIMEOUT_DEFAULT_MS */
	struct http_policy policy;
};

void http_target_default(struct http_target *out);
/* Reads an object over *out's present values. Refuses with the field's path: URL form (http_url.h), method, header names and values (no
 * CR, LF or other control), reserved names, ranges of statuses. {"success":["200-299",304],"retry":…,"final":…}; null: the usual. */
bool http_target_read(struct json *json, struct http_target *out);
void http_target_write(const struct http_target *target, struct buf *buf); /* whole object, canonical order */
/* scheme://host:port of a URL, lower case, default port filled in, into the arena: the default group of a job that brings its own URL.
 * E_INVALID for what http_url_split refuses, E_NOMEM. */
MUST_USE enum err http_target_origin(struct str url, struct arena *arena, struct str *out);

/* Readers of fields that other settings have, too: a method in capitals into a struct str; ranges into struct http_range[HTTP_STATUS_RANGES]. */
bool http_method_read(struct json *json, void *out, void *context);
bool http_ranges_read(struct json *json, void *out, void *context);
void http_ranges_put(struct buf *buf, const char *key, const struct http_range *ranges);
