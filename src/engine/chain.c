/* src/engine/chain.c: chains of jobs that repeat, in memory: found by key, changed so that it can be undone. A chain that was deleted keeps its
 * slot until the commit that says so; a put may take it up again before. When the times come is rules/repeat.h's to say. */
#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/uid.h"
#include "engine/engine_priv.h"
#include "engine/journal.h"

#define CHAIN_MAKER 128 /* daemons' own makers are below: the uids of iterations made inside a claim collide with nobody's */

/* ---- what a person said ---- */

static struct zone_span chain_utc_span(const struct zone *zone, int64_t at_s)
{
	(void)zone, (void)at_s;
	return (struct zone_span){ .from_s = INT64_MIN, .until_s = INT64_MAX };
}
static const struct zone chain_utc = { chain_utc_span };

void chain_terms_drop(struct chain_terms *terms)
{
	if (--terms->holders)
		return;
	arena_fini(&terms->arena);
	mem_free(terms);
}

static enum err chain_find_zone(const struct engine *engine, struct str name, const struct zone **out, struct problem *problem)
{
	if (!name.len || str_eq(name, STR("UTC"))) {
		*out = &chain_utc;
		return E_OK;
	}
	if (!engine->config.zone_find)
		return problem_set(problem, E_INVALID, "tz", "There are no time zones here but UTC.");
	struct problem why = { 0 };
	enum err err = engine->config.zone_find(name, out, &why);
	return err ? problem_set(problem, err, "tz", "%s", why.detail) : E_OK;
}

static enum err chain_read_schedule(struct engine *engine, struct chain_terms *terms, bool told, struct problem *problem)
{
	struct chain_schedule schedule;
	struct json json;
	json_init(&json, terms->schedule, &terms->arena, problem);
	if (!chain_schedule_read(&json, &schedule) || !json_finish(&json))
		return problem->err ? problem->err : E_INVALID;
	if (told) {
		terms->repeat = (struct repeat){ .every_ms = schedule.every_ms, .offset_ms = schedule.offset_ms, .end_ms = REPEAT_UNBOUND,
			                         .start_ms = schedule.start_us ? schedule.start_us / 1000 : REPEAT_UNBOUND };
		return E_OK;
	}
	enum err err = chain_timing(&schedule, terms->key, &terms->repeat, problem);
	return err ? err : chain_find_zone(engine, schedule.zone, &terms->zone, problem);
}

static enum err chain_read_job(struct chain_terms *terms, struct problem *problem)
{
	struct json json;
	json_init(&json, terms->job, &terms->arena, problem);
	return chain_job_read(&json, &terms->template) && json_finish(&json) ? E_OK : problem->err ? problem->err : E_INVALID;
}

/* "tz" → "schedule.tz" */
static void chain_nest(struct problem *problem, const char *member)
{
	size_t len = strlen(member), rest = strlen(problem->field);
	if (!rest || len + 1 + rest >= sizeof(problem->field))
		return;
	memmove(problem->field + len + 1, problem->field, rest + 1);
	memcpy(problem->field, member, len);
	problem->field[len] = '.';
}

enum err chain_terms_new(struct engine *engine, const struct chain_text *text, struct chain_terms **out, struct problem *problem)
{
	struct chain_terms *terms = mem_zalloc(sizeof(*terms));
	if (!terms)
		return E_NOMEM;
	terms->holders = 1;
	terms->key = arena_str(&terms->arena, text->key);
	terms->schedule = arena_str(&terms->arena, text->schedule);
	terms->job = arena_str(&terms->arena, text->job.len ? text->job : STR("{}"));
	terms->payload = arena_str(&terms->arena, text->payload.len ? text->payload : STR("null"));
	terms->metadata = arena_str(&terms->arena, text->metadata);
	enum err err = terms->key.ptr && terms->schedule.ptr && terms->job.ptr && terms->payload.ptr && terms->metadata.ptr ? E_OK : E_NOMEM;
	if (!err && (err = chain_read_schedule(engine, terms, text->told, problem)))
		chain_nest(problem, "schedule");
	else if (!err && (err = chain_read_job(terms, problem)))
		chain_nest(problem, "job");
	if (err)
		chain_terms_drop(terms);
	else
		*out = terms;
	return err;
}

