/* src/store/sqlite/list.c: which jobs are on a page of a list?
 *
 * Few candidates (a name, an id or its start): look each of them up. Otherwise walk streams that are sorted as the list is:
 *
 *   by finish     index done_state, one stream for each queue and final state
 *   by creation   indexes live_waiting and live_state, one stream for each queue and live state; done by rowid, or, when a queue
 *                 has few final jobs, all of them from done_state
 *
 * and keep the best rows of all. A stream ends as soon as its next row is worse than the worst one kept. What an index does not
 * cover (tag, error, group, a frequent name, queues in a walk by rowid) is looked at row by row, within a bound on the work: then the
 * page may end early, at the place up to which every stream has been seen. */
#include <stdio.h>
#include <stdlib.h>

#include "store/sqlite/reader.h"

#define LIST_CANDIDATES_MAX 5000
#define LIST_FEW_FINAL      5000   /* final jobs that are cheaper to collect than to walk past */
#define LIST_STREAMS_MAX    2000   /* beyond it walk by rowid */
#define LIST_WORK_MAX       60000  /* rows of an index or of a dense table: some 15 ms */
#define LIST_WORK_MIN       20     /* of a stream */
#define LIST_JOIN_WORK      4      /* a row whose definition or error must be read */

struct list_row {
	struct list_key key;
	uint64_t version;
};

struct list_queue {
	uint32_t number;
	uint64_t final[JOB_STATE_COUNT];
};

struct list {
	struct sqlite_reader *reader;
	struct arena *arena;
	struct filter filter;
	struct list_queue *queues; /* sorted by number: one, or all of the namespace */
	uint32_t queue_count;
	bool one_queue, every_queue; /* the filter names it; there are no others */
	bool by_finish, descending, counting;
	bool wants_live, wants_done, wants_version;
	bool has_after;
	struct list_key after;
	/* the best rows, at most `max`: a heap with the worst on top. Counting only counts. */
	struct list_row *rows;
	uint64_t count, max;
	/* how far it got */
	uint64_t work_left;
	bool is_short;
	struct list_key horizon; /* everything up to here has been seen */
};

/* ---- order ---- */

static bool list_precedes(const struct list *list, struct list_key a, struct list_key b)
{
	int order = list_key_cmp(a, b);
	return list->descending ? order > 0 : order < 0;
}

static void list_sift_down(struct list *list, uint64_t at)
{
	for (;;) {
		uint64_t child = 2 * at + 1;
		if (child >= list->count)
			return;
		if (child + 1 < list->count && list_precedes(list, list->rows[child].key, list->rows[child + 1].key))
			child++;
		if (!list_precedes(list, list->rows[at].key, list->rows[child].key))
			return;
		struct list_row row = list->rows[at];
		list->rows[at] = list->rows[child];
		list->rows[child] = row;
		at = child;
	}
}

static void list_sift_up(struct list *list, uint64_t at)
{
	while (at && list_precedes(list, list->rows[(at - 1) / 2].key, list->rows[at].key)) {
		struct list_row row = list->rows[at];
		list->rows[at] = list->rows[(at - 1) / 2];
		list->rows[(at - 1) / 2] = row;
		at = (at - 1) / 2;
	}
}

static bool list_is_full(const struct list *list)
{
	return list->count == list->max;
}

static void list_offer(struct list *list, struct list_row row)
{
	if (list->counting) {
		list->count += !list_is_full(list);
	} else if (!list_is_full(list)) {
		list->rows[list->count] = row;
		list_sift_up(list, list->count++);
	} else if (list_precedes(list, row.key, list->rows[0].key)) {
		list->rows[0] = row;
		list_sift_down(list, 0);
	}
}

static bool list_is_hopeless(const struct list *list, struct list_key key) /* nor is anything behind it */
{
	return list_is_full(list) && (list->counting || !list_precedes(list, key, list->rows[0].key));
}

