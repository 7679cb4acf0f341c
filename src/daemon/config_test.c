#include "daemon/config.h"
#include "cli/args.h"
#include "daemon/config_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define TOKEN "rch_hush56789012345678901234567890123456789012" "0"

static char test_path[] = "/tmp/ruche-config-XXXXXX";

static void test_write(const char *text)
{
	FILE *file = fopen(test_path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static enum err test_load(struct config *config, char **argv, char **environment, struct problem *problem)
{
	static struct cli_command command = { .name = "serve" };
	struct args args;
	if (!command.options)
		command.options = config_options(NULL);
	int argc = 0;
	while (argv && argv[argc])
		argc++;
	if (argv)
		assert_int_equal(args_read(&args, &command, argc, argv), 0);
	enum err err = config_load(config, argv ? &args : NULL, environment, problem);
	return err;
}

static void test_defaults(void **state)
{
	(void)state;
	struct config config;
	struct problem problem = { 0 };
	assert_int_equal(config_load(&config, NULL, NULL, &problem), E_OK);
	assert_string_equal(config.store_path, "./ruche.db");
	assert_int_equal(config.listen.count, 1);
	assert_string_equal(config.listen.items[0], "127.0.0.1:8420");
	assert_int_equal(config.http_body_bytes, 4 * MIB);
	assert_int_equal(config.shutdown_grace_ms, 10000);
	assert_int_equal(config.log_level, 1);
	assert_int_equal(config.deliver_allow.count, 0);
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++)
		assert_int_equal(config.origins[key].kind, CONFIG_BY_DEFAULT);
	config_fini(&config);
}

static const struct {
	const char *text;    /* of the file */
	const char *place;   /* ":line" */
	const char *detail;  /* must be part of it */
} refusals[] = {
	{ "store.pth = x\n", ":1", "did you mean 'store.path'?" },
	{ "\n# c\n[htp]\nbody_bytes = 1MiB\n", ":4", "did you mean 'http.body_bytes'?" },
	{ "[store]\nbody_bytes = 1MiB\n", ":2", "did you mean 'http.body_bytes'?" },
	{ "nonsense_entirely = 1\n", ":1", "config print --defaults" },
	{ "[http]\nbody_bytes = 65MiB\n", ":2", "outside 1024 to 67108864" },
	{ "[http]\nbody_bytes = many\n", ":2", "is not bytes" },
	{ "[http]\nheader_ms = soon\n", ":2", "is not a span of time" },
	{ "[http]\nheader_ms = 1ms\n", ":2", "outside" },
	{ "[http]\nconnections = 1.5\n", ":2", "is not a whole number" },
	{ "[formats]\nhelpers = 0\n", ":2", "outside 1 to 16" },
	{ "[formats]\nhelpers = 17\n", ":2", "outside 1 to 16" },
	{ "[formats]\ncpu_ms = 5ms\n", ":2", "outside" },
	{ "[formats]\nwall_ms = 11m\n", ":2", "outside" },
	{ "[formats]\nhelpres = 2\n", ":2", "did you mean 'formats.helper" },
	{ "[log]\nlevel = loud\n", ":2", "none of: debug info warn error" },
	{ "ephemeral = maybe\n", ":1", "neither true nor false" },
	{ "listen = 8420\n", ":1", "listen: " },
	{ "listen = [\n\"127.0.0.1:1\",\n\"nowhere\"\n]\n", ":1", "listen: " },
	{ "listen = [\n\"127.0.0.1:1\",\n", ":3", "has no ']'" },
	{ "listen = [\"127.0.0.1:1\" \"127.0.0.1:2\"]\n", ":1", "comma" },
	{ "[deliver]\nallow = [\"10.0.0.1/8\"]\n", ":2", "deliver.allow: " },
	{ "[deliver]\nallow = [\"crm.internal\", \"*\"]\n", ":2", "deliver.allow: '*' is not taken: 0.0.0.0/0 and ::/0" },
	{ "[deliver]\nallow = \"LocalHost.\"\n", ":2", "a name does not permit loopback" },
	{ "[deliver]\nallow = \".localhost\"\n", ":2", "a name does not permit loopback" },
	{ "[deliver]\nallow = \"crm.localhost\"\n", ":2", "a name does not permit loopback" },
	{ "[deliver]\nallow = \"http://crm\"\n", ":2", "is not an address range" },
	{ "[deliver]\nallow = \"crm:80\"\n", ":2", "without scheme and port" },
	{ "[deliver]\nports = [\"443\", \"99999\"]\n", ":2", "deliver.ports: '99999' is no port" },
	{ "[deliver]\nports = [\"https\"]\n", ":2", "write 443 or 8000-8999" },
	{ "[deliver]\nports = [9000-8000]\n", ":2", "ends before it begins" },
	{ "[deliver]\nhttps_only = perhaps\n", ":2", "deliver.https_only: 'perhaps' is neither true nor false" },
	{ "[log]\nlevel = [\"info\"]\n", ":2", "takes one value" },
	{ "[log]\nlevel = info\nlevel = warn\n", ":3", "already set on line 2" },
	{ "[store]\npath = \"x\n", ":2", "has no end" },
	{ "[store]\npath = \"\\x\"\n", ":2", "backslash" },
	{ "[store]\npath = \n", ":2", "has no value" },
	{ "[store]\npath x\n", ":2", "not followed by '='" },
	{ "[store]\npath = a b\n", ":2", "between quotes" },
	{ "[admin]\ntoken = rch_short\n", ":2", "43 letters" },
	{ "[admin]\ntoken = " TOKEN "x\n", ":2", "43 letters" },
	{ "[admin]\ntoken = xch_" "0123456789012345678901234567890123456789012\n", ":2", "43 letters" },
	{ "[admin]\ntoken = \"rch_012345678901234567890123456789012345678901 \"\n", ":2", "43 letters" },
	{ "[deliver]\nproxy = proxy.example:3128\n", ":2", "http://proxy.example:3128" },
	{ "[deliver]\nproxy = \"ftp://proxy.example\"\n", ":2", "socks5" },
	{ "[deliver]\nproxy = \"http://\"\n", ":2", "expected a URL" },
	{ "[deliver]\nproxy = \"http://a b\"\n", ":2", "expected a URL" },
	{ "[deliver]\nno_proxy = [\"crm.example\", \"a..b\"]\n", ":2", "deliver.no_proxy: 'a..b' is no host" },
	{ "[deliver]\nno_proxy = crm.example:80\n", ":2", "without scheme and port" },
	{ "[deliver]\nno_proxy = 10.0.0.1/8\n", ":2", "bits set" },
	{ "[store\npath = a\n", ":1", "A section is written" },
	{ "= 3\n", ":1", "A line is" },
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
		char *argv[] = { "serve", "--config", test_path, NULL };
		struct config config;
		struct problem problem = { 0 };
		test_write(refusals[i].text);
		assert_int_equal(test_load(&config, argv, NULL, &problem), E_CONFIG);
		char place[64];
		snprintf(place, sizeof(place), "%s%s", test_path, refusals[i].place);
		if (strcmp(problem.field, place) != 0 || !strstr(problem.detail, refusals[i].detail))
			fail_msg("%s: %s: %s", refusals[i].text, problem.field, problem.detail);
	}
}

