/* A worker against a scripted daemon. With one thread, the requests come in one order, and the script can follow. Before the first and after
 * the last of them it tells that it is there, and that it went. */
#include "worker.h"
#include "base/mem.h"
#include "third_party/third_party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define JOB(uid, more) "{\"uid\":\"" uid "\",\"queue\":\"a\",\"payload\":1,\"fence\":1,\"lease_ms\":86400000" more "}"
#define CLAIMED(jobs)  "{\"token\":\"t\",\"jobs\":[" jobs "]}"
#define ENDED(jobs)    "{\"state\":\"completed\",\"claim\":" CLAIMED(jobs) "}"
#define LEASE          "{\"token\":\"t\",\"fence\":1"
#define NEXT           ",\"claim\":{\"queues\":[\"a\"],\"max\":1,\"worker\":\"w\"}}"
#define EITHER         "{\"token\":\"t\",\"jobs\":[],\"claim\":" CLAIMED("") "}" /* answers a claim as well as an end */

static const char *const queues[] = { "a" }, *const two_queues[] = { "a", "b" }, *const bad_queues[] = { "\xff" };

#define SCENE_ANSWERS 8
struct scene {
	struct tp_answer answers[SCENE_ANSWERS];
	const struct tp_step *breaks; /* the first connection's script; NULL: it answers, as the others do */
	struct third_party *party;
	struct ruche_client *client;
	struct ruche_worker *worker;
	_Atomic int troubles, trouble_code;
	int handled;
	int (*act)(struct ruche_task *task);
	int stop_at; /* the worker is stopped within the n-th job */
};

static void on_trouble(void *context, const struct ruche_job *job, const struct ruche_error *error)
{
	struct scene *scene = context;
	(void)job;
	atomic_fetch_add(&scene->troubles, 1);
	atomic_store(&scene->trouble_code, error->code);
}

static int handle(struct ruche_task *task, void *context)
{
	struct scene *scene = context;
	scene->handled++;
	assert_ptr_equal(ruche_task_client(task), scene->client);
	if (scene->handled == scene->stop_at)
		ruche_worker_stop(scene->worker);
	return scene->act(task);
}

/* The answers are those of all requests. */
static void scene_open(struct scene *scene, const struct tp_answer *answers, size_t count, struct ruche_worker_options *options)
{
	static const struct tp_step fine[] = { TP_READ, TP_ANSWER, TP_AGAIN };
	scene->party = third_party_start(&(struct third_party_config){
		.answers = answers, .answer_count = count, .scripts = { scene->breaks ? scene->breaks : fine, fine } });
	struct ruche_client_options client = { .size = sizeof(client), .url = third_party_url(scene->party, "/") };
	assert_int_equal(ruche_client_new(&client, &scene->client, NULL), RUCHE_OK);
	options->size = sizeof(*options);
	if (!options->queues) {
		options->queues = queues;
		options->queue_count = 1;
	}
	options->worker = "w";
	options->trouble = on_trouble;
	options->context = scene;
	assert_int_equal(ruche_worker_new(scene->client, options, handle, &scene->worker, NULL), RUCHE_OK);
	scene->worker->presence.call_ms = INT32_MAX; /* a slow machine is no broken daemon */
}

/* The answers are those of the requests after the first, which is taken note of. */
static void scene_begin(struct scene *scene, const struct tp_answer *answers, size_t count, struct ruche_worker_options *options)
{
	assert_true(count < SCENE_ANSWERS);
	scene->answers[0] = (struct tp_answer){ 200, NULL, "{}" };
	memcpy(scene->answers + 1, answers, count * sizeof(*answers));
	scene_open(scene, scene->answers, count + 1, options);
}

static void scene_end(struct scene *scene)
{
	ruche_worker_free(scene->worker);
	ruche_client_free(scene->client);
	third_party_stop(scene->party);
}

static void called(struct scene *scene, uint32_t n, const char *method, const char *path, const char *body)
{
	const struct tp_request *request = third_party_request(scene->party, n);
	char head[256];
	snprintf(head, sizeof(head), "%s %s ", method, path);
	if (strncmp(request->head, head, strlen(head)) != 0)
		assert_string_equal(request->head, head);
	assert_string_equal(request->body, body);
}

/* The n-th request for a job. */
static void sent(struct scene *scene, uint32_t n, const char *path, const char *body)
{
	called(scene, n + 1, "POST", path, body);
}

