/* sim/clients.c: those who enqueue, and those who meddle: cancel, retry, promote, pause, delete, ask. */
#include "sim/world.h"
#include "base/check.h"
#include <stdio.h>

#define CLIENT_KEYS 100 /* that grow; the shadow remembers a few more */

static const char *const queues[] = { "plain", "narrow", "rated", "web", "kept", SIM_COMPAT_QUEUE };
static const char *const settings[] = {
	"{\"keep_completed\":\"all\",\"keep_failed\":\"all\",\"lease_ms\":2000,\"max_stalls\":1000,"
	"\"retry\":{\"kind\":\"exponential\",\"max_attempts\":4,\"delay_ms\":100,\"factor\":3,\"jitter\":\"full\"}}",
	"{\"keep_completed\":\"all\",\"keep_failed\":\"all\",\"events_max\":300,\"lease_ms\":1000,\"concurrency\":3,\"group_concurrency\":1,"
	"\"limits\":[\"shared\"],"
	"\"retry\":{\"kind\":\"fixed\",\"max_attempts\":2,\"delay_ms\":500,\"jitter\":\"none\"}}",
	"{\"keep_completed\":\"all\",\"keep_failed\":\"all\",\"lease_ms\":3000,\"rate\":{\"max\":20,\"per_ms\":1000},\"timeout_ms\":4000}",
	"{\"keep_completed\":\"all\",\"keep_failed\":\"all\",\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\",\"timeout_ms\":2000},"
	"\"group_concurrency\":2,\"limits\":[\"paced\",\"shared\"],\"retry_after\":\"group\","
	"\"retry\":{\"kind\":\"list\",\"max_attempts\":3,\"list_ms\":[100,1000]}}",
	"{\"keep_completed\":{\"count\":12,\"age_ms\":0,\"bytes\":0},\"keep_failed\":{\"count\":0,\"age_ms\":600000,\"bytes\":0},"
	"\"group_rate\":{\"max\":3,\"per_ms\":1000},\"limits\":[\"paced\"],"
	"\"retry\":{\"kind\":\"fixed\",\"max_attempts\":2,\"delay_ms\":20,\"jitter\":\"none\"}}",
	"{\"compat\":\"bullmq\",\"lease_ms\":2000,\"max_stalls\":1000,\"retry\":{\"kind\":\"fixed\",\"max_attempts\":2,\"delay_ms\":300}}",
};
/* A queue that comes and goes, and keeps nothing. */
static const char brief_settings[] = "{\"keep_completed\":\"none\",\"keep_failed\":\"none\",\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1/\"}}";

static void settings_sent(struct world *world, struct actor *actor, struct request *request);

static void settings_send(struct world *world, struct actor *actor, uint64_t which)
{
	struct request *request = world_request(world, 3);
	struct op *op = request->ops;
	(void)actor;
	request->atomic = true;
	*op++ = (struct op){ .kind = OP_LIMIT_PUT, .limit = { .limit.name = STR("shared"), .settings = STR("{}") } }; /* there before it is named */
	*op++ = (struct op){ .kind = OP_LIMIT_PUT, .limit = { .limit.name = STR("paced"), .settings = STR("{\"rate\":{\"max\":25,\"per_ms\":1000}}") } };
	*op = (struct op){ .kind = OP_QUEUE_PUT, .queue = { .queue.name = str_of(queues[which]), .settings = str_of(settings[which]), .replace = true } };
	world_send(world, request, (struct actor *)(uintptr_t)which, settings_sent);
}

static void settings_sent(struct world *world, struct actor *actor, struct request *request)
{
	if (request->err) /* until it is certain */
		world_plan(world, 1000, settings_send, NULL, (uint64_t)(uintptr_t)actor);
	else
		CHECK(request->ops[2].result.err == E_OK);
}

/* ---- producers ---- */

static char large[LIMIT_PAYLOAD_INLINE * 2 + 77];

static void enqueued(struct world *world, struct actor *actor, struct request *request)
{
	(void)actor;
	told_enqueued(&world->shadow, request);
}

static struct str client_text(struct request *request, const char *format, uint64_t n)
{
	char *text = arena_printf(&request->arena, format, (unsigned long long)n);
	CHECK(text);
	return str_of(text);
}

