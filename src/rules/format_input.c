#include "rules/format_input.h"
#include "base/json.h"

void format_input_write(const struct format_input *input, struct buf *out)
{
	buf_add_lit(out, "{\"message\":{");
	json_put_field_str(out, "id", input->id);
	json_put_field_str(out, "type", input->type);
	json_put_field_instant(out, "timestamp", input->at_us);
	json_put_field_text(out, "entity", input->entity);
	json_put_field_raw(out, "channels", input->channels.len ? input->channels : STR("[]"));
	json_put_field_bool(out, "deleted", input->deleted);
	json_put_field_raw(out, "metadata", input->metadata.len ? input->metadata : STR("{}"));
	buf_add_lit(out, "},\"endpoint\":{");
	json_put_field_text(out, "name", input->endpoint);
	json_put_field_raw(out, "tags", input->tags.len ? input->tags : STR("[]"));
	json_put_field_raw(out, "metadata", input->endpoint_metadata.len ? input->endpoint_metadata : STR("{}"));
	buf_add_byte(out, '}');
	json_put_field_text(out, "external_id", input->external_id);
	json_put_field_u64(out, "attempt", input->attempt);
	json_put_field_raw(out, "payload", input->payload);
	buf_add_byte(out, '}');
}
