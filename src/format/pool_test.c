/* src/format/pool_test.c: the pool with the real ruche-jq, whose path is this program's argument. */
#include "format/pool.h"
#include "base/check.h"
#include "base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define ENDLESS "def f: f; f"
#define LONG_MS 600000 /* a bound that no test reaches */

static const char *ruche_jq;

/* What became of jobs: replies in the order of their ends. */
struct desk {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned told;
	bool held; /* done waits */
};
struct reply {
	struct desk *desk;
	uint64_t ticket;
	unsigned place; /* from 1; 0: not told */
	enum format_end end;
	char text[400];
	size_t text_bytes;
	struct format_pool *pool; /* cancelled from within done, when set */
	bool cancelled;
};

static void take(void *context, const struct format_outcome *outcome)
{
	struct reply *reply = context;
	struct desk *desk = reply->desk;
	if (reply->pool)
		reply->cancelled = format_cancel(reply->pool, reply->ticket);
	pthread_mutex_lock(&desk->lock);
	while (desk->held)
		pthread_cond_wait(&desk->changed, &desk->lock);
	CHECK(!reply->place); /* once */
	reply->place = ++desk->told;
	reply->end = outcome->end;
	reply->text_bytes = outcome->text.len;
	struct str start = str_cut(outcome->text, sizeof(reply->text) - 1);
	if (start.len)
		memcpy(reply->text, start.ptr, start.len);
	pthread_cond_broadcast(&desk->changed);
	pthread_mutex_unlock(&desk->lock);
}

