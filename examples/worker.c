/* worker.c: a whole program on libruche.
 *
 *     cc -o worker worker.c $(pkg-config --cflags --libs libruche)
 *     ./worker enqueue letters 1000        # 1,000 jobs, a hundred a call
 *     ./worker work letters 4              # four at once; SIGTERM lets those that run end
 *     ./worker batch letters               # claim a handful by hand, finish them in one call
 *
 * RUCHE_URL and RUCHE_TOKEN say where the daemon is and who we are. A payload is {"n": 417}; {"n": 417, "fail": "once"} fails at its first
 * attempt, "always" for good; {"n": 417, "wait_ms": 60000} takes its time, and stops when it is told to. */
#include <ruche.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST 100

static int complain(const char *what, const struct ruche_error *error)
{
	fprintf(stderr, "worker: %s: %s [%s]\n", what, error->sentence, error->name);
	return 1;
}

/* ---- enqueue ---- */

static int enqueue(struct ruche_client *client, const char *queue, int count)
{
	for (int begun = 0; begun < count; begun += LIST) {
		struct ruche_new_job jobs[LIST];
		char ids[LIST][32], payloads[LIST][64];
		struct ruche_answer *answer;
		struct ruche_error error;
		size_t list = (size_t)(count - begun < LIST ? count - begun : LIST);
		memset(jobs, 0, sizeof(jobs));
		for (size_t i = 0; i < list; i++) {
			int n = begun + (int)i;
			const char *fail = n % 10 == 3 ? ", \"fail\": \"once\"" : n % 100 == 7 ? ", \"fail\": \"always\"" : "";
			snprintf(ids[i], sizeof(ids[i]), "letter-%d", n); /* an id makes it safe to enqueue again */
			snprintf(payloads[i], sizeof(payloads[i]), "{\"n\": %d%s}", n, fail);
			jobs[i].size = sizeof(jobs[i]);
			jobs[i].queue = queue;
			jobs[i].id = ids[i];
			jobs[i].payload = payloads[i];
		}
		if (ruche_enqueue_many(client, jobs, list, NULL, &answer, &error))
			return complain("enqueue", &error);
		for (size_t i = 0; i < ruche_answer_count(answer); i++)
			if (ruche_answer_item_error(answer, i, &error))
				complain(ids[i], &error); /* each stands alone */
		ruche_answer_free(answer);
	}
	printf("enqueued %d\n", count);
	return 0;
}

/* ---- work ---- */

static struct ruche_worker *worker;

static void on_signal(int number)
{
	(void)number;
	ruche_worker_stop(worker); /* may be called here; NOLINT(bugprone-signal-handler) */
}

/* Just enough to read our own payloads; a real program would use its JSON library. */
static long number_of(const char *payload, const char *key)
{
	const char *at = strstr(payload, key);
	return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

static int handle(struct ruche_task *task, void *context)
{
	const struct ruche_job *job = ruche_task_job(task);
	long n = number_of(job->payload, "\"n\": "), wait_ms = number_of(job->payload, "\"wait_ms\": ");
	struct ruche_error error;
	char result[64];
	(void)context;
	if (wait_ms) {
		printf("waiting %ld\n", n);
		switch (ruche_task_wait(task, wait_ms)) {
		case RUCHE_GO_ON: break;
		case RUCHE_STOP_CANCELLED: printf("cancelled %ld\n", n); return 1;
		default: return 1;
		}
	}
	if (strstr(job->payload, "\"fail\": \"always\"")) {
		struct ruche_failure failure = { .size = sizeof(failure), .type = "Refused", .message = "it fails always", .verdict = RUCHE_FINAL };
		return ruche_task_fail(task, &failure, NULL) != RUCHE_OK;
	}
	if (strstr(job->payload, "\"fail\": \"once\"") && job->attempts_made == 0)
		return 1; /* the queue's retry policy decides */
	snprintf(result, sizeof(result), "{\"told\": %ld}", n);
	if (ruche_task_complete(task, result, &error))
		return complain("result", &error);
	printf("done %ld\n", n);
	return 0;
}

static void on_trouble(void *context, const struct ruche_job *job, const struct ruche_error *error)
{
	(void)context;
	fprintf(stderr, "worker: %s: %s [%s]\n", job ? job->uid : "claim", error->sentence, error->name);
}

static int work(struct ruche_client *client, const char *queue, int threads)
{
	const char *queues[] = { queue };
	struct ruche_worker_options options = { .size = sizeof(options), .queues = queues, .queue_count = 1, .concurrency = threads,
						.heartbeat_ms = 500, .trouble = on_trouble };
	struct ruche_error error;
	if (ruche_worker_new(client, &options, handle, &worker, &error))
		return complain("work", &error);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	int code = ruche_worker_run(worker, &error);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	ruche_worker_free(worker);
	return code ? complain("work", &error) : 0;
}

/* ---- the same by hand: claim, heartbeat, a batch that ends them all ---- */

static int batch(struct ruche_client *client, const char *queue)
{
	const char *queues[] = { queue };
	struct ruche_claim_options options = { .size = sizeof(options), .queues = queues, .queue_count = 1, .max = 10, .wait_ms = 2000 };
	struct ruche_claimed *claimed = NULL;
	struct ruche_batch *ends = NULL;
	struct ruche_answer *answer = NULL;
	struct ruche_error error = { 0 };
	const struct ruche_job *job;
	int code = ruche_claim(client, &options, &claimed, &error);
	if (!code)
		code = ruche_batch_new(client, &ends, &error);
	for (size_t i = 0; !code && (job = ruche_claimed_job(claimed, i)); i++) {
		int cancel = 0;
		code = ruche_heartbeat(client, job, 0, &cancel, &error);
		if (!code)
			code = ruche_batch_complete(ends, job, cancel ? "null" : "true", &error);
	}
	if (!code && ruche_batch_count(ends))
		code = ruche_batch_send(ends, NULL, &answer, &error);
	if (!code)
		printf("finished %zu\n", answer ? ruche_answer_count(answer) : (size_t)0);
	ruche_answer_free(answer);
	ruche_batch_free(ends);
	ruche_claimed_free(claimed);
	return code ? complain("batch", &error) : 0;
}

int main(int argc, char **argv)
{
	struct ruche_client_options options = { .size = sizeof(options), .url = getenv("RUCHE_URL"), .token = getenv("RUCHE_TOKEN") };
	struct ruche_client *client;
	struct ruche_error error;
	int code = 64;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (ruche_client_new(&options, &client, &error))
		return complain("client", &error);
	if (argc == 4 && strcmp(argv[1], "enqueue") == 0)
		code = enqueue(client, argv[2], atoi(argv[3]));
	else if (argc == 4 && strcmp(argv[1], "work") == 0)
		code = work(client, argv[2], atoi(argv[3]));
	else if (argc == 3 && strcmp(argv[1], "batch") == 0)
		code = batch(client, argv[2]);
	else
		fprintf(stderr, "usage: worker enqueue QUEUE COUNT | work QUEUE THREADS | batch QUEUE\n");
	ruche_client_free(client);
	return code;
}
