#include "api/filter.h"
#include "api/call.h"
#include "api/name.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/uid.h"

#define FILTER_STATES_BYTES 256

const char *const job_outcome_words[] = {
#define X(name, text) text,
	JOB_OUTCOMES(X)
#undef X
	NULL
};

static bool filter_read_state(struct json *json, struct str word, uint32_t *states)
{
	enum job_state state;
	struct suggest suggest;
	if (!job_state_parse(word, &state)) {
		*states |= 1u << state;
		return true;
	}
	suggest_init(&suggest, word);
	for (int i = 0; job_state_words[i]; i++)
		suggest_offer(&suggest, job_state_words[i]);
	const char *best = suggest_best(&suggest);
	return json_refuse(json, E_INVALID, "\"" STR_FMT "\" is no state; %s %s%c", STR_ARG(str_cut(word, 40)),
			   best ? "did you mean" : "the first is", best ? best : job_state_words[0], best ? '?' : '.');
}

static bool filter_read_states(struct json *json, void *out, void *context)
{
	struct str word;
	uint32_t index;
	(void)context;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index))
		if (!json_read_str(json, FILTER_STATES_BYTES, &word) || !filter_read_state(json, word, out))
			return false;
	return !json->failed;
}

static bool filter_read_outcome(struct json *json, struct str word, uint32_t *outcomes)
{
	for (uint32_t i = 0; outcome_words[i]; i++) {
		if (str_eq(word, str_of(outcome_words[i]))) {
			*outcomes |= 2u << i;
			return true;
		}
	}
	return json_refuse(json, E_INVALID, "\"" STR_FMT "\" is no outcome: success, filtered, attempts_spent, final_error and so on are.",
	                   STR_ARG(str_cut(word, 40)));
}

/* "a, b": each word by `read`. */
static bool filter_read_words(struct json *json, uint32_t *out, bool (*read)(struct json *json, struct str word, uint32_t *out))
{
	struct str text;
	if (!json_read_str(json, FILTER_STATES_BYTES, &text))
		return false;
	do {
		size_t comma = str_index(text, ',');
		if (!read(json, str_trim((struct str){ text.ptr, comma }), out))
			return false;
		text = str_from(text, comma + 1);
	} while (text.len);
	return true;
}

static bool filter_read_state_list(struct json *json, void *out, void *context)
{
	(void)context;
	return filter_read_words(json, out, filter_read_state);
}

static bool filter_read_outcomes(struct json *json, void *out, void *context)
{
	(void)context;
	return filter_read_words(json, out, filter_read_outcome);
}

/* ---- ids of messages ---- */

bool message_id_parse(struct str text, uint64_t *out)
{
	if (str_starts(text, STR("msg_")))
		text = str_from(text, 4);
	return !uid_parse(text, out);
}

void put_message_id(struct buf *out, const char *key, uint64_t uid)
{
	char text[4 + UID_TEXT_BYTES] = "msg_";
	uid_text(uid, text + 4);
	json_put_field_str(out, key, str_of(text));
}

static bool filter_read_message(struct json *json, void *out, void *context)
{
	struct str text;
	(void)context;
	if (!json_read_str(json, 64, &text))
		return false;
	return message_id_parse(text, out) || json_refuse(json, E_INVALID, MESSAGE_ID_REFUSAL, STR_ARG(str_cut(text, 40)));
}

#define AT(member) offsetof(struct job_filter, member)
const struct json_field filter_fields[] = {
	{ "namespace", JSON_F_STR, AT(namespace_name), 1, LIMIT_NAME_BYTES, .doc = "Of this namespace (default)." },
	{ "queue", JSON_F_STR, AT(queue), 1, LIMIT_NAME_BYTES, .doc = "Only jobs of this queue." },
	{ "states", JSON_F_CUSTOM, AT(states), .read = filter_read_states, .doc = "Only jobs in these states." },
	{ "state", JSON_F_CUSTOM, AT(states), .read = filter_read_state_list, .doc = "The same as text, separated by commas." },
	{ "name", JSON_F_STR, AT(name), 1, LIMIT_NAME_BYTES, .doc = "Only jobs of this name." },
	{ "id", JSON_F_STR, AT(id), 1, LIMIT_ID_BYTES + 1, .doc = "The caller's id, or its beginning followed by *. Needs queue." },
	{ "group", JSON_F_STR, AT(group), 1, LIMIT_ID_BYTES, .doc = "Only jobs of this group." },
	{ "tag", JSON_F_STR, AT(tag), 1, LIMIT_TAG_BYTES, .doc = "Only jobs with this tag." },
	{ "error", JSON_F_STR, AT(error), 1, LIMIT_ID_BYTES, .doc = "Only jobs whose error holds this text." },
	{ "created_after", JSON_F_INSTANT, AT(created_after_us), .doc = "Enqueued at this instant or later." },
	{ "created_before", JSON_F_INSTANT, AT(created_before_us), .doc = "Enqueued before this instant." },
	{ "finished_after", JSON_F_INSTANT, AT(finished_after_us), .doc = "Ended at this instant or later." },
	{ "finished_before", JSON_F_INSTANT, AT(finished_before_us), .doc = "Ended before this instant." },
	{ "outcome", JSON_F_CUSTOM, AT(outcomes), .read = filter_read_outcomes, .doc = "Only jobs that ended so: as text, separated by commas." },
	{ "message", JSON_F_CUSTOM, AT(message), .read = filter_read_message, .doc = "Only deliveries of this message: its id, or its uid." },
	{ "entity", JSON_F_STR, AT(entity), 1, LIMIT_ID_BYTES, .doc = "Only deliveries of messages about this entity." },
	{ "endpoint", JSON_F_STR, AT(endpoint), 1, LIMIT_NAME_BYTES, .doc = "Only deliveries to this endpoint." },
};
const size_t filter_field_count = ARRAY_COUNT(filter_fields);
#undef AT

