/* src/engine/health_test.c: third parties that answer well, badly, not at all, and again. */
#include "engine/test_world.h"

#define CRM "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"concurrency\":4,\"breaker\":{\"failures\":3,\"open_ms\":1000,\"open_ms_max\":3000}," \
	"\"disable_after_ms\":0,\"retry\":{\"kind\":\"fixed\",\"max_attempts\":1000,\"delay_ms\":1,\"jitter\":\"none\"}}"

static struct request *named_request(struct world *world, enum op_kind kind, const char *name, const char *text)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = kind;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = str_of(name), .text = str_of(text), .replace = true };
	return request;
}

static void roomy(struct world *world)
{
	world_open(world);
	world->engine->config.deliveries_max = 100;
	world->engine->index.doubtful_max = 50;
}

static void put(struct world *world, const char *name, const char *text)
{
	assert_int_equal(world_err(world, named_request(world, OP_NAMED_PUT, name, text)), E_OK);
}

static void send_many(struct world *world, uint32_t count)
{
	struct request *request = request_new(world, count);
	for (uint32_t i = 0; i < count; i++) {
		request->ops[i].kind = OP_MESSAGE;
		request->ops[i].message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = STR("a"), .payload = STR("1") };
	}
	assert_ptr_equal(world_ask(world, request), request);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(request->ops[i].result.units, 1);
	request_drop(request);
}

static struct named_info look(struct world *world, const char *name)
{
	struct request *request = named_request(world, OP_NAMED_GET, name, "");
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_OK);
	struct named_info info = *request->ops[0].result.nameds;
	info.text = (struct str){ 0 };
	request_drop(request);
	return info;
}

static const struct effect *call_of(const struct world *world) /* the oldest that is under way */
{
	const struct index *index = &world->engine->index;
	for (const struct effect *effect = world->effects; effect; effect = effect->next) {
		uint32_t slot = effect->kind == EFFECT_DELIVER ? job_find(index, effect->uid) : SLOT_NONE;
		if (slot != SLOT_NONE && job_at(index, slot)->state == JOB_ACTIVE && job_at(index, slot)->fence == effect->fence)
			return effect;
	}
	return NULL;
}

/* The oldest call ends so. */
static struct request *end_request(struct world *world, struct op_hook *hook)
{
	const struct effect *effect = call_of(world);
	assert_non_null(effect);
	bool well = hook->blame == BLAME_WELL;
	struct request *request = lease_request(world, well ? OP_COMPLETE : OP_FAIL, effect->uid);
	hook->endpoint = effect->endpoint_number;
	request->ops[0].lease = (struct op_lease){
		.uid = effect->uid, .token = DELIVERY_TOKEN, .fence = effect->fence, .hook = hook, .body = well ? STR("1") : STR(""),
		.error = well ? STR("") : STR("{\"type\":\"http\",\"class\":\"timeout\"}"),
	};
	return request;
}

static void end(struct world *world, enum blame blame)
{
	struct op_hook hook = { .blame = blame };
	assert_int_equal(world_err(world, end_request(world, &hook)), E_OK);
}

static enum explain_code why_not(struct world *world) /* the first that waits */
{
	const struct index *index = &world->engine->index;
	uint32_t queue = queue_find(index, (struct queue_name){ .name = ENDPOINT_QUEUE });
	struct request *request = job_request(world, OP_EXPLAIN, job_at(index, queue_at(index, queue)->oldest)->uid);
	assert_ptr_equal(world_ask(world, request), request);
	enum explain_code code = request->ops[0].result.explanation->code;
	request_drop(request);
	return code;
}

static uint32_t running(struct world *world)
{
	return (uint32_t)look(world, "crm").active;
}

/* ---- slow start ---- */

static void trust_grows_with_successes_and_is_halved(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", CRM);
	send_many(&world, 20);
	assert_int_equal(running(&world), 2);
	assert_int_equal(why_not(&world), EXPLAIN_GROUP_CONCURRENCY);
	end(&world, BLAME_WELL);
	assert_int_equal(running(&world), 3);
	end(&world, BLAME_WELL);
	end(&world, BLAME_WELL);
	assert_int_equal(running(&world), 4); /* its concurrency */
	end(&world, BLAME_ENDPOINT);
	end(&world, BLAME_ENDPOINT);
	end(&world, BLAME_NONE);
	assert_int_equal(running(&world), 1);
	end(&world, BLAME_RECORD);
	assert_int_equal(running(&world), 1); /* it answered, but not well */
	end(&world, BLAME_WELL);
	assert_int_equal(running(&world), 2);
	world_close(&world);
}

static void nobody_takes_more_than_half_of_all_calls(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	world.engine->config.deliveries_max = 8;
	put(&world, "crm", "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"concurrency\":0}");
	send_many(&world, 30);
	for (int i = 0; i < 10; i++)
		end(&world, BLAME_WELL);
	assert_int_equal(running(&world), 4);
	world_close(&world);
}

/* ---- endpoints that may not answer ---- */

#define DOUBTED 6

static char *doubted(int i)
{
	static char name[16];
	snprintf(name, sizeof(name), "d%d", i);
	return name;
}

static void send_all(struct world *world, uint32_t count) /* to each of the endpoints */
{
	struct request *request = request_new(world, count);
	for (uint32_t i = 0; i < count; i++) {
		request->ops[i].kind = OP_MESSAGE;
		request->ops[i].message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = STR("a"), .payload = STR("1") };
	}
	assert_int_equal(world_err(world, request), E_OK);
}

/* Of 8 calls at once. "crm" answers; of the others nothing is known. */
static void open_doubt(struct world *world)
{
	roomy(world);
	world->engine->config.deliveries_max = 8;
	world->engine->index.doubtful_max = 4;
	put(world, "crm", CRM);
	send_all(world, 1);
	end(world, BLAME_WELL);
	for (int i = 0; i < DOUBTED; i++)
		put(world, doubted(i), CRM);
	send_all(world, 8);
}

static uint64_t doubtful_calls(struct world *world)
{
	uint64_t active = 0;
	for (int i = 0; i < DOUBTED; i++)
		active += look(world, doubted(i)).active;
	return active;
}

