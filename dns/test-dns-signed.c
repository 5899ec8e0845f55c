/* The resolver behind a real validating one: zones signed by ldns-signzone at nsd, unbound in
 * front, which knows the keys of some. Zones: s.test is signed; b.test is signed by another key
 * than unbound knows, so it is bogus; u.test is not signed; l.test is nowhere. */
#include "dns/tests-real-int.h"

enum { MANY = 90, AGAIN_MS = 20 };

static pid_t nsd_pid, unbound_pid;
static char resolver_text[32];
static const char *const resolvers[] = {resolver_text, NULL};

/* ---- zones */

#define REST "112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DIGEST "00" REST

/* The same records for every zone. */
static void write_zone(const char *zone)
{
    char name[16];
    snprintf(name, sizeof name, "%s.plain", zone);
    FILE *f = file(name);
    fprintf(f, "$ORIGIN %s.test.\n$TTL 300\n", zone);
    fputs(
        "@ IN SOA ns hostmaster 1 3600 600 86400 40\n"
        "@ IN NS ns\n"
        "ns IN A 127.0.0.1\n"
        "@ IN A 192.0.2.9\n"
        "_xmpp-server._tcp IN SRV 1 0 5269 h\n"
        "_xmpps-server._tcp IN SRV 2 0 5270 h\n"
        "h IN A 192.0.2.1\n"
        "_5269._tcp.h IN TLSA 3 1 1 " DIGEST "\n"
        "_xmpp-server._tcp.two IN SRV 1 0 5269 bad\n" /* its TLSA record is changed after signing */
        "_xmpp-server._tcp.two IN SRV 2 0 5269 h\n"
        "bad IN A 192.0.2.2\n"
        "_5269._tcp.bad IN TLSA 3 1 1 aa" REST "\n"
        "_xmpp-server._tcp.loop IN SRV 1 0 5269 loop1\n"
        "_xmpp-server._tcp.loop IN SRV 2 0 5269 h\n"
        "loop1 IN CNAME loop2\n"
        "loop2 IN CNAME loop1\n"
        "brief 1 IN A 192.0.2.3\n"
        "_1._tcp.brief 1 IN TLSA 3 1 1 " DIGEST "\n",
        f);
    for (int i = 0; i < MANY; i++)
        fprintf(f, "many IN AAAA 2001:db8:%x::1\n", i);
    assert_int_equal(fclose(f), 0);
}

