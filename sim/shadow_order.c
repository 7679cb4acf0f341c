/* sim/shadow_order.c: what must be true of deliveries about one entity to an endpoint whose order is `latest`: at most one of them is not done, besides
 * one that is parked behind it; and after a success none that was made earlier starts. By rows alone. Those that were retried by hand are not meant:
 * they come back after their end, and whether they are still to be sent is the deliver room's to say. */
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
	if (!message->entity || !endpoint->live || endpoint->changed_seq == shadow->seq || endpoint->order != ENDPOINT_ORDER_LATEST)
		return; /* or nobody knows by which settings */
	CHECK(shadow->delivery_count < ARRAY_COUNT(shadow->deliveries));
	shadow->deliveries[shadow->delivery_count++] = (struct shadow_delivery){
		.uid = write->row.uid, .number = endpoint->number, .place = place, .entity = message->entity,
	};
}

static struct shadow_delivery *order_find(struct shadow *shadow, uint64_t uid)
{
	for (uint32_t i = 0; i < shadow->delivery_count; i++)
		if (shadow->deliveries[i].uid == uid)
			return &shadow->deliveries[i];
	return NULL;
}

static uint64_t *order_done(struct shadow *shadow, const struct shadow_delivery *delivery) /* the newest that was; NULL: of an endpoint that is gone */
{
	struct shadow_endpoint *endpoint = &shadow->endpoints[delivery->place];
	return endpoint->number == delivery->number ? &endpoint->done[delivery->entity - 1] : NULL;
}

static void order_ended(struct shadow *shadow, const struct job_write *write)
{
	struct shadow_delivery *delivery = order_find(shadow, write->row.uid);
	if (!delivery || (write->after != TABLE_NONE && !job_state_is_final(write->row.state)))
		return;
	uint64_t *done = order_done(shadow, delivery);
	if (done && write->after != TABLE_NONE && write->row.state == JOB_COMPLETED && delivery->uid > *done)
		*done = delivery->uid;
	shadow->superseded += write->after != TABLE_NONE && write->row.outcome == OUTCOME_SUPERSEDED;
	*delivery = shadow->deliveries[--shadow->delivery_count];
}

static void order_started(struct shadow *shadow, const struct job_write *write)
{
	struct shadow_delivery *delivery = order_find(shadow, write->row.uid);
	if (!delivery || delivery->fence == write->row.fence)
		return;
	const uint64_t *done = order_done(shadow, delivery);
	CHECK(!done || delivery->uid > *done); /* nothing older after something newer */
	delivery->fence = write->row.fence;
}

static void order_judge(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->delivery_count; i++)
		for (uint32_t n = 0; n < i; n++) {
			const struct shadow_delivery *a = &shadow->deliveries[i], *b = &shadow->deliveries[n];
			if (a->number != b->number || a->entity != b->entity)
				continue;
			bool parked = shadow_find(shadow, a->uid)->row.state == JOB_PARKED, other = shadow_find(shadow, b->uid)->row.state == JOB_PARKED;
			CHECK(parked != other);                                /* one, and its successor */
			CHECK(parked == (a->uid > b->uid));                    /* the newer one follows */
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
}
