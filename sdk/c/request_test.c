#include "request.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

enum kind { JOB, CLAIM, RIDER, FAILURE, LEASE };

/* What one object is written as, or the field that is refused. */
static const struct row {
	enum kind kind;
	struct ruche_new_job job;
	struct ruche_claim_options claim;
	struct ruche_failure failure;
	struct ruche_job lease;
	const char *json, *field;
} rows[] = {
	{ JOB, .job = { .queue = "mail" }, .json = "{\"queue\":\"mail\"}" },
	{ JOB, .job = { .queue = "mail", .payload = " [1, 2]" }, .json = "{\"queue\":\"mail\",\"payload\": [1, 2]}" },
	{ JOB, .job = { .queue = "q\"\\\n", .id = "\xc3\xa9" }, .json = "{\"queue\":\"q\\\"\\\\\\n\",\"id\":\"\xc3\xa9\"}" },
	{ JOB,
	  .job = { .queue = "a", .namespace_name = "n", .name = "m", .group = "g", .priority = 1, .delay_ms = 2, .lifo = 1, .max_attempts = 3,
		   .timeout_ms = 4, .ttl_ms = 5, .retry_json = "{}", .trace_json = "{\"a\":\"b\"}", .http_json = "{\"url\":\"x\"}",
		   .dedup_json = "{\"key\":\"k\"}", .metadata_json = "{}", .parents_json = "[]", .waits = 1,
		   .tags = (const char *const[]){ "t", "u" }, .tag_count = 2 },
	  .json = "{\"queue\":\"a\",\"namespace\":\"n\",\"name\":\"m\",\"group\":\"g\",\"priority\":1,\"delay_ms\":2,\"lifo\":true,\"max_attempts\":3,"
		  "\"timeout_ms\":4,\"ttl_ms\":5,\"retry\":{},\"trace\":{\"a\":\"b\"},\"http\":{\"url\":\"x\"},\"tags\":[\"t\",\"u\"],"
		  "\"dedup\":{\"key\":\"k\"},\"metadata\":{},\"parents\":[],\"waits\":true}" },
	{ JOB, .job = { .queue = "a", .dedup_json = "k" }, .field = "dedup" },
	{ JOB, .job = { .queue = "a", .metadata_json = "{" }, .field = "metadata" },
	{ JOB, .job = { .queue = "a", .parents_json = "[]]" }, .field = "parents" },
	{ JOB, .job = { .queue = "a", .run_at = "2026-11-23T19:11:12.345Z" }, .json = "{\"queue\":\"a\",\"run_at\":\"2026-11-23T19:11:12.345Z\"}" },
	{ JOB, .job = { 0 }, .field = "queue" },
	{ JOB, .job = { .queue = "" }, .field = "queue" },
	{ JOB, .job = { .queue = "\xff" }, .field = "queue" },
	{ JOB, .job = { .queue = "a", .payload = "" }, .field = "payload" },
	{ JOB, .job = { .queue = "a", .payload = "{" }, .field = "payload" },
	{ JOB, .job = { .queue = "a", .payload = "1}, {\"queue\": \"b\"" }, .field = "payload" }, /* no way out of the value */
	{ JOB, .job = { .queue = "a", .id = "\xc3" }, .field = "id" },
	{ JOB, .job = { .queue = "a", .priority = -1 }, .field = "priority" },
	{ JOB, .job = { .queue = "a", .delay_ms = INT64_MIN }, .field = "delay_ms" },
	{ JOB, .job = { .queue = "a", .tags = (const char *const[]){ "t", NULL }, .tag_count = 2 }, .field = "tags[1]" },
	{ JOB, .job = { .queue = "a", .tags = (const char *const[]){ "\x80" }, .tag_count = 1 }, .field = "tags[0]" },
	{ JOB, .job = { .queue = "a", .tag_count = 1 }, .field = "tags" },
	{ CLAIM, .claim = { .queues = (const char *const[]){ "a", "b" }, .queue_count = 2, .max = 3, .wait_ms = 4, .lease_ms = 5, .worker = "w", .token = "t" },
	  .json = "{\"queues\":[\"a\",\"b\"],\"max\":3,\"wait_ms\":4,\"lease_ms\":5,\"worker\":\"w\",\"token\":\"t\"}" },
	{ CLAIM, .claim = { .queues = (const char *const[]){ "a" }, .queue_count = 1, .group_max = 50, .group_min = 10, .group_wait_ms = 2000 },
	  .json = "{\"queues\":[\"a\"],\"group_max\":50,\"group_min\":10,\"group_wait_ms\":2000}" },
	{ CLAIM, .claim = { .queues = (const char *const[]){ "a" }, .queue_count = 1, .group_min = -1 }, .field = "group_min" },
	{ CLAIM, .claim = { 0 }, .field = "queues" },
	{ CLAIM, .claim = { .queues = (const char *const[]){ NULL }, .queue_count = 1 }, .field = "queues[0]" },
	{ RIDER, .claim = { .queues = (const char *const[]){ "a" }, .queue_count = 1 }, .json = "{\"queues\":[\"a\"]}" },
	{ RIDER, .claim = { .queues = (const char *const[]){ "a" }, .queue_count = 1, .wait_ms = 1 }, .field = "wait_ms" },
	{ FAILURE, .failure = { 0 }, .json = "{}" },
	{ FAILURE, .failure = { .message = "m" }, .json = "{\"error\":{\"message\":\"m\"}}" },
	{ FAILURE, .failure = { .type = "T", .message = "m", .stack = "s", .verdict = RUCHE_FINAL },
	  .json = "{\"error\":{\"type\":\"T\",\"message\":\"m\",\"stack\":\"s\"},\"verdict\":\"final\"}" },
	{ FAILURE, .failure = { .verdict = RUCHE_RETRY_FIRST }, .json = "{\"verdict\":\"head\"}" },
	{ FAILURE, .failure = { .verdict = RUCHE_RETRY_LAST }, .json = "{\"verdict\":\"tail\"}" },
	{ FAILURE, .failure = { .verdict = RUCHE_RETRY_AFTER, .after_ms = 7 }, .json = "{\"verdict\":{\"delay_ms\":7}}" },
	{ FAILURE, .failure = { .verdict = RUCHE_RETRY_AFTER }, .json = "{\"verdict\":{\"delay_ms\":0}}" },
	{ FAILURE, .failure = { .verdict = RUCHE_RETRY_AFTER, .after_ms = 7, .back_off = "crm", .back_off_ms = 9 },
	  .json = "{\"verdict\":{\"delay_ms\":7},\"back_off\":{\"scope\":\"crm\",\"delay_ms\":9}}" },
	{ FAILURE, .failure = { .back_off = "queue" }, .json = "{\"back_off\":{\"scope\":\"queue\",\"delay_ms\":0}}" },
	{ FAILURE, .failure = { .back_off_ms = 9 }, .field = "back_off_ms" },
	{ FAILURE, .failure = { .back_off = "queue", .back_off_ms = -9 }, .field = "back_off_ms" },
	{ FAILURE, .failure = { .back_off = "\xff" }, .field = "back_off" },
	{ FAILURE, .failure = { .verdict = RUCHE_RETRY_AFTER, .after_ms = -7 }, .field = "after_ms" },
	{ FAILURE, .failure = { .after_ms = 7 }, .field = "after_ms" },
	{ FAILURE, .failure = { .verdict = 5 }, .field = "verdict" },
	{ FAILURE, .failure = { .verdict = -1 }, .field = "verdict" },
	{ LEASE, .lease = { .token = "t", .fence = 3 }, .json = "{\"token\":\"t\",\"fence\":3}" },
	{ LEASE, .lease = { .token = "t" }, .json = "{\"token\":\"t\"}" },
	{ LEASE, .lease = { .fence = 3 }, .field = "token" },
};

