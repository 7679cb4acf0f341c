#include "base/mem.h"
#include "secret/seal.h"
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

#define NOW       INT64_C(1800000000000000)
#define FIRST     "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* bytes 0 to 31 */
#define FIRST_ID  "630dcd2966c43366"                             /* of their SHA-256 */
#define SECOND    "//////////////////////////////////////////8="
#define SECOND_ID "af9613760f72635f"
#define BASE64_KEY 45 /* with its newline */

static const unsigned char nonce[SECRET_NONCE_BYTES] = "twelve bytes";
static char key_file[64];

static void write_keys(const char *text, mode_t mode)
{
	unlink(key_file);
	int fd = open(key_file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int no_keys(void **state)
{
	(void)state;
	snprintf(key_file, sizeof(key_file), "/tmp/ruche-seal-%ld.key", (long)getpid());
	unlink(key_file);
	return 0;
}

static struct secrets *open_secrets(void)
{
	struct secrets *secrets = NULL;
	struct problem problem = { 0 };
	enum err err = secrets_open(&(struct secrets_config){ .key_file = key_file }, &secrets, &problem);
	if (err)
		print_error("%s: %s\n", problem.field, problem.detail);
	assert_int_equal(err, E_OK);
	return secrets;
}

static struct secret one(const char *text)
{
	return (struct secret){ .values = { { .bytes = str_of(text) } }, .count = 1 };
}

static void seal(struct secrets *secrets, const char *namespace_name, const char *name, const char *text, struct buf *out)
{
	struct secret secret = one(text);
	struct problem problem = { 0 };
	buf_fini(out);
	buf_init(out, 1 << 20);
	enum err err = secret_seal(secrets, str_of(namespace_name), str_of(name), &secret, nonce, out, &problem);
	if (err)
		print_error("%s: %s\n", problem.field, problem.detail);
	assert_int_equal(err, E_OK);
}

static const char *found(struct secrets *secrets, const char *namespace_name, const char *reference)
{
	static char text[128];
	struct secret_snapshot *held = secrets_hold(secrets);
	struct secret secret;
	bool is_there = secret_find(held, str_of(namespace_name), str_of(reference), NOW, &secret);
	snprintf(text, sizeof(text), STR_FMT, STR_ARG(secret.values[0].bytes));
	if (!is_there)
		text[0] = '\0';
	secret_snapshot_drop(held);
	return text;
}

static void put(struct secrets *secrets, const char *namespace_name, const char *name, struct str sealed)
{
	assert_int_equal(secrets_put(secrets, str_of(namespace_name), str_of(name), sealed, 7), E_OK);
}

/* ---- keys ---- */

static void a_key_file_is_made_once(void **state)
{
	struct buf sealed = { 0 }, again = { 0 };
	struct problem problem = { 0 };
	struct secret_open opened;
	struct stat seen;
	char first[128] = "", second[128] = "";
	(void)state;
	struct secrets *secrets = open_secrets();
	assert_int_equal(secrets_keys(secrets), 0);
	assert_int_equal(access(key_file, F_OK), -1); /* looking makes none */
	seal(secrets, "default", "crm", "hush", &sealed);
	assert_int_equal(secrets_keys(secrets), 1);
	assert_int_equal(stat(key_file, &seen), 0);
	assert_int_equal(seen.st_mode & 07777, 0600);
	int fd = open(key_file, O_RDONLY);
	assert_int_equal(read(fd, first, sizeof(first)), BASE64_KEY);
	seal(secrets, "default", "crm", "hush", &again);
	assert_true(str_eq(buf_str(&sealed), buf_str(&again))); /* the same key, and here the same nonce */
	assert_int_equal(pread(fd, second, sizeof(second), 0), BASE64_KEY);
	assert_string_equal(first, second);
	close(fd);
	assert_int_equal(key_ring_make(key_file, &problem), E_CONFLICT); /* another one is never replaced */
	secrets_close(secrets);
	secrets = open_secrets();
	assert_int_equal(secret_unseal(secrets, STR("default"), STR("crm"), buf_str(&sealed), &opened), E_OK);
	assert_true(str_eq(opened.secret.values[0].bytes, STR("hush")));
	secret_open_fini(&opened);
	secret_open_fini(&opened);
	secrets_close(secrets);
	buf_fini(&sealed);
	buf_fini(&again);
}

static const struct {
	const char *text;
	mode_t mode;
	const char *detail;
} bad_files[] = {
	{ FIRST "\n", 0640, "mode 0640" },
	{ FIRST "\n", 0604, "mode 0604" },
	{ "", 0600, "It holds no key" },
	{ "# only words\n\n", 0600, "It holds no key" },
	{ FIRST "\nAAEC\n", 0600, "Line 2 is not" },
	{ FIRST "\n" FIRST "\n", 0600, "Line 2 is a key that stands above" },
	{ "hush hush hush\n", 0600, "Line 1 is not" },
};

static void bad_key_files_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad_files); i++) {
		struct secrets *secrets = NULL;
		struct problem problem = { 0 };
		write_keys(bad_files[i].text, bad_files[i].mode);
		assert_int_equal(secrets_open(&(struct secrets_config){ .key_file = key_file }, &secrets, &problem), E_CONFIG);
		assert_string_equal(problem.field, "secrets.key_file");
		if (!strstr(problem.detail, bad_files[i].detail))
			fail_msg("%s", problem.detail);
		assert_null(strstr(problem.detail, "hush"));
		assert_null(strstr(problem.detail, FIRST));
	}
}

