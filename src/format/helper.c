#include "format/helper.h"
#include "base/check.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECEIVE_BYTES (64u * 1024u)

static const char zeros[4096];

static int helper_spawn(struct helper *helper, const char *path, int64_t cpu_ms, int theirs)
{
	char cpu[24], name[] = "ruche-jq";
	char *const argv[] = { name, cpu, NULL }, *const environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	snprintf(cpu, sizeof(cpu), "%lld", (long long)cpu_ms);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, theirs, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0); /* a Ctrl-C at the daemon's terminal is not theirs */
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	int error = posix_spawn(&helper->pid, path, &actions, &attributes, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

enum err helper_start(struct helper *helper, const char *path, int64_t cpu_ms, int64_t now_us, struct problem *problem)
{
	int ends[2];
	*helper = (struct helper){ .fd = -1, .since_us = now_us };
	buf_init(&helper->in, FRAME_HEAD_BYTES + FRAME_OUTPUT_BYTES + RECEIVE_BYTES);
	int error = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) ? errno : 0;
	if (!error) {
		error = helper_spawn(helper, path, cpu_ms, ends[1]);
		close(ends[1]);
		if (error)
			close(ends[0]);
		else
			helper->fd = ends[0];
	}
	if (!error)
		return E_OK;
	helper->pid = 0;
	return problem_set(problem, error == ENOENT ? E_NOT_FOUND : error == ENOMEM ? E_NOMEM : E_IO, "", "%s could not be started: %s", path,
			   strerror(error));
}

int helper_end(struct helper *helper)
{
	int status = 0;
	CHECK(helper->pid);
	kill(helper->pid, SIGKILL); /* one that has ended keeps the status that it had */
	while (waitpid(helper->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(helper->fd);
	buf_fini(&helper->in);
	helper->pid = 0;
	helper->fd = -1;
	return status;
}

void helper_push(struct helper *helper, const struct frame_ask *ask, uint64_t program, int64_t now_us)
{
	CHECK(helper->count < FORMAT_DEPTH);
	struct flight *flight = &helper->flights[helper->count++];
	*flight = (struct flight){ .id = ask->id, .program = program, .parts = { { NULL, FRAME_HEAD_BYTES }, ask->program, ask->input } };
	frame_ask_head(ask, flight->head);
	if (helper->count == 1)
		helper->since_us = now_us;
}

static void helper_remove(struct helper *helper, uint32_t at)
{
	memmove(&helper->flights[at], &helper->flights[at + 1], (helper->count - at - 1) * sizeof(helper->flights[0]));
	helper->count--;
}

void helper_pop(struct helper *helper, int64_t now_us)
{
	CHECK(helper->sent);
	helper_remove(helper, 0);
	helper->sent--;
	helper->alone = false;
	helper->since_us = now_us;
}

void helper_forget(struct helper *helper, uint64_t id, int64_t now_us)
{
	for (uint32_t i = 0; i < helper->count; i++) {
		struct flight *flight = &helper->flights[i];
		if (flight->id != id)
			continue;
		if (i > helper->sent || (i == helper->sent && !helper->sent_bytes)) {
			helper_remove(helper, i);
			helper->alone = helper->alone && helper->count;
			helper->since_us = i == 0 ? now_us : helper->since_us;
			return;
		}
		flight->cancelled = true;
		flight->parts[1].ptr = flight->parts[2].ptr = NULL;
		return;
	}
}

/* What is left of a frame of which `sent` bytes are written, or a piece of it. */
static int flight_rest(const struct flight *flight, size_t sent, struct iovec rest[3])
{
	int count = 0;
	for (size_t i = 0; i < ARRAY_COUNT(flight->parts); i++) {
		struct str part = flight->parts[i];
		size_t skip = sent < part.len ? sent : part.len;
		sent -= skip;
		if (skip == part.len)
			continue;
		const char *bytes = i == 0 ? flight->head : part.ptr;
		size_t left = part.len - skip;
		if (!bytes) { /* the rest of zeros comes in turns, so nothing may follow it in this one */
			left = left < sizeof(zeros) ? left : sizeof(zeros);
			rest[count++] = (struct iovec){ (void *)(uintptr_t)zeros, left };
			return count;
		}
		rest[count++] = (struct iovec){ (void *)(uintptr_t)(bytes + skip), left };
	}
	return count;
}

bool helper_wants_to_send(const struct helper *helper)
{
	return helper->sent < helper->count;
}

void helper_send(struct helper *helper)
{
	while (helper_wants_to_send(helper)) {
		const struct flight *flight = &helper->flights[helper->sent];
		size_t whole = flight->parts[0].len + flight->parts[1].len + flight->parts[2].len;
		struct iovec rest[3];
		struct msghdr message = { .msg_iov = rest, .msg_iovlen = (size_t)flight_rest(flight, helper->sent_bytes, rest) };
		ssize_t n = sendmsg(helper->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		helper->sent_bytes += (size_t)n;
		if (helper->sent_bytes == whole) {
			helper->sent++;
			helper->sent_bytes = 0;
		}
	}
}

enum err helper_receive(struct helper *helper)
{
	for (;;) {
		char *room = buf_reserve(&helper->in, RECEIVE_BYTES);
		if (!room)
			return E_NOMEM;
		ssize_t n = recv(helper->fd, room, RECEIVE_BYTES, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return E_OK;
		if (n <= 0)
			return E_IO;
		helper->in.len += (size_t)n;
		if ((size_t)n < RECEIVE_BYTES)
			return E_OK;
		struct frame_answer answer;
		size_t bytes;
		if (frame_answer_read(buf_str(&helper->in), &answer, &bytes) != FRAME_SHORT)
			return E_OK; /* one is whole: take it out first, more can wait */
	}
}
