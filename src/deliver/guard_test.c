/* The guard, judged by tables and by traps: addresses one by one, then every spelling of the inside that we know of, sent out by the real
 * client towards sockets that listen on loopback and must never hear anything. */
#include "base/check.h"
#include "base/json.h"
#include "deliver/guard.h"
#include "http/client.h"
#include "rules/settings.h"
#include "third_party/resolver.h"
#include "third_party/third_party.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */

/* ---- addresses ---- */

struct judged {
	const char *address;
	const char *range; /* NULL: may be called */
};
static const struct judged judged[] = {
	{ "0.0.0.0", "0.0.0.0/8" },
	{ "0.0.0.1", "0.0.0.0/8" },
	{ "0.255.255.255", "0.0.0.0/8" },
	{ "1.0.0.0", NULL },
	{ "1.1.1.1", NULL },
	{ "8.8.8.8", NULL },
	{ "9.255.255.255", NULL },
	{ "10.0.0.0", "10.0.0.0/8" },
	{ "10.255.255.255", "10.0.0.0/8" },
	{ "11.0.0.0", NULL },
	{ "100.63.255.255", NULL },
	{ "100.64.0.0", "100.64.0.0/10" },
	{ "100.100.100.200", "100.100.100.200/32" },
	{ "100.127.255.255", "100.64.0.0/10" },
	{ "100.128.0.0", NULL },
	{ "126.255.255.255", NULL },
	{ "127.0.0.0", "127.0.0.0/8" },
	{ "127.0.0.1", "127.0.0.0/8" },
	{ "127.0.0.53", "127.0.0.0/8" },
	{ "127.255.255.255", "127.0.0.0/8" },
	{ "128.0.0.0", NULL },
	{ "169.253.255.255", NULL },
	{ "169.254.0.0", "169.254.0.0/16" },
	{ "169.254.169.254", "169.254.0.0/16" },
	{ "169.254.170.2", "169.254.0.0/16" },
	{ "169.254.255.255", "169.254.0.0/16" },
	{ "169.255.0.0", NULL },
	{ "172.15.255.255", NULL },
	{ "172.16.0.0", "172.16.0.0/12" },
	{ "172.17.0.1", "172.16.0.0/12" },
	{ "172.31.255.255", "172.16.0.0/12" },
	{ "172.32.0.0", NULL },
	{ "191.255.255.255", NULL },
	{ "192.0.0.0", "192.0.0.0/24" },
	{ "192.0.0.192", "192.0.0.0/24" },
	{ "192.0.1.0", NULL },
	{ "192.0.2.1", "192.0.2.0/24" },
	{ "192.0.3.0", NULL },
	{ "192.88.98.255", NULL },
	{ "192.88.99.1", "192.88.99.0/24" },
	{ "192.88.100.0", NULL },
	{ "192.167.255.255", NULL },
	{ "192.168.0.0", "192.168.0.0/16" },
	{ "192.168.255.255", "192.168.0.0/16" },
	{ "192.169.0.0", NULL },
	{ "198.17.255.255", NULL },
	{ "198.18.0.0", "198.18.0.0/15" },
	{ "198.19.255.255", "198.18.0.0/15" },
	{ "198.20.0.0", NULL },
	{ "198.51.99.255", NULL },
	{ "198.51.100.7", "198.51.100.0/24" },
	{ "198.51.101.0", NULL },
	{ "203.0.112.255", NULL },
	{ "203.0.113.9", "203.0.113.0/24" },
	{ "203.0.114.0", NULL },
	{ "223.255.255.255", NULL },
	{ "224.0.0.0", "224.0.0.0/4" },
	{ "224.0.0.251", "224.0.0.0/4" },
	{ "239.255.255.255", "224.0.0.0/4" },
	{ "240.0.0.0", "240.0.0.0/4" },
	{ "255.255.255.254", "240.0.0.0/4" },
	{ "255.255.255.255", "255.255.255.255/32" },
	{ "::", "::/128" },
	{ "::1", "::1/128" },
	{ "::2", "::/96" },
	{ "::127.0.0.1", "::/96" },
	{ "::8.8.8.8", "::/96" },
	{ "::1:0:0", "::/0" },
	{ "::fffe:7f00:1", "::/0" },
	{ "::ffff:127.0.0.1", "127.0.0.0/8" },
	{ "::ffff:7f00:1", "127.0.0.0/8" },
	{ "::ffff:10.1.2.3", "10.0.0.0/8" },
	{ "::ffff:169.254.169.254", "169.254.0.0/16" },
	{ "::ffff:0.0.0.0", "0.0.0.0/8" },
	{ "::ffff:8.8.8.8", NULL },
	{ "::ffff:0:127.0.0.1", "::ffff:0:0:0/96" },
	{ "::ffff:0:8.8.8.8", "::ffff:0:0:0/96" },
	{ "64:ff9b::127.0.0.1", "64:ff9b::/96" },
	{ "64:ff9b::8.8.8.8", "64:ff9b::/96" },
	{ "64:ff9b:1::1", "64:ff9b:1::/48" },
	{ "64:ff9b:2::1", "::/0" },
	{ "100::1", "100::/64" },
	{ "100:0:0:1::1", "::/0" },
	{ "1fff:ffff::1", "::/0" },
	{ "2000::1", NULL },
	{ "2001::1", "2001::/32" },
	{ "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::/32" },
	{ "2001:2::1", "2001::/23" },
	{ "2001:10::1", "2001::/23" },
	{ "2001:20::1", "2001::/23" },
	{ "2001:1ff:ffff::1", "2001::/23" },
	{ "2001:200::1", NULL },
	{ "2001:db7:ffff::1", NULL },
	{ "2001:db8::1", "2001:db8::/32" },
	{ "2001:db9::1", NULL },
	{ "2001:4860:4860::8888", NULL },
	{ "2002::1", "2002::/16" },
	{ "2002:7f00:1::", "2002::/16" },
	{ "2002:808:808::1", "2002::/16" },
	{ "2003::1", NULL },
	{ "2606:4700:4700::1111", NULL },
	{ "3ffe:ffff::1", NULL },
	{ "3fff::1", "3fff::/20" },
	{ "3fff:fff:ffff::1", "3fff::/20" },
	{ "3fff:1000::1", NULL },
	{ "4000::1", "::/0" },
	{ "5f00::1", "5f00::/16" },
	{ "5f01::1", "::/0" },
	{ "8000::1", "::/0" },
	{ "fbff::1", "::/0" },
	{ "fc00::1", "fc00::/7" },
	{ "fd00:ec2::254", "fd00:ec2::/32" },
	{ "fd00:ec2::23", "fd00:ec2::/32" },
	{ "fd00:ec3::", "fc00::/7" },
	{ "fd00:42::42", "fd00:42::42/128" },
	{ "fd00:42::43", "fc00::/7" },
	{ "fd00:c1::a9fe:a9fe", "fd00:c1::a9fe:a9fe/128" },
	{ "fd20:ce::254", "fd20:ce::254/128" },
	{ "168.63.129.15", NULL },
	{ "168.63.129.16", "168.63.129.16/32" },
	{ "100.100.100.199", "100.64.0.0/10" },
	{ "fdff:ffff::1", "fc00::/7" },
	{ "fe00::1", "::/0" },
	{ "fe80::1", "fe80::/10" },
	{ "fe80::a9fe:a9fe", "fe80::/10" },
	{ "febf:ffff::1", "fe80::/10" },
	{ "fec0::1", "fec0::/10" },
	{ "feff::1", "fec0::/10" },
	{ "ff00::1", "ff00::/8" },
	{ "ff02::1", "ff00::/8" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::/8" },
};

static const struct sockaddr *socket_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct ip_address ip;
	assert_int_equal(ip_parse(str_of(text), &ip), E_OK);
	ip_to_sockaddr(&ip, port, out);
	return (const struct sockaddr *)out;
}

