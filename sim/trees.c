/* sim/trees.c: whole trees, cancelled, retried and deleted by hand. What was answered must be so on disk: looked at when the answer comes with the
 * last commit that there is. A job that was changed in that very change-set may have been changed once more, by somebody after us. */
#include "sim/world.h"
#include "base/check.h"
#include "base/mem.h"
#include "store/mem/disk.h"

/* Calls `judge` for each job below the root on disk, once. */
static void trees_below(struct world *world, uint64_t root, uint64_t seq, void (*judge)(const struct job_row *row, uint64_t seq))
{
	const struct mem_rows *edges = &world->disk->tables[MEM_EDGES];
	uint64_t *seen = mem_zalloc_array(edges->count + 1, sizeof(*seen));
	uint32_t count = 1;
	CHECK(seen);
	seen[0] = root;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < edges->count; k++) {
			const struct edge_row *edge = disk_row(world->disk, MEM_EDGES, k);
			bool known = edge->parent != seen[i] || edge->on_failure == ON_FAILURE_FOLLOW; /* that one is before it, not below it */
			for (uint32_t n = 0; n < count && !known; n++)
				known = seen[n] == edge->child;
			if (known)
				continue;
			seen[count++] = edge->child;
			const struct mem_job *job = disk_job(world->disk, edge->child);
			if (job)
				judge(job->row, seq);
		}
	mem_free(seen);
}

static void cancelled(const struct job_row *row, uint64_t seq)
{
	CHECK(job_state_is_final(row->state) || (row->state == JOB_ACTIVE && row->flags & ROW_CANCEL) || row->version == seq);
}

static void retried(const struct job_row *row, uint64_t seq)
{
	CHECK(!job_state_is_final(row->state) || row->state == JOB_COMPLETED || row->version == seq);
}

static void told_tree(struct world *world, struct actor *actor, struct request *request)
{
	const struct op *op = &request->ops[0];
	(void)actor;
	if (request->err || op->result.err || request->commit_seq != world->disk->meta.commit_seq)
		return;
	if (op->kind == OP_CANCEL)
		trees_below(world, op->result.uid, request->commit_seq, cancelled);
	else if (op->kind == OP_RETRY)
		trees_below(world, op->result.uid, request->commit_seq, retried);
	else if (op->kind == OP_DELETE)
		CHECK(!disk_job(world->disk, op->result.uid));
	world->trees++;
}

/* Somebody who waits for others, mostly. */
static uint64_t tree_root(struct world *world)
{
	const struct mem_rows *edges = &world->disk->tables[MEM_EDGES];
	const struct edge_row *edge = edges->count ? disk_row(world->disk, MEM_EDGES, (uint32_t)world_below(world, edges->count)) : NULL;
	return edge ? edge->parent : 1;
}

void trees_meddle(struct world *world)
{
	static const enum op_kind kinds[] = { OP_CANCEL, OP_RETRY, OP_RETRY, OP_DELETE, OP_CHILDREN_DELETE };
	struct request *request = world_request(world, 1);
	struct op *op = &request->ops[0];
	op->kind = kinds[world_below(world, ARRAY_COUNT(kinds))];
	op->job.uid = tree_root(world);
	op->job.tree = op->kind != OP_CHILDREN_DELETE;
	op->job.force = world_chance(world, 300);
	world_send(world, request, NULL, told_tree);
}
