/* src/base/pluck.h: a value out of an answer's JSON by its path, for printing. The text has been checked by whoever sent it;
 * what is not there, or is not well formed, reads as absent. Strings that hold escapes are decoded into the arena. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

/* The raw value at "fiche.actions.2.etat" (a number is an index); false when it is not there. */
bool pluck_raw(struct str json, const char *path, struct arena *arena, struct str *out);
/* A string decoded, a number or literal as it stands; empty when absent or null. For table cells. */
struct str pluck_text(struct str json, const char *path, struct arena *arena);
bool pluck_u64(struct str json, const char *path, struct arena *arena, uint64_t *out);
bool pluck_true(struct str json, const char *path, struct arena *arena);
/* The items of the array at path, raw, in the arena. *count 0 when it is not an array. */
struct str *pluck_items(struct str json, const char *path, struct arena *arena, uint32_t *count);
