#ifndef INTEGRATION_TESTS_SIM_TESTS_FLUSH_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_FLUSH_INT_H
/* The case `simulate flush`: bob has messages in the store and logs in, at home or away, with
 * stream management or without; while they are written to him something happens at a moment drawn
 * from the seed (sim_net delivers in pieces of any size): his connection is cut, loudly or in
 * silence, his node is killed and started again over the same store, a second resource logs in, he
 * says good-bye. Then he comes again, until all is there. Whatever the moment: nothing is lost but,
 * without stream management, what was on the wire when it was cut; in a session messages come once
 * and in order; what comes again in another is what the client had not acknowledged, and has the
 * stanza-id it had. */
#include "integration-tests/sim/tests-world-int.h"

enum {
    FLUSH_MAX = 260,
    FLUSH_SURE = 8, /* steps of FLUSH_STEP: what was read so long before a kill comes once */
};
#define FLUSH_STEP (UINT64_C(25000))
enum flush_event { FLUSH_NOTHING, FLUSH_CUT, FLUSH_KILL, FLUSH_SECOND, FLUSH_BYE, FLUSH_EVENTS };

struct flush_run {
    struct pair *world;
    int n, place;
    bool sm, resumes;
    enum flush_event event;
    unsigned seen[FLUSH_MAX]; /* how often */
    char ids[FLUSH_MAX][40];
    int sure;    /* so many had been read long before the event */
    int at_end;  /* so many when the connection ended */
    int resumed; /* how often a session went on */
};

static UNUSED struct sim_client *flush_login(struct flush_run *f, const char *resource)
{
    struct sim_client_conf c = rig_conf(&f->world->at[f->place].rig, "bob", resource);
    c.host = "b-host";
    c.sm = f->sm;
    struct sim_client *b = sim_client_login(&c);
    assert_non_null(b);
    sim_client_send(b, "<presence/>");
    return b;
}

static UNUSED void flush_fill(struct flush_run *f)
{
    struct sim_client *a = rig_online(&f->world->at[EU].rig, "alice", "pen");
    for (int i = 0; i < f->n; i++)
        sim_client_send(a,
                        "<message to='bob@" RIG_DOMAIN "' id='n%d' type='chat'><body>%d</body>"
                        "</message>",
                        i, i);
    (void)sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(sim_client_count(a, "<message type='error'/>"), 0);
    sim_client_free(&a);
}

static UNUSED void flush_stanza_id(struct flush_run *f, const struct xml *m, int n)
{
    xml_each(m, c)
    {
        if (!xml_is(c->el, NS_SID, "stanza-id"))
            continue;
        struct str id = xml_get(c->el, "id");
        if (f->ids[n][0] && !str_eqc(id, f->ids[n]))
            fail_msg("message %d came again under another stanza-id", n);
        snprintf(f->ids[n], sizeof f->ids[n], STR_FMT, STR_ARG(id));
        return;
    }
    fail_msg("message %d has no stanza-id", n);
}

/* Take what a client got: once each, in order. */
static UNUSED void flush_collect(struct flush_run *f, struct sim_client *c)
{
    uint64_t n, last = 0;
    bool any = false;
    while (sim_client_count(c, "<message/>")) {
        assert_true(sim_client_expect(c, "<message/>"));
        struct str id = xml_get(sim_client_last(c), "id");
        assert_true(str_to_u64(str_make(id.p + 1, id.n - 1), FLUSH_MAX - 1, &n));
        if (any && n <= last)
            fail_msg("%d came after %d", (int)n, (int)last);
        any = true;
        last = n;
        f->seen[n]++;
        flush_stanza_id(f, sim_client_last(c), (int)n);
    }
}

static UNUSED int flush_got(struct sim_client *c)
{
    return (int)sim_client_count(c, "<message id='*'/>");
}

/* Let the flush go on to some moment, and remember how far it had come long before. */
static UNUSED void flush_go_on(struct flush_run *f, struct sim_client *b)
{
    int got[FLUSH_SURE] = {0};
    uint64_t left = sim_rand(f->n > 100 ? 600000 : 120000);
    for (size_t i = 0; left; i++) {
        uint64_t step = left < FLUSH_STEP ? left : FLUSH_STEP;
        f->sure = got[i % FLUSH_SURE];
        got[i % FLUSH_SURE] = flush_got(b);
        (void)sim_run(step, NULL, NULL);
        left -= step;
    }
}

