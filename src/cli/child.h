/* src/cli/child.h: one run of a command: bytes to its standard input, its standard output and the tail of its standard error back,
 * a clock that ticks meanwhile. The command gets a process group of its own, so that what it started ends with it. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define CHILD_TAIL_BYTES 8192u
#define CHILD_KILL_MS    5000 /* between the polite signal and SIGKILL */

enum child_stop { CHILD_GO_ON, CHILD_END_IT }; /* END_IT: SIGTERM now, SIGKILL after CHILD_KILL_MS */

struct child {
	char *const *argv;
	char *const *environment;
	struct str input;
	size_t output_max;         /* of `output`; more is read and dropped */
	int64_t tick_ms;           /* how often tick is called */
	enum child_stop (*tick)(void *context);
	void *context;
	/* the outcome */
	struct buf output;
	char tail[CHILD_TAIL_BYTES + 1]; /* of standard error, which is passed on besides */
	size_t tail_len;
	bool truncated;            /* output was longer than output_max */
	int exit_code;             /* -1: ended by a signal */
	int signal;
};

/* Runs it to its end. E_NOT_FOUND: there is no such command; E_NOMEM, E_IO: it could not be started. buf_fini(&child->output) is the
 * caller's. SIGPIPE must be ignored. */
MUST_USE enum err child_run(struct child *child, struct problem *problem);
