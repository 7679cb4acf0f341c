/* src/daemon/dev.c: `ruche dev`: a daemon to try things with: open to everybody on this machine and to nobody else, with a receiver
 * that echoes what deliveries bring, and lines to paste. */
#include "base/time_text.h"
#include "cli/args.h"
#include "cli/sink.h"
#include "daemon/serve.h"
#include "net/address.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define DEV_SINK_ADDRESS "127.0.0.1:8421"
#define DEV_SINK_ANY     "127.0.0.1:0"
#define DEV_GRACE_MS     500 /* nobody waits long for an experiment to end */

const struct cli_option dev_options[] = {
	{ "fresh", 0, NULL, "Begin with an empty store: removes ./ruche-dev.db or the one named", NULL, false },
	{ "script", 0, "STEPS", "How the receiver answers, as of 'ruche sink' (echo)", NULL, false },
	{ 0 },
};

struct dev {
	const struct config *config;
	const char *script;
	struct sink *sink;
	char url[300];
};

static enum err dev_check_address(const char *text, struct problem *problem)
{
	struct address address;
	enum err err = address_parse(str_of(text), &address, problem);
	bool inside = !err && (address.kind == ADDRESS_UNIX || (address.kind == ADDRESS_NAME && strcmp(address.text, "localhost") == 0));
	if (!err && address.kind == ADDRESS_IP) {
		struct cidr four, six;
		err = cidr_parse(STR("127.0.0.0/8"), &four, problem);
		if (!err)
			err = cidr_parse(STR("::1"), &six, problem);
		inside = !err && (cidr_contains(&four, &address.ip) || cidr_contains(&six, &address.ip));
	}
	if (!err && !inside)
		err = problem_set(problem, E_CONFIG, "listen",
				  "'ruche dev' asks nobody for a token, so it listens on loopback only, not on %s; use 'ruche serve'.", text);
	return err;
}

/* What `serve` would not do: another store, loss allowed, loopback allowed. What was said stands. */
static enum err dev_settle(struct config *config, struct problem *problem)
{
	static const char *const loopback[] = { "127.0.0.0/8", "::1" };
	enum err err = E_OK;
	for (uint32_t n = 0; n < config->listen.count && !err; n++)
		err = dev_check_address(config->listen.items[n], problem);
	if (config->origins[CONFIG_STORE_PATH].kind == CONFIG_BY_DEFAULT)
		config->store_path = "./ruche-dev.db";
	if (config->origins[CONFIG_DELIVER_ALLOW].kind == CONFIG_BY_DEFAULT)
		config->deliver_allow = (struct config_list){ loopback, ARRAY_COUNT(loopback) };
	if (config->origins[CONFIG_LOG_LEVEL].kind == CONFIG_BY_DEFAULT)
		config->log_level = 2; /* warn: the lines to paste stay in sight */
	if (config->origins[CONFIG_SHUTDOWN_GRACE_MS].kind == CONFIG_BY_DEFAULT)
		config->shutdown_grace_ms = DEV_GRACE_MS;
	config->ephemeral = true;
	return err;
}

static int dev_remove(const struct config *config)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".reserve", ".lock" };
	struct problem problem = { 0 };
	struct store_sqlite_report report;
	if (access(config->store_path, F_OK) != 0)
		return 0;
	enum err err = store_sqlite_inspect(config->store_path, false, &report, &problem);
	if (!err && (!report.ours || report.locked)) {
		problem_set(&problem, report.locked ? E_STORE_LOCKED : E_CONFLICT, "--fresh", "%s is %s; it stays.", config->store_path,
			    report.locked ? "in use" : "no store of ruche's");
		return command_fails("dev", problem.err, &problem);
	}
	for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s%s", config->store_path, suffixes[i]);
		if (unlink(path) != 0 && errno != ENOENT) {
			problem_set(&problem, E_IO, "--fresh", "%s cannot be removed: %s.", path, strerror(errno));
			return command_fails("dev", E_IO, &problem);
		}
	}
	return 0;
}

/* ---- the receiver ---- */

static void dev_hit(void *context, const struct sink_hit *hit)
{
	char step[64];
	(void)context;
	sink_step_text(hit->step, step);
	struct str path = http_path(hit->exchange);
	printf("  the receiver got #%llu: " STR_FMT ", %zu bytes; it answers %s\n", (unsigned long long)hit->number, STR_ARG(str_cut(path, 80)),
	       http_body(hit->exchange).len, step);
	fflush(stdout);
}

static enum err dev_start_sink(struct dev *dev, uv_loop_t *loop, struct problem *problem)
{
	struct sink_config wanted;
	sink_config_default(&wanted);
	wanted.script = str_of(dev->script);
	wanted.on_hit = dev_hit;
	wanted.context = dev;
	enum err err = sink_start(loop, STR(DEV_SINK_ADDRESS), &wanted, &dev->sink, problem);
	if (err == E_ADDRESS_IN_USE) /* another one runs: any port will do */
		err = sink_start(loop, STR(DEV_SINK_ANY), &wanted, &dev->sink, problem);
	return err;
}

/* ---- lines to paste ---- */

