/* DOC: the outbox of a domain pair, in memory: order, bounds, expiry, notices.
 * Design: a stanza is an item, in `waiting` until a carrier wrote it, then in `flying` until the
 * peer has it. A carrier that dies puts what flew back before what waits, so order holds over any
 * number of streams. A tick looks once a second for what expired and whom to tell that his message
 * waits, while there is anything. What lasts (messages, subscriptions) is stored by s2s-disk.c when
 * it is not done soon; what does not is a request (its sender stops waiting soon) or a state, of
 * which only the last counts. Standards: RFC 6120 sections 8.3.3.15 to 8.3.3.17, 10.4. */
#include "s2s/s2s-disk-int.h"
#include "s2s/s2s-sender.h"

enum { TICK_MS = 1000, NOTICE_TEXT_MAX = 2 * S2S_TEXT_MAX };

/* ---- kinds ---- */

/* Only the last of these counts, for the same sender and recipient. */
static bool is_state(const struct stanza *st)
{
    return st->kind == STANZA_PRESENCE &&
           (st->type == PRES_AVAILABLE || st->type == PRES_UNAVAILABLE || st->type == PRES_PROBE);
}

bool s2s_lasts(const struct stanza *st)
{
    if (st->kind == STANZA_MESSAGE)
        return st->type != MSG_ERROR;
    return st->kind == STANZA_PRESENCE && !is_state(st) && st->type != PRES_ERROR;
}

uint64_t s2s_lifetime_us(const struct s2s *s, const struct stanza *st)
{
    const struct s2s_tune *t = &s->conf.tune;
    return 1000 * (s2s_lasts(st)           ? t->expire_message_ms
                   : st->kind == STANZA_IQ ? t->expire_iq_ms
                                           : t->expire_presence_ms);
}

/* ---- items ---- */

static void take(struct s2s_outbox *b, void **token)
{
    void *t = *token;
    *token = NULL;
    if (t)
        b->s2s->host->taken(b->s2s->ctx, t);
}

void s2s_item_taken(struct s2s_item *it)
{
    take(it->box, &it->token);
}

/* Out of its box; the stanza and the token go to the caller. */
static struct stanza *unlink_item(struct s2s_item *it, void **token)
{
    struct s2s_outbox *b = it->box;
    struct stanza *st = it->sm.st;
    *token = it->token;
    list_del(&it->link);
    s2s_sender_remove(it);
    b->n--;
    b->bytes -= it->bytes;
    if (it->key)
        s2s_disk_forget(b, it->key, it->bytes);
    mem_free(it);
    return st;
}

static void discard(struct s2s_item *it)
{
    struct s2s_outbox *b = it->box;
    void *token;
    struct stanza *st = unlink_item(it, &token);
    stanza_unref(&st);
    take(b, &token);
}

void s2s_item_done(struct s2s_item *it)
{
    struct s2s_outbox *b = it->box;
    b->stanzas++;
    discard(it);
    s2s_disk_fill(b);
}

void s2s_item_fail(struct s2s_item *it, enum s2s_cause c, const char *text)
{
    struct s2s_outbox *b = it->box;
    void *token;
    struct stanza *st = unlink_item(it, &token);
    s2s_bounce(b->s2s, st, c, text, token);
}

struct s2s_item *s2s_item_new(struct s2s_outbox *b, struct stanza *st, void *token)
{
    struct s2s_item *it = mem_alloc(sizeof *it);
    it->box = b;
    it->sm.st = st;
    it->token = token;
    it->bytes = it->sm.item.bytes = st->bytes + sizeof *it;
    it->at_us = loop_now_us(b->s2s->loop);
    it->expires_us = it->at_us + s2s_lifetime_us(b->s2s, st);
    list_push(&b->waiting, &it->link);
    s2s_sender_add(s2s_sender_get(b, st->from.bare), it);
    b->n++;
    b->bytes += it->bytes;
    if (!timer_running(&b->expiry))
        timer_start(&b->expiry, TICK_MS);
    return it;
}

