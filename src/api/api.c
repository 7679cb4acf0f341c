/* src/api/api.c: the API's life, and the way in: from an exchange to the handler of its route. */
#include "api/api.h"
#include "api/call.h"
#include "api/routes.h"
#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include <stdio.h>

#define IDEMPOTENCY_SEED 0x5275636865u /* the same in every life of the daemon: hashes are kept */

/* ---- life ---- */

struct api *api_new(const struct api_config *config, const struct api_ports *ports)
{
	struct api *api = mem_zalloc(sizeof(*api));
	CHECK(config->loop != NULL);
	if (!api)
		return NULL;
	api->config = *config;
	api->ports = *ports;
	api->maker = (struct uid_maker){ .last = config->last_uid, .maker = config->maker };
	buf_init(&api->scratch, ANSWER_MAX);
	buf_init(&api->openapi, ANSWER_MAX);
	shelf_init(&api->shelf, config->definition_cache_bytes);
	ports->now(ports->context, &api->started_us);
	ports->random(ports->context, &api->guess_seed, sizeof(api->guess_seed));
	api->roster = roster_new();
	if (!api->roster || events_init(api) || polls_init(api)) {
		api_free(api);
		return NULL;
	}
	tokens_learn(api);
	return api;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	calls_free(api);
	events_fini(api);
	polls_fini(api);
	workers_fini(api);
	source_table_fini(&api->sources);
	shelf_fini(&api->shelf);
	roster_drop(api->roster);
	roster_drop(api->next_roster);
	buf_fini(&api->scratch);
	buf_fini(&api->openapi);
	mem_free(api);
}

bool api_is_ready(const struct api *api)
{
	return api->ready;
}

void api_learn_tokens(struct api *api)
{
	tokens_learn(api);
}

void api_reply(struct api *api, struct request *request)
{
	struct call *call = request->owner;
	(void)api;
	call->patient = false;
	call->then(call);
}

void api_answer(struct api *api, struct question *question)
{
	struct call *call = question->owner;
	(void)api;
	call->then(call);
}

void api_compiled(struct api *api, struct compile *compile)
{
	(void)api;
	struct call *call = compile->owner;
	if (call->preview)
		previews_compiled(call);
	else
		formats_compiled(call);
}

enum err api_named(struct api *api, const struct effect_named *named)
{
	return source_table_put(&api->sources, named);
}

void api_events(struct api *api, uint64_t commit_seq)
{
	events_wake(api, commit_seq);
	polls_wake(api);
}

/* ---- leaving early ---- */

/* The waiting request comes back, cancelled or already answered. No memory: it comes back at its time-out. */
static void call_withdraw(struct call *call)
{
	if (!call->patient || call->withdrawn)
		return;
	struct call *errand = errand_new(call->api, OP_WITHDRAW, 1);
	if (!errand)
		return;
	call->withdrawn = true;
	errand->request.ops[0].withdraw = call->request.number;
	call_submit(errand, errand_done);
}

static void api_client_gone(struct http_exchange *exchange, void *context)
{
	struct call *call = context;
	(void)exchange;
	call->gone = true;
	call_withdraw(call);
	events_gone(call);
	poll_gone(call);
}

void api_quiesce(struct api *api)
{
	api->quiescing = true;
	for (struct call *call = api->live, *next; call; call = next) {
		next = call->next; /* errands are added at the front: not seen here */
		call_withdraw(call);
	}
	events_quiesce(api);
	polls_quiesce(api);
}

/* ---- the way in ---- */

static enum err api_admit(struct call *call)
{
	struct api *api = call->api;
	const struct route *route = call->route;
	roster_drop(call->roster); /* of its head, if that was judged before */
	call->roster = NULL;
	call->token = NULL;
	if (api->config.open || (route->flags & ROUTE_OPEN))
		return E_OK;
	if (!api->ready)
		return problem_set(&call->problem, E_UNAVAILABLE, "", "The tokens could not be read; the daemon's log says why.");
	enum err err = roster_admit(api->roster, http_header(call->exchange, STR("Authorization")), call_now_us(call), &call->token, &call->problem);
	if (err)
		return err;
	call->roster = roster_hold(api->roster);
	if (!scopes_include(call->token->scopes, route->scope))
		return problem_set(&call->problem, E_FORBIDDEN, "", "This needs a token with the scope \"%s\".", scope_name(route->scope));
	if ((route->flags & ROUTE_WHOLE) && !access_unlimited(call, "use this"))
		return call->problem.err;
	return E_OK;
}

