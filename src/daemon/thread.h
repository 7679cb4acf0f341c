/* src/daemon/thread.h: how the daemon starts a thread: a small stack, a name to see in top, and no signals, which are the loop's. */
#pragma once
#include "base/err.h"
#include <pthread.h>

MUST_USE enum err thread_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*run)(void *), void *context); /* E_NOMEM */
