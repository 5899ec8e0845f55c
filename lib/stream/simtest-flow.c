/* An open stream: the move between shards under traffic, pauses, the high mark, parking, silent
 * networks. */
#define RIG_SIM
#include "lib/stream/tests-parties-int.h"

static void send_numbered(struct both *b, unsigned n, unsigned count)
{
    char text[256];
    for (unsigned k = n; k < n + count; k++) {
        snprintf(text, sizeof text, "<message id='%u'><body>%0*u</body></message>", k,
                 (int)(k % 100), k);
        (void)stream_out_send_text(b->o.s, str_of(text));
    }
}

/* Elements 0 .. count-1, each once, in order. */
static void check_numbered(const struct buf *got, unsigned count)
{
    struct str rest = buf_view(got);
    for (unsigned k = 0; k < count; k++) {
        char start[64];
        snprintf(start, sizeof start, "<message id='%u'>", k);
        struct str line = str_cut(&rest, '\n');
        if (!str_starts(line, str_of(start)))
            fail_msg("wanted %s, got " STR_FMT, start, STR_ARG(line));
    }
    assert_int_equal(rest.n, 0);
}

static void login(struct both *b)
{
    both_connect(b);
    assert_true(rig_run(&b->r, RIG_WAIT_US, outer_is_ready, &b->o));
    assert_int_equal(b->o.ends, 0);
}

static void move(struct both *b, struct loop *to)
{
    struct stream_parcel *p = stream_in_detach(&b->i.s);
    assert_non_null(p);
    assert_null(b->i.s);
    b->i.s = stream_in_attach(&p, to, &inner_events, &b->i);
    assert_null(p);
}

struct move_mail {
    struct mail m;
    struct both *b;
    struct stream_parcel *p;
    struct loop *to;
};

static void on_arrival(struct mail *m)
{
    struct move_mail *mm = container_of(m, struct move_mail, m);
    mm->b->i.s = stream_in_attach(&mm->p, mm->to, &inner_events, &mm->b->i);
    mem_free(mm);
}

static bool has_arrived(void *ctx)
{
    return ((struct both *)ctx)->i.s != NULL;
}

static void test_move_under_traffic(void **state)
{
    struct both b;
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        both_begin(&b, seed);
        login(&b);
        unsigned sent = 0;
        for (int turn = 0; turn < 10; turn++) {
            send_numbered(&b, sent, 40);
            sent += 40;
            (void)rig_run(&b.r, sim_rand(8000), NULL, NULL);
            struct move_mail *mm = mem_alloc(sizeof *mm);
            *mm = (struct move_mail){.m = {.fn = on_arrival}, .b = &b};
            mm->to = turn & 1 ? b.r.server : b.r.server2;
            mm->p = stream_in_detach(&b.i.s);
            assert_non_null(mm->p);
            loop_post(mm->to, &mm->m);
            assert_true(rig_run(&b.r, RIG_WAIT_US, has_arrived, &b));
            (void)stream_in_send_text(b.i.s, STR("<presence/>"));
        }
        b.want_inner = sent;
        b.want_outer = 10;
        assert_true(rig_run(&b.r, RIG_WAIT_US, both_got, &b));
        check_numbered(&b.i.got, sent);
        assert_true(stream_in_is_secure(b.i.s));
        stream_in_close(b.i.s, STREAM_OK, NULL);
        assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
        assert_int_equal(b.i.end.err, ERR_EOF);
        both_end(&b);
    }
}

static void test_move_while_paused(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 50);
    login(&b);
    b.i.pause_each = true;
    send_numbered(&b, 0, 30);
    (void)rig_run(&b.r, 1000000, NULL, NULL);
    assert_int_equal(b.i.elements, 1);
    b.i.pause_each = false;
    move(&b, b.r.server2); /* what was buffered is delivered there */
    b.want_inner = 30;
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_got, &b));
    check_numbered(&b.i.got, 30);
    both_end(&b);
}

static void test_move_refused(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 51);
    login(&b);
    struct stream_in *before = b.i.s;
    stream_in_close(b.i.s, STREAM_OK, NULL);
    assert_null(stream_in_detach(&b.i.s)); /* closing */
    assert_ptr_equal(b.i.s, before);
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
    both_end(&b);
}

