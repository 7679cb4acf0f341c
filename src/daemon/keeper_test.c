#include "daemon/keeper.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define NOW INT64_C(1800000000000000)

static const unsigned char nonce[SECRET_NONCE_BYTES] = "twelve bytes";

static void test_key_file(void **state)
{
	struct config config = { .secrets_key_file = "", .store_path = "/var/lib/ruche/ruche.db" };
	char path[4096];
	(void)state;
	assert_string_equal(keeper_key_file(&config, path), "/var/lib/ruche/ruche.db.key");
	config.secrets_key_file = "/etc/ruche.key";
	assert_string_equal(keeper_key_file(&config, path), "/etc/ruche.key");
}

static bool is_there(struct secrets *secrets)
{
	struct secret secret;
	struct secret_snapshot *held = secrets_hold(secrets);
	bool found = secret_find(held, STR("billing"), STR("crm"), NOW, &secret) && str_eq(secret.values[0].bytes, STR("hush"));
	secret_snapshot_drop(held);
	return found;
}

static void tell(struct secrets *secrets, enum named_kind kind, uint32_t number, struct shared_text *text)
{
	const struct effect effect = { .kind = EFFECT_NAMED,
				       .named = { .kind = kind, .number = number, .namespace_name = STR("billing"), .name = STR("crm"), .text = text } };
	keeper_put(secrets, &effect);
}

/* What the engine says of secrets is found; what it says of other kinds is none. */
static void test_named(void **state)
{
	char key_file[64];
	struct secrets *secrets = NULL;
	struct problem problem = { 0 };
	struct buf sealed;
	const struct secret secret = { .values = { { .bytes = STR("hush") } }, .count = 1 };
	(void)state;
	snprintf(key_file, sizeof(key_file), "/tmp/ruche-keeper-%ld.key", (long)getpid());
	unlink(key_file);
	assert_int_equal(secrets_open(&(struct secrets_config){ .key_file = key_file }, &secrets, &problem), E_OK);
	buf_init(&sealed, 4096);
	assert_int_equal(secret_seal(secrets, STR("billing"), STR("crm"), &secret, nonce, &sealed, &problem), E_OK);
	struct shared_text *text = shared_text_new(buf_str(&sealed), 1);
	assert_non_null(text);
	tell(secrets, NAMED_FORMAT, 1, text);
	assert_false(is_there(secrets));
	tell(secrets, NAMED_SECRET, 2, text);
	assert_true(is_there(secrets));
	tell(secrets, NAMED_FORMAT, 1, NULL);
	assert_true(is_there(secrets));
	tell(secrets, NAMED_SECRET, 2, NULL);
	assert_false(is_there(secrets));
	tell(secrets, NAMED_SECRET, 3, text);
	tell(secrets, NAMED_ENDPOINT, 0, NULL); /* forget all: the store was opened anew */
	assert_false(is_there(secrets));
	shared_text_drop(text);
	buf_fini(&sealed);
	secrets_close(secrets);
	unlink(key_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_key_file), cmocka_unit_test(test_named) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
