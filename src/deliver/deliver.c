/* A delivery's way, all on the deliver thread:
 *
 *   EFFECT_DELIVER → queued    waits for room, in the order it came
 *                  → ready     its definition is read and its call built, many at once
 *                  → held      its host has as many calls as it may have
 *                  → shaping   its format's program makes the body; then it is read again
 *                  → authorising  an access token is fetched; then it is read again
 *                  → running   libcurl has it
 *                  → gone      its verdict is in the batch that the next turn of the loop submits
 *
 * One with riders, or for an endpoint that takes several messages in one call, is a batch (bundle.h): one delivery here, whose programs may be
 * several and whose verdicts are one request. EFFECT_ABORT of one of its messages takes that one out.
 *
 * EFFECT_ABORT ends it anywhere, silently. When memory runs out where a verdict should be written, the delivery is `owed` a release and
 * gets it when there is memory again. */
#include "deliver/deliver.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/pool.h"
#include "deliver/bundle_verdict.h"
#include "deliver/guard.h"
#include "deliver/host.h"
#include "deliver/outbox.h"
#include "net/mailbox.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define DELIVER_LOAD_MAX        256      /* definitions of one query */
#define DELIVER_BUNDLE_FIRST    8        /* messages of a batch that its first query brings, the next twice as many: they may be large */
#define DELIVER_LOAD_BYTES      (1 << 25) /* payloads that one query should bring, about */
#define DELIVER_LOADED_BYTES    (1 << 28) /* payloads in memory: above it no more are read while others are under way */
#define DELIVER_AGAIN_US        250000   /* until what could not be done is tried again */
#define DELIVER_PATIENCE_MAX_US 30000000 /* waiting for one's turn; a delivery's lease lasts its time-out and a minute */
#define DELIVER_LOOK_US         1000000  /* between looks at those that wait */

enum delivery_state { DELIVERY_QUEUED, DELIVERY_SHAPING, DELIVERY_AUTHORISING, DELIVERY_READY, DELIVERY_HELD, DELIVERY_RUNNING, DELIVERY_OWED };

struct delivery {
	uint32_t slot;               /* first: the pool's once it is given back */
	enum delivery_state state;
	TAILQ_ENTRY(delivery) link;  /* in the list of its state */
	struct deliver *deliver;
	struct effect *effect;
	struct queue_target *target;
	struct host *host;
	struct arena arena;          /* of the call */
	struct call call;
	struct http_ticket *ticket;
	const struct oauth_token *token; /* AUTHORISING: that it waits for */
	struct shaping *shaping;     /* SHAPING, and until its answer was used */
	size_t shaping_bytes;        /* of its input */
	struct hook_subject subject; /* of a delivery to an endpoint: once it was read; its texts are in: */
	char *subject_texts;         /* owned */
	struct bundle *bundle;         /* several messages in one call; NULL: it is none, or is not known to be one yet */
	bool renewed;                /* its token was refused, and is asked for once more */
	int64_t since_us;            /* on the monotonic clock */
};

struct deliver {
	struct deliver_config config;
	struct deliver_ports ports;
	struct guard guard;
	pthread_t thread;
	pthread_mutex_t door;        /* held while something is put through: the end does not pull the floor away under it */
	struct mailbox effects, replies, shapes;
	_Atomic int64_t stop_by_us;  /* monotonic; 0: go on */
	_Atomic uint64_t started, by_class[HTTP_CLASS_COUNT];
	_Atomic uint32_t in_flight;
	_Atomic(struct guard_settings *) guard_next; /* for the guard, once the thread sees it */
	struct guard_settings *guard_settings; /* what the guard's point to */
	/* From here on the thread's own. */
	struct http_client *client;
	struct target_cache targets;
	struct hook_room hooks;
	struct oauth_room tokens;
	struct program_table programs;
	struct host_table hosts;
	struct pool deliveries;
	struct map by_uid;
	uint32_t bundle_count;
	struct delivery_list queued, shaping, authorising, ready, running, owed;
	struct effect *unserved, **unserved_last; /* no memory for a delivery yet */
	uint32_t shaping_count, ready_count, held_count, running_count;
	uint32_t load_max;           /* definitions of the next query */
	size_t loaded_bytes;
	int64_t patience_us;         /* when to look again at those that wait */
	struct outbox outbox;
	int64_t again_us;            /* when to try again what memory did not suffice for; INT64_MAX: nothing */
};

_Static_assert(offsetof(struct effect, next) == 0 && offsetof(struct request, link) == 0, "both travel as letters");

static void deliver_again(struct deliver *deliver)
{
	if (deliver->again_us == INT64_MAX)
		deliver->again_us = clock_mono_us() + DELIVER_AGAIN_US;
}

/* ---- a delivery ---- */

static uint64_t delivery_hash_of(void *context, uint32_t slot)
{
	struct deliver *deliver = context;
	return map_mix(((struct delivery *)pool_at(&deliver->deliveries, slot))->effect->uid);
}

static bool delivery_is(void *context, uint32_t slot, const void *key)
{
	struct deliver *deliver = context;
	return ((struct delivery *)pool_at(&deliver->deliveries, slot))->effect->uid == *(const uint64_t *)key;
}

static struct delivery *delivery_find(struct deliver *deliver, uint64_t uid)
{
	uint32_t slot = map_find(&deliver->by_uid, map_mix(uid), delivery_is, &uid);
	return slot == MAP_NONE ? NULL : pool_at(&deliver->deliveries, slot);
}

/* The one door between states: lists and counts follow here. */
static void delivery_leave(struct delivery *delivery)
{
	struct deliver *deliver = delivery->deliver;
	switch (delivery->state) {
	case DELIVERY_QUEUED:
		TAILQ_REMOVE(&deliver->queued, delivery, link);
		break;
	case DELIVERY_SHAPING:
		TAILQ_REMOVE(&deliver->shaping, delivery, link);
		deliver->shaping_count--;
		break;
	case DELIVERY_AUTHORISING:
		TAILQ_REMOVE(&deliver->authorising, delivery, link);
		break;
	case DELIVERY_READY:
		TAILQ_REMOVE(&deliver->ready, delivery, link);
		deliver->ready_count--;
		break;
	case DELIVERY_HELD:
		TAILQ_REMOVE(&delivery->host->held, delivery, link);
		deliver->held_count--;
		break;
	case DELIVERY_RUNNING:
		TAILQ_REMOVE(&deliver->running, delivery, link);
		delivery->host->running--;
		deliver->running_count--;
		atomic_fetch_sub_explicit(&deliver->in_flight, 1, memory_order_relaxed);
		break;
	case DELIVERY_OWED:
		TAILQ_REMOVE(&deliver->owed, delivery, link);
		break;
	}
}

