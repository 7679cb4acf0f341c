#include "rules/cron.h"
#include "base/calendar.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/suggest.h"

/* ---- fields ---- */

enum cron_kind { CRON_SECOND, CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_FIELDS };
struct cron_field {
	const char *name;
	unsigned min, max;
	const char *words; /* three letters each, for min, min + 1, …; NULL: digits only */
};
static const struct cron_field cron_fields[CRON_FIELDS] = {
	[CRON_SECOND] = { "second", 0, 59, NULL },
	[CRON_MINUTE] = { "minute", 0, 59, NULL },
	[CRON_HOUR] = { "hour", 0, 23, NULL },
	[CRON_DAY] = { "day of month", 1, 31, NULL },
	[CRON_MONTH] = { "month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC" },
	[CRON_WEEKDAY] = { "day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT" },
};

static const struct {
	const char *alias, *meaning;
} cron_aliases[] = {
	{ "@yearly", "0 0 0 1 1 *" },    { "@annually", "0 0 0 1 1 *" },    { "@monthly", "0 0 0 1 * *" },
	{ "@weekly", "0 0 0 * * 0" },    { "@daily", "0 0 0 * * *" },       { "@midnight", "0 0 0 * * *" },
	{ "@hourly", "0 0 * * * *" },    { "@minutely", "0 * * * * *" },    { "@secondly", "* * * * * *" },
	{ "@weekdays", "0 0 0 * * 1-5" }, { "@weekends", "0 0 0 * * 0,6" },
};

/* ---- reading ---- */

struct cron_reader {
	enum cron_kind kind;
	struct str part, rest; /* what stands between two commas, and what of it is still to be read */
	uint32_t roll;         /* the field's dice */
	uint64_t values;       /* of the field, gathered */
	struct cron cron;
	struct problem *problem;
};

#define CRON_REFUSE(reader, format, ...) \
	(problem_set((reader)->problem, E_INVALID, "pattern", "%s: " format, cron_fields[(reader)->kind].name, __VA_ARGS__), false)

static char cron_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

static bool cron_is(const struct cron_reader *reader, char c)
{
	return reader->rest.len > 0 && cron_upper(reader->rest.ptr[0]) == c;
}

static bool cron_take(struct cron_reader *reader, char c)
{
	if (!cron_is(reader, c))
		return false;
	reader->rest = str_from(reader->rest, 1);
	return true;
}

static bool cron_refuse_part(const struct cron_reader *reader)
{
	if (reader->part.len == 0)
		return CRON_REFUSE(reader, "%s", "a comma has nothing before or after it.");
	return CRON_REFUSE(reader, "\"" STR_FMT "\" is not understood; write for example %s.", STR_ARG(str_cut(reader->part, 40)),
			   (const char *const[CRON_FIELDS]){ "0, 0-30/5 or */10", "0, 0-30/5 or */10", "9, 9-17/2 or */6", "1, 1-15, L, LW or 15W",
							    "1, JAN-MAR or */3", "1, MON-FRI, 5L or MON#2" }[reader->kind]);
}

/* Digits; what is too long to be anything reads as a large number. */
static bool cron_take_number(struct cron_reader *reader, unsigned *out)
{
	unsigned n = 0;
	size_t taken = 0;
	for (; taken < reader->rest.len && reader->rest.ptr[taken] >= '0' && reader->rest.ptr[taken] <= '9'; taken++)
		n = n < 100000 ? n * 10 + (unsigned)(reader->rest.ptr[taken] - '0') : n;
	reader->rest = str_from(reader->rest, taken);
	*out = n;
	return taken > 0;
}

static bool cron_take_word(struct cron_reader *reader, unsigned *out)
{
	const struct cron_field *field = &cron_fields[reader->kind];
	for (const char *word = field->words; word && *word; word += 3) {
		if (reader->rest.len < 3 || !str_eq_nocase((struct str){ reader->rest.ptr, 3 }, (struct str){ word, 3 }))
			continue;
		reader->rest = str_from(reader->rest, 3);
		*out = field->min + (unsigned)(word - field->words) / 3;
		return true;
	}
	return false;
}

