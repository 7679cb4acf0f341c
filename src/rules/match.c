#include "rules/match.h"
#include "base/suggest.h"

/* ---- operators ---- */

static bool any_item(const struct json_node *value, const struct json_node *operand, bool (*holds)(const struct json_node *, const struct json_node *))
{
	if (value->type != JSON_ARRAY)
		return holds(value, operand);
	for (const struct json_node *item = value->first; item; item = item->next)
		if (holds(item, operand))
			return true;
	return false;
}

static bool is_above(const struct json_node *value, const struct json_node *operand)
{
	int order;
	return json_tree_compare(value, operand, &order) && order > 0;
}
static bool is_below(const struct json_node *value, const struct json_node *operand)
{
	int order;
	return json_tree_compare(value, operand, &order) && order < 0;
}
static bool is_same(const struct json_node *value, const struct json_node *operand)
{
	int order;
	return json_tree_compare(value, operand, &order) && order == 0;
}

static bool str_ends(struct str s, struct str end)
{
	return s.len >= end.len && str_eq(str_from(s, s.len - end.len), end);
}

static bool str_holds(struct str s, struct str part)
{
	for (size_t i = 0; i + part.len <= s.len; i++)
		if (str_starts(str_from(s, i), part))
			return true;
	return false;
}

static bool is_among(const struct json_node *value, const struct json_node *operand)
{
	if (operand->type == JSON_STRING && value->type == JSON_STRING)
		return str_holds(value->text, operand->text);
	for (const struct json_node *one = operand->type == JSON_ARRAY ? operand->first : NULL; one; one = one->next)
		if (json_tree_equal(value, one))
			return true;
	return operand->type != JSON_ARRAY && json_tree_equal(value, operand);
}

static bool any_text(const struct json_node *value, const struct json_node *operand, bool (*holds)(struct str, struct str))
{
	if (value->type != JSON_STRING)
		return false;
	if (operand->type == JSON_STRING)
		return holds(value->text, operand->text);
	for (const struct json_node *one = operand->first; one; one = one->next)
		if (holds(value->text, one->text))
			return true;
	return false;
}
static bool starts(const struct json_node *value, const struct json_node *operand)
{
	return any_text(value, operand, str_starts);
}
static bool ends(const struct json_node *value, const struct json_node *operand)
{
	return any_text(value, operand, str_ends);
}

static bool any_filter(const struct json_node *filters, const struct json_node *value)
{
	for (const struct json_node *one = filters->first; one; one = one->next)
		if (match(one, value))
			return true;
	return false;
}
static bool all_filters(const struct json_node *filters, const struct json_node *value)
{
	for (const struct json_node *one = filters->first; one; one = one->next)
		if (!match(one, value))
			return false;
	return true;
}

enum operand {
	OPERAND_ANY,     /* any value */
	OPERAND_ORDERED, /* a number or a string */
	OPERAND_SET,     /* a string, a number or a list of values */
	OPERAND_TEXTS,   /* a string or a list of strings */
	OPERAND_BOOL,
	OPERAND_FILTER,
	OPERAND_FILTERS, /* a list of filters, at least one */
};

static bool op_eq(const struct json_node *operand, const struct json_node *value)
{
	return value && json_tree_equal(value, operand);
}
static bool op_neq(const struct json_node *operand, const struct json_node *value)
{
	return !op_eq(operand, value);
}
static bool op_gt(const struct json_node *operand, const struct json_node *value)
{
	return value && any_item(value, operand, is_above);
}
static bool op_lt(const struct json_node *operand, const struct json_node *value)
{
	return value && any_item(value, operand, is_below);
}
static bool op_gte(const struct json_node *operand, const struct json_node *value)
{
	return value && (any_item(value, operand, is_above) || any_item(value, operand, is_same));
}
static bool op_lte(const struct json_node *operand, const struct json_node *value)
{
	return value && (any_item(value, operand, is_below) || any_item(value, operand, is_same));
}
static bool op_in(const struct json_node *operand, const struct json_node *value)
{
	return value && any_item(value, operand, is_among);
}
static bool op_nin(const struct json_node *operand, const struct json_node *value)
{
	return !op_in(operand, value);
}
static bool op_starts(const struct json_node *operand, const struct json_node *value)
{
	return value && any_item(value, operand, starts);
}
static bool op_ends(const struct json_node *operand, const struct json_node *value)
{
	return value && any_item(value, operand, ends);
}
static bool op_exist(const struct json_node *operand, const struct json_node *value)
{
	return (value != NULL) == str_eq(operand->text, STR("true"));
}
static bool op_not(const struct json_node *operand, const struct json_node *value)
{
	return !match(operand, value);
}

static const struct operator {
	const char *name;
	enum operand operand;
	bool (*holds)(const struct json_node *operand, const struct json_node *value);
} operators[] = {
	{ "$eq", OPERAND_ANY, op_eq },           { "$neq", OPERAND_ANY, op_neq },         { "$gt", OPERAND_ORDERED, op_gt },
	{ "$gte", OPERAND_ORDERED, op_gte },     { "$lt", OPERAND_ORDERED, op_lt },       { "$lte", OPERAND_ORDERED, op_lte },
	{ "$in", OPERAND_SET, op_in },           { "$nin", OPERAND_SET, op_nin },         { "$startsWith", OPERAND_TEXTS, op_starts },
	{ "$endsWith", OPERAND_TEXTS, op_ends }, { "$exist", OPERAND_BOOL, op_exist },    { "$or", OPERAND_FILTERS, any_filter },
	{ "$and", OPERAND_FILTERS, all_filters }, { "$not", OPERAND_FILTER, op_not },
};