/* Every mode there is, under few keys. */
static const struct op_dedup *client_dedup(struct world *world, struct request *request, bool compat)
{
	struct op_dedup *dedup = ARENA_NEW(&request->arena, struct op_dedup);
	CHECK(dedup);
	dedup->key = client_text(request, "key-%llu", world_below(world, 8));
	switch (world_below(world, compat ? 6 : 8)) {
	case 0: break;
	case 1: dedup->ttl_ms = 1 + (int64_t)world_below(world, 3000); break;
	case 2:
		dedup->ttl_ms = 1 + (int64_t)world_below(world, 3000);
		dedup->extend = dedup->replace = true;
		break;
	case 3:
		dedup->replace = true;
		dedup->max_wait_ms = 1 + (int64_t)world_below(world, 3000);
		break;
	case 4:
		dedup->reschedule = true;
		dedup->max_wait_ms = (int64_t)world_below(world, 3000);
		break;
	case 5: dedup->keep_last = true; break;
	case 6: dedup->latest = true; break;
	default: dedup->fifo = true; break;
	}
	return dedup;
}

/* Some come from another queue, with what they have been through there; many of them had ended. */
static const struct op_past *client_past(struct world *world, struct request *request, struct op_enqueue *enqueue)
{
	static const struct op_past_text error = { .text = { "{\"message\":\"theirs\"}", 20 } };
	struct op_past *past = ARENA_NEW(&request->arena, struct op_past);
	CHECK(past);
	past->attempts_started = past->attempts_made = (uint32_t)world_below(world, 3);
	if (past->attempts_started && world_chance(world, 500)) {
		past->errors = past->last_error = &error;
		past->error_count = 1;
	}
	past->finished_us = world_chance(world, 500) ? world_wall_us(world) - (int64_t)world_below(world, 5000000) : 0;
	past->ended = world_chance(world, 500) && !enqueue->delay_ms && !enqueue->run_at_us;
	past->state = world_chance(world, 500) ? JOB_COMPLETED : JOB_FAILED;
	past->result = STR("{\"theirs\":true}");
	return past;
}

static void client_enqueue_op(struct world *world, struct request *request, struct op *op)
{
	static const struct retry_policy quick = { .kind = BACKOFF_FIXED, .max_attempts = 2, .delay_ms = 50 };
	struct op_enqueue *enqueue = &op->enqueue;
	op->kind = OP_ENQUEUE;
	enqueue->queue.name = str_of(queues[world_below(world, ARRAY_COUNT(queues))]);
	if (str_eq(enqueue->queue.name, STR(SIM_COMPAT_QUEUE)))
		enqueue->compat = COMPAT_BULLMQ;
	enqueue->uid = uid_next(&world->maker, world_wall_us(world));
	enqueue->payload = STR("{\"n\":1}");
	if (world_chance(world, 100))
		enqueue->metadata = STR("{\"opts\":{}}");
	if (world_chance(world, 4)) /* staged in chunks */
		enqueue->payload = (struct str){ large, sizeof(large) };
	if (world_chance(world, 600))
		enqueue->group = client_text(request, "g%llu", world_below(world, 6));
	if (world_chance(world, 200))
		enqueue->id = client_text(request, "id-%llu", world_below(world, 40));
	if (world_chance(world, 300))
		enqueue->priority = (int32_t)world_below(world, 3);
	if (world_chance(world, 150))
		enqueue->delay_ms = (int64_t)world_below(world, 5000);
	else if (world_chance(world, 100))
		enqueue->run_at_us = world_wall_us(world) + (int64_t)world_below(world, 5000000);
	if (world_chance(world, 50))
		enqueue->ttl_ms = 1 + (int64_t)world_below(world, 3000);
	enqueue->lifo = world_chance(world, 100);
	if (world_chance(world, 120))
		enqueue->dedup = client_dedup(world, request, enqueue->compat);
	if (enqueue->compat && !enqueue->dedup && world_chance(world, 200))
		enqueue->past = client_past(world, request, enqueue);
	if (world_chance(world, 100))
		enqueue->retry = &quick;
	if (world_chance(world, 100))
		enqueue->max_attempts = 1 + (uint32_t)world_below(world, 3);
}

