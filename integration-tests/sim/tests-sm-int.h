#ifndef INTEGRATION_TESTS_SIM_TESTS_SM_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_SM_INT_H
/* The case `simulate sm`: two clients with stream management write to each other, at home or away,
 * while their connections are cut, between stanzas and within, loudly or in silence; each comes
 * back later and resumes, or finds that its session has ended. Whatever the moment: nothing is
 * lost, nothing comes twice, order holds. Only where a session ended with stanzas whose
 * acknowledgement was cut off may some of those come again (XEP-0198 section 4: there is no way to
 * prevent it). */
#include "integration-tests/sim/tests-world-int.h"

enum {
    SM_FLOW = 40,
    SM_UNSURE = 12
}; /* messages each way; unacknowledged at the end of a session */

struct sm_party {
    struct pair *world;
    const char *user, *host, *peer;
    int place; /* where it connects */
    struct sim_client *client;
    bool is_cut;
    uint64_t away_us;      /* at most */
    bool to_full[SM_FLOW]; /* how each message was addressed */
    unsigned cuts;
};

static UNUSED void sm_back(void *ctx)
{
    struct sm_party *p = ctx;
    p->is_cut = false;
    sim_client_again(p->client);
}

static UNUSED void sm_heal(void *ctx)
{
    struct sm_party *p = ctx;
    sim_net_heal(p->host, hosts[p->place]);
    sim_after(1 + sim_rand(p->away_us), sm_back, NULL, p);
}

static UNUSED void sm_cut(void *ctx)
{
    struct sm_party *p = ctx;
    sim_net_cut(p->host, hosts[p->place], sim_rand(4) == 0);
    sim_after(1 + sim_rand(200000), sm_heal, NULL, p);
}

/* At some moment of the next 30 ms: what was just written is under way then. */
static UNUSED void sm_maybe_cut(struct sm_party *p, unsigned one_in)
{
    if (p->is_cut || sim_client_state(p->client) != SIM_CLIENT_BOUND || sim_rand(one_in))
        return;
    p->is_cut = true;
    p->cuts++;
    sim_after(sim_rand(30000), sm_cut, NULL, p);
}

static UNUSED void sm_login(struct sm_party *p, bool tls)
{
    struct sim_client_conf c = rig_conf(&p->world->at[p->place].rig, p->user, "phone");
    c.host = p->host;
    c.sm = true;
    if (!tls)
        c.tls = NULL;
    p->client = sim_client_login(&c);
    assert_non_null(p->client);
    sim_client_send(p->client, "<presence/>");
    assert_true(
        sim_client_expect(p->client, "<presence from='%s' type='-'/>", sim_client_jid(p->client)));
}

static UNUSED void sm_say(struct sm_party *p, int n)
{
    p->to_full[n] = sim_rand(2);
    sim_client_send(p->client, "<message to='%s%s' id='n%d' type='chat'><body>%d</body></message>",
                    p->peer, p->to_full[n] ? "/phone" : "", n, n);
    if (n % 4 == 0)
        sim_client_send(p->client,
                        "<iq type='get' id='q%d' to='" RIG_DOMAIN "'><ping xmlns='%s'/></iq>", n,
                        NS_PING);
}

static UNUSED bool sm_is_back(void *ctx)
{
    struct sm_party *p = ctx;
    return !p->is_cut && sim_client_state(p->client) == SIM_CLIENT_BOUND;
}

/* Back, and available again where the session was lost. */
static UNUSED void sm_settle(struct sm_party *p)
{
    assert_true(sim_run(200 * SEC, sm_is_back, p));
    (void)sim_run(SEC, NULL, NULL);
    if (sim_client_refusals(p->client))
        sim_client_send(p->client, "<presence/>");
}

