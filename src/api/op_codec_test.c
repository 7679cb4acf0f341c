/* Good requests, as a table: what each one asks of the engine, as text. Everything that an operation holds is told by op_dump, so a
 * field that is lost or misread shows. */
#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UID "0amfs2br80000"

/* ---- operations as text ---- */

static void dump_str(struct buf *out, const char *name, struct str text)
{
	if (text.len)
		buf_addf(out, " %s=" STR_FMT, name, STR_ARG(text));
}

static void dump_i64(struct buf *out, const char *name, int64_t n)
{
	if (n)
		buf_addf(out, " %s=%lld", name, (long long)n);
}

static void dump_queue(struct buf *out, const char *name, struct queue_name queue)
{
	if (queue.namespace_name.len)
		buf_addf(out, " %s=" STR_FMT "/" STR_FMT, name, STR_ARG(queue.namespace_name), STR_ARG(queue.name));
	else
		dump_str(out, name, queue.name);
}

static void dump_uid(struct buf *out, uint64_t uid)
{
	char text[UID_TEXT_BYTES];
	uid_text(uid, text);
	if (uid)
		buf_addf(out, " %s", text);
}

static void dump_past(struct buf *out, const struct op_past *past)
{
	if (past->ended)
		dump_str(out, "ended", str_of(job_state_name(past->state)));
	buf_addf(out, " past=%u/%u/%u/%d/%lld/%lld/%llu", past->attempts_started, past->attempts_made, past->stalls, past->redone,
	         (long long)past->started_us, (long long)past->finished_us, (unsigned long long)past->ids);
	dump_str(out, "worker", past->worker);
	dump_str(out, "progress", past->progress);
	dump_str(out, "result", past->result);
	for (const struct op_past_text *error = past->errors; error; error = error->next)
		dump_str(out, "error", error->text);
	for (const struct op_past_text *line = past->lines; line; line = line->next)
		dump_str(out, "line", line->text);
	for (const struct op_past_child *child = past->children; child; child = child->next) {
		dump_queue(out, "child", child->queue);
		buf_addf(out, ":" STR_FMT ":%d:" STR_FMT, STR_ARG(child->id), (int)child->state, STR_ARG(child->value));
	}
}

static void dump_enqueue(struct buf *out, const struct op_enqueue *op)
{
	dump_queue(out, "queue", op->queue);
	dump_str(out, "id", op->id);
	dump_str(out, "name", op->name);
	dump_str(out, "group", op->group);
	dump_str(out, "tags", op->tags);
	dump_str(out, "trace", op->trace);
	dump_str(out, "target", op->target);
	dump_str(out, "payload", op->payload);
	if (op->retry)
		buf_addf(out, " retry=%d/%u/%lld", op->retry->kind, op->retry->max_attempts, (long long)op->retry->delay_ms);
	dump_i64(out, "max_attempts", op->max_attempts);
	dump_i64(out, "priority", op->priority);
	dump_i64(out, "run_at", op->run_at_us);
	dump_i64(out, "delay", op->delay_ms);
	dump_i64(out, "timeout", op->timeout_ms);
	dump_i64(out, "ttl", op->ttl_ms);
	dump_i64(out, "lifo", op->lifo);
	dump_str(out, "metadata", op->metadata);
	dump_i64(out, "compat", op->compat);
	dump_i64(out, "waits", op->waits);
	if (op->past)
		dump_past(out, op->past);
	for (uint32_t i = 0; i < op->parent_count; i++) {
		const struct op_parent *parent = &op->parents[i];
		char uid[UID_TEXT_BYTES] = "";
		if (parent->uid)
			uid_text(parent->uid, uid);
		buf_addf(out, " parent=%u/%s" STR_FMT "/" STR_FMT "/" STR_FMT ":%d", parent->ref, uid, STR_ARG(parent->queue.namespace_name),
		         STR_ARG(parent->queue.name), STR_ARG(parent->id), (int)parent->on_failure);
	}
}

static void dump_claim(struct buf *out, const struct op_claim *op)
{
	for (uint32_t i = 0; i < op->queue_count; i++) {
		dump_queue(out, "queue", op->queues[i].queue);
		dump_i64(out, "weight", op->queues[i].weight);
	}
	buf_addf(out, " max=%u", op->max);
	dump_i64(out, "group_max", op->group_max);
	dump_i64(out, "group_min", op->group_min);
	dump_i64(out, "group_wait", op->group_wait_ms);
	dump_i64(out, "wait", op->wait_ms);
	dump_i64(out, "lease", op->lease_ms);
	dump_str(out, "worker", op->worker);
	dump_str(out, "token", op->token);
	dump_i64(out, "compat", op->compat);
	dump_i64(out, "rides", op->rides);
	if (op->limiter.max)
		buf_addf(out, " limiter=%u/%lld", op->limiter.max, (long long)op->limiter.per_ms);
}

static void dump_job_name(struct buf *out, const char *name, const struct job_name *job)
{
	char uid[UID_TEXT_BYTES];
	uid_text(job->uid, uid);
	if (job->uid)
		dump_str(out, name, str_of(uid));
	dump_queue(out, name, job->queue);
	dump_str(out, "id", job->id);
}

