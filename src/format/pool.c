#include "format/pool.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "format/helper.h"
#include "format/suspects.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_US (1 * INT64_C(1000000)) /* after a helper could not be started */
#define SLEEP_MAX_US (3600 * INT64_C(1000000))
#define HASH_SEED  UINT64_C(0x7f4a7c15)

/* A job, until it ends. It stands in a line, or is under way in a helper. */
struct task {
	uint32_t next, previous; /* slots; of its line (next also of the pool's free list: first) */
	uint64_t ticket;         /* number << 32 | slot; 0: the slot is free */
	struct line *line;       /* NULL: under way */
	struct helper *helper;
	uint64_t program;        /* hash */
	struct format_job job;
};
struct line {
	uint32_t first, last, count;
};
struct format_pool {
	struct format_pool_config config;
	char helper_path[FORMAT_PATH_BYTES];
	pthread_t thread; /* from the first job on */
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t called;
	int wake; /* eventfd */
	bool running, asleep, woken, stopping; /* running: the thread was started; woken: somebody changed something since the last sleep */
	struct pool tasks;
	struct line waiting, apart; /* apart: suspects, which run alone in the first helper */
	uint32_t tickets;
	uint64_t calling; /* the ticket whose done runs now */
	struct helper helpers[FORMAT_HELPERS_MAX];
	bool apart_had_its_turn;
	int64_t restart_us; /* no helper is started before */
	struct problem unfit; /* why */
	struct suspects suspects;
	struct format_pool_stats stats;
};

/* ---- lines ---- */

static struct task *task_at(struct format_pool *pool, uint32_t slot)
{
	return slot == POOL_NONE ? NULL : pool_at(&pool->tasks, slot);
}

static uint32_t task_slot(const struct task *task)
{
	return (uint32_t)task->ticket;
}

static void line_put(struct format_pool *pool, struct line *line, struct task *task, bool in_front)
{
	uint32_t slot = task_slot(task);
	task->line = line;
	task->helper = NULL;
	task->previous = in_front ? POOL_NONE : line->last;
	task->next = in_front ? line->first : POOL_NONE;
	struct task *previous = task_at(pool, task->previous), *next = task_at(pool, task->next);
	*(previous ? &previous->next : &line->first) = slot;
	*(next ? &next->previous : &line->last) = slot;
	line->count++;
}

static void line_remove(struct format_pool *pool, struct task *task)
{
	struct line *line = task->line;
	struct task *previous = task_at(pool, task->previous), *next = task_at(pool, task->next);
	*(previous ? &previous->next : &line->first) = task->next;
	*(next ? &next->previous : &line->last) = task->previous;
	task->line = NULL;
	line->count--;
}

static struct task *task_find(struct format_pool *pool, uint64_t ticket)
{
	uint32_t slot = (uint32_t)ticket;
	struct task *task = ticket && slot < pool->tasks.used ? pool_at(&pool->tasks, slot) : NULL;
	return task && task->ticket == ticket ? task : NULL;
}

static void task_free(struct format_pool *pool, struct task *task)
{
	uint32_t slot = task_slot(task);
	task->ticket = 0;
	pool_give(&pool->tasks, slot);
}

/* The job has ended: whoever asked is told, without the lock. */
static void task_end(struct format_pool *pool, struct task *task, enum format_end end, struct str text, int64_t us)
{
	struct format_job job = task->job;
	struct format_outcome outcome = { .end = end, .text = text, .us = us };
	pool->calling = task->ticket;
	pool->stats.ended++;
	if (task->line)
		line_remove(pool, task);
	task_free(pool, task);
	pthread_mutex_unlock(&pool->lock);
	job.done(job.context, &outcome);
	pthread_mutex_lock(&pool->lock);
	pool->calling = 0;
	pthread_cond_broadcast(&pool->called);
}

/* ---- helpers that end ---- */

/* What was under way goes back, in its order; cancelled ones are nobody's any more. */
static void formats_take_back(struct format_pool *pool, const uint64_t *tickets, uint32_t count)
{
	while (count-- > 0) {
		struct task *task = task_find(pool, tickets[count]);
		if (task)
			line_put(pool, &pool->waiting, task, true);
	}
}

