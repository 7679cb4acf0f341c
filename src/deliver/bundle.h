/* src/deliver/bundle.h: several messages for one endpoint, on their way into one call.
 *
 *   made    one part a message: the first is that of the delivery, the others its riders
 *   read    each part is shaped alone, by a built-in format at once, by a program in the pool; what there is nothing to send of is filtered, and
 *           what its format cannot make has failed
 *   joined  the bodies are one JSON array in their order; the endpoint's `wrap`, if it has one, makes the body of {"items":[…],"endpoint":{…}}
 *   call    by hook_prepare_batch, again when an access token has come: nothing is read twice
 *
 * Whatever comes of it, all parts have their verdicts in one request (bundle_verdict.h). The call's id names its messages: the same ones, the same id. */
#pragma once
#include "deliver/hook.h"

#define BUNDLE_BYTES (16u << 20) /* payloads of one call: those beyond go with the next one */

enum part_state { PART_SHAPING, PART_BODY, PART_FILTERED, PART_FAILED, PART_BACK, PART_GONE }; /* BACK: it goes with the next call. GONE: nobody waits */
struct bundle_part {
	struct effect_rider rider;
	enum part_state state;
	struct shaping *shaping;
	struct str body, trace;
	uint32_t nth;               /* joined: its place among the bodies */
	struct hook_subject subject; /* once it was read; texts are the arena's */
	const struct hook *hook;    /* of this message; NULL: it was not read */
	const char *reason;         /* FILTERED */
	enum http_class http_class; /* FAILED */
	const char *detail;
};
struct bundle {
	struct arena arena;
	struct bundle_part *parts;
	uint32_t count;
	uint32_t waiting;           /* programs that have not answered */
	uint32_t read;              /* parts that are no longer waited for: count, when all of them are read, or there are bytes enough */
	bool is_joined;
	bool mixed;                 /* one is no message: each is to go alone */
	struct shaping *wrap;
	uint32_t first, size;       /* joined: the first part with a body, and how many have one */
	struct str group, namespace_name, id, body;
	size_t bytes;               /* of bodies, about */
};

/* Does the effect's endpoint take several messages in one call? Then also one alone goes as a batch. */
bool bundle_is_wanted(struct hook_room *room, const struct effect *effect);
struct bundle *bundle_new(const struct effect *effect); /* NULL: no memory */
void bundle_free(struct bundle *bundle);                 /* NULL is fine */
struct effect bundle_effect(const struct bundle *bundle, const struct effect *effect, uint32_t part); /* as if the part had come alone; holds nothing */

struct bundle_pool { /* where programs run, and who hears of it */
	struct format_pool *formats;
	struct mailbox *box;
};
static inline bool bundle_is_read(const struct bundle *bundle) { return bundle->read == bundle->count; }
/* views: of the next parts from bundle->read on, in order. */
MUST_USE enum err bundle_read(struct bundle *bundle, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect,
			     const struct job_view *views, uint32_t count, int64_t now_us);
bool bundle_take_shape(struct bundle *bundle, struct shaping *shaping); /* one of its programs has answered; false: it is not one of its */
bool bundle_forget(struct bundle *bundle, uint64_t uid, uint64_t fence); /* that part is nobody's any more; false: it has none such */
bool bundle_is_forgotten(const struct bundle *bundle);                   /* no part is anybody's */

enum bundle_next { BUNDLE_WAITS, BUNDLE_CALL, BUNDLE_UNSENT, BUNDLE_ALONE, BUNDLE_HALVES, BUNDLE_FAILED };
/* Goes on with what was read: WAITS for programs; CALL: *out says as hook_prepare does (CALL, TOKEN, FAILED); UNSENT: there is nothing to send;
 * ALONE: each goes by itself; HALVES: the wrap failed, which may be one part's fault; FAILED: out->http_class and detail say why. */
MUST_USE enum err bundle_go_on(struct bundle *bundle, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect, int64_t now_us,
			      struct arena *arena, struct hook_answer *out, enum bundle_next *next);
