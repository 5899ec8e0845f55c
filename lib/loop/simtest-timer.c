/* The wheel against the clock: timers of all magnitudes, stopped and restarted at random, each
 * fires at its millisecond and no other time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/loop/sim-loop.h"
#include "lib/loop/timer.h"

enum { TIMERS = 300, ROUNDS = 4000 };

struct watch {
    struct timer timer;
    uint64_t want_us; /* 0 = must not fire */
    unsigned fired;
};

static void on_fire(void *ctx)
{
    struct watch *w = ctx;
    assert_int_equal(sim_now_us(), w->want_us);
    assert_false(timer_running(&w->timer));
    w->want_us = 0;
    w->fired++;
}

static uint64_t round_up_ms(uint64_t us)
{
    return (us + 999) / 1000 * 1000;
}

static void restart(struct watch *w)
{
    uint64_t delay_ms = 1 + sim_rand(UINT64_C(1) << sim_rand(33));
    w->want_us = round_up_ms(sim_now_us()) + delay_ms * 1000;
    timer_start(&w->timer, delay_ms);
}

static void touch(struct watch *w)
{
    if (sim_rand(4) > 0) {
        restart(w);
        return;
    }
    timer_stop(&w->timer);
    w->want_us = 0;
    assert_false(timer_running(&w->timer));
}

static void run_watches(uint64_t seed, struct watch *w)
{
    sim_begin(seed);
    struct loop *l = loop_new("h/0", 0);
    for (unsigned i = 0; i < TIMERS; i++)
        timer_init(&w[i].timer, l, on_fire, &w[i]);
    for (unsigned round = 0; round < ROUNDS; round++) {
        touch(&w[sim_rand(TIMERS)]);
        assert_false(sim_run(1 + sim_rand(UINT64_C(1) << sim_rand(36)), NULL, NULL));
    }
    for (unsigned i = 0; i < TIMERS; i++)
        assert_int_equal(timer_running(&w[i].timer), w[i].want_us != 0);
    assert_false(sim_run((UINT64_C(1) << 32) * 1000 + 1000, NULL, NULL)); /* all of them */
    for (unsigned i = 0; i < TIMERS; i++)
        assert_int_equal(w[i].want_us, 0);
    loop_free(&l);
    sim_end();
}

static void test_timer_fires_at_its_millisecond(void **state UNUSED)
{
    unsigned fired = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct watch *w = mem_calloc(TIMERS, sizeof *w);
        run_watches(seed, w);
        for (unsigned i = 0; i < TIMERS; i++)
            fired += w[i].fired;
        mem_free(w);
    }
    assert_true(fired > 10 * ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_fires_at_its_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
