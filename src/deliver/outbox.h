/* src/deliver/outbox.h: verdicts on their way to the engine. Those of one turn of the loop travel in one request; a request that the
 * engine could not take (a full disk, an unknown outcome) is sent again a little later. What it had already taken then answers
 * stale_lease, and nothing happens twice. One thread. */
#pragma once
#include "deliver/deliver.h"

#define OUTBOX_OPS           256    /* of one request */
#define OUTBOX_SCRATCH_BYTES (1024u * 1024)
#define OUTBOX_AGAIN_US      250000

struct outbox {
	const struct deliver_ports *ports;
	void *owner;                /* of the requests */
	struct request *open;       /* being filled; NULL: none */
	uint32_t open_capacity;
	struct request *spare;      /* linked by link */
	uint32_t spare_count;
	struct request *refused, **refused_last; /* to be sent again */
	int64_t again_us;           /* when; INT64_MAX: none waits */
	uint64_t next_number;
	uint32_t outstanding;       /* at the engine */
	struct buf scratch;         /* for whoever writes a verdict */
};

void outbox_init(struct outbox *outbox, const struct deliver_ports *ports, void *owner);
void outbox_fini(struct outbox *outbox); /* nothing may be outstanding */
/* Room for one more operation, among about `expected` of this turn; it counts once outbox_add is called. NULL: no memory. */
struct op *outbox_op(struct outbox *outbox, uint32_t expected);
void outbox_add(struct outbox *outbox);
/* A request of its own for so many operations, which are applied together: in outbox_arena; it counts once outbox_add_all is called. NULL: no memory. */
struct op *outbox_ops(struct outbox *outbox, uint32_t count);
void outbox_add_all(struct outbox *outbox, uint32_t count);
struct arena *outbox_arena(struct outbox *outbox); /* of the request that outbox_op gave room in */
void outbox_flush(struct outbox *outbox);
/* A request is back. */
void outbox_take(struct outbox *outbox, struct request *request, int64_t now_us);
/* Sends again what is due. */
void outbox_again(struct outbox *outbox, int64_t now_us);
/* Drops what would be sent again: the leases run out, and the jobs are delivered once more. For the end. */
void outbox_give_up(struct outbox *outbox);