/* Ends the helper. Its first frame is to blame when there is something to say of it. */
static void formats_end_helper(struct format_pool *pool, struct helper *helper, int64_t now_us, const char *blame)
{
	uint64_t tickets[FORMAT_DEPTH], program = helper->flights[0].program;
	uint32_t count = helper->count, sent = helper->sent;
	for (uint32_t i = 0; i < count; i++)
		tickets[i] = helper->flights[i].id;
	if (helper->pid)
		helper_end(helper);
	helper->count = helper->sent = 0;
	helper->alone = false;
	uint32_t blamed = blame && sent ? 1 : 0; /* a program that did not arrive as a whole has not run */
	formats_take_back(pool, tickets + blamed, count - blamed);
	if (!blamed)
		return;
	suspects_add(&pool->suspects, program, now_us);
	pool->stats.killed++;
	struct task *task = task_find(pool, tickets[0]);
	if (task)
		task_end(pool, task, FORMAT_KILLED, str_of(blame), 0);
}

/* Nothing can run for a while: those who wait are told, unless another helper lives. */
static void formats_is_unfit(struct format_pool *pool, int64_t now_us, const char *why)
{
	pool->restart_us = now_us + RESTART_US;
	problem_set(&pool->unfit, E_UNAVAILABLE, "", "the format could not be run: %s", why);
}

static bool formats_has_helper(const struct format_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.helpers; i++) {
		if (pool->helpers[i].pid)
			return true;
	}
	return false;
}

static void formats_give_up(struct format_pool *pool)
{
	struct line *lines[] = { &pool->waiting, &pool->apart };
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		struct task *task;
		while ((task = task_at(pool, lines[i]->first)) != NULL)
			task_end(pool, task, FORMAT_OURS, str_of(pool->unfit.detail), 0);
	}
}

/* It has closed its socket: by itself between two programs (status 0), before it could run any, or within a program. */
static void formats_helper_died(struct format_pool *pool, struct helper *helper, int64_t now_us)
{
	char text[160];
	uint64_t answers = helper->answers;
	int status = helper_end(helper);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
		snprintf(text, sizeof(text), "the program used more than %lld ms of processor time and was stopped", (long long)pool->config.cpu_ms);
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "the program was stopped by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "the program ended its helper with code %d", WEXITSTATUS(status));
	bool by_itself = WIFEXITED(status) && (WEXITSTATUS(status) == 0 || !answers);
	if (by_itself && !answers) {
		snprintf(text, sizeof(text), "%.100s ended with code %d as soon as it was started", pool->helper_path, WEXITSTATUS(status));
		formats_is_unfit(pool, now_us, text);
	}
	formats_end_helper(pool, helper, now_us, by_itself ? NULL : text);
}

/* ---- answers ---- */

static enum format_end end_of(enum frame_status status)
{
	static const enum format_end ends[FRAME_STATUS_COUNT] = {
		[FRAME_VALUE] = FORMAT_VALUE, [FRAME_NOTHING] = FORMAT_NOTHING, [FRAME_ERROR] = FORMAT_ERROR, [FRAME_MANY] = FORMAT_ERROR,
		[FRAME_NO_MEMORY] = FORMAT_KILLED, [FRAME_UNFIT] = FORMAT_OURS,
	};
	return ends[status];
}

/* What it wrote is no answer to what it was asked. */
static void formats_helper_broke(struct format_pool *pool, struct helper *helper, int64_t now_us)
{
	if (!helper->sent && !helper->answers) {
		char text[160];
		snprintf(text, sizeof(text), "%.100s does not answer as a helper does", pool->helper_path);
		formats_is_unfit(pool, now_us, text);
	}
	formats_end_helper(pool, helper, now_us, "the program broke its helper, which was stopped");
}

/* true: the helper goes on. */
static bool formats_answer(struct format_pool *pool, struct helper *helper, const struct frame_answer *answer, int64_t now_us)
{
	char text[160];
	if (answer->status == FRAME_UNFIT) {
		snprintf(text, sizeof(text), STR_FMT, STR_ARG(str_cut(answer->text, sizeof(text) - 1)));
		formats_is_unfit(pool, now_us, text);
		formats_end_helper(pool, helper, now_us, NULL);
		return false;
	}
	if (!helper->sent || helper->flights[0].id != answer->id) {
		formats_helper_broke(pool, helper, now_us);
		return false;
	}
	if (answer->status == FRAME_NO_MEMORY) {
		formats_end_helper(pool, helper, now_us, "the program needed more than 256 MiB of memory and was stopped");
		return false;
	}
	helper_pop(helper, now_us);
	helper->answers++;
	struct task *task = task_find(pool, answer->id);
	if (task)
		task_end(pool, task, end_of(answer->status), answer->text, answer->us);
	return true;
}

