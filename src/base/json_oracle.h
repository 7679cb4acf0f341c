/* src/base/json_oracle.h: for tests: what another library (jansson) says of a text. It stands apart because its names clash
 * with those of base/json.h. */
#pragma once
#include "base/str.h"

struct json_verdict {
	bool accepted;
	bool unfit; /* refused only because a number fits no C type, a name holds NUL or the depth is too large for it */
	char reason[160];
};
void json_oracle(struct str text, struct json_verdict *out);
