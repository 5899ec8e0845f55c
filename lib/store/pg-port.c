/* pg-port: the requests of one shard on their way to PostgreSQL. They wait in `queue`; once a turn
 * what waits is sent: all writes as one group (one transaction, one Sync, so one flush of the
 * server's log for all of them), then the reads, each with a Sync of its own. While a group is
 * under way nothing is sent behind it, so that a read sees all earlier writes of its port and a
 * group that failed can be tried again in order.
 *
 * A group fails as a whole when one of its requests does (another revision, an id that exists):
 * that one is answered, the others go back to the head of the queue and the next group is half as
 * large.
 *
 * A connection that breaks while a group is under way leaves a doubt: was it committed? Each group
 * writes its number into the row of its session. The next connection first ends the old server
 * process, then marks the row as fenced, which waits for a transaction still open and keeps it from
 * beginning another, and reads the number: the group is answered, or sent again. So nothing is done
 * twice and nothing is told wrongly, whether the server, the connection or the standby that took
 * over is to blame.
 *
 * Every request may wait so long for a connection, and then gets ERR_UNAVAILABLE: it has not
 * happened. What was sent is to be answered within the same time, or the connection is given up; a
 * write that is still in doubt at its deadline gets ERR_TIMEOUT: it may have happened. The fence
 * holds for it all the same, so that it cannot overtake what comes later. How much may wait is
 * bounded by the port of the store (store-int.h). */
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/store/pg-int.h"

enum {
    GROUP_MAX = 256,  /* requests of a group */
    READS_MAX = 256,  /* reads under way */
    LOCK_DIGITS = 24, /* of a lock in the list, with its comma */
    CLOSE_MS = 2000,  /* to finish writes when the port closes */
    CLOSE_STEP_MS = 50,
};
#define GROUP_BYTES_MAX ((size_t)4 * 1024 * 1024) /* of a group's requests, unless it is one */

enum unit_kind { UNIT_READ, UNIT_GROUP, UNIT_FENCE_OLD, UNIT_FENCE };

struct unit {
    struct list link; /* in port's sent */
    enum unit_kind kind;
    struct list reqs;         /* by worker_link: one read, or the writes of a group */
    struct store_req *at;     /* whose statements are answered now; NULL: what all share */
    unsigned statements_left; /* of it */
    struct store_req *culprit;
    enum err err;
    bool is_failed, is_shared_failure;
    bool is_committed;       /* what a fence found out */
    uint64_t due_us;         /* the server has to answer */
    int64_t number, session; /* the group's */
    int pid;
};

struct doubt {
    bool is_open;
    int64_t session, number;
    int pid;
    struct list reqs;
};

struct pg_port {
    struct loop *loop;
    struct pg_target *target;
    struct pg_conn *conn;
    struct list queue;
    struct list sent;   /* units */
    struct unit *group; /* under way */
    struct doubt doubt;
    size_t n_reads;
    unsigned group_max;
    int64_t number, mark;
    bool is_fencing;
    struct defer pump;
    struct timer deadline;
};

static struct store_req *req_of(struct list *n)
{
    return list_entry(n, struct store_req, worker_link);
}

static void pump(void *ctx);

static void pump_later(struct pg_port *p)
{
    loop_defer(p->loop, &p->pump);
}

static void requeue(struct pg_port *p, struct list *reqs)
{
    list_splice(reqs, &p->queue);
    list_splice(&p->queue, reqs);
    pump_later(p);
}

static void answer_all(struct list *reqs, enum err e)
{
    for (struct list *n; (n = list_shift(reqs));) {
        req_of(n)->err = e;
        store_req_return(req_of(n));
    }
}

/* ---- sending */

static struct unit *unit_new(struct pg_port *p, enum unit_kind kind)
{
    struct unit *u = mem_alloc(sizeof *u);
    u->kind = kind;
    u->due_us = loop_now_us(p->loop) + p->target->timeout_ms * 1000;
    list_init(&u->reqs);
    list_push(&p->sent, &u->link);
    return u;
}

