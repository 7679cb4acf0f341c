/* Third parties as they come: each case of the table is a scripted other side, called while a healthy one is called beside it. What is
 * checked: the class, the operation that the engine hears, and that the healthy one was answered. */
#include "base/check.h"
#include "base/json.h"
#include "deliver/house_test.h"
#include "third_party/resolver.h"
#include "third_party/third_party.h"
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* wants the four above */
#include <dirent.h>
#include <netdb.h>

#define SHORT_MS 400   /* for those that never end by themselves */
#define LONG_MS  60000 /* for those that do */
#define OK_TEXT  "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true}"
#define KB       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef"
#define SCRIPT(...) ((const struct tp_step[]){ __VA_ARGS__, TP_END })

struct expectation {
	const char *class_code;     /* "ok": completed */
	enum verdict verdict;
	int64_t delay_ms;           /* VERDICT_DELAY: exactly; -1: above 0 */
	const char *says;           /* part of the error, or of the result */
};
#define DONE             { "ok", VERDICT_POLICY, 0, NULL }
#define DONE_WITH(text)  { "ok", VERDICT_POLICY, 0, (text) }
#define AGAIN(code)      { (code), VERDICT_POLICY, 0, NULL }
#define NEVER(code)      { (code), VERDICT_FINAL, 0, NULL }
#define LATER(code, ms)  { (code), VERDICT_DELAY, (ms), NULL }

struct party_case {
	const char *name;
	const struct tp_step *script;
	struct expectation expect;
	bool endless;               /* ended by the time-out alone */
	bool never_accepts, deaf;
	const char *settings;
	size_t payload_bytes;       /* 0: a small one */
};

