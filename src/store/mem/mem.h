/* src/store/mem/mem.h: what a store in memory offers beside the port, for simulators and tests.
 *
 * A disk is what survives: stores come and go over it, as processes over a file. Two stores may share one and fight for its term.
 * In automatic mode, the first one, a change-set is applied and answered at the next poll. Otherwise nothing is applied and nothing
 * answered until store_mem_settle says how. */
#pragma once
#include "store/store.h"

struct mem_disk;

struct mem_disk *store_mem_disk(struct store *store);
/* Another store over the same disk, which lives until the last one is closed. */
MUST_USE enum err store_mem_share(struct mem_disk *disk, struct store **out);

enum settle {
	SETTLE_APPLY,        /* E_OK, or what the disk says (E_STALE_TERM, E_CONFLICT, E_NOMEM) */
	SETTLE_REFUSE,       /* E_STORE_FULL: nothing of it is there */
	SETTLE_APPLY_UNKNOWN,/* E_OUTCOME_UNKNOWN, and it is there */
	SETTLE_LOSE_UNKNOWN  /* E_OUTCOME_UNKNOWN, and it is not there */
};
void store_mem_set_automatic(struct store *store, bool automatic);
uint32_t store_mem_in_flight(const struct store *store); /* submitted, not settled */
/* Settles the oldest n so. The first that fails fails all that are in flight behind it; after an unknown outcome everything is answered
 * E_OUTCOME_UNKNOWN until reopen. */
void store_mem_settle(struct store *store, uint32_t n, enum settle how);
