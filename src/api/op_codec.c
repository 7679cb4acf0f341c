#include "api/op_codec.h"
#include "api/auth.h"
#include "api/cursor.h"
#include "api/filter.h"
#include "api/name.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "rules/chain.h"
#include "rules/endpoint.h"
#include <stdio.h>

#define CLAIM_WEIGHT_MAX   1000000
#define ERROR_TYPE_BYTES   255
#define ERROR_TEXT_BYTES   (1 << 20) /* read; what is kept is cut to LIMIT_ERROR_BYTES */
#define ERROR_MESSAGE_KEPT 4096
#define REASON_BYTES       1024
#define DEFERRED_BYTES     2048 /* holds the names of a namespace and a queue, and an id */

/* What the readers of single fields need beside the place they write to. */
struct op_reader {
	struct op *op;
	enum op_place place;
	struct op_rider *rider;
	struct str namespace_name; /* of a claim's queues that name none */
	struct str action, arguments; /* OPERATION_START: read last, since the arguments depend on the action */
};

/* ---- readers of single fields ---- */

static bool read_a_name(struct json *json, bool is_namespace, struct str *out)
{
	if (!json_read_str(json, LIMIT_NAME_BYTES, out))
		return false;
	const char *why = name_refusal(*out, is_namespace);
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

static bool read_name(struct json *json, void *out, void *context)
{
	(void)context;
	return read_a_name(json, false, out);
}

static bool read_namespace(struct json *json, void *out, void *context)
{
	(void)context;
	return read_a_name(json, true, out);
}

static bool read_op_name(struct json *json, void *out, void *context) /* was read before */
{
	(void)out;
	(void)context;
	return json_skip(json);
}

static bool read_uid(struct json *json, void *out, void *context)
{
	struct str text;
	(void)context;
	if (!json_read_str(json, 64, &text))
		return false;
	if (uid_parse(text, out))
		return json_refuse(json, E_INVALID, "\"" STR_FMT "\" is no uid: 13 letters and digits such as 0r4k2m7x9q3zt.", STR_ARG(text));
	return true;
}

static bool read_lease_token(struct json *json, void *out, void *context)
{
	struct str *token = out;
	(void)context;
	if (!json_read_str(json, LIMIT_ID_BYTES, token))
		return false;
	if (token->len == 0)
		return json_refuse(json, E_INVALID, "A lease token must not be empty.");
	if (lease_token_is_ours(*token))
		return json_refuse(json, E_INVALID, "This lease token is the daemon's own; choose another.");
	return true;
}

/* From what stands next up to what was read: the caller's own bytes. */
static bool read_verbatim(struct json *json, const char *begin, size_t max_bytes, struct str *out)
{
	if (json->failed)
		return false;
	*out = (struct str){ begin, (size_t)(json->next - begin) };
	return out->len <= max_bytes || json_refuse(json, E_TOO_LARGE, "It is larger than %zu bytes.", max_bytes);
}

static bool read_tags(struct json *json, void *out, void *context)
{
	struct str tag;
	uint32_t index;
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index >= LIMIT_TAGS)
			return json_refuse(json, E_INVALID, "A job has at most %d tags.", LIMIT_TAGS);
		if (!json_read_str(json, LIMIT_TAG_BYTES, &tag))
			return false;
		if (tag.len == 0)
			return json_refuse(json, E_INVALID, "A tag must not be empty.");
	}
	return read_verbatim(json, begin, SIZE_MAX, out);
}

static bool read_trace(struct json *json, void *out, void *context)
{
	struct str key, text;
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	if (!json_enter_object(json))
		return false;
	while (json_next_key(json, &key))
		if (!json_read_str(json, LIMIT_TRACE_BYTES, &text))
			return false;
	return read_verbatim(json, begin, LIMIT_TRACE_BYTES, out);
}

static bool read_target(struct json *json, void *out, void *context)
{
	struct http_target target;
	(void)context;
	http_target_default(&target);
	json_peek(json);
	const char *begin = json->next;
	return http_target_read(json, &target) && read_verbatim(json, begin, LIMIT_TARGET_BYTES, out);
}

#define AT(member) offsetof(struct op_dedup, member)
static const struct json_field dedup_fields[] = {
	{ "key", JSON_F_STR, AT(key), 1, LIMIT_ID_BYTES, JSON_F_REQUIRED, .doc = "At most one job of the queue owns it." },
	{ "ttl_ms", JSON_F_I64, AT(ttl_ms), 1, LIMIT_DURATION_MS, .doc = "The key is free so long after the enqueue; left out: when its owner ends." },
	{ "extend", JSON_F_BOOL, AT(extend), .doc = "An ignored enqueue starts ttl_ms anew." },
	{ "replace", JSON_F_BOOL, AT(replace), .doc = "A delayed owner is deleted, and this job owns the key: with delay_ms, a debounce." },
	{ "reschedule", JSON_F_BOOL, AT(reschedule), .doc = "A delayed owner is due delay_ms from now." },
	{ "max_wait_ms", JSON_F_I64, AT(max_wait_ms), 1, LIMIT_DURATION_MS,
	  .doc = "However often it is put off: something starts at most so long after the first enqueue." },
	{ "keep_last", JSON_F_BOOL, AT(keep_last), .doc = "While the owner runs, the newest enqueue is kept and starts when the owner has ended." },
	{ "latest", JSON_F_BOOL, AT(latest),
	  .doc = "An owner that waits is superseded by this job, also when it was to be tried again; one that runs is followed by the newest." },
	{ "fifo", JSON_F_BOOL, AT(fifo), .doc = "This job starts when the owner has ended, and owns the key: jobs under it go one after the other." },
};
#undef AT

static bool dedup_check_order(struct json *json, const struct op_dedup *dedup)
{
	if (dedup->ttl_ms)
		return json_refuse_field(json, E_INVALID, "ttl_ms", "With latest and fifo the key is free when its last job has ended; leave it out.");
	if (dedup->latest && dedup->fifo)
		return json_refuse_field(json, E_INVALID, "fifo", "Say either latest or fifo, not both.");
	if (dedup->replace || dedup->reschedule || dedup->keep_last)
		return json_refuse_field(json, E_INVALID, dedup->latest ? "latest" : "fifo", "Say that, or replace, reschedule or keep_last, not both.");
	return true;
}

static bool dedup_check(struct json *json, const struct op_dedup *dedup)
{
	if (dedup->extend && !dedup->ttl_ms)
		return json_refuse_field(json, E_INVALID, "extend", "There is no ttl_ms that could start anew.");
	if (dedup->replace && dedup->reschedule)
		return json_refuse_field(json, E_INVALID, "reschedule", "Say either replace or reschedule, not both.");
	if (dedup->max_wait_ms && !dedup->replace && !dedup->reschedule)
		return json_refuse_field(json, E_INVALID, "max_wait_ms", "It bounds what replace or reschedule put off; say one of them.");
	if (dedup->latest || dedup->fifo)
		return dedup_check_order(json, dedup);
	if (dedup->keep_last && dedup->ttl_ms)
		return json_refuse_field(json, E_INVALID, "ttl_ms", "With keep_last the key is free when its last job has ended; leave it out.");
	return true;
}

static bool read_dedup(struct json *json, void *out, void *context)
{
	const struct op_dedup **dedup = out;
	struct op_dedup *own = ARENA_NEW(json->arena, struct op_dedup);
	(void)context;
	if (!own)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	*dedup = own;
	return json_read_fields(json, dedup_fields, ARRAY_COUNT(dedup_fields), own, NULL, NULL) && dedup_check(json, own);
}

const struct json_field *op_dedup_fields(uint32_t *count)
{
	*count = ARRAY_COUNT(dedup_fields);
	return dedup_fields;
}

static bool read_on_failure(struct json *json, void *out, void *context)
{
	static const char *const names[] = {
#define X(name, text) text,
		ON_FAILURES(X)
#undef X
	};
	unsigned chosen;
	(void)context;
	if (!json_read_word(json, 16, names, ON_FAILURE_FOLLOW, "What a child's failure means to its parent: fail, continue, ignore, forget or hold.", &chosen))
		return false;
	*(enum on_failure *)out = (enum on_failure)chosen;
	return true;
}

static bool read_ref(struct json *json, void *out, void *context)
{
	int64_t place;
	(void)context;
	if (!json_read_i64(json, 0, LIMIT_OPS - 1, &place))
		return false;
	*(uint32_t *)out = (uint32_t)place + 1;
	return true;
}

#define AT(member) offsetof(struct op_parent, member)
static const struct json_field parent_fields[] = {
	{ "ref", JSON_F_CUSTOM, AT(ref), .read = read_ref, .doc = "The place of an earlier enqueue of this request, from 0: a tree comes parents first." },
	{ "uid", JSON_F_CUSTOM, AT(uid), .read = read_uid, .doc = "Or a job's uid." },
	{ "namespace", JSON_F_CUSTOM, AT(queue.namespace_name), .read = read_namespace, .doc = "The queue's namespace (default)." },
	{ "queue", JSON_F_CUSTOM, AT(queue.name), .read = read_name, .doc = "Or its queue, with id." },
	{ "id", JSON_F_STR, AT(id), 1, LIMIT_ID_BYTES, .doc = "The caller's id, with queue." },
	{ "on_failure", JSON_F_CUSTOM, AT(on_failure), .read = read_on_failure,
	  .doc = "When the child does not complete, the parent: fails too (fail), runs now (continue), goes on without its result (ignore) or as if it "
		 "had never been (forget), or waits until the child is retried, detached or deleted (hold). Left out: fail; in queues that keep "
		 "BullMQ's rules hold." },
};
#undef AT

static bool parent_check(struct json *json, const struct op_parent *parent)
{
	int ways = (parent->ref != 0) + (parent->uid != 0) + (parent->queue.name.len && parent->id.len);
	if (ways == 1 && (parent->queue.name.len != 0) == (parent->id.len != 0))
		return true;
	return json_refuse(json, E_INVALID, "Say which job the parent is: a ref, or a uid, or a queue and an id.");
}

static bool read_parents(struct json *json, void *out, void *context)
{
	struct op_reader *reader = context;
	struct op_enqueue *enqueue = &reader->op->enqueue;
	uint32_t index;
	(void)out;
	enqueue->parents = ARENA_ARRAY(json->arena, struct op_parent, LIMIT_PARENTS);
	if (!enqueue->parents)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index >= LIMIT_PARENTS)
			return json_refuse(json, E_INVALID, "A job has at most %d parents.", LIMIT_PARENTS);
		struct op_parent *parent = &enqueue->parents[enqueue->parent_count++];
		parent->on_failure = ON_FAILURE_COUNT;
		if (!json_read_fields(json, parent_fields, ARRAY_COUNT(parent_fields), parent, NULL, NULL) || !parent_check(json, parent))
			return false;
	}
	return !json->failed;
}

