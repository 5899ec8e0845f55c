/* The resolver through c-ares against a real name server: nsd on a private loopback port in a
 * temporary directory, and against a socket that never answers. */
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

enum { GUARD_MS = 30000, BIG_RECORDS = 90 };

static char dir[] = "/tmp/meridian-dns-XXXXXX";
static pid_t nsd_pid;
static char server_text[32];
static const char *const servers[] = {server_text, NULL};

static struct loop *loop;
static struct dns *dns;
static struct op_owner owner;
static struct timer guard;

static unsigned answers, want;
static enum err status;
static bool authenticated;
static size_t n_records;
static struct dns_record first;
static uint32_t ttl;

/* ---- the server */

/* A UDP socket on a free loopback port, whose TCP port is free as well. */
static int free_port(uint16_t *port)
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

static FILE *file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    return f;
}

static void write_zone(void)
{
    FILE *f = file("x.zone");
    fputs("$ORIGIN x.test.\n$TTL 300\n"
          "@ IN SOA ns hostmaster 1 3600 600 86400 40\n"
          "@ IN NS ns\n"
          "ns IN A 127.0.0.1\n"
          "@ IN A 192.0.2.1\n"
          "a IN A 192.0.2.2\n"
          "a IN AAAA 2001:db8::2\n"
          "c 120 IN CNAME a\n"
          "out IN CNAME a.elsewhere.test.\n"
          "t IN TXT \"hello\"\n"
          "_5269._tcp.a IN TLSA 3 1 1 abcdef\n"
          "_xmpp-server._tcp IN SRV 1 0 5269 a\n"
          "_xmpps-server._tcp IN SRV 0 0 5270 a\n"
          "_xmpp-server._tcp.no IN SRV 0 0 0 .\n",
          f);
    for (int i = 0; i < BIG_RECORDS; i++)
        fprintf(f, "big IN AAAA 2001:db8:%x::1\n", i);
    assert_int_equal(fclose(f), 0);
}

static void write_conf(uint16_t port)
{
    FILE *f = file("nsd.conf");
    fprintf(f,
            "server:\n  ip-address: 127.0.0.1\n  port: %u\n  username: \"\"\n  chroot: \"\"\n  "
            "zonesdir: \"%s\"\n"
            "  database: \"\"\n  pidfile: \"%s/nsd.pid\"\n  xfrdfile: \"%s/xfrd.state\"\n  xfrdir: "
            "\"%s\"\n"
            "  zonelistfile: \"%s/zone.list\"\n  logfile: \"%s/nsd.log\"\n  server-count: 1\n"
            "remote-control:\n  control-enable: no\n"
            "zone:\n  name: x.test\n  zonefile: x.zone\n",
            port, dir, dir, dir, dir, dir, dir);
    assert_int_equal(fclose(f), 0);
}

static void nsd_start(uint16_t port)
{
    char conf[128];
    write_zone();
    write_conf(port);
    snprintf(conf, sizeof conf, "%s/nsd.conf", dir);
    nsd_pid = fork();
    assert_true(nsd_pid >= 0);
    if (nsd_pid == 0) {
        setpgid(0, 0);
        execl("/usr/sbin/nsd", "nsd", "-d", "-c", conf, (char *)NULL);
        fprintf(stderr, "nsd cannot be started: is the package installed?\n");
        _exit(127);
    }
    setpgid(nsd_pid, nsd_pid);
}

static void nsd_stop(void)
{
    if (nsd_pid <= 0)
        return;
    kill(-nsd_pid, SIGKILL); /* it forks: the whole group */
    waitpid(nsd_pid, NULL, 0);
    nsd_pid = 0;
}

/* ---- asking */

static void on_guard(void *ctx)
{
    (void)ctx;
    print_error("no answer\n");
    nsd_stop();
    abort();
}

static void on_answer(void *ctx, const struct dns_answer *a)
{
    (void)ctx;
    status = a->status;
    ttl = a->ttl;
    authenticated = a->authenticated;
    n_records = a->n;
    assert_true((a->n > 0) == (a->status == ERR_OK));
    if (a->n)
        first = a->records[0];
    if (++answers == want)
        loop_stop(loop);
}

static void run(void)
{
    timer_start(&guard, GUARD_MS);
    loop_run(loop);
    timer_stop(&guard);
}

static enum err ask(const char *name, enum dns_type type)
{
    want = answers + 1;
    dns_query(dns, &owner, name, type, on_answer, NULL);
    assert_int_equal(answers, want - 1);
    run();
    return status;
}

static void resolver_open(const struct dns_conf *conf)
{
    char why[200] = "";
    loop = loop_new("test/0", 0);
    timer_init(&guard, loop, on_guard, NULL);
    op_owner_init(&owner);
    enum err e = dns_open(loop, conf, &dns, why, sizeof why);
    assert_string_equal(why, "");
    assert_int_equal(e, ERR_OK);
    answers = 0;
}

