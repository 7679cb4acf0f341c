/* Jobs looked at, waited for, cancelled. */
#include "answer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

#define WAIT_SLICE_MS 20000 /* of one long poll */
#define WAIT_PAUSE_MS 200   /* while the daemon is away */

struct look { /* what is handed out is its first member */
	struct ruche_job_info info;
	struct arena arena;
	struct buf body;
};

#define AT(member) offsetof(struct ruche_job_info, member)
static const struct view_field info_fields[] = {
	{ "uid", VIEW_TEXT, AT(uid) },
	{ "id", VIEW_TEXT, AT(id) },
	{ "queue", VIEW_TEXT, AT(queue) },
	{ "namespace", VIEW_TEXT, AT(namespace_name) },
	{ "state", VIEW_TEXT, AT(state) },
	{ "outcome", VIEW_TEXT, AT(outcome) },
	{ "cancel_requested", VIEW_TRUE, AT(cancel_requested) },
	{ "payload", VIEW_JSON, AT(payload) },
	{ "result", VIEW_JSON, AT(result_json) },
	{ "error", VIEW_JSON, AT(error_json) },
	{ "progress", VIEW_JSON, AT(progress_json) },
	{ "worker", VIEW_TEXT, AT(worker) },
	{ "attempts_started", VIEW_INTEGER, AT(attempts_started) },
	{ "attempts_made", VIEW_INTEGER, AT(attempts_made) },
	{ "stalls", VIEW_INTEGER, AT(stalls) },
	{ "fence", VIEW_INTEGER, AT(fence) },
};
#undef AT

static bool state_is_final(const char *state)
{
	static const char *const finals[] = { "completed", "failed", "cancelled", "expired" };
	for (size_t i = 0; i < ARRAY_COUNT(finals); i++)
		if (strcmp(state, finals[i]) == 0)
			return true;
	return false;
}

void ruche_job_info_free(struct ruche_job_info *info)
{
	struct look *look = (struct look *)info;
	if (!look)
		return;
	arena_fini(&look->arena);
	buf_fini(&look->body);
	mem_free(look);
}

static int look_read(struct look *look, struct ruche_error *error)
{
	struct problem problem = { 0 };
	struct json json;
	struct ruche_job_info *info = &look->info;
	json_init(&json, buf_str(&look->body), &look->arena, &problem);
	json.depth_max = LIMIT_JSON_ANSWER_DEPTH;
	bool good = view_read(&json, info_fields, ARRAY_COUNT(info_fields), info) && info->uid && info->state;
	buf_add_byte(&look->body, '\0');
	if (problem.err == E_NOMEM || !buf_ok(&look->body))
		return error_no_memory(error);
	if (!good)
		return error_set(error, RUCHE_NOT_RUCHE, "", "The answer about a job could not be read; is it a Ruche?");
	info->ended = state_is_final(info->state);
	info->json = look->body.ptr;
	return RUCHE_OK;
}

static int look_send(struct call *call, unsigned flags, struct ruche_job_info **out)
{
	struct http_answer answer;
	struct ruche_error *error = call->error;
	if (flags & ~(unsigned)(RUCHE_WITH_PAYLOAD | RUCHE_WITHOUT_RESULT))
		write_refuse(&call->writer, "flags", "They are of enum ruche_look.");
	if (flags & RUCHE_WITH_PAYLOAD)
		call_query(call, "payload", "true");
	if (flags & RUCHE_WITHOUT_RESULT)
		call_query(call, "result", "false");
	int code = call_send(call, &answer);
	if (code)
		return code;
	struct look *look = mem_zalloc(sizeof(*look));
	if (look) {
		look->body = answer.body;
		look->body.max_bytes = SIZE_MAX / 2;
		buf_init(&answer.body, 0);
	}
	http_answer_fini(&answer);
	code = look ? look_read(look, error) : error_no_memory(error);
	if (code)
		ruche_job_info_free(look ? &look->info : NULL);
	else
		*out = &look->info;
	return code;
}