const struct json_field *op_parent_fields(uint32_t *count)
{
	*count = ARRAY_COUNT(parent_fields);
	return parent_fields;
}

static bool read_children(struct json *json, void *out, void *context)
{
	struct str word;
	(void)context;
	if (!json_read_str(json, 16, &word))
		return false;
	*(bool *)out = str_eq(word, STR("delete"));
	return *(bool *)out || str_eq(word, STR("keep")) || json_refuse(json, E_INVALID, "Expected keep or delete.");
}

/* ---- another job beside the one that it is about ---- */

#define AT(member) offsetof(struct job_name, member)
static const struct json_field job_name_fields[] = {
	{ "uid", JSON_F_CUSTOM, AT(uid), .read = read_uid, .doc = "Its uid." },
	{ "namespace", JSON_F_CUSTOM, AT(queue.namespace_name), .read = read_namespace, .doc = "The queue's namespace (default)." },
	{ "queue", JSON_F_CUSTOM, AT(queue.name), .read = read_name, .doc = "Or its queue, with id." },
	{ "id", JSON_F_STR, AT(id), 1, LIMIT_ID_BYTES, .doc = "The caller's id, with queue." },
};
#undef AT

static bool read_job_name(struct json *json, void *out, void *context)
{
	struct job_name *name = out;
	if (json_peek(json) != JSON_OBJECT)
		return read_uid(json, &name->uid, context);
	if (!json_read_fields(json, job_name_fields, ARRAY_COUNT(job_name_fields), name, NULL, NULL))
		return false;
	if ((name->uid != 0) != (name->queue.name.len && name->id.len))
		return true;
	return json_refuse(json, E_INVALID, "Say which job: a uid, or a queue and an id.");
}

const struct json_field *op_job_name_fields(uint32_t *count)
{
	*count = ARRAY_COUNT(job_name_fields);
	return job_name_fields;
}

static bool read_child(struct json *json, void *out, void *context)
{
	struct op_lease *lease = out;
	lease->child = ARENA_NEW(json->arena, struct job_name);
	return lease->child ? read_job_name(json, lease->child, context) : json_refuse(json, E_NOMEM, "There was no memory for it.");
}

static bool read_progress(struct json *json, void *out, void *context)
{
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	return json_skip(json) && read_verbatim(json, begin, LIMIT_PROGRESS_BYTES, out);
}

static bool read_metadata(struct json *json, void *out, void *context)
{
	(void)context;
	bool is_object = json_peek(json) == JSON_OBJECT;
	const char *begin = json->next;
	if (!json_skip(json))
		return false;
	return is_object ? read_verbatim(json, begin, LIMIT_METADATA_BYTES, out) : json_refuse(json, E_INVALID, "Expected an object.");
}

static bool read_compat(struct json *json, void *out, void *context)
{
	(void)context;
	return compat_read(json, out);
}

static bool read_only_state(struct json *json, void *out, void *context)
{
	struct op_job *job = out;
	struct str name;
	(void)context;
	if (!json_read_str(json, 32, &name))
		return false;
	job->only_in_state = true;
	return job_state_parse(name, &job->only_state) == E_OK || json_refuse(json, E_INVALID, "\"" STR_FMT "\" is no state.", STR_ARG(name));
}

static bool read_keep_attempts(struct json *json, void *out, void *context)
{
	bool keeps;
	(void)context;
	if (!json_read_bool(json, &keeps))
		return false;
	*(enum keep_attempts *)out = keeps ? KEEP_ATTEMPTS_YES : KEEP_ATTEMPTS_NO;
	return true;
}

static bool read_keep_lines(struct json *json, void *out, void *context) /* LOG */
{
	struct op_lease *lease = out;
	int64_t lines;
	(void)context;
	if (!json_read_i64(json, 0, LIMIT_LOG_LINES, &lines))
		return false;
	lease->trims = true;
	lease->keep_lines = (uint32_t)lines;
	return true;
}

static const struct json_field keep_fields[] = {
	{ "count", JSON_F_I64, offsetof(struct keep, count), 0, INT64_MAX, .doc = "The newest so many stay; 0: not even this one." },
	{ "age_ms", JSON_F_I64, offsetof(struct keep, age_ms), 0, LIMIT_DURATION_MS, .doc = "And none that is older." },
	{ "limit", JSON_F_U32, offsetof(struct keep, limit), 1, UINT32_MAX, .doc = "Of those that are too old at most so many go." },
};

static bool read_keep(struct json *json, void *out, void *context)
{
	struct keep keep = { 0 };
	uint64_t present = 0;
	struct str word;
	(void)context;
	if (json_peek(json) == JSON_STRING) {
		if (!json_read_str(json, 32, &word))
			return false;
		keep.none = str_eq(word, STR("none"));
		if (!keep.none && !str_eq(word, STR("all")))
			return json_refuse(json, E_INVALID, "Expected \"none\", \"all\", or an object with count, age_ms and limit.");
	} else if (!json_read_fields(json, keep_fields, ARRAY_COUNT(keep_fields), &keep, NULL, &present)) {
		return false;
	}
	keep.none |= (present & 1) && keep.count == 0;
	struct keep *own = ARENA_NEW(json->arena, struct keep);
	if (!own)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	*own = keep;
	*(const struct keep **)out = keep.none || keep.count || keep.age_ms ? own : NULL;
	return true;
}

static bool read_payload(struct json *json, void *out, void *context) /* EDIT, RETRY */
{
	struct op_job *job = out;
	(void)context;
	job->has_payload = true;
	return json_read_raw(json, &job->payload);
}

static bool read_filtered(struct json *json, void *out, void *context)
{
	bool filtered;
	(void)context;
	if (!json_read_bool(json, &filtered))
		return false;
	*(enum verdict *)out = filtered ? VERDICT_FILTERED : VERDICT_POLICY;
	return true;
}

static bool read_wait(struct json *json, void *out, void *context)
{
	const struct op_reader *reader = context;
	if (!json_read_i64(json, 0, LIMIT_WAIT_MS, out))
		return false;
	if (reader->place == OP_ALONE || *(int64_t *)out == 0)
		return true;
	return json_refuse(json, E_INVALID, "A claim inside another call cannot wait; use POST /v1/claims for that.");
}

/* ---- claims ---- */

#define AT(member) offsetof(struct claim_queue, member)
static const struct json_field claim_queue_fields[] = {
	{ "queue", JSON_F_CUSTOM, AT(queue.name), 0, 0, JSON_F_REQUIRED, read_name, "A queue's name." },
	{ "namespace", JSON_F_CUSTOM, AT(queue.namespace_name), .read = read_namespace, .doc = "Its namespace." },
	{ "weight", JSON_F_U32, AT(weight), 1, CLAIM_WEIGHT_MAX, .doc = "Its chances beside the others; without weights they are served in the order listed." },
};
#undef AT

static bool read_claim_queue(struct json *json, struct claim_queue *out)
{
	if (json_peek(json) == JSON_STRING)
		return read_a_name(json, false, &out->queue.name);
	return json_read_fields(json, claim_queue_fields, ARRAY_COUNT(claim_queue_fields), out, NULL, NULL);
}

/* Weights for all or for none. */
static void claim_even_weights(struct op_claim *claim)
{
	bool weighted = false;
	for (uint32_t i = 0; i < claim->queue_count; i++)
		weighted |= claim->queues[i].weight > 0;
	for (uint32_t i = 0; weighted && i < claim->queue_count; i++)
		if (!claim->queues[i].weight)
			claim->queues[i].weight = 1;
}

static bool read_claim_queues(struct json *json, void *out, void *context)
{
	struct op_claim *claim = out;
	struct claim_queue queues[LIMIT_CLAIM_QUEUES] = { 0 };
	uint32_t index;
	(void)context;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == LIMIT_CLAIM_QUEUES)
			return json_refuse(json, E_INVALID, "A claim names at most %d queues.", LIMIT_CLAIM_QUEUES);
		if (!read_claim_queue(json, &queues[index]))
			return false;
		claim->queue_count = index + 1;
	}
	if (json->failed)
		return false;
	if (!claim->queue_count)
		return json_refuse(json, E_INVALID, "At least one queue is needed.");
	claim->queues = arena_alloc(json->arena, claim->queue_count * sizeof(*queues));
	if (!claim->queues)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	memcpy(claim->queues, queues, claim->queue_count * sizeof(*queues));
	claim_even_weights(claim);
	return true;
}

static bool read_claim_namespace(struct json *json, void *out, void *context)
{
	struct op_reader *reader = context;
	(void)out;
	return read_a_name(json, true, &reader->namespace_name);
}

#define AT(member) offsetof(struct rate, member)
static const struct json_field limiter_fields[] = {
	{ "max", JSON_F_U32, AT(max), 1, UINT32_MAX, JSON_F_REQUIRED, NULL, "So many start in a window, unless the queue is set otherwise." },
	{ "per_ms", JSON_F_I64, AT(per_ms), 1, LIMIT_DURATION_MS, JSON_F_REQUIRED, NULL, "A window's span." },
};
#undef AT

static bool read_limiter(struct json *json, void *out, void *context)
{
	(void)context;
	return json_read_fields(json, limiter_fields, ARRAY_COUNT(limiter_fields), out, NULL, NULL);
}

static bool claim_check_batch(struct json *json, const struct op_claim *claim)
{
	if (!claim->group_max && claim->group_min)
		return json_refuse_field(json, E_INVALID, "group_min", "It is about a batch, which group_max asks for.");
	if (!claim->group_max && claim->group_wait_ms)
		return json_refuse_field(json, E_INVALID, "group_wait_ms", "It is about a batch, which group_max asks for.");
	if (claim->group_max && claim->max != 1)
		return json_refuse_field(json, E_INVALID, "max", "A claim with group_max brings one batch: leave max out.");
	if (claim->group_min > claim->group_max)
		return json_refuse_field(json, E_INVALID, "group_min", "It is at most group_max, %u.", claim->group_max);
	if (claim->group_min > 1 && !claim->group_wait_ms)
		return json_refuse_field(json, E_INVALID, "group_wait_ms", "With group_min above 1 it is needed: how long jobs wait for more of their group.");
	return true;
}

