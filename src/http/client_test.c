/* The client of many calls: header lines, ends, caps, cancels, wake-ups. What third parties do to it is tested in deliver/. */
#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/easy.h"
#include "third_party/third_party.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- header lines ---- */

static void test_lines(void **state)
{
	(void)state;
	struct str lines = STR("A: 1\r\nB:two \r\n folded: no\r\nnothing\r\n: empty\r\na: 3\r\nC:\r\n"), name, value;
	static const char *const expected[][2] = {
		{ "A", "1" }, { "B", "two" }, { "folded", "no" }, { "a", "3" }, { "C", "" }
	};
	size_t at = 0;
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
		assert_true(http_lines_next(lines, &at, &name, &value));
		assert_true(str_eq(name, str_of(expected[i][0])));
		assert_true(str_eq(value, str_of(expected[i][1])));
	}
	assert_false(http_lines_next(lines, &at, &name, &value));
	assert_true(str_eq(http_lines_find(lines, STR("a")), STR("1")));
	assert_int_equal(http_lines_find(lines, STR("Z")).len, 0);
}

static void add_all(struct http_head *head, const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_true(http_head_add(head, str_of(lines[i])));
}

static void test_head(void **state)
{
	(void)state;
	static const char *const answer[] = { "HTTP/1.1 103 Early Hints\r\n",
					      "Link: a\r\n",
					      "\r\n",
					      "HTTP/1.1 200 OK\r\n",
					      "X: y\r\n",
					      "\n",
					      "Trailer: z\r\n",
					      "\r\n" };
	struct http_head head;
	http_head_init(&head);
	add_all(&head, answer, 5);
	assert_false(head.ended);
	add_all(&head, answer + 5, 3);
	assert_true(head.ended);
	assert_true(str_eq(buf_str(&head.lines), STR("X: y\r\n")));
	http_head_clear(&head);
	char line[1001];
	memset(line, 'x', 998);
	memcpy(line, "X: ", 3);
	memcpy(line + 998, "\r\n", 3);
	for (int i = 0; i < 65; i++)
		assert_true(http_head_add(&head, str_of(line)));
	assert_false(http_head_add(&head, str_of(line)));
	assert_true(head.endless);
	assert_true(head.lines.len <= LIMIT_HEADER_BYTES && head.lines.len > LIMIT_HEADER_BYTES - 1000);
	http_head_fini(&head);
}

/* ---- calls ---- */

struct heard {
	struct http_client *client;
	uint32_t count;
	enum http_end end;
	int status;
	bool truncated, reused;
	uint64_t body_bytes;
	char body[4096];
	size_t body_len;
	char why[256], remote[64];
	struct http_request *next; /* started from within done */
};

static void on_done(void *context, const struct http_outcome *outcome)
{
	struct heard *heard = context;
	heard->count++;
	heard->end = outcome->end;
	heard->status = outcome->status;
	heard->truncated = outcome->truncated;
	heard->reused = outcome->reused;
	heard->body_bytes = outcome->body_bytes;
	heard->body_len = outcome->body.len;
	memcpy(heard->body, outcome->body.ptr ? outcome->body.ptr : "",
	       outcome->body.len < sizeof(heard->body) ? outcome->body.len : 0);
	snprintf(heard->why, sizeof(heard->why), "%s", outcome->why);
	snprintf(heard->remote, sizeof(heard->remote), "%s", outcome->remote);
	assert_true(outcome->dns_us >= 0 && outcome->connect_us >= 0 && outcome->tls_us >= 0 && outcome->total_us >= 0);
	if (heard->next) {
		struct http_ticket *ticket;
		struct http_request *next = heard->next;
		heard->next = NULL;
		assert_int_equal(http_client_start(heard->client, next, &ticket), E_OK);
	}
}

static struct http_request request_to(const char *url, struct heard *heard)
{
	return (struct http_request){ .method = "POST",
				      .url = url,
				      .body = STR("{}"),
				      .timeout_ms = 60000,
				      .response_max = 4096,
				      .done = on_done,
				      .context = heard };
}

static void run(struct http_client *client)
{
	while (http_client_running(client))
		http_client_run(client, -1);
}

static void call(struct http_client *client, const struct http_request *request)
{
	struct http_ticket *ticket;
	assert_int_equal(http_client_start(client, request, &ticket), E_OK);
	run(client);
}

