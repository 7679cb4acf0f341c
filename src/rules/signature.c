#include "rules/signature.h"
#include "base/base64.h"
#include "base/crypto.h"

_Static_assert(ED25519_SEED_BYTES == ED25519_PUBLIC_BYTES, "a v1a key is as long as its public half");

/* ---- keys ---- */

enum err signing_key_read(struct str text, struct signing_key *out, struct problem *problem)
{
	size_t len;
	*out = (struct signing_key){ .scheme = SIGNING_V1 };
	if (str_starts(text, STR("whsec_"))) {
		text = str_from(text, 6);
	} else if (str_starts(text, STR("whsk_")) || str_starts(text, STR("whpk_"))) {
		out->scheme = SIGNING_V1A;
		out->public_only = text.ptr[2] == 'p';
		text = str_from(text, 5);
	}
	if (base64_parse(text, (char *)out->bytes, SIGNING_KEY_BYTES, &len))
		return problem_detail(problem, E_INVALID, "Expected whsec_, whsk_ or whpk_ and standard base64 of at most 64 bytes.");
	if (out->scheme == SIGNING_V1 && len < 24)
		return problem_detail(problem, E_INVALID, "A signing secret has 24 to 64 bytes, as base64 after whsec_.");
	if (out->scheme == SIGNING_V1A && len != 32 && (len != 64 || out->public_only))
		return problem_detail(problem, E_INVALID, "An Ed25519 key has 32 bytes (or 64: seed and public key), as base64 after whsk_ or whpk_.");
	out->len = (uint8_t)(out->scheme == SIGNING_V1A ? 32 : len);
	return E_OK;
}

static void base64_add(struct buf *out, const unsigned char *bytes, size_t len)
{
	char *room = buf_reserve(out, BASE64_BYTES(len));
	if (room) {
		base64_write((struct str){ (const char *)bytes, len }, room);
		out->len += BASE64_BYTES(len);
	}
}

void signing_key_write(struct buf *out, enum signing_scheme scheme, const unsigned char random[32])
{
	buf_add(out, scheme == SIGNING_V1 ? STR("whsec_") : STR("whsk_"));
	base64_add(out, random, 32);
}

enum err signing_key_write_public(struct buf *out, const struct signing_key *key)
{
	unsigned char public[ED25519_PUBLIC_BYTES];
	if (key->public_only)
		memcpy(public, key->bytes, sizeof(public));
	else if (ed25519_public(key->bytes, public))
		return E_NOMEM;
	buf_add_lit(out, "whpk_");
	base64_add(out, public, sizeof(public));
	return buf_ok(out) ? E_OK : E_NOMEM;
}

/* ---- signing ---- */

static enum err sign_v1(struct buf *out, const struct signing_key *key, struct str head, struct str body)
{
	unsigned char mac[HMAC_SHA256_BYTES];
	const struct str parts[] = { head, body };
	if (hmac_sha256((struct str){ (const char *)key->bytes, key->len }, parts, 2, mac))
		return E_NOMEM;
	buf_add_lit(out, "v1,");
	base64_add(out, mac, sizeof(mac));
	return E_OK;
}

static enum err sign_v1a(struct buf *out, const struct signing_key *key, struct str head, struct str body)
{
	unsigned char signed_bytes[ED25519_SIGNED_BYTES];
	size_t before = out->len;
	buf_add(out, head); /* Ed25519 reads its message in one piece */
	buf_add(out, body);
	if (!buf_ok(out) || ed25519_sign(key->bytes, str_from(buf_str(out), before), signed_bytes))
		return E_NOMEM;
	out->len = before;
	buf_add_lit(out, "v1a,");
	base64_add(out, signed_bytes, sizeof(signed_bytes));
	return E_OK;
}

