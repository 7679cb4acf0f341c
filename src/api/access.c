/* src/api/access.c: what the caller's token may touch: scopes of each operation, and queues when it is limited to some. */
#include "api/call.h"
#include "api/filter.h"
#include "base/json.h"
#include <stdio.h>

static bool access_refuse(struct call *call, uint32_t index, const char *field, const char *detail)
{
	problem_set(&call->problem, E_FORBIDDEN, field, "%s", detail);
	if (!call->single)
		problem_nest(&call->problem, call->route->list, call_place(call, index));
	return false;
}

static bool access_queue(struct call *call, uint32_t index, struct queue_name queue)
{
	char detail[192];
	if (token_allows(call->token, queue))
		return true;
	snprintf(detail, sizeof(detail), "This token is limited to other queues than \"" STR_FMT "\".", STR_ARG(str_cut(queue.name, 100)));
	return access_refuse(call, index, "queue", detail);
}

static bool access_scope(struct call *call, uint32_t index, enum scope scope, const char *field)
{
	char detail[128];
	if (!call->token || scopes_include(call->token->scopes, scope))
		return true;
	snprintf(detail, sizeof(detail), "This needs a token with the scope \"%s\".", scope_name(scope));
	return access_refuse(call, index, field, detail);
}

/* A bulk operation of a limited token must name one of its queues. */
static bool access_operation(struct call *call, uint32_t index, const struct op_operation *operation)
{
	struct job_filter filter = { 0 };
	struct json json;
	if (operation->endpoint.name.len)
		return access_queue(call, index, (struct queue_name){ operation->endpoint.namespace_name, STR("webhooks") });
	json_init(&json, operation->filter, &call->request.arena, NULL);
	if (!filter_read(&json, &filter) || !filter.queue.len)
		return access_refuse(call, index, "filter.queue", "A token that is limited to queues must name one of them.");
	if (!access_queue(call, index, (struct queue_name){ filter.namespace_name, filter.queue }))
		return false;
	return operation->action != OP_MOVE || access_queue(call, index, operation->template.to);
}

static bool access_claim(struct call *call, uint32_t index, const struct op_claim *claim)
{
	for (uint32_t i = 0; i < claim->queue_count; i++)
		if (!access_queue(call, index, claim->queues[i].queue))
			return false;
	return true;
}

/* Whose child it is: by uid it could be anybody's. A ref is an enqueue of the same request, and looked at there. */
static bool access_enqueue(struct call *call, uint32_t index, const struct op_enqueue *enqueue)
{
	for (uint32_t i = 0; i < enqueue->parent_count; i++) {
		const struct op_parent *parent = &enqueue->parents[i];
		if (parent->uid)
			return access_refuse(call, index, "parents", "A token that is limited to queues names parents by queue and id.");
		if (!parent->ref && !access_queue(call, index, parent->queue))
			return false;
	}
	for (const struct op_past_child *child = enqueue->past ? enqueue->past->children : NULL; child; child = child->next)
		if (!access_queue(call, index, child->queue))
			return false;
	return access_queue(call, index, enqueue->queue);
}

