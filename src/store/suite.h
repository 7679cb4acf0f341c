/* src/store/suite.h: the hands of the store tests: one store, a change-set at a time, questions, and everything it holds as text. */
#pragma once
#include <semaphore.h>

#include "store/conformance.h"

struct suite {
	struct factory *factory;
	struct store *store;
	struct reader *reader;
	struct store_meta meta;     /* as taken */
	struct changeset cs;        /* the one being made */
	struct arena arena;         /* of answers; reset by suite_ask */
	struct answer answer;
	sem_t woken;
	uint64_t refused, unknown;  /* commits that had to be tried again */
};

void suite_open(struct suite *suite, struct factory *factory); /* a fresh disk, taken */
void suite_close(struct suite *suite);
void suite_restart(struct suite *suite); /* closes and opens again over the same disk, takes the shard */

/* The change-set under way: empty, with seq, term and instants set. */
struct changeset *suite_begin(struct suite *suite);
/* Commits it and answers E_OK, or the refusal. Against a hostile store it tries until it knows. */
enum err suite_try(struct suite *suite);
void suite_commit(struct suite *suite); /* must be E_OK */
void suite_wait(struct suite *suite, struct outcome *out); /* the next outcome */

/* Rows with pleasant defaults, to be changed further. */
struct job_write *suite_job(struct suite *suite, enum job_table before, enum job_table after, uint64_t uid, uint32_t queue);
struct job_definition *suite_definition(struct suite *suite, struct job_write *write, const char *id); /* for before NONE */
struct job_result *suite_result(struct suite *suite, struct job_write *write, const char *result, const char *error);
void suite_queue(struct suite *suite, uint32_t number, const char *namespace_name, const char *name);
void suite_counts(struct suite *suite, uint32_t queue, enum job_state state, int64_t jobs, int64_t bytes);
struct str suite_text(struct suite *suite, const char *format, ...) PRINTF_LIKE(2, 3); /* in the change-set's arena */

enum err suite_ask(struct suite *suite, const struct query *query); /* fills suite->answer */
const struct job_view *suite_view(struct suite *suite, uint64_t uid); /* whole; NULL: not found */
bool suite_load(struct suite *suite, uint64_t uid, struct job_row *row); /* false: not there. Texts live until the next question */

void text_of_row(struct buf *out, const struct job_row *row);
void text_of_message(struct buf *out, const struct message_row *row);
void text_of_entity(struct buf *out, const struct entity_row *row);
void text_of_view(struct buf *out, const struct job_view *view);
void suite_dump(struct suite *suite, struct buf *out); /* scan, and each job of `uids` whole */
