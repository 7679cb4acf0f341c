/* The daemon under measure: this very binary, on a fresh store on a real disk, listening on loopback. */
#include "base/clock.h"
#include "base/json.h"
#include "cli/bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAEMON_READY_US INT64_C(60000000)
#define DAEMON_PAUSE_US 1000
#define DAEMON_TOKEN    "rch_benchmark-0123456789abcdefghijklmnopqrstu-v"

/* A port that was free a moment ago. */
static uint16_t daemon_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool well = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0;
	if (fd >= 0)
		close(fd);
	return well ? ntohs(address.sin_port) : 0;
}

static int daemon_remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
	(void)stat;
	(void)kind;
	(void)walk;
	return remove(path);
}

/* Between fork and exec: its log goes into the store's directory, where a failure can be read. */
static _Noreturn void daemon_exec(const struct bench_daemon *daemon)
{
	char store[400], log[400], binary[4096];
	snprintf(store, sizeof(store), "%s/ruche.db", daemon->directory);
	snprintf(log, sizeof(log), "%s/log", daemon->directory);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ssize_t len = readlink("/proc/self/exe", binary, sizeof(binary) - 1);
	binary[len > 0 ? len : 0] = '\0';
	dup2(null, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* an interrupted benchmark leaves nothing behind */
	setenv("RUCHE_ADMIN_TOKEN", DAEMON_TOKEN, 1);
	unsetenv("RUCHE_TOKEN");
	unsetenv("RUCHE_URL");
	execl(binary, "ruche", "serve", "--ephemeral", "--store-path", store, "--listen", daemon->address, "--deliver-allow", "127.0.0.0/8",
	      "--http-body-bytes", "64MiB", "--log-level", "warn", (char *)NULL);
	_exit(127);
}

/* The last line of its log, for the message. */
static void daemon_last_words(const struct bench_daemon *daemon, char *out, size_t bytes)
{
	char path[400], line[512];
	snprintf(path, sizeof(path), "%s/log", daemon->directory);
	out[0] = '\0';
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		snprintf(out, bytes, "%.*s", (int)strcspn(line, "\n"), line);
	if (file)
		fclose(file);
}

static bool daemon_is_ready(struct bench *bench)
{
	struct swarm *swarm;
	struct str body;
	struct problem problem;
	int status = 0;
	if (swarm_open(str_of(bench->daemon.address), STR(""), 1, NULL, NULL, &swarm, &problem))
		return false;
	enum err err = swarm_call(swarm, "GET", "/readyz", STR(""), &status, &body, &problem);
	swarm_close(swarm);
	return !err && status == 200;
}

static enum err daemon_spawn(struct bench *bench)
{
	struct bench_daemon *daemon = &bench->daemon;
	int64_t until_us = clock_mono_us() + DAEMON_READY_US;
	char words[160];
	daemon->pid = fork();
	if (daemon->pid == 0)
		daemon_exec(daemon);
	if (daemon->pid < 0)
		return problem_set(&bench->problem, E_INTERNAL, "", "Could not start the daemon: %s.", strerror(errno));
	while (!daemon_is_ready(bench)) {
		if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
			daemon->pid = 0;
			daemon_last_words(daemon, words, sizeof(words));
			return problem_set(&bench->problem, E_UNAVAILABLE, "", "The daemon ended while starting: %s", words);
		}
		if (clock_mono_us() > until_us)
			return problem_set(&bench->problem, E_TIMEOUT, "", "The daemon was not ready after a minute.");
		usleep(DAEMON_PAUSE_US);
	}
	return E_OK;
}

enum err bench_daemon_start(struct bench *bench)
{
	struct bench_daemon *daemon = &bench->daemon;
	*daemon = (struct bench_daemon){ 0 };
	if (bench->url) {
		const char *address = strncmp(bench->url, "http://", 7) == 0 ? bench->url + 7 : bench->url;
		snprintf(daemon->address, sizeof(daemon->address), "%.*s", (int)strcspn(address, strncmp(address, "unix:", 5) == 0 ? "" : "/"), address);
		snprintf(daemon->token, sizeof(daemon->token), "%s", bench->token ? bench->token : "");
		return E_OK;
	}
	snprintf(daemon->directory, sizeof(daemon->directory), "%s/ruche-bench-XXXXXX", bench->directory);
	if (!mkdtemp(daemon->directory)) {
		daemon->directory[0] = '\0';
		return problem_set(&bench->problem, E_IO, "--directory", "Could not make a directory in %s: %s.", bench->directory, strerror(errno));
	}
	snprintf(daemon->token, sizeof(daemon->token), "%s", DAEMON_TOKEN);
	if (bench->use_unix)
		snprintf(daemon->address, sizeof(daemon->address), "unix:%s/socket", daemon->directory);
	else
		snprintf(daemon->address, sizeof(daemon->address), "127.0.0.1:%u", daemon_port());
	return daemon_spawn(bench);
}

enum err bench_daemon_restart(struct bench *bench)
{
	kill(bench->daemon.pid, SIGKILL);
	waitpid(bench->daemon.pid, NULL, 0);
	bench->daemon.pid = 0;
	return daemon_spawn(bench);
}

void bench_daemon_stop(struct bench *bench)
{
	struct bench_daemon *daemon = &bench->daemon;
	if (daemon->pid > 0) {
		kill(daemon->pid, SIGKILL); /* its store goes with it */
		waitpid(daemon->pid, NULL, 0);
	}
	if (daemon->directory[0])
		nftw(daemon->directory, daemon_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	*daemon = (struct bench_daemon){ 0 };
}

uint64_t bench_daemon_rss_bytes(const struct bench *bench)
{
	char path[64], line[256];
	unsigned long long kilobytes = 0;
	if (bench->daemon.pid <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)bench->daemon.pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmRSS: %llu kB", &kilobytes) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kilobytes * 1024;
}

enum err bench_swarm(struct bench *bench, uint32_t bees, swarm_handler *handler, void *context, struct swarm **out)
{
	return swarm_open(str_of(bench->daemon.address), str_of(bench->daemon.token), bees, handler, context, out, &bench->problem);
}
