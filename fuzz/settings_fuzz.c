/* fuzz/settings_fuzz.c: any bytes as the settings of a queue, of a group, as a retry policy, as a target, as a replay. What is accepted is written as JSON that
 * reads as the same again; what is refused changes nothing and says why. */
#include "fuzz.h"
#include "base/json.h"
#include "rules/replay.h"
#include "rules/settings.h"

static void fuzz_queue(struct str text, struct arena *arena)
{
	struct queue_settings settings, again;
	struct problem problem = { 0 };
	struct json json;
	struct buf first, second;
	queue_settings_default(&settings);
	json_init(&json, text, arena, &problem);
	if (!queue_settings_read(&json, &settings) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	queue_settings_write(&settings, &first);
	queue_settings_default(&again);
	json_init(&json, buf_str(&first), arena, &problem);
	CHECK(queue_settings_read(&json, &again) && json_finish(&json));
	queue_settings_write(&again, &second);
	CHECK(buf_ok(&first) && buf_ok(&second));
	CHECK(str_eq(buf_str(&first), buf_str(&second)));
	for (uint32_t made = 1; made < 20; made++)
		CHECK(retry_wait_us(&settings.retry, made, 0xffffffffu) >= 0);
	buf_fini(&first);
	buf_fini(&second);
}

static void fuzz_group(struct str text, struct arena *arena)
{
	struct group_settings settings = { 0 }, again = { 0 };
	struct problem problem = { 0 };
	struct json json;
	struct buf first;
	json_init(&json, text, arena, &problem);
	if (!group_settings_read(&json, &settings) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	buf_init(&first, 1 << 20);
	group_settings_write(&settings, &first);
	json_init(&json, buf_str(&first), arena, &problem);
	CHECK(group_settings_read(&json, &again) && json_finish(&json));
	CHECK(settings.has_concurrency == again.has_concurrency && settings.concurrency == again.concurrency);
	CHECK(settings.has_rate == again.has_rate && settings.rate.max == again.rate.max);
	buf_fini(&first);
}

static void fuzz_target(struct str text, struct arena *arena)
{
	struct queue_settings settings;
	struct problem problem = { 0 };
	struct json json;
	struct str origin;
	queue_settings_default(&settings);
	json_init(&json, text, arena, &problem);
	if (!http_target_read(&json, &settings.http) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	if (settings.http.url.len && !http_target_origin(settings.http.url, arena, &origin))
		CHECK(origin.len > 0);
}

static void fuzz_replay(struct str text, bool kept, struct arena *arena)
{
	struct replay replay, again;
	struct problem problem = { 0 };
	struct json json;
	struct buf first, second;
	json_init(&json, text, arena, &problem);
	if (!replay_read(&json, kept, &replay) || !json_finish(&json)) {
		CHECK(problem.detail[0]);
		return;
	}
	replay.endpoint = replay.endpoint ? replay.endpoint : 1;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	replay_write(&replay, &first);
	json_init(&json, buf_str(&first), arena, &problem);
	CHECK(replay_read(&json, true, &again) && json_finish(&json));
	replay_write(&again, &second);
	CHECK(buf_ok(&first) && str_eq(buf_str(&first), buf_str(&second)));
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	if (!size)
		return 0;
	struct str text = fuzz_str(data + 1, size - 1);
	if (data[0] == 'g')
		fuzz_group(text, &arena);
	else if (data[0] == 't')
		fuzz_target(text, &arena);
	else if (data[0] == 'r' || data[0] == 'R')
		fuzz_replay(text, data[0] == 'R', &arena);
	else
		fuzz_queue(text, &arena);
	arena_fini(&arena);
	return 0;
}
