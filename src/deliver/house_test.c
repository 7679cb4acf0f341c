#include "deliver/house_test.h"
#include "base/check.h"
#include "base/mem.h"
#include <pthread.h>
#include <stdlib.h>

#define HOUSE_JOBS    4096
#define HOUSE_SECRETS 16

struct house {
	pthread_mutex_t lock;
	pthread_cond_t heard;
	struct deliver *deliver;
	struct house_job *jobs;
	struct told *told;
	uint32_t job_count, told_count, request_count;
	struct cidr allow[16];
	enum err submit_err, read_err;
	uint32_t submit_fails, read_fails;
	uint64_t random;
	struct house_secret {
		const char *name;
		struct secret_values values;
	} secrets[HOUSE_SECRETS];
	uint32_t secret_count;
};

static struct format_pool *house_formats;

void house_use_formats(struct format_pool *pool)
{
	house_formats = pool;
}

void house_format(struct house *house, const char *name, const char *json)
{
	struct effect *effect = mem_zalloc(sizeof(*effect));
	struct shared_text *text = json ? shared_text_new(str_of(json), 1) : NULL;
	CHECK(effect != NULL && (text || !json));
	effect->kind = EFFECT_NAMED;
	CHECK(effect_set_named(effect, NAMED_FORMAT, 1, (struct queue_name){ STR("default"), str_of(name) }, text) == E_OK);
	shared_text_drop(text);
	deliver_effect(house->deliver, effect);
}

