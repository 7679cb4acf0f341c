#include "api/openapi.h"
#include "api/body.h"
#include "api/filter.h"
#include "api/routes.h"
#include "api/schema.h"
#include "base/check.h"
#include <stdio.h>

/* ---- schemas from tables of fields ---- */

static void put_range(struct buf *out, const char *type, const struct json_field *field)
{
	json_put_field_str(out, "type", str_of(type));
	json_put_field_i64(out, "minimum", field->min);
	json_put_field_i64(out, "maximum", field->max);
}

static void put_field_type(struct buf *out, const struct json_field *field)
{
	const char *type;
	switch (field->type) {
	case JSON_F_BOOL:
		json_put_field_str(out, "type", STR("boolean"));
		return;
	case JSON_F_I32: case JSON_F_U32: case JSON_F_I64:
		put_range(out, "integer", field);
		return;
	case JSON_F_STR:
		json_put_field_str(out, "type", STR("string"));
		json_put_field_i64(out, "minLength", field->min);
		json_put_field_i64(out, "maxLength", field->max);
		return;
	case JSON_F_INSTANT:
		json_put_field_str(out, "type", STR("string"));
		json_put_field_str(out, "description", STR("RFC 3339."));
		return;
	case JSON_F_RAW:
		return;
	case JSON_F_CUSTOM:
		type = op_field_type(field);
		json_put_key(out, "allOf");
		buf_add_byte(out, '[');
		schema_write_type(out, str_of(type ? type : filter_field_type(field)));
		buf_add_byte(out, ']');
		return;
	}
}

static void put_field(struct buf *out, const struct json_field *field)
{
	json_put_key(out, field->name);
	buf_add_byte(out, '{');
	if (field->doc && field->type != JSON_F_INSTANT)
		json_put_field_str(out, "description", str_of(field->doc));
	put_field_type(out, field);
	buf_add_byte(out, '}');
}

/* An object by its table; `op` says what its first member must be in a batch, or NULL. */
static void put_fields(struct buf *out, const struct json_field *fields, size_t count, const char *op)
{
	buf_add_lit(out, "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[");
	for (size_t i = 0; i < count; i++) {
		if (!(fields[i].flags & JSON_F_REQUIRED))
			continue;
		json_put_comma(out);
		json_put_str(out, str_of(fields[i].name));
	}
	buf_add_lit(out, "],\"properties\":{");
	for (size_t i = 0; i < count; i++) {
		if (i == 0 && op)
			buf_addf(out, "\"op\":{\"const\":\"%s\"}", op);
		else
			put_field(out, &fields[i]);
	}
	buf_add_lit(out, "}}");
}

static void put_form(struct buf *out, const char *name, enum op_kind kind, enum op_place place)
{
	uint32_t count;
	const struct json_field *fields = op_fields(kind, place, &count);
	json_put_key(out, name);
	put_fields(out, fields, count, NULL);
}

static void put_batch_op(struct buf *out)
{
	json_put_key(out, "BatchOp");
	buf_add_lit(out, "{\"oneOf\":[");
	for (int kind = 0; kind < OP_KIND_COUNT; kind++) {
		const char *name = op_kind_name((enum op_kind)kind);
		uint32_t count;
		if (!name)
			continue;
		const struct json_field *fields = op_fields((enum op_kind)kind, OP_IN_BATCH, &count);
		json_put_comma(out);
		put_fields(out, fields, count, name);
	}
	buf_add_lit(out, "]}");
}

