/* src/daemon/config.h: what an operator may say about the daemon: one table of keys. A key is a line of the file, an environment
 * variable and a flag:
 *
 *     http.body_bytes     [http]                 RUCHE_HTTP_BODY_BYTES=8MiB     --http-body-bytes 8MiB
 *                         body_bytes = "8MiB"
 *
 * Later ones win: the default, the file, a systemd credential (secret keys), the environment, the flag. RUCHE_X_FILE names a file that
 * holds the value of RUCHE_X. A key that is not in the table is an error that names the place and the nearest key. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "cli/cli.h"

struct args;

enum config_type {
	CONFIG_TEXT,     /* const char *; "" when not set */
	CONFIG_BOOL,     /* bool */
	CONFIG_COUNT,    /* int64_t */
	CONFIG_BYTES,    /* int64_t; "64MiB" */
	CONFIG_DURATION, /* int64_t milliseconds; "30s" */
	CONFIG_CHOICE,   /* int: which of the words */
	CONFIG_LIST,     /* struct config_list; ["a", "b"] in the file, a,b in the environment, the flag given again and again */
};
struct config_list {
	const char *const *items;
	uint32_t count;
};
#define CONFIG_RELOADS 1u /* taken over on SIGHUP */
#define CONFIG_SECRET  2u /* never printed; a flag would show it to everybody, so it has none */

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* FIELD and name in capitals, key, type, default, least and most, flags, words of a choice or the shape of a value, what it says */
#define CONFIG_KEYS(X)                                                                                                        \
	X(store_path, STORE_PATH, "store.path", TEXT, "./ruche.db", 0, 0, 0, "FILE",                                          \
	  "The file of the store; beside it live its -wal, -shm and -lock files")                                             \
	X(store_reserve_bytes, STORE_RESERVE_BYTES, "store.reserve_bytes", BYTES, "8MiB", 0, 64 * GIB, 0, "BYTES",            \
	  "Disk kept free for completions: enqueues are refused (507) before it is touched")                                  \
	X(ephemeral, EPHEMERAL, "ephemeral", BOOL, "false", 0, 0, 0, NULL,                                                    \
	  "Losing the store is fine: allows a tmpfs or a container's overlay")                                                \
	X(listen, LISTEN, "listen", LIST, "127.0.0.1:8420", 0, 16, 0, "ADDRESS",                                              \
	  "Where to listen: HOST:PORT, [IPV6]:PORT or unix:/PATH")                                                            \
	X(admin_token, ADMIN_TOKEN, "admin.token", TEXT, "", 0, 0, CONFIG_SECRET, "TOKEN",                                    \
	  "The admin token of a store that has no token yet; without it one is made and printed once")                        \
	X(secrets_path, SECRETS_PATH, "secrets.path", TEXT, "", 0, 0, 0, "FILE",                                              \
	  "Where named secrets are: a JSON file, or a directory with a file each; looked at twice a second")                  \
	X(secrets_key_file, SECRETS_KEY_FILE, "secrets.key_file", TEXT, "", 0, 0, 0, "FILE",                                  \
	  "The keys that secrets in the store are sealed under; by default beside the store, with .key behind its name")      \
	X(core_dumps, CORE_DUMPS, "core_dumps", BOOL, "false", 0, 0, 0, NULL,                                                 \
	  "Allow core dumps, and debuggers of the same user: both show secrets")                                              \
	X(log_level, LOG_LEVEL, "log.level", CHOICE, "info", 0, 0, CONFIG_RELOADS, "debug info warn error",                   \
	  "The least that is logged")                                                                                         \
	X(log_format, LOG_FORMAT, "log.format", CHOICE, "auto", 0, 0, 0, "auto text json",                                    \
	  "One line an event; auto: text on a terminal, JSON otherwise")                                                      \
	X(http_body_bytes, HTTP_BODY_BYTES, "http.body_bytes", BYTES, "4MiB", 1024, LIMIT_BODY_MAX, 0, "BYTES",               \
	  "The largest body of a request (413 above)")                                                                        \
	X(http_body_memory, HTTP_BODY_MEMORY, "http.body_memory", BYTES, "256MiB", MIB, 64 * GIB, 0, "BYTES",                 \
	  "Bodies of all requests together until their answers (503 above); senders without a token have half of it")         \
	X(http_header_bytes, HTTP_HEADER_BYTES, "http.header_bytes", BYTES, "16KiB", 1024, 256 * KIB, 0, "BYTES",             \
	  "The largest head of a request (431 above)")                                                                        \
	X(http_header_ms, HTTP_HEADER_MS, "http.header_ms", DURATION, "10s", 100, 600000, 0, "TIME",                          \
	  "Time for the head of a request to come (408 after)")                                                               \
	X(http_body_idle_ms, HTTP_BODY_IDLE_MS, "http.body_idle_ms", DURATION, "10s", 100, 600000, 0, "TIME",                 \
	  "Time without a byte of a body that is not whole yet")                                                              \
	X(http_body_rate_bytes, HTTP_BODY_RATE_BYTES, "http.body_rate_bytes", BYTES, "1KiB", 0, MIB, 0, "BYTES",              \
	  "The least a body must bring each second once 5 s have passed")                                                     \
	X(http_idle_ms, HTTP_IDLE_MS, "http.idle_ms", DURATION, "75s", 1000, 86400000, 0, "TIME",                             \
	  "Time a connection may be idle between requests")                                                                   \
	X(http_write_idle_ms, HTTP_WRITE_IDLE_MS, "http.write_idle_ms", DURATION, "30s", 100, 600000, 0, "TIME",              \
	  "Time a client may take nothing of its answer")                                                                     \
	X(http_connections, HTTP_CONNECTIONS, "http.connections", COUNT, "20000", 1, 1000000, 0, "N",                         \
	  "Connections in all (503 above)")                                                                                   \
	X(http_connections_per_address, HTTP_CONNECTIONS_PER_ADDRESS, "http.connections_per_address", COUNT, "20000", 0, 1000000, 0, \
	  "N", "Connections of one address; 0: no limit")                                                                     \
	X(http_pipelined, HTTP_PIPELINED, "http.pipelined", COUNT, "64", 1, 10000, 0, "N",                                    \
	  "Unanswered requests of a connection before it is no longer read")                                                  \
	X(deliver_allow, DELIVER_ALLOW, "deliver.allow", LIST, "", 0, 256, CONFIG_RELOADS, "RANGE|HOST",                      \
	  "Private addresses that deliveries may call: ranges such as 10.0.0.0/8, names such as crm.internal and .internal")  \
	X(deliver_allow_self, DELIVER_ALLOW_SELF, "deliver.allow_self", BOOL, "false", 0, 0, CONFIG_RELOADS, NULL,            \
	  "Deliveries may also call this daemon's own listeners, where deliver.allow holds them")                             \
	X(deliver_https_only, DELIVER_HTTPS_ONLY, "deliver.https_only", BOOL, "false", 0, 0, CONFIG_RELOADS, NULL,            \
	  "Deliveries call https URLs only: http is refused where an endpoint is put, and at every attempt")                  \
	X(deliver_ports, DELIVER_PORTS, "deliver.ports", LIST, "", 0, 64, CONFIG_RELOADS, "PORTS",                            \
	  "The only ports that deliveries may call, such as 443 or 8000-8999; none named: all")                               \
	X(deliver_in_flight, DELIVER_IN_FLIGHT, "deliver.in_flight", COUNT, "256", 1, 10000, 0, "N",                          \
	  "Deliveries running at once")                                                                                       \
	X(deliver_host_connections, DELIVER_HOST_CONNECTIONS, "deliver.host_connections", COUNT, "64", 1, 10000, 0, "N",      \
	  "Connections to one host")                                                                                          \
	X(deliver_connect_ms, DELIVER_CONNECT_MS, "deliver.connect_ms", DURATION, "10s", 100, 600000, 0, "TIME",              \
	  "Time for a connection to be made, never above the job's time-out")                                                 \
	X(deliver_proxy, DELIVER_PROXY, "deliver.proxy", TEXT, "", 0, 0, 0, "URL",                                            \
	  "A proxy for deliveries: private addresses are then the proxy's to refuse")                                         \
	X(deliver_no_proxy, DELIVER_NO_PROXY, "deliver.no_proxy", LIST, "", 0, 256, CONFIG_RELOADS, "HOST",                   \
	  "Hosts called past the proxy, under the rules for addresses: intra.example (and below), .example, 10.0.0.0/8")      \
	X(deliver_ca_file, DELIVER_CA_FILE, "deliver.ca_file", TEXT, "", 0, 0, 0, "FILE",                                     \
	  "Certificates trusted by deliveries (PEM); the system's by default")                                                \
	X(engine_backlog_max, ENGINE_BACKLOG_MAX, "engine.backlog_max", COUNT, "0", 0, INT64_MAX, 0, "N",                     \
	  "Live jobs above which enqueues are refused (503 backlog_full); 0: no limit")                                       \
	X(engine_pending_bytes, ENGINE_PENDING_BYTES, "engine.pending_bytes", BYTES, "256MiB", MIB, 64 * GIB, 0, "BYTES",     \
	  "Requests accepted and not yet applied, above which more are refused (503)")                                        \
	X(engine_event_rows, ENGINE_EVENT_ROWS, "engine.event_rows", COUNT, "100000", 1000, 100000000, 0, "N",                \
	  "Kept event rows (one a queue and commit), for those who resume a stream")                                          \
	X(engine_event_age_ms, ENGINE_EVENT_AGE_MS, "engine.event_age_ms", DURATION, "1d", 60000, LIMIT_DURATION_MS, 0, "TIME", \
	  "Age at which event rows go")                                                                                       \
	X(engine_idempotency_age_ms, ENGINE_IDEMPOTENCY_AGE_MS, "engine.idempotency_age_ms", DURATION, "1d", 60000, LIMIT_DURATION_MS, \
	  0, "TIME", "How long an Idempotency-Key is remembered")                                                             \
	X(webhooks_message_age_ms, WEBHOOKS_MESSAGE_AGE_MS, "webhooks.message_age_ms", DURATION, "30d", 60000, LIMIT_DURATION_MS, 0, "TIME", \
	  "How long a message is kept, for repeats of its key and for replays; as long as its deliveries are kept in any case")  \
	X(webhooks_types, WEBHOOKS_TYPES, "webhooks.types", CHOICE, "free", 0, 0, 0, "free listed",                           \
	  "Which types messages may have, and endpoints name: any, or only those in the catalogue of event types")             \
	X(webhooks_guesses_per_minute, WEBHOOKS_GUESSES_PER_MINUTE, "webhooks.guesses_per_minute", COUNT, "10", 0, 1000000, 0, "N", \
	  "Wrong passwords of one address for a source of incoming webhooks, before it must wait (429); 0: no limit")         \
	X(formats_helper, FORMATS_HELPER, "formats.helper", TEXT, "", 0, 0, 0, "FILE",                                        \
	  "The program that runs formats; by default the ruche-jq beside this program")                                       \
	X(formats_helpers, FORMATS_HELPERS, "formats.helpers", COUNT, "2", 1, 16, 0, "N",                                     \
	  "Processes that run formats at once; they begin with the first format and end when there is nothing to do")        \
	X(formats_cpu_ms, FORMATS_CPU_MS, "formats.cpu_ms", DURATION, "1s", 10, 60000, 0, "TIME",                             \
	  "Processor time that a format may take for one message; one that takes more is stopped")                            \
	X(formats_wall_ms, FORMATS_WALL_MS, "formats.wall_ms", DURATION, "2s", 10, 600000, 0, "TIME",                         \
	  "Time that a format may take for one message in all")                                                               \
	X(api_cache_bytes, API_CACHE_BYTES, "api.cache_bytes", BYTES, "8MiB", 0, 64 * GIB, 0, "BYTES",                        \
	  "Memory for payloads just enqueued, so that claims need no read")                                                   \
	X(shutdown_grace_ms, SHUTDOWN_GRACE_MS, "shutdown.grace_ms", DURATION, "10s", 0, 3600000, 0, "TIME",                  \
	  "How long running requests and deliveries may go on after SIGTERM")

