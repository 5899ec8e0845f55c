/* DOC Questions: who has sessions of a bare JID.
 *
 * One read per bare JID is out at a time; who asks meanwhile joins it, except that a fresh question
 * is never answered by a read sent before it. Answers and invalidations travel on two connections:
 * a "moved" during a read makes the read count for nothing, and it is repeated. A row of a member
 * (or incarnation) the view does not have brings the next beat forward and is judged after it; a
 * row that is dead then is swept.
 *
 * While a believed member's rows may be missing from the registry (lease.certain is false) its
 * remembered rows count as well, and an answer with nobody in it is ERR_UNAVAILABLE: silence is no
 * proof. Our own rows never come from outside. */
#include "global-registry/registry-int.h"

#define REPEATS_MAX 3 /* because of "moved" */
#define LOOKS_MAX 3   /* beats asked for */

struct reg_query {
    struct registry *r;
    struct list waiters;
    unsigned round;   /* reads sent */
    unsigned repeats; /* because of "moved" */
    bool reading;
    bool moved;               /* the read that is out counts for nothing */
    unsigned looks;           /* beats asked for */
    struct reg_row *suspects; /* rows read before the last of them, which the view did not know */
    size_t n_suspects;
    uint64_t beat_due; /* waits until lease.rounds reaches it; 0 = does not wait */
    size_t bare_n;
    char bare[];
};
struct reg_waiter {
    struct op op;
    struct list all;  /* in locates.waiters */
    struct list link; /* in its query's or an answering list */
    struct registry *r;
    unsigned need; /* answered by this round of the query or a later one */
    reg_locate_cb *cb;
    void *ctx;
    size_t bare_n;
    char bare[];
};
struct row_vec {
    VEC(struct reg_row) v;
};

static void answer_soon(void *ctx);

void reg_locate_init(struct registry *r)
{
    struct reg_locates *l = &r->locates;
    hmap_init(&l->queries);
    list_init(&l->waiters);
    list_init(&l->soon);
    list_init(&l->now);
    defer_init(&l->answer, answer_soon, r);
}

static void query_free(struct registry *r, struct reg_query *q)
{
    hmap_del(&r->locates.queries, str_make(q->bare, q->bare_n));
    mem_free(q->suspects);
    mem_free(q);
}

void reg_locate_fini(struct registry *r)
{
    struct reg_query *q;
    size_t it = 0;
    defer_cancel(&r->locates.answer);
    while ((q = hmap_next(&r->locates.queries, &it, NULL))) {
        query_free(r, q);
    }
    hmap_fini(&r->locates.queries);
}

static void waiter_unlink(struct reg_waiter *w)
{
    list_del(&w->all);
    list_del(&w->link);
}

static void waiter_cancel(struct op *op)
{
    struct reg_waiter *w = container_of(op, struct reg_waiter, op);
    waiter_unlink(w);
    mem_free(w);
}

void reg_locate_cancel(struct registry *r)
{
    struct list *n;
    while ((n = list_first(&r->locates.waiters))) {
        struct reg_waiter *w = list_entry(n, struct reg_waiter, all);
        op_end(&w->op);
        waiter_unlink(w);
        mem_free(w);
    }
    defer_cancel(&r->locates.answer);
}

static int location_cmp(const void *a, const void *b)
{
    const struct reg_member *x = ((const struct reg_location *)a)->member;
    const struct reg_member *y = ((const struct reg_location *)b)->member;
    int c = strcmp(x->region, y->region);
    return c ? c : strcmp(x->node, y->node);
}

static bool is_self(const struct registry *r, const struct reg_row *row)
{
    return !strcmp(row->region, r->conf.self.region) && !strcmp(row->node, r->conf.self.node);
}

static struct reg_peer *peer_of(const struct registry *r, const struct reg_row *row)
{
    return reg_lease_peer(r, str_of(row->region), str_of(row->node));
}