static void formats_receive(struct format_pool *pool, struct helper *helper, int64_t now_us)
{
	enum err err = helper_receive(helper);
	size_t at = 0, bytes = 0;
	struct frame_answer answer;
	enum frame_read read = FRAME_SHORT;
	while (helper->pid && (read = frame_answer_read(str_from(buf_str(&helper->in), at), &answer, &bytes)) == FRAME_WHOLE) {
		at += bytes;
		if (!formats_answer(pool, helper, &answer, now_us))
			return;
	}
	buf_consume(&helper->in, at);
	if (read == FRAME_BROKEN)
		formats_helper_broke(pool, helper, now_us);
	else if (err == E_NOMEM)
		formats_end_helper(pool, helper, now_us, NULL); /* again in another one */
	else if (err)
		formats_helper_died(pool, helper, now_us);
}

/* ---- work for the helpers ---- */

static void formats_give_to(struct format_pool *pool, struct helper *helper, struct task *task, int64_t now_us)
{
	struct frame_ask ask = { .id = task->ticket, .kind = task->job.compile_only ? FRAME_COMPILE : FRAME_RUN, .program = task->job.program };
	if (!task->job.compile_only)
		ask.input = task->job.input;
	line_remove(pool, task);
	task->helper = helper;
	helper_push(helper, &ask, task->program, now_us);
}

/* The first helper takes suspects and the others in turn, as long as there are both. */
static bool takes_a_suspect_next(const struct format_pool *pool, const struct helper *helper)
{
	return helper == &pool->helpers[0] && pool->apart.count && !(pool->apart_had_its_turn && pool->waiting.count);
}

static bool formats_start_helper(struct format_pool *pool, struct helper *helper, int64_t now_us)
{
	struct problem problem;
	if (now_us < pool->restart_us)
		return false;
	enum err err = helper_start(helper, pool->helper_path, pool->config.cpu_ms, now_us, &problem);
	if (err)
		formats_is_unfit(pool, now_us, problem.detail);
	else
		pool->stats.started++;
	return !err;
}

/* The helper for the next job of the line: an idle one, else a new one, else the one with the least to do. NULL: all are busy, or none can be. */
static struct helper *formats_choose(struct format_pool *pool, int64_t now_us)
{
	struct helper *best = NULL, *none = NULL;
	for (struct helper *one = pool->helpers; one < pool->helpers + pool->config.helpers; one++) {
		if (one->alone || takes_a_suspect_next(pool, one))
			continue;
		if (!one->pid)
			none = none ? none : one;
		else if (one->count < FORMAT_DEPTH && (!best || one->count < best->count))
			best = one;
	}
	if (best && (!best->count || !none))
		return best;
	return none && formats_start_helper(pool, none, now_us) ? none : best;
}

static void formats_feed_apart(struct format_pool *pool, int64_t now_us)
{
	struct helper *helper = &pool->helpers[0];
	if (!takes_a_suspect_next(pool, helper) || helper->count || (!helper->pid && !formats_start_helper(pool, helper, now_us)))
		return;
	formats_give_to(pool, helper, task_at(pool, pool->apart.first), now_us);
	helper->alone = true;
	pool->apart_had_its_turn = true;
}

static void formats_feed(struct format_pool *pool, int64_t now_us)
{
	struct task *task;
	formats_feed_apart(pool, now_us);
	while ((task = task_at(pool, pool->waiting.first)) != NULL) {
		if (suspects_has(&pool->suspects, task->program, now_us)) {
			line_remove(pool, task);
			line_put(pool, &pool->apart, task, false);
			continue;
		}
		struct helper *helper = formats_choose(pool, now_us);
		if (!helper)
			break;
		formats_give_to(pool, helper, task, now_us);
		if (helper == &pool->helpers[0])
			pool->apart_had_its_turn = false;
	}
	formats_feed_apart(pool, now_us);
	for (struct helper *one = pool->helpers; one < pool->helpers + pool->config.helpers; one++) {
		if (one->pid)
			helper_send(one);
	}
	if (now_us < pool->restart_us && !formats_has_helper(pool))
		formats_give_up(pool);
}

/* ---- the thread ---- */

