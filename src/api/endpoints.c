/* src/api/endpoints.c: endpoints: third parties that want to be told, and how; paused, resumed, looked at. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/name.h"
#include "api/routes.h"
#include "base/json_tree.h"
#include "rules/endpoint.h"
#include "rules/http_url.h"
#include "rules/signature.h"
#include "secret/secret.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#define PAGE_DEFAULT      100
#define HOST_BYTES        256
#define MADE_NAME_BYTES   (3 + UID_TEXT_BYTES) /* "ep_" and a uid */

/* ---- addresses that are ours to keep, and what else is not called ---- */

/* An address that stands in the URL by itself, in any of its spellings; names are looked at when they are called. */
static bool url_address(const struct http_url *url, struct sockaddr_storage *out)
{
	char host[HOST_BYTES];
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	memset(out, 0, sizeof(*out));
	if (url->host.len >= sizeof(host))
		return false;
	bool brackets = url->host.len > 2 && url->host.ptr[0] == '[';
	struct str name = brackets ? (struct str){ url->host.ptr + 1, url->host.len - 2 } : url->host;
	memcpy(host, name.ptr, name.len);
	host[name.len] = '\0';
	v4->sin_family = AF_INET;
	v4->sin_port = htons(url->port);
	if (!brackets && inet_aton(host, &v4->sin_addr))
		return true;
	memset(out, 0, sizeof(*out));
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(url->port);
	return brackets && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

static bool endpoint_check_url(struct call *call, const struct json_node *object, const char *member, const char *field)
{
	const struct json_node *node = object ? json_tree_member(object, str_of(member)) : NULL;
	const struct api_ports *ports = &call->api->ports;
	struct sockaddr_storage address;
	struct http_url split;
	char why[256] = "";
	if (!node || node->type != JSON_STRING || http_url_split(http_url_origin(node->text), &split))
		return true;
	const char *origin = arena_str(&call->request.arena, http_url_origin(node->text)).ptr;
	if (!origin)
		return problem_set(&call->problem, E_NOMEM, field, "There was no memory for it.") == E_OK;
	const struct sockaddr *said = url_address(&split, &address) ? (const struct sockaddr *)&address : NULL;
	return ports->judge(ports->context, origin, said, why, sizeof(why)) ||
	       problem_set(&call->problem, E_INVALID, field, "%s", why) == E_OK;
}

/* Refused here, before anything is stored; and once more at each call, whatever the name has become by then. */
static bool endpoint_check_addresses(struct call *call, const struct json_node *body)
{
	return endpoint_check_url(call, body, "url", "url") && endpoint_check_url(call, body, "update_url", "update_url") &&
	       endpoint_check_url(call, json_tree_member(body, STR("retract")), "url", "retract.url") &&
	       endpoint_check_url(call, json_tree_member(body, STR("auth")), "token_url", "auth.token_url");
}

/* ---- secrets that it names ---- */

/* In any place; also one that does not open now. */
static bool secret_is_there(struct call *call, struct str namespace_name, struct str name)
{
	struct secrets *secrets = call->api->config.secrets;
	struct secret_snapshot *held = secrets_hold(secrets);
	struct secret secret;
	struct secret_told told;
	bool found = secret_find(held, namespace_name, name, call_now_us(call), &secret);
	secret_snapshot_drop(held);
	secret_tell(secrets, namespace_name, str_starts(name, STR("store:")) ? str_from(name, 6) : name, &told);
	return found || told.key[0];
}

static bool endpoint_check_secret(struct call *call, const struct json_node *object, const char *member, const char *field)
{
	const struct json_node *node = object && object->type == JSON_OBJECT ? json_tree_member(object, str_of(member)) : NULL;
	struct str space = namespace_of(call->request.ops[0].named.named.namespace_name);
	if (!node || node->type != JSON_STRING || !node->text.len || secret_is_there(call, space, node->text))
		return true;
	return problem_set(&call->problem, E_INVALID, field, "There is no secret '" STR_FMT "': store it first, then name it here.",
			   STR_ARG(str_cut(node->text, 60))) == E_OK;
}

/* Of what this request names. One that goes away later costs deliveries nothing but time. */
static bool endpoint_check_secrets(struct call *call, const struct json_node *body)
{
	static const char *const named[][3] = {
		{ "auth", "secret", "auth.secret" }, { "sign", "secret", "sign.secret" }, { "sign", "secret_v1a", "sign.secret_v1a" },
		{ "tls", "ca", "tls.ca" }, { "tls", "certificate", "tls.certificate" }, { "tls", "key", "tls.key" },
	};
	const struct json_node *headers = json_tree_member(body, STR("headers"));
	for (size_t i = 0; i < ARRAY_COUNT(named); i++)
		if (!endpoint_check_secret(call, json_tree_member(body, str_of(named[i][0])), named[i][1], named[i][2]))
			return false;
	for (const struct json_node *header = headers && headers->type == JSON_OBJECT ? headers->first : NULL; header; header = header->next) {
		const char *field = arena_printf(&call->request.arena, "headers." STR_FMT, STR_ARG(str_cut(header->key, 60)));
		if (!endpoint_check_secret(call, header, "secret", field ? field : "headers"))
			return false;
	}
	return true;
}

static bool endpoint_check(struct call *call)
{
	struct json_node *body = NULL;
	struct str text = call->request.ops[0].named.text;
	enum err err = json_tree_read(text, &call->request.arena, &body, &call->problem);
	if (err)
		return problem_set(&call->problem, err, "", "There was no memory for it.") == E_OK;
	return endpoint_check_addresses(call, body) && endpoint_check_secrets(call, body);
}

/* ---- decoding ---- */

/* The body is the settings object itself. PUT and POST say all of it, PATCH says what changes: whether that makes sense depends on the rest. */
static bool endpoints_read_settings(struct call *call, struct op *op)
{
	struct endpoint_settings settings;
	struct json json;
	struct str body = str_trim(buf_str(&call->request.body));
	op->named.text = body.len ? body : STR("{}");
	op->named.replace = call->route->method != HTTP_M_PATCH;
	endpoint_settings_default(&settings);
	body_json(call, &json);
	if (!op->named.replace)
		return json_skip(&json) && json_finish(&json);
	return endpoint_settings_read(&json, &settings) && json_finish(&json);
}

bool endpoints_decode_put(struct call *call)
{
	struct op *op = call_op(call, OP_NAMED_PUT);
	return op && body_identify(call, op) && endpoints_read_settings(call, op);
}

/* Its name is made where uids are: endpoints_make. */
bool endpoints_decode_new(struct call *call)
{
	struct op *op = call_op(call, OP_NAMED_PUT);
	if (!op)
		return false;
	op->named.named.namespace_name = call_param(call, "namespace")->text;
	return endpoints_read_settings(call, op);
}

bool endpoints_decode_state(struct call *call)
{
	struct json json;
	struct op *op = call_op(call, OP_NAMED_STATE);
	if (!op || !body_identify(call, op))
		return false;
	const char *verb = strrchr(call->route->pattern, '/');
	op->named.state = strcmp(verb, "/pause") == 0 ? NAMED_PAUSED : strcmp(verb, "/disable") == 0 ? NAMED_DISABLED : NAMED_ENABLED;
	body_json(call, &json);
	return json_read_fields(&json, NULL, 0, NULL, NULL, NULL) && json_finish(&json);
}

bool endpoints_decode_list(struct call *call)
{
	const struct param_value *limit = call_param(call, "limit");
	struct op *op = call_op(call, OP_NAMEDS);
	if (!op)
		return false;
	op->named.kind = NAMED_ENDPOINT;
	op->named.limit = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	op->named.named.namespace_name = call_param(call, "namespace")->text;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->named.after, &call->problem);
}

