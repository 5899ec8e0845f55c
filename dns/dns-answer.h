#ifndef DNS_DNS_ANSWER_H
#define DNS_DNS_ANSWER_H
/* Reader of raw DNS messages (RFC 1035, 3596, 2782, 6698), bounds-checked, without allocation out
 * of a peer's hands: at most DNS_RECORDS_MAX records and the message's own size are kept. Pure: no
 * clock, no I/O. */
#include "dns/dns.h"
#include "lib/base/arena.h"

#define DNS_NAME_MAX 253 /* as text without trailing dot */
#define DNS_RAW_MAX 65535
#define DNS_RECORDS_MAX 100 /* kept of one answer */
#define DNS_CNAME_MAX 8     /* links of a chain */

/* Lower-case text of a name a user gave, without trailing dot. ERR_INVALID: empty label, label
 * above 63, name above 253, or a byte that is not printable ASCII. */
enum err dns_name_normalise(const char *name, char out[DNS_NAME_MAX + 1]) MUST_USE;

struct dns_raw_answer {
    struct dns_answer a; /* records in the arena; authenticated = the AD bit as it came */
    bool truncated;      /* TC bit */
    /* The chain of CNAMEs in the message ends at this name, of which the message says nothing: ask
     * for it. "" = no. Then a.status is ERR_DNS_NODATA, a.ttl that of the chain. */
    char next_name[DNS_NAME_MAX + 1];
    unsigned links; /* CNAMEs followed in this message */
};
/* Read what the message says of (name, type); name normalised. a.ttl: smallest of the records and
 * CNAMEs used; of negative answers by RFC 2308 section 5 (0 without SOA). Never fails: what cannot
 * be read has the status ERR_PROTOCOL. */
void dns_answer_read(struct arena *arena, struct str raw, const char *name, enum dns_type type,
                     struct dns_raw_answer *out);
#endif
