/* Redis connections against a real redis-server on private loopback ports in a temporary directory,
 * and against a server of our own that sends garbage. */
#include "lib/store/tests-redis-int.h"

/* ---- commands */

static void test_commands(void **state)
{
    struct env e;
    (void)state;
    env_open(&e);
    e.conn = conn_new(&e, (struct redis_conf){0});
    ASK(&e, STR("PING")); /* nothing is there yet */
    assert_int_equal(e.err, ERR_UNAVAILABLE);
    server_start(&e, false, NULL);
    run_until(&e, is_up);
    assert_int_equal(e.ups, 1);
    ASK(&e, STR("SET"), STR("k\0ey"), STR("va\r\n\0lue"));
    assert_int_equal(e.kind, REDIS_STATUS);
    assert_string_equal(e.text, "OK");
    ASK(&e, STR("STRLEN"), STR("k\0ey"));
    assert_int_equal(e.kind, REDIS_INTEGER);
    assert_int_equal(e.integer, 8);
    ASK(&e, STR("GET"), STR("k"));
    assert_int_equal(e.kind, REDIS_NIL);
    ASK(&e, STR("SET"), STR("k"), STR(""));
    ASK(&e, STR("GET"), STR("k"));
    assert_int_equal(e.kind, REDIS_STRING);
    assert_string_equal(e.text, "");
    ASK(&e, STR("INCR"), STR("k\0ey"));
    assert_int_equal(e.err, ERR_OK);
    assert_int_equal(e.kind, REDIS_ERROR);
    ASK(&e, STR("RPUSH"), STR("list"), STR("a"), STR("b"), STR("c"));
    ASK(&e, STR("LRANGE"), STR("list"), STR("0"), STR("-1"));
    assert_int_equal(e.kind, REDIS_ARRAY);
    assert_int_equal(e.integer, 3);
    ASK(&e, STR("LRANGE"), STR("none"), STR("0"), STR("-1"));
    assert_int_equal(e.integer, 0);
    assert_int_equal(e.downs, 0);
    env_close(&e);
}

static void on_nested(void *ctx, enum err err, const struct redis_reply *r)
{
    struct env *e = ctx;
    assert_int_equal(err, ERR_OK);
    assert_int_equal(r->kind, REDIS_ARRAY);
    assert_int_equal(r->n, 3);
    assert_int_equal(r->items[0].integer, 1);
    assert_int_equal(r->items[1].n, 2);
    assert_true(str_eqc(r->items[1].items[0].text, "two"));
    assert_int_equal(r->items[1].items[1].n, 1);
    assert_int_equal(r->items[1].items[1].items[0].integer, 3);
    assert_true(str_eqc(r->items[2].text, "four"));
    e->answers++;
    happened(e);
}

static struct redis_script script_of(const char *text)
{
    struct redis_script s;
    redis_script_init(&s, text);
    return s;
}

