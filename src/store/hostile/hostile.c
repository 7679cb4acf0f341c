#include "store/hostile/hostile.h"
#include "base/check.h"
#include "base/mem.h"

#define HOSTILE_IN_FLIGHT_MAX 16u

enum fate { FATE_APPLY, FATE_REFUSE, FATE_LOSE_APPLIED, FATE_LOSE_DROPPED };

struct hostile_entry {
	struct outcome outcome;
	enum fate fate;
	bool inside;         /* submitted to the inner store, whose outcome has not come yet */
	uint32_t late_polls; /* to come before it is told */
};
struct hostile {
	struct store store;
	struct store *inner;
	struct hostility hostility;
	uint64_t dice;
	enum err failing;    /* until what is in flight has been told: with what it fails */
	bool unknown;        /* until reopen */
	struct hostile_entry ring[HOSTILE_IN_FLIGHT_MAX];
	uint32_t first, count;
};

static struct hostile *of(struct store *store)
{
	return (struct hostile *)store;
}

static uint32_t hostile_roll(struct hostile *hostile, uint32_t sides)
{
	hostile->dice ^= hostile->dice << 13;
	hostile->dice ^= hostile->dice >> 7;
	hostile->dice ^= hostile->dice << 17;
	return sides ? (uint32_t)((hostile->dice >> 16) % sides) : 0;
}

static enum fate hostile_fate(struct hostile *hostile)
{
	uint32_t roll = hostile_roll(hostile, 1000);
	const struct hostility *odds = &hostile->hostility;
	if (roll < odds->refuse)
		return FATE_REFUSE;
	if (roll < odds->refuse + odds->lose_applied)
		return FATE_LOSE_APPLIED;
	if (roll < odds->refuse + odds->lose_applied + odds->lose_dropped)
		return FATE_LOSE_DROPPED;
	return FATE_APPLY;
}

static struct hostile_entry *hostile_at(struct hostile *hostile, uint32_t i)
{
	return &hostile->ring[(hostile->first + i) % HOSTILE_IN_FLIGHT_MAX];
}

static void hostile_wake(struct hostile *hostile)
{
	if (hostile->store.wake)
		hostile->store.wake(hostile->store.wake_context);
}

static void hostile_wake_outer(void *context)
{
	hostile_wake(context);
}

static void hostile_submit(struct store *store, struct changeset *cs)
{
	struct hostile *hostile = of(store);
	CHECK(hostile->count < store->in_flight_max);
	struct hostile_entry *entry = hostile_at(hostile, hostile->count++);
	*entry = (struct hostile_entry){ .outcome.changeset = cs, .late_polls = hostile_roll(hostile, hostile->hostility.late_polls_max + 1) };
	enum err failing = hostile->unknown ? E_OUTCOME_UNKNOWN : hostile->failing;
	if (!failing)
		entry->fate = hostile_fate(hostile);
	if (!failing && (entry->fate == FATE_APPLY || entry->fate == FATE_LOSE_APPLIED)) {
		entry->inside = true;
		hostile->inner->verbs->submit(hostile->inner, cs);
	} else {
		entry->outcome.err = failing ? failing : entry->fate == FATE_REFUSE ? E_STORE_FULL : E_OUTCOME_UNKNOWN;
		hostile->failing = entry->outcome.err;
	}
	/* Behind a lost answer nothing more goes in: the engine's next words may be to another term. */
	if (entry->fate == FATE_LOSE_APPLIED)
		hostile->failing = E_OUTCOME_UNKNOWN;
	hostile->unknown |= hostile->failing == E_OUTCOME_UNKNOWN;
	hostile_wake(hostile);
}

/* Outcomes of the inner store, in order, to the entries that wait for them. */
static void hostile_collect(struct hostile *hostile)
{
	struct outcome outcome;
	for (uint32_t i = 0; i < hostile->count; i++) {
		struct hostile_entry *entry = hostile_at(hostile, i);
		if (!entry->inside)
			continue;
		if (hostile->inner->verbs->poll(hostile->inner, &outcome, 1) == 0)
			return;
		CHECK(outcome.changeset == entry->outcome.changeset);
		entry->inside = false;
		entry->outcome.err = entry->fate == FATE_LOSE_APPLIED ? E_OUTCOME_UNKNOWN : outcome.err;
		hostile->unknown |= entry->outcome.err == E_OUTCOME_UNKNOWN;
	}
}

