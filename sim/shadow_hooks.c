/* sim/shadow_hooks.c: what must be true of messages and their deliveries, by rows alone: at most one delivery for each endpoint; as many as the
 * message's row says; and once it is expanded, one for every endpoint that wanted it and has been the same ever since, or that counted it as unsent;
 * none for those that did not want it. Beside these, deliveries that were asked for, none of which begins while another one of its message to its
 * endpoint has not ended; and at rest nothing is missing that was unsent. */
#include "sim/shadow.h"
#include "base/check.h"
#include "base/uid.h"
#include "store/mem/disk.h"
#include <stdlib.h>

static uint32_t hooks_place(struct str name) /* "h3" */
{
	CHECK(name.len == 2 && name.ptr[0] == 'h' && name.ptr[1] >= '0' && name.ptr[1] < '0' + SIM_ENDPOINTS);
	return (uint32_t)(name.ptr[1] - '0');
}

static uint64_t hooks_number(struct str health, struct str key) /* as the row says; not there: 0 */
{
	const char *at = health.len ? memmem(health.ptr, health.len, key.ptr, key.len) : NULL;
	return at ? strtoull(at + key.len, NULL, 10) : 0;
}

static uint64_t hooks_unsent(struct str health)
{
	return hooks_number(health, STR("\"unsent\":"));
}

static uint64_t hooks_unsent_uid(struct str health) /* 0: none */
{
	static const struct str key = { "\"unsent_uid\":\"", 14 };
	const char *at = health.len ? memmem(health.ptr, health.len, key.ptr, key.len) : NULL;
	uint64_t uid = 0;
	CHECK(!at || !uid_parse((struct str){ at + key.len, UID_TEXT_BYTES - 1 }, &uid));
	return uid;
}

/* The rows are not written for each of them, but lag behind by less than a sixteenth. */
static uint64_t hooks_unsent_about(uint64_t unsent)
{
	uint64_t unit = 1;
	while (unsent / unit >= 32)
		unit *= 2;
	return unsent / unit * unit;
}

static const char *const hook_types[HOOK_TYPES] = { "a", "b", "endpoint.failing", "endpoint.disabled", "endpoint.recovered", "delivery.exhausted" };

/* What a message is to tell of, by rows alone: each is written when there is something to tell. */
static void hooks_change(struct shadow *shadow, struct shadow_endpoint *endpoint, const struct named_row *row)
{
	uint64_t warned = hooks_number(row->health, STR("\"warned\":")), told = hooks_number(row->health, STR("\"told\":"));
	bool same = endpoint->live && endpoint->number == row->number && !row->gone, by_hand = str_eq(row->reason, STR("by_hand"));
	bool disabled = row->state == NAMED_DISABLED && !by_hand;
	CHECK(!disabled || str_eq(row->reason, STR("gone")) || str_eq(row->reason, STR("failing")));
	shadow->changes[HOOK_FAILING] += same && warned > endpoint->warned && !disabled;
	shadow->changes[HOOK_DISABLED] += same && disabled && (endpoint->state != NAMED_DISABLED || endpoint->by_hand);
	shadow->changes[HOOK_RECOVERED] += same && !told && endpoint->told;
	shadow->disabled += same && disabled && endpoint->state != NAMED_DISABLED;
	CHECK(told || row->gone || (!warned && !disabled));                     /* until it is well */
	CHECK(!same || told || !endpoint->told || row->state == NAMED_ENABLED);
	endpoint->warned = warned;
	endpoint->told = told;
	endpoint->state = row->state;
	endpoint->by_hand = by_hand;
}

