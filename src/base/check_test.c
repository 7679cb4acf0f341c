#include "base/check.h"
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int report_pipe[2];

static void report(const char *text)
{
	ssize_t ignored = write(report_pipe[1], text, strlen(text));
	(void)ignored;
}

static void fails_in_child(void)
{
	int four = 4;
	close(STDERR_FILENO);
	check_on_failure(report);
	CHECK(four == 4);
	CHECK(four == 5);
}

static void a_false_check_reports_and_aborts(void **state)
{
	(void)state;
	char text[512] = "";
	int status;
	assert_int_equal(pipe(report_pipe), 0);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		fails_in_child();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_true(read(report_pipe[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "four == 5"));
	assert_non_null(strstr(text, "check_test.c"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_false_check_reports_and_aborts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
