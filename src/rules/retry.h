/* src/rules/retry.h: when does a failed job run again? Values in, a wait out; the dice are an argument. */
#pragma once
#include "base/limits.h"
#include "base/err.h"

enum backoff_kind { BACKOFF_FIXED, BACKOFF_EXPONENTIAL, BACKOFF_LIST, BACKOFF_KIND_COUNT };
enum jitter_kind { JITTER_NONE, JITTER_FULL, JITTER_PARTIAL, JITTER_KIND_COUNT };

/* Compared and stored as a value: zero it before filling, so that equal policies are equal bytes. */
struct retry_policy {
	enum backoff_kind kind;
	enum jitter_kind jitter;
	int32_t jitter_permille;     /* PARTIAL: the wait is in [wait * (1 - j), wait]; FULL: in [0, wait] */
	uint32_t max_attempts;       /* at least 1 */
	int64_t delay_ms;            /* FIXED: each wait; EXPONENTIAL: the first */
	int32_t factor_permille;     /* EXPONENTIAL: 2000 doubles */
	uint32_t list_count;
	int64_t max_delay_ms;        /* cap before jitter; 0: LIMIT_DURATION_MS */
	int64_t list_ms[LIMIT_RETRY_LIST]; /* LIST: the n-th wait; the last repeats */
};

/* 3 attempts, exponential from 1 s by 2, at most 1 h, partial jitter of 20 %. */
void retry_policy_default(struct retry_policy *policy);
/* The wait after the attempts_made-th attempt failed (1 is the first), in microseconds; never negative, no overflow.
 * `dice` is 32 random bits. Whether another attempt is allowed at all is retry_is_spent. */
int64_t retry_wait_us(const struct retry_policy *policy, uint32_t attempts_made, uint32_t dice);
bool retry_is_spent(uint32_t max_attempts, uint32_t attempts_made);
/* "10 attempts over 8 min 31 s": how long it is until the last attempt begins, without jitter, for people. */
struct buf;
void retry_words(const struct retry_policy *policy, struct buf *buf);
/* {"kind":"exponential","max_attempts":3,"delay_ms":1000,"factor":2,"max_delay_ms":3600000,"jitter":"partial","jitter_ratio":0.2}
 * and back; the JSON is what the API takes and gives and what the store keeps. Reading starts from *out's present values. */
struct json;
void retry_policy_write(const struct retry_policy *policy, struct buf *buf);
bool retry_policy_read(struct json *json, struct retry_policy *out); /* refuses in the reader's voice */
/* A field's reader: the default with what is said, in the arena, as *(const struct retry_policy **)out. */
bool retry_policy_read_new(struct json *json, void *out, void *context);
