/* src/store/mem/webhooks.h: what a change-set says of named things, messages and entities. Private to mem/. */
#pragma once
#include "store/mem/disk.h"

/* The row as it is after: what it says nothing of comes from the one that it replaces, on disk or earlier among the copies. */
void message_merge(const struct mem_disk *disk, const struct mem_rows *copies, struct message_row *row);
void entity_merge(const struct mem_disk *disk, const struct mem_rows *copies, struct entity_row *row);
/* E_CONFLICT: a number, uid or key that is taken. */
MUST_USE enum err webhooks_check(const struct mem_disk *disk, const struct changeset *cs);
void webhooks_commit(struct mem_disk *disk, const struct changeset *cs); /* rows stand in their tables: what goes, goes */
void webhooks_ranges(struct mem_disk *disk, struct changeset *cs);
