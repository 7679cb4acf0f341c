/* src/engine/command.c: the names of what can be asked. */
#include "engine/command.h"

const char *op_kind_name(enum op_kind kind)
{
#define X(name, text, scope) [OP_##name] = text,
	static const char *const names[OP_KIND_COUNT] = { OP_KINDS(X) };
#undef X
	return names[kind];
}

enum err op_kind_parse(struct str name, enum op_kind *out)
{
	for (int kind = 0; kind < OP_KIND_COUNT; kind++) {
		const char *text = op_kind_name((enum op_kind)kind);
		if (text && str_eq(name, str_of(text))) {
			*out = (enum op_kind)kind;
			return E_OK;
		}
	}
	return E_INVALID;
}

#define REPLAY_ACTION "replay"

const char *operation_action_name(enum op_kind action)
{
	return action == OP_RESEND ? REPLAY_ACTION : op_kind_name(action);
}

enum err operation_action_parse(struct str name, enum op_kind *out)
{
	if (!str_eq(name, STR(REPLAY_ACTION)))
		return op_kind_parse(name, out);
	*out = OP_RESEND;
	return E_OK;
}

enum scope op_kind_scope(enum op_kind kind)
{
#define X(name, text, scope) [OP_##name] = SCOPE_##scope,
	static const enum scope scopes[OP_KIND_COUNT] = { OP_KINDS(X) };
#undef X
	return scopes[kind];
}

const char *explain_code_name(enum explain_code code)
{
#define X(name, text) [EXPLAIN_##name] = text,
	static const char *const names[EXPLAIN_CODE_COUNT] = { EXPLAIN_CODES(X) };
#undef X
	return names[code];
}

const char *event_type_name(enum event_type type)
{
#define X(name, text) [EVENT_##name] = text,
	static const char *const names[EVENT_TYPE_COUNT] = { EVENT_TYPES(X) };
#undef X
	return names[type];
}
