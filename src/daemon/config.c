#include "daemon/config.h"
#include "api/auth.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "cli/args.h"
#include "daemon/config_file.h"
#include "net/host_match.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CONFIG_FILE_BYTES  (256 * 1024) /* of the file, and of a value kept in one */
#define CONFIG_LIST_ITEMS  CONFIG_FILE_ITEMS

#define X(name, NAME, key_text, TYPE, default_text, low, high, bits, word_list, text) \
	[CONFIG_##NAME] = { .key = key_text, .type = CONFIG_##TYPE, .initial = default_text, .least = low, .most = high, .flags = bits, \
			    .words = word_list, .doc = text, .offset = offsetof(struct config, name) },
const struct config_row config_rows[CONFIG_KEY_COUNT] = { CONFIG_KEYS(X) };
#undef X

/* Variables of the client's commands and of whoever starts us: known, though they are no keys. A daemon may itself be started by a
 * command of `ruche work`, which tells it about a job. */
static const char *const config_other_variables[] = { "RUCHE_CONFIG", "RUCHE_URL", "RUCHE_TOKEN", "RUCHE_TOKEN_FILE", "RUCHE_NAMESPACE" };

/* ---- names ---- */

static void config_name(enum config_key key, const char *prefix, char dot, bool upper, char out[64])
{
	size_t at = strlen(prefix);
	memcpy(out, prefix, at);
	for (const char *next = config_rows[key].key; *next && at < 63; next++) {
		char c = *next == '.' || *next == '_' ? dot : *next;
		out[at++] = upper ? (char)toupper((unsigned char)c) : c;
	}
	out[at] = '\0';
}

void config_environment_name(enum config_key key, char out[64])
{
	config_name(key, "RUCHE_", '_', true, out);
}

void config_flag_name(enum config_key key, char out[64])
{
	if (config_rows[key].flags & CONFIG_SECRET)
		out[0] = '\0';
	else
		config_name(key, "", '-', false, out);
}

const struct cli_option *config_options(const struct cli_option *more)
{
	size_t count = 0, at = 0;
	while (more && more[count].name)
		count++;
	struct cli_option *options = mem_zalloc_array(count + CONFIG_KEY_COUNT + 3, sizeof(*options));
	char(*names)[64] = mem_zalloc_array(CONFIG_KEY_COUNT, sizeof(*names));
	if (!options || !names)
		return more;
	for (; at < count; at++)
		options[at] = more[at];
	options[at++] = (struct cli_option){ .name = "config", .letter = 'c', .value = "FILE", .help = "Read the configuration from this file",
					     .words = "@files" };
	options[at++] = (struct cli_option){ .name = "store", .value = "FILE", .help = "The same as --store-path", .words = "@files" };
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++) {
		const struct config_row *row = &config_rows[key];
		config_flag_name(key, names[key]);
		if (!names[key][0])
			continue;
		bool choice = row->type == CONFIG_CHOICE;
		char *help = choice ? mem_zalloc(strlen(row->doc) + strlen(row->words) + 4) : NULL;
		if (help) /* "The least that is logged (debug info warn error)" */
			sprintf(help, "%s (%s)", row->doc, row->words);
		options[at++] = (struct cli_option){ .name = names[key], .value = row->type == CONFIG_BOOL ? NULL : choice ? "WORD" : row->words,
						     .help = help ? help : row->doc, .words = choice ? row->words : NULL, .repeats = row->type == CONFIG_LIST };
	}
	return options;
}

/* ---- values ---- */

static void *config_field(struct config *config, enum config_key key)
{
	return (char *)config + config_rows[key].offset;
}

static bool config_bool(struct str text, bool *out)
{
	*out = str_eq_nocase(text, STR("true")) || str_eq_nocase(text, STR("yes")) || str_eq_nocase(text, STR("on")) || str_eq(text, STR("1"));
	return *out || str_eq_nocase(text, STR("false")) || str_eq_nocase(text, STR("no")) || str_eq_nocase(text, STR("off")) ||
	       str_eq(text, STR("0"));
}

