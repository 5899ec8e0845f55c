#ifndef LIB_STREAM_TESTS_LOGIN_INT_H
#define LIB_STREAM_TESTS_LOGIN_INT_H
/* Logins from end to end, run over loopback TCP by test-login.c and over the simulated network by
 * simtest-login.c. */
#include "lib/stream/tests-parties-int.h"

static struct str text_of(const struct buf *b)
{
    return buf_view(b);
}

/* Logged in: exchange a stanza each way, close from the given side, both ends in order. */
static void converse_and_close(struct both *b, bool inner_closes)
{
    assert_true(rig_run(&b->r, RIG_WAIT_US, outer_is_ready, &b->o));
    if (b->o.ends)
        fail_msg("login failed: %s", b->o.end.text);
    (void)stream_out_send_text(b->o.s, STR("<message to='x@y'><body>&lt;hi&gt;</body></message>"));
    (void)stream_in_send_text(b->i.s, STR("<presence from='y'/>"));
    b->want_inner = b->want_outer = 1;
    assert_true(rig_run(&b->r, RIG_WAIT_US, both_got, b));
    assert_true(str_eqc(text_of(&b->o.got), "<presence from='y'/>\n"));
    assert_true(str_starts(text_of(&b->i.got), STR("<message to='x@y'><body>")));
    if (inner_closes)
        stream_in_close(b->i.s, STREAM_OK, NULL);
    else
        stream_out_close(b->o.s, STREAM_OK, NULL);
    assert_true(rig_run(&b->r, RIG_WAIT_US, both_over, b));
    assert_int_equal(b->i.end.err, ERR_EOF);
    assert_int_equal(b->o.end.err, ERR_EOF);
    assert_int_equal(b->i.end.sent, STREAM_OK);
    assert_int_equal(b->i.end.received, STREAM_OK);
}

static void test_login_starttls_scram(void **state)
{
    struct both b;
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        both_begin(&b, (uint64_t)turn + 1);
        b.i.conf.tls_required = turn & 1;
        b.i.late_answers = turn & 2;
        both_connect(&b);
        converse_and_close(&b, turn & 1);
        assert_int_equal(b.i.headers, 3);
        assert_int_equal(b.o.headers, 3);
        assert_int_equal(b.o.secured, 1);
        assert_int_equal(b.o.features, 1);
        assert_int_equal(b.i.features,
                         turn & 1 ? 2 : 3); /* nothing but STARTTLS when it is required */
        assert_string_equal(b.i.user, "juliet");
        both_end(&b);
    }
}

static void test_login_direct_tls_plain(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 5);
    b.i.direct_tls = b.o.conf.direct_tls = true;
    b.i.conf.tls_required = true;
    b.o.mech = SASL_PLAIN;
    both_connect(&b);
    converse_and_close(&b, true);
    assert_int_equal(b.i.headers, 2);
    both_end(&b);
}

static void test_login_without_tls(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 6);
    b.i.conf.tls = NULL;
    b.o.conf.tls_required = false;
    both_connect(&b);
    converse_and_close(&b, false);
    assert_int_equal(b.o.secured, 0);
    both_end(&b);
}

static void test_login_as_dialback(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 7);
    b.i.conf.content_ns = b.o.conf.content_ns = NS_SERVER;
    b.o.conf.from = "other.example";
    b.o.conf.dialback = true;
    b.i.mechs = 0;
    b.o.no_sasl = true;
    b.i.authenticate_in_header = false;
    both_connect(&b);
    assert_true(rig_run(&b.r, RIG_WAIT_US, outer_is_ready, &b.o));
    assert_true(stream_in_header(b.i.s)->dialback);
    assert_true(stream_out_header(b.o.s)->dialback);
    assert_true(str_eqc(stream_out_header(b.o.s)->id, stream_in_id(b.i.s)));
    assert_true(str_eqc(stream_out_header(b.o.s)->to, "other.example"));
    assert_true(str_eqc(stream_out_header(b.o.s)->from, RIG_DOMAIN));
    stream_in_set_authenticated(b.i.s);
    converse_and_close(&b, false);
    both_end(&b);
}

