/* The resolver through c-ares against a real name server: nsd on a private loopback port in a
 * temporary directory, and against a socket that never answers. */
#include "dns/tests-real-int.h"

enum { BIG_RECORDS = 90 };

static pid_t nsd_pid;
static char server_text[32];
static const char *const servers[] = {server_text, NULL};

/* ---- the server */

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
    write_zone();
    nsd_pid = nsd_start(port, (const char *const[]){"x", NULL});
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
    server_stop(&nsd_pid);
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

/* More at once than the name server's socket and ours hold: each is answered by the first packet,
 * as none is sent a second time here. */
static void test_burst(void **state UNUSED)
{
    resolver_close();
    resolver_open(&(struct dns_conf){.servers = servers, .timeout_ms = 5000, .tries = 1});
    want = answers + 3000;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "m%d.x.test", i);
        dns_query(dns, &owner, name, DNS_A, on_answer, NULL);
    }
    run();
    assert_int_equal(timeouts, 0);
}

static unsigned datagrams(int fd)
{
    unsigned n = 0;
    char q[512];
    while (recv(fd, q, sizeof q, MSG_DONTWAIT) > 0)
        n++;
    return n;
}

static void stop(void *ctx)
{
    loop_stop(ctx);
}

/* A server that says nothing holds what waits up for as long as a hundred questions are young. */
static void test_burst_to_silence(void **state UNUSED)
{
    uint16_t port;
    char text[32];
    const char *const silent[] = {text, NULL};
    int fd = free_port(&port);
    struct timer timer;
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    resolver_close();
    resolver_open(&(struct dns_conf){.servers = silent, .timeout_ms = 5000, .tries = 1});
    for (int i = 0; i < 150; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.x.test", i);
        dns_query(dns, &owner, name, DNS_A, on_answer, NULL);
    }
    assert_int_equal(datagrams(fd), 100);
    timer_init(&timer, loop, stop, loop);
    timer_start(&timer, 1000);
    loop_run(loop);
    assert_int_equal(datagrams(fd), 50);
    close(fd); /* the questions are under way, and some would wait, when the resolver goes */
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
        UNIT(test_lame_server), UNIT(test_burst),       UNIT(test_burst_to_silence),
    };
    return cmocka_run_group_tests(tests, group_start, group_end);
}