static void resolver_close(void)
{
    dns_close(&dns);
    assert_true(op_owner_idle(&owner));
    loop_free(&loop);
}

static int open_resolver(void **state)
{
    (void)state;
    resolver_open(&(struct dns_conf){.servers = servers, .timeout_ms = 500, .tries = 4});
    return 0;
}

static int close_resolver(void **state)
{
    (void)state;
    resolver_close();
    return 0;
}

static int group_start(void **state)
{
    uint16_t port;
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    close(free_port(&port));
    snprintf(server_text, sizeof server_text, "127.0.0.1:%u", port);
    nsd_start(port);
    for (;;) { /* until it serves: each round is a few answered or refused queries, bounded by the
                  guard */
        open_resolver(NULL);
        enum err e = ask("x.test", DNS_A);
        resolver_close();
        if (e == ERR_OK)
            return 0;
        if (waitpid(nsd_pid, NULL, WNOHANG) != 0)
            return -1;
    }
}

static int group_end(void **state)
{
    char command[64];
    (void)state;
    nsd_stop();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* ---- tests */

/* What was asked: once with EDNS, AD and DO. */
static void expect_trusting_question(int fd)
{
    unsigned char q[512];
    ssize_t n = recv(fd, q, sizeof q, MSG_DONTWAIT);
    assert_true(n > 12 + 11);
    assert_int_equal(q[3] & 0x20, 0x20);
    assert_int_equal(q[11], 1);     /* one additional record */
    assert_int_equal(q[n - 10], 0); /* OPT */
    assert_int_equal(q[n - 9], 41);
    assert_int_equal(q[n - 4] & 0x80, 0x80);
}

static void test_answers(void **state)
{
    (void)state;
    assert_int_equal(ask("a.x.test", DNS_A), ERR_OK);
    assert_int_equal(n_records, 1);
    assert_int_equal(first.addr.ip[3], 2);
    assert_int_equal(ttl, 300);
    assert_false(authenticated);
    assert_int_equal(ask("a.x.test", DNS_AAAA), ERR_OK);
    assert_int_equal(first.addr.family, ADDR_V6);
    assert_int_equal(ask("c.x.test", DNS_A), ERR_OK);
    assert_int_equal(first.addr.ip[3], 2);
    assert_int_equal(ttl, 120);
    assert_int_equal(ask("t.x.test", DNS_TXT), ERR_OK);
    assert_int_equal(ask("_5269._tcp.a.x.test", DNS_TLSA), ERR_OK);
    assert_int_equal(ask("_xmpp-server._tcp.x.test", DNS_SRV), ERR_OK);
    assert_string_equal(first.target, "a.x.test");
    assert_int_equal(first.port, 5269);
    assert_int_equal(ask("_xmpp-server._tcp.no.x.test", DNS_SRV), ERR_OK);
    assert_string_equal(first.target, "");
}

static void test_negative(void **state)
{
    (void)state;
    assert_int_equal(ask("nothing.x.test", DNS_A), ERR_DNS_NXDOMAIN);
    assert_int_equal(ttl, 40); /* the SOA's minimum */
    assert_int_equal(ask("a.x.test", DNS_SRV), ERR_DNS_NODATA);
    assert_int_equal(ttl, 40);
    assert_int_equal(ask("not.served.test", DNS_A), ERR_DNS_SERVFAIL); /* REFUSED */
    assert_int_equal(ask("out.x.test", DNS_A),
                     ERR_DNS_SERVFAIL); /* the chain leads out of what it serves */
}

/* 90 addresses do not fit into 1,232 bytes: cut over UDP, whole over TCP. */
static void test_truncated(void **state)
{
    (void)state;
    assert_int_equal(ask("big.x.test", DNS_AAAA), ERR_OK);
    assert_int_equal(n_records, BIG_RECORDS);
}

static void test_many(void **state)
{
    (void)state;
    want = answers + 500;
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d.x.test", i);
        dns_query(dns, &owner, i % 2 ? name : "a.x.test", DNS_A, on_answer, NULL);
    }
    run();
    assert_int_equal(answers, want);
}

static void test_trusted(void **state)
{
    (void)state;
    resolver_close();
    resolver_open(
        &(struct dns_conf){.servers = servers, .timeout_ms = 500, .tries = 4, .trust_ad = true});
    assert_int_equal(ask("a.x.test", DNS_A), ERR_OK); /* with AD and DO in the question */
    assert_false(authenticated);                      /* an unsigned zone */
}

