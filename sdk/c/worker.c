#include "worker.h"
#include "base/limits.h"
#include "base/mem.h"
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WORKER_THREADS_MAX 1024
#define WORKER_POLL_MS     3000
#define WORKER_GRACE_MS    30000

/* ---- birth ---- */

static int worker_check(const struct ruche_worker_options *options, ruche_handler *handler, struct ruche_error *error)
{
	struct buf scratch = { .max_bytes = SIZE_MAX / 2 };
	struct writer writer;
	write_begin(&writer, &scratch, error);
	if (!handler)
		write_refuse(&writer, "handler", "A function is needed.");
	if (!options->queue_count)
		write_refuse(&writer, "queues", "At least one queue is needed.");
	write_texts(&writer, "queues", options->queues, options->queue_count);
	write_text(&writer, "namespace_name", options->namespace_name);
	write_text(&writer, "worker", options->worker);
	write_number(&writer, "lease_ms", options->lease_ms);
	write_number(&writer, "heartbeat_ms", options->heartbeat_ms);
	write_number(&writer, "poll_ms", options->poll_ms);
	write_number(&writer, "grace_ms", options->grace_ms);
	if (options->concurrency < 0 || options->concurrency > WORKER_THREADS_MAX)
		write_refuse(&writer, "concurrency", "From 1 to 1,024 threads are possible.");
	if (options->poll_ms > LIMIT_WAIT_MS)
		write_refuse(&writer, "poll_ms", "At most 300,000 ms are possible.");
	if (options->heartbeat_ms > LIMIT_LEASE_MS || options->grace_ms > LIMIT_DURATION_MS)
		write_refuse(&writer, options->heartbeat_ms > LIMIT_LEASE_MS ? "heartbeat_ms" : "grace_ms", "This span is too long.");
	int code = write_end(&writer);
	buf_fini(&scratch);
	return code;
}

static const char *keep(char **next, const char *text)
{
	size_t bytes = text ? strlen(text) + 1 : 0;
	char *kept = *next;
	if (text)
		memcpy(kept, text, bytes);
	*next += bytes;
	return text ? kept : NULL;
}

/* The options' texts, all in one piece of memory. */
static bool worker_keep(struct ruche_worker *worker)
{
	struct ruche_worker_options *options = &worker->options;
	size_t bytes = 2; /* for the empty ends */
	bytes += options->namespace_name ? strlen(options->namespace_name) + 1 : 0;
	bytes += options->worker ? strlen(options->worker) + 1 : 0;
	for (size_t i = 0; i < options->queue_count; i++)
		bytes += strlen(options->queues[i]) + 1;
	worker->texts = mem_alloc(bytes);
	worker->queues = mem_zalloc_array(options->queue_count, sizeof(*worker->queues));
	if (!worker->texts || !worker->queues)
		return false;
	char *next = worker->texts;
	options->namespace_name = keep(&next, options->namespace_name);
	options->worker = keep(&next, options->worker);
	for (size_t i = 0; i < options->queue_count; i++)
		worker->queues[i] = keep(&next, options->queues[i]);
	options->queues = worker->queues;
	return true;
}

static void worker_settle_options(struct ruche_worker *worker)
{
	struct ruche_worker_options *options = &worker->options;
	char host[65] = "";
	gethostname(host, sizeof(host) - 1);
	snprintf(worker->name, sizeof(worker->name), "%s:%ld", host[0] && str_is_utf8(str_of(host)) ? host : "libruche", (long)getpid());
	if (!options->poll_ms)
		options->poll_ms = WORKER_POLL_MS;
	if (!options->grace_ms)
		options->grace_ms = WORKER_GRACE_MS;
	worker->claim = (struct ruche_claim_options){
		.size = sizeof(worker->claim),
		.queues = options->queues,
		.queue_count = options->queue_count,
		.namespace_name = options->namespace_name,
		.max = 1,
		.lease_ms = options->lease_ms,
		.worker = options->worker ? options->worker : worker->name,
	};
	presence_init(&worker->presence, worker->client, &worker->claim, worker->name);
}

