/* src/cli/follow.h: a bulk operation, followed to its end with a bar. */
#pragma once
#include "cli/remote.h"

/* How many jobs match now, for the question and the bar: asks at the path that was built, that of a count. *out_about: "at least " when
 * not all were counted, otherwise "". Answers the exit code. */
int operation_expect(struct remote *remote, uint64_t *out, const char **out_about);
/* Leaving with Ctrl-C leaves it running: it is the daemon's, not ours. `done`: "retried"; `noun`: "job", one of them; `expected`: how many
 * there are about, for the bar. Answers the exit code: 1 when some could not be changed. */
int operation_follow(struct remote *remote, const struct args *args, struct str operation, const char *done, const char *noun, uint64_t expected);
