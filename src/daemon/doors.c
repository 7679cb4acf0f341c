#include "daemon/doors.h"
#include "base/check.h"
#include "base/clock.h"
#include <ifaddrs.h>

static const struct ip_address door_anywhere = { 0 };

static void doors_look(struct doors *doors)
{
	struct ifaddrs *fresh;
	int64_t now_us = clock_mono_us();
	if ((doors->here && now_us - doors->looked_us < DOORS_LOOK_US) || getifaddrs(&fresh) != 0)
		return;
	freeifaddrs(doors->here);
	doors->here = fresh;
	doors->looked_us = now_us;
}

void doors_init(struct doors *doors)
{
	*doors = (struct doors){ .count = 0 };
	CHECK(pthread_mutex_init(&doors->lock, NULL) == 0);
	doors_look(doors);
}

void doors_fini(struct doors *doors)
{
	freeifaddrs(doors->here);
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

/* What could never be looked at is ours. */
static bool doors_are_here(struct doors *doors, const struct ip_address *ip)
{
	static const struct cidr loopback = { .base.bytes = { 127 }, .prefix_bits = 8 };
	doors_look(doors);
	bool here = !doors->here || cidr_contains(&loopback, ip);
	for (const struct ifaddrs *one = doors->here; one && !here; one = one->ifa_next) {
		struct ip_address own;
		here = one->ifa_addr && ip_of_sockaddr(one->ifa_addr, &own, NULL) && ip_eq(&own, ip);
	}
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
		if (port && door->port != port)
			continue;
		leads_in |= ip_is_zero(ip) || ip_eq(&door->ip, ip);
		everywhere |= ip_is_zero(&door->ip);
	}
	leads_in = leads_in || (everywhere && doors_are_here(doors, ip));
	CHECK(pthread_mutex_unlock(&doors->lock) == 0);
	return leads_in;
}
