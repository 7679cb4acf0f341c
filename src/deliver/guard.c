#include "deliver/guard.h"
#include "rules/http_url.h"
#include <netinet/in.h>
#include <stdio.h>

struct guard_range {
	struct cidr cidr;
	const char *text, *name;
	bool by_name; /* what a host that the allow list names may mean */
};
#define FOUR(a, b, c, bits, name, ...) \
	{ { { { a, b, c }, false }, bits }, #a "." #b "." #c ".0/" #bits, name, ##__VA_ARGS__ }
#define SIX(text, bits, name, ...) \
	{ { { { __VA_ARGS__ }, true }, bits }, text "/" #bits, name, false }

/* IANA's special-purpose registries (RFC 6890 and later); the narrower range stands first, since it says more. */
static const struct guard_range guard_four[] = {
	FOUR(0, 0, 0, 8, "this network"),
	FOUR(10, 0, 0, 8, "private network", true),
	{ { { { 100, 100, 100, 200 }, false }, 32 }, "100.100.100.200/32", "cloud metadata", false },
	FOUR(100, 64, 0, 10, "carrier-grade NAT", true),
	FOUR(127, 0, 0, 8, "loopback"),
	{ { { { 168, 63, 129, 16 }, false }, 32 }, "168.63.129.16/32", "cloud metadata", false }, /* looks public, and is inside */
	FOUR(169, 254, 0, 16, "link-local, cloud metadata"),
	FOUR(172, 16, 0, 12, "private network", true),
	FOUR(192, 0, 0, 24, "protocol assignments"),
	FOUR(192, 0, 2, 24, "documentation"),
	FOUR(192, 88, 99, 24, "6to4 relays"),
	FOUR(192, 168, 0, 16, "private network", true),
	FOUR(198, 18, 0, 15, "benchmarks"),
	FOUR(198, 51, 100, 24, "documentation"),
	FOUR(203, 0, 113, 24, "documentation"),
	FOUR(224, 0, 0, 4, "multicast"),
	{ { { { 255, 255, 255, 255 }, false }, 32 }, "255.255.255.255/32", "broadcast", false },
	FOUR(240, 0, 0, 4, "reserved"),
};
static const struct guard_range guard_six[] = {
	SIX("::", 128, "unspecified", 0),
	SIX("::1", 128, "loopback", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
	SIX("::", 96, "IPv4 inside IPv6", 0),
	SIX("::ffff:0:0:0", 96, "IPv4 inside IPv6", 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff),
	SIX("64:ff9b::", 96, "NAT64: IPv4 inside IPv6", 0, 0x64, 0xff, 0x9b),
	SIX("64:ff9b:1::", 48, "NAT64: IPv4 inside IPv6", 0, 0x64, 0xff, 0x9b, 0, 1),
	SIX("100::", 64, "discard", 1),
	SIX("2001::", 32, "Teredo: IPv4 inside IPv6", 0x20, 0x01),
	SIX("2001::", 23, "protocol assignments", 0x20, 0x01),
	SIX("2001:db8::", 32, "documentation", 0x20, 0x01, 0x0d, 0xb8),
	SIX("2002::", 16, "6to4: IPv4 inside IPv6", 0x20, 0x02),
	SIX("3fff::", 20, "documentation", 0x3f, 0xff),
	SIX("5f00::", 16, "segment routing", 0x5f),
	SIX("fd00:ec2::", 32, "cloud metadata", 0xfd, 0, 0x0e, 0xc2),
	SIX("fd00:42::42", 128, "cloud metadata", 0xfd, 0, 0, 0x42, [15] = 0x42),
	SIX("fd00:c1::a9fe:a9fe", 128, "cloud metadata", 0xfd, 0, 0, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe),
	SIX("fd20:ce::254", 128, "cloud metadata", 0xfd, 0x20, 0, 0xce, [14] = 0x02, 0x54),
	{ { { { 0xfc }, true }, 7 }, "fc00::/7", "private network", true },
	SIX("fe80::", 10, "link-local", 0xfe, 0x80),
	SIX("fec0::", 10, "site-local", 0xfe, 0xc0),
	SIX("ff00::", 8, "multicast", 0xff),
};
static const struct cidr guard_global_six = { { { 0x20 }, true }, 3 }; /* 2000::/3: all global unicast that there is */

#define BY_RANGE      "a range that holds it in the setting deliver.allow permits it"
#define BY_BOTH       "the setting deliver.allow_self, and a range that holds it in deliver.allow, permit it"
#define NOT_BY_NAME   BY_RANGE ", a name does not"

static struct guard_verdict guard_refuse(const char *range, const char *name, const char *remedy)
{
	return (struct guard_verdict){ GUARD_REFUSED, range, name, remedy };
}

/* Has the operator allowed whatever private address this host means? He trusts its DNS with those, with nothing else. */
static bool guard_allows_host(const struct guard_settings *settings, const char *url)
{
	struct http_url parts;
	return settings->allow_host_count && !http_url_split(http_url_origin(str_of(url)), &parts) &&
	       host_match_any(settings->allow_hosts, settings->allow_host_count, parts.host, false);
}

static struct guard_verdict guard_judge_range(const struct ip_address *ip, bool host_is_allowed)
{
	const struct guard_range *ranges = ip->is_v6 ? guard_six : guard_four;
	size_t count = ip->is_v6 ? ARRAY_COUNT(guard_six) : ARRAY_COUNT(guard_four);
	for (size_t i = 0; i < count; i++) {
		if (!cidr_contains(&ranges[i].cidr, ip))
			continue;
		if (host_is_allowed && ranges[i].by_name)
			return (struct guard_verdict){ .answer = GUARD_ALLOWED };
		return guard_refuse(ranges[i].text, ranges[i].name, host_is_allowed ? NOT_BY_NAME : BY_RANGE);
	}
	if (ip->is_v6 && !cidr_contains(&guard_global_six, ip))
		return guard_refuse("::/0", "outside of 2000::/3, not a global address", BY_RANGE);
	return (struct guard_verdict){ .answer = GUARD_GLOBAL };
}

struct guard_verdict guard_judge(const struct guard *guard, const char *url, const struct sockaddr *address)
{
	struct ip_address ip;
	uint16_t port;
	if (!ip_of_sockaddr(address, &ip, &port))
		return guard_refuse("", "an address that is neither IPv4 nor IPv6", NULL);
	if (port == 0)
		return guard_refuse("", "port 0", NULL);
	if (!guard->settings.allow_self && guard->is_self && guard->is_self(guard->self, &ip, port))
		return guard_refuse("our own listeners", "this daemon itself", BY_BOTH);
	if (cidr_any_contains(guard->settings.allow, guard->settings.allow_count, &ip))
		return (struct guard_verdict){ .answer = GUARD_ALLOWED };
	bool host_is_allowed = guard_allows_host(&guard->settings, url);
	if (guard->is_self && guard->is_self(guard->self, &ip, 0))
		return guard_refuse("our own addresses", "this daemon's machine", host_is_allowed ? NOT_BY_NAME : BY_RANGE);
	return guard_judge_range(&ip, host_is_allowed);
}

static void guard_explain(const struct guard_verdict *verdict, const struct sockaddr *address, char *out, size_t out_bytes)
{
	struct ip_address ip;
	char text[IP_TEXT_BYTES];
	if (!verdict->remedy || !ip_of_sockaddr(address, &ip, NULL)) {
		snprintf(out, out_bytes, "%s is never called", verdict->name);
		return;
	}
	ip_text(&ip, text);
	snprintf(out, out_bytes, "%s is in %s (%s), which is not called; %s", text, verdict->range, verdict->name, verdict->remedy);
}

bool guard_permits(void *context, const char *url, const struct sockaddr *address, char *why, size_t why_bytes)
{
	struct guard_verdict verdict = guard_judge(context, url, address);
	if (verdict.answer != GUARD_REFUSED)
		return true;
	guard_explain(&verdict, address, why, why_bytes);
	return false;
}

bool guard_permits_url(void *context, const char *url, char *why, size_t why_bytes)
{
	const struct guard_settings *settings = &((const struct guard *)context)->settings;
	struct http_url parts;
	if (!settings->https_only && !settings->port_count)
		return true;
	if (http_url_split(http_url_origin(str_of(url)), &parts)) {
		snprintf(why, why_bytes, "the URL's scheme and port cannot be read, and not all of them are called "
		                         "(settings deliver.https_only, deliver.ports)");
	} else if (settings->https_only && !parts.secure) {
		snprintf(why, why_bytes, "http is not called, only https (setting deliver.https_only); use an https:// URL or change the setting");
	} else if (settings->port_count && !port_any_contains(settings->ports, settings->port_count, parts.port)) {
		snprintf(why, why_bytes, "port %u is not called; a range that holds it in the setting deliver.ports permits it", parts.port);
	} else {
		return true;
	}
	return false;
}

bool guard_avoids_proxy(void *context, const char *url)
{
	const struct guard_settings *settings = &((const struct guard *)context)->settings;
	struct http_url parts;
	return settings->no_proxy_count && !http_url_split(http_url_origin(str_of(url)), &parts) &&
	       host_match_any(settings->no_proxy, settings->no_proxy_count, parts.host, true);
}
