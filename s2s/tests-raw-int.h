#ifndef S2S_TESTS_RAW_INT_H
#define S2S_TESTS_RAW_INT_H
/* A raw server: how far does it play along? */
#include "s2s/tests-world-int.h"

enum raw_step {
    RAW_HEADER, /* the step it does not take any more */
    RAW_FEATURES,
    RAW_PROCEED,
    RAW_HANDSHAKE,
    RAW_TLS_HEADER,
    RAW_TLS_FEATURES,
    RAW_SASL,
    RAW_SASL_HEADER, /* EXTERNAL accepted */
    RAW_SASL_FEATURES,
    RAW_ACKS,     /* EXTERNAL accepted, stream management offered */
    RAW_DIALBACK, /* EXTERNAL refused */
    RAW_ALL,      /* EXTERNAL refused, dialback accepted */
    RAW_STEPS
};
enum raw_how { /* what it does instead */
               RAW_STALLS,
               RAW_CUTS,  /* the connection */
               RAW_FAILS, /* with a stream error */
               RAW_HOWS
};
struct raw {
    int i;
    struct loop *loop;
    struct listener *listener;
    enum raw_step stop;
    enum raw_how how;
    const char *features; /* of the authenticated stream */
    const char *offer;    /* beside what every stream over TLS has */
    const char *answer;   /* to db:result, instead of valid */
    const char *enabled;  /* to <enable/> */
    const char *acks;     /* to <r/> */
    bool external;        /* accepted, whatever the step */
    bool is_direct;       /* TLS from the first byte */
    bool hates_haste;     /* ends a stream on which something is ahead of its features */
    struct transport *t;
    struct buf in;
    bool is_tls, is_sasl_done;
    unsigned connections;
    size_t stanzas;
};

static inline void raw_say(struct raw *r, const char *text)
{
    if (r->t)
        transport_send(r->t, str_of(text));
}
static inline bool raw_had(struct raw *r, const char *what)
{
    struct str all = buf_view(&r->in);
    const char *at = all.n ? memmem(all.p, all.n, what, strlen(what)) : NULL;
    if (at)
        buf_consume(&r->in, (size_t)(at - all.p) + strlen(what));
    return at != NULL;
}
static inline void raw_fail(struct raw *r)
{
    raw_say(r, "<stream:error><internal-server-error "
               "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
    if (r->t)
        transport_close(&r->t);
}
static inline bool raw_stops(struct raw *r, enum raw_step step)
{
    if (r->stop != step)
        return false;
    if (r->how == RAW_FAILS && step != RAW_HEADER)
        raw_fail(r);
    else if (r->how != RAW_STALLS && r->t)
        transport_close(&r->t);
    return true;
}
static inline void raw_header(struct raw *r)
{
    enum raw_step header = r->is_sasl_done ? RAW_SASL_HEADER
                           : r->is_tls     ? RAW_TLS_HEADER
                                           : RAW_HEADER;
    char text[400];
    if (raw_stops(r, header))
        return;
    if (r->hates_haste && r->is_tls && !r->is_sasl_done && r->in.n > 0 &&
        memmem(r->in.p, r->in.n, "<auth", 5)) {
        buf_clear(&r->in);
        raw_fail(r);
        return;
    }
    snprintf(text, sizeof text,
             "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
             "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' "
             "from='d%d.test' id='raw%u' version='1.0'>",
             r->i, r->connections);
    raw_say(r, text);
    if (raw_stops(r, header + 1))
        return;
    if (r->is_sasl_done)
        raw_say(r, r->stop == RAW_ACKS
                       ? "<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>"
                       : r->features);
    else if (r->is_tls) {
        raw_say(r, "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                   "<mechanism>EXTERNAL</mechanism></mechanisms>"
                   "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>");
        raw_say(r, r->offer);
        raw_say(r, "</stream:features>");
    } else
        raw_say(r, "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>"
                   "<required/></starttls></stream:features>");
}
static inline void raw_take(struct raw *r, struct transport *t);
/* True: the connection has another shape now. */
static inline bool raw_tls(struct raw *r)
{
    if (raw_stops(r, RAW_PROCEED))
        return true;
    raw_say(r, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    r->is_tls = true;
    buf_clear(&r->in);
    if (!raw_stops(r, RAW_HANDSHAKE)) {
        struct transport *t = r->t;
        raw_take(r, tls_server(&t, good_in[r->i]));
    }
    return true;
}
static inline void raw_auth(struct raw *r)
{
    if (raw_stops(r, RAW_SASL))
        return;
    r->is_sasl_done = r->external || r->stop < RAW_DIALBACK;
    raw_say(r, r->is_sasl_done ? "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
                               : "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                                 "<not-authorized/></failure>");
}
static inline void raw_data(void *ctx, struct str bytes)
{
    struct raw *r = ctx;
    buf_str(&r->in, bytes);
    if (raw_had(r, "<stream:stream"))
        raw_header(r);
    if (raw_had(r, "xmpp-tls'/>") && raw_tls(r))
        return;
    if (raw_had(r, "<auth"))
        raw_auth(r);
    if (raw_had(r, "</db:result>") && !raw_stops(r, RAW_DIALBACK))
        raw_say(r, r->answer);
    if (raw_had(r, "<enable") && !raw_stops(r, RAW_ACKS))
        raw_say(r, r->enabled);
    while (raw_had(r, "</message>"))
        r->stanzas++;
    if (raw_had(r, "<r "))
        raw_say(r, r->acks);
    if (raw_had(r, "</stream:stream>") && r->t)
        raw_say(r, "</stream:stream>");
}
static inline void raw_end(void *ctx, enum err why UNUSED)
{
    struct raw *r = ctx;
    transport_close(&r->t);
}
static inline void raw_take(struct raw *r, struct transport *t)
{
    static const struct transport_events events = {.data = raw_data, .end = raw_end};
    r->t = t;
    transport_set_events(t, &events, r);
}
static inline void raw_accept(void *ctx, struct transport *t)
{
    struct raw *r = ctx;
    if (r->t)
        transport_abort(&r->t);
    r->is_tls = r->is_direct;
    r->is_sasl_done = false;
    buf_clear(&r->in);
    r->connections++;
    if (r->is_direct) {
        struct transport *lower = t;
        t = tls_server(&lower, good_in[r->i]);
    }
    raw_take(r, t);
}
/* In place of host i, which must not listen. */
static inline void raw_begin(struct raw *r, struct world *w, int i, enum raw_step stop)
{
    struct addr at = host_addr(i);
    *r = (struct raw){.i = i, .loop = w->h[i].loop, .stop = stop};
    r->features = "<stream:features/>";
    r->offer = r->enabled = r->acks = "";
    r->answer = "<db:result from='d1.test' to='d0.test' type='valid'/>";
    buf_init(&r->in, 1 << 20);
    if (w->h[i].listener)
        listener_close(&w->h[i].listener);
    assert_int_equal(listener_open(r->loop, &at, raw_accept, r, &r->listener), ERR_OK);
}
static inline void raw_finish(struct raw *r)
{
    if (r->t)
        transport_abort(&r->t);
    listener_close(&r->listener);
    buf_fini(&r->in);
}
#endif
