/* Stream management against a scripted peer: what is written when, and what a peer may get wrong.
 */
#define RIG_SIM
#include "lib/stream/f-sm.h"
#include "lib/stream/tests-parties-int.h"

#define SM "xmlns='urn:xmpp:sm:3'"

struct desk {
    struct loop *l;
    struct sm_session *sm;
    struct buf sent;
    unsigned acked, broken, made, silent;
    bool frees_in_acked;
};

static bool desk_send(void *ctx, struct str text)
{
    struct desk *d = ctx;
    buf_str(&d->sent, text);
    return true;
}

static void desk_acked(void *ctx, struct stanza *s)
{
    struct desk *d = ctx;
    (void)s;
    d->acked++;
    if (d->frees_in_acked)
        sm_session_free(&d->sm);
}

static void desk_broken(void *ctx, const char *why)
{
    struct desk *d = ctx;
    assert_true(*why);
    d->broken++;
}

static const struct sm_events desk_events = {
    .send_text = desk_send, .acked = desk_acked, .broken = desk_broken};

/* ---- entries of its own */
static bool desk_send_entry(void *ctx, struct sm_entry *e)
{
    struct desk *d = ctx;
    stanza_write(&d->sent, e->st, NS_CLIENT);
    return true;
}

static void entry_free(struct sm_entry *e)
{
    stanza_unref(&e->st);
    mem_free(e);
}

static void desk_acked_entry(void *ctx, struct sm_entry *e)
{
    struct desk *d = ctx;
    d->acked++;
    entry_free(e);
}

static void desk_silent(void *ctx)
{
    struct desk *d = ctx;
    d->silent++;
}

static const struct sm_events entry_events = {.send_text = desk_send,
                                              .broken = desk_broken,
                                              .send_entry = desk_send_entry,
                                              .acked_entry = desk_acked_entry,
                                              .silent = desk_silent};

static void desk_entry(struct desk *d)
{
    struct sm_entry *e = mem_alloc(sizeof *e);
    char text[64];
    snprintf(text, sizeof text, "<message id='%u'/>", d->made++);
    assert_int_equal(stanza_parse(str_of(text), &e->st), ERR_OK);
    (void)sm_send_entry(d->sm, e);
}

static void desk_begin_with(struct desk *d, const struct sm_events *ev)
{
    *d = (struct desk){0};
    sim_begin(1);
    d->l = loop_new("desk/0", 0);
    d->sm = sm_session_new(d->l, ev, d, NS_CLIENT);
    buf_init(&d->sent, 1 << 20);
}

static void desk_begin(struct desk *d)
{
    desk_begin_with(d, &desk_events);
}

static void desk_end(struct desk *d)
{
    sm_session_free(&d->sm);
    buf_fini(&d->sent);
    loop_free(&d->l);
    sim_end();
}

static void desk_stanza(struct desk *d)
{
    struct stanza *s;
    char text[64];
    snprintf(text, sizeof text, "<message id='%u'/>", d->made++);
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    (void)sm_send(d->sm, s);
    stanza_unref(&s);
}

static void desk_expect(struct desk *d, const char *text)
{
    (void)sim_run(1000, NULL, NULL);
    if (!str_eqc(buf_view(&d->sent), text))
        fail_msg("wanted %s\n   got %.*s", text, (int)d->sent.n, d->sent.p ? d->sent.p : "");
    buf_clear(&d->sent);
}

static struct xml_doc *parse(const char *text)
{
    struct xml_doc *doc;
    assert_int_equal(xml_parse_one(str_of(text), NS_CLIENT, &xml_limits_default, &doc), ERR_OK);
    return doc;
}

static bool desk_element(struct desk *d, const char *text)
{
    struct xml_doc *doc = parse(text);
    bool consumed = sm_element(d->sm, doc->root);
    xml_doc_free(&doc);
    return consumed;
}

static enum sm_state desk_negotiate(struct desk *d, const char *text, bool *resumed)
{
    struct xml_doc *doc = parse(text);
    bool consumed;
    enum sm_state st = sm_negotiate(d->sm, doc->root, &consumed, resumed);
    assert_true(consumed);
    xml_doc_free(&doc);
    return st;
}