static bool cron_read_value(struct cron_reader *reader, unsigned *out)
{
	const struct cron_field *field = &cron_fields[reader->kind];
	if (cron_take_word(reader, out))
		return true;
	if (!cron_take_number(reader, out))
		return cron_refuse_part(reader);
	if (*out < field->min || *out > field->max)
		return CRON_REFUSE(reader, "%u is out of %u–%u.", *out, field->min, field->max);
	return true;
}

static bool cron_read_step(struct cron_reader *reader, unsigned *out)
{
	if (!cron_take_number(reader, out))
		return CRON_REFUSE(reader, "\"" STR_FMT "\" needs a number after the slash.", STR_ARG(str_cut(reader->part, 40)));
	if (*out == 0)
		return CRON_REFUSE(reader, "%s", "a step of 0 leads nowhere; it is 1 or more.");
	return true;
}

static bool cron_read_end(const struct cron_reader *reader)
{
	return reader->rest.len == 0 || cron_refuse_part(reader);
}

static void cron_add(struct cron_reader *reader, unsigned from, unsigned to, unsigned step)
{
	for (unsigned n = from; n <= to; n += step)
		reader->values |= UINT64_C(1) << n;
}

/* "5#3", "*#2": the day has been read, the "#" not yet. */
static bool cron_read_nth(struct cron_reader *reader, unsigned from, unsigned to)
{
	unsigned n;
	reader->rest = str_from(reader->rest, 1);
	if (!cron_take_number(reader, &n))
		return cron_refuse_part(reader);
	if (n < 1 || n > 5)
		return CRON_REFUSE(reader, "a month has no week %u: after # comes 1 to 5.", n);
	for (unsigned day = from; day <= to; day++)
		reader->cron.nth_weekdays |= UINT64_C(1) << (8 * n + day % 7);
	return cron_read_end(reader);
}

/* "L", "LW", "15W" */
static bool cron_is_day_word(struct str part)
{
	return part.len > 0 && (cron_upper(part.ptr[0]) == 'L' || cron_upper(part.ptr[part.len - 1]) == 'W');
}

static bool cron_read_day_word(struct cron_reader *reader)
{
	unsigned day = 0; /* the last */
	bool last = cron_take(reader, 'L');
	if (!last && !cron_read_value(reader, &day))
		return false;
	if (cron_take(reader, 'W') || !last)
		reader->cron.working_days |= 1u << day;
	else
		reader->cron.days |= 1;
	return cron_read_end(reader);
}

static bool cron_check_order(const struct cron_reader *reader, unsigned from, unsigned to)
{
	return from <= to || CRON_REFUSE(reader, "%u-%u runs backwards; write two parts with a comma between.", from, to);
}

/* "*", "5", "1-5", with a step or without; "5L" and "5#3" in the day of week. */
static bool cron_read_range(struct cron_reader *reader)
{
	unsigned from = cron_fields[reader->kind].min, to = cron_fields[reader->kind].max, step = 1;
	bool any = cron_take(reader, '*') || cron_take(reader, '?'), one = false;
	if (!any) {
		if (!cron_read_value(reader, &from))
			return false;
		one = !cron_take(reader, '-');
		to = from;
		if (!one && (!cron_read_value(reader, &to) || !cron_check_order(reader, from, to)))
			return false;
	}
	if (reader->kind == CRON_WEEKDAY && (any || one) && cron_is(reader, '#'))
		return cron_read_nth(reader, from, to);
	if (reader->kind == CRON_WEEKDAY && one && cron_take(reader, 'L')) {
		reader->cron.last_weekdays |= (uint8_t)(1u << from % 7);
		return cron_read_end(reader);
	}
	if (cron_take(reader, '/')) {
		if (!cron_read_step(reader, &step))
			return false;
		to = one ? cron_fields[reader->kind].max : to;
	}
	if (!cron_read_end(reader))
		return false;
	cron_add(reader, from, to, step);
	return true;
}

