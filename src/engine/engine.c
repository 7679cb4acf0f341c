/* src/engine/engine.c: the step, and what becomes of a batch. */
#include "engine/engine_priv.h"
#include "base/check.h"
#include "base/mem.h"

#define SMALL_BATCH_ROWS 512 /* below it a batch waits for the one in flight and gathers more: a commit costs its sync */

void engine_config_default(struct engine_config *config)
{
	*config = (struct engine_config){
		.deliveries_max = 1000, .handed_back_max = 1000,
		.pending_bytes_max = 256 << 20,
		.event_rows_max = 100000,
		.event_age_ms = 86400000,
		.idempotency_age_ms = 86400000,
		.message_age_ms = 30 * INT64_C(86400000),
		.horizon_ms = 3600000,
	};
}

/* ---- lists of requests, linked by ->link ---- */

void request_list_add(struct request_list *list, struct request *request)
{
	request->link = NULL;
	if (list->last)
		list->last->link = request;
	else
		list->first = request;
	list->last = request;
	list->count++;
	list->bytes += request->body.len + request->arena.used_bytes;
}

struct request *request_list_take(struct request_list *list)
{
	struct request *request = list->first;
	if (!request)
		return NULL;
	uint64_t bytes = request->body.len + request->arena.used_bytes;
	list->first = request->link;
	if (!list->first)
		list->last = NULL;
	list->count--;
	list->bytes -= bytes < list->bytes ? bytes : list->bytes; /* its arena may have grown while it waited */
	request->link = NULL;
	return request;
}

struct request_state *request_state_open(struct request *request)
{
	if (!request->state)
		request->state = ARENA_NEW(&request->arena, struct request_state);
	return request->state;
}

void engine_answer_now(struct engine *engine, struct request *request, enum err err)
{
	request->err = err;
	request->state = NULL;
	request->commit_seq = engine->index.committed_seq;
	request_list_add(&engine->replies, request);
}

/* ---- made and unmade ---- */

static void engine_place_parked(void *context, uint32_t item, uint32_t position)
{
	struct engine *engine = context;
	((struct parked *)pool_at(&engine->parked, item))->heap_position = position;
}

static uint64_t engine_hash_number(void *context, uint32_t item)
{
	struct engine *engine = context;
	return map_mix(((struct parked *)pool_at(&engine->parked, item))->request->number);
}

static uint64_t engine_hash_uid(void *context, uint32_t item)
{
	struct engine *engine = context;
	return map_mix(((struct parked *)pool_at(&engine->parked, item))->uid);
}

struct engine *engine_new(const struct engine_config *config, struct store *store)
{
	struct engine *engine = mem_zalloc(sizeof(*engine));
	if (!engine)
		return NULL;
	engine->config = *config;
	if (!engine->config.pending_bytes_max)
		engine->config.pending_bytes_max = 256 << 20;
	engine->store = store;
	engine->health = E_UNAVAILABLE;
	engine->first_parked = engine->last_parked = SLOT_NONE;
	pool_init(&engine->parked, sizeof(struct parked));
	heap_init(&engine->parked_by_deadline, engine_place_parked, engine);
	map_init(&engine->parked_by_number, engine_hash_number, engine);
	map_init(&engine->parked_by_uid, engine_hash_uid, engine);
	index_init(&engine->index);
	engine->index.doubtful_max = config->deliveries_max > 1 ? config->deliveries_max / 2 : 1;
	return engine;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	while (engine->first_flying) {
		struct batch *batch = engine->first_flying;
		engine->first_flying = batch->next;
		batch_free(batch);
	}
	batch_free(engine->open);
	while (engine->first_effect) {
		struct effect *effect = engine->first_effect;
		engine->first_effect = effect->next;
		effect_free(effect);
	}
	index_fini(&engine->index);
	gaps_fini(&engine->gaps);
	pool_fini(&engine->parked);
	heap_fini(&engine->parked_by_deadline);
	map_fini(&engine->parked_by_number);
	map_fini(&engine->parked_by_uid);
	arena_fini(&engine->scratch);
	mem_free(engine->loaded);
	mem_free(engine->lost_bodies);
	mem_free(engine->called);
	mem_free(engine);
}