/* "4096", "64KiB", "8 MiB", "1g" */
static bool config_bytes(struct str text, int64_t *out)
{
	static const struct {
		const char *name;
		int64_t bytes;
	} units[] = { { "", 1 }, { "b", 1 }, { "k", KIB }, { "kib", KIB }, { "m", MIB }, { "mib", MIB }, { "g", GIB }, { "gib", GIB } };
	size_t digits = 0;
	while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
		digits++;
	int64_t number;
	if (!str_i64((struct str){ text.ptr, digits }, &number))
		return false;
	struct str unit = str_trim(str_from(text, digits));
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if (str_eq_nocase(unit, str_of(units[i].name)))
			return !__builtin_mul_overflow(number, units[i].bytes, out);
	}
	return false;
}

static bool config_choice(const char *words, struct str text, int *out)
{
	int at = 0;
	for (struct str left = str_of(words); left.len; at++) {
		size_t end = str_index(left, ' ');
		if (str_eq((struct str){ left.ptr, end }, text)) {
			*out = at;
			return true;
		}
		left = str_from(left, end + 1);
	}
	return false;
}

static enum err config_out_of_range(const struct config_row *row, struct problem *problem, const char *where, const char *text)
{
	char least[32], most[32];
	if (row->type == CONFIG_DURATION) {
		duration_text(row->least, least);
		duration_text(row->most, most);
	} else {
		snprintf(least, sizeof(least), "%lld", (long long)row->least);
		snprintf(most, sizeof(most), "%lld", (long long)row->most);
	}
	return problem_set(problem, E_CONFIG, where, "%s: %s is outside %s to %s.", row->key, text, least, most);
}

static enum err config_set_number(struct config *config, enum config_key key, const char *text, const char *where, struct problem *problem)
{
	const struct config_row *row = &config_rows[key];
	int64_t number = 0;
	struct str trimmed = str_trim(str_of(text));
	bool ok = row->type == CONFIG_BYTES ? config_bytes(trimmed, &number)
		: row->type == CONFIG_COUNT ? str_i64(trimmed, &number)
					    : duration_parse(trimmed, &number) == E_OK;
	if (!ok) {
		const char *form = row->type == CONFIG_BYTES	? "bytes: 65536, 64KiB, 8MiB or 1GiB"
				   : row->type == CONFIG_COUNT ? "a whole number"
							       : "a span of time: 500ms, 30s, 5m, 1h30m or 7d";
		return problem_set(problem, E_CONFIG, where, "%s: '%s' is not %s.", row->key, text, form);
	}
	if (number < row->least || number > row->most)
		return config_out_of_range(row, problem, where, text);
	*(int64_t *)config_field(config, key) = number;
	return E_OK;
}

/* Names mean private networks only, however their DNS answers. So one that can mean nothing else than loopback, or everything, permits nothing. */
static enum err config_check_allowed(struct str text, struct problem *why)
{
	static const struct host_match localhost = { .kind = HOST_NAME, .len = 9, .name = "localhost" };
	struct host_match host;
	enum err err = host_match_parse(text, &host, why);
	if (!err && host.kind == HOST_ALL)
		return problem_set(why, E_INVALID, "", "'*' is not taken: 0.0.0.0/0 and ::/0 let everything be called, cloud metadata and localhost included.");
	if (!err && host.kind != HOST_RANGE && host_match_any(&localhost, 1, (struct str){ host.name, host.len }, true))
		return problem_set(why, E_INVALID, "", "'" STR_FMT "': a name does not permit loopback: write 127.0.0.0/8 or ::1.", STR_ARG(text));
	return err;
}

static enum err config_set_item(struct config *config, enum config_key key, const char *text, const char *where, struct problem *problem)
{
	struct config_list *list = config_field(config, key);
	struct problem why = { 0 };
	struct port_range ports;
	struct host_match host;
	struct address address;
	enum err err = key == CONFIG_DELIVER_ALLOW ? config_check_allowed(str_of(text), &why)
		     : key == CONFIG_DELIVER_PORTS ? port_range_parse(str_of(text), &ports, &why)
		     : key == CONFIG_DELIVER_NO_PROXY ? host_match_parse(str_of(text), &host, &why)
		     : key == CONFIG_LISTEN	   ? address_parse(str_of(text), &address, &why)
						   : E_OK;
	if (err)
		return problem_set(problem, E_CONFIG, where, "%s: %s", config_rows[key].key, why.detail);
	if (list->count == (uint32_t)config_rows[key].most)
		return problem_set(problem, E_CONFIG, where, "%s: more than %d items.", config_rows[key].key, (int)config_rows[key].most);
	if (!list->items)
		list->items = ARENA_ARRAY(&config->arena, const char *, (size_t)config_rows[key].most);
	const char *copy = arena_str(&config->arena, str_of(text)).ptr;
	if (!list->items || !copy)
		return problem_set(problem, E_NOMEM, where, "Not enough memory.");
	((const char **)list->items)[list->count++] = copy;
	return E_OK;
}

