/* The family of addresses that lost to the other goes second (RFC 8305), with real dials over the
 * simulated network: host "v4" answers at an IPv4 address, host "v6" at an IPv6 one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/dns-int.h"
#include "dns/sim-dns.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/listen.h"
#include "lib/net/sim-net.h"

enum { MINUTE_US = 60 * 1000 * 1000, STEP_US = 250 * 1000 };

static struct loop *loop, *loops[2];
static struct listener *listeners[2];
static struct dns *dns;
static struct op_owner owner;
static bool is_done;
static enum err status;
static struct dial_result result;

static void on_accept(void *ctx, struct transport *t)
{
    (void)ctx;
    transport_close(&t);
}

static int set_up(void **state)
{
    static const char *const hosts[] = {"v4/0", "v6/0"}, *at[] = {"10.0.0.1:1", "[2001:db8::1]:1"};
    struct dns_conf conf = {0};
    char why[100];
    (void)state;
    sim_begin(1);
    sim_net_begin();
    sim_dns_begin();
    loop = loop_new("me/0", 0);
    op_owner_init(&owner);
    for (int i = 0; i < 2; i++) {
        struct addr addr;
        loops[i] = loop_new(hosts[i], 0);
        assert_int_equal(addr_parse_hostport(str_of(at[i]), &addr), ERR_OK);
        assert_int_equal(listener_open(loops[i], &addr, on_accept, NULL, &listeners[i]), ERR_OK);
    }
    assert_int_equal(dns_open(loop, &conf, &dns, why, sizeof why), ERR_OK);
    sim_dns_zone("both.test 3600 A 10.0.0.1\n"
                 "both.test 3600 AAAA 2001:db8::1\n"
                 "old.test 3600 A 10.0.0.1\n"
                 "new.test 3600 AAAA 2001:db8::1\n"
                 "_xmpp-server._tcp.two.test 3600 SRV 1 0 1 new.test\n"
                 "_xmpp-server._tcp.two.test 3600 SRV 2 0 1 old.test\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        listener_close(&listeners[i]);
    dns_close(&dns);
    assert_true(op_owner_idle(&owner));
    sim_run(MINUTE_US, NULL, NULL);
    loop_free(&loop);
    loop_free(&loops[0]);
    loop_free(&loops[1]);
    sim_dns_end();
    sim_net_end();
    sim_end();
    return 0;
}

static void on_done(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    (void)ctx;
    is_done = true;
    status = e;
    result = *r;
    if (t)
        transport_close(&t);
}

static bool done(void *ctx)
{
    (void)ctx;
    return is_done;
}

/* The family that connected; how long it took in *took_us. */
static enum addr_family dial(struct dial_source src, uint64_t *took_us)
{
    uint64_t from_us = sim_now_us();
    is_done = false;
    dial_open(loop, &owner, src, 5000, on_done, NULL);
    assert_true(sim_run(MINUTE_US, done, NULL));
    *took_us = sim_now_us() - from_us;
    return status ? ADDR_NONE : result.target.addr.family;
}

static enum addr_family dial_both(uint64_t *took_us)
{
    return dial(dns_host_source(dns, STR("both.test"), 1), took_us);
}

static void test_loser_goes_second(void **state)
{
    uint64_t took_us;
    (void)state;
    assert_int_equal(dial_both(&took_us), ADDR_V6);
    assert_true(took_us < STEP_US);
    assert_int_equal(dns_family_second(dns), ADDR_NONE);
    sim_net_cut("me", "v6", true);
    assert_int_equal(dial_both(&took_us), ADDR_V4);
    assert_true(took_us >= STEP_US);
    assert_int_equal(dns_family_second(dns), ADDR_V6);
    sim_net_heal("me", "v6");
    assert_int_equal(dial_both(&took_us), ADDR_V4); /* first, so it wins */
    assert_int_equal(result.attempts, 1);
    assert_true(took_us < STEP_US);
    sim_run((uint64_t)DNS_FAMILY_SECOND_MS * 1000, NULL, NULL);
    assert_int_equal(dial_both(&took_us), ADDR_V6); /* forgotten */
    assert_int_equal(result.attempts, 1);
}

static void test_win_clears(void **state)
{
    uint64_t took_us;
    (void)state;
    sim_net_cut("me", "v6", true);
    assert_int_equal(dial_both(&took_us), ADDR_V4);
    sim_net_heal("me", "v6");
    assert_int_equal(dial(dns_host_source(dns, STR("new.test"), 1), &took_us), ADDR_V6);
    assert_int_equal(dns_family_second(dns), ADDR_NONE);
    sim_net_cut("me", "v6", true);
    assert_int_equal(dial_both(&took_us), ADDR_V4);
    sim_net_heal("me", "v6");
    sim_net_cut("me", "v4", true);
    assert_int_equal(dial_both(&took_us), ADDR_V6); /* the other way round */
    assert_int_equal(dns_family_second(dns), ADDR_V4);
    sim_net_heal("me", "v4");
}

/* Refused at once is lost as well; where both fail, or other targets win, nothing is known. */
static void test_what_is_a_loss(void **state)
{
    uint64_t took_us;
    (void)state;
    sim_net_cut("me", "v6", false);
    sim_net_cut("me", "v4", false);
    assert_int_equal(dial_both(&took_us), ADDR_NONE);
    assert_int_equal(dns_family_second(dns), ADDR_NONE);
    sim_net_heal("me", "v4");
    assert_int_equal(dial(dns_xmpp_source(dns, STR("two.test"), DNS_XMPP_SERVER), &took_us),
                     ADDR_V4);
    assert_int_equal(result.attempts, 2);
    assert_int_equal(dns_family_second(dns), ADDR_NONE);
    assert_int_equal(dial_both(&took_us), ADDR_V4);
    assert_int_equal(dns_family_second(dns), ADDR_V6);
    sim_net_heal("me", "v6");
}

int main(void)
{
#define UNIT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        UNIT(test_loser_goes_second),
        UNIT(test_win_clears),
        UNIT(test_what_is_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