static int compare_locks(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The locks of all owners of a group in one order everywhere: two groups never wait for each other.
 */
static void send_begin(struct pg_port *p, struct unit *u)
{
    int64_t locks[GROUP_MAX];
    size_t n = 0;
    struct buf list;
    struct pg_args a = {.n = 0};
    list_each (&u->reqs, i)
        locks[n++] = pg_lock_key(req_of(i));
    qsort(locks, n, sizeof locks[0], compare_locks);
    buf_init(&list, (size_t)GROUP_MAX * LOCK_DIGITS);
    for (size_t i = 0; i < n; i++)
        if (!i || locks[i] != locks[i - 1])
            buf_printf(&list, "%c%" PRId64, i ? ',' : '{', locks[i]);
    buf_char(&list, '}');
    buf_char(&list, '\0');
    must(buf_ok(&list));
    pg_add_i64(&a, pg_conn_session(p->conn));
    pg_add_i64(&a, u->number);
    a.values[a.n++] = list.p; /* as text */
    pg_conn_send(p->conn, PG_GROUP_BEGIN, &a);
    buf_fini(&list);
}

static void send_group(struct pg_port *p, struct list *writes)
{
    struct unit *u = p->group = unit_new(p, UNIT_GROUP);
    u->number = ++p->number;
    u->session = pg_conn_session(p->conn);
    u->pid = pg_conn_pid(p->conn);
    u->statements_left = 1;
    list_splice(&u->reqs, writes);
    send_begin(p, u);
    list_each (&u->reqs, n) {
        struct store_req *r = req_of(n);
        pg_answer_begin(r);
        r->answer.count = pg_send_write(p->conn, r, ++p->mark); /* until its turn comes */
    }
    pg_conn_sync(p->conn);
}

static void send_read(struct pg_port *p, struct store_req *r)
{
    struct unit *u = unit_new(p, UNIT_READ);
    list_push(&u->reqs, &r->worker_link);
    u->at = r;
    pg_answer_begin(r);
    u->statements_left = pg_send_read(p->conn, r);
    pg_conn_sync(p->conn);
    p->n_reads++;
}

static void send_fence(struct pg_port *p)
{
    char app[PG_APP_NAME_SIZE];
    struct pg_args a = {.n = 0}, b = {.n = 0};
    pg_app_name(p->doubt.session, app);
    pg_add_i64(&a, p->doubt.pid);
    pg_add_str(&a, str_of(app));
    pg_add_i64(&b, p->doubt.session);
    p->is_fencing = true;
    unit_new(p, UNIT_FENCE_OLD)->statements_left = 1;
    pg_conn_send(p->conn, PG_FENCE_OLD, &a);
    pg_conn_sync(p->conn);
    unit_new(p, UNIT_FENCE)->statements_left = 1;
    pg_conn_send(p->conn, PG_FENCE, &b);
    pg_conn_sync(p->conn);
}

/* What waits, in its order: writes into the group, reads beside it, until one of them is full. */
static void collect(struct pg_port *p, struct list *writes, struct list *reads)
{
    size_t bytes = 0, n_writes = 0, n_reads = p->n_reads;
    while (!list_empty(&p->queue)) {
        struct store_req *r = req_of(list_first(&p->queue));
        bool is_write = r->verb >= VERB_COMMIT;
        size_t size = arena_used(r->arena);
        if (is_write ? n_writes >= p->group_max || (n_writes && bytes + size > GROUP_BYTES_MAX)
                     : n_reads >= READS_MAX)
            break;
        list_del(&r->worker_link);
        list_push(is_write ? writes : reads, &r->worker_link);
        if (is_write) {
            n_writes++;
            bytes += size;
        } else {
            n_reads++;
        }
    }
}

static void pump(void *ctx)
{
    struct pg_port *p = ctx;
    struct list writes, reads;
    if (!pg_conn_is_up(p->conn) || p->group || p->is_fencing)
        return;
    if (p->doubt.is_open) {
        send_fence(p);
        return;
    }
    list_init(&writes);
    list_init(&reads);
    collect(p, &writes, &reads);
    if (!list_empty(&writes))
        send_group(p, &writes);
    for (struct list *n; (n = list_shift(&reads));)
        send_read(p, req_of(n));
}

/* ---- deadlines: all have the same time, so the oldest of each place is its first */

static void oldest(struct list *reqs, uint64_t *due_us)
{
    struct list *n = list_first(reqs);
    if (n && req_of(n)->deadline_us < *due_us)
        *due_us = req_of(n)->deadline_us;
}

static uint64_t sent_due_us(struct pg_port *p)
{
    struct list *n = list_first(&p->sent);
    return n ? list_entry(n, struct unit, link)->due_us : UINT64_MAX;
}

static void arm(struct pg_port *p)
{
    uint64_t due_us = sent_due_us(p), now_us = loop_now_us(p->loop);
    oldest(&p->queue, &due_us);
    oldest(&p->doubt.reqs, &due_us);
    if (due_us != UINT64_MAX)
        timer_start(&p->deadline, due_us > now_us ? (due_us - now_us + 999) / 1000 : 0);
}

static size_t expire(struct pg_port *p, struct list *reqs, enum err e)
{
    size_t n_expired = 0;
    list_each (reqs, n) {
        struct store_req *r = req_of(n);
        if (r->deadline_us > loop_now_us(p->loop))
            continue;
        list_del(n);
        r->err = e;
        store_req_return(r);
        n_expired++;
    }
    return n_expired;
}

static void on_deadline(void *ctx)
{
    struct pg_port *p = ctx;
    if (sent_due_us(p) <=
        loop_now_us(p->loop)) /* what was under way is in the queue and in doubt then */
        pg_conn_drop(p->conn, ERR_TIMEOUT, "no answer in time");
    size_t unsent = expire(p, &p->queue, ERR_UNAVAILABLE);
    size_t unsure = expire(p, &p->doubt.reqs, ERR_TIMEOUT);
    if (unsent || unsure)
        log_warn(NULL, "store.pg.expired", "unsent", LOG_NUM(unsent), "unsure", LOG_NUM(unsure));
    arm(p);
}

/* ---- results */

static struct unit *first_unit(struct pg_port *p)
{
    struct list *n = list_first(&p->sent);
    must(n); /* the connection counts what it expects */
    return list_entry(n, struct unit, link);
}

static void unit_failed(struct unit *u, const PGresult *r)
{
    char text[256];
    u->err = pg_error(r);
    u->is_failed = true;
    u->culprit = u->at;
    u->is_shared_failure = u->err == ERR_AGAIN || !u->at;
    if (u->kind == UNIT_FENCE_OLD || u->err == ERR_CONFLICT || u->err == ERR_EXISTS)
        return;
    pg_error_text(r, text, sizeof text);
    log_error(NULL, "store.pg.failed", "reason", text);
}

static void on_result(void *ctx, const PGresult *r)
{
    struct pg_port *p = ctx;
    struct unit *u = first_unit(p);
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_FATAL_ERROR && !u->is_failed)
        unit_failed(u, r);
    if ((status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK) || u->is_failed)
        return; /* a command without rows; or skipped behind a failure */
    if (u->kind == UNIT_FENCE && PQntuples(r) == 1)
        u->is_committed = pg_column_i64(r, 0, 0) >= p->doubt.number;
    else if (u->at)
        pg_answer_add(u->at, r);
}

