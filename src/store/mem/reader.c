#include "store/mem/reader.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/uid.h"
#include "store/filter.h"

#include <stdlib.h>

struct mem_reader {
	struct reader reader;
	struct mem_disk *disk;
};

/* ---- copies ---- */

enum err mem_copy_str(struct arena *arena, struct str *slice)
{
	*slice = arena_str(arena, *slice);
	return slice->ptr ? E_OK : E_NOMEM;
}

enum err mem_copy_row(struct arena *arena, const struct job_row *row, struct job_row *out)
{
	*out = *row;
	if (mem_copy_str(arena, &out->worker) || mem_copy_str(arena, &out->group))
		return E_NOMEM;
	return mem_copy_str(arena, &out->label) || mem_copy_str(arena, &out->deferred) ? E_NOMEM : E_OK;
}

enum err mem_copy_definition(struct arena *arena, const struct job_definition *definition, bool with_payload, struct job_definition *out)
{
	*out = *definition;
	if (!with_payload)
		out->payload = out->metadata = STR("");
	if (mem_copy_str(arena, &out->id) || mem_copy_str(arena, &out->name) || mem_copy_str(arena, &out->group) || mem_copy_str(arena, &out->tags))
		return E_NOMEM;
	if (mem_copy_str(arena, &out->trace) || mem_copy_str(arena, &out->target) || mem_copy_str(arena, &out->chain))
		return E_NOMEM;
	return mem_copy_str(arena, &out->metadata) || mem_copy_str(arena, &out->payload) ? E_NOMEM : E_OK;
}

/* A body's chunks, one after the other. A body that is not there reads as empty. */
enum err mem_copy_body(const struct mem_disk *disk, struct arena *arena, uint64_t number, struct str *out)
{
	size_t bytes = 0;
	uint32_t chunks = 0;
	for (uint32_t i = 0; i < disk->tables[MEM_CHUNKS].count; i++) {
		const struct body_chunk *chunk = disk_row(disk, MEM_CHUNKS, i);
		bytes += chunk->number == number ? chunk->bytes.len : 0;
		chunks += chunk->number == number;
	}
	char *text = arena_alloc(arena, bytes + 1);
	if (!text)
		return E_NOMEM;
	*out = (struct str){ text, bytes };
	for (uint32_t index = 0; index < chunks; index++)
		for (uint32_t i = 0; i < disk->tables[MEM_CHUNKS].count; i++) {
			const struct body_chunk *chunk = disk_row(disk, MEM_CHUNKS, i);
			if (chunk->number != number || chunk->index != index || !chunk->bytes.len)
				continue;
			memcpy(text, chunk->bytes.ptr, chunk->bytes.len);
			text += chunk->bytes.len;
		}
	return E_OK;
}

/* ---- queues ---- */

static struct str namespace_or_default(struct str name)
{
	return name.len ? name : STR("default");
}

const struct queue_row *mem_queue(const struct mem_disk *disk, struct str namespace_name, struct str name)
{
	for (uint32_t i = 0; i < disk->tables[MEM_QUEUES].count; i++) {
		const struct queue_row *queue = disk_row(disk, MEM_QUEUES, i);
		if (str_eq(queue->namespace_name, namespace_or_default(namespace_name)) && str_eq(queue->name, name))
			return queue;
	}
	return NULL;
}

static const struct queue_row *find_queue_number(const struct mem_disk *disk, uint32_t number)
{
	for (uint32_t i = 0; i < disk->tables[MEM_QUEUES].count; i++) {
		const struct queue_row *queue = disk_row(disk, MEM_QUEUES, i);
		if (queue->number == number)
			return queue;
	}
	return NULL;
}

/* ---- views ---- */

enum view_parts { VIEW_PAYLOAD = 1, VIEW_RESULT = 2 };

static enum err view_result(const struct mem_disk *disk, struct arena *arena, const struct mem_job *job, unsigned parts, struct job_view *out)
{
	if (!job->result)
		return E_OK;
	out->result = *job->result;
	if (!(parts & VIEW_RESULT))
		out->result.result = STR("");
	else if (job->result->result_body && mem_copy_body(disk, arena, job->result->result_body, &out->result.result))
		return E_NOMEM;
	if (!(parts & VIEW_RESULT) || !job->result->result_body)
		if (mem_copy_str(arena, &out->result.result))
			return E_NOMEM;
	return mem_copy_str(arena, &out->result.error);
}