static void test_move_parcel_dropped(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 52);
    login(&b);
    struct stream_parcel *p = stream_in_detach(&b.i.s);
    stream_parcel_drop(&p);
    assert_null(p);
    assert_true(rig_run(&b.r, RIG_WAIT_US, outer_is_over, &b.o));
    both_end(&b);
}

/* Exactly one element for each time it is let go on. */
static void test_pause_is_exact(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 53);
    login(&b);
    b.i.pause_each = true;
    send_numbered(&b, 0, 25);
    (void)rig_run(&b.r, 1000000, NULL, NULL);
    for (unsigned k = 1; k <= 25; k++) {
        assert_int_equal(b.i.elements, k);
        stream_in_pause(b.i.s, false);
        assert_int_equal(b.i.elements, k); /* not inside the call */
        (void)rig_run(&b.r, 100000, NULL, NULL);
    }
    check_numbered(&b.i.got, 25);
    both_end(&b);
}

static void test_high_mark(void **state)
{
    struct both b;
    char big[8000];
    (void)state;
    both_begin(&b, 54);
    login(&b);
    stream_in_pause(b.i.s, true);
    memset(big, ' ', sizeof big);
    bool more = true;
    for (int n = 0; n < 200 && more; n++) {
        more = stream_out_send_text(b.o.s, str_make(big, sizeof big));
        (void)rig_run(&b.r, 1000, NULL, NULL);
    }
    assert_false(more);
    assert_true(stream_out_queued(b.o.s) > 0);
    stream_in_pause(b.i.s, false);
    (void)stream_out_send_text(b.o.s, STR("<message id='0'/>"));
    b.want_inner = 1;
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_got, &b));
    assert_true(b.o.drains > 0);
    both_end(&b);
}

/* Keys that never come, and keys that come after the stream gave up. */
static void test_answer_too_late(void **state)
{
    struct both b;
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        both_begin(&b, 57);
        b.i.limits.auth_timeout_ms = 5000;
        b.i.late_answers = true;
        b.i.answer_ms = turn ? 1000000 : 5001;
        both_connect(&b);
        assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
        assert_int_equal(b.i.end.err, ERR_TIMEOUT);
        assert_int_equal(b.o.end.received, STREAM_CONNECTION_TIMEOUT);
        assert_int_equal(b.i.authentications, 0);
        both_end(&b);
    }
}

static void test_idle_parser_is_parked(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 55);
    login(&b);
    size_t awake = xml_parser_memory(b.i.s->b.parser);
    (void)rig_run(&b.r, UINT64_C(10000000), NULL, NULL);
    assert_true(xml_parser_memory(b.i.s->b.parser) < awake / 2);
    send_numbered(&b, 0, 3);
    b.want_inner = 3;
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_got, &b));
    check_numbered(&b.i.got, 3);
    both_end(&b);
}

static void test_network_cut(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 56);
    login(&b);
    sim_net_cut("server", "client", false);
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
    assert_int_equal(b.i.end.err, ERR_RESET);
    assert_int_equal(b.o.end.err, ERR_RESET);
    both_end(&b);
}

/* A black hole at any moment of the login ends both sides by their deadlines. */
static void test_black_hole_during_login(void **state)
{
    struct both b;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        both_begin(&b, 60 + seed);
        b.o.taken.may_fail = true;
        both_connect(&b);
        (void)rig_run(&b.r, 2000 + seed * 1500, NULL, NULL);
        bool begun = b.o.s && b.i.s;
        sim_net_cut("server", "client", true);
        if (begun && !b.o.readies) {
            assert_true(rig_run(&b.r, UINT64_C(70000000), outer_is_over, &b.o));
            assert_true(b.i.ends || stream_in_is_authenticated(b.i.s) ||
                        rig_run(&b.r, UINT64_C(10000000), inner_is_over, &b.i));
            assert_int_equal(b.o.end.err, ERR_TIMEOUT);
        }
        sim_net_heal("server", "client");
        both_end(&b);
    }
}

