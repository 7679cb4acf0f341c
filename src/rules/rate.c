#include "rules/rate.h"
#include "base/check.h"

int64_t rate_next_us(const struct rate *rate, const struct rate_window *window, int64_t now_us)
{
	int64_t next_us = now_us > window->blocked_until_us ? now_us : window->blocked_until_us;
	if (rate->max == 0)
		return next_us;
	/* The start that would be overwritten is the max-th last: the span that begins with it must be over. */
	int64_t oldest_us = window->starts_us[window->next], free_us;
	if (oldest_us == INT64_MIN)
		return next_us;
	if (__builtin_add_overflow(oldest_us, rate->per_ms * 1000, &free_us))
		free_us = INT64_MAX;
	return free_us > next_us ? free_us : next_us;
}

int64_t rate_start(const struct rate *rate, struct rate_window *window, int64_t now_us)
{
	if (rate->max == 0)
		return INT64_MIN;
	CHECK(window->next < rate->max);
	int64_t overwrote_us = window->starts_us[window->next];
	window->starts_us[window->next] = now_us;
	window->next = window->next + 1 == rate->max ? 0 : window->next + 1;
	return overwrote_us;
}

void rate_undo(const struct rate *rate, struct rate_window *window, int64_t overwrote_us)
{
	if (rate->max == 0)
		return;
	CHECK(window->next < rate->max);
	window->next = window->next == 0 ? rate->max - 1 : window->next - 1;
	window->starts_us[window->next] = overwrote_us;
}
