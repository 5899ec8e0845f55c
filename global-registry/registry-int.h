#ifndef GLOBAL_REGISTRY_REGISTRY_INT_H
#define GLOBAL_REGISTRY_REGISTRY_INT_H
/* The registry's parts, for the files of this folder: lease (reg-lease.c), own rows (reg-rows.c),
 * questions (reg-locate.c), and registry.c which joins them. Words: believed = a member we hold for
 * live, in the last view or within the grace; certain = every believed member has all its rows in
 * the registry, so an empty answer means "nobody". */
#include "global-registry/reg-cache-int.h"
#include "lib/base/vec.h"
#include "lib/loop/timer.h"

#define REG_PEERS_MAX 4096   /* member names remembered, dead ones included */
#define REG_BATCH_ROWS 500   /* rows of one assertion */
#define REG_WINDOW_ROWS 2000 /* rows asserted or withdrawn and not answered */
#define REG_RETRY_MS                                                                               \
    1000 /* after the keeper refused for a reason of its own (loading, read-only) */
#define REG_CLOSE_MS 1000
#define REG_KICK_MS 200 /* spread of unscheduled beats */

enum reg_state {
    REG_DOWN,      /* driver not up */
    REG_JOINING,   /* driver up, lease not confirmed (again) yet */
    REG_CONNECTED, /* the last beat was confirmed */
    REG_FENCED,    /* a younger incarnation of us lives: nothing is written or asked any more */
    REG_CLOSING,   /* no callback but close's */
};

struct reg_peer { /* another member, dead ones kept so that an older incarnation is never believed
                     again */
    struct reg_member m;
    bool live;     /* believed */
    bool in_view;  /* had its lease in the last view */
    bool complete; /* all its rows stand in the current generation */
};
struct reg_lease {
    VEC(struct reg_peer *) peers; /* by (region, node) */
    char generation[REG_GENERATION_MAX];
    char synced[REG_GENERATION_MAX]; /* generation in which all own rows stand, "" = none */
    bool certain;
    bool in_flight, again;   /* a beat is out; another one is wanted after it */
    bool kicked;             /* the timer was brought forward */
    uint64_t rounds;         /* beats answered */
    uint64_t sent_us;        /* of the beat that is out */
    uint64_t last_ok_us;     /* when the last confirmed beat was sent, 0 = none */
    uint64_t grace_until_us; /* missing leases prove nothing before */
    struct timer timer;
};

enum reg_own_state {
    OWN_DIRTY, /* to be sent */
    OWN_SENT,  /* sent, not answered; not freed meanwhile */
    OWN_DONE,  /* stands in the registry */
};
struct reg_own {
    struct list link;
    enum reg_own_state state;
    bool wanted; /* published; false = withdrawal to be confirmed */
    bool again;  /* changed or void while it was out */
    bool resync; /* counted in resync_left */
    char home[REG_NAME_MAX];
    size_t bare_n;
    char bare[];
};
struct reg_rows {
    struct hmap map;
    struct list dirty;
    struct list batches;
    size_t wanted, out; /* rows published; rows sent and not answered */
    uint64_t seq;
    bool resyncing;
    size_t resync_left; /* rows still to be confirmed until all stand */
    bool held;          /* retry timer runs: nothing is sent */
    struct timer retry;
    struct defer pump;
};
struct reg_locates {
    struct hmap queries; /* by bare: being read or waiting for a view */
    struct list waiters; /* all of them */
    struct list soon;    /* to be answered from memory in this turn */
    struct list now;     /* being answered */
    struct defer answer;
};

struct registry {
    struct loop *loop;
    struct registry_conf conf;
    struct reg_driver *driver;
    struct registry_events ev;
    void *ctx;
    enum reg_state state;
    struct reg_lease lease;
    struct reg_rows rows;
    struct reg_cache cache;
    struct reg_locates locates;
    void (*closed)(void *ctx);
    void *closed_ctx;
    bool leaving; /* the driver was asked to leave and did not answer yet */
    struct timer close_timer;
};

/* One place for changes of state: logs, and tells the user when "connected" changed. The user may
 * close r inside. */
void reg_set_state(struct registry *r, enum reg_state s);

void reg_lease_init(struct registry *r);
void reg_lease_fini(struct registry *r);
void reg_lease_beat(struct registry *r);
void reg_lease_kick(struct registry *r,
                    uint64_t within_ms);  /* beat soon, whatever the timer says */
void reg_lease_pause(struct registry *r); /* driver down: no beats */
struct reg_peer *reg_lease_peer(const struct registry *r, struct str region,
                                struct str node); /* dead ones too */

void reg_rows_init(struct registry *r);
void reg_rows_fini(struct registry *r);
void reg_rows_resync(struct registry *r); /* assert everything again */
void reg_rows_pump(struct registry *r);   /* send what is to be sent, in this turn */
const struct reg_own *reg_rows_get(const struct registry *r, struct str bare);

void reg_locate_init(struct registry *r);
void reg_locate_fini(struct registry *r);
void reg_locate_moved(struct registry *r, struct str bare);
void reg_locate_resume(
    struct registry *r); /* a beat was answered, or none will be: go on with what waited for it */
void reg_locate_cancel(struct registry *r); /* all waiters: never called back */
#endif
