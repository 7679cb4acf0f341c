#include "answer.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pluck.h"

#define VIEW_TEXT_MAX SIZE_MAX

/* ---- objects by table ---- */

static const struct view_field *view_find(const struct view_field *fields, size_t count, struct str key)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(key, str_of(fields[i].name)))
			return &fields[i];
	return NULL;
}

static bool view_keep(struct json *json, struct str text, const char **out)
{
	struct str kept = arena_str(json->arena, text);
	if (!kept.ptr)
		return json_refuse(json, E_NOMEM, "There is no memory for it.");
	*out = kept.ptr;
	return true;
}

static bool view_value(struct json *json, const struct view_field *field, void *to)
{
	enum json_type type = json_peek(json);
	struct str text;
	bool value;
	if (field->type == VIEW_TEXT && type == JSON_STRING)
		return json_read_str(json, VIEW_TEXT_MAX, &text) && view_keep(json, text, to);
	if (field->type == VIEW_TRUE && type == JSON_BOOL) {
		if (!json_read_bool(json, &value))
			return false;
		*(int *)to = value;
		return true;
	}
	if (!json_read_raw(json, &text))
		return false;
	if (field->type == VIEW_JSON && type != JSON_NULL)
		return view_keep(json, text, to);
	if (field->type == VIEW_INTEGER && type == JSON_NUMBER)
		(void)!str_i64(text, to);
	return true;
}

bool view_read(struct json *json, const struct view_field *fields, size_t count, void *out)
{
	struct str key;
	if (!json_enter_object(json))
		return false;
	while (json_next_key(json, &key)) {
		const struct view_field *field = view_find(fields, count, key);
		if (!(field ? view_value(json, field, (char *)out + field->offset) : json_skip(json)))
			return false;
	}
	return !json->failed;
}

/* ---- whole answers ---- */

static int answer_read(struct ruche_answer *answer, struct ruche_error *error)
{
	struct str body = buf_str(&answer->body);
	struct arena *arena = &answer->arena;
	struct str results, item;
	struct problem problem;
	struct json json;
	uint32_t index, capacity = 0;
	buf_add_byte(&answer->body, '\0');
	if (!buf_ok(&answer->body))
		return error_no_memory(error);
	body.ptr = answer->body.ptr;
	answer->body.len--;
	if (!pluck_raw(body, "results", arena, &results) || results.ptr[0] != '[')
		return RUCHE_OK;
	json_init(&json, results, arena, &problem);
	json.depth_max = LIMIT_JSON_ANSWER_DEPTH;
	json_enter_array(&json);
	while (json_next_item(&json, &index) && json_read_raw(&json, &item)) {
		if (answer->count == capacity) {
			capacity = capacity ? capacity * 2 : 16;
			struct str *more = ARENA_ARRAY(arena, struct str, capacity);
			if (!more)
				return error_no_memory(error);
			if (answer->count)
				memcpy(more, answer->items, answer->count * sizeof(*more));
			answer->items = more;
		}
		answer->items[answer->count++] = item;
	}
	return RUCHE_OK;
}

int answer_make(struct http_answer *http, struct ruche_answer **out, struct ruche_error *error)
{
	struct ruche_answer *answer = mem_zalloc(sizeof(*answer));
	if (!answer) {
		http_answer_fini(http);
		return error_no_memory(error);
	}
	answer->status = http->status;
	answer->body = http->body;
	answer->body.max_bytes = SIZE_MAX / 2;
	buf_init(&http->body, 0);
	http_answer_fini(http);
	int code = answer_read(answer, error);
	if (code)
		ruche_answer_free(answer);
	else
		*out = answer;
	return code;
}

int answer_of_call(struct call *call, struct ruche_answer **out)
{
	struct http_answer http;
	struct ruche_error *error = call->error;
	int code = call_send(call, &http);
	return code ? code : answer_make(&http, out, error);
}

void ruche_answer_free(struct ruche_answer *answer)
{
	if (!answer)
		return;
	arena_fini(&answer->arena);
	buf_fini(&answer->body);
	mem_free(answer);
}

