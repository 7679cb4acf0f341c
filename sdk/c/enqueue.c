/* Jobs go in: one, or many in one call. */
#include "answer.h"
#include <stdio.h>

struct enqueued_answer {
	const char *uid, *id, *state;
	int duplicate, deduplicated;
};
static const struct view_field enqueued_fields[] = {
	{ "uid", VIEW_TEXT, offsetof(struct enqueued_answer, uid) },
	{ "id", VIEW_TEXT, offsetof(struct enqueued_answer, id) },
	{ "state", VIEW_TEXT, offsetof(struct enqueued_answer, state) },
	{ "duplicate", VIEW_TRUE, offsetof(struct enqueued_answer, duplicate) },
	{ "deduplicated", VIEW_TRUE, offsetof(struct enqueued_answer, deduplicated) },
};

static bool fits(char *to, size_t bytes, const char *text)
{
	size_t len = text ? strlen(text) : bytes;
	if (len < bytes)
		memcpy(to, text, len + 1);
	return len < bytes;
}

static int enqueued_read(struct str body, struct ruche_enqueued *out, struct ruche_error *error)
{
	struct arena arena = { 0 };
	struct problem problem = { 0 };
	struct json json;
	struct enqueued_answer answer = { 0 };
	struct ruche_enqueued read = { 0 };
	int code = RUCHE_OK;
	json_init(&json, body, &arena, &problem);
	bool good = view_read(&json, enqueued_fields, ARRAY_COUNT(enqueued_fields), &answer);
	if (good && answer.deduplicated && !answer.state)
		answer.state = ""; /* the owner is not kept any more */
	good = good && fits(read.uid, sizeof(read.uid), answer.uid) && fits(read.id, sizeof(read.id), answer.id) &&
	       fits(read.state, sizeof(read.state), answer.state);
	read.duplicate = answer.deduplicated ? 2 : answer.duplicate;
	if (problem.err == E_NOMEM)
		code = error_no_memory(error);
	else if (!good)
		code = error_set(error, RUCHE_NOT_RUCHE, "", "The answer to an enqueue could not be read; is it a Ruche?");
	else if (out)
		*out = read;
	arena_fini(&arena);
	return code;
}

int ruche_enqueue(struct ruche_client *client, const struct ruche_new_job *job, struct ruche_enqueued *out, struct ruche_error *error)
{
	struct ruche_new_job taken;
	struct http_answer answer;
	struct call call;
	call_begin(&call, client, "POST", "/v1/jobs", error);
	call_object(&call);
	call.writer.code = options_take(&taken, sizeof(taken), job, "struct ruche_new_job", error);
	struct ruche_call_options options = { .size = sizeof(options), .idempotency_key = taken.idempotency_key }, ignored;
	if (!call.writer.code && !call_take(&call, &options, &ignored))
		write_new_job(&call.writer, &taken, client->namespace_name);
	int code = call_send(&call, &answer);
	if (code)
		return code;
	code = enqueued_read(buf_str(&answer.body), out, error);
	http_answer_fini(&answer);
	return code;
}

/* One object of the list; each struct is as large as the first says. */
static void put_job(struct call *call, const struct ruche_new_job *jobs, size_t index)
{
	struct ruche_new_job taken;
	size_t bytes = jobs->size; // NOLINT(clang-analyzer-core.NullDereference): there is a list wherever there is a count
	const struct ruche_new_job *job = (const void *)((const char *)jobs + index * bytes);
	struct writer *writer = &call->writer;
	snprintf(writer->prefix, sizeof(writer->prefix), "jobs[%zu].", index);
	if (job->size != bytes) {
		write_refuse(writer, "size", "All jobs of a list have the same size.");
		return;
	}
	if ((writer->code = options_take(&taken, sizeof(taken), job, "struct ruche_new_job", call->error)))
		return;
	if (taken.idempotency_key)
		write_refuse(writer, "idempotency_key", "It is for one job; give one for the whole list in struct ruche_call_options.");
	json_put_comma(&call->body);
	buf_add_byte(&call->body, '{');
	write_new_job(writer, &taken, call->client->namespace_name);
	buf_add_byte(&call->body, '}');
	writer->prefix[0] = '\0';
}

int ruche_enqueue_many(struct ruche_client *client, const struct ruche_new_job *jobs, size_t count, const struct ruche_call_options *options,
		       struct ruche_answer **out, struct ruche_error *error)
{
	struct ruche_call_options taken;
	struct call call;
	call_begin(&call, client, "POST", "/v1/jobs", error);
	call_object(&call);
	call_take(&call, options, &taken);
	write_true(&call.writer, "atomic", taken.atomic);
	json_put_key(&call.body, "jobs");
	buf_add_byte(&call.body, '[');
	if (!call.writer.code && (!jobs || !count))
		write_refuse(&call.writer, "jobs", "At least one job is needed.");
	for (size_t i = 0; i < count && !call.writer.code && buf_ok(&call.body); i++)
		put_job(&call, jobs, i);
	buf_add_byte(&call.body, ']');
	return answer_of_call(&call, out);
}
