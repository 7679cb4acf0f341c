/* src/base/calendar.h: dates of the Gregorian calendar, without clock and zone, before 1970 and far beyond as well. Pure. */
#pragma once
#include <stdint.h>

#define CALENDAR_DAY_S INT64_C(86400)

struct calendar_date {
	int64_t year;
	unsigned month, day; /* 1..12, 1..31 */
};

/* Days since 1970-01-01 to a date and back. */
struct calendar_date calendar_date_of(int64_t days);
int64_t calendar_days_of(struct calendar_date date);
unsigned calendar_month_days(int64_t year, unsigned month); /* 28 to 31 */
unsigned calendar_weekday(int64_t days);                    /* 0 is Sunday */
/* Seconds since 1970-01-01 to whole days, rounded towards the past. */
int64_t calendar_days_of_seconds(int64_t at_s);
