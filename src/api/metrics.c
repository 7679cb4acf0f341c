/* src/api/metrics.c: GET /v1/queues/{queue}/metrics: how many jobs ended, ever and by the minute.
 *
 * Points are of whole minutes: the first is the minute before the one with the last end, then backwards, zeros where nothing ended, to the
 * oldest minute that is kept. So a minute that is still filling is never among them: it is `count` less `count_before`. */
#include "api/body.h"
#include "api/routes.h"
#include "base/limits.h"

void metrics_get(struct call *call)
{
	struct query *query = &call->question.query;
	struct queue_name queue = body_queue(call);
	query->kind = QUERY_METRICS;
	query->namespace_name = queue.namespace_name;
	query->queue = queue.name;
	if (!access_list(call, queue))
		call_refuse(call, call->problem.err);
	else
		jobs_ask_behind(call);
}

static uint64_t metric_of(const struct metric_row *row, enum job_state state)
{
	return state == JOB_COMPLETED ? row->completed : row->failed;
}

struct series {
	const struct metric_row *rows; /* oldest first */
	uint32_t count;
	enum job_state state;
	const struct metric_row *first, *last; /* with an end of that state; NULL: none */
	uint64_t total;                        /* points */
};

static struct series series_of(const struct answer *answer, enum job_state state)
{
	struct series series = { .rows = answer->metrics, .count = answer->metric_count, .state = state };
	for (uint32_t i = 0; i < series.count; i++) {
		if (!metric_of(&series.rows[i], state))
			continue;
		series.last = &series.rows[i];
		series.first = series.first ? series.first : series.last;
	}
	if (series.first)
		series.total = (uint64_t)(series.last->minute - series.first->minute);
	if (series.total > LIMIT_METRIC_MINUTES)
		series.total = LIMIT_METRIC_MINUTES; /* the clock jumped */
	return series;
}

static void points_write(struct buf *out, const struct series *series, int64_t from, int64_t to)
{
	uint64_t first, count = places_resolve(from, to, series->total, LIMIT_METRIC_MINUTES, &first);
	const struct metric_row *row = series->last;
	buf_add_byte(out, '[');
	for (uint64_t i = first; i < first + count; i++) {
		int64_t minute = series->last->minute - 1 - (int64_t)i;
		while (row > series->rows && row->minute > minute)
			row--;
		if (i > first)
			buf_add_byte(out, ',');
		buf_add_u64(out, row->minute == minute ? metric_of(row, series->state) : 0);
	}
	buf_add_byte(out, ']');
}

static void series_write(struct buf *out, const struct answer *answer, enum job_state state, int64_t from, int64_t to)
{
	struct series series = series_of(answer, state);
	uint64_t count = answer->ended[state], newest = series.last ? metric_of(series.last, state) : 0;
	json_put_key(out, job_state_name(state));
	buf_add_byte(out, '{');
	json_put_field_u64(out, "count", count);
	json_put_field_u64(out, "count_before", count > newest ? count - newest : 0);
	json_put_field_instant(out, "minute_at", series.last ? series.last->minute * 60000000 : 0);
	json_put_field_u64(out, "total", series.total);
	json_put_key(out, "points");
	points_write(out, &series, from, to);
	buf_add_byte(out, '}');
}

void metrics_encode(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	int64_t from = call_param(call, "from")->number, to = call_param(call, "to")->given ? call_param(call, "to")->number : -1;
	buf_add_byte(out, '{');
	series_write(out, answer, JOB_COMPLETED, from, to);
	series_write(out, answer, JOB_FAILED, from, to);
	buf_add_byte(out, '}');
}
