#include "deliver/bundle_verdict.h"
#include "base/json.h"
#include "base/json_tree.h"
#include "base/uid.h"
#include "deliver/redact.h"
#include "rules/batch_words.h"
#include "rules/json_path.h"

#define EXCERPT_LEAST 512 /* of what was sent of one message */

struct bundle_work { /* verdicts being made */
	const struct bundle *bundle;
	const struct effect *effect;
	const struct bundle_end *end;
	struct arena *arena;
	struct buf *scratch;
	int64_t now_us;
	uint32_t speaker;           /* the first that was sent, is still somebody's and no test: what is about the call, its verdict says */
	enum http_class http_class;
	bool halves;                /* all with a body go back */
	uint32_t learnt;
	struct op whole;            /* CALLED, and not handed back: as if the first one had been alone */
	const struct str *ids;      /* of the other side, in the order of the bodies; NULL: not known */
};

/* ---- what the answer says ---- */

static bool bundle_may_halve(const struct bundle_work *work)
{
	int status = work->end->outcome->status;
	return work->bundle->size > 1 && work->http_class == HTTP_CLASS_STATUS_4XX && status != 404 &&
	       hook_blame(work->http_class, status) == BLAME_RECORD;
}

static void bundle_look(struct bundle_work *work)
{
	const struct http_outcome *outcome = work->end->outcome;
	work->http_class = verdict_class(&work->end->call->policy, outcome);
	work->halves = bundle_may_halve(work);
	if (work->halves && (outcome->status == 400 || outcome->status == 413 || outcome->status == 422))
		work->learnt = batch_words_most(outcome->body, work->bundle->size);
}

/* One for each, or none at all. */
static enum err bundle_find_ids(struct bundle_work *work)
{
	const struct http_outcome *outcome = work->end->outcome;
	const struct hook *hook = work->end->call->hook;
	uint32_t size = work->bundle->size;
	struct json_node *root;
	struct arena tree;
	if (work->http_class != HTTP_CLASS_OK || !hook->external_id.len || outcome->truncated || !outcome->body.len)
		return E_OK;
	arena_init(&tree, 0);
	const struct json_node **nodes = ARENA_ARRAY(&tree, const struct json_node *, size);
	struct str *ids = ARENA_ARRAY(work->arena, struct str, size);
	enum err err = nodes && ids ? json_tree_read(outcome->body, &tree, &root, NULL) : E_NOMEM;
	if (!err && json_path_find(root, hook->external_id, nodes, size) == size) {
		for (uint32_t i = 0; i < size && !err; i++) {
			bool usable = hook_id_is_usable(nodes[i]) && !hook_shows_secret(hook, nodes[i]->text, &tree);
			ids[i] = usable ? arena_str(work->arena, nodes[i]->text) : STR("");
			err = ids[i].ptr ? E_OK : E_NOMEM;
		}
		work->ids = ids;
	}
	arena_fini(&tree);
	return err == E_NOMEM ? err : E_OK;
}

/* ---- one message ---- */

static struct str part_exchange(struct bundle_work *work, uint32_t place)
{
	const struct bundle *bundle = work->bundle;
	const struct bundle_part *part = &bundle->parts[place];
	const struct hook *hook = work->end->call->hook;
	struct buf *text = work->scratch;
	struct str whole = work->whole.lease.exchange, sent = str_cut(part->body, 2 * VERDICT_EXCERPT_BYTES);
	size_t most = VERDICT_EXCERPT_BYTES / bundle->size;
	if (redact_values(sent, hook->secrets, hook->secret_count, work->arena, &sent))
		return (struct str){ 0 };
	buf_clear(text);
	if (place == work->speaker) {
		buf_add(text, (struct str){ whole.ptr, whole.len - 1 });
	} else {
		char uid[UID_TEXT_BYTES];
		uid_text(bundle->parts[work->speaker].rider.uid, uid);
		buf_add_byte(text, '{');
		json_put_field_str(text, "kind", STR("batch"));
		json_put_field_str(text, "batch", hook->message_id);
		json_put_field_str(text, "told_by", str_of(uid));
		json_put_field_str(text, "method", str_of(work->end->call->method));
		if (work->end->outcome->status)
			json_put_field_i64(text, "status", work->end->outcome->status);
		json_put_field_str(text, "class", str_of(http_class_code(work->http_class)));
		json_put_field_str(text, "request_excerpt", str_cut(sent, most < EXCERPT_LEAST ? EXCERPT_LEAST : most));
		json_put_field_u64(text, "request_bytes", part->body.len);
	}
	json_put_field_str(text, "message", part->hook->message_id);
	json_put_field_u64(text, "place", part->nth);
	json_put_field_u64(text, "size", bundle->size);
	buf_add_byte(text, '}');
	return buf_ok(text) ? arena_str(work->arena, buf_str(text)) : (struct str){ 0 };
}

