#include "daemon/doors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static bool leads_in(struct doors *doors, const char *text, uint16_t port)
{
	struct ip_address ip;
	assert_int_equal(ip_parse(str_of(text), &ip), E_OK);
	ip = ip_unmapped(&ip); /* as it comes out of a socket's address */
	return doors_lead_in(doors, &ip, port);
}

static void what_is_listed(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *ip;
		uint16_t port;
		bool leads_in;
	} cases[] = {
		{ "127.0.0.1:8420", "127.0.0.1", 8420, true },        { "127.0.0.1:8420", "127.0.0.1", 8421, false },
		{ "127.0.0.1:8420", "127.0.0.2", 8420, false },       { "127.0.0.1:8420", "::ffff:127.0.0.1", 8420, true },
		{ "127.0.0.1:8420", "0.0.0.0", 8420, true },          { "127.0.0.1:8420", "::", 8420, true },
		{ "127.0.0.1:8420", "::1", 8420, false },             { "192.0.2.7:80", "192.0.2.7", 80, true },
		{ "[::1]:8420", "::1", 8420, true },                  { "[::1]:8420", "127.0.0.1", 8420, false },
		{ "[2001:db8::7]:80", "2001:db8::7", 80, true },      { "[2001:db8::7]:80", "2001:db8::8", 80, false },
		{ "0.0.0.0:8420", "127.0.0.1", 8420, true },          { "0.0.0.0:8420", "127.1.2.3", 8420, true },
		{ "0.0.0.0:8420", "0.0.0.0", 8420, true },            { "0.0.0.0:8420", "192.0.2.7", 8420, false },
		{ "0.0.0.0:8420", "127.0.0.1", 80, false },           { "[::]:8420", "127.0.0.1", 8420, true },
		{ "[::]:8420", "2001:db8::8", 8420, false },          { "localhost:8420", "127.0.0.1", 8420, true },
		{ "localhost:8420", "192.0.2.7", 8420, false },       { "127.0.0.1:0", "127.0.0.1", 0, false },
		{ "unix:/run/ruche.sock", "127.0.0.1", 8420, false },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct doors doors;
		doors_init(&doors);
		doors_add_listed(&doors, &(struct config_list){ &cases[i].listen, 1 });
		if (leads_in(&doors, cases[i].ip, cases[i].port) != cases[i].leads_in)
			fail_msg("case %zu: %s and %s port %u", i, cases[i].listen, cases[i].ip, cases[i].port);
		doors_fini(&doors);
	}
}

/* Every address that this machine has is its own, when all of them are listened at. */
static void what_is_given(void **state)
{
	(void)state;
	struct doors doors;
	struct ip_address ip;
	struct sockaddr_storage at;
	int pair[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ip_parse(STR("127.0.0.3"), &ip), E_OK);
	socklen_t len = ip_to_sockaddr(&ip, 0, &at);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	uint16_t port = 0;
	assert_true(ip_of_sockaddr((struct sockaddr *)&at, &ip, &port));
	doors_init(&doors);
	doors_add_fd(&doors, pair[0]);
	assert_int_equal(doors.count, 0);
	doors_add_fd(&doors, fd);
	assert_true(leads_in(&doors, "127.0.0.3", port));
	assert_false(leads_in(&doors, "127.0.0.4", port));
	doors_add(&doors, &(struct ip_address){ 0 }, port);
	assert_true(leads_in(&doors, "127.0.0.4", port));
	doors_fini(&doors);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/* Of any port: whose addresses they are. */
static void where_we_are(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *ip;
		bool ours;
	} cases[] = {
		{ "192.0.2.7:80", "192.0.2.7", true },    { "192.0.2.7:80", "192.0.2.8", false },  { "0.0.0.0:80", "127.0.0.1", true },
		{ "0.0.0.0:80", "192.0.2.7", false },     { "localhost:80", "127.0.0.1", true },   { "unix:/run/ruche.sock", "127.0.0.1", false },
		{ "[2001:db8::7]:80", "2001:db8::7", true },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct doors doors;
		doors_init(&doors);
		doors_add_listed(&doors, &(struct config_list){ &cases[i].listen, 1 });
		if (leads_in(&doors, cases[i].ip, 0) != cases[i].ours)
			fail_msg("case %zu: %s and %s", i, cases[i].listen, cases[i].ip);
		doors_fini(&doors);
	}
}

/* Not every third party is us then, which would be its job's end. */
static void no_descriptor_to_look_with(void **state)
{
	(void)state;
	struct doors doors;
	struct rlimit limit, none;
	doors_init(&doors);
	doors_add(&doors, &(struct ip_address){ 0 }, 443);
	doors.looked_us = -DOORS_LOOK_US;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	bool third = leads_in(&doors, "192.0.2.7", 443), own = leads_in(&doors, "127.0.0.1", 443);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_false(third);
	assert_true(own);
	assert_int_equal(doors.looked_us, -DOORS_LOOK_US);
	doors_fini(&doors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_listed), cmocka_unit_test(what_is_given),
		cmocka_unit_test(where_we_are),   cmocka_unit_test(no_descriptor_to_look_with),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
