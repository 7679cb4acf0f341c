#include "secret/secret.h"
#include "base/mem.h"
#include "secret/place.h"
#include "secret/snapshot.h"
#include "secret/vault.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define NOW INT64_C(1800000000000000)

static char directory[64];

static const char *at(const char *name)
{
	static char paths[4][128];
	static int turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text) /* in place */
{
	FILE *file = fopen(at(name), "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void replace_file(const char *name, const char *text) /* by another one, which no clock's tick hides */
{
	write_file("new", text);
	assert_int_equal(rename(at("new"), at(name)), 0);
}

static int fresh_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/ruche-secrets-XXXXXX");
	return mkdtemp(directory) ? 0 : 1;
}

static int no_directory(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static struct secrets *open_secrets(const char *path)
{
	struct secrets *secrets = NULL;
	struct problem problem = { 0 };
	enum err err = secrets_open(&(struct secrets_config){ .path = path }, &secrets, &problem);
	if (err)
		print_error("%s: %s\n", problem.field, problem.detail);
	assert_int_equal(err, E_OK);
	return secrets;
}

/* The values found, with commas between; "" when there are none. */
static const char *found_at(struct secrets *secrets, const char *namespace_name, const char *reference, int64_t now_us)
{
	static char text[1024];
	struct secret_snapshot *held = secrets_hold(secrets);
	struct secret secret;
	size_t len = 0;
	text[0] = '\0';
	bool is_there = secret_find(held, str_of(namespace_name), str_of(reference), now_us, &secret);
	assert_int_equal(is_there, secret.count > 0);
	for (uint32_t i = 0; i < secret.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s" STR_FMT, i ? "," : "", STR_ARG(secret.values[i].bytes));
	secret_snapshot_drop(held);
	return text;
}

static const char *found(struct secrets *secrets, const char *reference)
{
	return found_at(secrets, "", reference, NOW);
}

/* ---- files ---- */

static void a_json_file_is_read(void **state)
{
	(void)state;
	write_file("s.json", "{\"crm\": \"one\", \"pair\": [\"new\", \"o\\u006cd\"],\n"
			     " \"timed\": {\"values\": [{\"value\": \"now\"}, {\"until_at\": \"2027-01-15T08:00:01Z\", \"value\": \"soon\"},"
			     " {\"value\": \"gone\", \"until_at\": \"2027-01-15T08:00:00Z\"}, {\"value\": \"ever\", \"until_at\": null}]},"
			     " \"billing/crm\": \"theirs\", \"endpoint/x\": \"of an endpoint\"}");
	struct secrets *secrets = open_secrets(at("s.json"));
	assert_int_equal(secrets_count(secrets, SECRET_FILE), 5);
	assert_string_equal(found(secrets, "crm"), "one");
	assert_string_equal(found(secrets, "pair"), "new,old");
	assert_string_equal(found(secrets, "timed"), "now,soon,ever"); /* NOW is 2027-01-15T08:00:00Z */
	assert_string_equal(found_at(secrets, "", "timed", NOW + 1000000), "now,ever");
	assert_string_equal(found(secrets, "endpoint/x"), "of an endpoint");
	assert_string_equal(found_at(secrets, "billing", "endpoint/x", NOW), "of an endpoint");
	assert_string_equal(found_at(secrets, "endpoint", "x", NOW), "of an endpoint"); /* a namespace of that name, too */
	assert_string_equal(found(secrets, "nothing"), "");
	assert_string_equal(found(secrets, ""), "");
	assert_string_equal(found(secrets, "file:crm"), "one");
	assert_string_equal(found(secrets, "env:crm"), "");
	assert_string_equal(found(secrets, "vault:crm"), "");
	secrets_close(secrets);
}

static void namespaces_see_their_own(void **state)
{
	(void)state;
	write_file("s.json", "{\"crm\": \"all\", \"billing/crm\": \"billing\", \"\xc3\xa9t\xc3\xa9/x/y\": \"summer\", \"default/d\": \"default\"}");
	struct secrets *secrets = open_secrets(at("s.json"));
	assert_string_equal(found_at(secrets, "billing", "crm", NOW), "billing");
	assert_string_equal(found_at(secrets, "billing", "billing/crm", NOW), "billing");
	assert_string_equal(found_at(secrets, "billing", "file:billing/crm", NOW), "billing");
	assert_string_equal(found_at(secrets, "bill", "ing/crm", NOW), "");
	assert_string_equal(found_at(secrets, "other", "crm", NOW), "all");
	assert_string_equal(found_at(secrets, "other", "billing/crm", NOW), ""); /* nobody reads another namespace's */
	assert_string_equal(found(secrets, "billing/crm"), "");
	assert_string_equal(found(secrets, "d"), "default");
	assert_string_equal(found_at(secrets, "other", "d", NOW), "");
	assert_string_equal(found_at(secrets, "\xc3\xa9t\xc3\xa9", "x/y", NOW), "summer");
	secrets_close(secrets);
}

static void a_directory_is_read(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("d"), 0700), 0);
	assert_int_equal(mkdir(at("d/billing"), 0700), 0);
	write_file("d/crm", "value\n");
	write_file("d/windows", "value\r\n");
	write_file("d/pem", "-----BEGIN\nx\n\n");
	write_file("d/billing/crm", "theirs");
	write_file("d/.hidden", "x");
	write_file("d/crm~", "x");
	write_file("d/not a name", "x");
	struct secrets *secrets = open_secrets(at("d"));
	assert_int_equal(secrets_count(secrets, SECRET_FILE), 4);
	assert_string_equal(found(secrets, "crm"), "value");
	assert_string_equal(found(secrets, "windows"), "value");
	assert_string_equal(found(secrets, "pem"), "-----BEGIN\nx\n");
	assert_string_equal(found_at(secrets, "billing", "crm", NOW), "theirs");
	secrets_close(secrets);
}

static void places_have_an_order(void **state)
{
	char both[] = "RUCHE_SECRET_BOTH=environment", only[] = "RUCHE_SECRET_CONNECT_ID=id", empty[] = "RUCHE_SECRET_EMPTY=", other[] = "RUCHE_SECRETS_PATH=/x";
	char signing[] = "RUCHE_SECRET_ENDPOINT_CRM=signing", *environment[] = { both, only, empty, other, signing, NULL };
	struct secrets *secrets = NULL;
	struct problem problem = { 0 };
	(void)state;
	assert_int_equal(mkdir(at("credentials"), 0700), 0);
	write_file("credentials/secret.both", "credential");
	write_file("credentials/secret.cred", "c\n");
	write_file("credentials/admin.token", "x");
	write_file("s.json", "{\"both\": \"file\"}");
	const struct secrets_config config = { .path = at("s.json"), .credentials = at("credentials"), .environment = environment, .wipe_environment = true };
	assert_int_equal(secrets_open(&config, &secrets, &problem), E_OK);
	assert_int_equal(secrets_count(secrets, SECRET_CREDENTIAL), 2);
	assert_int_equal(secrets_count(secrets, SECRET_ENVIRONMENT), 3);
	assert_string_equal(found(secrets, "both"), "file");
	assert_string_equal(found(secrets, "credential:both"), "credential");
	assert_string_equal(found(secrets, "env:BOTH"), "environment");
	assert_string_equal(found(secrets, "cred"), "c");
	assert_string_equal(found(secrets, "connect-id"), "id");
	assert_string_equal(found_at(secrets, "billing", "connect-id", NOW), "id");
	assert_string_equal(found(secrets, "connect/id"), "");
	assert_string_equal(found(secrets, "endpoint/crm"), "signing");
	assert_string_equal(found(secrets, "empty"), "");
	for (size_t i = strlen("RUCHE_SECRET_BOTH="); i < sizeof(both); i++)
		assert_int_equal(both[i], 0); /* read, then gone */
	assert_string_equal(other, "RUCHE_SECRETS_PATH=/x");
	secrets_close(secrets);
}

static const struct {
	const char *text, *detail;
} refusals[] = {
	{ "", "byte 0" },
	{ "{\"crm\": \"hush", "byte" },
	{ "[]", "Expected an object" },
	{ "{\"crm\": 12345678}", "crm: Expected a string" },
	{ "{\"crm\": \"\"}", "crm: A value is empty" },
	{ "{\"crm\": []}", "crm: A secret needs a value" },
	{ "{\"crm\": [\"hush\", 1]}", "crm[1]: Expected a string" },
	{ "{\"crm\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]}", "at most 10 values" },
	{ "{\"crm\": \"a\\u0000b\"}", "crm: " },
	{ "{\"crm\": {\"value\": \"hush\"}}", "Unknown field" },
	{ "{\"crm\": {\"values\": [{\"until_at\": null}]}}", "crm.values[0]" },
	{ "{\"crm\": {\"values\": [{\"value\": \"x\", \"until_at\": \"hush\"}]}}", "Expected an instant" },
	{ "{\"a b\": \"x\"}", "letters, digits" },
	{ "{\"crm/\": \"x\"}", "letters, digits" },
	{ "{\"\": \"x\"}", "letters, digits" },
	{ "{\"crm\": \"x\", \"crm\": \"hush\"}", "'crm' is there twice" },
	{ "{\"crm\": \"x\"} hush", "byte" },
};

static void bad_files_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
		struct secrets *secrets = NULL;
		struct problem problem = { 0 };
		write_file("s.json", refusals[i].text);
		assert_int_equal(secrets_open(&(struct secrets_config){ .path = at("s.json") }, &secrets, &problem), E_CONFIG);
		assert_string_equal(problem.field, "secrets.path");
		if (!strstr(problem.detail, refusals[i].detail))
			fail_msg("%s: %s", refusals[i].text, problem.detail);
		assert_null(strstr(problem.detail, "hush")); /* a value is not told */
		assert_null(strstr(problem.detail, "12345678"));
	}
}

