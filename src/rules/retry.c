#include "rules/retry.h"
#include "base/check.h"
#include "base/json.h"
#include "base/time_text.h"

#define RETRY_ATTEMPTS_DEFAULT     3
#define RETRY_DELAY_DEFAULT_MS     1000
#define RETRY_FACTOR_DEFAULT       2000
#define RETRY_FACTOR_MIN           1000   /* a back-off does not shrink */
#define RETRY_FACTOR_MAX           100000
#define RETRY_MAX_DELAY_DEFAULT_MS 3600000
#define RETRY_JITTER_DEFAULT       200

/* Copied and compared as bytes: no padding may hide in it. */
_Static_assert(sizeof(struct retry_policy) == 4 * 4 + 8 + 2 * 4 + 8 + LIMIT_RETRY_LIST * 8, "retry_policy has padding");

void retry_policy_default(struct retry_policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy->kind = BACKOFF_EXPONENTIAL;
	policy->jitter = JITTER_PARTIAL;
	policy->jitter_permille = RETRY_JITTER_DEFAULT;
	policy->max_attempts = RETRY_ATTEMPTS_DEFAULT;
	policy->delay_ms = RETRY_DELAY_DEFAULT_MS;
	policy->factor_permille = RETRY_FACTOR_DEFAULT;
	policy->max_delay_ms = RETRY_MAX_DELAY_DEFAULT_MS;
}

/* ---- waiting ---- */

static int64_t retry_clamp(int64_t n, int64_t min, int64_t max)
{
	return n < min ? min : n > max ? max : n;
}

/* Grows step by step, so that it stops at the cap long before attempts_made could make it long: each step adds at least a
 * thousandth of 1,000 us. Microseconds, hence a part of one at most is lost at a step. */
static int64_t retry_exponential_us(int64_t delay_us, int64_t factor_permille, int64_t cap_us, uint32_t attempts_made)
{
	int64_t wait_us = delay_us < cap_us ? delay_us : cap_us;
	if (wait_us == 0 || factor_permille == 1000)
		return wait_us;
	for (uint32_t n = 1; n < attempts_made && wait_us < cap_us; n++) {
		__int128 grown = (__int128)wait_us * factor_permille / 1000;
		wait_us = grown < cap_us ? (int64_t)grown : cap_us;
	}
	return wait_us;
}

static int64_t retry_base_us(const struct retry_policy *policy, uint32_t attempts_made)
{
	int64_t cap_ms = policy->max_delay_ms > 0 ? retry_clamp(policy->max_delay_ms, 1, LIMIT_DURATION_MS) : LIMIT_DURATION_MS;
	int64_t cap_us = cap_ms * 1000, delay_ms = policy->delay_ms;
	int64_t factor_permille = retry_clamp(policy->factor_permille, RETRY_FACTOR_MIN, RETRY_FACTOR_MAX);
	uint32_t count = policy->list_count < LIMIT_RETRY_LIST ? policy->list_count : LIMIT_RETRY_LIST;
	if (policy->kind == BACKOFF_LIST)
		delay_ms = count ? policy->list_ms[(attempts_made < count ? attempts_made : count) - 1] : 0;
	int64_t delay_us = retry_clamp(delay_ms, 0, LIMIT_DURATION_MS) * 1000;
	if (policy->kind == BACKOFF_EXPONENTIAL)
		return retry_exponential_us(delay_us, factor_permille, cap_us, attempts_made);
	return delay_us < cap_us ? delay_us : cap_us;
}

/* One of 0..span_us. Each is as likely as any other, give or take 2^-32; above 2^32 us (71 minutes) only every so many-th one is
 * ever picked. */
static int64_t retry_pick_us(int64_t span_us, uint32_t dice)
{
	return (int64_t)(((unsigned __int128)dice * ((uint64_t)span_us + 1)) >> 32);
}