static void on_over(void *ctx)
{
    struct unit *u = first_unit(ctx);
    if (u->kind != UNIT_GROUP || --u->statements_left > 0)
        return;
    do { /* the next request with statements */
        struct list *n = u->at ? u->at->worker_link.next : u->reqs.next;
        if (n == &u->reqs) {
            u->at = NULL;
            return;
        }
        u->at = req_of(n);
        u->statements_left = (unsigned)u->at->answer.count;
        u->at->answer.count = 0;
    } while (!u->statements_left);
}

/* One request is to blame and answered; or something all share went wrong, and a group of one is.
 */
static void group_failed(struct pg_port *p, struct unit *u)
{
    struct store_req *r = u->culprit;
    struct list again, *first = list_first(&u->reqs);
    if (u->is_shared_failure)
        r = u->err != ERR_AGAIN && first->next == &u->reqs ? req_of(first) : NULL;
    if (r) {
        list_del(&r->worker_link);
        r->err = u->err;
        store_req_return(r);
    }
    p->group_max = p->group_max > 1 ? p->group_max / 2 : 1;
    list_init(&again);
    list_splice(&again, &u->reqs);
    list_each (&p->sent, n) { /* the reads behind it saw too little: what they bring is forgotten */
        struct unit *read = list_entry(n, struct unit, link);
        list_splice(&again, &read->reqs);
        read->at = NULL;
    }
    requeue(p, &again);
}

static void group_done(struct pg_port *p, struct unit *u)
{
    p->group = NULL;
    if (u->is_failed) {
        group_failed(p, u);
    } else {
        if (p->group_max < GROUP_MAX)
            p->group_max *= 2;
        for (struct list *n; (n = list_shift(&u->reqs));)
            store_req_return(req_of(n)); /* leases have an err of their own */
    }
    pump_later(p);
}

static void read_done(struct pg_port *p, struct unit *u)
{
    p->n_reads--;
    for (struct list *n; (n = list_shift(&u->reqs));) {
        struct store_req *r = req_of(n);
        if (u->is_failed)
            r->err = u->err == ERR_AGAIN ? ERR_IO : u->err;
        else if (r->inject)
            r->err = ERR_IO;
        else
            pg_answer_end(r);
        store_req_return(r);
    }
    if (!list_empty(&p->queue))
        pump_later(p);
}

