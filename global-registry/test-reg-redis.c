/* The registry on a real redis-server: two regions in one process while the server is killed,
 * restarted empty, wiped, made a replica, holds garbage. */
#include "global-registry/tests-redis-members-int.h"

static void test_redis_two_regions(void **state UNUSED)
{
    struct member eu, us;
    two_regions(&eu, &us);
    assert_string_equal(registry_member(us.r, 0)->domain, "eu1.world.test");
    assert_string_equal(ask(&us, "ann@world.test", false), "");
    registry_publish(eu.r, STR("ann@world.test"), STR("us"));
    wait_at(&us, "ann@world.test", "eu/eu1=us ");
    registry_publish(us.r, STR("ann@world.test"), STR("us"));
    wait_at(&eu, "ann@world.test", "eu/eu1=us us/us1=us ");
    registry_withdraw(eu.r, STR("ann@world.test"));
    wait_at(&us, "ann@world.test", "us/us1=us ");
    assert_string_equal(ask(&eu, "ann@world.test", true), "us/us1=us ");
    registry_withdraw(us.r, STR("ann@world.test"));
    wait_at(&eu, "ann@world.test", "");
    RAW(STR("PTTL"), STR("test:u:ann@world.test"));
    assert_in_range(env.integer, 1, 600000); /* withdrawn by all: goes by itself */
    registry_publish(eu.r, STR("ann@world.test"), STR("us"));
    wait_at(&us, "ann@world.test", "eu/eu1=us ");
    RAW(STR("PTTL"), STR("test:u:ann@world.test"));
    assert_int_equal(env.integer, -1); /* stays */
    member_close(&eu);
    wait_for(has_no_peer, &us);
    member_close(&us);
    RAW(STR("EXISTS"), STR("test:lease:eu/eu1"), STR("test:lease:us/us1"));
    assert_int_equal(env.integer, 0);
    env_close();
}

static void test_redis_killed_and_restarted_empty(void **state UNUSED)
{
    struct member eu, us;
    two_regions(&eu, &us);
    publish_many(&eu, 0, 1000);
    wait_keys(1000 + CONTROL_KEYS(2));
    assert_string_equal(ask(&us, "user7@world.test", false), "eu/eu1=eu ");
    publish_many(&eu, 1000, 2000); /* on their way */
    server_kill();
    publish_many(&eu, 2000, 3000);
    registry_withdraw(eu.r, STR("user8@world.test"));
    wait_for(is_lost, &us);
    assert_string_equal(ask(&us, "user7@world.test", false), "eu/eu1=eu ");
    assert_string_equal(ask(&us, "user9@world.test", false), "UNAVAILABLE");
    registry_learn(us.r, STR("user9@world.test"), "eu", "eu1", eu.self.incarnation, "eu");
    assert_string_equal(ask(&us, "user9@world.test", false), "eu/eu1=eu ");
    server_start("--port", NULL);
    wait_keys(3000 + CONTROL_KEYS(2)); /* that of user8 holds its withdrawal */
    wait_at(&us, "user8@world.test", "");
    assert_string_equal(ask(&us, "user2999@world.test", true), "eu/eu1=eu ");
    assert_int_equal(us.downs + eu.downs, 0);
    member_close(&eu);
    member_close(&us);
    env_close();
}

static void test_redis_flushed(void **state UNUSED)
{
    struct member eu, us;
    two_regions_lease(&eu, &us, LEASE_LONG_MS);
    publish_many(&eu, 0, 20000);
    publish_many(&us, 20000, 20100);
    wait_keys(20100 + CONTROL_KEYS(2));
    RAW(STR("FLUSHALL"));
    const char *where = ask(&us, "user5@world.test", false); /* never asked before */
    assert_true(!strcmp(where, "UNAVAILABLE") || !strcmp(where, "eu/eu1=eu "));
    uint64_t begin = clock_mono_us();
    wait_keys(20100 + CONTROL_KEYS(2));
    print_message("20,100 rows rebuilt in %" PRIu64 " ms\n", (clock_mono_us() - begin) / 1000);
    wait_at(&us, "user5@world.test", "eu/eu1=eu ");
    wait_at(&eu, "user20099@world.test", "us/us1=eu ");
    assert_int_equal(us.downs + eu.downs, 0);
    member_close(&eu);
    member_close(&us);
    env_close();
}

