#ifndef GLOBAL_REGISTRY_TESTS_REDIS_MEMBERS_INT_H
#define GLOBAL_REGISTRY_TESTS_REDIS_MEMBERS_INT_H
/* Members of a world on a real redis-server: open, ask, wait until they know. Short beats: 100 ms,
 * lease LEASE_MS where a test waits for its end. */
#include "global-registry/tests-redis-int.h"
#include "lib/base/clock.h"

#define LEASE_MS 1500
#define LEASE_LONG_MS 20000 /* does not end while this process is busy */

struct member {
    struct registry *r;
    struct reg_member self;
    unsigned ups, downs, fenced;
    uint64_t up_incarnation, down_incarnation;
    bool closed;
    bool done; /* the last question */
    enum err e;
    char where[256];
};

static inline void on_up(void *ctx, const struct reg_member *m)
{
    struct member *t = ctx;
    t->ups++;
    t->up_incarnation = m->incarnation;
}
static inline void on_down(void *ctx, const struct reg_member *m)
{
    struct member *t = ctx;
    t->downs++;
    t->down_incarnation = m->incarnation;
}
static inline void on_fenced(void *ctx)
{
    ((struct member *)ctx)->fenced++;
}
static inline bool is_fenced(void *ctx)
{
    return ((struct member *)ctx)->fenced > 0;
}
static inline bool is_connected(void *ctx)
{
    return registry_connected(((struct member *)ctx)->r);
}
static inline bool is_lost(void *ctx)
{
    return !is_connected(ctx);
}
static inline bool has_peer(void *ctx)
{
    return registry_member(((struct member *)ctx)->r, 0) != NULL;
}
static inline bool has_no_peer(void *ctx)
{
    return !has_peer(ctx);
}
static inline void on_closed(void *ctx)
{
    ((struct member *)ctx)->closed = true;
}
static inline bool is_closed(void *ctx)
{
    return ((struct member *)ctx)->closed;
}

static inline void member_open_lease(struct member *t, const char *region, const char *node,
                                     struct redis_conf conf, uint64_t lease_ms)
{
    static const struct registry_events events = {on_up, on_down, on_fenced, NULL};
    struct registry_conf c = {.beat_ms = 100, .lease_ms = lease_ms};
    struct reg_driver *d;
    memset(t, 0, sizeof *t);
    conf.source = source;
    c.self.incarnation = clock_wall_us();
    snprintf(c.self.region, sizeof c.self.region, "%s", region);
    snprintf(c.self.node, sizeof c.self.node, "%s", node);
    snprintf(c.self.domain, sizeof c.self.domain, "%s.world.test", node);
    snprintf(c.self.endpoint, sizeof c.self.endpoint, "127.0.0.1:5280");
    t->self = c.self;
    d = reg_redis_new(&conf, "test:");
    t->r = registry_open(env.loop, &c, &d, &events, t);
}

static inline void member_open(struct member *t, const char *region, const char *node,
                               struct redis_conf conf)
{
    member_open_lease(t, region, node, conf, LEASE_MS);
}

static inline void member_close(struct member *t)
{
    registry_close(&t->r, on_closed, t);
    wait_for(is_closed, t);
}

static inline void on_located(void *ctx, enum err e, const struct reg_location *l, size_t n)
{
    struct member *t = ctx;
    t->done = true;
    t->e = e;
    t->where[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(t->where);
        snprintf(t->where + at, sizeof t->where - at, "%s/%s=%s ", l[i].member->region,
                 l[i].member->node, l[i].home);
    }
}
static inline bool is_located(void *ctx)
{
    return ((struct member *)ctx)->done;
}
static inline const char *ask(struct member *t, const char *bare, bool fresh)
{
    t->done = false;
    registry_locate(t->r, NULL, str_of(bare), fresh, on_located, t);
    assert_false(t->done);
    wait_for(is_located, t);
    return t->e ? err_name(t->e) : t->where;
}

struct expectation {
    struct member *t;
    const char *bare, *where;
    bool asking;
};
static inline bool becomes(void *ctx)
{
    struct expectation *x = ctx;
    if (x->asking && !x->t->done)
        return false;
    if (x->asking && !strcmp(x->t->e ? err_name(x->t->e) : x->t->where, x->where))
        return true;
    x->asking = true;
    x->t->done = false;
    registry_locate(x->t->r, NULL, str_of(x->bare), false, on_located, x->t);
    return false;
}
/* Ask until the answer is where. */
static inline void wait_at(struct member *t, const char *bare, const char *where)
{
    struct expectation x = {.t = t, .bare = bare, .where = where};
    wait_for(becomes, &x);
}

static inline void publish_many(struct member *t, unsigned from, unsigned to)
{
    char bare[32];
    for (unsigned i = from; i < to; i++) {
        snprintf(bare, sizeof bare, "user%u@world.test", i);
        registry_publish(t->r, str_of(bare), STR("eu"));
    }
}

/* Number of keys, asked again and again. */
struct key_count {
    int64_t want;
    bool asking;
};
static inline bool has_keys(void *ctx)
{
    struct key_count *k = ctx;
    const struct str argv[] = {STR("DBSIZE")};
    if (k->asking && !env.answered)
        return false;
    if (k->asking && env.integer == k->want)
        return true;
    k->asking = redis_is_up(env.raw);
    env.answered = false;
    if (k->asking)
        redis_command(env.raw, NULL, 1, argv, on_raw, NULL);
    return false;
}
static inline void wait_keys(int64_t want)
{
    struct key_count k = {.want = want};
    wait_for(has_keys, &k);
}
#define CONTROL_KEYS(members) (2 + (members)) /* gen, nodes, one lease each */

/* Both know each other, and that the other has all its rows in: an absence is certain. */
static inline void two_regions_lease(struct member *eu, struct member *us, uint64_t lease_ms)
{
    env_open(NULL);
    server_start("--port", NULL);
    member_open_lease(eu, "eu", "eu1", (struct redis_conf){.db = 0}, lease_ms);
    member_open_lease(us, "us", "us1", (struct redis_conf){.db = 0}, lease_ms);
    wait_for(has_peer, eu);
    wait_for(has_peer, us);
    wait_at(eu, "nobody@world.test", "");
    wait_at(us, "nobody@world.test", "");
}

static inline void two_regions(struct member *eu, struct member *us)
{
    two_regions_lease(eu, us, LEASE_MS);
}

#endif
