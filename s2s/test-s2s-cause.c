/* The table of causes, and the way from what lower layers say to one of its lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/base.h"
#include "s2s/s2s-cause.h"

/* Names are for logs, labels and scripts; texts are clauses for sentences. */
static void test_table_is_fit_to_print(void **state UNUSED)
{
    for (unsigned c = 0; c < S2S_CAUSES; c++) {
        const char *name = s2s_cause_name(c), *text = s2s_cause_text(c);
        assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name) && *name);
        assert_int_equal(s2s_cause_find(name), c);
        assert_true(*text && !(text[0] >= 'A' && text[0] <= 'Z'));
        assert_true(text[strlen(text) - 1] != '.');
        assert_true(c == S2S_CAUSE_NONE || *s2s_cause_advice(c));
        /* the class is the first word of the name, so that names sort */
        const char *class = s2s_class_name(s2s_cause_class(c));
        assert_true(strncmp(name, class, strlen(class)) == 0);
    }
    assert_int_equal(s2s_cause_find("no-such-cause"), S2S_CAUSES);
}

static void test_table_sides_and_conditions(void **state UNUSED)
{
    for (unsigned c = 1; c < S2S_CAUSES; c++) {
        assert_true(s2s_cause_side(c) != S2S_SIDE_NOBODY);
        assert_true(s2s_cause_cond(c) != STANZA_OK);
        if (s2s_cause_class(c) == S2S_CLASS_LOCAL)
            assert_int_equal(s2s_cause_side(c), S2S_SIDE_OURS);
        if (s2s_cause_class(c) == S2S_CLASS_CERT)
            assert_false(s2s_cause_is_final(c)); /* certificates are renewed */
    }
    assert_int_equal(s2s_cause_side(S2S_CAUSE_NONE), S2S_SIDE_NOBODY);
    assert_string_equal(s2s_side_name(S2S_SIDE_NOBODY), "nobody");
    assert_string_equal(s2s_side_name(S2S_SIDE_BETWEEN), "between");
    /* out of range is nothing, not a crash: it comes from what was stored */
    assert_string_equal(s2s_cause_name((enum s2s_cause)999), "none");
    assert_string_equal(s2s_class_name((enum s2s_class)999), "none");
}

static void test_say(void **state UNUSED)
{
    char out[120], small[40];
    enum s2s_cause c = S2S_CAUSE_TLS_MISSING;
    const char *clause = s2s_cause_text(c);
    assert_string_equal(s2s_cause_say(out, sizeof out, c, NULL), clause);
    assert_string_equal(s2s_cause_say(out, sizeof out, c, ""), clause);
    assert_string_equal(s2s_cause_say(out, sizeof out, c, "TLS"), clause); /* says less */
    assert_string_equal(s2s_cause_say(out, sizeof out, S2S_CAUSE_PEER_CLOSED, "bye"),
                        "the peer closed the connection (bye)");
    char again[120];
    snprintf(again, sizeof again, "x.test: %s", clause);
    assert_string_equal(s2s_cause_say(out, sizeof out, c, again), again); /* once is enough */
    s2s_cause_say(small, sizeof small, c, "something long that does not fit into it");
    assert_true(strlen(small) == sizeof small - 1 && strncmp(small, clause, 39) == 0);
}

