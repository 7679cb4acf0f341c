/* src/daemon/main.c: the `ruche` binary: finds the command and runs it. The daemon's commands are in the table below, the client's in
 * src/cli/commands.c. */
#include "daemon/serve.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct cli_exit serve_exits[] = {
	{ 1, "ended at once by a second signal; nothing acknowledged is lost" },
	{ 71, "an address to listen on is in use" },
	{ 74, "the store cannot be read or written, or is damaged" },
	{ 75, "another process has the store open" },
	{ 78, "the configuration cannot be used, or the store is of a newer version" },
	{ 0, NULL },
};
static const struct cli_exit doctor_exits[] = { { 1, "at least one check failed" }, { 0, NULL } };

/* Not const: the options of those that take every key of the configuration are made at the start. */
static struct cli_command daemon_rows[] = {
	{ "serve", "Run the daemon", "[OPTION…]",
	  "Each key of the configuration is a flag here, an environment variable (RUCHE_HTTP_BODY_BYTES) and a line of the file.\n"
	  "The first start on a fresh store prints an admin token, once. SIGTERM: finishes what runs, then ends; SIGHUP: takes over\n"
	  "log.level, and of deliver: allow, allow_self, https_only, ports, no_proxy.",
	  NULL, EXAMPLES("ruche serve --store /var/lib/ruche/ruche.db", "ruche serve --config /etc/ruche.conf --listen unix:/run/ruche.sock"),
	  serve_exits, false, cmd_serve },
	{ "dev", "Run a daemon to try things with, and print lines to paste", "[OPTION…]",
	  "Open to everybody on this machine, on loopback only. A receiver that echoes stands in for a third party.", dev_options,
	  EXAMPLES("ruche dev --fresh", "ruche dev --script '503*2,200'"), serve_exits, false, cmd_dev },
	{ "doctor", "Check what a daemon stands on, and say what to do", "[OPTION…]", NULL, doctor_options,
	  EXAMPLES("ruche doctor --store /var/lib/ruche/ruche.db", "ruche doctor --url http://127.0.0.1:8420 --json"), doctor_exits, false, cmd_doctor },
	{ "backup", "Copy a store into a file, also while a daemon works on it", "[OPTION…] --to FILE", NULL, backup_options,
	  EXAMPLES("ruche backup --store /var/lib/ruche/ruche.db --to /tmp/ruche-copy.db"), NULL, false, cmd_backup },
	{ "config check", "Say whether the configuration can be used", "[OPTION…]", NULL, config_check_options,
	  EXAMPLES("ruche config check --config /etc/ruche.conf"), NULL, false, cmd_config_check },
	{ "config print", "Print the configuration in force", "[OPTION…]", NULL, config_print_options,
	  EXAMPLES("ruche config print --origin", "ruche config print --defaults > ruche.conf"), NULL, false, cmd_config_print },
	{ 0 },
};
const struct cli_command *const daemon_commands = daemon_rows;

static void main_tables(void)
{
	static const struct cli_command *tables[] = { daemon_rows, cli_commands, NULL };
	for (struct cli_command *row = daemon_rows; row->name; row++) {
		bool every_key = row->run == cmd_serve || row->run == cmd_dev || row->run == cmd_config_check || row->run == cmd_config_print;
		if (every_key)
			row->options = config_options(row->options);
	}
	cli_tables = tables;
}

static bool main_is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool main_wants_help(int argc, char **argv) /* before a lone "--" */
{
	for (int at = 1; at < argc && strcmp(argv[at], "--") != 0; at++) {
		if (main_is_help(argv[at]))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	int words = 0;
	mallopt(M_ARENA_MAX, 2); /* an arena a thread would cost more than it gains */
	setenv("UV_THREADPOOL_SIZE", "2", 0);
	main_tables();
	if (argc < 2) {
		cli_help_list(stderr);
		return 64;
	}
	if (main_is_help(argv[1])) {
		cli_help_list(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		printf("ruche %s\n", RUCHE_VERSION);
		return 0;
	}
	const struct cli_command *command = cli_find(argc - 1, argv + 1, &words);
	if (!command)
		return cli_unknown_words(argc - 1, argv + 1);
	argc -= words;
	argv += words;
	if (main_wants_help(argc, argv)) {
		cli_help_print(command, stdout);
		return 0;
	}
	argv[0] = (char *)(uintptr_t)command->name;
	return command->run(argc, argv);
}
