#include "net/address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t ip_mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

enum err ip_parse(struct str text, struct ip_address *out)
{
	char copy[IP_TEXT_BYTES];
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
		return E_INVALID;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	struct ip_address ip = { .is_v6 = strchr(copy, ':') != NULL };
	if (inet_pton(ip.is_v6 ? AF_INET6 : AF_INET, copy, ip.bytes) != 1)
		return E_INVALID;
	*out = ip;
	return E_OK;
}

void ip_text(const struct ip_address *ip, char out[IP_TEXT_BYTES])
{
	if (!inet_ntop(ip->is_v6 ? AF_INET6 : AF_INET, ip->bytes, out, IP_TEXT_BYTES))
		out[0] = '\0';
}

bool ip_eq(const struct ip_address *a, const struct ip_address *b)
{
	return a->is_v6 == b->is_v6 && memcmp(a->bytes, b->bytes, a->is_v6 ? 16 : 4) == 0;
}

static bool ip_is_mapped(const struct ip_address *ip)
{
	return ip->is_v6 && memcmp(ip->bytes, ip_mapped_prefix, sizeof(ip_mapped_prefix)) == 0;
}

struct ip_address ip_unmapped(const struct ip_address *ip)
{
	if (!ip_is_mapped(ip))
		return *ip;
	struct ip_address inner = { .is_v6 = false };
	memcpy(inner.bytes, ip->bytes + sizeof(ip_mapped_prefix), 4);
	return inner;
}

bool ip_of_sockaddr(const struct sockaddr *address, struct ip_address *out, uint16_t *out_port)
{
	struct ip_address ip = { .is_v6 = address->sa_family == AF_INET6 };
	uint16_t port;
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
		memcpy(ip.bytes, &in->sin_addr, 4);
		port = in->sin_port;
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
		memcpy(ip.bytes, &in6->sin6_addr, 16);
		port = in6->sin6_port;
	} else {
		return false;
	}
	*out = ip_unmapped(&ip);
	if (out_port)
		*out_port = ntohs(port);
	return true;
}

socklen_t ip_to_sockaddr(const struct ip_address *ip, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (ip->is_v6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, ip->bytes, 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	memcpy(&in->sin_addr, ip->bytes, 4);
	return sizeof(*in);
}

/* ---- ranges ---- */

static bool ip_has_bits_beyond(const struct ip_address *ip, unsigned prefix_bits)
{
	unsigned size = ip->is_v6 ? 16 : 4;
	for (unsigned i = prefix_bits / 8; i < size; i++) {
		unsigned kept = i == prefix_bits / 8 ? prefix_bits % 8 : 0;
		if (ip->bytes[i] & (0xffu >> kept))
			return true;
	}
	return false;
}

enum err cidr_parse(struct str text, struct cidr *out, struct problem *problem)
{
	size_t slash = str_index(text, '/');
	struct ip_address ip;
	if (ip_parse((struct str){ text.ptr, slash }, &ip))
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' is not an address range: write 10.0.0.0/8 or fd00::/8.",
				   STR_ARG(text));
	uint64_t bits_max = ip.is_v6 ? 128 : 32;
	uint64_t bits = bits_max;
	struct str digits = str_from(text, slash + 1);
	bool plain = digits.len > 0 && digits.len <= 3 && (digits.ptr[0] != '0' || digits.len == 1);
	if (slash < text.len && (!plain || !str_u64(digits, &bits) || bits > bits_max))
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' needs a prefix of 0 to %u after the '/'.", STR_ARG(text),
				   (unsigned)bits_max);
	if (ip_has_bits_beyond(&ip, (unsigned)bits))
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' has bits set beyond its prefix of %u: clear them or lengthen it.",
				   STR_ARG(text), (unsigned)bits);
	if (ip_is_mapped(&ip) && bits >= 96) {
		ip = ip_unmapped(&ip);
		bits -= 96;
	}
	*out = (struct cidr){ .base = ip, .prefix_bits = (uint8_t)bits };
	return E_OK;
}

