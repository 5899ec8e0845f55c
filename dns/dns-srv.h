#ifndef DNS_DNS_SRV_H
#define DNS_DNS_SRV_H
/* Order of SRV records (RFC 2782). */
#include "dns/dns.h"

struct dns_srv { /* one target to try */
    struct dns_record record;
    bool direct_tls; /* came from _xmpps */
    bool is_secure;  /* its answer was authenticated */
};
/* By priority; among equals drawn by weight, as "Usage rules" of RFC 2782 say. Random numbers from
 * rand.h. */
void dns_srv_order(struct dns_srv *targets, size_t n);
#endif
