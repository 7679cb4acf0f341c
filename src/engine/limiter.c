/* src/engine/limiter.c: the rate of a queue that keeps BullMQ's rules: a fixed window whose bounds the workers know. Each claim says what its worker
 * knows; what the queue's settings say goes before it as for how many, and behind it as for how long. Starts are counted, and penalties hold, only
 * for those who know of a rate. */
#include "base/mem.h"
#include "engine/index.h"

#define LIMITER_SHAPE UINT32_MAX /* of no other window */

struct rate limiter_rate(const struct queue *queue)
{
	const struct rate *own = &queue->settings->rate, *said = &queue->limiter;
	return (struct rate){ .max = own->max ? own->max : said->max, .per_ms = said->per_ms ? said->per_ms : own->per_ms, .fixed = true };
}

void limiter_hear(struct queue *queue, const struct rate *said)
{
	queue->limiter = queue->settings->compat ? *said : (struct rate){ 0 };
}

/* How many may start is no part of its shape: another bound leaves it as it is. */
static void limiter_fit(const struct index *index, struct queue *queue, const struct rate *rate)
{
	if (queue->window_shape == LIMITER_SHAPE)
		return;
	int64_t caution_us = queue->window_shape ? index->now_us : index->caution_us;
	mem_free(queue->window.starts_us);
	queue->window = (struct rate_window){ .blocked_until_us = caution_us ? caution_us + rate->per_ms * 1000 : 0 };
	queue->window_shape = LIMITER_SHAPE;
}

enum explain_code limiter_blocker(const struct index *index, struct queue *queue, int64_t *until_us)
{
	struct rate rate = limiter_rate(queue);
	if (!rate.max)
		return EXPLAIN_READY;
	limiter_fit(index, queue, &rate);
	int64_t next_us = rate_next_us(&rate, &queue->window, index->now_us);
	bool penalty = queue->blocked_us > next_us;
	if (!penalty && next_us <= index->now_us)
		return EXPLAIN_READY;
	*until_us = penalty ? queue->blocked_us : next_us;
	return penalty ? EXPLAIN_BACKED_OFF : EXPLAIN_QUEUE_RATE;
}

void limiter_start(const struct index *index, struct queue *queue)
{
	struct rate rate = limiter_rate(queue);
	if (!rate.max)
		return;
	limiter_fit(index, queue, &rate);
	rate_start(&rate, &queue->window, index->now_us);
}

void limiter_open(struct queue *queue)
{
	if (queue->window_shape == LIMITER_SHAPE)
		queue->window = (struct rate_window){ 0 };
}

int64_t limiter_ttl_ms(const struct index *index, const struct queue *queue, uint32_t max)
{
	const struct rate_window *window = &queue->window;
	int64_t until_us = queue->blocked_us;
	if (queue->window_shape == LIMITER_SHAPE) {
		until_us = window->blocked_until_us > until_us ? window->blocked_until_us : until_us;
		if (window->used && window->used >= max && window->until_us > until_us)
			until_us = window->until_us;
	}
	if (until_us > index->now_us)
		return (until_us - index->now_us + 999) / 1000;
	return max ? 0 : LIMITER_NONE;
}
