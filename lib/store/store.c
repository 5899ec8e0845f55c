/* store: opens a driver by URI and carries requests from ports to its workers and back. A port
 * counts its unanswered writes: while there are some, its reads go to the writer, behind them;
 * otherwise to a reader, whose snapshot is taken after the read was asked and therefore holds
 * everything confirmed before. Answers are mail to the port's loop, also those that are known at
 * once. A cancelled request runs to its end and is freed when it comes home. */
#include "lib/store/store-int.h"

struct store {
    const struct store_driver *driver;
    struct store_worker *writer;
    struct store_worker *readers[STORE_READERS_MAX];
    unsigned n_readers;
    unsigned fail_in; /* tests only, see store_fail_nth */
};

struct store_port {
    struct store *store;
    struct loop *loop;
    struct list reqs;
    size_t n_reqs, bytes;
    size_t unconfirmed; /* writes without an answer */
    struct store_stats stats;
};

/* ---- store */

static const struct store_driver *const drivers[] = {&store_mem_driver, &store_sqlite_driver};

static const struct store_driver *driver_of(struct str scheme)
{
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
        if (str_eqc(scheme, drivers[i]->scheme))
            return drivers[i];
    return NULL;
}

static enum err open_worker(const struct store_driver *d, const char *path, unsigned index,
                            struct store_worker **out, char *why, size_t why_size)
{
    void *conn = NULL;
    enum err e = d->open(path, index == 0, &conn, why, why_size);
    if (!e)
        *out = store_worker_new(d, conn, index);
    return e;
}

