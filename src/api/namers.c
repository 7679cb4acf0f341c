/* src/api/namers.c: who names a format or a secret, as its answer says it. */
#include "api/routes.h"
#include "base/json.h"

void namers_write(struct buf *out, const struct named_info *info)
{
	uint64_t told = info->namer_count < NAMERS_TOLD ? info->namer_count : NAMERS_TOLD;
	if (!info->namers_known)
		return;
	json_put_key(out, "named_by");
	buf_add_byte(out, '[');
	for (uint64_t i = 0; i < told; i++) {
		json_put_comma(out);
		buf_add_byte(out, '{');
		json_put_field_str(out, "kind", info->namers[i].kind == NAMED_SOURCE ? STR("source") : STR("endpoint"));
		json_put_field_str(out, "name", info->namers[i].name);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
	json_put_field_u64(out, "named_by_count", info->namer_count);
}