static void delivery_enter(struct delivery *delivery, enum delivery_state state)
{
	struct deliver *deliver = delivery->deliver;
	delivery->state = state;
	switch (state) {
	case DELIVERY_QUEUED:
		TAILQ_INSERT_TAIL(&deliver->queued, delivery, link);
		break;
	case DELIVERY_SHAPING:
		TAILQ_INSERT_TAIL(&deliver->shaping, delivery, link);
		deliver->shaping_count++;
		break;
	case DELIVERY_AUTHORISING:
		TAILQ_INSERT_TAIL(&deliver->authorising, delivery, link);
		break;
	case DELIVERY_READY:
		TAILQ_INSERT_TAIL(&deliver->ready, delivery, link);
		deliver->ready_count++;
		break;
	case DELIVERY_HELD:
		TAILQ_INSERT_TAIL(&delivery->host->held, delivery, link);
		deliver->held_count++;
		break;
	case DELIVERY_RUNNING:
		TAILQ_INSERT_TAIL(&deliver->running, delivery, link);
		delivery->host->running++;
		deliver->running_count++;
		atomic_fetch_add_explicit(&deliver->in_flight, 1, memory_order_relaxed);
		break;
	case DELIVERY_OWED:
		TAILQ_INSERT_TAIL(&deliver->owed, delivery, link);
		deliver_again(deliver);
		break;
	}
}

static void delivery_move(struct delivery *delivery, enum delivery_state state)
{
	delivery_leave(delivery);
	delivery_enter(delivery, state);
}

/* What a call needs is given back; the first of those that its host held back is ready now. */
static void delivery_unload(struct delivery *delivery)
{
	struct deliver *deliver = delivery->deliver;
	struct host *host = delivery->host;
	if (host) {
		struct delivery *next = TAILQ_FIRST(&host->held);
		if (next && host->running < deliver->config.host_connections)
			delivery_move(next, DELIVERY_READY);
		host_give(&deliver->hosts, host);
	}
	deliver->loaded_bytes -= delivery->call.body.len;
	delivery->host = NULL;
	queue_target_drop(delivery->target);
	delivery->target = NULL;
	if (delivery->effect->endpoint_number)
		arena_wipe(&delivery->arena); /* secrets stand in it */
	delivery->call = (struct call){ 0 };
	arena_fini(&delivery->arena);
}

static void delivery_free(struct delivery *delivery)
{
	struct deliver *deliver = delivery->deliver;
	delivery_leave(delivery);
	delivery_unload(delivery);
	deliver->loaded_bytes -= delivery->shaping_bytes + (delivery->bundle ? delivery->bundle->bytes : 0);
	shaping_drop(delivery->shaping);
	mem_free(delivery->subject_texts);
	deliver->bundle_count -= delivery->bundle != NULL;
	bundle_free(delivery->bundle);
	delivery->bundle = NULL; /* a free slot has none */
	map_remove(&deliver->by_uid, map_mix(delivery->effect->uid), delivery->slot);
	effect_free(delivery->effect);
	pool_give(&deliver->deliveries, delivery->slot);
}

static bool delivery_tell_release(struct delivery *delivery)
{
	struct deliver *deliver = delivery->deliver;
	struct op *op = outbox_op(&deliver->outbox, deliver->running_count);
	if (!op)
		return false;
	bool shapes = delivery->state == DELIVERY_SHAPING;
	if (!shapes || hook_verdict_slow(delivery->effect, outbox_arena(&deliver->outbox), op))
		verdict_release(delivery->effect, op);
	outbox_add(&deliver->outbox);
	return true;
}

/* Verdicts of all messages of a batch. False: no memory. */
static bool delivery_tell_bundle(struct delivery *delivery, const struct bundle_end *end)
{
	struct outbox *outbox = &delivery->deliver->outbox;
	struct op *ops = outbox_ops(outbox, delivery->bundle->count);
	uint32_t count;
	if (!ops || bundle_verdicts(delivery->bundle, delivery->effect, end, clock_wall_us(), outbox_arena(outbox), &outbox->scratch, ops, &count))
		return false;
	outbox_add_all(outbox, count);
	return true;
}

static void delivery_release(struct delivery *delivery)
{
	const struct bundle_end end = { .kind = BUNDLE_END_RELEASED, .waited = delivery->state == DELIVERY_SHAPING };
	if (delivery->bundle ? delivery_tell_bundle(delivery, &end) : delivery_tell_release(delivery)) {
		delivery_free(delivery);
		return;
	}
	delivery_leave(delivery);
	delivery_unload(delivery);
	delivery_enter(delivery, DELIVERY_OWED);
}

static void delivery_end_bundle(struct delivery *delivery, const struct bundle_end *end)
{
	if (delivery_tell_bundle(delivery, end))
		delivery_free(delivery);
	else
		delivery_release(delivery);
}

/* What its endpoint's health needs to know besides. */
static enum err delivery_describe(struct delivery *delivery, struct op *op)
{
	delivery->subject.slow = shaping_is_slow(delivery->shaping);
	return hook_verdict_about(&delivery->subject, outbox_arena(&delivery->deliver->outbox), op);
}

static void deliver_count_class(struct deliver *deliver, enum http_class http_class)
{
	atomic_fetch_add_explicit(&deliver->by_class[http_class], 1, memory_order_relaxed);
}

