/* src/format/pool.h: jq in helper processes (`ruche-jq`, src/jq). A thread of its own feeds them; any thread asks. An endless or greedy program costs
 * its own job, nothing else: its helper is ended and replaced, and the jobs behind it go to the next one unharmed.
 *
 * Guarantees: `done` is called exactly once for each format_run that said E_OK, unless the job was cancelled. It is called on the pool's thread and
 * without its lock; it should only post a letter. The thread and the first helper begin with the first job, all helpers are gone after idle_ms without one.
 * Which program killed a helper is told by the answers that are missing: the first one under way is to blame (format/suspects.h). */
#pragma once
#include "base/err.h"
#include "format/frame.h"

#define FORMAT_HELPERS_MAX 16u
#define FORMAT_DEPTH       8u /* frames under way in a helper */
#define FORMAT_PATH_BYTES  4096u

struct format_pool;
struct format_pool_config {
	const char *helper; /* path of ruche-jq; NULL: the one beside this program */
	uint32_t helpers;   /* 1 to FORMAT_HELPERS_MAX; 2 */
	int64_t cpu_ms;     /* of one program; 1,000 */
	int64_t wall_ms;    /* of one program, from when it is first in its helper; 2,000 */
	int64_t idle_ms;    /* 60,000 */
};
enum format_end {
	FORMAT_VALUE,   /* text: the output, one JSON value */
	FORMAT_NOTHING, /* nothing to send; after compile_only: it compiles */
	FORMAT_ERROR,   /* text: what is wrong, in jq's words */
	FORMAT_KILLED,  /* text: which bound the program went over */
	FORMAT_OURS,    /* not the program's doing: no helper could run it; text: why. It may be tried again in a second. */
};
struct format_outcome {
	enum format_end end;
	struct str text; /* valid until done returns; what is wrong begins without a capital and ends without a point, as jq's messages do */
	int64_t us;      /* the program's run */
};
struct format_job {
	struct str program, input; /* at most FRAME_PROGRAM_BYTES, FRAME_INPUT_BYTES */
	bool compile_only;
	void (*done)(void *context, const struct format_outcome *outcome);
	void *context;
};

/* Where the helper is: as the configuration says it, or (NULL) beside this program. E_CONFIG. */
MUST_USE enum err format_helper_path(const char *helper, char out[FORMAT_PATH_BYTES], struct problem *problem);
MUST_USE enum err format_pool_start(const struct format_pool_config *config, struct format_pool **out, struct problem *problem);
/* Copies nothing: the texts stay valid until done was called, or format_cancel has returned. *out_ticket is a number, never 0, never given twice.
 * E_TOO_LARGE, E_NOMEM: done is not called. */
MUST_USE enum err format_run(struct format_pool *pool, const struct format_job *job, uint64_t *out_ticket);
/* true: done was not called and will not be. false: it was called and has returned (or this is called from within it). Any thread; a ticket of long
 * ago is fine. The program itself may run on to its bounds. */
bool format_cancel(struct format_pool *pool, uint64_t ticket);

struct format_pool_stats {
	uint32_t waiting, under_way;    /* jobs */
	uint32_t helpers;               /* that live */
	int32_t pids[FORMAT_HELPERS_MAX];
	uint64_t started, killed;       /* helpers; killed: by a bound or a signal */
	uint64_t ended;                 /* jobs */
};
void format_pool_stats(struct format_pool *pool, struct format_pool_stats *out);
/* Ends what is left as FORMAT_OURS, the helpers and the thread. NULL is fine. */
void format_pool_stop(struct format_pool *pool);
