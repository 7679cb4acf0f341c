#include "cli/presence.h"
#include "base/json.h"
#include <stdio.h>

#define PRESENCE_TTL_MS  60000 /* a worker that is not heard of for so long is gone */
#define PRESENCE_BEAT_US ((int64_t)PRESENCE_TTL_MS * 1000 / 3)
#define PRESENCE_CALL_MS 500

static void presence_call(struct presence *presence, const char *method, int index)
{
	struct remote *remote = presence->remote;
	struct problem problem;
	struct str answer;
	char id[160];
	int status;
	snprintf(id, sizeof(id), index ? "%s.%d" : "%s", presence->id, index + 1);
	remote_begin(remote);
	remote_path(remote, "/v1/workers/");
	remote_piece(remote, str_of(id));
	if (method[0] == 'P') {
		buf_add_byte(&remote->body, '{');
		json_put_field_str(&remote->body, "queue", str_of(presence->queues[index]));
		if (remote->space)
			json_put_field_str(&remote->body, "namespace", str_of(remote->space));
		json_put_field_str(&remote->body, "name", str_of(presence->name));
		json_put_field_i64(&remote->body, "ttl_ms", PRESENCE_TTL_MS);
		buf_add_byte(&remote->body, '}');
	}
	(void)!remote_try(remote, method, PRESENCE_CALL_MS, &status, &answer, &problem);
	arena_reset(&remote->arena);
}

void presence_beat(struct presence *presence, int64_t now_us)
{
	if (presence->told_us && now_us - presence->told_us < PRESENCE_BEAT_US)
		return;
	presence->told_us = now_us;
	for (int i = 0; i < presence->queue_count; i++)
		presence_call(presence, "PUT", i);
}

void presence_leave(struct presence *presence)
{
	for (int i = 0; presence->told_us && i < presence->queue_count; i++)
		presence_call(presence, "DELETE", i);
}