static void put_schemas(struct buf *out)
{
	static const struct {
		const char *name;
		enum op_kind kind;
		enum op_place place;
	} forms[] = {
		{ "Enqueue", OP_ENQUEUE, OP_ALONE }, { "Claim", OP_CLAIM, OP_ALONE }, { "ClaimInside", OP_CLAIM, OP_IN_LIST },
		{ "Complete", OP_COMPLETE, OP_ALONE }, { "CompleteItem", OP_COMPLETE, OP_IN_LIST }, { "Fail", OP_FAIL, OP_ALONE },
		{ "FailItem", OP_FAIL, OP_IN_LIST }, { "Heartbeat", OP_HEARTBEAT, OP_ALONE }, { "HeartbeatItem", OP_HEARTBEAT, OP_IN_LIST },
		{ "Release", OP_RELEASE, OP_ALONE }, { "Snooze", OP_SNOOZE, OP_ALONE }, { "Progress", OP_PROGRESS, OP_ALONE },
		{ "Cancel", OP_CANCEL, OP_ALONE }, { "Retry", OP_RETRY, OP_ALONE }, { "Promote", OP_PROMOTE, OP_ALONE },
		{ "Reprioritise", OP_REPRIORITISE, OP_ALONE }, { "Move", OP_MOVE, OP_ALONE }, { "Edit", OP_EDIT, OP_ALONE },
		{ "Reschedule", OP_RESCHEDULE, OP_ALONE }, { "OperationStart", OP_OPERATION_START, OP_ALONE },
		{ "AwaitChildren", OP_AWAIT_CHILDREN, OP_ALONE }, { "Detach", OP_DETACH, OP_ALONE },
		{ "ChainPut", OP_CHAIN_PUT, OP_ALONE }, { "NewMessage", OP_MESSAGE, OP_ALONE },
		{ "BackOff", OP_BACK_OFF, OP_ALONE }, { "LimitAcquire", OP_LIMIT_ACQUIRE, OP_ALONE }, { "LimitRelease", OP_LIMIT_RELEASE, OP_ALONE },
	};
	for (size_t i = 0; i < schema_count; i++) {
		json_put_key(out, schemas[i].name);
		schema_write(out, &schemas[i]);
	}
	for (size_t i = 0; i < ARRAY_COUNT(forms); i++)
		put_form(out, forms[i].name, forms[i].kind, forms[i].place);
	json_put_key(out, "JobFilter");
	put_fields(out, filter_fields, filter_field_count, NULL);
	json_put_key(out, "Dedup");
	uint32_t count;
	const struct json_field *fields = op_dedup_fields(&count);
	put_fields(out, fields, count, NULL);
	json_put_key(out, "Parent");
	fields = op_parent_fields(&count);
	put_fields(out, fields, count, NULL);
	json_put_key(out, "JobNamed");
	fields = op_job_name_fields(&count);
	put_fields(out, fields, count, NULL);
	json_put_key(out, "Past");
	fields = op_past_fields(&count);
	put_fields(out, fields, count, NULL);
	json_put_key(out, "PastChild");
	fields = op_past_child_fields(&count);
	put_fields(out, fields, count, NULL);
	json_put_key(out, "ChainJob");
	fields = op_chain_job_fields(&count);
	put_fields(out, fields, count, NULL);
	put_batch_op(out);
}

/* ---- paths ---- */

static void put_words(struct buf *out, const char *const *words)
{
	buf_add_lit(out, "{\"enum\":[");
	for (; *words; words++) {
		json_put_comma(out);
		json_put_str(out, str_of(*words));
	}
	buf_add_lit(out, "]}");
}

static void put_param_schema(struct buf *out, const struct param *param)
{
	switch (param->type) {
	case PARAM_TEXT: case PARAM_NAME:
		buf_addf(out, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":%lld}", (long long)param->max);
		return;
	case PARAM_FLAG:
		buf_add_lit(out, "{\"type\":\"boolean\"}");
		return;
	case PARAM_NUMBER:
		buf_addf(out, "{\"type\":\"integer\",\"minimum\":%lld,\"maximum\":%lld}", (long long)param->min, (long long)param->max);
		return;
	case PARAM_INSTANT:
		buf_add_lit(out, "{\"type\":\"string\",\"format\":\"date-time\"}");
		return;
	case PARAM_WORD:
		put_words(out, param->words);
		return;
	case PARAM_WORDS:
		buf_add_lit(out, "{\"type\":\"array\",\"items\":");
		put_words(out, param->words);
		buf_add_byte(out, '}');
		return;
	}
}

static void put_params(struct buf *out, const struct route *route)
{
	json_put_key(out, "parameters");
	buf_add_byte(out, '[');
	for (const char *at = strchr(route->pattern, '{'); at; at = strchr(at + 1, '{')) {
		struct str name = { at + 1, (size_t)(strchr(at, '}') - at) - 1 };
		json_put_comma(out);
		buf_add_lit(out, "{\"name\":");
		json_put_str(out, name);
		buf_add_lit(out, ",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}");
	}
	for (const struct param *param = route->params; param && param->name; param++) {
		json_put_comma(out);
		buf_add_byte(out, '{');
		json_put_field_str(out, "name", str_of(param->name));
		json_put_field_str(out, "in", STR("query"));
		json_put_field_str(out, "description", str_of(param->doc));
		if (param->type == PARAM_WORDS)
			json_put_field_bool(out, "explode", false);
		json_put_key(out, "schema");
		put_param_schema(out, param);
		buf_add_byte(out, '}');
	}
	if (route->flags & ROUTE_ONCE) {
		json_put_comma(out);
		buf_add_lit(out, "{\"name\":\"Idempotency-Key\",\"in\":\"header\",\"schema\":{\"type\":\"string\",\"maxLength\":512},"
				 "\"description\":\"A repeat with the same key and body is answered as the first time, with Idempotent-Replayed: true. "
				 "Kept for a day. Not with a claim.\"}");
	}
	buf_add_byte(out, ']');
}

