#include "http/chunked.h"

enum chunked_state {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* the start of a line after the last chunk */
	CHUNK_TRAILER_NAME,
	CHUNK_TRAILER_VALUE,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_END,
};

static int chunked_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static enum http_refusal chunked_size(struct http_chunked *chunked, char c)
{
	int digit = chunked_digit(c);
	if (digit >= 0) {
		if (++chunked->digits > 16 || chunked->left >> 60)
			return HTTP_REFUSE_CHUNK_SIZE;
		chunked->left = chunked->left << 4 | (unsigned)digit;
		return HTTP_REFUSE_NOTHING;
	}
	if (chunked->digits == 0 || (c != ';' && c != '\r'))
		return HTTP_REFUSE_CHUNK;
	chunked->state = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
	return HTTP_REFUSE_NOTHING;
}

/* Extensions and trailers: counted, and free of control bytes. */
static enum http_refusal chunked_extra(struct http_chunked *chunked, char c)
{
	if (++chunked->extra > HTTP_CHUNK_EXTRA_MAX)
		return HTTP_REFUSE_CHUNK_OVERHEAD;
	return ((uint8_t)c < 0x20 && c != '\t') || c == 0x7f ? HTTP_REFUSE_CHUNK : HTTP_REFUSE_NOTHING;
}

static bool chunked_is_name_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void chunked_note_name(struct http_chunked *chunked, char c)
{
	if (chunked->name_len < sizeof(chunked->name))
		chunked->name[chunked->name_len] = c;
	if (chunked->name_len <= sizeof(chunked->name)) /* one above: longer than any that matters */
		chunked->name_len++;
}

/* Dropped like all trailers, but another reader might heed them. */
static bool chunked_name_is_framing(const struct http_chunked *chunked)
{
	struct str name = { chunked->name, chunked->name_len };
	return str_eq_nocase(name, STR("content-length")) || str_eq_nocase(name, STR("transfer-encoding")) ||
	       str_eq_nocase(name, STR("host"));
}

static enum http_refusal chunked_trailer_start(struct http_chunked *chunked, char c)
{
	chunked->state = c == '\r' ? CHUNK_END_LF : CHUNK_TRAILER_NAME;
	chunked->name_len = 0;
	if (c == '\r')
		return HTTP_REFUSE_NOTHING;
	chunked_note_name(chunked, c);
	return chunked_is_name_byte(c) ? chunked_extra(chunked, c) : HTTP_REFUSE_CHUNK;
}

static enum http_refusal chunked_trailer_name(struct http_chunked *chunked, char c)
{
	if (c == ':' ? chunked_name_is_framing(chunked) : !chunked_is_name_byte(c))
		return HTTP_REFUSE_CHUNK;
	chunked_note_name(chunked, c);
	if (c == ':')
		chunked->state = CHUNK_TRAILER_VALUE;
	return chunked_extra(chunked, c);
}

static enum http_refusal chunked_until_return(struct http_chunked *chunked, char c, enum chunked_state next)
{
	if (c != '\r')
		return chunked_extra(chunked, c);
	chunked->state = (uint8_t)next;
	return HTTP_REFUSE_NOTHING;
}

static enum http_refusal chunked_expect(struct http_chunked *chunked, char c, char wanted, enum chunked_state next)
{
	if (c != wanted)
		return HTTP_REFUSE_CHUNK;
	chunked->state = (uint8_t)next;
	return HTTP_REFUSE_NOTHING;
}

static enum http_refusal chunked_step(struct http_chunked *chunked, char c)
{
	switch ((enum chunked_state)chunked->state) {
	case CHUNK_SIZE: return chunked_size(chunked, c);
	case CHUNK_EXTENSION: return chunked_until_return(chunked, c, CHUNK_SIZE_LF);
	case CHUNK_SIZE_LF: return chunked_expect(chunked, c, '\n', chunked->left ? CHUNK_DATA : CHUNK_TRAILER);
	case CHUNK_DATA_CR: return chunked_expect(chunked, c, '\r', CHUNK_DATA_LF);
	case CHUNK_DATA_LF: chunked->digits = 0; return chunked_expect(chunked, c, '\n', CHUNK_SIZE);
	case CHUNK_TRAILER: return chunked_trailer_start(chunked, c);
	case CHUNK_TRAILER_NAME: return chunked_trailer_name(chunked, c);
	case CHUNK_TRAILER_VALUE: return chunked_until_return(chunked, c, CHUNK_TRAILER_LF);
	case CHUNK_TRAILER_LF: return chunked_expect(chunked, c, '\n', CHUNK_TRAILER);
	case CHUNK_END_LF: return chunked_expect(chunked, c, '\n', CHUNK_END);
	case CHUNK_DATA:
	case CHUNK_END: break;
	}
	return HTTP_REFUSE_CHUNK;
}

enum http_refusal http_chunked_read(struct http_chunked *chunked, struct str *input, struct str *out, bool *out_done)
{
	*out = (struct str){ input->ptr, 0 };
	*out_done = false;
	while (input->len > 0 && chunked->state != CHUNK_DATA) {
		enum http_refusal refusal = chunked_step(chunked, input->ptr[0]);
		*input = str_from(*input, 1);
		if (refusal)
			return refusal;
		if (chunked->state == CHUNK_END) {
			*out_done = true;
			return HTTP_REFUSE_NOTHING;
		}
	}
	if (chunked->state == CHUNK_DATA && input->len > 0) {
		size_t len = input->len < chunked->left ? input->len : (size_t)chunked->left;
		*out = (struct str){ input->ptr, len };
		*input = str_from(*input, len);
		chunked->left -= len;
		if (chunked->left == 0)
			chunked->state = CHUNK_DATA_CR;
	}
	return HTTP_REFUSE_NOTHING;
}

uint64_t http_chunked_announced(const struct http_chunked *chunked)
{
	return chunked->state == CHUNK_DATA ? chunked->left : 0;
}