static bool config_is_proxy(struct str url)
{
	static const char *const schemes[] = { "http://", "https://", "socks5://", "socks5h://" };
	for (size_t i = 0; i < url.len; i++)
		if (url.ptr[i] <= ' ' || url.ptr[i] == 0x7f)
			return false;
	for (size_t i = 0; i < ARRAY_COUNT(schemes); i++)
		if (str_starts(url, str_of(schemes[i])) && url.len > strlen(schemes[i]))
			return true;
	return false;
}

/* A text may be a secret: what is said never holds it. */
static enum err config_set_one_text(struct config *config, enum config_key key, const char *text, const char *where, struct problem *problem)
{
	const char **field = config_field(config, key);
	struct str given = str_of(text);
	if (key == CONFIG_ADMIN_TOKEN && given.len && !token_is_formed(given))
		return problem_set(problem, E_CONFIG, where,
				   "admin.token: it is not 'rch_' and 43 letters, digits, '-' or '_', which is all that the API admits: "
				   "echo rch_$(openssl rand -base64 32 | tr +/ -_ | tr -d =) makes one.");
	if (key == CONFIG_DELIVER_PROXY && given.len && !config_is_proxy(given))
		return problem_set(problem, E_CONFIG, where,
				   "deliver.proxy: expected a URL such as http://proxy.example:3128; https, socks5 and socks5h work too.");
	*field = arena_str(&config->arena, given).ptr;
	return *field ? E_OK : problem_set(problem, E_NOMEM, where, "Not enough memory.");
}

/* The values of one place. A list starts anew there. */
static enum err config_set(struct config *config, enum config_key key, const char *const *texts, uint32_t count, struct config_origin origin,
			   struct problem *problem)
{
	const struct config_row *row = &config_rows[key];
	void *field = config_field(config, key);
	enum err err = E_OK;
	if (row->type == CONFIG_LIST) {
		*(struct config_list *)field = (struct config_list){ 0 };
		for (uint32_t i = 0; i < count && !err; i++)
			err = config_set_item(config, key, texts[i], origin.where, problem);
	} else if (count != 1) {
		return problem_set(problem, E_CONFIG, origin.where, "%s takes one value, not a list.", row->key);
	} else if (row->type == CONFIG_TEXT) {
		err = config_set_one_text(config, key, texts[0], origin.where, problem);
	} else if (row->type == CONFIG_BOOL) {
		if (!config_bool(str_trim(str_of(texts[0])), field))
			return problem_set(problem, E_CONFIG, origin.where, "%s: '%s' is neither true nor false.", row->key, texts[0]);
	} else if (row->type == CONFIG_CHOICE) {
		if (!config_choice(row->words, str_trim(str_of(texts[0])), field))
			return problem_set(problem, E_CONFIG, origin.where, "%s: '%s' is none of: %s.", row->key, texts[0], row->words);
	} else {
		err = config_set_number(config, key, texts[0], origin.where, problem);
	}
	if (!err)
		config->origins[key] = origin;
	return err;
}

