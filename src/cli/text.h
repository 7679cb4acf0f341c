/* src/cli/text.h: files, standard input and instants, as commands need them. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include <stdio.h>

/* The whole file, "-" for standard input, appended to out. On failure says why on stderr for `command` and answers its exit code. */
int text_read(const char *command, const char *path, struct buf *out);
/* "2 min ago", "in 3 s", from RFC 3339 text; the text itself when it cannot be read. */
struct str text_ago(struct str instant, int64_t now_us, struct arena *arena);
/* A JSON array of strings as "a, b"; other values as they are, strings decoded, null as nothing. */
struct str text_plain(struct str json, struct arena *arena);
/* What others said: characters that could steer a terminal are shown as '?', but for a tab and the end of a line. */
void text_put(FILE *out, struct str text);
/* Who names a format or a secret, of its answer's named_by: "crm, in/github, and 3 more". */
struct str text_namers(struct str answer, struct arena *arena);
/* Asks on the terminal; true for y or yes. Without a terminal: false, after saying that --yes is needed. */
bool text_confirm(const char *command, const char *question);
