#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/time_text.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#define LOG_LINE_BYTES  16384u
#define LOG_VALUE_BYTES 2048u /* longer values are cut */
#define LOG_TAIL_BYTES  64u   /* of a line, kept for its end */
#define LOG_NUMBERS     8u
#define LOG_NUMBER_BYTES 21u  /* "-9223372036854775808" and NUL */
#define LOG_STR_BYTES   256u
#define LOG_CAUSES      64u
#define LOG_REPEAT_US   INT64_C(10000000)

struct log_cause {
	uint64_t key; /* 0: free */
	int64_t since_us;
	uint64_t held_back;
	enum log_level level;
	char event[48];
};
static struct log_state {
	pthread_mutex_t lock;
	int fd;
	enum log_level least;
	enum log_format format;
	int64_t (*wall_us)(void), (*mono_us)(void);
	struct log_cause causes[LOG_CAUSES];
	char line[LOG_LINE_BYTES]; /* a buf stands on it; logging allocates nothing */
} log_state = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.fd = STDERR_FILENO,
		.least = LOG_INFO,
		.wall_us = clock_wall_us,
		.mono_us = clock_mono_us };

static _Thread_local char log_numbers[LOG_NUMBERS][LOG_NUMBER_BYTES];
static _Thread_local char log_strings[LOG_NUMBERS][LOG_STR_BYTES];
static _Thread_local unsigned log_number_next, log_string_next;

void log_setup(int fd, enum log_level least, enum log_format format)
{
	pthread_mutex_lock(&log_state.lock);
	log_state.fd = fd;
	log_state.least = least;
	log_state.format = format;
	memset(log_state.causes, 0, sizeof(log_state.causes));
	pthread_mutex_unlock(&log_state.lock);
}

void log_use_clocks(int64_t (*wall_us)(void), int64_t (*mono_us)(void))
{
	pthread_mutex_lock(&log_state.lock);
	log_state.wall_us = wall_us;
	log_state.mono_us = mono_us;
	pthread_mutex_unlock(&log_state.lock);
}

const char *log_i64(int64_t n)
{
	char *out = log_numbers[log_number_next++ % LOG_NUMBERS];
	struct buf buf = { .ptr = out, .capacity = LOG_NUMBER_BYTES, .max_bytes = LOG_NUMBER_BYTES };
	buf_add_i64(&buf, n);
	buf_add_byte(&buf, '\0');
	return out;
}

const char *log_str(struct str s)
{
	char *out = log_strings[log_string_next++ % LOG_NUMBERS];
	s = str_cut(s, LOG_STR_BYTES - 1);
	if (s.len)
		memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return out;
}

/* Values made by log_i64 are numbers in JSON, which is seen by where they stand. */
static bool log_is_number(const char *value)
{
	uintptr_t at = (uintptr_t)value, first = (uintptr_t)log_numbers;
	return at >= first && at < first + sizeof(log_numbers);
}

static bool log_is_plain(struct str value) /* logfmt writes it without quotes */
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
			return false;
	}
	return value.len > 0 && str_is_utf8(value);
}

static void log_put_pair(struct buf *line, enum log_format format, const char *key, const char *value)
{
	size_t before = line->len;
	struct str text = str_cut(str_of(value ? value : ""), LOG_VALUE_BYTES);
	if (format == LOG_JSON) {
		json_put_key(line, key);
	} else {
		buf_add_byte(line, ' ');
		buf_add(line, str_of(key));
		buf_add_byte(line, '=');
	}
	if (format == LOG_JSON ? value && log_is_number(value) : log_is_plain(text))
		buf_add(line, text);
	else
		json_put_str(line, text);
	if (!buf_ok(line)) { /* the line is full: drop the pair whole */
		line->len = before;
		line->failed = false;
	}
}

