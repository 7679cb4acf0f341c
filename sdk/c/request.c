#include "request.h"
#include "base/json.h"
#include <stdio.h>

int options_take(void *to, size_t to_bytes, const void *from, const char *what, struct ruche_error *error)
{
	size_t from_bytes = 0;
	memset(to, 0, to_bytes);
	if (!from)
		return RUCHE_OK;
	memcpy(&from_bytes, from, sizeof(from_bytes));
	if (from_bytes < sizeof(from_bytes))
		return error_set(error, RUCHE_BAD_ARGUMENT, "size", "Set the first member of %s to its sizeof, and zero the rest.", what);
	for (size_t i = to_bytes; i < from_bytes; i++)
		if (((const char *)from)[i])
			return error_set(error, RUCHE_BAD_ARGUMENT, "size", "%s has members that this libruche (%s) does not know; use a newer one.", what,
					 RUCHE_VERSION);
	memcpy(to, from, from_bytes < to_bytes ? from_bytes : to_bytes);
	return RUCHE_OK;
}

/* ---- members ---- */

void write_begin(struct writer *writer, struct buf *out, struct ruche_error *error)
{
	*writer = (struct writer){ .out = out, .error = error };
}

int write_refuse(struct writer *writer, const char *field, const char *sentence)
{
	char whole[128];
	if (writer->code)
		return writer->code;
	snprintf(whole, sizeof(whole), "%s%s", writer->prefix, field);
	return writer->code = error_set(writer->error, RUCHE_BAD_ARGUMENT, whole, "%s: %s", whole, sentence);
}

void write_text(struct writer *writer, const char *key, const char *text)
{
	if (!text)
		return;
	if (!str_is_utf8(str_of(text)))
		write_refuse(writer, key, "This text is not UTF-8.");
	else
		json_put_field_str(writer->out, key, str_of(text));
}

void write_needed_text(struct writer *writer, const char *key, const char *text)
{
	if (!text || !*text)
		write_refuse(writer, key, "This text is needed.");
	else
		write_text(writer, key, text);
}

void write_texts(struct writer *writer, const char *key, const char *const *texts, size_t count)
{
	char place[64];
	if (!texts && count)
		write_refuse(writer, key, "There is a count but no list.");
	if (!texts || !count)
		return;
	json_put_key(writer->out, key);
	buf_add_byte(writer->out, '[');
	for (size_t i = 0; i < count; i++) {
		snprintf(place, sizeof(place), "%s[%zu]", key, i);
		if (!texts[i])
			write_refuse(writer, place, "This text is needed.");
		else if (!str_is_utf8(str_of(texts[i])))
			write_refuse(writer, place, "This text is not UTF-8.");
		else {
			json_put_comma(writer->out);
			json_put_str(writer->out, str_of(texts[i]));
		}
	}
	buf_add_byte(writer->out, ']');
}

void write_json(struct writer *writer, const char *key, const char *json)
{
	struct problem problem = { 0 };
	char why[300];
	if (!json)
		return;
	if (json_check(str_of(json), &problem)) {
		snprintf(why, sizeof(why), "This is not JSON. %s", problem.detail);
		write_refuse(writer, key, why);
		return;
	}
	json_put_field_raw(writer->out, key, str_of(json));
}

void write_number(struct writer *writer, const char *key, int64_t number)
{
	if (number < 0)
		write_refuse(writer, key, "This number must not be below 0.");
	else if (number)
		json_put_field_i64(writer->out, key, number);
}

void write_true(struct writer *writer, const char *key, int value)
{
	if (value)
		json_put_field_bool(writer->out, key, true);
}

int write_end(struct writer *writer)
{
	if (!writer->code && !buf_ok(writer->out))
		writer->code = error_no_memory(writer->error);
	return writer->code;
}

/* ---- the objects ---- */

