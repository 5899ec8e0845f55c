/* DOC: the outbox of a domain pair.
 * Design: a written stanza stays in `sent` until the bytes up to its end left user space (the
 * stream's queue shrank below them); the queue of TLS counts sealed bytes, so a stanza may be
 * thought to be here a little longer than it is: after a broken stream it may go out twice, never
 * not at all. A stream that is closing swallows what it is given; that shows as a queue that did
 * not grow, and the stanza stays in `waiting`. */
#include "s2s/s2s-outbox.h"

#include "lib/base/mem.h"

void s2s_outbox_init(struct s2s_outbox *b, size_t max_n, size_t max_bytes)
{
    memset(b, 0, sizeof *b);
    list_init(&b->waiting);
    list_init(&b->sent);
    b->max_n = max_n;
    b->max_bytes = max_bytes;
}

struct stanza *s2s_item_take(struct list *node)
{
    struct s2s_item *it = list_entry(node, struct s2s_item, link);
    struct stanza *st = it->st;
    list_del(node);
    mem_free(it);
    return st;
}

static void drop_all(struct list *items)
{
    for (struct list *n = list_first(items); n; n = list_first(items)) {
        struct stanza *st = s2s_item_take(n);
        stanza_unref(&st);
    }
}

void s2s_outbox_fini(struct s2s_outbox *b)
{
    drop_all(&b->sent);
    drop_all(&b->waiting);
}

bool s2s_outbox_put(struct s2s_outbox *b, struct stanza *st)
{
    size_t bytes = st->bytes + sizeof(struct s2s_item);
    if (b->n >= b->max_n || b->bytes > b->max_bytes || bytes > b->max_bytes - b->bytes)
        return false;
    struct s2s_item *it = mem_alloc(sizeof *it);
    it->st = st;
    it->bytes = bytes;
    list_push(&b->waiting, &it->link);
    b->n++;
    b->bytes += bytes;
    return true;
}

size_t s2s_outbox_flush(struct s2s_outbox *b, struct stream_out *to)
{
    size_t n = 0;
    bool more = true;
    for (struct list *l = list_first(&b->waiting); l && more; l = list_first(&b->waiting)) {
        struct s2s_item *it = list_entry(l, struct s2s_item, link);
        size_t before = stream_out_queued(to);
        more = stream_out_send_stanza(to, it->st);
        size_t after = stream_out_queued(to);
        if (after <= before)
            break;
        b->written += after - before;
        it->end = b->written;
        list_del(l);
        list_push(&b->sent, l);
        n++;
    }
    return n;
}

bool s2s_outbox_left(struct s2s_outbox *b, size_t queued)
{
    bool any = false;
    for (struct list *l = list_first(&b->sent); l; l = list_first(&b->sent)) {
        struct s2s_item *it = list_entry(l, struct s2s_item, link);
        if (queued > 0 && it->end + queued > b->written)
            break;
        b->n--;
        b->bytes -= it->bytes;
        struct stanza *st = s2s_item_take(l);
        stanza_unref(&st);
        any = true;
    }
    return any;
}

static void count_try(struct list *items)
{
    list_each (items, n)
        list_entry(n, struct s2s_item, link)->tries++;
}

void s2s_outbox_rewind(struct s2s_outbox *b, bool had_chance, struct list *given_up)
{
    struct list all;
    list_init(&all);
    count_try(&b->sent);
    if (had_chance)
        count_try(&b->waiting);
    list_splice(&all, &b->sent);
    list_splice(&all, &b->waiting);
    for (struct list *l = list_shift(&all); l; l = list_shift(&all)) {
        struct s2s_item *it = list_entry(l, struct s2s_item, link);
        bool is_over = it->tries >= S2S_TRIES_MAX;
        if (is_over) {
            b->n--;
            b->bytes -= it->bytes;
        }
        list_push(is_over ? given_up : &b->waiting, l);
    }
    b->written = 0;
}

void s2s_outbox_take(struct s2s_outbox *b, struct list *all)
{
    list_splice(all, &b->sent);
    list_splice(all, &b->waiting);
    b->n = b->bytes = 0;
}
