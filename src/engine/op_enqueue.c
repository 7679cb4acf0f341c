/* src/engine/op_enqueue.c: a new job, or the first one of its id. */
#include "engine/engine_priv.h"
#include "base/json.h"
#include "base/uid.h"

static struct str enqueue_group(struct engine *engine, const struct op_enqueue *enqueue, const struct queue *queue, struct arena *arena)
{
	if (enqueue->group.len || !enqueue->target.len || queue->settings->target != TARGET_HTTP)
		return enqueue->group;
	/* A job with a URL of its own waits behind its own host only. */
	struct http_target target = queue->settings->http;
	struct json json;
	struct str origin;
	json_init(&json, enqueue->target, &engine->scratch, NULL);
	if (!http_target_read(&json, &target) || http_target_origin(target.url, arena, &origin))
		return enqueue->group;
	return origin;
}

enum err enqueue_check_room(const struct engine *engine)
{
	if (engine_is_full(engine))
		return engine->full;
	return engine->config.backlog_max && engine->index.live_jobs >= engine->config.backlog_max ? E_BACKLOG : E_OK;
}

static enum err enqueue_check(struct engine *engine, struct request *request, struct op *op)
{
	const struct op_enqueue *enqueue = &op->enqueue;
	enum err err = enqueue_check_room(engine);
	if (!err && enqueue->run_at_us && enqueue->delay_ms)
		return refuse(request, op, E_INVALID, "delay_ms", "Give either run_at or delay_ms, not both.");
	const struct op_dedup *dedup = enqueue->dedup;
	if (!err && dedup && (enqueue->parent_count || (enqueue->waits && (dedup->keep_last || dedup->latest || dedup->fifo))))
		return refuse(request, op, E_INVALID, "dedup", "A job with parents, or that waits for children, stands back for no other: leave dedup out.");
	return err;
}

static enum err enqueue_check_dedup(struct request *request, struct op *op, const struct queue *queue)
{
	const struct op_dedup *dedup = op->enqueue.dedup;
	if (!dedup || (!dedup->latest && !dedup->fifo) || !queue->settings->compat)
		return E_OK;
	return refuse(request, op, E_INVALID, "dedup", "Queues that keep other rules know neither latest nor fifo: use keep_last there.");
}

/* Workers would get the job and nobody would call its URL: that is hardly what was meant. */
enum err enqueue_check_target(struct request *request, struct op *op, struct str target, const char *field, const struct queue *queue)
{
	if (!target.len || queue->settings->target == TARGET_HTTP)
		return E_OK;
	return refuse(request, op, E_INVALID, field, "Queue '" STR_FMT "' is worked off by workers, nobody would call the URL: make it an http queue first "
		      "('ruche queues set " STR_FMT " target=http').", STR_ARG(str_cut(queue->name, 60)), STR_ARG(str_cut(queue->name, 60)));
}

/* Kept (queue, id): the first job answers. */
static bool enqueue_is_duplicate(struct engine *engine, struct op *op, uint32_t queue)
{
	if (!op->enqueue.id.len)
		return false;
	const struct key *key = key_find(&engine->index, queue, op->enqueue.id);
	uint64_t uid = key ? key->uid : op->result.uid; /* or what plan found in the store */
	uint32_t slot = plan_job(engine, uid);
	op->result.uid = 0;
	if (slot == SLOT_NONE)
		return false;
	op->result.uid = uid;
	op->result.state = job_state_of(job_at(&engine->index, slot));
	op->result.duplicate = true;
	return true;
}

/* In the queue that was asked: the job may be in another by now. */
static enum err enqueue_tell_duplicate(struct engine *engine, uint64_t uid, uint32_t queue)
{
	const struct job *job = job_at(&engine->index, job_find(&engine->index, uid));
	if (job->queue == queue)
		return job_event(engine, job, EVENT_DUPLICATE, (struct str){ 0 });
	return batch_event(engine->open, EVENT_DUPLICATE, queue, uid, (struct str){ 0 });
}