/* The first one waits for some of the others; of some it does not mind the failure. None holds: nobody would let it go at the end. */
static void client_make_tree(struct world *world, struct request *request)
{
	request->ops[0].enqueue.waits = true;
	request->ops[0].enqueue.dedup = NULL;
	for (uint32_t i = 0; i < request->op_count; i++)
		request->ops[i].enqueue.past = NULL;
	for (uint32_t i = 1; i < request->op_count; i++) {
		struct op_enqueue *enqueue = &request->ops[i].enqueue;
		if (enqueue->dedup || world_chance(world, 200))
			continue;
		enqueue->parents = ARENA_ARRAY(&request->arena, struct op_parent, 2);
		CHECK(enqueue->parents);
		enqueue->parents[enqueue->parent_count++] = (struct op_parent){ .ref = 1, .on_failure = (enum on_failure)world_below(world, ON_FAILURE_HOLD) };
		enqueue->waits = world_chance(world, 300);
		if (enqueue->compat)
			enqueue->id = STR(""); /* one that has failed would be waited for until somebody retries it */
		else if (i > 1 && request->ops[i - 1].enqueue.waits)
			enqueue->parents[enqueue->parent_count++] = (struct op_parent){ .ref = i };
	}
}

/* In no order, as many programs make them, or growing, as the SDKs' do: the newest, and those shortly before it once more. */
static struct str client_key(struct world *world, struct request *request)
{
	uint64_t newest = world->shadow.promise_count < CLIENT_KEYS ? world->shadow.promise_count : CLIENT_KEYS;
	if (world_chance(world, 500))
		return client_text(request, "1:key-%llu", world_below(world, 20));
	return client_text(request, "1:m%04llu", newest - world_below(world, newest < 3 ? newest + 1 : 4));
}

static void client_act(struct world *world, struct actor *actor, uint64_t argument)
{
	if (world->calm)
		return;
	uint32_t count = world_chance(world, 700) ? 1 : 1 + (uint32_t)world_below(world, 8);
	struct request *request = world_request(world, count);
	for (uint32_t i = 0; i < count; i++)
		client_enqueue_op(world, request, &request->ops[i]);
	request->atomic = world_chance(world, 300);
	if (count > 1 && world_chance(world, 400))
		client_make_tree(world, request);
	if (world_chance(world, 100)) {
		request->idempotency_key = client_key(world, request);
		request->request_hash = count;
	}
	world_send(world, request, actor, enqueued);
	world_plan(world, (int64_t)world_below(world, 60000) + 1000, client_act, actor, argument);
}

/* ---- meddlers ---- */

static void withdraw(struct world *world, struct actor *actor, uint64_t number)
{
	struct request *request = world_request(world, 1);
	(void)actor;
	request->ops[0].kind = OP_WITHDRAW;
	request->ops[0].withdraw = number;
	world_send(world, request, NULL, NULL);
}

static void meddled(struct world *world, struct actor *actor, struct request *request)
{
	const struct op *op = &request->ops[0];
	(void)actor;
	CHECK(request->err || !request->atomic || op->result.err);
	if (request->err || op->result.err)
		return;
	if (op->kind >= OP_RETRY && op->kind <= OP_RESCHEDULE)
		told_changed(&world->shadow, op->result.uid, request->commit_seq);
}

/* At times all of it is undone: the second operation is bound to be refused. */
static void meddle_send(struct world *world, struct request *request)
{
	if (world_chance(world, 250) && request->ops[0].kind != OP_WAIT) {
		request->op_count = 2;
		request->atomic = true;
		request->ops[1].kind = OP_DELETE;
		request->ops[1].job.uid = 1;
	}
	world_send(world, request, NULL, meddled);
}

static uint64_t meddle_uid(struct world *world)
{
	if (!world->shadow.jobs.used)
		return 1;
	/* Mostly recent ones: old ones have ended. */
	uint64_t used = world->shadow.jobs.used, back = world_below(world, world_chance(world, 700) ? 50 : used);
	const struct shadow_job *job = pool_at(&world->shadow.jobs, (uint32_t)(back < used ? used - 1 - back : 0));
	return job->row.uid;
}