static int write_row(const struct row *row, struct buf *out, struct ruche_error *error)
{
	struct writer writer;
	write_begin(&writer, out, error);
	buf_add_byte(out, '{');
	switch (row->kind) {
	case JOB: write_new_job(&writer, &row->job, NULL); break;
	case CLAIM: write_claim(&writer, &row->claim, NULL, true); break;
	case RIDER: write_claim(&writer, &row->claim, NULL, false); break;
	case FAILURE: write_failure(&writer, &row->failure); break;
	case LEASE: write_lease(&writer, &row->lease); break;
	}
	buf_add_byte(out, '}');
	return write_end(&writer);
}

static void objects(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct buf out = { .max_bytes = 4096 };
		struct ruche_error error = { .code = -1 };
		int code = write_row(&rows[i], &out, &error);
		if (rows[i].field) {
			assert_int_equal(code, RUCHE_BAD_ARGUMENT);
			assert_int_equal(error.code, RUCHE_BAD_ARGUMENT);
			assert_string_equal(error.name, "bad_argument");
			assert_string_equal(error.field, rows[i].field);
			assert_non_null(strstr(error.sentence, rows[i].field));
			assert_int_equal(error.may_retry, 0);
		} else {
			assert_int_equal(code, RUCHE_OK);
			buf_add_byte(&out, '\0');
			assert_string_equal(out.ptr, rows[i].json);
		}
		buf_fini(&out);
	}
}

