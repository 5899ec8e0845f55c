/* Stream sockets on libuv: the lowest byte layer of the real platform, for TCP and unix sockets
 * alike.
 *
 * Design: one read buffer per thread instead of one per connection; the slice given to data lies in
 * it. A connection is read once a turn, at most so much as the buffer holds: libuv alone would go
 * on 32 times, and a peer that floods would hold all others up for as long. Output gathers in one
 * buffer and leaves once, at the end of the turn, by uv_try_write; only what the kernel did not
 * take goes into a uv_write, one at a time (libuv 1.44 completes one a turn), and meanwhile the
 * next buffer gathers. uv_stream_get_write_queue_size tells exactly how much of the one in flight
 * is unsent, so that a detach in mid-write loses and repeats nothing: the descriptor is duplicated,
 * the old handle closed at once (no further write happens), the rest travels in the parcel
 * (tcp-move.c). FIN is sent with shutdown(2) when all output is gone, as a uv_shutdown could be
 * cancelled by a detach. Invariants: events come from libuv callbacks and the deferred tcp_turn
 * only; after the user gave the transport up (state TCP_LINGERING or TCP_GONE) there is no event;
 * memory goes in the close callback. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "lib/net/tcp-state-int.h"

enum {
    TCP_SCRATCH_BYTES = 64 << 10,
    TCP_LAST_READ_MS = 1000, /* from the last byte to the peer: no RST hits our bytes */
};

static _Thread_local char scratch[TCP_SCRATCH_BYTES];

static const struct transport_ops tcp_ops;
static void tcp_turn(void *ctx);

struct tcp *tcp_of(struct transport *t)
{
    return container_of(t, struct tcp, t);
}

static bool tcp_in_flight(const struct tcp *c)
{
    return c->op && c->op->flight.n > 0;
}

/* Bytes libuv has not given to the kernel. */
size_t tcp_flight_left(const struct tcp *c)
{
    size_t left = tcp_in_flight(c) ? uv_stream_get_write_queue_size(&c->h.stream) : 0;
    return !c->op || left < c->op->flight.n ? left : c->op->flight.n;
}

static size_t tcp_queued(const struct transport *t)
{
    const struct tcp *c = container_of(t, struct tcp, t);
    return c->out.n + tcp_flight_left(c);
}

struct tcp_op *tcp_op_new(struct tcp *c)
{
    c->op = mem_alloc(sizeof *c->op);
    buf_init(&c->op->flight, NET_QUEUE_MAX_BYTES);
    return c->op;
}

void tcp_op_end(struct tcp *c)
{
    if (c->op)
        buf_fini(&c->op->flight);
    mem_free(c->op);
    c->op = NULL;
}

static void tcp_on_closed(uv_handle_t *h)
{
    struct tcp *c = h->data;
    tcp_op_end(c);
    mem_free(c);
}

static void tcp_linger_end(struct tcp *c)
{
    if (!c->linger)
        return;
    timer_stop(&c->linger->timer);
    list_del(&c->linger->at_free.link);
    mem_free(c->linger);
    c->linger = NULL;
}

void tcp_destroy(struct tcp *c)
{
    c->state = TCP_GONE;
    tcp_linger_end(c);
    defer_cancel(&c->turn);
    buf_fini(&c->out);
    uv_close(&c->h.handle, tcp_on_closed);
}

static void tcp_give_up(void *ctx)
{
    tcp_destroy(ctx);
}

static void tcp_loop_freed(struct loop_hook *h)
{
    tcp_destroy(container_of(h, struct tcp_linger, at_free)->tcp);
}

static void tcp_stop_reading(struct tcp *c)
{
    if (c->reading)
        uv_read_stop(&c->h.stream);
    c->reading = false;
}

void tcp_wake(struct tcp *c)
{
    loop_defer(c->t.loop, &c->turn);
}

/* The connection is of no use any more: drop the output, report at the end of the turn. */
void tcp_break(struct tcp *c, enum err why)
{
    if (!c->broken)
        c->broken = why;
    buf_release(&c->out);
    tcp_wake(c);
}

static void tcp_end(struct tcp *c, enum err why)
{
    tcp_stop_reading(c);
    if (c->state == TCP_LINGERING) {
        if (why != ERR_EOF || c->fin == TCP_FIN_SENT)
            tcp_destroy(c);
        c->ended = true;
        return;
    }
    if (c->ended)
        return;
    c->ended = true;
    net_emit_end(&c->t, why);
}