static void dump_lease(struct buf *out, const struct op_lease *op)
{
	dump_uid(out, op->uid);
	dump_queue(out, "queue", op->queue);
	dump_str(out, "id", op->id);
	dump_str(out, "token", op->token);
	dump_i64(out, "fence", (int64_t)op->fence);
	dump_i64(out, "lease", op->lease_ms);
	dump_i64(out, "delay", op->delay_ms);
	dump_i64(out, "verdict", op->verdict);
	dump_str(out, "body", op->body);
	dump_str(out, "error", op->error);
	dump_i64(out, "run_at", op->run_at_us);
	if (op->child)
		dump_job_name(out, "child", op->child);
	if (op->trims)
		buf_addf(out, " trims=%u", op->keep_lines);
	if (op->keep)
		buf_addf(out, " keep=%d/%llu/%lld/%u", op->keep->none, (unsigned long long)op->keep->count, (long long)op->keep->age_ms, op->keep->limit);
}

static void dump_job(struct buf *out, const struct op_job *op)
{
	dump_uid(out, op->uid);
	dump_queue(out, "queue", op->queue);
	dump_str(out, "id", op->id);
	dump_queue(out, "to", op->to);
	dump_i64(out, "priority", op->priority);
	if (op->has_payload)
		buf_addf(out, " payload=" STR_FMT, STR_ARG(op->payload));
	dump_i64(out, "wait", op->wait_ms);
	dump_i64(out, "delay", op->delay_ms);
	dump_str(out, "reason", op->reason);
	if (op->only_in_state)
		buf_addf(out, " only=%s", job_state_name(op->only_state));
	dump_i64(out, "force", op->force);
	dump_i64(out, "lifo", op->lifo);
	dump_i64(out, "keep_attempts", op->keep_attempts);
	dump_i64(out, "reset_started", op->reset_started);
	dump_i64(out, "run_at", op->run_at_us);
	dump_i64(out, "tree", op->tree);
	dump_job_name(out, "parent", &op->parent);
}

static void dump_queue_op(struct buf *out, const struct op_queue *op)
{
	dump_queue(out, "queue", op->queue);
	dump_str(out, "group", op->group);
	dump_str(out, "settings", op->settings);
	dump_i64(out, "replace", op->replace);
	dump_i64(out, "limit", op->limit);
	dump_str(out, "after", op->after);
	dump_i64(out, "rate_max", op->rate_max);
	dump_i64(out, "interval", op->interval_ms);
	dump_i64(out, "stalls", op->max_stalls);
}

static void op_dump(struct buf *out, const struct op *op)
{
	const char *name = op_kind_name(op->kind);
	buf_add(out, str_of(name ? name : op->kind == OP_WAIT ? "wait" : "barrier"));
	switch (op->kind) {
	case OP_ENQUEUE: dump_enqueue(out, &op->enqueue); return;
	case OP_CLAIM: dump_claim(out, &op->claim); return;
	case OP_HEARTBEAT: case OP_COMPLETE: case OP_FAIL: case OP_RELEASE: case OP_SNOOZE: case OP_PROGRESS: case OP_LOG: case OP_AWAIT_CHILDREN:
		dump_lease(out, &op->lease);
		return;
	case OP_CANCEL: case OP_RETRY: case OP_PROMOTE: case OP_REPRIORITISE: case OP_MOVE: case OP_DELETE: case OP_DETACH: case OP_EDIT:
	case OP_CHILDREN_DELETE: case OP_RESCHEDULE: case OP_WAIT: case OP_EXPLAIN:
		dump_job(out, &op->job);
		return;
	case OP_OPERATION_START:
		dump_str(out, "action", str_of(op_kind_name(op->operation.action)));
		dump_str(out, "filter", op->operation.filter);
		dump_str(out, "arguments", op->operation.arguments);
		dump_job(out, &op->operation.template);
		return;
	case OP_OPERATION_PAUSE: case OP_OPERATION_RESUME: case OP_OPERATION_CANCEL:
		dump_uid(out, op->operation.number);
		return;
	case OP_BARRIER: return;
	default: dump_queue_op(out, &op->queue);
	}
}

/* ---- the table ---- */

