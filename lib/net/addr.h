#ifndef LIB_NET_ADDR_H
#define LIB_NET_ADDR_H
/* Socket addresses. */
#include "lib/base/base.h"
struct sockaddr;
enum addr_family { ADDR_NONE, ADDR_V4, ADDR_V6 };
struct addr {
    enum addr_family family;
    uint16_t port;
    uint8_t ip[16]; /* v4: first four bytes */
};
#define ADDR_TEXT_MAX 56
void addr_unmap(struct addr *a); /* an IPv4 address in the clothes of IPv6 becomes one */
enum err addr_parse(struct str ip, uint16_t port,
                    struct addr *out) MUST_USE; /* literal only, no look-up */
enum err addr_parse_hostport(struct str text,
                             struct addr *out) MUST_USE;          /* "1.2.3.4:5", "[::1]:5" */
char *addr_format(char out[ADDR_TEXT_MAX], const struct addr *a); /* "1.2.3.4:5", "[::1]:5" */
bool addr_eq(const struct addr *a, const struct addr *b);
/* For counts by address, keyed by the secret of the process: an IPv4 address, or the /64 of an IPv6
 * one, which is what one customer has. 0: of no address. */
uint64_t addr_network_key(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
#endif