/* That the worker is there, or went: the n-th of all requests. */
static void told(struct scene *scene, uint32_t n, const char *method, const char *suffix, const char *body)
{
	char path[160];
	snprintf(path, sizeof(path), "/v1/workers/%s%s", scene->worker->presence.id, suffix);
	for (char *colon; (colon = strchr(path, ':'));) {
		memmove(colon + 3, colon + 1, strlen(colon));
		memcpy(colon, "%3A", 3);
	}
	called(scene, n, method, path, body);
}

/* How many requests were for jobs: it told who works before them, and that it went after them. */
static uint32_t requests(struct scene *scene)
{
	uint32_t last = third_party_requests(scene->party) - 1;
	told(scene, 0, "PUT", "", "{\"queue\":\"a\",\"name\":\"w\",\"ttl_ms\":60000}");
	told(scene, last, "DELETE", "", "");
	return last - 1;
}

/* ---- how a job ends: by what the handler says, answers, or leaves unsaid ---- */

static int says_nothing(struct ruche_task *task)
{
	assert_string_equal(ruche_task_job(task)->uid, "u1");
	assert_int_equal(ruche_task_stopping(task), RUCHE_GO_ON);
	assert_int_equal(ruche_task_wait(task, 0), RUCHE_GO_ON);
	return 0;
}

static int answers_seven(struct ruche_task *task)
{
	(void)task;
	return 7;
}

static int gives_a_result(struct ruche_task *task)
{
	assert_int_equal(ruche_task_complete(task, "{", NULL), RUCHE_BAD_ARGUMENT); /* changes nothing */
	assert_int_equal(ruche_task_complete(task, "[1]", NULL), RUCHE_OK);
	assert_int_equal(ruche_task_complete(task, "{\"b\":2}", NULL), RUCHE_OK);
	return 0;
}

static int fails_for_good(struct ruche_task *task)
{
	struct ruche_failure failure = { .size = sizeof(failure), .type = "T", .verdict = RUCHE_FINAL };
	assert_int_equal(ruche_task_fail(task, &failure, NULL), RUCHE_OK);
	return 0;
}

static int fails_for_now(struct ruche_task *task)
{
	struct ruche_failure failure = { .size = sizeof(failure), .verdict = RUCHE_RETRY_AFTER, .after_ms = 9 };
	assert_int_equal(ruche_task_fail(task, &failure, NULL), RUCHE_OK);
	return 1;
}

static int snoozes(struct ruche_task *task)
{
	assert_int_equal(ruche_task_snooze(task, -1, NULL), RUCHE_BAD_ARGUMENT);
	assert_int_equal(ruche_task_snooze(task, 5, NULL), RUCHE_OK);
	return 0;
}

static int releases(struct ruche_task *task)
{
	assert_int_equal(ruche_task_release(task, NULL), RUCHE_OK);
	return 0;
}

static void ends(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED(JOB("u1", "")) }, { 200, NULL, ENDED("") }, { 200, NULL, CLAIMED("") } };
	static const struct {
		int (*act)(struct ruche_task *task);
		const char *verb, *body;
	} rows[] = {
		{ says_nothing, "complete", LEASE NEXT },
		{ answers_seven, "fail", LEASE ",\"error\":{\"type\":\"Error\",\"message\":\"The handler answered 7.\"}" NEXT },
		{ gives_a_result, "complete", LEASE ",\"result\":{\"b\":2}" NEXT },
		{ fails_for_good, "fail", LEASE ",\"error\":{\"type\":\"T\"},\"verdict\":\"final\"" NEXT },
		{ fails_for_now, "fail", LEASE ",\"verdict\":{\"delay_ms\":9}" NEXT },
		{ snoozes, "snooze", LEASE ",\"delay_ms\":5}" },
		{ releases, "release", LEASE "}" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct scene scene = { .act = rows[i].act };
		struct ruche_worker_options options = { .drain = 1 };
		char path[64];
		scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
		assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
		assert_int_equal(scene.handled, 1);
		snprintf(path, sizeof(path), "/v1/leases/u1/%s", rows[i].verb);
		sent(&scene, 0, "/v1/claims", "{\"queues\":[\"a\"],\"max\":1,\"worker\":\"w\"}");
		sent(&scene, 1, path, rows[i].body);
		assert_int_equal(requests(&scene), 3);
		assert_int_equal(atomic_load(&scene.troubles), 0);
		scene_end(&scene);
	}
}

/* ---- the next job comes with the end of the one before ---- */

