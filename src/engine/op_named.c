/* src/engine/op_named.c: endpoints, formats, sources, sealed secrets and event types: put, paused, deleted, looked at. The deliveries of an endpoint
 * are jobs of its namespace's queue `webhooks`, in the group of its name: what its settings say of concurrency, rate and limits are that group's. */
#include "base/json.h"
#include "base/uid.h"
#include "engine/engine_priv.h"
#include "rules/event_type.h"
#include "rules/webhook_body.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const state_words[NAMED_STATE_COUNT] = {
#define X(name, text) text,
	NAMED_STATES(X)
#undef X
};

static enum err named_missing(enum named_kind kind)
{
	switch (kind) {
	case NAMED_FORMAT: return E_FORMAT_NOT_FOUND;
	case NAMED_SOURCE: return E_SOURCE_NOT_FOUND;
	case NAMED_SECRET: return E_SECRET_NOT_FOUND;
	case NAMED_EVENT_TYPE: return E_EVENT_TYPE_NOT_FOUND;
	default: return E_ENDPOINT_NOT_FOUND;
	}
}

/* ---- rows, events, effects ---- */

/* What a restart must not forget: empty while there is nothing. */
static enum err named_put_health(struct engine *engine, const struct named *named, struct str *out)
{
	const struct health *health = &named->health;
	int64_t slow_until_us = health->slow_until_us > engine->index.now_us ? health->slow_until_us : 0;
	const struct { const char *name; uint64_t value; } numbers[] = {
		{ "failing_since_us", health->warned ? (uint64_t)health->failing_since_us : 0 },
		{ "attempts_failed", health->warned ? health->attempts_failed : 0 }, { "warned", health->warned }, { "told", health->told },
		{ "opens", health->opens },
		{ "open_until_us", health->opens ? (uint64_t)health->open_until_us : 0 },
		{ "asked_until_us", health->opens ? (uint64_t)health->asked_until_us : 0 }, { "batch_max", health->batch_max },
		{ "unsent", health->unsent }, { "held_since_us", (uint64_t)health->held_since_us }, { "slow_until_us", (uint64_t)slow_until_us },
	};
	char uid[UID_TEXT_BYTES];
	struct buf text;
	if (!health->held_since_us && !health->warned && !health->told && !health->opens && !health->batch_max && !health->unsent &&
	    !slow_until_us)
		return E_OK;
	uid_text(health->unsent_uid, uid);
	buf_init(&text, 512);
	buf_add_byte(&text, '{');
	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
		if (numbers[i].value)
			json_put_field_u64(&text, numbers[i].name, numbers[i].value);
	if (health->unsent)
		json_put_field_str(&text, "unsent_uid", str_of(uid));
	buf_add_byte(&text, '}');
	*out = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return out->ptr ? E_OK : E_NOMEM;
}

enum err named_write(struct engine *engine, const struct named *named)
{
	struct arena *arena = &engine->open->cs.arena;
	struct named_row *row = change_add(&engine->open->cs, nameds);
	if (!row)
		return E_NOMEM;
	*row = (struct named_row){
		.kind = (enum named_kind)named->kind, .number = named->number, .namespace_name = arena_str(arena, named->namespace_name),
		.name = arena_str(arena, named->name), .text = arena_str(arena, (struct str){ named->text->bytes, named->text->len }),
		.state = (enum named_state)named->state, .reason = named_reason_text(named), .created_us = named->created_us,
		.changed_us = named->changed_us, .created_seq = named->created_seq, .version = named->version, .gone = named->gone,
	};
	engine->open->bytes += named->text->len;
	return row->namespace_name.ptr && row->name.ptr && row->text.ptr ? named_put_health(engine, named, &row->health) : E_NOMEM;
}

/* Formats, sources and secrets are read by other threads, which never ask for them. */
static enum err named_publish(struct engine *engine, const struct named *named)
{
	struct effect *effect;
	if (named->kind == NAMED_ENDPOINT || named->kind == NAMED_EVENT_TYPE)
		return E_OK;
	enum err err = batch_effect(engine->open, &effect);
	return err ? err : effect_set_named(effect, (enum named_kind)named->kind, named->number, (struct queue_name){ named->namespace_name, named->name },
					    named->gone ? NULL : named->text);
}

