/* fuzz/words_fuzz.c: any bytes as one of the small grammars: the first byte says which. What is accepted means the same when it is written and
 * read again; what is refused says why. */
#include "fuzz.h"
#include "base/base64.h"
#include "api/cursor.h"
#include "cli/sink.h"
#include "daemon/config_file.h"
#include "http/query.h"
#include "net/address.h"
#include "rules/batch_words.h"
#include "rules/http_url.h"
#include "rules/http_verdict.h"
#include "store/filter.h"

#define NOW_US INT64_C(1800000000000000)

static bool fuzz_within(struct str part, struct str whole)
{
	return !part.len || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void fuzz_ip(struct str text)
{
	struct ip_address ip, again;
	char written[IP_TEXT_BYTES];
	if (ip_parse(text, &ip))
		return;
	ip_text(&ip, written);
	enum err err = ip_parse(str_of(written), &again);
	CHECK(err == E_OK);
	CHECK(ip_eq(&ip, &again));
}

static void fuzz_range(struct str text)
{
	struct cidr range;
	struct problem problem = { 0 };
	if (cidr_parse(text, &range, &problem)) {
		CHECK(problem.detail[0]);
		return;
	}
	CHECK(range.prefix_bits <= (range.base.is_v6 ? 128 : 32));
	CHECK(cidr_contains(&range, &range.base));
}

static void fuzz_address(struct str text)
{
	struct address address;
	struct problem problem = { 0 };
	if (address_parse(text, &address, &problem))
		CHECK(problem.detail[0]);
	else if (address.kind != ADDRESS_IP)
		CHECK(memchr(address.text, 0, sizeof(address.text)));
}

static void fuzz_url(struct str text)
{
	struct http_url url;
	if (http_url_split(text, &url))
		return;
	CHECK(url.host.len > 0 && url.port != 0);
	CHECK(fuzz_within(url.host, text) && fuzz_within(url.rest, text));
	for (size_t i = 0; i < url.host.len; i++)
		CHECK(url.host.ptr[i] > ' ' && !strchr("/\\@?#", url.host.ptr[i]));
}

static void fuzz_retry_after(struct str text)
{
	int64_t wait_us = http_retry_after_us(text, NOW_US);
	CHECK(wait_us >= -1 && wait_us <= INT64_C(86400000000));
}

/* What a third party says of its maximum is below what was sent, and stands there. */
static void fuzz_batch_words(struct str text)
{
	char number[24];
	for (uint32_t sent = 0; sent <= 1000; sent += 250) {
		uint32_t most = batch_words_most(text, sent);
		CHECK(most < sent || !most);
		snprintf(number, sizeof(number), "%u", most);
		CHECK(!most || memmem(text.ptr, text.len, number, strlen(number)));
	}
}

static void fuzz_cursor(struct str text, struct arena *arena)
{
	struct str place, bytes;
	struct problem problem = { 0 };
	struct list_key key;
	struct filter filter = { 0 };
	uint64_t number;
	if (cursor_parse(text, arena, &place, &problem))
		CHECK(problem.detail[0]);
	if (!base64url_parse(arena, text, &bytes))
		CHECK(str_eq(base64url_text(arena, bytes), text));
	if (!list_cursor_parse(text, &filter, &key)) {
		struct list_key again;
		enum err err = list_cursor_parse(list_cursor_text(arena, &filter, key), &filter, &again);
		CHECK(err == E_OK);
		CHECK(list_key_cmp(key, again) == 0);
	}
	if (text.len && !number_cursor_parse(text, &number)) {
		uint64_t again;
		enum err err = number_cursor_parse(number_cursor_text(arena, number), &again);
		CHECK(err == E_OK);
		CHECK(again == number);
	}
}

static void fuzz_query(struct str text, struct arena *arena)
{
	struct str name, value, decoded;
	for (size_t at = 0; http_query_walk(text, &at, &name, &value);) {
		CHECK(fuzz_within(name, text) && fuzz_within(value, text));
		if (!http_percent_decode(arena, value, true, &decoded))
			CHECK(str_is_utf8(decoded) && decoded.len <= value.len);
	}
}

static void fuzz_script(struct str text)
{
	struct sink_step steps[SINK_STEPS_MAX];
	struct problem problem = { 0 };
	uint32_t count = 0;
	char said[64];
	if (sink_script_read(text, steps, &count, &problem)) {
		CHECK(problem.detail[0]);
		return;
	}
	CHECK(count <= SINK_STEPS_MAX);
	for (uint32_t i = 0; i < count; i++)
		sink_step_text(&steps[i], said);
}

static void fuzz_config(struct str text, struct arena *arena)
{
	struct config_file file;
	struct config_line line;
	struct problem problem = { 0 };
	config_file_init(&file, "ruche.conf", text, arena, &problem);
	for (uint32_t before = 0; config_file_next(&file, &line); before = line.line) {
		CHECK(line.key[0] && line.line >= before && line.count <= CONFIG_FILE_ITEMS);
		CHECK(line.is_list || line.count == 1);
	}
	CHECK(!file.failed || problem.detail[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	if (!size)
		return 0;
	struct str text = fuzz_str(data + 1, size - 1);
	switch (data[0]) {
	case 'b': fuzz_batch_words(text); break;
	case 'i': fuzz_ip(text); break;
	case 'r': fuzz_range(text); break;
	case 'a': fuzz_address(text); break;
	case 'u': fuzz_url(text); break;
	case 't': fuzz_retry_after(text); break;
	case 'c': fuzz_cursor(text, &arena); break;
	case 'q': fuzz_query(text, &arena); break;
	case 's': fuzz_script(text); break;
	default: fuzz_config(text, &arena); break;
	}
	arena_fini(&arena);
	return 0;
}
