/* src/store/query.h: questions to a store's readers and their answers, as values. Readers have connections of their own, see only
 * what is committed, never wait behind the writer, and hold a read transaction for at most 5 s. Everything in an answer lives in
 * the arena given with the question. */
#pragma once
#include "base/arena.h"
#include "rules/replay.h"
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
	uint32_t outcomes;         /* bit per enum job_outcome; 0: any. Only final jobs match when set */
	uint64_t message;          /* only deliveries of it; 0: any job */
	struct str entity;         /* only deliveries of messages about it */
	struct str endpoint;       /* only deliveries to the endpoint of this name */
	bool deliveries;           /* only deliveries */
};

#define QUERY_ERRORS_MAX 100

/* Jobs of a queue in one state, by their place in the order in which they go: waiting ones by rank, those with a priority by priority and
 * rank, active ones by start, delayed ones by due instant, waiting_children and parked ones by the instant since when they are, final ones by
 * finish; then by uid. */
enum range_order { RANGE_WAITING, RANGE_PRIORITISED, RANGE_DELAYED, RANGE_ACTIVE, RANGE_WAITING_CHILDREN, RANGE_PARKED,
	           RANGE_COMPLETED, RANGE_FAILED, RANGE_CANCELLED, RANGE_EXPIRED, RANGE_ORDER_COUNT };
enum range_what { RANGE_NONE, RANGE_IDS, RANGE_JOBS };
struct range {
	enum range_order order;  /* WAITING: of priority 0 only; PRIORITISED: the rest of those that wait */
	enum range_what what;    /* IDS: of definitions only the id, of rows only the uid */
	bool descending;         /* from the last one on */
	int64_t from, to;        /* places, both included; negative ones count from the end. At most LIMIT_PAGE jobs come */
	int64_t before_us;       /* only those whose instant (of waiting ones: of the enqueue) is earlier; 0: all */
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
	QUERY_RANGE,       /* jobs by their place; count: how many there are in all */
	QUERY_METRICS,     /* ends of a queue's jobs by the minute, oldest first, and ever */
	QUERY_READ,        /* jobs of a queue by uids or ids, whole, in the order asked (row.uid 0: not there) */
	QUERY_CHILDREN,    /* of one job, in the order of their uids, and how many in each state */
	QUERY_MESSAGE,     /* one message by uid, or by (namespace, key) */
	QUERY_MESSAGES,    /* a page of a namespace's, newest first */
	QUERY_POLL,        /* messages that an endpoint of kind poll wants, oldest commit first, and the endpoint. No messages: it is of another kind, or not
	                    * enabled */
	QUERY_ENTITIES,    /* a page of an endpoint's, in the order of their names, or one of them by its name */
	QUERY_REPLAY,      /* messages that an endpoint wants now, by uid: those that are to be sent to it (matches), and how far all of them are */
};

struct message_filter {
	struct str namespace_name; /* empty: "default" */
	struct str type;           /* exact, or a prefix when it ends in '*'; empty: any */
	struct str entity;         /* exact; empty: any */
	int64_t created_after_us, created_before_us; /* 0: open */
};

struct poll_place {                /* POLL: by (namespace_name, id): the endpoint's name */
	bool resumes;              /* after this place; otherwise from when the endpoint was made */
	uint64_t after_seq, after_uid;
	uint64_t least_uid;        /* only messages with this uid or a greater one */
	size_t bytes_max;          /* of payloads; one message comes in any case */
};

struct query {
	enum query_kind kind;
	const uint64_t *uids;      /* DEFINITIONS, READ; JOB, ATTEMPTS, LOGS, CHILDREN use the first */
	uint32_t uid_count;
	const struct str *ids;     /* READ, when uid_count is 0 */
	uint32_t id_count;
	struct str namespace_name, queue, id; /* JOB, ATTEMPTS, LOGS, CHILDREN by (queue, id) when uid_count is 0; EVENTS: queue (empty: all of the
	                                       * namespace, or, when that is empty too, of all); RANGE, READ, METRICS: queue */
	bool with_payload, with_result;       /* JOB, READ, RANGE: bodies too (DEFINITIONS always brings payloads) */
	bool with_parents;                    /* JOB, READ, RANGE, DEFINITIONS: whose child it is */
	bool with_history;                    /* READ, RANGE: errors of attempts too; DEFINITIONS: these and the progress */
	struct range range;        /* RANGE */
	uint32_t edge_states;      /* CHILDREN: bit per enum edge_state; 0: all */
	struct job_filter filter;  /* JOBS, MATCHES, COUNT */
	bool oldest_first;         /* JOBS; by default newest first. Final states alone sort by finish, otherwise by creation */
	bool newest_first;         /* LOGS; by default oldest first */
	uint64_t skip;             /* LOGS without a cursor: so many are passed over */
	struct str cursor;         /* of the previous page; empty: from the start. E_INVALID when it is not one of ours. Not for EVENTS, MATCHES */
	uint32_t limit;            /* rows, at most LIMIT_PAGE */
	uint64_t count_max;
	uint64_t after_seq;        /* EVENTS: from the change-set after this one */
	struct message_filter message; /* MESSAGES; with_payload as for jobs, metadata with it. MESSAGE: namespace_name and `id`: the key, when
	                                * uid_count is 0 */
	struct poll_place poll;
	uint32_t endpoint;         /* ENTITIES: number; with `id`: only that entity */
	uint64_t cursor_uid;       /* MATCHES, REPLAY */
	uint32_t cursor_phase;     /* MATCHES: 0 live, 1 done. REPLAY: 0 */
	const struct replay *replay; /* REPLAY: which, of the endpoint with the name `id` in namespace_name; limit 0: they are only counted */
	uint64_t as_of;            /* REPLAY: only messages that this commit or an earlier one brought; 0: all */
};

