/* src/engine/event_type.c: the catalogue of types of messages. It describes them; and where only listed types are taken (engine_config.types_listed) it
 * says which messages may come and what endpoints may name. What was taken is delivered whatever becomes of its type. */
#include "engine/engine_priv.h"
#include "base/json.h"
#include "base/suggest.h"
#include "rules/event_type.h"
#include "rules/source_text.h"

/* ---- put ---- */

static struct str event_type_text(const struct named *named)
{
	return (struct str){ named->text->bytes, named->text->len };
}

enum err event_type_merge(struct engine *engine, struct request *request, struct op *op, uint32_t present, struct buf *out)
{
	struct event_type_settings settings = { 0 };
	struct problem problem = { 0 };
	struct json json;
	if (!op->named.replace && present != SLOT_NONE) {
		json_init(&json, event_type_text(named_at(&engine->index, present)), &request->arena, &problem);
		if (!event_type_settings_read(&json, &settings) && problem.err != E_NOMEM)
			return refuse(request, op, E_STATE, "", "The settings that are there cannot be read: put them anew.");
	}
	problem = (struct problem){ 0 };
	json_init(&json, op->named.text, &request->arena, &problem);
	if (!event_type_settings_read(&json, &settings) || !json_finish(&json))
		return problem.err == E_NOMEM ? E_NOMEM : refuse(request, op, problem.err, problem.field, "%s", problem.detail);
	event_type_settings_write(&settings, out);
	if (buf_ok(out))
		return E_OK;
	return refuse(request, op, E_TOO_LARGE, "", "The settings of an event type have at most %d bytes together.", LIMIT_NAMED_BYTES);
}

/* ---- which may be ---- */

static const struct named *event_type_find(const struct index *index, struct queue_name type)
{
	uint32_t slot = named_find(index, NAMED_EVENT_TYPE, type);
	return slot == SLOT_NONE ? NULL : named_at(index, slot);
}

/* The nearest one that would do; NULL: none is near, or the request has had its share of looking. */
static const char *event_type_meant(struct engine *engine, struct queue_name type, bool for_message)
{
	const struct index *index = &engine->index;
	struct str space = named_namespace(type.namespace_name);
	struct suggest suggest;
	suggest_init(&suggest, type.name);
	for (uint32_t i = 0; i < EVENT_TYPES_BUILT_IN && !for_message; i++)
		suggest_offer(&suggest, event_type_built_in(i));
	for (uint32_t slot = 0; slot < index->nameds.used && engine->room.looks; slot++) {
		const struct named *named = named_at(index, slot);
		engine->room.looks--;
		if (!named->live || named->gone || named->kind != NAMED_EVENT_TYPE || !str_eq(named->namespace_name, space) ||
		    (for_message && event_type_is_archived(event_type_text(named))))
			continue;
		engine->room.looks -= engine->room.looks < 9 ? engine->room.looks : 9;
		suggest_offer(&suggest, named->name.ptr);
	}
	return suggest_best(&suggest);
}

static enum err event_type_refuse(struct engine *engine, struct request *request, struct op *op, const char *field, struct queue_name type, bool for_message)
{
	const char *meant = event_type_meant(engine, type, for_message);
	struct str name = str_cut(type.name, 60);
	if (meant)
		return refuse(request, op, E_INVALID, field, "There is no event type '" STR_FMT "'; did you mean '%s'? Only those that are listed are taken.",
			      STR_ARG(name), meant);
	return refuse(request, op, E_INVALID, field, "There is no event type '" STR_FMT "', and only those that are listed are taken (webhooks.types): "
		      "PUT it first.", STR_ARG(name));
}

/* A repeat of what was taken is not asked again: its first one answers. */
enum err event_type_check_message(struct engine *engine, struct request *request, struct op *op)
{
	const struct op_message *want = &op->message;
	struct queue_name type = { want->namespace_name, want->type };
	if (!engine->config.types_listed || want->incoming || message_type_is_ours(want->type))
		return E_OK;
	const struct named *listed = event_type_find(&engine->index, type);
	if (!listed)
		return event_type_refuse(engine, request, op, "type", type, true);
	if (!event_type_is_archived(event_type_text(listed)))
		return E_OK;
	return refuse(request, op, E_INVALID, "type", "The event type '" STR_FMT "' is archived, and only those that are listed are taken (webhooks.types): "
		      "unarchive it, or send another.", STR_ARG(str_cut(want->type, 60)));
}

/* ---- what endpoints may name ---- */

