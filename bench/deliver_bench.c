/* bench/deliver_bench.c: how many deliveries a second the deliver thread makes to a sink on loopback, and what one costs it. The engine's
 * part is played by a thread that answers verdicts and sends the next effects; the sink is an epoll loop that answers 200.
 *
 *     deliver_bench [deliveries] [concurrent] [payload bytes] */
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "deliver/deliver.h"
#include "net/mailbox.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct bench {
	struct deliver *deliver;
	struct mailbox verdicts;
	struct shared_text *settings;
	char *payload;
	size_t payload_bytes;
	uint64_t wanted, started, ended, failed, requests;
	int listen_fd;
	_Atomic bool stop;
	double sink_cpu_s, engine_cpu_s;
};

static double thread_cpu_s(void)
{
	struct timespec spent;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

/* ---- the sink: requests are as long as their Content-Length says, and come whole or in pieces ---- */

#define SINK_FDS 4096

static size_t sink_body_left[SINK_FDS];

static void sink_answer(int fd)
{
	static const char answer[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";
	CHECK(write(fd, answer, sizeof(answer) - 1) == (ssize_t)sizeof(answer) - 1);
}

static void sink_read(int fd)
{
	char bytes[65536];
	ssize_t got = read(fd, bytes, sizeof(bytes) - 1);
	if (got <= 0) {
		if (got == 0)
			close(fd);
		return;
	}
	size_t have = (size_t)got;
	if (!sink_body_left[fd]) { /* a request begins, with its whole head */
		bytes[have] = '\0';
		char *body = strstr(bytes, "\r\n\r\n"), *length = strcasestr(bytes, "\r\ncontent-length: ");
		CHECK(body && length);
		sink_body_left[fd] = strtoul(length + 18, NULL, 10);
		have -= (size_t)(body + 4 - bytes);
	}
	sink_body_left[fd] -= have;
	if (!sink_body_left[fd])
		sink_answer(fd);
}

static void *sink_main(void *context)
{
	struct bench *bench = context;
	struct epoll_event events[128], event = { .events = EPOLLIN, .data.fd = bench->listen_fd };
	int epoll = epoll_create1(0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, bench->listen_fd, &event) == 0);
	while (!atomic_load(&bench->stop)) {
		int count = epoll_wait(epoll, events, 128, 100);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd != bench->listen_fd) {
				sink_read(events[i].data.fd);
				continue;
			}
			int fd = accept4(bench->listen_fd, NULL, NULL, SOCK_NONBLOCK);
			CHECK(fd >= 0 && fd < SINK_FDS);
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
			event = (struct epoll_event){ .events = EPOLLIN, .data.fd = fd };
			CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
		}
	}
	bench->sink_cpu_s = thread_cpu_s();
	close(epoll);
	return NULL;
}

static uint16_t sink_listen(struct bench *bench)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	bench->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(bind(bench->listen_fd, (struct sockaddr *)&address, len) == 0);
	CHECK(listen(bench->listen_fd, 1024) == 0);
	CHECK(getsockname(bench->listen_fd, (struct sockaddr *)&address, &len) == 0);
	return ntohs(address.sin_port);
}

/* ---- the engine ---- */

static void engine_send(struct bench *bench)
{
	struct effect *effect = mem_zalloc(sizeof(*effect));
	CHECK(effect != NULL);
	*effect = (struct effect){ .kind = EFFECT_DELIVER, .uid = ++bench->started, .fence = 1, .queue = 1 };
	effect->settings = shared_text_hold(bench->settings);
	deliver_effect(bench->deliver, effect);
}

static void *engine_main(void *context)
{
	struct bench *bench = context;
	while (bench->ended < bench->wanted) {
		for (struct letter *letter = mailbox_wait(&bench->verdicts, -1), *next; letter; letter = next) {
			next = letter->next;
			struct request *request = (struct request *)(void *)letter;
			for (uint32_t i = 0; i < request->op_count; i++)
				bench->failed += request->ops[i].kind != OP_COMPLETE;
			bench->ended += request->op_count;
			bench->requests++;
			uint32_t count = request->op_count;
			deliver_reply(bench->deliver, request);
			while (count-- && bench->started < bench->wanted)
				engine_send(bench);
		}
	}
	bench->engine_cpu_s = thread_cpu_s();
	return NULL;
}

