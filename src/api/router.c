#include "api/router.h"
#include "api/name.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "http/query.h"
#include "rules/job.h"
#include <stdio.h>

#define X(name, text, next) text,
const char *const job_state_words[] = { JOB_STATES(X) NULL };
#undef X
#define X(name, text) text,
const char *const event_type_words[] = { EVENT_TYPES(X) NULL };
#undef X
const char *const order_words[] = { "newest", "oldest", NULL };
const char *const way_words[] = { "asc", "desc", NULL };

const char *http_method_name(enum http_method method)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER" };
	return names[method];
}

/* ---- paths ---- */

/* A copy in the arena, since operations keep it. */
static enum err piece_decode(struct str raw, struct arena *arena, struct str *out)
{
	struct str text;
	enum err err = http_percent_decode(arena, raw, false, &text);
	if (err)
		return err;
	*out = arena_str(arena, text);
	return out->ptr ? E_OK : E_NOMEM;
}

/* Does the path have the pattern's form? Raw pieces go to `pieces`; an empty one matches nothing. */
static bool pattern_matches(const char *pattern, struct str path, struct str *pieces)
{
	const char *at = path.ptr, *end = path.ptr + path.len;
	uint32_t count = 0;
	for (; *pattern; pattern++) {
		if (*pattern != '{') {
			if (at == end || *at++ != *pattern)
				return false;
			continue;
		}
		const char *begin = at;
		while (at < end && *at != '/')
			at++;
		if (at == begin)
			return false;
		pieces[count++] = (struct str){ begin, (size_t)(at - begin) };
		pattern = strchr(pattern, '}');
	}
	return at == end;
}

/* A literal path hides the patterns that would match it too: "count" is no uid. */
static const struct route *route_literal(struct str path)
{
	for (uint32_t i = 0; i < route_count; i++)
		if (str_eq(path, str_of(routes[i].pattern)))
			return &routes[i];
	return NULL;
}

/* The methods of this address, for Allow. */
static void route_allow(struct str path, const struct route *literal, char allow[ROUTE_ALLOW_BYTES])
{
	struct str raw[ROUTE_PIECES];
	allow[0] = '\0';
	for (uint32_t i = 0; i < route_count; i++) {
		size_t len = strlen(allow);
		bool here = literal ? strcmp(literal->pattern, routes[i].pattern) == 0 : pattern_matches(routes[i].pattern, path, raw);
		if (here)
			snprintf(allow + len, ROUTE_ALLOW_BYTES - len, "%s%s", len ? ", " : "", http_method_name(routes[i].method));
	}
}

static enum err route_missing(struct str path, const char *allow, enum http_method method, struct problem *problem)
{
	struct suggest suggest;
	if (allow[0])
		return problem_set(problem, E_METHOD, "", "%s cannot be used here; these can: %s.", http_method_name(method), allow);
	suggest_init(&suggest, str_cut(path, 64));
	for (uint32_t i = 0; i < route_count; i++)
		if (!strchr(routes[i].pattern, '{'))
			suggest_offer(&suggest, routes[i].pattern);
	if (suggest_best(&suggest))
		return problem_set(problem, E_NOT_FOUND, "", "There is nothing at this address; did you mean %s?", suggest_best(&suggest));
	return problem_set(problem, E_NOT_FOUND, "", "There is nothing at this address; GET /v1/openapi.json lists what there is.");
}

static enum err pieces_decode(const struct str raw[ROUTE_PIECES], struct arena *arena, struct str *pieces, struct problem *problem)
{
	for (int n = 0; n < ROUTE_PIECES && raw[n].len; n++) {
		enum err err = piece_decode(raw[n], arena, &pieces[n]);
		if (err)
			return problem_set(problem, err, "path", "The path holds bad percent-escapes, NUL or bytes that are not UTF-8.");
	}
	return E_OK;
}

enum err route_find(enum http_method method, struct str path, struct arena *arena, const struct route **out, struct str *pieces,
		    char allow[ROUTE_ALLOW_BYTES], struct problem *problem)
{
	enum http_method wanted = method == HTTP_M_HEAD ? HTTP_M_GET : method;
	for (uint32_t i = 0; i < route_count; i++) {
		struct str raw[ROUTE_PIECES] = { { 0 }, { 0 } };
		if (routes[i].method != wanted || !pattern_matches(routes[i].pattern, path, raw))
			continue;
		const struct route *literal = raw[0].len ? route_literal(path) : NULL;
		if (literal)
			break; /* there, but not with this method */
		*out = &routes[i];
		return pieces_decode(raw, arena, pieces, problem);
	}
	route_allow(path, route_literal(path), allow);
	return route_missing(path, allow, method, problem);
}

/* ---- the query ---- */

static const struct param *param_find(const struct route *route, struct str name, uint32_t *index)
{
	const struct param *param = route->params;
	for (*index = 0; param && param->name; param++, (*index)++)
		if (str_eq(name, str_of(param->name)))
			return param;
	return NULL;
}