/* <auth/> is out before the peer said anything, a stanza before it said what it offers now. */
static void test_login_ahead(void **state)
{
    struct both b;
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        both_begin(&b, 20 + (uint64_t)turn);
        b.i.direct_tls = b.o.conf.direct_tls = turn & 1;
        b.i.late_answers = turn & 2;
        b.o.mech = turn & 2 ? SASL_SCRAM_SHA_256 : SASL_PLAIN;
        b.o.goes_ahead = true;
        both_connect(&b);
        b.want_inner = 1;
        assert_true(rig_run(&b.r, RIG_WAIT_US, both_got, &b));
        assert_true(str_eqc(text_of(&b.i.got), "<presence id='ahead'/>\n"));
        assert_true(rig_run(&b.r, RIG_WAIT_US, outer_is_ready, &b.o));
        assert_int_equal(b.o.opened, 1);
        assert_int_equal(b.o.authenticated, 1);
        assert_int_equal(b.o.features, 0); /* nobody asked */
        assert_non_null(stream_out_features(b.o.s));
        stream_out_close(b.o.s, STREAM_OK, NULL);
        assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
        assert_int_equal(b.o.end.err, ERR_EOF);
        both_end(&b);
    }
}

/* A refusal comes as ever, once the features are here. */
static void test_login_ahead_refused(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 30);
    b.i.direct_tls = b.o.conf.direct_tls = true;
    b.o.goes_ahead = true;
    b.o.password = "wrong";
    b.o.mech = SASL_PLAIN;
    both_connect(&b);
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
    assert_int_equal(b.o.refusals, 3);
    assert_int_equal(b.o.authenticated, 0);
    assert_int_equal(b.o.end.received, STREAM_POLICY_VIOLATION);
    both_end(&b);
}

static void test_login_wrong_password(void **state)
{
    struct both b;
    (void)state;
    for (int m = 0; m < 2; m++) {
        both_begin(&b, 8);
        b.o.password = "wrong";
        b.o.mech = m ? SASL_PLAIN : SASL_SCRAM_SHA_256;
        both_connect(&b);
        assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
        assert_int_equal(b.o.refusals, 3);
        assert_int_equal(b.o.refused_with, SASL_FAIL_NOT_AUTHORIZED);
        assert_int_equal(b.o.end.received, STREAM_POLICY_VIOLATION);
        assert_int_equal(b.i.end.sent, STREAM_POLICY_VIOLATION);
        assert_int_equal(b.i.end.err, ERR_AUTH);
        assert_int_equal(b.i.authentications, 0);
        both_end(&b);
    }
}

static void test_login_no_starttls_offered(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 9);
    b.i.conf.tls = NULL;
    both_connect(&b);
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
    assert_int_equal(b.o.end.err, ERR_TLS);
    assert_int_equal(b.i.end.err, ERR_EOF);
    both_end(&b);
}

static void test_login_certificate_refused(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 10);
    b.o.secured_says_no = true;
    both_connect(&b);
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
    assert_int_equal(b.o.end.err, ERR_CERT);
    assert_int_equal(b.i.end.received, STREAM_POLICY_VIOLATION);
    both_end(&b);
}

static void test_login_last_word(void **state)
{
    struct both b;
    (void)state;
    both_begin(&b, 11);
    b.i.authenticated_says = SASL_FAIL_ACCOUNT_DISABLED;
    both_connect(&b);
    assert_true(rig_run(&b.r, RIG_WAIT_US, both_over, &b));
    assert_int_equal(b.o.refused_with, SASL_FAIL_ACCOUNT_DISABLED);
    assert_int_equal(b.o.readies, 0);
    both_end(&b);
}

#define LOGIN_TESTS                                                                                \
    cmocka_unit_test(test_login_starttls_scram), cmocka_unit_test(test_login_direct_tls_plain),    \
        cmocka_unit_test(test_login_without_tls), cmocka_unit_test(test_login_as_dialback),        \
        cmocka_unit_test(test_login_wrong_password),                                               \
        cmocka_unit_test(test_login_no_starttls_offered),                                          \
        cmocka_unit_test(test_login_certificate_refused), cmocka_unit_test(test_login_last_word),  \
        cmocka_unit_test(test_login_ahead), cmocka_unit_test(test_login_ahead_refused)
#endif