static void meddle_options(struct world *world, struct op *op)
{
	op->job.force = world_chance(world, 300);
	op->job.lifo = op->kind == OP_REPRIORITISE && world_chance(world, 300);
	op->job.only_in_state = world_chance(world, 100);
	op->job.only_state = (enum job_state)world_below(world, JOB_STATE_COUNT);
	if (op->kind == OP_RESCHEDULE && world_chance(world, 500))
		op->job.run_at_us = world_wall_us(world) + (int64_t)world_below(world, 3000000);
	else if (op->kind == OP_RESCHEDULE)
		op->job.delay_ms = (int64_t)world_below(world, 3000);
}

static void meddle_job(struct world *world)
{
	static const enum op_kind kinds[] = { OP_CANCEL, OP_RETRY, OP_PROMOTE, OP_REPRIORITISE, OP_MOVE, OP_DELETE, OP_EDIT, OP_RESCHEDULE, OP_WAIT,
		                              OP_EXPLAIN };
	struct request *request = world_request(world, 2);
	struct op *op = &request->ops[0];
	request->op_count = 1;
	op->kind = kinds[world_below(world, ARRAY_COUNT(kinds))];
	op->job.uid = meddle_uid(world);
	op->job.priority = (int32_t)world_below(world, 3);
	op->job.to.name = STR("plain");
	op->job.wait_ms = (int64_t)world_below(world, 2000);
	if ((op->kind == OP_RETRY || op->kind == OP_MOVE) && world_chance(world, 300))
		op->job.delay_ms = (int64_t)world_below(world, 4000);
	meddle_options(world, op);
	if (op->kind == OP_EDIT || (op->kind == OP_RETRY && world_chance(world, 300))) {
		op->job.has_payload = true;
		op->job.payload = STR("{\"edited\":true}");
	}
	if (op->kind == OP_WAIT && world_chance(world, 300))
		world_plan(world, (int64_t)world_below(world, 1000000), withdraw, NULL, request->number);
	meddle_send(world, request);
}

static void meddle_queue(struct world *world)
{
	static const enum op_kind kinds[] = { OP_QUEUE_PAUSE, OP_QUEUE_RESUME, OP_QUEUE_RESUME, OP_QUEUE_GET, OP_QUEUE_PUT, OP_GROUP_PAUSE,
		                              OP_GROUP_RESUME, OP_GROUPS, OP_GROUP_PUT, OP_GROUP_DELETE, OP_QUEUE_DELETE };
	struct request *request = world_request(world, 2);
	struct op *op = &request->ops[0];
	request->op_count = 1;
	op->kind = kinds[world_below(world, ARRAY_COUNT(kinds))];
	op->queue.queue.name = str_of(queues[world_below(world, ARRAY_COUNT(queues))]);
	op->queue.group = client_text(request, "g%llu", world_below(world, 6));
	if (op->kind == OP_GROUP_PUT || op->kind == OP_QUEUE_PUT)
		op->queue.settings = client_text(request, "{\"concurrency\":%llu}", 1 + world_below(world, 4));
	if (op->kind == OP_QUEUE_DELETE)
		op->queue.queue.name = STR("brief");
	meddle_send(world, request);
}

/* Every chain has a limit, so that the world comes to rest; where who works is to keep it, he stops asking. */
static void meddle_chain(struct world *world)
{
	static const enum op_kind kinds[] = { OP_CHAIN_PUT, OP_CHAIN_PUT, OP_CHAIN_PUT, OP_CHAIN_DELETE, OP_CHAIN_GET, OP_CHAINS };
	static const char *const jobs[] = { "{}", "{\"group\":\"g1\",\"priority\":1}", "{\"ttl_ms\":50}", "{\"lifo\":true,\"retry\":{\"delay_ms\":30}}" };
	struct request *request = world_request(world, 2);
	struct op *op = &request->ops[0];
	request->op_count = 1;
	op->kind = kinds[world_below(world, ARRAY_COUNT(kinds))];
	op->chain.queue.name = str_of(queues[world_below(world, ARRAY_COUNT(queues))]);
	if (op->kind != OP_CHAINS)
		op->chain.key = client_text(request, "chain-%llu", world_below(world, 4));
	op->chain.job = str_of(jobs[world_below(world, ARRAY_COUNT(jobs))]);
	if (world_chance(world, 700))
		op->chain.schedule = client_text(request, "{\"every_ms\":%llu,\"limit\":4}", 1 + world_below(world, 3) * 700);
	else
		op->chain.schedule = client_text(request, "{\"pattern\":\"* * * * * *\",\"limit\":%llu}", 1 + world_below(world, 4));
	chains_tell(world, op);
	meddle_send(world, request);
}