static void test_layers(void **state)
{
	(void)state;
	char *argv[] = { "serve", "-c", test_path, "--listen", "127.0.0.1:3", "--listen", "unix:/tmp/s", "--ephemeral", "--store", "flag.db", NULL };
	char *environment[] = { "RUCHE_HTTP_IDLE_MS=5s", "RUCHE_DELIVER_ALLOW=127.0.0.0/8, ::1/128", "RUCHE_LOG_FORMAT=json", NULL };
	struct config config;
	struct problem problem = { 0 };
	test_write("listen = \"127.0.0.1:1, 127.0.0.1:2\" # two\n[store]\npath = 'file.db'\nreserve_bytes=1GiB\n"
		   "[http]\nidle_ms = 7s\nbody_bytes = \"64 KiB\"\n[log]\nformat=text\n");
	assert_int_equal(test_load(&config, argv, environment, &problem), E_OK);
	assert_int_equal(config.listen.count, 2);
	assert_string_equal(config.listen.items[1], "unix:/tmp/s");
	assert_string_equal(config.store_path, "flag.db");
	assert_string_equal(config.origins[CONFIG_STORE_PATH].where, "--store");
	assert_true(config.ephemeral);
	assert_int_equal(config.store_reserve_bytes, GIB);
	assert_int_equal(config.http_idle_ms, 5000);
	assert_int_equal(config.http_body_bytes, 64 * KIB);
	assert_int_equal(config.log_format, 2);
	assert_int_equal(config.deliver_allow.count, 2);
	assert_string_equal(config.deliver_allow.items[1], "::1/128");
	assert_string_equal(config.origins[CONFIG_HTTP_IDLE_MS].where, "RUCHE_HTTP_IDLE_MS");
	assert_int_equal(config.origins[CONFIG_STORE_RESERVE_BYTES].kind, CONFIG_BY_FILE);
	config_fini(&config);
}