static const struct {
	const char *method, *path, *body;
	const char *asks; /* one operation a line; "!" first: atomic */
} rows[] = {
	/* jobs */
	{ "POST", "/v1/jobs", "{\"queue\":\"q\"}", "enqueue queue=q" },
	{ "POST", "/v1/jobs", " { \"queue\" : \"q\" , \"payload\" : { \"b\" : 1,  \"a\":2.50e1 } } ", "enqueue queue=q payload={ \"b\" : 1,  \"a\":2.50e1 }" },
	{ "POST", "/v1/jobs", "{\"payload\":null,\"queue\":\"q\"}", "enqueue queue=q payload=null" },
	{ "POST", "/v1/jobs",
	  "{\"queue\":\"q\",\"namespace\":\"n\",\"id\":\"i\\u00e9\",\"name\":\"k\",\"group\":\"g\",\"payload\":[1],\"priority\":3,\"delay_ms\":50,\"lifo\":true,"
	  "\"max_attempts\":7,\"retry\":{\"kind\":\"fixed\",\"delay_ms\":9,\"max_attempts\":4},\"timeout_ms\":11,\"ttl_ms\":12,\"tags\":[\"a\", \"b\"],"
	  "\"trace\":{\"traceparent\":\"x\"},\"http\":{\"url\":\"https://example.org/x\"}}",
	  "enqueue queue=n/q id=ié name=k group=g tags=[\"a\", \"b\"] trace={\"traceparent\":\"x\"} target={\"url\":\"https://example.org/x\"} payload=[1] "
	  "retry=0/4/9 max_attempts=7 priority=3 delay=50 timeout=11 ttl=12 lifo=1" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"run_at\":\"2026-11-23T19:11:12.345+01:00\"}", "enqueue queue=q run_at=1795457472345000" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\\\"\\u0020x\",\"payload\":\"\\n\"}", "enqueue queue=q\" x payload=\"\\n\"" },
	{ "POST", "/v1/jobs", "{\"jobs\":[{\"queue\":\"a\"},{\"queue\":\"b\",\"payload\":7}]}", "enqueue queue=a\nenqueue queue=b payload=7" },
	{ "POST", "/v1/jobs", "{\"jobs\":[{\"queue\":\"a\",\"waits\":true},{\"queue\":\"b\",\"parents\":[{\"ref\":0,\"on_failure\":\"ignore\"},{\"uid\":\"" UID
	  "\"},{\"queue\":\"c\",\"id\":\"x\",\"namespace\":\"n\",\"on_failure\":\"hold\"}]}]}",
	  "enqueue queue=a waits=1\nenqueue queue=b parent=1///:2 parent=0/" UID "//:6 parent=0/n/c/x:4" },
	{ "POST", "/v1/jobs", "{\"queue\":\"a\",\"compat\":\"bullmq\",\"past\":{\"state\":\"failed\",\"attempts_started\":3,\"attempts_made\":2,"
	  "\"stalls\":1,\"redone\":true,\"started_at\":\"1970-01-01T00:00:01Z\",\"finished_at\":\"1970-01-01T00:00:02Z\",\"worker\":\"w\",\"progress\":{\"p\":1},"
	  "\"result\":[2],\"errors\":[{\"message\":\"a\"},{\"message\":\"b\"}],\"logs\":[\"x\",\"y\"],\"ids\":7,"
	  "\"children\":[{\"queue\":\"c\",\"id\":\"1\",\"state\":\"done\",\"value\":5},{\"namespace\":\"n\",\"queue\":\"c\",\"id\":\"2\",\"state\":\"failed\"}]}}",
	  "enqueue queue=a compat=1 ended=failed past=3/2/1/1/1000000/2000000/7 worker=w progress={\"p\":1} result=[2] error={\"message\":\"a\"} "
	  "error={\"message\":\"b\"} line=x line=y child=c:1:1:5 child=n/c:2:3:" },
	{ "POST", "/v1/jobs", "{\"atomic\":true,\"jobs\":[{\"queue\":\"a\"}]}", "!enqueue queue=a" },
	{ "GET", "/v1/jobs/" UID, NULL, "barrier" },
	{ "GET", "/v1/jobs/" UID "?wait_ms=0", NULL, "barrier" },
	{ "GET", "/v1/jobs/0AMFS2BR8OOOO?wait_ms=5", NULL, "wait " UID " wait=5" },
	{ "GET", "/v1/queues/q/jobs/a%2Fb?wait_ms=5&namespace=n", NULL, "wait queue=n/q id=a/b wait=5" },
	{ "GET", "/v1/jobs/" UID "/payload", NULL, "barrier" },
	{ "GET", "/v1/jobs/" UID "/explain", NULL, "explain " UID },
	{ "DELETE", "/v1/jobs/" UID, NULL, "delete " UID },
	{ "POST", "/v1/jobs/" UID "/cancel", NULL, "cancel " UID },
	{ "POST", "/v1/jobs/" UID "/cancel", "{\"reason\":\"no\"}", "cancel " UID " reason=no" },
	{ "POST", "/v1/jobs/" UID "/retry", "{}", "retry " UID },
	{ "POST", "/v1/jobs/" UID "/retry", "{\"payload\":null,\"delay_ms\":5}", "retry " UID " payload=null delay=5" },
	{ "POST", "/v1/jobs/" UID "/promote", NULL, "promote " UID },
	{ "POST", "/v1/jobs/" UID "/priority", "{\"priority\":2097151}", "reprioritise " UID " priority=2097151" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"metadata\": {\"opts\": {} },\"compat\":\"bullmq\"}", "enqueue queue=q metadata={\"opts\": {} } compat=1" },
	{ "DELETE", "/v1/jobs/" UID "?force=true", NULL, "delete " UID " force=1" },
	{ "POST", "/v1/jobs/" UID "/cancel", "{\"only_state\":\"active\"}", "cancel " UID " only=active" },
	{ "POST", "/v1/jobs/" UID "/retry", "{\"keep_attempts\":true,\"reset_started\":true,\"lifo\":true}", "retry " UID " lifo=1 keep_attempts=2 reset_started=1" },
	{ "POST", "/v1/jobs/" UID "/retry", "{\"keep_attempts\":false,\"only_state\":\"failed\"}", "retry " UID " only=failed keep_attempts=1" },
	{ "POST", "/v1/jobs/" UID "/promote", "{\"only_state\":\"delayed\"}", "promote " UID " only=delayed" },
	{ "POST", "/v1/jobs/" UID "/priority", "{\"priority\":1,\"lifo\":true}", "reprioritise " UID " priority=1 lifo=1" },
	{ "POST", "/v1/jobs/" UID "/edit", "{\"payload\": [ 1 ]}", "edit " UID " payload=[ 1 ]" },
	{ "POST", "/v1/jobs/" UID "/reschedule", "{\"delay_ms\":0}", "reschedule " UID },
	{ "POST", "/v1/jobs/" UID "/reschedule", "{\"run_at\":\"2026-11-23T18:11:12Z\"}", "reschedule " UID " run_at=1795457472000000" },
	{ "POST", "/v1/jobs/" UID "/move", "{\"queue\":\"b\",\"namespace\":\"n\",\"delay_ms\":1}", "move " UID " to=n/b delay=1" },

	/* work */
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"]}", "claim queue=q max=1" },
	{ "POST", "/v1/claims", "{\"queues\":[\"a\",{\"queue\":\"b\",\"namespace\":\"m\"}],\"namespace\":\"n\",\"max\":1000,\"wait_ms\":9,\"lease_ms\":8,\"worker\":\"w\",\"token\":\"t\"}",
	  "claim queue=n/a queue=m/b max=1000 wait=9 lease=8 worker=w token=t" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_wait_ms\":500,\"group_min\":10,\"group_max\":50}",
	  "claim queue=q max=1 group_max=50 group_min=10 group_wait=500" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":1000,\"group_min\":1}", "claim queue=q max=1 group_max=1000 group_min=1" },
	{ "POST", "/v1/claims", "{\"namespace\":\"n\",\"queues\":[\"a\",{\"queue\":\"b\",\"weight\":3}],\"max\":0}", "claim queue=n/a weight=1 queue=n/b weight=3 max=0" },
	{ "POST", "/v1/leases/heartbeat", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID "\"},{\"uid\":\"" UID "\",\"token\":\"u\",\"fence\":4,\"lease_ms\":5}]}",
	  "heartbeat " UID " token=t\nheartbeat " UID " token=u fence=4 lease=5" },
	{ "POST", "/v1/leases/heartbeat", "{\"leases\":[{\"queue\":\"q\",\"id\":\"i\",\"namespace\":\"n\"}],\"token\":\"t\"}", "heartbeat queue=n/q id=i token=t" },
	{ "POST", "/v1/leases/" UID "/heartbeat", "{\"token\":\"t\",\"lease_ms\":5}", "heartbeat " UID " token=t lease=5" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\"}", "complete " UID " token=t" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"fence\":2,\"result\":{\"a\": 1},\"filtered\":true}", "complete " UID " token=t fence=2 verdict=5 body={\"a\": 1}" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"filtered\":false,\"claim\":{\"queues\":[\"q\"],\"max\":2}}",
	  "!complete " UID " token=t\nclaim queue=q max=2" },
	{ "POST", "/v1/leases/complete", "{\"claim\":{\"queues\":[\"q\"],\"token\":\"u\"},\"token\":\"t\",\"leases\":[{\"uid\":\"" UID "\",\"result\":1},{\"uid\":\"" UID "\"}]}",
	  "complete " UID " token=t body=1\ncomplete " UID " token=t\nclaim queue=q max=1 token=u" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"error\":{\"type\":\"E\", \"message\":\"m\"}}", "fail " UID " token=t error={\"type\":\"E\", \"message\":\"m\"}" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":\"policy\"}", "fail " UID " token=t" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":\"final\"}", "fail " UID " token=t verdict=1" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":{\"delay_ms\":77}}", "fail " UID " token=t delay=77 verdict=2" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":\"head\"}", "fail " UID " token=t verdict=3" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":\"tail\"}", "fail " UID " token=t verdict=4" },
	{ "POST", "/v1/leases/fail", "{\"leases\":[{\"uid\":\"" UID "\",\"token\":\"t\",\"verdict\":\"tail\"}]}", "fail " UID " token=t verdict=4" },
	{ "POST", "/v1/leases/" UID "/release", "{\"token\":\"t\"}", "release " UID " token=t" },
	{ "POST", "/v1/leases/" UID "/await-children", "{\"token\":\"t\"}", "await_children " UID " token=t" },
	{ "POST", "/v1/leases/" UID "/await-children", "{\"token\":\"t\",\"child\":{\"queue\":\"q\",\"id\":\"c\"}}",
	  "await_children " UID " token=t child=q id=c" },
	{ "POST", "/v1/jobs/" UID "/detach", "{\"parent\":\"" UID "\"}", "detach " UID " parent=" UID },
	{ "POST", "/v1/jobs/" UID "/detach", "{\"parent\":{\"namespace\":\"n\",\"queue\":\"q\",\"id\":\"p\"}}", "detach " UID " parent=n/q id=p" },
	{ "POST", "/v1/jobs/" UID "/cancel", "{\"tree\":true}", "cancel " UID " tree=1" },
	{ "POST", "/v1/jobs/" UID "/retry", "{\"tree\":true}", "retry " UID " tree=1" },
	{ "DELETE", "/v1/jobs/" UID "?children=delete", NULL, "delete " UID " tree=1" },
	{ "DELETE", "/v1/jobs/" UID "?children=keep", NULL, "delete " UID },
	{ "DELETE", "/v1/jobs/" UID "/children", NULL, "children_delete " UID },
	{ "POST", "/v1/leases/" UID "/snooze", "{\"token\":\"t\",\"delay_ms\":0}", "snooze " UID " token=t" },
	{ "POST", "/v1/leases/" UID "/progress", "{\"token\":\"t\",\"progress\":[ 1 ]}", "progress " UID " token=t body=[ 1 ]" },
	{ "POST", "/v1/leases/" UID "/log", "{\"token\":\"t\",\"line\":\"a\\tb\"}", "!log " UID " token=t body=a\tb" },
	{ "POST", "/v1/leases/" UID "/log", "{\"lines\":[\"a\",\"b\"],\"fence\":3,\"token\":\"t\"}", "!log " UID " token=t fence=3 body=a\nlog " UID " token=t fence=3 body=b" },

	/* queues and groups */
	{ "GET", "/v1/queues", NULL, "queues limit=100" },
	{ "GET", "/v1/queues?limit=7&cursor=bi9x", NULL, "queues limit=7 after=n/q" },
	{ "GET", "/v1/queues?namespace=n", NULL, "queues queue=n/ limit=100 after=n/" },
	{ "GET", "/v1/queues/a%20b?namespace=n", NULL, "queue_get queue=n/a b" },
	{ "GET", "/v1/queues/q/stats", NULL, "queue_get queue=q" },
	{ "PUT", "/v1/queues/q", " {\"concurrency\": 3} ", "queue_put queue=q settings={\"concurrency\": 3} replace=1" },
	{ "PATCH", "/v1/queues/q?namespace=n", "{\"concurrency\":3}", "queue_put queue=n/q settings={\"concurrency\":3}" },
	{ "DELETE", "/v1/queues/q", NULL, "queue_delete queue=q" },
	{ "POST", "/v1/queues/q/pause", NULL, "queue_pause queue=q" },
	{ "POST", "/v1/queues/q/resume", "{}", "queue_resume queue=q" },
	{ "GET", "/v1/queues/q/groups?limit=5", NULL, "groups queue=q limit=5" },
	{ "GET", "/v1/queues/q/groups/g%2f1", NULL, "groups queue=q group=g/1 limit=1" },
	{ "PUT", "/v1/queues/q/groups/g", "{\"concurrency\":3}", "group_put queue=q group=g settings={\"concurrency\":3} replace=1" },
	{ "DELETE", "/v1/queues/q/groups/g", NULL, "group_delete queue=q group=g" },
	{ "POST", "/v1/queues/q/groups/g/pause", NULL, "group_pause queue=q group=g" },
	{ "POST", "/v1/queues/q/groups/g/resume?namespace=n", NULL, "group_resume queue=n/q group=g" },

	/* bulk work */
	{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{\"queue\":\"q\"}}", "operation_start action=retry filter={\"namespace\":\"default\",\"queue\":\"q\"}" },
	{ "POST", "/v1/operations",
	  "{\"filter\":{\"queue\":\"q\",\"state\":\"failed, expired\",\"name\":\"k\",\"id\":\"i*\",\"group\":\"g\",\"tag\":\"t\",\"error\":\"e\",\"namespace\":\"n\","
	  "\"created_after\":\"2026-01-01T00:00:00Z\",\"finished_before\":\"2026-02-01T01:00:00+01:00\"},\"arguments\":{\"priority\":4},\"action\":\"reprioritise\"}",
	  "operation_start action=reprioritise filter={\"namespace\":\"n\",\"queue\":\"q\",\"states\":[\"failed\",\"expired\"],\"name\":\"k\",\"id\":\"i*\",\"group\":\"g\","
	  "\"tag\":\"t\",\"error\":\"e\",\"created_after\":\"2026-01-01T00:00:00.000Z\",\"finished_before\":\"2026-02-01T00:00:00.000Z\"} arguments={\"priority\":4} priority=4" },
	{ "POST", "/v1/operations", "{\"action\":\"move\",\"filter\":{\"states\":[\"waiting\"]},\"arguments\":{\"queue\":\"b\"}}",
	  "operation_start action=move filter={\"namespace\":\"default\",\"states\":[\"waiting\"]} arguments={\"queue\":\"b\"} to=b" },
	{ "POST", "/v1/operations/" UID "/pause", NULL, "operation_pause " UID },
	{ "POST", "/v1/operations/" UID "/resume", "{}", "operation_resume " UID },
	{ "POST", "/v1/operations/" UID "/cancel", NULL, "operation_cancel " UID },

	/* batches: every kind */
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"sweep\",\"queue\":\"q\",\"interval_ms\":30000,\"max_stalls\":1},{\"op\":\"sweep\",\"queue\":\"q\",\"namespace\":\"n\","
	  "\"interval_ms\":5},{\"op\":\"queue_reset\",\"queue\":\"q\"},{\"op\":\"queue_get\",\"queue\":\"q\",\"rate_max\":7},"
	  "{\"op\":\"claim\",\"queues\":[\"q\"],\"compat\":\"bullmq\",\"limiter\":{\"max\":5,\"per_ms\":1000}}]}",
	  "sweep queue=q interval=30000 stalls=1\nsweep queue=n/q interval=5 stalls=4294967295\nqueue_reset queue=q\nqueue_get queue=q rate_max=7\n"
	  "claim queue=q max=1 compat=1 limiter=5/1000" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"complete\",\"uid\":\"" UID "\",\"token\":\"t\",\"keep\":{\"count\":5,\"age_ms\":9,\"limit\":3},"
	  "\"claim\":{\"queues\":[\"q\"],\"token\":\"u\",\"compat\":\"bullmq\"}},{\"op\":\"fail\",\"uid\":\"" UID "\",\"token\":\"t\",\"keep\":\"none\"},"
	  "{\"op\":\"complete\",\"uid\":\"" UID "\",\"token\":\"t\",\"keep\":{\"count\":0}},{\"op\":\"complete\",\"uid\":\"" UID "\",\"token\":\"t\",\"keep\":\"all\"}]}",
	  "complete " UID " token=t keep=0/5/9/3\nclaim queue=q max=1 token=u compat=1 rides=1\nfail " UID " token=t keep=1/0/0/0\n"
	  "complete " UID " token=t keep=1/0/0/0\ncomplete " UID " token=t" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"progress\",\"uid\":\"" UID "\",\"progress\":2},{\"op\":\"log\",\"uid\":\"" UID "\",\"line\":\"l\",\"keep\":4},"
	  "{\"op\":\"log\",\"uid\":\"" UID "\",\"keep\":0},{\"op\":\"snooze\",\"uid\":\"" UID "\",\"token\":\"t\",\"run_at\":\"2026-11-23T18:11:12Z\"}]}",
	  "progress " UID " body=2\nlog " UID " body=l trims=4\nlog " UID " trims=0\nsnooze " UID " token=t run_at=1795457472000000" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"edit\",\"queue\":\"q\",\"id\":\"7\",\"payload\":null},{\"op\":\"reschedule\",\"uid\":\"" UID "\",\"delay_ms\":8,"
	  "\"only_state\":\"delayed\"},{\"op\":\"delete\",\"uid\":\"" UID "\",\"force\":true,\"only_state\":\"active\"}]}",
	  "edit queue=q id=7 payload=null\nreschedule " UID " delay=8 only=delayed\ndelete " UID " only=active force=1" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"enqueue\",\"queue\":\"q\"},{\"queues\":[\"q\"],\"max\":3,\"op\":\"claim\"}],\"atomic\":true}",
	  "!enqueue queue=q\nclaim queue=q max=3" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"heartbeat\",\"uid\":\"" UID "\",\"token\":\"t\"},{\"op\":\"complete\",\"uid\":\"" UID "\",\"token\":\"t\",\"result\":1},"
	  "{\"op\":\"fail\",\"queue\":\"q\",\"id\":\"i\",\"token\":\"t\"},{\"op\":\"release\",\"uid\":\"" UID "\",\"token\":\"t\"},"
	  "{\"op\":\"snooze\",\"uid\":\"" UID "\",\"token\":\"t\",\"delay_ms\":4},{\"op\":\"progress\",\"uid\":\"" UID "\",\"token\":\"t\",\"progress\":2},"
	  "{\"op\":\"log\",\"uid\":\"" UID "\",\"token\":\"t\",\"line\":\"l\"}]}",
	  "heartbeat " UID " token=t\ncomplete " UID " token=t body=1\nfail queue=q id=i token=t\nrelease " UID " token=t\nsnooze " UID " token=t delay=4\n"
	  "progress " UID " token=t body=2\nlog " UID " token=t body=l" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"cancel\",\"queue\":\"q\",\"id\":\"i\"},{\"op\":\"retry\",\"uid\":\"" UID "\"},{\"op\":\"promote\",\"uid\":\"" UID "\"},"
	  "{\"op\":\"reprioritise\",\"uid\":\"" UID "\",\"priority\":0},{\"op\":\"move\",\"uid\":\"" UID "\",\"queue\":\"b\"},{\"op\":\"delete\",\"uid\":\"" UID "\"},"
	  "{\"op\":\"explain\",\"uid\":\"" UID "\"}]}",
	  "cancel queue=q id=i\nretry " UID "\npromote " UID "\nreprioritise " UID "\nmove " UID " to=b\ndelete " UID "\nexplain " UID },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"queue_put\",\"queue\":\"q\",\"settings\":{\"ttl_ms\":5},\"replace\":true},{\"op\":\"queue_pause\",\"queue\":\"q\"},"
	  "{\"op\":\"queue_resume\",\"queue\":\"q\"},{\"op\":\"queue_get\",\"queue\":\"q\"},{\"op\":\"queues\",\"limit\":3,\"cursor\":\"bi9x\"},"
	  "{\"op\":\"queue_delete\",\"queue\":\"q\"}]}",
	  "queue_put queue=q settings={\"ttl_ms\":5} replace=1\nqueue_pause queue=q\nqueue_resume queue=q\nqueue_get queue=q\nqueues limit=3 after=n/q\nqueue_delete queue=q" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"group_put\",\"queue\":\"q\",\"group\":\"g\",\"settings\":{\"concurrency\":null}},{\"op\":\"group_pause\",\"queue\":\"q\",\"group\":\"g\"},"
	  "{\"op\":\"group_resume\",\"queue\":\"q\",\"group\":\"g\"},{\"op\":\"groups\",\"queue\":\"q\"},{\"op\":\"group_delete\",\"queue\":\"q\",\"group\":\"g\"}]}",
	  "group_put queue=q group=g settings={\"concurrency\":null}\ngroup_pause queue=q group=g\ngroup_resume queue=q group=g\ngroups queue=q limit=100\n"
	  "group_delete queue=q group=g" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"operation_start\",\"action\":\"delete\",\"filter\":{\"namespace\":\"default\"}},{\"op\":\"operation_pause\",\"uid\":\"" UID "\"},"
	  "{\"op\":\"operation_resume\",\"uid\":\"" UID "\"},{\"op\":\"operation_cancel\",\"uid\":\"" UID "\"}]}",
	  "operation_start action=delete filter={\"namespace\":\"default\"}\noperation_pause " UID "\noperation_resume " UID "\noperation_cancel " UID },
};

