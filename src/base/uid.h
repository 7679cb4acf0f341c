/* src/base/uid.h: a job's global identity: 63 bits, made by us, growing with time, so that rows land at a table's end.
 *
 *   bit 62..22  milliseconds since 2024-01-01T00:00:00Z (41 bits, until 2093)
 *   bit 21..14  the maker: which daemon of a cluster made it (0 when alone)
 *   bit 13..0   a counter; when it overflows it borrows from the next millisecond
 *
 * As text: 13 digits of Crockford's base 32 in lower case ("0r4k2m7x9q3zt"), which sort as the numbers do. Pure: the clock is
 * an argument, and the maker never goes back, whatever the clock does. */
#pragma once
#include "base/err.h"

#define UID_TEXT_BYTES 14 /* 13 digits and NUL */
#define UID_EPOCH_MS   1704067200000

struct uid_maker {
	uint64_t last;
	uint8_t maker;
};

/* The next uid: above every earlier one of this maker, and above `last` set by hand after a restart. */
uint64_t uid_next(struct uid_maker *maker, int64_t now_us);
/* The instant in it, in microseconds since 1970, to the millisecond. */
int64_t uid_time_us(uint64_t uid);
/* The smallest uid of that instant: for "created before/after" filters. */
uint64_t uid_floor(int64_t at_us);
void uid_text(uint64_t uid, char out[UID_TEXT_BYTES]);
/* Exactly 13 digits, upper or lower case; i/l read as 1, o as 0 (Crockford). E_INVALID otherwise. */
MUST_USE enum err uid_parse(struct str text, uint64_t *out);
