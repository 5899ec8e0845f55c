/* DOC: clients that are silent are asked whether they are there ([modules.ping] interval), and who
 * does not answer is closed. Anything a client sends counts as a sign of life, an error to the ping
 * too. Connections are looked at in turn, a slice of them at a time, so that it costs each loop
 * little and the connection a few bytes: the list is turned round like a wheel. What a time means
 * is therefore late by up to the time of a round, a quarter of the shorter of interval and timeout.
 * Standards: XEP-0199 section 4.1 (server to client). */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "node/c2s/c2s-int.h"

enum { SLICES = 16, ROUNDS = 4, SLICE_MS_MIN = 20 };

static uint64_t slice_ms(const struct node_conf *c)
{
    uint64_t least =
        c->ping_interval_ms < c->ping_timeout_ms ? c->ping_interval_ms : c->ping_timeout_ms;
    uint64_t ms = least / ROUNDS / SLICES;
    return ms > SLICE_MS_MIN ? ms : SLICE_MS_MIN;
}

static void ping(struct conn *c)
{
    char id[RAND_ID_LEN + 1];
    struct stanza_build b;
    struct jid domain = jid_to_domain(&c->jid);
    stanza_build(&b, STANZA_IQ, IQ_GET, &domain, &c->jid, str_of(rand_id(id)));
    xml_add(b.arena, b.el, NS_PING, "ping");
    conn_reply(c, stanza_finish(&b));
}

static void look_at(struct conn *c, const struct node_conf *conf, uint64_t now_ms)
{
    struct conn_idle *i = &c->idle;
    const bool is_held = c->stream && stream_in_is_held(c->stream); /* it is we who do not listen */
    if (c->state != CONN_BOUND || i->is_heard || is_held || !i->since_ms) {
        *i = (struct conn_idle){.since_ms = now_ms};
        return;
    }
    uint64_t silent_ms = now_ms - i->since_ms;
    if (!i->is_pinged && silent_ms >= conf->ping_interval_ms) {
        i->is_pinged = true;
        i->since_ms = now_ms;
        ping(c);
    } else if (i->is_pinged && silent_ms >= conf->ping_timeout_ms) {
        log_info(NULL, "c2s.silent", "jid", LOG_STR(c->jid.full));
        if (!conn_sm_cut(c))
            conn_close(c, STREAM_CONNECTION_TIMEOUT, "no answer to a ping");
    }
}

static void look_at_slice(void *ctx)
{
    struct c2s_set *s = ctx;
    const struct node_conf *conf = s->sh->node->conf;
    uint64_t now_ms = clock_mono_us() / 1000;
    for (size_t todo = (s->n + SLICES - 1) / SLICES; todo > 0; todo--) {
        struct list *n = list_shift(&s->conns);
        list_push(&s->conns, n);
        look_at(list_entry(n, struct conn, link), conf, now_ms);
    }
    if (s->n)
        timer_start(&s->idle, slice_ms(conf));
}

void c2s_idle_init(struct c2s_set *s)
{
    timer_init(&s->idle, s->sh->loop, look_at_slice, s);
}

void c2s_idle_watch(struct c2s_set *s)
{
    if (s->sh->node->conf->ping_interval_ms && !timer_running(&s->idle))
        timer_start(&s->idle, slice_ms(s->sh->node->conf));
}