static enum err view_fill(const struct mem_disk *disk, struct arena *arena, const struct mem_job *job, unsigned parts, struct job_view *out)
{
	bool payload = parts & VIEW_PAYLOAD;
	if (mem_copy_definition(arena, job->definition, payload, &out->definition) || mem_copy_row(arena, job->row, &out->row) ||
	    view_result(disk, arena, job, parts, out))
		return E_NOMEM;
	if (payload && job->definition->payload_body && mem_copy_body(disk, arena, job->definition->payload_body, &out->definition.payload))
		return E_NOMEM;
	if (payload && mem_view_delivery(disk, arena, out))
		return E_NOMEM;
	if (payload && job->row->flags & ROW_EDITED && mem_copy_body(disk, arena, job->row->edited_body, &out->edited_payload))
		return E_NOMEM;
	const struct queue_row *queue = find_queue_number(disk, job->row->queue);
	if (queue) {
		out->queue_name = queue->name;
		out->namespace_name = queue->namespace_name;
		if (mem_copy_str(arena, &out->queue_name) || mem_copy_str(arena, &out->namespace_name) || mem_view_hold(disk, arena, out))
			return E_NOMEM;
	}
	for (uint32_t i = 0; i < disk->tables[MEM_PROGRESS].count; i++) {
		const struct progress_row *progress = disk_row(disk, MEM_PROGRESS, i);
		if (progress->uid != job->uid)
			continue;
		out->progress = progress->json;
		return mem_copy_str(arena, &out->progress);
	}
	return E_OK;
}

static int parent_cmp(const void *a, const void *b)
{
	const struct parent_view *x = a, *y = b;
	return x->edge.parent == y->edge.parent ? 0 : x->edge.parent < y->edge.parent ? -1 : 1;
}

static enum err view_parents(const struct mem_disk *disk, struct arena *arena, struct job_view *out)
{
	out->parents = ARENA_ARRAY(arena, struct parent_view, LIMIT_PARENTS);
	if (!out->parents)
		return E_NOMEM;
	for (uint32_t i = 0; i < disk->tables[MEM_EDGES].count && out->parent_count < LIMIT_PARENTS; i++) {
		const struct edge_row *row = disk_row(disk, MEM_EDGES, i);
		const struct mem_job *parent = row->child == out->row.uid ? disk_job(disk, row->parent) : NULL;
		const struct queue_row *queue = parent ? find_queue_number(disk, parent->definition->queue) : NULL;
		if (!parent)
			continue;
		struct parent_view *view = &out->parents[out->parent_count++];
		*view = (struct parent_view){ .edge = { .parent = row->parent, .child = row->child, .state = row->state, .on_failure = row->on_failure },
			                      .id = parent->definition->id };
		if (queue) {
			view->queue_name = queue->name;
			view->namespace_name = queue->namespace_name;
		}
		if (mem_copy_str(arena, &view->id) || mem_copy_str(arena, &view->queue_name) || mem_copy_str(arena, &view->namespace_name))
			return E_NOMEM;
	}
	if (out->parent_count)
		qsort(out->parents, out->parent_count, sizeof(*out->parents), parent_cmp);
	return E_OK;
}

enum err mem_view(const struct mem_disk *disk, struct arena *arena, const struct mem_job *job, const struct query *query, struct job_view *out)
{
	enum err err = view_fill(disk, arena, job, (query->with_payload ? VIEW_PAYLOAD : 0u) | (query->with_result ? VIEW_RESULT : 0u), out);
	return err || !query->with_parents || !(out->row.flags & ROW_CHILD) ? err : view_parents(disk, arena, out);
}

/* ---- which jobs ---- */

struct selection {
	const struct mem_disk *disk;
	const struct query *query;
	struct filter filter;
	uint32_t queue;        /* 0: all of the namespace */
	enum job_table table;  /* TABLE_NONE: both */
	uint64_t above_uid;    /* MATCHES */
};

static bool selection_takes(void *context, const struct mem_job *job)
{
	const struct selection *selection = context;
	const struct filter *filter = &selection->filter;
	uint32_t number = filter->id.len ? job->definition->queue : job->row->queue;
	if (selection->table != TABLE_NONE && (job->table != selection->table || job->uid <= selection->above_uid))
		return false;
	if (selection->queue) {
		if (number != selection->queue)
			return false;
	} else {
		const struct queue_row *queue = find_queue_number(selection->disk, number);
		if (!queue || !str_eq(queue->namespace_name, namespace_or_default(filter->asked->namespace_name)))
			return false;
	}
	const struct message_row *message = job->definition->message ? disk_message(selection->disk, job->definition->message) : NULL;
	return filter_takes_row(filter, job->row) && filter_takes_definition(filter, job->definition) &&
	       filter_takes_entity(filter, message ? message->entity : STR("")) &&
	       filter_takes_error(filter, job->result ? job->result->error : STR(""));
}