static void hooks_endpoint(struct shadow *shadow, const struct named_row *row)
{
	struct shadow_endpoint *endpoint = &shadow->endpoints[hooks_place(row->name)];
	struct endpoint_settings settings;
	struct arena arena = { 0 };
	struct problem problem = { 0 };
	struct json json;
	uint64_t unsent = hooks_unsent(row->health);
	bool same = endpoint->live && endpoint->number == row->number && endpoint->text == str_hash(row->text, 1);
	CHECK(!endpoint->live || endpoint->number <= row->number);              /* numbers are never used twice */
	if (!same || row->gone)
		endpoint->changed_seq = shadow->seq;
	if (endpoint->number != row->number) {
		memset(endpoint->done, 0, sizeof(endpoint->done));
		memset(endpoint->failed, 0, sizeof(endpoint->failed));
	}
	if (same && (unsent || endpoint->unsent))
		endpoint->unsent_seq = shadow->seq; /* until then */
	if (unsent)
		endpoint->unsent_uid = hooks_unsent_uid(row->health);
	CHECK(!unsent == !hooks_unsent_uid(row->health));
	endpoint_settings_default(&settings);
	json_init(&json, row->text, &arena, &problem);
	CHECK(endpoint_settings_read(&json, &settings));
	endpoint->tried |= row->gone || settings.kind != ENDPOINT_PUSH || (endpoint->number && endpoint->number != row->number);
	endpoint->live = !row->gone;
	endpoint->number = row->number;
	endpoint->created_seq = row->created_seq;
	endpoint->text = str_hash(row->text, 1);
	endpoint->unsent = unsent;
	hooks_change(shadow, endpoint, row);
	endpoint->opens = hooks_number(row->health, STR("\"opens\":"));
	shadow->opened += endpoint->opens > endpoint->opens_before;
	endpoint->row_asked_us = (int64_t)hooks_number(row->health, STR("\"asked_until_us\":"));
	endpoint->written_seq = shadow->seq;
	if (row->version == shadow->seq)
		endpoint->touched_seq = shadow->seq;
	endpoint->push = settings.kind == ENDPOINT_PUSH;
	endpoint->wants = 0;
	for (uint32_t type = 0; type < HOOK_TYPES; type++)
		endpoint->wants |= (uint32_t)endpoint_wants_type(&settings, str_of(hook_types[type])) << type;
	uint32_t names = row->gone ? 0 : types_named(&settings);
	for (uint32_t bit = 0; bit < SIM_TYPES; bit++)
		if (names & 1u << bit && !(endpoint->names & 1u << bit))
			endpoint->names_since[bit] = shadow->seq;
	endpoint->names = names;
	endpoint->least = settings.filter.len ? 5 : 0;
	endpoint->may_miss = settings.hold_max != 0;
	endpoint->order = settings.order;
	endpoint->holds = settings.order == ENDPOINT_ORDER_FIFO && settings.fifo_holds;
	arena_fini(&arena);
}

static struct shadow_message *hooks_message(struct shadow *shadow, uint64_t uid)
{
	for (uint32_t i = shadow->message_count; i > 0; i--)
		if (shadow->messages[i - 1].uid == uid)
			return &shadow->messages[i - 1];
	return NULL;
}

static uint32_t hooks_type(struct str text)
{
	uint32_t type = 0;
	while (type < HOOK_TYPES && !str_eq(text, str_of(hook_types[type])))
		type++;
	CHECK(type < HOOK_TYPES);
	return type;
}

static void hooks_read_message(struct shadow_message *message, const struct message_row *row)
{
	message->n = (uint32_t)strtoul(row->payload.ptr + 5, NULL, 10);
	message->entity = row->entity.len ? 1 + (uint32_t)(row->entity.ptr[1] - '0') : 0;
}

static void hooks_row(struct shadow *shadow, const struct message_row *row)
{
	struct shadow_message *message = hooks_message(shadow, row->uid);
	CHECK((message != NULL) == row->update);
	if (!message) {
		CHECK(shadow->message_count < SHADOW_MESSAGES);
		message = &shadow->messages[shadow->message_count++];
		*message = (struct shadow_message){ .uid = row->uid, .seq = shadow->seq, .type = hooks_type(row->type) };
		if (row->flags & MESSAGE_META)
			shadow->metas[message->type]++;
		else
			hooks_read_message(message, row);
		CHECK((message->type >= HOOK_FAILING) == !!(row->flags & MESSAGE_META));
		CHECK(row->seq == shadow->seq);
	}
	CHECK(!message->expanded);
	CHECK(row->next_endpoint >= message->next_endpoint);
	message->next_endpoint = row->next_endpoint;
	message->said = row->deliveries;
	message->expanded = row->next_endpoint == MESSAGE_EXPANDED;
	message->changed_seq = shadow->seq;
}