/* It could not even be tried. */
static void delivery_fail(struct delivery *delivery, enum http_class http_class, const char *detail)
{
	struct deliver *deliver = delivery->deliver;
	deliver_count_class(deliver, http_class);
	if (delivery->bundle) {
		delivery_end_bundle(delivery, &(struct bundle_end){ .kind = BUNDLE_END_FAILED, .http_class = http_class, .detail = detail });
		return;
	}
	struct op *op = outbox_op(&deliver->outbox, deliver->running_count);
	bool to_endpoint = delivery->effect->endpoint_number != 0;
	if (!op || (to_endpoint ? hook_verdict_of_trouble : verdict_of_trouble)(delivery->effect, http_class, detail,
										outbox_arena(&deliver->outbox), &deliver->outbox.scratch, op) ||
	    delivery_describe(delivery, op)) {
		delivery_release(delivery);
		return;
	}
	outbox_add(&deliver->outbox);
	delivery_free(delivery);
}

/* There was nothing to send. */
static void delivery_filter(struct delivery *delivery, const char *reason)
{
	struct deliver *deliver = delivery->deliver;
	struct op *op = outbox_op(&deliver->outbox, deliver->running_count);
	if (!op || hook_verdict_filtered(delivery->effect, reason, outbox_arena(&deliver->outbox), op) ||
	    delivery_describe(delivery, op)) {
		delivery_release(delivery);
		return;
	}
	outbox_add(&deliver->outbox);
	delivery_free(delivery);
}

/* What is left of the time that its lease allows for; a repetition within the same attempt must fit, too. */
static int64_t delivery_time_left_ms(const struct delivery *delivery, int64_t timeout_ms)
{
	return timeout_ms - (clock_mono_us() - delivery->since_us) / 1000;
}

/* Its access token was had before this attempt, and is refused: once more with a new one, under the same lease. */
static bool delivery_renews(struct delivery *delivery, const struct http_outcome *outcome)
{
	const struct hook *hook = delivery->call.hook;
	bool refused = outcome->end == HTTP_END_ANSWERED && outcome->status == 401 && hook && hook->token.len;
	if (!refused || delivery->renewed || hook->token_since_us >= delivery->since_us || delivery_time_left_ms(delivery, delivery->call.timeout_ms) <= 0)
		return false;
	oauth_forget(&delivery->deliver->tokens, delivery->effect->endpoint_number, hook->token);
	delivery->renewed = true;
	delivery_leave(delivery);
	delivery_unload(delivery);
	delivery_enter(delivery, DELIVERY_QUEUED);
	return true;
}

static void delivery_on_done(void *context, const struct http_outcome *outcome)
{
	struct delivery *delivery = context;
	struct deliver *deliver = delivery->deliver;
	if (delivery_renews(delivery, outcome))
		return;
	deliver_count_class(deliver, verdict_class(&delivery->call.policy, outcome));
	if (delivery->bundle) {
		delivery_end_bundle(delivery, &(struct bundle_end){ .kind = BUNDLE_END_CALLED, .call = &delivery->call, .outcome = outcome });
		return;
	}
	struct op *op = outbox_op(&deliver->outbox, deliver->running_count);
	if (!op || (delivery->call.hook ? hook_verdict : verdict_of_outcome)(delivery->effect, &delivery->call, outcome, clock_wall_us(),
									     outbox_arena(&deliver->outbox), &deliver->outbox.scratch, op) ||
	    delivery_describe(delivery, op)) {
		delivery_release(delivery);
		return;
	}
	outbox_add(&deliver->outbox);
	delivery_free(delivery);
}

/* Stops the call, if there is one, and leaves the delivery to its next fate. */
static void delivery_stop_call(struct delivery *delivery)
{
	if (delivery->state == DELIVERY_RUNNING)
		http_client_cancel(delivery->deliver->client, delivery->ticket);
}

static void delivery_start(struct delivery *delivery)
{
	struct deliver *deliver = delivery->deliver;
	const struct call *call = &delivery->call;
	struct http_request request = {
		.method = call->method,
		.url = call->url,
		.headers = call->headers,
		.header_count = call->header_count,
		.body = call->body,
		.tls = call->tls,
		.timeout_ms = call->timeout_ms,
		.response_max = LIMIT_RESPONSE_BYTES,
		.done = delivery_on_done,
		.context = delivery,
	};
	if (http_client_start(deliver->client, &request, &delivery->ticket)) {
		delivery_fail(delivery, HTTP_CLASS_OURS, "there was not enough memory");
		return;
	}
	atomic_fetch_add_explicit(&deliver->started, 1, memory_order_relaxed);
	delivery_move(delivery, DELIVERY_RUNNING);
}

/* ---- reading what is to be sent ---- */

static enum err delivery_build(struct delivery *delivery, const struct job_view *view, struct problem *problem)
{
	struct deliver *deliver = delivery->deliver;
	delivery->target = target_cache_take(&deliver->targets, delivery->effect->queue, delivery->effect->settings,
					     view->queue_name);
	if (!delivery->target)
		return E_NOMEM;
	struct call call;
	enum err err = call_build(delivery->effect, view, delivery->target, &delivery->arena, &call, problem);
	if (err)
		return err;
	call.body = arena_str(&delivery->arena, call.body); /* the view's memory goes with its query */
	if (!call.body.ptr)
		return E_NOMEM;
	delivery->host = host_take(&deliver->hosts, call.origin);
	if (!delivery->host)
		return E_NOMEM;
	delivery->call = call;
	deliver->loaded_bytes += call.body.len;
	return E_OK;
}

static void deliver_on_token(void *context, const struct oauth_token *token, enum http_class http_class, const char *why)
{
	struct deliver *deliver = context;
	for (struct delivery *delivery = TAILQ_FIRST(&deliver->authorising), *next; delivery; delivery = next) {
		next = TAILQ_NEXT(delivery, link);
		if (delivery->token != token)
			continue;
		if (why)
			delivery_fail(delivery, http_class, why);
		else
			delivery_move(delivery, DELIVERY_QUEUED);
	}
}

/* It is read and built again when the token is there: the secrets of now sign the call. */
static enum err delivery_authorise(struct delivery *delivery, const struct oauth_wish *wish)
{
	enum err err = oauth_fetch(&delivery->deliver->tokens, wish, &delivery->token);
	if (err)
		return err;
	delivery_leave(delivery);
	delivery_unload(delivery);
	delivery_enter(delivery, DELIVERY_AUTHORISING);
	return E_OK;
}

