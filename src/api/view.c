#include "api/view.h"
#include "api/auth.h"
#include "api/filter.h"
#include "api/op_codec.h"

/* A delivery's is its message's. */
struct str job_first_payload(const struct job_view *view)
{
	struct str payload = view->definition.message ? view->message.payload : view->definition.payload;
	return payload.len ? payload : STR("null");
}

struct str job_payload(const struct job_view *view)
{
	struct str payload = view->row.flags & ROW_EDITED && view->edited_payload.len ? view->edited_payload : job_first_payload(view);
	return payload.len ? payload : STR("null");
}

static void put_id(struct buf *out, uint64_t uid, struct str id)
{
	char text[UID_TEXT_BYTES];
	uid_text(uid, text);
	json_put_field_str(out, "id", id.len ? id : (struct str){ text, UID_TEXT_BYTES - 1 });
}

static void put_progress_of(struct buf *out, const struct job_view *view)
{
	const struct job_row *row = &view->row;
	json_put_field_str(out, "state", str_of(job_state_name(row->state)));
	if (job_state_is_final(row->state))
		json_put_field_str(out, "outcome", str_of(job_outcome_name(row->outcome)));
	else
		json_put_field_null(out, "outcome");
	json_put_field_bool(out, "cancel_requested", (row->flags & ROW_CANCEL) != 0);
	json_put_field_bool(out, "redone", (row->flags & ROW_REDONE) != 0);
	json_put_field_i64(out, "priority", row->priority);
	json_put_field_bool(out, "lifo", (row->flags & ROW_LIFO) != 0);
	json_put_field_u64(out, "attempts_started", row->attempts_started);
	json_put_field_u64(out, "attempts_made", row->attempts_made);
	json_put_field_u64(out, "max_attempts", row->max_attempts);
	json_put_field_u64(out, "stalls", row->stalls);
	json_put_field_u64(out, "fence", row->fence);
	json_put_field_i64(out, "timeout_ms", row->timeout_ms ? row->timeout_ms : view->definition.timeout_ms);
	json_put_field_i64(out, "ttl_ms", view->definition.ttl_ms);
	json_put_field_instant(out, "created_at", view->definition.created_us);
	json_put_field_instant(out, "due_at", row->state == JOB_DELAYED ? row->due_us : 0);
	json_put_field_instant(out, "started_at", row->started_us);
	json_put_field_instant(out, "finished_at", row->finished_us);
	json_put_field_text(out, "worker", row->worker);
	if (row->deferred.len)
		json_put_field_str(out, "deferred", row->deferred);
}

static void put_errors(struct buf *out, const struct job_view *view)
{
	json_put_key(out, "errors");
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < view->error_count; i++) {
		json_put_comma(out);
		buf_add(out, view->errors[i]);
	}
	buf_add_byte(out, ']');
}

static const char *const edge_states[] = {
#define X(name, text) text,
	EDGE_STATES(X)
#undef X
};

static const char *const on_failures[] = {
#define X(name, text) text,
	ON_FAILURES(X)
#undef X
};

