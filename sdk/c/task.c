/* One thread of a worker: claim, run, report, and with the report claim the next. */
#include "base/clock.h"
#include "worker.h"
#include <stdio.h>
#include <time.h>

#define TASK_PAUSE_MS     100  /* after a first failure; doubles */
#define TASK_PAUSE_MAX_MS 5000
#define TASK_HURRY_MS     5000 /* of a report when the grace is over */
#define TASK_WAIT_MAX_MS  (INT64_C(366) * 24 * 3600 * 1000)

/* ---- what a handler may ask and say ---- */

const struct ruche_job *ruche_task_job(const struct ruche_task *task)
{
	return task->job;
}

struct ruche_client *ruche_task_client(const struct ruche_task *task)
{
	return task->worker->client;
}

int ruche_task_stopping(const struct ruche_task *task)
{
	return atomic_load(&task->stop);
}

int ruche_task_wait(struct ruche_task *task, int64_t wait_ms)
{
	int64_t until_us = clock_mono_us() + (wait_ms < TASK_WAIT_MAX_MS ? wait_ms : TASK_WAIT_MAX_MS) * 1000;
	struct timespec until = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
	struct ruche_worker *worker = task->worker;
	pthread_mutex_lock(&worker->lock);
	while (!atomic_load(&task->stop) && pthread_cond_timedwait(&worker->changed, &worker->lock, &until) == 0)
		;
	pthread_mutex_unlock(&worker->lock);
	return atomic_load(&task->stop);
}

/* Members replace what was said before, once they are whole. */
static void say_begin(struct writer *writer, struct buf *members, struct ruche_error *error)
{
	buf_init(members, SIZE_MAX / 2);
	write_begin(writer, members, error);
}

static int say_end(struct ruche_task *task, const char *verb, struct writer *writer)
{
	int code = write_end(writer);
	if (code) {
		buf_fini(writer->out);
		return code;
	}
	buf_fini(&task->members);
	task->members = *writer->out;
	task->verb = verb;
	return RUCHE_OK;
}

int ruche_task_complete(struct ruche_task *task, const char *result_json, struct ruche_error *error)
{
	struct writer writer;
	struct buf members;
	say_begin(&writer, &members, error);
	write_json(&writer, "result", result_json);
	return say_end(task, "complete", &writer);
}

int ruche_task_fail(struct ruche_task *task, const struct ruche_failure *failure, struct ruche_error *error)
{
	struct writer writer;
	struct buf members;
	struct ruche_failure taken;
	say_begin(&writer, &members, error);
	writer.code = options_take(&taken, sizeof(taken), failure, "struct ruche_failure", error);
	if (!writer.code)
		write_failure(&writer, &taken);
	return say_end(task, "fail", &writer);
}

int ruche_task_release(struct ruche_task *task, struct ruche_error *error)
{
	struct writer writer;
	struct buf members;
	say_begin(&writer, &members, error);
	return say_end(task, "release", &writer);
}

int ruche_task_snooze(struct ruche_task *task, int64_t delay_ms, struct ruche_error *error)
{
	struct writer writer;
	struct buf members;
	say_begin(&writer, &members, error);
	if (delay_ms < 0)
		write_refuse(&writer, "delay_ms", "This number must not be below 0.");
	json_put_field_i64(&members, "delay_ms", delay_ms);
	return say_end(task, "snooze", &writer);
}

int ruche_task_progress(struct ruche_task *task, const char *progress_json, struct ruche_error *error)
{
	int cancel = 0, go_on = RUCHE_GO_ON;
	int code = ruche_progress(task->worker->client, task->job, progress_json, &cancel, error);
	if (cancel)
		atomic_compare_exchange_strong(&task->stop, &go_on, RUCHE_STOP_CANCELLED);
	if (code == RUCHE_STALE_LEASE)
		atomic_store(&task->stop, RUCHE_STOP_LEASE_LOST);
	return code;
}

