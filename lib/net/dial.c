/* Connect to the first target that answers.
 *
 * Role: pulls targets from a source one by one, starts attempts 250 ms apart (or at once when one
 * fails), keeps the first that connects and aborts the rest. Works on any platform through
 * net_connect. Invariants: the source is asked again only after it answered; the user is called
 * once, and never from within dial_open or from within the source's own answer. Standards: RFC 8305
 * section 5. */
#include "lib/net/dial.h"
#include "lib/loop/timer.h"
#include "lib/net/net-int.h"

#define DIAL_STEP_MS 250
#define DIAL_UNIX_MS 5000

enum dial_asking {
    DIAL_IDLE,    /* may be asked */
    DIAL_WAITING, /* next called, answer to come */
    DIAL_DRY,     /* nothing more will come */
};

struct dial {
    struct op op;
    struct loop *loop;
    struct dial_source src; /* ops NULL: closed, or none (unix) */
    enum dial_asking asking;
    struct list attempts;
    struct timer step, deadline;
    struct defer fail;
    enum err error; /* why it will have failed */

    struct dial_result result;
    dial_done *done;
    void *ctx;
};

struct attempt {
    struct list link;
    struct dial *dial;
    struct transport *t;
    struct dial_target target;
};

static void dial_ask(struct dial *d);

static void attempt_free(struct attempt *a)
{
    list_del(&a->link);
    transport_abort(&a->t);
    mem_free(a);
}

static void dial_stop(struct dial *d)
{
    struct list *n;
    timer_stop(&d->step);
    timer_stop(&d->deadline);
    defer_cancel(&d->fail);
    while ((n = list_first(&d->attempts)))
        attempt_free(list_entry(n, struct attempt, link));
    if (d->src.ops)
        d->src.ops->close(d->src.src);
    d->src.ops = NULL;
}

static void dial_cancel(struct op *op)
{
    struct dial *d = container_of(op, struct dial, op);
    dial_stop(d);
    mem_free(d);
}

static void dial_finish(struct dial *d, enum err e, struct transport *t)
{
    dial_stop(d);
    op_end(&d->op);
    d->done(d->ctx, e, t, &d->result);
    mem_free(d);
}

static void dial_failed(void *ctx)
{
    struct dial *d = ctx;
    dial_finish(d, d->error, NULL);
}

static void dial_why(struct dial *d, const struct dial_target *t, enum err e)
{
    char text[ADDR_TEXT_MAX];
    const char *where = t->addr.family == ADDR_NONE ? t->name : addr_format(text, &t->addr);
    snprintf(d->result.why, sizeof d->result.why, "%.100s: %s", where, err_text(e));
    d->result.target = *t;
    d->error = e;
}

static void dial_tell(struct dial *d, const struct dial_target *t, enum err e)
{
    if (d->src.ops && d->src.ops->outcome)
        d->src.ops->outcome(d->src.src, &t->addr, e);
}

/* After a step: go on, wait, or give up when nothing is left. */
static void dial_next(struct dial *d)
{
    if (d->asking == DIAL_IDLE)
        dial_ask(d);
    else if (d->asking == DIAL_DRY && list_empty(&d->attempts))
        loop_defer(d->loop, &d->fail);
}

static void attempt_ready(void *ctx)
{
    struct attempt *a = ctx;
    struct dial *d = a->dial;
    struct transport *t = a->t;

    a->t = NULL;
    d->result.target = a->target;
    dial_tell(d, &a->target, ERR_OK);
    transport_set_events(t, NULL, NULL);
    net_announce(t);
    dial_finish(d, ERR_OK, t);
}

static void attempt_end(void *ctx, enum err why)
{
    struct attempt *a = ctx;
    struct dial *d = a->dial;

    dial_why(d, &a->target, why);
    dial_tell(d, &a->target, why);
    attempt_free(a);
    timer_stop(&d->step);
    dial_next(d);
}

static void dial_attempt(struct dial *d, const struct dial_target *target, struct transport *t)
{
    static const struct transport_events events = {.ready = attempt_ready, .end = attempt_end};
    struct attempt *a = mem_alloc(sizeof *a);
    a->dial = d;
    a->target = *target;
    a->t = t;
    list_push(&d->attempts, &a->link);
    d->result.attempts++;
    transport_set_events(t, &events, a);
}