static void desk_init(struct desk *desk)
{
	*desk = (struct desk){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
}

static void desk_hold(struct desk *desk, bool held)
{
	pthread_mutex_lock(&desk->lock);
	desk->held = held;
	pthread_cond_broadcast(&desk->changed);
	pthread_mutex_unlock(&desk->lock);
}

static void desk_wait(struct desk *desk, unsigned count)
{
	pthread_mutex_lock(&desk->lock);
	while (desk->told < count)
		pthread_cond_wait(&desk->changed, &desk->lock);
	pthread_mutex_unlock(&desk->lock);
}

static struct format_pool *start(uint32_t helpers, int64_t cpu_ms, int64_t wall_ms)
{
	struct format_pool_config config = { .helper = ruche_jq, .helpers = helpers, .cpu_ms = cpu_ms, .wall_ms = wall_ms, .idle_ms = LONG_MS };
	struct format_pool *pool;
	struct problem problem;
	assert_int_equal(format_pool_start(&config, &pool, &problem), E_OK);
	return pool;
}

static void run(struct format_pool *pool, struct desk *desk, struct reply *reply, struct str program, struct str input)
{
	struct format_job job = { .program = program, .input = input, .done = take, .context = reply };
	reply->desk = desk;
	assert_int_equal(format_run(pool, &job, &reply->ticket), E_OK);
	assert_true(reply->ticket);
}

static struct reply one(struct format_pool *pool, const char *program, const char *input)
{
	struct desk desk;
	struct reply reply = { 0 };
	desk_init(&desk);
	run(pool, &desk, &reply, str_of(program), str_of(input));
	desk_wait(&desk, 1);
	return reply;
}

static void expect(struct format_pool *pool, const char *program, const char *input, enum format_end end, const char *text)
{
	struct reply reply = one(pool, program, input);
	if (reply.end != end || strcmp(reply.text, text) != 0)
		fail_msg("%s of %s: end %d, not %d; \"%s\", not \"%s\"", program, input, reply.end, end, reply.text, text);
}

static void until_under_way(struct format_pool *pool, uint32_t count, struct format_pool_stats *stats)
{
	do {
		format_pool_stats(pool, stats);
		assert_true(stats->started || !stats->ended); /* or it would wait for ever */
	} while (stats->under_way < count);
}

static void one_output_is_the_body(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	(void)state;
	expect(pool, ".payload | {id, name: .title}", "{\"payload\":{\"id\":7,\"title\":\"\xc3\xa9t\xc3\xa9\"}}", FORMAT_VALUE,
	       "{\"id\":7,\"name\":\"\xc3\xa9t\xc3\xa9\"}");
	expect(pool, "", "[1,2]", FORMAT_VALUE, "[1,2]");
	expect(pool, "\"text\"", "0", FORMAT_VALUE, "\"text\"");
	expect(pool, "false", "0", FORMAT_VALUE, "false");
	expect(pool, "empty", "0", FORMAT_NOTHING, "");
	expect(pool, "null", "0", FORMAT_NOTHING, "");
	expect(pool, "1, 2", "0", FORMAT_ERROR,
	       "the program has more than one output; take one by first(\xe2\x80\xa6), or make a list of them by [\xe2\x80\xa6]");
	expect(pool, "1, error(\"late\")", "0", FORMAT_ERROR, "late");
	format_pool_stop(pool);
}

static void errors_are_told_in_jqs_words(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	(void)state;
	expect(pool, "error(\"no title\")", "0", FORMAT_ERROR, "no title");
	expect(pool, "error({\"code\":4})", "0", FORMAT_ERROR, "{\"code\":4}");
	assert_non_null(strstr(one(pool, ".a.b", "[]").text, "Cannot index array with "));
	expect(pool, "halt", "0", FORMAT_ERROR, "the program halted; a format ends with its output, or with 'empty' when there is nothing to send");
	expect(pool, "\"bye\" | halt_error", "0", FORMAT_ERROR,
	       "the program halted; a format ends with its output, or with 'empty' when there is nothing to send");
	expect(pool, ".", "{\"a\":1}", FORMAT_VALUE, "{\"a\":1}"); /* a halt is over with its run */
	assert_int_equal(one(pool, ".", "{nonsense").end, FORMAT_ERROR);
	struct reply reply = one(pool, ".a |", "0");
	assert_int_equal(reply.end, FORMAT_ERROR);
	assert_non_null(strstr(reply.text, "syntax error"));
	assert_null(strstr(reply.text, "compile error"));
	reply = one(pool, "nonsense(1) + other", "0");
	assert_non_null(strstr(reply.text, "nonsense/1 is not defined"));
	assert_non_null(strstr(reply.text, "other/0 is not defined"));
	struct desk desk;
	desk_init(&desk);
	struct reply nul = { 0 };
	run(pool, &desk, &nul, STR(".\0a"), STR("0"));
	desk_wait(&desk, 1);
	assert_string_equal(nul.text, "the program holds a NUL byte");
	format_pool_stop(pool);
}

static void compiling_needs_no_input(void **state)
{
	static const struct {
		const char *program;
		enum format_end end;
	} rows[] = { { ".a.b", FORMAT_NOTHING }, { "error(\"only when it runs\")", FORMAT_NOTHING }, { ".a[", FORMAT_ERROR } };
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct desk desk;
		desk_init(&desk);
		struct reply reply = { .desk = &desk };
		struct format_job job = { .program = str_of(rows[i].program), .compile_only = true, .done = take, .context = &reply };
		assert_int_equal(format_run(pool, &job, &reply.ticket), E_OK);
		desk_wait(&desk, 1);
		assert_int_equal(reply.end, rows[i].end);
	}
	format_pool_stop(pool);
}

static void a_program_sees_nothing_of_the_machine(void **state)
{
	static const struct {
		const char *program;
		enum format_end end;
		const char *text;
	} rows[] = {
		{ "env", FORMAT_VALUE, "{}" },
		{ "$ENV", FORMAT_VALUE, "{}" },
		{ "$ENV.PATH", FORMAT_NOTHING, "" },
		{ "input", FORMAT_ERROR, "there is no further input: a format is given one, as '.'" },
		{ "[inputs]", FORMAT_ERROR, "there is no further input: a format is given one, as '.'" },
		{ "input_filename", FORMAT_NOTHING, "" },
		{ "0 | localtime | mktime", FORMAT_VALUE, "0" }, /* UTC: no other zone can be read */
	};
	static const char *const compiled[] = { "include \"passwd\"; .", "import \"/etc/passwd\" as $p; $p",
						"include \"x\" {\"search\":\"/etc\"}; ." };
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	(void)state;
	setenv("SECRET", "canary", 1);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		expect(pool, rows[i].program, "0", rows[i].end, rows[i].text);
	for (size_t i = 0; i < ARRAY_COUNT(compiled); i++) {
		struct reply reply = one(pool, compiled[i], "0");
		assert_int_equal(reply.end, FORMAT_ERROR);
		assert_non_null(strstr(reply.text, "module not found"));
	}
	/* its own process: no descriptor but three, no new privileges, a filter on its calls */
	struct format_pool_stats stats;
	char path[64], line[128];
	format_pool_stats(pool, &stats);
	assert_int_equal(stats.helpers, 1);
	for (int fd = 3; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", stats.pids[0], fd);
		struct stat found;
		assert_int_equal(lstat(path, &found), -1);
	}
	snprintf(path, sizeof(path), "/proc/%d/status", stats.pids[0]);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	int seen = 0;
	while (fgets(line, sizeof(line), file))
		seen += !strcmp(line, "NoNewPrivs:\t1\n") || !strcmp(line, "Seccomp:\t2\n");
	fclose(file);
	assert_int_equal(seen, 2);
	format_pool_stop(pool);
}

