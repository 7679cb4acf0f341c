/* src/api/secrets.c: secrets of the store. A value comes in, is sealed before anybody else sees it, and never goes out again. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/routes.h"
#include "base/check.h"
#include "base/crypto.h"
#include "rules/signature.h"
#include "secret/secret.h"

#define PAGE_DEFAULT 100
#define REKEY_AT_ONCE 100

/* ---- decoding ---- */

static bool secrets_name(struct call *call, struct op *op)
{
	op->named.kind = NAMED_SECRET;
	op->named.named = body_queue(call);
	return secret_name_is_formed(op->named.named.name) ||
	       problem_set(&call->problem, E_INVALID, "secret", "A secret's name has 1 to 255 letters, digits and _-./: characters.") == E_OK;
}

/* The body is read where it is sealed: secrets_store. */
bool secrets_decode_put(struct call *call)
{
	struct op *op = call_op(call, OP_NAMED_PUT);
	return op && secrets_name(call, op);
}

bool secrets_decode_rekey(struct call *call)
{
	struct json json;
	body_json(call, &json);
	return json_read_fields(&json, NULL, 0, NULL, NULL, NULL) && json_finish(&json);
}

bool secrets_decode_delete(struct call *call)
{
	struct op *op = call_op(call, OP_NAMED_DELETE);
	return op && secrets_name(call, op);
}

bool secrets_decode_list(struct call *call)
{
	const struct param_value *limit = call_param(call, "limit");
	struct op *op = call_op(call, OP_NAMEDS);
	if (!op)
		return false;
	op->named.kind = NAMED_SECRET;
	op->named.limit = limit->given ? (uint32_t)limit->number : PAGE_DEFAULT;
	op->named.named.namespace_name = call_param(call, "namespace")->text;
	return !cursor_parse(call_param(call, "cursor")->text, &call->request.arena, &op->named.after, &call->problem);
}

/* ---- sealing ---- */

static enum err secrets_seal(struct call *call, struct op_named *named)
{
	unsigned char nonce[SECRET_NONCE_BYTES];
	struct buf sealed;
	api_random(call->api, nonce, sizeof(nonce));
	buf_init(&sealed, LIMIT_NAMED_BYTES);
	enum err err = secret_seal_body(call->api->config.secrets, namespace_of(named->named.namespace_name), named->named.name,
					buf_str(&call->request.body), nonce, &sealed, &call->problem);
	named->replace = true;
	named->text = err ? (struct str){ 0 } : arena_str(&call->request.arena, buf_str(&sealed));
	buf_fini(&sealed);
	return err || named->text.ptr ? err : E_NOMEM;
}

void secrets_store(struct call *call)
{
	enum err err = secrets_seal(call, &call->request.ops[0].named);
	if (err)
		call_refuse(call, err);
	else
		call_run(call);
}

/* ---- rotating ---- */

void call_make_secret(struct call *call, enum signing_scheme scheme)
{
	unsigned char random[32];
	struct buf text = { .ptr = call->secret_text, .capacity = sizeof(call->secret_text) - 1, .max_bytes = sizeof(call->secret_text) - 1 };
	api_random(call->api, random, sizeof(random));
	signing_key_write(&text, scheme, random);
	CHECK(buf_ok(&text)); /* 6 and 44 characters */
	call->secret_text[text.len] = '\0';
	bytes_wipe(random, sizeof(random));
}

static enum err secrets_rotate_text(struct call *call, struct op_named *named)
{
	unsigned char nonce[SECRET_NONCE_BYTES];
	char edwards[sizeof(call->secret_text)];
	struct buf sealed;
	api_random(call->api, nonce, sizeof(nonce));
	call_make_secret(call, SIGNING_V1A);
	memcpy(edwards, call->secret_text, sizeof(edwards));
	call_make_secret(call, SIGNING_V1);
	buf_init(&sealed, LIMIT_NAMED_BYTES);
	struct secret_rotation rotation = {
		.namespace_name = namespace_of(named->named.namespace_name), .name = named->named.name, .body = buf_str(&call->request.body),
		.fresh = str_of(call->secret_text), .fresh_v1a = str_of(edwards), .now_us = call_now_us(call), .nonce = nonce, .out = &sealed,
	};
	enum err err = secret_rotate_body(call->api->config.secrets, &rotation, &call->problem);
	named->replace = true;
	named->over = rotation.version;
	named->text = err ? (struct str){ 0 } : arena_str(&call->request.arena, buf_str(&sealed));
	buf_fini(&sealed);
	if (err || !rotation.took)
		bytes_wipe(call->secret_text, sizeof(call->secret_text)); /* nothing to tell */
	else if (rotation.took == SECRET_MAKE_V1A)
		memcpy(call->secret_text, edwards, sizeof(edwards));
	bytes_wipe(edwards, sizeof(edwards));
	return err || named->text.ptr ? err : E_NOMEM;
}

void secrets_rotate(struct call *call)
{
	enum err err = secrets_rotate_text(call, &call->request.ops[0].named);
	if (err)
		call_refuse(call, err);
	else
		call_run(call);
}

/* ---- under another key ---- */

