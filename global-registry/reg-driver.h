#ifndef GLOBAL_REGISTRY_REG_DRIVER_H
#define GLOBAL_REGISTRY_REG_DRIVER_H
/* Where the registry's soft state is kept: Redis (reg-redis) or this process (reg-fake: tests,
 * simulation). The registry's own logic (cache, lease, rebuild, retries) is above and the same for
 * both. All calls answer by callback, later. */
#include "global-registry/registry.h"

struct reg_row {
    char region[REG_NAME_MAX], node[REG_NAME_MAX], home[REG_NAME_MAX];
    uint64_t incarnation, seq;
};
struct reg_driver_events {
    void (*up)(void *ctx); /* reachable; everything must be asked and asserted again */
    void (*down)(void *ctx, const char *why);
    void (*moved)(void *ctx,
                  struct str bare); /* somebody's row of bare changed: forget what you know of it */
};
typedef void reg_done_cb(void *ctx, enum err e);
typedef void reg_rows_cb(void *ctx, enum err e, const struct reg_row *rows, size_t n);
struct reg_lease_view {               /* answer of beat */
    const struct reg_member *members; /* all with a live lease, self included */
    size_t n;
    char generation[40]; /* identity of the registry's contents: changes when it was wiped */
};
typedef void reg_beat_cb(void *ctx, enum err e,
                         const struct reg_lease_view *v); /* ERR_CONFLICT: fenced */
struct reg_driver {
    const struct reg_driver_ops *ops;
};
struct reg_driver_ops {
    void (*start)(struct reg_driver *d, struct loop *l, const struct reg_driver_events *ev,
                  void *ctx);
    /* Renew our lease (refused with ERR_CONFLICT when a younger incarnation holds it) and read all
     * leases. */
    void (*beat)(struct reg_driver *d, const struct reg_member *self, uint64_t lease_ms,
                 reg_beat_cb *cb, void *ctx);
    /* Set our row of each bare JID unless what is there has a higher (incarnation, seq) of ours.
     * Publishes "moved". */
    void (*assert_rows)(struct reg_driver *d, const struct reg_member *self,
                        const struct str *bares, const struct str *homes, const uint64_t *seqs,
                        size_t n, reg_done_cb *cb, void *ctx);
    void (*withdraw)(struct reg_driver *d, const struct reg_member *self, struct str bare,
                     uint64_t seq, reg_done_cb *cb, void *ctx);
    void (*read)(struct reg_driver *d, struct str bare, reg_rows_cb *cb, void *ctx);
    void (*leave)(struct reg_driver *d, const struct reg_member *self, reg_done_cb *cb, void *ctx);
    void (*close)(struct reg_driver **pd); /* cancels all; frees */
};
#include "lib/store/redis-conn.h"
struct reg_driver *reg_redis_new(const struct redis_conf *c,
                                 const char *key_prefix); /* one Redis for the world */

/* The shared "server" of fakes, with faults. */
struct reg_fake_world;
struct reg_fake_world *reg_fake_world_new(void);
void reg_fake_world_free(struct reg_fake_world **pw);
void reg_fake_flush(struct reg_fake_world *w);
void reg_fake_reachable(struct reg_fake_world *w, const char *host,
                        bool yes); /* host = loop name up to '/'; NULL = all */
struct reg_driver *reg_fake_new(struct reg_fake_world *w);
#endif