static void places_that_are_not_there_are_refused(void **state)
{
	char long_value[SECRET_BYTES_MAX + 20] = "RUCHE_SECRET_LONG=", *environment[] = { long_value, NULL };
	struct secrets *secrets = NULL;
	struct problem problem = { 0 };
	(void)state;
	assert_int_equal(secrets_open(&(struct secrets_config){ .path = at("none") }, &secrets, &problem), E_CONFIG);
	assert_non_null(strstr(problem.detail, "No such file"));
	assert_int_equal(secrets_open(&(struct secrets_config){ .credentials = at("none") }, &secrets, &problem), E_CONFIG);
	assert_string_equal(problem.field, "$CREDENTIALS_DIRECTORY");
	memset(long_value + strlen(long_value), 'x', sizeof(long_value) - strlen(long_value) - 1);
	assert_int_equal(secrets_open(&(struct secrets_config){ .environment = environment }, &secrets, &problem), E_CONFIG);
	assert_string_equal(problem.detail, "RUCHE_SECRET_LONG: A value has at most 64 KiB.");
	assert_int_equal(mkdir(at("d"), 0700), 0);
	write_file("d/crm", "\n");
	assert_int_equal(secrets_open(&(struct secrets_config){ .path = at("d") }, &secrets, &problem), E_CONFIG);
	assert_string_equal(problem.detail, "'crm': A value is empty.");
	secrets_close(NULL);
	secret_snapshot_drop(NULL);
}

