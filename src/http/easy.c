#include "http/easy.h"
#include "base/limits.h"
#include <pthread.h>
#include <string.h>

static pthread_once_t easy_once = PTHREAD_ONCE_INIT;

static void easy_global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURL *http_easy_new(const char *ca_file)
{
	pthread_once(&easy_once, easy_global_init);
	CURL *easy = curl_easy_init();
	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
			 1L); /* do not wait for a resolver that is still busy: it would stop everyone */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* and not what the environment says */
	if (!ca_file)
		return easy;
	if (curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) || curl_easy_setopt(easy, CURLOPT_CAPATH, NULL)) {
		curl_easy_cleanup(easy);
		return NULL;
	}
	return easy;
}

/* ---- header lines ---- */

void http_head_init(struct http_head *head)
{
	*head = (struct http_head){ 0 };
	buf_init(&head->lines, LIMIT_HEADER_BYTES);
}

void http_head_clear(struct http_head *head)
{
	buf_clear(&head->lines);
	head->seen_bytes = 0;
	head->ended = head->endless = false;
}

void http_head_fini(struct http_head *head)
{
	buf_fini(&head->lines);
}

/* A status line begins an answer: a final one after any number of 1xx. What comes after a final answer's blank line are trailers. */
bool http_head_add(struct http_head *head, struct str line)
{
	head->seen_bytes += line.len;
	if (head->seen_bytes > HTTP_ANSWER_HEADER_BYTES) {
		head->endless = true;
		return false;
	}
	while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	if (str_starts(line, STR("HTTP/"))) {
		buf_clear(&head->lines);
		head->ended = false;
	} else if (line.len == 0) {
		head->ended = true;
	} else if (!head->ended && head->lines.len + line.len + 2 <= LIMIT_HEADER_BYTES) {
		buf_add(&head->lines, line);
		buf_add_lit(&head->lines, "\r\n");
	}
	return true;
}

bool http_lines_next(struct str lines, size_t *at, struct str *name, struct str *value)
{
	while (*at < lines.len) {
		struct str line = str_from(lines, *at);
		line.len = str_index(line, '\n');
		*at += line.len + 1;
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		size_t colon = str_index(line, ':');
		if (colon == 0 || colon == line.len)
			continue; /* not a header: folded or foreign */
		*name = str_trim((struct str){ line.ptr, colon });
		*value = str_trim(str_from(line, colon + 1));
		return true;
	}
	return false;
}

struct str http_lines_find(struct str lines, struct str wanted)
{
	struct str name, value;
	for (size_t at = 0; http_lines_next(lines, &at, &name, &value);)
		if (str_eq_nocase(name, wanted))
			return value;
	return (struct str){ NULL, 0 };
}

/* ---- how it ended ---- */

const char *http_client_library(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}

const char *http_end_name(enum http_end end)
{
#define X(name, text) [HTTP_END_##name] = text,
	static const char *const names[HTTP_END_COUNT] = { HTTP_ENDS(X) };
#undef X
	return end < HTTP_END_COUNT ? names[end] : "unknown";
}

enum http_end http_easy_end(CURLcode code, const char *why, bool connected, bool answering)
{
	switch (code) {
	case CURLE_OK:
		return HTTP_END_ANSWERED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return HTTP_END_DNS;
	case CURLE_COULDNT_CONNECT:
	case CURLE_INTERFACE_FAILED:
	case CURLE_PROXY:
		return HTTP_END_CONNECT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_USE_SSL_FAILED:
		return HTTP_END_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_END_TIMEOUT;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR: /* bad chunks and a proxy's refusal come under this code too: only the text tells */
		if (strstr(why, "CONNECT tunnel"))
			return HTTP_END_CONNECT;
		return strstr(why, "chunk") ? HTTP_END_PROTOCOL : HTTP_END_RESET;
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
		return HTTP_END_RESET;
	case CURLE_HTTP2_STREAM: /* who ended the stream, they or we for what they sent, is only in the text too */
		return strstr(why, "PROTOCOL_ERROR") ? HTTP_END_PROTOCOL : HTTP_END_RESET;
	case CURLE_HTTP2:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_HTTP_RETURNED_ERROR:
		return HTTP_END_PROTOCOL;
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, or a scheme that we do not speak */
		return connected ? HTTP_END_PROTOCOL : HTTP_END_BAD_TARGET;
	case CURLE_URL_MALFORMAT:
	case CURLE_LOGIN_DENIED: /* a user name in the URL */
		return HTTP_END_BAD_TARGET;
	case CURLE_OUT_OF_MEMORY: /* also said of one header line above curl's own limit of 100 KiB */
		return answering ? HTTP_END_PROTOCOL : HTTP_END_OURS;
	default:
		return HTTP_END_OURS;
	}
}
