#ifndef DNS_DNS_H
#define DNS_DNS_H
/* Names to records, per shard. c-ares asks (real platform); under simulation dns-fake answers from
 * zones (sim-dns.h). Raw answers are read by our own bounded reader (dns-answer.h). Answers and
 * failures are cached by their TTL. */
#include "lib/loop/loop.h"
#include "lib/loop/op.h"
#include "lib/net/addr.h"
#include "lib/net/dial.h"

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_TLSA = 52
};

struct dns_record {
    enum dns_type type;
    uint32_t ttl;                    /* seconds */
    struct addr addr;                /* A, AAAA (port 0) */
    uint16_t priority, weight, port; /* SRV */
    char target[256];                /* SRV, CNAME: lower case, no trailing dot; "." is "" */
    struct str data;                 /* TXT, TLSA: rdata */
};
struct dns_answer {
    /* ERR_OK (n > 0), ERR_DNS_NXDOMAIN, ERR_DNS_NODATA, ERR_DNS_SERVFAIL, ERR_TIMEOUT, ERR_PROTOCOL
     * (malformed) */
    enum err status;
    bool authenticated; /* AD bit, only when the configured resolver is trusted */
    uint32_t ttl;       /* seconds this answer is good for */
    const struct dns_record *records;
    size_t n;
};
struct dns_conf {
    const char *const *servers; /* "127.0.0.1:5300"; NULL-terminated; NULL = the system's */
    uint64_t timeout_ms;        /* per try; 0 = 2,000 */
    unsigned tries;             /* 0 = 2 */
    bool trust_ad;
};
struct dns;
enum err dns_open(struct loop *l, const struct dns_conf *c, struct dns **out, char *why,
                  size_t why_size) MUST_USE;
bool dns_trusts_resolver(const struct dns *d);              /* trust_ad */
void dns_close(struct dns **pd);                            /* cancels */
typedef void dns_cb(void *ctx, const struct dns_answer *a); /* borrowed for the call */
/* CNAME chains are followed (at most 8). At most one question per (name, type) is in flight; others
 * join it. */
struct op *dns_query(struct dns *d, struct op_owner *o, const char *name, enum dns_type t,
                     dns_cb *cb, void *ctx);

/* dns-source: where does this XMPP domain live (RFC 6120 section 3.2, XEP-0368). Targets in the
 * order of RFC 2782, each with all its addresses; without SRV the domain itself on the default
 * port. service: */
enum dns_service { DNS_XMPP_SERVER, DNS_XMPP_CLIENT };
/* The domain's SRV target "." ends with ERR_DNS_REFUSED_SERVICE, SRV records whose hosts have no
 * address (or port 0) with ERR_DNS_TARGET; otherwise the true DNS reason when nothing is found.
 * Where SRV records and addresses of their target are authenticated, its TLSA records are asked for
 * and given along; a target of which they cannot be had is left out (RFC 7673 section 3). */
struct dial_source dns_xmpp_source(struct dns *d, struct str domain, enum dns_service s);
/* Plain host name (or literal) and port. */
struct dial_source dns_host_source(struct dns *d, struct str host, uint16_t port);
#endif