/* Reads this file; its first warning holds these words. NULL: there is none. */
static void test_load_warned(struct config *config, const char *file, const char *words)
{
	char *argv[] = { "serve", "-c", test_path, NULL };
	struct problem problem = { 0 };
	char text[256];
	test_write(file);
	assert_int_equal(test_load(config, argv, NULL, &problem), E_OK);
	const char *warning = config_warning(config, 0, text);
	if (words ? !warning || !strstr(warning, words) : warning != NULL)
		fail_msg("%s: %s", file, warning ? warning : "no warning");
}

/* Where deliveries may go; and what is most likely not meant. */
static void test_doors(void **state)
{
	(void)state;
	static const struct {
		const char *text, *warning; /* NULL: none */
		uint32_t count;
	} cases[] = {
		{ "[deliver]\nhttps_only = true\nports = [\"443\", 8000-8999]\n", NULL, 2 },
		{ "[deliver]\nports = 80\n", NULL, 1 },
		{ "[deliver]\nports = \"1-1024, 8080\"\n", NULL, 2 },
		{ "[deliver]\nports = []\n", NULL, 0 },
		{ "[deliver]\nports = 8443\n", "neither 443 nor 80", 1 },
		{ "[deliver]\nhttps_only = on\nports = [80, 8443]\n", "443 is not among them", 2 },
		{ "[deliver]\nno_proxy = .example\n", "says nothing without deliver.proxy", 0 },
		{ "[deliver]\nproxy = \"http://p:1\"\nno_proxy = [.example, 10.0.0.0/8]\n", "save of hosts in deliver.no_proxy", 0 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct config config;
		test_load_warned(&config, cases[i].text, cases[i].warning);
		assert_int_equal(config.deliver_ports.count, cases[i].count);
		assert_int_equal(config.deliver_https_only, strstr(cases[i].text, "https_only") != NULL);
		config_fini(&config);
	}
}

/* A body that is allowed should find room beside others, also one of a sender without a token. */
static void test_room_for_bodies(void **state)
{
	(void)state;
	static const struct {
		const char *text, *warning; /* NULL: none */
	} cases[] = {
		{ "[http]\nbody_memory = 8MiB\n", NULL },
		{ "[http]\nbody_memory = 8388607\n", "less than twice http.body_bytes" },
		{ "[http]\nbody_memory = 4MiB\n", "less than twice http.body_bytes" },
		{ "[http]\nbody_memory = 4194303\n", "less than http.body_bytes" },
		{ "[http]\nbody_bytes = 64MiB\n", NULL },
		{ "[http]\nbody_bytes = 64MiB\nbody_memory = 127MiB\n", "less than twice http.body_bytes" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct config config;
		test_load_warned(&config, cases[i].text, cases[i].warning);
		config_fini(&config);
	}
}

static void test_secrets(void **state)
{
	(void)state;
	char variable[64];
	snprintf(variable, sizeof(variable), "RUCHE_ADMIN_TOKEN_FILE=%s", test_path);
	char *environment[] = { variable, NULL }, *both[] = { variable, "RUCHE_ADMIN_TOKEN=" TOKEN, NULL },
	     *bare[] = { "RUCHE_ADMIN_TOKEN=" TOKEN, NULL },
	     *malformed[] = { "RUCHE_ADMIN_TOKEN=hush", NULL };
	struct config config;
	struct problem problem = { 0 };
	char text[256];
	test_write(TOKEN "\n");
	assert_int_equal(config_load(&config, NULL, environment, &problem), E_OK);
	assert_string_equal(config.admin_token, TOKEN);
	assert_null(config_warning(&config, 0, text));
	config_fini(&config);

	assert_int_equal(config_load(&config, NULL, both, &problem), E_CONFIG);
	assert_int_equal(config_load(&config, NULL, malformed, &problem), E_CONFIG);
	assert_string_equal(problem.field, "RUCHE_ADMIN_TOKEN");
	assert_null(strstr(problem.detail, "hush"));
	assert_int_equal(config_load(&config, NULL, bare, &problem), E_OK);
	assert_non_null(strstr(config_warning(&config, 0, text), "RUCHE_ADMIN_TOKEN_FILE"));
	struct buf out;
	buf_init(&out, 65536);
	config_print(&config, &(struct config_print){ .origin = true }, &out);
	config_print_json(&config, &out);
	buf_add_byte(&out, '\0');
	assert_null(strstr(out.ptr, "hush"));
	buf_fini(&out);
	config_fini(&config);
}

/* What is printed can be read again, and means the same. */
static void test_print(void **state)
{
	(void)state;
	char *argv[] = { "serve", "--config", test_path, NULL };
	char *environment[] = { "RUCHE_LISTEN=127.0.0.1:1,unix:/run/x", "RUCHE_SHUTDOWN_GRACE_MS=90s", "RUCHE_STORE_PATH=a \"b\".db", NULL };
	struct config config, again;
	struct problem problem = { 0 };
	struct buf out;
	buf_init(&out, 65536);
	assert_int_equal(config_load(&config, NULL, environment, &problem), E_OK);
	config_print(&config, &(struct config_print){ .origin = true, .doc = true }, &out);
	buf_add_byte(&out, '\0');
	assert_true(buf_ok(&out));
	assert_non_null(strstr(out.ptr, "grace_ms = 90s  # RUCHE_SHUTDOWN_GRACE_MS"));
	test_write(out.ptr);
	if (test_load(&again, argv, NULL, &problem))
		fail_msg("%s: %s", problem.field, problem.detail);
	assert_string_equal(again.store_path, config.store_path);
	assert_int_equal(again.listen.count, 2);
	assert_int_equal(again.shutdown_grace_ms, 90000);
	assert_int_equal(again.engine_event_age_ms, config.engine_event_age_ms);
	buf_fini(&out);
	config_fini(&config);
	config_fini(&again);
}

static void test_strange(void **state)
{
	(void)state;
	char *environment[] = { "PATH=/bin", "RUCHE_URL=x", "RUCHE_STORE_PAHT=x", "RUCHE_LISTEN=y", "RUCHE_ADMIN_TOKEN_FILE=z", "RUCHE_BEE=1",
				"RUCHE_NAMESPACE=n", "RUCHE_JOB_UID=u", "RUCHE_JOB_MAX_ATTEMPTS=3", "RUCHE_NAMSPACE=n", NULL };
	const char *near = NULL;
	assert_string_equal(config_strange_variable(environment, 0, &near), "RUCHE_STORE_PAHT");
	assert_string_equal(near, "RUCHE_STORE_PATH");
	assert_string_equal(config_strange_variable(environment, 1, &near), "RUCHE_BEE");
	assert_null(near);
	assert_string_equal(config_strange_variable(environment, 2, &near), "RUCHE_NAMSPACE");
	assert_string_equal(near, "RUCHE_NAMESPACE");
	assert_null(config_strange_variable(environment, 3, &near));
}

/* No RUCHE_X_FILE may be the variable of another key; every default is its own key's valid value. */
static void test_table(void **state)
{
	(void)state;
	for (enum config_key a = 0; a < CONFIG_KEY_COUNT; a++) {
		char name[64], file[72];
		config_environment_name(a, name);
		snprintf(file, sizeof(file), "%s_FILE", name);
		for (enum config_key b = 0; b < CONFIG_KEY_COUNT; b++) {
			config_environment_name(b, name);
			assert_string_not_equal(file, name);
		}
	}
}

int main(void)
{
	int fd = mkstemp(test_path);
	if (fd < 0)
		return 99;
	close(fd);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_refusals), cmocka_unit_test(test_layers), cmocka_unit_test(test_doors), cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_room_for_bodies),
		cmocka_unit_test(test_print), cmocka_unit_test(test_strange), cmocka_unit_test(test_table),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(test_path);
	return failed;
}