static void put_content(struct buf *out, const char *media, const char *type)
{
	json_put_key(out, "content");
	buf_add_byte(out, '{');
	json_put_key(out, media);
	buf_add_lit(out, "{\"schema\":");
	schema_write_type(out, str_of(type));
	buf_add_lit(out, "}}");
}

static void put_response(struct buf *out, const struct route *route, int status, const char *doc)
{
	char key[8];
	key[0] = (char)('0' + status / 100);
	key[1] = (char)('0' + status / 10 % 10);
	key[2] = (char)('0' + status % 10);
	key[3] = '\0';
	json_put_key(out, key);
	buf_add_byte(out, '{');
	json_put_field_str(out, "description", str_of(doc));
	if (route->gives && status != 204)
		put_content(out, route->gives_type ? route->gives_type : "application/json", route->gives);
	buf_add_byte(out, '}');
}

static bool route_takes(const struct route *route, const char *name)
{
	for (const struct param *param = route->params; param && param->name; param++)
		if (strcmp(param->name, name) == 0)
			return true;
	return false;
}

/* What may be refused at this address, and with which code. Whatever is not in a document's list comes under "default". */
static bool route_may_refuse(const struct route *route, enum err err)
{
	bool open = route->flags & ROUTE_OPEN, body = route->flags & (ROUTE_BODY | ROUTE_MAY_BODY), changes = route->method != HTTP_M_GET;
	bool endpoint = strstr(route->pattern, "{endpoint}"), message = route->kind == OP_MESSAGE, secret = strstr(route->pattern, "{secret}");
	bool format = strstr(route->pattern, "{format}"), source = strstr(route->pattern, "{source}"), raw = route->flags & ROUTE_RAW;
	bool type = strstr(route->pattern, "{type}");
	bool job = strstr(route->pattern, "{uid}") || strstr(route->pattern, "{id}"), queue = strstr(route->pattern, "{queue}") != NULL;
	switch (err) {
	case E_BAD_REQUEST: case E_NOMEM: return true;
	case E_UNSUPPORTED_MEDIA: case E_UNKNOWN_FIELD: return body && !raw;
	case E_MALFORMED: case E_TOO_LARGE: return body;
	case E_SIGNATURE: case E_RATE: return raw;
	case E_SOURCE_NOT_FOUND: return source;
	case E_INVALID: return body || route->params || queue || strstr(route->pattern, "{limit}") || endpoint || secret || format || source || type;
	case E_SECRET_NOT_FOUND: return (secret && route->method != HTTP_M_PUT) || route->begin == public_key_get;
	case E_ENDPOINT_NOT_FOUND: return endpoint || message || route->list;
	case E_FORMAT_NOT_FOUND: return format;
	case E_EVENT_TYPE_NOT_FOUND: return type;
	case E_MESSAGE_NOT_FOUND: return strstr(route->pattern, "{message}");
	case E_NO_ENDPOINT: return message || route->list;
	case E_ENDPOINT_OWNED: return changes && (strstr(route->pattern, "{group}") || route->list);
	case E_UNAUTHORIZED: case E_FORBIDDEN: return !open;
	case E_UNAVAILABLE: return !open || raw;
	case E_NOT_FOUND: case E_JOB_NOT_FOUND: return job || route->list;
	case E_QUEUE_NOT_FOUND: return queue || job || route->list || route_takes(route, "queue");
	case E_LIMIT_NOT_FOUND: return strstr(route->pattern, "{limit}") || route->list;
	case E_STALE: return route->scope == SCOPE_WORK && route->kind != OP_CLAIM;
	case E_STATE: return changes || route->begin == jobs_result || route->begin == poll_get || route->begin == public_key_get;
	case E_SECRET_SEALED: return secret && route->method == HTTP_M_POST;
	case E_CONFLICT: case E_STORE_FULL: case E_OUTCOME_UNKNOWN: return changes;
	case E_IDEMPOTENCY: return route->flags & ROUTE_ONCE;
	case E_BACKLOG: return changes && (!open || raw);
	case E_IO: case E_TIMEOUT: return !open;
	default: return false;
	}
}

