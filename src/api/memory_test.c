/* Memory runs out: a request of every route, with its first allocation refused, then its second, and so on, alone or with all that
 * follow, from the first byte read to the last one written. The answer is the usual one, or 503, or the connection ends; nothing
 * leaks, nobody waits for ever, a grant that nobody heard of is given back, and afterwards all is as before. */
#include "api/call.h"
#include "api/scene.h"
#include "http/server_priv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define UID_1         "000000000002d" /* 77 */
#define UID_2         "000000000002e"
#define NTH_MAX       2000
#define STUCK_US      INT64_C(60000000)
#define CREATED_US    INT64_C(1767225600000000)

struct request_case {
	const char *route;   /* operationId */
	const char *path;
	const char *headers, *body;
	int status;
	bool varies;         /* its answer is never the same twice */
	bool streams;        /* SSE */
	uint32_t grants;     /* that its reply holds */
	bool limited;        /* with a token that is limited to queues */
};

#define ONCE "Idempotency-Key: k\r\n"
#define SETTINGS "{\"concurrency\":5,\"rate\":{\"max\":5,\"per_ms\":1000},\"target\":\"http\",\"http\":{\"url\":\"https://x.example/\"," \
	"\"headers\":{\"A\":\"b\"},\"success\":[\"200-299\"]},\"retry\":{\"kind\":\"list\",\"list_ms\":[1,2]}}"
#define WHOLE_JOB "{\"queue\":\"q\",\"namespace\":\"n\",\"id\":\"a\\u00e9\",\"name\":\"k\",\"group\":\"g\",\"tags\":[\"t\",\"u\"],\"priority\":3," \
	"\"retry\":{\"kind\":\"exponential\",\"delay_ms\":5},\"trace\":{\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}," \
	"\"payload\":{\"n\":[1,2,{\"deep\":true}]}}"
#define LEASES "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"},{\"uid\":\"" UID_2 "\"}]"
#define CLAIM_NEXT ",\"claim\":{\"queues\":[\"q\"],\"max\":2}}"
#define ENDPOINT "{\"url\":\"https://x.example/{entity}\",\"types\":[\"a.*\"],\"headers\":{\"x-a\":\"b\"},\"filter\":{\"a\":1},\"metadata\":{\"m\":1}}"
#define SOURCE "{\"verify\":{\"kind\":\"basic\",\"secret\":\"chat\"},\"into\":{\"message\":{\"type\":\"a.{header:x-a}\",\"entity\":\"$.id\",\"channels\":[\"c\"]}}}"
#define ERROR_FIELD "\"error\":{\"type\":\"E\",\"message\":\"m\",\"stack\":\"s\"}"

static char large_job[300 * 1024]; /* decoded on the thread pool */

