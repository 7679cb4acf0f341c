/* src/engine/past.c: a job with a past: what it went through in the queue that it comes from. Its attempts, errors, lines and counters are its own
 * then; one that had ended there is enqueued as ended, and nobody runs it until somebody retries it. Only in compat queues, whose programs know
 * jobs by ids and counters that were given elsewhere. */
#include "engine/engine_priv.h"

bool past_is_ended(const struct op_enqueue *enqueue)
{
	return enqueue->past && enqueue->past->ended;
}

bool past_has_started(const struct op_enqueue *enqueue)
{
	return enqueue->past && (enqueue->past->attempts_started || enqueue->past->error_count);
}

enum err past_check(struct request *request, struct op *op, const struct queue *queue)
{
	const struct op_enqueue *enqueue = &op->enqueue;
	if (!enqueue->past)
		return E_OK;
	if (!queue->settings->compat)
		return refuse(request, op, E_COMPAT, "past", "Queue '" STR_FMT "' keeps Ruche's own rules, and its jobs have no past elsewhere: leave "
			      "past out, or say compat.", STR_ARG(str_cut(queue->name, 60)));
	if (past_is_ended(enqueue) && (enqueue->waits || enqueue->dedup || enqueue->delay_ms || enqueue->run_at_us))
		return refuse(request, op, E_INVALID, "past.state", "The job has ended: leave waits, dedup, delay_ms and run_at out.");
	if (enqueue->past->deferred.len && (past_is_ended(enqueue) || enqueue->waits))
		return refuse(request, op, E_INVALID, "past.deferred", "A job that %s is not to be told that it has failed: leave deferred out.",
		              enqueue->waits ? "waits for children" : "has ended");
	return E_OK;
}

static int64_t past_not_later(int64_t at_us, int64_t now_us) /* 0: not said */
{
	return at_us && at_us < now_us ? at_us : now_us;
}

/* It is in its batch as if it had just ended, only earlier. */
static enum err past_end(struct engine *engine, const struct op_past *past, struct job *job)
{
	struct batch *open = engine->open;
	struct dirty *dirty = job_dirty(open, job);
	bool completed = past->state == JOB_COMPLETED;
	const struct queue_settings *settings = queue_at(&engine->index, job->queue)->settings;
	dirty->outcome = completed ? OUTCOME_SUCCESS : OUTCOME_FINAL_ERROR;
	dirty->finished_us = past_not_later(past->finished_us, engine->index.now_us);
	if (!open->earliest_finish_us || open->earliest_finish_us > dirty->finished_us)
		open->earliest_finish_us = dirty->finished_us;
	dirty->result = ARENA_NEW(&open->cs.arena, struct job_result);
	if (!dirty->result)
		return E_NOMEM;
	if (completed)
		*dirty->result = (struct job_result){ .result = past->result, .result_bytes = past->result.len };
	else if (past->last_error)
		*dirty->result = (struct job_result){ .error = past->last_error->text };
	job->bytes += (uint32_t)(dirty->result->result.len + dirty->result->error.len);
	open->bytes += past->result.len;
	job->state = (uint8_t)past->state;
	job->expire_us = 0;
	if ((completed ? &settings->keep_completed : &settings->keep_failed)->none)
		job->flags |= JOB_DELETED;
	return E_OK;
}

enum err past_place(struct engine *engine, const struct op_enqueue *enqueue, struct job *job)
{
	const struct op_past *past = enqueue->past;
	if (!past)
		return E_OK;
	struct dirty *dirty = job_dirty(engine->open, job);
	dirty->worker = past->worker;
	dirty->started_us = past->started_us;
	job->attempts_started = past->attempts_started > past->error_count ? past->attempts_started : past->error_count;
	job->attempts_made = past->attempts_made;
	job->stalls = (uint16_t)past->stalls;
	job->flags |= past->redone ? ROW_REDONE : 0;
	job->flags |= past->children ? ROW_PARENT : 0;
	return past->ended ? past_end(engine, past, job) : E_OK;
}

