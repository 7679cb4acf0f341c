/* One call at a time, waited for. */
#include "base/limits.h"
#include "base/mem.h"
#include "http/easy.h"
#include <stdio.h>
#include <string.h>

#define CALLER_ANSWER_BYTES (64u * 1024 * 1024)

struct http_caller {
	CURL *easy;
	char *authorization;        /* "Authorization: Bearer …" */
	int64_t connect_ms;
	const struct http_call *call; /* while it runs */
	struct http_head head;
	struct buf body;
	bool stopped, too_large;
	char why[CURL_ERROR_SIZE];
};

static size_t caller_on_header(char *bytes, size_t size, size_t count, void *context)
{
	struct http_caller *caller = context;
	return http_head_add(&caller->head, (struct str){ bytes, size * count }) ? size * count : 0;
}

static size_t caller_on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct http_caller *caller = context;
	struct str piece = { bytes, size * count };
	long status = 0;
	curl_easy_getinfo(caller->easy, CURLINFO_RESPONSE_CODE, &status);
	if (caller->call->on_bytes && status / 100 == 2) {
		caller->stopped = !caller->call->on_bytes(caller->call->context, piece);
		return caller->stopped ? 0 : piece.len;
	}
	caller->too_large = piece.len > caller->body.max_bytes - caller->body.len;
	buf_add(&caller->body, piece);
	return buf_ok(&caller->body) ? piece.len : 0;
}

static int caller_on_progress(void *context, curl_off_t down_max, curl_off_t down, curl_off_t up_max, curl_off_t up)
{
	(void)down_max, (void)down, (void)up_max, (void)up;
	struct http_caller *caller = context;
	caller->stopped |= caller->call->stop && __atomic_load_n(caller->call->stop, __ATOMIC_RELAXED);
	return caller->stopped;
}

struct http_caller *http_caller_new(const struct http_caller_config *config)
{
	struct http_caller *caller = mem_zalloc(sizeof(*caller));
	if (!caller)
		return NULL;
	http_head_init(&caller->head);
	caller->connect_ms = config->connect_ms > 0 ? config->connect_ms : 10000;
	caller->easy = http_easy_new(config->ca_file);
	bool ok = caller->easy != NULL;
	if (ok && config->unix_socket)
		ok = curl_easy_setopt(caller->easy, CURLOPT_UNIX_SOCKET_PATH, config->unix_socket) == CURLE_OK;
	if (ok && config->user_agent)
		ok = curl_easy_setopt(caller->easy, CURLOPT_USERAGENT, config->user_agent) == CURLE_OK;
	if (ok && config->token) {
		static const char prefix[] = "Authorization: Bearer ";
		size_t len = strlen(config->token);
		caller->authorization = mem_alloc(sizeof(prefix) + len);
		ok = caller->authorization != NULL;
		if (ok)
			memcpy((char *)memcpy(caller->authorization, prefix, sizeof(prefix)) + sizeof(prefix) - 1,
			       config->token, len + 1);
	}
	if (!ok) {
		http_caller_free(caller);
		return NULL;
	}
	curl_easy_setopt(caller->easy, CURLOPT_ERRORBUFFER, caller->why);
	curl_easy_setopt(caller->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)caller->connect_ms);
	curl_easy_setopt(caller->easy, CURLOPT_HEADERFUNCTION, caller_on_header);
	curl_easy_setopt(caller->easy, CURLOPT_HEADERDATA, caller);
	curl_easy_setopt(caller->easy, CURLOPT_WRITEFUNCTION, caller_on_body);
	curl_easy_setopt(caller->easy, CURLOPT_WRITEDATA, caller);
	curl_easy_setopt(caller->easy, CURLOPT_XFERINFOFUNCTION, caller_on_progress);
	curl_easy_setopt(caller->easy, CURLOPT_XFERINFODATA, caller);
	curl_easy_setopt(caller->easy, CURLOPT_NOPROGRESS, 0L);
	return caller;
}

void http_caller_free(struct http_caller *caller)
{
	if (!caller)
		return;
	curl_easy_cleanup(caller->easy);
	http_head_fini(&caller->head);
	buf_fini(&caller->body);
	mem_free(caller->authorization);
	mem_free(caller);
}