/* Call the waiter back with the rows that count, our own included; frees it. */
static void answer(struct reg_waiter *w, const struct reg_row *rows, size_t n, bool certain)
{
    struct registry *r = w->r;
    const struct reg_own *own = reg_rows_get(r, str_make(w->bare, w->bare_n));
    struct reg_location *l = mem_calloc(n + 1, sizeof *l);
    reg_locate_cb *cb = w->cb;
    void *ctx = w->ctx;
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const struct reg_peer *p = peer_of(r, &rows[i]);
        if (!p || !p->live || p->m.incarnation != rows[i].incarnation)
            continue;
        l[found].member = &p->m;
        memcpy(l[found++].home, rows[i].home, REG_NAME_MAX);
    }
    if (own && own->wanted) {
        l[found].member = &r->conf.self;
        memcpy(l[found++].home, own->home, REG_NAME_MAX);
    }
    qsort(l, found, sizeof *l, location_cmp);
    op_end(&w->op);
    waiter_unlink(w);
    mem_free(w);
    cb(ctx, found || certain ? ERR_OK : ERR_UNAVAILABLE, found ? l : NULL, found);
    mem_free(l);
}

static void on_read(void *ctx, enum err e, const struct reg_row *rows, size_t n);

static void query_read(struct reg_query *q)
{
    struct registry *r = q->r;
    q->reading = true;
    q->moved = false;
    q->beat_due = 0;
    q->round++;
    r->driver->ops->read(r->driver, str_make(q->bare, q->bare_n), on_read, q);
}

static void query_join(struct reg_waiter *w, bool fresh)
{
    struct registry *r = w->r;
    struct reg_query *q = hmap_get(&r->locates.queries, str_make(w->bare, w->bare_n));
    if (!q) {
        q = mem_alloc(sizeof *q + w->bare_n + 1);
        q->r = r;
        q->bare_n = w->bare_n;
        memcpy(q->bare, w->bare, w->bare_n);
        list_init(&q->waiters);
        hmap_put(&r->locates.queries, str_make(q->bare, q->bare_n), q);
        query_read(q);
    } else if (fresh) {
        w->need = q->round + 1;
    }
    list_push(&q->waiters, &w->link);
}

/* Answer those whom this round satisfies; go on for the rest or end. q may be gone afterwards. */
static void query_deliver(struct reg_query *q, const struct reg_row *rows, size_t n, bool certain)
{
    struct registry *r = q->r;
    struct list ready, *node;
    bool connected = r->state == REG_CONNECTED;
    list_init(&ready);
    list_each (&q->waiters, at) {
        struct reg_waiter *w = list_entry(at, struct reg_waiter, link);
        if (w->need <= q->round || !connected) {
            list_del(at);
            list_push(&ready, at);
        }
    }
    if (list_empty(&q->waiters)) {
        query_free(r, q);
    } else {
        q->looks = 0;
        q->repeats = 0;
        query_read(q);
    }
    while ((node = list_first(&ready)))
        answer(list_entry(node, struct reg_waiter, link), rows, n, certain);
}

static void query_from_memory(struct reg_query *q)
{
    struct row_vec keep = {0};
    const struct reg_entry *e = reg_cache_get(&q->r->cache, str_make(q->bare, q->bare_n));
    for (size_t i = 0; e && i < e->n; i++)
        vec_push(&keep.v, e->rows[i]);
    query_deliver(q, keep.v.p, keep.v.n, false);
    vec_fini(&keep.v);
}

/* Its member is not in the view, and no younger incarnation of it was: it may have started, or come
 * back, since the last beat. */
static bool is_stranger(const struct registry *r, const struct reg_row *row)
{
    const struct reg_peer *p = peer_of(r, row);
    if (is_self(r, row))
        return false;
    return !p || row->incarnation > p->m.incarnation ||
           (!p->live && row->incarnation == p->m.incarnation);
}

static bool is_suspect(const struct reg_query *q, const struct reg_row *row)
{
    for (size_t i = 0; i < q->n_suspects; i++) {
        const struct reg_row *s = &q->suspects[i];
        if (s->incarnation == row->incarnation && s->seq == row->seq &&
            !strcmp(s->region, row->region) && !strcmp(s->node, row->node))
            return true;
    }
    return false;
}

