/* fuzz/time_fuzz.c: any bytes as an instant, a duration, a uid, an integer. What is accepted comes back when written and read. */
#include "fuzz.h"
#include "base/buf.h"
#include "base/time_text.h"
#include "base/uid.h"

static void fuzz_instant(struct str text)
{
	int64_t at_us, back_us;
	char written[TIME_TEXT_BYTES];
	if (time_parse(text, &at_us))
		return;
	CHECK(at_us >= 0);
	time_text(at_us, written);
	CHECK(strlen(written) == TIME_TEXT_BYTES - 1);
	enum err err = time_parse(str_of(written), &back_us);
	CHECK(err == E_OK);
	CHECK(back_us == at_us - at_us % 1000);
}

static void fuzz_duration(struct str text)
{
	int64_t ms;
	char written[32];
	if (duration_parse(text, &ms))
		return;
	CHECK(ms >= 0);
	duration_text(ms, written);
	CHECK(strlen(written) < sizeof(written));
}

static void fuzz_uid(struct str text)
{
	uint64_t uid, back;
	char written[UID_TEXT_BYTES];
	if (uid_parse(text, &uid))
		return;
	CHECK(uid <= INT64_MAX);
	uid_text(uid, written);
	enum err err = uid_parse(str_of(written), &back);
	CHECK(err == E_OK);
	CHECK(back == uid);
}

static void fuzz_integer(struct str text)
{
	int64_t n, back;
	struct buf buf = { .max_bytes = 64 };
	if (!str_i64(text, &n))
		return;
	buf_add_i64(&buf, n);
	CHECK(str_i64(buf_str(&buf), &back));
	CHECK(back == n);
	buf_fini(&buf);
}

/* Texts for numbers made of the input: every number can be written. */
static void fuzz_number(struct str bytes)
{
	int64_t n, back;
	char text[TIME_TEXT_BYTES], duration[32];
	if (bytes.len < sizeof(n))
		return;
	memcpy(&n, bytes.ptr, sizeof(n));
	time_text(n, text);
	CHECK(strlen(text) == TIME_TEXT_BYTES - 1);
	if (n >= 0 && n < INT64_C(253402300800000000)) {
		enum err err = time_parse(str_of(text), &back);
		CHECK(err == E_OK);
		CHECK(back == n - n % 1000);
	}
	duration_text(n, duration);
	CHECK(strlen(duration) < sizeof(duration));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = fuzz_str(data, size);
	fuzz_instant(text);
	fuzz_duration(text);
	fuzz_uid(text);
	fuzz_integer(text);
	fuzz_number(text);
	return 0;
}
