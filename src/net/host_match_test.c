#include "net/host_match.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void what_a_setting_may_say(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum host_match_kind kind;
		const char *refused; /* NULL: it is taken */
	} rows[] = {
		{ "*", HOST_ALL, NULL },
		{ "intra.example", HOST_NAME, NULL },
		{ "Intra.Example.", HOST_NAME, NULL },
		{ "crm", HOST_NAME, NULL },
		{ "crm_1-a.9.example", HOST_NAME, NULL },
		{ ".example", HOST_BELOW, NULL },
		{ "*.example", HOST_BELOW, NULL },
		{ "10.1.2.3", HOST_RANGE, NULL },
		{ "10.0.0.0/8", HOST_RANGE, NULL },
		{ "::1", HOST_RANGE, NULL },
		{ "[::1]", HOST_RANGE, NULL },
		{ "fd00::/8", HOST_RANGE, NULL },
		{ "", 0, "is no host" },
		{ ".", 0, "is no host" },
		{ "*.", 0, "is no host" },
		{ "**", 0, "is no host" },
		{ "a..b", 0, "is no host" },
		{ "..example", 0, "is no host" },
		{ "*example", 0, "is no host" },
		{ "a*.example", 0, "is no host" },
		{ "a b", 0, "is no host" },
		{ "caf\xc3\xa9.example", 0, "is no host" },
		{ "10.0.0", 0, "is no host" },
		{ "2130706433", 0, "is no host" },
		{ "crm:8080", 0, "without scheme and port" },
		{ "10.1.2.3:80", 0, "without scheme and port" },
		{ "[::1]:80", 0, "without scheme and port" },
		{ "fd00::zz", 0, "without scheme and port" },
		{ "http://crm", 0, "is not an address range" },
		{ "10.0.0.1/8", 0, "bits set beyond its prefix" },
		{ "10.0.0.0/33", 0, "prefix of 0 to 32" },
		{ "example/8", 0, "is not an address range" },
	};
	char name[HOST_NAME_BYTES + 2];
	struct host_match match;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct problem problem = { 0 };
		enum err err = host_match_parse(str_of(rows[i].text), &match, &problem);
		if (rows[i].refused ? !err || !strstr(problem.detail, rows[i].refused) : err || match.kind != rows[i].kind)
			fail_msg("'%s': %s", rows[i].text, problem.detail);
	}
	memset(name, 'a', sizeof(name));
	assert_int_equal(host_match_parse((struct str){ name, HOST_NAME_BYTES }, &match, NULL), E_OK);
	assert_true(host_match_any(&match, 1, (struct str){ name, HOST_NAME_BYTES }, true));
	assert_int_equal(host_match_parse((struct str){ name, HOST_NAME_BYTES + 1 }, &match, NULL), E_INVALID);
}

static void which_hosts_are_meant(void **state)
{
	(void)state;
	static const struct {
		const char *text, *host;
		bool alone, with_names_below;
	} rows[] = {
		{ "*", "anything.example", true, true },
		{ "*", "[2001:db8::1]", true, true },
		{ "crm.example", "crm.example", true, true },
		{ "crm.example", "CRM.Example.", true, true },
		{ "CRM.example.", "crm.example", true, true },
		{ "crm.example", "a.crm.example", false, true },
		{ "crm.example", "a.b.crm.example.", false, true },
		{ "crm.example", "xcrm.example", false, false },
		{ "crm.example", "xxcrm.example", false, false },
		{ ".crm.example", "xxcrm.example", false, false },
		{ "crm.example", "crm.example.org", false, false },
		{ "crm.example", "example", false, false },
		{ ".crm.example", "crm.example", false, false },
		{ ".crm.example", "a.crm.example", true, true },
		{ "*.crm.example", "b.a.CRM.example", true, true },
		{ ".crm.example", ".crm.example", false, false },
		{ "10.0.0.0/8", "10.255.0.1", true, true },
		{ "10.0.0.0/8", "11.0.0.1", false, false },
		{ "10.0.0.0/8", "ten.example", false, false },
		{ "10.1.2.3", "10.1.2.3", true, true },
		{ "10.1.2.3", "10.1.2.4", false, false },
		{ "10.1.2.3", "[::ffff:10.1.2.3]", true, true },
		{ "fd00::/8", "[fd12::1]", true, true },
		{ "[fd00::1]", "[fd00:0::1]", true, true },
		{ "fd00::/8", "[fe80::1]", false, false },
		{ "fd00::/8", "10.0.0.1", false, false },
		{ "0.0.0.0/0", "name.example", false, false },
		{ "0x7f.example", "127.0.0.1", false, false },
		{ "crm", "", false, false },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct host_match list[2];
		assert_int_equal(host_match_parse(STR("other.invalid"), &list[0], NULL), E_OK);
		assert_int_equal(host_match_parse(str_of(rows[i].text), &list[1], NULL), E_OK);
		if (host_match_any(list, 2, str_of(rows[i].host), false) != rows[i].alone ||
		    host_match_any(list, 2, str_of(rows[i].host), true) != rows[i].with_names_below)
			fail_msg("'%s' and '%s'", rows[i].text, rows[i].host);
		assert_false(host_match_any(list, 0, str_of(rows[i].host), true));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_a_setting_may_say), cmocka_unit_test(which_hosts_are_meant) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