enum err signature_write(struct buf *out, const struct signing_key *keys, size_t count, struct str id, int64_t at_s, struct str body)
{
	struct buf head = { .max_bytes = id.len + 24 };
	enum err err = E_OK;
	buf_add(&head, id);
	buf_add_byte(&head, '.');
	buf_add_i64(&head, at_s);
	buf_add_byte(&head, '.');
	for (size_t i = 0; !err && buf_ok(&head) && i < count; i++) {
		if (i)
			buf_add_byte(out, ' ');
		err = keys[i].scheme == SIGNING_V1 ? sign_v1(out, &keys[i], buf_str(&head), body) : sign_v1a(out, &keys[i], buf_str(&head), body);
	}
	err = err || !buf_ok(&head) || !buf_ok(out) ? E_NOMEM : E_OK;
	buf_fini(&head);
	return err;
}

/* ---- verifying ---- */

/* One signature of the header against one key. E_INVALID: not by this key. */
static enum err signature_check(const struct signing_key *key, struct str scheme, const unsigned char *given, size_t len, struct str message)
{
	unsigned char mac[HMAC_SHA256_BYTES], public[ED25519_PUBLIC_BYTES];
	if (key->scheme == SIGNING_V1) {
		if (!str_eq(scheme, STR("v1")))
			return E_INVALID;
		if (hmac_sha256((struct str){ (const char *)key->bytes, key->len }, &message, 1, mac))
			return E_NOMEM;
		return bytes_equal((struct str){ (const char *)given, len }, (struct str){ (const char *)mac, sizeof(mac) }) ? E_OK : E_INVALID;
	}
	if (!str_eq(scheme, STR("v1a")) || len != ED25519_SIGNED_BYTES)
		return E_INVALID;
	if (key->public_only)
		memcpy(public, key->bytes, sizeof(public));
	else if (ed25519_public(key->bytes, public))
		return E_NOMEM;
	return ed25519_verify(public, message, given);
}

static enum err signatures_check(const struct signing_key *keys, size_t count, struct str signatures, struct str message)
{
	while (signatures.len) {
		unsigned char given[ED25519_SIGNED_BYTES];
		size_t len, end = str_index(signatures, ' ');
		struct str one = { signatures.ptr, end };
		signatures = str_from(signatures, end + 1);
		size_t comma = str_index(one, ',');
		if (comma == one.len || base64_parse(str_from(one, comma + 1), (char *)given, sizeof(given), &len))
			continue;
		for (size_t i = 0; i < count; i++) {
			enum err err = signature_check(&keys[i], (struct str){ one.ptr, comma }, given, len, message);
			if (err != E_INVALID)
				return err;
		}
	}
	return E_INVALID;
}

enum err signature_verify(const struct signing_key *keys, size_t count, struct str id, struct str timestamp, struct str signatures,
			  struct str body, int64_t now_s, struct problem *problem)
{
	uint64_t at_s;
	if (!id.len || !timestamp.len || !signatures.len)
		return problem_detail(problem, E_INVALID, "The headers webhook-id, webhook-timestamp and webhook-signature are all needed.");
	if (!str_u64(timestamp, &at_s) || at_s > INT64_MAX / 2)
		return problem_detail(problem, E_INVALID, "webhook-timestamp is not a number of seconds.");
	if ((int64_t)at_s < now_s - SIGNATURE_TOLERANCE_S)
		return problem_detail(problem, E_INVALID, "webhook-timestamp is more than 5 minutes old.");
	if ((int64_t)at_s > now_s + SIGNATURE_TOLERANCE_S)
		return problem_detail(problem, E_INVALID, "webhook-timestamp is more than 5 minutes ahead.");
	struct buf message = { .max_bytes = id.len + timestamp.len + body.len + 2 };
	buf_add(&message, id);
	buf_add_byte(&message, '.');
	buf_add(&message, timestamp);
	buf_add_byte(&message, '.');
	buf_add(&message, body);
	enum err err = buf_ok(&message) ? signatures_check(keys, count, signatures, buf_str(&message)) : E_NOMEM;
	buf_fini(&message);
	return err == E_INVALID ? problem_detail(problem, E_INVALID, "No signature of webhook-signature is by a key that is known here.") : err;
}
