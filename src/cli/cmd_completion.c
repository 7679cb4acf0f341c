/* ruche completion: scripts for bash, zsh and fish, written from the tables. Live names are asked of the daemon as one types. */
#include "cli/args.h"
#include "cli/commands.h"
#include <sysexits.h>

#define COMPLETION_SHELLS "bash zsh fish"

/* Live names, by a command that says nothing when the daemon does not answer. */
static const struct completion_names {
	const char *kind;  /* "queues": @queues of an option's words, and the shell's function _ruche_queues */
	const char *lists; /* how they are had */
	const char *bash;  /* the commands whose words they are, as a pattern of case */
	const char *fish;  /* and as a list */
} completion_names[] = {
	{ "queues", "ruche queues list --json 2>/dev/null | grep -o '\"name\":\"[^\"]*\"' | cut -d'\"' -f4", "enqueue | work | queues\\ *",
	  "enqueue work queues" },
	{ "endpoints", "ruche endpoints list --limit 500 --json 2>/dev/null | grep -o '\"name\":\"[^\"]*\",\"namespace\"' | cut -d'\"' -f4",
	  "endpoints\\ *", "endpoints" },
	{ "types", "ruche event-types list --limit 500 --json 2>/dev/null | grep -o '\"name\":\"[^\"]*\",\"namespace\"' | cut -d'\"' -f4",
	  "send | event-types\\ *", "send event-types" },
	{ "formats", "ruche formats list --limit 500 --json 2>/dev/null | grep -o '\"name\":\"[^\"]*\",\"namespace\"' | cut -d'\"' -f4",
	  "formats\\ *", "formats" },
	{ "secrets", "ruche secrets list --limit 500 --json 2>/dev/null | grep -o '\"name\":\"[^\"]*\",\"namespace\"' | cut -d'\"' -f4",
	  "secrets\\ *", "secrets" },
	{ "sources", "ruche sources list --limit 500 --json 2>/dev/null | grep -o '\"name\":\"[^\"]*\",\"namespace\"' | cut -d'\"' -f4",
	  "sources\\ *", "sources" },
};

static const struct completion_names *completion_live(const char *words) /* what "@queues" means; NULL: it is none of these */
{
	for (size_t i = 0; i < ARRAY_COUNT(completion_names); i++)
		if (words[0] == '@' && strcmp(words + 1, completion_names[i].kind) == 0)
			return &completion_names[i];
	return NULL;
}

static bool completion_has_options(const struct cli_command *command)
{
	return command->options && command->options->name;
}

#define EACH_COMMAND(command)                                                                   \
	for (const struct cli_command *const *table = cli_tables; *table; table++)              \
		for (const struct cli_command *command = *table; command->name; command++)      \
			if (!command->hidden)

/* The first word of a name of two words, where it comes for the first time: "jobs", "queues", "config". */
static size_t completion_family(const struct cli_command *command)
{
	size_t len = strcspn(command->name, " ");
	if (!command->name[len])
		return 0;
	EACH_COMMAND(other) {
		if (other == command)
			return len;
		if (strncmp(other->name, command->name, len + 1) == 0)
			return 0;
	}
	return 0;
}

static void completion_members(const char *name, size_t len) /* second words of all that begin so: "list show explain " */
{
	EACH_COMMAND(command) {
		if (strncmp(command->name, name, len) == 0)
			printf("%s ", command->name + len);
	}
}

static void completion_families(const char *between)
{
	const char *glue = "";
	EACH_COMMAND(command) {
		size_t len = completion_family(command);
		if (len) {
			printf("%s%.*s", glue, (int)len, command->name);
			glue = between;
		}
	}
}

/* ---- bash, and zsh by its bashcompinit ---- */

static void completion_bash_options(const struct cli_command *command)
{
	printf("\t\t\"%s\") words=\"", command->name);
	for (const struct cli_option *option = command->options; option && option->name; option++)
		printf("--%s ", option->name);
	puts("--help\" ;;");
}

/* What may stand behind an option that takes a value. */
static void completion_bash_values(const struct cli_command *command)
{
	for (const struct cli_option *option = command->options; option && option->name; option++) {
		if (!option->value || !option->words)
			continue;
		const struct completion_names *live = completion_live(option->words);
		printf("\t\t\"%s --%s\") ", command->name, option->name);
		if (live)
			printf("words=\"$(_ruche_%s)\" ;;\n", live->kind);
		else if (strcmp(option->words, "@files") == 0)
			puts("COMPREPLY=($(compgen -f -- \"$word\")); return ;;");
		else if (option->words[0] != '@')
			printf("words=\"%s\" ;;\n", option->words);
		else
			puts(";;");
	}
}

