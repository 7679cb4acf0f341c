/* src/api/poll.c: GET /v1/endpoints/{endpoint}/poll: the messages that an endpoint wants, for a consumer that asks instead of being called.
 *
 * A consumer has a place: all before it was told. Places go by commits, not by the messages' ids: a message that was made earlier may be committed
 * later, and is told then. When nothing is there it waits, and a reader is asked again when messages that came by here were committed, at most every
 * POLL_PACE_MS, and at most every POLL_SLOW_MS when anything else was, which may be a message of ruche's own, or a change of the endpoint: many that
 * wait must not cost more than what they wait for.
 *
 * A place as text is "<commit>.<uid>.<milliseconds>": the message behind which to go on (without a uid: all of that commit was told), and up to when
 * the consumer knows of everything, for telling that messages may have gone meanwhile. */
#include "api/body.h"
#include "api/routes.h"
#include "base/mem.h"
#include "rules/endpoint.h"
#include "rules/webhook_body.h"
#include <stdio.h>
#include <sys/queue.h>

#define POLL_DEFAULT  100
#define POLL_BYTES    ((size_t)4 * 1024 * 1024)
#define POLL_PACE_MS  20
#define POLL_SLOW_MS  1000
#define POLL_SCAN_MS  2000 /* behind its time, for a scan that has found nothing yet */
#define PLACE_BYTES   80
#define UID_LAST      ((uint64_t)INT64_MAX)
#define AGAIN_US      INT64_C(60000000) /* after a place of another life of the store, what is so much older is told again */

struct place {
	uint64_t seq, uid;
	int64_t at_us;
};
struct poll {
	LIST_ENTRY(poll) link;
	struct call *call;
	bool resumes, begun, asking, gap;
	struct place place;
	enum webhook_format format;
	uint64_t least_uid;           /* older ones are passed over */
	uint64_t seen_seq;            /* what the last answer saw */
	int64_t asked_ms, wake_ms, deadline_ms;
	int64_t stop_ms;              /* a scan does not go on after it; 0: nobody waits for what it finds */
};
struct polls {
	uv_timer_t timer;
	LIST_HEAD(, poll) all;
	uint64_t heard_seq;           /* newest commit with a message that came by here */
};

static void poll_ask(struct poll *poll);

/* ---- one timer for all that wait ---- */

static int64_t polls_now_ms(const struct api *api)
{
	return (int64_t)uv_now(api->config.loop);
}

static void polls_alarm(uv_timer_t *timer)
{
	struct api *api = timer->data;
	int64_t now_ms = polls_now_ms(api), next_ms = INT64_MAX;
	struct poll *poll;
	LIST_FOREACH(poll, &api->polls->all, link) /* the answer comes later: none ends here */
		if (!poll->asking && poll->wake_ms <= now_ms)
			poll_ask(poll);
	LIST_FOREACH(poll, &api->polls->all, link)
		if (!poll->asking && poll->wake_ms < next_ms)
			next_ms = poll->wake_ms;
	if (next_ms != INT64_MAX)
		uv_timer_start(timer, polls_alarm, (uint64_t)(next_ms > now_ms ? next_ms - now_ms : 0), 0);
}

static void poll_wake_at(struct poll *poll, int64_t at_ms)
{
	uv_timer_t *timer = &poll->call->api->polls->timer;
	int64_t now_ms = polls_now_ms(poll->call->api);
	uint64_t wait_ms = at_ms > now_ms ? (uint64_t)(at_ms - now_ms) : 0;
	poll->wake_ms = at_ms;
	if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > wait_ms)
		uv_timer_start(timer, polls_alarm, wait_ms, 0);
}

enum err polls_init(struct api *api)
{
	api->polls = mem_zalloc(sizeof(*api->polls));
	if (!api->polls)
		return E_NOMEM;
	uv_timer_init(api->config.loop, &api->polls->timer);
	api->polls->timer.data = api;
	return E_OK;
}

