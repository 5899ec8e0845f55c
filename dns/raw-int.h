#ifndef DNS_RAW_INT_H
#define DNS_RAW_INT_H
/* Writer of raw DNS messages, for the simulated name server and for tests: no compression, sections
 * counted by the writer. */
#include "dns/dns-answer.h"
#include "lib/base/buf.h"

enum { RAW_QR = 0x8000, RAW_TC = 0x0200, RAW_RD_RA = 0x0180, RAW_AD = 0x0020, RAW_SOA = 6 };
enum { RAW_AT_ANSWERS = 6, RAW_AT_AUTHORITIES = 8 };

static inline void raw_u16(struct buf *b, unsigned n)
{
    buf_char(b, (char)(n >> 8));
    buf_char(b, (char)n);
}

static inline void raw_u32(struct buf *b, uint32_t n)
{
    raw_u16(b, n >> 16);
    raw_u16(b, n & 0xffff);
}

/* "" is the root. */
static inline void raw_name(struct buf *b, const char *name)
{
    struct str rest = str_of(name);
    while (rest.p && rest.n) {
        struct str label = str_cut(&rest, '.');
        must(label.n > 0 && label.n < 64);
        buf_char(b, (char)label.n);
        buf_str(b, label);
    }
    buf_char(b, 0);
}

static inline void raw_begin(struct buf *b, unsigned flags, const char *name, unsigned type)
{
    buf_clear(b);
    raw_u16(b, 0x1234);
    raw_u16(b, flags);
    raw_u16(b, 1);
    raw_u16(b, 0);
    raw_u16(b, 0);
    raw_u16(b, 0);
    raw_name(b, name);
    raw_u16(b, type);
    raw_u16(b, 1);
}

/* Count one more record in the section and write its head; returns where its length stands. */
static inline size_t raw_rr(struct buf *b, int section_at, const char *name, unsigned type,
                            uint32_t ttl)
{
    unsigned char *count = (unsigned char *)b->p + section_at;
    unsigned n = ((unsigned)count[0] << 8 | count[1]) + 1;
    count[0] = (unsigned char)(n >> 8);
    count[1] = (unsigned char)n;
    raw_name(b, name);
    raw_u16(b, type);
    raw_u16(b, 1);
    raw_u32(b, ttl);
    raw_u16(b, 0);
    return b->n - 2;
}

static inline void raw_rr_end(struct buf *b, size_t length_at)
{
    size_t n = b->n - length_at - 2;
    b->p[length_at] = (char)(n >> 8);
    b->p[length_at + 1] = (char)n;
}

static inline void raw_soa(struct buf *b, const char *zone, uint32_t ttl, uint32_t minimum)
{
    size_t at = raw_rr(b, RAW_AT_AUTHORITIES, zone, RAW_SOA, ttl);
    raw_name(b, "ns.invalid");
    raw_name(b, "hostmaster.invalid");
    for (int i = 0; i < 4; i++)
        raw_u32(b, 1);
    raw_u32(b, minimum);
    raw_rr_end(b, at);
}
#endif