static enum err selection_init(struct selection *selection, const struct mem_disk *disk, const struct query *query)
{
	*selection = (struct selection){ .disk = disk, .query = query };
	filter_init(&selection->filter, &query->filter);
	if (!query->filter.queue.len)
		return query->filter.id.len ? E_INVALID : E_OK;
	const struct queue_row *queue = mem_queue(disk, query->filter.namespace_name, query->filter.queue);
	selection->queue = queue ? queue->number : 0;
	return queue ? E_OK : E_QUEUE_NOT_FOUND;
}

static uint32_t query_limit(const struct query *query)
{
	return query->limit && query->limit < LIMIT_PAGE ? query->limit : LIMIT_PAGE;
}

/* ---- the questions ---- */

static struct list_key job_key(const struct filter *filter, const struct mem_job *job)
{
	return (struct list_key){ filter->by_finish ? job->row->finished_us : 0, job->uid };
}

static int job_by_finish_cmp(const void *a, const void *b)
{
	const struct job_row *x = (*(struct mem_job *const *)a)->row, *y = (*(struct mem_job *const *)b)->row;
	return list_key_cmp((struct list_key){ x->finished_us, x->uid }, (struct list_key){ y->finished_us, y->uid });
}

static enum err answer_jobs(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	struct selection selection;
	struct list_key cursor;
	uint32_t count, limit = query_limit(query);
	enum err err = selection_init(&selection, disk, query);
	if (!err && query->cursor.len)
		err = list_cursor_parse(query->cursor, &selection.filter, &cursor);
	if (err)
		return err;
	struct mem_job **jobs = disk_jobs(disk, arena, selection_takes, &selection, &count);
	out->jobs = ARENA_ARRAY(arena, struct job_view, limit);
	if (!jobs || !out->jobs)
		return E_NOMEM;
	if (selection.filter.by_finish)
		qsort(jobs, count, sizeof(*jobs), job_by_finish_cmp);
	for (uint32_t i = 0; i < count; i++) {
		const struct mem_job *job = jobs[query->oldest_first ? i : count - 1 - i];
		int order = query->cursor.len ? list_key_cmp(job_key(&selection.filter, job), cursor) : 0;
		if (query->cursor.len && (query->oldest_first ? order <= 0 : order >= 0))
			continue;
		if (out->job_count == limit) {
			const struct job_view *last = &out->jobs[limit - 1];
			out->next_cursor = list_cursor_text(arena, &selection.filter,
			                                    (struct list_key){ last->row.finished_us, last->row.uid });
			return out->next_cursor.ptr ? E_OK : E_NOMEM;
		}
		if (view_fill(disk, arena, job, 0, &out->jobs[out->job_count++]))
			return E_NOMEM;
	}
	return E_OK;
}

static enum err answer_matches(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	struct selection selection;
	uint32_t count = 0, limit = query_limit(query);
	enum err err = selection_init(&selection, disk, query);
	if (err)
		return err;
	out->next_phase = query->cursor_phase;
	out->next_uid = query->cursor_uid;
	out->matches = ARENA_ARRAY(arena, struct match, limit);
	if (!out->matches)
		return E_NOMEM;
	if (query->cursor_phase >= 2)
		return E_OK;
	selection.table = query->cursor_phase == 0 ? TABLE_LIVE : TABLE_DONE;
	selection.above_uid = query->cursor_uid;
	struct mem_job **jobs = disk_jobs(disk, arena, selection_takes, &selection, &count);
	if (!jobs)
		return E_NOMEM;
	for (; out->match_count < limit && out->match_count < count; out->match_count++)
		out->matches[out->match_count] = (struct match){ jobs[out->match_count]->uid, jobs[out->match_count]->row->version };
	if (out->match_count < count) {
		out->next_uid = out->matches[limit - 1].uid;
	} else {
		out->next_uid = 0;
		out->next_phase++;
	}
	return E_OK;
}