/* ---- putting ---- */

static struct s2s_item *item_of(struct list *n)
{
    return list_entry(n, struct s2s_item, link);
}

/* The state that this one replaces. */
static void drop_older(struct s2s_outbox *b, const struct stanza *st)
{
    list_each (&b->waiting, n) {
        struct s2s_item *it = item_of(n);
        const struct stanza *old = it->sm.st;
        bool is_same = is_state(old) && (old->type == PRES_PROBE) == (st->type == PRES_PROBE) &&
                       str_eq(old->from.full, st->from.full) && str_eq(old->to.full, st->to.full);
        if (!is_same)
            continue;
        discard(it);
        return;
    }
}

bool s2s_outbox_has_room(const struct s2s_outbox *b, size_t bytes)
{
    const struct s2s_tune *t = &b->s2s->conf.tune;
    return b->n < t->pending_stanzas && b->bytes <= t->pending_bytes &&
           bytes <= t->pending_bytes - b->bytes;
}

bool s2s_outbox_is_full(const struct s2s_outbox *b)
{
    return !s2s_outbox_has_room(b, 1) || s2s_disk_has_tail(b) || s2s_sender_any_full(b);
}

static void put_in_memory(struct s2s_outbox *b, struct stanza *st, void *token)
{
    bool lasts = s2s_lasts(st);
    struct s2s_item *it = s2s_item_new(b, st, token);
    if (lasts && b->s2s->store)
        s2s_disk_want(b);
    else if (lasts || st->kind == STANZA_PRESENCE)
        s2s_item_taken(it);
}

static enum s2s_cause put_for(struct s2s_outbox *b, struct s2s_sender *s, struct stanza *st,
                              void *token)
{
    size_t bytes = st->bytes + sizeof(struct s2s_item);
    bool lasts = s2s_lasts(st), has_share = s2s_sender_has_room(s, bytes);
    bool is_behind = s2s_disk_is_behind(b, s) || (lasts && b->s2s->load.is_on);
    if (!is_behind && has_share && s2s_outbox_has_room(b, bytes)) {
        put_in_memory(b, st, token);
        return S2S_CAUSE_NONE;
    }
    if (lasts && b->s2s->store)
        return s2s_disk_put(b, s, st, token);
    return has_share ? S2S_CAUSE_LIMIT_OUTBOX : S2S_CAUSE_LIMIT_SENDER;
}

enum s2s_cause s2s_outbox_put(struct s2s_outbox *b, struct stanza *st, void *token)
{
    if (is_state(st) && !b->carrier)
        drop_older(b, st);
    struct s2s_sender *s = s2s_sender_get(b, st->from.bare);
    enum s2s_cause c = put_for(b, s, st, token);
    s2s_sender_check(s);
    return c;
}

bool s2s_outbox_has_waiting(const struct s2s_outbox *b)
{
    return !list_empty(&b->waiting);
}

void s2s_outbox_go(struct s2s_outbox *b)
{
    if (list_empty(&b->waiting))
        return;
    if (b->carrier)
        b->carrier->ops->wake(b->carrier, b);
    else if (s2s_domain_may_try(b->domain))
        s2s_carry(b);
    else
        s2s_domain_wait(b->domain);
}

/* ---- time ---- */

/* One notice for a sender and an outage. */
static bool was_told(struct s2s_outbox *b, const struct s2s_item *me)
{
    list_each (&b->waiting, n) {
        const struct s2s_item *it = item_of(n);
        if (it->is_noticed && it != me && str_eq(it->sm.st->from.bare, me->sm.st->from.bare))
            return true;
    }
    return false;
}