/* Makes the queue if there is none, and gives it a job, both or neither. */
static void brief_enqueued(struct world *world, struct actor *actor, struct request *request)
{
	const struct op_result *result = &request->ops[1].result;
	(void)actor;
	if (request->err)
		return;
	CHECK((request->ops[0].result.err == E_OK) == (result->err == E_OK));
	CHECK(result->err == E_OK || !shadow_find(&world->shadow, request->ops[1].enqueue.uid));
}

static void meddle_brief(struct world *world)
{
	struct request *request = world_request(world, 2);
	request->atomic = true;
	request->ops[0].kind = OP_QUEUE_PUT;
	request->ops[0].queue.queue.name = STR("brief");
	request->ops[0].queue.settings = str_of(brief_settings);
	client_enqueue_op(world, request, &request->ops[1]);
	request->ops[1].enqueue.queue.name = STR("brief");
	request->ops[1].enqueue.compat = COMPAT_NONE;
	request->ops[1].enqueue.past = NULL;
	world_send(world, request, NULL, brief_enqueued);
}

/* A queue's log: an event of one's own, or trimming. */
static void meddle_log(struct world *world)
{
	struct request *request = world_request(world, 1);
	struct op *op = &request->ops[0];
	op->kind = world_chance(world, 500) ? OP_EVENT : OP_EVENTS_TRIM;
	op->event = (struct op_event){ .queue.name = str_of(queues[world_below(world, ARRAY_COUNT(queues))]), .name = STR("seen"),
		                       .details = STR("{\"by\":\"sim\"}"), .keep = world_below(world, 200) };
	world_send(world, request, NULL, meddled);
}

/* ---- bulk operations: started now and then, and worked off as the daemon's runner does: page, slice, until finished ---- */

static void meddle_bulk(struct world *world)
{
	static const enum op_kind actions[] = { OP_RETRY, OP_DELETE, OP_CANCEL };
	static const enum op_kind changes[] = { OP_OPERATION_PAUSE, OP_OPERATION_RESUME, OP_OPERATION_RESUME, OP_OPERATION_CANCEL };
	struct request *request = world_request(world, 2);
	struct op *op = &request->ops[0];
	request->op_count = 1;
	if (world->operation_count == ARRAY_COUNT(world->operations) || (world->operation_count && world_chance(world, 500))) {
		op->kind = changes[world_below(world, ARRAY_COUNT(changes))];
		op->operation.number = world->operations[world_below(world, world->operation_count)];
		meddle_send(world, request);
		return;
	}
	op->kind = OP_OPERATION_START;
	op->operation.number = uid_next(&world->maker, world_wall_us(world));
	op->operation.action = actions[world_below(world, ARRAY_COUNT(actions))];
	world->operations[world->operation_count++] = op->operation.number;
	meddle_send(world, request);
}

static void bulk_again(struct world *world, struct actor *actor, uint64_t number)
{
	(void)actor;
	clients_bulk(world, &(struct effect){ .kind = EFFECT_OPERATION, .uid = number, .operation_state = OPERATION_RUNNING });
}

static void bulk_sliced(struct world *world, struct actor *actor, struct request *request)
{
	(void)actor;
	enum err err = request->err ? request->err : request->ops[0].result.err;
	if (err == E_STORE_FULL || err == E_UNAVAILABLE || err == E_BACKLOG) /* after an unknown outcome the engine calls by itself */
		world_plan(world, 100000, bulk_again, NULL, request->ops[0].operation.number);
	CHECK(request->err || err == E_STORE_FULL || err == E_UNAVAILABLE || err == E_BACKLOG || err == E_OK || err == E_NOT_FOUND || err == E_STATE);
}

static enum op_kind bulk_action(struct str name)
{
	enum op_kind kind = OP_RETRY;
	enum err err = op_kind_parse(name, &kind);
	CHECK(!err);
	return kind;
}

