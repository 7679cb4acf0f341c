/* src/store/mem/reader.h: questions to a disk in memory, answered by looking at everything. Private to mem/. */
#pragma once
#include "store/mem/disk.h"

MUST_USE enum err mem_reader_new(struct mem_disk *disk, struct reader **out);
/* Copies into the arena. E_NOMEM. */
MUST_USE enum err mem_copy_row(struct arena *arena, const struct job_row *row, struct job_row *out);
MUST_USE enum err mem_copy_definition(struct arena *arena, const struct job_definition *definition, bool with_payload,
                                      struct job_definition *out);
