/* DOC: the tap. The client owns the transport it was given, but closing it only ends the client's
 * part; the tap itself belongs to who made it. */
#include "integration-tests/bench/tap.h"

#include "lib/net/net-int.h"

struct tap {
    struct transport t;
    struct transport *lower;
    void (*heard)(void *ctx);
    void *ctx;
    bool is_muted;
};

static struct tap *tap_of(const struct transport *t)
{
    return container_of((struct transport *)(uintptr_t)t, struct tap, t);
}

/* ---- up */
static void on_ready(void *ctx)
{
    struct tap *t = ctx;
    net_emit_ready(&t->t);
}

static void on_data(void *ctx, struct str bytes)
{
    struct tap *t = ctx;
    t->heard(t->ctx);
    net_emit_data(&t->t, bytes);
}

static void on_drain(void *ctx)
{
    struct tap *t = ctx;
    net_emit_drain(&t->t);
}

static void on_end(void *ctx, enum err why)
{
    struct tap *t = ctx;
    net_emit_end(&t->t, why);
}

static const struct transport_events events = {on_ready, on_data, on_drain, on_end};

/* ---- down */
static bool tap_send(struct transport *t, struct str bytes)
{
    struct tap *s = tap_of(t);
    return s->is_muted || transport_send(s->lower, bytes);
}

static void tap_pause(struct transport *t, bool paused)
{
    transport_pause(tap_of(t)->lower, paused);
}

static void tap_shut(struct transport *t)
{
    struct tap *s = tap_of(t);
    if (!s->is_muted)
        transport_shut(s->lower);
}

/* The client has let go; what arrives from now on is counted and forgotten. */
static void tap_close(struct transport *t, bool abort_it UNUSED)
{
    tap_of(t)->is_muted = true;
}

static size_t tap_queued(const struct transport *t)
{
    return transport_queued(tap_of(t)->lower);
}

static const struct transport_ops ops = {
    .send = tap_send,
    .pause = tap_pause,
    .shut = tap_shut,
    .close = tap_close,
    .queued = tap_queued,
};

/* ---- life */
struct tap *tap_new(struct transport **lower, void (*heard)(void *ctx), void *ctx)
{
    struct tap *t = mem_alloc(sizeof *t);
    t->t.ops = &ops;
    t->t.loop = (*lower)->loop;
    t->t.peer = (*lower)->peer;
    t->t.local = (*lower)->local;
    t->heard = heard;
    t->ctx = ctx;
    t->lower = *lower;
    *lower = NULL;
    transport_set_events(t->lower, &events, t);
    return t;
}

struct transport *tap_transport(struct tap *t)
{
    return &t->t;
}

void tap_mute(struct tap *t)
{
    t->is_muted = true;
}

void tap_free(struct tap **pt)
{
    struct tap *t = *pt;
    *pt = NULL;
    if (!t)
        return;
    transport_abort(&t->lower);
    mem_free(t);
}

size_t tap_size(void)
{
    return sizeof(struct tap);
}