static enum err answer_count(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	struct selection selection;
	uint32_t count = 0;
	enum err err = selection_init(&selection, disk, query);
	if (err)
		return err;
	if (!disk_jobs(disk, arena, selection_takes, &selection, &count))
		return E_NOMEM;
	out->count_is_least = query->count_max && count > query->count_max;
	out->count = out->count_is_least ? query->count_max : count;
	return E_OK;
}

static enum err answer_definitions(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	out->jobs = ARENA_ARRAY(arena, struct job_view, query->uid_count + 1);
	if (!out->jobs)
		return E_NOMEM;
	for (; out->job_count < query->uid_count; out->job_count++) {
		const struct mem_job *job = disk_job(disk, query->uids[out->job_count]);
		struct job_view whole = { 0 };
		if (job && view_fill(disk, arena, job, VIEW_PAYLOAD, &whole))
			return E_NOMEM;
		whole.row = (struct job_row){ .uid = whole.row.uid, .queue = whole.row.queue, .flags = whole.row.flags,
			                      .edited_body = whole.row.edited_body };
		whole.result = (struct job_result){ 0 };
		whole.held = NAMED_ENABLED; /* rows are not asked for */
		if (!query->with_history)
			whole.progress = STR("");
		else if (job && mem_errors(disk, arena, &whole))
			return E_NOMEM;
		if (job && query->with_parents && whole.row.flags & ROW_CHILD && view_parents(disk, arena, &whole))
			return E_NOMEM;
		out->jobs[out->job_count] = whole;
	}
	return E_OK;
}

/* A uid's text is an id too. */
const struct mem_job *mem_job_of(const struct mem_disk *disk, const struct queue_row *queue, struct str id)
{
	const struct mem_job *job = disk_job_by_id(disk, queue->number, id);
	uint64_t uid;
	if (job || uid_parse(id, &uid))
		return job;
	job = disk_job(disk, uid);
	return job && job->definition->queue == queue->number ? job : NULL;
}

/* By uid, or by (queue, id). */
static enum err find_job(const struct mem_disk *disk, const struct query *query, const struct mem_job **out)
{
	if (query->uid_count) {
		*out = disk_job(disk, query->uids[0]);
		return *out ? E_OK : E_JOB_NOT_FOUND;
	}
	const struct queue_row *queue = mem_queue(disk, query->namespace_name, query->queue);
	if (!queue)
		return E_QUEUE_NOT_FOUND;
	*out = mem_job_of(disk, queue, query->id);
	return *out ? E_OK : E_JOB_NOT_FOUND;
}

static enum err answer_job(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct mem_job *job;
	enum err err = find_job(disk, query, &job);
	if (err)
		return err;
	out->jobs = ARENA_ARRAY(arena, struct job_view, 1);
	if (!out->jobs)
		return E_NOMEM;
	out->job_count = 1;
	return mem_view(disk, arena, job, query, &out->jobs[0]);
}

/* Attempts and log lines of one job. Their cursor is how many were given. */
static enum err answer_page(struct arena *arena, const struct query *query, uint64_t total, uint64_t *out_from, uint64_t *out_to, struct answer *out)
{
	if (number_cursor_parse(query->cursor, out_from))
		return E_INVALID;
	if (!query->cursor.len)
		*out_from = query->skip < total ? query->skip : total;
	*out_to = total - *out_from < query_limit(query) || *out_from > total ? total : *out_from + query_limit(query);
	if (*out_to < total)
		out->next_cursor = number_cursor_text(arena, *out_to);
	return *out_to < total && !out->next_cursor.ptr ? E_NOMEM : E_OK;
}

static enum err answer_attempts(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct mem_job *job;
	uint64_t total = 0, from, to, at = 0;
	enum err err = find_job(disk, query, &job);
	for (uint32_t i = 0; !err && i < disk->tables[MEM_ATTEMPTS].count; i++)
		total += ((const struct attempt_row *)disk_row(disk, MEM_ATTEMPTS, i))->uid == job->uid;
	if (!err)
		err = answer_page(arena, query, total, &from, &to, out);
	if (err)
		return err;
	out->attempts = ARENA_ARRAY(arena, struct attempt_row, total + 1);
	if (!out->attempts)
		return E_NOMEM;
	for (uint32_t i = 0; i < disk->tables[MEM_ATTEMPTS].count; i++) {
		const struct attempt_row *row = disk_row(disk, MEM_ATTEMPTS, i);
		if (row->uid != job->uid || at++ < from || at > to)
			continue;
		struct attempt_row *copy = &out->attempts[out->attempt_count++];
		*copy = *row;
		if (mem_copy_str(arena, &copy->worker) || mem_copy_str(arena, &copy->error) || mem_copy_str(arena, &copy->exchange))
			return E_NOMEM;
	}
	return E_OK;
}

