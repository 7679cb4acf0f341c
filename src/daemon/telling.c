#include "daemon/telling.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/uid.h"

#define TELLING_STUCK_US   INT64_C(5000000)
#define TELLING_DISK_LEAST (UINT64_C(64) * 1024 * 1024) /* free bytes below which the disk is said to be nearly full */

static bool telling_begin(struct buf *out, const char *name, bool ok)
{
	json_put_key(out, name);
	buf_add_lit(out, "{");
	json_put_field_bool(out, "ok", ok);
	return ok;
}

static bool telling_store(const struct telling *telling, struct buf *out)
{
	const struct engine_view *view = &telling->view;
	bool ok = telling_begin(out, "store", view->health == E_OK);
	json_put_field_u64(out, "commit_seq", view->stats.commit_seq);
	if (!ok) {
		json_put_field_str(out, "code", str_of(err_code(view->health)));
		json_put_field_str(out, "detail", str_of(err_sentence(view->health)));
	}
	buf_add_lit(out, "}");
	return ok;
}

static bool telling_engine(const struct telling *telling, struct buf *out)
{
	const struct engine_view *view = &telling->view;
	bool ok = telling_begin(out, "engine", view->busy_us < TELLING_STUCK_US);
	json_put_field_u64(out, "pending_requests", view->stats.pending_requests);
	json_put_field_u64(out, "commits_in_flight", view->stats.in_flight);
	if (!ok) {
		json_put_field_i64(out, "busy_ms", view->busy_us / 1000);
		json_put_field_str(out, "detail", STR("The engine has been in one step for long: the disk may hang."));
	}
	buf_add_lit(out, "}");
	return ok;
}

/* A full disk is no reason to keep workers away: completions still work from the reserve. It is said, and not counted. */
static bool telling_disk(const struct telling *telling, struct buf *out)
{
	telling_begin(out, "disk", true);
	json_put_field_u64(out, "free_bytes", telling->vitals.disk_free_bytes);
	if (telling->view.stats.store_full)
		json_put_field_str(out, "warning", STR("The disk is full: enqueues are refused (507) until there is room."));
	else if (telling->vitals.disk_free_bytes < TELLING_DISK_LEAST)
		json_put_field_str(out, "warning", STR("The disk is nearly full."));
	buf_add_lit(out, "}");
	return true;
}

static bool telling_clock(struct buf *out)
{
	bool ok = telling_begin(out, "clock", clock_wall_us() / 1000 >= UID_EPOCH_MS);
	json_put_field_instant(out, "now_at", clock_wall_us());
	if (!ok)
		json_put_field_str(out, "detail", STR("The wall clock stands before 2024: set it."));
	buf_add_lit(out, "}");
	return ok;
}

static bool telling_shutdown(const struct telling *telling, struct buf *out)
{
	bool ok = telling_begin(out, "shutdown", !telling->quiescing);
	if (!ok)
		json_put_field_str(out, "detail", STR("The daemon is stopping."));
	buf_add_lit(out, "}");
	return ok;
}

bool telling_checks(const struct telling *telling, struct buf *out)
{
	bool ok = telling_store(telling, out);
	ok = telling_engine(telling, out) && ok;
	ok = telling_disk(telling, out) && ok;
	ok = telling_clock(out) && ok;
	return telling_shutdown(telling, out) && ok;
}

/* ---- metrics ---- */

static void telling_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void telling_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	telling_family(out, name, "gauge", help);
	buf_addf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void telling_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	telling_family(out, name, "counter", help);
	buf_addf(out, "%s_total %llu\n", name, (unsigned long long)value);
}

static void telling_seconds(struct buf *out, const char *name, const char *type, const char *help, uint64_t us)
{
	telling_family(out, name, type, help);
	buf_addf(out, "%s%s %llu.%06llu\n", name, type[0] == 'c' ? "_total" : "", (unsigned long long)(us / 1000000),
		 (unsigned long long)(us % 1000000));
}

static void telling_engine_metrics(const struct telling *telling, struct buf *out)
{
	const struct engine_stats *stats = &telling->view.stats;
	telling_gauge(out, "ruche_up", "Whether the engine works (1) or cannot (0).", telling->view.health == E_OK);
	telling_gauge(out, "ruche_jobs_live", "Jobs that are not final.", stats->live_jobs);
	telling_gauge(out, "ruche_jobs_far", "Of those, delayed ones whose time is far: on disk only.", stats->far_jobs);
	telling_gauge(out, "ruche_queues", "Queues.", stats->queues);
	telling_gauge(out, "ruche_groups", "Groups with live jobs.", stats->groups);
	telling_gauge(out, "ruche_leases", "Jobs held by workers and deliveries.", stats->leases);
	telling_gauge(out, "ruche_waiters", "Requests that wait for work or for a result.", stats->waiters);
	telling_gauge(out, "ruche_requests_pending", "Requests accepted and not yet applied.", stats->pending_requests);
	telling_gauge(out, "ruche_commits_in_flight", "Change-sets on their way to the disk.", stats->in_flight);
	telling_gauge(out, "ruche_store_full", "Whether the disk is full and enqueues are refused.", stats->store_full);
	telling_counter(out, "ruche_commits", "Change-sets committed since the store was made.", stats->commit_seq);
	telling_counter(out, "ruche_batches", "Batches closed since the start.", stats->batches);
	telling_counter(out, "ruche_requests", "Requests applied since the start.", stats->requests);
	telling_counter(out, "ruche_operations", "Operations applied since the start.", stats->operations);
	telling_counter(out, "ruche_rebuilds", "Times memory was rebuilt from the store after an unknown outcome.", stats->rebuilds);
	telling_seconds(out, "ruche_longest_step_seconds", "gauge", "The longest time since the start for which the engine did nothing else.",
			(uint64_t)telling->view.longest_us);
	telling_counter(out, "ruche_commits_refused", "Change-sets that the store refused for sure.", stats->refused_commits);
}