static void log_begin(struct buf *line, enum log_level level, const char *event)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static const char *const columns[] = { " DEBUG ", " INFO  ", " WARN  ", " ERROR " };
	char at[TIME_TEXT_BYTES];
	*line = (struct buf){ .ptr = log_state.line,
			      .capacity = LOG_LINE_BYTES,
			      .max_bytes = LOG_LINE_BYTES - LOG_TAIL_BYTES };
	line->capacity = line->max_bytes;
	time_text(log_state.wall_us(), at);
	if (log_state.format == LOG_JSON) {
		buf_add_byte(line, '{');
		json_put_field_str(line, "at", str_of(at));
		json_put_field_str(line, "level", str_of(names[level]));
		json_put_field_str(line, "event", str_of(event));
	} else {
		buf_add(line, str_of(at));
		buf_add(line, str_of(columns[level]));
		buf_add(line, str_of(event));
	}
}

static void log_end(struct buf *line)
{
	line->capacity = line->max_bytes = LOG_LINE_BYTES; /* the tail kept for this */
	if (log_state.format == LOG_JSON)
		buf_add_byte(line, '}');
	buf_add_byte(line, '\n');
	struct str left = buf_str(line);
	while (left.len) {
		ssize_t written = write(log_state.fd, left.ptr, left.len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return; /* a log that cannot be written stops nothing */
		left = str_from(left, (size_t)written);
	}
}

static void log_tell_held_back(struct log_cause *cause)
{
	if (cause->held_back) {
		struct buf line;
		log_begin(&line, cause->level, cause->event);
		log_put_pair(&line, log_state.format, "repeated", log_i64((int64_t)cause->held_back));
		log_end(&line);
	}
	*cause = (struct log_cause){ 0 };
}

/* Closes windows that are over, then: is this cause's window open? If not, opens one. The oldest window makes room. */
static bool log_hold_back(enum log_level level, const char *event, const char *first_value)
{
	int64_t now_us = log_state.mono_us();
	uint64_t key = str_hash(str_of(event), level) ^ str_hash(str_of(first_value ? first_value : ""), 1);
	key += key == 0;
	struct log_cause *place = &log_state.causes[0], *known = NULL;
	for (size_t i = 0; i < LOG_CAUSES; i++) {
		struct log_cause *cause = &log_state.causes[i];
		if (cause->key && now_us - cause->since_us >= LOG_REPEAT_US)
			log_tell_held_back(cause);
		if (cause->key == key)
			known = cause;
		if (place->key && (!cause->key || cause->since_us < place->since_us))
			place = cause;
	}
	if (known) {
		known->held_back++;
		return true;
	}
	log_tell_held_back(place);
	place->key = key;
	place->since_us = now_us;
	place->level = level;
	struct str name = str_cut(str_of(event), sizeof(place->event) - 1);
	memcpy(place->event, name.ptr, name.len);
	return false;
}

void log_event(enum log_level level, const char *event, ...)
{
	va_list args;
	pthread_mutex_lock(&log_state.lock);
	if (level < log_state.least) {
		pthread_mutex_unlock(&log_state.lock);
		return;
	}
	va_start(args, event);
	bool has_pair = va_arg(args, const char *) != NULL;
	const char *first_value = has_pair ? va_arg(args, const char *) : NULL;
	va_end(args);
	if (level < LOG_WARN || !log_hold_back(level, event, first_value)) {
		struct buf line;
		log_begin(&line, level, event);
		va_start(args, event);
		for (const char *key; (key = va_arg(args, const char *)) != NULL;)
			log_put_pair(&line, log_state.format, key, va_arg(args, const char *));
		va_end(args);
		log_end(&line);
	}
	pthread_mutex_unlock(&log_state.lock);
}

void log_flush(void)
{
	pthread_mutex_lock(&log_state.lock);
	for (size_t i = 0; i < LOG_CAUSES; i++)
		log_tell_held_back(&log_state.causes[i]);
	pthread_mutex_unlock(&log_state.lock);
}
