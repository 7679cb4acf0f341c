/* src/rules/match.h: does a payload match a content filter? The language is the one that Hookdeck's Outpost and Convoy share
 * (https://hookdeck.com/docs/filters), without references. Pure.
 *
 *   {"type": "updated"}                     a member has this value; a list has it among its items
 *   {"sheet": {"tags": ["a", "b"]}}         a list has all of these
 *   {"budget": {"$gte": 1000, "$lt": 5000}} conditions on one value hold together: $eq $neq $gt $gte $lt $lte $in $nin $startsWith $endsWith $exist
 *   {"$or": [{…}, {…}], "$not": {…}}        $or, $and: lists of filters; $not: a filter
 *
 * A filter on objects holds for a list when it holds for one of its items. What is not there matches nothing but {"$exist": false},
 * $neq, $nin and $not. */
#pragma once
#include "base/json_tree.h"

#define MATCH_FILTER_BYTES 16384
#define MATCH_FILTER_DEPTH 16

/* Reads one filter from an envelope; text is its JSON, verbatim. False: refused, with the field and the reason. */
bool match_read_filter(struct json *json, struct str *text);
/* Both read by json_tree_read; the filter was accepted by match_read_filter. value NULL: it is not there. */
bool match(const struct json_node *filter, const struct json_node *value);
