/* src/rules/json_path.h: where in an answer something stands: $, .name, ["name"] or ['name'], [0] and [*], a small part of RFC 9535. Pure. */
#pragma once
#include "base/json_tree.h"

#define JSON_PATH_BYTES 512

/* NULL, or a sentence that says what is wrong with the path. */
const char *json_path_refusal(struct str path);
/* The values at the path in document order, at most max of them; answers how many there are in all. A path that is refused finds nothing. */
size_t json_path_find(const struct json_node *root, struct str path, const struct json_node **out, size_t max);
