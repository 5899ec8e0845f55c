#ifndef INTEGRATION_TESTS_SIM_TESTS_CUT_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_CUT_INT_H
/* Clients with stream management at one node, and cuts of their connections. */
#include "integration-tests/sim/tests-node-int.h"

#define SEC UINT64_C(1000000)
#define ALICE "alice@" RIG_DOMAIN
#define BOB "bob@" RIG_DOMAIN

static UNUSED struct sim_client *managed(const struct rig *r, const char *user,
                                         const char *resource)
{
    struct sim_client_conf conf = rig_conf(r, user, resource);
    conf.sm = true;
    struct sim_client *c = sim_client_login(&conf);
    assert_non_null(c);
    sim_client_send(c, "<presence/>");
    assert_true(sim_client_expect(c, "<presence from='%s' type='-'/>", sim_client_jid(c)));
    return c;
}

/* All connections of the host of the clients. */
static UNUSED void cut(bool silent)
{
    sim_net_cut("client", "server", silent);
    (void)sim_run(SEC, NULL, NULL);
    sim_net_heal("client", "server");
}

static UNUSED void expect_number(struct sim_client *c, int n)
{
    assert_true(sim_client_expect(c, "<message id='n%d'/>", n));
}

static UNUSED void send_number(struct sim_client *c, const char *to, int n)
{
    sim_client_send(c, "<message to='%s' id='n%d' type='chat'><body>%d</body></message>", to, n, n);
}
#endif
