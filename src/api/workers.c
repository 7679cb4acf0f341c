/* src/api/workers.c: /v1/workers: who says that it works, or listens, for people and for other queues' clients. What is told lives in the
 * loop's memory alone and moves no job: a worker tells again with each of its beats, and one that fell silent is gone after its ttl. A restart
 * forgets all of it. */
#include "api/body.h"
#include "api/name.h"
#include "api/routes.h"
#include "base/limits.h"
#include "base/mem.h"

#define WORKER_TTL_MS      60000
#define WORKER_ADDRESS_MAX 64

struct worker {
	struct str id, namespace_name, queue, name, kind, address;
	int64_t since_ms, seen_ms, ttl_ms; /* loop time */
	char text[];
};
struct workers { /* by id */
	struct worker **items;
	uint32_t count, capacity;
};

static int64_t workers_now_ms(const struct api *api)
{
	return (int64_t)uv_now(api->config.loop);
}

/* ---- the registry ---- */

static bool worker_is_gone(const struct worker *worker, int64_t now_ms)
{
	return now_ms - worker->seen_ms > worker->ttl_ms;
}

static void workers_sweep(struct api *api)
{
	struct workers *workers = api->workers;
	int64_t now_ms = workers_now_ms(api);
	uint32_t kept = 0;
	for (uint32_t i = 0; workers && i < workers->count; i++) {
		struct worker *worker = workers->items[i];
		if (worker_is_gone(worker, now_ms))
			mem_free(worker);
		else
			workers->items[kept++] = worker;
	}
	if (workers)
		workers->count = kept;
}

