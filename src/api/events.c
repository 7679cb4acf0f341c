/* src/api/events.c: what happens, as it happens: GET /v1/events as a stream (SSE), or as one read that may wait.
 *
 * A stream stands between two change-sets: everything up to `seq` was told, and of the next one (`inside`) the events up to
 * `inside_n`. When the daemon says that newer events are there, it asks a reader for a page after `seq`, tells it, asks again. Large
 * pages are told in portions, one a turn of the loop, so that a slow client is noticed and a fast one not cut off.
 *
 * An event's id is "0.<change-set>.<n>", n = queue number × 2^20 + place among the queue's events there: the same whatever was
 * filtered. "0.<change-set>" alone means after all of it. */
#include "api/body.h"
#include "api/routes.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include <stdio.h>

#define KEEP_ALIVE_MS   15000
#define PACE_MS         2
#define PORTION_BYTES   (256 * 1024)
#define PAGE_ROWS       32
#define EVENTS_DEFAULT  100
#define EVENT_N_SHIFT   20
#define SEQ_NEWEST      INT64_MAX /* after it there is nothing: tells where the newest is */
#define NEVER           INT64_MAX

struct stream {
	struct stream *next, *previous;
	struct call *call;
	bool sse;
	bool begun;           /* SSE: headers left */
	bool asking;          /* a question is under way */
	bool naming;          /* the page waits for names of queues */
	bool ending;          /* the client went, or we stop */
	bool from_newest;     /* no cursor: the first question only finds the place */
	bool checked_gap, gap; /* events after the cursor are gone */
	uint64_t types;       /* bits of event_type; 0: all */
	uint64_t seq, inside, inside_n;
	uint64_t cursor_seq;  /* as asked: for telling a gap */
	uint32_t row;         /* of the page, next to be told */
	size_t line_at;
	uint64_t line_n;
	int64_t wake_ms;      /* loop time at which something is to be done unasked */
	struct buf out;       /* a read's events */
	uint32_t count, limit;
	int64_t deadline_ms;  /* a read's */
};

struct alarm {
	uv_timer_t timer;
	int64_t at_ms; /* NEVER: not armed */
};

static void stream_pump(struct stream *stream);

/* ---- one timer for all streams ---- */

static int64_t events_loop_ms(const struct api *api)
{
	return (int64_t)uv_now(api->config.loop);
}

static void events_alarm(uv_timer_t *timer)
{
	struct api *api = timer->data;
	int64_t now_ms = events_loop_ms(api), next_ms = NEVER;
	api->alarm->at_ms = NEVER;
	for (struct stream *stream = api->streams, *next; stream; stream = next) {
		next = stream->next;
		if (stream->wake_ms <= now_ms)
			stream_pump(stream); /* may end it */
	}
	for (struct stream *stream = api->streams; stream; stream = stream->next)
		next_ms = stream->wake_ms < next_ms ? stream->wake_ms : next_ms;
	if (next_ms < api->alarm->at_ms) {
		api->alarm->at_ms = next_ms;
		uv_timer_start(timer, events_alarm, next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 0, 0);
	}
}

static void stream_wake_at(struct stream *stream, int64_t at_ms)
{
	struct api *api = stream->call->api;
	stream->wake_ms = at_ms;
	if (at_ms >= api->alarm->at_ms)
		return;
	int64_t now_ms = events_loop_ms(api);
	api->alarm->at_ms = at_ms;
	uv_timer_start(&api->alarm->timer, events_alarm, at_ms > now_ms ? (uint64_t)(at_ms - now_ms) : 0, 0);
}

enum err events_init(struct api *api)
{
	api->alarm = mem_zalloc(sizeof(*api->alarm));
	if (!api->alarm)
		return E_NOMEM;
	api->alarm->at_ms = NEVER;
	uv_timer_init(api->config.loop, &api->alarm->timer);
	api->alarm->timer.data = api;
	return E_OK;
}

static void events_closed(uv_handle_t *handle)
{
	mem_free(handle); /* the timer is the alarm's first member */
}
_Static_assert(offsetof(struct alarm, timer) == 0, "events_closed frees the alarm by its timer");