const char *filter_field_type(const struct json_field *field)
{
	if (field->read == filter_read_states)
		return "State[]";
	bool text = field->read == filter_read_state_list || field->read == filter_read_outcomes || field->read == filter_read_message;
	return text ? "string" : NULL;
}

const char *filter_refusal(const struct job_filter *filter)
{
	return filter->id.len && !filter->queue.len ? "An id needs a queue beside it: ids are unique within a queue only." : NULL;
}

bool filter_is_empty(const struct job_filter *filter)
{
	const struct str texts[] = { filter->namespace_name, filter->queue, filter->name, filter->id, filter->group, filter->tag, filter->error,
		                     filter->entity, filter->endpoint };
	size_t bytes = 0;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		bytes += texts[i].len;
	return !bytes && !filter->states && !filter->outcomes && !filter->message && !filter->created_after_us && !filter->created_before_us &&
	       !filter->finished_after_us && !filter->finished_before_us;
}

bool filter_read(struct json *json, struct job_filter *out)
{
	if (!json_read_fields(json, filter_fields, filter_field_count, out, NULL, NULL))
		return false;
	const char *why = filter_refusal(out);
	return why ? json_refuse_field(json, E_INVALID, "id", "%s", why) : true;
}

static void filter_put(struct buf *out, const char *key, struct str text)
{
	if (text.len)
		json_put_field_str(out, key, text);
}

static void filter_put_outcomes(struct buf *out, uint32_t outcomes)
{
	struct buf words;
	if (!outcomes)
		return;
	buf_init(&words, FILTER_STATES_BYTES);
	for (uint32_t i = 0; outcome_words[i]; i++)
		if (outcomes & 2u << i)
			buf_addf(&words, "%s%s", words.len ? "," : "", outcome_words[i]);
	json_put_field_str(out, "outcome", buf_str(&words));
	out->failed |= !buf_ok(&words);
	buf_fini(&words);
}

static void filter_put_instant(struct buf *out, const char *key, int64_t at_us)
{
	if (at_us)
		json_put_field_instant(out, key, at_us);
}

void filter_write(const struct job_filter *filter, struct buf *out)
{
	buf_add_byte(out, '{');
	filter_put(out, "namespace", namespace_of(filter->namespace_name));
	filter_put(out, "queue", filter->queue);
	if (filter->states) {
		json_put_key(out, "states");
		buf_add_byte(out, '[');
		for (int state = 0; state < JOB_STATE_COUNT; state++) {
			if (!(filter->states & 1u << state))
				continue;
			json_put_comma(out);
			json_put_str(out, str_of(job_state_words[state]));
		}
		buf_add_byte(out, ']');
	}
	filter_put(out, "name", filter->name);
	filter_put(out, "id", filter->id);
	filter_put(out, "group", filter->group);
	filter_put(out, "tag", filter->tag);
	filter_put(out, "error", filter->error);
	filter_put_instant(out, "created_after", filter->created_after_us);
	filter_put_instant(out, "created_before", filter->created_before_us);
	filter_put_instant(out, "finished_after", filter->finished_after_us);
	filter_put_instant(out, "finished_before", filter->finished_before_us);
	filter_put_outcomes(out, filter->outcomes);
	if (filter->message)
		put_message_id(out, "message", filter->message);
	filter_put(out, "entity", filter->entity);
	filter_put(out, "endpoint", filter->endpoint);
	buf_add_byte(out, '}');
}

bool filter_from_delivery_params(struct call *call, struct job_filter *out)
{
	struct str message = call_param(call, "message")->text;
	out->outcomes = (uint32_t)call_param(call, "outcome")->number << 1;
	out->entity = call_param(call, "entity")->text;
	out->endpoint = call_param(call, "endpoint")->text;
	if (!message.len || message_id_parse(message, &out->message))
		return true;
	problem_set(&call->problem, E_INVALID, "message", MESSAGE_ID_REFUSAL, STR_ARG(str_cut(message, 40)));
	return false;
}

bool filter_from_params(struct call *call, struct job_filter *out)
{
	*out = (struct job_filter){
		.namespace_name = call_param(call, "namespace")->text,
		.queue = call_param(call, "queue")->text,
		.states = (uint32_t)call_param(call, "state")->number,
		.name = call_param(call, "name")->text,
		.id = call_param(call, "id")->text,
		.group = call_param(call, "group")->text,
		.tag = call_param(call, "tag")->text,
		.error = call_param(call, "error")->text,
		.created_after_us = call_param(call, "created_after")->number,
		.created_before_us = call_param(call, "created_before")->number,
		.finished_after_us = call_param(call, "finished_after")->number,
		.finished_before_us = call_param(call, "finished_before")->number,
	};
	if (!filter_from_delivery_params(call, out))
		return false;
	const char *why = filter_refusal(out);
	if (why)
		problem_set(&call->problem, E_INVALID, "id", "%s", why);
	return !why;
}