static void test_scripts(void **state)
{
    struct env e;
    (void)state;
    struct redis_script nested = script_of("return {1, {'two', {3}}, 'four'}");
    struct redis_script args = script_of("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    struct redis_script broken = script_of("return nosuchthing(");
    env_up(&e);
    e.want = 3;
    for (int i = 0; i < 3; i++) /* not known, still not known, pipelined; all fall back */
        redis_eval(e.conn, &e.owner, &nested, 0, 0, NULL, on_nested, &e);
    run_until(&e, is_answered);
    ASK(&e, STR("SCRIPT"), STR("EXISTS"), str_of(nested.sha));
    assert_int_equal(e.integer, 1);
    ASK(&e, STR("SCRIPT"), STR("FLUSH"));
    const struct str key_and_arg[] = {STR("n"), STR("41")};
    for (int i = 1; i <= 2; i++) {
        e.want = e.answers + 1;
        redis_eval(e.conn, &e.owner, &args, 1, 2, key_and_arg, on_answer, &e);
        run_until(&e, is_answered);
        assert_int_equal(e.kind, REDIS_INTEGER);
        assert_int_equal(e.integer, 41 * i);
    }
    e.want = e.answers + 1;
    redis_eval(e.conn, &e.owner, &broken, 0, 0, NULL, on_answer, &e);
    run_until(&e, is_answered);
    assert_int_equal(e.kind, REDIS_ERROR);
    op_cancel(redis_eval(e.conn, &e.owner, &nested, 0, 0, NULL, on_nested, NULL));
    ASK(&e, STR("PING"));
    assert_string_equal(e.text, "PONG");
    env_close(&e);
}

struct pipeline {
    struct env *e;
    int64_t next;
};

static void on_incremented(void *ctx, enum err err, const struct redis_reply *r)
{
    struct pipeline *p = ctx;
    assert_int_equal(err, ERR_OK);
    assert_int_equal(r->integer, ++p->next);
    p->e->answers++;
    happened(p->e);
}

static void test_pipeline(void **state)
{
    struct env e;
    struct pipeline p = {&e, 0};
    const struct str argv[] = {STR("INCR"), STR("n")};
    (void)state;
    env_up(&e);
    e.want = 10000;
    for (unsigned i = 0; i < e.want; i++)
        redis_command(e.conn, &e.owner, 2, argv, on_incremented, &p);
    run_until(&e, is_answered);
    assert_int_equal(p.next, 10000);
    env_close(&e);
}

/* ---- cancel and close */

static void on_never(void *ctx, enum err err, const struct redis_reply *r)
{
    (void)ctx, (void)err, (void)r;
    fail_msg("a cancelled command was answered");
}

static void on_close_here(void *ctx, enum err err, const struct redis_reply *r)
{
    struct env *e = ctx;
    assert_int_equal(err, ERR_OK);
    redis_close(&e->conn);
    assert_true(str_eqc(r->text, "hello")); /* still to be read */
    e->answers++;
    happened(e);
}

static void test_cancel_and_close(void **state)
{
    struct env e;
    const struct str ping[] = {STR("PING"), STR("hello")};
    (void)state;
    env_up(&e);
    op_cancel(redis_command(e.conn, &e.owner, 2, ping, on_never, &e));
    redis_command(e.conn, &e.owner, 2, ping, on_never, &e);
    op_owner_cancel_all(&e.owner);
    ASK(&e, STR("PING"));
    e.want = e.answers + 1;
    redis_command(e.conn, &e.owner, 2, ping, on_close_here, &e);
    redis_command(e.conn, &e.owner, 2, ping, on_never, &e);
    run_until(&e, is_answered);
    assert_null(e.conn);
    assert_true(op_owner_idle(&e.owner));
    e.conn = conn_new(&e, (struct redis_conf){0});
    redis_command(e.conn, &e.owner, 2, ping, on_never,
                  &e); /* refused, then closed before it is told */
    env_close(&e);
}

/* ---- AUTH, SELECT, TLS */

static void test_auth(void **state)
{
    static const char *const extra[] = {"--requirepass", "secret", NULL};
    struct env e;
    (void)state;
    env_open(&e);
    server_start(&e, false, extra);
    e.conn =
        conn_new(&e, (struct redis_conf){.username = "default", .password = "secret", .db = 3});
    run_until(&e, is_up);
    ASK(&e, STR("SET"), STR("where"), STR("three"));
    ASK(&e, STR("SELECT"), STR("0"));
    ASK(&e, STR("EXISTS"), STR("where"));
    assert_int_equal(e.integer, 0);
    redis_close(&e.conn);
    e.conn = conn_new(&e, (struct redis_conf){.password = "secret"});
    run_until(&e, is_up);
    redis_close(&e.conn);
    static const struct redis_conf wrong[] = {{.password = "guess"}, {.password = NULL}};
    static const char *const reasons[] = {"WRONGPASS", "NOAUTH"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        e.log[0] = '\0';
        e.conn = conn_new(&e, wrong[i]);
        run_until(&e, is_logged);
        assert_non_null(strstr(e.log, reasons[i]));
        assert_false(redis_is_up(e.conn));
        redis_close(&e.conn);
    }
    assert_int_equal(e.downs, 0);
    env_close(&e);
}

static void expect_tls_failure(struct env *e, struct tls_ctx *ctx, const char *sni,
                               const char *reason)
{
    e->log[0] = '\0';
    e->conn = conn_new(e, (struct redis_conf){.tls = ctx, .sni = sni});
    run_until(e, is_logged);
    if (!strstr(e->log, reason))
        fail_msg("%s", e->log);
    redis_close(&e->conn);
}

static void test_tls(void **state)
{
    struct env e;
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], other[TEST_PATH_MAX], why[200];
    struct tls_ctx *good, *bad;
    (void)state;
    test_cert_make(dir, "ca", &(struct test_cert){.cn = "ca", .is_ca = true});
    test_cert_make(dir, "other", &(struct test_cert){.cn = "other", .is_ca = true});
    test_cert_make(
        dir, "redis",
        &(struct test_cert){
            .cn = "redis", .san = "DNS:redis.test", .eku = "serverAuth", .issuer = "ca"});
    const char *const extra[] = {"--tls-cert-file",
                                 test_path(crt, dir, "redis", "crt"),
                                 "--tls-key-file",
                                 test_path(key, dir, "redis", "key"),
                                 "--tls-ca-cert-file",
                                 test_path(ca, dir, "ca", "crt"),
                                 "--tls-auth-clients",
                                 "no",
                                 NULL};
    struct tls_ctx_conf trust = {.ca_file = ca, .no_system_ca = true};
    struct tls_ctx_conf distrust = {.ca_file = test_path(other, dir, "other", "crt"),
                                    .no_system_ca = true};
    assert_int_equal(tls_ctx_new(false, &trust, &good, why, sizeof why), ERR_OK);
    assert_int_equal(tls_ctx_new(false, &distrust, &bad, why, sizeof why), ERR_OK);
    env_open(&e);
    server_start(&e, true, extra);
    e.conn = conn_new(&e, (struct redis_conf){.tls = good, .sni = "redis.test"});
    run_until(&e, is_up);
    ASK(&e, STR("PING"), STR("over TLS"));
    assert_string_equal(e.text, "over TLS");
    redis_close(&e.conn);
    expect_tls_failure(&e, bad, "redis.test", "CERT");
    expect_tls_failure(&e, good, "other.test", "another name");
    tls_ctx_unref(&good);
    tls_ctx_unref(&bad);
    env_close(&e);
}

/* ---- loss and return */

static void test_kill_and_restart(void **state)
{
    struct env e;
    (void)state;
    env_up(&e);
    COMMAND(&e, STR("BLPOP"), STR("never"), STR("0"));
    e.want = 1;
    server_kill(&e);
    run_until(&e, is_down);
    assert_int_equal(e.answers, 1); /* told before down */
    assert_int_equal(e.err, ERR_CLOSED);
    ASK(&e, STR("PING"));
    assert_int_equal(e.err, ERR_UNAVAILABLE);
    server_start(&e, false, NULL);
    run_until(&e, is_up);
    assert_int_equal(e.ups, 2);
    ASK(&e, STR("PING"));
    assert_int_equal(e.err, ERR_OK);
    env_close(&e);
}

static void test_command_timeout(void **state)
{
    struct env e;
    (void)state;
    env_open(&e);
    server_start(&e, false, NULL);
    e.conn = conn_new(&e, (struct redis_conf){.command_timeout_ms = 300});
    run_until(&e, is_up);
    kill(e.pid, SIGSTOP);
    COMMAND(&e, STR("PING"));
    e.want = 1;
    run_until(&e, is_down);
    assert_int_equal(e.answers, 1);
    assert_int_equal(e.err, ERR_CLOSED);
    assert_int_equal(e.down_why, ERR_TIMEOUT);
    kill(e.pid, SIGCONT);
    run_until(&e, is_up);
    assert_int_equal(e.ups, 2);
    env_close(&e);
}

static void on_counted(void *ctx, enum err err, const struct redis_reply *r)
{
    unsigned *n = ctx;
    (void)r;
    assert_int_equal(err, ERR_CLOSED);
    ++*n;
}

static void test_outstanding_limit(void **state)
{
    struct env e;
    unsigned closed = 0;
    const struct str ping[] = {STR("PING")};
    (void)state;
    env_up(&e);
    kill(e.pid, SIGSTOP);
    for (unsigned i = 0; i < 65536; i++)
        redis_command(e.conn, &e.owner, 1, ping, on_counted, &closed);
    ASK(&e, STR("PING"));
    assert_int_equal(e.err, ERR_LIMIT);
    e.want = 1;
    run_until(&e, is_down);
    assert_int_equal(closed, 65536);
    env_close(&e);
}

/* A second connection to the same server on the same loop. */
static void env_beside(struct env *e, const struct env *first)
{
    memset(e, 0, sizeof *e);
    e->loop = first->loop;
    e->port = first->port;
    timer_init(&e->guard, e->loop, on_guard, e);
    op_owner_init(&e->owner);
    e->conn = conn_new(e, (struct redis_conf){0});
}

/* Publish until the subscription has reached the server, which then tells one receiver. */
static void publish(struct env *e, struct str payload)
{
    do {
        ASK(e, STR("PUBLISH"), STR("news"), payload);
        assert_int_equal(e->kind, REDIS_INTEGER);
    } while (e->integer != 1);
}

static void test_pubsub(void **state)
{
    struct env sub, pub;
    (void)state;
    env_open(&sub);
    server_start(&sub, false, NULL);
    sub.subscribe_at_up = true;
    sub.conn = conn_new(&sub, (struct redis_conf){0});
    env_beside(&pub, &sub);
    for (unsigned round = 1; round <= 2; round++) {
        run_until(&sub, is_up);
        run_until(&pub, is_up);
        publish(&pub, round == 1 ? STR("first") : STR("again\r\n"));
        sub.want = round;
        run_until(&sub, is_heard);
        assert_string_equal(sub.message, round == 1 ? "news=first" : "news=again\r\n");
        ASK(&sub, STR("GET"), STR("k")); /* not on a subscriber */
        assert_int_equal(sub.err, ERR_UNAVAILABLE);
        if (round == 2)
            break;
        sub.want = pub.want = 1;
        server_kill(&sub);
        run_until(&sub, is_down);
        run_until(&pub, is_down);
        server_start(&sub, false, NULL);
    }
    redis_close(&pub.conn);
    env_close(&sub);
}

/* A subscriber that hears nothing asks; no answer is the end of the link. */
static void test_silent_subscriber(void **state)
{
    struct env e;
    (void)state;
    env_open(&e);
    server_start(&e, false, NULL);
    e.subscribe_at_up = true;
    e.conn = conn_new(&e, (struct redis_conf){.command_timeout_ms = 100});
    run_until(&e, is_up);
    kill(e.pid, SIGSTOP);
    e.want = 1;
    run_until(&e, is_down);
    assert_int_equal(e.down_why, ERR_TIMEOUT);
    env_close(&e);
}

/* ---- a server of our own that says what it wants */

struct liar {
    struct env *e;
    struct listener *listener;
    struct transport *t;
    const char *lie;
    size_t lie_n;
    unsigned asked; /* times data came */
};

static void liar_data(void *ctx, struct str bytes)
{
    struct liar *l = ctx;
    (void)bytes;
    if (l->asked++ == 0) {
        transport_send(l->t, STR("+PONG\r\n"));
        return;
    }
    transport_send(l->t, str_make(l->lie, l->lie_n));
    transport_shut(l->t);
}

static void liar_nothing(void *ctx)
{
    (void)ctx;
}

static void liar_end(void *ctx, enum err e)
{
    struct liar *l = ctx;
    (void)e;
    transport_abort(&l->t);
}

static void liar_accept(void *ctx, struct transport *t)
{
    static const struct transport_events events = {liar_nothing, liar_data, liar_nothing, liar_end};
    struct liar *l = ctx;
    if (l->t) {
        transport_abort(&t);
        return;
    }
    l->t = t;
    transport_set_events(t, &events, l);
}

static void expect_lie(struct str lie, enum err down_why)
{
    struct env e;
    struct liar l = {.e = &e, .lie = lie.p, .lie_n = lie.n};
    struct addr any;
    env_open(&e);
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &any), ERR_OK);
    assert_int_equal(listener_open(e.loop, &any, liar_accept, &l, &l.listener), ERR_OK);
    e.port = listener_addr(l.listener)->port;
    e.conn = conn_new(&e, (struct redis_conf){0});
    run_until(&e, is_up);
    COMMAND(&e, STR("PING"));
    e.want = 1;
    run_until(&e, is_down);
    assert_int_equal(e.answers, 1);
    assert_int_equal(e.down_why, down_why);
    if (l.t)
        transport_abort(&l.t);
    listener_close(&l.listener);
    env_close(&e);
}