enum err named_effects(struct engine *engine)
{
	const struct index *index = &engine->index;
	struct effect *effect;
	enum err err = index->nameds.live ? batch_effect(engine->open, &effect) : E_OK;
	if (err || !index->nameds.live)
		return err;
	effect->kind = EFFECT_NAMED; /* number 0: forget what you know */
	for (uint32_t slot = 0; slot < index->nameds.used && !err; slot++)
		if (named_at(index, slot)->live && !named_at(index, slot)->gone)
			err = named_publish(engine, named_at(index, slot));
	return err;
}

/* What happened to an endpoint, in the words of its queue's events. */
static enum err endpoint_tell(struct engine *engine, const struct named *named)
{
	struct queue_name name = { named->namespace_name, ENDPOINT_QUEUE };
	uint32_t queue = queue_find(&engine->index, name);
	struct buf text;
	if (queue == SLOT_NONE)
		return E_OK;
	buf_init(&text, LIMIT_NAME_BYTES * 6 + 128);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "endpoint", named->name);
	if (named->gone)
		json_put_field_bool(&text, "deleted", true);
	else
		json_put_field_str(&text, "state", str_of(state_words[named->state]));
	buf_add_byte(&text, '}');
	struct str details = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return details.ptr ? batch_event(engine->open, EVENT_ENDPOINT_CHANGED, queue, 0, details) : E_NOMEM;
}

/* ---- what is told ---- */

static enum err named_tell(struct engine *engine, struct request *request, const struct named *named, struct named_info *out)
{
	struct arena *arena = &request->arena;
	bool secret = named->kind == NAMED_SECRET;
	*out = (struct named_info){
		.kind = (enum named_kind)named->kind, .number = named->number,
		.named = { arena_str(arena, named->namespace_name), arena_str(arena, named->name) },
		.text = secret ? STR("") : arena_str(arena, (struct str){ named->text->bytes, named->text->len }),
		.state = (enum named_state)named->state, .reason = named_reason_text(named), .created_us = named->created_us,
		.changed_us = named->changed_us, .version = named->version,
	};
	if (!out->named.namespace_name.ptr || !out->named.name.ptr || !out->text.ptr)
		return E_NOMEM;
	health_tell(&engine->index, named, &out->health);
	if (named->group != SLOT_NONE) {
		const struct group *group = group_at(&engine->index, named->group);
		out->waiting = group_waiting(group);
		out->active = group->active;
		out->delayed = group->delayed;
	}
	return E_OK;
}

static enum err named_answer(struct engine *engine, struct request *request, struct op *op, const struct named *named)
{
	op->result.nameds = ARENA_NEW(&request->arena, struct named_info);
	op->result.count = 1;
	return op->result.nameds ? named_tell(engine, request, named, op->result.nameds) : E_NOMEM;
}

static int named_compare(const void *a, const void *b)
{
	return str_cmp((*(const struct named *const *)a)->name, (*(const struct named *const *)b)->name);
}

static bool named_is_wanted(const struct named *named, const struct op_named *want, struct str space)
{
	if (!named->live || named->gone || named->kind != want->kind || !str_eq(named->namespace_name, space))
		return false;
	if (want->kind == NAMED_EVENT_TYPE && !want->archived && event_type_is_archived((struct str){ named->text->bytes, named->text->len }))
		return false;
	return !want->after.len || str_cmp(named->name, want->after) > 0;
}

enum err op_nameds_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	const struct index *index = &engine->index;
	const struct op_named *want = &op->named;
	struct str space = named_namespace(want->named.namespace_name);
	uint32_t count = 0, page = want->limit ? want->limit : 100;
	const struct named **order = ARENA_ARRAY(&engine->scratch, const struct named *, index->nameds.live + EVENT_TYPES_BUILT_IN + 1);
	(void)park;
	if (!order)
		return E_NOMEM;
	if (want->kind == NAMED_EVENT_TYPE)
		count = event_types_built_in(want->after, order);
	for (uint32_t slot = 0; slot < index->nameds.used; slot++)
		if (named_is_wanted(named_at(index, slot), want, space))
			order[count++] = named_at(index, slot);
	qsort(order, count, sizeof(*order), named_compare);
	op->result.more = count > page;
	op->result.count = count < page ? count : page;
	op->result.nameds = ARENA_ARRAY(&request->arena, struct named_info, op->result.count + 1);
	enum err err = op->result.nameds ? E_OK : E_NOMEM;
	for (uint32_t i = 0; i < op->result.count && !err; i++)
		err = order[i]->number ? named_tell(engine, request, order[i], &op->result.nameds[i])
		                       : event_type_tell_built_in(request, (struct queue_name){ space, order[i]->name }, &op->result.nameds[i]);
	return err ? err : namers_tell(engine, request, want->kind, space, op->result.nameds, op->result.count);
}