static void requests_become_operations(void **state)
{
	struct scene scene;
	struct buf out;
	(void)state;
	scene_open(&scene, true, 0);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		scene_send(&scene, rows[i].method, rows[i].path, NULL, str_of(rows[i].body));
		if (!scene.request_count)
			fail_msg("%s %s %s\n  was answered %d " STR_FMT, rows[i].method, rows[i].path, rows[i].body ? rows[i].body : "", scene.status, STR_ARG(scene.body));
		struct request *request = scene_request(&scene);
		buf_clear(&out);
		if (request->atomic)
			buf_add_byte(&out, '!');
		for (uint32_t n = 0; n < request->op_count; n++) {
			if (n)
				buf_add_byte(&out, '\n');
			op_dump(&out, &request->ops[n]);
		}
		if (!str_eq(buf_str(&out), str_of(rows[i].asks)))
			fail_msg("%s %s %s\n  asks   " STR_FMT "\n  wanted %s", rows[i].method, rows[i].path, rows[i].body ? rows[i].body : "",
				 STR_ARG(buf_str(&out)), rows[i].asks);
		request->err = E_BACKLOG;
		scene_reply(&scene, request);
		assert_int_equal(scene.status, 503);
		assert_true(str_eq(scene_header(&scene, "Retry-After"), STR("1")));
	}
	buf_fini(&out);
	scene_close(&scene);
}

