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

static void sha256_is_that_of_fips_180(void **state)
{
	static const struct {
		const char *text, *hex;
	} cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	unsigned char hash[SHA256_BYTES];
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct str whole = str_of(cases[i].text), parts[] = { { whole.ptr, whole.len / 2 }, str_from(whole, whole.len / 2) };
		assert_int_equal(sha256(parts, 2, hash), E_OK);
		check_bytes(hash, sizeof(hash), cases[i].hex);
	}
}

static size_t from_hex(const char *hex, unsigned char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = strlen(hex) / 2;
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits, hex[2 * i + 1]) - digits));
	return len;
}

/* The cases 13, 14 and 16 of McGrew and Viega's paper, which SP 800-38D took over. */
static void aead_is_that_of_the_gcm_paper(void **state)
{
	static const struct {
		const char *key, *nonce, *bound, *plain, *sealed;
	} cases[] = {
		{ "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
		{ "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "00000000000000000000000000000000",
		  "cea7403d4d606b6e074ec5d3baf39d18" "d0d1c8a799996bf0265b98b5d48ab919" },
		{ "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
		  "76fc6ece0f4e1768cddf8853bb2d551b" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		unsigned char key[AEAD_KEY_BYTES], nonce[AEAD_NONCE_BYTES], bound[64], plain[64], sealed[80], opened[64];
		from_hex(cases[i].key, key);
		from_hex(cases[i].nonce, nonce);
		struct str bound_text = { (const char *)bound, from_hex(cases[i].bound, bound) };
		struct str plain_text = { (const char *)plain, from_hex(cases[i].plain, plain) };
		assert_int_equal(aead_seal(key, nonce, bound_text, plain_text, sealed), E_OK);
		check_bytes(sealed, plain_text.len + AEAD_TAG_BYTES, cases[i].sealed);
		struct str sealed_text = { (const char *)sealed, plain_text.len + AEAD_TAG_BYTES };
		assert_int_equal(aead_open(key, nonce, bound_text, sealed_text, opened), E_OK);
		assert_memory_equal(opened, plain, plain_text.len);
		for (size_t at = 0; at < sealed_text.len; at++) { /* no byte may differ, and then nothing is told */
			sealed[at] ^= 0x10;
			assert_int_equal(aead_open(key, nonce, bound_text, sealed_text, opened), E_INVALID);
			for (size_t n = 0; n < plain_text.len; n++)
				assert_int_equal(opened[n], 0);
			sealed[at] ^= 0x10;
		}
		assert_int_equal(aead_open(key, nonce, STR("other"), sealed_text, opened), E_INVALID);
		assert_int_equal(aead_open(key, nonce, bound_text, (struct str){ sealed_text.ptr, AEAD_TAG_BYTES - 1 }, opened), E_INVALID);
		nonce[0] ^= 1;
		assert_int_equal(aead_open(key, nonce, bound_text, sealed_text, opened), E_INVALID);
	}
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(sha256_is_that_of_fips_180), cmocka_unit_test(aead_is_that_of_the_gcm_paper),
		                            cmocka_unit_test(hmacs_are_those_of_rfc_4231), cmocka_unit_test(ed25519_is_that_of_rfc_8032),
		                            cmocka_unit_test(bytes_are_compared_and_wiped) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
