/* src/api/hello.c: who answers here, and what it can do: what a client asks before anything else. */
#include "api/body.h"
#include "api/routes.h"

#define API_OLDEST 1 /* "/v1" */
#define API_NEWEST 1

/* What came after the first version, by name: a client that needs it looks for it here. */
static const char *const features[] = { "ranges", "metrics", "events_trim", "workers", "sweep", "past", "limiter", "queue_reset", "clock" };

void hello_get(struct call *call)
{
	struct buf *out = &call->api->scratch;
	buf_clear(out);
	buf_add_byte(out, '{');
	json_put_field_str(out, "version", str_of(call->api->config.version));
	json_put_key(out, "api");
	buf_addf(out, "[%d,%d]", API_OLDEST, API_NEWEST);
	json_put_key(out, "features");
	buf_add_byte(out, '[');
	for (size_t i = 0; i < ARRAY_COUNT(features); i++) {
		json_put_comma(out);
		json_put_str(out, str_of(features[i]));
	}
	buf_add_lit(out, "]}");
	if (buf_ok(out))
		call_respond(call, 200, STR("application/json"), STR("Cache-Control: no-store\r\n"), out);
	else
		call_refuse(call, E_NOMEM);
}