static bool claim_finish(struct json *json, struct op_reader *reader)
{
	struct op_claim *claim = &reader->op->claim;
	if (claim->limiter.max && !claim->compat)
		return json_refuse_field(json, E_INVALID, "limiter", "Only with compat: elsewhere the rate is a setting of the queue.");
	if (!claim_check_batch(json, claim))
		return false;
	for (uint32_t i = 0; i < claim->queue_count; i++)
		if (!claim->queues[i].queue.namespace_name.len)
			claim->queues[i].queue.namespace_name = reader->namespace_name;
	return true;
}

static bool read_rider(struct json *json, void *out, void *context)
{
	struct op_reader *reader = context;
	(void)out;
	memset(reader->rider, 0, sizeof(*reader->rider));
	reader->rider->claim.kind = OP_CLAIM;
	reader->rider->given = true;
	return op_read(json, &reader->rider->claim, OP_IN_LIST, NULL);
}

/* ---- errors and verdicts ---- */

struct error_text {
	struct str type, message, stack;
};
#define AT(member) offsetof(struct error_text, member)
static const struct json_field error_fields[] = {
	{ "type", JSON_F_STR, AT(type), 0, ERROR_TYPE_BYTES, JSON_F_NULL, .doc = "The error's class or code." },
	{ "message", JSON_F_STR, AT(message), 0, ERROR_TEXT_BYTES, JSON_F_NULL, .doc = "What happened, in a line or two." },
	{ "stack", JSON_F_STR, AT(stack), 0, ERROR_TEXT_BYTES, JSON_F_NULL, .doc = "Where it happened." },
};
#undef AT

/* Written anew so that it fits: escapes may make six bytes of one, hence the search for a length. */
static bool error_cut(struct json *json, const struct error_text *error, struct str *out)
{
	struct buf text;
	size_t stack_bytes = error->stack.len < LIMIT_ERROR_BYTES ? error->stack.len : LIMIT_ERROR_BYTES;
	size_t message_bytes = ERROR_MESSAGE_KEPT;
	buf_init(&text, 16 * LIMIT_ERROR_BYTES);
	for (;; stack_bytes /= 2, message_bytes = stack_bytes ? message_bytes : message_bytes / 2) {
		buf_clear(&text);
		buf_add_byte(&text, '{');
		json_put_field_str(&text, "type", error->type);
		json_put_field_str(&text, "message", str_cut(error->message, message_bytes));
		json_put_field_str(&text, "stack", str_cut(error->stack, stack_bytes));
		buf_add_byte(&text, '}');
		if (!buf_ok(&text) || text.len <= LIMIT_ERROR_BYTES)
			break;
	}
	*out = buf_ok(&text) ? arena_str(json->arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return out->ptr ? true : json_refuse(json, E_NOMEM, "There was no memory for it.");
}

static bool read_error(struct json *json, void *out, void *context)
{
	struct error_text error = { 0 };
	struct str *text = out;
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	if (!json_read_fields(json, error_fields, ARRAY_COUNT(error_fields), &error, NULL, NULL))
		return false;
	*text = (struct str){ begin, (size_t)(json->next - begin) };
	return text->len <= LIMIT_ERROR_BYTES ? true : error_cut(json, &error, text);
}

/* ---- what a job went through elsewhere ---- */

static bool read_past_state(struct json *json, void *out, void *context)
{
	struct op_past *past = out;
	struct str name;
	(void)context;
	if (!json_read_str(json, 32, &name))
		return false;
	past->ended = true;
	if (!job_state_parse(name, &past->state) && (past->state == JOB_COMPLETED || past->state == JOB_FAILED))
		return true;
	return json_refuse(json, E_INVALID, "How it ended there: completed or failed. Left out: it has not ended.");
}

static bool read_past_result(struct json *json, void *out, void *context)
{
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	return json_skip(json) && read_verbatim(json, begin, LIMIT_PAYLOAD_INLINE, out);
}

static bool read_past_line(struct json *json, void *out, void *context)
{
	(void)context;
	return json_read_str(json, LIMIT_LOG_LINE_BYTES, out);
}

/* A list in the order of the texts; answers its last. */
static bool read_past_texts(struct json *json, uint32_t most, bool (*read)(struct json *json, void *out, void *context),
			    const struct op_past_text **first, const struct op_past_text **last, uint32_t *count)
{
	const struct op_past_text **end = first;
	uint32_t index;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		struct op_past_text *text = ARENA_NEW(json->arena, struct op_past_text);
		if (!text)
			return json_refuse(json, E_NOMEM, "There was no memory for it.");
		if (index >= most)
			return json_refuse(json, E_INVALID, "At most %u are kept: send the newest.", most);
		if (!read(json, &text->text, NULL))
			return false;
		*end = *last = text;
		end = &text->next;
		*count = index + 1;
	}
	return !json->failed;
}

static bool read_past_errors(struct json *json, void *out, void *context)
{
	struct op_past *past = out;
	(void)context;
	return read_past_texts(json, LIMIT_PAST_ERRORS, read_error, &past->errors, &past->last_error, &past->error_count);
}

static bool read_past_lines(struct json *json, void *out, void *context)
{
	struct op_past *past = out;
	const struct op_past_text *last;
	(void)context;
	return read_past_texts(json, LIMIT_LOG_LINES, read_past_line, &past->lines, &last, &past->line_count);
}

static bool read_edge_state(struct json *json, void *out, void *context)
{
	static const char *const names[] = {
#define X(name, text) text,
		EDGE_STATES(X)
#undef X
	};
	struct str text;
	(void)context;
	if (!json_read_str(json, 16, &text))
		return false;
	for (unsigned i = EDGE_PENDING + 1; i < EDGE_STATE_COUNT; i++)
		if (str_eq(text, str_of(names[i]))) {
			*(enum edge_state *)out = (enum edge_state)i;
			return true;
		}
	return json_refuse(json, E_INVALID, "What became of the child: done, ignored or failed.");
}

#define AT(member) offsetof(struct op_past_child, member)
static const struct json_field past_child_fields[] = {
	{ "namespace", JSON_F_CUSTOM, AT(queue.namespace_name), .read = read_namespace, .doc = "The queue's namespace (default)." },
	{ "queue", JSON_F_CUSTOM, AT(queue.name), .flags = JSON_F_REQUIRED, .read = read_name, .doc = "The child's queue." },
	{ "id", JSON_F_STR, AT(id), 1, LIMIT_ID_BYTES, JSON_F_REQUIRED, .doc = "Its id there." },
	{ "state", JSON_F_CUSTOM, AT(state), .flags = JSON_F_REQUIRED, .read = read_edge_state, .doc = "What became of it: done, ignored or failed." },
	{ "value", JSON_F_CUSTOM, AT(value), .read = read_past_result, .doc = "Its result, or an object with the error's message." },
};
#undef AT

static bool read_past_children(struct json *json, void *out, void *context)
{
	struct op_past *past = out;
	const struct op_past_child **end = &past->children;
	uint32_t index;
	(void)context;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		struct op_past_child *child = ARENA_NEW(json->arena, struct op_past_child);
		if (!child)
			return json_refuse(json, E_NOMEM, "There was no memory for it.");
		if (index >= LIMIT_PAST_CHILDREN)
			return json_refuse(json, E_INVALID, "At most %d are kept.", LIMIT_PAST_CHILDREN);
		if (!json_read_fields(json, past_child_fields, ARRAY_COUNT(past_child_fields), child, NULL, NULL))
			return false;
		*end = child;
		end = &child->next;
		past->child_count = index + 1;
	}
	return !json->failed;
}

#define AT(member) offsetof(struct op_past, member)
static const struct json_field past_fields[] = {
	{ "state", JSON_F_CUSTOM, 0, .read = read_past_state, .doc = "How it ended there, completed or failed: it does not run. Left out: it is to run." },
	{ "attempts_started", JSON_F_U32, AT(attempts_started), 0, LIMIT_ATTEMPTS, .doc = "How often it was given out; at least as often as it failed." },
	{ "attempts_made", JSON_F_U32, AT(attempts_made), 0, LIMIT_ATTEMPTS, .doc = "Attempts that ended, well or not." },
	{ "stalls", JSON_F_U32, AT(stalls), 0, UINT16_MAX, .doc = "Attempts that were lost." },
	{ "redone", JSON_F_BOOL, AT(redone), .doc = "It was put back by hand since its last error." },
	{ "deferred", JSON_F_STR, AT(deferred), 1, DEFERRED_BYTES,
	  .doc = "It has failed with this reason and only waits to say so: whoever claims it is told." },
	{ "started_at", JSON_F_INSTANT, AT(started_us), .doc = "When its last attempt began." },
	{ "finished_at", JSON_F_INSTANT, AT(finished_us), .doc = "When it ended." },
	{ "worker", JSON_F_CUSTOM, AT(worker), .read = read_name, .doc = "Who ran it last." },
	{ "progress", JSON_F_CUSTOM, AT(progress), .read = read_progress, .doc = "The newest it told." },
	{ "result", JSON_F_CUSTOM, AT(result), .read = read_past_result, .doc = "Of a completed one: any JSON value of at most 256 KiB." },
	{ "errors", JSON_F_CUSTOM, 0, .read = read_past_errors, .doc = "What its attempts failed with, the newest last." },
	{ "logs", JSON_F_CUSTOM, 0, .read = read_past_lines, .doc = "Its log lines, the newest last." },
	{ "children", JSON_F_CUSTOM, 0, .read = read_past_children, .doc = "Of its children, those that had ended, with what it keeps of them." },
	{ "ids", JSON_F_I64, AT(ids), 0, INT64_MAX, .doc = "The last id that the queue gave there: those given from now on are higher." },
};
#undef AT

static bool read_past(struct json *json, void *out, void *context)
{
	struct op_past *past = ARENA_NEW(json->arena, struct op_past);
	(void)context;
	if (!past)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	*(const struct op_past **)out = past;
	return json_read_fields(json, past_fields, ARRAY_COUNT(past_fields), past, NULL, NULL);
}

const struct json_field *op_past_fields(uint32_t *count)
{
	*count = ARRAY_COUNT(past_fields);
	return past_fields;
}

const struct json_field *op_past_child_fields(uint32_t *count)
{
	*count = ARRAY_COUNT(past_child_fields);
	return past_child_fields;
}

struct delay {
	int64_t delay_ms;
};
static const struct json_field delay_fields[] = {
	{ "delay_ms", JSON_F_I64, offsetof(struct delay, delay_ms), 0, LIMIT_DURATION_MS, JSON_F_REQUIRED, .doc = "Again after so long." },
};