static void sh(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void sh(const char *fmt, ...)
{
    char command[512];
    va_list ap;
    int n = snprintf(command, sizeof command, "cd %s && ", dir);
    va_start(ap, fmt);
    vsnprintf(command + n, sizeof command - (size_t)n, fmt, ap);
    va_end(ap);
    if (system(command) != 0)
        fail_msg("%s (are ldnsutils installed?)", command);
}

/* ZONE.plain signed becomes ZONE.zone; ZONE.anchor is the key it is signed by. */
static void sign(const char *zone)
{
    sh("key=$(ldns-keygen -a ECDSAP256SHA256 -k %s.test) && cp $key.key %s.anchor && "
       "ldns-signzone -f %s.zone %s.plain $key",
       zone, zone, zone, zone);
}

static void make_zones(void)
{
    write_zone("s");
    write_zone("b");
    write_zone("u");
    sign("s");
    sign("b");
    sh("cp u.plain u.zone");
    sh("grep -q 'TLSA.*aa1122' s.zone && sed -i '/TLSA/s/aa1122/bb1122/' s.zone"); /* bogus record
                                                                                    */
    sh("ldns-keygen -a ECDSAP256SHA256 -k b.test > other && cp $(cat other).key b.anchor");
}

/* ---- servers */

static void unbound_start(uint16_t port, uint16_t nsd_port, uint16_t silent_port)
{
    static const char *const zones[] = {"s", "b", "u", "l"};
    char conf[128];
    FILE *f = file("unbound.conf");
    fprintf(f,
            "server:\n  interface: 127.0.0.1\n  port: %u\n  do-daemonize: no\n  username: \"\"\n"
            "  chroot: \"\"\n  directory: \"%s\"\n  pidfile: \"\"\n  use-syslog: no\n"
            "  logfile: \"%s/unbound.log\"\n  num-threads: 1\n  do-ip6: no\n"
            "  do-not-query-localhost: no\n  local-zone: \"test.\" nodefault\n"
            "  trust-anchor-file: \"%s/s.anchor\"\n  trust-anchor-file: \"%s/b.anchor\"\n",
            port, dir, dir, dir, dir);
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        fprintf(f, "stub-zone:\n  name: \"%s.test\"\n  stub-addr: 127.0.0.1@%u\n", zones[i],
                i == 3 ? silent_port : nsd_port);
    assert_int_equal(fclose(f), 0);
    snprintf(conf, sizeof conf, "%s/unbound.conf", dir);
    unbound_pid = server_start((const char *const[]){"/usr/sbin/unbound", "-d", "-c", conf, NULL});
}

static int open_resolver(void **state)
{
    (void)state;
    resolver_open(
        &(struct dns_conf){.servers = resolvers, .timeout_ms = 1000, .tries = 3, .trust_ad = true});
    return 0;
}

static int close_resolver(void **state)
{
    (void)state;
    resolver_close();
    return 0;
}

static int silent_fd;

static int group_start(void **state)
{
    uint16_t nsd_port, port, silent_port;
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    make_zones();
    int a = free_port(&nsd_port), b = free_port(&port);
    silent_fd = free_port(&silent_port);
    close(a);
    close(b);
    snprintf(resolver_text, sizeof resolver_text, "127.0.0.1:%u", port);
    nsd_pid = nsd_start(nsd_port, (const char *const[]){"s", "b", "u", NULL});
    unbound_start(port, nsd_port, silent_port);
    for (;;) { /* until both serve: unbound asks nsd, and keeps a failure for 5 s */
        open_resolver(NULL);
        enum err e = ask("u.test", DNS_A);
        resolver_close();
        if (e == ERR_OK)
            return 0;
        if (waitpid(unbound_pid, NULL, WNOHANG) != 0 || waitpid(nsd_pid, NULL, WNOHANG) != 0)
            return -1;
    }
}

static int group_end(void **state)
{
    char command[64];
    (void)state;
    close(silent_fd);
    server_stop(&unbound_pid);
    server_stop(&nsd_pid);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* ---- targets */

static char targets[512]; /* "addr:port[*][!][#digest] ..." then the end */

static void on_target(void *ctx, enum err e, const struct dial_target *t)
{
    struct dial_source *src = ctx;
    size_t n = strlen(targets);
    char text[ADDR_TEXT_MAX], dane[8] = "";
    if (e) {
        snprintf(targets + n, sizeof targets - n, "%s", err_name(e));
        loop_stop(loop);
        return;
    }
    if (t->dane == DIAL_DANE_TLSA)
        snprintf(dane, sizeof dane, "#%02x%02x", t->tlsa[0].digest[0], t->tlsa[0].digest[1]);
    snprintf(targets + n, sizeof targets - n, "%s%s%s%s ", addr_format(text, &t->addr),
             t->direct_tls ? "*" : "", t->dane == DIAL_DANE_NAME ? "!" : "", dane);
    src->ops->next(src->src, on_target, src);
}

static const char *find(const char *domain)
{
    struct dial_source src = dns_xmpp_source(dns, str_of(domain), DNS_XMPP_SERVER);
    targets[0] = '\0';
    src.ops->next(src.src, on_target, &src);
    run();
    src.ops->close(src.src);
    return targets;
}

/* ---- tests */

/* One port has a TLSA record, the other provably none. */
static void test_secure(void **state)
{
    (void)state;
    assert_string_equal(find("s.test"), "192.0.2.1:5269#0011 192.0.2.1:5270*! EOF");
    assert_int_equal(ask("_5269._tcp.h.s.test", DNS_TLSA), ERR_OK);
    assert_true(authenticated);
    assert_int_equal(ask("nothing.s.test", DNS_A), ERR_DNS_NXDOMAIN);
    assert_true(authenticated);
}

static void test_unsigned(void **state)
{
    (void)state;
    assert_string_equal(find("u.test"), "192.0.2.1:5269 192.0.2.1:5270* EOF");
    assert_int_equal(ask("_5269._tcp.h.u.test", DNS_TLSA), ERR_OK);
    assert_false(authenticated);
}

/* The whole zone: nothing is found, not even the address of the domain. One record: its target is
 * left out. */
static void test_bogus(void **state)
{
    (void)state;
    assert_string_equal(find("b.test"), "DNS_SERVFAIL");
    assert_int_equal(ask("b.test", DNS_A), ERR_DNS_SERVFAIL);
    assert_int_equal(ask("_5269._tcp.bad.s.test", DNS_TLSA), ERR_DNS_SERVFAIL);
    assert_int_equal(ask("bad.s.test", DNS_A), ERR_OK);
    assert_string_equal(find("two.s.test"), "192.0.2.1:5269#0011 EOF");
}

static void test_loop(void **state)
{
    (void)state;
    assert_int_equal(ask("loop1.s.test", DNS_A), ERR_DNS_SERVFAIL);
    assert_string_equal(find("loop.s.test"), "192.0.2.1:5269#0011 EOF");
}

/* With their signature they do not fit into 1,232 bytes: asked again over TCP, twice (unbound asks
 * nsd as well). */
static void test_truncated(void **state)
{
    (void)state;
    assert_int_equal(ask("many.s.test", DNS_AAAA), ERR_OK);
    assert_int_equal(n_records, MANY);
    assert_true(authenticated);
}

/* The resolver waits for a server that never answers, longer than we do. */
static void test_no_answer(void **state)
{
    (void)state;
    resolver_close();
    resolver_open(
        &(struct dns_conf){.servers = resolvers, .timeout_ms = 200, .tries = 2, .trust_ad = true});
    assert_string_equal(find("l.test"), "TIMEOUT");
}

static void on_again(void *ctx)
{
    (void)ctx;
    loop_stop(loop);
}

/* Ask until the answer is a stale one: it has expired, and nobody speaks. */
static enum err ask_until_stale(const char *name, enum dns_type type)
{
    struct timer again;
    timer_init(&again, loop, on_again, NULL);
    while (ask(name, type) == ERR_OK && ttl != 30) {
        timer_start(&again, AGAIN_MS);
        run();
    }
    return status;
}

/* Last, as it kills the resolver. */
static void test_resolver_dies(void **state)
{
    (void)state;
    assert_int_equal(ask("brief.s.test", DNS_A), ERR_OK);
    assert_int_equal(ask("_1._tcp.brief.s.test", DNS_TLSA), ERR_OK);
    server_stop(&unbound_pid);
    assert_int_equal(ask_until_stale("brief.s.test", DNS_A), ERR_OK);
    assert_int_equal(ttl, 30);
    assert_int_equal(first.addr.ip[3], 3);
    assert_int_equal(ask_until_stale("_1._tcp.brief.s.test", DNS_TLSA), ERR_TIMEOUT);
    assert_string_equal(find("u.test"), "TIMEOUT"); /* never asked by this resolver */
}

int main(void)
{
#define UNIT(name) cmocka_unit_test_setup_teardown(name, open_resolver, close_resolver)
    const struct CMUnitTest tests[] = {
        UNIT(test_secure),    UNIT(test_unsigned),  UNIT(test_bogus),         UNIT(test_loop),
        UNIT(test_truncated), UNIT(test_no_answer), UNIT(test_resolver_dies),
    };
    return cmocka_run_group_tests(tests, group_start, group_end);
}