static void list_sort(struct list *list) /* empties the heap from its worst end */
{
	uint64_t count = list->count;
	while (list->count > 1) {
		struct list_row worst = list->rows[0];
		list->rows[0] = list->rows[--list->count];
		list_sift_down(list, 0);
		list->rows[list->count] = worst;
	}
	list->count = count;
}

/* ---- statements, by shape ---- */

enum {
	SHAPE_DONE = 1,        /* of table done; otherwise live */
	SHAPE_INDEX = 2,       /* WHERE queue and state */
	SHAPE_POINT = 4,       /* WHERE uid */
	SHAPE_BY_FINISH = 8,
	SHAPE_DESCENDING = 16,
	SHAPE_ROW = 32,        /* reads the row, not only the index */
	SHAPE_DEFINITION = 64, /* reads the definition */
	SHAPE_ERROR = 128,
	SHAPE_UNSORTED = 256,
	SHAPE_WAITING = 512,   /* with INDEX: the state is waiting, which has an index of its own */
	SHAPE_MESSAGE = 1024,  /* with DEFINITION: a delivery's message, and what that is about */
};
enum { COLUMN_UID, COLUMN_FINISHED, COLUMN_STATE, COLUMN_QUEUE, COLUMN_GROUP, COLUMN_VERSION, COLUMN_OUTCOME, COLUMN_ERROR, COLUMN_JOB_QUEUE,
       COLUMN_JOB_ID, COLUMN_JOB_NAME, COLUMN_JOB_TAGS, COLUMN_JOB_MESSAGE, COLUMN_ENTITY };

static void shape_sql(uint32_t shape, char *out, size_t bytes)
{
	const char *way = shape & SHAPE_DESCENDING ? "DESC" : "ASC", *beyond = shape & SHAPE_DESCENDING ? "<" : ">";
	char order[96] = "", after[128] = "", where[128];
	if (shape & SHAPE_BY_FINISH) {
		snprintf(after, sizeof(after), "AND p.finished_us >= ?5 AND p.finished_us < ?6 AND (p.finished_us, p.uid) %s (?7, ?8)", beyond);
		snprintf(order, sizeof(order), "ORDER BY p.finished_us %s, p.uid %s", way, way);
	} else if (!(shape & (SHAPE_POINT | SHAPE_UNSORTED))) {
		snprintf(order, sizeof(order), "ORDER BY p.uid %s", way);
	}
	const char *state = shape & SHAPE_WAITING ? "p.state = 0" : "p.state = ?2 AND p.state <> 0";
	if (shape & SHAPE_POINT)
		snprintf(where, sizeof(where), "p.uid = ?3");
	else if (shape & SHAPE_DONE && shape & SHAPE_INDEX) /* not in the order of uids: they are looked at here, where the work is counted */
		snprintf(where, sizeof(where), "p.queue = ?1 AND p.state = ?2");
	else
		snprintf(where, sizeof(where), "%s%s%s p.uid >= ?3 AND p.uid < ?4", shape & SHAPE_INDEX ? "p.queue = ?1 AND " : "",
		         shape & SHAPE_INDEX ? state : "", shape & SHAPE_INDEX ? " AND" : "");
	snprintf(out, bytes, "SELECT p.uid, %s, %s, %s%s FROM %s p %s WHERE %s %s %s",
	         shape & (SHAPE_ROW | SHAPE_BY_FINISH) ? "p.finished_us" : "0",
	         shape & SHAPE_ROW ? "p.state, p.queue, p.group_key, p.version, p.outcome" : "?2, ?1, NULL, 0, 0",
	         shape & SHAPE_ERROR ? shape & SHAPE_DEFINITION ? "p.error, j.queue, j.id, j.name, j.tags" : "p.error" :
	         shape & SHAPE_DEFINITION ? "NULL, j.queue, j.id, j.name, j.tags" : "NULL",
	         shape & SHAPE_MESSAGE ? ", j.message, (SELECT entity FROM message WHERE uid = j.message)" : "",
	         shape & SHAPE_DONE ? "done" : "live", shape & SHAPE_DEFINITION ? "CROSS JOIN job j ON j.uid = p.uid" : "",
	         where, after, order);
}

