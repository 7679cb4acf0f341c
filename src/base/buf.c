#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>

#define BUF_FIRST_BYTES 256u
#define BUF_U64_DIGITS  20u

void buf_init(struct buf *buf, size_t max_bytes)
{
	*buf = (struct buf){ .max_bytes = max_bytes };
}

void buf_fini(struct buf *buf)
{
	mem_free(buf->ptr);
	buf_init(buf, buf->max_bytes);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

char *buf_grow(struct buf *buf, size_t bytes)
{
	if (buf->failed)
		return NULL;
	buf->failed = true; /* until it worked */
	if (bytes > buf->max_bytes || buf->len > buf->max_bytes - bytes)
		return NULL;
	size_t needed = buf->len + bytes;
	if (needed > buf->capacity || !buf->ptr) {
		size_t capacity = buf->capacity < BUF_FIRST_BYTES ? BUF_FIRST_BYTES : buf->capacity;
		while (capacity < needed && capacity < buf->max_bytes)
			capacity = capacity > buf->max_bytes / 2 ? buf->max_bytes : capacity * 2;
		if (capacity > buf->max_bytes)
			capacity = buf->max_bytes;
		char *ptr = mem_realloc(buf->ptr, capacity);
		if (!ptr)
			return NULL;
		buf->ptr = ptr;
		buf->capacity = capacity;
	}
	buf->failed = false;
	return buf->ptr + buf->len;
}

static const char buf_pairs[] =
	"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
	"4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
	"99";

/* Two digits at a time, from the last to the first. */
void buf_add_u64(struct buf *buf, uint64_t n)
{
	char digits[BUF_U64_DIGITS];
	char *first = digits + sizeof(digits);
	for (; n >= 100; n /= 100)
		memcpy(first -= 2, buf_pairs + 2 * (n % 100), 2);
	if (n >= 10)
		memcpy(first -= 2, buf_pairs + 2 * n, 2);
	else
		*--first = (char)('0' + n);
	buf_add(buf, (struct str){ first, (size_t)(digits + sizeof(digits) - first) });
}

void buf_add_i64(struct buf *buf, int64_t n)
{
	if (n < 0)
		buf_add_byte(buf, '-');
	buf_add_u64(buf, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	CHECK(len >= 0);
	if ((size_t)len < sizeof(text)) {
		buf_add(buf, (struct str){ text, (size_t)len });
		return;
	}
	char *room = buf_reserve(buf, (size_t)len + 1); /* vsnprintf wants its NUL; it is not counted */
	if (!room)
		return;
	va_start(args, format);
	vsnprintf(room, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

void buf_consume(struct buf *buf, size_t bytes)
{
	CHECK(bytes <= buf->len);
	buf->len -= bytes;
	if (bytes && buf->len)
		memmove(buf->ptr, buf->ptr + bytes, buf->len);
}

void buf_add_percent(struct buf *buf, char byte)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char c = (unsigned char)byte;
	buf_add(buf, (struct str){ (const char[]){ '%', digits[c >> 4], digits[c & 15] }, 3 });
}
