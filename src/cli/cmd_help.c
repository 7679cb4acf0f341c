/* ruche help, and the man pages: the same tables once more. */
#include "base/arena.h"
#include "cli/args.h"
#include "cli/commands.h"
#include <ctype.h>
#include <errno.h>
#include <sysexits.h>

#define MAN_DATE  "November 23, 2026"
#define MAN_WIDTH 76 /* bytes of a line of the source */

const struct cli_option help_options[] = {
	{ "man", 0, "DIRECTORY", "write the man pages there", "@files", false },
	{ 0 },
};

/* ---- mdoc ---- */

/* One word, plain: a backslash is escaped, and a dot or quote at a line's beginning is no macro. */
static void man_word(FILE *out, struct str word, bool begins_line)
{
	if (begins_line && word.len && (word.ptr[0] == '.' || word.ptr[0] == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < word.len; i++) {
		bool leads = i < 2 && word.len > 2 && word.ptr[0] == '-';
		if (word.ptr[i] == '\\')
			fputs("\\e", out);
		else if (word.ptr[i] == '-' && (leads || str_eq(word, STR("--"))))
			fputs("\\-", out);
		else
			fputc(word.ptr[i], out);
	}
}

/* Running text: a sentence begins a line, as mdoc wants it, lines stay short, a blank line begins a paragraph. */
static void man_text(FILE *out, const char *text)
{
	size_t column = 0;
	while (*text) {
		size_t blanks = strspn(text, " \n"), len;
		bool paragraph = strncmp(text, "\n\n", 2) == 0;
		text += blanks;
		len = strcspn(text, " \n");
		bool sentence = column && blanks && strchr(".?!", text[-(ptrdiff_t)blanks - 1]) != NULL;
		bool breaks = column && (paragraph || sentence || column + 1 + len > MAN_WIDTH);
		if (breaks)
			fputs(paragraph ? "\n.Pp\n" : "\n", out);
		else if (column)
			fputc(' ', out);
		column = breaks ? 0 : column ? column + 1 : 0;
		man_word(out, (struct str){ text, len }, column == 0);
		column += len;
		text += len;
	}
	fputc('\n', out);
}

/* The name with dashes: "jobs list" is the page ruche-jobs-list. */
static void man_name(const char *name, char *out, size_t bytes)
{
	snprintf(out, bytes, "ruche-%s", name);
	for (char *at = out; *at; at++)
		*at = *at == ' ' ? '-' : *at;
}

static void man_head(FILE *out, const char *page, const char *summary)
{
	fputs(".Dd " MAN_DATE "\n.Dt ", out);
	for (const char *at = page; *at; at++)
		fputc(toupper((unsigned char)*at), out);
	fprintf(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd %c%s\n", page, tolower((unsigned char)summary[0]), summary + 1);
}

static void man_exits(FILE *out, const struct cli_exit *exits)
{
	for (; exits && exits->when; exits++) {
		fprintf(out, ".It %d\n", exits->code);
		man_text(out, exits->when);
	}
}

static void man_options(FILE *out, const struct cli_option *option)
{
	if (!option || !option->name)
		return;
	fputs("The options are:\n.Bl -tag -width Ds\n", out);
	for (; option->name; option++) {
		fputs(".It ", out);
		if (option->letter)
			fprintf(out, "Fl %c , ", option->letter);
		fprintf(out, "Fl \\&-%s", option->name);
		if (option->value)
			fprintf(out, " Ar %s", option->value);
		fputc('\n', out);
		man_text(out, option->help);
	}
	fputs(".El\n", out);
}

static void man_command(FILE *out, const struct cli_command *command)
{
	char page[64];
	man_name(command->name, page, sizeof(page));
	man_head(out, page, command->summary);
	fprintf(out, ".Sh SYNOPSIS\n.Nm ruche %s\n", command->name);
	if (command->usage[0])
		man_text(out, command->usage);
	fputs(".Sh DESCRIPTION\n", out);
	man_text(out, command->about ? command->about : command->summary);
	if (command->options && command->options->name)
		fputs(".Pp\n", out);
	man_options(out, command->options);
	fputs(".Sh EXIT STATUS\n0 when all is well; codes of 64 and up are those of\n.Xr ruche 1 .\n", out);
	if (command->exits) {
		fputs("Besides:\n.Bl -tag -width Ds\n", out);
		man_exits(out, command->exits);
		fputs(".El\n", out);
	}
	fputs(".Sh EXAMPLES\n.Bd -literal\n", out);
	for (const char *const *example = command->examples; *example; example++)
		man_word(out, str_of(*example), true), fputc('\n', out);
	fputs(".Ed\n.Sh SEE ALSO\n.Xr ruche 1\n", out);
}

static void man_overview(FILE *out)
{
	man_head(out, "ruche", "Durable background jobs in one daemon");
	fputs(".Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n.Op Ar OPTION ...\n.Op Ar WORD ...\n.Sh DESCRIPTION\n", out);
	fputs("One binary: the daemon that keeps and runs jobs,\nand the commands that talk to it.\nThe commands are:\n.Bl -tag -width Ds\n", out);
	for (const struct cli_command *const *table = cli_tables; *table; table++) {
		for (const struct cli_command *command = *table; command->name; command++) {
			char page[64];
			if (command->hidden)
				continue;
			man_name(command->name, page, sizeof(page));
			fprintf(out, ".It Xr %s 1\n", page);
			man_text(out, command->summary);
		}
	}
	fputs(".El\n.Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
	      ".It Ev RUCHE_URL\nWhere the daemon listens: http://127.0.0.1:8420, or unix:/path.\n"
	      ".It Ev RUCHE_TOKEN\nWho we are.\n.It Ev RUCHE_TOKEN_FILE\nA file that holds the token.\n"
	      ".It Ev RUCHE_NAMESPACE\nThe namespace of the queues named.\n.It Ev NO_COLOR\nNo colours and no progress bars.\n.El\n"
	      ".Sh EXIT STATUS\n0 when all is well, and:\n.Bl -tag -width Ds\n", out);
	man_exits(out, cli_exits);
	fputs(".El\n.Sh EXAMPLES\n.Bd -literal\nruche dev\n.Ed\n", out);
}

static int man_write(const char *directory, const struct cli_command *command)
{
	char page[64] = "ruche", path[4096];
	if (command)
		man_name(command->name, page, sizeof(page));
	snprintf(path, sizeof(path), "%s/%s.1", directory, page);
	FILE *out = fopen(path, "we");
	if (out && command)
		man_command(out, command);
	else if (out)
		man_overview(out);
	if (!out || fclose(out) != 0) {
		fprintf(stderr, "ruche help: cannot write %s: %s\n", path, strerror(errno));
		return EX_CANTCREAT;
	}
	return 0;
}

static int man_write_all(const char *directory)
{
	int code = man_write(directory, NULL);
	for (const struct cli_command *const *table = cli_tables; *table; table++) {
		for (const struct cli_command *command = *table; command->name && !code; command++)
			code = command->hidden ? 0 : man_write(directory, command);
	}
	return code;
}

/* ---- help ---- */

static int help_exits(void)
{
	puts("0 when all is well. Besides what a command says of its own:\n");
	for (const struct cli_exit *exit = cli_exits; exit->when; exit++)
		printf("  %-4d %s\n", exit->code, exit->when);
	return 0;
}

/* All commands that begin with that word: "jobs". */
static int help_family(const char *word)
{
	int found = 0;
	for (const struct cli_command *const *table = cli_tables; *table; table++) {
		for (const struct cli_command *command = *table; command->name; command++) {
			size_t len = strlen(word);
			if (strncmp(command->name, word, len) == 0 && command->name[len] == ' ')
				found += printf("  %-18s %s\n", command->name, command->summary) > 0;
		}
	}
	return found ? 0 : cli_unknown(word);
}

int cmd_help(int argc, char **argv)
{
	struct args args;
	int words, code = args_read(&args, commands_find("help"), argc, argv);
	if (code)
		return code;
	if (args_get(&args, "man"))
		return man_write_all(args_get(&args, "man"));
	if (!args.word_count) {
		cli_help_list(stdout);
		return 0;
	}
	if (strcmp(args.words[0], "exits") == 0)
		return help_exits();
	const struct cli_command *command = cli_find(args.word_count, args.words, &words);
	if ((!command || command->hidden) && args.word_count == 1)
		return help_family(args.words[0]);
	if (!command || words < args.word_count)
		return cli_unknown_words(args.word_count, args.words);
	cli_help_print(command, stdout);
	return 0;
}
