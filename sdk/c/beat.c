/* The beat: one thread for all leases of a worker, and for telling that it is there. */
#include "base/clock.h"
#include "base/limits.h"
#include "worker.h"
#include <poll.h>
#include <unistd.h>

#define BEAT_MAX_MS     5000 /* between heartbeats, so that a cancel is noticed soon */
#define BEAT_IDLE_MS    60000
#define BEAT_CALL_MS    1000 /* a heartbeat's call may take so long at least */

int64_t beat_interval_us(const struct ruche_worker *worker, const struct ruche_job *job)
{
	int64_t lease_ms = job->lease_ms > 0 ? job->lease_ms : BEAT_MAX_MS;
	int64_t third_ms = lease_ms / 3 + 1, wanted_ms = worker->options.heartbeat_ms ? worker->options.heartbeat_ms : BEAT_MAX_MS;
	return (third_ms < wanted_ms ? third_ms : wanted_ms) * 1000;
}

/* ---- who is to stop ---- */

/* The first reason stands, but for a lost lease, which is final. */
static void task_stop(struct ruche_task *task, int reason)
{
	int before = atomic_load(&task->stop);
	if (before == RUCHE_GO_ON || (reason == RUCHE_STOP_LEASE_LOST && before != reason))
		atomic_store(&task->stop, reason);
	else
		return;
	pthread_cond_broadcast(&task->worker->changed);
}

static void beat_move(struct ruche_worker *worker, int state)
{
	worker->state = state;
	if (state == WORKER_HURRIED)
		__atomic_store_n(&worker->hurried, 1, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&worker->changed);
}

/* Moves the worker on, and tells tasks whose time is over. Answers when there is something to do next. Under the lock. */
static int64_t beat_look(struct ruche_worker *worker, int64_t now_us)
{
	int asked = atomic_load(&worker->asked);
	int64_t next_us = now_us + (int64_t)BEAT_IDLE_MS * 1000;
	if (worker->state == WORKER_RUNNING && asked) {
		worker->hurry_us = now_us + worker->options.grace_ms * 1000;
		beat_move(worker, WORKER_ENDING);
	}
	if (worker->state == WORKER_ENDING && (asked > 1 || now_us >= worker->hurry_us))
		beat_move(worker, WORKER_HURRIED);
	if (worker->state == WORKER_ENDING && worker->hurry_us < next_us)
		next_us = worker->hurry_us;
	if (worker->presence.due_us < next_us)
		next_us = worker->presence.due_us;
	for (uint32_t i = 0; i < worker->task_count; i++) {
		struct ruche_task *task = &worker->tasks[i];
		if (!task->job)
			continue;
		int64_t limit_us = task->job->timeout_ms > 0 ? task->begun_us + task->job->timeout_ms * 1000 : INT64_MAX;
		if (now_us >= limit_us)
			task_stop(task, RUCHE_STOP_TIMEOUT);
		else if (limit_us < next_us)
			next_us = limit_us;
		if (worker->state == WORKER_HURRIED)
			task_stop(task, RUCHE_STOP_SHUTDOWN);
		if (task->beat_us < next_us)
			next_us = task->beat_us;
	}
	return next_us;
}

/* ---- the heartbeat ---- */

/* Writes all leases into one call when one is due; false when none is. Under the lock. */
static bool beat_write(struct ruche_worker *worker, struct call *call, int64_t now_us)
{
	bool due = false;
	uint32_t count = 0;
	int64_t shortest_ms = LIMIT_LEASE_MS;
	for (uint32_t i = 0; i < worker->task_count; i++)
		due |= worker->tasks[i].job && worker->tasks[i].beat_us <= now_us;
	if (!due)
		return false;
	call_begin(call, worker->client, "POST", "/v1/leases/heartbeat", NULL);
	call_object(call);
	json_put_key(&call->body, "leases");
	buf_add_byte(&call->body, '[');
	for (uint32_t i = 0; i < worker->task_count; i++) {
		struct ruche_task *task = &worker->tasks[i];
		if (!task->job)
			continue;
		json_put_comma(&call->body);
		buf_add_byte(&call->body, '{');
		write_text(&call->writer, "uid", task->job->uid);
		write_lease(&call->writer, task->job);
		buf_add_byte(&call->body, '}');
		task->beat_index = count++;
		task->beat_us = now_us + beat_interval_us(worker, task->job);
		if (task->job->lease_ms > 0 && task->job->lease_ms < shortest_ms)
			shortest_ms = task->job->lease_ms;
	}
	buf_add_byte(&call->body, ']');
	int64_t call_ms = shortest_ms / 3 > BEAT_CALL_MS ? shortest_ms / 3 : BEAT_CALL_MS;
	if (call_ms < call->timeout_ms)
		call->timeout_ms = call_ms;
	call->stop = &worker->over;
	return true;
}

/* One result. Its task may be at another job by now. */
static void beat_hear(struct ruche_worker *worker, struct ruche_answer *answer, uint32_t index)
{
	int code = ruche_answer_item_error(answer, index, NULL);
	const char *cancel = ruche_answer_item_text(answer, index, "cancel_requested");
	for (uint32_t i = 0; i < worker->task_count; i++) {
		struct ruche_task *task = &worker->tasks[i];
		if (!task->job || task->beat_index != index)
			continue;
		if (code == RUCHE_STALE_LEASE || code == RUCHE_JOB_NOT_FOUND)
			task_stop(task, RUCHE_STOP_LEASE_LOST);
		else if (cancel && strcmp(cancel, "true") == 0)
			task_stop(task, RUCHE_STOP_CANCELLED);
	}
}

/* A heartbeat that fails is made up for by the next: leases outlive three. */
static void beat_send(struct ruche_worker *worker, struct call *call)
{
	struct ruche_answer *answer;
	if (answer_of_call(call, &answer))
		return;
	pthread_mutex_lock(&worker->lock);
	for (uint32_t i = 0; i < ruche_answer_count(answer); i++)
		beat_hear(worker, answer, i);
	pthread_mutex_unlock(&worker->lock);
	ruche_answer_free(answer);
}

static void beat_sleep(struct ruche_worker *worker, int64_t until_us)
{
	int64_t wait_us = until_us - clock_mono_us();
	struct pollfd wake = { .fd = worker->wake_fd, .events = POLLIN };
	uint64_t count;
	if (wait_us > 0)
		(void)!poll(&wake, 1, (int)(wait_us / 1000) + 1);
	(void)!read(worker->wake_fd, &count, sizeof(count));
}

void *beat_main(void *context)
{
	struct ruche_worker *worker = context;
	for (;;) {
		struct call call;
		int64_t now_us = clock_mono_us();
		pthread_mutex_lock(&worker->lock);
		bool over = worker->live == 0;
		int64_t next_us = beat_look(worker, now_us);
		bool due = !over && beat_write(worker, &call, now_us), tell = worker->presence.due_us <= now_us;
		pthread_mutex_unlock(&worker->lock);
		if (over)
			return NULL;
		if (due)
			beat_send(worker, &call);
		else if (tell)
			presence_tell(&worker->presence);
		else
			beat_sleep(worker, next_us);
	}
}