static char *house_copy(struct str s)
{
	char *copy = calloc(1, s.len + 1);
	CHECK(copy != NULL);
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

static void house_hear(struct house *house, const struct op *op)
{
	static const struct op_hook none = { 0 };
	CHECK(house->told_count < HOUSE_JOBS);
	CHECK(lease_token_is_ours(op->lease.token));
	const struct op_hook *hook = op->lease.hook ? op->lease.hook : &none;
	house->told[house->told_count++] = (struct told){
		.uid = op->lease.uid,
		.fence = op->lease.fence,
		.kind = op->kind,
		.verdict = op->lease.verdict,
		.delay_ms = op->lease.delay_ms,
		.costs_nothing = op->lease.costs_nothing,
		.result = house_copy(op->lease.body),
		.error = house_copy(op->lease.error),
		.exchange = house_copy(op->lease.exchange),
		.busy = op->lease.busy,
		.rides = str_eq(op->lease.token, RIDER_TOKEN),
		.request = house->request_count,
		.has_hook = op->lease.hook != NULL,
		.hook = *hook,
		.entity = house_copy(hook->entity),
		.external_id = house_copy(hook->external_id),
	};
}

static void house_submit(void *context, struct request *request)
{
	struct house *house = context;
	pthread_mutex_lock(&house->lock);
	house->request_count++;
	if (house->submit_fails) {
		house->submit_fails--;
		request->err = house->submit_err;
	} else {
		for (uint32_t i = 0; i < request->op_count; i++)
			house_hear(house, &request->ops[i]);
	}
	pthread_cond_broadcast(&house->heard);
	pthread_mutex_unlock(&house->lock);
	deliver_reply(house->deliver, request);
}

static struct str house_payload(const struct house_job *job)
{
	return (struct str){ job->payload, job->payload_len ? job->payload_len
					   : job->payload   ? strlen(job->payload)
							    : 0 };
}

static enum err house_definitions(void *context, const struct query *query, struct arena *arena, struct answer *out)
{
	struct house *house = context;
	enum err err = E_OK;
	CHECK(query->kind == QUERY_DEFINITIONS);
	struct job_view *views = ARENA_ARRAY(arena, struct job_view, query->uid_count);
	CHECK(views != NULL);
	pthread_mutex_lock(&house->lock);
	if (house->read_fails) {
		house->read_fails--;
		err = house->read_err;
	}
	for (uint32_t i = 0; i < query->uid_count; i++) {
		const struct house_job *job = &house->jobs[query->uids[i] - 1];
		if (job->gone)
			continue;
		views[i].definition.uid = query->uids[i];
		views[i].definition.id = str_of(job->id);
		views[i].definition.target = str_of(job->target);
		views[i].definition.trace = str_of(job->trace);
		views[i].definition.payload = house_payload(job);
		views[i].edited_payload = str_of(job->edited);
		views[i].queue_name = STR("fiches");
		views[i].definition.message = job->message.uid;
		views[i].definition.group = job->message.uid ? STR("crm") : (struct str){ 0 };
		views[i].message = job->message;
		views[i].endpoint = job->endpoint ? HOUSE_ENDPOINT : 0;
		views[i].entity = job->entity;
	}
	pthread_mutex_unlock(&house->lock);
	*out = (struct answer){ .jobs = views, .job_count = query->uid_count };
	return err;
}

static void *house_hold_secrets(void *context)
{
	return context; /* values of a test last longer than any call */
}

static bool house_find_secret(void *snapshot, struct str namespace_name, struct str reference, int64_t now_us, struct secret_values *out)
{
	struct house *house = snapshot;
	bool found = false;
	CHECK(str_eq(namespace_name, STR("default")) && now_us > 0);
	pthread_mutex_lock(&house->lock);
	for (uint32_t i = 0; i < house->secret_count; i++)
		if (str_eq(reference, str_of(house->secrets[i].name))) {
			*out = house->secrets[i].values;
			found = true;
		}
	pthread_mutex_unlock(&house->lock);
	return found;
}

static void house_drop_secrets(void *snapshot)
{
	CHECK(snapshot != NULL);
}

void house_secret(struct house *house, const char *name, const char *value, const char *older)
{
	pthread_mutex_lock(&house->lock);
	CHECK(house->secret_count < HOUSE_SECRETS);
	house->secrets[house->secret_count++] = (struct house_secret){
		name, { .values = { str_of(value), str_of(older) }, .count = older ? 2 : value ? 1 : 0 }
	};
	pthread_mutex_unlock(&house->lock);
}

static uint64_t house_random(void *context)
{
	struct house *house = context;
	return ++house->random;
}

struct house *house_open(const char *allow, const struct deliver_config *config)
{
	struct house *house = calloc(1, sizeof(*house));
	CHECK(house != NULL);
	house->jobs = calloc(HOUSE_JOBS, sizeof(*house->jobs));
	house->told = calloc(HOUSE_JOBS, sizeof(*house->told));
	CHECK(house->jobs && house->told);
	pthread_mutex_init(&house->lock, NULL);
	pthread_cond_init(&house->heard, NULL);
	struct deliver_config own = config ? *config : (struct deliver_config){ .in_flight_max = 200 };
	struct str rest = str_of(allow);
	for (own.guard.allow_count = 0; rest.len; own.guard.allow_count++) {
		struct str range = { rest.ptr, str_index(rest, ' ') };
		CHECK(cidr_parse(range, &house->allow[own.guard.allow_count], NULL) == E_OK);
		rest = str_from(rest, range.len + 1);
	}
	own.guard.allow = house->allow;
	struct problem problem;
	struct deliver_ports ports = { house, house_submit, house_definitions, house_random,
				       { house, house_hold_secrets, house_find_secret, house_drop_secrets }, house_formats };
	pthread_mutex_lock(&house->lock);
	CHECK(deliver_start(&own, &ports, &house->deliver, &problem) == E_OK);
	pthread_mutex_unlock(&house->lock);
	return house;
}

void house_close(struct house *house, int64_t grace_ms)
{
	deliver_stop(house->deliver, grace_ms);
	house->deliver = NULL;
}

void house_free(struct house *house)
{
	if (house->deliver)
		house_close(house, 0);
	for (uint32_t i = 0; i < house->told_count; i++) {
		free(house->told[i].result);
		free(house->told[i].error);
		free(house->told[i].exchange);
		free(house->told[i].entity);
		free(house->told[i].external_id);
	}
	pthread_mutex_destroy(&house->lock);
	pthread_cond_destroy(&house->heard);
	free(house->told);
	free(house->jobs);
	free(house);
}

uint64_t house_deliver(struct house *house, const struct house_job *job)
{
	return house_deliver_batch(house, job, 1);
}

/* More of them, as the engine sends riders along. */
static void house_add_riders(struct house *house, struct effect *effect, const struct house_job *riders, uint32_t count)
{
	CHECK(house->job_count + count <= HOUSE_JOBS);
	effect->riders = count ? mem_zalloc_array(count, sizeof(*effect->riders)) : NULL;
	CHECK(effect->riders || !count);
	for (; effect->rider_count < count; effect->rider_count++) {
		house->jobs[house->job_count++] = riders[effect->rider_count];
		effect->riders[effect->rider_count] = (struct effect_rider){ .uid = house->job_count, .fence = 7000 + house->job_count,
									     .attempts_made = riders[effect->rider_count].attempts_made };
	}
}

uint64_t house_deliver_batch(struct house *house, const struct house_job *jobs, uint32_t count)
{
	const struct house_job *job = jobs;
	struct effect *effect = mem_zalloc(sizeof(*effect));
	CHECK(effect != NULL);
	pthread_mutex_lock(&house->lock);
	CHECK(house->job_count < HOUSE_JOBS);
	house->jobs[house->job_count++] = *job;
	*effect = (struct effect){
		.kind = EFFECT_DELIVER,
		.uid = house->job_count,
		.fence = 7000 + house->job_count,
		.queue = 1,
		.attempt = job->attempt, .attempts_made = job->attempts_made,
		.timeout_ms = job->timeout_ms,
	};
	effect->settings = shared_text_new(str_of(job->settings ? job->settings : "{\"target\":\"http\"}"),
					   job->settings_version ? job->settings_version : 1000000 + effect->uid);
	if (job->endpoint) {
		effect->endpoint_number = HOUSE_ENDPOINT;
		effect->endpoint = shared_text_new(str_of(job->endpoint), job->endpoint_version ? job->endpoint_version : 2000000 + effect->uid);
		CHECK(effect->endpoint != NULL);
	}
	house_add_riders(house, effect, jobs + 1, count - 1);
	uint64_t uid = effect->uid;
	pthread_mutex_unlock(&house->lock);
	CHECK(effect->settings != NULL);
	deliver_effect(house->deliver, effect);
	return uid;
}

void house_abort(struct house *house, uint64_t uid)
{
	struct effect *effect = mem_zalloc(sizeof(*effect));
	CHECK(effect != NULL);
	*effect = (struct effect){ .kind = EFFECT_ABORT, .uid = uid, .fence = 7000 + uid };
	deliver_effect(house->deliver, effect);
}

static struct told *house_find(struct house *house, uint64_t uid)
{
	for (uint32_t i = 0; i < house->told_count; i++)
		if (house->told[i].uid == uid)
			return &house->told[i];
	return NULL;
}

const struct told *house_wait(struct house *house, uint64_t uid)
{
	struct told *told;
	pthread_mutex_lock(&house->lock);
	while (!(told = house_find(house, uid)))
		pthread_cond_wait(&house->heard, &house->lock);
	pthread_mutex_unlock(&house->lock);
	return told;
}

const struct told *house_heard(struct house *house, uint64_t uid)
{
	pthread_mutex_lock(&house->lock);
	struct told *told = house_find(house, uid);
	pthread_mutex_unlock(&house->lock);
	return told;
}

uint32_t house_told_count(struct house *house, uint64_t uid)
{
	uint32_t count = 0;
	pthread_mutex_lock(&house->lock);
	for (uint32_t i = 0; i < house->told_count; i++)
		count += house->told[i].uid == uid;
	pthread_mutex_unlock(&house->lock);
	return count;
}

uint32_t house_request_count(struct house *house)
{
	pthread_mutex_lock(&house->lock);
	uint32_t count = house->request_count;
	pthread_mutex_unlock(&house->lock);
	return count;
}

struct deliver *house_deliver_thread(struct house *house)
{
	return house->deliver;
}

void house_fail_next(struct house *house, enum err err, uint32_t times)
{
	pthread_mutex_lock(&house->lock);
	house->submit_err = err;
	house->submit_fails = times;
	pthread_mutex_unlock(&house->lock);
}

void house_fail_reads(struct house *house, enum err err, uint32_t times)
{
	pthread_mutex_lock(&house->lock);
	house->read_err = err;
	house->read_fails = times;
	pthread_mutex_unlock(&house->lock);
}