static bool chain_terms_are(const struct chain_terms *a, const struct chain_terms *b)
{
	return str_eq(a->schedule, b->schedule) && str_eq(a->job, b->job) && str_eq(a->payload, b->payload) && str_eq(a->metadata, b->metadata);
}

/* ---- found, made, freed ---- */

struct chain_wanted {
	uint32_t queue;
	struct str key;
};

static struct chain *chain_at(const struct index *index, uint32_t slot)
{
	return pool_at(&index->chains, slot);
}

static bool chain_is(void *context, uint32_t slot, const void *wanted)
{
	const struct chain *chain = chain_at(context, slot);
	const struct chain_wanted *want = wanted;
	return chain->queue == want->queue && str_eq(chain->terms->key, want->key);
}

static uint64_t chain_hash(uint32_t queue, struct str key)
{
	return str_hash(key, UINT64_C(41) + queue);
}

static uint32_t chain_find_any(const struct index *index, uint32_t queue, struct str key) /* a gone one too */
{
	struct chain_wanted wanted = { queue, key };
	return map_find(&index->chains_by_key, chain_hash(queue, key), chain_is, &wanted);
}

uint32_t chain_find(const struct index *index, uint32_t queue, struct str key)
{
	uint32_t slot = chain_find_any(index, queue, key);
	return slot == SLOT_NONE || chain_at(index, slot)->gone ? SLOT_NONE : slot;
}

static enum err chain_new(struct index *index, uint32_t queue, struct chain_terms *terms, uint32_t *out_slot) /* takes the hold when it succeeds */
{
	enum err err = map_reserve(&index->chains_by_key, 1);
	err = err ? err : pool_take(&index->chains, out_slot);
	if (err)
		return err;
	struct chain *chain = chain_at(index, *out_slot);
	*chain = (struct chain){ .live = true, .gone = true, .queue = queue, .hash = chain_hash(queue, terms->key), .terms = terms };
	CHECK(!map_put(&index->chains_by_key, chain->hash, *out_slot));
	queue_at(index, queue)->chains++;
	return E_OK;
}

static void chain_free(struct index *index, uint32_t slot)
{
	struct chain *chain = chain_at(index, slot);
	map_remove(&index->chains_by_key, chain->hash, slot);
	queue_at(index, chain->queue)->chains--;
	chain_terms_drop(chain->terms);
	chain->live = chain->gone = false;
	pool_give(&index->chains, slot);
}

static enum err chain_touch(struct engine *engine, uint32_t slot)
{
	struct undo *undo = journal_add(engine->open, UNDO_CHAIN, slot);
	if (!undo)
		return E_NOMEM;
	struct chain *chain = chain_at(&engine->index, slot);
	undo->chain = *chain;
	chain->terms->holders++;
	chain->version = engine->index.open_seq;
	return E_OK;
}

static enum err chain_open(struct engine *engine, uint32_t queue, struct chain_terms *terms, uint32_t *slot) /* holds the terms once more */
{
	struct index *index = &engine->index;
	*slot = chain_find_any(index, queue, terms->key);
	if (*slot != SLOT_NONE) {
		enum err err = chain_touch(engine, *slot);
		if (err)
			return err;
		chain_terms_drop(chain_at(index, *slot)->terms);
		chain_at(index, *slot)->terms = terms;
		terms->holders++;
		return E_OK;
	}
	struct undo *undo = journal_add(engine->open, UNDO_CHAIN_NEW, SLOT_NONE);
	if (!undo)
		return E_NOMEM;
	enum err err = chain_new(index, queue, terms, slot);
	if (err) {
		journal_take_back(engine->open);
		return err;
	}
	terms->holders++;
	undo->slot = *slot;
	chain_at(index, *slot)->version = index->open_seq;
	return E_OK;
}

static bool chain_is_over(const struct index *index, const struct chain *chain)
{
	return chain->live && chain->gone && chain->version <= index->committed_seq;
}

