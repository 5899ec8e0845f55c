#ifndef INTEGRATION_TESTS_SIM_TESTS_SESSION_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_SESSION_INT_H
/* What the tests of node/session share: users behind a node, stanzas as if from elsewhere. */
#include "integration-tests/sim/tests-node-int.h"
#include "node/cluster/anchor.h"
#include "node/route/route.h"
#include "node/session/roster.h"
#include "node/session/user.h"

#define SEC UINT64_C(1000000)
#define ALICE "alice@" RIG_DOMAIN
#define BOB "bob@" RIG_DOMAIN

static UNUSED struct node_shard *home_of(const struct rig *r, const char *bare)
{
    return node_shard_of(r->node, str_of(bare));
}

static UNUSED struct user *user_of(const struct rig *r, const char *bare)
{
    return user_find(home_of(r, bare), str_of(bare));
}

static UNUSED uint64_t stored(const struct rig *r)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < r->node->n_shards; i++)
        sum += r->node->shard[i].stats.offline_stored;
    return sum;
}

static UNUSED size_t users(const struct rig *r)
{
    size_t sum = 0;
    for (unsigned i = 0; i < r->node->n_shards; i++)
        sum += hmap_count(&r->node->shard[i].users);
    return sum;
}

/* As if it came from another server. */
static UNUSED void arrive(const struct rig *r, const char *text)
{
    struct stanza *s;
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    route_start(&r->node->shard[0], s, NULL, ROUTE_S2S, 0, NULL);
}

static UNUSED void become_friends(struct sim_client *a, struct sim_client *b)
{
    sim_client_send(a, "<presence to='" BOB "' type='subscribe'/>");
    assert_true(sim_client_expect(b, "<presence from='" ALICE "' type='subscribe'/>"));
    sim_client_send(b, "<presence to='" ALICE "' type='subscribed'/>");
    assert_true(sim_client_expect(a, "<presence from='" BOB "' type='subscribed'/>"));
}
#endif