int ruche_answer_status(const struct ruche_answer *answer)
{
	return answer->status;
}

const char *ruche_answer_json(const struct ruche_answer *answer, size_t *out_bytes)
{
	if (out_bytes)
		*out_bytes = answer->body.len;
	return answer->body.ptr;
}

/* ---- by path ---- */

static const char *text_at(struct ruche_answer *answer, struct str json, const char *path)
{
	struct str raw;
	if (!path || !pluck_raw(json, path, &answer->arena, &raw) || str_eq(raw, STR("null")))
		return NULL;
	struct str text = raw.ptr[0] == '"' ? pluck_text(raw, "", &answer->arena) : raw;
	if (raw.ptr[0] == '"' && !text.len && raw.len > 2)
		return NULL; /* no memory for what it holds */
	return arena_str(&answer->arena, text).ptr;
}

static int64_t integer_at(struct ruche_answer *answer, struct str json, const char *path, int64_t otherwise)
{
	struct str raw;
	int64_t number;
	return path && pluck_raw(json, path, &answer->arena, &raw) && str_i64(raw, &number) ? number : otherwise;
}

const char *ruche_answer_text(struct ruche_answer *answer, const char *path)
{
	return text_at(answer, buf_str(&answer->body), path);
}

int64_t ruche_answer_integer(struct ruche_answer *answer, const char *path, int64_t otherwise)
{
	return integer_at(answer, buf_str(&answer->body), path, otherwise);
}

size_t ruche_answer_count(const struct ruche_answer *answer)
{
	return answer->count;
}

static int check_index(const struct ruche_answer *answer, size_t index, struct ruche_error *error)
{
	if (index < answer->count)
		return RUCHE_OK;
	return error_set(error, RUCHE_BAD_ARGUMENT, "index", "index: The answer has %u results.", answer->count);
}

int ruche_answer_item_error(struct ruche_answer *answer, size_t index, struct ruche_error *error)
{
	struct str problem;
	int code = check_index(answer, index, error);
	if (code)
		return code;
	if (!pluck_raw(answer->items[index], "problem", &answer->arena, &problem))
		return RUCHE_OK;
	return error_of_problem(error, answer->status, problem, "The daemon");
}

const char *ruche_answer_item_text(struct ruche_answer *answer, size_t index, const char *path)
{
	return check_index(answer, index, NULL) ? NULL : text_at(answer, answer->items[index], path);
}

int64_t ruche_answer_item_integer(struct ruche_answer *answer, size_t index, const char *path, int64_t otherwise)
{
	return check_index(answer, index, NULL) ? otherwise : integer_at(answer, answer->items[index], path, otherwise);
}

/* ---- any call ---- */

int ruche_call(struct ruche_client *client, const char *method, const char *path, const char *body_json, const struct ruche_call_options *options,
	       struct ruche_answer **out, struct ruche_error *error)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	struct ruche_call_options taken;
	struct call call;
	bool known = false;
	for (size_t i = 0; method && i < ARRAY_COUNT(methods); i++)
		known |= strcmp(method, methods[i]) == 0;
	call_begin(&call, client, method, "", error);
	if (!known)
		write_refuse(&call.writer, "method", "It is GET, POST, PUT, PATCH or DELETE.");
	else if (!path || path[0] != '/' || strcspn(path, "# \t\r\n") != strlen(path))
		write_refuse(&call.writer, "path", "It begins with '/', and holds no blanks and no '#'.");
	else if (!call_take(&call, options, &taken) && taken.atomic)
		write_refuse(&call.writer, "atomic", "Write \"atomic\": true into the body.");
	if (!call.writer.code && body_json) {
		struct problem problem = { 0 };
		if (json_check(str_of(body_json), &problem))
			error_set(error, call.writer.code = RUCHE_BAD_ARGUMENT, "body_json", "body_json: This is not JSON. %s", problem.detail);
		buf_add(&call.body, str_of(body_json));
	}
	if (call.writer.code)
		return call_drop(&call);
	buf_add(&call.path, str_of(path));
	return answer_of_call(&call, out);
}
