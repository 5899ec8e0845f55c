/* pg-conn: one PostgreSQL connection that keeps itself up, on libpq's asynchronous and pipelined
 * side. WAITING -> (NAMES ->) CONNECTING -> GREETING -> UP, and back to WAITING (0.1 .. 1 s,
 * jittered) whenever the connection is lost or an attempt fails. While libpq connects it may close
 * its socket and open another, perhaps with the same number: the fdpoll is closed before each step
 * and made anew behind it. The greeting sets what we rely on, holds the schema version against
 * ours, makes the session's row and prepares all statements, in one round trip. After that the
 * server answers statements and Syncs in the order they were sent; `expected` is that order. Rows
 * come one by one (single-row mode), so that a large answer is never whole in libpq's memory. */
#include "lib/store/pg-int.h"

#include <poll.h>

#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/base/vec.h"
#include "lib/loop/fdpoll.h"

enum {
    BACKOFF_MIN_MS = 100, /* between attempts: this .. a bound that doubles up to the next */
    BACKOFF_MAX_MS = 1000,
    IDLE_TXN_MS = 10000, /* the server gives up a transaction we stopped sending for so long */
};

enum pg_state {
    PG_WAITING,    /* for the next attempt */
    PG_NAMES,      /* host names are looked up */
    PG_CONNECTING, /* libpq connects and authenticates */
    PG_GREETING,   /* settings, version, session, statements */
    PG_UP,         /* usable */
};

enum expect { EXPECT_STATEMENT, EXPECT_SYNC };

struct pg_conn {
    struct loop *loop;
    const struct pg_target *target;
    struct work_pool *names;
    struct pg_conn_events ev;
    void *ctx;
    enum pg_state state;
    PGconn *pg;
    struct fdpoll *fd;
    struct op_owner owner; /* of the look-up */
    struct timer retry, deadline;
    struct defer broken;
    uint64_t backoff_ms;
    VEC(enum expect) expected; /* from `at` on */
    size_t at;
    bool is_head_new; /* single-row mode is not asked for the oldest statement yet */
    bool is_dirty;    /* something was sent in this turn: flush at its end */
    struct defer flush;
    unsigned greetings; /* statements of the greeting answered */
    int64_t session;
    char why[256];    /* of a failure in a call */
    char failed[256]; /* of the last attempt, logged when it changes */
};

const struct pg_stmt_text pg_stmts[PG_STMT_COUNT] = {
#define PG_STMT_TEXT(name, text) {#name, text},
    PG_STATEMENTS(PG_STMT_TEXT)
#undef PG_STMT_TEXT
};

/* ---- errors */

static const char *sqlstate(const PGresult *r)
{
    const char *s = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    return s ? s : "";
}

enum err pg_error(const PGresult *r)
{
    static const struct {
        const char *prefix;
        enum err e;
    } table[] = {
        {"MR001", ERR_CONFLICT}, /* ours: another revision */
        {"23505", ERR_EXISTS},      {"57014", ERR_TIMEOUT}, {"40", ERR_AGAIN},
        {"54", ERR_LIMIT},          {"28", ERR_AUTH},       {"42501", ERR_DENIED},
        {"MR002", ERR_UNSUPPORTED}, /* ours: another schema */
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strncmp(sqlstate(r), table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].e;
    return ERR_IO;
}

bool pg_error_is_server(const PGresult *r)
{
    static const char *const states[] = {
        "57P",   "08",    /* going down, connection */
        "25006",          /* read-only: it is a standby now */
        "MR003",          /* our session was fenced or forgotten */
        "26",    "0A000", /* prepared statements are gone or out of date */
        "53300",          /* too many connections */
    };
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strncmp(sqlstate(r), states[i], strlen(states[i])) == 0)
            return true;
    return false;
}

void pg_error_text(const PGresult *r, char *out, size_t size)
{
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (!text)
        text = PQresultErrorMessage(r);
    snprintf(out, size, "%s%s%.*s", sqlstate(r), *sqlstate(r) ? " " : "", (int)strcspn(text, "\n"),
             text);
}

static void quiet(void *ctx, const char *text)
{
    (void)ctx;
    log_debug(NULL, "store.pg.notice", "text", text);
}

/* ---- life of a connection */

static void drop_link(struct pg_conn *c)
{
    op_owner_cancel_all(&c->owner);
    timer_stop(&c->retry);
    timer_stop(&c->deadline);
    defer_cancel(&c->broken);
    defer_cancel(&c->flush);
    fdpoll_close(&c->fd);
    if (c->pg)
        PQfinish(c->pg);
    c->pg = NULL;
    c->expected.n = c->at = 0;
    c->is_head_new = c->is_dirty = false;
}

