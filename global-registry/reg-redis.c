/* DOC The registry in one Redis (layout: README.md).
 *
 * Two connections: one for commands, one that listens. The driver is up when both are and a message
 * of ours, sent on the first, was heard on the second: from then on no invalidation of what we read
 * can pass unheard. Whatever compares before it writes is a script; reads are plain commands. A
 * read asks for the row first and for the generation after it: a wipe in between shows. Scripts are
 * loaded when the connection comes up, so that EVALSHA knows them in the ordinary case.
 *
 * A server that refuses writes (a primary that was made a replica) is left for a second and looked
 * up anew. */
#include "global-registry/reg-scripts-int.h"
#include "global-registry/reg-wire-int.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/base/vec.h"
#include "lib/loop/timer.h"

#define HELLO_MS 100          /* between attempts to hear ourselves */
#define LEAVE_MS 1000         /* a server that refuses writes is left after that */
#define WITHDRAWN_MS "600000" /* a withdrawal refuses late assertions that long */
#define FORGET_US                                                                                  \
    (24 * 3600 * 1000000ull) /* a name without lease, by the age of its incarnation                \
                              */
#define KEY_MAX 4096
#define MEMBERS_MAX 4096

enum script {
    SCRIPT_BEAT,
    SCRIPT_ASSERT,
    SCRIPT_WITHDRAW,
    SCRIPT_CLEAN,
    SCRIPT_LEAVE,
    SCRIPT_FORGET,
    SCRIPT_COUNT
};
static const char *const script_texts[SCRIPT_COUNT] = {lua_beat,  lua_assert, lua_withdraw,
                                                       lua_clean, lua_leave,  lua_forget};
enum request_kind { RQ_BEAT, RQ_DONE, RQ_READ };
struct request {
    struct list link; /* in its driver */
    struct redis_driver *d;
    enum request_kind kind;
    size_t pending; /* commands not answered */
    enum err err;   /* the first thing that went wrong */
    char generation[REG_GENERATION_MAX];
    VEC(struct reg_row) rows;
    VEC(char *) names; /* of members, with their incarnations beside */
    VEC(uint64_t) incarnations;
    union {
        reg_beat_cb *beat;
        reg_done_cb *done;
        reg_rows_cb *rows;
    } cb;
    void *ctx;
};
struct redis_driver {
    struct reg_driver driver;
    struct redis_conf conf; /* strings and tls are ours */
    char *prefix;
    struct loop *loop;
    struct reg_driver_events ev;
    void *ctx;
    struct redis_conn *cmd, *sub;
    struct redis_script scripts[SCRIPT_COUNT];
    struct list requests;
    bool up;
    char nonce[RAND_ID_LEN + 1];
    struct timer hello, reopen;
    char generation[REG_GENERATION_MAX]; /* the last beat saw */
};
/* A key under construction. */
struct key {
    char s[KEY_MAX];
    struct str v;
};

static struct redis_driver *of(struct reg_driver *d)
{
    return container_of(d, struct redis_driver, driver);
}

/* prefix + what + rest, in k. A bare JID has at most 2,047 bytes; what is longer is cut and
 * collides harmlessly. */
static struct str key(const struct redis_driver *d, struct key *k, const char *what,
                      struct str rest)
{
    int n = snprintf(k->s, sizeof k->s, "%s%s" STR_FMT, d->prefix, what, STR_ARG(rest));
    k->v = str_make(k->s, (size_t)n < sizeof k->s ? (size_t)n : sizeof k->s - 1);
    return k->v;
}

struct digits {
    char s[24];
};
static struct str digits(struct digits *t, uint64_t x)
{
    int n = snprintf(t->s, sizeof t->s, "%" PRIu64, x);
    return str_make(t->s, (size_t)n);
}

/* ---- requests */

static struct request *request_new(struct redis_driver *d, enum request_kind kind, void *ctx)
{
    struct request *q = mem_alloc(sizeof *q);
    q->d = d;
    q->kind = kind;
    q->ctx = ctx;
    list_push(&d->requests, &q->link);
    return q;
}

static void request_free(struct request *q)
{
    list_del(&q->link);
    for (size_t i = 0; i < q->names.n; i++)
        mem_free(q->names.p[i]);
    vec_fini(&q->names);
    vec_fini(&q->incarnations);
    vec_fini(&q->rows);
    mem_free(q);
}

