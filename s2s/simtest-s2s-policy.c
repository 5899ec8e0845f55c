/* Whom the operator allows, and on which proof, between simulated hosts. */
#include "s2s/s2s-explain.h"
#include "s2s/tests-world-int.h"

static struct s2s_policy *policy(bool is_denied, const struct s2s_rule *rules, size_t n)
{
    struct s2s_policy *p = NULL;
    char why[200] = "";
    struct s2s_policy_conf c = {.is_denied = is_denied, .rules = rules, .n_rules = n};
    if (s2s_policy_new(&c, &p, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return p;
}

static void set(struct host *h, const struct s2s_rule *rule)
{
    struct s2s_policy *p = rule ? policy(false, rule, 1) : NULL;
    s2s_set_policy(h->s2s, &p);
}

static const struct s2s_rule deny0 = {.host = "d0.test", .is_denied = true},
                             deny1 = {.host = "d1.test", .is_denied = true},
                             cert0 = {.host = "d0.test", .auth = S2S_PROOF_CERTIFICATE},
                             cert1 = {.host = "d1.test", .auth = S2S_PROOF_CERTIFICATE},
                             plain0 = {.host = "d0.test", .is_plain = true};

/* The record of the domain has this outcome. */
static bool has_outcome(struct host *h, const char *remote, bool is_inbound, const char *cause)
{
    struct json *out = json_new_object();
    bool found = false;
    assert_true(s2s_show(h->s2s, str_of(remote), out));
    const struct json *rows = json_get(out, "outcomes");
    for (size_t i = 0; i < json_len(rows); i++) {
        const char *direction = json_get_str(json_at(rows, i), "direction");
        found = found || (strcmp(json_get_str(json_at(rows, i), "cause"), cause) == 0 &&
                          strcmp(direction, is_inbound ? "in" : "out") == 0);
    }
    json_free(&out);
    return found;
}

static void test_outgoing_denied(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    world_open(w);
    set(a, &deny1);
    host_send(a, "d1.test", 10);
    run_until(&a->n_back, 1, SEC);
    assert_int_equal(a->back[0].cond, STANZA_NOT_ALLOWED);
    assert_non_null(strstr(a->back[0].text, "host_policy denies 'd1.test'"));
    assert_true(has_outcome(a, "d1.test", false, "policy-ours"));
    run_for(20 * SEC);
    assert_int_equal(b->n_accepted, 0);
    world_end(&w);
}

/* Whatever proves it. */
static void test_incoming_denied(void **state UNUSED)
{
    for (int is_bad = 0; is_bad < 2; is_bad++) {
        struct world *w = world_begin(2);
        struct host *a = &w->h[0], *b = &w->h[1];
        if (is_bad)
            a->conf.tls_client = bad_out[0];
        world_open(w);
        set(b, &deny0);
        host_send(a, "d1.test", 10);
        run_until(&a->n_back, 1, 10 * SEC);
        assert_non_null(strstr(a->back[0].text, "policy-violation"));
        assert_true(has_outcome(b, "d0.test", true, "policy-ours"));
        assert_int_equal(b->n_in, 0);
        assert_int_equal(b->n_back, 0);
        world_end(&w);
    }
}

/* Only the rest of the world; and nobody but one. */
static void test_default_policy(void **state UNUSED)
{
    static const struct s2s_rule allow1 = {.host = "d1.test"};
    struct world *w = world_begin(3);
    struct host *a = &w->h[0];
    a->conf.policy = policy(true, &allow1, 1);
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&w->h[1].n_in, 1, 5 * SEC);
    host_send(a, "d2.test", 10);
    run_until(&a->n_back, 1, SEC);
    assert_non_null(strstr(a->back[0].text, "default_policy"));
    s2s_policy_unref(&a->conf.policy);
    world_end(&w);
}

/* The stream is good, a further domain on it is not. */
static void test_further_pair_denied(void **state UNUSED)
{
    static const struct s2s_rule below = {.host = "*.d0.test", .is_denied = true};
    struct world *w = world_begin(4);
    struct host *a = &w->h[0], *b = &w->h[1];
    world_open(w);
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    set(b, &below);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    host_put(a, "<message id='9' from='u@sub.d0.test' to='v@d1.test'><body>x</body></message>");
    run_until(&a->n_back, 1, 12 * SEC);
    assert_non_null(strstr(a->back[0].text, "policy-violation"));
    assert_int_equal(b->n_in, 1);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 2, 5 * SEC);
    world_end(&w);
}

/* A policy that comes later ends what is there, in both roles; without it all goes on. */
static void test_denied_later(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_begin(seed);
        struct host *a = &w->h[0], *b = &w->h[1];
        bool is_opener = seed & 1;
        a->conf.no_bidi = seed & 2;
        a->conf.no_acks = seed & 4;
        world_open(w);
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 1, 5 * SEC);
        set(is_opener ? a : b, is_opener ? &deny1 : &deny0);
        run_for(SEC);
        assert_int_equal(host_rows(is_opener ? a : b), 0);
        host_send(a, "d1.test", 10);
        run_until(&a->n_back, 1, 12 * SEC);
        assert_int_equal(b->n_in, 1);
        set(is_opener ? a : b, NULL);
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 2, 10 * SEC);
        world_end(&w);
    }
}

