#include "daemon/wire.h"
#include "api/api.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uid.h"
#include "base/zones.h"
#include "daemon/bulk.h"
#include "daemon/first_token.h"
#include "daemon/keeper.h"
#include "daemon/notify.h"
#include "daemon/reader_pool.h"
#include "daemon/telling.h"
#include "daemon/vitals.h"
#include "deliver/deliver.h"
#include "deliver/guard.h"
#include "format/pool.h"
#include "net/mailbox.h"
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <unistd.h>

#define WIRE_READERS    2
#define WIRE_TICK_MS    1000
#define WIRE_STUCK_US   INT64_C(20000000) /* a step that runs so long is not coming back: the watchdog is told nothing more */
#define WIRE_RANGES_MAX 256
#define WIRE_PORTS_MAX  64
#define WIRE_FORMATS_IDLE_MS 60000 /* without one to run, their processes end */

enum asker { ASKER_API, ASKER_BULK, ASKER_DELIVER, ASKER_START };
#define ASKER_SHIFT 56
#define ASKER_OF(request) ((enum asker)((request)->number >> ASKER_SHIFT))

struct wire {
	struct wire_config config;
	struct guard_settings guard;        /* as they are now; they point to: */
	struct cidr allow[WIRE_RANGES_MAX];
	struct host_match allow_hosts[WIRE_RANGES_MAX];
	struct port_range ports[WIRE_PORTS_MAX];
	struct host_match no_proxy[WIRE_RANGES_MAX];
	struct http_server *server;
	struct api *api;
	struct bulk *bulk;
	struct deliver *deliver;
	struct engine_thread *engine;
	struct reader_pool *readers;
	struct format_pool *formats;
	struct reader *deliver_reader; /* the deliver thread's own */
	pthread_mutex_t deliver_door;  /* the engine's thread sends nothing to a room that ends */
	bool deliver_ends;
	sem_t started;                 /* the start's request is back */
	uint64_t token_number;         /* a uid kept for the first token */

	struct request *outbox, **outbox_last; /* asked in this turn of the loop */
	struct mailbox replies, answers, operations, compiled, nameds;
	_Atomic uint64_t event_seq;
	uint64_t event_seq_told;
	uint64_t requests_away, questions_away;
	uv_async_t arrived;
	uv_prepare_t before_wait;
	uv_check_t after_wait;
	uv_timer_t tick, grace;
	struct telling telling;
	enum err health_told;
	bool full_told;
	bool quiescing, drained, quiet_called;
	int64_t grace_ms;
	void (*quiet)(void *context);
	void *quiet_context;
};

static void wire_may_be_quiet(struct wire *wire);

/* ---- towards the engine ---- */

static void wire_submit(struct wire *wire, struct request *request, enum asker asker)
{
	CHECK(request->number >> ASKER_SHIFT == 0);
	request->number |= (uint64_t)asker << ASKER_SHIFT;
	request->link = NULL;
	*wire->outbox_last = request;
	wire->outbox_last = (struct request **)&request->link;
	wire->requests_away++;
}

static void wire_flush(struct wire *wire)
{
	if (!wire->outbox)
		return;
	struct request *first = wire->outbox;
	wire->outbox = NULL;
	wire->outbox_last = &wire->outbox;
	engine_thread_submit(wire->engine, first);
}

static void wire_api_submit(void *context, struct request *request)
{
	wire_submit(context, request, ASKER_API);
}

static void wire_bulk_submit(void *context, struct request *request)
{
	wire_submit(context, request, ASKER_BULK);
}

static void wire_deliver_submit(void *context, struct request *request) /* on any thread */
{
	struct wire *wire = context;
	CHECK(request->number >> ASKER_SHIFT == 0);
	request->number |= (uint64_t)ASKER_DELIVER << ASKER_SHIFT;
	request->link = NULL;
	engine_thread_submit(wire->engine, request);
}

static void wire_ask(void *context, struct question *question)
{
	struct wire *wire = context;
	wire->questions_away++;
	reader_pool_ask(wire->readers, question);
}