static void polls_closed(uv_handle_t *handle)
{
	mem_free(handle); /* the timer is the first member */
}
_Static_assert(offsetof(struct polls, timer) == 0, "polls_closed frees all by the timer");

void polls_fini(struct api *api)
{
	if (api->polls)
		uv_close((uv_handle_t *)&api->polls->timer, polls_closed);
}

/* When there may be something new for it. */
static void poll_expect(struct poll *poll)
{
	const struct api *api = poll->call->api;
	int64_t at_ms = poll->deadline_ms;
	if (poll->seen_seq < api->polls->heard_seq)
		at_ms = poll->asked_ms + POLL_PACE_MS;
	else if (poll->seen_seq < api->event_seq)
		at_ms = poll->asked_ms + POLL_SLOW_MS;
	if (at_ms < poll->wake_ms)
		poll_wake_at(poll, at_ms);
}

void polls_wake(struct api *api)
{
	struct poll *poll;
	LIST_FOREACH(poll, &api->polls->all, link)
		if (!poll->asking)
			poll_expect(poll);
}

void polls_heard(struct api *api, const struct request *request)
{
	uint32_t i = LIST_EMPTY(&api->polls->all) ? request->op_count : 0; /* who comes later sees it anyway */
	while (i < request->op_count && request->ops[i].kind != OP_MESSAGE)
		i++;
	if (i == request->op_count || request->commit_seq <= api->polls->heard_seq)
		return;
	api->polls->heard_seq = request->commit_seq;
	polls_wake(api);
}

/* Answered with what is there: its place is as good tomorrow. */
static void poll_hurry(struct poll *poll)
{
	poll->deadline_ms = poll->stop_ms = 0;
	if (!poll->asking)
		poll_wake_at(poll, 0);
}

void polls_quiesce(struct api *api)
{
	struct poll *poll;
	LIST_FOREACH(poll, &api->polls->all, link)
		poll_hurry(poll);
}

void poll_gone(struct call *call)
{
	if (call->poll)
		poll_hurry(call->poll);
}

void poll_drop(struct call *call)
{
	if (!call->poll)
		return;
	LIST_REMOVE(call->poll, link);
	mem_free(call->poll);
	call->poll = NULL;
}

/* ---- places ---- */

static void place_text(const struct place *place, char out[PLACE_BYTES])
{
	char uid[UID_TEXT_BYTES] = "";
	if (place->uid != UID_LAST)
		uid_text(place->uid, uid);
	snprintf(out, PLACE_BYTES, "%llu.%s.%lld", (unsigned long long)place->seq, uid, (long long)(place->at_us / 1000));
}

static bool place_parse(struct str text, struct place *out)
{
	struct str seq = { text.ptr, str_index(text, '.') }, uid = str_from(text, seq.len + 1);
	struct str at = str_from(uid, str_index(uid, '.') + 1);
	uint64_t at_ms;
	uid.len = str_index(uid, '.');
	out->uid = UID_LAST;
	if (!str_u64(seq, &out->seq) || out->seq >= INT64_MAX || (uid.len && uid_parse(uid, &out->uid)) || !str_u64(at, &at_ms) || at_ms > INT64_MAX / 1000)
		return false;
	out->at_us = (int64_t)at_ms * 1000;
	return true;
}

/* May messages behind it have gone? Those are kept for a while only, by their own instants. */
static bool place_is_old(const struct call *call, int64_t at_us)
{
	int64_t age_us = call->api->config.message_age_ms * 1000;
	return age_us && at_us < call_now_us(call) - age_us;
}

/* ---- asking and waiting ---- */

static void poll_respond(struct poll *poll)
{
	call_encode(poll->call); /* gives the call back, and the poll with it */
}

