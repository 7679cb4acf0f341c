/* Bad input, as a table: each gets its status, its code and the field that is to blame, and nothing is asked of anybody. */
#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UID "0amfs2br80000"
#define LONG_NAME "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const struct refusal {
	const char *method, *path, *body;
	int status;
	const char *code, *field;
	const char *says; /* part of the detail */
} refusals[] = {
	/* addresses and methods */
	{ "GET", "/", NULL, 404, "not_found" },
	{ "GET", "/v2", NULL, 404, "not_found" },
	{ "POST", "/v1", "{}", 405, "method_not_allowed" },
	{ "GET", "/v1/queues/q/range", NULL, 422, "invalid_field", "state" },
	{ "GET", "/v1/queues/q/range?state=prioritized", NULL, 422, "invalid_field", "state", "did you mean prioritised" },
	{ "GET", "/v1/queues/q/range?state=waiting&from=x", NULL, 422, "invalid_field", "from" },
	{ "GET", "/v1/queues/q/range?state=waiting&what=all", NULL, 422, "invalid_field", "what" },
	{ "GET", "/v1/queues/q/range?state=waiting&parts=body", NULL, 422, "invalid_field", "parts" },
	{ "GET", "/v1/queues/q/range?state=waiting&limit=3", NULL, 400, "bad_request", "limit" },
	{ "POST", "/v1/queues/q/jobs/read", NULL, 400, "malformed_json", "body" },
	{ "POST", "/v1/queues/q/jobs/read", "{}", 422, "invalid_field", "ids", "ids, or uids" },
	{ "POST", "/v1/queues/q/jobs/read", "{\"ids\":[\"a\"],\"uids\":[]}", 422, "invalid_field", "ids", "not both" },
	{ "POST", "/v1/queues/q/jobs/read", "{\"uids\":[\"a\"]}", 422, "invalid_field", "uids[0]" },
	{ "POST", "/v1/queues/q/jobs/read", "{\"ids\":[\"a\",7]}", 422, "invalid_field", "ids[1]" },
	{ "POST", "/v1/queues/q/jobs/read", "{\"ids\":[],\"parts\":[\"body\"]}", 422, "invalid_field", "parts[0]" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"event\",\"queue\":\"q\"}]}", 422, "invalid_field", "ops[0].name" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"event\",\"queue\":\"q\",\"name\":\"x\",\"details\":7}]}", 422, "invalid_field", "ops[0].details" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"events_trim\",\"queue\":\"q\"}]}", 422, "invalid_field", "ops[0].keep" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"sweep\",\"queue\":\"q\"}]}", 422, "invalid_field", "ops[0].interval_ms" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"sweep\",\"queue\":\"q\",\"interval_ms\":1,\"max_stalls\":65536}]}", 422, "invalid_field", "ops[0].max_stalls" },
	{ "POST", "/v1/batch", "{\"now_ms\":-1,\"ops\":[{\"op\":\"queues\"}]}", 422, "invalid_field", "now_ms" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"limiter\":{\"max\":1,\"per_ms\":1}}", 422, "invalid_field", "limiter" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"compat\":\"bullmq\",\"limiter\":{\"max\":0,\"per_ms\":1}}", 422, "invalid_field", "limiter.max" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"compat\":\"bullmq\",\"limiter\":{\"max\":1}}", 422, "invalid_field", "limiter.per_ms" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"events_trim\",\"queue\":\"q\",\"keep\":-1}]}", 422, "invalid_field", "ops[0].keep" },
	{ "GET", "/v1/queues/q/metrics?from=x", NULL, 422, "invalid_field", "from" },
	{ "PUT", "/v1/queues/q", "{\"events_max\":-1}", 422, "invalid_field", "events_max" },
	{ "GET", "/v1/jobs/" UID "/logs?order=newest", NULL, 422, "invalid_field", "order" },
	{ "GET", "/v1/jobs/" UID "/logs?from=1&cursor=a", NULL, 422, "invalid_field", "from" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"queue_get\",\"queue\":\"q\",\"priorities\":[-1]}]}", 422, "invalid_field", "ops[0].priorities[0]" },
	{ "GET", "/v1/job", NULL, 404, "not_found", NULL, "did you mean /v1/jobs?" },
	{ "GET", "/v1/jobs/", NULL, 404, "not_found" },
	{ "GET", "/v1/jobs//payload", NULL, 404, "not_found" },
	{ "GET", "/v1/jobs/" UID "/nothing", NULL, 404, "not_found" },
	{ "GET", "/v1/jobs/nonsense", NULL, 404, "job_not_found", "uid" },
	{ "GET", "/v1/jobs/" UID "0", NULL, 404, "job_not_found", "uid" },
	{ "GET", "/v1/jobs/%zz", NULL, 400, "bad_request", "path" },
	{ "GET", "/v1/queues/a%00b", NULL, 400, "bad_request", "path" },
	{ "GET", "/v1/queues/%ff", NULL, 400, "bad_request", "path" },
	{ "GET", "/v1/queues/a%2", NULL, 400, "bad_request", "path" },
	{ "PUT", "/v1/jobs", NULL, 405, "method_not_allowed" },
	{ "DELETE", "/v1/claims", NULL, 405, "method_not_allowed" },
	{ "PATCH", "/v1/jobs/" UID, NULL, 405, "method_not_allowed" },
	{ "POST", "/v1/jobs/count", "{}", 405, "method_not_allowed" },
	{ "OPTIONS", "/v1/jobs", NULL, 405, "method_not_allowed" },
	{ "POST", "/livez", NULL, 405, "method_not_allowed" },
	{ "POST", "/v1/jobs/xyz/cancel", "{}", 404, "job_not_found", "uid" },
	{ "DELETE", "/v1/jobs/xyz", NULL, 404, "job_not_found", "uid" },
	{ "POST", "/v1/operations/xyz/pause", "{}", 404, "not_found", "uid" },
	{ "GET", "/v1/operations/xyz", NULL, 404, "not_found", "uid" },
	{ "DELETE", "/v1/tokens/xyz", NULL, 404, "not_found", "uid" },
	{ "DELETE", "/v1/tokens/" UID, NULL, 404, "not_found", "uid" },

	/* query parameters */
	{ "GET", "/v1/jobs?qeue=x", NULL, 400, "bad_request", "qeue", "did you mean \\\"queue\\\"?" },
	{ "GET", "/v1/jobs?zzzzzz=1", NULL, 400, "bad_request", "zzzzzz" },
	{ "GET", "/v1/jobs?queue=a&queue=b", NULL, 400, "bad_request", "queue", "twice" },
	{ "GET", "/v1/jobs?queue=", NULL, 422, "invalid_field", "queue" },
	{ "GET", "/v1/jobs?queue=%zz", NULL, 400, "bad_request", "queue" },
	{ "GET", "/v1/jobs?queue=a%0Ab", NULL, 422, "invalid_field", "queue" },
	{ "GET", "/v1/jobs?namespace=a/b", NULL, 422, "invalid_field", "namespace" },
	{ "GET", "/v1/jobs?state=done", NULL, 422, "invalid_field", "state" },
	{ "GET", "/v1/jobs?state=failled", NULL, 422, "invalid_field", "state", "did you mean failed" },
	{ "GET", "/v1/jobs?state=failed,,active", NULL, 422, "invalid_field", "state" },
	{ "GET", "/v1/jobs?state=", NULL, 422, "invalid_field", "state" },
	{ "GET", "/v1/jobs?limit=0", NULL, 422, "invalid_field", "limit" },
	{ "GET", "/v1/jobs?limit=1001", NULL, 422, "invalid_field", "limit" },
	{ "GET", "/v1/jobs?limit=ten", NULL, 422, "invalid_field", "limit" },
	{ "GET", "/v1/jobs?limit=1.5", NULL, 422, "invalid_field", "limit" },
	{ "GET", "/v1/jobs?limit=99999999999999999999", NULL, 422, "invalid_field", "limit" },
	{ "GET", "/v1/jobs?order=upwards", NULL, 422, "invalid_field", "order" },
	{ "GET", "/v1/jobs?id=x", NULL, 422, "invalid_field", "id", "queue" },
	{ "GET", "/v1/jobs?created_after=yesterday", NULL, 422, "invalid_field", "created_after" },
	{ "GET", "/v1/jobs?created_before=2026-13-01T00:00:00Z", NULL, 422, "invalid_field", "created_before" },
	{ "GET", "/v1/jobs?cursor=", NULL, 422, "invalid_field", "cursor" },
	{ "GET", "/v1/jobs/count?limit=3", NULL, 400, "bad_request", "limit" },
	{ "GET", "/v1/jobs/count?max=0", NULL, 422, "invalid_field", "max" },
	{ "GET", "/v1/jobs/" UID "?wait_ms=-1", NULL, 422, "invalid_field", "wait_ms" },
	{ "GET", "/v1/jobs/" UID "?wait_ms=300001", NULL, 422, "invalid_field", "wait_ms" },
	{ "GET", "/v1/jobs/" UID "?payload=maybe", NULL, 422, "invalid_field", "payload" },
	{ "GET", "/v1/jobs/" UID "?namespace=x", NULL, 400, "bad_request", "namespace" },
	{ "GET", "/v1/queues?cursor=%21%21", NULL, 422, "invalid_field", "cursor" },
	{ "GET", "/v1/queues?cursor=A", NULL, 422, "invalid_field", "cursor" },
	{ "GET", "/v1/queues/q/groups?cursor=_w", NULL, 422, "invalid_field", "cursor" },
	{ "GET", "/v1/events?types=enqeued", NULL, 422, "invalid_field", "types", "did you mean enqueued" },
	{ "GET", "/v1/events?after=yesterday", NULL, 422, "invalid_field", "after" },
	{ "GET", "/v1/events?after=1.5.2", NULL, 422, "invalid_field", "after" },
	{ "GET", "/v1/events?after=0.x", NULL, 422, "invalid_field", "after" },
	{ "GET", "/v1/events?wait_ms=x", NULL, 422, "invalid_field", "wait_ms" },
	{ "GET", "/livez?x=1", NULL, 400, "bad_request", "x", "none" },
	{ "POST", "/v1/jobs?namespace=x", "{\"queue\":\"q\"}", 400, "bad_request", "namespace" },

	/* bodies that are no bodies */
	{ "POST", "/v1/jobs", NULL, 400, "malformed_json", "body" },
	{ "POST", "/v1/claims", NULL, 400, "malformed_json", "body" },
	{ "GET", "/v1/jobs", "{}", 400, "bad_request", "body" },
	{ "DELETE", "/v1/jobs/" UID, "{}", 400, "bad_request", "body" },
	{ "POST", "/v1/jobs", "{", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "nonsense", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\"} x", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",}", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "\xef\xbb\xbf{\"queue\":\"q\"}", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "{\"queue\":\"\xff\"}", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"payload\":\"\\ud800\"}", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"payload\":NaN}", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"payload\":{\"a\":01}}", 400, "malformed_json" },
	{ "POST", "/v1/jobs", "[]", 422, "invalid_field", NULL, "object" },
	{ "POST", "/v1/jobs", "null", 422, "invalid_field" },
	{ "POST", "/v1/jobs", "\"x\"", 422, "invalid_field" },

	/* one job */
	{ "POST", "/v1/jobs", "{}", 422, "invalid_field", "queue", "required" },
	{ "POST", "/v1/jobs", "{\"queue\":5}", 422, "invalid_field", "queue" },
	{ "POST", "/v1/jobs", "{\"queue\":\"\"}", 422, "invalid_field", "queue" },
	{ "POST", "/v1/jobs", "{\"queue\":null}", 422, "invalid_field", "queue" },
	{ "POST", "/v1/jobs", "{\"queue\":\"a\\u0000b\"}", 422, "invalid_field", "queue" },
	{ "POST", "/v1/jobs", "{\"queue\":\"a\\nb\"}", 422, "invalid_field", "queue", "control" },
	{ "POST", "/v1/jobs", "{\"queue\":\"" LONG_NAME "\"}", 422, "invalid_field", "queue" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"queue\":\"q\"}", 422, "invalid_field", "queue", "twice" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"namespace\":\"a/b\"}", 422, "invalid_field", "namespace", "'/'" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"qeue\":1}", 422, "unknown_field", "qeue", "did you mean \\\"queue\\\"?" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"op\":\"enqueue\"}", 422, "unknown_field", "op" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"id\":\"\"}", 422, "invalid_field", "id" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"id\":\"a\\u0000\"}", 422, "invalid_field", "id" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"id\":7}", 422, "invalid_field", "id" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"name\":\"\"}", 422, "invalid_field", "name" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"group\":\"\"}", 422, "invalid_field", "group" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"priority\":-1}", 422, "invalid_field", "priority" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"priority\":2097152}", 422, "invalid_field", "priority" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"priority\":1.5}", 422, "invalid_field", "priority" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"priority\":\"1\"}", 422, "invalid_field", "priority" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"delay_ms\":-1}", 422, "invalid_field", "delay_ms" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"delay_ms\":99999999999999999999}", 422, "invalid_field", "delay_ms" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"delay_ms\":315360000001}", 422, "invalid_field", "delay_ms" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"run_at\":\"tomorrow\"}", 422, "invalid_field", "run_at" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"run_at\":1795461072}", 422, "invalid_field", "run_at" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"run_at\":\"2090-01-01T00:00:00Z\",\"delay_ms\":5}", 422, "invalid_field", "delay_ms", "either" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"lifo\":1}", 422, "invalid_field", "lifo" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"past\":{\"state\":\"waiting\"}}", 422, "invalid_field", "past.state" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"past\":{\"errors\":[7]}}", 422, "invalid_field", "past.errors[0]" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"past\":{\"children\":[{\"queue\":\"q\",\"id\":\"1\",\"state\":\"pending\"}]}}", 422, "invalid_field",
	  "past.children[0].state" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"past\":{\"stalls\":65536}}", 422, "invalid_field", "past.stalls" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"parents\":[{}]}", 422, "invalid_field", "parents[0]" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"parents\":[{\"ref\":0,\"uid\":\"" UID "\"}]}", 422, "invalid_field", "parents[0]" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"parents\":[{\"ref\":0,\"on_failure\":\"cry\"}]}", 422, "invalid_field", "parents[0].on_failure" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"parents\":[{\"ref\":-1}]}", 422, "invalid_field", "parents[0].ref" },
	{ "POST", "/v1/jobs/" UID "/detach", "{}", 422, "invalid_field", "parent" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"max_attempts\":0}", 422, "invalid_field", "max_attempts" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"timeout_ms\":0}", 422, "invalid_field", "timeout_ms" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"ttl_ms\":0}", 422, "invalid_field", "ttl_ms" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"tags\":\"x\"}", 422, "invalid_field", "tags" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"tags\":[1]}", 422, "invalid_field", "tags[0]" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"tags\":[\"a\",\"\"]}", 422, "invalid_field", "tags[1]" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"trace\":\"x\"}", 422, "invalid_field", "trace" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"trace\":{\"traceparent\":1}}", 422, "invalid_field", "trace.traceparent" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"retry\":{\"kind\":\"sometimes\"}}", 422, "invalid_field", "retry.kind" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"retry\":{\"delay\":1}}", 422, "unknown_field", "retry.delay" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"retry\":5}", 422, "invalid_field", "retry" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"http\":{\"url\":\"ftp://x/\"}}", 422, "invalid_field", "http.url" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"http\":{\"url\":\"http://u:p@x/\"}}", 422, "invalid_field", "http.url" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"http\":{\"headers\":{\"Host\":\"x\"}}}", 422, "invalid_field" },

	/* many jobs */
	{ "POST", "/v1/jobs", "{\"jobs\":[]}", 422, "invalid_field", "jobs" },
	{ "POST", "/v1/jobs", "{\"jobs\":{}}", 422, "invalid_field", "jobs" },
	{ "POST", "/v1/jobs", "{\"jobs\":[5]}", 422, "invalid_field", "jobs[0]" },
	{ "POST", "/v1/jobs", "{\"atomic\":true}", 422, "invalid_field", "jobs", "required" },
	{ "POST", "/v1/jobs", "{\"atomic\":1,\"jobs\":[{\"queue\":\"q\"}]}", 422, "invalid_field", "atomic" },
	{ "POST", "/v1/jobs", "{\"jobs\":[{\"queue\":\"q\"}],\"queue\":\"q\"}", 422, "unknown_field", "queue" },
	{ "POST", "/v1/jobs", "{\"jobs\":[{\"queue\":\"q\"},{\"queue\":\"q\",\"delay_ms\":-1}]}", 422, "invalid_field", "jobs[1].delay_ms" },
	{ "POST", "/v1/jobs", "{\"jobs\":[{\"queue\":\"q\",\"retry\":{\"factor\":0}}]}", 422, "invalid_field", "jobs[0].retry.factor" },

	/* claims */
	{ "POST", "/v1/claims", "{}", 422, "invalid_field", "queues", "required" },
	{ "POST", "/v1/claims", "{\"queues\":[]}", 422, "invalid_field", "queues" },
	{ "POST", "/v1/claims", "{\"queues\":\"q\"}", 422, "invalid_field", "queues" },
	{ "POST", "/v1/claims", "{\"queues\":[5]}", 422, "invalid_field", "queues[0]" },
	{ "POST", "/v1/claims", "{\"queues\":[\"\"]}", 422, "invalid_field", "queues[0]" },
	{ "POST", "/v1/claims", "{\"queues\":[{\"name\":\"q\"}]}", 422, "unknown_field", "queues[0].name" },
	{ "POST", "/v1/claims", "{\"queues\":[{\"queue\":\"q\",\"weight\":0}]}", 422, "invalid_field", "queues[0].weight" },
	{ "POST", "/v1/claims", "{\"queues\":[{\"queue\":\"q\",\"namespace\":\"\"}]}", 422, "invalid_field", "queues[0].namespace" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"max\":-1}", 422, "invalid_field", "max" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"max\":1001}", 422, "invalid_field", "max" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":0}", 422, "invalid_field", "group_max" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":1001}", 422, "invalid_field", "group_max" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":5,\"max\":2}", 422, "invalid_field", "max", "leave max out" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":5,\"max\":0}", 422, "invalid_field", "max", "leave max out" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_min\":2}", 422, "invalid_field", "group_min", "group_max" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_wait_ms\":2}", 422, "invalid_field", "group_wait_ms", "group_max" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":5,\"group_min\":6,\"group_wait_ms\":1}", 422, "invalid_field", "group_min", "at most" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":5,\"group_min\":2}", 422, "invalid_field", "group_wait_ms", "needed" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"group_max\":5,\"group_wait_ms\":0}", 422, "invalid_field", "group_wait_ms" },
	{ "PUT", "/v1/queues/q/groups/g", "{\"weight\":0}", 422, "invalid_field", "weight" },
	{ "PATCH", "/v1/queues/q", "{\"rise_after_ms\":-1}", 422, "invalid_field", "rise_after_ms" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"wait_ms\":300001}", 422, "invalid_field", "wait_ms" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"lease_ms\":0}", 422, "invalid_field", "lease_ms" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"worker\":\"\"}", 422, "invalid_field", "worker" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"token\":\"\"}", 422, "invalid_field", "token" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"token\":\"ruche-delivery\"}", 422, "invalid_field", "token", "daemon's own" },

	/* leases */
	{ "POST", "/v1/leases/" UID "/complete", "{}", 422, "invalid_field", "token" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"ruche-delivery\"}", 422, "invalid_field", "token" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"uid\":\"" UID "\"}", 422, "unknown_field", "uid" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"fence\":0}", 422, "invalid_field", "fence" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"filtered\":\"yes\"}", 422, "invalid_field", "filtered" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"claim\":{\"queues\":[\"q\"],\"wait_ms\":5}}", 422, "invalid_field", "claim.wait_ms" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"claim\":{}}", 422, "invalid_field", "claim.queues" },
	{ "POST", "/v1/leases/nonsense/complete", "{\"token\":\"t\"}", 404, "job_not_found", "uid" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":\"never\"}", 422, "invalid_field", "verdict" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":{\"delay_ms\":-5}}", 422, "invalid_field", "verdict.delay_ms" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"verdict\":{}}", 422, "invalid_field", "verdict.delay_ms" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"error\":\"boom\"}", 422, "invalid_field", "error" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"error\":{\"msg\":\"boom\"}}", 422, "unknown_field", "error.msg" },
	{ "POST", "/v1/leases/" UID "/snooze", "{\"token\":\"t\"}", 422, "invalid_field", "delay_ms" },
	{ "POST", "/v1/leases/" UID "/progress", "{\"token\":\"t\"}", 422, "invalid_field", "progress" },
	{ "POST", "/v1/leases/" UID "/log", "{\"token\":\"t\"}", 422, "invalid_field", "line" },
	{ "POST", "/v1/leases/" UID "/log", "{\"token\":\"t\",\"lines\":[1]}", 422, "invalid_field", "lines[0]" },
	{ "POST", "/v1/leases/" UID "/log", "{\"token\":\"t\",\"keep\":10001}", 422, "invalid_field", "keep" },
	{ "POST", "/v1/leases/" UID "/snooze", "{\"token\":\"t\",\"delay_ms\":1,\"run_at\":\"2026-11-23T18:11:12Z\"}", 422, "invalid_field", "delay_ms" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"keep\":\"some\"}", 422, "invalid_field", "keep" },
	{ "POST", "/v1/leases/" UID "/complete", "{\"token\":\"t\",\"keep\":{\"counts\":1}}", 422, "unknown_field", "keep.counts" },
	{ "POST", "/v1/leases/" UID "/fail", "{\"token\":\"t\",\"keep\":{\"age_ms\":-1}}", 422, "invalid_field", "keep.age_ms" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"metadata\":[]}", 422, "invalid_field", "metadata" },
	{ "POST", "/v1/jobs", "{\"queue\":\"q\",\"compat\":\"sidekiq\"}", 422, "invalid_field", "compat" },
	{ "POST", "/v1/claims", "{\"queues\":[\"q\"],\"compat\":1}", 422, "invalid_field", "compat" },
	{ "POST", "/v1/jobs/" UID "/edit", "{}", 422, "invalid_field", "payload" },
	{ "POST", "/v1/jobs/" UID "/reschedule", "{}", 422, "invalid_field", "delay_ms" },
	{ "POST", "/v1/jobs/" UID "/promote", "{\"only_state\":\"late\"}", 422, "invalid_field", "only_state" },
	{ "POST", "/v1/jobs/" UID "/retry", "{\"keep_attempts\":1}", 422, "invalid_field", "keep_attempts" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"log\",\"uid\":\"" UID "\"}]}", 422, "invalid_field", "ops[0].line" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"complete\",\"uid\":\"" UID "\",\"token\":\"t\",\"claim\":{}}]}", 422, "invalid_field", "ops[0].claim.queues" },
	{ "POST", "/v1/leases/heartbeat", "{\"leases\":[]}", 422, "invalid_field", "leases" },
	{ "POST", "/v1/leases/heartbeat", "{\"leases\":[{\"uid\":\"" UID "\"}]}", 422, "invalid_field", "leases[0].token" },
	{ "POST", "/v1/leases/heartbeat", "{\"token\":\"t\",\"leases\":[{}]}", 422, "invalid_field", "leases[0].uid" },
	{ "POST", "/v1/leases/heartbeat", "{\"token\":\"t\",\"leases\":[{\"uid\":\"xyz\"}]}", 422, "invalid_field", "leases[0].uid" },
	{ "POST", "/v1/leases/heartbeat", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID "\",\"queue\":\"q\",\"id\":\"i\"}]}", 422, "invalid_field", "leases[0].uid" },
	{ "POST", "/v1/leases/heartbeat", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID "\"}],\"claim\":{\"queues\":[\"q\"]}}", 422, "unknown_field", "claim" },
	{ "POST", "/v1/leases/complete", "{\"token\":\"ruche-delivery\",\"leases\":[{\"uid\":\"" UID "\"}]}", 422, "invalid_field", "token" },
	{ "POST", "/v1/leases/complete", "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID "\",\"claim\":{}}]}", 422, "unknown_field", "leases[0].claim" },

	/* one job by hand */
	{ "POST", "/v1/jobs/" UID "/priority", NULL, 400, "malformed_json", "body" },
	{ "POST", "/v1/jobs/" UID "/priority", "{}", 422, "invalid_field", "priority" },
	{ "POST", "/v1/jobs/" UID "/priority", "{\"priority\":-1}", 422, "invalid_field", "priority" },
	{ "POST", "/v1/jobs/" UID "/move", "{}", 422, "invalid_field", "queue" },
	{ "POST", "/v1/jobs/" UID "/retry", "{\"delay_ms\":\"1\"}", 422, "invalid_field", "delay_ms" },
	{ "POST", "/v1/jobs/" UID "/cancel", "{\"reason\":5}", 422, "invalid_field", "reason" },
	{ "POST", "/v1/jobs/" UID "/promote", "{\"x\":1}", 422, "unknown_field", "x" },

	/* queues and groups */
	{ "PUT", "/v1/queues/q", "{\"concurrency\":-1}", 422, "invalid_field", "concurrency" },
	{ "PUT", "/v1/queues/q", "{\"concurency\":1}", 422, "unknown_field", "concurency", "did you mean \\\"concurrency\\\"?" },
	{ "PUT", "/v1/queues/q", "{\"retry\":{\"max_attempts\":0}}", 422, "invalid_field", "retry.max_attempts" },
	{ "PATCH", "/v1/queues/q", "[]", 422, "invalid_field" },
	{ "PUT", "/v1/queues/q", NULL, 400, "malformed_json", "body" },
	{ "PUT", "/v1/queues/q/groups/g", "{\"limit\":1}", 422, "unknown_field", "limit" },
	{ "POST", "/v1/queues/q/pause", "{\"now\":true}", 422, "unknown_field", "now" },

	/* formats */
	{ "PUT", "/v1/formats/wide", "{\"program\":\"broken\"}", 422, "invalid_field", "program", "does not compile: syntax error, line 1." },
	{ "PUT", "/v1/formats/wide", "{\"program\":\"lost\"}", 503, "unavailable" },
	{ "PUT", "/v1/formats/wide", "{\"program\":\"\"}", 422, "invalid_field", "program" },
	{ "PUT", "/v1/formats/wide", "{\"programm\":\".\"}", 422, "unknown_field", "programm", "did you mean \\\"program\\\"?" },
	{ "PUT", "/v1/formats/raw", "{\"program\":\".\"}", 422, "invalid_field", "format", "built-in" },
	{ "PUT", "/v1/formats/%07", "{\"program\":\".\"}", 422, "invalid_field", "format" },
	{ "POST", "/v1/formats/raw/preview", "{\"program\":\".\"}", 422, "invalid_field", "program", "built-in" },
	{ "POST", "/v1/formats/%07/preview", "{}", 422, "invalid_field", "format" },
	{ "POST", "/v1/formats/wide/preview", "{\"last\":21}", 422, "invalid_field", "last" },
	{ "POST", "/v1/formats/wide/preview", "{\"last\":0}", 422, "invalid_field", "last" },
	{ "POST", "/v1/formats/wide/preview", "{\"program\":\"\"}", 422, "invalid_field", "program" },
	{ "POST", "/v1/formats/wide/preview", "{\"message\":\"nonsense\"}", 422, "invalid_field", "message", "msg_" },
	{ "POST", "/v1/formats/wide/preview", "{\"message\":\"msg_" UID "\",\"type\":\"a\"}", 422, "invalid_field", "message" },
	{ "POST", "/v1/formats/wide/preview", "{\"endpoints\":\"crm\"}", 422, "unknown_field", "endpoints" },
	{ "POST", "/v1/endpoints/crm/preview", "{\"endpoint\":\"crm\"}", 422, "unknown_field", "endpoint" },

	/* event types */
	{ "PUT", "/v1/event-types/a%20b", "{}", 422, "invalid_field", "type", "letters, digits" },
	{ "GET", "/v1/event-types/a%2Fb", NULL, 422, "invalid_field", "type", "letters, digits" },
	{ "PUT", "/v1/event-types/a", "{\"schema\":[]}", 422, "invalid_field", "schema", "A JSON Schema is an object" },
	{ "PATCH", "/v1/event-types/a", "{\"archived\":1}", 422, "invalid_field", "archived" },
	{ "PUT", "/v1/event-types/a", "{\"exemple\":1}", 422, "unknown_field", "exemple", "did you mean \\\"example\\\"?" },
	{ "PUT", "/v1/event-types/a", NULL, 400, "malformed_json", "body" },
	{ "POST", "/v1/event-types", "{\"name\":\"a b\"}", 422, "invalid_field", "name", "letters, digits" },
	{ "POST", "/v1/event-types", "{\"description\":\"a\"}", 422, "invalid_field", "name" },
	{ "POST", "/v1/event-types", "{\"name\":\"a\",\"schema\":3}", 422, "invalid_field", "schema" },
	{ "GET", "/v1/event-types?archived=maybe", NULL, 422, "invalid_field", "archived" },
	{ "DELETE", "/v1/event-types", NULL, 405, "method_not_allowed" },

	/* endpoints that ask */
	{ "GET", "/v1/endpoints/crm/poll?after=1.2", NULL, 422, "invalid_field", "after" },
	{ "GET", "/v1/endpoints/crm/poll?after=x..1", NULL, 422, "invalid_field", "after" },
	{ "GET", "/v1/endpoints/crm/poll?limit=0", NULL, 422, "invalid_field", "limit" },
	{ "GET", "/v1/endpoints/crm/poll?wait=1", NULL, 400, "bad_request", "wait" },
	{ "POST", "/v1/endpoints/crm/recover", "{\"since\":\"2026-03-02T00:00:00Z\",\"until\":\"2026-03-01T00:00:00Z\"}", 422, "invalid_field", "until",
	  "not after since" },
	{ "POST", "/v1/endpoints/crm/recover", "{\"until\":\"2026-03-01T00:00:00Z\",\"since\":\"2026-03-01T00:00:00Z\",\"dry_run\":true}", 422,
	  "invalid_field", "until", "not after since" },
	{ "POST", "/v1/endpoints/crm/replay", "{\"since\":\"2026-03-02T00:00:00Z\",\"until\":\"2026-03-01T00:00:00Z\"}", 422, "invalid_field", "until",
	  "not after since" },

	/* sources */
	{ "PUT", "/v1/sources/gh", "{}", 422, "invalid_field", "verify", "Who is believed?" },
	{ "PUT", "/v1/sources/gh", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"message\":{\"typ\":\"a\"}}}", 422, "unknown_field", "into.message.typ" },
	{ "PUT", "/v1/sources/gh", "{\"verify\":{\"kind\":\"sentry\",\"secret\":\"x\"},\"into\":{\"message\":{\"type\":\"a\"}}}", 422, "invalid_field",
	  "verify.secret", "There is no secret 'x'" },
	{ "PUT", "/v1/sources/gh", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"job\":{\"queue\":\"a\\u0007\"}}}", 422, "invalid_field",
	  "into.job.queue", "control characters" },
	{ "PUT", "/v1/sources/gh", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"job\":{\"queue\":\"webhooks\"}}}", 422, "invalid_field",
	  "into.job.queue", "choose another" },
	{ "PUT", "/v1/sources/a%2Fb", "{}", 422, "invalid_field", "source", "'/'" },
	{ "PATCH", "/v1/sources/gh", "{\"id\":\"$.id\"}", 404, "source_not_found" },
	{ "PUT", "/v1/sources/gh", NULL, 400, "malformed_json", "body" },
	{ "POST", "/in/gh", "{}", 404, "source_not_found" },
	{ "GET", "/in/gh", NULL, 405, "method_not_allowed" },

	/* bulk work, batches, tokens */
	{ "POST", "/v1/operations", "{}", 422, "invalid_field", "action" },
	{ "POST", "/v1/operations", "{\"action\":\"retry\"}", 422, "invalid_field", "filter" },
	{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{}}", 422, "invalid_field", "filter", "every job" },
	{ "POST", "/v1/operations", "{\"action\":\"explode\",\"filter\":{\"queue\":\"q\"}}", 422, "invalid_field", "action" },
	{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{\"states\":[\"done\"]}}", 422, "invalid_field", "filter.states[0]" },
	{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{\"id\":\"x\"}}", 422, "invalid_field", "filter.id" },
	{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{\"queu\":\"x\"}}", 422, "unknown_field", "filter.queu" },
	{ "POST", "/v1/operations", "{\"action\":\"move\",\"filter\":{\"queue\":\"q\"}}", 422, "invalid_field", "arguments.queue" },
	{ "POST", "/v1/operations", "{\"action\":\"reprioritise\",\"filter\":{\"namespace\":\"n\"},\"arguments\":{\"priority\":-2}}", 422, "invalid_field", "arguments.priority" },
	{ "POST", "/v1/operations", "{\"action\":\"retry\",\"filter\":{\"namespace\":\"n\"},\"arguments\":{\"queue\":\"x\"}}", 422, "unknown_field", "arguments.queue" },
	{ "POST", "/v1/batch", "{}", 422, "invalid_field", "ops" },
	{ "POST", "/v1/batch", "{\"ops\":[]}", 422, "invalid_field", "ops" },
	{ "POST", "/v1/batch", "{\"ops\":[5]}", 422, "invalid_field", "ops[0]" },
	{ "POST", "/v1/batch", "{\"ops\":[{}]}", 422, "invalid_field", "ops[0].op" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"enqeue\",\"queue\":\"q\"}]}", 422, "invalid_field", "ops[0].op", "did you mean \\\"enqueue\\\"?" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"barrier\"}]}", 422, "invalid_field", "ops[0].op" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"enqueue\"}]}", 422, "invalid_field", "ops[0].queue" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"claim\",\"queues\":[\"q\"],\"wait_ms\":1}]}", 422, "invalid_field", "ops[0].wait_ms", "cannot wait" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"complete\",\"uid\":\"" UID "\"}]}", 422, "invalid_field", "ops[0].token" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"cancel\"}]}", 422, "invalid_field", "ops[0].uid" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"cancel\",\"queue\":\"q\"}]}", 422, "invalid_field", "ops[0].uid" },
	{ "POST", "/v1/batch", "{\"ops\":[{\"op\":\"cancel\",\"uid\":\"" UID "\"},{\"op\":\"move\",\"uid\":\"" UID "\"}]}", 422, "invalid_field", "ops[1].queue" },
	{ "POST", "/v1/tokens", "{}", 422, "invalid_field", "name" },
	{ "POST", "/v1/tokens", "{\"name\":\"n\"}", 422, "invalid_field", "scopes" },
	{ "POST", "/v1/tokens", "{\"name\":\"n\",\"scopes\":[]}", 422, "invalid_field", "scopes" },
	{ "POST", "/v1/tokens", "{\"name\":\"n\",\"scopes\":[\"root\"]}", 422, "invalid_field", "scopes[0]" },
	{ "POST", "/v1/tokens", "{\"name\":\"n\",\"scopes\":[\"read\"],\"queues\":[]}", 422, "invalid_field", "queues" },
	{ "POST", "/v1/tokens", "{\"name\":\"n\",\"scopes\":[\"read\"],\"queues\":[\"/x\"]}", 422, "invalid_field", "queues[0]" },
	{ "POST", "/v1/tokens", "{\"name\":\"n\",\"scopes\":[\"read\"],\"expires_at\":\"2020-01-01T00:00:00Z\"}", 422, "invalid_field", "expires_at" },
};

static void check_refusal(struct scene *scene, const struct refusal *refusal)
{
	char text[256];
	snprintf(text, sizeof(text), "\"code\":\"%s\"", refusal->code);
	struct str body = scene->body;
	bool coded = body.len && memmem(body.ptr, body.len, text, strlen(text));
	snprintf(text, sizeof(text), "\"field\":\"%s\"", refusal->field ? refusal->field : "");
	bool placed = !refusal->field || (body.len && memmem(body.ptr, body.len, text, strlen(text)));
	bool said = !refusal->says || (body.len && memmem(body.ptr, body.len, refusal->says, strlen(refusal->says)));
	if (scene->status != refusal->status || !coded || !placed || !said)
		fail_msg("%s %s %s\n  wanted %d %s at %s (%s), got %d " STR_FMT, refusal->method, refusal->path, refusal->body ? refusal->body : "",
			 refusal->status, refusal->code, refusal->field ? refusal->field : "-", refusal->says ? refusal->says : "", scene->status, STR_ARG(body));
	assert_true(str_eq(scene_header(scene, "Content-Type"), STR("application/problem+json")));
	assert_int_equal(scene->request_count + scene->question_count, 0);
}

static void bad_input_is_refused(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
		scene_send(&scene, refusals[i].method, refusals[i].path, NULL, str_of(refusals[i].body));
		check_refusal(&scene, &refusals[i]);
	}
	scene_close(&scene);
}
_Static_assert(ARRAY_COUNT(refusals) >= 120, "a table worth its name");

static void methods_are_listed(void **state)
{
	static const struct {
		const char *method, *path, *allow;
	} rows[] = {
		{ "PUT", "/v1/jobs", "POST, GET" },
		{ "POST", "/v1/jobs/" UID, "GET, DELETE" },
		{ "POST", "/v1/queues/q", "GET, PUT, PATCH, DELETE" },
		{ "GET", "/v1/batch", "POST" },
		{ "POST", "/v1/jobs/count", "GET" },
	};
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		scene_send(&scene, rows[i].method, rows[i].path, NULL, STR(""));
		assert_int_equal(scene.status, 405);
		struct str allow = scene_header(&scene, "Allow");
		if (!str_eq(allow, str_of(rows[i].allow)))
			fail_msg("%s: " STR_FMT, rows[i].path, STR_ARG(allow));
	}
	scene_close(&scene);
}

static void media_types(void **state)
{
	static const struct {
		const char *header;
		int status; /* 0: it passed */
	} rows[] = {
		{ "Content-Type: application/json\r\n", 0 },
		{ "Content-Type: Application/JSON; charset=utf-8\r\n", 0 },
		{ "Content-Type: application/cloudevents+json\r\n", 0 },
		{ "Content-Type: application/x-www-form-urlencoded\r\n", 415 },
		{ "Content-Type: text/plain\r\n", 415 },
		{ "Content-Type: application/jsonx\r\n", 415 },
		{ "Content-Type: json\r\n", 415 },
	};
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		scene_send(&scene, "POST", "/v1/jobs", rows[i].header, STR("{\"queue\":\"q\"}"));
		assert_int_equal(scene.status, rows[i].status);
		if (rows[i].status)
			continue;
		struct request *request = scene_request(&scene);
		request->ops[0].result.uid = request->ops[0].enqueue.uid;
		scene_reply(&scene, request);
		assert_int_equal(scene.status, 201);
	}
	scene_close(&scene);
}

