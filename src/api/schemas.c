/* src/api/schemas.c: what the API gives, and the few things it takes that no table of fields describes. */
#include "api/schema.h"

#define STATES       "waiting,delayed,active,waiting_children,parked,completed,failed,cancelled,expired"
#define STATE_COUNTS "waiting:count delayed:count active:count waiting_children:count parked:count completed:count failed:count cancelled:count expired:count"
#define FLOW         "enqueued:count started:count ended:EndedCounts enqueued_per_s:number started_per_s:number completed_per_s:number failed_per_s:number"
#define REF(name)    "{'$ref':'#/components/schemas/" name "'}"

const struct schema schemas[] = {
	/* words */
	{ "Uid", "{'type':'string','pattern':'^[0-9a-hjkmnp-tv-z]{13}$','description':'A global identity; sorts by creation.'}", NULL },
	{ "Name", "{'type':'string','minLength':1,'maxLength':255,"
		  "'description':'1 to 255 bytes without control characters; a namespace has no slash.'}", NULL },
	{ "LeaseToken", "{'type':'string','minLength':1,'maxLength':512}", NULL },
	{ "Tag", "{'type':'string','minLength':1,'maxLength':128}", NULL },
	{ "Trace", "{'type':'object','additionalProperties':{'type':'string'},'description':'W3C trace context: traceparent, tracestate.'}", NULL },
	{ "WaitMs", "{'type':'integer','minimum':0,'maximum':300000}", NULL },
	{ "State", "{'enum':['waiting','delayed','active','waiting_children','parked','completed','failed','cancelled','expired']}", NULL },
	{ "Action", "{'enum':['cancel','retry','promote','reprioritise','move','delete']}", NULL },
	{ "Compat", "{'enum':['bullmq',null],'description':'The rules of another queue that its programs expect.'}", NULL },
	{ "Keep", "{'oneOf':[{'enum':['none','all']},{'type':'object','additionalProperties':false,'properties':{'count':{'type':'integer','minimum':0},"
		  "'age_ms':{'type':'integer','minimum':0},'limit':{'type':'integer','minimum':1}}}]}", NULL },
	{ "Verdict", "{'oneOf':[{'enum':['policy','final','head','tail']},{'type':'object','additionalProperties':false,'required':['delay_ms'],"
		     "'properties':{'delay_ms':{'type':'integer','minimum':0,'maximum':315360000000}}}]}", NULL },
	{ "JobError", "type?:string|null message?:string|null stack?:string|null", "What went wrong." },
	{ "ClaimQueue", "{'oneOf':[" REF("Name") ",{'type':'object','additionalProperties':false,'required':['queue'],'properties':{'queue':" REF("Name")
			",'namespace':" REF("Name") ",'weight':{'type':'integer','minimum':1,'maximum':1000000}}}]}", NULL },
	{ "Nothing", "{'type':'object','additionalProperties':false}", NULL },
	{ "Problem", "type:string title:string status:integer code:ErrorCode detail:string field?:string",
	  "RFC 9457. `code` is stable; `field` names the offending field as the caller wrote it." },

	/* settings */
	{ "Statuses", "{'type':['array','null'],'maxItems':8,'items':{'anyOf':[{'type':'integer'},{'type':'string'}]}}", NULL },
	{ "HttpTarget", "url?:string method?:=POST,PUT,PATCH,GET,DELETE headers?:Headers timeout_ms?:count success?:Statuses retry?:Statuses final?:Statuses",
	  "Whom the daemon calls for a job, and how the answer is judged." },
	{ "Headers", "{'type':'object','additionalProperties':{'type':'string'}}", NULL },
	{ "RetryPolicy", "kind?:=fixed,exponential,list max_attempts?:count delay_ms?:count factor?:number list_ms?:count[] max_delay_ms?:count "
			 "jitter?:=none,full,partial jitter_ratio?:number", "When a failed job runs again." },
	{ "Rate", "max:count per_ms?:count window?:=sliding,fixed",
	  "At most max starts in any span of per_ms (sliding), or in each span that begins with a first start (fixed)." },
	{ "Retention", "{'oneOf':[{'enum':['none','all']},{'type':'object','additionalProperties':false,'properties':{'count':{'type':'integer'},"
		       "'age_ms':{'type':'integer'},'bytes':{'type':'integer'}}}]}", NULL },
	{ "QueueSettings", "target?:=pull,http http?:HttpTarget retry?:RetryPolicy timeout_ms?:count ttl_ms?:count lease_ms?:count max_stalls?:count "
			   "concurrency?:count rate?:Rate|null group_concurrency?:count group_rate?:Rate|null keep_completed?:Retention "
			   "keep_failed?:Retention events_max?:count metric_minutes?:count ids?:=uid,decimal compat?:Compat metadata?:object|null "
			   "limits?:Name[] retry_after?:Name rise_after_ms?:count",
	  "What an operator may say about a queue." },
	{ "LimitSettings", "rate?:Rate|null concurrency?:count penalty_ms_max?:count", "What all that take from a limit may do together." },
	{ "BackOffBy", "scope:Name delay_ms:count", "scope: group or queue of the job, or a limit's name." },
	{ "GroupSettings", "concurrency?:integer|null rate?:Rate|null limits?:Name[]|null weight?:integer|null",
	  "Overrides for one group; what is left out is the queue's. weight: its share of starts as against other groups', 1 to 1,000 (1)." },

	/* jobs */
	{ "Enqueued", "uid:Uid id:string queue?:string state:State|null duplicate:boolean deduplicated?:boolean",
	  "duplicate: the id was there already, and this is the first job. deduplicated: the dedup key had an owner, and this is it (state is null when "
	  "it was removed since)." },
	{ "ProblemResult", "uid?:Uid problem:Problem", "A refused one of several." },
	{ "DedupKey", "key:string count:count uid?:Uid id?:string until_at?:instant|null next_uid?:Uid|null",
	  "count is 1 when a job owns the key (or owned it until it was released). until_at: when it is free; null: when its owner ends. next_uid: who "
	  "starts then." },
	{ "ChainSchedule", "every_ms?:count pattern?:string tz?:string offset_ms?:count start_at?:string end_at?:string limit?:count "
			   "immediately?:boolean",
	  "Either every_ms or pattern (cron, 5 or 6 fields, in the time zone tz, UTC when left out). offset_ms shifts the multiples of every_ms. limit: jobs "
	  "in all. immediately: the first one of a pattern runs at once." },
	{ "Chain", "key:string queue:string namespace:string schedule?:ChainSchedule job?:ChainJob payload?:any next_at?:instant|null next_uid?:Uid|null "
		   "next_id?:string|null offset_ms?:count count?:count metadata?:object",
	  "next_uid is the one job of it that nobody has claimed yet, next_at the time that it is for; both are null when the chain has ended. offset_ms: "
	  "what the times of every_ms are beyond its multiples. count: jobs made since it was put. In a queue with compat next_uid, next_id and next_at are "
	  "of the newest job, and count is since the chain was made." },
	{ "ChainNext", "key:string queue:string namespace:string next_uid:Uid|null next_id:string|null",
	  "The job that was made, or null: the producer is not the newest one, or a kept job has the next one's id." },
	{ "ChainsOrder", "{'enum':['asc','desc']}", NULL },
	{ "ChainDeleted", "key:string queue:string namespace:string deleted:boolean", NULL },
	{ "ChainList", "chains:Chain[] next_cursor:string|null total:count", "total: chains of the queue." },
	{ "EnqueueResults", "results:EnqueueResult[]", NULL },
	{ "EnqueueResult", "{'anyOf':[" REF("Enqueued") "," REF("ProblemResult") "]}", NULL },
	{ "EnqueueAnswer", "{'anyOf':[" REF("Enqueued") "," REF("EnqueueResults") "]}", NULL },
	{ "Job", "uid:Uid id:string queue:string namespace:string name:string|null group:string|null state:State "
		 "outcome:=none,success,filtered,attempts_spent,final_error,stalled,by_hand,ttl,child_failed,superseded|null "
		 "cancel_requested:boolean redone:boolean priority:integer lifo:boolean "
		 "attempts_started:count attempts_made:count max_attempts:count stalls:count fence:count timeout_ms:count ttl_ms:count created_at:instant|null "
		 "due_at:instant|null started_at:instant|null finished_at:instant|null worker:string|null tags:Tag[] trace:Trace|null http:HttpTarget|null "
		 "chain:string|null progress:any error:object|null payload_bytes:count payload_edited:boolean result_bytes:count metadata?:object|null "
		 "delivery?:JobDelivery hold?:JobHold deferred?:string payload?:any original_payload?:any result?:any errors?:object[] parents?:JobParent[]",
	  "A job. metadata comes with the payload; that, original_payload, result, errors (of its attempts, the newest last, at most 100) and parents "
	  "(who wait for it, or did) only where asked for. redone: put back by hand since it ran. chain: key of the one that made it. "
	  "deferred: it fails with this reason when it is claimed next. delivery: it takes this message to this endpoint, and its payload is the message's. "
	  "hold: while its endpoint is paused or disabled." },
	{ "JobParent", "uid:Uid id:string queue:string|null namespace:string|null on_failure:=fail,continue,ignore,forget,hold,follow "
	  "state:=pending,done,ignored,failed",
	  "state: what has become of this child, as the parent sees it. queue is null when that queue was deleted." },
	{ "JobList", "jobs:Job[] next_cursor:string|null", NULL },
	{ "JobName", "uid:Uid id:string", NULL },
	{ "Range", "total:count ids?:JobName[] jobs?:Job[]", "total: how many there are in all, wherever the stretch begins and ends." },
	{ "JobsRead", "ids?:string[] uids?:Uid[] parts?:=payload,result,progress,errors,parents[]", "ids or uids, at most 1,000." },
	{ "JobsFound", "jobs:JobFound[]", NULL },
	{ "JobFound", "{'anyOf':[" REF("Job") ",{'type':'null'}]}", NULL },
	{ "JobCount", "count:count at_least:boolean", "at_least: there are more; counting stopped." },
	{ "Attempt", "number:count fence:count started_at:instant|null finished_at:instant|null took_ms:count next:State retry_at:instant|null "
		     "worker:string|null error:object|null exchange:object|null", "One execution, and what the job became after it." },
	{ "AttemptList", "attempts:Attempt[] next_cursor:string|null", NULL },
	{ "Children", "{'enum':['keep','delete']}", NULL },
	{ "OtherJob", "{'description':'Its uid, or an object that names it.','anyOf':[" REF("Uid") "," REF("JobNamed") "]}", NULL },
	{ "OnFailure", "{'enum':['fail','continue','ignore','forget','hold']}", NULL },
	{ "Child", "uid:Uid id:string queue:string|null namespace:string|null state:=pending,done,ignored,failed "
	  "on_failure:=fail,continue,ignore,forget,hold,follow value:any",
	  "value: done: its result; ignored, failed: its error. queue is null when that queue was deleted." },
	{ "ChildList", "counts:ChildCounts children:Child[] next_cursor:string|null", NULL },
	{ "ChildCounts", "pending:count done:count ignored:count failed:count", "Of all children." },
	{ "LogLine", "attempt:count at:instant|null line:string", NULL },
	{ "LogList", "logs:LogLine[] count:count next_cursor:string|null", "count: all lines of the job." },
	{ "ExplainCode", "{'enum':['ready','no_worker','queue_paused','group_paused','queue_concurrency','group_concurrency','queue_rate','group_rate',"
			 "'delivery_slots','delayed','retry_backoff','running','cancelling','finished','empty','waiting_children','parked',"
			 "'limit_concurrency','limit_rate','backed_off','group_min','endpoint_paused','endpoint_disabled','breaker_open',"
			 "'delivery_share','slowed_down']}", NULL },
	{ "Explanation", "uid:Uid state:State code:ExplainCode text:string until_at:instant|null ahead:count active:count limit:count limit_name:string|null "
			 "worker:string|null",
	  "Why a job is not running, and what would change that." },
	{ "JobChanged", "uid:Uid state:State cancel_requested?:boolean count?:count", NULL },
	{ "JobDeleted", "uid:Uid deleted:boolean count?:count", "count: with its children, how many." },

	/* work */
	{ "Grant", "uid:Uid id:string name:string|null group:string|null payload:any tags:Tag[] trace:Trace|null created_at:instant|null queue:string "
		   "namespace:string attempt:count attempts_made:count max_attempts:count stalls:count priority:integer fence:count lease_ms:count "
		   "timeout_ms:count chain?:string metadata?:object started_at?:instant|null progress?:any errors?:object[] deferred?:string "
		   "parents?:JobParent[]",
	  "A job and the right to run it for lease_ms. chain: the one that made it, where one did. metadata where it has some; in compat "
	  "mode also when it was started, what happened before, and "
	  "whose child it is. deferred: it has failed with this reason: do not run it, fail it." },
	{ "ClaimAnswer", "token:string jobs:Grant[] reason:string|null next_due_ms:integer|null rate_ttl_ms?:count ready?:count",
	  "reason and next_due_ms: why nothing came, and when something is due. ready: with max 0, how many could be claimed, at least. "
	  "rate_ttl_ms: in compat mode, for so long a rate lets nothing start." },
	{ "Limiter", "max:integer per_ms:integer", NULL },
	{ "LeaseAnswer", "uid:Uid state:State cancel_requested?:boolean rate_ttl_ms?:count claim?:ClaimResult", NULL },
	{ "LeaseResult", "{'anyOf':[" REF("LeaseAnswer") "," REF("ProblemResult") "]}", NULL },
	{ "ClaimResult", "{'anyOf':[" REF("ClaimAnswer") "," REF("ProblemResult") "]}", NULL },
	{ "LeaseResults", "results:LeaseResult[] claim?:ClaimResult", NULL },

	/* queues */
	{ "StateCounts", STATE_COUNTS, NULL },
	{ "EndedCounts", "completed:count failed:count cancelled:count expired:count", NULL },
	{ "PriorityCounts", "priority:integer waiting:count delayed:count active:count waiting_children:count parked:count", NULL },
	{ "Percentiles", "p50:number|null p95:number|null p99:number|null", "Milliseconds, over the last minutes." },
	{ "Queue", "name:string namespace:string paused:boolean states:StateCounts prioritised:count oldest_waiting_at:instant|null next_due_at:instant|null "
		   "groups:count groups_ready:count waiters:count " FLOW
		   " wait_ms:Percentiles run_ms:Percentiles priorities?:PriorityCounts[] rate_ttl_ms?:integer settings:QueueSettings "
		   "version:count created_at:instant|null", NULL },
	{ "QueueList", "queues:Queue[] next_cursor:string|null", NULL },
	{ "QueueChanged", "name:string namespace:string paused?:boolean deleted?:boolean more?:boolean",
	  "more: of a queue that was reset, there are events left." },
	{ "Group", "key:string paused:boolean waiting:count active:count delayed:count code:ExplainCode settings:GroupSettings", NULL },
	{ "GroupList", "groups:Group[] next_cursor:string|null", NULL },
	{ "GroupChanged", "queue:string namespace:string key:string paused?:boolean deleted?:boolean settings?:GroupSettings", NULL },

	/* limits */
	{ "Limit", "name:string namespace:string active:count held:count waiting:count code:ExplainCode until_at:instant|null settings:LimitSettings",
	  "active: jobs that run; held: units of permits; waiting: queues in its line; code: ready, or what stops a start now." },
	{ "LimitList", "limits:Limit[] next_cursor:string|null", NULL },
	{ "LimitGone", "name:string namespace:string deleted?:boolean", NULL },
	{ "LimitGrant", "granted:boolean retry_in_ms:integer|null", "retry_in_ms: when to ask again, where that is known." },
	{ "LimitReleased", "released:count", "0: the lease was over, or it was given back before." },
	{ "BackedOff", "namespace:string queue?:string group?:string limit?:string delay_ms:count", NULL },

	/* endpoints, messages */
	{ "MessageType", "{'type':'string','minLength':1,'maxLength':255,'pattern':'^[A-Za-z0-9_.-]+$'}", NULL },
	{ "EndpointAuth", "kind?:=none,basic,bearer,oauth2 secret?:string|null user?:string|null token_url?:string|null client_id?:string|null "
			  "scope?:string|null audience?:string|null style?:=basic,body", "How ruche shows who it is; secrets are named, never said." },
	{ "EndpointTls", "ca?:string|null certificate?:string|null key?:string|null", "Names of secrets that hold PEM." },
	{ "EndpointSign", "kind?:=none,v1,v1a,both secret?:string|null secret_v1a?:string|null prefix?:=webhook,svix", "Standard Webhooks signatures." },
	{ "EndpointPolicy", "success?:Statuses retry?:Statuses final?:Statuses", NULL },
	{ "EndpointRetract", "method?:=GET,POST,PUT,PATCH,DELETE url:string body?:=none,format", NULL },
	{ "EndpointBatch", "max:count wait_ms?:count wrap?:string|null results?:string|null", NULL },
	{ "EndpointBreaker", "failures?:count open_ms?:count open_ms_max?:count", NULL },
	{ "EndpointHeaders", "{'type':['object','null'],'additionalProperties':{'anyOf':[{'type':'string'},{'type':'object','additionalProperties':false,"
			     "'required':['secret'],'properties':{'secret':{'type':'string'}}}]}}", NULL },
	{ "EndpointSettings", "kind?:=push,poll url?:string|null method?:string update_url?:string|null update_method?:string|null types?:string[] "
			      "channels?:string[] filter?:object|null format?:string content_type?:string|null headers?:EndpointHeaders auth?:EndpointAuth "
			      "tls?:EndpointTls sign?:EndpointSign timeout_ms?:count policy?:EndpointPolicy retry?:RetryPolicy concurrency?:count "
			      "rate?:Rate|null limits?:Name[] retry_after?:Name order?:=none,latest,fifo fifo_on_failure?:=go_on,hold external_id?:string|null "
			      "retract?:EndpointRetract|null batch?:EndpointBatch|null hold_max?:count breaker?:EndpointBreaker slow_down_ms?:count "
			      "disable_after_ms?:count tags?:Tag[] metadata?:object|null",
	  "A third party that wants to be told, and how. Read again at every attempt." },
	{ "EndpointHealth", "state:=ok,failing,open,probing failing_since_at:instant|null failures:count open_until_at:instant|null "
			    "slow_until_at:instant|null disable_at:instant|null unsent:count batch_max:count|null",
	  "slow_until_at: calls wait so long after a 502 or 504. unsent: deliveries that were not made because hold_max were held. "
	  "batch_max: so many messages of one call the other side takes, as it has said." },
	{ "Endpoint", "name:string namespace:string number:count state:=enabled,paused,disabled reason:string|null retry_words:string|null "
		      "health:EndpointHealth held:count waiting:count active:count delayed:count settings:EndpointSettings created_at:instant|null "
		      "changed_at:instant|null version:count signing_secret?:string",
	  "signing_secret: told once, when it was made with the endpoint. held: deliveries that wait for it to be resumed. retry_words: how often, and over "
	  "what time, a delivery is tried." },
	{ "EndpointList", "endpoints:Endpoint[] next_cursor:string|null", NULL },
	{ "SecretValue", "value:string until_at?:instant|null", "until_at: when it counts no more." },
	{ "NewSecret", "value?:string values?:SecretValue[]", "Either one value, or several with the current one first: old ones count until they end." },
	{ "RotateSecret", "value?:string|null make?:=v1,v1a overlap_ms?:count",
	  "make: a signing key is made, of that kind. overlap_ms: how long the values before still count: a day, at most 7." },
	{ "Rekeyed", "rekeyed:count left:count", NULL },
	{ "SecretEnd", "until_at:instant|null", NULL },
	{ "Namer", "kind:=endpoint,source name:string", NULL },
	{ "Secret", "name:string namespace:string key?:string sealed?:boolean values?:SecretEnd[] named_by?:Namer[] named_by_count?:count "
		    "created_at:instant|null changed_at:instant|null version:count value?:string",
	  "key: the id of the key that it is sealed under; sealed: that key is not in the key file. values: when each ends. named_by: whose settings "
	  "name it, the first 20. Lists tell these. value: told once, when it was made by a rotation." },
	{ "SecretElsewhere", "name:string place:=file,credential,env", NULL },
	{ "SecretList", "secrets:Secret[] elsewhere:SecretElsewhere[] next_cursor:string|null",
	  "elsewhere: with the first page; these go before the store's." },
	{ "FormatSettings", "program:string description?:string|null", "A jq program that makes the body of a webhook out of a message." },
	{ "Format", "name:string namespace:string program:string description:string|null named_by?:Namer[] named_by_count?:count created_at:instant|null "
		    "changed_at:instant|null version:count", "named_by: endpoints that use it, the first 20." },
	{ "PublicKeys", "public_keys:string[]", "whpk_…, the current one first: receivers verify v1a signatures with them." },
	{ "FormatList", "formats:Format[] next_cursor:string|null", NULL },
	{ "PayloadSchema", "{'type':['object','boolean','null']}", NULL },
	{ "EventTypeSettings", "archived?:boolean description?:string|null tags?:Tag[] schema?:PayloadSchema example?:any",
	  "What is said of a type of messages. schema: the JSON Schema of a payload, kept and shown as it was sent, not enforced. example: a payload, which a "
	  "test of this type sends; null: none." },
	{ "NewEventType", "name:MessageType archived?:boolean description?:string|null tags?:Tag[] schema?:PayloadSchema example?:any", NULL },
	{ "EventType", "name:string namespace:string built_in:boolean settings:EventTypeSettings named_by?:Namer[] named_by_count?:count "
		       "wanted_by_count?:count created_at:instant|null changed_at:instant|null version:count",
	  "built_in: ruche sends it itself, and it cannot be changed. named_by: endpoints that have this very name among their types, the first 20. "
	  "wanted_by_count: endpoints that want it, whatever they name it by; told of one that is looked at." },
	{ "EventTypeList", "event_types:EventType[] next_cursor:string|null", NULL },
	{ "PreviewOfFormat", "endpoint?:string|null program?:string|null type?:string|null entity?:string|null message?:string|null last?:count",
	  "program: instead of the stored one. endpoint: what its program is told of it; only messages that it wants, unless type or message say which. "
	  "last: how many (5), at most 20. type: one that ends in * means all that begin so." },
	{ "PreviewOfEndpoint", "program?:string|null type?:string|null entity?:string|null message?:string|null last?:count",
	  "program: instead of the endpoint's format. last: how many (5), at most 20." },
	{ "Preview", "message:string type:string entity:string|null created_at:instant|null wanted?:boolean output?:any filtered?:boolean error?:string "
		     "headers?:Headers us?:integer",
	  "output: the body, a text where it is not JSON; filtered: the program made none; error: in jq's words. wanted: whether the endpoint's types, "
	  "channels and filter take it. headers: those that belong to the format. us: how long the program ran." },
	{ "Previews", "format:string stopped:boolean previews:Preview[]",
	  "The newest first. stopped: the program went over a bound at the last one told, and the others were not tried." },
	{ "PolledMessage", "id:string type:string timestamp:instant entity:string|null deleted:boolean body:any",
	  "body: by the endpoint's format. id: the same whenever it is told." },
	{ "PollAnswer", "data:PolledMessage[] next:string done:boolean gap:boolean",
	  "next: where to go on, kept by the consumer. done: there is no more now. gap: messages may be missing before these, since they are kept for a while "
	  "only." },
	{ "SourceVerify", "kind:=standard_webhooks,github,stripe,sentry,basic,none secret?:string|null",
	  "How a sender shows who it is. The secret is named, never said; of basic it is user:password." },
	{ "SourceMessage", "type:string entity?:string|null channels?:string[]",
	  "Texts with places: {header:x-github-event}, {$.repository.id}. Other characters than a type may have become underscores." },
	{ "SourceJob", "queue:Name name?:string|null group?:string|null", "name and group are texts with places; name is the source's when not said." },
	{ "SourceInto", "message?:SourceMessage job?:SourceJob", "One of them." },
	{ "SourceSettings", "verify?:SourceVerify id?:string|null headers?:string[] into?:SourceInto body_bytes?:count",
	  "Who is believed, and what becomes of what comes; verify and into are needed. id: where the sender's id stands, null: where the verifier knows it. "
	  "headers: those that are kept." },
	{ "Source", "name:string namespace:string path:string settings:SourceSettings created_at:instant|null changed_at:instant|null version:count",
	  "path: where to send." },
	{ "SourceList", "sources:Source[] next_cursor:string|null", NULL },
	{ "Received", "id:string duplicate:boolean", "id: the message's, or the job's uid." },
	{ "MessageSent", "id:string uid:Uid matched:integer|null deliveries:integer|null expanding:boolean|null nothing?:string duplicate:boolean",
	  "id: the same at every attempt of every delivery, as webhook-id. matched: endpoints that want it; deliveries: made by now; expanding: more are being "
	  "made, and matched counts by type and channels only. nothing: why there are none. Of a duplicate these are null." },
	{ "MessageResult", "{'anyOf':[" REF("MessageSent") "," REF("ProblemResult") "]}", NULL },
	{ "MessageResults", "results:MessageResult[]", NULL },
	{ "MessageAnswer", "{'anyOf':[" REF("MessageSent") "," REF("MessageResults") "]}", NULL },
	{ "NewMessages", "messages:NewMessage[] atomic?:boolean", "atomic: all or nothing (yes)." },
	{ "MessageBody", "{'anyOf':[" REF("NewMessage") "," REF("NewMessages") "]}", NULL },
	{ "Message", "id:string uid:Uid namespace:string type:string entity:string|null key:string|null channels:string[] deleted:boolean "
		     "expunged:boolean deliveries:count expanding:boolean payload_bytes:count created_at:instant|null metadata?:object|null payload?:any",
	  "metadata and payload only where asked for." },
	{ "MessageList", "messages:Message[] next_cursor:string|null", NULL },
	{ "Resend", "endpoint:Name", "To whom, by name." },
	{ "DeliveryList", "deliveries:Job[] next_cursor:string|null", NULL },
	{ "TestMessage", "type?:MessageType payload?:any", "endpoint.test and {\"test\":true} unless said." },
	{ "TestSent", "id:string delivery:Uid|null", "delivery: what to look at for the result, a job." },
	{ "Recover", "since:string until?:string|null dry_run?:boolean", "Deliveries that failed at since or later, and before until. dry_run: only counted." },
	{ "Replay", "since:string until?:string|null types?:string[]|null entity?:string|null only?:=missing,missing_or_unknown,failed,all dry_run?:boolean",
	  "Messages that came at since or later, and before until. only: those of which no delivery was made (the usual), also those whose delivery may have "
	  "been removed, those whose delivery failed, or all that are not on their way. types narrow what the endpoint wants." },
	{ "DryRun", "sends:count at_least:boolean missing?:count failed?:count delivered?:count cancelled?:count on_its_way?:count unknown?:count",
	  "sends: deliveries that would be made or sent again. at_least: counting stopped. The rest, of a replay: how far the messages are." },
	{ "Recovery", "{'anyOf':[" REF("Operation") "," REF("DryRun") "]}", NULL },
	{ "Entity", "entity:string external_id:string|null state:=delivered,retracted message:string told_at:instant|null",
	  "message: the newest one about it that was delivered. external_id: the other side's name for it, as its answer told." },
	{ "EntityList", "entities:Entity[] next_cursor:string|null", NULL },
	{ "JobHold", "reason:=endpoint_paused,endpoint_disabled since_at:instant|null", "Why it waits, and since when that is so." },
	{ "JobDelivery", "message:string endpoint:string type:string entity?:string|null", "entity: comes with the payload." },

	/* bulk work, batches */
	{ "Operation", "uid:Uid action:=cancel,retry,promote,reprioritise,move,delete,replay filter:object arguments:object "
		       "state:=running,paused,done,cancelled done:count skipped:count failed:count "
		       "created_at:instant|null finished_at:instant|null", "skipped: jobs that changed after it began." },
	{ "OperationList", "operations:Operation[] next_cursor:string|null", NULL },
	{ "EventTold", "queue:string namespace:string event:string", NULL },
	{ "EventsTrimmed", "queue:string namespace:string count:integer|null more:boolean",
	  "count: events that went; null in a repeated answer. more: as many as go at once; ask again." },
	{ "Swept", "ids:string[]", "Of the jobs that were taken back." },
	{ "BatchResult", "{'anyOf':[" REF("Enqueued") "," REF("ClaimAnswer") "," REF("LeaseAnswer") "," REF("JobDeleted") "," REF("Queue") "," REF("QueueList")
			 "," REF("QueueChanged") "," REF("Group") "," REF("GroupList") "," REF("GroupChanged") "," REF("Limit")
			 "," REF("LimitList") "," REF("LimitGone") "," REF("LimitGrant") "," REF("LimitReleased") "," REF("BackedOff")
			 "," REF("Operation") "," REF("Explanation") "," REF("DedupKey") "," REF("Chain") "," REF("ChainDeleted") "," REF("ChainNext")
			 "," REF("ChainList") "," REF("EventTold") "," REF("MessageSent") "," REF("EventsTrimmed") "," REF("Swept")
			 "," REF("ProblemResult") "]}", NULL },
	{ "BatchAnswer", "results:BatchResult[]", "A result for each operation, in order." },
	{ "Batch", "ops:BatchOp[] atomic?:boolean now_ms?:integer",
	  "atomic: all or nothing. now_ms: the caller's clock, milliseconds since 1970: in compat mode a clock that is far from ours counts." },
	{ "EnqueueMany", "jobs:Enqueue[] atomic?:boolean", "atomic: all or nothing." },
	{ "EnqueueBody", "{'anyOf':[" REF("Enqueue") "," REF("EnqueueMany") "]}", NULL },
	{ "CompleteList", "token?:LeaseToken leases:CompleteItem[] claim?:ClaimInside", "token: for those that bring none." },
	{ "FailList", "token?:LeaseToken leases:FailItem[] claim?:ClaimInside", "token: for those that bring none." },
	{ "HeartbeatList", "token?:LeaseToken leases:HeartbeatItem[]", "token: for those that bring none." },
	{ "LogBody", "token?:LeaseToken fence?:integer line?:string lines?:string[] keep?:count", NULL },

	/* events, tokens, health */
	{ "Event", "{'type':'object','required':['id','type','uid','queue','namespace','at'],'properties':{'id':{'type':'string'},'type':{'type':'string'},"
		   "'uid':{'type':['string','null']},'queue':{'type':['string','null']},'namespace':{'type':['string','null']},"
		   "'at':{'type':'string'}}}", NULL },
	{ "EventList", "events:Event[] cursor:string gap:boolean", "gap: events after the cursor asked for are gone." },
	{ "MetricSeries", "count:count count_before:count minute_at:instant|null total:count points:count[]",
	  "count: ever. minute_at: the minute with the last end, count_before: as of its beginning. points: the minutes before it, newest first; total: "
	  "how many there are." },
	{ "Metrics", "completed:MetricSeries failed:MetricSeries", NULL },
	{ "NewWorker", "queue:Name namespace?:Name name?:Name kind?:Name ttl_ms?:count", "kind: worker, unless said. ttl_ms: 60,000." },
	{ "Worker", "id:string namespace:string queue:string name:string|null kind:string address:string age_ms:count silent_ms:count ttl_ms:count",
	  "silent_ms: since it was told last." },
	{ "WorkerList", "workers:Worker[]", NULL },
	{ "NewToken", "name:Name scopes:=enqueue,work,read,operate,admin,poll[] queues?:string[]|null expires_at?:instant|null",
	  "queues: limited to these (name, or namespace/name)." },
	{ "Token", "uid:Uid name:string prefix:string scopes:string[] queues:string[]|null created_at:instant|null expires_at:instant|null "
		   "revoked_at:instant|null token?:string", "token: its text, told once." },
	{ "TokenList", "tokens:Token[] next_cursor:string|null", NULL },
	{ "Stats", "version:string at:instant|null uptime_ms:count queues:count paused:count groups:count waiters:count states:StateCounts "
		   "oldest_waiting_at:instant|null " FLOW, NULL },
	{ "Hello", "version:string api:integer[] features:string[]", "api: the oldest and the newest version of the API." },
	{ "Live", "ok:boolean", NULL },
	{ "Ready", "ok:boolean checks?:object", NULL },
};
const size_t schema_count = ARRAY_COUNT(schemas);
