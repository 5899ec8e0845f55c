/* The tables of RFC 6121 appendix A, typed in once more from the text, against subs_apply;
 * pre-approval of section 3.4. */
#include "lib/xmpp/subs-table.h"

#include <setjmp.h>

#include <cmocka.h>

/* Names as in appendix A.1. */
static const struct {
    const char *name;
    uint8_t bits;
} states[] = {
    {"None", 0},
    {"None + Pending Out", SUBS_PENDING_OUT},
    {"None + Pending In", SUBS_PENDING_IN},
    {"None + Pending Out+In", SUBS_PENDING_OUT | SUBS_PENDING_IN},
    {"To", SUBS_TO},
    {"To + Pending In", SUBS_TO | SUBS_PENDING_IN},
    {"From", SUBS_FROM},
    {"From + Pending Out", SUBS_FROM | SUBS_PENDING_OUT},
    {"Both", SUBS_TO | SUBS_FROM},
};

static const char tables[] = "A.2.1 outbound subscribe\n"
                             "None|MUST|None + Pending Out\n"
                             "None + Pending Out|MUST|no state change\n"
                             "None + Pending In|MUST|None + Pending Out+In\n"
                             "None + Pending Out+In|MUST|no state change\n"
                             "To|MUST|no state change\n"
                             "To + Pending In|MUST|no state change\n"
                             "From|MUST|From + Pending Out\n"
                             "From + Pending Out|MUST|no state change\n"
                             "Both|MUST|no state change\n"
                             "A.2.2 outbound unsubscribe\n"
                             "None|MUST|no state change\n"
                             "None + Pending Out|MUST|None\n"
                             "None + Pending In|MUST|no state change\n"
                             "None + Pending Out+In|MUST|None + Pending In\n"
                             "To|MUST|None\n"
                             "To + Pending In|MUST|None + Pending In\n"
                             "From|MUST|no state change\n"
                             "From + Pending Out|MUST|From\n"
                             "Both|MUST|From\n"
                             "A.2.3 outbound subscribed\n"
                             "None|M.N.|pre-approval\n"
                             "None + Pending Out|M.N.|pre-approval\n"
                             "None + Pending In|MUST|From\n"
                             "None + Pending Out+In|MUST|From + Pending Out\n"
                             "To|M.N.|pre-approval\n"
                             "To + Pending In|MUST|Both\n"
                             "From|M.N.|no state change\n"
                             "From + Pending Out|M.N.|no state change\n"
                             "Both|M.N.|no state change\n"
                             "A.2.4 outbound unsubscribed\n"
                             "None|S.N.|no state change\n"
                             "None + Pending Out|S.N.|no state change\n"
                             "None + Pending In|MUST|None\n"
                             "None + Pending Out+In|MUST|None + Pending Out\n"
                             "To|S.N.|no state change\n"
                             "To + Pending In|MUST|To\n"
                             "From|MUST|None\n"
                             "From + Pending Out|MUST|None + Pending Out\n"
                             "Both|MUST|To\n"
                             "A.3.1 inbound subscribe\n"
                             "None|MUST|None + Pending In\n"
                             "None + Pending Out|MUST|None + Pending Out+In\n"
                             "None + Pending In|S.N.|no state change\n"
                             "None + Pending Out+In|S.N.|no state change\n"
                             "To|MUST|To + Pending In\n"
                             "To + Pending In|S.N.|no state change\n"
                             "From|S.N. reply|no state change\n"
                             "From + Pending Out|S.N. reply|no state change\n"
                             "Both|S.N. reply|no state change\n"
                             "A.3.2 inbound unsubscribe\n"
                             "None|S.N.|no state change\n"
                             "None + Pending Out|S.N.|no state change\n"
                             "None + Pending In|MUST reply|None\n"
                             "None + Pending Out+In|MUST reply|None + Pending Out\n"
                             "To|S.N.|no state change\n"
                             "To + Pending In|MUST reply|To\n"
                             "From|MUST reply|None\n"
                             "From + Pending Out|MUST reply|None + Pending Out\n"
                             "Both|MUST reply|To\n"
                             "A.3.3 inbound subscribed\n"
                             "None|S.N.|no state change\n"
                             "None + Pending Out|MUST|To\n"
                             "None + Pending In|S.N.|no state change\n"
                             "None + Pending Out+In|MUST|To + Pending In\n"
                             "To|S.N.|no state change\n"
                             "To + Pending In|S.N.|no state change\n"
                             "From|S.N.|no state change\n"
                             "From + Pending Out|MUST|Both\n"
                             "Both|S.N.|no state change\n"
                             "A.3.4 inbound unsubscribed\n"
                             "None|S.N.|no state change\n"
                             "None + Pending Out|MUST|None\n"
                             "None + Pending In|S.N.|no state change\n"
                             "None + Pending Out+In|MUST|None + Pending In\n"
                             "To|MUST|None\n"
                             "To + Pending In|MUST|None + Pending In\n"
                             "From|S.N.|no state change\n"
                             "From + Pending Out|MUST|From\n"
                             "Both|MUST|From\n";