static void no_key_file_no_sealing(void **state)
{
	struct secrets *secrets = NULL;
	struct problem problem = { 0 };
	struct secret secret = one("hush");
	struct buf out = { .max_bytes = 1000 };
	(void)state;
	assert_int_equal(secrets_open(&(struct secrets_config){ .key_file = "" }, &secrets, &problem), E_OK);
	assert_int_equal(secret_seal(secrets, STR("n"), STR("s"), &secret, nonce, &out, &problem), E_CONFIG);
	secrets_close(secrets);
	assert_int_equal(secrets_open(&(struct secrets_config){ .key_file = "/nowhere/at/all.key" }, &secrets, &problem), E_OK);
	assert_int_equal(secret_seal(secrets, STR("n"), STR("s"), &secret, nonce, &out, &problem), E_IO); /* and nothing was sealed */
	assert_string_equal(problem.field, "secrets.key_file");
	assert_int_equal(out.len, 0);
	secrets_close(secrets);
}

/* ---- sealed texts ---- */

static void what_is_sealed_is_bound(void **state)
{
	struct buf sealed = { 0 };
	struct secret_open opened;
	char id[SECRET_KEY_ID_BYTES + 1], copy[1024];
	(void)state;
	write_keys("# first\n" FIRST "\n", 0600);
	struct secrets *secrets = open_secrets();
	seal(secrets, "default", "crm", "hush", &sealed);
	assert_true(str_starts(buf_str(&sealed), STR("{\"key\":\"" FIRST_ID "\",\"nonce\":\"dHdlbHZlIGJ5dGVz\",\"sealed\":\"")));
	assert_true(secret_sealed_key(buf_str(&sealed), id));
	assert_string_equal(id, FIRST_ID);
	assert_int_equal(secret_unseal(secrets, STR("default"), STR("crm"), buf_str(&sealed), &opened), E_OK);
	secret_open_fini(&opened);
	assert_int_equal(secret_unseal(secrets, STR("default"), STR("other"), buf_str(&sealed), &opened), E_INVALID);
	assert_int_equal(secret_unseal(secrets, STR("other"), STR("crm"), buf_str(&sealed), &opened), E_INVALID);
	assert_int_equal(secret_unseal(secrets, STR("default/c"), STR("rm"), buf_str(&sealed), &opened), E_INVALID);
	for (size_t at = 0; at < sealed.len; at++) { /* a changed byte is seen, wherever it is; of base64's last digit some bits mean nothing and must be 0 */
		memcpy(copy, sealed.ptr, sealed.len);
		copy[at] ^= 1;
		enum err err = secret_unseal(secrets, STR("default"), STR("crm"), (struct str){ copy, sealed.len }, &opened);
		if (err != E_INVALID && err != E_SECRET_SEALED)
			fail_msg("byte %zu: %s", at, err_code(err));
	}
	for (size_t len = 0; len < sealed.len; len++)
		assert_int_equal(secret_unseal(secrets, STR("default"), STR("crm"), (struct str){ sealed.ptr, len }, &opened), E_INVALID);
	assert_false(secret_sealed_key(STR("{\"key\":\"x\"}"), id));
	secrets_close(secrets);
	buf_fini(&sealed);
}