/* One text, as it stands in the environment: a list has commas between its items. */
static enum err config_set_text(struct config *config, enum config_key key, const char *text, struct config_origin origin,
				struct problem *problem)
{
	const char *texts[CONFIG_LIST_ITEMS];
	uint32_t count = 0;
	if (config_rows[key].type != CONFIG_LIST)
		return config_set(config, key, &text, 1, origin, problem);
	for (struct str left = str_of(text); left.len;) {
		size_t end = str_index(left, ',');
		struct str item = str_trim((struct str){ left.ptr, end });
		if (item.len && count == CONFIG_LIST_ITEMS)
			return problem_set(problem, E_CONFIG, origin.where, "More than %d items.", CONFIG_LIST_ITEMS);
		if (item.len && !(texts[count++] = arena_str(&config->arena, item).ptr))
			return problem_set(problem, E_NOMEM, origin.where, "Not enough memory.");
		left = str_from(left, end + 1);
	}
	return config_set(config, key, texts, count, origin, problem);
}

/* ---- the places ---- */

static enum err config_read_whole(const char *path, struct arena *arena, const char *where, struct str *out, struct problem *problem)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return problem_set(problem, E_CONFIG, where, "'%s' cannot be read: %s.", path, strerror(errno));
	char *text = arena_alloc(arena, CONFIG_FILE_BYTES + 1);
	enum err err = text ? E_OK : problem_set(problem, E_NOMEM, where, "Not enough memory.");
	size_t len = 0;
	for (ssize_t n = 1; !err && n > 0 && len <= CONFIG_FILE_BYTES; len += (size_t)n) {
		n = read(fd, text + len, CONFIG_FILE_BYTES + 1 - len);
		if (n < 0) {
			err = problem_set(problem, E_CONFIG, where, "'%s' cannot be read: %s.", path, strerror(errno));
			n = 0;
		}
	}
	if (!err && len > CONFIG_FILE_BYTES)
		err = problem_set(problem, E_CONFIG, where, "'%s' has more than 256 KiB: it is not what was meant.", path);
	close(fd);
	*out = (struct str){ text, len };
	return err;
}

static enum err config_unknown_key(const char *key, const char *where, struct problem *problem)
{
	struct suggest suggest;
	suggest_init(&suggest, str_of(key));
	for (enum config_key known = 0; known < CONFIG_KEY_COUNT; known++)
		suggest_offer(&suggest, config_rows[known].key);
	const char *near = suggest_best(&suggest);
	for (enum config_key known = 0; !near && known < CONFIG_KEY_COUNT; known++) { /* right, but in the wrong section */
		const char *dot = strrchr(config_rows[known].key, '.'), *own = strrchr(key, '.');
		if (strcmp(dot ? dot + 1 : config_rows[known].key, own ? own + 1 : key) == 0)
			near = config_rows[known].key;
	}
	if (near)
		return problem_set(problem, E_CONFIG, where, "There is no key '%s'; did you mean '%s'?", key, near);
	return problem_set(problem, E_CONFIG, where, "There is no key '%s'; 'ruche config print --defaults' shows them all.", key);
}

static enum err config_read_file(struct config *config, const char *path, const char *where, struct problem *problem)
{
	struct str text = { 0 };
	enum err err = config_read_whole(path, &config->arena, where, &text, problem);
	if (err)
		return err;
	struct config_file file;
	struct config_line line;
	uint32_t seen[CONFIG_KEY_COUNT] = { 0 };
	config_file_init(&file, path, text, &config->arena, problem);
	while (config_file_next(&file, &line)) {
		struct config_origin origin = { CONFIG_BY_FILE, config_file_place(path, line.line, &config->arena) };
		enum config_key key = 0;
		while (key < CONFIG_KEY_COUNT && strcmp(config_rows[key].key, line.key) != 0)
			key++;
		if (key == CONFIG_KEY_COUNT)
			return config_unknown_key(line.key, origin.where, problem);
		if (seen[key])
			return problem_set(problem, E_CONFIG, origin.where, "'%s' is already set on line %u.", line.key, seen[key]);
		seen[key] = line.line;
		bool is_list = config_rows[key].type == CONFIG_LIST;
		if (is_list && !line.is_list)
			err = config_set_text(config, key, line.items[0], origin, problem);
		else if (!is_list && line.is_list)
			err = problem_set(problem, E_CONFIG, origin.where, "%s takes one value, not a list.", line.key);
		else
			err = config_set(config, key, line.items, line.count, origin, problem);
		if (err)
			return err;
	}
	config->file = arena_str(&config->arena, str_of(path)).ptr;
	return file.failed ? E_CONFIG : E_OK;
}

