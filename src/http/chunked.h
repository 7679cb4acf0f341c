/* src/http/chunked.h: takes a chunked body apart. Pure; fed with whatever has arrived. Stricter than RFC 9112 asks: CR LF only, no
 * blank around the size, at most 16 hexadecimal digits; extensions and trailers are bounded and dropped, and trailers that speak of
 * lengths or hosts are refused. */
#pragma once
#include "http/refusal.h"

#define HTTP_CHUNK_EXTRA_MAX 4096 /* bytes of extensions, and of trailers, of one body */

struct http_chunked { /* zeroed before each body */
	uint64_t left;   /* of the chunk */
	uint16_t extra;  /* bytes of extensions and trailers so far */
	uint8_t state;
	uint8_t digits;
	uint8_t name_len;
	char name[17];   /* of the trailer under way, as far as it matters */
};

/* Consumes from the front of *input up to the next piece of content, which is answered in *out (len 0: none yet). *out_done: the
 * body ended; what is left of the input belongs to the next request. Call again while input is left and the body has not ended. */
enum http_refusal http_chunked_read(struct http_chunked *chunked, struct str *input, struct str *out, bool *out_done);
/* What the chunk under way still announces; 0 between chunks. A body that will be too large is known before it comes. */
uint64_t http_chunked_announced(const struct http_chunked *chunked);
