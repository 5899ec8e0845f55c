#ifndef INTEGRATION_TESTS_BENCH_CROWD_H
#define INTEGRATION_TESTS_BENCH_CROWD_H
/* Very many simulated users of one node. Words: member = a user who is logged in and available;
 * active = a member whose client stays, so that it can speak; the others' clients are gone once
 * they are available, and only their connections stay, so that what the process holds is the
 * server's. */
#include "lib/net/addr.h"
#include "lib/net/tls.h"
#include "lib/xmpp/scram-key.h"

struct crowd;
struct crowd_conf { /* strings borrowed until crowd_free */
    struct addr server;
    const char *domain;
    struct tls_ctx *tls;   /* NULL: without TLS */
    const uint8_t *salted; /* everybody's salted password, SHA-1 */
    unsigned size;         /* members there can be */
};
#define CROWD_RESOURCE "bench"
/* User name of a member: "u0000000". Returns out. */
char *crowd_user(char out[16], unsigned i);
struct crowd *crowd_new(const struct crowd_conf *c);
void crowd_free(struct crowd **pc);
/* Log members in until there are n. Dies when one does not get there. */
void crowd_grow(struct crowd *c, unsigned n, bool active);
unsigned crowd_count(const struct crowd *c);
unsigned crowd_active(const struct crowd *c);
void crowd_shuffle(struct crowd *c); /* the active ones, in another order */
/* The k-th active member says something to another; returns when it has arrived. */
void crowd_say(struct crowd *c, unsigned k, unsigned to);
void crowd_rest(struct crowd *c); /* let all active clients go; they become mere members */
/* Of the heap, for each member who is not active: what the simulated network and this file keep. */
size_t crowd_member_bytes(void);
#endif
