/* src/rules/zone_test.h: zones drawn by hand, for tests: a list of when the offset changes. */
#pragma once
#include "base/str.h"
#include "base/zone.h"

#define ZONE_CHANGES_MAX 8

struct zone_drawn {
	struct zone zone; /* first */
	unsigned count;
	struct zone_span spans[ZONE_CHANGES_MAX + 1];
};

static inline struct zone_span zone_drawn_span(const struct zone *zone, int64_t at_s)
{
	const struct zone_drawn *drawn = (const struct zone_drawn *)(const void *)zone;
	unsigned i = 0;
	while (at_s >= drawn->spans[i].until_s)
		i++;
	return drawn->spans[i];
}

static inline struct zone_drawn zone_draw(int32_t offset_s)
{
	return (struct zone_drawn){ .zone.span = zone_drawn_span, .count = 1,
				    .spans = { { .from_s = INT64_MIN, .until_s = INT64_MAX, .offset_s = offset_s } } };
}

static inline void zone_draw_change(struct zone_drawn *drawn, int64_t at_s, int32_t offset_s) /* later than those before, another offset */
{
	drawn->spans[drawn->count - 1].until_s = at_s;
	drawn->spans[drawn->count++] = (struct zone_span){ .from_s = at_s, .until_s = INT64_MAX, .offset_s = offset_s };
}
