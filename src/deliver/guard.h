/* src/deliver/guard.h: may this address be called? Pure judgement of the address that a connection is about to be made to, so that no
 * spelling of a host and no change of a name in between goes round it. Our own listeners are refused, or a third party's URL would speak
 * to our API from within (setting `deliver.allow_self` permits it). What is not a global address is refused (private ranges, loopback,
 * link-local with the clouds' metadata, multicast, documentation, IPv6 forms that carry an IPv4 address inside), so are the addresses of our
 * listeners, unless a range of the allow list (setting `deliver.allow`) holds the address. A host name in that list permits what the name
 * means at that moment, in private networks alone: whoever has its DNS is trusted with those, and never gets at loopback, metadata or us.
 *
 * ::ffff:a.b.c.d is the IPv4 address a.b.c.d, also for the allow list. Other embeddings (NAT64, 6to4, Teredo, …) are refused whole:
 * where they end is not ours to know.
 *
 * Before that the URL is judged: its scheme (`deliver.https_only`) and its port, the scheme's own when none is written
 * (`deliver.ports`). Also with a proxy, and before a connection that is open serves again: of those two no address is judged. Which calls
 * go past the proxy is said by the URL's host alone (`deliver.no_proxy`): a third party's DNS has no say in it. Their addresses are judged. */
#pragma once
#include "net/host_match.h"

struct guard_settings {
	const struct cidr *allow;
	uint32_t allow_count;
	const struct host_match *allow_hosts;
	uint32_t allow_host_count;
	bool allow_self;
	bool https_only;
	const struct port_range *ports;
	uint32_t port_count;       /* 0: all ports */
	const struct host_match *no_proxy;
	uint32_t no_proxy_count;
};
struct guard {
	struct guard_settings settings;
	bool (*is_self)(void *self, const struct ip_address *ip, uint16_t port); /* one of our listeners; port 0: the address of one. NULL: none is */
	void *self;
};
enum guard_answer { GUARD_GLOBAL, GUARD_ALLOWED, GUARD_REFUSED };
struct guard_verdict {
	enum guard_answer answer;
	const char *range;         /* REFUSED: "127.0.0.0/8" */
	const char *name;          /* REFUSED: "loopback" */
	const char *remedy;        /* REFUSED: what would change that; NULL: nothing */
};
struct guard_verdict guard_judge(const struct guard *guard, const char *url, const struct sockaddr *address);
/* As http_client_config wants it; context is a struct guard. Says why not, and what would change that: one sentence. */
bool guard_permits(void *context, const char *url, const struct sockaddr *address, char *why, size_t why_bytes);
/* May this URL be called at all? As http_client_config wants it; context is a struct guard. */
bool guard_permits_url(void *context, const char *url, char *why, size_t why_bytes);
/* Does this URL go past the proxy? As http_client_config wants it; context is a struct guard. */
bool guard_avoids_proxy(void *context, const char *url);
