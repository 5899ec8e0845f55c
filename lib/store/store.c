/* store: opens a driver by URI and carries requests from ports to its workers and back. A port
 * counts its unanswered writes: while there are some, its reads go to the writer, behind them;
 * otherwise to a reader, whose snapshot is taken after the read was asked and therefore holds
 * everything confirmed before. Answers are mail to the port's loop, also those that are known at
 * once. A cancelled request runs to its end and is freed when it comes home. Tables may be routed
 * to other places than the main one: each place is a part, with a driver, workers and counts of its
 * own. */
#include "lib/base/log.h"
#include "lib/base/omap.h"
#include "lib/store/store-int.h"

struct store_part {
    const struct store_driver *driver;
    void *db; /* asynchronous drivers: nothing below */
    struct store_worker *writer;
    struct store_worker *readers[STORE_READERS_MAX];
    unsigned n_readers;
};

struct store {
    struct store_part parts[1 + STORE_ROUTES_MAX]; /* the first has what no route names */
    unsigned n_parts;
    struct omap routes; /* table -> struct store_part */
    unsigned fail_in;   /* tests only, see store_fail_nth */
};

struct port_part {
    void *conn;         /* asynchronous drivers */
    size_t unconfirmed; /* writes without an answer */
};

struct store_port {
    struct store *store;
    struct loop *loop;
    struct list reqs;
    size_t n_reqs, bytes;
    struct port_part parts[1 + STORE_ROUTES_MAX];
    size_t unconfirmed; /* writes without an answer */
    struct store_stats stats;
};

/* ---- store */

static const struct store_driver *const drivers[] = {&store_mem_driver, &store_sqlite_driver,
                                                     &store_pgsql_driver};

static const struct store_driver *driver_of(struct str scheme)
{
    if (str_eqc(scheme, "postgres")) /* libpq knows both names */
        scheme = STR("postgresql");
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

static enum err open_part(struct store_part *part, const struct store_place *place, char *why,
                          size_t why_size)
{
    struct str rest = str_of(place->uri);
    const struct store_driver *d = driver_of(str_cut(&rest, ':'));
    if (!d || !rest.p) {
        snprintf(why, why_size, "store \"%s\": neither mem: nor sqlite:/path nor postgresql://...",
                 place->uri);
        return ERR_INVALID;
    }
    part->driver = d;
    if (d->async)
        return d->async->open(place, &part->db, why, why_size);
    enum err e = open_worker(d, rest.p, 0, &part->writer, why, why_size);
    while (!e && part->n_readers < d->readers) {
        unsigned n = part->n_readers;
        e = open_worker(d, rest.p, n + 1, &part->readers[n], why, why_size);
        if (!e)
            part->n_readers++;
    }
    return e;
}

static enum err open_route(struct store *s, const struct store_route *r, char *why, size_t why_size)
{
    struct store_part *part = &s->parts[s->n_parts++];
    for (const char *const *t = r->tables; *t; t++) {
        if (!store_table_valid(*t) || omap_get(&s->routes, str_of(*t))) {
            snprintf(why, why_size, "store: table \"%s\" is %s", *t,
                     store_table_valid(*t) ? "routed twice" : "no name of a table");
            return ERR_INVALID;
        }
        omap_put(&s->routes, str_of(*t), part);
    }
    return open_part(part, &r->place, why, why_size);
}

enum err store_open_at(const struct store_place *main, const struct store_route *routes,
                       size_t routes_n, struct store **out, char *why, size_t why_size)
{
    struct store *s = mem_alloc(sizeof *s);
    must(routes_n <= STORE_ROUTES_MAX);
    s->n_parts = 1;
    enum err e = open_part(&s->parts[0], main, why, why_size);
    for (size_t i = 0; !e && i < routes_n; i++)
        e = open_route(s, &routes[i], why, why_size);
    if (e)
        store_close(&s);
    else
        *out = s;
    return e;
}

enum err store_open(const char *uri, struct store **out, char *why, size_t why_size)
{
    struct store_place place = {.uri = uri};
    return store_open_at(&place, NULL, 0, out, why, why_size);
}

static void close_part(struct store_part *part)
{
    for (unsigned i = 0; i < part->n_readers; i++)
        store_worker_free(&part->readers[i]);
    store_worker_free(&part->writer);
    if (part->db)
        part->driver->async->close(part->db);
}

void store_close(struct store **ps)
{
    struct store *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    for (unsigned i = 0; i < s->n_parts; i++)
        close_part(&s->parts[i]);
    omap_fini(&s->routes);
    mem_free(s);
}

static unsigned part_of(const struct store *s, const char *table)
{
    const struct store_part *p = omap_get(&s->routes, str_of(table));
    return p ? (unsigned)(p - s->parts) : 0;
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
    for (unsigned i = 0; i < s->n_parts; i++)
        if (s->parts[i].db)
            p->parts[i].conn = s->parts[i].driver->async->port_open(s->parts[i].db, l);
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
        p->parts[r->part].unconfirmed--;
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
    for (unsigned i = 0; i < p->store->n_parts; i++)
        if (p->parts[i].conn)
            p->store->parts[i].driver->async->port_close(p->parts[i].conn);
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
    arena_free(&r->answer_arena);
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
    case VERB_SCAN:
        ((store_rows_cb *)r->cb)(r->ctx, r->err, a->rows, n);
        break;
    case VERB_LEASE_ACQUIRE:
        answer_lease(r);
        break;
    case VERB_COMMIT:
    case VERB_LEASE_RELEASE:
    case VERB_LOAD:
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
    const struct store_part *s = &p->store->parts[r->part];
    if (r->verb >= VERB_COMMIT || p->parts[r->part].unconfirmed || !s->n_readers)
        return s->writer;
    return s->readers[loop_index(p->loop) % s->n_readers];
}

static void req_charge(struct store_port *p, struct store_req *r)
{
    r->port = p;
    r->home = p->loop;
    r->asked_us = loop_now_us(p->loop);
    r->charged_bytes = arena_used(r->arena);
    list_push(&p->reqs, &r->port_link);
    p->n_reqs++;
    p->bytes += r->charged_bytes;
    if (r->verb >= VERB_COMMIT)
        p->parts[r->part].unconfirmed++;
}

/* Send it on its way; what is wrong already (r->err) or too much goes straight home. */
struct op *store_req_submit(struct store_port *p, struct op_owner *o, struct store_req *r)
{
    struct store *s = p->store;
    if (p->n_reqs >= STORE_PORT_REQS_MAX || p->bytes >= STORE_PORT_BYTES_MAX)
        r->err = ERR_LIMIT;
    if (s->fail_in && --s->fail_in == 0)
        r->inject = true;
    if (r->ask.table)
        r->part = part_of(s, r->ask.table);
    void *conn = p->parts[r->part].conn;
    struct store_worker *w = conn ? NULL : worker_for(p, r);
    req_charge(p, r);
    op_start(&r->op, o, req_cancel);
    if (r->err)
        store_req_return(r);
    else if (conn)
        s->parts[r->part].driver->async->submit(conn, r);
    else
        store_worker_post(w, r);
    return &r->op;
}

struct store_req *store_req_new(enum store_verb verb, void (*cb)(void), void *ctx)
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
    struct store_req *r = store_req_new(verb, cb, ctx);
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
    return store_req_submit(p, o,
                            read_new(VERB_KV_GET, table, owner, key, (void (*)(void))cb, ctx));
}

