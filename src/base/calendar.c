#include "base/calendar.h"
#include <stdbool.h>

/* Years begin in March, so that the leap day is a year's last, and are counted in eras of 400 years, which all have
 * 146,097 days. */
struct calendar_date calendar_date_of(int64_t days)
{
	days += 719468; /* from 0000-03-01 */
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;
	unsigned day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	unsigned month = (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	return (struct calendar_date){ .year = year_of_era + era * 400 + (month <= 2), .month = month, .day = day };
}

int64_t calendar_days_of(struct calendar_date date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t month_from_march = date.month > 2 ? date.month - 3 : date.month + 9;
	int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

unsigned calendar_month_days(int64_t year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (unsigned)(month == 2 && leap);
}

unsigned calendar_weekday(int64_t days)
{
	return (unsigned)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

int64_t calendar_days_of_seconds(int64_t at_s)
{
	return at_s / CALENDAR_DAY_S - (at_s % CALENDAR_DAY_S < 0);
}
