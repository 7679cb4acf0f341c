/* src/engine/health.c: how the third party behind an endpoint does. Judged where an attempt of a delivery ends, so there are no timers, and by
 * engine time.
 *
 *   slow start   so many calls at once as `allowed` says: 2 at first, one more after a success, half after a failure that is its fault, or when its
 *                format's program is slow (2 at least)
 *   breaker      after enough of those in a row its group is backed off, each time twice as long as before; then one call is the probe
 *   slow down    a gateway that is overloaded (502, 504) holds back whom the endpoint's `retry_after` names: for Retry-After, or for a second at first,
 *                then twice as long each time, up to the breaker's pause; calls that began before do not count, so many that fail at once are one
 *   warnings     that it fails: when its breaker opens or ten attempts have failed without a success between them; at 50 and 90 per cent of the
 *                time after which it is disabled
 *   doubt        who has not answered yet, or lately, shares a part of all calls with others of its kind (doubt.c)
 *   disabled     when that time is over, ten attempts at least have failed and none went through; or when it says that it is gone (410): what
 *                waits is held until somebody enables it
 *
 * Each of these is told, as an event and as a message (meta.c); and, to whom was told of one, that a call went through, also when it was enabled or
 * resumed by hand meanwhile.
 * A record that it refuses (a 4xx) is an answer: it ends a row of failures and closes the breaker, but is no success. Numbers are memory; what has
 * been told (warned, opens) stands in its row, too, and a restart goes on from there. */
#include "base/json.h"
#include "engine/engine_priv.h"
#include "engine/journal.h"

#define FAILED_LEAST     10 /* attempts: fewer prove nothing */
#define OPENS_DOUBLED    40 /* beyond, nothing is longer */
#define WARNED_FIRST     1

enum err health_touch(struct batch *batch, struct index *index, uint32_t slot)
{
	struct undo *undo = journal_add(batch, UNDO_HEALTH, slot);
	if (!undo)
		return E_NOMEM;
	undo->health = named_at(index, slot)->health;
	return E_OK;
}

/* Fewer by less than a sixteenth: so a million of them are some three hundred rows. */
uint64_t health_unsent_told(uint64_t unsent)
{
	uint32_t cut = 0;
	while (unsent >> cut >= 32)
		cut++;
	return unsent >> cut << cut;
}

void health_undo(struct index *index, const struct undo *undo)
{
	struct named *named = named_at(index, undo->slot);
	named->health = undo->health;
	if (named->group != SLOT_NONE)
		group_refresh(index, named->group);
}

void health_clear(struct health *health)
{
	*health = (struct health){ .allowed = HEALTH_ALLOWED, .batch_max = health->batch_max, .unsent = health->unsent, .unsent_uid = health->unsent_uid,
		.told = health->told };
}

/* ---- what is told ---- */

static int64_t health_disable_us(const struct named *named) /* engine time; 0: never */
{
	int64_t after_ms = named->endpoint ? named->endpoint->value.disable_after_ms : 0;
	return named->health.failing_since_us && after_ms ? named->health.failing_since_us + after_ms * 1000 : 0;
}

static enum health_state health_state(const struct index *index, const struct health *health)
{
	if (health->opens)
		return health->open_until_us > index->now_us ? HEALTH_OPEN : HEALTH_PROBING;
	return health->failing_since_us ? HEALTH_FAILING : HEALTH_OK;
}

void health_tell(const struct index *index, const struct named *named, struct health_info *out)
{
	const struct health *health = &named->health;
	*out = (struct health_info){
		.state = health_state(index, health), .failures = health->failures, .unsent = health->unsent,
		.batch_max = health->batch_max, .failing_since_us = index_wall_us(index, health->failing_since_us),
	};
	if (health->slow_until_us > index->now_us)
		out->slow_until_us = index_wall_us(index, health->slow_until_us);
	if (out->state == HEALTH_OPEN)
		out->open_until_us = index_wall_us(index, health->open_until_us);
	if (named->state == NAMED_ENABLED)
		out->disable_us = index_wall_us(index, health_disable_us(named));
}

static enum err health_event(struct engine *engine, const struct named *named, enum event_type type)
{
	const struct index *index = &engine->index;
	const struct health *health = &named->health;
	struct buf text;
	buf_init(&text, LIMIT_NAME_BYTES * 6 + 512);
	buf_add_byte(&text, '{');
	json_put_field_str(&text, "endpoint", named->name);
	if (type == EVENT_ENDPOINT_DISABLED)
		json_put_field_str(&text, "reason", named_reason_text(named));
	if (type == EVENT_ENDPOINT_FAILING) {
		json_put_field_u64(&text, "failures", health->failures);
		json_put_field_instant(&text, "failing_since_at", index_wall_us(index, health->failing_since_us));
		json_put_field_instant(&text, "disable_at", index_wall_us(index, health_disable_us(named)));
	}
	buf_add_byte(&text, '}');
	struct str details = buf_ok(&text) ? arena_str(&engine->open->cs.arena, buf_str(&text)) : (struct str){ 0 };
	buf_fini(&text);
	return details.ptr ? batch_event(engine->open, type, group_at(index, named->group)->queue, 0, details) : E_NOMEM;
}

