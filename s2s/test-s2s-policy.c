/* Rules and block lists. */
#include "s2s/s2s-policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"

static struct s2s_policy *policy(bool is_denied, const struct s2s_rule *rules, size_t n,
                                 const char *list)
{
    struct s2s_policy *p = NULL;
    char why[200] = "";
    struct s2s_policy_conf c = {.is_denied = is_denied, .rules = rules, .n_rules = n};
    assert_int_equal(s2s_policy_new(&c, &p, why, sizeof why), ERR_OK);
    assert_int_equal(s2s_policy_block(p, "list", str_of(list), why, sizeof why), ERR_OK);
    return p;
}

static struct s2s_terms terms(const struct s2s_policy *p, const char *remote)
{
    struct s2s_terms t = {.tls_required = true, .dialback = true, .external = true};
    s2s_policy_apply(p, str_of(remote), &t);
    return t;
}

static void expects(const struct s2s_policy *p, const char *remote, const char *denied_because)
{
    struct s2s_terms t = terms(p, remote);
    assert_int_equal(t.is_denied, denied_because != NULL);
    if (denied_because && !strstr(t.why, denied_because))
        fail_msg("%s: %s", remote, t.why);
}

static void test_nothing_said(void **state)
{
    (void)state;
    expects(NULL, "a.example", NULL);
    struct s2s_policy *p = policy(false, NULL, 0, "");
    expects(p, "a.example", NULL);
    s2s_policy_unref(&p);
}

static void test_deny_list(void **state)
{
    (void)state;
    static const struct s2s_rule rules[] = {{.host = "Bad.Example", .is_denied = true},
                                            {.host = "*.worse.example", .is_denied = true},
                                            {.host = "good.worse.example"}};
    struct s2s_policy *p = policy(false, rules, 3, "");
    expects(p, "bad.example", "'bad.example'");
    expects(p, "sub.bad.example", NULL);
    expects(p, "worse.example", NULL);
    expects(p, "x.worse.example", "'*.worse.example'");
    expects(p, "y.x.worse.example", "'*.worse.example'");
    expects(p, "good.worse.example", NULL);
    expects(p, "x.good.worse.example", "'*.worse.example'");
    expects(p, "notworse.example", NULL);
    s2s_policy_unref(&p);
}

static void test_allow_list(void **state)
{
    (void)state;
    static const struct s2s_rule rules[] = {
        {.host = "friend.example"}, {.host = "*.org"}, {.host = "*.bad.org", .is_denied = true}};
    struct s2s_policy *p = policy(true, rules, 3, "");
    expects(p, "friend.example", NULL);
    expects(p, "a.friend.example", "default_policy");
    expects(p, "localhost", "default_policy");
    expects(p, "x.org", NULL);
    expects(p, "x.bad.org", "'*.bad.org'"); /* the nearest */
    expects(p, "bad.org", NULL);
    s2s_policy_unref(&p);
}

static void test_block_list(void **state)
{
    (void)state;
    static const struct s2s_rule rules[] = {{.host = "saved.example"}, {.host = "*.org"}};
    struct s2s_policy *p = policy(false, rules, 2,
                                  "# spam\n\nspam.example  # why\r\n*.relays.example\n"
                                  "saved.example\nevil.org\nspam.example\nxn--bcher-kva.example");
    assert_int_equal(s2s_policy_blocked(p), 5);
    expects(p, "spam.example", "line 3");
    expects(p, "a.b.relays.example", "line 4");
    expects(p, "relays.example", NULL);
    expects(p, "saved.example", NULL); /* by the operator's own rule */
    expects(p, "evil.org", "line 6");  /* a wide rule does not save it */
    expects(p, "other.org", NULL);
    expects(p, "bücher.example", "line 8");
    s2s_policy_unref(&p);
}