/* The queues that an operation names. Jobs named by uid: access_resolve. */
static bool access_named(struct call *call, uint32_t index, const struct op *op)
{
	switch (op->kind) {
	case OP_ENQUEUE:
		return access_enqueue(call, index, &op->enqueue);
	case OP_CLAIM:
		return access_claim(call, index, &op->claim);
	case OP_HEARTBEAT: case OP_COMPLETE: case OP_FAIL: case OP_RELEASE: case OP_SNOOZE: case OP_PROGRESS: case OP_LOG: case OP_AWAIT_CHILDREN:
		return op->lease.uid || access_queue(call, index, op->lease.queue);
	case OP_MOVE:
		return access_queue(call, index, op->job.to);
	case OP_CANCEL: case OP_RETRY: case OP_DELETE: case OP_CHILDREN_DELETE:
		if (op->job.tree || op->kind == OP_CHILDREN_DELETE)
			return access_refuse(call, index, call->single ? "" : "tree",
			                     "A token that is limited to queues cannot act on all that is below a job: it may be in other queues.");
		return op->job.uid || access_queue(call, index, op->job.queue);
	case OP_DETACH:
		if (op->job.parent.queue.name.len && !access_queue(call, index, op->job.parent.queue))
			return false;
		return op->job.uid || access_queue(call, index, op->job.queue);
	case OP_PROMOTE: case OP_REPRIORITISE: case OP_EDIT: case OP_RESCHEDULE: case OP_WAIT: case OP_EXPLAIN:
		return op->job.uid || access_queue(call, index, op->job.queue);
	case OP_QUEUE_PUT: case OP_QUEUE_PAUSE: case OP_QUEUE_RESUME: case OP_QUEUE_DELETE: case OP_QUEUE_GET:
	case OP_GROUP_PUT: case OP_GROUP_DELETE: case OP_GROUP_PAUSE: case OP_GROUP_RESUME: case OP_GROUPS: case OP_SWEEP: case OP_QUEUE_RESET:
		return access_queue(call, index, op->queue.queue);
	case OP_BACK_OFF:
		if (op->back_off.queue.name.len)
			return access_queue(call, index, op->back_off.queue);
		return access_refuse(call, index, "limit", "A token that is limited to queues cannot hold back a limit: others share it.");
	case OP_LIMIT_PUT: case OP_LIMIT_DELETE: case OP_LIMIT_ACQUIRE: case OP_LIMIT_RELEASE: case OP_LIMIT_GET: case OP_LIMITS:
		return access_refuse(call, index, call->single ? "" : "limit", "A token that is limited to queues has no say in limits: others share them.");
	case OP_EVENT: case OP_EVENTS_TRIM:
		return access_queue(call, index, op->event.queue);
	case OP_DEDUP_GET: case OP_DEDUP_RELEASE:
		return access_queue(call, index, op->dedup_key.queue);
	case OP_CHAIN_PUT: case OP_CHAIN_NEXT: case OP_CHAIN_DELETE: case OP_CHAIN_GET: case OP_CHAINS:
		return access_queue(call, index, op->chain.queue);
	case OP_NAMED_PUT: case OP_NAMED_STATE: case OP_NAMED_DELETE: case OP_NAMED_GET: case OP_NAMEDS:
		return access_queue(call, index, (struct queue_name){ op->named.named.namespace_name, STR("webhooks") });
	case OP_ENTITY_DELETE:
		return access_queue(call, index, (struct queue_name){ op->entity.endpoint.namespace_name, STR("webhooks") });
	case OP_MESSAGE:
		return access_queue(call, index, (struct queue_name){ op->message.namespace_name, STR("webhooks") });
	case OP_OPERATION_START:
		return access_operation(call, index, &op->operation);
	case OP_OPERATION_PAUSE: case OP_OPERATION_RESUME: case OP_OPERATION_CANCEL:
		if (call->route->kind == op->kind)
			return true; /* operations.c looked at it before */
		return access_refuse(call, index, "uid", "A token that is limited to queues cannot do this in a batch.");
	default:
		return true;
	}
}

bool access_check(struct call *call)
{
	const struct request *request = &call->request;
	for (uint32_t i = 0; call->token && i < request->op_count; i++) {
		const struct op *op = &request->ops[i];
		if (!access_scope(call, i, op_kind_scope(op->kind), call->single ? "" : "op"))
			return false;
		if (op->kind == OP_ENQUEUE && op->enqueue.past && !access_scope(call, i, SCOPE_OPERATE, "past"))
			return false;
		if (call->token->queue_count && !access_named(call, i, op))
			return false;
	}
	return true;
}

/* ---- jobs named by uid ---- */

