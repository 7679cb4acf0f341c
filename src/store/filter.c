#include "store/filter.h"
#include "base/uid.h"

/* ---- the id as a uid's text, or its first digits ---- */

static void filter_init_id(struct filter *filter)
{
	char digits[UID_TEXT_BYTES];
	size_t given = filter->id.len;
	filter->id_uid_first = 1;
	filter->id_uid_last = 0;
	if (given > UID_TEXT_BYTES - 1 || given < FILTER_UID_PREFIX_MIN || (given < UID_TEXT_BYTES - 1 && !filter->id_is_prefix))
		return;
	uint64_t first, last;
	memcpy(digits, filter->id.ptr, given);
	memset(digits + given, '0', UID_TEXT_BYTES - 1 - given);
	if (uid_parse((struct str){ digits, UID_TEXT_BYTES - 1 }, &first))
		return;
	memset(digits + given, 'z', UID_TEXT_BYTES - 1 - given);
	if (uid_parse((struct str){ digits, UID_TEXT_BYTES - 1 }, &last))
		return;
	filter->id_uid_first = first;
	filter->id_uid_last = last;
}

void filter_init(struct filter *out, const struct job_filter *asked)
{
	*out = (struct filter){ .asked = asked, .states = asked->states & STATES_ALL, .finished_below = INT64_MAX, .uid_below = INT64_MAX };
	if (!asked->states)
		out->states = STATES_ALL;
	if (asked->finished_after_us || asked->finished_before_us || asked->error.len || asked->outcomes)
		out->states &= STATES_FINAL;
	out->by_finish = !(out->states & STATES_LIVE);
	if (asked->created_after_us)
		out->uid_from = uid_floor(asked->created_after_us);
	if (asked->created_before_us)
		out->uid_below = uid_floor(asked->created_before_us);
	out->finished_from = asked->finished_after_us;
	if (asked->finished_before_us)
		out->finished_below = asked->finished_before_us;
	out->id = asked->id;
	if (asked->id.len && asked->id.ptr[asked->id.len - 1] == '*') {
		out->id_is_prefix = true;
		out->id.len--;
	}
	filter_init_id(out);
	out->reads_message = asked->message || asked->entity.len || asked->endpoint.len || asked->deliveries;
	out->reads_definition = out->id.len || asked->name.len || asked->tag.len || out->reads_message;
	out->reads_error = asked->error.len > 0;
}

bool filter_takes_row(const struct filter *filter, const struct job_row *row)
{
	if (!(filter->states & 1u << row->state))
		return false;
	if (row->uid < filter->uid_from || row->uid >= filter->uid_below)
		return false;
	if (row->finished_us < filter->finished_from || row->finished_us >= filter->finished_below)
		return false;
	if (filter->asked->outcomes && !(filter->asked->outcomes & 1u << row->outcome))
		return false;
	if (filter->asked->endpoint.len && !str_eq(row->group, filter->asked->endpoint))
		return false;
	return !filter->asked->group.len || str_eq(row->group, filter->asked->group);
}

/* ---- tags ---- */

static uint32_t filter_read_u16(const char *digits)
{
	return (uint32_t)(str_hex_digit(digits[0]) << 12 | str_hex_digit(digits[1]) << 8 | str_hex_digit(digits[2]) << 4 | str_hex_digit(digits[3]));
}

static size_t filter_write_utf8(uint32_t point, char out[4])
{
	static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	size_t more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
	for (size_t i = more; i > 0; i--, point >>= 6)
		out[i] = (char)(0x80 | (point & 0x3f));
	out[0] = (char)(lead[more] | point);
	return more + 1;
}

/* One decoded character of a checked JSON string at *at; *at moves on. */
static size_t filter_read_character(const char **at, char out[4])
{
	const char *p = *at;
	if (*p != '\\') {
		out[0] = *p;
		*at = p + 1;
		return 1;
	}
	*at = p + 2;
	switch (p[1]) {
	case 'b': out[0] = '\b'; return 1;
	case 'f': out[0] = '\f'; return 1;
	case 'n': out[0] = '\n'; return 1;
	case 'r': out[0] = '\r'; return 1;
	case 't': out[0] = '\t'; return 1;
	case 'u': break;
	default: out[0] = p[1]; return 1;
	}
	uint32_t point = filter_read_u16(p + 2);
	*at = p + 6;
	if (point >= 0xd800 && point < 0xdc00) { /* the text was checked: its other half follows */
		point = 0x10000 + ((point - 0xd800) << 10) + (filter_read_u16(p + 8) - 0xdc00);
		*at = p + 12;
	}
	return filter_write_utf8(point, out);
}

