/* ruche dedup …: who owns a dedup key, and freeing it. */
#include "base/clock.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/text.h"

const struct cli_option dedup_plain_options[] = { JSON_OPTION, REMOTE_OPTIONS, { 0 } };

static int dedup_call(struct remote *remote, const struct args *args, const char *method, struct str *out)
{
	if (args->word_count != 2)
		return args_complain(args->command, "it takes a queue and a dedup key");
	remote_begin(remote);
	remote_path(remote, "/v1/queues/");
	remote_piece(remote, str_of(args->words[0]));
	remote_path(remote, "/dedup/");
	remote_piece(remote, str_of(args->words[1]));
	remote_query(remote, "namespace", remote->space);
	return remote_call(remote, method, out);
}

static bool dedup_is_free(const struct args *args, struct str body, struct arena *arena)
{
	uint64_t count = 0;
	bool free = !pluck_u64(body, "count", arena, &count) || !count;
	if (free)
		printf("%s is free: nobody owns it\n", args->words[1]);
	return free;
}

static int dedup_show(struct remote *remote, const struct args *args)
{
	struct arena *arena = &remote->arena;
	struct str body;
	int code = dedup_call(remote, args, "GET", &body);
	if (code || remote_printed(args, body) || dedup_is_free(args, body, arena))
		return code;
	struct str until = pluck_text(body, "until_at", arena), next = pluck_text(body, "next_uid", arena);
	printf("%s is owned by " STR_FMT ", id " STR_FMT ", ", args->words[1], STR_ARG(pluck_text(body, "uid", arena)), STR_ARG(pluck_text(body, "id", arena)));
	if (until.len)
		printf("and free " STR_FMT, STR_ARG(text_ago(until, clock_wall_us(), arena)));
	else
		fputs("until it has ended", stdout);
	if (next.len)
		printf("; " STR_FMT " is next", STR_ARG(next));
	puts("");
	return 0;
}

static int dedup_release(struct remote *remote, const struct args *args)
{
	struct str body;
	int code = dedup_call(remote, args, "DELETE", &body);
	if (code || remote_printed(args, body) || dedup_is_free(args, body, &remote->arena))
		return code;
	printf("%s is free: it was owned by " STR_FMT "\n", args->words[1], STR_ARG(pluck_text(body, "uid", &remote->arena)));
	return 0;
}

#define X(name)                                                  \
	int cmd_dedup_##name(int argc, char **argv)              \
	{                                                        \
		return remote_run(argc, argv, dedup_##name);     \
	}
X(show) X(release)
#undef X
