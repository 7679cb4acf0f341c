#include "deliver/hook.h"
#include "base/base64.h"
#include "base/check.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/uid.h"
#include "deliver/header_builder.h"
#include "http/client.h"
#include "rules/format_input.h"
#include "rules/http_header.h"
#include "rules/signature.h"
#include "rules/url_template.h"
#include "rules/webhook_body.h"
#include <stdarg.h>
#include <stdio.h>

#define HOOK_TEXT_BYTES  (4 * (size_t)LIMIT_BODY_MAX) /* bodies, at their longest: a form, percent-encoded */
#define HOOK_KEPT_BYTES  (1u << 20)                   /* a larger buffer is given back after the call */
#define HOOK_OWN_HEADERS 12                           /* besides the endpoint's and the format's, at most */
#define HOOK_KEYS        (2 * SECRET_PORT_VALUES)
#define HOOK_SECRET_LEAST 8                           /* shorter values stand in any text */

#define HOOK_STEPS(X) X(READ, read) X(OUTDATED, outdated) X(RETRACT, retract) X(SHAPE, shape) X(ADDRESS, address) X(AUTHORISE, authorise) X(SIGN, sign)
#define X(NAME, name) STEP_##NAME,
enum hook_step { HOOK_STEPS(X) STEP_COUNT, STEP_CALL = STEP_COUNT, STEP_PROGRAM, STEP_TOKEN, STEP_FILTERED, STEP_FAILED, STEP_NO_MEMORY };
#undef X

struct hook_work { /* one attempt on its way through the steps */
	struct hook_room *room;
	const struct effect *effect;
	const struct job_view *view;
	const struct shaping *shaped;
	const struct hook_parts *parts; /* of the batch whose call it is; NULL: it is none */
	const struct message_row *message;
	const struct endpoint_settings *settings;
	const struct endpoint_target *endpoint;
	struct arena *arena;
	int64_t now_us;
	void *snapshot;             /* of secrets */
	struct str external_id;     /* known from an earlier delivery; empty: none */
	struct str payload;
	struct webhook_shape shape;
	struct header_builder headers;
	struct hook *hook;
	uint32_t secret_capacity;
	struct hook_answer *out;
};

void hook_room_init(struct hook_room *room, const struct secret_port *secrets, struct oauth_room *tokens)
{
	*room = (struct hook_room){ .secrets = *secrets, .tokens = tokens, .text = { .max_bytes = HOOK_TEXT_BYTES } };
}

void hook_room_fini(struct hook_room *room)
{
	endpoint_cache_fini(&room->endpoints);
	buf_fini(&room->text);
}

static enum hook_step hook_fail(struct hook_work *work, enum http_class http_class, const char *format, ...) PRINTF_LIKE(3, 4);
static enum hook_step hook_fail(struct hook_work *work, enum http_class http_class, const char *format, ...)
{
	va_list args;
	work->out->http_class = http_class;
	va_start(args, format);
	vsnprintf(work->out->detail, sizeof(work->out->detail), format, args);
	va_end(args);
	return STEP_FAILED;
}

static enum hook_step hook_filter(struct hook_work *work, const char *reason)
{
	work->out->reason = reason;
	return STEP_FILTERED;
}

/* A rule refused, or memory ran out. */
static enum hook_step hook_refuse(struct hook_work *work, enum err err, enum http_class http_class, const struct problem *problem)
{
	return err == E_NOMEM ? STEP_NO_MEMORY : hook_fail(work, http_class, "%s", problem->detail[0] ? problem->detail : err_sentence(err));
}

/* ---- read ---- */

static struct str hook_first_of(struct str first, struct str second)
{
	return first.len ? first : second;
}

static bool hook_knows_entity(const struct hook_work *work)
{
	const struct entity_row *entity = &work->view->entity;
	return entity->entity.len && work->view->endpoint == work->effect->endpoint_number;
}

