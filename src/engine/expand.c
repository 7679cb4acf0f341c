/* src/engine/expand.c: a message becomes deliveries, an endpoint after the other, in slices: each slice's deliveries and the cursor behind them are
 * one change-set, so each endpoint gets each message exactly once, whenever the daemon dies. Between the slices others have their turn. */
#include "base/json_tree.h"
#include "engine/engine_priv.h"
#include "rules/match.h"

#define EXPAND_SLICES_A_STEP 4      /* while nobody waits */
#define EXPAND_REST_US       100000 /* after a slice that could not be made */

/* ---- who wants it ---- */

/* All but the content filter. */
static bool endpoint_wants(const struct message_row *row, const struct message_channels *channels, const struct named *named)
{
	if (named->gone || named->group == SLOT_NONE || !named->endpoint)
		return false;
	if (row->only)
		return named->number == row->only;
	return named->created_seq <= row->seq && str_eq(named->namespace_name, row->namespace_name) &&
	       endpoint_wants_type(&named->endpoint->value, row->type) &&
	       endpoint_wants_channels(&named->endpoint->value, channels->names, channels->count);
}

static enum err payload_load(struct engine *engine, struct expand_payload *payload, struct str *out)
{
	struct load load = { .messages = &payload->row->uid, .message_count = 1 };
	*out = payload->row->payload;
	if (payload->whole)
		return E_OK;
	enum err err = engine->store->verbs->load(engine->store, &load, &engine->scratch);
	if (!err)
		*out = load.message_rows[0].payload;
	return err;
}

static enum err payload_read(struct engine *engine, struct expand_payload *payload)
{
	struct str text;
	if (payload->read)
		return E_OK;
	enum err err = payload_load(engine, payload, &text);
	if (!err && text.len)
		err = json_tree_read(text, &engine->scratch, &payload->value, NULL);
	if (!err)
		payload->read = true;
	return err;
}

/* ---- a delivery for each ---- */

/* So many are held for it already that one more is only counted: what its endpoint missed can be replayed, as long as messages are kept. Its row, which
 * has all its settings, is written when the first of them is another one, which a replay must know, and otherwise now and then: after a crash they
 * are counted from what it said last. */
enum err endpoint_misses(struct engine *engine, uint64_t message, uint32_t slot)
{
	struct named *named = named_at(&engine->index, slot);
	struct health *health = &named->health;
	uint64_t count = health->unsent + 1;
	bool first = !health->unsent || message < health->unsent_uid; /* they do not come in the order of their uids */
	bool writes = first || health_unsent_told(count) == count;
	enum err err = writes ? named_touch(engine->open, &engine->index, slot) : health_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	health->unsent = count;
	if (first)
		health->unsent_uid = message;
	return writes ? named_write(engine, named) : E_OK;
}

bool endpoint_is_full(const struct index *index, const struct named *named)
{
	uint32_t max = named->endpoint->value.hold_max;
	return named->state != NAMED_ENABLED && max && group_waiting(group_at(index, named->group)) >= max;
}

static enum err expand_deliver(struct engine *engine, struct message_row *row, struct expand_payload *payload, uint32_t slot)
{
	uint32_t job;
	const struct named *named = named_at(&engine->index, slot);
	bool replaces = false, full = endpoint_is_full(&engine->index, named) && !row->only;
	enum err err = full ? delivery_replaces(engine, row, named, &replaces) : E_OK;
	if (err || (full && !replaces))
		return err ? err : endpoint_misses(engine, row->uid, slot);
	err = delivery_make(engine, row, named, false, &job);
	if (err)
		return err;
	row->deliveries++;
	payload->made = job_at(&engine->index, job)->uid;
	return E_OK;
}

/* What the filter says. *later: it costs more than there is room for. */
static enum err expand_filter(struct engine *engine, struct expand_payload *payload, const struct named *named, struct expand_room *room, bool *later,
			      bool *passes)
{
	const struct json_node *filter = payload->row->only ? NULL : named->endpoint->filter;
	*later = filter && !payload->read && payload->row->payload_bytes > room->bytes;
	*passes = !filter;
	if (!filter || *later)
		return E_OK;
	room->bytes -= payload->read ? 0 : payload->row->payload_bytes;
	enum err err = payload_read(engine, payload);
	*passes = !err && match(filter, payload->value);
	return err;
}

enum err expand_message(struct engine *engine, struct message_row *row, struct expand_payload *payload, struct expand_room *room, uint32_t *matched)
{
	const struct index *index = &engine->index;
	struct message_channels channels;
	enum err err = message_channels_read(row->channels, &engine->scratch, &channels);
	for (uint32_t place = endpoints_from(index, row->next_endpoint + 1); place < index->endpoints.count && !err; place++) {
		if (row->only && row->next_endpoint >= row->only)
			break;
		uint32_t slot = index->endpoints.slots[place];
		const struct named *named = named_at(index, slot);
		bool later, passes = endpoint_wants(row, &channels, named);
		if (!room->endpoints || (passes && !room->deliveries))
			return E_OK;
		room->endpoints--;
		if (passes)
			err = expand_filter(engine, payload, named, room, &later, &passes);
		else
			later = false;
		if (!err && later)
			return E_OK;
		if (!err && passes) {
			err = expand_deliver(engine, row, payload, slot);
			room->deliveries--;
			++*matched;
		}
		row->next_endpoint = named->number;
	}
	if (!err)
		row->next_endpoint = MESSAGE_EXPANDED;
	return err;
}