static enum err answer_logs(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct mem_job *job;
	uint64_t from, to, at = 0;
	uint32_t count = disk->tables[MEM_LOGS].count;
	enum err err = find_job(disk, query, &job);
	for (uint32_t i = 0; !err && i < count; i++)
		out->count += ((const struct log_row *)disk_row(disk, MEM_LOGS, i))->uid == job->uid;
	if (!err)
		err = answer_page(arena, query, out->count, &from, &to, out);
	if (err)
		return err;
	out->logs = ARENA_ARRAY(arena, struct log_row, out->count + 1);
	if (!out->logs)
		return E_NOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const struct log_row *row = disk_row(disk, MEM_LOGS, query->newest_first ? count - 1 - i : i);
		if (row->uid != job->uid || at++ < from || at > to)
			continue;
		out->logs[out->log_count] = *row;
		if (mem_copy_str(arena, &out->logs[out->log_count++].line))
			return E_NOMEM;
	}
	return E_OK;
}

static bool event_is_asked(const struct mem_disk *disk, const struct query *query, uint32_t queue, const struct event_row *event)
{
	if (event->seq <= query->after_seq || (queue && event->queue != queue))
		return false;
	if (queue || !query->namespace_name.len)
		return true;
	const struct queue_row *row = find_queue_number(disk, event->queue);
	return row && str_eq(row->namespace_name, query->namespace_name);
}

static int event_cmp(const void *a, const void *b)
{
	const struct event_row *x = a, *y = b;
	return x->seq != y->seq ? (x->seq < y->seq ? -1 : 1) : x->queue == y->queue ? 0 : x->queue < y->queue ? -1 : 1;
}

/* By change-set, then queue. Rows of one change-set are never parted. */
static enum err answer_events(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	uint32_t queue = 0, limit = query_limit(query), count = 0;
	if (query->queue.len) {
		const struct queue_row *row = mem_queue(disk, query->namespace_name, query->queue);
		if (!row)
			return E_QUEUE_NOT_FOUND;
		queue = row->number;
	}
	out->first_event_seq = disk->first_event_seq;
	for (uint32_t i = 0; i < disk->tables[MEM_EVENT_TRIMS].count; i++) {
		const struct event_trim *trim = disk_row(disk, MEM_EVENT_TRIMS, i);
		const struct queue_row *trimmed = find_queue_number(disk, trim->queue);
		bool asked = queue ? queue == trim->queue
			           : !query->namespace_name.len || (trimmed && str_eq(trimmed->namespace_name, query->namespace_name));
		if (asked && trim->up_to_seq >= out->first_event_seq)
			out->first_event_seq = trim->up_to_seq + 1;
	}
	out->events = ARENA_ARRAY(arena, struct event_row, disk->tables[MEM_EVENTS].count + 1);
	if (!out->events)
		return E_NOMEM;
	for (uint32_t i = 0; i < disk->tables[MEM_EVENTS].count; i++) {
		const struct event_row *row = disk_row(disk, MEM_EVENTS, i);
		if (event_is_asked(disk, query, queue, row))
			out->events[count++] = *row;
	}
	qsort(out->events, count, sizeof(*out->events), event_cmp);
	while (out->event_count < count) {
		struct event_row *row = &out->events[out->event_count];
		if (out->event_count >= limit && row[-1].seq != row->seq)
			break;
		if (mem_copy_str(arena, &row->lines))
			return E_NOMEM;
		out->event_count++;
	}
	return E_OK;
}

static int metric_cmp(const void *a, const void *b)
{
	const struct metric_row *x = a, *y = b;
	return x->minute == y->minute ? 0 : x->minute < y->minute ? -1 : 1;
}

