/* DOC: the header of the PROXY protocol. Pure: bytes in, addresses out.
 * Refused as early as its first wrong byte, so that a client without a proxy does not wait for the
 * deadline. Extensions of version 2 are skipped by their length. Version 1 is taken as it must be
 * written: single blanks, canonical numbers. Standards: proxy-protocol.txt section 2.1, 2.2. */
#include "lib/net/proxy-header.h"

enum { V1_MAX = 107, V2_FIXED = 16, V2_SIGNATURE = 12 };
enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
static const char signature[V2_SIGNATURE + 1] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_start[] = "PROXY ";

static enum proxy_verdict bad(const char **why, const char *text)
{
    *why = text;
    return PROXY_BAD;
}

static bool begins(struct str bytes, const char *start, size_t n)
{
    return memcmp(bytes.p, start, bytes.n < n ? bytes.n : n) == 0;
}

/* ---- version 1: a line of text ---- */

/* The next word of the line, which ends at a blank or the end; empty: there is none. */
static struct str word(struct str *line)
{
    size_t n = 0;
    while (n < line->n && line->p[n] != ' ')
        n++;
    const struct str w = str_make(line->p, n);
    const size_t skip = n < line->n ? n + 1 : n;
    *line = str_make(line->p + skip, line->n - skip);
    return w;
}

static bool port_of(struct str text, uint16_t *out)
{
    uint64_t n;
    if ((text.n > 1 && text.p[0] == '0') || !str_to_u64(text, UINT16_MAX, &n))
        return false;
    *out = (uint16_t)n;
    return true;
}

static bool address_of(struct str ip, struct str port, enum addr_family family, struct addr *out)
{
    uint16_t n;
    const bool is_v6 = str_find(ip, ':') >= 0; /* also one that carries an IPv4 address */
    return is_v6 == (family == ADDR_V6) && port_of(port, &n) && addr_parse(ip, n, out) == ERR_OK;
}

static enum proxy_verdict parse_line(struct str line, struct proxy_header *out, const char **why)
{
    const struct str family = word(&line);
    if (str_eqc(family, "UNKNOWN")) /* the rest says nothing */
        return PROXY_OK;
    const enum addr_family f = str_eqc(family, "TCP4")   ? ADDR_V4
                               : str_eqc(family, "TCP6") ? ADDR_V6
                                                         : ADDR_NONE;
    if (f == ADDR_NONE)
        return bad(why, "PROXY: neither TCP4 nor TCP6 nor UNKNOWN");
    const struct str from = word(&line), to = word(&line), from_port = word(&line);
    if (!address_of(from, from_port, f, &out->peer) || !address_of(to, line, f, &out->local))
        return bad(why, "PROXY: malformed address or port");
    out->is_known = true;
    return PROXY_OK;
}

static enum proxy_verdict parse_v1(struct str bytes, struct proxy_header *out, const char **why)
{
    const size_t n = bytes.n < V1_MAX ? bytes.n : V1_MAX;
    const char *end = memchr(bytes.p, '\n', n);
    if (!end)
        return n < V1_MAX ? PROXY_MORE : bad(why, "PROXY: line too long");
    const size_t at = (size_t)(end - bytes.p), start = sizeof v1_start - 1;
    if (at < start + 1 || end[-1] != '\r')
        return bad(why, "PROXY: line does not end with CR LF");
    out->bytes = at + 1;
    return parse_line(str_make(bytes.p + start, at - 1 - start), out, why);
}

/* ---- version 2: bytes ---- */

static struct addr address_at(const char *ip, const char *port, enum addr_family f)
{
    const uint8_t *p = (const uint8_t *)port;
    struct addr a = {.family = f, .port = (uint16_t)(p[0] << 8 | p[1])};
    memcpy(a.ip, ip, f == ADDR_V6 ? 16 : 4);
    addr_unmap(&a);
    return a;
}

static enum proxy_verdict parse_addresses(struct str body, uint8_t family, struct proxy_header *out,
                                          const char **why)
{
    enum { UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };
    if (family == UNSPEC || family == UNIX_STREAM)
        return PROXY_OK;
    if (family != TCP4 && family != TCP6)
        return bad(why, "PROXY: not a stream of a known family");
    const enum addr_family f = family == TCP6 ? ADDR_V6 : ADDR_V4;
    const size_t ip = f == ADDR_V6 ? 16 : 4;
    if (body.n < 2 * ip + 4)
        return bad(why, "PROXY: addresses cut short");
    out->peer = address_at(body.p, body.p + 2 * ip, f);
    out->local = address_at(body.p + ip, body.p + 2 * ip + 2, f);
    out->is_known = true;
    return PROXY_OK;
}

static enum proxy_verdict parse_v2(struct str bytes, struct proxy_header *out, const char **why)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (bytes.n > V2_SIGNATURE && p[V2_SIGNATURE] != V2_LOCAL && p[V2_SIGNATURE] != V2_PROXY)
        return bad(why, "PROXY: unknown version or command");
    if (bytes.n < V2_FIXED)
        return PROXY_MORE;
    const size_t body = (size_t)p[14] << 8 | p[15];
    if (V2_FIXED + body > PROXY_HEADER_MAX)
        return bad(why, "PROXY: header too long");
    if (bytes.n < V2_FIXED + body)
        return PROXY_MORE;
    out->bytes = V2_FIXED + body;
    if (p[V2_SIGNATURE] == V2_LOCAL) /* the proxy's own: its family is not looked at */
        return PROXY_OK;
    return parse_addresses(str_make(bytes.p + V2_FIXED, body), p[13], out, why);
}

enum proxy_verdict proxy_header_parse(struct str bytes, struct proxy_header *out, const char **why)
{
    *out = (struct proxy_header){0};
    *why = "";
    if (!bytes.n)
        return PROXY_MORE;
    if (begins(bytes, signature, V2_SIGNATURE))
        return bytes.n < V2_SIGNATURE ? PROXY_MORE : parse_v2(bytes, out, why);
    if (!begins(bytes, v1_start, sizeof v1_start - 1))
        return bad(why, "PROXY: no header");
    return bytes.n < sizeof v1_start - 1 ? PROXY_MORE : parse_v1(bytes, out, why);
}
