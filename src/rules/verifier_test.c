#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/verifier.h"

#define NOW_S  1700000000
#define STRIPE "16dd389b149e962e7b6d0409a2b13d31a3650366d545a7fae340f1a1f61d1335"
#define EVENT  "{\"id\":\"evt_1\",\"type\":\"charge.succeeded\"}"

struct sent {
	const char *name, *value;
};

static struct str header(const void *headers, const char *name)
{
	for (const struct sent *sent = headers; sent->name; sent++)
		if (str_eq_nocase(str_of(sent->name), str_of(name)))
			return str_of(sent->value);
	return (struct str){ 0 };
}

struct row {
	enum verifier verifier;
	const char *secrets[2];
	struct sent headers[4];
	const char *body;
	enum err err;
};

static enum err verify(const struct row *row, int64_t now_s, struct problem *problem)
{
	struct str secrets[2];
	size_t count = 0;
	for (; count < 2 && row->secrets[count]; count++)
		secrets[count] = str_of(row->secrets[count]);
	struct incoming incoming = { .header = header, .headers = row->headers, .body = str_of(row->body), .now_s = now_s };
	return verifier_verify(row->verifier, secrets, count, &incoming, problem);
}

/* GitHub's is the example of its documentation; the others were made with Python's hmac. */
static void believes_who_knows_the_secret(void **state)
{
	static const struct row rows[] = {
		{ VERIFIER_NONE, { 0 }, { { 0 } }, "x", E_OK },
		{ VERIFIER_GITHUB, { "It's a Secret to Everybody" },
		  { { "x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" } }, "Hello, World!", E_OK },
		{ VERIFIER_GITHUB, { "old", "It's a Secret to Everybody" },
		  { { "x-hub-signature-256", "sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17" } }, "Hello, World!", E_OK },
		{ VERIFIER_GITHUB, { "It's a Secret to Everybody" },
		  { { "x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" } }, "Hello, World?", E_SIGNATURE },
		{ VERIFIER_GITHUB, { "It's a Secret to Everybody" },
		  { { "x-hub-signature-256", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" } }, "Hello, World!", E_SIGNATURE },
		{ VERIFIER_GITHUB, { "x" }, { { "x-hub-signature-256", "sha256=" } }, "Hello, World!", E_SIGNATURE },
		{ VERIFIER_GITHUB, { "x" }, { { 0 } }, "Hello, World!", E_SIGNATURE },
		{ VERIFIER_GITHUB, { 0 }, { { "x-hub-signature-256", "sha256=00" } }, "Hello, World!", E_SIGNATURE },
		{ VERIFIER_SENTRY, { "sentry" }, { { "Sentry-Hook-Signature", "b8d79a3948daa86edc1aeaf4bbe0780fa8701af8eb6fd2ca0c81d52f967d5093" } }, EVENT,
		  E_OK },
		{ VERIFIER_SENTRY, { "sentri" }, { { "Sentry-Hook-Signature", "b8d79a3948daa86edc1aeaf4bbe0780fa8701af8eb6fd2ca0c81d52f967d5093" } }, EVENT,
		  E_SIGNATURE },
		{ VERIFIER_SENTRY, { "sentry" }, { { "Sentry-Hook-Signature", "z8d79a3948daa86edc1aeaf4bbe0780fa8701af8eb6fd2ca0c81d52f967d5093" } }, EVENT,
		  E_SIGNATURE },
		{ VERIFIER_STRIPE, { "whsec_stripe" }, { { "Stripe-Signature", "t=1700000000,v1=" STRIPE ",v0=00" } }, EVENT, E_OK },
		{ VERIFIER_STRIPE, { "whsec_stripe" }, { { "Stripe-Signature", "v1=00, v1=" STRIPE ", t=1700000000" } }, EVENT, E_OK },
		{ VERIFIER_STRIPE, { "whsec_stripe" }, { { "Stripe-Signature", "t=1700000001,v1=" STRIPE } }, EVENT, E_SIGNATURE },
		{ VERIFIER_STRIPE, { "whsec_stripe" }, { { "Stripe-Signature", "v1=" STRIPE } }, EVENT, E_SIGNATURE },
		{ VERIFIER_STRIPE, { "whsec_stripe" }, { { "Stripe-Signature", "t=1700000000,v0=" STRIPE } }, EVENT, E_SIGNATURE },
		{ VERIFIER_STRIPE, { "whsec_stripe" }, { { "Stripe-Signature", "t=,=,,v1" } }, EVENT, E_SIGNATURE },
		{ VERIFIER_BASIC, { "crisp:other", "crisp:s3cret:x" }, { { "authorization", "basic Y3Jpc3A6czNjcmV0Ong=" } }, "", E_OK },
		{ VERIFIER_BASIC, { "crisp:s3cret" }, { { "authorization", "Basic Y3Jpc3A6czNjcmV0Ong=" } }, "", E_SIGNATURE },
		{ VERIFIER_BASIC, { "crisp:s3cret:x" }, { { "authorization", "Bearer Y3Jpc3A6czNjcmV0Ong=" } }, "", E_SIGNATURE },
		{ VERIFIER_BASIC, { "crisp:s3cret:x" }, { { 0 } }, "", E_SIGNATURE },
		{ VERIFIER_STANDARD_WEBHOOKS, { "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
		  { { "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek" }, { "webhook-timestamp", "1614265330" },
		    { "webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" } }, "{\"test\": 2432232314}", E_SIGNATURE }, /* old by now */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		enum err err = verify(&rows[i], NOW_S, &problem);
		if (err != rows[i].err || (err && !problem.detail[0]))
			fail_msg("row %zu: %s: %s", i, err_code(err), problem.detail);
	}
	assert_int_equal(verify(&rows[ARRAY_COUNT(rows) - 1], 1614265331, NULL), E_OK);
	assert_int_equal(verify(&rows[11], NOW_S + 301, NULL), E_SIGNATURE); /* Stripe's, 301 s old and 301 s ahead */
	assert_int_equal(verify(&rows[11], NOW_S - 301, NULL), E_SIGNATURE);
	assert_int_equal(verify(&rows[11], NOW_S + 300, NULL), E_OK);
}

/* Whoever sends learns nothing of a secret that is no key, and the key behind it still opens. */
static void a_secret_s_form_is_nobody_s_business(void **state)
{
	static const char *const secrets[][2] = { { "whsec_!", NULL }, { "whsec_!", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" },
		                                  { "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", NULL }, { "plain text", "whsec_" } };
	struct row row = { VERIFIER_STANDARD_WEBHOOKS, { 0 },
			   { { "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek" }, { "webhook-timestamp", "1614265330" },
			     { "webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" } }, "{\"test\": 2432232314}", E_OK };
	struct problem first = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(secrets); i++) {
		struct problem problem = { 0 };
		memcpy(row.secrets, secrets[i], sizeof(row.secrets));
		assert_int_equal(verify(&row, 1614265331, &problem), E_SIGNATURE);
		first = i ? first : problem;
		assert_string_equal(problem.detail, first.detail);
	}
	row.secrets[0] = "whsec_!";
	row.secrets[1] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
	assert_int_equal(verify(&row, 1614265331, NULL), E_OK);
}

static void ids_are_the_senders(void **state)
{
	static const struct sent headers[] = { { "Webhook-Id", "msg_1" }, { "X-GitHub-Delivery", "72d3162e" }, { "Request-ID", "r1" }, { 0 } };
	struct arena arena = { 0 };
	struct incoming incoming = { .header = header, .headers = headers, .body = STR(EVENT) };
	(void)state;
	assert_true(str_eq(verifier_id(VERIFIER_STANDARD_WEBHOOKS, &incoming, &arena), STR("msg_1")));
	assert_true(str_eq(verifier_id(VERIFIER_GITHUB, &incoming, &arena), STR("72d3162e")));
	assert_true(str_eq(verifier_id(VERIFIER_SENTRY, &incoming, &arena), STR("r1")));
	assert_true(str_eq(verifier_id(VERIFIER_STRIPE, &incoming, &arena), STR("evt_1")));
	assert_int_equal(verifier_id(VERIFIER_BASIC, &incoming, &arena).len, 0);
	incoming.body = STR("not JSON");
	assert_int_equal(verifier_id(VERIFIER_STRIPE, &incoming, &arena).len, 0);
	arena_fini(&arena);
}

static void words_and_secrets_are_checked(void **state)
{
	enum verifier verifier;
	(void)state;
	for (enum verifier each = 0; each < VERIFIER_COUNT; each++) {
		assert_int_equal(verifier_parse(str_of(verifier_word(each)), &verifier), E_OK);
		assert_int_equal(verifier, each);
	}
	assert_int_equal(verifier_parse(STR("gitlab"), &verifier), E_INVALID);
	assert_int_equal(verifier_check_secret(VERIFIER_BASIC, STR("nobody"), NULL), E_INVALID);
	assert_int_equal(verifier_check_secret(VERIFIER_BASIC, STR("user:"), NULL), E_OK);
	assert_int_equal(verifier_check_secret(VERIFIER_GITHUB, (struct str){ 0 }, NULL), E_INVALID);
	assert_int_equal(verifier_check_secret(VERIFIER_STANDARD_WEBHOOKS, STR("whsec_x"), NULL), E_INVALID);
	assert_int_equal(verifier_check_secret(VERIFIER_STANDARD_WEBHOOKS, STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), NULL), E_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(believes_who_knows_the_secret), cmocka_unit_test(a_secret_s_form_is_nobody_s_business), cmocka_unit_test(ids_are_the_senders),
		                            cmocka_unit_test(words_and_secrets_are_checked) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
