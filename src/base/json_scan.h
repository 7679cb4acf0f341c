/* src/base/json_scan.h: the grammar of JSON over a range of bytes, no more: where a value ends, or why it is none. The reader
 * (json.c) and the writer (json_write.c) stand on it. Each scan answers the place after what it scanned; NULL means that
 * *fault says where and why. No recursion, no allocation. */
#pragma once
#include "base/str.h"

struct json_fault {
	const char *at;
	const char *why; /* ends the sentence "At byte 17: …" */
};

/* The first byte that is not plain text of a string (a quote, a backslash, a control or not ASCII), or end. */
const char *json_scan_plain(const char *next, const char *end);
/* From after the opening quote to after the closing one. *out_escaped: are there escapes in between? */
const char *json_scan_string(const char *next, const char *end, bool *out_escaped, struct json_fault *fault);
/* Four hexadecimal digits at `digits`, or -1. */
int json_scan_hex4(const char *digits);
/* From the '-' or first digit. */
const char *json_scan_number(const char *next, const char *end, struct json_fault *fault);
/* Any value, from its first byte, with at most `depth` (up to LIMIT_JSON_ANSWER_DEPTH) containers in each other. */
const char *json_scan_value(const char *next, const char *end, uint32_t depth, struct json_fault *fault);

static inline const char *json_skip_blanks(const char *next, const char *end)
{
	while (next < end && (unsigned char)*next <= ' ' &&
	       (*next == ' ' || *next == '\n' || *next == '\t' || *next == '\r'))
		next++;
	return next;
}

static inline bool json_is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}
