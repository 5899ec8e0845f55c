/* The common tests under the simulator, over several seeds. */
#include "lib/loop/sim-loop.h"
#include "lib/loop/tests-common-int.h"

static const struct loop *done;

static bool is_done(void *ctx)
{
    return done == ctx;
}

static void drive(struct loop *l)
{
    done = NULL;
    assert_true(sim_run(20000000, is_done, l));
}

static void finished(struct loop *l)
{
    done = l;
}

static uint64_t seed;

static int begin(void **state UNUSED)
{
    sim_begin(seed);
    return 0;
}

static int end(void **state UNUSED)
{
    sim_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {COMMON_TESTS};
    int failed = 0;
    for (seed = 1; seed <= 8; seed++)
        failed += cmocka_run_group_tests(tests, begin, end);
    return failed;
}
