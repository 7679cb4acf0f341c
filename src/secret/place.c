#include "secret/place.h"
#include "base/check.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "secret/values.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE_DEPTH_MAX 3 /* directories below the place's own: a namespace, and names with '/' */

/* ---- names ---- */

bool secret_name_is_formed(struct str name)
{
	if (!name.len || name.len > LIMIT_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("_-./:", c))))
			return false;
	}
	return true;
}

/* A name, or one behind a namespace, which may hold letters that names do not. */
static bool place_name_is_formed(struct str name)
{
	size_t slash = str_index(name, '/');
	if (slash == name.len || !slash)
		return secret_name_is_formed(name);
	for (size_t i = 0; i < slash; i++) {
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return false;
	}
	return slash <= LIMIT_NAME_BYTES && secret_name_is_formed(str_from(name, slash + 1));
}

struct str place_environment_name(struct str name, char out[256])
{
	if (name.len > 255)
		return (struct str){ out, 0 };
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool fine = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
		out[i] = (char)(fine ? c : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : '_');
	}
	return (struct str){ out, name.len };
}

/* ---- files ---- */

struct walk {
	enum err (*visit)(struct walk *walk, int directory, const char *file, const char *name, const struct stat *stat, struct problem *problem);
	struct rack *rack;
	struct place_mark mark;
	size_t bytes;
	uint32_t files;
	const char *prefix; /* credentials: only such, and names without it; otherwise "" */
};

static enum err place_cannot(const char *what, struct problem *problem)
{
	if (errno == ENOMEM)
		return problem_set(problem, E_NOMEM, "", "Not enough memory.");
	return problem_set(problem, E_CONFIG, "", "'%s' cannot be read: %s.", what, strerror(errno));
}

static enum err walk_directory(struct walk *walk, int directory, const char *above, uint32_t depth, struct problem *problem);

/* Files that come and go between two looks are the next look's. */
static enum err walk_entry(struct walk *walk, int directory, const char *file, const char *above, uint32_t depth, struct problem *problem)
{
	char name[2 * LIMIT_NAME_BYTES + 2];
	struct stat stat;
	size_t prefix_len = strlen(walk->prefix);
	if (file[0] == '.' || strncmp(file, walk->prefix, prefix_len) != 0)
		return E_OK;
	int len = snprintf(name, sizeof(name), "%s%s%s", above, *above ? "/" : "", file + prefix_len);
	if ((size_t)len >= sizeof(name) || fstatat(directory, file, &stat, 0) != 0)
		return E_OK;
	if (S_ISDIR(stat.st_mode) && depth < PLACE_DEPTH_MAX) {
		int below = openat(directory, file, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return below < 0 ? place_cannot(name, problem) : walk_directory(walk, below, name, depth + 1, problem);
	}
	if (!S_ISREG(stat.st_mode) || !place_name_is_formed(str_of(name)))
		return E_OK;
	if (++walk->files > SECRET_PLACE_MAX)
		return problem_set(problem, E_CONFIG, "", "More than %d secrets.", SECRET_PLACE_MAX);
	return walk->visit(walk, directory, file, name, &stat, problem);
}

static enum err walk_directory(struct walk *walk, int directory, const char *above, uint32_t depth, struct problem *problem)
{
	DIR *stream = fdopendir(directory);
	struct dirent *entry;
	enum err err = E_OK;
	if (!stream) {
		err = place_cannot(above, problem);
		close(directory);
		return err;
	}
	while (!err && (entry = readdir(stream)) != NULL)
		err = walk_entry(walk, directory, entry->d_name, above, depth, problem);
	closedir(stream);
	return err;
}

static enum err walk_path(struct walk *walk, const char *path, struct problem *problem)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory < 0 ? place_cannot(path, problem) : walk_directory(walk, directory, "", 0, problem);
}

