/* src/base/zones.h: the time zones of this machine's tz database, by their IANA names ("Europe/Paris"). A zone is read once, by GLib, into a
 * table of what it does from 1900 to 2200, and then stays until the process ends: it may be kept, and asked by any thread. What changes
 * in the database is seen after a restart. TZDIR names the database's directory, as for the C library.
 *
 * One zone is known to be wrong with GLib 2.74, far away: Europe/Dublin, whose standard time is summer's, from 2038 on. */
#pragma once
#include "base/err.h"
#include "base/zone.h"

#define ZONES_NAME_BYTES 64 /* the longest name there is has 32 */

extern const struct zone zones_utc; /* also what "UTC" finds, on a machine without a tz database as well */

/* E_INVALID: there is no such zone; the problem's field is "time_zone", and it suggests the name that was perhaps meant. Names are as IANA
 * writes them, upper and lower case included; offsets ("+02:00"), POSIX rules and paths are no names. E_CONFIG: no tz database here.
 * E_NOMEM. problem may be NULL. */
MUST_USE enum err zones_find(struct str name, const struct zone **out, struct problem *problem);