/* After a read that filled the buffer libuv asks again; without memory it leaves the rest to the
 * next turn, with UV_ENOBUFS. */
static void tcp_on_alloc(uv_handle_t *h, size_t suggested UNUSED, uv_buf_t *out)
{
    struct tcp *c = h->data;
    *out = uv_buf_init(scratch, c->is_sated ? 0 : sizeof scratch);
    c->is_sated = false;
}

static void tcp_on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct tcp *c = s->data;

    if (n == UV_ENOBUFS)
        return;
    if (n > 0) {
        c->is_sated = (size_t)n == b->len;
        loop_stats(c->t.loop)->bytes_in += (uint64_t)n;
        if (c->state == TCP_OPEN)
            net_emit_data(&c->t, str_make(b->base, (size_t)n));
    } else if (n == UV_EOF) {
        tcp_end(c, c->broken ? c->broken : ERR_EOF);
    } else if (n < 0) {
        if (!c->broken)
            c->broken = err_from_errno((int)n);
        buf_release(&c->out);
        tcp_end(c, c->broken);
    }
}

static void tcp_sync_reading(struct tcp *c)
{
    bool want = (c->state == TCP_OPEN || c->state == TCP_LINGERING) && !c->paused && !c->ended &&
                !c->ready_due /* data never comes before it */;
    if (want == c->reading)
        return;
    c->reading = want;
    if (!want)
        uv_read_stop(&c->h.stream);
    else if (uv_read_start(&c->h.stream, tcp_on_alloc, tcp_on_read) != 0)
        tcp_break(c, ERR_IO);
}

static void tcp_on_written(uv_write_t *w, int status)
{
    struct tcp *c = w->data;

    if (c->state == TCP_GONE)
        return; /* the close callback frees the bytes */
    tcp_op_end(c);
    if (status < 0)
        tcp_break(c, err_from_errno(status));
    tcp_wake(c);
}

static void tcp_send_fin(struct tcp *c)
{
    uv_os_fd_t fd;
    c->fin = TCP_FIN_SENT;
    if (uv_fileno(&c->h.handle, &fd) == 0)
        (void)shutdown(fd, SHUT_WR);
}

static void tcp_flush(struct tcp *c)
{
    uv_buf_t b = uv_buf_init(c->out.p, (unsigned)c->out.n);
    int sent;

    if (c->broken || tcp_in_flight(c))
        return;
    if (c->out.n > 0) {
        loop_stats(c->t.loop)->bytes_out += c->out.n;
        sent = uv_try_write(&c->h.stream, &b, 1);
        if (sent < 0 && sent != UV_EAGAIN) {
            tcp_break(c, err_from_errno(sent));
            return;
        }
        sent = sent < 0 ? 0 : sent;
        if ((size_t)sent < c->out.n) {
            struct tcp_op *op = tcp_op_new(c);
            op->flight = c->out;
            buf_init(&c->out, NET_QUEUE_MAX_BYTES);
            b = uv_buf_init(op->flight.p + sent, (unsigned)(op->flight.n - (size_t)sent));
            op->req.write.data = c;
            sent = uv_write(&op->req.write, &c->h.stream, &b, 1, tcp_on_written);
            if (sent < 0) {
                tcp_op_end(c);
                tcp_break(c, err_from_errno(sent));
            }
            return;
        }
        buf_release(&c->out);
    }
    if (c->fin == TCP_FIN_WANTED)
        tcp_send_fin(c);
}

/* What was given up stays until its output is flushed and the peer has ended too, within the linger
 * times. */
static void tcp_linger_turn(struct tcp *c)
{
    enum tcp_fin before = c->fin;
    tcp_flush(c);
    if (c->broken || (c->fin == TCP_FIN_SENT && c->ended)) {
        tcp_destroy(c);
        return;
    }
    if (before != c->fin)
        timer_start(&c->linger->timer, TCP_LAST_READ_MS);
    tcp_sync_reading(c);
}

/* Is it time to report a broken connection? While we read, the input that came before the failure
 * is delivered first and the reader then finds the end; while the user pauses nobody would, so it
 * is reported at once. */
static bool tcp_end_due(const struct tcp *c)
{
    return c->broken && !c->ended && (!c->reading || c->broken == ERR_LIMIT);
}

