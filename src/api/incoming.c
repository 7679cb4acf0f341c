/* src/api/incoming.c: POST /in/{source}: a third party says what happened. Whether it is believed is judged by the bytes as they came, before anybody
 * reads them; then it is kept as a message or a job, and answered once that is on disk. The sender's id is the key: who hears no answer sends it
 * again, and it is there once.
 *
 *     incoming_look   turns away at the head what no source would receive, and wrong passwords
 *     incoming_post   finds the source, and holds its secret; large bodies go to another thread
 *     incoming_judge  believed? then its text becomes an operation
 *     incoming_judged refused and counted, or off to the engine
 *
 * A sender that is not believed learns what his request lacks, and nothing of the secret, nor whether there is one. */
#include "api/body.h"
#include "api/filter.h"
#include "api/name.h"
#include "api/routes.h"
#include "base/base64.h"
#include "base/check.h"
#include "base/crypto.h"
#include "base/json_tree.h"
#include "rules/http_header.h"
#include "rules/source_text.h"
#include "secret/secret.h"
#include <stdio.h>

#define WRAPPED_MORE  (8 * LIMIT_NAME_BYTES) /* of what is no JSON: its type, and the names of what is kept */
/* Of metadata: the names of headers that are left out fit besides. */
#define HEADERS_MAX   (LIMIT_METADATA_BYTES - SOURCE_HEADERS * (HTTP_HEADER_NAME_BYTES + 4) - 8 * LIMIT_NAME_BYTES)
#define ID_BYTES      200 /* of the sender; longer ones are told apart by their hash */
#define TELL_EVERY_US INT64_C(60000000)

struct reception {
	struct source *source;           /* held */
	struct secret_snapshot *secrets; /* held; NULL: none is needed */
	struct str values[SECRET_VALUES];
	size_t value_count;
	struct incoming incoming;
	struct json_node *body;          /* of the payload; NULL: no setting looks into it */
};

void incoming_drop(struct call *call)
{
	if (!call->reception)
		return;
	secret_snapshot_drop(call->reception->secrets);
	source_drop(call->reception->source);
	call->reception = NULL;
}

/* ---- judged, and made into an operation: perhaps on another thread ---- */

static struct str incoming_header(const void *exchange, const char *name)
{
	return http_header(exchange, str_of(name));
}

/* What is no JSON is told as JSON. */
static enum err payload_wrap(struct call *call, struct str type, struct str *out)
{
	struct str body = call->reception->incoming.body;
	bool text = str_is_utf8(body) && !memchr(body.ptr, 0, body.len);
	size_t bytes = (text ? json_str_bytes(body) : BASE64_BYTES(body.len)) + WRAPPED_MORE;
	struct buf wrapped;
	if (bytes > LIMIT_BODY_MAX)
		return problem_set(&call->problem, E_TOO_LARGE, "body", "What is no JSON is kept as JSON, and this would then have more than %d bytes.",
				   LIMIT_BODY_MAX);
	buf_init(&wrapped, bytes);
	buf_add_byte(&wrapped, '{');
	json_put_field_text(&wrapped, "content_type", str_cut(type, LIMIT_NAME_BYTES));
	if (text) {
		json_put_field_str(&wrapped, "text", body);
	} else {
		json_put_key(&wrapped, "base64");
		buf_add_byte(&wrapped, '"');
		char *room = buf_reserve(&wrapped, BASE64_BYTES(body.len));
		if (room) {
			base64_write(body, room);
			wrapped.len += BASE64_BYTES(body.len);
		}
		buf_add_byte(&wrapped, '"');
	}
	buf_add_byte(&wrapped, '}');
	*out = buf_ok(&wrapped) ? arena_str(&call->request.arena, buf_str(&wrapped)) : (struct str){ 0 };
	buf_fini(&wrapped);
	return out->ptr ? E_OK : E_NOMEM;
}