static void test_redis_silent_member(void **state UNUSED)
{
    struct member us;
    uint64_t now = clock_wall_us();
    char lease[128], inc[32], row[64];
    env_open(NULL);
    server_start("--port", NULL);
    member_open(&us, "us", "us1", (struct redis_conf){.db = 0});
    wait_for(is_connected, &us);
    snprintf(inc, sizeof inc, "%" PRIu64, now);
    snprintf(lease, sizeof lease, "%" PRIu64 " - eu1.world.test 127.0.0.1:1", now);
    snprintf(row, sizeof row, "%" PRIu64 " 1 eu", now);
    RAW(STR("HSET"), STR("test:nodes"), STR("eu/eu1"), str_of(inc));
    RAW(STR("SET"), STR("test:lease:eu/eu1"), str_of(lease), STR("PX"), STR("3000"));
    RAW(STR("HSET"), STR("test:u:a@w"), STR("eu/eu1"), str_of(row));
    wait_for(has_peer, &us);
    assert_string_equal(ask(&us, "a@w", true), "eu/eu1=eu ");
    wait_for(has_no_peer, &us);
    assert_int_equal(us.downs, 1);
    assert_int_equal(us.down_incarnation, now);
    assert_string_equal(ask(&us, "a@w", false), "");
    wait_at(&us, "a@w", "");
    ask(&us, "a@w", true);
    wait_keys(CONTROL_KEYS(1)); /* swept */
    RAW(STR("HGET"), STR("test:nodes"), STR("eu/eu1"));
    assert_string_equal(env.text, inc); /* remembered for a day */
    RAW(STR("HSET"), STR("test:nodes"), STR("eu/eu1"), STR("12345"));
    member_close(&us);
    env_close();
}

struct forgotten {
    int64_t want; /* names left */
    bool asking;
};
static bool is_forgotten(void *ctx)
{
    struct forgotten *f = ctx;
    const struct str argv[] = {STR("HLEN"), STR("test:nodes")};
    if (f->asking && !env.answered)
        return false;
    if (f->asking && env.integer == f->want)
        return true;
    f->asking = true;
    env.answered = false;
    redis_command(env.raw, NULL, 2, argv, on_raw, NULL);
    return false;
}

/* Foreign values are passed over; names without lease for a day are dropped. */
static void test_redis_garbage(void **state UNUSED)
{
    struct member us;
    struct forgotten f = {.want = 1};
    env_open(NULL);
    server_start("--port", NULL);
    RAW(STR("HSET"), STR("test:nodes"), STR("gone/gone1"), STR("12345"), STR("eu/eu1"),
        STR("99999999999999999"));
    RAW(STR("SET"), STR("test:lease:eu/eu1"), STR("not a lease"));
    RAW(STR("HSET"), STR("test:u:a@w"), STR("junk"), STR("1 1 eu"), STR("eu/eu1"), STR("x"),
        STR("us/us1"), STR("1 1 eu"));
    RAW(STR("SET"), STR("test:u:b@w"), STR("a string"));
    member_open(&us, "us", "us1", (struct redis_conf){.db = 0});
    wait_for(is_connected, &us);
    assert_string_equal(ask(&us, "a@w", true), "");
    assert_string_equal(ask(&us, "b@w", true), "UNAVAILABLE");
    registry_publish(us.r, STR("b@w"), STR("us"));
    registry_publish(us.r, STR("c@w"), STR("us"));
    wait_at(&us, "c@w", "us/us1=us ");
    RAW(STR("HSET"), STR("test:nodes"), STR("nonsense"), STR("1"));
    RAW(STR("HDEL"), STR("test:nodes"), STR("nonsense"), STR("eu/eu1"));
    wait_for(is_forgotten, &f); /* gone/gone1 */
    assert_int_equal(us.ups + us.downs, 0);
    assert_true(registry_connected(us.r));
    member_close(&us);
    env_close();
}

