/* src/daemon/bulk.h: works bulk operations off ("retry all that match"). The row is durable and is the truth; this only pages the ids and
 * asks the engine to change them, a slice at a time, until the row says that it is done. One operation after another, oldest first;
 * what was running when the daemon stopped goes on at the row's cursor.
 *
 * A small state machine on the loop's thread, at most one question or request on its way:
 *
 *     IDLE ──► FETCH the row ──► PAGE ids ──► SLICE ──► PAGE … ──► done, next operation
 *                 ▲                 └─ a fault ─► REST until the next tick ─┘
 */
#pragma once
#include "engine/command.h"
#include "store/query.h"

struct bulk;
struct bulk_ports {
	void *context;
	void (*submit)(void *context, struct request *request); /* comes back through bulk_reply */
	void (*ask)(void *context, struct question *question);  /* comes back through bulk_answer */
};
struct bulk *bulk_new(const struct bulk_ports *ports); /* NULL: no memory */
void bulk_free(struct bulk *bulk);                     /* nothing of it may be on its way */
void bulk_begin(struct bulk *bulk);                    /* looks for operations that were running */
void bulk_effect(struct bulk *bulk, uint64_t number, enum operation_state state);
void bulk_reply(struct bulk *bulk, struct request *request);
bool bulk_asked(const struct bulk *bulk, const struct question *question); /* it is its own */
void bulk_answer(struct bulk *bulk, struct question *question);
void bulk_tick(struct bulk *bulk);                     /* each second: what rested goes on */
void bulk_quiesce(struct bulk *bulk);                  /* begins nothing more */
bool bulk_is_idle(const struct bulk *bulk);            /* nothing on its way */
