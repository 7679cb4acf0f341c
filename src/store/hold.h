/* src/store/hold.h: deliveries wait while their endpoint is paused or disabled; since when stands in the endpoint's health. Pure. */
#pragma once
#include "base/arena.h"
#include "store/query.h"

/* Can it be held at all? Only what waits for its turn, or will. */
bool hold_concerns(const struct job_view *view);
/* From a named row's `health`; 0: it does not say. E_NOMEM. */
MUST_USE enum err hold_since(struct str health, struct arena *arena, int64_t *out_us);
