/* sim/budgets.c: rule 7 for limits that are shared: at every commit those who run and the permits that are held are not more than a limit allows,
 * its rate holds, and nothing starts inside a penalty.
 *
 * Under which limits a job runs is decided when it starts, by the settings of its queue and group; after a restart by those of that moment.
 * When they change in the very change-set that starts a job it is not known which came first: such a job is counted nowhere, and while it runs
 * nobody can say that a limit has room. */
#include "sim/shadow.h"
#include "base/check.h"
#include "base/json.h"
#include "store/mem/disk.h"
#include <stdio.h>

#define UNSURE_US 2500000 /* so long a start that was not counted may still fill a rate */

static struct shadow_budget *budget_at(struct shadow *shadow, uint32_t number)
{
	for (uint32_t i = 0; i < shadow->budget_count; i++)
		if (shadow->budgets[i].number == number)
			return &shadow->budgets[i];
	return NULL;
}

uint32_t budgets_named(struct shadow *shadow, const struct limit_names *names)
{
	uint32_t mask = 0;
	for (uint32_t n = 0; n < names->count; n++) {
		uint32_t found = 0;
		for (uint32_t i = 0; i < shadow->budget_count; i++)
			if (!shadow->budgets[i].gone && str_eq(str_of(shadow->budgets[i].name), names->names[n]))
				found = 1u << i;
		CHECK(found); /* rule 9: settings name what there is */
		mask |= found;
	}
	return mask;
}

static uint32_t budgets_of(struct shadow *shadow, const struct job_row *row, const char *group_key)
{
	const struct shadow_group *group = shadow_group(shadow, row->queue, str_of(group_key));
	return group->has_limits ? group->limits : shadow_queue(shadow, row->queue)->limits;
}

static bool budgets_are_sure(struct shadow *shadow, const struct job_row *row, const char *group_key)
{
	return shadow_queue(shadow, row->queue)->changed_seq != shadow->seq &&
	       shadow_group(shadow, row->queue, str_of(group_key))->changed_seq != shadow->seq;
}

void budgets_count(struct shadow *shadow, const struct shadow_job *job, int sign)
{
	for (uint32_t i = 0; i < shadow->budget_count; i++)
		if (job->limits & 1u << i)
			shadow->budgets[i].active += (uint32_t)sign;
	if (job->unsure)
		shadow->unsure += (uint32_t)sign;
}

/* The job's row says that it has just started. */
void budgets_choose(struct shadow *shadow, struct shadow_job *job)
{
	uint32_t limits = budgets_of(shadow, &job->row, job->group);
	bool sure = budgets_are_sure(shadow, &job->row, job->group);
	job->limits = sure ? limits : 0;
	job->unsure = !sure;
	for (uint32_t i = 0; i < shadow->budget_count && !sure; i++)
		shadow->budgets[i].unsure_us = shadow->committed_us;
}

void budgets_start(struct shadow *shadow, const struct shadow_job *job, int64_t at_us)
{
	const struct shadow_queue *queue = shadow_queue(shadow, job->row.queue);
	const struct shadow_group *group = shadow_group(shadow, job->row.queue, str_of(job->group));
	CHECK(at_us >= queue->blocked_us || queue->changed_seq == shadow->seq);
	CHECK(at_us >= group->blocked_us || group->changed_seq == shadow->seq);
	for (uint32_t i = 0; i < shadow->budget_count; i++) {
		struct shadow_budget *budget = &shadow->budgets[i];
		if (!(job->limits & 1u << i))
			continue;
		CHECK(at_us >= budget->blocked_us || budget->changed_seq == shadow->seq);
		shadow_start(&budget->rate, at_us);
	}
}

static uint32_t budget_allowance(const struct shadow_budget *budget) /* who is there already is not sent away */
{
	uint32_t taken = budget->active + budget->held;
	return !budget->concurrency ? UINT32_MAX : taken > budget->concurrency ? taken : budget->concurrency;
}

static void budget_row_read(struct shadow *shadow, const struct budget_row *row)
{
	struct shadow_budget *budget = budget_at(shadow, row->number);
	struct limit_settings settings = { 0 };
	struct arena arena = { 0 };
	struct json json;
	if (!budget) {
		CHECK(shadow->budget_count < ARRAY_COUNT(shadow->budgets));
		budget = &shadow->budgets[shadow->budget_count++];
		*budget = (struct shadow_budget){ .number = row->number };
	}
	json_init(&json, row->settings, &arena, NULL);
	CHECK(limit_settings_read(&json, &settings));
	budget->allowance = budget->changed_seq == shadow->seq ? UINT32_MAX : budget_allowance(budget);
	snprintf(budget->name, sizeof(budget->name), STR_FMT, STR_ARG(row->name));
	budget->gone = row->gone;
	budget->concurrency = settings.concurrency;
	budget->rate.max = settings.rate.max;
	budget->rate.per_us = settings.rate.per_ms * 1000;
	budget->blocked_us = row->blocked_us;
	budget->changed_seq = shadow->seq;
	CHECK(budget->rate.max <= ARRAY_COUNT(budget->rate.starts_us));
	arena_fini(&arena);
}

