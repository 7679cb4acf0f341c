#include "http/request_head.h"
#include "base/limits.h"
#include "http/parser.h"

_Static_assert(LIMIT_HEADER_BYTES <= HTTP_HEADER_BYTES_MAX, "offsets are 16 bits wide");

/* ---- which bytes may stand where ---- */

enum { BYTE_CONTROL = 1, BYTE_TOKEN = 2, BYTE_TARGET = 4, BYTE_HOST = 8 };
#define TOKEN  (BYTE_TOKEN | BYTE_TARGET)
#define NAMING (BYTE_TOKEN | BYTE_TARGET | BYTE_HOST)
static const uint8_t byte_classes[256] = {
	[0x00 ... 0x08] = BYTE_CONTROL,
	[0x0b ... 0x0c] = BYTE_CONTROL, /* 0x09 is a blank; 0x0a and 0x0d are judged as line ends */
	[0x0e ... 0x1f] = BYTE_CONTROL,
	[0x7f] = BYTE_CONTROL,
	['0' ... '9'] = NAMING,
	['A' ... 'Z'] = NAMING,
	['a' ... 'z'] = NAMING,
	['!'] = NAMING, ['$'] = NAMING, ['%'] = NAMING, ['&'] = NAMING, ['\''] = NAMING, ['*'] = NAMING, ['+'] = NAMING,
	['-'] = NAMING, ['.'] = NAMING, ['_'] = NAMING, ['~'] = NAMING,
	['^'] = TOKEN, ['`'] = TOKEN, ['|'] = TOKEN,
	['#'] = BYTE_TOKEN,
	['('] = BYTE_TARGET | BYTE_HOST, [')'] = BYTE_TARGET | BYTE_HOST, [','] = BYTE_TARGET | BYTE_HOST,
	[';'] = BYTE_TARGET | BYTE_HOST, ['='] = BYTE_TARGET | BYTE_HOST, [':'] = BYTE_TARGET | BYTE_HOST,
	['['] = BYTE_TARGET | BYTE_HOST, [']'] = BYTE_TARGET | BYTE_HOST,
	['"'] = BYTE_TARGET, ['/'] = BYTE_TARGET, ['<'] = BYTE_TARGET, ['>'] = BYTE_TARGET, ['?'] = BYTE_TARGET,
	['@'] = BYTE_TARGET, ['\\'] = BYTE_TARGET, ['{'] = BYTE_TARGET, ['}'] = BYTE_TARGET,
};

static bool byte_is(char byte, unsigned wanted)
{
	return byte_classes[(uint8_t)byte] & wanted;
}

/* ---- the end of the head ---- */

/* A first byte that no request starts with (a TLS hello, say) is not worth waiting for the end of its line. */
static bool scan_is_hopeless(const struct http_scan *scan, struct str bytes)
{
	if (scan->lines > 0 || scan->start >= bytes.len)
		return false;
	char first = bytes.ptr[scan->start];
	bool is_return = first == '\r' && (bytes.len == scan->start + 1 || bytes.ptr[scan->start + 1] == '\n');
	return !is_return && !byte_is(first, BYTE_TOKEN);
}

enum http_refusal http_scan_head(struct http_scan *scan, struct str bytes, size_t bytes_max, size_t *out_bytes)
{
	*out_bytes = 0;
	size_t end = bytes.len < bytes_max ? bytes.len : bytes_max;
	const char *feed;
	while (scan->line < end && (feed = memchr(bytes.ptr + scan->line, '\n', end - scan->line))) {
		size_t at = (size_t)(feed - bytes.ptr);
		if (at == scan->line || bytes.ptr[at - 1] != '\r')
			return HTTP_REFUSE_LINE_END;
		bool is_empty = at == scan->line + 1;
		scan->line = (uint32_t)at + 1;
		if (is_empty && scan->lines > 0) {
			*out_bytes = scan->line;
			return HTTP_REFUSE_NOTHING;
		}
		if (is_empty && scan->start > 0)
			return HTTP_REFUSE_REQUEST_LINE;
		if (is_empty) /* RFC 9112 2.2: one empty line before a request is overlooked */
			scan->start = scan->line;
		else if (++scan->lines > LIMIT_HEADERS + 1)
			return HTTP_REFUSE_HEADERS;
	}
	if (scan_is_hopeless(scan, bytes))
		return HTTP_REFUSE_REQUEST_LINE;
	if (scan->lines == 0 && end - scan->start > LIMIT_URL_BYTES + 64) /* with a method and a version */
		return HTTP_REFUSE_URL_BYTES;
	return bytes.len >= bytes_max ? HTTP_REFUSE_HEAD_BYTES : HTTP_REFUSE_NOTHING;
}

