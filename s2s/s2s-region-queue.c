/* DOC: the queue to one peer: waiting in lanes, then sent and unacknowledged. A sequence number is
 * given at the first sending; over a new numbering what has one goes first, in its order, because
 * the receiver takes every number at or below the highest for a copy. What cannot be sent goes back
 * to its owner from a deferred call. */
#include "s2s/s2s-region-int.h"

void region_queue_init(struct region_queue *q)
{
    memset(q, 0, sizeof *q);
    for (int i = 0; i < LANES; i++)
        list_init(&q->lane[i]);
    list_init(&q->again);
    list_init(&q->sent);
    hmap_init(&q->by_seq);
}

static struct str seq_key(const uint64_t *seq)
{
    return str_make((const char *)seq, sizeof *seq);
}

bool region_queue_empty(const struct region_queue *q)
{
    return !q->n_waiting && !q->n_sent;
}

static unsigned lane_of(const struct region_entry *e)
{
    switch (e->route.purpose) {
    case REGION_USER:
        return LANE_USER;
    case REGION_SESSION:
    case REGION_UP_OK:
    case REGION_GONE:
    case REGION_ENDED:
    case REGION_ANSWER:
        return LANE_SESSION;
    case REGION_DOWN: /* the anchor's (it names no sender) is the end of what a session is sent */
        return jid_is_set(&e->s->from) ? LANE_FROM : LANE_SESSION;
    case REGION_FROM:
    case REGION_UP:
    case REGION_ASK:
        break;
    }
    return LANE_FROM;
}

void region_queue_push(struct region_queue *q, struct region_entry *e)
{
    list_push(&q->lane[lane_of(e)], &e->link);
    q->n_waiting++;
    q->bytes += e->bytes;
}

static struct list *take(struct region_queue *q)
{
    if (!list_empty(&q->again))
        return list_shift(&q->again);
    for (unsigned i = 0; i < LANES; i++) {
        unsigned lane = (q->turn + i) % LANES;
        if (list_empty(&q->lane[lane]) || q->sent_bytes[lane] >= REGION_WINDOW)
            continue;
        q->turn = (lane + 1) % LANES;
        return list_shift(&q->lane[lane]);
    }
    return NULL;
}

struct region_entry *region_queue_next(struct region_queue *q, uint64_t *seq)
{
    struct list *n = take(q);
    if (!n)
        return NULL;
    struct region_entry *e = list_entry(n, struct region_entry, link);
    if (!e->route.seq)
        e->route.seq = ++*seq;
    list_push(&q->sent, n);
    q->n_waiting--;
    q->n_sent++;
    q->sent_bytes[lane_of(e)] += e->bytes;
    hmap_put(&q->by_seq, seq_key(&e->route.seq), e);
    return e;
}

void region_queue_del(struct region_queue *q, struct region_entry *e, bool was_sent)
{
    list_del(&e->link);
    if (!e->is_done)
        q->bytes -= e->bytes;
    if (!was_sent) {
        q->n_waiting--;
        return;
    }
    q->n_sent--;
    if (!e->is_done)
        q->sent_bytes[lane_of(e)] -= e->bytes;
    (void)hmap_del(&q->by_seq, seq_key(&e->route.seq));
}

struct region_entry *region_queue_got(struct region_queue *q, uint64_t seq)
{
    struct region_entry *e = hmap_get(&q->by_seq, seq_key(&seq));
    if (!e || e->is_done)
        return NULL;
    e->is_done = true;
    q->bytes -= e->bytes;
    q->sent_bytes[lane_of(e)] -= e->bytes;
    return e;
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

void region_queue_rewind(struct s2s_region *r, struct region_queue *q)
{
    struct list all;
    list_init(&all);
    for (struct list *n = list_first(&q->sent); n; n = list_first(&q->sent)) {
        struct region_entry *e = list_entry(n, struct region_entry, link);
        region_queue_del(q, e, true);
        if (e->is_done) {
            region_entry_free(r, e);
            continue;
        }
        list_push(&all, &e->link);
        q->n_waiting++;
        q->bytes += e->bytes;
    }
    list_splice(&all, &q->again);
    list_splice(&q->again, &all);
}

static struct region_entry *older(struct region_entry *a, struct list *list)
{
    list_each (list, n) {
        struct region_entry *e = list_entry(n, struct region_entry, link);
        if (!e->is_done)
            return a && a->since_us <= e->since_us ? a : e;
    }
    return a;
}

struct region_entry *region_queue_oldest(struct region_queue *q)
{
    struct region_entry *e = older(older(NULL, &q->sent), &q->again);
    for (int i = 0; i < LANES; i++)
        e = older(e, &q->lane[i]);
    return e;
}

void region_queue_each_waiting(struct region_queue *q,
                               void (*fn)(void *ctx, struct region_entry *e), void *ctx)
{
    for (int i = -1; i < LANES; i++) {
        list_each (i < 0 ? &q->again : &q->lane[i], n) {
            fn(ctx, list_entry(n, struct region_entry, link));
        }
    }
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
