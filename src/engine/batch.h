/* src/engine/batch.h: a batch: what is applied together, committed together, answered together, and undone together. Private.
 *
 *   open      handlers change the index through job_touch and friends; each change leaves an entry in the journal
 *   closed    its dirty jobs have become rows of its change-set; submitted; more batches may follow it
 *   settled   committed: replies and effects leave, keys and final jobs leave memory; or refused: the journal is played back
 *
 * A mark is a point in the open batch to which it can be undone: before each operation, and before each atomic request. */
#pragma once
#include "engine/index.h"
#include "store/store.h"

struct dirty { /* a job changed in this batch, and what its row needs beyond struct job */
	uint32_t slot;
	const struct job_definition *definition; /* new */
	struct job_result *result;               /* became final here */
	enum job_outcome outcome;
	struct str worker;
	int64_t started_us, finished_us;
	const struct keep *keep;                 /* what its end said of its like */
};

enum undo_kind {
	UNDO_JOB, UNDO_JOB_NEW, UNDO_QUEUE, UNDO_QUEUE_NEW, UNDO_GROUP, UNDO_KEY, UNDO_POLICY, UNDO_OPERATION, UNDO_OPERATION_NEW,
	UNDO_ASIDE, UNDO_VALUE, UNDO_DEDUP, UNDO_DEDUP_NEW, UNDO_CHAIN, UNDO_CHAIN_NEW, UNDO_LIMIT, UNDO_LIMIT_NEW, UNDO_PERMIT,
	UNDO_PERMIT_NEW, UNDO_EDGE, UNDO_EDGE_NEW, UNDO_TURN, UNDO_NAMED, UNDO_NAMED_NEW, UNDO_HEALTH, UNDO_EXPANSION, UNDO_EXPANSION_NEW
};
struct undo {
	enum undo_kind kind;
	uint32_t slot;
	union {
		struct {
			struct job before;
			struct lease lease; /* when it had one */
			struct dirty dirty; /* when it was dirty already */
		} job;
		struct {
			struct kept_settings *kept;
			bool paused, deleted;
			uint64_t version;
			int64_t blocked_us;
		} queue;
		struct {
			struct group_settings settings;
			bool paused, has_row;
			int64_t blocked_us;
			uint32_t lane, endpoint;
		} group;
		struct {
			struct limit_settings settings;
			int64_t blocked_us;
			bool gone;
		} limit;
		struct {
			uint32_t units;
			int64_t deadline_us, lease_ms;
		} permit;
		struct operation_row operation;
		struct {
			uint64_t uid;
			uint32_t old; /* slot; the entry's slot is the new one */
		} aside;
		struct {
			uint64_t *place, before;
		} value;
		struct dedup dedup;
		struct {
			uint8_t state, on_failure;
			uint64_t version;
		} edge;
		struct chain chain; /* holds its terms */
		struct named named; /* holds its text and endpoint */
		struct health health;
		struct {
			uint32_t next_endpoint, deliveries, flags;
			uint64_t version;
		} expansion;
		struct {
			struct turn turn;
			struct heap_entry entry;
			struct lane_time time;
			uint64_t clock;
		} turn; /* slot: the group */
	};
};

struct event {
	enum event_type type;
	uint32_t queue;     /* slot */
	uint64_t uid;       /* 0: about the queue */
	struct str details; /* JSON object, or empty */
};

struct batch {
	struct batch *next;
	struct changeset cs;
	struct undo *journal;
	uint32_t journal_count, journal_capacity;
	struct dirty *dirty;
	uint32_t dirty_count, dirty_capacity;
	struct event *events;
	uint32_t event_count, event_capacity;
	struct effect **effects;
	uint32_t effect_count, effect_capacity;
	struct request *first_reply, **last_reply;
	uint32_t reply_count;
	size_t bytes;        /* of bodies in it */
	bool keeps;          /* some of its ends may have said what is kept */
	int64_t earliest_finish_us; /* of its ends, or earlier; 0: none */
	bool closed, submitted;
};

struct mark {
	uint32_t journal, dirty, events, effects;
	uint32_t attempts, chunks, staged, unstaged, dropped_bodies, logs, log_trims, progress, queues, dropped_queues, groups, budgets,
		permits, policies, dedups, edges, chains, tokens, operations, idempotency, event_trims, nameds, messages, entities, message_ranges,
		entity_ranges, metrics;
	size_t bytes;
};

