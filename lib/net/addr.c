/* Socket addresses: literals to bytes and back.
 *
 * Design: no names, no look-ups, no scope ids; limits are the longest literals. IPv4-mapped IPv6
 * addresses are told as IPv4, so that one peer has one spelling. Standards: RFC 5952 for output, by
 * inet_ntop. */
#include "lib/net/addr.h"
#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/base/siphash.h"

void addr_unmap(struct addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (a->family != ADDR_V6 || memcmp(a->ip, mapped, sizeof mapped) != 0)
        return;
    a->family = ADDR_V4;
    memmove(a->ip, a->ip + 12, 4);
    memset(a->ip + 4, 0, 12);
}

enum err addr_parse(struct str ip, uint16_t port, struct addr *out)
{
    char text[INET6_ADDRSTRLEN];
    struct addr a = {.port = port};

    if (!ip.p || ip.n == 0 || ip.n >= sizeof text || memchr(ip.p, 0, ip.n))
        return ERR_INVALID;
    memcpy(text, ip.p, ip.n);
    text[ip.n] = 0;
    if (inet_pton(AF_INET, text, a.ip) == 1) {
        a.family = ADDR_V4;
    } else if (inet_pton(AF_INET6, text, a.ip) == 1) {
        a.family = ADDR_V6;
        addr_unmap(&a);
    } else {
        return ERR_INVALID;
    }
    *out = a;
    return ERR_OK;
}

enum err addr_parse_hostport(struct str text, struct addr *out)
{
    struct str ip = text, port;
    uint64_t number;

    if (!text.p)
        return ERR_INVALID;
    if (text.n && text.p[0] == '[') {
        ptrdiff_t end = str_find(text, ']');
        if (end < 0 || (size_t)end + 1 >= text.n || text.p[end + 1] != ':')
            return ERR_INVALID;
        ip = str_make(text.p + 1, (size_t)end - 1);
        if (str_find(ip, ':') < 0)
            return ERR_INVALID;
        port = str_make(text.p + end + 2, text.n - (size_t)end - 2);
    } else {
        ptrdiff_t colon = str_find(text, ':');
        if (colon < 0)
            return ERR_INVALID;
        ip.n = (size_t)colon;
        port = str_make(text.p + colon + 1, text.n - (size_t)colon - 1);
    }
    if (port.n == 0 || !str_to_u64(port, UINT16_MAX, &number))
        return ERR_INVALID;
    return addr_parse(ip, (uint16_t)number, out);
}

char *addr_format(char out[ADDR_TEXT_MAX], const struct addr *a)
{
    char ip[INET6_ADDRSTRLEN];

    switch (a->family) {
    case ADDR_NONE:
        snprintf(out, ADDR_TEXT_MAX, "-");
        break;
    case ADDR_V4:
        inet_ntop(AF_INET, a->ip, ip, sizeof ip);
        snprintf(out, ADDR_TEXT_MAX, "%s:%u", ip, a->port);
        break;
    case ADDR_V6:
        inet_ntop(AF_INET6, a->ip, ip, sizeof ip);
        snprintf(out, ADDR_TEXT_MAX, "[%s]:%u", ip, a->port);
        break;
    }
    return out;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    size_t n = a->family == ADDR_V6 ? 16 : 4;
    if (a->family != b->family)
        return false;
    return a->family == ADDR_NONE || (a->port == b->port && !memcmp(a->ip, b->ip, n));
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t v6[16] = {[15] = 1};
    if (a->family == ADDR_V4)
        return a->ip[0] == 127;
    return a->family == ADDR_V6 && !memcmp(a->ip, v6, sizeof v6);
}

uint64_t addr_network_key(const struct addr *a)
{
    enum { V6_NETWORK = 8, V4_ADDRESS = 4 }; /* bytes */
    if (a->family == ADDR_NONE)
        return 0;
    return siphash(siphash_secret(), a->ip, a->family == ADDR_V6 ? V6_NETWORK : V4_ADDRESS);
}
