/* src/store/query.h: questions to a store's readers and their answers, as values. Readers have connections of their own, see only
 * what is committed, never wait behind the writer, and hold a read transaction for at most 5 s. Everything in an answer lives in
 * the arena given with the question. */
#pragma once
#include "base/arena.h"
#include "store/row.h"

struct job_filter {
	struct str namespace_name; /* empty: "default" */
	struct str queue;          /* where the job is now; with an id, where it was enqueued (a moved job keeps its identity). Empty: all */
	uint32_t states;           /* bit per enum job_state; 0: all */
	struct str name;           /* exact; empty: any */
	struct str id;             /* exact, or a prefix when it ends in '*'; needs queue; the uid's text (or its first 8 digits and more) matches too */
	struct str group;
	struct str tag;
	struct str error;          /* part of the error's text, in any case; only final jobs match; scanned within a bound */
	int64_t created_after_us, created_before_us;   /* 0: open */
	int64_t finished_after_us, finished_before_us; /* only final jobs match when set */
};

enum query_kind {
	QUERY_DEFINITIONS, /* uids → definitions with payload, and the edited one, and the queue's names; of the row only uid, queue, flags and
	                    * edited_body. For workers and deliveries */
	QUERY_JOB,         /* one job, whole */
	QUERY_JOBS,        /* a page of a list */
	QUERY_MATCHES,     /* a slice for bulk work: uids and versions */
	QUERY_COUNT,       /* how many match, up to count_max */
	QUERY_ATTEMPTS,
	QUERY_LOGS,
	QUERY_EVENTS,      /* by change-set, then queue; those of one change-set are never parted, so a page may be longer than asked */
	QUERY_OPERATIONS,  /* newest first */
	QUERY_TOKENS,      /* oldest first */
};

struct query {
	enum query_kind kind;
	const uint64_t *uids;      /* DEFINITIONS; JOB, ATTEMPTS, LOGS use the first */
	uint32_t uid_count;
	struct str namespace_name, queue, id; /* JOB, ATTEMPTS, LOGS by (queue, id) when uid_count is 0; EVENTS: queue (empty: all of the
	                                       * namespace, or, when that is empty too, of all) */
	bool with_payload, with_result;       /* JOB: bodies too (DEFINITIONS always brings payloads) */
	struct job_filter filter;  /* JOBS, MATCHES, COUNT */
	bool oldest_first;         /* JOBS; by default newest first. Final states alone sort by finish, otherwise by creation */
	struct str cursor;         /* of the previous page; empty: from the start. E_INVALID when it is not one of ours. Not for EVENTS, MATCHES */
	uint32_t limit;            /* rows, at most LIMIT_PAGE */
	uint64_t count_max;
	uint64_t after_seq;        /* EVENTS: from the change-set after this one */
	uint64_t cursor_uid;       /* MATCHES */
	uint32_t cursor_phase;     /* MATCHES: 0 live, 1 done */
};

struct job_view {
	struct job_definition definition; /* payload only where asked */
	struct job_row row;
	struct job_result result;
	struct str queue_name, namespace_name; /* the present queue */
	struct str edited_payload;             /* where asked and ROW_EDITED */
	struct str progress;                   /* JSON, or empty */
};
struct match {
	uint64_t uid, version;
};

struct answer {
	struct job_view *jobs;          uint32_t job_count;     /* DEFINITIONS (in the order asked; uid 0: gone), JOB, JOBS */
	struct match *matches;          uint32_t match_count;
	struct attempt_row *attempts;   uint32_t attempt_count; /* oldest first */
	struct log_row *logs;           uint32_t log_count;
	struct event_row *events;       uint32_t event_count;
	struct operation_row *operations; uint32_t operation_count;
	struct token_row *tokens;       uint32_t token_count;
	struct str next_cursor;         /* empty: that was the last page */
	uint64_t next_uid;              /* MATCHES: cursor after the slice, with next_phase; next_phase 2: finished. A slice may be empty before */
	uint32_t next_phase;
	uint64_t count;                 /* COUNT */
	bool count_is_least;            /* COUNT stopped at count_max (0: none), or at the bound of its scan */
	bool scanned_short;             /* JOBS: the bounded scan ended before the page was full: go on with next_cursor */
	uint64_t seq;                   /* commit_seq that the answer saw */
	uint64_t first_event_seq;       /* EVENTS: the oldest kept; after_seq below it minus one is a gap */
};

/* A question on its way to a reader thread and back. The asker owns it; nobody else touches it until it is back. */
struct question {
	void *link;              /* for whoever carries it */
	struct query query;
	struct arena arena;      /* of the query's own slices and of the answer */
	struct answer answer;
	enum err err;
	void *owner;             /* the asker's */
};

struct reader; /* one connection; used by one thread at a time */
/* E_JOB_NOT_FOUND (JOB, ATTEMPTS, LOGS), E_QUEUE_NOT_FOUND, E_INVALID (cursor), E_NOMEM, E_IO, E_TIMEOUT (after 5 s). */
MUST_USE enum err reader_run(struct reader *reader, const struct query *query, struct arena *arena, struct answer *out);
void reader_close(struct reader *reader);
