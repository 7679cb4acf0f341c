/* src/rules/quoted_test.h: JSON that can be read in a C string: tests write ' where JSON has ". */
#pragma once
#include "base/arena.h"

static inline struct str quoted_str(struct arena *arena, struct str text)
{
	char *quoted = arena_alloc(arena, text.len + 1);
	for (size_t i = 0; i < text.len; i++)
		quoted[i] = text.ptr[i] == '\'' ? '"' : text.ptr[i];
	quoted[text.len] = '\0';
	return (struct str){ quoted, text.len };
}
static inline const char *quoted(struct arena *arena, const char *text)
{
	return quoted_str(arena, str_of(text)).ptr;
}
