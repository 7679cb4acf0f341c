#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/crypto.h"
#include "rules/signature.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER  "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT_S   1614265330
#define BODY   "{\"test\": 2432232314}"
#define SIGNED "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" /* by the package standardwebhooks */

static struct signing_key key_of(const char *text)
{
	struct signing_key key;
	struct problem problem = { 0 };
	if (signing_key_read(str_of(text), &key, &problem))
		fail_msg("%s: %s", text, problem.detail);
	return key;
}

static void signs_as_the_published_libraries_do(void **state)
{
	struct buf out = { .max_bytes = 4096 };
	struct signing_key keys[] = { key_of(SECRET), key_of(OTHER) };
	(void)state;
	assert_int_equal(signature_write(&out, keys, 1, STR(ID), AT_S, STR(BODY)), E_OK);
	assert_true(str_eq(buf_str(&out), STR(SIGNED)));
	buf_clear(&out);
	assert_int_equal(signature_write(&out, keys, 2, STR(ID), AT_S, STR(BODY)), E_OK); /* rotation: the current key, one space, the old one */
	assert_true(str_starts(buf_str(&out), STR(SIGNED " v1,")));
	assert_int_equal(out.len, 2 * strlen(SIGNED) + 1);
	buf_fini(&out);
}

static enum err verify(const struct signing_key *key, const char *timestamp, const char *signatures, const char *body, struct problem *problem)
{
	return signature_verify(key, 1, STR(ID), str_of(timestamp), str_of(signatures), str_of(body), AT_S, problem);
}

static void believes_one_right_signature(void **state)
{
	struct signing_key key = key_of(SECRET);
	struct problem problem = { 0 };
	static const char *const good[] = { SIGNED, "v1,AAAA " SIGNED, "v1a,AAAA " SIGNED, "v2,! " SIGNED, SIGNED " v1,", "x  " SIGNED };
	static const char *const bad[] = { "v1,AAAA", "v1a" SIGNED, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1", ",", " ", SIGNED "A",
		                           "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		if (verify(&key, "1614265330", good[i], BODY, &problem))
			fail_msg("%s: %s", good[i], problem.detail);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (verify(&key, "1614265330", bad[i], BODY, &problem) != E_INVALID)
			fail_msg("%s", bad[i]);
	assert_int_equal(verify(&key, "1614265330", SIGNED, BODY " ", NULL), E_INVALID);
	assert_int_equal(verify(&key, "1614265331", SIGNED, BODY, NULL), E_INVALID);
	assert_int_equal(verify(&key, "", SIGNED, BODY, NULL), E_INVALID);
	assert_int_equal(verify(&key, "1614265330", "", BODY, NULL), E_INVALID);
	assert_int_equal(verify(&key, "-1", SIGNED, BODY, NULL), E_INVALID);
	assert_int_equal(verify(&key, "18446744073709551615", SIGNED, BODY, NULL), E_INVALID);
}

static void believes_no_old_and_no_future_timestamp(void **state)
{
	struct signing_key key = key_of(SECRET);
	static const struct {
		int64_t off_s;
		enum err err;
	} rows[] = { { 0, E_OK }, { 300, E_OK }, { -300, E_OK }, { 301, E_INVALID }, { -301, E_INVALID } };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		assert_int_equal(signature_verify(&key, 1, STR(ID), STR("1614265330"), STR(SIGNED), STR(BODY), AT_S + rows[i].off_s, NULL), rows[i].err);
}

static void ed25519_is_verified_by_the_public_half(void **state)
{
	static const unsigned char random[32] = { 7, 1, 9 };
	struct buf text = { .max_bytes = 4096 }, public = { .max_bytes = 4096 }, out = { .max_bytes = 4096 };
	(void)state;
	signing_key_write(&text, SIGNING_V1A, random);
	buf_add_byte(&text, '\0');
	struct signing_key key = key_of(text.ptr);
	assert_int_equal(signing_key_write_public(&public, &key), E_OK);
	buf_add_byte(&public, '\0');
	struct signing_key half = key_of(public.ptr);
	assert_true(half.public_only && !key.public_only);
	buf_add_lit(&out, "kept ");
	assert_int_equal(signature_write(&out, &key, 1, STR(ID), AT_S, STR(BODY)), E_OK);
	assert_true(str_starts(buf_str(&out), STR("kept v1a,")));
	buf_add_byte(&out, '\0');
	assert_int_equal(verify(&half, "1614265330", out.ptr + 5, BODY, NULL), E_OK);
	assert_int_equal(verify(&key, "1614265330", out.ptr + 5, BODY, NULL), E_OK);
	assert_int_equal(verify(&half, "1614265330", out.ptr + 5, "", NULL), E_INVALID);
	struct signing_key hmac = key_of(SECRET);
	assert_int_equal(verify(&hmac, "1614265330", out.ptr + 5, BODY, NULL), E_INVALID);
	buf_fini(&text);
	buf_fini(&public);
	buf_fini(&out);
}

static void keys_are_read_strictly(void **state)
{
	struct signing_key key;
	static const char *const refused[] = {
		"", "whsec_", "whsec_short", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", /* 23 bytes */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", /* not the standard alphabet */
		"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* 65 bytes */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		struct problem problem = { .field = "secret" };
		if (signing_key_read(str_of(refused[i]), &key, &problem) != E_INVALID)
			fail_msg("%s", refused[i]);
		assert_string_equal(problem.field, "secret");
		assert_true(problem.detail[0] != '\0');
	}
	assert_int_equal(signing_key_read(STR("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key, NULL), E_OK); /* the prefix may be missing */
	assert_int_equal(key.len, 24);
}

static void no_memory_is_said(void **state)
{
	struct buf small = { .max_bytes = 8 };
	struct signing_key key = key_of(SECRET);
	(void)state;
	assert_int_equal(signature_write(&small, &key, 1, STR(ID), AT_S, STR(BODY)), E_NOMEM);
	buf_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_as_the_published_libraries_do),     cmocka_unit_test(believes_one_right_signature),
		cmocka_unit_test(believes_no_old_and_no_future_timestamp), cmocka_unit_test(ed25519_is_verified_by_the_public_half),
		cmocka_unit_test(keys_are_read_strictly),                  cmocka_unit_test(no_memory_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