/* ---- back from the engine: on its thread ---- */

static void wire_replies(void *context, struct request *first)
{
	struct wire *wire = context;
	struct request *loop_first = NULL, **loop_last = &loop_first;
	for (struct request *next; first; first = next) {
		next = first->link;
		first->link = NULL;
		if (ASKER_OF(first) == ASKER_DELIVER) {
			first->number &= (UINT64_C(1) << ASKER_SHIFT) - 1;
			deliver_reply(wire->deliver, first);
		} else if (ASKER_OF(first) == ASKER_START) {
			sem_post(&wire->started);
		} else {
			*loop_last = first;
			loop_last = (struct request **)&first->link;
		}
	}
	mailbox_post_list(&wire->replies, (struct letter *)loop_first);
}

/* One that comes too late is found again after the restart: rows are the truth. */
static void wire_deliver(struct wire *wire, struct effect *effect)
{
	pthread_mutex_lock(&wire->deliver_door);
	if (wire->deliver_ends)
		effect_free(effect);
	else
		deliver_effect(wire->deliver, effect);
	pthread_mutex_unlock(&wire->deliver_door);
}

/* To whom it is of use: sources are the loop's, formats the deliver room's, and "forget all" is for both. */
static void wire_named(struct wire *wire, struct effect *effect)
{
	bool all = !effect->named.number;
	keeper_put(wire->config.secrets, effect);
	struct effect *copy = all ? mem_zalloc(sizeof(*copy)) : NULL; /* without memory the loop remembers what is gone; that is all */
	if (copy) {
		copy->kind = EFFECT_NAMED;
		mailbox_post(&wire->nameds, (struct letter *)copy);
	}
	if (all || effect->named.kind == NAMED_FORMAT)
		wire_deliver(wire, effect);
	else if (effect->named.kind == NAMED_SOURCE)
		mailbox_post(&wire->nameds, (struct letter *)effect);
	else
		effect_free(effect);
}

static void wire_effects(void *context, struct effect *first)
{
	struct wire *wire = context;
	bool events = false;
	for (struct effect *next; first; first = next) {
		next = first->next;
		first->next = NULL;
		switch (first->kind) {
		case EFFECT_DELIVER:
		case EFFECT_ABORT: wire_deliver(wire, first); break;
		case EFFECT_OPERATION: mailbox_post(&wire->operations, (struct letter *)first); break;
		case EFFECT_NAMED: wire_named(wire, first); break; /* before the deliveries behind it */
		case EFFECT_EVENTS:
			atomic_store(&wire->event_seq, first->commit_seq);
			events = true;
			effect_free(first);
			break;
		}
	}
	if (events)
		uv_async_send(&wire->arrived);
}

/* ---- programs of formats, which are compiled before they are stored, and tried before that ---- */

static void wire_compile_ended(void *context, const struct format_outcome *outcome) /* on the pool's thread */
{
	struct compile *compile = context;
	struct wire *wire = compile->carrier;
	bool refused = outcome->end == FORMAT_ERROR || outcome->end == FORMAT_KILLED;
	compile->err = outcome->end == FORMAT_OURS ? E_UNAVAILABLE : refused ? E_INVALID : E_OK;
	compile->killed = outcome->end == FORMAT_KILLED;
	compile->nothing = outcome->end == FORMAT_NOTHING;
	compile->us = outcome->us;
	if (outcome->end == FORMAT_VALUE)
		buf_add(&compile->output, outcome->text);
	if (!buf_ok(&compile->output))
		compile->err = E_NOMEM;
	snprintf(compile->why, sizeof(compile->why), STR_FMT, STR_ARG(str_cut(outcome->text, sizeof(compile->why) - 1)));
	mailbox_post(&wire->compiled, (struct letter *)(void *)compile);
}