void events_fini(struct api *api)
{
	if (api->alarm)
		uv_close((uv_handle_t *)&api->alarm->timer, events_closed);
	mem_free(api->labels);
	arena_fini(&api->label_arena);
}

/* ---- names of queues ---- */

static enum err label_put(struct api *api, uint32_t number, struct queue_name queue)
{
	if (number >= api->label_count) {
		uint32_t count = number < 64 ? 128 : 2 * number;
		struct queue_name *labels = mem_realloc(api->labels, count * sizeof(*labels));
		if (!labels)
			return E_NOMEM;
		memset(labels + api->label_count, 0, (count - api->label_count) * sizeof(*labels));
		api->labels = labels;
		api->label_count = count;
	}
	if (api->labels[number].name.ptr)
		return E_OK;
	struct queue_name own = { arena_str(&api->label_arena, namespace_of(queue.namespace_name)), arena_str(&api->label_arena, queue.name) };
	if (!own.namespace_name.ptr || !own.name.ptr)
		return E_NOMEM;
	api->labels[number] = own;
	return E_OK;
}

static bool label_is_known(const struct api *api, uint32_t number)
{
	return number < api->label_count && api->labels[number].name.ptr;
}

/* Rows of queues that nobody knows any more: deleted. Their events are told without a name. False: no memory. */
static bool stream_name_the_lost(struct stream *stream)
{
	const struct answer *answer = &stream->call->question.answer;
	for (uint32_t i = 0; i < answer->event_count; i++)
		if (!label_is_known(stream->call->api, answer->events[i].queue)
		    && label_put(stream->call->api, answer->events[i].queue, (struct queue_name){ STR(""), STR("") }))
			return false;
	return true;
}

static void stream_refuse(struct stream *stream, enum err err);

/* All names there are were learnt, or that failed: then nobody is told of events without their queue; who resumes finds them. */
static void stream_named(struct stream *stream, bool whole)
{
	stream->naming = false;
	bool named = whole && stream_name_the_lost(stream);
	if (!named && !stream->sse) {
		stream_refuse(stream, E_UNAVAILABLE);
		return;
	}
	stream->ending |= !named;
	stream_pump(stream);
}

static void labels_learnt(struct api *api, bool whole)
{
	api->labelling = false;
	for (struct stream *stream = api->streams, *next; stream; stream = next) {
		next = stream->next;
		if (stream->naming)
			stream_named(stream, whole);
	}
}

static void labels_page(struct call *errand)
{
	struct api *api = errand->api;
	const struct op_result *result = &errand->request.ops[0].result;
	enum err err = errand->request.err ? errand->request.err : result->err;
	bool last_page = !result->more || !result->count;
	char *after = NULL;
	for (uint32_t i = 0; !err && i < result->count; i++)
		err = label_put(api, result->queues[i].number, result->queues[i].queue);
	struct call *more = NULL;
	if (!err && !last_page) {
		const struct queue_name *last = &result->queues[result->count - 1].queue;
		struct str space = namespace_of(last->namespace_name);
		more = errand_new(api, OP_QUEUES, 1);
		after = more ? arena_printf(&more->request.arena, STR_FMT "/" STR_FMT, STR_ARG(space), STR_ARG(last->name)) : NULL;
	}
	call_give(errand); /* with the result */
	if (after) {
		more->request.ops[0].queue = (struct op_queue){ .limit = LIMIT_PAGE, .after = str_of(after) };
		call_submit(more, labels_page);
		return;
	}
	if (more)
		call_give(more);
	labels_learnt(api, !err && last_page);
}

static void labels_learn(struct api *api)
{
	struct call *errand = api->labelling ? NULL : errand_new(api, OP_QUEUES, 1);
	if (!errand)
		return;
	api->labelling = true;
	errand->request.ops[0].queue.limit = LIMIT_PAGE;
	call_submit(errand, labels_page);
}

/* ---- telling ---- */

static struct str event_id(uint64_t seq, uint64_t n, char out[64])
{
	int len = snprintf(out, 64, "0.%llu.%llu", (unsigned long long)seq, (unsigned long long)n);
	return (struct str){ out, (size_t)len };
}

