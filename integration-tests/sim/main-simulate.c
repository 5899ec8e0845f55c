/* simulate: the world in one process and one thread, on virtual time, from one seed. A case builds
 * two regions (one or two nodes in the first, 1 to 4 shards), lets clients do something while
 * something happens to them, and looks at what they got. The same seed is the same run; a failing
 * one is repeated with the one command that is printed. */
#include <getopt.h>

#include "integration-tests/sim/tests-acked-int.h"
#include "integration-tests/sim/tests-flush-int.h"
#include "integration-tests/sim/tests-order-int.h"
#include "integration-tests/sim/tests-removed-int.h"
#include "integration-tests/sim/tests-roster-int.h"
#include "integration-tests/sim/tests-sm-int.h"

enum { FLOW = 25 }; /* messages each way */
#define ALICE "alice@" RIG_DOMAIN
#define BOB "bob@" RIG_DOMAIN

static const char *program, *running;
static uint64_t running_seed;

static void say_repeat(void)
{
    if (running)
        fprintf(stderr, "FAILED: repeat it with: %s %s --seed %" PRIu64 "\n", program, running,
                running_seed);
}

/* ---- what cases share */
static void begin_world(struct pair *w, uint64_t seed)
{
    pair_begin(w, seed, 1 + (unsigned)(seed % 4));
}

static void maybe_second_node(struct pair *w)
{
    if (!sim_rand(2))
        return;
    place_init(w, EU2, 1 + (unsigned)sim_rand(4));
    (void)sim_run(8 * SEC, NULL, NULL);
}

static void pause_some(uint64_t max_us)
{
    (void)sim_run(1 + sim_rand(max_us), NULL, NULL);
}

/* Messages with numbers in their ids, either way, with pauses between. */
static void send_number(struct sim_client *from, const char *to, int n)
{
    sim_client_send(from, "<message to='%s' id='n%d' type='chat'><body>%d</body></message>", to, n,
                    n);
}

/* All numbers of a sender are there, once and in order. */
static void expect_numbers(struct sim_client *at, const char *from_bare, int first, int end)
{
    int next = first;
    for (int i = 0; i < 60 && sim_client_count(at, "<message id='n%d'/>", end - 1) == 0; i++)
        (void)sim_run(SEC, NULL, NULL);
    for (; next < end; next++) {
        assert_int_equal(
            sim_client_count(at, "<message id='n%d'><body>%d</body></message>", next, next), 1);
        assert_true(sim_client_expect(at, "<message/>"));
        const struct xml *m = sim_client_last(at);
        char want[16];
        snprintf(want, sizeof want, "n%d", next);
        assert_true(str_eqc(xml_get(m, "id"), want));
        assert_true(str_starts(xml_get(m, "from"), str_of(from_bare)));
    }
}

static void both_send(struct sim_client *a, struct sim_client *b,
                      void (*between)(struct pair *w, int n), struct pair *w)
{
    for (int n = 0; n < FLOW; n++) {
        send_number(a, BOB, n);
        send_number(b, ALICE, n);
        if (between)
            between(w, n);
        pause_some(200000);
    }
}

static void leave(struct sim_client **c)
{
    sim_client_free(c);
}

/* ---- case: chat */
static void case_chat(uint64_t seed)
{
    struct pair w;
    begin_world(&w, seed);
    maybe_second_node(&w);
    bool roam = sim_rand(2);
    struct sim_client *a = rig_online(&w.at[roam ? US : EU].rig, "alice", "phone");
    struct sim_client *b = rig_online(&w.at[sim_rand(2) ? US : EU].rig, "bob", "desk");
    both_send(a, b, NULL, &w);
    expect_numbers(b, ALICE, 0, FLOW);
    expect_numbers(a, BOB, 0, FLOW);
    leave(&a);
    leave(&b);
    pair_end(&w);
}

/* ---- case: subscribe, with cuts of the link between */
struct cutter {
    bool is_cut;
    int left;
};
static struct cutter cutter;

static void cut_or_heal(void *ctx)
{
    (void)ctx;
    for (int eu = EU; eu <= EU2; eu += EU2) {
        if (cutter.is_cut)
            sim_net_heal(hosts[eu], hosts[US]);
        else
            sim_net_cut(hosts[eu], hosts[US], sim_rand(3) == 0);
    }
    cutter.is_cut = !cutter.is_cut;
    if (--cutter.left > 0 || cutter.is_cut)
        sim_after(1 + sim_rand(1500000), cut_or_heal, NULL, NULL);
}