static void telling_endpoint_metrics(const struct engine_stats *stats, struct buf *out)
{
	static const char *const states[ENDPOINTS_COUNTED] = {
		[ENDPOINTS_OK] = "ok", [ENDPOINTS_FAILING] = "failing", [ENDPOINTS_OPEN] = "open", [ENDPOINTS_PAUSED] = "paused",
		[ENDPOINTS_DISABLED] = "disabled",
	};
	telling_family(out, "ruche_endpoints", "gauge", "Endpoints of webhooks, by how they do; open: also those that are being probed.");
	for (int state = 0; state < ENDPOINTS_COUNTED; state++)
		buf_addf(out, "ruche_endpoints{state=\"%s\"} %llu\n", states[state], (unsigned long long)stats->endpoints[state]);
}

static void telling_deliver_metrics(const struct deliver_stats *stats, struct buf *out)
{
	telling_gauge(out, "ruche_deliveries_in_flight", "HTTP calls that run now.", stats->in_flight);
	telling_counter(out, "ruche_deliveries_started", "HTTP calls started.", stats->started);
	telling_family(out, "ruche_deliveries", "counter", "HTTP calls ended, by how.");
	for (enum http_class class = 0; class < HTTP_CLASS_COUNT; class++)
		buf_addf(out, "ruche_deliveries_total{class=\"%s\"} %llu\n", http_class_code(class), (unsigned long long)stats->by_class[class]);
}

static void telling_http_metrics(const struct http_server_stats *stats, struct buf *out)
{
	telling_gauge(out, "ruche_http_connections", "Connections that are open.", stats->connections_now);
	telling_gauge(out, "ruche_http_waiting", "Connections with an unanswered request.", stats->waiting_now);
	telling_family(out, "ruche_http_body_bytes", "gauge", "Room taken by bodies of requests that are not answered yet; unknown: sent without a token.");
	buf_addf(out, "ruche_http_body_bytes{sender=\"known\"} %llu\n", (unsigned long long)(stats->body_bytes - stats->unknown_body_bytes));
	buf_addf(out, "ruche_http_body_bytes{sender=\"unknown\"} %llu\n", (unsigned long long)stats->unknown_body_bytes);
	telling_counter(out, "ruche_http_accepted", "Connections accepted.", stats->connections_total);
	telling_counter(out, "ruche_http_requests", "Requests that arrived whole, or were answered by their head.", stats->requests);
	telling_counter(out, "ruche_http_refused_early", "Of those, requests that were refused before their body was read.", stats->refused_early);
	telling_counter(out, "ruche_http_refused_malformed", "Requests refused as malformed.", stats->refused_parse);
	telling_counter(out, "ruche_http_refused_limit", "Requests and connections refused by a limit.", stats->refused_limit);
	telling_counter(out, "ruche_http_timed_out", "Connections closed for being too slow.", stats->timed_out);
}

static void telling_process_metrics(const struct vitals *vitals, struct buf *out)
{
	telling_gauge(out, "ruche_disk_free_bytes", "Free space beside the store.", vitals->disk_free_bytes);
	telling_gauge(out, "process_resident_memory_bytes", "Resident memory.", vitals->rss_bytes);
	telling_gauge(out, "process_open_fds", "Open descriptors.", vitals->files_open);
	telling_gauge(out, "process_max_fds", "Descriptors that may be open.", vitals->files_max);
	telling_seconds(out, "process_cpu_seconds", "counter", "Processor time used.", vitals->cpu_us);
	telling_seconds(out, "process_start_time_seconds", "gauge", "When the process started, since 1970.", (uint64_t)vitals->started_us);
}

void telling_metrics(const struct telling *telling, struct buf *out)
{
	telling_engine_metrics(telling, out);
	telling_endpoint_metrics(&telling->view.stats, out);
	telling_deliver_metrics(&telling->deliver, out);
	telling_http_metrics(&telling->http, out);
	telling_gauge(out, "ruche_questions_waiting", "Reads that wait for a reader.", telling->readers.waiting);
	telling_counter(out, "ruche_questions", "Reads answered.", telling->readers.questions);
	telling_seconds(out, "ruche_questions_busy_seconds", "counter", "Time that readers worked.", telling->readers.busy_us);
	telling_process_metrics(&telling->vitals, out);
}
