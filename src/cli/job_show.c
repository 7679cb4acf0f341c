#include "cli/job_show.h"
#include "base/pluck.h"
#include "cli/table.h"
#include "cli/text.h"
#include <string.h>

struct str job_attempts(struct str job, struct arena *arena)
{
	struct str started = pluck_text(job, "attempts_started", arena), most = pluck_text(job, "max_attempts", arena);
	if (str_eq(most, STR("0")))
		return started;
	return str_of(arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(started), STR_ARG(most)));
}

int job_get(struct remote *remote, struct str uid, const char *tail, struct str *out)
{
	remote_begin(remote);
	remote_path(remote, "/v1/jobs/");
	remote_piece(remote, uid);
	remote_path(remote, tail);
	return remote_call(remote, "GET", out);
}

static void job_print_line(struct remote *remote, const char *label, struct str job, const char *path)
{
	struct str raw, value = pluck_raw(job, path, &remote->arena, &raw) ? text_plain(raw, &remote->arena) : STR("");
	bool is_size = strstr(path, "_bytes") != NULL;
	if (!value.len || str_eq(value, STR("{}")) || (is_size && str_eq(value, STR("0"))))
		return;
	printf("%-12s ", label);
	text_put(stdout, value);
	puts(is_size ? " bytes" : "");
}

static void job_print_sums(struct str job, struct arena *arena)
{
	uint64_t failed = 0, stalls = 0;
	pluck_u64(job, "attempts_made", arena, &failed);
	pluck_u64(job, "stalls", arena, &stalls);
	printf("%-12s " STR_FMT, "attempts", STR_ARG(job_attempts(job, arena)));
	if (failed)
		printf(", %llu failed", (unsigned long long)failed);
	if (stalls)
		printf(", %llu lost with their worker", (unsigned long long)stalls);
	puts("");
}

static void job_print_attempts(struct remote *remote, struct str body)
{
	static const char *const heads[] = { ">#", "STARTED", ">TOOK", "NEXT", "WORKER", "OUTCOME", NULL };
	struct arena *arena = &remote->arena;
	struct table table;
	uint32_t count;
	struct str *attempts = pluck_items(body, "attempts", arena, &count);
	table_init(&table, arena, heads);
	for (uint32_t i = 0; i < count; i++) {
		struct str message = pluck_text(attempts[i], "error.message", arena), status = pluck_text(attempts[i], "exchange.status", arena);
		table_add(&table, pluck_text(attempts[i], "number", arena));
		table_add(&table, pluck_text(attempts[i], "started_at", arena));
		uint64_t took_ms;
		table_add(&table, pluck_u64(attempts[i], "took_ms", arena, &took_ms)
					  ? str_of(arena_printf(arena, "%llu ms", (unsigned long long)took_ms))
					  : STR(""));
		table_add(&table, pluck_text(attempts[i], "next", arena));
		table_add(&table, pluck_text(attempts[i], "worker", arena));
		table_add(&table, message.len ? message : status.len ? str_of(arena_printf(arena, "HTTP " STR_FMT, STR_ARG(status))) : STR("ok"));
	}
	if (count) {
		puts("\nattempts");
		table_print(&table, stdout, remote_is_fancy(stdout));
	}
}

int job_show(struct remote *remote, const struct args *args, struct str uid)
{
	static const char *const lines[][2] = {
		{ "job", "uid" }, { "queue", "queue" }, { "id", "id" }, { "name", "name" }, { "group", "group" }, { "state", "state" },
		{ "outcome", "outcome" }, { "error", "error.message" }, { "message", "delivery.message" }, { "endpoint", "delivery.endpoint" },
		{ "priority", "priority" }, { "tags", "tags" },
		{ "created", "created_at" }, { "due", "due_at" }, { "started", "started_at" }, { "finished", "finished_at" },
		{ "worker", "worker" }, { "progress", "progress" }, { "payload", "payload_bytes" }, { "result", "result_bytes" },
	};
	struct str job, attempts;
	int code = job_get(remote, uid, "", &job);
	if (code)
		return code;
	if (remote_printed(args, job))
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
		job_print_line(remote, lines[i][0], job, lines[i][1]);
	job_print_sums(job, &remote->arena);
	code = job_get(remote, uid, "/attempts", &attempts);
	if (!code)
		job_print_attempts(remote, attempts);
	return code;
}