int64_t retry_wait_us(const struct retry_policy *policy, uint32_t attempts_made, uint32_t dice)
{
	int64_t wait_us = retry_base_us(policy, attempts_made ? attempts_made : 1);
	switch (policy->jitter) {
	case JITTER_NONE:
		return wait_us;
	case JITTER_FULL:
		return retry_pick_us(wait_us, dice);
	case JITTER_PARTIAL: {
		int64_t span_us = (int64_t)((__int128)wait_us * retry_clamp(policy->jitter_permille, 0, 1000) / 1000);
		return wait_us - span_us + retry_pick_us(span_us, dice);
	}
	case JITTER_KIND_COUNT:
		break;
	}
	UNREACHABLE();
}

bool retry_is_spent(uint32_t max_attempts, uint32_t attempts_made)
{
	return attempts_made >= max_attempts;
}

/* ---- words ---- */

#define RETRY_WORDS_EXACT 1000 /* waits that are added up one by one; those after it are taken to be as long as the last of them */

void retry_words(const struct retry_policy *policy, struct buf *buf)
{
	char text[32];
	__int128 total_ms = 0;
	int64_t wait_ms = 0;
	uint32_t waits = policy->max_attempts ? policy->max_attempts - 1 : 0, counted = waits < RETRY_WORDS_EXACT ? waits : RETRY_WORDS_EXACT;
	if (!waits) {
		buf_add_lit(buf, "1 attempt");
		return;
	}
	for (uint32_t i = 1; i <= counted; i++) {
		wait_ms = retry_base_us(policy, i) / 1000;
		total_ms += wait_ms;
	}
	total_ms += (__int128)wait_ms * (waits - counted);
	duration_text(total_ms < INT64_MAX ? (int64_t)total_ms : INT64_MAX, text);
	buf_addf(buf, "%u attempts over %s", policy->max_attempts, text);
}

/* ---- JSON ---- */

static const char *const retry_kind_names[BACKOFF_KIND_COUNT] = {
	[BACKOFF_FIXED] = "fixed", [BACKOFF_EXPONENTIAL] = "exponential", [BACKOFF_LIST] = "list",
};
static const char *const retry_jitter_names[JITTER_KIND_COUNT] = {
	[JITTER_NONE] = "none", [JITTER_FULL] = "full", [JITTER_PARTIAL] = "partial",
};

/* 2000 is 2, 1500 is 1.5, 200 is 0.2. */
static void retry_put_permille(struct buf *buf, const char *key, int32_t permille)
{
	char decimals[] = { (char)('0' + permille / 100 % 10), (char)('0' + permille / 10 % 10), (char)('0' + permille % 10) };
	size_t len = sizeof(decimals);
	while (len && decimals[len - 1] == '0')
		len--;
	json_put_field_i64(buf, key, permille / 1000);
	if (len) {
		buf_add_byte(buf, '.');
		buf_add(buf, (struct str){ decimals, len });
	}
}

void retry_policy_write(const struct retry_policy *policy, struct buf *buf)
{
	CHECK(policy->kind < BACKOFF_KIND_COUNT);
	CHECK(policy->jitter < JITTER_KIND_COUNT);
	json_put_comma(buf);
	buf_add_byte(buf, '{');
	json_put_field_str(buf, "kind", str_of(retry_kind_names[policy->kind]));
	json_put_field_u64(buf, "max_attempts", policy->max_attempts);
	if (policy->kind != BACKOFF_LIST)
		json_put_field_i64(buf, "delay_ms", policy->delay_ms);
	if (policy->kind == BACKOFF_EXPONENTIAL)
		retry_put_permille(buf, "factor", policy->factor_permille);
	if (policy->kind == BACKOFF_LIST) {
		json_put_key(buf, "list_ms");
		buf_add_byte(buf, '[');
		for (uint32_t i = 0; i < policy->list_count; i++) {
			json_put_comma(buf);
			buf_add_i64(buf, policy->list_ms[i]);
		}
		buf_add_byte(buf, ']');
	}
	json_put_field_i64(buf, "max_delay_ms", policy->max_delay_ms);
	json_put_field_str(buf, "jitter", str_of(retry_jitter_names[policy->jitter]));
	if (policy->jitter == JITTER_PARTIAL)
		retry_put_permille(buf, "jitter_ratio", policy->jitter_permille);
	buf_add_byte(buf, '}');
}

