/* ruche listen: a third party for the moment. An endpoint with a secret of its own is made, each delivery to it is verified and printed, and the
 * endpoint is deleted at the end, however that comes. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/json_tree.h"
#include "base/pluck.h"
#include "base/time_text.h"
#include "base/uid.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/sink.h"
#include "cli/text.h"
#include "rules/signature.h"
#include <arpa/inet.h>
#include <signal.h>
#include <sys/random.h>
#include <sysexits.h>

#define LISTEN_NAME_BYTES (7 + UID_TEXT_BYTES) /* "listen-" and a uid */
#define LISTEN_LEFT_MS    3600000              /* one that was left behind is disabled by then */
#define LISTEN_BODY_MAX   (64u * 1024)         /* of a body, printed */
#define LISTEN_DEPTH_MAX  64u
#define LISTEN_ASK_MS     60000

const struct cli_option listen_options[] = {
	{ "types", 't', "TYPES", "which messages, by commas or given again: fiche.*,note (*)", NULL, true },
	{ "channel", 'c', "CHANNEL", "only messages of this channel, or of none", NULL, true },
	{ "filter", 0, "JSON", "only payloads that match: {\"budget\": {\"$gte\": 1000}}", NULL, false },
	{ "format", 'f', "FORMAT", "how bodies are made (default)", "@formats", false },
	{ "listen", 'l', "ADDRESS", "HOST:PORT that the daemon can call (127.0.0.1:0, a free port)", NULL, false },
	{ "script", 's', "STEPS", "answers in turn, the last one repeats: 503,hang,200 (200)", NULL, false },
	{ "count", 'n', "N", "end after so many deliveries", NULL, false },
	{ "headers", 0, NULL, "print the headers, too", NULL, false },
	{ "json", 0, NULL, "print each delivery as one line of JSON", NULL, false },
	REMOTE_OPTIONS, { 0 },
};
const struct cli_exit listen_exits[] = { { 1, "a delivery could not be verified" }, { 0 } };

struct listen {
	struct remote *remote;
	const struct args *args;
	uv_loop_t loop;
	uv_signal_t signals[3];
	struct sink *sink;
	struct signing_key key;
	char name[LISTEN_NAME_BYTES];
	uint64_t count, answered, verified, unverified;
	bool headers, json, stopping;
};

/* ---- bodies for people ---- */

static void body_indent(struct buf *out, unsigned depth)
{
	buf_add_lit(out, "\n    ");
	for (unsigned i = 0; i < depth; i++)
		buf_add_lit(out, "  ");
}

/* Members and items one a line; what holds none stays on its own. */
static void body_put_tree(struct buf *out, const struct json_node *node, unsigned depth)
{
	bool object = node->type == JSON_OBJECT;
	if (node->type == JSON_STRING) {
		json_put_str(out, node->text);
		return;
	}
	if ((!object && node->type != JSON_ARRAY) || !node->first || depth == LISTEN_DEPTH_MAX) {
		buf_add(out, node->text);
		return;
	}
	buf_add_byte(out, object ? '{' : '[');
	for (const struct json_node *child = node->first; child; child = child->next) {
		body_indent(out, depth + 1);
		if (object) {
			json_put_str(out, child->key);
			buf_add_lit(out, ": ");
		}
		body_put_tree(out, child, depth + 1);
		if (child->next)
			buf_add_byte(out, ',');
	}
	body_indent(out, depth);
	buf_add_byte(out, object ? '}' : ']');
}

static void print_cut(struct str text)
{
	struct str cut = str_cut(text, LISTEN_BODY_MAX);
	text_put(stdout, cut);
	if (cut.len < text.len)
		printf("… %zu bytes more", text.len - cut.len);
}

static void listen_print_body(struct listen *listen, struct str body)
{
	struct arena *arena = &listen->remote->arena;
	struct json_node *tree;
	struct buf text;
	buf_init(&text, 16 * LISTEN_BODY_MAX);
	fputs("    ", stdout);
	if (!str_is_utf8(body))
		printf("(%zu bytes that are not UTF-8)", body.len);
	else if (body.len <= LISTEN_BODY_MAX && !json_tree_read(body, arena, &tree, NULL)) {
		body_put_tree(&text, tree, 0);
		print_cut(buf_ok(&text) ? buf_str(&text) : body);
	} else {
		print_cut(body);
	}
	puts("");
	buf_fini(&text);
}

/* ---- a delivery ---- */

struct heard {
	struct str id, timestamp, signatures, attempt, body;
	bool verified;
	struct problem problem; /* why not */
};

