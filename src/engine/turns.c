/* src/engine/turns.c: whose turn it is: groups share their queue's starts by their weights, and who has waited too long goes first.
 *
 * Time here is virtual. A start of a group moves its own turn on by a stride divided by its weight, and the group whose turn comes first
 * starts next: so groups that wait all the time start in proportion to their weights, to within one start each. The clock is the turn
 * that was served last. Who comes stands a stride behind it, as one who was just served; who comes back stands at the clock if its own
 * turn has passed meanwhile: having been idle, or held back, earns nothing. Turns of different priorities are not compared, so each
 * priority has a clock of its own, and a group that comes to another priority stands there as one who was just served.
 *
 * A lane that a limit stops does not go on while others do. Within it turns stay as they are; when it starts again, all of it is moved up
 * to the queue's clock (its lag), so that it has earned nothing either and its groups keep their order among themselves.
 *
 * A key of a heap holds all of a turn: major is the priority and the upper 32 bits of `at`, minor the lower 31 bits and the number. */
#include "base/check.h"
#include "engine/journal.h"

#define TURN_STRIDE  (UINT64_C(1) << 20) /* of weight 1 */
#define RISEN_LOOKED 16                  /* of the oldest jobs, for one whose group may start */
_Static_assert(TURN_STRIDE / GROUP_WEIGHT_MAX >= 1000, "what is lost by rounding is below a thousandth");

static uint64_t turn_stride(const struct group *group)
{
	return group->settings.weight > 1 ? (uint32_t)TURN_STRIDE / group->settings.weight : TURN_STRIDE; /* most need no division */
}

static struct heap_entry turn_entry(const struct turn *turn, uint32_t group)
{
	CHECK(turn->at < UINT64_C(1) << 63);
	return (struct heap_entry){
		.major = turn->priority * (INT64_C(1) << 32) + (int64_t)(turn->at >> 31),
		.minor = (int64_t)((turn->at & 0x7fffffff) << 32 | turn->number),
		.item = group,
	};
}

static uint32_t turn_number(struct queue *queue)
{
	return ++queue->turn ? queue->turn : ++queue->turn;
}

static uint64_t lane_lag(const struct lane *lane, int32_t priority)
{
	return lane->time.priority == priority ? lane->time.lag : 0;
}

static uint64_t queue_clock(const struct index *index, uint32_t queue, int32_t priority)
{
	const struct priority_entry *level = priority_find(index, queue, priority);
	return level ? level->clock : 0;
}

/* The lane's clock for this priority. A lane where nobody stands goes with the queue; one that has served others since begins with its first. */
static uint64_t lane_clock(const struct index *index, const struct lane *lane, int32_t priority)
{
	uint64_t clock = queue_clock(index, lane->queue, priority), lag = lane_lag(lane, priority);
	clock = clock > lag ? clock - lag : 0;
	if (!lane->turns.count)
		return clock;
	if (lane->time.priority == priority)
		return lane->time.clock;
	struct turn first = turn_of(heap_peek(&lane->turns));
	return first.priority == priority && first.at < clock ? first.at : clock;
}

struct heap_entry turn_join(struct index *index, uint32_t slot, int32_t priority)
{
	struct group *group = group_at(index, slot);
	uint64_t clock = lane_clock(index, lane_at(index, group->lane), priority);
	struct turn turn = group->turn;
	if (!turn.number || turn.priority != priority)
		turn = (struct turn){ clock + turn_stride(group), turn_number(queue_at(index, group->queue)), priority };
	else if (turn.at < clock)
		turn.at = clock;
	if (!group->turn.number)
		group->turn = turn;
	return turn_entry(&turn, slot);
}

void turn_move(const struct index *index, struct group *group, uint32_t lane)
{
	uint64_t at = group->turn.at + lane_lag(lane_at(index, group->lane), group->turn.priority);
	uint64_t lag = lane_lag(lane_at(index, lane), group->turn.priority);
	group->turn.at = at > lag ? at - lag : 0;
}

struct turn lane_turn(const struct index *index, const struct lane *lane)
{
	struct turn turn = turn_of(heap_peek(&lane->turns));
	uint64_t clock = queue_clock(index, lane->queue, turn.priority);
	turn.at += lane_lag(lane, turn.priority);
	turn.at = turn.at < clock ? clock : turn.at;
	return turn;
}

bool turn_is_before(const struct turn *a, const struct turn *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->at < b->at || (a->at == b->at && a->number < b->number);
}

/* ---- starts ---- */

/* Clocks go on to this turn, which may be late: its lane was stopped, or it was passed over. */
static void turn_serve(struct lane *lane, struct priority_entry *level, struct turn *turn)
{
	struct lane_time *time = &lane->time;
	if (time->priority != turn->priority)
		*time = (struct lane_time){ .priority = turn->priority, .clock = turn->at };
	else if (time->clock > turn->at)
		turn->at = time->clock;
	time->clock = turn->at;
	if (turn->at + time->lag < level->clock)
		time->lag = level->clock - turn->at;
	level->clock = turn->at + time->lag;
}

