/* src/engine/verify.c: the invariants that can be seen from inside, recounted the slow way; and memory as text. For tests. */
#include "engine/engine_priv.h"
#include "base/check.h"
#include "base/mem.h"
#include <stdlib.h>

static void verify_heap(const struct heap *heap)
{
	for (uint32_t i = 1; i < heap->count; i++) {
		const struct heap_entry *parent = &heap->entries[(i - 1) / 4], *child = &heap->entries[i];
		CHECK(parent->major < child->major || (parent->major == child->major && parent->minor <= child->minor));
	}
}

struct recount {
	uint64_t live[JOB_STATE_COUNT];
	uint32_t active, delayed, jobs, riding;
};

/* Lanes have the groups that say so, and stand in lines; whoever stands there and was not woken stands at a limit without room. Limits
 * count the leases and permits under them. */
static void verify_lane(struct index *index, uint32_t slot)
{
	const struct lane *lane = lane_at(index, slot);
	uint32_t groups = 0, listed = 0;
	for (uint32_t group = 0; group < index->groups.used; group++)
		groups += group_at(index, group)->key.ptr && group_at(index, group)->lane == slot;
	for (uint32_t other = queue_at(index, lane->queue)->lane; other != SLOT_NONE; other = lane_at(index, other)->next)
		listed += other == slot;
	CHECK(lane->groups == groups);
	CHECK(listed == 1);
	verify_heap(&lane->turns);
	if (lane->at == SLOT_NONE)
		return;
	const struct limit *limit = limit_at(index, lane->at);
	int64_t until_us = 0;
	CHECK(lane->before == SLOT_NONE ? limit->first_lane == slot : lane_at(index, lane->before)->after == slot);
	CHECK(lane->after == SLOT_NONE ? limit->last_lane == slot : lane_at(index, lane->after)->before == slot);
	if (lane->woken)
		return;
	bool room = limit_blocker(index, limit, 1, &until_us) == EXPLAIN_READY;
	CHECK(limit->position != HEAP_NOWHERE || (!room && !until_us)); /* time will wake it, or somebody who leaves */
	CHECK(!room || index->blocked_limits.entries[limit->position].major <= index->now_us); /* it does so in the next step */
}

static void verify_limits(const struct engine *engine)
{
	struct index *index = (struct index *)(uintptr_t)&engine->index; /* windows may have to be fitted */
	for (uint32_t slot = 0; slot < index->lanes.used; slot++)
		if (lane_at(index, slot)->live)
			verify_lane(index, slot);
	uint64_t *active = mem_zalloc_array(index->limits.used + 1, sizeof(*active)), *held = mem_zalloc_array(index->limits.used + 1, sizeof(*held));
	CHECK(active);
	CHECK(held);
	for (uint32_t slot = 0; slot < index->jobs.used; slot++) {
		const struct job *job = job_at(index, slot);
		const struct lease *lease = job->lease != SLOT_NONE && job_find(index, job->uid) == slot ? lease_at(index, job->lease) : NULL;
		for (uint32_t i = 0; lease && i < lease->limit_count; i++)
			active[lease->limits[i]]++;
	}
	for (uint32_t permit = 0; permit < index->permits.used; permit++)
		if (permit_at(index, permit)->touched != UINT64_MAX)
			held[permit_at(index, permit)->limit] += permit_at(index, permit)->units;
	for (uint32_t slot = 0; slot < index->limits.used; slot++) {
		const struct limit *limit = limit_at(index, slot);
		CHECK(!limit->name.ptr || limit->active == active[slot]);
		CHECK(!limit->name.ptr || limit->held == held[slot]);
	}
	mem_free(active);
	mem_free(held);
	verify_heap(&index->blocked_limits);
	verify_heap(&index->permits_by_deadline);
}

static bool verify_is_live_found(const struct job *job) /* which its uid finds */
{
	return !(job->flags & JOB_DELETED) && !job_state_is_final(job_state_of(job));
}

static bool verify_is_live(const struct index *index, uint32_t slot)
{
	const struct job *job = job_at(index, slot);
	return verify_is_live_found(job) && job_find(index, job->uid) == slot;
}