static void test_addresses(void **state)
{
	(void)state;
	struct guard guard = { 0 };
	struct sockaddr_storage storage;
	for (size_t i = 0; i < ARRAY_COUNT(judged); i++) {
		struct guard_verdict verdict = guard_judge(&guard, "http://a.test/", socket_address(judged[i].address, 443, &storage));
		bool refused = verdict.answer == GUARD_REFUSED;
		if (refused != (judged[i].range != NULL) || (refused && strcmp(verdict.range, judged[i].range) != 0))
			fail_msg("%s: %s, expected %s", judged[i].address, refused ? verdict.range : "permitted",
				 judged[i].range ? judged[i].range : "permitted");
	}
}

static bool is_ours(void *self, const struct ip_address *ip, uint16_t port)
{
	return cidr_contains(self, ip) && (port == 8420 || port == 0);
}

static void test_allow(void **state)
{
	(void)state;
	static const struct {
		const char *allow, *own, *address;
		enum guard_answer answer;
	} cases[] = {
		{ "127.0.0.1", NULL, "127.0.0.1", GUARD_ALLOWED },
		{ "127.0.0.1", NULL, "127.0.0.2", GUARD_REFUSED },
		{ "127.0.0.1", NULL, "::1", GUARD_REFUSED },
		{ "127.0.0.1", NULL, "::ffff:127.0.0.1", GUARD_ALLOWED },
		{ "127.0.0.1", NULL, "64:ff9b::127.0.0.1", GUARD_REFUSED },
		{ "127.0.0.1", NULL, "2002:7f00:1::", GUARD_REFUSED },
		{ "10.0.0.0/8", NULL, "10.200.3.4", GUARD_ALLOWED },
		{ "10.0.0.0/8", NULL, "11.0.0.1", GUARD_GLOBAL },
		{ "10.0.0.0/8", NULL, "192.168.0.1", GUARD_REFUSED },
		{ "0.0.0.0/0", NULL, "127.0.0.1", GUARD_ALLOWED },
		{ "0.0.0.0/0", NULL, "::1", GUARD_REFUSED },
		{ "::/0", NULL, "127.0.0.1", GUARD_REFUSED },
		{ "::/0", NULL, "::1", GUARD_ALLOWED },
		{ "64:ff9b::/96", NULL, "64:ff9b::10.0.0.1", GUARD_ALLOWED },
		{ "fd00::/8", NULL, "fd12::1", GUARD_ALLOWED },
		{ "fd00::/8", NULL, "fc12::1", GUARD_REFUSED },
		{ NULL, "81.2.69.142", "81.2.69.142", GUARD_REFUSED },
		{ NULL, "81.2.69.142", "::ffff:81.2.69.142", GUARD_REFUSED },
		{ NULL, "81.2.69.142", "81.2.69.143", GUARD_GLOBAL },
		{ "81.2.69.142", "81.2.69.142", "81.2.69.142", GUARD_ALLOWED },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct cidr allow, own;
		struct guard guard = { .settings = { .allow = &allow, .allow_count = cases[i].allow != NULL },
				       .is_self = cases[i].own ? is_ours : NULL,
				       .self = &own };
		struct sockaddr_storage storage;
		if (cases[i].allow)
			assert_int_equal(cidr_parse(str_of(cases[i].allow), &allow, NULL), E_OK);
		if (cases[i].own)
			assert_int_equal(cidr_parse(str_of(cases[i].own), &own, NULL), E_OK);
		if (guard_judge(&guard, "http://a.test/", socket_address(cases[i].address, 80, &storage)).answer != cases[i].answer)
			fail_msg("case %zu: %s", i, cases[i].address);
	}
}