static enum err answer_metrics(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct queue_row *queue = mem_queue(disk, query->namespace_name, query->queue);
	uint32_t count = disk->tables[MEM_METRICS].count;
	if (!queue)
		return E_QUEUE_NOT_FOUND;
	out->metrics = ARENA_ARRAY(arena, struct metric_row, count + 1);
	if (!out->metrics)
		return E_NOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const struct metric_add *add = disk_row(disk, MEM_METRICS, i);
		if (add->row.queue == queue->number)
			out->metrics[out->metric_count++] = add->row;
	}
	qsort(out->metrics, out->metric_count, sizeof(*out->metrics), metric_cmp);
	for (uint32_t i = 0; i < disk->tables[MEM_COUNTS].count; i++) {
		const struct queue_counts *counts = disk_row(disk, MEM_COUNTS, i);
		if (counts->queue != queue->number)
			continue;
		out->ended[JOB_COMPLETED] = counts->ended[JOB_COMPLETED];
		out->ended[JOB_FAILED] = counts->ended[JOB_FAILED];
	}
	return E_OK;
}

static int operation_cmp(const void *a, const void *b) /* newest first */
{
	const struct operation_row *x = a, *y = b;
	return x->number == y->number ? 0 : x->number > y->number ? -1 : 1;
}

static enum err answer_operations(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	uint64_t below;
	if (number_cursor_parse(query->cursor, &below))
		return E_INVALID;
	uint32_t total = disk->tables[MEM_OPERATIONS].count, count = 0;
	out->operations = ARENA_ARRAY(arena, struct operation_row, total + 1);
	if (!out->operations)
		return E_NOMEM;
	for (uint32_t i = 0; i < total; i++) {
		const struct operation_row *row = disk_row(disk, MEM_OPERATIONS, i);
		if (!below || row->number < below)
			out->operations[count++] = *row;
	}
	qsort(out->operations, count, sizeof(*out->operations), operation_cmp);
	out->operation_count = count < query_limit(query) ? count : query_limit(query);
	for (uint32_t i = 0; i < out->operation_count; i++) {
		struct operation_row *row = &out->operations[i];
		if (mem_copy_str(arena, &row->action) || mem_copy_str(arena, &row->arguments) || mem_copy_str(arena, &row->filter))
			return E_NOMEM;
	}
	if (out->operation_count < count) {
		out->next_cursor = number_cursor_text(arena, out->operations[out->operation_count - 1].number);
		return out->next_cursor.ptr ? E_OK : E_NOMEM;
	}
	return E_OK;
}

static int child_cmp(const void *a, const void *b)
{
	const struct child_view *x = a, *y = b;
	return x->edge.child == y->edge.child ? 0 : x->edge.child < y->edge.child ? -1 : 1;
}

/* A result without a value is the child's own. */
static enum err child_fill(const struct mem_disk *disk, struct arena *arena, struct child_view *view)
{
	const struct queue_row *queue = find_queue_number(disk, view->edge.queue);
	const struct mem_job *child = view->edge.state == EDGE_DONE && !view->edge.value.len ? disk_job(disk, view->edge.child) : NULL;
	view->namespace_name = queue ? queue->namespace_name : STR("");
	view->queue_name = queue ? queue->name : STR("");
	if (child && child->result && child->result->result_body)
		return mem_copy_str(arena, &view->edge.id) || mem_copy_str(arena, &view->namespace_name) || mem_copy_str(arena, &view->queue_name)
		               ? E_NOMEM
		               : mem_copy_body(disk, arena, child->result->result_body, &view->edge.value);
	if (child && child->result)
		view->edge.value = child->result->result;
	return mem_copy_str(arena, &view->edge.id) || mem_copy_str(arena, &view->edge.value) || mem_copy_str(arena, &view->namespace_name) ||
	                       mem_copy_str(arena, &view->queue_name)
	               ? E_NOMEM
	               : E_OK;
}

static enum err answer_children(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	uint64_t above;
	const struct mem_job *job;
	if (number_cursor_parse(query->cursor, &above))
		return E_INVALID;
	enum err err = find_job(disk, query, &job);
	if (err)
		return err;
	uint32_t total = disk->tables[MEM_EDGES].count, count = 0;
	out->children = ARENA_ARRAY(arena, struct child_view, total + 1);
	if (!out->children)
		return E_NOMEM;
	for (uint32_t i = 0; i < total; i++) {
		const struct edge_row *row = disk_row(disk, MEM_EDGES, i);
		if (row->parent != job->uid)
			continue;
		out->edge_counts[row->state]++;
		if (row->child > above && (!query->edge_states || query->edge_states >> row->state & 1))
			out->children[count++].edge = *row;
	}
	qsort(out->children, count, sizeof(*out->children), child_cmp);
	out->child_count = count < query_limit(query) ? count : query_limit(query);
	for (uint32_t i = 0; i < out->child_count && !err; i++)
		err = child_fill(disk, arena, &out->children[i]);
	if (!err && out->child_count < count) {
		out->next_cursor = number_cursor_text(arena, out->children[out->child_count - 1].edge.child);
		return out->next_cursor.ptr ? E_OK : E_NOMEM;
	}
	return err;
}

