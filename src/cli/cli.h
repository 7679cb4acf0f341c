/* src/cli/cli.h: what a subcommand is. Everything that tells people about commands is made from these tables: `ruche help`,
 * `ruche COMMAND --help`, the man pages, shell completion, and the test that runs every example. A command is one row; its
 * function is one file.
 *
 * main.c finds the row of argv[1] (or of argv[1] and argv[2], for names of two words like "jobs list"), answers --help by itself, and
 * calls run with argv[0] set to the command's whole name and the rest behind it. run answers the process's exit code. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct cli_option {
	const char *name;  /* without dashes: "queue"; NULL ends the table */
	char letter;       /* 'q' for -q, or 0 */
	const char *value; /* "NAME": takes one, as `--queue NAME` or `--queue=NAME`; NULL: a switch */
	const char *help;  /* one line, no full stop */
	const char *words; /* what the value can be, for completion: "json text", "@queues", "@endpoints", "@files"; NULL: anything */
	bool repeats;      /* may be given several times */
};
struct cli_exit {
	int code; /* sysexits where one fits; 0 is never listed */
	const char *when;
};
struct cli_command {
	const char *name;                 /* "enqueue", "jobs list"; NULL ends the table */
	const char *summary;              /* one line, no full stop: "Put a job into a queue" */
	const char *usage;                /* behind the name: "[OPTION…] QUEUE [PAYLOAD]" */
	const char *about;                /* paragraphs with a blank line between, or NULL */
	const struct cli_option *options; /* NULL: none besides --help */
	const char *const *examples;      /* whole lines for a shell, ended by NULL; at least one */
	const struct cli_exit *exits;     /* ended by when NULL; NULL: only the general ones of cli_exits */
	bool hidden;                      /* not in the list of `ruche help` */
	int (*run)(int argc, char **argv);
};

/* What the variables that `ruche work` gives to its commands begin with. */
#define WORK_VARIABLES "RUCHE_JOB_"

/* The client's commands, ended by a NULL name. (commands.c) */
extern const struct cli_command cli_commands[];
/* Every command of this binary, as tables in the order of the help, ended by NULL. main.c sets it before anything else runs. */
extern const struct cli_command *const *cli_tables;
/* Exit codes that any command can end with, made from err.def. Ended by when NULL. */
extern const struct cli_exit cli_exits[];

/* The row whose name the words begin with; *out_words says how many of them (0: none fits, and NULL). (help.c) */
const struct cli_command *cli_find(int argc, char **argv, int *out_words);
void cli_help_print(const struct cli_command *command, FILE *out); /* at most a screen: summary, usage, options, examples, exit codes */
void cli_help_list(FILE *out);                                     /* `ruche help`: each command and its summary */
/* "ruche: no command 'enqeue'; did you mean 'enqueue'?" and how to see all, on stderr. Answers the exit code. */
int cli_unknown(const char *words);
/* The same for a command line of which no command is the beginning: "jobs shwo x". */
int cli_unknown_words(int argc, char **argv);