static void test_redis_younger_incarnation_fences(void **state UNUSED)
{
    struct member old, young, us;
    two_regions(&old, &us);
    registry_publish(old.r, STR("a@w"), STR("eu"));
    wait_at(&us, "a@w", "eu/eu1=eu ");
    member_open(&young, "eu", "eu1", (struct redis_conf){.db = 0});
    assert_true(young.self.incarnation > old.self.incarnation);
    wait_for(is_fenced, &old);
    assert_false(registry_connected(old.r));
    registry_publish(young.r, STR("b@w"), STR("eu"));
    wait_at(&us, "b@w", "eu/eu1=eu ");
    wait_at(&us, "a@w", "");
    assert_int_equal(us.downs, 1);
    assert_int_equal(us.down_incarnation, old.self.incarnation);
    assert_int_equal(us.ups, 2);
    assert_int_equal(us.up_incarnation, young.self.incarnation);
    member_close(&old);
    assert_string_equal(ask(&us, "b@w", true), "eu/eu1=eu ");
    member_close(&young);
    member_close(&us);
    env_close();
}

/* A primary that was made a replica refuses writes; the registry leaves it and comes back when that
 * is over. */
static void test_redis_read_only(void **state UNUSED)
{
    struct member eu, us;
    two_regions(&eu, &us);
    RAW(STR("REPLICAOF"), STR("127.0.0.1"), STR("1"));
    wait_for(is_lost, &eu);
    registry_publish(eu.r, STR("a@w"), STR("eu"));
    RAW(STR("REPLICAOF"), STR("NO"), STR("ONE"));
    wait_for(is_connected, &eu);
    wait_for(is_connected, &us);
    wait_at(&us, "a@w", "eu/eu1=eu ");
    member_close(&eu);
    member_close(&us);
    env_close();
}

/* Without the listening connection there are no invalidations: nothing may be answered from memory
 * as current. */
static void test_redis_listener_lost(void **state UNUSED)
{
    struct member eu, us;
    two_regions(&eu, &us);
    assert_string_equal(ask(&us, "a@w", false), "");
    RAW(STR("CLIENT"), STR("KILL"), STR("TYPE"), STR("pubsub"));
    wait_for(is_lost, &us);
    registry_publish(eu.r, STR("a@w"), STR("eu"));
    wait_at(&us, "a@w", "eu/eu1=eu ");
    registry_withdraw(eu.r, STR("a@w"));
    wait_at(&us, "a@w", "");
    assert_int_equal(us.downs + eu.downs, 0);
    member_close(&eu);
    member_close(&us);
    env_close();
}

static void test_redis_scripts_flushed(void **state UNUSED)
{
    struct member eu, us;
    two_regions(&eu, &us);
    RAW(STR("SCRIPT"), STR("FLUSH"));
    registry_publish(eu.r, STR("a@w"), STR("eu"));
    wait_at(&us, "a@w", "eu/eu1=eu ");
    member_close(&eu);
    member_close(&us);
    env_close();
}

static bool is_refused(void *ctx UNUSED)
{
    return strstr(env.log, "WRONGPASS") != NULL;
}

static void test_redis_auth(void **state UNUSED)
{
    struct member good, bad;
    struct redis_conf c = {.password = "se cret"};
    const char *const extra[] = {"--requirepass", "se cret", NULL};
    env_open(&c);
    server_start("--port", extra);
    member_open(&good, "eu", "eu1", c);
    member_open(&bad, "us", "us1", (struct redis_conf){.password = "wrong"});
    wait_for(is_connected, &good);
    wait_for(is_refused, NULL);
    registry_publish(good.r, STR("a@w"), STR("eu"));
    assert_string_equal(ask(&good, "a@w", true), "eu/eu1=eu ");
    assert_string_equal(ask(&bad, "a@w", true), "UNAVAILABLE");
    assert_false(registry_connected(bad.r));
    member_close(&good);
    member_close(&bad);
    env_close();
}