static void an_endless_program_costs_its_own_job(void **state)
{
	static const struct {
		int64_t cpu_ms, wall_ms;
		const char *text;
	} rows[] = {
		{ 300, LONG_MS, "the program used more than 300 ms of processor time and was stopped" },
		{ LONG_MS, 2000, "the program took longer than 2000 ms and was stopped" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct format_pool *pool = start(1, rows[i].cpu_ms, rows[i].wall_ms);
		struct desk desk;
		struct reply replies[FORMAT_DEPTH + 4] = { 0 };
		desk_init(&desk);
		run(pool, &desk, &replies[0], STR(ENDLESS), STR("1"));
		for (size_t k = 1; k < ARRAY_COUNT(replies); k++)
			run(pool, &desk, &replies[k], STR(". + 1"), STR("1"));
		desk_wait(&desk, ARRAY_COUNT(replies));
		assert_int_equal(replies[0].end, FORMAT_KILLED);
		assert_string_equal(replies[0].text, rows[i].text);
		for (size_t k = 1; k < ARRAY_COUNT(replies); k++) {
			assert_int_equal(replies[k].end, FORMAT_VALUE);
			assert_string_equal(replies[k].text, "2");
			assert_int_equal(replies[k].place, k + 1); /* in their order, behind it */
		}
		struct format_pool_stats stats;
		format_pool_stats(pool, &stats);
		assert_int_equal(stats.killed, 1);
		assert_int_equal(stats.started, 2);
		assert_int_equal(stats.ended, ARRAY_COUNT(replies));
		format_pool_stop(pool);
	}
}

static void a_greedy_program_is_stopped(void **state)
{
	static const char *const programs[] = { "\"x\" * 2e9", "[range(1e9)]", "def f: 1 + f; f" };
	struct format_pool *pool = start(2, LONG_MS, LONG_MS);
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(programs); i++) {
		struct reply reply = one(pool, programs[i], "0");
		assert_int_equal(reply.end, FORMAT_KILLED);
		assert_string_equal(reply.text, "the program needed more than 256 MiB of memory and was stopped");
		expect(pool, ". + 1", "1", FORMAT_VALUE, "2");
	}
	/* nested deeper than the stack of whoever writes it out */
	assert_int_equal(one(pool, "reduce range(1000000) as $i (0; [.])", "0").end, FORMAT_KILLED);
	expect(pool, ". + 1", "1", FORMAT_VALUE, "2");
	format_pool_stop(pool);
}

static void a_large_helper_is_replaced_and_nobody_blamed(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	struct desk desk;
	struct reply replies[FORMAT_DEPTH + 2] = { 0 };
	struct format_pool_stats stats;
	(void)state;
	desk_init(&desk);
	/* jq keeps the stack of a deep recursion until its next run */
	run(pool, &desk, &replies[0], STR("def deep: if . == 0 then 0 else (. - 1 | deep) + 1 end; 400000 | deep"), STR("0"));
	for (size_t i = 1; i < ARRAY_COUNT(replies); i++)
		run(pool, &desk, &replies[i], STR("."), STR("90"));
	desk_wait(&desk, ARRAY_COUNT(replies));
	assert_string_equal(replies[0].text, "400000");
	for (size_t i = 1; i < ARRAY_COUNT(replies); i++) {
		assert_string_equal(replies[i].text, "90");
		assert_int_equal(replies[i].place, i + 1);
	}
	format_pool_stats(pool, &stats);
	assert_int_equal(stats.killed, 0);
	assert_int_equal(stats.started, 2);
	format_pool_stop(pool);
}

