/* src/daemon/doctor.c: `ruche doctor`: looks at everything that a daemon stands on and says what to do about what is not well. It changes
 * nothing, and can be run beside a daemon. */
#include "base/clock.h"
#include "base/json.h"
#include "base/time_text.h"
#include "base/uid.h"
#include "cli/args.h"
#include "daemon/keeper.h"
#include "daemon/serve.h"
#include "daemon/vitals.h"
#include "format/pool.h"
#include "http/client.h"
#include "net/address.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

#define DOCTOR_CHECKS_MAX  64
#define DOCTOR_SYNCS       21
#define DOCTOR_SYNC_SLOW   20000  /* µs: a commit would take longer than its goal */
#define DOCTOR_FILES_LEAST 4096
#define DOCTOR_WAL_LARGE   (64 * MIB)

extern char **environ;

const struct cli_option doctor_options[] = {
	{ "url", 'u', "URL", "Ask this daemon too: http://127.0.0.1:8420 or unix:/run/ruche.sock", NULL, false },
	{ "deep", 0, NULL, "Check every index of the store too; reads the whole file", NULL, false },
	{ "json", 'j', NULL, "One JSON object", NULL, false },
	{ "store", 0, "FILE", "The store (store.path of the configuration)", "@files", false },
	{ "listen", 0, "ADDRESS", "Where the daemon listens (listen of the configuration)", NULL, true },
	{ "ephemeral", 0, NULL, "Losing the store is fine", NULL, false },
	{ "config", 'c', "FILE", "Read the configuration from this file", "@files", false },
	{ 0 },
};

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };
struct check {
	const char *name;
	enum finding finding;
	char detail[320];
	const char *advice; /* what to do; "" when nothing */
};
struct doctor {
	const struct args *args;
	struct config config;
	bool has_config, daemon_runs;
	struct check checks[DOCTOR_CHECKS_MAX];
	uint32_t count;
};

static void PRINTF_LIKE(5, 6)
	doctor_note(struct doctor *doctor, const char *name, enum finding finding, const char *advice, const char *format, ...)
{
	if (doctor->count == DOCTOR_CHECKS_MAX)
		return;
	struct check *check = &doctor->checks[doctor->count++];
	va_list list;
	check->name = name;
	check->finding = finding;
	check->advice = advice;
	va_start(list, format);
	vsnprintf(check->detail, sizeof(check->detail), format, list);
	va_end(list);
}

/* ---- the checks, in the order in which they are told ---- */

