/* Stream sockets on libuv: to another shard, with what is unsent. */
#include <fcntl.h>
#include <unistd.h>

#include "lib/net/tcp-state-int.h"

struct tcp_parcel {
    struct parcel p;
    enum tcp_kind kind;
    enum tcp_fin fin;
    int fd;
    struct buf out;
    enum err broken;
    bool ready_due, ended, blocked;
    struct addr peer, local;
};

static void tcp_parcel_drop(struct parcel *p)
{
    struct tcp_parcel *tp = container_of(p, struct tcp_parcel, p);
    if (tp->fd >= 0)
        close(tp->fd);
    buf_fini(&tp->out);
    mem_free(tp);
}

static struct transport *tcp_parcel_attach(struct parcel *p, struct loop *to)
{
    struct tcp_parcel *tp = container_of(p, struct tcp_parcel, p);
    struct tcp *c = tcp_new(to, tp->kind);

    c->t.peer = tp->peer;
    c->t.local = tp->local;
    buf_fini(&c->out);
    c->out = tp->out;
    c->fin = tp->fin;
    c->broken = tp->broken;
    c->ready_due = tp->ready_due;
    c->ended = tp->ended;
    c->blocked = tp->blocked;
    if (tp->fd >= 0) {
        tcp_open(c, tp->fd);
    } else {
        c->state = TCP_OPEN;
        tcp_wake(c);
    }
    mem_free(tp);
    return &c->t;
}

struct parcel *tcp_detach(struct transport *t)
{
    struct tcp *c = tcp_of(t);
    struct tcp_parcel *tp = mem_alloc(sizeof *tp);
    size_t left = tcp_flight_left(c);
    uv_os_fd_t fd;

    must(c->state == TCP_OPEN);
    tp->p = (struct parcel){.attach = tcp_parcel_attach, .drop = tcp_parcel_drop};
    tp->kind = c->kind;
    tp->fin = c->fin;
    tp->ready_due = c->ready_due;
    tp->ended = c->ended;
    tp->blocked = c->blocked;
    tp->peer = t->peer;
    tp->local = t->local;
    tp->fd = uv_fileno(&c->h.handle, &fd) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    tp->broken = c->broken || tp->fd >= 0 ? c->broken : ERR_LIMIT;
    buf_init(&tp->out, NET_QUEUE_MAX_BYTES);
    if (left > 0)
        buf_add(&tp->out, c->op->flight.p + c->op->flight.n - left, left);
    buf_add(&tp->out, c->out.p, c->out.n);
    tcp_destroy(c);
    return &tp->p;
}
