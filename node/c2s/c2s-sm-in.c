/* DOC: what came from a client with stream management, until it is in custody. It is counted in
 * batches (of a turn, at most so many stanzas), each with two custodies in one object: the credit,
 * which bounds what the client makes us hold, and the true one beyond it, whose release lets h
 * count the batch, unless it took so long that the batch was stored before. Standards: XEP-0198
 * section 4. */
#include "node/c2s/c2s-int.h"
#include "node/route/spool.h"

struct batch {
    struct list link; /* conn_sm.batches; in none once complete, or when the connection is gone */
    struct custody credit, full;
    struct node_shard *sh;
    handle conn;
    uint64_t first; /* token; the others follow */
    uint32_t n;
    size_t bytes;
    struct spooled spooled;
    struct spool_item items[C2S_CREDIT_STANZAS];
};

static struct batch *batch_first(struct conn_sm *sm)
{
    struct list *n = list_first(&sm->batches);
    return n ? list_entry(n, struct batch, link) : NULL;
}

static void batch_complete(struct conn *c, struct batch *b)
{
    if (!list_linked(&b->link))
        return;
    list_del(&b->link);
    for (uint32_t i = 0; i < b->n; i++)
        sm_complete(c->sm->s, b->first + i);
    if ((c->stops & STOP_SM) && !sm_receive_full(c->sm->s))
        conn_stop(c, STOP_SM, false);
}

static void batch_stored(struct spooled *sp)
{
    struct batch *b = container_of(sp, struct batch, spooled);
    struct conn *c = handle_get(b->sh->handles, b->conn);
    if (c)
        batch_complete(c, b);
}

static void batch_drop(void *ctx)
{
    struct batch *b = ctx;
    spool_forget(&b->spooled);
    list_del(&b->link);
    mem_free(b);
}

static void full_back(struct node_shard *sh, void *ctx)
{
    struct batch *b = ctx;
    struct conn *c = handle_get(sh->handles, b->conn);
    if (c)
        batch_complete(c, b);
    spool_end(&b->spooled);
    batch_drop(b);
}

static void full_release(struct custody *cu)
{
    struct batch *b = container_of(cu, struct batch, full);
    node_post(b->sh, full_back, batch_drop, b);
}

static void credit_drop(void *ctx)
{
    struct batch *b = ctx;
    struct custody *full = &b->full;
    custody_unref(&full);
}

static void credit_back(struct node_shard *sh, void *ctx)
{
    struct batch *b = ctx;
    struct conn *c = handle_get(sh->handles, b->conn);
    if (c)
        conn_in_back(c, b->n, b->bytes);
    credit_drop(b);
}

static void credit_release(struct custody *cu)
{
    struct batch *b = container_of(cu, struct batch, credit);
    node_post(b->sh, credit_back, credit_drop, b);
}

static void batch_close(struct conn_sm *sm)
{
    struct custody *own = sm->open ? &sm->open->credit : NULL;
    sm->open = NULL;
    custody_unref(&own);
}

static struct batch *batch_new(struct conn *c, uint64_t token)
{
    struct batch *b = mem_alloc(sizeof *b);
    b->sh = c->sh;
    b->conn = c->h;
    b->first = token;
    refs_init(&b->credit.refs);
    refs_init(&b->full.refs); /* the credit's */
    b->credit.release = credit_release;
    b->credit.is_credit = true;
    b->credit.beyond = &b->full;
    b->full.release = full_release;
    list_push(&c->sm->batches, &b->link);
    spool_watch(&b->spooled, c->sh, SPOOL_CLIENT, b->items, batch_stored);
    loop_defer(c->sh->loop, &c->later);
    return b;
}

void conn_sm_arrived(struct conn *c, size_t bytes)
{
    struct conn_sm *sm = c->sm;
    uint64_t token;
    if (!expect(sm_receive(sm->s, &token))) /* a resumed client repeats nothing: see take_up */
        return;
    if (sm->open && (sm->open->n >= C2S_CREDIT_STANZAS || sm->open->bytes >= C2S_CREDIT_BYTES))
        batch_close(sm);
    if (!sm->open)
        sm->open = batch_new(c, token);
    sm->open->n++;
    sm->open->bytes += bytes;
    conn_in_count(c, 1, bytes);
    if (sm_receive_full(sm->s))
        conn_stop(c, STOP_SM, true);
}

struct custody *conn_sm_custody(struct conn *c, struct stanza *s, const char *trace)
{
    struct batch *b = c->sm->open;
    if (!b)
        return NULL;
    spool_add(&b->spooled, s, ROUTE_CLIENT, trace);
    return custody_ref(&b->credit);
}

void conn_sm_turn(struct conn *c)
{
    if (c->sm)
        batch_close(c->sm);
}

void conn_sm_store(struct conn *c)
{
    batch_close(c->sm);
    list_each (&c->sm->batches, n) {
        spool_now(&list_entry(n, struct batch, link)->spooled);
    }
}

/* Custody or not, all that came is here, and a client told less may not repeat it: there are some
 * that forget what they sent when they resume. */
void conn_sm_count_all(struct conn *c)
{
    struct batch *b;
    conn_sm_store(c);
    while ((b = batch_first(c->sm)))
        batch_complete(c, b);
}

void conn_sm_drop_batches(struct conn *c)
{
    struct batch *b;
    while ((b = batch_first(c->sm)))
        list_del(&b->link);
    batch_close(c->sm);
}
