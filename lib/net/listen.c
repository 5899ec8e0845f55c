/* Listeners for TCP and unix sockets.
 *
 * Design: the listening descriptor is ours (SO_REUSEPORT, so that every shard listens on the same
 * address; IPV6_V6ONLY; backlog 1024) and watched by a uv_poll; accept4 gives the peer's address at
 * once. At most 16 connections are accepted a turn, so that a storm does not starve established
 * streams. When accept fails for want of descriptors or memory, the listener rests for 100 ms: the
 * queue keeps the descriptor readable, and the loop would spin. A unix socket is born with mode
 * 0600 (fchmod before bind); a file nobody answers at is replaced. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "lib/base/log.h"
#include "lib/loop/loop-uv.h"
#include "lib/loop/timer.h"
#include "lib/net/listen.h"
#include "lib/net/tcp-int.h"

#define LISTEN_BACKLOG 1024
#define LISTEN_PER_TURN 16
#define LISTEN_REST_MS 100
#define LISTEN_LOG_EVERY_US 10000000

struct listener {
    struct loop *loop;
    uv_poll_t poll;
    struct timer rest;
    enum tcp_kind kind;
    int fd;
    struct addr addr;
    char *path; /* unix: the file to remove in the end */
    listen_accept *accept;
    void *ctx;
    uint64_t logged_us; /* last failure logged; 0 = never */
    bool paused, closed;
};

static void listener_watch(struct listener *s);

static void listener_failed(struct listener *s, int code)
{
    uint64_t now_us = loop_now_us(s->loop);
    char text[ADDR_TEXT_MAX];

    if (!s->logged_us || now_us - s->logged_us >= LISTEN_LOG_EVERY_US) {
        s->logged_us = now_us ? now_us : 1;
        log_error(NULL, "listen.accept.failed", "at",
                  s->path ? s->path : addr_format(text, &s->addr), "reason", strerror(code));
    }
    uv_poll_stop(&s->poll);
    timer_start(&s->rest, LISTEN_REST_MS);
}

/* One connection. False: none there, or a failure that needs rest. */
static bool listener_accept_one(struct listener *s)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof from;
    struct addr peer;
    int fd = accept4(s->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        listener_failed(s, errno);
        return false;
    }
    if (fd < 0)
        return true; /* that connection is gone already (ECONNABORTED and others of accept(2)) */
    peer = addr_from_sock(&from);
    s->accept(s->ctx, tcp_adopt(s->loop, s->kind, fd, &peer));
    return true;
}

static void listener_on_poll(uv_poll_t *p, int status, int events UNUSED)
{
    struct listener *s = p->data;

    if (status < 0) {
        listener_failed(s, -status);
        return;
    }
    for (int i = 0; i < LISTEN_PER_TURN && !s->closed && !s->paused; i++)
        if (!listener_accept_one(s))
            break;
}

static void listener_watch(struct listener *s)
{
    if (s->paused)
        uv_poll_stop(&s->poll);
    else if (!timer_running(&s->rest))
        must(uv_poll_start(&s->poll, UV_READABLE, listener_on_poll) == 0);
}

static void listener_rested(void *ctx)
{
    listener_watch(ctx);
}

/* Takes the listening descriptor and path. */
static struct listener *listener_new(struct loop *l, enum tcp_kind kind, int fd)
{
    struct listener *s = mem_alloc(sizeof *s);
    s->loop = l;
    s->kind = kind;
    s->fd = fd;
    s->poll.data = s;
    timer_init(&s->rest, l, listener_rested, s);
    must(uv_poll_init(loop_uv(l), &s->poll, fd) == 0);
    return s;
}

static enum err listener_error(int fd)
{
    enum err e = err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    return e == ERR_OK ? ERR_IO : e;
}

enum err listener_open(struct loop *l, const struct addr *at, listen_accept *accept, void *ctx,
                       struct listener **out)
{
    struct sockaddr_storage name;
    socklen_t n = addr_to_sock(at, &name), got = sizeof name;
    int one = 1, fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
        return listener_error(fd);
    if (at->family == ADDR_V6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0)
        return listener_error(fd);
    if (bind(fd, (struct sockaddr *)&name, n) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &got) != 0)
        return listener_error(fd);
    struct listener *s = listener_new(l, TCP_INET, fd);
    s->addr = addr_from_sock(&name);
    s->accept = accept;
    s->ctx = ctx;
    listener_watch(s);
    *out = s;
    return ERR_OK;
}

/* Remove a socket file that nobody answers at. Anything else stays. */
static bool unix_remove_stale(const struct sockaddr_un *name)
{
    struct stat st;
    int fd;
    bool stale;

    if (lstat(name->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    stale = connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale && unlink(name->sun_path) == 0;
}

static int unix_bind(int fd, const struct sockaddr_un *name)
{
    if (fchmod(fd, 0600) != 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)name, sizeof *name) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -1;
    if (!unix_remove_stale(name)) {
        errno = EADDRINUSE;
        return -1;
    }
    return bind(fd, (const struct sockaddr *)name, sizeof *name);
}

enum err listener_open_unix(struct loop *l, const char *path, listen_accept *accept, void *ctx,
                            struct listener **out)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof name.sun_path || !*path)
        return ERR_INVALID;
    memcpy(name.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || unix_bind(fd, &name) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
        return listener_error(fd);
    struct listener *s = listener_new(l, TCP_UNIX, fd);
    s->path = mem_strdup(path);
    s->accept = accept;
    s->ctx = ctx;
    listener_watch(s);
    *out = s;
    return ERR_OK;
}

const struct addr *listener_addr(const struct listener *s)
{
    return &s->addr;
}

void listener_pause(struct listener *s, bool paused)
{
    s->paused = paused;
    listener_watch(s);
}

static void listener_on_closed(uv_handle_t *h)
{
    struct listener *s = h->data;
    mem_free(s->path);
    mem_free(s);
}

void listener_close(struct listener **ps)
{
    struct listener *s = *ps;
    if (!s)
        return;
    *ps = NULL;
    s->closed = true;
    timer_stop(&s->rest);
    if (s->path)
        (void)unlink(s->path);
    uv_close((uv_handle_t *)&s->poll, listener_on_closed);
    close(s->fd); /* uv_close has stopped the poll */
}
