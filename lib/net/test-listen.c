/* Listeners of the real platform: shared ports, pausing, socket files, running out of descriptors.
 */
#include "lib/net/tests-common-int.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"

struct fixture {
    struct loop *loop;
    struct timer deadline;
    unsigned accepted, dialled, wanted;
    struct transport *servers[16], *clients[16];
    enum err failed;
    char why[160];
    bool timed_out;
    unsigned logged;
};

static void check_done(struct fixture *f)
{
    if (f->accepted >= f->wanted && f->dialled >= f->wanted)
        loop_stop(f->loop);
}
static void on_accept(void *ctx, struct transport *t)
{
    struct fixture *f = ctx;
    f->servers[f->accepted++] = t;
    check_done(f);
}
static void on_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct fixture *f = ctx;
    f->failed = e;
    str_put(f->why, sizeof f->why, r->why);
    f->clients[f->dialled++] = t;
    check_done(f);
}
static void on_deadline(void *ctx)
{
    struct fixture *f = ctx;
    f->timed_out = true;
    loop_stop(f->loop);
}

/* Until so many are accepted and dialled; false after the time. */
static bool run_until(struct fixture *f, unsigned wanted, uint64_t wait_ms)
{
    f->wanted = wanted;
    f->timed_out = false;
    timer_start(&f->deadline, wait_ms);
    loop_run(f->loop);
    timer_stop(&f->deadline);
    return !f->timed_out;
}
static void begin(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->loop = loop_new("test/0", 0);
    timer_init(&f->deadline, f->loop, on_deadline, f);
}
static void end(struct fixture *f)
{
    for (size_t i = 0; i < ARRAY_LEN(f->servers); i++) {
        transport_abort(&f->servers[i]);
        transport_abort(&f->clients[i]);
    }
    loop_free(&f->loop);
}
static struct addr loopback(const char *ip)
{
    struct addr a;
    assert_int_equal(addr_parse(str_of(ip), 0, &a), ERR_OK);
    return a;
}
static void dial(struct fixture *f, const struct addr *to)
{
    struct dial_target target = {.addr = *to};
    dial_open(f->loop, NULL, dial_source_fixed(f->loop, &target, 1), 10000, on_dialled, f);
}

static void test_listen_shared_port(void **state UNUSED)
{
    struct fixture f;
    struct listener *one = NULL, *two = NULL;
    struct addr at = loopback("127.0.0.1");
    begin(&f);
    assert_int_equal(listener_open(f.loop, &at, on_accept, &f, &one), ERR_OK);
    at = *listener_addr(one);
    assert_int_not_equal(at.port, 0);
    assert_int_equal(listener_open(f.loop, &at, on_accept, &f, &two), ERR_OK);
    for (int i = 0; i < 8; i++)
        dial(&f, &at);
    assert_true(run_until(&f, 8, 10000));
    assert_int_equal(f.failed, ERR_OK);
    for (int i = 0; i < 8; i++) {
        assert_true(addr_eq(&f.clients[i]->peer, &at));
        assert_true(addr_eq(&f.servers[i]->local, &at));
        assert_true(addr_is_loopback(&f.servers[i]->peer));
        assert_int_not_equal(f.servers[i]->peer.port, 0);
    }
    listener_close(&one);
    listener_close(&two);
    assert_null(one);
    dial(&f, &at);
    f.accepted = 9;
    assert_true(run_until(&f, 9, 10000));
    assert_int_equal(f.failed, ERR_REFUSED);
    assert_non_null(strstr(f.why, "connection refused"));
    f.accepted = 8;
    end(&f);
}

static void test_listen_pause(void **state UNUSED)
{
    struct fixture f;
    struct listener *s = NULL;
    struct addr at = loopback("127.0.0.1");
    begin(&f);
    assert_int_equal(listener_open(f.loop, &at, on_accept, &f, &s), ERR_OK);
    listener_pause(s, true);
    dial(&f, listener_addr(s));
    assert_false(run_until(&f, 1, 100));
    assert_int_equal(f.accepted, 0);
    listener_pause(s, false);
    assert_true(run_until(&f, 1, 10000));
    listener_close(&s);
    end(&f);
}