int ruche_task_log(struct ruche_task *task, const char *line, struct ruche_error *error)
{
	return ruche_log(task->worker->client, task->job, line, error);
}

/* ---- what the handler's silence means ---- */

static void task_fail_with(struct ruche_task *task, const char *type, const char *message)
{
	struct ruche_failure failure = { .size = sizeof(failure), .type = type, .message = message };
	if (ruche_task_fail(task, &failure, NULL))
		task->verb = "fail"; /* without words, when there is no memory for them */
}

static void task_conclude(struct ruche_task *task, int answered)
{
	char text[64];
	if (task->verb)
		return;
	if (answered == 0) {
		task->verb = "complete";
		return;
	}
	switch (atomic_load(&task->stop)) {
	case RUCHE_STOP_SHUTDOWN:
		task->verb = "release";
		break;
	case RUCHE_STOP_CANCELLED:
		task_fail_with(task, "Cancelled", "The job was cancelled while it ran.");
		break;
	case RUCHE_STOP_TIMEOUT:
		task_fail_with(task, "Timeout", "The attempt took longer than the job's time-out.");
		break;
	default:
		snprintf(text, sizeof(text), "The handler answered %d.", answered);
		task_fail_with(task, "Error", text);
	}
}

/* ---- reporting ---- */

/* The pause before the next try: what the daemon asked for, or one that doubles. */
static int64_t pause_after(const struct ruche_error *error, uint32_t tries)
{
	int64_t pause_ms = (int64_t)TASK_PAUSE_MS << (tries < 6 ? tries : 6);
	if (error->retry_after_ms > 0)
		pause_ms = error->retry_after_ms;
	return pause_ms < TASK_PAUSE_MAX_MS ? pause_ms : TASK_PAUSE_MAX_MS;
}

static int task_say(struct ruche_task *task, bool claims, struct ruche_claimed **next, struct ruche_error *error)
{
	struct ruche_worker *worker = task->worker;
	struct call call;
	lease_begin(&call, worker->client, task->job, task->verb, error);
	if (task->members.len) {
		buf_add_byte(&call.body, ',');
		buf_add(&call.body, buf_str(&task->members));
	}
	if (worker_state(worker) == WORKER_HURRIED && call.timeout_ms > TASK_HURRY_MS)
		call.timeout_ms = TASK_HURRY_MS;
	return lease_send(&call, claims ? &worker->claim : NULL, next);
}

/* A report that is refused for what it says (a result that is too large) becomes a failure that tells why. */
static bool task_reword(struct ruche_task *task, const struct ruche_error *error)
{
	if (error->code == RUCHE_STALE_LEASE || error->code == RUCHE_JOB_NOT_FOUND || error->code == RUCHE_UNAUTHORIZED || error->code == RUCHE_FORBIDDEN ||
	    strcmp(task->verb, "complete") != 0)
		return false;
	worker_tell(task->worker, task->job, error);
	task_fail_with(task, "ResultRefused", error->sentence);
	return true;
}

/* Says how the job ended, again and again while the daemon cannot hear it: only its answer, or a lost lease, ends a job. A try whose
 * answer was lost may have counted: the next one is then refused as stale, and the job is in good order. */
static void task_report(struct ruche_task *task, struct ruche_claimed **next)
{
	struct ruche_worker *worker = task->worker;
	struct ruche_error error;
	bool unknown = false;
	for (uint32_t tries = 0;; tries++) {
		if (atomic_load(&task->stop) == RUCHE_STOP_LEASE_LOST && !unknown) {
			error_set(&error, RUCHE_STALE_LEASE, "", "The lease was lost while the job ran; it will be, or was, run again.");
			worker_tell(worker, task->job, &error);
			return;
		}
		bool claims = worker_state(worker) == WORKER_RUNNING && (strcmp(task->verb, "complete") == 0 || strcmp(task->verb, "fail") == 0);
		int code = task_say(task, claims, next, &error);
		if (code == RUCHE_OK) {
			task->troubled = false;
			return;
		}
		unknown |= error.may_retry || code == RUCHE_STOPPED || code == RUCHE_NOT_RUCHE || code == RUCHE_ANSWER_TOO_LARGE;
		bool again = error.may_retry && worker_state(worker) != WORKER_HURRIED;
		if (!again && !error.may_retry && task_reword(task, &error))
			continue;
		if (!again) {
			if (code != RUCHE_STALE_LEASE || !unknown)
				worker_tell(worker, task->job, &error);
			return;
		}
		if (!task->troubled) /* the first of a row */
			worker_tell(worker, task->job, &error);
		task->troubled = true;
		worker_pause(worker, pause_after(&error, tries));
	}
}

