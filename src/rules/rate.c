#include "rules/rate.h"
#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"

static int64_t rate_span_end_us(const struct rate *rate, int64_t from_us)
{
	int64_t end_us;
	return __builtin_add_overflow(from_us, rate->per_ms * 1000, &end_us) ? INT64_MAX : end_us;
}

int64_t rate_next_units_us(const struct rate *rate, const struct rate_window *window, uint32_t units, int64_t now_us)
{
	int64_t next_us = now_us > window->blocked_until_us ? now_us : window->blocked_until_us;
	if (rate->max == 0 || units == 0)
		return next_us;
	if (units > rate->max)
		return INT64_MAX;
	if (rate->fixed)
		return next_us >= window->until_us || window->used + units <= rate->max ? next_us : window->until_us;
	/* The last of the starts that would be overwritten is the (max - units + 1)-th last: the span that begins with it must be over. */
	uint32_t at = window->next + (units - 1) < rate->max ? window->next + (units - 1) : window->next + (units - 1) - rate->max;
	if (window->starts_us[at] == INT64_MIN)
		return next_us;
	int64_t free_us = rate_span_end_us(rate, window->starts_us[at]);
	return free_us > next_us ? free_us : next_us;
}

int64_t rate_next_us(const struct rate *rate, const struct rate_window *window, int64_t now_us)
{
	return rate_next_units_us(rate, window, 1, now_us);
}

int64_t rate_start(const struct rate *rate, struct rate_window *window, int64_t now_us)
{
	if (rate->max == 0)
		return INT64_MIN;
	if (rate->fixed) {
		int64_t before_us = window->until_us;
		if (now_us >= window->until_us) {
			window->until_us = rate_span_end_us(rate, now_us);
			window->used = 0;
		}
		window->used++;
		return before_us;
	}
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
	if (rate->fixed) {
		CHECK(window->used > 0);
		window->used--;
		window->until_us = overwrote_us;
		return;
	}
	CHECK(window->next < rate->max);
	window->next = window->next == 0 ? rate->max - 1 : window->next - 1;
	window->starts_us[window->next] = overwrote_us;
}

int64_t rate_end_us(const struct rate *rate, const struct rate_window *window, int64_t now_us)
{
	int64_t end_us = 0;
	if (rate->max && rate->fixed) {
		end_us = window->used ? window->until_us : 0;
	} else if (rate->max && window->starts_us) {
		int64_t last_us = window->starts_us[window->next ? window->next - 1 : rate->max - 1];
		end_us = last_us == INT64_MIN ? 0 : rate_span_end_us(rate, last_us);
	}
	return end_us > now_us ? end_us : 0;
}

bool rate_eq(const struct rate *a, const struct rate *b)
{
	return a->max == b->max && a->per_ms == b->per_ms && a->fixed == b->fixed;
}

/* ---- JSON ---- */

static bool rate_read_window(struct json *json, void *out, void *context)
{
	(void)context;
	struct str word;
	if (!json_read_str(json, 16, &word))
		return false;
	*(bool *)out = str_eq(word, STR("fixed"));
	return *(bool *)out || str_eq(word, STR("sliding")) || json_refuse(json, E_INVALID, "Expected \"sliding\" or \"fixed\".");
}

static const struct json_field rate_fields[] = {
	{ "max", JSON_F_U32, offsetof(struct rate, max), 0, LIMIT_RATE_MAX, JSON_F_REQUIRED, .doc = "Starts in any span of per_ms; 0: no limit." },
	{ "per_ms", JSON_F_I64, offsetof(struct rate, per_ms), 1, LIMIT_DURATION_MS, .doc = "The span." },
	{ "window", JSON_F_CUSTOM, offsetof(struct rate, fixed), .read = rate_read_window,
	  .doc = "sliding: in any span; fixed: in each span that begins with a first start." },
};

bool rate_read(struct json *json, struct rate *out)
{
	struct rate rate = { 0 };
	if (json_peek(json) == JSON_NULL) {
		*out = rate;
		return json_read_null(json);
	}
	if (!json_read_fields(json, rate_fields, ARRAY_COUNT(rate_fields), &rate, NULL, NULL))
		return false;
	if (rate.max && !rate.per_ms)
		return json_refuse_field(json, E_INVALID, "per_ms", "A rate needs its span, for example 1000.");
	*out = rate.max ? rate : (struct rate){ 0 };
	return true;
}

void rate_write(const struct rate *rate, struct buf *buf)
{
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	json_put_field_u64(buf, "max", rate->max);
	if (rate->max)
		json_put_field_i64(buf, "per_ms", rate->per_ms);
	if (rate->fixed)
		json_put_field_str(buf, "window", STR("fixed"));
	buf_add_byte(buf, '}');
}

void rate_put(struct buf *buf, const char *key, const struct rate *rate)
{
	json_put_key(buf, key);
	if (rate->max)
		rate_write(rate, buf);
	else
		buf_add_lit(buf, "null");
}