/* ---- changes ---- */

static void look(struct secrets *secrets, enum secrets_news wanted)
{
	struct problem problem = { 0 };
	enum secrets_news news = secrets_look(secrets, &problem);
	if (news != wanted)
		fail_msg("news %d: %s", (int)news, problem.detail);
	assert_int_equal(problem.detail[0] != '\0', problem.err != E_OK);
}

static void a_change_is_seen(void **state)
{
	(void)state;
	write_file("s.json", "{\"crm\": \"one\"}");
	struct secrets *secrets = open_secrets(at("s.json"));
	struct secret_snapshot *before = secrets_hold(secrets);
	struct secret old;
	assert_true(secret_find(before, STR(""), STR("crm"), NOW, &old));
	look(secrets, SECRETS_SAME);
	write_file("s.json", "{\"crm\": \"other\"}");
	look(secrets, SECRETS_FRESH);
	look(secrets, SECRETS_SAME);
	look(secrets, SECRETS_SAME);
	assert_string_equal(found(secrets, "crm"), "other");
	assert_true(str_eq(old.values[0].bytes, STR("one"))); /* who holds a snapshot has what it said */
	secrets_close(secrets);
	assert_true(str_eq(old.values[0].bytes, STR("one")));
	secret_snapshot_drop(before);
}

/* Of one size within one tick of the file's clock: no mark tells it, so the place is read once more. */
static void a_change_within_a_tick_is_seen(void **state)
{
	struct timespec times[2];
	struct stat seen;
	(void)state;
	write_file("s.json", "{\"crm\": \"one\"}");
	struct secrets *secrets = open_secrets(at("s.json"));
	look(secrets, SECRETS_SAME);
	replace_file("s.json", "{\"crm\": \"two\"}");
	look(secrets, SECRETS_FRESH);
	assert_int_equal(stat(at("s.json"), &seen), 0);
	times[0] = seen.st_atim, times[1] = seen.st_mtim;
	write_file("s.json", "{\"crm\": \"six\"}");
	assert_int_equal(utimensat(AT_FDCWD, at("s.json"), times, 0), 0);
	struct problem problem = { 0 };
	assert_int_not_equal(secrets_look(secrets, &problem), SECRETS_REFUSED);
	assert_string_equal(found(secrets, "crm"), "six");
	secrets_close(secrets);
}