static const struct request_case cases[] = {
	{ "enqueue", "/v1/jobs", ONCE, WHOLE_JOB, 201, .varies = true },
	{ "enqueue", "/v1/jobs?namespace=x", NULL, "{\"queue\":\"q\"}", 400 },
	{ "enqueue", "/v1/jobs", NULL, "{\"jobs\":[" WHOLE_JOB "," WHOLE_JOB "," WHOLE_JOB "],\"atomic\":true}", 200, .varies = true },
	{ "enqueue", "/v1/jobs", NULL, large_job, 201, .varies = true },
	{ "enqueue", "/v1/jobs", NULL, "{\"queue\":\"q\",\"payload\":01}", 400 },
	{ "enqueue", "/v1/jobs", NULL, "{\"queue\":\"r\"}", 403, .limited = true },
	{ "claim", "/v1/claims", NULL, "{\"queues\":[\"q\",{\"queue\":\"r\",\"namespace\":\"n\",\"weight\":2}],\"max\":2,\"worker\":\"w\"}", 200,
	  .grants = 2 },
	{ "claim", "/v1/claims", NULL, "{\"queues\":[\"q\",\"r\"],\"max\":2,\"worker\":\"w\",\"token\":\"mine\",\"wait_ms\":1000}", 200, .grants = 2 },
	{ "completeLeases", "/v1/leases/complete", ONCE, LEASES "}", 200 },
	{ "completeLeases", "/v1/leases/complete", NULL, LEASES CLAIM_NEXT, 200, .grants = 2 },
	{ "complete", "/v1/leases/" UID_1 "/complete", NULL, "{\"token\":\"t\",\"result\":{\"a\":1}" CLAIM_NEXT, 200, .grants = 2 },
	{ "heartbeat", "/v1/leases/heartbeat", NULL, LEASES "}", 200, .limited = true },
	{ "failLeases", "/v1/leases/fail", NULL, "{\"token\":\"t\",\"leases\":[{\"uid\":\"" UID_1 "\"," ERROR_FIELD "}]" CLAIM_NEXT, 200, .grants = 2 },
	{ "fail", "/v1/leases/" UID_1 "/fail", NULL, "{\"token\":\"t\"," ERROR_FIELD ",\"verdict\":\"final\"}", 200 },
	{ "heartbeatOne", "/v1/leases/" UID_1 "/heartbeat", NULL, "{\"token\":\"t\"}", 200 },
	{ "release", "/v1/leases/" UID_1 "/release", ONCE, "{\"token\":\"t\"}", 200 },
	{ "snooze", "/v1/leases/" UID_1 "/snooze", ONCE, "{\"token\":\"t\",\"delay_ms\":5}", 200 },
	{ "awaitChildren", "/v1/leases/" UID_1 "/await-children", ONCE, "{\"token\":\"t\"}", 200 },
	{ "deleteChildren", "/v1/jobs/" UID_1 "/children", NULL, NULL, 200 },
	{ "detachJob", "/v1/jobs/" UID_1 "/detach", ONCE, "{\"parent\":\"" UID_2 "\"}", 200 },
	{ "listChildren", "/v1/jobs/" UID_1 "/children?state=done,failed", NULL, NULL, 200 },
	{ "listChildrenById", "/v1/queues/q/jobs/a/children?limit=2", NULL, NULL, 200 },
	{ "enqueue", "/v1/jobs", NULL, "{\"jobs\":[{\"queue\":\"q\",\"waits\":true},{\"queue\":\"q\",\"parents\":[{\"ref\":0,\"on_failure\":\"hold\"}]}]}", 200,
	  .varies = true },
	{ "progress", "/v1/leases/" UID_1 "/progress", NULL, "{\"token\":\"t\",\"progress\":{\"done\":[1,2]}}", 200 },
	{ "log", "/v1/leases/" UID_1 "/log", ONCE, "{\"token\":\"t\",\"lines\":[\"a\\n\",\"b\"]}", 200 },
	{ "batch", "/v1/batch", NULL,
	  "{\"ops\":[{\"op\":\"enqueue\",\"queue\":\"q\"},{\"op\":\"claim\",\"queues\":[\"q\"],\"max\":2},{\"op\":\"cancel\",\"uid\":\"" UID_1 "\"},"
	  "{\"op\":\"queue_put\",\"queue\":\"q\",\"settings\":{\"concurrency\":1}},{\"op\":\"explain\",\"uid\":\"" UID_1 "\"}]}",
	  200, .varies = true, .grants = 2 },
	{ "batch", "/v1/batch", ONCE, "{\"ops\":[{\"op\":\"retry\",\"uid\":\"" UID_1 "\",\"payload\":{\"b\":2}},{\"op\":\"delete\",\"uid\":\"" UID_2 "\"}]}",
	  200, .limited = true },
	{ "listJobs", "/v1/jobs?queue=q&state=waiting,failed&tag=a%20b&order=oldest&limit=2&cursor=abc", NULL, NULL, 200 },
	{ "listJobs", "/v1/jobs?queue=q&nonsense=1", NULL, NULL, 400 },
	{ "countJobs", "/v1/jobs/count?queue=q&error=time", NULL, NULL, 200 },
	{ "countJobs", "/v1/jobs/count?state=waiting", NULL, NULL, 200 },
	{ "getJob", "/v1/jobs/" UID_1 "?payload=true&wait_ms=1000", NULL, NULL, 200 },
	{ "getJob", "/v1/jobs/" UID_1, NULL, NULL, 200, .limited = true },
	{ "deleteJob", "/v1/jobs/" UID_1, NULL, NULL, 204 },
	{ "getPayload", "/v1/jobs/" UID_1 "/payload", NULL, NULL, 200 },
	{ "getResult", "/v1/jobs/" UID_1 "/result", NULL, NULL, 200 },
	{ "listAttempts", "/v1/jobs/" UID_1 "/attempts", NULL, NULL, 200 },
	{ "listLogs", "/v1/jobs/" UID_1 "/logs?limit=5", NULL, NULL, 200 },
	{ "listLogs", "/v1/jobs/" UID_1 "/logs?from=2&order=desc", NULL, NULL, 200 },
	{ "explainJob", "/v1/jobs/" UID_1 "/explain", NULL, NULL, 200 },
	{ "cancelJob", "/v1/jobs/" UID_1 "/cancel", ONCE, "{\"reason\":\"no more\"}", 200 },
	{ "cancelJob", "/v1/jobs/" UID_1 "/cancel", NULL, NULL, 200 },
	{ "retryJob", "/v1/jobs/" UID_1 "/retry", NULL, "{\"payload\":{\"b\":2}}", 200 },
	{ "promoteJob", "/v1/jobs/" UID_1 "/promote", NULL, NULL, 200 },
	{ "reprioritiseJob", "/v1/jobs/" UID_1 "/priority", NULL, "{\"priority\":2}", 200 },
	{ "moveJob", "/v1/jobs/" UID_1 "/move", NULL, "{\"queue\":\"r\"}", 200 },
	{ "editJob", "/v1/jobs/" UID_1 "/edit", NULL, "{\"payload\":{\"b\":3}}", 200 },
	{ "rescheduleJob", "/v1/jobs/" UID_1 "/reschedule", NULL, "{\"run_at\":\"2030-01-01T00:00:00Z\"}", 200 },
	{ "listQueues", "/v1/queues?limit=2", NULL, NULL, 200 },
	{ "getQueue", "/v1/queues/q%C3%A9?namespace=n", NULL, NULL, 200 },
	{ "putQueue", "/v1/queues/q", NULL, SETTINGS, 200 },
	{ "patchQueue", "/v1/queues/q", NULL, "{\"concurrency\":5}", 200 },
	{ "deleteQueue", "/v1/queues/q", NULL, NULL, 204 },
	{ "pauseQueue", "/v1/queues/q/pause", NULL, NULL, 200 },
	{ "resumeQueue", "/v1/queues/q/resume", NULL, "{}", 200 },
	{ "getQueueStats", "/v1/queues/q/stats", NULL, NULL, 200 },
	{ "getJobById", "/v1/queues/q/jobs/a%2Fb", NULL, NULL, 200 },
	{ "getDedup", "/v1/queues/q/dedup/k", NULL, NULL, 200 },
	{ "releaseDedup", "/v1/queues/q/dedup/k", NULL, NULL, 200, .limited = true },
	{ "listChains", "/v1/queues/q/chains?limit=2&cursor=a2V5", NULL, NULL, 200 },
	{ "getChain", "/v1/queues/q/chains/k", NULL, NULL, 200, .limited = true },
	{ "putChain", "/v1/queues/q/chains/k", NULL, "{\"schedule\":{\"pattern\":\"0 3 * * 1\",\"tz\":\"Europe/Paris\"},"
	                                              "\"job\":{\"tags\":[\"a\"],\"retry\":{\"delay_ms\":5}},\"payload\":[1]}", 200 },
	{ "deleteChain", "/v1/queues/q/chains/k", NULL, NULL, 200 },
	{ "getRange", "/v1/queues/q/range?state=completed&what=ids", NULL, NULL, 200 },
	{ "getRange", "/v1/queues/q/range?state=completed&what=jobs&parts=payload,errors&from=-3&to=-1&before=2026-01-01T00:00:00Z", NULL, NULL, 200,
	  .limited = true },
	{ "getRange", "/v1/queues/q/range?state=done", NULL, NULL, 422 },
	{ "getMetrics", "/v1/queues/q/metrics?from=0&to=1", NULL, NULL, 200, .limited = true },
	{ "readJobs", "/v1/queues/q/jobs/read", NULL, "{\"ids\":[\"a\",\"b\\u00e9\"],\"parts\":[\"result\"]}", 200, .limited = true },
	{ "readJobs", "/v1/queues/q/jobs/read", NULL, "{\"uids\":[\"" UID_1 "\",\"" UID_2 "\"]}", 200 },
	{ "listGroups", "/v1/queues/q/groups?limit=2&cursor=Zw", NULL, NULL, 200 },
	{ "getGroup", "/v1/queues/q/groups/g", NULL, NULL, 200 },
	{ "putGroup", "/v1/queues/q/groups/g", NULL, "{\"concurrency\":2}", 200 },
	{ "deleteGroup", "/v1/queues/q/groups/g", NULL, NULL, 204 },
	{ "pauseGroup", "/v1/queues/q/groups/g/pause", NULL, NULL, 200 },
	{ "resumeGroup", "/v1/queues/q/groups/g/resume", NULL, NULL, 200 },
	{ "backOffQueue", "/v1/queues/q/back_off", ONCE, "{\"delay_ms\":5}", 200 },
	{ "backOffGroup", "/v1/queues/q/groups/g/back_off", NULL, "{\"delay_ms\":5}", 200 },
	{ "listLimits", "/v1/limits?limit=1&cursor=YS9i", NULL, NULL, 200 },
	{ "getLimit", "/v1/limits/crm?namespace=n", NULL, NULL, 200 },
	{ "putLimit", "/v1/limits/crm", NULL, "{\"concurrency\":5,\"rate\":{\"max\":5,\"per_ms\":1000,\"window\":\"fixed\"}}", 200 },
	{ "patchLimit", "/v1/limits/crm", NULL, "{\"penalty_ms_max\":60000}", 200 },
	{ "deleteLimit", "/v1/limits/crm", NULL, NULL, 204 },
	{ "acquireLimit", "/v1/limits/crm/acquire", NULL, "{\"token\":\"t\",\"units\":2,\"lease_ms\":5}", 200 },
	{ "releaseLimit", "/v1/limits/crm/release", NULL, "{\"token\":\"t\"}", 200 },
	{ "backOffLimit", "/v1/limits/crm/back_off", NULL, "{\"delay_ms\":0}", 200 },
	{ "sendMessage", "/v1/messages", ONCE, "{\"type\":\"a.b\",\"entity\":\"e\\u00e9\",\"channels\":[\"c\"],\"metadata\":{\"a\":1},\"payload\":[1],\"deleted\":true}",
	  201, .varies = true },
	{ "sendMessage", "/v1/messages", NULL, "{\"messages\":[{\"type\":\"a\",\"key\":\"k\"},{\"type\":\"b\",\"require_match\":true}]}", 200, .varies = true },
	{ "sendMessage", "/v1/messages", NULL, "{\"type\":\"a\"}", 403, .limited = true },
	{ "listMessages", "/v1/messages?type=a.*&entity=e&since=2026-01-01T00:00:00Z&limit=1", NULL, NULL, 200 },
	{ "getMessage", "/v1/messages/msg_" UID_1 "?payload", NULL, NULL, 200 },
	{ "getMessage", "/v1/messages/" UID_1, NULL, NULL, 404, .limited = true },
	{ "listSecrets", "/v1/secrets", NULL, NULL, 200 },
	{ "listSecrets", "/v1/secrets?limit=1&cursor=YQ", NULL, NULL, 200 },
	{ "putSecret", "/v1/secrets/endpoint%2Fcrm", NULL, "{\"value\":\"hu\\u0073h\"}", 200 },
	{ "putSecret", "/v1/secrets/crm", NULL, "{\"value\":1}", 422 },
	{ "rotateSecret", "/v1/secrets/none/rotate", NULL, "{\"value\":\"hush\"}", 404 },
	{ "rotateSecret", "/v1/secrets/crm/rotate", NULL, "{\"overlap_ms\":-1}", 422 },
	{ "rekeySecrets", "/v1/secrets/rekey", NULL, NULL, 200 },
	{ "deleteSecret", "/v1/secrets/crm?namespace=n", NULL, NULL, 204 },
	{ "listMessageDeliveries", "/v1/messages/msg_" UID_1 "/deliveries?limit=1", NULL, NULL, 200 },
	{ "listMessageDeliveries", "/v1/messages/" UID_1 "/deliveries", NULL, NULL, 404, .limited = true },
	{ "resendMessage", "/v1/messages/msg_" UID_1 "/resend", ONCE, "{\"endpoint\":\"crm\"}", 200 },
	{ "resendMessage", "/v1/messages/" UID_1 "/resend", NULL, "{\"endpoint\":\"crm\"}", 404, .limited = true },
	{ "listDeliveries", "/v1/deliveries?endpoint=crm&entity=e&message=msg_" UID_1 "&outcome=success,filtered", NULL, NULL, 200 },
	{ "retryDelivery", "/v1/deliveries/" UID_1 "/retry", ONCE, "{}", 200 },
	{ "testEndpoint", "/v1/endpoints/crm/test", ONCE, "{\"payload\":[1]}", 201 },
	{ "recoverEndpoint", "/v1/endpoints/crm/recover", NULL, "{\"since\":\"2026-01-01T00:00:00Z\"}", 201 },
	{ "recoverEndpoint", "/v1/endpoints/crm/recover", NULL, "{\"since\":\"2026-01-01T00:00:00Z\",\"dry_run\":true}", 200 },
	{ "replayEndpoint", "/v1/endpoints/crm/replay", NULL, "{\"since\":\"2026-01-01T00:00:00Z\",\"types\":[\"a.*\"],\"entity\":\"\\u00e9\",\"only\":\"all\"}", 201 },
	{ "replayEndpoint", "/v1/endpoints/crm/replay", NULL, "{\"since\":\"2026-01-01T00:00:00Z\",\"dry_run\":true}", 200 },
	{ "replayEndpoint", "/v1/endpoints/crm/replay", NULL, "{\"since\":\"2026-01-01T00:00:00Z\"}", 403, .limited = true },
	{ "listEntities", "/v1/endpoints/crm/entities?limit=1&cursor=YQ", NULL, NULL, 200 },
	{ "getEntity", "/v1/endpoints/crm/entities/e", NULL, NULL, 200 },
	{ "getEntity", "/v1/endpoints/crm/entities/e", NULL, NULL, 403, .limited = true },
	{ "deleteEntity", "/v1/endpoints/crm/entities/e", NULL, NULL, 204 },
	{ "startOperation", "/v1/operations", NULL, "{\"action\":\"retry\",\"filter\":{\"endpoint\":\"crm\",\"outcome\":\"final_error\",\"message\":\"" UID_1 "\"}}", 201 },
	{ "expungeMessage", "/v1/messages/msg_" UID_1 "/content", NULL, NULL, 204 },
	{ "listEndpoints", "/v1/endpoints?limit=1&cursor=YQ", NULL, NULL, 200 },
	{ "makeEndpoint", "/v1/endpoints", NULL, ENDPOINT, 201, .varies = true },
	{ "getEndpoint", "/v1/endpoints/crm?namespace=n", NULL, NULL, 200 },
	{ "putEndpoint", "/v1/endpoints/crm", NULL, ENDPOINT, 200, .varies = true },
	{ "putEndpoint", "/v1/endpoints/crm", NULL, "{\"url\":\"http://10.0.0.1/\"}", 422 },
	{ "patchEndpoint", "/v1/endpoints/crm", NULL, "{\"update_url\":\"https://crm.example:25/\"}", 422 },
	{ "patchEndpoint", "/v1/endpoints/crm", NULL, "{\"timeout_ms\":5,\"retract\":{\"url\":\"https://[2001:db8::1]/{external_id}\"}}", 200 },
	{ "patchEndpoint", "/v1/endpoints/crm", NULL, "{\"sign\":{\"kind\":\"v1\"}}", 200, .varies = true },
	{ "getPublicKey", "/v1/endpoints/crm/public-key", NULL, NULL, 409 },
	{ "deleteEndpoint", "/v1/endpoints/crm", NULL, NULL, 204 },
	{ "listFormats", "/v1/formats?limit=1&cursor=YQ", NULL, NULL, 200 },
	{ "getFormat", "/v1/formats/wide?namespace=n", NULL, NULL, 200 },
	{ "putFormat", "/v1/formats/wide", NULL, "{\"program\":\".payload\",\"description\":\"all of\\nit\"}", 200 },
	{ "putFormat", "/v1/formats/wide", NULL, "{\"program\":\"broken\"}", 422 },
	{ "deleteFormat", "/v1/formats/wide", NULL, NULL, 204 },
	{ "listEventTypes", "/v1/event-types?limit=1&cursor=YQ&archived=true", NULL, NULL, 200 },
	{ "makeEventType", "/v1/event-types?namespace=n", NULL, "{\"name\":\"\\u0066iche.made\",\"description\":\"a\\nb\",\"schema\":{}}", 201 },
	{ "getEventType", "/v1/event-types/fiche.made?namespace=n", NULL, NULL, 200 },
	{ "putEventType", "/v1/event-types/fiche.made", NULL, "{\"tags\":[\"a\\nb\"],\"example\":[1]}", 200 },
	{ "patchEventType", "/v1/event-types/fiche.made", NULL, "{\"archived\":true}", 200 },
	{ "deleteEventType", "/v1/event-types/fiche.made", NULL, NULL, 204 },
	{ "previewFormat", "/v1/formats/wide/preview?namespace=default", NULL, "{\"endpoint\":\"crm\",\"last\":2}", 200 },
	{ "previewFormat", "/v1/formats/form/preview", NULL, "{\"message\":\"msg_" UID_1 "\"}", 200 },
	{ "previewFormat", "/v1/formats/cloudevents-binary/preview", NULL, NULL, 200 },
	{ "previewFormat", "/v1/formats/new/preview", NULL, "{\"program\":\"broken\"}", 422 },
	{ "previewEndpoint", "/v1/endpoints/crm/preview", NULL, "{\"program\":\".\\u0061\",\"type\":\"a.*\",\"entity\":\"e\"}", 200 },
	{ "previewEndpoint", "/v1/endpoints/crm/preview", NULL, "{}", 403, .limited = true },
	{ "pollEndpoint", "/v1/endpoints/crm/poll?limit=2&namespace=default", NULL, NULL, 200 },
	{ "pollEndpoint", "/v1/endpoints/crm/poll?after=1.000000000002d.1795461072000&wait_ms=1000", NULL, NULL, 200 },
	{ "pollEndpoint", "/v1/endpoints/crm/poll?after=1", NULL, NULL, 422 },
	{ "pollEndpoint", "/v1/endpoints/crm/poll", NULL, NULL, 403, .limited = true },
	{ "listSources", "/v1/sources?limit=1&cursor=YQ", NULL, NULL, 200 },
	{ "getSource", "/v1/sources/open?namespace=n", NULL, NULL, 200 },
	{ "putSource", "/v1/sources/chat", NULL, SOURCE, 200 },
	{ "putSource", "/v1/sources/chat", NULL, "{\"verify\":{\"kind\":\"github\",\"secret\":\"none\"},\"into\":{\"job\":{\"queue\":\"q\"}}}", 422 },
	{ "patchSource", "/v1/sources/open", NULL, "{\"id\":\"$.\\u0069d\",\"headers\":[\"x-a\"]}", 200 },
	{ "patchSource", "/v1/sources/open", NULL, "{\"into\":{\"job\":{\"queue\":\"q\"}}}", 403, .limited = true },
	{ "deleteSource", "/v1/sources/open", NULL, NULL, 204 },
	{ "receive", "/in/open", "X-A: b\r\n", "{\"id\":\"a\u00e9\",\"list\":[1,2]}", 202, .varies = true },
	{ "receive", "/in/open", "Content-Type: image/png\r\n", "\xff\xfe", 202, .varies = true },
	{ "receive", "/in/open", "X-A: b\r\n", large_job, 202, .varies = true },
	{ "receive", "/in/chat", "X-Hub-Signature-256: sha256=ecb66335ff7489429bf28edb795ecfc35391920945f24078f5c8ad68ee0be2b0\r\n", "{\"id\":\"a\"}", 202, .varies = true },
	{ "receive", "/in/chat", "X-Hub-Signature-256: sha256=ecb66335ff7489429bf28edb795ecfc35391920945f24078f5c8bd68ee0be2b0\r\n", "{\"id\":\"a\"}", 401 },
	{ "receive", "/in/none", NULL, "{}", 404 },
	{ "receiveIn", "/in/n/job", NULL, "{\"id\":\"a\"}", 202, .varies = true },
	{ "pauseEndpoint", "/v1/endpoints/crm/pause", NULL, NULL, 200 },
	{ "resumeEndpoint", "/v1/endpoints/crm/resume", NULL, "{}", 200 },
	{ "disableEndpoint", "/v1/endpoints/crm/disable", NULL, NULL, 200 },
	{ "enableEndpoint", "/v1/endpoints/crm/enable", NULL, NULL, 403, .limited = true },
	{ "startOperation", "/v1/operations", ONCE, "{\"action\":\"move\",\"filter\":{\"queue\":\"q\",\"state\":\"failed\"},\"arguments\":{\"queue\":\"r\"}}", 201 },
	{ "listOperations", "/v1/operations", NULL, NULL, 200, .limited = true },
	{ "getOperation", "/v1/operations/" UID_1, NULL, NULL, 200, .limited = true },
	{ "pauseOperation", "/v1/operations/" UID_1 "/pause", NULL, NULL, 200, .limited = true },
	{ "resumeOperation", "/v1/operations/" UID_1 "/resume", NULL, NULL, 200 },
	{ "cancelOperation", "/v1/operations/" UID_1 "/cancel", NULL, NULL, 200 },
	{ "events", "/v1/events?after=0&wait_ms=0", NULL, NULL, 200 },
	{ "events", "/v1/events?after=0.1&types=completed,failed", NULL, NULL, 200, .streams = true },
	{ "batch", "/v1/batch", NULL, "{\"ops\":[{\"op\":\"chain_put\",\"queue\":\"q\",\"key\":\"k\",\"compat\":\"bullmq\",\"schedule\":{\"every_ms\":5},"
				      "\"metadata\":{\"a\":1},\"iteration\":{\"a\":2},\"next_at\":\"2026-01-01T00:00:00Z\"},"
				      "{\"op\":\"chain_next\",\"queue\":\"q\",\"key\":\"k\",\"producer_id\":\"repeat:k:1\",\"iteration\":{}},"
				      "{\"op\":\"chains\",\"queue\":\"q\",\"order\":\"desc\",\"from\":1,\"to\":-1}]}", 200 },
	{ "batch", "/v1/batch", ONCE, "{\"ops\":[{\"op\":\"event\",\"queue\":\"q\",\"name\":\"x\",\"details\":{\"a\":[1]}},"
	  "{\"op\":\"events_trim\",\"queue\":\"q\",\"keep\":3},{\"op\":\"queue_get\",\"queue\":\"q\",\"priorities\":[0,7]}]}", 200, .limited = true },
	{ "putWorker", "/v1/workers/w%C3%A9", NULL, "{\"queue\":\"q\",\"name\":\"a\\u00e9\",\"ttl_ms\":5000}", 200, .varies = true },
	{ "putWorker", "/v1/workers/w", NULL, "{\"queue\":\"r\"}", 403, .limited = true },
	{ "listWorkers", "/v1/workers?queue=q", NULL, NULL, 200, .limited = true },
	{ "deleteWorker", "/v1/workers/w", NULL, NULL, 204 },
	{ "listTokens", "/v1/tokens", NULL, NULL, 200 },
	{ "makeToken", "/v1/tokens", NULL, "{\"name\":\"x\",\"scopes\":[\"read\",\"work\"],\"queues\":[\"q\",\"n/r\"],\"expires_at\":\"2090-01-01T00:00:00Z\"}",
	  201, .varies = true },
	{ "revokeToken", "/v1/tokens/0000000000002", NULL, NULL, 204 },
	{ "getStats", "/v1/stats", NULL, NULL, 200 },
	{ "hello", "/v1", NULL, NULL, 200 },
	{ "livez", "/livez", NULL, NULL, 200 },
	{ "readyz", "/readyz?verbose", NULL, NULL, 200 },
	{ "metrics", "/metrics", NULL, NULL, 200, .varies = true },
	{ "openapi", "/v1/openapi.json", NULL, NULL, 200 },
};

