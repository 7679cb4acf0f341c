/* src/api/secrets.c: secrets of the store. A value comes in, is sealed before anybody else sees it, and never goes out again. */
#include "api/body.h"
#include "api/cursor.h"
#include "api/routes.h"
#include "secret/secret.h"

#define PAGE_DEFAULT 100

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
	json_put_field_instant(out, "created_at", info->created_us);
	json_put_field_instant(out, "changed_at", info->changed_us);
	json_put_field_u64(out, "version", info->version);
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
	buf_add_lit(out, "],\"next_cursor\":");
	if (result->more && result->count)
		cursor_write(out, &call->request.arena, result->nameds[result->count - 1].named.name);
	else
		buf_add_lit(out, "null");
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