static void the_clients_namespace(void **state)
{
	(void)state;
	for (int own = 0; own < 2; own++) {
		struct buf out = { .max_bytes = 4096 };
		struct writer writer;
		struct ruche_new_job job = { .queue = "a", .namespace_name = own ? "mine" : NULL };
		write_begin(&writer, &out, NULL);
		buf_add_byte(&out, '{');
		write_new_job(&writer, &job, "theirs");
		assert_int_equal(write_end(&writer), RUCHE_OK);
		buf_add_byte(&out, '\0');
		assert_string_equal(out.ptr, own ? "{\"queue\":\"a\",\"namespace\":\"mine\"" : "{\"queue\":\"a\",\"namespace\":\"theirs\"");
		buf_fini(&out);
	}
}

/* The first thing that is wrong is told, without an error struct too. */
static void the_first_stands(void **state)
{
	(void)state;
	struct buf out = { .max_bytes = 4096 };
	struct ruche_error error;
	struct row bad = { JOB, .job = { .queue = "a", .payload = "x", .priority = -1 } };
	assert_int_equal(write_row(&bad, &out, &error), RUCHE_BAD_ARGUMENT);
	assert_string_equal(error.field, "payload");
	buf_clear(&out);
	assert_int_equal(write_row(&bad, &out, NULL), RUCHE_BAD_ARGUMENT);
	buf_fini(&out);
}

static void no_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		bool refused = true;
		for (uint64_t n = 1; refused; n++) {
			struct buf out = { .max_bytes = 4096 };
			struct ruche_error error;
			mem_fail_after(n, MEM_FAIL_ONE);
			int code = write_row(&rows[i], &out, &error);
			refused = mem_fail_disarm();
			if (!rows[i].field)
				assert_int_equal(code, refused ? RUCHE_NO_MEMORY : RUCHE_OK);
			else
				assert_int_equal(code, RUCHE_BAD_ARGUMENT);
			buf_fini(&out);
		}
	}
}

/* Callers that were compiled with an older, or a newer, ruche.h. */
static void sizes(void **state)
{
	(void)state;
	struct newer {
		struct ruche_failure failure;
		int64_t unknown;
	} newer = { .failure = { .size = sizeof(newer), .type = "T" } };
	struct ruche_failure taken, older = { .size = offsetof(struct ruche_failure, verdict), .type = "T", .message = "m", .verdict = RUCHE_FINAL };
	struct ruche_error error;
	memset(&taken, 1, sizeof(taken));
	assert_int_equal(options_take(&taken, sizeof(taken), &newer, "struct ruche_failure", &error), RUCHE_OK);
	assert_string_equal(taken.type, "T");
	newer.unknown = 1;
	assert_int_equal(options_take(&taken, sizeof(taken), &newer, "struct ruche_failure", &error), RUCHE_BAD_ARGUMENT);
	assert_string_equal(error.field, "size");
	assert_int_equal(options_take(&taken, sizeof(taken), &older, "struct ruche_failure", &error), RUCHE_OK);
	assert_string_equal(taken.message, "m");
	assert_int_equal(taken.verdict, RUCHE_BY_POLICY); /* beyond what the caller knew */
	for (older.size = 0; older.size < sizeof(size_t); older.size++)
		assert_int_equal(options_take(&taken, sizeof(taken), &older, "struct ruche_failure", &error), RUCHE_BAD_ARGUMENT);
	memset(&taken, 1, sizeof(taken));
	assert_int_equal(options_take(&taken, sizeof(taken), NULL, "struct ruche_failure", &error), RUCHE_OK);
	assert_null(taken.type);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects), cmocka_unit_test(the_clients_namespace), cmocka_unit_test(the_first_stands),
		cmocka_unit_test(no_memory), cmocka_unit_test(sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
