/* ruche send: something happened; whoever wants to know is told. */
#include "base/json.h"
#include "base/limits.h"
#include "base/pluck.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/text.h"
#include <sysexits.h>

const struct cli_option send_options[] = {
	{ "entity", 'e', "ENTITY", "what it is about: of order, and of the other side's own ids", NULL, false },
	{ "channel", 'c', "CHANNEL", "only endpoints of this channel, or of none; may be given 5 times", NULL, true },
	{ "key", 'k', "KEY", "your own id of it: a second message with it is a duplicate", NULL, false },
	{ "endpoint", 0, "ENDPOINT", "only for this endpoint, whatever it wants", "@endpoints", false },
	{ "metadata", 'm', "JSON", "an object that goes with it, also as @FILE: formats are told it", NULL, false },
	{ "deleted", 0, NULL, "the entity is gone", NULL, false },
	{ "require-match", 0, NULL, "fail, and keep nothing, when no endpoint wants it", NULL, false },
	JSON_OPTION, REMOTE_OPTIONS, { 0 },
};

static void send_put_channels(struct buf *body, const struct args *args)
{
	const char *channel;
	if (!args_has(args, "channel"))
		return;
	json_put_key(body, "channels");
	buf_add_byte(body, '[');
	for (int at = 0; (channel = args_each(args, "channel", &at)) != NULL;) {
		json_put_comma(body);
		json_put_str(body, str_of(channel));
	}
	buf_add_byte(body, ']');
}

static void send_put_message(struct remote *remote, const struct args *args, struct str payload, struct str metadata)
{
	static const char *const texts[] = { "entity", "key", "endpoint" };
	struct buf *body = &remote->body;
	remote_begin(remote);
	remote_path(remote, "/v1/messages");
	buf_add_byte(body, '{');
	json_put_field_str(body, "type", str_of(args->words[0]));
	json_put_field_raw(body, "payload", payload);
	if (remote->space)
		json_put_field_str(body, "namespace", str_of(remote->space));
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		if (args_has(args, texts[i]))
			json_put_field_str(body, texts[i], str_of(args_get(args, texts[i])));
	}
	send_put_channels(body, args);
	if (metadata.len)
		json_put_field_raw(body, "metadata", metadata);
	if (args_has(args, "deleted"))
		json_put_field_bool(body, "deleted", true);
	if (args_has(args, "require-match"))
		json_put_field_bool(body, "require_match", true);
	buf_add_byte(body, '}');
}

/* "msg_0r4k2m7x9q3zt to 3 endpoints" */
static void send_print(struct remote *remote, struct str answer)
{
	uint64_t matched = 0;
	printf(STR_FMT, STR_ARG(pluck_text(answer, "id", &remote->arena)));
	if (pluck_true(answer, "duplicate", &remote->arena))
		puts(" (duplicate: the message was there already)");
	else if (pluck_text(answer, "nothing", &remote->arena).len)
		puts(" is kept, but no endpoint wants it, unless one asks by itself: 'ruche endpoints list' says what they want");
	else if (pluck_u64(answer, "matched", &remote->arena, &matched))
		printf(" to %llu endpoint%s%s\n", (unsigned long long)matched, matched == 1 ? "" : "s",
		       pluck_true(answer, "expanding", &remote->arena) ? "; the last deliveries are being made" : "");
}

/* As it stands, or from a file. */
static int send_read_metadata(struct remote *remote, const struct args *args, struct str *out)
{
	const char *word = args_get(args, "metadata");
	struct problem problem = { 0 };
	struct buf text;
	if (!word)
		return 0;
	buf_init(&text, LIMIT_BODY_MAX);
	int code = 0;
	if (word[0] == '@')
		code = text_read("send", word + 1, &text);
	else
		buf_add(&text, str_of(word));
	*out = code ? (struct str){ 0 } : arena_str(&remote->arena, str_trim(buf_str(&text)));
	buf_fini(&text);
	if (!code && (json_check(*out, &problem) || out->ptr[0] != '{'))
		code = args_complain(args->command, "--metadata takes a JSON object, such as '{\"by\": \"ada\"}', or @FILE");
	return code;
}

static int send_call(struct remote *remote, const struct args *args, struct str payload)
{
	struct str metadata = { 0 };
	struct problem problem = { 0 };
	struct str body;
	if (json_check(payload, &problem)) {
		fprintf(stderr, "ruche send: the payload is not JSON: %s Text needs quotes: ruche send %s '\"text\"'\n", problem.detail, args->words[0]);
		return EX_DATAERR;
	}
	int code = send_read_metadata(remote, args, &metadata);
	if (code)
		return code;
	send_put_message(remote, args, payload, metadata);
	code = remote_call(remote, "POST", &body);
	if (!code && !remote_printed(args, body))
		send_print(remote, body);
	return code;
}

static int send_act(struct remote *remote, const struct args *args)
{
	if (args->word_count < 1 || args->word_count > 2)
		return args_complain(args->command, "it takes a type and at most one payload");
	const char *word = args->word_count == 2 ? args->words[1] : "null";
	const char *file = word[0] == '@' ? word + 1 : strcmp(word, "-") == 0 ? word : NULL;
	if (!file)
		return send_call(remote, args, str_of(word));
	struct buf text;
	buf_init(&text, LIMIT_BODY_MAX);
	int code = text_read("send", file, &text);
	if (!code)
		code = send_call(remote, args, buf_str(&text));
	buf_fini(&text);
	return code;
}

int cmd_send(int argc, char **argv)
{
	return remote_run(argc, argv, send_act);
}
