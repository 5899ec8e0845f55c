/* DOC: the queue to one peer: waiting, then sent and unacknowledged, one order over both. What
 * cannot be sent goes back to its owner from a deferred call. */
#include "s2s/s2s-region-int.h"

void region_queue_init(struct region_queue *q)
{
    memset(q, 0, sizeof *q);
    list_init(&q->waiting);
    list_init(&q->sent);
}

bool region_queue_empty(const struct region_queue *q)
{
    return !q->n_waiting && !q->n_sent;
}

void region_queue_push(struct region_queue *q, struct region_entry *e)
{
    list_push(&q->waiting, &e->link);
    q->n_waiting++;
    q->bytes += e->bytes;
}

struct region_entry *region_queue_next(struct region_queue *q)
{
    struct list *n = list_shift(&q->waiting);
    if (!n)
        return NULL;
    list_push(&q->sent, n);
    q->n_waiting--;
    q->n_sent++;
    return list_entry(n, struct region_entry, link);
}

void region_queue_del(struct region_queue *q, struct region_entry *e, bool was_sent)
{
    list_del(&e->link);
    q->bytes -= e->bytes;
    if (was_sent)
        q->n_sent--;
    else
        q->n_waiting--;
}

struct region_entry *region_queue_acked(struct region_queue *q)
{
    struct list *n = list_first(&q->sent);
    if (!n)
        return NULL;
    struct region_entry *e = list_entry(n, struct region_entry, link);
    region_queue_del(q, e, true);
    return e;
}

void region_queue_rewind(struct region_queue *q)
{
    struct list all;
    list_init(&all);
    list_splice(&all, &q->sent);
    list_splice(&all, &q->waiting);
    list_splice(&q->waiting, &all);
    q->n_waiting += q->n_sent;
    q->n_sent = 0;
}

struct region_entry *region_queue_oldest(struct region_queue *q)
{
    struct list *n = list_first(&q->sent);
    if (!n)
        n = list_first(&q->waiting);
    return n ? list_entry(n, struct region_entry, link) : NULL;
}

void region_return(struct s2s_region *r, const char *peer_id, struct region_entry *e,
                   const char *why)
{
    e->peer_id = mem_strdup(peer_id);
    e->why = why;
    list_push(&r->back, &e->link);
    loop_defer(r->loop, &r->give_back);
}

void region_entry_free(struct s2s_region *r, struct region_entry *e)
{
    if (e->token)
        r->ops->drop_token(r->ctx, e->token);
    stanza_unref(&e->s);
    mem_free(e->peer_id);
    mem_free(e);
}
