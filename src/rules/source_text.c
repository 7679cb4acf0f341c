#include "rules/source_text.h"
#include "rules/http_header.h"
#include "rules/json_path.h"

#define HEADER_PLACE STR("header:")

/* Is the whole text one place without braces? */
static bool text_is_place(struct str text)
{
	return str_starts(text, HEADER_PLACE) || str_starts(text, STR("$"));
}

static const char *place_refusal(struct str place)
{
	if (str_starts(place, STR("$")))
		return json_path_refusal(place);
	if (!str_starts(place, HEADER_PLACE))
		return "A place is {header:name} or {$.path}.";
	struct str name = str_from(place, HEADER_PLACE.len);
	if (http_name_is_secret(name))
		return "By its name this header is a secret, which is not to stand anywhere.";
	return http_header_name_refusal(name);
}

/* The next piece of a text with braces: a word, or what stands between two of them. False: the text is at its end, or a brace stands alone. */
static bool next_piece(struct str *rest, struct str *piece, bool *is_place)
{
	*is_place = rest->len && rest->ptr[0] == '{';
	size_t end = 0;
	if (*is_place) {
		end = str_index(*rest, '}');
		if (end == rest->len)
			return false;
		*piece = (struct str){ rest->ptr + 1, end - 1 };
		*rest = str_from(*rest, end + 1);
		return true;
	}
	while (end < rest->len && rest->ptr[end] != '{' && rest->ptr[end] != '}')
		end++;
	*piece = (struct str){ rest->ptr, end };
	*rest = str_from(*rest, end);
	return end > 0;
}

const char *source_text_refusal(struct str text)
{
	struct str piece;
	bool is_place;
	if (text_is_place(text))
		return place_refusal(text);
	while (next_piece(&text, &piece, &is_place)) {
		const char *why = is_place ? place_refusal(piece) : NULL;
		if (why)
			return why;
	}
	return text.len ? "A brace stands alone." : NULL;
}

bool source_text_each_word(struct str text, bool (*visit)(struct str word))
{
	struct str piece;
	bool is_place;
	if (text_is_place(text))
		return true;
	while (next_piece(&text, &piece, &is_place))
		if (!is_place && !visit(piece))
			return false;
	return true;
}

/* Its first one stands at the beginning, the last one at the end, and the others as early as they can. */
bool source_text_may_be(struct str text, struct str value)
{
	struct str piece;
	bool is_place, after_place = false;
	if (text_is_place(text))
		return value.len > 0;
	for (; next_piece(&text, &piece, &is_place); after_place = is_place) {
		const char *at = value.ptr;
		if (is_place && !value.len)
			return false; /* a place finds something, or there is no message */
		if (!is_place && after_place && !text.len)
			at = value.len < piece.len ? NULL : value.ptr + value.len - piece.len;
		else if (!is_place && after_place)
			at = memmem(value.ptr, value.len, piece.ptr, piece.len);
		if (!at || (!is_place && !str_starts(str_from(value, (size_t)(at - value.ptr)), piece)))
			return false;
		value = str_from(value, (size_t)(at - value.ptr) + (is_place ? 1 : piece.len));
	}
	return after_place || !value.len;
}

static struct str place_value(struct str place, const struct incoming *incoming, const struct json_node *body)
{
	const struct json_node *found = NULL;
	if (str_starts(place, HEADER_PLACE)) {
		char name[256 + 1];
		struct str wanted = str_from(place, HEADER_PLACE.len);
		if (wanted.len >= sizeof(name))
			return (struct str){ 0 };
		memcpy(name, wanted.ptr, wanted.len);
		name[wanted.len] = '\0';
		struct str value = str_trim(incoming->header(incoming->headers, name));
		return str_is_utf8(value) && !http_header_value_refusal(value) ? value : (struct str){ 0 };
	}
	if (!body || !json_path_find(body, place, &found, 1))
		return (struct str){ 0 };
	bool plain = found->type == JSON_STRING || found->type == JSON_NUMBER || found->type == JSON_BOOL;
	return plain ? found->text : (struct str){ 0 };
}

static bool place_fill(struct str place, const struct incoming *incoming, const struct json_node *body, struct buf *out, struct str *out_missing)
{
	struct str value = place_value(place, incoming, body);
	*out_missing = place;
	buf_add(out, value);
	return value.len > 0;
}

bool source_text_fill(struct str text, const struct incoming *incoming, const struct json_node *body, struct buf *out, struct str *out_missing)
{
	struct str piece;
	bool is_place;
	if (text_is_place(text))
		return place_fill(text, incoming, body, out, out_missing);
	while (next_piece(&text, &piece, &is_place)) {
		if (is_place && !place_fill(piece, incoming, body, out, out_missing))
			return false;
		if (!is_place)
			buf_add(out, piece);
	}
	return true;
}
