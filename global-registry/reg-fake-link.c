/* DOC The link of a fake driver.
 *
 * The link is modelled as a connection is: requests and answers are first in, first out each way;
 * invalidations have a path of their own, as Redis's second connection has; a cut is noticed late;
 * a request on the way when the link is cut may be lost, executed with its answer lost, or executed
 * later - after the requests of the next connection, which is how a dead session's refresh
 * overtakes the truth in a registry without fencing. */
#include "global-registry/reg-link-int.h"

#include "lib/base/clock.h"
#include "lib/base/rand.h"
#define NOTICE_MS 2000 /* a cut is noticed at most this late */

static void item_free(struct fake_item *it)
{
    list_del(&it->link);
    for (size_t i = 0; i < it->n; i++) {
        mem_free((void *)(uintptr_t)it->bares[i].p);
        mem_free((void *)(uintptr_t)it->homes[i].p);
    }
    mem_free(it->bares);
    mem_free(it->homes);
    mem_free(it->seqs);
    mem_free(it->rows);
    mem_free(it->members);
    mem_free(it->complete);
    mem_free(it);
}

static uint64_t travel_us(const struct reg_fake_world *w)
{
    return (w->max_ms ? w->min_ms + rand_below(w->max_ms - w->min_ms + 1) : 0) * 1000;
}

struct fake_wake {
    struct mail mail;
    struct fake *fake; /* NULL: closed meanwhile */
};

static void rearm(struct fake *f)
{
    struct list *n = list_first(&f->items);
    if (f->running)
        return;
    if (!n) {
        timer_stop(&f->timer);
        return;
    }
    uint64_t now = clock_mono_us(), due = list_entry(n, struct fake_item, link)->due_us;
    timer_start(&f->timer, due > now ? (due - now + 999) / 1000 : 0);
}

static void wake_run(struct mail *m)
{
    struct fake_wake *w = container_of(m, struct fake_wake, mail);
    if (w->fake) {
        w->fake->wake = NULL;
        rearm(w->fake);
    }
    mem_free(w);
}

static void wake_drop(struct mail *m)
{
    struct fake_wake *w = container_of(m, struct fake_wake, mail);
    if (w->fake)
        w->fake->wake = NULL;
    mem_free(w);
}

void fake_poke(struct fake *f)
{
    if (f->wake)
        return;
    f->wake = mem_alloc(sizeof *f->wake);
    f->wake->fake = f;
    f->wake->mail.fn = wake_run;
    f->wake->mail.drop = wake_drop;
    loop_post(f->loop, &f->wake->mail);
}

static void item_insert(struct fake *f, struct fake_item *it, uint64_t due_us)
{
    struct list *at = f->items.prev;
    it->due_us = due_us;
    while (at != &f->items && list_entry(at, struct fake_item, link)->due_us > due_us)
        at = at->prev;
    list_insert_after(at, &it->link);
}

static void item_queue(struct fake *f, struct fake_item *it, uint64_t due_us)
{
    item_insert(f, it, due_us);
    rearm(f);
}

/* When something sent now arrives, not before what was sent earlier on the same path. */
static uint64_t arrival(struct fake *f, uint64_t *last_us)
{
    uint64_t due = clock_mono_us() + travel_us(f->world);
    *last_us = due > *last_us ? due : *last_us;
    return *last_us;
}

struct fake_item *fake_item_new(enum fake_kind kind, const struct reg_member *self, void *ctx)
{
    struct fake_item *it = mem_alloc(sizeof *it);
    it->kind = kind;
    if (self)
        it->self = *self;
    it->ctx = ctx;
    return it;
}

void fake_item_rows(struct fake_item *it, const struct str *bares, const struct str *homes,
                    const uint64_t *seqs, size_t n)
{
    it->bares = mem_calloc(n + 1, sizeof *it->bares);
    it->homes = mem_calloc(n + 1, sizeof *it->homes);
    it->seqs = mem_calloc(n + 1, sizeof *it->seqs);
    for (it->n = 0; it->n < n; it->n++) {
        it->bares[it->n] = str_make(str_dup(bares[it->n]), bares[it->n].n);
        if (homes)
            it->homes[it->n] = str_make(str_dup(homes[it->n]), homes[it->n].n);
        it->seqs[it->n] = seqs ? seqs[it->n] : 0;
    }
}

static void answer_with(struct fake *f, struct fake_item *it, enum err e, uint64_t due_us)
{
    it->phase = PHASE_ANSWER;
    it->err = e;
    item_queue(f, it, due_us);
}

