/* Stream management over real streams whose connection is cut again and again: by seed, at any
 * byte. Both sides send, custody is taken late and out of order. In the end each stanza has arrived
 * once, in order, and everything is acknowledged. */
#define RIG_SIM
#include "lib/stream/f-sm.h"
#include "lib/stream/tests-parties-int.h"

enum { COUNT = 60, OPEN_MAX = 16 };

struct side {
    struct sm_session *sm;
    struct both *b;
    bool is_inner;
    unsigned sent, acked, received, repeats, resumptions, broken;
    uint64_t open[OPEN_MAX]; /* tokens without custody */
    unsigned n_open;
    struct timer work; /* sends and takes custody */
};
struct world {
    struct both b;
    struct side in, out;
};

static bool side_send_text(void *ctx, struct str text)
{
    struct side *d = ctx;
    if (d->is_inner)
        return d->b->i.s ? stream_in_send_text(d->b->i.s, text) : true;
    return d->b->o.s ? stream_out_send_text(d->b->o.s, text) : true;
}

static unsigned number_of(const struct stanza *s)
{
    uint64_t n = 0;
    assert_true(str_to_u64(s->id, 1000000, &n));
    return (unsigned)n;
}

static void side_acked(void *ctx, struct stanza *s)
{
    struct side *d = ctx;
    assert_int_equal(number_of(s), d->acked); /* once, in order */
    d->acked++;
}

static void side_broken(void *ctx, const char *why)
{
    struct side *d = ctx;
    (void)why;
    d->broken++;
}

static const struct sm_events side_events = {
    .send_text = side_send_text, .acked = side_acked, .broken = side_broken};

static void side_send(struct side *d)
{
    char text[200];
    struct stanza *s;
    snprintf(text, sizeof text, "<message id='%u' to='a@b' from='c@d'><body>%0*u</body></message>",
             d->sent, (int)(d->sent * 7 % 90), d->sent);
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    d->sent++;
    (void)sm_send(d->sm, s);
    stanza_unref(&s);
}

static void side_take_custody(struct side *d)
{
    unsigned k = (unsigned)sim_rand(d->n_open);
    sm_complete(d->sm, d->open[k]);
    d->open[k] = d->open[--d->n_open];
}

static void side_work(void *ctx)
{
    struct side *d = ctx;
    for (uint64_t n = sim_rand(4); n && d->sent < COUNT; n--)
        side_send(d);
    while (d->n_open && sim_rand(3))
        side_take_custody(d);
    timer_start(&d->work, 1 + sim_rand(10));
}

static void side_stanza(struct side *d, struct xml_doc *doc)
{
    uint64_t token, number;
    assert_true(str_to_u64(xml_get(doc->root, "id"), 1000000, &number));
    if (sm_receive(d->sm, &token)) {
        assert_int_equal(number, d->received); /* once, in order */
        d->received++;
        if (d->n_open == OPEN_MAX)
            side_take_custody(d);
        d->open[d->n_open++] = token;
    } else {
        d->repeats++;
    }
    xml_doc_free(&doc);
}

static void inner_on_element(struct inner *i, struct xml_doc *doc)
{
    struct side *d = i->more;
    struct str previd;
    uint32_t h;
    if (xml_is(doc->root, NS_SM, "enable")) {
        sm_accept(d->sm, "session-1", 300);
    } else if (xml_is(doc->root, NS_SM, "resume")) {
        assert_int_equal(sm_read_resume(doc->root, &previd, &h), ERR_OK);
        if (str_eqc(previd, sm_id(d->sm)) && *sm_id(d->sm)) {
            assert_true(sm_accept_resume(d->sm, h));
            d->resumptions++;
        } else {
            struct buf out;
            buf_init(&out, 1000);
            sm_write_failed(&out, "item-not-found", NULL);
            (void)stream_in_send_text(i->s, buf_view(&out));
            buf_fini(&out);
        }
    } else if (!sm_element(d->sm, doc->root)) {
        side_stanza(d, doc);
        return;
    }
    xml_doc_free(&doc);
}

