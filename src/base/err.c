#include "base/err.h"
#include "base/check.h"
#include <stdarg.h>
#include <stdio.h>

struct err_row {
	const char *code;
	int http_status, exit_code;
	bool may_retry;
	const char *sentence;
};
static const struct err_row err_rows[ERR_COUNT] = {
	[E_OK] = { "ok", 200, 0, false, "It worked." },
#define X(name, code, status, exit_code, again, sentence) [E_##name] = { code, status, exit_code, again, sentence },
#include "base/err.def"
#undef X
};

static const struct err_row *err_row(enum err err)
{
	CHECK((unsigned)err < ERR_COUNT);
	return &err_rows[err];
}

const char *err_code(enum err err)
{
	return err_row(err)->code;
}

const char *err_sentence(enum err err)
{
	return err_row(err)->sentence;
}

int err_http_status(enum err err)
{
	return err_row(err)->http_status;
}

int err_exit_code(enum err err)
{
	return err_row(err)->exit_code;
}

bool err_may_retry(enum err err)
{
	return err_row(err)->may_retry;
}

enum err problem_set(struct problem *problem, enum err err, const char *field, const char *detail_format, ...)
{
	if (!problem)
		return err;
	problem->err = err;
	struct str cut = str_cut(str_of(field ? field : ""), sizeof(problem->field) - 1);
	memmove(problem->field, cut.ptr, cut.len); /* field may be the problem's own */
	problem->field[cut.len] = '\0';

	char detail[2 * sizeof(problem->detail)]; /* longer than what is kept: the cut below finds whole characters */
	va_list args;
	va_start(args, detail_format);
	vsnprintf(detail, sizeof(detail), detail_format, args);
	va_end(args);
	cut = str_cut(str_of(detail), sizeof(problem->detail) - 1);
	memcpy(problem->detail, cut.ptr, cut.len);
	problem->detail[cut.len] = '\0';
	return err;
}

enum err problem_detail(struct problem *problem, enum err err, const char *detail)
{
	return problem_set(problem, err, problem ? problem->field : "", "%s", detail);
}
