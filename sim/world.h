/* sim/world.h: a whole small world on virtual time, from one seed: an engine over a store in memory, clients, workers, third parties, operators, a
 * wall clock that jumps, a machine that sleeps, commits that are refused or whose answer is lost, crashes at any moment, a second engine that takes
 * over. Nothing here reads a real clock or real dice, so a seed replays bit for bit. After every commit and every answer the shadow (sim/shadow.h)
 * checks the rules of the design; every tenth of a second the watch (sim/watch.c) looks for what should have happened by now. */
#pragma once
#include "base/heap.h"
#include "base/pool.h"
#include "base/uid.h"
#include "engine/engine.h"
#include "sim/shadow.h"
#include "store/mem/mem.h"

struct world;
struct actor;

/* A request's way back: told when it is answered, or with E_CANCELLED when the daemon died before. */
typedef void reply_handler(struct world *world, struct actor *actor, struct request *request);

struct errand { /* request->owner */
	struct errand *before, *after; /* of all that are out */
	int64_t sent_us;
	struct request *request;
	struct actor *actor;
	reply_handler *reply;
};

typedef void plan_handler(struct world *world, struct actor *actor, uint64_t argument);

struct world {
	uint64_t seed, dice;
	int64_t now_us;        /* virtual, since the world began */
	int64_t wall_offset_us;
	bool calm;             /* the end: no more faults, everything must come to rest */
	uint32_t fault_permille; /* of commits */
	int64_t quiet_us;      /* since when nothing went wrong: no fault, crash, jump or sleep */
	int64_t end_us;        /* when the calm begins; a sleep puts it off */
	bool trace;
	struct mem_disk *disk;
	struct store *inner;   /* the mem store under the one that the engine sees */
	struct store seen;
	struct engine *engine;
	struct changeset *in_flight[8];
	uint32_t in_flight_count;
	struct heap agenda;
	struct pool plans;
	int64_t step_us;       /* when the engine wants to be called */
	struct errand out;     /* head of a ring */
	struct uid_maker maker;
	uint64_t request_number;
	uint64_t operations[32]; /* bulk operations that were started */
	uint32_t operation_count;
	struct shadow shadow;
	uint64_t hash;         /* of everything that was committed and answered */
	uint64_t steps, commits, crashes, refused, unknown, takeovers, answers, jumps, sleeps, compared, trees;
	uint32_t jobs;
};

uint64_t world_dice(struct world *world);
uint64_t world_below(struct world *world, uint64_t limit); /* 0 … limit - 1 */
bool world_chance(struct world *world, uint32_t permille);
void world_plan(struct world *world, int64_t in_us, plan_handler *run, struct actor *actor, uint64_t argument);
struct request *world_request(struct world *world, uint32_t op_count);
void world_send(struct world *world, struct request *request, struct actor *actor, reply_handler *reply);
void world_note(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3); /* into the hash, and printed when tracing */
int64_t world_wall_us(const struct world *world);

/* Builds it, lets it run for `span_us` with faults, then to rest, and takes it down. Returns the final hash. Violations are CHECKs. */
uint64_t world_live(struct world *world, uint64_t seed, int64_t span_us, bool trace);

void world_disturb(struct world *world); /* something went wrong just now: nobody has to be in time for a while */
void watch_start(struct world *world);

/* The inhabitants (sim/clients.c, sim/workers.c): each plans its own next act. */
void clients_start(struct world *world);
void limits_start(struct world *world); /* limits.c */
void turns_start(struct world *world);  /* turns.c */
void types_start(struct world *world);  /* types.c */
void resets_start(struct world *world); /* resets.c */
void clocks_start(struct world *world); /* clocks.c */
void hooks_start(struct world *world);  /* hooks.c */
void hooks_replay(struct reader *reader, const struct operation_row *row, struct request *request); /* makes its next slice */
bool rides_deliver(struct world *world, const struct effect *effect); /* rides.c; false: its endpoint takes one message at a time */
void polls_start(struct world *world);  /* polls.c */
bool hooks_is_dead(const struct world *world, uint32_t endpoint); /* the third party behind it, by the endpoint's number */
void hooks_blame(struct world *world, struct request *request, struct op *op, uint32_t endpoint); /* COMPLETE, FAIL: what it says of the endpoint */
void trees_meddle(struct world *world); /* trees.c */
void clients_bulk(struct world *world, const struct effect *effect);
void workers_start(struct world *world);
void chains_granted(struct world *world, uint64_t uid); /* chains.c: by a worker of the queue that keeps other rules */
void chains_tell(struct world *world, struct op *op);
bool workers_wait(int64_t since_us, bool compat); /* somebody has waited for any pull job ever since */
void workers_deliver(struct world *world, const struct effect *effect);