static int just_ends(struct ruche_task *task)
{
	(void)task;
	return 0;
}

static void finishes_and_claims(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED(JOB("u1", "")) }, { 200, NULL, ENDED(JOB("u2", "")) }, { 200, NULL, ENDED("") },
						    { 200, NULL, CLAIMED("") } };
	struct scene scene = { .act = just_ends };
	struct ruche_worker_options options = { .drain = 1 };
	struct ruche_error error;
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, &error), RUCHE_OK);
	assert_int_equal(scene.handled, 2);
	sent(&scene, 2, "/v1/leases/u2/complete", LEASE NEXT);
	assert_int_equal(ruche_worker_run(scene.worker, &error), RUCHE_BAD_ARGUMENT); /* once */
	scene_end(&scene);
}

static void stopped_within_a_job(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED(JOB("u1", "")) }, { 200, NULL, "{\"state\":\"completed\"}" } };
	struct scene scene = { .act = just_ends, .stop_at = 1 };
	struct ruche_worker_options options = { .poll_ms = 50 };
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	assert_int_equal(scene.handled, 1);
	sent(&scene, 0, "/v1/claims", "{\"queues\":[\"a\"],\"max\":1,\"wait_ms\":50,\"worker\":\"w\"}");
	sent(&scene, 1, "/v1/leases/u1/complete", LEASE "}"); /* claims no more */
	assert_int_equal(requests(&scene), 2);
	scene_end(&scene);
}

static void stopped_before_it_runs(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED("") } };
	struct scene scene = { .act = just_ends };
	struct ruche_worker_options options = { .concurrency = 3 };
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	ruche_worker_stop(scene.worker);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	assert_int_equal(third_party_requests(scene.party), 0); /* nor was it there */
	scene_end(&scene);
}

/* The grace is over (stopped twice): the handler hears it and gives up, the job goes back. */
static int waits_for_the_end(struct ruche_task *task)
{
	ruche_worker_stop(task->worker);
	assert_int_equal(ruche_task_wait(task, INT64_MAX), RUCHE_STOP_SHUTDOWN);
	return 1;
}

static void shutdown_hands_back(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED(JOB("u1", "")) }, { 200, NULL, "{}" } };
	struct scene scene = { .act = waits_for_the_end, .stop_at = 1 };
	struct ruche_worker_options options = { 0 };
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	sent(&scene, 1, "/v1/leases/u1/release", LEASE "}");
	scene_end(&scene);
}

/* ---- what the heartbeat hears ---- */

static int seen_reason;
static int waits_to_be_stopped(struct ruche_task *task)
{
	seen_reason = ruche_task_wait(task, INT64_MAX);
	return 1;
}

static void heartbeats(void **state)
{
	(void)state;
	static const struct {
		const char *job, *answer, *verb, *body;
		int reason, troubles;
	} rows[] = {
		{ JOB("u1", ""), "{\"results\":[{\"uid\":\"u1\",\"state\":\"active\",\"cancel_requested\":true}]}", "/v1/leases/u1/fail",
		  LEASE ",\"error\":{\"type\":\"Cancelled\",\"message\":\"The job was cancelled while it ran.\"}" NEXT, RUCHE_STOP_CANCELLED, 0 },
		{ JOB("u1", ""), "{\"results\":[{\"uid\":\"u1\",\"problem\":{\"code\":\"stale_lease\",\"detail\":\"D\"}}]}", NULL, NULL, RUCHE_STOP_LEASE_LOST, 1 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char claimed[512];
		snprintf(claimed, sizeof(claimed), "{\"token\":\"t\",\"jobs\":[%s]}", rows[i].job);
		struct tp_answer answers[] = { { 200, NULL, claimed }, { 200, NULL, rows[i].answer }, { 200, NULL, ENDED("") }, { 200, NULL, CLAIMED("") } };
		if (!rows[i].verb)
			answers[2] = answers[3];
		struct scene scene = { .act = waits_to_be_stopped };
		struct ruche_worker_options options = { .drain = 1, .heartbeat_ms = 20 };
		scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
		assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
		assert_int_equal(seen_reason, rows[i].reason);
		assert_int_equal(atomic_load(&scene.troubles), rows[i].troubles);
		sent(&scene, 1, "/v1/leases/heartbeat", "{\"leases\":[{\"uid\":\"u1\",\"token\":\"t\",\"fence\":1}]}");
		if (rows[i].verb)
			sent(&scene, 2, rows[i].verb, rows[i].body);
		else
			sent(&scene, 2, "/v1/claims", "{\"queues\":[\"a\"],\"max\":1,\"worker\":\"w\"}");
		scene_end(&scene);
	}
}

static void timeouts(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED(JOB("u1", ",\"timeout_ms\":10")) }, { 200, NULL, ENDED("") }, { 200, NULL, CLAIMED("") } };
	struct scene scene = { .act = waits_to_be_stopped };
	struct ruche_worker_options options = { .drain = 1 };
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	assert_int_equal(seen_reason, RUCHE_STOP_TIMEOUT);
	sent(&scene, 1, "/v1/leases/u1/fail", LEASE ",\"error\":{\"type\":\"Timeout\",\"message\":\"The attempt took longer than the job's time-out.\"}" NEXT);
	scene_end(&scene);
}

