/* src/api/health.c: is it alive, is it ready, what does it count. */
#include "api/body.h"
#include "api/routes.h"

void health_live(struct call *call)
{
	struct buf *out = &call->api->scratch;
	buf_clear(out);
	buf_add_lit(out, "{\"ok\":true}");
	call_respond(call, 200, STR("application/json"), STR("Cache-Control: no-store\r\n"), out);
}

/* 503 while something that answers need is missing: an orchestrator then sends nobody here. */
void health_ready(struct call *call)
{
	struct api *api = call->api;
	struct buf *out = &api->scratch;
	struct buf checks;
	buf_init(&checks, 64 * 1024);
	buf_clear(out);
	bool ok = api->ports.ready(api->ports.context, &checks);
	ok = ok && !api->quiescing && (api->ready || api->config.open);
	bool verbose = call_param(call, "verbose")->number;
	if (verbose && !buf_ok(&checks)) {
		buf_fini(&checks);
		call_refuse(call, E_NOMEM);
		return;
	}
	buf_add(out, ok ? STR("{\"ok\":true") : STR("{\"ok\":false"));
	if (verbose) {
		json_put_key(out, "checks");
		buf_add_byte(out, '{');
		json_put_key(out, "api");
		buf_add(out, api->quiescing ? STR("{\"ok\":false,\"detail\":\"stopping\"}")
			     : api->ready || api->config.open ? STR("{\"ok\":true}") : STR("{\"ok\":false,\"detail\":\"tokens are not read yet\"}"));
		if (checks.len) {
			buf_add_byte(out, ',');
			buf_add(out, buf_str(&checks));
		}
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, '}');
	buf_fini(&checks);
	struct str headers = ok ? STR("Cache-Control: no-store\r\n") : STR("Cache-Control: no-store\r\nRetry-After: 1\r\n");
	call_respond(call, ok ? 200 : 503, STR("application/json"), headers, out);
}

static void metric(struct buf *out, const char *type, const char *name, const char *help, uint64_t value)
{
	buf_addf(out, "# TYPE %s %s\n# HELP %s %s\n%s%s %llu\n", name, type, name, help, name, strcmp(type, "counter") == 0 ? "_total" : "",
		 (unsigned long long)value);
}

void health_metrics(struct call *call)
{
	struct api *api = call->api;
	struct buf *out = &api->scratch;
	uint64_t streams = 0;
	for (struct call *live = api->live; live; live = live->next)
		streams += live->stream != NULL;
	buf_clear(out);
	buf_addf(out, "# TYPE ruche_api_answers counter\n# HELP ruche_api_answers Answers by class of status.\n");
	for (int class = 2; class <= 5; class++)
		buf_addf(out, "ruche_api_answers_total{class=\"%dxx\"} %llu\n", class, (unsigned long long)api->answers[class]);
	metric(out, "counter", "ruche_api_tokens_refused", "Requests without a good token.", api->refused_tokens);
	metric(out, "counter", "ruche_api_definitions_hit", "Granted jobs whose definition was still in memory.", api->shelf.hits);
	metric(out, "counter", "ruche_api_definitions_missed", "Granted jobs whose definition had to be read.", api->shelf.misses);
	metric(out, "gauge", "ruche_api_calls", "Requests being worked on, long polls and streams included.", api->live_count);
	metric(out, "gauge", "ruche_api_streams", "Event streams.", streams);
	metric(out, "counter", "ruche_incoming_received", "Incoming webhooks that were kept.", api->received);
	metric(out, "counter", "ruche_incoming_repeated", "Incoming webhooks that had come before.", api->received_again);
	metric(out, "counter", "ruche_incoming_distrusted", "Incoming webhooks whose signature or password was none that is known.", api->distrusted);
	metric(out, "counter", "ruche_incoming_unheard", "Incoming webhooks of those who had guessed at a password too often.", api->unheard);
	api->ports.metrics(api->ports.context, out);
	buf_add_lit(out, "# EOF\n");
	if (buf_ok(out))
		call_respond(call, 200, STR("application/openmetrics-text; version=1.0.0; charset=utf-8"), STR(""), out);
	else
		call_refuse(call, E_NOMEM);
}