/* A program makes the body; it is read and built again when that is there. */
static enum err delivery_shape(struct delivery *delivery, const struct hook_answer *answer)
{
	struct deliver *deliver = delivery->deliver;
	enum err err = shaping_start(deliver->ports.formats, &deliver->shapes, delivery->effect->uid, answer->program, answer->input, &delivery->shaping);
	if (err)
		return err;
	delivery->shaping_bytes = answer->input.len;
	deliver->loaded_bytes += answer->input.len;
	delivery_leave(delivery);
	delivery_unload(delivery);
	delivery_enter(delivery, DELIVERY_SHAPING);
	return E_OK;
}

static void deliver_take_shape(struct deliver *deliver, struct shaping *shaping)
{
	struct delivery *delivery = delivery_find(deliver, shaping->uid);
	shaping->came = true;
	if (delivery && delivery->bundle && bundle_take_shape(delivery->bundle, shaping)) {
		if (!delivery->bundle->waiting && delivery->state == DELIVERY_SHAPING)
			delivery_move(delivery, DELIVERY_QUEUED);
		return;
	}
	if (!delivery || delivery->shaping != shaping)
		shaping_free(shaping); /* nobody waits for it any more */
	else if (delivery->state == DELIVERY_SHAPING)
		delivery_move(delivery, DELIVERY_QUEUED);
}

/* The view goes with its query; without memory the engine hears less. */
static void delivery_remember(struct delivery *delivery, const struct message_row *message)
{
	size_t bytes = message->type.len + message->entity.len;
	if (!delivery->subject_texts)
		delivery->subject_texts = mem_alloc(bytes + 1);
	char *texts = delivery->subject_texts;
	delivery->subject = (struct hook_subject){ .meta = message->flags & MESSAGE_META, .test = message->flags & MESSAGE_TEST, .message = message->uid };
	if (!texts)
		return;
	memcpy(texts, message->type.ptr, message->type.len);
	if (message->entity.len)
		memcpy(texts + message->type.len, message->entity.ptr, message->entity.len);
	delivery->subject.type = (struct str){ texts, message->type.len };
	delivery->subject.entity = (struct str){ texts + message->type.len, message->entity.len };
}

static void delivery_take_answer(struct delivery *delivery, const struct hook_answer *answer)
{
	struct deliver *deliver = delivery->deliver;
	enum err err = E_OK;
	if (answer->end == HOOK_CALL) {
		delivery->host = host_take(&deliver->hosts, answer->call.origin);
		err = delivery->host ? E_OK : E_NOMEM;
	}
	if (answer->end == HOOK_PROGRAM)
		err = delivery_shape(delivery, answer);
	if (answer->end == HOOK_TOKEN)
		err = delivery_authorise(delivery, &answer->wish);
	if (err) {
		delivery_fail(delivery, HTTP_CLASS_OURS, "there was not enough memory");
	} else if (answer->end == HOOK_FAILED) {
		delivery_fail(delivery, answer->http_class, answer->detail);
	} else if (answer->end == HOOK_FILTERED) {
		delivery_filter(delivery, answer->reason);
	} else if (answer->end == HOOK_CALL) {
		delivery->call = answer->call;
		int64_t left_ms = delivery->renewed ? delivery_time_left_ms(delivery, answer->call.timeout_ms) : answer->call.timeout_ms;
		delivery->call.timeout_ms = left_ms > 0 ? left_ms : 1;
		deliver->loaded_bytes += answer->call.body.len;
		delivery_move(delivery, DELIVERY_READY);
	}
}

/* ---- a batch ---- */

static struct bundle_pool deliver_pool(struct deliver *deliver)
{
	return (struct bundle_pool){ .formats = deliver->ports.formats, .box = &deliver->shapes };
}

/* Its messages were read: on to its programs, its call, its end. */
static void delivery_go_on(struct delivery *delivery)
{
	struct deliver *deliver = delivery->deliver;
	const struct bundle_pool pool = deliver_pool(deliver);
	struct hook_answer answer = { .end = HOOK_CALL };
	enum bundle_next next;
	if (bundle_go_on(delivery->bundle, &deliver->hooks, &pool, delivery->effect, clock_wall_us(), &delivery->arena, &answer, &next)) {
		delivery_fail(delivery, HTTP_CLASS_OURS, "there was not enough memory");
		return;
	}
	switch (next) {
	case BUNDLE_WAITS:
		delivery_move(delivery, DELIVERY_SHAPING);
		break;
	case BUNDLE_CALL:
		delivery_take_answer(delivery, &answer);
		break;
	case BUNDLE_FAILED:
		delivery_fail(delivery, answer.http_class, answer.detail);
		break;
	case BUNDLE_HALVES:
		delivery_end_bundle(delivery, &(struct bundle_end){ .kind = BUNDLE_END_HALVES, .http_class = answer.http_class, .detail = answer.detail });
		break;
	case BUNDLE_ALONE:
		delivery_end_bundle(delivery, &(struct bundle_end){ .kind = BUNDLE_END_ALONE });
		break;
	case BUNDLE_UNSENT:
		delivery_end_bundle(delivery, &(struct bundle_end){ .kind = BUNDLE_END_UNSENT });
		break;
	}
}

/* The next query asks for fewer when payloads turn out to be large. */
static void deliver_adapt_load(struct deliver *deliver, const struct answer *answer)
{
	size_t bytes = 1;
	for (uint32_t i = 0; i < answer->job_count; i++)
		bytes += answer->jobs[i].definition.payload.len + answer->jobs[i].edited_payload.len + answer->jobs[i].message.payload.len;
	size_t fit = answer->job_count ? DELIVER_LOAD_BYTES / (bytes / answer->job_count + 1) : 0;
	deliver->load_max = fit < 1 ? 1 : fit < DELIVER_LOAD_MAX ? (uint32_t)fit : DELIVER_LOAD_MAX;
}

