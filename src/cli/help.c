/* Everything that tells people about commands, made from the tables: help, the list, "did you mean". */
#include "base/buf.h"
#include "base/suggest.h"
#include "cli/cli.h"
#include "cli/table.h"
#include <ctype.h>
#include <sysexits.h>

#define HELP_COLUMN 28 /* where the explanations of options begin, at least */

const struct cli_command *const *cli_tables;

const struct cli_exit cli_exits[] = {
	{ EX_USAGE, "the command line cannot be understood" },
	{ EX_DATAERR, "what was sent cannot be used: a field, a state, a payload" },
	{ EX_NOINPUT, "what was named is not there: a job, a queue, a file" },
	{ EX_UNAVAILABLE, "the daemon cannot be reached" },
	{ EX_SOFTWARE, "a defect in ruche" },
	{ EX_OSERR, "the system refused: an address in use, no memory" },
	{ EX_IOERR, "reading or writing failed" },
	{ EX_TEMPFAIL, "not now; trying again later may work" },
	{ EX_PROTOCOL, "what answered is not a ruche" },
	{ EX_NOPERM, "no token, or one without the scope that this needs" },
	{ EX_CONFIG, "a configuration key or the store's version" },
	{ 0, NULL },
};

/* ---- finding ---- */

typedef bool help_visit(const struct cli_command *command, void *context); /* false ends the walk */

static void help_walk(help_visit *visit, void *context)
{
	for (const struct cli_command *const *table = cli_tables; *table; table++) {
		for (const struct cli_command *command = *table; command->name; command++) {
			if (!visit(command, context))
				return;
		}
	}
}

struct help_find {
	int argc;
	char **argv;
	const struct cli_command *best;
	int words;
};

/* How many of the words the name takes; 0 when it does not stand at their beginning. */
static int help_match(struct str name, int argc, char **argv)
{
	int words = 0;
	while (name.len) {
		size_t blank = str_index(name, ' ');
		if (words == argc || !str_eq(str_of(argv[words]), (struct str){ name.ptr, blank }))
			return 0;
		words++;
		name = str_from(name, blank + 1);
	}
	return words;
}

static bool help_find_visit(const struct cli_command *command, void *context)
{
	struct help_find *find = context;
	int words = help_match(str_of(command->name), find->argc, find->argv);
	if (words > find->words) {
		find->words = words;
		find->best = command;
	}
	return true;
}

const struct cli_command *cli_find(int argc, char **argv, int *out_words)
{
	struct help_find find = { .argc = argc, .argv = argv };
	help_walk(help_find_visit, &find);
	*out_words = find.words;
	return find.best;
}

static bool help_suggest_visit(const struct cli_command *command, void *context)
{
	suggest_offer(context, command->name);
	return true;
}

struct help_family {
	struct str word;
	struct buf members;
};

static bool help_family_visit(const struct cli_command *command, void *context)
{
	struct help_family *family = context;
	struct str name = str_of(command->name);
	if (!command->hidden && str_starts(name, family->word) && name.len > family->word.len && name.ptr[family->word.len] == ' ')
		buf_addf(&family->members, "%s%s", family->members.len ? ", " : "", command->name);
	return true;
}

int cli_unknown(const char *words)
{
	struct suggest suggest;
	struct str text = str_of(words);
	struct help_family family = { .word = { words, str_index(text, ' ') }, .members = { .max_bytes = 1024 } };
	suggest_init(&suggest, text);
	help_walk(help_suggest_visit, &suggest);
	help_walk(help_family_visit, &family);
	const char *near = suggest_best(&suggest);
	if (near)
		fprintf(stderr, "ruche: no command '%s'; did you mean '%s'? 'ruche help' shows all\n", words, near);
	else if (family.members.len)
		fprintf(stderr, "ruche: %s'%s'%s; there are " STR_FMT "\n", family.word.len == text.len ? "" : "no command ", words,
			family.word.len == text.len ? " says too little" : "", STR_ARG(buf_str(&family.members)));
	else
		fprintf(stderr, "ruche: no command '%s'; 'ruche help' shows all\n", words);
	buf_fini(&family.members);
	return EX_USAGE;
}

int cli_unknown_words(int argc, char **argv)
{
	char both[256];
	struct help_family family = { .word = str_of(argv[0]), .members = { .max_bytes = 1024 } };
	help_walk(help_family_visit, &family);
	snprintf(both, sizeof(both), argc > 1 && argv[1][0] != '-' && family.members.len ? "%s %s" : "%s", argv[0], argc > 1 ? argv[1] : "");
	buf_fini(&family.members);
	return cli_unknown(both);
}

/* ---- printing ---- */

static size_t help_option_left(const struct cli_option *option, char *out, size_t bytes) /* "  -c, --config FILE"; its width */
{
	char letter[8] = "    ";
	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	snprintf(out, bytes, "  %s--%s%s%s", letter, option->name, option->value ? " " : "", option->value ? option->value : "");
	return table_width(str_of(out));
}

static void help_print_options(const struct cli_option *options, FILE *out)
{
	char left[128];
	size_t column = HELP_COLUMN;
	for (const struct cli_option *option = options; option && option->name; option++) {
		size_t width = help_option_left(option, left, sizeof(left)) + 2;
		column = width > column ? width : column;
	}
	if (options && options->name)
		fputs("\noptions:\n", out);
	for (const struct cli_option *option = options; option && option->name; option++) {
		size_t width = help_option_left(option, left, sizeof(left));
		fprintf(out, "%s%*s%c%s\n", left, (int)(column - width), "", toupper((unsigned char)option->help[0]), option->help + 1);
	}
}

void cli_help_print(const struct cli_command *command, FILE *out)
{
	fprintf(out, "%s\n\nusage: ruche %s%s%s\n", command->summary, command->name, command->usage[0] ? " " : "", command->usage);
	if (command->about)
		fprintf(out, "\n%s\n", command->about);
	help_print_options(command->options, out);
	fputs("\nexamples:\n", out);
	for (const char *const *example = command->examples; *example; example++)
		fprintf(out, "  %s\n", *example);
	fputs("\nexit codes:\n  0   when all is well\n", out);
	for (const struct cli_exit *exit = command->exits; exit && exit->when; exit++)
		fprintf(out, "  %-3d %s\n", exit->code, exit->when);
	fputs("  64 and up: 'ruche help exits'\n", out);
}

static bool help_list_visit(const struct cli_command *command, void *context)
{
	FILE *out = context;
	if (!command->hidden)
		fprintf(out, "  %-18s %s\n", command->name, command->summary);
	return true;
}

void cli_help_list(FILE *out)
{
	fputs("ruche: durable background jobs in one daemon\n\nusage: ruche COMMAND [OPTION…] [WORD…]\n\ncommands:\n", out);
	help_walk(help_list_visit, out);
	fputs("\n'ruche COMMAND --help' tells more about one, with examples. Where the daemon is: --url or RUCHE_URL; who we are:\n"
	      "RUCHE_TOKEN or RUCHE_TOKEN_FILE. First steps: 'ruche dev'.\n", out);
}
