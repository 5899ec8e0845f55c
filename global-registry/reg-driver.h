#ifndef GLOBAL_REGISTRY_REG_DRIVER_H
#define GLOBAL_REGISTRY_REG_DRIVER_H
/* Where the registry's soft state is kept: Redis (reg-redis) or this process (reg-fake: tests,
 * simulation). The registry's own logic (cache, lease, rebuild, retries) is above and the same for
 * both. All calls answer by callback, later: with ERR_CLOSED or ERR_UNAVAILABLE when the keeper
 * could not be asked (it may nevertheless have done it, even later). While up, requests are
 * executed in the order in which they were made. */
#include "global-registry/registry.h"

#define REG_GENERATION_MAX 40

struct reg_row {
    char region[REG_NAME_MAX], node[REG_NAME_MAX], home[REG_NAME_MAX];
    uint64_t incarnation, seq;
};
struct reg_driver_events {
    void (*up)(void *ctx); /* reachable; everything must be asked and asserted again */
    void (*down)(void *ctx, const char *why);
    /* Somebody's row of bare changed: forget what you know of it. Empty bare: the leases changed,
     * look soon. */
    void (*moved)(void *ctx, struct str bare);
};
typedef void reg_done_cb(void *ctx, enum err e);
typedef void reg_rows_cb(void *ctx, enum err e, const struct reg_row *rows, size_t n);
struct reg_lease_view {               /* answer of beat; borrowed for the callback */
    const struct reg_member *members; /* all with a live lease, self included */
    const bool *complete;             /* of each: all its rows are asserted in this generation */
    size_t n;
    char generation[REG_GENERATION_MAX]; /* identity of the registry's contents: changes when it was
                                            wiped */
};
typedef void reg_beat_cb(void *ctx, enum err e,
                         const struct reg_lease_view *v); /* ERR_CONFLICT: fenced */
struct reg_driver {
    const struct reg_driver_ops *ops;
};
struct reg_rows_batch { /* n rows to assert, in parallel arrays; copied during the call */
    const struct str *bares, *homes;
    const uint64_t *seqs;
    size_t n;
};
struct reg_driver_ops {
    void (*start)(struct reg_driver *d, struct loop *l, const struct reg_driver_events *ev,
                  void *ctx);
    /* Renew our lease (refused with ERR_CONFLICT when a younger incarnation held it) and read all
     * leases. synced is the generation in which all our rows stand, "" while they do not. One at a
     * time. */
    void (*beat)(struct reg_driver *d, const struct reg_member *self, uint64_t lease_ms,
                 const char *synced, reg_beat_cb *cb, void *ctx);
    /* Set our row of each bare JID unless what is there, be it a withdrawal, has a higher
     * (incarnation, seq) of ours: then ERR_CONFLICT (the other rows of the batch are set).
     * Publishes "moved" where something changed for others. */
    void (*assert_rows)(struct reg_driver *d, const struct reg_member *self,
                        const struct reg_rows_batch *b, reg_done_cb *cb, void *ctx);
    /* Remove our row unless a higher (incarnation, seq) of ours is there (ERR_CONFLICT). An
     * assertion with a lower one that arrives late is refused for ten minutes. */
    void (*withdraw)(struct reg_driver *d, const struct reg_member *self, struct str bare,
                     uint64_t seq, reg_done_cb *cb, void *ctx);
    /* ERR_AGAIN: the contents are not of the generation the last beat saw: beat first. At most
     * REG_ROWS_MAX rows. */
    void (*read)(struct reg_driver *d, struct str bare, reg_rows_cb *cb, void *ctx);
    /* Remove a dead member's row if it still is exactly this one. No answer. */
    void (*clean)(struct reg_driver *d, struct str bare, const struct reg_row *dead);
    void (*leave)(struct reg_driver *d, const struct reg_member *self, reg_done_cb *cb, void *ctx);
    void (*close)(struct reg_driver **pd); /* cancels all; frees */
};
#define REG_ROWS_MAX 256 /* members that may hold one bare JID */
#include "lib/store/redis-conn.h"
/* One Redis for the world. key_prefix NULL = "meridian:"; copied. conf is copied as redis_open
 * does. */
struct reg_driver *reg_redis_new(const struct redis_conf *c, const char *key_prefix);

/* The shared "server" of fakes, with faults. One thread; outlives its drivers. */
struct reg_fake_world;
struct reg_fake_world *reg_fake_world_new(void);
void reg_fake_world_free(struct reg_fake_world **pw);
void reg_fake_flush(struct reg_fake_world *w);
void reg_fake_reachable(struct reg_fake_world *w, const char *host,
                        bool yes); /* host = loop name up to '/'; NULL = all */
/* Requests and answers take min..max each way, drawn per message; a lost link is noticed up to 2 s
 * late. Default 0: next turn, noticed at once. */
void reg_fake_latency(struct reg_fake_world *w, uint64_t min_ms, uint64_t max_ms);
struct reg_driver *reg_fake_new(struct reg_fake_world *w);
#endif
