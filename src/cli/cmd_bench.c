/* ruche bench: what this daemon does on this machine, against the floors that it must not fall below. */
#include "cli/args.h"
#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>

#define BENCH_SCENARIO_WORDS                                                                                                  \
	"enqueue_single enqueue_bulk drain_batch end_to_end_batch end_to_end_single latency http_deliveries memory polls large restart list " \
	"webhook_deliveries webhook_fan_out webhook_dead"

const struct cli_option bench_options[] = {
	{ "jobs", 'j', "N", "jobs of a run, instead of the scenario's own number", NULL, false },
	{ "connections", 'c', "N", "connections, likewise", NULL, false },
	{ "runs", 'r', "N", "runs, each on a fresh store; the median counts (3)", NULL, false },
	{ "directory", 'd', "DIRECTORY", "where the stores are made: a real disk (/var/tmp)", "@files", false },
	{ "unix", 0, NULL, "over a Unix socket instead of TCP", NULL, false },
	JSON_OPTION,
	{ "url", 0, "URL", "measure the daemon that runs there, not one of our own", NULL, false },
	{ "token", 0, "TOKEN", "for that one (RUCHE_TOKEN)", NULL, false },
	{ 0 },
};

struct bench_figure { /* one line of the outcome */
	const char *name, *unit;
	double floor;
	bool lower_is_better;
};
static const struct bench_scenario {
	const char *name;
	struct bench_figure figures[BENCH_VALUES]; /* a name that is NULL: no more */
	enum err (*run)(struct bench *bench);
} bench_scenarios[] = {
	{ "enqueue_single", { { "enqueue_single", "jobs/s", 30000, false } }, bench_enqueue_single },
	{ "enqueue_bulk", { { "enqueue_bulk", "jobs/s", 150000, false } }, bench_enqueue_bulk },
	{ "drain_batch", { { "drain_batch", "jobs/s", 90000, false } }, bench_drain_batch },
	{ "end_to_end_batch", { { "end_to_end_batch", "jobs/s", 70000, false } }, bench_end_to_end_batch },
	{ "end_to_end_single", { { "end_to_end_single", "jobs/s", 10000, false } }, bench_end_to_end_single },
	{ "latency", { { "latency_p50_ms", "ms", 0.8, true }, { "latency_p99_ms", "ms", 4, true } }, bench_latency },
	{ "http_deliveries", { { "http_deliveries", "/s", 10000, false } }, bench_http_deliveries },
	{ "memory", { { "waiting_job_bytes", "bytes", 250, true }, { "idle_rss_mb", "MB", 15, true } }, bench_memory },
	{ "polls", { { "long_poll_bytes", "bytes", 12288, true }, { "polls_latency_p99_ms", "ms", 20, true } }, bench_polls },
	{ "large", { { "large_beside_p50_ms", "ms", 4, true }, { "large_beside_p99_ms", "ms", 20, true } }, bench_large },
	{ "restart", { { "restart_1m_s", "s", 3, true } }, bench_restart },
	{ "list", { { "list_p95_ms", "ms", 50, true } }, bench_list },
	{ "webhook_deliveries", { { "webhook_deliveries", "/s", 10000, false } }, bench_webhook_deliveries },
	{ "webhook_fan_out",
	  { { "fan_out_acknowledged_ms", "ms", 30, true }, { "fan_out_expanded_ms", "ms", 300, true }, { "fan_out_step_ms", "ms", 20, true } },
	  bench_webhook_fan_out },
	{ "webhook_dead", { { "dead_p99_ratio", "times", 1.2, true }, { "dead_p99_ms", "ms", 20, true } }, bench_webhook_dead },
};
#define BENCH_FIGURES (ARRAY_COUNT(bench_scenarios) * BENCH_VALUES)

struct bench_outcome {
	const struct bench_figure *figure;
	double runs[BENCH_RUNS_MAX];
	uint32_t count;
};

/* ---- what comes out ---- */

static int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double bench_median(const struct bench_outcome *outcome)
{
	double sorted[BENCH_RUNS_MAX];
	memcpy(sorted, outcome->runs, outcome->count * sizeof(sorted[0]));
	qsort(sorted, outcome->count, sizeof(sorted[0]), bench_compare);
	uint32_t half = outcome->count / 2;
	return outcome->count % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

static void bench_number_text(double value, char out[32])
{
	snprintf(out, 32, value >= 1000 ? "%.0f" : value >= 10 ? "%.1f" : "%.3f", value);
}

static void bench_print_json(const struct bench_outcome *outcomes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char text[32];
		bench_number_text(bench_median(&outcomes[i]), text);
		printf("%s\"%s\":{\"value\":%s,\"unit\":\"%s\",\"runs\":[", i ? "," : "{", outcomes[i].figure->name, text, outcomes[i].figure->unit);
		for (uint32_t run = 0; run < outcomes[i].count; run++) {
			bench_number_text(outcomes[i].runs[run], text);
			printf("%s%s", run ? "," : "", text);
		}
		printf("]}");
	}
	puts(count ? "}" : "{}");
}

