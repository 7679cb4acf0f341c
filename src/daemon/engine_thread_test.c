/* src/daemon/engine_thread_test.c: the engine's thread over a store in memory, asked by several threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "daemon/engine_thread.h"
#include "net/mailbox.h"
#include "store/mem/mem.h"
#include <pthread.h>
#include <stdatomic.h>

#define ASKERS  4
#define ASKINGS 500

struct house {
	struct store *store;
	struct engine_thread *thread;
	struct mailbox replies[ASKERS];
	_Atomic uint64_t events;
};

static void house_replies(void *context, struct request *first)
{
	struct house *house = context;
	for (struct request *next; first; first = next) {
		next = first->link;
		mailbox_post(&house->replies[first->number >> 32], (struct letter *)first);
	}
}

static void house_effects(void *context, struct effect *first)
{
	struct house *house = context;
	for (struct effect *next; first; first = next) {
		next = first->next;
		atomic_fetch_add(&house->events, first->kind == EFFECT_EVENTS);
		effect_free(first);
	}
}

static void house_open(struct house *house)
{
	struct engine_config config;
	const struct engine_ports ports = { house, house_replies, house_effects };
	*house = (struct house){ 0 };
	for (int i = 0; i < ASKERS; i++)
		mailbox_init(&house->replies[i], NULL, NULL);
	engine_config_default(&config);
	assert_int_equal(store_mem_open(&house->store), E_OK);
	assert_int_equal(engine_thread_start(&config, house->store, &ports, &house->thread, NULL), E_OK);
}

static void house_close(struct house *house, int64_t grace_ms)
{
	engine_thread_stop(house->thread, grace_ms);
	house->store->verbs->close(house->store);
	engine_thread_free(house->thread);
	for (int i = 0; i < ASKERS; i++)
		mailbox_fini(&house->replies[i]);
}

static struct request *ask_new(uint64_t number, enum op_kind kind)
{
	struct request *request = mem_zalloc(sizeof(*request));
	CHECK(request != NULL);
	request->ops = ARENA_NEW(&request->arena, struct op);
	request->op_count = 1;
	request->number = number;
	request->ops->kind = kind;
	return request;
}

static void ask_free(struct request *request)
{
	arena_fini(&request->arena);
	mem_free(request);
}

struct asker {
	struct house *house;
	uint64_t n;
	pthread_t thread;
	uint32_t answered;
};

static void *asker_run(void *context)
{
	struct asker *asker = context;
	for (uint64_t i = 0; i < ASKINGS; i++) {
		struct request *request = ask_new(asker->n << 32 | i, OP_ENQUEUE);
		request->ops->enqueue = (struct op_enqueue){ .queue.name = STR("q"), .uid = 1 + (asker->n << 32 | i), .payload = STR("1") };
		engine_thread_submit(asker->house->thread, request);
	}
	while (asker->answered < ASKINGS) {
		for (struct letter *letter = mailbox_wait(&asker->house->replies[asker->n], -1), *next; letter; letter = next) {
			struct request *request = (struct request *)letter;
			next = letter->next;
			CHECK((request->number & UINT32_MAX) == asker->answered); /* in the order asked */
			CHECK(request->err == E_OK);
			CHECK(request->ops->result.err == E_OK);
			asker->answered++;
			ask_free(request);
		}
	}
	return NULL;
}

static void test_askers(void **state)
{
	(void)state;
	struct house house;
	struct asker askers[ASKERS];
	struct engine_view view;
	house_open(&house);
	for (uint64_t n = 0; n < ASKERS; n++) {
		askers[n] = (struct asker){ .house = &house, .n = n };
		assert_int_equal(pthread_create(&askers[n].thread, NULL, asker_run, &askers[n]), 0);
	}
	for (int n = 0; n < ASKERS; n++) {
		assert_int_equal(pthread_join(askers[n].thread, NULL), 0);
		assert_int_equal(askers[n].answered, ASKINGS);
	}
	engine_thread_view(house.thread, &view);
	assert_int_equal(view.health, E_OK);
	house_close(&house, 60000);
	assert_true(atomic_load(&house.events) > 0);
}

static struct request *house_wait(struct house *house) /* the next reply */
{
	struct letter *letter = mailbox_wait(&house->replies[0], -1);
	assert_non_null(letter);
	assert_null(letter->next);
	return (struct request *)letter;
}

/* A long poll is answered by an enqueue of somebody else; one that nobody answers comes back at the end. */
static void test_parked(void **state)
{
	(void)state;
	struct house house;
	struct claim_queue queue = { .queue.name = STR("q") };
	house_open(&house);
	for (uint64_t n = 1; n <= 2; n++) {
		struct request *claim = ask_new(n, OP_CLAIM), *enqueue = ask_new(100 + n, OP_ENQUEUE);
		claim->ops->claim = (struct op_claim){ .queues = &queue, .queue_count = 1, .max = 1, .wait_ms = 60000 };
		claim->dice = n;
		engine_thread_submit(house.thread, claim);
		if (n == 2) {
			ask_free(enqueue);
			break;
		}
		enqueue->ops->enqueue = (struct op_enqueue){ .queue.name = STR("q"), .uid = 1000 + n, .payload = STR("1") };
		engine_thread_submit(house.thread, enqueue);
		bool granted = false;
		for (int seen = 0; seen < 2;) {
			for (struct letter *letter = mailbox_wait(&house.replies[0], -1), *next; letter; letter = next, seen++) {
				struct request *reply = (struct request *)letter;
				next = letter->next;
				granted = granted || (reply == claim && reply->ops->result.claim->count == 1);
				ask_free(reply);
			}
		}
		assert_true(granted);
	}
	engine_thread_stop(house.thread, 60000);
	struct request *left = house_wait(&house);
	assert_int_equal(left->err, E_UNAVAILABLE);
	ask_free(left);
	house.store->verbs->close(house.store);
	engine_thread_free(house.thread);
	for (int i = 0; i < ASKERS; i++)
		mailbox_fini(&house.replies[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_askers), cmocka_unit_test(test_parked) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
