/* IQ requests: one answer each, in time, by the right handler; and the router's steps without a
 * world or federation. What reaches the user is caught by a hook. */
#include "node/route/tests-route-int.h"

#define NS_T "urn:test"
static struct iq_request *held;
static struct stanza *caught[8];
static size_t n_caught;

static void iq_ok(struct iq_request *r)
{
    iq_result(r);
}
static void iq_hold(struct iq_request *r)
{
    held = r;
}
static const struct iq_handler iqs[] = {
    {NS_T, "server", IQ_TO_SERVER, true, false, false, iq_ok},
    {NS_T, "account", IQ_TO_ACCOUNT, true, true, false, iq_ok},
    {NS_T, "own", IQ_TO_ACCOUNT, true, true, true, iq_ok},
    {NS_T, "slow", IQ_TO_ACCOUNT, true, true, false, iq_hold},
    {NS_T, "slow", IQ_TO_SERVER, true, true, false, iq_hold},
};
/* Answers to bob@im.test end here. */
static enum verdict catch_all(struct hook_run *run, struct user_stanza *us)
{
    (void)run;
    if (!jid_is_full(&us->route->stanza->to))
        return V_PASS;
    assert_true(n_caught < ARRAY_LEN(caught));
    caught[n_caught++] = stanza_ref(us->route->stanza);
    return V_STOP;
}
static const struct hook_handler hooks[] = {HOOK_ON(user_receive, PH_SANITIZE, catch_all)};
static const struct module mod = {
    .name = "test", .iqs = iqs, .n_iqs = ARRAY_LEN(iqs), .hooks = hooks, .n_hooks = 1};
static const struct module *const mods[] = {&mod};

static void begin(struct bench *b)
{
    n_caught = 0;
    held = NULL;
    bench_begin(b, mods, 1);
    anchor_learn(&b->shard, STR("bob@im.test"), "");
}

static void forget(void)
{
    for (size_t i = 0; i < n_caught; i++)
        stanza_unref(&caught[i]);
    n_caught = 0;
}

static struct stanza *stanza(const char *text)
{
    struct arena *a = arena_new(0);
    struct jid bob;
    assert_int_equal(jid_parse(a, STR("bob@im.test/desk"), &bob, NULL), ERR_OK);
    struct stanza *s = bench_stanza(text), *out = stanza_readdress(s, &bob, NULL);
    stanza_unref(&s);
    arena_free(&a);
    return out;
}

/* The condition of the one answer, "result", or "" for none. */
static const char *answer_of(void)
{
    if (!n_caught)
        return "";
    assert_int_equal(n_caught, 1);
    const struct stanza *s = caught[0];
    assert_true(str_eqc(s->to.full, "bob@im.test/desk"));
    if (s->kind == STANZA_IQ)
        assert_true(str_eqc(s->id, "1"));
    if (s->type == IQ_RESULT)
        return "result";
    const struct xml *e = stanza_child(s, NS_CLIENT, "error");
    assert_non_null(e);
    return xml_first(e)->name;
}

static const struct {
    const char *text, *want;
} answers[] = {
    /* server */
    {"<iq id='1' to='im.test' type='get'><server xmlns='" NS_T "'/></iq>", "result"},
    {"<iq id='1' to='im.test' type='set'><server xmlns='" NS_T "'/></iq>",
     "feature-not-implemented"},
    {"<iq id='1' to='im.test' type='get'><account xmlns='" NS_T "'/></iq>", "service-unavailable"},
    {"<iq id='1' to='im.test' type='get'><nothing xmlns='" NS_T "'/></iq>", "service-unavailable"},
    {"<iq id='1' to='im.test' type='result'/>", ""},
    {"<iq id='1' to='im.test' type='error'/>", ""},
    {"<message to='im.test'/>", "service-unavailable"},
    {"<message to='im.test' type='error'/>", ""},
    {"<presence to='im.test'/>", ""},
    {"<presence to='im.test' type='subscribe'/>", ""},
    /* account */
    {"<iq id='1' to='alice@im.test' type='set'><account xmlns='" NS_T "'/></iq>", "result"},
    {"<iq id='1' to='alice@im.test' type='get'><server xmlns='" NS_T "'/></iq>",
     "service-unavailable"},
    {"<iq id='1' to='alice@im.test' type='get'><own xmlns='" NS_T "'/></iq>",
     "service-unavailable"},
    {"<iq id='1' to='alice@im.test' type='get'><account xmlns='urn:other'/></iq>",
     "service-unavailable"},
    {"<iq id='1' to='alice@im.test' type='result'/>", ""},
    /* not ours, and federation is off */
    {"<iq id='1' to='elsewhere.test' type='get'><server xmlns='" NS_T "'/></iq>",
     "remote-server-not-found"},
    {"<message to='a@elsewhere.test'/>", "remote-server-not-found"},
    {"<message to='a@elsewhere.test' type='error'/>", ""},
    {"<iq id='1' to='a@elsewhere.test' type='result'/>", ""},
};

