#include "cli/args.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include <stdarg.h>
#include <sysexits.h>

int args_complain(const struct cli_command *command, const char *format, ...)
{
	va_list list;
	fprintf(stderr, "ruche %s: ", command->name);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, "; see 'ruche %s --help'\n", command->name);
	return EX_USAGE;
}

static const struct cli_option *args_find(const struct cli_command *command, struct str name)
{
	for (const struct cli_option *option = command->options; option && option->name; option++) {
		if (str_eq(name, str_of(option->name)))
			return option;
	}
	return NULL;
}

static int args_unknown(const struct cli_command *command, struct str name)
{
	struct suggest near_names;
	suggest_init(&near_names, name);
	for (const struct cli_option *option = command->options; option && option->name; option++)
		suggest_offer(&near_names, option->name);
	const char *near = suggest_best(&near_names);
	if (near)
		return args_complain(command, "no option '--" STR_FMT "'; did you mean '--%s'?", STR_ARG(name), near);
	return args_complain(command, "no option '--" STR_FMT "'", STR_ARG(name));
}

static int args_add(struct args *args, const struct cli_option *option, const char *value)
{
	if (args->given_count == ARGS_MAX)
		return args_complain(args->command, "more than %d options", ARGS_MAX);
	if (!option->repeats && args_has(args, option->name))
		return args_complain(args->command, "'--%s' is given twice", option->name);
	args->given[args->given_count].option = option;
	args->given[args->given_count++].value = value;
	return 0;
}

/* "--name", "--name=value", "--name value": *at moves over a value that stands apart. */
static int args_long(struct args *args, int argc, char **argv, int *at)
{
	struct str text = str_of(argv[*at] + 2);
	size_t equals = str_index(text, '=');
	struct str name = { text.ptr, equals };
	const struct cli_option *option = args_find(args->command, name);
	if (!option)
		return args_unknown(args->command, name);
	if (!option->value)
		return equals < text.len ? args_complain(args->command, "'--%s' takes no value", option->name) : args_add(args, option, NULL);
	if (equals < text.len)
		return args_add(args, option, text.ptr + equals + 1);
	if (*at + 1 == argc)
		return args_complain(args->command, "'--%s' needs a value: %s", option->name, option->value);
	return args_add(args, option, argv[++*at]);
}

/* "-n value", "-nvalue", and switches together: "-ab". */
static int args_short(struct args *args, int argc, char **argv, int *at)
{
	for (const char *letter = argv[*at] + 1; *letter; letter++) {
		const struct cli_option *option = args->command->options;
		while (option && option->name && option->letter != *letter)
			option++;
		if (!option || !option->name)
			return args_complain(args->command, "no option '-%c'", *letter);
		if (!option->value) {
			int code = args_add(args, option, NULL);
			if (code)
				return code;
			continue;
		}
		if (letter[1])
			return args_add(args, option, letter + 1);
		if (*at + 1 == argc)
			return args_complain(args->command, "'-%c' needs a value: %s", *letter, option->value);
		return args_add(args, option, argv[++*at]);
	}
	return 0;
}

int args_read(struct args *args, const struct cli_command *command, int argc, char **argv)
{
	*args = (struct args){ .command = command, .words = argv + 1, .begun_us = clock_wall_us() };
	for (int at = 1; at < argc; at++) {
		int code = 0;
		if (strcmp(argv[at], "--") == 0) {
			args->has_rest = true;
			args->rest = argv + at + 1;
			args->rest_count = argc - at - 1;
			return 0;
		}
		if (argv[at][0] == '-' && argv[at][1] == '-')
			code = args_long(args, argc, argv, &at);
		else if (argv[at][0] == '-' && argv[at][1] && !(argv[at][1] >= '0' && argv[at][1] <= '9'))
			code = args_short(args, argc, argv, &at);
		else
			args->words[args->word_count++] = argv[at];
		if (code)
			return code;
	}
	return 0;
}

bool args_has(const struct args *args, const char *name)
{
	int at = 0;
	for (; at < args->given_count; at++) {
		if (strcmp(args->given[at].option->name, name) == 0)
			return true;
	}
	return false;
}

const char *args_get(const struct args *args, const char *name)
{
	const char *found = NULL, *value;
	for (int at = 0; (value = args_each(args, name, &at)) != NULL;)
		found = value;
	return found;
}

const char *args_each(const struct args *args, const char *name, int *at)
{
	while (*at < args->given_count) {
		int here = (*at)++;
		if (strcmp(args->given[here].option->name, name) == 0)
			return args->given[here].value;
	}
	return NULL;
}

const char *args_when(const struct args *args, const char *name, struct arena *arena)
{
	const char *value = args_get(args, name);
	uint64_t number;
	int64_t ago_ms;
	char instant[TIME_TEXT_BYTES];
	if (!value || strcmp(args_find(args->command, str_of(name))->value, INSTANT_OR_AGE) != 0)
		return value;
	if (str_u64(str_of(value), &number) || duration_parse(str_of(value), &ago_ms)) /* a number alone has no unit: it may be meant as either */
		return value;
	time_text(ago_ms < args->begun_us / 1000 ? args->begun_us - ago_ms * 1000 : 0, instant);
	return arena_printf(arena, "%s", instant);
}

const char *args_joined(const struct args *args, const char *name, struct arena *arena)
{
	const char *all = NULL, *value;
	for (int at = 0; (value = args_each(args, name, &at)) != NULL;)
		all = all ? arena_printf(arena, "%s,%s", all, value) : value;
	return all;
}

int args_i64(const struct args *args, const char *name, int64_t min, int64_t max, int64_t *out)
{
	const char *text = args_get(args, name);
	if (!text)
		return 0;
	int64_t number;
	if (!str_i64(str_of(text), &number) || number < min || number > max)
		return args_complain(args->command, "--%s: '%s' is not a whole number from %lld to %lld", name, text, (long long)min, (long long)max);
	*out = number;
	return 0;
}

int args_u64(const struct args *args, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	int64_t number = (int64_t)*out;
	int code = args_i64(args, name, (int64_t)min, (int64_t)max, &number);
	*out = (uint64_t)number;
	return code;
}

int args_duration_ms(const struct args *args, const char *name, int64_t *out)
{
	const char *text = args_get(args, name);
	if (!text)
		return 0;
	if (duration_parse(str_of(text), out))
		return args_complain(args->command, "--%s: '%s' is not a span; write 500ms, 30s, 5m, 1h30m or 7d", name, text);
	return 0;
}