/* Whatever the allow list says, unless that is said, too. */
static void test_self(void **state)
{
	(void)state;
	static const struct {
		const char *address;
		uint16_t port;
		bool allow_self, permitted;
	} cases[] = {
		{ "127.0.0.1", 8420, false, false }, { "::ffff:127.0.0.1", 8420, false, false }, { "127.0.0.1", 8421, false, true },
		{ "127.0.0.1", 8420, true, true },   { "128.0.0.1", 8420, false, true },         { "10.0.0.1", 8420, true, false },
	};
	struct cidr ours, allow;
	assert_int_equal(cidr_parse(STR("127.0.0.0/8"), &ours, NULL), E_OK);
	assert_int_equal(cidr_parse(STR("127.0.0.0/8"), &allow, NULL), E_OK);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct guard guard = { .settings = { .allow = &allow, .allow_count = 1, .allow_self = cases[i].allow_self }, .is_self = is_ours, .self = &ours };
		struct sockaddr_storage storage;
		char why[224] = "";
		if (guard_permits(&guard, "http://a.test/", socket_address(cases[i].address, cases[i].port, &storage), why, sizeof(why)) != cases[i].permitted)
			fail_msg("case %zu: %s", i, why);
		if (!cases[i].allow_self && !cases[i].permitted)
			assert_non_null(strstr(why, "this daemon itself), which is not called; the setting deliver.allow_self, and a range"));
	}
}

