/* src/daemon/engine_thread.h: a thread around an engine. Requests come in by mailbox from any thread; replies and effects leave through
 * ports, in whole lists, on the engine's thread. Between two steps it sleeps until a letter comes, the store has an outcome, or the
 * instant comes at which the engine wants to be called. This file is where the engine's clocks are read. */
#pragma once
#include "engine/engine.h"

struct engine_thread;
struct engine_ports {
	void *context;
	void (*replies)(void *context, struct request *first); /* linked by ->link; the taker's from now on */
	void (*effects)(void *context, struct effect *first);  /* linked by ->next */
};

struct engine_view { /* what the thread last told about itself */
	struct engine_stats stats;
	enum err health;
	bool idle;            /* after everything that was posted before the view was asked for */
	int64_t busy_us;      /* the present step has run so long; 0: it sleeps */
	int64_t longest_us;   /* of all steps since the start */
};

/* Starts the engine on the caller's thread (it takes the shard and reads the store), then the thread. The store stays the caller's; its
 * wake is set here. */
MUST_USE enum err engine_thread_start(const struct engine_config *config, struct store *store, const struct engine_ports *ports,
				      struct engine_thread **out, struct problem *problem);
void engine_thread_submit(struct engine_thread *thread, struct request *first); /* any thread; a list linked by ->link */
void engine_thread_view(struct engine_thread *thread, struct engine_view *out); /* any thread; waits for no step */
/* No new grants and deliveries from now on. Any thread. */
void engine_thread_quiesce(struct engine_thread *thread);
/* Goes on until nothing is pending, at most grace_ms; then answers what it still holds with E_UNAVAILABLE, and joins. Whoever submits
 * must have stopped. */
void engine_thread_stop(struct engine_thread *thread, int64_t grace_ms);
/* After it, and after the store was closed: the store's own thread may wake us until then. */
void engine_thread_free(struct engine_thread *thread); /* NULL is fine */
