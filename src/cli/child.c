#include "cli/child.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_READ_BYTES 65536u

enum { CHILD_IN, CHILD_OUT, CHILD_ERR, CHILD_PIPES };

struct child_run {
	struct child *child;
	pid_t pid;
	int pipes[CHILD_PIPES];  /* our ends; -1 once closed */
	size_t written;
	int64_t next_tick_us, kill_us; /* kill_us: 0 until it was asked to end */
	bool killed;
};

static void child_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int child_spawn(struct child_run *run, int theirs[CHILD_PIPES])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGTERM);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	for (int i = 0; i < CHILD_PIPES; i++)
		posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	int error = posix_spawnp(&run->pid, run->child->argv[0], &actions, &attributes, run->child->argv, run->child->environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

static enum err child_start(struct child_run *run, struct problem *problem)
{
	int theirs[CHILD_PIPES] = { -1, -1, -1 }, error = 0;
	for (int i = 0; i < CHILD_PIPES && !error; i++) {
		int ends[2];
		error = pipe2(ends, O_CLOEXEC) < 0 ? errno : 0;
		if (!error) {
			theirs[i] = ends[i == CHILD_IN ? 0 : 1];
			run->pipes[i] = ends[i == CHILD_IN ? 1 : 0];
			fcntl(run->pipes[i], F_SETFL, O_NONBLOCK);
		}
	}
	if (!error)
		error = child_spawn(run, theirs);
	for (int i = 0; i < CHILD_PIPES; i++)
		child_close(&theirs[i]);
	if (!error)
		return E_OK;
	return problem_set(problem, error == ENOENT ? E_NOT_FOUND : error == ENOMEM ? E_NOMEM : E_IO, "", "Could not run %s: %s.",
			   run->child->argv[0], strerror(error));
}

static void child_write(struct child_run *run)
{
	struct str left = str_from(run->child->input, run->written);
	ssize_t n = left.len ? write(run->pipes[CHILD_IN], left.ptr, left.len) : 0;
	if (n > 0)
		run->written += (size_t)n;
	bool later = n < 0 && (errno == EAGAIN || errno == EINTR);
	if (!later && (n < 0 || run->written == run->child->input.len)) /* a command need not read its input */
		child_close(&run->pipes[CHILD_IN]);
}

static void child_keep_tail(struct child *child, struct str text)
{
	text = str_from(text, text.len > CHILD_TAIL_BYTES ? text.len - CHILD_TAIL_BYTES : 0);
	size_t room = CHILD_TAIL_BYTES - text.len;
	if (child->tail_len > room) {
		memmove(child->tail, child->tail + child->tail_len - room, room);
		child->tail_len = room;
	}
	memcpy(child->tail + child->tail_len, text.ptr, text.len);
	child->tail_len += text.len;
}

static void child_read(struct child_run *run, int which)
{
	char bytes[CHILD_READ_BYTES];
	struct child *child = run->child;
	ssize_t n = read(run->pipes[which], bytes, sizeof(bytes));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		child_close(&run->pipes[which]);
		return;
	}
	struct str text = { bytes, (size_t)n };
	if (which == CHILD_ERR) {
		fwrite(text.ptr, 1, text.len, stderr);
		child_keep_tail(child, text);
		return;
	}
	size_t room = child->output_max - child->output.len;
	child->truncated = child->truncated || text.len > room;
	buf_add(&child->output, (struct str){ text.ptr, text.len > room ? room : text.len });
}

static void child_tick(struct child_run *run)
{
	int64_t now_us = clock_mono_us();
	if (now_us >= run->next_tick_us) {
		run->next_tick_us = now_us + run->child->tick_ms * 1000;
		if (run->child->tick(run->child->context) == CHILD_END_IT && !run->kill_us) {
			run->kill_us = now_us + CHILD_KILL_MS * INT64_C(1000);
			kill(-run->pid, SIGTERM);
		}
	}
	if (run->kill_us && now_us >= run->kill_us && !run->killed) {
		run->killed = true;
		kill(-run->pid, SIGKILL);
		child_close(&run->pipes[CHILD_OUT]); /* a grandchild in another group may hold them open */
		child_close(&run->pipes[CHILD_ERR]);
	}
}

/* A command that ended may leave a grandchild that keeps the pipes open: its end counts, not theirs. */
static bool child_is_over(struct child_run *run)
{
	int status;
	if (run->pid && waitpid(run->pid, &status, WNOHANG) == run->pid) {
		run->child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		run->child->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		run->pid = 0;
	}
	return !run->pid;
}

static void child_pump(struct child_run *run)
{
	struct pollfd polls[CHILD_PIPES];
	int which[CHILD_PIPES];
	nfds_t count = 0;
	for (int i = 0; i < CHILD_PIPES; i++) {
		if (run->pipes[i] < 0)
			continue;
		polls[count] = (struct pollfd){ .fd = run->pipes[i], .events = i == CHILD_IN ? POLLOUT : POLLIN };
		which[count++] = i;
	}
	int64_t left_ms = (run->next_tick_us - clock_mono_us()) / 1000 + 1;
	bool no_pipe = run->pipes[CHILD_OUT] < 0 && run->pipes[CHILD_ERR] < 0; /* its end is near: only a child that is over tells */
	poll(polls, count, (int)(no_pipe && left_ms > 10 ? 10 : left_ms > 200 ? 200 : left_ms < 0 ? 0 : left_ms));
	for (nfds_t i = 0; i < count; i++) {
		if (!polls[i].revents)
			continue;
		if (which[i] == CHILD_IN)
			child_write(run);
		else
			child_read(run, which[i]);
	}
}

/* What the command wrote before it ended is still in the pipes. */
static void child_drain(struct child_run *run)
{
	for (int i = CHILD_OUT; i < CHILD_PIPES; i++) {
		struct pollfd one = { .fd = run->pipes[i], .events = POLLIN };
		while (run->pipes[i] >= 0 && poll(&one, 1, 0) > 0)
			child_read(run, i);
	}
}

enum err child_run(struct child *child, struct problem *problem)
{
	struct child_run run = { .child = child, .pipes = { -1, -1, -1 }, .next_tick_us = clock_mono_us() + child->tick_ms * 1000 };
	buf_init(&child->output, child->output_max + CHILD_READ_BYTES);
	enum err err = child_start(&run, problem);
	while (!err && !child_is_over(&run)) {
		child_pump(&run);
		child_tick(&run);
	}
	if (!err)
		child_drain(&run);
	for (int i = 0; i < CHILD_PIPES; i++)
		child_close(&run.pipes[i]);
	child->tail[child->tail_len] = '\0';
	return err;
}