static void wire_compile(void *context, struct compile *compile)
{
	struct wire *wire = context;
	bool only = !compile->input.ptr;
	const struct format_job job = { .program = compile->program, .input = only ? STR("") : compile->input, .compile_only = only,
					.done = wire_compile_ended, .context = compile };
	uint64_t ticket;
	compile->carrier = wire;
	enum err err = format_run(wire->formats, &job, &ticket);
	if (!err) {
		wire->questions_away++;
		return;
	}
	compile->err = err;
	snprintf(compile->why, sizeof(compile->why), err == E_TOO_LARGE ? "a program has at most 64 KiB, and its input 16 MiB" : "there was not enough memory");
	api_compiled(wire->api, compile);
}

static void wire_take_compiled(struct wire *wire)
{
	for (struct letter *letter = mailbox_take(&wire->compiled), *next; letter; letter = next) {
		next = letter->next;
		wire->questions_away--;
		api_compiled(wire->api, (struct compile *)(void *)letter);
	}
}

/* ---- back from a reader: on its thread ---- */

static void wire_answered(void *context, struct question *question)
{
	struct wire *wire = context;
	mailbox_post(&wire->answers, (struct letter *)question);
}

/* ---- on the loop ---- */

static void wire_take_nameds(struct wire *wire)
{
	for (struct letter *letter = mailbox_take(&wire->nameds), *next; letter; letter = next) {
		struct effect *effect = (struct effect *)letter;
		next = letter->next;
		if (wire->api && api_named(wire->api, &effect->named))
			log_event(LOG_ERROR, "sources.no_memory", "name", log_str(effect->named.name), "kept", "what was there, until the next start",
				  NULL);
		effect_free(effect);
	}
}

static void wire_take_replies(struct wire *wire)
{
	struct letter *letter = mailbox_take(&wire->replies), *next;
	wire_take_nameds(wire); /* effects are posted before the replies of their commit: whoever hears that a source is there may use it */
	for (; letter; letter = next) {
		struct request *request = (struct request *)letter;
		enum asker asker = ASKER_OF(request);
		next = letter->next;
		request->link = NULL;
		request->number &= (UINT64_C(1) << ASKER_SHIFT) - 1;
		wire->requests_away--;
		if (asker == ASKER_BULK)
			bulk_reply(wire->bulk, request);
		else
			api_reply(wire->api, request);
	}
}

static void wire_take_answers(struct wire *wire)
{
	for (struct letter *letter = mailbox_take(&wire->answers), *next; letter; letter = next) {
		struct question *question = (struct question *)letter;
		next = letter->next;
		question->link = NULL;
		wire->questions_away--;
		if (bulk_asked(wire->bulk, question))
			bulk_answer(wire->bulk, question);
		else
			api_answer(wire->api, question);
	}
}

static void wire_take_operations(struct wire *wire)
{
	for (struct letter *letter = mailbox_take(&wire->operations), *next; letter; letter = next) {
		struct effect *effect = (struct effect *)letter;
		next = letter->next;
		bulk_effect(wire->bulk, effect->uid, effect->operation_state);
		effect_free(effect);
	}
}

static void wire_arrived(uv_async_t *handle)
{
	struct wire *wire = handle->data;
	wire_take_replies(wire);
	wire_take_answers(wire);
	wire_take_compiled(wire);
	wire_take_operations(wire);
	uint64_t seq = atomic_load(&wire->event_seq);
	if (seq != wire->event_seq_told) {
		wire->event_seq_told = seq;
		api_events(wire->api, seq);
	}
	wire_flush(wire);
	wire_may_be_quiet(wire);
}

static void wire_notify(void *context)
{
	struct wire *wire = context;
	uv_async_send(&wire->arrived);
}

static void wire_before_wait(uv_prepare_t *handle)
{
	wire_flush(handle->data);
}

static void wire_after_wait(uv_check_t *handle)
{
	wire_flush(handle->data);
}

