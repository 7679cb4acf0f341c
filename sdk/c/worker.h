/* sdk/c/worker.h: the inside of a worker. `concurrency` threads claim, run and report, one job each (task.c); one thread, the beat, renews
 * all leases in one call, hears who is to stop, keeps the time of grace (beat.c), and goes on telling who works (presence.c).
 *
 *   running → (ruche_worker_stop) → ending: no new jobs → (grace over, or stopped again) → hurried: handlers are told to stop
 *
 * A signal handler may do next to nothing: it raises `asked` and writes to wake_fd; the beat does the rest. */
#pragma once
#include "lease.h"
#include "presence.h"
#include <stdatomic.h>

struct ruche_task {
	struct ruche_worker *worker;
	pthread_t thread;
	const struct ruche_job *job;  /* NULL: idle. Set and unset under the lock */
	_Atomic int stop;             /* enum ruche_stop */
	int64_t begun_us, beat_us;    /* of the job; when its lease is renewed next */
	uint32_t beat_index;          /* its place in the heartbeat under way; UINT32_MAX: none */
	struct buf members;           /* of what it was told to say */
	const char *verb;             /* "complete", "fail", "release", "snooze"; NULL: nothing was said */
	bool troubled;                /* that its report is not heard was told, and is not over */
};

struct ruche_worker {
	struct ruche_client *client;
	struct ruche_worker_options options; /* its texts and lists are ours */
	struct ruche_claim_options claim;    /* of a long poll */
	struct presence presence;
	ruche_handler *handler;
	char *texts;                         /* all copied text, one after the other */
	const char **queues;
	char name[96];
	pthread_mutex_t lock;
	pthread_cond_t changed;              /* a task is to stop, or the worker goes to another state */
	int wake_fd;                         /* of the beat: eventfd */
	_Atomic int asked;                   /* how often a stop was asked for */
	int state;                           /* enum worker_state, under the lock */
	int64_t hurry_us;                    /* when the grace is over */
	sig_atomic_t hurried, over;          /* cut long polls, and the last heartbeat, short; read and written atomically */
	uint32_t live;                       /* threads of tasks that have not ended */
	_Atomic bool troubled;               /* that nothing can be claimed was told, and is not over */
	bool ran;
	struct ruche_error fatal;            /* code 0: none */
	uint32_t task_count;
	struct ruche_task tasks[];
};
enum worker_state { WORKER_RUNNING, WORKER_ENDING, WORKER_HURRIED };

int worker_state(struct ruche_worker *worker);
/* Sleeps until wait_ms are over or the worker changes its state. */
void worker_pause(struct ruche_worker *worker, int64_t wait_ms);
/* Something that no waiting helps: the worker ends with this error (the first one counts). */
void worker_fail(struct ruche_worker *worker, const struct ruche_error *error);
void worker_tell(struct ruche_worker *worker, const struct ruche_job *job, const struct ruche_error *error);
void worker_wake_beat(struct ruche_worker *worker); /* async-signal-safe */

void *task_main(void *task);
void *beat_main(void *worker);
int64_t beat_interval_us(const struct ruche_worker *worker, const struct ruche_job *job);
