#include "cli/sink.h"
#include "base/check.h"
#include "base/mem.h"
#include <stdio.h>

#define SINK_DROP_MS  100u
#define SINK_DROPS    20u
#define SINK_BODY_MAX (64u * 1024 * 1024)
#define SINK_TICK_MS  10u
#define SINK_DRAIN_TICKS 20u

struct sink_answer { /* one that takes its time */
	struct sink *sink;
	struct http_exchange *exchange;
	uint64_t number;
	uint32_t drops;
	bool timed;          /* the timer below is open */
	uv_timer_t timer;
};

struct sink {
	uv_loop_t *loop;
	struct http_server *server;
	struct sink_config config;
	struct sink_step steps[SINK_STEPS_MAX];
	uint32_t step_count;
	uint64_t hits;
	uint32_t open;       /* answers that take their time */
	char *script;
	bool stopping;
	void (*closed)(void *context);
	void *closed_context;
	uv_timer_t farewell;
	uint32_t farewell_ticks;
	bool drained;
};

/* ---- the script ---- */

static enum err sink_step_read(struct str text, struct sink_step *step, struct problem *problem)
{
	*step = (struct sink_step){ .act = SINK_STATUS, .status = 200, .retry_after_s = -1 };
	static const struct {
		const char *name;
		enum sink_act act;
	} acts[] = { { "hang", SINK_HANG }, { "reset", SINK_RESET }, { "slow", SINK_SLOW }, { "echo", SINK_ECHO } };
	for (size_t i = 0; i < ARRAY_COUNT(acts); i++) {
		if (str_eq(text, str_of(acts[i].name))) {
			step->act = acts[i].act;
			return E_OK;
		}
	}
	uint64_t status, seconds;
	struct str rest = str_from(text, 3);
	bool is_status = str_u64((struct str){ text.ptr, text.len < 3 ? 0 : 3 }, &status) && status >= 200 && status <= 599;
	if (is_status && rest.len > 1 && rest.ptr[0] == '>') {
		step->act = SINK_REDIRECT;
		step->location = str_from(rest, 1);
	} else if (is_status && rest.len > 1 && rest.ptr[0] == ':' && str_u64(str_from(rest, 1), &seconds) && seconds <= 86400) {
		step->retry_after_s = (int64_t)seconds;
	} else if (!is_status || rest.len) {
		return problem_set(problem, E_INVALID, "--script",
				   "'" STR_FMT "' is not a step: give a status (200 to 599), 503:SECONDS, 302>URL, hang, reset, slow or echo.",
				   STR_ARG(text));
	}
	step->status = (int)status;
	return E_OK;
}

/* "503*3" is "503" and 3. */
static struct str sink_times(struct str text, uint64_t *times)
{
	size_t star = str_index(text, '*');
	*times = 1;
	if (star == text.len || !str_u64(str_from(text, star + 1), times) || *times == 0)
		return text;
	return (struct str){ text.ptr, star };
}

enum err sink_script_read(struct str script, struct sink_step steps[SINK_STEPS_MAX], uint32_t *count, struct problem *problem)
{
	*count = 0;
	if (script.len == 0)
		script = STR("200");
	for (bool more = true; more;) {
		size_t comma = str_index(script, ',');
		more = comma < script.len;
		uint64_t times;
		struct sink_step step;
		enum err err = sink_step_read(sink_times(str_trim((struct str){ script.ptr, comma }), &times), &step, problem);
		if (err)
			return err;
		if (times > SINK_STEPS_MAX - *count)
			return problem_set(problem, E_INVALID, "--script", "It has more than %u steps.", SINK_STEPS_MAX);
		for (uint64_t i = 0; i < times; i++)
			steps[(*count)++] = step;
		script = str_from(script, comma + 1);
	}
	return E_OK;
}