static void start_cuts(int n)
{
    cutter = (struct cutter){false, n};
    sim_after(1 + sim_rand(500000), cut_or_heal, NULL, NULL);
}

static void expect_item(struct sim_client *c, const char *contact)
{
    for (int i = 0; i < 40; i++) { /* the other side's answer may still be under way */
        sim_client_send(c, "<iq type='get' id='r%d'><query xmlns='jabber:iq:roster'/></iq>", i);
        assert_true(sim_client_expect(c, "<iq type='result' id='r%d'/>", i));
        const struct xml *item = xml_first(xml_first(sim_client_last(c)));
        if (item && str_eqc(xml_get(item, "jid"), contact) &&
            str_eqc(xml_get(item, "subscription"), "both"))
            return;
        (void)sim_run(2 * SEC, NULL, NULL);
    }
    fail_msg("no item with both for %s", contact);
}

static void subscribe(struct sim_client *from, const char *from_bare, struct sim_client *to,
                      const char *to_bare)
{
    sim_client_send(from, "<presence type='subscribe' to='%s'/>", to_bare);
    for (int i = 0;
         i < 4 && !sim_client_count(to, "<presence type='subscribe' from='%s'/>", from_bare); i++)
        (void)sim_run(10 * SEC, NULL, NULL);
    assert_true(sim_client_expect(to, "<presence type='subscribe' from='%s'/>", from_bare));
    pause_some(500000);
    sim_client_send(to, "<presence type='subscribed' to='%s'/>", from_bare);
}

static void case_subscribe(uint64_t seed)
{
    struct pair w;
    begin_world(&w, seed);
    struct sim_client *a = rig_online(&w.at[EU].rig, "alice", "phone");
    struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
    sim_client_send(a, "<iq type='get' id='i'><query xmlns='jabber:iq:roster'/></iq>");
    assert_true(sim_client_expect(a, "<iq type='result' id='i'/>"));
    start_cuts(2 + (int)sim_rand(6));
    subscribe(a, ALICE, b, BOB);
    subscribe(b, BOB, a, ALICE);
    expect_item(a, BOB);
    expect_item(b, ALICE);
    assert_true(sim_client_count(a, "<iq type='set'><query xmlns='jabber:iq:roster'/></iq>") > 0);
    assert_true(sim_client_expect(a, "<presence from='%s' type='-'/>", sim_client_jid(b)));
    assert_true(sim_client_expect(b, "<presence from='%s' type='-'/>", sim_client_jid(a)));
    leave(&a);
    leave(&b);
    (void)sim_run(20 * SEC, NULL, NULL); /* the last heal */
    pair_end(&w);
}

/* ---- case: roaming, a device in each region */
static void case_roaming(uint64_t seed)
{
    struct pair w;
    begin_world(&w, seed);
    maybe_second_node(&w);
    struct sim_client *home = rig_online(&w.at[EU].rig, "alice", "home");
    struct sim_client *away = rig_online(&w.at[US].rig, "alice", "away");
    struct sim_client *b = rig_online(&w.at[sim_rand(2) ? EU : US].rig, "bob", "desk");
    assert_true(sim_client_expect(home, "<presence from='%s' type='-'/>", sim_client_jid(away)));
    for (int n = 0; n < FLOW; n++) {
        send_number(b, ALICE, n);
        pause_some(100000);
    }
    expect_numbers(home, BOB, 0, FLOW);
    expect_numbers(away, BOB, 0, FLOW);
    sim_client_send(away, "<iq type='get' id='i'><query xmlns='jabber:iq:roster'/></iq>");
    assert_true(sim_client_expect(away, "<iq type='result' id='i'/>"));
    sim_client_send(home, "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item "
                          "jid='x@y.test'/></query></iq>");
    assert_true(sim_client_expect(
        away,
        "<iq type='set'><query xmlns='jabber:iq:roster'><item jid='x@y.test'/></query></iq>"));
    leave(&home);
    leave(&away);
    leave(&b);
    pair_end(&w);
}