/* A name permits what it means in private networks, for the URLs that hold that very name. */
static void test_allowed_names(void **state)
{
	(void)state;
	static const struct {
		const char *url, *address, *remedy; /* NULL: permitted */
	} cases[] = {
		{ "http://crm.internal/", "10.1.2.3", NULL },
		{ "https://CRM.internal.:8443/x?y", "10.1.2.3", NULL },
		{ "http://crm.internal/", "172.16.0.1", NULL },
		{ "http://crm.internal/", "192.168.0.1", NULL },
		{ "http://crm.internal/", "::ffff:192.168.0.1", NULL },
		{ "http://crm.internal/", "100.64.0.1", NULL },
		{ "http://crm.internal/", "fd12::1", NULL },
		{ "http://crm.internal/", "8.8.8.8", NULL },
		{ "http://a.below.internal/", "10.1.2.3", NULL },
		{ "http://crm.internal/", "127.0.0.1", "a name does not" },
		{ "http://crm.internal/", "::1", "a name does not" },
		{ "http://crm.internal/", "0.0.0.0", "a name does not" },
		{ "http://crm.internal/", "169.254.169.254", "a name does not" },
		{ "http://crm.internal/", "fd00:ec2::254", "a name does not" },
		{ "http://crm.internal/", "100.100.100.200", "a name does not" },
		{ "http://crm.internal/", "fd20:ce::254", "a name does not" },
		{ "http://crm.internal/", "168.63.129.16", "a name does not" },
		{ "http://crm.internal/", "fe80::1", "a name does not" },
		{ "http://crm.internal/", "64:ff9b::a00:1", "a name does not" },
		{ "http://crm.internal/", "2002:a00:1::", "a name does not" },
		{ "http://crm.internal/", "224.0.0.1", "a name does not" },
		{ "http://crm.internal/", "10.9.9.9", "a name does not" }, /* our own */
		{ "http://other.internal/", "10.1.2.3", "permits it" },
		{ "http://a.crm.internal/", "10.1.2.3", "permits it" },
		{ "http://below.internal/", "10.1.2.3", "permits it" },
		{ "http://xbelow.internal/", "10.1.2.3", "permits it" },
		{ "http://crm.internal.test/", "10.1.2.3", "permits it" },
		{ "http://10.1.2.3/", "10.1.2.3", "permits it" },
		{ "http://b.test/http://crm.internal/", "10.1.2.3", "permits it" },
		{ "http://crm.internal@b.test/", "10.1.2.3", "permits it" },
	};
	struct host_match hosts[2];
	struct cidr own;
	assert_int_equal(host_match_parse(STR("crm.internal"), &hosts[0], NULL), E_OK);
	assert_int_equal(host_match_parse(STR("*.below.internal"), &hosts[1], NULL), E_OK);
	assert_int_equal(cidr_parse(STR("10.9.9.9"), &own, NULL), E_OK);
	struct guard guard = { .settings = { .allow_hosts = hosts, .allow_host_count = 2 }, .is_self = is_ours, .self = &own };
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct sockaddr_storage storage;
		char why[224] = "";
		bool permitted = guard_permits(&guard, cases[i].url, socket_address(cases[i].address, 80, &storage), why, sizeof(why));
		size_t end = strlen(why), tail = cases[i].remedy ? strlen(cases[i].remedy) : 0;
		if (permitted != !cases[i].remedy || (tail && (end < tail || strcmp(why + end - tail, cases[i].remedy) != 0)))
			fail_msg("case %zu, %s at %s: %s", i, cases[i].url, cases[i].address, why);
	}
}

static void test_urls(void **state)
{
	(void)state;
	static const struct port_range some[] = { { 443, 443 }, { 8000, 8999 } }, plain[] = { { 80, 80 } };
	static const struct {
		const char *url;
		bool https_only, ports, with_80, permitted;
	} cases[] = {
		{ "http://a.test/", false, false, false, true },      { "http://a.test:25/", false, false, false, true },
		{ "http://a.test/", true, false, false, false },      { "https://a.test/", true, false, false, true },
		{ "HTTP://a.test/", true, false, false, false },      { "hTtPs://a.test/", true, false, false, true },
		{ "http://a.test:443/", true, false, false, false },  { "http://[2001:db8::443]/", true, false, false, false },
		{ "https://a.test", false, true, false, true },       { "https://a.test?x=:25", false, true, false, true },
		{ "http://a.test/", false, true, false, false },      { "http://a.test/", false, true, true, true },
		{ "https://a.test/", false, true, true, false },      { "https://a.test:8443/", false, true, false, true },
		{ "http://a.test:443/", false, true, false, true },   { "https://a.test:9000/", false, true, false, false },
		{ "https://a.test:0443/", false, true, false, true }, { "https://[2001:db8::1]:8000/", false, true, false, true },
		{ "https://[2001:db8::1]:7999/", false, true, false, false }, { "https://[2001:db8:8000::8000]:25/", false, true, false, false },
		{ "http://a.test:8000/", true, true, false, false },  { "https://a.test:8999#:25", true, true, false, true },
		{ "https://a.test:443@b.test:25/", true, true, false, false }, { "https:a.test/", true, true, false, false },
		{ "https://a.test:25/https://a.test:443/", true, true, false, false }, { "", false, true, false, false },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct guard guard = { .settings = { .https_only = cases[i].https_only, .ports = cases[i].with_80 ? plain : some,
						     .port_count = cases[i].with_80 ? 1 : cases[i].ports ? 2 : 0 } };
		char why[224] = "";
		if (guard_permits_url(&guard, cases[i].url, why, sizeof(why)) != cases[i].permitted || !why[0] != cases[i].permitted)
			fail_msg("case %zu: %s: %s", i, cases[i].url, why);
		if (strlen(why) + 1 >= sizeof(why))
			fail_msg("cut: %s", why);
	}
}

