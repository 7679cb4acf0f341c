/* src/store/conformance_webhooks.c: of the list that every store must pass, what concerns named things, messages and entities. */
#include "store/conformance_priv.h"
#include "base/check.h"
#include "base/uid.h"
#include "store/filter.h"
#include "store/replay_match.h"

#include <stdio.h>

#define BASE_US INT64_C(1767225600000000) /* 2026-01-01 */

static struct factory *the_factory;

static int set_up(void **state)
{
	static struct suite suite;
	suite_open(&suite, the_factory);
	*state = &suite;
	return 0;
}

static int tear_down(void **state)
{
	suite_close(*state);
	return 0;
}

static struct named_row *add_endpoint(struct suite *suite, uint32_t number, const char *name)
{
	struct named_row *row = change_add(&suite->cs, nameds);
	*row = (struct named_row){ .kind = NAMED_ENDPOINT, .number = number, .namespace_name = STR("default"), .name = str_of(name), .text = STR("{}"),
		                   .created_us = 5, .changed_us = 6, .created_seq = suite->cs.seq, .version = suite->cs.seq };
	return row;
}

static struct message_row *add_message(struct suite *suite, uint64_t uid, const char *type, const char *entity)
{
	struct message_row *row = change_add(&suite->cs, messages);
	*row = (struct message_row){ .uid = uid, .seq = suite->cs.seq, .namespace_name = STR("default"), .type = str_of(type),
		                     .entity = str_of(entity), .next_endpoint = MESSAGE_EXPANDED, .payload = STR("{\"a\":1}"), .payload_bytes = 7 };
	return row;
}

static struct job_write *add_delivery(struct suite *suite, enum job_table table, uint64_t uid, uint64_t message, const char *endpoint)
{
	struct job_write *write = suite_job(suite, TABLE_NONE, table, uid, 1);
	struct job_definition *definition = suite_definition(suite, write, NULL);
	definition->message = message;
	definition->group = write->row.group = str_of(endpoint);
	definition->payload = STR("");
	return write;
}

static void add_body(struct suite *suite, uint64_t number, const char *first, const char *second)
{
	*change_add(&suite->cs, chunks) = (struct body_chunk){ number, 0, str_of(first) };
	*change_add(&suite->cs, chunks) = (struct body_chunk){ number, 1, str_of(second) };
	suite->cs.next_body = number + 1;
}

/* The lines of a dump that begin so. */
static void dump_lines(struct suite *suite, const char *prefix, struct buf *out)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	suite_dump(suite, &text);
	buf_clear(out);
	for (struct str rest = buf_str(&text); rest.len;) {
		size_t end = str_index(rest, '\n');
		if (str_starts(rest, str_of(prefix)))
			buf_add(out, (struct str){ rest.ptr, end + 1 });
		rest = str_from(rest, end + 1);
	}
	buf_fini(&text);
}

/* ---- named things ---- */

static void named_things_are_put_replaced_and_dropped(void **state)
{
	struct suite *suite = *state;
	struct buf lines;
	buf_init(&lines, 1 << 20);
	suite_begin(suite);
	add_endpoint(suite, 7, "crm")->health = STR("{\"warned\":50}");
	struct named_row *format = add_endpoint(suite, 3, "crm"); /* a name of each kind */
	format->kind = NAMED_FORMAT;
	format->text = STR("{\"program\":\".\"}");
	add_endpoint(suite, 4, "crm")->kind = NAMED_EVENT_TYPE;
	add_endpoint(suite, 8, "crm")->namespace_name = STR("other");
	add_endpoint(suite, 9, "short-lived");
	suite_commit(suite);
	suite_begin(suite);
	struct named_row *crm = add_endpoint(suite, 7, "crm"); /* of one name the last counts */
	crm->state = NAMED_DISABLED;
	add_endpoint(suite, 7, "crm")->gone = true;
	crm = add_endpoint(suite, 7, "crm");
	crm->state = NAMED_PAUSED;
	crm->reason = STR("by_hand");
	crm->created_seq = 1;
	add_endpoint(suite, 9, "short-lived")->gone = true;
	add_endpoint(suite, 10, "never")->gone = true;
	suite_commit(suite);
	suite_restart(suite);
	assert_int_equal(suite->meta.last_named, 9);
	dump_lines(suite, "named", &lines);
	assert_text(buf_str(&lines),
	            "named kind=0 number=7 namespace_name='default' name='crm' text='{}' state=1 reason='by_hand' health='' created_us=5 changed_us=6 "
	            "created_seq=1 version=2\n"
	            "named kind=0 number=8 namespace_name='other' name='crm' text='{}' state=0 reason='' health='' created_us=5 changed_us=6 created_seq=1 "
	            "version=1\n"
	            "named kind=1 number=3 namespace_name='default' name='crm' text='{\"program\":\".\"}' state=0 reason='' health='' created_us=5 "
	            "changed_us=6 created_seq=1 version=1\n"
	            "named kind=4 number=4 namespace_name='default' name='crm' text='{}' state=0 reason='' health='' created_us=5 changed_us=6 created_seq=1 "
	            "version=1\n");
	suite_begin(suite); /* a number is one thing's */
	add_endpoint(suite, 3, "thief");
	assert_err(suite_try(suite), E_CONFLICT);
	suite_begin(suite); /* a new thing of an old name has a new number */
	add_endpoint(suite, 7, "crm")->gone = true;
	add_endpoint(suite, 11, "crm");
	suite_commit(suite);
	dump_lines(suite, "named kind=0 number=11", &lines);
	assert_true(lines.len > 0);
	dump_lines(suite, "named kind=0 number=7", &lines);
	assert_int_equal(lines.len, 0);
	buf_fini(&lines);
}

static enum err named_stop(void *context, const struct named_row *row)
{
	uint32_t *last = context;
	assert_true(row->number > *last); /* in the order of numbers, whatever their kinds and names */
	*last = row->number;
	return row->number == 3 ? E_CANCELLED : E_OK;
}

static enum err budget_pass(void *context, const struct budget_row *row) { (void)context, (void)row; return E_OK; }
static enum err queue_pass(void *context, const struct queue_row *row) { (void)context, (void)row; return E_OK; }
static enum err group_pass(void *context, const struct group_row *row) { (void)context, (void)row; return E_OK; }

