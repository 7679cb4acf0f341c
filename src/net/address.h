/* src/net/address.h: where to listen, and which addresses and ports a range holds. Pure: text in, values out; no name is looked up here.
 *
 * Addresses are read strictly: four decimal numbers without leading zeros for IPv4 (no octal, hexadecimal or short forms), RFC 4291
 * text without a zone for IPv6. An IPv4 address that arrives inside IPv6 (::ffff:a.b.c.d) is the IPv4 address: ranges judge that one. */
#pragma once
#include "base/err.h"
#include <sys/socket.h>

#define IP_TEXT_BYTES      46  /* the longest IPv6 text and NUL */
#define ADDRESS_TEXT_BYTES 256 /* a host name, or a path (sun_path takes 107 bytes) */
#define ADDRESS_PATH_MAX   107

struct ip_address {
	uint8_t bytes[16]; /* IPv4: the first four */
	bool is_v6;
};

/* "192.0.2.1", "2001:db8::1". E_INVALID otherwise. Mapped addresses stay IPv6 until ip_unmapped. */
MUST_USE enum err ip_parse(struct str text, struct ip_address *out);
void ip_text(const struct ip_address *ip, char out[IP_TEXT_BYTES]);
bool ip_eq(const struct ip_address *a, const struct ip_address *b);
/* ::ffff:a.b.c.d as a.b.c.d, anything else as it is. */
struct ip_address ip_unmapped(const struct ip_address *ip);
/* False when the socket address is neither IPv4 nor IPv6. Mapped addresses come out as IPv4. out_port may be NULL. */
bool ip_of_sockaddr(const struct sockaddr *address, struct ip_address *out, uint16_t *out_port);
/* Fills *out and answers its length. */
socklen_t ip_to_sockaddr(const struct ip_address *ip, uint16_t port, struct sockaddr_storage *out);

/* ---- ranges ---- */
struct cidr {
	struct ip_address base; /* bits beyond the prefix are zero */
	uint8_t prefix_bits;    /* 0 to 32, or to 128 */
};

/* "10.0.0.0/8", "fd00::/8", or one address ("127.0.0.1" is a /32). Bits set beyond the prefix ("10.0.0.1/8") are refused: they are
 * mistakes more often than meant. A mapped range (::ffff:10.0.0.0/104 and longer) is its IPv4 range. problem may be NULL. */
MUST_USE enum err cidr_parse(struct str text, struct cidr *out, struct problem *problem);
/* IPv4 ranges hold IPv4 addresses (mapped ones too), IPv6 ranges the others. */
bool cidr_contains(const struct cidr *range, const struct ip_address *ip);
bool cidr_any_contains(const struct cidr *ranges, uint32_t count, const struct ip_address *ip);

struct port_range {
	uint16_t first, last; /* both held */
};
/* "443", "8000-8999". problem may be NULL. */
MUST_USE enum err port_range_parse(struct str text, struct port_range *out, struct problem *problem);
bool port_any_contains(const struct port_range *ranges, uint32_t count, uint16_t port);

/* ---- where to listen ---- */
enum address_kind { ADDRESS_IP, ADDRESS_NAME, ADDRESS_UNIX };
struct address {
	enum address_kind kind;
	struct ip_address ip;          /* ADDRESS_IP */
	uint16_t port;                 /* ADDRESS_IP, ADDRESS_NAME; 0: any free one */
	char text[ADDRESS_TEXT_BYTES]; /* ADDRESS_NAME: the host; ADDRESS_UNIX: the path; NUL-terminated */
};

/* "127.0.0.1:8420", "[::1]:8420", "localhost:8420", "unix:/run/ruche.sock". The problem says what is wrong with it. */
MUST_USE enum err address_parse(struct str text, struct address *out, struct problem *problem);
