/* src/cli/job_show.h: one job as people read it, be it a job or a delivery. */
#pragma once
#include "cli/remote.h"

/* "2/8", or "2" when the queue's policy says how many there may be. */
struct str job_attempts(struct str job, struct arena *arena);
/* GET of a job, or of what the tail names: "/attempts". Answers 0 or the exit code, which has been explained. */
int job_get(struct remote *remote, struct str uid, const char *tail, struct str *out);
/* The job, its sums and its attempts; with --json the job as it came. */
int job_show(struct remote *remote, const struct args *args, struct str uid);
