/* A connection whose peer sends without end is read once a turn: what others have to say comes
 * between. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/loop/loop.h"
#include "lib/net/listen.h"
#include "lib/net/tcp-int.h"
#include "lib/net/transport.h"

enum { READ_MAX = 64 << 10, ENOUGH = 4 << 20, PIECE = 1 << 20 };

struct flood {
    struct loop *loop;
    struct listener *listener;
    struct transport *t;
    int fd; /* the peer's */
    struct defer turn;
    size_t in_turn, most, all;
};

/* Fill the socket again, so that the next turn finds as much as it could read. */
static void fill(const struct flood *f)
{
    static char zeros[PIECE];
    while (write(f->fd, zeros, sizeof zeros) > 0)
        ;
}

static void on_turn(void *ctx)
{
    struct flood *f = ctx;
    f->most = f->in_turn > f->most ? f->in_turn : f->most;
    f->in_turn = 0;
    if (f->all >= ENOUGH)
        loop_stop(f->loop);
    else
        fill(f);
}

static void on_data(void *ctx, struct str bytes)
{
    struct flood *f = ctx;
    f->in_turn += bytes.n;
    f->all += bytes.n;
    loop_defer(f->loop, &f->turn);
}

static void on_none(void *ctx UNUSED) {}

static void on_end(void *ctx UNUSED, enum err why)
{
    fail_msg("%s", err_text(why));
}

static const struct transport_events up = {
    .ready = on_none, .data = on_data, .drain = on_none, .end = on_end};

static void on_accept(void *ctx, struct transport *t)
{
    struct flood *f = ctx;
    f->t = t;
    transport_set_events(t, &up, f);
}

static void connect_to(struct flood *f)
{
    struct sockaddr_storage name;
    socklen_t n = addr_to_sock(listener_addr(f->listener), &name);
    int bytes = ENOUGH;
    f->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(f->fd >= 0);
    assert_int_equal(setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    assert_int_equal(connect(f->fd, (struct sockaddr *)&name, n), 0);
    assert_int_equal(fcntl(f->fd, F_SETFL, O_NONBLOCK), 0);
    fill(f);
}

static void test_read_once_a_turn(void **state UNUSED)
{
    struct flood f = {.loop = loop_new("test/0", 0)};
    struct addr at;
    defer_init(&f.turn, on_turn, &f);
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &at), ERR_OK);
    assert_int_equal(listener_open(f.loop, &at, on_accept, &f, &f.listener), ERR_OK);
    connect_to(&f);
    loop_run(f.loop);
    assert_true(f.all >= ENOUGH);
    assert_int_equal(f.most, READ_MAX);
    close(f.fd);
    transport_abort(&f.t);
    listener_close(&f.listener);
    loop_free(&f.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read_once_a_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