/* ---- what leaves ---- */

struct request *engine_take_replies(struct engine *engine)
{
	struct request *first = engine->replies.first;
	engine->replies = (struct request_list){ 0 };
	return first;
}

struct effect *engine_take_effects(struct engine *engine)
{
	struct effect *first = engine->first_effect;
	engine->first_effect = engine->last_effect = NULL;
	return first;
}

static void engine_release_effect(struct engine *engine, struct effect *effect)
{
	effect->next = NULL;
	if (engine->last_effect)
		engine->last_effect->next = effect;
	else
		engine->first_effect = effect;
	engine->last_effect = effect;
}

static void engine_release(struct engine *engine, struct batch *batch)
{
	for (struct request *request = batch->first_reply, *next; request; request = next) {
		next = request->link;
		request->commit_seq = batch->cs.seq ? batch->cs.seq : engine->index.committed_seq;
		request->state = NULL;
		request_list_add(&engine->replies, request);
	}
	batch->first_reply = NULL;
	batch->last_reply = &batch->first_reply;
	batch->reply_count = 0;
	for (uint32_t i = 0; i < batch->effect_count; i++) {
		batch->effects[i]->commit_seq = batch->cs.seq;
		engine_release_effect(engine, batch->effects[i]);
	}
	batch->effect_count = 0;
	if (batch->event_count) {
		struct effect *effect = mem_zalloc(sizeof(*effect));
		if (effect) { /* a hint: readers find the events without it, a little later */
			effect->kind = EFFECT_EVENTS;
			effect->commit_seq = batch->cs.seq;
			engine_release_effect(engine, effect);
		}
	}
}

/* ---- outcomes ---- */

static bool request_grows(const struct request *request) /* needs room on the disk that completions must not lose */
{
	for (uint32_t i = 0; i < request->op_count; i++)
		if (request->ops[i].kind == OP_ENQUEUE || request->ops[i].kind == OP_QUEUE_PUT || request->ops[i].kind == OP_OPERATION_START ||
		    request->ops[i].kind == OP_EVENT || request->ops[i].kind == OP_CHAIN_PUT || request->ops[i].kind == OP_MESSAGE ||
		    request->ops[i].kind == OP_NAMED_PUT)
			return true;
	return false;
}

static void request_clear_results(struct request *request)
{
	request->err = E_OK;
	request->replayed = false;
	for (uint32_t i = 0; i < request->op_count; i++)
		request->ops[i].result = (struct op_result){ 0 };
}

/* Refused whole. When change-sets in flight hold slices of it, it goes back only after them. */
static void engine_refuse(struct engine *engine, struct request *request, enum err err)
{
	bool staged = request->state && request->state->staged;
	if (staged)
		stage_refuse(engine, request);
	if (!staged || !engine->last_flying) {
		engine_answer_now(engine, request, err);
		return;
	}
	request->err = err;
	batch_answer(engine->last_flying, request);
}

/* Requests of a refused batch: those that add work are refused; the others are applied once more, when the reserve may let them through. */
static void engine_refuse_replies(struct engine *engine, struct batch *batch, enum err err, struct request_list *again)
{
	for (struct request *request = batch->first_reply, *next; request; request = next) {
		next = request->link;
		struct request_state *state = err == E_STORE_FULL && !request_grows(request) ? request_state_open(request) : NULL;
		if (state && !state->replayed_once && !state->staged) {
			state->replayed_once = true;
			request_clear_results(request);
			request_list_add(again, request);
		} else {
			engine_refuse(engine, request, err);
		}
	}
	batch->first_reply = NULL;
	batch->last_reply = &batch->first_reply;
	batch->reply_count = 0;
}

static void engine_push_front(struct engine *engine, struct request_list *list)
{
	if (!list->first)
		return;
	list->last->link = engine->pending.first;
	if (!engine->pending.last)
		engine->pending.last = list->last;
	engine->pending.first = list->first;
	engine->pending.count += list->count;
	engine->pending.bytes += list->bytes;
}

