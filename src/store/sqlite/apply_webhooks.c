/* src/store/sqlite/apply_webhooks.c: what a change-set says of named things, messages and entities. */
#include "store/sqlite/apply.h"

/* ---- named things ---- */

static enum err apply_named(struct apply *apply, const struct named_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, row->gone ? APPLY_NAMED_DELETE : APPLY_NAMED_PUT, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->kind);
	sql_bind_text(stmt, 2, row->namespace_name);
	sql_bind_text(stmt, 3, row->name);
	if (row->gone)
		return sql_run(stmt);
	sql_bind_i64(stmt, 4, row->number);
	sql_bind_i64(stmt, 5, row->state);
	sql_bind_str(stmt, 6, row->reason);
	sql_bind_str(stmt, 7, row->health);
	sql_bind_i64(stmt, 8, row->created_us);
	sql_bind_i64(stmt, 9, row->changed_us);
	sql_bind_u64(stmt, 10, row->created_seq);
	sql_bind_u64(stmt, 11, row->version);
	sql_bind_text(stmt, 12, row->text);
	err = sql_run(stmt);
	return err ? err : apply_number(apply, APPLY_NAMED_NUMBER, row->number);
}

/* ---- messages ---- */

static void bind_cursor(sqlite3_stmt *stmt, int index, uint32_t next_endpoint)
{
	if (next_endpoint == MESSAGE_EXPANDED)
		sqlite3_bind_null(stmt, index);
	else
		sql_bind_i64(stmt, index, next_endpoint);
}

static void bind_number(sqlite3_stmt *stmt, int index, uint64_t number) /* 0: NULL */
{
	if (number)
		sql_bind_u64(stmt, index, number);
	else
		sqlite3_bind_null(stmt, index);
}

static enum err apply_message_update(struct apply *apply, const struct message_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, APPLY_MESSAGE_UPDATE, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, row->uid);
	sql_bind_i64(stmt, 2, row->flags);
	bind_cursor(stmt, 3, row->next_endpoint);
	sql_bind_i64(stmt, 4, row->deliveries);
	return sql_run(stmt);
}

static enum err apply_message(struct apply *apply, const struct message_row *row)
{
	enum err err = E_OK;
	if (row->update)
		return apply_message_update(apply, row);
	sqlite3_stmt *stmt = statement(apply, APPLY_MESSAGE_INSERT, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, row->uid);
	sql_bind_u64(stmt, 2, row->seq);
	sql_bind_text(stmt, 3, row->namespace_name);
	sql_bind_text(stmt, 4, row->type);
	sql_bind_str(stmt, 5, row->entity);
	sql_bind_str(stmt, 6, row->key);
	sql_bind_str(stmt, 7, row->channels);
	sql_bind_i64(stmt, 8, row->flags);
	bind_number(stmt, 9, row->only);
	bind_cursor(stmt, 10, row->next_endpoint);
	sql_bind_i64(stmt, 11, row->deliveries);
	sql_bind_u64(stmt, 12, row->payload_bytes);
	bind_number(stmt, 13, row->payload_body);
	sql_bind_str(stmt, 14, row->metadata);
	sql_bind_str(stmt, 15, row->payload);
	return sql_run(stmt);
}

/* All bodies that a statement of one number names. */
static enum err apply_drop_bodies(struct apply *apply, enum apply_statement which, uint64_t number)
{
	enum err err = E_OK;
	bool found;
	sqlite3_stmt *stmt = statement(apply, which, &err);
	if (err)
		return err;
	if (sqlite3_bind_parameter_count(stmt))
		sql_bind_u64(stmt, 1, number);
	while (!(err = sql_step(stmt, &found)) && found) {
		err = apply_drop_body(apply, sql_u64(stmt, 0));
		if (err) {
			sqlite3_reset(stmt);
			break;
		}
	}
	return err;
}

static enum err apply_expunge(struct apply *apply, uint64_t uid)
{
	static const enum apply_statement parts[] = { APPLY_MESSAGE_EMPTY, APPLY_DELIVERIES_EXCHANGES, APPLY_DELIVERIES_RESULTS };
	enum err err = apply_drop_bodies(apply, APPLY_MESSAGE_BODY, uid);
	if (!err)
		err = apply_drop_bodies(apply, APPLY_DELIVERIES_BODIES, uid);
	for (size_t i = 0; i < ARRAY_COUNT(parts) && !err; i++)
		err = apply_number(apply, parts[i], uid);
	return err;
}

