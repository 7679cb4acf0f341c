/* src/base/buf.h: a growable byte buffer, born with its maximum. Writing past the maximum, or failing to allocate, sets
 * `failed` and drops the write; check once at the end with buf_ok. A zeroed struct with max set is a valid empty buffer. */
#pragma once
#include "base/str.h"

struct buf {
	char *ptr;
	size_t len;
	size_t capacity;
	size_t max_bytes;
	bool failed;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_fini(struct buf *buf);  /* frees; the struct is empty and reusable */
void buf_clear(struct buf *buf); /* keeps the memory, forgets content and failure */
/* Room for `bytes` more at buf->ptr + buf->len, or NULL (and failed). The caller then adds to len what it wrote. */
static inline char *buf_reserve(struct buf *buf, size_t bytes);
static inline void buf_add(struct buf *buf, struct str s);
static inline void buf_add_byte(struct buf *buf, char byte);
void buf_add_u64(struct buf *buf, uint64_t n);
void buf_add_i64(struct buf *buf, int64_t n);
void buf_addf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_consume(struct buf *buf, size_t bytes); /* drops bytes from the front */
void buf_add_percent(struct buf *buf, char byte); /* "%2F" */
#define buf_add_lit(buf, literal) buf_add((buf), STR(literal))

static inline bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}
static inline struct str buf_str(const struct buf *buf)
{
	return (struct str){ buf->ptr, buf->len };
}

/* ---- the short way of writing; buf_grow is the long one ---- */
char *buf_grow(struct buf *buf, size_t bytes);

static inline char *buf_reserve(struct buf *buf, size_t bytes)
{
	bool fits = bytes - 1 < buf->capacity - buf->len; /* bytes of 0 goes the long way: ptr may be NULL yet */
	if (__builtin_expect(fits && !buf->failed, 1))
		return buf->ptr + buf->len;
	return buf_grow(buf, bytes);
}
static inline void buf_add(struct buf *buf, struct str s)
{
	char *room = s.len ? buf_reserve(buf, s.len) : NULL;
	if (room) {
		memcpy(room, s.ptr, s.len);
		buf->len += s.len;
	}
}
static inline void buf_add_byte(struct buf *buf, char byte)
{
	char *room = buf_reserve(buf, 1);
	if (room) {
		*room = byte;
		buf->len++;
	}
}
