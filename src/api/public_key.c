/* src/api/public_key.c: what receivers of an endpoint's v1a signatures verify with. */
#include "api/body.h"
#include "api/routes.h"
#include "base/crypto.h"
#include "rules/endpoint.h"
#include "rules/signature.h"
#include "secret/secret.h"

static enum err public_key_reference(struct call *call, const struct named_info *info, struct str *out)
{
	struct endpoint_settings settings;
	struct problem problem = { 0 };
	struct json json;
	endpoint_settings_default(&settings);
	json_init(&json, info->text, &call->request.arena, &problem);
	if (!endpoint_settings_read(&json, &settings))
		return problem.err == E_NOMEM ? E_NOMEM
		                              : problem_set(&call->problem, E_STATE, "", "The settings of this endpoint cannot be read: put them anew.");
	if (settings.sign.kind != ENDPOINT_SIGN_V1A && settings.sign.kind != ENDPOINT_SIGN_BOTH)
		return problem_set(&call->problem, E_STATE, "", "This endpoint does not sign by v1a: sign.kind says how it does.");
	*out = settings.sign.kind == ENDPOINT_SIGN_BOTH ? settings.sign.secret_v1a : settings.sign.secret;
	if (!out->len)
		*out = str_of(arena_printf(&call->request.arena, "endpoint/" STR_FMT, STR_ARG(info->named.name)));
	return out->ptr ? E_OK : E_NOMEM;
}

/* The current one first; a key of the other scheme, or none at all, is passed over, as when a call is signed. */
static enum err public_keys_add(struct buf *keys, const struct secret *secret)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < secret->count && !err; i++) {
		struct signing_key key;
		bool usable = !signing_key_read(secret->values[i].bytes, &key, NULL) && key.scheme == SIGNING_V1A;
		if (usable) {
			json_put_comma(keys);
			buf_add_byte(keys, '"');
			err = signing_key_write_public(keys, &key);
			buf_add_byte(keys, '"');
		}
		bytes_wipe(&key, sizeof(key));
	}
	return err;
}

static enum err public_keys_find(struct call *call, const struct named_info *info, struct buf *keys)
{
	struct secrets *secrets = call->api->config.secrets;
	struct secret secret;
	struct str reference;
	enum err err = public_key_reference(call, info, &reference);
	struct secret_snapshot *held = err ? NULL : secrets_hold(secrets);
	if (err || !held)
		return err ? err : E_NOMEM;
	if (secret_find(held, namespace_of(info->named.namespace_name), reference, call_now_us(call), &secret))
		err = public_keys_add(keys, &secret);
	secret_snapshot_drop(held);
	if (!err && !keys->len && buf_ok(keys))
		err = problem_set(&call->problem, E_SECRET_NOT_FOUND, "", "The secret \"" STR_FMT "\" holds no Ed25519 key (whsk_…).", STR_ARG(reference));
	return err;
}

static void public_key_found(struct call *call)
{
	const struct request *request = &call->request;
	struct buf *out = &call->api->scratch;
	struct buf keys;
	enum err err = request->err ? request->err : request->ops[0].result.err;
	buf_init(&keys, 4096);
	if (!err)
		err = public_keys_find(call, request->ops[0].result.nameds, &keys);
	if (err) {
		call_refuse(call, err);
	} else {
		buf_clear(out);
		buf_add_lit(out, "{\"public_keys\":[");
		buf_add(out, buf_str(&keys));
		buf_add_lit(out, "]}");
		out->failed |= !buf_ok(&keys);
		if (buf_ok(out))
			call_respond(call, 200, STR("application/json"), STR(""), out);
		else
			call_refuse(call, E_NOMEM);
	}
	buf_fini(&keys);
}

void public_key_get(struct call *call)
{
	if (access_check(call))
		call_submit(call, public_key_found);
	else
		call_refuse(call, call->problem.err);
}