/* `tags` is a JSON array of strings that was checked when it came in. */
static bool filter_has_tag(struct str tags, struct str tag)
{
	const char *at = tags.ptr, *end = tags.ptr + tags.len;
	while (at < end) {
		if (*at++ != '"')
			continue;
		size_t matched = 0;
		bool same = true;
		while (at < end && *at != '"') {
			char decoded[4];
			size_t bytes = filter_read_character(&at, decoded);
			same = same && matched + bytes <= tag.len && memcmp(tag.ptr + matched, decoded, bytes) == 0;
			matched += bytes;
		}
		at++;
		if (same && matched == tag.len)
			return true;
	}
	return false;
}

bool filter_takes_definition(const struct filter *filter, const struct job_definition *definition)
{
	if (filter->id.len) {
		bool named = filter->id_is_prefix ? str_starts(definition->id, filter->id) : str_eq(definition->id, filter->id);
		if (!named && (definition->uid < filter->id_uid_first || definition->uid > filter->id_uid_last))
			return false;
	}
	if (filter->asked->name.len && !str_eq(definition->name, filter->asked->name))
		return false;
	if (filter->reads_message && (!definition->message || (filter->asked->message && filter->asked->message != definition->message)))
		return false;
	return !filter->asked->tag.len || filter_has_tag(definition->tags, filter->asked->tag);
}

bool filter_takes_entity(const struct filter *filter, struct str entity)
{
	return !filter->asked->entity.len || str_eq(entity, filter->asked->entity);
}

bool filter_takes_error(const struct filter *filter, struct str error)
{
	struct str part = filter->asked->error;
	if (!part.len)
		return true;
	for (size_t start = 0; start + part.len <= error.len; start++)
		if (str_eq_nocase((struct str){ error.ptr + start, part.len }, part))
			return true;
	return false;
}

/* ---- cursors ---- */

bool message_filter_takes(const struct message_filter *filter, struct str namespace_name, struct str type)
{
	struct str wanted = filter->type;
	if (!str_eq(namespace_name, filter->namespace_name.len ? filter->namespace_name : STR("default")))
		return false;
	if (!wanted.len || wanted.ptr[wanted.len - 1] != '*')
		return !wanted.len || str_eq(type, wanted);
	wanted.len--;
	return str_starts(type, wanted);
}

int list_key_cmp(struct list_key a, struct list_key b)
{
	if (a.finished_us != b.finished_us)
		return a.finished_us < b.finished_us ? -1 : 1;
	return a.uid == b.uid ? 0 : a.uid < b.uid ? -1 : 1;
}

struct str list_cursor_text(struct arena *arena, const struct filter *filter, struct list_key key)
{
	char *text = filter->by_finish ? arena_printf(arena, "f%lld-%llu", (long long)key.finished_us, (unsigned long long)key.uid) :
	                                 arena_printf(arena, "c%llu", (unsigned long long)key.uid);
	return str_of(text);
}

enum err list_cursor_parse(struct str text, const struct filter *filter, struct list_key *out)
{
	struct list_key key = { 0 };
	if (!text.len || text.ptr[0] != (filter->by_finish ? 'f' : 'c'))
		return E_INVALID;
	text = str_from(text, 1);
	if (filter->by_finish) {
		size_t dash = text.len ? 1 + str_index(str_from(text, 1), '-') : 0; /* a sign may come first */
		if (!str_i64((struct str){ text.ptr, dash < text.len ? dash : 0 }, &key.finished_us))
			return E_INVALID;
		text = str_from(text, dash + 1);
	}
	if (!str_u64(text, &key.uid) || key.uid > INT64_MAX)
		return E_INVALID;
	*out = key;
	return E_OK;
}

struct str number_cursor_text(struct arena *arena, uint64_t number)
{
	return str_of(arena_printf(arena, "n%llu", (unsigned long long)number));
}

enum err number_cursor_parse(struct str text, uint64_t *out)
{
	*out = 0;
	if (!text.len)
		return E_OK;
	return text.ptr[0] == 'n' && str_u64(str_from(text, 1), out) && *out <= INT64_MAX ? E_OK : E_INVALID;
}