static bool end_of(struct world *world, const char *name, enum blame blame) /* its oldest call; false: it has none */
{
	struct op_hook hook = { .blame = blame };
	uint32_t number = look(world, name).number;
	const struct index *index = &world->engine->index;
	for (const struct effect *effect = world->effects; effect; effect = effect->next) {
		uint32_t slot = effect->kind == EFFECT_DELIVER && effect->endpoint_number == number ? job_find(index, effect->uid) : SLOT_NONE;
		if (slot == SLOT_NONE || job_at(index, slot)->state != JOB_ACTIVE || job_at(index, slot)->fence != effect->fence)
			continue;
		struct request *request = lease_request(world, blame == BLAME_WELL ? OP_COMPLETE : OP_FAIL, effect->uid);
		hook.endpoint = number;
		request->ops[0].lease = (struct op_lease){
			.uid = effect->uid, .token = DELIVERY_TOKEN, .fence = effect->fence, .hook = &hook,
			.body = blame == BLAME_WELL ? STR("1") : STR(""), .error = blame == BLAME_WELL ? STR("") : STR("{\"class\":\"timeout\"}"),
		};
		assert_int_equal(world_err(world, request), E_OK);
		return true;
	}
	return false;
}

static void who_answers_always_finds_room(void **state)
{
	struct world world;
	(void)state;
	open_doubt(&world);
	assert_int_equal(doubtful_calls(&world), 4);
	assert_int_equal(running(&world), 3); /* as many as it is trusted with */
	end_of(&world, "crm", BLAME_WELL);
	assert_int_equal(running(&world), 4);
	world_close(&world);
}

static enum explain_code why_waits(struct world *world, const char *name, struct str *words)
{
	const struct index *index = &world->engine->index;
	const struct group *group = group_at(index, named_at(index, named_find(index, NAMED_ENDPOINT, (struct queue_name){ .name = str_of(name) }))->group);
	struct request *request = job_request(world, OP_EXPLAIN, job_at(index, heap_peek(&group->ready)->item)->uid);
	assert_ptr_equal(world_ask(world, request), request);
	const struct explanation *why = request->ops[0].result.explanation;
	enum explain_code code = why->code;
	if (code == EXPLAIN_DELIVERY_SHARE) {
		assert_int_equal(why->active, 4);
		assert_int_equal(why->limit, 4);
	}
	assert_int_equal(code == EXPLAIN_DELIVERY_SHARE, memmem(why->text.ptr, why->text.len, words->ptr, words->len) != NULL);
	request_drop(request);
	return code;
}

/* Each of them gets its turn: none answers, and still all have been called before one is called three times. */
static void who_may_not_answer_gets_a_turn(void **state)
{
	struct world world;
	struct str words = STR("at most 4 calls at once");
	uint32_t ended[DOUBTED] = { 0 }, least = 0;
	(void)state;
	open_doubt(&world);
	assert_int_equal(look(&world, "d5").active, 0);
	assert_int_equal(why_waits(&world, "d5", &words), EXPLAIN_DELIVERY_SHARE);
	for (int round = 0; round < 30 && !least; round++) {
		int i = round % DOUBTED;
		ended[i] += end_of(&world, doubted(i), BLAME_NONE);
		assert_int_equal(doubtful_calls(&world), 4);
		least = ended[0];
		for (int k = 1; k < DOUBTED; k++)
			least = ended[k] < least ? ended[k] : least;
	}
	assert_int_equal(least, 1);
	for (int i = 0; i < DOUBTED; i++)
		assert_true(ended[i] <= 3);
	world_close(&world);
}

/* One that answers is in doubt no more, a record that it refuses is an answer, too; two failures in a row put it back, one does not. */
static void doubt_comes_and_goes(void **state)
{
	struct world world;
	(void)state;
	open_doubt(&world);
	world.engine->config.deliveries_max = 30; /* room for all who are trusted */
	const struct index *index = &world.engine->index;
	assert_true(end_of(&world, "d0", BLAME_WELL));
	assert_int_equal(index->doubtful_calls, 4);
	assert_true(doubtful_calls(&world) > 4);
	assert_true(end_of(&world, "d1", BLAME_RECORD));
	uint32_t refuser = named_at(index, named_find(index, NAMED_ENDPOINT, (struct queue_name){ .name = STR("d1") }))->group;
	assert_false(group_at(index, refuser)->doubtful);
	uint32_t slot = named_at(index, named_find(index, NAMED_ENDPOINT, (struct queue_name){ .name = STR("d0") }))->group;
	assert_false(group_at(index, slot)->doubtful);
	assert_true(end_of(&world, "d0", BLAME_ENDPOINT));
	assert_false(group_at(index, slot)->doubtful);
	world_pass(&world, 10);
	assert_true(end_of(&world, "d0", BLAME_ENDPOINT));
	assert_true(group_at(index, slot)->doubtful);
	world_close(&world);
}

/* Who waits in the line may be paused, resumed, deleted; and a restart knows of nobody. */
static void the_line_forgets_nobody(void **state)
{
	struct world world;
	(void)state;
	open_doubt(&world);
	const struct index *index = &world.engine->index;
	assert_int_not_equal(index->first_doubtful, SLOT_NONE);
	for (int on = 0; on < 2; on++) {
		for (int i = 0; i < DOUBTED; i++) {
			struct request *request = named_request(&world, OP_NAMED_STATE, doubted(i), "");
			request->ops[0].named.state = on ? NAMED_ENABLED : NAMED_PAUSED;
			assert_int_equal(world_err(&world, request), E_OK);
		}
		assert_int_equal(index->first_doubtful == SLOT_NONE, !on);
	}
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, "d5", "")), E_OK);
	assert_int_equal(index->doubtful_calls, 4);
	world.config.deliveries_max = 8;
	world_crash(&world);
	index = &world.engine->index;
	assert_int_equal(index->doubtful_calls, 4);
	assert_int_not_equal(index->first_doubtful, SLOT_NONE);
	for (int i = 0; i < 2000 && call_of(&world); i++)
		end(&world, BLAME_WELL);
	assert_int_equal(index->doubtful_calls, 0);
	assert_int_equal(index->first_doubtful, SLOT_NONE);
	assert_int_equal(look(&world, "d4").waiting, 0);
	world_close(&world);
}

