/* fuzz/webhook_fuzz.c: any bytes as what webhooks read: the first byte says as what. What is accepted means the same when it is written and read
 * again; what is refused says why; nothing that others send makes us believe them. Two texts are parted by NUL. */
#include "fuzz.h"
#include "base/base64.h"
#include "rules/endpoint.h"
#include "rules/event_type.h"
#include "rules/json_path.h"
#include "rules/match.h"
#include "rules/signature.h"
#include "rules/source.h"
#include "rules/source_text.h"
#include "rules/url_template.h"
#include "rules/verifier.h"
#include "rules/webhook_body.h"

#define NOW_S INT64_C(1800000000)

static struct str take(struct str *text) /* up to the next NUL */
{
	struct str first = { text->ptr, str_index(*text, '\0') };
	*text = str_from(*text, first.len + 1);
	return first;
}

static void fuzz_endpoint(struct str text, struct arena *arena)
{
	struct endpoint_settings settings, again;
	struct problem problem = { 0 };
	struct json json;
	struct buf first, second;
	endpoint_settings_default(&settings);
	json_init(&json, text, arena, &problem);
	if (!endpoint_settings_read(&json, &settings) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	endpoint_settings_write(&settings, &first);
	endpoint_settings_default(&again);
	json_init(&json, buf_str(&first), arena, &problem);
	CHECK(endpoint_settings_read(&json, &again) && json_finish(&json));
	endpoint_settings_write(&again, &second);
	CHECK(buf_ok(&first) && buf_ok(&second) && str_eq(buf_str(&first), buf_str(&second)));
	buf_fini(&first);
	buf_fini(&second);
}

static void fuzz_source(struct str text, struct arena *arena)
{
	struct source_settings settings, again;
	struct problem problem = { 0 };
	struct json json;
	struct buf first, second;
	source_settings_default(&settings);
	json_init(&json, text, arena, &problem);
	if (!source_settings_read(&json, &settings) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	buf_init(&first, LIMIT_NAMED_BYTES); /* what may be said fits */
	buf_init(&second, LIMIT_NAMED_BYTES);
	source_settings_write(&settings, &first);
	source_settings_default(&again);
	json_init(&json, buf_str(&first), arena, &problem);
	CHECK(source_settings_read(&json, &again) && json_finish(&json));
	source_settings_write(&again, &second);
	CHECK(buf_ok(&first) && buf_ok(&second) && str_eq(buf_str(&first), buf_str(&second)));
	buf_fini(&first);
	buf_fini(&second);
}

static void fuzz_event_type(struct str text, struct arena *arena)
{
	struct event_type_settings settings = { 0 }, again = { 0 };
	struct problem problem = { 0 };
	struct json json;
	struct buf first, second;
	json_init(&json, text, arena, &problem);
	if (!event_type_settings_read(&json, &settings) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	event_type_settings_write(&settings, &first);
	json_init(&json, buf_str(&first), arena, &problem);
	CHECK(event_type_settings_read(&json, &again) && json_finish(&json));
	event_type_settings_write(&again, &second);
	CHECK(buf_ok(&first) && buf_ok(&second) && str_eq(buf_str(&first), buf_str(&second)));
	CHECK(event_type_is_archived(buf_str(&first)) == settings.archived);
	CHECK(str_eq(settings.schema, again.schema) && str_eq(settings.example, again.example));
	buf_fini(&first);
	buf_fini(&second);
}

static void fuzz_match(struct str text, struct arena *arena)
{
	struct str filter_text = take(&text), verbatim;
	struct json_node *filter, *payload;
	struct problem problem = { 0 };
	struct json json;
	json_init(&json, filter_text, arena, &problem);
	if (!match_read_filter(&json, &verbatim) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	if (json_tree_read(verbatim, arena, &filter, NULL) || json_tree_read(text, arena, &payload, NULL))
		return;
	(void)match(filter, payload);
	(void)match(filter, NULL);
	CHECK(json_tree_equal(payload, payload) || payload->type == JSON_OBJECT || payload->type == JSON_ARRAY); /* one key twice equals nothing */
}

static void fuzz_path(struct str text, struct arena *arena)
{
	const struct json_node *found[4] = { 0 };
	struct json_node *root;
	struct str path = take(&text);
	const char *why = json_path_refusal(path);
	CHECK(!why || why[0]);
	if (why || json_tree_read(text, arena, &root, NULL))
		return;
	size_t count = json_path_find(root, path, found, ARRAY_COUNT(found));
	for (size_t i = 0; i < ARRAY_COUNT(found); i++)
		CHECK((found[i] != NULL) == (i < count));
}

static void fuzz_template(struct str text)
{
	struct str template = take(&text);
	struct url_values values = { .external_id = text, .entity = text, .type = STR("a.b"), .message = STR("msg_1") };
	struct buf out;
	struct problem problem = { 0 };
	if (url_template_refusal(template))
		return;
	buf_init(&out, 1 << 20);
	enum err err = url_template_fill(template, &values, &out, &problem);
	CHECK(err == E_OK || (err == E_INVALID && problem.detail[0]));
	for (size_t i = 0; !err && i < out.len; i++)
		CHECK(out.ptr[i] > ' ' && out.ptr[i] < 0x7f && out.ptr[i] != '{');
	buf_fini(&out);
}

static void fuzz_signature(struct str text)
{
	struct signing_key key;
	struct problem problem = { 0 };
	struct str key_text = take(&text), id = take(&text), timestamp = take(&text), signatures = take(&text);
	if (signing_key_read(key_text, &key, &problem)) {
		CHECK(problem.detail[0]);
		enum err err = signing_key_read(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key, NULL);
		CHECK(err == E_OK);
	}
	enum err err = signature_verify(&key, 1, id, timestamp, signatures, text, NOW_S, &problem);
	CHECK(err == E_OK || (err == E_INVALID && problem.detail[0]));
}

static struct str one_header(const void *headers, const char *name)
{
	(void)name;
	return *(const struct str *)headers;
}

static void fuzz_verifier(struct str text, struct arena *arena)
{
	static const struct str secret = STR("not to be guessed:x");
	struct str header = take(&text);
	struct incoming incoming = { .header = one_header, .headers = &header, .body = text, .now_s = NOW_S };
	for (enum verifier verifier = 0; verifier < VERIFIER_COUNT; verifier++) {
		struct problem problem = { 0 };
		enum err err = verifier_verify(verifier, &secret, 1, &incoming, &problem);
		CHECK(verifier_needs_secret(verifier) ? err == E_SIGNATURE && problem.detail[0] : err == E_OK);
		(void)verifier_id(verifier, &incoming, arena);
	}
}

static void fuzz_source_text(struct str text, struct arena *arena)
{
	struct str template = take(&text), header = take(&text), missing = { 0 };
	struct incoming incoming = { .header = one_header, .headers = &header };
	struct json_node *body;
	struct buf out;
	const char *why = source_text_refusal(template);
	CHECK(!why || why[0]);
	if (why)
		return;
	if (json_tree_read(text, arena, &body, NULL))
		body = NULL;
	buf_init(&out, 1 << 20);
	bool filled = source_text_fill(template, &incoming, body, &out, &missing);
	CHECK(!filled || source_text_may_be(template, buf_str(&out)));
	CHECK(filled || (missing.len && missing.ptr >= template.ptr && missing.ptr + missing.len <= template.ptr + template.len));
	buf_fini(&out);
}

static void fuzz_body(struct str text, struct arena *arena)
{
	struct webhook_input input = { .id = STR("msg_1"), .type = STR("a.b"), .source = STR("/ruche/x"), .at_us = NOW_S * 1000000 };
	input.entity = take(&text);
	input.payload = text;
	if (json_check(text, NULL))
		return;
	for (enum webhook_format format = 0; format < WEBHOOK_FORMAT_COUNT; format++) {
		struct webhook_shape shape;
		struct problem problem = { 0 };
		struct buf body;
		buf_init(&body, 1 << 20);
		enum err err = webhook_body(format, &input, arena, &body, &shape, &problem);
		CHECK(err == E_OK || (err == E_INVALID && problem.detail[0]));
		if (!err && (format == WEBHOOK_FORMAT_DEFAULT || format == WEBHOOK_FORMAT_CLOUDEVENTS))
			CHECK(json_check(buf_str(&body), NULL) == E_OK || text.len > 1000); /* one level deeper than the payload */
		buf_fini(&body);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	if (!size)
		return 0;
	struct str text = fuzz_str(data + 1, size - 1);
	switch (data[0]) {
	case 'm': fuzz_match(text, &arena); break;
	case 'p': fuzz_path(text, &arena); break;
	case 't': fuzz_template(text); break;
	case 's': fuzz_signature(text); break;
	case 'v': fuzz_verifier(text, &arena); break;
	case 'b': fuzz_body(text, &arena); break;
	case 'E': fuzz_event_type(text, &arena); break;
	case 'S': fuzz_source(text, &arena); break;
	case 'T': fuzz_source_text(text, &arena); break;
	default: fuzz_endpoint(text, &arena); break;
	}
	arena_fini(&arena);
	return 0;
}
