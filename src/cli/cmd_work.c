/* ruche work: a worker that runs a command for each job. One thread a job at a time: claim, run, tell how it ended. The lease is
 * renewed at a third of its length; a lease that is lost, or a job that was cancelled, ends the command. */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pluck.h"
#include "cli/child.h"
#include "cli/commands.h"
#include "cli/presence.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define WORK_THREADS_MAX  1024
#define WORK_CLAIM_MS     3000   /* of one long poll: it is never cut short, lest a grant be lost on its way; so a stop takes that long */
#define WORK_CALL_MS      60000
#define WORK_REPORT_TRIES 10
#define WORK_PAUSE_US     1000000
#define WORK_WATCH_US     100000
#define WORK_TICK_MS      100    /* how soon a time-out or the end of the grace is seen */
#define WORK_RESULT_MAX   (1024u * 1024)
#define WORK_EXIT_FINAL   100    /* the command says: never again */
#define WORK_STACK_BYTES  (1024u * 1024)

const struct cli_option work_options[] = {
	{ "concurrency", 'c', "N", "jobs at once (1)", NULL, false },
	{ "lease", 'l', "SPAN", "of each job, renewed while it runs (the queue's)", NULL, false },
	{ "count", 0, "N", "end after so many jobs", NULL, false },
	{ "drain", 0, NULL, "end when nothing is left to do", NULL, false },
	{ "grace", 0, "SPAN", "after SIGTERM, for what runs (30s); then it is handed back", NULL, false },
	{ "worker", 'w', "NAME", "as the daemon shows us (HOST:PID)", NULL, false },
	{ "quiet", 0, NULL, "no line for each job", NULL, false },
	REMOTE_OPTIONS, { 0 },
};
const struct cli_exit work_exits[] = { { 1, "--drain or --count: some job failed" }, { 0 } };

struct work {
	const struct args *args;
	char *const *command;
	uint64_t count;          /* 0: no end */
	int64_t lease_ms, grace_ms;
	bool drain, quiet;
	const char *worker, *id;
	_Atomic uint64_t claimed, failed;
	_Atomic int code;
	_Atomic bool over;       /* all threads have ended */
};

static volatile sig_atomic_t work_stop;  /* no new jobs */
static volatile sig_atomic_t work_abort; /* a second signal: hand back what runs, now */
static _Atomic int64_t work_stop_us;

static void work_on_signal(int number)
{
	(void)number;
	work_abort = work_stop;
	work_stop = 1;
}

struct work_job { /* one that runs */
	struct work *work;
	struct remote *remote;
	struct str uid, queue, token, raw;
	uint64_t attempt;
	int64_t begun_us, heartbeat_us; /* heartbeat_us: when the next one is due */
	int64_t timeout_ms, lease_ms;
	bool lost, cancelled, timed_out, given_up;
};

/* ---- talking about a lease ---- */

static void work_put_token(struct buf *body, struct str token)
{
	buf_add_byte(body, '{');
	json_put_field_str(body, "token", token);
}

static void work_tell(const struct work_job *job, const char *what)
{
	if (!job->work->quiet)
		fprintf(stderr, STR_FMT " " STR_FMT " attempt %llu: %s in %lld ms\n", STR_ARG(job->uid), STR_ARG(job->queue),
			(unsigned long long)job->attempt, what, (long long)((clock_mono_us() - job->begun_us) / 1000));
}

static void work_report(struct work_job *job, const char *verb, struct str members);

/* A command that made children has no lease to hand back: that it went well means that the job waits for them, to be run once more. One
 * whose child failed can only fail. True: that was it. */
static bool work_minds_children(struct work_job *job, const char *verb, struct str answer)
{
	struct str code = pluck_text(answer, "code", &job->remote->arena);
	bool pending = str_eq(code, STR("children_pending"));
	if (strcmp(verb, "complete") != 0 || (!pending && !str_eq(code, STR("children_failed"))))
		return false;
	work_tell(job, pending ? "waits for its children" : "failed with a child");
	work_report(job, pending ? "await-children" : "fail", STR(""));
	return true;
}