/* Problems of one status are described once, among the components. */
static void put_refusals(struct buf *out, const struct route *route)
{
	char text[8];
	bool told[600] = { [503] = route->begin == health_ready };
	for (enum err err = E_OK + 1; err < ERR_COUNT; err++) {
		int status = err_http_status(err);
		if (!route_may_refuse(route, err) || told[status])
			continue;
		told[status] = true;
		snprintf(text, sizeof(text), "%d", status);
		json_put_key(out, text);
		buf_addf(out, "{\"$ref\":\"#/components/responses/%d\"}", status);
	}
	json_put_key(out, "default");
	buf_add_lit(out, "{\"$ref\":\"#/components/responses/default\"}");
}

static void put_problem_response(struct buf *out, const char *name, struct str description)
{
	json_put_key(out, name);
	buf_add_byte(out, '{');
	json_put_field_str(out, "description", description);
	put_content(out, "application/problem+json", "Problem");
	buf_add_byte(out, '}');
}

static void put_problem_responses(struct buf *out)
{
	char text[2048], name[8];
	bool told[600] = { false };
	for (enum err first = E_OK + 1; first < ERR_COUNT; first++) {
		int status = err_http_status(first), len = 0;
		for (enum err err = first; err < ERR_COUNT && !told[status]; err++)
			if (err_http_status(err) == status)
				len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%s: %s", len ? "\n" : "", err_code(err), err_sentence(err));
		CHECK((size_t)len < sizeof(text));
		told[status] = true;
		snprintf(name, sizeof(name), "%d", status);
		if (len)
			put_problem_response(out, name, (struct str){ text, (size_t)len });
	}
	put_problem_response(out, "default", STR("Refused, or failed: the code says why."));
}

static void put_error_codes(struct buf *out)
{
	json_put_key(out, "ErrorCode");
	buf_add_lit(out, "{\"description\":\"Stable; more may be added.\",\"enum\":[");
	for (enum err err = E_OK + 1; err < ERR_COUNT; err++) {
		json_put_comma(out);
		json_put_str(out, str_of(err_code(err)));
	}
	buf_add_lit(out, "]}");
}

static void put_events_response(struct buf *out, const struct route *route)
{
	buf_add_lit(out, "\"200\":{\"description\":\"A stream, or one answer.\",\"content\":{\"text/event-stream\":{\"schema\":{\"type\":\"string\"}},"
			 "\"application/json\":{\"schema\":");
	schema_write_type(out, str_of(route->gives));
	buf_add_lit(out, "}}}");
}

static void put_not_ready(struct buf *out, const struct route *route)
{
	buf_add_lit(out, ",\"503\":{\"description\":\"Not ready, or no memory to say more.\",\"content\":{\"application/json\":{\"schema\":");
	schema_write_type(out, str_of(route->gives));
	buf_add_lit(out, "},\"application/problem+json\":{\"schema\":");
	schema_write_type(out, STR("Problem"));
	buf_add_lit(out, "}}}");
}

static void put_responses(struct buf *out, const struct route *route)
{
	json_put_key(out, "responses");
	buf_add_byte(out, '{');
	if (route->begin == events_get)
		put_events_response(out, route);
	else
		put_response(out, route, route->status, "Done.");
	if (route->begin == jobs_enqueue || route->decode == messages_decode)
		put_response(out, route, 200, "A duplicate, or the results of many.");
	if (route->begin == incoming_post)
		put_response(out, route, 200, "It had come before.");
	if (route->begin == recover_begin)
		put_response(out, route, 200, "Counted only.");
	if (route->begin == health_ready)
		put_not_ready(out, route);
	put_refusals(out, route);
	buf_add_byte(out, '}');
}

static const char *route_scope_doc(const struct route *route)
{
	if (route->flags & ROUTE_OPEN)
		return " No token needed.";
	switch (route->scope) {
	case SCOPE_ENQUEUE: return " Scope: enqueue.";
	case SCOPE_WORK: return " Scope: work.";
	case SCOPE_READ: return " Scope: read.";
	case SCOPE_OPERATE: return " Scope: operate.";
	case SCOPE_ADMIN: return " Scope: admin.";
	case SCOPE_POLL: return " Scope: poll.";
	default: return " Scopes: those of its operations.";
	}
}

