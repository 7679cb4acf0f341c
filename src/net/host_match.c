#include "net/host_match.h"

static struct str host_bare(struct str host) /* "[fd00::1]" and "intra.example." without what stands around them */
{
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		return (struct str){ host.ptr + 1, host.len - 2 };
	if (host.len > 1 && host.ptr[host.len - 1] == '.')
		host.len--;
	return host;
}

static bool host_is_name(struct str name) /* labels between dots, not digits alone: that is a mistyped address */
{
	size_t label = 0;
	bool has_letter = false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (c == '.' ? !label : !letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
		label = c == '.' ? 0 : label + 1;
		has_letter |= letter;
	}
	return label > 0 && name.len <= HOST_NAME_BYTES && has_letter;
}

static enum err host_match_parse_name(struct str text, struct str name, struct host_match *out, struct problem *problem)
{
	bool below = str_starts(name, STR(".")) || str_starts(name, STR("*."));
	struct str bare = host_bare(below ? str_from(name, name.ptr[0] == '*' ? 2 : 1) : name);
	if (str_index(text, ':') < text.len)
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' is no host: write it without scheme and port.", STR_ARG(str_cut(text, 60)));
	if (!host_is_name(bare))
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' is no host: write intra.example, .intra.example (the names below it), "
				   "10.1.2.3, 10.0.0.0/8 or fd00::/8.", STR_ARG(str_cut(text, 60)));
	*out = (struct host_match){ .kind = below ? HOST_BELOW : HOST_NAME, .len = (uint8_t)bare.len };
	memcpy(out->name, bare.ptr, bare.len);
	return E_OK;
}

enum err host_match_parse(struct str text, struct host_match *out, struct problem *problem)
{
	struct ip_address ip;
	struct host_match match = { .kind = HOST_RANGE };
	struct str bare = host_bare(text);
	if (str_eq(text, STR("*"))) {
		*out = (struct host_match){ .kind = HOST_ALL };
		return E_OK;
	}
	if (str_index(text, '/') == text.len && ip_parse(bare, &ip))
		return host_match_parse_name(text, text, out, problem);
	enum err err = cidr_parse(bare, &match.range, problem);
	if (!err)
		*out = match;
	return err;
}

static bool host_match_is(const struct host_match *match, struct str name, bool names_below)
{
	const struct str own = { match->name, match->len };
	if (match->kind == HOST_NAME && str_eq_nocase(name, own))
		return true;
	if (match->kind != HOST_BELOW && !(match->kind == HOST_NAME && names_below))
		return false;
	return name.len > own.len + 1 && name.ptr[name.len - own.len - 1] == '.' && str_eq_nocase(str_from(name, name.len - own.len), own);
}

bool host_match_any(const struct host_match *list, uint32_t count, struct str host, bool names_below)
{
	struct ip_address ip;
	struct str bare = host_bare(host);
	bool is_address = ip_parse(bare, &ip) == E_OK;
	for (uint32_t i = 0; i < count; i++) {
		const struct host_match *match = &list[i];
		if (match->kind == HOST_ALL || (match->kind == HOST_RANGE ? is_address && cidr_contains(&match->range, &ip)
									     : !is_address && host_match_is(match, bare, names_below)))
			return true;
	}
	return false;
}