static int hears_by_progress(struct ruche_task *task)
{
	assert_int_equal(ruche_task_progress(task, "1", NULL), RUCHE_OK);
	seen_reason = ruche_task_stopping(task);
	assert_int_equal(ruche_task_log(task, "l", NULL), RUCHE_OK);
	return 1;
}

static void progress_tells_too(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED(JOB("u1", "")) }, { 200, NULL, "{\"cancel_requested\":true}" }, { 200, NULL, "{}" },
						    { 200, NULL, ENDED("") }, { 200, NULL, CLAIMED("") } };
	struct scene scene = { .act = hears_by_progress };
	struct ruche_worker_options options = { .drain = 1 };
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	assert_int_equal(seen_reason, RUCHE_STOP_CANCELLED);
	sent(&scene, 1, "/v1/leases/u1/progress", LEASE ",\"progress\":1}");
	sent(&scene, 2, "/v1/leases/u1/log", LEASE ",\"line\":\"l\"}");
	scene_end(&scene);
}

/* ---- who works ---- */

#define HERE(queue) "{\"queue\":\"" queue "\",\"namespace\":\"n\",\"name\":\"w\",\"ttl_ms\":60000}"

/* The next beat is due at once; the job ends when it was heard. */
static int works_for_long(struct ruche_task *task)
{
	struct scene *scene = task->worker->options.context;
	pthread_mutex_lock(&task->worker->lock);
	task->worker->presence.due_us = 0;
	pthread_mutex_unlock(&task->worker->lock);
	worker_wake_beat(task->worker);
	(void)third_party_request(scene->party, 4);
	return 0;
}

static void tells_who_works(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, "{}" }, { 200, NULL, CLAIMED(JOB("u1", "")) }, { 200, NULL, EITHER } };
	struct scene scene = { .act = works_for_long };
	struct ruche_worker_options options = { .drain = 1, .queues = two_queues, .queue_count = 2, .namespace_name = "n", .heartbeat_ms = 3600000 };
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	told(&scene, 0, "PUT", "", HERE("a"));
	told(&scene, 1, "PUT", ".2", HERE("b"));
	told(&scene, 3, "PUT", "", HERE("a")); /* again, after the claim */
	told(&scene, 4, "PUT", ".2", HERE("b"));
	called(&scene, 5, "POST", "/v1/leases/u1/complete", LEASE ",\"claim\":{\"queues\":[\"a\",\"b\"],\"namespace\":\"n\",\"max\":1,\"worker\":\"w\"}}");
	told(&scene, 7, "DELETE", "", "");
	told(&scene, 8, "DELETE", ".2", "");
	assert_int_equal(third_party_requests(scene.party), 9);
	scene_end(&scene);
}

/* A daemon that is too old for it, or has no room: the round is over, the worker works, and nobody hears of it. */
static void need_not_be_heard(void **state)
{
	(void)state;
	static const struct {
		struct tp_answer answers[3];
		uint32_t first; /* which request is the claim */
		uint32_t requests;
	} rows[] = {
		{ { { 404, NULL, "{\"code\":\"not_found\",\"detail\":\"D\"}" }, { 200, NULL, EITHER }, { 200, NULL, EITHER } }, 1, 2 },
		{ { { 429, NULL, "{\"code\":\"backlog_full\",\"detail\":\"D\"}" }, { 200, NULL, EITHER }, { 200, NULL, EITHER } }, 1, 2 },
		/* the first it heard, the second not; a good-bye that is refused is none of ours either */
		{ { { 200, NULL, "{}" }, { 503, NULL, NULL }, { 200, NULL, EITHER } }, 2, 4 },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct scene scene = { .act = just_ends };
		struct ruche_worker_options options = { .drain = 1, .queues = two_queues, .queue_count = 2 };
		scene_open(&scene, rows[i].answers, ARRAY_COUNT(rows[i].answers), &options);
		assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
		called(&scene, rows[i].first, "POST", "/v1/claims", "{\"queues\":[\"a\",\"b\"],\"max\":1,\"worker\":\"w\"}");
		assert_int_equal(third_party_requests(scene.party), rows[i].requests);
		assert_int_equal(atomic_load(&scene.troubles), 0);
		scene_end(&scene);
	}
}

