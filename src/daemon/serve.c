#include "daemon/serve.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/args.h"
#include "daemon/keeper.h"
#include "daemon/notify.h"
#include "daemon/vitals.h"
#include "net/address.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

struct serve {
	const struct serve_options *options;
	struct config *config;
	uv_loop_t loop;
	uv_signal_t term, interrupt, hangup;
	struct store *store;
	struct keeper keeper;
	struct wire *wire;
	int64_t began_us, stop_by_us;
	bool loop_open, stopping;
	struct doors doors;
	int given; /* sockets, by the supervisor */
};

/* ---- the process ---- */

static void serve_log(const struct config *config)
{
	enum { AUTO, TEXT, JSON };
	bool text = config->log_format == TEXT || (config->log_format == AUTO && isatty(STDERR_FILENO));
	log_setup(STDERR_FILENO, (enum log_level)config->log_level, text ? LOG_TEXT : LOG_JSON);
}

static void serve_process(const struct config *config)
{
	struct rlimit files;
	const struct rlimit no_core = { 0, 0 };
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!config->core_dumps) { /* memory holds secrets: neither a dump nor another process of this user gets it */
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		setrlimit(RLIMIT_CORE, &no_core);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void serve_warn(const struct config *config)
{
	char text[256];
	const char *name, *near = NULL, *warning;
	for (uint32_t n = 0; (name = config_strange_variable(environ, n, &near)) != NULL; n++)
		log_event(LOG_WARN, "config.unknown_variable", "name", name, "did_you_mean", near ? near : "", NULL);
	for (uint32_t n = 0; (warning = config_warning(config, n, text)) != NULL; n++)
		log_event(LOG_WARN, "config.warning", "detail", warning, NULL);
}

/* ---- the store ---- */

/* A store that is not there yet is not made for a daemon that could not listen. Of one that is there, whoever has it open is worth
 * more to know than who has the port. */
static enum err serve_look_before(const struct config *config, struct problem *problem)
{
	if (access(config->store_path, F_OK) == 0 || getenv("LISTEN_FDS"))
		return E_OK;
	for (uint32_t n = 0; n < config->listen.count; n++) {
		struct address address;
		int error;
		if (address_parse(str_of(config->listen.items[n]), &address, NULL) == E_OK && address.kind == ADDRESS_IP && address.port &&
		    !address_binds(&address, &error))
			return problem_set(problem, error == EADDRINUSE ? E_ADDRESS_IN_USE : E_CONFIG, "listen", "Cannot listen on %s: %s.",
					   config->listen.items[n], strerror(error));
	}
	return E_OK;
}

static enum err serve_open_store(struct serve *serve, struct problem *problem)
{
	const struct config *config = serve->config;
	enum disk_kind kind = disk_kind(config->store_path);
	if ((kind == DISK_MEMORY || kind == DISK_OVERLAY) && !config->ephemeral)
		return problem_set(problem, E_CONFIG, "store.path", "%s lies on %s, where it is lost: name a place on a disk or a volume, or say --ephemeral.",
				   config->store_path, disk_kind_name(kind));
	if (kind == DISK_NETWORK)
		log_event(LOG_WARN, "store.network", "path", config->store_path, "detail", "Locks and syncs of network file systems cannot be trusted.",
			  NULL);
	enum err err = serve_look_before(config, problem);
	if (err)
		return err;
	const struct store_sqlite_options wanted = { .path = config->store_path, .reserve_bytes = (uint64_t)config->store_reserve_bytes,
						     .create = true };
	return store_sqlite_open(&wanted, &serve->store, problem);
}

static void serve_show_token(const char *token)
{
	printf("\n  The admin token, shown this once:\n\n    export RUCHE_TOKEN=%s\n\n", token);
	fflush(stdout);
	log_event(LOG_INFO, "token.created", "name", "admin", NULL);
}

static enum err serve_open_wire(struct serve *serve, struct problem *problem)
{
	int64_t began_us = clock_mono_us();
	struct engine_view view;
	serve->given = notify_listen_fds();
	for (int n = 0; n < serve->given; n++)
		doors_add_fd(&serve->doors, NOTIFY_FIRST_FD + n);
	if (!serve->given)
		doors_add_listed(&serve->doors, &serve->config->listen);
	const struct wire_config wanted = { .config = serve->config, .loop = &serve->loop, .store = serve->store, .open = serve->options->open,
					    .show_token = serve_show_token, .doors = &serve->doors,
					    .secrets = serve->keeper.secrets };
	enum err err = wire_open(&wanted, &serve->wire, problem);
	if (err)
		return err;
	wire_view(serve->wire, &view);
	log_event(LOG_INFO, "store.open", "path", serve->config->store_path, "jobs", log_i64((int64_t)view.stats.live_jobs), "queues",
		  log_i64((int64_t)view.stats.queues), "commit", log_i64((int64_t)view.stats.commit_seq), "took_ms",
		  log_i64((clock_mono_us() - began_us) / 1000), NULL);
	return E_OK;
}

/* With the port that was taken, where 0 was asked for. */
static void serve_tell_address(struct serve *serve, uint32_t n)
{
	const char *text = serve->config->listen.items[n];
	struct address address;
	char taken[ADDRESS_TEXT_BYTES + 8];
	if (!address_parse(str_of(text), &address, NULL) && address.kind != ADDRESS_UNIX && address.port == 0) {
		uint32_t ports = 0;
		while (wire_port(serve->wire, ports))
			ports++; /* ours is the newest */
		snprintf(taken, sizeof(taken), "%.*s%u", (int)(strrchr(text, ':') + 1 - text), text, ports ? wire_port(serve->wire, ports - 1) : 0u);
		text = taken;
		doors_add_listed(&serve->doors, &(struct config_list){ &text, 1 });
	}
	log_event(LOG_INFO, "listen", "address", text, NULL);
}

static enum err serve_listen(struct serve *serve, struct problem *problem)
{
	const struct config_list *listen = &serve->config->listen;
	int given = serve->given;
	enum err err = E_OK;
	for (int n = 0; n < given && !err; n++) {
		err = wire_listen_fd(serve->wire, NOTIFY_FIRST_FD + n, problem);
		if (!err)
			log_event(LOG_INFO, "listen", "address", "given by the supervisor", "descriptor", log_i64(NOTIFY_FIRST_FD + n), NULL);
	}
	for (uint32_t n = 0; given == 0 && n < listen->count && !err; n++) {
		err = wire_listen(serve->wire, str_of(listen->items[n]), problem);
		if (!err)
			serve_tell_address(serve, n);
	}
	if (!err && given == 0 && listen->count == 0)
		err = problem_set(problem, E_CONFIG, "listen", "There is no address to listen on.");
	return err;
}

/* ---- signals ---- */

static void serve_quiet(void *context)
{
	struct serve *serve = context;
	uv_stop(&serve->loop);
}

static void serve_stop(struct serve *serve, int number)
{
	const char *name = number == SIGTERM ? "SIGTERM" : "SIGINT";
	if (serve->stopping) {
		log_event(LOG_WARN, "daemon.killed", "signal", name, "detail", "A second signal: ended at once. Nothing acknowledged is lost.", NULL);
		log_flush();
		_exit(1);
	}
	int64_t grace_ms = serve->config->shutdown_grace_ms;
	serve->stopping = true;
	serve->stop_by_us = clock_mono_us() + grace_ms * 1000;
	log_event(LOG_INFO, "daemon.stopping", "signal", name, "grace_ms", log_i64(grace_ms), NULL);
	notify_stopping("Finishing what runs");
	wire_quiesce(serve->wire, grace_ms, serve_quiet, serve);
}

static void serve_signalled(uv_signal_t *handle, int number)
{
	serve_stop(handle->data, number);
}

/* The safe subset is taken over; what else changed is named. */
static void serve_reload(uv_signal_t *handle, int number)
{
	struct serve *serve = handle->data;
	struct config fresh;
	struct problem problem = { 0 };
	(void)number;
	notify_reloading();
	enum err err = config_load(&fresh, serve->options->args, environ, &problem);
	if (err) {
		log_event(LOG_ERROR, "reload.refused", "at", problem.field, "detail", problem.detail, NULL);
	} else {
		for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++) {
			if (!config_same(&fresh, serve->config, key) && !serve->options->open)
				log_event(config_rows[key].flags & CONFIG_RELOADS ? LOG_INFO : LOG_WARN,
					  config_rows[key].flags & CONFIG_RELOADS ? "reload.changed" : "reload.needs_restart", "key", config_rows[key].key,
					  NULL);
		}
		serve_log(&(struct config){ .log_level = fresh.log_level, .log_format = serve->config->log_format });
		serve->config->log_level = fresh.log_level;
		if (!serve->options->open)
			wire_guard(serve->wire, &fresh);
		config_fini(&fresh);
		keeper_reload(&serve->keeper);
		log_event(LOG_INFO, "reload.done", NULL);
	}
	notify_ready("Ready");
}