static void verify_job(const struct index *index, uint32_t slot)
{
	const struct job *job = job_at(index, slot);
	const struct queue *queue = queue_at(index, job->queue);
	const struct group *group = group_at(index, job->group);
	const struct heap *heap = job->state == JOB_WAITING ? &group->ready
	                          : job->state == JOB_ACTIVE ? &index->leases_by_deadline
	                          : job->state != JOB_DELAYED ? NULL
	                          : job->flags & ROW_DUE_WALL ? &queue->delayed_wall : &queue->delayed;
	CHECK(!(job->flags & JOB_LIFTED));
	CHECK(!(job->flags & JOB_LABELLED) || queue->settings->compat);
	CHECK(group->queue == job->queue);
	CHECK(!heap || job->heap_position < heap->count);
	CHECK(heap ? heap->entries[job->heap_position].item == slot : job->heap_position == HEAP_NOWHERE);
	CHECK((job->lease != SLOT_NONE) == (job->state == JOB_ACTIVE));
	const struct lease *lease = job->lease == SLOT_NONE ? NULL : lease_at(index, job->lease);
	CHECK(!lease || lease->stays == (queue->settings->compat && !lease->delivery));
	CHECK(!lease || !lease->rides || (lease->delivery && !lease->limit_count));
	if (lease && lease->stays) {
		CHECK(queue->leases.entries[lease->position].item == slot);
		CHECK(queue->leases.entries[lease->position].major == lease->deadline_us);
	}
	CHECK((job->expire_position != HEAP_NOWHERE) == (job->expire_us != 0 && job->state == JOB_WAITING));
}

static void verify_queue(const struct index *index, const struct queue *queue, const struct recount *counted)
{
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		CHECK(queue->live[state] == counted->live[state]);
	CHECK(queue->active + counted->riding == counted->live[JOB_ACTIVE]);
	uint64_t linked = 0, far = 0, by_priority[JOB_STATE_COUNT] = { 0 };
	int64_t since_us = INT64_MIN;
	for (uint32_t slot = queue->oldest; slot != SLOT_NONE; slot = job_at(index, slot)->newer) {
		CHECK(job_at(index, slot)->since_us >= since_us);
		since_us = job_at(index, slot)->since_us;
		linked++;
	}
	CHECK(linked == queue->live[JOB_WAITING]);
	for (uint32_t slot = queue->first_priority; slot != SLOT_NONE;) {
		const struct priority_entry *entry = pool_at(&index->priorities, slot);
		for (int state = 0; state < JOB_STATE_COUNT; state++)
			by_priority[state] += entry->live[state];
		far += entry->far;
		slot = entry->next;
	}
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		CHECK(by_priority[state] == queue->live[state]);
	CHECK(far == queue_far_jobs(queue));
	for (int clock = 0; clock < FAR_CLOCKS; clock++) {
		const struct queue_far *place = &queue->far[clock];
		CHECK((place->jobs > 0) == (place->position != HEAP_NOWHERE));
		CHECK(!place->jobs || index->far[clock].entries[place->position].major == place->next_us);
	}
	verify_heap(&queue->delayed);
	verify_heap(&queue->delayed_wall);
	verify_heap(&queue->leases);
	CHECK(queue->leases.count == (queue->settings->compat ? queue->live[JOB_ACTIVE] : 0));
}

static void verify_group(const struct index *index, uint32_t slot, const struct recount *counted)
{
	const struct group *group = group_at(index, slot);
	CHECK(group->jobs == counted->jobs);
	CHECK(group->active == counted->active);
	CHECK(group->delayed == counted->delayed);
	CHECK(group->idle == !group_is_needed(group));
	verify_heap(&group->ready);
	CHECK(group->doubtful == doubt_is_due(index, group));
	if (group->place == GROUP_IN_DOUBT) {
		CHECK(group->doubtful);
		CHECK(group->ready.count > 0);
		CHECK(!group->paused);
	}
	if (group->place == GROUP_IN_TURNS) {
		const struct heap_entry *entry = &lane_at(index, group->lane)->turns.entries[group->position];
		CHECK(entry->item == slot);
		CHECK(group->ready.count > 0);
		CHECK(turn_of(entry).priority == heap_peek(&group->ready)->major);
		CHECK(!group->paused);
	}
}

