/* src/net/mailbox.h: the only way between threads: a queue of intrusive letters, many writers, one reader, in the order posted
 * (per writer). Letters are values owned by the sender until taken. No letter is lost; posting never blocks on the reader. */
#pragma once
#include "base/err.h"
#include <pthread.h>

struct letter {
	struct letter *next;
};
struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t filled; /* CLOCK_MONOTONIC */
	struct letter *first, **last;
	bool woken;
	int64_t quiet_until_us; /* the reader naps: letters before it do not rouse it (CLOCK_MONOTONIC); 0: it does not */
	void (*notify)(void *context); /* for readers that sleep elsewhere (uv_async_send); called when it was empty */
	void *context;
};

void mailbox_init(struct mailbox *box, void (*notify)(void *context), void *context);
void mailbox_fini(struct mailbox *box);
void mailbox_post(struct mailbox *box, struct letter *letter);
void mailbox_post_list(struct mailbox *box, struct letter *first); /* linked by next, in order */
/* All letters that are there, oldest first, or NULL. */
struct letter *mailbox_take(struct mailbox *box);
/* Waits until a letter is there, mailbox_wake was called or wait_us passed (negative: for ever), then takes all. */
struct letter *mailbox_wait(struct mailbox *box, int64_t wait_us);
/* The same, but letters that come within nap_us gather and rouse nobody: a later letter does, or a wake, and takes them along. For a reader that is
 * going to be woken and could do no more with them before: a hundred letters then cost no change of threads. */
struct letter *mailbox_nap(struct mailbox *box, int64_t nap_us, int64_t wait_us);
void mailbox_wake(struct mailbox *box);