static const char *config_getenv(char *const *environment, const char *name)
{
	size_t len = strlen(name);
	for (; environment && *environment; environment++) {
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	}
	return NULL;
}

static enum err config_set_content(struct config *config, enum config_key key, const char *path, struct config_origin origin,
				   struct problem *problem)
{
	struct str text = { 0 };
	enum err err = config_read_whole(path, &config->arena, origin.where, &text, problem);
	if (err)
		return err;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): what has a length is somewhere */
	while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
		text.len--;
	const char *copy = arena_str(&config->arena, text).ptr;
	if (!copy || memchr(text.ptr, '\0', text.len))
		return problem_set(problem, copy ? E_CONFIG : E_NOMEM, origin.where, "'%s' does not hold text.", path);
	return config_set_text(config, key, copy, origin, problem);
}

static enum err config_read_environment(struct config *config, char *const *environment, struct problem *problem)
{
	const char *credentials = config_getenv(environment, "CREDENTIALS_DIRECTORY");
	enum err err = E_OK;
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT && !err; key++) {
		char name[64], file_name[72];
		config_environment_name(key, name);
		snprintf(file_name, sizeof(file_name), "%s_FILE", name);
		const char *value = config_getenv(environment, name), *path = config_getenv(environment, file_name);
		char *credential = credentials && (config_rows[key].flags & CONFIG_SECRET)
					   ? arena_printf(&config->arena, "%s/%s", credentials, config_rows[key].key)
					   : NULL;
		struct config_origin origin = { CONFIG_BY_ENVIRONMENT, arena_str(&config->arena, str_of(path ? file_name : name)).ptr };
		if (value && path)
			err = problem_set(problem, E_CONFIG, name, "Both %s and %s are set; keep one.", name, file_name);
		else if (value)
			err = config_set_text(config, key, value, origin, problem);
		else if (path)
			err = config_set_content(config, key, path, origin, problem);
		else if (credential && access(credential, R_OK) == 0)
			err = config_set_content(config, key, credential, (struct config_origin){ CONFIG_BY_CREDENTIAL, credential }, problem);
	}
	return err;
}

/* "listen: '…' needs a port" of --listen: the flag's name says it already. */
static void config_drop_key(struct problem *problem, const char *key)
{
	size_t len = strlen(key);
	if (strncmp(problem->detail, key, len) == 0 && strncmp(problem->detail + len, ": ", 2) == 0)
		memmove(problem->detail, problem->detail + len + 2, strlen(problem->detail + len + 2) + 1);
}

static enum err config_read_flags(struct config *config, const struct args *args, struct problem *problem)
{
	enum err err = E_OK;
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT && !err; key++) {
		char name[64];
		const char *texts[CONFIG_LIST_ITEMS];
		uint32_t count = 0;
		config_flag_name(key, name);
		if (!name[0])
			continue;
		struct config_origin origin = { CONFIG_BY_FLAG, arena_printf(&config->arena, "--%s", name) };
		if (key == CONFIG_STORE_PATH && args_has(args, "store")) {
			if (args_has(args, name))
				return problem_set(problem, E_CONFIG, "--store", "--store and --store-path are the same; give one.");
			origin.where = "--store";
			texts[count++] = args_get(args, "store");
		}
		int at = 0;
		if (config_rows[key].type == CONFIG_BOOL && args_has(args, name))
			texts[count++] = "true";
		else
			for (const char *text; count < CONFIG_LIST_ITEMS && (text = args_each(args, name, &at)) != NULL;)
				texts[count++] = text;
		if (count)
			err = config_set(config, key, texts, count, origin, problem);
		if (err)
			config_drop_key(problem, config_rows[key].key);
	}
	return err;
}

static enum err config_read(struct config *config, const struct args *args, char *const *environment, struct problem *problem)
{
	enum err err = E_OK;
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT && !err; key++)
		err = config_set_text(config, key, config_rows[key].initial, (struct config_origin){ CONFIG_BY_DEFAULT, "default" }, problem);
	const char *flag = args ? args_get(args, "config") : NULL, *path = flag ? flag : config_getenv(environment, "RUCHE_CONFIG");
	if (!err && path && *path)
		err = config_read_file(config, path, flag ? "--config" : "RUCHE_CONFIG", problem);
	if (!err)
		err = config_read_environment(config, environment, problem);
	if (!err && args)
		err = config_read_flags(config, args, problem);
	return err;
}

