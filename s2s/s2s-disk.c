/* DOC: the durable part of an outbox.
 * Design: a map of the store (not a log: items end in any order when they expire, and a position
 * must be known before it is written), one owner per node and pair, and beside it one value that
 * says the pair has something, how much, and how often it was opened. Positions grow; their upper
 * part is that number of openings, so a former life cannot be mixed up. One transaction is under
 * way for a pair at a time; it takes all that is due and all that is done. What is on disk and not
 * in memory is the tail: once a sender has something there, all that comes from it goes behind it,
 * so order holds; who has nothing there goes on in memory, ahead of the tail. A failed write is
 * tried again each second; the tokens stay where they are meanwhile. Invariants: the positions of a
 * sender's items in memory grow along flying, then waiting; those from tail_key on are in `ahead`,
 * and those of its items in the tail are higher. */
#include "s2s/s2s-disk-int.h"
#include "s2s/s2s-sender.h"

#include "lib/base/clock.h"
#include "lib/store/store.h"

enum {
    EPOCH_SHIFT = 40,
    TXN_ITEMS = 500,
    TXN_BYTES = 4 * 1024 * 1024,
    GONE_MAX = 200, /* done items that are not waited with longer */
};

static void write_due(struct s2s_disk *d);

/* ---- making ---- */

static void on_soon(void *ctx)
{
    write_due(ctx);
}

struct s2s_disk *s2s_disk_of(struct s2s_outbox *b)
{
    if (b->disk)
        return b->disk;
    struct s2s_disk *d = mem_calloc(1, sizeof *d);
    struct arena *a = arena_new(0);
    d->box = b;
    d->owner = str_dup(arena_printf(a, "%s %s", b->s2s->conf.store_owner, b->key));
    arena_free(&a);
    d->epoch = 1;
    d->next_key = d->epoch << EPOCH_SHIFT;
    list_init(&d->pending);
    op_owner_init(&d->ops);
    timer_init(&d->soon, b->s2s->loop, on_soon, d);
    b->disk = d;
    return d;
}

void s2s_disk_free_pending(struct s2s_disk *d, struct s2s_item *it)
{
    void *token = it->token;
    list_del(&it->link);
    d->pending_bytes -= it->bytes;
    stanza_unref(&it->sm.st);
    mem_free(it);
    if (token)
        d->box->s2s->host->taken(d->box->s2s->ctx, token);
}

void s2s_disk_free(struct s2s_outbox *b)
{
    struct s2s_disk *d = b->disk;
    b->disk = NULL;
    if (!d)
        return;
    op_owner_cancel_all(&d->ops);
    timer_stop(&d->soon);
    list_each (&d->pending, n)
        s2s_disk_free_pending(d, list_entry(n, struct s2s_item, link));
    vec_fini(&d->gone);
    vec_fini(&d->ahead);
    mem_free(d->owner);
    mem_free(d);
}

/* ---- writing ---- */

static void put_item(struct s2s_disk *d, struct store_txn **t, struct s2s_item *it)
{
    const struct s2s *s = d->box->s2s;
    uint64_t now = loop_now_us(s->loop), wall = clock_wall_us();
    char key[S2S_DISK_KEY_SIZE];
    struct buf text;
    it->key = d->next_key++;
    snprintf(key, sizeof key, S2S_DISK_KEY_FMT, (unsigned long long)it->key);
    buf_init(&text, STORE_VALUE_MAX);
    buf_printf(&text, "%llu %llu %zu\n", (unsigned long long)(wall - (now - it->at_us)),
               (unsigned long long)(wall + (it->expires_us - now)), it->bytes);
    stanza_write(&text, it->sm.st, NS_CLIENT);
    if (!*t)
        *t = store_txn_new(s->store, str_of(d->owner));
    store_txn_map_put(*t, S2S_DISK_TABLE, str_of(key), buf_view(&text));
    buf_fini(&text);
    d->txn.key = it->key;
    d->txn.n++;
    d->txn.bytes += it->bytes;
}

static bool is_full(const struct s2s_disk *d)
{
    return d->txn.n >= TXN_ITEMS || d->txn.bytes >= TXN_BYTES;
}