static uint64_t access_uid(const struct op *op)
{
	switch (op->kind) {
	case OP_HEARTBEAT: case OP_COMPLETE: case OP_FAIL: case OP_RELEASE: case OP_SNOOZE: case OP_PROGRESS: case OP_LOG: case OP_AWAIT_CHILDREN:
		return op->lease.uid;
	case OP_CANCEL: case OP_RETRY: case OP_PROMOTE: case OP_REPRIORITISE: case OP_MOVE: case OP_DELETE: case OP_DETACH: case OP_EDIT:
	case OP_CHILDREN_DELETE: case OP_RESCHEDULE: case OP_WAIT: case OP_EXPLAIN:
		return op->job.uid;
	default:
		return 0;
	}
}

static bool access_is_foreign(const struct call *call, const struct job_view *view)
{
	struct queue_name queue = { view->namespace_name, view->queue_name };
	return view->row.uid && !token_allows(call->token, queue);
}

static void access_resolved(struct call *call)
{
	const struct question *question = &call->question;
	if (question->err && question->err != E_JOB_NOT_FOUND) {
		call_refuse(call, question->err);
		return;
	}
	for (uint32_t i = 0; !question->err && i < question->answer.job_count; i++) {
		if (!access_is_foreign(call, &question->answer.jobs[i]))
			continue;
		problem_set(&call->problem, E_JOB_NOT_FOUND, "uid", "%s", err_sentence(E_JOB_NOT_FOUND));
		if (!call->single)
			problem_nest(&call->problem, call->route->list, call_place(call, i));
		call_refuse(call, E_JOB_NOT_FOUND);
		return;
	}
	arena_reset(&call->question.arena);
	call->question.query = call->kept_query;
	call->checked(call);
}

static void access_ask(struct call *call, const uint64_t *uids, uint32_t count, void (*next)(struct call *call))
{
	call->kept_query = call->question.query;
	call->question.query = (struct query){
		.kind = count == 1 ? QUERY_JOB : QUERY_DEFINITIONS, .uids = uids, .uid_count = count,
	};
	call->checked = next;
	call_ask(call, access_resolved);
}

static uint64_t *access_uids(struct call *call, uint32_t count)
{
	uint64_t *uids = ARENA_ARRAY(&call->question.arena, uint64_t, count);
	if (!uids)
		call_fail(call, E_NOMEM, "", "There was no memory to look the jobs up.");
	return uids;
}

void access_resolve_one(struct call *call, uint64_t uid, void (*next)(struct call *call))
{
	if (!uid || !call->token || !call->token->queue_count) {
		next(call);
		return;
	}
	uint64_t *uids = access_uids(call, 1);
	if (uids) {
		uids[0] = uid;
		access_ask(call, uids, 1, next);
	}
}

/* One uid for each operation (0 where it names none), so that the answer's places are the operations'. */
void access_resolve(struct call *call, void (*next)(struct call *call))
{
	const struct request *request = &call->request;
	uint32_t found = 0;
	for (uint32_t i = 0; call->token && call->token->queue_count && i < request->op_count; i++)
		found += access_uid(&request->ops[i]) != 0;
	if (!found) {
		next(call);
		return;
	}
	uint64_t *uids = access_uids(call, request->op_count);
	for (uint32_t i = 0; uids && i < request->op_count; i++)
		uids[i] = access_uid(&request->ops[i]);
	if (uids)
		access_ask(call, uids, request->op_count, next);
}

bool access_list(struct call *call, struct queue_name queue)
{
	if (!call->token || !call->token->queue_count)
		return true;
	if (!queue.name.len)
		return problem_set(&call->problem, E_FORBIDDEN, "queue", "This token is limited to queues: name one of them.") == E_OK;
	if (!token_allows(call->token, queue))
		return problem_set(&call->problem, E_FORBIDDEN, "queue", "This token is limited to other queues.") == E_OK;
	return true;
}

bool access_unlimited(struct call *call, const char *what)
{
	if (!call->token || !call->token->queue_count)
		return true;
	problem_set(&call->problem, E_FORBIDDEN, "", "A token that is limited to queues cannot %s.", what);
	return false;
}