/* As it is; secrets_rekey seals it anew once the door is open again. */
static bool rekey_take(void *context, struct str namespace_name, struct str name, struct str sealed, uint64_t version)
{
	struct call *call = context;
	struct arena *arena = &call->request.arena;
	struct op *op = call_op(call, OP_NAMED_PUT);
	if (!op)
		return false;
	op->named = (struct op_named){ .kind = NAMED_SECRET, .named = { arena_str(arena, namespace_name), arena_str(arena, name) },
				       .text = arena_str(arena, sealed), .replace = true, .over = version };
	if (!op->named.named.namespace_name.ptr || !op->named.named.name.ptr || !op->named.text.ptr)
		problem_set(&call->problem, E_NOMEM, "", "There was no memory for it.");
	return !call->problem.err;
}

static enum err rekey_seal(struct call *call, struct op_named *named)
{
	unsigned char nonce[SECRET_NONCE_BYTES];
	struct buf sealed;
	bool needed;
	api_random(call->api, nonce, sizeof(nonce));
	buf_init(&sealed, LIMIT_NAMED_BYTES);
	enum err err = secret_reseal(call->api->config.secrets, named->named.namespace_name, named->named.name, named->text, nonce, &needed, &sealed,
				     &call->problem);
	if (!err && needed)
		named->text = arena_str(&call->request.arena, buf_str(&sealed));
	buf_fini(&sealed);
	return err || named->text.ptr ? err : E_NOMEM;
}

void secrets_rekey(struct call *call)
{
	call->number = secrets_under_old_keys(call->api->config.secrets, REKEY_AT_ONCE, rekey_take, call);
	enum err err = call->problem.err;
	for (uint32_t i = 0; i < call->request.op_count && !err; i++)
		err = rekey_seal(call, &call->request.ops[i].named);
	call->single = false; /* each stands alone: one that was changed meanwhile is looked at the next time */
	if (err)
		call_refuse(call, err);
	else if (call->request.op_count)
		call_run(call);
	else
		call_encode(call);
}

void secrets_encode_rekeyed(struct call *call, struct buf *out)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < call->request.op_count; i++)
		done += call->request.ops[i].result.err == E_OK;
	buf_add_byte(out, '{');
	json_put_field_u64(out, "rekeyed", done);
	json_put_field_u64(out, "left", call->number + call->request.op_count - done);
	buf_add_byte(out, '}');
}

/* ---- answers ---- */

static void values_write(struct buf *out, const struct secret_told *told)
{
	json_put_field_str(out, "key", str_of(told->key));
	json_put_field_bool(out, "sealed", told->sealed);
	json_put_key(out, "values");
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < told->count; i++) {
		json_put_comma(out);
		buf_add_byte(out, '{');
		json_put_field_instant(out, "until_at", told->until_us[i]);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

static void secret_write(struct buf *out, struct call *call, const struct named_info *info, bool values)
{
	struct secret_told told;
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", info->named.name);
	json_put_field_str(out, "namespace", namespace_of(info->named.namespace_name));
	if (values) {
		secret_tell(call->api->config.secrets, namespace_of(info->named.namespace_name), info->named.name, &told);
		values_write(out, &told);
	}
	namers_write(out, info);
	json_put_field_instant(out, "created_at", info->created_us);
	json_put_field_instant(out, "changed_at", info->changed_us);
	json_put_field_u64(out, "version", info->version);
	if (call->secret_text[0])
		json_put_field_str(out, "value", str_of(call->secret_text));
	buf_add_byte(out, '}');
}

static void elsewhere_write(void *context, enum secret_place place, struct str name)
{
	struct buf *out = context;
	json_put_comma(out);
	buf_add_byte(out, '{');
	json_put_field_str(out, "name", name);
	json_put_field_str(out, "place", str_of(secret_place_word(place)));
	buf_add_byte(out, '}');
}

static void secrets_write(struct buf *out, struct call *call, const struct op *op)
{
	const struct op_result *result = &op->result;
	buf_add_lit(out, "{\"secrets\":[");
	for (uint32_t i = 0; i < result->count; i++) {
		json_put_comma(out);
		secret_write(out, call, &result->nameds[i], true);
	}
	buf_add_lit(out, "],\"elsewhere\":[");
	struct secret_snapshot *held = op->named.after.len ? NULL : secrets_hold(call->api->config.secrets); /* with the first page */
	for (enum secret_place place = 0; held && place < SECRET_STORE; place++)
		secret_names(held, place, namespace_of(op->named.named.namespace_name), elsewhere_write, out);
	secret_snapshot_drop(held);
	buf_add_byte(out, ']');
	cursor_put_next(out, &call->request.arena, result->more && result->count ? &result->nameds[result->count - 1].named.name : NULL);
	buf_add_byte(out, '}');
}

void secrets_encode(struct call *call, struct buf *out)
{
	const struct op *op = &call->request.ops[0];
	if (op->kind == OP_NAMEDS)
		secrets_write(out, call, op);
	else if (op->kind == OP_NAMED_PUT)
		secret_write(out, call, op->result.nameds, false); /* what it holds is known here a moment later */
}