/* Tells how a job ended, again and again while the daemon cannot be reached: only its answer ends a job. */
static void work_report(struct work_job *job, const char *verb, struct str members)
{
	for (int i = 0; i < WORK_REPORT_TRIES; i++) {
		struct problem problem;
		struct str answer;
		int status;
		remote_begin(job->remote);
		remote_path(job->remote, "/v1/leases/");
		remote_piece(job->remote, job->uid);
		remote_path(job->remote, "/");
		remote_path(job->remote, verb);
		work_put_token(&job->remote->body, job->token);
		if (members.len) {
			buf_add_byte(&job->remote->body, ',');
			buf_add(&job->remote->body, members);
		}
		buf_add_byte(&job->remote->body, '}');
		enum err err = remote_try(job->remote, "POST", job->lease_ms, &status, &answer, &problem);
		if (!err && status / 100 == 2)
			return;
		if (!err && status / 100 == 4 && work_minds_children(job, verb, answer))
			return;
		if (!err && status / 100 == 4) {
			remote_explain(job->remote, status, answer);
			return;
		}
		usleep(WORK_PAUSE_US);
	}
	fprintf(stderr, "ruche work: could not tell how " STR_FMT " ended: its lease will run out and it will be tried again\n", STR_ARG(job->uid));
}

/* Renews the lease, and hears whether it is gone or the job is to be cancelled. A call that fails is made up for by the next. */
static void work_heartbeat(struct work_job *job)
{
	struct problem problem;
	struct str answer;
	int status;
	remote_begin(job->remote);
	remote_path(job->remote, "/v1/leases/heartbeat");
	work_put_token(&job->remote->body, job->token);
	buf_add_lit(&job->remote->body, ",\"leases\":[{");
	json_put_field_str(&job->remote->body, "uid", job->uid);
	buf_add_lit(&job->remote->body, "}]}");
	if (remote_try(job->remote, "POST", job->lease_ms / 3, &status, &answer, &problem) || status / 100 != 2)
		return;
	job->cancelled = pluck_true(answer, "results.0.cancel_requested", &job->remote->arena);
	job->lost = pluck_text(answer, "results.0.problem.code", &job->remote->arena).len > 0;
}

static enum child_stop work_tick(void *context)
{
	struct work_job *job = context;
	int64_t now_us = clock_mono_us(), stopped_us = atomic_load(&work_stop_us);
	if (job->timeout_ms && now_us - job->begun_us > job->timeout_ms * 1000)
		job->timed_out = true;
	if (work_abort || (stopped_us && now_us - stopped_us > job->work->grace_ms * 1000))
		job->given_up = true;
	if (now_us >= job->heartbeat_us) {
		job->heartbeat_us = now_us + job->lease_ms * 1000 / 3;
		work_heartbeat(job);
	}
	return job->timed_out || job->given_up || job->lost || job->cancelled ? CHILD_END_IT : CHILD_GO_ON;
}

/* ---- running ---- */

/* Whether one of those, all complete, is the variable's new value; a variable of a job around us goes too. */
static bool work_overrides(char *const *variables, size_t count, const char *variable)
{
	size_t len = strcspn(variable, "=") + 1;
	for (size_t i = 0; i < count; i++) {
		if (variables[i] && strncmp(variables[i], variable, len) == 0)
			return true;
	}
	return strncmp(variable, WORK_VARIABLES, strlen(WORK_VARIABLES)) == 0;
}

/* The environment of a command: ours, who the job is, and where and who we are when options said so: what the command itself asks of
 * ruche then goes to the same daemon. In the arena. */
