#include "store/mem/webhooks.h"

/* ---- step one ---- */

/* The last of the rows with this uid, on disk or among the copies; NULL: none. */
static const struct message_row *message_before(const struct mem_disk *disk, const struct mem_rows *copies, uint64_t uid)
{
	for (uint32_t i = copies->count; i > 0; i--)
		if (((const struct message_row *)copies->rows[i - 1])->uid == uid)
			return copies->rows[i - 1];
	return disk_message(disk, uid);
}

void message_merge(const struct mem_disk *disk, const struct mem_rows *copies, struct message_row *row)
{
	const struct message_row *before = row->update ? message_before(disk, copies, row->uid) : NULL;
	if (!before)
		return;
	struct message_row whole = *before;
	whole.flags = row->flags;
	whole.next_endpoint = row->next_endpoint;
	whole.deliveries = row->deliveries;
	*row = whole;
}

static bool entity_is(const struct entity_row *row, const struct entity_row *key)
{
	return row->endpoint == key->endpoint && str_eq(row->entity, key->entity);
}

void entity_merge(const struct mem_disk *disk, const struct mem_rows *copies, struct entity_row *row)
{
	const struct entity_row *before = NULL;
	const struct mem_rows *rows = &disk->tables[MEM_ENTITIES];
	for (uint32_t i = 0; i < rows->count; i++)
		if (entity_is(rows->rows[i], row))
			before = rows->rows[i];
	for (uint32_t i = 0; i < copies->count; i++)
		if (entity_is(copies->rows[i], row))
			before = copies->rows[i];
	if (!before || before->gone || row->gone)
		return;
	if (!row->external_id.len)
		row->external_id = before->external_id;
	if (row->message < before->message)
		row->message = before->message;
}

static bool named_is(const struct named_row *a, const struct named_row *b)
{
	return a->kind == b->kind && str_eq(a->namespace_name, b->namespace_name) && str_eq(a->name, b->name);
}

static bool changeset_names(const struct changeset *cs, const struct named_row *row)
{
	for (uint32_t i = 0; i < cs->nameds.count; i++)
		if (named_is(&cs->nameds.items[i], row))
			return true;
	return false;
}

static enum err check_nameds(const struct mem_disk *disk, const struct changeset *cs)
{
	const struct mem_rows *rows = &disk->tables[MEM_NAMEDS];
	for (uint32_t i = 0; i < cs->nameds.count; i++)
		for (uint32_t k = 0; k < rows->count && !cs->nameds.items[i].gone; k++) {
			const struct named_row *other = rows->rows[k];
			if (other->number == cs->nameds.items[i].number && !changeset_names(cs, other))
				return E_CONFLICT;
		}
	return E_OK;
}

static bool message_collides(const struct message_row *a, const struct message_row *b)
{
	return a->uid == b->uid || (a->key.len && str_eq(a->key, b->key) && str_eq(a->namespace_name, b->namespace_name));
}

enum err webhooks_check(const struct mem_disk *disk, const struct changeset *cs)
{
	const struct mem_rows *rows = &disk->tables[MEM_MESSAGES];
	for (uint32_t i = 0; i < cs->messages.count; i++) {
		const struct message_row *row = &cs->messages.items[i];
		for (uint32_t k = 0; k < rows->count && !row->update; k++)
			if (message_collides(row, rows->rows[k]))
				return E_CONFLICT;
		for (uint32_t k = 0; k < i && !row->update; k++)
			if (!cs->messages.items[k].update && message_collides(row, &cs->messages.items[k]))
				return E_CONFLICT;
	}
	return check_nameds(disk, cs);
}

/* ---- step two ---- */

static bool named_is_gone(const void *context, const void *row)
{
	(void)context;
	return ((const struct named_row *)row)->gone;
}
static bool entity_is_gone(const void *context, const void *row)
{
	(void)context;
	return ((const struct entity_row *)row)->gone;
}
static bool message_never_was(const void *context, const void *row)
{
	(void)context;
	return ((const struct message_row *)row)->update;
}