/* Answer without a view, and free. */
static void request_end(struct request *q)
{
    if (q->kind == RQ_BEAT)
        q->cb.beat(q->ctx, q->err, NULL);
    else if (q->kind == RQ_DONE)
        q->cb.done(q->ctx, q->err);
    else
        q->cb.rows(q->ctx, q->err, q->err ? NULL : q->rows.p, q->err ? 0 : q->rows.n);
    request_free(q);
}

static void failed(struct request *q, enum err e)
{
    if (!q->err)
        q->err = e;
}

/* What is wrong with an answer, ERR_OK if nothing. */
static enum err wrong(struct redis_driver *d, enum err e, const struct redis_reply *r)
{
    if (e)
        return e;
    if (r->kind != REDIS_ERROR)
        return ERR_OK;
    log_warn(NULL, "registry.redis.refused", "error", LOG_STR(r->text));
    bool stale = str_starts(r->text, STR("READONLY")) || str_starts(r->text, STR("MASTERDOWN"));
    if (stale && !timer_running(&d->reopen))
        timer_start(&d->reopen, LEAVE_MS);
    return ERR_UNAVAILABLE;
}

/* Answers of scripts that say 1 or 0 (refused). */
static void on_done(void *ctx, enum err e, const struct redis_reply *r)
{
    struct request *q = ctx;
    e = wrong(q->d, e, r);
    if (!e && (r->kind != REDIS_INTEGER || r->integer == 0))
        e = ERR_CONFLICT;
    failed(q, e);
    if (--q->pending == 0)
        request_end(q);
}

static void on_ignored(void *ctx, enum err e, const struct redis_reply *r)
{
    (void)ctx, (void)e, (void)r;
}

static void eval(struct redis_driver *d, enum script s, size_t n_keys, size_t argc,
                 const struct str *argv, redis_cb *cb, void *ctx)
{
    redis_eval(d->cmd, NULL, &d->scripts[s], n_keys, argc, argv, cb, ctx);
}

/* ---- beat */

static void forget_long_gone(struct request *q, size_t i)
{
    struct redis_driver *d = q->d;
    struct key nodes, lease;
    struct digits inc;
    uint64_t now = clock_wall_us();
    if (q->incarnations.p[i] + FORGET_US > now)
        return;
    const struct str argv[] = {key(d, &nodes, "nodes", STR("")),
                               key(d, &lease, "lease:", str_of(q->names.p[i])),
                               str_of(q->names.p[i]), digits(&inc, q->incarnations.p[i])};
    eval(d, SCRIPT_FORGET, 2, ARRAY_LEN(argv), argv, on_ignored, NULL);
}

static void view_answer(struct request *q, const struct redis_reply *r)
{
    size_t n = r->n < q->names.n ? r->n : q->names.n, found = 0;
    struct reg_member *members = mem_calloc(n + 1, sizeof *members);
    bool *complete = mem_calloc(n + 1, sizeof *complete);
    char synced[REG_GENERATION_MAX];
    for (size_t i = 0; i < n; i++) {
        if (r->items[i].kind != REDIS_STRING) {
            forget_long_gone(q, i);
        } else if (reg_wire_lease_parse(str_of(q->names.p[i]), r->items[i].text, &members[found],
                                        synced)) {
            complete[found++] = strcmp(synced, q->generation) == 0;
        } else {
            log_warn(NULL, "registry.redis.lease.unreadable", "name", q->names.p[i]);
        }
    }
    struct reg_lease_view v = {.members = members, .complete = complete, .n = found};
    memcpy(v.generation, q->generation, sizeof v.generation);
    memcpy(q->d->generation, q->generation, sizeof q->generation);
    q->cb.beat(q->ctx, ERR_OK, &v);
    request_free(q);
    mem_free(members);
    mem_free(complete);
}

static void on_leases(void *ctx, enum err e, const struct redis_reply *r)
{
    struct request *q = ctx;
    e = wrong(q->d, e, r);
    if (!e && r->kind != REDIS_ARRAY)
        e = ERR_PROTOCOL;
    failed(q, e);
    if (q->err)
        request_end(q);
    else
        view_answer(q, r);
}

static void ask_leases(struct request *q)
{
    struct redis_driver *d = q->d;
    struct key *keys = mem_calloc(q->names.n + 1, sizeof *keys);
    struct str *argv = mem_calloc(q->names.n + 1, sizeof *argv);
    argv[0] = STR("MGET");
    for (size_t i = 0; i < q->names.n; i++)
        argv[i + 1] = key(d, &keys[i], "lease:", str_of(q->names.p[i]));
    redis_command(d->cmd, NULL, q->names.n + 1, argv, on_leases, q);
    mem_free(argv);
    mem_free(keys);
}