static void the_output_has_a_bound(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	(void)state;
	struct reply reply = one(pool, "\"x\" * (4*1024*1024 - 2)", "0"); /* and its quotes */
	assert_int_equal(reply.end, FORMAT_VALUE);
	assert_int_equal(reply.text_bytes, FRAME_OUTPUT_BYTES);
	expect(pool, "\"x\" * (4*1024*1024 - 1)", "0", FORMAT_ERROR, "the output has 4194305 bytes; 4194304 are the most");
	format_pool_stop(pool);
}

static void texts_have_bounds(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	char *large = malloc(FRAME_INPUT_BYTES + 1);
	(void)state;
	assert_non_null(large);
	memset(large, ' ', FRAME_INPUT_BYTES + 1);
	large[FRAME_INPUT_BYTES - 1] = '7';
	struct desk desk;
	desk_init(&desk);
	struct reply reply = { 0 };
	uint64_t ticket = 0;
	run(pool, &desk, &reply, STR("."), (struct str){ large, FRAME_INPUT_BYTES }); /* more than the socket takes at once */
	struct format_job job = { .program = STR("."), .input = { large, FRAME_INPUT_BYTES + 1 }, .done = take, .context = &reply };
	assert_int_equal(format_run(pool, &job, &ticket), E_TOO_LARGE);
	job = (struct format_job){ .program = { large, FRAME_PROGRAM_BYTES + 1 }, .input = STR("0"), .done = take, .context = &reply };
	assert_int_equal(format_run(pool, &job, &ticket), E_TOO_LARGE);
	desk_wait(&desk, 1);
	assert_string_equal(reply.text, "7");
	assert_true(!ticket);
	format_pool_stop(pool);
	free(large);
}

static void a_helper_killed_from_outside_is_replaced(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	struct format_pool_stats stats;
	struct desk desk;
	struct reply replies[3] = { 0 };
	(void)state;
	expect(pool, ".", "1", FORMAT_VALUE, "1");
	format_pool_stats(pool, &stats);
	assert_int_equal(kill(stats.pids[0], SIGKILL), 0); /* an idle one: nobody is told */
	do
		format_pool_stats(pool, &stats);
	while (stats.helpers);
	expect(pool, ".", "2", FORMAT_VALUE, "2");
	desk_init(&desk);
	run(pool, &desk, &replies[0], STR(ENDLESS), STR("1"));
	run(pool, &desk, &replies[1], STR("."), STR("3"));
	run(pool, &desk, &replies[2], STR("."), STR("4"));
	until_under_way(pool, 3, &stats);
	assert_int_equal(kill(stats.pids[0], SIGTERM), 0);
	desk_wait(&desk, 3);
	assert_int_equal(replies[0].end, FORMAT_KILLED);
	assert_string_equal(replies[0].text, "the program was stopped by signal 15 (Terminated)");
	assert_string_equal(replies[1].text, "3");
	assert_string_equal(replies[2].text, "4");
	format_pool_stop(pool);
}

static void many_keep_their_order_in_one_helper(void **state)
{
	enum { JOBS = 500 };
	static struct reply replies[JOBS];
	static char inputs[JOBS][16];
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	struct desk desk;
	(void)state;
	desk_init(&desk);
	for (int i = 0; i < JOBS; i++) {
		snprintf(inputs[i], sizeof(inputs[i]), "%d", i);
		run(pool, &desk, &replies[i], i % 3 ? STR(".") : STR(". * 1"), str_of(inputs[i]));
	}
	desk_wait(&desk, JOBS);
	for (int i = 0; i < JOBS; i++) {
		assert_string_equal(replies[i].text, inputs[i]);
		assert_int_equal(replies[i].place, i + 1);
	}
	format_pool_stop(pool);
}

static void more_programs_than_are_kept(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	char program[16], text[16];
	(void)state;
	for (int i = 0; i < 70; i++) { /* 64 are kept, so the last ones are compiled a second time */
		snprintf(program, sizeof(program), ". + %d", i % 66);
		snprintf(text, sizeof(text), "%d", i % 66 + 1);
		expect(pool, program, "1", FORMAT_VALUE, text);
	}
	format_pool_stop(pool);
}

