/* src/engine/window.c: the windows of rates (rules/rate.h) of queues, groups and limits, made when they are first asked for. A window fits
 * its rate; one whose rate has changed begins anew, shut for one span, since what was started lately is forgotten with it. */
#include "base/mem.h"
#include "engine/index.h"

#define WINDOW_FIXED    0x80000000u /* the shape is the rate's max, and this for a fixed one */
#define WINDOW_RETRY_US 100000      /* without memory for a window: look again shortly */

static uint32_t window_shape(const struct rate *rate)
{
	return rate->max && rate->fixed ? rate->max | WINDOW_FIXED : rate->max;
}

bool window_fits(const struct rate *rate, uint32_t shape)
{
	return rate->max && shape == window_shape(rate);
}

static enum err window_fit(struct index *index, const struct rate *rate, struct rate_window *window, uint32_t *shape)
{
	if (*shape == window_shape(rate))
		return E_OK;
	int64_t *starts_us = NULL;
	if (rate->max && !rate->fixed) {
		starts_us = mem_alloc(rate->max * sizeof(*starts_us));
		if (!starts_us)
			return E_NOMEM;
		for (uint32_t i = 0; i < rate->max; i++)
			starts_us[i] = INT64_MIN;
	}
	/* What may have started within the last span and is not remembered: before a restart, or under the old settings. */
	int64_t caution_us = *shape ? index->now_us : index->caution_us;
	mem_free(window->starts_us);
	*window = (struct rate_window){ .starts_us = starts_us, .blocked_until_us = caution_us ? caution_us + rate->per_ms * 1000 : 0 };
	*shape = window_shape(rate);
	return E_OK;
}

int64_t window_next_us(struct index *index, const struct rate *rate, struct rate_window *window, uint32_t *shape, uint32_t units)
{
	if (!rate->max)
		return index->now_us;
	if (window_fit(index, rate, window, shape))
		return index->now_us + WINDOW_RETRY_US;
	return rate_next_units_us(rate, window, units, index->now_us);
}

enum err window_start(struct index *index, const struct rate *rate, struct rate_window *window, uint32_t *shape, uint32_t units)
{
	if (!rate->max)
		return E_OK;
	enum err err = window_fit(index, rate, window, shape);
	for (uint32_t i = 0; i < units && !err; i++)
		rate_start(rate, window, index->now_us);
	return err;
}
