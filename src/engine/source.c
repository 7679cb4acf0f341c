/* src/engine/source.c: settings of a source of incoming webhooks, put over those that are there. Those who receive read them; the engine only keeps
 * them. */
#include "engine/engine_priv.h"
#include "base/json.h"
#include "rules/source.h"

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