static enum err param_unknown(const struct route *route, struct str name, struct problem *problem)
{
	struct suggest suggest;
	char field[64];
	struct str cut = str_is_utf8(name) ? str_cut(name, sizeof(field) - 1) : STR("?");
	snprintf(field, sizeof(field), STR_FMT, STR_ARG(cut));
	suggest_init(&suggest, cut);
	for (const struct param *param = route->params; param && param->name; param++)
		suggest_offer(&suggest, param->name);
	if (suggest_best(&suggest))
		return problem_set(problem, E_BAD_REQUEST, field, "Unknown query parameter; did you mean \"%s\"?", suggest_best(&suggest));
	char known[256] = "none";
	for (size_t i = 0, len = 0; route->params && route->params[i].name && len < sizeof(known); i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "", route->params[i].name);
	return problem_set(problem, E_BAD_REQUEST, field, "Unknown query parameter; this address takes: %s.", known);
}

static enum err param_word(const struct param *param, struct str word, int64_t *out, struct problem *problem)
{
	struct suggest suggest;
	suggest_init(&suggest, word);
	for (int64_t i = 0; param->words[i]; i++) {
		if (str_eq(word, str_of(param->words[i]))) {
			*out = i;
			return E_OK;
		}
		suggest_offer(&suggest, param->words[i]);
	}
	const char *best = suggest_best(&suggest);
	return problem_set(problem, E_INVALID, param->name, "\"" STR_FMT "\" is not one of the words known here; %s %s%c",
			   STR_ARG(str_cut(word, 40)), best ? "did you mean" : "the first is", best ? best : param->words[0], best ? '?' : '.');
}

static enum err param_words(const struct param *param, struct str text, int64_t *out, struct problem *problem)
{
	int64_t bits = 0, bit = 0;
	while (text.len) {
		size_t comma = str_index(text, ',');
		enum err err = param_word(param, str_trim((struct str){ text.ptr, comma }), &bit, problem);
		if (err)
			return err;
		bits |= INT64_C(1) << bit;
		text = str_from(text, comma + 1);
	}
	*out = bits;
	return bits ? E_OK : problem_set(problem, E_INVALID, param->name, "At least one word is needed.");
}

static enum err param_number(const struct param *param, struct str text, int64_t *out, struct problem *problem)
{
	if (!str_i64(text, out) || *out < param->min || *out > param->max)
		return problem_set(problem, E_INVALID, param->name, "Expected a whole number from %lld to %lld.", (long long)param->min,
				   (long long)param->max);
	return E_OK;
}

static enum err param_read(const struct param *param, struct param_value *value, struct problem *problem)
{
	struct str text = value->text;
	const char *why;
	switch (param->type) {
	case PARAM_TEXT:
		if (text.len == 0 || text.len > (size_t)param->max)
			return problem_set(problem, E_INVALID, param->name, "Expected 1 to %lld bytes.", (long long)param->max);
		return memchr(text.ptr, 0, text.len) ? problem_set(problem, E_INVALID, param->name, "It must not hold NUL.") : E_OK;
	case PARAM_NAME:
		why = name_refusal(text, strcmp(param->name, "namespace") == 0);
		return why ? problem_set(problem, E_INVALID, param->name, "%s", why) : E_OK;
	case PARAM_FLAG:
		value->number = text.len == 0 || str_eq(text, STR("true")) || str_eq(text, STR("1"));
		if (!value->number && !str_eq(text, STR("false")) && !str_eq(text, STR("0")))
			return problem_set(problem, E_INVALID, param->name, "Expected true or false.");
		return E_OK;
	case PARAM_NUMBER:
		return param_number(param, text, &value->number, problem);
	case PARAM_INSTANT:
		if (time_parse(text, &value->number))
			return problem_set(problem, E_INVALID, param->name, "Expected an instant such as 2026-11-23T19:11:12.345Z (a + must be written %%2B).");
		return E_OK;
	case PARAM_WORD:
		return param_word(param, text, &value->number, problem);
	case PARAM_WORDS:
		return param_words(param, text, &value->number, problem);
	}
	UNREACHABLE();
}

/* Operations may keep it: it moves to the request's arena. */
static enum err param_take(const struct param *param, struct http_exchange *exchange, struct arena *arena, struct param_value *value,
			   struct problem *problem)
{
	struct str text;
	bool found = false;
	enum err err = http_query_param(exchange, str_of(param->name), &text, &found);
	if (err || !found)
		return problem_set(problem, E_BAD_REQUEST, param->name, "Bad percent-escapes, or bytes that are not UTF-8.");
	value->text = arena_str(arena, text);
	if (!value->text.ptr)
		return problem_set(problem, E_NOMEM, "", "There was no memory for the query.");
	value->given = true;
	return param_read(param, value, problem);
}

enum err route_read_params(const struct route *route, struct http_exchange *exchange, struct arena *arena, struct param_value *out,
			   struct problem *problem)
{
	struct str name, ignored;
	size_t at = 0;
	uint32_t index;
	while (http_query_next(exchange, &at, &name, &ignored)) {
		const struct param *param = param_find(route, name, &index);
		if (!param)
			return param_unknown(route, name, problem);
		if (out[index].given)
			return problem_set(problem, E_BAD_REQUEST, param->name, "This query parameter is given twice.");
		enum err err = param_take(param, exchange, arena, &out[index], problem);
		if (err)
			return err;
	}
	return E_OK;
}

const struct param_value *route_param(const struct route *route, const struct param_value *values, const char *name)
{
	for (uint32_t i = 0;; i++) {
		CHECK(route->params[i].name != NULL); /* a handler asks only for what its route declares */
		if (strcmp(route->params[i].name, name) == 0)
			return &values[i];
	}
}