static struct str place_id(uint64_t seq, char out[64])
{
	int len = snprintf(out, 64, "0.%llu", (unsigned long long)seq);
	return (struct str){ out, (size_t)len };
}

struct event_line {
	struct str type, uid, details; /* details: members of a JSON object, without braces */
};

/* "<type> <uid text>[ <JSON object>]" */
static bool event_line_parse(struct str line, struct event_line *out)
{
	size_t space = str_index(line, ' ');
	struct str rest = str_from(line, space + 1);
	out->type = (struct str){ line.ptr, space };
	space = str_index(rest, ' ');
	out->uid = (struct str){ rest.ptr, space };
	struct str object = str_trim(str_from(rest, space + 1));
	bool braced = object.len > 2 && object.ptr[0] == '{' && object.ptr[object.len - 1] == '}';
	out->details = braced ? (struct str){ object.ptr + 1, object.len - 2 } : (struct str){ 0 };
	return out->type.len && out->uid.len == UID_TEXT_BYTES - 1;
}

static void event_write_data(struct buf *out, const struct api *api, const struct event_row *row, const struct event_line *line)
{
	const struct queue_name *queue = label_is_known(api, row->queue) ? &api->labels[row->queue] : NULL;
	bool about_queue = str_eq(line->uid, STR("0000000000000"));
	if (about_queue)
		json_put_field_null(out, "uid");
	else
		json_put_field_str(out, "uid", line->uid);
	if (queue && queue->name.len) {
		json_put_field_str(out, "queue", queue->name);
		json_put_field_str(out, "namespace", queue->namespace_name);
	} else {
		json_put_field_null(out, "queue");
		json_put_field_null(out, "namespace");
	}
	json_put_field_instant(out, "at", row->at_us);
	if (line->details.len) {
		buf_add_byte(out, ',');
		buf_add(out, line->details);
	}
	buf_add_byte(out, '}');
}

static void event_write_sse(struct buf *out, const struct api *api, const struct event_row *row, uint64_t n, const struct event_line *line)
{
	char id[64];
	buf_add_lit(out, "id: ");
	buf_add(out, event_id(row->seq, n, id));
	buf_add_lit(out, "\nevent: ");
	buf_add(out, line->type);
	buf_add_lit(out, "\ndata: {");
	event_write_data(out, api, row, line);
	buf_add_lit(out, "\n\n");
}

static void event_write_json(struct buf *out, const struct api *api, const struct event_row *row, uint64_t n, const struct event_line *line)
{
	char id[64];
	if (out->len)
		buf_add_byte(out, ',');
	buf_add_lit(out, "{\"id\":\"");
	buf_add(out, event_id(row->seq, n, id));
	buf_add_lit(out, "\",\"type\":\"");
	buf_add(out, line->type);
	buf_add_byte(out, '"');
	event_write_data(out, api, row, line);
}

static bool stream_wants(const struct stream *stream, struct str type)
{
	for (int i = 0; stream->types && i < EVENT_TYPE_COUNT; i++)
		if (str_eq(type, str_of(event_type_words[i])))
			return stream->types >> i & 1;
	return true;
}

/* One event of the page into `out`, if it is wanted. False: the page is told. */
static bool stream_next_event(struct stream *stream, struct buf *out)
{
	const struct answer *answer = &stream->call->question.answer;
	struct event_line line;
	if (stream->row == answer->event_count)
		return false;
	const struct event_row *row = &answer->events[stream->row];
	struct str rest = str_from(row->lines, stream->line_at);
	if (!rest.len) {
		stream->row++;
		stream->line_at = 0;
		stream->line_n = 0;
		return true;
	}
	size_t end = str_index(rest, '\n');
	uint64_t n = (uint64_t)row->queue << EVENT_N_SHIFT | stream->line_n;
	stream->line_at += end + 1;
	stream->line_n++;
	bool told = row->seq == stream->inside && n <= stream->inside_n;
	if (told || !event_line_parse((struct str){ rest.ptr, end }, &line) || !stream_wants(stream, line.type))
		return true;
	stream->inside = row->seq;
	stream->inside_n = n;
	stream->count++;
	if (stream->sse)
		event_write_sse(out, stream->call->api, row, n, &line);
	else
		event_write_json(out, stream->call->api, row, n, &line);
	return true;
}

