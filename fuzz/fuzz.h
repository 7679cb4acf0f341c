/* fuzz/fuzz.h: what a fuzz target is. CHECK states what must hold for any input. */
#pragma once
#include "base/check.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct str fuzz_str(const uint8_t *data, size_t size)
{
	return (struct str){ (const char *)data, size };
}
