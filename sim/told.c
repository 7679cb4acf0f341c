/* sim/told.c: what clients were told, held against what is on disk at that moment. */
#include "sim/shadow.h"
#include "base/check.h"
#include <stdio.h>

/* Whatever was asked. Design.md §3.5: an answer waits for all that it could have seen. Rule 9: a refusal says why. */
void told_reply(struct shadow *shadow, const struct request *request)
{
	CHECK(request->err != E_INTERNAL);
	if (request->err)
		return;
	CHECK(request->commit_seq <= shadow->seq);
	for (uint32_t i = 0; i < request->op_count; i++) {
		const struct op_result *result = &request->ops[i].result;
		CHECK(result->err != E_INTERNAL);
		if (result->err)
			CHECK(result->problem ? result->problem->detail[0] : err_sentence(result->err)[0]);
	}
}

static bool told_refused(const struct request *request) /* as a whole, for sure */
{
	if (request->err)
		return request->err != E_OUTCOME_UNKNOWN && request->err != E_CANCELLED && request->err != E_STALE_TERM && request->err != E_UNAVAILABLE;
	for (uint32_t i = 0; request->atomic && i < request->op_count; i++)
		if (request->ops[i].result.err)
			return true;
	return false;
}

/* The same key, the same answer; and nothing is done twice. */
static void told_promise(struct shadow *shadow, const struct request *request)
{
	uint64_t uid = request->ops[0].result.uid;
	if (request->replayed)
		shadow->replays++;
	for (uint32_t i = 0; i < shadow->promise_count; i++) {
		const struct shadow_promise *promise = &shadow->promises[i];
		if (!str_eq(request->idempotency_key, str_of(promise->key)))
			continue;
		CHECK(request->replayed);
		CHECK(promise->request_hash == request->request_hash);
		CHECK(promise->uid == uid);
		return;
	}
	CHECK(shadow->promise_count < ARRAY_COUNT(shadow->promises));
	struct shadow_promise *promise = &shadow->promises[shadow->promise_count++];
	*promise = (struct shadow_promise){ .request_hash = request->request_hash, .uid = uid };
	snprintf(promise->key, sizeof(promise->key), STR_FMT, STR_ARG(request->idempotency_key));
}

void told_enqueued(struct shadow *shadow, const struct request *request)
{
	bool refused = told_refused(request), done = false;
	for (uint32_t i = 0; i < request->op_count; i++) {
		const struct op *op = &request->ops[i];
		const struct op_result *result = &op->result;
		const struct shadow_job *own = shadow_find(shadow, op->enqueue.uid);
		if (refused || (!request->err && result->uid != op->enqueue.uid))
			CHECK(!own);                           /* rule 9: nothing half-done stays */
		if (request->err || result->err)
			continue;
		const struct shadow_job *job = shadow_find(shadow, result->uid);
		CHECK(job);                                    /* rule 1: an acknowledged job is on disk */
		CHECK(job->exists || job->deleted);
		CHECK(!result->duplicate || result->uid != op->enqueue.uid);
		shadow->duplicates += result->duplicate;
		done = true;
	}
	if (!request->err && !refused && request->idempotency_key.len && done)
		told_promise(shadow, request);
}

/* Rule 2: no lease completes twice, and a completion that was accepted is on disk under that very lease. */
void told_completed(struct shadow *shadow, uint64_t uid, uint64_t fence)
{
	struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(fence > job->told_fence);
	CHECK(job->completed_fence >= fence || job->deleted);
	job->told_fence = fence;
	told_left(shadow, uid, fence);
}

void told_left(struct shadow *shadow, uint64_t uid, uint64_t fence)
{
	const struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(!job->exists || job->row.state != JOB_ACTIVE || job->row.fence > fence);
}

void told_stale(struct shadow *shadow, uint64_t uid, uint64_t fence)
{
	const struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(!job->exists || job->row.state != JOB_ACTIVE || job->row.fence != fence);
}

void told_aborted(struct shadow *shadow, uint64_t uid, uint64_t fence)
{
	told_stale(shadow, uid, fence); /* for its lease is gone */
}

void told_granted(struct shadow *shadow, uint64_t uid, uint64_t fence, bool deferred)
{
	struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(job->row.fence >= fence);    /* the claim was committed before its answer */
	CHECK(fence > job->granted_fence); /* rule 2: no lease is given to two */
	CHECK(job->row.fence != fence || !job->exists || job->deferred == deferred); /* who has failed is not run */
	job->granted_fence = fence;
	job->granted_life = shadow->life;
}

void told_renewed(struct shadow *shadow, uint64_t uid, uint64_t fence, int64_t asked_us)
{
	struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	if (job->exists && job->row.state == JOB_ACTIVE && job->row.fence == fence) {
		job->renewed_us = asked_us;
		shadow->renewals++;
	}
}

void told_changed(struct shadow *shadow, uint64_t uid, uint64_t seq)
{
	const struct shadow_job *job = shadow_find(shadow, uid);
	CHECK(job);
	CHECK(seq <= shadow->seq);
	CHECK(job->deleted || job->row.version >= seq);
}