/* As of the change-set that is being read. */
static bool hooks_has_ended(struct shadow *shadow, const struct changeset *cs, uint64_t uid)
{
	const struct job_write *write = NULL;
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].row.uid == uid)
			write = &cs->jobs.items[i];
	const struct shadow_job *job = shadow_find(shadow, uid);
	if (write)
		return write->after == TABLE_NONE || job_state_is_final(write->row.state);
	return !job || job->deleted || !job->exists || job_state_is_final(job->row.state);
}

static void hooks_delivery(struct shadow *shadow, const struct changeset *cs, uint64_t uid, const struct job_definition *definition)
{
	struct shadow_message *message = hooks_message(shadow, definition->message);
	uint32_t place = hooks_place(definition->group);
	CHECK(message);
	bool expanded = message->changed_seq == shadow->seq && shadow->endpoints[place].created_seq <= message->seq; /* with its cursor, in one change-set */
	CHECK(!message->jobs[place] || hooks_has_ended(shadow, cs, message->jobs[place]));
	message->jobs[place] = uid;
	if (message->type >= HOOK_FAILING)
		shadow->meta_jobs[shadow->meta_count++ % SHADOW_METAS] = uid;
	if (!expanded) {
		message->again |= 1u << place;
		shadow->resent++;
		return;
	}
	CHECK(!(message->made & 1u << place));                                  /* once */
	message->made |= 1u << place;
	message->count++;
	shadow->about += message->type >= HOOK_FAILING;
	shadow_open(shadow, uid)->n = message->n;
	shadow->hooked++;
	shadow->sliced += message->seq != shadow->seq;
}

static bool hooks_wants(const struct shadow_endpoint *endpoint, const struct shadow_message *message)
{
	return endpoint->push && endpoint->wants & 1u << message->type && message->n >= endpoint->least;
}

static void hooks_judge(const struct shadow *shadow, const struct shadow_message *message)
{
	CHECK(message->count == message->said);
	for (uint32_t i = 0; i < SIM_ENDPOINTS && message->expanded; i++) {
		const struct shadow_endpoint *endpoint = &shadow->endpoints[i];
		bool wants = hooks_wants(endpoint, message);
		if (!endpoint->live || endpoint->changed_seq >= message->seq)
			continue; /* it is another one since then, or came in between */
		bool counted = endpoint->unsent || endpoint->unsent_seq >= message->seq;
		bool missed = endpoint->may_miss && counted && endpoint->unsent_uid <= message->uid; /* what is made up for begins with it, or before */
		CHECK(wants || !(message->made & 1u << i));
		CHECK(!wants || missed || message->made & 1u << i);
	}
}

void hooks_read(struct shadow *shadow, const struct changeset *cs)
{
	for (uint32_t i = 0; i < SIM_ENDPOINTS; i++)
		shadow->endpoints[i].opens_before = shadow->endpoints[i].opens;
	memset(shadow->changes, 0, sizeof(shadow->changes));
	memset(shadow->metas, 0, sizeof(shadow->metas));
	for (uint32_t i = 0; i < cs->nameds.count; i++)
		if (cs->nameds.items[i].kind == NAMED_EVENT_TYPE)
			types_read(shadow, &cs->nameds.items[i]);
		else
			hooks_endpoint(shadow, &cs->nameds.items[i]);
	types_judge(shadow, cs);
	for (uint32_t i = 0; i < cs->messages.count; i++)
		hooks_row(shadow, &cs->messages.items[i]);
	for (uint32_t i = 0; i < cs->jobs.count; i++)
		if (cs->jobs.items[i].before == TABLE_NONE && cs->jobs.items[i].definition && cs->jobs.items[i].definition->message)
			hooks_delivery(shadow, cs, cs->jobs.items[i].row.uid, cs->jobs.items[i].definition);
	for (uint32_t i = 0; i < cs->messages.count; i++)
		hooks_judge(shadow, hooks_message(shadow, cs->messages.items[i].uid));
}

