/* src/cli/args.h: a command's words, taken apart by its table of options. `--name value`, `--name=value`, `-n value`, `-nvalue`;
 * a lone `--` ends the options: what stands behind it is `rest`. What does not fit is said on stderr with the nearest name. */
#pragma once
#include "base/arena.h"
#include "base/str.h"
#include "cli/cli.h"

#define INSTANT_OR_AGE "INSTANT|AGE" /* an option's value: 2026-11-23T08:00:00Z, or 1h: so long ago */
#define ARGS_MAX       256           /* options given; words are not bounded */

struct args {
	const struct cli_command *command;
	struct { const struct cli_option *option; const char *value; } given[ARGS_MAX];
	int given_count;
	char **words; /* in argv, moved to its front */
	int word_count;
	char **rest;  /* behind `--` */
	int rest_count;
	bool has_rest;
	int64_t begun_us; /* what ages are counted back from: the same however often one is asked for */
};

/* argv[0] is the command's name. Answers 0, or the exit code (64) after saying what was wrong. */
int args_read(struct args *args, const struct cli_command *command, int argc, char **argv);
bool args_has(const struct args *args, const char *name);
const char *args_get(const struct args *args, const char *name); /* the last one given, or NULL */
const char *args_each(const struct args *args, const char *name, int *at); /* *at starts at 0; NULL at the end */
/* The same; of an option that takes INSTANT_OR_AGE, an age ("1h": an hour ago) as the instant that it means. */
const char *args_when(const struct args *args, const char *name, struct arena *arena);
/* All values of an option that repeats, "failed,active"; NULL when there is none. */
const char *args_joined(const struct args *args, const char *name, struct arena *arena);
/* Numbers and spans: 0 when well (or not given: *out stays), 64 after saying what was wrong. */
int args_u64(const struct args *args, const char *name, uint64_t min, uint64_t max, uint64_t *out);
int args_i64(const struct args *args, const char *name, int64_t min, int64_t max, int64_t *out);
int args_duration_ms(const struct args *args, const char *name, int64_t *out); /* "90s", "1h30m", plain milliseconds */
/* "ruche enqueue: …; see 'ruche enqueue --help'", exit code 64. */
int args_complain(const struct cli_command *command, const char *format, ...) PRINTF_LIKE(2, 3);