static void test_methods(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		bool body;
	} methods[] = { { "POST", true },   { "GET", false }, { "PUT", true },   { "HEAD", false },
			{ "DELETE", true }, { "POST", true }, { "PATCH", true }, { "GET", false } };
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	const char *url = third_party_url(party, "/path?query");
	const char *const headers[] = { "X-One: 1", "X-Empty;", "Content-Type: text/plain" };
	for (uint32_t i = 0; i < ARRAY_COUNT(methods); i++) {
		struct heard heard = { 0 };
		struct http_request request = request_to(url, &heard);
		char start[64], value[64];
		request.method = methods[i].method;
		request.headers = headers;
		request.header_count = 3;
		call(client, &request);
		assert_int_equal(heard.end, HTTP_END_ANSWERED);
		assert_int_equal(heard.status, 200);
		const struct tp_request *got = third_party_request(party, i);
		snprintf(start, sizeof(start), "%s /path?query HTTP/1.1\r\n", methods[i].method);
		assert_true(strncmp(got->head, start, strlen(start)) == 0);
		assert_int_equal(got->body_len, methods[i].body ? 2 : 0);
		assert_true(tp_request_header(got, "x-one", value, sizeof(value)));
		assert_true(tp_request_header(got, "x-empty", value, sizeof(value)));
		assert_false(tp_request_header(got, "expect", value, sizeof(value)));
		assert_true(strncmp(heard.remote, "127.0.0.1:", 10) == 0);
	}
	http_client_free(client);
	third_party_stop(party);
}

static void test_cap(void **state)
{
	(void)state;
	static const struct {
		size_t max;
		bool truncated;
	} caps[] = { { 12, false }, { 11, false }, { 10, true }, { 1, true }, { 0, true }, { 4096, false } };
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 }); /* answers {"ok":true} */
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	for (size_t i = 0; i < ARRAY_COUNT(caps); i++) {
		struct heard heard = { 0 };
		struct http_request request = request_to(third_party_url(party, "/"), &heard);
		request.response_max = caps[i].max;
		call(client, &request);
		assert_int_equal(heard.end, HTTP_END_ANSWERED);
		assert_int_equal(heard.status, 200);
		assert_int_equal(heard.truncated, caps[i].truncated);
		assert_int_equal(heard.body_len, caps[i].max < 11 ? caps[i].max : 11);
		assert_int_equal(heard.body_bytes, 11);
		assert_memory_equal(heard.body, "{\"ok\":true}", heard.body_len);
	}
	http_client_free(client);
	third_party_stop(party);
}

static void test_start_from_done(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	struct heard first = { .client = client }, second = { 0 };
	struct http_request next = request_to(third_party_url(party, "/2"), &second),
			    request = request_to(third_party_url(party, "/1"), &first);
	first.next = &next;
	call(client, &request);
	assert_int_equal(first.count, 1);
	assert_int_equal(second.count, 1);
	assert_int_equal(second.status, 200);
	http_client_free(client);
	third_party_stop(party);
}

static void test_cancel(void **state)
{
	(void)state;
	static const struct tp_step hangs[] = { TP_READ, TP_HANG, TP_END };
	struct third_party *party = third_party_start(&(struct third_party_config){ .scripts = { hangs } });
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	struct heard heard[5] = { 0 };
	struct http_ticket *tickets[5];
	for (int i = 0; i < 5; i++) {
		struct http_request request = request_to(third_party_url(party, "/"), &heard[i]);
		assert_int_equal(http_client_start(client, &request, &tickets[i]), E_OK);
	}
	http_client_cancel(client, tickets[0]); /* not even begun */
	while (third_party_requests(party) < 4)
		http_client_run(client, 1000);
	http_client_cancel(client, tickets[2]);
	http_client_cancel(client, tickets[4]);
	assert_int_equal(http_client_running(client), 2);
	http_client_free(client); /* cancels the rest */
	for (int i = 0; i < 5; i++)
		assert_int_equal(heard[i].count, 0);
	third_party_stop(party);
}

static void *wake(void *client)
{
	http_client_wake(client);
	return NULL;
}

static void test_wake(void **state)
{
	(void)state;
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	pthread_t thread;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pthread_create(&thread, NULL, wake, client), 0);
		http_client_run(client, -1); /* for ever, were it not for the wake */
		pthread_join(thread, NULL);
	}
	http_client_run(client, 0);
	http_client_free(client);
}

