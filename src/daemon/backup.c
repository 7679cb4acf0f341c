/* src/daemon/backup.c: `ruche backup`: a consistent copy of a store into a new file, whether a daemon works on it or not. */
#include "base/clock.h"
#include "cli/args.h"
#include "daemon/serve.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKUP_BAR_CELLS 32
#define BACKUP_BAR_US    100000 /* between two drawings */

const struct cli_option backup_options[] = {
	{ "to", 't', "FILE", "The copy; must not be there yet", "@files", false },
	{ "store", 0, "FILE", "The store (store.path of the configuration)", "@files", false },
	{ "config", 'c', "FILE", "Read the configuration from this file", "@files", false },
	{ 0 },
};

struct backup_bar {
	bool drawn, wanted;
	int64_t next_us;
};

static void backup_progress(void *context, uint64_t done, uint64_t total)
{
	struct backup_bar *bar = context;
	if (!bar->wanted || !total || (clock_mono_us() < bar->next_us && done < total))
		return;
	bar->next_us = clock_mono_us() + BACKUP_BAR_US;
	bar->drawn = true;
	int full = (int)(done * BACKUP_BAR_CELLS / total);
	fprintf(stderr, "\r[%.*s%*s] %3d%%", full, "################################", BACKUP_BAR_CELLS - full, "", (int)(done * 100 / total));
}

int cmd_backup(int argc, char **argv)
{
	struct args args;
	struct config config;
	struct problem problem = { 0 };
	struct stat copy;
	int code = command_config(argc, argv, &args, &config);
	if (code)
		return code;
	const char *to = args_get(&args, "to");
	struct backup_bar bar = { .wanted = isatty(STDERR_FILENO) };
	int64_t begun_us = clock_mono_us();
	umask(0077);
	enum err err = to ? store_sqlite_backup_file(config.store_path, to, backup_progress, &bar, &problem)
			  : problem_set(&problem, E_CONFIG, "--to", "It is missing: name the file of the copy.");
	if (bar.drawn)
		fprintf(stderr, "\n");
	if (err) {
		code = command_fails("backup", err, &problem);
	} else {
		long long bytes = stat(to, &copy) == 0 ? (long long)copy.st_size : 0;
		printf("%s: a copy of %s, %lld KiB, in %lld ms\n", to, config.store_path, bytes / 1024, (long long)(clock_mono_us() - begun_us) / 1000);
	}
	config_fini(&config);
	return code;
}