/* The number in the id of the next message in the inbox; -1: there is none. */
static UNUSED int sm_next_number(struct sim_client *c)
{
    uint64_t n = 0;
    if (!sim_client_count(c, "<message/>"))
        return -1;
    assert_true(sim_client_expect(c, "<message/>"));
    struct str id = xml_get(sim_client_last(c), "id");
    assert_true(id.n > 1 && str_to_u64(str_make(id.p + 1, id.n - 1), SM_FLOW - 1, &n));
    if (str_eqc(xml_get(sim_client_last(c), "type"), "error"))
        fail_msg("message %d was bounced", (int)n);
    return (int)n;
}

/* Order holds always while sessions are resumed. After the end of one: what was for its full JID
 * may wait in the store while newer ones for it find its successor bound. */
static UNUSED void sm_judge(struct sm_party *p, const struct sm_party *from)
{
    unsigned seen[SM_FLOW] = {0}, twice = 0;
    int n, last[2] = {-1, -1};
    unsigned lost = sim_client_refusals(p->client);
    while ((n = sm_next_number(p->client)) >= 0) {
        int *before = &last[lost && from->to_full[n]];
        if (seen[n]++)
            twice++;
        else if (n < *before && !(lost && from->to_full[n]))
            fail_msg("%s got %d of %s after %d", p->user, n, from->user, *before);
        else
            *before = n;
    }
    for (n = 0; n < SM_FLOW; n++)
        if (!seen[n])
            fail_msg("%s did not get %d of %s", p->user, n, from->user);
    if (twice > SM_UNSURE * lost)
        fail_msg("%s got %u messages twice, %u sessions ended", p->user, twice, lost);
    for (int q = 0; q < SM_FLOW; q += 4) { /* an answer may go with a session that ends */
        size_t got = sim_client_count(p->client, "<iq type='result' id='q%d'/>", q);
        if (got > 1 || (!got && !lost))
            fail_msg("%s got %zu answers to %d", p->user, got, q);
    }
}

static UNUSED void sm_begin(struct pair *w, struct sm_party p[2], bool ends)
{
    for (int i = 0; i < REGIONS; i++) {
        w->at[i].rig.conf.c2s_tls_required = false;
        w->at[i].rig.conf.sm_resume_ms = ends ? 4000 : 300000;
    }
    p[0] = (struct sm_party){.user = "alice", .host = "a-host", .peer = "bob@" RIG_DOMAIN};
    p[1] = (struct sm_party){.user = "bob", .host = "b-host", .peer = "alice@" RIG_DOMAIN};
    for (int i = 0; i < 2; i++) {
        p[i].world = w;
        p[i].place = sim_rand(2) ? EU : US;
        p[i].away_us = ends ? 9 * SEC : 3 * SEC;
        sm_login(&p[i], sim_rand(2));
    }
}

static UNUSED void case_sm(uint64_t seed)
{
    struct pair w;
    struct sm_party p[2];
    pair_begin(&w, seed, 1 + (unsigned)(seed % 4));
    bool ends = sim_rand(3) == 0;
    sm_begin(&w, p, ends);
    for (int n = 0; n < SM_FLOW; n++) {
        for (int i = 0; i < 2; i++) {
            sm_say(&p[i], n);
            sm_maybe_cut(&p[i], 8);
        }
        (void)sim_run(1 + sim_rand(200000), NULL, NULL);
        for (int i = 0; i < 2 && ends; i++) /* a session anew: available again */
            if (sim_client_refusals(p[i].client) && sm_is_back(&p[i]))
                sim_client_send(p[i].client, "<presence/>");
    }
    sm_settle(&p[0]);
    sm_settle(&p[1]);
    (void)sim_run(40 * SEC, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        if (!ends && sim_client_refusals(p[i].client))
            fail_msg("%s could not resume", p[i].user);
        sm_judge(&p[i], &p[1 - i]);
    }
    for (int i = 0; i < 2; i++)
        sim_client_free(&p[i].client);
    pair_end(&w);
}
#endif