/* As an event; and as a message, which may be left out. */
static enum err health_say(struct engine *engine, const struct named *named, enum meta what, const struct health *health, const struct op *op)
{
	static const enum event_type types[] = { [META_FAILING] = EVENT_ENDPOINT_FAILING, [META_DISABLED] = EVENT_ENDPOINT_DISABLED,
		                                 [META_RECOVERED] = EVENT_ENDPOINT_RECOVERED };
	enum err err = health_event(engine, named, types[what]);
	if (!err && !op->lease.hook->meta)
		meta_send(engine, what, named, health, op, NULL);
	return err;
}

/* ---- well ---- */

/* The breaker's penalty is taken away, not one that somebody asked for. */
static enum err health_end_pause(struct engine *engine, const struct named *named)
{
	const struct health *health = &named->health;
	bool ours = health->opens && group_at(&engine->index, named->group)->blocked_us == health->open_until_us;
	return ours ? group_hold(engine, named->group, health->asked_until_us > engine->index.now_us ? health->asked_until_us : 0) : E_OK;
}

static void health_close(struct health *health)
{
	health->opens = 0;
	health->open_until_us = health->asked_until_us = 0;
}

/* Bodies that take long to make wait for their program, and hold their calls' places meanwhile. */
static uint64_t health_less(uint64_t allowed)
{
	return allowed / 2 > HEALTH_ALLOWED ? allowed / 2 : allowed < HEALTH_ALLOWED ? allowed : HEALTH_ALLOWED;
}

/* One more at once, but never more than half of all calls that are made: who is slow leaves room for others. */
static uint64_t health_more(const struct engine *engine, const struct named *named, bool slow)
{
	if (slow && named->health.allowed >= HEALTH_ALLOWED)
		return health_less(named->health.allowed);
	uint64_t allowed = named->health.allowed, half = engine->config.deliveries_max / 2;
	uint32_t concurrency = named->endpoint->value.concurrency;
	bool enough = concurrency ? allowed >= concurrency : false;
	return enough || allowed >= half ? allowed : allowed + 1;
}

static enum err health_well(struct engine *engine, uint32_t slot, const struct op *op)
{
	struct index *index = &engine->index;
	struct named *named = named_at(index, slot);
	struct health *health = &named->health;
	uint64_t allowed = health_more(engine, named, op->lease.hook->slow);
	bool recovered = health->told && named->state == NAMED_ENABLED, writes = recovered || health->warned || health->opens;
	if (!writes && health->answered && !health->failing_since_us && !health->failures && !health->slowed && allowed == health->allowed)
		return E_OK;
	enum err err = health_touch(engine->open, index, slot);
	err = err ? err : health_end_pause(engine, named);
	if (err)
		return err;
	struct health before = *health;
	health_close(health);
	health->failures = health->attempts_failed = health->warned = health->slowed = 0;
	health->failing_since_us = 0;
	health->told = health->told && !recovered;
	health->allowed = allowed;
	health->answered = 1;
	group_refresh(index, named->group);
	err = writes ? named_write(engine, named) : E_OK;
	return err || !recovered ? err : health_say(engine, named, META_RECOVERED, &before, op);
}

/* Neither well nor not: but its program was slow. */
static enum err health_slow(struct engine *engine, uint32_t slot)
{
	struct named *named = named_at(&engine->index, slot);
	uint64_t allowed = health_less(named->health.allowed);
	if (allowed == named->health.allowed)
		return E_OK;
	enum err err = health_touch(engine->open, &engine->index, slot);
	if (!err)
		named->health.allowed = allowed;
	group_refresh(&engine->index, named->group);
	return err;
}

/* ---- not well ---- */

/* Once it has opened, only a probe says anew how its third party does: what began before the pause was over, or before new settings ended it, says
 * how it did then. */
static bool health_opens(const struct health *health, const struct endpoint_breaker *breaker, int64_t began_us)
{
	if (!breaker->failures)
		return false;
	return health->opens ? began_us >= health->open_until_us : health->failures >= breaker->failures;
}

