/* sdk/c/request.h: what a program hands over, taken and written as JSON. A writer keeps the first thing that was wrong, so that a caller
 * writes all members and asks once. */
#pragma once
#include "base/buf.h"
#include "ruche_error.h"

/* Copies a caller's struct, whose first member says how large it was when the caller was compiled, over zeroes. Members that this
 * library does not know must be zero. NULL gives `what`'s zeroes when it may be left out. */
int options_take(void *to, size_t to_bytes, const void *from, const char *what, struct ruche_error *error);

struct writer {
	struct buf *out;
	struct ruche_error *error;
	char prefix[32];   /* of fields in problems: "jobs[3]." */
	int code;          /* of the first thing that was wrong */
};

void write_begin(struct writer *writer, struct buf *out, struct ruche_error *error);
int write_refuse(struct writer *writer, const char *field, const char *sentence);
/* NULL text is left out, and refused by the "needed" ones; bad UTF-8 is refused. */
void write_text(struct writer *writer, const char *key, const char *text);
void write_needed_text(struct writer *writer, const char *key, const char *text);
void write_texts(struct writer *writer, const char *key, const char *const *texts, size_t count);
void write_json(struct writer *writer, const char *key, const char *json);
void write_number(struct writer *writer, const char *key, int64_t number); /* 0 is left out, below 0 refused */
void write_true(struct writer *writer, const char *key, int value);        /* 0 is left out */
int write_end(struct writer *writer); /* the code; no memory counts */

/* The members of an object, without its brackets. */
void write_new_job(struct writer *writer, const struct ruche_new_job *job, const char *namespace_name);
void write_lease(struct writer *writer, const struct ruche_job *job);
void write_failure(struct writer *writer, const struct ruche_failure *failure);
void write_claim(struct writer *writer, const struct ruche_claim_options *claim, const char *namespace_name, bool may_wait);