static void fence_done(struct pg_port *p, struct unit *u)
{
    struct doubt *d = &p->doubt;
    p->is_fencing = false;
    if (u->is_failed) {
        pump_later(p); /* the old process still has the row: again, until the deadlines */
        return;
    }
    log_info(NULL, "store.pg.recovered", "committed", u->is_committed ? "yes" : "no");
    d->is_open = false;
    list_each (&d->reqs, n) {
        if (!u->is_committed || req_of(n)->verb != VERB_COMMIT)
            continue; /* again; a lease may be asked for twice */
        list_del(n);
        req_of(n)->err = ERR_OK;
        store_req_return(req_of(n));
    }
    requeue(p, &d->reqs);
}

static void on_sync(void *ctx)
{
    struct pg_port *p = ctx;
    struct unit *u = first_unit(p);
    list_del(&u->link);
    switch (u->kind) {
    case UNIT_READ:
        read_done(p, u);
        break;
    case UNIT_GROUP:
        group_done(p, u);
        break;
    case UNIT_FENCE:
        fence_done(p, u);
        break;
    case UNIT_FENCE_OLD:
        break;
    }
    mem_free(u);
}

static void on_up(void *ctx)
{
    pump_later(ctx);
}

static void doubt_open(struct pg_port *p, struct unit *group)
{
    struct doubt *d = &p->doubt;
    d->is_open = true;
    d->number = group->number;
    d->session = group->session;
    d->pid = group->pid;
    list_splice(&d->reqs, &group->reqs);
    p->group = NULL;
}

static void on_down(void *ctx, enum err e, const char *why)
{
    struct pg_port *p = ctx;
    struct list reads;
    (void)e, (void)why;
    list_init(&reads);
    for (struct list *n; (n = list_shift(&p->sent));) {
        struct unit *u = list_entry(n, struct unit, link);
        if (u->kind == UNIT_GROUP)
            doubt_open(p, u);
        list_splice(&reads, &u->reqs);
        mem_free(u);
    }
    p->n_reads = 0;
    p->is_fencing = false;
    requeue(p, &reads);
}

/* ---- port */

void pg_port_submit(void *port, struct store_req *r)
{
    struct pg_port *p = port;
    r->deadline_us = loop_now_us(p->loop) + p->target->timeout_ms * 1000;
    list_push(&p->queue, &r->worker_link);
    if (!timer_running(&p->deadline))
        arm(p);
    pump_later(p);
}

void *pg_port_open(void *db, struct loop *l)
{
    static const struct pg_conn_events events = {on_up, on_down, on_result, on_over, on_sync};
    struct pg_db *d = db;
    struct pg_port *p = mem_alloc(sizeof *p);
    p->loop = l;
    p->target = d->target;
    p->group_max = GROUP_MAX;
    p->mark = (int64_t)(rand_u64() >> 1);
    list_init(&p->queue);
    list_init(&p->sent);
    list_init(&p->doubt.reqs);
    defer_init(&p->pump, pump, p);
    timer_init(&p->deadline, l, on_deadline, p);
    p->conn = pg_conn_open(l, d->target, d->names, &events, p);
    return p;
}

static bool has_writes(struct pg_port *p)
{
    list_each (&p->queue, n)
        if (req_of(n)->verb >= VERB_COMMIT)
            return true;
    return p->group != NULL;
}

/* What was asked is done, as far as a server that is there does it in time. */
static void finish(struct pg_port *p)
{
    uint64_t end_us = clock_mono_us() + (uint64_t)CLOSE_MS * 1000;
    while (has_writes(p) && pg_conn_is_up(p->conn) && clock_mono_us() < end_us) {
        pump(p);
        pg_conn_serve(p->conn, CLOSE_STEP_MS);
    }
}

void pg_port_close(void *port)
{
    struct pg_port *p = port;
    finish(p);
    pg_conn_close(&p->conn);
    for (struct list *n; (n = list_shift(&p->sent));) {
        struct unit *u = list_entry(n, struct unit, link);
        answer_all(&u->reqs, ERR_CLOSED);
        mem_free(u);
    }
    answer_all(&p->queue, ERR_CLOSED);
    answer_all(&p->doubt.reqs, ERR_CLOSED);
    defer_cancel(&p->pump);
    timer_stop(&p->deadline);
    mem_free(p);
}
