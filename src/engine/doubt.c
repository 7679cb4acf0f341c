/* src/engine/doubt.c: endpoints that may not answer share a part of all calls, so that those that do answer always find room.
 *
 * In doubt is whoever has not answered since the start (or since it was made, or enabled), whose breaker is open or probes, and who failed twice in
 * a row by its own fault. Calls of all their groups are counted together; while they are as many as the share allows, a group in doubt steps out
 * of the turns, into a line. When a call of theirs ends, or one of them is trusted again, the first of the line go back into the turns with the
 * turns that they had. All of it follows from health and jobs, group by group (group_refresh): undoing needs nothing more. */
#include "base/check.h"
#include "engine/index.h"

#define DOUBT_FAILURES 2 /* a single one proves nothing */

bool doubt_is_due(const struct index *index, const struct group *group)
{
	const struct named *endpoint = group_endpoint(index, group);
	const struct health *health = endpoint ? &endpoint->health : NULL;
	return health && (!health->answered || health->opens || health->failures >= DOUBT_FAILURES);
}

void doubt_refresh(struct index *index, struct group *group)
{
	bool doubtful = doubt_is_due(index, group);
	if (doubtful == group->doubtful)
		return;
	group->doubtful = doubtful;
	index->doubtful_calls = doubtful ? index->doubtful_calls + group->active : index->doubtful_calls - group->active;
}

void doubt_join(struct index *index, uint32_t slot)
{
	struct group *group = group_at(index, slot);
	CHECK(group->place == GROUP_NOWHERE);
	group->place = GROUP_IN_DOUBT;
	group->doubt_before = index->last_doubtful;
	group->doubt_after = SLOT_NONE;
	*(index->last_doubtful == SLOT_NONE ? &index->first_doubtful : &group_at(index, index->last_doubtful)->doubt_after) = slot;
	index->last_doubtful = slot;
}

void doubt_leave(struct index *index, const struct group *group)
{
	uint32_t before = group->doubt_before, after = group->doubt_after;
	*(before == SLOT_NONE ? &index->first_doubtful : &group_at(index, before)->doubt_after) = after;
	*(after == SLOT_NONE ? &index->last_doubtful : &group_at(index, after)->doubt_before) = before;
}

/* Who is called and does not start (its job was cancelled, or another one went first) takes no room: the next step calls others. */
void doubt_wake(struct index *index, uint64_t free)
{
	uint64_t room = index->doubtful_calls < index->doubtful_max ? index->doubtful_max - index->doubtful_calls : 0;
	for (room = room < free ? room : free; room > 0 && index->first_doubtful != SLOT_NONE; room--)
		group_refresh(index, index->first_doubtful);
}
