/* src/cli/one_op.h: one operation of /v1/batch, for what has no route of its own. The members go into remote->body between the two. */
#pragma once
#include "cli/remote.h"

void one_op_begin(struct remote *remote, const char *op, const char *queue);
/* Sends it. Answers 0 or the exit code, which has been explained; *out: its result. */
int one_op_send(struct remote *remote, struct str *out);
