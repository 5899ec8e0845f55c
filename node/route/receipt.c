/* DOC: the stream is told once: when custody comes, or when it took long and is stored. Standards:
 * XEP-0198 section 4. */
#include "node/route/receipt.h"

#include "node/route/spool.h"

struct receipt {
    struct custody credit, full;
    struct node_shard *shard; /* of the stream */
    struct s2s_receipt r;
    bool is_told;
    struct spooled spooled; /* if acknowledgements are waited for */
    struct spool_item item;
};

static void tell(struct receipt *k)
{
    if (!k->is_told && k->shard->s2s)
        s2s_received(k->shard->s2s, k->r);
    k->is_told = true;
}

static void stored(struct spooled *sp)
{
    tell(container_of(sp, struct receipt, spooled));
}

static void full_back(struct node_shard *sh UNUSED, void *ctx)
{
    struct receipt *k = ctx;
    tell(k);
    spool_end(&k->spooled);
    mem_free(k);
}

static void full_drop(void *ctx)
{
    struct receipt *k = ctx;
    spool_forget(&k->spooled);
    mem_free(k);
}

static void full_release(struct custody *c)
{
    struct receipt *k = container_of(c, struct receipt, full);
    node_post(k->shard, full_back, full_drop, k);
}

static void credit_drop(void *ctx)
{
    struct custody *full = &((struct receipt *)ctx)->full;
    custody_unref(&full); /* the credit's */
}

static void credit_back(struct node_shard *sh, void *ctx)
{
    struct receipt *k = ctx;
    if (sh->s2s)
        s2s_queued(sh->s2s, k->r);
    credit_drop(k);
}

static void credit_release(struct custody *c)
{
    struct receipt *k = container_of(c, struct receipt, credit);
    node_post(k->shard, credit_back, credit_drop, k);
}

struct custody *receipt_new(struct node_shard *sh, struct s2s_receipt r, struct stanza *s,
                            const char *trace)
{
    if (!r.stream)
        return NULL;
    struct receipt *k = mem_alloc(sizeof *k);
    k->shard = sh;
    k->r = r;
    refs_init(&k->credit.refs);
    refs_init(&k->full.refs);
    k->full.release = full_release;
    if (r.number) {
        spool_watch(&k->spooled, sh, SPOOL_SERVER, &k->item, stored);
        spool_add(&k->spooled, s, ROUTE_S2S, trace);
    }
    if (!r.stanzas)
        return &k->full;
    k->credit.release = credit_release;
    k->credit.is_credit = true;
    k->credit.beyond = r.number ? &k->full : NULL;
    return &k->credit;
}
