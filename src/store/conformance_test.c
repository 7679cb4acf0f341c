/* The one list of store tests, on every store there is, and on hostile ones; then the same random stories told by all of them. */
#include "base/check.h"
#include "store/conformance.h"
#include "store/hostile/hostile.h"
#include "store/mem/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORY_SEEDS 40
#define STORY_STEPS 80

/* ---- mem ---- */

static void mem_fresh(struct factory *factory)
{
	struct store *keeper; /* keeps the disk while no other store is open */
	CHECK(!store_mem_open(&keeper));
	factory->context = keeper;
}

static enum err mem_open(struct factory *factory, struct store **out, struct problem *problem)
{
	(void)problem;
	return store_mem_share(store_mem_disk(factory->context), out);
}

static void mem_discard(struct factory *factory)
{
	struct store *keeper = factory->context;
	keeper->verbs->close(keeper);
}

/* ---- sqlite ---- */

static char directory[64], path[128];

static void sqlite_discard(struct factory *factory)
{
	(void)factory;
	const char *const ends[] = { "", "-wal", "-shm", ".lock" };
	char name[160];
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

static enum err sqlite_open(struct factory *factory, struct store **out, struct problem *problem)
{
	(void)factory;
	return store_sqlite_open(&(struct store_sqlite_options){ .path = path, .create = true, .unlocked = true }, out, problem);
}

/* ---- hostile ---- */

static const struct hostility hostility = { .refuse = 100, .lose_applied = 60, .lose_dropped = 60, .late_polls_max = 3 };

static enum err hostile_over(enum err (*open)(struct factory *, struct store **, struct problem *), struct factory *factory,
                             struct store **out, struct problem *problem)
{
	static uint64_t seed;
	struct store *inner;
	enum err err = open(factory, &inner, problem);
	return err ? err : store_hostile_open(inner, &hostility, ++seed, out);
}

static enum err hostile_mem_open(struct factory *factory, struct store **out, struct problem *problem)
{
	return hostile_over(mem_open, factory, out, problem);
}

static enum err hostile_sqlite_open(struct factory *factory, struct store **out, struct problem *problem)
{
	return hostile_over(sqlite_open, factory, out, problem);
}

/* ---- all of them ---- */

static struct factory factories[] = {
	{ .name = "mem", .fresh = mem_fresh, .open = mem_open, .discard = mem_discard },
	{ .name = "sqlite", .fresh = sqlite_discard, .open = sqlite_open, .discard = sqlite_discard },
	{ .name = "hostile mem", .fresh = mem_fresh, .open = hostile_mem_open, .discard = mem_discard, .hostile = true },
	{ .name = "hostile sqlite", .fresh = sqlite_discard, .open = hostile_sqlite_open, .discard = sqlite_discard, .hostile = true },
};

static int first_difference(struct str a, struct str b, char *out, size_t bytes)
{
	size_t at = 0, line = 0;
	for (; at < a.len && at < b.len && a.ptr[at] == b.ptr[at]; at++)
		if (a.ptr[at] == '\n')
			line = at + 1;
	struct str x = str_from(a, line), y = str_from(b, line);
	x.len = str_index(x, '\n');
	y.len = str_index(y, '\n');
	return snprintf(out, bytes, "  " STR_FMT "\n  " STR_FMT "\n", STR_ARG(x), STR_ARG(y));
}

static int compare_stories(uint64_t seeds)
{
	int failed = 0;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct buf stories[ARRAY_COUNT(factories)];
		for (size_t i = 0; i < ARRAY_COUNT(factories); i++) {
			buf_init(&stories[i], 256 << 20);
			if (i < 2 || seed % 4 == 0)
				conformance_tell(&factories[i], seed, STORY_STEPS, &stories[i]);
			if (!i || !stories[i].len || str_eq(buf_str(&stories[0]), buf_str(&stories[i])))
				continue;
			char difference[8192];
			first_difference(buf_str(&stories[0]), buf_str(&stories[i]), difference, sizeof(difference));
			printf("story %llu: mem and %s differ:\n%s", (unsigned long long)seed, factories[i].name, difference);
			failed++;
		}
		for (size_t i = 0; i < ARRAY_COUNT(factories); i++)
			buf_fini(&stories[i]);
	}
	printf("%llu stories told alike by all stores, %d not\n", (unsigned long long)seeds - (unsigned)failed, failed);
	return failed;
}

int main(int argc, char **argv)
{
	const char *base = getenv("TMPDIR");
	int failed = 0;
	snprintf(directory, sizeof(directory), "%.40s/ruche-store-XXXXXX",
		 base                            ? base
		 : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
						 : "/tmp"); /* syncs cost nothing there */
	CHECK(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/ruche.db", directory);
	for (size_t i = 0; i < ARRAY_COUNT(factories); i++)
		failed += conformance_run(&factories[i]);
	failed += compare_stories(argc > 1 ? strtoull(argv[1], NULL, 10) : STORY_SEEDS);
	CHECK(rmdir(directory) == 0);
	return failed != 0;
}