static bool hook_make(struct hook_work *work)
{
	char uid[UID_TEXT_BYTES];
	const struct message_row *message = work->message;
	struct hook *hook = ARENA_NEW(work->arena, struct hook);
	if (!hook)
		return false;
	uid_text(message->uid, uid);
	const char *id = arena_printf(work->arena, "msg_%s", uid);
	*hook = (struct hook){ .message = message->uid, .message_id = str_of(id), .test = message->flags & MESSAGE_TEST,
			       .entity = arena_str(work->arena, message->entity),
			       .external_id = arena_str(work->arena, work->settings->external_id),
			       .alone = !work->settings->retry_after.len };
	work->secret_capacity = 2 * (work->endpoint->header_count + 3); /* and of authorization: as it is, and coded */
	hook->secrets = ARENA_ARRAY(work->arena, struct str, work->secret_capacity);
	work->hook = hook;
	return id && hook->entity.ptr && hook->external_id.ptr && hook->secrets;
}

/* It is the call of a whole batch, whose body is there. */
static enum hook_step hook_join(struct hook_work *work)
{
	struct hook *hook = work->hook;
	bool events = str_eq(work->settings->format, STR("cloudevents")) && !work->parts->wrapped;
	hook->batch = true;
	hook->message_id = arena_str(work->arena, work->parts->id);
	hook->external_id = arena_str(work->arena, work->settings->batch.results);
	hook->entity = work->external_id = STR("");
	work->shape.content_type = events ? STR("application/cloudevents-batch+json") : STR("");
	return hook->message_id.ptr && hook->external_id.ptr ? STEP_ADDRESS : STEP_NO_MEMORY;
}

static enum hook_step hook_step_read(struct hook_work *work)
{
	const struct job_view *view = work->view;
	if (!work->effect->endpoint)
		return hook_fail(work, HTTP_CLASS_ENDPOINT_DELETED, "\"" STR_FMT "\" is gone", STR_ARG(view->definition.group));
	if (!view->message.uid)
		return hook_fail(work, HTTP_CLASS_BAD_TARGET, "its message is not kept any more");
	if (view->message.flags & MESSAGE_EXPUNGED)
		return hook_fail(work, HTTP_CLASS_BAD_TARGET, "the content of its message was removed on request");
	work->endpoint = endpoint_cache_take(&work->room->endpoints, work->effect->endpoint_number, work->effect->endpoint);
	if (!work->endpoint)
		return STEP_NO_MEMORY;
	if (!work->endpoint->usable)
		return hook_fail(work, HTTP_CLASS_BAD_TARGET, "the endpoint's settings cannot be used: %s", work->endpoint->problem.detail);
	work->settings = &work->endpoint->settings;
	work->message = &view->message;
	work->payload = view->edited_payload.len ? view->edited_payload : view->message.payload;
	if (hook_knows_entity(work) && view->entity.state == ENTITY_DELIVERED)
		work->external_id = view->entity.external_id;
	if (!hook_make(work))
		return STEP_NO_MEMORY;
	return work->parts ? hook_join(work) : STEP_OUTDATED;
}

/* ---- outdated, retract ---- */

static enum hook_step hook_step_outdated(struct hook_work *work)
{
	bool newer = hook_knows_entity(work) && work->view->entity.message > work->message->uid;
	if (newer && work->settings->order == ENDPOINT_ORDER_LATEST && !work->hook->test)
		return hook_filter(work, "superseded");
	return STEP_RETRACT;
}

/* There is nothing to say about the entity any more: the other side is told, if it ever heard of it. next: for its body. */
static enum hook_step hook_retract(struct hook_work *work, const char *reason, enum hook_step next)
{
	bool told = hook_knows_entity(work) && work->view->entity.state == ENTITY_DELIVERED;
	if (!told || !work->settings->retract.url.len)
		return hook_filter(work, reason);
	work->hook->retracts = true;
	return next;
}

