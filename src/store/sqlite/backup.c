#include "store/sqlite/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static bool backup_part_path(const char *path, char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s.part", path) < PATH_MAX;
}

enum err backup_prepare(struct backup *backup, const char *path, struct problem *problem)
{
	char part[PATH_MAX];
	*backup = (struct backup){ .path = path };
	if (!backup_part_path(path, part))
		return problem_set(problem, E_INVALID, "path", "The path is too long.");
	if (access(path, F_OK) == 0)
		return problem_set(problem, E_CONFLICT, "path", "%s exists: name a new file.", path);
	int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return problem_set(problem, errno == EEXIST ? E_CONFLICT : E_IO, "path", "%s cannot be made: %s.", part, strerrordesc_np(errno));
	close(fd);
	enum err err = sql_err(sqlite3_open_v2(part, &backup->target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (!err) /* it is synced once, at the end; until then it has another name */
		err = sql_exec(backup->target, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
	if (err) {
		sqlite3_close(backup->target);
		unlink(part);
		return problem_set(problem, err, "path", "%s cannot be written.", part);
	}
	return E_OK;
}

void backup_step(struct backup *backup, sqlite3 *source, int pages)
{
	if (!backup->copy)
		backup->copy = sqlite3_backup_init(backup->target, "main", source, "main");
	if (!backup->copy) {
		backup->err = sql_err(sqlite3_errcode(backup->target));
		backup->ended = true;
		return;
	}
	int code = sqlite3_backup_step(backup->copy, pages);
	backup->pages_total = (uint64_t)sqlite3_backup_pagecount(backup->copy);
	backup->pages_done = backup->pages_total - (uint64_t)sqlite3_backup_remaining(backup->copy);
	if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return;
	backup_abort(backup, sql_err(code)); /* or its good end: E_OK */
}

void backup_abort(struct backup *backup, enum err err)
{
	int code = backup->copy ? sqlite3_backup_finish(backup->copy) : SQLITE_OK;
	backup->copy = NULL;
	backup->err = err ? err : sql_err(code);
	backup->ended = true;
}

static enum err backup_sync(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	enum err err = fd >= 0 && fsync(fd) == 0 ? E_OK : errno == ENOSPC ? E_STORE_FULL : E_IO;
	if (fd >= 0)
		close(fd);
	return err;
}

static enum err backup_publish(const char *part, const char *path)
{
	char directory[PATH_MAX];
	enum err err = backup_sync(part, O_RDWR);
	if (err)
		return err;
	/* Never over a file that came meanwhile; some file systems cannot promise that, then we look ourselves. */
	if (renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) &&
	    (errno != EINVAL || access(path, F_OK) == 0 || rename(part, path)))
		return errno == EEXIST ? E_CONFLICT : E_IO;
	snprintf(directory, sizeof(directory), "%s", path);
	return backup_sync(dirname(directory), O_RDONLY | O_DIRECTORY);
}

enum err backup_finish(struct backup *backup, struct problem *problem)
{
	char part[PATH_MAX];
	enum err err = backup->err, closed = sql_err(sqlite3_close(backup->target));
	if (!backup_part_path(backup->path, part))
		return E_INVALID;
	if (!err)
		err = closed;
	if (!err)
		err = backup_publish(part, backup->path);
	if (err) {
		unlink(part);
		problem_set(problem, err, "path", "%s was not written: %s", backup->path, err_sentence(err));
	}
	return err;
}