static sqlite3_stmt *shape_statement(struct sqlite_reader *reader, uint32_t shape, enum err *err)
{
	char sql[768];
	*err = E_OK;
	for (uint32_t i = 0; i < reader->shape_count; i++)
		if (reader->shapes[i].shape == shape)
			return reader->shapes[i].prepared;
	if (reader->shape_count == READER_SHAPES_MAX)
		sqlite3_finalize(reader->shapes[--reader->shape_count].prepared);
	shape_sql(shape, sql, sizeof(sql));
	struct shaped_statement *shaped = &reader->shapes[reader->shape_count];
	shaped->shape = shape;
	*err = sql_err(sqlite3_prepare_v3(reader->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &shaped->prepared, NULL));
	if (!*err)
		reader->shape_count++;
	return *err ? NULL : shaped->prepared;
}

static uint32_t list_shape(const struct list *list) /* what every stream of this list must read */
{
	const struct filter *filter = &list->filter;
	bool finish_bound = filter->finished_from || filter->finished_below != INT64_MAX;
	uint32_t shape = list->descending ? SHAPE_DESCENDING : 0;
	if (list->wants_version || filter->asked->group.len || filter->asked->endpoint.len || filter->asked->outcomes ||
	    (finish_bound && !list->by_finish))
		shape |= SHAPE_ROW;
	if (filter->reads_definition)
		shape |= SHAPE_DEFINITION;
	if (filter->reads_message)
		shape |= SHAPE_MESSAGE;
	return shape;
}

/* ---- a row ---- */

static int queue_number_cmp(const void *key, const void *item)
{
	uint32_t number = *(const uint32_t *)key, other = ((const struct list_queue *)item)->number;
	return number == other ? 0 : number < other ? -1 : 1;
}

static bool list_has_queue(const struct list *list, uint32_t number)
{
	return list->queue_count && bsearch(&number, list->queues, list->queue_count, sizeof(*list->queues), queue_number_cmp);
}

static bool list_takes(const struct list *list, uint32_t shape, sqlite3_stmt *stmt, struct list_row *out)
{
	const struct filter *filter = &list->filter;
	struct job_row row = { .uid = sql_u64(stmt, COLUMN_UID), .finished_us = sql_i64(stmt, COLUMN_FINISHED),
		               .state = (enum job_state)sql_i64(stmt, COLUMN_STATE), .queue = sql_u32(stmt, COLUMN_QUEUE),
		               .version = sql_u64(stmt, COLUMN_VERSION), .group = sql_str(stmt, COLUMN_GROUP),
		               .outcome = (enum job_outcome)sql_i64(stmt, COLUMN_OUTCOME) };
	*out = (struct list_row){ { list->by_finish ? row.finished_us : 0, row.uid }, row.version };
	bool by_done_index = shape & SHAPE_DONE && shape & SHAPE_INDEX;
	if (!(shape & (SHAPE_ROW | SHAPE_DEFINITION | SHAPE_ERROR)) && !by_done_index)
		return true; /* the index knew all that is asked */
	if (list->has_after && !list_precedes(list, list->after, out->key))
		return false;
	if (!(shape & SHAPE_ROW) && !(shape & SHAPE_BY_FINISH))
		row.finished_us = filter->finished_from; /* not read, and not asked */
	uint32_t queue = row.queue;
	if (shape & SHAPE_DEFINITION) {
		struct job_definition definition = { .uid = row.uid, .queue = sql_u32(stmt, COLUMN_JOB_QUEUE), .id = sql_str(stmt, COLUMN_JOB_ID),
			                             .name = sql_str(stmt, COLUMN_JOB_NAME), .tags = sql_str(stmt, COLUMN_JOB_TAGS) };
		if (shape & SHAPE_MESSAGE)
			definition.message = sql_u64(stmt, COLUMN_JOB_MESSAGE);
		if (filter->id.len)
			queue = definition.queue;
		if (!filter_takes_definition(filter, &definition) || (shape & SHAPE_MESSAGE && !filter_takes_entity(filter, sql_str(stmt, COLUMN_ENTITY))))
			return false;
	}
	if ((list->one_queue || !list->every_queue) && !list_has_queue(list, queue))
		return false;
	return filter_takes_row(filter, &row) && (!(shape & SHAPE_ERROR) || filter_takes_error(filter, sql_str(stmt, COLUMN_ERROR)));
}

