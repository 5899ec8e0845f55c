/* The life of tokens, and their text. */
#include "lib/base/base.h"

#include <setjmp.h>

#include <cmocka.h>

#include "node/auth/account-token-int.h"

#define AGENT "0123456789abcdef0123456789abcdef"
#define LINE(slot) AGENT " HT-SHA-256-EXPR " slot " " AGENT " 1764000000000000 3\n"

static void test_account_token_text(void **state)
{
    static const char *const wrong[] = {
        "x",
        "\n",
        "since\n",
        "since x\n",
        AGENT "\n",
        LINE("other"),
        LINE("new") LINE("new"),
        AGENT " PLAIN new " AGENT " 1 1\n",
        AGENT " HT-SHA-256-NONE new " AGENT " 1\n",
        AGENT " HT-SHA-256-NONE new " AGENT " -1 1\n",
        "0 HT-SHA-256-NONE new " AGENT " 1 1\n",
        AGENT " HT-SHA-256-NONE new 0123456789ABCDEF0123456789ABCDEF 1 1\n",
    };
    struct account_tokens set = {.n = 77};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(account_tokens_parse(str_of(wrong[i]), &set), ERR_INVALID);
    assert_int_equal(set.n, 77); /* untouched */
    assert_int_equal(account_tokens_parse(STR("since 5\n" LINE("new") LINE("current")), &set),
                     ERR_OK);
    assert_int_equal(set.n, 2);
    assert_int_equal(set.since_us, 5);
    assert_int_equal(account_tokens_find(&set, AGENT, true)->count, 3);
    assert_int_equal(account_tokens_parse(STR(""), &set), ERR_OK);
    assert_int_equal(set.n, 0);
}

/* Whatever goes into a token changes it. */
static void test_account_token_is_keyed(void **state)
{
    struct account_tokens set = {0};
    char text[7][ACCOUNT_TOKEN_TEXT + 1];
    (void)state;
    struct account_token t = *account_tokens_add(&set, AGENT, SASL_HT_SHA_256_NONE, 1);
    account_token_text(&t, STR("secret"), STR("a@b"), text[0]);
    account_token_text(&t, STR("secreT"), STR("a@b"), text[1]);
    account_token_text(&t, STR("secret"), STR("a@c"), text[2]);
    t.mech = SASL_HT_SHA_256_EXPR;
    account_token_text(&t, STR("secret"), STR("a@b"), text[3]);
    t.mech = SASL_HT_SHA_256_NONE;
    t.agent[0] ^= 1;
    account_token_text(&t, STR("secret"), STR("a@b"), text[4]);
    t.agent[0] ^= 1;
    t.nonce[0] ^= 1;
    account_token_text(&t, STR("secret"), STR("a@b"), text[5]);
    t.nonce[0] ^= 1;
    account_token_text(&t, STR("secret"), STR("a@b"), text[6]);
    assert_string_equal(text[0], text[6]);
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(text[i], text[k]);
}

static void test_account_token_life(void **state)
{
    struct account_tokens set = {0};
    (void)state;
    account_tokens_add(&set, AGENT, SASL_HT_SHA_256_NONE, 10);
    assert_true(account_tokens_used(&set, account_tokens_find(&set, AGENT, true), 0));
    assert_false(account_tokens_used(&set, account_tokens_find(&set, AGENT, false), 0));
    assert_true(account_tokens_used(&set, account_tokens_find(&set, AGENT, false), 4));
    assert_int_equal(account_tokens_find(&set, AGENT, false)->count, 4);
    account_tokens_add(&set, AGENT, SASL_HT_SHA_256_NONE, 20);
    account_tokens_add(&set, AGENT, SASL_HT_SHA_256_NONE, 30); /* instead */
    assert_int_equal(set.n, 2);
    assert_false(account_tokens_used(&set, account_tokens_find(&set, AGENT, false), 0));
    assert_int_equal(set.n, 2); /* the new one expires later: it stays */
    assert_true(account_tokens_used(&set, account_tokens_find(&set, AGENT, true), 0));
    assert_int_equal(set.n, 1);
    assert_int_equal(account_tokens_find(&set, AGENT, false)->expires_us, 30);
    account_tokens_add(&set, AGENT, SASL_HT_SHA_256_NONE, 25);
    assert_true(account_tokens_used(&set, account_tokens_find(&set, AGENT, false), 0));
    assert_int_equal(set.n, 1); /* it would have expired earlier */
    account_tokens_drop(&set, account_tokens_find(&set, AGENT, false));
    assert_null(account_tokens_find(&set, AGENT, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account_token_text),
        cmocka_unit_test(test_account_token_is_keyed),
        cmocka_unit_test(test_account_token_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
