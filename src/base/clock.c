#include "base/clock.h"
#include "base/check.h"
#include <time.h>

static int64_t clock_read_us(clockid_t id)
{
	struct timespec at;
	int failed = clock_gettime(id, &at);
	CHECK(!failed);
	return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

int64_t clock_boot_us(void)
{
	return clock_read_us(CLOCK_BOOTTIME);
}

int64_t clock_mono_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}
