#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/limits.h"
#include "rules/http_url.h"

static void test_splits(void **state)
{
	static const struct { const char *url; bool secure; const char *host; uint16_t port; const char *rest; } rows[] = {
		{ "http://example.com", false, "example.com", 80, "" },
		{ "https://example.com", true, "example.com", 443, "" },
		{ "HTTPS://Example.COM/", true, "Example.COM", 443, "/" },
		{ "http://a", false, "a", 80, "" },
		{ "http://a.", false, "a.", 80, "" },
		{ "http://my_host-1.internal:8080/hook", false, "my_host-1.internal", 8080, "/hook" },
		{ "http://localhost:1/", false, "localhost", 1, "/" },
		{ "http://localhost:65535?a=b", false, "localhost", 65535, "?a=b" },
		{ "http://localhost#top", false, "localhost", 80, "#top" },
		{ "http://127.0.0.1:0080/x", false, "127.0.0.1", 80, "/x" },
		{ "http://[::1]/", false, "[::1]", 80, "/" },
		{ "https://[2001:db8::7]:8443/x", true, "[2001:db8::7]", 8443, "/x" },
		{ "http://[::ffff:10.0.0.1]", false, "[::ffff:10.0.0.1]", 80, "" },
		{ "http://xn--rckteur-e1a.fr/a%20b?x=1&y=[2]|{3}", false, "xn--rckteur-e1a.fr", 80, "/a%20b?x=1&y=[2]|{3}" },
		{ "http://a/b@c:d", false, "a", 80, "/b@c:d" }, /* no credentials: the host ended before */
		{ "http://a?u=http://user:pass@b/", false, "a", 80, "?u=http://user:pass@b/" },
		{ "http://a//b/../c", false, "a", 80, "//b/../c" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct http_url parts;
		const char *wrong = http_url_split(str_of(rows[i].url), &parts);
		if (wrong)
			fail_msg("%s: %s", rows[i].url, wrong);
		assert_int_equal(parts.secure, rows[i].secure);
		assert_int_equal(parts.port, rows[i].port);
		if (!str_eq(parts.host, str_of(rows[i].host)) || !str_eq(parts.rest, str_of(rows[i].rest)))
			fail_msg("%s: host " STR_FMT ", rest " STR_FMT, rows[i].url, STR_ARG(parts.host), STR_ARG(parts.rest));
	}
}

#define LABEL "sixty-three-bytes-make-the-longest-label-that-names-may-have-xx"

static void test_longest_label(void **state)
{
	(void)state;
	struct http_url parts;
	assert_null(http_url_split(STR("http://" LABEL ".a/"), &parts));
	assert_int_equal(parts.host.len, 65);
}

/* Each with a word of the sentence that refuses it. */
static void test_refusals(void **state)
{
	static const struct { struct str url; const char *word; } rows[] = {
		{ STR(""), "empty" },
		{ STR("example.com"), "begins with" },
		{ STR("//example.com"), "begins with" },
		{ STR("http:/example.com"), "begins with" },
		{ STR("http:"), "begins with" },
		{ STR("ftp://example.com"), "begins with" },
		{ STR("file:///etc/passwd"), "begins with" },
		{ STR("gopher://example.com"), "begins with" },
		{ STR("unix:/run/x"), "begins with" },
		{ STR("httpx://example.com"), "begins with" },
		{ STR("http://"), "no host" },
		{ STR("http:///path"), "no host" },
		{ STR("http://?q"), "no host" },
		{ STR("http://:80/"), "no host" },
		{ STR("http://user@example.com/"), "credentials" },
		{ STR("http://user:password@example.com/"), "credentials" },
		{ STR("http://:@example.com/"), "credentials" },
		{ STR("http://example.com@169.254.169.254/"), "credentials" },
		{ STR("http://example.com:80@evil.test/"), "credentials" },
		{ STR("http://@/"), "credentials" },
		{ STR("http://evil.test\\@example.com/"), "backslash" },
		{ STR("http://example.com\\path"), "backslash" },
		{ STR("http://example.com/a b"), "blanks" },
		{ STR(" http://example.com/"), "blanks" },
		{ STR("http://example.com/ "), "blanks" },
		{ STR("http://example.com/\r\nX: y"), "control" },
		{ STR("http://exa\tmple.com/"), "control" },
		{ STR("http://example.com/\0"), "control" },
		{ STR("http://example.com/\x7f"), "control" },
		{ STR("http://exämple.com/"), "ASCII" },
		{ STR("http://example.com/é"), "ASCII" },
		{ STR("http://example.com/\"x\""), "quote" },
		{ STR("http://example.com/<x>"), "angle" },
		{ STR("http://example.com:"), "port" },
		{ STR("http://example.com:/"), "port" },
		{ STR("http://example.com:0/"), "port" },
		{ STR("http://example.com:65536/"), "port" },
		{ STR("http://example.com:99999999999999999999/"), "port" },
		{ STR("http://example.com:080808/"), "port" },
		{ STR("http://example.com:+80/"), "port" },
		{ STR("http://example.com:80a/"), "port" },
		{ STR("http://example.com:80:81/"), "port" },
		{ STR("http://::1/"), "no host" },
		{ STR("http://1::1/"), "port" },
		{ STR("http://.example.com/"), "empty part" },
		{ STR("http://example..com/"), "empty part" },
		{ STR("http://./"), "empty part" },
		{ STR("http://exam%70le.com/"), "character" },
		{ STR("http://exam$ple.com/"), "character" },
		{ STR("http://example.com;x/"), "character" },
		{ STR("http://[::1/"), "'['" },
		{ STR("http://[/]"), "'['" },
		{ STR("http://[]/"), "IPv6" },
		{ STR("http://[1]/"), "IPv6" },
		{ STR("http://[::1%25eth0]/"), "IPv6" },
		{ STR("http://[example.com]/"), "IPv6" },
		{ STR("http://[1:2:3:4:5:6:7:8:9]/"), "IPv6" },
		{ STR("http://[::1]x/"), "port" },
		{ STR("http://[::1]:/"), "port" },
		{ STR("http://a[::1]/"), "port" },
		{ STR("http://x" LABEL "/"), "63" },
		{ STR("http://" LABEL "." LABEL "." LABEL "." LABEL "/"), "253" },
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct http_url parts = { .port = 7 };
		const char *wrong = http_url_split(rows[i].url, &parts);
		if (!wrong)
			fail_msg(STR_FMT " is accepted", STR_ARG(rows[i].url));
		if (!strstr(wrong, rows[i].word))
			fail_msg(STR_FMT ": %s", STR_ARG(rows[i].url), wrong);
		assert_int_equal(parts.port, 7);
	}
}

static void test_longest(void **state)
{
	(void)state;
	struct http_url parts;
	char *url = test_malloc(LIMIT_URL_BYTES + 1);
	memset(url, 'a', LIMIT_URL_BYTES + 1);
	memcpy(url, "http://a/", 9);
	assert_null(http_url_split((struct str){ url, LIMIT_URL_BYTES }, &parts));
	assert_int_equal(parts.rest.len, LIMIT_URL_BYTES - 8);
	assert_non_null(http_url_split((struct str){ url, LIMIT_URL_BYTES + 1 }, &parts));
	test_free(url);
}

/* Each start of a URL in a block of its own size: nothing is read beyond its end (the sanitizers watch), and what is accepted adds up. */
static void test_cut_urls(void **state)
{
	static const char *const urls[] = {
		"https://user:p@[::ffff:1.2.3.4]:8443/a?b#c",
		"http://[2001:db8::1]:443/x",
		"https://a.b-c.d_e.:65535?x",
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(urls); i++) {
		for (size_t len = 0; len <= strlen(urls[i]); len++) {
			struct http_url parts;
			char *cut = malloc(len ? len : 1);
			assert_non_null(cut);
			memcpy(cut, urls[i], len);
			if (!http_url_split((struct str){ cut, len }, &parts))
				assert_true(parts.host.len && parts.rest.ptr + parts.rest.len == cut + len);
			free(cut);
		}
	}
}

static void the_origin_of_a_template_ends_before_its_places(void **state)
{
	static const char *const cases[][2] = {
		{ "https://h.example/a/{external_id}", "https://h.example" }, { "http://[::1]:8080?x={entity}", "http://[::1]:8080" },
		{ "https://h.example#a", "https://h.example" }, { "https://h.example", "https://h.example" }, { "h.example/a", "" }, { "", "" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_true(str_eq(http_url_origin(str_of(cases[i][0])), str_of(cases[i][1])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_longest_label),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_cut_urls),
		cmocka_unit_test(the_origin_of_a_template_ends_before_its_places),
	};
	return cmocka_run_group_tests_name("http_url", tests, NULL, NULL);
}