/* JSON stays as it came, byte for byte. Who says that it is JSON must send some; who says nothing may. */
static enum err payload_make(struct call *call, struct str *out)
{
	struct str type = incoming_header(call->exchange, "Content-Type"), body = call->reception->incoming.body;
	struct problem problem = { 0 };
	struct json json;
	*out = STR("null");
	if (!body.len)
		return E_OK;
	if (media_is_json(type)) {
		json_init(&json, body, &call->request.arena, &problem);
		if (json_read_raw(&json, out) && json_finish(&json))
			return E_OK;
		if (type.len || problem.err == E_NOMEM)
			return problem_set(&call->problem, problem.err, "body", "%s", problem.detail);
	}
	return payload_wrap(call, type, out);
}

/* Does a setting look into the body? */
static bool source_looks_inside(const struct source_settings *settings)
{
	const struct str texts[] = { settings->id, settings->type, settings->entity, settings->name, settings->group };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		if (str_index(texts[i], '$') < texts[i].len)
			return true;
	return false;
}

/* A payload of a great many small values is one that nobody will ever have the room to look into. */
static enum err payload_look(struct call *call, struct str payload)
{
	struct arena *arena = &call->request.arena;
	enum err err = json_tree_read(payload, arena, &call->reception->body, &call->problem);
	if (err == E_NOMEM && arena->used_bytes > CALL_ARENA_MAX / 4 * 3)
		return problem_set(&call->problem, E_TOO_LARGE, "body", "It has too many values for one of them to be looked up.");
	return err;
}

/* Empty when a place finds nothing. */
static enum err text_fill(struct call *call, struct str text, const char *field, size_t max_bytes, struct str *out)
{
	struct reception *reception = call->reception;
	struct str missing;
	struct buf filled;
	*out = STR("");
	buf_init(&filled, CALL_ARENA_MAX / 2);
	enum err err = E_OK;
	if (source_text_fill(text, &reception->incoming, reception->body, &filled, &missing)) {
		bool fits = filled.len <= max_bytes && !memchr(filled.len ? filled.ptr : "", 0, filled.len);
		if (fits)
			*out = arena_str(&call->request.arena, buf_str(&filled));
		else
			err = problem_set(&call->problem, E_INVALID, field, "What was sent makes a text for it that is longer than %zu bytes, or holds NUL.",
					  max_bytes);
	}
	err = !err && (!buf_ok(&filled) || !out->ptr) ? E_NOMEM : err;
	buf_fini(&filled);
	return err;
}

