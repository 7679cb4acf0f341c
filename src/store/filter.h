/* src/store/filter.h: what a list asks, worked out once, and whether a job meets it: one answer for every store. Pure.
 *
 * A list's order is by finish (finish instant, then uid) when only final states can match, otherwise by creation (uid). A cursor is
 * a place in that order, so it stays good whatever way a store takes to find the next page. */
#pragma once
#include "base/arena.h"
#include "store/query.h"

#define STATES_ALL   ((1u << JOB_STATE_COUNT) - 1)
#define STATES_FINAL (1u << JOB_COMPLETED | 1u << JOB_FAILED | 1u << JOB_CANCELLED | 1u << JOB_EXPIRED)
#define STATES_LIVE  (STATES_ALL & ~STATES_FINAL)

#define FILTER_UID_PREFIX_MIN 8 /* digits of a uid's text that say enough (8 ms) to be looked for as a prefix */

struct filter {
	const struct job_filter *asked;
	uint32_t states;                     /* those that can match */
	bool by_finish;
	uint64_t uid_from, uid_below;        /* created */
	int64_t finished_from, finished_below;
	struct str id;                       /* without the '*' */
	bool id_is_prefix;
	uint64_t id_uid_first, id_uid_last;  /* what the id means as a uid's text, or the start of one; first > last: nothing */
	bool reads_definition, reads_error;  /* what filter_takes_definition and filter_takes_error need at all */
	bool reads_message;                  /* the definition's message is asked for, too, and what that is about */
};

/* Keeps `asked`, which must outlive it. */
void filter_init(struct filter *out, const struct job_filter *asked);
/* State, outcome, creation, finish and group. The queue is the caller's to check: a row's own one, but with an id its definition's. */
bool filter_takes_row(const struct filter *filter, const struct job_row *row);
bool filter_takes_definition(const struct filter *filter, const struct job_definition *definition); /* id, name, tag and message */
bool filter_takes_entity(const struct filter *filter, struct str entity); /* the definition's message's */
bool filter_takes_error(const struct filter *filter, struct str error);

bool message_filter_takes(const struct message_filter *filter, struct str namespace_name, struct str type); /* entity and instants aside */

/* A place in a list's order. */
struct list_key {
	int64_t finished_us; /* 0 by creation */
	uint64_t uid;
};
int list_key_cmp(struct list_key a, struct list_key b);
struct str list_cursor_text(struct arena *arena, const struct filter *filter, struct list_key key); /* ptr NULL: no memory */
MUST_USE enum err list_cursor_parse(struct str text, const struct filter *filter, struct list_key *out); /* E_INVALID */
/* Cursors of attempts, log lines, operations and tokens are numbers. */
struct str number_cursor_text(struct arena *arena, uint64_t number);
MUST_USE enum err number_cursor_parse(struct str text, uint64_t *out); /* 0 when empty; E_INVALID */