#define X(field, NAME, ...) CONFIG_##NAME,
enum config_key { CONFIG_KEYS(X) CONFIG_KEY_COUNT };
#undef X

enum config_origin_kind { CONFIG_BY_DEFAULT, CONFIG_BY_FILE, CONFIG_BY_CREDENTIAL, CONFIG_BY_ENVIRONMENT, CONFIG_BY_FLAG };
struct config_origin {
	enum config_origin_kind kind;
	const char *where; /* "ruche.conf:12", "RUCHE_LISTEN", "--listen"; "default" */
};

#define CONFIG_C_TEXT     const char *
#define CONFIG_C_BOOL     bool
#define CONFIG_C_COUNT    int64_t
#define CONFIG_C_BYTES    int64_t
#define CONFIG_C_DURATION int64_t
#define CONFIG_C_CHOICE   int
#define CONFIG_C_LIST     struct config_list

struct config {
#define X(field, NAME, key, TYPE, ...) CONFIG_C_##TYPE field;
	CONFIG_KEYS(X)
#undef X
	struct config_origin origins[CONFIG_KEY_COUNT];
	const char *file; /* that was read, or NULL */
	struct arena arena; /* of every text above */
};

struct config_row { /* the table, for help, documents and tests */
	const char *key;
	enum config_type type;
	const char *initial;
	int64_t least, most;
	unsigned flags;
	const char *words;
	const char *doc;
	size_t offset;
};
extern const struct config_row config_rows[CONFIG_KEY_COUNT];
void config_environment_name(enum config_key key, char out[64]); /* RUCHE_HTTP_BODY_BYTES */
void config_flag_name(enum config_key key, char out[64]);        /* http-body-bytes, without dashes; "" for secrets */