/* ---- a secret of its own ---- */

#define OWN_SECRET "endpoint/"

/* Does it sign, without saying by which secret? present: its settings, where the body says only what changes. */
static bool endpoint_wants_secret(struct call *call, struct str present, enum signing_scheme *out)
{
	const struct op_named *named = &call->request.ops[0].named;
	struct endpoint_settings settings;
	struct json json;
	if ((!named->replace && !present.len) || named->named.name.len > LIMIT_NAME_BYTES - strlen(OWN_SECRET))
		return false;
	endpoint_settings_default(&settings);
	json_init(&json, present, &call->request.arena, &call->problem);
	if (present.len && !endpoint_settings_read(&json, &settings))
		return false; /* no memory, or they are unreadable: then they are to be put anew */
	json_init(&json, named->text, &call->request.arena, &call->problem);
	if (!endpoint_settings_read(&json, &settings))
		return false; /* no memory, or it makes no sense over them: the engine says so */
	*out = settings.sign.kind == ENDPOINT_SIGN_V1A ? SIGNING_V1A : SIGNING_V1;
	return settings.kind == ENDPOINT_PUSH && settings.sign.kind != ENDPOINT_SIGN_NONE && !settings.sign.secret.len;
}

/* Stored in the same request: both are there, or neither. */
static enum err secret_store(struct call *call, struct queue_name named)
{
	unsigned char nonce[SECRET_NONCE_BYTES];
	const struct secret secret = { .values = { { .bytes = str_of(call->secret_text) } }, .count = 1 };
	struct buf sealed;
	struct op *op = call_op(call, OP_NAMED_PUT);
	if (!op)
		return call->problem.err;
	api_random(call->api, nonce, sizeof(nonce));
	buf_init(&sealed, LIMIT_NAMED_BYTES);
	enum err err = secret_seal(call->api->config.secrets, named.namespace_name, named.name, &secret, nonce, &sealed, &call->problem);
	op->named = (struct op_named){ .kind = NAMED_SECRET, .named = named, .replace = true, .over = NAMED_OVER_NOTHING };
	if (!err)
		op->named.text = arena_str(&call->request.arena, buf_str(&sealed));
	buf_fini(&sealed);
	call->request.atomic = true;
	return err || op->named.text.ptr ? err : E_NOMEM;
}

