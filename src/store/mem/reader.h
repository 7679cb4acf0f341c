/* src/store/mem/reader.h: questions to a disk in memory, answered by looking at everything. Private to mem/. */
#pragma once
#include "store/mem/disk.h"

MUST_USE enum err mem_reader_new(struct mem_disk *disk, struct reader **out);
/* Copies into the arena. E_NOMEM. */
MUST_USE enum err mem_copy_row(struct arena *arena, const struct job_row *row, struct job_row *out);
MUST_USE enum err mem_copy_definition(struct arena *arena, const struct job_definition *definition, bool with_payload,
                                      struct job_definition *out);
/* A job with the bodies that the query asks for. E_NOMEM. */
MUST_USE enum err mem_view(const struct mem_disk *disk, struct arena *arena, const struct mem_job *job, const struct query *query,
                           struct job_view *out);
const struct queue_row *mem_queue(const struct mem_disk *disk, struct str namespace_name, struct str name); /* NULL: none */
const struct mem_job *mem_job_of(const struct mem_disk *disk, const struct queue_row *queue, struct str id); /* NULL: none */
MUST_USE enum err mem_copy_str(struct arena *arena, struct str *slice); /* in place */
/* A body's chunks, one after the other. A body that is not there reads as empty. */
MUST_USE enum err mem_copy_body(const struct mem_disk *disk, struct arena *arena, uint64_t number, struct str *out);
/* messages.c */
MUST_USE enum err mem_copy_message(const struct mem_disk *disk, struct arena *arena, const struct message_row *message, bool with_payload,
                                   struct message_row *out);
uint64_t mem_message_by_key(const struct mem_disk *disk, struct str namespace_name, struct str key); /* uid; 0: none */
MUST_USE enum err mem_view_delivery(const struct mem_disk *disk, struct arena *arena, struct job_view *view);
MUST_USE enum err mem_view_hold(const struct mem_disk *disk, struct arena *arena, struct job_view *view);
MUST_USE enum err mem_message(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err mem_messages(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err mem_polled(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err mem_entities(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
/* replay.c */
MUST_USE enum err mem_replay(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
/* range.c */
MUST_USE enum err mem_errors(const struct mem_disk *disk, struct arena *arena, struct job_view *out); /* of its attempts, the newest last */
MUST_USE enum err mem_range(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err mem_read(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
