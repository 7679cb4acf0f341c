#include "base/crypto.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* ---- SHA-256 ---- */

enum err sha256(const struct str *parts, size_t count, unsigned char out[SHA256_BYTES])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
	for (size_t i = 0; done && i < count; i++)
		done = EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) == 1;
	done = done && EVP_DigestFinal_ex(context, out, NULL) == 1;
	EVP_MD_CTX_free(context);
	return done ? E_OK : E_NOMEM;
}

/* ---- HMAC ---- */

/* Fetched once: OpenSSL 3 looks algorithms up by name otherwise, which costs more than a short message. */
static EVP_MAC *hmac(void)
{
	static EVP_MAC *mac;
	EVP_MAC *known = __atomic_load_n(&mac, __ATOMIC_ACQUIRE);
	if (known)
		return known;
	EVP_MAC *fetched = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (fetched && !__atomic_compare_exchange_n(&mac, &known, fetched, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		EVP_MAC_free(fetched); /* another thread was first */
		return known;
	}
	return fetched;
}

enum err hmac_sha256(struct str key, const struct str *parts, size_t count, unsigned char out[HMAC_SHA256_BYTES])
{
	static const unsigned char no_key; /* a key of no bytes is a key, a NULL would mean the one before */
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };
	EVP_MAC *mac = hmac();
	EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
	size_t len = 0;
	bool done = context && EVP_MAC_init(context, key.len ? (const unsigned char *)key.ptr : &no_key, key.len, params) == 1;
	for (size_t i = 0; done && i < count; i++)
		done = EVP_MAC_update(context, (const unsigned char *)parts[i].ptr, parts[i].len) == 1;
	done = done && EVP_MAC_final(context, out, &len, HMAC_SHA256_BYTES) == 1 && len == HMAC_SHA256_BYTES;
	EVP_MAC_CTX_free(context);
	return done ? E_OK : E_NOMEM;
}

/* ---- Ed25519 ---- */

enum err ed25519_public(const unsigned char seed[ED25519_SEED_BYTES], unsigned char out[ED25519_PUBLIC_BYTES])
{
	size_t len = ED25519_PUBLIC_BYTES;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_BYTES);
	bool done = key && EVP_PKEY_get_raw_public_key(key, out, &len) == 1;
	EVP_PKEY_free(key);
	return done ? E_OK : E_NOMEM;
}

enum err ed25519_sign(const unsigned char seed[ED25519_SEED_BYTES], struct str message, unsigned char out[ED25519_SIGNED_BYTES])
{
	size_t len = ED25519_SIGNED_BYTES;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_BYTES);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool done = key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	            EVP_DigestSign(context, out, &len, (const unsigned char *)message.ptr, message.len) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return done ? E_OK : E_NOMEM;
}

enum err ed25519_verify(const unsigned char key[ED25519_PUBLIC_BYTES], struct str message, const unsigned char signature[ED25519_SIGNED_BYTES])
{
	EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, ED25519_PUBLIC_BYTES);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	enum err err = E_NOMEM;
	if (public && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1)
		err = EVP_DigestVerify(context, signature, ED25519_SIGNED_BYTES, (const unsigned char *)message.ptr, message.len) == 1 ? E_OK : E_INVALID;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public);
	return err;
}

/* ---- AES-256-GCM ---- */

#define AEAD_BYTES_MAX (INT32_MAX / 2) /* libcrypto counts in int */

enum err aead_seal(const unsigned char key[AEAD_KEY_BYTES], const unsigned char nonce[AEAD_NONCE_BYTES], struct str bound, struct str plain,
		   unsigned char *out)
{
	if (bound.len > AEAD_BYTES_MAX || plain.len > AEAD_BYTES_MAX)
		return E_TOO_LARGE;
	int len;
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	bool done = context && EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
		    EVP_EncryptUpdate(context, NULL, &len, (const unsigned char *)bound.ptr, (int)bound.len) == 1 &&
		    (!plain.len || EVP_EncryptUpdate(context, out, &len, (const unsigned char *)plain.ptr, (int)plain.len) == 1) &&
		    EVP_EncryptFinal_ex(context, out + plain.len, &len) == 1 &&
		    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, AEAD_TAG_BYTES, out + plain.len) == 1;
	EVP_CIPHER_CTX_free(context);
	return done ? E_OK : E_NOMEM;
}

enum err aead_open(const unsigned char key[AEAD_KEY_BYTES], const unsigned char nonce[AEAD_NONCE_BYTES], struct str bound, struct str sealed,
		   unsigned char *out)
{
	if (sealed.len < AEAD_TAG_BYTES || sealed.len > AEAD_BYTES_MAX || bound.len > AEAD_BYTES_MAX)
		return E_INVALID;
	int len;
	size_t plain_len = sealed.len - AEAD_TAG_BYTES;
	unsigned char tag[AEAD_TAG_BYTES];
	memcpy(tag, sealed.ptr + plain_len, sizeof(tag));
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	bool done = context && EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
		    EVP_DecryptUpdate(context, NULL, &len, (const unsigned char *)bound.ptr, (int)bound.len) == 1 &&
		    (!plain_len || EVP_DecryptUpdate(context, out, &len, (const unsigned char *)sealed.ptr, (int)plain_len) == 1) &&
		    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, AEAD_TAG_BYTES, tag) == 1;
	enum err err = !done ? E_NOMEM : EVP_DecryptFinal_ex(context, out + plain_len, &len) == 1 ? E_OK : E_INVALID;
	EVP_CIPHER_CTX_free(context);
	if (err)
		bytes_wipe(out, plain_len); /* what was opened before the tag was judged is nobody's text */
	return err;
}

/* ---- bytes ---- */

bool bytes_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void bytes_wipe(void *bytes, size_t len)
{
	OPENSSL_cleanse(bytes, len);
}