static void lost(struct pg_conn *c, enum err e, const char *why)
{
    bool was_up = c->state == PG_UP;
    char text[sizeof c->failed];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(why, "\n"), why);
    if (was_up || strcmp(text, c->failed) != 0)
        log_warn(NULL, was_up ? "store.pg.down" : "store.pg.connect.failed", "error", err_name(e),
                 "reason", text);
    memcpy(c->failed, text, sizeof text);
    c->state = PG_WAITING;
    drop_link(c);
    c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : (uint64_t)BACKOFF_MIN_MS * 2;
    if (c->backoff_ms > BACKOFF_MAX_MS)
        c->backoff_ms = BACKOFF_MAX_MS;
    timer_start(&c->retry, BACKOFF_MIN_MS + rand_below(c->backoff_ms - BACKOFF_MIN_MS + 1));
    c->ev.down(c->ctx, e, text);
}

void pg_conn_drop(struct pg_conn *c, enum err e, const char *why)
{
    lost(c, e, why);
}

static void on_broken(void *ctx)
{
    struct pg_conn *c = ctx;
    lost(c, ERR_IO, c->why);
}

/* A call of libpq failed; the user hears of it in the next turn, outside of our call. */
static void failed_call(struct pg_conn *c)
{
    str_put(c->why, sizeof c->why, PQerrorMessage(c->pg));
    loop_defer(c->loop, &c->broken);
}

static void on_deadline(void *ctx)
{
    lost(ctx, ERR_TIMEOUT, "no connection within connect_timeout");
}

/* ---- sending */

static void do_flush(void *ctx)
{
    struct pg_conn *c = ctx;
    int left = c->pg ? PQflush(c->pg) : -1;
    c->is_dirty = false;
    if (left < 0)
        return; /* reading meets the error itself */
    fdpoll_want(c->fd, left ? FD_READABLE | FD_WRITABLE : FD_READABLE);
}

static void sent(struct pg_conn *c, int ok, enum expect what)
{
    if (!ok) {
        failed_call(c);
        return;
    }
    if (c->at == c->expected.n)
        c->is_head_new = true;
    if (c->at * 2 >= c->expected.n) { /* what was answered goes, in one move for many */
        c->expected.n -= c->at;
        if (c->expected.n)
            memmove(c->expected.p, c->expected.p + c->at, c->expected.n * sizeof *c->expected.p);
        c->at = 0;
    }
    vec_push(&c->expected, what);
    c->is_dirty = true;
    loop_defer(c->loop, &c->flush);
}

void pg_conn_send(struct pg_conn *c, enum pg_stmt which, const struct pg_args *a)
{
    sent(c,
         PQsendQueryPrepared(c->pg, pg_stmts[which].name, a->n, a->values, a->lengths, a->formats,
                             1),
         EXPECT_STATEMENT);
}

void pg_conn_sync(struct pg_conn *c)
{
    sent(c, PQpipelineSync(c->pg), EXPECT_SYNC);
}

/* ---- greeting */

static const char settings[] =
    "SELECT set_config('statement_timeout', $1, false), "
    "set_config('idle_in_transaction_session_timeout', $2, false), "
    "set_config('default_transaction_isolation', 'read committed', false), "
    "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN "
    "'on' ELSE current_setting('synchronous_commit') END, false), "
    "set_config('application_name', $3, false)";

/* Rows of sessions that nobody has had for a day go with the next session. */
static const char forget[] =
    "DELETE FROM meridian.session s WHERE at < now() - interval '1 day' AND NOT EXISTS "
    "(SELECT 1 FROM pg_stat_activity a WHERE a.application_name = 'meridian ' || s.id)";

void pg_app_name(int64_t session, char out[PG_APP_NAME_SIZE])
{
    snprintf(out, PG_APP_NAME_SIZE, "meridian %" PRId64, session);
}

static void ask_text(struct pg_conn *c, const char *text, int n, const char *const *values)
{
    sent(c, PQsendQueryParams(c->pg, text, n, NULL, values, NULL, NULL, 0), EXPECT_STATEMENT);
}