void clients_bulk(struct world *world, const struct effect *effect)
{
	struct reader *reader;
	struct answer running, answer;
	struct request *request = world_request(world, 1);
	struct op_operation *slice = &request->ops[0].operation;
	enum err err = world->inner->verbs->reader_open(world->inner, &reader);
	CHECK(!err);
	err = reader_run(reader,
			 &(struct query){
				 .kind = QUERY_OPERATIONS, .uids = &effect->uid, .uid_count = 1, .limit = LIMIT_PAGE },
			 &request->arena, &running);
	CHECK(!err);
	const struct operation_row *row = NULL;
	for (uint32_t i = 0; i < running.operation_count; i++)
		if (running.operations[i].number == effect->uid)
			row = &running.operations[i];
	CHECK(row); /* the effect left after the commit */
	if (str_eq(row->action, str_of(operation_action_name(OP_RESEND)))) {
		hooks_replay(reader, row, request);
		reader_close(reader);
		world_send(world, request, NULL, bulk_sliced);
		return;
	}
	enum op_kind action = bulk_action(row->action);
	struct query query = { .kind = QUERY_MATCHES, .limit = 7, .cursor_uid = row->cursor_uid, .cursor_phase = row->cursor_phase };
	query.filter.queue = STR("plain");
	query.filter.states = action == OP_CANCEL ? 1u << JOB_WAITING : 1u << JOB_FAILED | 1u << JOB_CANCELLED;
	err = reader_run(reader, &query, &request->arena, &answer);
	CHECK(!err || err == E_QUEUE_NOT_FOUND);
	if (err)
		answer = (struct answer){ .next_phase = 2 };
	reader_close(reader);
	uint64_t *uids = ARENA_ARRAY(&request->arena, uint64_t, answer.match_count + 1),
		 *versions = ARENA_ARRAY(&request->arena, uint64_t, answer.match_count + 1);
	CHECK(uids && versions);
	for (uint32_t i = 0; i < answer.match_count; i++) {
		uids[i] = answer.matches[i].uid;
		versions[i] = answer.matches[i].version;
	}
	request->ops[0].kind = OP_SLICE;
	*slice = (struct op_operation){ .number = effect->uid, .action = action, .uids = uids, .versions = versions, .count = answer.match_count,
		                        .next_uid = answer.next_uid, .next_phase = answer.next_phase, .last = answer.next_phase == 2 };
	world_send(world, request, NULL, bulk_sliced);
}

static void meddle(struct world *world, struct actor *actor, uint64_t argument)
{
	if (world->calm)
		return;
	if (world_chance(world, 50))
		meddle_bulk(world);
	else if (world_chance(world, 60))
		meddle_brief(world);
	else if (world_chance(world, 30))
		meddle_log(world);
	else if (world_chance(world, 100))
		meddle_chain(world);
	else if (world_chance(world, 150))
		trees_meddle(world);
	else if (world_chance(world, 800))
		meddle_job(world);
	else
		meddle_queue(world);
	world_plan(world, (int64_t)world_below(world, 200000) + 1000, meddle, actor, argument);
}

/* In the end everything is resumed, again and again until it is certain. */
static void resume(struct world *world, struct actor *actor, uint64_t argument)
{
	world_plan(world, 5000000, resume, actor, argument);
	if (!world->calm)
		return;
	for (uint32_t i = 0; i < world->operation_count; i++) {
		struct request *request = world_request(world, 1);
		request->ops[0].kind = OP_OPERATION_RESUME;
		request->ops[0].operation.number = world->operations[i];
		world_send(world, request, NULL, meddled);
	}
	for (uint32_t queue = 0; queue < ARRAY_COUNT(queues); queue++) {
		struct request *request = world_request(world, 7);
		for (uint32_t i = 0; i < 7; i++) {
			request->ops[i].kind = i < 6 ? OP_GROUP_RESUME : OP_QUEUE_RESUME;
			request->ops[i].queue.queue.name = str_of(queues[queue]);
			request->ops[i].queue.group = client_text(request, "g%llu", i);
		}
		world_send(world, request, NULL, meddled);
	}
}

void clients_start(struct world *world)
{
	for (uint64_t i = 0; i < ARRAY_COUNT(queues); i++)
		settings_send(world, NULL, i);
	for (int i = 0; i < 3; i++)
		world_plan(world, 20000 * i + 1000000, client_act, NULL, 0);
	world_plan(world, 1200000, meddle, NULL, 0);
	world_plan(world, 5000000, resume, NULL, 0);
}
