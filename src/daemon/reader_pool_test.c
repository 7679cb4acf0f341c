/* src/daemon/reader_pool_test.c: many questions at once; slow ones that keep nobody else waiting; an end in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "daemon/reader_pool.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define QUESTIONS 2000

/* A store of which only readers exist. A list waits until the test lets it go. */
static struct {
	sem_t begun, go_on;
	_Atomic uint32_t open;
} fake;

static enum err fake_run(struct reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	(void)reader;
	(void)arena;
	if (query->kind == QUERY_JOBS) {
		sem_post(&fake.begun);
		while (sem_wait(&fake.go_on) != 0)
			;
	}
	out->seq = query->after_seq + 1;
	return E_OK;
}

static void fake_close(struct reader *reader)
{
	atomic_fetch_sub(&fake.open, 1);
	mem_free(reader);
}

static enum err fake_open(struct store *store, struct reader **out)
{
	(void)store;
	*out = mem_zalloc(sizeof(**out));
	CHECK(*out != NULL);
	**out = (struct reader){ fake_run, fake_close };
	atomic_fetch_add(&fake.open, 1);
	return E_OK;
}

struct asked {
	sem_t answered;
	_Atomic uint32_t unavailable, wrong;
};

static void asked_answered(void *context, struct question *question)
{
	struct asked *asked = context;
	if (question->err == E_UNAVAILABLE)
		atomic_fetch_add(&asked->unavailable, 1);
	else if (question->err || question->answer.seq != question->query.after_seq + 1)
		atomic_fetch_add(&asked->wrong, 1);
	sem_post(&asked->answered);
}

static void asked_wait(struct asked *asked, uint32_t count)
{
	while (count > 0)
		count -= sem_wait(&asked->answered) == 0;
}

static struct reader_pool *pool_open(struct asked *asked, uint32_t threads)
{
	static const struct store_verbs verbs = { .reader_open = fake_open };
	static struct store store = { .verbs = &verbs };
	struct reader_pool *pool;
	*asked = (struct asked){ 0 };
	sem_init(&asked->answered, 0, 0);
	sem_init(&fake.begun, 0, 0);
	sem_init(&fake.go_on, 0, 0);
	const struct reader_pool_config config = { threads, asked, asked_answered };
	assert_int_equal(reader_pool_start(&config, &store, &pool, NULL), E_OK);
	assert_int_equal(atomic_load(&fake.open), threads);
	return pool;
}

static void test_many(void **state)
{
	(void)state;
	struct asked asked;
	struct reader_pool_stats stats;
	struct reader_pool *pool = pool_open(&asked, 2);
	struct question *questions = mem_zalloc_array(QUESTIONS, sizeof(*questions));
	for (uint64_t i = 0; i < QUESTIONS; i++) {
		questions[i].query = (struct query){ .kind = i % 2 ? QUERY_JOB : QUERY_COUNT, .after_seq = i };
		reader_pool_ask(pool, &questions[i]);
	}
	asked_wait(&asked, QUESTIONS);
	reader_pool_stats(pool, &stats);
	assert_int_equal(stats.questions, QUESTIONS);
	assert_int_equal(stats.waiting, 0);
	reader_pool_stop(pool);
	assert_int_equal(atomic_load(&asked.wrong), 0);
	assert_int_equal(atomic_load(&asked.unavailable), 0);
	assert_int_equal(atomic_load(&fake.open), 0);
	mem_free(questions);
}

/* While a list runs, and another one waits, jobs are still answered. */
static void test_slow_keeps_nobody(void **state)
{
	(void)state;
	struct asked asked;
	struct reader_pool *pool = pool_open(&asked, 2);
	struct question lists[2] = { { .query.kind = QUERY_JOBS }, { .query.kind = QUERY_JOBS } }, job = { .query.kind = QUERY_JOB };
	reader_pool_ask(pool, &lists[0]);
	reader_pool_ask(pool, &lists[1]);
	while (sem_wait(&fake.begun) != 0)
		;
	for (int i = 0; i < 100; i++) {
		reader_pool_ask(pool, &job);
		asked_wait(&asked, 1);
	}
	sem_post(&fake.go_on);
	sem_post(&fake.go_on);
	asked_wait(&asked, 2);
	reader_pool_stop(pool);
	assert_int_equal(atomic_load(&asked.wrong), 0);
}

static void *stop_run(void *pool)
{
	reader_pool_stop(pool);
	return NULL;
}

/* Each question comes back, whatever it was doing. */
static void test_stop(void **state)
{
	(void)state;
	struct asked asked;
	pthread_t stopper;
	struct reader_pool *pool = pool_open(&asked, 1);
	struct question lists[3] = { { .query.kind = QUERY_JOBS }, { .query.kind = QUERY_JOBS }, { .query.kind = QUERY_JOBS } };
	for (int i = 0; i < 3; i++)
		reader_pool_ask(pool, &lists[i]);
	while (sem_wait(&fake.begun) != 0)
		;
	assert_int_equal(pthread_create(&stopper, NULL, stop_run, pool), 0);
	for (int i = 0; i < 3; i++)
		sem_post(&fake.go_on);
	assert_int_equal(pthread_join(stopper, NULL), 0);
	asked_wait(&asked, 3);
	assert_int_equal(atomic_load(&fake.open), 0);
	assert_int_equal(atomic_load(&asked.wrong), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_many), cmocka_unit_test(test_slow_keeps_nobody), cmocka_unit_test(test_stop) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