static unsigned cron_pick(uint32_t roll, unsigned from, unsigned to)
{
	return from + (unsigned)((uint64_t)roll * (to - from + 1) >> 32);
}

static bool cron_read_hash_range(struct cron_reader *reader, unsigned *from, unsigned *to)
{
	if (!cron_take(reader, '('))
		return true;
	if (!cron_read_value(reader, from))
		return false;
	if (!cron_take(reader, '-'))
		return cron_refuse_part(reader);
	if (!cron_read_value(reader, to))
		return false;
	return cron_take(reader, ')') ? cron_check_order(reader, *from, *to) : cron_refuse_part(reader);
}

/* "H", "H(9-17)", "H/15", "H(9-17)/2". Steps stand where multiples of the step would, moved by the dice; a step too wide for its range leaves
 * one value, also chosen. */
static bool cron_read_hash(struct cron_reader *reader)
{
	unsigned from = cron_fields[reader->kind].min, to = cron_fields[reader->kind].max, step = 0;
	reader->rest = str_from(reader->rest, 1);
	if (!cron_read_hash_range(reader, &from, &to))
		return false;
	if (cron_take(reader, '/') && !cron_read_step(reader, &step))
		return false;
	unsigned first = cron_pick(reader->roll, from, to);
	if (reader->kind == CRON_WEEKDAY && step == 0 && cron_is(reader, '#'))
		return cron_read_nth(reader, first, first);
	if (!cron_read_end(reader))
		return false;
	if (step) {
		unsigned moved = from / step * step + cron_pick(reader->roll, 0, step - 1);
		moved += moved < from ? step : 0;
		if (moved <= to) {
			cron_add(reader, moved, to, step);
			return true;
		}
	}
	cron_add(reader, first, first, 1);
	return true;
}

static bool cron_read_part(struct cron_reader *reader)
{
	if (cron_is(reader, 'H'))
		return cron_read_hash(reader);
	if (reader->kind == CRON_DAY && cron_is_day_word(reader->part))
		return cron_read_day_word(reader);
	if (reader->kind == CRON_WEEKDAY && cron_is(reader, 'L'))
		return CRON_REFUSE(reader, "%s", "L needs its day before it: 5L is the month's last Friday.");
	return cron_read_range(reader);
}

static bool cron_is_any(struct str field)
{
	return str_eq(field, STR("*")) || str_eq(field, STR("?"));
}

static void cron_keep(struct cron_reader *reader, struct str field)
{
	struct cron *cron = &reader->cron;
	switch (reader->kind) {
	case CRON_SECOND:
		cron->seconds = reader->values;
		return;
	case CRON_MINUTE:
		cron->minutes = reader->values;
		return;
	case CRON_HOUR:
		cron->hours = (uint32_t)reader->values;
		return;
	case CRON_DAY:
		cron->days |= (uint32_t)reader->values;
		cron->any_day = cron_is_any(field);
		return;
	case CRON_MONTH:
		cron->months = (uint16_t)reader->values;
		return;
	case CRON_WEEKDAY:
		cron->weekdays = (uint8_t)((reader->values | reader->values >> 7) & 0x7f); /* 7 is Sunday, too */
		cron->any_weekday = cron_is_any(field);
		return;
	case CRON_FIELDS:
		break;
	}
	UNREACHABLE();
}

static bool cron_read_field(struct cron_reader *reader, enum cron_kind kind, struct str field, uint32_t roll)
{
	reader->kind = kind;
	reader->roll = roll;
	reader->values = 0;
	for (struct str left = field;;) {
		size_t comma = str_index(left, ',');
		reader->part = reader->rest = (struct str){ left.ptr, comma };
		if (!cron_read_part(reader))
			return false;
		if (comma == left.len)
			break;
		left = str_from(left, comma + 1);
	}
	cron_keep(reader, field);
	return true;
}