static void test_forget(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	struct heard heard = { 0 };
	struct http_request request = request_to(third_party_url(party, "/"), &heard);
	call(client, &request);
	call(client, &request);
	assert_int_equal(third_party_connections(party), 1);
	http_client_forget(client);
	call(client, &request);
	assert_int_equal(third_party_connections(party), 2);
	assert_int_equal(heard.status, 200);
	http_client_free(client);
	third_party_stop(party);
}

static void test_bad_urls(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		enum http_end end;
	} urls[] = {
		{ "", HTTP_END_BAD_TARGET },
		{ "http://", HTTP_END_BAD_TARGET },
		{ "ftp://127.0.0.1/", HTTP_END_BAD_TARGET },
		{ "file:///etc/passwd", HTTP_END_BAD_TARGET },
		{ "http://user:password@127.0.0.1/", HTTP_END_BAD_TARGET },
		{ "http://127.0.0.1:99999/", HTTP_END_BAD_TARGET },
	};
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	for (size_t i = 0; i < ARRAY_COUNT(urls); i++) {
		struct heard heard = { 0 };
		struct http_request request = request_to(urls[i].url, &heard);
		call(client, &request);
		if (heard.end != urls[i].end || heard.status || !heard.why[0])
			fail_msg("%s: %s, %s", urls[i].url, http_end_name(heard.end), heard.why);
	}
	http_client_free(client);
}

static bool bars(void *context, const char *url, char *why, size_t why_bytes)
{
	uint32_t *asked = context;
	++*asked;
	snprintf(why, why_bytes, "not this one");
	return !strstr(url, "/barred");
}

/* They end as others do, within a run, whatever runs beside them; nothing is dialled for them. */
static void test_barred(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	uint32_t asked = 0;
	struct http_client *client = http_client_new(&(struct http_client_config){ .url_guard = bars, .guard_context = &asked });
	struct heard heard[4] = { { .client = client }, { 0 }, { 0 }, { 0 } };
	struct http_ticket *tickets[3];
	struct http_request other = request_to(third_party_url(party, "/barred"), &heard[3]);
	heard[0].next = &other; /* barred, too, and started where the first one's end is told */
	for (int i = 0; i < 3; i++) {
		struct http_request request = request_to(third_party_url(party, i == 2 ? "/open" : "/barred"), &heard[i]);
		assert_int_equal(http_client_start(client, &request, &tickets[i]), E_OK);
		assert_int_equal(heard[i].count, 0);
	}
	http_client_cancel(client, tickets[1]);
	run(client);
	assert_int_equal(asked, 4);
	assert_int_equal(heard[1].count, 0);
	assert_int_equal(heard[2].status, 200);
	for (int i = 0; i < 4; i += 3) {
		assert_int_equal(heard[i].count, 1);
		assert_int_equal(heard[i].end, HTTP_END_GUARDED);
		assert_int_equal(heard[i].status, 0);
		assert_string_equal(heard[i].why, "not this one");
		assert_string_equal(heard[i].remote, "");
	}
	assert_int_equal(third_party_requests(party), 1);
	struct http_request again = request_to(third_party_url(party, "/open"), &heard[1]); /* by a handle that a barred one had */
	call(client, &again);
	assert_int_equal(heard[1].status, 200);
	struct http_request last = request_to(third_party_url(party, "/barred"), &heard[2]);
	assert_int_equal(http_client_start(client, &last, &tickets[2]), E_OK);
	http_client_free(client);
	assert_int_equal(heard[2].count, 1);
	third_party_stop(party);
}

static void test_environment_is_not_read(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 }),
			   *proxy = third_party_start(&(struct third_party_config){ 0 });
	setenv("http_proxy", third_party_url(proxy, ""), 1);
	setenv("ALL_PROXY", third_party_url(proxy, ""), 1);
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	struct heard heard = { 0 };
	struct http_request request = request_to(third_party_url(party, "/"), &heard);
	call(client, &request);
	assert_int_equal(heard.status, 200);
	assert_int_equal(third_party_connections(proxy), 0);
	http_client_free(client);
	setenv("no_proxy", "*", 1); /* nor does it undo a proxy that was asked for */
	client = http_client_new(&(struct http_client_config){ .proxy = third_party_url(proxy, "") });
	call(client, &request);
	assert_int_equal(heard.status, 200);
	assert_int_equal(third_party_connections(proxy), 1);
	http_client_free(client);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	unsetenv("no_proxy");
	third_party_stop(party);
	third_party_stop(proxy);
}

struct ways {
	const char *past; /* a URL */
	uint32_t asked;   /* of addresses */
	bool refuse;
};

