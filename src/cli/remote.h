/* src/cli/remote.h: the daemon as a command sees it: where it is, who we are, one call after the other. A refusal or a fault is
 * said on stderr in one line, with what to do, and becomes the exit code of err.def. */
#pragma once
#include "base/arena.h"
#include "cli/args.h"
#include "cli/bar.h"
#include "http/client.h"

/* What every command that talks to a daemon takes; stands at the end of its options. */
#define REMOTE_OPTIONS                                                                                                          \
	{ "url", 0, "URL", "where the daemon listens (RUCHE_URL; http://127.0.0.1:8420 or unix:/path)", NULL, false },           \
	{ "token", 0, "TOKEN", "who we are (RUCHE_TOKEN, or a file: RUCHE_TOKEN_FILE)", NULL, false },                           \
	{ "namespace", 0, "NAME", "of the queues named (RUCHE_NAMESPACE; default)", NULL, false }
#define JSON_OPTION { "json", 0, NULL, "print the answer as JSON", NULL, false }

struct remote {
	const struct cli_command *command;
	struct str base;      /* "http://127.0.0.1:8420", without a slash at the end; a slice of what the user wrote */
	const char *where;    /* as the user wrote it, for messages */
	const char *space;    /* namespace, or NULL */
	struct http_caller *caller;
	struct arena arena;   /* of answers: long-running commands reset it in between */
	struct buf path, body; /* of the next call: reset by remote_begin */
	const volatile sig_atomic_t *stop;
	struct bar bar;       /* of long work; wiped before anything is said */
	int code;             /* of what went wrong last */
};

/* Answers 0 or the exit code, which has been explained. remote_close is always right after it. */
int remote_open(struct remote *remote, const struct args *args);
void remote_close(struct remote *remote);

/* A whole command: takes argv apart by the row that argv[0] names, opens, acts, closes. Answers the exit code. */
int remote_run(int argc, char **argv, int (*act)(struct remote *remote, const struct args *args));

/* Builds a path: remote_begin(remote), remote_path(remote, "/v1/queues/"), remote_piece(remote, name), … */
void remote_begin(struct remote *remote);
void remote_path(struct remote *remote, const char *literal);
void remote_piece(struct remote *remote, struct str text);                     /* percent-encoded */
void remote_query(struct remote *remote, const char *name, const char *value); /* `?name=value` or `&name=value`; NULL value: nothing */
/* Sends what was built, with remote->body when that is not empty. The answer's body, in the arena, when its status is 2xx; otherwise
 * it says what happened and *out is untouched. */
int remote_call(struct remote *remote, const char *method, struct str *out);
/* The same for a call that the daemon lets wait so long. */
int remote_call_waiting(struct remote *remote, const char *method, int64_t wait_ms, struct str *out);
/* The same without a word on stderr: *status is 0 when nothing answered, and the problem says why. For commands that go on. */
enum err remote_try(struct remote *remote, const char *method, int64_t timeout_ms, int *status, struct str *out, struct problem *problem);
/* Says on stderr what a problem+json answer, or a fault, means. Answers the exit code. */
int remote_explain(struct remote *remote, int status, struct str body);
int remote_fault(struct remote *remote, enum err err, const struct problem *problem);
/* Streams a GET (events) to on_bytes until it answers false. */
int remote_stream(struct remote *remote, const char *last_event_id, bool (*on_bytes)(void *context, struct str bytes), void *context);

/* A job named on the command line, "UID" or "QUEUE/ID": its uid, in the arena. Asks the daemon only for the second form. */
int remote_job(struct remote *remote, const char *name, struct str *out_uid);
/* A queue's path piece: its name, with the namespace as the API wants it. */
void remote_queue(struct remote *remote, const char *verb_path, struct str queue, const char *tail);

/* With --json: prints the answer as it came, and there is nothing more to say. */
bool remote_printed(const struct args *args, struct str answer);
/* Says on stderr how to have the next page of a list, where there is one. */
void remote_print_more(struct remote *remote, struct str answer);
/* A page of a list, at the path that was built: asks for it, has it printed, and says how to have the next one. Answers the exit code. */
int remote_page(struct remote *remote, const struct args *args, void (*print)(struct remote *remote, struct str body));
struct table;
void remote_print_table(const struct table *table, const char *nothing); /* to stdout; `nothing` instead of a table without rows */

/* Whether to draw colours or bars on this stream: a terminal, and NO_COLOR is not set. */
bool remote_is_fancy(FILE *stream);