/* Their calls are counted, and each that stands in the line is found there. */
static void verify_doubt(const struct index *index)
{
	uint64_t calls = 0, standing = 0, before = SLOT_NONE;
	for (uint32_t slot = 0; slot < index->groups.used; slot++) {
		const struct group *group = group_at(index, slot);
		if (!group->key.ptr)
			continue;
		calls += group->doubtful ? group->active : 0;
		standing += group->place == GROUP_IN_DOUBT;
	}
	CHECK(calls == index->doubtful_calls);
	for (uint32_t slot = index->first_doubtful; slot != SLOT_NONE; slot = group_at(index, slot)->doubt_after, standing--) {
		CHECK(group_at(index, slot)->place == GROUP_IN_DOUBT);
		CHECK(group_at(index, slot)->doubt_before == before);
		before = slot;
	}
	CHECK(before == index->last_doubtful);
	CHECK(standing == 0);
}

/* ---- what is not in memory: far jobs, counted, and nothing else ---- */

struct far_recount {
	const struct engine *engine;
	uint64_t *queues;     /* by slot * FAR_CLOCKS + clock */
	uint64_t *priorities; /* by slot */
};

static void verify_far_row(struct far_recount *recount, uint32_t queue_slot, const struct job_row *row)
{
	const struct index *index = &recount->engine->index;
	const struct queue *queue = queue_at(index, queue_slot);
	enum far_clock clock = row->flags & ROW_DUE_WALL ? FAR_WALL : FAR_ENGINE;
	const struct queue_far *far = &queue->far[clock];
	CHECK(row->state == JOB_DELAYED);
	CHECK(row->flags & ROW_FAR);
	CHECK(row->due_us >= far->next_us);                                                                    /* it is looked for in time, */
	CHECK(row->due_us > far->read_us || (row->due_us == far->read_us && row->uid > far->read_uid)); /* and found */
	recount->queues[queue_slot * FAR_CLOCKS + clock]++;
	for (uint32_t slot = queue->first_priority; slot != SLOT_NONE;) {
		const struct priority_entry *entry = pool_at(&index->priorities, slot);
		recount->priorities[slot] += entry->priority == row->priority;
		slot = entry->next;
	}
}

static enum err verify_row(void *context, const struct job_row *row)
{
	struct far_recount *recount = context;
	const struct index *index = &recount->engine->index;
	uint32_t queue = queue_find_number(index, row->queue);
	if (job_find(index, row->uid) == SLOT_NONE) {
		CHECK(queue != SLOT_NONE);
		verify_far_row(recount, queue, row);
	}
	return E_OK;
}

#define IGNORED(name, type)                                         \
	static enum err name(void *context, const type *row)        \
	{                                                           \
		(void)context, (void)row;                           \
		return E_OK;                                        \
	}
IGNORED(verify_budget_row, struct budget_row)
IGNORED(verify_permit_row, struct permit_row)
IGNORED(verify_queue_row, struct queue_row)
IGNORED(verify_group_row, struct group_row)
IGNORED(verify_policy_row, struct policy_row)
IGNORED(verify_counts_row, struct queue_counts)
IGNORED(verify_token_row, struct token_row)
IGNORED(verify_operation_row, struct operation_row)
IGNORED(verify_dedup_row, struct dedup_row)
IGNORED(verify_edge_row, struct edge_row)
IGNORED(verify_chain_row, struct chain_row)
#undef IGNORED

