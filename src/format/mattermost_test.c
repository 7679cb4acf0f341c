/* src/format/mattermost_test.c: examples/formats/mattermost.jq, a row for each message and rule. Arguments: ruche-jq, that file. */
#include "format/example.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *ruche_jq, *mattermost_path;
static struct example *mattermost;

#define INPUT(type, payload) "{\"message\":{\"id\":\"msg_1\",\"type\":\"" type "\",\"entity\":\"f1\"},\"endpoint\":{\"name\":\"chat\"},\"attempt\":1,\"payload\":" payload "}"
#define CRM                  "{\"endpoint\":\"crm\",\"namespace\":\"default\",\"url\":\"https://crm.example.org\""
#define ERROR_503            "{\"class\":\"status_5xx\",\"status\":503,\"message\":\"The other side failed: status 503.\"}"
#define TEXT(text)           "{\"text\":\"" text "\"}"
#define SINCE                "\"failing_since_at\":\"2026-11-25T10:00:00.000Z\""

static const struct {
	const char *input, *expected;
} rows[] = {
	{ INPUT("endpoint.failing", CRM ",\"state\":\"enabled\",\"reason\":null,\"failures\":10,\"attempts_failed\":12," SINCE
		",\"open_until_at\":null,\"disable_at\":\"2026-11-30T10:00:00.000Z\",\"held\":3,\"error\":" ERROR_503 "}"),
	  TEXT(":warning: `crm` (https://crm.example.org) fails: 12 attempts without a success since 2026-11-25T10:00:00.000Z."
	       " Last error: The other side failed: status 503. 3 deliveries wait. It will be disabled at 2026-11-30T10:00:00.000Z.") },
	{ INPUT("endpoint.failing", CRM ",\"attempts_failed\":1," SINCE ",\"disable_at\":null,\"held\":0,\"error\":null}"), /* never disabled */
	  TEXT(":warning: `crm` (https://crm.example.org) fails: 1 attempt without a success since 2026-11-25T10:00:00.000Z.") },
	{ INPUT("endpoint.disabled", CRM ",\"state\":\"disabled\",\"reason\":\"gone\",\"held\":1,\"error\":{\"class\":\"status_4xx\",\"status\":410}}"),
	  TEXT(":no_entry: `crm` (https://crm.example.org) is disabled: it answered 410. Last error: HTTP 410. 1 delivery waits."
	       " When it is well again: `ruche endpoints enable crm`") },
	{ INPUT("endpoint.disabled", CRM ",\"state\":\"disabled\",\"reason\":\"failing\",\"held\":0,\"error\":{\"class\":\"timeout\"}}"),
	  TEXT(":no_entry: `crm` (https://crm.example.org) is disabled: nothing went through for too long. Last error: timeout."
	       " When it is well again: `ruche endpoints enable crm`") },
	{ INPUT("endpoint.recovered", CRM ",\"attempts_failed\":12," SINCE "}"),
	  TEXT(":white_check_mark: `crm` (https://crm.example.org) is well again, after 12 failed attempts since 2026-11-25T10:00:00.000Z.") },
	{ INPUT("endpoint.recovered", CRM ",\"attempts_failed\":0,\"failing_since_at\":null}"), /* it was enabled by hand */
	  TEXT(":white_check_mark: `crm` (https://crm.example.org) is well again.") },
	{ INPUT("delivery.exhausted", CRM ",\"delivery\":\"0abc\",\"message\":\"msg_2\",\"type\":\"fiche.made\",\"entity\":\"f2\",\"attempts_made\":10,"
		"\"error\":" ERROR_503 "}"),
	  TEXT(":x: `fiche.made` about `f2` did not reach `crm` (https://crm.example.org), after 10 attempts. Last error: The other side failed: status 503."
	       " Once more: `ruche deliveries retry 0abc`") },
	{ INPUT("delivery.exhausted", CRM ",\"delivery\":\"0abc\",\"message\":\"msg_2\",\"type\":\"note\",\"entity\":null,\"attempts_made\":1,\"error\":null}"),
	  TEXT(":x: `note` did not reach `crm` (https://crm.example.org), after 1 attempt. Once more: `ruche deliveries retry 0abc`") },
	/* another namespace is said */
	{ INPUT("endpoint.recovered", "{\"endpoint\":\"crm\",\"namespace\":\"blue\",\"url\":\"https://a.fr\",\"attempts_failed\":1," SINCE "}"),
	  TEXT(":white_check_mark: `crm` in `blue` (https://a.fr) is well again, after 1 failed attempt since 2026-11-25T10:00:00.000Z.") },
	/* what others wrote calls nobody, ends no piece of code, is no markup and no second line */
	{ INPUT("delivery.exhausted", CRM ",\"delivery\":\"0abc\",\"type\":\"note\",\"entity\":\"a`b @all\",\"attempts_made\":1,"
		"\"error\":{\"class\":\"tls\",\"message\":\"x\\n\\ny <!channel> & @here\"}}"),
	  TEXT(":x: `note` about `a'b @\xe2\x80\x8b""all` did not reach `crm` (https://crm.example.org), after 1 attempt."
	       " Last error: x y &lt;!channel&gt; &amp; @\xe2\x80\x8bhere. Once more: `ruche deliveries retry 0abc`") },
	/* whatever else somebody sends to the chat */
	{ INPUT("order.paid", "{\"total\":40}"), TEXT("`order.paid` about `f1`: `{\\\"total\\\":40}`") },
	{ INPUT("endpoint.test", "null"), TEXT("`endpoint.test` about `f1`: `null`") },
};

static void each_message_is_a_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct example_reply reply;
		example_run(mattermost, example_program(mattermost), rows[i].input, &reply);
		assert_int_equal(reply.end, FORMAT_VALUE);
		assert_string_equal(reply.text, rows[i].expected);
	}
}

static int start(void **state)
{
	(void)state;
	mattermost = example_open(ruche_jq, mattermost_path);
	return mattermost ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	example_close(mattermost);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_is_a_line),
	};
	if (argc != 3) {
		fputs("usage: format_mattermost_test PATH-OF-RUCHE-JQ PATH-OF-MATTERMOST.JQ\n", stderr);
		return 64;
	}
	ruche_jq = argv[1];
	mattermost_path = argv[2];
	return cmocka_run_group_tests(tests, start, stop);
}
