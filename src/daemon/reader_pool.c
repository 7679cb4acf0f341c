#include "daemon/reader_pool.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemon/thread.h"
#include <pthread.h>

#define READER_STACK_BYTES (512 * 1024)

_Static_assert(offsetof(struct question, link) == 0, "questions are linked by their first member");

struct question_list {
	struct question *first, **last;
};
struct reader_pool_thread {
	struct reader_pool *pool;
	struct reader *reader;
	pthread_t thread;
	bool quick_only, started;
};
struct reader_pool {
	struct reader_pool_config config;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct question_list quick, slow;
	bool stopping;
	struct reader_pool_stats stats;
	struct reader_pool_thread threads[]; /* config.threads; the first one is for quick questions when there are several */
};

static void question_list_add(struct question_list *list, struct question *question)
{
	question->link = NULL;
	*list->last = question;
	list->last = (struct question **)&question->link;
}

static struct question *question_list_take(struct question_list *list)
{
	struct question *question = list->first;
	if (!question)
		return NULL;
	list->first = question->link;
	if (!list->first)
		list->last = &list->first;
	question->link = NULL;
	return question;
}

static bool question_is_quick(const struct question *question)
{
	enum query_kind kind = question->query.kind;
	return kind == QUERY_DEFINITIONS || kind == QUERY_JOB || kind == QUERY_TOKENS || kind == QUERY_EVENTS;
}

static struct question *reader_pool_wait(struct reader_pool_thread *self)
{
	struct reader_pool *pool = self->pool;
	struct question *question = NULL;
	pthread_mutex_lock(&pool->lock);
	while (!pool->stopping) {
		question = question_list_take(&pool->quick);
		if (!question && !self->quick_only)
			question = question_list_take(&pool->slow);
		if (question)
			break;
		pthread_cond_wait(&pool->asked, &pool->lock);
	}
	if (question)
		pool->stats.waiting--;
	pthread_mutex_unlock(&pool->lock);
	return question;
}

static void *reader_pool_run(void *context)
{
	struct reader_pool_thread *self = context;
	struct reader_pool *pool = self->pool;
	for (struct question *question; (question = reader_pool_wait(self)) != NULL;) {
		int64_t begun_us = clock_mono_us();
		question->err = reader_run(self->reader, &question->query, &question->arena, &question->answer);
		int64_t took_us = clock_mono_us() - begun_us;
		pthread_mutex_lock(&pool->lock);
		pool->stats.questions++;
		pool->stats.busy_us += (uint64_t)took_us;
		pthread_mutex_unlock(&pool->lock);
		pool->config.answered(pool->config.context, question);
	}
	return NULL;
}

enum err reader_pool_start(const struct reader_pool_config *config, struct store *store, struct reader_pool **out, struct problem *problem)
{
	struct reader_pool *pool = mem_zalloc(sizeof(*pool) + config->threads * sizeof(pool->threads[0]));
	if (!pool)
		return problem_set(problem, E_NOMEM, NULL, "Not enough memory to start.");
	pool->config = *config;
	pool->quick.last = &pool->quick.first;
	pool->slow.last = &pool->slow.first;
	CHECK(pthread_mutex_init(&pool->lock, NULL) == 0);
	CHECK(pthread_cond_init(&pool->asked, NULL) == 0);
	enum err err = E_OK;
	for (uint32_t i = 0; i < config->threads && !err; i++) {
		struct reader_pool_thread *self = &pool->threads[i];
		self->pool = pool;
		self->quick_only = i == 0 && config->threads > 1;
		err = store->verbs->reader_open(store, &self->reader);
		if (!err)
			err = thread_start(&self->thread, i ? "reader" : "reader-quick", READER_STACK_BYTES, reader_pool_run, self);
		self->started = !err;
	}
	if (err) {
		problem_set(problem, err, NULL, "A reader of the store could not be started.");
		reader_pool_stop(pool);
		return err;
	}
	*out = pool;
	return E_OK;
}

void reader_pool_ask(struct reader_pool *pool, struct question *question)
{
	pthread_mutex_lock(&pool->lock);
	bool refused = pool->stopping;
	if (!refused) {
		question_list_add(question_is_quick(question) ? &pool->quick : &pool->slow, question);
		pool->stats.waiting++;
		pthread_cond_broadcast(&pool->asked); /* which of the few threads may take it is theirs to see */
	}
	pthread_mutex_unlock(&pool->lock);
	if (refused) {
		question->err = E_UNAVAILABLE;
		pool->config.answered(pool->config.context, question);
	}
}

static void reader_pool_refuse(struct reader_pool *pool, struct question_list *list)
{
	for (struct question *question; (question = question_list_take(list)) != NULL;) {
		question->err = E_UNAVAILABLE;
		pool->config.answered(pool->config.context, question);
	}
}

void reader_pool_stop(struct reader_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->asked);
	pthread_mutex_unlock(&pool->lock);
	for (uint32_t i = 0; i < pool->config.threads; i++) {
		struct reader_pool_thread *self = &pool->threads[i];
		if (self->started)
			CHECK(pthread_join(self->thread, NULL) == 0);
		if (self->reader)
			reader_close(self->reader);
	}
	reader_pool_refuse(pool, &pool->quick);
	reader_pool_refuse(pool, &pool->slow);
	pthread_mutex_destroy(&pool->lock);
	pthread_cond_destroy(&pool->asked);
	mem_free(pool);
}

void reader_pool_stats(struct reader_pool *pool, struct reader_pool_stats *out)
{
	pthread_mutex_lock(&pool->lock);
	*out = pool->stats;
	pthread_mutex_unlock(&pool->lock);
}