/* ---- the dice of H: FNV-1a over the seed, then mulberry32, one roll a field ---- */

static uint32_t cron_seed(struct str seed)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < seed.len; i++)
		hash = (hash ^ (unsigned char)seed.ptr[i]) * 16777619u;
	return hash;
}

static uint32_t cron_roll(uint32_t *state)
{
	uint32_t n = *state += 0x6d2b79f5u;
	n = (n ^ n >> 15) * (n | 1);
	n ^= n + (n ^ n >> 7) * (n | 61);
	return n ^ n >> 14;
}

/* ---- the whole text ---- */

static bool cron_is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The words of the text, but not more than `max`. */
static size_t cron_split(struct str text, struct str *words, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < text.len && count < max;) {
		size_t begin = i;
		while (i < text.len && !cron_is_blank(text.ptr[i]))
			i++;
		if (i > begin)
			words[count++] = (struct str){ text.ptr + begin, i - begin };
		else
			i++;
	}
	return count;
}

static enum err cron_find_alias(struct str alias, struct str *out, struct problem *problem)
{
	struct suggest suggest;
	suggest_init(&suggest, alias);
	for (size_t i = 0; i < ARRAY_COUNT(cron_aliases); i++) {
		if (str_eq_nocase(alias, str_of(cron_aliases[i].alias))) {
			*out = str_of(cron_aliases[i].meaning);
			return E_OK;
		}
		suggest_offer(&suggest, cron_aliases[i].alias);
	}
	const char *best = suggest_best(&suggest);
	if (best)
		return problem_set(problem, E_INVALID, "pattern", "There is no \"" STR_FMT "\"; did you mean %s?", STR_ARG(str_cut(alias, 40)), best);
	return problem_set(problem, E_INVALID, "pattern",
			   "There is no \"" STR_FMT "\"; there are @yearly, @monthly, @weekly, @daily, @hourly, @minutely, @weekdays and more.",
			   STR_ARG(str_cut(alias, 40)));
}

/* "30 February" is a slip: nobody wants what never comes. What the day of week allows may come nevertheless. */
static bool cron_check_days(struct cron_reader *reader)
{
	const struct cron *cron = &reader->cron;
	uint32_t days = cron->days | cron->working_days;
	unsigned longest = 0;
	if (!cron->any_weekday || days & 1)
		return true;
	for (unsigned month = 1; month <= 12; month++) /* of 2000, which has a 29 February */
		if (cron->months >> month & 1 && calendar_month_days(2000, month) > longest)
			longest = calendar_month_days(2000, month);
	unsigned first = (unsigned)__builtin_ctz(days);
	reader->kind = CRON_DAY;
	return first <= longest || CRON_REFUSE(reader, "%u never comes in the months chosen.", first);
}

static enum err cron_check_text(struct str text, struct problem *problem)
{
	if (text.len > LIMIT_CRON_BYTES)
		return problem_set(problem, E_INVALID, "pattern", "A cron expression has at most %d bytes; this one has %zu.", LIMIT_CRON_BYTES, text.len);
	return E_OK;
}

enum err cron_parse(struct str text, struct str seed, struct cron *out, struct problem *problem)
{
	struct cron_reader reader = { .problem = problem };
	struct str words[CRON_FIELDS + 1], fields[CRON_FIELDS] = { [CRON_SECOND] = STR("0") };
	size_t count = cron_split(text, words, ARRAY_COUNT(words));
	enum err err = cron_check_text(text, problem);
	if (!err && count == 1 && words[0].ptr[0] == '@') {
		err = cron_find_alias(words[0], &text, problem);
		count = err ? 0 : cron_split(text, words, ARRAY_COUNT(words));
	}
	if (err)
		return err;
	if (count != CRON_FIELDS && count != CRON_FIELDS - 1)
		return problem_set(problem, E_INVALID, "pattern",
				   "A cron expression has five fields (minute, hour, day of month, month, day of week) or six (second first);"
				   " this one has %s%zu.", count > CRON_FIELDS ? "more than " : "", count > CRON_FIELDS ? (size_t)CRON_FIELDS : count);
	memcpy(fields + (CRON_FIELDS - count), words, count * sizeof(words[0]));

