#ifndef INTEGRATION_TESTS_SIM_TESTS_ROSTER_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_ROSTER_INT_H
/* The case `simulate roster`: alice manages her roster from one device, at home or away, while
 * another looks on; the connection of the first is cut at any moment, or her node is killed and
 * started again over the same store. Whatever the moment: what was answered holds, what was not may
 * hold or not, an item is whole or absent, and what the other device put together from the roster
 * it got and the pushes is what the server says in the end. */
#include "integration-tests/sim/tests-world-int.h"

enum { ROSTER_ITEMS = 6, ROSTER_STEPS = 30 };
enum roster_event { ROSTER_CUT, ROSTER_KILL, ROSTER_NOTHING, ROSTER_EVENTS };

struct roster_model {
    int asked[ROSTER_ITEMS];           /* the last change, as a step; -1: none */
    int sure[ROSTER_ITEMS];            /* the last that was answered */
    int item[ROSTER_STEPS];            /* which one a step changes */
    bool is_removal[ROSTER_STEPS + 1]; /* by step */
};

static UNUSED void roster_ask(struct sim_client *c, struct roster_model *m, int step)
{
    int item = (int)sim_rand(ROSTER_ITEMS);
    m->is_removal[step] = m->sure[item] >= 0 && !m->is_removal[m->sure[item]] && sim_rand(4) == 0;
    m->asked[item] = step;
    m->item[step] = item;
    if (m->is_removal[step])
        sim_client_send(c,
                        "<iq type='set' id='s%d-%d'><query xmlns='jabber:iq:roster'><item "
                        "jid='c%d@far.test' subscription='remove'/></query></iq>",
                        step, item, item);
    else
        sim_client_send(c,
                        "<iq type='set' id='s%d-%d'><query xmlns='jabber:iq:roster'><item "
                        "jid='c%d@far.test' name='n%d'><group>g%d</group></item></query></iq>",
                        step, item, item, step, step);
}

/* Which of the changes were answered. */
static UNUSED void roster_answers(struct sim_client *c, struct roster_model *m)
{
    for (int step = 0; step < ROSTER_STEPS; step++)
        for (int i = 0; i < ROSTER_ITEMS; i++)
            if (sim_client_count(c, "<iq type='result' id='s%d-%d'/>", step, i) &&
                m->sure[i] < step)
                m->sure[i] = step;
}

/* What an element <item/> says, as a step; -1: it is removed. */
static UNUSED int roster_step(const struct xml *item, int *i)
{
    struct str jid = xml_get(item, "jid"), name = xml_get(item, "name");
    uint64_t number = 0, step = 0;
    assert_true(jid.n > 2 && str_to_u64(str_make(jid.p + 1, 1), ROSTER_ITEMS - 1, &number));
    *i = (int)number;
    if (str_eqc(xml_get(item, "subscription"), "remove"))
        return -1;
    assert_true(name.n > 1 && str_to_u64(str_make(name.p + 1, name.n - 1), ROSTER_STEPS, &step));
    const struct xml *group = xml_first(item);
    char want[16], got[16] = "";
    snprintf(want, sizeof want, "g%d", (int)step);
    assert_non_null(group); /* whole or absent */
    struct arena *a = arena_new(0);
    struct str text = xml_text(a, group);
    snprintf(got, sizeof got, STR_FMT, STR_ARG(text));
    arena_free(&a);
    assert_string_equal(want, got);
    return (int)step;
}

static UNUSED void roster_items(const struct xml *query, int at[ROSTER_ITEMS])
{
    xml_each(query, n)
    {
        int i, step = roster_step(n->el, &i);
        at[i] = step;
    }
}

static UNUSED void roster_get_all(struct sim_client *c, const char *id, int at[ROSTER_ITEMS])
{
    for (int i = 0; i < ROSTER_ITEMS; i++)
        at[i] = -1;
    sim_client_send(c, "<iq type='get' id='%s'><query xmlns='jabber:iq:roster'/></iq>", id);
    assert_true(sim_client_expect(c, "<iq type='result' id='%s'/>", id));
    roster_items(xml_first(sim_client_last(c)), at);
}