static void values_are_kept_whole(void **state)
{
	static char large[SECRET_BYTES_MAX + 1];
	struct buf sealed = { .max_bytes = 1 << 20 };
	struct problem problem = { 0 };
	struct secret_open opened;
	(void)state;
	write_keys(FIRST "\n", 0600);
	struct secrets *secrets = open_secrets();
	struct secret secret = { .values = { { STR("new \"\\\n\x01 \xc3\xa9"), 0 }, { STR("old"), NOW }, { STR("older"), NOW + 1000000 } }, .count = 3 };
	assert_int_equal(secret_seal(secrets, STR("n"), STR("s"), &secret, nonce, &sealed, &problem), E_OK);
	assert_int_equal(secret_unseal(secrets, STR("n"), STR("s"), buf_str(&sealed), &opened), E_OK);
	assert_int_equal(opened.secret.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(str_eq(opened.secret.values[i].bytes, secret.values[i].bytes));
		assert_int_equal(opened.secret.values[i].until_us, secret.values[i].until_us);
	}
	secret_open_fini(&opened);
	buf_clear(&sealed);
	struct secret bad = { 0 };
	assert_int_equal(secret_seal(secrets, STR("n"), STR("s"), &bad, nonce, &sealed, &problem), E_INVALID);
	bad = one("\xff");
	assert_int_equal(secret_seal(secrets, STR("n"), STR("s"), &bad, nonce, &sealed, &problem), E_INVALID);
	assert_string_equal(problem.field, "value");
	bad = one("");
	assert_int_equal(secret_seal(secrets, STR("n"), STR("s"), &bad, nonce, &sealed, &problem), E_INVALID);
	memset(large, 'x', SECRET_BYTES_MAX);
	bad = one(large);
	assert_int_equal(secret_seal(secrets, STR("n"), STR("s"), &bad, nonce, &sealed, &problem), E_TOO_LARGE);
	assert_int_equal(sealed.len, 0);
	secrets_close(secrets);
	buf_fini(&sealed);
}

static void rotation_keeps_old_ones_for_a_while(void **state)
{
	struct secret secret = one("first");
	(void)state;
	secret_rotate(&secret, STR("second"), NOW, NOW + 100);
	assert_int_equal(secret.count, 2);
	assert_true(str_eq(secret.values[0].bytes, STR("second")));
	assert_int_equal(secret.values[0].until_us, 0);
	assert_int_equal(secret.values[1].until_us, NOW + 100);
	secret_rotate(&secret, STR("third"), NOW + 50, NOW + 1000);
	assert_int_equal(secret.count, 3);
	assert_int_equal(secret.values[1].until_us, NOW + 1000);
	assert_int_equal(secret.values[2].until_us, NOW + 100); /* its own end is earlier */
	secret_rotate(&secret, STR("third"), NOW + 100, NOW + 2000); /* the same again is there once; what has ended goes */
	assert_int_equal(secret.count, 2);
	assert_true(str_eq(secret.values[1].bytes, STR("second")));
	for (int n = 0; n < 20; n++) {
		static char names[20][16];
		snprintf(names[n], sizeof(names[n]), "n%d", n);
		secret_rotate(&secret, str_of(names[n]), NOW + 100, NOW + 5000);
	}
	assert_int_equal(secret.count, SECRET_VALUES);
	assert_true(str_eq(secret.values[9].bytes, STR("n10")));
}

