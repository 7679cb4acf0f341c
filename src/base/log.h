/* src/base/log.h: one line an event: a name from a fixed vocabulary plus fields; logfmt text on a terminal, JSON otherwise.
 * The shell (daemon, cli) logs; libraries return. A cause that repeats is printed once per 10 s with a count. Thread-safe.
 * Never a payload, a token or a secret. */
#pragma once
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(int fd, enum log_level least, enum log_format format);
/* log_event(LOG_INFO, "store.open", "path", path, "jobs", log_i64(n), NULL): pairs of C strings, ended by NULL. Values are
 * quoted or escaped as the format needs. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));
/* Numbers as text, in one of eight rotating thread-local buffers. */
const char *log_i64(int64_t n);
const char *log_str(struct str s); /* cut at 255 bytes */