/* Without a retract call, a message about something deleted goes its way as any other. */
static enum hook_step hook_step_retract(struct hook_work *work)
{
	bool deleted = (work->message->flags & MESSAGE_DELETED) && work->settings->retract.url.len;
	return deleted ? hook_retract(work, "deleted", work->settings->retract.with_body ? STEP_SHAPE : STEP_ADDRESS) : STEP_SHAPE;
}

/* ---- shape ---- */

static void hook_put_input(const struct hook_work *work, struct buf *out)
{
	const struct message_row *message = work->message;
	const struct endpoint_settings *settings = work->settings;
	const struct format_input input = {
		.id = work->hook->message_id, .type = message->type, .entity = message->entity, .at_us = uid_time_us(message->uid),
		.channels = message->channels, .metadata = message->metadata, .deleted = message->flags & MESSAGE_DELETED,
		.endpoint = work->view->definition.group, .tags = settings->tags, .endpoint_metadata = settings->metadata,
		.external_id = work->external_id, .attempt = (uint64_t)work->effect->attempts_made + 1, .payload = work->payload,
	};
	format_input_write(&input, out);
}

static enum hook_step hook_ask_program(struct hook_work *work, struct format_program *program)
{
	struct buf *text = &work->room->text;
	buf_clear(text);
	hook_put_input(work, text);
	if (text->len > FRAME_INPUT_BYTES)
		return hook_fail(work, HTTP_CLASS_FORMAT, "the message is larger than the %u MiB that a program takes", FRAME_INPUT_BYTES >> 20);
	work->out->input = buf_ok(text) ? arena_str(work->arena, buf_str(text)) : (struct str){ NULL, 0 };
	work->out->program = program;
	return work->out->input.ptr ? STEP_PROGRAM : STEP_NO_MEMORY;
}

static bool hook_sends_json(struct str content_type) /* application/json, …+json, whatever its parameters */
{
	struct str type = str_trim((struct str){ content_type.ptr, str_index(content_type, ';') });
	struct str end = type.len >= 5 ? str_from(type, type.len - 5) : type;
	return !type.len || str_eq_nocase(type, STR("application/json")) || str_eq_nocase(end, STR("+json"));
}

/* A text for a content type that is not JSON goes as it is, without quotes. */
static enum hook_step hook_take_value(struct hook_work *work, struct str value)
{
	struct json json;
	struct str body = value;
	json_init(&json, value, work->arena, NULL);
	if (!hook_sends_json(work->settings->content_type) && json_peek(&json) == JSON_STRING && !json_read_str(&json, value.len, &body))
		return hook_fail(work, HTTP_CLASS_FORMAT, "its text holds a NUL");
	work->out->call.body = arena_str(work->arena, body);
	return work->out->call.body.ptr ? STEP_ADDRESS : STEP_NO_MEMORY;
}

static enum hook_step hook_shape_by_program(struct hook_work *work)
{
	struct str name = work->settings->format;
	struct program_table *programs = work->room->programs;
	struct format_program *program = programs ? program_table_find(programs, work->message->namespace_name, name) : NULL;
	if (!program)
		return hook_fail(work, HTTP_CLASS_FORMAT, "no format \"" STR_FMT "\" is there", STR_ARG(name));
	if (!work->shaped)
		return hook_ask_program(work, program);
	switch (work->shaped->end) {
	case FORMAT_VALUE: return hook_take_value(work, work->shaped->text);
	case FORMAT_NOTHING: return work->hook->retracts ? STEP_ADDRESS : hook_retract(work, "nothing", STEP_ADDRESS);
	case FORMAT_OURS: return hook_fail(work, HTTP_CLASS_OURS, "the format could not be run: " STR_FMT, STR_ARG(work->shaped->text));
	case FORMAT_ERROR:
	case FORMAT_KILLED: break;
	}
	return hook_fail(work, HTTP_CLASS_FORMAT, STR_FMT, STR_ARG(work->shaped->text));
}

