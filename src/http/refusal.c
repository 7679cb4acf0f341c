#include "http/refusal.h"
#include "base/check.h"
#include "base/json.h"
#include "http/parser.h"

static const struct {
	int status;
	enum err err;
	const char *detail;
} refusals[HTTP_REFUSAL_COUNT] = {
#define X(name, status_, code, detail_) [HTTP_REFUSE_##name] = { status_, E_##code, detail_ },
#include "http/refusal.def"
#undef X
};

int http_refusal_status(enum http_refusal refusal)
{
	CHECK(refusal > HTTP_REFUSE_NOTHING);
	CHECK(refusal < HTTP_REFUSAL_COUNT);
	return refusals[refusal].status;
}

void http_refusal_body(enum http_refusal refusal, struct buf *out)
{
	int status = http_refusal_status(refusal);
	buf_add_byte(out, '{');
	json_put_field_str(out, "type", STR("about:blank"));
	json_put_field_str(out, "title", str_of(http_reason(status)));
	json_put_field_i64(out, "status", status);
	json_put_field_str(out, "code", str_of(err_code(refusals[refusal].err)));
	json_put_field_str(out, "detail", str_of(refusals[refusal].detail));
	buf_add_byte(out, '}');
}

const char *http_reason(int status)
{
	switch (status) {
#define XX(number, name, phrase) case number: return #phrase;
		HTTP_STATUS_MAP(XX)
#undef XX
	default: return "";
	}
}