static void follow(struct host *h, const char *domain)
{
    struct s2s_rtbl_set *set = s2s_rtbl_set_new();
    struct s2s_rtbl *l = s2s_rtbl_new(STR("rtbl.test"), STR("spam"), 1);
    struct s2s_rtbl_key k;
    s2s_rtbl_key_of(str_of(domain), &k);
    s2s_rtbl_add(l, &k);
    s2s_rtbl_set_add(set, &l);
    s2s_set_rtbl(h->s2s, &set);
}

/* A list that is followed ends what is there, in both roles, and is named as the reason; a rule for
 * the very domain frees it, and so does its going. */
static void test_listed(void **state UNUSED)
{
    static const struct s2s_rule allow1 = {.host = "d1.test"}, allow0 = {.host = "d0.test"};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_begin(seed);
        struct host *a = &w->h[0], *b = &w->h[1];
        bool is_opener = seed & 1;
        struct host *at = is_opener ? a : b;
        const char *other = is_opener ? "d1.test" : "d0.test";
        struct s2s_rtbl_set *none = NULL;
        world_open(w);
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 1, 5 * SEC);
        follow(at, other);
        run_for(SEC);
        assert_int_equal(host_rows(at), 0);
        host_send(a, "d1.test", 10);
        run_until(&a->n_back, 1, 12 * SEC);
        if (is_opener)
            assert_non_null(strstr(a->back[0].text, "the list 'spam' of rtbl.test names it"));
        assert_true(has_outcome(at, other, !is_opener, "policy-listed"));
        assert_int_equal(b->n_in, 1);
        set(at, is_opener ? &allow1 : &allow0);
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 2, 10 * SEC);
        set(at, NULL);
        s2s_set_rtbl(at->s2s, &none);
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 3, 10 * SEC);
        world_end(&w);
    }
}

/* What waits for a domain that cannot be reached, or flies on a cut stream, comes back at once. */
static void test_waiting_comes_back(void **state UNUSED)
{
    struct world *w = world_begin(5);
    struct host *a = &w->h[0];
    world_open(w);
    listener_close(&w->h[1].listener);
    host_send(a, "d1.test", 10);
    run_for(SEC / 2);
    assert_int_equal(a->n_back, 0);
    set(a, &deny1);
    run_until(&a->n_back, 1, SEC);
    assert_int_equal(a->back[0].cond, STANZA_NOT_ALLOWED);
    world_end(&w);
}

/* A certificate is wanted of the server we go to. */
static void test_certificate_outgoing(void **state UNUSED)
{
    for (int is_bad = 0; is_bad < 2; is_bad++) {
        struct world *w = world_begin(6);
        struct host *a = &w->h[0], *b = &w->h[1];
        if (is_bad)
            b->conf.tls_server = bad_in[1];
        world_open(w);
        set(a, &cert1);
        host_send(a, "d1.test", 10);
        if (is_bad) {
            run_until(&a->n_back, 1, 11 * SEC);
            assert_true(has_outcome(a, "d1.test", false, "cert-issuer"));
        } else {
            run_until(&b->n_in, 1, 5 * SEC);
        }
        assert_int_equal(b->n_in, is_bad ? 0 : 1);
        world_end(&w);
    }
}

/* And of the one that comes; on the rest of the world dialback is good enough. */
static void test_certificate_incoming(void **state UNUSED)
{
    for (int is_bad = 0; is_bad < 2; is_bad++) {
        struct world *w = world_begin(7);
        struct host *a = &w->h[0], *b = &w->h[1], *c = &w->h[2];
        c->conf.tls_client = bad_out[2];
        if (is_bad)
            a->conf.tls_client = bad_out[0];
        world_open(w);
        set(b, &cert0);
        host_send(a, "d1.test", 10);
        host_send(c, "d1.test", 10);
        run_until(&b->n_in, is_bad ? 1 : 2, 5 * SEC);
        if (is_bad)
            run_until(&a->n_back, 1, 11 * SEC);
        assert_string_equal(host_list(b, "in", "d2.test", "auth"), "dialback");
        assert_int_equal(b->n_in, is_bad ? 1 : 2);
        world_end(&w);
    }
}

/* Dialback was good enough, and is not any more. */
static void test_certificate_later(void **state UNUSED)
{
    struct world *w = world_begin(8);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tls_client = bad_out[0];
    a->conf.no_bidi = true;
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    set(b, &cert0);
    run_for(SEC);
    assert_int_equal(host_rows(b), 0);
    world_end(&w);
}

