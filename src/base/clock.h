/* src/base/clock.h: the machine's clocks. Only shells read them (loop, daemon, cli, deliver); rules and engine are given
 * instants. Microseconds. */
#pragma once
#include <stdint.h>

int64_t clock_wall_us(void); /* since 1970 UTC; may jump */
int64_t clock_boot_us(void); /* since boot, suspends included; never goes back */
int64_t clock_mono_us(void); /* for measuring spans */