void fake_send(struct fake *f, struct fake_item *it)
{
    switch (f->state) {
    case LINK_DOWN:
        answer_with(f, it, ERR_UNAVAILABLE, clock_mono_us());
        return;
    case LINK_BROKEN:
        answer_with(f, it, ERR_CLOSED, f->notice_us);
        return;
    case LINK_UP:
        it->sure = f->delay_next_ms > 0;
        f->last_ask_us = arrival(f, &f->last_ask_us) + f->delay_next_ms * 1000;
        f->delay_next_ms = 0;
        item_queue(f, it, f->last_ask_us);
        return;
    }
}

static void tell_moved(struct reg_fake_world *w, struct str bare)
{
    list_each (&w->drivers, n) {
        struct fake *f = list_entry(n, struct fake, link);
        if (f->state != LINK_UP)
            continue;
        struct fake_item *it = fake_item_new(FAKE_MOVED, NULL, NULL);
        it->phase = PHASE_ANSWER;
        fake_item_rows(it, &bare, NULL, NULL, 1);
        item_insert(f, it, arrival(f, &f->last_moved_us));
        fake_poke(f);
    }
}

static void apply_beat(struct reg_fake_world *w, struct fake_item *it, uint64_t now)
{
    bool fresh = false;
    it->err = reg_world_beat(&w->w, &it->self, it->synced, it->lease_ms * 1000, now, &fresh);
    if (it->err)
        return;
    it->found = reg_world_members(&w->w, now, &it->members, &it->complete);
    memcpy(it->generation, w->w.generation, sizeof it->generation);
    if (fresh)
        tell_moved(w, STR(""));
}

static void apply_rows(struct reg_fake_world *w, struct fake_item *it, uint64_t now)
{
    for (size_t i = 0; i < it->n; i++) {
        bool changed = false;
        enum err e = it->kind == FAKE_ASSERT ? reg_world_assert(&w->w, &it->self, it->bares[i],
                                                                it->homes[i], it->seqs[i], &changed)
                                             : reg_world_withdraw(&w->w, &it->self, it->bares[i],
                                                                  it->seqs[i], now, &changed);
        if (e)
            it->err = e;
        if (changed)
            tell_moved(w, it->bares[i]);
    }
}

static void apply(struct fake *f, struct fake_item *it)
{
    struct reg_fake_world *w = f->world;
    uint64_t now = clock_mono_us();
    w->requests += it->n ? it->n : 1;
    switch (it->kind) {
    case FAKE_BEAT:
        apply_beat(w, it, now);
        break;
    case FAKE_ASSERT:
    case FAKE_WITHDRAW:
        apply_rows(w, it, now);
        break;
    case FAKE_READ:
        it->found = reg_world_read(&w->w, it->bares[0], &it->rows);
        if (strcmp(f->generation, w->w.generation) != 0)
            it->err = ERR_AGAIN;
        break;
    case FAKE_CLEAN:
        reg_world_clean(&w->w, it->bares[0], &it->row);
        break;
    case FAKE_LEAVE:
        if (reg_world_leave(&w->w, &it->self))
            tell_moved(w, STR(""));
        break;
    case FAKE_MOVED:
    case FAKE_UP:
    case FAKE_DOWN:
        break;
    }
}

static void answer_beat(struct fake *f, const struct fake_item *it)
{
    struct reg_lease_view v = {.members = it->members, .complete = it->complete, .n = it->found};
    memcpy(v.generation, it->generation, sizeof v.generation);
    if (!it->err)
        memcpy(f->generation, it->generation, sizeof f->generation);
    it->cb.beat(it->ctx, it->err, it->err ? NULL : &v);
}

/* The user's turn; it may call anything of ours but close (registry.c closes from a turn of its
 * own). */
static void answer(struct fake *f, const struct fake_item *it)
{
    switch (it->kind) {
    case FAKE_BEAT:
        answer_beat(f, it);
        break;
    case FAKE_ASSERT:
    case FAKE_WITHDRAW:
    case FAKE_LEAVE:
        it->cb.done(it->ctx, it->err);
        break;
    case FAKE_READ:
        it->cb.rows(it->ctx, it->err, it->rows, it->err ? 0 : it->found);
        break;
    case FAKE_CLEAN:
        break;
    case FAKE_MOVED:
        f->ev.moved(f->ctx, it->bares[0]);
        break;
    case FAKE_UP:
        f->state = LINK_UP;
        f->ev.up(f->ctx);
        break;
    case FAKE_DOWN:
        f->state = LINK_DOWN;
        f->ev.down(f->ctx, "link cut");
        break;
    }
}

