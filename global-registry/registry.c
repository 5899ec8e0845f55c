/* DOC The registry's face: opening, closing, the state, and the driver's events handed to the parts
 * (P5, P6).
 *
 * The user may close the registry inside any of its callbacks, so every part asks for REG_CLOSING
 * after it called out; the memory goes in a turn of its own (close_done), never under a running
 * function. */
#include "global-registry/registry-int.h"

#include "lib/base/log.h"

static const char *const state_names[] = {"down", "joining", "connected", "fenced", "closing"};

static const bool state_next[5][5] = {
    [REG_DOWN] = {[REG_JOINING] = true, [REG_FENCED] = true, [REG_CLOSING] = true},
    [REG_JOINING] =
        {[REG_DOWN] = true, [REG_CONNECTED] = true, [REG_FENCED] = true, [REG_CLOSING] = true},
    [REG_CONNECTED] =
        {[REG_DOWN] = true, [REG_JOINING] = true, [REG_FENCED] = true, [REG_CLOSING] = true},
    [REG_FENCED] = {[REG_CLOSING] = true},
    [REG_CLOSING] = {false},
};

void reg_set_state(struct registry *r, enum reg_state s)
{
    bool was = r->state == REG_CONNECTED, is = s == REG_CONNECTED;
    if (r->state == s)
        return;
    must(state_next[r->state][s]);
    log_debug(NULL, "registry.state", "node", r->conf.self.node, "from", state_names[r->state],
              "to", state_names[s]);
    r->state = s;
    if (was != is && s != REG_CLOSING && r->ev.state)
        r->ev.state(r->ctx, is);
}

static void on_up(void *ctx)
{
    struct registry *r = ctx;
    if (r->state != REG_DOWN)
        return;
    reg_set_state(r, REG_JOINING);
    reg_lease_beat(r);
}

static void on_down(void *ctx, const char *why)
{
    struct registry *r = ctx;
    if (r->state != REG_JOINING && r->state != REG_CONNECTED)
        return;
    log_warn(NULL, "registry.lost", "node", r->conf.self.node, "reason", why ? why : "");
    reg_lease_pause(r);
    reg_set_state(r, REG_DOWN);
    reg_locate_resume(r);
}

static void on_moved(void *ctx, struct str bare)
{
    struct registry *r = ctx;
    if (r->state == REG_CLOSING)
        return;
    if (bare.n)
        reg_locate_moved(r, bare);
    else
        reg_lease_kick(r, REG_KICK_MS);
}

static const struct reg_driver_events driver_events = {on_up, on_down, on_moved};

static void destroy(struct registry *r)
{
    timer_stop(&r->close_timer);
    r->driver->ops->close(&r->driver);
    reg_locate_fini(r);
    reg_rows_fini(r);
    reg_lease_fini(r);
    reg_cache_fini(&r->cache);
    mem_free(r);
}

static void close_done(void *ctx)
{
    struct registry *r = ctx;
    void (*closed)(void *) = r->closed;
    void *closed_ctx = r->closed_ctx;
    destroy(r);
    if (closed)
        closed(closed_ctx);
}

/* Names become parts of keys and of space-separated values. */
static bool name_ok(const char *s, size_t size)
{
    size_t n = strnlen(s, size);
    if (n == 0 || n == size)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == '/' || s[i] == 0x7f)
            return false;
    return true;
}

struct registry *registry_open(struct loop *l, const struct registry_conf *c,
                               struct reg_driver **driver, const struct registry_events *ev,
                               void *ctx)
{
    struct registry *r = mem_alloc(sizeof *r);
    must(name_ok(c->self.region, REG_NAME_MAX) && name_ok(c->self.node, REG_NAME_MAX));
    must(c->self.incarnation > 0);
    r->loop = l;
    r->conf = *c;
    if (!r->conf.beat_ms)
        r->conf.beat_ms = 5000;
    if (!r->conf.lease_ms)
        r->conf.lease_ms = 15000;
    r->driver = *driver;
    *driver = NULL;
    r->ev = *ev;
    r->ctx = ctx;
    r->state = REG_DOWN;
    timer_init(&r->close_timer, l, close_done, r);
    reg_cache_init(&r->cache, c->cache_entries, c->cache_ms);
    reg_lease_init(r);
    reg_rows_init(r);
    reg_locate_init(r);
    r->driver->ops->start(r->driver, l, &driver_events, r);
    return r;
}

/* Not here but in the next turn: the driver is freed there, and this is the driver's own call. */
static void on_left(void *ctx, enum err e)
{
    struct registry *r = ctx;
    (void)e;
    timer_start(&r->close_timer, 0);
}

void registry_close(struct registry **pr, void (*done)(void *ctx), void *ctx)
{
    struct registry *r = *pr;
    if (!r)
        return;
    *pr = NULL;
    bool ask = r->state == REG_CONNECTED || r->state == REG_JOINING;
    reg_set_state(r, REG_CLOSING);
    reg_locate_cancel(r);
    reg_lease_pause(r);
    r->closed = done;
    r->closed_ctx = ctx;
    timer_start(&r->close_timer, ask ? REG_CLOSE_MS : 0);
    if (ask)
        r->driver->ops->leave(r->driver, &r->conf.self, on_left, r);
}

void registry_free(struct registry **pr)
{
    struct registry *r = *pr;
    *pr = NULL;
    if (!r)
        return;
    reg_set_state(r, REG_CLOSING);
    reg_locate_cancel(r);
    reg_lease_pause(r);
    destroy(r);
}

bool registry_connected(const struct registry *r)
{
    return r->state == REG_CONNECTED;
}

void registry_learn(struct registry *r, struct str bare, const char *region, const char *node,
                    uint64_t incarnation, const char *home)
{
    struct reg_row row = {.incarnation = incarnation};
    if (!strcmp(region, r->conf.self.region) && !strcmp(node, r->conf.self.node))
        return;
    str_put(row.region, sizeof row.region, region);
    str_put(row.node, sizeof row.node, node);
    str_put(row.home, sizeof row.home, home ? home : "");
    reg_cache_learn(&r->cache, bare, &row);
}
