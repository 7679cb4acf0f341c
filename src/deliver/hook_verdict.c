#include "deliver/hook_verdict.h"
#include "base/json_tree.h"
#include "base/limits.h"
#include "base/uid.h"
#include "deliver/redact.h"
#include "rules/json_path.h"

/* ---- whose fault it was ---- */

static enum blame hook_blame_of_refusal(int status)
{
	bool all_of_it = status == 401 || status == 403 || status == 407 || status == 410; /* the next message would fare no better */
	return all_of_it ? BLAME_ENDPOINT : BLAME_RECORD;
}

enum blame hook_blame(enum http_class http_class, int status)
{
	switch (http_class) {
	case HTTP_CLASS_OK: return BLAME_WELL;
	case HTTP_CLASS_DNS:
	case HTTP_CLASS_CONNECT:
	case HTTP_CLASS_TLS:
	case HTTP_CLASS_TIMEOUT:
	case HTTP_CLASS_RESET:
	case HTTP_CLASS_PROTOCOL:
	case HTTP_CLASS_REDIRECT:
	case HTTP_CLASS_GUARDED:
	case HTTP_CLASS_AUTH:
	case HTTP_CLASS_STATUS_5XX:
	case HTTP_CLASS_STATUS_OTHER: return BLAME_ENDPOINT;
	case HTTP_CLASS_STATUS_4XX: return hook_blame_of_refusal(status);
	default: return BLAME_NONE;
	}
}

/* ---- the other side's own id ---- */

bool hook_shows_secret(const struct hook *hook, struct str text, struct arena *arena)
{
	struct str clean;
	return redact_values(text, hook->secrets, hook->secret_count, arena, &clean) || clean.ptr != text.ptr;
}

bool hook_id_is_usable(const struct json_node *node)
{
	bool typed = node->type == JSON_STRING || node->type == JSON_NUMBER;
	return typed && node->text.len && node->text.len <= LIMIT_ID_BYTES && !memchr(node->text.ptr, '\0', node->text.len);
}

/* *out stays empty when the answer has none. */
static enum err hook_find_id(const struct hook *hook, const struct http_outcome *outcome, struct arena *arena, struct str *out)
{
	struct json_node *root;
	const struct json_node *node;
	struct arena tree;
	if (!hook->external_id.len || !hook->entity.len || hook->retracts || outcome->truncated || !outcome->body.len)
		return E_OK;
	arena_init(&tree, 0);
	enum err err = json_tree_read(outcome->body, &tree, &root, NULL);
	if (!err && json_path_find(root, hook->external_id, &node, 1) && hook_id_is_usable(node) && !hook_shows_secret(hook, node->text, &tree)) {
		*out = arena_str(arena, node->text);
		err = out->ptr ? E_OK : E_NOMEM;
	}
	arena_fini(&tree);
	return err == E_NOMEM ? err : E_OK; /* what is no JSON has no id */
}

/* ---- the operation ---- */

struct op_hook *hook_told(const struct effect *effect, struct arena *arena)
{
	struct op_hook *told = ARENA_NEW(arena, struct op_hook);
	if (told)
		told->endpoint = effect->endpoint_number;
	return told;
}

static enum err hook_tell_success(const struct hook *hook, const struct http_outcome *outcome, struct arena *arena, struct op_hook *told)
{
	if (hook->test || !hook->entity.len)
		return E_OK;
	told->entity = arena_str(arena, hook->entity);
	told->entity_state = hook->retracts ? ENTITY_RETRACTED : ENTITY_DELIVERED;
	return told->entity.ptr ? hook_find_id(hook, outcome, arena, &told->external_id) : E_NOMEM;
}

/* The values of its secrets go from all that is kept of the answer. */
static enum err hook_clean(const struct hook *hook, const struct http_outcome *outcome, struct arena *arena, struct http_outcome *out)
{
	struct str why = str_of(outcome->why);
	*out = *outcome;
	if (redact_values(outcome->headers, hook->secrets, hook->secret_count, arena, &out->headers) ||
	    redact_values(outcome->body, hook->secrets, hook->secret_count, arena, &out->body) ||
	    redact_values(why, hook->secrets, hook->secret_count, arena, &why))
		return E_NOMEM;
	out->why = why.ptr;
	return E_OK;
}

