/* src/engine/compat.c: queues that keep another queue's rules (docs/decisions/2026-11-25-bullmq-and-queue-semantics.md, 2). What differs in one
 * place is decided here; what is an event tells more, since the other side's programs know jobs by their ids. */
#include "engine/engine_priv.h"
#include "base/json.h"

#define COMPAT_RESULT_MAX (1 << 20) /* of a completed event; a larger one is to be read */

/* Whoever gives this token holds nothing and is not asked for what he holds. */
#define TOKEN_OF_NOBODY STR("0")

bool job_is_compat(const struct index *index, const struct job *job)
{
	return queue_at(index, job->queue)->settings->compat != COMPAT_NONE;
}

/* ---- the queue, and whose rules it keeps ---- */

static enum err compat_refuse_native(struct request *request, struct op *op, const struct queue *queue, enum compat wanted)
{
	return refuse(request, op, E_COMPAT, "compat", "Queue '" STR_FMT "' keeps Ruche's own rules, not those of %s: use another queue, or empty "
		      "this one and make it so ('ruche queues set " STR_FMT " compat=%s').", STR_ARG(str_cut(queue->name, 60)), compat_name(wanted),
		      STR_ARG(str_cut(queue->name, 60)), compat_name(wanted));
}

static enum err compat_refuse_other(struct request *request, struct op *op, const struct queue *queue)
{
	const char *rules = compat_name(queue->settings->compat);
	return refuse(request, op, E_COMPAT, "compat", "Queue '" STR_FMT "' keeps the rules of %s: say \"compat\":\"%s\" if you keep them too, or use "
		      "another queue.", STR_ARG(str_cut(queue->name, 60)), rules, rules);
}

enum err compat_make(struct engine *engine, uint32_t slot, enum compat wanted)
{
	struct str settings = wanted == COMPAT_BULLMQ ? STR("{\"compat\":\"bullmq\"}") : STR("{}");
	enum err err = queue_touch(engine->open, &engine->index, slot);
	err = err ? err : queue_set_settings(&engine->index, slot, settings, true, NULL);
	return err ? err : queue_write(engine, slot);
}

enum err compat_begin(struct engine *engine, struct request *request, struct op *op, struct queue_name name, enum compat wanted, uint32_t *out_slot)
{
	bool is_new = wanted && queue_find(&engine->index, name) == SLOT_NONE;
	if (!wanted && queue_is_kept(&engine->index, name))
		return queue_refuse_kept(request, op, op->kind == OP_CLAIM ? "queues" : "queue");
	enum err err = queue_begin(engine->open, &engine->index, name, out_slot);
	if (!err && is_new)
		err = compat_make(engine, *out_slot, wanted);
	if (err)
		return err;
	skew_hear(engine, request, *out_slot);
	const struct queue *queue = queue_at(&engine->index, *out_slot);
	if (queue->settings->compat == wanted || (!wanted && op->kind != OP_CLAIM && op->kind != OP_CHAIN_PUT))
		return E_OK;
	return wanted ? compat_refuse_native(request, op, queue, wanted) : compat_refuse_other(request, op, queue);
}

enum err compat_may_change(struct request *request, struct op *op, const struct queue *queue, enum compat before)
{
	if (queue->settings->compat == before || (!queue_job_count(queue) && !queue->waiters && !queue->chains))
		return E_OK;
	if (queue->waiters)
		return refuse(request, op, E_COMPAT, "settings.compat", "%u claims wait for jobs of this queue: stop its workers first, then change its rules.",
			      queue->waiters);
	if (!queue_job_count(queue))
		return refuse(request, op, E_COMPAT, "settings.compat", "The queue has %u chains, and they live by its present rules: delete them first.",
		              queue->chains);
	return refuse(request, op, E_COMPAT, "settings.compat", "The queue has %llu jobs, and they live by its present rules: use another queue, or delete "
		      "them first.", (unsigned long long)queue_job_count(queue));
}

/* ---- ids ---- */

static bool id_is_digits(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.ptr[i] < '0' || id.ptr[i] > '9')
			return false;
	return id.len > 0;
}

enum err id_check(struct engine *engine, struct request *request, struct op *op, uint32_t slot)
{
	const struct queue *queue = queue_at(&engine->index, slot);
	if (queue->settings->ids != IDS_DECIMAL || op->enqueue.past || !id_is_digits(op->enqueue.id))
		return E_OK;
	return refuse(request, op, E_INVALID, "id", "Queue '" STR_FMT "' counts its own ids, so one of digits only may be another job's: put a letter in it.",
		      STR_ARG(str_cut(queue->name, 60)));
}

enum err id_next(struct engine *engine, uint32_t slot, uint64_t *number, struct str *out_id)
{
	struct queue *queue = queue_at(&engine->index, slot);
	*number = 0;
	*out_id = STR("");
	if (queue->settings->ids != IDS_DECIMAL)
		return E_OK;
	enum err err = batch_value(engine->open, &queue->counts.ids);
	if (err)
		return err;
	*number = ++queue->counts.ids;
	char *text = arena_printf(&engine->open->cs.arena, "%llu", (unsigned long long)*number);
	*out_id = str_of(text);
	return text ? E_OK : E_NOMEM;
}