static void listen_verify(struct listen *listen, struct http_exchange *exchange, struct heard *out)
{
	*out = (struct heard){
		.id = http_header(exchange, STR("webhook-id")), .timestamp = http_header(exchange, STR("webhook-timestamp")),
		.signatures = http_header(exchange, STR("webhook-signature")), .attempt = http_header(exchange, STR("Ruche-Attempt")),
		.body = http_body(exchange),
	};
	out->verified = !signature_verify(&listen->key, 1, out->id, out->timestamp, out->signatures, out->body, clock_wall_us() / 1000000, &out->problem);
	listen->verified += out->verified;
	listen->unverified += !out->verified;
}

static void listen_print_headers(struct http_exchange *exchange)
{
	static const char *const names[] = {
		"Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature", "Idempotency-Key", "Ruche-Attempt", "Traceparent",
		"ce-id", "ce-source", "ce-type", "ce-time", "ce-subject",
	};
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct str value = http_header(exchange, str_of(names[i]));
		if (!value.len)
			continue;
		printf("    %s: ", names[i]);
		print_cut(value);
		puts("");
	}
}

static void listen_print(struct listen *listen, const struct sink_hit *hit, const struct heard *heard)
{
	struct arena *arena = &listen->remote->arena;
	char at[TIME_TEXT_BYTES], step[64];
	struct str type = pluck_text(heard->body, "type", arena);
	time_text(clock_wall_us(), at);
	sink_step_text(hit->step, step);
	printf("%s  ", at);
	print_cut(heard->id);
	fputs(type.len ? "  " : "", stdout);
	print_cut(type);
	fputs("  attempt ", stdout);
	print_cut(heard->attempt);
	printf("  %s%s  → %s\n", heard->verified ? "signature verified" : "NOT VERIFIED: ", heard->verified ? "" : heard->problem.detail, step);
	if (listen->headers)
		listen_print_headers(hit->exchange);
	listen_print_body(listen, heard->body);
}

static void listen_print_json(const struct heard *heard, struct http_exchange *exchange)
{
	struct buf line;
	char at[TIME_TEXT_BYTES];
	time_text(clock_wall_us(), at);
	buf_init(&line, 512u * 1024 * 1024);
	buf_add_byte(&line, '{');
	json_put_field_str(&line, "at", str_of(at));
	json_put_field_str(&line, "id", heard->id);
	json_put_field_str(&line, "attempt", heard->attempt);
	json_put_field_bool(&line, "verified", heard->verified);
	if (!heard->verified)
		json_put_field_str(&line, "why", str_of(heard->problem.detail));
	json_put_field_str(&line, "content_type", http_header(exchange, STR("Content-Type")));
	if (json_check(heard->body, NULL))
		json_put_field_str(&line, "body", heard->body);
	else
		json_put_field_raw(&line, "body", heard->body);
	buf_add_lit(&line, "}\n");
	if (buf_ok(&line))
		fwrite(line.ptr, 1, line.len, stdout);
	buf_fini(&line);
}

static void listen_hit(void *context, const struct sink_hit *hit)
{
	struct listen *listen = context;
	struct heard heard;
	arena_reset(&listen->remote->arena);
	listen_verify(listen, hit->exchange, &heard);
	if (listen->json)
		listen_print_json(&heard, hit->exchange);
	else
		listen_print(listen, hit, &heard);
	fflush(stdout);
}

/* ---- the endpoint ---- */

static void listen_put_types(const struct listen *listen, struct buf *body)
{
	const char *given;
	json_put_key(body, "types");
	buf_add_byte(body, '[');
	for (int at = 0; (given = args_each(listen->args, "types", &at)) != NULL;) {
		for (struct str left = str_of(given); left.len;) {
			size_t end = str_index(left, ',');
			struct str type = str_trim((struct str){ left.ptr, end });
			if (type.len) {
				json_put_comma(body);
				json_put_str(body, type);
			}
			left = str_from(left, end + 1);
		}
	}
	if (!args_has(listen->args, "types"))
		json_put_str(body, STR("*"));
	buf_add_byte(body, ']');
}

static void listen_put_channels(const struct listen *listen, struct buf *body)
{
	const char *channel;
	json_put_key(body, "channels");
	buf_add_byte(body, '[');
	for (int at = 0; (channel = args_each(listen->args, "channel", &at)) != NULL;) {
		json_put_comma(body);
		json_put_str(body, str_of(channel));
	}
	buf_add_byte(body, ']');
}

