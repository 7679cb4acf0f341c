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
/* range.c */
MUST_USE enum err mem_errors(const struct mem_disk *disk, struct arena *arena, struct job_view *out); /* of its attempts, the newest last */
MUST_USE enum err mem_range(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
MUST_USE enum err mem_read(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out);