static void verify_far(const struct engine *engine)
{
	const struct index *index = &engine->index;
	struct far_recount recount = { .engine = engine };
	struct scan_visitor visitor = { .context = &recount, .budget = verify_budget_row, .permit = verify_permit_row, .queue = verify_queue_row,
		                        .group = verify_group_row, .policy = verify_policy_row,
		                        .counts = verify_counts_row, .token = verify_token_row, .operation = verify_operation_row, .job = verify_row,
		                        .dedup = verify_dedup_row, .edge = verify_edge_row, .chain = verify_chain_row };
	if (engine->health || !engine->started)
		return; /* memory is not what the store has */
	recount.queues = mem_zalloc_array((size_t)(index->queues.used + 1) * FAR_CLOCKS, sizeof(uint64_t));
	recount.priorities = mem_zalloc_array(index->priorities.used + 1, sizeof(uint64_t));
	CHECK(recount.queues);
	CHECK(recount.priorities);
	uint64_t far = 0;
	if (engine->store->verbs->scan(engine->store, &visitor))
		goto out; /* a store under test may refuse */
	for (uint32_t slot = 0; slot < index->queues.used; slot++) {
		const struct queue *queue = queue_at(index, slot);
		if (queue_find_number(index, queue->number) != slot)
			continue;
		for (int clock = 0; clock < FAR_CLOCKS; clock++) {
			CHECK(queue->far[clock].jobs == recount.queues[slot * FAR_CLOCKS + (uint32_t)clock]);
			CHECK(!engine_is_idle(engine) || !queue->owed[clock]);
			far += queue->far[clock].jobs;
		}
		for (uint32_t at = queue->first_priority; at != SLOT_NONE;) {
			const struct priority_entry *entry = pool_at(&index->priorities, at);
			CHECK(entry->far == recount.priorities[at]);
			at = entry->next;
		}
	}
	CHECK(far == index->far_jobs);
out:
	mem_free(recount.queues);
	mem_free(recount.priorities);
}

/* Its owner is at hand: the next one may come without a plan. Who has a successor runs, or waits for what it began. */
static void verify_latest(const struct index *index, const struct dedup *dedup, uint32_t owner)
{
	CHECK(!dedup->until_us);
	CHECK(owner != SLOT_NONE);
	const struct job *job = job_at(index, owner);
	CHECK(!dedup->next || (job->state != JOB_WAITING && job->state != JOB_DELAYED) || job->flags & ROW_PARENT);
}

static void verify_dedup(const struct index *index, uint32_t slot)
{
	const struct dedup *dedup = pool_at(&index->dedups, slot);
	if (!dedup->live || dedup->gone)
		return;
	CHECK(dedup_find(index, dedup->queue, name_text(index, dedup->key)) == slot);
	CHECK(dedup_find_owner(index, dedup->owner) == slot);
	CHECK((dedup->position != HEAP_NOWHERE) == (dedup->until_us != 0));
	uint32_t owner = job_find(index, dedup->owner), next = dedup->next ? job_find(index, dedup->next) : SLOT_NONE;
	if ((!dedup->until_us && !(dedup->flags & DEDUP_HELD)) || dedup->next)
		CHECK(owner == SLOT_NONE || verify_is_live(index, owner)); /* far ones are on disk only */
	if (dedup->flags & DEDUP_LATEST)
		verify_latest(index, dedup, owner);
	if (!dedup->next)
		return;
	CHECK(dedup_find_next(index, dedup->next) == slot);
	CHECK(verify_is_live(index, next));
	CHECK(job_at(index, next)->state == JOB_PARKED);
}

static void verify_kin(const struct index *index, uint32_t edge)
{
	const struct kin *kin = kin_at(index, edge_at(index, edge)->parent);
	uint32_t pending = 0, slot = kin_find(index, kin->uid), child = kin_find(index, edge_child(index, edge));
	CHECK(slot == edge_at(index, edge)->parent);
	CHECK(child == edge_at(index, edge)->child);
	for (uint32_t at = kin->first_child; at != SLOT_NONE; at = edge_at(index, at)->next_child) {
		CHECK(edge_at(index, at)->live);
		CHECK(edge_at(index, at)->parent == slot);
		pending += edge_at(index, at)->state == EDGE_PENDING;
	}
	CHECK(kin->pending == pending);
	CHECK(edge_find(index, kin->uid, edge_child(index, edge)) == edge);
}

/* It waits, for one only; and the one that it waits for is at hand as long as it has not ended. */
static void verify_follower(const struct index *index, uint32_t edge)
{
	uint32_t follower = job_find(index, edge_parent(index, edge));
	CHECK(follower != SLOT_NONE && verify_is_live(index, follower));
	CHECK(job_at(index, follower)->state == JOB_WAITING_CHILDREN);
	CHECK(job_at(index, follower)->flags & ROW_PARENT);
	CHECK(follow_ahead(index, edge_parent(index, edge)) == edge_child(index, edge));
}

