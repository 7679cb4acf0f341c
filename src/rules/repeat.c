#include "rules/repeat.h"
#include "base/limits.h"

/* ---- checking ---- */

static enum err repeat_check_every(const struct repeat *repeat, struct problem *problem)
{
	if (repeat->every_ms < 0 || repeat->every_ms > LIMIT_DURATION_MS)
		return problem_set(problem, E_INVALID, "every_ms", "Expected 1 to %lld milliseconds.", (long long)LIMIT_DURATION_MS);
	if (repeat->offset_ms < 0 || repeat->offset_ms > LIMIT_DURATION_MS)
		return problem_set(problem, E_INVALID, "offset_ms", "Expected 0 to %lld milliseconds.", (long long)LIMIT_DURATION_MS);
	if (repeat->offset_ms && !repeat->every_ms)
		return problem_set(problem, E_INVALID, "offset_ms", "It belongs to every_ms; a pattern says itself when it runs.");
	return E_OK;
}

enum err repeat_check(const struct repeat *repeat, int64_t now_ms, struct problem *problem)
{
	enum err err = repeat_check_every(repeat, problem);
	if (err)
		return err;
	if (repeat->immediately && repeat->start_ms != REPEAT_UNBOUND)
		return problem_set(problem, E_INVALID, "immediately", "It contradicts start_at; leave one of them out.");
	if (repeat->end_ms == REPEAT_UNBOUND)
		return E_OK;
	if (repeat->end_ms < now_ms)
		return problem_set(problem, E_INVALID, "end_at", "It has passed: nothing would ever run.");
	if (repeat->start_ms != REPEAT_UNBOUND && repeat->end_ms < repeat->start_ms)
		return problem_set(problem, E_INVALID, "end_at", "It is before start_at: nothing would ever run.");
	return E_OK;
}

/* ---- slots ---- */

static int64_t repeat_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The multiple of every_ms at or before the instant. */
static int64_t repeat_floor(int64_t at_ms, int64_t every_ms)
{
	int64_t over_ms = at_ms % every_ms;
	return at_ms - over_ms - (over_ms < 0 ? every_ms : 0);
}

/* The first slot after now, counted from the multiple of every_ms that now is in. */
static int64_t repeat_aligned(int64_t every_ms, int64_t offset_ms, int64_t now_ms)
{
	int64_t slot_ms = repeat_floor(now_ms, every_ms) + offset_ms;
	return slot_ms > now_ms ? slot_ms : slot_ms + every_ms;
}

/* start_ms is long ago when it is REPEAT_UNBOUND. */
static enum repeat_verdict repeat_cron_slot(const struct repeat *repeat, const struct zone *zone, int64_t after_ms, int64_t *out_ms)
{
	int64_t slot_us, after_us;
	if (__builtin_mul_overflow(repeat_max(after_ms, repeat->start_ms), 1000, &after_us) ||
	    !cron_next(&repeat->cron, repeat->policy, zone, after_us, &slot_us))
		return REPEAT_NEVER;
	*out_ms = slot_us / 1000;
	return REPEAT_NEXT;
}

static bool repeat_is_after_end(const struct repeat *repeat, int64_t at_ms)
{
	return repeat->end_ms != REPEAT_UNBOUND && at_ms > repeat->end_ms;
}

/* The last word on a slot that has been found. */
static enum repeat_verdict repeat_close(const struct repeat *repeat, struct repeat_iteration next, struct repeat_iteration *out)
{
	if (repeat_is_after_end(repeat, next.slot_ms) && !(repeat->every_ms && repeat->end_is_late))
		return REPEAT_ENDED;
	*out = next;
	return REPEAT_NEXT;
}

enum repeat_verdict repeat_first(const struct repeat *repeat, const struct zone *zone, int64_t now_ms, struct repeat_iteration *out)
{
	struct repeat_iteration next = { .slot_ms = now_ms, .count = 1 };
	if (repeat_is_after_end(repeat, now_ms))
		return REPEAT_ENDED;
	if (!repeat->every_ms) {
		enum repeat_verdict verdict =
			repeat->immediately ? REPEAT_NEXT : repeat_cron_slot(repeat, zone, now_ms, &next.slot_ms);
		return verdict == REPEAT_NEXT ? repeat_close(repeat, next, out) : verdict;
	}
	if (repeat->start_ms != REPEAT_UNBOUND)
		next.slot_ms = repeat_max(repeat->start_ms, now_ms);
	else if (repeat->offset_ms)
		next.slot_ms = repeat_aligned(repeat->every_ms, repeat->offset_ms, now_ms);
	next.offset_ms = repeat->offset_ms ? repeat->offset_ms : next.slot_ms - repeat_floor(next.slot_ms, repeat->every_ms);
	return repeat_close(repeat, next, out);
}

enum repeat_verdict repeat_following(const struct repeat *repeat, const struct zone *zone, const struct repeat_iteration *before,
				     int64_t now_ms, struct repeat_iteration *out)
{
	struct repeat_iteration next = { .offset_ms = before->offset_ms, .count = before->count + 1 };
	if (repeat->limit && before->count >= repeat->limit)
		return REPEAT_SPENT;
	if (repeat_is_after_end(repeat, now_ms))
		return REPEAT_ENDED;
	if (repeat->every_ms) {
		next.slot_ms = before->slot_ms + repeat->every_ms;
		if (next.slot_ms < now_ms)
			next.slot_ms = repeat_aligned(repeat->every_ms, before->offset_ms, now_ms);
	} else {
		enum repeat_verdict verdict = repeat_cron_slot(repeat, zone, repeat_max(before->slot_ms, now_ms), &next.slot_ms);
		if (verdict != REPEAT_NEXT)
			return verdict;
	}
	return repeat_close(repeat, next, out);
}

enum repeat_verdict repeat_replaced(const struct repeat *old, const struct repeat *repeat, const struct zone *zone,
				    const struct repeat_iteration *before, bool waits, int64_t now_ms, struct repeat_iteration *out)
{
	struct repeat_iteration next = { .slot_ms = before->slot_ms, .count = waits ? 1 : 0 };
	if (!repeat->every_ms || repeat->every_ms != old->every_ms)
		return repeat_first(repeat, zone, now_ms, out);
	next.offset_ms = repeat->offset_ms ? repeat->offset_ms : before->offset_ms;
	if (!waits)
		return repeat_following(repeat, zone, &next, now_ms, out);
	return repeat_is_after_end(repeat, now_ms) ? REPEAT_ENDED : repeat_close(repeat, next, out);
}

bool repeat_step(const struct repeat *repeat, struct repeat_iteration *iteration)
{
	struct repeat_iteration next = *iteration;
	if (!repeat->every_ms)
		return false;
	next.slot_ms += repeat->every_ms;
	return repeat_close(repeat, next, iteration) == REPEAT_NEXT;
}