/* Its next messages, as many as one query should bring. */
static enum err delivery_read_some(struct delivery *delivery, uint32_t most)
{
	struct deliver *deliver = delivery->deliver;
	struct bundle *bundle = delivery->bundle;
	const struct bundle_pool pool = deliver_pool(deliver);
	uint32_t left = bundle->count - bundle->read, count = left < most ? left : most;
	uint64_t uids[DELIVER_LOAD_MAX];
	struct query query = { .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = count };
	struct answer answer = { 0 };
	struct arena arena;
	for (uint32_t i = 0; i < count; i++)
		uids[i] = bundle->parts[bundle->read + i].rider.uid;
	arena_init(&arena, 0);
	enum err err = deliver->ports.definitions(deliver->ports.context, &query, &arena, &answer);
	CHECK(err || answer.job_count == count);
	if (!err) {
		err = bundle_read(bundle, &deliver->hooks, &pool, delivery->effect, answer.jobs, count, clock_wall_us());
		deliver_adapt_load(deliver, &answer);
	}
	arena_fini(&arena);
	return err;
}

static void delivery_load_bundle(struct delivery *delivery)
{
	struct deliver *deliver = delivery->deliver;
	struct bundle *bundle = delivery->bundle;
	bool had = bundle_is_read(bundle);
	enum err err = E_OK;
	for (uint32_t most = DELIVER_BUNDLE_FIRST; !bundle_is_read(bundle) && !err; most = most < DELIVER_LOAD_MAX ? most * 2 : most)
		err = delivery_read_some(delivery, most < deliver->load_max ? most : deliver->load_max);
	deliver->loaded_bytes += had ? 0 : bundle->bytes;
	if (err)
		delivery_fail(delivery, HTTP_CLASS_OURS, err == E_NOMEM ? "there was not enough memory" : "the jobs could not be read from the store");
	else
		delivery_go_on(delivery);
}

static void delivery_load_hook(struct delivery *delivery, const struct job_view *view)
{
	struct deliver *deliver = delivery->deliver;
	struct hook_answer answer;
	if (bundle_is_wanted(&deliver->hooks, delivery->effect)) {
		delivery->bundle = bundle_new(delivery->effect); /* of one */
		deliver->bundle_count += delivery->bundle != NULL;
		if (!delivery->bundle) {
			delivery_fail(delivery, HTTP_CLASS_OURS, "there was not enough memory");
			return;
		}
		const struct bundle_pool pool = deliver_pool(deliver);
		enum err err = bundle_read(delivery->bundle, &deliver->hooks, &pool, delivery->effect, view, 1, clock_wall_us());
		deliver->loaded_bytes += delivery->bundle->bytes;
		if (err)
			delivery_fail(delivery, HTTP_CLASS_OURS, "there was not enough memory");
		else
			delivery_go_on(delivery);
		return;
	}
	delivery_remember(delivery, &view->message);
	if (hook_prepare(&deliver->hooks, delivery->effect, view, delivery->shaping, clock_wall_us(), &delivery->arena, &answer))
		delivery_fail(delivery, HTTP_CLASS_OURS, "there was not enough memory");
	else
		delivery_take_answer(delivery, &answer);
}

static void delivery_load(struct delivery *delivery, const struct job_view *view)
{
	struct problem problem = { 0 };
	if (!view->definition.uid) {
		delivery_fail(delivery, HTTP_CLASS_BAD_TARGET, "the job was deleted");
		return;
	}
	if (view->definition.message) {
		delivery_load_hook(delivery, view);
		return;
	}
	if (!delivery->effect->settings) {
		delivery_fail(delivery, HTTP_CLASS_BAD_TARGET, "its queue has no settings");
		return;
	}
	enum err err = delivery_build(delivery, view, &problem);
	if (err == E_NOMEM)
		delivery_fail(delivery, HTTP_CLASS_OURS, "there was not enough memory");
	else if (err)
		delivery_fail(delivery, HTTP_CLASS_BAD_TARGET, problem.detail[0] ? problem.detail : err_sentence(err));
	else
		delivery_move(delivery, DELIVERY_READY);
}

static void deliver_load_some(struct deliver *deliver, uint32_t count_max)
{
	struct delivery *some[DELIVER_LOAD_MAX], *delivery;
	uint64_t uids[DELIVER_LOAD_MAX];
	uint32_t count = 0;
	TAILQ_FOREACH(delivery, &deliver->queued, link) {
		if (count == count_max || (count && delivery->bundle))
			break;
		some[count] = delivery; // cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it
		uids[count++] = delivery->effect->uid;
		if (delivery->bundle)
			break;
	}
	if (count && some[0]->bundle) { /* alone: it has as many */
		delivery_load_bundle(some[0]);
		return;
	}
	struct query query = { .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = count };
	struct answer answer = { 0 };
	struct arena arena;
	arena_init(&arena, 0);
	enum err err = deliver->ports.definitions(deliver->ports.context, &query, &arena, &answer);
	CHECK(err || answer.job_count == count);
	for (uint32_t i = 0; i < count; i++) {
		if (err)
			delivery_fail(some[i], HTTP_CLASS_OURS, "the job could not be read from the store");
		else
			delivery_load(some[i], &answer.jobs[i]);
	}
	deliver_adapt_load(deliver, &answer);
	arena_fini(&arena);
}

/* False: nothing waits, or there is no room. */
static bool deliver_load(struct deliver *deliver)
{
	uint32_t taken = deliver->running_count + deliver->ready_count + deliver->shaping_count;
	if (TAILQ_EMPTY(&deliver->queued) || taken >= deliver->config.in_flight_max ||
	    (deliver->loaded_bytes > DELIVER_LOADED_BYTES && taken))
		return false;
	uint32_t room = deliver->config.in_flight_max - taken;
	deliver_load_some(deliver, room < deliver->load_max ? room : deliver->load_max);
	return true;
}

static void deliver_start_calls(struct deliver *deliver)
{
	struct delivery *delivery;
	while (deliver->running_count < deliver->config.in_flight_max &&
	       (delivery = TAILQ_FIRST(&deliver->ready)) != NULL) {
		if (delivery->host->running >= deliver->config.host_connections)
			delivery_move(delivery, DELIVERY_HELD);
		else
			delivery_start(delivery);
	}
}