/* Of large bodies that were on their way some chunks are lost with the batch. */
static void engine_fail_staging(struct engine *engine, enum err err)
{
	struct request_list keep = { 0 };
	for (struct request *request; (request = request_list_take(&engine->staging));)
		engine_refuse(engine, request, err);
	for (struct request *request; (request = request_list_take(&engine->pending));) {
		if (request->state && request->state->staged)
			engine_refuse(engine, request, err);
		else
			request_list_add(&keep, request);
	}
	engine->pending = keep;
}

static bool engine_renew(struct engine *engine) /* a new open batch */
{
	if (!engine->open)
		engine->open = batch_new();
	engine->index.open_seq = engine->next_seq;
	return engine->open != NULL;
}

/* What waited for batches that are gone is looked at anew, in the order in which it came: those who wait, repeats of what was on its way. */
static void engine_recall(struct engine *engine, struct request_list *again)
{
	struct request_list first = { 0 };
	park_recall_all(engine, &first);
	for (struct request *request; (request = request_list_take(again));)
		request_list_add(&first, request);
	for (struct request *request; (request = request_list_take(&engine->deferred));)
		request_list_add(&first, request);
	engine_push_front(engine, &first);
}

/* Everything that memory knows may be wrong: forget it. What was asked and not answered gets `err`; what was not begun waits. */
static void engine_forget_all(struct engine *engine, enum err err)
{
	struct request_list none = { 0 };
	struct batch *flying = engine->first_flying;
	engine->first_flying = engine->last_flying = NULL;
	engine->flying = 0;
	engine_fail_staging(engine, err);
	for (struct batch *batch = flying, *next; batch; batch = next) {
		next = batch->next;
		engine_refuse_replies(engine, batch, err, &none);
		batch_free(batch);
	}
	if (engine->open)
		engine_refuse_replies(engine, engine->open, err, &none);
	engine_recall(engine, &none);
	batch_free(engine->open);
	engine->open = NULL;
	engine->loaded_count = engine->lost_count = 0;
	struct index was = engine->index;
	index_fini(&engine->index);
	index_init(&engine->index);
	engine->index.now_us = was.now_us;
	engine->index.wall_us = was.wall_us;
	engine->index.text_version = was.text_version;
	engine->index.horizon_us = was.horizon_us;
	engine->index.doubtful_max = was.doubtful_max;
}

/* The open batch never was. What is in flight goes on. */
static void engine_undo_open(struct engine *engine, enum err err, struct request_list *again)
{
	engine_fail_staging(engine, err);
	batch_undo_all(engine->open, &engine->index);
	engine_refuse_replies(engine, engine->open, err, again);
	batch_free(engine->open);
	engine->open = NULL;
	if (engine->resumed_seq >= engine->next_seq)
		engine->resumed_seq = 0;
	if (engine->handed_seq >= engine->next_seq)
		recover_forget_called(engine, true);
	plan_forget(engine);
	keep_forget(engine);
	if (err == E_STORE_FULL || err == E_NOMEM) {
		engine->full = err;
		engine->full_until_us = engine->index.now_us + 1000000;
		engine->short_of_room |= err == E_STORE_FULL;
	}
}

/* The oldest batch in flight was refused for sure, and with it all later ones and the open one: back to what is on disk. */
static void engine_undo_all(struct engine *engine, enum err err)
{
	struct request_list again = { 0 };
	struct batch *newest_first = NULL, *oldest_first = NULL;
	if (!engine_renew(engine)) {
		engine_forget_all(engine, err); /* no memory even to go back: what is on disk is read again */
		engine->health = E_NOMEM;
		engine->reopen_us = engine->boot_us;
		return;
	}
	while (engine->first_flying) {
		struct batch *batch = engine->first_flying;
		engine->first_flying = batch->next;
		batch->next = newest_first;
		newest_first = batch;
	}
	engine->last_flying = NULL;
	engine->flying = 0;
	struct request_list last = { 0 };
	engine_undo_open(engine, err, &last);
	for (struct batch *batch = newest_first, *next; batch; batch = next) {
		next = batch->next;
		batch_undo_all(batch, &engine->index);
		batch->next = oldest_first;
		oldest_first = batch;
	}
	for (struct batch *batch = oldest_first, *next; batch; batch = next) {
		next = batch->next;
		engine_refuse_replies(engine, batch, err, &again);
		batch_free(batch);
	}
	for (struct request *request; (request = request_list_take(&last));)
		request_list_add(&again, request);
	engine_recall(engine, &again);
	engine->next_seq = engine->index.committed_seq + 1;
	engine->index.open_seq = engine->next_seq;
	if (engine->resumed_seq >= engine->next_seq)
		engine->resumed_seq = 0;
	if (engine->handed_seq >= engine->next_seq)
		recover_forget_called(engine, true);
	engine->stats.refused_commits++;
	index_free_idle(&engine->index, UINT64_MAX);
	if (err == E_STALE_TERM)
		engine->health = E_STALE_TERM;
}