static void dev_url(struct dev *dev, const struct wire *wire) /* "curl … URL" with what stands before the path */
{
	for (uint32_t n = 0; n < dev->config->listen.count; n++) {
		struct address address;
		if (address_parse(str_of(dev->config->listen.items[n]), &address, NULL))
			continue;
		if (address.kind == ADDRESS_UNIX)
			snprintf(dev->url, sizeof(dev->url), "--unix-socket %s http://ruche", address.text);
		else
			snprintf(dev->url, sizeof(dev->url), "http://127.0.0.1:%u", wire_port(wire, 0));
		if (address.kind != ADDRESS_UNIX)
			return;
	}
}

/* The same by our own commands, which find the daemon's usual address by themselves. */
static void dev_print_commands(const struct dev *dev)
{
	struct str url = str_of(dev->url), http = STR("http://");
	const char *where = "", *ruche = program_invocation_name; /* as it was typed: it need not be in the path */
	char text[320];
	if (!str_starts(url, http)) { /* "--unix-socket PATH http://…" */
		struct str path = str_from(url, str_index(url, ' ') + 1);
		snprintf(text, sizeof(text), " --url unix:" STR_FMT, (int)str_index(path, ' '), path.ptr);
		where = text;
	} else if (strcmp(dev->url, "http://127.0.0.1:8420") != 0) {
		snprintf(text, sizeof(text), " --url %s", dev->url);
		where = text;
	}
	printf("The same with ruche's own commands:\n\n"
	       "  %s enqueue hooks '{\"sheet\":419}' --wait%s\n"
	       "  %s jobs list%s\n"
	       "  %s queues%s\n"
	       "  %s send sheet.saved '{\"sheet\":420}'%s\n\n"
	       "Ctrl-C ends it. What the receiver gets:\n\n",
	       ruche, where, ruche, where, ruche, where, ruche, where);
}

static void dev_print(const struct dev *dev)
{
	const char *url = dev->url;
	printf("ruche " RUCHE_VERSION ": %s, store %s, open to everybody on this machine\n\n", url, dev->config->store_path);
	printf("A queue whose jobs the daemon delivers itself, here to a receiver that echoes:\n\n"
	       "  curl -sX PUT --json '{\"target\":\"http\",\"http\":{\"url\":\"http://127.0.0.1:%u/hook\"}}' %s/v1/queues/hooks\n"
	       "  curl -s --json '{\"queue\":\"hooks\",\"id\":\"sheet-417\",\"payload\":{\"sheet\":417,\"action\":\"couvrir le métier\"}}' %s/v1/jobs\n"
	       "  curl -s %s/v1/queues/hooks/jobs/sheet-417\n\n",
	       sink_port(dev->sink), url, url, url);
	printf("A queue whose jobs a worker claims; curl is a sufficient worker:\n\n"
	       "  curl -s --json '{\"queue\":\"sheets\",\"id\":\"first\",\"payload\":{\"sheet\":418}}' %s/v1/jobs\n"
	       "  curl -s --json '{\"queues\":[\"sheets\"],\"max\":1,\"wait_ms\":1000,\"token\":\"mine\"}' %s/v1/claims\n"
	       "  curl -s --json '{\"ops\":[{\"op\":\"complete\","
	       "\"queue\":\"sheets\",\"id\":\"first\",\"token\":\"mine\",\"result\":{\"ok\":true}}]}' %s/v1/batch\n"
	       "  curl -s %s/v1/queues/sheets/jobs/first\n\n",
	       url, url, url, url);
	printf("A webhook: an endpoint, which is that receiver, and a message that it gets, signed:\n\n"
	       "  curl -sX PUT --json '{\"url\":\"http://127.0.0.1:%u/crm\",\"types\":[\"sheet.*\"]}' %s/v1/endpoints/crm\n"
	       "  curl -s --json '{\"type\":\"sheet.saved\",\"entity\":\"sheet-417\",\"payload\":{\"sheet\":417}}' %s/v1/messages\n"
	       "  curl -s '%s/v1/deliveries?endpoint=crm'\n\n",
	       sink_port(dev->sink), url, url, url);
	printf("What happens, as it happens:\n\n  curl -sN %s/v1/events\n\n", url);
	dev_print_commands(dev);
	fflush(stdout);
}

static enum err dev_begin(void *context, uv_loop_t *loop, const struct wire *wire, struct problem *problem)
{
	struct dev *dev = context;
	enum err err = dev_start_sink(dev, loop, problem);
	if (err)
		return err;
	dev_url(dev, wire);
	dev_print(dev);
	return E_OK;
}

static void dev_end(void *context)
{
	struct dev *dev = context;
	if (dev->sink)
		sink_stop(dev->sink, NULL, NULL);
	dev->sink = NULL;
}

int cmd_dev(int argc, char **argv)
{
	struct args args;
	struct config config;
	struct problem problem = { 0 };
	int code = command_config(argc, argv, &args, &config);
	if (code)
		return code;
	struct dev dev = { .config = &config, .script = args_has(&args, "script") ? args_get(&args, "script") : "echo" };
	enum err err = dev_settle(&config, &problem);
	if (err)
		code = command_fails("dev", err, &problem);
	if (!code && args_has(&args, "fresh"))
		code = dev_remove(&config);
	if (!code)
		code = serve_run(&(struct serve_options){ .config = &config, .args = &args, .open = true, .begin = dev_begin, .end = dev_end,
							  .context = &dev });
	config_fini(&config);
	return code;
}