static int64_t delivery_patience_us(const struct delivery *delivery)
{
	int64_t timeout_us = delivery->call.timeout_ms * 1000;
	bool short_one = delivery->state == DELIVERY_HELD && timeout_us < DELIVER_PATIENCE_MAX_US;
	return short_one ? timeout_us : DELIVER_PATIENCE_MAX_US;
}

/* Lists are in the order of arrival: the first one with patience left ends the look. */
static void delivery_release_impatient(struct delivery_list *list, enum delivery_state state, int64_t now_us)
{
	for (struct delivery *delivery = TAILQ_FIRST(list), *next; delivery && delivery->state == state; delivery = next) {
		next = TAILQ_NEXT(delivery, link);
		if (now_us - delivery->since_us <= delivery_patience_us(delivery))
			break;
		delivery_release(delivery);
	}
}

/* Who waited for its turn as long as a call may take is given back untried: waiting and calling must fit into its lease. */
static void deliver_release_impatient(struct deliver *deliver, int64_t now_us)
{
	delivery_release_impatient(&deliver->queued, DELIVERY_QUEUED, now_us);
	delivery_release_impatient(&deliver->shaping, DELIVERY_SHAPING, now_us);
	for (uint32_t slot = 0; deliver->held_count && slot < deliver->hosts.pool.used; slot++) {
		struct host *host = host_at(&deliver->hosts, slot);
		if (!host)
			continue;
		host->users++; /* stays while its list is walked */
		delivery_release_impatient(&host->held, DELIVERY_HELD, now_us);
		host_give(&deliver->hosts, host);
	}
}

/* ---- effects ---- */

static bool deliver_add(struct deliver *deliver, struct effect *effect)
{
	uint32_t slot;
	struct delivery *older = delivery_find(deliver, effect->uid);
	if (older) { /* its lease was lost in between: its verdict would be stale */
		delivery_stop_call(older);
		if (older->bundle)
			(void)bundle_forget(older->bundle, effect->uid, 0); /* it may have been already */
		if (older->bundle && !bundle_is_forgotten(older->bundle))
			(void)delivery_tell_bundle(older, &(struct bundle_end){ .kind = BUNDLE_END_RELEASED }); /* or their leases run out */
		delivery_free(older);
	}
	struct bundle *bundle = effect->rider_count ? bundle_new(effect) : NULL;
	if ((effect->rider_count && !bundle) || map_reserve(&deliver->by_uid, 1) || pool_take(&deliver->deliveries, &slot)) {
		bundle_free(bundle);
		return false;
	}
	struct delivery *delivery = pool_at(&deliver->deliveries, slot);
	*delivery = (struct delivery){ .slot = slot, .deliver = deliver, .effect = effect, .bundle = bundle, .since_us = clock_mono_us() };
	deliver->bundle_count += bundle != NULL;
	CHECK(map_put(&deliver->by_uid, map_mix(effect->uid), slot) == E_OK);
	delivery_enter(delivery, DELIVERY_QUEUED);
	return true;
}

static void deliver_put_aside(struct deliver *deliver, struct effect *effect)
{
	effect->next = NULL;
	*deliver->unserved_last = effect;
	deliver->unserved_last = &effect->next;
	deliver_again(deliver);
}

/* The message goes from the batch that it is in. A call that is under way goes on for the others. */
static void deliver_forget(struct deliver *deliver, const struct effect *effect)
{
	for (uint32_t slot = 0; deliver->bundle_count && slot < deliver->deliveries.used; slot++) {
		struct delivery *delivery = pool_at(&deliver->deliveries, slot);
		if (!delivery->bundle || !bundle_forget(delivery->bundle, effect->uid, effect->fence))
			continue;
		if (bundle_is_forgotten(delivery->bundle)) {
			delivery_stop_call(delivery);
			delivery_free(delivery);
		}
		return;
	}
}

static void deliver_abort(struct deliver *deliver, const struct effect *effect)
{
	struct delivery *delivery = delivery_find(deliver, effect->uid);
	if (delivery && !delivery->bundle && (!effect->fence || effect->fence >= delivery->effect->fence)) {
		delivery_stop_call(delivery);
		delivery_free(delivery);
	}
	deliver_forget(deliver, effect);
	for (struct effect **at = &deliver->unserved; *at;) {
		struct effect *aside = *at;
		if (aside->uid != effect->uid) {
			at = &aside->next;
			continue;
		}
		*at = aside->next;
		if (!*at)
			deliver->unserved_last = at;
		effect_free(aside);
	}
}

static void deliver_take_effect(struct deliver *deliver, struct effect *effect)
{
	if (effect->kind == EFFECT_DELIVER) {
		if (deliver->unserved || !deliver_add(deliver, effect))
			deliver_put_aside(deliver, effect);
		return;
	}
	if (effect->kind == EFFECT_NAMED && (deliver->unserved || program_table_put(&deliver->programs, &effect->named))) {
		deliver_put_aside(deliver, effect);
		return;
	}
	if (effect->kind == EFFECT_ABORT)
		deliver_abort(deliver, effect);
	effect_free(effect);
}

static void deliver_take_letters(struct deliver *deliver)
{
	for (struct letter *letter = mailbox_take(&deliver->replies), *next; letter; letter = next) {
		next = letter->next;
		outbox_take(&deliver->outbox, (struct request *)(void *)letter, clock_mono_us());
	}
	for (struct letter *letter = mailbox_take(&deliver->shapes), *next; letter; letter = next) {
		next = letter->next;
		deliver_take_shape(deliver, (struct shaping *)(void *)letter);
	}
	for (struct letter *letter = mailbox_take(&deliver->effects), *next; letter; letter = next) {
		next = letter->next;
		deliver_take_effect(deliver, (struct effect *)(void *)letter);
	}
}