static size_t head_span(struct str s, size_t from, unsigned wanted)
{
	while (from < s.len && byte_is(s.ptr[from], wanted))
		from++;
	return from;
}

/* The scan made sure that a CR stands before each LF: as many CRs as LFs means that none is bare. */
static enum http_refusal head_judge_bytes(struct str head)
{
	unsigned seen = 0;
	size_t returns = 0, feeds = 0;
	for (size_t i = 0; i < head.len; i++) {
		seen |= byte_classes[(uint8_t)head.ptr[i]];
		returns += head.ptr[i] == '\r';
		feeds += head.ptr[i] == '\n';
	}
	if (returns != feeds)
		return HTTP_REFUSE_LINE_END;
	return seen & BYTE_CONTROL ? HTTP_REFUSE_CONTROL_BYTE : HTTP_REFUSE_NOTHING;
}

static bool head_is_version(struct str s)
{
	return s.len == 8 && str_starts(s, STR("HTTP/")) && s.ptr[5] >= '0' && s.ptr[5] <= '9' && s.ptr[6] == '.' && s.ptr[7] >= '0' &&
	       s.ptr[7] <= '9';
}

static enum http_refusal head_judge_request_line(struct str line, struct http_head_values *out)
{
	size_t method_end = head_span(line, 0, BYTE_TOKEN);
	if (method_end == 0 || method_end >= line.len || line.ptr[method_end] != ' ')
		return HTTP_REFUSE_REQUEST_LINE;
	size_t target_at = method_end + 1;
	size_t target_end = head_span(line, target_at, BYTE_TARGET);
	if (target_end == line.len || target_end == target_at)
		return HTTP_REFUSE_REQUEST_LINE;
	if (line.ptr[target_end] != ' ' || line.ptr[target_at] != '/')
		return HTTP_REFUSE_TARGET;
	if (target_end - target_at > LIMIT_URL_BYTES)
		return HTTP_REFUSE_URL_BYTES;
	struct str version = str_from(line, target_end + 1);
	if (!head_is_version(version))
		return HTTP_REFUSE_REQUEST_LINE;
	if (version.ptr[5] != '1' || version.ptr[7] > '1')
		return HTTP_REFUSE_VERSION;
	struct str target = { line.ptr + target_at, target_end - target_at };
	size_t path_len = str_index(target, '?');
	out->path_at = (uint16_t)target_at;
	out->path_len = (uint16_t)path_len;
	out->query_at = (uint16_t)(target_at + (path_len < target.len ? path_len + 1 : path_len));
	out->query_len = (uint16_t)(target_end - out->query_at);
	return HTTP_REFUSE_NOTHING;
}

static enum http_refusal head_judge_field_line(struct str line)
{
	if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
		return HTTP_REFUSE_FOLDED;
	size_t name_end = head_span(line, 0, BYTE_TOKEN);
	return name_end == 0 || name_end == line.len || line.ptr[name_end] != ':' ? HTTP_REFUSE_FIELD_NAME : HTTP_REFUSE_NOTHING;
}

static enum http_refusal head_judge(struct str head, struct http_head_values *out)
{
	enum http_refusal refusal = head_judge_bytes(head);
	size_t at = str_index(head, '\r');
	if (!refusal)
		refusal = head_judge_request_line((struct str){ head.ptr, at }, out);
	for (at += 2; !refusal && at + 2 < head.len;) {
		const char *end = memchr(head.ptr + at, '\r', head.len - at);
		size_t len = (size_t)(end - (head.ptr + at));
		refusal = head_judge_field_line((struct str){ head.ptr + at, len });
		at += len + 2;
	}
	return refusal;
}

/* ---- reading, by http-parser's call-backs ---- */

struct head_reader {
	struct str head;
	struct http_field *fields;
	uint32_t fields_max;
	struct http_head_values *out;
	enum http_refusal refusal;
	struct str name;
	unsigned hosts, lengths, encodings;
	bool whole;
};

static bool head_is_host(struct str value)
{
	return value.len <= 300 && head_span(value, 0, BYTE_HOST) == value.len;
}