static enum hook_step hook_step_shape(struct hook_work *work)
{
	enum webhook_format format;
	struct problem problem = { 0 };
	struct buf *text = &work->room->text;
	if (!webhook_format_parse(work->settings->format, &format))
		return hook_shape_by_program(work);
	const char *source = arena_printf(work->arena, "/ruche/" STR_FMT, STR_ARG(work->message->namespace_name));
	if (!source)
		return STEP_NO_MEMORY;
	struct webhook_input input = { .id = work->hook->message_id, .type = work->message->type, .entity = work->message->entity,
				       .source = str_of(source), .payload = work->payload, .at_us = uid_time_us(work->message->uid) };
	buf_clear(text);
	enum err err = webhook_body(format, &input, work->arena, text, &work->shape, &problem);
	if (err)
		return hook_refuse(work, err, HTTP_CLASS_FORMAT, &problem);
	work->out->call.body = arena_str(work->arena, buf_str(text));
	if (text->capacity > HOOK_KEPT_BYTES)
		buf_fini(text);
	return work->out->call.body.ptr ? STEP_ADDRESS : STEP_NO_MEMORY;
}

/* ---- address ---- */

static void hook_choose_address(const struct hook_work *work, struct str *url, struct str *method)
{
	const struct endpoint_settings *settings = work->settings;
	bool update = work->external_id.len;
	*url = update ? hook_first_of(settings->update_url, settings->url) : settings->url;
	*method = update ? hook_first_of(settings->update_method, settings->method) : settings->method;
	if (work->hook->retracts) {
		*url = settings->retract.url;
		*method = settings->retract.method;
	}
}

/* A retract call has done its work, too, where the thing is not there: 404, 410. */
static void hook_policy_of_retract(struct http_policy *policy)
{
	unsigned count = 0;
	while (count < HTTP_STATUS_RANGES && policy->success[count].from)
		count++;
	if (!count)
		policy->success[count++] = (struct http_range){ 200, 299 };
	if (count > HTTP_STATUS_RANGES - 2)
		count = HTTP_STATUS_RANGES - 2;
	policy->success[count] = (struct http_range){ 404, 404 };
	policy->success[count + 1] = (struct http_range){ 410, 410 };
}

static enum hook_step hook_step_address(struct hook_work *work)
{
	struct call *call = &work->out->call;
	struct problem problem = { 0 };
	struct str url, method;
	struct buf *text = &work->room->text;
	const struct url_values values = { .external_id = work->external_id, .entity = work->message->entity, .type = work->message->type,
					   .message = work->hook->message_id };
	hook_choose_address(work, &url, &method);
	buf_clear(text);
	enum err err = url_template_fill(url, &values, text, &problem);
	if (err)
		return hook_refuse(work, err, HTTP_CLASS_BAD_TARGET, &problem);
	url = arena_str(work->arena, buf_str(text));
	method = arena_str(work->arena, method);
	if (!url.ptr || !method.ptr)
		return STEP_NO_MEMORY;
	err = http_target_origin(url, work->arena, &call->origin);
	if (err)
		return hook_refuse(work, err, HTTP_CLASS_BAD_TARGET, &problem);
	call->url = url.ptr;
	call->method = method.ptr;
	call->policy = work->settings->policy;
	if (work->hook->retracts)
		hook_policy_of_retract(&call->policy);
	int64_t limit_ms = work->effect->timeout_ms;
	call->timeout_ms = limit_ms > 0 && limit_ms < work->settings->timeout_ms ? limit_ms : work->settings->timeout_ms;
	return STEP_AUTHORISE;
}

/* ---- secrets ---- */

/* STEP_CALL: found. So with all that follow: nothing stands in the way of the call. */
static enum hook_step hook_find_secret(struct hook_work *work, struct str reference, struct secret_values *out)
{
	const struct secret_port *port = &work->room->secrets;
	if (port->hold && !work->snapshot && !(work->snapshot = port->hold(port->context)))
		return STEP_NO_MEMORY;
	if (!port->hold || !port->find(work->snapshot, work->message->namespace_name, reference, work->now_us, out) || !out->count)
		return hook_fail(work, HTTP_CLASS_SECRET_MISSING, "there is no \"" STR_FMT "\"", STR_ARG(reference));
	return STEP_CALL;
}