/* ---- questions ---- */

static void lists_become_questions(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "GET", "/v1/jobs?queue=q&namespace=n&state=failed,expired&name=k&id=i*&group=g&tag=t+1&error=a%20b&created_after=2026-01-01T00:00:00Z"
		   "&order=oldest&limit=7&cursor=abc", NULL, STR(""));
	struct question *question = scene_question(&scene);
	const struct query *query = &question->query;
	assert_int_equal(query->kind, QUERY_JOBS);
	assert_true(str_eq(query->filter.queue, STR("q")) && str_eq(query->filter.namespace_name, STR("n")));
	assert_int_equal(query->filter.states, 1u << JOB_FAILED | 1u << JOB_EXPIRED);
	assert_true(str_eq(query->filter.tag, STR("t 1")) && str_eq(query->filter.error, STR("a b")) && str_eq(query->filter.id, STR("i*")));
	assert_true(query->filter.created_after_us == INT64_C(1767225600000000));
	assert_true(query->oldest_first && query->limit == 7 && str_eq(query->cursor, STR("abc")));
	question->err = E_INVALID;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 422);

	scene_send(&scene, "GET", "/v1/jobs/count?queue=q&tag=t&max=50", NULL, STR(""));
	question = scene_question(&scene);
	assert_true(question->query.kind == QUERY_COUNT && question->query.count_max == 50);
	question->answer.count = 50;
	question->answer.count_is_least = true;
	scene_answer(&scene, question);
	assert_true(str_eq(scene.body, STR("{\"count\":50,\"at_least\":true}")));

	scene_send(&scene, "GET", "/v1/jobs/" UID "?payload&result=false", NULL, STR(""));
	scene_reply(&scene, scene_request(&scene));
	question = scene_question(&scene);
	assert_true(question->query.kind == QUERY_JOB && question->query.uid_count == 1 && question->query.with_payload && !question->query.with_result);
	question->err = E_JOB_NOT_FOUND;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 404);

	scene_send(&scene, "GET", "/v1/queues/q/jobs/i?namespace=n", NULL, STR(""));
	scene_reply(&scene, scene_request(&scene));
	question = scene_question(&scene);
	assert_true(question->query.uid_count == 0 && str_eq(question->query.id, STR("i")) && str_eq(question->query.queue, STR("q")));
	question->err = E_TIMEOUT;
	scene_answer(&scene, question);
	assert_int_equal(scene.status, 504);
	scene_close(&scene);
}