static bool read_verdict(struct json *json, void *out, void *context)
{
	static const struct {
		const char *name;
		enum verdict verdict;
	} verdicts[] = { { "policy", VERDICT_POLICY }, { "final", VERDICT_FINAL }, { "head", VERDICT_HEAD }, { "tail", VERDICT_TAIL } };
	struct op_lease *lease = out;
	struct delay delay;
	struct str name;
	(void)context;
	if (json_peek(json) == JSON_OBJECT) {
		if (!json_read_fields(json, delay_fields, ARRAY_COUNT(delay_fields), &delay, NULL, NULL))
			return false;
		lease->verdict = VERDICT_DELAY;
		lease->delay_ms = delay.delay_ms;
		return true;
	}
	if (!json_read_str(json, 32, &name))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(verdicts); i++) {
		if (str_eq(name, str_of(verdicts[i].name))) {
			lease->verdict = verdicts[i].verdict;
			return true;
		}
	}
	return json_refuse(json, E_INVALID, "Expected \"policy\", \"final\", \"head\", \"tail\" or {\"delay_ms\":N}.");
}

#define AT(member) offsetof(struct back_off, member)
static const struct json_field back_off_by_fields[] = {
	{ "scope", JSON_F_CUSTOM, AT(scope), 0, 0, JSON_F_REQUIRED, read_name, "\"group\" or \"queue\" of the job, or a limit's name." },
	{ "delay_ms", JSON_F_I64, AT(delay_ms), 0, LIMIT_DURATION_MS, JSON_F_REQUIRED, NULL, "Nothing of it starts for so long." },
};
#undef AT

static bool read_back_off(struct json *json, void *out, void *context)
{
	(void)context;
	struct back_off *back_off = ARENA_NEW(json->arena, struct back_off);
	if (!back_off)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	*(const struct back_off **)out = back_off;
	return json_read_fields(json, back_off_by_fields, ARRAY_COUNT(back_off_by_fields), back_off, NULL, NULL);
}

/* ---- queues, groups, limits, bulk operations ---- */

/* Checked here, so that a refusal names the field; the engine applies the same text over the present settings. */
static bool read_queue_settings(struct json *json, void *out, void *context)
{
	struct queue_settings settings;
	(void)context;
	queue_settings_default(&settings);
	json_peek(json);
	const char *begin = json->next;
	return queue_settings_read(json, &settings) && read_verbatim(json, begin, SIZE_MAX, out);
}

static bool read_details(struct json *json, void *out, void *context)
{
	(void)context;
	if (json_peek(json) != JSON_OBJECT)
		return json_enter_object(json); /* says what was wanted */
	const char *begin = json->next;
	return json_skip(json) && read_verbatim(json, begin, LIMIT_EVENT_BYTES, out);
}

static bool read_priorities(struct json *json, void *out, void *context)
{
	struct op_queue *queue = out;
	uint32_t index;
	(void)context;
	int32_t *priorities = ARENA_ARRAY(json->arena, int32_t, LIMIT_PAGE);
	if (!priorities)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		int64_t priority;
		if (index == LIMIT_PAGE)
			return json_refuse(json, E_INVALID, "At most %d priorities are counted at once.", LIMIT_PAGE);
		if (!json_read_i64(json, 0, LIMIT_PRIORITY, &priority))
			return false;
		priorities[index] = (int32_t)priority;
		queue->priority_count = index + 1;
	}
	queue->priorities = priorities;
	return !json->failed;
}

static bool read_group_settings(struct json *json, void *out, void *context)
{
	struct group_settings settings = { 0 };
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	return group_settings_read(json, &settings) && read_verbatim(json, begin, SIZE_MAX, out);
}

static bool read_chains_order(struct json *json, void *out, void *context)
{
	static const char *const names[] = { [CHAINS_BY_NEXT] = "asc", [CHAINS_BY_NEXT_DOWN] = "desc" };
	struct str name;
	(void)context;
	if (!json_read_str(json, 16, &name))
		return false;
	for (int order = CHAINS_BY_NEXT; order <= CHAINS_BY_NEXT_DOWN; order++)
		if (str_eq(name, str_of(names[order]))) {
			*(enum chains_order *)out = (enum chains_order)order;
			return true;
		}
	return json_refuse(json, E_INVALID, "Expected asc or desc.");
}

static bool read_chain_schedule(struct json *json, void *out, void *context)
{
	struct chain_schedule schedule;
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	return chain_schedule_read(json, &schedule) && read_verbatim(json, begin, SIZE_MAX, out);
}

/* Its fields are those of an enqueue, and read like them. */
#define AT(member) offsetof(struct op_enqueue, member)
static const struct json_field chain_job_fields[] = {
	{ "name", JSON_F_CUSTOM, AT(name), .read = read_name, .doc = "What kind of job it is." },
	{ "group", JSON_F_STR, AT(group), 1, LIMIT_ID_BYTES, .doc = "Its group." },
	{ "priority", JSON_F_I32, AT(priority), 0, LIMIT_PRIORITY, .doc = "0 runs first." },
	{ "lifo", JSON_F_BOOL, AT(lifo), .doc = "First in line of its priority instead of last." },
	{ "max_attempts", JSON_F_U32, AT(max_attempts), 1, LIMIT_ATTEMPTS, .doc = "Failed attempts before it fails for good." },
	{ "retry", JSON_F_CUSTOM, AT(retry), .read = retry_policy_read_new, .doc = "Its own retry policy instead of the queue's." },
	{ "timeout_ms", JSON_F_I64, AT(timeout_ms), 1, LIMIT_DURATION_MS, .doc = "Of one attempt." },
	{ "ttl_ms", JSON_F_I64, AT(ttl_ms), 1, LIMIT_DURATION_MS, .doc = "Not started within so long: it expires, and the next one is made." },
	{ "tags", JSON_F_CUSTOM, AT(tags), .read = read_tags, .doc = "To find it by." },
	{ "http", JSON_F_CUSTOM, AT(target), .read = read_target, .doc = "Its own HTTP target, over the queue's. Only in a queue whose target is http." },
};
#undef AT

static bool read_chain_job(struct json *json, void *out, void *context)
{
	struct op_enqueue job = { 0 };
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	return json_read_fields(json, chain_job_fields, ARRAY_COUNT(chain_job_fields), &job, NULL, NULL) && read_verbatim(json, begin, SIZE_MAX, out);
}

const struct json_field *op_chain_job_fields(uint32_t *count)
{
	*count = ARRAY_COUNT(chain_job_fields);
	return chain_job_fields;
}

static bool read_limit_settings(struct json *json, void *out, void *context)
{
	struct limit_settings settings = { 0 };
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	return limit_settings_read(json, &settings) && read_verbatim(json, begin, SIZE_MAX, out);
}

static bool read_filter(struct json *json, void *out, void *context)
{
	struct job_filter filter = { 0 };
	struct buf text;
	(void)context;
	if (!filter_read(json, &filter))
		return false;
	if (filter_is_empty(&filter))
		return json_refuse(json, E_INVALID, "It would take every job: name a queue, states or more; for all of a namespace, name that.");
	buf_init(&text, 16 * 1024);
	filter_write(&filter, &text);
	struct str kept = buf_ok(&text) ? arena_str(json->arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	*(struct str *)out = kept;
	return kept.ptr ? true : json_refuse(json, E_NOMEM, "There was no memory for it.");
}

static bool read_message_type(struct json *json, void *out, void *context)
{
	struct str *type = out;
	(void)context;
	if (!json_read_str(json, MESSAGE_TYPE_BYTES, type))
		return false;
	const char *why = message_type_refusal(*type);
	if (!why && message_type_is_ours(*type))
		why = "Messages of this type are sent by ruche itself: choose another.";
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

static bool read_channels(struct json *json, void *out, void *context)
{
	struct str channel;
	uint32_t index;
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == MESSAGE_CHANNELS)
			return json_refuse(json, E_INVALID, "At most %d channels.", MESSAGE_CHANNELS);
		if (!json_read_str(json, MESSAGE_TYPE_BYTES, &channel))
			return false;
		if (!channel.len)
			return json_refuse(json, E_INVALID, "A channel has a name.");
	}
	return read_verbatim(json, begin, SIZE_MAX, out);
}

static bool read_deleted(struct json *json, void *out, void *context)
{
	bool deleted;
	(void)context;
	if (!json_read_bool(json, &deleted))
		return false;
	*(uint32_t *)out |= deleted ? MESSAGE_DELETED : 0;
	return true;
}

static bool read_cursor(struct json *json, void *out, void *context)
{
	struct str text;
	struct problem problem = { 0 };
	(void)context;
	if (!json_read_str(json, 4 * LIMIT_ID_BYTES, &text))
		return false;
	enum err err = cursor_parse(text, json->arena, out, &problem);
	return err ? json_refuse(json, err, "%s", problem.detail) : true;
}

static bool read_action(struct json *json, void *out, void *context)
{
	struct op_reader *reader = context;
	(void)out;
	return json_read_str(json, 32, &reader->action);
}

static bool read_arguments(struct json *json, void *out, void *context)
{
	struct op_reader *reader = context;
	(void)out;
	json_peek(json);
	const char *begin = json->next;
	return json_skip(json) && read_verbatim(json, begin, LIMIT_TARGET_BYTES, &reader->arguments);
}

static bool action_parse(struct str name, enum op_kind *out)
{
	static const enum op_kind actions[] = { OP_CANCEL, OP_RETRY, OP_PROMOTE, OP_REPRIORITISE, OP_MOVE, OP_DELETE };
	for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
		if (str_eq(name, str_of(op_kind_name(actions[i])))) {
			*out = actions[i];
			return true;
		}
	}
	return false;
}

static bool operation_finish(struct json *json, struct op_reader *reader)
{
	struct op_operation *operation = &reader->op->operation;
	struct problem problem = { 0 };
	if (!action_parse(reader->action, &operation->action))
		return json_refuse_field(json, E_INVALID, "action", "Expected cancel, retry, promote, reprioritise, move or delete.");
	operation->arguments = reader->arguments;
	enum err err = op_read_arguments(operation->action, reader->arguments, json->arena, &operation->template, &problem);
	if (!err && operation->template.tree)
		return json_refuse_field(json, E_INVALID, "arguments", "Bulk work takes each job for itself: leave tree and children out.");
	if (!err)
		return true;
	char field[128];
	snprintf(field, sizeof(field), "arguments%s%s", problem.field[0] ? "." : "", problem.field);
	return json_refuse_field(json, err, field, "%s", problem.detail);
}

enum err op_read_arguments(enum op_kind action, struct str text, struct arena *arena, struct op_job *out, struct problem *problem)
{
	struct op op = { .kind = action };
	struct json json;
	json_init(&json, text.len ? text : STR("{}"), arena, problem);
	if (!op_read(&json, &op, OP_ALONE, NULL) || !json_finish(&json))
		return problem->err;
	*out = op.job;
	return E_OK;
}

/* ---- the forms ---- */

