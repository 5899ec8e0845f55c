#ifndef LIB_NET_TESTS_SUITE_INT_H
#define LIB_NET_TESTS_SUITE_INT_H
/* The conformance suite of transports: what every byte layer has to do, run by test-transport.c
 * over tcp, unix and tls on the real platform and by simtest-transport.c over the simulated
 * network. */
#include "lib/net/tests-common-int.h"

static void suite_echo_bytes(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    p[1].echo = true;
    p[0].expect = p[1].expect = 500;
    for (size_t i = 0; i < 500; i++) {
        char c = suite_byte(p[0].seed, i);
        peer_send(&p[0], str_make(&c, 1));
        if (i % 50 == 0) {
            p[0].expect = i + 1;
            assert_true(s->run(s, peer_full, &p[0]));
        }
    }
    p[0].expect = 500;
    assert_true(s->run(s, pair_full, p));
    peer_check(&p[0], p[0].seed);
    peer_check(&p[1], p[0].seed);
    pair_close(p);
}

static void suite_speak_event(struct peer *p, char what)
{
    if (what == 'r')
        peer_send(p, STR("hello"));
}
/* Whoever speaks first: ready comes before data, once. */
static void suite_server_speaks_first(void **state)
{
    struct suite *s = *state;
    for (int i = 0; i < 20; i++) {
        struct peer p[2];
        pair_open_hooked(s, p, suite_speak_event);
        p[0].expect = p[1].expect = 5;
        assert_true(s->run(s, pair_full, p));
        assert_true(pair_is_ready(p));
        pair_close(p);
    }
}

static void suite_gather(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    for (int i = 0; i < 100; i++)
        assert_true(peer_send(&p[0], STR("0123456789")));
    assert_true(transport_queued(p[0].t) >= 1000); /* nothing left within the calls */
    p[1].expect = 1000;
    assert_true(s->run(s, peer_full, &p[1]));
    assert_int_equal(transport_queued(p[0].t), 0);
    pair_close(p);
}

static void suite_large_both_ways(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    for (int i = 0; i < 2; i++) {
        p[i].expect = p[!i].left = (size_t)3 << 20;
    }
    peer_pump(&p[0]);
    peer_pump(&p[1]);
    assert_true(s->run(s, pair_full, p));
    peer_check(&p[0], p[1].seed);
    peer_check(&p[1], p[0].seed);
    assert_true(p[0].drains > 0 && p[1].drains > 0);
    pair_close(p);
}

static void suite_echo_backpressure(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    p[1].echo = true;
    p[0].expect = p[1].expect = p[0].left = (size_t)4 << 20;
    PEER_DOWN(&p[0], transport_pause(p[0].t, true)); /* the echo fills up */
    peer_pump(&p[0]);
    assert_true(p[0].left > 0);
    PEER_DOWN(&p[0], transport_pause(p[0].t, false));
    assert_true(s->run(s, pair_full, p));
    peer_check(&p[0], p[0].seed);
    pair_close(p);
}

static bool suite_left_stays(void *ctx)
{
    struct peer *p = ctx;
    return p->left == 0; /* must not come true */
}

static void suite_pause_bounds(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    size_t seen;
    pair_open(s, p);
    PEER_DOWN(&p[1], transport_pause(p[1].t, true));
    p[1].expect = p[0].left = (size_t)32 << 20;
    peer_pump(&p[0]);
    s->run(s, NULL, NULL); /* until nothing moves, or a while */
    assert_false(suite_left_stays(&p[0]));
    assert_int_equal(p[1].in.n, 0);
    assert_true(transport_queued(p[0].t) <= 4 * NET_HIGH_BYTES);
    seen = p[0].drains;
    PEER_DOWN(&p[1], transport_pause(p[1].t, false));
    assert_true(s->run(s, peer_full, &p[1]));
    peer_check(&p[1], p[0].seed);
    assert_true(p[0].drains > seen);
    pair_close(p);
}

