#include "third_party/answers.h"
#include <dlfcn.h>
#include <string.h>

typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int answers_numeric(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	resolve *system_resolve;
	void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
	memcpy(&system_resolve, &symbol, sizeof(symbol));
	struct addrinfo numeric = hints ? *hints : (struct addrinfo){ 0 };
	numeric.ai_flags = (numeric.ai_flags | AI_NUMERICHOST) & ~AI_ADDRCONFIG;
	return system_resolve(node, service, &numeric, out);
}

/* The lists of single answers, tied together: freeaddrinfo frees them node by node. */
int answers_make(const char *const *addresses, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	struct addrinfo *first = NULL, **last = &first;
	for (; *addresses; addresses++) {
		struct addrinfo any = hints ? *hints : (struct addrinfo){ 0 };
		any.ai_family = AF_UNSPEC;
		if (answers_numeric(*addresses, service, &any, last))
			continue;
		while (*last)
			last = &(*last)->ai_next;
	}
	if (!first)
		return EAI_NONAME;
	*out = first;
	return 0;
}