enum err apply_nameds_and_messages(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->nameds.count && !err; i++)
		err = apply_named(apply, &cs->nameds.items[i]);
	for (uint32_t i = 0; i < cs->messages.count && !err; i++)
		err = apply_message(apply, &cs->messages.items[i]);
	return err;
}

/* ---- entities, and content that goes ---- */

static enum err apply_entity(struct apply *apply, const struct entity_row *row)
{
	enum err err = E_OK;
	sqlite3_stmt *stmt = statement(apply, row->gone ? APPLY_ENTITY_DELETE : APPLY_ENTITY_MERGE, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, row->endpoint);
	sql_bind_text(stmt, 2, row->entity);
	if (!row->gone) {
		sql_bind_str(stmt, 3, row->external_id);
		sql_bind_u64(stmt, 4, row->message);
		sql_bind_i64(stmt, 5, row->at_us);
		sql_bind_i64(stmt, 6, row->state);
	}
	return sql_run(stmt);
}

enum err apply_entities(struct apply *apply, const struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->entities.count && !err; i++)
		err = apply_entity(apply, &cs->entities.items[i]);
	for (uint32_t i = 0; i < cs->messages.count && !err; i++)
		if (cs->messages.items[i].flags & MESSAGE_EXPUNGED)
			err = apply_expunge(apply, cs->messages.items[i].uid);
	return err;
}

/* ---- ranges ---- */

static enum err message_range_mark(struct apply *apply, struct message_range *range)
{
	enum err err = E_OK;
	bool found;
	range->removed = 0;
	range->next_uid = range->up_to_uid;
	sqlite3_stmt *stmt = statement(apply, APPLY_MESSAGES_MARK, &err);
	if (err)
		return err;
	sql_bind_u64(stmt, 1, range->after_uid);
	sql_bind_u64(stmt, 2, range->up_to_uid > INT64_MAX ? INT64_MAX : range->up_to_uid);
	sql_bind_i64(stmt, 3, range->max);
	err = sql_run(stmt);
	stmt = err ? NULL : statement(apply, APPLY_MESSAGES_SEEN, &err);
	if (err || (err = sql_step(stmt, &found)) || !found)
		return err;
	if (sql_u64(stmt, 0) == range->max)
		range->next_uid = sql_u64(stmt, 1);
	return sql_err(sqlite3_reset(stmt));
}

static enum err apply_message_range(struct apply *apply, struct message_range *range)
{
	enum err err = message_range_mark(apply, range);
	if (!err)
		err = apply_plain(apply, APPLY_MESSAGES_SPARE);
	if (!err)
		err = apply_drop_bodies(apply, APPLY_MESSAGES_BODIES, 0);
	if (!err)
		err = apply_plain(apply, APPLY_MESSAGES_DELETE);
	if (!err)
		range->removed = (uint64_t)sqlite3_changes(apply->db);
	return err ? err : apply_plain(apply, APPLY_RANGE_END);
}

static enum err apply_entity_range(struct apply *apply, struct entity_range *range)
{
	enum err err = E_OK;
	range->removed = 0;
	sqlite3_stmt *stmt = statement(apply, APPLY_ENTITIES_DELETE, &err);
	if (err)
		return err;
	sql_bind_i64(stmt, 1, range->endpoint);
	sql_bind_i64(stmt, 2, range->max);
	err = sql_run(stmt);
	if (!err)
		range->removed = (uint64_t)sqlite3_changes(apply->db);
	return err;
}

enum err apply_webhook_ranges(struct apply *apply, struct changeset *cs)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < cs->message_ranges.count && !err; i++)
		err = apply_message_range(apply, &cs->message_ranges.items[i]);
	for (uint32_t i = 0; i < cs->entity_ranges.count && !err; i++)
		err = apply_entity_range(apply, &cs->entity_ranges.items[i]);
	return err;
}
