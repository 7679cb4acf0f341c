/* src/rules/http_url.h: the URL of a third party, taken apart strictly: what one program reads as host and another as credentials
 * is how guards are walked around. Only http and https, a host, an optional port; ASCII without blanks, controls and backslashes. */
#pragma once
#include "base/err.h"

struct http_url {
	bool secure;       /* https */
	struct str host;   /* as written, brackets of an IPv6 address included */
	uint16_t port;     /* the scheme's own when none is written */
	struct str rest;   /* path, query and fragment; may be empty */
};

/* NULL, or a sentence that says what is wrong; *out is then untouched. The slices are the URL's. */
const char *http_url_split(struct str url, struct http_url *out);
/* Scheme, host and port: also of a template, whose places come behind them. Empty: there is no "://". */
struct str http_url_origin(struct str url);
