/* DOC: Clocks: the system's, and a source in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/clock.h"

static uint64_t fake_mono(void)
{
    return 17;
}

static uint64_t fake_wall(void)
{
    return 42;
}

static void test_clock_system_time_advances(void **state)
{
    (void)state;
    uint64_t mono = clock_mono_us(), wall = clock_wall_us();
    assert_true(wall > UINT64_C(1700000000000000));
    assert_true(wall / 1000000 - (uint64_t)time(NULL) + 5 < 10);
    uint64_t later;
    do { /* the clock has to move by itself */
        later = clock_mono_us();
        assert_true(later >= mono);
    } while (later == mono);
}

static void test_clock_source_can_be_replaced(void **state)
{
    (void)state;
    static const struct clock_source fake = {fake_mono, fake_wall};
    clock_set_source(&fake);
    assert_int_equal(clock_mono_us(), 17);
    assert_int_equal(clock_wall_us(), 42);
    clock_set_source(NULL);
    assert_true(clock_wall_us() > UINT64_C(1700000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_system_time_advances),
        cmocka_unit_test(test_clock_source_can_be_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
