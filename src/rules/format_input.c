#include "rules/format_input.h"
#include "base/json.h"

static void put_text(struct buf *out, const char *key, struct str text) /* empty: null */
{
	if (text.len)
		json_put_field_str(out, key, text);
	else
		json_put_field_null(out, key);
}

static void put_json(struct buf *out, const char *key, struct str text, struct str otherwise)
{
	json_put_field_raw(out, key, text.len ? text : otherwise);
}

void format_input_write(const struct format_input *input, struct buf *out)
{
	buf_add_lit(out, "{\"message\":{");
	json_put_field_str(out, "id", input->id);
	json_put_field_str(out, "type", input->type);
	json_put_field_instant(out, "timestamp", input->at_us);
	put_text(out, "entity", input->entity);
	put_json(out, "channels", input->channels, STR("[]"));
	json_put_field_bool(out, "deleted", input->deleted);
	put_json(out, "metadata", input->metadata, STR("{}"));
	buf_add_lit(out, "},\"endpoint\":{");
	put_text(out, "name", input->endpoint);
	put_json(out, "tags", input->tags, STR("[]"));
	put_json(out, "metadata", input->endpoint_metadata, STR("{}"));
	buf_add_byte(out, '}');
	put_text(out, "external_id", input->external_id);
	json_put_field_u64(out, "attempt", input->attempt);
	json_put_field_raw(out, "payload", input->payload);
	buf_add_byte(out, '}');
}