bool fake_is_cut(const struct reg_fake_world *w, const char *host)
{
    for (size_t i = 0; i < w->cut.n; i++)
        if (!strcmp(w->cut.p[i], host))
            return true;
    return w->all_cut;
}

void fake_connect(struct fake *f)
{
    struct fake_item *it = fake_item_new(FAKE_UP, NULL, NULL);
    uint64_t wait = f->world->max_ms ? rand_below(1000) * 1000 : 0;
    it->phase = PHASE_ANSWER;
    f->last_ask_us = f->last_answer_us = f->last_moved_us = 0;
    item_queue(f, it, clock_mono_us() + wait + travel_us(f->world));
}

static void run_item(struct fake *f, struct fake_item *it)
{
    bool down = it->kind == FAKE_DOWN;
    list_del(&it->link);
    if (it->phase == PHASE_GHOST || (it->phase == PHASE_ASK && f->state == LINK_UP)) {
        apply(f, it);
        if (it->phase == PHASE_ASK && it->kind != FAKE_CLEAN) {
            it->phase = PHASE_ANSWER;
            item_queue(f, it, arrival(f, &f->last_answer_us));
            return;
        }
    } else if (it->phase == PHASE_ASK) { /* cut in this very turn */
        answer_with(f, it, ERR_CLOSED, f->notice_us);
        return;
    } else {
        answer(f, it);
    }
    item_free(it);
    if (down && !fake_is_cut(f->world, f->host))
        fake_connect(f);
}

void fake_run(void *ctx)
{
    struct fake *f = ctx;
    uint64_t now = clock_mono_us();
    struct list *n;
    size_t budget = 4096; /* zero delay: what a callback asks is for the next turn */
    struct list due;
    list_init(&due);
    f->running = true;
    while ((n = list_first(&f->items)) && budget-- &&
           list_entry(n, struct fake_item, link)->due_us <= now) {
        list_del(n);
        list_push(&due, n);
    }
    while ((n = list_first(&due)))
        run_item(f, list_entry(n, struct fake_item, link));
    f->running = false;
    rearm(f);
}

static void ghost_of(struct fake *f, struct fake_item *it)
{
    struct fake_item *ghost = fake_item_new(it->kind, &it->self, NULL);
    uint64_t more = it->sure || !f->world->max_ms ? 0 : rand_below(NOTICE_MS * 2) * 1000;
    fake_item_rows(ghost, it->bares, it->homes, it->seqs, it->n);
    ghost->phase = PHASE_GHOST;
    ghost->lease_ms = it->lease_ms;
    ghost->row = it->row;
    memcpy(ghost->synced, it->synced, sizeof ghost->synced);
    item_queue(f, ghost, it->due_us + more);
}

static void cut_item(struct fake *f, struct fake_item *it)
{
    if (it->kind == FAKE_MOVED || it->kind == FAKE_UP) {
        item_free(it);
        return;
    }
    if (it->phase == PHASE_GHOST || it->kind == FAKE_DOWN) {
        item_queue(f, it, it->due_us);
        return;
    }
    if (it->phase == PHASE_ASK && (it->sure || rand_below(2)))
        ghost_of(f, it);
    answer_with(f, it, ERR_CLOSED, f->notice_us);
}

/* What is on the way is lost, or executed with its answer lost, or executed late. All of it is
 * answered when the user notices. */
void fake_cut(struct fake *f)
{
    struct list old;
    struct list *n;
    if (f->state == LINK_UP) {
        struct fake_item *down = fake_item_new(FAKE_DOWN, NULL, NULL);
        uint64_t late = f->world->max_ms ? rand_below(NOTICE_MS + 1) * 1000 : 0;
        f->state = LINK_BROKEN;
        f->notice_us = clock_mono_us() + late;
        down->phase = PHASE_ANSWER;
        item_queue(f, down, f->notice_us);
    }
    list_init(&old);
    list_splice(&old, &f->items);
    while ((n = list_shift(&old)))
        cut_item(f, list_entry(n, struct fake_item, link));
    rearm(f);
}

bool fake_connecting(const struct fake *f)
{
    list_each (&f->items, n) {
        if (list_entry(n, struct fake_item, link)->kind == FAKE_UP)
            return true;
    }
    return false;
}

void fake_drop(struct fake *f)
{
    struct list *n;
    f->running = true; /* no timer any more */
    if (f->wake)
        f->wake->fake = NULL;
    while ((n = list_first(&f->items))) {
        struct fake_item *it = list_entry(n, struct fake_item, link);
        list_del(n);
        if (it->phase == PHASE_GHOST || (it->phase == PHASE_ASK && rand_below(2)))
            apply(f, it);
        item_free(it);
    }
}