void parents_write(struct buf *out, const struct job_view *view)
{
	json_put_key(out, "parents");
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < view->parent_count; i++) {
		const struct parent_view *parent = &view->parents[i];
		json_put_comma(out);
		buf_add_byte(out, '{');
		put_uid(out, "uid", parent->edge.parent);
		put_id(out, parent->edge.parent, parent->id);
		json_put_field_text(out, "queue", parent->queue_name);
		json_put_field_text(out, "namespace", parent->namespace_name);
		json_put_field_str(out, "on_failure", str_of(on_failures[parent->edge.on_failure]));
		json_put_field_str(out, "state", str_of(edge_states[parent->edge.state]));
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void put_delivery(struct buf *out, const struct job_view *view, bool with_entity)
{
	json_put_key(out, "delivery");
	buf_add_byte(out, '{');
	put_message_id(out, "message", view->definition.message);
	json_put_field_str(out, "endpoint", view->definition.group);
	json_put_field_str(out, "type", view->definition.name);
	if (with_entity)
		json_put_field_text(out, "entity", view->message.entity);
	buf_add_byte(out, '}');
}

/* In the words of explain. */
static void put_hold(struct buf *out, const struct job_view *view)
{
	json_put_key(out, "hold");
	buf_add_byte(out, '{');
	json_put_field_str(out, "reason", view->held == NAMED_PAUSED ? STR("endpoint_paused") : STR("endpoint_disabled"));
	json_put_field_instant(out, "since_at", view->held_since_us);
	buf_add_byte(out, '}');
}

void job_view_write(struct buf *out, const struct job_view *view, struct view_parts parts)
{
	const struct job_definition *definition = &view->definition;
	bool edited = (view->row.flags & ROW_EDITED) != 0;
	buf_add_byte(out, '{');
	put_uid(out, "uid", view->row.uid);
	put_id(out, view->row.uid, definition->id);
	json_put_field_str(out, "queue", view->queue_name);
	json_put_field_str(out, "namespace", namespace_of(view->namespace_name));
	json_put_field_text(out, "name", definition->name);
	json_put_field_text(out, "group", view->row.group.len ? view->row.group : definition->group);
	put_progress_of(out, view);
	if (definition->message)
		put_delivery(out, view, parts.payload);
	if (view->held != NAMED_ENABLED)
		put_hold(out, view);
	json_put_field_text(out, "chain", definition->chain);
	json_put_field_raw(out, "tags", definition->tags.len ? definition->tags : STR("[]"));
	json_put_field_raw(out, "trace", definition->trace);
	json_put_field_raw(out, "http", definition->target);
	json_put_field_raw(out, "progress", view->progress);
	json_put_field_raw(out, "error", view->result.error);
	json_put_field_u64(out, "payload_bytes", definition->payload_bytes);
	json_put_field_bool(out, "payload_edited", edited);
	json_put_field_u64(out, "result_bytes", view->result.result_bytes);
	if (parts.payload) {
		json_put_field_raw(out, "metadata", definition->metadata);
		json_put_field_raw(out, "payload", job_payload(view));
		if (edited)
			json_put_field_raw(out, "original_payload", job_first_payload(view));
	}
	if (parts.result)
		json_put_field_raw(out, "result", view->result.result);
	if (parts.errors)
		put_errors(out, view);
	if (parts.parents)
		parents_write(out, view);
	buf_add_byte(out, '}');
}

void grant_definition_write(struct buf *out, const struct grant_definition *definition)
{
	char uid[UID_TEXT_BYTES];
	uid_text(definition->uid, uid);
	buf_add_lit(out, "\"id\":");
	json_put_str(out, definition->id.len ? definition->id : (struct str){ uid, UID_TEXT_BYTES - 1 });
	json_put_field_text(out, "name", definition->name);
	json_put_field_text(out, "group", definition->group);
	json_put_field_raw(out, "payload", definition->payload);
	json_put_field_raw(out, "tags", definition->tags.len ? definition->tags : STR("[]"));
	json_put_field_raw(out, "trace", definition->trace);
	if (definition->chain.len)
		json_put_field_text(out, "chain", definition->chain);
	if (definition->metadata.len)
		json_put_field_raw(out, "metadata", definition->metadata);
	json_put_field_instant(out, "created_at", uid_time_us(definition->uid));
}

void attempt_write(struct buf *out, const struct attempt_row *row)
{
	buf_add_byte(out, '{');
	json_put_field_u64(out, "number", row->number);
	json_put_field_u64(out, "fence", row->fence);
	json_put_field_instant(out, "started_at", row->started_us);
	json_put_field_instant(out, "finished_at", row->finished_us);
	int64_t took_us = row->finished_us - row->started_us;
	json_put_field_i64(out, "took_ms", took_us > 0 ? took_us / 1000 : 0);
	json_put_field_str(out, "next", str_of(job_state_name(row->next)));
	json_put_field_instant(out, "retry_at", row->retry_us);
	json_put_field_text(out, "worker", row->worker);
	json_put_field_raw(out, "error", row->error);
	json_put_field_raw(out, "exchange", row->exchange);
	buf_add_byte(out, '}');
}

void child_write(struct buf *out, const struct child_view *view)
{
	const struct edge_row *edge = &view->edge;
	char uid[UID_TEXT_BYTES];
	uid_text(edge->child, uid);
	buf_add_byte(out, '{');
	json_put_field_str(out, "uid", str_of(uid));
	json_put_field_str(out, "id", edge->id.len ? edge->id : str_of(uid));
	json_put_field_text(out, "queue", view->queue_name);
	json_put_field_text(out, "namespace", view->namespace_name);
	json_put_field_str(out, "state", str_of(edge_states[edge->state]));
	json_put_field_str(out, "on_failure", str_of(on_failures[edge->on_failure]));
	json_put_field_raw(out, "value", edge->value);
	buf_add_byte(out, '}');
}

void child_counts_write(struct buf *out, const uint64_t counts[EDGE_STATE_COUNT])
{
	buf_add_byte(out, '{');
	for (int state = 0; state < EDGE_STATE_COUNT; state++)
		json_put_field_u64(out, edge_states[state], counts[state]);
	buf_add_byte(out, '}');
}

void log_line_write(struct buf *out, const struct log_row *row)
{
	buf_add_byte(out, '{');
	json_put_field_u64(out, "attempt", row->attempt);
	json_put_field_instant(out, "at", row->at_us);
	json_put_field_str(out, "line", row->line);
	buf_add_byte(out, '}');
}