static void expunge_delivery(struct mem_disk *disk, struct mem_job *job)
{
	for (uint32_t i = 0; i < disk->tables[MEM_ATTEMPTS].count; i++) {
		struct attempt_row *attempt = disk_row(disk, MEM_ATTEMPTS, i);
		if (attempt->uid == job->uid)
			attempt->exchange = STR("");
	}
	if (!job->result)
		return;
	disk_drop_body(disk, job->result->result_body);
	job->result->result_body = job->result->result_bytes = 0;
	job->result->result = STR("");
}

static void expunge(struct mem_disk *disk, uint64_t uid)
{
	struct message_row *message = disk_message(disk, uid);
	if (message) {
		disk_drop_body(disk, message->payload_body);
		message->payload_body = 0;
		message->payload = message->metadata = STR("");
	}
	for (uint32_t slot = 0; slot < disk->jobs.used; slot++) {
		struct mem_job *job = pool_at(&disk->jobs, slot);
		if (job->uid && job->definition->message == uid)
			expunge_delivery(disk, job);
	}
}

void webhooks_commit(struct mem_disk *disk, const struct changeset *cs)
{
	rows_remove_if(&disk->tables[MEM_NAMEDS], named_is_gone, NULL);
	rows_remove_if(&disk->tables[MEM_ENTITIES], entity_is_gone, NULL);
	rows_remove_if(&disk->tables[MEM_MESSAGES], message_never_was, NULL);
	for (uint32_t i = 0; i < cs->messages.count; i++)
		if (cs->messages.items[i].flags & MESSAGE_EXPUNGED)
			expunge(disk, cs->messages.items[i].uid);
}

/* ---- ranges ---- */

static bool message_is(const void *uid, const void *row)
{
	return ((const struct message_row *)row)->uid == *(const uint64_t *)uid;
}

static bool message_is_pinned(const struct mem_disk *disk, const struct message_row *message)
{
	bool pinned = message->next_endpoint != MESSAGE_EXPANDED;
	for (uint32_t slot = 0; slot < disk->jobs.used && !pinned; slot++) {
		const struct mem_job *job = pool_at(&disk->jobs, slot);
		pinned = job->uid && job->definition->message == message->uid;
	}
	return pinned;
}

/* The first after `uid`, up to and with `last`; NULL: none. */
static const struct message_row *message_after(const struct mem_disk *disk, uint64_t uid, uint64_t last)
{
	const struct message_row *first = NULL;
	for (uint32_t i = 0; i < disk->tables[MEM_MESSAGES].count; i++) {
		const struct message_row *row = disk_row(disk, MEM_MESSAGES, i);
		if (row->uid > uid && row->uid <= last && (!first || row->uid < first->uid))
			first = row;
	}
	return first;
}

static void message_range(struct mem_disk *disk, struct message_range *range)
{
	const struct message_row *row = NULL;
	uint64_t uid = range->after_uid;
	uint32_t looked_at = 0;
	range->removed = 0;
	for (; looked_at < range->max && (row = message_after(disk, uid, range->up_to_uid)); looked_at++) {
		uid = row->uid;
		if (message_is_pinned(disk, row))
			continue;
		disk_drop_body(disk, row->payload_body);
		rows_remove_if(&disk->tables[MEM_MESSAGES], message_is, &uid);
		range->removed++;
	}
	range->next_uid = looked_at == range->max ? uid : range->up_to_uid;
}

static bool row_is(const void *it, const void *row)
{
	return it == row;
}

static void entity_range(struct mem_disk *disk, struct entity_range *range)
{
	struct mem_rows *rows = &disk->tables[MEM_ENTITIES];
	for (range->removed = 0; range->removed < range->max; range->removed++) {
		const struct entity_row *first = NULL; /* by name */
		for (uint32_t i = 0; i < rows->count; i++) {
			const struct entity_row *row = rows->rows[i];
			if (row->endpoint == range->endpoint && (!first || str_cmp(row->entity, first->entity) < 0))
				first = row;
		}
		if (!first)
			return;
		rows_remove_if(rows, row_is, first);
	}
}

void webhooks_ranges(struct mem_disk *disk, struct changeset *cs)
{
	for (uint32_t i = 0; i < cs->message_ranges.count; i++)
		message_range(disk, &cs->message_ranges.items[i]);
	for (uint32_t i = 0; i < cs->entity_ranges.count; i++)
		entity_range(disk, &cs->entity_ranges.items[i]);
}
