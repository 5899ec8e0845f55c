#ifndef INTEGRATION_TESTS_SIM_TESTS_WORLD_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_WORLD_INT_H
/* Two regions of one domain on the simulated platform, a registry in the process, a store per
 * region; a second node of the first region where a test starts it. */
#include "global-registry/reg-driver.h"
#include "integration-tests/sim/tests-node-int.h"
#include "lib/store/store.h"
#include "node/session/user.h"

#define SUFFIX ".regions.test"
#define SEC UINT64_C(1000000)
enum { EU, US, REGIONS, EU2 = REGIONS, PLACES }; /* EU2: a second node, where a test starts it */
static const char *const regions[PLACES] = {"eu", "us", "eu"};
static const char *const hosts[PLACES] = {"eu1", "us1", "eu2"};
static const char *const domains[PLACES] = {"eu1.eu" SUFFIX, "us1.us" SUFFIX, "eu2.eu" SUFFIX};

struct place {
    struct rig rig; /* conf, shards, node */
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX];
    struct store *store;
};
struct pair {
    struct reg_fake_world *registry;
    struct place at[PLACES];
};

static UNUSED int begin(void **state)
{
    (void)rig_certs_begin(state);
    for (size_t i = 0; i < PLACES; i++) {
        char san[TEST_PATH_MAX];
        snprintf(san, sizeof san, "DNS:%s", domains[i]);
        test_cert_make(
            rig_certs, domains[i],
            &(struct test_cert){
                .cn = domains[i], .san = san, .eku = "serverAuth,clientAuth", .issuer = "ca"});
    }
    log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_ERROR);
    return 0;
}

static UNUSED void place_start(struct pair *w, int i)
{
    struct rig *r = &w->at[i].rig;
    char why[256] = "";
    struct reg_driver *d = reg_fake_new(w->registry);
    r->shards = shards_new(hosts[i], r->conf.shards);
    enum err e = node_new(&r->conf, r->shards, &d, w->at[i].store, &r->node, why, sizeof why);
    if (e != ERR_OK)
        fprintf(stderr, "node_new: %s\n", why);
    assert_int_equal(e, ERR_OK);
}

/* As power failing: nothing is said to anybody. The store stays. */
static UNUSED void place_kill(struct pair *w, int i)
{
    struct rig *r = &w->at[i].rig;
    sim_net_kill(hosts[i]);
    op_owner_cancel_all(&r->ops);
    node_free(&r->node);
    shards_free(&r->shards);
}

static UNUSED void place_revive(struct pair *w, int i)
{
    sim_net_revive(hosts[i]);
    place_start(w, i);
}

static UNUSED void place_init(struct pair *w, int i, unsigned shards)
{
    struct place *p = &w->at[i];
    struct rig *r = &p->rig;
    char why[256], ip[32];
    op_owner_init(&r->ops);
    rig_conf_init(r, shards);
    test_path(p->crt, rig_certs, domains[i], "crt");
    test_path(p->key, rig_certs, domains[i], "key");
    snprintf(ip, sizeof ip, "192.0.2.%d", i + 1);
    for (size_t k = 0; k < 2; k++)
        assert_int_equal(addr_parse(str_of(ip), (uint16_t)(5222 + k), &r->listen[k].at), ERR_OK);
    assert_int_equal(addr_parse(str_of(ip), 5280, &r->conf.region_listen), ERR_OK);
    r->conf.region_name = regions[i];
    r->conf.node_name = hosts[i];
    r->conf.region_domain = domains[i];
    r->conf.region_domain_suffix = SUFFIX;
    r->conf.region_cert_file = p->crt;
    r->conf.region_key_file = p->key;
    r->conf.region_ca_file = rig_ca;
    if (i == EU2)
        p->store = w->at[EU].store; /* one database per region */
    else
        assert_int_equal(store_open("mem:", &p->store, why, sizeof why), ERR_OK);
    place_start(w, i);
}

static UNUSED void pair_begin(struct pair *w, uint64_t seed, unsigned shards)
{
    memset(w, 0, sizeof *w);
    sim_begin(seed);
    sim_net_begin();
    sim_dns_begin();
    w->registry = reg_fake_world_new();
    for (int i = 0; i < REGIONS; i++)
        place_init(w, i, i == EU ? shards : 5 - shards);
    (void)sim_run(8 * SEC, NULL, NULL); /* they know each other */
    assert_int_equal(rig_create(&w->at[EU].rig, "alice@" RIG_DOMAIN, "wonder"), ERR_OK);
    assert_int_equal(rig_create(&w->at[US].rig, "bob@" RIG_DOMAIN, "builder"), ERR_OK);
}

static UNUSED void pair_end(struct pair *w)
{
    for (int i = 0; i < PLACES; i++) {
        struct rig *r = &w->at[i].rig;
        if (w->at[i].store)
            op_owner_cancel_all(&r->ops);
        node_free(&r->node);
    }
    (void)sim_run(10 * SEC, NULL, NULL);
    for (int i = 0; i < PLACES; i++)
        shards_free(&w->at[i].rig.shards);
    for (int i = 0; i < REGIONS; i++)
        store_close(&w->at[i].store);
    reg_fake_world_free(&w->registry);
    sim_dns_end();
    sim_net_end();
    sim_end();
}

static UNUSED struct user *user_at(struct pair *w, int i, const char *bare)
{
    return user_find(node_shard_of(w->at[i].rig.node, str_of(bare)), str_of(bare));
}

#endif
