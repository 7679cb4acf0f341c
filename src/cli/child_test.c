#include "cli/child.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static enum child_stop go_on(void *context)
{
	(void)context;
	return CHILD_GO_ON;
}

static enum child_stop end_it(void *context)
{
	(void)context;
	return CHILD_END_IT;
}

static struct child shell(const char *script, const char **argv)
{
	argv[0] = "sh";
	argv[1] = "-c";
	argv[2] = script;
	argv[3] = NULL;
	return (struct child){ .argv = (char *const *)(uintptr_t)argv, .environment = environ, .output_max = 65536, .tick_ms = 50, .tick = go_on };
}

static void carries_bytes_both_ways(void **state)
{
	(void)state;
	const char *argv[4];
	char big[200000];
	memset(big, 'b', sizeof(big));
	struct child child = shell("cat; echo oops >&2; exit 3", argv);
	struct problem problem;
	child.input = (struct str){ big, sizeof(big) };
	assert_int_equal(child_run(&child, &problem), E_OK);
	assert_int_equal(child.exit_code, 3);
	assert_true(child.truncated);
	assert_int_equal(child.output.len, 65536);
	assert_string_equal(child.tail, "oops\n");
	buf_fini(&child.output);
}

static void keeps_the_end_of_what_it_said(void **state)
{
	(void)state;
	const char *argv[4];
	struct child child = shell("i=0; while [ $i -lt 2000 ]; do echo \"line $i\" >&2; i=$((i+1)); done; exit 1", argv);
	struct problem problem;
	int null = dup(STDERR_FILENO);
	assert_non_null(freopen("/dev/null", "w", stderr)); /* it is passed on, and would fill the log */
	assert_int_equal(child_run(&child, &problem), E_OK);
	fflush(stderr);
	dup2(null, STDERR_FILENO);
	close(null);
	assert_int_equal(child.tail_len, CHILD_TAIL_BYTES);
	assert_string_equal(child.tail + child.tail_len - 10, "line 1999\n");
	buf_fini(&child.output);
}

static void tells_how_it_ended(void **state)
{
	(void)state;
	const char *argv[4];
	struct problem problem;
	struct child killed = shell("kill -9 $$", argv);
	assert_int_equal(child_run(&killed, &problem), E_OK);
	assert_int_equal(killed.exit_code, -1);
	assert_int_equal(killed.signal, SIGKILL);
	buf_fini(&killed.output);
	struct child unread = shell("exec true", argv); /* does not read its input */
	char big[200000] = { 0 };
	unread.input = (struct str){ big, sizeof(big) };
	assert_int_equal(child_run(&unread, &problem), E_OK);
	assert_int_equal(unread.exit_code, 0);
	buf_fini(&unread.output);
	struct child asked = shell("while :; do sleep 1; done", argv);
	asked.tick = end_it;
	assert_int_equal(child_run(&asked, &problem), E_OK);
	assert_int_equal(asked.signal, SIGTERM);
	buf_fini(&asked.output);
}

static void says_when_there_is_no_command(void **state)
{
	(void)state;
	char *argv[] = { "/nowhere/at-all", NULL };
	struct problem problem;
	struct child child = { .argv = argv, .environment = environ, .output_max = 10, .tick_ms = 50, .tick = go_on };
	assert_int_equal(child_run(&child, &problem), E_NOT_FOUND);
	assert_non_null(strstr(problem.detail, "/nowhere/at-all"));
	buf_fini(&child.output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_bytes_both_ways),
		cmocka_unit_test(keeps_the_end_of_what_it_said),
		cmocka_unit_test(tells_how_it_ended),
		cmocka_unit_test(says_when_there_is_no_command),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