static void engine_rebuild(struct engine *engine)
{
	struct problem problem = { 0 };
	enum err err = engine->store->verbs->reopen(engine->store, &problem);
	if (!err)
		err = recover(engine, &problem);
	engine->stats.rebuilds++;
	engine->health = err;
	if (err) {
		engine_forget_all(engine, err);
		engine->reopen_us = engine->boot_us + 1000000;
	}
}

static void engine_committed(struct engine *engine)
{
	struct batch *batch = engine->first_flying;
	engine->first_flying = batch->next;
	if (!engine->first_flying)
		engine->last_flying = NULL;
	engine->flying--;
	engine->index.committed_seq = batch->cs.seq;
	engine->short_of_room = engine->short_of_room && !changeset_makes_jobs(&batch->cs);
	engine_release(engine, batch);
	retain_told(engine, &batch->cs);
	batch_settle(batch, &engine->index);
	batch_free(batch);
	index_free_idle(&engine->index, engine->index.committed_seq);
	engine->full_until_us = 0;
	while (engine->deferred.first)
		request_list_add(&engine->pending, request_list_take(&engine->deferred));
}

/* Once one failed all later ones fail too, and the store may still be reading them: nothing is undone before the last has been told. */
static void engine_settle_all(struct engine *engine)
{
	struct outcome outcome;
	while (engine->flying && engine->store->verbs->poll(engine->store, &outcome, 1) == 1) {
		if (outcome.err == E_OK) {
			CHECK(!engine->failing);
			CHECK(outcome.changeset == &engine->first_flying->cs);
			engine_committed(engine);
			continue;
		}
		if (!engine->failing)
			engine->failing = outcome.err;
		if (++engine->failed < engine->flying)
			continue;
		enum err err = engine->failing;
		engine->failing = E_OK;
		engine->failed = 0;
		if (err == E_OUTCOME_UNKNOWN || err == E_IO) {
			engine_forget_all(engine, E_OUTCOME_UNKNOWN);
			engine_rebuild(engine);
		} else {
			engine_undo_all(engine, err);
		}
	}
}

/* ---- closing and submitting ---- */

static void engine_submit(struct engine *engine)
{
	struct batch *batch = engine->open;
	struct batch *fresh = batch_new();
	park_hear_ends(engine);
	keep_send(engine);
	enum err err = fresh ? batch_close(batch, &engine->index, engine->next_seq) : E_NOMEM;
	if (err) { /* memory ran out: the batch is undone and refused, and the next one starts small */
		struct request_list again = { 0 };
		batch_free(fresh);
		engine_undo_open(engine, err, &again);
		engine_recall(engine, &again);
		return;
	}
	batch->cs.term = engine->term;
	batch->cs.engine_us = engine->index.now_us;
	batch->cs.wall_us = engine->index.wall_us;
	batch->cs.last_uid = engine->last_uid;
	batch->cs.next_body = engine->next_body;
	if (engine->last_flying)
		engine->last_flying->next = batch;
	else
		engine->first_flying = batch;
	engine->last_flying = batch;
	engine->flying++;
	engine->next_seq++;
	engine->stats.batches++;
	engine->open = fresh;
	engine->index.open_seq = engine->next_seq;
	batch->submitted = true;
	engine->store->verbs->submit(engine->store, &batch->cs);
}