bool media_is_json(struct str type)
{
	type = str_trim((struct str){ type.ptr, str_index(type, ';') });
	struct str suffix = str_from(type, type.len < 5 ? type.len : type.len - 5);
	return !type.len || str_eq_nocase(type, STR("application/json")) || str_eq_nocase(suffix, STR("+json"));
}

static enum err api_check_body(struct call *call, bool is_empty)
{
	struct str type = http_header(call->exchange, STR("Content-Type"));
	unsigned flags = call->route->flags;
	if (flags & ROUTE_RAW)
		return E_OK;
	if (!is_empty && !(flags & (ROUTE_BODY | ROUTE_MAY_BODY)))
		return problem_set(&call->problem, E_BAD_REQUEST, "body", "This address takes no body.");
	if (!is_empty && !media_is_json(type))
		return problem_set(&call->problem, E_UNSUPPORTED_MEDIA, "Content-Type", "Got \"" STR_FMT "\"; send 'Content-Type: application/json'.",
				   STR_ARG(str_cut(str_is_utf8(type) ? type : STR("?"), 60)));
	if (is_empty && (flags & ROUTE_BODY))
		return problem_set(&call->problem, E_MALFORMED, "body", "A JSON body is needed.");
	return E_OK;
}

static enum err api_take_key(struct call *call)
{
	struct str key = http_header(call->exchange, STR("Idempotency-Key"));
	if (!key.len)
		return E_OK;
	if (!(call->route->flags & ROUTE_ONCE))
		return problem_set(&call->problem, E_BAD_REQUEST, "Idempotency-Key", "This address does not understand Idempotency-Key; leave it out.");
	if (key.len > LIMIT_ID_BYTES || !str_is_utf8(key))
		return problem_set(&call->problem, E_INVALID, "Idempotency-Key", "Expected 1 to %d bytes of UTF-8.", LIMIT_ID_BYTES);
	unsigned long long number = call->token ? call->token->row.number : 0;
	char *text = arena_printf(&call->request.arena, "%llu:" STR_FMT, number, STR_ARG(key));
	if (!text)
		return problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.");
	call->request.idempotency_key = str_of(text);
	call->head_hash = str_hash(str_of(http_method_name(call->route->method)), IDEMPOTENCY_SEED);
	call->head_hash = str_hash(http_path(call->exchange), call->head_hash);
	call->head_hash = str_hash(http_query(call->exchange), call->head_hash);
	return E_OK;
}

static enum err api_prepare(struct call *call)
{
	struct http_exchange *exchange = call->exchange;
	enum err err = E_OK;
	if (call->route->flags & ROUTE_RAW)
		return E_OK; /* what senders add is theirs */
	if (http_query(exchange).len)
		err = route_read_params(call->route, exchange, &call->request.arena, call->params, &call->problem);
	return err ? err : api_take_key(call);
}

/* All that is not said yet of a request that is whole. */
static enum err api_prepare_whole(struct call *call)
{
	enum err err = call->judged ? E_OK : api_prepare(call);
	if (err || (call->judged && !http_is_chunked(call->exchange)))
		return err;
	return api_check_body(call, http_body(call->exchange).len == 0);
}

/* ---- decoding ---- */

/* On any thread: touches nothing but the call. */
static void call_decode(struct call *call)
{
	struct str body = buf_str(&call->request.body);
	if (call->request.idempotency_key.len)
		call->request.request_hash = str_hash(body, call->head_hash);
	call->decoded = call->decode(call);
	if (!call->decoded && call->problem.err == E_INVALID && !call->problem.field[0] && body.len)
		(void)json_check(body, &call->problem); /* "nonsense" is no null in the wrong place */
}

static bool call_has_claim(const struct call *call)
{
	for (uint32_t i = 0; i < call->request.op_count; i++)
		if (call->request.ops[i].kind == OP_CLAIM)
			return true;
	return false;
}

static void call_begin(struct call *call)
{
	if (call->request.idempotency_key.len && call_has_claim(call))
		call_fail(call, E_BAD_REQUEST, "Idempotency-Key", "A claim cannot be repeated; leave Idempotency-Key out.");
	else
		call->route->begin(call);
}

static void call_decode_done(struct call *call)
{
	if (!call->decoded)
		call_refuse(call, call->problem.err ? call->problem.err : E_NOMEM);
	else
		call_begin(call);
}

static void call_decode_away(uv_work_t *work)
{
	call_decode(work->data);
}