/* The flags of all keys, after those of `more` (ended by a NULL name, or NULL); made once, for a row of the command table. */
const struct cli_option *config_options(const struct cli_option *more);

/* args may be NULL; environment as environ. E_CONFIG and the like: the problem's field is the place ("ruche.conf:12",
 * "RUCHE_LISTEN", "--listen"); nothing is kept. */
MUST_USE enum err config_load(struct config *out, const struct args *args, char *const *environment, struct problem *problem);
void config_fini(struct config *config);
bool config_same(const struct config *a, const struct config *b, enum config_key key); /* the same value, wherever it comes from */
/* Variables that begin with RUCHE_ and mean nothing to any part of ruche: probably misspelt. The n-th of them with the nearest one that
 * does, or NULL when there are no more. */
const char *config_strange_variable(char *const *environment, uint32_t n, const char **out_near);

/* One line a key in the file's own syntax, with its documentation when asked, and its origin. Secrets are shown as "…". */
struct config_print {
	bool origin, doc, defaults; /* defaults: those instead, commented out: a file to start from */
};
void config_print(const struct config *config, const struct config_print *how, struct buf *out);
void config_print_json(const struct config *config, struct buf *out);
/* What can be seen to be a bad idea or wrong beyond each key alone; one sentence each. Returns how many there are; the n-th one. */
const char *config_warning(const struct config *config, uint32_t n, char out[256]);