/* ---- the store's ---- */

static enum err rotate(struct secrets *secrets, const char *body, struct buf *out, uint64_t *version, enum secret_make *took)
{
	struct problem problem = { 0 };
	struct secret_rotation rotation = { .namespace_name = STR("a"), .name = STR("x"), .body = str_of(body), .fresh = STR("whsec_fresh"),
					    .fresh_v1a = STR("whsk_fresh"), .now_us = NOW, .nonce = nonce, .out = out };
	buf_clear(out);
	enum err err = secret_rotate_body(secrets, &rotation, &problem);
	assert_int_equal(problem.detail[0] != '\0', err != E_OK);
	*version = rotation.version;
	*took = rotation.took;
	return err;
}

static bool visit_none(void *context, struct str namespace_name, struct str name, struct str sealed, uint64_t version)
{
	uint32_t *visits = context;
	assert_true(str_eq(namespace_name, STR("a")) && name.len == 1 && sealed.len && version == 7);
	return ++*visits < 2;
}

static void the_stores_are_rotated_and_counted(void **state)
{
	struct buf sealed = { 0 }, out = { .max_bytes = 1 << 20 };
	struct problem problem = { 0 };
	uint64_t version;
	uint32_t visits = 0;
	enum secret_make took;
	(void)state;
	write_keys(FIRST "\n", 0600);
	struct secrets *secrets = open_secrets();
	assert_int_equal(rotate(secrets, "{\"value\":\"new\"}", &out, &version, &took), E_SECRET_NOT_FOUND);
	seal(secrets, "a", "x", "old", &sealed);
	put(secrets, "a", "x", buf_str(&sealed));
	assert_int_equal(rotate(secrets, "{}", &out, &version, &took), E_INVALID); /* no key of a kind that is made */
	assert_int_equal(rotate(secrets, "{\"value\":\"\"}", &out, &version, &took), E_INVALID);
	assert_int_equal(rotate(secrets, "{\"value\":\"new\",\"overlap_ms\":604800001}", &out, &version, &took), E_INVALID);
	assert_int_equal(out.len, 0);
	assert_int_equal(rotate(secrets, "{\"value\":\"whsec_n\\u0065w\"}", &out, &version, &took), E_OK);
	assert_int_equal(version, 7);
	assert_int_equal(took, SECRET_MAKE_NONE);
	put(secrets, "a", "x", buf_str(&out));
	assert_string_equal(found(secrets, "a", "x"), "whsec_new");
	assert_int_equal(rotate(secrets, "{\"overlap_ms\":0}", &out, &version, &took), E_OK);
	assert_int_equal(took, SECRET_MAKE_V1);
	put(secrets, "a", "x", buf_str(&out));
	assert_string_equal(found(secrets, "a", "x"), "whsec_fresh");
	assert_int_equal(rotate(secrets, "{\"value\":\"new\",\"make\":\"v1\"}", &out, &version, &took), E_INVALID);
	assert_int_equal(rotate(secrets, "{\"make\":\"v2\"}", &out, &version, &took), E_INVALID);
	assert_int_equal(rotate(secrets, "{\"make\":\"v1a\"}", &out, &version, &took), E_OK); /* another kind, beside the one before */
	assert_int_equal(took, SECRET_MAKE_V1A);
	put(secrets, "a", "x", buf_str(&out));
	assert_string_equal(found(secrets, "a", "x"), "whsk_fresh");
	assert_int_equal(rotate(secrets, "{\"overlap_ms\":0}", &out, &version, &took), E_OK); /* of the kind that is there */
	assert_int_equal(took, SECRET_MAKE_V1A);
	put(secrets, "a", "y", buf_str(&sealed)); /* three under the first key, one of them damaged, and one that is none */
	put(secrets, "a", "z", buf_str(&sealed));
	put(secrets, "a", "q", STR("{}"));
	assert_int_equal(secrets_under_old_keys(secrets, 10, visit_none, &visits), 0);
	write_keys(SECOND "\n" FIRST "\n", 0600);
	assert_int_equal(secrets_read_keys(secrets, &problem), E_OK);
	assert_int_equal(secrets_under_old_keys(secrets, 1, visit_none, &visits), 2);
	assert_int_equal(visits, 1);
	assert_int_equal(secrets_under_old_keys(secrets, 10, visit_none, &visits), 2); /* it said no at once */
	write_keys(SECOND "\n", 0600);
	assert_int_equal(secrets_read_keys(secrets, &problem), E_OK);
	assert_int_equal(secrets_under_old_keys(secrets, 10, visit_none, &visits), 0); /* nobody can open them */
	assert_int_equal(rotate(secrets, "{\"value\":\"new\"}", &out, &version, &took), E_SECRET_SEALED);
	secrets_close(secrets);
	buf_fini(&sealed);
	buf_fini(&out);
}