/* True: there may be more in the list. The writing order is not that of coming, over senders. */
static bool put_list(struct s2s_disk *d, struct store_txn **t, struct list *items,
                     uint64_t before_us)
{
    list_each (items, n) {
        struct s2s_item *it = list_entry(n, struct s2s_item, link);
        if (it->key || it->at_us > before_us || !s2s_lasts(it->sm.st))
            continue;
        if (is_full(d))
            return true;
        put_item(d, t, it);
        if (s2s_disk_has_tail(d->box) && items != &d->pending)
            vec_push(&d->ahead, it->key);
    }
    return false;
}

static void del_gone(struct s2s_disk *d, struct store_txn **t)
{
    char key[S2S_DISK_KEY_SIZE];
    for (size_t i = 0; i < d->gone.n; i++) {
        snprintf(key, sizeof key, S2S_DISK_KEY_FMT, (unsigned long long)d->gone.p[i].key);
        if (!*t)
            *t = store_txn_new(d->box->s2s->store, str_of(d->owner));
        store_txn_map_del(*t, S2S_DISK_TABLE, str_of(key));
        d->txn.gone_n += d->gone.p[i].is_counted;
        d->txn.gone_bytes += d->gone.p[i].bytes;
    }
    d->txn.gone = d->gone.n;
}

static void put_mark(struct s2s_disk *d, struct store_txn *t)
{
    char mark[80];
    uint64_t n = d->n + d->txn.n - d->txn.gone_n;
    snprintf(mark, sizeof mark, "%llu %llu %llu", (unsigned long long)d->epoch,
             (unsigned long long)n,
             (unsigned long long)(d->bytes + d->txn.bytes - d->txn.gone_bytes));
    d->txn.unmarks = n == 0;
    if (n)
        store_txn_kv_put(t, S2S_DISK_TABLE, S2S_DISK_MARK, str_of(mark), STORE_REV_ANY);
    else if (d->is_marked)
        store_txn_kv_del(t, S2S_DISK_TABLE, S2S_DISK_MARK, STORE_REV_ANY);
}

static void tell_stored(struct s2s_disk *d, struct list *items)
{
    list_each (items, n) {
        struct s2s_item *it = list_entry(n, struct s2s_item, link);
        if (it->key && it->key <= d->stored_key && it->token)
            s2s_item_taken(it);
    }
}

static void move_to_tail(struct s2s_disk *d)
{
    list_each (&d->pending, n) {
        struct s2s_item *it = list_entry(n, struct s2s_item, link);
        if (!it->key || it->key > d->stored_key)
            return;
        if (!d->tail_key)
            d->tail_key = it->key;
        d->tail_n++;
        s2s_disk_free_pending(d, it);
    }
}

static void written(struct s2s_disk *d)
{
    struct s2s_outbox *b = d->box;
    if (d->is_failing)
        log_info(NULL, "s2s.outbox.stored-again", "remote", b->remote);
    d->is_failing = false;
    d->n += d->txn.n - d->txn.gone_n;
    d->bytes += d->txn.bytes - d->txn.gone_bytes;
    d->is_marked = !d->txn.unmarks;
    if (d->txn.key)
        d->stored_key = d->txn.key;
    for (size_t i = 0; i < d->txn.gone && d->ahead.n; i++)
        s2s_disk_ahead_gone(d, d->gone.p[i].key);
    if (d->gone.n > d->txn.gone)
        memmove(d->gone.p, d->gone.p + d->txn.gone, (d->gone.n - d->txn.gone) * sizeof *d->gone.p);
    d->gone.n -= d->txn.gone;
    tell_stored(d, &b->flying);
    tell_stored(d, &b->waiting);
    move_to_tail(d);
}

static void unkey(struct s2s_disk *d, struct list *items)
{
    list_each (items, n) {
        struct s2s_item *it = list_entry(n, struct s2s_item, link);
        if (it->key <= d->stored_key)
            continue;
        struct s2s_gone g = {it->key, 0, false};
        vec_push(&d->gone, g);
        it->key = 0;
    }
}

