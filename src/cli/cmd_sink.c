/* ruche sink: a receiver that answers by script and tells what came. */
#include "base/clock.h"
#include "base/time_text.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/sink.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

const struct cli_option sink_options[] = {
	{ "script", 's', "STEPS", "answers in turn, the last one repeats: 503,hang,200 (200)", NULL, false },
	{ "listen", 'l', "ADDRESS", "HOST:PORT or unix:/PATH (127.0.0.1:8421); port 0 takes a free one", NULL, false },
	{ "count", 0, "N", "end after so many answers", NULL, false },
	{ "out", 'o', "DIRECTORY", "write each body there, byte for byte: 0001.body, 0002.body …", "@files", false },
	{ "body", 'b', NULL, "print the bodies too", NULL, false },
	{ "headers", 0, NULL, "print the headers that tell the job and the attempt", NULL, false },
	{ 0 },
};

struct sink_command {
	uv_loop_t loop;
	uv_signal_t signals[2];
	struct sink *sink;
	const char *out;
	uint64_t count, answered;
	bool body, headers, stopping;
	int code;
};

static void sink_command_stop(struct sink_command *command)
{
	if (command->stopping)
		return;
	command->stopping = true;
	for (size_t i = 0; i < ARRAY_COUNT(command->signals); i++)
		uv_close((uv_handle_t *)&command->signals[i], NULL);
	sink_stop(command->sink, NULL, NULL);
}

static void sink_command_signal(uv_signal_t *handle, int number)
{
	(void)number;
	sink_command_stop(handle->data);
}

static void sink_command_write(struct sink_command *command, uint64_t number, struct str body)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%04llu.body", command->out, (unsigned long long)number);
	FILE *file = fopen(path, "we");
	bool well = file && fwrite(body.ptr, 1, body.len, file) == body.len;
	if (file && fclose(file) != 0)
		well = false;
	if (!well) {
		fprintf(stderr, "ruche sink: cannot write %s: %s\n", path, strerror(errno));
		command->code = EX_CANTCREAT;
		sink_command_stop(command);
	}
}

static void sink_command_headers(struct http_exchange *exchange)
{
	static const char *const names[] = { "Content-Type", "User-Agent", "Ruche-Job", "Ruche-Attempt", "Idempotency-Key", "Traceparent" };
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct str value = http_header(exchange, str_of(names[i]));
		if (value.len)
			printf("    %s: " STR_FMT "\n", names[i], STR_ARG(value));
	}
}

static void sink_command_hit(void *context, const struct sink_hit *hit)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER" };
	struct sink_command *command = context;
	struct str body = http_body(hit->exchange);
	char at[TIME_TEXT_BYTES], step[64];
	time_text(clock_wall_us(), at);
	sink_step_text(hit->step, step);
	printf("%s  #%llu %s " STR_FMT "  %zu bytes  → %s\n", at, (unsigned long long)hit->number, methods[http_method(hit->exchange)],
	       STR_ARG(http_path(hit->exchange)), body.len, step);
	if (command->headers)
		sink_command_headers(hit->exchange);
	if (command->body && body.len)
		printf("    " STR_FMT "\n", STR_ARG(body));
	fflush(stdout);
	if (command->out)
		sink_command_write(command, hit->number, body);
}

static void sink_command_answered(void *context, uint64_t number)
{
	struct sink_command *command = context;
	(void)number;
	if (++command->answered == command->count)
		sink_command_stop(command);
}

static int sink_command_start(struct sink_command *command, const struct args *args)
{
	struct problem problem = { 0 };
	struct sink_config config;
	const char *listen = args_get(args, "listen") ? args_get(args, "listen") : "127.0.0.1:8421";
	sink_config_default(&config);
	config.script = str_of(args_get(args, "script"));
	config.on_hit = sink_command_hit;
	config.on_answered = sink_command_answered;
	config.context = command;
	enum err err = sink_start(&command->loop, str_of(listen), &config, &command->sink, &problem);
	if (err) {
		fprintf(stderr, "ruche sink: %s%s%s [%s]\n", problem.field, problem.field[0] ? ": " : "",
			problem.detail[0] ? problem.detail : err_sentence(err), err_code(err));
		return err == E_INVALID ? EX_USAGE : err_exit_code(err);
	}
	for (size_t i = 0; i < ARRAY_COUNT(command->signals); i++) {
		uv_signal_init(&command->loop, &command->signals[i]);
		command->signals[i].data = command;
		uv_signal_start(&command->signals[i], sink_command_signal, i ? SIGINT : SIGTERM);
	}
	if (sink_port(command->sink))
		printf("listening on http://" STR_FMT ":%u\n", STR_ARG(((struct str){ listen, (size_t)(strrchr(listen, ':') - listen) })),
		       sink_port(command->sink));
	else
		printf("listening on %s\n", listen);
	fflush(stdout);
	return 0;
}

int cmd_sink(int argc, char **argv)
{
	struct args args;
	struct sink_command command = { 0 };
	int code = args_read(&args, commands_find(argv[0]), argc, argv);
	if (!code && args.word_count)
		code = args_complain(args.command, "'%s' is one word too many", args.words[0]);
	if (!code)
		code = args_u64(&args, "count", 1, UINT32_MAX, &command.count);
	if (code)
		return code;
	command.out = args_get(&args, "out");
	command.body = args_has(&args, "body");
	command.headers = args_has(&args, "headers");
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&command.loop);
	code = sink_command_start(&command, &args);
	uv_run(&command.loop, UV_RUN_DEFAULT);
	uv_loop_close(&command.loop);
	return code ? code : command.code;
}
