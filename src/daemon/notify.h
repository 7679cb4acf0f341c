/* src/daemon/notify.h: what a supervisor is told and gives: systemd's protocols, which are a datagram and a few environment variables.
 * Without a supervisor every call does nothing. One thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

void notify_ready(const char *status);     /* the store is open and the listeners are up */
void notify_status(const char *status);    /* one line for `systemctl status` */
void notify_reloading(void);               /* before a reload; notify_ready after it */
void notify_stopping(const char *status);
void notify_watchdog(void);                /* still well */
int64_t notify_watchdog_us(void);          /* how often it wants to hear that; 0: never */

#define NOTIFY_FIRST_FD 3
/* Listening descriptors that were handed over (socket activation): how many, from NOTIFY_FIRST_FD on. They are made close-on-exec, and the
 * variables are removed, so that children do not take them for theirs. */
int notify_listen_fds(void);
