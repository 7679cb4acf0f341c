/* src/cli/sink.h: a receiver that answers by script and tells what came. Stands in for a third party: in `ruche sink`, in
 * `ruche dev`, in the demo and in the stories.
 *
 * A script is steps with commas between: each request takes the next one, the last repeats for ever.
 *
 *     200, 503 …     that status, at once
 *     503:30         with `Retry-After: 30`
 *     hang           reads everything and never answers
 *     reset          closes the connection without an answer
 *     slow           200, its body in drops: a byte each 100 ms, twenty of them
 *     302>URL        a redirect there
 *     503*3          any step, three times
 *     echo           200 with the request's own body
 */
#pragma once
#include "http/server.h"

#define SINK_STEPS_MAX 256u

enum sink_act { SINK_STATUS, SINK_HANG, SINK_RESET, SINK_SLOW, SINK_ECHO, SINK_REDIRECT };
struct sink_step {
	enum sink_act act;
	int status;
	int64_t retry_after_s; /* -1: none */
	struct str location;   /* slice of the script */
};
/* Reads a script: at most SINK_STEPS_MAX steps. The problem's field is "--script" and names the step. */
MUST_USE enum err sink_script_read(struct str script, struct sink_step steps[SINK_STEPS_MAX], uint32_t *count, struct problem *problem);
/* "503, Retry-After 30", "hang", …: for people. */
void sink_step_text(const struct sink_step *step, char out[64]);

struct sink;
struct sink_hit { /* one request, told when it has arrived whole */
	uint64_t number;         /* from 1 */
	struct http_exchange *exchange;
	const struct sink_step *step;
};
struct sink_config {
	struct str script;       /* copied; empty: "200" */
	struct http_limits limits;
	void (*on_hit)(void *context, const struct sink_hit *hit);      /* before the answer; may be NULL */
	void (*on_answered)(void *context, uint64_t number);            /* the answer is given, or its client went; may be NULL */
	void *context;
};
/* Limits for a receiver of anything that a delivery may hold. */
void sink_config_default(struct sink_config *config);
MUST_USE enum err sink_start(uv_loop_t *loop, struct str address, const struct sink_config *config, struct sink **out,
			     struct problem *problem);
uint16_t sink_port(const struct sink *sink); /* 0 on a Unix socket */
/* Closes everything; `closed` is called on the loop once nothing is left, and the sink is freed after it. */
void sink_stop(struct sink *sink, void (*closed)(void *context), void *context);
