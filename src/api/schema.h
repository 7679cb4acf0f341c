/* src/api/schema.h: JSON Schemas (2020-12) from a short notation, for the OpenAPI document.
 *
 *   "uid:Uid name:string|null tags:Tag[] until_at?:instant"     an object with exactly these members; '?' marks the optional ones,
 *                                                               '|null' those that may be null, '[]' arrays
 *   types   string text integer count number boolean object any instant, =a,b,c (one of these words), or a schema's name
 *   "{'type':'string'}"                                         anything else, as JSON with single quotes */
#pragma once
#include "base/buf.h"
#include "base/str.h"

struct schema {
	const char *name;
	const char *text;
	const char *doc; /* may be NULL */
};
extern const struct schema schemas[];
extern const size_t schema_count;

void schema_write(struct buf *out, const struct schema *schema);
void schema_write_type(struct buf *out, struct str type); /* "Uid|null", "Tag[]", "=a,b" */