static void worker_init(struct ruche_worker *worker)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&worker->lock, NULL);
	for (uint32_t i = 0; i < worker->task_count; i++) {
		worker->tasks[i].worker = worker;
		buf_init(&worker->tasks[i].members, SIZE_MAX / 2);
	}
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int ruche_worker_new(struct ruche_client *client, const struct ruche_worker_options *options, ruche_handler *handler, struct ruche_worker **out,
		     struct ruche_error *error)
{
	struct ruche_worker_options taken;
	int code = options_take(&taken, sizeof(taken), options, "struct ruche_worker_options", error);
	if (!code)
		code = worker_check(&taken, handler, error);
	if (code)
		return code;
	uint32_t count = taken.concurrency ? (uint32_t)taken.concurrency : 1;
	struct ruche_worker *worker = mem_zalloc(sizeof(*worker) + count * sizeof(worker->tasks[0]));
	if (!worker)
		return error_no_memory(error);
	*worker = (struct ruche_worker){ .client = client, .options = taken, .handler = handler, .task_count = count };
	worker_init(worker);
	if (worker->wake_fd < 0)
		code = error_set(error, RUCHE_NO_RESOURCE, "", "No descriptor is left for a worker: %s.", strerror(errno));
	else if (!worker_keep(worker))
		code = error_no_memory(error);
	if (code) {
		ruche_worker_free(worker);
		return code;
	}
	worker_settle_options(worker);
	*out = worker;
	return RUCHE_OK;
}

void ruche_worker_free(struct ruche_worker *worker)
{
	if (!worker)
		return;
	for (uint32_t i = 0; i < worker->task_count; i++)
		buf_fini(&worker->tasks[i].members);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->lock);
	mem_free(worker->texts);
	mem_free(worker->queues);
	mem_free(worker);
}

/* ---- state ---- */

void worker_wake_beat(struct ruche_worker *worker)
{
	uint64_t one = 1;
	int before = errno;
	(void)!write(worker->wake_fd, &one, sizeof(one)); /* full means that it will wake anyway */
	errno = before;
}

void ruche_worker_stop(struct ruche_worker *worker)
{
	atomic_fetch_add(&worker->asked, 1);
	worker_wake_beat(worker);
}

int worker_state(struct ruche_worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	int state = worker->state == WORKER_RUNNING && atomic_load(&worker->asked) ? WORKER_ENDING : worker->state;
	pthread_mutex_unlock(&worker->lock);
	return state;
}

void worker_pause(struct ruche_worker *worker, int64_t wait_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&worker->lock);
	int before = worker->state;
	while (worker->state == before && pthread_cond_timedwait(&worker->changed, &worker->lock, &until) == 0)
		;
	pthread_mutex_unlock(&worker->lock);
}

void worker_fail(struct ruche_worker *worker, const struct ruche_error *error)
{
	pthread_mutex_lock(&worker->lock);
	if (!worker->fatal.code)
		worker->fatal = *error;
	pthread_mutex_unlock(&worker->lock);
	ruche_worker_stop(worker);
}

void worker_tell(struct ruche_worker *worker, const struct ruche_job *job, const struct ruche_error *error)
{
	if (worker->options.trouble)
		worker->options.trouble(worker->options.context, job, error);
}

/* ---- running ---- */

/* The beat gets no signals: they are for the program's own threads. */
static int start_beat(struct ruche_worker *worker, pthread_t *beat)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(beat, NULL, beat_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

static uint32_t start_tasks(struct ruche_worker *worker)
{
	uint32_t started = 0;
	while (started < worker->task_count && pthread_create(&worker->tasks[started].thread, NULL, task_main, &worker->tasks[started]) == 0)
		started++;
	if (started == worker->task_count)
		return started;
	struct ruche_error error;
	error_set(&error, RUCHE_NO_RESOURCE, "concurrency", "Only %u of %u threads could be started; raise the limit on threads, or ask for fewer.", started,
		  worker->task_count);
	pthread_mutex_lock(&worker->lock);
	worker->live -= worker->task_count - started;
	pthread_mutex_unlock(&worker->lock);
	worker_fail(worker, &error);
	return started;
}

static int worker_work(struct ruche_worker *worker, struct ruche_error *error)
{
	pthread_t beat;
	worker->live = worker->task_count;
	if (start_beat(worker, &beat))
		return error_set(error, RUCHE_NO_RESOURCE, "", "No thread could be started for the heartbeats.");
	uint32_t started = start_tasks(worker);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(worker->tasks[i].thread, NULL);
	__atomic_store_n(&worker->over, 1, __ATOMIC_RELAXED);
	worker_wake_beat(worker);
	pthread_join(beat, NULL);
	if (worker->fatal.code && error)
		*error = worker->fatal;
	return worker->fatal.code;
}

int ruche_worker_run(struct ruche_worker *worker, struct ruche_error *error)
{
	if (worker->ran)
		return error_set(error, RUCHE_BAD_ARGUMENT, "worker", "worker: It has run already; make another one.");
	worker->ran = true;
	if (worker_state(worker) == WORKER_RUNNING)
		presence_begin(&worker->presence);
	int code = worker_work(worker, error);
	presence_leave(&worker->presence);
	return code;
}
