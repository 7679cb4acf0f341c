#include "third_party/resolver.h"
#include "third_party/answers.h"
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RESOLVER_NAMES 32

struct name {
	char text[256];
	const char *const *addresses;
	int error;
	bool silent;
};
static pthread_mutex_t resolver_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resolver_changed = PTHREAD_COND_INITIALIZER;
static struct name resolver_names[RESOLVER_NAMES];
static unsigned resolver_name_count, resolver_waiting, resolver_epoch;

static struct name *resolver_find(const char *name)
{
	for (unsigned i = 0; i < resolver_name_count; i++)
		if (strcasecmp(resolver_names[i].text, name) == 0)
			return &resolver_names[i];
	return NULL;
}

static void resolver_add(const char *text, const char *const *addresses, int error, bool silent)
{
	pthread_mutex_lock(&resolver_lock);
	struct name *name = resolver_find(text);
	if (!name) {
		if (resolver_name_count == RESOLVER_NAMES)
			abort();
		name = &resolver_names[resolver_name_count++];
	}
	*name = (struct name){ .addresses = addresses, .error = error, .silent = silent };
	snprintf(name->text, sizeof(name->text), "%s", text);
	pthread_mutex_unlock(&resolver_lock);
}

void resolver_tell(const char *name, const char *const *addresses)
{
	resolver_add(name, addresses, 0, false);
}

void resolver_tell_error(const char *name, int error)
{
	resolver_add(name, NULL, error, false);
}

void resolver_tell_silent(const char *name)
{
	resolver_add(name, NULL, EAI_AGAIN, true);
}

void resolver_wait_asked(void)
{
	pthread_mutex_lock(&resolver_lock);
	while (!resolver_waiting)
		pthread_cond_wait(&resolver_changed, &resolver_lock);
	pthread_mutex_unlock(&resolver_lock);
}

void resolver_release(void)
{
	pthread_mutex_lock(&resolver_lock);
	resolver_name_count = 0;
	resolver_epoch++;
	pthread_cond_broadcast(&resolver_changed);
	while (resolver_waiting)
		pthread_cond_wait(&resolver_changed, &resolver_lock);
	pthread_mutex_unlock(&resolver_lock);
}

static int resolver_be_silent(void) /* with the lock held */
{
	unsigned epoch = resolver_epoch;
	resolver_waiting++;
	pthread_cond_broadcast(&resolver_changed);
	while (epoch == resolver_epoch)
		pthread_cond_wait(&resolver_changed, &resolver_lock);
	resolver_waiting--;
	pthread_cond_broadcast(&resolver_changed);
	return EAI_AGAIN;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
		struct addrinfo **restrict out)
{
	pthread_mutex_lock(&resolver_lock);
	struct name *name = node ? resolver_find(node) : NULL;
	if (!name) {
		pthread_mutex_unlock(&resolver_lock);
		return answers_numeric(node, service, hints, out);
	}
	int error = name->silent ? resolver_be_silent() : name->error;
	const char *const *addresses = error ? NULL : name->addresses;
	pthread_mutex_unlock(&resolver_lock);
	return error ? error : answers_make(addresses, service, hints, out);
}