static void doctor_configuration(struct doctor *doctor)
{
	struct problem problem = { 0 };
	char text[256];
	const char *name, *near = NULL, *warning;
	enum err err = config_load(&doctor->config, doctor->args, environ, &problem);
	if (err) {
		doctor_note(doctor, "configuration", FINDING_FAIL, "Correct it; 'ruche config print --defaults' shows every key.", "%s: %s",
			    problem.field, problem.detail);
		return;
	}
	doctor->has_config = true;
	doctor_note(doctor, "configuration", FINDING_OK, "", "%s",
		    doctor->config.file ? doctor->config.file : "no file: defaults, environment and flags");
	for (uint32_t n = 0; (name = config_strange_variable(environ, n, &near)) != NULL; n++)
		doctor_note(doctor, "configuration", FINDING_WARN, "Correct its name or unset it.", "%s means nothing%s%s%s", name,
			    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	for (uint32_t n = 0; (warning = config_warning(&doctor->config, n, text)) != NULL; n++)
		doctor_note(doctor, "configuration", FINDING_WARN, "", "%s", warning);
}

static void doctor_store(struct doctor *doctor)
{
	const char *path = doctor->config.store_path;
	struct store_sqlite_report report;
	struct problem problem = { 0 };
	if (access(path, F_OK) != 0) {
		doctor_note(doctor, "store", FINDING_OK, "", "%s is not there yet: 'ruche serve' makes it", path);
		return;
	}
	enum err err = store_sqlite_inspect(path, args_has(doctor->args, "deep"), &report, &problem);
	doctor->daemon_runs = report.locked;
	if (err) {
		doctor_note(doctor, "store", FINDING_FAIL, err_sentence(err), "%s", problem.detail);
	} else if (!report.ours && report.file_bytes) {
		doctor_note(doctor, "store", FINDING_FAIL, "Name the right file with --store.", "%s is no store of ruche's", path);
	} else if (report.version > report.supported) {
		doctor_note(doctor, "store", FINDING_FAIL, err_sentence(E_STORE_NEWER), "%s has format %u; this program knows up to %u", path, report.version,
			    report.supported);
	} else if (strcmp(report.integrity, "ok") != 0) {
		doctor_note(doctor, "store", FINDING_FAIL,
			    "Stop the daemon, keep a copy of the file and its -wal, restore the last backup; 'sqlite3 FILE .recover' saves what can be read.",
			    "%s is damaged: %s", path, report.integrity);
	} else {
		doctor_note(doctor, "store", FINDING_OK, "", "%s: format %u, %llu KiB, sound; %s", path, report.version,
			    (unsigned long long)(report.file_bytes / 1024), report.locked ? "a daemon has it open" : "not open");
	}
	if (report.wal_bytes > (uint64_t)DOCTOR_WAL_LARGE)
		doctor_note(doctor, "store", FINDING_WARN, "Look for a program that keeps the file open in a long transaction.", "%s-wal has %llu MiB", path,
			    (unsigned long long)(report.wal_bytes / MIB));
}

static void doctor_disk(struct doctor *doctor)
{
	enum disk_kind kind = disk_kind(doctor->config.store_path);
	struct vitals vitals;
	vitals_read(doctor->config.store_path, &vitals);
	if (kind == DISK_KEEPS || doctor->config.ephemeral)
		doctor_note(doctor, "disk", FINDING_OK, "", "the store lies on %s", disk_kind_name(kind));
	else
		doctor_note(doctor, "disk", kind == DISK_NETWORK ? FINDING_WARN : FINDING_FAIL,
			    kind == DISK_NETWORK ? "Use a local disk: locks and syncs of network file systems cannot be trusted."
						 : "Mount a volume and put the store there, or say --ephemeral when losing it is fine.",
			    "the store lies on %s", disk_kind_name(kind));
	uint64_t wanted = (uint64_t)doctor->config.store_reserve_bytes + 64 * (uint64_t)MIB;
	doctor_note(doctor, "space", vitals.disk_free_bytes < wanted ? FINDING_WARN : FINDING_OK,
		    vitals.disk_free_bytes < wanted ? "Free some space: enqueues are refused when it ends." : "", "%llu MiB free of %llu",
		    (unsigned long long)(vitals.disk_free_bytes / MIB), (unsigned long long)(vitals.disk_bytes / MIB));
}

static int doctor_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void doctor_sync(struct doctor *doctor)
{
	char copy[PATH_MAX], path[PATH_MAX + 32], block[4096] = { 0 };
	int64_t spans_us[DOCTOR_SYNCS];
	snprintf(copy, sizeof(copy), "%s", doctor->config.store_path);
	snprintf(path, sizeof(path), "%s/.ruche-doctor-XXXXXX", dirname(copy));
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		doctor_note(doctor, "sync", FINDING_FAIL, "Give the daemon's user a directory that it may write.", "no file can be made beside the store: %s",
			    strerror(errno));
		return;
	}
	unlink(path);
	bool well = true;
	for (int n = 0; n < DOCTOR_SYNCS && well; n++) {
		int64_t begun_us = clock_mono_us();
		well = pwrite(fd, block, sizeof(block), n * (off_t)sizeof(block)) == (ssize_t)sizeof(block) && fdatasync(fd) == 0;
		spans_us[n] = clock_mono_us() - begun_us;
	}
	int error = errno;
	close(fd);
	if (!well) {
		doctor_note(doctor, "sync", FINDING_FAIL, "Look at the disk and the kernel's log.", "a write or sync failed: %s", strerror(error));
		return;
	}
	qsort(spans_us, DOCTOR_SYNCS, sizeof(spans_us[0]), doctor_compare);
	int64_t middle_us = spans_us[DOCTOR_SYNCS / 2];
	doctor_note(doctor, "sync", middle_us > DOCTOR_SYNC_SLOW ? FINDING_WARN : FINDING_OK,
		    middle_us > DOCTOR_SYNC_SLOW ? "A commit waits for one sync: a faster disk makes everything faster." : "",
		    "a sync takes %lld.%03lld ms, at worst %lld.%03lld ms", (long long)(middle_us / 1000), (long long)(middle_us % 1000),
		    (long long)(spans_us[DOCTOR_SYNCS - 1] / 1000), (long long)(spans_us[DOCTOR_SYNCS - 1] % 1000));
}

/* A file that everybody may read is worth a word; a directory is as closed as its way there. */
static bool doctor_is_open_to_all(const char *path)
{
	struct stat seen;
	return stat(path, &seen) == 0 && S_ISREG(seen.st_mode) && (seen.st_mode & S_IROTH);
}

