/* src/deliver/target.h: the http settings of a queue as calls need them: read once per version of the settings and shared by all
 * deliveries that go by it. One thread. */
#pragma once
#include "engine/command.h"

struct header_line {
	struct str name;        /* as written */
	const char *line;       /* "Name: value", NUL-terminated, as curl takes it */
};
struct header_list {
	struct header_line *lines;
	uint32_t count;
	bool has_content_type, has_user_agent, has_idempotency_key;
};
/* Reads a JSON object of name → text. E_INVALID for what http_target_read would have refused, E_NOMEM. */
MUST_USE enum err header_list_read(struct str json_object, struct arena *arena, struct header_list *out);
/* "Name: value"; an empty value is sent as such. NULL: no memory. */
const char *header_line_make(struct arena *arena, struct str name, struct str value);
/* Header values are visible ASCII and blanks between: what is not, and '%', is percent-encoded (UTF-8 bytes). */
struct str header_value_encode(struct arena *arena, struct str text);

struct queue_target {
	uint32_t queue, holders;
	uint64_t version;
	struct arena arena;
	struct queue_settings settings;
	struct str origin;              /* of settings.http.url; empty when it has none */
	const char *url;                /* NUL-terminated; NULL when it has none */
	struct header_list headers;
	const char *queue_line;         /* "Ruche-Queue: …" */
	bool usable;                    /* false: the settings could not be read; see problem */
	struct problem problem;
};
/* NULL: no memory. One holder. */
struct queue_target *queue_target_new(uint32_t queue, const struct shared_text *settings, struct str queue_name);
struct queue_target *queue_target_hold(struct queue_target *target);
void queue_target_drop(struct queue_target *target); /* NULL is fine */

/* The targets that were used last, by queue. */
#define TARGET_CACHE_SLOTS 256
struct target_cache {
	struct queue_target *slots[TARGET_CACHE_SLOTS];
};
/* A held target for these settings, or NULL: no memory. */
struct queue_target *target_cache_take(struct target_cache *cache, uint32_t queue, const struct shared_text *settings,
				       struct str queue_name);
void target_cache_fini(struct target_cache *cache);
