#include "ruche_error.h"
#include "base/pluck.h"
#include <stdarg.h>
#include <stdio.h>

struct code_row {
	int code;
	const char *name;
	bool may_retry; /* of our own; the daemon's are told by err.def */
};

static const struct code_row own_codes[] = {
	{ RUCHE_OK, "ok", false },
	{ RUCHE_BAD_ARGUMENT, "bad_argument", false },
	{ RUCHE_NO_MEMORY, "no_memory", true },
	{ RUCHE_NO_RESOURCE, "no_resource", true },
	{ RUCHE_UNREACHABLE, "unreachable", true },
	{ RUCHE_TIMED_OUT, "timed_out", true },
	{ RUCHE_NOT_RUCHE, "not_ruche", false },
	{ RUCHE_ANSWER_TOO_LARGE, "answer_too_large", false },
	{ RUCHE_STOPPED, "stopped", false },
};

/* Those of err.def that a daemon answers with. Faults of the daemon's own life (its configuration, its store's lock) are not among them. */
static const struct {
	int code;
	enum err err;
} daemon_codes[] = {
	{ RUCHE_INVALID_FIELD, E_INVALID }, { RUCHE_UNKNOWN_FIELD, E_UNKNOWN_FIELD }, { RUCHE_MALFORMED_JSON, E_MALFORMED },
	{ RUCHE_BAD_REQUEST, E_BAD_REQUEST }, { RUCHE_TOO_LARGE, E_TOO_LARGE }, { RUCHE_UNAUTHORIZED, E_UNAUTHORIZED },
	{ RUCHE_FORBIDDEN, E_FORBIDDEN }, { RUCHE_NOT_FOUND, E_NOT_FOUND }, { RUCHE_JOB_NOT_FOUND, E_JOB_NOT_FOUND },
	{ RUCHE_QUEUE_NOT_FOUND, E_QUEUE_NOT_FOUND }, { RUCHE_METHOD_NOT_ALLOWED, E_METHOD }, { RUCHE_STALE_LEASE, E_STALE },
	{ RUCHE_ILLEGAL_STATE, E_STATE }, { RUCHE_CONFLICT, E_CONFLICT }, { RUCHE_IDEMPOTENCY_MISMATCH, E_IDEMPOTENCY },
	{ RUCHE_UNSUPPORTED_MEDIA_TYPE, E_UNSUPPORTED_MEDIA }, { RUCHE_TOO_MANY_REQUESTS, E_RATE }, { RUCHE_BACKLOG_FULL, E_BACKLOG },
	{ RUCHE_STORE_FULL, E_STORE_FULL }, { RUCHE_OUTCOME_UNKNOWN, E_OUTCOME_UNKNOWN }, { RUCHE_UNAVAILABLE, E_UNAVAILABLE },
	{ RUCHE_OUT_OF_MEMORY, E_NOMEM }, { RUCHE_STORE_FAILED, E_IO }, { RUCHE_UNDONE, E_CANCELLED }, { RUCHE_INTERNAL, E_INTERNAL },
	{ RUCHE_LIMIT_NOT_FOUND, E_LIMIT_NOT_FOUND },
	{ RUCHE_CHAIN_NOT_FOUND, E_CHAIN_NOT_FOUND }, { RUCHE_SIGNATURE_INVALID, E_SIGNATURE },
	{ RUCHE_ID_TAKEN, E_ID_TAKEN }, { RUCHE_SLOTS_BUSY, E_SLOTS_BUSY },
	{ RUCHE_PARENT_NOT_FOUND, E_PARENT_NOT_FOUND }, { RUCHE_CHILDREN_PENDING, E_CHILDREN }, { RUCHE_CHILDREN_FAILED, E_CHILD_FAILED },
	{ RUCHE_CHAIN_OWNED, E_CHAIN_OWNED }, { RUCHE_PARENT_TAKEN, E_PARENT_TAKEN }, { RUCHE_NO_LEASE, E_NO_LEASE }, { RUCHE_COMPAT_MISMATCH, E_COMPAT },
	{ RUCHE_ENDPOINT_NOT_FOUND, E_ENDPOINT_NOT_FOUND }, { RUCHE_MESSAGE_NOT_FOUND, E_MESSAGE_NOT_FOUND },
	{ RUCHE_FORMAT_NOT_FOUND, E_FORMAT_NOT_FOUND }, { RUCHE_SOURCE_NOT_FOUND, E_SOURCE_NOT_FOUND }, { RUCHE_SECRET_NOT_FOUND, E_SECRET_NOT_FOUND },
	{ RUCHE_SECRET_SEALED, E_SECRET_SEALED }, { RUCHE_NO_ENDPOINT, E_NO_ENDPOINT }, { RUCHE_FORMAT_FAILED, E_FORMAT },
	{ RUCHE_ENDPOINT_OWNED, E_ENDPOINT_OWNED }, { RUCHE_EVENT_TYPE_NOT_FOUND, E_EVENT_TYPE_NOT_FOUND },
};