/* ---- engine and readers: every answer is made of these ---- */

static struct grant grants[2] = {
	{ .uid = 77, .fence = 9, .attempt = 1, .max_attempts = 3, .lease_ms = 30000, .queue = { STR_INIT("n"), STR_INIT("q") } },
	{ .uid = 78, .fence = 9, .attempt = 1, .max_attempts = 3, .lease_ms = 30000, .queue = { STR_INIT("n"), STR_INIT("q") } },
};
static struct claim_result claimed = { .grants = grants, .count = 2, .token = STR_INIT("mine"), .next_due_ms = -1 };
static struct queue_info infos[2] = {
	{ .queue = { STR_INIT("n"), STR_INIT("a") }, .number = 1, .settings = STR_INIT("{\"ttl_ms\":1}"), .states = { [JOB_WAITING] = 3 } },
	{ .queue = { STR_INIT("n"), STR_INIT("b") }, .number = 500, .enqueued = 2 },
};
static struct group_info group = { .key = STR_INIT("g"), .waiting = 4, .code = EXPLAIN_GROUP_RATE };
static struct limit_info limit = { .limit = { STR_INIT("n"), STR_INIT("crm") }, .active = 3, .held = 2, .code = EXPLAIN_BACKED_OFF, .until_us = CREATED_US };
static struct explanation explanation = { .uid = 77, .code = EXPLAIN_QUEUE_PAUSED, .text = STR_INIT("Paused."), .ahead = 3 };
static struct operation_row operation = { .number = 77, .action = STR_INIT("retry"), .filter = STR_INIT("{\"queue\":\"q\"}"), .created_us = CREATED_US };
static struct job_view views[2] = {
	{ .definition = { .uid = 77, .id = STR_INIT("a"), .name = STR_INIT("k"), .tags = STR_INIT("[\"t\"]"), .created_us = CREATED_US, .payload = STR_INIT("{ \"n\":1}"),
			  .payload_bytes = 8 },
	  .row = { .uid = 77, .state = JOB_COMPLETED, .finished_us = CREATED_US, .worker = STR_INIT("w"), .group = STR_INIT("g") },
	  .result = { .result = STR_INIT("[1]"), .result_bytes = 3 }, .queue_name = STR_INIT("q"), .namespace_name = STR_INIT("default") },
	{ .definition = { .uid = 78, .id = STR_INIT("b"), .created_us = CREATED_US, .payload = STR_INIT("7"), .payload_bytes = 1 },
	  .row = { .uid = 78, .state = JOB_ACTIVE }, .held = NAMED_PAUSED, .held_since_us = CREATED_US, .queue_name = STR_INIT("q"), .namespace_name = STR_INIT("default") },
};
static struct attempt_row attempt = { .uid = 77, .number = 1, .fence = 2, .started_us = CREATED_US, .finished_us = CREATED_US + 5, .worker = STR_INIT("w"),
				      .error = STR_INIT("{\"message\":\"m\"}"), .exchange = STR_INIT("{\"status\":503}") };
