/* The part of a loop that does not depend on the platform: names, the turn's time, deferred calls,
 * arrived mail. Each queue is run up to what it held when its phase began (mail: up to a fixed
 * count), so callbacks that queue themselves again cannot keep a turn from ending. */
#include "lib/base/clock.h"
#include "lib/loop/loop-int.h"

struct loop_stats *loop_stats(struct loop *l)
{
    return &loop_core(l)->stats;
}

void loop_core_init(struct loop_core *c, const char *name, unsigned index,
                    uint64_t (*shuffle)(uint64_t bound))
{
    c->name = mem_strdup(name);
    c->index = index;
    c->has_now = false;
    c->mail_first = c->mail_last = NULL;
    list_init(&c->defers);
    wheel_init(&c->wheel, clock_mono_us() / 1000, shuffle);
}

size_t loop_core_fini(struct loop_core *c)
{
    size_t left = wheel_fini(&c->wheel);
    while (list_shift(&c->defers))
        left++;
    mem_free(c->name);
    c->name = NULL;
    return left;
}

const char *loop_name(const struct loop *l)
{
    return loop_core(l)->name;
}

unsigned loop_index(const struct loop *l)
{
    return loop_core(l)->index;
}

uint64_t loop_now_us(const struct loop *l)
{
    struct loop_core *c = loop_core(l);
    if (!c->has_now) {
        c->now_us = clock_mono_us();
        c->has_now = true;
    }
    return c->now_us;
}

void defer_init(struct defer *d, void (*fn)(void *ctx), void *ctx)
{
    list_init(&d->link);
    d->fn = fn;
    d->ctx = ctx;
}

void loop_defer(struct loop *l, struct defer *d)
{
    check(loop_is_mine(l));
    if (!list_linked(&d->link))
        list_push(&loop_core(l)->defers, &d->link);
}

void defer_cancel(struct defer *d)
{
    list_del(&d->link);
}

void loop_run_timers(struct loop_core *c)
{
    wheel_advance(&c->wheel, clock_mono_us() / 1000);
    wheel_fire(&c->wheel);
}

void loop_run_defers(struct loop_core *c)
{
    struct list batch;
    list_init(&batch);
    list_splice(&batch, &c->defers);
    for (struct list *n; (n = list_shift(&batch));) {
        struct defer *d = list_entry(n, struct defer, link);
        d->fn(d->ctx);
    }
}

void loop_queue_mail(struct loop_core *c, struct mail *m)
{
    m->next = NULL;
    if (c->mail_last)
        c->mail_last->next = m;
    else
        c->mail_first = m;
    c->mail_last = m;
}

static struct mail *shift_mail(struct loop_core *c)
{
    struct mail *m = c->mail_first;
    if (m) {
        c->mail_first = m->next;
        if (!m->next)
            c->mail_last = NULL;
        m->next = NULL;
    }
    return m;
}

void loop_run_mail(struct loop_core *c)
{
    struct mail *m;
    for (int left = LOOP_MAILS_PER_TURN; left > 0 && (m = shift_mail(c)); left--)
        m->fn(m);
}

size_t loop_drop_queued(struct loop_core *c)
{
    size_t n = 0;
    for (struct mail *m; (m = shift_mail(c)); n++)
        if (m->drop)
            m->drop(m);
    return n;
}

bool loop_busy(const struct loop_core *c)
{
    return c->mail_first || !list_empty(&c->defers) || !list_empty(&c->wheel.due);
}

void loop_die(const struct loop *l, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "loop %s: %s", loop_name(l), what);
    panic_at(__FILE__, __LINE__, text);
}