/* ---- the groups of endpoints ---- */

/* The group is the endpoint's from now on, with its limits; held while that is paused or disabled. */
static enum err endpoint_take_group(struct engine *engine, uint32_t queue, uint32_t slot, struct problem *problem)
{
	struct index *index = &engine->index;
	struct named *named = named_at(index, slot);
	const struct endpoint_settings *settings = &named->endpoint->value;
	struct group_settings limits = {
		.has_concurrency = true, .concurrency = settings->concurrency, .has_rate = settings->rate.max > 0, .rate = settings->rate,
		.has_limits = settings->limits.count > 0, .limits = &settings->limits,
	};
	uint32_t slot_of_group;
	enum err err = group_open(index, queue, named->name, &slot_of_group);
	err = err ? err : group_touch(engine->open, index, slot_of_group);
	err = err ? err : group_use_settings(engine, slot_of_group, &limits, problem);
	if (err)
		return err;
	struct group *group = group_at(index, slot_of_group);
	group->endpoint = slot;
	group->paused = named->state != NAMED_ENABLED;
	named->group = slot_of_group;
	group_refresh(index, slot_of_group);
	return group_write(engine, group);
}

static enum err endpoint_leave_group(struct engine *engine, struct named *named)
{
	struct index *index = &engine->index;
	uint32_t slot = named->group;
	enum err err = slot == SLOT_NONE ? E_OK : group_touch(engine->open, index, slot);
	if (err || slot == SLOT_NONE)
		return err;
	struct group *group = group_at(index, slot);
	group->settings = (struct group_settings){ 0 };
	group->has_row = group->paused = false;
	group->blocked_us = 0;
	group->endpoint = SLOT_NONE;
	named->group = SLOT_NONE;
	err = group_use_lane(index, slot, queue_at(index, group->queue)->lane);
	group_refresh(index, slot);
	return err ? err : group_write(engine, group);
}

/* ---- put ---- */

static bool format_is_there(const struct index *index, struct str namespace_name, struct str format)
{
	enum webhook_format built_in;
	return webhook_format_parse(format, &built_in) || named_find(index, NAMED_FORMAT, (struct queue_name){ namespace_name, format }) != SLOT_NONE;
}

static enum err endpoint_check_names(struct engine *engine, struct request *request, struct op *op, const struct endpoint_settings *settings)
{
	struct index *index = &engine->index;
	struct str space = named_namespace(op->named.named.namespace_name);
	struct queue_settings limits = { .limits = settings->limits, .retry_after = settings->retry_after };
	struct problem problem = { 0 };
	if (!format_is_there(index, space, settings->format))
		return refuse(request, op, E_INVALID, "format", "There is no format '" STR_FMT "': one of default, raw, cloudevents, cloudevents-binary, form, "
			      "or one that was stored before.", STR_ARG(str_cut(settings->format, 60)));
	if (settings->batch.wrap.len && !format_is_there(index, space, settings->batch.wrap))
		return refuse(request, op, E_INVALID, "batch.wrap", "There is no format '" STR_FMT "'.", STR_ARG(str_cut(settings->batch.wrap, 60)));
	enum err err = limits_check(index, space, &limits, &problem);
	return !err || err == E_NOMEM ? err : refuse(request, op, err, problem.field, "%s", problem.detail);
}

