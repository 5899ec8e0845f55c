/* DOC Our own rows: what is published stands in the registry, sooner or later, and what is
 * withdrawn does not.
 *
 * A row has at most one command out, and takes a new sequence number with every command. So
 * whatever the keeper executes late (a lost connection's last bytes) carries a lower number than
 * what stands there, and a reader that sweeps a dead member's row by exact (incarnation, sequence)
 * cannot hit a row asserted again. Rows leave in batches at the end of the turn, REG_WINDOW_ROWS
 * out at a time, so a rebuild of all rows is a pipeline, not a storm. A withdrawal is remembered
 * until it was confirmed. */
#include "global-registry/registry-int.h"

#include "lib/base/log.h"

struct reg_batch {
    struct list link;
    struct registry *r;
    bool withdraw;
    size_t n;
    struct reg_own *rows[];
};

static void pump_now(void *ctx);
static void retry_now(void *ctx);

void reg_rows_init(struct registry *r)
{
    struct reg_rows *rows = &r->rows;
    hmap_init(&rows->map);
    list_init(&rows->dirty);
    list_init(&rows->batches);
    defer_init(&rows->pump, pump_now, r);
    timer_init(&rows->retry, r->loop, retry_now, r);
}

void reg_rows_fini(struct registry *r)
{
    struct reg_rows *rows = &r->rows;
    struct reg_own *o;
    struct list *n;
    size_t it = 0;
    timer_stop(&rows->retry);
    defer_cancel(&rows->pump);
    while ((n = list_shift(&rows->batches)))
        mem_free(list_entry(n, struct reg_batch, link));
    while ((o = hmap_next(&rows->map, &it, NULL))) {
        hmap_del(&rows->map, str_make(o->bare, o->bare_n));
        mem_free(o);
    }
    hmap_fini(&rows->map);
}

const struct reg_own *reg_rows_get(const struct registry *r, struct str bare)
{
    return hmap_get(&r->rows.map, bare);
}

size_t registry_rows(const struct registry *r)
{
    return r->rows.wanted;
}

void reg_rows_pump(struct registry *r)
{
    loop_defer(r->loop, &r->rows.pump);
}

static void make_dirty(struct registry *r, struct reg_own *o)
{
    if (o->state == OWN_SENT) {
        o->again = true;
        return;
    }
    if (o->state != OWN_DIRTY || !list_linked(&o->link)) {
        o->state = OWN_DIRTY;
        list_push(&r->rows.dirty, &o->link);
    }
    reg_rows_pump(r);
}

/* All rows counted by the resync stand: say so with the next beat, at once. */
static void resync_check(struct registry *r)
{
    if (!r->rows.resyncing || r->rows.resync_left)
        return;
    r->rows.resyncing = false;
    memcpy(r->lease.synced, r->lease.generation, sizeof r->lease.synced);
    log_info(NULL, "registry.synced", "node", r->conf.self.node, "rows", LOG_NUM(r->rows.wanted));
    reg_lease_kick(r, 0);
}

static void resync_settled(struct registry *r, struct reg_own *o)
{
    if (!o->resync)
        return;
    o->resync = false;
    r->rows.resync_left--;
    resync_check(r);
}

static void own_free(struct registry *r, struct reg_own *o)
{
    list_del(&o->link);
    hmap_del(&r->rows.map, str_make(o->bare, o->bare_n));
    resync_settled(r, o);
    mem_free(o);
}

void reg_rows_resync(struct registry *r)
{
    struct reg_rows *rows = &r->rows;
    struct reg_own *o;
    size_t it = 0;
    rows->held = false;
    timer_stop(&rows->retry);
    rows->resyncing = true;
    rows->resync_left = hmap_count(&rows->map);
    r->lease.synced[0] = '\0';
    while ((o = hmap_next(&rows->map, &it, NULL))) {
        o->resync = true;
        make_dirty(r, o);
    }
    reg_rows_pump(r);
    resync_check(r);
}

void registry_publish(struct registry *r, struct str bare, struct str home_region)
{
    struct reg_own *o = hmap_get(&r->rows.map, bare);
    if (!expect(home_region.n < REG_NAME_MAX && bare.n > 0))
        return;
    if (!o) {
        o = mem_alloc(sizeof *o + bare.n + 1);
        o->bare_n = bare.n;
        memcpy(o->bare, bare.p, bare.n);
        hmap_put(&r->rows.map, str_make(o->bare, o->bare_n), o);
    } else if (o->wanted && str_eqc(home_region, o->home)) {
        return;
    }
    r->rows.wanted += !o->wanted;
    o->wanted = true;
    memcpy(o->home, home_region.p ? home_region.p : "", home_region.n);
    o->home[home_region.n] = '\0';
    make_dirty(r, o);
}