static void desk_enable(struct desk *d)
{
    bool resumed;
    sm_start(d->sm);
    desk_expect(d, "<enable " SM " resume='true'/>");
    assert_int_equal(desk_negotiate(d, "<enabled " SM " resume='true' id='x&amp;y'/>", &resumed),
                     SM_ON);
    assert_false(resumed);
    assert_string_equal(sm_id(d->sm), "x&y");
}

static void test_sm_waits_for_enabled(void **state)
{
    struct desk d;
    bool resumed;
    (void)state;
    desk_begin(&d);
    desk_stanza(&d);
    sm_start(d.sm);
    desk_stanza(&d);
    desk_expect(&d, "<enable " SM " resume='true'/>");
    assert_int_equal(desk_negotiate(&d, "<enabled " SM "/>", &resumed), SM_ON);
    desk_expect(&d, "<message id='0'/><message id='1'/><r " SM "/>");
    assert_string_equal(sm_id(d.sm), ""); /* no resumption offered */
    desk_end(&d);
}

static void test_sm_asks_every_16(void **state)
{
    struct desk d;
    (void)state;
    desk_begin(&d);
    desk_enable(&d);
    for (int n = 0; n < 16; n++)
        desk_stanza(&d);
    assert_true(str_ends(buf_view(&d.sent), STR("<message id='15'/><r " SM "/>"))); /* at once */
    buf_clear(&d.sent);
    desk_expect(&d, "");
    desk_stanza(&d);
    desk_expect(&d, "<message id='16'/><r " SM "/>"); /* at the end of the turn */
    assert_int_equal(sm_pending(d.sm), 17);
    assert_true(desk_element(&d, "<a " SM " h='3'/>"));
    assert_int_equal(d.acked, 3);
    assert_int_equal(sm_pending(d.sm), 14);
    desk_end(&d);
}

static void test_sm_h_is_custody(void **state)
{
    struct desk d;
    uint64_t a, b, c;
    (void)state;
    desk_begin(&d);
    desk_enable(&d);
    assert_true(sm_receive(d.sm, &a));
    assert_true(sm_receive(d.sm, &b));
    assert_true(sm_receive(d.sm, &c));
    sm_complete(d.sm, b);
    sm_complete(d.sm, b); /* twice is once */
    desk_expect(&d, "");
    assert_true(desk_element(&d, "<r " SM "/>"));
    assert_true(desk_element(&d, "<r " SM "/>"));
    desk_expect(&d, "<a " SM " h='0'/>"); /* one answer a turn */
    sm_complete(d.sm, a);
    desk_expect(&d, "<a " SM " h='2'/>");
    assert_int_equal(sm_h(d.sm), 2);
    assert_false(desk_element(&d, "<message/>"));
    desk_end(&d);
}

static void test_sm_resume(void **state)
{
    struct desk d;
    uint64_t a, b, again;
    bool resumed;
    (void)state;
    desk_begin(&d);
    desk_enable(&d);
    for (int n = 0; n < 3; n++)
        desk_stanza(&d);
    assert_true(sm_receive(d.sm, &a));
    assert_true(sm_receive(d.sm, &b));
    sm_complete(d.sm, a);
    sm_detach(d.sm);
    desk_stanza(&d); /* waits */
    buf_clear(&d.sent);
    sm_start(d.sm);
    desk_expect(&d, "<resume " SM " h='1' previd='x&amp;y'/>");
    assert_int_equal(desk_negotiate(&d, "<resumed " SM " h='2' previd='x&amp;y'/>", &resumed),
                     SM_ON);
    assert_true(resumed);
    assert_int_equal(d.acked, 2);
    desk_expect(&d, "<message id='2'/><message id='3'/><r " SM "/>");
    assert_false(sm_receive(d.sm, &again)); /* b once more */
    sm_complete(d.sm, b);
    desk_expect(&d, "<a " SM " h='2'/>");
    assert_true(sm_receive(d.sm, &again));
    desk_end(&d);
}

