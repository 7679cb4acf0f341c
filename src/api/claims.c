/* src/api/claims.c: work for those who ask. A grant tells who may run what; the definitions (payload, tags, …) come from the shelf or,
 * for those that are not there, from one question. Whatever cannot be handed over is given back to the engine at once. */
#include "api/body.h"
#include "api/routes.h"
#include "api/view.h"
#include "base/check.h"
#include <stdio.h>

/* ---- what was enqueued goes on the shelf ---- */

static void claims_shelve_op(struct api *api, const struct op *op)
{
	const struct op_enqueue *enqueue = &op->enqueue;
	struct buf *out = &api->scratch;
	char number[24];
	int digits = 0;
	if (enqueue->payload.len + enqueue->metadata.len > SHELF_ENTRY_MAX / 2)
		return;
	if (!enqueue->id.len && op->result.number)
		digits = snprintf(number, sizeof(number), "%llu", (unsigned long long)op->result.number);
	buf_clear(out);
	grant_definition_write(out, &(struct grant_definition){
		.uid = op->result.uid, .id = digits ? (struct str){ number, (size_t)digits } : enqueue->id, .name = enqueue->name, .group = enqueue->group,
		.tags = enqueue->tags, .trace = enqueue->trace, .metadata = enqueue->metadata, .payload = enqueue->payload,
	});
	if (buf_ok(out))
		shelf_put(&api->shelf, op->result.uid, buf_str(out));
}

/* Jobs with a target of their own are not for workers, and their group may be made from it: not these. */
void claims_shelve(struct call *call)
{
	const struct request *request = &call->request;
	if (!call->api->shelf.size || request->replayed)
		return;
	for (uint32_t i = 0; i < request->op_count; i++) {
		const struct op *op = &request->ops[i];
		if (op->kind == OP_ENQUEUE && !op->result.err && !op->result.duplicate && !op->enqueue.target.len)
			claims_shelve_op(call->api, op);
		else if (op->kind == OP_PROGRESS && !op->lease.token.len)
			shelf_forget(&call->api->shelf, op->result.uid); /* it may be from before the first start: a grant tells it */
	}
}

/* ---- what was granted ---- */

static const struct claim_result *op_claimed(const struct op *op) /* NULL: no claim, or a refused one */
{
	return op->kind == OP_CLAIM && !op->result.err ? op->result.claim : NULL;
}

bool call_claims(const struct call *call)
{
	for (uint32_t i = 0; i < call->request.op_count; i++)
		if (op_claimed(&call->request.ops[i]))
			return true;
	return false;
}

static uint32_t claims_granted(const struct call *call)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < call->request.op_count; i++)
		if (op_claimed(&call->request.ops[i]))
			count += op_claimed(&call->request.ops[i])->count;
	return count;
}

/* Nobody holds these leases: the next worker need not wait until they run out. No memory for that: they do run out. */
void claims_abandon(struct call *call)
{
	uint32_t count = claims_granted(call), at = 0;
	struct call *errand = count ? errand_new(call->api, OP_RELEASE, count) : NULL;
	for (uint32_t i = 0; errand && i < call->request.op_count; i++) {
		const struct claim_result *claim = op_claimed(&call->request.ops[i]);
		struct str token = claim && claim->count ? arena_str(&errand->request.arena, claim->token) : (struct str){ 0 };
		for (uint32_t n = 0; claim && n < claim->count; n++) {
			struct op_lease *lease = &errand->request.ops[at++].lease;
			lease->uid = claim->grants[n].uid;
			lease->fence = claim->grants[n].fence;
			lease->token = token;
		}
	}
	if (errand)
		call_submit(errand, errand_done);
}

static void claims_drop(struct call *call, enum err err)
{
	claims_abandon(call);
	call_refuse(call, err);
}

static void claims_defined(struct call *call)
{
	if (call->question.err)
		claims_drop(call, call->question.err);
	else if (http_client_gone(call->exchange))
		claims_drop(call, E_CANCELLED);
	else
		call_encode(call);
}