static void listen_address(struct listen *listen)
{
	remote_begin(listen->remote);
	remote_path(listen->remote, "/v1/endpoints/");
	remote_piece(listen->remote, str_of(listen->name));
	remote_query(listen->remote, "namespace", listen->remote->space);
}

static void listen_put_settings(struct listen *listen, const char *url)
{
	const char *filter = args_get(listen->args, "filter"), *format = args_get(listen->args, "format");
	struct buf *body = &listen->remote->body;
	listen_address(listen);
	buf_add_byte(body, '{');
	json_put_field_str(body, "url", str_of(url));
	listen_put_types(listen, body);
	listen_put_channels(listen, body);
	if (filter)
		json_put_field_raw(body, "filter", str_of(filter));
	if (format)
		json_put_field_str(body, "format", str_of(format));
	json_put_key(body, "retry");
	buf_add_lit(body, "{\"kind\":\"fixed\",\"max_attempts\":5,\"delay_ms\":1000,\"jitter\":\"none\"}");
	json_put_key(body, "sign");
	buf_add_lit(body, "{\"kind\":\"v1\"}");
	json_put_field_u64(body, "disable_after_ms", LISTEN_LEFT_MS);
	json_put_key(body, "tags");
	buf_add_lit(body, "[\"listen\"]}");
}

static const char *listen_range(struct str host, struct arena *arena)
{
	bool six = host.len > 2 && host.ptr[0] == '[';
	if (str_starts(host, STR("127.")))
		return "127.0.0.0/8";
	if (six)
		return arena_printf(arena, "%.*s/128", (int)host.len - 2, host.ptr + 1);
	return arena_printf(arena, STR_FMT "/32", STR_ARG(host));
}

/* The daemon calls no private address unless it is told to. */
static void listen_explain_url(struct listen *listen, struct str answer, struct str host)
{
	struct arena *arena = &listen->remote->arena;
	if (!str_eq(pluck_text(answer, "field", arena), STR("url")))
		return;
	const char *range = listen_range(host, arena);
	fprintf(stderr,
		"The daemon may not call this receiver: start it with --deliver-allow %s, or set deliver.allow = [\"%s\"] and send it SIGHUP.\n"
		"('ruche dev' allows it by itself.)\n",
		range ? range : "", range ? range : "");
}

static int listen_make_endpoint(struct listen *listen, struct str host)
{
	struct remote *remote = listen->remote;
	struct problem problem = { 0 };
	struct str body = { 0 };
	int status = 0;
	const char *url = arena_printf(&remote->arena, "http://" STR_FMT ":%u/", STR_ARG(host), sink_port(listen->sink));
	if (!url)
		return EX_OSERR;
	listen_put_settings(listen, url);
	enum err err = remote_try(remote, "PUT", LISTEN_ASK_MS, &status, &body, &problem);
	if (err)
		return remote_fault(remote, err, &problem);
	if (status != 200) {
		int code = remote_explain(remote, status, body);
		listen_explain_url(listen, body, host);
		return code;
	}
	struct str secret = pluck_text(body, "signing_secret", &remote->arena);
	if (signing_key_read(secret, &listen->key, &problem)) {
		fprintf(stderr, "ruche listen: the daemon told no secret to verify by; it may be older than this program\n");
		return EX_PROTOCOL;
	}
	fprintf(stderr, "%s listens at %s until Ctrl-C. In another terminal: ruche send fiche.updated '{\"title\": \"Bees\"}'\n", listen->name, url);
	return 0;
}

/* While the sink still answers, so that a call that is under way ends well. */
static int listen_delete_endpoint(struct listen *listen, bool quiet)
{
	struct problem problem = { 0 };
	struct str body;
	int status = 0;
	listen_address(listen);
	enum err err = remote_try(listen->remote, "DELETE", LISTEN_ASK_MS, &status, &body, &problem);
	if (quiet || (!err && (status == 204 || status == 404)))
		return 0;
	int code = err ? remote_fault(listen->remote, err, &problem) : remote_explain(listen->remote, status, body);
	fprintf(stderr, "The endpoint is still there: 'ruche endpoints delete --yes %s' removes it.\n", listen->name);
	return code;
}

/* ---- beginning and ending ---- */

static void listen_stop(struct listen *listen, bool quiet)
{
	if (listen->stopping)
		return;
	listen->stopping = true;
	for (size_t i = 0; i < ARRAY_COUNT(listen->signals); i++)
		uv_close((uv_handle_t *)&listen->signals[i], NULL);
	arena_reset(&listen->remote->arena);
	listen->remote->code = listen_delete_endpoint(listen, quiet);
	sink_stop(listen->sink, NULL, NULL);
}

