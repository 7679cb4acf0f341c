#include "presence.h"
#include "base/clock.h"
#include <stdio.h>
#include <sys/random.h>

#define PRESENCE_TTL_MS  60000 /* a worker that is not heard of for so long is gone */
#define PRESENCE_BEAT_US ((int64_t)PRESENCE_TTL_MS * 1000 / 3)
#define PRESENCE_CALL_MS 500   /* a daemon that is slower does not keep leases from being renewed, nor a worker from ending */

/* Several may have one name, also in one process, or be the first process of several containers of one host: chance sets their ids apart. */
void presence_init(struct presence *presence, struct ruche_client *client, const struct ruche_claim_options *claim, const char *name)
{
	unsigned chance = (unsigned)clock_mono_us();
	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	*presence = (struct presence){ .client = client, .claim = claim, .call_ms = PRESENCE_CALL_MS, .due_us = INT64_MAX };
	snprintf(presence->id, sizeof(presence->id), "%s:%08x", name, chance);
}

static int presence_call(const struct presence *presence, const char *method, size_t index, struct ruche_error *error)
{
	const struct ruche_claim_options *claim = presence->claim;
	struct call call;
	char id[sizeof(presence->id) + 32];
	snprintf(id, sizeof(id), index ? "%s.%zu" : "%s", presence->id, index + 1);
	call_begin(&call, presence->client, method, "/v1/workers/", error);
	call_piece(&call, id);
	if (method[0] == 'P') {
		call_object(&call);
		write_text(&call.writer, "queue", claim->queues[index]);
		write_text(&call.writer, "namespace", claim->namespace_name ? claim->namespace_name : presence->client->namespace_name);
		write_text(&call.writer, "name", claim->worker);
		write_number(&call.writer, "ttl_ms", PRESENCE_TTL_MS);
	}
	if (call.timeout_ms > presence->call_ms)
		call.timeout_ms = presence->call_ms;
	return call_send(&call, NULL);
}

void presence_tell(struct presence *presence)
{
	struct ruche_error error = { 0 };
	size_t index = presence->next++;
	int code = presence_call(presence, "PUT", index, &error);
	if ((!code || !error.http_status) && presence->known <= index)
		presence->known = index + 1;
	if (!code && presence->next < presence->claim->queue_count)
		return;
	presence->next = 0;
	presence->due_us = clock_mono_us() + PRESENCE_BEAT_US;
}

void presence_begin(struct presence *presence)
{
	do
		presence_tell(presence);
	while (presence->next);
}

void presence_leave(struct presence *presence)
{
	struct ruche_error error = { 0 };
	for (size_t i = 0; i < presence->known; i++)
		if (presence_call(presence, "DELETE", i, &error))
			return;
}
