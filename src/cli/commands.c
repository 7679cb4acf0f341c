/* The table of the client's commands: what `ruche help`, the man pages, the completion and the tests of the examples are made from. */
#include "cli/commands.h"
#include "base/check.h"
#include <string.h>

#define EXAMPLES(...) (const char *const[]){ __VA_ARGS__, NULL }

const struct cli_exit enqueue_exits[] = { { 1, "--wait: the job did not complete" }, { 0 } };

const struct cli_command cli_commands[] = {
	{ "enqueue", "Put a job into a queue", "[OPTION…] QUEUE [PAYLOAD]",
	  "PAYLOAD is JSON, or - to read it from standard input; without one it is null. The daemon answers once the job is on disk:\n"
	  "from then on it is not lost. The queue is made if there is none.",
	  enqueue_options,
	  EXAMPLES("ruche enqueue sheets '{\"sheet\": 417, \"action\": \"cover the loom\"}'",
		   "ruche enqueue sheets --file examples/fiche-action.json --id sheet-417 --max-attempts 8",
		   "ruche enqueue export '{\"sheet\": 417}' --dedup sheet-417 --debounce 5m --max-wait 1h",
		   "printf '{\"n\":1}\\n{\"n\":2}\\n' | ruche enqueue sheets --lines"),
	  enqueue_exits, false, cmd_enqueue },
	{ "jobs list", "List jobs, the newest first", "[OPTION…]", NULL, jobs_list_options,
	  EXAMPLES("ruche jobs list --queue sheets --state failed", "ruche jobs list --queue sheets --id 'sheet-*' --json"), NULL, false,
	  cmd_jobs_list },
	{ "jobs show", "Show one job and its attempts", "[OPTION…] JOB", "JOB is a uid, or QUEUE/ID.", jobs_show_options,
	  EXAMPLES("ruche jobs show sheets/sheet-417", "ruche jobs show sheets/sheet-417 --payload"), NULL, false, cmd_jobs_show },
	{ "jobs explain", "Say why a job is not running, or what would change that", "[OPTION…] JOB", "JOB is a uid, or QUEUE/ID.", jobs_plain_options,
	  EXAMPLES("ruche jobs explain sheets/sheet-417"), NULL, false, cmd_jobs_explain },
	{ "jobs retry", "Run finished jobs again", "[OPTION…] JOB | --all FILTER…",
	  "Attempts count from zero again; the earlier ones stay on record. A bulk operation belongs to the daemon: it goes on when this\n"
	  "command is interrupted.",
	  jobs_retry_options,
	  EXAMPLES("ruche jobs retry sheets/failed-1", "ruche jobs retry sheets/failed-2 --payload examples/fiche-action.json",
		   "ruche jobs retry --all --yes --queue sheets --state failed"),
	  bulk_exits, false, cmd_jobs_retry },
	{ "jobs cancel", "Cancel jobs: waiting ones at once, running ones at their next heartbeat", "[OPTION…] JOB | --all FILTER…", NULL,
	  jobs_bulk_options,
	  EXAMPLES("ruche jobs cancel sheets/sheet-417", "ruche jobs cancel --all --yes --queue sheets --state waiting"), bulk_exits, false,
	  cmd_jobs_cancel },
	{ "jobs delete", "Delete jobs that are not running, with all that is kept of them", "[OPTION…] JOB | --all FILTER…", NULL, jobs_bulk_options,
	  EXAMPLES("ruche jobs delete sheets/sheet-417", "ruche jobs delete --all --yes --queue sheets --state cancelled"), bulk_exits, false,
	  cmd_jobs_delete },
	{ "jobs promote", "Let delayed jobs run now", "[OPTION…] JOB | --all FILTER…", NULL, jobs_bulk_options,
	  EXAMPLES("ruche jobs promote sheets/delayed-1", "ruche jobs promote --all --yes --queue sheets --state delayed"), bulk_exits, false,
	  cmd_jobs_promote },
	{ "jobs move", "Move waiting jobs to another queue", "[OPTION…] --to QUEUE JOB | --all FILTER…", NULL, jobs_move_options,
	  EXAMPLES("ruche jobs move --to archive sheets/sheet-417", "ruche jobs move --to archive --all --yes --queue sheets --name late"), bulk_exits,
	  false, cmd_jobs_move },
	{ "jobs priority", "Give waiting jobs another priority; 0 runs first", "[OPTION…] --to N JOB | --all FILTER…", NULL, jobs_priority_options,
	  EXAMPLES("ruche jobs priority --to 0 sheets/sheet-417", "ruche jobs priority --to 5 --all --yes --queue sheets --group site-2"), bulk_exits,
	  false, cmd_jobs_priority },
	{ "queues", "List the queues", "[OPTION…]", NULL, queues_read_options, EXAMPLES("ruche queues"), NULL, true, cmd_queues_list },
	{ "queues list", "List the queues: what waits, runs and ended in each", "[OPTION…]", NULL, queues_read_options,
	  EXAMPLES("ruche queues list", "ruche queues list --json"), NULL, false, cmd_queues_list },
	{ "queues show", "Show a queue: its settings, counts, rates and times", "[OPTION…] QUEUE", NULL, queues_read_options,
	  EXAMPLES("ruche queues show sheets"), NULL, false, cmd_queues_show },
	{ "queues set", "Change a queue's settings; makes the queue if there is none", "[OPTION…] QUEUE KEY=VALUE… | QUEUE JSON | QUEUE --file FILE",
	  "What is not named stays as it is, except with --file. 'ruche queues show QUEUE' lists the keys.", queues_set_options,
	  EXAMPLES("ruche queues set sheets concurrency=20 retry.max_attempts=8 retry.delay_ms=2000",
		   "ruche queues set hooks target=http http.url=https://example.org/hook http.timeout_ms=5000",
		   "ruche queues set sheets --group site-2 concurrency=1"),
	  NULL, false, cmd_queues_set },
	{ "queues pause", "Start nothing new from a queue, or from one group of it", "[OPTION…] QUEUE", NULL, queues_pause_options,
	  EXAMPLES("ruche queues pause sheets", "ruche queues pause sheets --group site-2"), NULL, false, cmd_queues_pause },
	{ "queues resume", "Start jobs of a queue or group again", "[OPTION…] QUEUE", NULL, queues_pause_options,
	  EXAMPLES("ruche queues resume sheets", "ruche queues resume sheets --group site-2"), NULL, false, cmd_queues_resume },
	{ "queues delete", "Delete an empty queue and its settings", "[OPTION…] QUEUE", NULL, queues_plain_options,
	  EXAMPLES("ruche queues delete --yes trial"), NULL, false, cmd_queues_delete },
	{ "queues groups", "List the groups of a queue that have jobs, and what holds each back", "[OPTION…] QUEUE", NULL, queues_groups_options,
	  EXAMPLES("ruche queues groups sheets"), NULL, false, cmd_queues_groups },
	{ "queues metrics", "Show how many jobs of a queue ended in each minute", "[OPTION…] QUEUE",
	  "Minutes (UTC) in which none ended are left out. The queue's setting metric_minutes says for how long it is known.", queues_metrics_options,
	  EXAMPLES("ruche queues metrics sheets", "ruche queues metrics sheets --minutes 1440 --json"), NULL, false, cmd_queues_metrics },
	{ "chains set", "Repeat a job; makes the queue if there is none", "[OPTION…] QUEUE KEY [PAYLOAD]",
	  "A chain of that key is replaced, and its next job with it; the same again changes nothing.", chains_set_options,
	  EXAMPLES("ruche chains set reports nightly '{\"kind\": \"sales\"}' --cron '0 3 * * 1-5' --tz Europe/Paris",
		   "ruche chains set reports poll --every 15m --ttl 10m"), NULL, false, cmd_chains_set },
	{ "chains list", "List a queue's chains of jobs that repeat, and when the next one is due", "[OPTION…] QUEUE", NULL, chains_list_options,
	  EXAMPLES("ruche chains list reports"), NULL, false, cmd_chains_list },
	{ "chains show", "Show a chain: its schedule, its jobs, its next one", "[OPTION…] QUEUE KEY", NULL, chains_plain_options,
	  EXAMPLES("ruche chains show reports nightly"), NULL, false, cmd_chains_show },
	{ "chains delete", "Stop repeating: delete a chain and its next job", "[OPTION…] QUEUE KEY", NULL, chains_plain_options,
	  EXAMPLES("ruche chains delete reports poll"), NULL, false, cmd_chains_delete },
	{ "work", "Run a command for each job of some queues", "[OPTION…] QUEUE… -- COMMAND [ARGUMENT…]",
	  "The payload comes on standard input; RUCHE_JOB_UID, _ID, _QUEUE, _NAMESPACE, _NAME, _GROUP, _ATTEMPT, _MAX_ATTEMPTS and _LEASE\n"
	  "(the lease's token) tell the rest; --url, --token and --namespace are handed on as RUCHE_URL, RUCHE_TOKEN and RUCHE_NAMESPACE.\n"
	  "What the command prints is the result (JSON, or kept as a string). Exit code 0 completes the job, 100 fails it for good, any other\n"
	  "fails the attempt with the last lines of standard error. SIGTERM takes no new jobs and lets the running ones end.",
	  work_options,
	  EXAMPLES("ruche work sheets --drain -- sh -c 'wc -c'", "ruche work sheets hooks --concurrency 4 --count 2 -- ./deliver.sh"), work_exits, false,
	  cmd_work },
	{ "sink", "Receive HTTP calls, answer by script, tell what came", "[OPTION…]",
	  "Steps: a status (200), 503:30 (with Retry-After), 302>URL, hang, reset, slow, echo; 503*3 for three of them.", sink_options,
	  EXAMPLES("ruche sink --script '503,hang,200' --listen 127.0.0.1:0", "ruche sink --listen 127.0.0.1:0 --body --count 3 --out /tmp"), NULL, false,
	  cmd_sink },
	{ "events", "Follow what happens, as it happens", "[OPTION…]",
	  "Breaks are bridged: it goes on after the last event. --after starts at an earlier one that is still kept.", events_options,
	  EXAMPLES("ruche events --queue sheets --type failed", "ruche events --after 0 --count 1 --json"), NULL, false, cmd_events },
	{ "events send", "Tell an event of your own in a queue's events", "[OPTION…] QUEUE NAME [DETAILS]",
	  "Whoever follows the queue hears it as an event of type custom. DETAILS is a JSON object.", events_send_options,
	  EXAMPLES("ruche events send sheets cleaned '{\"count\":3}'"), NULL, false, cmd_events_send },
	{ "events trim", "Forget the older events of a queue", "[OPTION…] QUEUE", NULL, events_trim_options,
	  EXAMPLES("ruche events trim sheets --keep 1000"), NULL, false, cmd_events_trim },
	{ "workers", "List the workers", "[OPTION…]", NULL, workers_list_options, EXAMPLES("ruche workers"), NULL, true, cmd_workers_list },
	{ "workers list", "List the workers that told the daemon of themselves", "[OPTION…]", NULL, workers_list_options,
	  EXAMPLES("ruche workers list", "ruche workers list --queue sheets --json"), NULL, false, cmd_workers_list },
	{ "token create", "Make a token and print it, once", "[OPTION…] NAME",
	  "Scopes: enqueue, work, read, operate (change jobs and queues), admin (everything, tokens too).", token_create_options,
	  EXAMPLES("ruche token create backend --scope enqueue --scope read --queue sheets --expires 90d"), NULL, false, cmd_token_create },
	{ "token", "List the tokens", "[OPTION…]", NULL, token_list_options, EXAMPLES("ruche token"), NULL, true, cmd_token_list },
	{ "token list", "List the tokens, never their secrets", "[OPTION…]", NULL, token_list_options, EXAMPLES("ruche token list"), NULL, false,
	  cmd_token_list },
	{ "token revoke", "End a token, at once", "[OPTION…] TOKEN", "TOKEN is its name, or its uid when several have that name.", token_plain_options,
	  EXAMPLES("ruche token revoke backend"), NULL, false, cmd_token_revoke },
	{ "bench", "Measure this machine's ruche against the floors", "[OPTION…] [SCENARIO…]",
	  "Scenarios: enqueue_single enqueue_bulk drain_batch end_to_end_batch end_to_end_single latency http_deliveries memory polls\n"
	  "large restart list; all of them when none is named. Each run starts a daemon on a fresh store.",
	  bench_options, EXAMPLES("ruche bench enqueue_single --jobs 5000 --runs 1", "ruche bench latency --jobs 50 --runs 1 --json"), NULL, false,
	  cmd_bench },
	{ "completion", "Print the completion script of a shell", "bash | zsh | fish", "It completes commands, options and the names of live queues.", NULL,
	  EXAMPLES("ruche completion bash > /tmp/ruche-completion.bash"), NULL, false, cmd_completion },
	{ "help", "Show all commands, or more about one", "[COMMAND | exits]", NULL, help_options,
	  EXAMPLES("ruche help", "ruche help jobs retry", "ruche help exits"), NULL, false, cmd_help },
	{ 0 },
};

const struct cli_command *commands_find(const char *name)
{
	for (const struct cli_command *command = cli_commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	UNREACHABLE();
}