static int token_cmp(const void *a, const void *b) /* oldest first */
{
	const struct token_row *x = a, *y = b;
	return x->number == y->number ? 0 : x->number < y->number ? -1 : 1;
}

static enum err answer_tokens(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	uint64_t above;
	if (number_cursor_parse(query->cursor, &above))
		return E_INVALID;
	uint32_t total = disk->tables[MEM_TOKENS].count, count = 0;
	out->tokens = ARENA_ARRAY(arena, struct token_row, total + 1);
	if (!out->tokens)
		return E_NOMEM;
	for (uint32_t i = 0; i < total; i++) {
		const struct token_row *row = disk_row(disk, MEM_TOKENS, i);
		if (row->number > above)
			out->tokens[count++] = *row;
	}
	qsort(out->tokens, count, sizeof(*out->tokens), token_cmp);
	out->token_count = count < query_limit(query) ? count : query_limit(query);
	for (uint32_t i = 0; i < out->token_count; i++) {
		struct token_row *row = &out->tokens[i];
		if (mem_copy_str(arena, &row->name) || mem_copy_str(arena, &row->hash) || mem_copy_str(arena, &row->prefix) ||
		    mem_copy_str(arena, &row->scopes) || mem_copy_str(arena, &row->queues))
			return E_NOMEM;
	}
	if (out->token_count < count) {
		out->next_cursor = number_cursor_text(arena, out->tokens[out->token_count - 1].number);
		return out->next_cursor.ptr ? E_OK : E_NOMEM;
	}
	return E_OK;
}

/* ---- the reader ---- */

static enum err mem_reader_answer(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	out->seq = disk->meta.commit_seq;
	switch (query->kind) {
	case QUERY_DEFINITIONS: return answer_definitions(disk, query, arena, out);
	case QUERY_JOB: return answer_job(disk, query, arena, out);
	case QUERY_JOBS: return answer_jobs(disk, query, arena, out);
	case QUERY_MATCHES: return answer_matches(disk, query, arena, out);
	case QUERY_COUNT: return answer_count(disk, query, arena, out);
	case QUERY_ATTEMPTS: return answer_attempts(disk, query, arena, out);
	case QUERY_LOGS: return answer_logs(disk, query, arena, out);
	case QUERY_EVENTS: return answer_events(disk, query, arena, out);
	case QUERY_OPERATIONS: return answer_operations(disk, query, arena, out);
	case QUERY_TOKENS: return answer_tokens(disk, query, arena, out);
	case QUERY_METRICS: return answer_metrics(disk, query, arena, out);
	case QUERY_RANGE: return mem_range(disk, query, arena, out);
	case QUERY_READ: return mem_read(disk, query, arena, out);
	case QUERY_CHILDREN: return answer_children(disk, query, arena, out);
	case QUERY_MESSAGE: return mem_message(disk, query, arena, out);
	case QUERY_MESSAGES: return mem_messages(disk, query, arena, out);
	case QUERY_POLL: return mem_polled(disk, query, arena, out);
	case QUERY_ENTITIES: return mem_entities(disk, query, arena, out);
	case QUERY_REPLAY: return mem_replay(disk, query, arena, out);
	}
	return E_INVALID;
}

static enum err mem_reader_run(struct reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	struct mem_disk *disk = ((struct mem_reader *)reader)->disk;
	CHECK(pthread_mutex_lock(&disk->lock) == 0);
	enum err err = mem_reader_answer(disk, query, arena, out);
	CHECK(pthread_mutex_unlock(&disk->lock) == 0);
	return err;
}

static void mem_reader_close(struct reader *reader)
{
	mem_free(reader);
}

enum err mem_reader_new(struct mem_disk *disk, struct reader **out)
{
	struct mem_reader *reader = mem_zalloc(sizeof(*reader));
	if (!reader)
		return E_NOMEM;
	reader->reader = (struct reader){ mem_reader_run, mem_reader_close };
	reader->disk = disk;
	*out = &reader->reader;
	return E_OK;
}
