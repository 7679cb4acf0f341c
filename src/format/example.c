#include "format/example.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define LONG_MS 600000 /* what a program may take is not what is tried here */

struct example {
	struct format_pool *pool;
	size_t bytes;
	char text[64u * 1024u];
};

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool done;
	struct example_reply *reply;
};

struct example *example_open(const char *ruche_jq, const char *path)
{
	struct format_pool_config config = { .helper = ruche_jq, .helpers = 1, .cpu_ms = LONG_MS, .wall_ms = LONG_MS, .idle_ms = LONG_MS };
	struct problem problem;
	struct example *example = calloc(1, sizeof(*example));
	FILE *file = fopen(path, "re");
	if (example && file)
		example->bytes = fread(example->text, 1, sizeof(example->text), file);
	if (file)
		fclose(file);
	if (example && example->bytes && !format_pool_start(&config, &example->pool, &problem))
		return example;
	free(example);
	return NULL;
}

void example_close(struct example *example)
{
	format_pool_stop(example->pool);
	free(example);
}

struct str example_program(const struct example *example)
{
	return (struct str){ example->text, example->bytes };
}

static void take(void *context, const struct format_outcome *outcome)
{
	struct waiter *waiter = context;
	pthread_mutex_lock(&waiter->lock);
	waiter->reply->end = outcome->end;
	snprintf(waiter->reply->text, sizeof(waiter->reply->text), STR_FMT, STR_ARG(outcome->text));
	waiter->done = true;
	pthread_cond_signal(&waiter->told);
	pthread_mutex_unlock(&waiter->lock);
}

void example_run(struct example *example, struct str program, const char *input, struct example_reply *reply)
{
	struct waiter waiter = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER, .reply = reply };
	struct format_job job = { .program = program, .input = str_of(input), .done = take, .context = &waiter };
	uint64_t ticket;
	reply->end = FORMAT_OURS;
	reply->text[0] = '\0';
	if (format_run(example->pool, &job, &ticket))
		return;
	pthread_mutex_lock(&waiter.lock);
	while (!waiter.done)
		pthread_cond_wait(&waiter.told, &waiter.lock);
	pthread_mutex_unlock(&waiter.lock);
}
