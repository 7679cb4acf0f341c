/* src/daemon/config_file.h: the configuration file's grammar, a small part of TOML: no more than what the keys need.
 *
 *     # a comment
 *     listen = ["127.0.0.1:8420", "unix:/run/ruche.sock"]   # a list may go on over lines
 *     [http]
 *     body_bytes = 8MiB                                       # words need no quotes
 *
 * A pull reader: each call gives one key with its values. What a key means is config.c's business. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define CONFIG_FILE_ITEMS 256

struct config_file {
	struct str text;
	const char *path;  /* for problems */
	size_t at;
	uint32_t line;     /* of what comes next, from 1 */
	struct str section;
	struct arena *arena;
	struct problem *problem;
	bool failed;
};
struct config_line {
	const char *key; /* "http.body_bytes" */
	uint32_t line;
	bool is_list;
	const char *items[CONFIG_FILE_ITEMS];
	uint32_t count;
};

void config_file_init(struct config_file *file, const char *path, struct str text, struct arena *arena, struct problem *problem);
/* False at the end, or after an error: then file->failed and the problem. */
bool config_file_next(struct config_file *file, struct config_line *out);
/* "ruche.conf:12", a long path shortened at its start. */
const char *config_file_place(const char *path, uint32_t line, struct arena *arena);