/* A file's bytes, in the vault. */
static enum err read_whole(int directory, const char *file, struct vault *vault, struct str *out, struct problem *problem)
{
	struct stat stat;
	int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &stat) != 0) {
		enum err err = place_cannot(file, problem);
		if (fd >= 0)
			close(fd);
		return err;
	}
	enum err err = E_OK;
	size_t size = stat.st_size < 0 ? 0 : (size_t)stat.st_size, len = 0;
	char *text = NULL;
	if (!S_ISREG(stat.st_mode) || size > SECRET_PLACE_BYTES)
		err = problem_set(problem, E_CONFIG, "", S_ISREG(stat.st_mode) ? "'%s' has more than 4 MiB." : "'%s' is no file.", file);
	else if (!(text = vault_alloc(vault, size + 1)))
		err = problem_set(problem, E_NOMEM, "", "Not enough memory.");
	for (ssize_t got = 1; !err && got > 0 && len <= size; len += (size_t)got) {
		got = read(fd, text + len, size + 1 - len);
		if (got < 0) {
			err = place_cannot(file, problem);
			got = 0;
		}
	}
	if (!err && len != size)
		err = problem_set(problem, E_CONFIG, "", "'%s' was written to while it was read.", file);
	close(fd);
	*out = (struct str){ text, len };
	return err;
}

static struct str without_newline(struct str text)
{
	if (text.len && text.ptr[text.len - 1] == '\n')
		text.len -= text.len > 1 && text.ptr[text.len - 2] == '\r' ? 2 : 1;
	return text;
}

static enum err rack_one(struct rack *rack, struct str name, const struct secret *secret, struct problem *problem)
{
	enum err err = rack_add(rack, name, secret);
	if (err == E_TOO_LARGE)
		return problem_set(problem, E_CONFIG, "", "More than %d secrets.", SECRET_PLACE_MAX);
	return err ? problem_set(problem, err, "", "Not enough memory.") : E_OK;
}

static enum err rack_file(struct walk *walk, int directory, const char *file, const char *name, const struct stat *stat, struct problem *problem)
{
	struct vault vault = { 0 };
	struct secret secret = { .count = 1 };
	struct str text;
	walk->bytes += (size_t)stat->st_size;
	if (walk->bytes > SECRET_PLACE_BYTES)
		return problem_set(problem, E_CONFIG, "", "The files have more than 4 MiB together.");
	enum err err = read_whole(directory, file, &vault, &text, problem);
	if (!err) {
		secret.values[0].bytes = without_newline(text);
		const char *why = secret_value_refusal(secret.values[0].bytes);
		err = why ? problem_set(problem, E_CONFIG, "", "'%s': %s", name, why) : rack_one(walk->rack, str_of(name), &secret, problem);
	}
	vault_fini(&vault);
	return err;
}

/* ---- JSON ---- */

static bool read_secrets(struct json *json, struct rack *rack)
{
	struct str name;
	struct secret secret;
	if (!json_enter_object(json))
		return false;
	while (json_next_key(json, &name)) {
		if (!place_name_is_formed(name))
			return json_refuse(json, E_INVALID, "This cannot be a secret's name: letters, digits and _-./: only.");
		if (!secret_values_read(json, &secret))
			return false;
		enum err err = rack_add(rack, name, &secret);
		if (err)
			return err == E_NOMEM ? json_refuse(json, err, "Not enough memory.")
					       : json_refuse(json, err, "More than %d secrets.", SECRET_PLACE_MAX);
	}
	return !json->failed && json_finish(json);
}

enum err place_read_json(struct str text, struct rack *rack, struct problem *problem)
{
	struct vault vault = { 0 };
	struct arena arena;
	struct json json;
	if (!vault_arena(&vault, secret_values_arena_bytes(text.len), &arena))
		return problem_set(problem, E_NOMEM, "", "Not enough memory.");
	json_init(&json, text, &arena, problem);
	enum err err = read_secrets(&json, rack) ? E_OK : problem->err;
	CHECK(!arena.chunks); /* nothing was decoded anywhere else */
	vault_fini(&vault);
	return err;
}

