/* src/store/conformance_priv.h: what the files of the one list of store tests share. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/suite.h"

#define assert_ok(call)            assert_string_equal(err_code(call), "ok")
#define assert_err(call, expected) assert_string_equal(err_code(call), err_code(expected))
#define assert_text(slice, text)                                               \
	do {                                                                   \
		struct str got_ = (slice);                                     \
		assert_int_equal(got_.len, strlen(text));                      \
		assert_memory_equal(got_.len ? got_.ptr : "", text, got_.len); \
	} while (0)

int conformance_webhooks(struct factory *factory); /* conformance_webhooks.c: how many failed */
