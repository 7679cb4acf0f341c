#include "rules/verifier.h"
#include "base/base64.h"
#include "base/crypto.h"
#include "base/pluck.h"
#include "rules/signature.h"

static const struct {
	const char *word;
	bool secret;
} verifiers[] = {
#define X(name, word, secret) { word, secret },
	VERIFIERS(X)
#undef X
};

const char *verifier_word(enum verifier verifier)
{
	return verifiers[verifier].word;
}

bool verifier_needs_secret(enum verifier verifier)
{
	return verifiers[verifier].secret;
}

enum err verifier_parse(struct str word, enum verifier *out)
{
	for (enum verifier verifier = 0; verifier < VERIFIER_COUNT; verifier++)
		if (str_eq(word, str_of(verifiers[verifier].word))) {
			*out = verifier;
			return E_OK;
		}
	return E_INVALID;
}

enum err verifier_check_secret(enum verifier verifier, struct str secret, struct problem *problem)
{
	struct signing_key key;
	switch (verifier) {
	case VERIFIER_STANDARD_WEBHOOKS: {
		enum err err = signing_key_read(secret, &key, problem);
		bytes_wipe(&key, sizeof(key));
		return err;
	}
	case VERIFIER_BASIC:
		return str_index(secret, ':') < secret.len ? E_OK
			: problem_detail(problem, E_INVALID, "The secret of the basic verifier is \"user:password\".");
	case VERIFIER_GITHUB: case VERIFIER_STRIPE: case VERIFIER_SENTRY:
		return secret.len ? E_OK : problem_detail(problem, E_INVALID, "The secret is empty.");
	case VERIFIER_NONE: case VERIFIER_COUNT: break;
	}
	return E_OK;
}

/* ---- senders that put the MAC in hexadecimal ---- */