static struct str route_summary(const struct route *route) /* the first sentence, without its full stop */
{
	const char *stop = strstr(route->doc, ". ");
	size_t len = stop ? (size_t)(stop - route->doc) : strlen(route->doc);
	if (len && route->doc[len - 1] == '.')
		len--;
	return (struct str){ route->doc, len };
}

static void put_description(struct buf *out, const struct route *route)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), "%s%s", route->doc, route_scope_doc(route));
	CHECK(len > 0 && (size_t)len < sizeof(text));
	json_put_field_str(out, "description", str_of(text));
}

static void put_route(struct buf *out, const struct route *route)
{
	static const char *const methods[] = { "get", "head", "post", "put", "patch", "delete" };
	json_put_key(out, methods[route->method]);
	buf_add_byte(out, '{');
	json_put_field_str(out, "operationId", str_of(route->name));
	json_put_field_str(out, "summary", route_summary(route));
	put_description(out, route);
	json_put_key(out, "tags");
	buf_add_byte(out, '[');
	json_put_str(out, str_of(route->tag));
	buf_add_byte(out, ']');
	if (route->flags & ROUTE_OPEN)
		json_put_field_raw(out, "security", STR("[]"));
	put_params(out, route);
	if (route->takes) {
		json_put_key(out, "requestBody");
		buf_add_byte(out, '{');
		json_put_field_bool(out, "required", (route->flags & ROUTE_BODY) != 0);
		put_content(out, route->flags & ROUTE_RAW ? "*/*" : "application/json", route->takes);
		buf_add_byte(out, '}');
	}
	put_responses(out, route);
	buf_add_byte(out, '}');
}

static bool path_is_first(uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (strcmp(routes[i].pattern, routes[index].pattern) == 0)
			return false;
	return true;
}

static void put_paths(struct buf *out)
{
	json_put_key(out, "paths");
	buf_add_byte(out, '{');
	for (uint32_t i = 0; i < route_count; i++) {
		if (!path_is_first(i))
			continue;
		json_put_key(out, routes[i].pattern);
		buf_add_byte(out, '{');
		for (uint32_t n = i; n < route_count; n++)
			if (strcmp(routes[n].pattern, routes[i].pattern) == 0)
				put_route(out, &routes[n]);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, '}');
}

void openapi_write(struct buf *out, const char *version)
{
	buf_add_lit(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Ruche\",\"description\":\"Background jobs: queues, workers, HTTP deliveries.\"");
	json_put_field_str(out, "version", str_of(version));
	buf_add_lit(out, ",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},\"servers\":[{\"url\":\"/\"}],\"security\":[{\"token\":[]}]");
	buf_add_lit(out, ",\"tags\":[{\"name\":\"jobs\"},{\"name\":\"work\"},{\"name\":\"batch\"},{\"name\":\"queues\"},{\"name\":\"groups\"},"
			 "{\"name\":\"limits\"},{\"name\":\"endpoints\"},{\"name\":\"event types\"},{\"name\":\"formats\"},"
			 "{\"name\":\"secrets\"},{\"name\":\"sources\"},{\"name\":\"deliveries\"},"
			 "{\"name\":\"messages\"},{\"name\":\"operations\"},"
			 "{\"name\":\"events\"},{\"name\":\"workers\"},{\"name\":\"tokens\"},{\"name\":\"health\"}]");
	put_paths(out);
	buf_add_lit(out, ",\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}},\"responses\":{");
	put_problem_responses(out);
	buf_add_lit(out, "},\"schemas\":{");
	put_error_codes(out);
	put_schemas(out);
	buf_add_lit(out, "}}}");
}

/* Written once: it never changes while the daemon runs. */
void openapi_get(struct call *call)
{
	struct api *api = call->api;
	struct buf *out = &api->scratch;
	if (!api->openapi.len) {
		openapi_write(&api->openapi, api->config.version);
		if (!buf_ok(&api->openapi)) {
			buf_fini(&api->openapi);
			call_refuse(call, E_NOMEM);
			return;
		}
	}
	buf_clear(out);
	buf_add(out, buf_str(&api->openapi));
	if (buf_ok(out))
		call_respond(call, 200, STR("application/json"), STR("Cache-Control: max-age=60\r\n"), out);
	else
		call_refuse(call, E_NOMEM);
}