static void suite_pause_in_data_event(struct peer *p, char what)
{
    if (what == 'd')
        PEER_DOWN(p, transport_pause(p->t, true));
}
static bool peer_has_data(void *ctx)
{
    return ((struct peer *)ctx)->datas > 0;
}
static void suite_pause_in_data(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    p[1].on_event = suite_pause_in_data_event;
    p[1].expect = p[0].left = 300000;
    peer_pump(&p[0]);
    while (p[1].in.n < p[1].expect) {
        unsigned before = p[1].datas;
        p[1].datas = 0;
        PEER_DOWN(&p[1], transport_pause(p[1].t, false));
        assert_true(s->run(s, peer_has_data, &p[1]));
        assert_int_equal(p[1].datas, 1); /* pause holds at once */
        p[1].datas += before;
    }
    peer_check(&p[1], p[0].seed);
    pair_close(p);
}

static void suite_shut_half(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    p[1].expect = p[0].left = 40000;
    peer_pump(&p[0]);
    PEER_DOWN(&p[0], transport_shut(p[0].t));
    assert_true(s->run(s, peer_ended, &p[1]));
    assert_int_equal(p[1].why, ERR_EOF);
    peer_check(&p[1], p[0].seed);
    p[0].expect = p[1].left = 50000; /* the other direction goes on */
    peer_pump(&p[1]);
    PEER_DOWN(&p[1], transport_shut(p[1].t));
    assert_true(s->run(s, pair_ended, p));
    assert_int_equal(p[0].why, ERR_EOF);
    peer_check(&p[0], p[1].seed);
    pair_close(p);
}

static void suite_close_flushes(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    p[1].expect = p[0].left = 60000;
    peer_pump(&p[0]);
    peer_send(&p[1], STR("unread when closed"));
    PEER_DOWN(&p[0], transport_close(&p[0].t));
    assert_null(p[0].t);
    assert_true(s->run(s, peer_ended, &p[1]));
    assert_int_equal(p[1].why, ERR_EOF);
    peer_check(&p[1], p[0].seed);
    pair_close(p);
}

static void suite_abort(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    peer_round(s, &p[0]);
    PEER_DOWN(&p[0], transport_abort(&p[0].t));
    assert_null(p[0].t);
    assert_true(s->run(s, peer_ended, &p[1]));
    assert_true(p[1].why == ERR_RESET || p[1].why == ERR_EOF);
    peer_send(&p[1], STR("into the void")); /* swallowed */
    pair_close(p);
}

static void suite_close_at_once(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    for (int abort_it = 0; abort_it < 2; abort_it++) {
        pair_open_raw(s, p);
        if (abort_it)
            PEER_DOWN(&p[0], transport_abort(&p[0].t));
        else
            PEER_DOWN(&p[0], transport_close(&p[0].t));
        assert_true(s->run(s, peer_ended, &p[1]));
        pair_close(p);
    }
}

static char suite_close_on; /* event at which the client closes */
static bool suite_close_by_abort;
static void suite_close_event(struct peer *p, char what)
{
    if (what != suite_close_on)
        return;
    if (suite_close_by_abort)
        PEER_DOWN(p, transport_abort(&p->t));
    else
        PEER_DOWN(p, transport_close(&p->t));
}
static bool peer_closed(void *ctx)
{
    return !((struct peer *)ctx)->t;
}
static void suite_close_in_events(void **state)
{
    struct suite *s = *state;
    const char *whats = "dDe";
    for (int i = 0; i < 6; i++) {
        struct peer p[2];
        suite_close_on = whats[i / 2];
        suite_close_by_abort = i % 2;
        pair_open_raw(s, p);
        p[0].on_event = suite_close_event;
        assert_true(s->run(s, pair_is_ready, p));
        p[1].left = 200000;
        p[1].other->expect = 200000;
        p[0].left = p[1].expect = suite_close_on == 'D' ? 200000 : 10;
        peer_pump(&p[1]);
        peer_pump(&p[0]);
        if (suite_close_on == 'e')
            PEER_DOWN(&p[1], transport_shut(p[1].t));
        assert_true(s->run(s, peer_closed, &p[0]));
        assert_true(s->run(s, peer_ended, &p[1]));
        pair_close(p);
    }
}

static void suite_limit(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    size_t n = (size_t)1 << 20;
    char *big = mem_alloc(n);
    pair_open(s, p);
    PEER_DOWN(&p[1], transport_pause(p[1].t, true));
    for (int i = 0; i < 40; i++)
        peer_send(&p[0], str_make(big, n));
    assert_int_equal(p[0].ends, 0);
    assert_true(s->run(s, peer_ended, &p[0]));
    assert_int_equal(p[0].why, ERR_LIMIT);
    peer_send(&p[0], str_make(big, n));
    mem_free(big);
    pair_close(p);
}

