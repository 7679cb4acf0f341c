/* src/engine/message.c: a message comes: kept, and taken to the endpoints that want it, at once as far as its request has room, by expand.c where
 * not. Message, deliveries and cursor are one change-set. */
#include "engine/engine_priv.h"
#include "base/json.h"
#include "base/uid.h"

struct str message_key_id(struct arena *arena, struct str namespace_name, struct str key)
{
	size_t len = namespace_name.len + key.len + 2;
	char *id = arena_alloc(arena, len);
	if (!id)
		return (struct str){ 0 };
	id[0] = 'm'; /* Idempotency-Keys, which stand there too, begin with a digit */
	memcpy(id + 1, namespace_name.ptr, namespace_name.len);
	id[1 + namespace_name.len] = '\0';
	memcpy(id + 2 + namespace_name.len, key.ptr, key.len);
	return (struct str){ id, len };
}

static enum err message_check(const struct engine *engine, struct request *request, struct op *op)
{
	const struct op_message *want = &op->message;
	enum err err = enqueue_check_room(engine);
	const char *why = message_type_refusal(want->type);
	if (err)
		return err;
	if (why)
		return refuse(request, op, E_INVALID, "type", "%s", why);
	if (message_type_is_ours(want->type) && !(want->flags & (MESSAGE_META | MESSAGE_TEST)))
		return refuse(request, op, E_INVALID, "type", "Messages of this type are sent by ruche itself: choose another.");
	return E_OK;
}

/* Kept under this key: the first one answers. */
static enum err message_find_first(struct engine *engine, struct op *op, struct str *out_id, bool *known)
{
	const struct op_message *want = &op->message;
	uint64_t uid = op->result.uid; /* what plan found in the store */
	op->result.uid = 0;
	*known = false;
	if (!want->key.len)
		return E_OK;
	*out_id = message_key_id(&engine->open->cs.arena, named_namespace(want->namespace_name), want->key);
	if (!out_id->ptr)
		return E_NOMEM;
	const struct key *key = key_find(&engine->index, SLOT_NONE, *out_id);
	op->result.uid = key ? key->uid : uid;
	*known = op->result.duplicate = op->result.uid != 0;
	return E_OK;
}

static enum err message_tell(struct engine *engine, const struct message_row *row, uint32_t matched)
{
	uint32_t queue = queue_find(&engine->index, (struct queue_name){ row->namespace_name, ENDPOINT_QUEUE });
	char uid[UID_TEXT_BYTES];
	struct buf text;
	if (queue == SLOT_NONE || queue_at(&engine->index, queue)->deleted || queue_is_others(queue_at(&engine->index, queue)))
		return E_OK;
	uid_text(row->uid, uid);
	buf_init(&text, MESSAGE_TYPE_BYTES + 256);
	buf_addf(&text, "{\"message\":\"msg_%s\"", uid);
	json_put_field_str(&text, "message_type", row->type);
	json_put_field_u64(&text, "matched", matched);
	buf_add_byte(&text, '}');
	struct str details = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return details.ptr ? batch_event(engine->open, EVENT_MESSAGE, queue, 0, details) : E_NOMEM;
}

static enum err message_fill(struct engine *engine, struct request *request, struct op *op, struct message_row *row)
{
	const struct op_message *want = &op->message;
	uint32_t only = want->only.len ? named_find(&engine->index, NAMED_ENDPOINT, (struct queue_name){ want->namespace_name, want->only }) : SLOT_NONE;
	if (want->only.len && only == SLOT_NONE)
		return E_ENDPOINT_NOT_FOUND;
	struct str payload = want->payload;
	if (!payload.len && want->flags & MESSAGE_TEST) {
		payload = event_type_example(engine, request, (struct queue_name){ want->namespace_name, want->type });
		if (!payload.ptr)
			return E_NOMEM;
	}
	if (want->flags & MESSAGE_TEST && named_at(&engine->index, only)->state != NAMED_ENABLED)
		return refuse(request, op, E_STATE, "endpoint", "The endpoint is %s, and a test would be held with the rest: resume it first.",
			      named_at(&engine->index, only)->state == NAMED_PAUSED ? "paused" : "disabled");
	*row = (struct message_row){
		.uid = want->uid, .seq = engine->next_seq, .namespace_name = named_namespace(want->namespace_name), .type = want->type,
		.entity = want->entity, .key = want->key, .channels = want->channels, .metadata = want->metadata,
		.payload = payload.len ? payload : STR("null"), .payload_body = want->payload_body, .payload_bytes = payload.len,
		.flags = want->flags,
	};
	if (only != SLOT_NONE) {
		row->only = named_at(&engine->index, only)->number;
		row->next_endpoint = row->only - 1;
	}
	return E_OK;
}