static struct str part_result(struct bundle_work *work, uint32_t nth)
{
	struct buf *text = work->scratch;
	buf_clear(text);
	buf_add_byte(text, '{');
	json_put_field_i64(text, "status", work->end->outcome->status);
	json_put_field_str(text, "batch", work->end->call->hook->message_id);
	json_put_field_u64(text, "place", nth);
	if (work->ids && work->ids[nth].len)
		json_put_field_str(text, "external_id", work->ids[nth]);
	buf_add_byte(text, '}');
	return buf_ok(text) ? arena_str(work->arena, buf_str(text)) : (struct str){ 0 };
}

/* What was said of the whole call holds for this one; what it says of the endpoint, the first one tells. */
static struct op_hook *part_hook(struct bundle_work *work, uint32_t place)
{
	const struct bundle_part *part = &work->bundle->parts[place];
	struct op_hook *told = ARENA_NEW(work->arena, struct op_hook);
	if (!told)
		return NULL;
	*told = *work->whole.lease.hook;
	told->message = part->hook->message;
	told->test = part->hook->test;
	if (place == work->speaker) {
		told->batch_size = work->bundle->size;
	} else {
		told->blame = BLAME_NONE;
		told->overloaded = false;
	}
	if (work->whole.kind != OP_COMPLETE || told->test || !part->hook->entity.len)
		return told;
	told->entity = arena_str(work->arena, part->hook->entity);
	told->entity_state = ENTITY_DELIVERED;
	told->external_id = work->ids ? work->ids[part->nth] : STR("");
	return told->entity.ptr ? told : NULL;
}

static enum err part_told(struct bundle_work *work, uint32_t place, struct op *op)
{
	const struct effect_rider *rider = &work->bundle->parts[place].rider;
	struct op_lease *lease = &op->lease;
	int status = work->end->outcome->status;
	*op = work->whole;
	lease->uid = rider->uid;
	lease->fence = rider->fence;
	lease->hook = part_hook(work, place);
	if (op->kind == OP_COMPLETE)
		lease->body = part_result(work, work->bundle->parts[place].nth);
	else if (lease->busy && (status == 429 || status == 503) && lease->verdict != VERDICT_FINAL)
		lease->costs_nothing = work->now_us - uid_time_us(rider->uid) <= HOOK_BUSY_MAX_US;
	if (place != work->speaker)
		lease->busy = false; /* once is enough */
	lease->exchange = part_exchange(work, place);
	return lease->hook && lease->exchange.ptr && (op->kind != OP_COMPLETE || lease->body.ptr) ? E_OK : E_NOMEM;
}

static enum err part_trouble(struct bundle_work *work, uint32_t place, enum http_class http_class, const char *detail, struct op *op)
{
	struct effect alone = bundle_effect(work->bundle, work->effect, place);
	enum err err = hook_verdict_of_trouble(&alone, http_class, detail, work->arena, work->scratch, op);
	struct op_hook *told = err ? NULL : ARENA_NEW(work->arena, struct op_hook);
	if (!told)
		return E_NOMEM;
	*told = *op->lease.hook;
	if (place != work->speaker)
		told->blame = BLAME_NONE;
	op->lease.hook = told;
	return E_OK;
}

/* Handed back. What the engine learns stands with the first. */
static enum err part_back(struct bundle_work *work, uint32_t place, bool learns, struct op *op)
{
	struct effect alone = bundle_effect(work->bundle, work->effect, place);
	verdict_release(&alone, op);
	if (!learns)
		return E_OK;
	struct op_hook *told = hook_told(&alone, work->arena);
	if (!told)
		return E_NOMEM;
	told->batch_size = work->end->kind == BUNDLE_END_ALONE ? 2 : work->bundle->size;
	told->batch_learnt = work->learnt;
	told->bisect = true;
	op->lease.hook = told;
	return E_OK;
}

static enum err part_of_body(struct bundle_work *work, uint32_t place, struct op *op)
{
	const struct bundle_end *end = work->end;
	if (work->halves)
		return part_back(work, place, place == work->speaker, op);
	if (end->kind == BUNDLE_END_CALLED)
		return part_told(work, place, op);
	if (end->kind == BUNDLE_END_FAILED || end->kind == BUNDLE_END_HALVES)
		return part_trouble(work, place, end->http_class, end->detail, op);
	return part_back(work, place, false, op);
}