struct parent_view { /* of a child that was looked at */
	struct edge_row edge;
	struct str id, queue_name, namespace_name; /* the parent's identity; names are empty: that queue is gone */
};

struct job_view {
	struct job_definition definition; /* payload only where asked */
	struct job_row row;
	struct job_result result;
	struct str queue_name, namespace_name; /* the present queue */
	struct str edited_payload;             /* where asked and ROW_EDITED */
	struct str progress;                   /* JSON, or empty */
	struct str *errors;                    /* with_history: of its attempts, JSON, the newest last, at most QUERY_ERRORS_MAX */
	uint32_t error_count;
	struct parent_view *parents;           /* with_parents; the oldest first */
	uint32_t parent_count;
	/* Of a delivery (definition.message), with its payload: DEFINITIONS, and where asked. */
	struct message_row message;            /* uid 0: none */
	uint32_t endpoint;                     /* number of the endpoint that its group names now; 0: there is none */
	struct entity_row entity;              /* what that was told of the message's entity; entity empty: nothing */
	/* Of a delivery that is not under way, wherever rows are asked for. */
	enum named_state held;                 /* PAUSED, DISABLED: its endpoint is, and it waits for that to be over; ENABLED: it is not held */
	int64_t held_since_us;                 /* wall time; 0: not known */
};
struct child_view {
	struct edge_row edge;
	struct str queue_name, namespace_name; /* empty: that queue is gone */
};
struct match {
	uint64_t uid, version;
};

struct answer {
	struct job_view *jobs;          uint32_t job_count;     /* DEFINITIONS and READ (in the order asked; uid 0: gone), JOB, JOBS, RANGE */
	struct match *matches;          uint32_t match_count;   /* REPLAY: messages; version means nothing */
	struct attempt_row *attempts;   uint32_t attempt_count; /* oldest first */
	struct log_row *logs;           uint32_t log_count;
	struct event_row *events;       uint32_t event_count;
	struct operation_row *operations; uint32_t operation_count;
	struct token_row *tokens;       uint32_t token_count;
	struct metric_row *metrics;     uint32_t metric_count;
	uint64_t ended[JOB_STATE_COUNT]; /* METRICS: how often a job ended completed or failed, ever */
	struct child_view *children;    uint32_t child_count;
	struct message_row *messages;   uint32_t message_count;
	struct named_row *endpoint;     /* POLL: number, state, created_us, created_seq, text */
	uint64_t next_seq;              /* POLL: with next_uid, the place behind which the next page begins; with scanned_short, there is more now */
	struct entity_row *entities;    uint32_t entity_count;
	uint64_t edge_counts[EDGE_STATE_COUNT]; /* CHILDREN: of all of them */
	struct str next_cursor;         /* empty: that was the last page */
	uint64_t next_uid;              /* MATCHES, REPLAY: cursor after the slice, with next_phase; next_phase 2: finished. A slice may be empty before */
	uint32_t next_phase;
	uint64_t count;                 /* COUNT, RANGE; LOGS: all lines of the job */
	uint64_t stands[STANDS_COUNT];  /* REPLAY: of the messages that were looked at here and are wanted */
	bool count_is_least;            /* COUNT stopped at count_max (0: none), or at the bound of its scan */
	bool scanned_short;             /* JOBS: the bounded scan ended before the page was full: go on with next_cursor */
	uint64_t seq;                   /* commit_seq that the answer saw */
	uint64_t first_event_seq;       /* EVENTS: all asked for are kept from here on; after_seq below it minus one is a gap */
};

/* Which of `total` items are meant by places from..to, both included, where negative ones count from the end? How many, at most `max`, and
 * the first one's place. */
static inline uint64_t places_resolve(int64_t from, int64_t to, uint64_t total, uint64_t max, uint64_t *out_first)
{
	int64_t all = (int64_t)total, first = from < 0 ? from + all : from, last = to < 0 ? to + all : to;
	if (first < 0)
		first = 0;
	if (last >= all)
		last = all - 1;
	*out_first = (uint64_t)first;
	if (last < first)
		return 0;
	uint64_t count = (uint64_t)(last - first) + 1;
	return count < max ? count : max;
}

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
/* E_JOB_NOT_FOUND (JOB, ATTEMPTS, LOGS), E_MESSAGE_NOT_FOUND, E_ENDPOINT_NOT_FOUND (REPLAY), E_QUEUE_NOT_FOUND, E_INVALID (cursor; REPLAY: its
 * endpoint's settings), E_NOMEM, E_IO, E_TIMEOUT (after 5 s). */
MUST_USE enum err reader_run(struct reader *reader, const struct query *query, struct arena *arena, struct answer *out);
void reader_close(struct reader *reader);
