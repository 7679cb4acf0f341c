/* sim/limits.c: those who change limits that queues share, take permits of them, forget to give them back, and ask for pauses. */
#include "sim/world.h"
#include "base/check.h"

static const char *const limits[] = { "shared", "paced", "spare" };
static const char *const queues[] = { "narrow", "web", "kept", "rated" };

static void limits_heard(struct world *world, struct actor *actor, struct request *request)
{
	(void)world, (void)actor;
	CHECK(request->err != E_INTERNAL);
	for (uint32_t i = 0; i < request->op_count && !request->err; i++)
		CHECK(request->ops[i].result.err != E_INTERNAL && request->ops[i].result.err != E_INVALID);
}

static struct str limits_text(struct request *request, const char *format, uint64_t n)
{
	char *text = arena_printf(&request->arena, format, (unsigned long long)n);
	CHECK(text);
	return str_of(text);
}

static void limits_permit(struct world *world, struct request *request, struct op *op)
{
	op->kind = world_chance(world, 600) ? OP_LIMIT_ACQUIRE : OP_LIMIT_RELEASE;
	op->limit.limit.name = str_of(world_chance(world, 700) ? "shared" : "spare");
	op->limit.token = limits_text(request, "holder-%llu", world_below(world, 6));
	op->limit.units = 1; /* fits whatever the limit is lowered to */
	op->limit.lease_ms = 300 + (int64_t)world_below(world, 3000);
}

static void limits_back_off(struct world *world, struct request *request, struct op *op)
{
	op->kind = OP_BACK_OFF;
	op->back_off.delay_ms = world_chance(world, 300) ? 0 : (int64_t)world_below(world, 3000);
	if (world_chance(world, 400)) {
		op->back_off.limit = str_of(limits[world_below(world, 2)]);
		return;
	}
	op->back_off.queue.name = str_of(queues[world_below(world, ARRAY_COUNT(queues))]);
	if (world_chance(world, 700))
		op->back_off.group = limits_text(request, "g%llu", world_below(world, 6));
}

static void limits_group(struct world *world, struct request *request, struct op *op)
{
	static const char *const own[] = { "{\"limits\":[]}", "{\"limits\":[\"shared\"]}", "{\"limits\":[\"paced\",\"shared\"]}", "{\"limits\":null}",
		                              "{\"weight\":3}", "{\"weight\":null,\"limits\":[\"shared\"]}" };
	op->kind = OP_GROUP_PUT;
	op->queue.queue.name = str_of(queues[world_below(world, ARRAY_COUNT(queues))]);
	op->queue.group = limits_text(request, "g%llu", world_below(world, 6));
	op->queue.settings = str_of(own[world_below(world, ARRAY_COUNT(own))]);
}

static void limits_change(struct world *world, struct request *request, struct op *op)
{
	op->kind = world_chance(world, 700) ? OP_LIMIT_PUT : world_chance(world, 500) ? OP_LIMIT_DELETE : OP_LIMITS;
	op->limit.limit.name = str_of(world_chance(world, 500) ? "shared" : "spare");
	if (op->kind == OP_LIMIT_DELETE)
		op->limit.limit.name = str_of(limits[world_below(world, ARRAY_COUNT(limits))]);
	else if (op->kind == OP_LIMITS)
		op->limit.limit.name = (struct str){ 0 };
	op->limit.settings = limits_text(request, "{\"concurrency\":%llu}", 1 + world_below(world, 5));
}

static void limits_act(struct world *world, struct actor *actor, uint64_t argument)
{
	if (world->calm)
		return;
	struct request *request = world_request(world, 2);
	struct op *op = &request->ops[0];
	uint64_t what = world_below(world, 100);
	request->op_count = 1;
	if (what < 55)
		limits_permit(world, request, op);
	else if (what < 75)
		limits_back_off(world, request, op);
	else if (what < 85)
		limits_group(world, request, op);
	else
		limits_change(world, request, op);
	if (world_chance(world, 250)) { /* undone: the second one is bound to be refused */
		request->op_count = 2;
		request->atomic = true;
		request->ops[1].kind = OP_DELETE;
		request->ops[1].job.uid = 1;
	}
	world_send(world, request, NULL, limits_heard);
	world_plan(world, (int64_t)world_below(world, 150000) + 1000, limits_act, actor, argument);
}

void limits_start(struct world *world)
{
	world_plan(world, 1100000, limits_act, NULL, 0);
}