void http_answer_fini(struct http_answer *answer)
{
	buf_fini(&answer->body);
	buf_fini(&answer->headers);
	*answer = (struct http_answer){ 0 };
}

static bool caller_add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (longer)
		*list = longer;
	return longer != NULL;
}

static bool caller_set_headers(struct http_caller *caller, const struct http_call *call, struct curl_slist **list)
{
	bool ok = caller_add_header(list, "Expect:");
	if (ok && caller->authorization)
		ok = caller_add_header(list, caller->authorization);
	if (ok && call->body.len) {
		char line[LIMIT_NAME_BYTES + 16];
		snprintf(line, sizeof(line), "Content-Type: %s",
			 call->content_type ? call->content_type : "application/json");
		ok = caller_add_header(list, line);
	} else if (ok) {
		ok = caller_add_header(list, "Content-Type:"); /* curl would name a form's */
	}
	for (uint32_t i = 0; ok && i < call->header_count; i++)
		ok = caller_add_header(list, call->headers[i]);
	return ok && curl_easy_setopt(caller->easy, CURLOPT_HTTPHEADER, *list) == CURLE_OK;
}

static bool caller_set_call(struct http_caller *caller, const struct http_call *call)
{
	CURL *easy = caller->easy;
	const char *method = call->method ? call->method : call->body.len ? "POST" : "GET";
	bool get = strcmp(method, "GET") == 0, head = strcmp(method, "HEAD") == 0;
	CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, call->url);
	code |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, get || head ? NULL : method);
	if (get || head) {
		code |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		code |= curl_easy_setopt(easy, CURLOPT_NOBODY, (long)head);
	} else {
		code |= curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
		code |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
		code |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
		code |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.len ? call->body.ptr : "");
	}
	code |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	return code == CURLE_OK;
}

static enum err caller_refuse(struct http_caller *caller, CURLcode code, struct problem *problem)
{
	const struct http_call *call = caller->call;
	if (caller->stopped)
		return problem_set(problem, E_CANCELLED, "", "The call to %s was ended here.", call->url);
	if (caller->too_large)
		return problem_set(problem, E_TOO_LARGE, "", "The answer of %s is larger than %zu bytes.", call->url,
				   caller->body.max_bytes);
	if (code == CURLE_OUT_OF_MEMORY || code == CURLE_WRITE_ERROR)
		return problem_set(problem, E_NOMEM, "", "There was not enough memory to call %s.", call->url);
	const char *why = caller->why[0] ? caller->why : curl_easy_strerror(code);
	curl_off_t connected_us = 0; /* when the request could be sent; 0: never */
	curl_easy_getinfo(caller->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	if (code == CURLE_OPERATION_TIMEDOUT && connected_us > 0)
		return problem_set(problem, E_TIMEOUT, "", "%s: %s.", call->url, why);
	if (http_easy_end(code, why, false, false) == HTTP_END_BAD_TARGET)
		return problem_set(problem, E_INVALID, "url", "%s cannot be called: %s.", call->url, why);
	return problem_set(problem, E_NETWORK, "", "%s: %s.", call->url, why);
}

enum err http_caller_call(struct http_caller *caller, const struct http_call *call, struct http_answer *out,
			  struct problem *problem)
{
	caller->call = call;
	caller->stopped = caller->too_large = false;
	caller->why[0] = '\0';
	http_head_clear(&caller->head);
	buf_fini(&caller->body);
	buf_init(&caller->body, call->answer_max ? call->answer_max : CALLER_ANSWER_BYTES);
	struct curl_slist *list = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	if (caller_set_call(caller, call) && caller_set_headers(caller, call, &list))
		code = curl_easy_perform(caller->easy);
	enum err err = code == CURLE_OK ? E_OK : caller_refuse(caller, code, problem);
	curl_easy_setopt(caller->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(list);
	if (!err) {
		long status = 0;
		curl_easy_getinfo(caller->easy, CURLINFO_RESPONSE_CODE, &status);
		*out = (struct http_answer){ .status = (int)status,
					     .body = caller->body,
					     .headers = caller->head.lines };
		buf_init(&caller->body, 0);
		buf_init(&caller->head.lines, LIMIT_HEADER_BYTES);
	}
	caller->call = NULL;
	return err;
}
