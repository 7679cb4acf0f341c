/* tests/stories/names.c: loaded before the C library (LD_PRELOAD), so that a story says what names mean to the real daemon. The file $RUCHE_NAMES is
 * read at each question. A line is a name and what it answers, question after question, the last answer for ever:
 *
 *     rebound.test 127.0.0.5 127.0.0.1,::1
 *     moody.test again 127.0.0.5
 *
 * `again`: EAI_AGAIN. Names that do not stand there are unknown. No question ever leaves the machine. */
#include "third_party/answers.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMES_MAX     128
#define ADDRESSES_MAX 8

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	char name[64];
	unsigned asked;
} names_seen[NAMES_MAX];

/* How often it was asked for before this time. */
static unsigned names_asked(const char *name)
{
	unsigned asked = 0;
	pthread_mutex_lock(&names_lock);
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (names_seen[i].name[0] && strcasecmp(names_seen[i].name, name) != 0)
			continue;
		snprintf(names_seen[i].name, sizeof(names_seen[i].name), "%s", name);
		asked = names_seen[i].asked++;
		break;
	}
	pthread_mutex_unlock(&names_lock);
	return asked;
}

/* The line of the name, without it; false when there is none. */
static bool names_read(const char *name, char *line, int bytes)
{
	const char *path = getenv("RUCHE_NAMES");
	FILE *file = path ? fopen(path, "re") : NULL;
	size_t len = strlen(name);
	bool found = false;
	while (file && !found && fgets(line, bytes, file)) {
		line[strcspn(line, "\n")] = '\0';
		found = strncasecmp(line, name, len) == 0 && line[len] == ' ';
	}
	if (file)
		fclose(file);
	if (found)
		memmove(line, line + len + 1, strlen(line + len + 1) + 1);
	return found;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	char line[1024], *rest, *list, *more;
	const char *addresses[ADDRESSES_MAX + 1] = { 0 };
	if (!node || !names_read(node, line, sizeof(line)))
		return answers_numeric(node, service, hints, out);
	unsigned turns = names_asked(node);
	char *answer = strtok_r(line, " ", &rest);
	for (char *next; answer && turns && (next = strtok_r(NULL, " ", &rest)) != NULL; turns--)
		answer = next;
	if (!answer || strcmp(answer, "again") == 0)
		return EAI_AGAIN;
	list = answer;
	for (size_t i = 0; i < ADDRESSES_MAX && (addresses[i] = strtok_r(list, ",", &more)) != NULL; i++)
		list = NULL;
	return answers_make(addresses, service, hints, out);
}
