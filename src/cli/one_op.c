#include "cli/one_op.h"
#include "base/json.h"
#include "base/pluck.h"

void one_op_begin(struct remote *remote, const char *op, const char *queue)
{
	remote_begin(remote);
	remote_path(remote, "/v1/batch");
	buf_add_lit(&remote->body, "{\"atomic\":true,\"ops\":[{"); /* so that a refusal is the answer */
	json_put_field_str(&remote->body, "op", str_of(op));
	json_put_field_str(&remote->body, "queue", str_of(queue));
	if (remote->space)
		json_put_field_str(&remote->body, "namespace", str_of(remote->space));
}

int one_op_send(struct remote *remote, struct str *out)
{
	struct str body;
	uint32_t count;
	buf_add_lit(&remote->body, "}]}");
	int code = remote_call(remote, "POST", &body);
	struct str *results = code ? NULL : pluck_items(body, "results", &remote->arena, &count);
	*out = results && count == 1 ? results[0] : STR("{}");
	return code;
}
