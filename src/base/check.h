/* src/base/check.h: CHECK states what must be true. It stays on in release builds: a false one is a bug in ruche, and the
 * process reports it and ends rather than go on with a broken invariant. One condition per CHECK. */
#pragma once

#ifdef RUCHE_LIBRARY /* libruche lives in other people's processes and never ends one: what would be a bug is passed over there */
#define CHECK(condition) ((void)(condition))
#define UNREACHABLE()    __builtin_unreachable()
#else
#define CHECK(condition)                                                  \
	do {                                                              \
		if (__builtin_expect(!(condition), 0))                    \
			check_failed(#condition, __FILE__, __LINE__);     \
	} while (0)
#define UNREACHABLE() check_failed("unreachable", __FILE__, __LINE__)
#endif

_Noreturn void check_failed(const char *condition, const char *file, int line);

/* Called once with the text of the failed check before abort(), e.g. to print a ring of recent events. NULL: none. */
void check_on_failure(void (*report)(const char *text));