/* What is sent over what is there, whole, into `out`. */
static enum err endpoint_merge(struct engine *engine, struct request *request, struct op *op, uint32_t present, struct buf *out)
{
	struct problem problem = { 0 };
	struct endpoint_settings settings;
	struct json json;
	const struct endpoint *endpoint = present == SLOT_NONE ? NULL : named_at(&engine->index, present)->endpoint;
	endpoint_settings_default(&settings);
	if (endpoint && !op->named.replace)
		settings = endpoint->value;
	json_init(&json, op->named.text.len ? op->named.text : STR("{}"), &request->arena, &problem);
	if (!endpoint_settings_read(&json, &settings) || !json_finish(&json))
		return problem.err == E_NOMEM ? E_NOMEM : refuse(request, op, problem.err ? problem.err : E_INVALID, problem.field, "%s", problem.detail);
	enum err err = endpoint_check_names(engine, request, op, &settings);
	err = err ? err : event_type_check_endpoint(engine, request, op, &settings, endpoint);
	if (err)
		return err;
	endpoint_settings_write(&settings, out);
	if (buf_ok(out))
		return E_OK;
	return refuse(request, op, E_TOO_LARGE, "", "The settings of an endpoint have at most %d bytes together.", LIMIT_NAMED_BYTES);
}

static bool named_says(const struct named *named, struct str text)
{
	return str_eq((struct str){ named->text->bytes, named->text->len }, text);
}

/* It is there now, with this text. */
static enum err named_set(struct engine *engine, struct op *op, struct str text, uint32_t *out_slot)
{
	struct index *index = &engine->index;
	struct problem problem = { 0 };
	struct endpoint *endpoint = NULL;
	struct kept_source *source = NULL;
	enum err err = op->named.kind == NAMED_ENDPOINT ? endpoint_new(text, &endpoint, &problem)
		       : op->named.kind == NAMED_SOURCE ? kept_source_new(text, &source)
							: E_OK;
	struct shared_text *shared = err ? NULL : shared_text_new(text, ++index->text_version);
	if (!err && !shared)
		err = E_NOMEM;
	err = err ? err : named_begin(engine->open, index, op->named.kind, op->named.named, out_slot);
	if (err) {
		shared_text_drop(shared);
		endpoint_drop(endpoint);
		kept_source_drop(source);
		return err;
	}
	struct named *named = named_at(index, *out_slot);
	if (endpoint && named->endpoint && endpoint->value.batch.max != named->endpoint->value.batch.max)
		named->health.batch_cap = named->health.batch_max = named->health.batch_well = 0; /* sizes are tried anew */
	named_use(named, shared, endpoint, source);
	named->changed_us = index->wall_us;
	if (named->reason == NAMED_UNREADABLE) {
		named->health.held_since_us = 0;
		named->state = NAMED_ENABLED;
		named->reason = NAMED_NO_REASON;
	}
	return E_OK;
}

static enum err endpoint_put(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct index *index = &engine->index;
	struct problem problem = { 0 };
	struct buf text;
	uint32_t queue;
	buf_init(&text, LIMIT_NAMED_BYTES);
	enum err err = endpoint_merge(engine, request, op, slot, &text);
	if (!err && slot != SLOT_NONE && named_at(index, slot)->endpoint && named_says(named_at(index, slot), buf_str(&text))) {
		buf_fini(&text);
		return named_answer(engine, request, op, named_at(index, slot)); /* nothing changes */
	}
	err = err ? err : endpoint_queue_begin(engine, request, op, &queue);
	err = err ? err : named_set(engine, op, buf_str(&text), &slot);
	buf_fini(&text);
	if (err)
		return err;
	struct named *named = named_at(index, slot);
	if (named->endpoint->value.kind == ENDPOINT_POLL)
		named->health.unsent = named->health.unsent_uid = 0; /* nobody calls it: what was not made for it, it asks for */
	err = named->endpoint->value.kind == ENDPOINT_PUSH ? endpoint_take_group(engine, queue, slot, &problem) : endpoint_leave_group(engine, named);
	if (err)
		return err == E_NOMEM ? err : refuse(request, op, err, problem.field, "%s", problem.detail);
	family_look_again(engine); /* a failure may hold those behind it no more */
	err = health_retry(engine, slot);
	if (!err && named->state == NAMED_ENABLED)
		err = replay_unsent(engine, named); /* its settings could not be read, and now they can */
	err = err ? err : named_write(engine, named);
	err = err ? err : endpoint_tell(engine, named);
	return err ? err : named_answer(engine, request, op, named);
}

/* What other threads read: kept and published. */
static enum err text_put(struct engine *engine, struct request *request, struct op *op, struct str text, uint32_t slot)
{
	enum err err = named_set(engine, op, text, &slot);
	err = err ? err : named_write(engine, named_at(&engine->index, slot));
	err = err ? err : named_publish(engine, named_at(&engine->index, slot));
	return err ? err : named_answer(engine, request, op, named_at(&engine->index, slot));
}

