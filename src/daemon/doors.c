#include "daemon/doors.h"
#include "base/check.h"
#include <ifaddrs.h>

static const struct ip_address door_anywhere = { 0 };

void doors_init(struct doors *doors)
{
	*doors = (struct doors){ .count = 0 };
	CHECK(pthread_mutex_init(&doors->lock, NULL) == 0);
}

void doors_fini(struct doors *doors)
{
	pthread_mutex_destroy(&doors->lock);
}

void doors_add(struct doors *doors, const struct ip_address *ip, uint16_t port)
{
	CHECK(pthread_mutex_lock(&doors->lock) == 0);
	if (port) {
		CHECK(doors->count < DOORS_MAX);
		doors->all[doors->count++] = (struct door){ *ip, port };
	}
	CHECK(pthread_mutex_unlock(&doors->lock) == 0);
}

void doors_add_fd(struct doors *doors, int fd)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t len = sizeof(bound);
	struct ip_address ip;
	uint16_t port;
	if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 && ip_of_sockaddr((struct sockaddr *)&bound, &ip, &port))
		doors_add(doors, &ip, port);
}

void doors_add_listed(struct doors *doors, const struct config_list *listen)
{
	for (uint32_t i = 0; i < listen->count; i++) {
		struct address address;
		if (!address_parse(str_of(listen->items[i]), &address, NULL) && address.kind != ADDRESS_UNIX)
			doors_add(doors, address.kind == ADDRESS_IP ? &address.ip : &door_anywhere, address.port);
	}
}

static bool ip_is_zero(const struct ip_address *ip)
{
	return memcmp(ip->bytes, door_anywhere.bytes, sizeof(ip->bytes)) == 0;
}

/* Looked at anew, since addresses come and go. What cannot be looked at is ours. */
static bool ip_is_here(const struct ip_address *ip)
{
	static const struct cidr loopback = { .base.bytes = { 127 }, .prefix_bits = 8 };
	struct ifaddrs *all;
	bool here = cidr_contains(&loopback, ip);
	if (here || getifaddrs(&all) != 0)
		return true;
	for (const struct ifaddrs *one = all; one && !here; one = one->ifa_next) {
		struct ip_address own;
		here = one->ifa_addr && ip_of_sockaddr(one->ifa_addr, &own, NULL) && ip_eq(&own, ip);
	}
	freeifaddrs(all);
	return here;
}

/* A connection to 0.0.0.0 or :: is one to this machine. */
bool doors_lead_in(void *context, const struct ip_address *ip, uint16_t port)
{
	struct doors *doors = context;
	bool leads_in = false, everywhere = false;
	CHECK(pthread_mutex_lock(&doors->lock) == 0);
	for (uint32_t i = 0; i < doors->count; i++) {
		const struct door *door = &doors->all[i];
		if (door->port != port)
			continue;
		leads_in |= ip_is_zero(ip) || ip_eq(&door->ip, ip);
		everywhere |= ip_is_zero(&door->ip);
	}
	CHECK(pthread_mutex_unlock(&doors->lock) == 0);
	return leads_in || (everywhere && ip_is_here(ip));
}
