#include "secret/seal.h"
#include "base/base64.h"
#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "secret/values.h"

#define BOUND_BYTES (16 + 2 * (LIMIT_NAME_BYTES + 1) + SECRET_KEY_ID_BYTES)

/* False: no name is so long. */
static bool bind(struct str namespace_name, struct str name, struct str key_id, char out[BOUND_BYTES], struct str *bound)
{
	const struct str parts[] = { STR("ruche secret 1"), namespace_name, name, key_id };
	size_t len = 0;
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		if (parts[i].len + 1 > BOUND_BYTES - len)
			return false;
		if (i)
			out[len++] = '\0';
		if (parts[i].len)
			memcpy(out + len, parts[i].ptr, parts[i].len);
		len += parts[i].len;
	}
	*bound = (struct str){ out, len };
	return true;
}

/* ---- sealing ---- */

static enum err plain_write(const struct secret *secret, struct vault *vault, struct str *out)
{
	size_t bytes = 64;
	for (uint32_t i = 0; i < secret->count; i++) {
		if (secret_value_refusal(secret->values[i].bytes) || !str_is_utf8(secret->values[i].bytes))
			return E_INVALID;
		bytes += 6 * secret->values[i].bytes.len + 80; /* all of it escaped */
	}
	struct buf plain = { .ptr = vault_alloc(vault, bytes), .capacity = bytes, .max_bytes = bytes }; /* never grown: it stays in the vault */
	if (!plain.ptr)
		return E_NOMEM;
	buf_add_lit(&plain, "{\"values\":[");
	for (uint32_t i = 0; i < secret->count; i++) {
		json_put_comma(&plain);
		buf_add_lit(&plain, "{");
		json_put_field_str(&plain, "value", secret->values[i].bytes);
		json_put_field_instant(&plain, "until_at", secret->values[i].until_us);
		buf_add_lit(&plain, "}");
	}
	buf_add_lit(&plain, "]}");
	CHECK(buf_ok(&plain));
	*out = buf_str(&plain);
	return E_OK;
}

static void put_base64(struct buf *out, const char *key, struct str bytes)
{
	json_put_key(out, key);
	buf_add_lit(out, "\"");
	char *room = buf_reserve(out, BASE64_BYTES(bytes.len));
	if (room) {
		base64_write(bytes, room);
		out->len += BASE64_BYTES(bytes.len);
	}
	buf_add_lit(out, "\"");
}

enum err seal_write(const struct ring_key *key, struct str namespace_name, struct str name, const struct secret *secret,
		    const unsigned char nonce[AEAD_NONCE_BYTES], struct buf *out)
{
	char bound_bytes[BOUND_BYTES];
	struct str bound, plain = { 0 };
	struct vault vault = { 0 };
	if (!secret->count || !bind(namespace_name, name, str_of(key->id), bound_bytes, &bound))
		return E_INVALID;
	enum err err = plain_write(secret, &vault, &plain);
	if (!err && BASE64_BYTES(plain.len + AEAD_TAG_BYTES) + 128 > LIMIT_NAMED_BYTES)
		err = E_TOO_LARGE;
	char *sealed = err ? NULL : vault_alloc(&vault, plain.len + AEAD_TAG_BYTES);
	if (!err)
		err = sealed ? aead_seal(key->bytes, nonce, bound, plain, (unsigned char *)sealed) : E_NOMEM;
	if (!err) {
		buf_add_lit(out, "{");
		json_put_field_str(out, "key", str_of(key->id));
		put_base64(out, "nonce", (struct str){ (const char *)nonce, AEAD_NONCE_BYTES });
		put_base64(out, "sealed", (struct str){ sealed, plain.len + AEAD_TAG_BYTES });
		buf_add_lit(out, "}");
		err = buf_ok(out) ? E_OK : E_NOMEM;
	}
	vault_fini(&vault);
	return err;
}

/* ---- opening ---- */

struct sealed {
	struct str key, nonce, sealed;
};
static const struct json_field sealed_fields[] = {
	{ "key", JSON_F_STR, offsetof(struct sealed, key), 1, 64, .flags = JSON_F_REQUIRED },
	{ "nonce", JSON_F_STR, offsetof(struct sealed, nonce), 1, 64, .flags = JSON_F_REQUIRED },
	{ "sealed", JSON_F_STR, offsetof(struct sealed, sealed), 1, LIMIT_NAMED_BYTES, .flags = JSON_F_REQUIRED },
};

static enum err sealed_read(struct str text, struct arena *arena, struct sealed *out)
{
	struct problem problem = { 0 };
	struct json json;
	json_init(&json, text, arena, &problem);
	if (json_read_fields(&json, sealed_fields, ARRAY_COUNT(sealed_fields), out, NULL, NULL) && json_finish(&json))
		return E_OK;
	return problem.err == E_NOMEM ? E_NOMEM : E_INVALID;
}

bool secret_sealed_key(struct str sealed, char out[SECRET_KEY_ID_BYTES + 1])
{
	struct arena arena = { 0 };
	struct sealed read;
	bool is_key = sealed_read(sealed, &arena, &read) == E_OK && read.key.len == SECRET_KEY_ID_BYTES;
	if (is_key) {
		memcpy(out, read.key.ptr, SECRET_KEY_ID_BYTES);
		out[SECRET_KEY_ID_BYTES] = '\0';
	}
	arena_fini(&arena);
	return is_key;
}

static enum err plain_read(struct str text, struct vault *vault, struct secret *out)
{
	struct problem problem = { 0 };
	struct arena arena;
	struct json json;
	if (!vault_arena(vault, secret_values_arena_bytes(text.len), &arena))
		return E_NOMEM;
	json_init(&json, text, &arena, &problem);
	bool read = secret_values_read(&json, out) && json_finish(&json);
	CHECK(!arena.chunks);
	return read ? E_OK : problem.err == E_NOMEM ? E_NOMEM : E_INVALID;
}

static enum err sealed_open(const struct ring_key *key, struct str namespace_name, struct str name, const struct sealed *read, struct vault *vault,
			    struct secret *out)
{
	char bound_bytes[BOUND_BYTES];
	unsigned char nonce[AEAD_NONCE_BYTES];
	struct str bound, plain = { vault_alloc(vault, read->sealed.len), 0 };
	char *box = vault_alloc(vault, read->sealed.len);
	size_t nonce_len = 0, box_len = 0;
	if (!plain.ptr || !box)
		return E_NOMEM;
	if (base64_parse(read->nonce, (char *)nonce, sizeof(nonce), &nonce_len) || nonce_len != sizeof(nonce) ||
	    base64_parse(read->sealed, box, read->sealed.len, &box_len) || !bind(namespace_name, name, read->key, bound_bytes, &bound))
		return E_INVALID;
	enum err err = aead_open(key->bytes, nonce, bound, (struct str){ box, box_len }, (unsigned char *)plain.ptr);
	plain.len = err ? 0 : box_len - AEAD_TAG_BYTES;
	return err ? err : plain_read(plain, vault, out);
}

enum err seal_read(const struct key_ring *ring, struct str namespace_name, struct str name, struct str sealed, struct vault *vault, struct secret *out)
{
	struct arena arena = { 0 };
	struct sealed read;
	enum err err = sealed_read(sealed, &arena, &read);
	const struct ring_key *key = err ? NULL : key_ring_find(ring, read.key);
	if (!err)
		err = key ? sealed_open(key, namespace_name, name, &read, vault, out) : E_SECRET_SEALED;
	arena_fini(&arena);
	return err;
}
