#ifndef LIB_STORE_TESTS_REDIS_INT_H
#define LIB_STORE_TESTS_REDIS_INT_H
/* The frame of the tests of Redis connections: a real redis-server of our own, one connection,
 * running until something holds. Words: env = a connection with what it was told; beside = a second
 * one on the same loop and server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/vec.h"
#include "lib/loop/timer.h"
#include "lib/net/listen.h"
#include "lib/net/tests-certs.h"
#include "lib/store/redis-conn.h"

enum { GUARD_MS = 30000 };

static char dir[] = "/tmp/meridian-redis-XXXXXX";

struct env {
    struct loop *loop;
    struct timer guard;
    struct op_owner owner;
    struct redis_conn *conn;
    uint16_t port; /* the server's */
    pid_t pid;
    unsigned ups, downs, answers, messages;
    bool subscribe_at_up;
    enum err down_why, err;
    enum redis_kind kind;
    int64_t integer;
    char text[256];
    char message[256];
    char log[512]; /* last warning */
    bool (*until)(struct env *);
    unsigned want;
};

/* ---- running until something holds */

static void on_guard(void *ctx)
{
    struct env *e = ctx;
    print_error("nothing happened; last warning: %s\n", e->log);
    abort();
}

static void happened(struct env *e)
{
    if (e->until && e->until(e))
        loop_stop(e->loop);
}

static void run_until(struct env *e, bool (*until)(struct env *))
{
    if (until(e))
        return;
    e->until = until;
    timer_start(&e->guard, GUARD_MS);
    loop_run(e->loop);
    timer_stop(&e->guard);
    e->until = NULL;
}

static bool is_up(struct env *e)
{
    return e->conn && redis_is_up(e->conn);
}

static bool is_down(struct env *e)
{
    return e->downs >= e->want;
}

static bool is_answered(struct env *e)
{
    return e->answers >= e->want;
}

static bool is_heard(struct env *e)
{
    return e->messages >= e->want;
}

static bool is_logged(struct env *e)
{
    return strstr(e->log, "redis.connect.failed") != NULL;
}

static void on_log(void *ctx, enum log_level level, const char *line)
{
    struct env *e = ctx;
    if (level < LOG_WARN)
        return;
    snprintf(e->log, sizeof e->log, "%s", line);
    happened(e);
}

static void on_up(void *ctx)
{
    struct env *e = ctx;
    e->ups++;
    if (e->subscribe_at_up)
        redis_subscribe(e->conn, STR("news"));
    happened(e);
}

static void on_down(void *ctx, enum err err, const char *why)
{
    struct env *e = ctx;
    assert_true(why[0] != '\0');
    assert_false(redis_is_up(e->conn));
    e->downs++;
    e->down_why = err;
    happened(e);
}

static void on_message(void *ctx, struct str channel, struct str payload)
{
    struct env *e = ctx;
    e->messages++;
    snprintf(e->message, sizeof e->message, STR_FMT "=" STR_FMT, STR_ARG(channel),
             STR_ARG(payload));
    happened(e);
}

static void on_answer(void *ctx, enum err err, const struct redis_reply *r)
{
    struct env *e = ctx;
    assert_true((r != NULL) == (err == ERR_OK));
    e->answers++;
    e->err = err;
    if (r) {
        e->kind = r->kind;
        e->integer = r->kind == REDIS_ARRAY ? (int64_t)r->n : r->integer;
        snprintf(e->text, sizeof e->text, STR_FMT, STR_ARG(r->text));
    }
    happened(e);
}

/* ---- the server */

static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* extra: more arguments, ended by NULL. */
static void server_start(struct env *e, bool tls, const char *const *extra)
{
    char port[16];
    const char *argv[40] = {"redis-server",
                            tls ? "--tls-port" : "--port",
                            port,
                            "--bind",
                            "127.0.0.1",
                            "--dir",
                            dir,
                            "--save",
                            "",
                            "--appendonly",
                            "no",
                            "--logfile",
                            "redis.log",
                            "--loglevel",
                            "warning"};
    size_t n = 15;
    if (tls) {
        argv[n++] = "--port";
        argv[n++] = "0";
    }
    for (; extra && *extra; extra++)
        argv[n++] = *extra;
    snprintf(port, sizeof port, "%u", e->port);
    e->pid = fork();
    assert_true(e->pid >= 0);
    if (e->pid == 0) {
        execvp(argv[0], (char *const *)argv);
        fprintf(stderr, "redis-server cannot be started: is the package installed?\n");
        _exit(127);
    }
}

static void server_kill(struct env *e)
{
    if (e->pid <= 0)
        return;
    kill(e->pid, SIGKILL);
    waitpid(e->pid, NULL, 0);
    e->pid = 0;
}

static struct dial_source source(void *ctx)
{
    struct env *e = ctx;
    struct dial_target t = {.name = "test"};
    assert_int_equal(addr_parse(STR("127.0.0.1"), e->port, &t.addr), ERR_OK);
    return dial_source_fixed(e->loop, &t, 1);
}

static void env_open(struct env *e)
{
    memset(e, 0, sizeof *e);
    e->loop = loop_new("test/0", 0);
    e->port = free_port();
    timer_init(&e->guard, e->loop, on_guard, e);
    op_owner_init(&e->owner);
    log_set_capture(on_log, e);
}

static void env_close(struct env *e)
{
    redis_close(&e->conn);
    assert_null(e->conn);
    assert_true(op_owner_idle(&e->owner));
    server_kill(e);
    log_set_capture(NULL, NULL);
    loop_free(&e->loop);
}

static struct redis_conn *conn_new(struct env *e, struct redis_conf conf)
{
    static const struct redis_events events = {on_up, on_down, on_message};
    conf.source = source;
    conf.source_ctx = e;
    return redis_open(e->loop, &conf, &events, e);
}

static void env_up(struct env *e)
{
    env_open(e);
    server_start(e, false, NULL);
    e->conn = conn_new(e, (struct redis_conf){0});
    run_until(e, is_up);
}

#define COMMAND(e, ...)                                                                            \
    redis_command((e)->conn, &(e)->owner,                                                          \
                  sizeof((struct str[]){__VA_ARGS__}) / sizeof(struct str),                        \
                  (struct str[]){__VA_ARGS__}, on_answer, (e))
/* Send and wait for the answer. */
#define ASK(e, ...)                                                                                \
    do {                                                                                           \
        (e)->want = (e)->answers + 1;                                                              \
        COMMAND(e, __VA_ARGS__);                                                                   \
        assert_int_equal((e)->answers + 1, (e)->want);                                             \
        run_until((e), is_answered);                                                               \
    } while (0)
#endif