/* An endpoint that signs and names no secret has one of its own, which is made with it and told once. */
static enum err endpoint_give_secret(struct call *call, struct str present)
{
	struct queue_name named = call->request.ops[0].named.named;
	enum signing_scheme scheme;
	if (!endpoint_wants_secret(call, present, &scheme)) {
		bool short_of_memory = call->problem.err == E_NOMEM;
		call->problem = (struct problem){ 0 };
		return short_of_memory ? E_NOMEM : E_OK;
	}
	named.namespace_name = namespace_of(named.namespace_name);
	named.name = str_of(arena_printf(&call->request.arena, OWN_SECRET STR_FMT, STR_ARG(named.name)));
	if (!named.name.ptr)
		return E_NOMEM;
	if (secret_is_there(call, named.namespace_name, named.name))
		return E_OK;
	call_make_secret(call, scheme);
	return secret_store(call, named);
}

static void endpoint_store(struct call *call, struct str present)
{
	enum err err = endpoint_give_secret(call, present);
	if (err)
		call_refuse(call, err);
	else
		call_run(call);
}

/* ---- a change that may begin to sign: what the rest says is asked first ---- */

static bool endpoint_may_begin_to_sign(struct call *call)
{
	const struct op_named *named = &call->request.ops[0].named;
	struct json_node *body = NULL;
	if (named->replace || json_tree_read(named->text, &call->request.arena, &body, NULL))
		return false;
	return json_tree_member(body, STR("sign")) || json_tree_member(body, STR("kind"));
}

static void endpoint_looked(struct call *call)
{
	struct request *request = &call->request;
	const struct op_result looked = request->ops[0].result;
	enum err err = request->err ? request->err : looked.err;
	request->ops[0] = *call->kept_op;
	request->err = E_OK;
	if (err == E_CANCELLED && call->api->quiescing)
		call_fail(call, E_UNAVAILABLE, "", "The daemon is stopping; ask again shortly.");
	else if (err)
		call_refuse(call, err);
	else
		endpoint_store(call, looked.nameds->text);
}

static void endpoint_look(struct call *call)
{
	struct op *op = &call->request.ops[0];
	call->kept_op = ARENA_NEW(&call->request.arena, struct op);
	if (!call->kept_op || !access_check(call)) {
		call_refuse(call, call->kept_op ? call->problem.err : E_NOMEM);
		return;
	}
	*call->kept_op = *op;
	*op = (struct op){ .kind = OP_NAMED_GET, .named = { .kind = NAMED_ENDPOINT, .named = op->named.named } };
	call_submit(call, endpoint_looked);
}

void endpoints_put(struct call *call)
{
	if (!endpoint_check(call))
		call_refuse(call, call->problem.err);
	else if (endpoint_may_begin_to_sign(call))
		endpoint_look(call);
	else
		endpoint_store(call, (struct str){ 0 });
}

