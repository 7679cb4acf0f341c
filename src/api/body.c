#include "api/body.h"
#include "api/name.h"
#include "base/limits.h"

void body_json(struct call *call, struct json *json)
{
	struct str body = buf_str(&call->request.body);
	json_init(json, body.len ? body : STR("{}"), &call->request.arena, &call->problem);
}

bool body_uid(struct call *call, enum err missing, uint64_t *out)
{
	if (!uid_parse(call->pieces[0], out))
		return true;
	problem_set(&call->problem, missing, "uid", "\"" STR_FMT "\" is no uid: 13 letters and digits such as 0r4k2m7x9q3zt.",
		    STR_ARG(str_cut(call->pieces[0], 40)));
	return false;
}

struct queue_name body_queue(const struct call *call)
{
	return (struct queue_name){ call_param(call, "namespace")->text, call->pieces[0] };
}

bool body_is_list(struct call *call, struct str list)
{
	struct json json;
	struct str key;
	struct problem unused = { 0 };
	body_json(call, &json);
	json.problem = &unused;
	return json_enter_object(&json) && json_next_key(&json, &key) && (str_eq(key, list) || str_eq(key, STR("atomic")));
}

static bool body_endpoint_name(struct call *call, struct str name)
{
	const char *why = name_refusal(name, false);
	return !why || problem_set(&call->problem, E_INVALID, "endpoint", "%s", why) == E_OK;
}

static bool body_limit_name(struct call *call, struct str name)
{
	const char *why = name_refusal(name, false);
	return !why || problem_set(&call->problem, E_INVALID, "limit", "%s", why) == E_OK;
}

bool body_identify(struct call *call, struct op *op)
{
	switch (op->kind) {
	case OP_HEARTBEAT: case OP_COMPLETE: case OP_FAIL: case OP_RELEASE: case OP_SNOOZE: case OP_PROGRESS: case OP_LOG: case OP_AWAIT_CHILDREN:
		return body_uid(call, E_JOB_NOT_FOUND, &op->lease.uid);
	case OP_CANCEL: case OP_RETRY: case OP_PROMOTE: case OP_REPRIORITISE: case OP_MOVE: case OP_DELETE: case OP_DETACH: case OP_EDIT:
	case OP_CHILDREN_DELETE: case OP_RESCHEDULE: case OP_EXPLAIN: case OP_WAIT:
		return body_uid(call, E_JOB_NOT_FOUND, &op->job.uid);
	case OP_LIMIT_PUT: case OP_LIMIT_DELETE: case OP_LIMIT_ACQUIRE: case OP_LIMIT_RELEASE: case OP_LIMIT_GET:
		op->limit.limit = body_queue(call);
		return body_limit_name(call, op->limit.limit.name);
	case OP_NAMED_PUT: case OP_NAMED_STATE: case OP_NAMED_DELETE: case OP_NAMED_GET:
		op->named.kind = NAMED_ENDPOINT;
		op->named.named = body_queue(call);
		return body_endpoint_name(call, op->named.named.name);
	case OP_BACK_OFF:
		op->back_off.queue = body_queue(call);
		op->back_off.group = call->pieces[1];
		if (!strstr(call->route->pattern, "{limit}"))
			return true;
		op->back_off.limit = op->back_off.queue.name;
		op->back_off.queue.name = (struct str){ 0 };
		return true;
	case OP_OPERATION_PAUSE: case OP_OPERATION_RESUME: case OP_OPERATION_CANCEL:
		return body_uid(call, E_NOT_FOUND, &op->operation.number);
	case OP_QUEUE_PUT: case OP_QUEUE_PAUSE: case OP_QUEUE_RESUME: case OP_QUEUE_DELETE: case OP_QUEUE_GET: case OP_GROUPS:
	case OP_GROUP_PUT: case OP_GROUP_DELETE: case OP_GROUP_PAUSE: case OP_GROUP_RESUME:
		op->queue.queue = body_queue(call);
		op->queue.group = call->pieces[1];
		return true;
	case OP_DEDUP_GET: case OP_DEDUP_RELEASE:
		op->dedup_key.queue = body_queue(call);
		op->dedup_key.key = call->pieces[1];
		return true;
	case OP_CHAIN_PUT: case OP_CHAIN_NEXT: case OP_CHAIN_DELETE: case OP_CHAIN_GET: case OP_CHAINS:
		op->chain.queue = body_queue(call);
		op->chain.key = call->pieces[1];
		return true;
	default:
		return true;
	}
}