static void suite_move_event(struct peer *p, char what)
{
    struct parcel *parcel;
    struct loop *l;
    if (what != 'd' || !p->t)
        return;
    l = p->t->loop;
    PEER_DOWN(p, parcel = transport_detach(&p->t));
    peer_take(p, parcel_attach(&parcel, l));
    assert_null(parcel);
}
/* Moved in every data event, to the same loop: no byte is lost or doubled in either direction. */
static void suite_move_same_loop(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    p[1].on_event = suite_move_event;
    for (int i = 0; i < 2; i++)
        p[i].expect = p[!i].left = 1000000;
    peer_pump(&p[0]);
    peer_pump(&p[1]);
    assert_true(s->run(s, pair_full, p));
    peer_check(&p[0], p[1].seed);
    peer_check(&p[1], p[0].seed);
    assert_int_equal(p[1].readies, 1);
    PEER_DOWN(&p[0], transport_shut(p[0].t));
    assert_true(s->run(s, peer_ended, &p[1]));
    pair_close(p);
}

/* Moved while the system takes no more output: what is half written, what waits and the owed drain
 * travel along. */
static void suite_move_blocked(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    pair_open(s, p);
    PEER_DOWN(&p[0], transport_pause(p[0].t, true));
    p[0].expect = p[1].left = (size_t)24 << 20;
    p[1].expect = 10;
    peer_pump(&p[1]);
    for (int i = 0; i < 3; i++) {
        struct loop *l = p[1].t->loop;
        struct parcel *parcel;
        size_t queued, before;
        do { /* until the system takes no more */
            before = p[1].left;
            s->run(s, NULL, NULL);
        } while (p[1].left != before);
        queued = transport_queued(p[1].t);
        assert_true(queued > 0 && p[1].left > 0);
        PEER_DOWN(&p[1], parcel = transport_detach(&p[1].t));
        peer_take(&p[1], parcel_attach(&parcel, l));
        assert_int_equal(transport_queued(p[1].t), queued);
    }
    PEER_DOWN(&p[0], transport_pause(p[0].t, false));
    assert_true(s->run(s, peer_full, &p[0]));
    peer_check(&p[0], p[1].seed);
    assert_true(p[1].drains > 0);
    pair_close(p);
}

static void suite_parcel_drop(void **state)
{
    struct suite *s = *state;
    struct peer p[2];
    struct parcel *parcel;
    pair_open(s, p);
    parcel = transport_detach(&p[0].t);
    assert_null(p[0].t);
    parcel_drop(&parcel);
    assert_null(parcel);
    assert_true(s->run(s, peer_ended, &p[1]));
    pair_close(p);
}

#define SUITE_TESTS(env)                                                                           \
    cmocka_unit_test_prestate(suite_echo_bytes, env),                                              \
        cmocka_unit_test_prestate(suite_server_speaks_first, env),                                 \
        cmocka_unit_test_prestate(suite_gather, env),                                              \
        cmocka_unit_test_prestate(suite_large_both_ways, env),                                     \
        cmocka_unit_test_prestate(suite_echo_backpressure, env),                                   \
        cmocka_unit_test_prestate(suite_pause_bounds, env),                                        \
        cmocka_unit_test_prestate(suite_pause_in_data, env),                                       \
        cmocka_unit_test_prestate(suite_shut_half, env),                                           \
        cmocka_unit_test_prestate(suite_close_flushes, env),                                       \
        cmocka_unit_test_prestate(suite_abort, env),                                               \
        cmocka_unit_test_prestate(suite_close_at_once, env),                                       \
        cmocka_unit_test_prestate(suite_close_in_events, env),                                     \
        cmocka_unit_test_prestate(suite_limit, env),                                               \
        cmocka_unit_test_prestate(suite_move_same_loop, env),                                      \
        cmocka_unit_test_prestate(suite_move_blocked, env),                                        \
        cmocka_unit_test_prestate(suite_parcel_drop, env)
#endif
