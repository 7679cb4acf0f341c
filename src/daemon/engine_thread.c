#include "daemon/engine_thread.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemon/thread.h"
#include "net/mailbox.h"
#include <pthread.h>
#include <stdatomic.h>

#define ENGINE_STACK_BYTES (512 * 1024)
#define ENGINE_NAP_US      200
#define ENGINE_SLEEP_US    INT64_C(1000000) /* while something is due at all: a suspended machine or a wall clock set is noticed within it */

_Static_assert(offsetof(struct request, link) == 0, "a request is a letter");
_Static_assert(offsetof(struct effect, next) == 0, "effects are linked by their first member");

struct engine_thread {
	struct engine *engine;
	struct store *store;
	struct engine_ports ports;
	struct mailbox inbox;
	pthread_t thread;
	_Atomic bool quiesce_asked, stop_asked;
	_Atomic int64_t stop_by_us;   /* on the boot clock */
	_Atomic int64_t step_begun_us; /* 0: it sleeps */
	_Atomic int64_t longest_us;    /* of a step */
	pthread_mutex_t view_lock;
	struct engine_view view;
	bool quiesced, gathers; /* the thread's own; gathers: letters came while a commit was in flight, and it still is */
};

static void engine_thread_tell(struct engine_thread *thread)
{
	struct engine_view view = { .health = engine_health(thread->engine), .idle = engine_is_idle(thread->engine) };
	engine_stats(thread->engine, &view.stats);
	pthread_mutex_lock(&thread->view_lock);
	thread->view = view;
	pthread_mutex_unlock(&thread->view_lock);
}

static void engine_thread_hand_out(struct engine_thread *thread)
{
	struct request *replies = engine_take_replies(thread->engine);
	struct effect *effects = engine_take_effects(thread->engine);
	if (effects) /* first: whoever hears that a secret or a source is there may use it */
		thread->ports.effects(thread->ports.context, effects);
	if (replies)
		thread->ports.replies(thread->ports.context, replies);
}

static void engine_thread_push(struct engine_thread *thread, struct letter *letters)
{
	while (letters) {
		struct letter *next = letters->next;
		letters->next = NULL;
		engine_push(thread->engine, (struct request *)letters);
		letters = next;
	}
}

static int64_t engine_thread_sleep_us(int64_t want_us)
{
	if (want_us == INT64_MAX)
		return -1;
	int64_t left_us = want_us - clock_boot_us();
	return left_us <= 0 ? 0 : left_us < ENGINE_SLEEP_US ? left_us : ENGINE_SLEEP_US;
}

/* A change-set under way is never left behind: it is the engine's memory until its outcome is there. */
static bool engine_thread_is_over(struct engine_thread *thread)
{
	if (!atomic_load(&thread->stop_asked))
		return false;
	if (engine_is_idle(thread->engine))
		return true;
	return clock_boot_us() >= atomic_load(&thread->stop_by_us) && thread->view.stats.in_flight == 0;
}

/* While a commit is in flight, what arrives can only join the next one. The first that comes is taken at once, so that it is decided by when the
 * outcome is there; then letters may gather a little, which saves a change of threads for each. The commit's outcome rouses at once. */
static struct letter *engine_thread_receive(struct engine_thread *thread, int64_t sleep_us)
{
	if (sleep_us == 0)
		return mailbox_take(&thread->inbox);
	if (thread->gathers)
		return mailbox_nap(&thread->inbox, ENGINE_NAP_US, sleep_us);
	return mailbox_wait(&thread->inbox, sleep_us);
}