/* Of a source or an event type: its whole settings. */
static enum err settings_put(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct buf text;
	buf_init(&text, LIMIT_NAMED_BYTES);
	enum err err = op->named.kind == NAMED_SOURCE ? source_merge(engine, request, op, slot, &text)
	                                              : event_type_merge(engine, request, op, slot, &text);
	if (!err && slot != SLOT_NONE && named_says(named_at(&engine->index, slot), buf_str(&text)))
		err = named_answer(engine, request, op, named_at(&engine->index, slot)); /* nothing changes */
	else if (!err)
		err = text_put(engine, request, op, buf_str(&text), slot);
	buf_fini(&text);
	return err;
}

static enum err event_type_refuse_change(struct request *request, struct op *op)
{
	return refuse(request, op, E_CONFLICT, "type", "Ruche sends messages of this type itself: what is said of it cannot be changed.");
}

static enum err named_put(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	if (engine_is_full(engine))
		return engine->full;
	if (op->named.kind == NAMED_EVENT_TYPE && message_type_is_ours(op->named.named.name))
		return event_type_refuse_change(request, op);
	if (slot == SLOT_NONE && !op->named.replace)
		return named_missing(op->named.kind);
	if (slot == SLOT_NONE && engine->index.nameds.live >= LIMIT_NAMEDS)
		return refuse(request, op, E_TOO_LARGE, "", "There are %d endpoints, formats, sources, secrets and event types already, as many as there may "
			      "be.", LIMIT_NAMEDS);
	if (op->named.kind == NAMED_ENDPOINT)
		return endpoint_put(engine, request, op, slot);
	if (op->named.over == NAMED_OVER_NOTHING && slot != SLOT_NONE)
		return refuse(request, op, E_CONFLICT, "", "It is there already: look at it, then change it or choose another name.");
	if (op->named.over && op->named.over != NAMED_OVER_NOTHING && (slot == SLOT_NONE || named_at(&engine->index, slot)->text->version != op->named.over))
		return refuse(request, op, E_CONFLICT, "", "It has been changed meanwhile: look at it, and try again.");
	if (op->named.text.len > LIMIT_NAMED_BYTES)
		return refuse(request, op, E_TOO_LARGE, "", "It is larger than %d bytes.", LIMIT_NAMED_BYTES);
	if (op->named.kind == NAMED_SOURCE || op->named.kind == NAMED_EVENT_TYPE)
		return settings_put(engine, request, op, slot);
	return text_put(engine, request, op, op->named.text, slot);
}

/* ---- held, and let go ---- */

enum err endpoint_hold(struct engine *engine, struct named *named)
{
	struct index *index = &engine->index;
	if (named->state == NAMED_ENABLED)
		named->health.held_since_us = 0;
	else if (!named->health.held_since_us)
		named->health.held_since_us = index->wall_us;
	if (named->group == SLOT_NONE)
		return E_OK;
	enum err err = group_touch(engine->open, index, named->group);
	if (err)
		return err;
	struct group *group = group_at(index, named->group);
	group->paused = named->state != NAMED_ENABLED;
	if (!group->paused)
		group->blocked_us = 0;
	group_refresh(index, named->group);
	return group_write(engine, group);
}

static enum err named_set_state(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct named *named = named_at(&engine->index, slot);
	if (named->state == op->named.state)
		return named_answer(engine, request, op, named);
	if (!named->endpoint)
		return refuse(request, op, E_STATE, "", "The settings of this endpoint cannot be read: put them anew.");
	enum err err = named_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	named->state = (uint8_t)op->named.state;
	named->reason = named->state == NAMED_ENABLED ? NAMED_NO_REASON : NAMED_BY_HAND;
	named->changed_us = engine->index.wall_us;
	if (named->state == NAMED_ENABLED)
		health_clear(&named->health);
	err = endpoint_hold(engine, named);
	if (!err && named->state == NAMED_ENABLED)
		err = replay_unsent(engine, named);
	err = err ? err : named_write(engine, named);
	err = err ? err : endpoint_tell(engine, named);
	return err ? err : named_answer(engine, request, op, named);
}

/* ---- deleted ---- */