/* Nothing of it happened, or perhaps all: positions are taken anew, the old ones removed. */
static void not_written(struct s2s_disk *d, enum err e)
{
    struct s2s_outbox *b = d->box;
    if (!d->is_failing)
        log_error(NULL, "s2s.outbox.not-stored", "remote", b->remote, "why", err_text(e));
    d->is_failing = true;
    for (size_t i = 0; i < d->gone.n; i++)
        if (d->gone.p[i].key > d->stored_key)
            d->gone.p[i] = (struct s2s_gone){d->gone.p[i].key, 0, false};
    unkey(d, &b->flying);
    unkey(d, &b->waiting);
    unkey(d, &d->pending);
}

static void on_written(void *ctx, enum err e)
{
    struct s2s_disk *d = ctx;
    struct s2s_outbox *b = d->box;
    d->txn.is_on = false;
    if (e == ERR_OK)
        written(d);
    else
        not_written(d, e);
    timer_start(&d->soon, e == ERR_OK ? 0 : S2S_DISK_AGAIN_MS);
    s2s_disk_fill(b);
    s2s_outbox_check_idle(b);
}

static bool has_due(struct s2s_disk *d, struct list *items, uint64_t *wait_us)
{
    uint64_t now = loop_now_us(d->box->s2s->loop);
    uint64_t after = d->box->s2s->conf.tune.disk_ms * 1000;
    list_each (items, n) {
        struct s2s_item *it = list_entry(n, struct s2s_item, link);
        if (it->key || !s2s_lasts(it->sm.st))
            continue;
        if (it->at_us + after <= now)
            return true;
        if (it->at_us + after - now < *wait_us)
            *wait_us = it->at_us + after - now;
    }
    return false;
}

/* Look again when the oldest that is not stored is old enough. */
static void wait_more(struct s2s_disk *d)
{
    uint64_t wait_us = UINT64_MAX;
    if (has_due(d, &d->box->flying, &wait_us) || has_due(d, &d->box->waiting, &wait_us))
        wait_us = 0;
    if (d->gone.n)
        wait_us = wait_us < S2S_DISK_AGAIN_MS * 1000 ? wait_us : S2S_DISK_AGAIN_MS * 1000;
    if (wait_us != UINT64_MAX)
        timer_start(&d->soon, (wait_us + 999) / 1000);
}

/* What came up to then is stored now. */
static uint64_t due_before(const struct s2s_disk *d)
{
    const struct s2s_outbox *b = d->box;
    uint64_t now = loop_now_us(b->s2s->loop), after = b->s2s->conf.tune.disk_ms * 1000;
    if (!b->carrier || d->is_saving || !list_empty(&d->pending))
        return UINT64_MAX;
    return now > after ? now - after : 0;
}

static void write_due(struct s2s_disk *d)
{
    struct s2s_outbox *b = d->box;
    struct store_txn *t = NULL;
    uint64_t before_us = due_before(d);
    timer_stop(&d->soon);
    if (d->txn.is_on || b->s2s->load.is_on)
        return;
    memset(&d->txn, 0, sizeof d->txn);
    bool more = put_list(d, &t, &b->flying, before_us) || put_list(d, &t, &b->waiting, before_us);
    if (!more)
        (void)put_list(d, &t, &d->pending, UINT64_MAX);
    del_gone(d, &t);
    if (!t) {
        wait_more(d);
        return;
    }
    put_mark(d, t);
    d->txn.is_on = true;
    (void)store_commit(&t, &d->ops, on_written, d);
}

/* ---- asked from outside ---- */

void s2s_disk_want(struct s2s_outbox *b)
{
    if (!b->s2s->store || (!b->n && !b->disk))
        return;
    struct s2s_disk *d = s2s_disk_of(b);
    uint64_t wait_ms = b->carrier && !d->is_saving ? b->s2s->conf.tune.disk_ms : 0;
    if (!timer_running(&d->soon) || !wait_ms)
        timer_start(&d->soon, wait_ms);
}