static void test_sm_resume_refused(void **state)
{
    struct desk d;
    uint64_t old, fresh;
    bool resumed;
    (void)state;
    desk_begin(&d);
    desk_enable(&d);
    for (int n = 0; n < 3; n++)
        desk_stanza(&d);
    assert_true(sm_receive(d.sm, &old));
    sm_detach(d.sm);
    buf_clear(&d.sent);
    sm_start(d.sm);
    buf_clear(&d.sent);
    assert_int_equal(desk_negotiate(&d, "<failed " SM " h='1'/>", &resumed), SM_ASKED);
    assert_int_equal(d.acked, 1); /* what the peer had handled before it forgot */
    desk_expect(&d, "<enable " SM " resume='true'/>");
    assert_int_equal(desk_negotiate(&d, "<enabled " SM " id='n' resume='1'/>", &resumed), SM_ON);
    assert_false(resumed);
    desk_expect(&d, "<message id='1'/><message id='2'/><r " SM "/>");
    sm_complete(d.sm, old); /* of the abandoned numbering */
    assert_int_equal(sm_h(d.sm), 0);
    assert_true(sm_receive(d.sm, &fresh));
    sm_complete(d.sm, old);
    assert_int_equal(sm_h(d.sm), 0);
    sm_complete(d.sm, fresh);
    assert_int_equal(sm_h(d.sm), 1);
    assert_true(desk_element(&d, "<a " SM " h='2'/>"));
    assert_int_equal(sm_pending(d.sm), 0);
    desk_end(&d);
}

static void take_one(void *ctx, struct stanza *st)
{
    unsigned *n = ctx;
    uint64_t id;
    assert_true(str_to_u64(st->id, 1000, &id));
    assert_int_equal(id, (*n)++);
    stanza_unref(&st);
}

static void test_sm_refused(void **state)
{
    struct desk d;
    bool resumed;
    unsigned n = 0;
    (void)state;
    desk_begin(&d);
    desk_stanza(&d);
    desk_stanza(&d);
    sm_start(d.sm);
    assert_int_equal(desk_negotiate(&d, "<failed " SM "/>", &resumed), SM_OFF);
    sm_unacked(d.sm, take_one, &n);
    assert_int_equal(n, 2);
    assert_int_equal(sm_pending(d.sm), 0);
    assert_int_equal(sm_pending_bytes(d.sm), 0);
    desk_end(&d);
}

static void test_sm_impossible_h(void **state)
{
    static const char *const wrong[] = {"<a " SM " h='2'/>", "<a " SM "/>", "<a " SM " h='-1'/>",
                                        "<a " SM " h='4294967296'/>", "<a " SM " h='x'/>"};
    struct desk d;
    (void)state;
    desk_begin(&d);
    desk_enable(&d);
    desk_stanza(&d);
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_true(desk_element(&d, wrong[i]));
        assert_int_equal(d.broken, i + 1);
    }
    assert_int_equal(d.acked, 0);
    sm_detach(d.sm);
    assert_false(sm_accept_resume(d.sm, 7));
    assert_int_equal(sm_state(d.sm), SM_OFF);
    desk_end(&d);
}