static void the_stores_are_found(void **state)
{
	struct buf sealed = { 0 };
	(void)state;
	write_keys(FIRST "\n", 0600);
	struct secrets *secrets = open_secrets();
	seal(secrets, "default", "endpoint/crm", "one", &sealed);
	put(secrets, "default", "endpoint/crm", buf_str(&sealed));
	assert_string_equal(found(secrets, "", "endpoint/crm"), "one");
	assert_string_equal(found(secrets, "default", "store:endpoint/crm"), "one");
	assert_string_equal(found(secrets, "default", "default/endpoint/crm"), "one");
	assert_string_equal(found(secrets, "default", "file:endpoint/crm"), "");
	assert_string_equal(found(secrets, "other", "endpoint/crm"), "");
	assert_string_equal(found(secrets, "other", "default/endpoint/crm"), "");
	assert_int_equal(secrets_count(secrets, SECRET_STORE), 1);
	struct secret_snapshot *before = secrets_hold(secrets);
	struct secret old;
	assert_true(secret_find(before, STR(""), STR("endpoint/crm"), NOW, &old));
	seal(secrets, "default", "endpoint/crm", "two", &sealed);
	put(secrets, "default", "endpoint/crm", buf_str(&sealed));
	seal(secrets, "a", "x", "of a", &sealed);
	put(secrets, "a", "x", buf_str(&sealed));
	put(secrets, "a", "moved", buf_str(&sealed)); /* a row under another name opens nothing */
	put(secrets, "a", "damaged", STR("{}"));
	assert_string_equal(found(secrets, "", "endpoint/crm"), "two");
	assert_true(str_eq(old.values[0].bytes, STR("one")));
	secret_snapshot_drop(before);
	assert_string_equal(found(secrets, "a", "x"), "of a");
	assert_string_equal(found(secrets, "a", "moved"), "");
	assert_string_equal(found(secrets, "a", "damaged"), "");
	put(secrets, "default", "endpoint/crm", (struct str){ 0 });
	put(secrets, "default", "never/was", (struct str){ 0 });
	assert_string_equal(found(secrets, "", "endpoint/crm"), "");
	assert_string_equal(found(secrets, "a", "x"), "of a");
	secrets_forget_stored(secrets);
	assert_string_equal(found(secrets, "a", "x"), "");
	assert_int_equal(secrets_count(secrets, SECRET_STORE), 0);
	secrets_close(secrets);
	buf_fini(&sealed);
}

static void many_come_and_go(void **state)
{
	struct buf sealed = { 0 };
	char name[16];
	(void)state;
	write_keys(FIRST "\n", 0600);
	struct secrets *secrets = open_secrets();
	for (int n = 0; n < 300; n++) {
		snprintf(name, sizeof(name), "s%d", n);
		seal(secrets, "a", name, name, &sealed);
		put(secrets, "a", name, buf_str(&sealed));
	}
	for (int n = 0; n < 300; n += 3) {
		snprintf(name, sizeof(name), "s%d", n);
		put(secrets, "a", name, (struct str){ 0 });
	}
	for (int n = 0; n < 300; n++) {
		snprintf(name, sizeof(name), "s%d", n);
		assert_string_equal(found(secrets, "a", name), n % 3 ? name : "");
	}
	assert_int_equal(secrets_count(secrets, SECRET_STORE), 200);
	secrets_close(secrets);
	buf_fini(&sealed);
}