void chain_undo(struct index *index, const struct undo *undo)
{
	struct chain *chain = chain_at(index, undo->slot);
	if (undo->kind == UNDO_CHAIN_NEW) {
		chain_free(index, undo->slot);
		return;
	}
	chain_terms_drop(chain->terms);
	*chain = undo->chain; /* with the entry's hold */
	chain_settle(index, undo->slot);
}

void chain_settle(struct index *index, uint32_t slot)
{
	if (chain_is_over(index, chain_at(index, slot)))
		chain_free(index, slot);
}

static enum err chain_write(struct engine *engine, const struct chain *chain)
{
	const struct chain_terms *terms = chain->terms;
	struct arena *arena = &engine->open->cs.arena;
	struct chain_row *row = change_add(&engine->open->cs, chains);
	if (!row)
		return E_NOMEM;
	*row = (struct chain_row){
		.queue = queue_at(&engine->index, chain->queue)->number, .key = arena_str(arena, terms->key),
		.schedule = arena_str(arena, terms->schedule), .job = arena_str(arena, terms->job), .payload = arena_str(arena, terms->payload),
		.slot_ms = chain->last.slot_ms, .offset_ms = chain->last.offset_ms, .count = chain->last.count, .pending = chain->pending,
		.metadata = arena_str(arena, terms->metadata), .gone = chain->gone,
	};
	engine->open->bytes += terms->payload.len + terms->metadata.len;
	return row->key.ptr && row->schedule.ptr && row->job.ptr && row->payload.ptr && row->metadata.ptr ? E_OK : E_NOMEM;
}

enum err chain_restore(struct index *index, uint32_t queue, const struct chain_row *row, struct chain_terms *terms)
{
	uint32_t slot, job = row->pending ? job_find(index, row->pending) : SLOT_NONE;
	enum err err = chain_new(index, queue, terms, &slot);
	if (err) {
		chain_terms_drop(terms);
		return err;
	}
	struct chain *chain = chain_at(index, slot);
	chain->gone = false;
	chain->last = (struct repeat_iteration){ .slot_ms = row->slot_ms, .offset_ms = row->offset_ms, .count = row->count };
	chain->pending = row->pending;
	if (chain_is_told(index, chain))
		return E_OK;
	if (row->pending && job == SLOT_NONE)
		return E_STORE_CORRUPT;
	if (!row->pending)
		return E_OK;
	struct aside aside = *aside_of(index, job_at(index, job));
	aside.chain = slot;
	return aside_restore(index, job, &aside);
}

/* ---- iterations ---- */

static int64_t chain_now_ms(const struct engine *engine, uint32_t queue) /* by the clock of the queue's clients */
{
	return skew_wall_us(&engine->index, queue_at(&engine->index, queue)) / 1000;
}

uint64_t engine_uid(struct engine *engine)
{
	struct uid_maker maker = { .last = engine->last_uid, .maker = CHAIN_MAKER };
	return uid_next(&maker, engine->index.wall_us);
}

static bool chain_copy(struct arena *arena, struct str *text) /* the terms may be replaced while the job is on its way to the disk */
{
	if (text->len)
		*text = arena_str(arena, *text);
	return text->ptr || !text->len;
}

/* From now on the job is the chain's pending one. */
static enum err chain_bind(struct engine *engine, uint32_t slot, uint32_t job)
{
	struct index *index = &engine->index;
	struct aside aside = *aside_of(index, job_at(index, job));
	aside.chain = slot;
	enum err err = job_touch(engine->open, index, job);
	err = err ? err : aside_change(engine->open, index, job, &aside);
	return err ? err : job_place(index, job);
}