/* Where the consumer stands once the page is told. */
static void poll_advance(struct poll *poll)
{
	const struct answer *answer = &poll->call->question.answer;
	bool full = answer->scanned_short;
	const struct message_row *last = answer->message_count ? &answer->messages[answer->message_count - 1] : NULL;
	poll->place.seq = full ? answer->next_seq : answer->seq;
	poll->place.uid = full ? answer->next_uid : UID_LAST;
	if (!full)
		poll->place.at_us = call_now_us(poll->call);
	else if (last)
		poll->place.at_us = uid_time_us(last->uid);
	poll->resumes = true;
}

/* Once, with the first answer: is something missing before it? False: the place is of another life of the store, since a backup was put back; then its
 * instant says from where on. */
static bool poll_check_gap(struct poll *poll)
{
	const struct answer *answer = &poll->call->question.answer;
	poll->begun = true;
	if (!poll->resumes)
		poll->place.at_us = answer->endpoint->created_us;
	poll->gap = place_is_old(poll->call, poll->place.at_us);
	if (!poll->resumes || poll->place.seq <= answer->seq)
		return true;
	poll->gap = true;
	poll->resumes = false;
	poll->least_uid = poll->place.at_us > AGAIN_US ? uid_floor(poll->place.at_us - AGAIN_US) : 0;
	return false;
}

static enum err poll_refusal(struct call *call)
{
	const struct answer *answer = &call->question.answer;
	struct endpoint_settings settings;
	struct problem problem = { 0 };
	struct json json;
	endpoint_settings_default(&settings);
	json_init(&json, answer->endpoint->text, &call->question.arena, &problem);
	if (!endpoint_settings_read(&json, &settings))
		return E_NOMEM; /* the reader could */
	if (settings.kind != ENDPOINT_POLL)
		return problem_set(&call->problem, E_STATE, "endpoint", "This endpoint is called by ruche: only one of kind poll can be asked.");
	if (answer->endpoint->state != NAMED_ENABLED)
		return problem_set(&call->problem, E_STATE, "endpoint", "This endpoint is paused or disabled: nothing is told until it is resumed.");
	return webhook_format_parse(settings.format, &call->poll->format) ? E_OK : E_STATE;
}

/* The place in the middle of a scan is as good as any, but for one that passes messages over by their instants: those would be told behind it. */
static bool poll_is_over(const struct poll *poll)
{
	int64_t now_ms = polls_now_ms(poll->call->api);
	if (poll->call->question.answer.scanned_short)
		return now_ms >= poll->stop_ms && !poll->least_uid;
	return now_ms >= poll->deadline_ms;
}

static void poll_answered(struct call *call)
{
	struct poll *poll = call->poll;
	const struct answer *answer = &call->question.answer;
	enum err err = call->question.err;
	poll->asking = false;
	if (err == E_INVALID)
		err = problem_set(&call->problem, E_STATE, "endpoint", "The settings of this endpoint cannot be read: put them anew.");
	err = err ? err : poll_refusal(call);
	if (err) {
		call_refuse(call, err);
		return;
	}
	if (!poll->begun && !poll_check_gap(poll)) {
		poll_ask(poll);
		return;
	}
	poll->seen_seq = answer->seq;
	poll_advance(poll);
	if (answer->message_count || poll_is_over(poll)) {
		poll_respond(poll);
	} else if (answer->scanned_short && poll->least_uid && !poll->stop_ms) {
		call_fail(call, E_UNAVAILABLE, "", "The daemon is stopping; ask again shortly.");
	} else if (answer->scanned_short) {
		poll_ask(poll);
	} else {
		poll_wake_at(poll, poll->deadline_ms);
		poll_expect(poll);
	}
}

static void poll_ask(struct poll *poll)
{
	struct call *call = poll->call;
	struct query *query = &call->question.query;
	arena_reset(&call->question.arena);
	query->poll = (struct poll_place){ .resumes = poll->resumes, .after_seq = poll->place.seq, .after_uid = poll->place.uid,
					   .least_uid = poll->least_uid, .bytes_max = POLL_BYTES };
	poll->asking = true;
	poll->asked_ms = polls_now_ms(call->api);
	call_ask(call, poll_answered);
}