/* The permissions README.md names are enough. */
static void test_redis_acl(void **state UNUSED)
{
    struct member eu, us;
    struct redis_conf c = {.username = "reg", .password = "pw"};
    char acl[] =
        "+@connection +@pubsub +eval +evalsha +script|load +get +mget +hgetall +hget +hset +hdel "
        "+hvals +set +del +exists +persist +pexpire";
    struct str argv[40] = {STR("ACL"), STR("SETUSER"), STR("reg"),     STR("reset"),
                           STR("on"),  STR(">pw"),     STR("~test:*"), STR("&test:*")};
    size_t n = 8;
    for (struct str rest = str_of(acl); rest.p && n < ARRAY_LEN(argv);)
        argv[n++] = str_cut(&rest, ' ');
    env_open(NULL);
    server_start("--port", NULL);
    raw_ask(n, argv);
    assert_string_equal(env.text, "OK");
    member_open(&eu, "eu", "eu1", c);
    member_open(&us, "us", "us1", c);
    wait_for(has_peer, &us);
    registry_publish(eu.r, STR("a@w"), STR("eu"));
    wait_at(&us, "a@w", "eu/eu1=eu ");
    registry_withdraw(eu.r, STR("a@w"));
    wait_at(&us, "a@w", "");
    RAW(STR("HSET"), STR("test:u:b@w"), STR("gone/gone1"), STR("1 1 eu"));
    RAW(STR("HSET"), STR("test:nodes"), STR("gone/gone1"), STR("1"));
    assert_string_equal(ask(&us, "b@w", true), ""); /* sweeps the row; the beats forget the name */
    struct forgotten f = {.want = 2};
    wait_for(is_forgotten, &f);
    member_close(&eu);
    member_close(&us);
    RAW(STR("EXISTS"), STR("test:u:b@w"), STR("test:lease:eu/eu1"));
    assert_int_equal(env.integer, 0);
    RAW(STR("ACL"), STR("LOG"));
    assert_int_equal(env.n, 0);
    env_close();
}

static void test_redis_tls(void **state UNUSED)
{
    struct member eu, us;
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256];
    struct test_cert root = {.cn = "test root", .is_ca = true};
    struct test_cert leaf = {
        .cn = "redis.test", .san = "DNS:redis.test", .eku = "serverAuth", .issuer = "root"};
    test_cert_make(dir, "root", &root);
    test_cert_make(dir, "redis", &leaf);
    struct tls_ctx_conf tc = {.ca_file = test_path(ca, dir, "root", "crt"), .no_system_ca = true};
    struct redis_conf c = {.sni = "redis.test"};
    assert_int_equal(tls_ctx_new(false, &tc, &c.tls, why, sizeof why), ERR_OK);
    const char *const extra[] = {"--port",
                                 "0",
                                 "--tls-cert-file",
                                 test_path(crt, dir, "redis", "crt"),
                                 "--tls-key-file",
                                 test_path(key, dir, "redis", "key"),
                                 "--tls-ca-cert-file",
                                 ca,
                                 "--tls-auth-clients",
                                 "no",
                                 NULL};
    env_open(&c);
    server_start("--tls-port", extra);
    member_open(&eu, "eu", "eu1", c);
    member_open(&us, "us", "us1", c);
    tls_ctx_unref(&c.tls);
    wait_for(has_peer, &us);
    registry_publish(eu.r, STR("a@w"), STR("eu"));
    wait_at(&us, "a@w", "eu/eu1=eu ");
    member_close(&eu);
    member_close(&us);
    env_close();
}

static void on_never(void *ctx UNUSED, enum err e UNUSED, const struct reg_location *l UNUSED,
                     size_t n UNUSED)
{
    fail_msg("a cancelled question was answered");
}

