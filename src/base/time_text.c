#include "base/time_text.h"
#include "base/calendar.h"

#define TIME_SECOND_US INT64_C(1000000)
#define TIME_MIN_US    (INT64_C(-62167219200) * TIME_SECOND_US)                     /* 0000-01-01 */
#define TIME_MAX_US    (INT64_C(253402300800) * TIME_SECOND_US - 1)                 /* the end of 9999 */

static char *time_put(char *out, uint64_t n, unsigned digits, char after)
{
	for (unsigned i = digits; i-- > 0; n /= 10)
		out[i] = (char)('0' + n % 10);
	out[digits] = after;
	return out + digits + 1;
}

void time_text(int64_t at_us, char out[TIME_TEXT_BYTES])
{
	at_us = at_us < TIME_MIN_US ? TIME_MIN_US : at_us > TIME_MAX_US ? TIME_MAX_US : at_us;
	int64_t day_us = CALENDAR_DAY_S * TIME_SECOND_US;
	int64_t days = at_us / day_us - (at_us % day_us < 0);
	uint64_t ms = (uint64_t)(at_us - days * day_us) / 1000;
	struct calendar_date date = calendar_date_of(days);
	out = time_put(out, (uint64_t)date.year, 4, '-');
	out = time_put(out, date.month, 2, '-');
	out = time_put(out, date.day, 2, 'T');
	out = time_put(out, ms / 3600000, 2, ':');
	out = time_put(out, ms / 60000 % 60, 2, ':');
	out = time_put(out, ms / 1000 % 60, 2, '.');
	out = time_put(out, ms % 1000, 3, 'Z');
	*out = '\0';
}

/* Takes exactly `digits` digits and then the byte `after` ('\0': none). */
static bool time_take(struct str *text, unsigned digits, char after, unsigned *out)
{
	unsigned n = 0;
	if (text->len < digits + (after != '\0'))
		return false;
	for (unsigned i = 0; i < digits; i++) {
		unsigned digit = (unsigned char)text->ptr[i] - (unsigned)'0';
		if (digit > 9)
			return false;
		n = n * 10 + digit;
	}
	if (after && text->ptr[digits] != after)
		return false;
	*text = str_from(*text, digits + (after != '\0'));
	*out = n;
	return true;
}

/* Nothing, or ".1" to ".123456789"; digits beyond microseconds are cut. */
static bool time_take_fraction(struct str *text, int64_t *out_us)
{
	*out_us = 0;
	if (text->len == 0 || text->ptr[0] != '.')
		return true;
	*text = str_from(*text, 1);
	unsigned taken = 0, digit;
	for (int64_t unit_us = 100000; taken < 9 && time_take(text, 1, '\0', &digit); unit_us /= 10, taken++)
		*out_us += digit * unit_us;
	return taken > 0;
}