static void keys_are_changed(void **state)
{
	struct buf sealed = { 0 }, renewed = { .max_bytes = 1 << 20 };
	struct problem problem = { 0 };
	struct secret_open opened;
	bool needed;
	char id[SECRET_KEY_ID_BYTES + 1];
	(void)state;
	write_keys(FIRST "\n", 0600);
	struct secrets *secrets = open_secrets();
	seal(secrets, "a", "x", "hush", &sealed);
	put(secrets, "a", "x", buf_str(&sealed));
	assert_int_equal(secret_reseal(secrets, STR("a"), STR("x"), buf_str(&sealed), nonce, &needed, &renewed, &problem), E_OK);
	assert_false(needed);
	write_keys(SECOND "\n" FIRST "\n", 0600);
	assert_int_equal(secrets_read_keys(secrets, &problem), E_OK);
	assert_int_equal(secrets_keys(secrets), 2);
	assert_string_equal(found(secrets, "a", "x"), "hush"); /* all keys open */
	assert_int_equal(secret_reseal(secrets, STR("a"), STR("x"), buf_str(&sealed), nonce, &needed, &renewed, &problem), E_OK);
	assert_true(needed);
	assert_true(secret_sealed_key(buf_str(&renewed), id));
	assert_string_equal(id, SECOND_ID);
	write_keys(SECOND "\n", 0600);
	assert_int_equal(secrets_read_keys(secrets, &problem), E_OK);
	assert_string_equal(found(secrets, "a", "x"), ""); /* not put yet: its key is gone */
	assert_int_equal(secret_unseal(secrets, STR("a"), STR("x"), buf_str(&sealed), &opened), E_SECRET_SEALED);
	assert_int_equal(secret_reseal(secrets, STR("a"), STR("x"), buf_str(&sealed), nonce, &needed, &renewed, &problem), E_SECRET_SEALED);
	put(secrets, "a", "x", buf_str(&renewed));
	assert_string_equal(found(secrets, "a", "x"), "hush");
	write_keys("nonsense\n", 0600);
	assert_int_equal(secrets_read_keys(secrets, &problem), E_CONFIG); /* the keys before stay */
	assert_int_equal(secret_unseal(secrets, STR("a"), STR("x"), buf_str(&renewed), &opened), E_OK);
	secret_open_fini(&opened);
	secrets_close(secrets);
	buf_fini(&sealed);
	buf_fini(&renewed);
}

/* ---- memory ---- */

