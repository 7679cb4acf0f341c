#include "client.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/query.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

#define CLIENT_URL        "http://127.0.0.1:8420"
#define CLIENT_AGENT      "libruche/" RUCHE_VERSION
#define CLIENT_CONNECT_MS 1500
#define CLIENT_REQUEST_MS 30000
#define CLIENT_ANSWER_MAX (64 * 1024 * 1024)
#define CLIENT_TIME_MAX   (INT32_MAX / 2) /* milliseconds, so that sums fit curl's long everywhere */

const char *ruche_version(void)
{
	return RUCHE_VERSION;
}

/* ---- options ---- */

static bool is_header_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static int check_header_text(const char *field, const char *text, struct ruche_error *error)
{
	if (!text || is_header_text(text))
		return RUCHE_OK;
	return error_set(error, RUCHE_BAD_ARGUMENT, field, "%s: It must not hold control characters or ends of lines.", field);
}

static int check_url(const char *url, struct ruche_error *error)
{
	bool is_unix = strncmp(url, "unix:", 5) == 0;
	bool known = (is_unix && url[5]) || (strncmp(url, "http://", 7) == 0 && url[7]) || (strncmp(url, "https://", 8) == 0 && url[8]);
	if (!known || !is_header_text(url) || strlen(url) > LIMIT_URL_BYTES || (!is_unix && strpbrk(url, "?# ")))
		return error_set(error, RUCHE_BAD_ARGUMENT, "url", "'%.200s' is not a daemon's address; write http://HOST:PORT or unix:/PATH.", url);
	return RUCHE_OK;
}

static int check_time(const char *field, int64_t ms, struct ruche_error *error)
{
	if (ms >= 0 && ms <= CLIENT_TIME_MAX)
		return RUCHE_OK;
	return error_set(error, RUCHE_BAD_ARGUMENT, field, "%s: Write milliseconds from 0 to %d.", field, CLIENT_TIME_MAX);
}

static int client_check(const struct ruche_client_options *options, struct ruche_error *error)
{
	int code = check_url(options->url ? options->url : CLIENT_URL, error);
	if (!code)
		code = check_header_text("token", options->token, error);
	if (!code)
		code = check_header_text("user_agent", options->user_agent, error);
	if (!code)
		code = check_time("connect_ms", options->connect_ms, error);
	if (!code)
		code = check_time("request_ms", options->request_ms, error);
	if (!code && options->answer_max_bytes < 0)
		code = error_set(error, RUCHE_BAD_ARGUMENT, "answer_max_bytes", "answer_max_bytes: This number must not be below 0.");
	if (!code && options->namespace_name && !str_is_utf8(str_of(options->namespace_name)))
		code = error_set(error, RUCHE_BAD_ARGUMENT, "namespace_name", "namespace_name: This text is not UTF-8.");
	return code;
}

/* ---- life ---- */

static bool keep_text(char **to, const char *text) /* NULL stays NULL */
{
	size_t bytes = text ? strlen(text) + 1 : 0;
	*to = text ? mem_alloc(bytes) : NULL;
	if (*to)
		memcpy(*to, text, bytes);
	return *to || !text;
}

static bool client_keep(struct ruche_client *client, const struct ruche_client_options *options)
{
	const char *url = options->url ? options->url : CLIENT_URL;
	bool is_unix = strncmp(url, "unix:", 5) == 0;
	if (!keep_text(&client->where, url) || !keep_text(&client->base, is_unix ? "http://ruche" : url) ||
	    !keep_text(&client->namespace_name, options->namespace_name) || !keep_text(&client->token, options->token) ||
	    !keep_text(&client->user_agent, options->user_agent ? options->user_agent : CLIENT_AGENT) || !keep_text(&client->ca_file, options->ca_file))
		return false;
	for (size_t len = strlen(client->base); len && client->base[len - 1] == '/'; len--)
		client->base[len - 1] = '\0';
	client->config = (struct http_caller_config){
		.unix_socket = is_unix ? client->where + 5 : NULL,
		.token = client->token,
		.ca_file = client->ca_file,
		.user_agent = client->user_agent,
		.connect_ms = options->connect_ms ? options->connect_ms : CLIENT_CONNECT_MS,
	};
	client->request_ms = options->request_ms ? options->request_ms : CLIENT_REQUEST_MS;
	client->answer_max = options->answer_max_bytes ? (size_t)options->answer_max_bytes : CLIENT_ANSWER_MAX;
	return true;
}