static void test_route_one_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct bench b;
        begin(&b);
        route_start(&b.shard, stanza(answers[i].text), NULL, ROUTE_CLIENT, 0, NULL);
        (void)sim_run(40 * BENCH_SEC, NULL, NULL);
        if (strcmp(answer_of(), answers[i].want) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", answers[i].text, answer_of(), answers[i].want);
        forget();
        bench_end(&b);
    }
}

/* Custody of the question goes with the answer: released when the last of it is gone. */
struct counted {
    struct custody custody;
    int *released;
};
static void on_release(struct custody *c)
{
    struct counted *k = container_of(c, struct counted, custody);
    ++*k->released;
    mem_free(k);
}
static struct custody *counted_new(int *released)
{
    struct counted *k = mem_alloc(sizeof *k);
    refs_init(&k->custody.refs);
    k->custody.release = on_release;
    k->released = released;
    return &k->custody;
}

static void test_route_custody(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct bench b;
        int released = 0;
        begin(&b);
        route_start(&b.shard, stanza(answers[i].text), counted_new(&released), ROUTE_REGION, 0,
                    NULL);
        (void)sim_run(40 * BENCH_SEC, NULL, NULL);
        assert_int_equal(released, 1);
        forget();
        bench_end(&b);
    }
}

static const char *const slow[] = {
    "<iq id='1' to='alice@im.test' type='get'><slow xmlns='" NS_T "'/></iq>",
    "<iq id='1' to='im.test' type='get'><slow xmlns='" NS_T "'/></iq>",
};

static void test_iq_deadline(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        struct bench b;
        int released = 0;
        begin(&b);
        route_start(&b.shard, stanza(slow[i]), counted_new(&released), ROUTE_CLIENT, 0, NULL);
        assert_non_null(held);
        assert_int_equal(b.user->holds, i == 0 ? 2 : 1);
        (void)sim_run(29 * BENCH_SEC, NULL, NULL);
        assert_string_equal(answer_of(), "");
        assert_int_equal(released, 0);
        (void)sim_run(2 * BENCH_SEC, NULL, NULL);
        assert_string_equal(answer_of(), "internal-server-error");
        assert_int_equal(released, 1);
        assert_int_equal(b.user->holds, 1);
        forget();
        bench_end(&b);
    }
}

/* The shard goes while a request waits. */
static void test_iq_freed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        struct bench b;
        int released = 0;
        begin(&b);
        route_start(&b.shard, stanza(slow[i]), counted_new(&released), ROUTE_CLIENT, 0, NULL);
        assert_non_null(held);
        bench_end(&b);
        assert_int_equal(released, 1);
        assert_int_equal(n_caught, 0);
    }
}

/* Nobody of ours: presence and headline answers keep still, the rest is bounced. */
static void test_route_no_account(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"<message to='nobody@im.test'/>", "service-unavailable"},
        {"<iq id='1' to='nobody@im.test' type='get'><q xmlns='x'/></iq>", "service-unavailable"},
        {"<iq id='1' to='nobody@im.test/r' type='get'><q xmlns='x'/></iq>", "service-unavailable"},
        {"<iq id='1' to='nobody@im.test' type='result'/>", ""},
        {"<presence to='nobody@im.test'/>", ""},
        {"<presence to='nobody@im.test' type='subscribe'/>", ""},
        {"<presence to='nobody@im.test' type='probe'/>", ""},
    };
    char why[128];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        begin(&b);
        assert_int_equal(store_open("mem:", &b.node.store, why, sizeof why), ERR_OK);
        b.shard.store = store_port_open(b.node.store, b.shard.loop);
        route_start(&b.shard, stanza(cases[i].text), NULL, ROUTE_S2S, 0, NULL);
        (void)sim_run(BENCH_SEC, NULL, NULL);
        assert_string_equal(answer_of(), cases[i].want);
        assert_null(user_find(&b.shard, STR("nobody@im.test")));
        forget();
        op_owner_cancel_all(&b.shard.ops);
        store_port_close(&b.shard.store);
        store_close(&b.node.store);
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route_one_answer), cmocka_unit_test(test_route_custody),
        cmocka_unit_test(test_iq_deadline),      cmocka_unit_test(test_iq_freed),
        cmocka_unit_test(test_route_no_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
