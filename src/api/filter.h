/* src/api/filter.h: which jobs a list or a bulk operation means, as JSON and as query parameters. The daemon reads an operation's
 * kept filter with filter_read too. */
#pragma once
#include "base/json.h"
#include "store/query.h"
struct call;

/* {"queue":"mail","states":["failed"],…}; `state` ("failed,active") says the same as `states`. Over *out, which the caller zeroes. */
bool filter_read(struct json *json, struct job_filter *out);
void filter_write(const struct job_filter *filter, struct buf *out); /* canonical: only what is set, in one order */
bool filter_is_empty(const struct job_filter *filter); /* it means every job */
extern const struct json_field filter_fields[];
extern const size_t filter_field_count;
const char *filter_field_type(const struct json_field *field); /* of JSON_F_CUSTOM ones, in the notation of schema.h */

/* The same as query parameters, for tables of params; filter_from_params reads them back. */
#define FILTER_PARAMS                                                                                                        \
	{ "queue", PARAM_NAME, 1, 255, NULL, "Only jobs of this queue." },                                                    \
	{ "namespace", PARAM_NAME, 1, 255, NULL, "Of this namespace (default)." },                                            \
	{ "state", PARAM_WORDS, 0, 0, job_state_words, "Only jobs in these states, separated by commas." },                   \
	{ "name", PARAM_TEXT, 1, 255, NULL, "Only jobs of this name." },                                                      \
	{ "id", PARAM_TEXT, 1, 513, NULL, "The caller's id, or its beginning followed by *; a uid's text matches too. Needs `queue`." }, \
	{ "group", PARAM_TEXT, 1, 512, NULL, "Only jobs of this group." },                                                    \
	{ "tag", PARAM_TEXT, 1, 128, NULL, "Only jobs with this tag." },                                                      \
	{ "error", PARAM_TEXT, 1, 512, NULL, "Only jobs whose error holds this text; the scan is bounded." },                 \
	{ "created_after", PARAM_INSTANT, 0, 0, NULL, "Enqueued at this instant or later." },                                 \
	{ "created_before", PARAM_INSTANT, 0, 0, NULL, "Enqueued before this instant." },                                     \
	{ "finished_after", PARAM_INSTANT, 0, 0, NULL, "Ended at this instant or later." },                                   \
	{ "finished_before", PARAM_INSTANT, 0, 0, NULL, "Ended before this instant." },                                       \
	FILTER_OUTCOME, FILTER_MESSAGE, FILTER_ENTITY, FILTER_ENDPOINT
#define FILTER_OUTCOME  { "outcome", PARAM_WORDS, 0, 0, outcome_words, "Only jobs that ended so, separated by commas." }
#define FILTER_MESSAGE  { "message", PARAM_TEXT, 1, 64, NULL, "Only deliveries of this message: its id, or its uid." }
#define FILTER_ENTITY   { "entity", PARAM_TEXT, 1, 512, NULL, "Only deliveries of messages about this entity." }
#define FILTER_ENDPOINT { "endpoint", PARAM_TEXT, 1, 255, NULL, "Only deliveries to this endpoint." }
extern const char *const job_outcome_words[];   /* in the order of enum job_outcome */
#define outcome_words (job_outcome_words + 1)   /* of those that ended */
/* false: the call's problem is set. */
bool filter_from_params(struct call *call, struct job_filter *out);
bool filter_from_delivery_params(struct call *call, struct job_filter *out); /* outcome, message, entity, endpoint */
bool message_id_parse(struct str text, uint64_t *out); /* "msg_" and its uid, or the uid alone; false: it is none */
void put_message_id(struct buf *out, const char *key, uint64_t uid);
#define MESSAGE_ID_REFUSAL "\"" STR_FMT "\" is no message's id: those look like msg_0r4k2m7x9q3zt."
/* What the fields cannot say one by one: an id needs a queue. NULL: fine. */
const char *filter_refusal(const struct job_filter *filter);