static UNUSED void roster_judge(const struct roster_model *m, const int at[ROSTER_ITEMS])
{
    for (int i = 0; i < ROSTER_ITEMS; i++) {
        bool gone_ok = m->sure[i] < 0 || m->is_removal[m->sure[i]];
        for (int step = m->sure[i] + 1; step <= m->asked[i]; step++) /* any of them may hold */
            gone_ok |= m->item[step] == i && m->is_removal[step];
        if (at[i] < 0 ? !gone_ok
                      : at[i] != m->sure[i] && !(at[i] > m->sure[i] && at[i] <= m->asked[i]))
            fail_msg("item %d is at %d; asked %d, answered %d", i, at[i], m->asked[i], m->sure[i]);
    }
}

static UNUSED void roster_steps(struct sim_client *c, struct roster_model *m, int from, int to)
{
    for (int step = from; step < to; step++) {
        roster_ask(c, m, step);
        (void)sim_run(sim_rand(12000), NULL, NULL);
        if (sim_rand(3) == 0)
            (void)sim_run(SEC, NULL, NULL);
        roster_answers(c, m);
    }
}

/* What the onlooker has put together. */
static UNUSED void roster_pushes(struct sim_client *c, int at[ROSTER_ITEMS])
{
    while (sim_client_count(c, "<iq type='set'><query xmlns='jabber:iq:roster'/></iq>")) {
        assert_true(sim_client_expect(c, "<iq type='set'><query xmlns='jabber:iq:roster'/></iq>"));
        roster_items(xml_first(sim_client_last(c)), at);
    }
}

static UNUSED void roster_happens(struct pair *w, struct sim_client *c, struct roster_model *m,
                                  enum roster_event event, int place)
{
    if (event == ROSTER_CUT) {
        sim_net_cut("a-host", hosts[place], sim_rand(2));
        (void)sim_run(1 + sim_rand(SEC), NULL, NULL);
        sim_net_heal("a-host", hosts[place]);
    } else if (event == ROSTER_KILL) {
        place_kill(w, EU);
        (void)sim_run(sim_rand(SEC), NULL, NULL);
        place_revive(w, EU);
        (void)sim_run(20 * SEC, NULL, NULL);
    }
    roster_answers(c, m);
}

static UNUSED void case_roster(uint64_t seed)
{
    struct pair w;
    struct roster_model m = {0};
    int seen[ROSTER_ITEMS], now[ROSTER_ITEMS];
    pair_begin(&w, seed, 1 + (unsigned)(seed % 4));
    enum roster_event event = (enum roster_event)sim_rand(ROSTER_EVENTS);
    int place = sim_rand(2) && event != ROSTER_KILL ? US : EU;
    for (int i = 0; i < ROSTER_ITEMS; i++)
        m.asked[i] = m.sure[i] = -1;
    struct sim_client_conf conf = rig_conf(&w.at[place].rig, "alice", "pen");
    conf.host = "a-host";
    struct sim_client *pen = sim_client_login(&conf);
    assert_non_null(pen);
    struct sim_client *eye = rig_online(&w.at[EU].rig, "alice", "eye");
    roster_get_all(eye, "first", seen);
    roster_steps(pen, &m, 0, 1 + (int)sim_rand(ROSTER_STEPS - 1));
    roster_happens(&w, pen, &m, event, place);
    sim_client_free(&pen);
    (void)sim_run(20 * SEC, NULL, NULL);
    pen = rig_online(&w.at[EU].rig, "alice", "later");
    roster_get_all(pen, "last", now);
    roster_judge(&m, now);
    roster_pushes(eye, seen);
    if (event != ROSTER_KILL) /* it went with its node */
        assert_memory_equal(seen, now, sizeof now);
    sim_client_free(&pen);
    sim_client_free(&eye);
    pair_end(&w);
}
#endif
