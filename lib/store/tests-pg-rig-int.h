#ifndef LIB_STORE_TESTS_PG_RIG_INT_H
#define LIB_STORE_TESTS_PG_RIG_INT_H
/* A store on a cluster of our own whose log lines are looked at, with a loop that is watched: no
 * turn may hog the processor (loop.hog) whatever the server does. */
#include "lib/store/tests-suite-int.h"

#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/store/tests-pg-int.h"

enum { GUARD_MS = 60000, BEAT_MS = 10 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HOG_MS = 200 }; /* a log-in with SCRAM takes 20 ms there */
#else
enum { HOG_MS = 20 };
#endif

struct rig {
    struct suite suite;
    struct timer guard, beat;
    bool (*until)(struct rig *);
    void (*each_beat)(struct rig *);
    char log[8192];               /* lines of interest, one after the other */
    uint64_t beat_us, longest_us; /* between two beats */
    unsigned long hog_ms;         /* the longest turn that was told */
};

static void suite_run(struct suite *t)
{
    if (t->pending)
        loop_run(t->loop);
    assert_int_equal(t->pending, 0);
}

static void suite_stop(struct suite *t)
{
    loop_stop(t->loop);
}

static UNUSED void suite_settle(struct suite *t)
{
    (void)t;
}

static void rig_log(void *ctx, enum log_level level, const char *line)
{
    struct rig *g = ctx;
    size_t n = strlen(g->log);
    const char *hog = strstr(line, "loop.hog") ? strstr(line, "cpu_ms=") : NULL;
    if (hog && strtoul(hog + 7, NULL, 10) > g->hog_ms)
        g->hog_ms = strtoul(hog + 7, NULL, 10);
    if (level >= LOG_INFO && n + strlen(line) + 2 < sizeof g->log)
        snprintf(g->log + n, sizeof g->log - n, "%s\n", line);
}

static UNUSED bool rig_logged(const struct rig *g, const char *text)
{
    return strstr(g->log, text) != NULL;
}

static void rig_guard(void *ctx)
{
    struct rig *g = ctx;
    print_error("nothing happened; log:\n%s\n", g->log);
    abort();
}

static void rig_beat(void *ctx)
{
    struct rig *g = ctx;
    uint64_t now_us = clock_mono_us();
    if (g->beat_us && now_us - g->beat_us > g->longest_us)
        g->longest_us = now_us - g->beat_us;
    g->beat_us = now_us;
    if (g->each_beat)
        g->each_beat(g);
    if (g->until && g->until(g))
        loop_stop(g->suite.loop);
    timer_start(&g->beat, BEAT_MS);
}

static UNUSED void rig_run_until(struct rig *g, bool (*until)(struct rig *))
{
    g->until = until;
    timer_start(&g->guard, GUARD_MS);
    loop_run(g->suite.loop);
    timer_stop(&g->guard);
    g->until = NULL;
}

static UNUSED struct rig *rig_open(const struct store_place *place)
{
    struct rig *g = mem_alloc(sizeof *g);
    char why[300] = "";
    log_set_capture(rig_log, g);
    op_owner_init(&g->suite.owner);
    g->suite.loop = loop_new("test/0", 0);
    timer_init(&g->guard, g->suite.loop, rig_guard, g);
    timer_init(&g->beat, g->suite.loop, rig_beat, g);
    enum err e = store_open_at(place, NULL, 0, &g->suite.store, why, sizeof why);
    if (e)
        print_error("%s\n", why);
    assert_int_equal(e, ERR_OK);
    g->suite.port = store_port_open(g->suite.store, g->suite.loop);
    timer_start(&g->beat, 0);
    return g;
}

static UNUSED void rig_close(struct rig *g)
{
    timer_stop(&g->guard);
    timer_stop(&g->beat);
    suite_forget(&g->suite);
    vec_fini(&g->suite.rows);
    store_port_close(&g->suite.port);
    store_close(&g->suite.store);
    loop_free(&g->suite.loop);
    log_set_capture(NULL, NULL);
    assert_in_range(g->hog_ms, 0, HOG_MS);
    mem_free(g);
}
#endif