/* By the host that the URL says, nothing else of it. */
static void test_past_the_proxy(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		bool past;
	} cases[] = {
		{ "http://crm.test/", true }, { "https://a.crm.test:8443/x", true }, { "HTTP://CRM.test.?a", true }, { "http://crm.test", true },
		{ "http://10.1.2.3:80/", true }, { "https://[::ffff:10.1.2.3]/", true }, { "http://b.test/", false }, { "http://b.test/crm.test", false },
		{ "http://b.test:80/?.crm.test", false }, { "http://b.test#crm.test", false }, { "http://crm.test@b.test/", false },
		{ "http://b.test\\@crm.test/", false }, { "http://crm.test.b.test/", false }, { "http://11.1.2.3/", false }, { "ftp://crm.test/", false },
		{ "crm.test", false }, { "", false },
	};
	struct host_match list[2];
	assert_int_equal(host_match_parse(STR("crm.test"), &list[0], NULL), E_OK);
	assert_int_equal(host_match_parse(STR("10.0.0.0/8"), &list[1], NULL), E_OK);
	struct guard guard = { .settings = { .no_proxy = list, .no_proxy_count = 2 } }, none = { 0 };
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		if (guard_avoids_proxy(&guard, cases[i].url) != cases[i].past)
			fail_msg("case %zu: %s", i, cases[i].url);
		assert_false(guard_avoids_proxy(&none, cases[i].url));
	}
}

static void test_words(void **state)
{
	(void)state;
	struct guard guard = { 0 };
	struct sockaddr_storage storage;
	char why[224];
	assert_false(guard_permits(&guard, "http://a.test/", socket_address("10.1.2.3", 80, &storage), why, sizeof(why)));
	assert_string_equal(
		why,
		"10.1.2.3 is in 10.0.0.0/8 (private network), which is not called; a range that holds it in the setting "
		"deliver.allow permits it");
	assert_false(guard_permits(&guard, "http://a.test/", socket_address("8.8.8.8", 0, &storage), why, sizeof(why)));
	assert_string_equal(why, "port 0 is never called");
	struct sockaddr other = { .sa_family = AF_UNIX };
	assert_false(guard_permits(&guard, "http://a.test/", &other, why, sizeof(why)));
	assert_true(guard_permits(&guard, "http://a.test/", socket_address("8.8.8.8", 80, &storage), why, sizeof(why)));
}

/* ---- spellings ---- */

#define P ":~" /* ~ stands for the trap's port */