const char *error_code_name(int code)
{
	for (size_t i = 0; i < ARRAY_COUNT(own_codes); i++)
		if (own_codes[i].code == code)
			return own_codes[i].name;
	for (size_t i = 0; i < ARRAY_COUNT(daemon_codes); i++)
		if (daemon_codes[i].code == code)
			return err_code(daemon_codes[i].err);
	return code == RUCHE_REFUSED ? "refused" : NULL;
}

static void error_copy(char *to, size_t bytes, struct str text) /* cut between characters */
{
	struct str cut = str_cut(text, bytes - 1);
	if (cut.len)
		memcpy(to, cut.ptr, cut.len);
	to[cut.len] = '\0';
}
#define ERROR_COPY(array, text) error_copy((array), sizeof(array), (text))

int error_set(struct ruche_error *error, int code, const char *field, const char *sentence_format, ...)
{
	char sentence[1024];
	va_list args;
	if (!error)
		return code;
	*error = (struct ruche_error){ .code = code };
	ERROR_COPY(error->name, str_of(error_code_name(code)));
	ERROR_COPY(error->field, str_of(field));
	for (size_t i = 0; i < ARRAY_COUNT(own_codes); i++)
		if (own_codes[i].code == code)
			error->may_retry = own_codes[i].may_retry;
	va_start(args, sentence_format);
	int len = vsnprintf(sentence, sizeof(sentence), sentence_format, args);
	va_end(args);
	if (len > 0)
		ERROR_COPY(error->sentence, str_of(sentence));
	return code;
}

int error_no_memory(struct ruche_error *error)
{
	return error_set(error, RUCHE_NO_MEMORY, "",
			 "There is not enough memory; nothing was changed here. Free some and try again, or ask for less at once.");
}

/* Of a code that this version does not know, the status tells whether another try may help. */
static bool status_may_retry(int status)
{
	return status == 408 || status == 429 || status >= 500;
}

static int error_known(struct ruche_error *error, struct str name, int status)
{
	for (size_t i = 0; i < ARRAY_COUNT(daemon_codes); i++) {
		if (!str_eq(name, str_of(err_code(daemon_codes[i].err))))
			continue;
		if (error)
			error->may_retry = err_may_retry(daemon_codes[i].err);
		return daemon_codes[i].code;
	}
	if (error)
		error->may_retry = status_may_retry(status);
	return RUCHE_REFUSED;
}

static int error_foreign(struct ruche_error *error, int status, const char *where)
{
	error_set(error, RUCHE_NOT_RUCHE, "", "%s answered %d, which is not a Ruche's answer; is it the right address?", where, status);
	if (error) {
		error->http_status = status;
		error->may_retry = status_may_retry(status); /* a proxy, while the daemon starts */
	}
	return RUCHE_NOT_RUCHE;
}

int error_of_problem(struct ruche_error *error, int status, struct str problem_json, const char *where)
{
	struct arena arena = { 0 };
	struct str name = pluck_text(problem_json, "code", &arena), sentence = pluck_text(problem_json, "detail", &arena);
	struct str field = pluck_text(problem_json, "field", &arena);
	uint64_t own_status = (uint64_t)status;
	if (!name.len) {
		arena_fini(&arena);
		return error_foreign(error, status, where);
	}
	if (!sentence.len)
		sentence = pluck_text(problem_json, "title", &arena);
	pluck_u64(problem_json, "status", &arena, &own_status);
	if (error)
		*error = (struct ruche_error){ .http_status = own_status < 1000 ? (int)own_status : status };
	int code = error_known(error, name, status);
	if (error) {
		error->code = code;
		ERROR_COPY(error->name, name);
		ERROR_COPY(error->field, field);
		ERROR_COPY(error->sentence, sentence);
	}
	arena_fini(&arena);
	return code;
}
