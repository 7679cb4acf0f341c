#include "net/mailbox.h"
#include "base/check.h"
#include "base/clock.h"
#include <errno.h>
#include <time.h>

void mailbox_init(struct mailbox *box, void (*notify)(void *context), void *context)
{
	*box = (struct mailbox){ .notify = notify, .context = context };
	box->last = &box->first;
	pthread_condattr_t attributes;
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&box->filled, &attributes) == 0);
	CHECK(pthread_condattr_destroy(&attributes) == 0);
	CHECK(pthread_mutex_init(&box->lock, NULL) == 0);
}

void mailbox_fini(struct mailbox *box)
{
	CHECK(!box->first); /* letters have owners: whoever closes the box takes them first */
	CHECK(pthread_mutex_destroy(&box->lock) == 0);
	CHECK(pthread_cond_destroy(&box->filled) == 0);
}

/* Notifies outside the lock, so that a reader woken at once does not run into it. */
static void mailbox_append(struct mailbox *box, struct letter *first, struct letter **last)
{
	CHECK(pthread_mutex_lock(&box->lock) == 0);
	bool was_empty = !box->first, rouse = was_empty;
	if (box->quiet_until_us) {
		rouse = clock_mono_us() >= box->quiet_until_us;
		if (rouse)
			box->quiet_until_us = 0;
	}
	*box->last = first;
	box->last = last;
	CHECK(pthread_mutex_unlock(&box->lock) == 0);
	if (rouse)
		pthread_cond_signal(&box->filled);
	if (was_empty && box->notify)
		box->notify(box->context);
}

void mailbox_post(struct mailbox *box, struct letter *letter)
{
	letter->next = NULL;
	mailbox_append(box, letter, &letter->next);
}

void mailbox_post_list(struct mailbox *box, struct letter *first)
{
	if (!first)
		return;
	struct letter *newest = first;
	while (newest->next)
		newest = newest->next;
	mailbox_append(box, first, &newest->next);
}

static struct letter *mailbox_empty(struct mailbox *box)
{
	struct letter *first = box->first;
	box->first = NULL;
	box->last = &box->first;
	return first;
}

struct letter *mailbox_take(struct mailbox *box)
{
	CHECK(pthread_mutex_lock(&box->lock) == 0);
	struct letter *first = mailbox_empty(box);
	CHECK(pthread_mutex_unlock(&box->lock) == 0);
	return first;
}

static struct timespec mailbox_deadline(int64_t wait_us)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	int64_t nanoseconds = at.tv_nsec + wait_us % 1000000 * 1000;
	at.tv_sec += wait_us / 1000000 + nanoseconds / 1000000000;
	at.tv_nsec = nanoseconds % 1000000000;
	return at;
}

/* With the lock: until a letter is there that may rouse, somebody wakes or the time is over. */
static void mailbox_sleep(struct mailbox *box, int64_t wait_us)
{
	struct timespec deadline = mailbox_deadline(wait_us > 0 ? wait_us : 0);
	int waited = 0;
	while ((box->quiet_until_us || !box->first) && !box->woken && waited != ETIMEDOUT && wait_us != 0) {
		waited = wait_us < 0 ? pthread_cond_wait(&box->filled, &box->lock)
				     : pthread_cond_timedwait(&box->filled, &box->lock, &deadline);
		CHECK(waited == 0 || waited == ETIMEDOUT);
	}
}

struct letter *mailbox_wait(struct mailbox *box, int64_t wait_us)
{
	return mailbox_nap(box, 0, wait_us);
}

struct letter *mailbox_nap(struct mailbox *box, int64_t nap_us, int64_t wait_us)
{
	CHECK(pthread_mutex_lock(&box->lock) == 0);
	box->quiet_until_us = nap_us > 0 ? clock_mono_us() + nap_us : 0;
	mailbox_sleep(box, wait_us);
	box->quiet_until_us = 0;
	box->woken = false;
	struct letter *first = mailbox_empty(box);
	CHECK(pthread_mutex_unlock(&box->lock) == 0);
	return first;
}

void mailbox_wake(struct mailbox *box)
{
	CHECK(pthread_mutex_lock(&box->lock) == 0);
	box->woken = true;
	CHECK(pthread_mutex_unlock(&box->lock) == 0);
	pthread_cond_signal(&box->filled);
	if (box->notify)
		box->notify(box->context);
}