int ruche_client_new(const struct ruche_client_options *options, struct ruche_client **out, struct ruche_error *error)
{
	struct ruche_client_options taken;
	int code = options_take(&taken, sizeof(taken), options, "struct ruche_client_options", error);
	if (!code)
		code = client_check(&taken, error);
	if (code)
		return code;
	struct ruche_client *client = mem_zalloc(sizeof(*client));
	if (!client)
		return error_no_memory(error);
	pthread_mutex_init(&client->lock, NULL);
	if (!client_keep(client, &taken)) {
		ruche_client_free(client);
		return error_no_memory(error);
	}
	*out = client;
	return RUCHE_OK;
}

void ruche_client_free(struct ruche_client *client)
{
	if (!client)
		return;
	for (uint32_t i = 0; i < client->idle_count; i++)
		http_caller_free(client->idle[i]);
	pthread_mutex_destroy(&client->lock);
	mem_free(client->where);
	mem_free(client->base);
	mem_free(client->namespace_name);
	mem_free(client->token);
	mem_free(client->user_agent);
	mem_free(client->ca_file);
	mem_free(client);
}

static struct http_caller *client_take(struct ruche_client *client)
{
	struct http_caller *caller = NULL;
	pthread_mutex_lock(&client->lock);
	if (client->idle_count)
		caller = client->idle[--client->idle_count];
	pthread_mutex_unlock(&client->lock);
	return caller ? caller : http_caller_new(&client->config);
}

static void client_give_back(struct ruche_client *client, struct http_caller *caller)
{
	pthread_mutex_lock(&client->lock);
	bool keep = client->idle_count < CLIENT_IDLE_MAX;
	if (keep)
		client->idle[client->idle_count++] = caller;
	pthread_mutex_unlock(&client->lock);
	if (!keep)
		http_caller_free(caller);
}

/* ---- a call ---- */

void call_begin(struct call *call, struct ruche_client *client, const char *method, const char *path, struct ruche_error *error)
{
	*call = (struct call){ .client = client, .method = method, .timeout_ms = client->request_ms, .error = error };
	buf_init(&call->path, SIZE_MAX / 2);
	buf_init(&call->body, SIZE_MAX / 2);
	write_begin(&call->writer, &call->body, error);
	buf_add(&call->path, str_of(client->base));
	buf_add(&call->path, str_of(path));
}

void call_piece(struct call *call, const char *text)
{
	http_percent_add(&call->path, str_of(text));
}

void call_query(struct call *call, const char *name, const char *value)
{
	buf_add_byte(&call->path, str_index(buf_str(&call->path), '?') == call->path.len ? '?' : '&');
	buf_add(&call->path, str_of(name));
	buf_add_byte(&call->path, '=');
	call_piece(call, value);
}

void call_object(struct call *call)
{
	call->object = true;
	buf_add_byte(&call->body, '{');
}

int call_take(struct call *call, const struct ruche_call_options *options, struct ruche_call_options *taken)
{
	int code = options_take(taken, sizeof(*taken), options, "struct ruche_call_options", call->error);
	if (!code)
		code = check_header_text("idempotency_key", taken->idempotency_key, call->error);
	if (!code)
		code = check_time("timeout_ms", taken->timeout_ms, call->error);
	if (code)
		return call->writer.code = code;
	call->idempotency_key = taken->idempotency_key;
	if (taken->timeout_ms)
		call->timeout_ms = taken->timeout_ms;
	return RUCHE_OK;
}

int call_drop(struct call *call)
{
	if (!call->writer.code && !buf_ok(&call->path))
		call->writer.code = error_no_memory(call->error);
	int code = write_end(&call->writer);
	buf_fini(&call->path);
	buf_fini(&call->body);
	return code;
}

/* TLS writes with plain write(2): a connection that broke would raise SIGPIPE, which ends a program that does not expect it. It is held
 * back during the call and, when the call raised it, taken away. */
struct pipe_guard {
	bool on, pending;
	sigset_t before;
};

static void pipe_guard_begin(struct pipe_guard *guard, const char *url)
{
	sigset_t pipes, pending;
	*guard = (struct pipe_guard){ .on = strncmp(url, "https:", 6) == 0 };
	if (!guard->on)
		return;
	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	sigpending(&pending);
	guard->pending = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &pipes, &guard->before);
}