/* An endless program, or one that takes long, holds places that it cannot use. */
static void a_slow_program_leaves_room(void **state)
{
	static const enum blame blames[] = { BLAME_WELL, BLAME_NONE };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(blames); i++) {
		struct world world;
		struct op_hook slow = { .blame = blames[i], .slow = true };
		roomy(&world);
		put(&world, "crm", "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"concurrency\":0}");
		send_many(&world, 60);
		for (int n = 0; n < 10; n++)
			end(&world, BLAME_WELL);
		assert_int_equal(running(&world), 12);
		for (int n = 0; n < 8; n++)
			assert_int_equal(world_err(&world, end_request(&world, &slow)), E_OK);
		assert_int_equal(named_at(&world.engine->index, 0)->health.allowed, 2);
		for (int n = 0; n < 4; n++)
			assert_int_equal(world_err(&world, end_request(&world, &slow)), E_OK);
		assert_int_equal(running(&world), 2);
		end(&world, BLAME_WELL);
		assert_int_equal(running(&world), 3);
		world_close(&world);
	}
}

/* ---- breaker ---- */

static void open_breaker(struct world *world)
{
	roomy(world);
	put(world, "crm", CRM);
	send_many(world, 10);
	for (int i = 0; i < 3; i++)
		end(world, BLAME_ENDPOINT);
}

static void it_opens_probes_and_closes(void **state)
{
	struct world world;
	(void)state;
	open_breaker(&world);
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_OPEN);
	assert_int_equal(info.health.failures, 3);
	assert_int_equal(info.health.open_until_us - world.wall_us, 1000000);
	assert_int_equal(info.active, 0);
	assert_int_equal(why_not(&world), EXPLAIN_BREAKER_OPEN);
	world_pass(&world, 999);
	assert_int_equal(running(&world), 0);
	world_pass(&world, 1);
	info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_PROBING);
	assert_int_equal(info.active, 1);
	end(&world, BLAME_ENDPOINT);
	info = look(&world, "crm");
	assert_int_equal(info.health.open_until_us - world.wall_us, 2000000); /* twice as long */
	world_pass(&world, 2000);
	end(&world, BLAME_ENDPOINT);
	assert_int_equal(look(&world, "crm").health.open_until_us - world.wall_us, 3000000); /* open_ms_max */
	world_pass(&world, 3000);
	end(&world, BLAME_NONE); /* asked to wait, perhaps: neither well nor bad */
	assert_int_equal(look(&world, "crm").health.state, HEALTH_PROBING);
	assert_int_equal(running(&world), 1);
	end(&world, BLAME_WELL);
	info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_OK);
	assert_int_equal(info.health.failures, 0);
	assert_int_equal(info.active, 2);
	for (int i = 0; i < 3; i++)
		end(&world, BLAME_ENDPOINT);
	assert_int_equal(look(&world, "crm").health.open_until_us - world.wall_us, 1000000); /* from the beginning */
	world_close(&world);
}

static void what_was_under_way_does_not_count_twice(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"concurrency\":0,\"breaker\":{\"failures\":1,\"open_ms\":1000,\"open_ms_max\":9000}}");
	send_many(&world, 20);
	for (int i = 0; i < 5; i++)
		end(&world, BLAME_WELL);
	assert_int_equal(running(&world), 7);
	for (int i = 0; i < 5; i++)
		end(&world, BLAME_ENDPOINT);
	assert_int_equal(look(&world, "crm").health.open_until_us - world.wall_us, 1000000);
	assert_int_equal(running(&world), 2);
	end(&world, BLAME_WELL); /* alive: nobody waits any longer */
	assert_int_equal(look(&world, "crm").health.state, HEALTH_OK);
	assert_int_equal(running(&world), 2);
	world_close(&world);
}

static struct request *limit_request(struct world *world, const char *name, const char *settings)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_LIMIT_PUT;
	request->ops[0].limit = (struct op_limit){ .limit.name = str_of(name), .settings = str_of(settings) };
	return request;
}

/* By hand, or because a 429 asked for it. */
static void back_off(struct world *world, int64_t delay_ms)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_BACK_OFF;
	request->ops[0].back_off = (struct op_back_off){ .queue.name = ENDPOINT_QUEUE, .group = STR("crm"), .delay_ms = delay_ms };
	assert_int_equal(world_err(world, request), E_OK);
}

static int64_t held_ms(struct world *world) /* so long nothing is started; 0: something may be */
{
	const struct index *index = &world->engine->index;
	int64_t blocked_us = group_at(index, named_at(index, 0)->group)->blocked_us;
	return blocked_us > index->now_us ? (blocked_us - index->now_us) / 1000 : 0;
}

/* Seven calls are under way, and the first failure opens its breaker for a second. */
static void open_among_calls(struct world *world)
{
	roomy(world);
	put(world, "crm", "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"concurrency\":0,\"breaker\":{\"failures\":1,\"open_ms\":1000,\"open_ms_max\":9000}}");
	send_many(world, 20);
	for (int i = 0; i < 5; i++)
		end(world, BLAME_WELL);
	assert_int_equal(running(world), 7);
}

