#include "daemon/notify.h"
#include "base/clock.h"
#include "base/str.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void notify_send(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@') /* an abstract name */
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, size); /* a supervisor that went: nothing to do */
	close(fd);
}

static void notify_state(const char *state, const char *status)
{
	char text[512];
	snprintf(text, sizeof(text), "%sSTATUS=%s\n", state, status);
	notify_send(text);
}

void notify_ready(const char *status)
{
	notify_state("READY=1\n", status);
}

void notify_status(const char *status)
{
	notify_state("", status);
}

void notify_reloading(void)
{
	char text[128];
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\n", (long long)clock_mono_us());
	notify_send(text);
}

void notify_stopping(const char *status)
{
	notify_state("STOPPING=1\n", status);
}

void notify_watchdog(void)
{
	notify_send("WATCHDOG=1\n");
}

static bool notify_is_ours(const char *variable) /* the variable names our process, or is not there */
{
	const char *text = getenv(variable);
	uint64_t pid;
	return !text || (str_u64(str_of(text), &pid) && pid == (uint64_t)getpid());
}

int64_t notify_watchdog_us(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t us;
	return text && notify_is_ours("WATCHDOG_PID") && str_u64(str_of(text), &us) && us < INT64_MAX ? (int64_t)us : 0;
}

int notify_listen_fds(void)
{
	const char *text = getenv("LISTEN_FDS");
	uint64_t count = 0;
	if (!text || !getenv("LISTEN_PID") || !notify_is_ours("LISTEN_PID") || !str_u64(str_of(text), &count) || count > 64)
		count = 0;
	for (int fd = NOTIFY_FIRST_FD; fd < NOTIFY_FIRST_FD + (int)count; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return (int)count;
}
