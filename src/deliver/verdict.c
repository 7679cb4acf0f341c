#include "deliver/verdict.h"
#include "base/json.h"
#include "base/limits.h"
#include "deliver/hook.h"
#include "deliver/redact.h"
#include "rules/http_header.h"

/* The classes of ends without a status that counts. */
static const enum http_class verdict_classes[HTTP_END_COUNT] = {
	[HTTP_END_DNS] = HTTP_CLASS_DNS,         [HTTP_END_CONNECT] = HTTP_CLASS_CONNECT,
	[HTTP_END_TLS] = HTTP_CLASS_TLS,         [HTTP_END_TIMEOUT] = HTTP_CLASS_TIMEOUT,
	[HTTP_END_RESET] = HTTP_CLASS_RESET,     [HTTP_END_PROTOCOL] = HTTP_CLASS_PROTOCOL,
	[HTTP_END_GUARDED] = HTTP_CLASS_GUARDED, [HTTP_END_BAD_TARGET] = HTTP_CLASS_BAD_TARGET,
	[HTTP_END_OURS] = HTTP_CLASS_OURS,
};

enum http_class verdict_class(const struct http_policy *policy, const struct http_outcome *outcome)
{
	return outcome->end == HTTP_END_ANSWERED ? http_class_of_status(policy, outcome->status)
						 : verdict_classes[outcome->end];
}

/* What happened, for a person; verdict_put_message adds the particulars. */
static const char *verdict_sentence(enum http_class http_class)
{
	switch (http_class) {
	case HTTP_CLASS_DNS: return "The host's name did not resolve";
	case HTTP_CLASS_CONNECT: return "No connection could be made";
	case HTTP_CLASS_TLS: return "TLS failed";
	case HTTP_CLASS_TIMEOUT: return "The time for the call was over";
	case HTTP_CLASS_RESET: return "The connection broke before the whole answer had come";
	case HTTP_CLASS_PROTOCOL: return "The answer is not HTTP as it should be";
	case HTTP_CLASS_GUARDED: return "The address may not be called";
	case HTTP_CLASS_REDIRECT: return "Redirects are not followed; put the final URL into the target";
	case HTTP_CLASS_STATUS_BUSY: return "The other side asked to try again later";
	case HTTP_CLASS_STATUS_4XX: return "The other side refused the request";
	case HTTP_CLASS_STATUS_5XX: return "The other side failed";
	case HTTP_CLASS_BAD_TARGET: return "The target cannot be called";
	case HTTP_CLASS_OURS: return "The daemon could not make the call";
	case HTTP_CLASS_FORMAT: return "The format made no body";
	case HTTP_CLASS_SECRET_MISSING: return "A secret is missing";
	case HTTP_CLASS_AUTH: return "No access token could be had";
	case HTTP_CLASS_ENDPOINT_DELETED: return "The endpoint was deleted";
	default: return "The status does not count as a success";
	}
}

static void verdict_put_message(struct buf *buf, enum http_class http_class, int status, const char *detail,
				struct arena *arena)
{
	const char *sentence = verdict_sentence(http_class);
	size_t len = strlen(detail);
	int said = (int)(len && detail[len - 1] == '.' ? len - 1 : len); /* a sentence may bring its own point */
	const char *message = status     ? arena_printf(arena, "%s: status %d.", sentence, status)
			      : *detail  ? arena_printf(arena, "%s: %.*s.", sentence, said, detail)
					 : arena_printf(arena, "%s.", sentence);
	json_put_field_str(buf, "message", str_of(message ? message : sentence));
}

static struct str verdict_error(enum http_class http_class, int status, const char *detail, struct arena *arena,
				struct buf *scratch)
{
	buf_clear(scratch);
	buf_add_byte(scratch, '{');
	json_put_field_str(scratch, "type", STR("http"));
	json_put_field_str(scratch, "class", str_of(http_class_code(http_class)));
	verdict_put_message(scratch, http_class, status, detail, arena);
	if (status)
		json_put_field_i64(scratch, "status", status);
	buf_add_byte(scratch, '}');
	return buf_ok(scratch) ? arena_str(arena, buf_str(scratch)) : (struct str){ NULL, 0 };
}