/* ---- asking ---- */

static void stream_answered(struct call *call);

static void stream_ask(struct stream *stream)
{
	struct call *call = stream->call;
	arena_reset(&call->question.arena);
	call->question.query.kind = QUERY_EVENTS;
	call->question.query.limit = PAGE_ROWS;
	call->question.query.after_seq = stream->from_newest ? SEQ_NEWEST : stream->seq;
	stream->row = 0;
	stream->line_at = 0;
	stream->line_n = 0;
	stream->asking = true;
	call_ask(call, stream_answered);
}

static void stream_begin(struct stream *stream)
{
	http_stream_begin(stream->call->exchange, 200, STR("text/event-stream"), STR("Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"));
	stream->begun = true;
	stream->call->api->answers[2]++;
	if (!http_stream_write(stream->call->exchange, STR(":\n\n"))) /* so that the client hears that it is connected */
		stream->ending = true;
}

/* Are events after the cursor gone, or is it from another life of the store (a backup put back)? Told once, at the start. */
static void stream_check_gap(struct stream *stream)
{
	const struct answer *answer = &stream->call->question.answer;
	uint64_t first = answer->first_event_seq, oldest = first ? first - 1 : answer->seq;
	struct buf out;
	char id[64];
	stream->checked_gap = true;
	stream->gap = !stream->from_newest && ((first && stream->cursor_seq + 1 < first) || stream->cursor_seq > answer->seq);
	if (stream->gap && stream->cursor_seq > answer->seq)
		stream->seq = oldest = answer->seq;
	if (!stream->gap || !stream->sse) /* a read tells it in its answer */
		return;
	buf_init(&out, 512);
	buf_add_lit(&out, "id: ");
	buf_add(&out, place_id(oldest, id));
	buf_add_lit(&out, "\nevent: gap\ndata: {\"oldest\":\"");
	buf_add(&out, place_id(oldest, id));
	buf_add_lit(&out, "\"}\n\n");
	if (!buf_ok(&out) || !http_stream_write(stream->call->exchange, buf_str(&out)))
		stream->ending = true;
	buf_fini(&out);
}

static void stream_unlink(struct stream *stream)
{
	struct api *api = stream->call->api;
	*(stream->previous ? &stream->previous->next : &api->streams) = stream->next;
	if (stream->next)
		stream->next->previous = stream->previous;
	stream->call->stream = NULL;
	buf_fini(&stream->out);
	mem_free(stream);
}

static void stream_refuse(struct stream *stream, enum err err)
{
	struct call *call = stream->call;
	stream_unlink(stream);
	call_refuse(call, err);
}

static void stream_end(struct stream *stream)
{
	struct call *call = stream->call;
	if (!stream->begun) {
		stream_refuse(stream, E_UNAVAILABLE);
		return;
	}
	stream_unlink(stream);
	http_stream_end(call->exchange);
	call_give(call);
}

static bool stream_knows_queues(const struct stream *stream)
{
	const struct answer *answer = &stream->call->question.answer;
	for (uint32_t i = 0; i < answer->event_count; i++)
		if (!label_is_known(stream->call->api, answer->events[i].queue))
			return false;
	return true;
}

static void stream_answered(struct call *call)
{
	struct stream *stream = call->stream;
	struct api *api = call->api;
	stream->asking = false;
	if (call->question.err && !stream->begun) {
		stream_refuse(stream, call->question.err);
		return;
	}
	stream->ending |= call->question.err != E_OK;
	if (!stream->ending && stream->sse && !stream->begun)
		stream_begin(stream);
	if (!stream->ending && !stream->checked_gap)
		stream_check_gap(stream);
	if (call->question.answer.seq > api->event_seq)
		api->event_seq = call->question.answer.seq;
	if (!stream->ending && !stream_knows_queues(stream)) {
		stream->naming = true;
		labels_learn(api);
		if (!api->labelling)
			stream_named(stream, false);
		return;
	}
	stream_pump(stream);
}