static void bench_print_table(const struct bench_outcome *outcomes, size_t count)
{
	static const char *const heads[] = { "MEASURE", ">VALUE", "UNIT", ">FLOOR", ">TIMES THE FLOOR", "RUNS", NULL };
	struct arena arena = { 0 };
	struct table table;
	table_init(&table, &arena, heads);
	for (size_t i = 0; i < count; i++) {
		const struct bench_figure *figure = outcomes[i].figure;
		double value = bench_median(&outcomes[i]);
		char text[32];
		const char *runs = "";
		bench_number_text(value, text);
		table_add(&table, str_of(figure->name));
		table_add(&table, arena_str(&arena, str_of(text)));
		table_add(&table, str_of(figure->unit));
		table_add(&table, str_of(arena_printf(&arena, "%s %g", figure->lower_is_better ? "<=" : ">=", figure->floor)));
		table_add(&table, str_of(arena_printf(&arena, "%.2f", figure->lower_is_better ? figure->floor / value : value / figure->floor)));
		for (uint32_t run = 0; run < outcomes[i].count; run++) {
			bench_number_text(outcomes[i].runs[run], text);
			runs = arena_printf(&arena, "%s%s%s", runs, run ? " " : "", text);
		}
		table_add(&table, str_of(runs));
	}
	table_print(&table, stdout, false);
	arena_fini(&arena);
}

/* ---- running ---- */

static int bench_explain(const struct bench *bench, const struct bench_scenario *scenario, enum err err)
{
	fprintf(stderr, "ruche bench: %s: %s [%s]\n", scenario->name, bench->problem.detail[0] ? bench->problem.detail : err_sentence(err), err_code(err));
	return err_exit_code(err);
}

static int bench_run(struct bench *bench, const struct bench_scenario *scenario, uint64_t runs, struct bench_outcome *outcomes, size_t *count)
{
	size_t figures = 0;
	while (figures < BENCH_VALUES && scenario->figures[figures].name)
		figures++;
	for (size_t i = 0; i < figures; i++)
		outcomes[*count + i] = (struct bench_outcome){ .figure = &scenario->figures[i] };
	for (uint64_t run = 0; run < runs; run++) {
		if (remote_is_fancy(stderr))
			fprintf(stderr, "\r\033[K%s, run %llu of %llu …", scenario->name, (unsigned long long)run + 1, (unsigned long long)runs);
		enum err err = bench_daemon_start(bench);
		if (!err)
			err = scenario->run(bench);
		bench_daemon_stop(bench);
		if (err) {
			if (remote_is_fancy(stderr))
				fputs("\r\033[K", stderr);
			return bench_explain(bench, scenario, err);
		}
		for (size_t i = 0; i < figures; i++)
			outcomes[*count + i].runs[outcomes[*count + i].count++] = bench->value[i];
	}
	if (remote_is_fancy(stderr))
		fputs("\r\033[K", stderr);
	*count += figures;
	return 0;
}

/* By its own name, or by that of one of its figures. */
static const struct bench_scenario *bench_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(bench_scenarios); i++) {
		const struct bench_scenario *scenario = &bench_scenarios[i];
		bool found = strcmp(scenario->name, name) == 0;
		for (size_t figure = 0; figure < BENCH_VALUES && scenario->figures[figure].name && !found; figure++)
			found = strcmp(scenario->figures[figure].name, name) == 0;
		if (found)
			return scenario;
	}
	return NULL;
}

static int bench_scenarios_run(struct bench *bench, const struct args *args, uint64_t runs)
{
	struct bench_outcome outcomes[BENCH_FIGURES];
	size_t count = 0;
	int code = 0;
	for (int i = 0; i < args->word_count && !code; i++) {
		const struct bench_scenario *scenario = bench_find(args->words[i]);
		if (!scenario)
			return args_complain(args->command, "no scenario '%s'; there are " BENCH_SCENARIO_WORDS, args->words[i]);
		if (count + BENCH_VALUES > BENCH_FIGURES)
			return args_complain(args->command, "too many scenarios");
		code = bench_run(bench, scenario, runs, outcomes, &count);
	}
	for (size_t i = 0; i < ARRAY_COUNT(bench_scenarios) && !args->word_count && !code; i++)
		code = bench_run(bench, &bench_scenarios[i], runs, outcomes, &count);
	if (args_has(args, "json"))
		bench_print_json(outcomes, count);
	else
		bench_print_table(outcomes, count);
	return code;
}

int cmd_bench(int argc, char **argv)
{
	struct args args;
	struct bench bench = { .directory = "/var/tmp" };
	uint64_t runs = 3, connections = 0;
	int code = args_read(&args, commands_find(argv[0]), argc, argv);
	if (!code)
		code = args_u64(&args, "jobs", 1, UINT32_MAX, &bench.jobs);
	if (!code)
		code = args_u64(&args, "connections", 1, 10000, &connections);
	if (!code)
		code = args_u64(&args, "runs", 1, BENCH_RUNS_MAX, &runs);
	if (code)
		return code;
	bench.connections = (uint32_t)connections;
	bench.use_unix = args_has(&args, "unix");
	bench.url = args_get(&args, "url");
	bench.token = args_get(&args, "token") ? args_get(&args, "token") : getenv("RUCHE_TOKEN");
	if (args_get(&args, "directory"))
		bench.directory = args_get(&args, "directory");
	signal(SIGPIPE, SIG_IGN);
	return bench_scenarios_run(&bench, &args, runs);
}