struct batch *batch_new(void); /* NULL: no memory */
void batch_free(struct batch *batch);
bool batch_is_empty(const struct batch *batch); /* nothing to write */
void batch_answer(struct batch *batch, struct request *request);
struct mark batch_mark(const struct batch *batch);
/* Undoes the open batch back to the mark: the index is as it was then. */
void batch_undo(struct batch *batch, struct index *index, struct mark mark);
/* The dirty jobs become rows; events become lines; counters become deltas. E_NOMEM: nothing changed, undo the batch. */
MUST_USE enum err batch_close(struct batch *batch, struct index *index, uint64_t seq);
/* After the commit: final and deleted jobs leave memory, keys too. */
void batch_settle(struct batch *batch, struct index *index);
/* A batch that was refused, open or closed: after all later ones were undone. */
void batch_undo_all(struct batch *batch, struct index *index);

/* ---- what handlers call ---- */

/* Before changing a job that is in memory: journals it, takes it out of its place and marks it dirty. After the change: job_place. In
 * between it stands nowhere, and a handler may still refuse. E_NOMEM: nothing changed. */
MUST_USE enum err job_touch(struct batch *batch, struct index *index, uint32_t slot);
MUST_USE enum err job_place(struct index *index, uint32_t slot);
/* The one door between states, between touch and place: CHECKs that the move is allowed; sets since_us. Leaving ACTIVE drops the lease. */
void job_move(struct index *index, struct job *job, enum job_state next);
/* A new job: attached nowhere yet, journalled and dirty; job_place ends it. */
MUST_USE enum err job_begin(struct batch *batch, struct index *index, uint64_t uid, const struct job_definition *definition, uint32_t *out_slot);
struct dirty *job_dirty(struct batch *batch, const struct job *job);
MUST_USE enum err queue_touch(struct batch *batch, struct index *index, uint32_t slot); /* journals; its row is written */
MUST_USE enum err queue_begin(struct batch *batch, struct index *index, struct queue_name name, uint32_t *out_slot); /* finds or makes */
MUST_USE enum err group_touch(struct batch *batch, struct index *index, uint32_t slot);
MUST_USE enum err limit_touch(struct batch *batch, struct index *index, uint32_t slot); /* journals; limit_write writes its row */
MUST_USE enum err limit_begin(struct batch *batch, struct index *index, struct queue_name name, uint32_t *out_slot); /* finds or makes */
MUST_USE enum err permit_touch(struct batch *batch, struct index *index, uint32_t slot);
MUST_USE enum err permit_begin(struct batch *batch, struct index *index, uint32_t limit, uint64_t token, uint32_t *out_slot);
/* Journals a bulk operation that is about to change; it is written by the caller. */
MUST_USE enum err operation_touch(struct batch *batch, struct index *index, uint32_t slot);
MUST_USE enum err operation_begin(struct batch *batch, struct index *index, const struct operation_row *row, uint32_t *out_slot);
MUST_USE enum err batch_key(struct batch *batch, struct index *index, uint32_t queue, struct str id, uint64_t uid);
MUST_USE enum err batch_policy(struct batch *batch, struct index *index, const struct retry_policy *policy, uint32_t *out_number);
/* Between job_touch (or job_begin) and job_place: the job has these things aside from now on. Holds the name of `deferred` once more. */
MUST_USE enum err aside_change(struct batch *batch, struct index *index, uint32_t job, const struct aside *wanted);
/* A new pending edge; one that is there becomes something else: enum edge_state, or EDGE_GONE. Their rows are the caller's to write. */
MUST_USE enum err edge_begin(struct batch *batch, struct index *index, uint64_t parent, uint64_t child, enum on_failure on_failure);
MUST_USE enum err edge_become(struct batch *batch, struct index *index, uint32_t slot, uint32_t state, enum on_failure on_failure);
/* Finds or makes it, and journals it; a new one has neither text nor endpoint yet. */
MUST_USE enum err named_begin(struct batch *batch, struct index *index, enum named_kind kind, struct queue_name name, uint32_t *out_slot);
MUST_USE enum err named_touch(struct batch *batch, struct index *index, uint32_t slot);
MUST_USE enum err health_touch(struct batch *batch, struct index *index, uint32_t slot); /* health.c: its numbers only */
MUST_USE enum err expansion_begin(struct batch *batch, struct index *index, const struct message_row *row);
MUST_USE enum err expansion_touch(struct batch *batch, struct index *index, uint32_t slot);
/* Journals a number that is about to change, in an object that stays where it is as long as the batch lives. */
MUST_USE enum err batch_value(struct batch *batch, uint64_t *place);
/* A job of this group is about to start, before its job_touch: the first one of the lane; one more of the same batch; one that has waited so long
 * that it was not asked whose turn it is, which costs its group no more than a turn. */
enum turn_kind { TURN_FIRST, TURN_MORE, TURN_RISEN };
MUST_USE enum err turn_take(struct batch *batch, struct index *index, uint32_t group, enum turn_kind kind);
MUST_USE enum err batch_event(struct batch *batch, enum event_type type, uint32_t queue, uint64_t uid, struct str details);
MUST_USE enum err batch_effect(struct batch *batch, struct effect **out); /* zeroed, in order */
