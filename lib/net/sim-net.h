#ifndef LIB_NET_SIM_NET_H
#define LIB_NET_SIM_NET_H
/* The simulated network behind listen.h and dial.h: same symbols, in-memory connections between
 * hosts (a loop's host is its name up to '/'). Bytes arrive in order, in pieces drawn from the
 * seed, after latency drawn per link. */
#include "lib/net/transport.h"

void sim_net_begin(void); /* after sim_begin */
void sim_net_end(void);
/* Which host answers at an address is known by who listens there. Default latency 1..5 ms. */
void sim_net_latency(const char *host_a, const char *host_b, uint64_t min_us, uint64_t max_us);
/* Cut: established connections between the hosts die with ERR_RESET (silent = black hole instead:
 * nothing arrives until healed), new ones are refused or hang. */
void sim_net_cut(const char *host_a, const char *host_b, bool silent);
void sim_net_heal(const char *host_a, const char *host_b);
/* Segments of up to 4 KiB as the sender made them, instead of pieces of drawn size: for programs
 * that measure. Until sim_net_end. */
void sim_net_whole(void);
/* A host dies at once: its queued output is lost, peers see ERR_RESET; its listeners and transports
 * stay valid for their owner to free, but do nothing. sim_net_revive lets a new incarnation of the
 * host listen again. */
void sim_net_kill(const char *host);
void sim_net_revive(const char *host);
#endif
