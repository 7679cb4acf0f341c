/* src/engine/gap.c: where among the Idempotency-Keys of the store there is none. A key within a known gap that nobody used since is new: no look at
 * the disk. Keys that begin with the time, as those of the SDKs, all fall into the gap behind the newest. Exact, not likely: what is not
 * surely new is looked up. Memory only, bounded: a restart knows no gaps, and expiry makes them no smaller. */
#include "engine/engine_priv.h"
#include "base/mem.h"

#define USED_SLOTS    4096u /* a power of two */
#define USED_MAX      (USED_SLOTS / 2)
#define BARREN_MAX    16u   /* gaps learned for nothing: keys in no order */
#define EARNED        2u    /* for so many of them makes up one key that needs no look */
#define BARREN_PAUSE  64u   /* then a gap is asked for with every so many looks only */

static bool gap_holds(const struct gap *gap, struct str key)
{
	return str_cmp(gap->below, key) < 0 && (!gap->above.ptr || str_cmp(key, gap->above) < 0);
}

static uint64_t gap_hash(struct str key) /* 0 stands for a free slot */
{
	uint64_t hash = str_hash(key, 0);
	return hash ? hash : 1;
}

static uint64_t *gap_slot(const struct gaps *gaps, uint64_t hash)
{
	uint64_t slot = map_mix(hash) & (USED_SLOTS - 1);
	while (gaps->used[slot] && gaps->used[slot] != hash)
		slot = (slot + 1) & (USED_SLOTS - 1);
	return &gaps->used[slot];
}

void gaps_forget(struct gaps *gaps)
{
	for (uint32_t i = 0; i < gaps->count; i++) {
		mem_free(gaps->items[i].bytes);
		gaps->items[i].bytes = NULL;
	}
	gaps->count = 0;
	if (gaps->used_count)
		memset(gaps->used, 0, USED_SLOTS * sizeof(*gaps->used));
	gaps->used_count = 0;
}

void gaps_fini(struct gaps *gaps)
{
	gaps_forget(gaps);
	mem_free(gaps->used);
	gaps->used = NULL;
}

/* Without room to note it nothing is known any more. */
void gaps_use(struct gaps *gaps, struct str key)
{
	if (!gaps->count)
		return;
	uint64_t hash = gap_hash(key), *slot = gap_slot(gaps, hash);
	if (*slot)
		return;
	if (gaps->used_count == USED_MAX) {
		gaps_forget(gaps);
		return;
	}
	*slot = hash;
	gaps->used_count++;
}

bool gaps_exclude(struct gaps *gaps, struct str key)
{
	for (uint32_t i = 0; i < gaps->count; i++)
		if (gap_holds(&gaps->items[i], key) && !*gap_slot(gaps, gap_hash(key))) {
			gaps->barren -= gaps->barren < EARNED ? gaps->barren : EARNED;
			return true;
		}
	return false;
}

bool gaps_ask(struct gaps *gaps)
{
	return gaps->barren < BARREN_MAX || gaps->looks++ % BARREN_PAUSE == 0;
}

/* What the store did not tell yet: records of change-sets in flight, and of the open one. */
static void gaps_use_flying(struct gaps *gaps, const struct engine *engine)
{
	for (const struct batch *batch = uncommitted_first(engine); batch; batch = uncommitted_after(engine, batch))
		for (uint32_t i = 0; i < batch->cs.idempotency.count; i++)
			gaps_use(gaps, batch->cs.idempotency.items[i].key);
}

void gaps_learn(struct engine *engine, const struct load_gap *found)
{
	struct gaps *gaps = &engine->gaps;
	size_t below = found->below.len, above = found->above.len;
	if (!gaps->used)
		gaps->used = mem_zalloc(USED_SLOTS * sizeof(*gaps->used));
	char *bytes = gaps->used ? mem_alloc(below + above + 1) : NULL;
	if (!bytes)
		return; /* it is only not known */
	if (below)
		memcpy(bytes, found->below.ptr, below);
	if (above)
		memcpy(bytes + below, found->above.ptr, above);
	bool first = !gaps->count;
	struct gap *gap = &gaps->items[gaps->count < GAPS_MAX ? gaps->count++ : gaps->next++ % GAPS_MAX];
	mem_free(gap->bytes); /* of the oldest one */
	*gap = (struct gap){ .bytes = bytes, .below = { bytes, below }, .above = { found->above.ptr ? bytes + below : NULL, above } };
	gaps->barren++;
	if (first)
		gaps_use_flying(gaps, engine);
}