static void notice(struct s2s_outbox *b, struct s2s_item *it)
{
    const struct s2s_domain *d = b->domain;
    const struct s2s_tune *t = &b->s2s->conf.tune;
    char text[NOTICE_TEXT_MAX];
    bool is_new = b->s2s->host->delayed && !was_told(b, it);
    it->is_noticed = true;
    if (!is_new)
        return;
    snprintf(text, sizeof text,
             "Your message to %.100s has not been delivered yet: %.200s. It is tried again for %u "
             "more minutes.",
             b->remote, d->cause ? d->text : s2s_cause_text(S2S_CAUSE_PEER_SILENT),
             (unsigned)((t->expire_message_ms - t->notice_ms) / 60000));
    b->s2s->host->delayed(b->s2s->ctx, it->sm.st, text);
}

/* The reason is why the domain is not reached, when we know it. */
static void expire(struct s2s_outbox *b, struct s2s_item *it)
{
    const struct s2s_domain *d = b->domain;
    char text[S2S_TEXT_MAX];
    enum s2s_cause c = d->cause ? d->cause : s2s_domain_last_wrong(d);
    if (d->cause)
        str_put(text, sizeof text, d->text);
    else
        snprintf(text, sizeof text, "%.80s: %s", b->remote,
                 s2s_cause_text(S2S_CAUSE_LIMIT_EXPIRED));
    s2s_item_fail(it, c ? c : S2S_CAUSE_LIMIT_EXPIRED, text);
}

static void on_tick(void *ctx)
{
    struct s2s_outbox *b = ctx;
    uint64_t now = loop_now_us(b->s2s->loop);
    uint64_t notice_us = b->s2s->conf.tune.notice_ms * 1000;
    list_each (&b->waiting, n) {
        struct s2s_item *it = item_of(n);
        if (now >= it->expires_us)
            expire(b, it);
        else if (now - it->at_us >= notice_us && !it->is_noticed &&
                 it->sm.st->kind == STANZA_MESSAGE && s2s_lasts(it->sm.st))
            notice(b, it);
    }
    s2s_disk_fill(b);
    if (b->n || s2s_disk_has_tail(b))
        timer_start(&b->expiry, TICK_MS);
    else
        s2s_outbox_check_idle(b);
}

/* ---- for carriers ---- */

void s2s_carrier_init(struct s2s_carrier *c, const struct s2s_carrier_ops *ops)
{
    c->ops = ops;
    list_init(&c->boxes);
}

void s2s_outbox_attach(struct s2s_outbox *b, struct s2s_carrier *c)
{
    must(!b->carrier);
    b->carrier = c;
    b->deficit = 0;
    list_push(&c->boxes, &b->of_carrier);
}

static void blame(struct s2s_outbox *b)
{
    list_each (&b->waiting, n) {
        struct s2s_item *it = item_of(n);
        if (!it->is_flying)
            return;
        enum s2s_cause c = s2s_domain_last_wrong(b->domain);
        if (++it->tries >= S2S_TRIES_MAX)
            s2s_item_fail(it, c ? c : S2S_CAUSE_PEER_ERROR,
                          "the peer ended several streams with an error after this stanza");
    }
}

void s2s_outbox_detach(struct s2s_outbox *b, bool is_blamed)
{
    struct list all;
    list_init(&all);
    must(b->carrier);
    b->carrier = NULL;
    list_del(&b->of_carrier);
    for (struct list *n = b->flying.prev; n != &b->flying; n = n->prev)
        s2s_sender_again(item_of(n));
    list_splice(&all, &b->flying);
    list_splice(&all, &b->waiting);
    list_splice(&b->waiting, &all);
    if (is_blamed)
        blame(b);
    list_each (&b->waiting, n)
        item_of(n)->is_flying = false;
    if (b->n)
        timer_start(&b->expiry, 0); /* what flew when its time was over */
    s2s_disk_want(b);
}

void s2s_item_fly(struct s2s_item *it)
{
    it->is_flying = true;
    s2s_sender_fly(it);
    list_del(&it->link);
    list_push(&it->box->flying, &it->link);
}