/* Which of the types may what comes from outside become? */
static void sources_know(const struct index *index, struct str space, const struct endpoint_words *types, bool *known)
{
	for (uint32_t slot = 0; slot < index->nameds.used; slot++) {
		const struct named *named = named_at(index, slot);
		if (!named->live || named->gone || !named->source || !named->source->type.len || !str_eq(named->namespace_name, space))
			continue;
		for (uint32_t i = 0; i < types->count; i++)
			known[i] = known[i] || source_text_may_be(named->source->type, types->words[i]);
	}
}

static bool words_have(const struct endpoint_words *words, struct str word)
{
	for (uint32_t i = 0; i < words->count; i++)
		if (str_eq(words->words[i], word))
			return true;
	return false;
}

static uint32_t first_unknown(const bool *known, uint32_t count)
{
	uint32_t i = 0;
	while (i < count && known[i])
		i++;
	return i;
}

/* Archived ones may be named: messages of them are replayed. What it named before it may go on to name, or nothing of it could be changed any more. */
enum err event_type_check_endpoint(struct engine *engine, struct request *request, struct op *op, const struct endpoint_settings *wanted,
				   const struct endpoint *present)
{
	const struct endpoint_words *types = &wanted->types;
	struct queue_name type = { .namespace_name = op->named.named.namespace_name };
	bool known[ENDPOINT_TYPES] = { false };
	if (!engine->config.types_listed)
		return E_OK;
	for (uint32_t i = 0; i < types->count; i++) {
		type.name = types->words[i];
		known[i] = type.name.ptr[type.name.len - 1] == '*' || message_type_is_ours(type.name) ||
			   (present && words_have(&present->value.types, type.name)) || event_type_find(&engine->index, type);
	}
	if (first_unknown(known, types->count) < types->count)
		sources_know(&engine->index, named_namespace(type.namespace_name), types, known);
	uint32_t i = first_unknown(known, types->count);
	if (i == types->count)
		return E_OK;
	const char *field = arena_printf(&request->arena, "types[%u]", i);
	type.name = types->words[i];
	return event_type_refuse(engine, request, op, field ? field : "types", type, false);
}

/* ---- told ---- */

uint32_t event_types_built_in(struct str after, const struct named **out)
{
#define X(type, description) { .kind = NAMED_EVENT_TYPE, .live = true, .name = { type, sizeof(type) - 1 } },
	static const struct named built_ins[EVENT_TYPES_BUILT_IN] = { MESSAGE_TYPES_OURS(X) };
#undef X
	uint32_t count = 0;
	for (uint32_t i = 0; i < EVENT_TYPES_BUILT_IN; i++)
		if (!after.len || str_cmp(built_ins[i].name, after) > 0)
			out[count++] = &built_ins[i];
	return count;
}

enum err event_type_tell_built_in(struct request *request, struct queue_name type, struct named_info *out)
{
	struct buf text;
	buf_init(&text, LIMIT_NAMED_BYTES);
	event_type_built_in_write(type.name, &text);
	*out = (struct named_info){
		.kind = NAMED_EVENT_TYPE, .built_in = true,
		.named = { arena_str(&request->arena, type.namespace_name), arena_str(&request->arena, type.name) },
	};
	if (buf_ok(&text))
		out->text = arena_str(&request->arena, buf_str(&text));
	buf_fini(&text);
	return out->named.namespace_name.ptr && out->named.name.ptr && out->text.ptr ? E_OK : E_NOMEM;
}

uint64_t event_type_wanted_by(const struct index *index, struct queue_name type)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < index->endpoints.count; i++) {
		const struct named *named = named_at(index, index->endpoints.slots[i]);
		count += !named->gone && named->endpoint && str_eq(named->namespace_name, type.namespace_name) &&
			 endpoint_wants_type(&named->endpoint->value, type.name);
	}
	return count;
}

/* ---- tried out ---- */

struct str event_type_example(struct engine *engine, struct request *request, struct queue_name type)
{
	const struct named *listed = event_type_find(&engine->index, type);
	struct event_type_settings settings = { 0 };
	struct problem problem = { 0 };
	struct json json;
	struct str text = listed ? arena_str(&request->arena, event_type_text(listed)) : STR("{}");
	if (!text.ptr)
		return text;
	json_init(&json, text, &request->arena, &problem);
	if (!event_type_settings_read(&json, &settings) && problem.err == E_NOMEM)
		return (struct str){ 0 };
	return settings.example.len ? settings.example : STR("{\"test\":true}");
}
