/* src/store/mem/replay.c: messages that an endpoint is to be sent once more, in the order of their uids, with how far each is. */
#include "base/limits.h"
#include "base/uid.h"
#include "store/mem/reader.h"
#include "store/replay_match.h"

#include <stdlib.h>

static const struct named_row *replay_endpoint(const struct mem_disk *disk, const struct query *query, struct str space)
{
	for (uint32_t i = 0; i < disk->tables[MEM_NAMEDS].count; i++) {
		const struct named_row *row = disk_row(disk, MEM_NAMEDS, i);
		if (row->kind == NAMED_ENDPOINT && str_eq(row->namespace_name, space) && str_eq(row->name, query->id))
			return !query->replay->endpoint || query->replay->endpoint == row->number ? row : NULL;
	}
	return NULL;
}

static int message_oldest_cmp(const void *a, const void *b)
{
	uint64_t x = (*(const struct message_row *const *)a)->uid, y = (*(const struct message_row *const *)b)->uid;
	return x == y ? 0 : x < y ? -1 : 1;
}

static bool is_delivery(void *context, const struct mem_job *job)
{
	return job->definition->message == *(const uint64_t *)context;
}

static enum err replay_look(const struct mem_disk *disk, struct replay_match *match, const struct message_row *message, struct arena *work,
			    struct answer *out)
{
	bool wanted;
	uint32_t count;
	struct str payload = message->payload;
	enum err err = replay_match_head(match, message, work, &wanted);
	if (!err && wanted && match->filter && !message->only) {
		if (message->payload_body)
			err = mem_copy_body(disk, work, message->payload_body, &payload);
		err = err ? err : replay_match_payload(match, payload, work, &wanted);
	}
	if (err || !wanted)
		return err;
	uint64_t uid = message->uid, kept = 0;
	struct mem_job **jobs = disk_jobs(disk, work, is_delivery, &uid, &count);
	const struct mem_job *newest = NULL;
	if (!jobs)
		return E_NOMEM;
	for (uint32_t i = 0; i < count; i++) {
		newest = str_eq(jobs[i]->definition->group, match->named.name) ? jobs[i] : newest;
		kept += !str_eq(jobs[i]->definition->tags, STR(DELIVERY_AGAIN_TAGS));
	}
	enum job_state state = newest ? newest->row->state : JOB_WAITING;
	replay_match_add(match, out, message->uid, replay_match_stand(match, message, newest ? newest->uid : 0, state, kept));
	return E_OK;
}

static enum err replay_walk(const struct mem_disk *disk, struct replay_match *match, uint32_t limit, struct arena *arena, struct answer *out)
{
	const struct replay *replay = match->query->replay;
	const struct mem_rows *rows = &disk->tables[MEM_MESSAGES];
	uint64_t from = uid_floor(replay->since_us), below = replay->until_us ? uid_floor(replay->until_us) : INT64_MAX;
	const struct message_row **found = ARENA_ARRAY(arena, const struct message_row *, rows->count + 1);
	uint32_t count = 0;
	if (!found)
		return E_NOMEM;
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct message_row *row = rows->rows[i];
		if (row->uid >= from && row->uid < below && row->uid > match->query->cursor_uid)
			found[count++] = row;
	}
	qsort(found, count, sizeof(*found), message_oldest_cmp);
	for (uint32_t i = 0; i < count; i++) {
		enum err err = replay_look(disk, match, found[i], arena, out);
		out->next_uid = found[i]->uid;
		if (err)
			return err;
		if ((limit && out->match_count == limit) || replay_match_is_spent(match)) {
			out->next_phase = 0;
			return E_OK;
		}
	}
	return E_OK;
}

enum err mem_replay(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	struct str space = query->namespace_name.len ? query->namespace_name : STR("default");
	const struct named_row *row = replay_endpoint(disk, query, space);
	uint32_t limit = query->limit < LIMIT_PAGE ? query->limit : LIMIT_PAGE;
	struct replay_match match;
	out->next_uid = query->cursor_uid;
	out->next_phase = 2;
	if (!row)
		return E_ENDPOINT_NOT_FOUND;
	struct named_row named = *row;
	if (mem_copy_str(arena, &named.text) || mem_copy_str(arena, &named.name) || mem_copy_str(arena, &named.namespace_name))
		return E_NOMEM;
	enum err err = replay_match_init(&match, query, &named, arena);
	out->matches = err ? NULL : ARENA_ARRAY(arena, struct match, limit + 1);
	if (!out->matches || query->cursor_phase >= 2)
		return err ? err : out->matches ? E_OK : E_NOMEM;
	return replay_walk(disk, &match, limit, arena, out);
}
