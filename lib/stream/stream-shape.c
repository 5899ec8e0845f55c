/* DOC: how fast a peer may send: two token buckets, of bytes and of stanzas, each a second deep.
 * Design: a bucket is the time at which it will be full again (the generic cell rate algorithm), so
 * a stream within its rate costs no timer and no memory. What was read is always worked off; then
 * an overdrawn stream is not read until the bucket holds nothing less than nothing. So a peer feels
 * back pressure, loses nothing and is never closed for it. White space between stanzas counts as
 * bytes. Invariant: wake runs exactly while STREAM_STOP_RATE is set. */
#include "lib/stream/stream-int.h"

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS UINT64_C(1000000)

/* Takes n; how long until it is not overdrawn any more. */
static uint64_t draw(uint64_t *full_ns, uint64_t now_ns, uint64_t n, uint64_t a_second)
{
    if (!a_second || !n)
        return 0;
    if (*full_ns < now_ns)
        *full_ns = now_ns;
    *full_ns += n * SECOND_NS / a_second;
    const uint64_t missing = *full_ns - now_ns;
    return missing > SECOND_NS ? missing - SECOND_NS : 0;
}

static void wake(void *ctx)
{
    struct stream_base *b = ctx;
    stream_shape_end(b);
    stream_go(b, STREAM_STOP_RATE);
}

static void hold(struct stream_base *b, uint64_t ns)
{
    struct stream_shape *s = &b->shape;
    if (!s->wake) {
        s->wake = mem_alloc(sizeof *s->wake);
        timer_init(s->wake, b->loop, wake, b);
        log_debug(&b->log, "stream.held", "ms", LOG_NUM(ns / MS_NS));
    }
    timer_start(s->wake, (ns + MS_NS - 1) / MS_NS);
    stream_stop(b, STREAM_STOP_RATE);
}

void stream_shape_charge(struct stream_base *b, size_t bytes, size_t stanzas)
{
    struct stream_shape *s = &b->shape;
    if (!s->rate || stream_is_shut(b))
        return;
    const uint64_t now_ns = loop_now_us(b->loop) * 1000;
    const uint64_t by_bytes = draw(&s->bytes_full_ns, now_ns, bytes, s->rate->bytes);
    const uint64_t by_stanzas = draw(&s->stanzas_full_ns, now_ns, stanzas, s->rate->stanzas);
    const uint64_t ns = by_bytes > by_stanzas ? by_bytes : by_stanzas;
    if (ns)
        hold(b, ns);
}

void stream_shape_end(struct stream_base *b)
{
    if (!b->shape.wake)
        return;
    timer_stop(b->shape.wake);
    mem_free(b->shape.wake);
    b->shape.wake = NULL;
}
