/* src/http/easy.h: what both kinds of HTTP client share: an easy handle with our rules set, header lines, and curl's codes read. */
#pragma once
#include "http/client.h"
#include <curl/curl.h>

#define HTTP_ANSWER_HEADER_BYTES 65536 /* of all header lines of a call, 1xx and trailers included; PROTOCOL above */

CURL *http_easy_new(const char *ca_file); /* NULL: no memory. Fixed options are set */

/* Collects the header lines of the final answer from curl's header call-backs. */
struct http_head {
	struct buf lines;     /* at most LIMIT_HEADER_BYTES; later lines are left out */
	size_t seen_bytes;
	bool ended;           /* the blank line after the final status line's headers came */
	bool endless;         /* more than HTTP_ANSWER_HEADER_BYTES: the call ends */
};
void http_head_init(struct http_head *head);
void http_head_clear(struct http_head *head);
void http_head_fini(struct http_head *head);
bool http_head_add(struct http_head *head, struct str line); /* false: end the call */

/* The meaning of curl's code. `connected`: a connection was there; `answering`: bytes of an answer came. */
enum http_end http_easy_end(CURLcode code, const char *why, bool connected, bool answering);