/* Whether it was heard is not known: the good-bye is said. */
static void may_have_been_heard(void **state)
{
	(void)state;
	static const struct tp_step breaks[] = { TP_READ, TP_END };
	static const struct tp_answer answers[] = { { 200, NULL, EITHER } };
	struct scene scene = { .act = just_ends, .breaks = breaks };
	struct ruche_worker_options options = { .drain = 1 };
	scene_open(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	assert_int_equal(requests(&scene), 1);
	scene_end(&scene);
}

/* ---- a daemon in trouble ---- */

#define AWAY { 503, NULL, "{\"code\":\"unavailable\",\"detail\":\"D\"}" }
#define STALE { 409, NULL, "{\"code\":\"stale_lease\",\"detail\":\"D\"}" }
#define LARGE { 413, NULL, "{\"code\":\"too_large\",\"detail\":\"D\"}" }
#define GONE_CLAIM { 200, NULL, CLAIMED("") }

static void troubles(void **state)
{
	(void)state;
	static const struct {
		struct tp_answer answers[6];
		uint32_t requests;
		int troubles, trouble_code, fatal;
	} rows[] = {
		/* both the claim and the report are tried again, and told once */
		{ { AWAY, AWAY, { 200, NULL, CLAIMED(JOB("u1", "")) }, AWAY, { 200, NULL, ENDED("") }, GONE_CLAIM }, 6, 2, RUCHE_UNAVAILABLE, 0 },
		/* a first try whose answer was lost had counted: nothing to tell but that */
		{ { { 200, NULL, CLAIMED(JOB("u1", "")) }, AWAY, STALE, GONE_CLAIM }, 4, 1, RUCHE_UNAVAILABLE, 0 },
		{ { { 200, NULL, CLAIMED(JOB("u1", "")) }, STALE, GONE_CLAIM }, 3, 1, RUCHE_STALE_LEASE, 0 },
		/* a result that is refused becomes a failure */
		{ { { 200, NULL, CLAIMED(JOB("u1", "")) }, LARGE, { 200, NULL, ENDED("") }, GONE_CLAIM }, 4, 1, RUCHE_TOO_LARGE, 0 },
		/* what waiting cannot help ends the worker */
		{ { { 401, NULL, "{\"code\":\"unauthorized\",\"detail\":\"D\"}" } }, 1, 0, 0, RUCHE_UNAUTHORIZED },
		{ { { 200, NULL, "<html>" } }, 1, 0, 0, RUCHE_NOT_RUCHE },
	};
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct scene scene = { .act = just_ends };
		struct ruche_worker_options options = { .drain = 1 };
		struct ruche_error error = { 0 };
		scene_begin(&scene, rows[i].answers, rows[i].requests, &options);
		assert_int_equal(ruche_worker_run(scene.worker, &error), rows[i].fatal);
		assert_int_equal(error.code, rows[i].fatal);
		assert_int_equal(requests(&scene), rows[i].requests);
		assert_int_equal(atomic_load(&scene.troubles), rows[i].troubles);
		assert_int_equal(atomic_load(&scene.trouble_code), rows[i].trouble_code);
		scene_end(&scene);
	}
}

/* Stopped twice while nobody answers: it ends, and says that the report was not heard. */
static int hurries(struct ruche_task *task)
{
	ruche_worker_stop(task->worker);
	return 0;
}

static void ends_though_nobody_answers(void **state)
{
	(void)state;
	static const struct tp_answer answers[] = { { 200, NULL, CLAIMED(JOB("u1", "")) }, AWAY };
	struct scene scene = { .act = hurries, .stop_at = 1 };
	struct ruche_worker_options options = { 0 };
	scene_begin(&scene, answers, ARRAY_COUNT(answers), &options);
	assert_int_equal(ruche_worker_run(scene.worker, NULL), RUCHE_OK);
	assert_true(atomic_load(&scene.troubles) >= 1);
	assert_int_equal(atomic_load(&scene.trouble_code), RUCHE_UNAVAILABLE);
	scene_end(&scene);
}

