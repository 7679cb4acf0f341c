#include "net/address.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

static void addresses_of_hosts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *canonical; /* NULL: refused */
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::ffff:10.0.0.1", "::ffff:10.0.0.1" },
		{ "fe80::1", "fe80::1" },
		{ "", NULL },
		{ "1", NULL },
		{ "127.1", NULL },
		{ "127.0.1", NULL },
		{ "0177.0.0.1", NULL },
		{ "127.0.0.01", NULL },
		{ "0x7f.0.0.1", NULL },
		{ "2130706433", NULL },
		{ "127.0.0.1.", NULL },
		{ "127.0.0.256", NULL },
		{ "127.0.0.1 ", NULL },
		{ " 127.0.0.1", NULL },
		{ "1.2.3.4.5", NULL },
		{ "fe80::1%eth0", NULL },
		{ "[::1]", NULL },
		{ ":::", NULL },
		{ "1::2::3", NULL },
		{ "12345::", NULL },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct ip_address ip;
		char text[IP_TEXT_BYTES];
		enum err err = ip_parse(str_of(rows[i].text), &ip);
		if (!rows[i].canonical) {
			assert_int_equal(err, E_INVALID);
			continue;
		}
		assert_int_equal(err, E_OK);
		ip_text(&ip, text);
		assert_string_equal(text, rows[i].canonical);
	}
	struct ip_address ip;
	assert_int_equal(ip_parse((struct str){ "1.2.3.4\0", 8 }, &ip), E_INVALID);
}