static void named_things_are_scanned_by_number(void **state)
{
	struct suite *suite = *state;
	uint32_t last = 0;
	suite_begin(suite);
	add_endpoint(suite, 2, "a");
	add_endpoint(suite, 4, "b");
	add_endpoint(suite, 3, "c");
	add_endpoint(suite, 1, "d")->kind = NAMED_SECRET;
	suite_commit(suite);
	struct scan_visitor visitor = { .context = &last, .budget = budget_pass, .queue = queue_pass, .group = group_pass, .named = named_stop };
	assert_err(suite->store->verbs->scan(suite->store, &visitor), E_CANCELLED);
	assert_int_equal(last, 3);
}

/* ---- messages ---- */

static const struct message_row *ask_message(struct suite *suite, uint64_t uid, bool with_payload)
{
	enum err err = suite_ask(suite, &(struct query){ .kind = QUERY_MESSAGE, .uids = &uid, .uid_count = 1, .with_payload = with_payload });
	CHECK(err == E_OK || err == E_MESSAGE_NOT_FOUND);
	return err ? NULL : suite->answer.messages;
}

static void messages_are_kept_and_their_cursor_moves(void **state)
{
	struct suite *suite = *state;
	struct buf lines;
	buf_init(&lines, 1 << 20);
	suite_begin(suite);
	struct message_row *message = add_message(suite, 100, "fiche.updated", "17");
	message->key = STR("k'1");
	message->channels = STR("[\"a\"]");
	message->metadata = STR("{\"from\":\"x\"}");
	message->flags = MESSAGE_DELETED;
	message->only = 4;
	message->next_endpoint = 0;
	add_message(suite, 102, "ping", "")->next_endpoint = 6;
	add_message(suite, 101, "ping", "");
	suite_commit(suite);
	const struct message_row *row = ask_message(suite, 100, true);
	assert_text(row->type, "fiche.updated");
	assert_text(row->entity, "17");
	assert_text(row->key, "k'1");
	assert_text(row->channels, "[\"a\"]");
	assert_text(row->metadata, "{\"from\":\"x\"}");
	assert_text(row->payload, "{\"a\":1}");
	assert_int_equal(row->payload_bytes, 7);
	assert_int_equal(row->seq, 1);
	assert_int_equal(row->flags, MESSAGE_DELETED);
	assert_int_equal(row->only, 4);
	row = ask_message(suite, 100, false);
	assert_int_equal(row->payload.len + row->metadata.len, 0);
	assert_int_equal(row->payload_bytes, 7);
	assert_null(ask_message(suite, 99, false));
	suite_begin(suite); /* the cursor moves, of one message the last counts; one that never was stays so */
	*change_add(&suite->cs, messages) = (struct message_row){ .uid = 100, .next_endpoint = 5, .deliveries = 1, .update = true };
	*change_add(&suite->cs, messages) = (struct message_row){ .uid = 100, .next_endpoint = 9, .deliveries = 3, .update = true };
	*change_add(&suite->cs, messages) = (struct message_row){ .uid = 102, .next_endpoint = MESSAGE_EXPANDED, .deliveries = 2, .update = true };
	*change_add(&suite->cs, messages) = (struct message_row){ .uid = 77, .next_endpoint = 1, .update = true };
	suite_commit(suite);
	suite_restart(suite);
	dump_lines(suite, "expansion", &lines);
	assert_text(buf_str(&lines), "expansion uid=100 seq=1 namespace_name='default' type='fiche.updated' entity='17' key='k'1' channels='[\"a\"]' "
	                             "metadata='' payload='' payload_bytes=7 payload_body=0 flags=0 only=4 next_endpoint=9 deliveries=3\n");
	row = ask_message(suite, 102, false);
	assert_int_equal(row->deliveries, 2);
	assert_int_equal(row->next_endpoint, MESSAGE_EXPANDED);
	assert_null(ask_message(suite, 77, false));
	buf_fini(&lines);
}

static void keys_of_messages_are_one_of_a_kind(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	add_message(suite, 100, "a", "")->key = STR("k");
	struct message_row *other = add_message(suite, 101, "a", "");
	other->key = STR("k");
	other->namespace_name = STR("other");
	add_message(suite, 102, "a", "");
	add_message(suite, 103, "a", "");
	suite_commit(suite);
	suite_begin(suite);
	add_message(suite, 110, "a", "")->key = STR("k");
	assert_err(suite_try(suite), E_CONFLICT);
	suite_begin(suite);
	add_message(suite, 102, "a", "");
	assert_err(suite_try(suite), E_CONFLICT);
	suite_begin(suite);
	add_message(suite, 111, "a", "")->key = STR("twin");
	add_message(suite, 112, "a", "")->key = STR("twin");
	assert_err(suite_try(suite), E_CONFLICT);
	assert_null(ask_message(suite, 111, false));
	struct load_message_key keys[] = { { STR("other"), STR("k") }, { STR("default"), STR("k") },
		                           { STR("default"), STR("K") } };
	uint64_t uids[] = { 103, 77, 101 };
	struct load load = { .message_keys = keys, .message_key_count = 3, .messages = uids, .message_count = 3 };
	arena_reset(&suite->arena);
	assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
	assert_int_equal(load.message_key_uids[0], 101);
	assert_int_equal(load.message_key_uids[1], 100);
	assert_int_equal(load.message_key_uids[2], 0);
	assert_int_equal(load.message_rows[0].uid, 103);
	assert_text(load.message_rows[0].payload, "{\"a\":1}");
	assert_int_equal(load.message_rows[1].uid, 0);
	assert_text(load.message_rows[2].namespace_name, "other");
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_MESSAGE, .id = STR("k") }));
	assert_int_equal(suite->answer.messages[0].uid, 100);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_MESSAGE, .id = STR("none") }), E_MESSAGE_NOT_FOUND);
}

static uint64_t listed[64];

/* All pages of a list, two by two. */
static uint32_t list_messages(struct suite *suite, struct message_filter filter)
{
	uint32_t count = 0;
	struct query query = { .kind = QUERY_MESSAGES, .message = filter, .limit = 2 };
	char cursor[64];
	do {
		assert_ok(suite_ask(suite, &query));
		for (uint32_t i = 0; i < suite->answer.message_count; i++)
			listed[count++] = suite->answer.messages[i].uid;
		snprintf(cursor, sizeof(cursor), STR_FMT, STR_ARG(suite->answer.next_cursor));
		query.cursor = str_of(cursor);
	} while (query.cursor.len);
	return count;
}

