/* Deliveries: an http queue, 100 calls at once. */
#include "base/clock.h"
#include "cli/bench.h"
#include "cli/bench_target.h"
#include <stdio.h>
#include <unistd.h>

#define SINK_CONCURRENCY 100
#define SINK_STALL_US    INT64_C(300000000)

/* Counts by asking now and then: the last completion is what ends the measure. */
enum err bench_wait_delivered(struct bench *bench, struct swarm *swarm, const char *queue, const struct target *target, uint64_t jobs)
{
	int64_t until_us = clock_mono_us() + SINK_STALL_US;
	uint64_t done = 0;
	enum err err = E_OK;
	while (!err && done < jobs) {
		usleep(atomic_load(&target->answered) < jobs ? 20000 : 1000);
		err = bench_count(bench, swarm, queue, "ended.completed", &done);
		if (!err && done < jobs && clock_mono_us() > until_us)
			err = problem_set(&bench->problem, E_TIMEOUT, "", "%llu of %llu deliveries were made.", (unsigned long long)done,
					  (unsigned long long)jobs);
	}
	return err;
}

enum err bench_http_deliveries(struct bench *bench)
{
	uint64_t jobs = ((bench->jobs ? bench->jobs : 50000) + 999) / 1000 * 1000;
	struct target target;
	struct swarm *swarm = NULL;
	char settings[256];
	enum err err = target_init(&target, 1, &bench->problem);
	if (!err)
		err = target_open(&target, 0, 0, false, &bench->problem);
	if (!err)
		err = target_start(&target, &bench->problem);
	if (!err)
		err = bench_swarm(bench, 1, NULL, NULL, &swarm);
	if (!err) {
		snprintf(settings, sizeof(settings), "{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1:%u/hook\"},\"concurrency\":%u}",
			 target.doors[0].port, bench->connections ? bench->connections : SINK_CONCURRENCY);
		err = bench_call(bench, swarm, "PUT", "/v1/queues/" BENCH_QUEUE, str_of(settings));
	}
	if (!err)
		err = bench_call(bench, swarm, "POST", "/v1/queues/" BENCH_QUEUE "/pause", STR(""));
	if (!err)
		err = bench_fill(bench, jobs);
	int64_t begun_us = clock_mono_us();
	if (!err)
		err = bench_call(bench, swarm, "POST", "/v1/queues/" BENCH_QUEUE "/resume", STR(""));
	if (!err)
		err = bench_wait_delivered(bench, swarm, "/v1/queues/" BENCH_QUEUE, &target, jobs);
	if (!err)
		bench->value[0] = (double)jobs * 1e6 / (double)(clock_mono_us() - begun_us);
	swarm_close(swarm);
	target_stop(&target);
	return err;
}
