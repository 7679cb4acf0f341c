/* src/api/router.h: the table of routes: method, path, scope, parameters, handler and words. What is routed and what the OpenAPI
 * document says are the same rows. */
#pragma once
#include "engine/command.h"
#include "http/server.h"

struct call;

enum param_type {
	PARAM_TEXT,    /* of at most max bytes */
	PARAM_NAME,    /* a namespace or queue: not empty, no control characters */
	PARAM_FLAG,    /* true or false; alone: true */
	PARAM_NUMBER,  /* within [min, max] */
	PARAM_INSTANT, /* RFC 3339 → microseconds */
	PARAM_WORD,    /* one of words → its index */
	PARAM_WORDS,   /* some of words, by commas → bits */
};
struct param {
	const char *name;
	enum param_type type;
	int64_t min, max;
	const char *const *words; /* ended by NULL */
	const char *doc;
};
struct param_value {
	bool given;
	struct str text;
	int64_t number;
};

#define ROUTE_OPEN     1u /* no token */
#define ROUTE_BODY     2u /* takes a JSON body and needs one */
#define ROUTE_MAY_BODY 4u /* takes a JSON body or none */
#define ROUTE_ONCE     8u /* understands Idempotency-Key */
#define ROUTE_WHOLE    16u /* no token that is limited to queues */
#define ROUTE_SECRET   32u /* its body is wiped */
#define ROUTE_RAW      64u /* for others' programs: any body of any type, any query, any header */

struct route {
	enum http_method method;
	const char *pattern;       /* "/v1/queues/{queue}/pause" */
	const char *name;          /* operationId */
	unsigned scope;            /* 0: any token */
	unsigned flags;
	const struct param *params; /* ended by a NULL name; may be NULL */
	enum op_kind kind;         /* what `decode` reads, for the shared ones */
	bool (*decode)(struct call *call); /* body and path → operations; false: the problem is set. On any thread: touches only the call */
	void (*begin)(struct call *call);  /* after it */
	void (*encode)(struct call *call, struct buf *out);
	int status;                /* of a good answer; 204: without body */
	const char *list;          /* several operations: how they are called in fields of problems, "jobs[3].delay_ms". NULL: one, whose
	                            * refusal is the answer */
	const char *tag, *doc;     /* doc: the first sentence is the summary */
	const char *takes, *gives; /* schemas; gives NULL: no body */
	size_t body_bytes;         /* of what it takes, at most; 0: as the configuration allows */
	const char *gives_type;    /* NULL: application/json */
};

extern const struct route routes[];
extern const uint32_t route_count;

/* The route, or NULL: E_NOT_FOUND, or E_METHOD with the methods there are in *allow ("GET, POST"). Pieces are percent-decoded into
 * the arena; E_BAD_REQUEST when they cannot be, E_NOMEM. */
#define ROUTE_ALLOW_BYTES 64
#define ROUTE_PIECES      2 /* {…} parts of a path, at most */
MUST_USE enum err route_find(enum http_method method, struct str path, struct arena *arena, const struct route **out, struct str *pieces,
                             char allow[ROUTE_ALLOW_BYTES], struct problem *problem);
/* Reads the query by the route's table: unknown ones, doubles and values out of range are refused. */
MUST_USE enum err route_read_params(const struct route *route, struct http_exchange *exchange, struct arena *arena, struct param_value *out,
                                    struct problem *problem);
const struct param_value *route_param(const struct route *route, const struct param_value *values, const char *name);
const char *http_method_name(enum http_method method);
extern const char *const job_state_words[], *const order_words[], *const way_words[], *const event_type_words[];
extern const char *const range_words[], *const range_what_words[], *const part_words[]; /* ranges.c */