/* How many more want it by type and channels, as far as there is room to look. */
uint32_t expand_count(struct engine *engine, const struct message_row *row, struct expand_room *room)
{
	const struct index *index = &engine->index;
	struct message_channels channels;
	uint32_t count = 0;
	if (row->next_endpoint == MESSAGE_EXPANDED || message_channels_read(row->channels, &engine->scratch, &channels))
		return 0;
	for (uint32_t place = endpoints_from(index, row->next_endpoint + 1); place < index->endpoints.count && room->endpoints; place++) {
		room->endpoints--;
		count += endpoint_wants(row, &channels, named_at(index, index->endpoints.slots[place]));
	}
	return count;
}

/* ---- slices ---- */

static struct str expansion_text(const struct index *index, uint32_t name)
{
	return name == SLOT_NONE ? (struct str){ 0 } : name_text(index, name);
}

static enum err expand_one(struct engine *engine, uint32_t slot, struct expand_room *room)
{
	struct index *index = &engine->index;
	struct expansion *expansion = expansion_at(index, slot);
	struct message_row row = {
		.uid = expansion->uid, .seq = expansion->seq, .namespace_name = expansion_text(index, expansion->namespace_name),
		.type = arena_str(&engine->open->cs.arena, expansion_text(index, expansion->type)), .entity = expansion_text(index, expansion->entity),
		.channels = expansion_text(index, expansion->channels), .flags = expansion->flags, .only = expansion->only,
		.next_endpoint = expansion->next_endpoint, .deliveries = expansion->deliveries, .update = true,
	};
	struct expand_payload payload = { .row = &row };
	uint32_t matched = 0;
	enum err err = row.type.ptr ? expansion_touch(engine->open, index, slot) : E_NOMEM;
	err = err ? err : expand_message(engine, &row, &payload, room, &matched);
	struct message_row *update = err ? NULL : change_add(&engine->open->cs, messages);
	if (!update)
		return err ? err : E_NOMEM;
	expansion->next_endpoint = row.next_endpoint;
	expansion->deliveries = row.deliveries;
	*update = (struct message_row){ .uid = row.uid, .seq = row.seq, .flags = row.flags, .only = row.only, .next_endpoint = row.next_endpoint,
		                        .deliveries = row.deliveries, .update = true };
	return E_OK;
}

static uint32_t expand_oldest(const struct index *index) /* that is not done; SLOT_NONE: none */
{
	uint32_t slot = index->first_expansion;
	while (slot != SLOT_NONE && expansion_at(index, slot)->next_endpoint == MESSAGE_EXPANDED)
		slot = expansion_at(index, slot)->after;
	return slot;
}

bool expand_is_under_way(const struct engine *engine)
{
	return expand_oldest(&engine->index) != SLOT_NONE;
}

/* The oldest one, if it is on disk; SLOT_NONE: none. */
static uint32_t expand_next(const struct engine *engine)
{
	const struct index *index = &engine->index;
	uint32_t slot = expand_oldest(index);
	return slot == SLOT_NONE || expansion_at(index, slot)->seq > index->committed_seq ? SLOT_NONE : slot;
}

static enum err expand_slice(struct engine *engine)
{
	struct expand_room room = { .deliveries = EXPAND_SLICE, .endpoints = EXPAND_ENDPOINTS, .bytes = SIZE_MAX };
	enum err err = enqueue_check_room(engine);
	for (uint32_t slot; !err && room.deliveries && room.endpoints && (slot = expand_next(engine)) != SLOT_NONE;) {
		struct mark mark = batch_mark(engine->open);
		err = expand_one(engine, slot, &room);
		if (err)
			batch_undo(engine->open, &engine->index, mark);
	}
	arena_reset(&engine->scratch);
	return err;
}

bool expand_is_due(const struct engine *engine)
{
	return expand_next(engine) != SLOT_NONE;
}

bool expand_round(struct engine *engine)
{
	for (int slice = 0; slice < EXPAND_SLICES_A_STEP && expand_is_due(engine); slice++) {
		if (batch_is_large(engine->open) || engine_is_full(engine) || engine->index.now_us < engine->expand_pause_us)
			return false;
		if (expand_slice(engine)) {
			engine->expand_pause_us = engine->index.now_us + EXPAND_REST_US;
			return false;
		}
		if (engine->pending.first)
			break;
	}
	return expand_is_due(engine);
}