static void greet(struct pg_conn *c)
{
    char timeout[24], idle[24], app[PG_APP_NAME_SIZE];
    const char *values[3] = {timeout, idle, app};
    /* the server gives up first: the connection stays */
    snprintf(timeout, sizeof timeout, "%" PRIu64,
             c->target->timeout_ms - c->target->timeout_ms / 8);
    snprintf(idle, sizeof idle, "%d", IDLE_TXN_MS);
    c->session = (int64_t)(rand_u64() >> 1);
    pg_app_name(c->session, app);
    c->greetings = 0;
    ask_text(c, settings, 3, values);
    ask_text(c, "SELECT max(version), current_setting('fsync') FROM meridian.schema_version", 0,
             NULL);
    ask_text(c, forget, 0, NULL);
    values[0] = app + strlen("meridian ");
    ask_text(c, "INSERT INTO meridian.session (id, n) VALUES ($1, 0)", 1, values);
    for (size_t i = 0; i < PG_STMT_COUNT; i++)
        sent(c, PQsendPrepare(c->pg, pg_stmts[i].name, pg_stmts[i].text, 0, NULL),
             EXPECT_STATEMENT);
    pg_conn_sync(c);
}

/* False: it was no good, and the connection is gone. */
static bool greeted(struct pg_conn *c, const PGresult *r)
{
    char why[sizeof c->why];
    if (PQresultStatus(r) == PGRES_FATAL_ERROR) {
        pg_error_text(r, why, sizeof why);
        lost(c, pg_error(r), why);
        return false;
    }
    if (c->greetings == 1 && PQntuples(r) == 1) {
        unsigned long version = strtoul(PQgetvalue(r, 0, 0), NULL, 10);
        if (version != pg_steps_count) {
            snprintf(why, sizeof why, "schema version %lu is not this server's %u", version,
                     pg_steps_count);
            lost(c, ERR_UNSUPPORTED, why);
            return false;
        }
        if (strcmp(PQgetvalue(r, 0, 1), "on") != 0)
            log_warn(NULL, "store.pg.unsafe", "reason",
                     "the server runs with fsync = off: what it confirms may be lost");
    }
    return true;
}

static void went_up(struct pg_conn *c)
{
    timer_stop(&c->deadline);
    c->state = PG_UP;
    c->backoff_ms = 0;
    c->failed[0] = '\0';
    log_info(NULL, "store.pg.up", "host", PQhost(c->pg) ? PQhost(c->pg) : "", "port",
             PQport(c->pg) ? PQport(c->pg) : "");
    c->ev.up(c->ctx);
}

/* ---- results */

static void pop(struct pg_conn *c)
{
    c->at++;
    c->is_head_new = true;
}

static void on_sync(struct pg_conn *c)
{
    pop(c);
    if (c->state == PG_UP)
        c->ev.sync(c->ctx);
    else
        went_up(c);
}

/* The terminating NULL of a statement; there is one too behind a failure of the Sync itself. */
static void on_over(struct pg_conn *c)
{
    if (c->expected.p[c->at] == EXPECT_SYNC)
        return;
    pop(c);
    if (c->state == PG_UP)
        c->ev.over(c->ctx);
    else
        c->greetings++;
}

static void on_result(struct pg_conn *c, const PGresult *r)
{
    char why[sizeof c->why];
    if (PQresultStatus(r) == PGRES_FATAL_ERROR &&
        (PQstatus(c->pg) == CONNECTION_BAD || pg_error_is_server(r))) {
        pg_error_text(r, why, sizeof why);
        lost(c, ERR_UNAVAILABLE, why);
    } else if (c->state == PG_UP) {
        c->ev.result(c->ctx, r);
    } else {
        (void)greeted(c, r);
    }
}

/* What has come so far. The callbacks may drop the connection. */
static void take_results(struct pg_conn *c)
{
    PGconn *pg = c->pg;
    while (c->pg == pg && c->at < c->expected.n) {
        if (c->is_head_new && c->expected.p[c->at] == EXPECT_STATEMENT)
            PQsetSingleRowMode(pg);
        c->is_head_new = false;
        if (PQisBusy(pg))
            return;
        PGresult *r = PQgetResult(pg);
        if (!r)
            on_over(c);
        else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC)
            on_sync(c);
        else
            on_result(c, r);
        PQclear(r);
    }
}

static void on_ready(void *ctx, int events)
{
    struct pg_conn *c = ctx;
    PGconn *pg = c->pg;
    if (events & FD_WRITABLE)
        do_flush(c);
    if (!(events & FD_READABLE))
        return;
    bool ok = PQconsumeInput(pg) == 1;
    take_results(c); /* also what came before the end */
    if (c->pg == pg && (!ok || PQstatus(pg) == CONNECTION_BAD))
        lost(c, ERR_CLOSED, PQerrorMessage(pg));
}