/* The page is told: where do we stand now? */
static void stream_advance(struct stream *stream)
{
	const struct answer *answer = &stream->call->question.answer;
	bool full = answer->event_count >= PAGE_ROWS;
	uint64_t seq = full ? answer->events[answer->event_count - 1].seq : answer->seq;
	if (seq > stream->seq)
		stream->seq = seq;
	stream->from_newest = false;
	stream->call->question.answer.event_count = 0;
	stream->row = 0;
}

/* ---- a read ---- */

static void read_respond(struct stream *stream, bool page_told)
{
	struct call *call = stream->call;
	struct buf *out = &call->api->scratch;
	char id[64];
	bool whole = page_told || !stream->count; /* otherwise it stopped at its limit, within a change-set */
	buf_clear(out);
	buf_add_lit(out, "{\"events\":[");
	buf_add(out, buf_str(&stream->out));
	buf_add_lit(out, "],\"cursor\":\"");
	buf_add(out, whole ? place_id(stream->seq, id) : event_id(stream->inside, stream->inside_n, id));
	buf_add_byte(out, '"');
	json_put_field_bool(out, "gap", stream->gap);
	buf_add_byte(out, '}');
	bool fine = buf_ok(out) && buf_ok(&stream->out);
	stream_unlink(stream);
	if (fine)
		call_respond(call, 200, STR("application/json"), STR(""), out);
	else
		call_fail(call, E_NOMEM, "", "The answer needs more memory than there is; ask for less at once.");
}

static void read_pump(struct stream *stream)
{
	bool more = true;
	while (stream->count < stream->limit && (more = stream_next_event(stream, &stream->out)))
		;
	if (!more)
		stream_advance(stream);
	bool over = stream->ending || events_loop_ms(stream->call->api) >= stream->deadline_ms;
	bool behind = stream->seq < stream->call->api->event_seq;
	if (stream->count || (over && !(behind && !stream->ending)))
		read_respond(stream, !more);
	else if (behind)
		stream_ask(stream);
	else
		stream_wake_at(stream, stream->deadline_ms);
}

/* ---- a stream ---- */

static bool stream_may_go_on(const struct stream *stream)
{
	const struct call *call = stream->call;
	if (!call->token || call->api->config.open)
		return true;
	const struct token *now = roster_find_number(call->api->roster, call->token->row.number);
	return now && token_is_good(now, call_now_us(call));
}

/* A portion of the page. False: the portion was not the last. */
static bool sse_tell(struct stream *stream)
{
	struct buf *out = &stream->call->api->scratch;
	bool more = true;
	buf_clear(out);
	while (out->len < PORTION_BYTES && (more = stream_next_event(stream, out)))
		;
	stream->ending |= !buf_ok(out);
	if (out->len && !stream->ending && !http_stream_write(stream->call->exchange, buf_str(out)))
		stream->ending = true; /* it went, or does not read */
	return !more;
}

static void sse_keep_alive(struct stream *stream)
{
	if (!stream_may_go_on(stream) || !http_stream_write(stream->call->exchange, STR(":\n\n")))
		stream->ending = true;
}

static void sse_pump(struct stream *stream)
{
	int64_t now_ms = events_loop_ms(stream->call->api);
	bool idle = stream->call->question.answer.event_count == 0;
	if (!stream->ending && idle && stream->wake_ms <= now_ms)
		sse_keep_alive(stream);
	bool told = stream->ending || sse_tell(stream);
	if (stream->ending) {
		stream_end(stream);
		return;
	}
	if (!told) {
		stream_wake_at(stream, now_ms + PACE_MS);
		return;
	}
	stream_advance(stream);
	stream_wake_at(stream, now_ms + KEEP_ALIVE_MS);
	if (stream->seq < stream->call->api->event_seq)
		stream_ask(stream);
}

/* Does what can be done now; may end the stream. */
static void stream_pump(struct stream *stream)
{
	stream->wake_ms = stream->asking || stream->naming ? NEVER : stream->wake_ms;
	if (stream->asking || stream->naming)
		return;
	if (stream->sse)
		sse_pump(stream);
	else
		read_pump(stream);
}