static bool hex_mac(struct str text, unsigned char out[HMAC_SHA256_BYTES])
{
	if (text.len != 2 * HMAC_SHA256_BYTES)
		return false;
	for (size_t i = 0; i < HMAC_SHA256_BYTES; i++) {
		int high = str_hex_digit(text.ptr[2 * i]), low = str_hex_digit(text.ptr[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* E_SIGNATURE: the text is the MAC of these parts under none of the secrets. */
static enum err mac_verify(struct str hex, const struct str *secrets, size_t count, const struct str *parts, size_t part_count)
{
	unsigned char given[HMAC_SHA256_BYTES], mac[HMAC_SHA256_BYTES];
	if (!hex_mac(hex, given))
		return E_SIGNATURE;
	for (size_t i = 0; i < count; i++) {
		if (hmac_sha256(secrets[i], parts, part_count, mac))
			return E_NOMEM;
		if (bytes_equal((struct str){ (const char *)given, sizeof(given) }, (struct str){ (const char *)mac, sizeof(mac) }))
			return E_OK;
	}
	return E_SIGNATURE;
}

static enum err verify_body_mac(const char *header, struct str prefix, const struct str *secrets, size_t count, const struct incoming *incoming,
				struct problem *problem)
{
	struct str given = incoming->header(incoming->headers, header);
	if (!given.len)
		return problem_set(problem, E_SIGNATURE, header, "This header is needed: it has the signature.");
	if (!str_starts(given, prefix))
		return problem_set(problem, E_SIGNATURE, header, "Expected \"" STR_FMT "\" and 64 hexadecimal digits.", STR_ARG(prefix));
	enum err err = mac_verify(str_from(given, prefix.len), secrets, count, &incoming->body, 1);
	return err == E_SIGNATURE ? problem_set(problem, err, header, "The signature is not by a secret that is known here.") : err;
}

/* ---- Stripe ---- */

/* The next "name=value" of a list with commas. */
static bool next_pair(struct str *rest, struct str *name, struct str *value)
{
	if (!rest->len)
		return false;
	struct str pair = str_trim((struct str){ rest->ptr, str_index(*rest, ',') });
	*rest = str_from(*rest, str_index(*rest, ',') + 1);
	size_t equals = str_index(pair, '=');
	*name = (struct str){ pair.ptr, equals };
	*value = str_from(pair, equals + 1);
	return true;
}

static enum err verify_stripe(const struct str *secrets, size_t count, const struct incoming *incoming, struct problem *problem)
{
	const char *header = "Stripe-Signature";
	struct str list = incoming->header(incoming->headers, header), rest = list, name, value, timestamp = { 0 };
	uint64_t at_s;
	while (next_pair(&rest, &name, &value))
		if (str_eq(name, STR("t")))
			timestamp = value;
	if (!str_u64(timestamp, &at_s) || at_s > INT64_MAX / 2)
		return problem_set(problem, E_SIGNATURE, header, "Expected t=seconds,v1=signature.");
	if ((int64_t)at_s < incoming->now_s - SIGNATURE_TOLERANCE_S || (int64_t)at_s > incoming->now_s + SIGNATURE_TOLERANCE_S)
		return problem_set(problem, E_SIGNATURE, header, "Its timestamp is more than 5 minutes off.");
	const struct str parts[] = { timestamp, STR("."), incoming->body };
	enum err err = E_SIGNATURE;
	for (rest = list; err == E_SIGNATURE && next_pair(&rest, &name, &value);)
		if (str_eq(name, STR("v1")))
			err = mac_verify(value, secrets, count, parts, ARRAY_COUNT(parts));
	return err == E_SIGNATURE ? problem_set(problem, err, header, "The signature is not by a secret that is known here.") : err;
}

/* ---- the others ---- */

static enum err verify_basic(const struct str *secrets, size_t count, const struct incoming *incoming, struct problem *problem)
{
	char given[1024];
	size_t len;
	struct str header = incoming->header(incoming->headers, "Authorization");
	bool basic = header.len > 6 && str_eq_nocase((struct str){ header.ptr, 6 }, STR("Basic "));
	bool known = false;
	if (basic && base64_parse(str_trim(str_from(header, 6)), given, sizeof(given), &len) == E_OK)
		for (size_t i = 0; i < count; i++)
			known = bytes_equal((struct str){ given, len }, secrets[i]) || known;
	bytes_wipe(given, sizeof(given));
	return known ? E_OK : problem_set(problem, E_SIGNATURE, "Authorization", "Expected Basic and a user and password that are known here.");
}

/* A secret that is no key believes nobody, and whoever sends hears nothing of it. */
static enum err verify_standard(const struct str *secrets, size_t count, const struct incoming *incoming, struct problem *problem)
{
	enum err err = problem_detail(problem, E_INVALID, "No signature of webhook-signature is by a key that is known here.");
	for (size_t i = 0; i < count && err == E_INVALID; i++) {
		struct signing_key key;
		if (signing_key_read(secrets[i], &key, NULL) == E_OK)
			err = signature_verify(&key, 1, incoming->header(incoming->headers, "webhook-id"),
					       incoming->header(incoming->headers, "webhook-timestamp"),
					       incoming->header(incoming->headers, "webhook-signature"), incoming->body, incoming->now_s, problem);
		bytes_wipe(&key, sizeof(key));
	}
	return err == E_INVALID ? problem_detail(problem, E_SIGNATURE, problem ? problem->detail : "") : err;
}

enum err verifier_verify(enum verifier verifier, const struct str *secrets, size_t count, const struct incoming *incoming, struct problem *problem)
{
	if (verifiers[verifier].secret && !count)
		return problem_detail(problem, E_SIGNATURE, "The source has no secret yet: nobody is believed.");
	switch (verifier) {
	case VERIFIER_BASIC: return verify_basic(secrets, count, incoming, problem);
	case VERIFIER_STANDARD_WEBHOOKS: return verify_standard(secrets, count, incoming, problem);
	case VERIFIER_GITHUB: return verify_body_mac("X-Hub-Signature-256", STR("sha256="), secrets, count, incoming, problem);
	case VERIFIER_STRIPE: return verify_stripe(secrets, count, incoming, problem);
	case VERIFIER_SENTRY: return verify_body_mac("Sentry-Hook-Signature", (struct str){ 0 }, secrets, count, incoming, problem);
	case VERIFIER_NONE: case VERIFIER_COUNT: break;
	}
	return E_OK;
}

struct str verifier_id(enum verifier verifier, const struct incoming *incoming, struct arena *arena)
{
	switch (verifier) {
	case VERIFIER_STANDARD_WEBHOOKS: return incoming->header(incoming->headers, "webhook-id");
	case VERIFIER_GITHUB: return incoming->header(incoming->headers, "X-GitHub-Delivery");
	case VERIFIER_SENTRY: return incoming->header(incoming->headers, "Request-ID");
	case VERIFIER_STRIPE: return pluck_text(incoming->body, "id", arena);
	case VERIFIER_NONE: case VERIFIER_BASIC: case VERIFIER_COUNT: break;
	}
	return (struct str){ 0 };
}