static const struct party_case cases[] = {
	/* NW-1: slow, silent, broken */
	{ "never accepts", NULL, AGAIN("timeout"), .endless = true, .never_accepts = true },
	{ "refuses connections", NULL, AGAIN("connect"), .deaf = true },
	{ "accepts and is silent", SCRIPT(TP_HANG), AGAIN("timeout"), .endless = true },
	{ "reads and is silent", SCRIPT(TP_READ, TP_HANG), AGAIN("timeout"), .endless = true },
	{ "status line byte by byte", SCRIPT(TP_READ, TP_DRIP(OK_TEXT, 1000)), AGAIN("timeout"), .endless = true },
	{ "body byte by byte",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), TP_DRIP("123456789", 1000)),
	  AGAIN("timeout"), .endless = true },
	{ "half a header, then silence", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nX-"), TP_HANG), AGAIN("timeout"),
	  .endless = true },
	{ "closes at once", SCRIPT(TP_END), AGAIN("reset") },
	{ "closes before the answer", SCRIPT(TP_READ, TP_END), AGAIN("reset") },
	{ "resets before the answer", SCRIPT(TP_READ, TP_RESET), AGAIN("reset") },
	{ "resets in the status line", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 20"), TP_WAIT(20), TP_RESET), AGAIN("reset") },
	{ "resets in the headers", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-"), TP_WAIT(20), TP_RESET),
	  AGAIN("reset") },
	{ "closes in the headers", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-"), TP_END), AGAIN("reset") },
	{ "closes after the status line", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\n"), TP_END), AGAIN("reset") },
	{ "resets in the body",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), TP_WAIT(20), TP_RESET),
	  AGAIN("reset") },
	{ "closes in the body", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), TP_END),
	  AGAIN("reset") },
	{ "closes in a chunk",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf"), TP_END),
	  AGAIN("reset") },
	{ "half-closed, then silence", SCRIPT(TP_READ, TP_SHUT, TP_HANG), AGAIN("reset") },
	{ "half-closed after the answer", SCRIPT(TP_READ, TP_SEND(OK_TEXT), TP_SHUT, TP_HANG), DONE },
	{ "body until the connection closes", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\n\r\n{\"a\":1}"), TP_END),
	  DONE_WITH("{\"status\":200,\"body\":{\"a\":1}}") },
	{ "100 unasked, then 200", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 100 Continue\r\n\r\n" OK_TEXT)), DONE },
	{ "100 before the body",
	  SCRIPT(TP_READ_HEAD, TP_SEND("HTTP/1.1 100 Continue\r\n\r\n"), TP_SEND(OK_TEXT), TP_HANG), DONE,
	  .payload_bytes = 5000000 },
	{ "100, then silence", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 100 Continue\r\n\r\n"), TP_HANG), AGAIN("timeout"),
	  .endless = true },
	{ "103, then 200", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK_TEXT)), DONE },
	{ "101 unasked", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), TP_END),
	  AGAIN("reset") },
	{ "answers before the body came",
	  SCRIPT(TP_READ_HEAD, TP_SEND("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
		 TP_SHUT, TP_HANG),
	  NEVER("status_4xx"), .payload_bytes = 5000000 },
	{ "stops reading in the middle", SCRIPT(TP_READ_HEAD, TP_WAIT(100000)), AGAIN("timeout"), .endless = true,
	  .payload_bytes = 9000000 },
	{ "resets while the body is sent", SCRIPT(TP_READ_HEAD, TP_RESET), AGAIN("reset"), .payload_bytes = 9000000 },
	{ "HTTP/1.0", SCRIPT(TP_READ, TP_SEND("HTTP/1.0 200 OK\r\n\r\n\"done\""), TP_END),
	  DONE_WITH("\"body\":\"done\"") },

	/* NW-2: too much, or not HTTP */
	{ "10 GB with a length",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n"), TP_REPEAT(KB, -1)),
	  DONE_WITH("\"truncated\":true") },
	{ "10 GB in chunks",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
		 TP_REPEAT("10\r\n0123456789abcdef\r\n", -1)),
	  DONE_WITH("\"truncated\":true") },
	{ "10 GB without a length", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\n\r\n"), TP_REPEAT(KB, -1)),
	  DONE_WITH("\"truncated\":true") },
	{ "10 GB of failure", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 500 No\r\n\r\n"), TP_REPEAT(KB, -1)),
	  AGAIN("status_5xx") },
	{ "headers without end",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\n"), TP_REPEAT("X-More: 0123456789abcdef\r\n", -1)),
	  AGAIN("protocol") },
	{ "one header without end", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nX-Long: "), TP_REPEAT(KB, -1)),
	  AGAIN("protocol") },
	{ "a status line without end", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 "), TP_REPEAT(KB, -1)),
	  AGAIN("protocol") },
	{ "1xx without end", SCRIPT(TP_READ, TP_REPEAT("HTTP/1.1 100 Continue\r\n\r\n", -1)), AGAIN("protocol") },
	{ "trailers without end",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"),
		 TP_REPEAT("X-More: 0123456789abcdef\r\n", -1)),
	  AGAIN("protocol") },
	{ "gzip stays gzip",
	  SCRIPT(TP_READ,
		 TP_SEND("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08z")),
	  DONE_WITH("\\u001f") },
	{ "HTTP/0.9", SCRIPT(TP_READ, TP_SEND("hello\n"), TP_END), AGAIN("protocol") },
	{ "an SSH server", SCRIPT(TP_SEND("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), TP_HANG), AGAIN("protocol") },
	{ "an SMTP server", SCRIPT(TP_SEND("220 mail.example ESMTP ready, say hello\r\n"), TP_HANG),
	  AGAIN("protocol") },
	{ "an unknown version", SCRIPT(TP_READ, TP_SEND("HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n")),
	  AGAIN("protocol") },
	{ "a chunk size that is none",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n"),
		 TP_HANG),
	  AGAIN("protocol") },
	{ "a chunk size that overflows",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhi\r\n"),
		 TP_HANG),
	  AGAIN("protocol") },
	{ "a chunk without its end",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n"), TP_HANG),
	  AGAIN("protocol") },
	{ "a negative length", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), TP_HANG),
	  AGAIN("protocol") },
	{ "NUL in a header",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"), TP_HANG),
	  AGAIN("protocol") },
	{ "bad UTF-8 in the reason",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 \xff\xfe\xc0\xaf\r\nContent-Length: 0\r\n\r\n")),
	  DONE_WITH("{\"status\":200}") },
	{ "bad UTF-8 in header and body",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nX-Bad\xff: \xc0\xaf\r\nContent-Length: 5\r\n\r\n\"\xff\xfe!\"")),
	  DONE },
	{ "a folded header",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\nContent-Length: 0\r\n\r\n")), DONE },
	{ "both lengths",
	  SCRIPT(TP_READ,
		 TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")),
	  DONE_WITH("\"body\":{}") },
	{ "JSON too deep for one level more",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\n\r\n"), TP_REPEAT("[", 128), TP_REPEAT("]", 128)),
	  DONE_WITH("\"body\":\"[[") },
	{ "204 with a body",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"), TP_END),
	  DONE_WITH("{\"status\":204}") },

	/* Statuses */
	{ "201", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")),
	  DONE_WITH("{\"status\":201}") },
	{ "204", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 204 No Content\r\n\r\n")), DONE_WITH("{\"status\":204}") },
	{ "plain text", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")),
	  DONE_WITH("{\"status\":200,\"body\":\"hello\"}") },
	{ "400", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}")),
	  NEVER("status_4xx") },
	{ "404", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")), NEVER("status_4xx") },
	{ "410", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")), NEVER("status_4xx") },
	{ "408", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")),
	  AGAIN("status_busy") },
	{ "425 with seconds",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 425 Too Early\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")),
	  LATER("status_busy", 3000) },
	{ "429", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n")), AGAIN("status_busy") },
	{ "429 with seconds",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 429 Slow\r\nretry-after:  120 \r\nContent-Length: 0\r\n\r\n")),
	  LATER("status_busy", 120000) },
	{ "429 with nonsense",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 429 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n")),
	  AGAIN("status_busy") },
	{ "429 with too much",
	  SCRIPT(TP_READ,
		 TP_SEND("HTTP/1.1 429 Slow\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n")),
	  LATER("status_busy", 86400000) },
	{ "503 with a date ahead",
	  SCRIPT(TP_READ,
		 TP_SEND("HTTP/1.1 503 No\r\nRetry-After: Fri, 31 Dec 2199 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n")),
	  LATER("status_5xx", 86400000) },
	{ "503 with a date behind",
	  SCRIPT(TP_READ,
		 TP_SEND("HTTP/1.1 503 No\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n")),
	  LATER("status_5xx", 0) },
	{ "503", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")), AGAIN("status_5xx") },
	{ "500 with Retry-After",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 500 No\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n")),
	  AGAIN("status_5xx") },
	{ "599", SCRIPT(TP_READ, TP_SEND("HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n")), AGAIN("status_5xx") },
	{ "a policy of one's own: 404 is fine",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")),
	  DONE_WITH("{\"status\":404}"), .settings = "{\"target\":\"http\",\"http\":{\"success\":[\"200-299\",404]}}" },
	{ "a policy of one's own: 500 is final",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")), NEVER("status_5xx"),
	  .settings = "{\"target\":\"http\",\"http\":{\"final\":[500]}}" },
	{ "a policy of one's own: 409 is tried again",
	  SCRIPT(TP_READ, TP_SEND("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")), AGAIN("status_4xx"),
	  .settings = "{\"target\":\"http\",\"http\":{\"retry\":[\"409-410\"]}}" },
};

/* ---- checking ---- */

static void complain(const char *name, const struct told *told, const char *what)
{
	print_error("%s: %s\n  kind %d verdict %d delay %lld\n  result %.300s\n  error %.300s\n  exchange %.900s\n", name, what, told->kind,
		    told->verdict, (long long)told->delay_ms, told->result, told->error, told->exchange);
	fail();
}

static void check_told(const char *name, const struct told *told, const struct expectation *expect)
{
	char code[64];
	bool done = strcmp(expect->class_code, "ok") == 0;
	snprintf(code, sizeof(code), "\"class\":\"%s\"", expect->class_code);
	if (told->fence != 7000 + told->uid)
		complain(name, told, "another fence");
	if (told->kind != (done ? OP_COMPLETE : OP_FAIL) || told->verdict != expect->verdict)
		complain(name, told, "another verdict");
	if (expect->delay_ms >= 0 ? told->delay_ms != expect->delay_ms : told->delay_ms <= 0)
		complain(name, told, "another delay");
	if (!strstr(told->exchange, code) || (!done && !strstr(told->error, code)))
		complain(name, told, "another class");
	if (expect->says && !strstr(done ? told->result : told->error, expect->says))
		complain(name, told, "other words");
	if (json_check(str_of(told->exchange), NULL) || json_check(str_of(done ? told->result : told->error), NULL))
		complain(name, told, "not JSON");
	if (strlen(told->exchange) > 150000 || told->costs_nothing)
		complain(name, told, "kept too much, or cost nothing");
}

static char *big_payload(size_t bytes)
{
	char *text = malloc(bytes + 1);
	assert_non_null(text);
	memset(text, 'x', bytes);
	text[0] = text[bytes - 1] = '"';
	text[bytes] = '\0';
	return text;
}

static uint32_t open_descriptors(void)
{
	uint32_t count = 0;
	DIR *all = opendir("/proc/self/fd");
	assert_non_null(all);
	while (readdir(all))
		count++;
	closedir(all);
	return count;
}

static void test_third_parties(void **state)
{
	(void)state;
	uint32_t descriptors = open_descriptors();
	static struct third_party *parties[ARRAY_COUNT(cases)];
	uint64_t uids[ARRAY_COUNT(cases)];
	char *targets[ARRAY_COUNT(cases)], *payloads[ARRAY_COUNT(cases)];
	struct house *house = house_open("127.0.0.1/32", &(struct deliver_config){ .in_flight_max = 200, .connect_ms = SHORT_MS / 2 });
	struct third_party *healthy = third_party_start(&(struct third_party_config){ 0 });
	char healthy_target[128];
	snprintf(healthy_target, sizeof(healthy_target), "{\"url\":\"%s\"}", third_party_url(healthy, "/well"));
	uint64_t beside[ARRAY_COUNT(cases)];
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct party_case *one = &cases[i];
		parties[i] = third_party_start(&(struct third_party_config){
			.scripts = { one->script }, .never_accepts = one->never_accepts, .deaf = one->deaf });
		assert_true(asprintf(&targets[i], "{\"url\":\"%s\",\"timeout_ms\":%d}", third_party_url(parties[i], "/hook"),
				     one->endless ? SHORT_MS : LONG_MS) > 0);
		payloads[i] = big_payload(one->payload_bytes ? one->payload_bytes : 12);
		uids[i] = house_deliver(house, &(struct house_job){ .target = targets[i],
								    .payload = payloads[i],
								    .settings = one->settings });
		beside[i] = house_deliver(house, &(struct house_job){ .target = healthy_target, .payload = "{\"n\":1}" });
	}
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_int_equal(house_wait(house, beside[i])->kind, OP_COMPLETE);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		check_told(cases[i].name, house_wait(house, uids[i]), &cases[i].expect);
	house_close(house, LONG_MS);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		assert_int_equal(house_told_count(house, uids[i]), 1);
		third_party_stop(parties[i]);
		free(targets[i]);
		free(payloads[i]);
	}
	house_free(house);
	third_party_stop(healthy);
	assert_int_equal(open_descriptors(), descriptors); /* whatever they did, none is kept */
}

/* ---- redirects: never followed, least of all inside ---- */

static void test_redirects(void **state)
{
	(void)state;
	static const int statuses[] = { 300, 301, 302, 303, 304, 305, 307, 308 };
	struct house *house = house_open("127.0.0.1/32", NULL);
	struct third_party *trap = third_party_start(&(struct third_party_config){ .address = "127.0.0.2" });
	const char *targets[] = { third_party_url(trap, "/metadata"), "/loop", "//127.0.0.2/", "http://169.254.169.254/latest/meta-data/",
				  "file:///etc/passwd", "gopher://127.0.0.2:6379/_FLUSHALL" };
	for (size_t i = 0; i < ARRAY_COUNT(statuses) * ARRAY_COUNT(targets); i++) {
		char headers[256], target[128];
		snprintf(headers, sizeof(headers), "Location: %s\r\n", targets[i % ARRAY_COUNT(targets)]);
		struct tp_answer answer = { .status = statuses[i / ARRAY_COUNT(targets)], .headers = headers };
		struct third_party *party = third_party_start(&(struct third_party_config){ .answers = &answer, .answer_count = 1 });
		snprintf(target, sizeof(target), "{\"url\":\"%s\"}", third_party_url(party, "/loop"));
		uint64_t uid = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
		check_told(headers, house_wait(house, uid), &(struct expectation)NEVER("redirect"));
		assert_int_equal(third_party_requests(party), 1);
		third_party_stop(party);
	}
	assert_int_equal(third_party_connections(trap), 0);
	third_party_stop(trap);
	house_free(house);
}

/* ---- names ---- */

static void test_names(void **state)
{
	(void)state;
	static const char *const inside[] = { "10.0.0.1", "127.0.0.2", "192.168.1.1", "169.254.169.254", "fd00:ec2::254", "::1", NULL };
	static const char *const mixed[] = { "127.0.0.2", "10.1.2.3", "127.0.0.1", NULL };
	static const char *const second[] = { "127.0.0.3", "127.0.0.1", NULL };
	static const char *many[1001];
	for (size_t i = 0; i < 1000; i++)
		many[i] = "127.0.0.2";
	resolver_tell_error("unknown.test", EAI_NONAME);
	resolver_tell_error("again.test", EAI_AGAIN);
	resolver_tell_error("broken.test", EAI_FAIL);
	resolver_tell_silent("silent.test");
	resolver_tell("inside.test", inside);
	resolver_tell("mixed.test", mixed);
	resolver_tell("many.test", many);
	resolver_tell("second.test", second);
	static const struct {
		const char *host;
		struct expectation expect;
	} names[] = {
		{ "unknown.test", AGAIN("dns") },
		{ "again.test", AGAIN("dns") },
		{ "broken.test", AGAIN("dns") },
		{ "nobody.invalid", AGAIN("dns") },
		{ "silent.test", AGAIN("timeout") },
		{ "inside.test", { "guarded", VERDICT_FINAL, 0, "deliver.allow" } },
		{ "many.test", { "guarded", VERDICT_FINAL, 0, "127.0.0.0/8" } },
		{ "mixed.test", DONE },
		{ "second.test", DONE },
	};
	uint64_t uids[ARRAY_COUNT(names)];
	struct house *house = house_open("127.0.0.1/32 127.0.0.3", NULL);
	struct third_party *party = third_party_start(&(struct third_party_config){ 0 });
	struct third_party *trap = third_party_start(&(struct third_party_config){ .address = "127.0.0.2" });
	char targets[ARRAY_COUNT(names)][128];
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(targets[i], sizeof(targets[i]), "{\"url\":\"http://%s:%u/\",\"timeout_ms\":%d}", names[i].host,
			 names[i].expect.class_code[0] == 'o' ? third_party_port(party) : third_party_port(trap),
			 strcmp(names[i].host, "silent.test") ? LONG_MS : SHORT_MS);
		uids[i] = house_deliver(house, &(struct house_job){ .target = targets[i], .payload = "{}" });
	}
	/* The resolver is still silent when the time-out's verdict and all others are there: nobody waited for it. */
	resolver_wait_asked();
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		check_told(names[i].host, house_wait(house, uids[i]), &names[i].expect);
	assert_int_equal(third_party_connections(trap), 0);
	house_close(house, 0);
	resolver_release();
	house_free(house);
	third_party_stop(trap);
	third_party_stop(party);
}

/* A name that means another address at the next attempt: what is judged is what is called, each time. */
static void test_rebound_name(void **state)
{
	(void)state;
	static const char *const outside[] = { "127.0.0.1", NULL }, *const inside[] = { "127.0.0.2", NULL };
	static const struct tp_step once[] = { TP_READ, TP_SEND("HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), TP_END };
	struct third_party *party = third_party_start(&(struct third_party_config){ .scripts = { once } });
	struct third_party *trap = third_party_start(&(struct third_party_config){ .address = "127.0.0.2", .port = third_party_port(party) });
	char target[128];
	snprintf(target, sizeof(target), "{\"url\":\"http://rebound.test:%u/\"}", third_party_port(trap));
	for (int attempt = 1; attempt <= 2; attempt++) {
		resolver_tell("rebound.test", attempt == 1 ? outside : inside);
		struct house *house = house_open("127.0.0.1/32", NULL); /* with nothing kept from before */
		uint64_t uid = house_deliver(house, &(struct house_job){ .target = target, .payload = "{}" });
		check_told("rebound.test", house_wait(house, uid),
			   attempt == 1 ? &(struct expectation)AGAIN("status_5xx") : &(struct expectation)NEVER("guarded"));
		house_free(house);
	}
	assert_int_equal(third_party_connections(trap), 0);
	assert_int_equal(third_party_connections(party), 1);
	third_party_stop(trap);
	third_party_stop(party);
}

/* ---- TLS ---- */

struct tls_case {
	const char *name, *host;
	struct tp_certificate certificate;
	const struct tp_step *script;
	int max_version;
	struct expectation expect;
	bool endless, refuses_name;
};
static const struct tls_case tls_cases[] = {
	{ "a good one",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER, TP_AGAIN),
	  0,
	  DONE },
	{ "a wildcard", "a.api.test", { .names = { "*.api.test" } }, SCRIPT(TP_TLS, TP_READ, TP_ANSWER), 0, DONE },
	{ "an address", "127.0.0.1", { .names = { "127.0.0.1" } }, SCRIPT(TP_TLS, TP_READ, TP_ANSWER), 0, DONE },
	{ "TLS 1.2",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  TLS1_2_VERSION,
	  DONE },
	{ "does not know the name that is asked for",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  { "tls", VERDICT_POLICY, 0, "name" },
	  .refuses_name = true },
	{ "expired",
	  "api.test",
	  { .names = { "api.test" }, .expired = true },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  { "tls", VERDICT_POLICY, 0, "expired" } },
	{ "not yet valid",
	  "api.test",
	  { .names = { "api.test" }, .not_yet = true },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  { "tls", VERDICT_POLICY, 0, "not yet valid" } },
	{ "another name",
	  "api.test",
	  { .names = { "other.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  { "tls", VERDICT_POLICY, 0, "api.test" } },
	{ "another address",
	  "127.0.0.1",
	  { .names = { "127.0.0.9" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  AGAIN("tls") },
	{ "a wildcard too wide",
	  "a.b.api.test",
	  { .names = { "*.api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  AGAIN("tls") },
	{ "self-signed",
	  "api.test",
	  { .names = { "api.test" }, .self_signed = true },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  { "tls", VERDICT_POLICY, 0, "self" } },
	{ "signed by another",
	  "api.test",
	  { .names = { "api.test" }, .by_other = true },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  AGAIN("tls") },
	{ "a client's certificate",
	  "api.test",
	  { .names = { "api.test" }, .is_server_false = true },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  AGAIN("tls") },
	{ "a weak key",
	  "api.test",
	  { .names = { "api.test" }, .weak_key = true },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  0,
	  AGAIN("tls") },
	{ "TLS 1.1",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  TLS1_1_VERSION,
	  AGAIN("tls") },
	{ "TLS 1.0",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_ANSWER),
	  TLS1_VERSION,
	  AGAIN("tls") },
	{ "plain HTTP instead",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_SEND("HTTP/1.1 400 Bad Request\r\n\r\n"), TP_HANG),
	  0,
	  AGAIN("tls") },
	{ "closes in the handshake", "api.test", { .names = { "api.test" } }, SCRIPT(TP_END), 0, AGAIN("tls") },
	{ "half a record",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_SEND("\x16\x03\x03\x40"), TP_END),
	  0,
	  AGAIN("tls") },
	{ "silent in the handshake",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_HANG),
	  0,
	  AGAIN("timeout"),
	  .endless = true },
	{ "closes after the handshake",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_END),
	  0,
	  AGAIN("reset") },
	{ "truncated, with a length",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_SEND("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"), TP_END),
	  0,
	  AGAIN("reset") },
	{ "truncated, without close_notify",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_SEND("HTTP/1.1 200 OK\r\n\r\nhalf"), TP_WAIT(30), TP_RESET),
	  0,
	  AGAIN("reset") },
	{ "garbage after the handshake",
	  "api.test",
	  { .names = { "api.test" } },
	  SCRIPT(TP_TLS, TP_READ, TP_SEND("SSH-2.0-x\r\n"), TP_HANG),
	  0,
	  AGAIN("protocol") },
};

static void test_tls(void **state)
{
	(void)state;
	static const char *const here[] = { "127.0.0.1", NULL };
	resolver_tell("api.test", here);
	resolver_tell("a.api.test", here);
	resolver_tell("a.b.api.test", here);
	struct authority *authority = authority_new();
	struct house *house =
		house_open("127.0.0.1/32",
			   &(struct deliver_config){ .in_flight_max = 50, .ca_file = authority_file(authority) });
	struct third_party *parties[ARRAY_COUNT(tls_cases)];
	uint64_t uids[ARRAY_COUNT(tls_cases)];
	char targets[ARRAY_COUNT(tls_cases)][160];
	for (size_t i = 0; i < ARRAY_COUNT(tls_cases); i++) {
		const struct tls_case *one = &tls_cases[i];
		struct third_party_config config = { .scripts = { one->script }, .tls_max_version = one->max_version,
						     .refuses_name = one->refuses_name };
		authority_issue(authority, &one->certificate, &config.certificate, &config.key);
		parties[i] = third_party_start(&config);
		snprintf(targets[i], sizeof(targets[i]), "{\"url\":\"%s\",\"timeout_ms\":%d}",
			 third_party_https_url(parties[i], one->host, "/"), one->endless ? SHORT_MS : LONG_MS);
		uids[i] = house_deliver(house, &(struct house_job){ .target = targets[i], .payload = "{}" });
	}
	for (size_t i = 0; i < ARRAY_COUNT(tls_cases); i++)
		check_told(tls_cases[i].name, house_wait(house, uids[i]), &tls_cases[i].expect);
	assert_string_equal(third_party_server_name(parties[0]), "api.test"); /* a good one */
	assert_string_equal(third_party_server_name(parties[2]), "");         /* addresses are not named */
	house_free(house);
	for (size_t i = 0; i < ARRAY_COUNT(tls_cases); i++)
		third_party_stop(parties[i]);
	authority_free(authority);
	resolver_release();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_third_parties),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rebound_name),
		cmocka_unit_test(test_tls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
