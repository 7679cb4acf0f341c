#include "ruche_error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define PROBLEM(code) "{\"type\":\"urn:ruche:problem:" code "\",\"title\":\"T\",\"status\":409,\"code\":\"" code "\",\"detail\":\"D\",\"field\":\"f[1]\"}"

static void problems(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *json;
		int code, http_status, may_retry;
		const char *name, *field, *sentence;
	} rows[] = {
		{ 409, PROBLEM("stale_lease"), RUCHE_STALE_LEASE, 409, 0, "stale_lease", "f[1]", "D" },
		{ 503, "{\"code\":\"unavailable\",\"title\":\"T\"}", RUCHE_UNAVAILABLE, 503, 1, "unavailable", "", "T" },
		{ 200, PROBLEM("illegal_state"), RUCHE_ILLEGAL_STATE, 409, 0, "illegal_state", "f[1]", "D" }, /* one of several */
		{ 418, "{\"code\":\"of_tomorrow\",\"detail\":\"D\"}", RUCHE_REFUSED, 418, 0, "of_tomorrow", "", "D" },
		{ 503, "{\"code\":\"of_tomorrow\",\"detail\":\"D\"}", RUCHE_REFUSED, 503, 1, "of_tomorrow", "", "D" },
		{ 502, "<html>", RUCHE_NOT_RUCHE, 502, 1, "not_ruche", "", NULL },
		{ 404, "", RUCHE_NOT_RUCHE, 404, 0, "not_ruche", "", NULL },
		{ 404, "{\"code\":404}", RUCHE_REFUSED, 404, 0, "404", "", "" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct ruche_error error;
		assert_int_equal(error_of_problem(&error, rows[i].status, str_of(rows[i].json), "here"), rows[i].code);
		assert_int_equal(error.code, rows[i].code);
		assert_int_equal(error.http_status, rows[i].http_status);
		assert_int_equal(error.may_retry, rows[i].may_retry);
		assert_string_equal(error.name, rows[i].name);
		assert_string_equal(error.field, rows[i].field);
		if (rows[i].sentence)
			assert_string_equal(error.sentence, rows[i].sentence);
		else
			assert_non_null(strstr(error.sentence, "here answered"));
		assert_int_equal(error_of_problem(NULL, rows[i].status, str_of(rows[i].json), "here"), rows[i].code);
	}
}

/* Every code that a daemon may answer is known by its name, and err.def's numbers are nobody's business. */
static void the_daemons_codes(void **state)
{
	(void)state;
	static const enum err not_answers[] = { E_NETWORK, E_TIMEOUT, E_STORE_NEWER, E_STORE_LOCKED, E_STALE_TERM, E_STORE_CORRUPT, E_CONFIG, E_ADDRESS_IN_USE };
	for (int err = 1; err < ERR_COUNT; err++) {
		char json[128];
		struct ruche_error error;
		bool answered = true;
		for (size_t i = 0; i < ARRAY_COUNT(not_answers); i++)
			answered &= not_answers[i] != (enum err)err;
		snprintf(json, sizeof(json), "{\"code\":\"%s\",\"detail\":\"D\"}", err_code((enum err)err));
		int code = error_of_problem(&error, err_http_status((enum err)err), str_of(json), "");
		assert_int_equal(code > RUCHE_REFUSED, answered);
		assert_string_equal(error.name, err_code((enum err)err));
		if (answered) {
			assert_int_equal(error.may_retry, err_may_retry((enum err)err));
			assert_string_equal(error_code_name(code), err_code((enum err)err));
		}
	}
}

static void long_text_is_cut_between_characters(void **state)
{
	(void)state;
	char json[4096] = "{\"code\":\"conflict\",\"detail\":\"", long_text[2048];
	struct ruche_error error;
	size_t len = strlen(json);
	for (int i = 0; i < 1000; i++, len += 2)
		memcpy(json + len, "\xc3\xa9", 2);
	memcpy(json + len, "\"}", 3);
	error_of_problem(&error, 409, str_of(json), "");
	assert_int_equal(strlen(error.sentence), sizeof(error.sentence) - 2); /* an odd byte more would be half a character */
	assert_true(str_is_utf8(str_of(error.sentence)));
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(error_set(&error, RUCHE_BAD_ARGUMENT, long_text, "%s", long_text), RUCHE_BAD_ARGUMENT);
	assert_int_equal(strlen(error.field), sizeof(error.field) - 1);
	assert_int_equal(strlen(error.sentence), sizeof(error.sentence) - 1);
	assert_int_equal(error_set(NULL, RUCHE_BAD_ARGUMENT, "", "%s", long_text), RUCHE_BAD_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(problems), cmocka_unit_test(the_daemons_codes),
					    cmocka_unit_test(long_text_is_cut_between_characters) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