/* ---- result ---- */

/* The body is checked alone, or it could break out of its field; and the whole, for a body may be too deep for one level more. */
static bool verdict_put_json_body(struct buf *scratch, const struct http_outcome *outcome, struct arena *arena)
{
	struct json json;
	struct str value;
	json_init(&json, outcome->body, arena, NULL);
	if (outcome->truncated || !json_read_raw(&json, &value) || !json_finish(&json))
		return false;
	size_t begin = scratch->len;
	json_put_field_raw(scratch, "body", value);
	buf_add_byte(scratch, '}');
	if (buf_ok(scratch) && json_check(buf_str(scratch), NULL) == E_OK)
		return true;
	scratch->len = begin;
	return false;
}

static struct str verdict_result(const struct http_outcome *outcome, struct arena *arena, struct buf *scratch)
{
	buf_clear(scratch);
	buf_add_byte(scratch, '{');
	json_put_field_i64(scratch, "status", outcome->status);
	if (!outcome->body.len) {
		buf_add_byte(scratch, '}');
	} else if (!verdict_put_json_body(scratch, outcome, arena)) {
		struct str excerpt = str_cut(outcome->body, VERDICT_EXCERPT_BYTES);
		json_put_field_str(scratch, "body", excerpt);
		if (excerpt.len < outcome->body_bytes)
			json_put_field_bool(scratch, "truncated", true);
		buf_add_byte(scratch, '}');
	}
	return buf_ok(scratch) ? arena_str(arena, buf_str(scratch)) : (struct str){ NULL, 0 };
}

/* ---- exchange ---- */

static void verdict_put_header(struct buf *buf, struct str name, struct str value)
{
	json_put_comma(buf);
	json_put_str(buf, name);
	buf_add_byte(buf, ':');
	json_put_str(buf, http_name_is_secret(name) ? REDACTED : value);
}

/* Of the other side's answer nothing is left to hide; of what was sent the values of secrets. */
static bool verdict_put_sent_header(struct buf *buf, const struct call *call, struct str name, struct str value, struct arena *arena)
{
	const struct hook *hook = call->hook;
	if (hook && redact_values(value, hook->secrets, hook->secret_count, arena, &value))
		return false;
	verdict_put_header(buf, name, value);
	return true;
}

static bool verdict_put_request_headers(struct buf *buf, const struct call *call, struct arena *arena)
{
	bool ok = true;
	json_put_key(buf, "request_headers");
	buf_add_byte(buf, '{');
	for (uint32_t i = 0; ok && i < call->header_count; i++) {
		struct str line = str_of(call->headers[i]);
		size_t colon = str_index(line, ':');
		if (colon == line.len) /* "Name;": an empty value */
			verdict_put_header(buf, (struct str){ line.ptr, line.len - 1 }, STR(""));
		else
			ok = verdict_put_sent_header(buf, call, (struct str){ line.ptr, colon }, str_trim(str_from(line, colon + 1)), arena);
	}
	buf_add_byte(buf, '}');
	return ok;
}

/* What was sent, as far as it is kept; a secret that the cut would part is behind the part that is shown. */
static bool verdict_put_sent(struct buf *buf, const struct call *call, struct arena *arena)
{
	const struct hook *hook = call->hook;
	struct str sent = str_cut(call->body, 2 * VERDICT_EXCERPT_BYTES);
	if (redact_values(sent, hook->secrets, hook->secret_count, arena, &sent))
		return false;
	json_put_field_str(buf, "kind", hook->batch ? STR("batch") : hook->retracts ? STR("retract") : STR("deliver"));
	json_put_field_str(buf, hook->batch ? "batch" : "message", hook->message_id);
	json_put_field_str(buf, "request_excerpt", str_cut(sent, VERDICT_EXCERPT_BYTES));
	json_put_field_u64(buf, "request_bytes", call->body.len);
	return true;
}