static void bench_submit(void *context, struct request *request)
{
	struct bench *bench = context;
	mailbox_post(&bench->verdicts, (struct letter *)(void *)request);
}

static enum err bench_definitions(void *context, const struct query *query, struct arena *arena, struct answer *out)
{
	struct bench *bench = context;
	struct job_view *views = ARENA_ARRAY(arena, struct job_view, query->uid_count);
	CHECK(views != NULL);
	for (uint32_t i = 0; i < query->uid_count; i++) {
		views[i].definition.uid = query->uids[i];
		views[i].definition.payload = (struct str){ bench->payload, bench->payload_bytes };
		views[i].queue_name = STR("bench");
	}
	*out = (struct answer){ .jobs = views, .job_count = query->uid_count };
	return E_OK;
}

static uint64_t bench_random(void *context)
{
	(void)context;
	return 42;
}

/* ---- */

static void bench_open(struct bench *bench, uint32_t concurrent)
{
	char text[256];
	struct cidr loopback;
	struct problem problem;
	snprintf(text, sizeof(text), "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1:%u/hook\"}}", sink_listen(bench));
	bench->settings = shared_text_new(str_of(text), 1);
	bench->payload = malloc(bench->payload_bytes);
	CHECK(bench->settings && bench->payload && bench->payload_bytes >= 2);
	memset(bench->payload, 'x', bench->payload_bytes);
	bench->payload[0] = bench->payload[bench->payload_bytes - 1] = '"';
	mailbox_init(&bench->verdicts, NULL, NULL);
	CHECK(cidr_parse(STR("127.0.0.0/8"), &loopback, NULL) == E_OK);
	struct deliver_config config = {
		.guard = { .allow = &loopback, .allow_count = 1 }, .in_flight_max = concurrent, .host_connections = concurrent
	};
	struct deliver_ports ports = { bench, bench_submit, bench_definitions, bench_random };
	CHECK(deliver_start(&config, &ports, &bench->deliver, &problem) == E_OK);
}

int main(int argc, char **argv)
{
	struct bench bench = { .wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000 };
	uint32_t concurrent = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100;
	bench.payload_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 200;
	pthread_t sink, engine;
	bench_open(&bench, concurrent);
	CHECK(pthread_create(&sink, NULL, sink_main, &bench) == 0);
	int64_t begin_us = clock_mono_us();
	for (uint32_t i = 0; i < concurrent && bench.started < bench.wanted; i++)
		engine_send(&bench);
	CHECK(pthread_create(&engine, NULL, engine_main, &bench) == 0);
	pthread_join(engine, NULL);
	double wall_s = (double)(clock_mono_us() - begin_us) / 1e6;
	struct rusage usage;
	atomic_store(&bench.stop, true);
	pthread_join(sink, NULL);
	deliver_stop(bench.deliver, 1000);
	getrusage(RUSAGE_SELF, &usage);
	double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	double deliver_s = cpu_s - bench.sink_cpu_s - bench.engine_cpu_s;
	printf("%llu deliveries, %u concurrent, %zu bytes: %.0f/s, %.1f us of the deliver thread each (sink %.1f, engine %.1f), "
	       "%.1f verdicts a request, %llu failed\n",
	       (unsigned long long)bench.ended, concurrent, bench.payload_bytes, (double)bench.ended / wall_s,
	       deliver_s * 1e6 / (double)bench.ended, bench.sink_cpu_s * 1e6 / (double)bench.ended,
	       bench.engine_cpu_s * 1e6 / (double)bench.ended, (double)bench.ended / (double)bench.requests,
	       (unsigned long long)bench.failed);
	mailbox_fini(&bench.verdicts);
	shared_text_drop(bench.settings);
	free(bench.payload);
	close(bench.listen_fd);
	return bench.failed ? 1 : 0;
}
