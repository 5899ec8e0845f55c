#ifndef INTEGRATION_TESTS_SIM_TESTS_REMOVED_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_REMOVED_INT_H
/* The case `simulate removed`: alice's account is removed at her home while she logs in far away,
 * at any moment of that, and writes as soon as she is bound; the link may be cut for a while, her
 * home may die in the middle and come back. In the end she has no session, her client was told by a
 * stream error or could not log in, nothing of hers is in a store, and her contact, whose home is
 * elsewhere, knows that the subscription ended. Or the removal never began, and all is there. */
#include "integration-tests/sim/tests-removal-int.h"

enum { REMOVED_WRITES = 150 }; /* a second or so */
enum removed_fault { REMOVED_CALM, REMOVED_CALM2, REMOVED_CUT, REMOVED_DIES, REMOVED_FAULTS };
struct removed_run {
    struct pair *world;
    enum removed_fault fault;
    struct sim_client *a, *bob;
    int place;
    bool has_written, is_asked, is_dead;
    unsigned writes;
};

/* All that would leave data, as soon as it is bound and then for a while. */
static UNUSED void removed_write(void *ctx)
{
    struct removed_run *m = ctx;
    if (sim_client_state(m->a) != SIM_CLIENT_BOUND || ++m->writes > REMOVED_WRITES)
        return;
    m->has_written = true;
    sim_after(1 + sim_rand(15000), removed_write, NULL, m);
    sim_client_send(
        m->a,
        "<presence/><iq type='set' id='1'><vCard xmlns='vcard-temp'><FN>A</FN></vCard></iq>"
        "<iq type='set' id='2'><query xmlns='jabber:iq:private'><k xmlns='x'>y</k></query></iq>"
        "<iq type='set' id='3'><query xmlns='jabber:iq:roster'><item jid='c@d.test'/></query></iq>"
        "<iq type='set' id='4'><block xmlns='urn:xmpp:blocking'><item jid='x@far.test'/></block>"
        "</iq><presence type='subscribe' to='bob@%s'/>",
        RIG_DOMAIN);
}

static UNUSED bool removed_step(void *ctx)
{
    struct removed_run *m = ctx;
    if (m->a && !m->has_written && sim_client_state(m->a) == SIM_CLIENT_BOUND)
        removed_write(m);
    return false;
}

static UNUSED void removed_login(void *ctx)
{
    struct removed_run *m = ctx;
    struct sim_client_conf c = rig_conf(&m->world->at[m->place].rig, "alice", "phone");
    c.host = "a-host";
    m->a = sim_client_new(&c);
}

static UNUSED void removed_ask(void *ctx)
{
    struct removed_run *m = ctx;
    struct rig *r = &m->world->at[EU].rig;
    if (m->is_dead)
        return;
    m->is_asked = true;
    r->is_done = false;
    account_delete(node_shard_of(r->node, STR(REMOVED)), &r->ops, STR(REMOVED), rig_done, r);
}

static UNUSED void removed_heal(void *ctx)
{
    (void)ctx;
    sim_net_heal(hosts[EU], hosts[US]);
}

static UNUSED void removed_fault(void *ctx)
{
    struct removed_run *m = ctx;
    if (m->fault == REMOVED_DIES) {
        m->is_dead = true; /* the run stops there: a node is not freed inside its own loop */
    } else if (m->fault == REMOVED_CUT) {
        sim_net_cut(hosts[EU], hosts[US], sim_rand(2));
        sim_after(1 + sim_rand(8 * SEC), removed_heal, NULL, NULL);
    }
}

static UNUSED bool removed_dead(void *ctx)
{
    struct removed_run *m = ctx;
    (void)removed_step(ctx);
    return m->is_dead;
}

static UNUSED void removed_friends(struct removed_run *m)
{
    struct sim_client *a = rig_online(&m->world->at[EU].rig, "alice", "first");
    m->bob = rig_online(&m->world->at[US].rig, "bob", "desk");
    befriend(a, m->bob);
    (void)sim_run(5 * SEC, NULL, NULL);
    sim_client_close(a);
    assert_true(sim_client_wait(a, SIM_CLIENT_ENDED));
    sim_client_free(&a);
    (void)sim_run(2 * SEC, NULL, NULL);
}

static UNUSED void removed_subscription(struct removed_run *m, const char *want)
{
    sim_client_forget(m->bob);
    sim_client_send(m->bob, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    assert_true(sim_client_expect(m->bob,
                                  "<iq type='result' id='r'><query xmlns='jabber:iq:roster'><item "
                                  "jid='" REMOVED "' subscription='%s'/></query></iq>",
                                  want));
}

static UNUSED void removed_is_gone(struct removed_run *m)
{
    struct rig *eu = &m->world->at[EU].rig;
    for (int i = 0; i < REGIONS; i++) {
        const struct user *u = user_at(m->world, i, REMOVED);
        if (u && u->n_sessions)
            fail_msg("a session is left at %s", hosts[i]);
    }
    if (data_left(eu))
        fail_msg("%zu data are left (written %d)", data_left(eu), m->has_written);
    if (rows_left(eu))
        fail_msg("%zu rows are left", rows_left(eu));
    if (sim_client_state(m->a) != SIM_CLIENT_ENDED)
        fail_msg("the client is still there, in state %d", (int)sim_client_state(m->a));
    const struct stream_end *e = sim_client_end(m->a);
    bool is_refused = sim_client_refused(m->a) == SASL_FAIL_NOT_AUTHORIZED ||
                      sim_client_refused(m->a) == SASL_FAIL_TEMPORARY_AUTH_FAILURE;
    if (m->fault != REMOVED_DIES && !is_refused && e->received != STREAM_NOT_AUTHORIZED)
        fail_msg("the client was told %s", e->text);
    removed_subscription(m, "none");
}

static UNUSED void case_removed(uint64_t seed)
{
    struct pair w;
    struct removed_run m = {.world = &w, .place = US};
    pair_begin(&w, seed, 1 + (unsigned)(seed % 4));
    sim_net_latency(hosts[EU], hosts[US], 500, 1000 + sim_rand(40000));
    m.fault = (enum removed_fault)sim_rand(REMOVED_FAULTS);
    if (m.fault == REMOVED_CALM2 && sim_rand(2))
        m.place = EU;
    removed_friends(&m);
    sim_after(1 + sim_rand(400000), removed_ask, NULL, &m);
    sim_after(1 + sim_rand(300000), removed_login, NULL, &m);
    sim_after(1 + sim_rand(600000), removed_fault, NULL, &m);
    (void)sim_run(SEC, removed_dead, &m);
    if (m.is_dead) {
        place_kill(&w, EU);
        (void)sim_run(sim_rand(20 * SEC), removed_step, &m);
        place_revive(&w, EU);
    }
    (void)sim_run(200 * SEC, removed_step, &m);
    struct rig *eu = &w.at[EU].rig;
    if (m.is_asked && !kv_at(eu, "accounts", "created"))
        removed_is_gone(&m);
    else if (!m.is_dead)
        fail_msg("the removal did not go on");
    else
        removed_subscription(&m, "both");
    sim_client_free(&m.a);
    sim_client_free(&m.bob);
    pair_end(&w);
}
#endif
