/* src/api/routes.c: the table of routes. The hottest stand first. */
#include "api/routes.h"
#include "api/body.h"
#include "api/filter.h"

/* ---- query parameters ---- */

#define P_NAMESPACE { "namespace", PARAM_NAME, 1, 255, NULL, "The queue's namespace (default)." }
#define P_CURSOR    { "cursor", PARAM_TEXT, 1, 2048, NULL, "next_cursor of the page before." }
#define P_LIMIT     { "limit", PARAM_NUMBER, 1, 1000, NULL, "How many at most." }

static const struct param namespace_params[] = { P_NAMESPACE, { 0 } };
static const struct param page_params[] = { P_LIMIT, P_CURSOR, { 0 } };
static const struct param namespace_page_params[] = { P_NAMESPACE, P_LIMIT, P_CURSOR, { 0 } };
static const char *const edge_state_words[] = { "pending", "done", "ignored", "failed", NULL };
#define P_CHILDREN P_LIMIT, P_CURSOR, { "state", PARAM_WORDS, 0, 0, edge_state_words, "Only those in these states, separated by commas." }
static const struct param children_params[] = { P_CHILDREN, { 0 } };
static const struct param queue_children_params[] = { P_CHILDREN, P_NAMESPACE, { 0 } };
static const struct param job_list_params[] = {
	FILTER_PARAMS, { "order", PARAM_WORD, 0, 0, order_words, "The newest first (the usual), or the oldest." }, P_LIMIT, P_CURSOR, { 0 },
};
static const struct param job_count_params[] = {
	FILTER_PARAMS, { "max", PARAM_NUMBER, 1, 100000000, NULL, "Stop counting there (1,000,000)." }, { 0 },
};
#define P_JOB                                                                                                     \
	{ "wait_ms", PARAM_NUMBER, 0, 300000, NULL, "Waits so long for the job to end." },                         \
	{ "payload", PARAM_FLAG, 0, 0, NULL, "With its payload (no)." },                                           \
	{ "result", PARAM_FLAG, 0, 0, NULL, "With its result (yes)." }
static const struct param job_params[] = { P_JOB, { 0 } };
static const struct param queue_job_params[] = { P_JOB, P_NAMESPACE, { 0 } };
static const struct param log_params[] = {
	{ "from", PARAM_NUMBER, 0, INT64_MAX, NULL, "The place of the first line, counted from 0; not with cursor." },
	{ "order", PARAM_WORD, 0, 0, way_words, "asc: the oldest first (the usual); desc: the newest." },
	P_LIMIT, P_CURSOR, { 0 },
};
static const struct param range_params[] = {
	P_NAMESPACE,
	{ "state", PARAM_WORD, 0, 0, range_words, "Which jobs; needed. waiting: those of priority 0, prioritised: the others that wait." },
	{ "from", PARAM_NUMBER, INT64_MIN, INT64_MAX, NULL, "The place of the first (0); negative: from the end, -1 is the last." },
	{ "to", PARAM_NUMBER, INT64_MIN, INT64_MAX, NULL, "The place of the last, included (from + 99); at most 1,000 jobs come." },
	{ "order", PARAM_WORD, 0, 0, way_words, "asc: as they go (the usual); desc: the other way round, places too." },
	{ "before", PARAM_INSTANT, 0, 0, NULL, "Only those enqueued (waiting), due, started, ended (or so since) before this instant." },
	{ "what", PARAM_WORD, 0, 0, range_what_words, "Uids and ids (the usual), whole jobs, or none: only the total." },
	{ "parts", PARAM_WORDS, 0, 0, part_words, "Of whole jobs: these parts too, separated by commas." },
	{ 0 },
};
static const struct param metric_params[] = {
	P_NAMESPACE,
	{ "from", PARAM_NUMBER, INT64_MIN, INT64_MAX, NULL, "The place of the first point (0); negative: from the end, -1 is the oldest." },
	{ "to", PARAM_NUMBER, INT64_MIN, INT64_MAX, NULL, "The place of the last point, included (-1)." },
	{ 0 },
};
static const struct param worker_params[] = {
	{ "queue", PARAM_NAME, 1, 255, NULL, "Only those of this queue." }, P_NAMESPACE, { 0 },
};
static const char *const children_words[] = { "keep", "delete", NULL };
static const struct param delete_params[] = {
	{ "force", PARAM_FLAG, 0, 0, NULL, "A running one too: its lease is gone with it (no)." },
	{ "children", PARAM_WORD, 0, 0, children_words, "What becomes of its children, and theirs: keep (the default) or delete." }, { 0 },
};
static const struct param payload_params[] = {
	{ "original", PARAM_FLAG, 0, 0, NULL, "The one it was enqueued with, even if a retry edited it." }, { 0 },
};
static const struct param event_params[] = {
	{ "queue", PARAM_NAME, 1, 255, NULL, "Only events of this queue." },
	P_NAMESPACE,
	{ "types", PARAM_WORDS, 0, 0, event_type_words, "Only events of these types, separated by commas." },
	{ "after", PARAM_TEXT, 1, 64, NULL, "The last event's id that was seen; or send Last-Event-ID. Without, or $: from now on." },
	{ "wait_ms", PARAM_NUMBER, 0, 300000, NULL, "One JSON answer instead of a stream, waiting so long for an event." },
	{ "limit", PARAM_NUMBER, 1, 1000, NULL, "Of a JSON answer (100)." },
	{ 0 },
};
static const struct param message_list_params[] = {
	P_NAMESPACE,
	{ "type", PARAM_TEXT, 1, 256, NULL, "Only this type, or all that begin so when it ends in *." },
	{ "entity", PARAM_TEXT, 1, 512, NULL, "Only about this entity." },
	{ "since", PARAM_INSTANT, 0, 0, NULL, "Only those that came at this instant or later." },
	{ "until", PARAM_INSTANT, 0, 0, NULL, "Only those that came before this instant." },
	P_LIMIT, P_CURSOR, { 0 },
};
static const struct param message_params[] = { { "payload", PARAM_FLAG, 0, 0, NULL, "With its payload and metadata (no)." }, { 0 } };
static const struct param ready_params[] = { { "verbose", PARAM_FLAG, 0, 0, NULL, "Each check by name." }, { 0 } };

