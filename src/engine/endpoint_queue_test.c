/* src/engine/endpoint_queue_test.c: the queue `webhooks` is kept for deliveries from the beginning, at every door; who had it before keeps it. */
#include "engine/test_world.h"
#include "store/mem/disk.h"

#define QUEUE "webhooks"

static struct request *endpoint_request(struct world *world)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_NAMED_PUT;
	request->ops[0].named = (struct op_named){ .kind = NAMED_ENDPOINT, .named.name = STR("crm"), .text = STR("{\"url\":\"https://a/\",\"types\":[\"*\"]}"),
		                                   .replace = true };
	return request;
}

static void refused_at(struct world *world, struct request *request, const char *field, const char *word)
{
	assert_ptr_equal(world_ask(world, request), request);
	const struct op_result *result = &request->ops[request->op_count - 1].result;
	assert_int_equal(result->err, E_INVALID);
	assert_string_equal(result->problem->field, field);
	assert_non_null(strstr(result->problem->detail, word));
	request_drop(request);
}

static struct request *chain_request(struct world *world)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_CHAIN_PUT;
	request->ops[0].chain = (struct op_chain){ .queue.name = STR(QUEUE), .key = STR("k"), .schedule = STR("{\"every_ms\":60000}") };
	return request;
}

static struct request *move_request(struct world *world, uint64_t uid)
{
	struct request *request = job_request(world, OP_MOVE, uid);
	request->ops[0].job.to.name = STR(QUEUE);
	return request;
}

static struct request *moves_request(struct world *world)
{
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_OPERATION_START;
	request->ops[0].operation = (struct op_operation){ .number = uid_next(&world->maker, world->wall_us), .action = OP_MOVE,
		                                           .template.to.name = STR(QUEUE) };
	return request;
}

static struct request *family_request(struct world *world) /* a child that another one waits for, in one atomic request */
{
	static struct op_parent parent;
	struct request *request = request_new(world, 2);
	request->atomic = true;
	enqueue_op(world, &request->ops[0], "q", "");
	request->ops[0].enqueue.waits = true;
	parent = (struct op_parent){ .uid = request->ops[0].enqueue.uid, .on_failure = ON_FAILURE_CONTINUE };
	enqueue_op(world, &request->ops[1], QUEUE, "");
	request->ops[1].enqueue.parents = &parent;
	request->ops[1].enqueue.parent_count = 1;
	return request;
}

static void refused_at_every_door(struct world *world, uint64_t job)
{
	uint64_t jobs = world->engine->index.live_jobs;
	refused_at(world, enqueue_request(world, QUEUE, "", ""), "queue", "/v1/messages");
	refused_at(world, enqueue_request(world, QUEUE, "crm", "id"), "queue", "/v1/messages");
	refused_at(world, family_request(world), "queue", "/v1/messages");
	refused_at(world, chain_request(world), "queue", "/v1/messages");
	refused_at(world, move_request(world, job), "queue", "/v1/messages");
	refused_at(world, moves_request(world), "arguments.queue", "/v1/messages");
	refused_at(world, claim_request(world, QUEUE, 1, 0), "queues", "/v1/messages");
	refused_at(world, claim_request(world, QUEUE, 1, 60000), "queues", "/v1/messages");
	assert_int_equal(world->engine->index.live_jobs, jobs);
}

static void nobody_makes_or_claims_jobs_there(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	uint64_t job = world_enqueue(&world, "q", "");
	refused_at_every_door(&world, job);
	assert_int_equal(queue_find(&world.engine->index, (struct queue_name){ .name = ENDPOINT_QUEUE }), SLOT_NONE);
	assert_int_equal(world_err(&world, endpoint_request(&world)), E_OK);
	refused_at_every_door(&world, job);
	world_crash(&world);
	refused_at_every_door(&world, job);
	world_close(&world);
}

static const struct queue_settings *settings(struct world *world)
{
	const struct index *index = &world->engine->index;
	return queue_at(index, queue_find(index, (struct queue_name){ .name = ENDPOINT_QUEUE }))->settings;
}

/* Whatever is said of it before the first endpoint is there. */
static void it_is_what_endpoints_need_from_the_beginning(void **state)
{
	static const struct {
		enum op_kind kind;
		const char *text;
		bool replace;
	} firsts[] = {
		{ OP_QUEUE_PUT, "{\"http\":{\"timeout_ms\":7000}}", false },
		{ OP_QUEUE_PUT, "{\"http\":{\"timeout_ms\":7000}}", true },
		{ OP_GROUP_PUT, "{\"concurrency\":3}", true },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(firsts); i++) {
		struct world world;
		world_open(&world);
		struct request *request = queue_request(&world, firsts[i].kind, QUEUE, firsts[i].kind == OP_GROUP_PUT ? "other" : "", firsts[i].text);
		request->ops[0].queue.replace = firsts[i].replace;
		assert_int_equal(world_err(&world, request), E_OK);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(settings(&world)->target, TARGET_HTTP);
			assert_int_equal(settings(&world)->http.timeout_ms, firsts[i].kind == OP_QUEUE_PUT && !again ? 7000 : 15000);
			request = queue_request(&world, OP_QUEUE_PUT, QUEUE, "", "{}");
			request->ops[0].queue.replace = true;
			assert_int_equal(world_err(&world, request), E_OK); /* as if nothing had been said of it */
			world_crash(&world);
		}
		refused_at(&world, queue_request(&world, OP_QUEUE_PUT, QUEUE, "", "{\"target\":\"pull\"}"), "target", "another queue");
		assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_RESET, QUEUE, "", "")), E_OK);
		assert_int_equal(settings(&world)->target, TARGET_HTTP);
		assert_int_equal(world_err(&world, endpoint_request(&world)), E_OK);
		world_close(&world);
	}
	struct world world;
	world_open(&world);
	refused_at(&world, queue_request(&world, OP_QUEUE_PUT, QUEUE, "", "{\"target\":\"pull\"}"), "target", "another queue");
	assert_int_equal(queue_find(&world.engine->index, (struct queue_name){ .name = ENDPOINT_QUEUE }), SLOT_NONE);
	world_close(&world);
}

