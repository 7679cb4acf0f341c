/* src/engine/op_queue.c: settings, pause and resume of queues and groups; tokens pass through here too. */
#include "engine/engine_priv.h"
#include "base/json.h"

enum err queue_write(struct engine *engine, uint32_t slot)
{
	const struct queue *queue = queue_at(&engine->index, slot);
	struct arena *arena = &engine->open->cs.arena;
	struct queue_row *row = change_add(&engine->open->cs, queues);
	if (!row)
		return E_NOMEM;
	*row = (struct queue_row){
		.number = queue->number, .paused = queue->paused, .created_us = queue->created_us, .version = queue->version,
		.blocked_us = queue->blocked_us,
		.namespace_name = arena_str(arena, queue->namespace_name), .name = arena_str(arena, queue->name),
		.settings = arena_str(arena, (struct str){ queue->kept->text->bytes, queue->kept->text->len }),
	};
	return row->namespace_name.ptr && row->name.ptr && row->settings.ptr ? E_OK : E_NOMEM;
}

/* kept: the name is that of endpoints, unless a BullMQ program's queue is to have it. */
static enum err queue_take_settings(struct engine *engine, struct op *op, uint32_t slot, bool kept, struct problem *problem)
{
	struct str settings = op->queue.settings.len ? op->queue.settings : STR("{}");
	enum err err = queue_set_settings(&engine->index, slot, settings, op->queue.replace, problem);
	if (err || !kept || queue_at(&engine->index, slot)->settings->compat)
		return err;
	return endpoint_queue_settings(engine, slot, settings, problem);
}

static enum err queue_put(struct engine *engine, struct request *request, struct op *op, uint32_t slot, bool is_new, bool kept)
{
	struct problem problem = { 0 };
	const struct queue *queue = queue_at(&engine->index, slot);
	enum compat before = queue->settings->compat;
	enum err err = queue_take_settings(engine, op, slot, kept && (is_new || op->queue.replace), &problem);
	if (err == E_NOMEM)
		return err;
	queue_at(&engine->index, slot)->untrimmed = UINT32_MAX; /* fewer events may be wanted now */
	if (err)
		return refuse(request, op, err, problem.field, "%s", problem.detail);
	if ((queue->settings->target != TARGET_HTTP || queue->settings->compat) && queue_has_endpoints(&engine->index, slot))
		return refuse(request, op, E_INVALID, "target", "The queue is that of endpoints, whose deliveries are HTTP calls: delete the endpoints first.");
	if (kept && queue->settings->target != TARGET_HTTP && !queue->settings->compat)
		return refuse(request, op, E_INVALID, "target", "Queue 'webhooks' is kept for the deliveries of endpoints, which are HTTP calls: "
		              "name another queue.");
	return compat_may_change(request, op, queue, before);
}

/* Settings are kept as texts in one order: the same words say the same. */
static bool queue_says_the_same(const struct kept_settings *a, const struct kept_settings *b)
{
	return str_eq((struct str){ a->text->bytes, a->text->len }, (struct str){ b->text->bytes, b->text->len });
}

uint64_t queue_job_count(const struct queue *queue)
{
	uint64_t jobs = queue_far_jobs(queue);
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		jobs += queue->live[state] + queue->counts.final[state];
	return jobs;
}

static enum err queue_remove(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct queue *queue = queue_at(&engine->index, slot);
	uint64_t jobs = queue_job_count(queue);
	if (jobs)
		return refuse(request, op, E_CONFLICT, "", "The queue still has %llu jobs: delete them first ('ruche jobs delete --all --queue …').",
		              (unsigned long long)jobs);
	if (queue->chains)
		return refuse(request, op, E_CONFLICT, "", "The queue still has %u chains: delete them first.", queue->chains);
	if (queue_has_endpoints(&engine->index, slot))
		return refuse(request, op, E_CONFLICT, "", "The queue is that of endpoints: delete them first.");
	if (queue->waiters)
		return refuse(request, op, E_CONFLICT, "", "%u claims wait for jobs of this queue: stop its workers first.", queue->waiters);
	uint32_t *dropped = change_add(&engine->open->cs, dropped_queues);
	if (!dropped)
		return E_NOMEM;
	*dropped = queue->number;
	queue->deleted = true;
	return batch_event(engine->open, EVENT_QUEUE_CHANGED, slot, 0, STR("{\"deleted\":true}"));
}

static enum err queue_change(struct engine *engine, struct request *request, struct op *op, uint32_t slot, bool is_new, bool kept)
{
	struct queue *queue = queue_at(&engine->index, slot);
	enum event_type event = EVENT_QUEUE_CHANGED;
	enum err err = queue_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	if (op->kind == OP_QUEUE_DELETE)
		return queue_remove(engine, request, op, slot);
	if (op->kind == OP_QUEUE_PUT) {
		const struct kept_settings *before = queue->kept; /* held by the journal */
		err = queue_put(engine, request, op, slot, is_new, kept);
		if (err || (!is_new && queue_says_the_same(before, queue->kept)))
			return err;
	} else {
		queue->paused = op->kind == OP_QUEUE_PAUSE;
		event = queue->paused ? EVENT_QUEUE_PAUSED : EVENT_QUEUE_RESUMED;
		queue_flag(&engine->index, slot);
	}
	queue->version = engine->index.open_seq;
	err = err ? err : queue_write(engine, slot);
	return err ? err : batch_event(engine->open, event, slot, 0, (struct str){ 0 });
}

/* ---- groups ---- */

