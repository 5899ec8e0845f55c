/* DOC A driver over a world in this process: the rules of Redis without Redis.
 *
 * Two users: the simulator (many drivers on one world; delays, cuts, a wiped world, all drawn from
 * the seed) and single-region installs (one driver, a world of its own, no delay, no faults).
 * Links: reg-fake-link.c. */
#include "global-registry/reg-link-int.h"

struct reg_fake_world *reg_fake_world_new(void)
{
    struct reg_fake_world *w = mem_alloc(sizeof *w);
    reg_world_init(&w->w);
    list_init(&w->drivers);
    return w;
}

static void cut_forget(struct reg_fake_world *w, const char *host)
{
    for (size_t i = w->cut.n; i-- > 0;)
        if (!host || !strcmp(w->cut.p[i], host)) {
            mem_free(w->cut.p[i]);
            vec_remove(&w->cut, i);
        }
}

void reg_fake_world_free(struct reg_fake_world **pw)
{
    struct reg_fake_world *w = *pw;
    if (!w)
        return;
    *pw = NULL;
    must(list_empty(&w->drivers));
    reg_world_flush(&w->w);
    hmap_fini(&w->w.users);
    cut_forget(w, NULL);
    vec_fini(&w->cut);
    mem_free(w);
}

void reg_fake_flush(struct reg_fake_world *w)
{
    reg_world_flush(&w->w);
}

void reg_fake_latency(struct reg_fake_world *w, uint64_t min_ms, uint64_t max_ms)
{
    must(min_ms <= max_ms);
    w->min_ms = min_ms;
    w->max_ms = max_ms;
}

void reg_fake_naive(struct reg_fake_world *w, bool yes)
{
    w->w.naive = yes;
}

uint64_t reg_fake_requests(const struct reg_fake_world *w)
{
    return w->requests;
}

size_t reg_fake_rows(const struct reg_fake_world *w)
{
    struct world_user *u;
    size_t it = 0, n = 0;
    while ((u = hmap_next(&w->w.users, &it, NULL)))
        for (size_t i = 0; i < u->rows.n; i++)
            n += !u->rows.p[i].gone;
    return n;
}

void reg_fake_reachable(struct reg_fake_world *w, const char *host, bool yes)
{
    if (!host)
        w->all_cut = !yes;
    if (yes || (host && fake_is_cut(w, host)))
        cut_forget(w, host);
    if (!yes && host)
        vec_push(&w->cut, mem_strdup(host));
    list_each (&w->drivers, n) {
        struct fake *f = list_entry(n, struct fake, link);
        bool running = f->running;
        f->running = true; /* its timer is its own loop's business */
        if (f->loop && fake_is_cut(w, f->host))
            fake_cut(f);
        else if (f->loop && f->state == LINK_DOWN && !fake_connecting(f))
            fake_connect(f);
        f->running = running;
        if (f->loop)
            fake_poke(f);
    }
}

void reg_fake_delay_next(struct reg_fake_world *w, const char *host, uint64_t delay_ms)
{
    list_each (&w->drivers, n) {
        struct fake *f = list_entry(n, struct fake, link);
        if (!strcmp(f->host, host))
            f->delay_next_ms = delay_ms;
    }
}

static struct fake *fake_of(struct reg_driver *d)
{
    return container_of(d, struct fake, driver);
}

static void fake_start(struct reg_driver *d, struct loop *l, const struct reg_driver_events *ev,
                       void *ctx)
{
    struct fake *f = fake_of(d);
    struct str rest = str_of(loop_name(l)), host = str_cut(&rest, '/');
    f->loop = l;
    f->ev = *ev;
    f->ctx = ctx;
    snprintf(f->host, sizeof f->host, STR_FMT, STR_ARG(host));
    timer_init(&f->timer, l, fake_run, f);
    if (!fake_is_cut(f->world, f->host))
        fake_connect(f);
}

static void fake_beat(struct reg_driver *d, const struct reg_member *self, uint64_t lease_ms,
                      const char *synced, reg_beat_cb *cb, void *ctx)
{
    struct fake_item *it = fake_item_new(FAKE_BEAT, self, ctx);
    it->lease_ms = lease_ms;
    str_put(it->synced, sizeof it->synced, synced);
    it->cb.beat = cb;
    fake_send(fake_of(d), it);
}

static void fake_assert(struct reg_driver *d, const struct reg_member *self,
                        const struct reg_rows_batch *b, reg_done_cb *cb, void *ctx)
{
    struct fake_item *it = fake_item_new(FAKE_ASSERT, self, ctx);
    fake_item_rows(it, b->bares, b->homes, b->seqs, b->n);
    it->cb.done = cb;
    fake_send(fake_of(d), it);
}

static void fake_withdraw(struct reg_driver *d, const struct reg_member *self, struct str bare,
                          uint64_t seq, reg_done_cb *cb, void *ctx)
{
    struct fake_item *it = fake_item_new(FAKE_WITHDRAW, self, ctx);
    fake_item_rows(it, &bare, NULL, &seq, 1);
    it->cb.done = cb;
    fake_send(fake_of(d), it);
}

static void fake_read(struct reg_driver *d, struct str bare, reg_rows_cb *cb, void *ctx)
{
    struct fake_item *it = fake_item_new(FAKE_READ, NULL, ctx);
    fake_item_rows(it, &bare, NULL, NULL, 1);
    it->cb.rows = cb;
    fake_send(fake_of(d), it);
}

static void fake_clean(struct reg_driver *d, struct str bare, const struct reg_row *dead)
{
    struct fake_item *it = fake_item_new(FAKE_CLEAN, NULL, NULL);
    fake_item_rows(it, &bare, NULL, NULL, 1);
    it->row = *dead;
    fake_send(fake_of(d), it);
}

static void fake_leave(struct reg_driver *d, const struct reg_member *self, reg_done_cb *cb,
                       void *ctx)
{
    struct fake_item *it = fake_item_new(FAKE_LEAVE, self, ctx);
    it->cb.done = cb;
    fake_send(fake_of(d), it);
}

static void fake_close(struct reg_driver **pd)
{
    struct fake *f = fake_of(*pd);
    *pd = NULL;
    list_del(&f->link);
    if (f->loop)
        timer_stop(&f->timer);
    fake_drop(f);
    mem_free(f);
}

static const struct reg_driver_ops fake_ops = {
    .start = fake_start,
    .beat = fake_beat,
    .assert_rows = fake_assert,
    .withdraw = fake_withdraw,
    .read = fake_read,
    .clean = fake_clean,
    .leave = fake_leave,
    .close = fake_close,
};

struct reg_driver *reg_fake_new(struct reg_fake_world *w)
{
    struct fake *f = mem_alloc(sizeof *f);
    f->driver.ops = &fake_ops;
    f->world = w;
    list_init(&f->items);
    list_push(&w->drivers, &f->link);
    return &f->driver;
}
