/* src/store/mem/poll.c: messages for an endpoint that asks, in the order of their commits. */
#include "base/limits.h"
#include "store/mem/reader.h"
#include "store/wish.h"

#include <stdlib.h>

static enum err poll_endpoint(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	struct str space = query->namespace_name.len ? query->namespace_name : STR("default");
	for (uint32_t i = 0; i < disk->tables[MEM_NAMEDS].count; i++) {
		const struct named_row *row = disk_row(disk, MEM_NAMEDS, i);
		if (row->kind != NAMED_ENDPOINT || !str_eq(row->namespace_name, space) || !str_eq(row->name, query->id))
			continue;
		out->endpoint = ARENA_NEW(arena, struct named_row);
		if (!out->endpoint)
			return E_NOMEM;
		*out->endpoint = (struct named_row){ .kind = NAMED_ENDPOINT, .number = row->number, .state = row->state, .created_us = row->created_us,
						     .created_seq = row->created_seq, .text = row->text };
		return mem_copy_str(arena, &out->endpoint->text);
	}
	return E_ENDPOINT_NOT_FOUND;
}

static bool place_is_after(const struct message_row *row, uint64_t seq, uint64_t uid)
{
	return row->seq > seq || (row->seq == seq && row->uid > uid);
}

static int message_place_cmp(const void *a, const void *b)
{
	const struct message_row *x = *(const struct message_row *const *)a, *y = *(const struct message_row *const *)b;
	return place_is_after(x, y->seq, y->uid) ? 1 : -1;
}

static enum err poll_wants(const struct mem_disk *disk, const struct wish *wish, const struct message_row *row, struct arena *arena, bool *wanted)
{
	struct message_row whole;
	enum err err = wish_takes(wish, row, arena, wanted);
	if (err || !*wanted || !wish_looks_inside(wish, row))
		return err;
	err = mem_copy_message(disk, arena, row, true, &whole);
	return err ? err : wish_takes_payload(wish, whole.payload, arena, wanted);
}

static enum err poll_rows(const struct mem_disk *disk, const struct query *query, const struct wish *wish, const struct message_row **rows, uint32_t count,
                          struct arena *arena, struct answer *out)
{
	uint32_t limit = query->limit && query->limit < LIMIT_PAGE ? query->limit : LIMIT_PAGE;
	size_t bytes = 0;
	out->messages = ARENA_ARRAY(arena, struct message_row, limit);
	if (!out->messages)
		return E_NOMEM;
	for (uint32_t i = 0; i < count; i++) {
		bool wanted;
		enum err err = poll_wants(disk, wish, rows[i], arena, &wanted);
		if (err)
			return err;
		wanted = wanted && rows[i]->uid >= query->poll.least_uid;
		out->scanned_short = wanted && out->message_count && (out->message_count == limit || bytes + rows[i]->payload_bytes > query->poll.bytes_max);
		if (out->scanned_short)
			return E_OK;
		if (wanted && mem_copy_message(disk, arena, rows[i], true, &out->messages[out->message_count++]))
			return E_NOMEM;
		bytes += wanted ? rows[i]->payload_bytes : 0;
		out->next_seq = rows[i]->seq;
		out->next_uid = rows[i]->uid;
	}
	return E_OK;
}

enum err mem_polled(const struct mem_disk *disk, const struct query *query, struct arena *arena, struct answer *out)
{
	const struct mem_rows *all = &disk->tables[MEM_MESSAGES];
	struct str space = query->namespace_name.len ? query->namespace_name : STR("default");
	struct wish wish;
	uint32_t count = 0;
	enum err err = poll_endpoint(disk, query, arena, out);
	if (!err)
		err = wish_read(arena, out->endpoint, &wish);
	if (err || wish.settings.kind != ENDPOINT_POLL || out->endpoint->state != NAMED_ENABLED)
		return err;
	bool resumes = query->poll.resumes;
	out->next_seq = resumes ? query->poll.after_seq : out->endpoint->created_seq;
	out->next_uid = resumes ? query->poll.after_uid : 0;
	const struct message_row **rows = ARENA_ARRAY(arena, const struct message_row *, all->count + 1);
	if (!rows)
		return E_NOMEM;
	for (uint32_t i = 0; i < all->count; i++) {
		const struct message_row *row = all->rows[i];
		if (str_eq(row->namespace_name, space) && place_is_after(row, out->next_seq, out->next_uid))
			rows[count++] = row;
	}
	qsort(rows, count, sizeof(*rows), message_place_cmp);
	return poll_rows(disk, query, &wish, rows, count, arena, out);
}