static struct child_view child = { .edge = { .parent = 77, .child = 78, .state = EDGE_DONE, .id = STR_INIT("a"), .value = STR_INIT("{\"a\":1}") },
                                   .queue_name = STR_INIT("q"), .namespace_name = STR_INIT("n") };
static struct log_row log_line = { .uid = 77, .attempt = 1, .at_us = CREATED_US, .line = STR_INIT("a\"b") };
static struct metric_row metric_rows[2] = { { 1, 29453760, 3, 0 }, { 1, 29453763, 2, 1 } };
static struct event_row event_rows[2] = {
	{ .seq = 2, .queue = 1, .at_us = CREATED_US, .count = 1, .lines = STR_INIT("completed " UID_1 " {\"attempt\":1}\n") },
	{ .seq = 2, .queue = 500, .at_us = CREATED_US, .count = 2, .lines = STR_INIT("failed " UID_1 "\nenqueued " UID_2 "\n") },
};

static struct chain_info chain = { .queue = { STR_INIT("default"), STR_INIT("q") }, .key = STR_INIT("k\"1"), .schedule = STR_INIT("{\"every_ms\":5}"),
				   .job = STR_INIT("{}"), .payload = STR_INIT("[1]"), .metadata = STR_INIT("{\"a\":1}"), .next_id = STR_INIT("repeat:k:5"), .next_us = CREATED_US,
				   .pending = 77, .count = 3 };