static enum err past_errors(struct engine *engine, const struct op_past *past, const struct job *job)
{
	uint32_t number = job->attempts_started - past->error_count;
	int64_t finished_us = past_not_later(past->finished_us, engine->index.now_us);
	for (const struct op_past_text *error = past->errors; error; error = error->next) {
		struct attempt_row *row = change_add(&engine->open->cs, attempts);
		if (!row)
			return E_NOMEM;
		*row = (struct attempt_row){
			.uid = job->uid, .number = ++number, .started_us = past_not_later(past->started_us, finished_us), .finished_us = finished_us,
			.next = !error->next && past->ended ? past->state : JOB_WAITING, .worker = past->worker, .error = error->text,
		};
		engine->open->bytes += error->text.len;
	}
	return E_OK;
}

static enum err past_lines(struct engine *engine, const struct op_past *past, const struct job *job)
{
	for (const struct op_past_text *line = past->lines; line; line = line->next) {
		struct log_row *row = change_add(&engine->open->cs, logs);
		if (!row)
			return E_NOMEM;
		*row = (struct log_row){ .uid = job->uid, .attempt = job->attempts_started, .at_us = past_not_later(past->started_us, engine->index.wall_us),
			                 .line = line->text };
		engine->open->bytes += line->text.len;
	}
	return E_OK;
}

enum err past_tell(struct engine *engine, const struct op_enqueue *enqueue, const struct job *job)
{
	const struct op_past *past = enqueue->past;
	if (!past)
		return E_OK;
	enum err err = past_errors(engine, past, job);
	err = err ? err : past_lines(engine, past, job);
	if (err || !past->progress.len)
		return err;
	struct progress_row *row = change_add(&engine->open->cs, progress);
	if (!row)
		return E_NOMEM;
	*row = (struct progress_row){ .uid = job->uid, .at_us = engine->index.wall_us, .json = past->progress };
	engine->open->bytes += past->progress.len;
	return E_OK;
}

/* Children that had ended: what their parent keeps of them. They need not be here, so each has a uid that nobody else has. */
enum err past_children(struct engine *engine, struct request *request, struct op *op, const struct job *job)
{
	const struct op_past *past = op->enqueue.past;
	for (const struct op_past_child *child = past ? past->children : NULL; child; child = child->next) {
		uint32_t queue;
		enum err err = compat_begin(engine, request, op, child->queue, op->enqueue.compat, &queue);
		struct edge_row *row = err ? NULL : change_add(&engine->open->cs, edges);
		if (!row)
			return err ? err : E_NOMEM;
		*row = (struct edge_row){
			.parent = job->uid, .child = engine_uid(engine), .state = child->state, .at_us = engine->index.now_us,
			.on_failure = child->state == EDGE_FAILED ? ON_FAILURE_FAIL : ON_FAILURE_IGNORE,
			.queue = queue_at(&engine->index, queue)->number, .id = child->id, .value = child->value,
		};
		engine->last_uid = row->child;
		engine->open->bytes += child->value.len;
	}
	return E_OK;
}

enum err past_defer(struct engine *engine, const struct op_enqueue *enqueue, uint32_t slot)
{
	const struct op_past *past = enqueue->past;
	return past && past->deferred.len ? deferred_set(engine, slot, past->deferred) : E_OK;
}

enum err past_count_ids(struct engine *engine, const struct op_enqueue *enqueue, uint32_t slot)
{
	struct queue *queue = queue_at(&engine->index, slot);
	uint64_t number = 0;
	if (!enqueue->past || queue->settings->ids != IDS_DECIMAL)
		return E_OK;
	if (!label_number(enqueue->id, &number) || number < enqueue->past->ids)
		number = enqueue->past->ids;
	if (number <= queue->counts.ids)
		return E_OK;
	enum err err = batch_value(engine->open, &queue->counts.ids);
	if (!err)
		queue->counts.ids = number;
	return err;
}