/* When this helper has to be looked at without its saying anything: its first program's bound, or its own idleness. */
static int64_t formats_bound_us(const struct format_pool *pool, const struct helper *helper)
{
	return helper->since_us + (helper->count ? pool->config.wall_ms : pool->config.idle_ms) * 1000;
}

static void formats_expire(struct format_pool *pool, int64_t now_us)
{
	char text[96];
	for (struct helper *one = pool->helpers; one < pool->helpers + pool->config.helpers; one++) {
		if (!one->pid || now_us < formats_bound_us(pool, one))
			continue;
		snprintf(text, sizeof(text), "the program took longer than %lld ms and was stopped", (long long)pool->config.wall_ms);
		formats_end_helper(pool, one, now_us, text);
	}
}

/* Sleeps until a helper, a job or a bound wants something. */
static void formats_sleep(struct format_pool *pool, struct pollfd polls[FORMAT_HELPERS_MAX + 1])
{
	int64_t now_us = clock_mono_us(), until_us = INT64_MAX;
	polls[FORMAT_HELPERS_MAX] = (struct pollfd){ .fd = pool->wake, .events = POLLIN };
	for (uint32_t i = 0; i < FORMAT_HELPERS_MAX; i++) {
		const struct helper *helper = &pool->helpers[i];
		polls[i] = (struct pollfd){ .fd = helper->pid ? helper->fd : -1, .events = POLLIN };
		if (!helper->pid)
			continue;
		if (helper_wants_to_send(helper))
			polls[i].events |= POLLOUT;
		int64_t bound_us = formats_bound_us(pool, helper);
		until_us = bound_us < until_us ? bound_us : until_us;
	}
	if (pool->waiting.count + pool->apart.count && pool->restart_us > now_us && pool->restart_us < until_us)
		until_us = pool->restart_us;
	int64_t left_us = pool->woken ? 0 : until_us - now_us;
	int wait_ms = left_us <= 0 ? 0 : left_us > SLEEP_MAX_US ? (int)(SLEEP_MAX_US / 1000) : (int)(left_us / 1000) + 1;
	pool->asleep = true;
	pthread_mutex_unlock(&pool->lock);
	int count = poll(polls, FORMAT_HELPERS_MAX + 1, wait_ms);
	uint64_t wakes;
	if (count > 0 && polls[FORMAT_HELPERS_MAX].revents && read(pool->wake, &wakes, sizeof(wakes)) < 0)
		CHECK(errno == EAGAIN || errno == EINTR);
	pthread_mutex_lock(&pool->lock);
	pool->asleep = pool->woken = false;
	for (uint32_t i = 0; count <= 0 && i < FORMAT_HELPERS_MAX; i++)
		polls[i].revents = 0;
}

