/* src/cli/named.h: what the commands of named things do alike (endpoints, sources, formats, secrets, event types, limits). `path` is where the things
 * are, with a slash at the end ("/v1/endpoints/"); the name is the command's first word. Each answers the exit code; what went wrong has been explained. */
#pragma once
#include "cli/remote.h"

/* Begins a call: the thing itself, or what stands behind it ("/pause"; ""), in the namespace that was asked for. */
void named_address(struct remote *remote, const char *path, const char *name, const char *tail);
/* `ruche endpoints`, `ruche endpoints list`: a page of /v1/<many>. */
int named_list(struct remote *remote, const struct args *args, const char *many, void (*print)(struct remote *remote, struct str body));
/* Puts settings: --file whole, or what `put_words` makes of the words (into remote->body) over what is there, or as new where the daemon says `missing`. */
int named_put(struct remote *remote, const struct args *args, const char *path, enum err missing,
              int (*put_words)(struct remote *remote, const struct args *args), struct str *out);
int named_put_words(struct remote *remote, const struct args *args); /* KEY=VALUE */
/* Asks first, unless --yes was said. */
int named_delete(struct remote *remote, const struct args *args, const char *path, const char *question);
/* Says to whoever is at the path that was built that nothing starts for args->words[1] milliseconds; `who` is for people. */
int named_back_off(struct remote *remote, const struct args *args, const char *who);
/* `settings` of the answer, as `ruche … set` takes them. */
void named_print_settings(struct remote *remote, struct str body);