/* id: the one that was found free under another queue's rules. Otherwise it has none of its own, so that nothing which a claim makes can collide. */
static enum err chain_make(struct engine *engine, uint32_t slot, struct str id, struct str metadata)
{
	struct chain *chain = chain_at(&engine->index, slot);
	const struct chain_terms *terms = chain->terms;
	const struct chain_job *template = &terms->template;
	struct arena *arena = &engine->open->cs.arena;
	struct dedup_meeting free = { .kind = DEDUP_FREE };
	uint32_t job;
	struct op_enqueue enqueue = {
		.uid = engine_uid(engine), .name = template->name, .group = template->group, .tags = template->tags, .target = template->target,
		.payload = terms->payload, .metadata = metadata.len ? metadata : terms->metadata, .chain = terms->key, .retry = template->retry,
		.max_attempts = template->max_attempts, .priority = template->priority,
		.run_at_us = chain->last.slot_ms * 1000, .timeout_ms = template->timeout_ms, .ttl_ms = template->ttl_ms, .lifo = template->lifo,
	};
	if (!chain_copy(arena, &enqueue.name) || !chain_copy(arena, &enqueue.group) || !chain_copy(arena, &enqueue.tags) ||
	    !chain_copy(arena, &enqueue.target) || !chain_copy(arena, &enqueue.payload) || !chain_copy(arena, &enqueue.metadata) ||
	    !chain_copy(arena, &enqueue.chain))
		return E_NOMEM;
	uint64_t number;
	enum err err = id.len ? E_OK : id_next(engine, chain->queue, &number, &id);
	err = err ? err : enqueue_make(engine, &enqueue, id, chain->queue, &free, &job);
	if (err)
		return err;
	chain->pending = enqueue.uid;
	return chain_is_told(&engine->index, chain) ? E_OK : chain_bind(engine, slot, job);
}

/* ---- what happens to a chain ---- */

static enum err chain_tell(struct engine *engine, const struct chain *chain)
{
	struct buf text;
	buf_init(&text, LIMIT_ID_BYTES * 6 + 128);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "key", chain->terms->key);
	if (chain->gone)
		json_put_field_bool(&text, "deleted", true);
	else
		json_put_field_instant(&text, "next_at", chain->pending ? chain->last.slot_ms * 1000 : 0);
	buf_add_byte(&text, '}');
	struct str details = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return details.ptr ? batch_event(engine->open, EVENT_CHAIN_CHANGED, chain->queue, 0, details) : E_NOMEM;
}

static uint32_t chain_waiting(struct engine *engine, const struct chain *chain) /* its job that nobody has claimed, or SLOT_NONE */
{
	uint32_t job = plan_job(engine, chain->pending);
	if (job == SLOT_NONE)
		return job;
	enum job_state state = job_state_of(job_at(&engine->index, job));
	return state == JOB_WAITING || state == JOB_DELAYED ? job : SLOT_NONE;
}

/* The pending one gives way. */
static enum err chain_take_back(struct engine *engine, struct chain *chain)
{
	uint32_t job = chain_waiting(engine, chain);
	chain->pending = 0;
	return job == SLOT_NONE ? E_OK : life_delete(engine, job);
}

static enum err chain_refuse(enum repeat_verdict verdict, struct problem *problem)
{
	if (verdict == REPEAT_NEVER)
		return problem_set(problem, E_INVALID, "schedule.pattern", "It names no time that is still to come.");
	return problem_set(problem, E_INVALID, "schedule.end_at", "No time of the schedule comes before it: nothing would ever run.");
}

static enum err chain_first(struct engine *engine, uint32_t queue, const struct chain *before, const struct chain_terms *terms,
			    const struct chain_told *told, struct problem *problem, struct repeat_iteration *out)
{
	int64_t now_ms = chain_now_ms(engine, queue);
	enum repeat_verdict verdict;
	if (!terms->zone) {
		verdict = chain_told_next(before, terms, before && chain_waiting(engine, before) != SLOT_NONE, told->next_ms, now_ms, out);
	} else {
		enum err err = repeat_check(&terms->repeat, now_ms, problem);
		if (err) {
			chain_nest(problem, "schedule");
			return err;
		}
		verdict = before ? repeat_replaced(&before->terms->repeat, &terms->repeat, terms->zone, &before->last, before->pending != 0, now_ms, out)
				 : repeat_first(&terms->repeat, terms->zone, now_ms, out);
	}
	return verdict == REPEAT_NEXT ? E_OK : chain_refuse(verdict, problem);
}

