#include "base/check.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void check_report(const char *text);
static check_report *_Atomic check_reporter;

void check_on_failure(void (*report)(const char *text))
{
	atomic_store(&check_reporter, report);
}

void check_failed(const char *condition, const char *file, int line)
{
	char text[512];
	snprintf(text, sizeof(text), "ruche: CHECK failed: %s (%s:%d). This is a defect in ruche; please report it.\n",
		 condition, file, line);
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		(void)0; /* nobody is left to tell */
	/* Once: a CHECK inside the report must not come back. */
	check_report *report = atomic_exchange(&check_reporter, NULL);
	if (report)
		report(text);
	abort();
}