static bool state_find(struct str name, uint8_t *bits)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (str_eqc(name, states[i].name)) {
            *bits = states[i].bits;
            return true;
        }
    }
    return false;
}

static enum subs_event event_find(struct str name)
{
    static const char *const names[] = {"subscribe", "subscribed", "unsubscribe", "unsubscribed"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eqc(name, names[i]))
            return (enum subs_event)i;
    fail_msg("unknown event");
    return SUBS_SUBSCRIBE;
}

/* All that follows from the states before and after. */
static void check_shown(uint8_t before, const struct subs_result *r)
{
    const uint8_t changed = before ^ r->state;
    assert_int_equal(r->push, (changed & ~SUBS_PENDING_IN) != 0);
    assert_int_equal(r->send_presence, (changed & SUBS_FROM) && (r->state & SUBS_FROM));
    assert_int_equal(r->send_unavailable, (changed & SUBS_FROM) && (before & SUBS_FROM));
    assert_int_equal(r->exists, r->state != 0);
}

static void check_cell(enum subs_direction d, enum subs_event e, struct str line)
{
    uint8_t before = 0, want = 0;
    assert_true(state_find(str_cut(&line, '|'), &before));
    const struct str rule = str_cut(&line, '|');
    const bool pass = str_starts(rule, STR("MUST")), reply = str_ends(rule, STR("reply"));
    const struct subs_result r = subs_apply(before, d, e);
    if (str_eqc(line, "no state change"))
        want = before;
    else if (str_eqc(line, "pre-approval"))
        want = before | SUBS_APPROVED;
    else
        assert_true(state_find(line, &want));
    assert_int_equal(r.state, want);
    assert_int_equal(r.route, d == SUBS_OUTBOUND && pass);
    assert_int_equal(r.deliver, d == SUBS_INBOUND && pass);
    assert_int_equal(r.auto_reply, reply && e == SUBS_SUBSCRIBE);
    assert_int_equal(r.auto_unsubscribed, reply && e == SUBS_UNSUBSCRIBE);
    check_shown(before, &r);
}

static void test_subs_table_every_cell(void **state)
{
    (void)state;
    unsigned cells = 0;
    enum subs_direction d = SUBS_OUTBOUND;
    enum subs_event e = SUBS_SUBSCRIBE;
    for (struct str rest = str_of(tables); rest.p && rest.n > 0;) {
        struct str line = str_cut(&rest, '\n');
        if (!str_starts(line, STR("A."))) {
            check_cell(d, e, line);
            cells++;
            continue;
        }
        str_cut(&line, ' ');
        d = str_eqc(str_cut(&line, ' '), "outbound") ? SUBS_OUTBOUND : SUBS_INBOUND;
        e = event_find(line);
    }
    assert_int_equal(cells, 72);
}