static void test_redis_cancel_and_close(void **state UNUSED)
{
    struct member eu, us;
    struct op_owner owner;
    two_regions(&eu, &us);
    op_owner_init(&owner);
    op_cancel(registry_locate(eu.r, &owner, STR("a@w"), true, on_never, NULL));
    registry_locate(eu.r, &owner, STR("b@w"), true, on_never, NULL);
    op_owner_cancel_all(&owner);
    assert_string_equal(ask(&eu, "c@w", true), "");
    registry_locate(us.r, &owner, STR("b@w"), true, on_never, NULL);
    publish_many(&us, 0, 5000);
    member_close(&us);
    assert_true(op_owner_idle(&owner));
    server_kill();
    uint64_t begin = clock_mono_us();
    member_close(&eu); /* nobody confirms */
    assert_true(clock_mono_us() - begin < 5000000);
    env_close();
}

/* ---- cost */

static int64_t stat_of(const char *name)
{
    RAW(STR("INFO"), STR("everything"));
    const char *at = strstr(env.text, name);
    uint64_t x = 0;
    if (!at)
        return 0;
    struct str rest = str_of(at + strlen(name));
    assert_true(str_to_u64(str_make(rest.p, strspn(rest.p, "0123456789")), UINT64_MAX, &x));
    return (int64_t)x;
}

static bool never(void *ctx)
{
    return clock_mono_us() > *(uint64_t *)ctx;
}

/* Commands of the registry in one second of ten beats. */
static int64_t commands_per_beat(struct member *t, unsigned rows)
{
    publish_many(t, 0, rows);
    wait_keys(rows + CONTROL_KEYS(1));
    RAW(STR("CONFIG"), STR("RESETSTAT"));
    uint64_t until = clock_mono_us() + 1000000;
    wait_for(never, &until); /* time itself is what is measured over */
    int64_t beats = stat_of("cmdstat_mget:calls="), evals = stat_of("cmdstat_evalsha:calls=");
    assert_in_range(beats, 5, 12);
    assert_in_range(evals, beats - 1, beats + 1);
    assert_int_equal(stat_of("cmdstat_publish:calls="), 0);
    int64_t inside = stat_of("cmdstat_get:calls=") + stat_of("cmdstat_set:calls=") +
                     stat_of("cmdstat_hget:calls=") + stat_of("cmdstat_hset:calls=") +
                     stat_of("cmdstat_hgetall:calls=");
    return inside / evals;
}

static void test_redis_steady_cost_does_not_grow_with_rows(void **state UNUSED)
{
    struct member eu;
    env_open(NULL);
    server_start("--port", NULL);
    member_open(&eu, "eu", "eu1", (struct redis_conf){.db = 0});
    wait_for(is_connected, &eu);
    int64_t few = commands_per_beat(&eu, 1), many = commands_per_beat(&eu, 10000);
    assert_int_equal(few, many);
    member_close(&eu);
    env_close();
}

int main(void)
{
    log_set_level(LOG_WARN);
    if (!mkdtemp(dir))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redis_two_regions),
        cmocka_unit_test(test_redis_killed_and_restarted_empty),
        cmocka_unit_test(test_redis_flushed),
        cmocka_unit_test(test_redis_silent_member),
        cmocka_unit_test(test_redis_garbage),
        cmocka_unit_test(test_redis_younger_incarnation_fences),
        cmocka_unit_test(test_redis_read_only),
        cmocka_unit_test(test_redis_listener_lost),
        cmocka_unit_test(test_redis_scripts_flushed),
        cmocka_unit_test(test_redis_auth),
        cmocka_unit_test(test_redis_acl),
        cmocka_unit_test(test_redis_tls),
        cmocka_unit_test(test_redis_cancel_and_close),
        cmocka_unit_test(test_redis_steady_cost_does_not_grow_with_rows),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_certs_end(dir);
    return failed;
}
