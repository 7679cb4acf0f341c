/* src/http/request_head.h: a request's first part, from its method to the empty line, judged strictly and then read by http-parser.
 *
 * Two steps: http_scan_head finds the end while bytes still come; http_head_read judges and reads the whole. Pure: bytes in, values
 * out. What is refused: anything that two readers could understand in two ways. */
#pragma once
#include "http/refusal.h"
#include "http/server.h"

#define HTTP_HEADER_BYTES_MAX 65535 /* fields are told by 16-bit offsets */

struct http_scan { /* zeroed before each request */
	uint32_t start; /* of the request line: 2 when an empty line came before it */
	uint32_t line;  /* start of the line that has not ended yet */
	uint32_t lines; /* that ended, the request line included */
};

/* Looks at all bytes of a request that are there; call it again with more. *out_bytes is the length of the head with its empty
 * line once it is whole, else 0. */
enum http_refusal http_scan_head(struct http_scan *scan, struct str bytes, size_t bytes_max, size_t *out_bytes);

struct http_field {
	uint16_t name_at, name_len, value_at, value_len; /* offsets into the head */
};
struct http_head_values {
	enum http_method method;
	bool is_1_0;
	bool keep_alive;
	bool is_chunked;
	bool expects_continue;
	uint16_t path_len, query_at, query_len; /* the path starts at path_at */
	uint16_t path_at;
	uint16_t field_count;
	uint64_t content_length; /* 0 without the header */
};

/* `head` is what the scan found, from scan.start on. `fields` has room for fields_max. */
enum http_refusal http_head_read(struct str head, struct http_field *fields, uint32_t fields_max, struct http_head_values *out);