bool cidr_contains(const struct cidr *range, const struct ip_address *ip)
{
	struct ip_address judged = ip_unmapped(ip);
	if (judged.is_v6 != range->base.is_v6)
		return false;
	unsigned whole = range->prefix_bits / 8, rest = range->prefix_bits % 8;
	if (memcmp(judged.bytes, range->base.bytes, whole) != 0)
		return false;
	return rest == 0 || ((judged.bytes[whole] ^ range->base.bytes[whole]) >> (8 - rest)) == 0;
}

bool cidr_any_contains(const struct cidr *ranges, uint32_t count, const struct ip_address *ip)
{
	for (uint32_t i = 0; i < count; i++) {
		if (cidr_contains(&ranges[i], ip))
			return true;
	}
	return false;
}

static bool port_read(struct str text, uint16_t *out)
{
	uint64_t port;
	if (text.len == 0 || text.len > 5 || !str_u64(text, &port) || port < 1 || port > 65535)
		return false;
	*out = (uint16_t)port;
	return true;
}

enum err port_range_parse(struct str text, struct port_range *out, struct problem *problem)
{
	size_t dash = str_index(text, '-');
	struct port_range range = { 0 };
	if (!port_read((struct str){ text.ptr, dash }, &range.first) || (dash < text.len && !port_read(str_from(text, dash + 1), &range.last)))
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' is no port and no range of ports: write 443 or 8000-8999, from 1 to 65535.",
				   STR_ARG(str_cut(text, 60)));
	if (dash == text.len)
		range.last = range.first;
	if (range.last < range.first)
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' ends before it begins: write the lower port first.", STR_ARG(text));
	*out = range;
	return E_OK;
}

bool port_any_contains(const struct port_range *ranges, uint32_t count, uint16_t port)
{
	for (uint32_t i = 0; i < count; i++)
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	return false;
}

/* ---- where to listen ---- */

static enum err address_parse_unix(struct str text, struct str path, struct address *out, struct problem *problem)
{
	if (path.len == 0 || memchr(path.ptr, '\0', path.len))
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' needs a path: unix:/run/ruche.sock.", STR_ARG(text));
	if (path.len > ADDRESS_PATH_MAX)
		return problem_set(problem, E_INVALID, "", "The path of a Unix socket has at most %d bytes; this one has %zu.",
				   ADDRESS_PATH_MAX, path.len);
	*out = (struct address){ .kind = ADDRESS_UNIX };
	memcpy(out->text, path.ptr, path.len);
	return E_OK;
}

static bool address_is_name(struct str host)
{
	if (host.len == 0 || host.len >= ADDRESS_TEXT_BYTES || host.ptr[0] == '-')
		return false;
	bool has_letter = false; /* digits and dots alone are a mistyped IPv4 address */
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
			return false;
		has_letter |= letter;
	}
	return has_letter && !str_starts(host, STR("0x"));
}

enum err address_parse(struct str text, struct address *out, struct problem *problem)
{
	if (str_starts(text, STR("unix:")))
		return address_parse_unix(text, str_from(text, 5), out, problem);
	size_t colon = text.len;
	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	struct str host = { text.ptr, colon ? colon - 1 : 0 };
	struct str digits = str_from(text, colon);
	uint64_t port = 0;
	if (colon == 0 || digits.len > 5 || !str_u64(digits, &port) || port > 65535)
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' needs a port of 0 to 65535: 127.0.0.1:8420, [::1]:8420 or unix:/path.",
				   STR_ARG(text));
	struct address address = { .kind = ADDRESS_IP, .port = (uint16_t)port };
	bool bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	struct str literal = bracketed ? (struct str){ host.ptr + 1, host.len - 2 } : host;
	bool is_ip = ip_parse(literal, &address.ip) == E_OK;
	if (is_ip && address.ip.is_v6 != bracketed)
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "': IPv6 addresses stand in brackets, others do not: [::1]:8420.",
				   STR_ARG(text));
	if (!is_ip && (bracketed || !address_is_name(host)))
		return problem_set(problem, E_INVALID, "", "'" STR_FMT "' names no host: write 127.0.0.1:8420, 0.0.0.0:8420 (everywhere), "
				   "[::1]:8420 or unix:/path.", STR_ARG(text));
	if (!is_ip) {
		address.kind = ADDRESS_NAME;
		memcpy(address.text, host.ptr, host.len);
	}
	*out = address;
	return E_OK;
}
