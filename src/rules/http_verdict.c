#include "rules/http_verdict.h"
#include "base/check.h"
#include "base/time_text.h"

#define HTTP_RETRY_AFTER_MAX_S INT64_C(86400)

struct http_class_traits {
	const char *code;
	bool again;
};
#define X(name, text, retried) [HTTP_CLASS_##name] = { text, retried },
static const struct http_class_traits http_classes[HTTP_CLASS_COUNT] = { HTTP_CLASSES(X) };
#undef X

const char *http_class_code(enum http_class http_class)
{
	CHECK(http_class < HTTP_CLASS_COUNT);
	return http_classes[http_class].code;
}

static bool http_ranges_hold(const struct http_range *ranges, int status)
{
	for (unsigned i = 0; i < HTTP_STATUS_RANGES && ranges[i].from; i++)
		if (status >= ranges[i].from && status <= ranges[i].to)
			return true;
	return false;
}

enum http_class http_class_of_status(const struct http_policy *policy, int status)
{
	bool own_success = policy->success[0].from != 0;
	if (own_success ? http_ranges_hold(policy->success, status) : status >= 200 && status <= 299)
		return HTTP_CLASS_OK;
	if (status == 408 || status == 425 || status == 429)
		return HTTP_CLASS_STATUS_BUSY;
	switch (status / 100) {
	case 3: return HTTP_CLASS_REDIRECT;
	case 4: return HTTP_CLASS_STATUS_4XX;
	case 5: return HTTP_CLASS_STATUS_5XX;
	default: return HTTP_CLASS_STATUS_OTHER;
	}
}

static bool http_class_has_status(enum http_class http_class)
{
	return http_class == HTTP_CLASS_REDIRECT || http_class == HTTP_CLASS_STATUS_4XX || http_class == HTTP_CLASS_STATUS_BUSY ||
	       http_class == HTTP_CLASS_STATUS_5XX || http_class == HTTP_CLASS_STATUS_OTHER;
}

bool http_class_retries(const struct http_policy *policy, enum http_class http_class, int status)
{
	CHECK(http_class < HTTP_CLASS_COUNT);
	if (http_class_has_status(http_class)) {
		if (http_ranges_hold(policy->final, status))
			return false;
		if (http_ranges_hold(policy->retry, status))
			return true;
	}
	return http_classes[http_class].again;
}

/* ---- Retry-After ---- */

struct http_date {
	unsigned year, month, day, hour, minute, second;
};