static void *engine_thread_run(void *context)
{
	struct engine_thread *thread = context;
	for (int64_t sleep_us = 0;;) {
		if (sleep_us && atomic_load(&thread->stop_asked))
			sleep_us = sleep_us < 0 || sleep_us > 10000 ? 10000 : sleep_us;
		struct letter *letters = engine_thread_receive(thread, sleep_us);
		bool in_flight = thread->view.stats.in_flight > 0;
		int64_t now_us = clock_boot_us();
		atomic_store(&thread->step_begun_us, now_us);
		engine_thread_push(thread, letters);
		if (atomic_load(&thread->quiesce_asked) && !thread->quiesced) {
			thread->quiesced = true;
			engine_quiesce(thread->engine);
		}
		int64_t want_us = engine_step(thread->engine, now_us, clock_wall_us());
		engine_thread_hand_out(thread);
		engine_thread_tell(thread);
		thread->gathers = letters && in_flight && thread->view.stats.in_flight > 0;
		int64_t took_us = clock_boot_us() - now_us;
		if (took_us > atomic_load(&thread->longest_us))
			atomic_store(&thread->longest_us, took_us);
		atomic_store(&thread->step_begun_us, 0);
		if (!letters && engine_thread_is_over(thread))
			break;
		sleep_us = engine_thread_sleep_us(want_us);
	}
	engine_thread_push(thread, mailbox_take(&thread->inbox));
	engine_abandon(thread->engine, E_UNAVAILABLE);
	engine_thread_hand_out(thread);
	return NULL;
}

static void engine_thread_wake(void *context)
{
	struct engine_thread *thread = context;
	mailbox_wake(&thread->inbox);
}

void engine_thread_free(struct engine_thread *thread)
{
	if (!thread)
		return;
	engine_free(thread->engine);
	mailbox_fini(&thread->inbox);
	pthread_mutex_destroy(&thread->view_lock);
	mem_free(thread);
}

enum err engine_thread_start(const struct engine_config *config, struct store *store, const struct engine_ports *ports,
			     struct engine_thread **out, struct problem *problem)
{
	struct engine_thread *thread = mem_zalloc(sizeof(*thread));
	if (!thread)
		return problem_set(problem, E_NOMEM, NULL, "Not enough memory to start.");
	thread->store = store;
	thread->ports = *ports;
	mailbox_init(&thread->inbox, NULL, NULL);
	CHECK(pthread_mutex_init(&thread->view_lock, NULL) == 0);
	store->wake_context = thread;
	store->wake = engine_thread_wake;
	thread->engine = engine_new(config, store);
	enum err err = thread->engine ? engine_start(thread->engine, clock_boot_us(), clock_wall_us(), problem)
				      : problem_set(problem, E_NOMEM, NULL, "Not enough memory to start.");
	if (!err) {
		engine_thread_tell(thread);
		err = thread_start(&thread->thread, "engine", ENGINE_STACK_BYTES, engine_thread_run, thread);
		if (err)
			problem_set(problem, err, NULL, "The engine's thread could not be started.");
	}
	if (err) {
		store->wake = NULL; /* nothing was submitted: nobody is about to call it */
		engine_thread_free(thread);
		return err;
	}
	*out = thread;
	return E_OK;
}

void engine_thread_submit(struct engine_thread *thread, struct request *first)
{
	mailbox_post_list(&thread->inbox, (struct letter *)first);
}

void engine_thread_view(struct engine_thread *thread, struct engine_view *out)
{
	pthread_mutex_lock(&thread->view_lock);
	*out = thread->view;
	pthread_mutex_unlock(&thread->view_lock);
	int64_t begun_us = atomic_load(&thread->step_begun_us);
	out->longest_us = atomic_load(&thread->longest_us);
	out->busy_us = begun_us ? clock_boot_us() - begun_us : 0;
}

void engine_thread_quiesce(struct engine_thread *thread)
{
	atomic_store(&thread->quiesce_asked, true);
	mailbox_wake(&thread->inbox);
}

void engine_thread_stop(struct engine_thread *thread, int64_t grace_ms)
{
	if (!thread)
		return;
	atomic_store(&thread->stop_by_us, clock_boot_us() + grace_ms * 1000);
	atomic_store(&thread->stop_asked, true);
	mailbox_wake(&thread->inbox);
	CHECK(pthread_join(thread->thread, NULL) == 0);
}
