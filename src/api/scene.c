#include "api/scene.h"
#include "base/check.h"
#include "base/mem.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCENE_TURNS     200
#define SCENE_WAIT_US   5000000 /* for what must come */

/* ---- the ports ---- */

static void scene_on_submit(void *context, struct request *request)
{
	struct scene *scene = context;
	CHECK(scene->request_count < SCENE_ASKED_MAX);
	scene->requests[scene->request_count++] = request;
}

static void scene_on_ask(void *context, struct question *question)
{
	struct scene *scene = context;
	CHECK(scene->question_count < SCENE_ASKED_MAX);
	scene->questions[scene->question_count++] = question;
}

static bool scene_on_ready(void *context, struct buf *out)
{
	struct scene *scene = context;
	buf_add(out, scene->sick ? STR("\"store\":{\"ok\":false}") : STR("\"store\":{\"ok\":true}"));
	return !scene->sick;
}

static void scene_on_metrics(void *context, struct buf *out)
{
	(void)context;
	buf_add_lit(out, "# TYPE ruche_jobs gauge\nruche_jobs 3\n");
}

static void scene_on_random(void *context, void *out, size_t bytes)
{
	struct scene *scene = context;
	for (size_t i = 0; i < bytes; i++)
		((unsigned char *)out)[i] = (unsigned char)((scene->random = scene->random * 6364136223846793005u + 1442695040888963407u) >> 33);
}

static void scene_on_now(void *context, int64_t *wall_us)
{
	*wall_us = ((struct scene *)context)->now_us;
}

/* ---- opening and closing ---- */