#define AT(member) offsetof(struct op, member)
#define F_OP { "op", JSON_F_CUSTOM, 0, 0, 0, JSON_F_REQUIRED, read_op_name, "What to do." }
#define F_UID(member) { "uid", JSON_F_CUSTOM, AT(member), 0, 0, JSON_F_REQUIRED, read_uid, "The job's uid." }
#define F_HELD                                                                                                                        \
	{ "uid", JSON_F_CUSTOM, AT(lease.uid), 0, 0, 0, read_uid, "The job's uid; or say queue and id." },                            \
	{ "namespace", JSON_F_CUSTOM, AT(lease.queue.namespace_name), 0, 0, 0, read_namespace, "The queue's namespace (default)." }, \
	{ "queue", JSON_F_CUSTOM, AT(lease.queue.name), 0, 0, 0, read_name, "The queue, with id." },                                  \
	{ "id", JSON_F_STR, AT(lease.id), 1, LIMIT_ID_BYTES, 0, NULL, "The caller's id, with queue." }
#define F_TOKEN { "token", JSON_F_CUSTOM, AT(lease.token), 0, 0, 0, read_lease_token, "The lease token of the claim." }
#define F_FENCE { "fence", JSON_F_I64, AT(lease.fence), 1, INT64_MAX, 0, NULL, "The grant's fence, to be checked beside the token." }
#define F_CLAIM { "claim", JSON_F_CUSTOM, 0, 0, 0, 0, read_rider, "Claims the next jobs in the same call." }
#define F_BACK_OFF { "back_off", JSON_F_CUSTOM, AT(lease.back_off), 0, 0, 0, read_back_off, "Who else shall start nothing for a while." }
#define F_IDENTITY                                                                                                                  \
	{ "uid", JSON_F_CUSTOM, AT(job.uid), 0, 0, 0, read_uid, "The job's uid; or say queue and id." },                              \
	{ "namespace", JSON_F_CUSTOM, AT(job.queue.namespace_name), 0, 0, 0, read_namespace, "The queue's namespace (default)." }, \
	{ "queue", JSON_F_CUSTOM, AT(job.queue.name), 0, 0, 0, read_name, "The queue, with id." },                                  \
	{ "id", JSON_F_STR, AT(job.id), 1, LIMIT_ID_BYTES, 0, NULL, "The caller's id, with queue." }
#define F_ONLY_STATE { "only_state", JSON_F_CUSTOM, AT(job), .read = read_only_state, .doc = "Refused unless the job is in this state." }
#define F_KEEP                                                                                                        \
	{ "keep", JSON_F_CUSTOM, AT(lease.keep), .read = read_keep,                                                    \
	  .doc = "How many of the queue's jobs that ended so are kept; left out: as the queue is set." }
#define F_COMPAT(member)                                                                                              \
	{ "compat", JSON_F_CUSTOM, AT(member), .read = read_compat,                                                    \
	  .doc = "The rules that the caller expects of the queue, bullmq; a queue that is made is made so." }
#define F_DELAY(member, doc) { "delay_ms", JSON_F_I64, AT(member), 0, LIMIT_DURATION_MS, 0, NULL, doc }
#define F_QUEUE                                                                                                               \
	{ "namespace", JSON_F_CUSTOM, AT(queue.queue.namespace_name), 0, 0, 0, read_namespace, "The queue's namespace (default)." }, \
	{ "queue", JSON_F_CUSTOM, AT(queue.queue.name), 0, 0, JSON_F_REQUIRED, read_name, "The queue." }
#define F_LIMIT_NAME                                                                                                           \
	{ "namespace", JSON_F_CUSTOM, AT(limit.limit.namespace_name), 0, 0, 0, read_namespace, "The limit's namespace (default)." }, \
	{ "limit", JSON_F_CUSTOM, AT(limit.limit.name), 0, 0, JSON_F_REQUIRED, read_name, "The limit." }
#define F_PERMIT { "token", JSON_F_STR, AT(limit.token), 1, LIMIT_ID_BYTES, JSON_F_REQUIRED, NULL, "The holder's own token, one for each permit." }
#define F_GROUP { "group", JSON_F_STR, AT(queue.group), 1, LIMIT_ID_BYTES, JSON_F_REQUIRED, NULL, "The group's key." }
#define F_LIMIT { "limit", JSON_F_U32, AT(queue.limit), 1, LIMIT_PAGE, 0, NULL, "How many at most." }
#define F_CURSOR { "cursor", JSON_F_CUSTOM, AT(queue.after), 0, 0, 0, read_cursor, "next_cursor of the page before." }