static void messages_are_listed_newest_first(void **state)
{
	struct suite *suite = *state;
	uint64_t base = uid_floor(BASE_US), hour = uid_floor(BASE_US + INT64_C(3600000000));
	suite_begin(suite);
	for (uint64_t n = 0; n < 5; n++)
		add_message(suite, base + n, n % 2 ? "fiche.updated" : "fiche.deleted", n < 4 ? "17" : "");
	add_message(suite, hour, "ping", "17");
	add_message(suite, hour + 1, "fiche", "18")->namespace_name = STR("other");
	suite_commit(suite);
	assert_int_equal(list_messages(suite, (struct message_filter){ 0 }), 6);
	assert_int_equal(listed[0], hour);
	assert_int_equal(listed[5], base);
	assert_int_equal(list_messages(suite, (struct message_filter){ .type = STR("fiche.*") }), 5);
	assert_int_equal(list_messages(suite, (struct message_filter){ .type = STR("fiche.deleted") }), 3);
	assert_int_equal(listed[2], base);
	assert_int_equal(list_messages(suite, (struct message_filter){ .type = STR("fiche") }), 0);
	assert_int_equal(list_messages(suite, (struct message_filter){ .namespace_name = STR("other"), .type = STR("*") }), 1);
	assert_int_equal(list_messages(suite, (struct message_filter){ .entity = STR("17") }), 5);
	assert_int_equal(list_messages(suite, (struct message_filter){ .entity = STR("17"), .type = STR("fiche.updated") }), 2);
	assert_int_equal(list_messages(suite, (struct message_filter){ .namespace_name = STR("other"), .entity = STR("17") }), 0);
	assert_int_equal(list_messages(suite, (struct message_filter){ .created_after_us = BASE_US + 1000 }), 1);
	assert_int_equal(list_messages(suite, (struct message_filter){ .created_before_us = BASE_US + 1000 }), 5);
	assert_int_equal(list_messages(suite, (struct message_filter){ .created_after_us = BASE_US, .created_before_us = BASE_US }), 0);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_MESSAGES, .cursor = STR("x") }), E_INVALID);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_MESSAGES, .with_payload = true, .limit = 1 }));
	assert_text(suite->answer.messages[0].payload, "{\"a\":1}");
}

static void large_messages_are_read_whole(void **state)
{
	struct suite *suite = *state;
	uint64_t uid = 100;
	suite_begin(suite);
	add_body(suite, 1, "[\"first ", "second\"]");
	struct message_row *message = add_message(suite, uid, "big", "");
	message->payload = STR("");
	message->payload_body = 1;
	message->payload_bytes = 16;
	suite_commit(suite);
	suite_restart(suite); /* sweeps what nothing references: not this one */
	assert_text(ask_message(suite, uid, true)->payload, "[\"first second\"]");
	assert_int_equal(ask_message(suite, uid, false)->payload.len, 0);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_MESSAGES, .with_payload = true }));
	assert_text(suite->answer.messages[0].payload, "[\"first second\"]");
	struct load load = { .messages = &uid, .message_count = 1 };
	assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
	assert_text(load.message_rows[0].payload, "[\"first second\"]");
	load = (struct load){ .messages = &uid, .message_count = 1, .messages_bare = true };
	assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
	assert_text(load.message_rows[0].type, "big");
	assert_int_equal(load.message_rows[0].payload.len, 0);
}

/* ---- asked for by an endpoint ---- */

#define POLL_SETTINGS "{\"kind\":\"poll\",\"types\":[\"fiche.*\"],\"channels\":[\"a\",\"b\"],\"filter\":{\"a\":1}}"

/* All pages of what the endpoint wants, `limit` by `limit`. */
static uint32_t poll_all(struct suite *suite, const char *name, uint32_t limit, struct poll_place place)
{
	struct query query = { .kind = QUERY_POLL, .id = str_of(name), .limit = limit, .poll = place };
	uint32_t count = 0;
	query.poll.bytes_max = SIZE_MAX;
	do {
		assert_ok(suite_ask(suite, &query));
		assert_true(suite->answer.message_count <= limit);
		for (uint32_t i = 0; i < suite->answer.message_count; i++)
			listed[count++] = suite->answer.messages[i].uid;
		query.poll.resumes = true;
		query.poll.after_seq = suite->answer.next_seq;
		query.poll.after_uid = suite->answer.next_uid;
	} while (suite->answer.scanned_short);
	return count;
}

static void add_polling(struct suite *suite)
{
	suite_begin(suite);
	add_message(suite, 90, "fiche.early", ""); /* before the endpoints were made */
	suite_commit(suite);
	suite_begin(suite);
	add_endpoint(suite, 4, "consumer")->text = STR(POLL_SETTINGS);
	add_endpoint(suite, 5, "all")->text = STR("{\"kind\":\"poll\",\"types\":[\"*\"]}");
	add_endpoint(suite, 6, "pushed")->text = STR("{\"url\":\"https://x/\",\"types\":[\"*\"]}");
	suite_commit(suite);
	suite_begin(suite);
	add_message(suite, 120, "fiche.updated", "");
	add_message(suite, 110, "fiche.updated", "");
	add_message(suite, 111, "ping", "");
	add_message(suite, 112, "fiche.updated", "")->channels = STR("[\"c\"]");
	add_message(suite, 113, "fiche.updated", "")->channels = STR("[\"c\",\"b\"]");
	add_message(suite, 114, "fiche.updated", "")->payload = STR("{\"a\":2}");
	suite_commit(suite);
	suite_begin(suite); /* with lower uids, committed later */
	add_message(suite, 100, "fiche.updated", "");
	add_message(suite, 101, "ping", "")->only = 4;
	add_message(suite, 102, "fiche.updated", "")->only = 5;
	add_message(suite, 103, "fiche.updated", "")->namespace_name = STR("other");
	add_message(suite, 104, "endpoint.failing", "")->flags = MESSAGE_META;
	add_message(suite, 105, "fiche.updated", "")->flags = MESSAGE_EXPUNGED;
	suite_commit(suite);
}