static void a_cancelled_job_is_never_told(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, 2000);
	size_t large_bytes = 8u << 20;
	char *large = malloc(large_bytes);
	struct desk desk;
	struct reply first = { 0 }, running = { 0 }, half = { 0 }, behind = { 0 }, last = { 0 };
	struct format_pool_stats stats;
	(void)state;
	assert_non_null(large);
	memset(large, ' ', large_bytes);
	desk_init(&desk);
	run(pool, &desk, &first, STR("."), STR("1"));
	desk_wait(&desk, 1);
	assert_false(format_cancel(pool, first.ticket)); /* long told */
	assert_false(format_cancel(pool, 0));
	run(pool, &desk, &running, STR(ENDLESS), STR("0"));
	run(pool, &desk, &half, STR("."), (struct str){ large, large_bytes }); /* stays half written: nobody reads it */
	run(pool, &desk, &behind, STR("."), STR("2"));
	run(pool, &desk, &last, STR("."), STR("3"));
	until_under_way(pool, 4, &stats);
	assert_true(format_cancel(pool, half.ticket));
	assert_true(format_cancel(pool, running.ticket));
	assert_true(format_cancel(pool, behind.ticket));
	assert_false(format_cancel(pool, behind.ticket));
	memset(large, 0x7f, large_bytes);
	free(large);
	desk_wait(&desk, 2); /* after the endless one went over its bound */
	assert_string_equal(last.text, "3");
	assert_int_equal(last.place, 2);
	format_pool_stop(pool);
	assert_true(!running.place && !half.place && !behind.place);
}

/* The helper reads the rest of a frame whose texts are gone, and is none the worse for it. */
static void a_cancelled_half_is_sent_as_zeros(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	size_t large_bytes = 8u << 20;
	char *large = malloc(large_bytes);
	struct desk desk;
	struct reply busy = { 0 }, half = { 0 }, last = { 0 };
	struct format_pool_stats stats;
	(void)state;
	assert_non_null(large);
	memset(large, ' ', large_bytes);
	desk_init(&desk);
	run(pool, &desk, &busy, STR("reduce range(300000) as $i (0; . + 1)"), STR("0"));
	run(pool, &desk, &half, STR("."), (struct str){ large, large_bytes });
	until_under_way(pool, 2, &stats);
	bool cancelled = format_cancel(pool, half.ticket);
	free(large);
	run(pool, &desk, &last, STR("."), STR("3"));
	desk_wait(&desk, cancelled ? 2 : 3);
	assert_string_equal(busy.text, "300000");
	assert_string_equal(last.text, "3");
	format_pool_stats(pool, &stats);
	assert_int_equal(stats.started, 1);
	format_pool_stop(pool);
}

struct canceller {
	struct format_pool *pool;
	uint64_t ticket;
	bool result;
};

static void *cancel_it(void *context)
{
	struct canceller *canceller = context;
	canceller->result = format_cancel(canceller->pool, canceller->ticket);
	return NULL;
}

static void a_cancel_waits_for_a_done_that_runs(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	struct desk desk;
	struct reply reply = { 0 }, inside = { .pool = pool, .cancelled = true };
	pthread_t thread;
	struct format_pool_stats stats;
	(void)state;
	desk_init(&desk);
	desk_hold(&desk, true);
	run(pool, &desk, &reply, STR("."), STR("1"));
	do
		format_pool_stats(pool, &stats);
	while (!stats.ended);
	struct canceller canceller = { pool, reply.ticket, true };
	assert_int_equal(pthread_create(&thread, NULL, cancel_it, &canceller), 0);
	desk_hold(&desk, false);
	pthread_join(thread, NULL);
	assert_false(canceller.result);
	assert_int_equal(reply.place, 1); /* it was told before the cancel came back */
	run(pool, &desk, &inside, STR("."), STR("2"));
	desk_wait(&desk, 2);
	assert_false(inside.cancelled);
	format_pool_stop(pool);
}