enum err config_load(struct config *out, const struct args *args, char *const *environment, struct problem *problem)
{
	struct config config = { 0 };
	enum err err = config_read(&config, args, environment, problem);
	if (err) {
		arena_fini(&config.arena);
		return err;
	}
	*out = config;
	return E_OK;
}

void config_fini(struct config *config)
{
	arena_fini(&config->arena);
	*config = (struct config){ 0 };
}

/* ---- telling ---- */

static bool config_variable_is_known(struct str name)
{
	for (size_t i = 0; i < ARRAY_COUNT(config_other_variables); i++) {
		if (str_eq(name, str_of(config_other_variables[i])))
			return true;
	}
	if (str_starts(name, STR(WORK_VARIABLES)) || str_starts(name, STR("RUCHE_SECRET_")))
		return true; /* the second: named secrets, whatever their names */
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++) {
		char known[64];
		config_environment_name(key, known);
		struct str rest = str_from(name, strlen(known));
		if (str_starts(name, str_of(known)) && (rest.len == 0 || str_eq(rest, STR("_FILE"))))
			return true;
	}
	return false;
}

const char *config_strange_variable(char *const *environment, uint32_t n, const char **out_near)
{
	static _Thread_local char name[128], near[64];
	for (; environment && *environment; environment++) {
		struct str whole = str_of(*environment), key = { whole.ptr, str_index(whole, '=') };
		if (!str_starts(key, STR("RUCHE_")) || config_variable_is_known(key) || n-- > 0)
			continue;
		struct suggest suggest;
		suggest_init(&suggest, key);
		char known[CONFIG_KEY_COUNT][64];
		for (enum config_key at = 0; at < CONFIG_KEY_COUNT; at++) {
			config_environment_name(at, known[at]);
			suggest_offer(&suggest, known[at]);
		}
		for (size_t at = 0; at < ARRAY_COUNT(config_other_variables); at++)
			suggest_offer(&suggest, config_other_variables[at]);
		const char *best = suggest_best(&suggest);
		snprintf(near, sizeof(near), "%s", best ? best : "");
		snprintf(name, sizeof(name), STR_FMT, STR_ARG(str_cut(key, sizeof(name) - 1)));
		*out_near = best ? near : NULL;
		return name;
	}
	return NULL;
}

/* "secret" texts of a URL: http://user:password@proxy:3128 */
static bool config_hides(enum config_key key, const char *text)
{
	return *text && ((config_rows[key].flags & CONFIG_SECRET) || (key == CONFIG_DELIVER_PROXY && strchr(text, '@')));
}