static void an_endpoint_asks_in_the_order_of_commits(void **state)
{
	static const uint64_t wanted[] = { 110, 113, 120, 100, 101 }, all[] = { 110, 111, 112, 113, 114, 120, 100, 102 };
	struct suite *suite = *state;
	add_polling(suite);
	suite_restart(suite);
	for (uint32_t limit = 1; limit < 7; limit++) {
		assert_int_equal(poll_all(suite, "consumer", limit, (struct poll_place){ 0 }), ARRAY_COUNT(wanted));
		assert_memory_equal(listed, wanted, sizeof(wanted));
	}
	assert_int_equal(poll_all(suite, "all", 3, (struct poll_place){ 0 }), ARRAY_COUNT(all));
	assert_memory_equal(listed, all, sizeof(all));
	assert_int_equal(poll_all(suite, "consumer", 9, (struct poll_place){ .resumes = true, .after_seq = 3, .after_uid = 113 }), 3);
	assert_int_equal(listed[0], 120);
	assert_int_equal(poll_all(suite, "consumer", 9, (struct poll_place){ .resumes = true, .after_seq = 3, .after_uid = INT64_MAX }), 2);
	assert_int_equal(poll_all(suite, "consumer", 9, (struct poll_place){ .resumes = true, .after_seq = 4, .after_uid = INT64_MAX }), 0);
	assert_int_equal(suite->answer.seq, 4);
	assert_int_equal(poll_all(suite, "consumer", 9, (struct poll_place){ .least_uid = 111 }), 2);
	assert_int_equal(poll_all(suite, "pushed", 9, (struct poll_place){ 0 }), 0);
	assert_int_equal(suite->answer.endpoint->number, 6);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_POLL, .id = STR("none") }), E_ENDPOINT_NOT_FOUND);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_POLL, .id = STR("all"), .namespace_name = STR("other") }), E_ENDPOINT_NOT_FOUND);
}

static void a_page_for_an_endpoint_is_whole_and_bounded(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	add_endpoint(suite, 4, "consumer")->text = STR("{\"kind\":\"poll\",\"types\":[\"*\"],\"filter\":{\"n\":{\"$gte\":2}}}");
	add_endpoint(suite, 5, "paused")->text = STR("{\"kind\":\"poll\",\"types\":[\"*\"]}");
	add_endpoint(suite, 6, "unreadable")->text = STR("{\"kind\":\"of tomorrow\"}");
	add_body(suite, 1, "{\"n\":", "3,\"text\":\"second\"}");
	add_body(suite, 2, "{\"n\":", "1,\"text\":\"second\"}");
	for (uint64_t body = 1; body <= 2; body++) {
		struct message_row *message = add_message(suite, 100 + body, "big", "e");
		message->payload = STR("");
		message->payload_body = body;
		message->payload_bytes = 23;
	}
	add_message(suite, 110, "small", "")->payload = STR("{\"n\":2}");
	suite_commit(suite);
	suite_begin(suite);
	struct named_row *paused = add_endpoint(suite, 5, "paused");
	paused->text = STR("{\"kind\":\"poll\",\"types\":[\"*\"]}");
	paused->state = NAMED_PAUSED;
	suite_commit(suite);
	suite_restart(suite);
	struct query query = { .kind = QUERY_POLL, .id = STR("consumer"), .poll.bytes_max = 1 };
	assert_ok(suite_ask(suite, &query)); /* one comes in any case, whole */
	assert_int_equal(suite->answer.message_count, 1);
	assert_true(suite->answer.scanned_short);
	assert_text(suite->answer.messages[0].payload, "{\"n\":3,\"text\":\"second\"}");
	assert_text(suite->answer.messages[0].entity, "e");
	assert_int_equal(suite->answer.next_uid, 102); /* looked at, not wanted */
	query.poll.bytes_max = 30;
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.message_count, 2);
	assert_false(suite->answer.scanned_short);
	query.id = STR("paused");
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.message_count, 0);
	assert_int_equal(suite->answer.endpoint->state, NAMED_PAUSED);
	query.id = STR("unreadable");
	assert_err(suite_ask(suite, &query), E_INVALID);
}

/* ---- deliveries ---- */

static void a_delivery_is_read_with_its_message_and_entity(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "webhooks");
	add_endpoint(suite, 4, "crm");
	add_message(suite, 100, "fiche.updated", "17")->metadata = STR("{\"m\":1}");
	add_message(suite, 101, "ping", "");
	*change_add(&suite->cs, entities) = (struct entity_row){ 4, STR("17"), STR("rec'9"), 90, 1234, ENTITY_RETRACTED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 5, STR("17"), STR("other's"), 91, 1234, ENTITY_DELIVERED, false };
	add_delivery(suite, TABLE_LIVE, 1, 100, "crm");
	add_delivery(suite, TABLE_DONE, 2, 101, "crm");
	add_delivery(suite, TABLE_LIVE, 3, 100, "gone");
	add_delivery(suite, TABLE_LIVE, 4, 99, "crm"); /* its message is not there */
	suite_definition(suite, suite_job(suite, TABLE_NONE, TABLE_LIVE, 5, 1), "plain");
	suite_commit(suite);
	uint64_t uids[] = { 1, 2, 3, 4, 5 };
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_DEFINITIONS, .uids = uids, .uid_count = 5 }));
	const struct job_view *views = suite->answer.jobs;
	assert_int_equal(views[0].definition.message, 100);
	assert_text(views[0].message.type, "fiche.updated");
	assert_text(views[0].message.payload, "{\"a\":1}");
	assert_text(views[0].message.metadata, "{\"m\":1}");
	assert_int_equal(views[0].endpoint, 4);
	assert_text(views[0].entity.entity, "17");
	assert_text(views[0].entity.external_id, "rec'9");
	assert_int_equal(views[0].entity.message, 90);
	assert_int_equal(views[0].entity.at_us, 1234);
	assert_int_equal(views[0].entity.state, ENTITY_RETRACTED);
	assert_int_equal(views[1].message.uid, 101);
	assert_int_equal(views[1].endpoint, 4);
	assert_int_equal(views[1].entity.entity.len, 0);
	assert_int_equal(views[2].message.uid, 100);
	assert_int_equal(views[2].endpoint, 0);
	assert_int_equal(views[2].entity.entity.len, 0);
	assert_int_equal(views[3].definition.message, 99);
	assert_int_equal(views[3].message.uid, 0);
	assert_int_equal(views[4].definition.message, 0);
	assert_int_equal(views[4].message.uid, 0);
	assert_int_equal(suite_view(suite, 1)->message.uid, 100); /* and where one asks for payloads */
	assert_text(suite_view(suite, 1)->entity.external_id, "rec'9");
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_JOB, .uids = uids, .uid_count = 1 }));
	assert_int_equal(suite->answer.jobs[0].definition.message, 100);
	assert_int_equal(suite->answer.jobs[0].message.uid, 0);
	struct load_delivery wanted[] = { { 100, STR("crm") }, { 101, STR("crm") }, { 101, STR("gone") }, { 0, STR("") } };
	struct load load = { .deliveries = wanted, .delivery_count = 4, .uids = uids, .uid_count = 2 };
	assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
	assert_int_equal(load.delivery_uids[0], 1);
	assert_int_equal(load.delivery_uids[1], 2);
	assert_int_equal(load.delivery_uids[2], 0);
	assert_int_equal(load.delivery_uids[3], 0);
	assert_int_equal(load.definitions[1].message, 101);
	suite_begin(suite); /* of two, the newest */
	add_delivery(suite, TABLE_LIVE, 6, 100, "crm");
	suite_commit(suite);
	assert_ok(suite->store->verbs->load(suite->store, &load, &suite->arena));
	assert_int_equal(load.delivery_uids[0], 6);
}

