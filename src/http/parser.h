/* src/http/parser.h: http-parser's header with its `enum http_method` out of our way.
 *
 * Debian builds the library with HTTP_PARSER_STRICT=0: it lets blanks into header names, any byte follow a chunk's CR, bare LF end
 * a line, and much into a URL. So it is never the judge of bytes: request_head.c and chunked.c are, before it sees them. */
#pragma once
#define http_method http_parser_method
#include <http_parser.h>
#undef http_method