enum err turn_take(struct batch *batch, struct index *index, uint32_t slot, enum turn_kind kind)
{
	struct group *group = group_at(index, slot);
	struct lane *lane = lane_at(index, group->lane);
	CHECK(group->place == GROUP_IN_TURNS);
	struct heap_entry entry = lane->turns.entries[group->position];
	struct turn turn = turn_of(&entry);
	struct priority_entry *level = priority_open(index, group->queue, turn.priority);
	struct undo *undo = journal_add(batch, UNDO_TURN, slot);
	if (!undo)
		return E_NOMEM;
	CHECK(level); /* a job of it waits */
	undo->turn.turn = group->turn;
	undo->turn.entry = entry;
	undo->turn.time = lane->time;
	undo->turn.clock = level->clock;
	group->touched = index->open_seq; /* the entry names it */
	if (kind == TURN_FIRST)
		turn_serve(lane, level, &turn);
	if (kind != TURN_RISEN)
		turn.at += turn_stride(group);
	else if (turn.at < lane_clock(index, lane, turn.priority) + turn_stride(group))
		turn.at = lane_clock(index, lane, turn.priority) + turn_stride(group);
	turn.number = turn_number(queue_at(index, group->queue));
	group->turn = turn;
	entry = turn_entry(&turn, slot);
	heap_change(&lane->turns, group->position, entry.major, entry.minor);
	return E_OK;
}

void turn_undo(struct index *index, const struct undo *undo)
{
	struct group *group = group_at(index, undo->slot);
	struct lane *lane = lane_at(index, group->lane);
	struct priority_entry *level = priority_open(index, group->queue, turn_of(&undo->turn.entry).priority);
	CHECK(level); /* it was there */
	level->clock = undo->turn.clock;
	lane->time = undo->turn.time;
	group->turn = undo->turn.turn;
	group_refresh(index, undo->slot);
	if (group->place == GROUP_IN_TURNS) /* its rate may hold it back now: starts stay in windows */
		heap_change(&lane->turns, group->position, undo->turn.entry.major, undo->turn.entry.minor);
}

/* ---- who goes first though it is not his turn, or waits though it is ---- */

static bool lane_is_open(struct index *index, const struct lane *lane)
{
	int64_t until_us = 0;
	uint32_t limit;
	return !lane->limit_count || lane_blocker(index, lane, &until_us, &limit) == EXPLAIN_READY;
}

bool turn_is_open(struct index *index, uint32_t group)
{
	return group_at(index, group)->place == GROUP_IN_TURNS && !doubt_holds(index, group_at(index, group)) &&
	       lane_is_open(index, lane_at(index, group_at(index, group)->lane));
}

uint32_t turns_risen(struct index *index, uint32_t queue_slot)
{
	const struct queue *queue = queue_at(index, queue_slot);
	int64_t rise_us = queue->settings->rise_after_ms * 1000;
	uint32_t slot = rise_us ? queue->oldest : SLOT_NONE;
	for (int looked = 0; looked < RISEN_LOOKED && slot != SLOT_NONE; looked++) {
		const struct job *job = job_at(index, slot);
		if (job->since_us + rise_us > index->now_us)
			break;
		if (turn_is_open(index, job->group))
			return slot;
		slot = job->newer;
	}
	return SLOT_NONE;
}

bool turns_outwait(const struct index *index, uint32_t risen, uint32_t slot)
{
	const struct job *job = job_at(index, risen);
	return job->since_us + queue_at(index, job->queue)->settings->rise_after_ms * 1000 <= job_at(index, slot)->since_us;
}

/* Since when the job waits that has waited longest; few are looked at. */
static int64_t group_since_us(const struct index *index, const struct group *group)
{
	int64_t since_us = INT64_MAX;
	for (uint32_t i = 0; i < group->ready.count; i++) {
		const struct job *job = job_at(index, group->ready.entries[i].item);
		since_us = job->since_us < since_us ? job->since_us : since_us;
	}
	return since_us;
}

struct batch_search {
	uint32_t min;
	int64_t wait_us, open_us;
	struct turn first;
	uint32_t group; /* SLOT_NONE: none yet */
};

static void batch_search_lane(struct index *index, const struct lane *lane, struct batch_search *search)
{
	for (uint32_t i = 0; i < lane->turns.count; i++) {
		const struct heap_entry *entry = &lane->turns.entries[i];
		const struct group *group = group_at(index, entry->item);
		struct turn turn = turn_of(entry);
		turn.at += lane_lag(lane, turn.priority);
		if (search->group != SLOT_NONE && !turn_is_before(&turn, &search->first))
			continue;
		int64_t open_us = group->ready.count >= search->min ? 0 : group_since_us(index, group) + search->wait_us;
		if (open_us <= index->now_us) {
			search->group = entry->item;
			search->first = turn;
		} else if (!search->open_us || open_us < search->open_us) {
			search->open_us = open_us;
		}
	}
}

bool turns_batch(struct index *index, uint32_t queue, uint32_t min, int64_t wait_us, int64_t *open_us, uint32_t *out_group)
{
	struct batch_search search = { .min = min, .wait_us = wait_us, .group = SLOT_NONE };
	for (uint32_t slot = queue_at(index, queue)->lane; slot != SLOT_NONE; slot = lane_at(index, slot)->next)
		if (lane_at(index, slot)->turns.count && lane_is_open(index, lane_at(index, slot)))
			batch_search_lane(index, lane_at(index, slot), &search);
	*open_us = search.group == SLOT_NONE ? search.open_us : 0;
	*out_group = search.group;
	return search.group != SLOT_NONE;
}