/* Into the lane of the limits that its settings name, or of its queue's. */
static enum err group_choose_lane(struct engine *engine, uint32_t slot, const struct group_settings *settings, struct problem *problem)
{
	struct index *index = &engine->index;
	const struct queue *queue = queue_at(index, group_at(index, slot)->queue);
	uint32_t limits[LIMITS_A_JOB], lane = queue->lane;
	if (settings->has_limits) {
		struct queue_settings named = { .limits = *settings->limits };
		enum err err = limits_check(index, queue->namespace_name, &named, problem);
		err = err ? err : limits_resolve(index, queue->namespace_name, &named.limits, limits);
		err = err ? err : lane_open(index, group_at(index, slot)->queue, limits, named.limits.count, &lane);
		if (err)
			return err;
	}
	return group_use_lane(index, slot, lane);
}

enum err group_use_settings(struct engine *engine, uint32_t slot, const struct group_settings *settings, struct problem *problem)
{
	struct group *group = group_at(&engine->index, slot);
	enum err err = group_choose_lane(engine, slot, settings, problem);
	if (err)
		return err;
	group->settings = *settings;
	group->settings.limits = NULL;
	group->has_row = true;
	return E_OK;
}

static enum err group_settings_change(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	struct problem problem = { 0 };
	const struct group *group = group_at(&engine->index, slot);
	struct group_settings settings = op->queue.replace ? (struct group_settings){ 0 } : group->settings;
	struct limit_names names;
	lane_names(&engine->index, group, &settings, &names);
	struct json json;
	json_init(&json, op->queue.settings.len ? op->queue.settings : STR("{}"), &request->arena, &problem);
	if (!group_settings_read(&json, &settings) || !json_finish(&json))
		return refuse(request, op, problem.err ? problem.err : E_INVALID, problem.field, "%s", problem.detail);
	enum err err = group_use_settings(engine, slot, &settings, &problem);
	return !err || err == E_NOMEM ? err : refuse(request, op, err, problem.field, "%s", problem.detail);
}

enum err group_write(struct engine *engine, const struct group *group)
{
	struct changeset *cs = &engine->open->cs;
	struct buf text;
	uint32_t number = queue_at(&engine->index, group->queue)->number;
	struct group_settings settings = group->settings;
	struct limit_names names;
	bool keep = group->has_row || group->paused || group->blocked_us;
	struct group_row *row = change_add(cs, groups);
	if (!row)
		return E_NOMEM;
	buf_init(&text, 4096);
	lane_names(&engine->index, group, &settings, &names);
	group_settings_write(&settings, &text);
	*row = (struct group_row){ .queue = number, .paused = group->paused, .blocked_us = group->blocked_us, .key = arena_str(&cs->arena, group->key),
		                   .settings = arena_str(&cs->arena, buf_str(&text)), .gone = !keep };
	bool written = buf_ok(&text) && row->key.ptr && row->settings.ptr;
	buf_fini(&text);
	return written ? E_OK : E_NOMEM;
}

static struct str group_details(struct engine *engine, const struct group *group)
{
	struct buf details;
	buf_init(&details, LIMIT_ID_BYTES * 6 + 64);
	buf_add_byte(&details, '{');
	json_put_field_str(&details, "group", group->key);
	buf_add_byte(&details, '}');
	struct str text = buf_ok(&details) ? arena_str(&engine->open->cs.arena, buf_str(&details)) : (struct str){ 0 };
	buf_fini(&details);
	return text;
}

static enum err group_change(struct engine *engine, struct request *request, struct op *op, uint32_t queue)
{
	struct index *index = &engine->index;
	uint32_t slot;
	enum event_type event = EVENT_QUEUE_CHANGED;
	enum err err = group_open(index, queue, op->queue.group, &slot);
	if (!err && group_at(index, slot)->endpoint != SLOT_NONE)
		return E_ENDPOINT_OWNED;
	err = err ? err : group_touch(engine->open, index, slot);
	if (err)
		return err;
	struct group *group = group_at(index, slot);
	if (op->kind == OP_GROUP_PUT) {
		err = group_settings_change(engine, request, op, slot);
	} else if (op->kind == OP_GROUP_DELETE) {
		group->settings = (struct group_settings){ 0 };
		group->has_row = false;
		err = group_use_lane(index, slot, queue_at(index, queue)->lane);
	} else {
		group->paused = op->kind == OP_GROUP_PAUSE;
		event = group->paused ? EVENT_QUEUE_PAUSED : EVENT_QUEUE_RESUMED;
	}
	if (err)
		return err;
	group_refresh(index, slot);
	struct str text = group_details(engine, group);
	err = text.ptr ? group_write(engine, group) : E_NOMEM;
	return err ? err : batch_event(engine->open, event, queue, 0, text);
}

enum err op_queue_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	uint32_t slot = queue_find(&engine->index, op->queue.queue);
	bool makes = op->kind == OP_QUEUE_PUT || op->kind == OP_GROUP_PUT, is_new = slot == SLOT_NONE, kept = queue_stays_kept(&engine->index, op->queue.queue);
	(void)park;
	if (is_new && !makes)
		return E_QUEUE_NOT_FOUND;
	enum err err = queue_begin(engine->open, &engine->index, op->queue.queue, &slot);
	if (err)
		return err;
	if (op->kind >= OP_GROUP_PUT) {
		err = is_new && kept ? endpoint_queue_make(engine, slot) : E_OK;
		return err ? err : group_change(engine, request, op, slot);
	}
	err = queue_change(engine, request, op, slot, is_new, kept);
	if (!err && op->kind == OP_QUEUE_PUT) {
		bool unused;
		err = op_queues_apply(engine, request, op, &unused);
	}
	return err;
}

enum err op_token_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct token_row *row = change_add(&engine->open->cs, tokens);
	(void)request;
	(void)park;
	if (!row)
		return E_NOMEM;
	*row = op->token;
	return E_OK;
}