/* Whoever waits has somebody to wait for; whoever is waited for has not ended, or the parent waits on all the same. */
static void verify_family(const struct index *index)
{
	uint32_t held = 0, lines = 0, edges = 0;
	for (uint32_t slot = 0; slot < index->edges.used; slot++) {
		const struct edge *edge = edge_at(index, slot);
		if (!edge->live)
			continue;
		edges++;
		verify_kin(index, slot);
		uint32_t child = job_find(index, edge_child(index, slot));
		bool follows = edge->on_failure == ON_FAILURE_FOLLOW, holds = edge->on_failure == ON_FAILURE_HOLD || follows;
		held += holds && !follows && edge->state == EDGE_PENDING;
		lines += follows && edge->state == EDGE_PENDING;
		if (edge->state == EDGE_PENDING)
			CHECK(child == SLOT_NONE || verify_is_live(index, child) || holds);
		if (edge->state == EDGE_PENDING && follows)
			verify_follower(index, slot);
	}
	CHECK(edges == index->edges.live);
	CHECK(held == index->held_edges);
	CHECK(lines == index->follow_edges);
	for (uint32_t slot = 0; slot < index->jobs.used; slot++)
		if (verify_is_live(index, slot) && job_at(index, slot)->state == JOB_WAITING_CHILDREN)
			CHECK(edges_pending(index, job_at(index, slot)->uid) > 0);
}

/* A chain that has not ended has exactly one job that nobody has claimed; a job with a chain is that one. Under another queue's rules the newest
 * one may have been claimed, may have ended and be kept no more. */
static void verify_chain(const struct index *index, uint32_t slot)
{
	const struct chain *chain = pool_at(&index->chains, slot);
	if (!chain->live || chain->gone)
		return;
	CHECK(chain_find(index, chain->queue, chain->terms->key) == slot);
	CHECK(chain->last.count);
	CHECK(chain_is_told(index, chain) == !chain->terms->zone);
	uint32_t job = chain->pending ? job_find(index, chain->pending) : SLOT_NONE;
	if (chain_is_told(index, chain)) {
		CHECK(chain->pending);
		CHECK(job == SLOT_NONE || !verify_is_live(index, job) || chain_owns(index, job_at(index, job)));
		return;
	}
	if (!chain->pending)
		return;
	CHECK(job != SLOT_NONE && verify_is_live(index, job));
	CHECK(job_at(index, job)->state == JOB_WAITING || job_at(index, job)->state == JOB_DELAYED);
	CHECK(!job_at(index, job)->attempts_started);
	CHECK(aside_of(index, job_at(index, job))->chain == slot);
}

/* Its group knows it, and is held as long as it is; numbers of all of them stand in order. */
static void verify_named(const struct index *index, uint32_t slot)
{
	const struct named *named = named_at(index, slot);
	if (!named->live || named->gone)
		return;
	CHECK(named_find(index, (enum named_kind)named->kind, (struct queue_name){ named->namespace_name, named->name }) == slot);
	CHECK(named_find_number(index, named->number) == slot);
	CHECK(named->text);
	CHECK(named->number < index->next_named_number);
	if (named->group == SLOT_NONE)
		return;
	const struct group *group = group_at(index, named->group);
	CHECK(named->kind == NAMED_ENDPOINT);
	CHECK(group->endpoint == slot);
	CHECK(str_eq(group->key, named->name));
	CHECK(group->paused == (named->state != NAMED_ENABLED));
	CHECK(named->health.allowed == 1 || (named->health.allowed && !named->health.opens));
	CHECK(!named->health.warned || (named->health.failing_since_us && named->health.told));
	CHECK(named->health.opens || !named->health.asked_until_us);
}

