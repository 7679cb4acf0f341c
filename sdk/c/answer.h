/* sdk/c/answer.h: answers taken apart. Members that this version does not know are passed over: a newer daemon may say more. */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "client.h"

/* ---- objects by table: what is absent or null, or of another type, stays as it is ---- */

enum view_type {
	VIEW_TEXT,    /* const char *, decoded, NUL-terminated */
	VIEW_JSON,    /* const char *, verbatim, NUL-terminated */
	VIEW_INTEGER, /* int64_t */
	VIEW_TRUE,    /* int */
};
struct view_field {
	const char *name;
	enum view_type type;
	size_t offset;
};
/* Reads the object that stands next. False: not an object, malformed, or, as the reader's problem then says, E_NOMEM. */
bool view_read(struct json *json, const struct view_field *fields, size_t count, void *out);

/* ---- whole answers ---- */

struct ruche_answer {
	struct arena arena;
	int status;
	struct buf body;    /* NUL-terminated */
	struct str *items;  /* of `results` */
	uint32_t count;
};

/* Takes the answer over, in any case. */
int answer_make(struct http_answer *http, struct ruche_answer **out, struct ruche_error *error);
/* call_send, then answer_make. */
int answer_of_call(struct call *call, struct ruche_answer **out);
