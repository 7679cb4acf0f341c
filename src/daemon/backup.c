/* src/daemon/backup.c: `ruche backup`: a consistent copy of a store into a new file, whether a daemon works on it or not. */
#include "base/clock.h"
#include "cli/args.h"
#include "cli/bar.h"
#include "daemon/serve.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct cli_option backup_options[] = {
	{ "to", 't', "FILE", "The copy; must not be there yet", "@files", false },
	{ "store", 0, "FILE", "The store (store.path of the configuration)", "@files", false },
	{ "config", 'c', "FILE", "Read the configuration from this file", "@files", false },
	{ 0 },
};

static void backup_progress(void *context, uint64_t done, uint64_t total)
{
	bar_show(context, done, total);
}

int cmd_backup(int argc, char **argv)
{
	struct args args;
	struct config config;
	struct problem problem = { 0 };
	struct stat copy;
	struct bar bar;
	int code = command_config(argc, argv, &args, &config);
	if (code)
		return code;
	const char *to = args_get(&args, "to");
	if (!to) {
		config_fini(&config);
		return args_complain(args.command, "--to FILE is needed: where the copy goes");
	}
	bar_init(&bar, NULL, true);
	int64_t begun_us = clock_mono_us();
	umask(0077);
	enum err err = store_sqlite_backup_file(config.store_path, to, backup_progress, &bar, &problem);
	bar_wipe(&bar);
	if (err) {
		if (strcmp(problem.field, "path") == 0)
			snprintf(problem.field, sizeof(problem.field), "--to");
		code = command_fails("backup", err, &problem);
	} else {
		long long bytes = stat(to, &copy) == 0 ? (long long)copy.st_size : 0;
		printf("%s: a copy of %s, %lld KiB, in %lld ms\n", to, config.store_path, bytes / 1024, (long long)(clock_mono_us() - begun_us) / 1000);
	}
	config_fini(&config);
	return code;
}