static void test_silent_server(void **state)
{
    uint16_t port;
    char text[32];
    const char *const silent[] = {text, NULL};
    int fd = free_port(&port);
    (void)state;
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    resolver_close();
    resolver_open(
        &(struct dns_conf){.servers = silent, .timeout_ms = 300, .tries = 2, .trust_ad = true});
    uint64_t start_us = clock_mono_us();
    assert_int_equal(ask("a.x.test", DNS_A), ERR_TIMEOUT);
    assert_true(clock_mono_us() - start_us >= 500000); /* both tries */
    expect_trusting_question(fd);
    dns_query(dns, &owner, "b.x.test", DNS_A, on_answer, NULL); /* closed while under way */
    dns_query(dns, &owner, "c.x.test", DNS_A, on_answer, NULL);
    close(fd);
}

static void test_closed_port(void **state)
{
    uint16_t port;
    char text[32];
    const char *const closed[] = {text, NULL};
    (void)state;
    close(free_port(&port));
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    resolver_close();
    resolver_open(&(struct dns_conf){.servers = closed, .timeout_ms = 300, .tries = 2});
    assert_int_equal(ask("a.x.test", DNS_A), ERR_TIMEOUT); /* not: a server that fails */
}

static struct fdpoll *lame;
static int lame_fd;
static unsigned lame_questions;

/* Every question is answered with REFUSED. */
static void on_question(void *ctx, int events)
{
    char q[512];
    struct sockaddr_in from;
    socklen_t from_n = sizeof from;
    (void)ctx;
    (void)events;
    ssize_t n = recvfrom(lame_fd, q, sizeof q, MSG_DONTWAIT, (struct sockaddr *)&from, &from_n);
    if (n < 12)
        return;
    q[2] |= (char)0x80;
    q[3] = (char)0x85;
    lame_questions++;
    assert_int_equal(sendto(lame_fd, q, (size_t)n, 0, (struct sockaddr *)&from, from_n), n);
}

/* One of two servers refuses: the other is asked, whichever comes first. */
static void test_lame_server(void **state)
{
    uint16_t port;
    char text[32];
    const char *const both[] = {text, server_text, NULL};
    lame_fd = free_port(&port);
    (void)state;
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    resolver_close();
    resolver_open(&(struct dns_conf){.servers = both, .timeout_ms = 500, .tries = 4});
    lame = fdpoll_open(loop, lame_fd, on_question, NULL);
    fdpoll_want(lame, FD_READABLE);
    lame_questions = 0;
    assert_int_equal(ask("a.x.test", DNS_A), ERR_OK);
    assert_int_equal(ask("a.x.test", DNS_AAAA), ERR_OK);
    assert_int_equal(ask("c.x.test", DNS_A), ERR_OK);
    assert_int_equal(ask("t.x.test", DNS_TXT), ERR_OK);
    assert_true(lame_questions > 0);
    assert_int_equal(ask("a.served.nowhere", DNS_A), ERR_DNS_SERVFAIL); /* both refuse */
    fdpoll_close(&lame);
    close(lame_fd);
}

static void test_bad_servers(void **state)
{
    static const char *const bad[] = {"no address", NULL};
    char why[200] = "";
    struct dns *d = NULL;
    (void)state;
    assert_int_equal(dns_open(loop, &(struct dns_conf){.servers = bad}, &d, why, sizeof why),
                     ERR_INVALID);
    assert_null(d);
    assert_non_null(strstr(why, "no address"));
    assert_int_equal(dns_open(loop, &(struct dns_conf){0}, &d, why, sizeof why),
                     ERR_OK); /* the system's */
    dns_close(&d);
}

static char targets[512];

static void on_target(void *ctx, enum err e, const struct dial_target *t)
{
    struct dial_source *src = ctx;
    size_t n = strlen(targets);
    char text[ADDR_TEXT_MAX];
    if (e) {
        snprintf(targets + n, sizeof targets - n, "%s", err_name(e));
        loop_stop(loop);
        return;
    }
    snprintf(targets + n, sizeof targets - n, "%s%s ", addr_format(text, &t->addr),
             t->direct_tls ? "*" : "");
    src->ops->next(src->src, on_target, src);
}

static void test_source(void **state)
{
    struct dial_source src = dns_xmpp_source(dns, STR("x.test"), DNS_XMPP_SERVER);
    (void)state;
    targets[0] = '\0';
    src.ops->next(src.src, on_target, &src);
    run();
    src.ops->close(src.src);
    assert_string_equal(
        targets, "[2001:db8::2]:5270* 192.0.2.2:5270* [2001:db8::2]:5269 192.0.2.2:5269 EOF");
}

int main(void)
{
#define UNIT(name) cmocka_unit_test_setup_teardown(name, open_resolver, close_resolver)
    const struct CMUnitTest tests[] = {
        UNIT(test_answers),     UNIT(test_negative),    UNIT(test_truncated),
        UNIT(test_many),        UNIT(test_trusted),     UNIT(test_silent_server),
        UNIT(test_closed_port), UNIT(test_bad_servers), UNIT(test_source),
        UNIT(test_lame_server),
    };
    return cmocka_run_group_tests(tests, group_start, group_end);
}