	/* In the order in which cron-parser reads, and rolls. */
	static const enum cron_kind order[] = { CRON_SECOND, CRON_MINUTE, CRON_HOUR, CRON_MONTH, CRON_DAY, CRON_WEEKDAY };
	uint32_t dice = cron_seed(seed);
	for (size_t i = 0; i < ARRAY_COUNT(order); i++)
		if (!cron_read_field(&reader, order[i], fields[order[i]], cron_roll(&dice)))
			return E_INVALID;
	if (!cron_check_days(&reader))
		return E_INVALID;
	*out = reader.cron;
	return E_OK;
}

/* ---- days ---- */

#define CRON_NONE 64u

/* The first bit at or above `from`, or CRON_NONE. */
static unsigned cron_bit_from(uint64_t bits, unsigned from)
{
	uint64_t left = from < 64 ? bits >> from : 0;
	return left ? from + (unsigned)__builtin_ctzll(left) : CRON_NONE;
}

struct cron_month {
	unsigned length;
	unsigned first_weekday; /* of its 1st */
};

static unsigned cron_weekday(struct cron_month month, unsigned day)
{
	return (month.first_weekday + day - 1) % 7;
}

/* Of Monday to Friday, the one nearest to the day within the month; never more than two days away. */
static unsigned cron_working_day(struct cron_month month, unsigned day)
{
	switch (cron_weekday(month, day)) {
	case 6:
		return day > 1 ? day - 1 : day + 2;
	case 0:
		return day < month.length ? day + 1 : day - 2;
	default:
		return day;
	}
}

static uint32_t cron_days_by_day(const struct cron *cron, struct cron_month month)
{
	uint32_t days = cron->days & ~1u;
	if (cron->days & 1)
		days |= 1u << month.length;
	for (unsigned day = 0; (day = cron_bit_from(cron->working_days, day)) <= month.length; day++) {
		if (day)
			days |= 1u << cron_working_day(month, day);
		else if (cron_weekday(month, month.length) % 6)
			days |= 1u << month.length;
		else
			days |= 1u << (month.length - 1 - (cron_weekday(month, month.length) == 0));
	}
	return days;
}

static uint32_t cron_days_by_weekday(const struct cron *cron, struct cron_month month)
{
	uint32_t days = 0;
	for (unsigned day = 1; day <= month.length; day++) {
		unsigned weekday = cron_weekday(month, day), nth = (day - 1) / 7 + 1;
		bool fits = cron->weekdays >> weekday & 1 || cron->nth_weekdays >> (8 * nth + weekday) & 1;
		if (fits || (day + 7 > month.length && cron->last_weekdays >> weekday & 1))
			days |= 1u << day;
	}
	return days;
}

/* Bit n: the month's n-th day fits. */
static uint32_t cron_days(const struct cron *cron, struct calendar_date date)
{
	if (!(cron->months >> date.month & 1))
		return 0;
	int64_t first = calendar_days_of((struct calendar_date){ .year = date.year, .month = date.month, .day = 1 });
	struct cron_month month = { .length = calendar_month_days(date.year, date.month), .first_weekday = calendar_weekday(first) };
	uint32_t days = 0;
	if (!cron->any_day || cron->any_weekday)
		days |= cron_days_by_day(cron, month);
	if (!cron->any_weekday)
		days |= cron_days_by_weekday(cron, month);
	return days & (uint32_t)((UINT64_C(2) << month.length) - 1);
}

/* ---- local time ---- */

