/* src/daemon/doors.h: the addresses at which we listen ourselves, so that no delivery calls the daemon that makes it. Filled before deliveries
 * begin; ports that the kernel chooses come later. Any thread may ask. Who listens everywhere has the addresses of this machine, which are looked at
 * anew, since they come and go; while that fails (no descriptors) those that were seen last count. */
#pragma once
#include "daemon/config.h"
#include "net/address.h"
#include <pthread.h>

#define DOORS_MAX     128 /* above what a configuration may list, and a supervisor may give */
#define DOORS_LOOK_US INT64_C(1000000)

struct doors {
	pthread_mutex_t lock;
	struct door {
		struct ip_address ip; /* all zero: every address of this machine */
		uint16_t port;
	} all[DOORS_MAX];
	uint32_t count;
	struct ifaddrs *here; /* of this machine; NULL: never seen */
	int64_t looked_us;
};

void doors_init(struct doors *doors);
void doors_fini(struct doors *doors);
void doors_add(struct doors *doors, const struct ip_address *ip, uint16_t port); /* port 0 is none */
void doors_add_fd(struct doors *doors, int fd);                                  /* a listening socket; other kinds than IP are none */
/* What the configuration lists. A name may mean any address of this machine. */
void doors_add_listed(struct doors *doors, const struct config_list *listen);
/* Would a connection to this address come in at one of them? Port 0: at that of any of them. context is a struct doors. */
bool doors_lead_in(void *context, const struct ip_address *ip, uint16_t port);