bool hooks_is_meta(const struct shadow *shadow, uint64_t uid)
{
	uint32_t count = shadow->meta_count < SHADOW_METAS ? shadow->meta_count : SHADOW_METAS;
	for (uint32_t i = 0; i < count; i++)
		if (shadow->meta_jobs[i] == uid)
			return true;
	return false;
}

static bool hooks_is_of(const struct shadow *shadow, const struct shadow_job *job, uint32_t place)
{
	const struct shadow_endpoint *endpoint = &shadow->endpoints[place];
	return endpoint->live && endpoint->push && job->group[0] == 'h' && job->group[1] == (char)('0' + place) && !job->group[2];
}

bool hooks_owns(const struct shadow *shadow, const struct shadow_job *job)
{
	for (uint32_t i = 0; i < SIM_ENDPOINTS; i++)
		if (hooks_is_of(shadow, job, i))
			return true;
	return false;
}

/* Those of whom nothing can be known have half of all calls. */
static void hooks_doubt(struct shadow *shadow)
{
	uint32_t calls = 0;
	for (uint32_t n = 0; n < shadow->queue_count; n++) {
		const struct shadow_queue *queue = &shadow->queues[n];
		for (uint32_t i = 0; i < SIM_ENDPOINTS && str_eq(str_of(queue->name), STR("webhooks")) && !queue->dropped; i++) {
			const char key[] = { 'h', (char)('0' + i), '\0' };
			const struct shadow_group *group = shadow_group(shadow, queue->number, str_of(key));
			calls += shadow->endpoints[i].live && !shadow->endpoints[i].tried && !group->ended ? group->active : 0;
		}
	}
	CHECK(calls <= SIM_DELIVERIES / 2);
}

/* Whatever its breaker does, and however well it answers: nothing is started before what others asked for is over. What raises the penalty while
 * nothing is said of the breaker was asked for; what was asked for while it was not closed stands in the row. */
static void hooks_asked(struct shadow *shadow, struct shadow_endpoint *endpoint, const struct shadow_group *group)
{
	bool by_hand = endpoint->touched_seq == shadow->seq || endpoint->changed_seq == shadow->seq, written = endpoint->written_seq == shadow->seq;
	if (by_hand)
		endpoint->asked_us = 0;
	else if (written && endpoint->opens && endpoint->row_asked_us > endpoint->asked_us)
		endpoint->asked_us = endpoint->row_asked_us;
	else if (!written && group->blocked_us > endpoint->held_us)
		endpoint->asked_us = group->blocked_us;
	CHECK(endpoint->asked_us <= shadow->engine_us || group->blocked_us >= endpoint->asked_us);
	shadow->outlived += !by_hand && endpoint->opens_before && !endpoint->opens && endpoint->asked_us > shadow->engine_us;
	endpoint->held_us = group->blocked_us;
}

/* Each change is told at most once: never by the deliveries of such messages, nor while the disk is full. Who is held is so from the change-set on that
 * says why. While a breaker is not closed one call is under way at most, beside those that were before. */