static void sizes(void **state)
{
	struct scene scene;
	struct buf body;
	(void)state;
	buf_init(&body, 64u << 20);
	scene_open(&scene, true, 0);
	buf_add_lit(&body, "{\"jobs\":[");
	for (int i = 0; i < 20001; i++)
		buf_add(&body, i ? STR(",{\"queue\":\"q\"}") : STR("{\"queue\":\"q\"}"));
	buf_add_lit(&body, "]}");
	scene_send(&scene, "POST", "/v1/jobs", NULL, buf_str(&body));
	assert_int_equal(scene.status, 413);

	buf_clear(&body);
	buf_add_lit(&body, "{\"queue\":\"q\",\"tags\":[");
	for (int i = 0; i < 33; i++)
		buf_add(&body, i ? STR(",\"t\"") : STR("\"t\""));
	buf_add_lit(&body, "]}");
	scene_send(&scene, "POST", "/v1/jobs", NULL, buf_str(&body));
	assert_int_equal(scene.status, 422);

	buf_clear(&body);
	buf_add_lit(&body, "{\"token\":\"t\",\"progress\":\"");
	for (int i = 0; i < 20000; i++)
		buf_add_byte(&body, 'x');
	buf_add_lit(&body, "\"}");
	scene_send(&scene, "POST", "/v1/leases/" UID "/progress", NULL, buf_str(&body));
	assert_int_equal(scene.status, 413);

	buf_clear(&body); /* deeper than anybody reads; also on the thread pool */
	buf_add_lit(&body, "{\"queue\":\"q\",\"payload\":");
	for (int i = 0; i < 300000; i++)
		buf_add_byte(&body, '[');
	scene_send(&scene, "POST", "/v1/jobs", NULL, buf_str(&body));
	assert_int_equal(scene.status, 400);
	assert_int_equal(scene.request_count, 0);
	buf_fini(&body);
	scene_close(&scene);
}

static void keys_that_cannot_be_used(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, true, 0);
	scene_send(&scene, "POST", "/v1/claims", "Idempotency-Key: k\r\n", STR("{\"queues\":[\"q\"]}"));
	assert_int_equal(scene.status, 400);
	scene_send(&scene, "POST", "/v1/leases/" UID "/complete", "Idempotency-Key: k\r\n", STR("{\"token\":\"t\",\"claim\":{\"queues\":[\"q\"]}}"));
	assert_int_equal(scene.status, 400);
	scene_send(&scene, "GET", "/v1/jobs", "Idempotency-Key: k\r\n", STR(""));
	assert_int_equal(scene.status, 400);
	assert_int_equal(scene.request_count + scene.question_count, 0);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_input_is_refused), cmocka_unit_test(methods_are_listed), cmocka_unit_test(media_types),
		cmocka_unit_test(sizes), cmocka_unit_test(keys_that_cannot_be_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