struct op *store_map_read(struct store_port *p, struct op_owner *o, const char *table,
                          struct str owner, struct str from, size_t limit, store_map_cb *cb,
                          void *ctx)
{
    struct store_req *r = read_new(VERB_MAP_READ, table, owner, from, (void (*)(void))cb, ctx);
    r->ask.limit = clamp_limit(limit);
    return store_req_submit(p, o, r);
}

struct op *store_log_read(struct store_port *p, struct op_owner *o, const char *table,
                          struct str owner, const struct store_log_range *range, store_log_cb *cb,
                          void *ctx)
{
    struct store_req *r = read_new(VERB_LOG_READ, table, owner, STR_NONE, (void (*)(void))cb, ctx);
    r->ask.range = *range;
    r->ask.limit = clamp_limit(range->limit);
    return store_req_submit(p, o, r);
}

struct op *store_log_count(struct store_port *p, struct op_owner *o, const char *table,
                           struct str owner, store_count_cb *cb, void *ctx)
{
    return store_req_submit(
        p, o, read_new(VERB_LOG_COUNT, table, owner, STR_NONE, (void (*)(void))cb, ctx));
}

struct op *store_owners(struct store_port *p, struct op_owner *o, const char *table,
                        struct str after, size_t limit, store_owners_cb *cb, void *ctx)
{
    struct store_req *r = read_new(VERB_OWNERS, table, STR_NONE, after, (void (*)(void))cb, ctx);
    r->ask.limit = clamp_limit(limit);
    return store_req_submit(p, o, r);
}

/* All of its tables must be in one place, or it could not be one transaction. */
static enum err txn_part(const struct store *s, const struct store_txn *t, unsigned *part)
{
    const struct store_change *first = t->first;
    *part = first ? part_of(s, first->table) : 0;
    for (const struct store_change *c = first; c; c = c->next)
        if (part_of(s, c->table) != *part) {
            log_error(NULL, "store.txn.split", "table", first->table, "and", c->table, "reason",
                      "tables that are written together must be routed together");
            return ERR_INVALID;
        }
    return ERR_OK;
}

struct op *store_commit(struct store_txn **t_take, struct op_owner *o, store_done_cb *cb, void *ctx)
{
    struct store_txn *t = *t_take;
    *t_take = NULL;
    struct store_req *r = store_req_new(VERB_COMMIT, (void (*)(void))cb, ctx);
    struct store_port *p = t->port;
    r->arena = t->arena;
    r->err = t->err ? t->err : txn_part(p->store, t, &r->part);
    r->ask.owner = t->owner;
    r->ask.changes = t->first;
    mem_free(t);
    return store_req_submit(p, o, r);
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
    struct store_req *r = store_req_new(verb, cb, ctx);
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
    return store_req_submit(p, o, r);
}

struct op *store_lease_release(struct store_port *p, struct op_owner *o, struct str key,
                               struct str holder, uint64_t incarnation, store_done_cb *cb,
                               void *ctx)
{
    return store_req_submit(
        p, o, lease_new(VERB_LEASE_RELEASE, key, holder, incarnation, (void (*)(void))cb, ctx));
}