static void verify_nameds(const struct index *index)
{
	uint32_t endpoints = 0, last = 0, before = SLOT_NONE;
	for (uint32_t slot = 0; slot < index->nameds.used; slot++) {
		verify_named(index, slot);
		endpoints += named_at(index, slot)->live && named_at(index, slot)->kind == NAMED_ENDPOINT;
	}
	CHECK(endpoints == index->endpoints.count);
	for (uint32_t i = 0; i < endpoints; i++) {
		CHECK(named_at(index, index->endpoints.slots[i])->number > last);
		last = named_at(index, index->endpoints.slots[i])->number;
	}
	for (uint32_t slot = 0; slot < index->groups.used; slot++)
		if (group_at(index, slot)->key.ptr && group_at(index, slot)->endpoint != SLOT_NONE)
			CHECK(named_at(index, group_at(index, slot)->endpoint)->group == slot);
	uint32_t expansions = 0;
	for (uint32_t slot = index->first_expansion; slot != SLOT_NONE; slot = expansion_at(index, slot)->after, expansions++) {
		CHECK(expansion_at(index, slot)->live);
		CHECK(expansion_at(index, slot)->before == before);
		before = slot;
	}
	CHECK(before == index->last_expansion);
	CHECK(expansions == index->expansions.live);
}

static void verify_chain_job(const struct index *index, const struct job *job)
{
	uint32_t slot = aside_of(index, job)->chain;
	if (slot == SLOT_NONE)
		return;
	const struct chain *chain = pool_at(&index->chains, slot);
	CHECK(chain->live && !chain->gone);
	CHECK(chain->pending == job->uid);
}

void engine_verify(const struct engine *engine)
{
	verify_far(engine);
	const struct index *index = &engine->index;
	struct recount *queues = mem_zalloc_array(index->queues.used + 1, sizeof(*queues));
	struct recount *groups = mem_zalloc_array(index->groups.used + 1, sizeof(*groups));
	uint64_t live = 0, deliveries = 0, labelled = 0;
	CHECK(queues);
	CHECK(groups);
	for (uint32_t slot = 0; slot < index->jobs.used; slot++) {
		const struct job *job = job_at(index, slot);
		if (job_find(index, job->uid) != slot)
			continue;
		labelled += (job->flags & JOB_LABELLED) != 0;
		if (!verify_is_live_found(job))
			continue;
		verify_job(index, slot);
		verify_chain_job(index, job);
		live++;
		queues[job->queue].live[job->state]++;
		groups[job->group].jobs++;
		bool rides = job->state == JOB_ACTIVE && lease_at(index, job->lease)->rides;
		queues[job->queue].riding += rides;
		groups[job->group].active += job->state == JOB_ACTIVE && !rides;
		groups[job->group].delayed += job->state == JOB_DELAYED;
		deliveries += job->state == JOB_ACTIVE && !rides && lease_at(index, job->lease)->delivery;
	}
	CHECK(live == index->live_jobs);
	CHECK(labelled == index->labels.live);
	CHECK(labelled == index->labels_by_uid.count);
	CHECK(deliveries == index->deliveries);
	for (uint32_t slot = 0; slot < index->queues.used; slot++)
		if (queue_find_number(index, queue_at(index, slot)->number) == slot)
			verify_queue(index, queue_at(index, slot), &queues[slot]);
	for (uint32_t slot = 0; slot < index->groups.used; slot++)
		if (group_at(index, slot)->key.ptr)
			verify_group(index, slot, &groups[slot]);
	verify_doubt(index);
	for (uint32_t slot = 0; slot < index->dedups.used; slot++)
		verify_dedup(index, slot);
	for (uint32_t slot = 0; slot < index->chains.used; slot++)
		verify_chain(index, slot);
	verify_heap(&index->dedups_by_until);
	verify_family(index);
	verify_nameds(index);
	const struct heap *heaps[] = { &index->leases_by_deadline, &index->expiring,       &index->due,
				       &index->due_wall,           &index->blocked_groups, &index->blocked_queues,
				       &index->far[FAR_ENGINE],    &index->far[FAR_WALL] };
	for (size_t i = 0; i < ARRAY_COUNT(heaps); i++)
		verify_heap(heaps[i]);
	verify_limits(engine);
	mem_free(queues);
	mem_free(groups);
}

bool engine_has_left(const struct engine *engine, uint64_t uid)
{
	return job_find(&engine->index, uid) == SLOT_NONE;
}