static bool verdict_header_came_before(struct str lines, size_t end, struct str name)
{
	struct str earlier, value;
	for (size_t at = 0; at < end && http_lines_next(lines, &at, &earlier, &value) && at < end;)
		if (str_eq_nocase(earlier, name))
			return true;
	return false;
}

/* Names of one object are unique: of a header that came several times the first one is kept. */
static void verdict_put_response_headers(struct buf *buf, const struct http_outcome *outcome)
{
	struct str name, value;
	uint32_t count = 0;
	json_put_key(buf, "response_headers");
	buf_add_byte(buf, '{');
	for (size_t at = 0; count < LIMIT_HEADERS && http_lines_next(outcome->headers, &at, &name, &value); count++)
		if (!verdict_header_came_before(outcome->headers, at, name))
			verdict_put_header(buf, name, value);
	buf_add_byte(buf, '}');
}

static void verdict_put_ms(struct buf *buf, const char *key, int64_t us) /* with three digits after the point */
{
	json_put_key(buf, key);
	buf_add_i64(buf, us / 1000);
	char fraction[4] = { '.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10) };
	buf_add(buf, (struct str){ fraction, sizeof(fraction) });
}

static void verdict_put_answer(struct buf *buf, const struct http_outcome *outcome)
{
	struct str excerpt = str_cut(outcome->body, VERDICT_EXCERPT_BYTES);
	verdict_put_response_headers(buf, outcome);
	json_put_field_str(buf, "response_excerpt", excerpt);
	json_put_field_u64(buf, "response_bytes", outcome->body_bytes);
	json_put_field_bool(buf, "truncated", outcome->truncated || excerpt.len < outcome->body_bytes);
}

static struct str verdict_exchange(const struct call *call, const struct http_outcome *outcome,
				   enum http_class http_class, struct arena *arena, struct buf *scratch)
{
	struct str url = str_of(call->url);
	struct buf clean = { .max_bytes = 2 * LIMIT_URL_BYTES + 64 };
	redact_url(url, &clean);
	buf_clear(scratch);
	buf_add_byte(scratch, '{');
	json_put_field_str(scratch, "url", buf_str(&clean));
	json_put_field_str(scratch, "method", str_of(call->method));
	if (outcome->status)
		json_put_field_i64(scratch, "status", outcome->status);
	json_put_field_str(scratch, "class", str_of(http_class_code(http_class)));
	if (outcome->remote[0])
		json_put_field_str(scratch, "remote", str_of(outcome->remote));
	bool ok = verdict_put_request_headers(scratch, call, arena);
	if (call->hook)
		ok &= verdict_put_sent(scratch, call, arena);
	if (outcome->status)
		verdict_put_answer(scratch, outcome);
	json_put_field_bool(scratch, "reused", outcome->reused);
	verdict_put_ms(scratch, "dns_ms", outcome->dns_us);
	verdict_put_ms(scratch, "connect_ms", outcome->connect_us);
	verdict_put_ms(scratch, "tls_ms", outcome->tls_us);
	verdict_put_ms(scratch, "first_byte_ms", outcome->first_byte_us);
	verdict_put_ms(scratch, "total_ms", outcome->total_us);
	buf_add_byte(scratch, '}');
	ok &= buf_ok(scratch) && buf_ok(&clean);
	buf_fini(&clean);
	return ok ? arena_str(arena, buf_str(scratch)) : (struct str){ NULL, 0 };
}

/* ---- the operation ---- */

static struct op verdict_op(const struct effect *effect, enum op_kind kind)
{
	return (struct op){ .kind = kind,
			    .lease = { .uid = effect->uid, .token = DELIVERY_TOKEN, .fence = effect->fence } };
}

void verdict_release(const struct effect *effect, struct op *op)
{
	*op = verdict_op(effect, OP_RELEASE);
}

/* Somebody who asks to wait may mean more than this job: the queue's retry_after says whom. */
static void verdict_hold_back(struct op_lease *lease, enum http_class http_class, int status, int64_t retry_after_us)
{
	lease->busy = http_class != HTTP_CLASS_OURS && (retry_after_us > 0 || (status == 429 && retry_after_us < 0));
	lease->busy_ms = retry_after_us > 0 ? (retry_after_us + 999) / 1000 : 0;
}

/* Whoever makes an endpoint before its secret waits for seconds, and who forgets it, or whose proxy is gone, is not asked all the time. */
static int64_t verdict_again_ms(const struct effect *effect, enum http_class http_class)
{
	int64_t again_ms = http_class == HTTP_CLASS_OURS ? VERDICT_OURS_DELAY_MS : HOOK_SECRET_AGAIN_MS;
	uint32_t in_vain = effect->attempt > effect->attempts_made ? effect->attempt - effect->attempts_made - 1 : 0; /* before this one */
	for (; in_vain > 0 && again_ms < HOOK_SECRET_AGAIN_MAX_MS; in_vain--)
		again_ms = again_ms * 2 < HOOK_SECRET_AGAIN_MAX_MS ? again_ms * 2 : HOOK_SECRET_AGAIN_MAX_MS;
	return again_ms;
}

static void verdict_decide(const struct effect *effect, struct op_lease *lease, const struct http_policy *policy, enum http_class http_class,
			   int status, int64_t retry_after_us)
{
	verdict_hold_back(lease, http_class, status, retry_after_us);
	if (http_class == HTTP_CLASS_OURS || http_class == HTTP_CLASS_SECRET_MISSING) {
		lease->costs_nothing = true;
		lease->verdict = VERDICT_DELAY;
		lease->delay_ms = verdict_again_ms(effect, http_class);
	} else if (!http_class_retries(policy, http_class, status)) {
		lease->verdict = VERDICT_FINAL;
	} else if (retry_after_us >= 0) {
		lease->verdict = VERDICT_DELAY;
		lease->delay_ms = (retry_after_us + 999) / 1000;
	}
}

static int64_t verdict_retry_after_us(const struct http_outcome *outcome, enum http_class http_class, int64_t now_us)
{
	bool later = outcome->status >= 502 && outcome->status <= 504; /* it, or who stands behind it, may be well again */
	if (http_class != HTTP_CLASS_STATUS_BUSY && !later)
		return -1;
	struct str value = http_lines_find(outcome->headers, STR("Retry-After"));
	return value.len ? http_retry_after_us(value, now_us) : -1;
}

enum err verdict_of_outcome(const struct effect *effect, const struct call *call, const struct http_outcome *outcome,
			    int64_t now_us, struct arena *arena, struct buf *scratch, struct op *op)
{
	enum http_class http_class = verdict_class(&call->policy, outcome);
	struct op made = verdict_op(effect, http_class == HTTP_CLASS_OK ? OP_COMPLETE : OP_FAIL);
	made.lease.exchange = verdict_exchange(call, outcome, http_class, arena, scratch);
	struct str *text = http_class == HTTP_CLASS_OK ? &made.lease.body : &made.lease.error;
	if (http_class == HTTP_CLASS_OK)
		*text = verdict_result(outcome, arena, scratch);
	else
		*text = verdict_error(http_class, outcome->end == HTTP_END_ANSWERED ? outcome->status : 0, outcome->why,
				      arena, scratch);
	if (!made.lease.exchange.ptr || !text->ptr)
		return E_NOMEM;
	if (http_class != HTTP_CLASS_OK)
		verdict_decide(effect, &made.lease, &call->policy, http_class, outcome->status,
			       verdict_retry_after_us(outcome, http_class, now_us));
	*op = made;
	return E_OK;
}

enum err verdict_of_trouble(const struct effect *effect, enum http_class http_class, const char *detail,
			    struct arena *arena, struct buf *scratch, struct op *op)
{
	static const struct http_policy usual = { 0 };
	struct op made = verdict_op(effect, OP_FAIL);
	made.lease.error = verdict_error(http_class, 0, detail, arena, scratch);
	if (!made.lease.error.ptr)
		return E_NOMEM;
	verdict_decide(effect, &made.lease, &usual, http_class, 0, -1);
	*op = made;
	return E_OK;
}
