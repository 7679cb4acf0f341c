/* src/store/mem/range.c: a stretch of a queue's jobs in one state, by their places; and jobs of a queue by name. */
#include "base/limits.h"
#include "base/uid.h"
#include "store/filter.h"
#include "store/mem/reader.h"

#include <stdlib.h>

struct range_key {
	int64_t major, minor;
	uint64_t uid;
};
struct range_selection {
	const struct range *range;
	uint32_t queue;
	enum job_state state;
};

static enum job_state range_state(enum range_order order)
{
	return order <= RANGE_PRIORITISED ? JOB_WAITING : (enum job_state)(JOB_DELAYED + (order - RANGE_DELAYED));
}
_Static_assert(JOB_DELAYED + (RANGE_EXPIRED - RANGE_DELAYED) == JOB_EXPIRED && JOB_DELAYED + (RANGE_PARKED - RANGE_DELAYED) == JOB_PARKED,
               "in the order of states");

static struct range_key range_key_of(enum range_order order, const struct job_row *row)
{
	switch (order) {
	case RANGE_WAITING: return (struct range_key){ 0, row->rank, row->uid };
	case RANGE_PRIORITISED: return (struct range_key){ row->priority, row->rank, row->uid };
	case RANGE_DELAYED: return (struct range_key){ 0, row->due_us, row->uid };
	case RANGE_ACTIVE: return (struct range_key){ 0, row->started_us, row->uid };
	case RANGE_WAITING_CHILDREN: case RANGE_PARKED: return (struct range_key){ 0, row->since_us, row->uid };
	default: return (struct range_key){ 0, row->finished_us, row->uid };
	}
}

static bool range_takes(void *context, const struct mem_job *job)
{
	const struct range_selection *selection = context;
	const struct range *range = selection->range;
	const struct job_row *row = job->row;
	if (row->queue != selection->queue || row->state != selection->state)
		return false;
	if (row->state == JOB_WAITING && (row->priority > 0) != (range->order == RANGE_PRIORITISED))
		return false;
	if (!range->before_us)
		return true;
	return row->state == JOB_WAITING ? row->uid < uid_floor(range->before_us) : range_key_of(range->order, row).minor < range->before_us;
}

static int range_cmp(const void *a, const void *b, void *context)
{
	enum range_order order = *(const enum range_order *)context;
	struct range_key x = range_key_of(order, (*(struct mem_job *const *)a)->row), y = range_key_of(order, (*(struct mem_job *const *)b)->row);
	if (x.major != y.major)
		return x.major < y.major ? -1 : 1;
	if (x.minor != y.minor)
		return x.minor < y.minor ? -1 : 1;
	return x.uid == y.uid ? 0 : x.uid < y.uid ? -1 : 1;
}

enum err mem_errors(const struct mem_disk *disk, struct arena *arena, struct job_view *out)
{
	out->errors = ARENA_ARRAY(arena, struct str, QUERY_ERRORS_MAX);
	if (!out->errors)
		return E_NOMEM;
	for (uint32_t i = disk->tables[MEM_ATTEMPTS].count; i > 0 && out->error_count < QUERY_ERRORS_MAX; i--) {
		const struct attempt_row *row = disk_row(disk, MEM_ATTEMPTS, i - 1);
		if (row->uid != out->row.uid || !row->error.len)
			continue;
		struct str *error = &out->errors[QUERY_ERRORS_MAX - ++out->error_count];
		*error = arena_str(arena, row->error);
		if (!error->ptr)
			return E_NOMEM;
	}
	out->errors += QUERY_ERRORS_MAX - out->error_count;
	return E_OK;
}

static enum err range_view(const struct mem_disk *disk, const struct query *query, struct arena *arena, const struct mem_job *job,
                           struct job_view *out)
{
	enum err err = mem_view(disk, arena, job, query, out);
	return err || !query->with_history ? err : mem_errors(disk, arena, out);
}

enum err mem_range(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct queue_row *queue = mem_queue(disk, query->namespace_name, query->queue);
	struct range_selection selection = { &query->range, queue ? queue->number : 0, range_state(query->range.order) };
	enum range_order order = query->range.order;
	uint64_t first;
	uint32_t count;
	if (!queue)
		return E_QUEUE_NOT_FOUND;
	struct mem_job **jobs = disk_jobs(disk, arena, range_takes, &selection, &count);
	out->jobs = ARENA_ARRAY(arena, struct job_view, LIMIT_PAGE);
	if (!jobs || !out->jobs)
		return E_NOMEM;
	qsort_r(jobs, count, sizeof(*jobs), range_cmp, &order);
	out->count = count;
	uint64_t limit = places_resolve(query->range.from, query->range.to, count, LIMIT_PAGE, &first);
	for (uint64_t i = first; query->range.what != RANGE_NONE && i < first + limit; i++) {
		const struct mem_job *job = jobs[query->range.descending ? count - 1 - i : i];
		struct job_view *view = &out->jobs[out->job_count++];
		if (query->range.what == RANGE_JOBS && range_view(disk, query, arena, job, view))
			return E_NOMEM;
		if (query->range.what == RANGE_JOBS)
			continue;
		view->row.uid = job->uid;
		view->definition.id = arena_str(arena, job->definition->id);
		if (!view->definition.id.ptr)
			return E_NOMEM;
	}
	return E_OK;
}

enum err mem_read(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct queue_row *queue = mem_queue(disk, query->namespace_name, query->queue);
	uint32_t count = query->uid_count ? query->uid_count : query->id_count;
	if (!queue)
		return E_QUEUE_NOT_FOUND;
	out->jobs = ARENA_ARRAY(arena, struct job_view, count + 1);
	if (!out->jobs)
		return E_NOMEM;
	for (; out->job_count < count; out->job_count++) {
		uint32_t n = out->job_count;
		const struct mem_job *job = query->uid_count ? disk_job(disk, query->uids[n]) : mem_job_of(disk, queue, query->ids[n]);
		if (job && (job->definition->queue == queue->number || job->row->queue == queue->number) &&
		    range_view(disk, query, arena, job, &out->jobs[n]))
			return E_NOMEM;
	}
	return E_OK;
}
