/* src/store/sqlite/syncer.c: makes the writer's commits durable, in their order, and tells their outcomes. One sync covers all that was written
 * when it began. */
#include "base/check.h"
#include "store/sqlite/gather.h"
#include "store/sqlite/writer.h"

/* What was written and not told yet: does it need the disk? */
static bool syncer_is_needed(struct writer *writer, uint64_t to)
{
	for (uint64_t nth = writer->settled; nth < to; nth++)
		if (writer_outcome(writer, nth)->err == E_OK)
			return writer->wal != NULL;
	return false;
}

/* After a failed sync nobody knows what is on disk, nor what the kernel still has to write: see store_reopen. */
static void syncer_settle(struct writer *writer, uint64_t to)
{
	for (; writer->settled < to; writer->settled++) {
		struct outcome *outcome = writer_outcome(writer, writer->settled);
		if (outcome->err)
			continue;
		if (writer->unsynced_lost)
			outcome->err = E_OUTCOME_UNKNOWN;
		else
			writer->durable_seq = outcome->changeset->seq;
	}
}

static void syncer_work(struct writer *writer) /* with the lock */
{
	uint64_t to = writer->written;
	if (!writer->unsynced_lost && syncer_is_needed(writer, to)) {
		CHECK(pthread_mutex_unlock(&writer->lock) == 0);
		int code = gather_make_durable(writer->wal);
		CHECK(pthread_mutex_lock(&writer->lock) == 0);
		writer->unsynced_lost = code != 0;
	}
	syncer_settle(writer, to);
	CHECK(pthread_cond_broadcast(&writer->rest) == 0);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	if (writer->store->wake)
		writer->store->wake(writer->store->wake_context);
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
}

void *syncer_main(void *argument)
{
	struct writer *writer = argument;
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	while (writer->written > writer->settled || !writer->syncer_stopping)
		if (writer->written > writer->settled)
			syncer_work(writer);
		else
			CHECK(pthread_cond_wait(&writer->written_more, &writer->lock) == 0);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	return NULL;
}

void syncer_stop(struct writer *writer)
{
	CHECK(pthread_mutex_lock(&writer->lock) == 0);
	writer->syncer_stopping = true;
	CHECK(pthread_cond_signal(&writer->written_more) == 0);
	CHECK(pthread_mutex_unlock(&writer->lock) == 0);
	CHECK(pthread_join(writer->syncer, NULL) == 0);
}