static bool retry_read_kind(struct json *json, void *out, void *context)
{
	(void)context;
	unsigned kind = 0;
	if (!json_read_word(json, LIMIT_NAME_BYTES, retry_kind_names, BACKOFF_KIND_COUNT, "Expected \"fixed\", \"exponential\" or \"list\".", &kind))
		return false;
	*(enum backoff_kind *)out = (enum backoff_kind)kind;
	return true;
}

static bool retry_read_jitter(struct json *json, void *out, void *context)
{
	(void)context;
	unsigned jitter = 0;
	if (!json_read_word(json, LIMIT_NAME_BYTES, retry_jitter_names, JITTER_KIND_COUNT, "Expected \"none\", \"full\" or \"partial\".", &jitter))
		return false;
	*(enum jitter_kind *)out = (enum jitter_kind)jitter;
	return true;
}

static bool retry_read_permille(struct json *json, int32_t min, int32_t max, int32_t *out) /* rounded to a thousandth */
{
	double ratio;
	if (!json_read_double(json, min / 1000.0, max / 1000.0, &ratio))
		return false;
	*out = (int32_t)(ratio * 1000 + 0.5);
	return true;
}

static bool retry_read_factor(struct json *json, void *out, void *context)
{
	(void)context;
	return retry_read_permille(json, RETRY_FACTOR_MIN, RETRY_FACTOR_MAX, out);
}

static bool retry_read_ratio(struct json *json, void *out, void *context)
{
	(void)context;
	return retry_read_permille(json, 0, 1000, out);
}

static bool retry_read_list(struct json *json, void *out, void *context)
{
	struct retry_policy *policy = context;
	int64_t *list_ms = out;
	uint32_t i;
	policy->list_count = 0;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &i)) {
		if (i == LIMIT_RETRY_LIST)
			return json_refuse(json, E_INVALID, "A list of waits has at most %d steps; the last one repeats.",
					   LIMIT_RETRY_LIST);
		if (!json_read_i64(json, 0, LIMIT_DURATION_MS, &list_ms[i]))
			return false;
		policy->list_count = i + 1;
	}
	if (!json->failed && policy->list_count == 0)
		return json_refuse(json, E_INVALID, "A list of waits needs at least one step, in milliseconds.");
	return !json->failed;
}

#define RETRY_FIELDS(X) /* in the order of retry_fields */ X(KIND) X(ATTEMPTS) X(DELAY) X(FACTOR) X(LIST) X(CAP) X(JITTER) X(RATIO)
#define X(name) RETRY_FIELD_##name,
enum retry_field { RETRY_FIELDS(X) RETRY_FIELD_COUNT };
#undef X
#define RETRY_HAS(present, name) ((present) >> RETRY_FIELD_##name & 1)

static const struct json_field retry_fields[RETRY_FIELD_COUNT] = {
	[RETRY_FIELD_KIND] = { "kind", JSON_F_CUSTOM, offsetof(struct retry_policy, kind), .read = retry_read_kind,
		.doc = "How waits grow: fixed, exponential or list." },
	[RETRY_FIELD_ATTEMPTS] = { "max_attempts", JSON_F_U32, offsetof(struct retry_policy, max_attempts), 1, LIMIT_ATTEMPTS,
		.doc = "Attempts in all, the first included." },
	[RETRY_FIELD_DELAY] = { "delay_ms", JSON_F_I64, offsetof(struct retry_policy, delay_ms), 0, LIMIT_DURATION_MS,
		.doc = "fixed: each wait; exponential: the first." },
	[RETRY_FIELD_FACTOR] = { "factor", JSON_F_CUSTOM, offsetof(struct retry_policy, factor_permille), .read = retry_read_factor,
		.doc = "exponential: what each wait is multiplied by, 1 to 100, in thousandths." },
	[RETRY_FIELD_LIST] = { "list_ms", JSON_F_CUSTOM, offsetof(struct retry_policy, list_ms), .read = retry_read_list,
		.doc = "list: the waits in turn; the last repeats." },
	[RETRY_FIELD_CAP] = { "max_delay_ms", JSON_F_I64, offsetof(struct retry_policy, max_delay_ms), 0, LIMIT_DURATION_MS,
		.doc = "No wait is longer, before jitter; 0: ten years." },
	[RETRY_FIELD_JITTER] = { "jitter", JSON_F_CUSTOM, offsetof(struct retry_policy, jitter), .read = retry_read_jitter,
		.doc = "none; full: from 0 to the wait; partial: the last jitter_ratio of it." },
	[RETRY_FIELD_RATIO] = { "jitter_ratio", JSON_F_CUSTOM, offsetof(struct retry_policy, jitter_permille), .read = retry_read_ratio,
		.doc = "partial: which part of the wait is left to chance, 0 to 1, in thousandths." },
};