/* URLs that somewhere mean this machine, or might to somebody. None may reach it. */
static const char *const spellings[] = {
	/* plain */
	"http://127.0.0.1" P "/",
	"http://127.0.0.2" P "/",
	"http://127.0.0.53" P "/",
	"http://127.127.127.127" P "/",
	"http://127.255.255.254" P "/",
	"http://0.0.0.0" P "/",
	"http://0" P "/",
	"http://0.0" P "/",
	"http://localhost" P "/",
	"http://LOCALHOST" P "/",
	"http://LocalHost." P "/",
	"http://localhost." P "/",
	"http://sub.localhost" P "/",
	"https://127.0.0.1" P "/",
	"https://localhost" P "/",
	"HTTP://127.0.0.1" P "/",
	"hTtP://127.0.0.1" P "/",
	/* IPv4 in other clothes */
	"http://127.1" P "/",
	"http://127.0.1" P "/",
	"http://2130706433" P "/",
	"http://0x7f000001" P "/",
	"http://0x7F.0x0.0x0.0x1" P "/",
	"http://0x7f.1" P "/",
	"http://0177.0.0.1" P "/",
	"http://0177.1" P "/",
	"http://017700000001" P "/",
	"http://00000177.0.0.1" P "/",
	"http://127.000.000.001" P "/",
	"http://127.0.0.01" P "/",
	"http://0127.0.0.1" P "/",
	"http://127.0.0.0x1" P "/",
	"http://127.0x0.0.1" P "/",
	"http://127.0.0.1." P "/",
	"http://127.0.0.1.." P "/",
	"http://.127.0.0.1" P "/",
	"http://127..0.0.1" P "/",
	"http://4294967297" P "/",
	"http://127.0.0.257" P "/",
	"http://383.0.0.1" P "/",
	"http://127.65536" P "/",
	"http://127.16777215" P "/",
	"http://2130706433." P "/",
	"http://0x7f000001." P "/",
	"http://0x00000000" P "/",
	"http://00" P "/",
	"http://0000.0000.0000.0000" P "/",
	"http://127.0.0.1e0" P "/",
	"http://1.27.0.0.1" P "/",
	"http://+127.0.0.1" P "/",
	"http://-127.0.0.1" P "/",
	"http://127,0,0,1" P "/",
	"http://127.0.0.1;" P "/",
	"http://(127.0.0.1)" P "/",
	"http://127。0。0。1" P "/",
	"http://127．0．0．1" P "/",
	"http://127｡0｡0｡1" P "/",
	"http://１２７.0.0.1" P "/",
	"http://①②⑦.⓪.⓪.①" P "/",
	"http://127.0.0.¹" P "/",
	"http://%31%32%37.0.0.1" P "/",
	"http://127%2e0%2e0%2e1" P "/",
	"http://127.0.0.1%00" P "/",
	"http://127.0.0.1%00.example" P "/",
	"http://127.0.0.1%20" P "/",
	"http://127.0.0.1%2f" P "/",
	"http://127.0.0.1%23" P "/",
	"http://%6c%6f%63%61%6c%68%6f%73%74" P "/",
	"http://ｌｏｃａｌｈｏｓｔ" P "/",
	"http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ" P "/",
	"http://loca\xe2\x80\x8blhost" P "/",
	"http://loca\xc2\xadlhost" P "/",
	"http://xn--localhost-" P "/",
	"http://localhost%00" P "/",
	"http://ℓocalhost" P "/",
	"http://\xff\xfe" P "/",
	/* IPv6 and what is inside it */
	"http://[::1]" P "/",
	"http://[0:0:0:0:0:0:0:1]" P "/",
	"http://[0000:0000:0000:0000:0000:0000:0000:0001]" P "/",
	"http://[::0:1]" P "/",
	"http://[::]" P "/",
	"http://[0::0]" P "/",
	"http://[::ffff:127.0.0.1]" P "/",
	"http://[::FFFF:127.0.0.1]" P "/",
	"http://[::ffff:7f00:1]" P "/",
	"http://[0:0:0:0:0:ffff:7f00:0001]" P "/",
	"http://[::ffff:0.0.0.0]" P "/",
	"http://[::ffff:0:127.0.0.1]" P "/",
	"http://[::127.0.0.1]" P "/",
	"http://[::7f00:1]" P "/",
	"http://[64:ff9b::127.0.0.1]" P "/",
	"http://[64:ff9b::7f00:1]" P "/",
	"http://[64:ff9b:1::127.0.0.1]" P "/",
	"http://[2002:7f00:1::]" P "/",
	"http://[2002:7f00:0001::1]" P "/",
	"http://[2001:0:7f00:1::80ff:fffe]" P "/",
	"http://[fe80::1]" P "/",
	"http://[fe80::1%25lo]" P "/",
	"http://[fe80::1%lo]" P "/",
	"http://[fe80::1%251]" P "/",
	"http://[::1%25lo]" P "/",
	"http://[::1%251]" P "/",
	"http://[::1%lo]" P "/",
	"http://[::1%250]" P "/",
	"http://[::ffff:127.0.0.1%25lo]" P "/",
	"http://[fc00::1]" P "/",
	"http://[fd00:ec2::254]" P "/",
	"http://[ff02::1]" P "/",
	"http://[ff01::1]" P "/",
	"http://[::1" P "/",
	"http://::1" P "/",
	"http://[[::1]]" P "/",
	"http://[v1.::1]" P "/",
	"http://[127.0.0.1]" P "/",
	"http://[localhost]" P "/",
	"http://[::1].example" P "/",
	"http://[]" P "/",
	"http://[::ffff:127.1]" P "/",
	"http://[::ffff:0177.0.0.1]" P "/",
	"http://[::ffff:2130706433]" P "/",
	/* credentials, and who reads them differently */
	"http://user@127.0.0.1" P "/",
	"http://user:password@127.0.0.1" P "/",
	"http://:@127.0.0.1" P "/",
	"http://@127.0.0.1" P "/",
	"http://names.test@127.0.0.1" P "/",
	"http://names.test:80@127.0.0.1" P "/",
	"http://127.0.0.1" P "@127.0.0.1" P "/",
	"http://127.0.0.1@names.test" P "/",
	"http://a@b@127.0.0.1" P "/",
	"http://names.test%40127.0.0.1" P "/",
	"http://names.test#@127.0.0.1" P "/",
	"http://names.test?@127.0.0.1" P "/",
	"http://names.test/@127.0.0.1" P "/",
	"http://127.0.0.1#@names.test" P "/",
	"http://127.0.0.1?@names.test" P "/",
	"http://127.0.0.1" P "#names.test",
	"http://127.0.0.1" P "?names.test",
	"http://127.0.0.1" P "#@names.test/",
	/* slashes, blanks, controls */
	"http:\\\\127.0.0.1" P "/",
	"http:/\\127.0.0.1" P "/",
	"http://names.test\\@127.0.0.1" P "/",
	"http://127.0.0.1\\@names.test" P "/",
	"http://127.0.0.1" P "\\@names.test/",
	"http://names.test\\127.0.0.1" P "/",
	"http:/127.0.0.1" P "/",
	"http:127.0.0.1" P "/",
	"http:///127.0.0.1" P "/",
	"http:////127.0.0.1" P "/",
	"//127.0.0.1" P "/",
	"127.0.0.1" P "/",
	" http://127.0.0.1" P "/",
	"http://127.0.0.1" P "/ ",
	"http:// 127.0.0.1" P "/",
	"http://127.0.0.1 " P "/",
	"http://127.0.0.1\t" P "/",
	"http://127.0.0.1\n" P "/",
	"http://127.0.0.1\r\n" P "/",
	"ht\ttp://127.0.0.1" P "/",
	"ht\ntp://127.0.0.1" P "/",
	"\thttp://127.0.0.1" P "/",
	"http://127.0.0.1" P "/\r\nX-Injected: 1",
	"http://127.0.0.1" P "/ HTTP/1.1\r\nHost: x\r\n\r\nGET /",
	"http://names.test\r\n@127.0.0.1" P "/",
	"http://\x01"
	"127.0.0.1" P "/",
	"http://127.0.0.1\x7f" P "/",
	/* ports */
	"http://127.0.0.1:+~/",
	"http://127.0.0.1:0~/",
	"http://127.0.0.1:00000~/",
	"http://127.0.0.1:0x~/",
	"http://127.0.0.1:~~/",
	"http://127.0.0.1:~:80/",
	"http://127.0.0.1:80:~/",
	"http://127.0.0.1:/",
	"http://127.0.0.1:0/",
	"http://127.0.0.1:65536/",
	"http://127.0.0.1:-1/",
	"http://127.0.0.1:4294967376/",
	/* schemes */
	"ftp://127.0.0.1" P "/",
	"gopher://127.0.0.1" P "/_x",
	"dict://127.0.0.1" P "/x",
	"file:///etc/passwd",
	"file://127.0.0.1" P "/etc/passwd",
	"ws://127.0.0.1" P "/",
	"ldap://127.0.0.1" P "/",
	"tftp://127.0.0.1" P "/x",
	"smb://127.0.0.1" P "/x",
	"telnet://127.0.0.1" P "/",
	"mqtt://127.0.0.1" P "/x",
	"imap://127.0.0.1" P "/",
	"http+unix://%2ftmp%2fx/",
	"unix:/tmp/x",
	"javascript:alert(1)",
	"data:,x",
	"http",
	"http:",
	"http:/",
	"http://",
	"",
	"?",
	"#",
	"://127.0.0.1" P "/",
	/* names that lead inside */
	"http://loop.test" P "/",
	"http://loop.test." P "/",
	"http://LOOP.test" P "/",
	"http://loop6.test" P "/",
	"http://mapped.test" P "/",
	"http://nat64.test" P "/",
	"http://sixtofour.test" P "/",
	"http://lan.test" P "/",
	"http://both.test" P "/",
	"http://any.test" P "/",
	"http://link.test" P "/",
	"https://loop.test" P "/",
	"http://127.0.0.1.test" P "/",
};

