#include "claim.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pluck.h"

#define AT(member) offsetof(struct ruche_job, member)
static const struct view_field job_fields[] = {
	{ "uid", VIEW_TEXT, AT(uid) },
	{ "id", VIEW_TEXT, AT(id) },
	{ "queue", VIEW_TEXT, AT(queue) },
	{ "namespace", VIEW_TEXT, AT(namespace_name) },
	{ "name", VIEW_TEXT, AT(name) },
	{ "group", VIEW_TEXT, AT(group) },
	{ "payload", VIEW_JSON, AT(payload) },
	{ "tags", VIEW_JSON, AT(tags_json) },
	{ "trace", VIEW_JSON, AT(trace_json) },
	{ "metadata", VIEW_JSON, AT(metadata_json) },
	{ "chain", VIEW_TEXT, AT(chain) },
	{ "created_at", VIEW_TEXT, AT(created_at) },
	{ "attempt", VIEW_INTEGER, AT(attempt) },
	{ "attempts_made", VIEW_INTEGER, AT(attempts_made) },
	{ "max_attempts", VIEW_INTEGER, AT(max_attempts) },
	{ "stalls", VIEW_INTEGER, AT(stalls) },
	{ "priority", VIEW_INTEGER, AT(priority) },
	{ "fence", VIEW_INTEGER, AT(fence) },
	{ "lease_ms", VIEW_INTEGER, AT(lease_ms) },
	{ "timeout_ms", VIEW_INTEGER, AT(timeout_ms) },
};
#undef AT

struct claim_answer {
	const char *token, *reason;
	int64_t next_due_ms;
};
static const struct view_field claim_fields[] = {
	{ "token", VIEW_TEXT, offsetof(struct claim_answer, token) },
	{ "reason", VIEW_TEXT, offsetof(struct claim_answer, reason) },
	{ "next_due_ms", VIEW_INTEGER, offsetof(struct claim_answer, next_due_ms) },
};

/* ---- reading ---- */

static void read_begin(struct json *json, struct str text, struct arena *arena, struct problem *problem)
{
	json_init(json, text, arena, problem);
	json->depth_max = LIMIT_JSON_ANSWER_DEPTH;
}

static uint32_t count_items(struct str list, struct arena *arena, struct problem *problem)
{
	struct json json;
	uint32_t index, count = 0;
	read_begin(&json, list, arena, problem);
	if (json_enter_array(&json))
		while (json_next_item(&json, &index) && json_skip(&json))
			count++;
	return count;
}

static bool jobs_read(struct ruche_claimed *claimed, struct str list, const char *token, struct problem *problem)
{
	struct json json;
	uint32_t index, count = count_items(list, &claimed->arena, problem);
	claimed->jobs = ARENA_ARRAY(&claimed->arena, struct ruche_job, count + 1);
	if (!claimed->jobs) {
		problem->err = E_NOMEM;
		return false;
	}
	read_begin(&json, list, &claimed->arena, problem);
	if (!json_enter_array(&json))
		return false;
	while (json_next_item(&json, &index)) {
		struct ruche_job *job = &claimed->jobs[index];
		*job = (struct ruche_job){ .token = token };
		if (!view_read(&json, job_fields, ARRAY_COUNT(job_fields), job) || !job->uid || !job->queue || !token)
			return false;
		if (!job->payload)
			job->payload = "null";
		job->payload_bytes = strlen(job->payload);
		claimed->count = index + 1;
	}
	return !json.failed;
}

static bool claimed_fill(struct ruche_claimed *claimed, struct str json, const char *path, struct problem *problem)
{
	struct claim_answer answer = { .next_due_ms = -1 };
	struct str whole, list;
	struct json reader;
	if (!pluck_raw(json, path, &claimed->arena, &whole) || !pluck_raw(whole, "jobs", &claimed->arena, &list))
		return false;
	read_begin(&reader, whole, &claimed->arena, problem);
	if (!view_read(&reader, claim_fields, ARRAY_COUNT(claim_fields), &answer) || !jobs_read(claimed, list, answer.token, problem))
		return false;
	claimed->reason = answer.reason;
	claimed->next_due_ms = answer.next_due_ms;
	return true;
}

int claimed_read(struct str json, const char *path, struct ruche_claimed **out, struct ruche_error *error)
{
	struct problem problem = { 0 };
	struct ruche_claimed *claimed = mem_zalloc(sizeof(*claimed));
	if (claimed && claimed_fill(claimed, json, path, &problem)) {
		*out = claimed;
		return RUCHE_OK;
	}
	int code = !claimed || problem.err == E_NOMEM
			   ? error_no_memory(error)
			   : error_set(error, RUCHE_NOT_RUCHE, "", "The answer to a claim could not be read; is it a Ruche?");
	ruche_claimed_free(claimed);
	return code;
}

/* ---- asking ---- */

void claim_begin(struct call *call, struct ruche_client *client, const struct ruche_claim_options *options, struct ruche_error *error)
{
	struct ruche_claim_options taken;
	call_begin(call, client, "POST", "/v1/claims", error);
	call_object(call);
	call->writer.code = options_take(&taken, sizeof(taken), options, "struct ruche_claim_options", error);
	if (call->writer.code)
		return;
	write_claim(&call->writer, &taken, client->namespace_name, true);
	if (taken.wait_ms > 0 && taken.wait_ms <= LIMIT_WAIT_MS)
		call->timeout_ms += taken.wait_ms;
}

int claim_send(struct call *call, struct ruche_claimed **out)
{
	struct http_answer answer;
	struct ruche_error *error = call->error;
	int code = call_send(call, &answer);
	if (code)
		return code;
	code = claimed_read(buf_str(&answer.body), "", out, error);
	http_answer_fini(&answer);
	return code;
}

int ruche_claim(struct ruche_client *client, const struct ruche_claim_options *options, struct ruche_claimed **out, struct ruche_error *error)
{
	struct call call;
	claim_begin(&call, client, options, error);
	return claim_send(&call, out);
}

/* ---- looking ---- */

void ruche_claimed_free(struct ruche_claimed *claimed)
{
	if (!claimed)
		return;
	arena_fini(&claimed->arena);
	mem_free(claimed);
}

size_t ruche_claimed_count(const struct ruche_claimed *claimed)
{
	return claimed->count;
}

const struct ruche_job *ruche_claimed_job(const struct ruche_claimed *claimed, size_t index)
{
	return index < claimed->count ? &claimed->jobs[index] : NULL;
}

const char *ruche_claimed_reason(const struct ruche_claimed *claimed)
{
	return claimed->reason;
}

int64_t ruche_claimed_next_due_ms(const struct ruche_claimed *claimed)
{
	return claimed->next_due_ms;
}