static enum err health_open(struct engine *engine, struct named *named)
{
	const struct endpoint_breaker *breaker = &named->endpoint->value.breaker;
	int64_t pause_ms = breaker->open_ms;
	for (uint64_t i = 0; i < named->health.opens && i < OPENS_DOUBLED && pause_ms < breaker->open_ms_max; i++)
		pause_ms *= 2;
	pause_ms = pause_ms < breaker->open_ms_max ? pause_ms : breaker->open_ms_max;
	int64_t until_us = engine->index.now_us + (pause_ms > 0 ? pause_ms * 1000 : 1), before_us = group_at(&engine->index, named->group)->blocked_us;
	if (!named->health.opens)
		named->health.asked_until_us = before_us;
	named->health.opens++;
	named->health.allowed = 1;
	named->health.open_until_us = until_us > before_us ? until_us : before_us; /* later, when somebody asked for that */
	return group_hold(engine, named->group, named->health.open_until_us);
}

/* ---- an overloaded gateway ---- */

/* Never longer than the breaker's first pause, which takes over when it goes on, unless it is set so. */
static int64_t health_slow_us(const struct health *health, const struct endpoint_settings *settings)
{
	int64_t pause_ms = settings->slow_down_ms, most_ms = settings->breaker.open_ms;
	for (uint64_t i = 0; i < health->slowed && pause_ms && pause_ms < most_ms; i++)
		pause_ms = pause_ms * 2 < most_ms ? pause_ms * 2 : most_ms;
	return pause_ms * 1000;
}

static enum err health_slow_down(struct engine *engine, struct named *named, const struct op_lease *lease, int64_t began_us)
{
	struct health *health = &named->health;
	const struct endpoint_settings *settings = &named->endpoint->value;
	bool said = lease->busy && lease->busy_ms, old = health->slow_since_us && began_us <= health->slow_since_us;
	int64_t delay_us = said ? lease->busy_ms * 1000 : old ? 0 : health_slow_us(health, settings), now_us = engine->index.now_us;
	if (!delay_us || !settings->retry_after.len || str_eq(settings->retry_after, STR("job")))
		return E_OK;
	enum err err = back_off_scope(engine, named->group, settings->retry_after, &delay_us);
	if (err)
		return err == E_LIMIT_NOT_FOUND ? E_OK : err; /* an answer is worth more than whom it should have held back */
	health->slowed += !said;
	health->slow_since_us = now_us;
	if (health->slow_until_us < now_us + delay_us)
		health->slow_until_us = now_us + delay_us;
	return E_OK;
}

static uint64_t health_warning(const struct index *index, const struct named *named)
{
	const struct health *health = &named->health;
	int64_t after_us = named->endpoint->value.disable_after_ms * 1000, since_us = index->now_us - health->failing_since_us;
	if (named->state != NAMED_ENABLED)
		return health->warned; /* what was under way still comes in */
	if (!health->warned && !health->opens && health->attempts_failed < FAILED_LEAST)
		return 0;
	uint64_t share = after_us && since_us >= after_us / 10 * 9 ? 90 : after_us && since_us >= after_us / 2 ? 50 : WARNED_FIRST;
	return share > health->warned ? share : health->warned;
}

static void health_count(struct health *health, int64_t now_us, bool at_fault)
{
	health->attempts_failed++;
	if (!health->failing_since_us)
		health->failing_since_us = now_us;
	if (at_fault) {
		health->failures++;
		health->allowed = health->allowed > 1 ? health->allowed / 2 : 1;
	} else {
		health->failures = 0;
		health->answered = 1;
	}
}

static bool health_is_over(const struct index *index, const struct named *named) /* it has failed for so long that it is disabled */
{
	int64_t at_us = health_disable_us(named);
	return at_us && at_us <= index->now_us && named->health.attempts_failed >= FAILED_LEAST;
}

static enum err health_disable(struct engine *engine, uint32_t slot, enum named_reason reason, const struct op *op)
{
	struct named *named = named_at(&engine->index, slot);
	enum err err = named_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	named->state = NAMED_DISABLED;
	named->reason = (uint8_t)reason;
	named->health.told = 1;
	named->changed_us = engine->index.wall_us;
	err = endpoint_hold(engine, named);
	err = err ? err : named_write(engine, named);
	return err ? err : health_say(engine, named, META_DISABLED, &named->health, op);
}