/* Answers that wrote nothing wait for whatever they could have seen: the newest change-set in flight, or nothing. */
static void engine_release_reads(struct engine *engine)
{
	struct batch *open = engine->open;
	if (!engine->last_flying && (open->first_reply || open->effect_count))
		engine_release(engine, open);
	if (!engine->last_flying || !open->first_reply)
		return;
	*engine->last_flying->last_reply = open->first_reply;
	engine->last_flying->last_reply = open->last_reply;
	engine->last_flying->reply_count += open->reply_count;
	open->first_reply = NULL;
	open->last_reply = &open->first_reply;
	open->reply_count = 0;
}

static void engine_close(struct engine *engine)
{
	struct batch *open = engine->open;
	if (!engine->flying && keep_is_due(engine) && batch_is_empty(open))
		keep_send(engine); /* what could not go with the ends that asked for it */
	if (batch_is_empty(open)) {
		engine_release_reads(engine);
		return;
	}
	if (engine->flying >= engine->store->in_flight_max)
		return;
	if (engine->flying && !engine->short_of_room && open->dirty_count < SMALL_BATCH_ROWS && open->bytes < LIMIT_BATCH_BYTES / 4 && !open->cs.ranges.count)
		return;
	engine_submit(engine);
}

/* Where room is short a change-set that makes jobs is refused, and with it all that is in it: so nothing else is. False: not before an
 * outcome is told. */
static bool engine_go_ahead(struct engine *engine)
{
	if (batch_is_empty(engine->open))
		return true;
	if (engine->flying >= engine->store->in_flight_max)
		return false;
	engine_submit(engine);
	return engine_renew(engine);
}

/* ---- the step ---- */

static bool engine_has_room(const struct engine *engine)
{
	return !batch_is_large(engine->open);
}

static void engine_apply_pending(struct engine *engine)
{
	while (engine->pending.first && engine_has_room(engine)) {
		/* As many as will probably fit are planned together, so that one call loads what all of them need. */
		uint32_t count = 0, ops = 0;
		for (struct request *request = engine->pending.first; request && ops < 4096; request = request->link) {
			ops += request->op_count;
			count++;
		}
		enum err err = plan_load(engine, engine->pending.first, count);
		for (uint32_t i = 0; i < count && engine->pending.first && (i == 0 || engine_has_room(engine)); i++) {
			struct request *request = request_list_take(&engine->pending);
			engine->stats.requests++;
			engine->stats.operations += request->op_count;
			switch (err ? apply_refuse(engine, request, err) : apply_request(engine, request)) {
			case APPLIED: batch_answer(engine->open, request); break;
			case APPLIED_DEFERRED: request_list_add(&engine->deferred, request); break;
			case APPLIED_PARKED: break;
			}
		}
		plan_forget(engine);
		arena_reset(&engine->scratch);
		if (!engine->open)
			return; /* a reader's fault made us rebuild */
	}
}

void engine_push(struct engine *engine, struct request *request)
{
	request->state = NULL;
	if (engine->health == E_STALE_TERM || !engine->started) {
		engine_answer_now(engine, request, engine->started ? engine->health : E_UNAVAILABLE);
		return;
	}
	if (engine->pending.bytes + engine->staging.bytes > engine->config.pending_bytes_max && request_grows(request)) {
		engine_answer_now(engine, request, E_BACKLOG);
		return;
	}
	if (stage_needed(request))
		request_list_add(&engine->staging, request);
	else
		request_list_add(&engine->pending, request);
}

/* Engine time follows the boot clock and never goes back, whatever the wall clock does. */
static void engine_clock(struct engine *engine, int64_t boot_us, int64_t wall_us)
{
	if (boot_us > engine->boot_us)
		engine->boot_us = boot_us;
	int64_t now_us = engine->engine_base_us + (engine->boot_us - engine->boot_base_us);
	if (now_us > engine->index.now_us)
		engine->index.now_us = now_us;
	engine->index.wall_us = wall_us;
}

static int64_t engine_next_boot_us(struct engine *engine, bool more)
{
	if (engine->open && batch_is_large(engine->open)) /* nothing goes into it any more */
		return engine->flying < engine->store->in_flight_max ? 0 : INT64_MAX;
	if (more)
		return 0;
	int64_t next_us = timers_next_us(engine);
	if (next_us == INT64_MAX)
		return INT64_MAX;
	return engine->boot_us + (next_us - engine->index.now_us);
}