static void test_sm_receiver(void **state)
{
    struct desk d;
    uint64_t t;
    uint32_t h = 0;
    struct str previd;
    (void)state;
    desk_begin(&d);
    desk_stanza(&d);
    sm_accept(d.sm, "a'b", 300);
    desk_expect(&d, "<enabled " SM " resume='true' id='a&apos;b' max='300'/><message id='0'/><r " SM
                    "/>");
    assert_true(sm_receive(d.sm, &t));
    sm_detach(d.sm);
    struct xml_doc *doc = parse("<resume " SM " h='0' previd='a&apos;b'/>");
    assert_int_equal(sm_read_resume(doc->root, &previd, &h), ERR_OK);
    assert_true(str_eqc(previd, sm_id(d.sm)));
    assert_true(sm_accept_resume(d.sm, h));
    xml_doc_free(&doc);
    desk_expect(&d, "<resumed " SM " h='0' previd='a&apos;b'/><message id='0'/><r " SM "/>");
    assert_false(sm_receive(d.sm, &t));
    sm_write_failed(&d.sent, "item-not-found", &h);
    desk_expect(&d, "<failed " SM " h='0'><item-not-found "
                    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
    desk_end(&d);
}

static void test_sm_freed_in_callback(void **state)
{
    struct desk d;
    (void)state;
    desk_begin(&d);
    desk_enable(&d);
    desk_stanza(&d);
    desk_stanza(&d);
    d.frees_in_acked = true;
    assert_true(desk_element(&d, "<a " SM " h='2'/>"));
    assert_int_equal(d.acked, 1);
    desk_end(&d);
}

/* ---- the policy of a receiver of clients */
static const struct sm_policy thrifty = {.ask_every = 5,
                                         .ask_idle_ms = 500,
                                         .answer_turns = 2,
                                         .silent_ms = 90000,
                                         .answers_only = true};

static void policy_begin(struct desk *d)
{
    desk_begin_with(d, &entry_events);
    sm_set_policy(d->sm, &thrifty);
    sm_accept(d->sm, NULL, 0);
    desk_expect(d, "<enabled " SM "/>");
}

static void test_sm_asks_by_policy(void **state)
{
    struct desk d;
    (void)state;
    policy_begin(&d);
    for (int n = 0; n < 7; n++)
        desk_entry(&d);
    buf_clear(&d.sent);
    desk_expect(&d, "<r " SM "/>"); /* one for all of the turn */
    desk_entry(&d);
    desk_expect(&d, "<message id='7'/>"); /* not for one ... */
    (void)sim_run(600000, NULL, NULL);
    desk_expect(&d, "<r " SM "/>"); /* ... until it has waited */
    assert_true(desk_element(&d, "<a " SM " h='8'/>"));
    assert_int_equal(d.acked, 8);
    desk_entry(&d);
    (void)sim_run(89000000, NULL, NULL);
    assert_int_equal(d.silent, 0);
    (void)sim_run(2000000, NULL, NULL);
    assert_int_equal(d.silent, 1);
    struct sm_entry *e = sm_take_entry(d.sm);
    assert_non_null(e);
    entry_free(e);
    assert_null(sm_take_entry(d.sm));
    assert_int_equal(sm_pending(d.sm), 0);
    desk_end(&d);
}

static void test_sm_answers_by_policy(void **state)
{
    struct desk d;
    uint64_t a, b, c;
    (void)state;
    policy_begin(&d);
    assert_true(sm_receive(d.sm, &a));
    sm_complete(d.sm, a);
    desk_expect(&d, ""); /* nobody asked */
    assert_true(sm_receive(d.sm, &b));
    assert_true(desk_element(&d, "<r " SM "/>"));
    sm_complete(d.sm, b); /* comes within the turns it may wait */
    desk_expect(&d, "<a " SM " h='2'/>");
    assert_true(sm_receive(d.sm, &b));
    assert_true(desk_element(&d, "<r " SM "/>"));
    desk_expect(&d, "<a " SM " h='2'/>"); /* never withheld */
    assert_true(sm_receive(d.sm, &c));
    sm_complete(d.sm, b);
    desk_expect(&d, "<a " SM " h='3'/>"); /* what it asked for, late */
    sm_complete(d.sm, c);
    desk_expect(&d, "");
    assert_int_equal(sm_received(d.sm), 4);
    assert_int_equal(sm_h(d.sm), 4);
    desk_end(&d);
}

static void test_sm_tells_what_it_refused(void **state)
{
    struct desk d;
    uint32_t h;
    (void)state;
    policy_begin(&d);
    desk_entry(&d);
    assert_true(sm_may_ack(d.sm, 1));
    assert_false(sm_may_ack(d.sm, 2));
    assert_false(sm_refused(d.sm, &h));
    assert_true(desk_element(&d, "<a " SM " h='10'/>"));
    assert_int_equal(d.broken, 1);
    assert_true(sm_refused(d.sm, &h));
    assert_int_equal(h, 10);
    assert_int_equal(sm_sent(d.sm), 1);
    struct sm_entry *e = sm_take_entry(d.sm);
    entry_free(e);
    desk_end(&d);
}

#define OUR_ID "0123456789012345678901"

static void desk_eager(struct desk *d)
{
    sm_start_eager(d->sm, OUR_ID);
    desk_stanza(d);
    desk_expect(d, "<enable " SM " resume='true'><id xmlns='urn:meridian:sm:0'>" OUR_ID
                   "</id></enable><message id='0'/>");
}

/* Stanzas are behind <enable/>, once. */
static void test_sm_eager(void **state)
{
    struct desk d;
    bool resumed;
    (void)state;
    desk_begin(&d);
    desk_eager(&d);
    assert_int_equal(
        desk_negotiate(&d, "<enabled " SM " resume='true' id='" OUR_ID "'/>", &resumed), SM_ON);
    desk_expect(&d, "<r " SM "/>");
    assert_true(desk_element(&d, "<a " SM " h='1'/>"));
    assert_int_equal(d.acked, 1);
    desk_end(&d);
}

/* The answer never came: the session is resumed by the id we gave it. */
static void test_sm_eager_cut(void **state)
{
    struct desk d;
    bool resumed;
    (void)state;
    desk_begin(&d);
    desk_eager(&d);
    sm_detach(d.sm);
    desk_stanza(&d);
    sm_start(d.sm);
    desk_expect(&d, "<resume " SM " h='0' previd='" OUR_ID "'/>");
    assert_int_equal(desk_negotiate(&d, "<resumed " SM " h='1' previd='" OUR_ID "'/>", &resumed),
                     SM_ON);
    assert_true(resumed);
    desk_expect(&d, "<message id='1'/><r " SM "/>");
    desk_end(&d);
}

static void test_sm_eager_refused(void **state)
{
    struct desk d;
    bool resumed;
    (void)state;
    desk_begin(&d);
    desk_eager(&d);
    assert_int_equal(desk_negotiate(&d, "<failed " SM "/>", &resumed), SM_OFF);
    assert_int_equal(d.broken, 1);
    desk_end(&d);
}

static void test_sm_reads_id(void **state)
{
    static const struct {
        const char *enable, *id;
    } cases[] = {
        {"<enable " SM "><id xmlns='urn:meridian:sm:0'> " OUR_ID " </id></enable>", OUR_ID},
        {"<enable " SM "><id xmlns='urn:meridian:sm:0'>guess</id></enable>", NULL},
        {"<enable " SM "><id xmlns='other'>" OUR_ID "</id></enable>", NULL},
        {"<enable " SM "/>", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct xml_doc *doc = parse(cases[i].enable);
        struct str id = sm_read_id(doc->arena, doc->root);
        assert_true(cases[i].id ? str_eqc(id, cases[i].id) : !id.n);
        xml_doc_free(&doc);
    }
}

/* A refused resumption is the user's to deal with; a question without a reason is asked. */
static void test_sm_resume_only(void **state)
{
    struct desk d;
    bool resumed;
    struct sm_policy p = {.resume_only = true, .silent_ms = 500};
    (void)state;
    desk_begin_with(&d, &entry_events);
    sm_set_policy(d.sm, &p);
    desk_enable(&d);
    sm_ask(d.sm);
    desk_expect(&d, "<r " SM "/>");
    assert_true(desk_element(&d, "<a " SM " h='0'/>"));
    desk_entry(&d);
    sm_detach(d.sm);
    buf_clear(&d.sent);
    sm_start(d.sm);
    desk_expect(&d, "<resume " SM " h='0' previd='x&amp;y'/>");
    assert_int_equal(desk_negotiate(&d, "<failed " SM "/>", &resumed), SM_OFF);
    desk_expect(&d, "");
    struct sm_entry *e = sm_take_entry(d.sm);
    assert_non_null(e);
    entry_free(e);
    sm_ask(d.sm); /* off: nothing */
    desk_expect(&d, "");
    desk_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sm_waits_for_enabled),
        cmocka_unit_test(test_sm_asks_every_16),
        cmocka_unit_test(test_sm_h_is_custody),
        cmocka_unit_test(test_sm_resume),
        cmocka_unit_test(test_sm_resume_refused),
        cmocka_unit_test(test_sm_refused),
        cmocka_unit_test(test_sm_impossible_h),
        cmocka_unit_test(test_sm_receiver),
        cmocka_unit_test(test_sm_freed_in_callback),
        cmocka_unit_test(test_sm_asks_by_policy),
        cmocka_unit_test(test_sm_answers_by_policy),
        cmocka_unit_test(test_sm_tells_what_it_refused),
        cmocka_unit_test(test_sm_eager),
        cmocka_unit_test(test_sm_eager_cut),
        cmocka_unit_test(test_sm_eager_refused),
        cmocka_unit_test(test_sm_reads_id),
        cmocka_unit_test(test_sm_resume_only),
    };
    return cmocka_run_group_tests_name("f-sm", tests, NULL, NULL);
}