static void tell_names(void)
{
	static const char *const loop[] = { "127.0.0.1", NULL }, *const loop6[] = { "::1", NULL },
				 *const mapped[] = { "::ffff:127.0.0.1", NULL };
	static const char *const nat64[] = { "64:ff9b::127.0.0.1", NULL }, *const sixtofour[] = { "2002:7f00:1::",
												  NULL };
	static const char *const lan[] = { "10.0.0.1", "192.168.1.1", NULL }, *const both[] = { "::1", "127.0.0.1",
												"127.0.0.2", NULL };
	static const char *const any[] = { "0.0.0.0", "::", NULL }, *const link[] = { "169.254.169.254", "fe80::1",
										      NULL };
	resolver_tell("loop.test", loop);
	resolver_tell("loop.test.", loop);
	resolver_tell("loop6.test", loop6);
	resolver_tell("mapped.test", mapped);
	resolver_tell("nat64.test", nat64);
	resolver_tell("sixtofour.test", sixtofour);
	resolver_tell("lan.test", lan);
	resolver_tell("both.test", both);
	resolver_tell("any.test", any);
	resolver_tell("link.test", link);
	resolver_tell("127.0.0.1.test", loop);
	resolver_tell("sub.localhost", loop);
	resolver_tell("localhost.", loop);
	resolver_tell("localhost", both);
}

static void spell(const char *pattern, uint16_t port, char *out, size_t out_bytes)
{
	size_t len = 0;
	for (const char *c = pattern; *c; c++) {
		assert_true(len + 8 < out_bytes);
		if (*c == '~')
			len += (size_t)snprintf(out + len, out_bytes - len, "%u", port);
		else
			out[len++] = *c;
	}
	out[len] = '\0';
}

