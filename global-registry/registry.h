#ifndef GLOBAL_REGISTRY_REGISTRY_H
#define GLOBAL_REGISTRY_REGISTRY_H
/* Which nodes of the world hold which users, as soft state (DESIGN section 10). Words: member = one
 * node of one region with its incarnation; row = "this member has sessions of this bare JID",
 * carrying (incarnation, sequence), written only by that member; lease = what makes a member's rows
 * count. Lives on one loop. Registry gone: what is known goes on being believed, own rows are
 * asserted when it is back; registry wiped: noticed by its generation key and rebuilt from members.
 */
#include "lib/loop/loop.h"
#include "lib/loop/op.h"
#include "lib/xmpp/jid.h"

#define REG_NAME_MAX 64
struct reg_member {
    char region[REG_NAME_MAX]; /* "eu" */
    char node[REG_NAME_MAX];   /* "eu1"; unique in its region */
    char domain[256];          /* name in its certificate: "eu1.eu.regions.world.test" */
    char endpoint[64];    /* address of its region listener as others reach it: "10.0.0.1:5280" */
    uint64_t incarnation; /* taken anew at each start, grows: wall clock in microseconds */
};
struct registry_conf {
    struct reg_member self;
    uint64_t beat_ms, lease_ms; /* 5,000 and 15,000 */
    size_t cache_entries;       /* bare JIDs remembered, 0 = 100,000 */
    uint64_t cache_ms;          /* last net of expiry, 0 = 60,000; negative entries a tenth */
};
struct registry_events {
    /* A member appeared or came back with a younger incarnation (down for the old one was called
     * before). Never for self. */
    void (*member_up)(void *ctx, const struct reg_member *m);
    /* Its lease ended or an incarnation replaced it. Not while the registry is out of reach or was
     * just wiped (grace of lease_ms after it came back): silence of the registry is no proof. */
    void (*member_down)(void *ctx, const struct reg_member *m);
    /* Another process holds our member name with a younger incarnation: we are the old one and must
     * stop (P5). */
    void (*fenced)(void *ctx);
    void (*state)(void *ctx, bool connected);
};
struct reg_location {
    const struct reg_member *member;
    char home[REG_NAME_MAX]; /* home region of the account as its row says */
};

struct registry;
struct reg_driver; /* reg-driver.h: reg_redis_new(...), reg_fake_new(...) */
/* Takes the driver. */
struct registry *registry_open(struct loop *l, const struct registry_conf *c,
                               struct reg_driver **driver, const struct registry_events *ev,
                               void *ctx);
/* Withdraws the lease and closes; done comes when Redis confirmed or after 1 s. */
void registry_close(struct registry **pr, void (*done)(void *ctx), void *ctx);
/* At once, saying nothing to anybody, as a crash would: the lease runs out. Also while closing
 * (with a pointer kept from before registry_close); done is not called then. Not inside an event of
 * the registry. */
void registry_free(struct registry **pr);
/* 0->1 and 1->0 of a bare JID on this member. Remembered and re-asserted as needed until withdrawn.
 * Idempotent. */
void registry_publish(struct registry *r, struct str bare, struct str home_region);
void registry_withdraw(struct registry *r, struct str bare);
/* Who has sessions of bare, self included, dead members' rows left out. From memory, or asked
 * (fresh = ask in any case). ERR_OK with n = 0: nobody, for sure. ERR_UNAVAILABLE: registry out of
 * reach and nothing known. */
typedef void reg_locate_cb(void *ctx, enum err e, const struct reg_location *l, size_t n);
struct op *registry_locate(struct registry *r, struct op_owner *o, struct str bare, bool fresh,
                           reg_locate_cb *cb, void *ctx);
/* An arriving stanza taught us where someone is (P6). */
void registry_learn(struct registry *r, struct str bare, const char *region, const char *node,
                    uint64_t incarnation, const char *home);
/* Live members other than self, stable order by (region, node). NULL after the last. */
const struct reg_member *registry_member(const struct registry *r, size_t i);
const struct reg_member *registry_find(const struct registry *r, struct str region,
                                       struct str node);
bool registry_connected(const struct registry *r);
size_t registry_rows(const struct registry *r); /* own rows asserted or to be asserted */
#endif
