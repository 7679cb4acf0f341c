/* src/engine/test_world.h: an engine over a store in memory, for tests: one request at a time, on a clock of the test's own. Every step is
 * followed by engine_verify. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/uid.h"
#include "engine/engine.h"
#include "engine/engine_priv.h"
#include "store/mem/mem.h"

#define START_US INT64_C(1800000000000000)

struct world {
	struct store *store;
	struct engine *engine;
	struct engine_config config;
	int64_t boot_us, wall_us;
	struct uid_maker maker;
	uint64_t number;
	struct request *replies; /* taken, not yet looked at */
	struct effect *effects;
};

void world_open(struct world *world);
void world_close(struct world *world);
void world_crash(struct world *world); /* the process dies and comes back over the same disk */
void world_manual(struct world *world, bool manual); /* commits wait for world_settle */
void world_settle(struct world *world, enum settle how); /* the oldest in flight; then a step */
void world_step(struct world *world);
bool world_starve(struct world *world, uint64_t nth, enum mem_fail how); /* one step, that allocation failing; true: it came to that */
void world_pass(struct world *world, int64_t ms);
void world_dump(struct world *world, struct buf *out); /* all that memory knows, as text; the test's */

struct request *request_new(struct world *world, uint32_t op_count);
void request_drop(struct request *request);
void world_push(struct world *world, struct request *request); /* and one step */
bool world_answered(struct world *world, struct request *request); /* true: it is the test's again */
struct request *world_ask(struct world *world, struct request *request); /* NULL: it waits */
/* One request, that allocation failing: its first operation is done, or nothing is changed. True: it came to that. */
bool world_starve_request(struct world *world, struct request *request, uint64_t nth);
uint32_t world_effects(const struct world *world, enum effect_kind kind); /* how many have left since the beginning */

struct op *enqueue_op(struct world *world, struct op *op, const char *queue, const char *group);
struct request *enqueue_request(struct world *world, const char *queue, const char *group, const char *id);
struct request *claim_request(struct world *world, const char *queue, uint32_t max, int64_t wait_ms);
struct request *lease_request(struct world *world, enum op_kind kind, uint64_t uid);
struct request *job_request(struct world *world, enum op_kind kind, uint64_t uid);
struct request *queue_request(struct world *world, enum op_kind kind, const char *queue, const char *group, const char *settings);

/* Asks, and gives the answer's essence. */
enum err world_err(struct world *world, struct request *request); /* the request's, or its only operation's */
uint64_t world_enqueue(struct world *world, const char *queue, const char *group);
uint32_t world_claim(struct world *world, const char *queue, uint32_t max, uint64_t *uids);
enum err world_lease(struct world *world, enum op_kind kind, uint64_t uid, const char *token, enum verdict verdict, int64_t delay_ms);
enum err world_by_hand(struct world *world, enum op_kind kind, uint64_t uid);
void world_settings(struct world *world, const char *queue, const char *json);
enum job_state world_state(struct world *world, uint64_t uid); /* JOB_STATE_COUNT: not there */
