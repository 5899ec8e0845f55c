#ifndef GLOBAL_REGISTRY_REG_WORLD_INT_H
#define GLOBAL_REGISTRY_REG_WORLD_INT_H
/* The contents behind the fakes: what reg-redis's scripts do to Redis, done to structures. No time,
 * no faults. */
#include "global-registry/reg-driver.h"
#include "lib/base/hmap.h"
#include "lib/base/vec.h"

#define REG_TOMB_US (600 * 1000000ull) /* how long a withdrawal refuses late assertions */

struct world_row {
    struct reg_row row;
    bool gone; /* withdrawn: kept to refuse late assertions */
};
struct world_user {
    struct list tombs; /* in reg_world.tombs while all its rows are gone */
    uint64_t tomb_until_us;
    VEC(struct world_row) rows;
    size_t bare_n;
    char bare[];
};
struct world_lease {
    struct reg_member m; /* incarnation: the highest ever seen since the last flush */
    char synced[REG_GENERATION_MAX];
    uint64_t until_us; /* 0 = left */
};
struct reg_world {
    struct hmap users;
    struct list tombs;
    VEC(struct world_lease) leases;
    char generation[REG_GENERATION_MAX]; /* "" after a flush, until the next beat */
    bool naive;
};
void reg_world_init(struct reg_world *w);
void reg_world_flush(struct reg_world *w);
/* *fresh: our lease was not there, others should look. */
enum err reg_world_beat(struct reg_world *w, const struct reg_member *m, const char *synced,
                        uint64_t lease_us, uint64_t now_us, bool *fresh);
/* *changed: others must be told. */
enum err reg_world_assert(struct reg_world *w, const struct reg_member *m, struct str bare,
                          struct str home, uint64_t seq, bool *changed);
enum err reg_world_withdraw(struct reg_world *w, const struct reg_member *m, struct str bare,
                            uint64_t seq, uint64_t now_us, bool *changed);
void reg_world_clean(struct reg_world *w, struct str bare, const struct reg_row *dead);
bool reg_world_leave(struct reg_world *w, const struct reg_member *m); /* true: it held the lease */
/* Copies for the caller: at most REG_ROWS_MAX rows; heap arrays, mem_free. */
size_t reg_world_read(const struct reg_world *w, struct str bare, struct reg_row **rows);
size_t reg_world_members(const struct reg_world *w, uint64_t now_us, struct reg_member **members,
                         bool **complete);
#endif