static void scene_connect(struct scene *scene)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(http_server_port(scene->server, 0)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	scene->client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(scene->client.fd >= 0);
	CHECK(setsockopt(scene->client.fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0); /* a rest is not held back */
	CHECK(connect(scene->client.fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	scene->client.closed = false;
	buf_clear(&scene->client.in);
}

/* Answers what is asked about tokens, unless the test holds them back. */
static void scene_tell_tokens(struct scene *scene)
{
	for (uint32_t i = 0; i < scene->question_count && !scene->hold_tokens; i++) {
		struct question *question = scene->questions[i];
		if (question->query.kind != QUERY_TOKENS || question->query.limit != 1000)
			continue;
		memmove(&scene->questions[i], &scene->questions[i + 1], (--scene->question_count - i) * sizeof(question));
		question->answer.tokens = scene->tokens;
		question->answer.token_count = scene->token_count;
		api_answer(scene->api, question);
		i = UINT32_MAX; /* from the start: it may have asked again */
	}
}

void scene_turn(struct scene *scene)
{
	for (int i = 0; i < SCENE_TURNS; i++) {
		uv_run(&scene->loop, UV_RUN_NOWAIT);
		scene_tell_tokens(scene);
	}
}

/* What begins with 10 is private here, and port 25 nobody's. */
static bool scene_on_judge(void *context, const char *origin, const struct sockaddr *address, char *why, size_t why_bytes)
{
	unsigned char bytes[4];
	(void)context;
	if (strstr(origin, ":25")) {
		snprintf(why, why_bytes, "Port 25 is not called.");
		return false;
	}
	if (!address || address->sa_family != AF_INET)
		return true;
	memcpy(bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, sizeof(bytes));
	snprintf(why, why_bytes, "A private address.");
	return bytes[0] != 10;
}

static const char *scene_key_file(char out[64])
{
	snprintf(out, 64, "/tmp/ruche-scene-%ld.key", (long)getpid());
	return out;
}

/* "nothing" makes nothing, "endless" is stopped, "failing" fails, any other makes the input. */
static void scene_run_program(struct compile *compile)
{
	compile->us = 7;
	compile->nothing = str_eq(compile->program, STR("nothing"));
	compile->killed = str_eq(compile->program, STR("endless"));
	if (compile->killed || str_eq(compile->program, STR("failing")))
		compile->err = E_INVALID;
	buf_add(&compile->output, compile->input);
	if (!buf_ok(&compile->output))
		compile->err = E_NOMEM;
}

/* "broken" does not compile, and nobody can tell of "lost". */
static void scene_on_compile(void *context, struct compile *compile)
{
	struct scene *scene = context;
	compile->err = str_eq(compile->program, STR("broken")) ? E_INVALID : str_eq(compile->program, STR("lost")) ? E_UNAVAILABLE : E_OK;
	snprintf(compile->why, sizeof(compile->why), "syntax error, line 1");
	if (compile->input.ptr && !compile->err)
		scene_run_program(compile);
	api_compiled(scene->api, compile);
}

static void scene_on_distrusted(void *context, const struct distrust *distrust)
{
	struct scene *scene = context;
	scene->told_distrust++;
	scene->distrust_count = distrust->count;
}

void scene_open(struct scene *scene, bool open, size_t cache_bytes)
{
	struct http_limits limits;
	struct problem problem;
	char key_file[64];
	memset(scene, 0, sizeof(*scene));
	scene->now_us = SCENE_NOW_US;
	scene->client.fd = -1;
	buf_init(&scene->client.in, 256u << 20);
	buf_init(&scene->answer, 256u << 20);
	CHECK(buf_reserve(&scene->client.in, 1 << 20) && buf_reserve(&scene->answer, 1 << 20)); /* the client's memory never fails */
	CHECK(uv_loop_init(&scene->loop) == 0);
	CHECK(secrets_open(&(struct secrets_config){ .key_file = scene_key_file(key_file) }, &scene->secrets, &problem) == E_OK);
	struct api_config config = { .loop = &scene->loop, .secrets = scene->secrets, .open = open, .body_bytes = 64u << 20, .guesses_max = 10,
				     .definition_cache_bytes = cache_bytes, .version = "1.2.3", .last_uid = 1, .message_age_ms = 3600000 };
	struct api_ports ports = { scene, scene_on_submit, scene_on_ask, scene_on_ready, scene_on_metrics, scene_on_random, scene_on_now, scene_on_judge,
				   scene_on_compile, scene_on_distrusted };
	scene->api = api_new(&config, &ports);
	CHECK(scene->api != NULL);
	http_limits_default(&limits);
	limits.body_bytes = 64u << 20;
	scene->server = http_server_new(&scene->loop, &limits, api_handle, scene->api);
	CHECK(scene->server != NULL);
	http_server_set_gate(scene->server, &api_gate);
	CHECK(http_server_listen(scene->server, STR("127.0.0.1:0"), &problem) == E_OK);
	scene_turn(scene);
}

static void scene_drained(void *context)
{
	*(bool *)context = true;
}

/* Whatever the test left unanswered is given back first. */
void scene_close(struct scene *scene)
{
	bool drained = false;
	api_quiesce(scene->api);
	for (uint32_t i = 0; i < 1000 && !drained; i++) {
		if (i == 0)
			scene_hang_up(scene);
		while (scene->request_count) {
			struct request *request = scene_request(scene);
			request->err = E_CANCELLED;
			api_reply(scene->api, request);
		}
		while (scene->question_count) {
			struct question *question = scene_question(scene);
			question->err = E_UNAVAILABLE;
			api_answer(scene->api, question);
		}
		if (i == 1)
			http_server_drain(scene->server, scene_drained, &drained);
		scene_turn(scene);
	}
	CHECK(drained);
	http_server_free(scene->server);
	api_free(scene->api);
	secrets_close(scene->secrets);
	char key_file[64];
	unlink(scene_key_file(key_file));
	while (uv_run(&scene->loop, UV_RUN_NOWAIT))
		;
	CHECK(uv_loop_close(&scene->loop) == 0);
	buf_fini(&scene->client.in);
	buf_fini(&scene->answer);
}

/* ---- tokens ---- */

uint32_t scene_token(struct scene *scene, const char *scopes, const char *queues)
{
	uint32_t n = scene->token_count++;
	unsigned char random[TOKEN_RANDOM_BYTES];
	CHECK(n < 8);
	memset(random, (int)n + 1, sizeof(random));
	token_text(random, scene->token_texts[n]);
	CHECK(token_hash(str_of(scene->token_texts[n]), scene->hashes[n]));
	scene->tokens[n] = (struct token_row){
		.number = n + 1, .name = STR("trial"), .hash = { (const char *)scene->hashes[n], TOKEN_HASH_BYTES }, .prefix = STR("rch_abcd"),
		.scopes = str_of(scopes), .queues = str_of(queues), .created_us = SCENE_NOW_US,
	};
	api_learn_tokens(scene->api);
	scene_turn(scene);
	return n;
}

void scene_as(struct scene *scene, uint32_t token)
{
	snprintf(scene->auth, sizeof(scene->auth), "Authorization: Bearer %s\r\n", scene->token_texts[token]);
}

void scene_as_nobody(struct scene *scene)
{
	scene->auth[0] = '\0';
}

/* ---- the client ---- */

static void scene_read(struct scene *scene)
{
	char bytes[65536];
	ssize_t got = 1;
	while (scene->client.fd >= 0 && (got = recv(scene->client.fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_add(&scene->client.in, (struct str){ bytes, (size_t)got });
	if (scene->client.fd >= 0 && (got == 0 || (errno != EAGAIN && errno != EINTR)))
		scene->client.closed = true;
}

static void scene_write(struct scene *scene, struct str bytes)
{
	while (bytes.len && !scene->client.closed) {
		ssize_t sent = send(scene->client.fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			bytes = str_from(bytes, (size_t)sent);
		else if (errno == EPIPE || errno == ECONNRESET)
			scene->client.closed = true;
		else
			CHECK(errno == EAGAIN || errno == EINTR);
		uv_run(&scene->loop, UV_RUN_NOWAIT);
	}
}

static const char *scene_find(struct str in, struct str what)
{
	for (; in.len >= what.len; in = str_from(in, 1))
		if (memcmp(in.ptr, what.ptr, what.len) == 0)
			return in.ptr;
	return NULL;
}

bool scene_receive(struct scene *scene)
{
	scene_read(scene);
	struct str in = buf_str(&scene->client.in);
	const char *end = scene_find(in, STR("\r\n\r\n"));
	if (!end)
		return false;
	size_t head = (size_t)(end - in.ptr) + 4, length = 0;
	if (scene_find((struct str){ in.ptr, head }, STR("Transfer-Encoding: chunked")))
		return false; /* a stream: scene_stream */
	const char *field = scene_find((struct str){ in.ptr, head }, STR("Content-Length: "));
	if (field)
		length = strtoul(field + 16, NULL, 10);
	if (in.len < head + length)
		return false;
	buf_clear(&scene->answer);
	buf_add(&scene->answer, (struct str){ in.ptr, head + length });
	buf_consume(&scene->client.in, head + length);
	const char *code = scene->answer.ptr + 9; /* three digits; nothing ends in NUL here */
	scene->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
	scene->headers = (struct str){ scene->answer.ptr, head };
	scene->body = (struct str){ scene->answer.ptr + head, length };
	return true;
}

/* Until something happened: an answer came, or the API asked. Waits for the thread pool too. */
static void scene_await(struct scene *scene, uint32_t requests, uint32_t questions)
{
	uint64_t begun = uv_hrtime();
	for (int turn = 0; scene->brief ? turn < SCENE_TURNS : uv_hrtime() - begun < SCENE_WAIT_US * UINT64_C(1000); turn++) {
		uv_run(&scene->loop, UV_RUN_NOWAIT);
		scene_tell_tokens(scene);
		bool asked = scene->request_count > requests || scene->question_count > questions;
		if (scene_receive(scene) || asked || scene->client.closed)
			return;
	}
}

void scene_send(struct scene *scene, const char *method, const char *path, const char *headers, struct str body)
{
	struct buf out;
	uint32_t requests = scene->request_count, questions = scene->question_count;
	if (scene->client.fd < 0)
		scene_connect(scene);
	scene->status = 0;
	scene->headers = scene->body = (struct str){ 0 };
	buf_init(&out, 256u << 20);
	buf_addf(&out, "%s %s HTTP/1.1\r\nHost: ruche\r\n", method, path);
	buf_add(&out, str_of(scene->auth));
	buf_add(&out, str_of(headers));
	if (body.len && (!headers || !strstr(headers, "Content-Type")))
		buf_add_lit(&out, "Content-Type: application/json\r\n");
	if (body.len)
		buf_addf(&out, "Content-Length: %zu\r\n", body.len);
	buf_add_lit(&out, "\r\n");
	buf_add(&out, body);
	CHECK(buf_ok(&out));
	if (scene->fail_nth)
		mem_fail_after(scene->fail_nth, scene->fail_how);
	scene->fail_nth = 0;
	scene_write(scene, buf_str(&out));
	buf_fini(&out);
	scene_await(scene, requests, questions);
}

struct request *scene_request(struct scene *scene)
{
	CHECK(scene->request_count > 0);
	struct request *request = scene->requests[0];
	memmove(&scene->requests[0], &scene->requests[1], --scene->request_count * sizeof(request));
	return request;
}

struct question *scene_question(struct scene *scene)
{
	CHECK(scene->question_count > 0);
	struct question *question = scene->questions[0];
	memmove(&scene->questions[0], &scene->questions[1], --scene->question_count * sizeof(question));
	return question;
}

static void scene_after(struct scene *scene)
{
	scene->status = 0;
	for (int i = 0; i < SCENE_TURNS && !scene_receive(scene); i++) {
		uv_run(&scene->loop, UV_RUN_NOWAIT);
		scene_tell_tokens(scene);
	}
}

void scene_reply(struct scene *scene, struct request *request)
{
	api_reply(scene->api, request);
	scene_after(scene);
}

void scene_answer(struct scene *scene, struct question *question)
{
	api_answer(scene->api, question);
	scene_after(scene);
}

struct str scene_header(const struct scene *scene, const char *name)
{
	struct str rest = scene->headers;
	while (rest.len) {
		size_t end = str_index(rest, '\r');
		struct str line = { rest.ptr, end };
		size_t colon = str_index(line, ':');
		if (str_eq_nocase((struct str){ line.ptr, colon }, str_of(name)))
			return str_trim(str_from(line, colon + 1));
		rest = str_from(rest, end + 2);
	}
	return (struct str){ 0 };
}

struct str scene_stream(struct scene *scene)
{
	for (int i = 0; i < SCENE_TURNS; i++) {
		uv_run(&scene->loop, UV_RUN_NOWAIT);
		scene_read(scene);
	}
	return buf_str(&scene->client.in);
}

void scene_hang_up(struct scene *scene)
{
	if (scene->client.fd >= 0)
		close(scene->client.fd);
	scene->client.fd = -1;
	buf_clear(&scene->client.in);
	scene_turn(scene);
}