/* ---- case: lease, lost and regained under way */
static void case_lease(uint64_t seed)
{
    struct pair w;
    begin_world(&w, seed);
    struct sim_client *away = rig_online(&w.at[US].rig, "alice", "away"); /* home eu */
    struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
    int n = 0;
    for (; n < 5; n++)
        send_number(b, ALICE, n);
    expect_numbers(away, BOB, 0, n);
    reg_fake_reachable(w.registry, hosts[US], false);
    if (sim_rand(2))
        reg_fake_flush(w.registry);
    (void)sim_run(16 * SEC + sim_rand(30 * SEC), NULL, NULL);
    int lost_from = n;
    for (; n < 10; n++) { /* stored, delivered or bounced while the lease is gone */
        send_number(b, ALICE, n);
        pause_some(SEC);
    }
    reg_fake_reachable(w.registry, hosts[US], true);
    (void)sim_run(40 * SEC, NULL, NULL);
    for (int k = lost_from; k < n; k++) {
        size_t got = sim_client_count(away, "<message id='n%d' type='chat'/>", k);
        size_t bounced = sim_client_count(b, "<message id='n%d' type='error'/>", k);
        assert_int_equal(got + bounced, 1);
    }
    sim_client_forget(away);
    sim_client_forget(b);
    int again = n;
    for (; n < again + 5; n++)
        send_number(b, ALICE, n);
    expect_numbers(away, BOB, again, n);
    assert_int_equal(user_at(&w, EU, ALICE)->n_sessions, 1); /* no ghost */
    leave(&away);
    leave(&b);
    pair_end(&w);
}

/* ---- case: moved. A region that was away refreshes a session that has moved meanwhile: refused
 * (MongooseIM PR 2392). */
static void case_moved(uint64_t seed)
{
    struct pair w;
    begin_world(&w, seed);
    struct sim_client *old = rig_online(&w.at[US].rig, "alice", "phone");
    sim_net_cut(hosts[EU], hosts[US], true); /* us is away: from the other region ... */
    reg_fake_reachable(w.registry, hosts[US], false);
    if (sim_rand(2)) /* ... long enough to lose its lease, or not */
        (void)sim_run(20 * SEC + sim_rand(20 * SEC), NULL, NULL);
    else
        pause_some(5 * SEC);
    struct sim_client *young = rig_online(&w.at[EU].rig, "alice", "phone"); /* the user moved */
    pause_some(3 * SEC);
    sim_net_heal(hosts[EU], hosts[US]); /* the old region is back and asserts what it has */
    reg_fake_reachable(w.registry, hosts[US], true);
    (void)sim_run(60 * SEC, NULL, NULL);
    assert_int_equal(sim_client_state(young), SIM_CLIENT_BOUND);
    assert_int_equal(sim_client_state(old), SIM_CLIENT_ENDED);
    assert_int_equal(sim_client_end(old)->received, STREAM_CONFLICT);
    struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
    for (int n = 0; n < FLOW; n++)
        send_number(b, ALICE, n);
    expect_numbers(young, BOB, 0, FLOW);
    sim_client_send(b, "<message to='" ALICE "/phone' id='full'><body>x</body></message>");
    assert_true(sim_client_expect(young, "<message id='full'/>"));
    assert_int_equal(user_at(&w, EU, ALICE)->n_sessions, 1);
    leave(&old);
    leave(&young);
    leave(&b);
    pair_end(&w);
}

/* ---- case: faults, whatever the seed draws, between two clients whose own nodes live */
static void some_fault(struct pair *w, int n)
{
    (void)n;
    switch (sim_rand(12)) {
    case 0:
        sim_net_cut(hosts[EU], hosts[US], false);
        break;
    case 1:
        sim_net_cut(hosts[EU], hosts[US], true);
        break;
    case 2:
        reg_fake_flush(w->registry);
        break;
    case 3:
        reg_fake_reachable(w->registry, sim_rand(2) ? hosts[EU] : hosts[US], false);
        break;
    default:
        sim_net_heal(hosts[EU], hosts[US]);
        reg_fake_reachable(w->registry, NULL, true);
        break;
    }
}

static void case_faults(uint64_t seed)
{
    struct pair w;
    begin_world(&w, seed);
    struct sim_client *a = rig_online(&w.at[EU].rig, "alice", "phone");
    struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
    both_send(a, b, some_fault, &w);
    sim_net_heal(hosts[EU], hosts[US]);
    reg_fake_reachable(w.registry, NULL, true);
    expect_numbers(b, ALICE, 0, FLOW);
    expect_numbers(a, BOB, 0, FLOW);
    leave(&a);
    leave(&b);
    pair_end(&w);
}

