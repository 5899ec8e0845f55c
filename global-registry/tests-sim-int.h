#ifndef GLOBAL_REGISTRY_TESTS_SIM_INT_H
#define GLOBAL_REGISTRY_TESTS_SIM_INT_H
/* A simulated world of members for the simulator tests: start, kill and stop members, ask them,
 * read what they were told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "global-registry/reg-fake-int.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"

#define MS 1000ull
#define S 1000000ull
#define NODES_MAX 8

struct tnode {
    struct loop *loop;
    struct registry *r;
    struct reg_member self;
    char journal[4096]; /* "+eu/eu1#5 -eu/eu1#5 connected lost fenced " */
    unsigned fenced;
    bool closed;
};
struct tworld {
    struct reg_fake_world *w;
    uint64_t cache_ms;
    uint64_t incarnation;
};
struct reply {
    bool done;
    unsigned calls;
    enum err e;
    size_t n;
    char where[256]; /* "eu/eu1=home us/us1=home " */
};

static void journal(struct tnode *t, const char *fmt, const char *region, const char *node,
                    uint64_t inc)
{
    size_t n = strlen(t->journal);
    assert_true(n + 200 < sizeof t->journal);
    if (region)
        snprintf(t->journal + n, sizeof t->journal - n, "%s%s/%s#%" PRIu64 " ", fmt, region, node,
                 inc);
    else
        snprintf(t->journal + n, sizeof t->journal - n, "%s ", fmt);
}
static void on_member_up(void *ctx, const struct reg_member *m)
{
    journal(ctx, "+", m->region, m->node, m->incarnation);
}
static void on_member_down(void *ctx, const struct reg_member *m)
{
    journal(ctx, "-", m->region, m->node, m->incarnation);
}
static void on_fenced(void *ctx)
{
    struct tnode *t = ctx;
    t->fenced++;
    journal(t, "fenced", NULL, NULL, 0);
}
static void on_state(void *ctx, bool connected)
{
    journal(ctx, connected ? "connected" : "lost", NULL, NULL, 0);
}
static const struct registry_events node_events = {on_member_up, on_member_down, on_fenced,
                                                   on_state};

/* name: "eu1": the region is its letters. */
static void node_start(struct tworld *tw, struct tnode *t, const char *name)
{
    struct registry_conf c = {.beat_ms = 5000, .lease_ms = 15000, .cache_ms = tw->cache_ms};
    struct reg_driver *d = reg_fake_new(tw->w);
    char loop_name[80];
    memset(t, 0, sizeof *t);
    snprintf(c.self.node, sizeof c.self.node, "%s", name);
    snprintf(c.self.region, sizeof c.self.region, "%.2s", name);
    snprintf(c.self.domain, sizeof c.self.domain, "%s.regions.world.test", name);
    snprintf(c.self.endpoint, sizeof c.self.endpoint, "127.0.0.1:5280");
    c.self.incarnation = ++tw->incarnation;
    t->self = c.self;
    snprintf(loop_name, sizeof loop_name, "%s/0", name);
    t->loop = loop_new(loop_name, 0);
    t->r = registry_open(t->loop, &c, &d, &node_events, t);
    assert_null(d);
}
static bool is_connected(void *ctx)
{
    return registry_connected(((struct tnode *)ctx)->r);
}
static inline void node_start_wait(struct tworld *tw, struct tnode *t, const char *name)
{
    node_start(tw, t, name);
    assert_true(sim_run(5 * S, is_connected, t));
}
static void on_closed(void *ctx)
{
    ((struct tnode *)ctx)->closed = true;
}
static bool is_closed(void *ctx)
{
    return ((struct tnode *)ctx)->closed;
}
static inline void node_stop(struct tnode *t)
{
    if (!t->loop)
        return;
    registry_close(&t->r, on_closed, t);
    assert_null(t->r);
    assert_false(t->closed);
    assert_true(sim_run(1100 * MS, is_closed, t));
    loop_free(&t->loop);
}
/* Gone without a word: its lease stays. */
static inline void node_kill(struct tworld *tw, struct tnode *t)
{
    reg_fake_reachable(tw->w, t->self.node, false);
    registry_close(&t->r, on_closed, t);
    assert_true(sim_run(1100 * MS, is_closed, t));
    loop_free(&t->loop);
    reg_fake_reachable(tw->w, t->self.node, true);
}
static void world_begin(struct tworld *tw, uint64_t seed, uint64_t min_ms, uint64_t max_ms)
{
    sim_begin(seed);
    memset(tw, 0, sizeof *tw);
    tw->w = reg_fake_world_new();
    tw->incarnation = 100;
    reg_fake_latency(tw->w, min_ms, max_ms);
}
static void world_end(struct tworld *tw)
{
    reg_fake_world_free(&tw->w);
    sim_end();
}
static void run_for(uint64_t us)
{
    sim_run(us, NULL, NULL);
}

static void on_reply(void *ctx, enum err e, const struct reg_location *l, size_t n)
{
    struct reply *a = ctx;
    a->calls++;
    a->done = true;
    a->e = e;
    a->n = n;
    a->where[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(a->where);
        snprintf(a->where + at, sizeof a->where - at, "%s/%s=%s ", l[i].member->region,
                 l[i].member->node, l[i].home);
    }
}
static bool is_done(void *ctx)
{
    return ((struct reply *)ctx)->done;
}
static struct reply ask_how(struct tnode *t, const char *bare, bool fresh)
{
    struct reply a = {.done = false};
    registry_locate(t->r, NULL, str_of(bare), fresh, on_reply, &a);
    assert_false(a.done);
    assert_true(sim_run(20 * S, is_done, &a));
    assert_int_equal(a.calls, 1);
    return a;
}
static inline struct reply ask(struct tnode *t, const char *bare)
{
    return ask_how(t, bare, false);
}
#define assert_at(t, bare, text)                                                                   \
    do {                                                                                           \
        struct reply a_ = ask(t, bare);                                                            \
        assert_int_equal(a_.e, ERR_OK);                                                            \
        assert_string_equal(a_.where, text);                                                       \
    } while (0)
static inline void publish(struct tnode *t, const char *bare, const char *home)
{
    registry_publish(t->r, str_of(bare), str_of(home));
}
static inline void withdraw(struct tnode *t, const char *bare)
{
    registry_withdraw(t->r, str_of(bare));
}
#endif
