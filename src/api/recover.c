/* src/api/recover.c: what an endpoint missed, or what failed on the way to it, is sent to it again: as bulk work, or counted before. */
#include "api/body.h"
#include "api/filter.h"
#include "api/routes.h"
#include "base/json.h"
#include "base/limits.h"
#include "rules/endpoint.h"
#include "rules/replay.h"

#define COUNTED_MAX 1000000

struct replay_tally {
	uint64_t stands[STANDS_COUNT], sum;
};

/* ---- decoding ---- */

struct recover_body {
	int64_t since_us, until_us;
	bool dry_run;
};
#define AT(member) offsetof(struct recover_body, member)
static const struct json_field recover_fields[] = {
	{ "since", JSON_F_INSTANT, AT(since_us), .flags = JSON_F_REQUIRED },
	{ "until", JSON_F_INSTANT, AT(until_us), .flags = JSON_F_NULL },
	{ "dry_run", JSON_F_BOOL, AT(dry_run) },
};
#undef AT

/* Deliveries to it that failed, or came too late, within those instants. */
static bool recover_filter(struct call *call, const struct recover_body *body, struct op *op)
{
	struct job_filter *filter = &call->question.query.filter;
	struct buf text;
	*filter = (struct job_filter){
		.namespace_name = body_queue(call).namespace_name, .queue = STR("webhooks"), .endpoint = body_queue(call).name,
		.states = 1u << JOB_FAILED | 1u << JOB_EXPIRED, .finished_after_us = body->since_us, .finished_before_us = body->until_us,
	};
	buf_init(&text, 16 * 1024);
	filter_write(filter, &text);
	op->operation.filter = buf_ok(&text) ? arena_str(&call->request.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return op->operation.filter.ptr || problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.") == E_OK;
}

bool recover_decode(struct call *call)
{
	struct recover_body body = { 0 };
	struct json json;
	uint64_t present;
	struct op *op = call_op(call, OP_OPERATION_START);
	if (!op)
		return false;
	body_json(call, &json);
	if (!json_read_fields(&json, recover_fields, ARRAY_COUNT(recover_fields), &body, NULL, &present) || !json_finish(&json))
		return false;
	if (present & 2u && body.until_us < 1)
		body.until_us = 1; /* 0 would be: for ever */
	if (!replay_check_span(&json, body.since_us, body.until_us))
		return false;
	call->number = body.dry_run;
	op->operation.action = OP_RETRY;
	op->operation.endpoint = body_queue(call);
	return recover_filter(call, &body, op);
}

bool replay_decode(struct call *call)
{
	struct json json;
	struct op *op = call_op(call, OP_OPERATION_START);
	struct replay *replay = op ? ARENA_NEW(&call->request.arena, struct replay) : NULL;
	if (!replay)
		return op ? problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.") == E_OK : false;
	body_json(call, &json);
	if (!replay_read(&json, false, replay) || !json_finish(&json))
		return false;
	call->number = replay->dry_run;
	op->operation.action = OP_RESEND;
	op->operation.endpoint = body_queue(call);
	op->operation.replay = replay;
	return true;
}

/* ---- counted only ---- */

static void dry_respond(struct call *call, uint64_t sends, bool at_least, const struct replay_tally *tally)
{
	struct buf *out = &call->api->scratch;
	buf_clear(out);
	buf_add_byte(out, '{');
	json_put_field_u64(out, "sends", sends);
	json_put_field_bool(out, "at_least", at_least);
	for (int stand = 0; tally && stand < STANDS_COUNT; stand++)
		json_put_field_u64(out, replay_stand_words[stand], tally->stands[stand]);
	buf_add_byte(out, '}');
	if (buf_ok(out))
		call_respond(call, 200, STR("application/json"), STR(""), out);
	else
		call_refuse(call, E_NOMEM);
}

static void recover_counted(struct call *call)
{
	if (call->question.err)
		call_refuse(call, call->question.err);
	else
		dry_respond(call, call->question.answer.count, call->question.answer.count_is_least, NULL);
}

static void replay_counted(struct call *call)
{
	const struct answer *answer = &call->question.answer;
	const struct replay *replay = call->question.query.replay;
	struct replay_tally *tally = call->tally;
	uint64_t sends = 0;
	if (call->question.err) {
		call_refuse(call, call->question.err);
		return;
	}
	for (int stand = 0; stand < STANDS_COUNT; stand++) {
		tally->stands[stand] += answer->stands[stand];
		tally->sum += answer->stands[stand];
		sends += replay_sends(replay->only, (enum replay_stand)stand) ? tally->stands[stand] : 0;
	}
	if (answer->next_phase >= 2 || tally->sum >= COUNTED_MAX) {
		dry_respond(call, sends, answer->next_phase < 2, tally);
		return;
	}
	if (call->gone || call->api->quiescing) { /* there may be millions more */
		call_fail(call, E_UNAVAILABLE, "", "The daemon is stopping; ask again shortly.");
		return;
	}
	call->question.query.cursor_uid = answer->next_uid;
	arena_reset(&call->question.arena);
	call_ask(call, replay_counted);
}

/* What the engine would say to the work itself. Settings that cannot be read: the reader says so. */
static enum err replay_refusal(struct call *call, const struct named_info *info)
{
	struct endpoint_settings settings;
	struct json json;
	endpoint_settings_default(&settings);
	json_init(&json, info->text, &call->request.arena, NULL);
	if (!endpoint_settings_read(&json, &settings) || settings.kind != ENDPOINT_POLL)
		return E_OK;
	return problem_set(&call->problem, E_STATE, "endpoint", "Nothing is sent to this endpoint: it asks by itself.");
}

/* Behind all that came before, and where there is such an endpoint. */
static void dry_ask(struct call *call)
{
	const struct request *request = &call->request;
	enum err err = request->err ? request->err : request->ops[0].result.err;
	if (!err && call->question.query.replay)
		err = replay_refusal(call, request->ops[0].result.nameds);
	if (err)
		call_refuse(call, err);
	else
		call_ask(call, call->question.query.replay ? replay_counted : recover_counted);
}

static void dry_begin(struct call *call)
{
	struct op *op = &call->request.ops[0];
	struct query *query = &call->question.query;
	struct queue_name endpoint = op->operation.endpoint;
	query->kind = op->operation.replay ? QUERY_REPLAY : QUERY_COUNT;
	query->count_max = COUNTED_MAX;
	query->namespace_name = endpoint.namespace_name;
	query->id = endpoint.name;
	query->replay = op->operation.replay;
	call->tally = ARENA_NEW(&call->request.arena, struct replay_tally);
	*op = (struct op){ .kind = OP_NAMED_GET, .named = { .kind = NAMED_ENDPOINT, .named = endpoint } };
	if (!call->tally)
		call_refuse(call, E_NOMEM);
	else if (!access_list(call, (struct queue_name){ endpoint.namespace_name, STR("webhooks") }))
		call_refuse(call, call->problem.err);
	else
		call_submit(call, dry_ask);
}

void recover_begin(struct call *call)
{
	if (call->number)
		dry_begin(call);
	else
		call_run(call);
}