/* What changed for the worse or the better is logged once. */
static void wire_tell_changes(struct wire *wire, const struct engine_view *view)
{
	if (view->health != wire->health_told) {
		wire->health_told = view->health;
		if (view->health)
			log_event(LOG_ERROR, "engine.sick", "code", err_code(view->health), "detail", err_sentence(view->health), NULL);
		else
			log_event(LOG_INFO, "engine.well", NULL);
	}
	if (view->stats.store_full != wire->full_told) {
		wire->full_told = view->stats.store_full;
		if (wire->full_told)
			log_event(LOG_WARN, "store.full", "detail", "Enqueues are refused until the disk has room again.", NULL);
		else
			log_event(LOG_INFO, "store.has_room", NULL);
	}
}

static void wire_ticked(uv_timer_t *handle)
{
	struct wire *wire = handle->data;
	struct engine_view view;
	char status[160];
	engine_thread_view(wire->engine, &view);
	wire_tell_changes(wire, &view);
	vitals_read(wire->config.config->store_path, &wire->telling.vitals);
	bulk_tick(wire->bulk);
	if (notify_watchdog_us() && view.busy_us < WIRE_STUCK_US)
		notify_watchdog();
	if (!wire->quiescing) {
		snprintf(status, sizeof(status), "%llu live jobs in %llu queues, commit %llu%s%s", (unsigned long long)view.stats.live_jobs,
			 (unsigned long long)view.stats.queues, (unsigned long long)view.stats.commit_seq, view.health ? ": " : "",
			 view.health ? err_code(view.health) : "");
		notify_status(status);
	}
	wire_flush(wire);
}

/* ---- the api's other ports ---- */

static bool wire_ready(void *context, struct buf *out)
{
	struct wire *wire = context;
	engine_thread_view(wire->engine, &wire->telling.view);
	wire->telling.quiescing = wire->quiescing;
	return telling_checks(&wire->telling, out);
}

static void wire_metrics(void *context, struct buf *out)
{
	struct wire *wire = context;
	engine_thread_view(wire->engine, &wire->telling.view);
	deliver_stats(wire->deliver, &wire->telling.deliver);
	reader_pool_stats(wire->readers, &wire->telling.readers);
	http_server_stats(wire->server, &wire->telling.http);
	telling_metrics(&wire->telling, out);
}

static void wire_random(void *context, void *out, size_t bytes)
{
	(void)context;
	for (char *next = out; bytes;) {
		ssize_t got = getrandom(next, bytes, 0);
		if (got < 0)
			continue; /* a signal came between */
		next += got;
		bytes -= (size_t)got;
	}
}

static uint64_t wire_random_number(void *context)
{
	uint64_t number;
	wire_random(context, &number, sizeof(number));
	return number;
}

static void wire_now(void *context, int64_t *wall_us)
{
	(void)context;
	*wall_us = clock_wall_us();
}

static void wire_distrusted(void *context, const struct distrust *distrust)
{
	(void)context;
	log_event(LOG_WARN, "incoming.refused", "source", log_str(distrust->source), "namespace", log_str(distrust->namespace_name), "why", distrust->why,
		  "last_from", log_str(distrust->peer), "count", log_i64((int64_t)distrust->count), NULL);
}

static enum err wire_definitions(void *context, const struct query *query, struct arena *arena, struct answer *out)
{
	struct wire *wire = context;
	return reader_run(wire->deliver_reader, query, arena, out);
}

/* ---- secrets, for deliveries ---- */

static void *wire_hold_secrets(void *context)
{
	struct wire *wire = context;
	return secrets_hold(wire->config.secrets);
}

static bool wire_find_secret(void *snapshot, struct str namespace_name, struct str reference, int64_t now_us, struct secret_values *out)
{
	_Static_assert(SECRET_PORT_VALUES == SECRET_VALUES, "all values of a secret are handed on");
	struct secret secret;
	if (!secret_find(snapshot, namespace_name, reference, now_us, &secret))
		return false;
	for (out->count = 0; out->count < secret.count; out->count++)
		out->values[out->count] = secret.values[out->count].bytes;
	return true;
}