/* A success says that the third party lives; not that somebody who asked to wait has changed his mind. */
static void its_end_leaves_what_others_asked_for(void **state)
{
	static const struct {
		int64_t before_ms, after_ms, left_ms; /* asked for before and after it opens; what its end leaves */
		enum blame blame;
		bool crash;
	} cases[] = {
		{ 0, 0, 0, BLAME_WELL, false },           { 5000, 0, 5000, BLAME_WELL, false },    { 300, 0, 300, BLAME_WELL, false },
		{ 0, 5000, 5000, BLAME_WELL, false },     { 0, 300, 300, BLAME_WELL, false },      { 0, 1000, 1000, BLAME_WELL, false },
		{ 5000, 300, 5000, BLAME_RECORD, false }, { 1000, 0, 1000, BLAME_RECORD, false },  { 0, 300, 300, BLAME_RECORD, false },
		{ 300, 700, 700, BLAME_WELL, false },     { 5000, 0, 5000, BLAME_WELL, true },     { 1000, 0, 1000, BLAME_WELL, true },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct world world;
		open_among_calls(&world);
		if (cases[i].before_ms)
			back_off(&world, cases[i].before_ms);
		end(&world, BLAME_ENDPOINT);
		if (cases[i].after_ms)
			back_off(&world, cases[i].after_ms);
		assert_int_equal(held_ms(&world), cases[i].before_ms > 1000 || cases[i].after_ms > 1000 ? 5000 : 1000);
		if (cases[i].crash) {
			world_crash(&world);
			struct request *patch = named_request(&world, OP_NAMED_PUT, "crm", "{\"url\":\"https://new.example/\"}");
			patch->ops[0].named.replace = false;
			assert_int_equal(world_err(&world, patch), E_OK); /* new settings end its pause as well */
		} else {
			end(&world, cases[i].blame);
		}
		if (held_ms(&world) != cases[i].left_ms)
			fail_msg("case %zu: %lld ms", i, (long long)held_ms(&world));
		world_close(&world);
	}
}

/* ---- an overloaded gateway ---- */

/* The oldest call is answered 502; busy_ms: with Retry-After. */
static void overload(struct world *world, int64_t busy_ms)
{
	struct op_hook hook = { .blame = BLAME_ENDPOINT, .overloaded = true };
	struct request *request = end_request(world, &hook);
	request->ops[0].lease.busy = busy_ms != 0;
	request->ops[0].lease.busy_ms = busy_ms;
	assert_int_equal(world_err(world, request), E_OK);
}

#define GATEWAY(more) "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"concurrency\":0,\"breaker\":{\"failures\":0,\"open_ms\":5000}" more "}"

/* So many calls are under way. */
static void behind_a_gateway(struct world *world, const char *settings)
{
	roomy(world);
	assert_int_equal(world_err(world, limit_request(world, "shared", "{\"penalty_ms_max\":700}")), E_OK);
	put(world, "crm", settings);
	send_many(world, 60);
	for (int i = 0; i < 5; i++)
		end(world, BLAME_WELL);
	assert_int_equal(running(world), 7);
}

/* Seven calls that it answers at once are one reason to wait; each later one is a reason to wait twice as long. */
static void it_is_given_time(void **state)
{
	static const int64_t pauses_ms[] = { 2000, 4000, 5000, 5000 };
	struct world world;
	(void)state;
	behind_a_gateway(&world, GATEWAY(""));
	for (int i = 0; i < 6; i++) {
		overload(&world, 0);
		assert_int_equal(held_ms(&world), 1000);
	}
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.health.slow_until_us - world.wall_us, 1000000);
	assert_int_equal(info.health.failures, 6);
	assert_int_equal(info.active, 1);
	world_pass(&world, 400);
	end(&world, BLAME_WELL); /* of before: it takes nothing back, but the row of them has ended */
	assert_int_equal(held_ms(&world), 600);
	assert_int_equal(running(&world), 0);
	assert_int_equal(why_not(&world), EXPLAIN_SLOWED_DOWN);
	world_pass(&world, 600);
	assert_int_equal(look(&world, "crm").health.slow_until_us, 0);
	assert_int_equal(running(&world), 2);
	overload(&world, 0);
	assert_int_equal(held_ms(&world), 1000);
	world_pass(&world, 1000);
	overload(&world, 0); /* begun before that */
	assert_int_equal(held_ms(&world), 0);
	for (size_t i = 0; i < ARRAY_COUNT(pauses_ms); i++) {
		overload(&world, 0);
		assert_int_equal(held_ms(&world), pauses_ms[i]);
		world_pass(&world, pauses_ms[i]);
		assert_int_equal(running(&world), 1);
	}
	end(&world, BLAME_RECORD); /* an answer */
	overload(&world, 0);
	assert_int_equal(held_ms(&world), 1000);
	back_off(&world, 0); /* somebody knows better */
	assert_int_equal(look(&world, "crm").health.slow_until_us, 0);
	assert_int_equal(running(&world), 1);
	world_close(&world);
}

/* The pause outlives the process, so does what it is for. */
static void a_restart_knows_who_is_given_time(void **state)
{
	struct world world;
	(void)state;
	behind_a_gateway(&world, GATEWAY(""));
	overload(&world, 0);
	int64_t until_us = look(&world, "crm").health.slow_until_us;
	assert_true(until_us > world.wall_us);
	world_crash(&world);
	assert_int_equal(look(&world, "crm").health.slow_until_us, until_us);
	assert_int_equal(why_not(&world), EXPLAIN_SLOWED_DOWN);
	back_off(&world, 0);
	assert_int_equal(look(&world, "crm").health.slow_until_us, 0);
	world_crash(&world);
	assert_int_equal(look(&world, "crm").health.slow_until_us, 0);
	overload(&world, 5000); /* as Retry-After said */
	until_us = look(&world, "crm").health.slow_until_us;
	world_crash(&world);
	assert_int_equal(look(&world, "crm").health.slow_until_us, until_us);
	world_pass(&world, 5000);
	assert_int_equal(look(&world, "crm").health.slow_until_us, 0);
	put(&world, "crm", GATEWAY(",\"timeout_ms\":9000"));
	world_crash(&world);
	assert_int_equal(look(&world, "crm").health.slow_until_us, 0);
	world_close(&world);
}