static const char *listed_deliveries(struct suite *suite, struct job_filter filter) /* "1 2", the oldest first; and counted, and matched */
{
	static char text[256];
	size_t len = 0;
	uint32_t matched = 0;
	struct query query = { .kind = QUERY_JOBS, .filter = filter, .oldest_first = true };
	assert_ok(suite_ask(suite, &query));
	uint32_t count = suite->answer.job_count;
	text[0] = '\0';
	for (uint32_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu", i ? " " : "", (unsigned long long)suite->answer.jobs[i].row.uid);
	query.kind = QUERY_COUNT;
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.count, count);
	query.kind = QUERY_MATCHES;
	while (query.cursor_phase < 2) {
		assert_ok(suite_ask(suite, &query));
		matched += suite->answer.match_count;
		query.cursor_uid = suite->answer.next_uid;
		query.cursor_phase = suite->answer.next_phase;
	}
	assert_int_equal(matched, count);
	return text;
}

static void deliveries_are_listed_by_what_they_are(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "webhooks");
	suite_queue(suite, 2, "other", "webhooks");
	add_message(suite, 100, "fiche", "17");
	add_message(suite, 101, "fiche", "18");
	add_message(suite, 102, "fiche", "17")->namespace_name = STR("other");
	add_delivery(suite, TABLE_LIVE, 1, 100, "crm");
	add_delivery(suite, TABLE_DONE, 2, 100, "dms")->row.outcome = OUTCOME_FILTERED;
	add_delivery(suite, TABLE_DONE, 3, 101, "crm")->row.outcome = OUTCOME_SUCCESS;
	struct job_write *write = add_delivery(suite, TABLE_LIVE, 4, 102, "crm");
	write->row.queue = 2;
	write = suite_job(suite, TABLE_NONE, TABLE_LIVE, 5, 1); /* no delivery, though of that group */
	suite_definition(suite, write, "plain")->group = STR("crm");
	write->row.group = STR("crm");
	suite_commit(suite);
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .message = 100 }), "1 2");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .message = 100, .endpoint = STR("dms") }), "2");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .message = 99 }), "");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .entity = STR("17") }), "1 2");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .entity = STR("17"), .namespace_name = STR("other") }), "4");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .entity = STR("17"), .message = 101 }), "");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .endpoint = STR("crm") }), "1 3");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .endpoint = STR("crm"), .queue = STR("webhooks") }), "1 3");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .endpoint = STR("crm"), .states = 1u << JOB_COMPLETED }), "3");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .outcomes = 1u << OUTCOME_FILTERED }), "2");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .outcomes = 1u << OUTCOME_FILTERED | 1u << OUTCOME_SUCCESS }), "2 3");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .outcomes = 1u << OUTCOME_SUCCESS, .states = STATES_LIVE }), "");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .group = STR("crm") }), "1 3 5");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .deliveries = true }), "1 2 3");
	assert_string_equal(listed_deliveries(suite, (struct job_filter){ .deliveries = true, .group = STR("crm"), .states = STATES_LIVE }), "1");
}

static void held_deliveries_say_so(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "webhooks");
	add_message(suite, 100, "fiche", "17");
	add_endpoint(suite, 4, "crm");
	struct named_row *row = add_endpoint(suite, 5, "dms");
	row->state = NAMED_DISABLED;
	row->health = STR("{\"unsent\":1,\"held_since_us\":1234}");
	row = add_endpoint(suite, 6, "dms");
	row->namespace_name = STR("other");
	row->state = NAMED_PAUSED;
	add_endpoint(suite, 7, "xms")->state = NAMED_PAUSED;
	const char *const endpoints[] = { "crm", "dms", "dms", "xms" };
	for (uint64_t uid = 1; uid <= 4; uid++)
		add_delivery(suite, uid == 3 ? TABLE_DONE : TABLE_LIVE, uid, 100, endpoints[uid - 1]);
	suite_commit(suite);
	suite_restart(suite);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_JOBS, .oldest_first = true }));
	const struct job_view *views = suite->answer.jobs;
	const enum named_state held[] = { NAMED_ENABLED, NAMED_DISABLED, NAMED_ENABLED, NAMED_PAUSED }; /* what has ended is not held */
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(views[i].held, held[i]);
	assert_int_equal(views[1].held_since_us, 1234);
	assert_int_equal(views[3].held_since_us, 0);
	assert_int_equal(suite_view(suite, 2)->held, NAMED_DISABLED);
}

/* ---- what an endpoint missed ---- */