static enum err place_read_file(const char *path, struct rack *rack, struct problem *problem)
{
	struct vault vault = { 0 };
	struct problem why = { 0 };
	struct str text;
	enum err err = read_whole(AT_FDCWD, path, &vault, &text, problem);
	if (!err) {
		err = place_read_json(text, rack, &why);
		if (err)
			err = problem_set(problem, err == E_NOMEM ? E_NOMEM : E_CONFIG, "", "'%s': %s%s%s", path, why.field, *why.field ? ": " : "",
					  why.detail);
	}
	vault_fini(&vault);
	return err;
}

/* ---- places ---- */

static uint64_t mark_file(uint64_t hash, const char *name, const struct stat *stat)
{
	const uint64_t seen[] = { (uint64_t)stat->st_dev, (uint64_t)stat->st_ino, (uint64_t)stat->st_size, (uint64_t)stat->st_mtim.tv_sec,
				  (uint64_t)stat->st_mtim.tv_nsec, (uint64_t)stat->st_ctim.tv_sec, (uint64_t)stat->st_ctim.tv_nsec };
	return hash + str_hash(str_of(name), str_hash((struct str){ (const char *)seen, sizeof(seen) }, 1)); /* whatever the order */
}

static enum err note_file(struct walk *walk, int directory, const char *file, const char *name, const struct stat *stat, struct problem *problem)
{
	(void)directory, (void)file, (void)problem;
	walk->mark.hash = mark_file(walk->mark.hash, name, stat);
	return E_OK;
}

enum err place_look(const char *path, struct place_mark *out, struct problem *problem)
{
	struct walk walk = { .visit = note_file, .prefix = "" };
	struct stat seen;
	if (stat(path, &seen) != 0)
		return place_cannot(path, problem);
	walk.mark.directory = S_ISDIR(seen.st_mode);
	enum err err = walk.mark.directory ? walk_path(&walk, path, problem) : note_file(&walk, -1, path, "", &seen, problem);
	*out = walk.mark;
	return err;
}

static enum err place_close(struct rack *rack, enum err err, struct problem *problem)
{
	struct str twice;
	if (err)
		return err;
	err = rack_close(rack, &twice);
	if (err == E_CONFLICT)
		return problem_set(problem, E_CONFIG, "", "'" STR_FMT "' is there twice.", STR_ARG(twice));
	return err ? problem_set(problem, err, "", "Not enough memory.") : E_OK;
}

enum err place_read(const char *path, struct rack *rack, struct problem *problem)
{
	struct walk walk = { .visit = rack_file, .rack = rack, .prefix = "" };
	struct stat seen;
	if (stat(path, &seen) != 0)
		return place_cannot(path, problem);
	enum err err = S_ISDIR(seen.st_mode) ? walk_path(&walk, path, problem) : place_read_file(path, rack, problem);
	return place_close(rack, err, problem);
}

enum err place_read_credentials(const char *path, struct rack *rack, struct problem *problem)
{
	struct walk walk = { .visit = rack_file, .rack = rack, .prefix = "secret." };
	return place_close(rack, walk_path(&walk, path, problem), problem);
}

enum err place_read_environment(char **environment, bool wipe, struct rack *rack, struct problem *problem)
{
	enum err err = E_OK;
	for (; environment && *environment && !err; environment++) {
		char folded[256];
		struct str whole = str_of(*environment), name = { whole.ptr, str_index(whole, '=') }, value = str_from(whole, name.len + 1);
		if (!str_starts(name, STR(PLACE_ENVIRONMENT)) || !value.len)
			continue;
		name = str_from(name, strlen(PLACE_ENVIRONMENT));
		if (!secret_name_is_formed(name) || !str_eq(place_environment_name(name, folded), name))
			continue;
		const char *why = secret_value_refusal(value);
		err = why ? problem_set(problem, E_CONFIG, "", "%s" STR_FMT ": %s", PLACE_ENVIRONMENT, STR_ARG(name), why)
			  : rack_one(rack, name, &(struct secret){ .values = { { .bytes = value } }, .count = 1 }, problem);
		if (wipe)
			bytes_wipe(*environment + (value.ptr - whole.ptr), value.len);
	}
	return place_close(rack, err, problem);
}
