/* src/jq/limits.h: what `ruche-jq` takes from itself before it reads a byte that a stranger wrote: files, processes, the network, the right to get
 * any of them back, and memory beyond a bound. What remains is to compute, to read its asks and to write its answers. */
#pragma once
#include "base/str.h"

#define JQ_MEMORY_BYTES (256u * 1024u * 1024u) /* of address space */

/* false: a limit could not be set, and *out_what names it (errno says why); the helper must not run. */
MUST_USE bool limits_take(const char **out_what);
/* From now on so much CPU time, then SIGPROF ends the process. */
void limits_arm(int64_t cpu_ms);