/* ---- what goes along with a request ---- */

static void headers_go_along(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/jobs", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=\"1\"\r\nIdempotency-Key: k1\r\n",
		   STR("{\"queue\":\"q\"}"));
	struct request *request = scene_request(&scene);
	assert_true(str_eq(request->ops[0].enqueue.trace,
			   STR("{\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\",\"tracestate\":\"a=\\\"1\\\"\"}")));
	assert_true(str_eq(request->idempotency_key, STR("0:k1")));
	uint64_t hash = request->request_hash;
	assert_true(request->ops[0].enqueue.uid > 1 && request->dice != 0);
	request->replayed = true;
	request->ops[0].result.uid = 77;
	request->ops[0].result.state = JOB_COMPLETED;
	scene_reply(&scene, request);
	assert_true(str_eq(scene_header(&scene, "Idempotent-Replayed"), STR("true")));
	assert_true(str_eq(scene.body, STR("{\"uid\":\"000000000002d\",\"id\":\"000000000002d\",\"queue\":\"q\",\"state\":\"completed\",\"duplicate\":false}")));

	scene_send(&scene, "POST", "/v1/jobs", "traceparent: nonsense\r\nIdempotency-Key: k1\r\n", STR("{\"queue\":\"q\"}"));
	request = scene_request(&scene);
	assert_int_equal(request->ops[0].enqueue.trace.len, 0);
	assert_true(request->request_hash == hash);
	request->err = E_IDEMPOTENCY;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 409);

	scene_send(&scene, "POST", "/v1/jobs", "Idempotency-Key: k1\r\n", STR("{\"queue\":\"r\"}"));
	request = scene_request(&scene);
	assert_true(request->request_hash != hash);
	request->err = E_IDEMPOTENCY;
	scene_reply(&scene, request);
	scene_close(&scene);
}