static UNUSED void flush_cut(struct flush_run *f, struct sim_client *b)
{
    sim_net_cut("b-host", hosts[f->place], sim_rand(2));
    (void)sim_run(1 + sim_rand(100000), NULL, NULL);
    f->at_end = flush_got(b);
    sim_net_heal("b-host", hosts[f->place]);
}

static UNUSED void flush_kill(struct flush_run *f, struct sim_client *b)
{
    place_kill(f->world, US); /* where the store is, and the client is if it is at home */
    f->at_end = flush_got(b);
    (void)sim_run(sim_rand(3 * SEC), NULL, NULL);
    place_revive(f->world, US);
    (void)sim_run(20 * SEC, NULL, NULL);
}

static UNUSED void flush_again(struct flush_run *f, struct sim_client **pb)
{
    if (f->sm && f->resumes && f->event == FLUSH_CUT) {
        sim_client_again(*pb);
        assert_true(sim_client_wait(*pb, SIM_CLIENT_BOUND));
        (void)sim_run(20 * SEC, NULL, NULL);
        f->resumed = (int)sim_client_resumed(*pb);
        flush_collect(f, *pb);
        return;
    }
    flush_collect(f, *pb);
    sim_client_free(pb);
    (void)sim_run(20 * SEC, NULL, NULL); /* its session ends */
}

/* Something happens to the first login. */
static UNUSED void flush_first(struct flush_run *f)
{
    struct sim_client *b = flush_login(f, "phone"), *other = NULL;
    flush_go_on(f, b);
    switch (f->event) {
    case FLUSH_CUT:
        flush_cut(f, b);
        break;
    case FLUSH_KILL:
        flush_kill(f, b);
        break;
    case FLUSH_SECOND:
        other = flush_login(f, "desk");
        (void)sim_run(sim_rand(60000), NULL, NULL);
        sim_client_close(b);
        (void)sim_run(20 * SEC, NULL, NULL);
        break;
    case FLUSH_BYE:
        sim_client_close(b);
        (void)sim_run(5 * SEC, NULL, NULL);
        break;
    default:
        (void)sim_run(20 * SEC, NULL, NULL);
    }
    flush_again(f, &b);
    if (other) {
        flush_collect(f, other);
        sim_client_close(other);
        (void)sim_run(5 * SEC, NULL, NULL);
        sim_client_free(&other);
    }
    sim_client_free(&b);
}

static UNUSED void flush_judge(const struct flush_run *f)
{
    static const char *const events[] = {"nothing", "cut", "kill", "second", "bye"};
    bool wire = !f->sm && (f->event == FLUSH_CUT || f->event == FLUSH_KILL);
    bool again = f->event == FLUSH_CUT || f->event == FLUSH_KILL ||
                 (f->sm && f->event != FLUSH_NOTHING); /* it leaves without a last word */
    int lost = 0;
    for (int i = 0; i < f->n; i++) {
        bool is_hole = !f->seen[i] && wire && i == f->at_end + lost;
        lost += is_hole;
        if (!f->seen[i] && !is_hole)
            fail_msg("%s: message %d of %d was lost (%d at the end)", events[f->event], i, f->n,
                     f->at_end);
        if (f->seen[i] > 1 && (!again || f->resumed || i < f->sure || f->seen[i] > 2))
            fail_msg("%s: message %d of %d came %u times (%d sure)", events[f->event], i, f->n,
                     f->seen[i], f->sure);
    }
}

static UNUSED void case_flush(uint64_t seed)
{
    struct pair w;
    struct flush_run f = {.world = &w};
    pair_begin(&w, seed, 1 + (unsigned)(seed % 4));
    w.at[EU].rig.conf.sm_resume_ms = w.at[US].rig.conf.sm_resume_ms = 10000;
    f.n = sim_rand(4) ? 1 + (int)sim_rand(60) : 90 + (int)sim_rand(FLUSH_MAX - 90);
    f.event = (enum flush_event)sim_rand(FLUSH_EVENTS);
    f.place = sim_rand(3) ? US : EU;
    f.sm = sim_rand(3) != 0;
    f.resumes = sim_rand(2);
    if (f.event == FLUSH_KILL)
        f.place = US;
    flush_fill(&f);
    flush_first(&f);
    for (int i = 0; i < 2; i++) { /* what is left; then nothing is */
        struct sim_client *b = flush_login(&f, "later");
        (void)sim_run(20 * SEC, NULL, NULL);
        if (i)
            assert_int_equal(flush_got(b), 0);
        flush_collect(&f, b);
        sim_client_close(b);
        (void)sim_run(5 * SEC, NULL, NULL);
        sim_client_free(&b);
    }
    flush_judge(&f);
    pair_end(&w);
}
#endif