int64_t engine_step(struct engine *engine, int64_t boot_us, int64_t wall_us)
{
	if (!engine->started)
		return INT64_MAX;
	engine_clock(engine, boot_us, wall_us);
	engine_settle_all(engine);
	if (engine->failing)
		return INT64_MAX; /* until the last outcome is told */
	if (engine->health == E_STALE_TERM) {
		engine_abandon(engine, E_STALE_TERM);
		return INT64_MAX;
	}
	if (engine->health) {
		for (struct request *request; (request = request_list_take(&engine->pending));)
			engine_answer_now(engine, request, engine->health);
		if (engine->boot_us < engine->reopen_us)
			return engine->reopen_us;
		engine_rebuild(engine);
		if (engine->health)
			return engine->reopen_us;
	}
	if (!engine_renew(engine))
		return engine->boot_us + 10000; /* no memory for a batch: shortly again */
	if (engine->short_of_room && !engine_go_ahead(engine))
		return INT64_MAX;
	if (!engine->resumed_seq && !engine_is_full(engine) && recover_resume(engine))
		return engine->boot_us + 10000;
	if (engine->handing_back && !engine_is_full(engine) && recover_hand_back(engine))
		return engine->boot_us + 10000;
	park_fire(engine);
	bool more = engine->handing_back && !engine_is_full(engine);
	more |= far_round(engine);
	more |= timers_fire(engine);
	if (engine->short_of_room) {
		more |= serve_flagged(engine);
		if (!engine_go_ahead(engine))
			return INT64_MAX;
	}
	stage_round(engine);
	more |= expand_round(engine);
	engine_apply_pending(engine);
	more |= serve_flagged(engine);
	stage_drop_lost(engine);
	maintain(engine);
	engine_close(engine);
	more |= engine->pending.first != NULL;
	/* The batch that was open may have left: what found no room goes into the next one. */
	return engine_next_boot_us(engine, more);
}

enum err engine_start(struct engine *engine, int64_t boot_us, int64_t wall_us, struct problem *problem)
{
	engine->boot_us = engine->boot_base_us = boot_us;
	engine->index.wall_us = wall_us;
	enum err err = recover(engine, problem);
	engine->health = err;
	engine->started = err == E_OK;
	return err;
}

enum err engine_health(const struct engine *engine)
{
	return engine->health;
}

void engine_quiesce(struct engine *engine)
{
	engine->quiesced = true;
}

bool engine_is_idle(const struct engine *engine)
{
	return !engine->pending.first && !engine->staging.first && !engine->deferred.first && !engine->flying &&
	       (!engine->open || (batch_is_empty(engine->open) && !engine->open->first_reply));
}

void engine_abandon(struct engine *engine, enum err err)
{
	struct request_list none = { 0 };
	engine->last_flying = NULL; /* nothing rides with it any more */
	engine_recall(engine, &none);
	struct request_list *lists[] = { &engine->staging, &engine->pending };
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		for (struct request *request; (request = request_list_take(lists[i]));)
			engine_answer_now(engine, request, err);
	for (struct batch *batch = engine->first_flying; batch; batch = batch->next)
		engine_refuse_replies(engine, batch, err == E_STORE_FULL ? E_UNAVAILABLE : err, &none);
	if (engine->open)
		engine_refuse_replies(engine, engine->open, err == E_STORE_FULL ? E_UNAVAILABLE : err, &none);
}

void engine_stats(const struct engine *engine, struct engine_stats *out)
{
	*out = engine->stats;
	out->commit_seq = engine->index.committed_seq;
	out->live_jobs = engine->index.live_jobs + engine->index.far_jobs;
	out->far_jobs = engine->index.far_jobs;
	out->queues = engine->index.queues.live;
	out->groups = engine->index.groups.live;
	out->waiters = engine->parked.live;
	out->deliveries = engine->index.deliveries;
	out->leases = engine->index.leases.live;
	out->pending_requests = engine->pending.count + engine->staging.count;
	out->in_flight = engine->flying;
	out->last_uid = engine->last_uid;
	out->store_full = engine_is_full(engine);
}
