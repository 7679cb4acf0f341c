/* tests/third_party/resolver.h: names as a test wants them. Linking resolver.c puts a getaddrinfo of our own before the system's: names
 * that were told here answer as told, numbers in any spelling are read as the system reads them, and every other name is unknown.
 * No question ever leaves the process. */
#pragma once
#include <stddef.h>

/* The name answers these addresses, in this order (NULL-terminated list); told again, it answers the new ones. */
void resolver_tell(const char *name, const char *const *addresses);
/* The name answers an error (EAI_AGAIN, …). */
void resolver_tell_error(const char *name, int error);
/* Whoever asks for the name waits until resolver_release, then hears EAI_AGAIN. */
void resolver_tell_silent(const char *name);
/* Waits until somebody asks for a silent name. */
void resolver_wait_asked(void);
void resolver_release(void); /* also forgets all names; for the end of a test */