static struct named_info endpoint = { .number = 3, .named = { STR_INIT("default"), STR_INIT("crm") },
				      .text = STR_INIT("{\"url\":\"https://x.example/\",\"types\":[\"a.*\"],\"filter\":{\"\\u0061\":1},\"format\":\"raw\"}"),
				      .state = NAMED_PAUSED, .reason = STR_INIT("by_hand"), .created_us = CREATED_US, .waiting = 4 };
static struct namer namers[] = { { NAMED_ENDPOINT, STR_INIT("crm") }, { NAMED_SOURCE, STR_INIT("g\"h") } };
static struct named_info format = { .number = 4, .named = { STR_INIT("default"), STR_INIT("wide") }, .text = STR_INIT("{\"program\":\".pay\\u006coad\"}"),
				    .created_us = CREATED_US, .namers_known = true, .namers = namers, .namer_count = 2 };
static struct named_info event_type = { .kind = NAMED_EVENT_TYPE, .number = 5, .named = { STR_INIT("default"), STR_INIT("fiche.made") },
					.text = STR_INIT("{\"archived\":false,\"tags\":[],\"schema\":{}}"), .created_us = CREATED_US, .namers_known = true,
					.namers = namers, .namer_count = 1, .wanted_by = 2 };
static struct message_row message_row = { .uid = 77, .namespace_name = STR_INIT("default"), .type = STR_INIT("a.b"), .entity = STR_INIT("e"),
					  .channels = STR_INIT("[\"c\"]"), .payload = STR_INIT("[1]"), .payload_bytes = 3, .deliveries = 2 };