/* Where it stands, or would stand. */
static uint32_t workers_place(const struct workers *workers, struct str id, bool *found)
{
	uint32_t low = 0, high = workers ? workers->count : 0;
	*found = false;
	while (low < high && !*found) {
		uint32_t middle = low + (high - low) / 2;
		int order = str_cmp(workers->items[middle]->id, id);
		*found = order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *found ? high : low;
}

static bool workers_reserve(struct api *api)
{
	if (!api->workers)
		api->workers = mem_zalloc(sizeof(*api->workers));
	struct workers *workers = api->workers;
	if (!workers || workers->count < workers->capacity)
		return workers != NULL;
	uint32_t capacity = workers->capacity ? workers->capacity * 2 : 16;
	struct worker **items = mem_realloc(workers->items, capacity * sizeof(struct worker *));
	if (!items)
		return false;
	workers->items = items;
	workers->capacity = capacity;
	return true;
}

static void workers_remove(struct workers *workers, uint32_t place)
{
	mem_free(workers->items[place]);
	memmove(&workers->items[place], &workers->items[place + 1], (--workers->count - place) * sizeof(*workers->items));
}

void workers_fini(struct api *api)
{
	while (api->workers && api->workers->count)
		mem_free(api->workers->items[--api->workers->count]);
	if (api->workers)
		mem_free(api->workers->items);
	mem_free(api->workers);
	api->workers = NULL;
}

/* ---- telling ---- */

static bool read_text(struct json *json, void *out, void *context)
{
	struct str *text = out;
	(void)context;
	if (!json_read_str(json, LIMIT_NAME_BYTES, text))
		return false;
	const char *why = name_refusal(*text, false);
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

static bool read_space(struct json *json, void *out, void *context)
{
	struct str *text = out;
	(void)context;
	if (!json_read_str(json, LIMIT_NAME_BYTES, text))
		return false;
	const char *why = name_refusal(*text, true);
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

#define AT(member) offsetof(struct worker, member)
static const struct json_field worker_fields[] = {
	{ "namespace", JSON_F_CUSTOM, AT(namespace_name), .read = read_space },
	{ "queue", JSON_F_CUSTOM, AT(queue), .flags = JSON_F_REQUIRED, .read = read_text },
	{ "name", JSON_F_CUSTOM, AT(name), .read = read_text },
	{ "kind", JSON_F_CUSTOM, AT(kind), .read = read_text },
	{ "ttl_ms", JSON_F_I64, AT(ttl_ms), 1, LIMIT_LEASE_MS },
};
#undef AT

bool workers_decode(struct call *call)
{
	struct json json;
	call->worker = ARENA_NEW(&call->request.arena, struct worker);
	if (!call->worker) {
		problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.");
		return false;
	}
	const char *why = name_refusal(call->pieces[0], false);
	if (why) {
		problem_set(&call->problem, E_INVALID, "id", "%s", why);
		return false;
	}
	*call->worker = (struct worker){ .kind = STR("worker"), .ttl_ms = WORKER_TTL_MS, .id = call->pieces[0] };
	body_json(call, &json);
	return json_read_fields(&json, worker_fields, ARRAY_COUNT(worker_fields), call->worker, NULL, NULL) && json_finish(&json);
}

/* One allocation, with all its texts. */
static struct worker *worker_copy(const struct worker *worker)
{
	struct worker one = *worker;
	one.namespace_name = namespace_of(one.namespace_name);
	size_t bytes = one.id.len + one.namespace_name.len + one.queue.len + one.name.len + one.kind.len + one.address.len;
	struct worker *copy = mem_alloc(sizeof(*copy) + bytes);
	if (!copy)
		return NULL;
	*copy = one;
	struct str *texts[] = { &copy->id, &copy->namespace_name, &copy->queue, &copy->name, &copy->kind, &copy->address };
	char *at = copy->text;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		if (texts[i]->len)
			memcpy(at, texts[i]->ptr, texts[i]->len);
		texts[i]->ptr = at;
		at += texts[i]->len;
	}
	return copy;
}

/* May the caller speak of it? An id that another queue's worker has is not its own. */
static bool worker_is_ours(struct call *call, const struct worker *worker)
{
	if (token_allows(call->token, (struct queue_name){ worker->namespace_name, worker->queue }))
		return true;
	problem_set(&call->problem, E_FORBIDDEN, "queue", "This token is limited to other queues.");
	return false;
}

static enum err workers_tell(struct call *call, struct worker **out)
{
	struct api *api = call->api;
	bool found;
	uint32_t place = workers_place(api->workers, call->worker->id, &found);
	if (!found && api->workers && api->workers->count == LIMIT_WORKERS) {
		workers_sweep(api);
		place = workers_place(api->workers, call->worker->id, &found);
	}
	struct worker *before = found ? api->workers->items[place] : NULL;
	if (!worker_is_ours(call, call->worker) || (before && !worker_is_ours(call, before)))
		return call->problem.err;
	if (!before && api->workers && api->workers->count == LIMIT_WORKERS)
		return problem_set(&call->problem, E_BACKLOG, "", "%d workers are known already, as many as are kept.", LIMIT_WORKERS);
	call->worker->seen_ms = workers_now_ms(api);
	call->worker->since_ms = before && !worker_is_gone(before, call->worker->seen_ms) ? before->since_ms : call->worker->seen_ms;
	call->worker->address = str_cut(http_peer(call->exchange), WORKER_ADDRESS_MAX);
	struct worker *copy = workers_reserve(api) ? worker_copy(call->worker) : NULL;
	if (!copy)
		return problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.");
	if (before) {
		mem_free(before);
	} else {
		memmove(&api->workers->items[place + 1], &api->workers->items[place], (api->workers->count - place) * sizeof(*api->workers->items));
		api->workers->count++;
	}
	api->workers->items[place] = *out = copy;
	return E_OK;
}

static void worker_write(struct buf *out, const struct api *api, const struct worker *worker)
{
	int64_t now_ms = workers_now_ms(api);
	buf_add_byte(out, '{');
	json_put_field_str(out, "id", worker->id);
	json_put_field_str(out, "namespace", worker->namespace_name);
	json_put_field_str(out, "queue", worker->queue);
	if (worker->name.len)
		json_put_field_str(out, "name", worker->name);
	else
		json_put_field_null(out, "name");
	json_put_field_str(out, "kind", worker->kind);
	json_put_field_str(out, "address", worker->address);
	json_put_field_i64(out, "age_ms", now_ms - worker->since_ms);
	json_put_field_i64(out, "silent_ms", now_ms - worker->seen_ms);
	json_put_field_i64(out, "ttl_ms", worker->ttl_ms);
	buf_add_byte(out, '}');
}

static void workers_respond(struct call *call, struct buf *out)
{
	if (buf_ok(out))
		call_respond(call, 200, STR("application/json"), STR(""), out);
	else
		call_refuse(call, E_NOMEM);
}

void workers_put(struct call *call)
{
	struct buf *out = &call->api->scratch;
	struct worker *worker = NULL;
	enum err err = workers_tell(call, &worker);
	if (err) {
		call_refuse(call, err);
		return;
	}
	buf_clear(out);
	worker_write(out, call->api, worker);
	workers_respond(call, out);
}

/* One that is not there is gone, too. */
void workers_delete(struct call *call)
{
	bool found;
	uint32_t place = workers_place(call->api->workers, call->pieces[0], &found);
	if (found && !worker_is_ours(call, call->api->workers->items[place])) {
		call_refuse(call, call->problem.err);
		return;
	}
	if (found)
		workers_remove(call->api->workers, place);
	call_respond_empty(call, 204);
}

void workers_list(struct call *call)
{
	struct buf *out = &call->api->scratch;
	struct queue_name queue = { call_param(call, "namespace")->text, call_param(call, "queue")->text };
	if (!access_list(call, queue)) {
		call_refuse(call, call->problem.err);
		return;
	}
	workers_sweep(call->api);
	buf_clear(out);
	buf_add_lit(out, "{\"workers\":[");
	for (uint32_t i = 0; call->api->workers && i < call->api->workers->count; i++) {
		const struct worker *worker = call->api->workers->items[i];
		if (queue.name.len && !(str_eq(worker->queue, queue.name) && str_eq(worker->namespace_name, namespace_of(queue.namespace_name))))
			continue;
		if (queue.namespace_name.len && !str_eq(worker->namespace_name, queue.namespace_name))
			continue;
		json_put_comma(out);
		worker_write(out, call->api, worker);
	}
	buf_add_lit(out, "]}");
	workers_respond(call, out);
}