static enum err part_verdict(struct bundle_work *work, uint32_t place, struct op *op)
{
	const struct bundle_part *part = &work->bundle->parts[place];
	struct effect alone = bundle_effect(work->bundle, work->effect, place);
	bool all_back = work->end->kind == BUNDLE_END_RELEASED || work->end->kind == BUNDLE_END_ALONE;
	if (all_back)
		return part_back(work, place, work->end->kind == BUNDLE_END_ALONE && place == 0, op);
	switch (part->state) {
	case PART_BODY: return part_of_body(work, place, op);
	case PART_FILTERED: return hook_verdict_filtered(&alone, part->reason, work->arena, op);
	case PART_FAILED: return part_trouble(work, place, part->http_class, part->detail, op);
	case PART_BACK: return part_back(work, place, false, op);
	default: return work->end->kind == BUNDLE_END_FAILED ? part_trouble(work, place, work->end->http_class, work->end->detail, op)
							    : part_back(work, place, false, op);
	}
}

static uint32_t bundle_speaker(const struct bundle *bundle)
{
	uint32_t speaker = bundle->count - 1;
	for (uint32_t i = bundle->count; i > bundle->first; i--) {
		const struct bundle_part *part = &bundle->parts[i - 1];
		bool louder = bundle->parts[speaker].state != PART_BODY || bundle->parts[speaker].subject.test || !part->subject.test;
		if (part->state == PART_BODY && louder)
			speaker = i - 1;
	}
	return speaker;
}

static enum err bundle_begin(struct bundle_work *work)
{
	const struct bundle_end *end = work->end;
	work->speaker = bundle_speaker(work->bundle);
	work->halves = end->kind == BUNDLE_END_HALVES && work->bundle->size > 1;
	if (end->kind != BUNDLE_END_CALLED)
		return E_OK;
	bundle_look(work);
	if (work->halves)
		return E_OK;
	struct effect alone = bundle_effect(work->bundle, work->effect, work->speaker);
	enum err err = hook_verdict(&alone, end->call, end->outcome, work->now_us, work->arena, work->scratch, &work->whole);
	return err ? err : bundle_find_ids(work);
}

static bool shaping_was_slow(const struct shaping *shaping) /* before its letter came it is another thread's */
{
	return shaping && shaping->came && shaping_is_slow(shaping);
}

/* Whose verdict says that bodies took long to make; bundle->count: they did not. */
static uint32_t bundle_slow_place(const struct bundle_work *work)
{
	const struct bundle *bundle = work->bundle;
	bool slow = work->end->waited || shaping_was_slow(bundle->wrap);
	for (uint32_t i = 0; i < bundle->count; i++)
		slow = slow || shaping_was_slow(bundle->parts[i].shaping);
	uint32_t place = slow ? work->speaker : bundle->count;
	for (uint32_t i = 0; i < bundle->count && slow && bundle->parts[place].state == PART_GONE; i++)
		place = i;
	return place;
}

/* Handed back, and that is all that is said of it besides. */
static enum err part_slow(struct bundle_work *work, uint32_t place, struct op *op)
{
	struct effect alone = bundle_effect(work->bundle, work->effect, place);
	return hook_verdict_slow(&alone, work->arena, op);
}

enum err bundle_verdicts(const struct bundle *bundle, const struct effect *effect, const struct bundle_end *end, int64_t now_us, struct arena *arena,
			struct buf *scratch, struct op *ops, uint32_t *out_count)
{
	struct bundle_work work = { .bundle = bundle, .effect = effect, .end = end, .arena = arena, .scratch = scratch, .now_us = now_us };
	uint32_t count = 0;
	enum err err = bundle_begin(&work);
	uint32_t slow = bundle_slow_place(&work);
	for (uint32_t i = bundle->count; i > 0 && !err; i--) {
		if (bundle->parts[i - 1].state == PART_GONE)
			continue;
		struct op *op = &ops[count++];
		err = part_verdict(&work, i - 1, op);
		struct hook_subject subject = bundle->parts[i - 1].subject;
		subject.slow = i - 1 == slow;
		if (!err && subject.slow && op->kind == OP_RELEASE && !op->lease.hook)
			err = part_slow(&work, i - 1, op);
		err = err ? err : hook_verdict_about(&subject, arena, op);
		op->lease.token = i > 1 ? RIDER_TOKEN : DELIVERY_TOKEN;
	}
	*out_count = count;
	return err;
}