static bool hook_add_secret(struct hook_work *work, struct str value)
{
	if (value.len < HOOK_SECRET_LEAST)
		return true;
	struct str copy = arena_str(work->arena, value);
	CHECK(work->hook->secret_count < work->secret_capacity);
	if (copy.ptr)
		work->hook->secrets[work->hook->secret_count++] = copy;
	return copy.ptr != NULL;
}

/* The value is to be seen nowhere but in the call, nor as JSON would write it. */
static bool hook_remember_secret(struct hook_work *work, struct str value)
{
	struct buf *text = &work->room->text;
	buf_clear(text);
	json_put_str(text, value);
	if (!buf_ok(text) || !hook_add_secret(work, value))
		return false;
	struct str inside = { text->ptr + 1, text->len - 2 };
	bool done = str_eq(inside, value) || hook_add_secret(work, inside);
	bytes_wipe(text->ptr, text->len);
	return done;
}

/* The current value of a secret that is to stand in a header. */
static enum hook_step hook_header_secret(struct hook_work *work, struct str reference, struct str *out)
{
	struct secret_values secret;
	enum hook_step step = hook_find_secret(work, reference, &secret);
	if (step != STEP_CALL)
		return step;
	if (http_header_value_refusal(secret.values[0]))
		return hook_fail(work, HTTP_CLASS_SECRET_MISSING, "\"" STR_FMT "\" holds line breaks or control characters, which no header can",
				 STR_ARG(reference));
	*out = secret.values[0];
	return hook_remember_secret(work, *out) ? STEP_CALL : STEP_NO_MEMORY;
}

/* ---- authorise ---- */

static enum hook_step hook_authorise_basic(struct hook_work *work, struct str secret)
{
	const struct endpoint_auth *auth = &work->settings->auth;
	char *plain = auth->user.len ? arena_printf(work->arena, STR_FMT ":" STR_FMT, STR_ARG(auth->user), STR_ARG(secret))
				     : arena_printf(work->arena, STR_FMT, STR_ARG(secret));
	char *coded = plain ? arena_zalloc(work->arena, BASE64_BYTES(strlen(plain)) + 1) : NULL;
	if (!coded)
		return STEP_NO_MEMORY;
	base64_write(str_of(plain), coded);
	if (!hook_remember_secret(work, str_of(coded)))
		return STEP_NO_MEMORY;
	header_builder_add_line(&work->headers, arena_printf(work->arena, "Authorization: Basic %s", coded));
	return STEP_CALL;
}

static enum hook_step hook_add_bearer(struct hook_work *work, struct str token)
{
	header_builder_add_line(&work->headers, arena_printf(work->arena, "Authorization: Bearer " STR_FMT, STR_ARG(token)));
	return hook_remember_secret(work, token) ? STEP_CALL : STEP_NO_MEMORY;
}

static enum hook_step hook_authorise_oauth(struct hook_work *work)
{
	const struct endpoint_auth *auth = &work->settings->auth;
	struct secret_values secret;
	enum hook_step step = hook_find_secret(work, auth->secret, &secret);
	if (step != STEP_CALL)
		return step;
	struct oauth_wish wish = { .endpoint = work->endpoint->number, .version = work->endpoint->version, .token_url = auth->token_url,
				   .client_id = auth->client_id, .secret = secret.values[0], .scope = auth->scope, .audience = auth->audience,
				   .in_body = auth->in_body };
	struct str token;
	if (!oauth_find(work->room->tokens, &wish, &token, &work->hook->token_since_us)) {
		wish.secret = arena_str(work->arena, wish.secret); /* the snapshot is dropped before it is asked with */
		work->out->wish = wish;
		return wish.secret.ptr ? STEP_TOKEN : STEP_NO_MEMORY;
	}
	work->hook->token = arena_str(work->arena, token);
	return work->hook->token.ptr ? hook_add_bearer(work, work->hook->token) : STEP_NO_MEMORY;
}

