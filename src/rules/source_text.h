/* src/rules/source_text.h: texts with places for what an incoming webhook says: {header:x-github-event} is one of its headers, {$.repository.id} what
 * its body has at a path (json_path.h: the first of several; texts, numbers, true and false). A text that is one place alone needs no braces:
 * header:request-id, $.id. Pure. */
#pragma once
#include "base/buf.h"
#include "base/json_tree.h"
#include "rules/verifier.h"

/* NULL, or a sentence that says what is wrong with the text. */
const char *source_text_refusal(struct str text);
/* What is not of a place, piece by piece, until visit answers false; answers whether all were visited. The text was accepted above. */
bool source_text_each_word(struct str text, bool (*visit)(struct str word));
/* Might the text, its places filled, be this one? */
bool source_text_may_be(struct str text, struct str value);
/* Appends. False: a place finds nothing, which is told; what was written by then is of no use. body NULL: it has nothing. */
bool source_text_fill(struct str text, const struct incoming *incoming, const struct json_node *body, struct buf *out, struct str *out_missing);