static void wire_drop_secrets(void *snapshot)
{
	secret_snapshot_drop(snapshot);
}

/* ---- making the rooms ---- */

/* Each was checked when the configuration was read. */
static void wire_read_guard(struct wire *wire, const struct config *config)
{
	struct guard_settings guard = { .allow = wire->allow, .allow_hosts = wire->allow_hosts, .ports = wire->ports, .no_proxy = wire->no_proxy,
					.allow_self = config->deliver_allow_self, .https_only = config->deliver_https_only };
	for (uint32_t i = 0; i < config->deliver_allow.count && i < WIRE_RANGES_MAX; i++) {
		struct host_match host;
		if (host_match_parse(str_of(config->deliver_allow.items[i]), &host, NULL))
			continue;
		if (host.kind == HOST_RANGE)
			wire->allow[guard.allow_count++] = host.range;
		else
			wire->allow_hosts[guard.allow_host_count++] = host;
	}
	for (uint32_t i = 0; i < config->deliver_ports.count && guard.port_count < WIRE_PORTS_MAX; i++)
		guard.port_count += port_range_parse(str_of(config->deliver_ports.items[i]), &wire->ports[guard.port_count], NULL) == E_OK;
	for (uint32_t i = 0; i < config->deliver_no_proxy.count && guard.no_proxy_count < WIRE_RANGES_MAX; i++)
		guard.no_proxy_count += host_match_parse(str_of(config->deliver_no_proxy.items[i]), &wire->no_proxy[guard.no_proxy_count], NULL) == E_OK;
	wire->guard = guard;
}

/* What the guard will say when it is called. */
static bool wire_judge(void *context, const char *origin, const struct sockaddr *address, char *why, size_t why_bytes)
{
	const struct wire *wire = context;
	struct guard guard = { .settings = wire->guard, .is_self = doors_lead_in, .self = wire->config.doors };
	bool judged = address && (!*wire->config.config->deliver_proxy || guard_avoids_proxy(&guard, origin)); /* the proxy judges the others */
	return guard_permits_url(&guard, origin, why, why_bytes) &&
	       (!judged || guard_permits(&guard, origin, address, why, why_bytes));
}

/* Its helpers begin with the first format that needs one. */
static enum err wire_open_formats(struct wire *wire, struct problem *problem)
{
	const struct config *config = wire->config.config;
	const char *helper = *config->formats_helper ? config->formats_helper : NULL;
	const struct format_pool_config wanted = { .helper = helper, .helpers = (uint32_t)config->formats_helpers, .cpu_ms = config->formats_cpu_ms,
						   .wall_ms = config->formats_wall_ms, .idle_ms = WIRE_FORMATS_IDLE_MS };
	_Static_assert(FORMAT_HELPERS_MAX == 16, "as many as the configuration lets through");
	if (helper && access(helper, X_OK) != 0)
		return problem_set(problem, E_CONFIG, "formats.helper", "'%s' is no program that can be run: %s.", helper, strerror(errno));
	return format_pool_start(&wanted, &wire->formats, problem);
}

static enum err wire_open_deliver(struct wire *wire, struct problem *problem)
{
	const struct config *config = wire->config.config;
	wire_read_guard(wire, config);
	struct deliver_config wanted = { .guard = wire->guard, .is_self = doors_lead_in, .self = wire->config.doors,
					 .in_flight_max = (uint32_t)config->deliver_in_flight,
					 .host_connections = (uint32_t)config->deliver_host_connections, .connect_ms = config->deliver_connect_ms };
	struct deliver_ports ports = { wire, wire_deliver_submit, wire_definitions, wire_random_number, { 0 }, wire->formats };
	if (wire->config.secrets)
		ports.secrets = (struct secret_port){ wire, wire_hold_secrets, wire_find_secret, wire_drop_secrets };
	if (*config->deliver_ca_file)
		wanted.ca_file = config->deliver_ca_file;
	if (*config->deliver_proxy)
		wanted.proxy = config->deliver_proxy;
	enum err err = wire->config.store->verbs->reader_open(wire->config.store, &wire->deliver_reader);
	if (err)
		return problem_set(problem, err, "", "A reader of the store for deliveries could not be opened.");
	return deliver_start(&wanted, &ports, &wire->deliver, problem);
}