/* ---- one job ---- */

static void task_hold(struct ruche_task *task, const struct ruche_job *job)
{
	struct ruche_worker *worker = task->worker;
	int64_t now_us = clock_mono_us();
	pthread_mutex_lock(&worker->lock);
	task->job = job;
	task->begun_us = now_us;
	if (job)
		task->beat_us = now_us + beat_interval_us(worker, job);
	atomic_store(&task->stop, job && worker->state == WORKER_HURRIED ? RUCHE_STOP_SHUTDOWN : RUCHE_GO_ON);
	task->verb = NULL;
	task->beat_index = UINT32_MAX;
	buf_clear(&task->members);
	pthread_mutex_unlock(&worker->lock);
	if (job)
		worker_wake_beat(worker); /* which may sleep for longer */
}

static void task_run(struct ruche_task *task, const struct ruche_job *job, struct ruche_claimed **next)
{
	struct ruche_worker *worker = task->worker;
	task_hold(task, job);
	if (worker_state(worker) != WORKER_RUNNING)
		task->verb = "release"; /* it came after the stop */
	else
		task_conclude(task, worker->handler(task, worker->options.context));
	task_report(task, next);
	task_hold(task, NULL);
}

/* ---- claiming ---- */

/* One long poll. False: this thread is done. */
static bool task_claim(struct ruche_task *task, uint32_t *tries, struct ruche_claimed **out)
{
	struct ruche_worker *worker = task->worker;
	struct ruche_claim_options options = worker->claim;
	struct ruche_error error;
	struct call call;
	options.wait_ms = worker->options.drain ? 0 : worker->options.poll_ms;
	claim_begin(&call, worker->client, &options, &error);
	call.stop = &worker->hurried;
	int code = claim_send(&call, out);
	if (code == RUCHE_OK) {
		atomic_store(&worker->troubled, false);
		*tries = 0;
		return ruche_claimed_count(*out) || !worker->options.drain;
	}
	if (code == RUCHE_STOPPED)
		return false;
	if (!error.may_retry) {
		worker_fail(worker, &error);
		return false;
	}
	if (!atomic_exchange(&worker->troubled, true)) /* the first of a row */
		worker_tell(worker, NULL, &error);
	worker_pause(worker, pause_after(&error, (*tries)++));
	return true;
}

void *task_main(void *context)
{
	struct ruche_task *task = context;
	struct ruche_worker *worker = task->worker;
	struct ruche_claimed *claimed = NULL, *next;
	uint32_t tries = 0;
	bool more = true;
	while (more && (claimed || worker_state(worker) == WORKER_RUNNING)) {
		next = NULL;
		if (!claimed)
			more = task_claim(task, &tries, &claimed);
		for (size_t i = 0; claimed && i < ruche_claimed_count(claimed); i++)
			task_run(task, ruche_claimed_job(claimed, i), &next);
		ruche_claimed_free(claimed);
		claimed = next;
		if (claimed && !ruche_claimed_count(claimed)) {
			ruche_claimed_free(claimed);
			claimed = NULL;
		}
	}
	pthread_mutex_lock(&worker->lock);
	worker->live--;
	pthread_mutex_unlock(&worker->lock);
	worker_wake_beat(worker);
	return NULL;
}
