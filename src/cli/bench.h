/* src/cli/bench.h: what the scenarios of `ruche bench` share: the daemon that is measured, the requests that are sent over and
 * over, and the numbers that come out. A scenario is one function in the table of cmd_bench.c. */
#pragma once
#include "cli/swarm.h"
#include <sys/types.h>

#define BENCH_QUEUE         "bench"
#define BENCH_RUNS_MAX      32u
#define BENCH_PAYLOAD_BYTES 200u
#define BENCH_VALUES        3u /* of a scenario, at most */

struct bench_daemon {
	pid_t pid;              /* 0: it was running before us */
	char directory[256];    /* of its store; removed at the end. Empty when it is not ours */
	char address[300];      /* "127.0.0.1:8420" or "unix:/path" */
	char token[128];
	bool http_allowed;      /* may call loopback */
};

struct bench {
	const char *url;         /* NULL: a daemon of our own for each run */
	const char *token;       /* with url */
	const char *directory;   /* where stores are made */
	uint64_t jobs;           /* 0: the scenario's own size */
	uint32_t connections;    /* 0: the scenario's own */
	bool use_unix;           /* over a Unix socket */
	struct bench_daemon daemon;
	double value[BENCH_VALUES]; /* of this run; [1] and [2] for scenarios that measure several things at once */
	struct problem problem;
};

/* ---- the daemon under measure ---- */
MUST_USE enum err bench_daemon_start(struct bench *bench);   /* on a fresh store; with url: takes that one */
MUST_USE enum err bench_daemon_restart(struct bench *bench); /* SIGKILL, then again on the same store; returns when ready */
void bench_daemon_stop(struct bench *bench);                 /* and removes its store */
uint64_t bench_daemon_rss_bytes(const struct bench *bench);  /* VmRSS; 0 when it is not ours */
MUST_USE enum err bench_swarm(struct bench *bench, uint32_t bees, swarm_handler *handler, void *context, struct swarm **out);

/* ---- requests ---- */
void bench_put_payload(struct buf *buf, uint64_t stamp_us);  /* a JSON object of BENCH_PAYLOAD_BYTES */
void bench_put_jobs(struct buf *buf, uint32_t count);        /* {"jobs":[…]} */
void bench_put_claim(struct buf *buf, uint32_t max, uint32_t bee, int64_t wait_ms);
/* The uids of the jobs granted in a claim's answer, in a row of 13 characters each, into out. How many. */
uint32_t bench_granted(struct str body, uint32_t max, char *out);
void bench_put_complete(struct buf *buf, const char *uids, uint32_t count, uint32_t bee, uint32_t claim_max);
/* The number at a path of a JSON text ("states.waiting"); 0 when it is not there. */
uint64_t bench_number(struct str json, const char *path);
/* A count at an address, such as a queue's: "states.waiting" now, "ended.completed" ever. */
MUST_USE enum err bench_count(struct bench *bench, struct swarm *swarm, const char *address, const char *path, uint64_t *out);
/* E_INTERNAL unless the bench's queue says that: what a scenario claims to have done must be there. */
MUST_USE enum err bench_expect(struct bench *bench, struct swarm *swarm, const char *path, uint64_t count);
MUST_USE enum err bench_fill(struct bench *bench, uint64_t jobs); /* enqueues, 1,000 a request */
MUST_USE enum err bench_call(struct bench *bench, struct swarm *swarm, const char *method, const char *path, struct str request); /* 2xx, or fails */
MUST_USE enum err bench_fail(struct bench *bench, const char *what, int status, struct str body);
/* Until the queue at that address has completed so many deliveries to the target. */
struct target;
MUST_USE enum err bench_wait_delivered(struct bench *bench, struct swarm *swarm, const char *queue, const struct target *target, uint64_t jobs);

/* ---- scenarios: each sets bench->value ---- */
enum err bench_enqueue_single(struct bench *bench);
enum err bench_enqueue_bulk(struct bench *bench);
enum err bench_drain_batch(struct bench *bench);
enum err bench_end_to_end_batch(struct bench *bench);
enum err bench_end_to_end_single(struct bench *bench);
enum err bench_latency(struct bench *bench);
enum err bench_http_deliveries(struct bench *bench);
enum err bench_memory(struct bench *bench);
enum err bench_polls(struct bench *bench);
enum err bench_large(struct bench *bench);
enum err bench_restart(struct bench *bench);
enum err bench_list(struct bench *bench);
enum err bench_webhook_deliveries(struct bench *bench);
enum err bench_webhook_fan_out(struct bench *bench);
enum err bench_webhook_dead(struct bench *bench);
