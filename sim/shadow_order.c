/* sim/shadow_order.c: what must be true of deliveries about one entity to an endpoint whose order is `latest` or `fifo`: none starts before all that
 * were made before it have ended, and of `latest` at most one is not done, besides one that is parked behind it. After a success none that was made
 * earlier starts; after a failure that holds none that was made later. Of `latest` whoever takes the place of one that was not sent stands where that
 * one stood, so that how long an entity waits is bounded by the first message that was not sent. By rows alone. Those that were retried by hand are not
 * meant: they come back after their end, and whether they are still to be sent is the deliver room's to say. */
#include "sim/shadow.h"
#include "base/check.h"

static const struct shadow_message *order_message(const struct shadow *shadow, uint64_t uid)
{
	const struct shadow_message *found = NULL;
	for (uint32_t i = shadow->message_count; i > 0 && !found; i--)
		if (shadow->messages[i - 1].uid == uid)
			found = &shadow->messages[i - 1];
	CHECK(found);
	return found;
}

static void order_made(struct shadow *shadow, const struct job_write *write)
{
	const struct shadow_message *message = order_message(shadow, write->definition->message);
	uint32_t place = (uint32_t)(write->definition->group.ptr[1] - '0');
	const struct shadow_endpoint *endpoint = &shadow->endpoints[place];
	if (!message->entity || !endpoint->live || endpoint->changed_seq == shadow->seq || endpoint->order == ENDPOINT_ORDER_NONE)
		return; /* or nobody knows by which settings */
	CHECK(shadow->delivery_count < ARRAY_COUNT(shadow->deliveries));
	shadow->deliveries[shadow->delivery_count++] = (struct shadow_delivery){
		.uid = write->row.uid, .number = endpoint->number, .place = place, .entity = message->entity,
		.latest = endpoint->order == ENDPOINT_ORDER_LATEST,
	};
}

static struct shadow_delivery *order_find(struct shadow *shadow, uint64_t uid)
{
	for (uint32_t i = 0; i < shadow->delivery_count; i++)
		if (shadow->deliveries[i].uid == uid)
			return &shadow->deliveries[i];
	return NULL;
}

static struct shadow_endpoint *order_endpoint(struct shadow *shadow, const struct shadow_delivery *delivery) /* NULL: it is gone */
{
	struct shadow_endpoint *endpoint = &shadow->endpoints[delivery->place];
	return endpoint->live && endpoint->number == delivery->number ? endpoint : NULL;
}

/* Nobody who has taken its place stands further behind. Who was started in between had his turn; who was placed anew by hand left that place. */
static void order_takes_its_place(struct shadow *shadow, const struct shadow_delivery *ended, const struct job_write *write)
{
	if (!ended->stands || ended->fence != write->row.fence || write->row.outcome != OUTCOME_SUPERSEDED)
		return;
	for (uint32_t i = 0; i < shadow->delivery_count; i++) {
		const struct shadow_delivery *newer = &shadow->deliveries[i];
		const struct shadow_job *job = shadow_find(shadow, newer->uid);
		if (newer->number != ended->number || newer->entity != ended->entity || newer->uid <= ended->uid || !newer->latest)
			continue;
		if (job->row.state != JOB_WAITING && job->row.state != JOB_PARKED)
			continue; /* it goes, or has gone */
		if (job->row.queue != write->row.queue)
			continue; /* the older one was moved: it left no place */
		CHECK(job->row.rank <= ended->rank || job->row.rank <= write->row.rank);
		shadow->in_place++;
	}
}