static void doctor_secrets(struct doctor *doctor)
{
	const char *path = doctor->config.secrets_path;
	struct secrets *secrets;
	struct problem problem = { 0 };
	if (keeper_open_secrets(&doctor->config, false, &secrets, &problem)) {
		doctor_note(doctor, "secrets", FINDING_FAIL, "Correct it: a daemon does not start like this, and one that runs keeps what it read before.",
			    "%s: %s", problem.field, problem.detail);
		return;
	}
	uint32_t in_file = secrets_count(secrets, SECRET_FILE), in_credentials = secrets_count(secrets, SECRET_CREDENTIAL);
	uint32_t in_environment = secrets_count(secrets, SECRET_ENVIRONMENT), keys = secrets_keys(secrets);
	char key_file[4096];
	secrets_close(secrets);
	if (*path && doctor_is_open_to_all(path))
		doctor_note(doctor, "secrets", FINDING_WARN, "chmod 600, for the daemon's own user.", "%s: everybody on this machine may read it", path);
	else if (*path || in_credentials)
		doctor_note(doctor, "secrets", FINDING_OK, "", "%u in %s, %u credentials", in_file, *path ? path : "no file", in_credentials);
	if (keys)
		doctor_note(doctor, "secrets", FINDING_OK, "", "%s: %u keys, kept from others; back it up apart from the store",
			    keeper_key_file(&doctor->config, key_file), keys);
	if (in_environment)
		doctor_note(doctor, "secrets", FINDING_WARN, "Put them into secrets.path or systemd's credentials.",
			    "%u in the environment, where children of whoever started the daemon see them", in_environment);
}

static void doctor_formats(struct doctor *doctor)
{
	char path[FORMAT_PATH_BYTES];
	struct problem problem = { 0 };
	const char *configured = doctor->config.formats_helper;
	if (format_helper_path(*configured ? configured : NULL, path, &problem))
		doctor_note(doctor, "formats", FINDING_FAIL, "Correct it.", "%s: %s", problem.field, problem.detail);
	else if (access(path, X_OK) != 0)
		doctor_note(doctor, "formats", *configured ? FINDING_FAIL : FINDING_WARN, "Install ruche-jq beside ruche, or name it with formats.helper; "
			    "built-in formats need none.", "%s: %s", path, strerror(errno));
	else
		doctor_note(doctor, "formats", FINDING_OK, "", "programs are run by %s", path);
}

static void doctor_clock(struct doctor *doctor)
{
	struct timex timex = { 0 };
	char now[TIME_TEXT_BYTES];
	int state = adjtimex(&timex);
	time_text(clock_wall_us(), now);
	if (clock_wall_us() / 1000 < UID_EPOCH_MS)
		doctor_note(doctor, "clock", FINDING_FAIL, "Set the clock.", "the clock says %s", now);
	else if (state == TIME_ERROR || (timex.status & STA_UNSYNC))
		doctor_note(doctor, "clock", FINDING_WARN, "Schedules and run_at follow this clock: run chrony or systemd-timesyncd, unless the host does it.",
			    "the clock says %s and the kernel knows of nobody who keeps it right", now);
	else
		doctor_note(doctor, "clock", FINDING_OK, "", "%s, kept by a time service", now);
}

static void doctor_files(struct doctor *doctor)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	bool few = files.rlim_max != RLIM_INFINITY && files.rlim_max < DOCTOR_FILES_LEAST;
	doctor_note(doctor, "files", few ? FINDING_WARN : FINDING_OK, few ? "Raise the hard limit (LimitNOFILE= in systemd, ulimit -Hn)." : "",
		    "up to %llu descriptors, one a connection", (unsigned long long)files.rlim_max);
}

static void doctor_listen(struct doctor *doctor)
{
	for (uint32_t n = 0; n < doctor->config.listen.count; n++) {
		const char *text = doctor->config.listen.items[n];
		struct address address;
		int error;
		if (address_parse(str_of(text), &address, NULL) || address.kind != ADDRESS_IP)
			continue;
		if (address_binds(&address, &error))
			doctor_note(doctor, "listen", doctor->daemon_runs ? FINDING_WARN : FINDING_OK,
				    doctor->daemon_runs ? "The daemon that has the store open listens elsewhere." : "", "%s is free", text);
		else if (error == EADDRINUSE && doctor->daemon_runs)
			doctor_note(doctor, "listen", FINDING_OK, "", "%s is in use, as it should be while the daemon runs", text);
		else
			doctor_note(doctor, "listen", FINDING_FAIL, "Stop what listens there, or choose another address with --listen.", "%s: %s", text,
				    strerror(error));
	}
}

