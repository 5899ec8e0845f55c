/* DOC: the local accounts that have something in an outbox.
 * Design: an account may have a share of what the outbox may have, in memory and in the store, so
 * that whoever floods a domain that is slow or away leaves room for others. Among those that have
 * something waiting the turn goes round by bytes (deficit round-robin): a stanza waits for at most
 * a quantum and one stanza of each other account, whatever waits of theirs. One that is alone pays
 * nothing for it. Invariants: the items of a sender wait, fly and are stored in the order they
 * came, so order per (from, to) holds; a sender is in `turn` when something of it waits; it exists
 * while it has anything, in memory or in the store (what a former life stored is nobody's until it
 * is read). */
#include "s2s/s2s-sender.h"
#include "s2s/s2s-int.h"

static size_t share_of(const struct s2s_outbox *b, size_t whole)
{
    unsigned percent = b->s2s->conf.tune.sender_share;
    size_t n = whole / 100 * percent + whole % 100 * percent / 100;
    return n ? n : 1;
}

/* ---- life ---- */

struct s2s_sender *s2s_sender_get(struct s2s_outbox *b, struct str bare)
{
    struct s2s_sender *s = hmap_get(&b->senders, bare);
    if (s)
        return s;
    s = mem_calloc(1, sizeof *s + bare.n);
    s->box = b;
    s->bare_n = bare.n;
    if (bare.n)
        memcpy(s->bare, bare.p, bare.n);
    list_init(&s->waiting);
    must(!hmap_put(&b->senders, str_make(s->bare, bare.n), s));
    return s;
}

void s2s_sender_check(struct s2s_sender *s)
{
    if (s->n || s->tail_n)
        return;
    (void)hmap_del(&s->box->senders, str_make(s->bare, s->bare_n));
    mem_free(s);
}

/* ---- how much ---- */

bool s2s_sender_has_room(const struct s2s_sender *s, size_t bytes)
{
    const struct s2s_tune *t = &s->box->s2s->conf.tune;
    size_t max = share_of(s->box, t->pending_bytes);
    if (!s->n) /* one always: that it is large is no flood */
        return true;
    return s->n < share_of(s->box, t->pending_stanzas) && s->bytes <= max &&
           bytes <= max - s->bytes;
}

bool s2s_sender_may_store(const struct s2s_sender *s, size_t bytes)
{
    size_t max = share_of(s->box, s->box->s2s->conf.tune.stored_bytes);
    return s->bytes + s->tail_bytes + bytes <= max;
}

bool s2s_sender_any_full(const struct s2s_outbox *b)
{
    size_t it = 0;
    for (const struct s2s_sender *s; (s = hmap_next(&b->senders, &it, NULL));)
        if (!s2s_sender_has_room(s, 1))
            return true;
    return false;
}

/* ---- items ---- */

static void join(struct s2s_sender *s)
{
    if (list_linked(&s->turn))
        return;
    s->deficit = S2S_SENDER_QUANTUM;
    list_push(&s->box->turn, &s->turn);
}

static void leave(struct s2s_item *it)
{
    struct s2s_sender *s = it->sender;
    list_del(&it->of_sender);
    if (list_empty(&s->waiting))
        list_del(&s->turn);
}

void s2s_sender_add(struct s2s_sender *s, struct s2s_item *it)
{
    it->sender = s;
    s->n++;
    s->bytes += it->bytes;
    list_push(&s->waiting, &it->of_sender);
    join(s);
}

void s2s_sender_again(struct s2s_item *it)
{
    list_unshift(&it->sender->waiting, &it->of_sender);
    join(it->sender);
}

void s2s_sender_fly(struct s2s_item *it)
{
    struct s2s_sender *s = it->sender;
    s->deficit -= it->bytes < s->deficit ? it->bytes : s->deficit;
    leave(it);
}

void s2s_sender_remove(struct s2s_item *it)
{
    struct s2s_sender *s = it->sender;
    leave(it);
    s->n--;
    s->bytes -= it->bytes;
    s2s_sender_check(s);
}

void s2s_item_set_bytes(struct s2s_item *it, size_t bytes)
{
    it->box->bytes += bytes - it->bytes;
    it->sender->bytes += bytes - it->bytes;
    it->bytes = it->sm.item.bytes = bytes;
}

/* ---- turns ---- */

struct s2s_item *s2s_outbox_peek(struct s2s_outbox *b)
{
    for (struct list *n; (n = list_first(&b->turn));) {
        struct s2s_sender *s = list_entry(n, struct s2s_sender, turn);
        struct s2s_item *it = list_entry(s->waiting.next, struct s2s_item, of_sender);
        bool is_alone = n->next == &b->turn;
        if (is_alone || it->bytes <= s->deficit)
            return it;
        s->deficit += S2S_SENDER_QUANTUM;
        list_del(n);
        list_push(&b->turn, n);
    }
    return NULL;
}

/* ---- what is in the store only ---- */

void s2s_sender_to_tail(struct s2s_sender *s, size_t bytes)
{
    s->tail_n++;
    s->tail_bytes += bytes;
}

void s2s_sender_from_tail(struct s2s_outbox *b, struct str bare, size_t bytes)
{
    struct s2s_sender *s = hmap_get(&b->senders, bare);
    if (!s || !s->tail_n)
        return;
    s->tail_n--;
    s->tail_bytes -= bytes < s->tail_bytes ? bytes : s->tail_bytes;
    s2s_sender_check(s);
}

void s2s_sender_no_tail(struct s2s_outbox *b)
{
    size_t it = 0;
    for (struct s2s_sender *s; (s = hmap_next(&b->senders, &it, NULL));) {
        s->tail_n = s->tail_bytes = 0;
        s2s_sender_check(s);
    }
}