static char **work_environment(const struct work_job *job, struct arena *arena)
{
	extern char **environ;
	static const char *const names[][2] = {
		{ "UID", "uid" }, { "ID", "id" }, { "QUEUE", "queue" }, { "NAMESPACE", "namespace" }, { "NAME", "name" }, { "GROUP", "group" },
		{ "ATTEMPT", "attempt" }, { "MAX_ATTEMPTS", "max_attempts" },
	};
	static const char *const handed_on[][2] = { { "RUCHE_URL", "url" }, { "RUCHE_TOKEN", "token" }, { "RUCHE_NAMESPACE", "namespace" } };
	size_t count = 0, kept = 0;
	while (environ[count])
		count++;
	char **out = ARENA_ARRAY(arena, char *, count + ARRAY_COUNT(names) + ARRAY_COUNT(handed_on) + 2);
	if (!out)
		return NULL;
	for (size_t i = 0; i < ARRAY_COUNT(handed_on); i++) {
		const char *value = args_get(job->work->args, handed_on[i][1]);
		if (value)
			out[kept++] = arena_printf(arena, "%s=%s", handed_on[i][0], value);
	}
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct str value = pluck_text(job->raw, names[i][1], arena);
		out[kept++] = arena_printf(arena, WORK_VARIABLES "%s=" STR_FMT, names[i][0], STR_ARG(value));
	}
	out[kept++] = arena_printf(arena, WORK_VARIABLES "LEASE=" STR_FMT, STR_ARG(job->token));
	size_t own = kept;
	for (size_t i = 0; i < count; i++) {
		if (!work_overrides(out, own, environ[i]))
			out[kept++] = environ[i];
	}
	return out;
}

/* What the command printed becomes the result: as it is when it is JSON, as a string otherwise. */
static void work_put_result(struct buf *out, struct str output)
{
	struct problem problem;
	while (output.len && (output.ptr[output.len - 1] == '\n' || output.ptr[output.len - 1] == '\r'))
		output.len--;
	json_put_key(out, "result");
	if (output.len == 0)
		buf_add_lit(out, "null");
	else if (json_check(output, &problem))
		json_put_str(out, output);
	else
		buf_add(out, output);
}

static void work_put_error(struct buf *out, const char *type, struct str message)
{
	json_put_key(out, "error");
	buf_add_byte(out, '{');
	json_put_field_str(out, "type", str_of(type));
	json_put_field_str(out, "message", message);
	buf_add_byte(out, '}');
}

static void work_put_failure(struct buf *out, const struct work_job *job, const struct child *child)
{
	char text[128];
	struct str tail = { child->tail, child->tail_len };
	while (tail.len && tail.ptr[tail.len - 1] == '\n')
		tail.len--;
	if (job->cancelled)
		work_put_error(out, "Cancelled", STR("The job was cancelled while it ran."));
	else if (job->timed_out)
		work_put_error(out, "Timeout", STR("The command took longer than the job's time-out."));
	else if (child->exit_code < 0) {
		snprintf(text, sizeof(text), "The command was ended by signal %d (%s).", child->signal, strsignal(child->signal));
		work_put_error(out, "Signal", tail.len ? tail : str_of(text));
	} else {
		snprintf(text, sizeof(text), "Exit %d", child->exit_code);
		work_put_error(out, text, tail.len ? tail : STR("The command said nothing on standard error."));
	}
	if (child->exit_code == WORK_EXIT_FINAL)
		json_put_field_str(out, "verdict", STR("final"));
}

static void work_finish(struct work_job *job, const struct child *child, enum err err, const struct problem *problem)
{
	struct buf members;
	buf_init(&members, WORK_RESULT_MAX * 8);
	bool well = !err && child->exit_code == 0 && !job->cancelled && !job->timed_out && !job->lost && !job->given_up;
	if (job->lost) {
		work_tell(job, "lease lost, so given up");
	} else if (job->given_up && (err || child->exit_code != 0)) {
		work_tell(job, "handed back");
		work_report(job, "release", STR(""));
	} else if (well || (!err && child->exit_code == 0 && !job->cancelled)) {
		work_tell(job, "completed");
		work_put_result(&members, buf_str(&child->output));
		work_report(job, "complete", buf_str(&members));
	} else {
		atomic_fetch_add(&job->work->failed, 1);
		work_tell(job, "failed");
		if (err)
			work_put_error(&members, "NotRun", str_of(problem->detail));
		else
			work_put_failure(&members, job, child);
		work_report(job, "fail", buf_str(&members));
	}
	buf_fini(&members);
}

