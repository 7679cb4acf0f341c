/* src/base/zone.h: the zone port: what a time zone is to rules that may not open its files. One verb, and it says all there is: between
 * which instants the clocks on the wall kept the same distance to UTC. Where two stretches meet and the later one's offset is larger, local
 * times are missing (a gap); where it is smaller, local times come twice (a fold). base/zones.h has the real ones; tests draw their own. */
#pragma once
#include <stdint.h>

struct zone_span { /* from_s <= instant < until_s, in seconds since 1970-01-01 UTC */
	int64_t from_s, until_s; /* INT64_MIN, INT64_MAX: it has always been so, and stays */
	int32_t offset_s;        /* local time is UTC plus this */
};

/* Immutable, so that any thread may ask. */
struct zone {
	/* The stretch that holds the instant. Neighbouring stretches differ in their offset. */
	struct zone_span (*span)(const struct zone *zone, int64_t at_s);
};