/* ---- a stream ---- */

static void stream_bind(const struct list *list, uint32_t shape, sqlite3_stmt *stmt, uint32_t queue, uint32_t state)
{
	const struct filter *filter = &list->filter;
	uint64_t from = filter->uid_from, below = filter->uid_below;
	struct list_key after = list->descending ? (struct list_key){ filter->finished_below, 0 } :
	                                           (struct list_key){ filter->finished_from - 1, INT64_MAX };
	if (list->has_after && list_precedes(list, after, list->after))
		after = list->after;
	if (list->has_after && !list->by_finish && list->descending && list->after.uid < below)
		below = list->after.uid;
	if (list->has_after && !list->by_finish && !list->descending && list->after.uid + 1 > from)
		from = list->after.uid + 1;
	sql_bind_i64(stmt, 1, queue);
	sql_bind_i64(stmt, 2, state);
	sql_bind_u64(stmt, 3, from);
	sql_bind_u64(stmt, 4, below);
	if (!(shape & SHAPE_BY_FINISH))
		return;
	sql_bind_i64(stmt, 5, filter->finished_from);
	sql_bind_i64(stmt, 6, filter->finished_below);
	sql_bind_i64(stmt, 7, after.finished_us);
	sql_bind_u64(stmt, 8, after.uid);
}

static void list_stop_at(struct list *list, struct list_key key)
{
	if (!list->is_short || list_precedes(list, key, list->horizon))
		list->horizon = key;
	list->is_short = true;
}

static enum err list_walk(struct list *list, uint32_t shape, uint32_t queue, uint32_t state, uint64_t work_max)
{
	enum err err;
	bool found;
	bool created_bound = list->filter.uid_from || list->filter.uid_below != INT64_MAX;
	/* At each row, and may pass it over. */
	bool looks = shape & (SHAPE_ROW | SHAPE_DEFINITION | SHAPE_ERROR) || (created_bound && shape & SHAPE_DONE && shape & SHAPE_INDEX);
	bool collects = shape & SHAPE_UNSORTED && !list->counting;         /* the best may come last */
	bool bounded = (looks || list->counting) && !collects;
	uint64_t work = 0, step = shape & (SHAPE_DEFINITION | SHAPE_ERROR) ? LIST_JOIN_WORK : 1;
	sqlite3_stmt *stmt = shape_statement(list->reader, shape, &err);
	if (err)
		return err;
	stream_bind(list, shape, stmt, queue, state);
	while (!(err = sql_step(stmt, &found)) && found) {
		struct list_row row;
		bool takes = list_takes(list, shape, stmt, &row);
		if (!collects && list_is_hopeless(list, row.key))
			break;
		if (takes)
			list_offer(list, row);
		work += step;
		if (bounded && work >= work_max) {
			list_stop_at(list, row.key);
			break;
		}
	}
	sqlite3_reset(stmt);
	list->work_left -= work < list->work_left ? work : list->work_left;
	return err;
}

/* ---- which streams ---- */

static uint32_t states_count(uint32_t states)
{
	return (uint32_t)__builtin_popcount(states);
}

static uint64_t list_finals(const struct list *list, uint32_t states)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < list->queue_count; i++)
		for (uint32_t state = 0; state < JOB_STATE_COUNT; state++)
			if (states & 1u << state)
				sum += list->queues[i].final[state];
	return sum;
}

