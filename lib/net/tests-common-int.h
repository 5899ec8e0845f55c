#ifndef LIB_NET_TESTS_COMMON_INT_H
#define LIB_NET_TESTS_COMMON_INT_H
/* Connected pairs of transports for tests: a struct suite makes pairs and runs the platform until
 * something holds; a struct peer is one end, which counts its events and checks the laws of
 * transport.h at each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/rand.h"
#include "lib/net/net-int.h"
#include "lib/net/tls.h"

#define SUITE_WAIT_US 20000000

struct peer;
struct suite {
    const char *name;
    struct tls_ctx *server_ctx, *client_ctx; /* NULL: no TLS */
    const char *sni;                         /* NULL: server.example */
    struct tls_session *session;             /* the client offers it; NULL: none */
    bool is_offered;                         /* it did */
    const char *as;                          /* who the client is; NULL: nobody in particular */
    /* Connect p[0] to p[1]: each goes through pair_take in its accept or dial callback, before this
     * returns. */
    void (*connect)(struct suite *s, struct peer *p);
    bool (*run)(struct suite *s, bool (*pred)(void *ctx), void *ctx);
    void *impl;
};

struct peer {
    struct transport *t;
    struct suite *suite;
    struct buf in;
    unsigned readies, drains, ends, datas;
    enum err why;
    size_t expect; /* peer_full: so many bytes */
    bool echo;
    bool in_down;                                /* a down call is on the stack */
    void (*on_event)(struct peer *p, char what); /* r, d (data), D (drain), e */
    struct peer *other;
    size_t left; /* still to send: peer_pump */
    uint64_t seed;
};

/* Deterministic bytes: position tells the value. */
static inline char suite_byte(uint64_t seed, size_t at)
{
    uint64_t x = (at + 1) * 0x9e3779b97f4a7c15u ^ seed;
    return (char)((x ^ (x >> 29) ^ (x >> 47)) & 0xff);
}

static inline void peer_event(struct peer *p, char what)
{
    assert_false(p->in_down); /* law 4 */
    assert_non_null(p->t);    /* nothing after close */
    assert_int_equal(p->ends, what == 'e' ? 1 : 0);
    assert_true(what == 'e' || p->readies == 1);
    if (p->on_event)
        p->on_event(p, what);
}
static inline bool peer_send(struct peer *p, struct str s)
{
    bool more;
    p->in_down = true;
    more = transport_send(p->t, s);
    p->in_down = false;
    return more;
}
#define PEER_DOWN(p, call)                                                                         \
    do {                                                                                           \
        (p)->in_down = true;                                                                       \
        call;                                                                                      \
        (p)->in_down = false;                                                                      \
    } while (0)

static inline void peer_ready(void *ctx)
{
    struct peer *p = ctx;
    p->readies++;
    peer_event(p, 'r');
}
static inline void peer_data(void *ctx, struct str s)
{
    struct peer *p = ctx;
    assert_true(s.n > 0);
    p->datas++;
    buf_str(&p->in, s);
    assert_true(buf_ok(&p->in));
    if (p->echo && !peer_send(p, s))
        PEER_DOWN(p, transport_pause(p->t, true));
    peer_event(p, 'd');
}
static inline void peer_pump(struct peer *p)
{
    char piece[4096];
    while (p->left > 0 && p->t) {
        size_t n = p->left < sizeof piece ? p->left : sizeof piece;
        size_t at = p->other->expect - p->left;
        for (size_t i = 0; i < n; i++)
            piece[i] = suite_byte(p->seed, at + i);
        p->left -= n;
        if (!peer_send(p, str_make(piece, n)))
            return;
    }
}
static inline void peer_drain(void *ctx)
{
    struct peer *p = ctx;
    p->drains++;
    assert_true(transport_queued(p->t) <= NET_HIGH_BYTES);
    if (p->echo)
        PEER_DOWN(p, transport_pause(p->t, false));
    peer_pump(p);
    peer_event(p, 'D');
}
static inline void peer_end(void *ctx, enum err why)
{
    struct peer *p = ctx;
    p->ends++;
    p->why = why;
    peer_event(p, 'e');
}

static inline void peer_take(struct peer *p, struct transport *t)
{
    static const struct transport_events events = {peer_ready, peer_data, peer_drain, peer_end};
    p->t = t;
    transport_set_events(t, &events, p);
}

static inline bool pair_is_ready(void *ctx)
{
    struct peer *p = ctx;
    return p[0].readies == 1 && p[1].readies == 1;
}
static inline void pair_take(struct peer *p, struct transport *t)
{
    struct suite *s = p->suite;
    bool is_client = p->other > p;
    if (s->server_ctx) {
        t = is_client ? tls_client_as(&t, s->client_ctx, s->sni ? s->sni : "server.example", s->as)
                      : tls_server(&t, s->server_ctx);
        if (is_client && s->session)
            s->is_offered = tls_resume(t, s->session);
    }
    peer_take(p, t);
}
static inline bool pair_is_taken(void *ctx)
{
    struct peer *p = ctx;
    return p[0].t && p[1].t;
}
/* p[0] is the client, p[1] the server. */
static inline void pair_open_hooked(struct suite *s, struct peer p[2],
                                    void (*on_event)(struct peer *p, char what))
{
    memset(p, 0, 2 * sizeof *p);
    for (int i = 0; i < 2; i++) {
        p[i].suite = s;
        p[i].other = &p[!i];
        p[i].on_event = on_event;
        p[i].seed = (uint64_t)i + 77;
        buf_init(&p[i].in, (size_t)64 << 20);
    }
    s->connect(s, p);
    assert_true(s->run(s, pair_is_taken, p));
}
static inline void pair_open_raw(struct suite *s, struct peer p[2])
{
    pair_open_hooked(s, p, NULL);
}
static inline void pair_open(struct suite *s, struct peer p[2])
{
    pair_open_raw(s, p);
    assert_true(s->run(s, pair_is_ready, p));
}
static inline void pair_close(struct peer p[2])
{
    for (int i = 0; i < 2; i++) {
        PEER_DOWN(&p[i], transport_close(&p[i].t));
        buf_fini(&p[i].in);
    }
}
static inline bool peer_full(void *ctx)
{
    struct peer *p = ctx;
    return p->in.n >= p->expect;
}
static inline bool pair_full(void *ctx)
{
    struct peer *p = ctx;
    return peer_full(&p[0]) && peer_full(&p[1]);
}
static inline bool peer_ended(void *ctx)
{
    return ((struct peer *)ctx)->ends > 0;
}
static inline bool pair_ended(void *ctx)
{
    struct peer *p = ctx;
    return p[0].ends > 0 && p[1].ends > 0;
}

static inline void peer_check(const struct peer *p, uint64_t seed)
{
    assert_int_equal(p->in.n, p->expect);
    for (size_t i = 0; i < p->in.n; i++)
        if (p->in.p[i] != suite_byte(seed, i))
            fail_msg("byte %zu of %zu differs", i, p->in.n);
}

/* Let a few turns pass: everything that is due arrives. A round trip of the pair itself tells. */
static inline void peer_round(struct suite *s, struct peer *from)
{
    from->other->expect = from->other->in.n + 1;
    peer_send(from, STR("!"));
    assert_true(s->run(s, peer_full, from->other));
}
#endif
