/* src/rules/members.h: objects changed member by member, as PATCH does. */
#pragma once
#include "base/json.h"

/* The present object's members, those of `change` in their place; what `change` has as null is left out. Both are checked objects, or empty.
 * The result is a text in the arena, or one of the two as it stands when nothing is to be merged, and empty when no member is left. An
 * object with a key that holds NUL is taken whole. ptr NULL: no memory. */
struct str members_merge(struct arena *arena, struct str present, struct str change);