bool decode_path(struct call *call)
{
	struct op *op = call_op(call, call->route->kind);
	return op && body_identify(call, op);
}

bool decode_alone(struct call *call)
{
	struct op_rider rider = { 0 };
	struct json json;
	struct op *op = call_op(call, call->route->kind);
	if (!op || !body_identify(call, op))
		return false;
	body_json(call, &json);
	if (!op_read(&json, op, OP_ALONE, &rider) || !json_finish(&json))
		return false;
	return !rider.given || body_add_rider(call, &rider);
}

/* Finishing and claiming are one step: a stale lease claims nothing. */
bool body_add_rider(struct call *call, const struct op_rider *rider)
{
	struct op *op = call_op(call, OP_CLAIM);
	if (!op)
		return false;
	*op = rider->claim;
	call->request.atomic = call->single;
	return true;
}

bool body_read_list(struct json *json, struct call *call, enum op_kind kind)
{
	uint32_t index;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		struct op *op = call_op(call, kind);
		if (!op)
			return json_refuse(json, call->problem.err, "%s", call->problem.detail);
		if (!op_read(json, op, OP_IN_LIST, NULL))
			return false;
	}
	if (json->failed)
		return false;
	return call->request.op_count ? true : json_refuse(json, E_INVALID, "At least one is needed.");
}

void encode_alone(struct call *call, struct buf *out)
{
	const struct request *request = &call->request;
	uint32_t at = 0, view = 0;
	if (request->ops[0].kind == OP_CLAIM) {
		claim_write(out, call, &request->ops[0], &at, &view);
		return;
	}
	op_result_write(out, call, &request->ops[0]);
	const struct op *last = &request->ops[request->op_count - 1];
	if (last != request->ops && last->kind == OP_CLAIM && out->len && out->ptr[out->len - 1] == '}') {
		out->len--; /* the claim stands within the same object */
		json_put_key(out, "claim");
		claim_write(out, call, last, &at, &view);
		buf_add_byte(out, '}');
	}
}

static bool op_rides(const struct op *op)
{
	return op->kind == OP_CLAIM && op->claim.rides;
}

uint32_t call_place(const struct call *call, uint32_t index)
{
	uint32_t place = index;
	for (uint32_t i = 0; i <= index; i++)
		place -= op_rides(&call->request.ops[i]);
	return place;
}

static void encode_result(struct call *call, const struct op *op, struct buf *out, uint32_t *at, uint32_t *view)
{
	if (op->result.err)
		op_refusal_write(out, op, call->request.atomic);
	else if (op->kind == OP_CLAIM)
		claim_write(out, call, op, at, view);
	else
		op_result_write(out, call, op);
}

/* Into the object just written, unless that one was refused. */
static void encode_rider(struct call *call, const struct op *op, struct buf *out, uint32_t *at, uint32_t *view)
{
	if (op[-1].result.err || !out->len || out->ptr[out->len - 1] != '}')
		return;
	out->len--;
	json_put_key(out, "claim");
	encode_result(call, op, out, at, view);
	buf_add_byte(out, '}');
}

void encode_results(struct call *call, struct buf *out)
{
	const struct request *request = &call->request;
	uint32_t count = request->op_count, at = 0, view = 0;
	bool rides = strcmp(call->route->list, "leases") == 0 && request->ops[count - 1].kind == OP_CLAIM;
	buf_add_lit(out, "{\"results\":[");
	for (uint32_t i = 0; i < count - rides; i++) {
		if (i)
			buf_add_byte(out, ',');
		encode_result(call, &request->ops[i], out, &at, &view);
		if (i + 1 < count && op_rides(&request->ops[i + 1]))
			encode_rider(call, &request->ops[++i], out, &at, &view);
	}
	buf_add_byte(out, ']');
	if (rides) {
		buf_add_lit(out, ",\"claim\":");
		encode_result(call, &request->ops[count - 1], out, &at, &view);
	}
	buf_add_byte(out, '}');
}
