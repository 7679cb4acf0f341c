/* sim/main.c: `sim SEED` replays one world (--trace prints it), `sim --count N [--from SEED]` runs many; each seed runs twice and must come
 * to the same hash. A broken rule ends the program with the failed check; the seed was printed before. */
#include "sim/world.h"
#include "base/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t current_seed;

static void report(const char *text)
{
	fprintf(stderr, "seed %llu: %s\nreplay: ./dev sim %llu --trace\n", (unsigned long long)current_seed, text, (unsigned long long)current_seed);
}

static uint64_t live(uint64_t seed, int64_t seconds, bool trace, bool tell)
{
	static struct world world;
	current_seed = seed;
	uint64_t hash = world_live(&world, seed, seconds * 1000000, trace);
	if (tell)
		printf("seed %llu: hash %016llx, %llu answers, %llu commits (%llu refused, %llu unknown), %llu crashes, "
		       "%llu take-overs, %llu clock jumps, %llu sleeps, %u jobs; memory compared with disk %llu times, %llu heartbeats, "
		       "%llu stalls, %llu jobs retained away, %llu replays, %llu duplicates, %llu looks at a job that was due, %llu commits with jobs under "
		       "limits, %llu with permits, %llu starts in proportion, %llu in a batch, %llu among jobs that rise, "
		       "%llu failures that a claim told, %llu trees changed by hand, %llu deliveries of messages, %llu of them in slices, "
		       "%llu superseded, %llu in their place, %llu after others, %llu failures that hold, "
		       "%llu times a breaker opened, %llu pauses outlived one, %llu probes, %llu endpoints disabled, %llu deliveries about endpoints, "
		       "%llu messages sent once more, "
		       "%llu rode in a call, %llu calls in halves, %llu told to who asked, %llu changes of the catalogue, "
		       "%llu queues made as new, %llu claims by another clock\n",
		       (unsigned long long)seed, (unsigned long long)hash, (unsigned long long)world.answers,
		       (unsigned long long)world.commits, (unsigned long long)world.refused,
		       (unsigned long long)world.unknown, (unsigned long long)world.crashes,
		       (unsigned long long)world.takeovers, (unsigned long long)world.jumps, (unsigned long long)world.sleeps, world.jobs,
		       (unsigned long long)world.compared, (unsigned long long)world.shadow.renewals,
		       (unsigned long long)world.shadow.stalls, (unsigned long long)world.shadow.retained,
		       (unsigned long long)world.shadow.replays, (unsigned long long)world.shadow.duplicates,
		       (unsigned long long)world.shadow.ripe,
		       (unsigned long long)world.shadow.shared, (unsigned long long)world.shadow.held, (unsigned long long)world.shadow.proportions,
		       (unsigned long long)world.shadow.batched, (unsigned long long)world.shadow.risen,
		       (unsigned long long)world.shadow.deferrals, (unsigned long long)world.trees, (unsigned long long)world.shadow.hooked,
		       (unsigned long long)world.shadow.sliced, (unsigned long long)world.shadow.superseded,
		       (unsigned long long)world.shadow.in_place,
		       (unsigned long long)world.shadow.followed, (unsigned long long)world.shadow.holding,
		       (unsigned long long)world.shadow.opened, (unsigned long long)world.shadow.outlived,
		       (unsigned long long)world.shadow.probed, (unsigned long long)world.shadow.disabled, (unsigned long long)world.shadow.about,
		       (unsigned long long)world.shadow.resent,
		       (unsigned long long)world.shadow.rode, (unsigned long long)world.shadow.halved,
		       (unsigned long long)world.shadow.polled, (unsigned long long)world.shadow.catalogued,
		       (unsigned long long)world.shadow.resets, (unsigned long long)world.shadow.clocked);
	return hash;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, count = 0;
	int64_t seconds = 30;
	bool trace = false;
	check_on_failure(report);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--trace"))
			trace = true;
		else if (!strcmp(argv[i], "--count") && i + 1 < argc)
			count = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--from") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = strtoll(argv[++i], NULL, 10);
		else
			seed = strtoull(argv[i], NULL, 10);
	}
	if (!count) {
		uint64_t once = live(seed, seconds, trace, true), twice = live(seed, seconds, false, false);
		CHECK(once == twice);
		return 0;
	}
	for (uint64_t n = 0; n < count; n++) {
		uint64_t once = live(seed + n, seconds, false, n % 50 == 0);
		if (n % 10 == 0)
			CHECK(once == live(seed + n, seconds, false, false)); /* bit for bit */
	}
	printf("%llu seeds from %llu: every rule held\n", (unsigned long long)count, (unsigned long long)seed);
	return 0;
}
