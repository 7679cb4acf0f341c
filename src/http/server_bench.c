/* src/http/server_bench.c: a server that does nothing but serve, to measure what serving costs.
 *
 *     http_server_bench ADDRESS [thread]
 *
 * It answers 200 with 60 bytes of JSON; with `thread`, each answer comes back from another thread by mailbox, as in the daemon.
 * Drive it from another core: taskset -c 1 wrk -t1 -c64 -d5 http://127.0.0.1:8420/v1/jobs. Prints counters and CPU at SIGINT. */
#include "base/check.h"
#include "http/server.h"
#include "net/mailbox.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct bench {
	uv_loop_t loop;
	uv_async_t answered;
	uv_signal_t stop;
	struct http_server *server;
	struct mailbox asks, answers;
	pthread_t thread;
	bool by_thread;
};
struct bench_letter {
	struct letter letter;
	struct http_exchange *exchange;
};

#define BENCH_ANSWER "{\"id\":\"0r4k2m7x9q3zt\",\"state\":\"waiting\",\"duplicate\":false}\n"

static void bench_answer(struct http_exchange *exchange)
{
	struct buf body;
	buf_init(&body, 65536);
	buf_add_lit(&body, BENCH_ANSWER);
	http_respond(exchange, 200, STR("application/json"), STR(""), &body);
}

static void bench_handle(void *context, struct http_exchange *exchange)
{
	struct bench *bench = context;
	if (!bench->by_thread) {
		bench_answer(exchange);
		return;
	}
	struct bench_letter *letter = malloc(sizeof(*letter));
	CHECK(letter);
	letter->exchange = exchange;
	mailbox_post(&bench->asks, &letter->letter);
}

static void *bench_thread(void *context)
{
	struct bench *bench = context;
	for (;;) {
		struct letter *letters = mailbox_wait(&bench->asks, -1);
		if (!letters)
			return NULL;
		mailbox_post_list(&bench->answers, letters);
	}
}

static void bench_wake(void *context)
{
	uv_async_send(&((struct bench *)context)->answered);
}

static void bench_on_answered(uv_async_t *async)
{
	struct bench *bench = async->data;
	for (struct letter *letter = mailbox_take(&bench->answers), *next; letter; letter = next) {
		next = letter->next;
		bench_answer(((struct bench_letter *)letter)->exchange);
		free(letter);
	}
}

static void bench_on_stop(uv_signal_t *stop, int number)
{
	(void)number;
	struct bench *bench = stop->data;
	http_server_abort(bench->server);
	uv_close((uv_handle_t *)&bench->answered, NULL);
	uv_close((uv_handle_t *)&bench->stop, NULL);
}

static void bench_report(const struct bench *bench)
{
	struct http_server_stats stats;
	struct rusage used;
	http_server_stats(bench->server, &stats);
	getrusage(RUSAGE_SELF, &used);
	double cpu_us = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	printf("requests %llu, connections %llu, CPU %.2f us a request, resident %ld KiB\n", (unsigned long long)stats.requests,
	       (unsigned long long)stats.connections_total, stats.requests ? cpu_us / (double)stats.requests : 0, used.ru_maxrss);
}

int main(int argc, char **argv)
{
	struct bench bench = { .by_thread = argc > 2 };
	struct http_limits limits;
	struct problem problem = { 0 };
	http_limits_default(&limits);
	CHECK(uv_loop_init(&bench.loop) == 0);
	CHECK(uv_async_init(&bench.loop, &bench.answered, bench_on_answered) == 0);
	CHECK(uv_signal_init(&bench.loop, &bench.stop) == 0);
	bench.answered.data = bench.stop.data = &bench;
	uv_signal_start(&bench.stop, bench_on_stop, SIGINT);
	mailbox_init(&bench.asks, NULL, NULL);
	mailbox_init(&bench.answers, bench_wake, &bench);
	if (bench.by_thread)
		CHECK(pthread_create(&bench.thread, NULL, bench_thread, &bench) == 0);
	bench.server = http_server_new(&bench.loop, &limits, bench_handle, &bench);
	CHECK(bench.server);
	if (http_server_listen(bench.server, str_of(argc > 1 ? argv[1] : "127.0.0.1:8420"), &problem)) {
		fprintf(stderr, "%s\n", problem.detail);
		return err_exit_code(problem.err);
	}
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	bench_report(&bench);
	mailbox_wake(&bench.asks);
	if (bench.by_thread)
		pthread_join(bench.thread, NULL);
	bench_on_answered(&bench.answered);
	http_server_free(bench.server);
	return 0;
}