/* The first second of the day at or after from_s that fits, or -1. */
static int64_t cron_second_of_day(const struct cron *cron, unsigned from_s)
{
	unsigned hour = from_s / 3600, minute = from_s / 60 % 60, second = from_s % 60;
	for (;;) {
		unsigned next = cron_bit_from(cron->hours, hour);
		if (next == CRON_NONE)
			return -1;
		if (next != hour)
			minute = second = 0;
		hour = next;
		next = cron_bit_from(cron->minutes, minute);
		if (next == CRON_NONE) {
			hour++;
			minute = second = 0;
			continue;
		}
		if (next != minute)
			second = 0;
		minute = next;
		next = cron_bit_from(cron->seconds, second);
		if (next != CRON_NONE)
			return hour * 3600 + minute * 60 + next;
		minute++; /* 60 has no bit: the next round turns to the next hour */
		second = 0;
	}
}

/* The first local second in from_s <= second < until_s that fits; false when there is none. */
static bool cron_local(const struct cron *cron, int64_t from_s, int64_t until_s, int64_t *out_s)
{
	int64_t days = calendar_days_of_seconds(from_s);
	unsigned second = (unsigned)(from_s - days * CALENDAR_DAY_S);
	struct calendar_date date = calendar_date_of(days);
	while (days * CALENDAR_DAY_S < until_s) {
		unsigned day = cron_bit_from(cron_days(cron, date), date.day);
		if (day == CRON_NONE) {
			date = (struct calendar_date){ .year = date.year + date.month / 12, .month = date.month % 12 + 1, .day = 1 };
			days = calendar_days_of(date);
			second = 0;
			continue;
		}
		if (day != date.day)
			second = 0;
		days += day - date.day;
		date.day = day;
		int64_t found = cron_second_of_day(cron, second);
		if (found >= 0) {
			*out_s = days * CALENDAR_DAY_S + found;
			return *out_s < until_s;
		}
		days++;
		date.day++; /* the 32nd has no bit: the next round turns to the next month */
		second = 0;
	}
	return false;
}

/* ---- instants ---- */

#define CRON_SECOND_US INT64_C(1000000)
#define CRON_HORIZON_S (INT64_C(36525) * CALENDAR_DAY_S) /* 29 February on a Monday may take 40 years */
#define CRON_ALL_HOURS 0xffffffu

/* The first instant at or after at_s within the stretch that holds it; INT64_MAX when there is none. */
static int64_t cron_within(const struct cron *cron, struct cron_policy policy, const struct zone *zone, struct zone_span span, int64_t at_s)
{
	int64_t found, first = INT64_MAX, local = at_s + span.offset_s;
	if (span.from_s != INT64_MIN && cron->hours != CRON_ALL_HOURS) {
		int32_t before_s = zone->span(zone, span.from_s - 1).offset_s;
		int64_t skipped = span.from_s + before_s; /* what the clocks would have shown at the stretch's begin */
		if (before_s < span.offset_s && policy.gap == CRON_GAP_SHIFT &&
		    cron_local(cron, at_s + before_s, skipped + (span.offset_s - before_s), &found))
			first = found - before_s;
		if (before_s > span.offset_s && policy.fold == CRON_FOLD_ONCE && local < skipped)
			local = skipped; /* up to there it is the second pass */
	}
	if (cron_local(cron, local, span.until_s + span.offset_s, &found) && found - span.offset_s < first)
		first = found - span.offset_s;
	return first;
}

bool cron_next(const struct cron *cron, struct cron_policy policy, const struct zone *zone, int64_t after_us, int64_t *out_us)
{
	int64_t at_s = after_us / CRON_SECOND_US - (after_us % CRON_SECOND_US < 0) + 1, horizon_s = at_s + CRON_HORIZON_S;
	while (at_s < horizon_s) {
		struct zone_span span = zone->span(zone, at_s);
		CHECK(span.from_s <= at_s);
		CHECK(span.until_s > at_s);
		if (span.until_s > horizon_s)
			span.until_s = horizon_s;
		int64_t found_s = cron_within(cron, policy, zone, span, at_s);
		if (found_s != INT64_MAX)
			return !__builtin_mul_overflow(found_s, CRON_SECOND_US, out_us);
		at_s = span.until_s;
	}
	return false;
}