static void call_decode_back(uv_work_t *work, int status)
{
	struct call *call = work->data;
	if (status)
		call_fail(call, E_UNAVAILABLE, "", "The daemon is stopping; send it again shortly.");
	else
		call->then(call);
}

void call_decode_by(struct call *call, bool (*decode)(struct call *call), void (*then)(struct call *call))
{
	call->decode = decode;
	call->then = then;
	call->work.data = call;
	if (call->request.body.len > DECODE_HERE_MAX
	    && uv_queue_work(call->api->config.loop, &call->work, call_decode_away, call_decode_back) == 0)
		return;
	call_decode(call);
	then(call);
}

static void call_admitted(struct call *call)
{
	enum err err = api_prepare_whole(call);
	if (err) {
		call_refuse(call, err);
		return;
	}
	call->single = !call->route->list;
	if (call->route->flags & (ROUTE_BODY | ROUTE_MAY_BODY))
		http_take_body(call->exchange, &call->request.body);
	if (call->route->decode)
		call_decode_by(call, call->route->decode, call_decode_done);
	else
		call_begin(call);
}

static void call_admit(struct call *call)
{
	enum err err = api_admit(call);
	if (err)
		call_refuse(call, err);
	else
		call_admitted(call);
}

/* A token that is not known may be among those that are being learnt. */
static void call_enter(struct call *call)
{
	struct api *api = call->api;
	if (api->stale && !api->learning)
		tokens_learn(api);
	enum err err = api_admit(call);
	if (!err)
		call_admitted(call);
	else if (api->learning && (err == E_UNAUTHORIZED || err == E_UNAVAILABLE))
		tokens_await(call, call_admit);
	else
		call_refuse(call, err);
}

/* NULL: it is answered. */
static struct call *call_route(struct api *api, struct http_exchange *exchange)
{
	struct call *call = call_take(api, exchange);
	if (!call) {
		http_respond_str(exchange, 503, STR(""), STR("Retry-After: 1\r\n"), STR(""));
		return NULL;
	}
	http_set_context(exchange, call, api_client_gone);
	enum err err = route_find(http_method(exchange), http_path(exchange), &call->request.arena, &call->route, call->pieces, call->allow,
				  &call->problem);
	if (!err)
		return call;
	call_refuse(call, err);
	return NULL;
}

/* ---- the gate: by the head alone ---- */

static enum err call_let_body(struct call *call)
{
	const struct api_config *config = &call->api->config;
	size_t room = call->route->body_bytes;
	enum err err = E_OK;
	if (!room || room > config->body_bytes)
		room = config->body_bytes;
	if (call->route->flags & ROUTE_RAW)
		err = incoming_look(call, &room);
	if (!err && http_content_length(call->exchange) > room)
		err = problem_set(&call->problem, E_TOO_LARGE, "body", "At most %zu bytes are taken here.", room);
	if (!err)
		http_let_body(call->exchange, room, config->open || call->token);
	return err;
}

/* A token that is not known yet may be among those that are being learnt: its request comes in as one of nobody, and is judged when it is whole. */
static bool api_judge(void *context, struct http_exchange *exchange)
{
	struct api *api = context;
	struct call *call = call_route(api, exchange);
	if (!call)
		return false;
	if (api->stale && !api->learning)
		tokens_learn(api);
	enum err err = api_admit(call);
	bool waits = api->learning && (err == E_UNAUTHORIZED || err == E_UNAVAILABLE);
	if (!err)
		err = api_prepare(call);
	if (!err && !http_is_chunked(exchange))
		err = api_check_body(call, false);
	if (!err || waits)
		err = call_let_body(call);
	call->judged = !err && !waits;
	if (err)
		call_refuse(call, err);
	return !err;
}

static void api_lost(void *context, struct http_exchange *exchange)
{
	(void)context;
	call_give(http_context(exchange));
}

const struct http_gate api_gate = { .judge = api_judge, .lost = api_lost };

/* ---- whole ---- */

/* Its token may have been revoked while the body came. */
static bool call_is_admitted(const struct call *call)
{
	if (!call->judged || call->api->config.open || (call->route->flags & ROUTE_OPEN))
		return call->judged;
	return call->roster == call->api->roster && token_is_good(call->token, call_now_us(call));
}

void api_handle(void *context, struct http_exchange *exchange)
{
	struct call *call = http_context(exchange);
	if (!call)
		call = call_route(context, exchange);
	if (call && call_is_admitted(call))
		call_admitted(call);
	else if (call)
		call_enter(call);
}
