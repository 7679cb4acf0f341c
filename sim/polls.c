/* sim/polls.c: consumers that ask for an endpoint's messages, each from a place of its own, and hold it against what was committed: whenever nothing more
 * is there, each message that the endpoint has wanted ever since its settings became these was told; none was told twice, and none out of order. */
#include "sim/world.h"
#include "base/check.h"
#include <stdio.h>

static struct consumer {
	uint32_t number; /* of the endpoint that it knows; another one of that name has other messages */
	bool resumes;
	uint64_t seq, uid;
} consumers[SIM_ENDPOINTS];

static struct shadow_message *polls_message(struct shadow *shadow, uint64_t uid)
{
	for (uint32_t i = shadow->message_count; i > 0; i--)
		if (shadow->messages[i - 1].uid == uid)
			return &shadow->messages[i - 1];
	return NULL;
}

static void polls_forget(struct world *world, uint32_t place, uint32_t number)
{
	consumers[place] = (struct consumer){ .number = number };
	for (uint32_t i = 0; i < world->shadow.message_count; i++)
		world->shadow.messages[i].told &= ~(1u << place);
}

static void polls_told(struct world *world, uint32_t place, const struct message_row *row)
{
	struct consumer *consumer = &consumers[place];
	struct shadow_message *message = polls_message(&world->shadow, row->uid);
	CHECK(message && message->seq == row->seq);
	CHECK(!(message->told & 1u << place));
	CHECK(row->seq > consumer->seq || (row->seq == consumer->seq && row->uid > consumer->uid));
	message->told |= 1u << place;
	consumer->seq = row->seq;
	consumer->uid = row->uid;
	world->shadow.polled++;
}

static void polls_check(struct world *world, uint32_t place, uint64_t seq)
{
	const struct shadow_endpoint *endpoint = &world->shadow.endpoints[place];
	for (uint32_t i = 0; i < world->shadow.message_count; i++) {
		const struct shadow_message *message = &world->shadow.messages[i];
		bool wanted = endpoint->wants & 1u << message->type && message->n >= endpoint->least;
		CHECK(!wanted || message->seq <= endpoint->changed_seq || message->seq > seq || message->told & 1u << place);
	}
}

static void polls_take(struct world *world, uint32_t place, const struct answer *answer)
{
	const struct shadow_endpoint *endpoint = &world->shadow.endpoints[place];
	struct consumer *consumer = &consumers[place];
	for (uint32_t i = 0; i < answer->message_count; i++)
		polls_told(world, place, &answer->messages[i]);
	consumer->resumes = true;
	consumer->seq = answer->scanned_short ? answer->next_seq : answer->seq;
	consumer->uid = answer->scanned_short ? answer->next_uid : INT64_MAX;
	bool same = endpoint->live && !endpoint->push && endpoint->number == consumer->number && endpoint->changed_seq <= answer->seq;
	if (!answer->scanned_short && same)
		polls_check(world, place, answer->seq);
}

static void polls_ask(struct world *world, uint32_t place)
{
	struct consumer *consumer = &consumers[place];
	struct reader *reader;
	struct arena arena = { 0 };
	struct answer answer = { 0 };
	char name[3] = { 'h', (char)('0' + place), '\0' };
	const struct query query = { .kind = QUERY_POLL, .id = str_of(name), .limit = 1 + (uint32_t)world_below(world, 9),
				     .poll = { .resumes = consumer->resumes, .after_seq = consumer->seq, .after_uid = consumer->uid, .bytes_max = SIZE_MAX } };
	enum err err = world->inner->verbs->reader_open(world->inner, &reader);
	CHECK(!err);
	err = reader_run(reader, &query, &arena, &answer);
	CHECK(!err || err == E_ENDPOINT_NOT_FOUND);
	if (!err && answer.endpoint->number != consumer->number)
		polls_forget(world, place, answer.endpoint->number);
	else if (!err && answer.messages) /* it asks, and is enabled */
		polls_take(world, place, &answer);
	reader_close(reader);
	arena_fini(&arena);
}

static void polls_act(struct world *world, struct actor *actor, uint64_t argument)
{
	polls_ask(world, (uint32_t)world_below(world, SIM_ENDPOINTS));
	world_plan(world, (int64_t)world_below(world, 100000) + 1000, polls_act, actor, argument);
}

void polls_start(struct world *world)
{
	memset(consumers, 0, sizeof(consumers));
	world_plan(world, 950000, polls_act, NULL, 0);
}
