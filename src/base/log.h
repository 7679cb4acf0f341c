/* src/base/log.h: one line an event: a name from a fixed vocabulary plus fields; logfmt text on a terminal, JSON otherwise.
 * The shell (daemon, cli) logs; libraries return. Thread-safe. Never a payload, a token or a secret.
 *
 * A cause that repeats is printed once per 10 s with a count: for warnings and errors, a cause is the event's name with its
 * first field's value. What was held back is told when the window is over and something is logged, or by log_flush. */
#pragma once
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(int fd, enum log_level least, enum log_format format); /* before it: stderr, LOG_INFO, LOG_TEXT */
/* log_event(LOG_INFO, "store.open", "path", path, "jobs", log_i64(n), NULL): pairs of C strings, ended by NULL. Values are
 * quoted or escaped as the format needs, and cut at 2,048 bytes. A NULL value is written as an empty one, so the name of each
 * pair decides where the list ends. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));
void log_flush(void); /* before the process ends: tells what repeated */
/* Numbers as text, in one of eight rotating thread-local buffers; written as numbers in JSON. */
const char *log_i64(int64_t n);
const char *log_str(struct str s); /* cut at 255 bytes; eight rotating buffers of its own */
void log_use_clocks(int64_t (*wall_us)(void), int64_t (*mono_us)(void)); /* for tests of the 10 s */