static enum hook_step hook_add_authorization(struct hook_work *work)
{
	const struct endpoint_auth *auth = &work->settings->auth;
	struct str secret;
	if (auth->kind == ENDPOINT_AUTH_NONE)
		return STEP_CALL;
	if (auth->kind == ENDPOINT_AUTH_OAUTH2)
		return hook_authorise_oauth(work);
	enum hook_step step = hook_header_secret(work, auth->secret, &secret);
	if (step != STEP_CALL)
		return step;
	return auth->kind == ENDPOINT_AUTH_BASIC ? hook_authorise_basic(work, secret) : hook_add_bearer(work, secret);
}

static bool hook_names_header(const struct hook_work *work, struct str name)
{
	for (uint32_t i = 0; i < work->endpoint->header_count; i++)
		if (str_eq_nocase(work->endpoint->headers[i].name, name))
			return true;
	return false;
}

static enum hook_step hook_add_headers(struct hook_work *work)
{
	bool authorised = work->settings->auth.kind != ENDPOINT_AUTH_NONE;
	for (uint32_t i = 0; i < work->endpoint->header_count; i++) {
		struct str name = work->endpoint->headers[i].name, value = work->endpoint->headers[i].text;
		if (authorised && str_eq_nocase(name, STR("authorization")))
			continue; /* auth says it */
		if (work->endpoint->headers[i].is_secret) {
			enum hook_step step = hook_header_secret(work, value, &value);
			if (step != STEP_CALL)
				return step;
		}
		header_builder_add(&work->headers, name, value);
	}
	return STEP_CALL;
}

static void hook_add_default(struct hook_work *work, struct str name, struct str value) /* the endpoint's own word wins */
{
	if (value.len && !hook_names_header(work, name))
		header_builder_add(&work->headers, name, value);
}

static void hook_add_ours(struct hook_work *work)
{
	const struct webhook_shape *shape = &work->shape;
	struct str type = hook_first_of(work->settings->content_type, hook_first_of(shape->content_type, STR("application/json")));
	hook_add_default(work, STR("Content-Type"), type);
	hook_add_default(work, STR("User-Agent"), STR("ruche/" RUCHE_VERSION));
	for (uint32_t i = 0; i < shape->header_count; i++)
		hook_add_default(work, shape->headers[i].name, shape->headers[i].value);
	header_builder_add(&work->headers, STR("Idempotency-Key"), work->hook->message_id);
	unsigned long long attempt = (unsigned long long)work->effect->attempts_made + 1;
	header_builder_add_line(&work->headers, arena_printf(work->arena, "Ruche-Attempt: %llu", attempt));
	header_builder_add_trace(&work->headers, work->view->definition.trace);
}

static enum hook_step hook_add_authority(struct hook_work *work, struct http_tls *tls)
{
	struct secret_values secret;
	if (!work->settings->tls.ca.len)
		return STEP_CALL;
	enum hook_step step = hook_find_secret(work, work->settings->tls.ca, &secret);
	if (step != STEP_CALL)
		return step;
	tls->ca = arena_str(work->arena, secret.values[0]);
	return tls->ca.ptr ? STEP_CALL : STEP_NO_MEMORY;
}

static enum hook_step hook_add_identity(struct hook_work *work, struct http_tls *tls)
{
	struct secret_values certificate, key;
	if (!work->settings->tls.certificate.len) /* its key comes with it */
		return STEP_CALL;
	enum hook_step step = hook_find_secret(work, work->settings->tls.certificate, &certificate);
	if (step == STEP_CALL)
		step = hook_find_secret(work, work->settings->tls.key, &key);
	if (step != STEP_CALL)
		return step;
	tls->identity = str_of(arena_printf(work->arena, STR_FMT "\n" STR_FMT, STR_ARG(certificate.values[0]), STR_ARG(key.values[0])));
	return tls->identity.ptr ? STEP_CALL : STEP_NO_MEMORY;
}