static void no_memory_changes_nothing(void **state)
{
	struct buf one_text = { 0 }, two = { 0 };
	(void)state;
	write_keys(FIRST "\n", 0600);
	struct secrets *secrets = open_secrets();
	seal(secrets, "a", "x", "one", &one_text);
	seal(secrets, "a", "x", "two", &two);
	bool failed = true;
	for (uint64_t n = 1; failed; n++) { /* a put, then a hold: what was put is there at last */
		put(secrets, "a", "x", buf_str(&one_text));
		assert_string_equal(found(secrets, "a", "x"), "one");
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = secrets_put(secrets, STR("a"), STR("x"), buf_str(&two), 7);
		struct secret_snapshot *held = secrets_hold(secrets);
		failed = mem_fail_disarm();
		secret_snapshot_drop(held);
		assert_true(err == E_OK || (err == E_NOMEM && failed));
		assert_string_equal(found(secrets, "a", "x"), err ? "one" : "two");
	}
	failed = true;
	for (uint64_t n = 1; failed; n++) { /* the last one goes */
		put(secrets, "a", "x", buf_str(&one_text));
		assert_string_equal(found(secrets, "a", "x"), "one");
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = secrets_put(secrets, STR("a"), STR("x"), (struct str){ 0 }, 0);
		struct secret_snapshot *held = secrets_hold(secrets);
		failed = mem_fail_disarm();
		secret_snapshot_drop(held);
		assert_string_equal(found(secrets, "a", "x"), err ? "one" : "");
	}
	failed = true;
	for (uint64_t n = 1; failed; n++) {
		struct problem problem = { 0 };
		struct secret_open opened;
		struct secret secret = one("hush");
		struct buf out = { .max_bytes = 10000 };
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = secret_seal(secrets, STR("a"), STR("x"), &secret, nonce, &out, &problem);
		if (!err)
			err = secret_unseal(secrets, STR("a"), STR("x"), buf_str(&out), &opened);
		failed = mem_fail_disarm();
		assert_int_equal(err, failed ? E_NOMEM : E_OK);
		if (!err)
			secret_open_fini(&opened);
		buf_fini(&out);
	}
	failed = true;
	for (uint64_t n = 1; failed; n++) {
		struct problem problem = { 0 };
		mem_fail_after(n, MEM_FAIL_ONE);
		enum err err = secrets_read_keys(secrets, &problem);
		failed = mem_fail_disarm();
		assert_int_equal(err, failed ? E_NOMEM : E_OK);
		assert_int_equal(secrets_keys(secrets), 1);
	}
	secrets_close(secrets);
	buf_fini(&one_text);
	buf_fini(&two);
}

/* ---- threads ---- */

#define RACE_PUTS 300

static struct {
	struct secrets *secrets;
	atomic_bool ends;
	atomic_uint seen;
} race;

/* What a thread sees never goes back. */
static void *race_reader(void *context)
{
	uint64_t last = 0;
	(void)context;
	while (!atomic_load(&race.ends)) {
		struct secret_snapshot *held = secrets_hold(race.secrets);
		struct secret secret;
		uint64_t now = 0;
		if (!secret_find(held, STR("a"), STR("x"), NOW, &secret) || !str_u64(secret.values[0].bytes, &now) || now < last)
			abort();
		last = now;
		secret_snapshot_drop(held);
		atomic_fetch_add(&race.seen, 1);
	}
	return NULL;
}

static void puts_and_holds_race(void **state)
{
	pthread_t readers[2];
	struct buf sealed = { 0 };
	struct problem problem = { 0 };
	(void)state;
	write_keys(FIRST "\n", 0600);
	race.secrets = open_secrets();
	for (int n = 0; n < RACE_PUTS || !atomic_load(&race.seen); n++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", n);
		seal(race.secrets, "a", "x", text, &sealed);
		put(race.secrets, "a", "x", buf_str(&sealed));
		for (size_t i = 0; n == 0 && i < ARRAY_COUNT(readers); i++)
			assert_int_equal(pthread_create(&readers[i], NULL, race_reader, NULL), 0);
		if (n % 16 == 0)
			assert_int_equal(secrets_read_keys(race.secrets, &problem), E_OK);
	}
	atomic_store(&race.ends, true);
	for (size_t i = 0; i < ARRAY_COUNT(readers); i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	secrets_close(race.secrets);
	buf_fini(&sealed);
}

#define WITH_KEYS(test) cmocka_unit_test_setup_teardown(test, no_keys, no_keys)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_KEYS(a_key_file_is_made_once),	WITH_KEYS(bad_key_files_are_refused), WITH_KEYS(no_key_file_no_sealing),
		WITH_KEYS(what_is_sealed_is_bound),	WITH_KEYS(values_are_kept_whole),     WITH_KEYS(rotation_keeps_old_ones_for_a_while),
		WITH_KEYS(the_stores_are_found),	WITH_KEYS(many_come_and_go),	      WITH_KEYS(keys_are_changed),
		WITH_KEYS(the_stores_are_rotated_and_counted),
		WITH_KEYS(no_memory_changes_nothing), WITH_KEYS(puts_and_holds_race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