static enum http_refusal head_note_field(struct head_reader *reader, struct str name, struct str value)
{
	switch (name.len) { /* most names are told apart by their length */
	case 4:
		if (str_eq_nocase(name, STR("host")) && (++reader->hosts > 1 || !head_is_host(value)))
			return HTTP_REFUSE_HOST;
		break;
	case 6:
		if (str_eq_nocase(name, STR("expect"))) {
			if (!str_eq_nocase(value, STR("100-continue")))
				return HTTP_REFUSE_EXPECT;
			reader->out->expects_continue = true;
		}
		break;
	case 14:
		if (str_eq_nocase(name, STR("content-length")) &&
		    (++reader->lengths > 1 || !str_u64(value, &reader->out->content_length)))
			return HTTP_REFUSE_LENGTH;
		break;
	case 17:
		if (str_eq_nocase(name, STR("transfer-encoding")) &&
		    (++reader->encodings > 1 || !str_eq_nocase(value, STR("chunked"))))
			return HTTP_REFUSE_ENCODING;
		break;
	default: break;
	}
	return reader->lengths && reader->encodings ? HTTP_REFUSE_BOTH_LENGTHS : HTTP_REFUSE_NOTHING;
}

static int head_on_name(http_parser *parser, const char *at, size_t len)
{
	struct head_reader *reader = parser->data;
	reader->name = (struct str){ at, len };
	return 0;
}

static int head_on_value(http_parser *parser, const char *at, size_t len)
{
	struct head_reader *reader = parser->data;
	struct str value = str_trim((struct str){ at, len });
	reader->refusal = reader->out->field_count >= reader->fields_max ? HTTP_REFUSE_HEADERS
									  : head_note_field(reader, reader->name, value);
	if (reader->refusal)
		return 1;
	reader->fields[reader->out->field_count++] = (struct http_field){
		.name_at = (uint16_t)(reader->name.ptr - reader->head.ptr),
		.name_len = (uint16_t)reader->name.len,
		.value_at = (uint16_t)(value.ptr - reader->head.ptr),
		.value_len = (uint16_t)value.len,
	};
	return 0;
}

static int head_on_whole(http_parser *parser)
{
	struct head_reader *reader = parser->data;
	reader->whole = true;
	reader->out->keep_alive = http_should_keep_alive(parser);
	return 1; /* whatever body follows, it is ours to read */
}

static const http_parser_settings head_settings = {
	.on_header_field = head_on_name,
	.on_header_value = head_on_value,
	.on_headers_complete = head_on_whole,
};

static enum http_method head_method(const http_parser *parser)
{
	switch (parser->method) {
	case HTTP_GET: return HTTP_M_GET;
	case HTTP_HEAD: return HTTP_M_HEAD;
	case HTTP_POST: return HTTP_M_POST;
	case HTTP_PUT: return HTTP_M_PUT;
	case HTTP_PATCH: return HTTP_M_PATCH;
	case HTTP_DELETE: return HTTP_M_DELETE;
	case HTTP_OPTIONS: return HTTP_M_OPTIONS;
	default: return HTTP_M_OTHER;
	}
}

static enum http_refusal head_parser_refusal(const http_parser *parser, const struct head_reader *reader)
{
	if (reader->refusal)
		return reader->refusal;
	switch (HTTP_PARSER_ERRNO(parser)) {
	case HPE_OK: return reader->whole ? HTTP_REFUSE_NOTHING : HTTP_REFUSE_HEAD;
	case HPE_INVALID_METHOD: return HTTP_REFUSE_METHOD;
	case HPE_INVALID_URL:
	case HPE_INVALID_HOST:
	case HPE_INVALID_PORT: return HTTP_REFUSE_TARGET;
	case HPE_HEADER_OVERFLOW: return HTTP_REFUSE_HEAD_BYTES;
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_UNEXPECTED_CONTENT_LENGTH: return HTTP_REFUSE_LENGTH;
	case HPE_INVALID_TRANSFER_ENCODING: return HTTP_REFUSE_ENCODING;
	default: return HTTP_REFUSE_HEAD;
	}
}

enum http_refusal http_head_read(struct str head, struct http_field *fields, uint32_t fields_max, struct http_head_values *out)
{
	*out = (struct http_head_values){ .method = HTTP_M_OTHER };
	enum http_refusal refusal = head_judge(head, out);
	if (refusal)
		return refusal;
	struct head_reader reader = { .head = head, .fields = fields, .fields_max = fields_max, .out = out };
	http_parser parser;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = &reader;
	size_t read = http_parser_execute(&parser, &head_settings, head.ptr, head.len);
	refusal = head_parser_refusal(&parser, &reader);
	if (refusal)
		return refusal;
	out->method = head_method(&parser);
	out->is_1_0 = parser.http_minor == 0;
	out->is_chunked = reader.encodings > 0;
	if (out->is_chunked && out->is_1_0)
		return HTTP_REFUSE_ENCODING;
	if (!out->is_1_0 && reader.hosts != 1)
		return HTTP_REFUSE_HOST;
	return read == head.len && parser.method != HTTP_CONNECT ? HTTP_REFUSE_NOTHING : HTTP_REFUSE_HEAD;
}
