#include "lease.h"
#include "base/pluck.h"

void lease_begin(struct call *call, struct ruche_client *client, const struct ruche_job *job, const char *verb, struct ruche_error *error)
{
	static const struct ruche_job none;
	call_begin(call, client, "POST", "/v1/leases/", error);
	if (!job || !job->uid || !*job->uid)
		write_refuse(&call->writer, "uid", "A claimed job is needed.");
	call_piece(call, job ? job->uid : NULL);
	buf_add_byte(&call->path, '/');
	buf_add(&call->path, str_of(verb));
	call_object(call);
	write_lease(&call->writer, job ? job : &none);
}

static void put_next(struct call *call, const struct ruche_claim_options *next)
{
	struct ruche_claim_options taken;
	struct writer *writer = &call->writer;
	if (!writer->code)
		writer->code = options_take(&taken, sizeof(taken), next, "struct ruche_claim_options", call->error);
	if (writer->code)
		return;
	json_put_key(&call->body, "claim");
	buf_add_byte(&call->body, '{');
	memcpy(writer->prefix, "claim.", sizeof("claim."));
	write_claim(writer, &taken, call->client->namespace_name, false);
	writer->prefix[0] = '\0';
	buf_add_byte(&call->body, '}');
}

int lease_send(struct call *call, const struct ruche_claim_options *next, struct ruche_claimed **out)
{
	struct http_answer answer;
	struct ruche_error *error = call->error;
	if (!next)
		return call_send(call, NULL);
	put_next(call, next);
	int code = call_send(call, &answer);
	if (code)
		return code;
	code = claimed_read(buf_str(&answer.body), "claim", out, error);
	http_answer_fini(&answer);
	return code;
}

/* ---- the end of a job ---- */

static int finish_refuse(struct call *call, const struct ruche_claim_options *next)
{
	if (!next)
		write_refuse(&call->writer, "claim", "Say what to claim next.");
	return call->writer.code;
}

int ruche_complete(struct ruche_client *client, const struct ruche_job *job, const char *result_json, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "complete", error);
	write_json(&call.writer, "result", result_json);
	return lease_send(&call, NULL, NULL);
}

int ruche_complete_and_claim(struct ruche_client *client, const struct ruche_job *job, const char *result_json,
			     const struct ruche_claim_options *next, struct ruche_claimed **out, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "complete", error);
	write_json(&call.writer, "result", result_json);
	return finish_refuse(&call, next) ? call_drop(&call) : lease_send(&call, next, out);
}

static void put_failure(struct call *call, const struct ruche_failure *failure)
{
	struct ruche_failure taken;
	if (!call->writer.code)
		call->writer.code = options_take(&taken, sizeof(taken), failure, "struct ruche_failure", call->error);
	if (!call->writer.code)
		write_failure(&call->writer, &taken);
}

int ruche_fail(struct ruche_client *client, const struct ruche_job *job, const struct ruche_failure *failure, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "fail", error);
	put_failure(&call, failure);
	return lease_send(&call, NULL, NULL);
}

int ruche_fail_and_claim(struct ruche_client *client, const struct ruche_job *job, const struct ruche_failure *failure,
			 const struct ruche_claim_options *next, struct ruche_claimed **out, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "fail", error);
	put_failure(&call, failure);
	return finish_refuse(&call, next) ? call_drop(&call) : lease_send(&call, next, out);
}

int ruche_release(struct ruche_client *client, const struct ruche_job *job, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "release", error);
	return lease_send(&call, NULL, NULL);
}

int ruche_snooze(struct ruche_client *client, const struct ruche_job *job, int64_t delay_ms, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "snooze", error);
	if (delay_ms < 0)
		write_refuse(&call.writer, "delay_ms", "This number must not be below 0.");
	json_put_field_i64(&call.body, "delay_ms", delay_ms);
	return lease_send(&call, NULL, NULL);
}

/* ---- while it runs ---- */

static int send_and_hear(struct call *call, int *out_cancel)
{
	struct http_answer answer;
	struct arena arena = { 0 };
	int code = call_send(call, &answer);
	if (code)
		return code;
	if (out_cancel)
		*out_cancel = pluck_true(buf_str(&answer.body), "cancel_requested", &arena);
	arena_fini(&arena);
	http_answer_fini(&answer);
	return RUCHE_OK;
}

int ruche_heartbeat(struct ruche_client *client, const struct ruche_job *job, int64_t lease_ms, int *out_cancel, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "heartbeat", error);
	write_number(&call.writer, "lease_ms", lease_ms);
	return send_and_hear(&call, out_cancel);
}

int ruche_progress(struct ruche_client *client, const struct ruche_job *job, const char *progress_json, int *out_cancel, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "progress", error);
	if (!progress_json)
		write_refuse(&call.writer, "progress", "Any JSON is needed.");
	write_json(&call.writer, "progress", progress_json);
	return send_and_hear(&call, out_cancel);
}

int ruche_log(struct ruche_client *client, const struct ruche_job *job, const char *line, struct ruche_error *error)
{
	struct call call;
	lease_begin(&call, client, job, "log", error);
	if (!line)
		write_refuse(&call.writer, "line", "This text is needed.");
	write_text(&call.writer, "line", line);
	return lease_send(&call, NULL, NULL);
}
