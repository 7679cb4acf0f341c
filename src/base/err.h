/* src/base/err.h: errors as values. Refusals and faults travel as `enum err` (table in err.def), bugs stop at a CHECK.
 * Libraries return, the shell logs, once. E_OK is 0, so `if (err)` reads as "if it failed". */
#pragma once
#include "base/str.h"

enum err {
	E_OK = 0,
#define X(name, code, status, exit_code, again, sentence) E_##name,
#include "base/err.def"
#undef X
	ERR_COUNT
};

/* "invalid_field"; stable, public. "ok" for E_OK. */
const char *err_code(enum err err);
/* A sentence for a person: what happened and what to do next. */
const char *err_sentence(enum err err);
/* 200 for E_OK. */
int err_http_status(enum err err);
/* The CLI's exit code (sysexits where one fits). */
int err_exit_code(enum err err);
bool err_may_retry(enum err err);

/* A refusal with its place and particulars, filled by whoever refuses. `field` names the offending field as the caller
 * wrote it ("jobs[3].delay_ms"); `detail` is a sentence. Both may be empty. Fixed size, so that refusing never fails. */
struct problem {
	enum err err;
	char field[96];
	char detail[224];
};

/* Sets *problem and returns err, so that a parser can `return problem_set(p, E_INVALID, "delay_ms", "…")`. Long text is cut
 * at a UTF-8 boundary. problem may be NULL. */
enum err problem_set(struct problem *problem, enum err err, const char *field, const char *detail_format, ...)
	PRINTF_LIKE(4, 5);
/* The same about whatever field the caller has named there already. */
enum err problem_detail(struct problem *problem, enum err err, const char *detail);
