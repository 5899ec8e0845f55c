/* Hooks: order, circles, parked runs. */
#include "node/route/tests-route-int.h"

/* ---- order. Handlers write their letter. */
static char trail[16];
static void mark(char c)
{
    size_t n = strlen(trail);
    assert_true(n + 1 < sizeof trail);
    trail[n] = c;
    trail[n + 1] = 0;
}
static enum verdict say_a(struct hook_run *run, struct user_stanza *us)
{
    (void)run;
    (void)us;
    mark('a');
    return V_PASS;
}
static enum verdict say_b(struct hook_run *run, struct user_stanza *us)
{
    (void)run;
    (void)us;
    mark('b');
    return V_PASS;
}
static enum verdict say_c(struct hook_run *run, struct user_stanza *us)
{
    (void)run;
    (void)us;
    mark('c');
    return V_PASS;
}

static void on_done(void *ctx, struct hook_run *run, struct user_stanza *us, enum verdict v)
{
    (void)run;
    (void)us;
    *(int *)ctx = (int)v;
}

struct order_case {
    enum hook_phase phase[3];
    const char *after[3]; /* one name each, or NULL */
    const char *want;     /* the trail; or what the refusal names */
    enum err e;
};
static const struct order_case order_cases[] = {
    {{PH_DELIVER, PH_DELIVER, PH_DELIVER}, {NULL, NULL, NULL}, "abc", ERR_OK},
    {{PH_OBSERVE, PH_DELIVER, PH_SANITIZE}, {NULL, NULL, NULL}, "cba", ERR_OK},
    {{PH_COPY, PH_COPY, PH_COPY}, {"c", NULL, "b"}, "bca", ERR_OK},
    {{PH_COPY, PH_COPY, PH_COPY}, {"b", "c", NULL}, "cba", ERR_OK},
    /* a name in another phase orders nothing: the phase does */
    {{PH_COPY, PH_RECORD, PH_OBSERVE}, {"c", NULL, NULL}, "bac", ERR_OK},
    {{PH_COPY, PH_COPY, PH_COPY}, {"b", "a", NULL}, "module a", ERR_INVALID},
    {{PH_COPY, PH_COPY, PH_COPY}, {NULL, "c", "b"}, "module b", ERR_INVALID},
    {{PH_COPY, PH_COPY, PH_COPY}, {"b", "c", "a"}, "module a", ERR_INVALID},
    {{PH_COPY, PH_COPY, PH_COPY}, {"nobody", NULL, NULL}, "nobody", ERR_NOTFOUND},
};

static void run_order(const struct order_case *k)
{
    static hook_fn_user_receive *const fns[] = {say_a, say_b, say_c};
    static const char *const names[] = {"a", "b", "c"};
    const char *after[3][2] = {{k->after[0], NULL}, {k->after[1], NULL}, {k->after[2], NULL}};
    struct hook_handler h[3];
    struct module m[3];
    const struct module *list[3];
    for (size_t i = 0; i < 3; i++) {
        h[i] = (struct hook_handler)HOOK_ON(user_receive, k->phase[i], fns[i]);
        h[i].after = after[i];
        m[i] = (struct module){.name = names[i], .hooks = &h[i], .n_hooks = 1};
        list[i] = &m[i];
    }
    struct node n = {0};
    char why[128] = "";
    enum err e = module_set_of(&n, list, 3, why, sizeof why);
    assert_int_equal(e, k->e);
    if (e == ERR_OK) {
        struct node_shard sh = {.node = &n, .handles = handle_table_new(0)};
        struct user_stanza us = {0};
        int v = -1;
        trail[0] = 0;
        hook_run_user_receive(&sh, &us, on_done, &v);
        assert_int_equal(v, V_PASS);
        assert_string_equal(trail, k->want);
        handle_table_free(&sh.handles);
    } else {
        assert_non_null(strstr(why, k->want));
    }
    module_set_free(&n);
}

static void test_hook_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(order_cases); i++)
        run_order(&order_cases[i]);
}

static void test_module_needs(void **state)
{
    (void)state;
    static const char *const needs[] = {"b", NULL};
    static const struct module a = {.name = "a", .needs = needs}, b = {.name = "b"};
    const struct module *both[] = {&a, &b}, *one[] = {&a};
    struct node n = {0};
    char why[128] = "";
    assert_int_equal(module_set_of(&n, both, 2, why, sizeof why), ERR_OK);
    module_set_free(&n);
    assert_int_equal(module_set_of(&n, one, 1, why, sizeof why), ERR_NOTFOUND);
    assert_string_equal(why, "module a needs b");
    module_set_free(&n);
    assert_int_equal(module_set_new(&n, why, sizeof why), ERR_OK); /* our own */
    module_set_free(&n);
}

static int opened, closed;
static enum err open_well(struct node_shard *sh, void *state)
{
    (void)sh;
    assert_non_null(state);
    opened++;
    return ERR_OK;
}
static enum err open_badly(struct node_shard *sh, void *state)
{
    (void)sh;
    (void)state;
    return ERR_IO;
}
static void count_close(struct node_shard *sh, void *state)
{
    (void)sh;
    assert_non_null(state);
    closed++;
}