static bool goes_past(void *context, const char *url)
{
	return strcmp(url, ((struct ways *)context)->past) == 0;
}

static bool is_asked(void *context, const char *url, const struct sockaddr *address, char *why, size_t why_bytes)
{
	struct ways *ways = context;
	assert_string_equal(url, ways->past);
	assert_int_equal(address->sa_family, AF_INET);
	ways->asked++;
	snprintf(why, why_bytes, "refused");
	return !ways->refuse;
}

/* Each way keeps connections of its own, whichever comes first, and only where we connect ourselves is the address judged. */
static void test_past_the_proxy(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 }),
			   *proxy = third_party_start(&(struct third_party_config){ 0 });
	char inside[128], outside[128];
	snprintf(inside, sizeof(inside), "%s", third_party_url(party, "/inside"));
	snprintf(outside, sizeof(outside), "%s", third_party_url(party, "/outside"));
	struct ways ways = { .past = inside };
	const struct http_client_config config = { .proxy = third_party_url(proxy, ""), .guard = is_asked, .past_proxy = goes_past, .guard_context = &ways };
	struct http_client *client = http_client_new(&config);
	static const bool turns[] = { false, true, true, false, true };
	for (size_t i = 0; i < ARRAY_COUNT(turns); i++) { /* one handle does them all */
		struct heard heard = { 0 };
		struct http_request request = request_to(turns[i] ? inside : outside, &heard);
		call(client, &request);
		assert_int_equal(heard.status, 200);
	}
	assert_int_equal(third_party_requests(party), 3);
	assert_int_equal(third_party_requests(proxy), 2);
	assert_int_equal(third_party_connections(party), 1);
	assert_int_equal(third_party_connections(proxy), 1);
	assert_int_equal(ways.asked, 1);
	http_client_free(client);

	ways = (struct ways){ .past = inside, .refuse = true };
	client = http_client_new(&config);
	for (size_t i = 0; i < 2; i++) {
		struct heard heard = { 0 };
		struct http_request request = request_to(i ? inside : outside, &heard);
		call(client, &request);
		assert_int_equal(heard.end, i ? HTTP_END_GUARDED : HTTP_END_ANSWERED);
	}
	http_client_free(client);
	third_party_stop(party);
	client = http_client_new(&config); /* nobody is there: not the proxy's fault, nor is a password that it wants */
	ways.refuse = false;
	struct heard heard = { 0 };
	struct http_request request = request_to(inside, &heard);
	call(client, &request);
	assert_int_equal(heard.end, HTTP_END_CONNECT);
	http_client_free(client);
	third_party_stop(proxy);
}

static void test_no_descriptors(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	struct http_client *client = http_client_new(&(struct http_client_config){ 0 });
	struct heard heard = { 0 };
	struct http_request request = request_to(third_party_url(party, "/"), &heard);
	struct rlimit before, none;
	getrlimit(RLIMIT_NOFILE, &before);
	int next = open("/dev/null", O_RDONLY);
	close(next);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	call(client, &request);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(heard.end, HTTP_END_OURS);
	call(client, &request);
	assert_int_equal(heard.status, 200);
	http_client_free(client);
	third_party_stop(party);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	const char *url = third_party_url(party, "/");
	bool refused = true;
	for (uint64_t n = 1; refused; n++) {
		struct heard heard = { 0 };
		struct http_request request = request_to(url, &heard);
		struct http_ticket *ticket;
		mem_fail_after(n, MEM_FAIL_ONE);
		struct http_client *client = http_client_new(&(struct http_client_config){ .proxy = "" });
		if (client && http_client_start(client, &request, &ticket) == E_OK) {
			run(client);
			assert_int_equal(heard.count, 1);
			assert_true(heard.end == HTTP_END_ANSWERED || heard.end == HTTP_END_OURS ||
				    heard.end == HTTP_END_RESET);
		}
		refused = mem_fail_disarm();
		http_client_free(client);
	}
	third_party_stop(party);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),           cmocka_unit_test(test_head),
		cmocka_unit_test(test_methods),         cmocka_unit_test(test_cap),
		cmocka_unit_test(test_start_from_done), cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_wake),            cmocka_unit_test(test_forget),
		cmocka_unit_test(test_bad_urls),        cmocka_unit_test(test_barred),
		cmocka_unit_test(test_environment_is_not_read), cmocka_unit_test(test_past_the_proxy), cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