enum { TYPES_FREE, TYPES_LISTED }; /* the words of webhooks.types */

static enum err wire_open_engine(struct wire *wire, struct problem *problem)
{
	const struct config *config = wire->config.config;
	struct engine_config wanted;
	engine_config_default(&wanted);
	wanted.deliveries_max = (uint32_t)config->deliver_in_flight;
	wanted.backlog_max = (uint64_t)config->engine_backlog_max;
	wanted.pending_bytes_max = (uint64_t)config->engine_pending_bytes;
	wanted.event_rows_max = (uint64_t)config->engine_event_rows;
	wanted.event_age_ms = config->engine_event_age_ms;
	wanted.idempotency_age_ms = config->engine_idempotency_age_ms;
	wanted.message_age_ms = config->webhooks_message_age_ms;
	wanted.types_listed = config->webhooks_types == TYPES_LISTED;
	wanted.zone_find = zones_find;
	const struct engine_ports ports = { wire, wire_replies, wire_effects };
	return engine_thread_start(&wanted, wire->config.store, &ports, &wire->engine, problem);
}

static enum err wire_open_readers(struct wire *wire, struct problem *problem)
{
	const struct reader_pool_config wanted = { WIRE_READERS, wire, wire_answered };
	return reader_pool_start(&wanted, wire->config.store, &wire->readers, problem);
}

enum err wire_first_token(struct wire *wire, struct problem *problem)
{
	struct first_token token;
	struct arena arena = { 0 };
	struct answer answer = { 0 };
	struct reader *reader;
	const struct query query = { .kind = QUERY_TOKENS, .limit = 1 };
	if (wire->config.open)
		return E_OK;
	enum err err = wire->config.store->verbs->reader_open(wire->config.store, &reader);
	if (!err) {
		err = reader_run(reader, &query, &arena, &answer);
		reader_close(reader);
	}
	uint32_t count = answer.token_count;
	arena_fini(&arena);
	if (err)
		return problem_set(problem, err, "", "The tokens could not be read: %s", err_sentence(err));
	if (count)
		return E_OK;
	err = first_token_make(&token, wire->config.config->admin_token, wire->token_number, clock_wall_us(), problem);
	if (err)
		return err;
	token.request.number = (uint64_t)ASKER_START << ASKER_SHIFT;
	engine_thread_submit(wire->engine, &token.request);
	while (sem_wait(&wire->started) != 0)
		;
	err = token.request.err ? token.request.err : token.op.result.err;
	if (err)
		problem_set(problem, err, "", "The admin token could not be kept: %s", err_sentence(err));
	else if (token.made)
		wire->config.show_token(token.text);
	if (!err)
		api_learn_tokens(wire->api);
	arena_fini(&token.request.arena);
	return err;
}