static void config_put_number(struct buf *out, const struct config_row *row, int64_t number)
{
	static const struct {
		const char *name;
		int64_t size;
	} bytes[] = { { "GiB", GIB }, { "MiB", MIB }, { "KiB", KIB } },
	  times[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	bool is_bytes = row->type == CONFIG_BYTES, is_time = row->type == CONFIG_DURATION;
	size_t count = is_bytes ? ARRAY_COUNT(bytes) : is_time ? ARRAY_COUNT(times) : 0;
	for (size_t i = 0; i < count && number; i++) {
		int64_t size = is_bytes ? bytes[i].size : times[i].size;
		if (number % size == 0) {
			buf_addf(out, "%lld%s", (long long)(number / size), is_bytes ? bytes[i].name : times[i].name);
			return;
		}
	}
	buf_add_i64(out, number);
}

static void config_put_choice(struct buf *out, const char *words, int n)
{
	struct str left = str_of(words);
	for (; n > 0; n--)
		left = str_from(left, str_index(left, ' ') + 1);
	buf_add(out, (struct str){ left.ptr, str_index(left, ' ') });
}

static void config_put_text(struct buf *out, enum config_key key, const char *text)
{
	json_put_str(out, config_hides(key, text) ? STR("…") : str_of(text));
}

/* As the file takes it. */
static void config_put_value(struct buf *out, const struct config *config, enum config_key key)
{
	const struct config_row *row = &config_rows[key];
	const void *field = (const char *)config + row->offset;
	const struct config_list *list = field;
	switch (row->type) {
	case CONFIG_TEXT: config_put_text(out, key, *(const char *const *)field); break;
	case CONFIG_BOOL: buf_add(out, *(const bool *)field ? STR("true") : STR("false")); break;
	case CONFIG_CHOICE: config_put_choice(out, row->words, *(const int *)field); break;
	case CONFIG_LIST:
		buf_add_byte(out, '[');
		for (uint32_t i = 0; i < list->count; i++) {
			buf_add(out, i ? STR(", ") : STR(""));
			buf_add_byte(out, '"');
			buf_add(out, str_of(list->items[i])); /* addresses and ranges: nothing to escape */
			buf_add_byte(out, '"');
		}
		buf_add_byte(out, ']');
		break;
	case CONFIG_COUNT:
	case CONFIG_BYTES:
	case CONFIG_DURATION: config_put_number(out, row, *(const int64_t *)field); break;
	}
}

bool config_same(const struct config *a, const struct config *b, enum config_key key)
{
	const struct config_row *row = &config_rows[key];
	const void *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;
	const struct config_list *p = x, *q = y;
	switch (row->type) {
	case CONFIG_TEXT: return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
	case CONFIG_BOOL: return *(const bool *)x == *(const bool *)y;
	case CONFIG_CHOICE: return *(const int *)x == *(const int *)y;
	case CONFIG_COUNT:
	case CONFIG_BYTES:
	case CONFIG_DURATION: return *(const int64_t *)x == *(const int64_t *)y;
	case CONFIG_LIST: break;
	}
	for (uint32_t i = 0; p->count == q->count && i < p->count; i++) {
		if (strcmp(p->items[i], q->items[i]) != 0)
			return false;
	}
	return p->count == q->count;
}

static struct str config_section(enum config_key key)
{
	struct str name = str_of(config_rows[key].key);
	size_t dot = str_index(name, '.');
	return dot < name.len ? (struct str){ name.ptr, dot } : STR("");
}

static void config_print_key(const struct config *config, const struct config_print *how, enum config_key key, struct buf *out)
{
	const struct config_row *row = &config_rows[key];
	struct str section = config_section(key);
	if (how->doc)
		buf_addf(out, "# %s.%s%s%s\n", row->doc, row->type == CONFIG_CHOICE ? " One of: " : "", row->type == CONFIG_CHOICE ? row->words : "",
			 row->type == CONFIG_CHOICE ? "." : "");
	buf_addf(out, "%s%s = ", how->defaults ? "#" : "", row->key + (section.len ? section.len + 1 : 0));
	config_put_value(out, config, key);
	if (how->origin)
		buf_addf(out, "  # %s", config->origins[key].where);
	buf_add_lit(out, "\n");
}

static void config_print_section(const struct config *config, const struct config_print *how, struct str section, struct buf *out)
{
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++) {
		if (str_eq(config_section(key), section))
			config_print_key(config, how, key, out);
	}
}

void config_print(const struct config *config, const struct config_print *how, struct buf *out)
{
	config_print_section(config, how, STR(""), out); /* before any section begins */
	for (enum config_key first = 0; first < CONFIG_KEY_COUNT; first++) {
		struct str section = config_section(first);
		bool begins = section.len > 0;
		for (enum config_key key = 0; key < first; key++)
			begins = begins && !str_eq(config_section(key), section);
		if (!begins)
			continue;
		buf_addf(out, "\n[" STR_FMT "]\n", STR_ARG(section));
		config_print_section(config, how, section, out);
	}
}

void config_print_json(const struct config *config, struct buf *out)
{
	buf_add_lit(out, "{");
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++) {
		const struct config_row *row = &config_rows[key];
		const void *field = (const char *)config + row->offset;
		json_put_key(out, row->key);
		buf_add_lit(out, "{\"value\":");
		if (row->type == CONFIG_COUNT || row->type == CONFIG_BYTES || row->type == CONFIG_DURATION)
			buf_add_i64(out, *(const int64_t *)field);
		else if (row->type == CONFIG_CHOICE)
			buf_add_byte(out, '"'), config_put_choice(out, row->words, *(const int *)field), buf_add_byte(out, '"');
		else
			config_put_value(out, config, key);
		json_put_field_str(out, "origin", str_of(config->origins[key].where));
		buf_add_lit(out, "}");
	}
	buf_add_lit(out, "}");
}

