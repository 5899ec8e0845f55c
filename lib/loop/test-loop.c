/* The common tests on libuv, and what only the real platform has: the watchdog, descriptors,
 * signals. */
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/loop/fdpoll.h"
#include "lib/loop/sig.h"
#include "lib/loop/tests-common-int.h"

static void on_guard(void *ctx UNUSED)
{
    fail_msg("not finished after 20 s");
}

static void drive(struct loop *l)
{
    struct timer guard;
    timer_init(&guard, l, on_guard, NULL);
    timer_start(&guard, 20000);
    loop_run(l);
    timer_stop(&guard);
}

static void finished(struct loop *l)
{
    loop_stop(l);
}

struct hog {
    struct loop *loop;
    unsigned reports;
    bool named_timers;
};

static void on_line(void *ctx, enum log_level level, const char *line)
{
    struct hog *h = ctx;
    if (level == LOG_WARN && strstr(line, "loop.hog")) {
        h->reports++;
        h->named_timers = strstr(line, "timers") != NULL;
    }
}

static void on_burn(void *ctx UNUSED)
{
    struct timespec ts;
    uint64_t start_ms = 0, now_ms;
    do { /* processor time, not real time: the machine may be busy */
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
        start_ms = start_ms ? start_ms : now_ms;
    } while (now_ms - start_ms < 30);
}

static void on_end(void *ctx)
{
    struct hog *h = ctx;
    loop_stop(h->loop);
}

static void test_loop_reports_hog(void **state UNUSED)
{
    struct hog h = {.loop = loop_new("t/0", 0)};
    struct timer burn, end;
    timer_init(&burn, h.loop, on_burn, &h);
    timer_init(&end, h.loop, on_end, &h);
    timer_start(&burn, 1);
    timer_start(&end, 100);
    log_set_capture(on_line, &h);
    drive(h.loop);
    log_set_capture(NULL, NULL);
    assert_int_equal(h.reports, 1);
    assert_true(h.named_timers);
    loop_free(&h.loop);
}

static void test_loop_stop_before_run(void **state UNUSED)
{
    struct loop *l = loop_new("t/0", 0);
    loop_stop(l);
    loop_run(l);
    loop_free(&l);
}

static void test_loop_ignores_sigpipe(void **state UNUSED)
{
    struct loop *l = loop_new("t/0", 0);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(write(fds[1], "x", 1), -1);
    close(fds[1]);
    loop_free(&l);
}

struct end {
    struct loop *loop;
    struct fdpoll *poll;
    int fd;
    unsigned reads, writes;
    char last;
};

static void on_ready(void *ctx, int events)
{
    struct end *e = ctx;
    if (events & FD_WRITABLE) {
        e->writes++;
        assert_int_equal(write(e->fd, "x", 1), 1);
        fdpoll_want(e->poll, FD_READABLE);
        return;
    }
    assert_int_equal(events, FD_READABLE);
    ssize_t n = read(e->fd, &e->last, 1);
    e->reads++;
    if (n <= 0 || e->reads == 3) { /* end of input, or the third byte of this side */
        fdpoll_close(&e->poll);
        close(e->fd);
        if (n <= 0)
            loop_stop(e->loop);
        return;
    }
    fdpoll_want(e->poll, FD_WRITABLE);
}

/* Two ends of a socket pair play ball until one closes and the other sees it. */
static void test_fdpoll_ball(void **state UNUSED)
{
    struct loop *l = loop_new("t/0", 0);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct end a = {.loop = l, .fd = fds[0]}, b = {.loop = l, .fd = fds[1]};
    a.poll = fdpoll_open(l, a.fd, on_ready, &a);
    b.poll = fdpoll_open(l, b.fd, on_ready, &b);
    fdpoll_want(a.poll, FD_WRITABLE);
    fdpoll_want(b.poll, FD_READABLE);
    drive(l);
    assert_int_equal(a.writes, 3);
    assert_int_equal(b.writes, 2);
    assert_int_equal(b.reads, 3);
    assert_int_equal(a.reads, 3);
    assert_null(a.poll);
    assert_null(b.poll);
    loop_free(&l);
}

static void test_fdpoll_open_of_file(void **state UNUSED)
{
    struct loop *l = loop_new("t/0", 0);
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_null(fdpoll_open(l, fileno(f), on_ready, NULL));
    fclose(f);
    loop_free(&l);
}

static void on_signal(void *ctx, int signum)
{
    struct end *e = ctx;
    e->last = (char)signum;
    loop_stop(e->loop);
}

static void test_sig_event(void **state UNUSED)
{
    struct end e = {.loop = loop_new("t/0", 0)};
    struct sig *s = sig_open(e.loop, SIGUSR1, on_signal, &e);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(e.last, 0);
    drive(e.loop);
    assert_int_equal(e.last, SIGUSR1);
    sig_close(&s);
    assert_null(s);
    loop_free(&e.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMON_TESTS,
        cmocka_unit_test(test_loop_reports_hog),
        cmocka_unit_test(test_loop_stop_before_run),
        cmocka_unit_test(test_loop_ignores_sigpipe),
        cmocka_unit_test(test_fdpoll_ball),
        cmocka_unit_test(test_fdpoll_open_of_file),
        cmocka_unit_test(test_sig_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
