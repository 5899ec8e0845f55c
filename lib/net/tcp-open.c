/* Stream sockets on libuv: connecting, taking descriptors, addresses to the system's form and back.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/net/tcp-state-int.h"

enum { TCP_KEEPALIVE_S = 60 };

unsigned addr_to_sock(const struct addr *a, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof *out);
    if (a->family == ADDR_V4) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        memcpy(&v4->sin_addr, a->ip, 4);
        return sizeof *v4;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(a->port);
    memcpy(&v6->sin6_addr, a->ip, 16);
    return sizeof *v6;
}

struct addr addr_from_sock(const struct sockaddr_storage *s)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)s;
    struct addr a = {.family = ADDR_NONE};

    if (s->ss_family == AF_INET) {
        a.family = ADDR_V4;
        a.port = ntohs(v4->sin_port);
        memcpy(a.ip, &v4->sin_addr, 4);
    } else if (s->ss_family == AF_INET6) {
        a.family = ADDR_V6;
        a.port = ntohs(v6->sin6_port);
        memcpy(a.ip, &v6->sin6_addr, 16);
    }
    return a;
}

static void tcp_tune(struct tcp *c)
{
    struct sockaddr_storage s;
    int n = sizeof s;
    if (c->kind != TCP_INET)
        return;
    (void)uv_tcp_nodelay(&c->h.tcp, 1);
    (void)uv_tcp_keepalive(&c->h.tcp, 1, TCP_KEEPALIVE_S);
    if (uv_tcp_getsockname(&c->h.tcp, (struct sockaddr *)&s, &n) == 0)
        c->t.local = addr_from_sock(&s);
}

struct transport *tcp_adopt(struct loop *l, enum tcp_kind kind, int fd, const struct addr *peer)
{
    struct tcp *c = tcp_new(l, kind);
    c->t.peer = *peer;
    c->ready_due = true;
    tcp_open(c, fd);
    tcp_tune(c);
    return &c->t;
}

static void tcp_on_connected(uv_connect_t *r, int status)
{
    struct tcp *c = r->data;

    if (c->state == TCP_GONE)
        return;
    tcp_op_end(c);
    if (status < 0) {
        tcp_break(c, err_from_errno(status));
        return;
    }
    c->state = TCP_OPEN;
    c->ready_due = true;
    tcp_tune(c);
    tcp_wake(c);
}

struct transport *net_connect(struct loop *l, const struct addr *to)
{
    struct tcp *c = tcp_new(l, TCP_INET);
    struct sockaddr_storage s;
    int e;

    c->t.peer = *to;
    struct tcp_op *op = tcp_op_new(c);
    op->req.connect.data = c;
    (void)addr_to_sock(to, &s);
    e = uv_tcp_connect(&op->req.connect, &c->h.tcp, (struct sockaddr *)&s, tcp_on_connected);
    if (e != 0) {
        tcp_op_end(c);
        tcp_break(c, err_from_errno(e));
    }
    return &c->t;
}

struct transport *tcp_connect_unix(struct loop *l, const char *path)
{
    struct tcp *c = tcp_new(l, TCP_UNIX);

    if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
        tcp_break(c, ERR_INVALID);
        return &c->t;
    }
    struct tcp_op *op = tcp_op_new(c);
    op->req.connect.data = c;
    uv_pipe_connect(&op->req.connect, &c->h.pipe, path, tcp_on_connected);
    return &c->t;
}