enum err store_open(const char *uri, struct store **out, char *why, size_t why_size)
{
    struct str rest = str_of(uri);
    const struct store_driver *d = driver_of(str_cut(&rest, ':'));
    if (!d || !rest.p) {
        snprintf(why, why_size, "store \"%s\": neither mem: nor sqlite:/path", uri);
        return ERR_INVALID;
    }
    struct store *s = mem_alloc(sizeof *s);
    s->driver = d;
    enum err e = open_worker(d, rest.p, 0, &s->writer, why, why_size);
    for (; !e && s->n_readers < d->readers; s->n_readers++) {
        e = open_worker(d, rest.p, s->n_readers + 1, &s->readers[s->n_readers], why, why_size);
        if (e)
            break;
    }
    if (e) {
        store_close(&s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void store_close(struct store **ps)
{
    struct store *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    for (unsigned i = 0; i < s->n_readers; i++)
        store_worker_free(&s->readers[i]);
    store_worker_free(&s->writer);
    mem_free(s);
}

void store_fail_nth(struct store *s, unsigned n)
{
    s->fail_in = n;
}

/* ---- port */

struct store_port *store_port_open(struct store *s, struct loop *l)
{
    struct store_port *p = mem_alloc(sizeof *p);
    p->store = s;
    p->loop = l;
    list_init(&p->reqs);
    return p;
}

void store_port_stats(const struct store_port *p, struct store_stats *out)
{
    *out = p->stats;
    out->waiting = p->n_reqs;
}

/* An answer came home. */
static void count_answer(struct store_port *p, const struct store_req *r)
{
    bool is_write = r->verb >= VERB_COMMIT;
    uint64_t us = loop_now_us(p->loop) - r->asked_us;
    *(is_write ? &p->stats.writes : &p->stats.reads) += 1;
    metric_observe(is_write ? &p->stats.write_time : &p->stats.read_time, us);
    p->stats.failed += r->err != ERR_OK && r->err != ERR_NOTFOUND && r->err != ERR_CONFLICT &&
                       r->err != ERR_EXISTS;
}

static void req_leave_port(struct store_req *r)
{
    struct store_port *p = r->port;
    if (!p)
        return;
    list_del(&r->port_link);
    p->n_reqs--;
    p->bytes -= r->charged_bytes;
    if (r->verb >= VERB_COMMIT)
        p->unconfirmed--;
    r->port = NULL;
}

void store_port_close(struct store_port **pp)
{
    struct store_port *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    for (struct list *n; (n = list_first(&p->reqs));) {
        struct store_req *r = list_entry(n, struct store_req, port_link);
        req_leave_port(r);
        if (!r->cancelled)
            op_cancel(&r->op);
        if (store_thread_is_inline())
            r->home = NULL; /* this loop may go before the store does */
    }
    mem_free(p);
}

/* ---- request */

static void req_cancel(struct op *op)
{
    container_of(op, struct store_req, op)->cancelled = true;
}

void store_req_free(struct store_req *r)
{
    arena_free(&r->arena);
    mem_free(r);
}

void store_req_drop(struct mail *m)
{
    struct store_req *r = container_of(m, struct store_req, mail);
    req_leave_port(r);
    if (!r->cancelled)
        op_end(&r->op);
    store_req_free(r);
}

static void answer_lease(struct store_req *r)
{
    bool known = r->err == ERR_OK || r->err == ERR_CONFLICT;
    ((store_lease_cb *)r->cb)(r->ctx, r->err, known ? &r->answer.lease : NULL);
}

static void req_answer(struct store_req *r)
{
    const struct store_answer *a = &r->answer;
    size_t n = r->err ? 0 : a->n;
    switch (r->verb) {
    case VERB_KV_GET:
        ((store_kv_cb *)r->cb)(r->ctx, r->err, r->err ? NULL : &a->kv);
        break;
    case VERB_MAP_READ:
        ((store_map_cb *)r->cb)(r->ctx, r->err, a->entries, n, r->err ? 0 : a->version);
        break;
    case VERB_LOG_READ:
        ((store_log_cb *)r->cb)(r->ctx, r->err, a->records, n);
        break;
    case VERB_LOG_COUNT:
        ((store_count_cb *)r->cb)(r->ctx, r->err, r->err ? 0 : a->count, r->err ? 0 : a->bytes);
        break;
    case VERB_OWNERS:
        ((store_owners_cb *)r->cb)(r->ctx, r->err, a->owners, n);
        break;
    case VERB_LEASE_ACQUIRE:
        answer_lease(r);
        break;
    case VERB_COMMIT:
    case VERB_LEASE_RELEASE:
        ((store_done_cb *)r->cb)(r->ctx, r->err);
        break;
    }
}

void store_req_done(struct mail *m)
{
    struct store_req *r = container_of(m, struct store_req, mail);
    if (r->port)
        count_answer(r->port, r);
    req_leave_port(r);
    if (!r->cancelled) {
        op_end(&r->op);
        req_answer(r);
    }
    store_req_free(r);
}

static struct store_worker *worker_for(const struct store_port *p, const struct store_req *r)
{
    struct store *s = p->store;
    if (r->verb >= VERB_COMMIT || p->unconfirmed || !s->n_readers)
        return s->writer;
    return s->readers[loop_index(p->loop) % s->n_readers];
}

/* Send it on its way; what is wrong already (r->err) or too much goes straight home. */
static struct op *req_submit(struct store_port *p, struct op_owner *o, struct store_req *r)
{
    struct store *s = p->store;
    if (p->n_reqs >= STORE_PORT_REQS_MAX || p->bytes >= STORE_PORT_BYTES_MAX)
        r->err = ERR_LIMIT;
    if (s->fail_in && --s->fail_in == 0)
        r->inject = true;
    struct store_worker *w = worker_for(p, r);
    r->port = p;
    r->home = p->loop;
    r->asked_us = loop_now_us(p->loop);
    r->charged_bytes = arena_used(r->arena);
    list_push(&p->reqs, &r->port_link);
    p->n_reqs++;
    p->bytes += r->charged_bytes;
    if (r->verb >= VERB_COMMIT)
        p->unconfirmed++;
    op_start(&r->op, o, req_cancel);
    if (r->err)
        store_req_return(r);
    else
        store_worker_post(w, r);
    return &r->op;
}

static struct store_req *req_new(enum store_verb verb, void (*cb)(void), void *ctx)
{
    struct store_req *r = mem_alloc(sizeof *r);
    r->verb = verb;
    r->cb = cb;
    r->ctx = ctx;
    return r;
}

static struct store_req *read_new(enum store_verb verb, const char *table, struct str owner,
                                  struct str key, void (*cb)(void), void *ctx)
{
    must(store_table_valid(table));
    struct store_req *r = req_new(verb, cb, ctx);
    struct str name;
    r->arena = arena_new(STORE_REQ_BYTES_MAX);
    if (!store_copy(r->arena, str_of(table), STORE_TABLE_MAX, &name) ||
        !store_copy(r->arena, owner.p ? owner : STR(""), STORE_KEY_MAX, &r->ask.owner) ||
        !store_copy(r->arena, key.p ? key : STR(""), STORE_KEY_MAX, &r->ask.key))
        r->err = ERR_LIMIT;
    r->ask.table = name.p;
    return r;
}

static size_t clamp_limit(size_t limit)
{
    return limit < STORE_READ_MAX ? limit : STORE_READ_MAX;
}

/* ---- calls */

struct op *store_kv_get(struct store_port *p, struct op_owner *o, const char *table,
                        struct str owner, struct str key, store_kv_cb *cb, void *ctx)
{
    return req_submit(p, o, read_new(VERB_KV_GET, table, owner, key, (void (*)(void))cb, ctx));
}

struct op *store_map_read(struct store_port *p, struct op_owner *o, const char *table,
                          struct str owner, struct str from, size_t limit, store_map_cb *cb,
                          void *ctx)
{
    struct store_req *r = read_new(VERB_MAP_READ, table, owner, from, (void (*)(void))cb, ctx);
    r->ask.limit = clamp_limit(limit);
    return req_submit(p, o, r);
}

struct op *store_log_read(struct store_port *p, struct op_owner *o, const char *table,
                          struct str owner, const struct store_log_range *range, store_log_cb *cb,
                          void *ctx)
{
    struct store_req *r = read_new(VERB_LOG_READ, table, owner, STR_NONE, (void (*)(void))cb, ctx);
    r->ask.range = *range;
    r->ask.limit = clamp_limit(range->limit);
    return req_submit(p, o, r);
}

struct op *store_log_count(struct store_port *p, struct op_owner *o, const char *table,
                           struct str owner, store_count_cb *cb, void *ctx)
{
    return req_submit(p, o,
                      read_new(VERB_LOG_COUNT, table, owner, STR_NONE, (void (*)(void))cb, ctx));
}

struct op *store_owners(struct store_port *p, struct op_owner *o, const char *table,
                        struct str after, size_t limit, store_owners_cb *cb, void *ctx)
{
    struct store_req *r = read_new(VERB_OWNERS, table, STR_NONE, after, (void (*)(void))cb, ctx);
    r->ask.limit = clamp_limit(limit);
    return req_submit(p, o, r);
}

struct op *store_commit(struct store_txn **t_take, struct op_owner *o, store_done_cb *cb, void *ctx)
{
    struct store_txn *t = *t_take;
    *t_take = NULL;
    struct store_req *r = req_new(VERB_COMMIT, (void (*)(void))cb, ctx);
    struct store_port *p = t->port;
    r->arena = t->arena;
    r->err = t->err;
    r->ask.owner = t->owner;
    r->ask.changes = t->first;
    mem_free(t);
    return req_submit(p, o, r);
}

/* ---- lease */

bool store_lease_allows(const struct store_lease *cur, struct str holder, uint64_t incarnation,
                        uint64_t now_us)
{
    if (cur->expires_wall_us <= now_us)
        return true;
    return str_eqc(holder, cur->holder) && cur->incarnation <= incarnation;
}

void store_lease_fill(struct store_lease *l, struct str holder, uint64_t incarnation,
                      uint64_t expires_us)
{
    size_t n = holder.n < sizeof l->holder ? holder.n : sizeof l->holder - 1;
    memset(l->holder, 0, sizeof l->holder);
    if (n)
        memcpy(l->holder, holder.p, n);
    l->incarnation = incarnation;
    l->expires_wall_us = expires_us;
}

static struct store_req *lease_new(enum store_verb verb, struct str key, struct str holder,
                                   uint64_t incarnation, void (*cb)(void), void *ctx)
{
    struct store_req *r = req_new(verb, cb, ctx);
    r->arena = arena_new(STORE_REQ_BYTES_MAX);
    if (!store_copy(r->arena, key.p ? key : STR(""), STORE_KEY_MAX, &r->ask.key) ||
        !store_copy(r->arena, holder.p ? holder : STR(""), sizeof r->answer.lease.holder - 1,
                    &r->ask.holder))
        r->err = ERR_LIMIT;
    r->ask.incarnation = incarnation;
    return r;
}

struct op *store_lease_acquire(struct store_port *p, struct op_owner *o, struct str key,
                               struct str holder, uint64_t incarnation, uint64_t ttl_ms,
                               store_lease_cb *cb, void *ctx)
{
    struct store_req *r =
        lease_new(VERB_LEASE_ACQUIRE, key, holder, incarnation, (void (*)(void))cb, ctx);
    r->ask.ttl_ms = ttl_ms;
    return req_submit(p, o, r);
}

struct op *store_lease_release(struct store_port *p, struct op_owner *o, struct str key,
                               struct str holder, uint64_t incarnation, store_done_cb *cb,
                               void *ctx)
{
    return req_submit(
        p, o, lease_new(VERB_LEASE_RELEASE, key, holder, incarnation, (void (*)(void))cb, ctx));
}