static const struct job_definition *enqueue_definition(struct engine *engine, const struct op_enqueue *enqueue, struct str id,
						       const struct queue *queue, uint32_t policy)
{
	struct arena *arena = &engine->open->cs.arena;
	struct job_definition *definition = ARENA_NEW(arena, struct job_definition);
	if (!definition)
		return NULL;
	*definition = (struct job_definition){
		.uid = enqueue->uid, .queue = queue->number, .id = id, .name = enqueue->name,
		.group = enqueue_group(engine, enqueue, queue, arena), .tags = enqueue->tags, .trace = enqueue->trace, .target = enqueue->target,
		.chain = enqueue->chain, .message = enqueue->message,
		.created_us = uid_time_us(enqueue->uid), .priority = enqueue->priority, .max_attempts = enqueue->max_attempts, .policy = policy,
		.timeout_ms = enqueue->timeout_ms, .ttl_ms = enqueue->ttl_ms, .metadata = enqueue->metadata, .payload_body = enqueue->payload_body,
		.payload_bytes = enqueue->payload.len,
	};
	if (!enqueue->payload_body)
		definition->payload = enqueue->payload;
	return definition;
}

/* Until it is due, from now on; a key's job is not put off for ever. */
static int64_t enqueue_delay_us(const struct engine *engine, const struct op_enqueue *enqueue, const struct queue *queue,
				 const struct dedup_meeting *meeting, bool *wall)
{
	const struct index *index = &engine->index;
	int64_t delay_us = enqueue->run_at_us ? enqueue->run_at_us - skew_wall_us(index, queue) : enqueue->delay_ms * 1000;
	*wall = enqueue->run_at_us != 0;
	if (!enqueue->dedup || !enqueue->dedup->max_wait_ms)
		return delay_us;
	int64_t most_us = meeting->since_us + enqueue->dedup->max_wait_ms * 1000 - index->now_us;
	*wall &= delay_us <= most_us;
	return delay_us <= most_us ? delay_us : most_us;
}

/* It follows the owner of its key, or waits for its children: its delay and its time to live begin when it is its turn (life_unpark). */
static void enqueue_park(struct job *job, enum job_state state, const struct op_enqueue *enqueue, int64_t ttl_ms)
{
	job->state = (uint8_t)state;
	job->due_us = enqueue->run_at_us ? enqueue->run_at_us : enqueue->delay_ms * 1000;
	job->flags |= enqueue->run_at_us ? ROW_DUE_WALL : 0;
	job->expire_us = ttl_ms * 1000;
}

/* At the end of the line or, with lifo, at its head; or where that stood of which it takes the place. */
static int64_t enqueue_rank(struct queue *queue, const struct op_enqueue *enqueue, const struct dedup_meeting *meeting)
{
	if (compat_head(queue, enqueue->priority, enqueue->lifo))
		return --queue->rank_head;
	return meeting->rank ? meeting->rank : ++queue->rank_tail;
}

static enum err enqueue_place(struct engine *engine, const struct op_enqueue *enqueue, uint32_t queue_slot,
			      const struct job_definition *definition, const struct dedup_meeting *meeting, uint32_t slot)
{
	struct index *index = &engine->index;
	struct queue *queue = queue_at(index, queue_slot);
	struct job *job = job_at(index, slot);
	uint32_t group;
	enum err err = group_open(index, queue_slot, definition->group, &group);
	if (err)
		return err;
	bool wall;
	int64_t delay_us = enqueue_delay_us(engine, enqueue, queue, meeting, &wall);
	int64_t ttl_ms = past_has_started(enqueue) ? 0 : enqueue->ttl_ms ? enqueue->ttl_ms : queue->settings->ttl_ms;
	job->queue = queue_slot;
	job->group = group;
	job->policy = definition->policy;
	job->priority = enqueue->priority;
	job->max_attempts = enqueue->max_attempts;
	job->timeout_ms = enqueue->timeout_ms;
	job->bytes = (uint32_t)(enqueue->payload.len + enqueue->target.len + enqueue->tags.len + enqueue->metadata.len);
	job->since_us = index->now_us;
	if (ttl_ms)
		job->expire_us = index->now_us + (delay_us > 0 ? delay_us : 0) + ttl_ms * 1000;
	job->flags |= (enqueue->lifo ? ROW_LIFO : 0) | (enqueue->waits || meeting->kind == DEDUP_FOLLOWS ? ROW_PARENT : 0);
	err = past_place(engine, enqueue, job);
	if (err || past_is_ended(enqueue))
		return err ? err : job_place(index, slot);
	if (meeting->kind == DEDUP_FOLLOWS) {
		job->rank = enqueue->lifo ? --queue->rank_head : ++queue->rank_tail; /* its place in line, for when its turn has come */
		enqueue_park(job, JOB_WAITING_CHILDREN, enqueue, ttl_ms);
	} else if (meeting->kind == DEDUP_SUCCEEDS || enqueue->waits) {
		enqueue_park(job, enqueue->waits ? JOB_WAITING_CHILDREN : JOB_PARKED, enqueue, ttl_ms);
		if (meeting->kind == DEDUP_SUCCEEDS && enqueue->dedup->latest && !enqueue->lifo)
			job->rank = enqueue_rank(queue, enqueue, meeting);
	} else if (delay_us > 0) {
		job->state = JOB_DELAYED;
		job->due_us = wall ? enqueue->run_at_us : index->now_us + delay_us;
		skew_due(index, queue, &job->due_us, &wall);
		job->flags |= wall ? ROW_DUE_WALL : 0;
	} else {
		job->state = JOB_WAITING;
		job->rank = enqueue_rank(queue, enqueue, meeting);
	}
	return job_place(index, slot);
}

