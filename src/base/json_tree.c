#include "base/json_tree.h"
#include <float.h>
#include <math.h>

/* ---- reading ---- */

static struct json_node *node_new(struct json *json, enum json_type type)
{
	struct json_node *node = ARENA_NEW(json->arena, struct json_node);
	if (node)
		node->type = type;
	else
		json_refuse(json, E_NOMEM, "Out of memory.");
	return node;
}

/* A number beyond a double is one all the same, and a string that holds NUL is kept as it stands, so that it equals no other. */
static bool read_scalar(struct json *json, struct json_node *node)
{
	struct problem problem = { 0 };
	struct json own;
	if (!json_read_raw(json, &node->text))
		return false;
	json_init(&own, node->text, json->arena, &problem);
	if (node->type == JSON_NUMBER) {
		node->whole = str_i64(node->text, &node->integer);
		if (!json_read_double(&own, -DBL_MAX, DBL_MAX, &node->number))
			node->number = *node->text.ptr == '-' ? -INFINITY : INFINITY;
	} else if (node->type == JSON_STRING && !json_read_str(&own, node->text.len, &node->text) && problem.err == E_NOMEM) {
		return json_refuse(json, E_NOMEM, "Out of memory.");
	}
	return true;
}

static struct json_node *read_node(struct json *json);

static bool read_items(struct json *json, struct json_node *node)
{
	struct json_node **last = &node->first;
	uint32_t index;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		*last = read_node(json);
		if (!*last)
			return false;
		last = &(*last)->next;
	}
	return !json->failed;
}

static bool read_members(struct json *json, struct json_node *node)
{
	struct json_node **last = &node->first;
	struct str key;
	if (!json_enter_object(json))
		return false;
	while (json_next_key(json, &key)) {
		*last = read_node(json);
		if (!*last)
			return false;
		(*last)->key = key;
		last = &(*last)->next;
	}
	return !json->failed;
}

static struct json_node *read_node(struct json *json)
{
	struct json_node *node = node_new(json, json_peek(json));
	const char *begin = json->next;
	if (!node)
		return NULL;
	if (node->type != JSON_ARRAY && node->type != JSON_OBJECT)
		return read_scalar(json, node) ? node : NULL;
	if (!(node->type == JSON_ARRAY ? read_items(json, node) : read_members(json, node)))
		return NULL;
	node->text = (struct str){ begin, (size_t)(json->next - begin) };
	return node;
}

enum err json_tree_read(struct str text, struct arena *arena, struct json_node **out, struct problem *problem)
{
	struct json json;
	struct problem own = { 0 };
	json_init(&json, text, arena, problem ? problem : &own);
	*out = read_node(&json);
	if (*out && json_finish(&json))
		return E_OK;
	*out = NULL;
	return json.problem->err;
}

/* ---- looking ---- */

const struct json_node *json_tree_member(const struct json_node *object, struct str key)
{
	const struct json_node *found = NULL;
	if (object->type == JSON_OBJECT)
		for (const struct json_node *member = object->first; member; member = member->next)
			if (str_eq(member->key, key))
				found = member;
	return found;
}

bool json_tree_compare(const struct json_node *a, const struct json_node *b, int *order)
{
	if (a->type != b->type || (a->type != JSON_NUMBER && a->type != JSON_STRING))
		return false;
	if (a->type == JSON_STRING)
		*order = str_cmp(a->text, b->text);
	else if (a->whole && b->whole)
		*order = (a->integer > b->integer) - (a->integer < b->integer);
	else
		*order = (a->number > b->number) - (a->number < b->number);
	return true;
}

static bool items_equal(const struct json_node *a, const struct json_node *b)
{
	const struct json_node *left = a->first, *right = b->first;
	for (; left && right && json_tree_equal(left, right); left = left->next)
		right = right->next;
	return !left && !right;
}

/* Each of a's is one of b's. A key that comes twice with two values is in no other object. */
static bool members_within(const struct json_node *a, const struct json_node *b)
{
	for (const struct json_node *member = a->first; member; member = member->next) {
		const struct json_node *other = json_tree_member(b, member->key);
		if (!other || !json_tree_equal(member, other))
			return false;
	}
	return true;
}

bool json_tree_equal(const struct json_node *a, const struct json_node *b)
{
	int order;
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case JSON_NUMBER: case JSON_STRING: return json_tree_compare(a, b, &order) && order == 0;
	case JSON_ARRAY: return items_equal(a, b);
	case JSON_OBJECT: return members_within(a, b) && members_within(b, a);
	case JSON_NULL: case JSON_BOOL: case JSON_INVALID: break;
	}
	return str_eq(a->text, b->text);
}