static void outer_on_element(struct outer *o, struct xml_doc *doc)
{
    struct side *d = o->more;
    bool consumed = false, resumed = false;
    if (sm_state(d->sm) == SM_ASKED)
        (void)sm_negotiate(d->sm, doc->root, &consumed, &resumed);
    else
        consumed = sm_element(d->sm, doc->root);
    d->resumptions += resumed;
    if (!consumed)
        side_stanza(d, doc);
    else
        xml_doc_free(&doc);
}

static void outer_on_ready(struct outer *o)
{
    sm_start(((struct side *)o->more)->sm);
}

static void side_begin(struct side *d, struct world *w, bool is_inner)
{
    struct loop *l = is_inner ? w->b.r.server : w->b.r.client;
    *d = (struct side){.b = &w->b, .is_inner = is_inner};
    d->sm = sm_session_new(l, &side_events, d, NS_SERVER);
    timer_init(&d->work, l, side_work, d);
}

static void side_end(struct side *d)
{
    timer_stop(&d->work);
    sm_session_free(&d->sm);
}

static void world_begin(struct world *w, uint64_t seed)
{
    both_begin(&w->b, seed);
    side_begin(&w->in, w, true);
    side_begin(&w->out, w, false);
    w->b.o.taken.may_fail = true;
    w->b.i.conf.tls = NULL;
    w->b.i.conf.content_ns = w->b.o.conf.content_ns = NS_SERVER;
    w->b.i.mechs = 0;
    w->b.i.authenticate_in_header = true;
    w->b.i.on_element = inner_on_element;
    w->b.i.more = &w->in;
    w->b.o.conf.tls = NULL;
    w->b.o.conf.tls_required = false;
    w->b.o.no_sasl = true;
    w->b.o.on_ready = outer_on_ready;
    w->b.o.on_element = outer_on_element;
    w->b.o.more = &w->out;
}

static void world_end(struct world *w)
{
    side_end(&w->in);
    side_end(&w->out);
    both_end(&w->b);
}

static bool has_dialled(void *ctx)
{
    return !((struct world *)ctx)->b.o.taken.is_dialling;
}

/* A new connection; what was left of the old one is gone on both sides. */
static void reconnect(struct world *w)
{
    assert_true(rig_run(&w->b.r, RIG_WAIT_US, has_dialled, w));
    sm_detach(w->in.sm);
    sm_detach(w->out.sm);
    stream_in_free(&w->b.i.s);
    stream_out_free(&w->b.o.s);
    w->b.i.ends = w->b.o.ends = w->b.o.readies = 0;
    both_connect(&w->b);
}

static bool world_is_done(void *ctx)
{
    struct world *w = ctx;
    return w->in.acked == COUNT && w->out.acked == COUNT && w->in.received == COUNT &&
           w->out.received == COUNT;
}

static void run_seed(uint64_t seed, unsigned cuts, struct side *total)
{
    struct world w;
    world_begin(&w, seed);
    both_connect(&w.b);
    timer_start(&w.in.work, 1);
    timer_start(&w.out.work, 1);
    for (unsigned k = 0; k < cuts; k++) {
        (void)rig_run(&w.b.r, 1000 + sim_rand(60000), NULL, NULL);
        sim_net_cut("server", "client", false);
        (void)rig_run(&w.b.r, 1000 + sim_rand(2000), NULL, NULL);
        sim_net_heal("server", "client");
        reconnect(&w);
    }
    if (!rig_run(&w.b.r, RIG_WAIT_US, world_is_done, &w))
        fail_msg("seed %" PRIu64 ": in %u acked %u received, out %u acked %u received", seed,
                 w.in.acked, w.in.received, w.out.acked, w.out.received);
    assert_int_equal(w.in.broken + w.out.broken, 0);
    assert_int_equal(sm_pending(w.in.sm) + sm_pending(w.out.sm), 0);
    assert_int_equal(sm_pending_bytes(w.in.sm), 0);
    total->resumptions += w.out.resumptions;
    total->repeats += w.in.repeats + w.out.repeats;
    world_end(&w);
}

static void test_sm_cuts_by_seed(void **state)
{
    struct side total = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++)
        run_seed(seed, 1 + (unsigned)(seed % 7), &total);
    assert_true(total.resumptions > 100); /* the cuts do hit */
    assert_true(total.repeats > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sm_cuts_by_seed)};
    return cmocka_run_group_tests_name("sm", tests, NULL, NULL);
}
