/* src/rules/url_template.h: URLs of third parties with places for what a delivery is about: {external_id}, {entity}, {type}, {message}, in path and
 * query only, never in scheme or host. Values are percent-encoded byte for byte (RFC 3986 2.3 is left as it is). Pure. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct url_values {
	struct str external_id, entity, type, message;
};

/* NULL, or a sentence that says what is wrong with the template. */
const char *url_template_refusal(struct str text);
bool url_template_has(struct str text, struct str name); /* is {name} in it? */
/* E_INVALID with the reason in problem->detail: a value is needed that is empty, or that would be read as a way up ("..") by the other side. */
MUST_USE enum err url_template_fill(struct str text, const struct url_values *values, struct buf *out, struct problem *problem);
/* Every byte that RFC 3986 2.3 does not leave as it is, as %XX. */
void url_encode(struct buf *out, struct str value);