static enum err wire_open_api(struct wire *wire, struct problem *problem)
{
	const struct config *config = wire->config.config;
	const struct api_config wanted = { .loop = wire->config.loop, .open = wire->config.open, .body_bytes = (size_t)config->http_body_bytes,
					   .last_uid = wire->token_number, .definition_cache_bytes = (size_t)config->api_cache_bytes,
					   .version = RUCHE_VERSION, .message_age_ms = config->webhooks_message_age_ms, .secrets = wire->config.secrets,
					   .guesses_max = (uint32_t)config->webhooks_guesses_per_minute };
	const struct api_ports api_ports = { wire, wire_api_submit, wire_ask, wire_ready, wire_metrics, wire_random, wire_now, wire_judge,
					    wire_compile, wire_distrusted };
	const struct bulk_ports bulk_ports = { wire, wire_bulk_submit, wire_ask };
	struct http_limits limits;
	http_limits_default(&limits);
	limits.header_bytes = (size_t)config->http_header_bytes;
	limits.body_bytes = (size_t)config->http_body_bytes;
	limits.body_memory = (size_t)config->http_body_memory;
	limits.header_ms = config->http_header_ms;
	limits.body_idle_ms = config->http_body_idle_ms;
	limits.body_rate_bytes = config->http_body_rate_bytes;
	limits.idle_ms = config->http_idle_ms;
	limits.write_idle_ms = config->http_write_idle_ms;
	limits.connections = (uint32_t)config->http_connections;
	limits.connections_per_address = (uint32_t)config->http_connections_per_address;
	limits.pipelined = (uint32_t)config->http_pipelined;
	wire->bulk = bulk_new(&bulk_ports);
	wire->api = api_new(&wanted, &api_ports);
	wire->server = wire->api ? http_server_new(wire->config.loop, &limits, api_handle, wire->api) : NULL;
	if (!wire->bulk || !wire->server)
		return problem_set(problem, E_NOMEM, "", "Not enough memory to start.");
	http_server_set_gate(wire->server, &api_gate);
	bulk_begin(wire->bulk);
	return E_OK;
}

static void wire_open_loop(struct wire *wire)
{
	uv_loop_t *loop = wire->config.loop;
	CHECK(uv_async_init(loop, &wire->arrived, wire_arrived) == 0);
	CHECK(uv_prepare_init(loop, &wire->before_wait) == 0);
	CHECK(uv_check_init(loop, &wire->after_wait) == 0);
	CHECK(uv_timer_init(loop, &wire->tick) == 0);
	CHECK(uv_timer_init(loop, &wire->grace) == 0);
	wire->arrived.data = wire->before_wait.data = wire->after_wait.data = wire->tick.data = wire->grace.data = wire;
	CHECK(uv_prepare_start(&wire->before_wait, wire_before_wait) == 0);
	CHECK(uv_check_start(&wire->after_wait, wire_after_wait) == 0);
	CHECK(uv_timer_start(&wire->tick, wire_ticked, WIRE_TICK_MS, WIRE_TICK_MS) == 0);
}

enum err wire_open(const struct wire_config *config, struct wire **out, struct problem *problem)
{
	struct wire *wire = mem_zalloc(sizeof(*wire));
	struct engine_view view;
	if (!wire) {
		config->store->verbs->close(config->store);
		return problem_set(problem, E_NOMEM, "", "Not enough memory to start.");
	}
	wire->config = *config;
	wire->outbox_last = &wire->outbox;
	CHECK(sem_init(&wire->started, 0, 0) == 0);
	CHECK(pthread_mutex_init(&wire->deliver_door, NULL) == 0);
	mailbox_init(&wire->replies, wire_notify, wire);
	mailbox_init(&wire->answers, wire_notify, wire);
	mailbox_init(&wire->operations, wire_notify, wire);
	mailbox_init(&wire->compiled, wire_notify, wire);
	mailbox_init(&wire->nameds, wire_notify, wire);
	wire_open_loop(wire);
	vitals_read(config->config->store_path, &wire->telling.vitals);
	enum err err = wire_open_formats(wire, problem);
	if (!err)
		err = wire_open_deliver(wire, problem);
	if (!err)
		err = wire_open_engine(wire, problem);
	if (!err) {
		engine_thread_view(wire->engine, &view);
		struct uid_maker maker = { .last = view.stats.last_uid };
		wire->token_number = uid_next(&maker, clock_wall_us());
		err = wire_open_readers(wire, problem);
	}
	if (!err)
		err = wire_open_api(wire, problem);
	if (err) {
		wire_close(wire, 0);
		return err;
	}
	*out = wire;
	return E_OK;
}

enum err wire_listen(struct wire *wire, struct str address, struct problem *problem)
{
	return http_server_listen(wire->server, address, problem);
}

enum err wire_listen_fd(struct wire *wire, int fd, struct problem *problem)
{
	return http_server_listen_fd(wire->server, fd, problem);
}