/* One stream for each queue and state. The work is shared evenly among those still to come. */
static enum err list_walk_index(struct list *list, uint32_t shape, uint32_t states, uint64_t streams_after)
{
	enum err err = E_OK;
	uint64_t streams = streams_after + (uint64_t)list->queue_count * states_count(states);
	for (uint32_t i = 0; i < list->queue_count && !err; i++)
		for (uint32_t state = 0; state < JOB_STATE_COUNT && !err; state++)
			if (states & 1u << state) {
				uint64_t share = list->work_left / streams--;
				uint32_t way = SHAPE_INDEX | (state == JOB_WAITING ? SHAPE_WAITING : 0u);
				err = list_walk(list, shape | way, list->queues[i].number, state,
				                share > LIST_WORK_MIN ? share : LIST_WORK_MIN);
			}
	return err;
}

static enum err list_walk_rowids(struct list *list, uint32_t shape, uint64_t streams)
{
	return list_walk(list, shape | SHAPE_ROW, 0, 0, list->work_left / streams > LIST_WORK_MIN ? list->work_left / streams : LIST_WORK_MIN);
}

static enum err list_walk_live(struct list *list, uint32_t states, uint64_t streams_after)
{
	uint32_t shape = list_shape(list);
	bool all = states == STATES_LIVE && !list->one_queue;
	if (all || (uint64_t)list->queue_count * states_count(states) > LIST_STREAMS_MAX)
		return list_walk_rowids(list, shape, streams_after + 1);
	return list_walk_index(list, shape, states, streams_after);
}

static enum err list_walk_done(struct list *list, uint32_t states)
{
	uint32_t shape = list_shape(list) | SHAPE_DONE | (list->filter.reads_error ? SHAPE_ERROR : 0u);
	if (list->by_finish)
		return list_walk_index(list, shape | SHAPE_BY_FINISH, states, 0);
	bool few = list_finals(list, states) <= LIST_FEW_FINAL && (uint64_t)list->queue_count * states_count(states) <= LIST_STREAMS_MAX;
	if (few || list->counting)
		return list_walk_index(list, shape | SHAPE_UNSORTED, states, 0);
	return list_walk_rowids(list, shape, 1);
}

static enum err list_walk_all(struct list *list)
{
	uint32_t live = list->wants_live ? list->filter.states & STATES_LIVE : 0, done = list->wants_done ? list->filter.states & STATES_FINAL : 0;
	enum err err = live ? list_walk_live(list, live, done ? 1 : 0) : E_OK;
	return err || !done ? err : list_walk_done(list, done);
}

/* ---- few candidates ---- */

struct candidates {
	uint64_t *uids;
	uint32_t count, capacity; /* one beyond LIST_CANDIDATES_MAX: too many */
};

static enum err candidates_add(struct list *list, struct candidates *candidates, sqlite3_stmt *stmt)
{
	enum err err;
	bool found;
	while (!(err = sql_step(stmt, &found)) && found) {
		if (candidates->count == candidates->capacity) {
			uint32_t capacity = candidates->capacity ? candidates->capacity * 4 : 64;
			uint64_t *grown = arena_alloc(list->arena, capacity * sizeof(*grown));
			if (!grown) {
				sqlite3_reset(stmt);
				return E_NOMEM;
			}
			if (candidates->count)
				memcpy(grown, candidates->uids, candidates->count * sizeof(*grown));
			candidates->uids = grown;
			candidates->capacity = capacity;
		}
		candidates->uids[candidates->count++] = sql_u64(stmt, 0);
	}
	return err;
}

static enum err candidates_by_uid(struct list *list, struct candidates *candidates)
{
	enum err err = E_OK;
	const struct filter *filter = &list->filter;
	if (filter->id_uid_first > filter->id_uid_last)
		return E_OK;
	sqlite3_stmt *stmt = reader_statement(list->reader, READER_JOBS_OF_UIDS, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, filter->id_uid_first);
	sql_bind_u64(stmt, 2, filter->id_uid_last > INT64_MAX ? INT64_MAX : filter->id_uid_last);
	sql_bind_i64(stmt, 3, LIST_CANDIDATES_MAX + 1);
	return candidates_add(list, candidates, stmt);
}

