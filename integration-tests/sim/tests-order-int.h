#ifndef INTEGRATION_TESTS_SIM_TESTS_ORDER_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_ORDER_INT_H
/* The case `simulate order`: alice's session ends while bob writes to her without a pause, and what
 * she has not acknowledged goes back to her anchor, which may be another node behind a slow link.
 * How it ends is drawn: its stream is cut, it leaves, its client does not read, the resource is
 * bound anew, the operator closes it; resumption expires or was not asked for. Another device of
 * hers comes at a moment that is drawn, too. Each device gets what it gets in the order in which
 * bob sent it, and nothing is lost (without stream management: nothing but what was on the wire).
 */
#include "integration-tests/sim/tests-world-int.h"

enum { ORDER_FLOW = 60 };
enum order_end { ORDER_CUT, ORDER_BYE, ORDER_DEAF, ORDER_ANEW, ORDER_KICK, ORDER_ENDS };

struct order_run {
    struct pair *world;
    enum order_end end;
    int place; /* where the session that ends is; alice's home is EU */
    bool sm;
    struct sim_client *alice, *other, *bob;
    int sent, end_at, other_at; /* after which message it happens */
    bool seen[ORDER_FLOW];
    int late; /* what was sent before this one may come late on the other device */
};

static UNUSED struct sim_client *order_login(struct order_run *o, int place, const char *resource,
                                             const char *host, bool sm)
{
    struct sim_client_conf c = rig_conf(&o->world->at[place].rig, "alice", resource);
    c.host = host;
    c.sm = sm;
    c.tls = NULL;
    struct sim_client *s = sim_client_new(&c);
    return s;
}

/* Its presence goes out when it is bound; what it gets meanwhile is in its inbox. */
static UNUSED bool order_available(struct sim_client *c)
{
    if (!sim_client_wait(c, SIM_CLIENT_BOUND))
        return false;
    sim_client_send(c, "<presence/>");
    return true;
}

static UNUSED void order_say(void *ctx)
{
    struct order_run *o = ctx;
    if (o->sent >= ORDER_FLOW)
        return;
    sim_client_send(o->bob, "<message to='alice@%s' id='n%d' type='chat'><body>%d</body></message>",
                    RIG_DOMAIN, o->sent, o->sent);
    o->sent++;
    sim_after(1 + sim_rand(12000), order_say, NULL, o);
}

static UNUSED void order_heal(void *ctx)
{
    struct order_run *o = ctx;
    sim_net_heal("a-host", hosts[o->place]);
}

/* The anchor closes it, wherever it is. */
static UNUSED void order_kick(struct order_run *o)
{
    struct user *u = user_at(o->world, EU, "alice@" RIG_DOMAIN);
    assert_non_null(u);
    if (o->place == US)
        assert_int_equal(user_kick_remote(u->shard, &u->bare), 1);
    else
        sim_client_close(o->alice);
}

static UNUSED void order_end(struct order_run *o)
{
    switch (o->end) {
    case ORDER_CUT:
        sim_net_cut("a-host", hosts[o->place], sim_rand(4) == 0);
        sim_after(1 + sim_rand(3 * SEC), order_heal, NULL, o);
        break;
    case ORDER_BYE:
        sim_client_close(o->alice);
        break;
    case ORDER_DEAF: /* then it goes, and what was not read is on no wire any more */
        sim_client_pause(o->alice, true);
        (void)sim_run(sim_rand(300000), NULL, NULL);
        sim_client_close(o->alice);
        break;
    case ORDER_ANEW:
        o->other = order_login(o, sim_rand(2) ? EU : US, "phone", "o-host", true);
        break;
    default:
        order_kick(o);
    }
}

/* late: what came to other devices before this one was there may come when they give it back; what
 * came to both may come again then. */