static const struct operator *operator_named(struct str name)
{
	for (size_t i = 0; i < ARRAY_COUNT(operators); i++)
		if (str_eq(name, str_of(operators[i].name)))
			return &operators[i];
	return NULL;
}

/* ---- matching ---- */

static bool match_object(const struct json_node *filter, const struct json_node *value)
{
	for (const struct json_node *member = filter->first; member; member = member->next) {
		const struct operator *operator = operator_named(member->key);
		if (operator ? !operator->holds(member, value) : !match(member, value ? json_tree_member(value, member->key) : NULL))
			return false;
	}
	return true;
}

static bool has_fields(const struct json_node *filter)
{
	for (const struct json_node *member = filter->first; member; member = member->next)
		if (!operator_named(member->key))
			return true;
	return false;
}

bool match(const struct json_node *filter, const struct json_node *value)
{
	if (filter->type == JSON_OBJECT && value && value->type == JSON_ARRAY && has_fields(filter)) {
		for (const struct json_node *item = value->first; item; item = item->next)
			if (match_object(filter, item))
				return true;
		return false;
	}
	if (filter->type == JSON_OBJECT)
		return match_object(filter, value);
	if (!value)
		return false;
	if (filter->type == JSON_ARRAY)
		return value->type == JSON_ARRAY && all_filters(filter, value);
	return any_item(value, filter, json_tree_equal);
}

/* ---- reading ---- */

static bool read_filter(struct json *json, uint32_t depth);

static bool read_filters(struct json *json, uint32_t depth, bool needs_one)
{
	uint32_t index, count = 0;
	if (!json_enter_array(json))
		return false;
	for (; json_next_item(json, &index); count++)
		if (!read_filter(json, depth + 1))
			return false;
	if (!json->failed && needs_one && !count)
		return json_refuse(json, E_INVALID, "At least one filter is needed.");
	return !json->failed;
}

static bool read_texts(struct json *json)
{
	struct str text;
	uint32_t index;
	if (json_peek(json) != JSON_ARRAY)
		return json_read_str(json, MATCH_FILTER_BYTES, &text);
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index))
		if (!json_read_str(json, MATCH_FILTER_BYTES, &text))
			return false;
	return !json->failed;
}

static bool read_operand(struct json *json, enum operand operand, uint32_t depth)
{
	enum json_type type = json_peek(json);
	bool value, ordered = type == JSON_NUMBER || type == JSON_STRING;
	if (json->failed)
		return false;
	switch (operand) {
	case OPERAND_ANY: return json_skip(json);
	case OPERAND_ORDERED: return ordered ? json_skip(json) : json_refuse(json, E_INVALID, "Expected a number or a string to compare with.");
	case OPERAND_SET:
		return ordered || type == JSON_ARRAY ? json_skip(json) : json_refuse(json, E_INVALID, "Expected a list of values, a string or a number.");
	case OPERAND_TEXTS: return read_texts(json);
	case OPERAND_BOOL: return json_read_bool(json, &value);
	case OPERAND_FILTER: return read_filter(json, depth + 1);
	case OPERAND_FILTERS: break;
	}
	return read_filters(json, depth, true);
}

static bool refuse_operator(struct json *json, struct str name)
{
	struct suggest suggest;
	suggest_init(&suggest, name);
	for (size_t i = 0; i < ARRAY_COUNT(operators); i++)
		suggest_offer(&suggest, operators[i].name);
	const char *near = suggest_best(&suggest);
	return near ? json_refuse(json, E_INVALID, "No such operator; did you mean %s?", near)
	            : json_refuse(json, E_INVALID,
				  "No such operator: $eq, $neq, $gt, $gte, $lt, $lte, $in, $nin, $startsWith, $endsWith, $exist, $or, $and, $not.");
}

static bool read_filter(struct json *json, uint32_t depth)
{
	struct str key;
	if (depth > MATCH_FILTER_DEPTH)
		return json_refuse(json, E_INVALID, "A filter is at most %d levels deep.", MATCH_FILTER_DEPTH);
	if (json_peek(json) == JSON_ARRAY)
		return read_filters(json, depth, false);
	if (json_peek(json) != JSON_OBJECT)
		return json_skip(json);
	if (!json_enter_object(json))
		return false;
	while (json_next_key(json, &key)) {
		const struct operator *operator = operator_named(key);
		if (!operator && key.len && key.ptr[0] == '$')
			return refuse_operator(json, key);
		if (operator ? !read_operand(json, operator->operand, depth) : !read_filter(json, depth + 1))
			return false;
	}
	return !json->failed;
}

bool match_read_filter(struct json *json, struct str *text)
{
	enum json_type type = json_peek(json);
	const char *begin = json->next;
	if (type != JSON_OBJECT && type != JSON_INVALID)
		return json_refuse(json, E_INVALID, "A filter is an object, as {\"sheet\": {\"state\": \"done\"}}.");
	if (!read_filter(json, 1))
		return false;
	*text = (struct str){ begin, (size_t)(json->next - begin) };
	return text->len <= MATCH_FILTER_BYTES || json_refuse(json, E_TOO_LARGE, "A filter is at most %d bytes.", MATCH_FILTER_BYTES);
}