static enum err candidates_by_id(struct list *list, struct candidates *candidates)
{
	enum err err;
	const struct filter *filter = &list->filter;
	sqlite3_stmt *stmt = reader_statement(list->reader, filter->id_is_prefix ? READER_JOBS_OF_PREFIX : READER_JOB_BY_ID, &err);
	char *above = err ? NULL : arena_alloc(list->arena, filter->id.len);
	if (!above)
		return err ? err : E_NOMEM;
	sql_bind_i64(stmt, 1, list->queues[0].number);
	sql_bind_text(stmt, 2, filter->id);
	if (filter->id_is_prefix) { /* ids are UTF-8, so their bytes stay below 255 */
		memcpy(above, filter->id.ptr, filter->id.len);
		above[filter->id.len - 1]++;
		sql_bind_text(stmt, 3, (struct str){ above, filter->id.len });
		sql_bind_i64(stmt, 4, LIST_CANDIDATES_MAX + 1);
	}
	err = candidates_add(list, candidates, stmt);
	return err ? err : candidates_by_uid(list, candidates);
}

/* Deliveries of a message, or of all messages about an entity. */
static enum err candidates_by_message(struct list *list, struct candidates *candidates)
{
	enum err err;
	const struct job_filter *asked = list->filter.asked;
	sqlite3_stmt *stmt = reader_statement(list->reader, asked->message ? READER_JOBS_OF_MESSAGE : READER_JOBS_OF_ENTITY, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, LIST_CANDIDATES_MAX + 1);
	if (asked->message) {
		sql_bind_u64(stmt, 2, asked->message);
	} else {
		sql_bind_text(stmt, 2, reader_namespace(asked->namespace_name));
		sql_bind_text(stmt, 3, asked->entity);
	}
	return candidates_add(list, candidates, stmt);
}

static enum err candidates_by_name(struct list *list, struct candidates *candidates)
{
	enum err err;
	const struct filter *filter = &list->filter;
	sqlite3_stmt *stmt = reader_statement(list->reader, READER_JOBS_OF_NAME, &err);
	if (err)
		return err;
	sql_bind_text(stmt, 1, filter->asked->name);
	sql_bind_u64(stmt, 2, filter->uid_from);
	sql_bind_u64(stmt, 3, filter->uid_below);
	sql_bind_i64(stmt, 4, LIST_CANDIDATES_MAX + 1);
	return candidates_add(list, candidates, stmt);
}

static int uid_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x == y ? 0 : x < y ? -1 : 1;
}

static enum err list_offer_candidate(struct list *list, bool done, uint64_t uid, bool *found)
{
	enum err err;
	struct list_row row;
	uint32_t shape = SHAPE_POINT | SHAPE_ROW | SHAPE_DEFINITION | (done ? SHAPE_DONE : 0u) | (list->filter.reads_message ? SHAPE_MESSAGE : 0u) |
	                 (done && list->filter.reads_error ? SHAPE_ERROR : 0u);
	*found = false;
	sqlite3_stmt *stmt = shape_statement(list->reader, shape, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 3, uid);
	err = sql_step(stmt, found);
	if (*found && list_takes(list, shape, stmt, &row))
		list_offer(list, row);
	sqlite3_reset(stmt);
	return err;
}