void write_new_job(struct writer *writer, const struct ruche_new_job *job, const char *namespace_name)
{
	write_needed_text(writer, "queue", job->queue);
	write_text(writer, "namespace", job->namespace_name ? job->namespace_name : namespace_name);
	write_json(writer, "payload", job->payload);
	write_text(writer, "id", job->id);
	write_text(writer, "name", job->name);
	write_text(writer, "group", job->group);
	write_number(writer, "priority", job->priority);
	write_number(writer, "delay_ms", job->delay_ms);
	write_text(writer, "run_at", job->run_at);
	write_true(writer, "lifo", job->lifo);
	write_number(writer, "max_attempts", job->max_attempts);
	write_number(writer, "timeout_ms", job->timeout_ms);
	write_number(writer, "ttl_ms", job->ttl_ms);
	write_json(writer, "retry", job->retry_json);
	write_json(writer, "trace", job->trace_json);
	write_json(writer, "http", job->http_json);
	write_texts(writer, "tags", job->tags, job->tag_count);
	write_json(writer, "dedup", job->dedup_json);
	write_json(writer, "metadata", job->metadata_json);
	write_json(writer, "parents", job->parents_json);
	write_true(writer, "waits", job->waits);
}

void write_lease(struct writer *writer, const struct ruche_job *job)
{
	write_needed_text(writer, "token", job->token);
	write_number(writer, "fence", job->fence);
}

static void write_error(struct writer *writer, const struct ruche_failure *failure)
{
	if (!failure->type && !failure->message && !failure->stack)
		return;
	json_put_key(writer->out, "error");
	buf_add_byte(writer->out, '{');
	write_text(writer, "type", failure->type);
	write_text(writer, "message", failure->message);
	write_text(writer, "stack", failure->stack);
	buf_add_byte(writer->out, '}');
}

static void write_delay_verdict(struct writer *writer, int64_t after_ms)
{
	json_put_key(writer->out, "verdict");
	buf_add_byte(writer->out, '{');
	json_put_field_i64(writer->out, "delay_ms", after_ms);
	buf_add_byte(writer->out, '}');
}

static void write_back_off(struct writer *writer, const struct ruche_failure *failure)
{
	if (failure->back_off_ms && !failure->back_off)
		write_refuse(writer, "back_off_ms", "Say in back_off who is to wait.");
	else if (failure->back_off_ms < 0)
		write_refuse(writer, "back_off_ms", "This number must not be below 0.");
	else if (failure->back_off && !str_is_utf8(str_of(failure->back_off)))
		write_refuse(writer, "back_off", "This text is not UTF-8.");
	if (!failure->back_off || writer->code)
		return;
	json_put_key(writer->out, "back_off");
	buf_add_byte(writer->out, '{');
	write_text(writer, "scope", failure->back_off);
	json_put_field_i64(writer->out, "delay_ms", failure->back_off_ms);
	buf_add_byte(writer->out, '}');
}

void write_failure(struct writer *writer, const struct ruche_failure *failure)
{
	static const char *const verdicts[] = {
		[RUCHE_BY_POLICY] = NULL, [RUCHE_FINAL] = "final", [RUCHE_RETRY_FIRST] = "head", [RUCHE_RETRY_LAST] = "tail",
	};
	write_error(writer, failure);
	if (failure->after_ms && failure->verdict != RUCHE_RETRY_AFTER)
		write_refuse(writer, "after_ms", "It is only for the verdict RUCHE_RETRY_AFTER.");
	else if (failure->after_ms < 0)
		write_refuse(writer, "after_ms", "This number must not be below 0.");
	else if (failure->verdict == RUCHE_RETRY_AFTER)
		write_delay_verdict(writer, failure->after_ms);
	else if (failure->verdict < 0 || failure->verdict > RUCHE_RETRY_LAST)
		write_refuse(writer, "verdict", "It is none of enum ruche_verdict.");
	else
		write_text(writer, "verdict", verdicts[failure->verdict]);
	write_back_off(writer, failure);
}

void write_claim(struct writer *writer, const struct ruche_claim_options *claim, const char *namespace_name, bool may_wait)
{
	if (!claim->queue_count)
		write_refuse(writer, "queues", "At least one queue is needed.");
	write_texts(writer, "queues", claim->queues, claim->queue_count);
	write_text(writer, "namespace", claim->namespace_name ? claim->namespace_name : namespace_name);
	write_number(writer, "max", claim->max);
	if (claim->wait_ms && !may_wait)
		write_refuse(writer, "wait_ms", "A claim in the call that finishes a job cannot wait.");
	else
		write_number(writer, "wait_ms", claim->wait_ms);
	write_number(writer, "lease_ms", claim->lease_ms);
	write_text(writer, "worker", claim->worker);
	write_text(writer, "token", claim->token);
	write_number(writer, "group_max", claim->group_max);
	write_number(writer, "group_min", claim->group_min);
	write_number(writer, "group_wait_ms", claim->group_wait_ms);
}