/* {generation, name, incarnation, name, incarnation, ...} */
static enum err beat_parse(struct request *q, const struct redis_reply *r)
{
    if (r->kind == REDIS_INTEGER)
        return ERR_CONFLICT;
    if (r->kind != REDIS_ARRAY || r->n < 3 || r->items[0].text.n > REG_WIRE_GENERATION_MAX)
        return ERR_PROTOCOL;
    snprintf(q->generation, sizeof q->generation, STR_FMT, STR_ARG(r->items[0].text));
    for (size_t i = 1; i + 1 < r->n && q->names.n < MEMBERS_MAX; i += 2) {
        char region[REG_NAME_MAX], node[REG_NAME_MAX];
        uint64_t incarnation;
        if (!reg_wire_name_parse(r->items[i].text, region, node) ||
            !str_to_u64(r->items[i + 1].text, UINT64_MAX, &incarnation)) {
            log_warn(NULL, "registry.redis.name.unreadable", "name", LOG_STR(r->items[i].text));
            continue;
        }
        vec_push(&q->names, str_dup(r->items[i].text));
        vec_push(&q->incarnations, incarnation);
    }
    return q->names.n ? ERR_OK : ERR_PROTOCOL;
}

static void on_beat(void *ctx, enum err e, const struct redis_reply *r)
{
    struct request *q = ctx;
    e = wrong(q->d, e, r);
    failed(q, e ? e : beat_parse(q, r));
    if (q->err)
        request_end(q);
    else
        ask_leases(q);
}

static void redis_beat(struct reg_driver *rd, const struct reg_member *self, uint64_t lease_ms,
                       const char *synced, reg_beat_cb *cb, void *ctx)
{
    struct redis_driver *d = of(rd);
    struct request *q = request_new(d, RQ_BEAT, ctx);
    struct key gen, nodes, lease, moved;
    struct digits inc, ms;
    char name[REG_WIRE_NAME_MAX], value[REG_WIRE_LEASE_MAX], fresh[RAND_ID_LEN + 1];
    q->cb.beat = cb;
    reg_wire_name(name, self);
    const struct str argv[] = {
        key(d, &gen, "gen", STR("")),
        key(d, &nodes, "nodes", STR("")),
        key(d, &lease, "lease:", str_of(name)),
        str_of(name),
        digits(&inc, self->incarnation),
        str_of(reg_wire_lease(value, self, synced)),
        digits(&ms, lease_ms),
        str_of(rand_id(fresh)),
        key(d, &moved, "moved", STR("")),
    };
    eval(d, SCRIPT_BEAT, 3, ARRAY_LEN(argv), argv, on_beat, q);
}

/* ---- rows */

static void redis_assert(struct reg_driver *rd, const struct reg_member *self,
                         const struct reg_rows_batch *b, reg_done_cb *cb, void *ctx)
{
    struct redis_driver *d = of(rd);
    struct request *q = request_new(d, RQ_DONE, ctx);
    struct key row, moved;
    struct digits inc, seq;
    char name[REG_WIRE_NAME_MAX];
    q->cb.done = cb;
    q->pending = b->n;
    reg_wire_name(name, self);
    for (size_t i = 0; i < b->n; i++) {
        const struct str argv[] = {key(d, &row, "u:", b->bares[i]),
                                   str_of(name),
                                   digits(&inc, self->incarnation),
                                   digits(&seq, b->seqs[i]),
                                   b->homes[i],
                                   key(d, &moved, "moved", STR("")),
                                   b->bares[i]};
        eval(d, SCRIPT_ASSERT, 1, ARRAY_LEN(argv), argv, on_done, q);
    }
}

static void redis_withdraw(struct reg_driver *rd, const struct reg_member *self, struct str bare,
                           uint64_t seq_no, reg_done_cb *cb, void *ctx)
{
    struct redis_driver *d = of(rd);
    struct request *q = request_new(d, RQ_DONE, ctx);
    struct key row, moved;
    struct digits inc, seq;
    char name[REG_WIRE_NAME_MAX];
    q->cb.done = cb;
    q->pending = 1;
    const struct str argv[] = {key(d, &row, "u:", bare),
                               str_of(reg_wire_name(name, self)),
                               digits(&inc, self->incarnation),
                               digits(&seq, seq_no),
                               key(d, &moved, "moved", STR("")),
                               bare,
                               STR(WITHDRAWN_MS)};
    eval(d, SCRIPT_WITHDRAW, 1, ARRAY_LEN(argv), argv, on_done, q);
}