static void work_run(struct work *work, struct remote *remote, struct str raw, struct str token)
{
	struct arena *arena = &remote->arena;
	struct problem problem = { 0 };
	uint64_t lease_ms = 30000, timeout_ms = 0, attempt = 0;
	pluck_u64(raw, "lease_ms", arena, &lease_ms);
	pluck_u64(raw, "timeout_ms", arena, &timeout_ms);
	pluck_u64(raw, "attempt", arena, &attempt);
	struct work_job job = {
		.work = work, .remote = remote, .raw = raw, .token = token, .uid = pluck_text(raw, "uid", arena),
		.queue = pluck_text(raw, "queue", arena), .attempt = attempt, .begun_us = clock_mono_us(),
		.timeout_ms = (int64_t)timeout_ms, .lease_ms = (int64_t)lease_ms,
	};
	job.heartbeat_us = job.begun_us + job.lease_ms * 1000 / 3;
	if (work_stop) { /* it came after the signal */
		work_tell(&job, "handed back");
		work_report(&job, "release", STR(""));
		return;
	}
	struct child child = {
		.argv = work->command, .environment = work_environment(&job, arena), .output_max = WORK_RESULT_MAX,
		.tick_ms = WORK_TICK_MS, .tick = work_tick, .context = &job,
	};
	if (!pluck_raw(raw, "payload", arena, &child.input))
		child.input = STR("null");
	enum err err = child.environment ? child_run(&child, &problem) : problem_set(&problem, E_NOMEM, "", "Out of memory.");
	work_finish(&job, &child, err, &problem);
	buf_fini(&child.output);
	if (err == E_NOT_FOUND) { /* it will not be there for the next one either */
		fprintf(stderr, "ruche work: %s\n", problem.detail);
		atomic_store(&work->code, EX_UNAVAILABLE);
		work_stop = 1;
	}
}

/* ---- claiming ---- */

static void work_put_claim(struct work *work, struct remote *remote)
{
	struct buf *body = &remote->body;
	remote_begin(remote);
	remote_path(remote, "/v1/claims");
	buf_add_lit(body, "{\"queues\":[");
	for (int i = 0; i < work->args->word_count; i++) {
		json_put_comma(body);
		json_put_str(body, str_of(work->args->words[i]));
	}
	buf_add_lit(body, "],\"max\":1");
	if (!work->drain)
		json_put_field_i64(body, "wait_ms", WORK_CLAIM_MS);
	if (work->lease_ms)
		json_put_field_i64(body, "lease_ms", work->lease_ms);
	if (remote->space)
		json_put_field_str(body, "namespace", str_of(remote->space));
	json_put_field_str(body, "worker", str_of(work->worker));
	buf_add_byte(body, '}');
}

/* One claim and, if it brought a job, its run. False: this thread is done. */
static bool work_turn(struct work *work, struct remote *remote)
{
	struct problem problem;
	struct str answer, raw;
	int status;
	if (work->count && atomic_fetch_add(&work->claimed, 1) >= work->count)
		return false;
	work_put_claim(work, remote);
	enum err err = remote_try(remote, "POST", WORK_CALL_MS, &status, &answer, &problem);
	if (!err && status / 100 == 4) {
		atomic_store(&work->code, remote_explain(remote, status, answer));
		work_stop = 1;
		return false;
	}
	bool came = !err && status / 100 == 2 && pluck_raw(answer, "jobs.0", &remote->arena, &raw);
	if (came)
		work_run(work, remote, raw, pluck_text(answer, "token", &remote->arena));
	else if (work->count)
		atomic_fetch_sub(&work->claimed, 1);
	if (!came && (err || status / 100 != 2)) {
		fprintf(stderr, "ruche work: %s; trying again\n", err ? problem.detail : "the daemon cannot answer now");
		usleep(WORK_PAUSE_US);
		return true;
	}
	return came || !work->drain;
}