void sink_step_text(const struct sink_step *step, char out[64])
{
	static const char *const names[] = { [SINK_HANG] = "hang", [SINK_RESET] = "reset", [SINK_SLOW] = "slow 200", [SINK_ECHO] = "200, echo" };
	if (step->act == SINK_REDIRECT)
		snprintf(out, 64, "%d to %.*s", step->status, (int)str_cut(step->location, 48).len, step->location.ptr);
	else if (step->act != SINK_STATUS)
		snprintf(out, 64, "%s", names[step->act]);
	else if (step->retry_after_s >= 0)
		snprintf(out, 64, "%d, Retry-After %lld", step->status, (long long)step->retry_after_s);
	else
		snprintf(out, 64, "%d", step->status);
}

/* ---- answers ---- */

static void sink_answered(struct sink *sink, uint64_t number)
{
	if (sink->config.on_answered && !sink->stopping)
		sink->config.on_answered(sink->config.context, number);
}

static void sink_timer_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

static void sink_answer_end(struct sink_answer *answer)
{
	struct sink *sink = answer->sink;
	uint64_t number = answer->number;
	sink->open--;
	if (answer->timed)
		uv_close((uv_handle_t *)&answer->timer, sink_timer_closed);
	else
		mem_free(answer);
	sink_answered(sink, number);
}

/* The client of a hanging answer gave up: the exchange still wants an answer, which goes nowhere. */
static void sink_hang_gone(struct http_exchange *exchange, void *context)
{
	http_respond_str(exchange, 503, STR("text/plain"), STR(""), STR("nobody listens\n"));
	sink_answer_end(context);
}

static void sink_drop(uv_timer_t *timer)
{
	struct sink_answer *answer = timer->data;
	bool listening = http_stream_write(answer->exchange, STR("."));
	if (listening && ++answer->drops < SINK_DROPS)
		return;
	uv_timer_stop(timer);
	http_stream_end(answer->exchange);
	sink_answer_end(answer);
}

static struct sink_answer *sink_answer_new(struct sink *sink, struct http_exchange *exchange)
{
	struct sink_answer *answer = mem_zalloc(sizeof(*answer));
	if (!answer)
		return NULL;
	*answer = (struct sink_answer){ .sink = sink, .exchange = exchange, .number = sink->hits };
	sink->open++;
	return answer;
}

static void sink_slow(struct sink *sink, struct sink_answer *answer)
{
	http_stream_begin(answer->exchange, 200, STR("text/plain"), STR(""));
	CHECK(uv_timer_init(sink->loop, &answer->timer) == 0);
	answer->timer.data = answer;
	answer->timed = true;
	uv_timer_start(&answer->timer, sink_drop, SINK_DROP_MS, SINK_DROP_MS);
}

static void sink_plain(struct http_exchange *exchange, const struct sink_step *step)
{
	char extra[4096] = "", body[32];
	if (step->retry_after_s >= 0)
		snprintf(extra, sizeof(extra), "Retry-After: %lld\r\n", (long long)step->retry_after_s);
	if (step->act == SINK_REDIRECT)
		snprintf(extra, sizeof(extra), "Location: " STR_FMT "\r\n", STR_ARG(step->location));
	snprintf(body, sizeof(body), "{\"status\":%d}\n", step->status);
	bool empty = step->status == 204 || step->status == 304;
	http_respond_str(exchange, step->status, empty ? STR("") : STR("application/json"), str_of(extra), empty ? STR("") : str_of(body));
}

