/* sim/types.c: who lists types of messages in the catalogue, archives and deletes them. In some worlds only listed ones are taken: then each message that
 * came was of one, and no endpoint begins to name another. Nowhere is one deleted that an endpoint names. */
#include "sim/world.h"
#include "base/check.h"
#include "rules/event_type.h"

static const char *const type_names[SIM_TYPES] = { "a", "b", "c" };

static void types_heard(struct world *world, struct actor *actor, struct request *request)
{
	(void)world, (void)actor;
	CHECK(request->err != E_INTERNAL);
	CHECK(request->err || (request->ops[0].result.err != E_INTERNAL && request->ops[0].result.err != E_INVALID));
}

static void types_change(struct world *world, struct op *op)
{
	static const struct { enum op_kind kind; struct str text; bool replace; } changes[] = {
		{ OP_NAMED_PUT, { "{}", 2 }, true }, { OP_NAMED_PUT, { "{}", 2 }, true }, { OP_NAMED_PUT, { "{\"archived\":false}", 18 }, false },
		{ OP_NAMED_PUT, { "{\"archived\":false,\"schema\":{\"type\":\"object\"}}", 44 }, true },
		{ OP_NAMED_PUT, { "{\"archived\":true}", 17 }, false }, { OP_NAMED_DELETE, { NULL, 0 }, false },
	};
	uint64_t what = world_below(world, ARRAY_COUNT(changes));
	op->kind = changes[what].kind;
	op->named = (struct op_named){ .kind = NAMED_EVENT_TYPE, .named.name = str_of(type_names[world_below(world, SIM_TYPES)]), .text = changes[what].text,
		                       .replace = changes[what].replace };
}

static void types_act(struct world *world, struct actor *actor, uint64_t argument)
{
	if (world->calm)
		return;
	struct request *request = world_request(world, 1);
	types_change(world, request->ops);
	world_send(world, request, NULL, types_heard);
	world_plan(world, (int64_t)world_below(world, 900000) + 1000, types_act, actor, argument);
}

/* The first are there before somebody names them. */
void types_start(struct world *world)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct request *request = world_request(world, 1);
		request->ops[0].kind = OP_NAMED_PUT;
		request->ops[0].named = (struct op_named){ .kind = NAMED_EVENT_TYPE, .named.name = str_of(type_names[i]), .text = STR("{}"), .replace = true };
		world_send(world, request, NULL, types_heard);
	}
	world_plan(world, 2000000, types_act, NULL, 0);
}

/* ---- what must be true, by rows alone ---- */

static struct shadow_type *types_find(struct shadow *shadow, struct str name)
{
	for (uint32_t i = 0; i < SIM_TYPES; i++)
		if (str_eq(name, str_of(type_names[i])))
			return &shadow->types[i];
	return NULL;
}

uint32_t types_named(const struct endpoint_settings *settings)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < settings->types.count; i++)
		for (uint32_t type = 0; type < SIM_TYPES; type++)
			bits |= (uint32_t)str_eq(settings->types.words[i], str_of(type_names[type])) << type;
	return bits;
}

void types_read(struct shadow *shadow, const struct named_row *row)
{
	struct shadow_type *type = types_find(shadow, row->name);
	CHECK(type && row->state == NAMED_ENABLED && !row->reason.len && !row->health.len);
	CHECK(!type->there || type->number <= row->number);
	*type = (struct shadow_type){ .there = !row->gone, .open = !row->gone && !event_type_is_archived(row->text), .gone = row->gone,
		                      .number = row->number, .seq = shadow->seq };
	shadow->catalogued++;
}

/* In a change-set nobody knows what came first: what it changed itself it may have met either way. */
static bool types_judge_endpoint(const struct shadow *shadow, const struct shadow_endpoint *endpoint, uint32_t bit)
{
	const struct shadow_type *type = &shadow->types[bit];
	bool named = endpoint->live && endpoint->names & 1u << bit, begins = endpoint->names_since[bit] == shadow->seq;
	if (named && !begins && type->gone && type->seq == shadow->seq)
		return false;
	return !shadow->types_listed || !named || !begins || type->there || type->seq == shadow->seq;
}

void types_judge(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < SIM_ENDPOINTS; i++)
		for (uint32_t bit = 0; bit < SIM_TYPES; bit++)
			CHECK(types_judge_endpoint(shadow, &shadow->endpoints[i], bit));
	for (uint32_t i = 0; i < cs->messages.count && shadow->types_listed; i++) {
		const struct message_row *row = &cs->messages.items[i];
		const struct shadow_type *type = row->update || row->flags & MESSAGE_META ? NULL : types_find(shadow, row->type);
		CHECK(row->update || row->flags & MESSAGE_META || (type && (type->open || type->seq == shadow->seq)));
	}
}