static void *work_main(void *context)
{
	struct work *work = context;
	struct remote remote = { 0 };
	int code = remote_open(&remote, work->args);
	if (code)
		atomic_store(&work->code, code);
	while (!code && !work_stop && work_turn(work, &remote))
		arena_reset(&remote.arena);
	remote_close(&remote);
	return NULL;
}

/* The signal's handler may do next to nothing: this thread notes when the grace began. It tells who works, too, from a little after the beginning
 * on: by then the others have found out whether they can speak to the daemon. */
static void *work_watch(void *context)
{
	struct work *work = context;
	struct remote remote = { 0 };
	struct presence presence = { &remote, work->id, work->worker, work->args->words, work->args->word_count, 0 };
	bool tried = false, open = false;
	while (!atomic_load(&work->over)) {
		if (work_stop && !atomic_load(&work_stop_us))
			atomic_store(&work_stop_us, clock_mono_us());
		usleep(WORK_WATCH_US);
		if (!tried && !atomic_load(&work->code)) {
			tried = true;
			open = remote_open(&remote, work->args) == 0;
		}
		if (open)
			presence_beat(&presence, clock_mono_us());
	}
	presence_leave(&presence);
	remote_close(&remote);
	return NULL;
}

static int work_threads(struct work *work, uint64_t concurrency)
{
	pthread_t threads[WORK_THREADS_MAX], watch;
	pthread_attr_t attributes;
	uint64_t started = 0;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WORK_STACK_BYTES);
	bool watched = pthread_create(&watch, &attributes, work_watch, work) == 0;
	while (watched && started < concurrency && pthread_create(&threads[started], &attributes, work_main, work) == 0)
		started++;
	if (started < concurrency)
		fprintf(stderr, "ruche work: only %llu of %llu threads could be started\n", (unsigned long long)started, (unsigned long long)concurrency);
	for (uint64_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&work->over, true);
	if (watched)
		pthread_join(watch, NULL);
	pthread_attr_destroy(&attributes);
	return started ? 0 : EX_OSERR;
}

int cmd_work(int argc, char **argv)
{
	struct args args;
	struct work work = { .args = &args, .grace_ms = 30000 };
	char name[128];
	uint64_t concurrency = 1;
	int code = args_read(&args, commands_find(argv[0]), argc, argv);
	if (code)
		return code;
	if (!args.word_count || !args.has_rest || !args.rest_count)
		return args_complain(args.command, "it takes queues, then -- and the command to run");
	code = args_u64(&args, "concurrency", 1, WORK_THREADS_MAX, &concurrency);
	if (!code)
		code = args_u64(&args, "count", 1, UINT32_MAX, &work.count);
	if (!code)
		code = args_duration_ms(&args, "lease", &work.lease_ms);
	if (!code)
		code = args_duration_ms(&args, "grace", &work.grace_ms);
	if (code)
		return code;
	gethostname(name, sizeof(name) - 16);
	name[sizeof(name) - 17] = '\0';
	snprintf(name + strlen(name), 16, ":%d", (int)getpid());
	work.id = name;
	work.worker = args_get(&args, "worker") ? args_get(&args, "worker") : name;
	work.drain = args_has(&args, "drain");
	work.quiet = args_has(&args, "quiet");
	work.command = args.rest;
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = work_on_signal }, NULL);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = work_on_signal }, NULL);
	code = work_threads(&work, concurrency);
	if (!code)
		code = atomic_load(&work.code);
	return !code && (work.drain || work.count) && atomic_load(&work.failed) ? 1 : code;
}