static void order_ended(struct shadow *shadow, const struct job_write *write)
{
	struct shadow_delivery *delivery = order_find(shadow, write->row.uid);
	const struct shadow_job *job = shadow_find(shadow, write->row.uid);
	bool came_back = job && job->retried_seq == shadow->seq; /* it ended and was retried by hand in one commit */
	if (!delivery || (write->after != TABLE_NONE && !job_state_is_final(write->row.state) && !came_back))
		return;
	struct shadow_endpoint *endpoint = order_endpoint(shadow, delivery);
	uint32_t entity = delivery->entity - 1;
	bool kept = write->after != TABLE_NONE;
	if (endpoint && kept && write->row.state == JOB_COMPLETED && delivery->uid > endpoint->done[entity])
		endpoint->done[entity] = delivery->uid;
	if (endpoint && kept && write->row.state == JOB_FAILED && !delivery->latest && endpoint->holds && endpoint->changed_seq < shadow->seq) {
		endpoint->failed[entity].uid = delivery->uid;
		endpoint->failed[entity].seq = shadow->seq;
		shadow->holding++;
	}
	shadow->superseded += kept && write->row.outcome == OUTCOME_SUPERSEDED;
	if (kept)
		order_takes_its_place(shadow, delivery, write);
	*delivery = shadow->deliveries[--shadow->delivery_count];
}

/* Nobody has retried or deleted the one that failed, or changed the endpoint, since. */
static bool order_is_held(struct shadow *shadow, const struct shadow_endpoint *endpoint, const struct shadow_delivery *delivery)
{
	uint64_t uid = endpoint->failed[delivery->entity - 1].uid;
	const struct shadow_job *failed = uid && uid < delivery->uid ? shadow_find(shadow, uid) : NULL;
	return failed && failed->exists && failed->row.state == JOB_FAILED && endpoint->changed_seq < endpoint->failed[delivery->entity - 1].seq;
}

static void order_started(struct shadow *shadow, const struct job_write *write)
{
	struct shadow_delivery *delivery = order_find(shadow, write->row.uid);
	if (!delivery || delivery->fence == write->row.fence)
		return;
	const struct shadow_endpoint *endpoint = order_endpoint(shadow, delivery);
	CHECK(!endpoint || delivery->uid > endpoint->done[delivery->entity - 1]); /* nothing older after something newer */
	CHECK(!endpoint || delivery->latest || !order_is_held(shadow, endpoint, delivery));
	for (uint32_t i = 0; i < shadow->delivery_count; i++) {
		const struct shadow_delivery *other = &shadow->deliveries[i];
		CHECK(other->number != delivery->number || other->entity != delivery->entity || other->uid >= delivery->uid); /* one after the other */
	}
	delivery->fence = write->row.fence;
}

static void order_judge(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->delivery_count; i++)
		for (uint32_t n = 0; n < i; n++) {
			const struct shadow_delivery *one = &shadow->deliveries[i], *other = &shadow->deliveries[n];
			if (one->number != other->number || one->entity != other->entity)
				continue;
			const struct shadow_delivery *older = one->uid < other->uid ? one : other, *newer = older == one ? other : one;
			enum job_state state = shadow_find(shadow, newer->uid)->row.state;
			CHECK(state == JOB_PARKED || state == JOB_WAITING_CHILDREN);
			shadow->followed += state == JOB_WAITING_CHILDREN;
			if (older->latest && newer->latest)
				CHECK(shadow_find(shadow, older->uid)->row.state != JOB_PARKED); /* one, and its successor */
		}
}

static void order_stand(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->delivery_count; i++) {
		struct shadow_delivery *delivery = &shadow->deliveries[i];
		const struct shadow_job *job = shadow_find(shadow, delivery->uid);
		const struct job_row *row = &job->row;
		bool stands = delivery->latest && (row->state == JOB_WAITING || row->state == JOB_PARKED);
		bool by_hand = job->reprioritised_seq == shadow->seq || job->moved_seq == shadow->seq || job->retried_seq == shadow->seq;
		if (stands && delivery->stands && delivery->fence == row->fence && !by_hand)
			CHECK(row->rank <= delivery->rank);
		delivery->stands = stands;
		delivery->rank = row->rank;
	}
}

void order_read(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].before == TABLE_NONE && cs->jobs.items[i].definition && cs->jobs.items[i].definition->message)
			order_made(shadow, &cs->jobs.items[i]);
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		order_ended(shadow, &cs->jobs.items[i]);
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		order_started(shadow, &cs->jobs.items[i]);
	order_judge(shadow);
	order_stand(shadow);
}
