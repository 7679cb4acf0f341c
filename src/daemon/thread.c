#include "daemon/thread.h"
#include "base/check.h"
#include <signal.h>

enum err thread_start(pthread_t *out, const char *name, size_t stack_bytes, void *(*run)(void *), void *context)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	if (pthread_attr_init(&attributes) != 0)
		return E_NOMEM;
	CHECK(pthread_attr_setstacksize(&attributes, stack_bytes) == 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(out, &attributes, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (failed)
		return E_NOMEM;
	pthread_setname_np(*out, name);
	return E_OK;
}
