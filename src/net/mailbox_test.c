#include "net/mailbox.h"
#include "base/check.h"
#include "base/clock.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define WRITERS     4u
#define LETTERS     20000u /* of each writer */
#define LIST_LENGTH 7u

struct note {
	struct letter letter; /* first: a letter is its note */
	uint32_t writer, number;
};

static void count_call(void *context)
{
	++*(unsigned *)context;
}

static void letters_come_in_order(void **state)
{
	(void)state;
	unsigned notified = 0;
	struct mailbox box;
	mailbox_init(&box, count_call, &notified);
	assert_null(mailbox_take(&box));
	struct letter letters[5] = { { NULL } };
	mailbox_post(&box, &letters[0]);
	mailbox_post(&box, &letters[1]);
	letters[2].next = &letters[3];
	letters[3].next = &letters[4];
	mailbox_post_list(&box, &letters[2]);
	mailbox_post_list(&box, NULL);
	assert_int_equal(notified, 1);
	struct letter *at = mailbox_take(&box);
	for (size_t i = 0; i < 5; i++, at = at->next)
		assert_ptr_equal(at, &letters[i]);
	assert_null(at);
	assert_null(mailbox_take(&box));
	mailbox_post(&box, &letters[0]);
	assert_int_equal(notified, 2);
	assert_ptr_equal(mailbox_take(&box), &letters[0]);
	mailbox_fini(&box);
}

static void a_wait_ends_by_letter_wake_or_time(void **state)
{
	(void)state;
	struct mailbox box;
	mailbox_init(&box, NULL, NULL);
	struct letter letter = { NULL };
	mailbox_post(&box, &letter);
	assert_ptr_equal(mailbox_wait(&box, -1), &letter);
	mailbox_wake(&box);
	assert_null(mailbox_wait(&box, -1));
	assert_null(mailbox_wait(&box, 0));
	assert_null(mailbox_wait(&box, 1500));
	mailbox_wake(&box); /* a wake does not hide letters */
	mailbox_post(&box, &letter);
	assert_ptr_equal(mailbox_wait(&box, -1), &letter);
	assert_null(mailbox_wait(&box, 0));
	mailbox_fini(&box);
}

struct writer {
	struct mailbox *box;
	uint32_t number;
	struct note *notes;
};

static void a_nap_ends_by_wake_or_time_and_takes_all(void **state)
{
	struct mailbox box;
	struct letter letters[2];
	(void)state;
	mailbox_init(&box, NULL, NULL);
	mailbox_post(&box, &letters[0]);
	mailbox_post(&box, &letters[1]);
	mailbox_wake(&box); /* before the nap: it ends at once */
	struct letter *first = mailbox_nap(&box, 3600 * INT64_C(1000000), -1);
	assert_ptr_equal(first, &letters[0]);
	assert_ptr_equal(first->next, &letters[1]);
	assert_null(mailbox_nap(&box, 1, 0));
	assert_null(mailbox_nap(&box, 1, 1));
	mailbox_post(&box, &letters[0]);
	assert_ptr_equal(mailbox_nap(&box, 3600 * INT64_C(1000000), 1), &letters[0]); /* it rouses nobody; the time is over */
	assert_null(mailbox_take(&box));
	mailbox_fini(&box);
}

struct napper {
	struct mailbox box;
	int64_t nap_us;
	struct letter *taken;
};

static void *napper_run(void *context)
{
	struct napper *napper = context;
	napper->taken = mailbox_nap(&napper->box, napper->nap_us, -1);
	return NULL;
}

/* Until when letters do not rouse it; 0: it is not asleep. */
static int64_t napper_is_quiet_until(struct napper *napper)
{
	pthread_mutex_lock(&napper->box.lock);
	int64_t until_us = napper->box.quiet_until_us;
	pthread_mutex_unlock(&napper->box.lock);
	return until_us;
}

/* Into a nap: one of no length to speak of is over for whatever comes, one of an hour for nothing but a wake. */
static void a_letter_rouses_from_behind_a_nap(void **state)
{
	(void)state;
	for (int hour = 0; hour < 2; hour++) {
		struct napper napper = { .nap_us = hour ? 3600 * INT64_C(1000000) : 1 };
		struct letter letters[2];
		pthread_t thread;
		mailbox_init(&napper.box, NULL, NULL);
		assert_int_equal(pthread_create(&thread, NULL, napper_run, &napper), 0);
		while (!napper_is_quiet_until(&napper) || (!hour && clock_mono_us() < napper_is_quiet_until(&napper)))
			sched_yield();
		mailbox_post(&napper.box, &letters[0]);
		if (hour) {
			mailbox_post(&napper.box, &letters[1]);
			assert_true(napper_is_quiet_until(&napper) != 0);
			mailbox_wake(&napper.box);
		}
		pthread_join(thread, NULL);
		assert_ptr_equal(napper.taken, &letters[0]);
		assert_ptr_equal(letters[0].next, hour ? &letters[1] : NULL);
		mailbox_fini(&napper.box);
	}
}

static void *writer_run(void *context)
{
	struct writer *writer = context;
	for (uint32_t i = 0; i < LETTERS;) {
		uint32_t count = i % 3 && LETTERS - i > LIST_LENGTH ? LIST_LENGTH : 1;
		for (uint32_t k = 0; k < count; k++, i++) {
			writer->notes[i] = (struct note){ .writer = writer->number, .number = i };
			if (k)
				writer->notes[i - 1].letter.next = &writer->notes[i].letter;
		}
		if (count > 1)
			mailbox_post_list(writer->box, &writer->notes[i - count].letter);
		else
			mailbox_post(writer->box, &writer->notes[i - 1].letter);
		if (i % 64 == 0)
			mailbox_wake(writer->box);
	}
	mailbox_wake(writer->box); /* a letter of the last moment may have come into a nap */
	return NULL;
}

/* What TSan watches: notes are written by their writer before posting and read by the reader after taking, without more. */
static void nothing_is_lost_or_swapped_between_threads(void **state)
{
	(void)state;
	struct mailbox box;
	mailbox_init(&box, NULL, NULL);
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	for (uint32_t w = 0; w < WRITERS; w++) {
		writers[w] = (struct writer){ &box, w, calloc(LETTERS, sizeof(struct note)) };
		assert_non_null(writers[w].notes);
		assert_int_equal(pthread_create(&threads[w], NULL, writer_run, &writers[w]), 0);
	}
	uint32_t next[WRITERS] = { 0 };
	uint32_t taken = 0;
	while (taken < WRITERS * LETTERS) {
		struct letter *letter = mailbox_take(&box); /* with and without waiting, roused from behind a nap too */
		if (!letter)
			letter = taken % 2 ? mailbox_wait(&box, -1) : mailbox_nap(&box, 1, -1);
		for (; letter; letter = letter->next, taken++) {
			struct note *note = (struct note *)letter;
			assert_int_equal(note->number, next[note->writer]++);
		}
	}
	for (uint32_t w = 0; w < WRITERS; w++) {
		pthread_join(threads[w], NULL);
		free(writers[w].notes);
	}
	assert_null(mailbox_take(&box));
	mailbox_fini(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_come_in_order),
		cmocka_unit_test(a_wait_ends_by_letter_wake_or_time),
		cmocka_unit_test(a_nap_ends_by_wake_or_time_and_takes_all),
		cmocka_unit_test(a_letter_rouses_from_behind_a_nap),
		cmocka_unit_test(nothing_is_lost_or_swapped_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