static void whom_it_holds_back_and_for_how_long(void **state)
{
	static const struct {
		const char *settings;
		int64_t asked_ms, busy_ms; /* by others before; by Retry-After */
		int64_t held_ms, slow_ms;  /* of the group; as its health tells */
		enum explain_code code;
	} cases[] = {
		{ GATEWAY(""), 0, 0, 1000, 1000, EXPLAIN_SLOWED_DOWN },
		{ GATEWAY(""), 5000, 0, 5000, 1000, EXPLAIN_BACKED_OFF },
		{ GATEWAY(""), 1, 0, 1000, 1000, EXPLAIN_SLOWED_DOWN },
		{ GATEWAY(""), 0, 3000, 3000, 3000, EXPLAIN_SLOWED_DOWN },
		{ GATEWAY(""), 0, 200, 200, 200, EXPLAIN_SLOWED_DOWN },
		{ GATEWAY(",\"slow_down_ms\":250"), 0, 0, 250, 250, EXPLAIN_SLOWED_DOWN },
		{ GATEWAY(",\"slow_down_ms\":60000"), 0, 0, 60000, 60000, EXPLAIN_SLOWED_DOWN },
		{ GATEWAY(",\"slow_down_ms\":0"), 0, 0, 0, 0, EXPLAIN_GROUP_CONCURRENCY },
		{ GATEWAY(",\"slow_down_ms\":0"), 0, 3000, 3000, 3000, EXPLAIN_SLOWED_DOWN },
		{ GATEWAY(",\"retry_after\":\"job\""), 0, 0, 0, 0, EXPLAIN_GROUP_CONCURRENCY },
		{ GATEWAY(",\"retry_after\":\"queue\""), 0, 0, 0, 1000, EXPLAIN_BACKED_OFF },
		{ GATEWAY(",\"limits\":[\"shared\"],\"retry_after\":\"shared\""), 0, 0, 0, 700, EXPLAIN_BACKED_OFF },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct world world;
		behind_a_gateway(&world, cases[i].settings);
		if (cases[i].asked_ms)
			back_off(&world, cases[i].asked_ms);
		overload(&world, cases[i].busy_ms);
		int64_t slow_us = look(&world, "crm").health.slow_until_us;
		int64_t slow_ms = slow_us ? (slow_us - world.wall_us) / 1000 : 0;
		for (int n = 0; n < 5; n++)
			end(&world, BLAME_NONE);
		end(&world, BLAME_WELL); /* takes nothing back */
		enum explain_code code = why_not(&world);
		bool right = held_ms(&world) == cases[i].held_ms && slow_ms == cases[i].slow_ms && code == cases[i].code;
		if (!right)
			fail_msg("case %zu: %lld ms, %lld ms, code %d", i, (long long)held_ms(&world), (long long)slow_ms, code);
		world_close(&world);
	}
}

/* Two endpoints share it: the success of one takes away nothing of what the other's gateway needs. */
static void a_shared_limit_is_held_back(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	assert_int_equal(world_err(&world, limit_request(&world, "shared", "{}")), E_OK);
	put(&world, "crm", GATEWAY(",\"limits\":[\"shared\"],\"retry_after\":\"shared\""));
	put(&world, "ops", GATEWAY(",\"limits\":[\"shared\"],\"retry_after\":\"shared\""));
	send_all(&world, 5);
	uint64_t calls = look(&world, "crm").active + look(&world, "ops").active;
	assert_int_equal(calls, 4);
	overload(&world, 0);
	for (uint64_t i = 1; i < calls; i++)
		end(&world, BLAME_WELL);
	const struct limit *limit = limit_at(&world.engine->index, 0);
	assert_int_equal(limit->blocked_us - world.engine->index.now_us, 1000000);
	assert_int_equal(look(&world, "crm").active + look(&world, "ops").active, 0);
	assert_int_equal(why_not(&world), EXPLAIN_BACKED_OFF);
	world_pass(&world, 1000);
	assert_true(look(&world, "crm").active + look(&world, "ops").active > 0);
	world_close(&world);
}

/* The breaker's end leaves what the gateway needs; a test, and one whose endpoint is gone, need nothing. */
static void it_goes_with_the_breaker(void **state)
{
	struct world world;
	(void)state;
	open_among_calls(&world);
	struct op_hook test = { .blame = BLAME_ENDPOINT, .overloaded = true, .test = true };
	assert_int_equal(world_err(&world, end_request(&world, &test)), E_OK);
	assert_int_equal(held_ms(&world), 0);
	overload(&world, 300); /* opens for a second */
	for (int i = 0; i < 4; i++)
		end(&world, BLAME_NONE);
	assert_int_equal(held_ms(&world), 1000);
	assert_int_equal(look(&world, "crm").health.state, HEALTH_OPEN);
	end(&world, BLAME_WELL);
	assert_int_equal(held_ms(&world), 300);
	assert_int_equal(why_not(&world), EXPLAIN_SLOWED_DOWN);
	world_pass(&world, 300);
	assert_int_equal(look(&world, "crm").health.state, HEALTH_OK);
	world_close(&world);
}

static void an_answer_that_refuses_a_record_closes_it_quietly(void **state)
{
	struct world world;
	(void)state;
	open_breaker(&world);
	world_pass(&world, 1000);
	end(&world, BLAME_RECORD);
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_FAILING);
	assert_int_equal(info.health.failures, 0);
	assert_true(info.health.failing_since_us > 0);
	assert_int_equal(info.active, 1);
	world_close(&world);
}

static void new_settings_end_the_pause(void **state)
{
	struct world world;
	(void)state;
	open_breaker(&world);
	struct request *patch = named_request(&world, OP_NAMED_PUT, "crm", "{\"url\":\"https://new.example/\"}");
	patch->ops[0].named.replace = false;
	assert_int_equal(world_err(&world, patch), E_OK);
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_PROBING);
	assert_int_equal(info.active, 1);
	end(&world, BLAME_ENDPOINT);
	assert_int_equal(look(&world, "crm").health.open_until_us - world.wall_us, 2000000);
	struct request *pause = named_request(&world, OP_NAMED_STATE, "crm", "");
	pause->ops[0].named.state = NAMED_PAUSED;
	assert_int_equal(world_err(&world, pause), E_OK);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_STATE, "crm", "")), E_OK);
	info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_OK); /* enabled by hand: as if nothing had been */
	assert_int_equal(info.active, 2);
	world_close(&world);
}

/* Two calls are under way; the first one's failure opens its breaker. The other one fails when the pause is over, by its own time or since the settings
 * are new: that is how the third party did before, and the probe goes out all the same. */