static void test_garbage(void **state)
{
    static const struct {
        struct str lie;
        enum err why;
    } cases[] = {
        {{"?what\r\n", 7}, ERR_PROTOCOL},
        {{"HTTP/1.1 200 OK\r\n\r\n", 19}, ERR_PROTOCOL},
        {{"$-5\r\n", 5}, ERR_PROTOCOL},
        {{"$12x\r\n", 6}, ERR_PROTOCOL},
        {{"*-7\r\n", 5}, ERR_PROTOCOL},
        {{"*2000000\r\n", 10}, ERR_LIMIT},
        {{"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", 40}, ERR_PROTOCOL},
        {{"+one\r\n+nobody asked\r\n", 21}, ERR_PROTOCOL},
        {{"$10\r\nshort", 10}, ERR_EOF},
        {{"", 0}, ERR_EOF},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_lie(cases[i].lie, cases[i].why);
    size_t n = 200 * 1024;
    char *line = mem_alloc(n);
    memset(line, 'x', n);
    line[0] = '+';
    expect_lie(str_make(line, n), ERR_LIMIT);
    line[0] = '$';
    expect_lie(str_make(line, n), ERR_LIMIT);
    mem_free(line);
}

static void test_script_sha(void **state)
{
    (void)state;
    struct redis_script s = script_of("return 1");
    assert_string_equal(s.sha, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_cancel_and_close),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_kill_and_restart),
        cmocka_unit_test(test_command_timeout),
        cmocka_unit_test(test_outstanding_limit),
        cmocka_unit_test(test_pubsub),
        cmocka_unit_test(test_silent_subscriber),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_script_sha),
    };
    if (!mkdtemp(dir))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? failed : 1;
}