/* A stranger that was not there before the last beat: the view is no verdict on it. */
static bool has_news(const struct reg_query *q, const struct reg_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_stranger(q->r, &rows[i]) && !is_suspect(q, &rows[i]))
            return true;
    return false;
}

/* A beat that is out already may have read the members' names before this row was written. */
static void query_look(struct reg_query *q, const struct reg_row *rows, size_t n)
{
    struct registry *r = q->r;
    mem_free(q->suspects);
    q->suspects = n ? mem_dup(rows, n * sizeof *rows) : NULL;
    q->n_suspects = n;
    q->looks++;
    q->beat_due = r->lease.rounds + (r->lease.in_flight ? 2 : 1);
    reg_lease_kick(r, 0);
}

/* Our own row out there: dead when of an older incarnation, or when we hold nothing of the kind. */
static bool own_dead(const struct registry *r, struct str bare, const struct reg_row *row)
{
    if (row->incarnation != r->conf.self.incarnation)
        return row->incarnation < r->conf.self.incarnation;
    return !reg_rows_get(r, bare);
}

enum verdict {
    ROW_COUNTS,
    ROW_DEAD,
    ROW_UNKNOWN, /* neither counted nor swept */
};

/* A stranger is dead when it was read before the last beat and the view still does not know it: a
 * member takes its lease before it writes a row. */
static enum verdict judge(const struct reg_query *q, const struct reg_row *row)
{
    struct registry *r = q->r;
    if (is_self(r, row))
        return own_dead(r, str_make(q->bare, q->bare_n), row) ? ROW_DEAD : ROW_UNKNOWN;
    if (!is_stranger(r, row))
        return row->incarnation < peer_of(r, row)->m.incarnation ? ROW_DEAD : ROW_COUNTS;
    return is_suspect(q, row) ? ROW_DEAD : ROW_UNKNOWN;
}

/* Keep the rows that count, sweep those that are dead. False: the answer is not to be cached. A row
 * of an unknown member may begin to count unannounced, and so does one whose sweep comes too late
 * because its member is back and asserted it again. */
static bool keep_living(struct reg_query *q, const struct reg_row *rows, size_t n,
                        struct row_vec *out)
{
    struct registry *r = q->r;
    bool cacheable = true;
    for (size_t i = 0; i < n; i++) {
        enum verdict v = judge(q, &rows[i]);
        if (v == ROW_DEAD)
            r->driver->ops->clean(r->driver, str_make(q->bare, q->bare_n), &rows[i]);
        if (v == ROW_COUNTS)
            vec_push(&out->v, rows[i]);
        else if (!is_self(r, &rows[i]))
            cacheable = false;
    }
    return cacheable;
}

static bool has_row(const struct row_vec *v, const struct reg_row *like)
{
    for (size_t i = 0; i < v->v.n; i++)
        if (!strcmp(v->v.p[i].region, like->region) && !strcmp(v->v.p[i].node, like->node))
            return true;
    return false;
}

/* The registry may lack rows of members that did not finish asserting: what we remember of them
 * counts. */
static void add_remembered(struct reg_query *q, struct row_vec *out)
{
    struct registry *r = q->r;
    const struct reg_entry *e = reg_cache_get(&r->cache, str_make(q->bare, q->bare_n));
    for (size_t i = 0; e && i < e->n; i++) {
        const struct reg_peer *p = peer_of(r, &e->rows[i]);
        if (p && p->live && !p->complete && !has_row(out, &e->rows[i]))
            vec_push(&out->v, e->rows[i]);
    }
}