/* ---- case: killed. The recipient's region dies with kill -9 and comes back; its client logs in
 * again. */
static void case_killed(uint64_t seed)
{
    struct pair w;
    begin_world(&w, seed);
    struct sim_client *a = rig_online(&w.at[EU].rig, "alice", "phone");
    struct sim_client *b = rig_online(&w.at[US].rig, "bob", "desk");
    int n = 0;
    for (; n < 5; n++)
        send_number(a, BOB, n);
    expect_numbers(b, ALICE, 0, n);
    (void)sim_run(2 * SEC, NULL, NULL); /* acknowledged */
    place_kill(&w, US);
    leave(&b);
    int first = n;
    for (; n < first + 10; n++) {
        send_number(a, BOB, n);
        pause_some(3 * SEC);
    }
    place_revive(&w, US);
    pause_some(20 * SEC);
    (void)sim_run(10 * SEC, NULL, NULL);
    b = rig_online(&w.at[US].rig, "bob", "desk2");
    for (; n < first + 15; n++)
        send_number(a, BOB, n);
    expect_numbers(b, ALICE, first, n);
    assert_int_equal(user_at(&w, US, BOB)->n_sessions, 1);
    leave(&a);
    leave(&b);
    pair_end(&w);
}

static const struct {
    const char *name, *what;
    void (*run)(uint64_t seed);
} cases[] = {
    {"chat", "two clients chat, at home or away, 1 or 2 nodes, 1 to 4 shards", case_chat},
    {"subscribe", "a subscription handshake across regions with cuts between", case_subscribe},
    {"roaming", "one user with a device in each region", case_roaming},
    {"lease", "a region's lease lost and regained", case_lease},
    {"moved", "an old region refreshes a session that has moved", case_moved},
    {"killed", "the recipient's region killed and restarted", case_killed},
    {"sm", "clients with stream management, cut anywhere, resumed or not", case_sm},
    {"acked", "the same with long silences, and a node that is killed", case_acked},
    {"flush", "offline messages written to clients that are cut, killed, doubled", case_flush},
    {"order", "a session that ends while messages for it arrive, in order", case_order},
    {"removed", "an account removed while its client logs in far away", case_removed},
    {"roster", "a roster changed by a client that is cut, or whose node is killed", case_roster},
    {"faults", "cuts, wipes and silence of the registry while messages flow", case_faults},
};

static int usage(int code)
{
    FILE *to = code ? stderr : stdout;
    fprintf(to, "usage: %s CASE [--seed N | --seeds FROM..TO]\n\ncases:\n", program);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        fprintf(to, "  %-10s %s\n", cases[i].name, cases[i].what);
    fprintf(to, "\nTEST_LOG=1 prints what the nodes log.\n");
    return code;
}

static bool parse_seeds(const char *text, uint64_t *from, uint64_t *to)
{
    struct str rest = str_of(text);
    struct str first = str_cut(&rest, '.');
    if (!rest.p || rest.n < 2 || rest.p[0] != '.')
        return false;
    rest = str_make(rest.p + 1, rest.n - 1);
    return str_to_u64(first, UINT32_MAX, from) && str_to_u64(rest, UINT32_MAX, to) && *from <= *to;
}

static int run_case(size_t i, uint64_t from, uint64_t to)
{
    atexit(say_repeat); /* an assertion that fails ends the process */
    begin(NULL);
    for (uint64_t seed = from; seed <= to; seed++) {
        running = cases[i].name;
        running_seed = seed;
        cases[i].run(seed);
        running = NULL;
    }
    rig_certs_end(NULL);
    printf("%s: seeds %" PRIu64 "..%" PRIu64 " passed\n", cases[i].name, from, to);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 'S'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    uint64_t from = 1, to = 200;
    program = argv[0];
    for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (o == 'h')
            return usage(0);
        bool ok = o == 's' ? str_to_u64(str_of(optarg), UINT32_MAX, &from)
                           : o == 'S' && parse_seeds(optarg, &from, &to);
        if (!ok)
            return usage(2);
        if (o == 's')
            to = from;
    }
    for (size_t i = 0; optind == argc - 1 && i < ARRAY_LEN(cases); i++)
        if (strcmp(argv[optind], cases[i].name) == 0)
            return run_case(i, from, to);
    return usage(2);
}
