#ifndef S2S_TESTS_OUTBOX_INT_H
#define S2S_TESTS_OUTBOX_INT_H
/* Host 0 of the simulated world with a store, so that it may be killed; and what happens to it. */
#include "lib/store/store.h"
#include "s2s/tests-world-int.h"

enum { DAY_MS = 86400000 };

static struct store *store;

static inline void store_begin(struct world *w)
{
    char why[100];
    assert_int_equal(store_open("mem:", &store, why, sizeof why), ERR_OK);
    w->h[0].store = store_port_open(store, w->h[0].loop);
    w->h[0].conf.tune.expire_message_ms = DAY_MS;
}

static inline void end(struct world **pw)
{
    struct world *w = *pw;
    w->h[0].is_dead = true;
    s2s_free(&w->h[0].s2s);
    store_port_close(&w->h[0].store);
    store_close(&store);
    world_end(pw);
}

static inline void kill_and_restart(struct host *h)
{
    h->is_dead = true;
    s2s_free(&h->s2s);
    h->is_dead = false;
    host_open(h);
}

static inline void disturb(struct world *w)
{
    struct host *a = &w->h[0], *b = &w->h[1];
    switch (sim_rand(8)) {
    case 0: /* by pings it is not known at once that they are answered */
        if (!a->conf.no_acks)
            kill_and_restart(a);
        break;
    case 1:
        if (b->listener)
            listener_close(&b->listener);
        break;
    case 2:
        if (!b->listener)
            host_listen(b);
        break;
    case 3:
        store_fail_nth(store, (unsigned)sim_rand(4));
        break;
    case 4: /* the peer dies, with what its streams had */
        s2s_free(&b->s2s);
        host_open(b);
        break;
    default:
        break;
    }
}
#endif