/* ---- routes ---- */

#define GET(pattern_text, name_text)    .method = HTTP_M_GET, .pattern = pattern_text, .name = name_text
#define POST(pattern_text, name_text)   .method = HTTP_M_POST, .pattern = pattern_text, .name = name_text
#define PUT(pattern_text, name_text)    .method = HTTP_M_PUT, .pattern = pattern_text, .name = name_text
#define PATCH(pattern_text, name_text)  .method = HTTP_M_PATCH, .pattern = pattern_text, .name = name_text
#define DELETE(pattern_text, name_text) .method = HTTP_M_DELETE, .pattern = pattern_text, .name = name_text

/* One operation by its path and body, or by its path alone. */
#define ALONE(op_kind) .kind = op_kind, .decode = decode_alone, .begin = call_run, .encode = encode_alone
#define PATH(op_kind)  .kind = op_kind, .decode = decode_path, .begin = call_run, .encode = encode_alone

const struct route routes[] = {
	{ POST("/v1/jobs", "enqueue"), .status = 201, .scope = SCOPE_ENQUEUE, .flags = ROUTE_BODY | ROUTE_ONCE, .kind = OP_ENQUEUE, .list = "jobs",
	  .decode = jobs_decode, .begin = jobs_enqueue, .encode = jobs_encode_enqueued, .tag = "jobs", .takes = "EnqueueBody",
	  .gives = "EnqueueAnswer",
	  .doc = "Enqueue one job, or many. One: 201, or 200 when its id was there already. Many: {\"jobs\":[…]}, 200 with a result for each, in order; "
		 "each stands alone unless atomic." },
	{ POST("/v1/claims", "claim"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY, .kind = OP_CLAIM, .decode = decode_alone,
	  .begin = claims_post, .encode = encode_alone, .tag = "work", .takes = "Claim", .gives = "ClaimAnswer",
	  .doc = "Claim jobs, waiting for them if asked to. Each comes with a lease: the right to run it for a while." },
	{ POST("/v1/leases/complete", "completeLeases"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE,
	  .kind = OP_COMPLETE, .list = "leases",
	  .decode = leases_decode_list, .begin = call_run, .encode = encode_results, .tag = "work", .takes = "CompleteList", .gives = "LeaseResults",
	  .doc = "Complete many jobs, and claim the next ones if asked to." },
	{ POST("/v1/leases/{uid}/complete", "complete"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE, ALONE(OP_COMPLETE),
	  .tag = "work", .takes = "Complete", .gives = "LeaseAnswer",
	  .doc = "Complete a job, and claim the next ones if asked to. A refused completion claims nothing." },
	{ POST("/v1/leases/heartbeat", "heartbeat"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY, .kind = OP_HEARTBEAT, .list = "leases",
	  .decode = leases_decode_list, .begin = call_run, .encode = encode_results, .tag = "work", .takes = "HeartbeatList", .gives = "LeaseResults",
	  .doc = "Keep leases alive. The answer says which jobs were asked to stop (cancel_requested) and which leases are gone." },
	{ POST("/v1/leases/fail", "failLeases"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE, .kind = OP_FAIL,
	  .list = "leases",
	  .decode = leases_decode_list, .begin = call_run, .encode = encode_results, .tag = "work", .takes = "FailList", .gives = "LeaseResults",
	  .doc = "Say of many attempts that they failed, and claim the next jobs if asked to." },
	{ POST("/v1/leases/{uid}/fail", "fail"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE, ALONE(OP_FAIL), .tag = "work",
	  .takes = "Fail", .gives = "LeaseAnswer",
	  .doc = "Say that an attempt failed. The retry policy decides what follows, unless the verdict does." },
	{ POST("/v1/leases/{uid}/heartbeat", "heartbeatOne"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY, ALONE(OP_HEARTBEAT),
	  .tag = "work",
	  .takes = "Heartbeat", .gives = "LeaseAnswer", .doc = "Keep one lease alive." },
	{ POST("/v1/leases/{uid}/release", "release"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE, ALONE(OP_RELEASE),
	  .tag = "work", .takes = "Release", .gives = "LeaseAnswer", .doc = "Give a job back unharmed: it costs neither an attempt nor a stall." },
	{ POST("/v1/leases/{uid}/snooze", "snooze"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE, ALONE(OP_SNOOZE),
	  .tag = "work",
	  .takes = "Snooze", .gives = "LeaseAnswer", .doc = "Give a job back for later: it costs no attempt." },
	{ POST("/v1/leases/{uid}/await-children", "awaitChildren"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE,
	  ALONE(OP_AWAIT_CHILDREN), .tag = "work", .takes = "AwaitChildren", .gives = "LeaseAnswer",
	  .doc = "Give a job back until its children have ended: it costs no attempt. When none is left to wait for, it stays active." },
	{ POST("/v1/leases/{uid}/progress", "progress"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY, ALONE(OP_PROGRESS), .tag = "work",
	  .takes = "Progress", .gives = "LeaseAnswer", .doc = "Say how far a job is, as any JSON." },
	{ POST("/v1/leases/{uid}/log", "log"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE, .kind = OP_LOG,
	  .decode = leases_decode_log, .begin = call_run, .encode = encode_alone, .tag = "work", .takes = "LogBody", .gives = "LeaseAnswer",
	  .doc = "Add a log line to a job, or several; with keep only the newest stay." },
	{ POST("/v1/batch", "batch"), .status = 200, .flags = ROUTE_BODY | ROUTE_ONCE, .list = "ops", .decode = batch_decode,
	  .begin = batch_run, .encode = encode_results,
	  .tag = "batch", .takes = "Batch", .gives = "BatchAnswer",
	  .doc = "Many operations of any kind, in order. Each stands alone unless atomic; each needs its own scope." },

	{ GET("/v1/jobs", "listJobs"), .status = 200, .scope = SCOPE_READ, .params = job_list_params, .begin = jobs_list,
	  .encode = jobs_encode_list, .tag = "jobs",
	  .gives = "JobList", .doc = "List jobs. By finish when only final states can match, otherwise by creation." },
	{ GET("/v1/jobs/count", "countJobs"), .status = 200, .scope = SCOPE_READ, .params = job_count_params, .begin = jobs_count,
	  .encode = jobs_encode_count,
	  .tag = "jobs", .gives = "JobCount", .doc = "Count the jobs that a filter matches." },
	{ GET("/v1/jobs/{uid}", "getJob"), .status = 200, .scope = SCOPE_READ, .params = job_params, .begin = jobs_get,
	  .encode = jobs_encode_one, .tag = "jobs",
	  .gives = "Job", .doc = "Look at a job, waiting for its end if asked to." },
	{ DELETE("/v1/jobs/{uid}", "deleteJob"), .status = 204, .scope = SCOPE_OPERATE, .params = delete_params, .kind = OP_DELETE,
	  .decode = jobs_decode_delete, .begin = call_run, .encode = encode_alone, .tag = "jobs",
	  .doc = "Delete a job that is not running, or with force, any." },
	{ GET("/v1/jobs/{uid}/payload", "getPayload"), .status = 200, .scope = SCOPE_READ, .params = payload_params, .begin = jobs_payload,
	  .tag = "jobs", .gives = "any",
	  .doc = "A job's payload, byte for byte as it was sent." },
	{ GET("/v1/jobs/{uid}/result", "getResult"), .status = 200, .scope = SCOPE_READ, .begin = jobs_result, .tag = "jobs", .gives = "any",
	  .doc = "A job's result, byte for byte as the worker sent it. 409 while it has not ended." },
	{ GET("/v1/jobs/{uid}/attempts", "listAttempts"), .status = 200, .scope = SCOPE_READ, .params = page_params, .begin = jobs_attempts,
	  .encode = jobs_encode_attempts,
	  .tag = "jobs", .gives = "AttemptList", .doc = "What was tried, oldest first." },
	{ GET("/v1/jobs/{uid}/logs", "listLogs"), .status = 200, .scope = SCOPE_READ, .params = log_params, .begin = jobs_logs,
	  .encode = jobs_encode_logs, .tag = "jobs",
	  .gives = "LogList", .doc = "A job's log lines, and how many there are." },
	{ GET("/v1/jobs/{uid}/children", "listChildren"), .status = 200, .scope = SCOPE_READ, .params = children_params, .begin = jobs_children,
	  .encode = jobs_encode_children, .tag = "jobs", .gives = "ChildList", .doc = "A job's children, what came of them, and their results." },
	{ POST("/v1/jobs/{uid}/detach", "detachJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_ONCE, ALONE(OP_DETACH),
	  .tag = "jobs", .takes = "Detach", .gives = "JobChanged", .doc = "A parent does not wait for this child any more. count: whether it did." },
	{ GET("/v1/jobs/{uid}/explain", "explainJob"), .status = 200, .scope = SCOPE_READ, PATH(OP_EXPLAIN), .tag = "jobs", .gives = "Explanation",
	  .doc = "Why is this job not running? In words and as a code." },
	{ DELETE("/v1/jobs/{uid}/children", "deleteChildren"), .status = 200, .scope = SCOPE_OPERATE, .kind = OP_CHILDREN_DELETE,
	  .decode = decode_path, .begin = call_run, .encode = encode_alone, .tag = "jobs", .gives = "JobChanged",
	  .doc = "Delete the children that a job waits for and that have not begun, with theirs. count: how many." },
	{ POST("/v1/jobs/{uid}/cancel", "cancelJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE, ALONE(OP_CANCEL),
	  .tag = "jobs", .takes = "Cancel", .gives = "JobChanged",
	  .doc = "Cancel a job. A running one is asked to stop: its worker hears it at the next heartbeat." },
	{ POST("/v1/jobs/{uid}/retry", "retryJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE, ALONE(OP_RETRY),
	  .tag = "jobs", .takes = "Retry", .gives = "JobChanged", .doc = "Run a finished job again, its attempts reset." },
	{ POST("/v1/jobs/{uid}/promote", "promoteJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  ALONE(OP_PROMOTE),
	  .tag = "jobs", .takes = "Promote", .gives = "JobChanged", .doc = "Run a delayed job now." },
	{ POST("/v1/jobs/{uid}/priority", "reprioritiseJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_ONCE,
	  ALONE(OP_REPRIORITISE), .tag = "jobs", .takes = "Reprioritise", .gives = "JobChanged", .doc = "Change a job's priority." },
	{ POST("/v1/jobs/{uid}/move", "moveJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_ONCE, ALONE(OP_MOVE),
	  .tag = "jobs",
	  .takes = "Move", .gives = "JobChanged", .doc = "Move a job to another queue." },
	{ POST("/v1/jobs/{uid}/edit", "editJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_ONCE, ALONE(OP_EDIT),
	  .tag = "jobs", .takes = "Edit", .gives = "JobChanged", .doc = "Give a job another payload, whatever its state. The first one is kept." },
	{ POST("/v1/jobs/{uid}/reschedule", "rescheduleJob"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_ONCE,
	  ALONE(OP_RESCHEDULE), .tag = "jobs", .takes = "Reschedule", .gives = "JobChanged", .doc = "Change when a delayed job is due." },

	{ GET("/v1/queues", "listQueues"), .status = 200, .scope = SCOPE_READ, .params = namespace_page_params, .kind = OP_QUEUES,
	  .decode = queues_decode_list, .begin = call_run, .encode = encode_alone, .tag = "queues", .gives = "QueueList",
	  .doc = "List queues, with their counts." },
	{ GET("/v1/queues/{queue}", "getQueue"), .status = 200, .scope = SCOPE_READ, .params = namespace_params, PATH(OP_QUEUE_GET), .tag = "queues",
	  .gives = "Queue", .doc = "Look at a queue: settings and counts." },
	{ PUT("/v1/queues/{queue}", "putQueue"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY, .params = namespace_params,
	  .kind = OP_QUEUE_PUT,
	  .decode = queues_decode_put, .begin = call_run, .encode = encode_alone, .tag = "queues", .takes = "QueueSettings", .gives = "Queue",
	  .doc = "Make a queue, or set all of its settings: what is left out gets its default." },
	{ PATCH("/v1/queues/{queue}", "patchQueue"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY, .params = namespace_params,
	  .kind = OP_QUEUE_PUT, .decode = queues_decode_put, .begin = call_run, .encode = encode_alone, .tag = "queues", .takes = "QueueSettings",
	  .gives = "Queue", .doc = "Change some settings of a queue." },
	{ DELETE("/v1/queues/{queue}", "deleteQueue"), .status = 204, .scope = SCOPE_OPERATE, .params = namespace_params, PATH(OP_QUEUE_DELETE),
	  .tag = "queues", .doc = "Delete an empty queue." },
	{ POST("/v1/queues/{queue}/pause", "pauseQueue"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  .params = namespace_params, ALONE(OP_QUEUE_PAUSE), .tag = "queues", .takes = "Nothing", .gives = "QueueChanged",
	  .doc = "Start no more jobs of a queue. Those that run go on." },
	{ POST("/v1/queues/{queue}/resume", "resumeQueue"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  .params = namespace_params, ALONE(OP_QUEUE_RESUME), .tag = "queues", .takes = "Nothing", .gives = "QueueChanged", .doc = "Go on." },
	{ GET("/v1/queues/{queue}/stats", "getQueueStats"), .status = 200, .scope = SCOPE_READ, .params = namespace_params, PATH(OP_QUEUE_GET),
	  .tag = "queues", .gives = "Queue", .doc = "Counts by state and priority, rates, percentiles of waiting and running." },
	{ GET("/v1/queues/{queue}/jobs/{id}/children", "listChildrenById"), .status = 200, .scope = SCOPE_READ, .params = queue_children_params,
	  .begin = jobs_children, .encode = jobs_encode_children, .tag = "jobs", .gives = "ChildList",
	  .doc = "The children of the job that the caller's id names." },
	{ GET("/v1/queues/{queue}/jobs/{id}", "getJobById"), .status = 200, .scope = SCOPE_READ, .params = queue_job_params,
	  .begin = jobs_get, .encode = jobs_encode_one,
	  .tag = "queues", .gives = "Job", .doc = "Look at a job by the caller's own id." },
	{ GET("/v1/queues/{queue}/range", "getRange"), .status = 200, .scope = SCOPE_READ, .params = range_params, .begin = ranges_get,
	  .encode = ranges_encode, .tag = "queues", .gives = "Range",
	  .doc = "A queue's jobs in one state, by their places in the order in which they go, and how many there are in all." },
	{ GET("/v1/queues/{queue}/metrics", "getMetrics"), .status = 200, .scope = SCOPE_READ, .params = metric_params, .begin = metrics_get,
	  .encode = metrics_encode, .tag = "queues", .gives = "Metrics",
	  .doc = "How many of a queue's jobs completed and failed, ever and by the minute, newest first." },
	{ POST("/v1/queues/{queue}/jobs/read", "readJobs"), .status = 200, .scope = SCOPE_READ, .flags = ROUTE_BODY, .params = namespace_params,
	  .decode = read_many_decode, .begin = read_many_begin, .encode = read_many_encode, .tag = "queues", .takes = "JobsRead", .gives = "JobsFound",
	  .doc = "Many jobs of a queue in one answer, in the order asked; null where there is none." },
	{ GET("/v1/queues/{queue}/groups", "listGroups"), .status = 200, .scope = SCOPE_READ, .params = namespace_page_params, .kind = OP_GROUPS,
	  .decode = groups_decode_list, .begin = call_run, .encode = encode_alone, .tag = "groups", .gives = "GroupList",
	  .doc = "Groups that have jobs, overrides or a pause." },
	{ GET("/v1/queues/{queue}/groups/{group}", "getGroup"), .status = 200, .scope = SCOPE_READ, .params = namespace_params, .kind = OP_GROUPS,
	  .decode = groups_decode_get, .begin = call_run, .encode = groups_encode_one, .tag = "groups", .gives = "Group", .doc = "Look at a group." },
	{ PUT("/v1/queues/{queue}/groups/{group}", "putGroup"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY,
	  .params = namespace_params,
	  .kind = OP_GROUP_PUT, .decode = groups_decode_put, .begin = call_run, .encode = encode_alone, .tag = "groups", .takes = "GroupSettings",
	  .gives = "GroupChanged", .doc = "Override the queue's limits for one group." },
	{ DELETE("/v1/queues/{queue}/groups/{group}", "deleteGroup"), .status = 204, .scope = SCOPE_OPERATE, .params = namespace_params,
	  PATH(OP_GROUP_DELETE), .tag = "groups", .doc = "Forget a group's overrides. Its jobs stay." },
	{ POST("/v1/queues/{queue}/groups/{group}/pause", "pauseGroup"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  .params = namespace_params, ALONE(OP_GROUP_PAUSE), .tag = "groups", .takes = "Nothing", .gives = "GroupChanged",
	  .doc = "Start no more jobs of a group." },
	{ POST("/v1/queues/{queue}/groups/{group}/resume", "resumeGroup"), .status = 200, .scope = SCOPE_OPERATE,
	  .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  .params = namespace_params, ALONE(OP_GROUP_RESUME), .tag = "groups", .takes = "Nothing", .gives = "GroupChanged", .doc = "Go on." },

	{ POST("/v1/queues/{queue}/back_off", "backOffQueue"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE,
	  .params = namespace_params, ALONE(OP_BACK_OFF), .tag = "queues", .takes = "BackOff", .gives = "BackedOff",
	  .doc = "Start nothing of a queue for a while. A longer pause is never shortened; 0 ms ends it." },
	{ POST("/v1/queues/{queue}/groups/{group}/back_off", "backOffGroup"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE,
	  .params = namespace_params, ALONE(OP_BACK_OFF), .tag = "groups", .takes = "BackOff", .gives = "BackedOff",
	  .doc = "Start nothing of a group for a while. A longer pause is never shortened; 0 ms ends it." },

	{ GET("/v1/limits", "listLimits"), .status = 200, .scope = SCOPE_READ, .flags = ROUTE_WHOLE, .params = namespace_page_params, .kind = OP_LIMITS,
	  .decode = limits_decode_list, .begin = call_run, .encode = encode_alone, .tag = "limits", .gives = "LimitList",
	  .doc = "List limits, with what is taken of each." },
	{ GET("/v1/limits/{limit}", "getLimit"), .status = 200, .scope = SCOPE_READ, .flags = ROUTE_WHOLE, .params = namespace_params, PATH(OP_LIMIT_GET),
	  .tag = "limits", .gives = "Limit", .doc = "Look at a limit: settings, what is taken, what stops a start now." },
	{ PUT("/v1/limits/{limit}", "putLimit"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_WHOLE, .params = namespace_params,
	  .kind = OP_LIMIT_PUT, .decode = limits_decode_put, .begin = call_run, .encode = encode_alone, .tag = "limits", .takes = "LimitSettings",
	  .gives = "Limit", .doc = "Make a limit, or set all of its settings: what is left out bounds nothing." },
	{ PATCH("/v1/limits/{limit}", "patchLimit"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_WHOLE,
	  .params = namespace_params,
	  .kind = OP_LIMIT_PUT, .decode = limits_decode_put, .begin = call_run, .encode = encode_alone, .tag = "limits", .takes = "LimitSettings",
	  .gives = "Limit", .doc = "Change some settings of a limit." },
	{ DELETE("/v1/limits/{limit}", "deleteLimit"), .status = 204, .scope = SCOPE_OPERATE, .flags = ROUTE_WHOLE, .params = namespace_params,
	  PATH(OP_LIMIT_DELETE), .tag = "limits", .doc = "Delete a limit that no settings name." },
	{ POST("/v1/limits/{limit}/acquire", "acquireLimit"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_WHOLE,
	  .params = namespace_params, ALONE(OP_LIMIT_ACQUIRE), .tag = "limits", .takes = "LimitAcquire", .gives = "LimitGrant",
	  .doc = "Take units of a limit without a job, under a lease. The same token again keeps them; nothing waits: ask again when it says so." },
	{ POST("/v1/limits/{limit}/release", "releaseLimit"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_WHOLE,
	  .params = namespace_params, ALONE(OP_LIMIT_RELEASE), .tag = "limits", .takes = "LimitRelease", .gives = "LimitReleased",
	  .doc = "Give units back. Starts of a rate stay started." },
	{ POST("/v1/limits/{limit}/back_off", "backOffLimit"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY | ROUTE_ONCE | ROUTE_WHOLE,
	  .params = namespace_params, ALONE(OP_BACK_OFF), .tag = "limits", .takes = "BackOff", .gives = "BackedOff",
	  .doc = "Start nothing under a limit for a while. A longer pause is never shortened; 0 ms ends it." },
	{ GET("/v1/queues/{queue}/dedup/{key}", "getDedup"), .status = 200, .scope = SCOPE_READ, .params = namespace_params, PATH(OP_DEDUP_GET),
	  .tag = "queues", .gives = "DedupKey", .doc = "Who owns a dedup key: count 0 when nobody does." },
	{ DELETE("/v1/queues/{queue}/dedup/{key}", "releaseDedup"), .status = 200, .scope = SCOPE_OPERATE, .params = namespace_params,
	  PATH(OP_DEDUP_RELEASE), .tag = "queues", .gives = "DedupKey",
	  .doc = "Free a dedup key: the next enqueue under it is a job of its own. A parked successor begins to wait." },

	{ GET("/v1/queues/{queue}/chains", "listChains"), .status = 200, .scope = SCOPE_READ, .params = namespace_page_params, .kind = OP_CHAINS,
	  .decode = chains_decode_list, .begin = call_run, .encode = encode_alone, .tag = "queues", .gives = "ChainList",
	  .doc = "Chains of jobs that repeat, by key." },
	{ GET("/v1/queues/{queue}/chains/{key}", "getChain"), .status = 200, .scope = SCOPE_READ, .params = namespace_params, PATH(OP_CHAIN_GET),
	  .tag = "queues", .gives = "Chain", .doc = "Look at a chain: what it repeats, and when next." },
	{ PUT("/v1/queues/{queue}/chains/{key}", "putChain"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY, .params = namespace_params,
	  ALONE(OP_CHAIN_PUT), .tag = "queues", .takes = "ChainPut", .gives = "Chain",
	  .doc = "Make a chain of jobs that repeat, or replace it and its next job. The same again changes nothing." },
	{ DELETE("/v1/queues/{queue}/chains/{key}", "deleteChain"), .status = 200, .scope = SCOPE_OPERATE, .params = namespace_params,
	  PATH(OP_CHAIN_DELETE), .tag = "queues", .gives = "ChainDeleted",
	  .doc = "Delete a chain and its next job. Jobs that were claimed go on." },

	{ POST("/v1/messages", "sendMessage"), .status = 201, .scope = SCOPE_ENQUEUE, .flags = ROUTE_BODY | ROUTE_ONCE, .kind = OP_MESSAGE,
	  .list = "messages", .decode = messages_decode, .begin = call_run, .encode = messages_encode_sent, .tag = "messages", .takes = "MessageBody",
	  .gives = "MessageAnswer",
	  .doc = "Send a message to all endpoints that want it, or many. One: 201, or 200 when its key was there already. Many: {\"messages\":[…]}, 200 with "
		 "a result for each, in order; all or none of them unless atomic is false." },
	{ GET("/v1/messages", "listMessages"), .status = 200, .scope = SCOPE_READ, .params = message_list_params, .begin = messages_list,
	  .encode = messages_encode_list, .tag = "messages", .gives = "MessageList", .doc = "Messages that were sent, newest first." },
	{ GET("/v1/messages/{message}", "getMessage"), .status = 200, .scope = SCOPE_READ, .params = message_params, .begin = messages_get,
	  .encode = messages_encode_one, .tag = "messages", .gives = "Message", .doc = "Look at a message, by its id or its uid." },
	{ DELETE("/v1/messages/{message}/content", "expungeMessage"), .status = 204, .scope = SCOPE_OPERATE, .flags = ROUTE_WHOLE,
	  .kind = OP_MESSAGE_EXPUNGE, .decode = messages_decode_expunge, .begin = call_run, .encode = messages_encode_sent, .tag = "messages",
	  .doc = "Forget what a message said: payload, metadata, and what its deliveries sent and were answered. Its ids and instants stay." },
	{ GET("/v1/endpoints", "listEndpoints"), .status = 200, .scope = SCOPE_READ, .params = namespace_page_params, .kind = OP_NAMEDS,
	  .decode = endpoints_decode_list, .begin = call_run, .encode = endpoints_encode, .tag = "endpoints", .gives = "EndpointList",
	  .doc = "Endpoints of a namespace, by name." },
	{ POST("/v1/endpoints", "makeEndpoint"), .status = 201, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY, .params = namespace_params,
	  .kind = OP_NAMED_PUT, .decode = endpoints_decode_new, .begin = endpoints_make, .encode = endpoints_encode, .tag = "endpoints",
	  .takes = "EndpointSettings", .gives = "Endpoint", .doc = "Make an endpoint, with a name of ruche's." },
	{ GET("/v1/endpoints/{endpoint}", "getEndpoint"), .status = 200, .scope = SCOPE_READ, .params = namespace_params, .kind = OP_NAMED_GET,
	  .decode = decode_path, .begin = call_run, .encode = endpoints_encode, .tag = "endpoints", .gives = "Endpoint",
	  .doc = "Look at an endpoint: settings, state, health, what waits for it." },
	{ PUT("/v1/endpoints/{endpoint}", "putEndpoint"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY, .params = namespace_params,
	  .kind = OP_NAMED_PUT, .decode = endpoints_decode_put, .begin = endpoints_put, .encode = endpoints_encode, .tag = "endpoints",
	  .takes = "EndpointSettings", .gives = "Endpoint", .doc = "Make an endpoint, or set all of its settings: what is left out gets its default." },
	{ PATCH("/v1/endpoints/{endpoint}", "patchEndpoint"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY, .params = namespace_params,
	  .kind = OP_NAMED_PUT, .decode = endpoints_decode_put, .begin = endpoints_put, .encode = endpoints_encode, .tag = "endpoints",
	  .takes = "EndpointSettings", .gives = "Endpoint", .doc = "Change some settings of an endpoint. Deliveries that wait are sent by the new ones." },
	{ DELETE("/v1/endpoints/{endpoint}", "deleteEndpoint"), .status = 204, .scope = SCOPE_OPERATE, .params = namespace_params,
	  .kind = OP_NAMED_DELETE, .decode = decode_path, .begin = call_run, .encode = endpoints_encode, .tag = "endpoints",
	  .doc = "Delete an endpoint. Deliveries that are left fail without a call." },
#define ENDPOINT_STATE(verb, name_text, words)                                                                                              \
	{ POST("/v1/endpoints/{endpoint}/" verb, name_text), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY,               \
	  .params = namespace_params, .kind = OP_NAMED_STATE, .decode = endpoints_decode_state, .begin = call_run, .encode = endpoints_encode, \
	  .tag = "endpoints", .takes = "Nothing", .gives = "Endpoint", .doc = words }
	ENDPOINT_STATE("pause", "pauseEndpoint", "Call an endpoint no more: its deliveries are made and held."),
	ENDPOINT_STATE("resume", "resumeEndpoint", "Go on with what was held."),
	ENDPOINT_STATE("disable", "disableEndpoint", "The same as a pause, for an endpoint that is given up for now."),
	ENDPOINT_STATE("enable", "enableEndpoint", "Go on with what was held."),

	{ POST("/v1/operations", "startOperation"), .status = 201, .scope = SCOPE_OPERATE, .flags = ROUTE_BODY | ROUTE_ONCE,
	  ALONE(OP_OPERATION_START), .tag = "operations", .takes = "OperationStart", .gives = "Operation",
	  .doc = "Do something with every job that matches a filter. Durable: it goes on after a restart; jobs that changed since are skipped." },
	{ GET("/v1/operations", "listOperations"), .status = 200, .scope = SCOPE_READ, .params = page_params, .begin = operations_list,
	  .encode = operations_encode_list,
	  .tag = "operations", .gives = "OperationList", .doc = "Bulk operations, newest first." },
	{ GET("/v1/operations/{uid}", "getOperation"), .status = 200, .scope = SCOPE_READ, .begin = operations_get,
	  .encode = operations_encode_one, .tag = "operations",
	  .gives = "Operation", .doc = "How far a bulk operation is." },
	{ POST("/v1/operations/{uid}/pause", "pauseOperation"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  .kind = OP_OPERATION_PAUSE, .decode = decode_alone, .begin = operations_steer, .encode = encode_alone, .tag = "operations",
	  .takes = "Nothing",
	  .gives = "Operation", .doc = "Hold a bulk operation." },
	{ POST("/v1/operations/{uid}/resume", "resumeOperation"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  .kind = OP_OPERATION_RESUME, .decode = decode_alone, .begin = operations_steer, .encode = encode_alone, .tag = "operations",
	  .takes = "Nothing",
	  .gives = "Operation", .doc = "Go on with a bulk operation." },
	{ POST("/v1/operations/{uid}/cancel", "cancelOperation"), .status = 200, .scope = SCOPE_OPERATE, .flags = ROUTE_MAY_BODY | ROUTE_ONCE,
	  .kind = OP_OPERATION_CANCEL, .decode = decode_alone, .begin = operations_steer, .encode = encode_alone, .tag = "operations",
	  .takes = "Nothing",
	  .gives = "Operation", .doc = "Stop a bulk operation for good. What it did stays." },

	{ GET("/v1/events", "events"), .status = 200, .scope = SCOPE_READ, .params = event_params, .begin = events_get, .tag = "events",
	  .gives = "EventList",
	  .doc = "What happens, as it happens. "
		 "A stream of server-sent events, resumable with Last-Event-ID; one JSON answer with Accept: application/json, wait_ms or limit." },
	{ GET("/v1/workers", "listWorkers"), .status = 200, .scope = SCOPE_READ, .params = worker_params, .begin = workers_list, .tag = "workers",
	  .gives = "WorkerList", .doc = "Who told that it works or listens, and was heard of since." },
	{ PUT("/v1/workers/{id}", "putWorker"), .status = 200, .scope = SCOPE_WORK, .flags = ROUTE_BODY, .decode = workers_decode,
	  .begin = workers_put, .tag = "workers", .takes = "NewWorker", .gives = "Worker",
	  .doc = "Tell that a worker is there. To be told again within its ttl_ms; for people only, leases do not depend on it." },
	{ DELETE("/v1/workers/{id}", "deleteWorker"), .status = 204, .scope = SCOPE_WORK, .begin = workers_delete, .tag = "workers",
	  .doc = "Tell that a worker went." },
	{ GET("/v1/tokens", "listTokens"), .status = 200, .scope = SCOPE_ADMIN, .flags = ROUTE_WHOLE, .params = page_params, .begin = tokens_list,
	  .encode = tokens_encode_list, .tag = "tokens", .gives = "TokenList", .doc = "Tokens, without their text." },
	{ POST("/v1/tokens", "makeToken"), .status = 201, .scope = SCOPE_ADMIN, .flags = ROUTE_BODY | ROUTE_WHOLE, .kind = OP_TOKEN_PUT,
	  .decode = tokens_decode, .begin = tokens_make, .encode = tokens_encode_one, .tag = "tokens", .takes = "NewToken", .gives = "Token",
	  .doc = "Make a token. Its text is told here and never again." },
	{ DELETE("/v1/tokens/{uid}", "revokeToken"), .status = 204, .scope = SCOPE_ADMIN, .flags = ROUTE_WHOLE, .begin = tokens_revoke,
	  .tag = "tokens",
	  .doc = "Revoke a token, at once." },
	{ GET("/v1/stats", "getStats"), .status = 200, .scope = SCOPE_READ, .begin = stats_get, .encode = stats_encode, .tag = "health",
	  .gives = "Stats",
	  .doc = "The whole house in one answer." },
	{ GET("/v1", "hello"), .status = 200, .flags = ROUTE_OPEN, .begin = hello_get, .tag = "health", .gives = "Hello",
	  .doc = "Who answers here: its version, the versions of the API that it speaks, the oldest and the newest, and what it can do besides." },
	{ GET("/livez", "livez"), .status = 200, .flags = ROUTE_OPEN, .begin = health_live, .tag = "health", .gives = "Live",
	  .doc = "Is the process alive?" },
	{ GET("/readyz", "readyz"), .status = 200, .flags = ROUTE_OPEN, .params = ready_params, .begin = health_ready, .tag = "health",
	  .gives = "Ready",
	  .doc = "Can it serve? 503 while it cannot." },
	{ GET("/metrics", "metrics"), .status = 200, .scope = SCOPE_READ, .flags = ROUTE_WHOLE, .begin = health_metrics, .tag = "health",
	  .gives = "string",
	  .gives_type = "application/openmetrics-text", .doc = "OpenMetrics." },
	{ GET("/v1/openapi.json", "openapi"), .status = 200, .flags = ROUTE_OPEN, .begin = openapi_get, .tag = "health", .gives = "object",
	  .doc = "This document." },
};
const uint32_t route_count = ARRAY_COUNT(routes);
