/* src/deliver/house_test.h: a deliver thread with the rest of the house played by a test: jobs to be read, and verdicts that are
 * written down. */
#pragma once
#include "deliver/deliver.h"

#define HOUSE_ENDPOINT 7
struct house_job {
	const char *id, *payload, *edited, *target, *trace;
	size_t payload_len;         /* 0: strlen(payload) */
	const char *settings;       /* of its queue; NULL: {"target":"http"} */
	uint64_t settings_version;  /* 0: a fresh one */
	int64_t timeout_ms;
	uint32_t attempt, attempts_made; /* attempt: with those that cost nothing; 0: not said */
	bool gone;                  /* deleted meanwhile */
	/* A delivery of a message to the endpoint "crm". */
	struct message_row message; /* uid 0: it is none */
	const char *endpoint;       /* its settings; NULL: it is gone. Its number is HOUSE_ENDPOINT */
	uint64_t endpoint_version;  /* 0: a fresh one */
	struct entity_row entity;   /* entity empty: nothing is known */
};
struct told {                       /* a verdict, as the engine heard it */
	uint64_t uid, fence;
	enum op_kind kind;
	enum verdict verdict;
	int64_t delay_ms;
	bool costs_nothing;
	char *result, *error, *exchange;
	bool busy, has_hook;
	bool rides;                 /* told as a rider */
	uint32_t request;           /* in which it came */
	struct op_hook hook;        /* its texts are in: */
	char *entity, *external_id;
};
struct house;
/* allow: blank-separated ranges. */
struct house *house_open(const char *allow, const struct deliver_config *config);
/* Houses opened from now on run programs in it; NULL: in none. */
struct format_pool;
void house_use_formats(struct format_pool *pool);
void house_format(struct house *house, const char *name, const char *json); /* as the engine tells it; NULL: it is gone */
/* From now on: up to two values, the current one first; NULL: one less. Texts are kept by the caller. */
void house_secret(struct house *house, const char *name, const char *value, const char *older);
void house_close(struct house *house, int64_t grace_ms); /* stops the thread; what it told until then can still be asked */
void house_free(struct house *house);
uint64_t house_deliver(struct house *house, const struct house_job *job);
uint64_t house_deliver_batch(struct house *house, const struct house_job *jobs, uint32_t count); /* the first one's uid; the others' follow */
void house_abort(struct house *house, uint64_t uid);
const struct told *house_wait(struct house *house, uint64_t uid);  /* until its verdict came */
const struct told *house_heard(struct house *house, uint64_t uid); /* NULL: none yet */
uint32_t house_told_count(struct house *house, uint64_t uid);
uint32_t house_request_count(struct house *house);
struct deliver *house_deliver_thread(struct house *house);
void house_fail_next(struct house *house, enum err err, uint32_t times); /* the engine refuses the next requests as a whole */
void house_fail_reads(struct house *house, enum err err, uint32_t times);