static void on_row(void *ctx, enum err e, const struct redis_reply *r)
{
    struct request *q = ctx;
    struct reg_row row;
    bool gone;
    q->pending--;
    e = wrong(q->d, e, r);
    if (!e && r->kind != REDIS_ARRAY)
        e = ERR_PROTOCOL;
    failed(q, e);
    for (size_t i = 0; !e && i + 1 < r->n && q->rows.n < REG_ROWS_MAX; i += 2) {
        if (!reg_wire_row_parse(r->items[i].text, r->items[i + 1].text, &row, &gone))
            log_warn(NULL, "registry.redis.row.unreadable", "name", LOG_STR(r->items[i].text));
        else if (!gone)
            vec_push(&q->rows, row);
    }
}

/* Asked and answered after the row, on the same connection. */
static void on_generation(void *ctx, enum err e, const struct redis_reply *r)
{
    struct request *q = ctx;
    q->pending--;
    e = wrong(q->d, e, r);
    if (!e && (r->kind != REDIS_STRING || !str_eqc(r->text, q->d->generation)))
        e = ERR_AGAIN;
    failed(q, e);
    request_end(q);
}

static void redis_read(struct reg_driver *rd, struct str bare, reg_rows_cb *cb, void *ctx)
{
    struct redis_driver *d = of(rd);
    struct request *q = request_new(d, RQ_READ, ctx);
    struct key row, gen;
    q->cb.rows = cb;
    q->pending = 2;
    const struct str ask_row[] = {STR("HGETALL"), key(d, &row, "u:", bare)};
    const struct str ask_gen[] = {STR("GET"), key(d, &gen, "gen", STR(""))};
    redis_command(d->cmd, NULL, 2, ask_row, on_row, q);
    redis_command(d->cmd, NULL, 2, ask_gen, on_generation, q);
}

static void redis_clean(struct reg_driver *rd, struct str bare, const struct reg_row *dead)
{
    struct redis_driver *d = of(rd);
    struct key row;
    struct digits inc, seq;
    char name[REG_WIRE_NAME_MAX];
    snprintf(name, sizeof name, "%s/%s", dead->region, dead->node);
    const struct str argv[] = {key(d, &row, "u:", bare), str_of(name),
                               digits(&inc, dead->incarnation), digits(&seq, dead->seq)};
    eval(d, SCRIPT_CLEAN, 1, ARRAY_LEN(argv), argv, on_ignored, NULL);
}

static void redis_leave(struct reg_driver *rd, const struct reg_member *self, reg_done_cb *cb,
                        void *ctx)
{
    struct redis_driver *d = of(rd);
    struct request *q = request_new(d, RQ_DONE, ctx);
    struct key lease, moved;
    struct digits inc;
    char name[REG_WIRE_NAME_MAX];
    q->cb.done = cb;
    q->pending = 1;
    const struct str argv[] = {key(d, &lease, "lease:", str_of(reg_wire_name(name, self))),
                               digits(&inc, self->incarnation), key(d, &moved, "moved", STR(""))};
    eval(d, SCRIPT_LEAVE, 1, ARRAY_LEN(argv), argv, on_done, q);
}

/* ---- connections */

static void say_hello(void *ctx)
{
    struct redis_driver *d = ctx;
    struct key channel;
    if (d->up || !redis_is_up(d->cmd) || !redis_is_up(d->sub))
        return;
    const struct str argv[] = {STR("PUBLISH"), key(d, &channel, "hello:", str_of(d->nonce)),
                               str_of(d->nonce)};
    redis_command(d->cmd, NULL, ARRAY_LEN(argv), argv, on_ignored, NULL);
    timer_start(&d->hello, HELLO_MS); /* the subscription may come second */
}

static void on_cmd_up(void *ctx)
{
    struct redis_driver *d = ctx;
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        const struct str argv[] = {STR("SCRIPT"), STR("LOAD"), str_of(d->scripts[i].text)};
        redis_command(d->cmd, NULL, ARRAY_LEN(argv), argv, on_ignored, NULL);
    }
    say_hello(d);
}