static void test_module_init_fails(void **state)
{
    (void)state;
    static const struct module good = {
        .name = "good", .shard_size = 8, .init = open_well, .fini = count_close};
    static const struct module bad = {
        .name = "bad", .shard_size = 8, .init = open_badly, .fini = count_close};
    const struct module *list[] = {&good, &bad, &good};
    struct node n = {0};
    struct node_shard sh = {.node = &n};
    char why[128] = "";
    assert_int_equal(module_set_of(&n, list, 3, why, sizeof why), ERR_OK);
    assert_int_equal(module_shard_init(&sh), ERR_IO);
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 1);
    module_shard_fini(&sh); /* nothing is left to close */
    assert_int_equal(closed, 1);
    module_set_free(&n);
}

/* ---- parked runs: two handlers that wait one after the other */
static handle parked[2];
static int calls[2];
static enum verdict wait_first(struct hook_run *run, struct user_stanza *us)
{
    assert_non_null(us->route->stanza);
    parked[0] = hook_wait(run);
    calls[0]++;
    return V_WAIT;
}
static enum verdict wait_second(struct hook_run *run, struct user_stanza *us)
{
    assert_null(us->session); /* it may be gone by now */
    parked[1] = hook_wait(run);
    calls[1]++;
    run->bounce = STANZA_CONFLICT;
    return V_WAIT;
}
static const struct hook_handler first_hook[] = {HOOK_ON(user_receive, PH_POLICY, wait_first)};
static const struct hook_handler second_hook[] = {HOOK_ON(user_receive, PH_RECORD, wait_second)};
static const struct module first = {.name = "first", .hooks = first_hook, .n_hooks = 1};
static const struct module second = {.name = "second", .hooks = second_hook, .n_hooks = 1};
static const struct module *const waiting[] = {&first, &second};

struct outcome {
    int verdict, times;
    enum stanza_cond bounce;
};
static void on_outcome(void *ctx, struct hook_run *run, struct user_stanza *us, enum verdict v)
{
    struct outcome *o = ctx;
    o->verdict = (int)v;
    o->bounce = run->bounce;
    o->times++;
    stanza_unref(&us->route->stanza);
}

static void start(struct bench *b, struct outcome *o)
{
    struct route r = {.shard = &b->shard,
                      .stanza = bench_stanza("<message from='bob@im.test' to='" BENCH_USER "'/>")};
    struct user_stanza us = {.user = b->user, .route = &r};
    memset(o, 0, sizeof *o);
    memset(calls, 0, sizeof calls);
    hook_run_user_receive(&b->shard, &us, on_outcome, o);
    r.stanza = NULL; /* the run has its own copy of the route, and with it the reference */
}

static void test_hook_parked_verdicts(void **state)
{
    (void)state;
    static const enum verdict ends[] = {V_PASS, V_STOP, V_DROP, V_BOUNCE};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct bench b;
        struct outcome o;
        bench_begin(&b, waiting, 2);
        start(&b, &o);
        assert_int_equal(b.user->holds, 2);
        hook_resume(&b.shard, parked[0], V_PASS);
        assert_int_equal(calls[1], 1);
        assert_int_equal(o.times, 0);
        hook_resume(&b.shard, parked[1], ends[i]);
        assert_int_equal(o.times, 1);
        assert_int_equal(o.verdict, ends[i]);
        assert_int_equal(o.bounce, STANZA_CONFLICT);
        hook_resume(&b.shard, parked[0], V_PASS); /* stale, and again */
        hook_resume(&b.shard, parked[1], V_PASS);
        assert_int_equal(o.times, 1);
        assert_int_equal(b.user->holds, 1);
        bench_end(&b);
    }
}

/* The first waits too long; its late answer does not resume the second. */
static void test_hook_parked_deadline(void **state)
{
    (void)state;
    struct bench b;
    struct outcome o;
    bench_begin(&b, waiting, 2);
    start(&b, &o);
    (void)sim_run(5 * BENCH_SEC - 10000, NULL, NULL);
    assert_int_equal(calls[1], 0);
    (void)sim_run(20000, NULL, NULL);
    assert_int_equal(calls[1], 1);
    hook_resume(&b.shard, parked[0], V_STOP);
    assert_int_equal(o.times, 0);
    (void)sim_run(6 * BENCH_SEC, NULL, NULL);
    assert_int_equal(o.times, 1);
    assert_int_equal(o.verdict, V_PASS);
    bench_end(&b);
}

/* The shard goes while a run is parked: nothing is called, nothing leaks. */
static void test_hook_parked_freed(void **state)
{
    (void)state;
    struct bench b;
    struct outcome o;
    for (int resumed = 0; resumed < 2; resumed++) {
        bench_begin(&b, waiting, 2);
        start(&b, &o);
        if (resumed)
            hook_resume(&b.shard, parked[0], V_PASS);
        bench_end(&b);
        assert_int_equal(o.times, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hook_order),           cmocka_unit_test(test_module_needs),
        cmocka_unit_test(test_module_init_fails),    cmocka_unit_test(test_hook_parked_verdicts),
        cmocka_unit_test(test_hook_parked_deadline), cmocka_unit_test(test_hook_parked_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