/* A field says nothing under another kind: refused rather than kept and ignored. */
static bool retry_check_fields(struct json *json, const struct retry_policy *policy, uint64_t present)
{
	if (RETRY_HAS(present, FACTOR) && policy->kind != BACKOFF_EXPONENTIAL)
		return json_refuse_field(json, E_INVALID, "factor", "It belongs to the kind \"exponential\"; this policy's kind is \"%s\".",
					 retry_kind_names[policy->kind]);
	if (RETRY_HAS(present, LIST) && policy->kind != BACKOFF_LIST)
		return json_refuse_field(json, E_INVALID, "list_ms", "It belongs to the kind \"list\"; this policy's kind is \"%s\".",
					 retry_kind_names[policy->kind]);
	if (RETRY_HAS(present, DELAY) && policy->kind == BACKOFF_LIST)
		return json_refuse_field(json, E_INVALID, "delay_ms", "The kind \"list\" has its waits in list_ms.");
	if (RETRY_HAS(present, RATIO) && policy->jitter != JITTER_PARTIAL)
		return json_refuse_field(json, E_INVALID, "jitter_ratio",
					 "It belongs to the jitter \"partial\"; this policy's jitter is \"%s\".",
					 retry_jitter_names[policy->jitter]);
	if (policy->kind == BACKOFF_LIST && policy->list_count == 0)
		return json_refuse_field(json, E_INVALID, "list_ms", "The kind \"list\" needs its waits, for example [1000, 60000].");
	return true;
}

/* What the kind does not use is zero, so that policies that mean the same are the same bytes. */
static void retry_policy_canonical(const struct retry_policy *policy, struct retry_policy *out)
{
	struct retry_policy canonical;
	memset(&canonical, 0, sizeof(canonical));
	canonical.kind = policy->kind;
	canonical.jitter = policy->jitter;
	canonical.jitter_permille = policy->jitter == JITTER_PARTIAL ? policy->jitter_permille : 0;
	canonical.max_attempts = policy->max_attempts;
	canonical.delay_ms = policy->kind == BACKOFF_LIST ? 0 : policy->delay_ms;
	canonical.factor_permille = policy->kind == BACKOFF_EXPONENTIAL ? policy->factor_permille : 0;
	canonical.max_delay_ms = policy->max_delay_ms;
	if (policy->kind == BACKOFF_LIST) {
		canonical.list_count = policy->list_count;
		memcpy(canonical.list_ms, policy->list_ms, policy->list_count * sizeof(policy->list_ms[0]));
	}
	*out = canonical;
}

bool retry_policy_read(struct json *json, struct retry_policy *out)
{
	struct retry_policy policy = *out, fallback;
	uint64_t present;
	retry_policy_default(&fallback);
	if (policy.kind == BACKOFF_LIST) /* for whoever changes the kind and says no more */
		policy.delay_ms = fallback.delay_ms;
	if (policy.kind != BACKOFF_EXPONENTIAL)
		policy.factor_permille = fallback.factor_permille;
	if (policy.jitter != JITTER_PARTIAL)
		policy.jitter_permille = fallback.jitter_permille;
	if (!json_read_fields(json, retry_fields, ARRAY_COUNT(retry_fields), &policy, &policy, &present))
		return false;
	if (!retry_check_fields(json, &policy, present))
		return false;
	retry_policy_canonical(&policy, out);
	return true;
}

bool retry_policy_read_new(struct json *json, void *out, void *context)
{
	struct retry_policy *own = ARENA_NEW(json->arena, struct retry_policy);
	(void)context;
	if (!own)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	retry_policy_default(own);
	*(const struct retry_policy **)out = own;
	return retry_policy_read(json, own);
}