static void errors_are_cut(void **state)
{
	struct scene scene;
	struct buf body;
	(void)state;
	scene_open(&scene, true, 0);
	buf_init(&body, 4 << 20);
	buf_add_lit(&body, "{\"token\":\"t\",\"error\":{\"type\":\"E\",\"message\":\"m\",\"stack\":\"");
	for (int i = 0; i < 30000; i++)
		buf_add_lit(&body, "é\\u0001");
	buf_add_lit(&body, "\"}}");
	scene_send(&scene, "POST", "/v1/leases/" UID "/fail", NULL, buf_str(&body));
	struct request *request = scene_request(&scene);
	struct str error = request->ops[0].lease.error;
	assert_true(error.len > 4000 && error.len <= 16384 && str_is_utf8(error));
	assert_true(str_starts(error, STR("{\"type\":\"E\",\"message\":\"m\",\"stack\":\"é\\u0001")));
	request->err = E_STORE_FULL;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 507);
	buf_fini(&body);
	scene_close(&scene);
}

/* A large body is decoded on the thread pool and comes to the same. */
static void large_bodies(void **state)
{
	struct scene scene;
	struct buf body;
	(void)state;
	scene_open(&scene, true, 0);
	buf_init(&body, 64u << 20);
	buf_add_lit(&body, "{\"jobs\":[");
	for (int i = 0; i < 10000; i++)
		buf_addf(&body, "%s{\"queue\":\"q\",\"id\":\"j-%d\",\"payload\":{\"n\":%d}}", i ? "," : "", i, i);
	buf_add_lit(&body, "]}");
	scene_send(&scene, "POST", "/v1/jobs", NULL, buf_str(&body));
	struct request *request = scene_request(&scene);
	assert_int_equal(request->op_count, 10000);
	for (uint32_t i = 0; i < 10000; i++) {
		char id[16];
		snprintf(id, sizeof(id), "j-%u", i);
		assert_true(str_eq(request->ops[i].enqueue.id, str_of(id)));
		assert_true(i == 0 || request->ops[i].enqueue.uid > request->ops[i - 1].enqueue.uid);
		request->ops[i].result.uid = request->ops[i].enqueue.uid;
	}
	request->ops[3].result.err = E_STORE_FULL;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 200);
	assert_true(str_starts(scene.body, STR("{\"results\":[{\"uid\":\"")));
	assert_non_null(memmem(scene.body.ptr, scene.body.len, "{\"problem\":{\"type\":\"urn:ruche:problem:store_full\"", 47));
	buf_fini(&body);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_become_operations), cmocka_unit_test(lists_become_questions), cmocka_unit_test(headers_go_along),
		cmocka_unit_test(errors_are_cut), cmocka_unit_test(large_bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
