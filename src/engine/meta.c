/* src/engine/meta.c: messages about endpoints and their deliveries, made by the engine in the change-set that they tell of:
 *
 *   endpoint.failing     its breaker opened, or ten attempts failed; then at 50 and 90 per cent of disable_after_ms
 *   endpoint.disabled    its deliveries are held from now on: "failing", "gone"
 *   endpoint.recovered   a call went through, after endpoint.failing
 *   delivery.exhausted   a delivery ended without success
 *
 * They go to the endpoints of the namespace that name their type ("*" does not), through the path of every message. The deliveries of such a message
 * make none of their own: no loop. What they tell of counts also when there is no memory or no room on the disk for the message. */
#include "base/json.h"
#include "base/uid.h"
#include "engine/engine_priv.h"
#include "rules/http_url.h"

#define META_BYTES (4 * LIMIT_ERROR_BYTES)

static const char *const meta_types[] = {
	[META_FAILING] = "endpoint.failing", [META_DISABLED] = "endpoint.disabled", [META_RECOVERED] = "endpoint.recovered",
	[META_EXHAUSTED] = "delivery.exhausted",
};

static bool endpoint_names_meta(const struct named *named)
{
	bool names = false;
	for (size_t i = 0; i < ARRAY_COUNT(meta_types) && named->endpoint && !named->gone; i++)
		names |= endpoint_wants_type(&named->endpoint->value, str_of(meta_types[i]));
	return names;
}

/* Does anybody, anywhere? Looked for again only when endpoints have changed. */
static bool meta_is_wanted(struct index *index)
{
	if (index->meta_known)
		return index->meta_wanted;
	index->meta_wanted = false;
	for (uint32_t i = 0; i < index->endpoints.count && !index->meta_wanted; i++)
		index->meta_wanted = endpoint_names_meta(named_at(index, index->endpoints.slots[i]));
	index->meta_known = true;
	return index->meta_wanted;
}

/* ---- what it says ---- */

/* Of the last attempt, as the delivery has it. */
static void meta_put_error(struct buf *text, const struct op *op)
{
	if (op->kind == OP_FAIL && op->lease.error.len)
		json_put_field_raw(text, "error", op->lease.error);
	else
		json_put_field_null(text, "error");
}

static void meta_put_endpoint(struct buf *text, const struct named *named)
{
	json_put_field_str(text, "endpoint", named->name);
	json_put_field_str(text, "namespace", named->namespace_name);
	json_put_field_str(text, "url", http_url_origin(named->endpoint->value.url)); /* the rest may hold what is nobody's business */
}

static void meta_put_health(const struct index *index, struct buf *text, const struct named *named, const struct health *health)
{
	static const char *const states[] = { "enabled", "paused", "disabled" };
	struct health_info info;
	struct named then = *named;
	then.health = *health;
	health_tell(index, &then, &info);
	json_put_field_str(text, "state", str_of(states[named->state]));
	json_put_field_text(text, "reason", named_reason_text(named));
	json_put_field_u64(text, "failures", health->failures);
	json_put_field_u64(text, "attempts_failed", health->attempts_failed);
	json_put_field_instant(text, "failing_since_at", info.failing_since_us);
	json_put_field_instant(text, "open_until_at", info.open_until_us);
	json_put_field_instant(text, "disable_at", info.disable_us);
	json_put_field_u64(text, "held", group_waiting(group_at(index, named->group)));
}

static void meta_put_delivery(struct buf *text, const struct op *op, const struct job *job)
{
	const struct op_hook *hook = op->lease.hook;
	char uid[UID_TEXT_BYTES];
	uid_text(job->uid, uid);
	json_put_field_str(text, "delivery", str_of(uid));
	uid_text(hook->message, uid);
	json_put_key(text, "message");
	buf_addf(text, "\"msg_%s\"", uid);
	json_put_field_text(text, "type", hook->about_type);
	json_put_field_text(text, "entity", hook->about_entity);
	json_put_field_u64(text, "attempts_made", job->attempts_made);
}

static struct str meta_payload(struct engine *engine, enum meta what, const struct named *named, const struct health *health, const struct op *op,
			       const struct job *job)
{
	struct buf text;
	buf_init(&text, META_BYTES);
	buf_add_byte(&text, '{');
	meta_put_endpoint(&text, named);
	if (what == META_EXHAUSTED)
		meta_put_delivery(&text, op, job);
	else
		meta_put_health(&engine->index, &text, named, health);
	if (what != META_RECOVERED)
		meta_put_error(&text, op);
	buf_add_byte(&text, '}');
	struct str payload = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return payload;
}

/* ---- on its way ---- */

static enum err meta_make(struct engine *engine, enum meta what, const struct named *named, struct str payload)
{
	struct arena *arena = &engine->open->cs.arena;
	struct expand_room room = { .deliveries = EXPAND_INLINE, .endpoints = LIMIT_NAMEDS, .bytes = EXPAND_INLINE_BYTES };
	struct message_row row = {
		.uid = engine_uid(engine), .seq = engine->next_seq, .namespace_name = arena_str(arena, named->namespace_name),
		.type = str_of(meta_types[what]), .entity = what == META_EXHAUSTED ? (struct str){ 0 } : arena_str(arena, named->name),
		.payload = payload, .payload_bytes = payload.len, .flags = MESSAGE_META,
	};
	if (!payload.ptr || !row.namespace_name.ptr || (what != META_EXHAUSTED && !row.entity.ptr))
		return E_NOMEM;
	enum err err = enqueue_check_room(engine);
	return err ? err : message_make(engine, &row, &room);
}

void meta_send(struct engine *engine, enum meta what, const struct named *endpoint, const struct health *now, const struct op *op, const struct job *job)
{
	if (!meta_is_wanted(&engine->index))
		return;
	struct mark mark = batch_mark(engine->open);
	if (meta_make(engine, what, endpoint, meta_payload(engine, what, endpoint, now, op, job)))
		batch_undo(engine->open, &engine->index, mark);
}
