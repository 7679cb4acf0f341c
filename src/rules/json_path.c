#include "rules/json_path.h"

struct step {
	enum { STEP_MEMBER, STEP_ITEM, STEP_ALL } kind;
	struct str name;
	uint64_t index;
};

static bool is_name(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || (unsigned char)c >= 0x80;
}

static bool step_dot(struct str *rest, struct step *out)
{
	size_t len = 1;
	while (len < rest->len && is_name(rest->ptr[len]))
		len++;
	*out = (struct step){ .kind = STEP_MEMBER, .name = { rest->ptr + 1, len - 1 } };
	*rest = str_from(*rest, len);
	return len > 1;
}

static bool step_bracket(struct str *rest, struct step *out)
{
	char quote = rest->len > 1 ? rest->ptr[1] : '\0';
	if (quote == '"' || quote == '\'') {
		struct str name = str_from(*rest, 2);
		name.len = str_index(name, quote);
		*out = (struct step){ .kind = STEP_MEMBER, .name = name };
		*rest = str_from(*rest, name.len + 3);
		bool closed = rest->len && rest->ptr[0] == ']';
		*rest = str_from(*rest, 1);
		return closed;
	}
	size_t end = str_index(*rest, ']');
	struct str inside = { rest->ptr + 1, end ? end - 1 : 0 };
	bool closed = end < rest->len;
	*rest = str_from(*rest, end + 1);
	*out = (struct step){ .kind = str_eq(inside, STR("*")) ? STEP_ALL : STEP_ITEM };
	return closed && (out->kind == STEP_ALL || str_u64(inside, &out->index));
}

static bool step_next(struct str *rest, struct step *out)
{
	return rest->ptr[0] == '.' ? step_dot(rest, out) : rest->ptr[0] == '[' && step_bracket(rest, out);
}

const char *json_path_refusal(struct str path)
{
	_Static_assert(JSON_PATH_BYTES == 512, "the sentence below names the limit");
	struct step step;
	if (path.len > JSON_PATH_BYTES)
		return "A path has at most 512 bytes.";
	if (!path.len || path.ptr[0] != '$')
		return "A path begins with $, as in $.id or $.records[0].id.";
	for (struct str rest = str_from(path, 1); rest.len;)
		if (!step_next(&rest, &step))
			return "After $ a path has steps: .name, [\"name\"], [0] or [*].";
	return NULL;
}

static size_t find(const struct json_node *node, struct str rest, const struct json_node **out, size_t max, size_t found)
{
	struct step step;
	if (!rest.len) {
		if (found < max)
			out[found] = node;
		return found + 1;
	}
	if (!step_next(&rest, &step))
		return found;
	if (step.kind == STEP_MEMBER) {
		const struct json_node *member = json_tree_member(node, step.name);
		return member ? find(member, rest, out, max, found) : found;
	}
	uint64_t index = 0;
	if (node->type == JSON_ARRAY)
		for (const struct json_node *item = node->first; item; item = item->next, index++)
			if (step.kind == STEP_ALL || index == step.index)
				found = find(item, rest, out, max, found);
	return found;
}

size_t json_path_find(const struct json_node *root, struct str path, const struct json_node **out, size_t max)
{
	return path.len && path.ptr[0] == '$' ? find(root, str_from(path, 1), out, max, 0) : 0;
}
