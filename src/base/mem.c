#include "base/mem.h"
#include <stdatomic.h>
#include <stdlib.h>

/* Atomic, since a test may arm the door while another thread allocates. */
static _Atomic bool mem_armed;
static _Atomic bool mem_fail_all;
static _Atomic uint64_t mem_until_failure;
static _Atomic bool mem_refused;

static bool mem_refuses(void)
{
	uint64_t left = atomic_load(&mem_until_failure);
	while (left > 0 && !atomic_compare_exchange_weak(&mem_until_failure, &left, left - 1))
		;
	bool refused = left == 1 || (left == 0 && atomic_load(&mem_fail_all));
	if (refused)
		atomic_store(&mem_refused, true);
	return refused;
}

static inline bool mem_refuses_if_armed(void)
{
	return __builtin_expect(atomic_load_explicit(&mem_armed, memory_order_relaxed), 0) && mem_refuses();
}

void *mem_alloc(size_t bytes)
{
	return mem_refuses_if_armed() ? NULL : malloc(bytes ? bytes : 1);
}

void *mem_zalloc(size_t bytes)
{
	return mem_zalloc_array(1, bytes);
}

void *mem_zalloc_array(size_t count, size_t item_bytes)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, item_bytes, &bytes) || mem_refuses_if_armed())
		return NULL;
	return calloc(1, bytes ? bytes : 1);
}

void *mem_realloc(void *ptr, size_t bytes)
{
	return mem_refuses_if_armed() ? NULL : realloc(ptr, bytes ? bytes : 1);
}

void mem_free(void *ptr)
{
	free(ptr);
}

void mem_fail_after(uint64_t nth, enum mem_fail how)
{
	atomic_store(&mem_fail_all, how == MEM_FAIL_ALL);
	atomic_store(&mem_until_failure, nth);
	atomic_store(&mem_refused, false);
	atomic_store(&mem_armed, nth > 0);
}

bool mem_fail_disarm(void)
{
	atomic_store(&mem_armed, false);
	return atomic_exchange(&mem_refused, false);
}