static void what_began_before_the_pause_was_over_is_no_probe(void **state)
{
	(void)state;
	for (int settings = 0; settings < 2; settings++) {
		struct world world;
		roomy(&world);
		put(&world, "crm", "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"breaker\":{\"failures\":1,\"open_ms\":1000,\"open_ms_max\":9000}}");
		send_many(&world, 5);
		assert_int_equal(running(&world), 2);
		world_pass(&world, 1);
		end(&world, BLAME_ENDPOINT);
		assert_int_equal(look(&world, "crm").health.state, HEALTH_OPEN);
		world_pass(&world, settings ? 1 : 1000);
		if (settings) {
			struct request *patch = named_request(&world, OP_NAMED_PUT, "crm", "{\"url\":\"https://new.example/\"}");
			patch->ops[0].named.replace = false;
			assert_int_equal(world_err(&world, patch), E_OK);
		}
		assert_int_equal(look(&world, "crm").health.state, HEALTH_PROBING);
		end(&world, BLAME_ENDPOINT); /* the other one of the two */
		struct named_info info = look(&world, "crm");
		assert_int_equal(info.health.state, HEALTH_PROBING);
		assert_int_equal(info.active, 1);
		world_pass(&world, 1);
		end(&world, BLAME_ENDPOINT); /* the probe */
		assert_int_equal(look(&world, "crm").health.open_until_us - world.wall_us, 2000000);
		world_close(&world);
	}
}

static void a_restart_goes_on_from_there(void **state)
{
	struct world world;
	(void)state;
	open_breaker(&world);
	world_pass(&world, 1000);
	end(&world, BLAME_ENDPOINT);
	int64_t until_us = look(&world, "crm").health.open_until_us, since_us = look(&world, "crm").health.failing_since_us;
	world_crash(&world);
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_OPEN);
	assert_true(info.health.open_until_us >= until_us);
	assert_true(info.health.failing_since_us >= since_us);
	assert_int_equal(why_not(&world), EXPLAIN_BREAKER_OPEN);
	world_pass(&world, 2000);
	assert_int_equal(running(&world), 1);
	end(&world, BLAME_ENDPOINT);
	assert_int_equal(look(&world, "crm").health.open_until_us - world.wall_us, 3000000);
	world_close(&world);
}

static void a_test_and_no_breaker_change_nothing(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"breaker\":{\"failures\":0}}");
	send_many(&world, 40);
	struct op_hook test = { .blame = BLAME_ENDPOINT, .test = true };
	assert_int_equal(world_err(&world, end_request(&world, &test)), E_OK);
	assert_int_equal(look(&world, "crm").health.failures, 0);
	for (int i = 0; i < 30; i++)
		end(&world, BLAME_ENDPOINT);
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.health.state, HEALTH_FAILING);
	assert_int_equal(info.active, 1);
	world_close(&world);
}

/* ---- disabled ---- */

static struct request *gone_request(struct world *world)
{
	static struct op_hook hook;
	hook = (struct op_hook){ .blame = BLAME_ENDPOINT, .gone = true };
	struct request *request = end_request(world, &hook);
	request->ops[0].lease.verdict = VERDICT_FINAL;
	return request;
}

static void gone_disables_and_holds(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", CRM);
	send_many(&world, 5);
	uint64_t uid = call_of(&world)->uid;
	assert_int_equal(world_err(&world, gone_request(&world)), E_OK);
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.state, NAMED_DISABLED);
	assert_true(str_eq(info.reason, STR("gone")));
	assert_int_equal(info.active, 1);
	assert_int_equal(info.waiting, 4);
	assert_int_equal(world_state(&world, uid), JOB_WAITING);
	assert_int_equal(job_at(&world.engine->index, job_find(&world.engine->index, uid))->attempts_made, 0);
	assert_int_equal(world_err(&world, gone_request(&world)), E_OK); /* the other one that was under way */
	world_crash(&world);
	info = look(&world, "crm");
	assert_int_equal(info.state, NAMED_DISABLED);
	assert_int_equal(info.waiting, 5);
	assert_int_equal(why_not(&world), EXPLAIN_ENDPOINT_DISABLED);
	put(&world, "well", CRM);
	world_pass(&world, 3000);
	struct engine_stats stats;
	engine_stats(world.engine, &stats);
	assert_int_equal(stats.endpoints[ENDPOINTS_DISABLED], 1);
	assert_int_equal(stats.endpoints[ENDPOINTS_OK], 1);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_STATE, "crm", "")), E_OK);
	assert_int_equal(running(&world), 2);
	end(&world, BLAME_WELL);
	assert_int_equal(look(&world, "crm").health.state, HEALTH_OK);
	world_close(&world);
}

static void nobody_is_gone_who_is_deleted_or_tested(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", CRM);
	send_many(&world, 3);
	struct op_hook hook = { .blame = BLAME_ENDPOINT, .gone = true, .test = true };
	struct request *request = end_request(&world, &hook);
	uint64_t uid = request->ops[0].lease.uid;
	request->ops[0].lease.verdict = VERDICT_FINAL;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
	assert_int_equal(look(&world, "crm").state, NAMED_ENABLED);
	request = gone_request(&world);
	uid = request->ops[0].lease.uid;
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_DELETE, "crm", "")), E_OK);
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(world_state(&world, uid), JOB_FAILED);
	world_close(&world);
}

#define FRAGILE "{\"url\":\"https://crm.example/\",\"types\":[\"*\"],\"breaker\":{\"failures\":0},\"disable_after_ms\":10000," \
	"\"retry\":{\"kind\":\"fixed\",\"max_attempts\":1000,\"delay_ms\":1,\"jitter\":\"none\"}}"
#define OPS "{\"url\":\"https://ops.example/?token=secret\",\"types\":[\"endpoint.*\",\"delivery.exhausted\"],\"concurrency\":0}"

static void fails_for(struct world *world, uint32_t attempts, int64_t ms)
{
	for (uint32_t i = 0; i < attempts; i++)
		end(world, BLAME_ENDPOINT);
	world_pass(world, ms);
}