static enum err health_failed(struct engine *engine, uint32_t slot, const struct op *op, int64_t began_us)
{
	bool at_fault = op->lease.hook->blame == BLAME_ENDPOINT;
	struct index *index = &engine->index;
	struct named *named = named_at(index, slot);
	struct health *health = &named->health;
	uint64_t opens = health->opens, warned = health->warned;
	int64_t slow_until_us = health->slow_until_us;
	enum err err = health_touch(engine->open, index, slot);
	if (err)
		return err;
	health_count(health, index->now_us, at_fault);
	if (at_fault && op->lease.hook->overloaded)
		err = health_slow_down(engine, named, &op->lease, began_us);
	if (err)
		return err;
	if (!at_fault) {
		err = health_end_pause(engine, named);
		health_close(health);
		health->slowed = 0;
	} else if (health_opens(health, &named->endpoint->value.breaker, began_us)) {
		err = health_open(engine, named);
	}
	health->warned = health_warning(index, named);
	health->told = health->told || health->warned;
	group_refresh(index, named->group);
	if (!err && named->state == NAMED_ENABLED && (op->lease.hook->gone || health_is_over(index, named)))
		return health_disable(engine, slot, op->lease.hook->gone ? NAMED_GONE : NAMED_FAILING, op);
	if (!err && (health->opens != opens || health->warned != warned || health->slow_until_us != slow_until_us))
		err = named_write(engine, named);
	return err || health->warned == warned ? err : health_say(engine, named, META_FAILING, health, op);
}

/* ---- how all of them do ---- */

static enum endpoints_counted health_class(const struct named *named)
{
	if (named->state != NAMED_ENABLED)
		return named->state == NAMED_PAUSED ? ENDPOINTS_PAUSED : ENDPOINTS_DISABLED;
	return named->health.opens ? ENDPOINTS_OPEN : named->health.failing_since_us ? ENDPOINTS_FAILING : ENDPOINTS_OK;
}

void health_count_all(struct engine *engine)
{
	const struct index *index = &engine->index;
	memset(engine->stats.endpoints, 0, sizeof(engine->stats.endpoints));
	for (uint32_t i = 0; i < index->endpoints.count; i++) {
		const struct named *named = named_at(index, index->endpoints.slots[i]);
		if (!named->gone)
			engine->stats.endpoints[health_class(named)]++;
	}
}

/* ---- doors ---- */

enum err health_retry(struct engine *engine, uint32_t slot)
{
	struct named *named = named_at(&engine->index, slot);
	if (named->group == SLOT_NONE || !named->health.opens || named->health.open_until_us <= engine->index.now_us)
		return E_OK;
	enum err err = health_end_pause(engine, named);
	named->health.open_until_us = engine->index.now_us;
	return err;
}

enum err health_asked(struct engine *engine, uint32_t slot, int64_t until_us)
{
	struct named *named = slot == SLOT_NONE ? NULL : named_at(&engine->index, slot);
	struct health *health = named ? &named->health : NULL;
	int64_t now_us = engine->index.now_us;
	bool open = health && health->opens, slow = health && !until_us && health->slow_until_us > now_us;
	if ((!open || (until_us && until_us <= health->asked_until_us)) && !slow)
		return E_OK; /* while the breaker is closed the group's penalty is theirs alone */
	enum err err = health_touch(engine->open, &engine->index, slot);
	if (err)
		return err;
	if (open)
		health->asked_until_us = until_us;
	if (!until_us)
		health->slow_until_us = 0;
	if (open && !until_us && health->open_until_us > now_us)
		health->open_until_us = now_us; /* whoever lets it go wants it to be tried */
	return named_write(engine, named);
}

static uint32_t health_of(const struct index *index, const struct op_hook *hook) /* whose it is; SLOT_NONE: nobody's */
{
	uint32_t slot = named_find_number(index, hook->endpoint);
	const struct named *named = slot == SLOT_NONE ? NULL : named_at(index, slot);
	return hook->test || !named || named->group == SLOT_NONE || !named->endpoint ? SLOT_NONE : slot;
}

bool health_holds(const struct engine *engine, const struct op_hook *hook)
{
	return hook->gone && health_of(&engine->index, hook) != SLOT_NONE;
}

static enum err health_judge(struct engine *engine, uint32_t slot, const struct op *op, int64_t began_us)
{
	switch (op->lease.hook->blame) {
	case BLAME_WELL: return health_well(engine, slot, op);
	case BLAME_RECORD:
	case BLAME_ENDPOINT: return health_failed(engine, slot, op, began_us);
	default: return op->lease.hook->slow ? health_slow(engine, slot) : E_OK;
	}
}

enum err health_ended(struct engine *engine, const struct op *op, const struct job *job, int64_t began_us)
{
	const struct op_hook *hook = op->lease.hook;
	uint32_t slot = health_of(&engine->index, hook);
	if (slot == SLOT_NONE)
		return E_OK;
	enum err err = health_judge(engine, slot, op, began_us);
	const struct named *named = named_at(&engine->index, slot);
	if (!err && !hook->meta && job->state == JOB_FAILED)
		meta_send(engine, META_EXHAUSTED, named, &named->health, op, job);
	return err;
}