static const char *const http_days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
static const char *const http_long_days[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" };
static const char *const http_months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static bool http_take(struct str *text, struct str literal)
{
	if (!str_starts(*text, literal))
		return false;
	*text = str_from(*text, literal.len);
	return true;
}

/* The place of one of `words` at the start of the text, counted from 1. */
static bool http_take_word(struct str *text, const char *const *words, unsigned count, unsigned *out)
{
	for (unsigned i = 0; i < count; i++) {
		if (http_take(text, str_of(words[i]))) {
			*out = i + 1;
			return true;
		}
	}
	return false;
}

static bool http_take_digits(struct str *text, unsigned digits, unsigned *out)
{
	uint64_t n;
	if (text->len < digits || !str_u64((struct str){ text->ptr, digits }, &n))
		return false;
	*text = str_from(*text, digits);
	*out = (unsigned)n;
	return true;
}

static bool http_take_clock(struct str *text, struct http_date *out) /* "08:49:37" */
{
	return http_take_digits(text, 2, &out->hour) && http_take(text, STR(":")) && http_take_digits(text, 2, &out->minute) &&
	       http_take(text, STR(":")) && http_take_digits(text, 2, &out->second);
}

static bool http_take_month(struct str *text, struct http_date *out)
{
	return http_take_word(text, http_months, ARRAY_COUNT(http_months), &out->month);
}

static bool http_date_fixed(struct str text, struct http_date *out) /* IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT" */
{
	unsigned day;
	return http_take_word(&text, http_days, ARRAY_COUNT(http_days), &day) && http_take(&text, STR(", ")) &&
	       http_take_digits(&text, 2, &out->day) && http_take(&text, STR(" ")) && http_take_month(&text, out) &&
	       http_take(&text, STR(" ")) && http_take_digits(&text, 4, &out->year) && http_take(&text, STR(" ")) &&
	       http_take_clock(&text, out) && str_eq(text, STR(" GMT"));
}

static bool http_date_rfc850(struct str text, int64_t now_us, struct http_date *out) /* "Sunday, 06-Nov-94 08:49:37 GMT" */
{
	unsigned day;
	if (!http_take_word(&text, http_long_days, ARRAY_COUNT(http_long_days), &day) || !http_take(&text, STR(", ")) ||
	    !http_take_digits(&text, 2, &out->day) || !http_take(&text, STR("-")) || !http_take_month(&text, out) ||
	    !http_take(&text, STR("-")) || !http_take_digits(&text, 2, &out->year) || !http_take(&text, STR(" ")) ||
	    !http_take_clock(&text, out) || !str_eq(text, STR(" GMT")))
		return false;
	/* The year with these last digits that is at most 50 years ahead. */
	char now[TIME_TEXT_BYTES];
	uint64_t latest = 0;
	time_text(now_us, now);
	if (!str_u64((struct str){ now, 4 }, &latest))
		return false;
	latest += 50;
	out->year = (unsigned)(latest - (latest + 100 - out->year) % 100);
	return true;
}

static bool http_date_asctime(struct str text, struct http_date *out) /* "Sun Nov  6 08:49:37 1994" */
{
	unsigned day;
	if (!http_take_word(&text, http_days, ARRAY_COUNT(http_days), &day) || !http_take(&text, STR(" ")) ||
	    !http_take_month(&text, out) || !http_take(&text, STR(" ")))
		return false;
	bool short_day = http_take(&text, STR(" "));
	return http_take_digits(&text, short_day ? 1 : 2, &out->day) && http_take(&text, STR(" ")) && http_take_clock(&text, out) &&
	       http_take(&text, STR(" ")) && http_take_digits(&text, 4, &out->year) && text.len == 0;
}

static char *http_put_digits(char *out, unsigned n, unsigned digits, char after)
{
	for (unsigned i = digits; i-- > 0; n /= 10)
		out[i] = (char)('0' + n % 10);
	out[digits] = after;
	return out + digits + 1;
}

/* The calendar is time_parse's business. A date before 1970 is merely past. */
static bool http_date_instant(const struct http_date *date, int64_t *out_us)
{
	char text[sizeof("1994-11-06T08:49:37Z")], *next = text;
	bool early = date->year < 1970;
	next = http_put_digits(next, early ? 1972 : date->year, 4, '-'); /* 1972: has a 29 February */
	next = http_put_digits(next, date->month, 2, '-');
	next = http_put_digits(next, date->day, 2, 'T');
	next = http_put_digits(next, date->hour, 2, ':');
	next = http_put_digits(next, date->minute, 2, ':');
	next = http_put_digits(next, date->second, 2, 'Z');
	if (time_parse((struct str){ text, (size_t)(next - text) }, out_us))
		return false;
	if (early)
		*out_us = 0;
	return true;
}

static bool http_is_digits(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	return text.len > 0;
}

int64_t http_retry_after_us(struct str value, int64_t now_us)
{
	const int64_t max_us = HTTP_RETRY_AFTER_MAX_S * 1000000;
	struct str text = str_trim(value);
	struct http_date date;
	uint64_t seconds;
	int64_t at_us;
	if (http_is_digits(text)) /* more than 64 bits of seconds is a long time, not a mistake */
		return str_u64(text, &seconds) && seconds < (uint64_t)HTTP_RETRY_AFTER_MAX_S ? (int64_t)seconds * 1000000 : max_us;
	if (!http_date_fixed(text, &date) && !http_date_rfc850(text, now_us, &date) && !http_date_asctime(text, &date))
		return -1;
	if (!http_date_instant(&date, &at_us))
		return -1;
	int64_t wait_us = at_us > now_us ? at_us - now_us : 0;
	return wait_us < max_us ? wait_us : max_us;
}
