/* DOC The registry's contents in this process: the rules of reg-redis's scripts, row by row (see
 * there for the reasons). */
#include "global-registry/reg-world-int.h"

#include "lib/base/rand.h"

void reg_world_init(struct reg_world *w)
{
    *w = (struct reg_world){0};
    hmap_init(&w->users);
    list_init(&w->tombs);
}

static void user_free(struct reg_world *w, struct world_user *u)
{
    hmap_del(&w->users, str_make(u->bare, u->bare_n));
    list_del(&u->tombs);
    vec_fini(&u->rows);
    mem_free(u);
}

void reg_world_flush(struct reg_world *w)
{
    struct world_user *u;
    size_t it = 0;
    while ((u = hmap_next(&w->users, &it, NULL)))
        user_free(w, u);
    hmap_fini(&w->users);
    hmap_init(&w->users);
    vec_fini(&w->leases);
    w->generation[0] = '\0';
}

static struct world_lease *lease_of(struct reg_world *w, const struct reg_member *m)
{
    for (size_t i = 0; i < w->leases.n; i++) {
        struct reg_member *x = &w->leases.p[i].m;
        if (!strcmp(x->region, m->region) && !strcmp(x->node, m->node))
            return &w->leases.p[i];
    }
    return NULL;
}

static void tombs_sweep(struct reg_world *w, uint64_t now_us)
{
    struct list *n;
    while ((n = list_first(&w->tombs))) {
        struct world_user *u = list_entry(n, struct world_user, tombs);
        if (u->tomb_until_us > now_us)
            break;
        user_free(w, u);
    }
}

enum err reg_world_beat(struct reg_world *w, const struct reg_member *m, const char *synced,
                        uint64_t lease_us, uint64_t now_us, bool *fresh)
{
    struct world_lease *l = lease_of(w, m);
    char id[RAND_ID_LEN + 1];
    tombs_sweep(w, now_us);
    if (l && l->m.incarnation > m->incarnation)
        return ERR_CONFLICT;
    if (!w->generation[0])
        str_put(w->generation, sizeof w->generation, rand_id(id));
    *fresh = !l || l->m.incarnation != m->incarnation || l->until_us <= now_us;
    if (!l) {
        struct world_lease none = {.until_us = 0};
        vec_push(&w->leases, none);
        l = &w->leases.p[w->leases.n - 1];
    }
    l->m = *m;
    l->until_us = now_us + lease_us;
    str_put(l->synced, sizeof l->synced, synced);
    return ERR_OK;
}

static struct world_row *row_of(struct world_user *u, const char *region, const char *node)
{
    for (size_t i = 0; i < u->rows.n; i++)
        if (!strcmp(u->rows.p[i].row.region, region) && !strcmp(u->rows.p[i].row.node, node))
            return &u->rows.p[i];
    return NULL;
}

static struct world_user *user_obtain(struct reg_world *w, struct str bare)
{
    struct world_user *u = hmap_get(&w->users, bare);
    if (u)
        return u;
    u = mem_alloc(sizeof *u + bare.n + 1);
    u->bare_n = bare.n;
    memcpy(u->bare, bare.p, bare.n);
    hmap_put(&w->users, str_make(u->bare, u->bare_n), u);
    return u;
}

static bool refused(const struct reg_world *w, const struct world_row *have, uint64_t incarnation,
                    uint64_t seq)
{
    if (!have || w->naive)
        return false;
    return have->row.incarnation > incarnation ||
           (have->row.incarnation == incarnation && have->row.seq > seq);
}

static struct world_row *row_obtain(struct reg_world *w, struct world_user *u,
                                    const struct reg_member *m)
{
    struct world_row *have = row_of(u, m->region, m->node);
    if (w->naive)
        u->rows.n = 0;
    else if (have)
        return have;
    struct world_row fresh = {.gone = true};
    memcpy(fresh.row.region, m->region, REG_NAME_MAX);
    memcpy(fresh.row.node, m->node, REG_NAME_MAX);
    vec_push(&u->rows, fresh);
    return &u->rows.p[u->rows.n - 1];
}

enum err reg_world_assert(struct reg_world *w, const struct reg_member *m, struct str bare,
                          struct str home, uint64_t seq, bool *changed)
{
    struct world_user *u = user_obtain(w, bare);
    if (refused(w, row_of(u, m->region, m->node), m->incarnation, seq))
        return ERR_CONFLICT;
    struct world_row *x = row_obtain(w, u, m);
    *changed = x->gone || x->row.incarnation != m->incarnation || !str_eqc(home, x->row.home);
    x->gone = false;
    x->row.incarnation = m->incarnation;
    x->row.seq = seq;
    snprintf(x->row.home, sizeof x->row.home, STR_FMT, STR_ARG(home));
    list_del(&u->tombs);
    return ERR_OK;
}

enum err reg_world_withdraw(struct reg_world *w, const struct reg_member *m, struct str bare,
                            uint64_t seq, uint64_t now_us, bool *changed)
{
    struct world_user *u = user_obtain(w, bare);
    const struct world_row *have = row_of(u, m->region, m->node);
    bool live = false;
    if (refused(w, have, m->incarnation, seq))
        return ERR_CONFLICT;
    *changed = !have || !have->gone; /* none there: wiped perhaps, and others still remember it */
    struct world_row *x = row_obtain(w, u, m);
    x->gone = true;
    x->row.incarnation = m->incarnation;
    x->row.seq = seq;
    for (size_t i = 0; i < u->rows.n; i++)
        live |= !u->rows.p[i].gone;
    if (!live) {
        list_del(&u->tombs);
        u->tomb_until_us = now_us + REG_TOMB_US;
        list_push(&w->tombs, &u->tombs);
    }
    tombs_sweep(w, now_us);
    return ERR_OK;
}

void reg_world_clean(struct reg_world *w, struct str bare, const struct reg_row *dead)
{
    struct world_user *u = hmap_get(&w->users, bare);
    struct world_row *x = u ? row_of(u, dead->region, dead->node) : NULL;
    if (!x || x->gone || x->row.incarnation != dead->incarnation || x->row.seq != dead->seq)
        return;
    vec_remove(&u->rows, (size_t)(x - u->rows.p));
    if (!u->rows.n)
        user_free(w, u);
}

bool reg_world_leave(struct reg_world *w, const struct reg_member *m)
{
    struct world_lease *l = lease_of(w, m);
    if (!l || !l->until_us || l->m.incarnation != m->incarnation)
        return false;
    l->until_us = 0;
    return true;
}

size_t reg_world_read(const struct reg_world *w, struct str bare, struct reg_row **rows)
{
    const struct world_user *u = hmap_get(&w->users, bare);
    VEC(struct reg_row) out = {0};
    for (size_t i = 0; u && i < u->rows.n && out.n < REG_ROWS_MAX; i++)
        if (!u->rows.p[i].gone)
            vec_push(&out, u->rows.p[i].row);
    *rows = out.p;
    return out.n;
}

size_t reg_world_members(const struct reg_world *w, uint64_t now_us, struct reg_member **members,
                         bool **complete)
{
    size_t n = 0;
    *members = mem_calloc(w->leases.n + 1, sizeof **members);
    *complete = mem_calloc(w->leases.n + 1, sizeof **complete);
    for (size_t i = 0; i < w->leases.n; i++) {
        const struct world_lease *l = &w->leases.p[i];
        if (l->until_us <= now_us)
            continue;
        (*members)[n] = l->m;
        (*complete)[n++] = w->generation[0] && !strcmp(l->synced, w->generation);
    }
    return n;
}