static uint32_t events_of(struct world *world, const char *type)
{
	struct query query = { .kind = QUERY_EVENTS, .queue = ENDPOINT_QUEUE };
	struct answer answer = { 0 };
	struct arena arena = { 0 };
	struct reader *reader;
	uint32_t count = 0;
	assert_int_equal(world->store->verbs->reader_open(world->store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	reader_close(reader);
	for (uint32_t i = 0; i < answer.event_count; i++)
		for (struct str rest = answer.events[i].lines; rest.len; rest = str_from(rest, str_index(rest, '\n') + 1))
			count += str_starts(rest, str_of(type));
	arena_fini(&arena);
	return count;
}

/* It takes the time, and enough attempts in it. */
static void it_is_disabled_after_a_while(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", FRAGILE);
	send_many(&world, 30);
	fails_for(&world, 9, 20000);
	assert_int_equal(events_of(&world, "endpoint_failing"), 0);
	end(&world, BLAME_WELL);
	fails_for(&world, 1, 5000);
	fails_for(&world, 8, 4000);
	assert_int_equal(events_of(&world, "endpoint_failing"), 0);
	fails_for(&world, 1, 1000); /* the tenth */
	assert_int_equal(events_of(&world, "endpoint_failing"), 1);
	assert_int_equal(look(&world, "crm").state, NAMED_ENABLED);
	world_crash(&world); /* it has been told, so it is known since when */
	fails_for(&world, 1, 0);
	struct named_info info = look(&world, "crm");
	assert_int_equal(info.state, NAMED_DISABLED);
	assert_true(str_eq(info.reason, STR("failing")));
	assert_int_equal(info.health.disable_us, 0);
	assert_int_equal(info.active, 1);
	fails_for(&world, 1, 0); /* it was under way */
	assert_int_equal(events_of(&world, "endpoint_failing"), 1);
	assert_int_equal(events_of(&world, "endpoint_disabled"), 1);
	assert_int_equal(events_of(&world, "endpoint_failing"), 1);
	world_close(&world);
}

static void warnings_come_at_half_and_nine_tenths(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", FRAGILE);
	send_many(&world, 30);
	fails_for(&world, 10, 4999);
	fails_for(&world, 1, 1);
	assert_int_equal(events_of(&world, "endpoint_failing"), 1);
	fails_for(&world, 3, 4000);
	assert_int_equal(events_of(&world, "endpoint_failing"), 2);
	fails_for(&world, 3, 900);
	assert_int_equal(events_of(&world, "endpoint_failing"), 3);
	end(&world, BLAME_WELL);
	assert_int_equal(events_of(&world, "endpoint_recovered"), 1);
	end(&world, BLAME_WELL);
	assert_int_equal(events_of(&world, "endpoint_recovered"), 1);
	world_close(&world);
}

/* ---- messages about it ---- */

static uint32_t deliveries_to(struct world *world, const char *name)
{
	struct named_info info = look(world, name);
	return (uint32_t)(info.waiting + info.active + info.delayed);
}

static void each_change_is_a_message(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", FRAGILE);
	send_many(&world, 60);
	fails_for(&world, 10, 0); /* nobody wants to know */
	end(&world, BLAME_WELL);
	put(&world, "ops", OPS);
	assert_int_equal(deliveries_to(&world, "ops"), 0);
	fails_for(&world, 10, 0);
	assert_int_equal(deliveries_to(&world, "ops"), 1);
	end(&world, BLAME_WELL);
	assert_int_equal(deliveries_to(&world, "ops"), 2);
	assert_int_equal(world_err(&world, gone_request(&world)), E_OK);
	assert_int_equal(deliveries_to(&world, "ops"), 3);
	assert_int_equal(world_err(&world, named_request(&world, OP_NAMED_STATE, "crm", "")), E_OK);
	struct op_hook hook = { .blame = BLAME_RECORD };
	struct request *request = end_request(&world, &hook);
	request->ops[0].lease.verdict = VERDICT_FINAL;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(deliveries_to(&world, "ops"), 4); /* delivery.exhausted */
	end(&world, BLAME_RECORD); /* tried again */
	assert_int_equal(deliveries_to(&world, "ops"), 4);
	world_close(&world);
}

static const struct effect *call_to(const struct world *world, uint32_t number)
{
	const struct index *index = &world->engine->index;
	for (const struct effect *effect = world->effects; effect; effect = effect->next) {
		uint32_t slot = effect->kind == EFFECT_DELIVER && effect->endpoint_number == number ? job_find(index, effect->uid) : SLOT_NONE;
		if (slot != SLOT_NONE && job_at(index, slot)->state == JOB_ACTIVE && job_at(index, slot)->fence == effect->fence)
			return effect;
	}
	return NULL;
}

static void crm_is_well(struct world *world)
{
	struct op_hook hook = { .endpoint = 1, .blame = BLAME_WELL };
	const struct effect *effect = call_to(world, 1);
	assert_non_null(effect);
	struct request *request = lease_request(world, OP_COMPLETE, effect->uid);
	request->ops[0].lease = (struct op_lease){ .uid = effect->uid, .token = DELIVERY_TOKEN, .fence = effect->fence, .hook = &hook, .body = STR("1") };
	assert_int_equal(world_err(world, request), E_OK);
}

static void crm_is_set(struct world *world, enum named_state state)
{
	struct request *request = named_request(world, OP_NAMED_STATE, "crm", "");
	request->ops[0].named.state = state;
	assert_int_equal(world_err(world, request), E_OK);
}

/* Whoever heard that it is ill hears that it is well again, also when somebody enabled or resumed it meanwhile. */
static void an_end_by_hand_is_told_too(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) { /* gone; warned of and paused; only paused */
		struct world world;
		uint32_t told = way < 2;
		roomy(&world);
		put(&world, "crm", FRAGILE);
		put(&world, "ops", OPS);
		send_many(&world, 60);
		if (way == 0)
			assert_int_equal(world_err(&world, gone_request(&world)), E_OK);
		if (way == 1)
			fails_for(&world, 10, 0);
		if (way)
			crm_is_set(&world, NAMED_PAUSED);
		assert_int_equal(deliveries_to(&world, "ops"), told);
		crm_is_well(&world); /* a call that was under way: it is not called again yet */
		assert_int_equal(deliveries_to(&world, "ops"), told);
		world_crash(&world);
		crm_is_set(&world, NAMED_ENABLED);
		assert_int_equal(deliveries_to(&world, "ops"), told);
		world_crash(&world);
		crm_is_well(&world);
		assert_int_equal(events_of(&world, "endpoint_recovered"), told);
		assert_int_equal(deliveries_to(&world, "ops"), 2 * told);
		crm_is_well(&world);
		assert_int_equal(deliveries_to(&world, "ops"), 2 * told);
		world_close(&world);
	}
}

/* Those who are told of others are judged, too; but nobody is told of it, themselves least of all. */
static void messages_about_endpoints_make_none(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", FRAGILE);
	put(&world, "ops", OPS);
	send_many(&world, 30);
	fails_for(&world, 10, 0);
	const struct effect *effect = call_to(&world, 2);
	assert_non_null(effect);
	struct op_hook hook = { .endpoint = 2, .blame = BLAME_ENDPOINT, .gone = true, .meta = true };
	struct request *request = lease_request(&world, OP_FAIL, effect->uid);
	request->ops[0].lease = (struct op_lease){ .uid = effect->uid, .token = DELIVERY_TOKEN, .hook = &hook, .error = STR("{}") };
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(look(&world, "ops").state, NAMED_DISABLED);
	assert_int_equal(deliveries_to(&world, "ops"), 1);
	assert_int_equal(events_of(&world, "endpoint_disabled"), 1);
	world_close(&world);
}

/* A verdict needs no room; a message about it does. */
static void without_room_only_the_message_is_left_out(void **state)
{
	struct world world;
	(void)state;
	roomy(&world);
	put(&world, "crm", FRAGILE);
	put(&world, "ops", OPS);
	send_many(&world, 30);
	fails_for(&world, 9, 0);
	world.engine->full = E_STORE_FULL;
	world.engine->full_until_us = world.engine->index.now_us + 1000;
	assert_int_equal(world_err(&world, gone_request(&world)), E_OK);
	assert_int_equal(deliveries_to(&world, "ops"), 0);
	assert_int_equal(look(&world, "crm").state, NAMED_DISABLED);
	world_close(&world);
}

static void our_types_are_not_for_others(void **state)
{
	static const char *const types[] = { "endpoint.failing", "endpoint.disabled", "endpoint.recovered", "endpoint.test", "delivery.exhausted" };
	struct world world;
	(void)state;
	roomy(&world);
	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		struct request *request = request_new(&world, 1);
		request->ops[0].kind = OP_MESSAGE;
		request->ops[0].message = (struct op_message){ .uid = uid_next(&world.maker, world.wall_us), .type = str_of(types[i]), .payload = STR("1") };
		assert_int_equal(world_err(&world, request), E_INVALID);
	}
	world_close(&world);
}