static const struct json_field enqueue_fields[] = {
	F_OP,
	{ "queue", JSON_F_CUSTOM, AT(enqueue.queue.name), 0, 0, JSON_F_REQUIRED, read_name, "The queue; it is made if there is none." },
	{ "payload", JSON_F_RAW, AT(enqueue.payload), .doc = "Any JSON value, kept byte for byte. Left out: null." },
	{ "namespace", JSON_F_CUSTOM, AT(enqueue.queue.namespace_name), .read = read_namespace, .doc = "The queue's namespace (default)." },
	{ "id", JSON_F_STR, AT(enqueue.id), 1, LIMIT_ID_BYTES, .doc = "The caller's id, unique within the queue: a repeat answers the first job." },
	{ "name", JSON_F_CUSTOM, AT(enqueue.name), .read = read_name, .doc = "What kind of job it is." },
	{ "group", JSON_F_STR, AT(enqueue.group), 1, LIMIT_ID_BYTES, .doc = "Its group: groups are served in turn, each with its own limits." },
	{ "priority", JSON_F_I32, AT(enqueue.priority), 0, LIMIT_PRIORITY, .doc = "0 runs first." },
	{ "run_at", JSON_F_INSTANT, AT(enqueue.run_at_us), .doc = "Not before this instant. Not with delay_ms." },
	F_DELAY(enqueue.delay_ms, "Not before so long has passed. Not with run_at."),
	{ "lifo", JSON_F_BOOL, AT(enqueue.lifo), .doc = "First in line of its priority instead of last." },
	{ "max_attempts", JSON_F_U32, AT(enqueue.max_attempts), 1, LIMIT_ATTEMPTS, .doc = "Failed attempts before it fails for good." },
	{ "retry", JSON_F_CUSTOM, AT(enqueue.retry), .read = retry_policy_read_new, .doc = "Its own retry policy instead of the queue's." },
	{ "timeout_ms", JSON_F_I64, AT(enqueue.timeout_ms), 1, LIMIT_DURATION_MS, .doc = "Of one attempt." },
	{ "ttl_ms", JSON_F_I64, AT(enqueue.ttl_ms), 1, LIMIT_DURATION_MS, .doc = "Not started within so long: it expires." },
	{ "dedup", JSON_F_CUSTOM, AT(enqueue.dedup), .read = read_dedup,
	  .doc = "A key that one job at a time owns, apart from its id: this enqueue may then be no job of its own." },
	{ "waits", JSON_F_BOOL, AT(enqueue.waits), .doc = "It waits until all its children have ended; then its delay begins, if it has one." },
	{ "parents", JSON_F_CUSTOM, AT(enqueue), .read = read_parents, .doc = "Whose child it is: they wait for it, or run. Not with dedup." },
	{ "tags", JSON_F_CUSTOM, AT(enqueue.tags), .read = read_tags, .doc = "To find it by." },
	{ "trace", JSON_F_CUSTOM, AT(enqueue.trace), .read = read_trace,
	  .doc = "Trace context; taken from the request's traceparent and tracestate headers when left out." },
	{ "http", JSON_F_CUSTOM, AT(enqueue.target), .read = read_target,
	  .doc = "Its own HTTP target, over the queue's. Only in a queue whose target is http." },
	{ "metadata", JSON_F_CUSTOM, AT(enqueue.metadata), .read = read_metadata, .doc = "An object of the caller's, kept byte for byte beside the payload." },
	F_COMPAT(enqueue.compat),
	{ "past", JSON_F_CUSTOM, AT(enqueue.past), .read = read_past,
	  .doc = "What it went through in another queue that it comes from. Only in queues with compat; scope operate." },
};
static const struct json_field claim_fields[] = {
	F_OP,
	{ "queues", JSON_F_CUSTOM, AT(claim), 0, 0, JSON_F_REQUIRED, read_claim_queues,
	  "Queues to serve, in this order or by weight; made if there are none." },
	{ "namespace", JSON_F_CUSTOM, 0, .read = read_claim_namespace, .doc = "Of the queues that name none (default)." },
	{ "max", JSON_F_U32, AT(claim.max), 0, LIMIT_CLAIM, .doc = "How many jobs at most (1). 0 only tells when something is there." },
	{ "group_max", JSON_F_U32, AT(claim.group_max), 1, LIMIT_CLAIM,
	  .doc = "A batch: after a first job more of its group, at most so many in all, under one token. Instead of max." },
	{ "group_min", JSON_F_U32, AT(claim.group_min), 1, LIMIT_CLAIM,
	  .doc = "Of a batch: groups with fewer waiting jobs are left until their oldest has waited group_wait_ms (1)." },
	{ "group_wait_ms", JSON_F_I64, AT(claim.group_wait_ms), 1, LIMIT_DURATION_MS, .doc = "With group_min: how long jobs wait for more of their group." },
	{ "wait_ms", JSON_F_CUSTOM, AT(claim.wait_ms), .read = read_wait, .doc = "Waits so long for work. Not inside another call." },
	{ "lease_ms", JSON_F_I64, AT(claim.lease_ms), 1, LIMIT_LEASE_MS, .doc = "How long the right to run lasts without a heartbeat." },
	{ "worker", JSON_F_CUSTOM, AT(claim.worker), .read = read_name, .doc = "Who works, for people." },
	{ "token", JSON_F_CUSTOM, AT(claim.token), .read = read_lease_token, .doc = "The caller's lease token; left out: one is made." },
	F_COMPAT(claim.compat),
	{ "limiter", JSON_F_CUSTOM, AT(claim.limiter), .read = read_limiter, .doc = "With compat: what the worker knows of the queue's rate." },
};
static const struct json_field heartbeat_fields[] = {
	F_OP, F_HELD, F_TOKEN, F_FENCE,
	{ "lease_ms", JSON_F_I64, AT(lease.lease_ms), 1, LIMIT_LEASE_MS, .doc = "A new duration; left out: the present one." },
};
static const struct json_field complete_fields[] = {
	F_OP, F_HELD, F_TOKEN, F_FENCE,
	{ "result", JSON_F_RAW, AT(lease.body), .doc = "Any JSON value, kept byte for byte." },
	{ "filtered", JSON_F_CUSTOM, AT(lease.verdict), .read = read_filtered, .doc = "There was nothing to do." },
	F_KEEP,
	F_CLAIM,
};
static const struct json_field fail_fields[] = {
	F_OP, F_HELD, F_TOKEN, F_FENCE,
	{ "error", JSON_F_CUSTOM, AT(lease.error), .read = read_error, .doc = "What went wrong; longer than 16 KiB is cut." },
	{ "verdict", JSON_F_CUSTOM, AT(lease), .read = read_verdict,
	  .doc = "What follows: the policy decides, never again, again at once (first or last in line), or after a delay." },
	F_BACK_OFF, F_KEEP,
	F_CLAIM,
};
static const struct json_field release_fields[] = { F_OP, F_HELD, F_TOKEN, F_FENCE, F_BACK_OFF };
static const struct json_field await_fields[] = {
	F_OP, F_HELD, F_TOKEN, F_FENCE,
	{ "child", JSON_F_CUSTOM, AT(lease), .read = read_child, .doc = "Only if it waits for this one; left out: for any." },
	F_BACK_OFF,
};
static const struct json_field snooze_fields[] = {
	F_OP, F_HELD, F_TOKEN, F_FENCE,
	{ "delay_ms", JSON_F_I64, AT(lease.delay_ms), 0, LIMIT_DURATION_MS, 0, NULL, "Again after so long; costs no attempt. This or run_at." },
	{ "run_at", JSON_F_INSTANT, AT(lease.run_at_us), .doc = "Again at this instant." },
	F_BACK_OFF,
};
static const struct json_field progress_fields[] = {
	F_OP, F_HELD, F_TOKEN, F_FENCE,
	{ "progress", JSON_F_CUSTOM, AT(lease.body), 0, 0, JSON_F_REQUIRED, read_progress, "Any JSON value of at most 16 KiB." },
};
static const struct json_field log_fields[] = {
	F_OP, F_HELD, F_TOKEN, F_FENCE,
	{ "line", JSON_F_STR, AT(lease.body), 0, LIMIT_LOG_LINE_BYTES, 0, NULL, "A line of text; it may be left out, or be empty, where keep only trims." },
	{ "keep", JSON_F_CUSTOM, AT(lease), .read = read_keep_lines, .doc = "Only the newest so many lines stay." },
};
#define F_TREE(doc_) { "tree", JSON_F_BOOL, AT(job.tree), .doc = doc_ }
static const struct json_field cancel_fields[] = {
	F_OP, F_IDENTITY,
	F_ONLY_STATE,
	{ "reason", JSON_F_STR, AT(job.reason), 0, REASON_BYTES, .doc = "Why, for people." },
	F_TREE("And all jobs below it that have not ended; count: how many."),
};
static const struct json_field retry_fields[] = {
	F_OP, F_IDENTITY, F_ONLY_STATE,
	{ "payload", JSON_F_CUSTOM, AT(job), .read = read_payload, .doc = "An edited payload; the first one is kept beside it." },
	F_DELAY(job.delay_ms, "Not before so long has passed."),
	{ "keep_attempts", JSON_F_CUSTOM, AT(job.keep_attempts), .read = read_keep_attempts, .doc = "attempts_made goes on instead of beginning anew (no)." },
	{ "reset_started", JSON_F_BOOL, AT(job.reset_started), .doc = "attempts_started begins anew (no)." },
	{ "lifo", JSON_F_BOOL, AT(job.lifo), .doc = "First in line of its priority instead of last." },
	F_TREE("And all jobs below it that have ended without completing; who has children waits for them. count: how many."),
};
static const struct json_field job_fields[] = { F_OP, F_IDENTITY };
static const struct json_field promote_fields[] = { F_OP, F_IDENTITY, F_ONLY_STATE };
static const struct json_field delete_fields[] = {
	F_OP, F_IDENTITY, F_ONLY_STATE,
	{ "force", JSON_F_BOOL, AT(job.force), .doc = "A running one too: its lease is gone with it." },
	{ "children", JSON_F_CUSTOM, AT(job.tree), .read = read_children, .doc = "What becomes of its children, and theirs: keep (the default) or delete." },
};
static const struct json_field edit_fields[] = {
	F_OP, F_IDENTITY, F_ONLY_STATE,
	{ "payload", JSON_F_CUSTOM, AT(job), 0, 0, JSON_F_REQUIRED, read_payload, "The payload from now on; the first one is kept beside it." },
};
static const struct json_field reschedule_fields[] = {
	F_OP, F_IDENTITY, F_ONLY_STATE,
	{ "delay_ms", JSON_F_I64, AT(job.delay_ms), 0, LIMIT_DURATION_MS, 0, NULL, "Due after so long. This or run_at." },
	{ "run_at", JSON_F_INSTANT, AT(job.run_at_us), .doc = "Due at this instant." },
};
static const struct json_field detach_fields[] = {
	F_OP, F_IDENTITY,
	{ "parent", JSON_F_CUSTOM, AT(job.parent), 0, 0, JSON_F_REQUIRED, read_job_name, "Who does not wait for it any more." },
};
static const struct json_field priority_fields[] = {
	F_OP, F_IDENTITY, F_ONLY_STATE,
	{ "priority", JSON_F_I32, AT(job.priority), 0, LIMIT_PRIORITY, JSON_F_REQUIRED, NULL, "0 runs first." },
	{ "lifo", JSON_F_BOOL, AT(job.lifo), .doc = "First in line of it instead of last." },
};
static const struct json_field move_fields[] = {
	F_OP, F_UID(job.uid),
	{ "queue", JSON_F_CUSTOM, AT(job.to.name), 0, 0, JSON_F_REQUIRED, read_name, "Into this queue." },
	{ "namespace", JSON_F_CUSTOM, AT(job.to.namespace_name), .read = read_namespace, .doc = "Of this namespace (default)." },
	F_DELAY(job.delay_ms, "Not before so long has passed."),
};
static const struct json_field queue_put_fields[] = {
	F_OP, F_QUEUE,
	{ "settings", JSON_F_CUSTOM, AT(queue.settings), 0, 0, JSON_F_REQUIRED, read_queue_settings, "Settings, over the present ones." },
	{ "replace", JSON_F_BOOL, AT(queue.replace), .doc = "Over the defaults instead." },
};
static const struct json_field queue_fields[] = { F_OP, F_QUEUE };
static const struct json_field queue_get_fields[] = {
	F_OP, F_QUEUE,
	{ "priorities", JSON_F_CUSTOM, AT(queue), .read = read_priorities,
	  .doc = "Counts of these priorities, in this order; left out: of all that have jobs, the first 1,000." },
	{ "rate_max", JSON_F_U32, AT(queue.rate_max), 0, UINT32_MAX,
	  .doc = "In compat mode: rate_ttl_ms as if so many might start in a window; left out: as the queue is set." },
};
static const struct json_field queues_fields[] = { F_OP, F_LIMIT, F_CURSOR };
static const struct json_field group_put_fields[] = {
	F_OP, F_QUEUE, F_GROUP,
	{ "settings", JSON_F_CUSTOM, AT(queue.settings), 0, 0, JSON_F_REQUIRED, read_group_settings, "Overrides for this group." },
};
static const struct json_field group_fields[] = { F_OP, F_QUEUE, F_GROUP };
static const struct json_field groups_fields[] = { F_OP, F_QUEUE, F_LIMIT, F_CURSOR };
static const struct json_field back_off_fields[] = {
	F_OP,
	{ "namespace", JSON_F_CUSTOM, AT(back_off.queue.namespace_name), .read = read_namespace, .doc = "Of the queue or limit (default)." },
	{ "queue", JSON_F_CUSTOM, AT(back_off.queue.name), .read = read_name, .doc = "A queue; or say limit." },
	{ "group", JSON_F_STR, AT(back_off.group), 1, LIMIT_ID_BYTES, .doc = "Only this group of the queue." },
	{ "limit", JSON_F_CUSTOM, AT(back_off.limit), .read = read_name, .doc = "A limit; or say queue." },
	{ "delay_ms", JSON_F_I64, AT(back_off.delay_ms), 0, LIMIT_DURATION_MS, JSON_F_REQUIRED, NULL,
	  "Nothing starts before that has passed. A longer pause is never shortened; 0 ends it." },
};
static const struct json_field limit_put_fields[] = {
	F_OP, F_LIMIT_NAME,
	{ "settings", JSON_F_CUSTOM, AT(limit.settings), 0, 0, JSON_F_REQUIRED, read_limit_settings, "Settings, over the present ones." },
	{ "replace", JSON_F_BOOL, AT(limit.replace), .doc = "Over the defaults instead." },
};
static const struct json_field limit_fields[] = { F_OP, F_LIMIT_NAME };
static const struct json_field limit_acquire_fields[] = {
	F_OP, F_LIMIT_NAME, F_PERMIT,
	{ "units", JSON_F_U32, AT(limit.units), 1, LIMIT_RATE_MAX, .doc = "How many starts it is (1)." },
	{ "lease_ms", JSON_F_I64, AT(limit.lease_ms), 1, LIMIT_LEASE_MS, .doc = "Held so long unless the same token asks again (30,000)." },
};
static const struct json_field limit_release_fields[] = { F_OP, F_LIMIT_NAME, F_PERMIT };
static const struct json_field limits_fields[] = {
	F_OP,
	{ "namespace", JSON_F_CUSTOM, AT(limit.limit.namespace_name), .read = read_namespace, .doc = "Only of this one." },
	{ "limit", JSON_F_U32, AT(limit.page), 1, LIMIT_PAGE, 0, NULL, "How many at most." },
	{ "cursor", JSON_F_CUSTOM, AT(limit.after), 0, 0, 0, read_cursor, "next_cursor of the page before." },
};
static const struct json_field dedup_key_fields[] = {
	F_OP,
	{ "namespace", JSON_F_CUSTOM, AT(dedup_key.queue.namespace_name), 0, 0, 0, read_namespace, "The queue's namespace (default)." },
	{ "queue", JSON_F_CUSTOM, AT(dedup_key.queue.name), 0, 0, JSON_F_REQUIRED, read_name, "The queue." },
	{ "key", JSON_F_STR, AT(dedup_key.key), 1, LIMIT_ID_BYTES, JSON_F_REQUIRED, NULL, "The dedup key." },
	{ "uid", JSON_F_CUSTOM, AT(dedup_key.uid), .read = read_uid, .doc = "Only if this job owns it." },
};
#define F_EVENT_QUEUE                                                                                                 \
	{ "namespace", JSON_F_CUSTOM, AT(event.queue.namespace_name), 0, 0, 0, read_namespace, "The queue's namespace (default)." }, \
	{ "queue", JSON_F_CUSTOM, AT(event.queue.name), 0, 0, JSON_F_REQUIRED, read_name, "The queue." }
