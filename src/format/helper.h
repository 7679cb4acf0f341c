/* src/format/helper.h: one process of `ruche-jq`, seen from the pool: its socket, and the frames under way in it, in their order. Only the pool's
 * thread uses it, under the pool's lock. */
#pragma once
#include "base/buf.h"
#include "format/pool.h"
#include <sys/types.h>

struct flight {
	uint64_t id;           /* the job's ticket */
	uint64_t program;      /* hash, for format/suspects.h */
	struct str parts[3];   /* head, program, input; a cancelled one has no texts any more and is sent as zeros of that length */
	char head[FRAME_HEAD_BYTES];
	bool cancelled;
};
struct helper {
	pid_t pid; /* 0: there is none */
	int fd;
	struct flight flights[FORMAT_DEPTH];
	uint32_t count;        /* frames under way, the first one at 0 */
	uint32_t sent;         /* of them, wholly written */
	size_t sent_bytes;     /* of the next one */
	struct buf in;
	uint64_t answers;
	int64_t since_us;      /* when the first frame became the first; without one: when the last ended */
	bool alone;            /* its one frame is a suspect's */
};

/* E_NOT_FOUND, E_NOMEM, E_IO: it could not be started; *problem says why. */
MUST_USE enum err helper_start(struct helper *helper, const char *path, int64_t cpu_ms, int64_t now_us, struct problem *problem);
/* Ends it at once; its frames are still told. Returns the status of waitpid. */
int helper_end(struct helper *helper);
void helper_push(struct helper *helper, const struct frame_ask *ask, uint64_t program, int64_t now_us);
/* The first frame is answered or given up. */
void helper_pop(struct helper *helper, int64_t now_us);
/* The texts of this frame go away: it leaves the line, or its rest is zeros. */
void helper_forget(struct helper *helper, uint64_t id, int64_t now_us);
void helper_send(struct helper *helper); /* as much as the socket takes; a broken one shows when it is read */
bool helper_wants_to_send(const struct helper *helper);
/* Takes what is there, or some of it. E_IO: it has ended; E_NOMEM. */
MUST_USE enum err helper_receive(struct helper *helper);
