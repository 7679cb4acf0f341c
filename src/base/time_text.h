/* src/base/time_text.h: instants as RFC 3339 text, UTC with milliseconds when we write ("2026-11-23T19:11:12.345Z"), any
 * offset and up to nine fraction digits when we read. An instant is int64_t microseconds since 1970-01-01 UTC. Pure. */
#pragma once
#include "base/err.h"

#define TIME_TEXT_BYTES 25 /* "2026-11-23T19:11:12.345Z" and NUL; years 0000 to 9999, others are clamped */

void time_text(int64_t at_us, char out[TIME_TEXT_BYTES]);
/* E_INVALID when it is not RFC 3339 (a leap second :60 is read as the next second) or outside years 1970 to 9999. */
MUST_USE enum err time_parse(struct str text, int64_t *out_us);
/* "350ms", "5s", "2m", "1h30m", "7d" or plain milliseconds; for configuration and the CLI. */
MUST_USE enum err duration_parse(struct str text, int64_t *out_ms);
/* "350 ms", "5 s", "2 min 3 s", "3 d 4 h": at most two units, for people. */
void duration_text(int64_t ms, char out[32]);
