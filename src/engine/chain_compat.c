/* src/engine/chain_compat.c: chains under another queue's rules. Their jobs have ids that say chain and time, so no time is worked off twice; who
 * claims the newest job asks for the one after it. Nothing of that is in memory: whether a job is a chain's newest one stands in its id. */
#include "engine/engine_priv.h"
#include "base/json.h"

#define ITERATION_PREFIX STR("repeat:")

bool chain_is_told(const struct index *index, const struct chain *chain)
{
	return queue_at(index, chain->queue)->settings->compat != COMPAT_NONE;
}

/* ---- when ---- */

enum repeat_verdict chain_told_next(const struct chain *before, const struct chain_terms *terms, bool waits, int64_t told_ms, int64_t now_ms,
				    struct repeat_iteration *out)
{
	enum repeat_verdict verdict = REPEAT_NEXT;
	uint64_t count = before ? before->last.count : 1;
	if (!terms->repeat.every_ms) {
		*out = (struct repeat_iteration){ .slot_ms = told_ms };
	} else if (!before) {
		verdict = repeat_first(&terms->repeat, NULL, now_ms, out);
	} else {
		struct repeat_iteration last = before->last;
		if (!waits) /* as the other side has it: who was claimed leaves nothing but its time */
			last.offset_ms = terms->repeat.offset_ms;
		verdict = repeat_replaced(&before->terms->repeat, &terms->repeat, NULL, &last, waits, now_ms, out);
		if (!waits && !out->offset_ms)
			out->offset_ms = out->slot_ms % terms->repeat.every_ms;
	}
	out->count = count;
	return verdict;
}

/* ---- ids ---- */

struct str chain_iteration_id(struct arena *arena, const struct chain_terms *terms, int64_t slot_ms)
{
	char *text = arena_printf(arena, "repeat:" STR_FMT ":%lld", STR_ARG(terms->key), (long long)slot_ms);
	return text ? str_of(text) : (struct str){ 0 };
}

enum err chain_id_taken(struct engine *engine, uint32_t queue, struct str id, uint64_t *out_uid)
{
	const struct index *index = &engine->index;
	const struct key *key = key_find(index, queue, id);
	*out_uid = key ? key->uid : 0;
	if (key)
		return E_OK;
	struct load_key wanted = { queue_at(index, queue)->number, id };
	struct load load = { .keys = &wanted, .key_count = 1 };
	enum err err = engine->store->verbs->load(engine->store, &load, &engine->scratch);
	if (err || !load.key_uids[0])
		return err;
	uint64_t uid = load.key_uids[0];
	uint32_t job = job_find(index, uid);
	if (job != SLOT_NONE) {
		*out_uid = job_at(index, job)->flags & JOB_DELETED ? 0 : uid;
		return E_OK;
	}
	load = (struct load){ .uids = &uid, .uid_count = 1 };
	err = engine->store->verbs->load(engine->store, &load, &engine->scratch);
	if (!err && load.rows[0].uid && !range_covers(engine, &load.rows[0]))
		*out_uid = uid;
	return err;
}

enum err chain_free_slot(struct engine *engine, uint32_t queue, const struct chain_terms *terms, struct repeat_iteration *next, struct str *out_id)
{
	for (int steps = 0; steps <= REPEAT_STEPS_MAX; steps++) {
		uint64_t other;
		*out_id = chain_iteration_id(&engine->open->cs.arena, terms, next->slot_ms);
		enum err err = out_id->ptr ? chain_id_taken(engine, queue, *out_id, &other) : E_NOMEM;
		if (err || !other)
			return err;
		if (!repeat_step(&terms->repeat, next))
			return E_ID_TAKEN;
	}
	return E_SLOTS_BUSY;
}

enum err chain_tell_taken(struct engine *engine, uint32_t queue, struct str id, uint64_t uid)
{
	struct buf text;
	buf_init(&text, LIMIT_ID_BYTES * 6 + 64);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "job_id", id);
	buf_add_byte(&text, '}');
	struct str details = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return details.ptr ? batch_event(engine->open, EVENT_DUPLICATE, queue, uid, details) : E_NOMEM;
}

/* ---- whose ---- */

const struct chain *chain_of_compat(const struct index *index, const struct job *job, int64_t *slot_ms)
{
	char room[LABEL_ROOM];
	struct str id = label_of(index, job, room);
	size_t key_from = ITERATION_PREFIX.len, key_to = id.len;
	if (!str_starts(id, ITERATION_PREFIX))
		return NULL;
	while (key_to > key_from && id.ptr[key_to - 1] != ':')
		key_to--;
	if (key_to <= key_from + 1 || !str_i64(str_from(id, key_to), slot_ms))
		return NULL;
	uint32_t slot = chain_find(index, job->queue, (struct str){ id.ptr + key_from, key_to - 1 - key_from });
	return slot == SLOT_NONE ? NULL : pool_at(&index->chains, slot);
}

bool chain_owns(const struct index *index, const struct job *job)
{
	int64_t slot_ms;
	if (!job_is_compat(index, job))
		return aside_of(index, job)->chain != SLOT_NONE;
	const struct chain *chain = job_state_is_final(job_state_of(job)) ? NULL : chain_of_compat(index, job, &slot_ms);
	return chain && chain->last.slot_ms == slot_ms;
}