static void sink_handle(void *context, struct http_exchange *exchange)
{
	struct sink *sink = context;
	uint64_t at = sink->hits++;
	const struct sink_step *step = &sink->steps[at < sink->step_count ? at : sink->step_count - 1];
	uint64_t number = sink->hits;
	if (sink->config.on_hit)
		sink->config.on_hit(sink->config.context, &(struct sink_hit){ .number = number, .exchange = exchange, .step = step });
	struct sink_answer *answer;
	switch (step->act) {
	case SINK_STATUS:
	case SINK_REDIRECT:
		sink_plain(exchange, step);
		break;
	case SINK_ECHO:
		http_respond_str(exchange, 200, STR("application/json"), STR(""), http_body(exchange));
		break;
	case SINK_RESET:
		http_reset(exchange);
		break;
	case SINK_HANG:
	case SINK_SLOW:
		answer = sink_answer_new(sink, exchange);
		if (!answer) {
			http_respond_str(exchange, 503, STR("text/plain"), STR(""), STR("no memory\n"));
			break;
		}
		if (step->act == SINK_SLOW)
			sink_slow(sink, answer);
		else
			http_set_context(exchange, answer, sink_hang_gone);
		return;
	}
	sink_answered(sink, number);
}

/* ---- start and stop ---- */

void sink_config_default(struct sink_config *config)
{
	*config = (struct sink_config){ 0 };
	http_limits_default(&config->limits);
	config->limits.body_bytes = SINK_BODY_MAX;
}

enum err sink_start(uv_loop_t *loop, struct str address, const struct sink_config *config, struct sink **out, struct problem *problem)
{
	struct sink *sink = mem_zalloc(sizeof(*sink));
	if (!sink)
		return problem_set(problem, E_NOMEM, "", "No memory for the receiver.");
	sink->loop = loop;
	sink->config = *config;
	enum err err = E_OK;
	sink->script = mem_alloc(config->script.len + 1);
	if (sink->script && config->script.len)
		memcpy(sink->script, config->script.ptr, config->script.len);
	struct str script = { sink->script, config->script.len };
	if (!sink->script)
		err = problem_set(problem, E_NOMEM, "", "No memory for the receiver.");
	else
		err = sink_script_read(script, sink->steps, &sink->step_count, problem);
	if (!err) {
		sink->server = http_server_new(loop, &config->limits, sink_handle, sink);
		err = sink->server ? http_server_listen(sink->server, address, problem)
				   : problem_set(problem, E_NOMEM, "", "No memory for the receiver.");
	}
	if (!err) {
		*out = sink;
		return E_OK;
	}
	if (sink->server) { /* a listener that failed may have left handles: they end on the loop */
		http_server_abort(sink->server);
		uv_run(loop, UV_RUN_NOWAIT);
		http_server_free(sink->server);
	}
	mem_free(sink->script);
	mem_free(sink);
	return err;
}

uint16_t sink_port(const struct sink *sink)
{
	return http_server_port(sink->server, 0);
}

static void sink_farewell_closed(uv_handle_t *handle)
{
	struct sink *sink = handle->data;
	void (*closed)(void *context) = sink->closed;
	void *context = sink->closed_context;
	http_server_free(sink->server);
	mem_free(sink->script);
	mem_free(sink);
	if (closed)
		closed(context);
}

static void sink_drained(void *context)
{
	((struct sink *)context)->drained = true;
}

/* Answers that are on their way get a moment to leave; what hangs is cut off. The server's handles need the loop once more before
 * it may be freed, and slow answers end at their next drop. */
static void sink_farewell(uv_timer_t *timer)
{
	struct sink *sink = timer->data;
	if (++sink->farewell_ticks == SINK_DRAIN_TICKS && !sink->drained)
		http_server_abort(sink->server);
	else if ((sink->drained || sink->farewell_ticks > SINK_DRAIN_TICKS) && sink->open == 0)
		uv_close((uv_handle_t *)timer, sink_farewell_closed);
}

void sink_stop(struct sink *sink, void (*closed)(void *context), void *context)
{
	sink->stopping = true;
	sink->closed = closed;
	sink->closed_context = context;
	CHECK(uv_timer_init(sink->loop, &sink->farewell) == 0);
	sink->farewell.data = sink;
	uv_timer_start(&sink->farewell, sink_farewell, SINK_TICK_MS, SINK_TICK_MS);
	http_server_drain(sink->server, sink_drained, sink);
}