static void serve_watch_signals(struct serve *serve)
{
	CHECK(uv_signal_init(&serve->loop, &serve->term) == 0);
	CHECK(uv_signal_init(&serve->loop, &serve->interrupt) == 0);
	CHECK(uv_signal_init(&serve->loop, &serve->hangup) == 0);
	serve->term.data = serve->interrupt.data = serve->hangup.data = serve;
	CHECK(uv_signal_start(&serve->term, serve_signalled, SIGTERM) == 0);
	CHECK(uv_signal_start(&serve->interrupt, serve_signalled, SIGINT) == 0);
	CHECK(uv_signal_start(&serve->hangup, serve_reload, SIGHUP) == 0);
}

/* From here on a signal ends the process in the plain way. */
static void serve_forget_signals(struct serve *serve)
{
	uv_close((uv_handle_t *)&serve->term, NULL);
	uv_close((uv_handle_t *)&serve->interrupt, NULL);
	uv_close((uv_handle_t *)&serve->hangup, NULL);
	uv_run(&serve->loop, UV_RUN_NOWAIT);
}

/* ---- the life ---- */

static enum err serve_begin(struct serve *serve, struct problem *problem)
{
	char pid[32];
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	log_event(LOG_INFO, "daemon.start", "version", RUCHE_VERSION, "pid", pid, "config", serve->config->file ? serve->config->file : "none", NULL);
	serve_warn(serve->config);
	CHECK(uv_loop_init(&serve->loop) == 0);
	serve->loop_open = true;
	enum err err = keeper_open(&serve->keeper, serve->config, &serve->loop, problem); /* before a store is made for a daemon that cannot start */
	if (err)
		return err;
	notify_status("Opening the store");
	err = serve_open_store(serve, problem);
	if (err)
		return err;
	err = serve_open_wire(serve, problem);
	if (err)
		return err;
	serve_watch_signals(serve);
	err = serve_listen(serve, problem);
	if (!err)
		err = wire_first_token(serve->wire, problem);
	if (!err && serve->options->begin)
		err = serve->options->begin(serve->options->context, &serve->loop, serve->wire, problem);
	if (err) {
		wire_quiesce(serve->wire, 0, serve_quiet, serve);
		uv_run(&serve->loop, UV_RUN_DEFAULT);
	}
	return err;
}