static void on_sub_up(void *ctx)
{
    struct redis_driver *d = ctx;
    struct key channel;
    rand_id(d->nonce);
    redis_subscribe(d->sub, key(d, &channel, "moved", STR("")));
    redis_subscribe(d->sub, key(d, &channel, "hello:", str_of(d->nonce)));
    say_hello(d);
}

static void went_down(struct redis_driver *d, const char *why)
{
    timer_stop(&d->hello);
    if (!d->up)
        return;
    d->up = false;
    d->ev.down(d->ctx, why);
}

static void on_down(void *ctx, enum err e, const char *why)
{
    (void)e;
    went_down(ctx, why);
}

static void on_message(void *ctx, struct str channel, struct str payload)
{
    struct redis_driver *d = ctx;
    struct key moved;
    if (str_eq(channel, key(d, &moved, "moved", STR("")))) {
        if (d->up)
            d->ev.moved(d->ctx, payload);
    } else if (!d->up && str_eqc(payload, d->nonce) && redis_is_up(d->cmd)) {
        timer_stop(&d->hello);
        d->up = true;
        d->ev.up(d->ctx);
    }
}

static const struct redis_events cmd_events = {on_cmd_up, on_down, NULL};
static const struct redis_events sub_events = {on_sub_up, on_down, on_message};

static void connect_both(struct redis_driver *d)
{
    d->cmd = redis_open(d->loop, &d->conf, &cmd_events, d);
    d->sub = redis_open(d->loop, &d->conf, &sub_events, d);
}

/* Leave this server: answer what was asked of it and look for another. */
static void reopen_now(void *ctx)
{
    struct redis_driver *d = ctx;
    struct list old;
    struct list *n;
    redis_close(&d->cmd);
    redis_close(&d->sub);
    connect_both(d);
    list_init(&old);
    list_splice(&old, &d->requests);
    while ((n = list_first(&old))) {
        struct request *q = list_entry(n, struct request, link);
        failed(q, ERR_CLOSED);
        request_end(q);
    }
    went_down(d, "server refuses writes");
}

static void redis_start(struct reg_driver *rd, struct loop *l, const struct reg_driver_events *ev,
                        void *ctx)
{
    struct redis_driver *d = of(rd);
    d->loop = l;
    d->ev = *ev;
    d->ctx = ctx;
    timer_init(&d->hello, l, say_hello, d);
    timer_init(&d->reopen, l, reopen_now, d);
    connect_both(d);
}

static void conf_fini(struct redis_conf *c)
{
    mem_free((char *)(uintptr_t)c->username);
    if (c->password)
        mem_wipe((char *)(uintptr_t)c->password, strlen(c->password));
    mem_free((char *)(uintptr_t)c->password);
    mem_free((char *)(uintptr_t)c->sni);
    if (c->tls)
        tls_ctx_unref(&c->tls);
}

static void redis_driver_close(struct reg_driver **pd)
{
    struct redis_driver *d = of(*pd);
    struct list *n;
    *pd = NULL;
    if (d->loop) {
        timer_stop(&d->hello);
        timer_stop(&d->reopen);
        redis_close(&d->cmd);
        redis_close(&d->sub);
    }
    while ((n = list_first(&d->requests)))
        request_free(list_entry(n, struct request, link));
    conf_fini(&d->conf);
    mem_free(d->prefix);
    mem_free(d);
}

static const struct reg_driver_ops redis_ops = {
    .start = redis_start,
    .beat = redis_beat,
    .assert_rows = redis_assert,
    .withdraw = redis_withdraw,
    .read = redis_read,
    .clean = redis_clean,
    .leave = redis_leave,
    .close = redis_driver_close,
};

static const char *dup_or_null(const char *s)
{
    return s ? mem_strdup(s) : NULL;
}

struct reg_driver *reg_redis_new(const struct redis_conf *c, const char *key_prefix)
{
    struct redis_driver *d = mem_alloc(sizeof *d);
    d->driver.ops = &redis_ops;
    d->conf = *c;
    d->conf.username = dup_or_null(c->username);
    d->conf.password = dup_or_null(c->password);
    d->conf.sni = dup_or_null(c->sni);
    d->conf.tls = c->tls ? tls_ctx_ref(c->tls) : NULL;
    d->prefix = mem_strdup(key_prefix ? key_prefix : "meridian:");
    list_init(&d->requests);
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        redis_script_init(&d->scripts[i], script_texts[i]);
    return &d->driver;
}