static void a_suspect_runs_alone(void **state)
{
	struct format_pool *pool = start(1, 200, LONG_MS);
	struct desk desk;
	struct reply suspects[3] = { 0 }, others[6] = { 0 };
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(one(pool, ENDLESS, "0").end, FORMAT_KILLED);
	desk_init(&desk);
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		if (i < ARRAY_COUNT(suspects))
			run(pool, &desk, &suspects[i], STR(ENDLESS), STR("0"));
		run(pool, &desk, &others[i], STR("."), STR("4"));
	}
	desk_wait(&desk, ARRAY_COUNT(suspects) + ARRAY_COUNT(others)); /* both kinds get their turns */
	for (size_t i = 0; i < ARRAY_COUNT(suspects); i++)
		assert_int_equal(suspects[i].end, FORMAT_KILLED);
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		assert_string_equal(others[i].text, "4");
	struct reply waiting = { 0 };
	run(pool, &desk, &waiting, STR(ENDLESS), STR("0"));
	assert_true(format_cancel(pool, waiting.ticket));
	expect(pool, ".", "5", FORMAT_VALUE, "5");
	format_pool_stop(pool);
}

static void what_cannot_be_started_is_ours(void **state)
{
	static const struct {
		const char *helper, *text;
	} rows[] = {
		{ "/nowhere/ruche-jq", "the format could not be run: /nowhere/ruche-jq could not be started: No such file or directory" },
		{ "/bin/true", "the format could not be run: /bin/true ended with code 0 as soon as it was started" },
		{ "/bin/false", "the format could not be run: /bin/false ended with code 1 as soon as it was started" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct format_pool_config config = { .helper = rows[i].helper, .helpers = 2, .cpu_ms = 1000, .wall_ms = LONG_MS, .idle_ms = LONG_MS };
		struct format_pool *pool;
		struct problem problem;
		assert_int_equal(format_pool_start(&config, &pool, &problem), E_OK);
		for (int k = 0; k < 3; k++)
			expect(pool, ".", "1", FORMAT_OURS, rows[i].text);
		format_pool_stop(pool);
	}
}

/* A helper of shell, which says `says` once it was asked something, or at once. */
static void expect_of_script(const char *says, enum format_end end, const char *text_start)
{
	char path[] = "./helper-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	dprintf(fd, "#!/bin/sh\n%s\ncat <&0 >/dev/null\n", says);
	assert_int_equal(fchmod(fd, 0700), 0);
	close(fd);
	struct format_pool_config config = { .helper = path, .helpers = 1, .cpu_ms = 1000, .wall_ms = LONG_MS, .idle_ms = LONG_MS };
	struct format_pool *pool;
	struct problem problem;
	assert_int_equal(format_pool_start(&config, &pool, &problem), E_OK);
	struct reply reply = one(pool, ".", "1");
	format_pool_stop(pool);
	unlink(path);
	if (reply.end != end || strncmp(reply.text, text_start, strlen(text_start)) != 0)
		fail_msg("%s: end %d, \"%s\"", says, reply.end, reply.text);
}

static void a_helper_is_not_believed(void **state)
{
	static const char broke[] = "the program broke its helper, which was stopped";
	(void)state;
	expect_of_script("head -c 1 <&0 >/dev/null; printf aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >&0", FORMAT_KILLED, broke);
	/* a whole frame, of another id */
	expect_of_script("head -c 1 <&0 >/dev/null; printf '\\016\\000\\000\\000\\007\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\0001' >&0",
			 FORMAT_KILLED, broke);
	expect_of_script("head -c 1 <&0 >/dev/null; exit 3", FORMAT_OURS, "the format could not be run: ./helper-");
	/* the one frame of a helper that cannot take its limits */
	expect_of_script("printf '\\026\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\005\\000\\000\\000\\000it is ill' >&0",
			 FORMAT_OURS, "the format could not be run: it is ill");
}

static void the_one_beside_this_program_is_the_default(void **state)
{
	struct format_pool_config config = { .helpers = 1, .cpu_ms = 1000, .wall_ms = LONG_MS, .idle_ms = LONG_MS };
	struct format_pool *pool;
	struct problem problem;
	(void)state;
	assert_int_equal(format_pool_start(&config, &pool, &problem), E_OK);
	struct reply reply = one(pool, ".", "1");
	assert_int_equal(reply.end, FORMAT_OURS); /* none stands beside the test */
	assert_non_null(strstr(reply.text, "/src/format/ruche-jq could not be started"));
	format_pool_stop(pool);
}

static void an_idle_helper_goes(void **state)
{
	struct format_pool_config config = { .helper = ruche_jq, .helpers = 1, .cpu_ms = 1000, .wall_ms = LONG_MS, .idle_ms = 1 };
	struct format_pool *pool;
	struct problem problem;
	struct format_pool_stats stats;
	(void)state;
	assert_int_equal(format_pool_start(&config, &pool, &problem), E_OK);
	format_pool_stats(pool, &stats);
	assert_int_equal(stats.helpers, 0); /* none before the first job */
	expect(pool, ".", "1", FORMAT_VALUE, "1");
	do
		format_pool_stats(pool, &stats);
	while (stats.helpers);
	assert_int_equal(stats.killed, 0);
	expect(pool, ".", "2", FORMAT_VALUE, "2");
	format_pool_stop(pool);
}

static void a_stop_tells_who_still_waits(void **state)
{
	struct format_pool *pool = start(1, LONG_MS, LONG_MS);
	struct desk desk;
	struct reply replies[FORMAT_DEPTH + 3] = { 0 };
	(void)state;
	desk_init(&desk);
	for (size_t i = 0; i < ARRAY_COUNT(replies); i++)
		run(pool, &desk, &replies[i], STR(ENDLESS), STR("1"));
	format_pool_stop(pool);
	for (size_t i = 0; i < ARRAY_COUNT(replies); i++) {
		assert_int_equal(replies[i].end, FORMAT_OURS);
		assert_string_equal(replies[i].text, "the format could not be run: the daemon is stopping");
		assert_int_equal(replies[i].place, i + 1);
	}
	format_pool_stop(NULL);
}

static void memory_may_fail(void **state)
{
	struct format_pool_config config = { .helper = ruche_jq, .helpers = 1, .cpu_ms = 1000, .wall_ms = LONG_MS, .idle_ms = LONG_MS };
	bool refused = true;
	(void)state;
	for (uint64_t nth = 1; refused; nth++) {
		struct format_pool *pool = NULL;
		struct problem problem;
		struct desk desk;
		struct reply reply = { .desk = &desk };
		struct format_job job = { .program = STR("."), .input = STR("[1]"), .done = take, .context = &reply };
		desk_init(&desk);
		mem_fail_after(nth, MEM_FAIL_ONE);
		enum err err = format_pool_start(&config, &pool, &problem);
		if (!err)
			err = format_run(pool, &job, &reply.ticket);
		if (!err)
			desk_wait(&desk, 1);
		refused = mem_fail_disarm();
		assert_true(err == E_NOMEM || (err == E_OK && reply.end == FORMAT_VALUE));
		format_pool_stop(pool);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_output_is_the_body),
		cmocka_unit_test(errors_are_told_in_jqs_words),
		cmocka_unit_test(compiling_needs_no_input),
		cmocka_unit_test(a_program_sees_nothing_of_the_machine),
		cmocka_unit_test(an_endless_program_costs_its_own_job),
		cmocka_unit_test(a_greedy_program_is_stopped),
		cmocka_unit_test(a_large_helper_is_replaced_and_nobody_blamed),
		cmocka_unit_test(the_output_has_a_bound),
		cmocka_unit_test(texts_have_bounds),
		cmocka_unit_test(a_helper_killed_from_outside_is_replaced),
		cmocka_unit_test(many_keep_their_order_in_one_helper),
		cmocka_unit_test(more_programs_than_are_kept),
		cmocka_unit_test(a_cancelled_job_is_never_told),
		cmocka_unit_test(a_cancelled_half_is_sent_as_zeros),
		cmocka_unit_test(a_cancel_waits_for_a_done_that_runs),
		cmocka_unit_test(a_suspect_runs_alone),
		cmocka_unit_test(what_cannot_be_started_is_ours),
		cmocka_unit_test(a_helper_is_not_believed),
		cmocka_unit_test(the_one_beside_this_program_is_the_default),
		cmocka_unit_test(an_idle_helper_goes),
		cmocka_unit_test(a_stop_tells_who_still_waits),
		cmocka_unit_test(memory_may_fail),
	};
	if (argc != 2) {
		fputs("usage: format_pool_test PATH-OF-RUCHE-JQ\n", stderr);
		return 64;
	}
	ruche_jq = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