static const struct json_field event_fields[] = {
	F_OP, F_EVENT_QUEUE,
	{ "name", JSON_F_CUSTOM, AT(event.name), 0, 0, JSON_F_REQUIRED, read_name, "What happened, in the caller's own word." },
	{ "details", JSON_F_CUSTOM, AT(event.details), .read = read_details, .doc = "A JSON object of at most 16 KiB, told with it." },
};
static const struct json_field events_trim_fields[] = {
	F_OP, F_EVENT_QUEUE,
	{ "keep", JSON_F_I64, AT(event.keep), 0, INT64_MAX, JSON_F_REQUIRED, NULL, "So many of the newest events stay, at least." },
};
static const struct json_field sweep_fields[] = {
	F_OP, F_QUEUE,
	{ "interval_ms", JSON_F_I64, AT(queue.interval_ms), 0, LIMIT_DURATION_MS, JSON_F_REQUIRED, NULL, "Nothing happens if one was so short ago." },
	{ "max_stalls", JSON_F_U32, AT(queue.max_stalls), 0, UINT16_MAX, .doc = "Beyond so many stalls a job is to fail; left out: as the queue is set." },
};
#define F_CHAINS                                                                                                                          \
	{ "namespace", JSON_F_CUSTOM, AT(chain.queue.namespace_name), 0, 0, 0, read_namespace, "The queue's namespace (default)." }, \
	{ "queue", JSON_F_CUSTOM, AT(chain.queue.name), 0, 0, JSON_F_REQUIRED, read_name, "The queue." }
#define F_CHAIN                                                                                                                           \
	F_CHAINS, { "key", JSON_F_STR, AT(chain.key), 1, LIMIT_ID_BYTES, JSON_F_REQUIRED, NULL, "Its key, unique within the queue." }
#define F_ITERATION                                                                                                                            \
	{ "next_at", JSON_F_INSTANT, AT(chain.next_us), .doc = "When the job made now runs: where a pattern tells, in a queue with compat." }, \
	{ "iteration", JSON_F_CUSTOM, AT(chain.iteration), .read = read_metadata,                                                      \
	  .doc = "metadata of the job made now, instead of the chain's. In a queue with compat." }
static const struct json_field chain_put_fields[] = {
	F_OP, F_CHAIN,
	{ "schedule", JSON_F_CUSTOM, AT(chain.schedule), 0, 0, JSON_F_REQUIRED, read_chain_schedule, "When its jobs run." },
	{ "job", JSON_F_CUSTOM, AT(chain.job), .read = read_chain_job, .doc = "What each of its jobs has besides the payload." },
	{ "payload", JSON_F_RAW, AT(chain.payload), .doc = "Of each job: any JSON value of at most 256 KiB. Left out: null." },
	{ "metadata", JSON_F_CUSTOM, AT(chain.metadata), .read = read_metadata, .doc = "Of each job: an object of the caller's, kept byte for byte." },
	F_COMPAT(chain.compat), F_ITERATION,
};
static const struct json_field chain_next_fields[] = {
	F_OP, F_CHAIN, F_ITERATION,
	{ "producer_id", JSON_F_STR, AT(chain.producer), 1, LIMIT_ID_BYTES, JSON_F_REQUIRED, NULL,
	  "Id of the job that was claimed. When another one is the newest, nothing is made." },
};
static const struct json_field chain_fields[] = { F_OP, F_CHAIN };
static const struct json_field chains_fields[] = {
	F_OP, F_CHAINS,
	{ "limit", JSON_F_U32, AT(chain.limit), 1, LIMIT_PAGE, .doc = "How many at most." },
	{ "cursor", JSON_F_CUSTOM, AT(chain.after), .read = read_cursor, .doc = "next_cursor of the page before." },
	{ "order", JSON_F_CUSTOM, AT(chain.order), .read = read_chains_order, .doc = "By next time, first or last first, instead of by key." },
	{ "from", JSON_F_I64, AT(chain.from), 0, INT64_MAX, .doc = "With order: the place of the first one." },
	{ "to", JSON_F_I64, AT(chain.to), -1, INT64_MAX, .doc = "With order: the place of the last one; -1: to the end." },
};
static const struct json_field message_fields[] = {
	F_OP,
	{ "type", JSON_F_CUSTOM, AT(message.type), 0, 0, JSON_F_REQUIRED, read_message_type, "What happened: letters, digits, '_', '.' and '-'." },
	{ "payload", JSON_F_RAW, AT(message.payload), .doc = "Any JSON value, kept byte for byte. Left out: null." },
	{ "namespace", JSON_F_CUSTOM, AT(message.namespace_name), .read = read_namespace, .doc = "Of the endpoints (default)." },
	{ "entity", JSON_F_STR, AT(message.entity), 1, LIMIT_ID_BYTES, .doc = "What it is about: order, external ids and retracting go by it." },
	{ "key", JSON_F_STR, AT(message.key), 1, LIMIT_ID_BYTES, .doc = "The sender's id, unique within the namespace: a repeat answers the first message." },
	{ "channels", JSON_F_CUSTOM, AT(message.channels), .read = read_channels,
	  .doc = "At most 5: only endpoints with one of them, or with none, get it. Left out: all." },
	{ "metadata", JSON_F_CUSTOM, AT(message.metadata), .read = read_metadata, .doc = "An object that formats see, kept byte for byte." },
	{ "deleted", JSON_F_CUSTOM, AT(message.flags), .read = read_deleted, .doc = "The entity is gone: it is retracted where that is asked for." },
	{ "endpoint", JSON_F_CUSTOM, AT(message.only), .read = read_name, .doc = "Only for this endpoint, whatever that wants. Left out: for all." },
	{ "require_match", JSON_F_BOOL, AT(message.require_match), .doc = "Refused (no_endpoint), and nothing stored, when nobody wants it." },
};
static const struct json_field operation_start_fields[] = {
	F_OP,
	{ "action", JSON_F_CUSTOM, 0, 0, 0, JSON_F_REQUIRED, read_action, "What to do with each job." },
	{ "filter", JSON_F_CUSTOM, AT(operation.filter), 0, 0, JSON_F_REQUIRED, read_filter, "Which jobs." },
	{ "arguments", JSON_F_CUSTOM, 0, .read = read_arguments, .doc = "Of the action: priority, queue, delay_ms, payload, reason." },
};
static const struct json_field operation_fields[] = { F_OP, F_UID(operation.number) };
#undef AT

static bool enqueue_finish(struct json *json, struct op_reader *reader)
{
	const struct op_enqueue *enqueue = &reader->op->enqueue;
	if (enqueue->run_at_us && enqueue->delay_ms)
		return json_refuse_field(json, E_INVALID, "delay_ms", "Say either run_at or delay_ms, not both.");
	return true;
}

/* Where the path does not say it, a job is named by uid, or by queue and id. */
static bool named_once(struct json *json, uint64_t uid, struct str queue, struct str id)
{
	if (!uid && (!queue.len || !id.len))
		return json_refuse_field(json, E_INVALID, "uid", "Say which job: a uid, or a queue and an id.");
	if (uid && (queue.len || id.len))
		return json_refuse_field(json, E_INVALID, "uid", "Say either a uid, or a queue and an id, not both.");
	return true;
}

static bool job_finish(struct json *json, struct op_reader *reader)
{
	const struct op_job *job = &reader->op->job;
	return reader->place == OP_ALONE || named_once(json, job->uid, job->queue.name, job->id);
}

/* -1 stands for a delay that was not given (op_set_defaults). */
static bool one_time(struct json *json, int64_t *delay_ms, int64_t run_at_us)
{
	if (*delay_ms < 0 && !run_at_us)
		return json_refuse_field(json, E_INVALID, "delay_ms", "Say when: delay_ms or run_at.");
	if (*delay_ms >= 0 && run_at_us)
		return json_refuse_field(json, E_INVALID, "delay_ms", "Say either run_at or delay_ms, not both.");
	if (*delay_ms < 0)
		*delay_ms = 0;
	return true;
}

static bool reschedule_finish(struct json *json, struct op_reader *reader)
{
	struct op_job *job = &reader->op->job;
	return job_finish(json, reader) && one_time(json, &job->delay_ms, job->run_at_us);
}

static bool log_says_something(struct json *json, const struct op_lease *lease)
{
	return lease->body.ptr || lease->trims || json_refuse_field(json, E_INVALID, "line", "Say a line, or how many to keep.");
}

static bool lease_finish(struct json *json, struct op_reader *reader)
{
	struct op_lease *lease = &reader->op->lease;
	enum op_kind kind = reader->op->kind;
	if (reader->place != OP_ALONE && !named_once(json, lease->uid, lease->queue.name, lease->id))
		return false;
	if (kind == OP_SNOOZE && !one_time(json, &lease->delay_ms, lease->run_at_us))
		return false;
	if (kind == OP_LOG && !log_says_something(json, lease))
		return false;
	if (lease->token.len || reader->place == OP_IN_LIST) /* a list's token may stand beside it: leases.c looks */
		return true;
	if (kind == OP_PROGRESS || kind == OP_LOG) /* some queues need none: the engine looks */
		return true;
	return json_refuse_field(json, E_INVALID, "token", "The lease token of the claim is needed.");
}

static bool back_off_finish(struct json *json, struct op_reader *reader)
{
	const struct op_back_off *back_off = &reader->op->back_off;
	if (reader->place != OP_ALONE && (back_off->queue.name.len > 0) == (back_off->limit.len > 0))
		return json_refuse_field(json, E_INVALID, "queue", "Say either a queue or a limit.");
	if (back_off->group.len && !back_off->queue.name.len)
		return json_refuse_field(json, E_INVALID, "group", "Say the group's queue.");
	return true;
}