static enum hook_step hook_add_tls(struct hook_work *work)
{
	if (!work->settings->tls.ca.len && !work->settings->tls.certificate.len)
		return STEP_CALL;
	struct http_tls *tls = ARENA_NEW(work->arena, struct http_tls);
	if (!tls)
		return STEP_NO_MEMORY;
	work->out->call.tls = tls;
	enum hook_step step = hook_add_authority(work, tls);
	return step == STEP_CALL ? hook_add_identity(work, tls) : step;
}

static enum hook_step hook_step_authorise(struct hook_work *work)
{
	header_builder_init(&work->headers, work->arena, work->endpoint->header_count + WEBHOOK_HEADERS + HOOK_OWN_HEADERS);
	hook_add_ours(work);
	enum hook_step step = hook_add_authorization(work);
	if (step == STEP_CALL)
		step = hook_add_headers(work);
	if (step == STEP_CALL)
		step = hook_add_tls(work);
	return step == STEP_CALL ? STEP_SIGN : step;
}

/* ---- sign ---- */

struct hook_keys {
	struct signing_key keys[HOOK_KEYS];
	uint32_t count;
};

/* Adds the secret's keys of one scheme; those of the other are passed over. */
static enum hook_step hook_add_keys(struct hook_work *work, struct str reference, enum signing_scheme scheme, struct hook_keys *keys)
{
	struct secret_values secret;
	struct problem problem;
	uint32_t before = keys->count;
	enum hook_step step = hook_find_secret(work, reference, &secret);
	if (step != STEP_CALL)
		return step;
	for (uint32_t i = 0; i < secret.count && keys->count < HOOK_KEYS; i++) {
		struct signing_key *key = &keys->keys[keys->count];
		if (!signing_key_read(secret.values[i], key, &problem) && key->scheme == scheme && !key->public_only)
			keys->count++;
	}
	if (keys->count > before)
		return STEP_CALL;
	return hook_fail(work, HTTP_CLASS_SECRET_MISSING, "no value of \"" STR_FMT "\" is a key to sign with: %s and base64 are", STR_ARG(reference),
			 scheme == SIGNING_V1 ? "whsec_" : "whsk_");
}

static enum hook_step hook_collect_keys(struct hook_work *work, struct hook_keys *keys)
{
	const struct endpoint_sign *sign = &work->settings->sign;
	struct str reference = sign->secret;
	if (!reference.len)
		reference = str_of(arena_printf(work->arena, "endpoint/" STR_FMT, STR_ARG(work->view->definition.group)));
	if (!reference.len)
		return STEP_NO_MEMORY;
	enum hook_step step = hook_add_keys(work, reference, sign->kind == ENDPOINT_SIGN_V1A ? SIGNING_V1A : SIGNING_V1, keys);
	return step == STEP_CALL && sign->kind == ENDPOINT_SIGN_BOTH ? hook_add_keys(work, sign->secret_v1a, SIGNING_V1A, keys) : step;
}

static enum hook_step hook_add_signature(struct hook_work *work, struct str name, int64_t at_s)
{
	struct hook_keys keys = { .count = 0 };
	struct buf *text = &work->room->text;
	enum hook_step step = hook_collect_keys(work, &keys);
	if (step == STEP_CALL) {
		buf_clear(text);
		if (signature_write(text, keys.keys, keys.count, work->hook->message_id, at_s, work->out->call.body))
			step = STEP_NO_MEMORY;
		else
			header_builder_add(&work->headers, name, buf_str(text));
	}
	bytes_wipe(&keys, sizeof(keys));
	return step;
}