/* Looks every grant up on the shelf. Answers how many are missing; their uids stand in `missing`. */
static uint32_t claims_look(struct call *call, uint64_t *missing)
{
	uint32_t at = 0, missing_count = 0;
	for (uint32_t i = 0; i < call->request.op_count; i++) {
		const struct claim_result *claim = op_claimed(&call->request.ops[i]);
		for (uint32_t n = 0; claim && n < claim->count; n++, at++) {
			const struct grant *grant = &claim->grants[n];
			bool fresh = !grant->edited_body && !grant->with_parents && (!grant->with_history || grant->fence == 1);
			call->fragments[at] = fresh ? shelf_find(&call->api->shelf, grant->uid) : (struct str){ 0 };
			if (!call->fragments[at].len)
				missing[missing_count++] = grant->uid;
		}
	}
	return missing_count;
}

static bool claims_want_history(const struct call *call)
{
	for (uint32_t i = 0; i < call->request.op_count; i++) {
		const struct claim_result *claim = op_claimed(&call->request.ops[i]);
		for (uint32_t n = 0; claim && n < claim->count; n++)
			if (claim->grants[n].with_history)
				return true;
	}
	return false;
}

/* What was found moves to the call's own memory: the shelf goes on while the question is under way. */
static bool claims_keep(struct call *call, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!call->fragments[i].len)
			continue;
		call->fragments[i] = arena_str(&call->question.arena, call->fragments[i]);
		if (!call->fragments[i].ptr)
			return false;
	}
	return true;
}

void claims_replied(struct call *call)
{
	uint32_t count = claims_granted(call);
	if (count && http_client_gone(call->exchange)) {
		claims_drop(call, E_CANCELLED);
		return;
	}
	call->fragments = ARENA_ARRAY(&call->request.arena, struct str, count + 1);
	uint64_t *missing = ARENA_ARRAY(&call->request.arena, uint64_t, count + 1);
	if (!call->fragments || !missing) {
		claims_drop(call, E_NOMEM);
		return;
	}
	uint32_t missing_count = claims_look(call, missing);
	if (!missing_count) {
		call_encode(call);
		return;
	}
	if (!claims_keep(call, count)) {
		claims_drop(call, E_NOMEM);
		return;
	}
	call->question.query = (struct query){ .kind = QUERY_DEFINITIONS, .uids = missing, .uid_count = missing_count,
		                               .with_history = claims_want_history(call), .with_parents = claims_want_history(call) };
	call_ask(call, claims_defined);
}

/* ---- the answer ---- */

/* By hand: a worker that claims a thousand jobs gets this a thousand times. */
static void grant_write_rest(struct buf *out, const struct grant *grant)
{
	buf_add_lit(out, ",\"queue\":");
	json_put_str(out, grant->queue.name);
	buf_add_lit(out, ",\"namespace\":");
	json_put_str(out, namespace_of(grant->queue.namespace_name));
	buf_add_lit(out, ",\"attempt\":");
	buf_add_u64(out, grant->attempt);
	buf_add_lit(out, ",\"attempts_made\":");
	buf_add_u64(out, grant->attempts_made);
	buf_add_lit(out, ",\"max_attempts\":");
	buf_add_u64(out, grant->max_attempts);
	buf_add_lit(out, ",\"stalls\":");
	buf_add_u64(out, grant->stalls);
	buf_add_lit(out, ",\"priority\":");
	buf_add_i64(out, grant->priority);
	buf_add_lit(out, ",\"fence\":");
	buf_add_u64(out, grant->fence);
	buf_add_lit(out, ",\"lease_ms\":");
	buf_add_i64(out, grant->lease_ms);
	buf_add_lit(out, ",\"timeout_ms\":");
	buf_add_i64(out, grant->timeout_ms);
}

