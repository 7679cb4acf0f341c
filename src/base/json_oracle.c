#include "base/json_oracle.h"
#include <jansson.h>
#include <stdio.h>

void json_oracle(struct str text, struct json_verdict *out)
{
	json_error_t error = { .text = "" };
	json_t *value = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	enum json_error_code code = value ? json_error_unknown : json_error_code(&error);
	out->accepted = value != NULL;
	out->unfit = code == json_error_numeric_overflow || code == json_error_stack_overflow ||
		     code == json_error_null_byte_in_key;
	snprintf(out->reason, sizeof(out->reason), "%s", error.text);
	json_decref(value);
}