void endpoints_make(struct call *call)
{
	struct op_named *named = &call->request.ops[0].named;
	char uid[UID_TEXT_BYTES];
	uid_text(uid_next(&call->api->maker, call_now_us(call)), uid);
	char *name = arena_printf(&call->request.arena, "ep_%s", uid);
	named->named.name = str_of(name);
	if (name)
		endpoints_put(call);
	else
		call_refuse(call, E_NOMEM);
}

/* ---- answers ---- */

static const char *const state_words[NAMED_STATE_COUNT] = {
#define X(name, text) text,
	NAMED_STATES(X)
#undef X
};
static const char *const health_words[HEALTH_STATE_COUNT] = {
#define X(name, text) text,
	HEALTH_STATES(X)
#undef X
};

static void health_write(struct buf *out, const struct health_info *health)
{
	json_put_key(out, "health");
	buf_add_byte(out, '{');
	json_put_field_str(out, "state", str_of(health_words[health->state]));
	json_put_field_instant(out, "failing_since_at", health->failing_since_us);
	json_put_field_u64(out, "failures", health->failures);
	json_put_field_instant(out, "open_until_at", health->open_until_us);
	json_put_field_instant(out, "slow_until_at", health->slow_until_us);
	json_put_field_instant(out, "disable_at", health->disable_us);
	json_put_field_u64(out, "unsent", health->unsent);
	if (health->batch_max)
		json_put_field_u64(out, "batch_max", health->batch_max);
	else
		json_put_field_null(out, "batch_max");
	buf_add_byte(out, '}');
}

/* "10 attempts over 31 h 35 min": from the settings, for people. */
static void retry_words_write(struct buf *out, struct call *call, struct str settings)
{
	struct endpoint_settings value;
	struct problem problem = { 0 };
	struct json json;
	struct buf words;
	buf_init(&words, 256);
	endpoint_settings_default(&value);
	json_init(&json, settings, &call->request.arena, &problem);
	if (endpoint_settings_read(&json, &value))
		retry_words(&value.retry, &words);
	out->failed |= problem.err == E_NOMEM || !buf_ok(&words);
	if (words.len)
		json_put_field_str(out, "retry_words", buf_str(&words));
	else
		json_put_field_null(out, "retry_words"); /* settings that an older program kept and this one cannot read */
	buf_fini(&words);
}

static void endpoint_write(struct buf *out, struct call *call, const struct named_info *info)
{
	bool held = info->state != NAMED_ENABLED;
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", info->named.name);
	json_put_field_str(out, "namespace", namespace_of(info->named.namespace_name));
	json_put_field_u64(out, "number", info->number);
	json_put_field_str(out, "state", str_of(state_words[info->state]));
	if (info->reason.len)
		json_put_field_str(out, "reason", info->reason);
	else
		json_put_field_null(out, "reason");
	retry_words_write(out, call, info->text);
	health_write(out, &info->health);
	json_put_field_u64(out, "held", held ? info->waiting : 0);
	json_put_field_u64(out, "waiting", held ? 0 : info->waiting);
	json_put_field_u64(out, "active", info->active);
	json_put_field_u64(out, "delayed", info->delayed);
	json_put_field_raw(out, "settings", info->text);
	json_put_field_instant(out, "created_at", info->created_us);
	json_put_field_instant(out, "changed_at", info->changed_us);
	json_put_field_u64(out, "version", info->version);
	if (call->secret_text[0])
		json_put_field_str(out, "signing_secret", str_of(call->secret_text));
	buf_add_byte(out, '}');
}

static void endpoints_write(struct buf *out, struct call *call, const struct op *op)
{
	const struct op_result *result = &op->result;
	buf_add_lit(out, "{\"endpoints\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		endpoint_write(out, call, &result->nameds[i]);
	}
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena, result->more && result->count ? &result->nameds[result->count - 1].named.name : NULL);
	buf_add_byte(out, '}');
}

void endpoints_encode(struct call *call, struct buf *out)
{
	const struct op *op = &call->request.ops[0];
	if (op->kind == OP_NAMEDS)
		endpoints_write(out, call, op);
	else if (op->kind != OP_NAMED_DELETE)
		endpoint_write(out, call, op->result.nameds);
}