struct op_form {
	const struct json_field *fields;
	uint8_t count;
	uint8_t head; /* fields at the start that say what and who: not when alone */
	uint8_t tail; /* fields at the end that only stand alone */
	bool (*finish)(struct json *json, struct op_reader *reader);
};
#define FORM(table, head_fields, tail_fields, finisher) { table, ARRAY_COUNT(table), head_fields, tail_fields, finisher }
static const struct op_form op_forms[OP_KIND_COUNT] = {
	[OP_ENQUEUE] = FORM(enqueue_fields, 1, 0, enqueue_finish),
	[OP_CLAIM] = FORM(claim_fields, 1, 0, claim_finish),
	[OP_HEARTBEAT] = FORM(heartbeat_fields, 5, 0, lease_finish),
	[OP_COMPLETE] = FORM(complete_fields, 5, 1, lease_finish),
	[OP_FAIL] = FORM(fail_fields, 5, 1, lease_finish),
	[OP_RELEASE] = FORM(release_fields, 5, 0, lease_finish),
	[OP_SNOOZE] = FORM(snooze_fields, 5, 0, lease_finish),
	[OP_PROGRESS] = FORM(progress_fields, 5, 0, lease_finish),
	[OP_LOG] = FORM(log_fields, 5, 0, lease_finish),
	[OP_AWAIT_CHILDREN] = FORM(await_fields, 5, 0, lease_finish),
	[OP_DETACH] = FORM(detach_fields, 5, 0, job_finish),
	[OP_CHILDREN_DELETE] = FORM(job_fields, 5, 0, job_finish),
	[OP_CANCEL] = FORM(cancel_fields, 5, 0, job_finish),
	[OP_RETRY] = FORM(retry_fields, 5, 0, job_finish),
	[OP_PROMOTE] = FORM(promote_fields, 5, 0, job_finish),
	[OP_REPRIORITISE] = FORM(priority_fields, 5, 0, job_finish),
	[OP_MOVE] = FORM(move_fields, 2, 0, NULL),
	[OP_DELETE] = FORM(delete_fields, 5, 0, job_finish),
	[OP_EDIT] = FORM(edit_fields, 5, 0, job_finish),
	[OP_RESCHEDULE] = FORM(reschedule_fields, 5, 0, reschedule_finish),
	[OP_QUEUE_PUT] = FORM(queue_put_fields, 3, 0, NULL),
	[OP_QUEUE_PAUSE] = FORM(queue_fields, 3, 0, NULL),
	[OP_QUEUE_RESUME] = FORM(queue_fields, 3, 0, NULL),
	[OP_QUEUE_DELETE] = FORM(queue_fields, 3, 0, NULL),
	[OP_GROUP_PUT] = FORM(group_put_fields, 4, 0, NULL),
	[OP_GROUP_DELETE] = FORM(group_fields, 4, 0, NULL),
	[OP_GROUP_PAUSE] = FORM(group_fields, 4, 0, NULL),
	[OP_GROUP_RESUME] = FORM(group_fields, 4, 0, NULL),
	[OP_BACK_OFF] = FORM(back_off_fields, 5, 0, back_off_finish),
	[OP_LIMIT_PUT] = FORM(limit_put_fields, 3, 0, NULL),
	[OP_LIMIT_DELETE] = FORM(limit_fields, 3, 0, NULL),
	[OP_LIMIT_ACQUIRE] = FORM(limit_acquire_fields, 3, 0, NULL),
	[OP_LIMIT_RELEASE] = FORM(limit_release_fields, 3, 0, NULL),
	[OP_LIMIT_GET] = FORM(limit_fields, 3, 0, NULL),
	[OP_LIMITS] = FORM(limits_fields, 1, 0, NULL),
	[OP_EVENT] = FORM(event_fields, 3, 0, NULL),
	[OP_EVENTS_TRIM] = FORM(events_trim_fields, 3, 0, NULL),
	[OP_SWEEP] = FORM(sweep_fields, 3, 0, NULL),
	[OP_QUEUE_RESET] = FORM(queue_fields, 3, 0, NULL),
	[OP_MESSAGE] = FORM(message_fields, 1, 0, NULL),
	[OP_OPERATION_START] = FORM(operation_start_fields, 1, 0, operation_finish),
	[OP_OPERATION_PAUSE] = FORM(operation_fields, 2, 0, NULL),
	[OP_OPERATION_RESUME] = FORM(operation_fields, 2, 0, NULL),
	[OP_OPERATION_CANCEL] = FORM(operation_fields, 2, 0, NULL),
	[OP_DEDUP_GET] = FORM(dedup_key_fields, 4, 0, NULL),
	[OP_DEDUP_RELEASE] = FORM(dedup_key_fields, 4, 0, NULL),
	[OP_CHAIN_PUT] = FORM(chain_put_fields, 4, 0, NULL),
	[OP_CHAIN_NEXT] = FORM(chain_next_fields, 4, 0, NULL),
	[OP_CHAIN_DELETE] = FORM(chain_fields, 4, 0, NULL),
	[OP_CHAIN_GET] = FORM(chain_fields, 4, 0, NULL),
	[OP_CHAINS] = FORM(chains_fields, 3, 0, NULL),
	[OP_EXPLAIN] = FORM(job_fields, 5, 0, job_finish),
	[OP_QUEUE_GET] = FORM(queue_get_fields, 3, 0, NULL),
	[OP_QUEUES] = FORM(queues_fields, 1, 0, NULL),
	[OP_GROUPS] = FORM(groups_fields, 3, 0, NULL),
};

const struct json_field *op_fields(enum op_kind kind, enum op_place place, uint32_t *count)
{
	const struct op_form *form = &op_forms[kind];
	uint32_t skip = place == OP_IN_BATCH ? 0 : place == OP_IN_LIST ? 1 : form->head;
	CHECK(form->fields != NULL);
	*count = form->count - skip - (place == OP_IN_LIST ? form->tail : 0);
	return form->fields + skip;
}

/* ---- reading ---- */

static void op_set_defaults(struct op *op)
{
	if (op->kind == OP_CLAIM)
		op->claim.max = 1;
	else if (op->kind == OP_QUEUES || op->kind == OP_GROUPS)
		op->queue.limit = 100;
	else if (op->kind == OP_SWEEP)
		op->queue.max_stalls = UINT32_MAX;
	else if (op->kind == OP_LIMITS)
		op->limit.page = 100;
	else if (op->kind == OP_LIMIT_ACQUIRE)
		op->limit.units = 1;
	else if (op->kind == OP_SNOOZE)
		op->lease.delay_ms = -1;
	else if (op->kind == OP_RESCHEDULE)
		op->job.delay_ms = -1;
}

bool op_read(struct json *json, struct op *op, enum op_place place, struct op_rider *rider)
{
	struct op_reader reader = { .op = op, .place = place, .rider = rider };
	uint32_t count;
	const struct json_field *fields = op_fields(op->kind, place, &count);
	if (place != OP_IN_LIST && !rider)
		count -= op_forms[op->kind].tail;
	op_set_defaults(op);
	if (!json_read_fields(json, fields, count, op, &reader, NULL))
		return false;
	return op_forms[op->kind].finish ? op_forms[op->kind].finish(json, &reader) : true;
}

/* "op" as the first member costs a glance; elsewhere, a scan of the object. */
static bool op_find_kind(struct json *json, struct str *out)
{
	struct json glance;
	struct str key;
	json_peek(json);
	json_init(&glance, (struct str){ json->next, (size_t)(json->end - json->next) }, json->arena, NULL);
	if (!json_enter_object(&glance))
		return false;
	while (json_next_key(&glance, &key)) {
		if (str_eq(key, STR("op")))
			return json_read_str(&glance, 64, out);
		if (!json_skip(&glance))
			return false;
	}
	return false;
}

static bool op_refuse_kind(struct json *json, struct str name)
{
	struct suggest suggest;
	suggest_init(&suggest, name);
	for (int kind = 0; kind < OP_KIND_COUNT; kind++)
		if (op_kind_name((enum op_kind)kind))
			suggest_offer(&suggest, op_kind_name((enum op_kind)kind));
	const char *best = suggest_best(&suggest);
	return json_refuse_field(json, E_INVALID, "op", "\"" STR_FMT "\" is no operation%s%s%s", STR_ARG(str_cut(name, 40)),
				 best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : ".");
}

bool op_read_in_batch(struct json *json, struct op *op, struct op_rider *rider)
{
	struct str name = { 0 };
	if (!op_find_kind(json, &name)) {
		if (json_peek(json) != JSON_OBJECT)
			return json_enter_object(json); /* says what was wanted */
		return json_skip(json) ? json_refuse_field(json, E_INVALID, "op", "This text is required: what to do.") : false;
	}
	if (op_kind_parse(name, &op->kind) || !op_forms[op->kind].fields)
		return op_refuse_kind(json, name);
	return op_read(json, op, OP_IN_BATCH, rider);
}

/* ---- for the OpenAPI document ---- */

const char *op_field_type(const struct json_field *field)
{
	static const struct {
		bool (*read)(struct json *json, void *out, void *context);
		const char *type;
	} types[] = {
		{ read_name, "Name" }, { read_namespace, "Name" }, { read_op_name, "OpName" }, { read_uid, "Uid" }, { read_lease_token, "LeaseToken" },
		{ read_tags, "Tag[]" }, { read_trace, "Trace" }, { read_target, "HttpTarget" }, { read_dedup, "Dedup" },
		{ read_past, "Past" }, { read_past_state, "State" }, { read_past_result, "any" }, { read_past_errors, "JobError[]" },
		{ read_past_lines, "string[]" }, { read_past_children, "PastChild[]" }, { read_edge_state, "=done,ignored,failed" },
		{ read_parents, "Parent[]" }, { read_job_name, "OtherJob" },
		{ read_child, "OtherJob" }, { read_children, "Children" }, { read_on_failure, "OnFailure" }, { read_ref, "integer" },
		{ read_chains_order, "ChainsOrder" }, { read_chain_schedule, "ChainSchedule" },
		{ read_chain_job, "ChainJob" }, { retry_policy_read_new, "RetryPolicy" },
		{ read_progress, "any" }, { read_payload, "any" }, { read_filtered, "boolean" }, { read_wait, "WaitMs" },
		{ read_claim_queues, "ClaimQueue[]" }, { read_claim_namespace, "Name" }, { read_rider, "ClaimInside" },
		{ read_error, "JobError" }, { read_verdict, "Verdict" }, { read_queue_settings, "QueueSettings" },
		{ read_group_settings, "GroupSettings" }, { read_limit_settings, "LimitSettings" }, { read_back_off, "BackOffBy" },
		{ read_filter, "JobFilter" }, { read_cursor, "string" },
		{ read_priorities, "integer[]" }, { read_details, "object" }, { read_action, "Action" }, { read_arguments, "object" },
		{ read_metadata, "object" }, { read_compat, "Compat" }, { read_limiter, "Limiter" },
		{ read_message_type, "MessageType" }, { read_channels, "string[]" }, { read_deleted, "boolean" },
		{ read_only_state, "State" }, { read_keep_attempts, "boolean" }, { read_keep_lines, "count" }, { read_keep, "Keep" },
	};
	for (size_t i = 0; field->type == JSON_F_CUSTOM && i < ARRAY_COUNT(types); i++)
		if (types[i].read == field->read)
			return types[i].type;
	return NULL;
}