static void dial_answer(void *ctx, enum err e, const struct dial_target *target)
{
    struct dial *d = ctx;

    if (e == ERR_OK) {
        d->asking = DIAL_IDLE;
        dial_attempt(d, target, net_connect(d->loop, &target->addr));
        timer_start(&d->step, DIAL_STEP_MS);
        return;
    }
    d->asking = DIAL_DRY;
    if (d->result.attempts == 0) {
        d->error = e == ERR_EOF ? ERR_UNREACHABLE : e == ERR_TIMEOUT ? ERR_DNS_TIMEOUT : e;
        str_put(d->result.why, sizeof d->result.why,
                e == ERR_EOF ? "no address to connect to" : err_text(d->error));
    }
    dial_next(d);
}

static void dial_ask(struct dial *d)
{
    d->asking = DIAL_WAITING;
    d->src.ops->next(d->src.src, dial_answer, d);
}

static void dial_step(void *ctx)
{
    struct dial *d = ctx;
    dial_next(d);
}

static void dial_deadline(void *ctx)
{
    struct dial *d = ctx;
    struct list *n = list_first(&d->attempts);
    if (n)
        dial_why(d, &list_entry(n, struct attempt, link)->target, ERR_TIMEOUT);
    else if (d->result.attempts == 0)
        snprintf(d->result.why, sizeof d->result.why, "no address found in time");
    dial_finish(d, d->result.attempts ? ERR_TIMEOUT : ERR_DNS_TIMEOUT, NULL);
}

static struct dial *dial_new(struct loop *l, struct op_owner *o, dial_done *done, void *ctx)
{
    struct dial *d = mem_alloc(sizeof *d);
    d->loop = l;
    d->done = done;
    d->ctx = ctx;
    list_init(&d->attempts);
    timer_init(&d->step, l, dial_step, d);
    timer_init(&d->deadline, l, dial_deadline, d);
    defer_init(&d->fail, dial_failed, d);
    op_start(&d->op, o, dial_cancel);
    return d;
}

struct op *dial_open(struct loop *l, struct op_owner *o, struct dial_source src,
                     uint64_t deadline_ms, dial_done *done, void *ctx)
{
    struct dial *d = dial_new(l, o, done, ctx);
    d->src = src;
    timer_start(&d->deadline, deadline_ms);
    dial_ask(d);
    return &d->op;
}

struct op *dial_unix(struct loop *l, struct op_owner *o, const char *path, dial_done *done,
                     void *ctx)
{
    struct dial *d = dial_new(l, o, done, ctx);
    struct dial_target target = {.addr = {.family = ADDR_NONE}};

    str_put(target.name, sizeof target.name, path);
    d->asking = DIAL_DRY;
    timer_start(&d->deadline, DIAL_UNIX_MS);
    dial_attempt(d, &target, net_connect_unix(l, path));
    return &d->op;
}

/* The fixed source: a copied list, answered from a deferred call. */
struct fixed {
    struct loop *loop;
    struct defer answer;
    void (*cb)(void *ctx, enum err e, const struct dial_target *t);
    void *cb_ctx;
    size_t n, at;
    struct dial_target targets[];
};

static void fixed_answer(void *ctx)
{
    struct fixed *f = ctx;
    if (f->at < f->n)
        f->cb(f->cb_ctx, ERR_OK, &f->targets[f->at++]);
    else
        f->cb(f->cb_ctx, ERR_EOF, NULL);
}

static void fixed_next(void *src, void (*cb)(void *ctx, enum err e, const struct dial_target *t),
                       void *ctx)
{
    struct fixed *f = src;
    f->cb = cb;
    f->cb_ctx = ctx;
    loop_defer(f->loop, &f->answer);
}

static void fixed_close(void *src)
{
    struct fixed *f = src;
    defer_cancel(&f->answer);
    mem_free(f);
}

struct dial_source dial_source_fixed(struct loop *l, const struct dial_target *targets, size_t n)
{
    static const struct dial_source_ops ops = {.next = fixed_next, .close = fixed_close};
    struct fixed *f = mem_alloc(sizeof *f + n * sizeof *targets);

    f->loop = l;
    f->n = n;
    if (n)
        memcpy(f->targets, targets, n * sizeof *targets);
    defer_init(&f->answer, fixed_answer, f);
    return (struct dial_source){.ops = &ops, .src = f};
}