/* One old domain without TLS, both ways; all others still need it. */
static void test_plain(void **state UNUSED)
{
    struct world *w = world_begin(9);
    struct host *a = &w->h[0], *b = &w->h[1];
    b->conf.no_bidi = true;
    a->conf.tls_server = a->conf.tls_client = NULL;
    a->conf.tls_required = false;
    world_open(w);
    host_send(a, "d1.test", 10);
    host_send(b, "d0.test", 10);
    run_for(3 * SEC);
    assert_int_equal(a->n_in + b->n_in, 0);
    set(b, &plain0);
    run_until(&b->n_in, 1, 6 * SEC);
    run_until(&a->n_in, 1, 6 * SEC);
    assert_string_equal(host_list(b, "in", "d0.test", "auth"), "dialback");
    world_end(&w);
}

/* ---- domains never seen before */

/* d0 and d2 come at once, one a minute is let in; the other waits, is told why, and comes later. */
static void test_newcomers(void **state UNUSED)
{
    for (int is_dialback = 0; is_dialback < 2; is_dialback++) {
        struct world *w = world_begin(11);
        struct host *a = &w->h[0], *b = &w->h[1], *c = &w->h[2];
        b->conf.newcomers = s2s_newcomers_new(1);
        for (int i = 0; i < HOSTS; i += 2) {
            w->h[i].conf.tune.expire_message_ms = 300000;
            w->h[i].conf.tune.retry_max_ms = 4000;
            if (is_dialback)
                w->h[i].conf.tls_client = bad_out[i];
        }
        world_open(w);
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 1, 5 * SEC);
        host_send(c, "d1.test", 10);
        run_for(30 * SEC);
        assert_int_equal(b->n_in, 1);
        assert_true(has_outcome(c, "d1.test", false, "auth-dialback-error"));
        assert_true(s2s_kick(a->s2s, STR("d1.test")) > 0); /* it is known: it comes back */
        run_for(SEC);
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 2, 5 * SEC);
        run_until(&b->n_in, 3, 60 * SEC);
        assert_int_equal(c->n_back, 0);
        struct s2s_newcomers *n = b->conf.newcomers;
        world_end(&w);
        s2s_newcomers_free(&n);
    }
}

/* Whom we called ourselves, and whom a rule names, is no newcomer. */
static void test_no_newcomers(void **state UNUSED)
{
    struct world *w = world_begin(12);
    static const struct s2s_rule allow0 = {.host = "d0.test"};
    struct host *b = &w->h[1];
    struct s2s_newcomers *n = s2s_newcomers_new(1);
    b->conf.newcomers = n;
    b->conf.no_bidi = true;
    world_open(w);
    set(b, &allow0);
    assert_true(s2s_newcomers_take(n, STR("somebody.test")));
    assert_false(s2s_newcomers_take(n, STR("else.test")));
    host_send(&w->h[0], "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    host_send(b, "d2.test", 10);
    run_until(&w->h[2].n_in, 1, 5 * SEC);
    host_send(&w->h[2], "d1.test", 10);
    run_until(&b->n_in, 2, 5 * SEC);
    world_end(&w);
    s2s_newcomers_free(&n);
}

static void on_report(void *ctx, struct json **report)
{
    struct json **to = ctx;
    *to = *report;
    *report = NULL;
}

static void explain(bool is_listed, const char *cause, const char *why)
{
    struct world *w = world_begin(10);
    struct host *a = &w->h[0];
    struct op_owner ops;
    struct json *report = NULL;
    op_owner_init(&ops);
    world_open(w);
    if (is_listed)
        follow(a, "d1.test");
    else
        set(a, &deny1);
    s2s_explain(a->s2s, &ops, "d0.test", STR("d1.test"), on_report, &report);
    run_for(SEC);
    assert_non_null(report);
    s2s_explain_verdict(report);
    assert_string_equal(json_get_str(report, "cause"), cause);
    const char *verdict = json_get_str(report, "verdict");
    assert_non_null(strstr(verdict, why));
    assert_non_null(strstr(verdict, "on our side"));
    assert_int_equal(w->h[1].n_accepted, 0);
    json_free(&report);
    world_end(&w);
}

static void test_explain(void **state UNUSED)
{
    explain(false, "policy-ours", "host_policy denies 'd1.test'");
    explain(true, "policy-listed", "the list 'spam' of rtbl.test names it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listed),
        cmocka_unit_test(test_outgoing_denied),
        cmocka_unit_test(test_incoming_denied),
        cmocka_unit_test(test_default_policy),
        cmocka_unit_test(test_further_pair_denied),
        cmocka_unit_test(test_denied_later),
        cmocka_unit_test(test_waiting_comes_back),
        cmocka_unit_test(test_certificate_outgoing),
        cmocka_unit_test(test_certificate_incoming),
        cmocka_unit_test(test_certificate_later),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_newcomers),
        cmocka_unit_test(test_no_newcomers),
        cmocka_unit_test(test_explain),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
