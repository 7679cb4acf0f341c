/* src/net/host_match.h: hosts that a setting names, as no_proxy does: names, suffixes, addresses, ranges. Pure: a host is compared as it
 * stands in the URL, so an address meets ranges only where the URL holds the address itself; no name is looked up. */
#pragma once
#include "net/address.h"

#define HOST_NAME_BYTES 253 /* of a name in the DNS */

struct host_match {
	enum host_match_kind {
		HOST_ALL,       /* "*" */
		HOST_RANGE,     /* "10.1.2.3", "[fd00::1]", "10.0.0.0/8" */
		HOST_NAME,      /* "intra.example" */
		HOST_BELOW,     /* ".intra.example", "*.intra.example": not the name itself */
	} kind;
	struct cidr range;
	uint8_t len;
	char name[HOST_NAME_BYTES]; /* without dots at its ends */
};

/* problem may be NULL. */
MUST_USE enum err host_match_parse(struct str text, struct host_match *out, struct problem *problem);
/* host: of a URL, brackets and a dot at the end included. A HOST_NAME also stands for the names below it if names_below says so. */
bool host_match_any(const struct host_match *list, uint32_t count, struct str host, bool names_below);
