/* DOC: clients are sent to another host: sessions end one after the other over a time, so that the
 * other host does not get all at once; who comes meanwhile is told once his stream is secured, or,
 * where there is no TLS, once he is authenticated. A session that ends so cannot be resumed here:
 * what was not acknowledged goes back to its anchor. Standards: RFC 6120 section 4.9.3.19. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "node/c2s/c2s-int.h"

enum { DRAIN_STEP_MS = 100 };

struct c2s_drain {
    char *to; /* host, or host:port */
    struct timer step;
    uint64_t n;        /* who was there when it began, */
    uint64_t over_ms;  /* and the time they have, */
    uint64_t until_ms; /* which ends then, monotonic */
};

static uint64_t now_ms(void)
{
    return clock_mono_us() / 1000;
}

static void send_away(struct conn *c)
{
    c->sh->stats.c2s_redirected++;
    conn_close(c, STREAM_SEE_OTHER_HOST, c->sh->c2s->drain->to);
}

/* Sessions, and who is about to have one; the others are told at their next step. */
static bool is_due(const struct conn *c)
{
    return c->state == CONN_UNBOUND || conn_is_session(c);
}

static size_t count_due(const struct c2s_set *s)
{
    size_t n = 0;
    list_each ((struct list *)(uintptr_t)&s->conns, node)
        n += is_due(list_entry(node, struct conn, link));
    return n;
}

/* How many may still be here. */
static uint64_t left_of(const struct c2s_drain *d)
{
    const uint64_t now = now_ms();
    if (now >= d->until_ms)
        return 0;
    return (d->n * (d->until_ms - now) + d->over_ms - 1) / d->over_ms;
}

static void drain_step(void *ctx)
{
    struct c2s_set *s = ctx;
    const uint64_t there = count_due(s), left = left_of(s->drain);
    uint64_t share = there > left ? there - left : 0;
    list_each (&s->conns, node) {
        struct conn *c = list_entry(node, struct conn, link);
        if (!share)
            break;
        if (!is_due(c))
            continue;
        send_away(c);
        share--;
    }
    timer_start(&s->drain->step, DRAIN_STEP_MS);
}

bool conn_redirect(struct conn *c, bool is_secure, bool is_authenticated)
{
    if (!c->sh->c2s->drain || !(is_secure || is_authenticated))
        return false;
    send_away(c);
    return true;
}

void c2s_drain(struct node_shard *sh, const char *to, uint64_t over_ms)
{
    struct c2s_set *s = sh->c2s;
    c2s_drain_end(sh);
    s->drain = mem_alloc(sizeof *s->drain);
    s->drain->to = mem_strdup(to);
    s->drain->n = count_due(s);
    s->drain->over_ms = over_ms;
    s->drain->until_ms = now_ms() + over_ms;
    timer_init(&s->drain->step, sh->loop, drain_step, s);
    timer_start(&s->drain->step, 0);
}

void c2s_drain_end(struct node_shard *sh)
{
    struct c2s_drain **d = &sh->c2s->drain;
    if (!*d)
        return;
    timer_stop(&(*d)->step);
    mem_free((*d)->to);
    mem_free(*d);
    *d = NULL;
}

const char *c2s_drains_to(const struct node_shard *sh)
{
    return sh->c2s->drain ? sh->c2s->drain->to : NULL;
}