/* What could not be done for want of memory, or because the engine could not take it. */
static void deliver_try_again(struct deliver *deliver)
{
	int64_t now_us = clock_mono_us();
	outbox_again(&deliver->outbox, now_us);
	if (now_us < deliver->again_us)
		return;
	deliver->again_us = INT64_MAX;
	struct effect *unserved = deliver->unserved;
	deliver->unserved = NULL;
	deliver->unserved_last = &deliver->unserved;
	for (struct effect *next; unserved; unserved = next) {
		next = unserved->next;
		deliver_take_effect(deliver, unserved);
	}
	for (struct delivery *owed = TAILQ_LAST(&deliver->owed, delivery_list), *previous; owed; owed = previous) {
		previous = TAILQ_PREV(owed, delivery_list, link); /* those that fail again come behind */
		delivery_release(owed);
	}
}

/* ---- the end ---- */

static void delivery_release_all(struct delivery_list *list)
{
	for (struct delivery *delivery = TAILQ_FIRST(list), *next; delivery; delivery = next) {
		next = TAILQ_NEXT(delivery, link);
		delivery_stop_call(delivery);
		delivery_release(delivery);
	}
}

/* True when nothing is left to do. */
static bool deliver_wind_down(struct deliver *deliver, int64_t stop_by_us)
{
	delivery_release_all(&deliver->queued);
	delivery_release_all(&deliver->shaping);
	delivery_release_all(&deliver->authorising);
	while (!TAILQ_EMPTY(&deliver->ready)) /* each one gone makes a held one ready */
		delivery_release_all(&deliver->ready);
	for (uint32_t slot = 0; deliver->held_count && slot < deliver->hosts.pool.used; slot++) {
		struct host *host = host_at(&deliver->hosts, slot);
		while (host && host->users && !TAILQ_EMPTY(&host->held))
			delivery_release(TAILQ_FIRST(&host->held));
	}
	if (clock_mono_us() >= stop_by_us)
		delivery_release_all(&deliver->running);
	outbox_flush(&deliver->outbox);
	outbox_give_up(&deliver->outbox);
	return !deliver->running_count && !deliver->outbox.outstanding && !deliver->held_count &&
	       TAILQ_EMPTY(&deliver->ready) && TAILQ_EMPTY(&deliver->owed) && !deliver->unserved;
}

/* ---- the thread ---- */

static int64_t deliver_wait_us(const struct deliver *deliver, int64_t now_us, int64_t stop_by_us)
{
	int64_t until_us = deliver->again_us < deliver->outbox.again_us ? deliver->again_us : deliver->outbox.again_us;
	if ((deliver->held_count || deliver->shaping_count || !TAILQ_EMPTY(&deliver->queued)) && deliver->patience_us < until_us)
		until_us = deliver->patience_us;
	if (stop_by_us && deliver->running_count && stop_by_us < until_us)
		until_us = stop_by_us;
	if (until_us == INT64_MAX)
		return -1;
	return until_us > now_us ? until_us - now_us : 0;
}

static void *memory_copy(const void *from, size_t bytes) /* NULL: no memory, also for nothing */
{
	void *copy = mem_zalloc(bytes + 1);
	if (copy && bytes)
		memcpy(copy, from, bytes);
	return copy;
}

static void guard_settings_free(struct guard_settings *settings)
{
	if (!settings)
		return;
	mem_free((void *)settings->allow);
	mem_free((void *)settings->allow_hosts);
	mem_free((void *)settings->ports);
	mem_free((void *)settings->no_proxy);
	mem_free(settings);
}

static struct guard_settings *guard_settings_copy(const struct guard_settings *settings)
{
	struct guard_settings *copy = memory_copy(settings, sizeof(*settings));
	if (!copy)
		return NULL;
	copy->allow = memory_copy(settings->allow, settings->allow_count * sizeof(*settings->allow));
	copy->ports = memory_copy(settings->ports, settings->port_count * sizeof(*settings->ports));
	copy->no_proxy = memory_copy(settings->no_proxy, settings->no_proxy_count * sizeof(*settings->no_proxy));
	copy->allow_hosts = memory_copy(settings->allow_hosts, settings->allow_host_count * sizeof(*settings->allow_hosts));
	if (copy->allow && copy->ports && copy->no_proxy && copy->allow_hosts)
		return copy;
	guard_settings_free(copy);
	return NULL;
}

static void deliver_use_settings(struct deliver *deliver, struct guard_settings *settings)
{
	guard_settings_free(deliver->guard_settings);
	deliver->guard_settings = settings;
	deliver->guard.settings = *settings;
}

static void deliver_take_settings(struct deliver *deliver)
{
	struct guard_settings *settings = atomic_exchange_explicit(&deliver->guard_next, NULL, memory_order_acq_rel);
	if (!settings)
		return;
	deliver_use_settings(deliver, settings);
	http_client_forget(deliver->client); /* what was opened under the old ones */
}

static void *deliver_main(void *context)
{
	struct deliver *deliver = context;
	for (;;) {
		int64_t stop_by_us = atomic_load_explicit(&deliver->stop_by_us, memory_order_acquire);
		deliver_take_letters(deliver);
		deliver_take_settings(deliver);
		deliver_try_again(deliver);
		if (stop_by_us && deliver_wind_down(deliver, stop_by_us))
			return NULL;
		while (!stop_by_us) { /* those that their host holds back leave room for more */
			deliver_start_calls(deliver);
			if (!deliver_load(deliver))
				break;
		}
		int64_t now_us = clock_mono_us();
		if (now_us >= deliver->patience_us) {
			deliver_release_impatient(deliver, now_us);
			deliver->patience_us = now_us + DELIVER_LOOK_US;
		}
		outbox_flush(&deliver->outbox);
		http_client_run(deliver->client, deliver_wait_us(deliver, now_us, stop_by_us));
	}
}

static void deliver_wake(void *context)
{
	struct deliver *deliver = context;
	http_client_wake(deliver->client);
}

void deliver_effect(struct deliver *deliver, struct effect *effect)
{
	CHECK(pthread_mutex_lock(&deliver->door) == 0);
	mailbox_post(&deliver->effects, (struct letter *)(void *)effect);
	CHECK(pthread_mutex_unlock(&deliver->door) == 0);
}

void deliver_reply(struct deliver *deliver, struct request *request)
{
	CHECK(pthread_mutex_lock(&deliver->door) == 0);
	mailbox_post(&deliver->replies, (struct letter *)(void *)request);
	CHECK(pthread_mutex_unlock(&deliver->door) == 0);
}

