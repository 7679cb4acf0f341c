/* src/daemon/serve.h: a daemon's life, from the configuration to the exit code. `serve` and `dev` are two ways of asking for it. */
#pragma once
#include "daemon/config.h"
#include "daemon/wire.h"

struct serve_options {
	struct config *config;   /* loaded; a reload changes what may be changed */
	const struct args *args; /* for reloads */
	bool open;               /* no tokens */
	/* `dev`: what else lives on the loop. begin is called once it listens, before it is ready; end after everything else has ended: it
	 * begins to close its handles. May be NULL. */
	enum err (*begin)(void *context, uv_loop_t *loop, const struct wire *wire, struct problem *problem);
	void (*end)(void *context);
	void *context;
};
/* Answers the exit code, everything said. */
int serve_run(const struct serve_options *options);

/* The commands of this room; the table is in main.c. */
int cmd_serve(int argc, char **argv);
int cmd_dev(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_config_check(int argc, char **argv);
int cmd_config_print(int argc, char **argv);
extern const struct cli_command *const daemon_commands; /* ended by a NULL name */
extern const struct cli_option dev_options[], doctor_options[], backup_options[], config_check_options[], config_print_options[];

/* "ruche serve: FIELD: DETAIL" on stderr; answers the exit code. */
int command_fails(const char *command, enum err err, const struct problem *problem);
/* Reads the flags by the command's own row; no words. 0, or the exit code after saying what is wrong. */
int command_args(int argc, char **argv, struct args *args);
/* The same, and the configuration. */
int command_config(int argc, char **argv, struct args *args, struct config *out);
