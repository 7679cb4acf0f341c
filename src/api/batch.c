/* src/api/batch.c: POST /v1/batch: many operations of any kind, in order, in one request to the engine. */
#include "api/body.h"
#include "api/routes.h"

#define NOW_MS_MAX INT64_C(253402300799999) /* the last instant of year 9999 */

/* "Finish, and claim the next": the claim follows its operation, and its answer stands within that one's. */
static struct op *batch_add_rider(struct call *call, const struct op_rider *rider)
{
	struct op *op = call_op(call, OP_CLAIM);
	if (op) {
		*op = rider->claim;
		op->claim.rides = true;
	}
	return op;
}

static bool read_ops(struct json *json, void *out, void *context)
{
	struct call *call = context;
	uint32_t index;
	(void)out;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		struct op_rider rider = { 0 };
		struct op *op = call_op(call, OP_BARRIER);
		if (op && !op_read_in_batch(json, op, &rider))
			return false;
		if (op && rider.given)
			op = batch_add_rider(call, &rider);
		if (!op)
			return json_refuse(json, call->problem.err, "%s", call->problem.detail);
	}
	if (json->failed)
		return false;
	return call->request.op_count ? true : json_refuse(json, E_INVALID, "At least one is needed.");
}

static bool read_now(struct json *json, void *out, void *context)
{
	int64_t now_ms;
	(void)context;
	if (!json_read_i64(json, 1, NOW_MS_MAX, &now_ms))
		return false;
	*(int64_t *)out = now_ms * 1000;
	return true;
}

static const struct json_field batch_fields[] = {
	{ "now_ms", JSON_F_CUSTOM, offsetof(struct request, asked_us), .read = read_now },
	{ "ops", JSON_F_CUSTOM, 0, .flags = JSON_F_REQUIRED, .read = read_ops },
	{ "atomic", JSON_F_BOOL, offsetof(struct request, atomic) },
};

bool batch_decode(struct call *call)
{
	struct json json;
	body_json(call, &json);
	return json_read_fields(&json, batch_fields, ARRAY_COUNT(batch_fields), &call->request, call, NULL) && json_finish(&json);
}

void batch_run(struct call *call)
{
	jobs_adopt_trace(call);
	call_run(call);
}