static int verify_compare_uids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void dump_queue(const struct queue *queue, struct buf *out)
{
	const struct queue_counts *counts = &queue->counts;
	buf_addf(out, "queue %u " STR_FMT "/" STR_FMT "%s %.*s enqueued=%llu started=%llu", queue->number, STR_ARG(queue->namespace_name),
	         STR_ARG(queue->name), queue->paused ? " paused" : "", (int)queue->kept->text->len, queue->kept->text->bytes,
	         (unsigned long long)counts->enqueued, (unsigned long long)counts->started);
	for (int state = 0; state < JOB_STATE_COUNT; state++)
		buf_addf(out, " %llu/%llu/%llu", (unsigned long long)counts->ended[state], (unsigned long long)counts->final[state],
		         (unsigned long long)counts->final_bytes[state]);
	buf_add_byte(out, '\n');
}

static void dump_groups(const struct index *index, uint32_t queue, struct buf *out) /* in no order: each is told with its sum */
{
	uint64_t sum = 0, count = 0;
	for (uint32_t slot = 0; slot < index->groups.used; slot++) {
		const struct group *group = group_at(index, slot);
		const struct group_settings *settings = &group->settings;
		if (!group->key.ptr || group->queue != queue ||
		    (!group->paused && !settings->has_concurrency && !settings->has_rate && !settings->weight))
			continue;
		sum += str_hash(group->key, (group->paused ? 1 : 2) + (settings->has_concurrency ? 10 + settings->concurrency : 0) +
		                            settings->weight * UINT64_C(10000000));
		count++;
	}
	buf_addf(out, "groups %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}

static void dump_operations(const struct index *index, struct buf *out)
{
	uint64_t sum = 0, count = 0;
	for (uint32_t slot = 0; slot < index->operations.used; slot++) {
		const struct running *running = pool_at(&index->operations, slot);
		const struct operation_row *row = &running->row;
		if (!running->live)
			continue;
		sum += map_mix(row->number + map_mix(row->cursor_uid + row->cursor_phase) + row->done * 3 + row->skipped * 5 + row->failed * 7 + row->state);
		count++;
	}
	buf_addf(out, "operations %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}

/* Below live parents: retention may have removed an ended one, and its edges on disk with it. */
static void dump_edges(const struct index *index, struct buf *out)
{
	uint64_t sum = 0, count = 0;
	for (uint32_t slot = 0; slot < index->edges.used; slot++) {
		if (!edge_at(index, slot)->live || edge_at(index, slot)->state != EDGE_PENDING)
			continue;
		uint32_t parent = job_find(index, edge_parent(index, slot));
		if (parent == SLOT_NONE || !verify_is_live(index, parent))
			continue;
		sum += map_mix(edge_parent(index, slot) + map_mix(edge_child(index, slot) + edge_at(index, slot)->on_failure));
		count++;
	}
	buf_addf(out, "edges %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}

static void dump_limits(const struct index *index, struct buf *out)
{
	uint64_t sum = 0;
	uint32_t limits = 0, permits = 0;
	for (uint32_t slot = 0; slot < index->limits.used; slot++) {
		const struct limit *limit = limit_at(index, slot);
		struct buf text;
		if (!limit->name.ptr || limit->gone)
			continue;
		buf_init(&text, 4096);
		limit_settings_write(&limit->settings, &text);
		sum += str_hash(buf_str(&text), str_hash(limit->name, limit->number)) + (uint64_t)limit->blocked_us;
		buf_fini(&text);
		limits++;
	}
	for (uint32_t slot = 0; slot < index->permits.used; slot++) {
		const struct permit *permit = permit_at(index, slot);
		if (permit->touched == UINT64_MAX || !permit->units)
			continue;
		sum += map_mix(permit->token + limit_at(index, permit->limit)->number) * permit->units + (uint64_t)permit->lease_ms;
		permits++;
	}
	buf_addf(out, "limits %u permits %u %llx\n", limits, permits, (unsigned long long)sum);
}

static void dump_nameds(const struct index *index, struct buf *out)
{
	for (uint32_t number = 1; number < index->next_named_number; number++) {
		uint32_t slot = named_find_number(index, number);
		if (slot == SLOT_NONE)
			continue;
		const struct named *named = named_at(index, slot);
		uint64_t unsent = health_unsent_told(named->health.unsent), from = unsent ? named->health.unsent_uid : 0;
		buf_addf(out, "named %u " STR_FMT "/" STR_FMT " kind=%u state=%u " STR_FMT " unsent=%llu from=%llu opens=%llu warned=%llu "
		         "told=%llu batch_max=%llu asked=%llu %.*s\n",
		         number, STR_ARG(named->namespace_name), STR_ARG(named->name), named->kind, named->state, STR_ARG(named_reason_text(named)),
		         (unsigned long long)unsent, (unsigned long long)from,
		         (unsigned long long)named->health.opens, (unsigned long long)named->health.warned, (unsigned long long)named->health.told,
		         (unsigned long long)named->health.batch_max, (unsigned long long)named->health.asked_until_us,
		         (int)named->text->len, named->text->bytes);
	}
	uint64_t sum = 0, count = 0;
	for (uint32_t slot = index->first_expansion; slot != SLOT_NONE; slot = expansion_at(index, slot)->after) {
		const struct expansion *expansion = expansion_at(index, slot);
		if (expansion->next_endpoint == MESSAGE_EXPANDED)
			continue;
		sum += map_mix(expansion->uid + map_mix(expansion->next_endpoint)) + expansion->deliveries;
		count++;
	}
	buf_addf(out, "expansions %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}

/* A field at a time: printf would be half of the simulator's work. */
static void dump_u64(struct buf *out, struct str name, uint64_t n)
{
	buf_add(out, name);
	buf_add_u64(out, n);
}

static void dump_i64(struct buf *out, struct str name, int64_t n)
{
	buf_add(out, name);
	buf_add_i64(out, n);
}

void engine_dump_job(const struct job_row *row, struct str group, struct buf *out)
{
	buf_add_u64(out, row->uid);
	dump_u64(out, STR(" queue="), row->queue);
	buf_add_lit(out, " group=");
	buf_add(out, group);
	buf_add_byte(out, ' ');
	buf_add(out, str_of(job_state_name(row->state)));
	dump_i64(out, STR(" priority="), row->priority);
	dump_i64(out, STR(" rank="), row->rank);
	dump_i64(out, STR(" due="), row->state == JOB_DELAYED ? row->due_us : 0);
	dump_u64(out, STR(" fence="), row->fence);
	dump_u64(out, STR(" started="), row->attempts_started);
	dump_u64(out, STR(" made="), row->attempts_made);
	dump_u64(out, STR(" stalls="), row->stalls);
	buf_add_byte(out, '\n');
}

void engine_dump(const struct engine *engine, struct buf *out)
{
	const struct index *index = &engine->index;
	for (uint32_t number = 1; number < index->next_queue_number; number++) {
		uint32_t slot = queue_find_number(index, number);
		if (slot == SLOT_NONE)
			continue;
		dump_queue(queue_at(index, slot), out);
		dump_groups(index, slot, out);
	}
	dump_operations(index, out);
	dump_limits(index, out);
	dump_nameds(index, out);
	dump_edges(index, out);
	uint64_t *uids = mem_zalloc_array(index->jobs.live + 1, sizeof(*uids));
	uint32_t count = 0;
	CHECK(uids);
	for (uint32_t slot = 0; slot < index->jobs.used; slot++)
		if (verify_is_live(index, slot))
			uids[count++] = job_at(index, slot)->uid;
	qsort(uids, count, sizeof(*uids), verify_compare_uids);
	for (uint32_t i = 0; i < count; i++) {
		const struct job *job = job_at(index, job_find(index, uids[i]));
		const struct job_row row = {
			.uid = job->uid, .queue = queue_at(index, job->queue)->number, .state = job_state_of(job), .priority = job->priority, .rank = job->rank,
			.due_us = job->due_us, .fence = job->fence, .attempts_started = job->attempts_started, .attempts_made = job->attempts_made,
			.stalls = job->stalls,
		};
		engine_dump_job(&row, group_at(index, job->group)->key, out);
	}
	mem_free(uids);
}