void events_wake(struct api *api, uint64_t seq)
{
	if (seq <= api->event_seq)
		return;
	api->event_seq = seq;
	for (struct stream *stream = api->streams, *next; stream; stream = next) {
		next = stream->next;
		if (!stream->asking && !stream->naming && stream->call->question.answer.event_count == 0 && stream->seq < seq)
			stream_ask(stream);
	}
}

void events_quiesce(struct api *api)
{
	for (struct stream *stream = api->streams, *next; stream; stream = next) {
		next = stream->next;
		stream->ending = true;
		stream_pump(stream);
	}
}

void events_gone(struct call *call)
{
	if (!call->stream)
		return;
	call->stream->ending = true;
	stream_wake_at(call->stream, 0); /* not from within the server's call */
}

/* ---- the route ---- */

/* "0.<seq>", "0.<seq>.<n>" or "0" */
static bool stream_resume(struct stream *stream, struct str cursor)
{
	uint64_t seq, n;
	if (str_eq(cursor, STR("0"))) { /* all that are kept */
		stream->checked_gap = true;
		return true;
	}
	if (!str_starts(cursor, STR("0.")))
		return false;
	cursor = str_from(cursor, 2);
	size_t dot = str_index(cursor, '.');
	if (!str_u64((struct str){ cursor.ptr, dot }, &seq) || seq >= SEQ_NEWEST)
		return false;
	stream->seq = stream->cursor_seq = seq;
	if (dot == cursor.len)
		return true;
	if (!str_u64(str_from(cursor, dot + 1), &n))
		return false;
	stream->inside = seq;
	stream->inside_n = n;
	stream->seq = seq ? seq - 1 : 0; /* the rest of that change-set is still to be told */
	return true;
}

static struct str events_cursor(struct call *call, const char **field)
{
	struct str header = http_header(call->exchange, STR("Last-Event-ID"));
	*field = call_param(call, "after")->given ? "after" : "Last-Event-ID";
	return call_param(call, "after")->given ? call_param(call, "after")->text : header;
}

static bool events_accepts(struct str accept, struct str type)
{
	for (; accept.len >= type.len; accept = str_from(accept, 1))
		if (str_eq_nocase((struct str){ accept.ptr, type.len }, type))
			return true;
	return false;
}

static bool events_wants_json(struct call *call)
{
	struct str accept = http_header(call->exchange, STR("Accept"));
	bool json = events_accepts(accept, STR("application/json")) && !events_accepts(accept, STR("text/event-stream"));
	return json || call_param(call, "wait_ms")->given || call_param(call, "limit")->given;
}

static bool events_fill(struct call *call, struct stream *stream)
{
	const char *field;
	struct str cursor = events_cursor(call, &field);
	int64_t wait_ms = call->api->quiescing ? 0 : call_param(call, "wait_ms")->number;
	stream->sse = !events_wants_json(call);
	stream->types = (uint64_t)call_param(call, "types")->number;
	stream->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : EVENTS_DEFAULT;
	stream->deadline_ms = events_loop_ms(call->api) + wait_ms;
	stream->from_newest = cursor.len == 0 || str_eq(cursor, STR("$"));
	buf_init(&stream->out, ANSWER_MAX);
	if (stream->from_newest || stream_resume(stream, cursor))
		return true;
	problem_set(&call->problem, E_INVALID, field, "This is not an event's id; take one as it came.");
	return false;
}

void events_get(struct call *call)
{
	struct query *query = &call->question.query;
	query->queue = call_param(call, "queue")->text;
	query->namespace_name = call_param(call, "namespace")->text;
	if (!access_list(call, (struct queue_name){ query->namespace_name, query->queue })) {
		call_refuse(call, call->problem.err);
		return;
	}
	struct stream *stream = mem_zalloc(sizeof(*stream));
	if (!stream) {
		call_refuse(call, E_NOMEM);
		return;
	}
	stream->call = call;
	stream->wake_ms = NEVER;
	if (!events_fill(call, stream) || (call->api->quiescing && stream->sse)) {
		mem_free(stream);
		call_refuse(call, call->problem.err ? call->problem.err : E_UNAVAILABLE);
		return;
	}
	call->stream = stream;
	stream->next = call->api->streams;
	if (stream->next)
		stream->next->previous = stream;
	call->api->streams = stream;
	stream_ask(stream);
}