static void test_dial(void **state UNUSED)
{
    static const struct {
        enum err e;
        const char *name;
    } rows[] = {
        {ERR_OK, "none"},
        {ERR_INVALID, "dns-name"},
        {ERR_DNS_NXDOMAIN, "dns-nxdomain"},
        {ERR_DNS_NODATA, "dns-nodata"},
        {ERR_DNS_TARGET, "dns-target"},
        {ERR_DNS_REFUSED_SERVICE, "dns-no-service"},
        {ERR_DNS_SERVFAIL, "dns-servfail"},
        {ERR_DNS_TIMEOUT, "dns-timeout"},
        {ERR_PROTOCOL, "dns-malformed"},
        {ERR_REFUSED, "address-refused"},
        {ERR_UNREACHABLE, "address-unreachable"},
        {ERR_TIMEOUT, "address-timeout"},
        {ERR_RESET, "peer-reset"},
        {ERR_LIMIT, "address-unreachable"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(s2s_cause_name(s2s_cause_of_dial(rows[i].e)), rows[i].name);
}

static void test_stream_errors_of_the_peer(void **state UNUSED)
{
    static const struct {
        enum stream_cond received;
        const char *name;
    } rows[] = {
        {STREAM_HOST_UNKNOWN, "peer-host-unknown"},
        {STREAM_HOST_GONE, "peer-host-unknown"},
        {STREAM_POLICY_VIOLATION, "policy-theirs"},
        {STREAM_NOT_AUTHORIZED, "policy-theirs"},
        {STREAM_RESOURCE_CONSTRAINT, "limit-theirs"},
        {STREAM_REMOTE_CONNECTION_FAILED, "auth-dialback-error"},
        {STREAM_SYSTEM_SHUTDOWN, "peer-closed"},
        {STREAM_RESET, "peer-closed"},
        {STREAM_UNSUPPORTED_VERSION, "peer-version"},
        {STREAM_INTERNAL_SERVER_ERROR, "peer-error"},
        {STREAM_NOT_WELL_FORMED, "peer-error"}, /* its complaint about us */
        {STREAM_UNDEFINED_CONDITION, "peer-error"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        /* whatever else happened: the peer's word comes first */
        struct stream_end e = {.err = i % 2 ? ERR_RESET : ERR_TLS, .received = rows[i].received};
        assert_string_equal(s2s_cause_name(s2s_cause_of_end(&e, i % 2, !(i % 2))), rows[i].name);
    }
}

static void test_ends(void **state UNUSED)
{
    static const struct {
        struct stream_end e;
        bool wants_tls, is_secured;
        const char *name;
    } rows[] = {
        {{.err = ERR_PROTOCOL, .sent = STREAM_NOT_WELL_FORMED}, 0, 0, "peer-xml"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_INVALID_NAMESPACE}, 0, 1, "peer-xml"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_UNSUPPORTED_STANZA_TYPE}, 0, 1, "peer-xml"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_UNSUPPORTED_VERSION}, 0, 0, "peer-version"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_NOT_AUTHORIZED}, 0, 1, "peer-rules"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_INVALID_FROM}, 0, 1, "peer-rules"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_RESTRICTED_XML}, 0, 1, "peer-xml"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_RESOURCE_CONSTRAINT}, 0, 1, "limit-rate"},
        {{.err = ERR_PROTOCOL, .sent = STREAM_POLICY_VIOLATION}, 0, 1, "limit-rate"},
        {{.err = ERR_TLS, .step = STREAM_AT_FEATURES}, 0, 0, "tls-missing"},
        {{.err = ERR_TLS, .step = STREAM_AT_STARTTLS}, 0, 0, "tls-refused"},
        {{.err = ERR_TLS, .step = STREAM_AT_TLS, .tls = TLS_FAULT_VERSION}, 0, 0, "tls-version"},
        {{.err = ERR_TLS, .step = STREAM_AT_TLS, .tls = TLS_FAULT_LOST}, 0, 0, "tls-lost"},
        {{.err = ERR_TLS, .step = STREAM_AT_TLS, .tls = TLS_FAULT_GARBAGE}, 1, 0, "tls-handshake"},
        {{.err = ERR_TLS, .step = STREAM_AT_HEADER, .tls = TLS_FAULT_ALERT}, 0, 1, "tls-handshake"},
        {{.err = ERR_RESET, .step = STREAM_AT_TLS}, 0, 0, "tls-lost"},
        {{.err = ERR_RESET, .step = STREAM_AT_STARTTLS, .is_eof = true}, 0, 0, "tls-lost"},
        {{.err = ERR_RESET, .step = STREAM_AT_HEADER}, 0, 0, "peer-reset"},
        {{.err = ERR_RESET, .step = STREAM_AT_HEADER, .is_eof = true}, 0, 1, "peer-closed"},
        {{.err = ERR_RESET, .step = STREAM_AT_READY}, 0, 1, "peer-reset"},
        {{.err = ERR_EOF, .step = STREAM_AT_READY}, 0, 1, "peer-closed"},
        {{.err = ERR_EOF, .sent = STREAM_NOT_AUTHORIZED}, 0, 1, "peer-rules"},
        {{.err = ERR_RESET, .sent = STREAM_INVALID_FROM}, 0, 1, "peer-rules"},
        {{.err = ERR_OK, .sent = STREAM_SYSTEM_SHUTDOWN}, 0, 1, "local-stopping"},
        {{.err = ERR_EOF, .sent = STREAM_CONNECTION_TIMEOUT}, 0, 1, "peer-silent"},
        {{.err = ERR_CERT, .step = STREAM_AT_TLS}, 0, 1, "cert-other"},
        {{.err = ERR_AUTH, .step = STREAM_AT_FEATURES}, 0, 1, "auth-none"},
        {{.err = ERR_AUTH, .step = STREAM_AT_SASL}, 0, 1, "auth-external"},
        {{.err = ERR_TIMEOUT, .step = STREAM_AT_TLS}, 0, 0, "peer-silent"},
        {{.err = ERR_LIMIT, .step = STREAM_AT_READY}, 0, 1, "peer-stalled"},
        {{.err = ERR_UNREACHABLE, .step = STREAM_AT_READY}, 0, 1, "address-unreachable"},
        {{.err = ERR_IO, .step = STREAM_AT_READY}, 0, 1, "peer-reset"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(
            s2s_cause_name(s2s_cause_of_end(&rows[i].e, rows[i].wants_tls, rows[i].is_secured)),
            rows[i].name);
}

static void test_certificates(void **state UNUSED)
{
    static const struct {
        struct tls_info i;
        const char *name;
    } rows[] = {
        {{.has_cert = false}, "cert-missing"},
        {{.has_cert = true, .cert_fault = TLS_CERT_EXPIRED}, "cert-expired"},
        {{.has_cert = true, .cert_fault = TLS_CERT_NOT_YET}, "cert-not-yet-valid"},
        {{.has_cert = true, .cert_fault = TLS_CERT_ISSUER}, "cert-issuer"},
        {{.has_cert = true, .cert_fault = TLS_CERT_WEAK}, "cert-weak"},
        {{.has_cert = true, .cert_fault = TLS_CERT_REVOKED}, "cert-revoked"},
        {{.has_cert = true, .cert_fault = TLS_CERT_OTHER}, "cert-other"},
        {{.has_cert = true, .chain_ok = true}, "cert-name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(s2s_cause_name(s2s_cause_of_cert(&rows[i].i)), rows[i].name);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_fit_to_print),
        cmocka_unit_test(test_table_sides_and_conditions),
        cmocka_unit_test(test_say),
        cmocka_unit_test(test_dial),
        cmocka_unit_test(test_stream_errors_of_the_peer),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
