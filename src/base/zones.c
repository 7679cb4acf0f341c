#include "base/zones.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/suggest.h"
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ZONES_FROM_S   INT64_C(-2208988800) /* 1900-01-01 */
#define ZONES_UNTIL_S  INT64_C(7258118400)  /* 2200-01-01 */
#define ZONES_STRIDE_S (INT64_C(30) * 86400) /* the first step of the search for a change */

struct zones_change {
	int64_t at_s;
	int32_t offset_s; /* from then on */
};

struct zones_zone { /* one allocation */
	struct zone zone; /* first: a struct zone of ours is one of these */
	struct zones_zone *next; /* of the cache */
	char name[ZONES_NAME_BYTES];
	uint32_t count;
	struct zones_change changes[]; /* by at_s; [0] is how it has always been */
};

static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;
static struct zones_zone *zones_known; /* under the lock; some hundred at most, looked up when a template is read */

/* ---- the port ---- */

static struct zone_span zones_span_utc(const struct zone *zone, int64_t at_s)
{
	(void)zone;
	(void)at_s;
	return (struct zone_span){ .from_s = INT64_MIN, .until_s = INT64_MAX };
}

const struct zone zones_utc = { .span = zones_span_utc };

static struct zone_span zones_span(const struct zone *zone, int64_t at_s)
{
	const struct zones_zone *found = (const struct zones_zone *)(const void *)zone;
	uint32_t low = 0, high = found->count; /* changes[low] is at or before at_s, changes[high] is after it */
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (found->changes[middle].at_s <= at_s)
			low = middle;
		else
			high = middle;
	}
	return (struct zone_span){ .from_s = found->changes[low].at_s,
				   .until_s = high < found->count ? found->changes[high].at_s : INT64_MAX,
				   .offset_s = found->changes[low].offset_s };
}

/* ---- reading one ---- */

/* When the interval that holds from_s ends, or `until_s`. GLib numbers its intervals in the order of time: search by the number. */
static int64_t zones_interval_end(GTimeZone *source, int64_t from_s, int64_t until_s)
{
	int interval = g_time_zone_find_interval(source, G_TIME_TYPE_UNIVERSAL, from_s);
	int64_t low = from_s, high = from_s, stride_s = ZONES_STRIDE_S;
	do {
		low = high;
		high = until_s - low > stride_s ? low + stride_s : until_s;
		stride_s *= 2;
	} while (high < until_s && g_time_zone_find_interval(source, G_TIME_TYPE_UNIVERSAL, high) == interval);
	if (g_time_zone_find_interval(source, G_TIME_TYPE_UNIVERSAL, high) == interval)
		return until_s;
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;
		if (g_time_zone_find_interval(source, G_TIME_TYPE_UNIVERSAL, middle) == interval)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static int32_t zones_offset_s(GTimeZone *source, int64_t at_s)
{
	return g_time_zone_get_offset(source, g_time_zone_find_interval(source, G_TIME_TYPE_UNIVERSAL, at_s));
}

/* Walks through the years; what is not a change of the offset (a new abbreviation, for instance) is left out. `out` NULL only counts. */
static uint32_t zones_changes(GTimeZone *source, struct zones_change *out)
{
	int32_t offset_s = zones_offset_s(source, ZONES_FROM_S);
	uint32_t count = 1;
	if (out)
		out[0] = (struct zones_change){ .at_s = INT64_MIN, .offset_s = offset_s };
	for (int64_t at_s = ZONES_FROM_S; (at_s = zones_interval_end(source, at_s, ZONES_UNTIL_S)) < ZONES_UNTIL_S;) {
		int32_t next_s = zones_offset_s(source, at_s);
		if (next_s == offset_s)
			continue;
		offset_s = next_s;
		if (out)
			out[count] = (struct zones_change){ .at_s = at_s, .offset_s = offset_s };
		count++;
	}
	return count;
}

static enum err zones_read(struct str name, struct zones_zone **out)
{
	char identifier[ZONES_NAME_BYTES];
	memcpy(identifier, name.ptr, name.len);
	identifier[name.len] = '\0';
	GTimeZone *source = g_time_zone_new_identifier(identifier);
	if (!source)
		return E_INVALID;
	uint32_t count = zones_changes(source, NULL);
	struct zones_zone *zone = mem_zalloc(sizeof(*zone) + count * sizeof(zone->changes[0]));
	if (zone) {
		zone->zone.span = zones_span;
		memcpy(zone->name, identifier, name.len + 1);
		zone->count = zones_changes(source, zone->changes);
		CHECK(zone->count == count);
	}
	g_time_zone_unref(source);
	*out = zone;
	return zone ? E_OK : E_NOMEM;
}

/* ---- names ---- */

static const char *zones_directory(void)
{
	const char *directory = getenv("TZDIR");
	return directory && *directory ? directory : "/usr/share/zoneinfo";
}

static FILE *zones_open(struct str file)
{
	char path[4096];
	int len = snprintf(path, sizeof(path), "%s/" STR_FMT, zones_directory(), STR_ARG(file));
	return len > 0 && (size_t)len < sizeof(path) ? fopen(path, "re") : NULL;
}

/* IANA's names begin with a capital; the database's other files ("posixrules", "right/…", "leapseconds") do not. No name has a dot, so
 * none leads out of the directory. "Factory" is the database's way to say that nobody has chosen yet. */
static bool zones_is_name(struct str name)
{
	if (name.len == 0 || name.len >= ZONES_NAME_BYTES || name.ptr[0] < 'A' || name.ptr[0] > 'Z' || str_eq(name, STR("Factory")))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!letter && c != '/' && c != '_' && c != '-' && c != '+')
			return false;
	}
	return true;
}