static void conflict(struct world *world, const char *word)
{
	struct request *request = endpoint_request(world);
	assert_ptr_equal(world_ask(world, request), request);
	assert_int_equal(request->ops[0].result.err, E_CONFLICT);
	assert_non_null(strstr(request->ops[0].result.problem->detail, word));
	request_drop(request);
}

static void assert_no_message_is_told(struct world *world)
{
	struct query query = { .kind = QUERY_EVENTS, .queue = ENDPOINT_QUEUE, .limit = 100 };
	struct arena arena = { 0 };
	struct answer answer = { 0 };
	struct reader *reader;
	struct request *request = request_new(world, 1);
	request->ops[0].kind = OP_MESSAGE;
	request->ops[0].message = (struct op_message){ .uid = uid_next(&world->maker, world->wall_us), .type = STR("a"), .payload = STR("1") };
	assert_int_equal(world_err(world, request), E_OK);
	assert_int_equal(world->store->verbs->reader_open(world->store, &reader), E_OK);
	assert_int_equal(reader_run(reader, &query, &arena, &answer), E_OK);
	assert_true(answer.event_count > 0);
	for (uint32_t i = 0; i < answer.event_count; i++)
		assert_false(str_starts(answer.events[i].lines, STR("message ")));
	reader_close(reader);
	arena_fini(&arena);
}

/* Its queues are called what they are called. */
static void a_bullmq_program_may_have_it(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	struct request *request = enqueue_request(&world, QUEUE, "", "");
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	assert_int_equal(world_err(&world, request), E_OK);
	conflict(&world, "another namespace");
	assert_no_message_is_told(&world);
	world_crash(&world);
	conflict(&world, "BullMQ");
	world_enqueue(&world, QUEUE, ""); /* as into every such queue */
	assert_int_equal(world.engine->index.live_jobs, 2);
	world_close(&world);
}

static void a_bullmq_program_that_left_it_gives_it_back(void **state)
{
	struct world world;
	(void)state;
	world_open(&world);
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, QUEUE, "", "{\"compat\":\"bullmq\"}")), E_OK);
	conflict(&world, "BullMQ");
	struct request *request = queue_request(&world, OP_QUEUE_PUT, QUEUE, "", "{}");
	request->ops[0].queue.replace = true;
	assert_int_equal(world_err(&world, request), E_OK);
	assert_int_equal(settings(&world)->target, TARGET_HTTP);
	assert_int_equal(world_err(&world, endpoint_request(&world)), E_OK);
	request = enqueue_request(&world, QUEUE, "", "");
	request->ops[0].enqueue.compat = COMPAT_BULLMQ;
	assert_int_equal(world_err(&world, request), E_COMPAT);
	world_close(&world);
}

/* A queue of workers that was made before the name was kept goes on, and the refusal says how it becomes that of endpoints. */
static void who_had_it_before_keeps_it(void **state)
{
	struct world world;
	uint64_t uid;
	(void)state;
	world_open(&world);
	world_enqueue(&world, "webhookz", "");
	struct mem_disk *disk = store_mem_disk(world.store);
	for (uint32_t i = 0; i < disk->tables[MEM_QUEUES].count; i++)
		((char *)(uintptr_t)((const struct queue_row *)disk_row(disk, MEM_QUEUES, i))->name.ptr)[7] = 's';
	world_crash(&world);
	conflict(&world, "1 jobs");
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_PUT, QUEUE, "", "{\"concurrency\":3}")), E_OK);
	assert_int_equal(settings(&world)->target, TARGET_PULL);
	world_enqueue(&world, QUEUE, "");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(world_claim(&world, QUEUE, 1, &uid), 1);
		assert_int_equal(world_lease(&world, OP_COMPLETE, uid, "token-1", VERDICT_POLICY, 0), E_OK);
		conflict(&world, "ruche queues delete webhooks");
		assert_int_equal(world_by_hand(&world, OP_DELETE, uid), E_OK);
	}
	assert_int_equal(world_err(&world, queue_request(&world, OP_QUEUE_DELETE, QUEUE, "", "")), E_OK);
	assert_int_equal(world_err(&world, endpoint_request(&world)), E_OK);
	refused_at(&world, enqueue_request(&world, QUEUE, "", ""), "queue", "ruche send");
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_makes_or_claims_jobs_there),
		cmocka_unit_test(it_is_what_endpoints_need_from_the_beginning),
		cmocka_unit_test(a_bullmq_program_may_have_it),
		cmocka_unit_test(a_bullmq_program_that_left_it_gives_it_back),
		cmocka_unit_test(who_had_it_before_keeps_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