/* *found_few: the list is complete; otherwise there were too many, and nothing was done. */
static enum err list_try_candidates(struct list *list, bool *found_few)
{
	struct candidates candidates = { 0 };
	const struct job_filter *asked = list->filter.asked;
	enum err err = E_OK;
	*found_few = list->filter.id.len || asked->message || asked->entity.len || asked->name.len;
	if (!*found_few)
		return E_OK;
	if (list->filter.id.len)
		err = candidates_by_id(list, &candidates);
	else if (asked->message || asked->entity.len)
		err = candidates_by_message(list, &candidates);
	else
		err = candidates_by_name(list, &candidates);
	*found_few = candidates.count <= LIST_CANDIDATES_MAX;
	if (err || !*found_few)
		return err;
	if (candidates.count)
		qsort(candidates.uids, candidates.count, sizeof(*candidates.uids), uid_cmp);
	for (uint32_t i = 0; i < candidates.count && !err; i++) {
		bool live = false;
		if (i && candidates.uids[i] == candidates.uids[i - 1])
			continue; /* found by its id and by its uid */
		if (list->wants_live)
			err = list_offer_candidate(list, false, candidates.uids[i], &live);
		if (!err && !live && list->wants_done)
			err = list_offer_candidate(list, true, candidates.uids[i], &live);
	}
	return err;
}

/* ---- a list ---- */

static enum err list_read_queues(struct list *list)
{
	enum err err;
	bool found;
	uint32_t capacity = 0;
	struct str name = reader_namespace(list->filter.asked->namespace_name);
	sqlite3_stmt *stmt = reader_statement(list->reader, READER_QUEUES, &err);
	if (err)
		return err;
	sql_bind_text(stmt, 1, name);
	while (!(err = sql_step(stmt, &found)) && found) {
		if (list->queue_count == capacity) {
			capacity = capacity ? capacity * 2 : 16;
			struct list_queue *grown = ARENA_ARRAY(list->arena, struct list_queue, capacity);
			if (!grown) {
				sqlite3_reset(stmt);
				return E_NOMEM;
			}
			if (list->queue_count)
				memcpy(grown, list->queues, list->queue_count * sizeof(*grown));
			list->queues = grown;
		}
		struct list_queue *queue = &list->queues[list->queue_count++];
		int at = 1;
		queue->number = sql_u32(stmt, 0);
#define X(state, column) queue->final[state] = sql_u64(stmt, at++);
		COUNTED_STATES(X)
#undef X
	}
	stmt = err ? NULL : reader_statement(list->reader, READER_OTHER_NAMESPACE, &err);
	if (err)
		return err;
	sql_bind_text(stmt, 1, name);
	err = sql_step(stmt, &found);
	list->every_queue = !found;
	sqlite3_reset(stmt);
	return err;
}

static enum err list_read_queue(struct list *list)
{
	enum err err;
	bool found;
	list->queues = ARENA_NEW(list->arena, struct list_queue);
	if (!list->queues)
		return E_NOMEM;
	list->queue_count = 1;
	list->one_queue = true;
	err = reader_find_queue(list->reader, list->filter.asked->namespace_name, list->filter.asked->queue, &list->queues[0].number);
	sqlite3_stmt *stmt = err ? NULL : reader_statement(list->reader, READER_QUEUE_COUNTS, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, list->queues[0].number);
	err = sql_step(stmt, &found);
	if (found) {
		int at = 1;
#define X(state, column) list->queues[0].final[state] = sql_u64(stmt, at++);
		COUNTED_STATES(X)
#undef X
	}
	sqlite3_reset(stmt);
	return err;
}

static enum err list_init(struct list *list, struct sqlite_reader *reader, const struct query *query, struct arena *arena)
{
	*list = (struct list){ .reader = reader, .arena = arena, .wants_live = true, .wants_done = true, .work_left = LIST_WORK_MAX };
	filter_init(&list->filter, &query->filter);
	if (query->filter.queue.len)
		return list_read_queue(list);
	return query->filter.id.len ? E_INVALID : list_read_queues(list);
}

/* The best `max` rows, sorted. When it was cut short, only those up to the horizon. */
static enum err list_run(struct list *list, uint64_t max)
{
	bool complete;
	list->max = max;
	if (!list->counting) {
		list->rows = arena_alloc(list->arena, max * sizeof(*list->rows));
		if (!list->rows)
			return E_NOMEM;
	}
	enum err err = list_try_candidates(list, &complete);
	if (!err && !complete)
		err = list_walk_all(list);
	if (err || list->counting)
		return err;
	list_sort(list);
	while (list->is_short && list->count && list_precedes(list, list->horizon, list->rows[list->count - 1].key))
		list->count--;
	return E_OK;
}