static void pipe_guard_end(const struct pipe_guard *guard)
{
	sigset_t pipes;
	if (!guard->on)
		return;
	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	while (!guard->pending && sigtimedwait(&pipes, NULL, &(struct timespec){ 0 }) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

/* What the HTTP client says begins with the URL that was called; a person knows the address that was given. */
static const char *why_of(const struct problem *problem, const char *url)
{
	size_t len = strlen(url);
	bool led = strncmp(problem->detail, url, len) == 0 && strncmp(problem->detail + len, ": ", 2) == 0;
	return led ? problem->detail + len + 2 : problem->detail;
}

static int call_fault(struct call *call, enum err err, const struct problem *problem)
{
	const char *where = call->client->where, *why = why_of(problem, call->path.ptr);
	switch (err) {
	case E_NETWORK: /* of a socket's file, curl says "port 80" */
		if (call->client->config.unix_socket && strstr(why, "connect"))
			return error_set(call->error, RUCHE_UNREACHABLE, "", "Nobody listens at %.200s. Is the daemon running there ('ruche serve')?", where);
		return error_set(call->error, RUCHE_UNREACHABLE, "", "Ruche does not answer at %.200s: %s Is the daemon running there ('ruche serve')?", where,
				 why);
	case E_TIMEOUT:
		return error_set(call->error, RUCHE_TIMED_OUT, "", "%.200s did not answer in time: %s", where, why);
	case E_TOO_LARGE:
		return error_set(call->error, RUCHE_ANSWER_TOO_LARGE, "", "The answer of %.200s is larger than answer_max_bytes (%zu).", where,
				 call->client->answer_max);
	case E_INVALID:
		return error_set(call->error, RUCHE_BAD_ARGUMENT, "url", "%.200s cannot be called: %s", where, problem->detail);
	case E_CANCELLED:
		return error_set(call->error, RUCHE_STOPPED, "", "The call was ended because the worker stops.");
	default:
		return error_no_memory(call->error);
	}
}

/* Retry-After in seconds, as the daemon says it. */
static void note_retry_after(struct ruche_error *error, const struct http_answer *answer)
{
	uint64_t seconds;
	if (error && str_u64(http_lines_find(buf_str(&answer->headers), STR("Retry-After")), &seconds) && seconds <= INT32_MAX)
		error->retry_after_ms = (int64_t)seconds * 1000;
}

static int call_perform(struct call *call, struct http_caller *caller, struct http_answer *answer)
{
	struct problem problem = { 0 };
	struct pipe_guard guard;
	char key[LIMIT_ID_BYTES + 32];
	const char *headers[] = { key };
	snprintf(key, sizeof(key), "Idempotency-Key: %s", call->idempotency_key ? call->idempotency_key : "");
	struct http_call http = {
		.method = call->method, .url = call->path.ptr, .headers = headers, .header_count = call->idempotency_key != NULL,
		.body = buf_str(&call->body), .timeout_ms = call->timeout_ms, .answer_max = call->client->answer_max, .stop = call->stop,
	};
	pipe_guard_begin(&guard, call->path.ptr);
	enum err err = http_caller_call(caller, &http, answer, &problem);
	pipe_guard_end(&guard);
	if (err)
		return call_fault(call, err, &problem);
	if (answer->status / 100 == 2)
		return RUCHE_OK;
	int code = error_of_problem(call->error, answer->status, buf_str(&answer->body), call->client->where);
	note_retry_after(call->error, answer);
	http_answer_fini(answer);
	return code;
}

int call_send(struct call *call, struct http_answer *out)
{
	if (call->object)
		buf_add_byte(&call->body, '}');
	buf_add_byte(&call->path, '\0');
	int code = call->writer.code;
	if (!code && call->idempotency_key && strlen(call->idempotency_key) > LIMIT_ID_BYTES)
		code = call->writer.code = error_set(call->error, RUCHE_BAD_ARGUMENT, "idempotency_key", "idempotency_key: It has more than %d bytes.",
						     LIMIT_ID_BYTES);
	struct http_caller *caller = code || !buf_ok(&call->path) || !buf_ok(&call->body) ? NULL : client_take(call->client);
	struct http_answer answer = { 0 };
	if (caller) {
		code = call_perform(call, caller, &answer);
		client_give_back(call->client, caller);
	} else if (!code) {
		code = call->writer.code = error_no_memory(call->error);
	}
	buf_fini(&call->path);
	buf_fini(&call->body);
	if (!code && out)
		*out = answer;
	else if (!code)
		http_answer_fini(&answer);
	return code;
}