/* GLib takes more than names, and complains aloud about files of another kind. */
static bool zones_is_file(struct str name)
{
	char magic[4];
	FILE *file = zones_open(name);
	if (!file)
		return false;
	bool ok = fread(magic, 1, sizeof(magic), file) == sizeof(magic) && memcmp(magic, "TZif", sizeof(magic)) == 0;
	fclose(file);
	return ok;
}

/* The name in a line of tzdata.zi: "Z Europe/Paris 0:9:21 - LMT …" is a zone, "L Europe/Paris Europe/Monaco" a link: its second word is the
 * name. Empty in other lines. */
static struct str zones_line_name(struct str line)
{
	if (line.len < 2 || (line.ptr[0] != 'Z' && line.ptr[0] != 'L') || line.ptr[1] != ' ')
		return (struct str){ 0 };
	struct str word = str_from(line, 2);
	if (line.ptr[0] == 'L')
		word = str_from(word, str_index(word, ' ') + 1);
	word.len = str_index(word, ' ');
	return zones_is_name(word) ? word : (struct str){ 0 };
}

struct zones_guess {
	struct suggest suggest;
	char best[ZONES_NAME_BYTES];
};

static void zones_guess_offer(struct zones_guess *guess, const char *known, const char *name)
{
	unsigned distance = guess->suggest.distance;
	suggest_offer(&guess->suggest, known);
	if (guess->suggest.distance < distance)
		memcpy(guess->best, name, strlen(name) + 1);
}

/* The nearest name, or, for whoever says "Paris", the name that ends in the nearest city. "" when nothing is near. */
static void zones_suggest(struct str name, char out[ZONES_NAME_BYTES])
{
	struct zones_guess whole = { .best = "" }, city = { .best = "" };
	char line[512];
	FILE *file = zones_open(STR("tzdata.zi"));
	suggest_init(&whole.suggest, name);
	suggest_init(&city.suggest, name);
	while (file && fgets(line, sizeof(line), file)) {
		char known[ZONES_NAME_BYTES];
		struct str found = str_of(line);
		found.len = str_index(found, '\n');
		found = zones_line_name(found);
		if (found.len == 0)
			continue;
		memcpy(known, found.ptr, found.len);
		known[found.len] = '\0';
		zones_guess_offer(&whole, known, known);
		const char *slash = strrchr(known, '/');
		if (slash)
			zones_guess_offer(&city, slash + 1, known);
	}
	if (file)
		fclose(file);
	memcpy(out, *whole.best ? whole.best : city.best, ZONES_NAME_BYTES);
}

static enum err zones_refuse(struct str name, struct problem *problem)
{
	char near[ZONES_NAME_BYTES];
	if (access(zones_directory(), X_OK) != 0)
		return problem_set(problem, E_CONFIG, "time_zone", "This machine has no time zones but UTC (nothing in %s): install the package tzdata.",
				   zones_directory());
	struct str shown = str_cut(name, ZONES_NAME_BYTES);
	zones_suggest(name, near);
	if (*near)
		return problem_set(problem, E_INVALID, "time_zone", "There is no time zone \"" STR_FMT "\"; did you mean \"%s\"?", STR_ARG(shown), near);
	return problem_set(problem, E_INVALID, "time_zone",
			   "There is no time zone \"" STR_FMT "\"; write an IANA name such as \"Europe/Paris\", or \"UTC\".", STR_ARG(shown));
}

/* ---- finding ---- */

static struct zones_zone *zones_cached(struct str name)
{
	for (struct zones_zone *zone = zones_known; zone; zone = zone->next)
		if (str_eq(str_of(zone->name), name))
			return zone;
	return NULL;
}

static enum err zones_find_locked(struct str name, struct zones_zone **out)
{
	*out = zones_cached(name);
	if (*out)
		return E_OK;
	if (!zones_is_file(name))
		return E_INVALID;
	enum err err = zones_read(name, out);
	if (err)
		return err;
	(*out)->next = zones_known;
	zones_known = *out;
	return E_OK;
}

enum err zones_find(struct str name, const struct zone **out, struct problem *problem)
{
	struct zones_zone *zone = NULL;
	enum err err = E_INVALID;
	if (str_eq(name, STR("UTC"))) {
		*out = &zones_utc;
		return E_OK;
	}
	if (zones_is_name(name)) {
		CHECK(pthread_mutex_lock(&zones_lock) == 0);
		err = zones_find_locked(name, &zone);
		CHECK(pthread_mutex_unlock(&zones_lock) == 0);
	}
	if (err == E_INVALID)
		return zones_refuse(name, problem);
	if (err)
		return problem_set(problem, err, "time_zone", "%s", err_sentence(err));
	*out = &zone->zone;
	return E_OK;
}
