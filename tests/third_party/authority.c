/* A certificate authority for tests: keys and certificates are made when asked for, in a directory that vanishes afterwards. */
#include "third_party/third_party.h"
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUTHORITY_FILES 64
#define DAY_S           86400L

struct authority {
	char directory[64];
	char *files[AUTHORITY_FILES];
	size_t file_count;
	EVP_PKEY *key, *other_key;
	X509 *root, *other_root;
	long serial;
};

static void authority_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "authority: %s\n", what);
	abort();
}

static const char *authority_path(struct authority *authority, const char *kind)
{
	char *path = NULL;
	authority_must(authority->file_count < AUTHORITY_FILES, "too many files");
	authority_must(asprintf(&path, "%s/%zu.%s.pem", authority->directory, authority->file_count, kind) > 0,
		       "memory");
	authority->files[authority->file_count++] = path;
	return path;
}

static X509 *authority_begin(struct authority *authority, const char *name, EVP_PKEY *key, long from_s, long to_s)
{
	X509 *certificate = X509_new();
	authority_must(certificate != NULL, "memory");
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++authority->serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name,
				   -1, -1, 0);
	return certificate;
}

static void authority_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	authority_must(extension != NULL, value);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *authority_make_root(struct authority *authority, const char *name, EVP_PKEY *key)
{
	X509 *root = authority_begin(authority, name, key, -DAY_S, 30 * DAY_S);
	X509_set_issuer_name(root, X509_get_subject_name(root));
	authority_extend(root, root, NID_basic_constraints, "critical,CA:TRUE");
	authority_extend(root, root, NID_key_usage, "critical,keyCertSign,cRLSign");
	authority_extend(root, root, NID_subject_key_identifier, "hash");
	authority_must(X509_sign(root, key, EVP_sha256()) > 0, "sign");
	return root;
}

static void authority_write(const char *path, X509 *certificate, X509 *root, EVP_PKEY *key)
{
	FILE *file = fopen(path, "w");
	authority_must(file != NULL, path);
	if (certificate)
		PEM_write_X509(file, certificate);
	if (root)
		PEM_write_X509(file, root);
	if (key)
		PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

struct authority *authority_new(void)
{
	struct authority *authority = calloc(1, sizeof(*authority));
	authority_must(authority != NULL, "memory");
	snprintf(authority->directory, sizeof(authority->directory), "/tmp/ruche-authority-XXXXXX");
	authority_must(mkdtemp(authority->directory) != NULL, "temporary directory");
	authority->key = EVP_EC_gen("P-256");
	authority->other_key = EVP_EC_gen("P-256");
	authority_must(authority->key && authority->other_key, "keys");
	authority->root = authority_make_root(authority, "Ruche Test Authority", authority->key);
	authority->other_root = authority_make_root(authority, "Another Authority", authority->other_key);
	authority_write(authority_path(authority, "root"), authority->root, NULL, NULL);
	return authority;
}

void authority_free(struct authority *authority)
{
	if (!authority)
		return;
	for (size_t i = 0; i < authority->file_count; i++) {
		unlink(authority->files[i]);
		free(authority->files[i]);
	}
	rmdir(authority->directory);
	X509_free(authority->root);
	X509_free(authority->other_root);
	EVP_PKEY_free(authority->key);
	EVP_PKEY_free(authority->other_key);
	free(authority);
}

const char *authority_file(const struct authority *authority)
{
	return authority->files[0];
}

static void authority_add_names(X509 *certificate, X509 *issuer, const struct tp_certificate *wanted)
{
	char names[512] = "";
	for (size_t i = 0; i < sizeof(wanted->names) / sizeof(wanted->names[0]) && wanted->names[i]; i++) {
		struct in6_addr address;
		bool is_address = inet_pton(AF_INET, wanted->names[i], &address) == 1 ||
				  inet_pton(AF_INET6, wanted->names[i], &address) == 1;
		size_t len = strlen(names);
		snprintf(names + len, sizeof(names) - len, "%s%s:%s", len ? "," : "", is_address ? "IP" : "DNS",
			 wanted->names[i]);
	}
	if (names[0])
		authority_extend(certificate, issuer, NID_subject_alt_name, names);
}

void authority_issue(struct authority *authority, const struct tp_certificate *wanted, const char **out_certificate,
		     const char **out_key)
{
	EVP_PKEY *key = wanted->weak_key ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
	authority_must(key != NULL, "key");
	long from_s = wanted->expired ? -3 * DAY_S : wanted->not_yet ? DAY_S : -DAY_S;
	long to_s = wanted->expired ? -DAY_S : 20 * DAY_S;
	X509 *certificate = authority_begin(authority, wanted->names[0] ? wanted->names[0] : "nameless", key, from_s,
					    to_s);
	X509 *issuer = wanted->self_signed ? certificate : wanted->by_other ? authority->other_root : authority->root;
	EVP_PKEY *signer = wanted->self_signed ? key : wanted->by_other ? authority->other_key : authority->key;
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	authority_extend(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
	authority_extend(certificate, issuer, NID_ext_key_usage, wanted->is_server_false ? "clientAuth" : "serverAuth");
	authority_add_names(certificate, issuer, wanted);
	authority_must(X509_sign(certificate, signer, EVP_sha256()) > 0, "sign");
	*out_certificate = authority_path(authority, "certificate");
	*out_key = authority_path(authority, "key");
	authority_write(*out_certificate, certificate, wanted->by_other ? authority->other_root : NULL, NULL);
	authority_write(*out_key, NULL, NULL, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
}
