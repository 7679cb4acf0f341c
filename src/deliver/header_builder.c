#include "deliver/header_builder.h"
#include "base/json.h"
#include "base/limits.h"
#include "deliver/target.h"

void header_builder_init(struct header_builder *builder, struct arena *arena, uint32_t capacity)
{
	*builder = (struct header_builder){ .arena = arena, .lines = ARENA_ARRAY(arena, const char *, capacity), .capacity = capacity };
	builder->failed = !builder->lines;
}

void header_builder_add_line(struct header_builder *builder, const char *line)
{
	builder->failed |= !line || builder->count == builder->capacity;
	if (!builder->failed)
		builder->lines[builder->count++] = line;
}

void header_builder_add(struct header_builder *builder, struct str name, struct str value)
{
	header_builder_add_line(builder, value.ptr ? header_line_make(builder->arena, name, value) : NULL);
}

void header_builder_add_trace(struct header_builder *builder, struct str trace)
{
	struct json json;
	struct str name = { NULL, 0 }, value;
	if (!trace.len)
		return;
	json_init(&json, trace, builder->arena, NULL);
	if (!json_enter_object(&json))
		return;
	while (json_next_key(&json, &name)) {
		bool known = str_eq(name, STR("traceparent")) || str_eq(name, STR("tracestate"));
		if (!known || json_peek(&json) != JSON_STRING) {
			if (!json_skip(&json))
				return;
			continue;
		}
		if (!json_read_str(&json, LIMIT_TRACE_BYTES, &value))
			return;
		header_builder_add(builder, name, header_value_encode(builder->arena, value));
	}
}