uint16_t wire_port(const struct wire *wire, uint32_t n)
{
	return http_server_port(wire->server, n);
}

void wire_view(struct wire *wire, struct engine_view *out)
{
	engine_thread_view(wire->engine, out);
}

void wire_guard(struct wire *wire, const struct config *fresh)
{
	wire_read_guard(wire, fresh);
	if (deliver_guard(wire->deliver, &wire->guard))
		log_event(LOG_WARN, "reload.failed", "key", "deliver", "detail", err_sentence(E_NOMEM), NULL);
}

/* ---- ending ---- */

static void wire_may_be_quiet(struct wire *wire)
{
	if (!wire->drained || wire->quiet_called || wire->requests_away || wire->questions_away)
		return;
	wire->quiet_called = true;
	uv_timer_stop(&wire->grace);
	wire->quiet(wire->quiet_context);
}

static void wire_drained(void *context)
{
	struct wire *wire = context;
	wire->drained = true;
	wire_may_be_quiet(wire);
}

static void wire_grace_over(uv_timer_t *handle)
{
	struct wire *wire = handle->data;
	if (wire->grace_ms)
		log_event(LOG_WARN, "http.cut", "detail", "Requests were still running when shutdown.grace_ms was over.", NULL);
	http_server_abort(wire->server);
}

void wire_quiesce(struct wire *wire, int64_t grace_ms, void (*quiet)(void *context), void *context)
{
	wire->quiescing = true;
	wire->grace_ms = grace_ms;
	wire->quiet = quiet;
	wire->quiet_context = context;
	CHECK(uv_timer_start(&wire->grace, wire_grace_over, (uint64_t)grace_ms, 0) == 0);
	engine_thread_quiesce(wire->engine);
	bulk_quiesce(wire->bulk);
	api_quiesce(wire->api);
	http_server_drain(wire->server, wire_drained, wire);
	wire_flush(wire);
}

static void wire_close_loop(struct wire *wire)
{
	uv_close((uv_handle_t *)&wire->arrived, NULL);
	uv_close((uv_handle_t *)&wire->before_wait, NULL);
	uv_close((uv_handle_t *)&wire->after_wait, NULL);
	uv_close((uv_handle_t *)&wire->tick, NULL);
	uv_close((uv_handle_t *)&wire->grace, NULL);
	uv_run(wire->config.loop, UV_RUN_NOWAIT);
	uv_run(wire->config.loop, UV_RUN_NOWAIT);
}

void wire_close(struct wire *wire, int64_t grace_ms)
{
	int64_t until_us = clock_boot_us() + grace_ms * 1000;
	pthread_mutex_lock(&wire->deliver_door);
	wire->deliver_ends = true;
	pthread_mutex_unlock(&wire->deliver_door);
	if (wire->deliver)
		deliver_stop(wire->deliver, grace_ms);
	format_pool_stop(wire->formats);
	int64_t left_ms = (until_us - clock_boot_us()) / 1000;
	engine_thread_stop(wire->engine, left_ms > 1000 ? left_ms : 1000); /* what was answered to it must be on disk */
	reader_pool_stop(wire->readers);
	if (wire->deliver_reader)
		reader_close(wire->deliver_reader);
	wire->config.store->verbs->close(wire->config.store);
	engine_thread_free(wire->engine); /* not earlier: the store's writer wakes it */
	wire_take_replies(wire);
	wire_take_answers(wire);
	wire_take_compiled(wire);
	wire_take_operations(wire);
	http_server_free(wire->server);
	api_free(wire->api);
	bulk_free(wire->bulk);
	wire_close_loop(wire);
	mailbox_fini(&wire->replies);
	mailbox_fini(&wire->answers);
	mailbox_fini(&wire->operations);
	mailbox_fini(&wire->compiled);
	mailbox_fini(&wire->nameds);
	sem_destroy(&wire->started);
	pthread_mutex_destroy(&wire->deliver_door);
	mem_free(wire);
}