static void listen_signal(uv_signal_t *handle, int number)
{
	(void)number;
	listen_stop(handle->data, false);
}

static void listen_answered(void *context, uint64_t number)
{
	struct listen *listen = context;
	(void)number;
	if (++listen->answered == listen->count)
		listen_stop(listen, false);
}

static int listen_open_sink(struct listen *listen, const char *address)
{
	struct problem problem = { 0 };
	struct sink_config config;
	sink_config_default(&config);
	config.script = str_of(args_get(listen->args, "script"));
	config.on_hit = listen_hit;
	config.on_answered = listen_answered;
	config.context = listen;
	enum err err = sink_start(&listen->loop, str_of(address), &config, &listen->sink, &problem);
	if (!err)
		return 0;
	fprintf(stderr, "ruche listen: %s%s%s [%s]\n", problem.field, problem.field[0] ? ": " : "", problem.detail[0] ? problem.detail : err_sentence(err),
		err_code(err));
	return err == E_INVALID ? EX_USAGE : err_exit_code(err);
}

static void listen_begin_signals(struct listen *listen)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	for (size_t i = 0; i < ARRAY_COUNT(listen->signals); i++) {
		uv_signal_init(&listen->loop, &listen->signals[i]);
		listen->signals[i].data = listen;
		uv_signal_start(&listen->signals[i], listen_signal, numbers[i]);
	}
}

static void listen_choose_name(struct listen *listen)
{
	struct uid_maker maker = { 0 };
	char uid[UID_TEXT_BYTES];
	if (getrandom(&maker.maker, sizeof(maker.maker), 0) < 0)
		maker.maker = 0;
	uid_text(uid_next(&maker, clock_wall_us()), uid);
	snprintf(listen->name, sizeof(listen->name), "listen-%s", uid);
}

static int listen_until_end(struct listen *listen, const char *address)
{
	struct str host = str_of(address);
	while (host.len && host.ptr[host.len - 1] != ':')
		host.len--;
	host.len -= host.len > 0;
	if (str_eq_nocase(host, STR("localhost")))
		host = STR("127.0.0.1"); /* one word on what is allowed now, instead of one at each call */
	listen_choose_name(listen);
	listen_begin_signals(listen); /* before there is an endpoint: whoever ends us then has it deleted */
	int code = listen_open_sink(listen, address);
	if (code) {
		for (size_t i = 0; i < ARRAY_COUNT(listen->signals); i++)
			uv_close((uv_handle_t *)&listen->signals[i], NULL);
		uv_run(&listen->loop, UV_RUN_DEFAULT);
		return code;
	}
	code = listen_make_endpoint(listen, host);
	if (code)
		listen_stop(listen, true); /* it may have been made, and only its answer was lost */
	uv_run(&listen->loop, UV_RUN_DEFAULT);
	if (!code)
		code = listen->remote->code;
	return code;
}

static int listen_act(struct remote *remote, const struct args *args)
{
	const char *address = args_get(args, "listen") ? args_get(args, "listen") : "127.0.0.1:0", *filter = args_get(args, "filter");
	struct listen listen = { .remote = remote, .args = args, .headers = args_has(args, "headers"), .json = args_has(args, "json") };
	if (args->word_count)
		return args_complain(args->command, "'%s' is one word too many; --types says what to listen to", args->words[0]);
	if (strncmp(address, "unix:", 5) == 0)
		return args_complain(args->command, "the daemon calls no Unix sockets: HOST:PORT");
	if (filter && json_check(str_of(filter), NULL))
		return args_complain(args->command, "--filter takes JSON, such as '{\"budget\": {\"$gte\": 1000}}'");
	int code = args_u64(args, "count", 1, UINT32_MAX, &listen.count);
	if (code)
		return code;
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&listen.loop);
	code = listen_until_end(&listen, address);
	uv_loop_close(&listen.loop);
	bytes_wipe(&listen.key, sizeof(listen.key));
	if (!code && !listen.json)
		fprintf(stderr, "%llu %s, %llu of them verified; %s is deleted\n", (unsigned long long)(listen.verified + listen.unverified),
			listen.verified + listen.unverified == 1 ? "delivery" : "deliveries",
			(unsigned long long)listen.verified, listen.name);
	return code ? code : listen.unverified ? 1 : 0;
}

int cmd_listen(int argc, char **argv)
{
	return remote_run(argc, argv, listen_act);
}
