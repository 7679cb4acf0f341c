#include "secret/key_ring.h"
#include "base/base64.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_BYTES 4096
#define KEY_LINE_BYTES BASE64_BYTES(AEAD_KEY_BYTES)

/* ---- reading ---- */

static enum err key_name(struct ring_key *key)
{
	unsigned char hash[SHA256_BYTES];
	const struct str whole = { (const char *)key->bytes, sizeof(key->bytes) };
	enum err err = sha256(&whole, 1, hash);
	for (size_t i = 0; !err && i < SECRET_KEY_ID_BYTES; i++)
		key->id[i] = "0123456789abcdef"[hash[i / 2] >> (i % 2 ? 0 : 4) & 15];
	return err;
}

static enum err read_line(struct key_ring *ring, struct str line, uint32_t number, struct problem *problem)
{
	size_t len = 0;
	line = str_trim(line);
	if (!line.len || line.ptr[0] == '#')
		return E_OK;
	if (ring->count == KEY_RING_MAX)
		return problem_set(problem, E_CONFIG, "", "More than %d keys: remove those that nothing is sealed under.", KEY_RING_MAX);
	struct ring_key *key = &ring->keys[ring->count];
	if (base64_parse(line, (char *)key->bytes, sizeof(key->bytes), &len) || len != sizeof(key->bytes))
		return problem_set(problem, E_CONFIG, "", "Line %u is not the base64 of 32 bytes: 'openssl rand -base64 32' makes one.", number);
	enum err err = key_name(key);
	if (err)
		return problem_set(problem, err, "", "Not enough memory.");
	if (key_ring_find(ring, str_of(key->id)))
		return problem_set(problem, E_CONFIG, "", "Line %u is a key that stands above already.", number);
	ring->count++;
	return E_OK;
}

static enum err read_lines(struct key_ring *ring, struct str text, struct problem *problem)
{
	enum err err = E_OK;
	for (uint32_t number = 1; text.len && !err; number++) {
		size_t end = str_index(text, '\n');
		err = read_line(ring, (struct str){ text.ptr, end > 0 && text.ptr[end - 1] == '\r' ? end - 1 : end }, number, problem);
		text = str_from(text, end + 1);
	}
	if (!err && !ring->count)
		err = problem_set(problem, E_CONFIG, "", "It holds no key: put one there ('openssl rand -base64 32'), or remove the file.");
	return err;
}

static enum err read_open(int fd, struct key_ring *ring, struct problem *problem)
{
	struct stat seen;
	if (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode))
		return problem_set(problem, E_CONFIG, "", "It is no file.");
	if (seen.st_mode & (S_IRWXG | S_IRWXO))
		return problem_set(problem, E_CONFIG, "", "Others may read it (mode %04o): chmod 600, and think of the keys as known.",
				   (unsigned)seen.st_mode & 07777u);
	char *text = vault_alloc(&ring->vault, KEY_FILE_BYTES);
	ring->keys = vault_alloc(&ring->vault, sizeof(*ring->keys) * (KEY_RING_MAX + 1));
	if (!text || !ring->keys)
		return problem_set(problem, E_NOMEM, "", "Not enough memory.");
	size_t len = 0;
	for (ssize_t got = 1; got > 0 && len < KEY_FILE_BYTES; len += (size_t)got) {
		got = read(fd, text + len, KEY_FILE_BYTES - len);
		if (got < 0)
			return problem_set(problem, E_CONFIG, "", "It cannot be read: %s.", strerror(errno));
	}
	if (len == KEY_FILE_BYTES)
		return problem_set(problem, E_CONFIG, "", "It has more than 4 KiB: it is not what was meant.");
	return read_lines(ring, (struct str){ text, len }, problem);
}

enum err key_ring_read(const char *path, struct key_ring *out, struct problem *problem)
{
	struct key_ring ring = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	*out = ring;
	if (fd < 0 && errno == ENOENT)
		return E_OK;
	if (fd < 0)
		return problem_set(problem, E_CONFIG, "", "It cannot be read: %s.", strerror(errno));
	enum err err = read_open(fd, &ring, problem);
	close(fd);
	if (err)
		key_ring_fini(&ring);
	*out = ring;
	return err;
}

void key_ring_fini(struct key_ring *ring)
{
	vault_fini(&ring->vault);
	*ring = (struct key_ring){ 0 };
}

const struct ring_key *key_ring_find(const struct key_ring *ring, struct str id)
{
	for (uint32_t i = 0; i < ring->count; i++) {
		if (str_eq(str_of(ring->keys[i].id), id))
			return &ring->keys[i];
	}
	return NULL;
}

/* ---- making ---- */

static enum err make_failed(struct problem *problem)
{
	bool full = errno == ENOSPC || errno == EDQUOT;
	return problem_set(problem, full ? E_STORE_FULL : E_IO, "", "The key file cannot be made: %s.", strerror(errno));
}

static bool make_line(int fd)
{
	unsigned char key[AEAD_KEY_BYTES];
	char line[KEY_LINE_BYTES + 1];
	bool made = getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key);
	base64_write((struct str){ (const char *)key, sizeof(key) }, line);
	line[KEY_LINE_BYTES] = '\n';
	errno = ENOSPC; /* of a write that came to less */
	made = made && write(fd, line, sizeof(line)) == (ssize_t)sizeof(line) && fsync(fd) == 0;
	bytes_wipe(key, sizeof(key));
	bytes_wipe(line, sizeof(line));
	return made;
}

static bool sync_directory_of(const char *path)
{
	char copy[PATH_MAX];
	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return false;
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return synced;
}

/* Written aside and linked: what has the name is whole, whenever the power fails, and never takes the place of another. */
enum err key_ring_make(const char *path, struct problem *problem)
{
	char aside[PATH_MAX];
	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside))
		return problem_set(problem, E_CONFIG, "", "Its path is too long.");
	unlink(aside); /* of one that was killed here */
	int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return make_failed(problem);
	enum err err = make_line(fd) && link(aside, path) == 0 ? E_OK
		       : errno == EEXIST			? problem_set(problem, E_CONFLICT, "", "There is a key file already.")
								: make_failed(problem);
	close(fd);
	unlink(aside);
	return err || sync_directory_of(path) ? err : make_failed(problem);
}
