#ifndef INTEGRATION_TESTS_SIM_TESTS_NODE_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_NODE_INT_H
/* One node on the simulated platform with accounts, for tests of what clients see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/sim-dns.h"
#include "integration-tests/sim/sim-client.h"
#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/sim-net.h"
#include "lib/net/tests-certs.h"
#include "node/auth/account.h"
#include "node/node.h"

#define RIG_DOMAIN "im.test"
struct rig {
    struct node_conf conf;
    struct node_conf_listen listen[2];
    struct shards *shards;
    struct node *node;
    struct op_owner ops;
    bool is_done;
    enum err last;
};
static char rig_certs[TEST_PATH_MAX];
static char rig_crt[TEST_PATH_MAX], rig_key[TEST_PATH_MAX], rig_ca[TEST_PATH_MAX];
static struct tls_ctx *rig_client_tls;
static const char *const rig_domains[] = {RIG_DOMAIN, "other.test", NULL};

static UNUSED int rig_certs_begin(void **state)
{
    char why[256];
    (void)state;
    test_certs_begin(rig_certs);
    test_cert_domain(rig_certs, RIG_DOMAIN);
    test_path(rig_crt, rig_certs, RIG_DOMAIN, "crt");
    test_path(rig_key, rig_certs, RIG_DOMAIN, "key");
    test_path(rig_ca, rig_certs, "ca", "crt");
    struct tls_ctx_conf client = {.ca_file = rig_ca, .no_system_ca = true};
    assert_int_equal(tls_ctx_new(false, &client, &rig_client_tls, why, sizeof why), ERR_OK);
    log_set_level(LOG_WARN);
    return 0;
}

static UNUSED int rig_certs_end(void **state)
{
    (void)state;
    tls_ctx_unref(&rig_client_tls);
    test_certs_end(rig_certs);
    return 0;
}

static UNUSED void rig_done(void *ctx, enum err e)
{
    struct rig *r = ctx;
    r->is_done = true;
    r->last = e;
}

static UNUSED bool rig_is_done(void *ctx)
{
    return ((struct rig *)ctx)->is_done;
}

static UNUSED enum err rig_create(struct rig *r, const char *bare, const char *password)
{
    r->is_done = false;
    account_create(&r->node->shard[0], &r->ops, str_of(bare), str_of(password), rig_done, r);
    assert_true(sim_run(20000000, rig_is_done, r));
    return r->last;
}

static UNUSED enum err rig_verify(struct rig *r, const char *bare, const char *password)
{
    r->is_done = false;
    account_verify(&r->node->shard[0], &r->ops, str_of(bare), str_of(password), rig_done, r);
    assert_true(sim_run(20000000, rig_is_done, r));
    return r->last;
}

static UNUSED void rig_open(struct rig *r)
{
    char why[256] = "";
    r->shards = shards_new("server", r->conf.shards);
    enum err e = node_new(&r->conf, r->shards, NULL, NULL, &r->node, why, sizeof why);
    if (e != ERR_OK)
        fprintf(stderr, "node_new: %s\n", why);
    assert_int_equal(e, ERR_OK);
}

static UNUSED void rig_conf_init(struct rig *r, unsigned shards)
{
    node_conf_init(&r->conf);
    r->conf.domains = rig_domains;
    r->conf.shards = shards;
    r->conf.cert_file = rig_crt;
    r->conf.key_file = rig_key;
    r->conf.ca_file = rig_ca;
    r->conf.s2s_enabled = false;
    r->conf.scram_iterations = 4096;
    assert_int_equal(addr_parse(STR("192.0.2.1"), 5222, &r->listen[0].at), ERR_OK);
    assert_int_equal(addr_parse(STR("192.0.2.1"), 5223, &r->listen[1].at), ERR_OK);
    r->listen[1].direct_tls = true;
    r->conf.c2s = r->listen;
    r->conf.c2s_n = 2;
}

/* change: may alter the configuration; may be NULL. */
static UNUSED void rig_begin(struct rig *r, uint64_t seed, unsigned shards,
                             void (*change)(struct node_conf *c))
{
    *r = (struct rig){0};
    sim_begin(seed);
    sim_net_begin();
    sim_dns_begin();
    op_owner_init(&r->ops);
    rig_conf_init(r, shards);
    if (change)
        change(&r->conf);
    rig_open(r);
    assert_int_equal(rig_create(r, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
    assert_int_equal(rig_create(r, "bob@" RIG_DOMAIN, "builder"), ERR_OK);
}

static UNUSED void rig_end(struct rig *r)
{
    op_owner_cancel_all(&r->ops);
    node_free(&r->node);
    (void)sim_run(10000000, NULL, NULL); /* what is flushed in the background */
    shards_free(&r->shards);
    sim_dns_end();
    sim_net_end();
    sim_end();
}

static UNUSED struct sim_client_conf rig_conf(const struct rig *r, const char *user,
                                              const char *resource)
{
    return (struct sim_client_conf){
        .host = "client",
        .server = r->listen[0].at,
        .user = user,
        .domain = RIG_DOMAIN,
        .password = strcmp(user, "alice") == 0 ? "wonder" : "builder",
        .resource = resource,
        .mech = SASL_SCRAM_SHA_256,
        .tls = rig_client_tls,
    };
}

static UNUSED struct sim_client *rig_login(const struct rig *r, const char *user,
                                           const char *resource)
{
    struct sim_client_conf c = rig_conf(r, user, resource);
    struct sim_client *s = sim_client_login(&c);
    assert_non_null(s);
    return s;
}

/* Logged in and available. */
static UNUSED struct sim_client *rig_online(const struct rig *r, const char *user,
                                            const char *resource)
{
    struct sim_client *s = rig_login(r, user, resource);
    sim_client_send(s, "<presence/>");
    assert_true(sim_client_expect(s, "<presence from='%s' type='-'/>", sim_client_jid(s)));
    return s;
}

/* A round trip through the user's queue: what was sent before has been worked off. */
static UNUSED void settle(struct sim_client *c)
{
    static unsigned n;
    sim_client_send(c, "<iq type='get' id='settle-%u'><ping xmlns='%s'/></iq>", ++n, NS_PING);
    assert_true(sim_client_expect(c, "<iq type='result' id='settle-%u'/>", n));
}

/* An error to this id with this condition. */
static UNUSED bool expect_error(struct sim_client *c, const char *id, const char *condition)
{
    return sim_client_expect(c, "<iq type='error' id='%s'><error><%s xmlns='%s'/></error></iq>", id,
                             condition, NS_STANZA_ERRORS);
}

/* alice and bob see each other. */
static UNUSED void befriend(struct sim_client *a, struct sim_client *b)
{
    struct sim_client *pair[] = {a, b};
    const char *names[] = {"alice", "bob"};
    for (int i = 0; i < 2; i++) {
        sim_client_send(pair[i], "<presence to='%s@%s' type='subscribe'/>", names[!i], RIG_DOMAIN);
        assert_true(sim_client_expect(pair[!i], "<presence from='%s@%s' type='subscribe'/>",
                                      names[i], RIG_DOMAIN));
        sim_client_send(pair[!i], "<presence to='%s@%s' type='subscribed'/>", names[i], RIG_DOMAIN);
        assert_true(sim_client_expect(pair[i], "<presence from='%s@%s' type='subscribed'/>",
                                      names[!i], RIG_DOMAIN));
    }
}
#endif