/* Of a format: their deliveries would fail. Of an event type: they wait for what nobody describes, and where only listed types are taken, for what
 * nobody may send any more; to archive it says that it is history, and loses nothing. */
static enum err named_check_unused(struct engine *engine, struct request *request, struct op *op, const struct named *named)
{
	const struct named *first;
	uint64_t count;
	char more[40] = "";
	bool format = named->kind == NAMED_FORMAT;
	enum err err = namers_count(engine, named, NULL, &first, &count);
	if (err || !count)
		return err;
	struct str name = str_cut(first->name, 60);
	if (count > 1)
		snprintf(more, sizeof(more), " and %llu more", (unsigned long long)count - 1);
	return refuse(request, op, E_CONFLICT, "", format ? "It is the format of endpoint '" STR_FMT "'%s: change that first."
		                                          : "It is named by endpoint '" STR_FMT "'%s: change that first, or archive the type.",
		      STR_ARG(name), more);
}

static enum err named_let_go(struct engine *engine, uint32_t slot)
{
	enum err err = named_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	struct named *named = named_at(&engine->index, slot);
	named->gone = true;
	if (named->number < engine->orphans_from)
		engine->orphans_from = named->number;
	family_look_again(engine);
	err = endpoint_leave_group(engine, named);
	err = err ? err : named_write(engine, named);
	if (!err && named->kind == NAMED_ENDPOINT)
		err = endpoint_tell(engine, named);
	return err ? err : named_publish(engine, named);
}

/* The secret that was the endpoint's own goes with it, unless somebody else names it, too. */
static enum err endpoint_delete_own_secret(struct engine *engine, const struct named *endpoint)
{
	const struct named *first;
	uint64_t count = 0;
	struct str name = str_of(arena_printf(&engine->scratch, "endpoint/" STR_FMT, STR_ARG(endpoint->name)));
	if (!name.ptr)
		return E_NOMEM;
	uint32_t slot = named_find(&engine->index, NAMED_SECRET, (struct queue_name){ endpoint->namespace_name, name });
	if (slot == SLOT_NONE)
		return E_OK;
	enum err err = namers_count(engine, named_at(&engine->index, slot), endpoint, &first, &count);
	return err || count ? err : named_let_go(engine, slot);
}

static enum err named_delete(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct named *named = named_at(&engine->index, slot);
	bool used = named->kind == NAMED_FORMAT || named->kind == NAMED_EVENT_TYPE;
	enum err err = used ? named_check_unused(engine, request, op, named) : E_OK;
	err = err ? err : named_let_go(engine, slot);
	return err || named->kind != NAMED_ENDPOINT ? err : endpoint_delete_own_secret(engine, named);
}

/* slot SLOT_NONE: an event type of ruche's own. */
static enum err named_look(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct queue_name name = { named_namespace(op->named.named.namespace_name), op->named.named.name };
	struct named_info *info = ARENA_NEW(&request->arena, struct named_info);
	if (!info)
		return E_NOMEM;
	enum err err = slot == SLOT_NONE ? event_type_tell_built_in(request, name, info) : named_tell(engine, request, named_at(&engine->index, slot), info);
	if (!err && info->kind == NAMED_EVENT_TYPE)
		info->wanted_by = event_type_wanted_by(&engine->index, info->named);
	op->result.nameds = info;
	op->result.count = 1;
	return err ? err : namers_tell(engine, request, info->kind, info->named.namespace_name, info, 1);
}

enum err op_named_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	const struct op_named *want = &op->named;
	(void)park;
	uint32_t slot = op->kind == OP_NAMED_GET && want->number ? named_find_number(&engine->index, want->number)
	                                                          : named_find(&engine->index, want->kind, want->named);
	if (op->kind == OP_NAMED_PUT)
		return named_put(engine, request, op, slot);
	if (want->kind == NAMED_EVENT_TYPE && message_type_is_ours(want->named.name))
		return op->kind == OP_NAMED_GET ? named_look(engine, request, op, SLOT_NONE) : event_type_refuse_change(request, op);
	if (slot == SLOT_NONE)
		return named_missing(want->kind);
	if (op->kind == OP_NAMED_STATE)
		return named_set_state(engine, request, op, slot);
	if (op->kind == OP_NAMED_DELETE)
		return named_delete(engine, request, op, slot);
	return named_look(engine, request, op, slot);
}
