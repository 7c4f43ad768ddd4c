/*
 * addr.h - struct sp_addr: from and to what the kernel takes, and what people write.
 *
 *     10.4.0.7:5432   [::1]:80   unix:/run/x.sock   unix:@name
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "shearpin/types.h"

#include <sys/socket.h>

#define SP_ADDR_TEXT_SIZE 128 /* holds every address as text */

/* False, and family NONE, for what is no address of a peer we know: another family, too short, a
 * path that fills sun_path to the last byte. A v4-mapped IPv6 address becomes IPv4. In an abstract
 * name NULs at the end are dropped and those within become '@'. Safe in signal handlers. */
bool sp_addr_from_sockaddr(const struct sockaddr *from, socklen_t length, struct sp_addr *to);

/* The length of what was filled in, 0 for family NONE. */
socklen_t sp_addr_to_sockaddr(const struct sp_addr *from, struct sockaddr_storage *to);

/* The same, for a socket of domain `family`: IPv4 on an AF_INET6 socket becomes v4-mapped again.
 * 0 when such a socket cannot reach the address. */
socklen_t sp_addr_to_family(const struct sp_addr *from, int family, struct sockaddr_storage *to);

/* Reads what sp_addr_format writes; an IP address may come without a port (then it is 0), IPv6
 * without brackets too if it has none. False when it is not an address; names are not looked up. */
bool sp_addr_parse(const char *text, size_t length, struct sp_addr *to);

/* Always NUL-terminated; returns the length as snprintf does. */
size_t sp_addr_format(const struct sp_addr *address, char *out, size_t size);

/* What sp_addr_parse reads, cut to `size`; safe in signal handlers. "" for family NONE. */
void sp_addr_plain(const struct sp_addr *address, char *out, size_t size);

bool sp_addr_equal(const struct sp_addr *a, const struct sp_addr *b);
uint64_t sp_addr_hash(const struct sp_addr *address);

/* Do the first `prefix` bits of `address` equal those of `net`? Not for unix addresses. */
bool sp_addr_in(const struct sp_addr *address, uint8_t family, const uint8_t net[16],
                unsigned prefix);

/* Clears the bits behind the prefix; true when one of them was set. */
bool sp_addr_mask(uint8_t net[16], unsigned prefix);

/* 4 or 16 bytes from `length` characters, v4-mapped made IPv4 (then *mapped is true if given).
 * SP_FAMILY_NONE when it is no IP address. */
enum sp_family sp_addr_parse_ip(const char *text, size_t length, uint8_t ip[16], bool *mapped);

#endif