static void a_half_written_file_keeps_the_old_one(void **state)
{
	(void)state;
	write_file("s.json", "{\"crm\": \"one\"}");
	struct secrets *secrets = open_secrets(at("s.json"));
	write_file("s.json", "{\"crm\": \"tw");
	look(secrets, SECRETS_REFUSED);
	look(secrets, SECRETS_SAME); /* told once */
	look(secrets, SECRETS_SAME);
	assert_string_equal(found(secrets, "crm"), "one");
	write_file("s.json", "");
	look(secrets, SECRETS_REFUSED); /* something else is wrong now */
	assert_int_equal(unlink(at("s.json")), 0);
	look(secrets, SECRETS_REFUSED);
	look(secrets, SECRETS_SAME);
	assert_string_equal(found(secrets, "crm"), "one");
	write_file("s.json", "{\"crm\": \"two\"}");
	look(secrets, SECRETS_FRESH);
	assert_string_equal(found(secrets, "crm"), "two");
	secrets_close(secrets);
}

/* As it was, after it was away: that is news too, for whoever was told that it is bad. */
static void what_comes_back_is_told(void **state)
{
	(void)state;
	write_file("s.json", "{\"crm\": \"one\"}");
	struct secrets *secrets = open_secrets(at("s.json"));
	assert_int_equal(rename(at("s.json"), at("away")), 0);
	look(secrets, SECRETS_REFUSED);
	assert_int_equal(rename(at("away"), at("s.json")), 0);
	look(secrets, SECRETS_FRESH);
	assert_string_equal(found(secrets, "crm"), "one");
	secrets_close(secrets);
}

/* A volume as kubelet keeps it: links through ..data, which is renamed over. */
static void a_swapped_link_is_seen(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("v"), 0700), 0);
	assert_int_equal(mkdir(at("v/..1"), 0700), 0);
	assert_int_equal(mkdir(at("v/..2"), 0700), 0);
	write_file("v/..1/crm", "one");
	write_file("v/..2/crm", "two");
	assert_int_equal(symlink("..1", at("v/..data")), 0);
	assert_int_equal(symlink("..data/crm", at("v/crm")), 0);
	struct secrets *secrets = open_secrets(at("v"));
	struct secrets *file = open_secrets(at("v"));
	assert_int_equal(secrets_count(secrets, SECRET_FILE), 1);
	assert_string_equal(found(secrets, "crm"), "one");
	look(secrets, SECRETS_SAME);
	assert_int_equal(symlink("..2", at("v/..new")), 0);
	assert_int_equal(rename(at("v/..new"), at("v/..data")), 0);
	look(secrets, SECRETS_FRESH);
	look(file, SECRETS_FRESH);
	assert_string_equal(found(secrets, "crm"), "two");
	assert_int_equal(unlink(at("v/crm")), 0); /* a key that is taken away */
	look(secrets, SECRETS_FRESH);
	assert_string_equal(found(secrets, "crm"), "");
	secrets_close(secrets);
	secrets_close(file);
}

/* ---- memory ---- */

static void no_memory_changes_nothing(void **state)
{
	char variable[] = "RUCHE_SECRET_X=y", *environment[] = { variable, NULL };
	(void)state;
	assert_int_equal(mkdir(at("credentials"), 0700), 0);
	write_file("credentials/secret.c", "c");
	for (uint64_t n = 1;; n++) {
		struct secrets *secrets = NULL;
		struct problem problem = { 0 };
		write_file("s.json", "{\"crm\": \"o\\u006ee\"}");
		const struct secrets_config config = { .path = at("s.json"), .credentials = at("credentials"), .environment = environment };
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = secrets_open(&config, &secrets, &problem);
		bool failed = mem_fail_disarm();
		assert_int_equal(err, failed ? E_NOMEM : E_OK);
		if (!failed) {
			secrets_close(secrets);
			break;
		}
	}
	struct secrets *secrets = open_secrets(at("s.json"));
	look(secrets, SECRETS_SAME);
	for (uint64_t n = 1;; n++) {
		struct problem problem = { 0 };
		char text[64];
		snprintf(text, sizeof(text), "{\"crm\": \"change %u\"}", (unsigned)n);
		replace_file("s.json", text);
		mem_fail_after(n, MEM_FAIL_ONE);
		enum secrets_news news = secrets_look(secrets, &problem);
		bool failed = mem_fail_disarm();
		assert_int_equal(news, failed ? SECRETS_REFUSED : SECRETS_FRESH);
		look(secrets, failed ? SECRETS_FRESH : SECRETS_SAME); /* it is looked at again by itself */
		snprintf(text, sizeof(text), "change %u", (unsigned)n);
		assert_string_equal(found(secrets, "crm"), text);
		if (!failed)
			break;
	}
	secrets_close(secrets);
}

