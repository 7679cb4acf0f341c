#include "rules/batch_words.h"
#include "base/mem.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* What stands at the beginning of the text, up to the number: 0 when none of the phrases does. */
static size_t phrase_length(struct str text)
{
	static const char *const phrases[] = { "maximum of ", "at most ", "up to ", "limit of ", "no more than " };
	for (size_t i = 0; i < ARRAY_COUNT(phrases); i++) {
		struct str phrase = str_of(phrases[i]);
		if (text.len > phrase.len && str_eq_nocase((struct str){ text.ptr, phrase.len }, phrase))
			return phrase.len;
	}
	return 0;
}

static bool is_other_unit(struct str rest) /* "10 characters", "10MB", "10%" */
{
	static const char *const units[] = { "char", "byte", "kb", "mb", "gb", "kib", "mib", "digit", "letter", "word", "second", "minute", "hour", "day",
					     "ms", "s", "percent", "field", "decimal", "request", "call", "time" };
	while (rest.len && (rest.ptr[0] == ' ' || rest.ptr[0] == '-'))
		rest = str_from(rest, 1);
	size_t len = 0;
	while (len < rest.len && is_letter(rest.ptr[len]))
		len++;
	struct str word = { rest.ptr, len && (rest.ptr[len - 1] == 's' || rest.ptr[len - 1] == 'S') && len > 2 ? len - 1 : len };
	for (size_t i = 0; i < ARRAY_COUNT(units); i++)
		if (str_eq_nocase(word, str_of(units[i])) || (i == 0 && word.len > 4 && str_eq_nocase((struct str){ word.ptr, 4 }, str_of(units[i]))))
			return true;
	return rest.len && rest.ptr[0] == '%';
}

/* A whole number at the beginning of the text that counts records; 0: there is none. */
static uint64_t number_of_records(struct str text)
{
	size_t len = 0;
	uint64_t number;
	while (len < text.len && is_digit(text.ptr[len]))
		len++;
	struct str rest = str_from(text, len);
	bool goes_on = rest.len > 1 && (rest.ptr[0] == '.' || rest.ptr[0] == ',') && is_digit(rest.ptr[1]); /* 1.5, 10,000 */
	if (!len || goes_on || is_other_unit(rest) || !str_u64((struct str){ text.ptr, len }, &number))
		return 0;
	return number;
}

uint32_t batch_words_most(struct str text, uint32_t sent)
{
	bool inside = false; /* a word: phrases begin where words do */
	for (size_t at = 0; at < text.len; at++) {
		struct str rest = str_from(text, at);
		size_t len = inside ? 0 : phrase_length(rest);
		uint64_t number = len ? number_of_records(str_from(rest, len)) : 0;
		if (number >= 1 && number < sent)
			return (uint32_t)number;
		inside = is_letter(text.ptr[at]) || text.ptr[at] == '-';
	}
	return 0;
}
