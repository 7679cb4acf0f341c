/* src/base/mem.h: the one door to the system's memory. Whatever a client's input sizes is asked for here, and its NULL is
 * handled. In tests the door can be told to refuse, so that every allocation of a path can be made to fail, one by one:
 *
 *     for (uint64_t n = 1; ; n++) { mem_fail_after(n, MEM_FAIL_ONE); run(); if (!mem_fail_disarm()) break; }
 *
 * Unarmed, it costs one predictable branch. */
#pragma once
#include "base/str.h"

MUST_USE void *mem_alloc(size_t bytes);  /* not zeroed; NULL when there is none; mem_alloc(0) is not NULL */
MUST_USE void *mem_zalloc(size_t bytes); /* zeroed */
MUST_USE void *mem_zalloc_array(size_t count, size_t item_bytes); /* zeroed; NULL on overflow too */
MUST_USE void *mem_realloc(void *ptr, size_t bytes); /* on NULL, ptr is as it was */
void mem_free(void *ptr);                            /* NULL is fine */

enum mem_fail { MEM_FAIL_ONE, MEM_FAIL_ALL };
/* Arms the door: the nth allocation from now on (counted from 1) fails, alone or with all that follow. For tests. */
void mem_fail_after(uint64_t nth, enum mem_fail how);
bool mem_fail_disarm(void); /* true if an allocation was refused since mem_fail_after */
