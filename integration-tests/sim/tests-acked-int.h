#ifndef INTEGRATION_TESTS_SIM_TESTS_ACKED_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_ACKED_INT_H
/* The case `simulate acked`: as `simulate sm`, and a node is killed at a moment drawn from the
 * seed, with all it had in memory. What a client was told is there does not come from it again, so
 * all must be found in the other's hands in the end, or have come back as an error: perhaps twice,
 * and not in order where it went on its way again. */
#include "integration-tests/sim/tests-sm-int.h"

enum { ACKED_SILENT_IN = 3 }; /* one of so many cuts is not noticed until much later */

static UNUSED void acked_kill(struct pair *w, struct sm_party p[2], int place)
{
    place_kill(w, place);
    (void)sim_run(1 + sim_rand(4 * SEC), NULL, NULL);
    place_revive(w, place);
    for (int i = 0; i < 2; i++)
        if (p[i].place == place && !p[i].is_cut)
            sim_client_again(p[i].client);
}

/* Cut in silence and away for long: what is written to it meanwhile nobody has custody of. */
static UNUSED void acked_away(struct sm_party *p)
{
    if (p->is_cut || sim_client_state(p->client) != SIM_CLIENT_BOUND)
        return;
    p->is_cut = true;
    p->cuts++;
    sim_net_cut(p->host, hosts[p->place], sim_rand(ACKED_SILENT_IN) != 0);
    sim_after(1 + sim_rand(25 * SEC), sm_heal, NULL, p);
}

/* Back, however often it takes: its node may have been dead when it tried. */
static UNUSED void acked_settle(struct sm_party *p)
{
    for (int i = 0; i < 100 && !sm_is_back(p); i++) {
        (void)sim_run(2 * SEC, NULL, NULL);
        if (!p->is_cut && sim_client_state(p->client) == SIM_CLIENT_ENDED)
            sim_client_again(p->client);
    }
    sm_settle(p);
    sim_client_send(p->client, "<presence/>");
}

/* What is in the inbox: messages of the other, and those of its own that came back. */
static UNUSED void acked_collect(struct sm_party *p, bool got[SM_FLOW], bool back[SM_FLOW])
{
    uint64_t n;
    while (sim_client_count(p->client, "<message/>")) {
        assert_true(sim_client_expect(p->client, "<message/>"));
        const struct xml *m = sim_client_last(p->client);
        struct str id = xml_get(m, "id");
        assert_true(id.n > 1 && str_to_u64(str_make(id.p + 1, id.n - 1), SM_FLOW - 1, &n));
        (str_eqc(xml_get(m, "type"), "error") ? back : got)[n] = true;
    }
}

static UNUSED void acked_judge(const struct sm_party *p, const bool got[SM_FLOW],
                               const bool back[SM_FLOW])
{
    for (int n = 0; n < SM_FLOW; n++)
        if (!got[n] && !back[n])
            fail_msg("%s did not get %d, and nobody was told", p->user, n);
}

static UNUSED void case_acked(uint64_t seed)
{
    struct pair w;
    struct sm_party p[2];
    pair_begin(&w, seed, 1 + (unsigned)(seed % 4));
    sm_begin(&w, p, false);
    int place = sim_rand(2) ? EU : US, kill_at = (int)sim_rand(SM_FLOW);
    for (int n = 0; n < SM_FLOW; n++) {
        for (int i = 0; i < 2; i++) {
            sm_say(&p[i], n);
            if (sim_rand(12) == 0)
                acked_away(&p[i]);
        }
        (void)sim_run(1 + sim_rand(1500000), NULL, NULL);
        if (n == kill_at)
            acked_kill(&w, p, place);
        for (int i = 0; i < 2; i++)
            if (sim_client_refusals(p[i].client) && sm_is_back(&p[i]))
                sim_client_send(p[i].client, "<presence/>");
    }
    for (int i = 0; i < 2; i++)
        acked_settle(&p[i]);
    (void)sim_run(60 * SEC, NULL, NULL);
    bool got[2][SM_FLOW] = {{false}}, back[2][SM_FLOW] = {{false}};
    for (int i = 0; i < 2; i++)
        acked_collect(&p[i], got[i], back[i]);
    for (int i = 0; i < 2; i++)
        acked_judge(&p[i], got[i], back[1 - i]);
    for (int i = 0; i < 2; i++)
        sim_client_free(&p[i].client);
    pair_end(&w);
}
#endif
