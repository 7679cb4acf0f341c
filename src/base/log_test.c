#include "base/log.h"
#include "base/time_text.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t now_us;
static int log_fd;
static char log_text[1 << 20];

static int64_t clock_of_test(void)
{
	return now_us;
}

static const char *logged(void) /* since the last time it was asked */
{
	ssize_t len = pread(log_fd, log_text, sizeof(log_text) - 1, 0);
	assert_true(len >= 0);
	log_text[len] = '\0';
	assert_int_equal(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	return log_text;
}

static int set_up(void **state)
{
	(void)state;
	char path[] = "/tmp/ruche-log-test-XXXXXX";
	log_fd = mkstemp(path);
	unlink(path);
	now_us = INT64_C(1795461072345000);
	log_use_clocks(clock_of_test, clock_of_test);
	return log_fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return close(log_fd);
}

static void writes_logfmt(void **state)
{
	(void)state;
	log_setup(log_fd, LOG_INFO, LOG_TEXT);
	log_event(LOG_DEBUG, "hidden", NULL);
	log_event(LOG_INFO, "store.open", "path", "/var/lib/ruche", "jobs", log_i64(-12), "note", "two words", "empty",
		  "", "quoted", "a\"b\n", "bad", "\xff", "null", (const char *)NULL, NULL);
	assert_string_equal(
		logged(),
		"2026-11-23T19:11:12.345Z INFO  store.open path=/var/lib/ruche jobs=-12 note=\"two words\" empty=\"\" "
		"quoted=\"a\\\"b\\n\" bad=\"\xef\xbf\xbd\" null=\"\"\n");
}

static void writes_json(void **state)
{
	(void)state;
	log_setup(log_fd, LOG_DEBUG, LOG_JSON);
	log_event(LOG_WARN, "x", "jobs", log_i64(5), "text", "5", "slice", log_str((struct str){ "abcdef", 3 }), NULL);
	assert_string_equal(
		logged(),
		"{\"at\":\"2026-11-23T19:11:12.345Z\",\"level\":\"warn\",\"event\":\"x\",\"jobs\":5,\"text\":\"5\","
		"\"slice\":\"abc\"}\n");
}

static void a_line_is_never_cut_in_the_middle(void **state)
{
	(void)state;
	static char long_value[100000];
	memset(long_value, '"', sizeof(long_value) - 1);
	log_setup(log_fd, LOG_DEBUG, LOG_JSON);
	log_event(LOG_INFO, "x", "a", long_value, "b", long_value, "c", long_value, "d", long_value, "e", long_value,
		  "f", long_value, NULL);
	const char *line = logged();
	assert_true(strlen(line) <= 16384);
	assert_string_equal(line + strlen(line) - 3, "\"}\n");
	assert_null(strstr(line, "\"f\":"));
}

static void what_repeats_is_counted(void **state)
{
	(void)state;
	log_setup(log_fd, LOG_DEBUG, LOG_TEXT);
	for (int i = 0; i < 100; i++)
		log_event(LOG_WARN, "net.refused", "host", "a", NULL);
	log_event(LOG_WARN, "net.refused", "host", "b", NULL); /* another cause */
	log_event(LOG_INFO, "other", NULL);
	log_event(LOG_INFO, "other", NULL); /* information is never held back */
	assert_string_equal(logged(), "2026-11-23T19:11:12.345Z WARN  net.refused host=a\n"
				      "2026-11-23T19:11:12.345Z WARN  net.refused host=b\n"
				      "2026-11-23T19:11:12.345Z INFO  other\n"
				      "2026-11-23T19:11:12.345Z INFO  other\n");
	now_us += 10000000;
	log_event(LOG_WARN, "net.refused", "host", "a", NULL);
	assert_string_equal(logged(), "2026-11-23T19:11:22.345Z WARN  net.refused repeated=99\n"
				      "2026-11-23T19:11:22.345Z WARN  net.refused host=a\n");
	log_event(LOG_WARN, "net.refused", "host", "a", NULL);
	log_flush();
	assert_string_equal(logged(), "2026-11-23T19:11:22.345Z WARN  net.refused repeated=1\n");
}

static void many_causes_forget_the_oldest(void **state)
{
	(void)state;
	log_setup(log_fd, LOG_DEBUG, LOG_TEXT);
	log_event(LOG_ERROR, "first", NULL);
	log_event(LOG_ERROR, "first", NULL);
	for (int i = 0; i < 100; i++) {
		now_us++;
		log_event(LOG_ERROR, "e", "n", log_i64(i), NULL);
	}
	const char *text = logged();
	assert_non_null(strstr(text, "first repeated=1"));
	size_t lines = 0;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 102);
}

static void *log_many(void *context)
{
	for (int i = 0; i < 1000; i++)
		log_event(LOG_INFO, "thread", "name", context, "n", log_i64(i), NULL);
	return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
	(void)state;
	pthread_t threads[4];
	log_setup(log_fd, LOG_DEBUG, LOG_JSON);
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, "t"), 0);
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	size_t lines = 0;
	for (const char *line = logged(); *line; lines++) {
		assert_int_equal(*line, '{');
		line = strchr(line, '\n');
		assert_int_equal(line[-1], '}');
		line++;
	}
	assert_int_equal(lines, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_logfmt),           cmocka_unit_test(writes_json),
		cmocka_unit_test(a_line_is_never_cut_in_the_middle), cmocka_unit_test(what_repeats_is_counted),
		cmocka_unit_test(many_causes_forget_the_oldest),     cmocka_unit_test(threads_do_not_mix_lines),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
