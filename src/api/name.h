/* src/api/name.h: what a namespace, a queue, a worker or a job's name may be. Pure. */
#pragma once
#include "base/limits.h"
#include "base/str.h"

/* Why it cannot be a name, or NULL: 1 to 255 bytes without control characters; a namespace has no '/' besides, so that
 * "namespace/queue" can be told apart. */
static inline const char *name_refusal(struct str name, bool is_namespace)
{
	if (name.len == 0)
		return "A name must not be empty.";
	if (name.len > LIMIT_NAME_BYTES)
		return "A name has at most 255 bytes.";
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		if (c < 0x20 || c == 0x7f)
			return "A name must not hold control characters.";
		if (is_namespace && c == '/')
			return "A namespace must not hold '/'.";
	}
	return NULL;
}