static void tcp_turn(void *ctx)
{
    struct tcp *c = ctx;

    if (c->state == TCP_LINGERING) {
        tcp_linger_turn(c);
        return;
    }
    if (c->state == TCP_OPEN) {
        if (c->ready_due) {
            c->ready_due = false;
            net_emit_ready(&c->t);
            if (c->state != TCP_OPEN)
                return;
        }
        tcp_flush(c);
        tcp_sync_reading(c);
    }
    if (tcp_end_due(c)) {
        tcp_end(c, c->broken);
    } else if (c->blocked && !c->broken && !c->ended && tcp_queued(&c->t) <= NET_LOW_BYTES) {
        c->blocked = false;
        net_emit_drain(&c->t);
    }
}

static bool tcp_send(struct transport *t, struct str bytes)
{
    struct tcp *c = tcp_of(t);
    size_t queued = tcp_queued(t);

    if (c->broken || c->fin != TCP_FIN_NONE || bytes.n == 0)
        return !c->blocked;
    if (bytes.n >
        NET_QUEUE_MAX_BYTES - (queued < NET_QUEUE_MAX_BYTES ? queued : NET_QUEUE_MAX_BYTES)) {
        tcp_break(c, ERR_LIMIT);
        return false;
    }
    buf_add(&c->out, bytes.p, bytes.n);
    tcp_wake(c);
    if (queued + bytes.n <= NET_HIGH_BYTES)
        return true;
    c->blocked = true;
    return false;
}

static void tcp_pause(struct transport *t, bool paused)
{
    struct tcp *c = tcp_of(t);
    c->paused = paused;
    if (paused)
        tcp_stop_reading(c);
    tcp_wake(c);
}

static void tcp_shut(struct transport *t)
{
    struct tcp *c = tcp_of(t);
    if (c->fin == TCP_FIN_NONE)
        c->fin = TCP_FIN_WANTED;
    tcp_wake(c);
}

/* Closing without lingering: an abort tells the peer that bytes may be missing (RST). */
static void tcp_reset(struct tcp *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    uv_os_fd_t fd;
    if (c->kind == TCP_INET && uv_fileno(&c->h.handle, &fd) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    tcp_destroy(c);
}

static void tcp_linger_start(struct tcp *c)
{
    struct tcp_linger *g = mem_alloc(sizeof *g);
    c->linger = g;
    g->tcp = c;
    g->at_free.fn = tcp_loop_freed;
    list_init(&g->at_free.link);
    loop_at_free(c->t.loop, &g->at_free);
    timer_init(&g->timer, c->t.loop, tcp_give_up, c);
    timer_start(&g->timer, NET_LINGER_MS);
}

static void tcp_close(struct transport *t, bool abort_it)
{
    struct tcp *c = tcp_of(t);

    if (abort_it && c->state == TCP_OPEN && !c->broken) {
        tcp_reset(c);
        return;
    }
    if (abort_it || c->state != TCP_OPEN || c->broken) {
        tcp_destroy(c);
        return;
    }
    if (c->fin == TCP_FIN_NONE)
        c->fin = TCP_FIN_WANTED;
    c->state = TCP_LINGERING;
    c->paused = false;
    tcp_linger_start(c);
    tcp_wake(c);
}

struct tcp *tcp_new(struct loop *l, enum tcp_kind kind)
{
    struct tcp *c = mem_alloc(sizeof *c);

    c->t.ops = &tcp_ops;
    c->t.loop = l;
    c->kind = kind;
    buf_init(&c->out, NET_QUEUE_MAX_BYTES);
    defer_init(&c->turn, tcp_turn, c);
    if (kind == TCP_INET)
        must(uv_tcp_init(loop_uv(l), &c->h.tcp) == 0);
    else
        must(uv_pipe_init(loop_uv(l), &c->h.pipe, 0) == 0);
    c->h.handle.data = c;
    return c;
}

void tcp_open(struct tcp *c, int fd)
{
    int e = c->kind == TCP_INET ? uv_tcp_open(&c->h.tcp, fd) : uv_pipe_open(&c->h.pipe, fd);
    c->state = TCP_OPEN;
    if (e != 0) {
        close(fd);
        c->broken = err_from_errno(e);
    }
    tcp_wake(c);
}

void net_announce(struct transport *t)
{
    struct tcp *c = tcp_of(t);
    c->ready_due = true;
    tcp_wake(c);
}

static const struct transport_ops tcp_ops = {
    .send = tcp_send,
    .pause = tcp_pause,
    .shut = tcp_shut,
    .close = tcp_close,
    .detach = tcp_detach,
    .queued = tcp_queued,
};