static enum err message_add(struct engine *engine, const struct message_row *row)
{
	struct message_row *kept = change_add(&engine->open->cs, messages);
	if (!kept)
		return E_NOMEM;
	*kept = *row;
	if (row->payload_body)
		kept->payload = (struct str){ 0 };
	engine->open->bytes += kept->payload.len + row->metadata.len;
	return row->next_endpoint == MESSAGE_EXPANDED ? E_OK : expansion_begin(engine->open, &engine->index, row);
}

/* Among messages about entities the first one that came is the first one made, whatever they have to wait for: none overtakes those that are still
 * on their way. */
static struct expand_room *message_room(const struct engine *engine, const struct message_row *row, struct expand_room *room, struct expand_room *none)
{
	*none = (struct expand_room){ 0 };
	return row->entity.len && expand_is_under_way(engine) ? none : room;
}

/* It is taken to whom there is room for. */
static enum err message_expand(struct engine *engine, struct message_row *row, struct expand_room *room, uint32_t *matched, uint64_t *last_made)
{
	struct expand_payload payload = { .row = row, .whole = true };
	struct expand_room none;
	if (row->uid > engine->last_uid)
		engine->last_uid = row->uid;
	*matched = 0;
	enum err err = expand_message(engine, row, &payload, message_room(engine, row, room, &none), matched);
	if (!err)
		*matched += expand_count(engine, row, room);
	*last_made = payload.made;
	return err;
}

enum err message_make(struct engine *engine, struct message_row *row, struct expand_room *room)
{
	uint32_t matched;
	uint64_t last_made;
	enum err err = message_expand(engine, row, room, &matched, &last_made);
	if (err || !matched)
		return err;
	err = message_add(engine, row);
	return err ? err : message_tell(engine, row, matched);
}

enum err op_message_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	struct message_row row;
	uint32_t matched;
	uint64_t last_made;
	struct str key;
	bool known;
	(void)park;
	enum err err = message_check(engine, request, op);
	err = err ? err : message_find_first(engine, op, &key, &known);
	if (err || known)
		return err;
	err = event_type_check_message(engine, request, op);
	err = err ? err : message_fill(engine, request, op, &row);
	if (err)
		return err;
	err = message_expand(engine, &row, &engine->room, &matched, &last_made);
	if (err)
		return err;
	if (!matched && op->message.require_match)
		return E_NO_ENDPOINT;
	err = message_add(engine, &row);
	if (!err && row.key.len)
		err = batch_key(engine->open, &engine->index, SLOT_NONE, key, row.uid);
	err = err ? err : message_tell(engine, &row, matched);
	op->result.uid = row.uid;
	op->result.next = row.only ? last_made : 0;
	op->result.count = matched;
	op->result.units = row.deliveries;
	op->result.more = row.next_endpoint != MESSAGE_EXPANDED;
	return err;
}

/* ---- content that is to be forgotten ---- */

const struct message_row *message_loaded(const struct engine *engine, uint64_t uid)
{
	for (uint32_t i = 0; i < engine->message_count; i++)
		if (engine->messages[i].uid == uid)
			return &engine->messages[i];
	return NULL;
}

/* Whoever has not got it by now gets it no more. */
static enum err message_stop(struct engine *engine, uint64_t uid, struct message_row *row)
{
	struct index *index = &engine->index;
	for (uint32_t slot = index->first_expansion; slot != SLOT_NONE; slot = expansion_at(index, slot)->after) {
		struct expansion *expansion = expansion_at(index, slot);
		if (expansion->uid != uid)
			continue;
		enum err err = expansion_touch(engine->open, index, slot);
		if (err)
			return err;
		row->deliveries = expansion->deliveries;
		expansion->flags |= MESSAGE_EXPUNGED;
		expansion->next_endpoint = MESSAGE_EXPANDED;
	}
	return E_OK;
}

enum err op_expunge_apply(struct engine *engine, struct request *request, struct op *op, bool *park)
{
	const struct message_row *kept = message_loaded(engine, op->resend.message);
	(void)request, (void)park;
	if (!kept)
		return E_MESSAGE_NOT_FOUND;
	struct message_row row = { .uid = kept->uid, .seq = kept->seq, .flags = kept->flags | MESSAGE_EXPUNGED, .only = kept->only,
		                   .next_endpoint = MESSAGE_EXPANDED, .deliveries = kept->deliveries, .update = true };
	enum err err = message_stop(engine, row.uid, &row);
	struct message_row *update = err ? NULL : change_add(&engine->open->cs, messages);
	if (!update)
		return err ? err : E_NOMEM;
	*update = row;
	op->result.uid = row.uid;
	return E_OK;
}
