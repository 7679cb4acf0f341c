/* src/api/routes.h: the handlers that the table of routes names, by resource. Private to the room. */
#pragma once
#include "api/call.h"
#include "api/view.h"

/* jobs.c */
void jobs_adopt_trace(struct call *call); /* also for batches */
bool jobs_decode(struct call *call);
bool jobs_decode_delete(struct call *call);
void jobs_enqueue(struct call *call);
void jobs_list(struct call *call);
void jobs_count(struct call *call);
void jobs_get(struct call *call);
void jobs_payload(struct call *call);
void jobs_result(struct call *call);
void jobs_attempts(struct call *call);
void jobs_children(struct call *call);
void jobs_logs(struct call *call);
void jobs_encode_enqueued(struct call *call, struct buf *out);
void jobs_encode_list(struct call *call, struct buf *out);
void jobs_encode_count(struct call *call, struct buf *out);
void jobs_encode_one(struct call *call, struct buf *out);
void jobs_encode_attempts(struct call *call, struct buf *out);
void jobs_encode_children(struct call *call, struct buf *out);
void jobs_encode_logs(struct call *call, struct buf *out);
void jobs_ask_behind(struct call *call); /* call->question, once all that came before is on disk; the route's encoder writes the answer */
/* hello.c, ranges.c, read_many.c */
void hello_get(struct call *call);
enum { PART_PAYLOAD, PART_RESULT, PART_PROGRESS, PART_ERRORS, PART_PARENTS }; /* of a job, in the order of part_words; its progress is always told */
void query_set_parts(struct query *query, uint32_t bits);
struct view_parts query_parts(const struct query *query);
void ranges_get(struct call *call);
void ranges_encode(struct call *call, struct buf *out);
bool read_many_decode(struct call *call);
void read_many_begin(struct call *call);
void read_many_encode(struct call *call, struct buf *out);
/* claims.c, leases.c, batch.c */
void claims_post(struct call *call);
bool leases_decode_list(struct call *call);
bool leases_decode_log(struct call *call);
bool batch_decode(struct call *call);
void batch_run(struct call *call);
/* queues.c */
bool queues_decode_put(struct call *call);
bool queues_decode_list(struct call *call);
bool groups_decode_put(struct call *call);
bool groups_decode_list(struct call *call);
bool chains_decode_list(struct call *call);
bool groups_decode_get(struct call *call);
void groups_encode_one(struct call *call, struct buf *out);
/* limits.c */
bool limits_decode_put(struct call *call);
bool limits_decode_list(struct call *call);
/* endpoints.c, messages.c */
bool secrets_decode_put(struct call *call);
bool secrets_decode_delete(struct call *call);
bool secrets_decode_list(struct call *call);
bool secrets_decode_rekey(struct call *call);
void secrets_store(struct call *call);
void secrets_rotate(struct call *call);
void secrets_rekey(struct call *call);
void secrets_encode_rekeyed(struct call *call, struct buf *out);
void secrets_encode(struct call *call, struct buf *out);
bool endpoints_decode_put(struct call *call);
bool endpoints_decode_new(struct call *call);
bool endpoints_decode_state(struct call *call);
bool endpoints_decode_list(struct call *call);
void endpoints_put(struct call *call);
void endpoints_make(struct call *call);
void endpoints_encode(struct call *call, struct buf *out);
/* event_types.c */
bool event_types_decode(struct call *call);
bool event_types_decode_put(struct call *call);
bool event_types_decode_new(struct call *call);
bool event_types_decode_list(struct call *call);
void event_types_encode(struct call *call, struct buf *out);

/* formats.c */
bool formats_decode(struct call *call);
bool formats_decode_put(struct call *call);
bool formats_decode_list(struct call *call);
void formats_put(struct call *call);
void formats_compiled(struct call *call);
void formats_encode(struct call *call, struct buf *out);
enum err format_program(struct call *call, struct str text, struct str *out); /* of a stored format's text; E_INVALID: it cannot be read */
/* namers.c, public_key.c, preview.c */
void namers_write(struct buf *out, const struct named_info *info); /* the members named_by and named_by_count, where they are known */
void public_key_get(struct call *call);
bool previews_decode(struct call *call);
void previews_begin(struct call *call);
void previews_compiled(struct call *call);
void previews_encode(struct call *call, struct buf *out);
/* messages.c */
bool messages_decode(struct call *call);
void messages_list(struct call *call);
bool messages_decode_expunge(struct call *call);
void messages_get(struct call *call);
void messages_encode_sent(struct call *call, struct buf *out);
void messages_encode_list(struct call *call, struct buf *out);
void messages_encode_one(struct call *call, struct buf *out);
bool message_uid_of_path(struct call *call, uint64_t *out); /* false: the problem is set */
/* The path's message, for its caller to see: goes on with it as the question's answer. */
void messages_seek(struct call *call, void (*found)(struct call *call));
/* deliveries.c, entities.c */
void deliveries_list(struct call *call);
void deliveries_of_message(struct call *call);
void deliveries_encode_list(struct call *call, struct buf *out);
bool resend_decode(struct call *call);
void resend_run(struct call *call);
bool test_decode(struct call *call);
void test_encode(struct call *call, struct buf *out);
void entities_list(struct call *call);
void entities_get(struct call *call);
bool entities_decode_delete(struct call *call);
void entities_encode_one(struct call *call, struct buf *out);
void entities_encode_list(struct call *call, struct buf *out);
/* sources.c, incoming.c */
bool sources_decode(struct call *call);
bool sources_decode_put(struct call *call);
bool sources_decode_list(struct call *call);
void sources_put(struct call *call);
void sources_encode(struct call *call, struct buf *out);
void poll_get(struct call *call);
void poll_encode(struct call *call, struct buf *out);
void incoming_post(struct call *call);
void incoming_encode(struct call *call, struct buf *out);
/* recover.c */
bool recover_decode(struct call *call);
bool replay_decode(struct call *call);
void recover_begin(struct call *call);
/* operations.c */
void operations_list(struct call *call);
void operations_get(struct call *call);
void operations_steer(struct call *call);
void operations_encode_list(struct call *call, struct buf *out);
void operations_encode_one(struct call *call, struct buf *out);
/* events.c, tokens.c, metrics.c, workers.c, stats.c, health.c, openapi.c */
void events_get(struct call *call);
bool tokens_decode(struct call *call);
void tokens_list(struct call *call);
void tokens_make(struct call *call);
void tokens_revoke(struct call *call);
void tokens_encode_list(struct call *call, struct buf *out);
void tokens_encode_one(struct call *call, struct buf *out);
void metrics_get(struct call *call);
void metrics_encode(struct call *call, struct buf *out);
bool workers_decode(struct call *call);
void workers_put(struct call *call);
void workers_delete(struct call *call);
void workers_list(struct call *call);
/* Adds up the queues of a namespace (empty: of all), or one queue, in call->totals; then the answer is encoded. */
void stats_ask(struct call *call, struct queue_name of);
uint64_t stats_jobs(const struct call *call, uint32_t states); /* how many jobs there are in these states (0: in any) */
void stats_get(struct call *call);
void stats_encode(struct call *call, struct buf *out);
void health_live(struct call *call);
void health_ready(struct call *call);
void health_metrics(struct call *call);
void openapi_get(struct call *call);