/* ---- the route ---- */

/* A token that is limited names the endpoints that it may ask, as others name queues. */
static enum err poll_check_access(struct call *call, struct queue_name endpoint)
{
	if (token_allows(call->token, endpoint))
		return E_OK;
	return problem_set(&call->problem, E_FORBIDDEN, "endpoint", "This token is limited to others than \"" STR_FMT "\".",
			   STR_ARG(str_cut(endpoint.name, 100)));
}

static enum err poll_begin(struct call *call, struct poll *poll)
{
	struct query *query = &call->question.query;
	struct str after = call_param(call, "after")->text;
	int64_t wait_ms = call->api->quiescing ? 0 : call_param(call, "wait_ms")->number;
	poll->resumes = after.len > 0;
	if (after.len && !place_parse(after, &poll->place))
		return problem_set(&call->problem, E_INVALID, "after", "This is no place of a consumer; take `next` as it came.");
	query->kind = QUERY_POLL;
	query->namespace_name = call_param(call, "namespace")->text;
	query->id = call->pieces[0];
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : POLL_DEFAULT;
	poll->deadline_ms = polls_now_ms(call->api) + wait_ms;
	poll->stop_ms = call->api->quiescing ? 0 : poll->deadline_ms + POLL_SCAN_MS;
	return E_OK;
}

void poll_get(struct call *call)
{
	enum err err = poll_check_access(call, body_queue(call));
	struct poll *poll = err ? NULL : mem_zalloc(sizeof(*poll));
	if (!poll) {
		call_refuse(call, err ? err : E_NOMEM);
		return;
	}
	poll->call = call;
	call->poll = poll;
	LIST_INSERT_HEAD(&call->api->polls->all, poll, link);
	err = poll_begin(call, poll);
	if (err)
		call_refuse(call, err);
	else
		poll_ask(poll);
}

static void item_write(struct buf *out, struct call *call, const struct message_row *row)
{
	char id[4 + UID_TEXT_BYTES] = "msg_";
	struct webhook_shape shape;
	struct buf body;
	uid_text(row->uid, id + 4);
	const char *source = arena_printf(&call->question.arena, "/ruche/" STR_FMT, STR_ARG(row->namespace_name));
	const struct webhook_input input = { .id = str_of(id), .type = row->type, .entity = row->entity, .source = str_of(source), .payload = row->payload,
					     .at_us = uid_time_us(row->uid) };
	buf_init(&body, CALL_ARENA_MAX);
	enum err err = source ? webhook_body(call->poll->format, &input, &call->question.arena, &body, &shape, NULL) : E_NOMEM;
	buf_add_byte(out, '{');
	json_put_field_str(out, "id", str_of(id));
	json_put_field_str(out, "type", row->type);
	json_put_field_instant(out, "timestamp", input.at_us);
	json_put_field_text(out, "entity", row->entity);
	json_put_field_bool(out, "deleted", (row->flags & MESSAGE_DELETED) != 0);
	json_put_field_raw(out, "body", buf_str(&body));
	buf_add_byte(out, '}');
	out->failed |= err || !buf_ok(&body); /* these formats take any payload */
	buf_fini(&body);
}

void poll_encode(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	char next[PLACE_BYTES];
	buf_add_lit(out, "{\"data\":[");
	for (uint32_t i = 0; i < answer->message_count; i++) {
		json_put_comma(out);
		item_write(out, call, &answer->messages[i]);
	}
	buf_add_byte(out, ']');
	place_text(&call->poll->place, next);
	json_put_field_str(out, "next", str_of(next));
	json_put_field_bool(out, "done", !answer->scanned_short);
	json_put_field_bool(out, "gap", call->poll->gap);
	buf_add_byte(out, '}');
}
