/* tests/third_party/answers.h: what a getaddrinfo of a test's own answers. No question ever leaves the process. */
#pragma once
#include <netdb.h>

/* A number in any spelling is read as the system reads it; everything else is unknown. */
int answers_numeric(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out);
/* These addresses, in this order (NULL-terminated list). */
int answers_make(const char *const *addresses, const char *service, const struct addrinfo *hints, struct addrinfo **out);