struct trap {
	struct third_party *four, *six;
	uint32_t ended, answered;
};

static void trap_on_done(void *context, const struct http_outcome *outcome)
{
	struct trap *trap = context;
	trap->ended++;
	trap->answered += outcome->status != 0;
}

/* Sends every spelling with this guard, to a trap on IPv4 and to one on IPv6. */
static void spring(struct guard *guard, struct trap *trap)
{
	static char urls[2 * ARRAY_COUNT(spellings)][256];
	struct http_client_config config = { .guard = guard_permits, .guard_context = guard, .connect_ms = 300 };
	struct http_client *client = http_client_new(&config);
	assert_non_null(client);
	tell_names();
	*trap = (struct trap){ .four = third_party_start(&(struct third_party_config){ .address = "0.0.0.0" }),
			       .six = third_party_start(&(struct third_party_config){ .address = "::" }) };
	for (size_t i = 0; i < ARRAY_COUNT(urls); i++) {
		struct http_ticket *ticket;
		spell(spellings[i / 2], third_party_port(i % 2 ? trap->six : trap->four), urls[i], sizeof(urls[i]));
		struct http_request request = { .method = "POST",
						.url = urls[i],
						.body = STR("{}"),
						.timeout_ms = 10000,
						.response_max = 100,
						.done = trap_on_done,
						.context = trap };
		assert_int_equal(http_client_start(client, &request, &ticket), E_OK);
	}
	while (http_client_running(client))
		http_client_run(client, -1);
	assert_int_equal(trap->ended, ARRAY_COUNT(urls));
	http_client_free(client);
	resolver_release();
}

/* What http_target_read lets through is one line of defence, the guard another: each URL is sent whether the first refuses it or not. */
static void test_spellings(void **state)
{
	(void)state;
	struct trap trap;
	assert_true(ARRAY_COUNT(spellings) >= 150);
	spring(&(struct guard){ 0 }, &trap);
	assert_int_equal(trap.answered, 0);
	assert_int_equal(third_party_connections(trap.four), 0);
	assert_int_equal(third_party_connections(trap.six), 0);
	third_party_stop(trap.four);
	third_party_stop(trap.six);
}

/* The traps do work: where loopback may be called, dozens of the same spellings get there. */
static void test_traps_work(void **state)
{
	(void)state;
	struct trap trap;
	struct cidr allow[4];
	static const char *const ranges[] = { "127.0.0.0/8", "0.0.0.0", "::1", "::" };
	for (size_t i = 0; i < ARRAY_COUNT(ranges); i++)
		assert_int_equal(cidr_parse(str_of(ranges[i]), &allow[i], NULL), E_OK);
	spring(&(struct guard){ .settings = { .allow = allow, .allow_count = ARRAY_COUNT(ranges) } }, &trap);
	assert_true(trap.answered >= 60);
	assert_true(third_party_connections(trap.four) >= 30);
	assert_true(third_party_connections(trap.six) >= 30);
	third_party_stop(trap.four);
	third_party_stop(trap.six);
}

/* Most of them do not even get into a queue: what is not plain is refused when it is said. */
static void test_strict_reading(void **state)
{
	(void)state;
	size_t refused = 0;
	for (size_t i = 0; i < ARRAY_COUNT(spellings); i++) {
		char url[256], memory[2048];
		spell(spellings[i], 8080, url, sizeof(url));
		struct buf text = { .ptr = memory, .capacity = sizeof(memory), .max_bytes = sizeof(memory) };
		struct arena arena = { 0 };
		struct problem problem;
		struct http_target target = { 0 };
		struct json json;
		buf_add_byte(&text, '{');
		json_put_field_str(&text, "url", str_of(url));
		buf_add_byte(&text, '}');
		json_init(&json, buf_str(&text), &arena, &problem);
		bool odd = strchr(url, '@') || strchr(url, '\\') || strchr(url, ' ') || strchr(url, '\n') ||
			   strncasecmp(url, "http", 4) != 0;
		bool read = url[0] && http_target_read(&json, &target);
		refused += !read;
		if (read && odd && !strpbrk(url, "#?") && !strstr(url, "/@"))
			fail_msg("read: %s", url);
		arena_fini(&arena);
	}
	assert_true(refused >= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),  cmocka_unit_test(test_allow),
		cmocka_unit_test(test_urls),       cmocka_unit_test(test_words),
		cmocka_unit_test(test_past_the_proxy), cmocka_unit_test(test_allowed_names),
		cmocka_unit_test(test_self),       cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_traps_work), cmocka_unit_test(test_strict_reading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
