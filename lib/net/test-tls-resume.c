/* Sessions against a foreign client: the second connection of `openssl s_client` resumes the one of
 * the first, by a ticket or, with peer certificates asked for, by what the server kept. */
#include "lib/net/tests-common-int.h"

#include <sys/wait.h>
#include <unistd.h>

#include "lib/loop/timer.h"
#include "lib/net/listen.h"
#include "lib/net/tests-certs.h"

struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct timer deadline;
    struct tls_ctx *ctx;
    struct transport *t;
    unsigned readies, ends;
    bool resumed, timed_out;
};

static void on_ready(void *ctx)
{
    struct fixture *f = ctx;
    f->readies++;
    f->resumed = transport_tls(f->t)->resumed;
}
static void on_end(void *ctx, enum err why UNUSED)
{
    struct fixture *f = ctx;
    f->ends++;
    transport_close(&f->t);
    loop_stop(f->loop);
}
static void on_accept(void *ctx, struct transport *t)
{
    static const struct transport_events events = {.ready = on_ready, .end = on_end};
    struct fixture *f = ctx;
    f->t = tls_server(&t, f->ctx);
    transport_set_events(f->t, &events, f);
}
static void on_deadline(void *ctx)
{
    struct fixture *f = ctx;
    f->timed_out = true;
    loop_stop(f->loop);
}

/* Run s_client once; its session is taken from and left in the file. */
static void visit(struct fixture *f, const char *file, bool again)
{
    char to[ADDR_TEXT_MAX];
    int status;
    pid_t pid;

    addr_format(to, listener_addr(f->listener));
    pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout) ||
            !freopen("/dev/null", "w", stderr))
            _exit(126);
        execlp("openssl", "openssl", "s_client", "-tls1_2", "-connect", to,
               again ? "-sess_in" : "-sess_out", file, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    timer_start(&f->deadline, 20000);
    loop_run(f->loop);
    timer_stop(&f->deadline);
    assert_false(f->timed_out);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void run_visits(bool request_peer_cert)
{
    char dir[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], file[TEST_PATH_MAX], why[256];
    struct tls_ctx_conf conf = {.request_peer_cert = request_peer_cert, .no_system_ca = true};
    struct fixture f = {0};
    struct addr at;

    test_certs_begin(dir);
    test_cert_domain(dir, "server.example");
    conf.cert_file = test_path(crt, dir, "server.example", "crt");
    conf.key_file = test_path(key, dir, "server.example", "key");
    assert_int_equal(tls_ctx_new(true, &conf, &f.ctx, why, sizeof why), ERR_OK);
    f.loop = loop_new("test/0", 0);
    timer_init(&f.deadline, f.loop, on_deadline, &f);
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &at), ERR_OK);
    assert_int_equal(listener_open(f.loop, &at, on_accept, &f, &f.listener), ERR_OK);
    visit(&f, test_path(file, dir, "session", "pem"), false);
    assert_int_equal(f.readies, 1);
    assert_false(f.resumed);
    visit(&f, file, true);
    assert_int_equal(f.readies, 2);
    assert_true(f.resumed);
    listener_close(&f.listener);
    loop_free(&f.loop);
    tls_ctx_unref(&f.ctx);
    test_certs_end(dir);
}

static void test_tls_resume(void **state UNUSED)
{
    run_visits(false);
}
static void test_tls_resume_mutual(void **state UNUSED)
{
    run_visits(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tls_resume),
                                       cmocka_unit_test(test_tls_resume_mutual)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
