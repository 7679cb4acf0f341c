/* src/base/json_tree.h: a JSON text as a tree in an arena, for those that look at one value from several sides. Others pull with base/json.h. */
#pragma once
#include "base/json.h"

struct json_node {
	enum json_type type;
	bool whole;         /* JSON_NUMBER: an integer that int64_t holds */
	struct str key;     /* decoded; of a member of an object */
	struct str text;    /* JSON_STRING: decoded; all others verbatim */
	int64_t integer;    /* JSON_NUMBER and whole */
	double number;      /* JSON_NUMBER; infinite when it is beyond a double */
	struct json_node *first, *next; /* members or items in their order; of members with one key, the last is the one that counts */
};

/* The text and the arena must outlive the tree. What json_check says of a text that is no JSON, with the place in the problem (may be NULL); E_NOMEM. */
MUST_USE enum err json_tree_read(struct str text, struct arena *arena, struct json_node **out, struct problem *problem);
const struct json_node *json_tree_member(const struct json_node *object, struct str key); /* NULL: none, or not an object */
/* The same values: objects whatever the order of their members, numbers by value. */
bool json_tree_equal(const struct json_node *a, const struct json_node *b);
/* Numbers by value, strings by bytes: < 0, 0, > 0 into *order. False: these two cannot be compared. */
bool json_tree_compare(const struct json_node *a, const struct json_node *b, int *order);