/* Section 3.4.2: answered for the user, not delivered; "from" is added to what there is. */
static void test_subs_table_preapproved_subscribe(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        const uint8_t before = states[i].bits | SUBS_APPROVED;
        const struct subs_result r = subs_apply(before, SUBS_INBOUND, SUBS_SUBSCRIBE);
        assert_int_equal(r.state, (before | SUBS_FROM) & ~SUBS_PENDING_IN);
        assert_true(r.auto_reply);
        assert_false(r.deliver);
        assert_false(r.auto_unsubscribed);
        assert_int_equal(r.send_presence, !(before & SUBS_FROM));
        check_shown(before, &r);
    }
}

/* The approval stays through everything but the user's own "unsubscribed". */
static void test_subs_table_approval_lasts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        for (int d = SUBS_OUTBOUND; d <= SUBS_INBOUND; d++) {
            for (int e = SUBS_SUBSCRIBE; e <= SUBS_UNSUBSCRIBED; e++) {
                const uint8_t bits = states[i].bits, with = bits | SUBS_APPROVED;
                const struct subs_result r =
                    subs_apply(with, (enum subs_direction)d, (enum subs_event)e);
                const bool cancels = d == SUBS_OUTBOUND && e == SUBS_UNSUBSCRIBED;
                assert_int_equal(!!(r.state & SUBS_APPROVED), !cancels);
                check_shown(with, &r);
                if (d == SUBS_INBOUND && e == SUBS_SUBSCRIBE)
                    continue;
                const struct subs_result plain =
                    subs_apply(bits, (enum subs_direction)d, (enum subs_event)e);
                assert_int_equal(r.state & ~SUBS_APPROVED, plain.state & ~SUBS_APPROVED);
                assert_int_equal(r.route, plain.route);
                assert_int_equal(r.deliver, plain.deliver);
            }
        }
    }
}

static void test_subs_table_second_preapproval_is_silent(void **state)
{
    (void)state;
    const struct subs_result r = subs_apply(SUBS_APPROVED, SUBS_OUTBOUND, SUBS_SUBSCRIBED);
    assert_int_equal(r.state, SUBS_APPROVED);
    assert_false(r.push);
    assert_false(r.route);
    assert_true(r.exists);
}

/* Every number of bits is taken; contradictions are dropped, the result is one of the nine states.
 */
static void test_subs_table_any_bits(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 256; bits++) {
        for (int i = 0; i < 8; i++) {
            const struct subs_result r =
                subs_apply((uint8_t)bits, (enum subs_direction)(i / 4), (enum subs_event)(i % 4));
            bool known = false;
            for (size_t k = 0; k < ARRAY_LEN(states); k++)
                known |= (r.state & ~SUBS_APPROVED) == states[k].bits;
            assert_true(known);
        }
    }
    const struct subs_result r =
        subs_apply(SUBS_TO | SUBS_PENDING_OUT, SUBS_OUTBOUND, SUBS_SUBSCRIBE);
    assert_int_equal(r.state, SUBS_TO);
}

static void test_subs_table_names(void **state)
{
    (void)state;
    assert_string_equal(subs_subscription(SUBS_PENDING_IN | SUBS_APPROVED), "none");
    assert_string_equal(subs_subscription(SUBS_TO | SUBS_PENDING_IN), "to");
    assert_string_equal(subs_subscription(SUBS_FROM | SUBS_PENDING_OUT), "from");
    assert_string_equal(subs_subscription(SUBS_TO | SUBS_FROM), "both");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subs_table_every_cell),
        cmocka_unit_test(test_subs_table_preapproved_subscribe),
        cmocka_unit_test(test_subs_table_approval_lasts),
        cmocka_unit_test(test_subs_table_second_preapproval_is_silent),
        cmocka_unit_test(test_subs_table_any_bits),
        cmocka_unit_test(test_subs_table_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
