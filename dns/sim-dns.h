#ifndef DNS_SIM_DNS_H
#define DNS_SIM_DNS_H
/* Zones of the simulated resolver, shared by all hosts of the simulation. */
#include "dns/dns.h"
void sim_dns_begin(void);
void sim_dns_end(void);
/* Adds "name TTL TYPE rdata" records, one a line, as in a zone file: "_xmpp-server._tcp.x.test 60
 * SRV 0 0 5269 h.x.test", "h.x.test 60 A 10.0.0.1", "dead.test 60 SERVFAIL", "slow.test 60
 * TIMEOUT". Dies on a malformed line. */
void sim_dns_zone(const char *lines);
void sim_dns_remove(const char *name);
#endif
