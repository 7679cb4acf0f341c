/* src/daemon/config_command.c: `ruche config check` and `ruche config print`. */
#include "cli/args.h"
#include "daemon/serve.h"

extern char **environ;

const struct cli_option config_check_options[] = { { 0 } };
const struct cli_option config_print_options[] = {
	{ "origin", 'o', NULL, "Say where each value comes from", NULL, false },
	{ "doc", 'd', NULL, "Say what each key means", NULL, false },
	{ "defaults", 0, NULL, "The defaults instead, commented out: a file to begin with", NULL, false },
	{ "json", 'j', NULL, "One JSON object: key to value and origin", NULL, false },
	{ 0 },
};

int cmd_config_check(int argc, char **argv)
{
	struct args args;
	struct config config;
	char text[256];
	const char *name, *near = NULL, *warning;
	int code = command_config(argc, argv, &args, &config);
	if (code)
		return code;
	for (uint32_t n = 0; (name = config_strange_variable(environ, n, &near)) != NULL; n++)
		printf("warning: the variable %s means nothing%s%s%s\n", name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	for (uint32_t n = 0; (warning = config_warning(&config, n, text)) != NULL; n++)
		printf("warning: %s\n", warning);
	printf("%s: fine\n", config.file ? config.file : "configuration");
	config_fini(&config);
	return 0;
}

int cmd_config_print(int argc, char **argv)
{
	struct args args;
	struct config config;
	struct problem problem = { 0 };
	struct buf out;
	int code = command_args(argc, argv, &args);
	if (code)
		return code;
	struct config_print how = { .origin = args_has(&args, "origin"), .doc = args_has(&args, "doc"), .defaults = args_has(&args, "defaults") };
	how.doc = how.doc || how.defaults;
	enum err err = config_load(&config, how.defaults ? NULL : &args, how.defaults ? NULL : environ, &problem);
	if (err)
		return command_fails(argv[0], err, &problem);
	buf_init(&out, 1024 * 1024);
	if (args_has(&args, "json")) {
		config_print_json(&config, &out);
		buf_add_lit(&out, "\n");
	} else {
		config_print(&config, &how, &out);
	}
	fwrite(out.ptr, 1, out.len, stdout);
	buf_fini(&out);
	config_fini(&config);
	return 0;
}