enum err chain_put(struct engine *engine, uint32_t queue, struct chain_terms *terms, const struct chain_told *told, struct problem *problem,
		   uint32_t *out_slot)
{
	struct index *index = &engine->index;
	struct repeat_iteration next = { 0 };
	struct str id = { 0 };
	uint32_t slot = *out_slot = chain_find(index, queue, terms->key);
	const struct chain *before = slot == SLOT_NONE ? NULL : chain_at(index, slot);
	if (before && terms->zone && chain_terms_are(before->terms, terms))
		return E_OK;
	enum err err = chain_first(engine, queue, before, terms, told, problem, &next);
	err = err ? err : chain_open(engine, queue, terms, out_slot);
	if (err)
		return err;
	struct chain *chain = chain_at(index, *out_slot);
	err = chain_take_back(engine, chain);
	if (!err && !terms->zone)
		err = chain_free_slot(engine, queue, terms, &next, &id);
	chain->gone = false;
	chain->last = next;
	err = err ? err : chain_make(engine, *out_slot, id, told->metadata);
	err = err ? err : chain_write(engine, chain);
	return err ? err : chain_tell(engine, chain);
}

enum err chain_next(struct engine *engine, uint32_t slot, struct str producer, const struct chain_told *told, bool *made)
{
	struct index *index = &engine->index;
	struct chain *chain = chain_at(index, slot);
	const struct chain_terms *terms = chain->terms;
	struct arena *arena = &engine->open->cs.arena;
	struct repeat_iteration next = { .slot_ms = told->next_ms, .count = chain->last.count + 1 };
	uint64_t other = 0;
	*made = false;
	if (terms->repeat.every_ms && repeat_following(&terms->repeat, NULL, &chain->last, chain_now_ms(engine, chain->queue), &next) != REPEAT_NEXT)
		return E_OK;
	struct str newest = chain_iteration_id(arena, terms, chain->last.slot_ms), id = chain_iteration_id(arena, terms, next.slot_ms);
	if (!newest.ptr || !id.ptr)
		return E_NOMEM;
	uint32_t job = chain_waiting(engine, chain);
	bool is_claimed = job == SLOT_NONE || job_at(index, job)->attempts_started;
	if (!is_claimed || !str_eq(producer, newest))
		return E_OK;
	enum err err = chain_id_taken(engine, chain->queue, id, &other);
	if (!err && other)
		return chain_tell_taken(engine, chain->queue, id, other);
	err = err ? err : chain_touch(engine, slot);
	if (err)
		return err;
	chain->last = next;
	*made = true;
	err = chain_make(engine, slot, id, told->metadata);
	return err ? err : chain_write(engine, chain);
}

enum err chain_delete(struct engine *engine, uint32_t slot)
{
	struct chain *chain = chain_at(&engine->index, slot);
	uint32_t job = chain_waiting(engine, chain);
	bool stays = job != SLOT_NONE && chain_is_told(&engine->index, chain) && job_at(&engine->index, job)->state == JOB_WAITING;
	enum err err = chain_touch(engine, slot);
	if (!err && !stays) /* one that is due already stays, by the other queue's rules */
		err = chain_take_back(engine, chain);
	if (err)
		return err;
	chain->pending = 0;
	chain->gone = true;
	err = chain_write(engine, chain);
	return err ? err : chain_tell(engine, chain);
}

enum err chain_leave(struct engine *engine, uint32_t job_slot, uint32_t *out_chain)
{
	struct index *index = &engine->index;
	struct aside aside = *aside_of(index, job_at(index, job_slot));
	*out_chain = aside.chain;
	if (aside.chain == SLOT_NONE)
		return E_OK;
	aside.chain = SLOT_NONE;
	return aside_change(engine->open, index, job_slot, &aside);
}

enum err chain_follow(struct engine *engine, uint32_t slot)
{
	if (slot == SLOT_NONE)
		return E_OK;
	struct chain *chain = chain_at(&engine->index, slot);
	enum err err = chain_touch(engine, slot);
	if (err)
		return err;
	chain->pending = 0;
	if (repeat_following(&chain->terms->repeat, chain->terms->zone, &chain->last, chain_now_ms(engine, chain->queue), &chain->last) == REPEAT_NEXT)
		err = chain_make(engine, slot, (struct str){ 0 }, (struct str){ 0 });
	err = err ? err : chain_write(engine, chain);
	return err || chain->pending ? err : chain_tell(engine, chain);
}