enum err deliver_guard(struct deliver *deliver, const struct guard_settings *settings)
{
	struct guard_settings *copy = guard_settings_copy(settings);
	if (!copy)
		return E_NOMEM;
	guard_settings_free(atomic_exchange_explicit(&deliver->guard_next, copy, memory_order_acq_rel));
	http_client_wake(deliver->client);
	return E_OK;
}

void deliver_stats(struct deliver *deliver, struct deliver_stats *out)
{
	out->started = atomic_load_explicit(&deliver->started, memory_order_relaxed);
	out->in_flight = atomic_load_explicit(&deliver->in_flight, memory_order_relaxed);
	for (int i = 0; i < HTTP_CLASS_COUNT; i++)
		out->by_class[i] = atomic_load_explicit(&deliver->by_class[i], memory_order_relaxed);
}

/* ---- birth ---- */

static void deliver_free(struct deliver *deliver)
{
	deliver_take_letters(deliver); /* effects that came too late: their leases run out */
	for (struct delivery *delivery; (delivery = TAILQ_FIRST(&deliver->queued)) != NULL;)
		delivery_free(delivery);
	oauth_room_fini(&deliver->tokens);
	http_client_free(deliver->client);
	target_cache_fini(&deliver->targets);
	hook_room_fini(&deliver->hooks);
	program_table_fini(&deliver->programs);
	host_table_fini(&deliver->hosts);
	map_fini(&deliver->by_uid);
	pool_fini(&deliver->deliveries);
	outbox_fini(&deliver->outbox);
	mailbox_fini(&deliver->effects);
	mailbox_fini(&deliver->replies);
	mailbox_fini(&deliver->shapes);
	pthread_mutex_destroy(&deliver->door);
	guard_settings_free(atomic_load(&deliver->guard_next));
	guard_settings_free(deliver->guard_settings);
	mem_free(deliver);
}

static void deliver_init(struct deliver *deliver, const struct deliver_config *config,
			 const struct deliver_ports *ports)
{
	deliver->config = *config;
	deliver->ports = *ports;
	if (!deliver->config.in_flight_max)
		deliver->config.in_flight_max = 256;
	if (!deliver->config.host_connections)
		deliver->config.host_connections = 64;
	pthread_mutex_init(&deliver->door, NULL);
	mailbox_init(&deliver->effects, deliver_wake, deliver);
	mailbox_init(&deliver->replies, deliver_wake, deliver);
	mailbox_init(&deliver->shapes, deliver_wake, deliver);
	host_table_init(&deliver->hosts, ports->random(ports->context));
	hook_room_init(&deliver->hooks, &ports->secrets, &deliver->tokens);
	deliver->hooks.programs = ports->formats ? &deliver->programs : NULL;
	pool_init(&deliver->deliveries, sizeof(struct delivery));
	map_init(&deliver->by_uid, delivery_hash_of, deliver);
	TAILQ_INIT(&deliver->queued);
	TAILQ_INIT(&deliver->shaping);
	TAILQ_INIT(&deliver->authorising);
	TAILQ_INIT(&deliver->ready);
	TAILQ_INIT(&deliver->running);
	TAILQ_INIT(&deliver->owed);
	deliver->unserved_last = &deliver->unserved;
	deliver->again_us = INT64_MAX;
	deliver->load_max = DELIVER_LOAD_MAX;
	outbox_init(&deliver->outbox, &deliver->ports, deliver);
}

static bool deliver_open(struct deliver *deliver)
{
	const struct deliver_config *config = &deliver->config;
	struct guard_settings *settings = guard_settings_copy(&config->guard);
	if (!settings)
		return false;
	deliver_use_settings(deliver, settings);
	deliver->guard.is_self = config->is_self;
	deliver->guard.self = config->self;
	deliver->client = http_client_new(&(struct http_client_config){
		.url_guard = guard_permits_url,
		.guard = guard_permits,
		.past_proxy = guard_avoids_proxy,
		.guard_context = &deliver->guard,
		.ca_file = config->ca_file,
		.proxy = config->proxy,
		.connections = config->in_flight_max,
		.connect_ms = config->connect_ms,
	});
	if (!deliver->client)
		return false;
	oauth_room_init(&deliver->tokens, deliver->client, deliver->ports.random(deliver->ports.context));
	deliver->tokens.done = deliver_on_token;
	deliver->tokens.context = deliver;
	return true;
}

/* No signal is the thread's business: a broken pipe is an answer of write(). */
static bool deliver_start_thread(struct deliver *deliver)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int wrong = pthread_create(&deliver->thread, NULL, deliver_main, deliver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!wrong)
		pthread_setname_np(deliver->thread, "deliver");
	return !wrong;
}

enum err deliver_start(const struct deliver_config *config, const struct deliver_ports *ports, struct deliver **out,
		       struct problem *problem)
{
	if (config->ca_file && access(config->ca_file, R_OK))
		return problem_set(problem, E_CONFIG, "deliver.ca_file", "%s cannot be read.", config->ca_file);
	struct deliver *deliver = mem_zalloc(sizeof(*deliver));
	if (!deliver)
		return problem_set(problem, E_NOMEM, "", "There was not enough memory for the deliver thread.");
	deliver_init(deliver, config, ports);
	if (!deliver_open(deliver) || !deliver_start_thread(deliver)) {
		deliver_free(deliver);
		return problem_set(problem, E_NOMEM, "",
				   "The deliver thread could not be started: no memory, thread or descriptor.");
	}
	*out = deliver;
	return E_OK;
}

void deliver_stop(struct deliver *deliver, int64_t grace_ms)
{
	atomic_store_explicit(&deliver->stop_by_us, clock_mono_us() + grace_ms * 1000, memory_order_release);
	http_client_wake(deliver->client);
	CHECK(pthread_join(deliver->thread, NULL) == 0);
	CHECK(pthread_mutex_lock(&deliver->door) == 0); /* whoever brought the last reply is out again after this */
	CHECK(pthread_mutex_unlock(&deliver->door) == 0);
	deliver_free(deliver);
}