/* Pages of two; the text is "100 102: missing 2 failed 1". */
static const char *replayed(struct suite *suite, struct replay replay, uint64_t as_of)
{
	static char text[256];
	uint64_t stands[STANDS_COUNT] = { 0 };
	size_t len = 0;
	struct query query = { .kind = QUERY_REPLAY, .id = STR("crm"), .replay = &replay, .as_of = as_of, .limit = 2 };
	text[0] = '\0';
	do {
		assert_ok(suite_ask(suite, &query));
		for (uint32_t i = 0; i < suite->answer.match_count; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu", len ? " " : "",
			                        (unsigned long long)suite->answer.matches[i].uid % 1000);
		for (int stand = 0; stand < STANDS_COUNT; stand++)
			stands[stand] += suite->answer.stands[stand];
		query.cursor_uid = suite->answer.next_uid;
		query.cursor_phase = suite->answer.next_phase;
	} while (query.cursor_phase < 2);
	len += (size_t)snprintf(text + len, sizeof(text) - len, ":");
	for (int stand = 0; stand < STANDS_COUNT; stand++)
		if (stands[stand])
			len += (size_t)snprintf(text + len, sizeof(text) - len, " %s %llu", replay_stand_words[stand], (unsigned long long)stands[stand]);
	query = (struct query){ .kind = QUERY_REPLAY, .id = STR("crm"), .replay = &replay, .as_of = as_of }; /* the same, counted */
	assert_ok(suite_ask(suite, &query));
	assert_int_equal(suite->answer.match_count, 0);
	assert_memory_equal(suite->answer.stands, stands, sizeof(stands));
	return text;
}

/* Of a message some of whose deliveries are gone nobody knows whether this endpoint's was one of them. */
static void what_retention_removed_is_not_missing(void **state)
{
	struct suite *suite = *state;
	uint64_t base = uid_floor(BASE_US) / 1000 * 1000 + 1000;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "webhooks");
	struct named_row *crm = add_endpoint(suite, 4, "crm");
	crm->text = STR("{\"url\":\"https://a/\",\"types\":[\"fiche.*\"]}");
	crm->created_us = BASE_US;
	crm->created_seq = 2;
	add_message(suite, base + 100, "fiche.made", "17")->deliveries = 3; /* before it was there */
	suite_commit(suite);
	suite_begin(suite);
	for (uint64_t n = 101; n < 107; n++)
		add_message(suite, base + n, "fiche.made", "17")->deliveries = n == 106 ? 0 : 2;
	const struct { uint64_t message; const char *endpoint; bool again; } made[] = {
		{ 101, "dms", false }, { 101, "erp", false },                          /* all are there: it had none */
		{ 102, "dms", false },                                                 /* one is gone */
		{ 103, "dms", false }, { 103, "erp", true }, { 103, "base", true },    /* who was sent it later says nothing of that time */
		{ 104, "dms", false }, { 104, "crm", true },                           /* it was sent it later */
		{ 106, "dms", true },                                                  /* nobody had one; of 105 all are gone */
	};
	for (uint64_t i = 0; i < ARRAY_COUNT(made); i++) {
		struct job_write *write = add_delivery(suite, TABLE_DONE, uid_floor(BASE_US + 5000) + i, base + made[i].message, made[i].endpoint);
		write->row.state = JOB_COMPLETED;
		if (made[i].again)
			((struct job_definition *)(uintptr_t)write->definition)->tags = STR(DELIVERY_AGAIN_TAGS);
	}
	suite_commit(suite);
	struct replay replay = { .since_us = 1, .only = REPLAY_MISSING };
	assert_string_equal(replayed(suite, replay, 0), "100 101 106: missing 3 delivered 1 unknown 3");
	replay.only = REPLAY_MISSING_OR_UNKNOWN;
	assert_string_equal(replayed(suite, replay, 0), "100 101 102 103 105 106: missing 3 delivered 1 unknown 3");
	replay.only = REPLAY_FAILED;
	assert_string_equal(replayed(suite, replay, 0), ": missing 3 delivered 1 unknown 3");
	struct replay_match match = { 0 };
	const struct message_row wide = { .deliveries = REPLAY_LOOKED_AT_MAX };
	assert_int_equal(replay_match_stand(&match, &wide, 0, JOB_WAITING, wide.deliveries), STANDS_MISSING);
	assert_true(replay_match_is_spent(&match)); /* counting them has cost as much */
}