/* Every allocation fails once: the worker goes on, or says that there was no memory; nothing hangs, leaks or breaks. */
static void no_memory(void **state)
{
	(void)state;
	/* whichever request is not sent, each answer fits the next: one that could not be read is not given again */
	static const char job[] = "{\"token\":\"t\",\"jobs\":[" JOB("u1", "") "],\"claim\":" CLAIMED("") "}";
	static const struct tp_answer answers[] = { { 200, NULL, job }, { 200, NULL, job }, { 200, NULL, EITHER } };
	bool refused = true;
	for (uint64_t n = 1; refused; n++) {
		struct scene scene = { .act = answers_seven };
		struct ruche_worker_options options = { .size = sizeof(options), .queues = queues, .queue_count = 1, .drain = 1, .namespace_name = "n",
							.trouble = on_trouble, .context = &scene };
		scene.party = third_party_start(&(struct third_party_config){ .answers = answers, .answer_count = ARRAY_COUNT(answers) });
		struct ruche_client_options client = { .size = sizeof(client), .url = third_party_url(scene.party, "/") };
		assert_true(n < 500);
		assert_int_equal(ruche_client_new(&client, &scene.client, NULL), RUCHE_OK);
		mem_fail_after(n, MEM_FAIL_ONE);
		int code = ruche_worker_new(scene.client, &options, handle, &scene.worker, NULL);
		assert_true(code == RUCHE_OK || code == RUCHE_NO_MEMORY);
		if (!code)
			code = ruche_worker_run(scene.worker, NULL);
		refused = mem_fail_disarm();
		assert_true(code == RUCHE_OK || (refused && code == RUCHE_NO_MEMORY));
		scene_end(&scene);
	}
}

static void arguments(void **state)
{
	(void)state;
	static const struct {
		struct ruche_worker_options options;
		const char *field;
	} rows[] = {
		{ { .queue_count = 0 }, "queues" },
		{ { .queue_count = 1 }, "queues" },
		{ { .queues = bad_queues, .queue_count = 1 }, "queues[0]" },
		{ { .queues = queues, .queue_count = 1, .concurrency = -1 }, "concurrency" },
		{ { .queues = queues, .queue_count = 1, .concurrency = 1025 }, "concurrency" },
		{ { .queues = queues, .queue_count = 1, .lease_ms = -1 }, "lease_ms" },
		{ { .queues = queues, .queue_count = 1, .heartbeat_ms = INT64_MAX }, "heartbeat_ms" },
		{ { .queues = queues, .queue_count = 1, .poll_ms = 300001 }, "poll_ms" },
		{ { .queues = queues, .queue_count = 1, .grace_ms = INT64_MAX }, "grace_ms" },
		{ { .queues = queues, .queue_count = 1, .worker = "\xff" }, "worker" },
	};
	struct ruche_client *client;
	struct ruche_worker *worker = NULL;
	struct ruche_error error;
	assert_int_equal(ruche_client_new(NULL, &client, NULL), RUCHE_OK);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct ruche_worker_options options = rows[i].options;
		options.size = sizeof(options);
		assert_int_equal(ruche_worker_new(client, &options, handle, &worker, &error), RUCHE_BAD_ARGUMENT);
		assert_string_equal(error.field, rows[i].field);
		assert_null(worker);
	}
	assert_int_equal(ruche_worker_new(client, &(struct ruche_worker_options){ .size = sizeof(struct ruche_worker_options), .queues = queues, .queue_count = 1 },
					  NULL, &worker, &error),
			 RUCHE_BAD_ARGUMENT);
	assert_string_equal(error.field, "handler");
	ruche_worker_free(NULL);
	ruche_client_free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends), cmocka_unit_test(finishes_and_claims), cmocka_unit_test(stopped_within_a_job), cmocka_unit_test(stopped_before_it_runs),
		cmocka_unit_test(shutdown_hands_back), cmocka_unit_test(heartbeats), cmocka_unit_test(timeouts), cmocka_unit_test(progress_tells_too),
		cmocka_unit_test(tells_who_works), cmocka_unit_test(need_not_be_heard), cmocka_unit_test(may_have_been_heard),
		cmocka_unit_test(troubles), cmocka_unit_test(ends_though_nobody_answers), cmocka_unit_test(no_memory), cmocka_unit_test(arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
