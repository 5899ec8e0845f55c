#ifndef GLOBAL_REGISTRY_TESTS_REDIS_INT_H
#define GLOBAL_REGISTRY_TESTS_REDIS_INT_H
/* A real redis-server for tests, started on a private loopback port in a temporary directory, and
 * an administrator's connection to it. A test program without redis-server fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "global-registry/reg-driver.h"
#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/tests-certs.h"

#define GUARD_MS 60000

static char dir[] = "/tmp/meridian-registry-XXXXXX";

struct env {
    struct loop *loop;
    struct timer poll, guard;
    bool (*until)(void *ctx);
    void *until_ctx;
    uint16_t port;
    pid_t pid;
    struct redis_conn *raw; /* an administrator's */
    bool answered;
    enum redis_kind kind;
    int64_t integer;
    size_t n; /* items of an array */
    char text[65536];
    char log[1024]; /* last warning */
};
static struct env env;

/* ---- running until something holds */

static inline void on_poll(void *ctx UNUSED)
{
    if (env.until(env.until_ctx))
        loop_stop(env.loop);
    else
        timer_start(&env.poll, 1);
}

static inline void on_guard(void *ctx UNUSED)
{
    print_error("nothing happened for %d s\n", GUARD_MS / 1000);
    abort();
}

static inline void wait_for(bool (*until)(void *ctx), void *ctx)
{
    env.until = until;
    env.until_ctx = ctx;
    timer_start(&env.guard, GUARD_MS);
    timer_start(&env.poll, 0);
    loop_run(env.loop);
    timer_stop(&env.guard);
    timer_stop(&env.poll);
}

static inline void on_log(void *ctx UNUSED, enum log_level level, const char *line)
{
    if (level >= LOG_WARN)
        snprintf(env.log, sizeof env.log, "%s", line);
}

/* ---- the server */

static inline uint16_t free_port(void)
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
static inline void server_start(const char *port_option, const char *const *extra)
{
    char port[16];
    const char *argv[40] = {"redis-server", port_option, port,        "--bind",     "127.0.0.1",
                            "--dir",        dir,         "--save",    "",           "--appendonly",
                            "no",           "--logfile", "redis.log", "--loglevel", "warning"};
    size_t n = 15;
    for (; extra && *extra; extra++)
        argv[n++] = *extra;
    snprintf(port, sizeof port, "%u", env.port);
    env.pid = fork();
    assert_true(env.pid >= 0);
    if (env.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server behind */
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        fprintf(stderr, "redis-server cannot be started: is the package installed?\n");
        _exit(127);
    }
}

static inline void server_kill(void)
{
    if (env.pid > 0) {
        kill(env.pid, SIGKILL);
        waitpid(env.pid, NULL, 0);
    }
    env.pid = 0;
}

static inline struct dial_source source(void *ctx UNUSED)
{
    struct dial_target t = {.name = "test"};
    assert_int_equal(addr_parse(STR("127.0.0.1"), env.port, &t.addr), ERR_OK);
    return dial_source_fixed(env.loop, &t, 1);
}

/* ---- an administrator beside us */

static inline void on_raw(void *ctx UNUSED, enum err e, const struct redis_reply *r)
{
    assert_int_equal(e, ERR_OK);
    env.answered = true;
    env.kind = r->kind;
    env.integer = r->integer;
    env.n = r->n;
    snprintf(env.text, sizeof env.text, STR_FMT, STR_ARG(r->text));
}

static inline bool is_raw_answered(void *ctx UNUSED)
{
    return env.answered;
}

static inline bool is_raw_up(void *ctx UNUSED)
{
    return redis_is_up(env.raw);
}

static inline void raw_ask(size_t argc, const struct str *argv)
{
    wait_for(is_raw_up, NULL);
    env.answered = false;
    redis_command(env.raw, NULL, argc, argv, on_raw, NULL);
    wait_for(is_raw_answered, NULL);
}
#define RAW(...)                                                                                   \
    raw_ask(sizeof((struct str[]){__VA_ARGS__}) / sizeof(struct str), (struct str[]){__VA_ARGS__})

static inline void env_open(const struct redis_conf *conf)
{
    static const struct redis_events none = {NULL, NULL, NULL};
    struct redis_conf c = conf ? *conf : (struct redis_conf){.db = 0};
    memset(&env, 0, sizeof env);
    env.loop = loop_new("test/0", 0);
    env.port = free_port();
    timer_init(&env.poll, env.loop, on_poll, NULL);
    timer_init(&env.guard, env.loop, on_guard, NULL);
    log_set_capture(on_log, NULL);
    c.source = source;
    env.raw = redis_open(env.loop, &c, &none, NULL);
}

static inline void env_close(void)
{
    redis_close(&env.raw);
    server_kill();
    log_set_capture(NULL, NULL);
    loop_free(&env.loop);
}

#endif