static void test_proof(void **state)
{
    (void)state;
    static const struct s2s_rule rules[] = {
        {.host = "bank.example", .auth = S2S_PROOF_CERTIFICATE, .is_plain = true},
        {.host = "*.old.example", .is_plain = true}};
    struct s2s_policy *p = policy(false, rules, 2, "");
    struct s2s_terms t = terms(p, "bank.example");
    assert_true(t.needs_cert);
    assert_true(t.tls_required); /* no certificate without TLS */
    assert_non_null(strstr(t.why, "'bank.example' wants a certificate"));
    t = terms(p, "x.old.example");
    assert_false(t.needs_cert);
    assert_false(t.tls_required);
    t = terms(p, "other.example");
    assert_true(!t.needs_cert && t.dialback && t.tls_required && t.external);
    assert_string_equal(t.why, "");
    s2s_policy_unref(&p);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *list, *why;
    } rows[] = {{"a.example\nb@c.example\n", "list:2: 'b@c.example' is not a domain"},
                {"a..example", "list:1: "},
                {"\n\n*\n", "list:3: '*' is not a domain"},
                {"*.a.*.example", "list:1: "},
                {"a.example b.example", "list:1: "}};
    struct s2s_policy *p = policy(false, NULL, 0, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[200] = "";
        assert_int_equal(s2s_policy_block(p, "list", str_of(rows[i].list), why, sizeof why),
                         ERR_INVALID);
        if (strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)
            fail_msg("%s", why);
    }
    s2s_policy_unref(&p);
}

static void test_bad_rules(void **state)
{
    (void)state;
    static const struct s2s_rule twice[] = {{.host = "a.example"}, {.host = "A.example"}},
                                 bad[] = {{.host = "a@b.example"}};
    struct s2s_policy *p = NULL;
    char why[200] = "";
    struct s2s_policy_conf c = {.rules = twice, .n_rules = 2};
    assert_int_equal(s2s_policy_new(&c, &p, why, sizeof why), ERR_INVALID);
    assert_non_null(strstr(why, "twice"));
    c = (struct s2s_policy_conf){.rules = bad, .n_rules = 1};
    assert_int_equal(s2s_policy_new(&c, &p, why, sizeof why), ERR_INVALID);
    assert_non_null(strstr(why, "not a domain"));
}

static void test_bounds(void **state)
{
    (void)state;
    struct s2s_policy *p = policy(false, NULL, 0, "");
    size_t size = S2S_BLOCKLIST_BYTES + 1, n = 0;
    char *text = mem_alloc(size), why[200] = "";
    for (unsigned i = 0; i <= S2S_BLOCKLIST_MAX; i++)
        n += (size_t)snprintf(text + n, size - n, "d%u.example\n", i);
    assert_int_equal(s2s_policy_block(p, "list", str_make(text, n), why, sizeof why), ERR_LIMIT);
    assert_string_equal(why, "list:100001: more than 100000 domains");
    memset(text, '\n', size);
    assert_int_equal(s2s_policy_block(p, "list", str_make(text, size), why, sizeof why), ERR_LIMIT);
    assert_int_equal(s2s_policy_block(p, "list", str_make(text, size - 1), why, sizeof why),
                     ERR_OK);
    mem_free(text);
    s2s_policy_unref(&p);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/meridian-blocklist-XXXXXX", why[200] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "spam.example\n", 13), 13);
    close(fd);
    struct s2s_policy *p = NULL;
    struct s2s_policy_conf c = {.blocklist_file = path};
    assert_int_equal(s2s_policy_new(&c, &p, why, sizeof why), ERR_OK);
    expects(p, "spam.example", "line 1");
    s2s_policy_unref(&p);
    unlink(path);
    assert_int_equal(s2s_policy_new(&c, &p, why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, path));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_said), cmocka_unit_test(test_deny_list),
        cmocka_unit_test(test_allow_list),   cmocka_unit_test(test_block_list),
        cmocka_unit_test(test_proof),        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_bad_rules),    cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