static void serve_end(struct serve *serve)
{
	int64_t left_ms = (serve->stop_by_us - clock_mono_us()) / 1000;
	if (serve->wire) {
		serve_forget_signals(serve);
		wire_close(serve->wire, left_ms > 0 ? left_ms : 0);
	}
	keeper_close(&serve->keeper);
	if (serve->loop_open && serve->options->end)
		serve->options->end(serve->options->context);
	if (serve->loop_open)
		uv_run(&serve->loop, UV_RUN_DEFAULT); /* what is left are handles that close */
	if (serve->loop_open)
		CHECK(uv_loop_close(&serve->loop) == 0);
	doors_fini(&serve->doors);
}

int serve_run(const struct serve_options *options)
{
	struct serve serve = { .options = options, .config = options->config, .began_us = clock_mono_us() };
	struct problem problem = { 0 };
	serve_log(options->config);
	serve_process(options->config);
	doors_init(&serve.doors);
	enum err err = serve_begin(&serve, &problem);
	if (!err) {
		log_event(LOG_INFO, "daemon.ready", "took_ms", log_i64((clock_mono_us() - serve.began_us) / 1000), NULL);
		notify_ready("Ready");
		uv_run(&serve.loop, UV_RUN_DEFAULT);
	} else {
		log_event(LOG_ERROR, "daemon.failed", "code", err_code(err), "at", problem.field, "detail",
			  *problem.detail ? problem.detail : err_sentence(err), NULL);
	}
	serve_end(&serve);
	if (!err)
		log_event(LOG_INFO, "daemon.stopped", "ran_ms", log_i64((clock_mono_us() - serve.began_us) / 1000), NULL);
	log_flush();
	return err ? err_exit_code(err) : 0;
}

int command_fails(const char *command, enum err err, const struct problem *problem)
{
	bool said = problem && *problem->detail;
	fprintf(stderr, "ruche %s: %s%s%s\n", command, said ? problem->field : "", said && *problem->field ? ": " : "",
		said ? problem->detail : err_sentence(err));
	return err_exit_code(err);
}

int command_args(int argc, char **argv, struct args *args)
{
	const struct cli_command *command = daemon_commands;
	while (command->name && strcmp(command->name, argv[0]) != 0)
		command++;
	CHECK(command->name != NULL);
	int code = args_read(args, command, argc, argv);
	if (!code && (args->word_count || args->has_rest))
		code = args_complain(command, "'%s' is one word too many", args->word_count ? args->words[0] : "--");
	return code;
}

int command_config(int argc, char **argv, struct args *args, struct config *out)
{
	struct problem problem = { 0 };
	int code = command_args(argc, argv, args);
	if (code)
		return code;
	enum err err = config_load(out, args, environ, &problem);
	return err ? command_fails(argv[0], err, &problem) : 0;
}

int cmd_serve(int argc, char **argv)
{
	struct args args;
	struct config config;
	int code = command_config(argc, argv, &args, &config);
	if (code)
		return code;
	code = serve_run(&(struct serve_options){ .config = &config, .args = &args });
	config_fini(&config);
	return code;
}
