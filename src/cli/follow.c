#include "cli/follow.h"
#include "base/pluck.h"
#include <unistd.h>

#define FOLLOW_POLL_US 100000

int operation_expect(struct remote *remote, uint64_t *out, const char **out_about)
{
	struct str body;
	int code = remote_call(remote, "GET", &body);
	if (code)
		return code;
	*out = 0;
	pluck_u64(body, "count", &remote->arena, out);
	*out_about = pluck_true(body, "at_least", &remote->arena) ? "at least " : "";
	return 0;
}

int operation_follow(struct remote *remote, const struct args *args, struct str operation, const char *done, const char *noun, uint64_t expected)
{
	struct arena *arena = &remote->arena;
	struct str uid = pluck_text(operation, "uid", arena), state = pluck_text(operation, "state", arena);
	const char *nouns = str_eq(str_of(noun), STR("delivery")) ? "deliveries" : str_eq(str_of(noun), STR("message")) ? "messages" : "jobs";
	uint64_t count = 0, skipped = 0, failed = 0;
	bar_init(&remote->bar, nouns, !args_has(args, "json"));
	bar_show(&remote->bar, 0, expected);
	while (str_eq(state, STR("running"))) {
		usleep(FOLLOW_POLL_US);
		remote_begin(remote);
		remote_path(remote, "/v1/operations/");
		remote_piece(remote, uid);
		int code = remote_call(remote, "GET", &operation);
		if (code)
			return code; /* the operation goes on */
		state = pluck_text(operation, "state", arena);
		pluck_u64(operation, "done", arena, &count);
		bar_show(&remote->bar, count, expected);
	}
	bar_wipe(&remote->bar);
	pluck_u64(operation, "done", arena, &count);
	pluck_u64(operation, "skipped", arena, &skipped);
	pluck_u64(operation, "failed", arena, &failed);
	if (!remote_printed(args, operation))
		printf("%s %llu %s; %llu had changed meanwhile, %llu could not be changed\n", done, (unsigned long long)count,
		       count == 1 ? noun : nouns, (unsigned long long)skipped, (unsigned long long)failed);
	return failed ? 1 : 0;
}