enum err id_give(struct engine *engine, struct op *op, uint32_t slot, struct str *out_id)
{
	*out_id = op->enqueue.id;
	return out_id->len ? E_OK : id_next(engine, slot, &op->result.number, out_id);
}

/* ---- order ---- */

bool compat_head(const struct queue *queue, int32_t priority, bool head)
{
	return head && (!queue->settings->compat || priority == 0);
}

/* ---- leases ---- */

static bool op_needs_no_lease(enum op_kind kind)
{
	return kind == OP_PROGRESS || kind == OP_LOG;
}

enum err compat_check_lease(struct engine *engine, struct request *request, struct op *op, const struct job *job)
{
	const struct op_lease *want = &op->lease;
	bool nobody = str_eq(want->token, TOKEN_OF_NOBODY);
	if (!want->token.len && op_needs_no_lease(op->kind))
		return E_OK;
	if (job->state != JOB_ACTIVE)
		return refuse(request, op, nobody ? E_STATE : E_NO_LEASE, nobody ? "" : "token", "The job is %s, nobody holds it; nothing was changed.",
			      job_state_name(job_state_of(job)));
	const struct lease *lease = lease_at(&engine->index, job->lease);
	if (nobody)
		return E_OK;
	if (lease->token == lease_token_hash(TOKEN_OF_NOBODY))
		return refuse(request, op, E_NO_LEASE, "token", "The job was claimed under no lease; nothing was changed.");
	if (lease->deadline_us <= engine->index.now_us)
		return refuse(request, op, E_NO_LEASE, "token", "The lease is over: it was not renewed in time, and the job is about to be taken back; nothing "
			      "was changed.");
	if (lease->token != lease_token_hash(want->token) || (want->fence && want->fence != job->fence))
		return refuse(request, op, E_STALE, "token", "Another worker holds the job now, under a newer lease; nothing was changed.");
	return E_OK;
}

/* ---- events ---- */

static struct str compat_from_buf(struct engine *engine, struct buf *buf)
{
	struct str copy = buf_ok(buf) ? arena_str(&engine->open->cs.arena, buf_str(buf)) : (struct str){ 0 };
	buf_fini(buf);
	return copy;
}

/* {"job_id":…} in front of what the event says itself. */
static struct str compat_with_id(struct engine *engine, const struct job *job, struct str details)
{
	char room[LABEL_ROOM];
	struct buf buf;
	buf_init(&buf, details.len + LIMIT_ID_BYTES * 6 + 64);
	buf_add_byte(&buf, '{');
	json_put_field_str(&buf, "job_id", label_of(&engine->index, job, room));
	if (details.len > 2) {
		buf_add_byte(&buf, ',');
		buf_add(&buf, str_from(details, 1));
	} else {
		buf_add_byte(&buf, '}');
	}
	return compat_from_buf(engine, &buf);
}

enum err job_event(struct engine *engine, const struct job *job, enum event_type type, struct str details)
{
	if (!(job->flags & JOB_LABELLED))
		return batch_event(engine->open, type, job->queue, job->uid, details);
	details = compat_with_id(engine, job, details);
	return details.ptr ? batch_event(engine->open, type, job->queue, job->uid, details) : E_NOMEM;
}

struct str compat_from(const struct job *job)
{
#define X(name, text, next) [JOB_##name] = "{\"from\":\"" text "\"}",
	static const char *const texts[JOB_STATE_COUNT] = { JOB_STATES(X) };
#undef X
	return job->flags & JOB_LABELLED ? str_of(texts[job->state]) : (struct str){ 0 };
}

enum err compat_enqueued(struct engine *engine, struct str name, const struct job *job)
{
	const struct index *index = &engine->index;
	struct buf buf;
	if (!(job->flags & JOB_LABELLED))
		return job_event(engine, job, EVENT_ENQUEUED, (struct str){ 0 });
	buf_init(&buf, LIMIT_NAME_BYTES * 6 + 256);
	buf_add_byte(&buf, '{');
	if (name.len)
		json_put_field_str(&buf, "name", name);
	json_put_field_str(&buf, "state", str_of(job_state_name(job_state_of(job))));
	if (job->state == JOB_DELAYED)
		json_put_field_instant(&buf, "due_at", job->flags & ROW_DUE_WALL ? job->due_us : index->wall_us + (job->due_us - index->now_us));
	buf_add_byte(&buf, '}');
	struct str details = compat_from_buf(engine, &buf);
	return details.ptr ? job_event(engine, job, EVENT_ENQUEUED, details) : E_NOMEM;
}

enum err compat_result_details(struct engine *engine, const struct job *job, struct str result, struct str *out)
{
	*out = (struct str){ 0 };
	if (!(job->flags & JOB_LABELLED))
		return E_OK;
	*out = life_details_of(engine, "result", result.len && result.len <= COMPAT_RESULT_MAX ? result : STR("null"));
	engine->open->bytes += out->len;
	return out->ptr ? E_OK : E_NOMEM;
}

enum err compat_drained(struct engine *engine, uint32_t slot)
{
	const struct queue *queue = queue_at(&engine->index, slot);
	if (!queue->settings->compat || queue->live[JOB_WAITING] || queue->live[JOB_ACTIVE])
		return E_OK;
	return batch_event(engine->open, EVENT_DRAINED, slot, 0, (struct str){ 0 });
}