/* Under which it is known again: "in/", the source's name, "/", and the sender's id, or the hash of one that is long or no plain text. */
static enum err key_make(struct call *call, struct str *out)
{
	struct reception *reception = call->reception;
	const struct source *source = reception->source;
	struct arena *arena = &call->request.arena;
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct str id = { 0 };
	enum err err = E_OK;
	if (source->settings.id.len)
		err = text_fill(call, source->settings.id, "id", LIMIT_BODY_MAX, &id);
	else
		id = verifier_id(source->settings.verifier, &reception->incoming, arena);
	*out = (struct str){ 0 };
	if (err || !id.len)
		return err;
	bool plain = id.len <= ID_BYTES && str_is_utf8(id) && !http_header_value_refusal(id);
	if (!plain && sha256(&id, 1, hash))
		return E_NOMEM;
	for (size_t i = 0; !plain && i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	const char *text = arena_printf(arena, "in/" STR_FMT "/%s" STR_FMT, STR_ARG(source->name), plain ? "" : "sha256:",
					STR_ARG(plain ? id : str_of(hex)));
	*out = str_of(text);
	return text ? E_OK : E_NOMEM;
}

/* False: with this one they would be too large together. */
static bool metadata_put_header(struct buf *text, struct str name, struct str value)
{
	size_t before = text->len;
	json_put_comma(text);
	json_put_str(text, name);
	buf_add_byte(text, ':');
	json_put_str(text, value);
	if (text->len <= HEADERS_MAX)
		return true;
	text->len = before;
	return false;
}

/* A webhook is not lost for a fat header: those that the source names first are kept, and the ones that do not fit are named. */
static void metadata_put_headers(struct call *call, struct buf *text)
{
	const struct endpoint_words *headers = &call->reception->source->settings.headers;
	bool left_out[SOURCE_HEADERS] = { false };
	uint32_t left_out_count = 0;
	json_put_key(text, "headers");
	buf_add_byte(text, '{');
	for (uint32_t i = 0; i < headers->count; i++) {
		struct str value = http_header(call->exchange, headers->words[i]);
		left_out[i] = value.len && !metadata_put_header(text, headers->words[i], value);
		left_out_count += left_out[i];
	}
	buf_add_byte(text, '}');
	if (!left_out_count)
		return;
	json_put_key(text, "left_out");
	buf_add_byte(text, '[');
	for (uint32_t i = 0; i < headers->count; i++) {
		if (!left_out[i])
			continue;
		json_put_comma(text);
		json_put_str(text, headers->words[i]);
	}
	buf_add_byte(text, ']');
}

/* {"source":"gh","headers":{"x-github-event":"push"}}, and the names of those "left_out" for want of room */
static enum err metadata_make(struct call *call, struct str *out)
{
	const struct source *source = call->reception->source;
	struct buf text;
	buf_init(&text, CALL_ARENA_MAX / 2);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "source", source->name);
	metadata_put_headers(call, &text);
	buf_add_byte(&text, '}');
	CHECK(!buf_ok(&text) || text.len <= LIMIT_METADATA_BYTES);
	*out = buf_ok(&text) ? arena_str(&call->request.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return out->ptr ? E_OK : E_NOMEM;
}

/* What others say may hold anything: in a type that is an underscore. */
static void type_tidy(struct str type)
{
	for (size_t i = 0; i < type.len; i++)
		if (message_type_refusal((struct str){ type.ptr + i, 1 }))
			((char *)type.ptr)[i] = '_';
}

static enum err message_make(struct call *call, struct op_message *message)
{
	const struct source_settings *settings = &call->reception->source->settings;
	struct buf channels;
	enum err err = text_fill(call, settings->type, "into.message.type", MESSAGE_TYPE_BYTES, &message->type);
	if (!err && !message->type.len)
		err = problem_set(&call->problem, E_INVALID, "into.message.type", "The message's type is made of what was not sent.");
	if (!err)
		err = text_fill(call, settings->entity, "into.message.entity", LIMIT_ID_BYTES, &message->entity);
	if (err)
		return err;
	type_tidy(message->type);
	buf_init(&channels, LIMIT_NAMED_BYTES);
	endpoint_words_write(&settings->channels, &channels);
	if (settings->channels.count)
		message->channels = arena_str(&call->request.arena, buf_str(&channels));
	bool made = buf_ok(&channels) && (message->channels.ptr || !settings->channels.count);
	buf_fini(&channels);
	return made ? E_OK : E_NOMEM;
}

/* The same in a job's name, of what no name holds. */
static void name_tidy(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name_refusal((struct str){ name.ptr + i, 1 }, false))
			((char *)name.ptr)[i] = '_';
}

static enum err job_make(struct call *call, struct op_enqueue *enqueue)
{
	const struct source *source = call->reception->source;
	const struct source_settings *settings = &source->settings;
	enum err err = text_fill(call, settings->name, "into.job.name", LIMIT_NAME_BYTES, &enqueue->name);
	if (!err)
		err = text_fill(call, settings->group, "into.job.group", LIMIT_ID_BYTES, &enqueue->group);
	if (enqueue->name.len)
		name_tidy(enqueue->name);
	else
		enqueue->name = source->name;
	enqueue->queue = (struct queue_name){ source->namespace_name, settings->queue };
	return err;
}

