#ifndef DNS_TESTS_REAL_INT_H
#define DNS_TESTS_REAL_INT_H
/* Real name servers for tests: nsd and others on private loopback ports, with their files in a
 * temporary directory; and a resolver on a real loop that asks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dns/dns.h"
#include "lib/base/clock.h"
#include "lib/loop/fdpoll.h"
#include "lib/loop/timer.h"

enum { GUARD_MS = 30000 };

static char dir[] = "/tmp/meridian-dns-XXXXXX";

static struct loop *loop;
static struct dns *dns;
static struct op_owner owner;
static struct timer guard;

static unsigned answers, want, timeouts;
static enum err status;
static bool authenticated;
static size_t n_records;
static struct dns_record first;
static uint32_t ttl;

static pid_t servers_started[8];
static size_t n_servers;

/* ---- servers */

/* A UDP socket on a free loopback port, whose TCP port is free as well. */
static inline int free_port(uint16_t *port)
{
    for (;;) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof a;
        int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
            tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(udp >= 0 && tcp >= 0);
        assert_int_equal(bind(udp, (struct sockaddr *)&a, n), 0);
        assert_int_equal(getsockname(udp, (struct sockaddr *)&a, &n), 0);
        int bound = bind(tcp, (struct sockaddr *)&a, n);
        close(tcp);
        if (bound == 0) {
            *port = ntohs(a.sin_port);
            return udp;
        }
        close(udp);
    }
}

static inline FILE *file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    return f;
}

/* Start a program in the foreground in a process group of its own. */
static inline pid_t server_start(const char *const *argv)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        execv(argv[0], (char *const *)argv);
        fprintf(stderr, "%s cannot be started: is the package installed?\n", argv[0]);
        _exit(127);
    }
    setpgid(pid, pid);
    must(n_servers < ARRAY_LEN(servers_started));
    servers_started[n_servers++] = pid;
    return pid;
}

/* It forks: the whole group. */
static inline void server_kill(pid_t pid)
{
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static inline void server_stop(pid_t *pid)
{
    if (*pid <= 0)
        return;
    for (size_t i = 0; i < n_servers; i++)
        if (servers_started[i] == *pid)
            servers_started[i] = servers_started[--n_servers];
    server_kill(*pid);
    *pid = 0;
}

/* zones: "x" is x.test in the file x.zone; ended by NULL. */
static inline pid_t nsd_start(uint16_t port, const char *const *zones)
{
    char conf[128];
    FILE *f = file("nsd.conf");
    fprintf(f,
            "server:\n  ip-address: 127.0.0.1\n  port: %u\n  username: \"\"\n  chroot: \"\"\n  "
            "zonesdir: \"%s\"\n"
            "  database: \"\"\n  pidfile: \"%s/nsd.pid\"\n  xfrdfile: \"%s/xfrd.state\"\n  xfrdir: "
            "\"%s\"\n"
            "  zonelistfile: \"%s/zone.list\"\n  logfile: \"%s/nsd.log\"\n  server-count: 1\n  "
            "rrl-ratelimit: 0\n"
            "remote-control:\n  control-enable: no\n",
            port, dir, dir, dir, dir, dir, dir);
    for (; *zones; zones++)
        fprintf(f, "zone:\n  name: %s.test\n  zonefile: %s.zone\n", *zones, *zones);
    assert_int_equal(fclose(f), 0);
    snprintf(conf, sizeof conf, "%s/nsd.conf", dir);
    return server_start((const char *const[]){"/usr/sbin/nsd", "-d", "-c", conf, NULL});
}

/* ---- asking */

static inline void on_guard(void *ctx)
{
    (void)ctx;
    print_error("no answer\n");
    for (size_t i = 0; i < n_servers; i++)
        server_kill(servers_started[i]);
    abort();
}

static inline void on_answer(void *ctx, const struct dns_answer *a)
{
    (void)ctx;
    status = a->status;
    timeouts += a->status == ERR_TIMEOUT;
    ttl = a->ttl;
    authenticated = a->authenticated;
    n_records = a->n;
    assert_true((a->n > 0) == (a->status == ERR_OK));
    if (a->n)
        first = a->records[0];
    if (++answers == want)
        loop_stop(loop);
}

static inline void run(void)
{
    timer_start(&guard, GUARD_MS);
    loop_run(loop);
    timer_stop(&guard);
}

static inline enum err ask(const char *name, enum dns_type type)
{
    want = answers + 1;
    dns_query(dns, &owner, name, type, on_answer, NULL);
    assert_int_equal(answers, want - 1);
    run();
    return status;
}

static inline void resolver_open(const struct dns_conf *conf)
{
    char why[200] = "";
    loop = loop_new("test/0", 0);
    timer_init(&guard, loop, on_guard, NULL);
    op_owner_init(&owner);
    enum err e = dns_open(loop, conf, &dns, why, sizeof why);
    assert_string_equal(why, "");
    assert_int_equal(e, ERR_OK);
    answers = timeouts = 0;
}

static inline void resolver_close(void)
{
    dns_close(&dns);
    assert_true(op_owner_idle(&owner));
    loop_free(&loop);
}
#endif