static void test_listen_v6_only(void **state UNUSED)
{
    struct fixture f;
    struct listener *v6 = NULL, *v4 = NULL;
    struct addr any = loopback("::"), at;
    begin(&f);
    if (listener_open(f.loop, &any, on_accept, &f, &v6) == ERR_OK) { /* a host may lack IPv6 */
        at = loopback("0.0.0.0");
        at.port = listener_addr(v6)->port;
        assert_int_equal(listener_open(f.loop, &at, on_accept, &f, &v4), ERR_OK);
        listener_close(&v4);
        listener_close(&v6);
    }
    end(&f);
}

static void test_listen_unix_file(void **state UNUSED)
{
    struct fixture f;
    struct listener *s = NULL, *again = NULL;
    struct stat st;
    char path[64], long_path[200];
    int fd;

    snprintf(path, sizeof path, "/tmp/meridian-listen-%d.sock", (int)getpid());
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = 0;
    begin(&f);
    assert_int_equal(listener_open_unix(f.loop, long_path, on_accept, &f, &s), ERR_INVALID);
    assert_int_equal(listener_open_unix(f.loop, path, on_accept, &f, &s), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* Somebody answers there: not ours to take. */
    assert_int_equal(listener_open_unix(f.loop, path, on_accept, &f, &again), ERR_EXISTS);
    listener_close(&s);
    assert_int_equal(stat(path, &st), -1);
    /* No socket: stays. */
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(listener_open_unix(f.loop, path, on_accept, &f, &s), ERR_EXISTS);
    assert_int_equal(unlink(path), 0);
    end(&f);
}

/* A process that died leaves its file behind. */
static void test_listen_unix_stale(void **state UNUSED)
{
    struct fixture f;
    struct listener *s = NULL;
    char path[64], saved[70];

    snprintf(path, sizeof path, "/tmp/meridian-stale-%d.sock", (int)getpid());
    snprintf(saved, sizeof saved, "%s.x", path);
    begin(&f);
    assert_int_equal(listener_open_unix(f.loop, path, on_accept, &f, &s), ERR_OK);
    assert_int_equal(link(path, saved), 0);
    listener_close(&s);
    assert_int_equal(rename(saved, path), 0); /* a socket file without listener */
    assert_int_equal(listener_open_unix(f.loop, path, on_accept, &f, &s), ERR_OK);
    dial_unix(f.loop, NULL, path, on_dialled, &f);
    assert_true(run_until(&f, 1, 10000));
    assert_int_equal(f.failed, ERR_OK);
    listener_close(&s);
    dial_unix(f.loop, NULL, path, on_dialled, &f);
    f.accepted = 2;
    assert_true(run_until(&f, 2, 10000));
    assert_int_equal(f.failed, ERR_NOTFOUND);
    assert_non_null(strstr(f.why, path));
    f.accepted = 1;
    end(&f);
}

static void count_log(void *ctx, enum log_level l UNUSED, const char *line)
{
    if (strstr(line, "listen.accept.failed"))
        ((struct fixture *)ctx)->logged++;
}

/* No descriptor is left: logged once, no spinning; accepted when there is one again. */
static void test_listen_out_of_descriptors(void **state UNUSED)
{
    struct fixture f;
    struct listener *s = NULL;
    struct addr at = loopback("127.0.0.1");
    struct rlimit old, low;
    int highest;

    begin(&f);
    log_set_capture(count_log, &f);
    assert_int_equal(listener_open(f.loop, &at, on_accept, &f, &s), ERR_OK);
    dial(&f, listener_addr(s));
    f.accepted = 0;
    listener_pause(s, true);
    f.wanted = 1;
    assert_false(run_until(&f, 1, 100)); /* connected, waiting in the backlog */
    assert_int_equal(f.dialled, 1);
    highest = dup(0);
    close(highest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)highest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    listener_pause(s, false);
    assert_false(run_until(&f, 1, 350));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(f.logged, 1);
    assert_true(run_until(&f, 1, 10000));
    log_set_capture(NULL, NULL);
    listener_close(&s);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen_shared_port), cmocka_unit_test(test_listen_pause),
        cmocka_unit_test(test_listen_v6_only),     cmocka_unit_test(test_listen_unix_file),
        cmocka_unit_test(test_listen_unix_stale),  cmocka_unit_test(test_listen_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