static void query_accept(struct reg_query *q, const struct reg_row *rows, size_t n)
{
    struct registry *r = q->r;
    struct str bare = str_make(q->bare, q->bare_n);
    bool certain = r->lease.certain;
    struct row_vec out = {0};
    bool cacheable = keep_living(q, rows, n, &out) && certain && !q->moved;
    if (!certain)
        add_remembered(q, &out);
    if (cacheable)
        reg_cache_put(&r->cache, bare, out.v.p, out.v.n, loop_now_us(r->loop));
    for (size_t i = 0; !cacheable && i < out.v.n; i++)
        reg_cache_learn(&r->cache, bare, &out.v.p[i]);
    query_deliver(q, out.v.p, out.v.n, certain);
    vec_fini(&out.v);
}

static void on_read(void *ctx, enum err e, const struct reg_row *rows, size_t n)
{
    struct reg_query *q = ctx;
    struct registry *r = q->r;
    q->reading = false;
    if (r->state == REG_CLOSING)
        return;
    bool usable = r->state == REG_CONNECTED && (e == ERR_OK || e == ERR_AGAIN);
    if (!usable) {
        query_from_memory(q);
    } else if (e == ERR_OK && q->moved && q->repeats++ < REPEATS_MAX) {
        query_read(q);
    } else if (q->looks < LOOKS_MAX && (e == ERR_AGAIN || has_news(q, rows, n))) {
        query_look(q, rows, n);
    } else if (e == ERR_AGAIN) {
        query_from_memory(q);
    } else {
        query_accept(q, rows, n);
    }
}

void reg_locate_resume(struct registry *r)
{
    VEC(struct reg_query *) due = {0};
    struct reg_query *q;
    size_t it = 0;
    while ((q = hmap_next(&r->locates.queries, &it, NULL)))
        if (q->beat_due && (r->state != REG_CONNECTED || r->lease.rounds >= q->beat_due))
            vec_push(&due, q);
    for (size_t i = 0; i < due.n && r->state != REG_CLOSING; i++) {
        due.p[i]->beat_due = 0;
        if (r->state == REG_CONNECTED)
            query_read(due.p[i]);
        else
            query_from_memory(due.p[i]);
    }
    vec_fini(&due);
}

void reg_locate_moved(struct registry *r, struct str bare)
{
    struct reg_query *q = hmap_get(&r->locates.queries, bare);
    if (q && q->reading)
        q->moved = true;
    reg_cache_moved(&r->cache, bare);
}

static void answer_one_soon(struct registry *r, struct reg_waiter *w)
{
    const struct reg_entry *e = reg_cache_get(&r->cache, str_make(w->bare, w->bare_n));
    bool current = reg_cache_current(&r->cache, e, loop_now_us(r->loop));
    struct row_vec keep = {0};
    if (r->state == REG_CONNECTED && !current) { /* it was, when asked */
        list_del(&w->link);
        query_join(w, false);
        return;
    }
    for (size_t i = 0; e && i < e->n; i++)
        vec_push(&keep.v, e->rows[i]);
    answer(w, keep.v.p, keep.v.n, r->state == REG_CONNECTED && current);
    vec_fini(&keep.v);
}

static void answer_soon(void *ctx)
{
    struct registry *r = ctx;
    struct list *n;
    list_splice(&r->locates.now, &r->locates.soon);
    while ((n = list_first(&r->locates.now)))
        answer_one_soon(r, list_entry(n, struct reg_waiter, link));
}

struct op *registry_locate(struct registry *r, struct op_owner *o, struct str bare, bool fresh,
                           reg_locate_cb *cb, void *ctx)
{
    struct reg_waiter *w = mem_alloc(sizeof *w + bare.n + 1);
    w->r = r;
    w->cb = cb;
    w->ctx = ctx;
    w->bare_n = bare.n;
    memcpy(w->bare, bare.p, bare.n);
    op_start(&w->op, o, waiter_cancel);
    list_push(&r->locates.waiters, &w->all);
    const struct reg_entry *e = reg_cache_get(&r->cache, bare);
    bool known = !fresh && reg_cache_current(&r->cache, e, loop_now_us(r->loop));
    if (r->state == REG_CONNECTED && !known) {
        query_join(w, fresh);
    } else {
        list_push(&r->locates.soon, &w->link);
        loop_defer(r->loop, &r->locates.answer);
    }
    return &w->op;
}