/* What goes without a body: a call whose method has none. Receivers that verify refuse a body of no bytes, so "null" is sent then. */
static void hook_settle_body(struct hook_work *work)
{
	struct call *call = &work->out->call;
	struct str method = str_of(call->method);
	if (str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")))
		call->body = STR("");
	else if (!call->body.len)
		call->body = work->settings->sign.kind == ENDPOINT_SIGN_NONE ? STR("") : STR("null");
}

static enum hook_step hook_step_sign(struct hook_work *work)
{
	static const struct {
		struct str id, timestamp, signature;
	} names[] = { { STR("webhook-id"), STR("webhook-timestamp"), STR("webhook-signature") },
		      { STR("svix-id"), STR("svix-timestamp"), STR("svix-signature") } };
	bool svix = work->settings->sign.svix;
	int64_t at_s = work->now_us / 1000000;
	hook_settle_body(work);
	header_builder_add(&work->headers, names[svix].id, work->hook->message_id);
	header_builder_add(&work->headers, names[svix].timestamp, str_of(arena_printf(work->arena, "%lld", (long long)at_s)));
	enum hook_step step = STEP_CALL;
	if (work->settings->sign.kind != ENDPOINT_SIGN_NONE)
		step = hook_add_signature(work, names[svix].signature, at_s);
	return step == STEP_CALL && work->headers.failed ? STEP_NO_MEMORY : step;
}

/* ---- all of them ---- */

static enum err hook_run(struct hook_work *work, enum hook_step step, enum hook_step until)
{
	static enum hook_step (*const steps[STEP_COUNT])(struct hook_work *) = {
#define X(NAME, name) [STEP_##NAME] = hook_step_##name,
		HOOK_STEPS(X)
#undef X
	};
	static const enum hook_end ends[] = { [STEP_CALL - STEP_COUNT] = HOOK_CALL, [STEP_PROGRAM - STEP_COUNT] = HOOK_PROGRAM,
					      [STEP_TOKEN - STEP_COUNT] = HOOK_TOKEN, [STEP_FILTERED - STEP_COUNT] = HOOK_FILTERED,
					      [STEP_FAILED - STEP_COUNT] = HOOK_FAILED };
	struct hook_answer *out = work->out;
	*out = (struct hook_answer){ .end = HOOK_CALL, .call = out->call };
	while (step < STEP_COUNT && step != until)
		step = steps[step](work);
	if (work->snapshot)
		work->room->secrets.drop(work->snapshot);
	if (step == STEP_NO_MEMORY)
		return E_NOMEM;
	out->end = step == until ? HOOK_CALL : ends[step - STEP_COUNT];
	out->call.headers = work->headers.lines;
	out->call.header_count = work->headers.count;
	out->call.hook = work->hook;
	return E_OK;
}

enum err hook_prepare(struct hook_room *room, const struct effect *effect, const struct job_view *view, const struct shaping *shaped, int64_t now_us,
		      struct arena *arena, struct hook_answer *out)
{
	struct hook_work work = { .room = room, .effect = effect, .view = view, .shaped = shaped, .arena = arena, .now_us = now_us, .out = out };
	out->call = (struct call){ 0 };
	return hook_run(&work, STEP_READ, STEP_CALL);
}

enum err hook_prepare_part(struct hook_room *room, const struct effect *effect, const struct job_view *view, int64_t now_us, struct arena *arena,
			   struct hook_answer *out)
{
	struct hook_work work = { .room = room, .effect = effect, .view = view, .arena = arena, .now_us = now_us, .out = out };
	out->call = (struct call){ 0 };
	return hook_run(&work, STEP_READ, STEP_ADDRESS);
}

enum err hook_prepare_batch(struct hook_room *room, const struct effect *effect, const struct job_view *view, const struct hook_parts *parts,
			    int64_t now_us, struct arena *arena, struct hook_answer *out)
{
	struct hook_work work = { .room = room, .effect = effect, .view = view, .parts = parts, .arena = arena, .now_us = now_us, .out = out };
	out->call = (struct call){ .body = parts->body };
	return hook_run(&work, STEP_READ, STEP_CALL);
}