void pg_conn_serve(struct pg_conn *c, uint64_t ms)
{
    do_flush(c);
    if (!c->pg)
        return;
    struct pollfd p = {.fd = PQsocket(c->pg), .events = POLLIN};
    if (PQflush(c->pg) == 1)
        p.events |= POLLOUT;
    if (poll(&p, 1, (int)ms) > 0)
        on_ready(c, FD_READABLE | FD_WRITABLE);
}

/* ---- connecting */

static void on_progress(void *ctx, int events);

static void watch(struct pg_conn *c, int events)
{
    c->fd = fdpoll_open(c->loop, PQsocket(c->pg),
                        c->state == PG_CONNECTING ? on_progress : on_ready, c);
    if (c->fd)
        fdpoll_want(c->fd, events);
    else
        failed_call(c);
}

static void connected(struct pg_conn *c)
{
    c->state = PG_GREETING;
    if (PQsetnonblocking(c->pg, 1) != 0 || PQenterPipelineMode(c->pg) != 1) {
        lost(c, ERR_IO, PQerrorMessage(c->pg));
        return;
    }
    PQsetNoticeProcessor(c->pg, quiet, NULL);
    watch(c, FD_READABLE);
    if (c->fd)
        greet(c);
}

static void failed_attempt(struct pg_conn *c)
{
    char why[sizeof c->why];
    str_put(why, sizeof why, PQerrorMessage(c->pg));
    lost(c,
         PQconnectionNeedsPassword(c->pg) || strstr(why, "authentication") ? ERR_AUTH
                                                                           : ERR_UNAVAILABLE,
         why);
}

static void on_progress(void *ctx, int events)
{
    struct pg_conn *c = ctx;
    (void)events;
    fdpoll_close(&c->fd);
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        watch(c, FD_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        watch(c, FD_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        connected(c);
        break;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        failed_attempt(c);
        break;
    }
}

static void connect_to(struct pg_conn *c, const struct pg_params *p)
{
    c->state = PG_CONNECTING;
    c->pg = PQconnectStartParams(p->keywords, p->values, 0);
    must(c->pg);
    if (PQstatus(c->pg) == CONNECTION_BAD)
        failed_attempt(c);
    else
        watch(c, FD_WRITABLE);
}

struct look_up {
    struct pg_conn *conn;
    const struct pg_target *target;
    struct arena *mem;
    struct pg_params params;
    enum err err;
    char why[256];
};

static void look_up_run(void *ctx)
{
    struct look_up *u = ctx;
    u->err = pg_names_look_up(u->target, u->mem, &u->params, u->why, sizeof u->why);
}

static void look_up_done(void *ctx)
{
    struct look_up *u = ctx;
    if (u->err)
        lost(u->conn, u->err, u->why);
    else
        connect_to(u->conn, &u->params);
}

static void look_up_release(void *ctx)
{
    struct look_up *u = ctx;
    arena_free(&u->mem);
    mem_free(u);
}

static void start(void *ctx)
{
    struct pg_conn *c = ctx;
    struct look_up *u = mem_alloc(sizeof *u);
    *u = (struct look_up){.conn = c, .target = c->target, .mem = arena_new(0)};
    timer_start(&c->deadline, c->target->connect_timeout_ms);
    c->state = PG_NAMES;
    struct work_job job = {look_up_run, look_up_done, look_up_release, u};
    if (c->names && work_submit(c->names, c->loop, &c->owner, &job) == ERR_OK)
        return;
    if (c->names) {
        lost(c, ERR_LIMIT, "too many look-ups wait");
    } else {
        look_up_run(u);
        look_up_done(u);
    }
    look_up_release(u);
}

struct pg_conn *pg_conn_open(struct loop *l, const struct pg_target *t, struct work_pool *names,
                             const struct pg_conn_events *ev, void *ctx)
{
    struct pg_conn *c = mem_alloc(sizeof *c);
    c->loop = l;
    c->target = t;
    c->names = names;
    c->ev = *ev;
    c->ctx = ctx;
    op_owner_init(&c->owner);
    defer_init(&c->broken, on_broken, c);
    defer_init(&c->flush, do_flush, c);
    timer_init(&c->retry, l, start, c);
    timer_init(&c->deadline, l, on_deadline, c);
    timer_start(&c->retry, 0);
    return c;
}

void pg_conn_close(struct pg_conn **pc)
{
    struct pg_conn *c = *pc;
    *pc = NULL;
    drop_link(c);
    vec_fini(&c->expected);
    mem_free(c);
}

bool pg_conn_is_up(const struct pg_conn *c)
{
    return c->state == PG_UP;
}

int64_t pg_conn_session(const struct pg_conn *c)
{
    return c->session;
}

int pg_conn_pid(const struct pg_conn *c)
{
    return PQbackendPID(c->pg);
}
