#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/crypto.h"

static void check_bytes(const unsigned char *bytes, size_t len, const char *hex)
{
	assert_int_equal(strlen(hex), len * 2);
	for (size_t i = 0; i < len * 2; i++)
		assert_int_equal("0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15], hex[i]);
}

static void hmacs_are_those_of_rfc_4231(void **state)
{
	unsigned char mac[HMAC_SHA256_BYTES], long_key[131];
	const struct str two[] = { STR("what do ya want "), STR("for nothing?") }, none[] = { { 0 } };
	(void)state;
	assert_int_equal(hmac_sha256(STR("Jefe"), two, 2, mac), E_OK);
	check_bytes(mac, sizeof(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(long_key, 0xaa, sizeof(long_key));
	const struct str message = STR("Test Using Larger Than Block-Size Key - Hash Key First");
	assert_int_equal(hmac_sha256((struct str){ (const char *)long_key, sizeof(long_key) }, &message, 1, mac), E_OK);
	check_bytes(mac, sizeof(mac), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	assert_int_equal(hmac_sha256((struct str){ 0 }, none, 1, mac), E_OK); /* nothing under no key is a code too */
	check_bytes(mac, sizeof(mac), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void ed25519_is_that_of_rfc_8032(void **state)
{
	static const unsigned char seed[ED25519_SEED_BYTES] = { 0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3,
		                                                0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab,
		                                                0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb };
	unsigned char public[ED25519_PUBLIC_BYTES], signature[ED25519_SIGNED_BYTES];
	(void)state;
	assert_int_equal(ed25519_public(seed, public), E_OK);
	check_bytes(public, sizeof(public), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
	assert_int_equal(ed25519_sign(seed, STR("\x72"), signature), E_OK);
	check_bytes(signature, sizeof(signature),
		    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
	assert_int_equal(ed25519_verify(public, STR("\x72"), signature), E_OK);
	assert_int_equal(ed25519_verify(public, STR("\x73"), signature), E_INVALID);
	signature[9] ^= 1;
	assert_int_equal(ed25519_verify(public, STR("\x72"), signature), E_INVALID);
}

static void bytes_are_compared_and_wiped(void **state)
{
	char secret[] = "secret";
	(void)state;
	assert_true(bytes_equal(STR("abc"), STR("abc")));
	assert_true(bytes_equal((struct str){ 0 }, STR("")));
	assert_false(bytes_equal(STR("abc"), STR("abd")));
	assert_false(bytes_equal(STR("abc"), STR("ab")));
	bytes_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hmacs_are_those_of_rfc_4231), cmocka_unit_test(ed25519_is_that_of_rfc_8032),
		                            cmocka_unit_test(bytes_are_compared_and_wiped) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
