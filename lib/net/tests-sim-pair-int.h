#ifndef LIB_NET_TESTS_SIM_PAIR_INT_H
#define LIB_NET_TESTS_SIM_PAIR_INT_H
/* Two ends of one connection over the simulated network, with TLS when the suite has contexts. */
#include "lib/net/tests-common-int.h"

#include "lib/loop/sim-loop.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/sim-net.h"

struct world {
    struct suite suite;
    struct loop *loop;
    struct listener *listener;
    struct peer p[2]; /* who dialled, who accepted */
};

static inline void on_accept(void *ctx, struct transport *t)
{
    pair_take(&((struct world *)ctx)->p[1], t);
}

static inline void on_dialled(void *ctx, enum err e, struct transport *t,
                              const struct dial_result *r UNUSED)
{
    assert_int_equal(e, ERR_OK);
    pair_take(&((struct world *)ctx)->p[0], t);
}

static inline void connect_pair(struct suite *s, struct peer *p UNUSED)
{
    struct world *w = s->impl;
    struct dial_target target = {.addr = *listener_addr(w->listener)};
    dial_open(w->loop, NULL, dial_source_fixed(w->loop, &target, 1), 5000, on_dialled, w);
}

static inline bool run(struct suite *s UNUSED, bool (*pred)(void *ctx), void *ctx)
{
    return sim_run(SUITE_WAIT_US, pred, ctx);
}

static inline bool is_settled(void *ctx)
{
    struct peer *p = ctx;
    return (p[0].readies || p[0].ends) && (p[1].readies || p[1].ends);
}

/* Connected and, with contexts in the suite, about to shake hands. */
static inline void world_connect(struct world *w)
{
    struct addr at;
    w->loop = loop_new("a/0", 0);
    w->suite.connect = connect_pair;
    w->suite.run = run;
    w->suite.impl = w;
    assert_int_equal(addr_parse(STR("10.0.0.1"), 1, &at), ERR_OK);
    assert_int_equal(listener_open(w->loop, &at, on_accept, w, &w->listener), ERR_OK);
    pair_open_raw(&w->suite, w->p);
}

/* Takes the contexts of the suite. */
static inline void world_part(struct world *w)
{
    pair_close(w->p);
    sim_run(10000000, NULL, NULL);
    listener_close(&w->listener);
    loop_free(&w->loop);
    tls_ctx_unref(&w->suite.server_ctx);
    tls_ctx_unref(&w->suite.client_ctx);
}
#endif