/* Somebody who asks to wait is not at fault, and neither is the delivery. */
static void hook_spare_attempt(const struct effect *effect, const struct hook *hook, int status, int64_t now_us, struct op_lease *lease)
{
	bool asked = lease->busy && (status == 429 || status == 503);
	if (asked && !hook->alone && lease->verdict != VERDICT_FINAL)
		lease->costs_nothing = now_us - uid_time_us(effect->uid) <= HOOK_BUSY_MAX_US;
	if (hook->alone)
		lease->busy = false;
}

enum err hook_verdict(const struct effect *effect, const struct call *call, const struct http_outcome *outcome, int64_t now_us,
		      struct arena *arena, struct buf *scratch, struct op *op)
{
	const struct hook *hook = call->hook;
	struct http_outcome clean;
	struct op_hook *told = hook_told(effect, arena);
	enum err err = told ? hook_clean(hook, outcome, arena, &clean) : E_NOMEM;
	if (err)
		return err;
	enum http_class http_class = verdict_class(&call->policy, outcome);
	struct op made;
	told->blame = hook_blame(http_class, outcome->status);
	told->message = hook->message;
	told->test = hook->test;
	told->gone = http_class == HTTP_CLASS_STATUS_4XX && outcome->status == 410;
	told->overloaded = http_class == HTTP_CLASS_STATUS_5XX && (outcome->status == 502 || outcome->status == 504);
	if (http_class == HTTP_CLASS_OK)
		err = hook_tell_success(hook, outcome, arena, told);
	if (!err)
		err = verdict_of_outcome(effect, call, &clean, now_us, arena, scratch, &made);
	if (err)
		return err;
	made.lease.hook = told;
	told->gone &= made.lease.verdict == VERDICT_FINAL; /* or its policy knows better */
	if (made.kind == OP_COMPLETE && hook->retracts)
		made.lease.body = str_of(arena_printf(arena, "{\"status\":%d,\"retracted\":true}", outcome->status));
	else if (made.kind == OP_FAIL)
		hook_spare_attempt(effect, hook, outcome->status, now_us, &made.lease);
	if (made.kind == OP_COMPLETE && !made.lease.body.ptr)
		return E_NOMEM;
	*op = made;
	return E_OK;
}

enum err hook_verdict_about(const struct hook_subject *subject, struct arena *arena, struct op *op)
{
	const struct op_hook *said = op->lease.hook;
	bool failed = op->kind == OP_FAIL;
	if (!said || (!failed && !subject->meta && !subject->slow))
		return E_OK;
	struct op_hook *told = ARENA_NEW(arena, struct op_hook);
	if (!told)
		return E_NOMEM;
	*told = *said;
	told->meta = subject->meta;
	told->test |= subject->test; /* also where it could not be sent */
	told->slow = subject->slow;
	told->message = subject->message;
	if (failed) {
		told->about_type = arena_str(arena, subject->type);
		told->about_entity = arena_str(arena, subject->entity);
	}
	op->lease.hook = told;
	return failed && (!told->about_type.ptr || !told->about_entity.ptr) ? E_NOMEM : E_OK;
}

enum err hook_verdict_slow(const struct effect *effect, struct arena *arena, struct op *op)
{
	struct op_hook *told = hook_told(effect, arena);
	if (!told)
		return E_NOMEM;
	told->slow = true;
	verdict_release(effect, op);
	op->lease.hook = told;
	return E_OK;
}

enum err hook_verdict_filtered(const struct effect *effect, const char *reason, struct arena *arena, struct op *op)
{
	struct op_hook *told = hook_told(effect, arena);
	const char *result = arena_printf(arena, "{\"reason\":\"%s\"}", reason);
	if (!told || !result)
		return E_NOMEM;
	*op = (struct op){ .kind = OP_COMPLETE, .lease = { .uid = effect->uid, .token = DELIVERY_TOKEN, .fence = effect->fence,
							   .verdict = VERDICT_FILTERED, .body = str_of(result), .hook = told } };
	return E_OK;
}

enum err hook_verdict_of_trouble(const struct effect *effect, enum http_class http_class, const char *detail, struct arena *arena,
				 struct buf *scratch, struct op *op)
{
	struct op made;
	struct op_hook *told = hook_told(effect, arena);
	enum err err = told ? verdict_of_trouble(effect, http_class, detail, arena, scratch, &made) : E_NOMEM;
	if (err)
		return err;
	told->blame = hook_blame(http_class, 0);
	made.lease.hook = told;
	*op = made;
	return E_OK;
}
