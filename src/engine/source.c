/* src/engine/source.c: settings of a source of incoming webhooks, put over those that are there. Those who receive read them; the engine keeps them, and
 * of what they say what endpoints and secrets are held against. */
#include "engine/engine_priv.h"
#include "base/json_tree.h"
#include "base/mem.h"
#include "rules/source.h"

#define SOURCE_ARENA_BYTES (64 * LIMIT_NAMED_BYTES) /* room for all that a text may hold: for want of it the daemon would not start */

_Static_assert(SOURCE_ARENA_BYTES >= LIMIT_NAMED_BYTES / 2 * sizeof(struct json_node) + LIMIT_NAMED_BYTES, "two bytes may be a node, all of them text");

/* {"verify": {"secret": …}, …}, also of settings that are otherwise not understood any more. */
static enum err source_find_secret(struct str text, struct arena *arena, struct str *out)
{
	struct json_node *settings;
	enum err err = json_tree_read(text, arena, &settings, NULL);
	if (err)
		return err == E_NOMEM ? err : E_OK;
	const struct json_node *verify = json_tree_member(settings, STR("verify"));
	const struct json_node *secret = verify ? json_tree_member(verify, STR("secret")) : NULL;
	if (secret && secret->type == JSON_STRING)
		*out = secret->text;
	return E_OK;
}

static enum err source_find_type(struct str text, struct arena *arena, struct str *out)
{
	struct source_settings settings;
	struct problem problem = { 0 };
	struct json json;
	source_settings_default(&settings);
	json_init(&json, text, arena, &problem);
	if (source_settings_read(&json, &settings) && settings.into == SOURCE_INTO_MESSAGE)
		*out = settings.type;
	return problem.err == E_NOMEM ? E_NOMEM : E_OK;
}

static struct str source_copy(char *bytes, struct str s)
{
	if (s.len)
		memcpy(bytes, s.ptr, s.len);
	return (struct str){ bytes, s.len };
}

enum err kept_source_new(struct str text, struct kept_source **out)
{
	struct str type = { 0 }, secret = { 0 };
	struct arena arena;
	arena_init(&arena, SOURCE_ARENA_BYTES);
	enum err err = source_find_secret(text, &arena, &secret);
	err = err ? err : source_find_type(text, &arena, &type);
	struct kept_source *source = err ? NULL : mem_alloc(sizeof(*source) + type.len + secret.len);
	if (source) {
		source->holders = 1;
		source->type = source_copy(source->bytes, type);
		source->secret = source_copy(source->bytes + type.len, secret);
		*out = source;
	}
	arena_fini(&arena);
	return source ? E_OK : E_NOMEM;
}

void kept_source_drop(struct kept_source *source)
{
	if (source && --source->holders == 0)
		mem_free(source);
}

enum err source_merge(struct engine *engine, struct request *request, struct op *op, uint32_t present, struct buf *out)
{
	struct source_settings settings;
	struct problem problem = { 0 };
	struct json json;
	source_settings_default(&settings);
	if (!op->named.replace && present != SLOT_NONE) {
		const struct shared_text *text = named_at(&engine->index, present)->text;
		json_init(&json, (struct str){ text->bytes, text->len }, &request->arena, &problem);
		if (!source_settings_read(&json, &settings) && problem.err != E_NOMEM)
			return refuse(request, op, E_STATE, "", "The settings that are there cannot be read: put them anew.");
	}
	problem = (struct problem){ 0 };
	json_init(&json, op->named.text, &request->arena, &problem);
	if (!source_settings_read(&json, &settings) || !json_finish(&json))
		return problem.err == E_NOMEM ? E_NOMEM : refuse(request, op, problem.err, problem.field, "%s", problem.detail);
	source_settings_write(&settings, out);
	return buf_ok(out) ? E_OK : E_NOMEM; /* what a source may say fits into LIMIT_NAMED_BYTES, however it is escaped */
}