static bool config_listens_widely(const struct config *config)
{
	for (uint32_t i = 0; i < config->listen.count; i++) {
		static const struct cidr loopback[] = { { .base.bytes = { 127 }, .prefix_bits = 8 },
							{ .base = { .bytes = { [15] = 1 }, .is_v6 = true }, .prefix_bits = 128 } };
		struct address address;
		if (address_parse(str_of(config->listen.items[i]), &address, NULL) == E_OK && address.kind == ADDRESS_IP &&
		    !cidr_any_contains(loopback, ARRAY_COUNT(loopback), &address.ip))
			return true;
	}
	return false;
}

/* URLs seldom name their port. */
static bool config_misses_usual_ports(const struct config *config)
{
	struct port_range range;
	for (uint32_t i = 0; i < config->deliver_ports.count; i++) {
		if (port_range_parse(str_of(config->deliver_ports.items[i]), &range, NULL) == E_OK &&
		    (port_any_contains(&range, 1, 443) || (!config->deliver_https_only && port_any_contains(&range, 1, 80))))
			return false;
	}
	return config->deliver_ports.count > 0;
}

const char *config_warning(const struct config *config, uint32_t n, char out[256])
{
	uint32_t at = 0;
	if (config_listens_widely(config) && at++ == n)
		return "listen: an address beyond loopback: tokens travel in the clear unless something in front speaks TLS.";
	if (config->http_body_memory < 2 * config->http_body_bytes && at++ == n)
		return config->http_body_memory < config->http_body_bytes
			       ? "http.body_memory is less than http.body_bytes: a body of the largest size is refused (503) beside any other."
			       : "http.body_memory is less than twice http.body_bytes: senders without a token have half of it, so among them a body of the "
				 "largest size is refused (503) beside any other.";
	if (*config->deliver_proxy && at++ == n)
		return config->deliver_no_proxy.count
			       ? "deliver.proxy: refusing private addresses is up to the proxy, save of hosts in deliver.no_proxy."
			       : "deliver.proxy: with a proxy, refusing private addresses is up to the proxy.";
	if (!*config->deliver_proxy && config->deliver_no_proxy.count && at++ == n)
		return "deliver.no_proxy: it says nothing without deliver.proxy.";
	if (config_misses_usual_ports(config) && at++ == n)
		return config->deliver_https_only ? "deliver.ports: 443 is not among them: https URLs that name no port are not called."
						  : "deliver.ports: neither 443 nor 80 is among them: URLs that name no port are not called.";
	if (config->ephemeral && config->origins[CONFIG_EPHEMERAL].kind != CONFIG_BY_DEFAULT && at++ == n) /* `dev` says it by itself */
		return "ephemeral: jobs may be lost when the machine or the container stops.";
	if (config->core_dumps && at++ == n)
		return "core_dumps: a core dump holds what is in memory, secrets included.";
	if (config->store_reserve_bytes == 0 && at++ == n)
		return "store.reserve_bytes is 0: on a full disk, running jobs cannot be completed either.";
	for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++) {
		bool bare = config->origins[key].kind == CONFIG_BY_ENVIRONMENT && !strstr(config->origins[key].where, "_FILE");
		if ((config_rows[key].flags & CONFIG_SECRET) && bare && at++ == n) {
			snprintf(out, 256, "%s: a secret in the environment is seen by every child and in /proc; use %s_FILE or a credential.",
				 config_rows[key].key, config->origins[key].where);
			return out;
		}
	}
	for (uint32_t i = 0; i < config->deliver_allow.count; i++) {
		struct cidr range;
		if (cidr_parse(str_of(config->deliver_allow.items[i]), &range, NULL) == E_OK && range.prefix_bits == 0 && at++ == n) {
			snprintf(out, 256, "deliver.allow: %s lets jobs call everything, cloud metadata and localhost included.",
				 config->deliver_allow.items[i]);
			return out;
		}
	}
	return NULL;
}