static uint32_t hostile_poll(struct store *store, struct outcome *out, uint32_t max)
{
	struct hostile *hostile = of(store);
	uint32_t given = 0;
	hostile_collect(hostile);
	while (given < max && hostile->count) {
		struct hostile_entry *entry = hostile_at(hostile, 0);
		if (entry->inside)
			break;
		if (entry->late_polls) {
			entry->late_polls--;
			hostile_wake(hostile);
			break;
		}
		out[given++] = entry->outcome;
		hostile->first = (hostile->first + 1) % HOSTILE_IN_FLIGHT_MAX;
		hostile->count--;
	}
	if (hostile->count == 0)
		hostile->failing = E_OK;
	return given;
}

static enum err hostile_take(struct store *store, struct store_meta *out)
{
	return of(store)->unknown ? E_OUTCOME_UNKNOWN : of(store)->inner->verbs->take(of(store)->inner, out);
}

static enum err hostile_load(struct store *store, struct load *load, struct arena *arena)
{
	return of(store)->inner->verbs->load(of(store)->inner, load, arena);
}

static enum err hostile_nth_final(struct store *store, uint32_t queue, enum job_state state, uint32_t n, int64_t *out_us, uint64_t *out_uid,
                                  uint64_t *out_bytes)
{
	return of(store)->inner->verbs->nth_final(of(store)->inner, queue, state, n, out_us, out_uid, out_bytes);
}

static enum err hostile_far(struct store *store, struct far_page *page, struct arena *arena)
{
	return of(store)->inner->verbs->far(of(store)->inner, page, arena);
}

static enum err hostile_scan(struct store *store, const struct scan_visitor *visitor)
{
	return of(store)->inner->verbs->scan(of(store)->inner, visitor);
}

static enum err hostile_reopen(struct store *store, struct problem *problem)
{
	struct hostile *hostile = of(store);
	hostile->first = hostile->count = 0;
	enum err err = hostile->inner->verbs->reopen(hostile->inner, problem);
	if (!err) {
		hostile->unknown = false;
		hostile->failing = E_OK;
	}
	return err;
}

static enum err hostile_reader_open(struct store *store, struct reader **out)
{
	return of(store)->inner->verbs->reader_open(of(store)->inner, out);
}

static enum err hostile_backup(struct store *store, const char *path, void (*progress)(void *, uint64_t, uint64_t), void *context,
                               struct problem *problem)
{
	return of(store)->inner->verbs->backup(of(store)->inner, path, progress, context, problem);
}

static void hostile_close(struct store *store)
{
	of(store)->inner->verbs->close(of(store)->inner);
	mem_free(store);
}

static const struct store_verbs store_hostile_verbs = {
	.take = hostile_take,
	.submit = hostile_submit,
	.poll = hostile_poll,
	.load = hostile_load,
	.nth_final = hostile_nth_final,
	.far = hostile_far,
	.scan = hostile_scan,
	.reopen = hostile_reopen,
	.reader_open = hostile_reader_open,
	.backup = hostile_backup,
	.close = hostile_close,
};

enum err store_hostile_open(struct store *inner, const struct hostility *hostility, uint64_t seed, struct store **out)
{
	struct hostile *hostile = mem_zalloc(sizeof(*hostile));
	if (!hostile)
		return E_NOMEM;
	uint32_t most = inner->in_flight_max < HOSTILE_IN_FLIGHT_MAX ? inner->in_flight_max : HOSTILE_IN_FLIGHT_MAX;
	hostile->store = (struct store){ .verbs = &store_hostile_verbs, .in_flight_max = most };
	hostile->inner = inner;
	hostile->hostility = *hostility;
	hostile->dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	inner->wake = hostile_wake_outer;
	inner->wake_context = hostile;
	*out = &hostile->store;
	return E_OK;
}