static struct shadow_permit *permit_slot(struct shadow *shadow, const struct permit_row *row)
{
	struct shadow_permit *free = NULL;
	for (uint32_t i = 0; i < ARRAY_COUNT(shadow->permits); i++) {
		struct shadow_permit *permit = &shadow->permits[i];
		if (permit->units && permit->budget == row->budget && permit->token == row->token)
			return permit;
		if (!permit->units)
			free = permit;
	}
	CHECK(free);
	return free;
}

static void permit_end_all(struct shadow *shadow, uint32_t budget)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(shadow->permits); i++)
		if (shadow->permits[i].budget == budget)
			shadow->permits[i].units = 0;
}

void budgets_read(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->budgets.count; i++) {
		budget_row_read(shadow, &cs->budgets.items[i]);
		if (cs->budgets.items[i].gone)
			permit_end_all(shadow, cs->budgets.items[i].number);
	}
	for (uint32_t i = 0; i < cs->permits.count; i++) {
		const struct permit_row *row = &cs->permits.items[i];
		*permit_slot(shadow, row) = (struct shadow_permit){ row->budget, row->token, row->gone ? 0 : row->units };
	}
	for (uint32_t i = 0; i < shadow->budget_count; i++) {
		shadow->budgets[i].held = 0;
		for (uint32_t k = 0; k < ARRAY_COUNT(shadow->permits); k++)
			if (shadow->permits[k].budget == shadow->budgets[i].number)
				shadow->budgets[i].held += shadow->permits[k].units;
	}
}

void budgets_judge(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->budget_count; i++) {
		struct shadow_budget *budget = &shadow->budgets[i];
		if (!budget->gone)
			shadow_limit(budget->concurrency, budget->active + budget->held, &budget->allowance); /* rule 7 */
		shadow->shared += budget->active > 0;
		shadow->held += budget->held > 0;
	}
}

void budgets_restart(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->budget_count; i++)
		shadow->budgets[i].active = 0;
	shadow->unsure = 0;
	for (uint32_t slot = 0; slot < shadow->jobs.used; slot++) {
		struct shadow_job *job = pool_at(&shadow->jobs, slot);
		job->limits = 0;
		job->unsure = false;
		if (!job->exists || job->row.state != JOB_ACTIVE)
			continue;
		job->limits = budgets_of(shadow, &job->row, job->group);
		budgets_count(shadow, job, +1);
	}
	for (uint32_t i = 0; i < shadow->budget_count; i++)
		shadow->budgets[i].allowance = budget_allowance(&shadow->budgets[i]);
}

bool budgets_have_room(struct shadow *shadow, const struct shadow_job *job, int64_t engine_us)
{
	uint32_t limits = budgets_of(shadow, &job->row, job->group);
	if (shadow_queue(shadow, job->row.queue)->blocked_us > engine_us ||
	    shadow_group(shadow, job->row.queue, str_of(job->group))->blocked_us > engine_us)
		return false;
	if (limits && shadow->unsure)
		return false;
	for (uint32_t i = 0; i < shadow->budget_count; i++) {
		const struct shadow_budget *budget = &shadow->budgets[i];
		bool taken = budget->concurrency && budget->active + budget->held >= budget->concurrency;
		bool unsure = budget->unsure_us && shadow->committed_us - budget->unsure_us < UNSURE_US;
		if (limits & 1u << i && (taken || unsure || budget->blocked_us > engine_us || shadow_rate_open_us(&budget->rate) > engine_us))
			return false;
	}
	return true;
}

void budgets_dump(struct mem_disk *disk, struct buf *out) /* as engine_dump writes it */
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < disk->tables[MEM_BUDGETS].count; i++) {
		const struct budget_row *row = disk_row(disk, MEM_BUDGETS, i);
		sum += str_hash(row->settings, str_hash(row->name, row->number)) + (uint64_t)row->blocked_us;
	}
	for (uint32_t i = 0; i < disk->tables[MEM_PERMITS].count; i++) {
		const struct permit_row *row = disk_row(disk, MEM_PERMITS, i);
		sum += map_mix(row->token + row->budget) * row->units + (uint64_t)row->lease_ms;
	}
	buf_addf(out, "limits %u permits %u %llx\n", disk->tables[MEM_BUDGETS].count, disk->tables[MEM_PERMITS].count, (unsigned long long)sum);
}