void registry_withdraw(struct registry *r, struct str bare)
{
    struct reg_own *o = hmap_get(&r->rows.map, bare);
    if (!o || !o->wanted)
        return;
    o->wanted = false;
    r->rows.wanted--;
    make_dirty(r, o);
}

static void batch_failed(struct registry *r, struct reg_batch *b, enum err e)
{
    for (size_t i = 0; i < b->n; i++) {
        b->rows[i]->state = OWN_DONE; /* so that make_dirty queues it */
        b->rows[i]->again = false;
        make_dirty(r, b->rows[i]);
    }
    if (r->state != REG_CONNECTED)
        return;
    log_debug(NULL, "registry.rows.failed", "node", r->conf.self.node, "reason", err_text(e));
    r->rows.held = true;
    timer_start(&r->rows.retry, REG_RETRY_MS);
}

static void row_confirmed(struct registry *r, struct reg_own *o, bool withdrawn)
{
    bool stands = !o->again && o->wanted == !withdrawn;
    o->state = OWN_DONE;
    o->again = false;
    if (!stands) {
        make_dirty(r, o);
    } else if (withdrawn) {
        own_free(r, o);
    } else {
        resync_settled(r, o);
    }
}

static void on_batch(void *ctx, enum err e)
{
    struct reg_batch *b = ctx;
    struct registry *r = b->r;
    r->rows.out -= b->n;
    list_del(&b->link);
    if (e == ERR_OK) {
        for (size_t i = 0; i < b->n; i++)
            row_confirmed(r, b->rows[i], b->withdraw);
    } else {
        batch_failed(r, b, e);
    }
    if (e == ERR_CONFLICT) /* somebody younger writes under our name: the beat will tell */
        reg_lease_kick(r, 0);
    mem_free(b);
    if (r->state == REG_CONNECTED)
        reg_rows_pump(r);
}

/* Take the rows at the head of the dirty list that want the same thing: one withdrawal or a batch
 * of assertions. */
static struct reg_batch *batch_take(struct registry *r)
{
    struct reg_batch *b = mem_alloc(sizeof *b + REG_BATCH_ROWS * sizeof b->rows[0]);
    struct list *n;
    b->r = r;
    while (b->n < REG_BATCH_ROWS && (n = list_first(&r->rows.dirty))) {
        struct reg_own *o = list_entry(n, struct reg_own, link);
        if (b->n && (b->withdraw || !o->wanted))
            break;
        b->withdraw = !o->wanted;
        list_del(n);
        o->state = OWN_SENT;
        o->again = false;
        b->rows[b->n++] = o;
    }
    r->rows.out += b->n;
    list_push(&r->rows.batches, &b->link);
    return b;
}

static void batch_assert(struct registry *r, struct reg_batch *b)
{
    struct str *bares = mem_calloc(b->n, sizeof *bares), *homes = mem_calloc(b->n, sizeof *homes);
    uint64_t *seqs = mem_calloc(b->n, sizeof *seqs);
    for (size_t i = 0; i < b->n; i++) {
        bares[i] = str_make(b->rows[i]->bare, b->rows[i]->bare_n);
        homes[i] = str_of(b->rows[i]->home);
        seqs[i] = ++r->rows.seq;
    }
    struct reg_rows_batch rows = {.bares = bares, .homes = homes, .seqs = seqs, .n = b->n};
    r->driver->ops->assert_rows(r->driver, &r->conf.self, &rows, on_batch, b);
    mem_free(bares);
    mem_free(homes);
    mem_free(seqs);
}

static void pump_now(void *ctx)
{
    struct registry *r = ctx;
    struct reg_rows *rows = &r->rows;
    while (r->state == REG_CONNECTED && !rows->held && !list_empty(&rows->dirty) &&
           rows->out < REG_WINDOW_ROWS) {
        struct reg_batch *b = batch_take(r);
        struct str bare = str_make(b->rows[0]->bare, b->rows[0]->bare_n);
        if (!b->withdraw)
            batch_assert(r, b);
        else
            r->driver->ops->withdraw(r->driver, &r->conf.self, bare, ++rows->seq, on_batch, b);
    }
}

static void retry_now(void *ctx)
{
    struct registry *r = ctx;
    r->rows.held = false;
    reg_rows_pump(r);
}