static enum err incoming_make_op(struct call *call)
{
	const struct source *source = call->reception->source;
	bool message = source->settings.into == SOURCE_INTO_MESSAGE;
	struct str payload, key, metadata;
	struct op *op = call_op(call, message ? OP_MESSAGE : OP_ENQUEUE);
	enum err err = op ? payload_make(call, &payload) : E_NOMEM;
	if (!err && source_looks_inside(&source->settings))
		err = payload_look(call, payload);
	err = err ? err : key_make(call, &key);
	err = err ? err : metadata_make(call, &metadata);
	if (err)
		return err;
	if (message) {
		op->message = (struct op_message){ .namespace_name = source->namespace_name, .key = key, .metadata = metadata, .payload = payload,
		                                   .incoming = true };
		return message_make(call, &op->message);
	}
	op->enqueue = (struct op_enqueue){ .id = key, .metadata = metadata, .payload = payload };
	return job_make(call, &op->enqueue);
}

static bool incoming_judge(struct call *call)
{
	const struct reception *reception = call->reception;
	enum verifier verifier = reception->source->settings.verifier;
	enum err err = verifier_verify(verifier, reception->values, reception->value_count, &reception->incoming, &call->problem);
	err = err ? err : incoming_make_op(call);
	if (err && call->problem.err != err)
		problem_set(&call->problem, err, "", "%s", err_sentence(err));
	return !err;
}

/* ---- on the loop ---- */

/* At most once a minute a source. */
static void incoming_tell(struct call *call, struct source *source, const char *why)
{
	const struct api_ports *ports = &call->api->ports;
	int64_t now_us = call_now_us(call);
	source->untold++;
	if (source->told_us && now_us >= source->told_us && now_us - source->told_us < TELL_EVERY_US)
		return;
	const struct distrust distrust = { .namespace_name = source->namespace_name, .source = source->name, .peer = http_peer(call->exchange), .why = why,
					   .count = source->untold };
	source->told_us = now_us;
	source->untold = 0;
	ports->distrusted(ports->context, &distrust);
}

static void incoming_distrust(struct call *call, struct source *source)
{
	call->api->distrusted++;
	incoming_tell(call, source, call->problem.detail);
	if (source->settings.verifier == VERIFIER_BASIC)
		call->challenge = "Basic realm=\"ruche\"";
}

static void incoming_judged(struct call *call)
{
	secret_snapshot_drop(call->reception->secrets);
	call->reception->secrets = NULL;
	if (call->decoded) {
		call_run(call);
		return;
	}
	if (call->problem.err == E_SIGNATURE)
		incoming_distrust(call, call->reception->source);
	call_refuse(call, call->problem.err);
}

/* False: the source names a secret that is not there now, and whoever sends is to try again. */
static bool reception_hold_secret(struct reception *reception, struct call *call)
{
	const struct source *source = reception->source;
	struct secret secret;
	if (!verifier_needs_secret(source->settings.verifier))
		return true;
	reception->secrets = secrets_hold(call->api->config.secrets);
	if (!secret_find(reception->secrets, source->namespace_name, source->settings.secret, call_now_us(call), &secret))
		return false;
	for (uint32_t i = 0; i < secret.count; i++)
		reception->values[i] = secret.values[i].bytes;
	reception->value_count = secret.count;
	return true;
}

/* Who guesses waits, and is not listened to meanwhile; others from elsewhere are. */
static enum err guess_refuse(struct call *call, int64_t wait_us)
{
	call->api->unheard++;
	call->retry_after_s = (wait_us + 999999) / 1000000;
	return problem_set(&call->problem, E_RATE, "Authorization", "Too many wrong passwords came from this address; wait %lld s.",
			   (long long)call->retry_after_s);
}

/* A password needs no body to be judged. Who says none has not guessed: many say it only once they are asked for it. One whose secret is not there is
 * for incoming_receive to refuse. */