/* What happened before; of a job that comes from the shelf, nothing did. */
static void grant_write_history(struct buf *out, const struct grant *grant, const struct job_view *view)
{
	json_put_field_instant(out, "started_at", grant->started_us);
	json_put_field_raw(out, "progress", view && view->progress.len ? view->progress : STR("null"));
	json_put_key(out, "errors");
	buf_add_byte(out, '[');
	for (uint32_t i = 0; view && i < view->error_count; i++) {
		json_put_comma(out);
		buf_add(out, view->errors[i]);
	}
	buf_add_byte(out, ']');
	if (grant->deferred.len)
		json_put_field_str(out, "deferred", grant->deferred);
	if (grant->with_parents && view)
		parents_write(out, view);
}

static void grant_write(struct buf *out, const struct grant *grant, struct str definition, const struct job_view *view)
{
	char uid[UID_TEXT_BYTES];
	uid_text(grant->uid, uid);
	buf_add_lit(out, "{\"uid\":\"");
	buf_add(out, (struct str){ uid, UID_TEXT_BYTES - 1 });
	buf_add_lit(out, "\",");
	if (definition.len)
		buf_add(out, definition);
	else
		grant_definition_write(out, &(struct grant_definition){
			.uid = grant->uid, .id = view->definition.id, .name = view->definition.name,
			.group = view->row.group.len ? view->row.group : view->definition.group, .tags = view->definition.tags,
			.trace = view->definition.trace, .chain = view->definition.chain, .metadata = view->definition.metadata, .payload = job_payload(view),
		});
	grant_write_rest(out, grant);
	if (grant->with_history)
		grant_write_history(out, grant, view);
	buf_add_byte(out, '}');
}

/* One growth instead of one for each doubling, when payloads are large. */
static void claim_reserve(struct buf *out, const struct call *call, const struct claim_result *claim, uint32_t at, uint32_t view)
{
	size_t bytes = 256;
	for (uint32_t n = 0; n < claim->count; n++) {
		bytes += 512 + call->fragments[at + n].len;
		if (!call->fragments[at + n].len && view < call->question.answer.job_count)
			bytes += job_payload(&call->question.answer.jobs[view++]).len;
	}
	buf_reserve(out, bytes);
}

static void claim_write_nothing(struct buf *out, const struct claim_result *claim, bool asked_for_none)
{
	if (claim->count || !claim->nothing)
		json_put_field_null(out, "reason");
	else
		json_put_field_str(out, "reason", str_of(claim->nothing));
	if (claim->count || claim->next_due_ms < 0)
		json_put_field_null(out, "next_due_ms");
	else
		json_put_field_i64(out, "next_due_ms", claim->next_due_ms);
	if (claim->rate_ttl_ms)
		json_put_field_i64(out, "rate_ttl_ms", claim->rate_ttl_ms);
	if (asked_for_none)
		json_put_field_u64(out, "ready", claim->ready);
}

/* *at counts the grants of the whole answer, *view the definitions that were asked for, in the same order. */
void claim_write(struct buf *out, struct call *call, const struct op *op, uint32_t *at, uint32_t *view)
{
	const struct claim_result *claim = op->result.claim;
	const struct answer *answer = &call->question.answer;
	claim_reserve(out, call, claim, *at, *view);
	buf_add_lit(out, "{\"token\":");
	json_put_str(out, claim->token);
	buf_add_lit(out, ",\"jobs\":[");
	for (uint32_t n = 0; n < claim->count; n++) {
		struct str fragment = call->fragments[(*at)++];
		CHECK(fragment.len || *view < answer->job_count);
		const struct job_view *own = fragment.len ? NULL : &answer->jobs[(*view)++];
		if (own && !own->row.uid)
			continue; /* deleted meanwhile: there is nothing to do, and its lease is gone with it */
		json_put_comma(out);
		grant_write(out, &claim->grants[n], fragment, own);
	}
	buf_add_byte(out, ']');
	claim_write_nothing(out, claim, op->claim.max == 0);
	buf_add_byte(out, '}');
}

/* ---- the route ---- */

void claims_post(struct call *call)
{
	if (call->api->quiescing) /* nothing is granted any more: do not hold the connection */
		call->request.ops[0].claim.wait_ms = 0;
	call_run(call);
}