static void what_an_endpoint_missed_is_found(void **state)
{
	struct suite *suite = *state;
	uint64_t base = uid_floor(BASE_US) / 1000 * 1000 + 1000; /* so that uids end in 100, 101, … */
	suite_begin(suite);
	suite_queue(suite, 1, "default", "webhooks");
	struct named_row *crm = add_endpoint(suite, 4, "crm");
	crm->text = STR("{\"url\":\"https://a/\",\"types\":[\"fiche.*\"],\"channels\":[\"paris\"],\"filter\":{\"a\":1}}");
	crm->created_us = BASE_US;
	crm->created_seq = 2;
	for (uint64_t n = 100; n < 112; n++)
		add_message(suite, base + n, "fiche.made", n % 2 ? "17" : "18");
	struct message_row *rows = suite->cs.messages.items;
	rows[1].type = STR("note");
	rows[2].channels = STR("[\"lyon\"]");
	rows[3].payload = STR("{\"a\":2}");
	rows[4].payload = STR("");
	rows[4].payload_body = 1;
	add_body(suite, 1, "{\"a\"", ":1}");
	rows[5].flags = MESSAGE_TEST;
	rows[6].flags = MESSAGE_EXPUNGED;
	rows[7].only = 9;
	rows[8].only = 4;
	rows[8].type = STR("note"); /* for it alone, whatever it wants */
	rows[9].namespace_name = STR("other");
	suite_commit(suite);
	suite_begin(suite);
	add_message(suite, base + 120, "fiche.gone", "17")->channels = STR("[\"lyon\",\"paris\"]");
	add_message(suite, base + 121, "fiche.gone", "17");
	suite_commit(suite);
	struct replay all = { .since_us = 1, .only = REPLAY_ALL }, replay = all;
	assert_string_equal(replayed(suite, all, 0), "100 104 108 110 111 120 121: missing 7");
	assert_string_equal(replayed(suite, all, 1), "100 104 108 110 111: missing 5"); /* those that a commit brought before */
	replay.types[replay.type_count++] = STR("fiche.g*");
	assert_string_equal(replayed(suite, replay, 0), "120 121: missing 2");
	replay = all;
	replay.entity = STR("17");
	assert_string_equal(replayed(suite, replay, 0), "111 120 121: missing 3");
	replay = all;
	replay.until_us = BASE_US;
	assert_string_equal(replayed(suite, replay, 0), ":");
	replay.since_us = BASE_US;
	replay.until_us = 0;
	replay.endpoint = 4;
	assert_string_equal(replayed(suite, replay, 0), "100 104 108 110 111 120 121: missing 7");
	suite_begin(suite); /* deliveries: of two the newest counts; of one before there was this endpoint only if it has not ended */
	static const struct { enum job_table table; uint64_t message; enum job_state state; } made[] = {
		{ TABLE_DONE, 100, JOB_COMPLETED }, { TABLE_LIVE, 104, JOB_WAITING }, { TABLE_DONE, 120, JOB_FAILED }, { TABLE_DONE, 121, JOB_FAILED },
		{ TABLE_DONE, 121, JOB_COMPLETED }, { TABLE_DONE, 110, JOB_EXPIRED }, { TABLE_DONE, 108, JOB_CANCELLED },
	};
	for (uint64_t i = 0; i < ARRAY_COUNT(made); i++) {
		bool early = made[i].message == 100 || made[i].message == 104;
		uint64_t uid = early ? 1 + i : uid_floor(BASE_US + 5000) + i;
		add_delivery(suite, made[i].table, uid, base + made[i].message, "crm")->row.state = made[i].state;
	}
	add_delivery(suite, TABLE_DONE, uid_floor(BASE_US + 5000) + 100, base + 111, "dms");
	suite_commit(suite);
	assert_string_equal(replayed(suite, all, 0), "100 108 110 111 120 121: missing 2 failed 2 delivered 1 cancelled 1 on_its_way 1");
	replay = all;
	replay.only = REPLAY_MISSING;
	assert_string_equal(replayed(suite, replay, 0), "100 111: missing 2 failed 2 delivered 1 cancelled 1 on_its_way 1");
	replay.only = REPLAY_FAILED;
	assert_string_equal(replayed(suite, replay, 0), "110 120: missing 2 failed 2 delivered 1 cancelled 1 on_its_way 1");
	replay.endpoint = 5;
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_REPLAY, .id = STR("crm"), .replay = &replay }), E_ENDPOINT_NOT_FOUND);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_REPLAY, .id = STR("nobody"), .replay = &all }), E_ENDPOINT_NOT_FOUND);
	suite_begin(suite);
	add_endpoint(suite, 4, "crm")->text = STR("{\"from\":\"the future\"}");
	suite_commit(suite);
	assert_err(suite_ask(suite, &(struct query){ .kind = QUERY_REPLAY, .id = STR("crm"), .replay = &all }), E_INVALID);
}

/* ---- entities ---- */

static const struct entity_row *ask_entity(struct suite *suite, uint32_t endpoint, const char *entity)
{
	CHECK(!suite_ask(suite, &(struct query){ .kind = QUERY_ENTITIES, .endpoint = endpoint, .id = str_of(entity) }));
	CHECK(suite->answer.entity_count <= 1);
	return suite->answer.entity_count ? suite->answer.entities : NULL;
}

static void entities_are_merged_paged_and_dropped(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	*change_add(&suite->cs, entities) = (struct entity_row){ 1, STR("b"), STR("ext"), 50, 10, ENTITY_DELIVERED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 1, STR("a"), STR(""), 51, 11, ENTITY_DELIVERED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 1, STR("c"), STR(""), 52, 12, ENTITY_DELIVERED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 2, STR("b"), STR(""), 53, 13, ENTITY_DELIVERED, false };
	suite_commit(suite);
	suite_begin(suite); /* the external id stays unless another was found; the message only grows */
	*change_add(&suite->cs, entities) = (struct entity_row){ 1, STR("b"), STR(""), 40, 20, ENTITY_RETRACTED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 1, STR("a"), STR("new"), 60, 21, ENTITY_DELIVERED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 1, STR("a"), STR(""), 59, 22, ENTITY_DELIVERED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 1, STR("c"), STR(""), 0, 0, ENTITY_DELIVERED, true };
	*change_add(&suite->cs, entities) = (struct entity_row){ 2, STR("b"), STR("lost"), 70, 23, ENTITY_DELIVERED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 2, STR("b"), STR(""), 0, 0, ENTITY_DELIVERED, true };
	*change_add(&suite->cs, entities) = (struct entity_row){ 2, STR("b"), STR(""), 7, 24, ENTITY_DELIVERED, false };
	suite_commit(suite);
	suite_restart(suite);
	const struct entity_row *row = ask_entity(suite, 1, "b");
	assert_text(row->external_id, "ext");
	assert_int_equal(row->message, 50);
	assert_int_equal(row->at_us, 20);
	assert_int_equal(row->state, ENTITY_RETRACTED);
	row = ask_entity(suite, 1, "a");
	assert_text(row->external_id, "new");
	assert_int_equal(row->message, 60);
	assert_int_equal(row->at_us, 22);
	assert_null(ask_entity(suite, 1, "c"));
	row = ask_entity(suite, 2, "b");
	assert_int_equal(row->external_id.len, 0);
	assert_int_equal(row->message, 7);
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_ENTITIES, .endpoint = 1, .limit = 1 }));
	assert_text(suite->answer.entities[0].entity, "a");
	assert_text(suite->answer.next_cursor, "a");
	assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_ENTITIES, .endpoint = 1, .limit = 1, .cursor = STR("a") }));
	assert_text(suite->answer.entities[0].entity, "b");
	assert_int_equal(suite->answer.next_cursor.len, 0);
}

static void entities_of_an_endpoint_go_in_slices(void **state)
{
	struct suite *suite = *state;
	static const char *const names[] = { "e", "b", "d", "a", "c" };
	suite_begin(suite);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		*change_add(&suite->cs, entities) = (struct entity_row){ 1, str_of(names[i]), STR(""), 50, 10, ENTITY_DELIVERED, false };
	*change_add(&suite->cs, entities) = (struct entity_row){ 2, STR("a"), STR(""), 50, 10, ENTITY_DELIVERED, false };
	suite_commit(suite);
	suite_begin(suite);
	struct entity_range *range = change_add(&suite->cs, entity_ranges);
	*range = (struct entity_range){ .endpoint = 1, .max = 3 };
	suite_commit(suite);
	assert_int_equal(range->removed, 3);
	assert_null(ask_entity(suite, 1, "c"));
	assert_non_null(ask_entity(suite, 1, "d"));
	suite_begin(suite);
	range = change_add(&suite->cs, entity_ranges);
	*range = (struct entity_range){ .endpoint = 1, .max = 3 };
	suite_commit(suite);
	assert_int_equal(range->removed, 2);
	assert_null(ask_entity(suite, 1, "e"));
	assert_non_null(ask_entity(suite, 2, "a"));
}