static enum err incoming_judge_password(struct call *call, struct source *source)
{
	struct api *api = call->api;
	struct reception trial = { .source = source, .incoming = { .header = incoming_header, .headers = call->exchange } };
	int64_t now_us = call_now_us(call);
	if (!source->readable || source->settings.verifier != VERIFIER_BASIC)
		return E_OK;
	uint64_t key = str_hash(source->name, str_hash(source->namespace_name, http_peer_hash(call->exchange, api->guess_seed)));
	int64_t wait_us = api->config.guesses_max ? guesses_wait_us(&api->guesses, key, api->config.guesses_max, now_us) : 0;
	if (wait_us)
		return guess_refuse(call, wait_us);
	enum err err = E_OK;
	if (reception_hold_secret(&trial, call))
		err = verifier_verify(VERIFIER_BASIC, trial.values, trial.value_count, &trial.incoming, &call->problem);
	secret_snapshot_drop(trial.secrets);
	if (err == E_SIGNATURE && incoming_header(call->exchange, "Authorization").len)
		guesses_count(&api->guesses, key, now_us);
	if (err == E_SIGNATURE)
		incoming_distrust(call, source);
	return err;
}

static void incoming_receive(struct call *call)
{
	struct reception *reception = call->reception;
	struct source *source = reception->source;
	struct str body = buf_str(&call->request.body);
	reception->incoming = (struct incoming){ .header = incoming_header, .headers = call->exchange, .body = body, .now_s = call_now_us(call) / 1000000 };
	enum err err = call->judged ? E_OK : incoming_judge_password(call, source); /* there was no body: nobody has looked yet */
	if (err) {
		call_refuse(call, err);
	} else if (!source->readable) {
		incoming_tell(call, source, "Its settings cannot be read: put them anew.");
		call_fail(call, E_UNAVAILABLE, "", "Nothing can be received here at present; send it again later.");
	} else if (body.len > source->settings.body_bytes) {
		call_fail(call, E_TOO_LARGE, "body", "At most %u bytes are received here.", source->settings.body_bytes);
	} else if (!reception_hold_secret(reception, call)) {
		incoming_tell(call, source, "Its secret is not there, or does not open.");
		call_fail(call, E_UNAVAILABLE, "", "Nothing can be received here at present; send it again later.");
	} else {
		call_decode_by(call, incoming_judge, incoming_judged);
	}
}

static struct source *incoming_source(const struct call *call)
{
	bool spaced = call->pieces[1].len;
	struct queue_name name = { spaced ? call->pieces[0] : STR(""), call->pieces[spaced] };
	return source_table_find(&call->api->sources, name);
}

enum err incoming_look(struct call *call, size_t *body_bytes)
{
	struct source *source = incoming_source(call);
	if (!source)
		return E_SOURCE_NOT_FOUND;
	if (*body_bytes > source->settings.body_bytes)
		*body_bytes = source->settings.body_bytes;
	return incoming_judge_password(call, source);
}

void incoming_post(struct call *call)
{
	struct source *source = incoming_source(call);
	call->reception = source ? ARENA_NEW(&call->request.arena, struct reception) : NULL;
	if (!call->reception) {
		call_refuse(call, source ? E_NOMEM : E_SOURCE_NOT_FOUND);
		return;
	}
	call->reception->source = source_hold(source);
	incoming_receive(call);
}

void incoming_encode(struct call *call, struct buf *out)
{
	const struct op *op = &call->request.ops[0];
	*(op->result.duplicate ? &call->api->received_again : &call->api->received) += 1;
	buf_add_byte(out, '{');
	if (op->kind == OP_MESSAGE)
		put_message_id(out, "id", op->result.uid);
	else
		put_uid(out, "id", op->result.uid);
	json_put_field_bool(out, "duplicate", op->result.duplicate);
	buf_add_byte(out, '}');
}