enum err enqueue_make(struct engine *engine, const struct op_enqueue *enqueue, struct str id, uint32_t queue,
		      const struct dedup_meeting *meeting, uint32_t *out_slot)
{
	struct index *index = &engine->index;
	uint32_t policy = 0;
	enum err err = enqueue->retry ? batch_policy(engine->open, index, enqueue->retry, &policy) : E_OK;
	const struct job_definition *definition = err ? NULL : enqueue_definition(engine, enqueue, id, queue_at(index, queue), policy);
	if (!definition)
		return err ? err : E_NOMEM;
	if (enqueue->uid > engine->last_uid)
		engine->last_uid = enqueue->uid;
	err = job_begin(engine->open, index, enqueue->uid, definition, out_slot);
	if (!err && queue_at(index, queue)->settings->compat)
		err = label_set(index, *out_slot, id);
	err = err ? err : enqueue_place(engine, enqueue, queue, definition, meeting, *out_slot);
	if (!err && id.len)
		err = batch_key(engine->open, index, queue, id, enqueue->uid);
	err = err ? err : past_tell(engine, enqueue, job_at(index, *out_slot));
	if (!err && meeting->kind != DEDUP_SUCCEEDS) /* told when it is its turn */
		err = compat_enqueued(engine, enqueue->name, job_at(index, *out_slot));
	if (!err)
		engine->open->bytes += definition->payload.len + definition->metadata.len;
	return err;
}

enum err op_enqueue_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct index *index = &engine->index;
	struct op_enqueue *enqueue = &op->enqueue;
	struct dedup_meeting meeting = { .kind = DEDUP_FREE };
	uint32_t queue, slot;
	(void)park;
	struct str id = { 0 };
	enum err err = enqueue_check(engine, request, op);
	err = err ? err : compat_begin(engine, request, op, enqueue->queue, enqueue->compat, &queue);
	err = err ? err : id_check(engine, request, op, queue);
	err = err ? err : enqueue_check_dedup(request, op, queue_at(index, queue));
	err = err ? err : past_check(request, op, queue_at(index, queue));
	if (err)
		return err;
	if (enqueue_is_duplicate(engine, op, queue)) {
		err = family_join(engine, request, op, plan_job(engine, op->result.uid));
		return err ? err : enqueue_tell_duplicate(engine, op->result.uid, queue);
	}
	err = enqueue_check_target(request, op, enqueue->target, "http", queue_at(index, queue));
	if (!err && enqueue->dedup)
		err = dedup_meet(engine, op, queue, &meeting);
	if (err || meeting.kind == DEDUP_IGNORED)
		return err;
	err = id_give(engine, op, queue, &id);
	err = err ? err : past_count_ids(engine, enqueue, queue);
	err = err ? err : enqueue_make(engine, enqueue, id, queue, &meeting, &slot);
	err = err ? err : past_defer(engine, enqueue, slot);
	if (!err && enqueue->dedup)
		err = dedup_take(engine, op, id, queue, &meeting, slot);
	if (!err && enqueue->parent_count)
		err = family_join(engine, request, op, slot);
	err = err ? err : past_children(engine, request, op, job_at(index, slot));
	if (err)
		return err;
	op->result.uid = enqueue->uid;
	op->result.state = job_state_of(job_at(index, slot));
	return E_OK;
}