static void completion_bash(void)
{
	puts("# completion of ruche for bash and zsh; made by 'ruche completion'\n"
	     "[ -z \"${ZSH_VERSION:-}\" ] || { autoload -U +X compinit && compinit; autoload -U +X bashcompinit && bashcompinit; }");
	for (size_t i = 0; i < ARRAY_COUNT(completion_names); i++)
		printf("_ruche_%s() { %s; }\n", completion_names[i].kind, completion_names[i].lists);
	puts("_ruche() {\n"
	     "\tlocal word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" command=\"${COMP_WORDS[1]}\" words=\"\" COMMANDS\n"
	     "\tCOMPREPLY=()");
	fputs("\tcase \"$command\" in ", stdout);
	completion_families(" | ");
	puts(") command=\"$command ${COMP_WORDS[2]}\" ;; esac");
	fputs("\tlocal firsts=\"", stdout);
	const char *last = "";
	EACH_COMMAND(command) {
		size_t len = strcspn(command->name, " ");
		if (strncmp(last, command->name, len) != 0 || last[len] != ' ')
			printf("%.*s ", (int)len, command->name);
		last = command->name;
	}
	puts("\"\n\tif [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"$firsts\" -- \"$word\")); return; fi");
	puts("\tif [ \"$COMP_CWORD\" = 2 ]; then\n\t\tcase \"${COMP_WORDS[1]}\" in");
	EACH_COMMAND(first) {
		size_t len = completion_family(first);
		if (!len)
			continue;
		printf("\t\t%.*s) words=\"", (int)len, first->name);
		completion_members(first->name, len + 1);
		puts("\" ;;");
	}
	puts("\t\tcompletion) words=\"" COMPLETION_SHELLS "\" ;;\n\t\thelp) words=\"$firsts exits\" ;;");
	puts("\t\tesac\n\t\t[ -z \"$words\" ] || { COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); return; }\n\tfi");
	puts("\tcase \"$command $before\" in");
	EACH_COMMAND(command)
		completion_bash_values(command);
	puts("\tesac\n\tif [ -z \"$words\" ]; then\n\t\tcase \"$command\" in");
	EACH_COMMAND(command) {
		if (completion_has_options(command))
			completion_bash_options(command);
	}
	puts("\t\tesac\n\t\tcase \"$word\" in -*) ;; *)\n\t\t\tcase \"$command\" in");
	for (size_t i = 0; i < ARRAY_COUNT(completion_names); i++)
		printf("\t\t\t%s) words=\"$(_ruche_%s)\" ;;\n", completion_names[i].bash, completion_names[i].kind);
	puts("\t\t\tesac ;;\n"
	     "\t\tesac\n\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -F _ruche ruche");
}

/* ---- fish ---- */

static void completion_fish_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

static void completion_fish_option(const char *condition, const struct cli_option *option)
{
	const struct completion_names *live = option->value && option->words ? completion_live(option->words) : NULL;
	printf("complete -c ruche -n '%s' -l %s", condition, option->name);
	if (option->letter)
		printf(" -s %c", option->letter);
	if (option->value && option->words && strcmp(option->words, "@files") == 0)
		fputs(" -rF", stdout);
	else if (live)
		printf(" -xa '(__ruche_%s)'", live->kind);
	else if (option->value && option->words && option->words[0] != '@')
		printf(" -xa '%s'", option->words);
	else if (option->value)
		fputs(" -x", stdout);
	fputs(" -d ", stdout);
	completion_fish_quoted(option->help);
	putchar('\n');
}

static void completion_fish(void)
{
	puts("# completion of ruche for fish; made by 'ruche completion'\ncomplete -c ruche -f");
	for (size_t i = 0; i < ARRAY_COUNT(completion_names); i++)
		printf("function __ruche_%s; %s; end\n", completion_names[i].kind, completion_names[i].lists);
	EACH_COMMAND(command) {
		char condition[160], first[64];
		size_t len = strcspn(command->name, " ");
		snprintf(first, sizeof(first), "%.*s", (int)len, command->name);
		printf("complete -c ruche -n __fish_use_subcommand -a %s -d ", first);
		completion_fish_quoted(command->name[len] ? first : command->summary);
		putchar('\n');
		snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s", first);
		if (command->name[len]) {
			printf("complete -c ruche -n '%s; and test (count (commandline -opc)) -eq 2' -a %s -d ", condition, command->name + len + 1);
			completion_fish_quoted(command->summary);
			putchar('\n');
			snprintf(condition + strlen(condition), sizeof(condition) - strlen(condition), "; and __fish_seen_subcommand_from %s",
				 command->name + len + 1);
		}
		for (const struct cli_option *option = command->options; option && option->name; option++)
			completion_fish_option(condition, option);
	}
	for (size_t i = 0; i < ARRAY_COUNT(completion_names); i++)
		printf("complete -c ruche -n '__fish_seen_subcommand_from %s' -a '(__ruche_%s)'\n", completion_names[i].fish, completion_names[i].kind);
	puts("complete -c ruche -n '__fish_seen_subcommand_from completion' -a '" COMPLETION_SHELLS "'");
}

int cmd_completion(int argc, char **argv)
{
	struct args args;
	int code = args_read(&args, commands_find("completion"), argc, argv);
	if (code)
		return code;
	const char *shell = args.word_count == 1 ? args.words[0] : "";
	if (strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0)
		completion_bash();
	else if (strcmp(shell, "fish") == 0)
		completion_fish();
	else
		return args_complain(args.command, "which shell? bash, zsh or fish");
	return 0;
}