static void *formats_main(void *context)
{
	struct format_pool *pool = context;
	struct pollfd polls[FORMAT_HELPERS_MAX + 1];
	pthread_mutex_lock(&pool->lock);
	while (!pool->stopping) {
		formats_feed(pool, clock_mono_us());
		formats_sleep(pool, polls);
		int64_t now_us = clock_mono_us();
		for (uint32_t i = 0; i < pool->config.helpers; i++) {
			if (pool->helpers[i].pid && polls[i].revents & ~POLLOUT)
				formats_receive(pool, &pool->helpers[i], now_us);
		}
		formats_expire(pool, now_us);
	}
	for (uint32_t i = 0; i < pool->config.helpers; i++) {
		if (pool->helpers[i].pid)
			formats_end_helper(pool, &pool->helpers[i], clock_mono_us(), NULL);
	}
	formats_is_unfit(pool, clock_mono_us(), "the daemon is stopping");
	formats_give_up(pool);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void formats_wake(struct format_pool *pool)
{
	uint64_t one = 1;
	if (pool->asleep && !pool->woken && write(pool->wake, &one, sizeof(one)) < 0)
		CHECK(errno == EAGAIN || errno == EINTR);
	pool->woken = true;
}

/* ---- for others ---- */

enum err format_helper_path(const char *helper, char out[FORMAT_PATH_BYTES], struct problem *problem)
{
	static const char name[] = "ruche-jq";
	if (helper) {
		int n = snprintf(out, FORMAT_PATH_BYTES, "%s", helper);
		if (n < 0 || (size_t)n >= FORMAT_PATH_BYTES)
			return problem_set(problem, E_CONFIG, "formats.helper", "The path is too long.");
		return E_OK;
	}
	ssize_t n = readlink("/proc/self/exe", out, FORMAT_PATH_BYTES - sizeof(name));
	if (n < 0)
		return problem_set(problem, E_CONFIG, "formats.helper", "/proc is not there, so ruche-jq cannot be looked for beside this program; name it.");
	while (n > 0 && out[n - 1] != '/')
		n--;
	memcpy(out + n, name, sizeof(name));
	return E_OK;
}

static bool formats_start_thread(struct format_pool *pool)
{
	if (pool->running)
		return true;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int wrong = pthread_create(&pool->thread, NULL, formats_main, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pool->running = !wrong;
	if (!wrong)
		pthread_setname_np(pool->thread, "formats");
	return !wrong;
}

static void formats_free(struct format_pool *pool)
{
	if (pool->wake >= 0)
		close(pool->wake);
	pool_fini(&pool->tasks);
	pthread_cond_destroy(&pool->called);
	pthread_mutex_destroy(&pool->lock);
	mem_free(pool);
}

enum err format_pool_start(const struct format_pool_config *config, struct format_pool **out, struct problem *problem)
{
	CHECK(config->helpers >= 1 && config->helpers <= FORMAT_HELPERS_MAX);
	struct format_pool *pool = mem_zalloc(sizeof(*pool));
	if (!pool)
		return problem_set(problem, E_NOMEM, "", "There is no memory for the helpers of formats.");
	pool->config = *config;
	pool->waiting = pool->apart = (struct line){ POOL_NONE, POOL_NONE, 0 };
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->called, NULL);
	pool_init(&pool->tasks, sizeof(struct task));
	pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	enum err err = pool->wake < 0 ? problem_set(problem, E_IO, "", "No eventfd for the helpers of formats: %s.", strerror(errno)) : E_OK;
	if (!err)
		err = format_helper_path(config->helper, pool->helper_path, problem);
	if (err) {
		formats_free(pool);
		return err;
	}
	*out = pool;
	return E_OK;
}

enum err format_run(struct format_pool *pool, const struct format_job *job, uint64_t *out_ticket)
{
	uint32_t slot;
	if (job->program.len > FRAME_PROGRAM_BYTES || job->input.len > FRAME_INPUT_BYTES)
		return E_TOO_LARGE;
	uint64_t program = str_hash(job->program, HASH_SEED);
	pthread_mutex_lock(&pool->lock);
	CHECK(!pool->stopping);
	enum err err = formats_start_thread(pool) ? pool_take(&pool->tasks, &slot) : E_NOMEM;
	if (!err) {
		struct task *task = pool_at(&pool->tasks, slot);
		pool->tickets += pool->tickets == UINT32_MAX ? 2 : 1; /* never 0 */
		*task = (struct task){ .ticket = (uint64_t)pool->tickets << 32 | slot, .program = program, .job = *job };
		*out_ticket = task->ticket;
		line_put(pool, &pool->waiting, task, false);
		formats_wake(pool);
	}
	pthread_mutex_unlock(&pool->lock);
	return err;
}

bool format_cancel(struct format_pool *pool, uint64_t ticket)
{
	pthread_mutex_lock(&pool->lock);
	struct task *task = task_find(pool, ticket);
	if (task) {
		if (task->line)
			line_remove(pool, task);
		else
			helper_forget(task->helper, ticket, clock_mono_us());
		task_free(pool, task);
		formats_wake(pool);
	}
	while (ticket && pool->calling == ticket && !pthread_equal(pthread_self(), pool->thread))
		pthread_cond_wait(&pool->called, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	return task != NULL;
}

void format_pool_stats(struct format_pool *pool, struct format_pool_stats *out)
{
	pthread_mutex_lock(&pool->lock);
	*out = pool->stats;
	out->waiting = pool->waiting.count + pool->apart.count;
	for (uint32_t i = 0; i < pool->config.helpers; i++) {
		const struct helper *helper = &pool->helpers[i];
		out->under_way += helper->count;
		if (helper->pid)
			out->pids[out->helpers++] = helper->pid;
	}
	pthread_mutex_unlock(&pool->lock);
}

void format_pool_stop(struct format_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	formats_wake(pool);
	pthread_mutex_unlock(&pool->lock);
	if (pool->running)
		pthread_join(pool->thread, NULL);
	formats_free(pool);
}