static void look_begin(struct call *call, struct ruche_client *client, const char *method, const char *uid, const char *tail,
		       struct ruche_error *error)
{
	call_begin(call, client, method, "/v1/jobs/", error);
	if (!uid || !*uid)
		write_refuse(&call->writer, "uid", "This text is needed.");
	call_piece(call, uid);
	buf_add(&call->path, str_of(tail));
}

int ruche_job_get(struct ruche_client *client, const char *uid, unsigned flags, struct ruche_job_info **out, struct ruche_error *error)
{
	struct call call;
	look_begin(&call, client, "GET", uid, "", error);
	return look_send(&call, flags, out);
}

int ruche_job_find(struct ruche_client *client, const char *namespace_name, const char *queue, const char *id, unsigned flags,
		   struct ruche_job_info **out, struct ruche_error *error)
{
	struct call call;
	const char *space = namespace_name ? namespace_name : client->namespace_name;
	call_begin(&call, client, "GET", "/v1/queues/", error);
	if (!queue || !*queue)
		write_refuse(&call.writer, "queue", "This text is needed.");
	if (!id || !*id)
		write_refuse(&call.writer, "id", "This text is needed.");
	call_piece(&call, queue);
	buf_add(&call.path, STR("/jobs/"));
	call_piece(&call, id);
	if (space)
		call_query(&call, "namespace", space);
	return look_send(&call, flags, out);
}

/* ---- waiting ---- */

static void pause_ms(int64_t ms)
{
	struct timespec left = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* One long poll, at most until the deadline. */
static int wait_once(struct ruche_client *client, const char *uid, int64_t left_ms, struct ruche_job_info **out, struct ruche_error *error)
{
	struct call call;
	char wait[24];
	int64_t slice_ms = left_ms < WAIT_SLICE_MS ? left_ms : WAIT_SLICE_MS;
	look_begin(&call, client, "GET", uid, "", error);
	snprintf(wait, sizeof(wait), "%lld", (long long)slice_ms);
	call_query(&call, "wait_ms", wait);
	call.timeout_ms += slice_ms;
	return look_send(&call, 0, out);
}

int ruche_wait(struct ruche_client *client, const char *uid, int64_t timeout_ms, struct ruche_job_info **out, struct ruche_error *error)
{
	struct ruche_error own;
	struct ruche_job_info *info = NULL;
	bool reached = false;
	int64_t begun_us = clock_mono_us();
	if (timeout_ms < 0)
		return error_set(error, RUCHE_BAD_ARGUMENT, "timeout_ms", "timeout_ms: This number must not be below 0.");
	for (;;) {
		int64_t left_ms = timeout_ms - (clock_mono_us() - begun_us) / 1000;
		int code = wait_once(client, uid, left_ms > 0 ? left_ms : 0, &info, &own);
		if (code == RUCHE_OK && info->ended) {
			*out = info;
			return RUCHE_OK;
		}
		if (code == RUCHE_OK) {
			ruche_job_info_free(info);
			reached = true;
		} else if (!own.may_retry || code == RUCHE_NO_MEMORY || (!reached && code == RUCHE_UNREACHABLE)) {
			if (error)
				*error = own;
			return code;
		}
		if (left_ms <= 0)
			return error_set(error, RUCHE_TIMED_OUT, "", "Job %.40s has not ended within %lld ms; wait again, or look at what holds it back.", uid,
					 (long long)timeout_ms);
		if (code)
			pause_ms(left_ms < WAIT_PAUSE_MS ? left_ms : WAIT_PAUSE_MS);
	}
}

int ruche_cancel(struct ruche_client *client, const char *uid, const char *reason, struct ruche_error *error)
{
	struct call call;
	look_begin(&call, client, "POST", uid, "/cancel", error);
	if (reason) {
		call_object(&call);
		write_text(&call.writer, "reason", reason);
	}
	return call_send(&call, NULL);
}
