/* bench/engine_bench.c: the engine alone, over a store that keeps nothing and is always done at once: CPU a job of enqueue, claim, complete. */
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uid.h"
#include "engine/engine.h"
#include <stdio.h>
#include <stdlib.h>

struct null_store {
	struct store store;
	struct changeset *done[8];
	uint32_t count;
	uint64_t seq;
};

static enum err null_take(struct store *store, struct store_meta *out)
{
	(void)store;
	*out = (struct store_meta){ .term = 1 };
	return E_OK;
}

static void null_submit(struct store *store, struct changeset *cs)
{
	struct null_store *null = (struct null_store *)store;
	null->done[null->count++] = cs;
}

static uint32_t null_poll(struct store *store, struct outcome *out, uint32_t max)
{
	struct null_store *null = (struct null_store *)store;
	(void)max;
	if (!null->count)
		return 0;
	*out = (struct outcome){ .changeset = null->done[0] };
	null->count--;
	memmove(null->done, null->done + 1, null->count * sizeof(null->done[0]));
	return 1;
}

static enum err null_load(struct store *store, struct load *load, struct arena *arena)
{
	(void)store;
	load->rows = ARENA_ARRAY(arena, struct job_row, load->uid_count + 1);
	load->key_uids = ARENA_ARRAY(arena, uint64_t, load->key_count + 1);
	load->records = ARENA_ARRAY(arena, struct idempotency_row, load->idempotency_count + 1);
	return E_OK;
}

static enum err null_nth(struct store *store, uint32_t queue, enum job_state state, uint32_t n, int64_t *us, uint64_t *uid, uint64_t *bytes)
{
	(void)store, (void)queue, (void)state, (void)n;
	*us = 0;
	*uid = *bytes = 0;
	return E_OK;
}

static enum err null_far(struct store *store, struct far_page *page, struct arena *arena)
{
	(void)store, (void)arena;
	page->count = 0;
	page->more = false;
	return E_OK;
}

static enum err null_scan(struct store *store, const struct scan_visitor *visitor)
{
	(void)store, (void)visitor;
	return E_OK;
}

static const struct store_verbs null_verbs = { .take = null_take,
					       .submit = null_submit,
					       .poll = null_poll,
					       .load = null_load,
					       .nth_final = null_nth,
					       .far = null_far,
					       .scan = null_scan };

static int64_t now_us;

static struct request *ask(struct engine *engine, struct request *request)
{
	struct request *reply;
	engine_push(engine, request);
	do {
		now_us += 100;
		engine_step(engine, now_us, now_us);
		for (struct effect *effect = engine_take_effects(engine), *next; effect; effect = next) {
			next = effect->next;
			effect_free(effect);
		}
	} while (!(reply = engine_take_replies(engine)));
	return reply;
}

static struct request *fresh(uint32_t count)
{
	struct request *request = mem_zalloc(sizeof(*request));
	CHECK(request);
	request->ops = ARENA_ARRAY(&request->arena, struct op, count);
	request->op_count = count;
	return request;
}

static void drop(struct request *request)
{
	arena_fini(&request->arena);
	mem_free(request);
}

int main(int argc, char **argv)
{
	uint32_t jobs = argc > 1 ? (uint32_t)atoi(argv[1]) : 500000, batch = argc > 2 ? (uint32_t)atoi(argv[2]) : 100;
	struct null_store null = { .store = { .verbs = &null_verbs, .in_flight_max = 4 } };
	struct engine_config config;
	struct uid_maker maker = { 0 };
	engine_config_default(&config);
	struct engine *engine = engine_new(&config, &null.store);
	now_us = clock_boot_us();
	CHECK(engine_start(engine, now_us, clock_wall_us(), NULL) == E_OK);
	int64_t start_us = clock_mono_us();
	for (uint32_t done = 0; done < jobs; done += batch) {
		struct request *request = fresh(batch);
		for (uint32_t i = 0; i < batch; i++) {
			request->ops[i].kind = OP_ENQUEUE;
			request->ops[i].enqueue.queue.name = STR("bench");
			request->ops[i].enqueue.uid = uid_next(&maker, INT64_C(1800000000000000));
			request->ops[i].enqueue.payload = STR("{}");
		}
		drop(ask(engine, request));
	}
	int64_t enqueued_us = clock_mono_us();
	struct claim_queue queue = { .queue.name = STR("bench") };
	uint64_t *uids = mem_zalloc_array(batch, sizeof(*uids));
	int64_t claim_us = 0, complete_us = 0;
	CHECK(uids);
	for (uint32_t done = 0; done < jobs;) {
		int64_t at_us = clock_mono_us();
		struct request *request = fresh(1);
		request->ops[0].kind = OP_CLAIM;
		request->ops[0].claim = (struct op_claim){ .queues = &queue, .queue_count = 1, .max = batch, .worker = STR("w"), .token = STR("t") };
		request = ask(engine, request);
		uint32_t count = request->ops[0].result.claim->count;
		for (uint32_t i = 0; i < count; i++)
			uids[i] = request->ops[0].result.claim->grants[i].uid;
		drop(request);
		int64_t claimed_us = clock_mono_us();
		request = fresh(count);
		for (uint32_t i = 0; i < count; i++) {
			request->ops[i].kind = OP_COMPLETE;
			request->ops[i].lease = (struct op_lease){ .uid = uids[i], .token = STR("t") };
		}
		request = ask(engine, request);
		CHECK(request->ops[0].result.err == E_OK);
		drop(request);
		done += count;
		claim_us += claimed_us - at_us;
		complete_us += clock_mono_us() - claimed_us;
	}
	printf("%u jobs in batches of %u: enqueue %.2f us, claim %.2f us, complete %.2f us a job\n", jobs, batch, (double)(enqueued_us - start_us) / jobs,
	       (double)claim_us / jobs, (double)complete_us / jobs);
	mem_free(uids);
	engine_free(engine);
	return 0;
}
