/* The driver's contract held by reg-redis on a real redis-server. */
#include "global-registry/tests-redis-int.h"
#include "global-registry/tests-suite-int.h"

static void suite_wait(struct suite *s UNUSED, bool (*until)(void *ctx), void *ctx)
{
    wait_for(until, ctx);
}

static void suite_flush(struct suite *s UNUSED)
{
    RAW(STR("FLUSHALL"));
}

static bool is_suite_up(void *ctx)
{
    return ((struct suite *)ctx)->up;
}

static int suite_begin(void **state)
{
    struct suite *s = mem_alloc(sizeof *s);
    struct redis_conf c = {.source = source};
    env_open(NULL);
    server_start("--port", NULL);
    s->d = reg_redis_new(&c, NULL);
    s->d->ops->start(s->d, env.loop, &suite_events, s);
    wait_for(is_suite_up, s);
    *state = s;
    return 0;
}

static int suite_end(void **state)
{
    struct suite *s = *state;
    s->d->ops->close(&s->d);
    mem_free(s);
    env_close();
    return 0;
}

int main(void)
{
    log_set_level(LOG_WARN);
    if (!mkdtemp(dir))
        return 1;
    const struct CMUnitTest tests[] = {SUITE_TESTS};
    int failed = cmocka_run_group_tests(tests, suite_begin, suite_end);
    test_certs_end(dir);
    return failed;
}
