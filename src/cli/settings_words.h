/* Settings on the command line: "retry.max_attempts=5" into JSON, and JSON into rows of a table. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "cli/args.h"
#include "cli/table.h"

/* The words after the first: "a=1 retry.max_attempts=5 retry.jitter=none" → {"a":1,"retry":{"max_attempts":5,"jitter":"none"}}, as deep as
 * there are dots; a single word that begins with { is taken as it is. Answers 0 or the exit code, which has been explained. */
int settings_put_words(const struct args *args, struct arena *arena, struct buf *out);
/* Members as `retry.delay_ms`, as they are set, one a row of two cells. What is not set is a dash. */
void settings_add_members(struct table *table, struct str object, const char *prefix);