static UNUSED void order_collect(struct order_run *o, struct sim_client *c, const char *who,
                                 int late)
{
    uint64_t n;
    int last = -1, last_late = -1;
    bool had[ORDER_FLOW] = {false};
    while (sim_client_count(c, "<message/>")) {
        assert_true(sim_client_expect(c, "<message/>"));
        struct str id = xml_get(sim_client_last(c), "id");
        assert_true(id.n > 1 && str_to_u64(str_make(id.p + 1, id.n - 1), ORDER_FLOW - 1, &n));
        bool is_late = late && (int)n <= last && ((int)n < late || had[n]);
        int *before = is_late ? &last_late : &last;
        if ((int)n <= *before)
            fail_msg("%s got %d after %d (end %d at %d, other at %d, place %d, sm %d)", who, (int)n,
                     *before, (int)o->end, o->end_at, o->other_at, o->place, o->sm);
        *before = (int)n;
        o->seen[n] = had[n] = true;
    }
}

/* Is it still there for its anchor, which sends it what is for her? */
static UNUSED bool order_lives(struct order_run *o)
{
    const struct user *u = user_at(o->world, EU, "alice@" RIG_DOMAIN);
    if (!u)
        return false;
    list_each (&u->sessions, n) {
        const struct session *ss = list_entry(n, struct session, link);
        if (str_eqc(ss->full.resource, "phone") && o->end != ORDER_ANEW && !ss->is_leaving)
            return true;
    }
    return false;
}

static UNUSED void order_begin(struct order_run *o, struct pair *w)
{
    for (int i = 0; i < REGIONS; i++) {
        w->at[i].rig.conf.c2s_tls_required = false;
        w->at[i].rig.conf.sm_resume_ms = 1 + sim_rand(2000);
    }
    *o = (struct order_run){.world = w, .end = (enum order_end)sim_rand(ORDER_ENDS)};
    o->place = sim_rand(4) ? US : EU;
    o->sm = sim_rand(4) != 0;
    o->end_at = 5 + (int)sim_rand(20);
    o->other_at = o->end_at + (int)sim_rand(30);
    sim_net_latency(hosts[EU], hosts[US], 1000 + sim_rand(30000), 31000 + sim_rand(60000));
    sim_net_latency("a-host", hosts[o->place], 1000, 1000 + sim_rand(40000));
    o->alice = order_login(o, o->place, "phone", "a-host", o->sm);
    assert_true(order_available(o->alice));
    assert_true(sim_client_expect(o->alice, "<presence from='*' type='-'/>"));
    o->bob = rig_online(&w->at[sim_rand(2) ? EU : US].rig, "bob", "desk");
}

static UNUSED bool order_sent(void *ctx)
{
    const struct order_run *o = ctx;
    return o->sent >= o->end_at;
}

static UNUSED bool order_other(void *ctx)
{
    const struct order_run *o = ctx;
    return o->sent >= o->other_at;
}

static UNUSED void case_order(uint64_t seed)
{
    struct pair w;
    struct order_run o;
    pair_begin(&w, seed, 1 + (unsigned)(seed % 4));
    order_begin(&o, &w);
    order_say(&o);
    assert_true(sim_run(20 * SEC, order_sent, &o));
    order_end(&o);
    assert_true(sim_run(20 * SEC, order_other, &o));
    if (!o.other)
        o.other = order_login(&o, sim_rand(2) ? EU : US, "tablet", "o-host", true);
    assert_true(sim_client_wait(o.other, SIM_CLIENT_BOUND));
    bool lives = order_lives(&o);
    assert_true(order_available(o.other));
    assert_true(
        sim_client_expect(o.other, "<presence from='%s' type='-'/>", sim_client_jid(o.other)));
    o.late = lives ? o.sent : 0;
    (void)sim_run(30 * SEC, NULL, NULL);
    order_collect(&o, o.alice, "phone", 0);
    order_collect(&o, o.other, "the other", o.late);
    for (int n = 0; n < ORDER_FLOW && o.sm; n++)
        if (!o.seen[n])
            fail_msg("%d is lost (end %d at %d, place %d)", n, (int)o.end, o.end_at, o.place);
    assert_int_equal(sim_client_count(o.bob, "<message type='error'/>"), 0);
    sim_client_free(&o.alice);
    sim_client_free(&o.other);
    sim_client_free(&o.bob);
    pair_end(&w);
}
#endif