void hooks_health(struct shadow *shadow)
{
	for (uint32_t type = HOOK_FAILING; type <= HOOK_RECOVERED; type++)
		CHECK(shadow->metas[type] <= shadow->changes[type]);
	hooks_doubt(shadow);
	for (uint32_t i = 0; i < SIM_ENDPOINTS; i++) {
		struct shadow_endpoint *endpoint = &shadow->endpoints[i];
		const char key[] = { 'h', (char)('0' + i), '\0' };
		for (uint32_t n = 0; n < shadow->queue_count && endpoint->live && endpoint->push; n++) {
			if (!str_eq(str_of(shadow->queues[n].name), STR("webhooks")) || shadow->queues[n].dropped)
				continue;
			const struct shadow_group *group = shadow_group(shadow, shadow->queues[n].number, str_of(key));
			CHECK(group->paused == (endpoint->state != NAMED_ENABLED));
			hooks_asked(shadow, endpoint, group);
		}
	}
	for (uint32_t n = 0; n < shadow->start_count; n++) {
		const struct shadow_job *job = shadow->starts[n].job;
		if (strcmp(shadow_queue(shadow, job->row.queue)->name, "webhooks") != 0)
			continue; /* it was moved: its group there is no endpoint's */
		for (uint32_t i = 0; i < SIM_ENDPOINTS; i++) {
			const struct shadow_endpoint *endpoint = &shadow->endpoints[i];
			if (!hooks_is_of(shadow, job, i) || !endpoint->opens || !endpoint->opens_before || endpoint->touched_seq == shadow->seq)
				continue;
			CHECK(shadow_group(shadow, job->row.queue, str_of(job->group))->active <= 1);
			shadow->probed++;
		}
	}
}

/* None is left on its way, and what was held back while an endpoint was not sent to has been made up for. */
void hooks_at_rest(const struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->message_count; i++)
		CHECK(shadow->messages[i].expanded);
	for (uint32_t place = 0; place < SIM_ENDPOINTS; place++) {
		const struct shadow_endpoint *endpoint = &shadow->endpoints[place];
		CHECK(!endpoint->live || !endpoint->unsent);
		for (uint32_t i = 0; i < shadow->message_count && endpoint->live; i++) {
			const struct shadow_message *message = &shadow->messages[i];
			bool overtaken = message->entity && endpoint->order == ENDPOINT_ORDER_LATEST; /* a newer one may have gone instead */
			if (message->seq > endpoint->changed_seq && hooks_wants(endpoint, message) && !overtaken)
				CHECK((message->made | message->again) & 1u << place);
		}
	}
}

/* As engine_dump does. */
void hooks_dump(struct mem_disk *disk, uint32_t numbers, struct buf *out)
{
	for (uint32_t number = 1; number <= numbers; number++)
		for (uint32_t i = 0; i < disk->tables[MEM_NAMEDS].count; i++) {
			const struct named_row *row = disk_row(disk, MEM_NAMEDS, i);
			if (row->number == number)
				buf_addf(out, "named %u " STR_FMT "/" STR_FMT " kind=%u state=%u " STR_FMT " unsent=%llu from=%llu opens=%llu "
				         "warned=%llu told=%llu batch_max=%llu asked=%llu " STR_FMT "\n",
				         number, STR_ARG(row->namespace_name), STR_ARG(row->name), row->kind, row->state, STR_ARG(row->reason),
				         (unsigned long long)hooks_unsent_about(hooks_unsent(row->health)), (unsigned long long)hooks_unsent_uid(row->health),
				         (unsigned long long)hooks_number(row->health, STR("\"opens\":")),
				         (unsigned long long)hooks_number(row->health, STR("\"warned\":")),
				         (unsigned long long)hooks_number(row->health, STR("\"told\":")),
				         (unsigned long long)hooks_number(row->health, STR("\"batch_max\":")),
				         (unsigned long long)hooks_number(row->health, STR("\"asked_until_us\":")), STR_ARG(row->text));
		}
	uint64_t sum = 0, count = 0;
	for (uint32_t i = 0; i < disk->tables[MEM_MESSAGES].count; i++) {
		const struct message_row *row = disk_row(disk, MEM_MESSAGES, i);
		if (row->next_endpoint == MESSAGE_EXPANDED)
			continue;
		sum += map_mix(row->uid + map_mix(row->next_endpoint)) + row->deliveries;
		count++;
	}
	buf_addf(out, "expansions %llu %llx\n", (unsigned long long)count, (unsigned long long)sum);
}