static struct entity_row entity_row = { .endpoint = 3, .entity = STR_INIT("e"), .external_id = STR_INIT("rec1"), .message = 77, .at_us = CREATED_US };

static struct named_row polled = { .number = 3, .text = STR_INIT("{\"kind\":\"poll\",\"types\":[\"*\"],\"format\":\"cloudevents\"}"),
				   .created_us = CREATED_US, .created_seq = 1 };

struct tally { /* of one run */
	uint32_t granted, released;
};

static void play_op(struct op *op, struct tally *tally)
{
	op->result = (struct op_result){ .uid = 77, .fence = 1 };
	switch (op->kind) {
	case OP_CLAIM:
		op->result.claim = &claimed;
		tally->granted += claimed.count;
		break;
	case OP_RELEASE:
		tally->released++;
		break;
	case OP_QUEUE_GET: case OP_QUEUE_PUT:
		op->result.queues = infos;
		op->result.count = 1;
		break;
	case OP_QUEUES: /* two pages */
		op->result.more = !op->queue.after.len;
		op->result.queues = op->result.more ? infos : infos + 1;
		op->result.count = 1;
		break;
	case OP_GROUPS:
		op->result.groups = &group;
		op->result.count = 1;
		break;
	case OP_CHAIN_NEXT:
		op->result.id = STR("repeat:k:5");
		break;
	case OP_CHAIN_PUT: case OP_CHAIN_GET: case OP_CHAINS:
		op->result.more = op->kind == OP_CHAINS;
		op->result.chains = &chain;
		op->result.count = 1;
		break;
	case OP_LIMIT_GET: case OP_LIMIT_PUT: case OP_LIMITS:
		op->result.limits = &limit;
		op->result.count = 1;
		op->result.more = op->kind == OP_LIMITS;
		break;
	case OP_NAMED_GET: case OP_NAMED_PUT: case OP_NAMED_STATE: case OP_NAMEDS:
		op->result.nameds = op->named.kind == NAMED_FORMAT ? &format : op->named.kind == NAMED_EVENT_TYPE ? &event_type : &endpoint;
		op->result.count = 1;
		op->result.more = op->kind == OP_NAMEDS;
		break;
	case OP_EXPLAIN:
		op->result.explanation = &explanation;
		break;
	case OP_OPERATION_START: case OP_OPERATION_PAUSE: case OP_OPERATION_RESUME: case OP_OPERATION_CANCEL:
		op->result.operation = &operation;
		break;
	default:
		break;
	}
}

static void play_request(struct request *request, struct tally *tally)
{
	assert_true(request->op_count > 0);
	for (uint32_t i = 0; i < request->op_count; i++)
		play_op(&request->ops[i], tally);
}