static void a_vault_grows_and_is_its_own_memory(void **state)
{
	struct vault vault = { 0 };
	(void)state;
	for (size_t bytes = 0; bytes < 3000; bytes += 7) {
		char *memory = vault_alloc(&vault, bytes);
		assert_non_null(memory);
		assert_int_equal((uintptr_t)memory % 16, 0);
		for (size_t i = 0; i < bytes; i++)
			assert_int_equal(memory[i], 0);
		memset(memory, 0xff, bytes);
	}
	assert_non_null(vault_alloc(&vault, 1 << 20));
	assert_null(vault_alloc(&vault, SIZE_MAX));
	vault_fini(&vault);
	assert_null(vault.chunks);
}

/* The kernel's own list says that no dump gets a mapping ("dd") and no child ("dc"). */
static void a_vault_is_in_no_core_dump(void **state)
{
	struct vault vault = { 0 };
	unsigned long begin, end, secret = (unsigned long)(uintptr_t)vault_alloc(&vault, 10);
	char line[512];
	bool here = false, seen = false;
	FILE *maps = fopen("/proc/self/smaps", "r");
	(void)state;
	if (!maps)
		skip();
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2 && strchr(line, '-') && strncmp(line, "VmFlags:", 8) != 0)
			here = secret >= begin && secret < end;
		if (here && strncmp(line, "VmFlags:", 8) == 0) {
			assert_non_null(strstr(line, " dd"));
			assert_non_null(strstr(line, " dc"));
			seen = true;
		}
	}
	fclose(maps);
	vault_fini(&vault);
	if (!seen)
		skip(); /* a kernel that tells no flags */
}

/* ---- threads ---- */

#define RACE_CHANGES 200

static struct {
	struct secrets *secrets;
	atomic_bool ends;
	atomic_uint found;
} race;

/* Whatever is found is whole: two equal halves. */
static void *race_reader(void *context)
{
	(void)context;
	while (!atomic_load(&race.ends)) {
		struct secret_snapshot *held = secrets_hold(race.secrets);
		struct secret secret;
		if (!secret_find(held, STR("ns"), STR("crm"), NOW, &secret) || secret.count != 2 || !str_eq(secret.values[0].bytes, secret.values[1].bytes))
			abort();
		secret_snapshot_drop(held);
		atomic_fetch_add(&race.found, 1);
	}
	return NULL;
}

static void holds_and_looks_race(void **state)
{
	pthread_t readers[2];
	(void)state;
	write_file("s.json", "{\"crm\": [\"0\", \"0\"]}");
	race.secrets = open_secrets(at("s.json"));
	for (size_t i = 0; i < ARRAY_COUNT(readers); i++)
		assert_int_equal(pthread_create(&readers[i], NULL, race_reader, NULL), 0);
	for (int n = 0; n < RACE_CHANGES || !atomic_load(&race.found); n++) {
		char text[64];
		struct problem problem = { 0 };
		snprintf(text, sizeof(text), "{\"crm\": [\"%d\", \"%d\"]}", n, n);
		replace_file("s.json", text);
		assert_int_equal(secrets_look(race.secrets, &problem), SECRETS_FRESH);
	}
	atomic_store(&race.ends, true);
	for (size_t i = 0; i < ARRAY_COUNT(readers); i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	secrets_close(race.secrets);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, fresh_directory, no_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_json_file_is_read),
		IN_DIRECTORY(namespaces_see_their_own),
		IN_DIRECTORY(a_directory_is_read),
		IN_DIRECTORY(places_have_an_order),
		IN_DIRECTORY(bad_files_are_refused),
		IN_DIRECTORY(places_that_are_not_there_are_refused),
		IN_DIRECTORY(a_change_is_seen),
		IN_DIRECTORY(a_change_within_a_tick_is_seen),
		IN_DIRECTORY(a_half_written_file_keeps_the_old_one),
		IN_DIRECTORY(what_comes_back_is_told),
		IN_DIRECTORY(a_swapped_link_is_seen),
		IN_DIRECTORY(no_memory_changes_nothing),
		cmocka_unit_test(a_vault_grows_and_is_its_own_memory),
		cmocka_unit_test(a_vault_is_in_no_core_dump),
		IN_DIRECTORY(holds_and_looks_race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
