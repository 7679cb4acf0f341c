/* sdk/c/ruche_error.h: filling struct ruche_error. Every function answers the code, so that a refusal is one `return`. */
#pragma once
#include "base/err.h"
#include "ruche.h"

int error_set(struct ruche_error *error, int code, const char *field, const char *sentence_format, ...) PRINTF_LIKE(4, 5);
int error_no_memory(struct ruche_error *error);
/* A refusal as the daemon writes it: problem+json with a code. `status` and `where` are for what is no such thing. */
int error_of_problem(struct ruche_error *error, int status, struct str problem_json, const char *where);
/* "stale_lease", "unreachable"; NULL for numbers that are not codes. */
const char *error_code_name(int code);
