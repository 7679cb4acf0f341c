/* src/api/read_many.c: POST /v1/queues/{queue}/jobs/read: many jobs of a queue in one answer, in the order asked. */
#include "api/body.h"
#include "api/routes.h"
#include "api/view.h"
#include "base/limits.h"

static bool read_uids(struct json *json, void *out, void *context)
{
	struct query *query = out;
	struct str text;
	uint32_t index;
	(void)context;
	uint64_t *uids = ARENA_ARRAY(json->arena, uint64_t, LIMIT_PAGE);
	if (!uids)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == LIMIT_PAGE)
			return json_refuse(json, E_TOO_LARGE, "At most %d jobs are read at once.", LIMIT_PAGE);
		if (!json_read_str(json, 64, &text))
			return false;
		if (uid_parse(text, &uids[index]))
			return json_refuse(json, E_INVALID, "\"" STR_FMT "\" is no uid: 13 letters and digits such as 0r4k2m7x9q3zt.", STR_ARG(text));
		query->uid_count = index + 1;
	}
	query->uids = uids;
	return !json->failed;
}

static bool read_ids(struct json *json, void *out, void *context)
{
	struct query *query = out;
	uint32_t index;
	(void)context;
	struct str *ids = ARENA_ARRAY(json->arena, struct str, LIMIT_PAGE);
	if (!ids)
		return json_refuse(json, E_NOMEM, "There was no memory for it.");
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (index == LIMIT_PAGE)
			return json_refuse(json, E_TOO_LARGE, "At most %d jobs are read at once.", LIMIT_PAGE);
		if (!json_read_str(json, LIMIT_ID_BYTES, &ids[index]))
			return false;
		query->id_count = index + 1;
	}
	query->ids = ids;
	return !json->failed;
}

static bool read_parts(struct json *json, void *out, void *context)
{
	struct str word;
	uint32_t index, bits = 0;
	(void)context;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		int part = 0;
		if (!json_read_str(json, 64, &word))
			return false;
		while (part_words[part] && !str_eq(word, str_of(part_words[part])))
			part++;
		if (!part_words[part])
			return json_refuse(json, E_INVALID, "Expected payload, result, progress, errors or parents.");
		bits |= 1u << part;
	}
	query_set_parts(out, bits);
	return !json->failed;
}

static const struct json_field read_fields[] = {
	{ "ids", JSON_F_CUSTOM, 0, .read = read_ids },
	{ "uids", JSON_F_CUSTOM, 0, .read = read_uids },
	{ "parts", JSON_F_CUSTOM, 0, .read = read_parts },
};

bool read_many_decode(struct call *call)
{
	struct query *query = &call->question.query;
	struct queue_name queue = body_queue(call);
	struct json json;
	query->kind = QUERY_READ;
	query->namespace_name = queue.namespace_name;
	query->queue = queue.name;
	body_json(call, &json);
	if (!json_read_fields(&json, read_fields, ARRAY_COUNT(read_fields), query, NULL, NULL) || !json_finish(&json))
		return false;
	if (!query->uids == !query->ids)
		return json_refuse_field(&json, E_INVALID, "ids", query->ids ? "Say either ids or uids, not both." : "Say which jobs: ids, or uids.");
	return true;
}

void read_many_begin(struct call *call)
{
	const struct query *query = &call->question.query;
	if (!access_list(call, (struct queue_name){ query->namespace_name, query->queue }))
		call_refuse(call, call->problem.err);
	else
		jobs_ask_behind(call);
}

void read_many_encode(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"jobs\":[");
	for (uint32_t i = 0; i < answer->job_count; i++) {
		json_put_comma(out);
		if (answer->jobs[i].row.uid)
			job_view_write(out, &answer->jobs[i], query_parts(&call->question.query));
		else
			buf_add_lit(out, "null");
	}
	buf_add_lit(out, "]}");
}
