#include "deliver/request.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/uid.h"
#include "deliver/header_builder.h"
#include <string.h>

#define CALL_OWN_HEADERS 12 /* those that we add ourselves, at most */

static bool header_list_has(const struct header_list *list, struct str name)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (str_eq_nocase(list->lines[i].name, name))
			return true;
	return false;
}

static void builder_add_lists(struct header_builder *builder, const struct header_list *queue,
			      const struct header_list *own)
{
	for (uint32_t i = 0; i < own->count; i++)
		header_builder_add_line(builder, own->lines[i].line);
	for (uint32_t i = 0; i < queue->count; i++)
		if (own->count == 0 || !header_list_has(own, queue->lines[i].name))
			header_builder_add_line(builder, queue->lines[i].line);
}

static void builder_add_ours(struct header_builder *builder, const struct effect *effect, const struct job_view *view,
			     const struct queue_target *queue)
{
	char uid[UID_TEXT_BYTES];
	uid_text(effect->uid, uid);
	struct str uid_str = { uid, UID_TEXT_BYTES - 1 };
	struct str id = view->definition.id.len ? header_value_encode(builder->arena, view->definition.id) : uid_str;
	header_builder_add(builder, STR("Ruche-Job"), uid_str);
	header_builder_add(builder, STR("Ruche-Id"), id);
	header_builder_add_line(builder, queue->queue_line);
	header_builder_add_line(builder,
		    arena_printf(builder->arena, "Ruche-Attempt: %llu", (unsigned long long)effect->attempts_made + 1));
	header_builder_add_trace(builder, view->definition.trace);
}

static void builder_add_defaults(struct header_builder *builder, const struct effect *effect,
				 const struct header_list *queue, const struct header_list *own)
{
	char uid[UID_TEXT_BYTES];
	uid_text(effect->uid, uid);
	if (!queue->has_content_type && !own->has_content_type)
		header_builder_add_line(builder, "Content-Type: application/json");
	if (!queue->has_user_agent && !own->has_user_agent)
		header_builder_add_line(builder, "User-Agent: ruche/" RUCHE_VERSION);
	if (!queue->has_idempotency_key && !own->has_idempotency_key)
		header_builder_add(builder, STR("Idempotency-Key"), (struct str){ uid, UID_TEXT_BYTES - 1 });
}

/* The job's own target over the queue's. *own_headers are those that the job says itself. */
static enum err call_merge_target(struct call *call, const struct job_view *view, const struct queue_target *queue,
				  struct arena *arena, struct http_target *target, struct header_list *own_headers,
				  struct problem *problem)
{
	*target = queue->settings.http;
	target->headers = (struct str){ NULL, 0 };
	call->url = queue->url;
	call->origin = queue->origin;
	if (!view->definition.target.len)
		return E_OK;
	struct json json;
	problem->err = E_OK;
	json_init(&json, view->definition.target, arena, problem);
	if (!http_target_read(&json, target))
		return problem->err ? problem->err : E_INVALID;
	if (target->headers.len) {
		enum err err = header_list_read(target->headers, arena, own_headers);
		if (err)
			return problem_set(problem, err, "target.headers", "The job's headers cannot be used.");
	}
	if (target->url.ptr == queue->settings.http.url.ptr)
		return E_OK;
	struct str url = arena_str(arena, target->url);
	call->url = url.ptr;
	if (!url.ptr)
		return E_NOMEM;
	enum err err = http_target_origin(url, arena, &call->origin);
	return err == E_INVALID ? problem_set(problem, E_INVALID, "target.url", "The job's URL cannot be used.") : err;
}

static int64_t call_timeout_ms(const struct effect *effect, const struct http_target *target)
{
	int64_t timeout_ms = target->timeout_ms > 0 ? target->timeout_ms : HTTP_TIMEOUT_DEFAULT_MS;
	return effect->timeout_ms > 0 && effect->timeout_ms < timeout_ms ? effect->timeout_ms : timeout_ms;
}

static enum err call_build_headers(struct call *call, const struct effect *effect, const struct job_view *view,
				   const struct queue_target *queue, const struct header_list *own, struct arena *arena)
{
	static const struct header_list none = { 0 };
	bool queue_headers_go = !queue->url || str_eq(queue->origin, call->origin);
	const struct header_list *of_queue = queue_headers_go ? &queue->headers : &none;
	struct header_builder builder;
	header_builder_init(&builder, arena, CALL_OWN_HEADERS + of_queue->count + own->count);
	builder_add_defaults(&builder, effect, of_queue, own);
	builder_add_ours(&builder, effect, view, queue);
	builder_add_lists(&builder, of_queue, own);
	call->headers = builder.lines;
	call->header_count = builder.count;
	return builder.failed ? E_NOMEM : E_OK;
}

enum err call_build(const struct effect *effect, const struct job_view *view, const struct queue_target *queue,
		    struct arena *arena, struct call *out, struct problem *problem)
{
	struct call call = { 0 };
	struct http_target target;
	struct header_list own = { 0 };
	if (!queue->usable) {
		*problem = queue->problem;
		return E_INVALID;
	}
	enum err err = call_merge_target(&call, view, queue, arena, &target, &own, problem);
	if (err)
		return err;
	if (!call.url || !call.url[0])
		return problem_set(problem, E_INVALID, "target.url", "Neither the job nor its queue says a URL.");
	err = call_build_headers(&call, effect, view, queue, &own, arena);
	struct str method = arena_str(arena, target.method.len ? target.method : STR("POST"));
	if (err || !method.ptr)
		return E_NOMEM;
	call.method = method.ptr;
	call.body = view->edited_payload.len ? view->edited_payload : view->definition.payload;
	if (!call.body.len)
		call.body = STR("null");
	call.timeout_ms = call_timeout_ms(effect, &target);
	call.policy = target.policy;
	*out = call;
	return E_OK;
}