static void ranges(void **state)
{
	(void)state;
	static const struct {
		const char *range, *in, *out; /* NULL in: the range is refused */
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3" },
		{ "127.0.0.1", "127.0.0.1", "127.0.0.2" },
		{ "127.0.0.1/32", "127.0.0.1", "127.0.0.0" },
		{ "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
		{ "172.16.0.0/12", "172.31.255.255", "172.32.0.0" },
		{ "100.64.0.0/10", "100.127.255.255", "100.128.0.0" },
		{ "198.18.0.0/15", "198.19.0.1", "198.20.0.0" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
		{ "192.0.2.254/31", "192.0.2.255", "192.0.2.253" },
		{ "::1", "::1", "::2" },
		{ "::/0", "2001:db8::1", "1.2.3.4" },
		{ "fc00::/7", "fdff::1", "fe00::" },
		{ "fe80::/10", "febf::1", "fec0::" },
		{ "2001:db8::/32", "2001:db8:ffff::", "2001:db9::" },
		{ "64:ff9b::/96", "64:ff9b::7f00:1", "64:ff9b:0:1::" },
		{ "2001:db8::2/127", "2001:db8::3", "2001:db8::4" },
		{ "::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0" },
		{ "::ffff:0:0/96", "8.8.8.8", "::1" },
		{ "", NULL, NULL },
		{ "/8", NULL, NULL },
		{ "10.0.0.0/", NULL, NULL },
		{ "10.0.0.0/33", NULL, NULL },
		{ "10.0.0.0/08", NULL, NULL },
		{ "10.0.0.0/-1", NULL, NULL },
		{ "10.0.0.0/8 ", NULL, NULL },
		{ "10.0.0.0/8/8", NULL, NULL },
		{ "10.0.0.1/8", NULL, NULL },
		{ "10.0.0.0/4", NULL, NULL },
		{ "10/8", NULL, NULL },
		{ "fc00::/129", NULL, NULL },
		{ "fc00::1/7", NULL, NULL },
		{ "0.0.0.0/999", NULL, NULL },
		{ "localhost/8", NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct cidr range;
		struct ip_address in, out;
		struct problem problem = { 0 };
		enum err err = cidr_parse(str_of(rows[i].range), &range, &problem);
		assert_int_equal(err, rows[i].in ? E_OK : E_INVALID);
		if (!rows[i].in) {
			assert_true(problem.detail[0] != '\0');
			continue;
		}
		assert_int_equal(ip_parse(str_of(rows[i].in), &in), E_OK);
		assert_int_equal(ip_parse(str_of(rows[i].out), &out), E_OK);
		assert_true(cidr_contains(&range, &in));
		assert_false(cidr_contains(&range, &out));
		assert_true(cidr_any_contains(&range, 1, &in));
		assert_false(cidr_any_contains(&range, 1, &out));
	}
	assert_false(cidr_any_contains(NULL, 0, &(struct ip_address){ .is_v6 = false }));
}

static void ports(void **state)
{
	static const struct {
		const char *text;
		uint16_t first, last; /* 0: refused */
	} rows[] = {
		{ "443", 443, 443 }, { "8000-8999", 8000, 8999 }, { "1-65535", 1, 65535 }, { "80-80", 80, 80 },
		{ "", 0, 0 }, { "0", 0, 0 }, { "65536", 0, 0 }, { "000443", 0, 0 }, { "443-", 0, 0 }, { "-443", 0, 0 }, { "9-8", 0, 0 }, { "80-90-100", 0, 0 },
		{ " 80", 0, 0 }, { "80 - 90", 0, 0 }, { "+80", 0, 0 }, { "https", 0, 0 }, { "80-65536", 0, 0 }, { "0-80", 0, 0 }, { "18446744073709551696", 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct port_range range = { 0 };
		struct problem problem = { 0 };
		enum err err = port_range_parse(str_of(rows[i].text), &range, &problem);
		if (err != (rows[i].first ? E_OK : E_INVALID) || range.first != rows[i].first || range.last != rows[i].last)
			fail_msg("'%s': %d, %u-%u", rows[i].text, err, range.first, range.last);
		assert_int_equal(err != E_OK, problem.detail[0] != '\0');
	}
	static const struct port_range two[] = { { 443, 443 }, { 8000, 8999 } };
	static const uint16_t in[] = { 443, 8000, 8500, 8999 }, out[] = { 442, 444, 7999, 9000, 0, 65535 };
	for (size_t i = 0; i < ARRAY_COUNT(in); i++)
		assert_true(port_any_contains(two, 2, in[i]));
	for (size_t i = 0; i < ARRAY_COUNT(out); i++)
		assert_false(port_any_contains(two, 2, out[i]));
	assert_false(port_any_contains(NULL, 0, 443));
}

/* Every prefix length against bit by bit comparison. */
static void every_prefix_length(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 <= 1; v6++) {
		unsigned bits = v6 ? 128 : 32;
		for (unsigned prefix = 0; prefix <= bits; prefix++) {
			struct cidr range = { .base = { .is_v6 = v6 }, .prefix_bits = (uint8_t)prefix };
			for (unsigned bit = 0; bit < bits; bit++) {
				struct ip_address ip = { .is_v6 = v6 };
				ip.bytes[bit / 8] = (uint8_t)(0x80u >> bit % 8);
				assert_int_equal(cidr_contains(&range, &ip), bit >= prefix);
			}
		}
	}
}

static void socket_addresses(void **state)
{
	(void)state;
	struct sockaddr_storage storage;
	struct ip_address ip, back;
	uint16_t port = 0;
	static const char *const texts[] = { "192.0.2.7", "2001:db8::7" };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		assert_int_equal(ip_parse(str_of(texts[i]), &ip), E_OK);
		socklen_t len = ip_to_sockaddr(&ip, 8420, &storage);
		assert_int_equal(len, i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_true(ip_of_sockaddr((struct sockaddr *)&storage, &back, &port));
		assert_true(ip_eq(&ip, &back));
		assert_int_equal(port, 8420);
	}
	assert_int_equal(ip_parse(STR("::ffff:192.0.2.7"), &ip), E_OK);
	ip_to_sockaddr(&ip, 1, &storage);
	assert_true(ip_of_sockaddr((struct sockaddr *)&storage, &back, NULL));
	assert_false(back.is_v6);
	storage.ss_family = AF_UNIX;
	assert_false(ip_of_sockaddr((struct sockaddr *)&storage, &back, NULL));
}

static void where_to_listen(void **state)
{
	(void)state;
	char long_path[ADDRESS_PATH_MAX + 8] = "unix:/";
	memset(long_path + 6, 'a', ADDRESS_PATH_MAX + 1 - 6 + 5);
	static const struct {
		const char *text;
		enum address_kind kind;
		const char *host;
		uint16_t port;
		bool refused;
	} rows[] = {
		{ "127.0.0.1:8420", ADDRESS_IP, "127.0.0.1", 8420, false },
		{ "0.0.0.0:0", ADDRESS_IP, "0.0.0.0", 0, false },
		{ "[::1]:8420", ADDRESS_IP, "::1", 8420, false },
		{ "[::]:65535", ADDRESS_IP, "::", 65535, false },
		{ "localhost:80", ADDRESS_NAME, "localhost", 80, false },
		{ "ruche-1.internal_net.example:1", ADDRESS_NAME, "ruche-1.internal_net.example", 1, false },
		{ "unix:/run/ruche.sock", ADDRESS_UNIX, "/run/ruche.sock", 0, false },
		{ "unix:relative.sock", ADDRESS_UNIX, "relative.sock", 0, false },
		{ .text = "", .refused = true },
		{ .text = "8420", .refused = true },
		{ .text = ":8420", .refused = true },
		{ .text = "*:8420", .refused = true },
		{ .text = "127.0.0.1", .refused = true },
		{ .text = "127.0.0.1:", .refused = true },
		{ .text = "127.0.0.1:65536", .refused = true },
		{ .text = "127.0.0.1:+80", .refused = true },
		{ .text = "127.0.0.1:000080", .refused = true },
		{ .text = "127.0.0.1:80 ", .refused = true },
		{ .text = "127.1:80", .refused = true },
		{ .text = "0x7f000001:80", .refused = true },
		{ .text = "300.0.0.1:80", .refused = true },
		{ .text = "::1:8420", .refused = true },
		{ .text = "[127.0.0.1]:80", .refused = true },
		{ .text = "[::1:80", .refused = true },
		{ .text = "[]:80", .refused = true },
		{ .text = "[fe80::1%lo]:80", .refused = true },
		{ .text = "-x:80", .refused = true },
		{ .text = "a b:80", .refused = true },
		{ .text = "http://x:80", .refused = true },
		{ .text = "unix:", .refused = true },
	};
	struct address address;
	struct problem problem;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		problem = (struct problem){ 0 };
		enum err err = address_parse(str_of(rows[i].text), &address, &problem);
		assert_int_equal(err, rows[i].refused ? E_INVALID : E_OK);
		assert_int_equal(problem.detail[0] != '\0', rows[i].refused);
		if (rows[i].refused)
			continue;
		char text[IP_TEXT_BYTES];
		ip_text(&address.ip, text);
		assert_int_equal(address.kind, rows[i].kind);
		assert_int_equal(address.port, rows[i].port);
		assert_string_equal(address.kind == ADDRESS_IP ? text : address.text, rows[i].host);
	}
	assert_int_equal(address_parse(str_of(long_path), &address, &problem), E_INVALID);
	long_path[5 + ADDRESS_PATH_MAX] = '\0';
	assert_int_equal(address_parse(str_of(long_path), &address, &problem), E_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_hosts), cmocka_unit_test(ranges),         cmocka_unit_test(ports), cmocka_unit_test(every_prefix_length),
		cmocka_unit_test(socket_addresses),   cmocka_unit_test(where_to_listen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
