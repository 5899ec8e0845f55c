/* Tokens as the store has them: whatever is there, reading does not crash, what was read is written
 * and read again the same, and the rules keep it in its bounds. */
#include "node/auth/account-token-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const struct account_tokens *set)
{
    struct account_tokens again;
    struct buf one, two;
    buf_init(&one, ACCOUNT_TOKENS_TEXT);
    buf_init(&two, ACCOUNT_TOKENS_TEXT);
    account_tokens_format(set, &one);
    must(buf_ok(&one) && account_tokens_parse(buf_view(&one), &again) == ERR_OK);
    account_tokens_format(&again, &two);
    must(str_eq(buf_view(&one), buf_view(&two)));
    buf_fini(&one);
    buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct account_tokens set;
    char text[ACCOUNT_TOKEN_TEXT + 1];
    if (account_tokens_parse(str_make((const char *)data, size), &set) != ERR_OK)
        return 0;
    same_again(&set);
    while (set.n > 0 && set.t[0].is_new) {
        account_token_text(&set.t[0], STR("secret"), STR("a@b"), text);
        must(account_tokens_used(&set, &set.t[0], size));
        same_again(&set);
    }
    for (size_t i = 0; i <= ACCOUNT_TOKENS_MAX; i++) {
        char agent[ACCOUNT_AGENT_HEX + 1];
        account_agent_digest(str_make((const char *)&i, sizeof i), agent);
        (void)account_tokens_add(&set, agent, SASL_HT_SHA_256_NONE, i);
        must(set.n <= ACCOUNT_TOKENS_MAX);
    }
    same_again(&set);
    return 0;
}