/* ---- undone ---- */

/* The third failure opens the breaker: whatever fails, all of it is there, or nothing. */
static void memory_runs_out(void **state)
{
	static const enum blame blames[] = { BLAME_ENDPOINT, BLAME_WELL, BLAME_RECORD, BLAME_ENDPOINT };
	(void)state;
	for (uint64_t nth = 1, which = 0; which < ARRAY_COUNT(blames); nth++) {
		struct world world;
		struct buf before, after;
		struct op_hook hook = { .blame = blames[which], .overloaded = which == 3 }; /* which holds the group back before its breaker does */
		open_breaker(&world);
		put(&world, "ops", OPS);
		world_pass(&world, 1000);
		world_dump(&world, &before);
		struct health health = named_at(&world.engine->index, 0)->health;
		struct request *request = end_request(&world, &hook);
		engine_push(world.engine, request);
		bool starved = world_starve(&world, nth, MEM_FAIL_ONE);
		world_step(&world);
		assert_true(world_answered(&world, request));
		bool done = !request->err && request->ops[0].result.err == E_OK;
		request_drop(request);
		world_dump(&world, &after);
		assert_int_equal(str_eq(buf_str(&before), buf_str(&after)), !done);
		assert_int_equal(memcmp(&health, &named_at(&world.engine->index, 0)->health, sizeof(health)) == 0, !done);
		buf_fini(&before);
		buf_fini(&after);
		world_close(&world);
		assert_true(nth < 5000);
		if (!starved) {
			nth = 0;
			which++;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_grows_with_successes_and_is_halved),
		cmocka_unit_test(nobody_takes_more_than_half_of_all_calls),
		cmocka_unit_test(who_answers_always_finds_room),
		cmocka_unit_test(who_may_not_answer_gets_a_turn),
		cmocka_unit_test(doubt_comes_and_goes),
		cmocka_unit_test(the_line_forgets_nobody),
		cmocka_unit_test(a_slow_program_leaves_room),
		cmocka_unit_test(it_opens_probes_and_closes),
		cmocka_unit_test(what_began_before_the_pause_was_over_is_no_probe),
		cmocka_unit_test(what_was_under_way_does_not_count_twice), cmocka_unit_test(its_end_leaves_what_others_asked_for),
		cmocka_unit_test(it_is_given_time), cmocka_unit_test(a_restart_knows_who_is_given_time),
		cmocka_unit_test(whom_it_holds_back_and_for_how_long),
		cmocka_unit_test(a_shared_limit_is_held_back),
		cmocka_unit_test(it_goes_with_the_breaker),
		cmocka_unit_test(an_answer_that_refuses_a_record_closes_it_quietly),
		cmocka_unit_test(new_settings_end_the_pause),
		cmocka_unit_test(a_restart_goes_on_from_there),
		cmocka_unit_test(a_test_and_no_breaker_change_nothing),
		cmocka_unit_test(gone_disables_and_holds),
		cmocka_unit_test(nobody_is_gone_who_is_deleted_or_tested),
		cmocka_unit_test(it_is_disabled_after_a_while),
		cmocka_unit_test(warnings_come_at_half_and_nine_tenths),
		cmocka_unit_test(each_change_is_a_message),
		cmocka_unit_test(an_end_by_hand_is_told_too),
		cmocka_unit_test(messages_about_endpoints_make_none),
		cmocka_unit_test(without_room_only_the_message_is_left_out),
		cmocka_unit_test(our_types_are_not_for_others),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
