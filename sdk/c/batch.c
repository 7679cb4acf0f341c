/* Operations of any kind, gathered and sent in one call. */
#include "answer.h"
#include "base/mem.h"
#include <stdio.h>

struct ruche_batch {
	struct ruche_client *client;
	struct buf operations; /* {…},{…} */
	size_t count;
};

int ruche_batch_new(struct ruche_client *client, struct ruche_batch **out, struct ruche_error *error)
{
	struct ruche_batch *batch = mem_zalloc(sizeof(*batch));
	if (!batch)
		return error_no_memory(error);
	batch->client = client;
	buf_init(&batch->operations, SIZE_MAX / 2);
	*out = batch;
	return RUCHE_OK;
}

void ruche_batch_free(struct ruche_batch *batch)
{
	if (!batch)
		return;
	buf_fini(&batch->operations);
	mem_free(batch);
}

void ruche_batch_clear(struct ruche_batch *batch)
{
	buf_clear(&batch->operations);
	batch->count = 0;
}

size_t ruche_batch_count(const struct ruche_batch *batch)
{
	return batch->count;
}

/* ---- adding: begin, members, end; what went wrong takes the whole operation back ---- */

struct addition {
	struct ruche_batch *batch;
	size_t before;
	struct writer writer;
};

static void add_begin(struct addition *addition, struct ruche_batch *batch, struct ruche_error *error)
{
	*addition = (struct addition){ .batch = batch, .before = batch->operations.len };
	write_begin(&addition->writer, &batch->operations, error);
	if (batch->count)
		buf_add_byte(&batch->operations, ',');
}

static void add_object(struct addition *addition, const char *kind)
{
	buf_add_byte(addition->writer.out, '{');
	json_put_field_str(addition->writer.out, "op", str_of(kind));
}

static int add_end(struct addition *addition)
{
	struct buf *operations = &addition->batch->operations;
	int code = write_end(&addition->writer);
	if (!code)
		addition->batch->count++;
	else
		operations->len = addition->before;
	operations->failed = false;
	return code;
}

int ruche_batch_enqueue(struct ruche_batch *batch, const struct ruche_new_job *job, struct ruche_error *error)
{
	struct addition addition;
	struct ruche_new_job taken;
	add_begin(&addition, batch, error);
	add_object(&addition, "enqueue");
	addition.writer.code = options_take(&taken, sizeof(taken), job, "struct ruche_new_job", error);
	if (!addition.writer.code && taken.idempotency_key)
		write_refuse(&addition.writer, "idempotency_key", "It is for one job; give one for the whole batch in struct ruche_call_options.");
	if (!addition.writer.code)
		write_new_job(&addition.writer, &taken, batch->client->namespace_name);
	buf_add_byte(&batch->operations, '}');
	return add_end(&addition);
}

static void add_lease(struct addition *addition, const char *kind, const struct ruche_job *job)
{
	static const struct ruche_job none;
	add_object(addition, kind);
	write_needed_text(&addition->writer, "uid", job ? job->uid : NULL);
	write_lease(&addition->writer, job ? job : &none);
}

int ruche_batch_complete(struct ruche_batch *batch, const struct ruche_job *job, const char *result_json, struct ruche_error *error)
{
	struct addition addition;
	add_begin(&addition, batch, error);
	add_lease(&addition, "complete", job);
	write_json(&addition.writer, "result", result_json);
	buf_add_byte(&batch->operations, '}');
	return add_end(&addition);
}

int ruche_batch_fail(struct ruche_batch *batch, const struct ruche_job *job, const struct ruche_failure *failure, struct ruche_error *error)
{
	struct addition addition;
	struct ruche_failure taken;
	add_begin(&addition, batch, error);
	add_lease(&addition, "fail", job);
	if (!addition.writer.code)
		addition.writer.code = options_take(&taken, sizeof(taken), failure, "struct ruche_failure", error);
	if (!addition.writer.code)
		write_failure(&addition.writer, &taken);
	buf_add_byte(&batch->operations, '}');
	return add_end(&addition);
}

int ruche_batch_add(struct ruche_batch *batch, const char *operation_json, struct ruche_error *error)
{
	struct addition addition;
	struct problem problem = { 0 };
	struct json json;
	add_begin(&addition, batch, error);
	json_init(&json, str_of(operation_json), NULL, &problem);
	if (json_peek(&json) != JSON_OBJECT)
		write_refuse(&addition.writer, "operation_json", "An object such as {\"op\": \"cancel\", \"uid\": \"…\"} is needed.");
	else if (!json_skip(&json) || !json_finish(&json))
		write_refuse(&addition.writer, "operation_json", problem.detail);
	buf_add(&batch->operations, str_of(operation_json));
	return add_end(&addition);
}

/* ---- sending ---- */

int ruche_batch_send(struct ruche_batch *batch, const struct ruche_call_options *options, struct ruche_answer **out, struct ruche_error *error)
{
	struct ruche_call_options taken;
	struct call call;
	call_begin(&call, batch->client, "POST", "/v1/batch", error);
	call_object(&call);
	if (!call_take(&call, options, &taken) && !batch->count)
		write_refuse(&call.writer, "ops", "The batch is empty.");
	write_true(&call.writer, "atomic", taken.atomic);
	json_put_key(&call.body, "ops");
	buf_add_byte(&call.body, '[');
	buf_add(&call.body, buf_str(&batch->operations));
	buf_add_byte(&call.body, ']');
	return answer_of_call(&call, out);
}