static bool time_take_offset(struct str *text, int64_t *out_s) /* "Z", "z", "+02:00"; "-00:00" is UTC */
{
	if (text->len == 0)
		return false;
	char sign = text->ptr[0];
	*text = str_from(*text, 1);
	*out_s = 0;
	if (sign == 'Z' || sign == 'z')
		return true;
	unsigned hours, minutes;
	if ((sign != '+' && sign != '-') || !time_take(text, 2, ':', &hours) || !time_take(text, 2, '\0', &minutes))
		return false;
	*out_s = (int64_t)(hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
	return hours < 24 && minutes < 60;
}

static bool time_take_date(struct str *text, struct calendar_date *out)
{
	unsigned year;
	if (!time_take(text, 4, '-', &year) || !time_take(text, 2, '-', &out->month) ||
	    !time_take(text, 2, '\0', &out->day))
		return false;
	out->year = year;
	return out->month >= 1 && out->month <= 12 && out->day >= 1 && out->day <= calendar_month_days(year, out->month);
}

enum err time_parse(struct str text, int64_t *out_us)
{
	struct calendar_date date;
	unsigned hour, minute, second;
	int64_t fraction_us, offset_s;
	if (!time_take_date(&text, &date) || text.len == 0 || (text.ptr[0] | 0x20) != 't')
		return E_INVALID;
	text = str_from(text, 1);
	if (!time_take(&text, 2, ':', &hour) || !time_take(&text, 2, ':', &minute) ||
	    !time_take(&text, 2, '\0', &second))
		return E_INVALID;
	if (hour > 23 || minute > 59 || second > 60)
		return E_INVALID;
	if (!time_take_fraction(&text, &fraction_us) || !time_take_offset(&text, &offset_s) || text.len > 0)
		return E_INVALID;
	int64_t at_s = calendar_days_of(date) * CALENDAR_DAY_S + hour * 3600 + minute * 60 + second - offset_s;
	if (second == 60 && ((at_s % CALENDAR_DAY_S) + CALENDAR_DAY_S) % CALENDAR_DAY_S != 0) /* leap seconds end a UTC day */
		return E_INVALID;
	int64_t at_us = at_s * TIME_SECOND_US + fraction_us;
	if (at_us < 0 || at_us > TIME_MAX_US)
		return E_INVALID;
	*out_us = at_us;
	return E_OK;
}

struct duration_unit {
	const char *short_name, *name; /* as read, as written for people */
	int64_t ms;
};
static const struct duration_unit duration_units[] = { /* the largest first */
	{ "d", "d", 86400000 }, { "h", "h", 3600000 }, { "m", "min", 60000 }, { "s", "s", 1000 }, { "ms", "ms", 1 },
};

/* Takes a part, such as "30m"; units get smaller from part to part. */
static bool duration_take_part(struct str *text, size_t *unit, int64_t *total_ms)
{
	size_t digits = 0, letters = 0;
	while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9')
		digits++;
	struct str name = str_from(*text, digits);
	while (letters < name.len && name.ptr[letters] >= 'a' && name.ptr[letters] <= 'z')
		letters++;
	name.len = letters;
	uint64_t n;
	if (!str_u64((struct str){ text->ptr, digits }, &n) || n > INT64_MAX)
		return false;
	while (*unit < ARRAY_COUNT(duration_units) && !str_eq(name, str_of(duration_units[*unit].short_name)))
		++*unit;
	if (*unit == ARRAY_COUNT(duration_units))
		return false;
	int64_t part_ms;
	*text = str_from(*text, digits + letters);
	return !__builtin_mul_overflow((int64_t)n, duration_units[(*unit)++].ms, &part_ms) &&
	       !__builtin_add_overflow(*total_ms, part_ms, total_ms);
}

enum err duration_parse(struct str text, int64_t *out_ms)
{
	uint64_t plain_ms;
	if (str_u64(text, &plain_ms)) {
		if (plain_ms > INT64_MAX)
			return E_INVALID;
		*out_ms = (int64_t)plain_ms;
		return E_OK;
	}
	int64_t total_ms = 0;
	size_t unit = 0;
	if (text.len == 0)
		return E_INVALID;
	while (text.len)
		if (!duration_take_part(&text, &unit, &total_ms))
			return E_INVALID;
	*out_ms = total_ms;
	return E_OK;
}

static char *duration_put(char *out, uint64_t n, const char *unit)
{
	char digits[20];
	char *first = digits + sizeof(digits);
	do
		*--first = (char)('0' + n % 10);
	while (n /= 10);
	size_t len = (size_t)(digits + sizeof(digits) - first);
	memcpy(out, first, len);
	out[len] = ' ';
	return stpcpy(out + len + 1, unit);
}

/* 32 bytes hold the longest: "-106751991167 d 23 h". */
void duration_text(int64_t ms, char out[32])
{
	uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	if (ms < 0)
		*out++ = '-';
	size_t unit = 0;
	while (unit + 1 < ARRAY_COUNT(duration_units) && left < (uint64_t)duration_units[unit].ms)
		unit++;
	uint64_t unit_ms = (uint64_t)duration_units[unit].ms;
	out = duration_put(out, left / unit_ms, duration_units[unit].name);
	left %= unit_ms;
	if (++unit == ARRAY_COUNT(duration_units))
		return;
	/* Only the next unit: "1 h 5 s" would be an odd precision. */
	uint64_t second = left / (uint64_t)duration_units[unit].ms; // cppcheck-suppress arrayIndexOutOfBoundsCond
	if (second) {
		*out++ = ' ';
		duration_put(out, second, duration_units[unit].name);
	}
}
