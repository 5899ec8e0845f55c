/* Client state indication (XEP-0352): what is held back, and when it comes. */
#include "integration-tests/sim/tests-cut-int.h"

#define CSI "xmlns='urn:xmpp:csi:0'"

static void chat_state(struct sim_client *from, const char *to, const char *what)
{
    sim_client_send(from,
                    "<message to='%s' type='chat'><%s xmlns='%s'/><no-store xmlns='%s'/></message>",
                    to, what, NS_CHATSTATES, NS_HINTS);
}

static void show(struct sim_client *from, const char *what)
{
    sim_client_send(from, "<presence to='" BOB "/desk'><status>%s</status></presence>", what);
}

static void test_csi(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 20, 4, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    struct sim_client *b = rig_online(&r, "bob", "desk");
    sim_client_send(b, "<inactive " CSI "/>");
    (void)sim_run(SEC, NULL, NULL);
    show(a, "one");
    chat_state(a, BOB "/desk", "composing");
    show(a, "two");
    chat_state(a, BOB "/desk", "paused");
    assert_true(sim_client_absent(b, 5 * SEC, "<presence/>"));
    assert_int_equal(sim_client_count(b, "<message/>"), 0);
    send_number(a, BOB "/desk", 0); /* what matters brings along what was held, the newest of it */
    assert_true(sim_client_expect_next(b, "<presence><status>two</status></presence>"));
    assert_true(
        sim_client_expect_next(b, "<message><paused xmlns='%s'/></message>", NS_CHATSTATES));
    assert_true(sim_client_expect_next(b, "<message id='n0'/>"));
    show(a, "three");
    assert_true(sim_client_absent(b, SEC, "<presence/>"));
    /* active, then a question: the answer comes after what was held (section 5.1) */
    sim_client_send(b, "<active " CSI "/><iq type='get' id='p'><ping xmlns='%s'/></iq>", NS_PING);
    assert_true(sim_client_expect_next(b, "<presence><status>three</status></presence>"));
    assert_true(sim_client_expect_next(b, "<iq type='result' id='p'/>"));
    show(a, "four");
    assert_true(sim_client_expect(b, "<presence><status>four</status></presence>"));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* What is held has a bound: then it is written. */
static void test_csi_bound(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 21, 1, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    struct sim_client *b = rig_online(&r, "bob", "desk");
    char status[9000];
    memset(status, 'x', sizeof status - 1);
    status[sizeof status - 1] = 0;
    sim_client_send(b, "<inactive " CSI "/>");
    struct sim_client *more[40];
    for (size_t i = 0; i < ARRAY_LEN(more); i++) { /* as many senders */
        more[i] = rig_login(&r, "alice", NULL);
        show(more[i], status);
    }
    (void)sim_run(SEC, NULL, NULL);
    size_t got = sim_client_count(b, "<presence/>");
    assert_true(got >= 20 && got < ARRAY_LEN(more));
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        sim_client_free(&more[i]);
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

/* A session that was cut off does not fill its queue with presences that were overtaken. */
static void test_csi_detached(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 22, 2, NULL);
    struct sim_client *b = managed(&r, "bob", "desk");
    cut(false);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (int i = 0; i < 50; i++)
        show(a, i < 49 ? "old" : "new");
    send_number(a, BOB "/desk", 0);
    show(a, "newest");
    (void)sim_run(SEC, NULL, NULL);
    sim_client_again(b);
    assert_true(sim_client_wait(b, SIM_CLIENT_BOUND));
    assert_true(sim_client_expect_next(b, "<presence><status>new</status></presence>"));
    assert_true(sim_client_expect_next(b, "<message id='n0'/>"));
    assert_true(sim_client_expect_next(b, "<presence><status>newest</status></presence>"));
    sim_client_free(&a);
    sim_client_free(&b);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csi),
        cmocka_unit_test(test_csi_bound),
        cmocka_unit_test(test_csi_detached),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