/* ---- the questions ---- */

enum err reader_jobs(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	struct list list;
	uint32_t limit = reader_limit(query);
	enum err err = list_init(&list, reader, query, arena);
	if (err)
		return err;
	list.by_finish = list.filter.by_finish;
	list.descending = !query->oldest_first;
	list.has_after = query->cursor.len > 0;
	if (list.has_after)
		err = list_cursor_parse(query->cursor, &list.filter, &list.after);
	if (!err)
		err = list_run(&list, (uint64_t)limit + 1);
	if (err)
		return err;
	bool more = list.count > limit;
	uint32_t count = more ? limit : (uint32_t)list.count;
	out->jobs = ARENA_ARRAY(arena, struct job_view, count + 1);
	if (!out->jobs)
		return E_NOMEM;
	for (uint32_t i = 0; i < count && !err; i++) {
		bool found;
		err = reader_view(reader, list.rows[i].key.uid, false, arena, &out->jobs[out->job_count], &found);
		out->job_count += found;
	}
	out->scanned_short = !more && list.is_short;
	if (more || list.is_short) {
		out->next_cursor = list_cursor_text(arena, &list.filter, more ? list.rows[limit - 1].key : list.horizon);
		err = err ? err : out->next_cursor.ptr ? E_OK : E_NOMEM;
	}
	return err;
}

/* By uid, first the live ones, then the final ones. A slice may be empty and still not be the last. */
enum err reader_matches(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	struct list list;
	uint32_t limit = reader_limit(query);
	enum err err = list_init(&list, reader, query, arena);
	out->next_uid = query->cursor_uid;
	out->next_phase = query->cursor_phase;
	if (err || query->cursor_phase >= 2)
		return err;
	list.wants_live = query->cursor_phase == 0;
	list.wants_done = query->cursor_phase == 1;
	list.wants_version = list.has_after = true;
	list.after = (struct list_key){ 0, query->cursor_uid };
	err = list_run(&list, (uint64_t)limit + 1);
	if (err)
		return err;
	bool more = list.count > limit;
	out->match_count = more ? limit : (uint32_t)list.count;
	out->matches = ARENA_ARRAY(arena, struct match, out->match_count + 1);
	if (!out->matches)
		return E_NOMEM;
	for (uint32_t i = 0; i < out->match_count; i++)
		out->matches[i] = (struct match){ list.rows[i].key.uid, list.rows[i].version };
	if (more || list.is_short) {
		out->next_uid = more ? list.rows[limit - 1].key.uid : list.horizon.uid;
	} else {
		out->next_uid = 0;
		out->next_phase++;
	}
	return E_OK;
}

static bool list_asks_states_only(const struct list *list)
{
	const struct filter *filter = &list->filter;
	return !filter->reads_definition && !filter->reads_error && !filter->asked->group.len && !filter->asked->outcomes && !filter->uid_from &&
	       filter->uid_below == INT64_MAX && !filter->finished_from && filter->finished_below == INT64_MAX;
}

enum err reader_count(struct sqlite_reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	struct list list;
	uint64_t known = 0, max = query->count_max ? query->count_max : INT64_MAX;
	enum err err = list_init(&list, reader, query, arena);
	if (err)
		return err;
	list.counting = true;
	list.by_finish = list.filter.by_finish;
	if (list_asks_states_only(&list)) { /* final ones are counted already */
		known = list_finals(&list, list.filter.states & STATES_FINAL);
		list.wants_done = false;
	}
	if (known <= max)
		err = list_run(&list, max - known + 1);
	uint64_t sum = known + list.count;
	out->count = sum > max ? max : sum;
	out->count_is_least = sum > max || list.is_short;
	return err;
}