static void play_question(struct scene *scene, struct question *question)
{
	struct answer *answer = &question->answer;
	switch (question->query.kind) {
	case QUERY_DEFINITIONS: case QUERY_JOB: case QUERY_JOBS:
		assert_true(question->query.uid_count <= 2);
		answer->jobs = question->query.uid_count && question->query.uids[0] == 78 ? views + 1 : views;
		answer->job_count = question->query.uid_count ? question->query.uid_count : 1;
		answer->next_cursor = STR("abc");
		break;
	case QUERY_RANGE: case QUERY_READ:
		answer->jobs = views;
		answer->job_count = 2;
		answer->count = 7;
		break;
	case QUERY_METRICS:
		answer->metrics = metric_rows;
		answer->metric_count = 2;
		answer->ended[JOB_COMPLETED] = 9;
		break;
	case QUERY_COUNT:
		answer->count = 5;
		break;
	case QUERY_ATTEMPTS:
		answer->attempts = &attempt;
		answer->attempt_count = 1;
		break;
	case QUERY_LOGS:
		answer->logs = &log_line;
		answer->log_count = 1;
		break;
	case QUERY_EVENTS:
		answer->events = event_rows;
		answer->event_count = question->query.after_seq < 2 ? 2 : 0;
		answer->seq = 2;
		answer->first_event_seq = 1;
		break;
	case QUERY_OPERATIONS: /* on the second page */
		answer->operations = &operation;
		answer->operation_count = question->query.cursor.len || question->query.limit == 100 ? 1 : 0;
		answer->next_cursor = question->query.cursor.len ? STR("") : STR("5");
		break;
	case QUERY_CHILDREN:
		answer->children = &child;
		answer->child_count = 1;
		answer->edge_counts[EDGE_DONE] = 1;
		break;
	case QUERY_MESSAGE: case QUERY_MESSAGES:
		answer->messages = &message_row;
		answer->message_count = 1;
		answer->next_cursor = question->query.kind == QUERY_MESSAGES ? STR("5") : STR("");
		break;
	case QUERY_REPLAY: /* on two pages */
		answer->stands[STANDS_MISSING] = 2;
		answer->stands[STANDS_DELIVERED] = 1;
		answer->next_uid = 77;
		answer->next_phase = question->query.cursor_uid ? 2 : 0;
		break;
	case QUERY_ENTITIES:
		answer->entities = &entity_row;
		answer->entity_count = 1;
		answer->next_cursor = STR("e");
		break;
	case QUERY_POLL:
		answer->endpoint = &polled;
		answer->messages = &message_row;
		answer->message_count = 1;
		answer->seq = 2;
		break;
	case QUERY_TOKENS:
		answer->tokens = scene->tokens;
		answer->token_count = scene->token_count;
		break;
	default:
		fail_msg("a question that no route asks");
	}
}

/* ---- one run ---- */

static enum http_method case_method(const struct request_case *one)
{
	for (uint32_t i = 0; i < route_count; i++)
		if (strcmp(routes[i].name, one->route) == 0)
			return routes[i].method;
	fail_msg("no route is called %s", one->route);
	return HTTP_M_GET;
}

/* All that the API and the server keep for their next request is given back, so that the next one asks for it anew. */
static void scene_forget(struct scene *scene)
{
	struct api *api = scene->api;
	assert_null(api->live);
	while (api->free) {
		struct call *call = api->free;
		api->free = call->next;
		arena_fini(&call->request.arena);
		arena_fini(&call->question.arena);
		mem_free(call);
	}
	api->free_count = 0;
	buf_fini(&api->scratch);
	buf_fini(&api->openapi);
	mem_free(api->labels);
	api->labels = NULL;
	api->label_count = 0;
	arena_fini(&api->label_arena);
	workers_fini(api);
	http_pieces_fini(&scene->server->pieces);
}

/* Everything that was asked is answered, also what nobody waits for. */
static void scene_play(struct scene *scene, struct tally *tally)
{
	while (scene->request_count || scene->question_count) {
		bool done = scene->status != 0;
		if (scene->request_count) {
			struct request *request = scene_request(scene);
			play_request(request, tally);
			api_reply(scene->api, request);
		} else {
			struct question *question = scene_question(scene);
			play_question(scene, question);
			api_answer(scene->api, question);
		}
		for (int i = 0; i < 5; i++) {
			uv_run(&scene->loop, UV_RUN_NOWAIT);
			done = done || scene_receive(scene);
		}
	}
}

/* The last event came, or the stream was ended before: then the client resumes. */
static bool stream_is_told(struct scene *scene)
{
	struct str came = scene_stream(scene);
	bool ended = came.len > 5 && memcmp(came.ptr + came.len - 5, "0\r\n\r\n", 5) == 0;
	return ended || (came.len && memmem(came.ptr, came.len, "event: failed", 13));
}

/* Until it is answered or the connection has ended. */
static void scene_finish(struct scene *scene, const struct request_case *one, struct tally *tally)
{
	uint64_t begun = uv_hrtime();
	scene_play(scene, tally);
	while (!scene->status && !scene->client.closed && !(one->streams && stream_is_told(scene))) {
		uv_run(&scene->loop, UV_RUN_NOWAIT);
		if (!scene_receive(scene))
			scene_play(scene, tally);
		if (uv_hrtime() - begun > STUCK_US * 1000)
			fail_msg("%s is never answered", one->path);
	}
}

static void scene_run(struct scene *scene, const struct request_case *one, uint64_t nth, enum mem_fail how, struct tally *tally)
{
	if (scene->client.fd < 0 || scene->client.closed) {
		scene_hang_up(scene);
		scene_send(scene, "GET", "/livez", NULL, STR("")); /* the connection is there before memory is short */
	}
	scene_forget(scene);
	scene_as(scene, one->limited ? 1 : 0);
	scene->fail_nth = nth;
	scene->fail_how = how;
	scene_send(scene, http_method_name(case_method(one)), one->path, one->headers, str_of(one->body));
	scene_finish(scene, one, tally);
}