void s2s_disk_save(struct s2s_outbox *b)
{
    if (!b->s2s->store)
        return;
    s2s_disk_of(b)->is_saving = true;
    s2s_disk_want(b);
}

static bool has_unsaved(struct list *items)
{
    list_each (items, n) {
        const struct s2s_item *it = list_entry(n, struct s2s_item, link);
        if (!it->key && s2s_lasts(it->sm.st))
            return true;
    }
    return false;
}

bool s2s_disk_is_saved(struct s2s_outbox *b)
{
    const struct s2s_disk *d = b->disk;
    if (d && (d->txn.is_on || d->gone.n || !list_empty(&d->pending)))
        return false;
    return !b->s2s->store || !(has_unsaved(&b->flying) || has_unsaved(&b->waiting));
}

enum s2s_cause s2s_disk_put(struct s2s_outbox *b, struct s2s_sender *sender, struct stanza *st,
                            void *token)
{
    const struct s2s *s = b->s2s;
    struct s2s_disk *d = s2s_disk_of(b);
    size_t bytes = st->bytes + sizeof(struct s2s_item);
    if (!s2s_sender_may_store(sender, bytes))
        return S2S_CAUSE_LIMIT_SENDER;
    if (d->failed || bytes > s->conf.tune.pending_bytes ||
        d->pending_bytes > s->conf.tune.pending_bytes - bytes ||
        d->bytes + d->pending_bytes + bytes > s->conf.tune.stored_bytes)
        return S2S_CAUSE_LIMIT_OUTBOX;
    struct s2s_item *it = mem_alloc(sizeof *it);
    it->box = b;
    it->sm.st = st;
    it->token = token;
    it->bytes = bytes;
    it->at_us = loop_now_us(s->loop);
    it->expires_us = it->at_us + s2s_lifetime_us(s, st);
    list_push(&d->pending, &it->link);
    d->pending_bytes += bytes;
    s2s_sender_to_tail(sender, bytes);
    timer_start(&d->soon, 0);
    return S2S_CAUSE_NONE;
}

bool s2s_disk_is_behind(const struct s2s_outbox *b, const struct s2s_sender *s)
{
    return s->tail_n || (b->disk && b->disk->tail_key && b->disk->tail_key <= b->disk->old_key);
}

bool s2s_disk_has_tail(const struct s2s_outbox *b)
{
    return b->disk && (b->disk->tail_key || !list_empty(&b->disk->pending));
}

void s2s_disk_forget(struct s2s_outbox *b, uint64_t key, size_t bytes)
{
    struct s2s_disk *d = s2s_disk_of(b);
    struct s2s_gone g = {key, bytes, true};
    vec_push(&d->gone, g);
    if (d->gone.n >= GONE_MAX || !timer_running(&d->soon))
        timer_start(&d->soon, d->gone.n >= GONE_MAX ? 0 : b->s2s->conf.tune.disk_ms);
}

bool s2s_disk_is_idle(struct s2s_outbox *b)
{
    const struct s2s_disk *d = b->disk;
    return !d || (!d->txn.is_on && !d->is_reading && !d->gone.n && !s2s_disk_has_tail(b) && !d->n);
}

void s2s_disk_count(const struct s2s_outbox *b, uint64_t *tail, uint64_t *bytes)
{
    *tail = b->disk ? b->disk->tail_n : 0;
    *bytes = b->disk ? b->disk->bytes : 0;
}

/* ---- a former life ---- */

void s2s_disk_take_over(struct s2s_outbox *b, const uint64_t mark[3])
{
    struct s2s_disk *d = s2s_disk_of(b);
    d->epoch = mark[0] + 1;
    d->next_key = d->epoch << EPOCH_SHIFT;
    d->stored_key = d->old_key = d->next_key - 1;
    d->n = d->tail_n = mark[1];
    d->bytes = mark[2];
    d->tail_key = 1;
    d->is_marked = true;
}

/* Writing and reading wait until all former outboxes are known. */
void s2s_disk_begin(struct s2s_outbox *b)
{
    if (b->disk)
        timer_start(&b->disk->soon, 0);
    s2s_disk_fill(b);
}