static void doctor_libraries(struct doctor *doctor)
{
	doctor_note(doctor, "libraries", FINDING_OK, "", "ruche %s, SQLite %s, libuv %s, libcurl %s, %s", RUCHE_VERSION, store_sqlite_library(),
		    uv_version_string(), http_client_library(), OpenSSL_version(OPENSSL_VERSION));
}

static void doctor_daemon(struct doctor *doctor)
{
	const char *url = args_get(doctor->args, "url");
	if (!url)
		return;
	bool is_unix = strncmp(url, "unix:", 5) == 0;
	char whole[4096];
	struct problem problem = { 0 };
	struct http_answer answer = { 0 };
	snprintf(whole, sizeof(whole), "%s/readyz?verbose", is_unix ? "http://ruche" : url);
	const struct http_caller_config wanted = { .unix_socket = is_unix ? url + 5 : NULL, .connect_ms = 5000 };
	const struct http_call call = { .url = whole, .timeout_ms = 10000, .answer_max = 64 * 1024 };
	struct http_caller *caller = http_caller_new(&wanted);
	enum err err = caller ? http_caller_call(caller, &call, &answer, &problem) : E_NOMEM;
	if (err)
		doctor_note(doctor, "daemon", FINDING_FAIL, "Start it, or correct --url.", "%s: %s", url, *problem.detail ? problem.detail : err_sentence(err));
	else
		doctor_note(doctor, "daemon", answer.status == 200 ? FINDING_OK : FINDING_FAIL, answer.status == 200 ? "" : "Its log says more.",
			    "%s: %s: " STR_FMT, url, answer.status == 200 ? "ready" : "not ready", STR_ARG(str_cut(buf_str(&answer.body), 200)));
	if (!err)
		http_answer_fini(&answer);
	http_caller_free(caller);
}

/* ---- telling ---- */

static const char *const finding_names[] = { "ok", "warn", "fail" };

static enum finding doctor_worst(const struct doctor *doctor)
{
	enum finding worst = FINDING_OK;
	for (uint32_t i = 0; i < doctor->count; i++)
		worst = doctor->checks[i].finding > worst ? doctor->checks[i].finding : worst;
	return worst;
}

static void doctor_print_json(const struct doctor *doctor)
{
	struct buf out;
	buf_init(&out, 1024 * 1024);
	buf_add_lit(&out, "{");
	json_put_field_str(&out, "result", str_of(finding_names[doctor_worst(doctor)]));
	json_put_key(&out, "checks");
	buf_add_lit(&out, "[");
	for (uint32_t i = 0; i < doctor->count; i++) {
		const struct check *check = &doctor->checks[i];
		json_put_comma(&out);
		buf_add_lit(&out, "{");
		json_put_field_str(&out, "name", str_of(check->name));
		json_put_field_str(&out, "result", str_of(finding_names[check->finding]));
		json_put_field_str(&out, "detail", str_of(check->detail));
		json_put_field_str(&out, "advice", str_of(check->advice));
		buf_add_lit(&out, "}");
	}
	buf_add_lit(&out, "]}\n");
	fwrite(out.ptr, 1, out.len, stdout);
	buf_fini(&out);
}

static void doctor_print(const struct doctor *doctor)
{
	static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };
	bool coloured = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	for (uint32_t i = 0; i < doctor->count; i++) {
		const struct check *check = &doctor->checks[i];
		printf("%s%-4s%s  %-13s  %s\n", coloured ? colours[check->finding] : "", finding_names[check->finding], coloured ? "\033[0m" : "", check->name,
		       check->detail);
		if (*check->advice)
			printf("%21s→ %s\n", "", check->advice);
	}
}

int cmd_doctor(int argc, char **argv)
{
	struct args args;
	struct doctor doctor = { .args = &args };
	int code = command_args(argc, argv, &args);
	if (code)
		return code;
	doctor_configuration(&doctor);
	if (doctor.has_config) {
		doctor_secrets(&doctor);
		doctor_formats(&doctor);
		doctor_store(&doctor);
		doctor_disk(&doctor);
		doctor_sync(&doctor);
		doctor_listen(&doctor);
	}
	doctor_clock(&doctor);
	doctor_files(&doctor);
	doctor_libraries(&doctor);
	doctor_daemon(&doctor);
	if (args_has(&args, "json"))
		doctor_print_json(&doctor);
	else
		doctor_print(&doctor);
	if (doctor.has_config)
		config_fini(&doctor.config);
	return doctor_worst(&doctor) == FINDING_FAIL ? 1 : 0;
}