/* ---- what goes ---- */

static struct message_range range_messages(struct suite *suite, uint64_t after, uint64_t up_to, uint32_t max)
{
	suite_begin(suite);
	struct message_range *range = change_add(&suite->cs, message_ranges);
	*range = (struct message_range){ .after_uid = after, .up_to_uid = up_to, .max = max };
	suite_commit(suite);
	return *range;
}

static void messages_go_when_nothing_needs_them(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "webhooks");
	for (uint64_t uid = 100; uid < 108; uid++)
		add_message(suite, uid, "a", "");
	suite->cs.messages.items[1].next_endpoint = 3;   /* 101 is being expanded */
	suite->cs.messages.items[3].payload_body = 1;    /* 103 */
	add_body(suite, 1, "x", "y");
	add_delivery(suite, TABLE_LIVE, 1, 102, "crm");
	add_delivery(suite, TABLE_DONE, 2, 104, "crm");
	suite_commit(suite);
	struct message_range range = range_messages(suite, 0, 106, 3);
	assert_int_equal(range.removed, 1);
	assert_int_equal(range.next_uid, 102);
	assert_null(ask_message(suite, 100, false));
	assert_non_null(ask_message(suite, 101, false));
	range = range_messages(suite, 102, 106, 100);
	assert_int_equal(range.removed, 3); /* 103, 105, 106 */
	assert_int_equal(range.next_uid, 106);
	assert_null(ask_message(suite, 103, false));
	assert_non_null(ask_message(suite, 102, false));
	assert_non_null(ask_message(suite, 104, false));
	assert_non_null(ask_message(suite, 107, false));
	suite_begin(suite); /* its body went with it: a message that names it now finds nothing */
	add_message(suite, 200, "a", "")->payload_body = 1;
	suite_job(suite, TABLE_LIVE, TABLE_NONE, 1, 1);
	suite_commit(suite);
	assert_int_equal(ask_message(suite, 200, true)->payload.len, 0);
	range = range_messages(suite, 0, UINT64_MAX, 100); /* a job that went holds it no more */
	assert_int_equal(range.removed, 3); /* 102, 107, 200 */
	assert_int_equal(range.next_uid, UINT64_MAX);
	assert_non_null(ask_message(suite, 101, false));
	assert_non_null(ask_message(suite, 104, false));
}

static void content_goes_on_request(void **state)
{
	struct suite *suite = *state;
	suite_begin(suite);
	suite_queue(suite, 1, "default", "webhooks");
	add_body(suite, 1, "se", "cret");
	struct message_row *message = add_message(suite, 100, "a", "17");
	message->payload_body = 1;
	message->metadata = STR("{\"secret\":1}");
	add_message(suite, 101, "a", "");
	for (uint64_t uid = 1; uid <= 2; uid++) {
		struct job_write *write = add_delivery(suite, TABLE_DONE, uid, 99 + uid, "crm");
		struct job_result *result = suite_result(suite, write, "\"secret\"", "{\"message\":\"kept\"}");
		result->result_bytes = 8;
		*change_add(&suite->cs, attempts) = (struct attempt_row){ .uid = uid, .number = 1, .error = STR("{}"), .exchange = STR("{\"said\":1}") };
	}
	suite_commit(suite);
	suite_begin(suite);
	*change_add(&suite->cs, messages) = (struct message_row){ .uid = 100, .flags = MESSAGE_EXPUNGED, .next_endpoint = MESSAGE_EXPANDED,
		                                                  .deliveries = 1, .update = true };
	suite_commit(suite);
	suite_restart(suite);
	const struct message_row *row = ask_message(suite, 100, true);
	assert_int_equal(row->payload.len + row->metadata.len, 0);
	assert_int_equal(row->payload_body, 0);
	assert_int_equal(row->flags, MESSAGE_EXPUNGED);
	assert_text(row->entity, "17"); /* what it was about stays */
	assert_int_equal(suite_view(suite, 1)->result.result.len, 0);
	assert_text(suite_view(suite, 1)->result.error, "{\"message\":\"kept\"}");
	assert_int_equal(suite_view(suite, 1)->result.result_bytes, 0);
	assert_text(suite_view(suite, 2)->result.result, "\"secret\"");
	for (uint64_t uid = 1; uid <= 2; uid++) {
		assert_ok(suite_ask(suite, &(struct query){ .kind = QUERY_ATTEMPTS, .uids = &uid, .uid_count = 1 }));
		assert_int_equal(suite->answer.attempt_count, 1);
		assert_text(suite->answer.attempts[0].exchange, uid == 1 ? "" : "{\"said\":1}");
	}
	suite_begin(suite);
	add_message(suite, 200, "a", "")->payload_body = 1;
	suite_commit(suite);
	assert_int_equal(ask_message(suite, 200, true)->payload.len, 0); /* the body is gone, too */
}

int conformance_webhooks(struct factory *factory)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(named_things_are_put_replaced_and_dropped),
		TEST(named_things_are_scanned_by_number),
		TEST(messages_are_kept_and_their_cursor_moves),
		TEST(keys_of_messages_are_one_of_a_kind),
		TEST(messages_are_listed_newest_first),
		TEST(large_messages_are_read_whole),
		TEST(an_endpoint_asks_in_the_order_of_commits),
		TEST(a_page_for_an_endpoint_is_whole_and_bounded),
		TEST(a_delivery_is_read_with_its_message_and_entity),
		TEST(deliveries_are_listed_by_what_they_are),
		TEST(held_deliveries_say_so),
		TEST(what_retention_removed_is_not_missing),
		TEST(what_an_endpoint_missed_is_found),
		TEST(entities_are_merged_paged_and_dropped),
		TEST(entities_of_an_endpoint_go_in_slices),
		TEST(messages_go_when_nothing_needs_them),
		TEST(content_goes_on_request),
	};
	the_factory = factory;
	return cmocka_run_group_tests_name(factory->name, tests, NULL, NULL);
}
