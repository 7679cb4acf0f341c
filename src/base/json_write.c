#include "base/json.h"
#include "base/json_scan.h"
#include "base/time_text.h"

void json_put_comma(struct buf *buf)
{
	char last = buf->len ? buf->ptr[buf->len - 1] : '[';
	if (last != '[' && last != '{' && last != ':')
		buf_add_byte(buf, ',');
}

static const char json_letters[256] = { ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };

/* What cannot stand in a string as it is: a quote, a backslash, a control. */
static void json_put_escape(struct buf *buf, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	if (json_letters[c]) {
		buf_add(buf, (struct str){ (char[]){ '\\', json_letters[c] }, 2 });
	} else {
		buf_add_lit(buf, "\\u00");
		buf_add(buf, (struct str){ (char[]){ hex[c >> 4], hex[c & 15] }, 2 });
	}
}

void json_put_str(struct buf *buf, struct str s)
{
	buf_add_byte(buf, '"');
	while (s.len) {
		const char *end = s.ptr + s.len, *special = s.ptr;
		size_t step = 0;
		do { /* a run that can be copied: plain bytes and well-formed characters */
			special = json_scan_plain(special + step, end);
			bool wide = special < end && (unsigned char)*special >= 0x80;
			step = wide ? str_utf8_step((struct str){ special, (size_t)(end - special) }) : 0;
		} while (step);
		size_t run = (size_t)(special - s.ptr);
		buf_add(buf, (struct str){ s.ptr, run });
		if (special == end)
			break;
		if ((unsigned char)*special < 0x80)
			json_put_escape(buf, (unsigned char)*special);
		else
			buf_add_lit(buf, "\xef\xbf\xbd");
		s = str_from(s, run + 1);
	}
	buf_add_byte(buf, '"');
}

size_t json_str_bytes(struct str s)
{
	size_t bytes = s.len + 2;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bytes += json_letters[c] ? 1 : c < ' ' ? 5 : 0;
	}
	return bytes;
}

void json_put_key(struct buf *buf, const char *key)
{
	if (buf->len && buf->ptr[buf->len - 1] != '{')
		buf_add_byte(buf, ',');
	json_put_str(buf, str_of(key));
	buf_add_byte(buf, ':');
}

void json_put_field_str(struct buf *buf, const char *key, struct str s)
{
	json_put_key(buf, key);
	json_put_str(buf, s);
}

void json_put_field_i64(struct buf *buf, const char *key, int64_t n)
{
	json_put_key(buf, key);
	buf_add_i64(buf, n);
}

void json_put_field_u64(struct buf *buf, const char *key, uint64_t n)
{
	json_put_key(buf, key);
	buf_add_u64(buf, n);
}

void json_put_field_bool(struct buf *buf, const char *key, bool value)
{
	json_put_key(buf, key);
	buf_add(buf, value ? STR("true") : STR("false"));
}

void json_put_field_null(struct buf *buf, const char *key)
{
	json_put_key(buf, key);
	buf_add_lit(buf, "null");
}

void json_put_field_text(struct buf *buf, const char *key, struct str s)
{
	if (s.len)
		json_put_field_str(buf, key, s);
	else
		json_put_field_null(buf, key);
}

void json_put_field_raw(struct buf *buf, const char *key, struct str json_text)
{
	json_put_key(buf, key);
	buf_add(buf, json_text.len ? json_text : STR("null"));
}

void json_put_field_instant(struct buf *buf, const char *key, int64_t at_us)
{
	char text[TIME_TEXT_BYTES];
	if (at_us == 0) {
		json_put_field_null(buf, key);
		return;
	}
	time_text(at_us, text);
	json_put_field_str(buf, key, (struct str){ text, TIME_TEXT_BYTES - 1 });
}