/* How long until the inner side has n elements. */
static uint64_t time_of(struct both *b, unsigned n)
{
    const uint64_t from_us = sim_now_us();
    b->want_inner = n;
    assert_true(rig_run(&b->r, UINT64_C(60000000), both_got, b));
    return sim_now_us() - from_us;
}

/* Within the rate nothing is felt, past it the peer is read as fast as the rate says; nothing is
 * lost, nobody is closed. */
static void test_rate_of_stanzas(void **state)
{
    static const struct stream_rate rate = {.stanzas = 100};
    struct both b;
    (void)state;
    both_begin(&b, 70);
    login(&b);
    stream_in_set_rate(b.i.s, &rate);
    (void)rig_run(&b.r, 2000000, NULL, NULL);
    send_numbered(&b, 0, 100); /* the bucket */
    assert_true(time_of(&b, 100) < 300000);
    assert_false(stream_in_is_held(b.i.s));
    send_numbered(&b, 100, 300);
    uint64_t took_us = time_of(&b, 400);
    assert_in_range(took_us, 2600000, 3100000); /* what drained meanwhile is small */
    check_numbered(&b.i.got, 400);
    (void)rig_run(&b.r, 1500000, NULL, NULL);
    send_numbered(&b, 400, 1); /* forgiven */
    assert_true(time_of(&b, 401) < 100000);
    assert_int_equal(b.i.ends, 0);
    both_end(&b);
}

static void test_rate_of_bytes(void **state)
{
    static const struct stream_rate rate = {.bytes = 20000};
    struct both b;
    char space[1000];
    (void)state;
    both_begin(&b, 71);
    login(&b);
    stream_in_set_rate(b.i.s, &rate);
    (void)rig_run(&b.r, 2000000, NULL, NULL);
    memset(space, ' ', sizeof space);
    for (int i = 0; i < 19; i++)
        (void)stream_out_send_text(b.o.s, str_make(space, sizeof space));
    send_numbered(&b, 0, 1);
    assert_true(time_of(&b, 1) < 300000);
    assert_false(stream_in_is_held(b.i.s));
    for (int i = 0; i < 60; i++) /* white space, too, is something to read */
        (void)stream_out_send_text(b.o.s, str_make(space, sizeof space));
    send_numbered(&b, 1, 1);
    uint64_t took_us = time_of(&b, 2);
    assert_in_range(took_us, 2000000, 3200000);
    check_numbered(&b.i.got, 2);
    assert_int_equal(b.i.ends, 0);
    both_end(&b);
}

/* Held by its rate, a stream can be moved and closed like any other. */
static void test_rate_held_then_moved_or_closed(void **state)
{
    static const struct stream_rate rate = {.stanzas = 10};
    struct both b;
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        both_begin(&b, 72);
        login(&b);
        stream_in_set_rate(b.i.s, &rate);
        send_numbered(&b, 0, 40);
        (void)rig_run(&b.r, 500000, NULL, NULL);
        assert_true(stream_in_is_held(b.i.s));
        assert_true(b.i.elements < 40);
        if (closes) {
            stream_in_close(b.i.s, STREAM_POLICY_VIOLATION, NULL);
            assert_true(rig_run(&b.r, 2000000, both_over, &b));
            assert_int_equal(b.o.end.received, STREAM_POLICY_VIOLATION);
        } else {
            move(&b, b.r.server2);
            (void)time_of(&b, 40);
            check_numbered(&b.i.got, 40);
        }
        both_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_move_under_traffic),
        cmocka_unit_test(test_move_while_paused),
        cmocka_unit_test(test_move_refused),
        cmocka_unit_test(test_move_parcel_dropped),
        cmocka_unit_test(test_pause_is_exact),
        cmocka_unit_test(test_high_mark),
        cmocka_unit_test(test_answer_too_late),
        cmocka_unit_test(test_idle_parser_is_parked),
        cmocka_unit_test(test_rate_of_stanzas),
        cmocka_unit_test(test_rate_of_bytes),
        cmocka_unit_test(test_rate_held_then_moved_or_closed),
        cmocka_unit_test(test_network_cut),
        cmocka_unit_test(test_black_hole_during_login),
    };
    return cmocka_run_group_tests_name("flow", tests, rig_tls_begin, rig_tls_end);
}