/* ---- all ---- */

static void fail_list(struct list *items, enum s2s_cause c, const char *text)
{
    list_each (items, n)
        s2s_item_fail(item_of(n), c, text);
}

void s2s_outbox_fail(struct s2s_outbox *b, enum s2s_cause c, const char *text)
{
    if (!b->carrier)
        fail_list(&b->flying, c, text);
    fail_list(&b->waiting, c, text);
    s2s_disk_fail(b, c, text);
}

void s2s_outbox_fail_requests(struct s2s_outbox *b, enum s2s_cause c, const char *text,
                              uint64_t before_us)
{
    list_each (&b->waiting, n) {
        struct s2s_item *it = item_of(n);
        if (it->sm.st->kind == STANZA_IQ && it->expires_us < before_us)
            s2s_item_fail(it, c, text);
    }
}

void s2s_outbox_stop(struct s2s_outbox *b)
{
    bool is_stored = b->s2s->store != NULL;
    list_each (&b->waiting, n)
        if (!is_stored || !s2s_lasts(item_of(n)->sm.st))
            s2s_item_fail(item_of(n), S2S_CAUSE_LOCAL_STOPPING, NULL);
    s2s_disk_save(b);
    s2s_outbox_check_idle(b);
}

/* ---- life ---- */

struct s2s_outbox *s2s_outbox_find(const struct s2s *s, struct str local, struct str remote)
{
    struct arena *a = arena_new(0);
    struct s2s_outbox *b = hmap_get(&s->boxes, s2s_pair_name(a, local, remote));
    arena_free(&a);
    return b;
}

struct s2s_outbox *s2s_outbox_any(const struct s2s *s, size_t *it)
{
    return hmap_next(&s->boxes, it, NULL);
}

static struct s2s_outbox *outbox_new(struct s2s *s, struct str local, struct str remote)
{
    struct s2s_outbox *b = mem_calloc(1, sizeof *b);
    b->s2s = s;
    b->local = str_dup(local);
    b->remote = str_dup(remote);
    b->key = s2s_pair_key(local, remote);
    list_init(&b->waiting);
    list_init(&b->flying);
    list_init(&b->turn);
    list_init(&b->of_carrier);
    timer_init(&b->expiry, s->loop, on_tick, b);
    b->domain = s2s_domain_get(s, remote);
    list_push(&b->domain->boxes, &b->of_domain);
    must(!hmap_put(&s->boxes, str_of(b->key), b));
    return b;
}

struct s2s_outbox *s2s_outbox_get(struct s2s *s, struct str local, struct str remote)
{
    struct s2s_outbox *b = s2s_outbox_find(s, local, remote);
    return b ? b : outbox_new(s, local, remote);
}

static void discard_list(struct list *items)
{
    list_each (items, n) {
        item_of(n)->key = 0; /* what is stored stays */
        discard(item_of(n));
    }
}

void s2s_outbox_free(struct s2s_outbox *b)
{
    struct s2s *s = b->s2s;
    must(!b->carrier);
    timer_stop(&b->expiry);
    discard_list(&b->flying);
    discard_list(&b->waiting);
    s2s_disk_free(b);
    s2s_sender_no_tail(b);
    hmap_fini(&b->senders);
    list_del(&b->of_domain);
    (void)hmap_del(&s->boxes, str_of(b->key));
    mem_free(b->local);
    mem_free(b->remote);
    mem_free(b->key);
    mem_free(b);
    s2s_check_stopped(s);
}

void s2s_outbox_check_idle(struct s2s_outbox *b)
{
    bool is_stopping = b->s2s->is_stopping;
    if (b->carrier || (!is_stopping && (b->n || timer_running(&b->expiry))))
        return;
    if (is_stopping ? s2s_disk_is_saved(b) : s2s_disk_is_idle(b))
        s2s_outbox_free(b);
}