/* After it: withdrawals, releases, tokens that are learnt; with memory again. A stream ends with its client. */
static void scene_settle(struct scene *scene, const struct request_case *one, struct tally *tally)
{
	if (one->streams)
		scene_hang_up(scene);
	for (int i = 0; scene->api->live && i < 1000; i++) {
		uv_run(&scene->loop, UV_RUN_NOWAIT);
		scene_play(scene, tally);
	}
	if (scene->api->live)
		fail_msg("%s leaves something behind", one->path);
}

/* ---- what it must be ---- */

static bool answer_is_json(const struct scene *scene)
{
	return !scene->body.len || !str_starts(scene->body, STR("{")) || json_check(scene->body, NULL) == E_OK;
}

static void check_run(const struct scene *scene, const struct request_case *one, uint64_t nth, enum mem_fail how, const struct tally *tally,
		      struct str usual)
{
	bool heard = scene->status == one->status && !scene->client.closed;
	bool wordless = one->status >= 400 && !scene->body.len && !scene_header(scene, "Content-Type").len;
	const char *wrong = NULL;
	if (scene->status && scene->status != one->status && scene->status != 503)
		wrong = "another status";
	else if (!answer_is_json(scene))
		wrong = "no JSON";
	else if (heard && !one->varies && !one->streams && !wordless && !str_eq(scene->body, usual))
		wrong = "another answer";
	else if (heard && one->status != 204 && !wordless && !scene->body.len)
		wrong = "an empty answer";
	else if (tally->granted && tally->granted != (heard ? one->grants : 0) + tally->released && how == MEM_FAIL_ONE)
		wrong = "grants that nobody heard of";
	if (wrong)
		fail_msg("%s %s, allocation %llu%s: %s: %d " STR_FMT "\nusually: " STR_FMT, one->route, one->path, (unsigned long long)nth,
			 how == MEM_FAIL_ALL ? " and all after it" : "", wrong, scene->status, STR_ARG(scene->body), STR_ARG(usual));
}

static void sweep(struct scene *scene, const struct request_case *one, enum mem_fail how, struct str usual)
{
	bool failed = true;
	uint64_t nth;
	for (nth = 1; failed && nth < NTH_MAX; nth++) {
		struct tally tally = { 0 };
		scene_run(scene, one, nth, how, &tally);
		failed = mem_fail_disarm();
		scene_settle(scene, one, &tally);
		check_run(scene, one, nth, how, &tally, usual);
		if (!failed && scene->status != one->status && !one->streams)
			fail_msg("%s: %d without any failure", one->path, scene->status);
	}
	assert_true(nth > 2 && nth < NTH_MAX);
}

/* Sources, and the secret of one of them, as the engine tells. */
static void know_sources(struct scene *scene)
{
	static const struct {
		struct queue_name name;
		const char *text;
	} sources[] = {
		{ { STR_INIT("default"), STR_INIT("open") }, "{\"verify\":{\"kind\":\"none\"},\"id\":\"$.id\",\"headers\":[\"x-a\",\"x-b\"],"
							     "\"into\":{\"message\":{\"type\":\"a\",\"entity\":\"$.list[0]\",\"channels\":[\"c\"]}}}" },
		{ { STR_INIT("default"), STR_INIT("chat") }, "{\"verify\":{\"kind\":\"github\",\"secret\":\"chat\"},\"into\":{\"message\":{\"type\":\"a\"}}}" },
		{ { STR_INIT("n"), STR_INIT("job") }, "{\"verify\":{\"kind\":\"none\"},\"into\":{\"job\":{\"queue\":\"q\",\"group\":\"$.id\"}}}" },
	};
	const struct secret secret = { .values = { { .bytes = STR("user:pass") } }, .count = 1 };
	static const unsigned char nonce[SECRET_NONCE_BYTES];
	struct buf sealed;
	for (uint32_t i = 0; i < ARRAY_COUNT(sources); i++) {
		struct effect_named named = { .kind = NAMED_SOURCE, .number = i + 1, .namespace_name = sources[i].name.namespace_name, .name = sources[i].name.name,
					      .text = shared_text_new(str_of(sources[i].text), i + 1) };
		assert_int_equal(api_named(scene->api, &named), E_OK);
		shared_text_drop(named.text);
	}
	buf_init(&sealed, 65536);
	assert_int_equal(secret_seal(scene->secrets, STR("default"), STR("chat"), &secret, nonce, &sealed, NULL), E_OK);
	assert_int_equal(secrets_put(scene->secrets, STR("default"), STR("chat"), buf_str(&sealed), 1), E_OK);
	buf_fini(&sealed);
}

static void memory_runs_out_anywhere(void **state)
{
	struct scene scene;
	struct buf usual;
	(void)state;
	buf_init(&usual, 1 << 24);
	scene_open(&scene, false, 1 << 16);
	scene_token(&scene, "admin", "");
	scene_token(&scene, "enqueue work read operate", "[\"q\"]");
	know_sources(&scene);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct tally tally = { 0 };
		scene_run(&scene, &cases[i], 0, MEM_FAIL_ONE, &tally);
		if (scene.status != cases[i].status && !cases[i].streams)
			fail_msg("%s %s: %d " STR_FMT, cases[i].route, cases[i].path, scene.status, STR_ARG(scene.body));
		buf_clear(&usual);
		buf_add(&usual, scene.body);
		scene_settle(&scene, &cases[i], &tally);
		assert_int_equal(tally.granted, cases[i].grants);
		sweep(&scene, &cases[i], MEM_FAIL_ONE, buf_str(&usual));
		sweep(&scene, &cases[i], MEM_FAIL_ALL, buf_str(&usual));
	}
	scene_close(&scene);
	buf_fini(&usual);
}

static void every_route_has_its_case(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < route_count; i++) {
		bool found = false;
		for (size_t n = 0; n < ARRAY_COUNT(cases); n++)
			found = found || strcmp(cases[n].route, routes[i].name) == 0;
		if (!found)
			fail_msg("%s has none", routes[i].name);
	}
}

static void make_large_job(void)
{
	int len = snprintf(large_job, sizeof(large_job), "{\"queue\":\"q\",\"payload\":\"");
	memset(large_job + len, 'x', sizeof(large_job) - 3 - (size_t)len);
	memcpy(large_job + sizeof(large_job) - 3, "\"}", 3);
}

int main(void)
{
	make_large_job();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_has_its_case),
		cmocka_unit_test(memory_runs_out_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
